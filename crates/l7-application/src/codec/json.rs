//! JSON (RFC 8259).

use super::{BadValue, DEEPEST, Value};
use serde_json::{Map, Number, Value as Json};

pub fn encode(value: &Value) -> Result<Vec<u8>, BadValue> {
    let json = to_json(value, DEEPEST)?;
    Ok(json.to_string().into_bytes())
}

pub fn decode(bytes: &[u8]) -> Result<Value, BadValue> {
    let json: Json =
        serde_json::from_slice(bytes).map_err(|error| BadValue::new(format!("not JSON: {error}")))?;
    from_json(json, DEEPEST)
}

fn to_json(value: &Value, depth: usize) -> Result<Json, BadValue> {
    let deeper = depth.checked_sub(1).ok_or_else(|| BadValue::new("values within values go too deep"))?;
    Ok(match value {
        Value::Nil => Json::Null,
        Value::Bool(value) => Json::Bool(*value),
        Value::Int(value) => Json::Number((*value).into()),
        Value::Float(value) => Json::Number(
            Number::from_f64(*value).ok_or_else(|| BadValue::new(format!("JSON has no number {value}")))?,
        ),
        Value::Text(bytes) => {
            let text = std::str::from_utf8(bytes)
                .map_err(|_| BadValue::new("JSON has no texts that are not UTF-8"))?;
            Json::String(text.to_owned())
        }
        Value::List(list) => {
            Json::Array(list.iter().map(|item| to_json(item, deeper)).collect::<Result<_, _>>()?)
        }
        Value::Map(map) => {
            let entry = |(key, item): (&String, &Value)| Ok((key.clone(), to_json(item, deeper)?));
            Json::Object(map.iter().map(entry).collect::<Result<Map<_, _>, BadValue>>()?)
        }
    })
}

fn from_json(json: Json, depth: usize) -> Result<Value, BadValue> {
    let deeper = depth.checked_sub(1).ok_or_else(|| BadValue::new("values within values go too deep"))?;
    Ok(match json {
        Json::Null => Value::Nil,
        Json::Bool(value) => Value::Bool(value),
        Json::Number(number) => match number.as_i64() {
            Some(whole) => Value::Int(whole),
            None => Value::Float(number.as_f64().unwrap_or(f64::MAX)),
        },
        Json::String(text) => Value::Text(text.into_bytes()),
        Json::Array(list) => {
            Value::List(list.into_iter().map(|item| from_json(item, deeper)).collect::<Result<_, _>>()?)
        }
        Json::Object(map) => {
            let entry = |(key, item)| Ok((key, from_json(item, deeper)?));
            Value::Map(map.into_iter().map(entry).collect::<Result<_, BadValue>>()?)
        }
    })
}
