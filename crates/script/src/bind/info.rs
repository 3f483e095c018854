//! What a connection tells of itself: `s.info` and `flow.info`.

use mlua::{Lua, Table};
use tidewire_l4_transport::Connection;
use tidewire_units::{Instant, Span};

/// Names and meanings are those of Linux's `struct tcp_info` without `tcpi_`; times are in seconds and rates in bit/s, as everywhere in
/// scripts. `cwnd_bytes`, `cwnd_packets`, `ssthresh_bytes` and `mss` are there for convenience.
pub(super) fn info(lua: &Lua, conn: &Connection, now: Instant) -> mlua::Result<Table> {
    let info = conn.info(now);
    let table = lua.create_table_with_capacity(0, 64)?;
    table.raw_set("state", info.state.name())?;
    table.raw_set("ca_state", info.ca_state.name())?;
    table.raw_set("cc", conn.cc_name())?;
    table.raw_set("cwnd_bytes", conn.cwnd_bytes())?;
    table.raw_set("cwnd_packets", info.snd_cwnd)?;
    table.raw_set("ssthresh_bytes", conn.ssthresh_bytes())?;
    table.raw_set("mss", info.snd_mss)?;
    for (name, flag) in [
        ("timestamps", info.timestamps),
        ("sack", info.sack),
        ("ecn", info.ecn),
        ("delivery_rate_app_limited", info.delivery_rate_app_limited),
    ] {
        table.raw_set(name, flag)?;
    }
    times(&table, &info)?;
    counts(&table, &info)?;
    if info.pacing_rate != u64::MAX {
        table.raw_set("pacing_rate", info.pacing_rate as f64 * 8.0)?;
    }
    table.raw_set("delivery_rate", info.delivery_rate as f64 * 8.0)?;
    let d = &info.discards;
    let causes = [
        ("flags", d.flags),
        ("timestamp", d.timestamp),
        ("sequence", d.sequence),
        ("ack", d.ack),
        ("reset", d.reset),
        ("syn", d.syn),
    ];
    table.raw_set("discards", lua.create_table_from(causes)?)?;
    Ok(table)
}

type Info = tidewire_l4_transport::TcpInfo;

fn times(table: &Table, info: &Info) -> mlua::Result<()> {
    let all: [(&str, Span); 12] = [
        ("rto", info.rto),
        ("ato", info.ato),
        ("last_data_sent", info.last_data_sent),
        ("last_data_recv", info.last_data_recv),
        ("last_ack_recv", info.last_ack_recv),
        ("rtt", info.rtt),
        ("rttvar", info.rttvar),
        ("min_rtt", info.min_rtt),
        ("rcv_rtt", info.rcv_rtt),
        ("busy_time", info.busy_time),
        ("rwnd_limited", info.rwnd_limited),
        ("sndbuf_limited", info.sndbuf_limited),
    ];
    all.into_iter().try_for_each(|(name, span)| table.raw_set(name, span.as_secs_f64()))
}

fn counts(table: &Table, info: &Info) -> mlua::Result<()> {
    let all: [(&str, u64); 37] = [
        ("retransmits", info.retransmits.into()),
        ("probes", info.probes.into()),
        ("backoff", info.backoff.into()),
        ("snd_wscale", info.snd_wscale.into()),
        ("rcv_wscale", info.rcv_wscale.into()),
        ("snd_mss", info.snd_mss.into()),
        ("rcv_mss", info.rcv_mss.into()),
        ("advmss", info.advmss.into()),
        ("unacked", info.unacked.into()),
        ("sacked", info.sacked.into()),
        ("lost", info.lost.into()),
        ("retrans", info.retrans.into()),
        ("in_flight", info.in_flight.into()),
        ("snd_ssthresh", info.snd_ssthresh.into()),
        ("snd_cwnd", info.snd_cwnd.into()),
        ("rcv_ssthresh", info.rcv_ssthresh.into()),
        ("reordering", info.reordering.into()),
        ("reord_seen", info.reord_seen.into()),
        ("rcv_space", info.rcv_space.into()),
        ("total_retrans", info.total_retrans.into()),
        ("total_rto", info.total_rto.into()),
        ("bytes_acked", info.bytes_acked),
        ("bytes_received", info.bytes_received),
        ("bytes_sent", info.bytes_sent),
        ("bytes_retrans", info.bytes_retrans),
        ("segs_out", info.segs_out),
        ("segs_in", info.segs_in),
        ("data_segs_out", info.data_segs_out),
        ("data_segs_in", info.data_segs_in),
        ("delivered", info.delivered.into()),
        ("delivered_ce", info.delivered_ce.into()),
        ("notsent_bytes", info.notsent_bytes),
        ("snd_wnd", info.snd_wnd.into()),
        ("rcv_wnd", info.rcv_wnd.into()),
        ("dsack_dups", info.dsack_dups.into()),
        ("rcv_ooopack", info.rcv_ooopack.into()),
        ("ssthresh_packets", info.snd_ssthresh.into()),
    ];
    all.into_iter().try_for_each(|(name, count)| table.raw_set(name, count))
}
