//! UDP, TCP and congestion control.
