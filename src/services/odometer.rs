//! Odometer: `Vehicle.TraveledDistance`, which never runs backwards and never leaps.
//!
//! # Rules
//!
//! A value is taken when it is not below the last one and not further ahead than the car can have driven
//! ([`TOP_SPEED_KMH`]; [`SLACK_M`] for coarse steps). After a gap the time that passed counts, across a reboot by the
//! wall clock, and where that is not known, [`UNKNOWN_GAP_M`] are believed. Every other value is rejected and counted,
//! and the old one stays, as `invalid`.
//!
//! A cluster that was replaced has another count. When rejected values agree with each other for [`PERSISTS`], they are
//! believed, and an event says so.
//!
//! # Event
//!
//! `odometer.replaced`: its time is when the new count was seen first; `rejected` counts the values that were ever
//! rejected.
//!
//! ```json
//! {"before_m": 84210000, "after_m": 12000, "rejected": 1}
//! ```
//!
//! # State: member `odometer` of group `vehicle`
//!
//! It is sent again when a kilometre was driven, the ignition goes off, or the quality changes.
//!
//! ```json
//! {"distance": {"value": 84210400, "unit": "m", "quality": "good", "time": "2026-11-21T09:00:14.200Z"}, "rejected": 0}
//! ```

use std::time::Duration;

use serde::{Deserialize, Serialize};
use serde_json::{Value as Json, json};

use crate::signals::{At, Cause, Quality, SignalId, Signals};
use crate::time::{MonoTime, Stamp};

use super::hysteresis::Steps;
use super::moment::Moment;
use super::{Cx, Event, Output, Service, View, doc};

/// Faster than any car that this daemon is built into.
pub const TOP_SPEED_KMH: f64 = 300.0;

/// Many clusters send whole kilometres, or miles: one step, and one for rounding.
pub const SLACK_M: f64 = 3_500.0;

/// What may have been driven while nobody looked and the clock does not say for how long: a long day.
pub const UNKNOWN_GAP_M: f64 = 1_500_000.0;

/// Rejected values that agree with each other for so long are believed: a control unit that fails and a memory that is
/// damaged do not keep a plausible count for ten minutes of good, checked messages.
pub const PERSISTS: Duration = Duration::from_secs(600);

/// Sent again every kilometre: what an app shows.
const SHOWN_STEP_M: f64 = 1_000.0;

/// Saved every ten kilometres, so that a power cut costs little and the flash is not worn: 30,000 writes in a car's life.
const SAVED_STEP_M: f64 = 10_000.0;

/// The service.
#[derive(Debug)]
pub struct Odometer {
    id: SignalId,
    accepted: Option<Accepted>,
    candidate: Option<Candidate>,
    /// The last good reading that was looked at.
    seen: Option<f64>,
    quality: Quality,
    rejected: u64,
    ignition_off: bool,
    shown: Steps,
    saved: Steps,
}

#[derive(Debug, Clone, Copy)]
struct Accepted {
    distance_m: f64,
    /// When it was surely so.
    at: Moment,
}

/// A count that was rejected, and may be the one of a new cluster.
#[derive(Debug, Clone, Copy)]
struct Candidate {
    distance_m: f64,
    since: MonoTime,
}

#[derive(Serialize, Deserialize)]
struct Saved {
    distance_m: f64,
    at: Stamp,
    rejected: u64,
}

impl Odometer {
    /// Finds the distance in the profile; none if it has none.
    #[must_use]
    pub fn new(signals: &Signals) -> Option<Self> {
        Some(Self {
            id: signals.id("Vehicle.TraveledDistance")?,
            accepted: None,
            candidate: None,
            seen: None,
            quality: Quality::Stale,
            rejected: 0,
            ignition_off: false,
            shown: Steps::of(SHOWN_STEP_M),
            saved: Steps::of(SAVED_STEP_M),
        })
    }

    fn take(&mut self, cx: &mut Cx<'_>, distance_m: f64) {
        let gap = self.seen.is_none();
        let is_new = self.seen.replace(distance_m) != Some(distance_m);
        if self.accepted.is_none_or(|accepted| accepted.can_become(distance_m, gap, cx)) {
            self.candidate = None;
            self.accept(distance_m, cx.now, cx.out);
            return;
        }
        self.rejected += u64::from(is_new);
        cx.out.state_changed |= is_new;
        let candidate = self.candidate.filter(|candidate| advances(candidate.distance_m, distance_m, SLACK_M));
        let since = candidate.map_or(cx.now, |candidate| candidate.since);
        self.candidate = Some(Candidate { distance_m, since });
        if cx.now >= since + PERSISTS {
            self.replace(distance_m, since, cx);
        }
    }

    fn accept(&mut self, distance_m: f64, now: MonoTime, out: &mut Output) {
        self.accepted = Some(Accepted { distance_m, at: Moment::Here(now) });
        out.state_changed |= self.shown.offer(distance_m);
        out.save |= self.saved.offer(distance_m);
    }

    fn replace(&mut self, distance_m: f64, since: MonoTime, cx: &mut Cx<'_>) {
        let before = self.accepted.map(|accepted| accepted.distance_m);
        let data = json!({
            "before_m": doc::whole(before),
            "after_m": doc::whole(Some(distance_m)),
            "rejected": self.rejected,
        });
        cx.out.events.push(Event::new("odometer.replaced", since, data));
        self.candidate = None;
        self.accept(distance_m, cx.now, cx.out);
        (cx.out.state_changed, cx.out.save) = (true, true);
    }

    /// What the document says of the distance: not good while the newest word is another one.
    fn quality_now(&self, signals: &Signals) -> Quality {
        let quality = signals.get(self.id).quality;
        if self.candidate.is_some() { Quality::Invalid(Cause::OutOfRange) } else { quality }
    }
}

impl Accepted {
    fn can_become(&self, distance_m: f64, gap: bool, cx: &Cx<'_>) -> bool {
        let ahead_m = if gap {
            let span = self.at.until(cx.now, cx.clock);
            span.map_or(UNKNOWN_GAP_M, |span| span.as_secs_f64() * TOP_SPEED_KMH / 3.6 + SLACK_M)
        } else {
            SLACK_M
        };
        advances(self.distance_m, distance_m, ahead_m)
    }
}

fn advances(from_m: f64, to_m: f64, ahead_m: f64) -> bool {
    (from_m..=from_m + ahead_m).contains(&to_m)
}

impl Service for Odometer {
    fn name(&self) -> &'static str {
        "odometer"
    }

    fn group(&self) -> &'static str {
        "vehicle"
    }

    fn interests(&self) -> Vec<SignalId> {
        vec![self.id]
    }

    fn update(&mut self, cx: &mut Cx<'_>) {
        let reading = cx.signals.get(self.id);
        if let Some(distance_m) = reading.good_f64() {
            self.take(cx, distance_m);
        } else {
            if let (Some(accepted), At::Mono(at)) = (&mut self.accepted, reading.at)
                && self.seen == Some(accepted.distance_m)
            {
                accepted.at = Moment::Here(at);
            }
            (self.seen, self.candidate) = (None, None);
        }
        let quality = self.quality_now(cx.signals);
        cx.out.state_changed |= std::mem::replace(&mut self.quality, quality) != quality;
        let off = cx.drive.phase.is_off();
        if !std::mem::replace(&mut self.ignition_off, off) && off && self.accepted.is_some() {
            (cx.out.state_changed, cx.out.save) = (true, true);
        }
    }

    fn deadline(&self) -> Option<MonoTime> {
        self.candidate.map(|candidate| candidate.since + PERSISTS)
    }

    fn state(&self, view: &View<'_>) -> Json {
        let unit = &view.signals.def(self.id).unit;
        let distance_m = self.accepted.map(|accepted| accepted.distance_m);
        let at = self.accepted.map_or(At::Unknown, |accepted| accepted.at.at());
        let quality = self.quality_now(view.signals);
        let at = if quality == Quality::Good { view.signals.get(self.id).at } else { at };
        json!({
            "distance": doc::measured(doc::whole(distance_m), unit, quality, view.time(at)),
            "rejected": self.rejected,
        })
    }

    fn save(&self, view: &View<'_>) -> Json {
        let Some(Accepted { distance_m, at }) = self.accepted else { return Json::Null };
        serde_json::to_value(Saved { distance_m, at: at.stamp(view), rejected: self.rejected }).unwrap_or(Json::Null)
    }

    fn restore(&mut self, saved: &Json, view: &View<'_>) {
        if let Ok(Saved { distance_m, at, rejected }) = Saved::deserialize(saved) {
            self.rejected = rejected;
            self.accepted = Some(Accepted { distance_m, at: Moment::restored(at, view) });
            self.shown.offer(distance_m);
            self.saved.offer(distance_m);
        }
    }
}

#[cfg(test)]
mod tests;
