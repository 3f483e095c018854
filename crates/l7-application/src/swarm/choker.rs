//! Whom a peer serves: tit for tat with optimistic unchokes (BEP 3; Cohen 2003, "Incentives Build Robustness in BitTorrent"), or so
//! that nobody falls behind.

use super::torrent::splitmix;
use tidewire_units::Instant;

/// What decides whom a peer without the whole file serves.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Choking {
    /// Who gave most, and by chance.
    TitForTat,
    /// Who gave about as much is served by what it lacks, and chance prefers who has little: cooperation, which comes nearer to the bounds.
    Balanced,
}

/// What decides whom a seed serves.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum SeedChoking {
    /// One after the other (mainline 4.0; Legout et al. 2006, "Rarest First and Choke Algorithms Are Enough", section 2.2).
    RoundRobin,
    /// Who takes most, and by chance (mainline before 4.0).
    Fastest,
    /// Who has least.
    Neediest,
}

/// Somebody who may be served.
#[derive(Clone, Copy, Debug)]
pub struct Candidate {
    /// The connection.
    pub conn: u32,
    /// Bytes that came from it in the last two intervals; at a seed, that went to it.
    pub score: u64,
    /// How often it took nothing when it was served, and how many pieces it has.
    pub behind: (u32, u32),
    /// It is being served.
    pub unchoked: bool,
    /// When it was last begun to be served.
    pub since: Instant,
}

/// Decides at every interval.
#[derive(Debug)]
pub struct Choker {
    slots: usize,
    leecher: Choking,
    seed: SeedChoking,
    round: u32,
    optimistic: Vec<u32>,
}

/// An optimistic unchoke lasts so many intervals; so long is a seed's turn, too.
const OPTIMISTIC_ROUNDS: u32 = 3;

impl Choker {
    /// Serves `slots` at a time, the optimistic one among them.
    pub fn new(slots: usize, leecher: Choking, seed: SeedChoking) -> Choker {
        Choker { slots, leecher, seed, round: 0, optimistic: Vec::new() }
    }

    /// How many are served at a time.
    pub fn slots(&self) -> usize {
        self.slots
    }

    /// Whether seeds serve who has least.
    pub fn prefers_the_needy(&self) -> bool {
        self.seed == SeedChoking::Neediest
    }

    /// Who is served until the next interval, from those who are interested.
    pub fn decide(&mut self, is_seed: bool, mut all: Vec<Candidate>, random: &mut u64) -> Vec<u32> {
        self.round += 1;
        match (is_seed, self.leecher, self.seed) {
            (true, _, SeedChoking::RoundRobin) => self.in_turn(all, random),
            (true, _, SeedChoking::Fastest) | (false, Choking::TitForTat, _) => self.by_score(all, random),
            (true, _, SeedChoking::Neediest) => {
                all.sort_by_key(|one| (one.behind, !one.unchoked, one.conn));
                all.iter().take(self.slots).map(|one| one.conn).collect()
            }
            (false, Choking::Balanced, _) => self.balanced(all, random),
        }
    }

    /// Who gets a slot that has fallen free.
    pub fn fill(&mut self, is_seed: bool, all: &[Candidate], random: &mut u64) -> Option<u32> {
        let waiting = || all.iter().filter(|one| !one.unchoked);
        let needy =
            if is_seed { self.seed == SeedChoking::Neediest } else { self.leecher == Choking::Balanced };
        if needy {
            let rank = |one: &Candidate| {
                (std::cmp::Reverse(if is_seed { 0 } else { one.score }), one.behind.0, one.behind.1)
            };
            let best = waiting().map(rank).min()?;
            return by_chance(waiting().filter(|one| rank(one) == best).map(|one| one.conn), random);
        }
        if !(is_seed && self.seed == SeedChoking::RoundRobin) {
            let has_earned = |one: &&Candidate| one.score > 0 && !self.optimistic.contains(&one.conn);
            let regular = all.iter().filter(|one| one.unchoked).filter(has_earned).count();
            let best = waiting().filter(has_earned).max_by_key(|one| (one.score, one.conn));
            if regular < self.regular()
                && let Some(best) = best
            {
                return Some(best.conn);
            }
        }
        let chosen = by_chance(waiting().map(|one| one.conn), random);
        self.optimistic.extend(chosen);
        chosen
    }

    fn regular(&self) -> usize {
        if self.slots > 1 { self.slots - 1 } else { self.slots }
    }

    fn is_due(&self) -> bool {
        self.round % OPTIMISTIC_ROUNDS == 1
    }

    /// Those with the highest scores; the other slots go by chance, and for some intervals. With one slot, every third round does.
    fn by_score(&mut self, mut all: Vec<Candidate>, random: &mut u64) -> Vec<u32> {
        let due = self.is_due();
        let regular = if self.slots == 1 && due { 0 } else { self.regular() };
        all.sort_by_key(|one| (std::cmp::Reverse(one.score), !one.unchoked, one.conn));
        let mut chosen: Vec<u32> =
            all.iter().filter(|one| one.score > 0).take(regular).map(|one| one.conn).collect();
        let mut rest: Vec<u32> =
            all.iter().map(|one| one.conn).filter(|conn| !chosen.contains(conn)).collect();
        let mut free = self.slots - chosen.len();
        let before = std::mem::take(&mut self.optimistic);
        let keeps = before.into_iter().filter(|_| !due);
        for conn in keeps {
            if free > 0
                && let Some(at) = rest.iter().position(|one| *one == conn)
            {
                self.optimistic.push(rest.swap_remove(at));
                free -= 1;
            }
        }
        while free > 0 && !rest.is_empty() {
            let at = (splitmix(random) % rest.len() as u64) as usize;
            self.optimistic.push(rest.swap_remove(at));
            free -= 1;
        }
        chosen.extend(&self.optimistic);
        chosen
    }

    /// In two of three rounds the one that was served longest makes room for one by chance.
    fn in_turn(&mut self, mut all: Vec<Candidate>, random: &mut u64) -> Vec<u32> {
        self.optimistic.clear();
        all.sort_by_key(|one| (!one.unchoked, std::cmp::Reverse(one.since), one.conn));
        let stays = if self.round.is_multiple_of(OPTIMISTIC_ROUNDS) || self.slots == 1 && !self.is_due() {
            self.slots
        } else {
            self.slots - 1
        };
        let served = all.iter().take_while(|one| one.unchoked).count();
        let mut chosen: Vec<u32> = all.iter().take(served.min(stays)).map(|one| one.conn).collect();
        let mut rest: Vec<u32> = all[served..].iter().map(|one| one.conn).collect();
        while chosen.len() < self.slots && !rest.is_empty() {
            let at = (splitmix(random) % rest.len() as u64) as usize;
            chosen.push(rest.swap_remove(at));
        }
        // Nobody else wants the place.
        let others = all[..served].iter().map(|one| one.conn).skip(stays);
        chosen.extend(others.take(self.slots - chosen.len()));
        chosen
    }

    /// Serves who gave about as much by what it lacks, and one by chance that has little.
    fn balanced(&mut self, mut all: Vec<Candidate>, random: &mut u64) -> Vec<u32> {
        // Who gave about as much (within twice) keeps its place, or has less than the others: shares of a line differ by chance, and who
        // was unlucky once would fall behind for good.
        let rank = |one: &Candidate| {
            (std::cmp::Reverse(one.score.checked_ilog2()), !one.unchoked, one.behind.1, one.conn)
        };
        all.sort_by_key(rank);
        let mut chosen: Vec<u32> = all.iter().take(self.regular()).map(|one| one.conn).collect();
        let due = self.is_due();
        let stays = |conn: u32| all.iter().any(|one| one.conn == conn) && !chosen.contains(&conn);
        let keeps = self.optimistic.first().copied().filter(|conn| !due && stays(*conn));
        // By chance among the half that has less: who has just come has nothing to give yet.
        let mut rest: Vec<_> = all.iter().skip(self.regular()).map(|one| (one.behind, one.conn)).collect();
        rest.sort_unstable();
        rest.truncate(rest.len().div_ceil(2));
        let optimistic = keeps.or_else(|| by_chance(rest.iter().map(|one| one.1), random));
        self.optimistic = optimistic.into_iter().collect();
        // With one slot, every third round is for somebody by chance.
        if self.slots == 1 && due && optimistic.is_some() {
            chosen.clear();
        }
        if self.slots > 1 || chosen.is_empty() {
            chosen.extend(optimistic);
        }
        chosen
    }
}

fn by_chance(all: impl Iterator<Item = u32>, random: &mut u64) -> Option<u32> {
    let all: Vec<u32> = all.collect();
    (!all.is_empty()).then(|| all[(splitmix(random) % all.len() as u64) as usize])
}
