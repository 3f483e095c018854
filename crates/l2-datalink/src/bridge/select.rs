//! Which role each port has, and what follows for its state (IEEE 802.1D-2004 sections 17.21.25 and 17.29 to 17.31).

use super::port::{Info, MIGRATE, PortRole, PortState, SECOND, Vector, ticks};
use super::{Bridge, own_times};
use tidewire_units::{Instant, Span};

impl Bridge {
    /// Chooses the root port and every port's role anew, and lets the ports follow.
    pub(super) fn select(&mut self, now: Instant) {
        let was_root = self.root_port.is_none();
        self.choose_root();
        for index in 0..self.ports.len() {
            let role = self.role_of(index);
            self.assign(index, role, now);
        }
        if self.root_port.is_none() && !was_root {
            self.hello_at = now + ticks(self.times.hello);
            if !self.is_rstp() {
                self.detected = false;
                self.announce_change_stp(now);
            }
        }
        self.follow(now);
    }

    /// The best offer among those received, or this bridge itself.
    pub(super) fn choose_root(&mut self) {
        let own = Vector { root: self.id, cost: 0, bridge: self.id, port: 0 };
        let mut best = (own, 0);
        self.root_port = None;
        for (index, port) in self.ports.iter().enumerate() {
            if !port.up || port.info != Info::Received || port.vector.bridge == self.id {
                continue;
            }
            let cost = port.vector.cost.saturating_add(port.config.cost);
            let offer = (Vector { cost, ..port.vector }, port.id);
            if offer < best {
                best = offer;
                self.root_port = Some(index);
            }
        }
        self.root = best.0;
        self.times = self.root_port.map_or(own_times(&self.config), |index| self.ports[index].times);
    }

    /// What this bridge offers on the segment behind a port.
    pub(super) fn offer(&self, index: usize) -> Vector {
        Vector { root: self.root.root, cost: self.root.cost, bridge: self.id, port: self.ports[index].id }
    }

    pub(super) fn role_of(&self, index: usize) -> PortRole {
        let port = &self.ports[index];
        if !port.up {
            PortRole::Disabled
        } else if self.root_port == Some(index) {
            PortRole::Root
        } else if port.info != Info::Received || self.offer(index) < port.vector {
            PortRole::Designated
        } else if port.vector.bridge == self.id {
            PortRole::Backup
        } else {
            PortRole::Alternate
        }
    }

    fn assign(&mut self, index: usize, role: PortRole, now: Instant) {
        let offer = self.offer(index);
        let (forward_delay, hello) = (ticks(self.times.forward_delay), ticks(self.times.hello));
        let port = &mut self.ports[index];
        if role == PortRole::Designated && (port.info != Info::Mine || port.vector != offer) {
            // An agreement stays good when what was agreed to has only become better.
            port.agreed &= port.info == Info::Mine && offer <= port.vector;
            port.synced &= port.agreed;
            (port.proposed, port.proposing) = (false, false);
            (port.info, port.vector) = (Info::Mine, offer);
            port.new_info = true;
        }
        let old = std::mem::replace(&mut port.role, role);
        if old == role {
            return;
        }
        match old {
            PortRole::Root => port.recent_root_until = now + forward_delay,
            PortRole::Backup => port.recent_backup_until = now + hello + hello,
            _ => {}
        }
        match role {
            PortRole::Designated => port.agree = false,
            PortRole::Root => (port.agreed, port.proposing) = (false, false),
            PortRole::Alternate | PortRole::Backup => {
                (port.agreed, port.proposing, port.synced) = (false, false, true);
                (port.recent_root_until, port.change_until) = (Instant::ZERO, Instant::ZERO);
                port.forward_at = Instant::MAX;
                let learned = port.state.learns();
                self.set_state(index, PortState::Blocking, now);
                if learned && self.is_rstp() {
                    self.flush.push(index as u32);
                } else if learned {
                    self.announce_change_stp(now);
                }
            }
            PortRole::Disabled => {}
        }
    }

    /// Lets each port's state follow from its role, as far as no timer is needed.
    pub(super) fn follow(&mut self, now: Instant) {
        if let Some(index) = self.root_port {
            self.follow_root(index, now);
        }
        let rstp = self.is_rstp();
        for index in 0..self.ports.len() {
            let port = &mut self.ports[index];
            if port.role != PortRole::Designated || port.state.forwards() {
                continue;
            }
            if port.edge || (rstp && port.agreed) {
                self.forward(index, now);
                continue;
            }
            if rstp && !port.proposing && !port.agreed {
                (port.proposing, port.new_info) = (true, true);
                port.edge_at = now + MIGRATE;
            }
            self.start_timer(index, now);
        }
    }

    /// An RSTP root port forwards at once when no other port that was the root port lately may forward.
    fn follow_root(&mut self, index: usize, now: Instant) {
        if self.ports[index].state.forwards() {
            return;
        }
        if !self.is_rstp() || self.ports[index].recent_backup_until > now {
            return self.start_timer(index, now);
        }
        for other in 0..self.ports.len() {
            let port = &self.ports[other];
            let recent = port.recent_root_until > now && !port.agreed && !port.edge;
            if port.role == PortRole::Designated && recent && port.state.learns() {
                self.discard(other, now);
            }
        }
        self.forward(index, now);
    }

    fn start_timer(&mut self, index: usize, now: Instant) {
        let port = &mut self.ports[index];
        if port.forward_at == Instant::MAX {
            port.forward_at = now + ticks(self.times.forward_delay);
        }
        if !self.is_rstp() && self.ports[index].state == PortState::Blocking {
            self.set_state(index, PortState::Listening, now);
        }
    }

    /// The timers of one port.
    pub(super) fn step_port(&mut self, index: usize, now: Instant) {
        let port = &self.ports[index];
        if port.edge_at <= now && self.may_become_edge(port) {
            self.ports[index].edge = true;
            return self.forward(index, now);
        }
        if port.forward_at > now {
            return;
        }
        if port.state == PortState::Learning {
            return self.forward(index, now);
        }
        self.ports[index].forward_at = now + ticks(self.times.forward_delay);
        self.set_state(index, PortState::Learning, now);
    }

    fn forward(&mut self, index: usize, now: Instant) {
        let port = &mut self.ports[index];
        (port.forward_at, port.proposing) = (Instant::MAX, false);
        self.set_state(index, PortState::Forwarding, now);
        if self.ports[index].edge {
            return;
        }
        if self.is_rstp() {
            self.stats.changes += 1;
            self.announce_on(index, now);
            self.spread_change(index, now);
        } else if self.ports.iter().any(|port| port.role == PortRole::Designated) {
            self.announce_change_stp(now);
        }
    }

    pub(super) fn discard(&mut self, index: usize, now: Instant) {
        let port = &mut self.ports[index];
        (port.agreed, port.proposing, port.recent_root_until) = (false, false, Instant::ZERO);
        port.forward_at = now + ticks(self.times.forward_delay);
        self.set_state(index, PortState::Blocking, now);
    }

    pub(super) fn set_state(&mut self, index: usize, state: PortState, now: Instant) {
        if std::mem::replace(&mut self.ports[index].state, state) != state {
            self.stats.last_transition = now;
        }
    }

    /// Agrees to a proposal: first every designated port whose other end has not agreed is closed (IEEE 802.1w, "sync").
    pub(super) fn agree_to(&mut self, index: usize, now: Instant) {
        self.ports[index].proposed = false;
        if !self.ports[index].agree {
            for other in 0..self.ports.len() {
                let port = &self.ports[other];
                if other == index || port.role != PortRole::Designated || port.synced {
                    continue;
                }
                if port.state.learns() && !port.edge && !port.agreed {
                    self.discard(other, now);
                }
                self.ports[other].synced = true;
            }
        }
        (self.ports[index].agree, self.ports[index].new_info) = (true, true);
        self.follow(now);
    }

    /// STP: the root tells everybody; others tell the root (IEEE 802.1D-1998 section 8.6.14).
    pub(super) fn announce_change_stp(&mut self, now: Instant) {
        self.stats.changes += 1;
        let Some(root_port) = self.root_port else {
            self.changing = true;
            self.changing_until = now + ticks(self.times.max_age) + ticks(self.times.forward_delay);
            return;
        };
        if !self.detected {
            (self.detected, self.ports[root_port].new_info) = (true, true);
        }
    }

    /// RSTP: starts to announce a change through a port, unless it does so already.
    fn announce_on(&mut self, index: usize, now: Instant) {
        let rapid_time = ticks(self.times.hello) + SECOND;
        let slow_time: Span = ticks(self.times.max_age) + ticks(self.times.forward_delay);
        let port = &mut self.ports[index];
        if port.change_until <= now {
            port.change_until = now + if port.rapid { rapid_time } else { slow_time };
            port.new_info |= port.rapid || port.role == PortRole::Root;
        }
    }

    /// RSTP: what was learned behind all other ports may be wrong now; they pass the change on.
    pub(super) fn spread_change(&mut self, from: usize, now: Instant) {
        for index in 0..self.ports.len() {
            if index != from && self.ports[index].is_active() {
                self.announce_on(index, now);
                self.flush.push(index as u32);
            }
        }
    }
}
