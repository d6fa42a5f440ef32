//! What helpers are told of a crash.

use serde_json::{Value as Json, json};

use crate::crash::{Severity, Verdict};
use crate::services::doc;

/// The crash as an object; what is not known is null.
pub(super) fn of(verdict: &Verdict) -> Json {
    let direction = verdict.direction;
    json!({
        "severity": verdict.severity.map(Severity::name),
        "pdof_deg": doc::whole(direction.map(|direction| f64::from(direction.pdof_deg))),
        "clock_direction": direction.map(|direction| direction.clock),
        "side": verdict.side.name(),
        "rollover": verdict.rollover,
        "impacts": verdict.impacts,
        "occupants": verdict.occupants.map(|(occupants, _)| occupants),
        "belted": verdict.occupants.map(|(_, belted)| belted),
    })
}
