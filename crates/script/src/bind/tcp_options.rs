//! What can be set on TCP: before a connection is opened, and while it lives.

use super::tcp::{done, this};
use crate::call::{Call, Opts, options};
use crate::mistake::Mistake;
use crate::sim::Shared;
use crate::spec::tcp::{LIVE, OF_CONNECTIONS, TCP};
use crate::values::Val;
use mlua::{Lua, MultiValue, Value};
use std::sync::Arc;
use tidewire_l4_transport::{EcnMode, Keepalive, MtuProbing, TcpConfig, TimerSlack};
use tidewire_node::{SocketView, TcpSetting};

/// The smallest buffers, as in Linux (`SOCK_MIN_SNDBUF`, `SOCK_MIN_RCVBUF`).
const LEAST_SNDBUF: u64 = 4608;
const LEAST_RCVBUF: u64 = 2304;

/// TCP settings: `base`, changed by options.
pub(super) fn tcp_config(sim: &Shared, opts: &Opts, base: &TcpConfig) -> Result<TcpConfig, Mistake> {
    let mut tcp = match opts.text("profile") {
        Some("rfc") => TcpConfig::rfc(),
        Some(_) => TcpConfig::linux(),
        None => base.clone(),
    };
    if let Some(name) = opts.text("cc") {
        tcp.cc = super::congestion::kind_of(sim, name)?;
    }
    macro_rules! flags { ($($name:ident)*) => { $(if let Some(flag) = opts.flag(stringify!($name)) { tcp.$name = flag; })* } }
    flags!(sack dsack timestamps window_scale abe delayed_ack ack_compression pacing rack tlp frto nodelay slow_start_after_idle);
    flags!(hystart hystart_train hystart_delay hystart_plus_plus rfc1337 offload);
    macro_rules! spans { ($($name:ident)*) => { $(if let Some(span) = opts.span(stringify!($name)) { tcp.$name = span; })* } }
    spans!(rto_init rto_min rto_max delayed_ack_max time_wait fin_timeout);
    macro_rules! numbers { ($($name:ident: $kind:ty)*) => { $(if let Some(n) = opts.int(stringify!($name)) { tcp.$name = n as $kind; })* } }
    numbers!(mss: u16 base_mss: u16 init_cwnd: u32 reordering: u32 dscp: u8);
    numbers!(syn_retries: u32 syn_linear_timeouts: u32 synack_retries: u32 retries: u32);
    if let Some(ecn) = opts.flag("ecn") {
        tcp.ecn = if ecn { EcnMode::On } else { EcnMode::Off };
    }
    tcp.advmss = opts.int("advmss").map(|mss| mss as u16).or(tcp.advmss);
    tcp.invalid_ratelimit = opts.span("challenge_interval").unwrap_or(tcp.invalid_ratelimit);
    tcp.mtu_probing = match opts.text("mtu_probing") {
        Some("always") => MtuProbing::Always,
        Some("black_hole") => MtuProbing::BlackHole,
        Some(_) => MtuProbing::Off,
        None => tcp.mtu_probing,
    };
    tcp.timer_slack = match opts.text("timer_slack") {
        Some("wheel") => TimerSlack::Wheel,
        Some(_) => TimerSlack::None,
        None => tcp.timer_slack,
    };
    patience(opts, &mut tcp);
    let size = |name: &str, least: u64| opts.size(name).map(|size| size.0.max(least));
    tcp.sndbuf = size("sndbuf", LEAST_SNDBUF).or(tcp.sndbuf);
    tcp.rcvbuf = size("rcvbuf", LEAST_RCVBUF).or(tcp.rcvbuf);
    tcp.sndbuf_max = size("sndbuf_max", LEAST_SNDBUF).unwrap_or(tcp.sndbuf_max);
    tcp.rcvbuf_max = size("rcvbuf_max", LEAST_RCVBUF).unwrap_or(tcp.rcvbuf_max);
    tcp.notsent_lowat = opts.size("notsent_lowat").map(|size| size.0).or(tcp.notsent_lowat);
    if tcp.rto_min > tcp.rto_max {
        let message = format!("rto_min ({}) is longer than rto_max ({})", tcp.rto_min, tcp.rto_max);
        return Err(Mistake::new(message).at_word(if opts.get("rto_min").is_some() {
            "rto_min"
        } else {
            "rto_max"
        }));
    }
    Ok(tcp)
}

/// Keepalive and the user timeout.
fn patience(opts: &Opts, tcp: &mut TcpConfig) {
    match opts.get("keepalive") {
        Some(Val::Bool(true)) => tcp.keepalive = Some(tcp.keepalive.unwrap_or_default()),
        Some(Val::Bool(false)) => tcp.keepalive = None,
        Some(Val::Span(idle)) => {
            tcp.keepalive = Some(Keepalive { idle: *idle, ..tcp.keepalive.unwrap_or_default() })
        }
        _ => {}
    }
    if let Some(keepalive) = &mut tcp.keepalive {
        keepalive.interval = opts.span("keepalive_interval").unwrap_or(keepalive.interval);
        keepalive.probes = opts.int("keepalive_probes").map_or(keepalive.probes, |probes| probes as u32);
    }
    match opts.get("user_timeout") {
        Some(Val::Span(limit)) => tcp.user_timeout = Some(*limit),
        Some(_) => tcp.user_timeout = None,
        None => {}
    }
}

/// `s:setoption(name, value)`.
pub(super) fn set_option(lua: &Lua, sim: &Shared, mut call: Call) -> mlua::Result<MultiValue> {
    let name = call.text(0).unwrap_or_default().to_owned();
    let value = match call.take(1) {
        Some(Val::Any(value)) => value,
        _ => Value::Nil,
    };
    if value.is_nil() {
        let all = TCP.iter().chain(OF_CONNECTIONS).map(|opt| opt.name);
        let meant = crate::mistake::did_you_mean(&name, all.clone());
        let text = match all.clone().any(|known| known == name) {
            true => format!("setoption needs a value for '{name}'"),
            false => format!("unknown option '{name}' of tcp:setoption{meant}"),
        };
        return Err(Mistake::new(text).at_word(name).into());
    }
    let table = lua.create_table()?;
    table.set(name.as_str(), value)?;
    let opts = options(lua, sim, "tcp:setoption", &[TCP, OF_CONNECTIONS], &table)?;
    let socket = this(&call)?;
    let mut world = sim.world()?;
    let (base, lives) = match world.view(socket.node, socket.id) {
        Some(SocketView::Tcp(_, _, conn)) => (conn.config().clone(), true),
        _ => match world.unconnected_config(socket.node, socket.id) {
            Some(config) => (config, false),
            None => return super::tcp::refused(lua, tidewire_units::Refusal::Closed),
        },
    };
    let known =
        TCP.iter().chain(OF_CONNECTIONS).find(|opt| opt.name == name || opt.aliases.contains(&&*name));
    let name = known.map_or(name.as_str(), |opt| opt.name);
    if lives && !LIVE.contains(&name) {
        let message = format!(
            "'{name}' cannot change once the connection is opened: give it to host:tcp, connect or listen"
        );
        return Err(Mistake::new(message).at_word(name).note(format!("what can: {}", LIVE.join(" "))).into());
    }
    if !lives && OF_CONNECTIONS.iter().any(|opt| opt.name == name) {
        let message =
            format!("'{name}' belongs to a connection: call connect() first, or use what accept() gave");
        return Err(Mistake::new(message).at_word(name).into());
    }
    let setting = match (name, opts.flag(name)) {
        ("cork", Some(on)) => TcpSetting::Cork(on),
        ("quickack", Some(on)) => TcpSetting::QuickAck(on),
        _ => {
            let config = tcp_config(sim, &opts, &base)?;
            if name == "cc" && lives {
                TcpSetting::Congestion(config.cc)
            } else {
                TcpSetting::Config(Arc::new(config))
            }
        }
    };
    done(lua, world.set_option(socket.node, socket.id, setting))
}
