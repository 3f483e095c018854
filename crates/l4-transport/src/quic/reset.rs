//! Stateless resets (RFC 9000 section 10.3): an end that has forgotten a connection, since its host has been down or it ended long ago,
//! says so to a peer that goes on.

use super::connection::{QuicConnection, QuicError};
use super::{destination_of, frame::CID};
use bytes::Bytes;

const TOKEN: usize = 16;
/// What a packet of 1-RTT has at least, which a reset looks like.
const LEAST: usize = 5 + TOKEN;
/// The transport error that stands for it.
const NO_ERROR: u64 = 0;

/// The token of whoever is called by this identifier: what an end computes of a key that it does not forget. Identifiers are random, and
/// here nobody guesses.
fn token(id: u64) -> [u8; TOKEN] {
    let mixed = |salt: u64| {
        let mut x = id ^ salt;
        for shift in [30, 27, 31] {
            x = (x ^ x >> shift).wrapping_mul(0x9E37_79B9_7F4A_7C15);
        }
        x.to_be_bytes()
    };
    let mut token = [0; TOKEN];
    token[..8].copy_from_slice(&mixed(0x517C_C1B7_2722_0A95));
    token[8..].copy_from_slice(&mixed(0x2545_F491_4F6C_DD1D));
    token
}

/// The answer to a datagram of a connection that nobody knows; shorter than it is, so that two who have forgotten do not answer each
/// other for ever (RFC 9000 section 10.3.3).
pub fn stateless_reset(datagram: &[u8]) -> Option<Bytes> {
    let is_short = datagram.first()? & 0x80 == 0;
    let id = destination_of(datagram).filter(|_| is_short && datagram.len() > LEAST)?;
    let token = token(id);
    let mut reset = vec![0; LEAST.max(datagram.len().min(1 + CID + TOKEN + 18) - 1) - TOKEN];
    reset[0] = 0x40;
    reset[1..5].copy_from_slice(&token[4..8]);
    reset.extend(token);
    Some(reset.into())
}

impl QuicConnection {
    /// The peer says, in a datagram for nobody, that it has forgotten this connection.
    pub fn is_reset_by(&self, datagram: &[u8]) -> bool {
        datagram.len() >= LEAST && datagram[0] & 0x80 == 0 && datagram.ends_with(&token(self.peer))
    }

    /// What [`QuicConnection::is_reset_by`] is for: it is over, and nobody is told (RFC 9000 section 10.3.1).
    pub fn handle_reset(&mut self) {
        self.end(QuicError::Protocol(NO_ERROR), false);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reset_is_shorter_than_what_it_answers_and_comes_to_an_end() {
        for len in [22, 30, 60, 1200] {
            let mut datagram = vec![0x40; len];
            datagram[1..9].copy_from_slice(&77u64.to_be_bytes());
            let reset = stateless_reset(&datagram).unwrap();
            assert!((LEAST..len).contains(&reset.len()) && reset.ends_with(&token(77)), "{len}");
            assert_ne!(destination_of(&reset), Some(77));
        }
        assert_eq!(stateless_reset(&[0x40; 21]), None);
        assert_eq!(stateless_reset(&[0xC0; 1200]), None, "that is an Initial packet");
        assert_ne!(token(1), token(2));
    }
}
