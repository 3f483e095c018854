//! Heads of PostgreSQL's messages: <https://www.postgresql.org/docs/current/protocol-message-formats.html>.

/// A message has at most 1 GiB.
const LONGEST: u32 = 1 << 30;
/// What a client says first is short.
const LONGEST_STARTUP: u32 = 10_000;

/// The kind of a message, and how many bytes follow its head; none where it cannot be one.
pub fn head(bytes: [u8; 5]) -> Option<(u8, u32)> {
    let [kind, length @ ..] = bytes;
    let rest = u32::from_be_bytes(length).checked_sub(4)?;
    (kind.is_ascii_graphic() && rest <= LONGEST).then_some((kind, rest))
}

/// How many bytes follow the length of what a client says first, which has no kind.
pub fn startup(length: [u8; 4]) -> Option<u32> {
    let length = u32::from_be_bytes(length);
    (8..=LONGEST_STARTUP).contains(&length).then(|| length - 4)
}

/// A message as bytes.
pub fn message(kind: u8, content: &[u8]) -> Vec<u8> {
    let mut bytes = vec![kind];
    bytes.extend_from_slice(&(content.len() as u32 + 4).to_be_bytes());
    bytes.extend_from_slice(content);
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn lengths_count_themselves_and_have_an_end() {
        assert_eq!(head(*b"Z\0\0\0\x05"), Some((b'Z', 1)));
        assert_eq!((head(*b"Z\0\0\0\x03"), head(*b"\0\0\0\0\x05")), (None, None));
        assert_eq!(head(*b"Q\xff\xff\xff\xff"), None);
        assert_eq!(
            (startup([0, 0, 0, 8]), startup([0, 0, 0, 7]), startup([0, 1, 0, 0])),
            (Some(4), None, None)
        );
    }

    proptest! {
        #[test]
        fn what_is_written_is_read_and_garbage_is_none(kind in 33u8..127, content: Vec<u8>, bytes: [u8; 5]) {
            let written = message(kind, &content);
            prop_assert_eq!(head(written[..5].try_into().unwrap()), Some((kind, content.len() as u32)));
            prop_assert!(head(bytes).is_none_or(|(_, rest)| rest <= LONGEST));
            prop_assert!(startup(bytes[1..].try_into().unwrap()).is_none_or(|rest| rest < LONGEST_STARTUP));
        }
    }
}
