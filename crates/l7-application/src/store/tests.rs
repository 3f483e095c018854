use super::*;
use bytes::{Bytes, BytesMut};
use proptest::prelude::*;
use tidewire_units::{Instant, Span};

fn at(seconds: u64) -> Instant {
    Instant::ZERO + Span::from_secs(seconds)
}

fn run(store: &mut Store, now: u64, text: &str) -> Reply {
    let words: Vec<Bytes> = text.split(' ').map(|word| Bytes::copy_from_slice(word.as_bytes())).collect();
    store.execute(at(now), &words)
}

fn bulk(text: &'static str) -> Reply {
    Reply::Bulk(Bytes::from_static(text.as_bytes()))
}

#[test]
fn commands_do_what_redis_documents() {
    let mut store = Store::new(Limits::default());
    let ok = Reply::Simple("OK".into());
    for (now, text, reply) in [
        (0, "GET a", Reply::Nil),
        (0, "SET a 1", ok.clone()),
        (0, "get a", bulk("1")),
        (0, "INCR a", Reply::Int(2)),
        (0, "INCRBY a 40", Reply::Int(42)),
        (0, "DECR n", Reply::Int(-1)),
        (0, "SET a x NX", Reply::Nil),
        (0, "SET b x XX", Reply::Nil),
        (0, "SET b y EX 10", ok.clone()),
        (0, "TTL b", Reply::Int(10)),
        (0, "TTL a", Reply::Int(-1)),
        (9, "PTTL b", Reply::Int(1000)),
        (10, "GET b", Reply::Nil),
        (10, "TTL b", Reply::Int(-2)),
        (10, "EXISTS a b n", Reply::Int(2)),
        (10, "DEL a b", Reply::Int(1)),
        (10, "MGET n a", Reply::Array(vec![bulk("-1"), Reply::Nil])),
        (10, "FLUSHALL", ok),
        (10, "DBSIZE", Reply::Int(0)),
        (10, "GET", Reply::Error("ERR wrong number of arguments for 'get' command".into())),
        (10, "SPARE a", Reply::Error("ERR unknown command 'SPARE'".into())),
        (10, "SET a 1 EX 0", Reply::Error("ERR invalid expire time in 'set' command".into())),
    ] {
        assert_eq!(run(&mut store, now, text), reply, "{text}");
    }
    assert_eq!((store.counts().hits, store.counts().misses, store.counts().expired), (2, 3, 1));
}

#[test]
fn who_was_not_used_for_longest_makes_room() {
    let mut store = Store::new(Limits { entries: 2, ..Limits::default() });
    for text in ["SET a 1", "SET b 2", "GET a", "SET c 3"] {
        run(&mut store, 0, text);
    }
    assert_eq!(run(&mut store, 0, "EXISTS a"), Reply::Int(1));
    assert_eq!(run(&mut store, 0, "EXISTS b"), Reply::Int(0));
    assert_eq!(store.counts().evictions, 1);
    let mut full =
        Store::new(Limits { bytes: 2 * (2 + Store::OVERHEAD), evicts: false, ..Limits::default() });
    assert_eq!(run(&mut full, 0, "SET a 1"), Reply::Simple("OK".into()));
    assert_eq!(run(&mut full, 0, "SET b 1"), Reply::Simple("OK".into()));
    assert!(matches!(run(&mut full, 0, "SET c 1"), Reply::Error(why) if why.starts_with("OOM")));
}

proptest! {
    #[test]
    fn garbage_is_an_error_or_unfinished_and_never_a_panic(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
        let _ = read_reply(&mut BytesMut::from(&bytes[..]));
        let mut input = BytesMut::from(&bytes[..]);
        while let Ok(Some(words)) = read_command(&mut input) {
            Store::new(Limits::default()).execute(at(0), &words);
        }
    }

    #[test]
    fn commands_survive_the_wire_however_it_is_cut(
        words in proptest::collection::vec(proptest::collection::vec(any::<u8>(), 0..20), 1..6),
        cut in 0usize..60,
    ) {
        let mut wire = BytesMut::new();
        write_command(words.iter().map(|word| &word[..]), &mut wire);
        let cut = cut.min(wire.len());
        let rest = wire.split_off(cut);
        let mut got = read_command(&mut wire).unwrap();
        prop_assert_eq!(got.is_some(), rest.is_empty());
        if got.is_none() {
            wire.extend_from_slice(&rest);
            got = read_command(&mut wire).unwrap();
        }
        prop_assert_eq!(got.unwrap(), words.into_iter().map(Bytes::from).collect::<Vec<_>>());
        prop_assert!(wire.is_empty());
    }

    /// Against a plain list in order of use.
    #[test]
    fn the_store_is_a_list_in_order_of_use(steps in proptest::collection::vec((0u8..3, 0u8..8), 0..200), room in 1usize..6) {
        let mut store = Store::new(Limits { entries: room, ..Limits::default() });
        let mut list: Vec<u8> = Vec::new();
        for (what, key) in steps {
            let there = list.iter().position(|known| *known == key);
            match what {
                0 => {
                    prop_assert_eq!(store.get(at(0), &[key]).is_some(), there.is_some());
                    if let Some(i) = there {
                        list.remove(i);
                        list.push(key);
                    }
                }
                1 => {
                    store.set(at(0), &[key], Bytes::new(), None);
                    there.map(|i| list.remove(i));
                    list.push(key);
                    if list.len() > room {
                        list.remove(0);
                    }
                }
                _ => {
                    prop_assert_eq!(store.remove(&[key]), there.is_some());
                    there.map(|i| list.remove(i));
                }
            }
            prop_assert_eq!(store.len(), list.len());
            prop_assert_eq!(store.bytes(), list.len() as u64 * (1 + Store::OVERHEAD));
        }
    }

    #[test]
    fn replies_survive_the_wire(n in any::<i64>(), bytes in proptest::collection::vec(any::<u8>(), 0..40), text in "[a-z ]{0,20}") {
        let reply = Reply::Array(vec![
            Reply::Int(n), Reply::Bulk(bytes.into()), Reply::Nil, Reply::Simple(text.clone()),
            Reply::Array(vec![Reply::Error(text)]),
        ]);
        let mut wire = BytesMut::new();
        reply.write(&mut wire);
        prop_assert_eq!(read_reply(&mut wire).unwrap(), Some(reply));
    }
}
