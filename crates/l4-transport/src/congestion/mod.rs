//! Congestion control: one file per algorithm behind one small trait.
//!
//! An algorithm sees the sender's variables ([`Sender`]) and is told about acknowledgments, losses and changes of the recovery
//! state; loss recovery itself is the connection's. Algorithms that are used by every flow are called directly, the others
//! through a box.

mod bbr;
mod bbr3;
mod bic;
mod cubic;
mod cubic_rfc;
mod dctcp;
mod delay;
mod highspeed;
mod htcp;
mod hybla;
mod hystart;
mod illinois;
mod ledbat;
mod reno;
mod scalable;
mod tahoe;
#[cfg(test)]
mod testing;
mod vegas;
mod veno;
mod westwood;
mod yeah;

pub use crate::rate::RateSample;
pub use crate::sender::{INFINITE_SSTHRESH, Sender};

use crate::rtx::{APP_LIMITED, Sent};
use crate::{CaState, TcpConfig};
use bbr::Bbr;
use bbr3::Bbr3;
use bic::Bic;
use cubic::Cubic;
use cubic_rfc::CubicRfc;
use dctcp::Dctcp;
use highspeed::HighSpeed;
use htcp::Htcp;
use hybla::Hybla;
use illinois::Illinois;
use ledbat::Ledbat;
use reno::Reno;
use scalable::Scalable;
use std::fmt;
use std::sync::Arc;
use tahoe::Tahoe;
use vegas::Vegas;
use veno::Veno;
use westwood::Westwood;
use yeah::Yeah;

/// What a congestion control is told besides acknowledgments.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum CcEvent {
    /// Sending starts again with nothing in flight.
    TxStart,
    /// The window was reduced after an idle time.
    CwndRestart,
    /// A reduction of the window is complete.
    CompleteCwr,
    /// A retransmission timeout.
    Loss,
    /// A segment arrived without a congestion mark.
    EcnNoCe,
    /// A segment arrived with a congestion mark.
    EcnIsCe,
}

/// A congestion control algorithm.
pub trait CongestionControl: Send {
    /// The name in scripts and result files.
    fn name(&self) -> &str;

    /// The connection is established.
    fn init(&mut self, _tcp: &mut Sender) {}

    /// The slow-start threshold to use after a loss; called once per reduction.
    fn ssthresh(&mut self, tcp: &mut Sender) -> u32;

    /// As `ssthresh`, for a congestion mark instead of a loss (RFC 8511).
    fn ssthresh_ecn(&mut self, tcp: &mut Sender) -> u32 {
        self.ssthresh(tcp)
    }

    /// `acked` segments were newly acknowledged while the window may grow.
    fn cong_avoid(&mut self, tcp: &mut Sender, acked: u32);

    /// Segments were acknowledged; `rtt_us` is negative without a valid measurement.
    fn pkts_acked(&mut self, _tcp: &mut Sender, _acked: u32, _rtt_us: i64) {}

    /// An acknowledgment is being processed; `ece`: it carries ECN-Echo.
    fn in_ack_event(&mut self, _tcp: &mut Sender, _ece: bool) {}

    /// A segment is marked lost: how many were in flight when it was sent, it included; how many were lost since; and whether the
    /// application was the limit then.
    fn packet_lost(&mut self, _tcp: &mut Sender, _tx_in_flight: u32, _lost: u32, _app_limited: bool) {}

    /// Something happened.
    fn on_event(&mut self, _tcp: &mut Sender, _event: CcEvent) {}

    /// The recovery state changes to `state`.
    fn set_state(&mut self, _tcp: &mut Sender, _state: CaState) {}

    /// The window to return to when a reduction turns out to have been unnecessary.
    fn undo_cwnd(&mut self, tcp: &mut Sender) -> u32 {
        tcp.cwnd.max(tcp.prior_cwnd)
    }

    /// The algorithm sets window and pacing rate itself, in [`CongestionControl::cong_control`], in every state.
    fn controls_all(&self) -> bool {
        false
    }

    /// An acknowledgment was processed; only for algorithms that control all.
    fn cong_control(&mut self, _tcp: &mut Sender, _sample: &RateSample) {}

    /// There is no fast recovery: whatever shows a loss, everything is resent from a window of one segment.
    fn restarts_after_loss(&self) -> bool {
        false
    }

    /// ECN must be negotiated, and marks be echoed one by one (RFC 8257).
    fn needs_ecn(&self) -> bool {
        false
    }

    /// A variable by its name, without the algorithm's: `w_max`.
    fn variable(&self, _name: &str) -> Option<f64> {
        None
    }
}

/// Makes a congestion control that this crate does not know.
#[derive(Clone)]
pub struct CustomCc {
    name: Arc<str>,
    make: Arc<dyn Fn() -> Box<dyn CongestionControl> + Send + Sync>,
}

impl CustomCc {
    /// An algorithm called `name`; `make` is called once per connection.
    pub fn new(
        name: &str,
        make: impl Fn() -> Box<dyn CongestionControl> + Send + Sync + 'static,
    ) -> CustomCc {
        CustomCc { name: name.into(), make: Arc::new(make) }
    }

    /// CUBIC as RFC 9438 writes it, with another constant C, in segments per second cubed (section 5.1: 0.4), and with or without fast
    /// convergence (section 4.7).
    pub fn cubic(c: f64, fast_convergence: bool) -> CustomCc {
        CustomCc::new("cubic", move || Box::new(CubicRfc::with(c, fast_convergence)))
    }
}

/// Which algorithm a connection uses.
#[derive(Clone, Default)]
pub enum CcKind {
    /// NewReno (RFC 5681, RFC 6582).
    Reno,
    /// CUBIC (RFC 9438).
    #[default]
    Cubic,
    /// BBR, version 1.
    Bbr,
    /// BBR, version 3 (draft-ietf-ccwg-bbr).
    Bbr3,
    /// DCTCP (RFC 8257).
    Dctcp,
    /// Tahoe: no fast recovery (Jacobson 1988).
    Tahoe,
    /// Vegas (Brakmo and Peterson 1995).
    Vegas,
    /// Westwood+ (Grieco and Mascolo 2004).
    Westwood,
    /// Hybla (Caini and Firrincieli 2004).
    Hybla,
    /// Illinois (Liu, Basar and Srikant 2006).
    Illinois,
    /// H-TCP (draft-leith-tcp-htcp).
    Htcp,
    /// Scalable TCP (Kelly 2003).
    Scalable,
    /// HighSpeed TCP (RFC 3649).
    HighSpeed,
    /// BIC (Xu, Harfoush and Rhee 2004).
    Bic,
    /// Veno (Fu and Liew 2003).
    Veno,
    /// YeAH (Baiocchi, Castellani and Vacirca 2007).
    Yeah,
    /// LEDBAT (RFC 6817).
    Ledbat,
    /// Somebody else's.
    Custom(CustomCc),
}

impl CcKind {
    /// The built-in algorithms, in the order of the documentation.
    pub const ALL: [CcKind; 17] = [
        CcKind::Reno,
        CcKind::Cubic,
        CcKind::Bbr,
        CcKind::Bbr3,
        CcKind::Dctcp,
        CcKind::Tahoe,
        CcKind::Vegas,
        CcKind::Westwood,
        CcKind::Hybla,
        CcKind::Illinois,
        CcKind::Htcp,
        CcKind::Scalable,
        CcKind::HighSpeed,
        CcKind::Bic,
        CcKind::Veno,
        CcKind::Yeah,
        CcKind::Ledbat,
    ];

    /// The name in scripts and result files.
    pub fn name(&self) -> &str {
        match self {
            CcKind::Reno => "reno",
            CcKind::Cubic => "cubic",
            CcKind::Bbr => "bbr",
            CcKind::Bbr3 => "bbr3",
            CcKind::Dctcp => "dctcp",
            CcKind::Tahoe => "tahoe",
            CcKind::Vegas => "vegas",
            CcKind::Westwood => "westwood",
            CcKind::Hybla => "hybla",
            CcKind::Illinois => "illinois",
            CcKind::Htcp => "htcp",
            CcKind::Scalable => "scalable",
            CcKind::HighSpeed => "highspeed",
            CcKind::Bic => "bic",
            CcKind::Veno => "veno",
            CcKind::Yeah => "yeah",
            CcKind::Ledbat => "ledbat",
            CcKind::Custom(custom) => &custom.name,
        }
    }

    /// The built-in algorithm of a name.
    pub fn from_name(name: &str) -> Option<CcKind> {
        CcKind::ALL.into_iter().find(|kind| kind.name() == name)
    }
}

impl PartialEq for CcKind {
    fn eq(&self, other: &CcKind) -> bool {
        self.name() == other.name()
    }
}

impl Eq for CcKind {}

impl fmt::Debug for CcKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// The algorithm of one connection.
pub(crate) enum Controller {
    Reno(Reno),
    Cubic(Cubic),
    Boxed(Box<dyn CongestionControl>),
}

/// Calls a method of whichever algorithm it is.
macro_rules! dispatch {
    ($self:expr, $cc:ident => $call:expr) => {
        match $self {
            Controller::Reno($cc) => $call,
            Controller::Cubic($cc) => $call,
            Controller::Boxed($cc) => $call,
        }
    };
}

impl Controller {
    pub fn new(config: &TcpConfig) -> Controller {
        let boxed: Box<dyn CongestionControl> = match &config.cc {
            CcKind::Reno => return Controller::Reno(Reno::new(config)),
            CcKind::Cubic if config.is_rfc() => Box::new(CubicRfc::new(config)),
            CcKind::Cubic => return Controller::Cubic(Cubic::new(config)),
            CcKind::Bbr => Box::new(Bbr::new(config)),
            CcKind::Bbr3 => Box::new(Bbr3::new(config)),
            CcKind::Dctcp => Box::new(Dctcp::new(config)),
            CcKind::Tahoe => Box::new(Tahoe::new(config)),
            CcKind::Vegas => Box::new(Vegas::new(config)),
            CcKind::Westwood => Box::new(Westwood::new(config)),
            CcKind::Hybla => Box::new(Hybla::new(config)),
            CcKind::Illinois => Box::new(Illinois::new(config)),
            CcKind::Htcp => Box::new(Htcp::new(config)),
            CcKind::Scalable => Box::new(Scalable::new(config)),
            CcKind::HighSpeed => Box::new(HighSpeed::new(config)),
            CcKind::Bic => Box::new(Bic::new(config)),
            CcKind::Veno => Box::new(Veno::new(config)),
            CcKind::Yeah => Box::new(Yeah::new(config)),
            CcKind::Ledbat => Box::new(Ledbat::new(config)),
            CcKind::Custom(custom) => (custom.make)(),
        };
        Controller::Boxed(boxed)
    }

    pub fn name(&self) -> &str {
        dispatch!(self, cc => cc.name())
    }

    pub fn init(&mut self, tcp: &mut Sender) {
        dispatch!(self, cc => cc.init(tcp));
    }

    pub fn ssthresh(&mut self, tcp: &mut Sender) -> u32 {
        dispatch!(self, cc => cc.ssthresh(tcp))
    }

    pub fn ssthresh_ecn(&mut self, tcp: &mut Sender) -> u32 {
        dispatch!(self, cc => cc.ssthresh_ecn(tcp))
    }

    #[inline]
    pub fn cong_avoid(&mut self, tcp: &mut Sender, acked: u32) {
        dispatch!(self, cc => cc.cong_avoid(tcp, acked));
    }

    #[inline]
    pub fn pkts_acked(&mut self, tcp: &mut Sender, acked: u32, rtt_us: i64) {
        dispatch!(self, cc => cc.pkts_acked(tcp, acked, rtt_us));
    }

    #[inline]
    pub fn in_ack_event(&mut self, tcp: &mut Sender, ece: bool) {
        if let Controller::Boxed(cc) = self {
            cc.in_ack_event(tcp, ece);
        }
    }

    #[inline]
    pub fn packet_lost(&mut self, tcp: &mut Sender, sent: &Sent) {
        if let Controller::Boxed(cc) = self {
            let lost = tcp.lost.wrapping_sub(sent.lost);
            cc.packet_lost(tcp, sent.in_flight, lost, sent.is(APP_LIMITED));
        }
    }

    pub fn on_event(&mut self, tcp: &mut Sender, event: CcEvent) {
        dispatch!(self, cc => cc.on_event(tcp, event));
    }

    pub fn set_state(&mut self, tcp: &mut Sender, state: CaState) {
        dispatch!(self, cc => cc.set_state(tcp, state));
    }

    pub fn undo_cwnd(&mut self, tcp: &mut Sender) -> u32 {
        dispatch!(self, cc => cc.undo_cwnd(tcp))
    }

    #[inline]
    pub fn controls_all(&self) -> bool {
        matches!(self, Controller::Boxed(cc) if cc.controls_all())
    }

    #[inline]
    pub fn cong_control(&mut self, tcp: &mut Sender, sample: &RateSample) {
        if let Controller::Boxed(cc) = self {
            cc.cong_control(tcp, sample);
        }
    }

    pub fn restarts_after_loss(&self) -> bool {
        matches!(self, Controller::Boxed(cc) if cc.restarts_after_loss())
    }

    pub fn needs_ecn(&self) -> bool {
        matches!(self, Controller::Boxed(cc) if cc.needs_ecn())
    }

    pub fn variable(&self, name: &str) -> Option<f64> {
        dispatch!(self, cc => cc.variable(name))
    }
}
