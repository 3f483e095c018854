//! How large datagrams may be: the search of RFC 8899 in the way of RFC 9000 section 14.3.

/// Losses of a probe that prove that the path does not carry it (RFC 8899 section 5.1.2: MAX_PROBES).
const MAX_PROBES: u8 = 3;
/// A gain below this many bytes is not worth a probe.
const STEP: u16 = 20;

/// The search. What is tried first is the largest, since most paths carry it; after that, the middle of what is left.
#[derive(Clone, Debug)]
pub(super) struct PathMtu {
    /// Datagrams of this size arrive.
    pub size: u16,
    /// Larger ones do not.
    ceiling: u16,
    base: u16,
    most: u16,
    /// To be tried, and how often that has failed.
    next: Option<u16>,
    losses: u8,
    under_way: bool,
}

impl PathMtu {
    pub fn new(base: u16, most: u16) -> PathMtu {
        let most = most.max(base);
        let next = (most > base).then_some(most);
        PathMtu { size: base, ceiling: most, base, most, next, losses: 0, under_way: false }
    }

    /// The size of the probe to be sent now.
    pub fn wanted(&self) -> Option<u16> {
        self.next.filter(|_| !self.under_way)
    }

    pub fn on_sent(&mut self) {
        self.under_way = true;
    }

    pub fn on_acked(&mut self) {
        if self.under_way {
            self.size = self.next.unwrap_or(self.size);
            self.choose();
        }
    }

    pub fn on_lost(&mut self) {
        self.losses += 1;
        self.under_way = false;
        if self.losses >= MAX_PROBES {
            self.refused();
        }
    }

    /// A probe cannot even leave the host.
    pub fn refused(&mut self) {
        self.ceiling = self.next.map_or(self.size, |size| size - 1);
        self.choose();
    }

    fn choose(&mut self) {
        (self.losses, self.under_way) = (0, false);
        let gain = self.ceiling - self.size;
        self.next = (gain >= STEP).then(|| self.size + gain.div_ceil(2));
    }

    /// Nothing arrives any more, perhaps because of its size (RFC 8899 section 4.3): back to what every path carries.
    pub fn restart(&mut self) {
        *self = PathMtu::new(self.base, self.most);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What is found on a path that carries so much, and in how many probes.
    fn found(carries: u16) -> (u16, u32) {
        let (mut mtu, mut probes) = (PathMtu::new(1200, 1472), 0);
        while let Some(size) = mtu.wanted() {
            probes += 1;
            mtu.on_sent();
            assert_eq!(mtu.wanted(), None, "one at a time");
            if size <= carries { mtu.on_acked() } else { mtu.on_lost() }
        }
        (mtu.size, probes)
    }

    #[test]
    fn the_largest_is_tried_first_and_otherwise_the_middle() {
        assert_eq!(found(1472), (1472, 1));
        assert_eq!(found(9000), (1472, 1));
        let (size, probes) = found(1400);
        assert!((1381..=1400).contains(&size) && probes <= 15, "{size} {probes}");
        assert_eq!(found(1200).0, 1200);
        for carries in 1200..1472 {
            let (size, _) = found(carries);
            assert!(size <= carries && carries - size < STEP, "{carries}: {size}");
        }
    }

    #[test]
    fn what_cannot_leave_the_host_is_not_tried_again() {
        let mut mtu = PathMtu::new(1200, 1472);
        mtu.on_sent();
        mtu.refused();
        assert_eq!(mtu.wanted(), Some(1336));
    }

    #[test]
    fn nothing_is_sought_beyond_the_base_if_that_is_all_that_is_wanted() {
        assert_eq!(PathMtu::new(1200, 1200).wanted(), None);
    }
}
