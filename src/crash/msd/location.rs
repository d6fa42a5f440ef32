//! Where the vehicle is, where it was, and which way it goes.

use serde::{Deserialize, Serialize};

use super::InvalidValue;

/// A degree is 3600 seconds of arc of 1000 milliarcseconds (mas); 1 mas is 31 mm on the ground.
const MAS_PER_DEG: f64 = 3_600_000.0;
/// ±90°.
const MAX_LATITUDE_MAS: i32 = 324_000_000;
/// ±180°.
const MAX_LONGITUDE_MAS: i32 = 648_000_000;
/// The unit of a difference between two places, 3.1 m on the ground.
pub const DELTA_STEP_MAS: i32 = 100;
/// Ten bits with a sign, in steps: 1.6 km on the ground.
const MIN_DELTA_MAS: i32 = -512 * DELTA_STEP_MAS;
const MAX_DELTA_MAS: i32 = 511 * DELTA_STEP_MAS;
/// The unit of the direction.
pub(super) const DIRECTION_STEP_DEG: u16 = 2;

/// A place on WGS 84, in milliarcseconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "LocationForm", into = "LocationForm")]
pub struct Location {
    latitude_mas: i32,
    longitude_mas: i32,
}

impl Location {
    /// From milliarcseconds, north and east positive.
    pub fn new(latitude_mas: i32, longitude_mas: i32) -> Result<Self, InvalidValue> {
        let is_within = |value: i32, limit: i32| (-limit..=limit).contains(&value);
        if !is_within(latitude_mas, MAX_LATITUDE_MAS) {
            return Err(bad_latitude(latitude_mas.to_string()));
        }
        if !is_within(longitude_mas, MAX_LONGITUDE_MAS) {
            return Err(bad_longitude(longitude_mas.to_string()));
        }
        Ok(Self { latitude_mas, longitude_mas })
    }

    /// From degrees, north and east positive, to the nearest milliarcsecond.
    pub fn from_degrees(latitude_deg: f64, longitude_deg: f64) -> Result<Self, InvalidValue> {
        let latitude_mas = milliarcseconds(latitude_deg).ok_or_else(|| bad_latitude(format!("{latitude_deg}°")))?;
        let longitude_mas = milliarcseconds(longitude_deg).ok_or_else(|| bad_longitude(format!("{longitude_deg}°")))?;
        Self::new(latitude_mas, longitude_mas)
    }

    /// North positive.
    #[must_use]
    pub const fn latitude_mas(self) -> i32 {
        self.latitude_mas
    }

    /// East positive.
    #[must_use]
    pub const fn longitude_mas(self) -> i32 {
        self.longitude_mas
    }
}

/// Nothing where no field could hold it.
fn milliarcseconds(degrees: f64) -> Option<i32> {
    let mas = (degrees * MAS_PER_DEG).round();
    if mas.abs() > f64::from(MAX_LONGITUDE_MAS) || mas.is_nan() {
        return None;
    }
    #[expect(clippy::cast_possible_truncation, reason = "whole, and the range is checked just before")]
    Some(mas as i32)
}

fn bad_latitude(value: String) -> InvalidValue {
    InvalidValue {
        field: "location.latitude_mas",
        value,
        range: "from -324000000 to 324000000 mas (±90°)",
        remedy: "leave the location out when it is unknown",
    }
}

fn bad_longitude(value: String) -> InvalidValue {
    InvalidValue {
        field: "location.longitude_mas",
        value,
        range: "from -648000000 to 648000000 mas (±180°)",
        remedy: "leave the location out when it is unknown",
    }
}

/// The JSON form of a [`Location`].
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct LocationForm {
    latitude_mas: i32,
    longitude_mas: i32,
}

impl TryFrom<LocationForm> for Location {
    type Error = InvalidValue;

    fn try_from(form: LocationForm) -> Result<Self, InvalidValue> {
        Self::new(form.latitude_mas, form.longitude_mas)
    }
}

impl From<Location> for LocationForm {
    fn from(location: Location) -> Self {
        Self { latitude_mas: location.latitude_mas, longitude_mas: location.longitude_mas }
    }
}

/// The way from a later place to an earlier one: what to add to the later one to come to the earlier one, in
/// milliarcseconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "DeltaForm", into = "DeltaForm")]
pub struct LocationDelta {
    latitude_mas: i32,
    longitude_mas: i32,
}

impl LocationDelta {
    /// From milliarcseconds, north and east positive, in steps of [`DELTA_STEP_MAS`].
    pub fn new(latitude_mas: i32, longitude_mas: i32) -> Result<Self, InvalidValue> {
        let is_valid = |mas: i32| (MIN_DELTA_MAS..=MAX_DELTA_MAS).contains(&mas) && mas % DELTA_STEP_MAS == 0;
        if !is_valid(latitude_mas) {
            return Err(bad_delta("latitude_delta_mas", latitude_mas.into()));
        }
        if !is_valid(longitude_mas) {
            return Err(bad_delta("longitude_delta_mas", longitude_mas.into()));
        }
        Ok(Self { latitude_mas, longitude_mas })
    }

    /// From the later place to the earlier one, to the nearest step, and across the 180th meridian where that is the
    /// shorter way. Fails where they are farther apart than the field reaches, some 1.6 km.
    pub fn between(later: Location, earlier: Location) -> Result<Self, InvalidValue> {
        let half_turn = i64::from(MAX_LONGITUDE_MAS);
        let latitude = i64::from(earlier.latitude_mas) - i64::from(later.latitude_mas);
        let longitude = i64::from(earlier.longitude_mas) - i64::from(later.longitude_mas);
        let longitude = (longitude + half_turn).rem_euclid(2 * half_turn) - half_turn;
        Self::new(nearest_step("latitude_delta_mas", latitude)?, nearest_step("longitude_delta_mas", longitude)?)
    }

    /// North positive.
    #[must_use]
    pub const fn latitude_mas(self) -> i32 {
        self.latitude_mas
    }

    /// East positive.
    #[must_use]
    pub const fn longitude_mas(self) -> i32 {
        self.longitude_mas
    }
}

fn nearest_step(field: &'static str, mas: i64) -> Result<i32, InvalidValue> {
    let step = i64::from(DELTA_STEP_MAS);
    let nearest = (mas + step / 2).div_euclid(step) * step;
    i32::try_from(nearest).map_err(|_| bad_delta(field, mas))
}

fn bad_delta(field: &'static str, mas: i64) -> InvalidValue {
    InvalidValue {
        field,
        value: mas.to_string(),
        range: "a multiple of 100 from -51200 to 51100 mas",
        remedy: "give a place less than 1.5 km from the one before",
    }
}

/// The JSON form of a [`LocationDelta`].
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct DeltaForm {
    latitude_delta_mas: i32,
    longitude_delta_mas: i32,
}

impl TryFrom<DeltaForm> for LocationDelta {
    type Error = InvalidValue;

    fn try_from(form: DeltaForm) -> Result<Self, InvalidValue> {
        Self::new(form.latitude_delta_mas, form.longitude_delta_mas)
    }
}

impl From<LocationDelta> for DeltaForm {
    fn from(delta: LocationDelta) -> Self {
        Self { latitude_delta_mas: delta.latitude_mas, longitude_delta_mas: delta.longitude_mas }
    }
}

/// The direction of travel, clockwise from north, in steps of 2°.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "u16", into = "u16")]
pub struct Direction {
    degrees: u16,
}

impl Direction {
    /// From even degrees, 0 to 358.
    pub fn new(degrees: u16) -> Result<Self, InvalidValue> {
        if degrees >= 360 || !degrees.is_multiple_of(DIRECTION_STEP_DEG) {
            return Err(bad_direction(degrees.to_string()));
        }
        Ok(Self { degrees })
    }

    /// From a course in degrees, any number of turns, to the nearest step.
    pub fn from_degrees(course_deg: f64) -> Result<Self, InvalidValue> {
        if !course_deg.is_finite() {
            return Err(bad_direction(course_deg.to_string()));
        }
        let steps = (course_deg.rem_euclid(360.0) / f64::from(DIRECTION_STEP_DEG)).round();
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "whole, from 0 to 180")]
        let steps = steps as u16;
        Self::new(steps * DIRECTION_STEP_DEG % 360)
    }

    /// Degrees, even, 0 to 358.
    #[must_use]
    pub const fn degrees(self) -> u16 {
        self.degrees
    }
}

fn bad_direction(value: String) -> InvalidValue {
    InvalidValue {
        field: "direction_deg",
        value,
        range: "an even number of degrees from 0 to 358",
        remedy: "leave the direction out when it is unknown",
    }
}

impl TryFrom<u16> for Direction {
    type Error = InvalidValue;

    fn try_from(degrees: u16) -> Result<Self, InvalidValue> {
        Self::new(degrees)
    }
}

impl From<Direction> for u16 {
    fn from(direction: Direction) -> Self {
        direction.degrees
    }
}
