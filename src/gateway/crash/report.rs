//! A verdict as the data of an event: SI becomes what people read, and every figure names its unit.

use std::time::Duration;

use serde_json::{Value as Json, json};

use crate::crash::{Evidence, KMH_PER_MPS, Restraint, Severity, Stage, Verdict};

/// The event that a verdict is told as; none for what nobody outside is told.
pub(super) const fn kind(stage: Stage) -> Option<&'static str> {
    match stage {
        Stage::Suspected | Stage::Dismissed => None,
        Stage::Confirmed => Some("crash.detected"),
        Stage::Graded => Some("crash.graded"),
        Stage::Corrected => Some("crash.corrected"),
        Stage::Closed => Some("crash.closed"),
    }
}

/// Everything that is known; `contact` is the time of contact as RFC 3339, or null.
pub(super) fn data(crash: &str, verdict: &Verdict, contact: &Json) -> Json {
    let delta_v = verdict.delta_v.map(|delta_v| {
        json!({
            "resultant_kmh": kmh(delta_v.resultant_mps),
            "x_kmh": delta_v.x_mps.map(kmh),
            "y_kmh": delta_v.y_mps.map(kmh),
            "uncertainty_kmh": kmh(delta_v.uncertainty_mps),
            "is_lower_bound": delta_v.is_lower_bound,
        })
    });
    let p_mais3 = verdict
        .mais3
        .map(|p| json!({ "value": rounded(p.value, 3), "low": rounded(p.low, 3), "high": rounded(p.high, 3) }));
    json!({
        "crash": crash,
        "stage": verdict.stage.name(),
        "contact": contact,
        "evidence": evidence(&verdict.evidence),
        "delta_v": delta_v,
        "pdof_deg": verdict.direction.map(|direction| rounded(direction.pdof_deg, 0)),
        "clock_direction": verdict.direction.map(|direction| direction.clock),
        "side": verdict.side.name(),
        "rollover": verdict.rollover,
        "impacts": verdict.impacts,
        "occupants": verdict.occupants.map(|(occupants, _)| occupants),
        "belted": verdict.occupants.map(|(_, belted)| belted),
        "p_mais3": p_mais3,
        "severity": verdict.severity.map(Severity::name),
    })
}

fn evidence(evidence: &Evidence) -> Json {
    let fired = Restraint::ALL.into_iter().filter(|restraint| evidence.restraints >> *restraint as u8 & 1 == 1);
    let restraints: Vec<&str> = fired.map(Restraint::name).collect();
    json!({
        "peak_mps2": evidence.peak_mps2.map(|peak| rounded(peak, 1)),
        "delta_v_150ms_kmh": evidence.delta_v_150ms_mps.map(kmh),
        "dwell_ms": evidence.dwell.map(millis),
        "saturated_ms": evidence.saturated.map(millis),
        "pulse_ms": evidence.pulse.map(millis),
        "restraints": restraints,
        "speed_lost_kmh": evidence.speed_lost_mps.map(kmh),
        "tilt_deg": evidence.tilt_deg.map(|tilt| rounded(tilt, 0)),
        "roll_rate_dps": evidence.roll_rate_dps.map(|rate| rounded(rate, 0)),
        "bus_silent": evidence.bus_silent,
    })
}

fn kmh(mps: f32) -> f64 {
    rounded(f64::from(mps) * KMH_PER_MPS, 1)
}

fn millis(span: Duration) -> u64 {
    u64::try_from(span.as_millis()).unwrap_or(u64::MAX)
}

fn rounded(value: impl Into<f64>, digits: i32) -> f64 {
    let factor = 10_f64.powi(digits);
    // A negative zero is a zero.
    (value.into() * factor).round() / factor + 0.0
}
