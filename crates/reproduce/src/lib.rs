//! Published and recorded results, expected against measured.
//!
//! What is not here: the scenarios of users, which are scripts.
