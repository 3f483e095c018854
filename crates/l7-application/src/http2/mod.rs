//! HTTP/2 (RFC 9113): frames, and header fields as HPACK has them (RFC 7541).
//!
//! ```text
//!   bytes --FrameHead::parse--> kind, flags, stream, length      fields --Encoder--> block --Decoder--> fields
//! ```
//!
//! | file | what is in it |
//! |---|---|
//! | `frame.rs` | [`FrameHead`], [`Kind`], [`Settings`]: nine bytes before each frame, what the short frames hold |
//! | `hpack.rs` | [`Encoder`], [`Decoder`]: tables of fields |
//! | `huffman.rs` | the code for letters of fields |

mod frame;
mod hpack;
mod huffman;

pub use frame::{ErrorCode, FrameHead, Kind, PREFACE, Settings, window_increment};
pub use hpack::{BadBlock, Decoder, Encoder};
