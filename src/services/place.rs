//! Where the car is, for services that must know. What they make of it travels in the location part of a record.

use crate::signals::At;

/// The last believed place.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Place {
    /// When the receiver said so.
    pub at: At,
    /// Degrees, north positive (WGS 84).
    pub latitude_deg: f64,
    /// Degrees, east positive (WGS 84).
    pub longitude_deg: f64,
    /// How far off it may be, horizontally, one sigma.
    pub accuracy_m: Option<f64>,
    /// Course over ground, degrees from true north; none at rest.
    pub course_deg: Option<f64>,
    /// The receiver speaks: it is where the car is now.
    pub is_fresh: bool,
}
