//! Messages out of streams: whole, in pieces, broken.

use super::*;
use proptest::prelude::*;

/// Everything that a stream holds, fed in pieces of `step` bytes: per message its head and body.
fn messages(
    role: Role,
    stream: &[u8],
    step: usize,
    ends: bool,
) -> Result<Vec<(Head, Vec<u8>)>, MessageError> {
    let (mut reader, mut input) = (Reader::new(role, Limits::default()), BytesMut::new());
    let (mut all, mut head, mut body) = (Vec::new(), None, Vec::new());
    for piece in stream.chunks(step.max(1)) {
        input.extend_from_slice(piece);
        loop {
            match reader.read(&mut input)? {
                Progress::More => break,
                Progress::Head(found) => head = Some(*found),
                Progress::Data(data) => body.extend_from_slice(&data),
                Progress::Done(_) => {
                    all.push((head.take().expect("a head first"), std::mem::take(&mut body)))
                }
            }
        }
    }
    if ends && head.is_some() {
        reader.end()?;
        all.push((head.take().expect("looked at above"), body));
    }
    Ok(all)
}

fn requests(stream: &str) -> Result<Vec<(Head, Vec<u8>)>, MessageError> {
    messages(Role::Request, stream.as_bytes(), usize::MAX, false)
}

const ANSWER: Role = Role::Response { to_head: false };

#[test]
fn requests_one_after_the_other_are_told_apart() {
    let all = requests(
        "GET /a HTTP/1.1\r\nHost: x\r\n\r\n\r\nPOST /b HTTP/1.1\r\nContent-Length: 5\r\n\r\nhelloGET /c HTTP/1.0\r\n\r\n",
    );
    let all = all.unwrap();
    assert_eq!(all.len(), 3);
    assert_eq!(all[1].1, b"hello");
    assert_eq!(all[2].0.minor, 0);
    assert!(all[0].0.keeps_open() && !all[2].0.keeps_open());
}

#[test]
fn a_chunked_body_is_put_together_and_has_trailers() {
    let text = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n6;x=y\r\n world\r\n0\r\nA: b\r\n\r\n";
    for step in [1, 2, 3, 7, 100] {
        let all = messages(ANSWER, text.as_bytes(), step, false).unwrap();
        assert_eq!(all[0].1, b"hello world");
    }
}

#[test]
fn a_response_without_length_lasts_until_the_connection_ends() {
    let all = messages(ANSWER, b"HTTP/1.0 200 OK\r\n\r\nall of it", 4, true).unwrap();
    assert_eq!(all[0].1, b"all of it");
}

#[test]
fn responses_that_have_no_body_end_with_their_head() {
    for status in ["204 No Content", "304 Not Modified"] {
        let text = format!(
            "HTTP/1.1 {status}\r\nContent-Length: 10\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"
        );
        assert_eq!(messages(ANSWER, text.as_bytes(), 9, false).unwrap().len(), 2);
    }
    let head =
        messages(Role::Response { to_head: true }, b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n", 9, false);
    assert_eq!(head.unwrap()[0].1, b"");
}

#[test]
fn what_two_readers_could_understand_differently_is_refused() {
    for fields in [
        "Content-Length: 5\r\nTransfer-Encoding: chunked",
        "Content-Length: 5\r\nContent-Length: 6",
        "Content-Length: +5",
        "Content-Length: 99999999999999999999999",
        "Transfer-Encoding: gzip",
    ] {
        let error = requests(&format!("POST / HTTP/1.1\r\n{fields}\r\n\r\nhello")).unwrap_err();
        assert_eq!(error, MessageError::BadLength, "{fields}");
    }
}

#[test]
fn long_heads_and_bodies_are_refused() {
    let long = format!("GET / HTTP/1.1\r\nX: {}", "x".repeat(70_000));
    assert_eq!(requests(&long).unwrap_err(), MessageError::HeadTooLong);
    let many = format!("GET / HTTP/1.1\r\n{}\r\n", "X: y\r\n".repeat(200));
    assert_eq!(requests(&many).unwrap_err(), MessageError::HeadTooLong);
    let mut reader = Reader::new(Role::Request, Limits { body: 4, ..Limits::default() });
    let mut input = BytesMut::from("POST / HTTP/1.1\r\nContent-Length: 5\r\n\r\n");
    assert_eq!(reader.read(&mut input).unwrap_err(), MessageError::BodyTooLong);
}

#[test]
fn bytes_that_nobody_looks_at_are_only_counted() {
    let mut reader = Reader::new(ANSWER, Limits::default());
    let mut input = BytesMut::from("HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n\r\n");
    assert!(matches!(reader.read(&mut input), Ok(Progress::Head(_))));
    assert_eq!(reader.wants_data(), Some(1_000_000));
    reader.skip(999_999).unwrap();
    input.extend_from_slice(b"z");
    assert_eq!(reader.read(&mut input).unwrap(), Progress::Data(Bytes::from_static(b"z")));
    assert_eq!(reader.read(&mut input).unwrap(), Progress::Done(Vec::new()));
}

proptest! {
    #[test]
    fn garbage_is_an_error_or_a_message_and_never_a_panic(bytes: Vec<u8>, step in 1usize..50) {
        let _ = messages(Role::Request, &bytes, step, true);
        let _ = messages(ANSWER, &bytes, step, true);
        let mut text = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n".to_vec();
        text.extend_from_slice(&bytes);
        let _ = messages(ANSWER, &text, step, true);
    }

    #[test]
    fn a_body_comes_out_as_it_went_in_whatever_the_pieces(
        body in proptest::collection::vec(any::<u8>(), 0..300), cuts in proptest::collection::vec(1usize..40, 1..8), step in 1usize..60,
    ) {
        let mut text = b"POST /x HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n".to_vec();
        let mut rest = &body[..];
        for cut in cuts.iter().cycle() {
            let n = (*cut).min(rest.len());
            if n == 0 {
                break;
            }
            text.extend_from_slice(format!("{n:x}\r\n").as_bytes());
            text.extend_from_slice(&rest[..n]);
            text.extend_from_slice(b"\r\n");
            rest = &rest[n..];
        }
        text.extend_from_slice(b"0\r\n\r\n");
        let all = messages(Role::Request, &text, step, false).unwrap();
        prop_assert_eq!(&all[0].1, &body);
    }
}
