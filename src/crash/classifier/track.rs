//! One accelerometer: its history, its baseline and the pulse that it is going through.

use std::time::Duration;

use crate::crash::ring::Ring;
use crate::crash::sensor::{Mounting, Orientation, SensorSpec};
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

#[derive(Debug, Clone)]
pub(super) struct Track {
    pub(super) axes: [bool; 3],
    pub(super) range: f32,
    pub(super) mounting: Mounting,
    pub(super) orientation: Orientation,
    period: Duration,
    /// Samples further apart are not joined.
    max_gap: Duration,
    last: Option<Reading>,
    /// Last good value of each axis.
    held: [f32; 3],
    filter: [[f32; 2]; 3],
    baseline: [f32; 3],
    /// What the axes read too much.
    offset: [f32; 3],
    velocity: Velocity,
    history: Ring<Velocity>,
    /// The largest change of velocity within [`limit::EVENT_WINDOW`] since the event was opened.
    pub(super) widest_150ms: f32,
    /// Where the integral stood at contact.
    anchor: Option<Velocity>,
    /// Largest change since contact, while graded.
    pub(super) largest: Change,
    pub(super) pulse: Pulse,
}

impl Track {
    pub(super) fn new(spec: &SensorSpec) -> Self {
        let rate_hz = if spec.rate_hz.is_finite() { spec.rate_hz.clamp(1.0, 20_000.0) } else { 100.0 };
        let period = Duration::from_secs_f32(1.0 / rate_hz);
        Self {
            axes: spec.axes,
            range: if spec.range.is_finite() { spec.range.abs() } else { 0.0 },
            mounting: spec.mounting,
            orientation: spec.orientation,
            period,
            max_gap: period.mul_f32(limit::MAX_GAP_INTERVALS),
            last: None,
            held: [0.0; 3],
            filter: [[0.0; 2]; 3],
            baseline: [0.0, 0.0, limit::GRAVITY_MPS2],
            offset: [0.0; 3],
            velocity: Velocity::default(),
            history: Ring::new(HISTORY_POINTS),
            widest_150ms: 0.0,
            anchor: None,
            largest: Change::default(),
            pulse: Pulse::default(),
        }
    }

    pub(super) fn is_full_range(&self) -> bool {
        self.range >= limit::FULL_RANGE_MPS2
    }

    /// It saw the whole pulse.
    pub(super) fn is_unclipped(&self) -> bool {
        self.pulse.clipped == Duration::ZERO
    }

    /// What the axes read now.
    pub(super) const fn axes_now(&self) -> [f32; 3] {
        self.held
    }

    /// Takes a sample in; gives back its moment, none when it told nothing.
    pub(super) fn observe(&mut self, at: MonoTime, axes: [Option<f32>; 3]) -> Option<MonoTime> {
        let at = self.moment(at)?;
        let mut has_horizontal = false;
        for (index, value) in axes.into_iter().enumerate() {
            let Some(value) = value.filter(|value| value.is_finite() && self.axes[index]) else { continue };
            self.held[index] = value.clamp(-self.range, self.range) - self.offset[index];
            has_horizontal |= index < 2;
        }
        if !has_horizontal {
            return None;
        }
        let span = self.last.map(|last| at.since(last.at)).filter(|span| *span <= self.max_gap);
        let span_s = span.map_or(0.0, |span| span.as_secs_f32());
        self.settle(span_s);
        let reading = self.read(at);
        if let Some(last) = self.last.filter(|_| span.is_some()) {
            self.integrate(at, span_s, &last, &reading);
            self.pulse.extend(span.unwrap_or_default(), &last, &reading);
        } else {
            self.pulse.gap(&reading);
        }
        self.last = Some(reading);
        Some(at)
    }

    /// Opens the books of an event: what follows counts from `contact`.
    pub(super) fn anchor(&mut self, contact: MonoTime) {
        self.anchor = Some(self.history.last_where(|point| point.at <= contact).unwrap_or(self.velocity));
        self.widest_150ms = 0.0;
        self.largest = Change::default();
    }

    pub(super) fn release(&mut self) {
        self.anchor = None;
    }

    /// Samples of one frame share a time, and frames come early or late: the sensor's own clock goes on.
    fn moment(&self, at: MonoTime) -> Option<MonoTime> {
        let Some(last) = self.last.filter(|last| at <= last.at) else { return Some(at) };
        let next = last.at + self.period;
        (next.since(at) <= limit::MAX_LEAD).then_some(next)
    }

    /// Low-pass and baseline.
    fn settle(&mut self, span_s: f32) {
        let tau_s = 1.0 / (std::f32::consts::TAU * limit::CFC60_CORNER_HZ * limit::TWO_POLE_FACTOR);
        let share = if self.last.is_some() { span_s / (tau_s + span_s) } else { 1.0 };
        let slow = span_s / (limit::BASELINE_TAU.as_secs_f32() + span_s);
        for index in 0..3 {
            if self.last.is_none() {
                self.baseline[index] = self.held[index];
            }
            let mut value = self.held[index];
            for pole in &mut self.filter[index] {
                *pole += (value - *pole) * share;
                value = *pole;
            }
            let off =
                (self.held[index] - self.baseline[index]).clamp(-limit::BASELINE_SLEW_MPS2, limit::BASELINE_SLEW_MPS2);
            self.baseline[index] += off * slow;
        }
    }

    fn read(&self, at: MonoTime) -> Reading {
        let edge = self.range * limit::CLIPPED_SHARE;
        let is_clipped = (0..2).any(|index| self.axes[index] && (self.held[index] + self.offset[index]).abs() >= edge);
        let off = |index: usize| if self.axes[index] { self.held[index] - self.baseline[index] } else { 0.0 };
        Reading {
            at,
            off: [off(0), off(1), off(2)],
            horizontal: self.held[0].hypot(self.held[1]),
            filtered: self.filter[0][1].hypot(self.filter[1][1]),
            is_clipped,
        }
    }

    fn integrate(&mut self, at: MonoTime, span_s: f32, last: &Reading, reading: &Reading) {
        let mean = |index: usize| {
            f64::from(f32::midpoint(last.off[index], reading.off[index]) + self.baseline[index]) * f64::from(span_s)
        };
        self.velocity = Velocity { at, x: self.velocity.x + mean(0), y: self.velocity.y + mean(1) };
        if self.history.newest().is_none_or(|newest| at.since(newest.at) >= HISTORY_SPACING) {
            self.history.push(self.velocity);
        }
        let Some(anchor) = self.anchor.filter(|anchor| at.since(anchor.at) <= limit::GRADE_AFTER) else { return };
        let from = at - limit::EVENT_WINDOW;
        let start = self.history.last_where(|point| point.at <= from).map_or(anchor, |point| point);
        let start = if start.at < anchor.at { anchor } else { start };
        self.widest_150ms = self.widest_150ms.max(change(start, self.velocity).resultant());
        let since = change(anchor, self.velocity);
        if since.resultant() > self.largest.resultant() {
            self.largest = since;
        }
    }
}

#[expect(clippy::cast_possible_truncation, reason = "a change within a second is far within f32")]
fn change(from: Velocity, to: Velocity) -> Change {
    Change { x: (to.x - from.x) as f32, y: (to.y - from.y) as f32 }
}
