//! What is delivered: one message up, from its making until its PUBACK.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::time::Stamp;

/// The classes of urgency, highest first. Order holds within a lane, not between lanes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Lane {
    /// Crash, assistance, eCall. Durable, never given up for another lane.
    Critical,
    /// What happened. Durable.
    Event,
    /// The last known state: only the newest of a group matters, so it is made anew instead of being stored.
    State,
    /// Sampled signals. In RAM while the link is healthy, durable once coverage is lost.
    Telemetry,
}

impl Lane {
    /// Every lane, highest first.
    pub const ALL: [Self; 4] = [Self::Critical, Self::Event, Self::State, Self::Telemetry];

    /// The name in record identifiers, metrics and store trees.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Critical => "critical",
            Self::Event => "event",
            Self::State => "state",
            Self::Telemetry => "telemetry",
        }
    }
}

/// One run of the daemon: a counter that grows with every start, and 32 random bits, so that a replaced flash, whose
/// counter starts again, does not repeat identifiers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct BootId {
    /// Starts of the daemon on this store, this one included.
    pub counter: u32,
    /// Drawn at start.
    pub random: u32,
}

/// Sixteen hex digits, the counter first.
impl fmt::Display for BootId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:08x}{:08x}", self.counter, self.random)
    }
}

/// The identity of a record: the CloudEvents `id`, stable across repeats, `<boot>-<lane>-<sequence>`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct RecordId {
    /// The run that made the record.
    pub boot: BootId,
    /// Its lane.
    pub lane: Lane,
    /// Counts from 1 within boot and lane without gaps, so that a consumer can see one.
    pub seq: u32,
}

impl fmt::Display for RecordId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}-{}", self.boot, self.lane.name(), self.seq)
    }
}

/// Where a record lies in the store: lane, then the order of making, across boots.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct StoreKey {
    /// The lane; each has a tree of its own.
    pub lane: Lane,
    /// Boot counter in the upper, sequence in the lower 32 bits. Big-endian on disk, so that order is order.
    pub position: u64,
}

impl RecordId {
    /// The place of this record in the store.
    #[must_use]
    pub const fn key(&self) -> StoreKey {
        StoreKey { lane: self.lane, position: ((self.boot.counter as u64) << 32) | self.seq as u64 }
    }
}

/// A message up, complete but for what only the moment of sending knows: the wall time, and whether privacy mode
/// lets the position out.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Record {
    /// Its identity.
    pub id: RecordId,
    /// The topic below the vehicle's root: `event/telltale.raised`, `state/energy`, `telemetry`.
    pub topic: String,
    /// The CloudEvents `type`, in reverse DNS form with a version.
    pub kind: String,
    /// The CloudEvents `subject`: the lamp, the group; none where the type says it all.
    pub subject: Option<String>,
    /// When it happened.
    pub stamp: Stamp,
    /// The CloudEvents `data`: a JSON object in text form, without any position.
    pub data: String,
    /// The parts of `data` that tell where the car is: a JSON object that is sent as the member `location` of
    /// `data`, or, in privacy mode, is not sent.
    pub location: Option<String>,
    /// The eCall record: the law wants the position whatever the privacy mode.
    pub statutory: bool,
}
