//! Whether an example looks like a message.

use serde_json::{Map, Value as Json};

/// Objects whose members depend on the car: an example shows some of them.
const OPEN: [&str; 6] = ["signals", "openings", "locks", "belts", "buses", "sensors"];

/// Texts that depend on the run.
const RUN: [&str; 8] = ["id", "sequence", "boot", "version", "hash", "hex", "detail", "reason"];

/// The first difference between an example and a message: members, types, and texts that are not times.
pub(crate) fn difference(example: &Json, real: &Json) -> Option<String> {
    compare("", example, real)
}

fn compare(path: &str, example: &Json, real: &Json) -> Option<String> {
    match (example, real) {
        (Json::Object(example), Json::Object(real)) => members(path, example, real),
        (Json::Array(example), Json::Array(real)) => {
            if example.is_empty() != real.is_empty() {
                return Some(format!("{path} is empty on one side"));
            }
            let mut shown = example.iter();
            let odd = shown.position(|item| !real.iter().any(|real| compare(path, item, real).is_none()));
            odd.map(|index| format!("{path}[{index}] is like nothing there"))
        }
        (Json::String(example), Json::String(real)) => {
            let is_free = RUN.contains(&name(path)) || (is_time(example) && is_time(real));
            (!is_free && example != real).then(|| format!("{path} is {real:?}"))
        }
        (Json::Null, Json::Null) | (Json::Bool(_), Json::Bool(_)) | (Json::Number(_), Json::Number(_)) => None,
        _ => Some(format!("{path} is of another type")),
    }
}

fn members(path: &str, example: &Map<String, Json>, real: &Map<String, Json>) -> Option<String> {
    if !OPEN.contains(&name(path))
        && let Some(key) = real.keys().find(|key| !example.contains_key(*key))
    {
        return Some(format!("{path}/{key} is not in the example"));
    }
    if example.is_empty() != real.is_empty() {
        return Some(format!("{path} is empty on one side"));
    }
    example.iter().find_map(|(key, shown)| match real.get(key) {
        None => Some(format!("{path}/{key} is not published")),
        Some(real) => compare(&format!("{path}/{key}"), shown, real),
    })
}

fn name(path: &str) -> &str {
    path.rsplit('/').next().unwrap_or_default()
}

/// RFC 3339, UTC, milliseconds: `2026-03-02T07:00:00.000Z`.
fn is_time(text: &str) -> bool {
    let form = "dddd-dd-ddTdd:dd:dd.dddZ";
    let fits = |(form, byte): (u8, u8)| if form == b'd' { byte.is_ascii_digit() } else { byte == form };
    text.len() == form.len() && form.bytes().zip(text.bytes()).all(fits)
}

#[test]
fn what_differs_is_seen() {
    let real = serde_json::json!({
        "type": "x", "time": "2026-03-02T07:00:00.000Z",
        "data": {"signals": {"A": {"value": 1, "quality": "good"}, "B": {"value": 2.5, "quality": "good"}}},
    });
    assert_eq!(difference(&real, &real), None);
    let altered = |pointer: &str, alter: fn(&mut Json)| {
        let mut example = real.clone();
        alter(example.pointer_mut(pointer).expect("it is there"));
        difference(&example, &real)
    };
    let without = |key: &'static str| move |object: &mut Json| object.as_object_mut().expect("an object").remove(key);
    assert_eq!(altered("/time", |time| *time = "1999-01-01T00:00:00.000Z".into()), None);
    assert_eq!(altered("/data/signals/A/value", |value| *value = 7.into()), None);
    assert_eq!(altered("/data/signals", |map| *map = serde_json::json!({"A": map["A"]})), None);
    assert!(altered("/type", |kind| *kind = "y".into()).is_some());
    assert!(altered("/time", |time| *time = "yesterday".into()).is_some());
    assert!(altered("/data/signals", |map| *map = serde_json::json!({})).is_some());
    assert!(altered("/data/signals", |map| map["C"] = map["A"].clone()).is_some());
    assert!(altered("/data/signals/A", |member| member["unit"] = "m".into()).is_some());
    assert!(altered("/data/signals/A/value", |value| *value = Json::Null).is_some());
    let mut example = real.clone();
    without("time")(&mut example);
    assert!(difference(&example, &real).is_some());
}
