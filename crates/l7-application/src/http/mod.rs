//! HTTP: messages of versions 1.0 and 1.1, addresses of pages, dates.
//!
//! | file | what is in it |
//! |---|---|
//! | `read.rs` | [`Reader`]: bytes in, heads and pieces of bodies out |
//! | `head.rs` | [`Head`], [`head_text`]: heads as values and as text |
//! | `url.rs` | [`Url`], query strings, percent encoding |
//! | `date.rs` | dates as headers write them |

mod date;
mod head;
mod read;
mod url;

pub use date::{date_text, parse_date};
pub use head::{BadHeader, Head, Start, head_text};
pub use read::{Framing, Limits, MessageError, Progress, Reader, Role};
pub use url::{Url, decode_percent, encode_percent, parse_query};
