//! A socket's descriptor: what it is, and its options.

use crate::settings::Settings;
use std::sync::Arc;
use tidewire_l4_transport::congestion::CcKind;
use tidewire_l4_transport::{Keepalive, TcpConfig};
use tidewire_units::Span;

/// What a socket is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Kind {
    /// Neither listening nor connected.
    Fresh,
    /// Listening, with room for so many connections.
    Listening { backlog: usize },
    /// One end of a connection, by its number.
    Connected { conn: usize },
    /// Not a socket: a set of them to wait for.
    Epoll,
}

/// A socket.
#[derive(Clone, Debug)]
pub(crate) struct Socket {
    pub kind: Kind,
    pub nonblocking: bool,
    pub cc: CcKind,
    pub nodelay: bool,
    pub cork: bool,
    pub keepalive: bool,
    pub keepalive_times: Keepalive,
    pub user_timeout_ms: u32,
    pub maxseg: Option<u16>,
    /// As set, before doubling.
    pub sndbuf: Option<u32>,
    pub rcvbuf: Option<u32>,
    pub syn_retries: Option<u32>,
    pub fin_timeout: Option<Span>,
    /// Seconds to linger; zero resets on close.
    pub linger: Option<u32>,
    pub tos: u8,
    pub mtu_discover: i64,
    /// `connect` has reported its success.
    pub connect_reported: bool,
    /// The application reads no more.
    pub read_shutdown: bool,
    /// How long calls wait, in microseconds; zero: for ever.
    pub rcvtimeo_us: i64,
    pub sndtimeo_us: i64,
    /// Bytes not yet sent beyond which nothing is taken.
    pub notsent_lowat: Option<u64>,
    pub rto_min: Option<Span>,
    pub rto_max: Option<Span>,
    pub delayed_ack_max: Option<Span>,
    /// Descriptors and events of an epoll set.
    pub watched: Vec<(i32, i64)>,
}

impl Socket {
    pub fn new(settings: &Settings) -> Socket {
        Socket {
            kind: Kind::Fresh,
            nonblocking: false,
            cc: settings.config.cc.clone(),
            nodelay: false,
            cork: false,
            keepalive: false,
            keepalive_times: settings.keepalive,
            user_timeout_ms: 0,
            maxseg: None,
            sndbuf: None,
            rcvbuf: None,
            syn_retries: None,
            fin_timeout: None,
            linger: None,
            tos: 0,
            mtu_discover: 1,
            connect_reported: false,
            read_shutdown: false,
            rcvtimeo_us: 0,
            sndtimeo_us: 0,
            notsent_lowat: None,
            rto_min: None,
            rto_max: None,
            delayed_ack_max: None,
            watched: Vec::new(),
        }
    }

    /// The type-of-service byte without the ECN field.
    pub fn dscp(&self) -> u8 {
        self.tos & 0xFC
    }

    /// The settings of a connection of this socket.
    pub fn config(&self, settings: &Settings) -> Arc<TcpConfig> {
        let mut config = settings.config.clone();
        config.cc = self.cc.clone();
        config.mss = self.maxseg.map_or(settings.mss(), |mss| mss.min(settings.mss()));
        config.advmss = settings.advmss;
        config.nodelay = self.nodelay;
        config.keepalive = self.keepalive.then_some(self.keepalive_times);
        if self.user_timeout_ms > 0 {
            config.user_timeout = Some(Span::from_ms(u64::from(self.user_timeout_ms)));
        }
        // The kernel doubles what is asked for, to make room for its own bookkeeping.
        config.sndbuf = self.sndbuf.map(|size| (2 * u64::from(size)).max(4608)).or(config.sndbuf);
        config.rcvbuf = self.rcvbuf.map(|size| (2 * u64::from(size)).max(2304)).or(config.rcvbuf);
        if let Some(retries) = self.syn_retries {
            config.syn_retries = retries;
        }
        config.fin_timeout = self.fin_timeout.unwrap_or(config.fin_timeout);
        config.notsent_lowat = self.notsent_lowat.or(config.notsent_lowat);
        config.rto_min = self.rto_min.unwrap_or(config.rto_min);
        config.rto_max = self.rto_max.unwrap_or(config.rto_max);
        config.delayed_ack_max = self.delayed_ack_max.unwrap_or(config.delayed_ack_max);
        Arc::new(config)
    }
}
