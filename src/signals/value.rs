//! A value never travels without its quality and its time.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::time::{MonoTime, WallTime};

/// A signal of the loaded profile: an index into its table, so that the hot path compares no names.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SignalId(pub u16);

/// A value in the signal's VSS unit.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub enum Value {
    /// VSS `boolean`.
    Bool(bool),
    /// VSS integer types.
    Int(i64),
    /// VSS `float` and `double`; always finite.
    Float(f64),
    /// VSS `string` with a set of allowed values: the index of one in the signal's definition.
    Label(u16),
}

impl Value {
    /// The value as a number; a bool is 0 or 1, a label has none.
    #[must_use]
    #[expect(clippy::cast_precision_loss, reason = "VSS integers that a car sends stay far below 2^53")]
    pub const fn as_f64(self) -> Option<f64> {
        match self {
            Self::Bool(on) => Some(if on { 1.0 } else { 0.0 }),
            Self::Int(value) => Some(value as f64),
            Self::Float(value) => Some(value),
            Self::Label(_) => None,
        }
    }

    /// The value as a switch; none for what is not a bool.
    #[must_use]
    pub const fn as_bool(self) -> Option<bool> {
        match self {
            Self::Bool(on) => Some(on),
            Self::Int(_) | Self::Float(_) | Self::Label(_) => None,
        }
    }
}

/// Why the newest word on a signal was not believed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Cause {
    /// The frame was shorter than the signal needs.
    Length,
    /// The frame's checksum was wrong.
    Checksum,
    /// The frame's alive counter stood still or jumped.
    Counter,
    /// The sender said that it has no value (signal not available).
    NotAvailable,
    /// The value lies outside the signal's range.
    OutOfRange,
    /// The raw value has no meaning in the profile's value mapping.
    Unmapped,
}

impl Cause {
    /// Every cause, in the order of its number.
    pub const ALL: [Self; 6] =
        [Self::Length, Self::Checksum, Self::Counter, Self::NotAvailable, Self::OutOfRange, Self::Unmapped];

    /// The name in metrics and payloads.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Length => "length",
            Self::Checksum => "checksum",
            Self::Counter => "counter",
            Self::NotAvailable => "not_available",
            Self::OutOfRange => "out_of_range",
            Self::Unmapped => "unmapped",
        }
    }
}

/// How far a value can be trusted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Quality {
    /// Received in time, checked, in range.
    Good,
    /// Its message stopped for longer than the profile allows, or the value is from before the restart.
    Stale,
    /// The newest word was not believed; the value is the last good one.
    Invalid(Cause),
}

impl Quality {
    /// The name in payloads: `good`, `stale`, `invalid`.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Good => "good",
            Self::Stale => "stale",
            Self::Invalid(_) => "invalid",
        }
    }
}

/// When a value was true: in this run's time, or, restored from an earlier one, in wall time if that was known.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum At {
    /// A moment of this kernel boot.
    Mono(MonoTime),
    /// A moment of an earlier boot.
    Wall(WallTime),
    /// An earlier boot that never learnt the time.
    Unknown,
}

/// The last good value of a signal and what became of it.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Reading {
    /// The last good value; none when there has never been one.
    pub value: Option<Value>,
    /// Whether it still holds.
    pub quality: Quality,
    /// When it was received.
    pub at: At,
}

impl Reading {
    /// The value, if it is good now.
    #[must_use]
    pub const fn good(&self) -> Option<Value> {
        match self.quality {
            Quality::Good => self.value,
            Quality::Stale | Quality::Invalid(_) => None,
        }
    }

    /// The number, if it is good now.
    #[must_use]
    pub fn good_f64(&self) -> Option<f64> {
        self.good().and_then(Value::as_f64)
    }

    /// The switch, if it is good now.
    #[must_use]
    pub fn good_bool(&self) -> Option<bool> {
        self.good().and_then(Value::as_bool)
    }

    /// How old a value of this boot is.
    #[must_use]
    pub const fn age(&self, now: MonoTime) -> Option<Duration> {
        match self.at {
            At::Mono(at) => Some(now.since(at)),
            At::Wall(_) | At::Unknown => None,
        }
    }
}
