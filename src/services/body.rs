//! Body: what is open, what is locked, who is belted.
//!
//! # Inputs, as far as the profile has them
//!
//! | signals | name in the document |
//! |---|---|
//! | `Vehicle.Cabin.Door.*.IsOpen`, `….Window.IsOpen` | `Door.Row1.DriverSide`, `Door.Row1.DriverSide.Window` |
//! | `Vehicle.Body.Hood.IsOpen`, `Vehicle.Body.Trunk.*.IsOpen` | `Hood`, `Trunk.Rear` |
//! | `Vehicle.Cabin.Sunroof.Position`, closed at 0 | `Sunroof` |
//! | `Vehicle.Cabin.Door.*.IsLocked`, `Vehicle.Body.Trunk.*.IsLocked` | `Door.Row1.DriverSide`, `Trunk.Rear` |
//! | `Vehicle.Cabin.Seat.*.IsBelted` | `Seat.Row1.DriverSide` |
//!
//! The position of a window is not used: VSS leaves open which end is closed.
//!
//! # Events, and those that are not
//!
//! An owner wants to be told what he forgot, not what he just did. So there are two events, each once for each time
//! that the ignition is off: something was left open, or unlocked, for [`LEFT_AFTER`]. A door that opens or closes
//! changes the state and makes no event: some hundred a day, each true already in the state. A belt that is not
//! fastened has its lamp ([`super::telltales`]).
//!
//! The last word of a bus that fell asleep counts if it was received no earlier than [`BEFORE_OFF`] before the ignition
//! went off: opening a door wakes the bus.
//!
//! `body.left_open`, with position: its time is when it was recognised.
//!
//! ```json
//! {"open": ["Door.Row1.DriverSide.Window", "Trunk.Rear"], "for_s": 300.0}
//! ```
//!
//! `body.left_unlocked`, with position.
//!
//! ```json
//! {"unlocked": ["Door.Row1.DriverSide"], "for_s": 300.0}
//! ```
//!
//! # State: member `body` of group `body`
//!
//! `all_closed` and `all_locked` are null while one of the parts is not known and none is open or unlocked.
//!
//! ```json
//! {"openings": {"Hood": {"value": "closed", "quality": "good", "time": "2026-11-21T09:00:14.200Z"}},
//!  "locks": {"Door.Row1.DriverSide": {"value": "locked", "quality": "good", "time": "2026-11-21T09:00:14.200Z"}},
//!  "belts": {"Seat.Row1.DriverSide": {"value": "fastened", "quality": "good", "time": "2026-11-21T09:00:14.200Z"}},
//!  "all_closed": {"value": true, "quality": "good", "time": "2026-11-21T09:00:14.200Z"},
//!  "all_locked": {"value": true, "quality": "good", "time": "2026-11-21T09:00:14.200Z"}}
//! ```

mod part;

use std::time::Duration;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value as Json, json};

use crate::signals::{At, Quality, SignalId, Signals};
use crate::time::MonoTime;

use super::{Cx, Event, Phase, Service, View, doc};
use part::{Group, Part};

/// Long enough to unload the shopping, short enough to turn round.
pub const LEFT_AFTER: Duration = Duration::from_secs(300);

/// A word from shortly before the ignition went off is as good as one from after it: many body messages are sent on
/// change and slowly, and the bus may fall asleep with the ignition.
pub const BEFORE_OFF: Duration = Duration::from_secs(60);

/// The service.
#[derive(Debug)]
pub struct Body {
    parts: Vec<Part>,
    /// Since when the ignition is off.
    off_since: Option<MonoTime>,
    open: Watch,
    unlocked: Watch,
}

#[derive(Default, Serialize, Deserialize)]
#[serde(default)]
struct Saved {
    told_open: bool,
    told_unlocked: bool,
}

/// Something that should not last.
#[derive(Debug, Default)]
struct Watch {
    since: Option<MonoTime>,
    told: bool,
}

impl Watch {
    /// Gives for how long it has lasted, once. Without a word (`None`) nothing changes, but the time begins anew.
    fn follow(&mut self, now: MonoTime, lasts: Option<bool>) -> Option<Duration> {
        if lasts != Some(true) {
            self.since = None;
            self.told &= lasts.is_none();
            return None;
        }
        let since = *self.since.get_or_insert(now);
        let due = !self.told && now >= since + LEFT_AFTER;
        self.told |= due;
        due.then(|| now.since(since))
    }

    fn deadline(&self) -> Option<MonoTime> {
        self.since.filter(|_| !self.told).map(|since| since + LEFT_AFTER)
    }
}

impl Body {
    /// Finds its parts in the profile; none if it has none.
    #[must_use]
    pub fn new(signals: &Signals) -> Option<Self> {
        let mut parts: Vec<_> = signals.iter().filter_map(|(id, def, _)| Part::of(id, &def.path)).collect();
        parts.sort_by(|a, b| a.name.cmp(&b.name));
        let watch = Watch::default;
        (!parts.is_empty()).then(|| Self { parts, off_since: None, open: watch(), unlocked: watch() })
    }

    fn group_parts(&self, group: Group) -> impl Iterator<Item = &Part> {
        self.parts.iter().filter(move |part| part.group == group)
    }

    /// Whether a part of the group is not as it should be while the ignition is off; none while that is not known.
    fn left(&self, group: Group, cx: &Cx<'_>) -> Option<bool> {
        match cx.drive.phase {
            Phase::Unknown => return None,
            Phase::Off => (),
            Phase::Accessory | Phase::On | Phase::Ready | Phase::Driving => return Some(false),
        }
        let since = self.off_since? - BEFORE_OFF;
        let mut words = self.group_parts(group).map(|part| part.word_since(cx.signals, since));
        let mut all_known = true;
        let left = words.any(|safe| {
            all_known &= safe.is_some();
            safe == Some(false)
        });
        if left { Some(true) } else { all_known.then_some(false) }
    }

    fn names(&self, group: Group, signals: &Signals) -> Vec<&str> {
        let left = |part: &&Part| part.is_safe(signals.get(part.id).value) == Some(false);
        self.group_parts(group).filter(left).map(|part| part.name.as_str()).collect()
    }

    fn members(&self, group: Group, view: &View<'_>) -> Map<String, Json> {
        self.group_parts(group).map(|part| (part.name.clone(), part.document(view))).collect()
    }

    /// Whether all parts of a group are as they should be.
    fn all(&self, group: Group, view: &View<'_>) -> Json {
        let readings = || self.group_parts(group).map(|part| (part, view.signals.get(part.id)));
        let mut safe = readings().next().is_some().then_some(true);
        for (part, reading) in readings() {
            safe = match (safe, part.is_safe(reading.value)) {
                (Some(false), _) | (_, Some(false)) => Some(false),
                (Some(true), Some(true)) => Some(true),
                _ => None,
            };
        }
        let quality = match safe {
            Some(_) => doc::worst(readings().map(|(_, reading)| reading.quality)),
            None => Quality::Stale,
        };
        let newest = readings().filter_map(|(_, reading)| match reading.at {
            At::Mono(mono) => Some(mono),
            At::Wall(_) | At::Unknown => None,
        });
        doc::measured(safe, "", quality, newest.max().map_or(Json::Null, |mono| view.time(At::Mono(mono))))
    }
}

impl Service for Body {
    fn name(&self) -> &'static str {
        "body"
    }

    fn group(&self) -> &'static str {
        "body"
    }

    fn interests(&self) -> Vec<SignalId> {
        self.parts.iter().map(|part| part.id).collect()
    }

    fn update(&mut self, cx: &mut Cx<'_>) {
        for part in &mut self.parts {
            cx.out.state_changed |= part.observe(cx.signals);
        }
        self.off_since = (cx.drive.phase == Phase::Off).then(|| self.off_since.unwrap_or(cx.now));
        let (open, unlocked) = (self.left(Group::Openings, cx), self.left(Group::Locks, cx));
        let told = (self.open.told, self.unlocked.told);
        if let Some(span) = self.open.follow(cx.now, open) {
            let data = json!({ "open": self.names(Group::Openings, cx.signals), "for_s": doc::seconds(Some(span)) });
            cx.out.events.push(Event::new("body.left_open", cx.now, data).with_position());
        }
        if let Some(span) = self.unlocked.follow(cx.now, unlocked) {
            let data = json!({ "unlocked": self.names(Group::Locks, cx.signals), "for_s": doc::seconds(Some(span)) });
            cx.out.events.push(Event::new("body.left_unlocked", cx.now, data).with_position());
        }
        cx.out.save |= told != (self.open.told, self.unlocked.told);
    }

    fn deadline(&self) -> Option<MonoTime> {
        [self.open.deadline(), self.unlocked.deadline()].into_iter().flatten().min()
    }

    fn state(&self, view: &View<'_>) -> Json {
        json!({
            "openings": self.members(Group::Openings, view),
            "locks": self.members(Group::Locks, view),
            "belts": self.members(Group::Belts, view),
            "all_closed": self.all(Group::Openings, view),
            "all_locked": self.all(Group::Locks, view),
        })
    }

    fn save(&self, _: &View<'_>) -> Json {
        let saved = Saved { told_open: self.open.told, told_unlocked: self.unlocked.told };
        serde_json::to_value(saved).unwrap_or(Json::Null)
    }

    fn restore(&mut self, saved: &Json, _: &View<'_>) {
        if let Ok(saved) = Saved::deserialize(saved) {
            (self.open.told, self.unlocked.told) = (saved.told_open, saved.told_unlocked);
        }
    }
}

#[cfg(test)]
mod tests;
