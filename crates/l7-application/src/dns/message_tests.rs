//! Messages there and back, and what cannot be looked at.

use super::*;
use proptest::prelude::*;

fn full() -> Message {
    let record = |name: &str, data| Record { name: name.to_owned(), ttl: 60, data };
    Message {
        response: true,
        authoritative: true,
        answers: vec![
            record("www.example.com", Data::Cname("web.example.com".into())),
            record("web.example.com", Data::A(Ipv4Addr::new(10, 0, 0, 1))),
            record("web.example.com", Data::Aaaa("2001:db8::1".parse().unwrap())),
            record("example.com", Data::Mx(10, "mail.example.com".into())),
            record("example.com", Data::Txt("v=spf1 -all".into())),
            record("1.0.0.10.in-addr.arpa", Data::Ptr("web.example.com".into())),
        ],
        authority: vec![
            record("", Data::Ns("ns.example.com".into())),
            record("example.com", Data::Soa { server: "ns.example.com".into(), serial: 7, minimum: 30 }),
        ],
        ..Message::query(77, "www.example.com", Kind::A, true)
    }
}

#[test]
fn messages_are_read_as_they_are_written() {
    let message = full();
    assert_eq!(Message::parse(&message.emit()).unwrap(), message);
    let query = Message::query(1, "Example.COM.", Kind::Any, false);
    assert_eq!(query.question.as_ref().unwrap().0, "example.com");
    assert_eq!(Message::parse(&query.emit()).unwrap(), query);
}

#[test]
fn names_are_compressed() {
    // 12 bytes of header, a question of 21, an answer whose name is a pointer: 2 + 10 + 4.
    let mut message = Message::query(1, "www.example.com", Kind::A, true);
    message.answers =
        vec![Record { name: "www.example.com".into(), ttl: 1, data: Data::A(Ipv4Addr::LOCALHOST) }];
    assert_eq!(message.emit().len(), 12 + 21 + 16);
}

#[test]
fn what_does_not_fit_is_left_out_and_that_is_said() {
    let short = Message::parse(&full().emit_within(100)).unwrap();
    assert!(short.truncated && short.answers.is_empty() && short.response);
    assert!(!Message::parse(&full().emit_within(5000)).unwrap().truncated);
}

#[test]
fn unknown_types_are_asked_for_by_number_and_what_cannot_be_looked_at_is_refused() {
    let query = Message::query(1, "www.example.com", Kind::Other(65_280), false);
    assert_eq!(Message::parse(&query.emit()).unwrap(), query);
    let good = Message::query(0x1234, "www.example.com", Kind::Other(33), true).emit();
    assert_eq!(check_query(&good), Ok(()));
    let changed = |at: usize, byte: u8| {
        let mut bytes = good.clone();
        bytes[at] = byte;
        check_query(&bytes).unwrap_err()
    };
    let end = good.len();
    for (at, byte, cause, rcode) in [
        (2, 0x29, "not implemented", 4),
        (5, 0, "bad message", 1),
        (12, 0xC0, "bad message", 1),
        (end - 1, 3, "another class", 5),
        (end - 3, 252, "zone transfer", 5),
    ] {
        let (found, reply) = changed(at, byte);
        let reply = reply.expect("a reply");
        assert_eq!((found, reply[3] & 15, &reply[..2]), (cause, rcode, &[0x12, 0x34][..]), "{at}");
        assert!(reply[2] & 0x80 != 0);
    }
    assert_eq!(changed(2, 0x81), ("bad message", None));
    assert_eq!(check_query(&good[..11]), Err(("bad message", None)));
}

#[test]
fn names_and_their_parts_have_a_longest_length() {
    assert_eq!(bad_name(&format!("{}.com", "a".repeat(63))), None);
    assert!(bad_name(&format!("{}.com", "a".repeat(64))).is_some());
    assert!(bad_name(&"abc.".repeat(70)).is_some() && bad_name("a..b").is_some());
    assert_eq!((bad_name(""), bad_name("."), bad_name("a.b.")), (None, None, None));
}

#[test]
fn zones_hold_what_is_below_them() {
    assert!(is_below("www.example.com", "example.com") && is_below("example.com", "example.com"));
    assert!(is_below("com", "") && !is_below("badexample.com", "example.com"));
    assert_eq!(reverse_name("10.1.2.3".parse().unwrap()), "3.2.1.10.in-addr.arpa");
    assert!(reverse_name("2001:db8::1".parse().unwrap()).starts_with("1.0.0.0."));
}

proptest! {
    #[test]
    fn garbage_is_no_message_and_no_panic(bytes: Vec<u8>, at in 0usize..200, byte: u8) {
        let _ = (Message::parse(&bytes), check_query(&bytes));
        let mut damaged = full().emit();
        let at = at % damaged.len();
        damaged[at] = byte;
        let _ = (Message::parse(&damaged), check_query(&damaged));
        let _ = Message::parse(&damaged[..at]);
    }
}
