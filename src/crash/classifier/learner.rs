//! What driving teaches about an accelerometer, second by second.

use std::time::Duration;

use crate::crash::calibration::AxisCalibration;
use crate::crash::thresholds as limit;
use crate::time::MonoTime;

use super::health::Zeroed;

/// What the car itself did in a window, in m/s², where that is known: by the wheels along x, by speed and yaw rate
/// along y.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Driven {
    pub(super) x: Option<f32>,
    pub(super) y: Option<f32>,
    pub(super) is_moving: bool,
}

/// Sums of a linear regression of readings on driving, fading.
#[derive(Debug, Clone, Copy, Default)]
struct Regression {
    weight: f32,
    driven: f32,
    read: f32,
    driven_driven: f32,
    driven_read: f32,
    read_read: f32,
}

impl Regression {
    fn add(&mut self, share: f32, driven: f32, read: f32) {
        let keep = |sum: &mut f32, new: f32| *sum = *sum * (1.0 - share * limit::LEARN_FADE) + share * new;
        keep(&mut self.weight, 1.0);
        keep(&mut self.driven, driven);
        keep(&mut self.read, read);
        keep(&mut self.driven_driven, driven * driven);
        keep(&mut self.driven_read, driven * read);
        keep(&mut self.read_read, read * read);
    }

    /// Gain and offset, once they can be told.
    fn solve(&self) -> Option<(f32, f32)> {
        if self.weight < limit::LEARN_WEIGHT {
            return None;
        }
        let (driven, read) = (self.driven / self.weight, self.read / self.weight);
        let spread = self.driven_driven / self.weight - driven * driven;
        let scatter = self.read_read / self.weight - read * read;
        let common = self.driven_read / self.weight - driven * read;
        let is_clear = spread >= limit::LEARN_SPREAD_MPS2 * limit::LEARN_SPREAD_MPS2
            && common.abs() >= limit::LEARN_CORRELATION * (spread * scatter).max(0.0).sqrt();
        is_clear.then(|| (common / spread, read - common / spread * driven))
    }
}

/// How an axis along the road shakes.
#[derive(Debug, Clone, Copy, Default)]
struct Shaking {
    /// Its mean over the last fraction of a second, and what was off it in the window, summed up.
    slow: f32,
    off: f32,
    /// Windows in a row in which no road shakes it so.
    count: u8,
}

impl Shaking {
    fn add(&mut self, read: f32, share: f32) {
        self.slow += (read - self.slow) * share;
        self.off += (read - self.slow).abs();
    }

    fn conclude(&mut self, samples: f32) -> bool {
        let is_wild = self.off >= limit::SHAKEN_MPS2 * samples.max(1.0);
        self.count = if is_wild { self.count.saturating_add(1) } else { 0 };
        self.off = 0.0;
        self.count >= limit::SHAKEN_WINDOWS
    }
}

/// Learns one sensor.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Learner {
    began: Option<MonoTime>,
    sums: [f32; 3],
    samples: f32,
    shaking: [Shaking; 2],
    regressions: [Regression; 2],
    shifted: [u8; 3],
    pub(super) axes: [AxisCalibration; 3],
}

impl Learner {
    /// Adds the readings of a sample, offsets included and a period after the last; gives the window's beginning when it is
    /// complete.
    pub(super) fn add(&mut self, at: MonoTime, period: Duration, read: [f32; 3]) -> Option<MonoTime> {
        let began = *self.began.get_or_insert(at);
        let share = period.as_secs_f32() / (limit::ROUGH_TAU + period).as_secs_f32();
        for (shaking, read) in self.shaking.iter_mut().zip(read) {
            shaking.add(read, share);
        }
        for (sum, read) in self.sums.iter_mut().zip(read) {
            *sum += read;
        }
        self.samples += 1.0;
        (at.since(began) >= limit::LEARN_WINDOW).then_some(began)
    }

    /// Whether x and y swing as no road makes them, at the end of a window that is calm; it comes before what ends the window.
    pub(super) fn shaken(&mut self) -> [bool; 2] {
        let samples = self.samples;
        self.shaking.each_mut().map(|shaking| shaking.conclude(samples))
    }

    /// The window goes for nothing.
    pub(super) fn discard(&mut self) {
        (self.began, self.sums, self.samples) = (None, [0.0; 3], 0.0);
        for shaking in &mut self.shaking {
            shaking.off = 0.0;
        }
    }

    /// So do those before it.
    pub(super) fn restart(&mut self) {
        self.discard();
        self.shifted = [0; 3];
        for shaking in &mut self.shaking {
            shaking.count = 0;
        }
    }

    /// Compares the window with what the car did, and begins the next one.
    pub(super) fn finish(&mut self, driven: Driven, exists: [bool; 3]) -> [Zeroed; 3] {
        let mean = self.sums.map(|sum| sum / self.samples.max(1.0));
        self.discard();
        let mut shown = [Zeroed::Unknown; 3];
        for (index, own) in [driven.x, driven.y].into_iter().enumerate() {
            let Some(own) = own.filter(|_| exists[index]) else {
                self.shifted[index] = 0;
                shown[index] = unexplained(mean[index]);
                continue;
            };
            let is_off = mean[index].abs() > own.abs() + limit::ZERO_SHIFT_MPS2;
            shown[index] = self.shift(index, is_off, driven.is_moving);
            if !is_off {
                let share = if driven.is_moving { 1.0 } else { limit::LEARN_STANDING_SHARE };
                self.regressions[index].add(share, own, mean[index]);
                self.conclude(index);
            }
        }
        if exists[2] {
            let up = if mean[2] < 0.0 { -1.0 } else { 1.0 };
            let off = up * mean[2] - limit::GRAVITY_MPS2;
            shown[2] = self.shift(2, off.abs() > limit::ZERO_SHIFT_MPS2, driven.is_moving);
            if driven.is_moving && off.abs() <= limit::MAX_OFFSET_MPS2 {
                let axis = &mut self.axes[2];
                axis.weight = (axis.weight + 1.0).min(limit::LEARN_WEIGHT);
                axis.offset_mps2 += (up * off - axis.offset_mps2) / axis.weight;
                axis.sign = Some(if mean[2] < 0.0 { -1 } else { 1 });
            }
        } else {
            self.shifted[2] = 0;
        }
        shown
    }

    /// A car that stands may lean: one that is towed, jacked up, or lies on its side.
    fn shift(&mut self, index: usize, is_off: bool, is_moving: bool) -> Zeroed {
        let count = &mut self.shifted[index];
        *count = if is_off && is_moving { count.saturating_add(1) } else { 0 };
        match *count {
            _ if !is_off => Zeroed::Fine,
            limit::ZERO_SHIFT_WINDOWS.. => Zeroed::Shifted,
            _ => Zeroed::Off,
        }
    }

    fn conclude(&mut self, index: usize) {
        let Some((gain, offset)) = self.regressions[index].solve() else { return };
        let axis = &mut self.axes[index];
        axis.sign = Some(if gain < 0.0 { -1 } else { 1 });
        axis.offset_mps2 = offset.clamp(-limit::MAX_OFFSET_MPS2, limit::MAX_OFFSET_MPS2);
        axis.weight = self.regressions[index].weight;
    }
}

/// What a mean shows where it is not known what the car did: more than tires can is none of its doing.
fn unexplained(mean_mps2: f32) -> Zeroed {
    match mean_mps2.abs() {
        small if small <= limit::MAX_OFFSET_MPS2 => Zeroed::Fine,
        large if large >= limit::TIRE_LIMIT_MPS2 => Zeroed::Off,
        _ => Zeroed::Unknown,
    }
}
