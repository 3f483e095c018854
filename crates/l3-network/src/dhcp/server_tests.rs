use super::*;

const OWN: Ipv4Addr = Ipv4Addr::new(10, 0, 0, 1);

fn at(s: u64) -> Instant {
    Instant::ZERO + Span::from_secs(s)
}

fn mac(n: u8) -> MacAddr {
    MacAddr([2, 0, 0, 0, 0, n])
}

fn ip(n: u8) -> Ipv4Addr {
    Ipv4Addr::new(10, 0, 0, n)
}

fn server(addresses: u8) -> DhcpServer {
    let mut server = DhcpServer::default();
    server.add_pool(DhcpPool {
        prefix: "10.0.0.0/24".parse().unwrap(),
        addresses: (100..100 + addresses).map(ip).collect(),
        lease: Span::from_secs(600),
        gateway: Some(OWN),
        dns: vec![ip(53)],
    });
    server
}

fn discover(server: &mut DhcpServer, n: u8, s: u64) -> Option<DhcpMessage> {
    let message = DhcpMessage::new(DhcpKind::Discover, n.into(), mac(n));
    Some(server.handle_message(at(s), &message, OWN)?.message)
}

fn request(server: &mut DhcpServer, n: u8, wanted: Ipv4Addr, s: u64) -> DhcpKind {
    let mut message = DhcpMessage::new(DhcpKind::Request, n.into(), mac(n));
    (message.requested, message.server) = (Some(wanted), Some(OWN));
    server.handle_message(at(s), &message, OWN).expect("an answer").message.kind
}

#[test]
fn each_client_is_offered_another_address_and_the_same_again() {
    let mut server = server(3);
    let offers: Vec<Ipv4Addr> =
        [1, 2, 1].into_iter().map(|n| discover(&mut server, n, 0).unwrap().yiaddr).collect();
    assert_eq!(offers, [ip(100), ip(101), ip(100)]);
    let offer = discover(&mut server, 1, 0).unwrap();
    assert_eq!((offer.mask, offer.lease), (Some(Ipv4Addr::new(255, 255, 255, 0)), Some(600)));
    assert_eq!((offer.routers, offer.dns), (vec![OWN], vec![ip(53)]));
    assert_eq!((offer.t1, offer.t2), (Some(300), Some(525)));
}

#[test]
fn a_pool_of_one_has_nothing_for_the_second_until_the_lease_is_over() {
    let mut server = server(1);
    let first = discover(&mut server, 1, 0).unwrap().yiaddr;
    assert_eq!(request(&mut server, 1, first, 0), DhcpKind::Ack);
    assert!(discover(&mut server, 2, 599).is_none());
    assert_eq!(server.stats().exhausted, 1);
    assert_eq!(discover(&mut server, 2, 600).unwrap().yiaddr, first);
}

#[test]
fn an_address_that_was_not_offered_is_refused() {
    let mut server = server(2);
    let first = discover(&mut server, 1, 0).unwrap().yiaddr;
    assert_eq!(request(&mut server, 2, first, 0), DhcpKind::Nak);
    assert_eq!(request(&mut server, 2, ip(7), 0), DhcpKind::Nak);
}

#[test]
fn a_released_address_is_free_and_a_declined_one_is_not() {
    let mut server = server(1);
    let address = discover(&mut server, 1, 0).unwrap().yiaddr;
    request(&mut server, 1, address, 0);
    let mut release = DhcpMessage::new(DhcpKind::Release, 1, mac(1));
    release.ciaddr = address;
    assert_eq!(server.handle_message(at(1), &release, OWN), None);
    assert_eq!(server.rows(at(1))[0].state, "released");
    assert_eq!(discover(&mut server, 2, 2).unwrap().yiaddr, address);
    let mut decline = DhcpMessage::new(DhcpKind::Decline, 2, mac(2));
    (decline.requested, decline.server) = (Some(address), Some(OWN));
    server.handle_message(at(3), &decline, OWN);
    assert!(discover(&mut server, 2, 4).is_none() && discover(&mut server, 3, 4).is_none());
}

#[test]
fn a_relayed_message_gets_an_address_of_the_relays_network_and_the_answer_goes_there() {
    let mut server = server(1);
    let far: Prefix = "10.0.7.0/24".parse().unwrap();
    let addresses = vec![Ipv4Addr::new(10, 0, 7, 50)];
    let pool =
        DhcpPool { prefix: far, addresses, lease: Span::from_secs(60), gateway: None, dns: Vec::new() };
    server.add_pool(pool);
    let mut message = DhcpMessage::new(DhcpKind::Discover, 1, mac(1));
    message.giaddr = Ipv4Addr::new(10, 0, 7, 1);
    let send = server.handle_message(at(0), &message, OWN).unwrap();
    assert_eq!(send.message.yiaddr, Ipv4Addr::new(10, 0, 7, 50));
    assert_eq!((send.to, send.to_server), (Some(message.giaddr), true));
}
