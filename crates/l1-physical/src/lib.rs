//! What a link does to bits: serialise, delay, lose.
