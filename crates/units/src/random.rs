//! Random streams keyed by (seed, purpose, entity name): adding a host never changes another host's luck.

use rand::Rng;
use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::SeedableRng;

/// What a stream of random numbers is used for. Each purpose of each entity has its own stream.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Purpose {
    /// Whether an IP packet that arrives at a port is lost on the link.
    Loss,
    /// The same for frames that are not IP.
    FrameLoss,
    /// Delay variation of a link.
    Jitter,
    /// Noise on a link.
    Corruption,
    /// Packets that a link doubles.
    Duplication,
    /// Packets that overtake others.
    Reorder,
    /// Processing delay of a node.
    Processing,
    /// Decisions of a queue discipline (RED, PIE).
    Queue,
    /// Initial sequence numbers and ephemeral ports.
    Transport,
    /// Times and sizes that an application draws.
    Application,
    /// What a script draws.
    Script,
    /// Per-node salt of equal-cost path choices.
    PathChoice,
    /// Construction of a random topology.
    Topology,
    /// Timers of a routing protocol.
    Routing,
    /// Transaction numbers and timers of DHCP.
    Services,
    /// Backoff of a station on a shared medium.
    Backoff,
}

impl Purpose {
    const fn label(self) -> &'static str {
        match self {
            Purpose::Loss => "loss",
            Purpose::FrameLoss => "frame-loss",
            Purpose::Jitter => "jitter",
            Purpose::Corruption => "corruption",
            Purpose::Duplication => "duplication",
            Purpose::Reorder => "reorder",
            Purpose::Processing => "processing",
            Purpose::Queue => "queue",
            Purpose::Transport => "transport",
            Purpose::Application => "application",
            Purpose::Script => "script",
            Purpose::PathChoice => "path-choice",
            Purpose::Services => "services",
            Purpose::Topology => "topology",
            Purpose::Routing => "routing",
            Purpose::Backoff => "backoff",
        }
    }
}

/// The source of every random stream of one run.
#[derive(Clone, Copy, Debug)]
pub struct Streams {
    seed: u64,
}

impl Streams {
    /// All streams of the run with this seed.
    pub const fn new(seed: u64) -> Self {
        Streams { seed }
    }

    /// The run's seed.
    pub const fn seed(self) -> u64 {
        self.seed
    }

    /// The stream of `entity` (a node's name, or a link's name with its direction) for `purpose`.
    pub fn stream(self, purpose: Purpose, entity: &str) -> Stream {
        let mut key = [0u8; 32];
        for (lane, chunk) in key.chunks_exact_mut(8).enumerate() {
            let parts: [&[u8]; 4] = [
                &(lane as u64).to_le_bytes(),
                &self.seed.to_le_bytes(),
                purpose.label().as_bytes(),
                entity.as_bytes(),
            ];
            chunk.copy_from_slice(&stable_hash(&parts).to_le_bytes());
        }
        Stream(ChaCha8Rng::from_seed(key))
    }
}

/// One stream of random numbers (ChaCha8).
#[derive(Clone, Debug)]
pub struct Stream(ChaCha8Rng);

impl Stream {
    /// 64 uniform bits.
    #[inline]
    pub fn bits(&mut self) -> u64 {
        self.0.next_u64()
    }

    /// Uniform in [0, 1), with 53 bits.
    pub fn unit(&mut self) -> f64 {
        (self.bits() >> 11) as f64 * (1.0 / (1u64 << 53) as f64)
    }

    /// Uniform in `low..=high`, without modulo bias beyond 2^-64.
    ///
    /// # Panics
    /// When `low > high`.
    pub fn between(&mut self, low: u64, high: u64) -> u64 {
        assert!(low <= high, "an empty range {low}..={high}");
        let width = u128::from(high - low) + 1;
        low + ((u128::from(self.bits()) * width) >> 64) as u64
    }

    /// Exponential with the given mean, computed with a portable logarithm.
    pub fn exponential(&mut self, mean: f64) -> f64 {
        -mean * libm::log1p(-self.unit())
    }

    /// Jumps to the draw with this ordinal: draw `n` is the same however many were made before.
    pub fn seek(&mut self, ordinal: u64) {
        self.0.set_word_pos(u128::from(ordinal) * 2);
    }
}

/// A 64-bit hash of `parts` (lengths included) that is the same on every machine and in every version.
pub fn stable_hash(parts: &[&[u8]]) -> u64 {
    let mut hash = 0xCBF2_9CE4_8422_2325u64;
    let mut eat = |byte: u8| hash = (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01B3);
    for part in parts {
        part.iter().copied().for_each(&mut eat);
        (part.len() as u64).to_le_bytes().into_iter().for_each(&mut eat);
    }
    // FNV-1a leaves the high bits of short inputs poorly mixed; finish as splitmix64 does.
    hash = (hash ^ (hash >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    hash = (hash ^ (hash >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    hash ^ (hash >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stream_depends_on_seed_purpose_and_name_and_on_nothing_else() {
        let first = |seed, purpose, name| Streams::new(seed).stream(purpose, name).bits();
        let base = first(1, Purpose::Loss, "a-b");
        assert_eq!(base, first(1, Purpose::Loss, "a-b"));
        assert_ne!(base, first(2, Purpose::Loss, "a-b"));
        assert_ne!(base, first(1, Purpose::Jitter, "a-b"));
        assert_ne!(base, first(1, Purpose::Loss, "a-c"));
    }

    #[test]
    fn the_first_draws_are_these_on_every_machine() {
        let mut stream = Streams::new(1).stream(Purpose::Loss, "a-b");
        let drawn = [stream.bits(), stream.bits()];
        assert_eq!(drawn, GOLDEN, "changing this breaks the reproducibility of every published run");
    }

    #[test]
    fn seeking_finds_the_draw_with_that_ordinal() {
        let mut stream = Streams::new(7).stream(Purpose::Loss, "x");
        let drawn: Vec<u64> = (0..100).map(|_| stream.bits()).collect();
        for ordinal in [99, 0, 42, 7] {
            stream.seek(ordinal);
            assert_eq!(stream.bits(), drawn[ordinal as usize]);
        }
    }

    #[test]
    fn draws_between_bounds_reach_both_and_stay_inside() {
        let mut stream = Streams::new(3).stream(Purpose::Script, "dice");
        let drawn: Vec<u64> = (0..1000).map(|_| stream.between(1, 6)).collect();
        assert_eq!((drawn.iter().min(), drawn.iter().max()), (Some(&1), Some(&6)));
    }

    #[test]
    fn exponential_draws_have_the_mean_asked_for() {
        let mut stream = Streams::new(3).stream(Purpose::Application, "poisson");
        let mean = (0..100_000).map(|_| stream.exponential(2.0)).sum::<f64>() / 1e5;
        // Standard error 2/sqrt(1e5) = 0.0063; four of them.
        assert!((mean - 2.0).abs() < 0.026, "{mean}");
    }

    const GOLDEN: [u64; 2] = [6982280962607326241, 4575443801876039051];
}
