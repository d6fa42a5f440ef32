//! The pieces that state documents and event data are made of.

use std::time::Duration;

use serde_json::{Value as Json, json};

use crate::signals::{At, Quality, SignalId, Signals, Value};
use crate::time::Clock;

use super::View;

/// A measured value: `value`, `unit` where there is one, `quality`, `time`.
pub(super) fn measured(value: impl Into<Json>, unit: &str, quality: Quality, time: impl Into<Json>) -> Json {
    let mut member = json!({ "value": value.into(), "quality": quality.name(), "time": time.into() });
    if !unit.is_empty()
        && let Some(object) = member.as_object_mut()
    {
        object.insert("unit".to_owned(), unit.into());
    }
    member
}

/// A signal's current reading as it is.
pub(super) fn reading(view: &View<'_>, id: SignalId) -> Json {
    let reading = view.signals.get(id);
    let value = reading.value.map_or(Json::Null, |value| plain(view.signals, id, value));
    measured(value, &view.signals.def(id).unit, reading.quality, view.time(reading.at))
}

/// The wall time of `at` as RFC 3339, null while it is not known.
pub(super) fn time(clock: &Clock, at: At) -> Json {
    match at {
        At::Mono(mono) => clock.wall_at(mono).map_or(Json::Null, |stamp| stamp.wall.to_string().into()),
        At::Wall(wall) => wall.to_string().into(),
        At::Unknown => Json::Null,
    }
}

/// Seconds to one decimal; null for a span that is not known.
#[expect(clippy::cast_precision_loss, reason = "2^53 tenths of a second are 28 million years")]
pub(super) fn seconds(span: Option<Duration>) -> Json {
    span.map_or(Json::Null, |span| ((span.as_millis() / 100) as f64 / 10.0).into())
}

/// `value` to `decimals` places; null for none.
pub(super) fn rounded(value: Option<f64>, decimals: i32) -> Json {
    let scale = 10_f64.powi(decimals);
    value.map_or(Json::Null, |value| ((value * scale).round() / scale).into())
}

/// `value` as a whole number; null for none.
#[expect(clippy::cast_possible_truncation, reason = "`as` saturates, and a car has no such numbers")]
pub(super) fn whole(value: Option<f64>) -> Json {
    value.map_or(Json::Null, |value| (value.round() as i64).into())
}

/// The least trusted of several qualities: one invalid value makes the sum invalid, one stale value makes it stale.
/// Good for none at all.
pub(super) fn worst(qualities: impl IntoIterator<Item = Quality>) -> Quality {
    let rank = |quality: &Quality| match quality {
        Quality::Good => 0,
        Quality::Stale => 1,
        Quality::Invalid(_) => 2,
    };
    qualities.into_iter().max_by_key(rank).unwrap_or(Quality::Good)
}

fn plain(signals: &Signals, id: SignalId, value: Value) -> Json {
    match value {
        Value::Bool(on) => on.into(),
        Value::Int(number) => number.into(),
        Value::Float(number) => number.into(),
        Value::Label(_) => signals.label(id, value).into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::signals::Cause;

    #[test]
    fn the_worst_quality_wins() {
        let invalid = Quality::Invalid(Cause::Checksum);
        assert_eq!(worst([]), Quality::Good);
        assert_eq!(worst([Quality::Good, Quality::Stale, Quality::Good]), Quality::Stale);
        assert_eq!(worst([invalid, Quality::Stale]), invalid);
    }

    #[test]
    fn a_value_without_unit_has_no_such_member() {
        let with = measured(63, "percent", Quality::Good, Json::Null);
        assert_eq!(with, json!({"value": 63, "unit": "percent", "quality": "good", "time": null}));
        assert_eq!(measured(true, "", Quality::Stale, Json::Null).get("unit"), None);
    }

    #[test]
    fn spans_and_numbers_are_rounded_and_null_when_unknown() {
        assert_eq!(seconds(Some(Duration::from_millis(12_399))), json!(12.3));
        assert_eq!(seconds(None), Json::Null);
        assert_eq!(rounded(Some(10.046), 2), json!(10.05));
        assert_eq!(rounded(None, 2), Json::Null);
        assert_eq!((whole(Some(62.5)), whole(Some(-0.4)), whole(None)), (json!(63), json!(0), Json::Null));
    }
}
