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
    /// Largest change of velocity within [`limit::EVENT_WINDOW`] of an impact.
    pub(super) widest_150ms: f32,
    /// Largest change since the event began, within [`limit::GRADE_AFTER`].
    pub(super) largest: Change,
    /// The same of whichever impact changed most.
    pub(super) worst: Change,
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
    /// Contact of its newest impact.
    impact: MonoTime,
    /// The velocity there.
    start: Velocity,
    /// What the impacts before it showed.
    before: Change,
    /// What earlier pulses of the impact added up to.
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
            impact: MonoTime::ZERO,
            before: Change::default(),
            start: Velocity::default(),
            earlier: Change::default(),
            graded: Change::default(),
            shown: Shown::default(),
        }
    }

    /// An event begins: what follows counts from `contact`.
    pub(super) fn open(&mut self, contact: MonoTime) {
        self.anchor = Some(contact);
        self.graded = Change::default();
        self.shown = Shown::default();
        self.strike(contact);
    }

    /// An impact of that event begins: its change counts from `contact`.
    pub(super) fn strike(&mut self, contact: MonoTime) {
        (self.impact, self.before) = (contact, self.shown.worst);
        self.earlier = Change::default();
        self.start = self.history.last_where(|point| point.at <= contact).unwrap_or(self.velocity);
    }

    /// The newest impact shows more than so many times what those before it show.
    pub(super) fn is_struck_worse(&self, times: f32) -> bool {
        self.shown.worst.resultant() > times * self.before.resultant()
    }

    /// A pulse that is over goes into the sum, where it belongs to the event; true when it did.
    pub(super) fn bank(&mut self, pulse: &Pulse) -> bool {
        let is_ours = self.anchor.and(pulse.contact).is_some_and(|contact| {
            !pulse.is_active() && pulse.last_above >= self.impact && contact + limit::GRADE_AFTER >= self.impact
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
        let by_shift = self.shown.worst.resultant() * (limit::GRADE_AFTER.as_secs_f32() / span.as_secs_f32());
        self.shown.is_void |= self.graded.resultant() <= limit::EVEN_FACTOR * by_shift;
        self.shown.worst = self.graded;
        self.shown.is_void
    }

    pub(super) fn integrate(&mut self, at: MonoTime, span_s: f32, last: &Reading, reading: &Reading) {
        let part = |index: usize| f64::from(f32::midpoint(last.held[index], reading.held[index]) * span_s);
        self.velocity = Velocity { at, x: self.velocity.x + part(0), y: self.velocity.y + part(1) };
        if self.history.newest().is_none_or(|newest| at.since(newest.at) >= HISTORY_SPACING) {
            self.history.push(self.velocity);
        }
        if self.anchor.is_none() || at.since(self.impact) > limit::GRADE_AFTER {
            return;
        }
        let from = (at - limit::EVENT_WINDOW).max(self.impact);
        let start = self.history.last_where(|point| point.at <= from).unwrap_or(self.velocity);
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
        let is_near = |since: MonoTime| {
            let is_of = |contact: MonoTime| contact.since(since) <= limit::GRADE_AFTER;
            is_of(self.velocity.at) || (pulse.is_active() && pulse.contact.is_some_and(is_of))
        };
        let (is_first, is_in_time) = (is_near(anchor), self.velocity.at.since(self.impact) <= limit::GRADE_AFTER);
        if is_first && change.resultant() > self.shown.largest.resultant() {
            self.shown.largest = change;
        }
        if is_near(self.impact) && change.resultant() > self.shown.worst.resultant() {
            self.shown.worst = change;
        }
        if is_in_time {
            self.graded = self.shown.worst;
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
