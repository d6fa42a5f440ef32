//! The record: what this car always says, filled with what is known now.

use std::collections::BTreeSet;
use std::num::NonZeroU32;

use serde::{Deserialize, Serialize};
use serde_json::{Value as Json, json};

use crate::config::{DriverSide, EcallSettings, Propulsion, VehicleFacts};
use crate::crash::msd::{
    AdditionalData, DeltaV, EncodeError, ImpactLocation, IncidentInformation, Location, LocationDelta, Msd, Storage,
    VehicleType, Version, Vin, hex,
};
use crate::crash::{KMH_PER_MPS, Side, Stage, Verdict};
use crate::services::Cx;
use crate::services::moment::Moment;
use crate::time::MonoTime;

use super::inputs::Inputs;
use super::way::Way;
use super::{Incident, SAME_INCIDENT};

/// EN 15722: a position can be trusted within ±150 m at 95 %.
const TRUSTED_WITHIN_M: f64 = 150.0;

/// Twice the horizontal standard deviation (2 DRMS) holds the position in 95 to 98 % of the cases.
const SIGMAS_AT_95: f64 = 2.0;

/// What is measured in full is measured up to here: ±50 g over a pulse of 150 ms are 265 km/h, the field has 255.
const RANGE_LIMIT_KMH: u8 = 255;

const VIN_CHARACTERS: usize = 17;

/// How much a record says.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Merit {
    has_time: bool,
    has_position: bool,
    is_trusted: bool,
    /// The additional data, so that another grading is seen.
    incident: Option<IncidentInformation>,
}

impl Merit {
    pub(super) const NONE: Self = Self { has_time: false, has_position: false, is_trusted: false, incident: None };

    /// It says something that the other one does not; less of something else is no reason against it.
    pub(super) fn is_better_than(self, other: Self) -> bool {
        let has_more = |now: bool, before: bool| now && !before;
        has_more(self.has_time, other.has_time)
            || has_more(self.has_position, other.has_position)
            || has_more(self.is_trusted, other.is_trusted)
            || (self.incident.is_some() && self.incident != other.incident)
    }
}

/// What never changes.
#[derive(Debug)]
pub(super) struct Template {
    version: Version,
    vin: Vin,
    vehicle_type: VehicleType,
    propulsion: BTreeSet<Storage>,
    driver_side: DriverSide,
}

/// A record without its number.
#[derive(Debug)]
pub(super) struct Draft {
    msd: Msd,
    pub(super) merit: Merit,
}

/// A record as it is published.
pub(super) struct Encoded {
    pub(super) version: u8,
    pub(super) location: Json,
}

impl Template {
    pub(super) fn new(facts: &VehicleFacts, settings: &EcallSettings) -> Option<Self> {
        let vehicle_type = VehicleType::deserialize(Json::from(facts.category.as_str())).unwrap_or(VehicleType::Other);
        Some(Self {
            version: settings.version,
            vin: settings.vin.or_else(|| placeholder(facts.wmi.as_deref()))?,
            vehicle_type,
            propulsion: facts.propulsion.iter().map(|kind| storage(*kind)).collect(),
            driver_side: settings.driver_side,
        })
    }

    pub(super) fn fill(&self, cx: &Cx<'_>, inputs: &Inputs, way: &Way, incident: &Incident) -> Draft {
        let place = cx.place;
        let location = place.and_then(|place| Location::from_degrees(place.latitude_deg, place.longitude_deg).ok());
        let is_precise = |accuracy_m: f64| accuracy_m * SIGMAS_AT_95 <= TRUSTED_WITHIN_M;
        let is_trusted = place.is_some_and(|place| place.is_fresh && place.accuracy_m.is_some_and(is_precise));
        let timestamp_s = timestamp(cx, incident.at);
        let (recent_location_n1, recent_location_n2) = match location {
            Some(location) => way.back_from(location, cx.now),
            None => (LocationDelta::new(0, 0).ok(), LocationDelta::new(0, 0).ok()),
        };
        let information = incident.information;
        let merit = Merit {
            has_time: timestamp_s.is_some(),
            has_position: location.is_some(),
            is_trusted,
            incident: information,
        };
        let msd = Msd {
            version: self.version,
            message_identifier: 0,
            activation: incident.activation,
            test_call: false,
            position_can_be_trusted: is_trusted,
            vehicle_type: self.vehicle_type,
            vin: self.vin,
            propulsion: self.propulsion.clone(),
            timestamp_s,
            location,
            direction: way.direction(),
            recent_location_n1,
            recent_location_n2,
            occupants: inputs.occupants(cx.signals),
            additional_data: information.and_then(|information| AdditionalData::try_from(information).ok()),
        };
        Draft { msd, merit }
    }

    /// What a verdict comes to; none where the change of velocity was not measured in full.
    pub(super) fn information(&self, verdict: &Verdict) -> Option<IncidentInformation> {
        let delta_v = verdict.delta_v.filter(|delta_v| !delta_v.is_lower_bound)?;
        let delta_v = DeltaV::new(RANGE_LIMIT_KMH, kmh(delta_v.x_mps?), kmh(delta_v.y_mps?)).ok()?;
        let location_of_impact = match (verdict.side, self.driver_side) {
            (Side::Front, _) => ImpactLocation::Front,
            (Side::Rear, _) => ImpactLocation::Rear,
            (Side::Left, DriverSide::Left) | (Side::Right, DriverSide::Right) => ImpactLocation::DriverSide,
            (Side::Left, DriverSide::Right) | (Side::Right, DriverSide::Left) => ImpactLocation::NonDriverSide,
            (Side::Unknown, _) => ImpactLocation::Unknown,
        };
        Some(IncidentInformation { location_of_impact, rollover_detected: verdict.rollover, delta_v })
    }
}

impl Draft {
    /// Version 2 knows fewer types of vehicle: a car of another type is told in version 3, rather than not at all.
    pub(super) fn encode(self, message_identifier: u8) -> Result<Encoded, EncodeError> {
        let mut msd = Msd { message_identifier, ..self.msd };
        let bytes = match msd.encode() {
            Err(EncodeError::VehicleType { .. }) => {
                msd.version = Version::V3;
                msd.encode()?
            }
            other => other?,
        };
        let decoded = serde_json::to_value(&msd).unwrap_or(Json::Null);
        let location = json!({ "msd": { "hex": hex::encode(&bytes), "decoded": decoded } });
        Ok(Encoded { version: msd.version.into(), location })
    }
}

/// Seconds UTC of the incident.
fn timestamp(cx: &Cx<'_>, incident: Moment) -> Option<NonZeroU32> {
    let wall = match incident {
        Moment::Here(mono) => cx.clock.wall_at(mono)?.wall,
        Moment::Earlier(stamp) => stamp.wall?.wall,
    };
    u32::try_from(wall.as_unix_micros() / 1_000_000).ok().and_then(NonZeroU32::new)
}

/// What the classifier says of the crash of the incident, once it is graded.
pub(super) fn concerning<'a>(cx: &Cx<'a>, incident: Moment) -> Option<&'a Verdict> {
    let verdict = cx.verdict?;
    let is_near = |at: MonoTime| at.since(verdict.contact) + verdict.contact.since(at) < SAME_INCIDENT;
    let is_graded = matches!(verdict.stage, Stage::Graded | Stage::Corrected | Stage::Closed);
    (is_graded && incident.here().is_some_and(is_near)).then_some(verdict)
}

fn placeholder(wmi: Option<&str>) -> Option<Vin> {
    let zeros = "0".repeat(VIN_CHARACTERS);
    let with_wmi = format!("{}{}", wmi.unwrap_or_default(), zeros);
    let cut: String = with_wmi.chars().take(VIN_CHARACTERS).collect();
    cut.parse().or_else(|_| zeros.parse()).ok()
}

const fn storage(kind: Propulsion) -> Storage {
    match kind {
        Propulsion::Gasoline => Storage::Gasoline,
        Propulsion::Diesel => Storage::Diesel,
        Propulsion::Cng => Storage::CompressedNaturalGas,
        Propulsion::Lpg => Storage::LiquidPropaneGas,
        Propulsion::Electric => Storage::Electric,
        Propulsion::Hydrogen => Storage::Hydrogen,
        Propulsion::Other => Storage::Other,
    }
}

#[expect(clippy::cast_possible_truncation, reason = "clamped to nine bits")]
fn kmh(mps: f32) -> i16 {
    (f64::from(mps) * KMH_PER_MPS).round().clamp(-255.0, 255.0) as i16
}
