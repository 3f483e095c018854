//! Stateless address autoconfiguration on a host or router: messages as packets, and what they mean for its interfaces and routes.

use crate::{Context, IpNode};
use std::net::{Ipv4Addr, Ipv6Addr};
use tidewire_l3_network::slaac::{AdvertConfig, Advertiser, Autoconf, AutoconfEvent};
use tidewire_l3_network::{Fib, NextHop, Prefix};
use tidewire_units::{Instant, Stream};
use tidewire_wire::{AddressBook, Hot, MacKey, Ndp};

/// A host that makes its own address.
#[derive(Debug)]
pub struct Host {
    /// How far it is.
    pub machine: Autoconf,
    /// Its interface.
    pub(crate) port: u32,
    /// The router that was heard last, by its link-local address.
    router: Option<Ipv4Addr>,
    /// Whether it still counts as one.
    has_router: bool,
}

/// All keys: where a default route leads.
const ALL: (Ipv4Addr, u8) = (Ipv4Addr::new(240, 0, 0, 0), 4);

impl IpNode {
    /// The host makes its IPv6 address of what routers advertise, from `now` on.
    pub fn start_autoconf(&mut self, port: u32, stream: Stream, now: Instant) {
        let interface_id = MacKey::of(self.stack.ifaces[port as usize].id).mac().interface_id();
        let machine = Autoconf::new(interface_id, stream, now);
        self.stack.join(AddressBook::ALL_NODES);
        self.services_mut().autoconf = Some(Host { machine, port, router: None, has_router: false });
    }

    /// The router advertises itself and its network on the link of `port`.
    pub fn start_adverts(&mut self, port: u32, config: AdvertConfig, stream: Stream, now: Instant) {
        self.stack.join(AddressBook::ALL_ROUTERS);
        self.services_mut().adverts.push((port, Advertiser::new(config, stream, now)));
    }

    /// Its part as a host that makes its own address.
    pub fn autoconf(&self) -> Option<&Host> {
        self.services.as_ref()?.autoconf.as_ref()
    }

    /// The ports on which it advertises itself as a router.
    pub fn advertises(&self) -> impl Iterator<Item = u32> {
        self.services.iter().flat_map(|services| services.adverts.iter().map(|(port, _)| *port))
    }

    /// A message of neighbour discovery, before the stack sees it.
    pub(crate) fn handle_autoconf(&mut self, port: u32, packet: &Hot, message: &Ndp, cx: &mut Context<'_>) {
        let from = cx.packets.body(packet).src;
        let Some(services) = &mut self.services else { return };
        match *message {
            Ndp::RouterSolicit { .. } => {
                let adverts = services.adverts.iter_mut().filter(|(own, _)| *own == port);
                adverts.for_each(|(_, router)| router.handle_solicitation(cx.now));
                cx.out.timers = true;
            }
            Ndp::RouterAdvert { lifetime, mac, prefix, .. } => {
                let Some(host) = services.autoconf.as_mut().filter(|host| host.port == port) else { return };
                host.router = Some(from);
                host.machine.handle_advert(cx.now, lifetime, prefix);
                if let Some(mac) = mac.and_then(MacKey::from_mac) {
                    self.stack.hear_of(port, from, mac, false, cx);
                }
            }
            // Somebody has the address, or tests it as well; what the node itself has sent does not come back.
            Ndp::NeighborAdvert { target, .. } => self.conflict(port, target),
            Ndp::NeighborSolicit { target, .. } if from.is_unspecified() => self.conflict(port, target),
            Ndp::NeighborSolicit { .. } => {}
        }
        self.run_autoconf(cx);
    }

    fn conflict(&mut self, port: u32, target: Ipv6Addr) {
        let host = self.services.as_mut().and_then(|services| services.autoconf.as_mut());
        if let Some(host) = host.filter(|host| host.port == port) {
            host.machine.handle_conflict(target);
        }
    }

    /// Handles what is due.
    pub(crate) fn handle_slaac_timeout(&mut self, cx: &mut Context<'_>) {
        let Some(services) = &mut self.services else { return };
        if let Some(host) = &mut services.autoconf
            && host.machine.next_timeout() <= cx.now
        {
            host.machine.handle_timeout(cx.now);
        }
        let due = services
            .adverts
            .iter_mut()
            .filter_map(|(port, router)| router.poll_advert(cx.now).then(|| (*port, router.config())));
        for (port, config) in due.collect::<Vec<_>>() {
            self.advertise(port, config, cx);
        }
        self.run_autoconf(cx);
    }

    /// Sends a router advertisement (RFC 4861 section 6.2.3), from the link-local address.
    fn advertise(&mut self, port: u32, config: AdvertConfig, cx: &mut Context<'_>) {
        let (id, own) = (self.stack.ifaces[port as usize].id, self.stack.ifaces[port as usize].addr6);
        if own.is_unspecified() {
            return;
        }
        let network = Ipv6Addr::from_bits(cx.packets.addresses.v6(own).to_bits() >> 64 << 64);
        let message = Ndp::RouterAdvert {
            hop_limit: 64,
            lifetime: config.lifetime,
            mac: Some(MacKey::of(id).mac()),
            prefix: Some((network, 64, config.valid)),
        };
        self.send_to_group(port, AddressBook::link_local(id), AddressBook::ALL_NODES, &message, cx);
    }

    fn send_to_group(
        &mut self,
        port: u32,
        src: Ipv4Addr,
        group: Ipv4Addr,
        message: &Ndp,
        cx: &mut Context<'_>,
    ) {
        self.stack.send_ndp_from(port, src, group, MacKey::of_v6_group(group), message.message(), cx);
    }

    /// Does what the host's state machine wants done.
    fn run_autoconf(&mut self, cx: &mut Context<'_>) {
        while let Some(host) = self.services.as_mut().and_then(|services| services.autoconf.as_mut()) {
            let Some(event) = host.machine.poll_event() else { break };
            let port = host.port;
            let id = self.stack.ifaces[port as usize].id;
            match event {
                AutoconfEvent::Solicit => {
                    let message = Ndp::RouterSolicit { mac: Some(MacKey::of(id).mac()) };
                    let (src, group) = (AddressBook::link_local(id), AddressBook::ALL_ROUTERS);
                    self.send_to_group(port, src, group, &message, cx);
                }
                AutoconfEvent::Test(address) => {
                    let key = cx.packets.addresses.key(address);
                    let group = cx.packets.addresses.solicited_node(key);
                    self.stack.join(group);
                    let message = Ndp::NeighborSolicit { target: address, mac: None };
                    self.send_to_group(port, Ipv4Addr::UNSPECIFIED, group, &message, cx);
                }
                AutoconfEvent::Use(address) => self.use_address6(port, address, cx),
                AutoconfEvent::Lost => {
                    let none = (Ipv4Addr::UNSPECIFIED, Prefix::DEFAULT);
                    self.stack.set_address6(port, none.0, none.1, AddressBook::ALL_NODES);
                    self.stack.set_fib6(Fib::default());
                }
                AutoconfEvent::Router(serves) => {
                    host.has_router = serves;
                    self.route_by_router(port, cx);
                }
                AutoconfEvent::Settled => self.tell_waiters(cx),
            }
        }
        cx.out.timers = true;
    }

    fn use_address6(&mut self, port: u32, address: Ipv6Addr, cx: &mut Context<'_>) {
        let book = &mut cx.packets.addresses;
        let key = book.key(address);
        let group = book.solicited_node(key);
        let prefix = network_keys(book, address).unwrap_or(Prefix::new(key, 32).expect("32 bits"));
        self.stack.set_address6(port, key, prefix, group);
        self.route_by_router(port, cx);
    }

    /// Its own network is on the link, everything else behind the router.
    fn route_by_router(&mut self, port: u32, cx: &mut Context<'_>) {
        let Some(host) = self.services.as_ref().and_then(|services| services.autoconf.as_ref()) else {
            return;
        };
        let router = host.router.filter(|_| host.has_router);
        let iface = &self.stack.ifaces[port as usize];
        if iface.addr6.is_unspecified() {
            return;
        }
        let direct = (iface.prefix6, vec![NextHop { port, gateway: None }]);
        let all = Prefix::new(ALL.0, ALL.1).expect("4 bits");
        let beyond = router.map(|router| (all, vec![NextHop { port, gateway: Some(router) }]));
        self.stack.set_fib6(Fib::new([direct].into_iter().chain(beyond)));
        cx.out.timers = true;
    }
}

/// The keys of the network that an address is in.
fn network_keys(book: &AddressBook, address: Ipv6Addr) -> Option<Prefix> {
    let (first, length) = book.networks_in(address, 64).into_iter().next()?;
    Prefix::new(first, length)
}
