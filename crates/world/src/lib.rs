//! The arrays, the dispatch, building from a plan, the observer seam, scheduled changes.
