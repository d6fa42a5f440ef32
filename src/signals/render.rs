//! Values as JSON, the same in state documents, telemetry and the saved last values.

use serde_json::{Number, Value as Json, json};

use crate::services::View;

use super::{Quality, SignalId, Signals, Value};

/// The JSON form: boolean, number or string. A float keeps ten significant digits, which is a millimetre of latitude
/// and more than any CAN signal has, and spares consumers a `52.300000000000004`.
#[must_use]
pub fn value(signals: &Signals, id: SignalId, value: Option<Value>) -> Json {
    match value {
        None => Json::Null,
        Some(Value::Bool(on)) => on.into(),
        Some(Value::Int(number)) => number.into(),
        Some(Value::Float(number)) => float(number),
        Some(label @ Value::Label(_)) => signals.label(id, label).map_or(Json::Null, Into::into),
    }
}

/// `{"value":…,"unit":…,"quality":…,"time":…}`, with `cause` where the quality is `invalid`; `unit` only where there is
/// one. A signal that was never received has neither value nor time: both are null.
#[must_use]
pub fn reading(view: &View<'_>, id: SignalId) -> Json {
    let reading = view.signals.get(id);
    let mut object = json!({
        "value": value(view.signals, id, reading.value),
        "quality": reading.quality.name(),
        "time": view.time(reading.at),
    });
    if let Some(object) = object.as_object_mut() {
        let unit = &view.signals.def(id).unit;
        if !unit.is_empty() {
            object.insert("unit".to_owned(), unit.as_str().into());
        }
        if let Quality::Invalid(cause) = reading.quality {
            object.insert("cause".to_owned(), cause.name().into());
        }
    }
    object
}

fn float(number: f64) -> Json {
    let rounded = format!("{number:.9e}").parse().unwrap_or(number);
    Number::from_f64(rounded).map_or(Json::Null, Json::Number)
}
