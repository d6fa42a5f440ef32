//! What the classifier is told.

use crate::can::BusId;

use super::sensor::SensorIx;

/// What one sensor reported for one instant: believed values in the car's axes, none on an axis that it lacks or whose
/// value was not available, out of range or in a frame that failed its check.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Sample {
    /// Which sensor.
    pub sensor: SensorIx,
    /// x, y, z in m/s² or °/s.
    pub axes: [Option<f32>; 3],
}

/// A non-reversible restraint, or the verdict of the airbag control unit itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Restraint {
    /// Frontal impact.
    Front,
    /// Impact from the left.
    Left,
    /// Impact from the right.
    Right,
    /// Impact from behind.
    Rear,
    /// Rollover.
    Rollover,
    /// The control unit says that something deployed, not what.
    Unspecified,
}

impl Restraint {
    /// All, in the order of the bits of a set of them.
    pub const ALL: [Self; 6] = [Self::Front, Self::Left, Self::Right, Self::Rear, Self::Rollover, Self::Unspecified];

    /// The name in documents and metrics.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Front => "front",
            Self::Left => "left",
            Self::Right => "right",
            Self::Rear => "rear",
            Self::Rollover => "rollover",
            Self::Unspecified => "unspecified",
        }
    }
}

/// Who sits where, as far as the car knows. The driver's seat is bit 0, then row by row from left to right.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Belts {
    /// Seats that have a sensor for an occupant.
    pub sensed: u16,
    /// Seats that are occupied.
    pub occupied: u16,
    /// Belts that are fastened.
    pub belted: u16,
}

/// One piece of evidence. Every value was `good` when it was handed in.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Observation {
    /// An accelerometer or a rate sensor.
    Sample(Sample),
    /// A frame of that sensor failed its check or held no value.
    SampleLost(SensorIx),
    /// Speed from the wheels in m/s, never negative.
    WheelSpeed(f32),
    /// Speed over ground from GNSS in m/s, never negative.
    GnssSpeed(f32),
    /// The brake pedal or the brake light switch is pressed.
    Braking(bool),
    /// The airbag control unit says that this happened (true), or takes it back (false).
    Restraint(Restraint, bool),
    /// Seats and belts.
    Belts(Belts),
    /// A bus that was talking is silent; its cyclic messages are overdue.
    BusSilent(BusId),
    /// It talks again.
    BusBack(BusId),
    /// The ignition is on.
    Ignition(bool),
}
