//! Values as bytes: the presentation layer.

use super::{Func, Kind, Opt, func, may, need};

const KEY: &[Opt] = &[Opt::new("key", Kind::Text, "none", "for \"encrypt\": what both sides know")];

pub(crate) static ENCODE: Func = func(
    "codec.encode",
    "A value as bytes: \"json\" or \"msgpack\" (binary), then \"+deflate\" (compressed) and \"+encrypt\" (hidden, as a model), as in \"json+deflate\". info.cpu is the processor time that it takes in the model, for host:work.",
)
.with(&[need("value", Kind::Any), may("form", Kind::Text)])
.opts(&[KEY])
.gives("bytes, info { size, plain, cpu }; or nil, why");
pub(crate) static DECODE: Func = func(
    "codec.decode",
    "The value that bytes stand for. codec.null stands for null; in tables with names it is left out.",
)
.with(&[need("bytes", Kind::Data), may("form", Kind::Text)])
.opts(&[KEY])
.gives("value, info { size, plain, cpu }; or nil, why");
pub(crate) static CHARSET: Func = func(
    "codec.charset",
    "A text in a character set: \"euc-kr\", \"utf-16\", \"shift_jis\", \"iso-8859-1\" ... Texts of scripts are UTF-8.",
)
.with(&[need("text", Kind::Data), need("charset", Kind::Text)])
.gives("bytes; or nil, which letter it has not");
pub(crate) static TEXT: Func =
    func("codec.text", "The text that bytes are in a character set; U+FFFD stands for what is no letter.")
        .with(&[need("bytes", Kind::Data), need("charset", Kind::Text)])
        .gives("text, true when all were letters");

pub(crate) const ALL: &[&Func] = &[&ENCODE, &DECODE, &CHARSET, &TEXT];
