//! The pieces that state documents and event data are made of.

use std::time::Duration;

use serde_json::{Value as Json, json};

use crate::signals::{At, Quality};
use crate::time::Clock;

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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_without_unit_has_no_such_member() {
        let with = measured(63, "percent", Quality::Good, Json::Null);
        assert_eq!(with, json!({"value": 63, "unit": "percent", "quality": "good", "time": null}));
        assert_eq!(measured(true, "", Quality::Stale, Json::Null).get("unit"), None);
    }

    #[test]
    fn spans_are_rounded_and_null_when_unknown() {
        assert_eq!(seconds(Some(Duration::from_millis(12_399))), json!(12.3));
        assert_eq!(seconds(None), Json::Null);
    }
}
