//! The minimum or maximum of a measurement over a sliding window of time or rounds, in constant space: the best, second and
//! third best of successively later parts of the window (Kathleen Nichols' algorithm).

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
struct Sample {
    at: u32,
    value: u32,
}

/// A windowed filter over times or rounds below 2^32.
#[derive(Clone, Copy, Debug)]
pub(crate) struct MinMax {
    best: [Sample; 3],
}

impl MinMax {
    pub fn new(at: u64, value: u32) -> MinMax {
        MinMax { best: [Sample { at: at as u32, value }; 3] }
    }

    /// The best value of the window.
    #[inline]
    pub fn get(&self) -> u32 {
        self.best[0].value
    }

    /// Writes or reads everything; see [`crate::Folded`].
    pub fn pass(&mut self, pass: &mut crate::folded::Pass<'_>) {
        for sample in &mut self.best {
            pass.u32(&mut sample.at);
            pass.u32(&mut sample.value);
        }
    }

    /// Forgets the past.
    pub fn reset(&mut self, at: u64, value: u32) -> u32 {
        *self = MinMax::new(at, value);
        value
    }

    /// A sample of a minimum filter.
    #[inline]
    pub fn running_min(&mut self, window: u64, at: u64, value: u32) -> u32 {
        if value <= self.best[0].value || u64::from((at as u32).saturating_sub(self.best[2].at)) > window {
            return self.reset(at, value);
        }
        let sample = Sample { at: at as u32, value };
        if value <= self.best[1].value {
            self.best[2] = sample;
            self.best[1] = sample;
        } else if value <= self.best[2].value {
            self.best[2] = sample;
        }
        self.age(window, sample)
    }

    /// A sample of a maximum filter.
    #[inline]
    pub fn running_max(&mut self, window: u64, at: u64, value: u32) -> u32 {
        if value >= self.best[0].value || u64::from((at as u32).saturating_sub(self.best[2].at)) > window {
            return self.reset(at, value);
        }
        let sample = Sample { at: at as u32, value };
        if value >= self.best[1].value {
            self.best[2] = sample;
            self.best[1] = sample;
        } else if value >= self.best[2].value {
            self.best[2] = sample;
        }
        self.age(window, sample)
    }

    /// The best has left the window, or the window's parts have become stale.
    fn age(&mut self, window: u64, sample: Sample) -> u32 {
        let dt = u64::from(sample.at.saturating_sub(self.best[0].at));
        if dt > window {
            self.best[0] = self.best[1];
            self.best[1] = self.best[2];
            self.best[2] = sample;
            if u64::from(sample.at.saturating_sub(self.best[0].at)) > window {
                self.best[0] = self.best[1];
                self.best[1] = self.best[2];
                self.best[2] = sample;
            }
        } else if self.best[1].at == self.best[0].at && dt > window / 4 {
            self.best[1] = sample;
            self.best[2] = sample;
        } else if self.best[2].at == self.best[1].at && dt > window / 2 {
            self.best[2] = sample;
        }
        self.best[0].value
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_old_minimum_is_forgotten_and_a_newer_one_takes_its_place() {
        let mut filter = MinMax::new(0, 10);
        assert_eq!(filter.running_min(100, 40, 20), 10);
        assert_eq!(filter.running_min(100, 90, 30), 10);
        assert_eq!(filter.running_min(100, 101, 40), 20);
        assert_eq!(filter.running_min(100, 102, 5), 5);
    }

    #[test]
    fn a_maximum_over_ten_rounds_drops_after_ten_rounds() {
        let mut filter = MinMax::new(0, 0);
        filter.running_max(10, 1, 100);
        for round in 2..=11 {
            assert_eq!(filter.running_max(10, round, 50), 100);
        }
        assert_eq!(filter.running_max(10, 12, 50), 50);
    }
}
