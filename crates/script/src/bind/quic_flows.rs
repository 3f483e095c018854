//! Rows of `flows.csv` for what ends of QUIC connections send.

use super::quic_conn::{Quic, Shape};
use crate::sim::Shared;
use std::cell::RefCell;
use std::rc::Rc;
use tidewire_l4_transport::quic::{QuicConnection, QuicError};
use tidewire_metrics::Value;
use tidewire_units::Instant;
use tidewire_world::World;

/// When and how much one end has sent.
#[derive(Default)]
pub(super) struct Sending {
    started: Option<Instant>,
    /// When the last byte was acknowledged.
    last: Option<Instant>,
    /// Acknowledged bytes; those before the end of the warm-up.
    acked: u64,
    before: u64,
    ended: Option<(Instant, QuicError)>,
}

impl Sending {
    /// Looks at a connection after something has happened to it.
    pub fn note(&mut self, now: Instant, warmup: Instant, quic: &QuicConnection) {
        let (sent, acked) = quic.stream_bytes();
        if sent > 0 {
            self.started.get_or_insert(now);
        }
        if acked > self.acked {
            (self.acked, self.last) = (acked, Some(now));
            if now < warmup {
                self.before = acked;
            }
        }
        if self.ended.is_none() {
            self.ended = quic.error().map(|why| (now, why));
        }
    }
}

/// Endpoints whose connections have rows, in the order in which they were made.
pub(crate) type Measured = RefCell<Vec<Rc<RefCell<Shape>>>>;

/// The rows, in the columns of the world's flows.
pub(crate) fn rows(sim: &Shared, world: &World) -> Vec<Vec<Value>> {
    let mut rows = Vec::new();
    for shape in sim.quic_flows.borrow().iter() {
        let shape = shape.borrow();
        let Some(wanted) = &shape.flow else { continue };
        let mut all: Vec<_> = shape.connections.values().collect();
        all.sort_by_key(|conn| conn.number);
        for conn in all {
            let name = super::flow::free_name(sim, wanted.clone());
            rows.push(row(world, &shape, name, &conn.quic, &conn.sending));
        }
    }
    rows
}

fn row(world: &World, shape: &Shape, name: String, quic: &Quic, sending: &Sending) -> Vec<Value> {
    let (plan, info, remote) = (world.plan(), quic.info(), quic.remote());
    let src = plan.node(shape.node).name.as_str().into();
    let dst = match world.owner_of(remote.addr) {
        Some(iface) => plan.node(plan.iface(iface).node).name.clone(),
        None => world.shown(remote.addr).to_string(),
    };
    let port = shape.port(world).map_or(Value::Nothing, |port| Value::Int(port.into()));
    let seconds = |at: Option<Instant>| at.map(|at| at.as_secs_f64());
    let bytes = sending.acked - sending.before;
    let until = if sending.ended.is_some() { sending.last } else { Some(world.now()) };
    let time = sending.started.zip(until).map(|(from, to)| to.since(from.max(world.warmup())).as_secs_f64());
    let goodput = time.filter(|time| *time > 0.0).map(|time| rounded(bytes as f64 * 8e-6 / time));
    let clean = matches!(sending.ended, Some((_, QuicError::Closed(_))));
    let fct =
        sending.started.zip(sending.last).filter(|_| clean).map(|(from, to)| to.since(from).as_secs_f64());
    let ended = match sending.ended {
        None if sending.started.is_none() => "not_started",
        None => "open",
        Some((_, QuicError::Closed(_))) => "closed",
        Some((_, QuicError::Protocol(_))) => "reset",
        Some((_, QuicError::TimedOut)) => "timeout",
    };
    let ms = |s: Option<f64>| Value::from(s.map(|s| rounded(s * 1e3)));
    let mut row: Vec<Value> =
        vec![name.into(), "quic".into(), info.cc.as_str().into(), src, dst.into(), port];
    row.push(Value::Int(remote.port.into()));
    row.extend([seconds(sending.started).into(), seconds(sending.ended.map(|(at, _)| at)).into()]);
    row.extend([bytes.into(), goodput.into(), info.packets_lost.into(), Value::Nothing, info.ptos.into()]);
    row.extend([ms(info.rtt_min_mean.map(|both| both.0)), ms(info.rtt_min_mean.map(|both| both.1))]);
    // Delays of packets and of bytes are those of the receiver, whom this end does not know.
    row.extend(std::iter::repeat_n(Value::Nothing, 5));
    row.extend([fct.into(), ended.into()]);
    row
}

/// Nine significant digits, as in the other rows.
fn rounded(x: f64) -> f64 {
    format!("{x:.8e}").parse().unwrap_or(x)
}
