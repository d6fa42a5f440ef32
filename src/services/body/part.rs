//! One door, window, lock or belt.

use serde_json::Value as Json;

use crate::services::{View, doc};
use crate::signals::{At, Quality, SignalId, Signals, Value};
use crate::time::MonoTime;

/// The member of the state document that a part belongs to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Group {
    Openings,
    Locks,
    Belts,
}

/// How a signal tells that the part is as it should be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Safe {
    WhenTrue,
    WhenFalse,
    AtZero,
}

#[derive(Debug)]
pub(super) struct Part {
    pub(super) id: SignalId,
    pub(super) name: String,
    pub(super) group: Group,
    safe: Safe,
    seen: Option<(Option<Value>, Quality)>,
}

impl Part {
    /// The part that a signal tells of, if it is one.
    pub(super) fn of(id: SignalId, path: &str) -> Option<Self> {
        let place = path.strip_prefix("Vehicle.Cabin.").or_else(|| path.strip_prefix("Vehicle.Body."))?;
        let (name, last) = place.rsplit_once('.')?;
        let first = place.split('.').next()?;
        let (group, safe) = match (first, last) {
            ("Door" | "Hood" | "Trunk", "IsOpen") if !name.ends_with(".Shade") => (Group::Openings, Safe::WhenFalse),
            ("Sunroof", "Position") if name == "Sunroof" => (Group::Openings, Safe::AtZero),
            ("Door" | "Trunk", "IsLocked") => (Group::Locks, Safe::WhenTrue),
            ("Seat", "IsBelted") => (Group::Belts, Safe::WhenTrue),
            _ => return None,
        };
        Some(Self { id, name: name.to_owned(), group, safe, seen: None })
    }

    /// Whether `value` says that it is closed, locked, fastened.
    pub(super) fn is_safe(&self, value: Option<Value>) -> Option<bool> {
        let value = value?;
        match self.safe {
            Safe::WhenTrue => value.as_bool(),
            Safe::WhenFalse => value.as_bool().map(|open| !open),
            Safe::AtZero => value.as_f64().map(|position| position.abs() < 0.5),
        }
    }

    /// The same by a word that is good, or was the last one before its message stopped, not before `since`.
    pub(super) fn word_since(&self, signals: &Signals, since: MonoTime) -> Option<bool> {
        let reading = signals.get(self.id);
        let holds = match (reading.quality, reading.at) {
            (Quality::Good, _) => true,
            (Quality::Stale, At::Mono(at)) => at >= since,
            _ => false,
        };
        self.is_safe(reading.value.filter(|_| holds))
    }

    /// Looks at the reading; says whether value or quality changed.
    pub(super) fn observe(&mut self, signals: &Signals) -> bool {
        let reading = signals.get(self.id);
        let seen = Some((reading.value, reading.quality));
        std::mem::replace(&mut self.seen, seen) != seen
    }

    pub(super) fn document(&self, view: &View<'_>) -> Json {
        let reading = view.signals.get(self.id);
        let word = match (self.group, self.is_safe(reading.value)) {
            (_, None) => "unknown",
            (Group::Openings, Some(true)) => "closed",
            (Group::Openings, Some(false)) => "open",
            (Group::Locks, Some(true)) => "locked",
            (Group::Locks, Some(false)) => "unlocked",
            (Group::Belts, Some(true)) => "fastened",
            (Group::Belts, Some(false)) => "unfastened",
        };
        doc::measured(word, "", reading.quality, view.time(reading.at))
    }
}
