//! Telltales: the lamp in the app is the lamp in the cluster.
//!
//! Every `Vehicle.Telltale.<Name>` of the profile is followed ([`crate::signals::overlay`] has names and colours). A
//! lamp is *shown* from when it has surely been lit until it has surely gone out; raised and cleared alternate for each.
//!
//! # Rules
//!
//! - Lit for [`RAISE_HOLD`], or three times shortly one after the other (a lamp whose raw blinking is on the bus):
//!   shown, since it was lit first. Dark for [`CLEAR_HOLD`]: gone, since it went dark.
//! - Bulb check: for [`BULB_CHECK`] after ignition on, nothing is raised or cleared. A lamp that stays lit is raised
//!   afterwards, with the time it came on. Lamps that stay lit until the engine runs ([`LIT_UNTIL_READY`]) are under
//!   check until the drive is ready, but not longer than [`UNREADY_CHECK_AT_MOST`].
//! - Ignition off: the cluster is dark for want of supply, which says nothing. Lamps stay as they were, as `stale`.
//! - A reading that is stale or invalid neither raises nor clears; the document says so.
//! - A loose contact does not spam: after [`FLICKER_RAISES`] raises within [`FLICKER_WINDOW`] a lamp is cleared only
//!   when it has been dark for [`FLICKER_WINDOW`]; `count` says how often it was lit.
//! - Lamps survive a restart: one that was lit before and is lit after is not raised again, one that went out meanwhile
//!   is cleared.
//!
//! Which lamps make events: the red and amber ones, except those that the driver switches himself
//! ([`DRIVERS_OWN`]), and lamps that the overlay does not know. The others are in the state only. Direction indicators
//! are in neither: at every corner the state would be sent twice.
//!
//! # Events
//!
//! The subject is the lamp's name. `telltale.raised`: its time is when the lamp came on. `color` and `meaning` are null
//! for a lamp that the overlay does not know; `mode` is `ON` or `FLASHING`.
//!
//! ```json
//! {"name": "EngineMalfunction", "color": "amber", "meaning": "engine or emission control failure (MIL)",
//!  "mode": "ON", "since": "2026-11-21T09:03:00.000Z"}
//! ```
//!
//! `telltale.changed`: a lamp that was shown as steady flashes now (a flashing engine lamp says that the catalyst is being
//! damaged); once for each time it is raised.
//!
//! ```json
//! {"name": "EngineMalfunction", "color": "amber", "mode": "FLASHING", "since": "2026-11-21T09:03:00.000Z"}
//! ```
//!
//! `telltale.cleared`: its time is when the lamp went out; `mode` is the last one that was seen.
//!
//! ```json
//! {"name": "EngineMalfunction", "color": "amber", "mode": "ON", "since": "2026-11-21T09:03:00.000Z",
//!  "duration_s": 312.5, "count": 1}
//! ```
//!
//! # State: member `telltales` of group `telltales`
//!
//! All lamps that are shown, `time` being when each came on, and under `doubtful` the quality of each lamp whose reading
//! is not good while the ignition is on.
//!
//! ```json
//! {"lit": {"EngineMalfunction": {"value": "ON", "color": "amber", "count": 1, "quality": "good",
//!                                "time": "2026-11-21T09:03:00.000Z"}},
//!  "doubtful": {"Abs": "stale"}, "quality": "stale"}
//! ```

mod lamp;

use std::time::Duration;

use serde::Deserialize;
use serde_json::{Map, Value as Json, json};

use crate::signals::overlay::LAMP_BRANCH;
use crate::signals::{Quality, SignalId, Signals};
use crate::time::MonoTime;

use super::moment::Moment;
use super::{Cx, DriveState, Event, Phase, Service, View, doc};
use lamp::{Lamp, Mode, Saved, Shown, Step};

/// A lamp must be lit so long: clusters pass through nonsense for a frame or two when a control unit resets.
pub const RAISE_HOLD: Duration = Duration::from_secs(1);

/// A lamp must be dark so long: longer than the dark half of any blinking (lamps flash at 1 to 2 Hz), and longer
/// than [`super::ignition::SUPPLY_HOLD`], so that a cluster that goes dark with the ignition clears nothing.
pub const CLEAR_HOLD: Duration = Duration::from_secs(3);

/// The lamps' self-test: 3 to 6 s in the cars we know; the airbag lamp is the last to go out.
pub const BULB_CHECK: Duration = Duration::from_secs(8);

/// These are lit until the engine runs: no oil pressure, no charging, and the emission laws' check of their own lamp.
pub const LIT_UNTIL_READY: [&str; 3] = ["BatteryCharge", "EngineMalfunction", "EngineOilPressure"];

/// Nobody sits longer with the ignition on and the engine off; and a profile may be unable to tell when it is ready.
pub const UNREADY_CHECK_AT_MOST: Duration = Duration::from_secs(600);

/// Red or amber, but lit by what somebody in the car does, not by a fault: in the state, without events.
pub const DRIVERS_OWN: [&str; 9] = [
    "DoorOpen",
    "EscOff",
    "GlowPlug",
    "HazardWarning",
    "Immobilizer",
    "ParkingBrake",
    "PassengerAirbagOff",
    "RearFog",
    "SeatBelt",
];

/// These lamps tell by flashing that a system works, not that it failed.
pub const FLASHES_IN_USE: [&str; 1] = ["Esc"];

/// In neither state nor events: they change at every corner.
pub const NOT_FOLLOWED: [&str; 2] = ["LeftTurn", "RightTurn"];

/// So many raises within [`FLICKER_WINDOW`] make a loose contact; at most so many pairs of events in that time.
pub const FLICKER_RAISES: usize = 3;

/// See [`FLICKER_RAISES`]: long enough that a rattling contact costs less than 20 pairs of events an hour.
pub const FLICKER_WINDOW: Duration = Duration::from_secs(600);

/// The service.
#[derive(Debug)]
pub struct Telltales {
    lamps: Vec<Lamp>,
    /// The first call: while the ignition is not known, a check may be going on.
    started: Option<MonoTime>,
    frozen: bool,
    deadline: Option<MonoTime>,
}

impl Telltales {
    /// Finds the lamps in the profile; none if it has none.
    #[must_use]
    pub fn new(signals: &Signals) -> Option<Self> {
        let lamps: Vec<_> = signals
            .iter()
            .filter_map(|(id, def, _)| def.path.strip_prefix(LAMP_BRANCH).map(|name| Lamp::new(id, name)))
            .filter(|lamp| !NOT_FOLLOWED.contains(&lamp.name.as_str()))
            .collect();
        (!lamps.is_empty()).then_some(Self { lamps, started: None, frozen: false, deadline: None })
    }

    /// Until when what this lamp shows may be the bulb check.
    fn check_end(lamp: &Lamp, drive: &DriveState, started: MonoTime) -> Option<MonoTime> {
        if drive.phase == Phase::Unknown {
            return Some(started + BULB_CHECK);
        }
        let on_since = drive.on_since?;
        let end = on_since + BULB_CHECK;
        Some(match drive.ready_since {
            _ if !lamp.lit_until_ready => end,
            Some(ready) => end.max(ready + BULB_CHECK),
            None => on_since + UNREADY_CHECK_AT_MOST,
        })
    }
}

impl Service for Telltales {
    fn name(&self) -> &'static str {
        "telltales"
    }

    fn group(&self) -> &'static str {
        "telltales"
    }

    fn interests(&self) -> Vec<SignalId> {
        self.lamps.iter().map(|lamp| lamp.id).collect()
    }

    fn update(&mut self, cx: &mut Cx<'_>) {
        let started = *self.started.get_or_insert(cx.now);
        let frozen = cx.drive.phase.is_off();
        if std::mem::replace(&mut self.frozen, frozen) != frozen {
            cx.out.state_changed = true;
        }
        self.deadline = None;
        for lamp in &mut self.lamps {
            cx.out.state_changed |= lamp.observe(cx.now, cx.signals);
            if frozen {
                continue;
            }
            let check_end = Self::check_end(lamp, &cx.drive, started).unwrap_or(cx.now);
            let steps = lamp.follow(cx.now, check_end, cx.drive.on_since);
            for step in steps.into_iter().flatten() {
                cx.out.state_changed = true;
                cx.out.save = true;
                let event = event(lamp, &step, cx);
                cx.out.events.extend(event);
            }
            let due = lamp.deadline(cx.now, check_end);
            self.deadline = [self.deadline, due].into_iter().flatten().min();
        }
    }

    fn deadline(&self) -> Option<MonoTime> {
        self.deadline
    }

    fn state(&self, view: &View<'_>) -> Json {
        let (mut lit, mut doubtful) = (Map::new(), Map::new());
        let quality = |lamp: &Lamp| if self.frozen { Quality::Stale } else { view.signals.get(lamp.id).quality };
        for lamp in &self.lamps {
            if let Some(shown) = &lamp.shown {
                let mut entry = doc::measured(shown.mode.name(), "", quality(lamp), view.time(shown.since.at()));
                entry["color"] = lamp.color();
                entry["count"] = shown.count.into();
                lit.insert(lamp.name.clone(), entry);
            }
            if !self.frozen && quality(lamp) != Quality::Good {
                doubtful.insert(lamp.name.clone(), quality(lamp).name().into());
            }
        }
        let all = doc::worst(self.lamps.iter().map(quality));
        json!({ "lit": lit, "doubtful": doubtful, "quality": all.name() })
    }

    fn save(&self, view: &View<'_>) -> Json {
        let shown: Vec<Saved> = self.lamps.iter().filter_map(|lamp| lamp.save(view)).collect();
        json!({ "lit": shown })
    }

    fn restore(&mut self, saved: &Json, view: &View<'_>) {
        for entry in saved["lit"].as_array().into_iter().flatten() {
            let Ok(entry) = Saved::deserialize(entry) else { continue };
            if let Some(lamp) = self.lamps.iter_mut().find(|lamp| lamp.name == entry.name) {
                lamp.restore(&entry, view);
            }
        }
    }
}

/// The event that tells of a step, for lamps that make events.
fn event(lamp: &Lamp, step: &Step, cx: &Cx<'_>) -> Option<Event> {
    if !lamp.makes_events() {
        return None;
    }
    let data = |shown: &Shown, mode: Mode| {
        json!({
            "name": lamp.name,
            "color": lamp.color(),
            "mode": mode.name(),
            "since": doc::time(cx.clock, shown.since.at()),
        })
    };
    let (kind, at, data) = match step {
        Step::Raised(shown) => {
            let mut data = data(shown, shown.mode);
            data["meaning"] = lamp.info.map_or(Json::Null, |info| info.meaning.into());
            ("telltale.raised", shown.since.here().unwrap_or(cx.now), data)
        }
        Step::Flashes(shown, since) => ("telltale.changed", *since, data(shown, Mode::Flashing)),
        Step::Cleared(shown, at) => {
            let mut data = data(shown, shown.mode);
            data["duration_s"] = doc::seconds(shown.since.until(*at, cx.clock));
            data["count"] = shown.count.into();
            ("telltale.cleared", *at, data)
        }
    };
    Some(Event::new(kind, at, data).about(&lamp.name).with_position())
}

#[cfg(test)]
mod tests;
