//! Whom a peer serves: tit for tat with an optimistic unchoke (Cohen 2003, "Incentives Build Robustness in BitTorrent").

use super::torrent::splitmix;

/// Somebody who may be served.
#[derive(Clone, Copy, Debug)]
pub struct Candidate {
    /// The connection.
    pub conn: u32,
    /// Bytes that came from it in the last two intervals.
    pub score: u64,
    /// How often it took nothing when it was served, and how many pieces it has.
    pub behind: (u32, u32),
    /// It is being served.
    pub unchoked: bool,
}

/// Decides at every interval.
#[derive(Debug)]
pub struct Choker {
    slots: usize,
    round: u32,
    optimistic: Option<u32>,
}

/// An optimistic unchoke lasts so many intervals.
const OPTIMISTIC_ROUNDS: u32 = 3;

impl Choker {
    /// Serves `slots` at a time, the optimistic one among them.
    pub fn new(slots: usize) -> Choker {
        Choker { slots, round: 0, optimistic: None }
    }

    /// How many are served at a time.
    pub fn slots(&self) -> usize {
        self.slots
    }

    /// Who is served until the next interval, from those who are interested. A leecher serves who gave most, and one who has
    /// little, without regard to what it gave; a seed serves who has least.
    pub fn decide(&mut self, is_seed: bool, mut all: Vec<Candidate>, random: &mut u64) -> Vec<u32> {
        self.round += 1;
        let mut chosen = Vec::with_capacity(self.slots);
        if is_seed {
            all.sort_by_key(|one| (one.behind, !one.unchoked, one.conn));
            chosen.extend(all.iter().take(self.slots).map(|one| one.conn));
            return chosen;
        }
        // Who gave about as much (within twice) keeps its place, or has less than the others: shares of a line differ by chance, and who
        // was unlucky once would fall behind for good.
        let rank = |one: &Candidate| {
            (std::cmp::Reverse(one.score.checked_ilog2()), !one.unchoked, one.behind.1, one.conn)
        };
        all.sort_by_key(rank);
        let regular = if self.slots > 1 { self.slots - 1 } else { self.slots };
        chosen.extend(all.iter().take(regular).map(|one| one.conn));
        let due = self.round % OPTIMISTIC_ROUNDS == 1;
        let stays = |conn: u32| all.iter().any(|one| one.conn == conn) && !chosen.contains(&conn);
        let keeps = self.optimistic.filter(|conn| !due && stays(*conn));
        // By chance among the half that has less: who has just come has nothing to give yet.
        let mut rest: Vec<_> = all.iter().skip(regular).map(|one| (one.behind, one.conn)).collect();
        rest.sort_unstable();
        rest.truncate(rest.len().div_ceil(2));
        self.optimistic = keeps
            .or_else(|| (!rest.is_empty()).then(|| rest[(splitmix(random) % rest.len() as u64) as usize].1));
        // With one slot, every third round is for somebody by chance.
        if self.slots == 1 && due && self.optimistic.is_some() {
            chosen.clear();
        }
        if self.slots > 1 || chosen.is_empty() {
            chosen.extend(self.optimistic);
        }
        chosen
    }
}
