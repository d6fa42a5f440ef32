//! The minimum set of data: what a vehicle tells the rescue after a crash (EN 15722).
//!
//! Goals: versions 2 and 3, to bytes and back; every value in its unit and range, and what is unknown is absent.
//! No certified in-vehicle system: that would need a modem, a call and a type approval.
//!
//! Constraints: at most 140 bytes. Input from outside gives a value or an error that says what to do: [`Msd::decode`]
//! looks at no more than 140 bytes, each once.
//!
//! Format: the version byte, then a length and the content in ASN.1 unaligned packed encoding (UPER, X.691), as
//! `wire.rs` has it. What is written is canonical: what has its default value is left out. What is read may have it.
//!
//! Additional data, if any, carry an object identifier that says what they are. Those of Euro NCAP about the incident
//! have a type of their own, [`IncidentInformation`]; all others stay bytes.
//!
//! Operation: fill in an [`Msd`], [`Msd::encode`] it; a repeated message has the next message identifier. The JSON form
//! is that of serde, described in `docs/msd.md`.

mod additional;
mod codec;
mod error;
pub mod hex;
mod incident;
mod location;
#[cfg(test)]
mod tests;
mod vehicle;
mod vin;
mod wire;

use std::collections::BTreeSet;
use std::num::NonZeroU32;

use serde::{Deserialize, Serialize};

pub use additional::{AdditionalData, MAX_ADDITIONAL_DATA_BYTES, RelativeOid};
pub use error::{DecodeError, EncodeError, InvalidValue};
pub use incident::{DeltaV, ImpactLocation, IncidentInformation};
pub use location::{DELTA_STEP_MAS, Direction, Location, LocationDelta};
pub use vehicle::{Storage, VehicleType};
pub use vin::Vin;

/// The in-band modem carries no more (EN 15722; 3GPP TS 26.267).
pub const MAX_BYTES: usize = 140;

/// A minimum set of data.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Msd {
    /// The version of the standard's format.
    pub version: Version,
    /// 1 in the first message of an incident, one more in each that repeats it.
    pub message_identifier: u8,
    /// Who called for help.
    pub activation: Activation,
    /// Whether this is only a test.
    pub test_call: bool,
    /// Whether the position is within ±150 m with 95 % confidence.
    pub position_can_be_trusted: bool,
    /// The vehicle's category.
    pub vehicle_type: VehicleType,
    /// Which vehicle it is.
    pub vin: Vin,
    /// The energy storages on board; none where they are not known.
    pub propulsion: BTreeSet<Storage>,
    /// When the incident was, in seconds UTC since 1970.
    pub timestamp_s: Option<NonZeroU32>,
    /// Where the vehicle is.
    pub location: Option<Location>,
    /// Where it was heading.
    #[serde(rename = "direction_deg")]
    pub direction: Option<Direction>,
    /// Where it was before, seen from [`Self::location`]. Version 3 requires it.
    pub recent_location_n1: Option<LocationDelta>,
    /// Where it was before that, seen from there. Version 3 requires it.
    pub recent_location_n2: Option<LocationDelta>,
    /// How many are known to be on board at least, by belts and seats; what version 2 calls the number of passengers.
    pub occupants: Option<u8>,
    /// What else is known.
    pub additional_data: Option<AdditionalData>,
}

/// The versions of the format that are in use.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "u8", into = "u8")]
pub enum Version {
    /// EN 15722:2015.
    V2,
    /// EN 15722:2020.
    V3,
}

impl TryFrom<u8> for Version {
    type Error = InvalidValue;

    fn try_from(number: u8) -> Result<Self, InvalidValue> {
        match number {
            2 => Ok(Self::V2),
            3 => Ok(Self::V3),
            _ => Err(InvalidValue {
                field: "version",
                value: number.to_string(),
                range: "2 or 3",
                remedy: "send version 3 unless the rescue's end cannot read it",
            }),
        }
    }
}

impl From<Version> for u8 {
    fn from(version: Version) -> Self {
        match version {
            Version::V2 => 2,
            Version::V3 => 3,
        }
    }
}

/// Who called for help.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Activation {
    /// The vehicle: its airbags fired.
    Automatic,
    /// Somebody who pressed the button.
    Manual,
}
