//! What driving teaches about an accelerometer, second by second.

use crate::crash::calibration::AxisCalibration;
use crate::crash::thresholds as limit;
use crate::time::MonoTime;

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

/// Learns one sensor.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Learner {
    began: Option<MonoTime>,
    sums: [f32; 3],
    samples: f32,
    regressions: [Regression; 2],
    shifted: [u8; 3],
    pub(super) axes: [AxisCalibration; 3],
}

/// What a window has shown.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Lesson {
    /// The zero of these axes is off.
    pub(super) is_shifted: [bool; 3],
}

impl Learner {
    /// Adds the readings of a sample, offsets included; gives the window's beginning when it is complete.
    pub(super) fn add(&mut self, at: MonoTime, raw: [f32; 3]) -> Option<MonoTime> {
        let began = *self.began.get_or_insert(at);
        for (sum, raw) in self.sums.iter_mut().zip(raw) {
            *sum += raw;
        }
        self.samples += 1.0;
        (at.since(began) >= limit::LEARN_WINDOW).then_some(began)
    }

    /// The window goes for nothing.
    pub(super) fn discard(&mut self) {
        (self.began, self.sums, self.samples) = (None, [0.0; 3], 0.0);
    }

    /// Compares the window with what the car did, and begins the next one.
    pub(super) fn finish(&mut self, driven: Driven, exists: [bool; 3]) -> Lesson {
        let mean = self.sums.map(|sum| sum / self.samples.max(1.0));
        self.discard();
        let mut lesson = Lesson::default();
        for (index, own) in [driven.x, driven.y].into_iter().enumerate() {
            let Some(own) = own.filter(|_| exists[index]) else { continue };
            let is_off = mean[index].abs() > own.abs() + limit::ZERO_SHIFT_MPS2;
            lesson.is_shifted[index] = self.shift(index, driven.is_moving && is_off);
            if !is_off {
                let share = if driven.is_moving { 1.0 } else { limit::LEARN_STANDING_SHARE };
                self.regressions[index].add(share, own, mean[index]);
                self.conclude(index);
            }
        }
        if exists[2] {
            let up = if mean[2] < 0.0 { -1.0 } else { 1.0 };
            let off = up * mean[2] - limit::GRAVITY_MPS2;
            lesson.is_shifted[2] = self.shift(2, driven.is_moving && off.abs() > limit::ZERO_SHIFT_MPS2);
            if driven.is_moving && off.abs() <= limit::MAX_OFFSET_MPS2 {
                let axis = &mut self.axes[2];
                axis.weight = (axis.weight + 1.0).min(limit::LEARN_WEIGHT);
                axis.offset_mps2 += (up * off - axis.offset_mps2) / axis.weight;
                axis.sign = Some(if mean[2] < 0.0 { -1 } else { 1 });
            }
        }
        lesson
    }

    fn shift(&mut self, index: usize, is_off: bool) -> bool {
        let count = &mut self.shifted[index];
        *count = if is_off { count.saturating_add(1) } else { 0 };
        *count >= limit::ZERO_SHIFT_WINDOWS
    }

    fn conclude(&mut self, index: usize) {
        let Some((gain, offset)) = self.regressions[index].solve() else { return };
        let axis = &mut self.axes[index];
        axis.sign = Some(if gain < 0.0 { -1 } else { 1 });
        axis.offset_mps2 = offset.clamp(-limit::MAX_OFFSET_MPS2, limit::MAX_OFFSET_MPS2);
        axis.weight = self.regressions[index].weight;
    }
}
