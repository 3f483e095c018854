//! What a received unit changes (IEEE 802.1D-1998 section 8.7, 802.1D-2004 sections 17.21.8 and 17.27).

use super::Bridge;
use super::port::{Info, MIGRATE, PortRole, SECOND, Times, Vector, ticks, to_ticks};
use tidewire_units::Instant;
use tidewire_wire::{Bpdu, BpduBody, BpduFlags, BpduRole};

impl Bridge {
    pub(super) fn receive(&mut self, index: usize, now: Instant, unit: Bpdu) {
        let rstp = self.is_rstp();
        let port = &mut self.ports[index];
        if !port.up || (!rstp && matches!(unit, Bpdu::Rapid(_))) {
            return;
        }
        self.stats.received += 1;
        (port.edge, port.edge_at) = (false, now + MIGRATE);
        let rapid = matches!(unit, Bpdu::Rapid(_));
        if rstp && port.rapid != rapid && port.migrate_at <= now {
            (port.rapid, port.migrate_at) = (rapid, now + MIGRATE);
            port.new_info |= port.role == PortRole::Designated;
        }
        match unit {
            Bpdu::TopologyChange => self.receive_notification(index, now),
            Bpdu::Config(body) | Bpdu::Rapid(body) => {
                let own = body.bridge == self.id && body.port == port.id;
                if own || body.message_age >= body.max_age {
                    return;
                }
                match (rapid, body.flags.role()) {
                    (false, _) => self.receive_offer(index, now, &body, false),
                    (true, BpduRole::Designated) => self.receive_offer(index, now, &body, true),
                    (true, BpduRole::Root | BpduRole::Alternate) => self.receive_answer(index, now, &body),
                    (true, BpduRole::Unknown) => {}
                }
            }
        }
    }

    fn receive_notification(&mut self, index: usize, now: Instant) {
        let port = &mut self.ports[index];
        if port.role != PortRole::Designated {
            return;
        }
        (port.change_ack, port.new_info) = (true, true);
        if self.is_rstp() {
            self.spread_change(index, now);
        } else {
            self.announce_change_stp(now);
        }
    }

    /// A neighbour offers a way to the root.
    fn receive_offer(&mut self, index: usize, now: Instant, body: &BpduBody, rapid: bool) {
        let rstp = self.is_rstp();
        let (offer, times) = (vector_of(body), times_of(body));
        let port = &mut self.ports[index];
        let received = port.info == Info::Received;
        let same_sender = received && (port.vector.bridge, port.vector.port) == (offer.bridge, offer.port);
        let repeated = received && offer == port.vector && (!rstp || times == port.times);
        // STP waits for the old word of a neighbour to expire; RSTP believes its last one.
        let superior = !repeated && (offer < port.vector || (rstp && same_sender));
        if !superior && !repeated {
            return self.receive_inferior(index, now, body, rapid);
        }
        if superior {
            port.agree &= received && offer <= port.vector;
            (port.agreed, port.proposing, port.synced) = (false, false, false);
            port.vector = offer;
        }
        port.proposed = rapid && body.flags.has(BpduFlags::PROPOSAL);
        self.record(index, now, times);
        if superior {
            self.select(now);
        }
        if rstp { self.after_rapid_offer(index, now, body) } else { self.after_offer(index, body) }
    }

    /// Keeps what was heard for as long as it is good.
    pub(super) fn record(&mut self, index: usize, now: Instant, times: Times) {
        let rstp = self.is_rstp();
        let port = &mut self.ports[index];
        (port.info, port.times, port.received) = (Info::Received, times, now);
        port.expires = now
            + if !rstp {
                ticks(times.max_age - times.message_age)
            } else if times.message_age.saturating_add(to_ticks(SECOND)) <= times.max_age {
                ticks(times.hello.saturating_mul(3))
            } else {
                ticks(0)
            };
    }

    /// STP: what the root says is passed on when it is heard.
    fn after_offer(&mut self, index: usize, body: &BpduBody) {
        if self.root_port != Some(index) {
            return;
        }
        self.changing = body.flags.has(BpduFlags::TOPOLOGY_CHANGE);
        if body.flags.has(BpduFlags::TOPOLOGY_CHANGE_ACK) {
            self.detected = false;
        }
        for port in self.ports.iter_mut().filter(|port| port.role == PortRole::Designated) {
            port.new_info = true;
        }
    }

    fn after_rapid_offer(&mut self, index: usize, now: Instant, body: &BpduBody) {
        let closed = matches!(self.ports[index].role, PortRole::Designated | PortRole::Disabled);
        if self.ports[index].proposed && !closed {
            self.agree_to(index, now);
        }
        self.receive_change(index, now, body);
    }

    /// A neighbour that offers less gets told better. If it forwards nonetheless, it does not hear this bridge: the port is closed.
    fn receive_inferior(&mut self, index: usize, now: Instant, body: &BpduBody, rapid: bool) {
        let port = &mut self.ports[index];
        if port.role != PortRole::Designated {
            return;
        }
        port.new_info = true;
        if rapid && body.flags.has(BpduFlags::LEARNING) && port.state.learns() {
            self.discard(index, now);
            self.follow(now);
        }
    }

    /// A neighbour says how it takes this bridge's offer.
    fn receive_answer(&mut self, index: usize, now: Instant, body: &BpduBody) {
        let port = &mut self.ports[index];
        if port.role != PortRole::Designated || vector_of(body) < port.vector {
            return;
        }
        if port.config.point_to_point && body.flags.has(BpduFlags::AGREEMENT) {
            (port.agreed, port.synced, port.proposing) = (true, true, false);
            port.recent_root_until = Instant::ZERO;
            self.follow(now);
        }
        self.receive_change(index, now, body);
    }

    fn receive_change(&mut self, index: usize, now: Instant, body: &BpduBody) {
        if body.flags.has(BpduFlags::TOPOLOGY_CHANGE_ACK) {
            self.ports[index].change_until = Instant::ZERO;
        }
        if body.flags.has(BpduFlags::TOPOLOGY_CHANGE) && self.ports[index].is_active() {
            self.spread_change(index, now);
        }
    }
}

fn vector_of(body: &BpduBody) -> Vector {
    Vector { root: body.root, cost: body.root_cost, bridge: body.bridge, port: body.port }
}

fn times_of(body: &BpduBody) -> Times {
    Times {
        message_age: body.message_age,
        max_age: body.max_age,
        hello: body.hello_time,
        forward_delay: body.forward_delay,
    }
}
