//! Which packets a link loses.

use tidewire_units::{Probability, Stream};

/// What a packet is, as far as a loss model may ask; a set.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct PacketClass(pub u8);

impl PacketClass {
    /// An IP packet, as opposed to ARP and other frames.
    pub const IP: PacketClass = PacketClass(1);
    /// Carries application data.
    pub const DATA: PacketClass = PacketClass(1 << 1);
    /// A TCP acknowledgment without data, SYN, FIN or RST.
    pub const ACK: PacketClass = PacketClass(1 << 2);
    /// A TCP SYN without ACK.
    pub const SYN: PacketClass = PacketClass(1 << 3);
    /// A TCP SYN with ACK.
    pub const SYNACK: PacketClass = PacketClass(1 << 4);
    /// A TCP FIN.
    pub const FIN: PacketClass = PacketClass(1 << 5);
    /// Carries TCP data that was sent before.
    pub const RETRANSMIT: PacketClass = PacketClass(1 << 6);
    /// Whoever watches the link has chosen it.
    pub const CHOSEN: PacketClass = PacketClass(1 << 7);

    /// Every class of `other` is among these.
    #[inline]
    pub const fn contains(self, other: PacketClass) -> bool {
        self.0 & other.0 == other.0
    }
}

impl std::ops::BitOr for PacketClass {
    type Output = PacketClass;
    fn bitor(self, other: PacketClass) -> PacketClass {
        PacketClass(self.0 | other.0)
    }
}

#[derive(Clone, Debug)]
enum Model {
    Never,
    Bernoulli(Probability, Box<(Stream, Stream)>),
    Every(u64),
    Listed(Box<[u64]>),
    Repeated(Box<[u64]>, u64),
    Gilbert(Box<GilbertElliott>, Box<Stream>),
    Any(Vec<Loss>),
}

/// A channel with a good and a bad state (Gilbert 1960, Elliott 1963). The state may change before each packet.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct GilbertElliott {
    /// Probability of leaving the good state.
    pub good_to_bad: Probability,
    /// Probability of leaving the bad state; the mean length of a bad spell is its reciprocal, in packets.
    pub bad_to_good: Probability,
    /// Loss in the good state.
    pub loss_good: Probability,
    /// Loss in the bad state.
    pub loss_bad: Probability,
    /// Whether the channel is in its bad state.
    pub is_bad: bool,
}

impl GilbertElliott {
    /// The long-run share of packets lost.
    pub fn mean_loss(&self) -> f64 {
        let (p, r) = (self.good_to_bad.get(), self.bad_to_good.get());
        let bad = if p + r > 0.0 { p / (p + r) } else { f64::from(u8::from(self.is_bad)) };
        bad * self.loss_bad.get() + (1.0 - bad) * self.loss_good.get()
    }
}

/// Decides which packets are lost. The decision on a packet is a function of its ordinal among the matching packets that have
/// arrived at the port, so that two runs with the same seed lose the same ordinals whatever they carry.
#[derive(Clone, Debug)]
pub struct Loss {
    model: Model,
    only: PacketClass,
    ordinal: u64,
    /// Packets to lose next regardless of the model.
    forced: u64,
}

impl Default for Loss {
    fn default() -> Self {
        Loss::new(Model::Never)
    }
}

impl Loss {
    fn new(model: Model) -> Loss {
        Loss { model, only: PacketClass::IP, ordinal: 0, forced: 0 }
    }

    /// Independent losses. IP packets draw from the first stream, other frames (ARP) from the second.
    pub fn bernoulli(p: Probability, packets: Stream, frames: Stream) -> Loss {
        if p.is_zero() {
            return Loss::default();
        }
        Loss { only: PacketClass(0), ..Loss::new(Model::Bernoulli(p, Box::new((packets, frames)))) }
    }

    /// Loses every `n`-th matching packet: the n-th, the 2n-th ... `n` = 0 loses none.
    pub fn every(n: u64) -> Loss {
        Loss::new(if n == 0 { Model::Never } else { Model::Every(n) })
    }

    /// Loses exactly the matching packets with these ordinals, counted from 1.
    pub fn listed(mut ordinals: Vec<u64>) -> Loss {
        ordinals.sort_unstable();
        Loss::new(Model::Listed(ordinals.into()))
    }

    /// Loses the matching packets with these ordinals of every `of`; `of` is at least 1.
    pub fn repeated(mut ordinals: Vec<u64>, of: u64) -> Loss {
        ordinals.sort_unstable();
        Loss::new(Model::Repeated(ordinals.into(), of.max(1)))
    }

    /// Losses in bursts.
    pub fn gilbert(channel: GilbertElliott, stream: Stream) -> Loss {
        Loss::new(Model::Gilbert(Box::new(channel), Box::new(stream)))
    }

    /// Loses what any of these loses; each counts the packets that it looks at.
    pub fn any(models: Vec<Loss>) -> Loss {
        let only = models.iter().fold(PacketClass(0), |all, loss| all | loss.only);
        Loss { only, ..Loss::new(Model::Any(models)) }
    }

    /// Restricts the model to packets of a class; others are neither lost nor counted.
    pub fn only(mut self, class: PacketClass) -> Loss {
        self.only = class;
        self
    }

    /// Loses the next `n` packets, whatever they are.
    pub fn drop_next(&mut self, n: u64) {
        self.forced += n;
    }

    /// Whether the model looks at more of a packet than whether it is IP.
    #[inline]
    pub fn needs_class(&self) -> bool {
        self.only.0 & !PacketClass::IP.0 != 0
    }

    /// Whether nothing is ever lost, so that [`Loss::draw`] need not be called.
    #[inline]
    pub fn is_never(&self) -> bool {
        matches!(self.model, Model::Never) && self.forced == 0
    }

    /// Whether the packet arriving now is lost.
    #[inline]
    pub fn draw(&mut self, class: PacketClass) -> bool {
        if self.forced > 0 {
            self.forced -= 1;
            return true;
        }
        if let Model::Any(models) = &mut self.model {
            return models.iter_mut().fold(false, |lost, loss| loss.draw(class) | lost);
        }
        if !class.contains(self.only) {
            return false;
        }
        match &mut self.model {
            Model::Never | Model::Any(_) => false,
            Model::Bernoulli(p, streams) => {
                let stream = if class.contains(PacketClass::IP) { &mut streams.0 } else { &mut streams.1 };
                p.hit(stream.bits())
            }
            Model::Every(n) => {
                self.ordinal += 1;
                self.ordinal.is_multiple_of(*n)
            }
            Model::Listed(ordinals) => {
                self.ordinal += 1;
                ordinals.binary_search(&self.ordinal).is_ok()
            }
            Model::Repeated(ordinals, of) => {
                self.ordinal = self.ordinal % *of + 1;
                ordinals.binary_search(&self.ordinal).is_ok()
            }
            Model::Gilbert(channel, stream) => {
                let leave = if channel.is_bad { channel.bad_to_good } else { channel.good_to_bad };
                channel.is_bad ^= leave.hit(stream.bits());
                let loss = if channel.is_bad { channel.loss_bad } else { channel.loss_good };
                loss.hit(stream.bits())
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tidewire_units::{Purpose, Streams};

    fn lost(loss: &mut Loss, n: u64) -> Vec<u64> {
        (1..=n).filter(|_| loss.draw(PacketClass::IP | PacketClass::DATA)).collect()
    }

    #[test]
    fn a_recording_of_losses_begins_again_at_its_end() {
        assert_eq!(lost(&mut Loss::repeated(vec![5, 2], 5), 12), [2, 5, 7, 10, 12]);
    }

    #[test]
    fn periodic_loss_takes_every_nth() {
        assert_eq!(lost(&mut Loss::every(4), 12), [4, 8, 12]);
        assert_eq!(lost(&mut Loss::every(0), 12), []);
    }

    #[test]
    fn listed_loss_takes_exactly_the_listed_ordinals() {
        assert_eq!(lost(&mut Loss::listed(vec![9, 5, 5]), 20), [5, 9]);
    }

    #[test]
    fn only_matching_packets_are_counted() {
        let mut loss = Loss::listed(vec![2]).only(PacketClass::DATA);
        let ack = PacketClass::IP | PacketClass::ACK;
        let data = PacketClass::IP | PacketClass::DATA;
        let drawn = [ack, data, ack, data, data].map(|class| loss.draw(class));
        assert_eq!(drawn, [false, false, false, true, false]);
        assert!(loss.needs_class());
    }

    #[test]
    fn arp_draws_do_not_shift_the_luck_of_packets() {
        let streams = Streams::new(1);
        let make = || {
            Loss::bernoulli(
                Probability::new(0.3).unwrap(),
                streams.stream(Purpose::Loss, "a-b"),
                streams.stream(Purpose::FrameLoss, "a-b"),
            )
        };
        let (mut plain, mut mixed) = (make(), make());
        for _ in 0..200 {
            mixed.draw(PacketClass(0));
            assert_eq!(plain.draw(PacketClass::IP), mixed.draw(PacketClass::IP));
        }
    }

    #[test]
    fn the_mean_of_independent_loss_is_the_probability_asked_for() {
        let streams = Streams::new(1);
        let p = Probability::new(0.05).unwrap();
        let mut loss =
            Loss::bernoulli(p, streams.stream(Purpose::Loss, "x"), streams.stream(Purpose::FrameLoss, "x"));
        let n = 200_000;
        let mean = (0..n).filter(|_| loss.draw(PacketClass::IP)).count() as f64 / n as f64;
        // Standard error sqrt(0.05 * 0.95 / 2e5) = 0.00049; four of them.
        assert!((mean - 0.05).abs() < 0.002, "{mean}");
    }

    #[test]
    fn a_bursty_channel_has_the_mean_and_the_burst_length_of_its_chain() {
        let p = |x| Probability::new(x).unwrap();
        let channel = GilbertElliott {
            good_to_bad: p(0.01),
            bad_to_good: p(0.25),
            loss_good: Probability::ZERO,
            loss_bad: Probability::ONE,
            is_bad: false,
        };
        let mut loss = Loss::gilbert(channel, Streams::new(5).stream(Purpose::Loss, "a-b"));
        let all: Vec<bool> = (0..400_000).map(|_| loss.draw(PacketClass::IP)).collect();
        let mean = all.iter().filter(|lost| **lost).count() as f64 / all.len() as f64;
        assert!((channel.mean_loss() - 0.01 / 0.26).abs() < 1e-12);
        assert!((mean - channel.mean_loss()).abs() < 0.002, "{mean}");
        let bursts: Vec<usize> =
            all.chunk_by(|a, b| a == b).filter(|run| run[0]).map(<[bool]>::len).collect();
        let length = bursts.iter().sum::<usize>() as f64 / bursts.len() as f64;
        assert!((length - 4.0).abs() < 0.15, "{length}");
    }

    #[test]
    fn a_combination_loses_what_any_of_its_parts_loses() {
        let data = Loss::listed(vec![2]).only(PacketClass::DATA);
        let syn = Loss::listed(vec![1]).only(PacketClass::SYN);
        let mut both = Loss::any(vec![data, syn]);
        assert!(both.needs_class());
        let of = |class| PacketClass::IP | class;
        let drawn = [PacketClass::SYN, PacketClass::DATA, PacketClass::SYN, PacketClass::DATA]
            .map(|c| both.draw(of(c)));
        assert_eq!(drawn, [true, false, false, true]);
    }

    #[test]
    fn forced_losses_come_first() {
        let mut loss = Loss::default();
        assert!(loss.is_never());
        loss.drop_next(2);
        assert_eq!(lost(&mut loss, 5), [1, 2]);
    }
}
