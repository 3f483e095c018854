//! The mathematics and chance of scripts: portable functions instead of the system's, the run's own stream instead of Lua's.

use mlua::{Function, Lua, MultiValue, Table, Value};
use std::rc::Rc;

/// Gives 64 random bits to a script; refuses where nothing may be random.
pub(crate) type Draw = Rc<dyn Fn(&Lua) -> mlua::Result<u64>>;

/// `^` compiles to the C library's `pow`, which differs in the last bit between systems. This symbol takes its place in the
/// whole program, so that `2 ^ 0.1` has the same bits everywhere.
#[unsafe(no_mangle)]
extern "C" fn pow(x: f64, y: f64) -> f64 {
    libm::pow(x, y)
}

/// Replaces `math.random` and the functions whose last bit depends on the system.
pub(super) fn install(lua: &Lua, draw: &Draw) -> mlua::Result<()> {
    let math: Table = lua.globals().get("math")?;
    type Plain = fn(f64) -> f64;
    let plain: [(&str, Plain); 7] = [
        ("exp", libm::exp),
        ("sin", libm::sin),
        ("cos", libm::cos),
        ("tan", libm::tan),
        ("asin", libm::asin),
        ("acos", libm::acos),
        ("log1p", libm::log1p),
    ];
    for (name, function) in plain {
        math.set(name, lua.create_function(move |_, x: f64| Ok(function(x)))?)?;
    }
    math.set(
        "atan",
        lua.create_function(|_, (y, x): (f64, Option<f64>)| Ok(libm::atan2(y, x.unwrap_or(1.0))))?,
    )?;
    math.set(
        "log",
        lua.create_function(|_, (x, base): (f64, Option<f64>)| {
            Ok(match base {
                None => libm::log(x),
                Some(2.0) => libm::log2(x),
                Some(10.0) => libm::log10(x),
                Some(base) => libm::log(x) / libm::log(base),
            })
        })?,
    )?;
    math.set("random", random(lua, draw.clone())?)?;
    Ok(())
}

/// `math.random`: a float in [0, 1), an integer up to `m`, or one between `m` and `n`.
fn random(lua: &Lua, draw: Draw) -> mlua::Result<Function> {
    lua.create_function(move |lua, args: MultiValue| {
        let bits = draw(lua)?;
        let whole = |value: &Value| match value {
            Value::Integer(n) => Ok(*n),
            Value::Number(x) if x.trunc() == *x && x.abs() < 9e15 => Ok(*x as i64),
            _ => Err(mlua::Error::runtime("math.random takes whole numbers")),
        };
        let (low, high) = match (args.len(), args.front(), args.get(1)) {
            (0, ..) => return Ok(Value::Number(unit(bits))),
            (1, Some(m), _) if whole(m)? == 0 => return Ok(Value::Integer(bits as i64)),
            (1, Some(m), _) => (1, whole(m)?),
            (2, Some(m), Some(n)) => (whole(m)?, whole(n)?),
            _ => return Err(mlua::Error::runtime("math.random takes at most two numbers")),
        };
        if low > high {
            return Err(mlua::Error::runtime(format!("math.random({low}, {high}): the interval is empty")));
        }
        let width = (i128::from(high) - i128::from(low) + 1) as u128;
        let offset = ((u128::from(bits) * width) >> 64) as i128;
        Ok(Value::Integer((i128::from(low) + offset) as i64))
    })
}

/// 53 of the bits as a number in [0, 1).
pub(crate) fn unit(bits: u64) -> f64 {
    (bits >> 11) as f64 * (1.0 / (1u64 << 53) as f64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn powers_have_the_bits_of_the_portable_function() {
        let state = super::super::LuaState::new(8 << 20).unwrap();
        let power: Function = state.lua().load("return function(x, y) return x ^ y end").eval().unwrap();
        for i in 1..500 {
            let (x, y) = (f64::from(i) * 0.37, f64::from(i) * 0.013 - 2.0);
            let got: f64 = power.call((x, y)).unwrap();
            assert_eq!(got.to_bits(), libm::pow(x, y).to_bits(), "{x} ^ {y}");
        }
    }
}
