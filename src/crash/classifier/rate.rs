//! One rate sensor.

use crate::crash::sensor::{Mounting, Orientation, SensorSpec};
use crate::crash::sensor_fault::FaultKind;
use crate::crash::thresholds as limit;
use crate::time::MonoTime;

use super::health::{Health, Kind};

#[derive(Debug, Clone)]
pub(super) struct Rate {
    mounting: Mounting,
    /// Its signs hold for the car.
    is_stated: bool,
    health: Health,
}

/// What a sample tells of one axis of the car.
#[derive(Debug, Clone, Copy)]
pub(super) enum Told {
    Dps(f32),
    /// From now on the axis cannot be believed, and what it told before neither.
    Faulty,
    Nothing,
}

/// What a sample tells of the car.
#[derive(Debug, Clone, Copy)]
pub(super) struct Turning {
    pub(super) roll: Told,
    pub(super) yaw: Told,
}

impl Rate {
    pub(super) fn new(spec: &SensorSpec) -> Self {
        let range = if spec.range.is_finite() { spec.range.abs() } else { 0.0 };
        Self {
            mounting: spec.mounting,
            is_stated: spec.orientation == Orientation::Stated,
            health: Health::new(spec.axes, range, limit::LONGEST_SPIN, Kind::Rate),
        }
    }

    /// It can tell whether the car rolls over.
    pub(super) fn sees_roll(&self) -> bool {
        self.mounting == Mounting::Chassis && self.health.is_good(0)
    }

    /// Takes a sample in. A faulty axis tells that once, and then nothing; after a crash nothing is a fault.
    pub(super) fn observe(
        &mut self,
        at: MonoTime,
        axes: [Option<f32>; 3],
        is_moving: bool,
        is_calm: bool,
        report: &mut impl FnMut(usize, FaultKind),
    ) -> Turning {
        let was_good = [0, 1, 2].map(|index| self.health.is_good(index));
        if is_calm {
            self.health.observe(at, axes, is_moving, report);
        }
        let of = |index: usize| match axes[index] {
            _ if self.mounting != Mounting::Chassis || (index == 2 && !self.is_stated) => Told::Nothing,
            _ if was_good[index] && !self.health.is_good(index) => Told::Faulty,
            Some(rate_dps) if rate_dps.is_finite() && self.health.is_good(index) => Told::Dps(rate_dps),
            _ => Told::Nothing,
        };
        Turning { roll: of(0), yaw: of(2) }
    }
}
