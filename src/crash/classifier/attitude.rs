//! How the car lies: roll by rate, and gravity before and after.

use std::time::Duration;

use crate::crash::thresholds as limit;
use crate::time::MonoTime;

/// Roll since it last was calm, from a rate sensor.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Roll {
    last: Option<(MonoTime, f32)>,
    calm_since: Option<MonoTime>,
    /// Angle in degrees, and since when it is that of a car that has turned over.
    angle_deg: f32,
    over_since: Option<MonoTime>,
    /// Largest magnitude since [`Roll::restart`].
    pub(super) fastest_dps: f32,
}

impl Roll {
    pub(super) fn observe(&mut self, at: MonoTime, rate_dps: f32) {
        if !rate_dps.is_finite() {
            return;
        }
        let Some((before, old)) = self.last.filter(|(before, _)| *before <= at) else {
            self.last = Some((at, rate_dps));
            return;
        };
        self.last = Some((at, rate_dps));
        if at.since(before) > limit::ROLL_MAX_GAP {
            (self.angle_deg, self.over_since) = (0.0, None);
            return;
        }
        self.angle_deg += f32::midpoint(old, rate_dps) * at.since(before).as_secs_f32();
        if rate_dps.abs() >= limit::ROLL_CALM_DPS {
            self.calm_since = None;
        } else {
            let since = *self.calm_since.get_or_insert(at);
            if at.since(since) >= limit::ROLL_CALM_AFTER {
                self.angle_deg = 0.0;
            }
        }
        let is_over = self.angle_deg.abs() >= limit::ROLLOVER_DEG;
        self.over_since = if is_over { self.over_since.or(Some(at)) } else { None };
        self.fastest_dps = self.fastest_dps.max(rate_dps.abs());
    }

    /// It is rolling over now, or has just done so: what turns for longer is a zero that shifted.
    pub(super) fn is_over(&self, now: MonoTime) -> bool {
        self.over_since.is_some_and(|since| now.since(since) <= limit::LONGEST_ROLL)
    }

    /// When it was told last.
    pub(super) fn told(&self) -> Option<MonoTime> {
        self.last.map(|(at, _)| at)
    }

    /// The largest value counts from now on.
    pub(super) fn restart(&mut self) {
        self.fastest_dps = self.last.map_or(0.0, |(_, rate)| rate.abs());
    }
}

/// Gravity as one accelerometer with three axes feels it.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Gravity {
    last: Option<MonoTime>,
    /// Mean of the last seconds.
    slow: [f32; 3],
    /// Mean of the last fraction of a second.
    quick: [f32; 3],
    steady_since: Option<MonoTime>,
    /// The mean before the event.
    before: Option<[f32; 3]>,
}

impl Gravity {
    pub(super) fn observe(&mut self, at: MonoTime, axes: [f32; 3]) {
        let Some(last) = self.last.replace(at).filter(|last| *last <= at) else {
            (self.slow, self.quick) = (axes, axes);
            return;
        };
        let span_s = at.since(last).as_secs_f32().min(1.0);
        let share = |tau: Duration| span_s / (tau.as_secs_f32() + span_s);
        let (slow, quick) = (share(limit::GRAVITY_SLOW_TAU), share(limit::GRAVITY_QUICK_TAU));
        for (index, axis) in axes.into_iter().enumerate() {
            self.slow[index] += (axis - self.slow[index]) * slow;
            self.quick[index] += (axis - self.quick[index]) * quick;
        }
        let off = [0, 1, 2].map(|index| axes[index] - self.quick[index]);
        if length(off) > limit::REST_SWING_MPS2 {
            self.steady_since = None;
        } else {
            self.steady_since.get_or_insert(at);
        }
    }

    /// What pulled downwards pulls so much less, on the mean of the last fraction of a second; none where nobody feels it.
    pub(super) fn has_left(&self, now: MonoTime) -> Option<bool> {
        self.last.filter(|last| now.since(*last) <= limit::ROLL_MAX_GAP)?;
        let down = length(self.slow);
        let is_gravity = (down - limit::GRAVITY_MPS2).abs() <= limit::GRAVITY_TOLERANCE_MPS2;
        let dot: f32 = self.slow.iter().zip(self.quick).map(|(slow, quick)| slow * quick).sum();
        is_gravity.then_some(dot / (down * down) <= limit::UPSET_SHARE)
    }

    pub(super) fn latch(&mut self) {
        self.before = self.last.map(|_| self.slow);
    }

    /// The angle between then and now in degrees, once the car lies still.
    pub(super) fn tilt_deg(&self, now: MonoTime) -> Option<f32> {
        let before = self.before?;
        self.steady_since.filter(|since| now.since(*since) >= limit::REST_AFTER)?;
        let (old, new) = (length(before), length(self.quick));
        let is_gravity = |length: f32| (length - limit::GRAVITY_MPS2).abs() <= limit::GRAVITY_TOLERANCE_MPS2;
        if !is_gravity(old) || !is_gravity(new) {
            return None;
        }
        let dot: f32 = before.iter().zip(self.quick).map(|(before, now)| before * now).sum();
        Some((dot / (old * new)).clamp(-1.0, 1.0).acos().to_degrees())
    }
}

fn length(axes: [f32; 3]) -> f32 {
    axes[0].hypot(axes[1]).hypot(axes[2])
}
