//! What happens after a crash: the sections `[assistance]` and `[ecall]` of the deployment file.

use std::time::Duration;

use crate::crash::Severity;
use crate::crash::msd::{Version, Vin};

use super::document::Section;

/// How long somebody who is asked has for an answer: at least as long as it takes to find a phone under the seat, at
/// most as long as a call for help can wait.
const ANSWER_S: (i64, i64) = (10, 600);

/// What happens after a crash.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Emergency {
    /// The offer of help.
    pub assistance: AssistanceSettings,
    /// The eCall record.
    pub ecall: EcallSettings,
}

/// The eCall record.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct EcallSettings {
    /// Which vehicle it is.
    pub vin: Option<Vin>,
    /// The version of EN 15722 that the rescue's end reads.
    pub version: Version,
    /// Where the driver sits.
    pub driver_side: DriverSide,
}

impl Default for EcallSettings {
    /// The present standard, and the steering wheel of most countries.
    fn default() -> Self {
        Self { vin: None, version: Version::V3, driver_side: DriverSide::Left }
    }
}

/// The side of the steering wheel.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DriverSide {
    /// Left-hand drive.
    Left,
    /// Right-hand drive.
    Right,
}

/// The offer of help after a crash.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AssistanceSettings {
    /// Help is offered from this severity on.
    pub threshold: Severity,
    /// The owner has so long for an answer.
    pub owner_answers_within: Duration,
    /// The emergency contact has so long for an answer.
    pub contact_answers_within: Duration,
}

impl Default for AssistanceSettings {
    /// Injury is possible; a minute for somebody in the car, two for somebody elsewhere.
    fn default() -> Self {
        Self {
            threshold: Severity::Moderate,
            owner_answers_within: Duration::from_secs(60),
            contact_answers_within: Duration::from_secs(120),
        }
    }
}

/// The VIN under `[vehicle]`; none also where it is wrong, which has been noted then.
pub(super) fn vin(section: &Section<'_>) -> Option<Vin> {
    let entry = section.text("vin")?;
    entry.value.parse().inspect_err(|why| section.wrong(entry.line, why)).ok()
}

pub(super) fn read(root: &Section<'_>, vin: Option<Vin>) -> Option<Emergency> {
    let assistance = root.section("assistance");
    let assistance = assistance.map_or_else(|| Some(AssistanceSettings::default()), self::assistance)?;
    let ecall = root.section("ecall").map_or_else(|| Some(EcallSettings::default()), ecall)?;
    Some(Emergency { assistance, ecall: EcallSettings { vin, ..ecall } })
}

fn ecall(section: Section<'_>) -> Option<EcallSettings> {
    let default = EcallSettings::default();
    let version = match section.int("msd_version", 2, 3).map(|entry| entry.value) {
        Some(2) => Version::V2,
        _ => default.version,
    };
    let driver_side = match section.text("driver_side") {
        None => Some(default.driver_side),
        Some(entry) => match entry.value {
            "left" => Some(DriverSide::Left),
            "right" => Some(DriverSide::Right),
            _ => {
                section.wrong(entry.line, "driver_side must be \"left\" or \"right\"");
                None
            }
        },
    };
    section.finish();
    Some(EcallSettings { vin: None, version, driver_side: driver_side? })
}

fn assistance(section: Section<'_>) -> Option<AssistanceSettings> {
    let default = AssistanceSettings::default();
    let threshold = section.text("threshold");
    let threshold = match threshold {
        None => (!section.has("threshold")).then_some(default.threshold),
        Some(entry) => {
            let known = Severity::ALL.into_iter().find(|severity| severity.name() == entry.value);
            if known.is_none() {
                section.wrong(entry.line, "threshold must be \"minor\", \"moderate\" or \"serious\"");
            }
            known
        }
    };
    let seconds = |key: &'static str, default: Duration| {
        let entry = section.int(key, ANSWER_S.0, ANSWER_S.1);
        entry.and_then(|entry| u64::try_from(entry.value).ok()).map_or(default, Duration::from_secs)
    };
    let owner_answers_within = seconds("owner_answers_within_s", default.owner_answers_within);
    let contact_answers_within = seconds("contact_answers_within_s", default.contact_answers_within);
    section.finish();
    Some(AssistanceSettings { threshold: threshold?, owner_answers_within, contact_answers_within })
}
