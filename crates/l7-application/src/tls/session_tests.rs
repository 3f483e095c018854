//! Two ends that talk: round trips, resumption, early data, failures.

use super::*;
use proptest::prelude::*;

fn chain() -> Vec<Certificate> {
    let one = |name: &str, key, signed_by, is_authority| Certificate {
        subject: name.into(),
        names: vec![name.into()],
        issuer: "x".into(),
        from: 0,
        until: 1000,
        key,
        signed_by,
        is_authority,
        size: 1000,
    };
    vec![one("shop.kr", 30, 20, false), one("ca", 20, 10, true)]
}

fn ends(version: Version, ticket: Option<String>, early: bool, roots: &[u64]) -> (Session, Session) {
    let client = Client {
        version,
        name: "shop.kr".into(),
        roots: Some(roots.to_vec()),
        ticket,
        early,
        costs: Costs::default(),
    };
    let server = Server {
        version: Version::V13,
        chain: chain(),
        tickets: true,
        secret: 0,
        early: true,
        costs: Costs::default(),
    };
    (Session::client(client, 1, 5), Session::server(server, 2, 5))
}

/// Moves everything that one end has said; how many bytes.
fn carry(from: &mut Session, to: &mut Session) -> usize {
    let mut n = 0;
    while let Some(payload) = from.output() {
        n += payload.len();
        to.input(payload);
    }
    n
}

/// Flights until the client may send, each way counted.
fn shake(client: &mut Session, server: &mut Session) -> u32 {
    let mut flights = 0;
    while !client.can_send() && client.failure().is_none() {
        assert!(carry(client, server) > 0, "somebody has something to say");
        carry(server, client);
        flights += 1;
    }
    carry(client, server);
    carry(server, client);
    flights
}

#[test]
fn two_round_trips_in_1_2_one_in_1_3_and_with_a_ticket_one_in_1_2() {
    for (version, trips) in [(Version::V12, 2), (Version::V13, 1)] {
        let (mut client, mut server) = ends(version, None, false, &[10]);
        assert_eq!(shake(&mut client, &mut server), trips, "{version:?}");
        assert_eq!(client.facts().version, version);
        let ticket = client.facts().ticket.clone();
        assert!(ticket.is_some());
        let (mut client, mut server) = ends(version, ticket, false, &[10]);
        assert_eq!(shake(&mut client, &mut server), 1);
        assert!(client.facts().resumed && server.facts().resumed);
    }
}

#[test]
fn tickets_are_good_for_their_version_and_their_server_alone() {
    let ticket = |version| {
        let (mut client, mut server) = ends(version, None, false, &[10]);
        shake(&mut client, &mut server);
        client.facts().ticket.clone()
    };
    let meet = |offered, ticket, secret, spoken| {
        let (mut client, _) = ends(offered, ticket, false, &[10]);
        let costs = Costs::default();
        let server = Server { version: spoken, chain: chain(), tickets: true, secret, early: true, costs };
        let mut server = Session::server(server, 2, 5);
        (shake(&mut client, &mut server), client.facts().resumed)
    };
    let (old, new) = (ticket(Version::V12), ticket(Version::V13));
    // A ticket of 1.3 at a server of 1.2: a whole handshake (RFC 8446, section 4.6.1).
    assert_eq!(meet(Version::V13, new.clone(), 0, Version::V12), (2, false));
    assert_eq!(meet(Version::V13, old.clone(), 0, Version::V13), (1, false));
    assert_eq!(meet(Version::V12, new.clone(), 0, Version::V13), (2, false));
    assert_eq!(meet(Version::V13, old, 0, Version::V12), (1, true));
    assert_eq!(meet(Version::V13, new.clone(), 1, Version::V13), (1, false));
    assert_eq!(meet(Version::V13, new, 0, Version::V13), (1, true));
}

#[test]
fn data_arrives_and_cannot_be_read_on_the_way() {
    for version in [Version::V12, Version::V13] {
        let (mut client, mut server) = ends(version, None, false, &[10]);
        shake(&mut client, &mut server);
        let secret = Payload::from(b"GET /secret HTTP/1.1".to_vec());
        for payload in client.seal(&secret) {
            let seen = payload.to_bytes();
            assert!(!seen.windows(6).any(|window| window == b"secret"));
            server.input(payload);
        }
        assert_eq!(server.plain(1000), Some(secret));
        for payload in server.seal(&Payload::Zeros(40_000)) {
            client.input(payload);
        }
        let mut n = 0;
        while let Some(payload) = client.plain(10_000) {
            assert!(matches!(payload, Payload::Zeros(_)));
            n += payload.len();
        }
        assert_eq!(n, 40_000);
    }
}

#[test]
fn early_data_comes_with_the_first_flight() {
    let (mut client, mut server) = ends(Version::V13, None, false, &[10]);
    shake(&mut client, &mut server);
    let ticket = client.facts().ticket.clone();
    let (mut client, mut server) = ends(Version::V13, ticket.clone(), true, &[10]);
    assert!(client.can_send());
    let request = Payload::from(b"early".to_vec());
    let records = client.seal(&request);
    carry(&mut client, &mut server);
    records.into_iter().for_each(|record| server.input(record));
    assert_eq!(server.plain(100), Some(request.clone()));
    // The answer need not wait for the client's last message.
    carry(&mut server, &mut client);
    server.seal(&Payload::from(b"answer".to_vec())).into_iter().for_each(|record| client.input(record));
    assert_eq!(client.plain(100), Some(Payload::from(b"answer".to_vec())));
    carry(&mut client, &mut server);
    assert!(server.facts().early && server.can_send() && client.can_send());
    // A server that does not take it gets it again.
    let (mut client, _) = ends(Version::V13, ticket, true, &[10]);
    let strict = Server {
        version: Version::V13,
        chain: chain(),
        tickets: true,
        secret: 0,
        early: false,
        costs: Costs::default(),
    };
    let mut server = Session::server(strict, 2, 5);
    let records = client.seal(&request);
    carry(&mut client, &mut server);
    records.into_iter().for_each(|record| server.input(record));
    assert_eq!(server.plain(100), None);
    carry(&mut server, &mut client);
    carry(&mut client, &mut server);
    assert_eq!(server.plain(100), Some(request));
}

#[test]
fn an_authority_that_is_not_trusted_ends_it_on_both_sides() {
    let (mut client, mut server) = ends(Version::V13, None, false, &[99]);
    shake(&mut client, &mut server);
    assert_eq!(client.failure(), Some("bad certificate: unknown authority"));
    assert_eq!(server.failure(), Some("the other side gave up"));
}

#[test]
fn a_server_that_skips_its_certificate_is_not_believed() {
    let (mut client, mut server) = ends(Version::V13, None, false, &[10]);
    carry(&mut client, &mut server);
    let hello = server.output().unwrap();
    client.input(hello);
    // Extensions, then the certificate and the signature are left out.
    let rest: Vec<Payload> = std::iter::from_fn(|| server.output()).collect();
    client.input(rest[0].clone());
    client.input(rest[3].clone());
    assert!(client.failure().is_some());
}

proptest! {
    #[test]
    fn garbage_is_an_error_and_never_a_panic(bytes in proptest::collection::vec(any::<u8>(), 0..200), at in 0usize..600, value: u8) {
        let (mut client, mut server) = ends(Version::V13, None, false, &[10]);
        server.input(Payload::from(bytes.clone()));
        client.input(Payload::from(bytes));
        let (mut client, mut server) = ends(Version::V12, None, false, &[10]);
        let mut hello = client.output().unwrap().to_bytes().into_owned();
        let at = at % hello.len();
        hello[at] = value;
        server.input(Payload::from(hello));
        carry(&mut server, &mut client);
        carry(&mut client, &mut server);
    }
}
