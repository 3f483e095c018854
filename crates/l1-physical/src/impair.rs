//! What happens to a packet on its way, besides loss: jitter, damage, a second copy, an unfair start.

use crate::{Damage, Framing, Jitter};
use tidewire_units::{Instant, Probability, Span, Stream};

/// The impairments of one direction of a link.
#[derive(Clone, Debug, Default)]
pub struct Impairments {
    /// Variation of the delay.
    pub jitter: Option<Jitter>,
    /// Noise.
    pub damage: Option<Damage>,
    /// Packets that arrive twice.
    pub duplicate: Option<(Probability, Stream)>,
    /// Packets that skip the delay and so overtake those before them.
    pub reorder: Option<(Probability, Stream)>,
    /// The last arrival of a packet that keeps its order.
    last: Instant,
}

/// How one packet travels.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Journey {
    /// When it arrives.
    pub arrives: Instant,
    /// Noise has damaged it.
    pub is_damaged: bool,
    /// It arrives twice.
    pub is_doubled: bool,
}

impl Impairments {
    /// True when nothing ever happens.
    pub fn is_none(&self) -> bool {
        let Impairments { jitter, damage, duplicate, reorder, last: _ } = self;
        jitter.is_none() && damage.is_none() && duplicate.is_none() && reorder.is_none()
    }

    /// Packets that keep their order arrive no earlier than this.
    pub fn keep_behind(&mut self, last: Instant) {
        self.last = self.last.max(last);
    }

    /// The way of a packet of `len` bytes whose last bit leaves at `sent`, over a link of `delay`.
    pub fn travel(&mut self, sent: Instant, delay: Span, len: u16, framing: Framing) -> Journey {
        let is_damaged = self.damage.as_mut().is_some_and(|damage| damage.draw(len, framing));
        let hits = |of: &mut Option<(Probability, Stream)>| {
            of.as_mut().is_some_and(|(p, stream)| p.hit(stream.bits()))
        };
        let is_doubled = hits(&mut self.duplicate);
        if hits(&mut self.reorder) {
            return Journey { arrives: sent, is_damaged, is_doubled };
        }
        let mut arrives = sent + self.jitter.as_mut().map_or(delay, |jitter| jitter.draw(delay));
        if self.jitter.as_ref().is_none_or(Jitter::keeps_order) {
            arrives = arrives.max(self.last);
            self.last = arrives;
        }
        Journey { arrives, is_damaged, is_doubled }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::JitterShape;
    use tidewire_units::{Purpose, Streams};

    fn at(ms: u64) -> Instant {
        Instant::ZERO + Span::from_ms(ms)
    }

    fn jitter(keeps_order: bool) -> Impairments {
        let stream = Streams::new(1).stream(Purpose::Jitter, "a-b");
        let shape = JitterShape::Uniform(Span::from_ms(50));
        Impairments { jitter: Some(Jitter::new(shape, 0.0, keeps_order, stream)), ..Impairments::default() }
    }

    fn arrivals(mut impairments: Impairments) -> Vec<Instant> {
        let travel = |ms| impairments.travel(at(ms), Span::from_ms(20), 1500, Framing::Ethernet).arrives;
        (0..200).map(travel).collect()
    }

    #[test]
    fn jitter_keeps_the_order_if_it_is_told_to() {
        assert!(arrivals(jitter(true)).is_sorted());
        assert!(!arrivals(jitter(false)).is_sorted());
    }

    #[test]
    fn a_packet_that_skips_the_delay_overtakes_those_before_it() {
        let stream = Streams::new(1).stream(Purpose::Reorder, "a-b");
        let p = Probability::new(0.1).unwrap();
        let impairments = Impairments { reorder: Some((p, stream)), ..Impairments::default() };
        let all = arrivals(impairments);
        let early = all.iter().enumerate().filter(|(i, arrives)| **arrives == at(*i as u64)).count();
        let late = all.iter().enumerate().filter(|(i, arrives)| **arrives == at(*i as u64 + 20)).count();
        assert!((8..40).contains(&early) && early + late == 200);
    }

    #[test]
    fn nothing_happens_on_a_perfect_link() {
        let mut perfect = Impairments::default();
        assert!(perfect.is_none());
        let journey = perfect.travel(at(1), Span::from_ms(20), 1500, Framing::Ip);
        assert_eq!(journey, Journey { arrives: at(21), is_damaged: false, is_doubled: false });
    }
}
