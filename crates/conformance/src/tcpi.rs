//! The fields of `struct tcp_info` as assertions name them.

use crate::constants::constant;
use crate::host::Host;
use tidewire_l4_transport::{State, TcpInfo};

/// Whether there is a field or a constant of this name.
pub(crate) fn is_known(name: &str) -> bool {
    match name.strip_prefix("tcpi_") {
        Some(field) => field_of(&TcpInfo::default(), field).is_some(),
        None => constant(name).is_some(),
    }
}

/// The value of a field of the current connection, or of a constant.
pub(crate) fn lookup(host: &Host, name: &str) -> Option<i64> {
    let Some(field) = name.strip_prefix("tcpi_") else { return constant(name) };
    let conn = &host.conns[host.current()?];
    field_of(&conn.connection.info(host.instant()), field)
}

fn field_of(info: &TcpInfo, field: &str) -> Option<i64> {
    let value = match field {
        "state" => state_number(info.state),
        "ca_state" => info.ca_state as u64,
        "retransmits" => info.retransmits.into(),
        "probes" => info.probes.into(),
        "backoff" => info.backoff.into(),
        "options" => {
            u64::from(info.timestamps)
                | u64::from(info.sack) << 1
                | u64::from(info.snd_wscale > 0 || info.rcv_wscale > 0) << 2
                | u64::from(info.ecn) << 3
        }
        "snd_wscale" => info.snd_wscale.into(),
        "rcv_wscale" => info.rcv_wscale.into(),
        "rto" => info.rto.as_us(),
        "ato" => info.ato.as_us(),
        "snd_mss" => info.snd_mss.into(),
        "rcv_mss" => info.rcv_mss.into(),
        "advmss" => info.advmss.into(),
        "unacked" => info.unacked.into(),
        "sacked" => info.sacked.into(),
        "lost" => info.lost.into(),
        "retrans" => info.retrans.into(),
        "fackets" => 0,
        "last_data_sent" => info.last_data_sent.as_ms(),
        "last_data_recv" => info.last_data_recv.as_ms(),
        "last_ack_sent" => 0,
        "last_ack_recv" => info.last_ack_recv.as_ms(),
        "rtt" => info.rtt.as_us(),
        "rttvar" => info.rttvar.as_us(),
        "min_rtt" => {
            if info.min_rtt.is_zero() {
                u64::from(u32::MAX)
            } else {
                info.min_rtt.as_us()
            }
        }
        "snd_ssthresh" => info.snd_ssthresh.into(),
        "snd_cwnd" => info.snd_cwnd.into(),
        "rcv_ssthresh" => info.rcv_ssthresh.into(),
        "reordering" => info.reordering.into(),
        "reord_seen" => info.reord_seen.into(),
        "rcv_rtt" => info.rcv_rtt.as_us(),
        "rcv_space" => info.rcv_space.into(),
        "total_retrans" => info.total_retrans.into(),
        "total_rto" => info.total_rto.into(),
        "pacing_rate" => info.pacing_rate,
        "delivery_rate" => info.delivery_rate,
        "delivery_rate_app_limited" => info.delivery_rate_app_limited.into(),
        "bytes_acked" => info.bytes_acked,
        "bytes_received" => info.bytes_received,
        "bytes_sent" => info.bytes_sent,
        "bytes_retrans" => info.bytes_retrans,
        "segs_out" => info.segs_out,
        "segs_in" => info.segs_in,
        "data_segs_out" => info.data_segs_out,
        "data_segs_in" => info.data_segs_in,
        "delivered" => info.delivered.into(),
        "delivered_ce" => info.delivered_ce.into(),
        "notsent_bytes" => info.notsent_bytes,
        "busy_time" => info.busy_time.as_us(),
        "rwnd_limited" => info.rwnd_limited.as_us(),
        "sndbuf_limited" => info.sndbuf_limited.as_us(),
        "snd_wnd" => info.snd_wnd.into(),
        "rcv_wnd" => info.rcv_wnd.into(),
        "dsack_dups" => info.dsack_dups.into(),
        "rcv_ooopack" => info.rcv_ooopack.into(),
        _ => return None,
    };
    i64::try_from(value).ok()
}

/// Linux's number of a state.
fn state_number(state: State) -> u64 {
    match state {
        State::Established => 1,
        State::SynSent => 2,
        State::SynReceived => 3,
        State::FinWait1 => 4,
        State::FinWait2 => 5,
        State::TimeWait => 6,
        State::Closed => 7,
        State::CloseWait => 8,
        State::LastAck => 9,
        State::Closing => 11,
    }
}
