//! Neighbour discovery over IPv6 (RFC 4861): who has this address on the link?

use crate::ways::flow_hash;
use crate::{Context, IpStack};
use std::net::Ipv4Addr;
use tidewire_wire::{AddressBook, Ecn, Hot, IcmpMessage, MacKey, Ndp};

impl IpStack {
    /// A neighbour solicitation (RFC 4861 section 7.2.2).
    pub(crate) fn solicit(&mut self, port: u32, ip: Ipv4Addr, mac: Option<MacKey>, cx: &mut Context<'_>) {
        let iface = &self.ifaces[port as usize];
        let group = cx.packets.addresses.solicited_node(ip);
        let target = cx.packets.addresses.v6(ip);
        let message = Ndp::NeighborSolicit { target, mac: Some(MacKey::of(iface.id).mac()) }.message();
        let dst = if mac.is_some() { ip } else { group };
        self.send_ndp(port, dst, mac.unwrap_or(MacKey::of_v6_group(group)), message, cx);
    }

    /// Handles a neighbour solicitation or advertisement (RFC 4861 sections 7.2.3 and 7.2.5).
    pub(crate) fn handle_ndp(&mut self, port: u32, packet: &Hot, message: &Ndp, cx: &mut Context<'_>) {
        let from = cx.packets.body(packet).src;
        match *message {
            Ndp::NeighborSolicit { target, mac } => {
                let target_key = cx.packets.addresses.known_key(target);
                let (own, id) = (self.ifaces[port as usize].addr6, self.ifaces[port as usize].id);
                let mine = !own.is_unspecified()
                    && target_key.is_some_and(|key| key == own || key == AddressBook::link_local(id));
                if !mine {
                    return;
                }
                if let Some(key) = mac.and_then(MacKey::from_mac).filter(|_| !from.is_unspecified()) {
                    self.hear_of(port, from, key, false, cx);
                }
                let solicited = !from.is_unspecified();
                let own = MacKey::of(self.ifaces[port as usize].id).mac();
                let router = self.is_router;
                let answer =
                    Ndp::NeighborAdvert { target, mac: Some(own), router, solicited, overrides: true };
                let (dst, to) = if solicited {
                    (from, packet.src_mac)
                } else {
                    (AddressBook::ALL_NODES, MacKey::of_v6_group(AddressBook::ALL_NODES))
                };
                self.send_ndp(port, dst, to, answer.message(), cx);
            }
            Ndp::NeighborAdvert { target, mac, .. } => {
                let key = mac.and_then(MacKey::from_mac);
                if let (Some(ip), Some(mac)) = (cx.packets.addresses.known_key(target), key) {
                    self.hear_of(port, ip, mac, true, cx);
                }
            }
            Ndp::RouterSolicit { .. } | Ndp::RouterAdvert { .. } => {}
        }
    }

    /// Notes where a neighbour is and sends what waited for it.
    pub(crate) fn hear_of(
        &mut self,
        port: u32,
        ip: Ipv4Addr,
        mac: MacKey,
        only_known: bool,
        cx: &mut Context<'_>,
    ) {
        let iface = &mut self.ifaces[port as usize];
        let waiting = iface.neighbors.learn(cx.now, ip, mac, only_known);
        let id = iface.id.0;
        self.ways.clear();
        for mut ready in waiting {
            ready.dst_mac = mac;
            cx.send(id, ready);
        }
        self.look_who_is_asked_for();
        cx.out.timers = true;
    }

    fn send_ndp(&mut self, port: u32, dst: Ipv4Addr, to: MacKey, message: IcmpMessage, cx: &mut Context<'_>) {
        self.send_ndp_from(port, self.ifaces[port as usize].addr6, dst, to, message, cx);
    }

    pub(crate) fn send_ndp_from(
        &mut self,
        port: u32,
        src: Ipv4Addr,
        dst: Ipv4Addr,
        to: MacKey,
        message: IcmpMessage,
        cx: &mut Context<'_>,
    ) {
        let id = self.ifaces[port as usize].id;
        let mut header = self.header(src, dst, Ecn::NotCapable);
        header.ttl = Ndp::HOP_LIMIT;
        let mut packet = cx.packets.insert_icmp(&header, message, flow_hash(58, src, 0, dst, 0));
        (packet.src_mac, packet.dst_mac) = (MacKey::of(id), to);
        cx.send(id.0, packet);
    }
}
