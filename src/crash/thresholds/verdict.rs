//! What is said of an event: how sure, to which side, how severe, and when it is said again.

/// ΔV changes by less than this share, and it is not said again.
pub const MATERIAL_SHARE: f32 = 0.10;

/// ΔV changes by less than this, and it is not said again, in m/s.
pub const MATERIAL_DELTA_V_MPS: f32 = 0.5;

/// Corrections of one event; later ones wait for the last word.
pub const MAX_CORRECTIONS: u8 = 12;

/// Standard uncertainty of a sensor's scale, as a share, with what mounting and structure add (assumed: no data sheet of
/// a car's sensor stands behind it).
pub const SCALE_UNCERTAINTY: f32 = 0.04;

/// Standard uncertainty of a calibrated offset in m/s².
pub const OFFSET_UNCERTAINTY_MPS2: f32 = 0.5;

/// Standard uncertainty of a change of speed from the wheels while they may lock or spin, in m/s.
pub const WHEEL_UNCERTAINTY_MPS: f32 = 1.0;

/// A force comes from the front up to so far off straight ahead, in °: half a right angle, so that each of the four sides has
/// a quarter of all directions (assumed).
pub const FRONT_WITHIN_DEG: f32 = 45.0;

/// And from the rear from so far on (see [`FRONT_WITHIN_DEG`]).
pub const REAR_FROM_DEG: f32 = 135.0;

/// An injury of MAIS 3+ as probable as this is *serious*: so 53 % of the serious ones are found, and 5 % of the others
/// (the fit on NASS/CDS that `severity.rs` describes).
pub const SERIOUS_FROM: f32 = 0.10;

/// From this probability on it is *moderate*: belted in a frontal impact this is 20 mph, where nine of ten frontal airbags have
/// fired (NASS/CDS field study).
pub const MODERATE_FROM: f32 = 0.02;
