//! Runs TCP test scripts against the endpoint.
mod assertion;
mod cursor;
mod expression;
mod parse;
mod parse_call;
mod parse_packet;
pub mod script;
pub use cursor::ScriptError;
pub use parse::parse;
