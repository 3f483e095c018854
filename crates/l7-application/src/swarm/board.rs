//! What the peers of a swarm have done, for whoever looks from outside.

use super::tracker::Members;
use std::cell::RefCell;
use std::collections::{BTreeMap, VecDeque};
use std::rc::Rc;
use tidewire_units::Instant;

/// What happens to a peer.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Event {
    /// It has this piece now.
    Piece(u32),
    /// It has the whole file.
    Complete,
    /// It has left, or its host has crashed.
    Left,
    /// Its host has booted, and it goes on with the pieces on its disk.
    Back,
    /// It has banned another: whose address that was.
    Banned(u32),
}

/// What a peer has done so far.
#[derive(Clone, Debug, Default)]
pub struct PeerReport {
    /// Its name.
    pub name: String,
    /// Its address.
    pub address: u32,
    /// What it is like, as a word.
    pub behaviour: &'static str,
    /// When it came.
    pub joined: Option<Instant>,
    /// When it had the whole file, with the right hash.
    pub complete: Option<Instant>,
    /// When it left for good, or its host crashed.
    pub left: Option<Instant>,
    /// Pieces that it has.
    pub pieces: u32,
    /// Bytes of blocks that it has received, wanted or not.
    pub downloaded: u64,
    /// Bytes of blocks that it has sent.
    pub uploaded: u64,
    /// Bytes of blocks that it had already.
    pub wasted: u64,
    /// Pieces whose hash was wrong.
    pub corrupt: u64,
    /// Others whom it does not deal with any more.
    pub banned: u64,
    /// Connections closed because of bytes that are no message.
    pub malformed: u64,
    /// Connections closed because of too many requests.
    pub floods: u64,
    /// Times that another did not answer requests in time.
    pub timeouts: u64,
    /// Blocks that it had not asked for.
    pub unrequested: u64,
    /// Connections refused because it had enough.
    pub refused: u64,
    /// Most connections at a time.
    pub connections: u32,
    /// The hash of the whole file as received.
    pub hash: Option<u64>,
}

/// All of a swarm.
#[derive(Debug, Default)]
pub struct Board {
    /// By peer; seeds first.
    pub peers: Vec<PeerReport>,
    /// What has happened and was not yet looked at.
    pub events: VecDeque<(Instant, u32, Event)>,
    /// Keep events of pieces too.
    pub wants_pieces: bool,
    /// The process that is woken when something happens, by spawn number.
    pub waiting: Option<u32>,
    /// Announcements that the tracker has answered.
    pub announces: u64,
    /// What is on the disks of peers whose hosts have crashed.
    pub disks: BTreeMap<u32, Disk>,
    /// What is on the disk of the tracker, when its host has crashed.
    pub tracker_disk: Option<Members>,
}

/// What survives a crash of a peer's host.
#[derive(Debug)]
pub struct Disk {
    /// The pieces.
    pub have: Vec<bool>,
    /// How often it has started before.
    pub starts: u32,
    /// It would not have come before this.
    pub join: Instant,
}

/// Shared by the peers of a swarm and who looks at them; all of them run in one world.
pub type SharedBoard = Rc<RefCell<Board>>;
