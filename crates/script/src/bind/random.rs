//! Chance: the run's own streams.

use crate::call::Call;
use crate::classes::Registry;
use crate::mistake::Mistake;
use crate::sim::Shared;
use crate::spec::time as spec;
use crate::values::Val;
use mlua::{Lua, Table, Value};
use tidewire_units::Stream;

pub(super) fn install(registry: &mut Registry<'_>) -> mlua::Result<()> {
    registry.add(&spec::UNIFORM, |lua, sim, call| {
        let (a, b) = match (call.number(0), call.number(1)) {
            (None, _) => (0.0, 1.0),
            (Some(b), None) => (0.0, b),
            (Some(a), Some(b)) => (a, b),
        };
        Ok(draw(lua, sim, |stream| a + (b - a) * stream.unit()))
    })?;
    registry.add(&spec::EXPONENTIAL, |lua, sim, call| {
        let mean = call.arg(0).and_then(Val::span).unwrap_or_default().as_secs_f64();
        Ok(draw(lua, sim, |stream| stream.exponential(mean)))
    })?;
    registry.add(&spec::NORMAL, |lua, sim, call| {
        let (mean, sd) = (call.number(0).unwrap_or(0.0), call.number(1).unwrap_or(1.0));
        Ok(draw(lua, sim, |stream| mean + sd * normal(stream)))
    })?;
    registry.add(&spec::LOGNORMAL, |lua, sim, call| {
        let (mu, sigma) = (call.number(0).unwrap_or(0.0), call.number(1).unwrap_or(1.0));
        Ok(draw(lua, sim, |stream| libm::exp(mu + sigma * normal(stream))))
    })?;
    registry.add(&spec::PARETO, pareto)?;
    registry.add(&spec::ZIPF, |lua, sim, call| {
        let (n, s) = (call.int(0).unwrap_or(1), call.number(1).unwrap_or(1.0));
        Ok(draw(lua, sim, |stream| zipf(stream, n, s)))
    })?;
    registry.add(&spec::INT, |lua, sim, call| {
        let (a, b) = (call.int(0).unwrap_or(0), call.int(1).unwrap_or(0));
        if a > b {
            return Err(Mistake::new(format!("random.int({a}, {b}): the interval is empty"))
                .at_word("int")
                .into());
        }
        Ok(draw(lua, sim, |stream| a.wrapping_add(stream.between(0, b.abs_diff(a)) as i64)))
    })?;
    registry.add(&spec::CHANCE, |lua, sim, call| {
        let Some(Val::Probability(p)) = call.arg(0) else { unreachable!() };
        Ok(draw(lua, sim, |stream| p.hit(stream.bits())))
    })?;
    registry.add(&spec::CHOICE, |lua, sim, call| {
        let list = list(&call)?;
        let n = list.raw_len() as u64;
        if n == 0 {
            return Err(Mistake::new("random.choice of an empty list").at_word("choice").into());
        }
        let at = draw(lua, sim, |stream| stream.between(1, n));
        list.raw_get::<Value>(at)
    })?;
    registry.add(&spec::SHUFFLE, |lua, sim, call| {
        let list = list(&call)?;
        for i in (2..=list.raw_len() as u64).rev() {
            let j = draw(lua, sim, |stream| stream.between(1, i));
            let (a, b): (Value, Value) = (list.raw_get(i)?, list.raw_get(j)?);
            list.raw_set(i, b)?;
            list.raw_set(j, a)?;
        }
        Ok(list)
    })
}

fn draw<T>(lua: &Lua, sim: &Shared, draw: impl FnOnce(&mut Stream) -> T) -> T {
    sim.draw(lua, "random", draw)
}

fn list(call: &Call) -> mlua::Result<Table> {
    match call.arg(0) {
        Some(Val::Table(list)) => Ok(list.clone()),
        _ => Err(Mistake::new(format!("{} needs a list", call.func.name)).into()),
    }
}

/// Box and Muller 1958, with portable functions.
fn normal(stream: &mut Stream) -> f64 {
    let (u, v) = (1.0 - stream.unit(), stream.unit());
    (-2.0 * libm::log(u)).sqrt() * libm::cos(std::f64::consts::TAU * v)
}

fn pareto(lua: &Lua, sim: &Shared, call: Call) -> mlua::Result<f64> {
    let opts = call.opts();
    let shape = call.required("shape", opts.number("shape"))?;
    if shape <= 0.0 {
        return Err(Mistake::new(format!("shape = {shape} must be more than 0")).at_word("shape").into());
    }
    let scale = match (opts.number("scale"), opts.number("mean")) {
        (Some(scale), _) => scale,
        (None, Some(mean)) if shape > 1.0 => mean * (shape - 1.0) / shape,
        (None, Some(_)) => {
            return Err(Mistake::new(format!(
                "a Pareto distribution of shape {shape} has no mean; give its scale"
            ))
            .at_word("mean")
            .into());
        }
        (None, None) => {
            return Err(Mistake::new("random.pareto needs a scale or a mean")
                .at_word("pareto")
                .note("write random.pareto{ shape = 1.5, mean = 10 }")
                .into());
        }
    };
    Ok(draw(lua, sim, |stream| scale / libm::pow(1.0 - stream.unit(), 1.0 / shape)))
}

/// Rejection-inversion after Hörmann and Derflinger 1996.
fn zipf(stream: &mut Stream, n: i64, s: f64) -> i64 {
    let integral = |x: f64| {
        let log = libm::log(x);
        if (1.0 - s).abs() < 1e-12 { log } else { libm::expm1((1.0 - s) * log) / (1.0 - s) }
    };
    let inverse = |y: f64| {
        if (1.0 - s).abs() < 1e-12 { libm::exp(y) } else { libm::exp(libm::log1p((1.0 - s) * y) / (1.0 - s)) }
    };
    let weight = |x: f64| libm::exp(-s * libm::log(x));
    let (low, high) = (integral(1.5) - 1.0, integral(n as f64 + 0.5));
    loop {
        let u = high + stream.unit() * (low - high);
        let x = inverse(u);
        let k = x.round().clamp(1.0, n as f64);
        if u >= integral(k + 0.5) - weight(k) {
            return k as i64;
        }
    }
}
