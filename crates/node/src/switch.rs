//! The learning switch (IEEE 802.1D).

use crate::Context;
use tidewire_l2_datalink::{Bridge, MacTable, VlanPort};
use tidewire_units::{Instant, Span};
use tidewire_wire::{Birth, Cause, Hot, HotKind, MacKey, VlanId};

/// A switch: learns where addresses are, forwards to one port if it knows, to all others if not. With a [`Bridge`] it keeps to the
/// spanning tree.
#[derive(Debug)]
pub struct Switch {
    table: MacTable,
    /// The address of each port.
    ports: Vec<MacKey>,
    bridge: Option<Box<Bridge>>,
    /// What each port is to the VLANs; `None` on a switch without.
    vlans: Option<Box<[VlanPort]>>,
    floods: u64,
    forwarded: u64,
}

impl Switch {
    /// A switch without ports that remembers `table_size` addresses, each for `ageing`.
    pub fn new(ageing: Span, table_size: usize) -> Switch {
        Switch {
            table: MacTable::new(ageing, table_size),
            ports: Vec::new(),
            bridge: None,
            vlans: None,
            floods: 0,
            forwarded: 0,
        }
    }

    /// Adds a port with this address and says its number.
    pub fn add_port(&mut self, mac: MacKey) -> u32 {
        self.ports.push(mac);
        self.ports.len() as u32 - 1
    }

    /// Handles a frame that came in through `port`.
    #[inline]
    pub fn handle_frame(&mut self, port: u32, frame: Hot, cx: &mut Context<'_>) {
        if frame.is_corrupted() {
            return cx.end(frame, Cause::Corrupted);
        }
        if self.bridge.is_some() && !self.admits(port, frame, cx) {
            return;
        }
        if self.vlans.is_some() {
            return self.handle_in_vlan(port, frame, cx);
        }
        self.relay(port, None, frame, cx);
    }

    #[inline]
    fn relay(&mut self, port: u32, vlan: Option<VlanId>, frame: Hot, cx: &mut Context<'_>) {
        self.table.learn(cx.now, vlan, frame.src_mac, port);
        let is_broadcast = frame.dst_mac == MacKey::BROADCAST;
        let known = if is_broadcast { None } else { self.table.lookup(cx.now, vlan, frame.dst_mac) };
        match known {
            Some(out) if out == port => cx.end(frame, Cause::NoPort),
            Some(out) if !self.is_open(out) => cx.end(frame, Cause::Blocked),
            Some(out) => {
                self.forwarded += 1;
                self.emit(out, vlan, frame, cx);
            }
            None => self.flood(port, vlan, frame, cx),
        }
    }

    /// A frame on a switch with VLANs: its tag, or the port without one, says which it belongs to.
    #[inline(never)]
    fn handle_in_vlan(&mut self, port: u32, frame: Hot, cx: &mut Context<'_>) {
        if frame.kind() == HotKind::Pause {
            return cx.pause(port, frame);
        }
        let tag = cx.packets.vlan(&frame);
        match self.vlans.as_ref().and_then(|ports| ports[port as usize].classify(tag)) {
            Some(vlan) => self.relay(port, Some(vlan), frame, cx),
            None => cx.end(frame, Cause::Vlan),
        }
    }

    /// Sends a frame of a VLAN with the tag that it has on the link of a port.
    #[inline]
    fn emit(&self, out: u32, vlan: Option<VlanId>, frame: Hot, cx: &mut Context<'_>) {
        if let (Some(ports), Some(vlan)) = (&self.vlans, vlan) {
            cx.packets.set_vlan(&frame, ports[out as usize].tag_of(vlan));
        }
        cx.send(out, frame);
    }

    fn carries(&self, port: u32, vlan: Option<VlanId>) -> bool {
        match (&self.vlans, vlan) {
            (Some(ports), Some(vlan)) => ports[port as usize].carries(vlan),
            _ => true,
        }
    }

    /// The spanning tree's part in handling a frame: false if it took it.
    #[inline(never)]
    fn admits(&mut self, port: u32, frame: Hot, cx: &mut Context<'_>) -> bool {
        let Some(bridge) = &mut self.bridge else { return true };
        if frame.kind() == HotKind::Bpdu {
            if let Some(unit) = cx.packets.bpdu(&frame) {
                bridge.handle_bpdu(port, cx.now, unit);
            }
            cx.end(frame, Cause::Delivered);
            self.speak(cx);
            return false;
        }
        let state = bridge.port_state(port);
        if state.learns() && !state.forwards() {
            let vlan =
                self.vlans.as_ref().and_then(|ports| ports[port as usize].classify(cx.packets.vlan(&frame)));
            self.table.learn(cx.now, vlan, frame.src_mac, port);
        }
        if !state.forwards() {
            cx.end(frame, Cause::Blocked);
        }
        state.forwards()
    }

    /// Whether frames may leave through a port.
    #[inline]
    fn is_open(&self, port: u32) -> bool {
        self.bridge.as_ref().is_none_or(|bridge| bridge.port_state(port).forwards())
    }

    /// Does what the spanning tree wants done.
    fn speak(&mut self, cx: &mut Context<'_>) {
        let Some(bridge) = &mut self.bridge else { return };
        while let Some((port, unit)) = bridge.poll_transmit(cx.now) {
            let mut frame = cx.packets.insert_bpdu(&unit);
            frame.src_mac = self.ports[port as usize];
            cx.send(port, frame);
        }
        while let Some(port) = bridge.poll_flush() {
            self.table.flush_port(port);
        }
        self.table.set_ageing(bridge.ageing());
        cx.out.timers = true;
    }

    /// When [`handle_timeout`](Switch::handle_timeout) has something to do.
    pub fn next_timeout(&self, now: Instant) -> Instant {
        self.bridge.as_ref().map_or(Instant::MAX, |bridge| bridge.next_timeout(now))
    }

    /// Handles every timer that is due.
    pub fn handle_timeout(&mut self, cx: &mut Context<'_>) {
        if let Some(bridge) = &mut self.bridge {
            bridge.handle_timeout(cx.now);
            self.speak(cx);
        }
    }

    /// A port's link went up or down: what was learned there is forgotten.
    pub fn handle_port_up(&mut self, port: u32, up: bool, cx: &mut Context<'_>) {
        if !up {
            self.table.flush_port(port);
        }
        if let Some(bridge) = &mut self.bridge {
            bridge.set_port_up(port, cx.now, up);
            self.speak(cx);
        }
    }

    /// Takes part in the spanning tree from now on, or not. The bridge has as many ports as the switch.
    pub fn set_bridge(&mut self, bridge: Option<Bridge>) {
        self.bridge = bridge.map(Box::new);
    }

    /// Says what each port is to the VLANs from now on; what was learned is forgotten. `None`: there are none.
    pub fn set_vlans(&mut self, ports: Option<Vec<VlanPort>>) {
        debug_assert!(ports.as_ref().is_none_or(|ports| ports.len() == self.ports.len()));
        self.vlans = ports.map(Vec::into_boxed_slice);
        (0..self.ports.len() as u32).for_each(|port| self.table.flush_port(port));
    }

    /// What each port is to the VLANs, if there are any.
    pub fn vlans(&self) -> Option<&[VlanPort]> {
        self.vlans.as_deref()
    }

    /// Its part in the spanning tree, if it has one.
    pub fn bridge(&self) -> Option<&Bridge> {
        self.bridge.as_deref()
    }

    /// The addresses of its ports.
    pub fn ports(&self) -> &[MacKey] {
        &self.ports
    }

    /// The table.
    pub fn table(&self) -> &MacTable {
        &self.table
    }

    /// Frames sent to all ports so far.
    pub fn floods(&self) -> u64 {
        self.floods
    }

    /// Frames sent to one port so far.
    pub fn forwarded(&self) -> u64 {
        self.forwarded
    }

    fn flood(&mut self, port: u32, vlan: Option<VlanId>, frame: Hot, cx: &mut Context<'_>) {
        if frame.kind() == HotKind::Pause {
            return cx.pause(port, frame);
        }
        self.floods += 1;
        let mut others = (0..self.ports.len() as u32)
            .filter(|out| *out != port && self.is_open(*out) && self.carries(*out, vlan));
        // The original goes to the last port, copies to the others.
        let Some(last) = others.next_back() else { return cx.end(frame, Cause::NoPort) };
        for out in others {
            let copy = cx.packets.copy(&frame, Birth::Copy);
            self.emit(out, vlan, copy, cx);
        }
        self.emit(last, vlan, frame, cx);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Outbox;
    use std::net::Ipv4Addr;
    use tidewire_units::Instant;
    use tidewire_wire::{ArpOperation, ArpPacket, Packets};

    fn frame(packets: &mut Packets, src: MacKey, dst: MacKey) -> Hot {
        let ip = Ipv4Addr::UNSPECIFIED;
        let arp = ArpPacket {
            operation: ArpOperation::Request,
            sender_mac: src.mac(),
            sender_ip: ip,
            target_mac: dst.mac(),
            target_ip: ip,
        };
        let mut hot = packets.insert_arp(arp);
        (hot.src_mac, hot.dst_mac) = (src, dst);
        hot
    }

    fn ports_used(switch: &mut Switch, port: u32, src: u32, dst: MacKey) -> Vec<u32> {
        let (mut packets, mut out) = (Packets::new(), Outbox::default());
        let frame = frame(&mut packets, MacKey(src), dst);
        let mut cx = Context { now: Instant::ZERO, packets: &mut packets, out: &mut out };
        switch.handle_frame(port, frame, &mut cx);
        out.sends.iter().map(|(port, _)| *port).collect()
    }

    #[test]
    fn unknown_and_broadcast_frames_go_everywhere_and_known_ones_to_one_port() {
        let mut switch = Switch::new(MacTable::AGEING, MacTable::SIZE);
        for port in 0..3 {
            switch.add_port(MacKey(100 + port));
        }
        assert_eq!(ports_used(&mut switch, 0, 10, MacKey(20)), [1, 2]);
        assert_eq!(ports_used(&mut switch, 2, 20, MacKey(10)), [0]);
        assert_eq!(ports_used(&mut switch, 0, 10, MacKey(20)), [2]);
        assert_eq!(ports_used(&mut switch, 0, 10, MacKey::BROADCAST), [1, 2]);
        assert_eq!((switch.floods(), switch.forwarded()), (2, 2));
    }

    #[test]
    fn frames_stay_in_their_vlan_and_carry_its_tag_on_a_trunk() {
        let vlan = |number| VlanId::new(number).unwrap();
        let mut switch = Switch::new(MacTable::AGEING, MacTable::SIZE);
        for port in 0..4 {
            switch.add_port(MacKey(100 + port));
        }
        let trunk = VlanPort::trunk(vec![vlan(10), vlan(20)], None);
        let access = [10, 10, 20].map(|n| VlanPort::Access(vlan(n)));
        switch.set_vlans(Some(access.into_iter().chain([trunk]).collect()));
        let (mut packets, mut out) = (Packets::new(), Outbox::default());
        let mut send = |switch: &mut Switch, port, (src, dst), tag| {
            let frame = frame(&mut packets, MacKey(src), dst);
            packets.set_vlan(&frame, tag);
            let mut cx = Context { now: Instant::ZERO, packets: &mut packets, out: &mut out };
            switch.handle_frame(port, frame, &mut cx);
            let sends: Vec<_> = out.sends.drain(..).map(|(port, hot)| (port, packets.vlan(&hot))).collect();
            (sends, out.ended.drain(..).map(|ended| ended.cause).collect::<Vec<_>>())
        };
        // To the other port of VLAN 10 without a tag, over the trunk with one.
        let (sends, _) = send(&mut switch, 0, (1, MacKey::BROADCAST), None);
        assert_eq!(sends, [(1, None), (3, Some(vlan(10)))]);
        let (sends, _) = send(&mut switch, 3, (9, MacKey(1)), Some(vlan(10)));
        assert_eq!(sends, [(0, None)]);
        // The same address is unknown in VLAN 20, where nobody but the trunk is.
        let (sends, _) = send(&mut switch, 2, (5, MacKey(1)), None);
        assert_eq!(sends, [(3, Some(vlan(20)))]);
        for (port, tag) in [(3, None), (3, VlanId::new(30)), (0, VlanId::new(20))] {
            assert_eq!(send(&mut switch, port, (7, MacKey(1)), tag), (vec![], vec![Cause::Vlan]));
        }
        assert_eq!(switch.table().entries(Instant::ZERO).len(), 3);
    }

    #[test]
    fn a_frame_for_the_port_it_came_from_is_filtered() {
        let mut switch = Switch::new(MacTable::AGEING, MacTable::SIZE);
        switch.add_port(MacKey(100));
        switch.add_port(MacKey(101));
        ports_used(&mut switch, 0, 10, MacKey::BROADCAST);
        assert_eq!(ports_used(&mut switch, 0, 11, MacKey(10)), []);
    }
}
