//! The regulation's tables as CSV and as JSON, with its names for the elements.

use std::fmt::Write as _;

use serde_json::{Value as Json, json};

use crate::crash::black_box::{Maximum, Tables};

/// `element, time, value, unit`, one line a value; a value that is not known is empty.
pub(super) fn csv(tables: &Tables) -> String {
    let mut lines = Lines("element,time,value,unit\n".to_owned());
    for row in &tables.delta_v {
        let at = format!("{} ms", row.at_ms);
        lines.number("Delta-V, longitudinal", &at, row.longitudinal_kmh, "km/h");
        lines.number("Delta-V, lateral", &at, row.lateral_kmh, "km/h");
    }
    let maxima = [
        ("longitudinal", tables.maximum_longitudinal),
        ("lateral", tables.maximum_lateral),
        ("resultant", tables.maximum_resultant),
    ];
    for (axis, maximum) in maxima {
        lines.number(&format!("Maximum delta-V, {axis}"), "", maximum.map(|maximum| maximum.delta_v_kmh), "km/h");
        lines.number(&format!("Time, maximum delta-V, {axis}"), "", maximum.map(|maximum| maximum.at_ms), "ms");
    }
    for row in &tables.before {
        let at = format!("{} s", row.at_s);
        lines.number("Speed, vehicle indicated", &at, row.speed_kmh, "km/h");
        lines.number("Accelerator pedal, % full", &at, row.pedal_percent, "%");
        lines.flag("Service brake, on/off", &at, row.is_braking, ["off", "on"]);
        lines.number("Engine RPM", &at, row.engine_rpm, "1/min");
    }
    lines.flag("Safety belt status, driver", "-1 s", tables.belt_driver, ["off", "on"]);
    lines.flag("Safety belt status, front passenger", "-1 s", tables.belt_passenger, ["off", "on"]);
    lines.flag("Frontal air bag warning lamp, on/off", "-1 s", tables.airbag_lamp, ["off", "on"]);
    lines.number("Frontal air bag deployment, time to deploy", "", tables.airbag_ms, "ms");
    lines.number("Multi-event, number of events", "", Some(f64::from(tables.events)), "");
    lines.number("Time from event 1 to 2", "", tables.since_last_event_s, "s");
    lines.flag("Complete file recorded (yes, no)", "", Some(tables.is_complete), ["no", "yes"]);
    lines.flag("Delta-V is a lower bound", "", Some(tables.is_lower_bound), ["no", "yes"]);
    lines.0
}

struct Lines(String);

impl Lines {
    fn add(&mut self, element: &str, time: &str, value: &str, unit: &str) {
        // Names of elements have commas in them, nothing else has.
        let _ = writeln!(self.0, "\"{element}\",{time},{value},{unit}");
    }

    fn number(&mut self, element: &str, time: &str, value: Option<f64>, unit: &str) {
        let value = value.map_or_else(String::new, |value| format!("{}", tenths(value)));
        self.add(element, time, &value, unit);
    }

    fn flag(&mut self, element: &str, time: &str, value: Option<bool>, words: [&str; 2]) {
        self.add(element, time, value.map_or("", |is_set| words[usize::from(is_set)]), "");
    }
}

/// The tables as one document.
pub(super) fn json(tables: &Tables) -> Json {
    let maximum = |maximum: Option<Maximum>| {
        maximum.map(|maximum| json!({ "delta_v_kmh": tenths(maximum.delta_v_kmh), "at_ms": tenths(maximum.at_ms) }))
    };
    let delta_v = tables.delta_v.iter().map(|row| {
        json!({
            "at_ms": row.at_ms,
            "longitudinal_kmh": row.longitudinal_kmh.map(tenths),
            "lateral_kmh": row.lateral_kmh.map(tenths),
        })
    });
    let before = tables.before.iter().map(|row| {
        json!({
            "at_s": row.at_s,
            "speed_kmh": row.speed_kmh.map(tenths),
            "pedal_percent": row.pedal_percent.map(tenths),
            "brake": row.is_braking,
            "engine_rpm": row.engine_rpm.map(tenths),
        })
    });
    json!({
        "sensor": tables.sensor,
        "is_lower_bound": tables.is_lower_bound,
        "delta_v": delta_v.collect::<Json>(),
        "maximum_longitudinal": maximum(tables.maximum_longitudinal),
        "maximum_lateral": maximum(tables.maximum_lateral),
        "maximum_resultant": maximum(tables.maximum_resultant),
        "before": before.collect::<Json>(),
        "belt_driver": tables.belt_driver,
        "belt_passenger": tables.belt_passenger,
        "airbag_lamp": tables.airbag_lamp,
        "airbag_ms": tables.airbag_ms.map(tenths),
        "events": tables.events,
        "since_last_event_s": tables.since_last_event_s.map(tenths),
        "complete_file_recorded": tables.is_complete,
    })
}

fn tenths(value: f64) -> f64 {
    // A negative zero is a zero.
    (value * 10.0).round() / 10.0 + 0.0
}
