//! ARP as a node speaks it (RFC 826): answers, announcements, and what somebody forges.

use crate::{Context, IpStack};
use std::net::Ipv4Addr;
use tidewire_wire::{ArpOperation, ArpPacket, Cause, Content, Hot, MacAddr, MacKey};

impl IpStack {
    /// Handles an ARP packet (RFC 826, "packet reception").
    pub fn handle_arp(&mut self, port: u32, packet: Hot, cx: &mut Context<'_>) {
        let Content::Arp(arp) = cx.packets.body(&packet).content else {
            return cx.end(packet, Cause::Malformed);
        };
        let iface = &mut self.ifaces[port as usize];
        let mine = arp.target_ip == iface.addr && !iface.addr.is_unspecified();
        if let Some(mac) = MacKey::from_mac(arp.sender_mac).filter(|_| !arp.sender_ip.is_unspecified()) {
            let waiting = iface.neighbors.learn(cx.now, arp.sender_ip, mac, !mine);
            self.ways.clear();
            for mut ready in waiting {
                ready.dst_mac = mac;
                cx.send(iface.id.0, ready);
            }
        }
        if arp.is_request() && (mine || self.stands_in(port, &arp)) {
            let own = MacKey::of(self.ifaces[port as usize].id);
            let reply = ArpPacket {
                operation: ArpOperation::Reply,
                sender_mac: own.mac(),
                sender_ip: arp.target_ip,
                target_mac: arp.sender_mac,
                target_ip: arp.sender_ip,
            };
            self.send_arp(port, reply, packet.src_mac, cx);
        }
        self.look_who_is_asked_for();
        cx.out.timers = true;
        cx.end(packet, Cause::Delivered);
    }

    /// Whether it answers for somebody else: it has a way to him that does not lead back (RFC 1027).
    fn stands_in(&self, port: u32, arp: &ArpPacket) -> bool {
        let is_announcement = arp.sender_ip == arp.target_ip || arp.sender_ip.is_unspecified();
        self.proxy_arp
            && !is_announcement
            && self.fib().choose(arp.target_ip, 0).is_some_and(|hop| hop.port != port)
    }

    /// Tells everybody on the link of `port` where its address is (RFC 5227 section 3). Nothing is sent without an address.
    pub fn announce(&mut self, port: u32, cx: &mut Context<'_>) {
        let iface = &self.ifaces[port as usize];
        if !iface.framed || iface.addr.is_unspecified() {
            return;
        }
        let (own, ip) = (MacKey::of(iface.id).mac(), iface.addr);
        let target_mac = MacAddr([0; 6]);
        let operation = ArpOperation::Request;
        let arp = ArpPacket { operation, sender_mac: own, sender_ip: ip, target_mac, target_ip: ip };
        self.send_arp(port, arp, MacKey::BROADCAST, cx);
    }

    /// The link of `port` is up again: questions that went into the dead cable are asked anew.
    pub fn ask_again(&mut self, port: u32, cx: &mut Context<'_>) {
        cx.out.timers |= self.ifaces[port as usize].neighbors.ask_again(cx.now);
    }

    /// Sends an ARP packet, true or forged.
    pub fn send_arp(&mut self, port: u32, arp: ArpPacket, to: MacKey, cx: &mut Context<'_>) {
        let id = self.ifaces[port as usize].id;
        let mut packet = cx.packets.insert_arp(arp);
        (packet.src_mac, packet.dst_mac) = (MacKey::of(id), to);
        cx.send(id.0, packet);
    }

    /// Believes for ever that an address is there; no ARP packet changes that.
    pub fn pin_neighbor(&mut self, port: u32, ip: Ipv4Addr, mac: MacKey) -> Vec<Hot> {
        self.ways.clear();
        self.ifaces[port as usize].neighbors.pin(ip, mac).into()
    }
}
