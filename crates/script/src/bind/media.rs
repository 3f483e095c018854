//! Calls, video, games and replays: native senders of datagrams, and what is heard of a call.

use super::flow::{Destination, FlowHandle, destination, udp_flow};
use super::sizes::sizes;
use super::traffic::rating_table;
use crate::Fault;
use crate::call::Call;
use crate::classes::Registry;
use crate::mistake::Mistake;
use crate::sim::Shared;
use crate::spec::traffic as spec;
use crate::values::Val;
use mlua::{AnyUserData, IntoLuaMulti, Lua, MultiValue, Value};
use tidewire_l7_application::traffic::{FramePattern, Frames, Replay, Sizes, parse_capture, parse_table};
use tidewire_l7_application::voice::{Buffering, Codec, Heard, Playout};
use tidewire_l7_application::{Cbr, OnOff, Pattern, Process};
use tidewire_units::{Instant, Rate, Refusal, Span};
use tidewire_wire::Endpoint;
use tidewire_world::World;

/// Mean lengths of talk spurts and pauses (ITU-T P.59 table 1).
const TALK: (Span, Span) = (Span::from_ms(1004), Span::from_ms(1587));
/// Payload of a datagram of video at most.
const MOST: u32 = 1200;

pub(super) fn services(registry: &Registry<'_>, services: &crate::services::Loader) -> mlua::Result<()> {
    services.add(registry, &spec::ABR_SERVER, "abr")?;
    services.add(registry, &spec::ABR_PLAYER, "abr")
}

pub(super) fn install(registry: &mut Registry<'_>) -> mlua::Result<()> {
    registry.add(&spec::VOICE, |lua, sim, call| voice(lua, sim, &call))?;
    registry.add(&spec::VIDEO, |lua, sim, call| {
        let opts = call.opts();
        let rate = call.required("rate", opts.rate("rate"))?;
        let fps = above_zero(&call, "fps", 25.0)?;
        let (key, sigma) = (above_zero(&call, "key", 4.0)?, opts.number("sigma").unwrap_or(0.3));
        let mean = rate.bits_per_s() as f64 / 8.0 / fps;
        let sizes = if sigma > 0.0 { Sizes::lognormal_with_mean(mean, sigma) } else { Sizes::Fixed(mean) };
        let group = opts.int("group").unwrap_or(12) as u32;
        frames(lua, sim, &call, (Span::from_secs_f64(1.0 / fps), sizes, group, key))
    })?;
    registry.add(&spec::GAME, |lua, sim, call| {
        let opts = call.opts();
        let tick = opts.span("tick").unwrap_or(Span::from_ms(50));
        if tick.is_zero() {
            return Err(Mistake::new("tick must be more than 0").at_word("tick").into());
        }
        let sizes = opts.get("size").map(|value| sizes(sim, "size", value)).transpose()?;
        let sizes = sizes.unwrap_or_else(|| Sizes::lognormal_with_mean(80.0, 0.2));
        frames(lua, sim, &call, (tick, sizes, 1, 1.0))
    })?;
    registry.add(&spec::REPLAY, |lua, sim, call| replay(lua, sim, &call))
}

fn above_zero(call: &Call, name: &'static str, default: f64) -> Result<f64, Mistake> {
    let x = call.opts().number(name).unwrap_or(default);
    if x > 0.0 && x.is_finite() {
        Ok(x)
    } else {
        Err(Mistake::new(format!("{name} must be more than 0")).at_word(name))
    }
}

fn handed(lua: &Lua, flow: Result<FlowHandle, Refusal>) -> mlua::Result<MultiValue> {
    match flow {
        Ok(flow) => lua.create_userdata(flow)?.into_lua_multi(lua),
        Err(why) => super::tcp::refused(lua, why),
    }
}

fn count(call: &Call) -> Option<u64> {
    call.opts().int("count").map(|count| count as u64)
}

fn voice(lua: &Lua, sim: &Shared, call: &Call) -> mlua::Result<MultiValue> {
    let opts = call.opts();
    let codec = Codec::named(opts.text("codec").unwrap_or("g711")).expect("a name of the table of functions");
    let wrong = || Mistake::new("buffer is a time, such as \"60ms\", or \"adaptive\"").at_word("buffer");
    let buffering = match opts.get("buffer") {
        None => Buffering::Fixed(Span::from_ms(60)),
        Some(Val::Any(Value::String(text))) if text.to_string_lossy() == "adaptive" => {
            Buffering::Adaptive(Span::from_ms(10))
        }
        Some(Val::Any(Value::String(text))) => {
            Buffering::Fixed(tidewire_units::parse_span(&text.to_string_lossy()).map_err(|_| wrong())?)
        }
        Some(Val::Any(value)) => {
            let seconds = value.as_f64().filter(|s| *s >= 0.0 && s.is_finite()).ok_or_else(wrong)?;
            Buffering::Fixed(Span::from_secs_f64(seconds))
        }
        Some(_) => return Err(wrong().into()),
    };
    let size = codec.payload + Codec::RTP;
    let bits = f64::from(size) * 8.0 / codec.packet_time.as_secs_f64();
    let rate = Rate::from_bits_per_s(bits.round() as u64).expect("codecs have rates");
    let (talk, count) = (opts.flag("talk").unwrap_or(false), count(call));
    let make = |to: Endpoint, start: Instant, stop: Instant| -> Box<dyn Process> {
        let pattern = Pattern { to, rate, size, start, stop, count, jitter: Span::ZERO };
        if talk { Box::new(OnOff::new(pattern, TALK.0, TALK.1, true)) } else { Box::new(Cbr::new(pattern)) }
    };
    hears(sim, call)?;
    let flow = udp_flow(lua, sim, call, u64::from(size), count.is_some(), make)?;
    if let Ok(flow) = &flow {
        sim.world()?.set_flow_voice(flow.id, Playout::new(buffering, codec));
    }
    handed(lua, flow)
}

/// What another socket takes never comes to the playout buffer, and a call that nobody hears has no score.
fn hears(sim: &Shared, call: &Call) -> mlua::Result<()> {
    let Destination { node, port: Some(port), .. } = destination(sim, call)? else { return Ok(()) };
    if sim.world()?.udp_sink(node, port) != Err(Refusal::InUse) {
        return Ok(());
    }
    let name = sim.plan.borrow().node(node).name.clone();
    Err(Mistake::new(format!("port {port} of {name} is in use: another socket takes what the call sends"))
        .at_word("voice")
        .note("close that socket, or give the call a port that is free, or none: it then finds one")
        .into())
}

fn frames(
    lua: &Lua,
    sim: &Shared,
    call: &Call,
    (every, sizes, group, key): (Span, Sizes, u32, f64),
) -> mlua::Result<MultiValue> {
    let count = count(call);
    let make = |to: Endpoint, start: Instant, stop: Instant| -> Box<dyn Process> {
        Box::new(Frames::new(FramePattern { to, every, sizes, group, key, most: MOST, start, stop, count }))
    };
    handed(lua, udp_flow(lua, sim, call, u64::from(MOST), count.is_some(), make)?)
}

fn replay(lua: &Lua, sim: &Shared, call: &Call) -> mlua::Result<MultiValue> {
    let opts = call.opts();
    let file = match (opts.text("pcap"), opts.text("csv")) {
        (Some(file), None) | (None, Some(file)) => file.to_owned(),
        _ => {
            return Err(Mistake::new("host:replay needs one of 'pcap' and 'csv'")
                .at_word("replay")
                .note("pcap = \"trace.pcapng\" is a capture, csv = \"trace.csv\" has a time in s and a size in bytes in each line")
                .into());
        }
    };
    let wrong = |why: String| Mistake::new(why).at_word(file.clone()).fault(Fault::Io);
    let bytes = sim.files.read(&file).map_err(wrong)?;
    let packets = if opts.text("csv").is_some() {
        let text = String::from_utf8_lossy(&bytes);
        parse_table(&text).map_err(|(line, what)| wrong(format!("{file}:{line}: {what}")))?
    } else {
        parse_capture(&bytes).map_err(|what| wrong(format!("{file}: {what}")))?
    };
    let scale = 1.0 / above_zero(call, "speed", 1.0)?;
    let most = packets.iter().map(|(_, size)| *size).max().unwrap_or(0);
    let make = |to: Endpoint, start: Instant, stop: Instant| -> Box<dyn Process> {
        Box::new(Replay::new(to, packets, start, stop, scale))
    };
    handed(lua, udp_flow(lua, sim, call, u64::from(most), true, make)?)
}

/// What was heard of a call so far; frames count that have had the time to be played.
fn heard(world: &World, this: &AnyUserData) -> mlua::Result<Option<(Heard, Codec)>> {
    let flow = world.flow(this.borrow::<FlowHandle>()?.id);
    Ok(flow.voice.as_ref().map(|voice| (voice.heard(world.now()), voice.codec())))
}

/// R and MOS of a call of which frames were due.
fn score(world: &World, this: &AnyUserData) -> mlua::Result<Option<(f64, f64)>> {
    Ok(heard(world, this)?.and_then(|(heard, codec)| heard.score(&codec)))
}

pub(super) fn fields(registry: &Registry<'_>) -> mlua::Result<()> {
    registry.field("flow", "mos", |_, sim, this| Ok(score(&*sim.world()?, &this)?.map(|(_, mos)| mos)))?;
    registry.field("flow", "r", |_, sim, this| Ok(score(&*sim.world()?, &this)?.map(|(r, _)| r)))?;
    registry.field("flow", "voice", |lua, sim, this| {
        let Some((heard, codec)) = heard(&*sim.world()?, &this)? else { return Ok(None) };
        let table = match heard.rating(&codec) {
            Some(rating) => rating_table(lua, rating)?,
            None => lua.create_table()?,
        };
        if let Some((r, mos)) = heard.score(&codec) {
            table.raw_set("r", r)?;
            table.raw_set("mos", mos)?;
            table.raw_set("loss_pct", 100.0 * heard.loss())?;
        }
        for (name, n) in [("sent", heard.sent), ("played", heard.played), ("late", heard.late)] {
            table.raw_set(name, n)?;
        }
        table.raw_set("lost", heard.sent - heard.played - heard.late)?;
        table.raw_set("burst", heard.burst_r)?;
        table.raw_set("delay", heard.mouth_to_ear_s(&codec))?;
        table.raw_set("network", heard.network_s)?;
        Ok(Some(table))
    })
}
