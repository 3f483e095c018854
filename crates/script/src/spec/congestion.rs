//! Congestion controls of a script's own.

use super::{Func, Kind, Opt, func, need};

/// The functions of a control. `c` holds the sender's variables and the control's own, `sample` what an acknowledgment tells.
pub(crate) const FUNCTIONS: &[Opt] = &[
    Opt::new(
        "on_ack",
        Kind::Function,
        "required",
        "fn(c, sample): sample.acked packets were acknowledged while the window may grow; sets c.cwnd",
    ),
    Opt::new(
        "ssthresh",
        Kind::Function,
        "c.cwnd / 2, at least 2",
        "fn(c) gives the slow-start threshold after a loss, in packets; asked once per loss episode",
    ),
    Opt::new("on_loss", Kind::Function, "nothing", "fn(c): fast recovery begins, or a congestion mark came"),
    Opt::new("on_rto", Kind::Function, "nothing", "fn(c): the retransmission timer ran out; the window is 1"),
    Opt::new(
        "undo",
        Kind::Function,
        "the window before the loss",
        "fn(c) gives the window to return to when nothing was lost after all",
    ),
    Opt::new("init", Kind::Function, "nothing", "fn(c): the connection is established"),
    Opt::new(
        "control",
        Kind::Function,
        "none",
        "fn(c, sample) instead of on_ack: called at every acknowledgment in every state; sets c.cwnd and c.pacing_rate itself",
    ),
];
pub(crate) static CONGESTION: Func = func(
    "congestion",
    "Declares a congestion control; cc = \"name\" then uses it. Windows are in packets and may have fractions. c has: cwnd, \
     ssthresh, pacing_rate (these can be set), cwnd_cnt, mss, srtt, min_rtt, in_flight, packets_out, delivered, prior_cwnd, state, \
     cwnd_limited, in_slow_start, now, and whatever the control puts there; c:slow_start(acked) and c:additive_increase(per, acked) \
     are Linux's. sample has: acked, rtt, ece; for control also losses, delivered, interval, prior_in_flight, app_limited.",
)
.with(&[need("name", Kind::Text)])
.opts(&[FUNCTIONS]);

pub(crate) const ALL: &[&Func] = &[&CONGESTION];
