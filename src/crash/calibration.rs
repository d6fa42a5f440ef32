//! What driving teaches about a sensor: the sign of its axes and their offset; and what was heard of the restraints.
//!
//! Learnt on the x axis against the derivative of the wheels' speed, on the y axis against speed × yaw rate, offsets
//! from the same comparison. What has been learnt is kept over restarts by the caller.

use serde::{Deserialize, Serialize};

use super::classifier::Restraints;

/// What is known of one axis.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize)]
pub struct AxisCalibration {
    /// +1 or −1 to multiply readings with; none until driving has shown it.
    pub sign: Option<i8>,
    /// What the sensor reads too much, before its sign is applied, in m/s².
    pub offset_mps2: f32,
    /// Comparisons that stand behind it, capped.
    pub weight: f32,
}

/// What is known of one sensor, by its name in the profile.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct SensorCalibration {
    /// The name in the profile.
    pub name: String,
    /// x, y, z.
    pub axes: [AxisCalibration; 3],
}

/// What is known of all sensors of a car.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct Calibration {
    /// In the profile's order.
    pub sensors: Vec<SensorCalibration>,
    /// Which restraints have not fired yet.
    #[serde(default)]
    pub restraints: Restraints,
}
