//! The learning switch (IEEE 802.1D).

use crate::Context;
use tidewire_l2_datalink::MacTable;
use tidewire_units::Span;
use tidewire_wire::{Birth, Cause, Hot, MacKey};

/// A switch: learns where addresses are, forwards to one port if it knows, to all others if not.
#[derive(Debug)]
pub struct Switch {
    table: MacTable,
    ports: u32,
    floods: u64,
    forwarded: u64,
}

impl Switch {
    /// A switch without ports whose table entries expire after `ageing`.
    pub fn new(ageing: Span) -> Switch {
        Switch { table: MacTable::new(ageing), ports: 0, floods: 0, forwarded: 0 }
    }

    /// Adds a port and says its number.
    pub fn add_port(&mut self) -> u32 {
        self.ports += 1;
        self.ports - 1
    }

    /// Handles a frame that came in through `port`.
    #[inline]
    pub fn handle_frame(&mut self, port: u32, frame: Hot, cx: &mut Context<'_>) {
        if frame.is_corrupted() {
            return cx.end(frame, Cause::Corrupted);
        }
        self.table.learn(cx.now, frame.src_mac, port);
        let known =
            if frame.dst_mac == MacKey::BROADCAST { None } else { self.table.lookup(cx.now, frame.dst_mac) };
        match known {
            Some(out) if out == port => cx.end(frame, Cause::NoPort),
            Some(out) => {
                self.forwarded += 1;
                cx.send(out, frame);
            }
            None => self.flood(port, frame, cx),
        }
    }

    /// The table.
    pub fn table(&self) -> &MacTable {
        &self.table
    }

    /// A port's link went down: what was learned there is forgotten.
    pub fn handle_port_down(&mut self, port: u32) {
        self.table.flush_port(port);
    }

    /// Frames sent to all ports so far.
    pub fn floods(&self) -> u64 {
        self.floods
    }

    /// Frames sent to one port so far.
    pub fn forwarded(&self) -> u64 {
        self.forwarded
    }

    fn flood(&mut self, port: u32, frame: Hot, cx: &mut Context<'_>) {
        self.floods += 1;
        let mut others = (0..self.ports).filter(|out| *out != port);
        // The original goes to the last port, copies to the others.
        let Some(last) = others.next_back() else { return cx.end(frame, Cause::NoPort) };
        for out in others {
            let copy = cx.packets.copy(&frame, Birth::Copy);
            cx.send(out, copy);
        }
        cx.send(last, frame);
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
        let mut switch = Switch::new(MacTable::AGEING);
        for _ in 0..3 {
            switch.add_port();
        }
        assert_eq!(ports_used(&mut switch, 0, 10, MacKey(20)), [1, 2]);
        assert_eq!(ports_used(&mut switch, 2, 20, MacKey(10)), [0]);
        assert_eq!(ports_used(&mut switch, 0, 10, MacKey(20)), [2]);
        assert_eq!(ports_used(&mut switch, 0, 10, MacKey::BROADCAST), [1, 2]);
        assert_eq!((switch.floods(), switch.forwarded()), (2, 2));
    }

    #[test]
    fn a_frame_for_the_port_it_came_from_is_filtered() {
        let mut switch = Switch::new(MacTable::AGEING);
        switch.add_port();
        switch.add_port();
        ports_used(&mut switch, 0, 10, MacKey::BROADCAST);
        assert_eq!(ports_used(&mut switch, 0, 11, MacKey(10)), []);
    }
}
