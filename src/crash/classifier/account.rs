//! What one sensor's readings add up to: its velocity, and what an event has shown.

use std::time::Duration;

use crate::crash::ring::Ring;
use crate::crash::thresholds as limit;
use crate::time::MonoTime;

use super::pulse::{Pulse, Reading};

/// Points of the velocity history: 2 ms apart they reach back 320 ms, more than [`limit::GRADE_AFTER`].
const HISTORY_POINTS: usize = 160;
const HISTORY_SPACING: Duration = Duration::from_millis(2);

/// The integral of the horizontal acceleration since an arbitrary moment.
#[derive(Debug, Clone, Copy, Default)]
struct Velocity {
    at: MonoTime,
    x: f64,
    y: f64,
}

/// Change of velocity since a moment, in the sensor's axes.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Change {
    pub(super) x: f32,
    pub(super) y: f32,
}

impl Change {
    pub(super) fn resultant(self) -> f32 {
        self.x.hypot(self.y)
    }
}

/// What an event has shown so far.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Shown {
    /// Largest change of velocity within [`limit::EVENT_WINDOW`].
    pub(super) widest_150ms: f32,
    /// Largest change since contact, within [`limit::GRADE_AFTER`].
    pub(super) largest: Change,
    pub(super) peak: f32,
    pub(super) dwell: Duration,
    pub(super) clipped: Duration,
    /// Some of it was at an end of the range across the car.
    pub(super) is_clipped_across: bool,
    /// From contact to the last time above the end threshold, of the first pulse that made anything of it.
    pub(super) pulse: Duration,
    /// It was a shifted zero, and nothing of it is true.
    pub(super) is_void: bool,
}

/// The books of one sensor.
#[derive(Debug, Clone)]
pub(super) struct Account {
    velocity: Velocity,
    history: Ring<Velocity>,
    /// Contact of the event that is open.
    pub(super) anchor: Option<MonoTime>,
    /// The velocity there.
    start: Velocity,
    /// What earlier pulses of the event added up to.
    earlier: Change,
    /// The largest change when the crash was graded.
    graded: Change,
    pub(super) shown: Shown,
}

impl Account {
    pub(super) fn new() -> Self {
        Self {
            velocity: Velocity::default(),
            history: Ring::new(HISTORY_POINTS),
            anchor: None,
            start: Velocity::default(),
            earlier: Change::default(),
            graded: Change::default(),
            shown: Shown::default(),
        }
    }

    /// An event begins: what follows counts from `contact`.
    pub(super) fn open(&mut self, contact: MonoTime) {
        self.anchor = Some(contact);
        (self.earlier, self.graded) = (Change::default(), Change::default());
        self.start = self.history.last_where(|point| point.at <= contact).unwrap_or(self.velocity);
        self.shown = Shown::default();
    }

    /// A pulse that is over goes into the sum, where it belongs to the event; true when it did.
    pub(super) fn bank(&mut self, pulse: &Pulse) -> bool {
        let is_ours = pulse.contact.zip(self.anchor).is_some_and(|(contact, anchor)| {
            !pulse.is_active() && pulse.last_above >= anchor && contact + limit::GRADE_AFTER >= anchor
        });
        if is_ours {
            self.earlier.x += pulse.net[0];
            self.earlier.y += pulse.net[1];
        }
        is_ours
    }

    /// The zero has shifted, and was pushed for so long since contact: what was graded stands where it was a crash that has
    /// shifted it. True when nothing does, as the shift is all that there was.
    pub(super) fn distrust(&mut self, span: Duration) -> bool {
        let by_shift = self.shown.largest.resultant() * (limit::GRADE_AFTER.as_secs_f32() / span.as_secs_f32());
        self.shown.is_void |= self.graded.resultant() <= limit::EVEN_FACTOR * by_shift;
        self.shown.largest = self.graded;
        self.shown.is_void
    }

    pub(super) fn integrate(&mut self, at: MonoTime, span_s: f32, last: &Reading, reading: &Reading) {
        let part = |index: usize| f64::from(f32::midpoint(last.held[index], reading.held[index]) * span_s);
        self.velocity = Velocity { at, x: self.velocity.x + part(0), y: self.velocity.y + part(1) };
        if self.history.newest().is_none_or(|newest| at.since(newest.at) >= HISTORY_SPACING) {
            self.history.push(self.velocity);
        }
        let Some(anchor) = self.anchor.filter(|anchor| at.since(*anchor) <= limit::GRADE_AFTER) else { return };
        let from = at - limit::EVENT_WINDOW;
        let start = self.history.last_where(|point| point.at <= from.max(anchor)).unwrap_or(self.velocity);
        self.shown.widest_150ms = self.shown.widest_150ms.max(change(start, self.velocity).resultant());
    }

    /// Brings up to date what the event has shown, with the pulse that the sensor is going through.
    pub(super) fn show(&mut self, pulse: &Pulse, is_full_range: bool) {
        let Some(anchor) = self.anchor else { return };
        // What saw it all counts as 49 CFR 563 does, braking included; what clips counts what is sure.
        let change = if is_full_range {
            change(self.start, self.velocity)
        } else {
            Change { x: self.earlier.x + pulse.net[0], y: self.earlier.y + pulse.net[1] }
        };
        let is_near =
            pulse.is_active() && pulse.contact.is_some_and(|contact| contact.since(anchor) <= limit::GRADE_AFTER);
        let is_in_time = self.velocity.at.since(anchor) <= limit::GRADE_AFTER;
        if (is_near || is_in_time) && change.resultant() > self.shown.largest.resultant() {
            self.shown.largest = change;
        }
        if is_in_time {
            self.graded = self.shown.largest;
        }
        self.shown.peak = self.shown.peak.max(pulse.peak);
        self.shown.dwell = self.shown.dwell.max(pulse.longest_dwell);
        self.shown.clipped = self.shown.clipped.max(pulse.clipped);
        self.shown.is_clipped_across |= pulse.is_clipped_across();
        self.shown.pulse = self.shown.pulse.max(pulse.duration());
    }
}

#[expect(clippy::cast_possible_truncation, reason = "a change within a second is far within f32")]
fn change(from: Velocity, to: Velocity) -> Change {
    Change { x: (to.x - from.x) as f32, y: (to.y - from.y) as f32 }
}
