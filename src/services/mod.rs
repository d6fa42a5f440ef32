//! What the owner was promised: one file, one small state machine per service.
//!
//! Signals and time go in; events and state come out. A service owns no clock, no queue and no topic: the gateway calls
//! it when a signal that it is interested in changed or when its deadline has come, sends its events, and asks for its
//! state when it says that the state changed.
//!
//! [`Ignition`] comes first in every round: what the car is doing as a whole ([`DriveState`]) is handed to the others in
//! [`Cx::drive`]. After a change of it every service is called, whatever its interests.
//!
//! State documents are JSON objects in snake_case. What was measured stands in an object of its own,
//! `{"value": 63, "unit": "percent", "quality": "good", "time": "2026-11-21T09:00:00.000Z"}`: `unit` only where VSS has
//! one, `quality` is `good`, `stale` or `invalid`, `time` is null while the wall time is not known. Durations in the
//! data of events are in seconds; null says that the clock was not known at one of the ends.

pub mod assistance;
pub mod body;
mod debounce;
mod doc;
mod drive;
pub mod ecall;
pub mod fuel;
mod hysteresis;
pub mod ignition;
mod moment;
pub mod odometer;
pub mod owner;
pub mod place;
pub mod telltales;
#[cfg(test)]
mod testkit;
pub mod traction_battery;

use serde_json::Value as Json;

use crate::config::{Emergency, VehicleFacts};
use crate::crash::Verdict;
use crate::delivery::{BootId, Lane};
use crate::signals::{At, SignalId, Signals};
use crate::time::{Clock, KernelBoot, MonoTime, Stamp};

pub use assistance::Assistance;
pub use body::Body;
pub use drive::{DriveState, Motion, Phase};
pub use ecall::Ecall;
pub use fuel::Fuel;
pub use ignition::Ignition;
pub use moment::Moment;
pub use odometer::Odometer;
pub use owner::{Answer, OwnerInput, Settings};
pub use place::Place;
pub use telltales::Telltales;
pub use traction_battery::TractionBattery;

/// What a service sees and where it writes, for one call.
pub struct Cx<'a> {
    /// The time of the input that is being handled.
    pub now: MonoTime,
    /// All current readings.
    pub signals: &'a Signals,
    /// What the car is doing as a whole. [`Ignition`] itself, which makes it, does not look at it.
    pub drive: DriveState,
    /// Turns monotonic time into wall time, where it is known: for spans that began before a restart.
    pub clock: &'a Clock,
    /// This run of the daemon.
    pub boot: BootId,
    /// The last word of the crash classifier in this run; stays until the next one. Every service is called for it.
    pub verdict: Option<&'a Verdict>,
    /// What the owner has settled. Every service is called when it changes.
    pub settings: Settings,
    /// That they say of help after a crash is the owner's word, and no guess for want of it.
    pub knows_owner: bool,
    /// What the owner, or another who was asked, answers in this round. Every service is called for it.
    pub answer: Option<&'a Answer>,
    /// A crash of an earlier run that nobody was told of, in the round in which it is told. Every service is called for it.
    pub recovered: Option<&'a Recovered>,
    /// The last of them was told, in this round or before: the black box is open, or cannot be opened.
    pub has_recalled: bool,
    /// The last believed place, however old.
    pub place: Option<Place>,
    /// What comes of it.
    pub out: &'a mut Output,
}

/// A crash that an earlier run has confirmed, and of which the power or the daemon's end kept it from telling.
#[derive(Debug, Clone, PartialEq)]
pub struct Recovered {
    /// What it is called: [`crash_id`] in that run.
    pub crash: String,
    /// The last word on it. Its times are of that run.
    pub verdict: Verdict,
    /// Its contact.
    pub at: Moment,
}

/// What a crash is called, in every message about it and across restarts: `<boot>-crash-<event>`.
#[must_use]
pub fn crash_id(boot: BootId, event: u32) -> String {
    format!("{boot}-crash-{event}")
}

/// What came of one call.
#[derive(Debug, Default)]
pub struct Output {
    /// What happened, in order.
    pub events: Vec<Event>,
    /// The state document of this service is different from the last one that was asked for.
    pub state_changed: bool,
    /// What [`Service::save`] returns is different from the last time, and worth a write to flash.
    pub save: bool,
    /// The same, and it does not wait for the next event: what would be lost is needed soon.
    pub save_now: bool,
}

/// Something that happened, on its way to `event/<kind>`.
#[derive(Debug, Clone, PartialEq)]
pub struct Event {
    /// The last part of topic and type: `telltale.raised`.
    pub kind: &'static str,
    /// What it is about, where there are several: the telltale's name.
    pub subject: Option<String>,
    /// [`Lane::Event`], or [`Lane::Critical`] for what saves lives.
    pub lane: Lane,
    /// When it happened, which may be before it was recognised.
    pub at: MonoTime,
    /// A JSON object. Never holds a position: see `with_position`.
    pub data: Json,
    /// The gateway adds the last fix, unless privacy mode is on, or was on when that was received.
    pub with_position: bool,
    /// The part of the record that tells the position, in a record that the law wants whatever the privacy mode.
    pub statutory: Option<Json>,
}

impl Event {
    /// An event of [`Lane::Event`] about the vehicle as a whole, without a position.
    #[must_use]
    pub const fn new(kind: &'static str, at: MonoTime, data: Json) -> Self {
        Self { kind, subject: None, lane: Lane::Event, at, data, with_position: false, statutory: None }
    }

    /// The same about one of several.
    #[must_use]
    pub fn about(self, subject: &str) -> Self {
        Self { subject: Some(subject.to_owned()), ..self }
    }

    /// The same with the place: see `with_position`.
    #[must_use]
    pub fn with_position(self) -> Self {
        Self { with_position: true, ..self }
    }
}

/// What a state document is made with.
pub struct View<'a> {
    /// The time of the document.
    pub now: MonoTime,
    /// This boot.
    pub boot: KernelBoot,
    /// All current readings.
    pub signals: &'a Signals,
    /// Turns monotonic time into wall time, where it is known.
    pub clock: &'a Clock,
}

impl View<'_> {
    /// The wall time of `at` as RFC 3339, or JSON null while it is not known.
    #[must_use]
    pub fn time(&self, at: At) -> Json {
        doc::time(self.clock, at)
    }

    /// A stamp of a moment, to be saved and read in a later boot.
    #[must_use]
    pub fn stamp(&self, mono: MonoTime) -> Stamp {
        Stamp { boot: self.boot, mono, wall: self.clock.wall_at(mono) }
    }
}

/// One connected service.
pub trait Service {
    /// The member of the state document, and the name under which [`Self::save`] is kept.
    fn name(&self) -> &'static str;

    /// The state group that the document belongs to: `energy`, `body`, …
    fn group(&self) -> &'static str;

    /// The signals whose changes it wants to see; asked once.
    fn interests(&self) -> Vec<SignalId>;

    /// A signal of interest or the drive state changed, or the deadline has come, or none of it: must do no harm when
    /// called for nothing. Called once at the start, after [`Self::restore`], so that it can set its deadline.
    fn update(&mut self, cx: &mut Cx<'_>);

    /// When it wants to be called next, though nothing changes.
    fn deadline(&self) -> Option<MonoTime>;

    /// The current state: a JSON object; every value with its quality and source time. No position.
    fn state(&self, view: &View<'_>) -> Json;

    /// What must survive a restart, as small as can be; null leaves what was saved before. Times in it are [`Stamp`]s;
    /// to save once more when the wall time becomes known gives those of this boot a wall time.
    fn save(&self, view: &View<'_>) -> Json;

    /// Takes back what [`Self::save`] gave in an earlier run; called at most once, before the first update. What it
    /// cannot read it ignores: a newer version may have written it.
    fn restore(&mut self, saved: &Json, view: &View<'_>);

    /// The store has opened only now, after updates without it: takes back of what [`Self::save`] gave in an earlier run
    /// what people wait for, beside what this run has made. Most services have gone on without.
    fn rejoin(&mut self, _saved: &Json, _view: &View<'_>) {}

    /// It knows of a crash what must not be forgotten, and what nothing but its saved state tells: while that is not
    /// durable, the black box keeps the record.
    fn holds(&self) -> bool {
        false
    }
}

/// The services of a car.
pub struct Services {
    /// Called first in every round, and all others after a change of [`Ignition::drive`].
    pub ignition: Ignition,
    /// Those whose signals the profile has, in the order of their names.
    pub others: Vec<Box<dyn Service>>,
}

/// Builds each service whose signals the profile has, and those that need none.
#[must_use]
pub fn all(signals: &Signals, facts: &VehicleFacts, emergency: &Emergency) -> Services {
    let boxed: [Option<Box<dyn Service>>; 7] = [
        Some(Box::new(Assistance::new(emergency.assistance))),
        Body::new(signals).map(|service| Box::new(service) as _),
        Ecall::new(signals, facts, &emergency.ecall).map(|service| Box::new(service) as _),
        Fuel::new(signals, facts.tank_capacity_l).map(|service| Box::new(service) as _),
        Odometer::new(signals).map(|service| Box::new(service) as _),
        Telltales::new(signals).map(|service| Box::new(service) as _),
        TractionBattery::new(signals, facts.battery_gross_kwh).map(|service| Box::new(service) as _),
    ];
    Services { ignition: Ignition::new(signals), others: boxed.into_iter().flatten().collect() }
}

#[cfg(test)]
mod tests;
