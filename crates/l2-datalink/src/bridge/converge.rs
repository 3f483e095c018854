//! The state that the protocol would reach, computed at once.

use super::port::{Info, PortRole, PortState, Times, ticks};
use super::{Bridge, own_times};
use tidewire_units::Instant;

/// Puts every bridge into the state that it would be in had the protocol run for long: for networks that start converged.
/// `segments` lists which (bridge, port) hang on each wire: two on a link, more on a shared medium. Ports whose link is down are
/// left out by themselves; a port that is up and on no segment with another has no bridge behind it.
///
/// # Panics
/// When a segment names a bridge or a port that does not exist.
pub fn converge(bridges: &mut [Bridge], segments: &[Vec<(usize, u32)>], now: Instant) {
    for bridge in &mut *bridges {
        for index in 0..bridge.ports.len() {
            let up = bridge.ports[index].up;
            bridge.ports[index].reset(index, now, up);
        }
        (bridge.changing, bridge.detected) = (false, false);
        bridge.flush.clear();
        bridge.elect();
    }
    let mut on_port: Vec<Vec<usize>> =
        bridges.iter().map(|bridge| vec![usize::MAX; bridge.ports.len()]).collect();
    for (number, segment) in segments.iter().enumerate() {
        for (bridge, port) in segment {
            on_port[*bridge][*port as usize] = number;
        }
    }
    // Every bridge tells its neighbours; those that learn something better tell theirs.
    let mut round: Vec<usize> = (0..bridges.len()).collect();
    while !round.is_empty() {
        let mut next = Vec::new();
        for &speaker in &round {
            for (port, number) in on_port[speaker].iter().enumerate() {
                if let Some(segment) = segments.get(*number) {
                    tell(bridges, speaker, port, segment, now, &mut next);
                }
            }
        }
        next.sort_unstable();
        next.dedup();
        for &bridge in &next {
            bridges[bridge].elect();
        }
        round = next;
    }
    for (number, bridge) in bridges.iter_mut().enumerate() {
        let alone = |port: usize| segments.get(on_port[number][port]).is_none_or(|segment| segment.len() < 2);
        bridge.settle(alone, now);
    }
}

/// A designated port's offer reaches the others on its segment; those that take it are noted in `changed`.
fn tell(
    bridges: &mut [Bridge],
    speaker: usize,
    port: usize,
    segment: &[(usize, u32)],
    now: Instant,
    changed: &mut Vec<usize>,
) {
    let from = &bridges[speaker];
    if from.ports[port].role != PortRole::Designated {
        return;
    }
    let (offer, rapid) = (from.offer(port), from.is_rstp());
    let times = Times { message_age: from.message_age(now), ..from.times };
    if times.message_age >= times.max_age {
        return;
    }
    for &(bridge, other) in segment {
        let to = &mut bridges[bridge].ports[other as usize];
        if (bridge, other as usize) == (speaker, port) || !to.up {
            continue;
        }
        to.rapid &= rapid;
        if offer < to.vector {
            to.vector = offer;
            bridges[bridge].record(other as usize, now, times);
            changed.push(bridge);
        }
    }
}

impl Bridge {
    /// Root and roles from what was heard, without any consequence for the states.
    fn elect(&mut self) {
        self.choose_root();
        for index in 0..self.ports.len() {
            let (role, vector) = (self.role_of(index), self.offer(index));
            let port = &mut self.ports[index];
            port.role = role;
            if role == PortRole::Designated {
                (port.info, port.vector) = (Info::Mine, vector);
            }
        }
    }

    /// The states that follow from the roles in the end.
    fn settle(&mut self, alone: impl Fn(usize) -> bool, now: Instant) {
        let rstp = self.is_rstp();
        for (index, port) in self.ports.iter_mut().enumerate() {
            port.state = match port.role {
                PortRole::Disabled => PortState::Disabled,
                PortRole::Root | PortRole::Designated => PortState::Forwarding,
                PortRole::Alternate | PortRole::Backup => PortState::Blocking,
            };
            port.edge = alone(index) && (port.config.edge || (rstp && port.config.auto_edge));
            let agreement = rstp && port.rapid && port.config.point_to_point;
            port.agreed = agreement && port.role == PortRole::Designated;
            port.agree = agreement && port.role != PortRole::Designated;
            (port.synced, port.new_info) = (true, false);
            port.migrate_at = now;
        }
        self.hello_at = now + ticks(own_times(&self.config).hello);
        self.stats.last_transition = now;
    }
}
