//! Who is next: the agenda of timed keys and the reference run loop.
