//! What is known of the buses as such: whether they are there, and how healthy their controllers are.

use std::time::Duration;

use serde_json::{Value as Json, json};
use tracing::{info, warn};

use crate::can::health::BusHealth;
use crate::can::{BusId, Frame};
use crate::services::Event;
use crate::time::MonoTime;

use super::BusEvent;

/// A bus with a loose contact changes its state many times a second: it is reported so often at most, with the number
/// of changes in between.
const REPORT_EVERY: Duration = Duration::from_secs(10);

/// The way to an interface.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Way {
    Unknown,
    Up,
    Down,
    Missing,
}

impl Way {
    const fn name(self) -> &'static str {
        match self {
            Self::Unknown => "unknown",
            Self::Up => "up",
            Self::Down => "down",
            Self::Missing => "missing",
        }
    }
}

#[derive(Debug)]
struct Bus {
    name: String,
    way: Way,
    health: BusHealth,
    dropped: u64,
    /// Changes since the last report.
    changes: u64,
    reported: Option<MonoTime>,
}

impl Bus {
    fn due(&self) -> Option<MonoTime> {
        let earliest = self.reported.map_or(MonoTime::ZERO, |last| last + REPORT_EVERY);
        (self.changes > 0).then_some(earliest)
    }

    fn describe(&self) -> Json {
        json!({ "interface": self.way.name(), "controller": self.controller() })
    }

    /// The state of the controller; nobody tells it while the interface is not up.
    const fn controller(&self) -> &'static str {
        match self.way {
            Way::Up => self.health.state().name(),
            Way::Unknown | Way::Down | Way::Missing => "unknown",
        }
    }
}

/// All buses of the profile.
#[derive(Debug)]
pub(super) struct Buses {
    buses: Vec<Bus>,
}

/// A bus in the metrics.
pub(super) struct BusFigures<'a> {
    pub(super) name: &'a str,
    pub(super) is_up: bool,
    pub(super) controller: &'static str,
    pub(super) dropped: u64,
    pub(super) overflows: u64,
    pub(super) errors: Vec<(&'static str, u64)>,
}

impl Buses {
    pub(super) fn new(names: impl Iterator<Item = String>) -> Self {
        let bus = |name| Bus {
            name,
            way: Way::Unknown,
            health: BusHealth::default(),
            dropped: 0,
            changes: 0,
            reported: None,
        };
        Self { buses: names.map(bus).collect() }
    }

    /// The profile's name for the bus.
    pub(super) fn name(&self, id: BusId) -> &str {
        self.buses.get(usize::from(id.0)).map_or("unknown", |bus| &bus.name)
    }

    /// An error frame; true when the state of the bus changed.
    pub(super) fn error_frame(&mut self, id: BusId, frame: &Frame) -> bool {
        let Some(bus) = self.buses.get_mut(usize::from(id.0)) else { return false };
        let is_changed = bus.health.observe(frame).is_some();
        bus.changes += u64::from(is_changed);
        is_changed
    }

    /// Something happened to the interface; true when that changed anything.
    pub(super) fn event(&mut self, id: BusId, event: &BusEvent) -> bool {
        let Some(bus) = self.buses.get_mut(usize::from(id.0)) else { return false };
        let way = match event {
            BusEvent::Up => Way::Up,
            BusEvent::Down => Way::Down,
            BusEvent::Missing => Way::Missing,
            BusEvent::Dropped(count) => {
                bus.dropped += u64::from(*count);
                return false;
            }
        };
        if way == bus.way {
            return false;
        }
        if way == Way::Up {
            info!(bus = bus.name, "CAN interface up");
        } else {
            warn!(bus = bus.name, state = way.name(), "CAN interface not up; waiting for it");
        }
        bus.way = way;
        if way == Way::Up {
            bus.health.reopened();
        }
        bus.changes += 1;
        true
    }

    /// The next change that is worth an event, now that its time has come.
    pub(super) fn poll_event(&mut self, now: MonoTime) -> Option<Event> {
        let bus = self.buses.iter_mut().find(|bus| bus.due().is_some_and(|due| due <= now))?;
        bus.reported = Some(now);
        let mut data = bus.describe();
        data["changes"] = std::mem::take(&mut bus.changes).into();
        Some(Event::new("bus.changed", now, data).about(&bus.name))
    }

    pub(super) fn poll_timeout(&self) -> Option<MonoTime> {
        self.buses.iter().filter_map(Bus::due).min()
    }

    /// By name: `{"powertrain":{"interface":"up","controller":"active"}}`.
    pub(super) fn describe(&self) -> Json {
        self.buses.iter().map(|bus| (bus.name.clone(), bus.describe())).collect::<serde_json::Map<_, _>>().into()
    }

    pub(super) fn figures(&self) -> impl Iterator<Item = BusFigures<'_>> {
        self.buses.iter().map(|bus| BusFigures {
            name: &bus.name,
            is_up: bus.way == Way::Up,
            controller: bus.controller(),
            dropped: bus.dropped,
            overflows: bus.health.overflows(),
            errors: bus.health.counts().collect(),
        })
    }
}
