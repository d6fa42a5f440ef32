//! What the other services need to know of the whole car; [`super::Ignition`] makes it.

use serde::{Deserialize, Serialize};

use crate::time::MonoTime;

/// What the car is doing, least first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Phase {
    /// Nothing was heard yet.
    Unknown,
    /// Off, locked or asleep.
    Off,
    /// Only the comfort supply is on.
    Accessory,
    /// The ignition is on; the drive was not ready yet.
    On,
    /// Engine or electric drive can move the car.
    Ready,
    /// It drives, or stands at a traffic light.
    Driving,
}

impl Phase {
    /// The ignition is on.
    #[must_use]
    pub const fn is_on(self) -> bool {
        matches!(self, Self::On | Self::Ready | Self::Driving)
    }

    /// The ignition is known to be off: what the instruments show says nothing now.
    #[must_use]
    pub const fn is_off(self) -> bool {
        matches!(self, Self::Off | Self::Accessory)
    }

    /// The name in payloads.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Unknown => "unknown",
            Self::Off => "off",
            Self::Accessory => "accessory",
            Self::On => "on",
            Self::Ready => "ready",
            Self::Driving => "driving",
        }
    }
}

/// Whether the wheels turn.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Motion {
    /// The profile has no speed, or its message stopped.
    Unknown,
    /// They stand since then.
    Standing(MonoTime),
    /// They turn since then.
    Moving(MonoTime),
}

/// What the other services need to know of the whole car.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DriveState {
    /// What the car is doing.
    pub phase: Phase,
    /// When the ignition was switched on; none while it is not on.
    pub on_since: Option<MonoTime>,
    /// When engine or electric drive became ready; none while they are not.
    pub ready_since: Option<MonoTime>,
    /// Whether the wheels turn.
    pub motion: Motion,
}
