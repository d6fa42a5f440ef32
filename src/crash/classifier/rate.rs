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
    has_roll: bool,
    health: Health,
}

/// What a sample tells of the car.
#[derive(Debug, Clone, Copy)]
pub(super) struct Turning {
    pub(super) roll_dps: Option<f32>,
    pub(super) yaw_dps: Option<f32>,
}

impl Rate {
    pub(super) fn new(spec: &SensorSpec) -> Self {
        let range = if spec.range.is_finite() { spec.range.abs() } else { 0.0 };
        Self {
            mounting: spec.mounting,
            is_stated: spec.orientation == Orientation::Stated,
            has_roll: spec.axes[0],
            health: Health::new(spec.axes, range, limit::LONGEST_SPIN, Kind::Rate),
        }
    }

    pub(super) const fn has_roll(&self) -> bool {
        self.has_roll
    }

    /// Takes a sample in. A faulty axis tells nothing; after a crash nothing is a fault.
    pub(super) fn observe(
        &mut self,
        at: MonoTime,
        axes: [Option<f32>; 3],
        is_moving: bool,
        is_calm: bool,
        report: &mut impl FnMut(usize, FaultKind),
    ) -> Turning {
        if is_calm {
            self.health.observe(at, axes, is_moving, report);
        }
        let of =
            |index: usize| axes[index].filter(|_| self.mounting == Mounting::Chassis && self.health.is_good(index));
        Turning { roll_dps: of(0), yaw_dps: of(2).filter(|_| self.is_stated) }
    }
}
