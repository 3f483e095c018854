//! What can be set on a connection. The fields mirror the option names of the scripts one to one.

use crate::congestion::CcKind;
use tidewire_units::Span;

/// Whose constants and rules a connection follows.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Profile {
    /// Those of Linux 6.18.
    #[default]
    Linux,
    /// Those of the RFCs.
    Rfc,
}

/// Explicit congestion notification (RFC 3168).
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum EcnMode {
    /// Neither offered nor accepted.
    Off,
    /// Accepted when the peer offers it, as Linux does by default.
    #[default]
    Passive,
    /// Offered and accepted.
    On,
}

/// When a larger path MTU is probed for (RFC 4821, RFC 8899).
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum MtuProbing {
    /// Never.
    #[default]
    Off,
    /// Once retransmissions have gone on for so long that the path may swallow large packets.
    BlackHole,
    /// From the beginning.
    Always,
}

/// How exactly timers expire.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum TimerSlack {
    /// At the microsecond they were set for.
    #[default]
    None,
    /// As in a hierarchical timer wheel with a tick of 4 ms: up to 12.5 % late.
    Wheel,
}

/// Keepalive probing (RFC 9293 section 3.8.4).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Keepalive {
    /// Idle time before the first probe.
    pub idle: Span,
    /// Time between probes.
    pub interval: Span,
    /// Unanswered probes after which the connection is given up.
    pub probes: u32,
}

impl Default for Keepalive {
    fn default() -> Self {
        Keepalive { idle: Span::from_secs(7200), interval: Span::from_secs(75), probes: 9 }
    }
}

/// The settings of a connection, shared by all connections that have the same.
#[derive(Clone, Debug)]
pub struct TcpConfig {
    /// Whose rules are followed where they differ.
    pub profile: Profile,
    /// Congestion control.
    pub cc: CcKind,
    /// The MSS to advertise: the link's MTU less 40 bytes of headers.
    pub mss: u16,
    /// The MSS that the route says to advertise, when it is below `mss`.
    pub advmss: Option<u16>,
    /// SACK offered and accepted (RFC 2018).
    pub sack: bool,
    /// Duplicate SACK blocks sent (RFC 2883).
    pub dsack: bool,
    /// Timestamps offered and accepted (RFC 7323).
    pub timestamps: bool,
    /// Window scaling offered and accepted (RFC 7323).
    pub window_scale: bool,
    /// Explicit congestion notification.
    pub ecn: EcnMode,
    /// The milder reduction on ECN marks of RFC 8511.
    pub abe: bool,
    /// Initial window, in segments.
    pub init_cwnd: u32,
    /// Linux: the floor of the variance term. RFC: the floor of the RTO.
    pub rto_min: Span,
    /// Ceiling of the RTO.
    pub rto_max: Span,
    /// RTO before any measurement.
    pub rto_init: Span,
    /// Acknowledgments may be delayed.
    pub delayed_ack: bool,
    /// The longest delay of an acknowledgment.
    pub delayed_ack_max: Span,
    /// Compress acknowledgments of out-of-order data (Linux).
    pub ack_compression: bool,
    /// Pace segments at a multiple of cwnd / srtt even when the congestion control does not ask for it.
    pub pacing: bool,
    /// HyStart in cubic.
    pub hystart: bool,
    /// Of Linux's HyStart: the end of slow start is found by the length of trains of acknowledgments.
    pub hystart_train: bool,
    /// Of Linux's HyStart: the end of slow start is found by a growing delay.
    pub hystart_delay: bool,
    /// HyStart++ (RFC 9406) instead of the delay and train heuristics of Linux.
    pub hystart_plus_plus: bool,
    /// Time-based loss detection (RFC 8985); otherwise duplicate counting (RFC 6675).
    pub rack: bool,
    /// Tail loss probes (RFC 8985 section 7).
    pub tlp: bool,
    /// Detection of spurious timeouts (RFC 5682).
    pub frto: bool,
    /// Duplicate acknowledgments that mean loss, before reordering has been seen.
    pub reordering: u32,
    /// Nagle's algorithm off.
    pub nodelay: bool,
    /// Keepalive probes; `None`: off.
    pub keepalive: Option<Keepalive>,
    /// Give up after this time without an answer (RFC 5482).
    pub user_timeout: Option<Span>,
    /// Differentiated services code point of every packet (RFC 2474).
    pub dscp: u8,
    /// Retransmissions of a SYN.
    pub syn_retries: u32,
    /// The first retransmissions of a SYN that come at a constant interval.
    pub syn_linear_timeouts: u32,
    /// Retransmissions of a SYN-ACK.
    pub synack_retries: u32,
    /// Retransmissions of data (R2), as an equivalent number of doublings.
    pub retries: u32,
    /// The window is reduced after an idle time.
    pub slow_start_after_idle: bool,
    /// Send buffer in bytes; `None`: grows with the window up to `sndbuf_max`.
    pub sndbuf: Option<u64>,
    /// The send buffer counts the bookkeeping of what is queued as well, and takes data in large pieces (Linux).
    pub sndbuf_overhead: bool,
    /// Initial send buffer when it grows by itself.
    pub sndbuf_init: u64,
    /// Ceiling of the send buffer when it grows by itself.
    pub sndbuf_max: u64,
    /// Receive buffer in bytes; `None`: grows with the rate up to `rcvbuf_max`.
    pub rcvbuf: Option<u64>,
    /// Initial receive buffer when it grows by itself.
    pub rcvbuf_init: u64,
    /// Ceiling of the receive buffer when it grows by itself.
    pub rcvbuf_max: u64,
    /// How long TIME_WAIT lasts.
    pub time_wait: Span,
    /// How long a closed connection waits for the peer's FIN.
    pub fin_timeout: Span,
    /// Least time between two challenge or duplicate acknowledgments (RFC 5961 section 7).
    pub invalid_ratelimit: Span,
    /// Bytes not yet sent beyond which the send buffer takes nothing; `None`: as many as fit.
    pub notsent_lowat: Option<u64>,
    /// A reset does not end TIME_WAIT (RFC 1337).
    pub rfc1337: bool,
    /// Segments are handed down several at a time, as to a network card that cuts them up: a window that has room for one segment
    /// only may wait for room for two (Linux).
    pub offload: bool,
    /// With `offload`: the least segments of a large one, before the peer's or the congestion window bound it.
    pub min_tso_segs: u8,
    /// With `offload`: this part of the window is sent at once; 0: waiting ends with the third segment.
    pub tso_win_divisor: u8,
    /// Probing for a larger path MTU (RFC 4821).
    pub mtu_probing: MtuProbing,
    /// The segment size, without options, that such a search begins with.
    pub base_mss: u16,
    /// How exactly timers expire.
    pub timer_slack: TimerSlack,
}

impl Default for TcpConfig {
    fn default() -> Self {
        TcpConfig::linux()
    }
}

impl TcpConfig {
    /// Linux 6.18's own defaults.
    pub fn linux() -> TcpConfig {
        TcpConfig {
            profile: Profile::Linux,
            cc: CcKind::Cubic,
            mss: 1460,
            advmss: None,
            sack: true,
            dsack: true,
            timestamps: true,
            window_scale: true,
            ecn: EcnMode::Passive,
            abe: false,
            init_cwnd: 10,
            rto_min: Span::from_ms(200),
            rto_max: Span::from_secs(120),
            rto_init: Span::from_secs(1),
            delayed_ack: true,
            delayed_ack_max: Span::from_ms(200),
            ack_compression: false,
            pacing: false,
            hystart: true,
            hystart_train: true,
            hystart_delay: true,
            hystart_plus_plus: false,
            rack: true,
            tlp: true,
            frto: true,
            reordering: 3,
            nodelay: false,
            keepalive: None,
            user_timeout: None,
            dscp: 0,
            syn_retries: 6,
            syn_linear_timeouts: 4,
            synack_retries: 5,
            retries: 15,
            slow_start_after_idle: true,
            sndbuf: None,
            sndbuf_overhead: false,
            sndbuf_init: 16_384,
            sndbuf_max: 4 << 20,
            rcvbuf: None,
            rcvbuf_init: 131_072,
            rcvbuf_max: 6 << 20,
            time_wait: Span::from_secs(60),
            fin_timeout: Span::from_secs(60),
            invalid_ratelimit: Span::from_ms(500),
            notsent_lowat: None,
            rfc1337: false,
            offload: false,
            min_tso_segs: 2,
            tso_win_divisor: 3,
            mtu_probing: MtuProbing::Off,
            base_mss: 1024,
            timer_slack: TimerSlack::None,
        }
    }

    /// The RFCs' constants: initial window of RFC 6928, timers of RFC 6298, acknowledgments of RFC 5681, 2 MSL of RFC 9293.
    pub fn rfc() -> TcpConfig {
        TcpConfig {
            profile: Profile::Rfc,
            rto_min: Span::from_secs(1),
            rto_max: Span::from_secs(60),
            delayed_ack_max: Span::from_ms(500),
            hystart_plus_plus: true,
            syn_linear_timeouts: 0,
            time_wait: Span::from_secs(240),
            ..TcpConfig::linux()
        }
    }

    /// The MSS option of a SYN.
    pub fn announced_mss(&self) -> u16 {
        self.advmss.map_or(self.mss, |advmss| advmss.min(self.mss))
    }

    pub(crate) fn is_rfc(&self) -> bool {
        self.profile == Profile::Rfc
    }
}
