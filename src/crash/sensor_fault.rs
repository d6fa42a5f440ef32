//! Faults of sensors, told apart from crashes.

use crate::time::MonoTime;

use super::sensor::SensorIx;

/// What is wrong with an axis of a sensor.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum FaultKind {
    /// The same value for longer than a live sensor can repeat itself, or at the end of its range for longer than any
    /// crash lasts.
    Stuck,
    /// Its mean is off by more than driving, slopes and standing explain.
    ZeroShift,
    /// It swings to and fro, or jumps there and back, faster and wider than the car can.
    Resonance,
    /// It gives no value, or, of an accelerometer, nothing but zero, while others of the same sensor live.
    DeadAxis,
    /// What was wrong is over.
    Recovered,
}

impl FaultKind {
    /// The name in documents and metrics.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Stuck => "stuck",
            Self::ZeroShift => "zero_shift",
            Self::Resonance => "resonance",
            Self::DeadAxis => "dead_axis",
            Self::Recovered => "recovered",
        }
    }
}

/// A fault, or its end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SensorFault {
    /// Which sensor.
    pub sensor: SensorIx,
    /// 0, 1, 2 for x, y, z.
    pub axis: u8,
    /// What.
    pub kind: FaultKind,
    /// When it was noticed.
    pub at: MonoTime,
}
