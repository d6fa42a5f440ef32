//! The zero of the axes of one rate sensor, second by second.
//!
//! A car that stands turns about none of them: what is told then is the zero. On a straight road it does not go on
//! rolling or pitching, and a yaw rate needs a push across the car, which is felt. A zero that is off stays where it is,
//! and what turns does not.

use crate::crash::thresholds as limit;
use crate::time::MonoTime;

use super::health::Zeroed;

/// What the car does while a rate is told.
#[derive(Debug, Clone, Copy)]
pub(super) struct Driving {
    /// By the wheels, where they tell it.
    pub(super) speed_mps: Option<f32>,
    /// It stands, as far as wheels and satellites tell.
    pub(super) stands: bool,
    /// What is felt across the car, without sign.
    pub(super) across_mps2: f32,
    /// The yaw rate as it was told last, where it is believed.
    pub(super) yaw_dps: Option<f32>,
}

/// One axis within the window.
#[derive(Debug, Clone, Copy, Default)]
struct Axis {
    sum: f32,
    samples: f32,
    range: Option<(f32, f32)>,
}

impl Axis {
    fn add(&mut self, value: f32) {
        self.sum += value;
        self.samples += 1.0;
        let (low, high) = self.range.unwrap_or((value, value));
        self.range = Some((low.min(value), high.max(value)));
    }

    fn mean(&self) -> Option<f32> {
        (self.samples > 0.0).then(|| self.sum / self.samples)
    }

    /// It swings by no more than noise does.
    fn is_still(&self) -> bool {
        self.range.is_some_and(|(low, high)| high - low <= limit::RATE_STILL_DPS)
    }
}

/// What the car did in the window.
#[derive(Debug, Clone, Copy)]
struct Course {
    speed: Axis,
    across: Axis,
    yaw: Axis,
    has_stood: bool,
    knows_speed: bool,
    knows_yaw: bool,
}

impl Course {
    fn new() -> Self {
        let (speed, across, yaw) = (Axis::default(), Axis::default(), Axis::default());
        Self { speed, across, yaw, has_stood: true, knows_speed: true, knows_yaw: true }
    }

    fn add(&mut self, driving: &Driving) {
        self.has_stood &= driving.stands && driving.speed_mps.is_some_and(|mps| mps <= limit::CREEPING_MPS);
        self.knows_speed &= driving.speed_mps.is_some();
        self.knows_yaw &= driving.yaw_dps.is_some();
        self.speed.add(driving.speed_mps.unwrap_or_default());
        self.yaw.add(driving.yaw_dps.unwrap_or_default());
        self.across.add(driving.across_mps2);
    }

    /// Its speed in m/s, while it moves.
    fn speed_mps(&self) -> Option<f32> {
        self.speed.mean().filter(|mps| self.knows_speed && *mps >= limit::MOVING_MPS)
    }

    /// It goes straight on: neither a ramp that winds nor a banked bend makes it roll or pitch.
    fn is_straight(&self) -> bool {
        let is_small = |dps: f32| dps.abs() <= limit::RATE_AT_REST_DPS;
        self.knows_yaw && self.speed_mps().is_some() && self.yaw.mean().is_some_and(is_small)
    }

    /// What is felt explains a yaw rate of so much; none where that is not known.
    fn explains(&self, yaw_dps: f32) -> Option<bool> {
        let needed = self.speed_mps()? * yaw_dps.abs().to_radians();
        Some(needed <= self.across.mean()? + limit::RATE_SHIFT_MPS2)
    }
}

/// Learns the zeros.
#[derive(Debug, Clone, Copy)]
pub(super) struct Zero {
    began: Option<MonoTime>,
    last: MonoTime,
    axes: [Axis; 3],
    /// The means of the window before.
    before: [Option<f32>; 3],
    course: Course,
    /// Windows in a row that showed it off.
    off: [u8; 3],
    /// What it tells too much, as far as a car that stood has shown it.
    pub(super) offset_dps: [f32; 3],
}

impl Zero {
    pub(super) fn new() -> Self {
        Self {
            began: None,
            last: MonoTime::ZERO,
            axes: [Axis::default(); 3],
            before: [None; 3],
            course: Course::new(),
            off: [0; 3],
            offset_dps: [0.0; 3],
        }
    }

    /// Forgets the window, and those before it.
    pub(super) fn discard(&mut self) {
        *self = Self { offset_dps: self.offset_dps, ..Self::new() };
    }

    /// Takes the rates of a sample in; at the end of a window tells what it has shown of each axis.
    pub(super) fn add(&mut self, at: MonoTime, rates: [Option<f32>; 3], driving: &Driving) -> Option<[Zeroed; 3]> {
        if at.since(self.last) >= limit::SENSOR_SILENCE {
            self.discard();
        }
        self.last = at;
        let began = *self.began.get_or_insert(at);
        for (axis, rate) in self.axes.iter_mut().zip(rates) {
            if let Some(rate) = rate.filter(|rate| rate.is_finite()) {
                axis.add(rate);
            }
        }
        self.course.add(driving);
        if at.since(began) < limit::LEARN_WINDOW {
            return None;
        }
        let shown = [0, 1, 2].map(|index| self.conclude(index));
        (self.began, self.axes, self.course) = (None, [Axis::default(); 3], Course::new());
        Some(shown)
    }

    fn conclude(&mut self, index: usize) -> Zeroed {
        let axis = &self.axes[index];
        let Some(mean) = axis.mean() else {
            (self.before[index], self.off[index]) = (None, 0);
            return Zeroed::Unknown;
        };
        let before = self.before[index].replace(mean);
        let is_even = before.is_some_and(|before| (mean - before).abs() <= limit::RATE_AT_REST_DPS);
        let is_small = mean.abs() <= limit::RATE_AT_REST_DPS;
        let is_fine = match index {
            _ if !is_even => None,
            _ if self.course.has_stood => axis.is_still().then_some(is_small),
            2 => self.course.explains(mean).filter(|explains| !explains),
            _ => self.course.is_straight().then_some(is_small),
        };
        if self.course.has_stood && is_fine == Some(true) {
            self.offset_dps[index] += (mean - self.offset_dps[index]) * limit::RATE_ZERO_SHARE;
        }
        let count = &mut self.off[index];
        *count = if is_fine == Some(false) { count.saturating_add(1) } else { 0 };
        match is_fine {
            Some(true) => Zeroed::Fine,
            Some(false) if *count >= limit::RATE_SHIFT_WINDOWS => Zeroed::Shifted,
            Some(false) => Zeroed::Off,
            None => Zeroed::Unknown,
        }
    }
}
