//! What helpers are told of a crash.

use serde_json::{Value as Json, json};

use crate::crash::{Severity, Side, Verdict};
use crate::services::doc;

/// The crash as an object; what is not known is null.
pub(super) fn of(verdict: &Verdict) -> Json {
    let direction = verdict.direction;
    json!({
        "severity": verdict.severity.map(severity_name),
        "pdof_deg": doc::whole(direction.map(|direction| f64::from(direction.pdof_deg))),
        "clock_direction": direction.map(|direction| direction.clock),
        "side": side_name(verdict.side),
        "rollover": verdict.rollover,
        "impacts": verdict.impacts,
        "occupants": verdict.occupants.map(|(occupants, _)| occupants),
        "belted": verdict.occupants.map(|(_, belted)| belted),
    })
}

const fn severity_name(severity: Severity) -> &'static str {
    match severity {
        Severity::Minor => "minor",
        Severity::Moderate => "moderate",
        Severity::Serious => "serious",
    }
}

const fn side_name(side: Side) -> &'static str {
    match side {
        Side::Front => "front",
        Side::Right => "right",
        Side::Rear => "rear",
        Side::Left => "left",
        Side::Unknown => "unknown",
    }
}
