use super::*;
use tidewire_units::{Purpose, Streams};

const MAC: MacAddr = MacAddr([2, 0, 0, 0, 0, 9]);
const IP: Ipv4Addr = Ipv4Addr::new(10, 0, 0, 100);
const SERVER: Ipv4Addr = Ipv4Addr::new(10, 0, 0, 1);

fn at(s: u64) -> Instant {
    Instant::ZERO + Span::from_secs(s)
}

fn client() -> DhcpClient {
    let mut client = DhcpClient::new(MAC, Streams::new(1).stream(Purpose::Services, "c"), at(0));
    client.handle_timeout(at(0));
    client
}

fn sent(client: &mut DhcpClient) -> DhcpSend {
    client.poll_transmit().expect("a message")
}

fn answer(to: &DhcpMessage, kind: DhcpKind) -> DhcpMessage {
    let mut message = DhcpMessage::new(kind, to.xid, MAC);
    (message.yiaddr, message.server, message.lease) = (IP, Some(SERVER), Some(3600));
    (message.mask, message.routers) = (Some(Ipv4Addr::new(255, 255, 255, 0)), vec![SERVER]);
    message
}

/// Four messages, and a probe that nobody answers.
fn bound() -> DhcpClient {
    let mut client = client();
    let discover = sent(&mut client);
    assert_eq!((discover.message.kind, discover.to), (DhcpKind::Discover, None));
    client.handle_message(at(0), &answer(&discover.message, DhcpKind::Offer));
    let request = sent(&mut client).message;
    assert_eq!(
        (request.kind, request.requested, request.server),
        (DhcpKind::Request, Some(IP), Some(SERVER))
    );
    client.handle_message(at(0), &answer(&request, DhcpKind::Ack));
    assert_eq!(client.poll_event(), Some(DhcpEvent::Probe(IP)));
    client.handle_timeout(client.next_timeout());
    client
}

#[test]
fn four_messages_and_a_silent_probe_give_an_address() {
    let mut client = bound();
    let Some(DhcpEvent::Bound(lease)) = client.poll_event() else { panic!("no lease") };
    assert_eq!((lease.ip, lease.gateway, lease.prefix.to_string()), (IP, Some(SERVER), "10.0.0.0/24".into()));
    assert!(client.is_settled());
}

#[test]
fn at_half_of_the_lease_the_server_is_asked_and_at_seven_eighths_everybody() {
    let mut client = bound();
    client.poll_event();
    let end = client.lease().unwrap().until;
    client.handle_timeout(client.next_timeout());
    let renew = sent(&mut client);
    assert_eq!((renew.message.ciaddr, renew.to), (IP, Some(SERVER)));
    while client.state() == ClientState::Renewing {
        client.handle_timeout(client.next_timeout());
    }
    assert_eq!(client.next_timeout().since(at(0)).as_ms() / 60_000, (3150 + 225) / 60);
    let rebind = std::iter::from_fn(|| client.poll_transmit()).last().unwrap();
    assert_eq!(rebind.to, None);
    client.handle_message(at(3200), &answer(&rebind.message, DhcpKind::Ack));
    assert!(client.lease().unwrap().until > end);
}

#[test]
fn a_lease_that_nobody_extends_is_lost() {
    let mut client = bound();
    client.poll_event();
    while client.state() != ClientState::Selecting {
        client.handle_timeout(client.next_timeout());
    }
    assert_eq!(client.poll_event(), Some(DhcpEvent::Lost));
    assert!(client.lease().is_none() && client.is_settled());
}

#[test]
fn silence_is_answered_by_four_tries_and_then_by_patience() {
    let mut client = client();
    let mut messages = 1;
    while client.state() == ClientState::Selecting {
        client.handle_timeout(client.next_timeout());
        messages += usize::from(client.state() == ClientState::Selecting);
    }
    assert_eq!(client.poll_event(), Some(DhcpEvent::GaveUp));
    assert_eq!((messages, client.is_settled()), (4, true));
    let next = client.next_timeout().since(at(0));
    assert!((Span::from_secs(350)..Span::from_secs(370)).contains(&next), "{next}");
}

#[test]
fn an_address_that_somebody_uses_is_declined() {
    let mut client = client();
    let discover = sent(&mut client).message;
    client.handle_message(at(0), &answer(&discover, DhcpKind::Offer));
    let request = sent(&mut client).message;
    client.handle_message(at(0), &answer(&request, DhcpKind::Ack));
    client.handle_conflict(at(0));
    assert_eq!(sent(&mut client).message.kind, DhcpKind::Decline);
    assert_eq!(client.next_timeout(), at(10));
}

#[test]
fn a_refusal_takes_the_address_away_and_strangers_answers_are_not_heard() {
    let mut client = bound();
    client.poll_event();
    client.handle_timeout(client.next_timeout());
    let renew = sent(&mut client).message;
    let mut stranger = answer(&renew, DhcpKind::Nak);
    stranger.xid ^= 1;
    client.handle_message(at(1800), &stranger);
    assert!(client.lease().is_some());
    client.handle_message(at(1800), &answer(&renew, DhcpKind::Nak));
    assert_eq!(client.poll_event(), Some(DhcpEvent::Lost));
    assert_eq!(sent(&mut client).message.kind, DhcpKind::Discover);
}
