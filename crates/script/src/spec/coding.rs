//! Bits as signals, and frames in a stream of bits.

use super::{Func, Kind, Opt, func, need};

const CODES: Kind = Kind::Choice(&["nrz", "nrzi", "manchester", "differential_manchester", "ami", "mlt3"]);
const BY: &[Opt] = &[Opt::new(
    "by",
    Kind::Choice(&["bit", "byte"]),
    "\"bit\"",
    "bits are stuffed (HDLC), or bytes escaped (PPP)",
)];

pub(crate) static BITS: Func =
    func("coding.bits", "The bits of bytes as a text of 0 and 1, each byte's least significant first.")
        .with(&[need("data", Kind::Data)])
        .gives("text");
pub(crate) static BYTES: Func = func("coding.bytes", "The bytes of such a text.")
    .with(&[need("bits", Kind::Text)])
    .gives("text; or nil, why");
pub(crate) static STUFF: Func = func("coding.stuff", "Puts a 0 after five 1s in a row (ISO/IEC 13239).")
    .with(&[need("bits", Kind::Text)])
    .gives("bits");
pub(crate) static UNSTUFF: Func = func("coding.unstuff", "Takes out what stuff() put in.")
    .with(&[need("bits", Kind::Text)])
    .gives("bits; or nil, why");
pub(crate) static FRAME: Func = func(
    "coding.frame",
    "A frame with flags (01111110, 0x7E) around it and none inside: as bits, or by bytes as bytes (RFC 1662).",
)
.with(&[need("data", Kind::Data)])
.opts(&[BY])
.gives("text");
pub(crate) static UNFRAME: Func =
    func("coding.unframe", "What frame() framed; of bits the first frame among them.")
        .with(&[need("frame", Kind::Data)])
        .opts(&[BY])
        .gives("data; or nil, why");
pub(crate) static ENCODE: Func =
    func("coding.encode", "The levels that stand for bits in a line code: + high, - low, 0 zero.")
        .with(&[need("bits", Kind::Text), need("code", CODES)])
        .gives("levels");
pub(crate) static DECODE: Func = func("coding.decode", "The bits that levels stand for.")
    .with(&[need("levels", Kind::Text), need("code", CODES)])
    .gives("bits; or nil, why");
pub(crate) static EDGES: Func =
    func("coding.edges", "How often the level changes: what a receiver sets its clock by.")
        .with(&[need("levels", Kind::Text)])
        .gives("count");
pub(crate) static DRAW: Func = func("coding.draw", "The bits, and the course of the voltage below them.")
    .with(&[need("bits", Kind::Text), need("code", CODES)])
    .gives("text");

pub(crate) const ALL: &[&Func] =
    &[&BITS, &BYTES, &STUFF, &UNSTUFF, &FRAME, &UNFRAME, &ENCODE, &DECODE, &EDGES, &DRAW];
