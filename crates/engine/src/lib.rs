//! Who is next: an agenda of timed keys, ordered by the model and by nothing else.
//!
//! ```text
//!   (time, class, source) --push--> Agenda --next--> the earliest key; ties by class, then source
//! ```
//!
//! | file | what is in it |
//! |---|---|
//! | `lib.rs` | [`Key`], [`Class`] |
//! | `agenda.rs` | [`Agenda`], a std `BinaryHeap` of 16-byte keys: the reference run loop's queue |
//!
//! What is not here: packets, nodes, what a key's source stands for. The world gives keys their meaning.

mod agenda;

pub use agenda::Agenda;
use tidewire_units::Instant;

/// The classes of events at one instant, in the order in which they are handled.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
#[repr(u8)]
pub enum Class {
    /// Scheduled changes and callbacks of the script.
    Control = 0,
    /// A packet arrives at the end of a link; the source is the link's direction.
    Arrival = 1,
    /// A port that schedules its own transmissions.
    Port = 2,
    /// A node's timer.
    Timer = 3,
    /// A process continues; the source is its spawn number.
    Process = 4,
    /// A sampler looks at what has happened by then.
    Sampler = 5,
}

/// One entry of the agenda: 16 bytes that compare as one number.
///
/// From the top: time (64 bits), class (8), source (40), unused (15), background (1).
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct Key(u128);

const SOURCE_SHIFT: u32 = 16;
const CLASS_SHIFT: u32 = 56;
const SOURCE_MASK: u64 = (1 << 40) - 1;

impl Key {
    /// The key of a foreground event.
    #[inline]
    pub const fn new(time: Instant, class: Class, source: u64) -> Key {
        debug_assert!(source <= SOURCE_MASK);
        let order = (class as u64) << CLASS_SHIFT | source << SOURCE_SHIFT;
        Key((time.as_ps() as u128) << 64 | order as u128)
    }

    /// The same event, not keeping a run alive: ageing, sampling, TIME-WAIT, keepalive.
    #[inline]
    pub const fn background(self) -> Key {
        Key(self.0 | 1)
    }

    /// When.
    #[inline]
    pub const fn time(self) -> Instant {
        Instant::from_ps((self.0 >> 64) as u64)
    }

    /// What class of event.
    #[inline]
    pub const fn class(self) -> Class {
        match self.0 as u64 >> CLASS_SHIFT {
            0 => Class::Control,
            1 => Class::Arrival,
            2 => Class::Port,
            3 => Class::Timer,
            4 => Class::Process,
            _ => Class::Sampler,
        }
    }

    /// Whose.
    #[inline]
    pub const fn source(self) -> u64 {
        self.0 as u64 >> SOURCE_SHIFT & SOURCE_MASK
    }

    /// Whether it may be forgotten when nothing else is left.
    #[inline]
    pub const fn is_background(self) -> bool {
        self.0 & 1 == 1
    }

    const fn with_source(self, source: u64) -> Key {
        let mask = (SOURCE_MASK as u128) << SOURCE_SHIFT;
        Key(self.0 & !mask | (source as u128) << SOURCE_SHIFT)
    }
}

const _: () = assert!(size_of::<Key>() == 16);
