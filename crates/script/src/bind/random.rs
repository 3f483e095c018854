//! Chance: the run's own streams.

use crate::call::{Call, check, placed};
use crate::classes::{Registry, located};
use crate::mistake::{Mistake, did_you_mean};
use crate::sim::Shared;
use crate::spec::{Func, time as spec};
use crate::values::Val;
use mlua::{Lua, MultiValue, Table, Value};
use tidewire_units::Stream;

/// A function of `random`, for one stream.
type Body = fn(&Lua, &Chance, Call) -> mlua::Result<Value>;

/// A stream of random numbers of the run, by its name.
struct Chance {
    sim: Shared,
    stream: String,
}

const FUNCTIONS: &[(&Func, Body)] = &[
    (&spec::UNIFORM, |lua, chance, call| {
        let (a, b) = match (call.number(0), call.number(1)) {
            (None, _) => (0.0, 1.0),
            (Some(b), None) => (0.0, b),
            (Some(a), Some(b)) => (a, b),
        };
        if a > b {
            return Err(Mistake::new(format!("random.uniform({a}, {b}): the interval is empty"))
                .at_word("uniform")
                .into());
        }
        Ok(Value::Number(chance.draw(lua, |stream| a + (b - a) * stream.unit())))
    }),
    (&spec::EXPONENTIAL, |lua, chance, call| {
        let mean = call.arg(0).and_then(Val::span).unwrap_or_default().as_secs_f64();
        Ok(Value::Number(chance.draw(lua, |stream| stream.exponential(mean))))
    }),
    (&spec::NORMAL, |lua, chance, call| {
        let (mean, sd) = (call.number(0).unwrap_or(0.0), call.number(1).unwrap_or(1.0));
        spread(sd, "sd", "normal")?;
        Ok(Value::Number(chance.draw(lua, |stream| mean + sd * normal(stream))))
    }),
    (&spec::LOGNORMAL, |lua, chance, call| {
        let (mu, sigma) = (call.number(0).unwrap_or(0.0), call.number(1).unwrap_or(1.0));
        spread(sigma, "sigma", "lognormal")?;
        Ok(Value::Number(chance.draw(lua, |stream| libm::exp(mu + sigma * normal(stream)))))
    }),
    (&spec::PARETO, pareto),
    (&spec::ZIPF, |lua, chance, call| {
        let (n, s) = (call.int(0).unwrap_or(1), call.number(1).unwrap_or(1.0));
        Ok(Value::Integer(chance.draw(lua, |stream| zipf(stream, n, s))))
    }),
    (&spec::INT, |lua, chance, call| {
        let (a, b) = (call.int(0).unwrap_or(0), call.int(1).unwrap_or(0));
        if a > b {
            return Err(Mistake::new(format!("random.int({a}, {b}): the interval is empty"))
                .at_word("int")
                .into());
        }
        let n = chance.draw(lua, |stream| a.wrapping_add(stream.between(0, b.abs_diff(a)) as i64));
        Ok(Value::Integer(n))
    }),
    (&spec::CHANCE, |lua, chance, call| {
        let Some(Val::Probability(p)) = call.arg(0) else { unreachable!("the table of functions says so") };
        Ok(Value::Boolean(chance.draw(lua, |stream| p.hit(stream.bits()))))
    }),
    (&spec::CHOICE, |lua, chance, call| {
        let list = list(&call)?;
        let n = list.raw_len() as u64;
        if n == 0 {
            return Err(Mistake::new("random.choice of an empty list").at_word("choice").into());
        }
        list.raw_get::<Value>(chance.draw(lua, |stream| stream.between(1, n)))
    }),
    (&spec::SHUFFLE, |lua, chance, call| {
        let list = list(&call)?;
        for i in (2..=list.raw_len() as u64).rev() {
            let j = chance.draw(lua, |stream| stream.between(1, i));
            let (a, b): (Value, Value) = (list.raw_get(i)?, list.raw_get(j)?);
            list.raw_set(i, b)?;
            list.raw_set(j, a)?;
        }
        Ok(Value::Table(list))
    }),
];

pub(super) fn install(registry: &mut Registry<'_>) -> mlua::Result<()> {
    let (lua, sim) = (registry.lua, registry.sim);
    let random = functions(lua, sim, "random")?;
    let shared = sim.clone();
    let stream = lua.create_function(move |lua, args: MultiValue| {
        let call = check(lua, &shared, &spec::STREAM, args)?;
        functions(lua, &shared, &format!("stream {}", call.text(0).unwrap_or_default()))
    })?;
    random.raw_set("stream", stream)?;
    lua.globals().raw_set("random", random)
}

/// All functions, drawing from one stream.
fn functions(lua: &Lua, sim: &Shared, stream: &str) -> mlua::Result<Table> {
    let table = lua.create_table()?;
    for (func, body) in FUNCTIONS {
        let chance = Chance { sim: sim.clone(), stream: stream.to_owned() };
        let function = lua.create_function(move |lua, args: MultiValue| {
            let call = check(lua, &chance.sim, func, args)?;
            body(lua, &chance, call).map_err(|error| located(lua, error))
        })?;
        table.raw_set(func.short(), function)?;
    }
    suggest(lua, &table)?;
    Ok(table)
}

/// `random.unifrom` says what was probably meant.
fn suggest(lua: &Lua, random: &Table) -> mlua::Result<()> {
    let unknown = lua.create_function(move |lua, (_, key): (Value, Value)| -> mlua::Result<()> {
        let key = key.to_string().unwrap_or_default();
        let mut known: Vec<&str> = FUNCTIONS.iter().map(|(func, _)| func.short()).collect();
        known.push("stream");
        let mistake = match key.as_str() {
            "seed" | "randomseed" => {
                let message = format!("random.{key}: every run has its own seed, from the experiment's");
                Mistake::new(message)
                    .note("write experiment{ seed = 5 } at the top, or --seed 5 on the command line")
            }
            _ => {
                let meant = did_you_mean(&key, known.iter().copied());
                Mistake::new(format!("random has no function '{key}'{meant}"))
            }
        };
        let mistake = mistake.at_word(key);
        Err(placed(lua, mistake.note(format!("there is: {}", known.join(" ")))).into())
    })?;
    let meta = lua.create_table()?;
    meta.raw_set("__index", unknown)?;
    random.set_metatable(Some(meta))
}

impl Chance {
    fn draw<T>(&self, lua: &Lua, draw: impl FnOnce(&mut Stream) -> T) -> T {
        self.sim.draw(lua, &self.stream, draw)
    }
}

fn list(call: &Call) -> mlua::Result<Table> {
    match call.arg(0) {
        Some(Val::Table(list)) => Ok(list.clone()),
        _ => Err(Mistake::new(format!("{} needs a list", call.func.name)).into()),
    }
}

fn spread(value: f64, name: &str, function: &str) -> Result<(), Mistake> {
    if value >= 0.0 {
        return Ok(());
    }
    Err(Mistake::new(format!("random.{function}: {name} = {value} must be 0 or more")).at_word(function))
}

/// Box and Muller 1958, with portable functions.
fn normal(stream: &mut Stream) -> f64 {
    let (u, v) = (1.0 - stream.unit(), stream.unit());
    (-2.0 * libm::log(u)).sqrt() * libm::cos(std::f64::consts::TAU * v)
}

fn pareto(lua: &Lua, chance: &Chance, call: Call) -> mlua::Result<Value> {
    let opts = call.opts();
    let shape = call.required("shape", opts.number("shape"))?;
    if shape <= 0.0 {
        return Err(Mistake::new(format!("shape = {shape} must be more than 0")).at_word("shape").into());
    }
    let scale = match (opts.number("scale"), opts.number("mean")) {
        (Some(_), Some(_)) => {
            return Err(Mistake::new("random.pareto takes a scale or a mean, not both")
                .at_word("mean")
                .into());
        }
        (Some(scale), None) => scale,
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
    Ok(Value::Number(chance.draw(lua, |stream| scale / libm::pow(1.0 - stream.unit(), 1.0 / shape))))
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
