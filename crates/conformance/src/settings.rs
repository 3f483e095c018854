//! The kernel's settings: where a script starts from, and what its commands change.

use tidewire_l4_transport::congestion::CcKind;
use tidewire_l4_transport::{EcnMode, Keepalive, MtuProbing, Profile, TcpConfig, TimerSlack};
use tidewire_units::Span;

/// Settings of the host under test.
#[derive(Clone, Debug)]
pub(crate) struct Settings {
    /// What a new socket starts with.
    pub config: TcpConfig,
    /// MTU of the interface, in bytes.
    pub mtu: u16,
    /// Bytes of IP and TCP headers.
    pub headers: u16,
    /// The MSS that the route says to announce.
    pub advmss: Option<u16>,
    /// The queue of the interface holds nothing: all that is sent is lost.
    pub drop_all: bool,
    /// Keepalive times of a socket that switches it on.
    pub keepalive: Keepalive,
}

impl Settings {
    pub fn new(profile: Profile) -> Settings {
        let mut config = match profile {
            Profile::Linux => TcpConfig::linux(),
            Profile::Rfc => TcpConfig::rfc(),
        };
        config.ack_compression = profile == Profile::Linux;
        config.offload = profile == Profile::Linux;
        config.sndbuf_overhead = profile == Profile::Linux;
        if profile == Profile::Linux {
            // What a script expects was seen on a kernel, whose timers are late by up to an eighth.
            config.timer_slack = TimerSlack::Wheel;
        }
        let keepalive = Keepalive::default();
        Settings { config, mtu: 1500, headers: 40, advmss: None, drop_all: false, keepalive }
    }

    /// The limit of what is sent.
    pub fn mss(&self) -> u16 {
        self.mtu.saturating_sub(self.headers).max(88)
    }

    /// The settings that the scripts of a `defaults.sh` start from.
    pub fn apply_defaults(&mut self) {
        let config = &mut self.config;
        (config.rcvbuf_init, config.rcvbuf_max) = (540_000, 15 << 20);
        (config.sndbuf_init, config.sndbuf_max) = (256 << 10, 4 << 20);
        config.timestamps = true;
        (config.syn_retries, config.synack_retries) = (5, 5);
        (config.frto, config.sack, config.dsack) = (true, true, true);
        config.reordering = 3;
        config.cc = CcKind::Cubic;
        config.slow_start_after_idle = false;
        (config.tlp, config.rack) = (true, true);
        config.ecn = EcnMode::Off;
        config.pacing = false;
    }

    /// Sets `net.ipv4.NAME`, or another one with its full name.
    ///
    /// # Errors
    /// A name that is not known, or a value without counterpart.
    pub fn sysctl(&mut self, name: &str, value: &str) -> Result<(), String> {
        let short = name.strip_prefix("net.ipv4.").or_else(|| name.strip_prefix("net.ipv6.")).unwrap_or(name);
        let refused = || format!("sysctl {name} = {value}");
        if IGNORED.contains(&short) {
            return Ok(());
        }
        if short == "tcp_congestion_control" {
            self.config.cc =
                CcKind::from_name(value).ok_or_else(|| format!("congestion control `{value}`"))?;
            return Ok(());
        }
        if short == "net.core.default_qdisc" {
            self.config.pacing = value.starts_with("fq") && value != "fq_codel";
            return Ok(());
        }
        let numbers: Result<Vec<u64>, _> = value.split_whitespace().map(str::parse).collect();
        let numbers = numbers.map_err(|_| refused())?;
        let &[.., last] = numbers.as_slice() else { return Err(refused()) };
        if let Some((_, only)) = FIXED.iter().find(|(known, _)| *known == short) {
            return if last == *only { Ok(()) } else { Err(refused()) };
        }
        if let [_, init, max] = numbers.as_slice() {
            match short {
                "tcp_rmem" => (self.config.rcvbuf_init, self.config.rcvbuf_max) = (*init, *max),
                "tcp_wmem" => (self.config.sndbuf_init, self.config.sndbuf_max) = (*init, *max),
                _ => return Err(refused()),
            }
            return Ok(());
        }
        self.number(short, last).ok_or_else(refused)
    }

    fn number(&mut self, name: &str, value: u64) -> Option<()> {
        let config = &mut self.config;
        let small = u32::try_from(value).ok()?;
        let on = value != 0;
        match name {
            "tcp_timestamps" => config.timestamps = on,
            "tcp_sack" => config.sack = on,
            "tcp_dsack" => config.dsack = on,
            "tcp_window_scaling" => config.window_scale = on,
            "tcp_frto" => config.frto = on,
            "tcp_slow_start_after_idle" => config.slow_start_after_idle = on,
            "tcp_reordering" => config.reordering = small.max(1),
            "tcp_early_retrans" => config.tlp = value == 3 || value == 4,
            // Linux 6.18 knows no other loss detection than RACK where there is SACK; the other bits tune it.
            "tcp_recovery" if value <= 1 => {}
            "tcp_ecn" => {
                config.ecn = match value {
                    0 => EcnMode::Off,
                    1 => EcnMode::On,
                    2 => EcnMode::Passive,
                    _ => return None,
                }
            }
            "tcp_syn_retries" => config.syn_retries = small,
            "tcp_syn_linear_timeouts" => config.syn_linear_timeouts = small,
            "tcp_synack_retries" => config.synack_retries = small,
            "tcp_retries2" => config.retries = small,
            "tcp_rfc1337" => config.rfc1337 = on,
            "tcp_invalid_ratelimit" => config.invalid_ratelimit = Span::from_ms(value),
            "tcp_fin_timeout" => config.fin_timeout = Span::from_secs(value),
            "tcp_keepalive_time" => self.keepalive.idle = Span::from_secs(value),
            "tcp_keepalive_intvl" => self.keepalive.interval = Span::from_secs(value),
            "tcp_keepalive_probes" => self.keepalive.probes = small,
            "tcp_rto_min_us" => config.rto_min = Span::from_us(value),
            "tcp_rto_max_ms" => config.rto_max = Span::from_ms(value),
            "tcp_comp_sack_nr" => config.ack_compression = on,
            "tcp_mtu_probing" => {
                config.mtu_probing = match value {
                    0 => MtuProbing::Off,
                    1 => MtuProbing::BlackHole,
                    2 => MtuProbing::Always,
                    _ => return None,
                }
            }
            "tcp_notsent_lowat" => config.notsent_lowat = (small != u32::MAX).then_some(value),
            "tcp_base_mss" => config.base_mss = u16::try_from(value).ok()?,
            "tcp_tso_win_divisor" => config.tso_win_divisor = value.min(255) as u8,
            "tcp_min_tso_segs" => config.min_tso_segs = value.min(255) as u8,
            _ => return None,
        }
        Some(())
    }

    /// `hystart`, `hystart_detect` and the like of cubic.
    pub fn module_parameter(&mut self, path: &str, value: &str) -> Result<(), String> {
        match path.rsplit('/').next() {
            Some("hystart") => {
                self.config.hystart = value.trim() != "0";
                Ok(())
            }
            Some("hystart_detect") => {
                let bits: u32 = value.trim().parse().map_err(|_| format!("file {path}"))?;
                (self.config.hystart_train, self.config.hystart_delay) = (bits & 1 != 0, bits & 2 != 0);
                Ok(())
            }
            _ => Err(format!("file {path}")),
        }
    }
}

/// Settings without effect on what one endpoint sends.
const IGNORED: &[&str] = &[
    "tcp_no_metrics_save",
    "tcp_tso_rtt_log",
    "tcp_fack",
    "tcp_low_latency",
    "tcp_mem",
    "tcp_autocorking",
    "tcp_limit_output_bytes",
    "tcp_max_syn_backlog",
    "tcp_max_orphans",
    "tcp_max_tw_buckets",
    "tcp_challenge_ack_limit",
    "tcp_retries1",
    "tcp_pacing_ss_ratio",
    "tcp_pacing_ca_ratio",
    "tcp_early_demux",
    "tcp_allowed_congestion_control",
    "tcp_ecn_fallback",
    "tcp_syncookies",
    "tcp_fastopen",
    "tcp_fastopen_key",
    "tcp_fastopen_blackhole_timeout_sec",
    "tcp_mtu_probe_floor",
    "tcp_probe_interval",
    "tcp_probe_threshold",
    "tcp_max_reordering",
    "tcp_comp_sack_delay_ns",
    "tcp_comp_sack_slack_ns",
    "net.core.rmem_max",
    "net.core.wmem_max",
    "net.core.rmem_default",
    "net.core.wmem_default",
    "net.core.netdev_max_backlog",
    "net.core.somaxconn",
    "ip_local_port_range",
    "ip_forward",
    "conf.all.rp_filter",
];

/// Settings that have one value here.
const FIXED: &[(&str, u64)] = &[
    ("tcp_thin_linear_timeouts", 0),
    ("tcp_moderate_rcvbuf", 1),
    ("tcp_min_snd_mss", 48),
    ("tcp_abort_on_overflow", 0),
    ("tcp_adv_win_scale", 1),
    ("tcp_app_win", 31),
    ("tcp_stdurg", 0),
    ("tcp_workaround_signed_windows", 0),
    ("tcp_shrink_window", 0),
    ("tcp_plb_enabled", 0),
    ("tcp_migrate_req", 0),
    ("tcp_reflect_tos", 0),
    ("tcp_orphan_retries", 0),
    ("tcp_tw_reuse", 2),
    ("ip_no_pmtu_disc", 0),
];
