//! DHCP on a host or router: messages as packets, and what they mean for its interfaces and routes.

use crate::ways::flow_hash;
use crate::{Context, IpNode};
use std::net::Ipv4Addr;
use tidewire_l3_network::dhcp::{DhcpClient, DhcpEvent, DhcpPool, DhcpSend, DhcpServer, Lease, relayed};
use tidewire_l3_network::slaac::Advertiser;
use tidewire_l3_network::{Fib, NextHop, Prefix};
use tidewire_units::{Instant, Stream, WaitToken};
use tidewire_wire::{
    AddressBook, ArpOperation, ArpPacket, Cause, Content, DhcpMessage, Ecn, Hot, MacKey, Payload, Protocol,
    UdpHeader,
};

/// What a node does for others, or asks of them, by messages of its own.
#[derive(Default)]
pub struct Services {
    /// A client, and the port that it gets an address for.
    client: Option<(DhcpClient, u32)>,
    server: Option<DhcpServer>,
    /// The server that messages of clients are passed on to.
    relay: Option<Ipv4Addr>,
    /// The address that is asked for by ARP before it is used.
    probing: Option<Ipv4Addr>,
    /// Who waits for an address.
    waiters: Vec<WaitToken>,
    /// What makes the node's own IPv6 address.
    pub(crate) autoconf: Option<crate::slaac::Host>,
    /// The ports on whose links it advertises itself as a router.
    pub(crate) adverts: Vec<(u32, Advertiser)>,
}

impl IpNode {
    /// What it does for others; made when it is first asked for.
    pub(crate) fn services_mut(&mut self) -> &mut Services {
        self.listens = true;
        self.services.get_or_insert_default()
    }

    /// Gets its address from a server, from `now` on.
    pub fn start_dhcp(&mut self, port: u32, stream: Stream, now: Instant) {
        let mac = MacKey::of(self.stack.ifaces[port as usize].id).mac();
        self.services_mut().client = Some((DhcpClient::new(mac, stream, now), port));
    }

    /// Gives addresses away.
    pub fn add_dhcp_pool(&mut self, pool: DhcpPool) {
        self.services_mut().server.get_or_insert_default().add_pool(pool);
    }

    /// Passes messages of clients on to a server, and answers back.
    pub fn set_dhcp_relay(&mut self, server: Ipv4Addr) {
        self.services_mut().relay = Some(server);
    }

    /// Its part as a client.
    pub fn dhcp_client(&self) -> Option<&DhcpClient> {
        self.services.as_ref()?.client.as_ref().map(|(client, _)| client)
    }

    /// Its part as a server.
    pub fn dhcp_server(&self) -> Option<&DhcpServer> {
        self.services.as_ref()?.server.as_ref()
    }

    /// Gives its address back, or looks for one again.
    pub fn set_dhcp_on(&mut self, on: bool, cx: &mut Context<'_>) {
        let Some((client, _)) = self.services.as_mut().and_then(|services| services.client.as_mut()) else {
            return;
        };
        if on {
            client.restart(cx.now)
        } else {
            client.release()
        }
        self.run_client(cx);
    }

    /// The node stops: a client has no address any more. A server has written down its leases.
    pub(crate) fn crash_services(&mut self, cx: &mut Context<'_>) {
        let Some(services) = &mut self.services else { return };
        services.probing = None;
        services.adverts.clear();
        let autoconf = services.autoconf.take();
        if let Some((_, port)) = services.client.take() {
            self.stack.set_address(port, Ipv4Addr::UNSPECIFIED, Prefix::DEFAULT);
            self.stack.set_fib(Fib::default());
        }
        if let Some(host) = autoconf {
            self.stack.set_address6(
                host.port,
                Ipv4Addr::UNSPECIFIED,
                Prefix::DEFAULT,
                AddressBook::ALL_NODES,
            );
            self.stack.set_fib6(Fib::default());
        }
        self.tell_waiters(cx);
    }

    /// Somebody waits for the client to have an address or to give up.
    pub fn wait_address(&mut self, token: WaitToken) {
        self.services_mut().waiters.push(token);
    }

    /// When a service has something to do, and whether that keeps the run alive.
    pub(crate) fn next_service(&self) -> (Instant, bool) {
        let Some(services) = &self.services else { return (Instant::MAX, false) };
        let client =
            services.client.as_ref().map(|(client, _)| (client.next_timeout(), !client.is_settled()));
        let host = services.autoconf.as_ref();
        let host = host.map(|host| (host.machine.next_timeout(), !host.machine.is_settled()));
        let adverts = services.adverts.iter().map(|(_, router)| (router.next_timeout(), false));
        let all = client.into_iter().chain(host).chain(adverts);
        all.fold((Instant::MAX, false), |(next, alive), (at, keeps)| (next.min(at), alive || keeps))
    }

    /// Handles what is due.
    pub(crate) fn handle_service_timeout(&mut self, cx: &mut Context<'_>) {
        if let Some((client, _)) = self.services.as_mut().and_then(|services| services.client.as_mut())
            && client.next_timeout() <= cx.now
        {
            client.handle_timeout(cx.now);
            self.run_client(cx);
        }
        self.handle_slaac_timeout(cx);
    }

    /// Whether a packet is one of DHCP that this node speaks: no rule is asked about it, as clients have no address yet.
    pub(crate) fn is_service(&self, packet: &Hot, cx: &Context<'_>) -> bool {
        let ports = [DhcpMessage::SERVER_PORT, DhcpMessage::CLIENT_PORT];
        self.services.is_some()
            && matches!(cx.packets.body(packet).content, Content::Udp(udp, _) if ports.contains(&udp.dst_port))
    }

    /// Takes a packet of DHCP; gives back any other, and one that is for nobody here.
    pub(crate) fn handle_service(&mut self, port: u32, packet: Hot, cx: &mut Context<'_>) -> Option<Hot> {
        if !self.is_service(&packet, cx) {
            return Some(packet);
        }
        let Content::Udp(udp, _) = cx.packets.body(&packet).content else { return Some(packet) };
        let Ok(message) = DhcpMessage::parse(&cx.packets.payload(&packet).to_bytes()) else {
            cx.end(packet, Cause::Malformed);
            return None;
        };
        let services = self.services.as_mut()?;
        let iface = self.stack.ifaces.get(port as usize).map_or(Ipv4Addr::UNSPECIFIED, |iface| iface.addr);
        let own = if self.stack.is_local(packet.dst) { packet.dst } else { iface };
        if udp.dst_port == DhcpMessage::CLIENT_PORT {
            let Some((client, client_port)) = &mut services.client else { return Some(packet) };
            if *client_port != port || message.chaddr != MacKey::of(self.stack.ifaces[port as usize].id).mac()
            {
                return Some(packet);
            }
            client.handle_message(cx.now, &message);
            cx.end(packet, Cause::Delivered);
            self.run_client(cx);
            return None;
        }
        if let Some(server) = &mut services.server
            && !message.kind.is_reply()
        {
            let answer = server.handle_message(cx.now, &message, own);
            cx.end(packet, Cause::Delivered);
            if let Some(answer) = answer {
                self.send_dhcp(port, answer, cx);
            }
            return None;
        }
        let Some(server) = services.relay else { return Some(packet) };
        cx.end(packet, Cause::Delivered);
        self.relay(port, server, message, cx);
        None
    }

    /// RFC 1542 section 4.
    fn relay(&mut self, port: u32, server: Ipv4Addr, message: DhcpMessage, cx: &mut Context<'_>) {
        if message.kind.is_reply() {
            let towards = self.stack.ifaces.iter().position(|iface| iface.addr == message.giaddr);
            if let Some(towards) = towards {
                self.send_dhcp(towards as u32, DhcpSend { message, to: None, to_server: false }, cx);
            }
            return;
        }
        let own = self.stack.ifaces[port as usize].addr;
        if let Some(message) = relayed(message, own) {
            self.send_dhcp(port, DhcpSend { message, to: Some(server), to_server: true }, cx);
        }
    }

    /// Sends what the client has to say and does what it has found out.
    fn run_client(&mut self, cx: &mut Context<'_>) {
        while let Some((client, port)) = self.services.as_mut().and_then(|services| services.client.as_mut())
        {
            let port = *port;
            if let Some(send) = client.poll_transmit() {
                self.send_dhcp(port, send, cx);
                continue;
            }
            match client.poll_event() {
                Some(DhcpEvent::Probe(ip)) => self.probe(port, ip, cx),
                Some(DhcpEvent::Bound(lease)) => self.use_lease(port, &lease, cx),
                Some(DhcpEvent::Lost) => {
                    self.stack.set_address(port, Ipv4Addr::UNSPECIFIED, Prefix::DEFAULT);
                    self.stack.set_fib(Fib::default());
                }
                Some(DhcpEvent::GaveUp) => self.tell_waiters(cx),
                None => break,
            }
        }
        cx.out.timers = true;
    }

    fn use_lease(&mut self, port: u32, lease: &Lease, cx: &mut Context<'_>) {
        if let Some(services) = &mut self.services {
            services.probing = None;
        }
        self.stack.set_address(port, lease.ip, lease.prefix);
        let direct = (lease.prefix, vec![NextHop { port, gateway: None }]);
        let beyond = |ip| (Prefix::DEFAULT, vec![NextHop { port, gateway: Some(ip) }]);
        self.stack.set_fib(Fib::new([direct].into_iter().chain(lease.gateway.map(beyond))));
        self.tell_waiters(cx);
    }

    pub(crate) fn tell_waiters(&mut self, cx: &mut Context<'_>) {
        let waiters = self.services.as_mut().map(|services| std::mem::take(&mut services.waiters));
        cx.out.wakes.extend(waiters.unwrap_or_default());
    }

    /// Asks whether anybody has an address, without an address of its own (RFC 5227 section 2.1.1).
    fn probe(&mut self, port: u32, ip: Ipv4Addr, cx: &mut Context<'_>) {
        if let Some(services) = &mut self.services {
            services.probing = Some(ip);
        }
        let iface = &self.stack.ifaces[port as usize];
        if !iface.framed {
            return;
        }
        let mut request = cx.packets.insert_arp(ArpPacket {
            operation: ArpOperation::Request,
            sender_mac: MacKey::of(iface.id).mac(),
            sender_ip: Ipv4Addr::UNSPECIFIED,
            target_mac: MacKey::ZERO.mac(),
            target_ip: ip,
        });
        (request.src_mac, request.dst_mac) = (MacKey::of(iface.id), MacKey::BROADCAST);
        cx.send(iface.id.0, request);
    }

    /// Somebody has said by ARP which address it has.
    #[cold]
    pub(crate) fn note_arp(&mut self, packet: &Hot, cx: &mut Context<'_>) {
        let Content::Arp(arp) = cx.packets.body(packet).content else { return };
        let Some(services) = &mut self.services else { return };
        if services.probing == Some(arp.sender_ip)
            && let Some((client, _)) = &mut services.client
        {
            services.probing = None;
            client.handle_conflict(cx.now);
            self.run_client(cx);
        }
    }

    fn send_dhcp(&mut self, port: u32, send: DhcpSend, cx: &mut Context<'_>) {
        let (id, own, framed) = {
            let iface = &self.stack.ifaces[port as usize];
            (iface.id, iface.addr, iface.framed)
        };
        let (server, client) = (DhcpMessage::SERVER_PORT, DhcpMessage::CLIENT_PORT);
        let is_client = !send.message.kind.is_reply() && send.message.giaddr.is_unspecified();
        let ports = UdpHeader {
            src_port: if is_client { client } else { server },
            dst_port: if send.to_server { server } else { client },
        };
        let dst = send.to.unwrap_or(Ipv4Addr::BROADCAST);
        // The address that a message goes out with is that of the way there.
        let src = send.to.and_then(|to| self.stack.source_for(to)).map_or(own, |(src, _)| src);
        let header = self.stack.header(src, dst, Ecn::NotCapable);
        let hash = flow_hash(Protocol::UDP.0, src, ports.src_port, dst, ports.dst_port);
        let payload = Payload::Data(send.message.emit().into());
        let mut packet = cx.packets.insert_udp(&header, ports, payload, hash, cx.now);
        self.stack.stats.tx_packets += 1;
        self.stack.stats.tx_bytes += u64::from(packet.len);
        if send.to.is_some() {
            self.stack.output_unscreened(packet, cx);
            return;
        }
        packet.src_mac = MacKey::of(id);
        packet.dst_mac = if framed { MacKey::BROADCAST } else { MacKey::ZERO };
        cx.send(id.0, packet);
    }
}
