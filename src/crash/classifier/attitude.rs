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
    /// It has not pulled downwards as before since.
    left_since: Option<MonoTime>,
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
        self.left_since = if self.share() <= limit::UPSET_SHARE { self.left_since.or(Some(at)) } else { None };
    }

    /// Of what was felt upwards, so much is felt on the mean of the last fraction of a second. Bends tilt what is felt along
    /// the other axes.
    fn share(&self) -> f32 {
        self.quick[2] / self.slow[2]
    }

    /// What pulled downwards pulls so much less, for longer than a car leaves the road; where a crash was told, at this very
    /// moment, or so much more as in a car that spins fast. None where nobody feels it, or the sensor does not stand upright.
    pub(super) fn has_left(&self, now: MonoTime, is_told: bool) -> Option<bool> {
        self.last.filter(|last| now.since(*last) <= limit::ROLL_MAX_GAP)?;
        let is_near = |mps2: f32| (mps2 - limit::GRAVITY_MPS2).abs() <= limit::GRAVITY_TOLERANCE_MPS2;
        let is_upright = is_near(length(self.slow)) && is_near(self.slow[2].abs());
        let has_left = self.left_since.is_some_and(|since| is_told || now.since(since) >= limit::UPSET_AFTER);
        let is_flung = is_told && self.share() >= limit::FLUNG_SHARE;
        (is_upright || has_left).then_some(has_left || is_flung)
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

#[cfg(test)]
mod tests {
    use super::*;

    /// Whether gravity has left within so many seconds of what is felt by time, after a minute of an even road.
    fn leaves(span_s: u16, felt: impl Fn(f32) -> [f32; 3]) -> bool {
        let mut gravity = Gravity::default();
        (0..6_000 + span_s * 100).any(|step| {
            let at = MonoTime::from_nanos(1_000_000_000 + u64::from(step) * 10_000_000);
            let time_s = (f32::from(step) - 6_000.0) / 100.0;
            gravity.observe(at, if time_s < 0.0 { [0.0, 0.0, 9.81] } else { felt(time_s) });
            gravity.has_left(at, false) == Some(true)
        })
    }

    #[test]
    fn bends_and_jumps_do_not_take_gravity_away_and_lying_on_the_side_does() {
        assert!(!leaves(20, |time_s| [0.0, 8.8 * (1.5 * time_s).sin().signum(), 9.81]), "bends");
        assert!(!leaves(3, |time_s| [0.0, 0.0, if time_s < 0.35 { 0.0 } else { 9.81 }]), "a jump");
        assert!(leaves(2, |_| [0.0, 9.81, 0.0]));
        assert!(leaves(4, |time_s| [0.0, 9.81 * (2.0 * time_s).sin(), 9.81 * (2.0 * time_s).cos()]), "turns over");
    }
}
