//! One rate sensor.

use crate::crash::sensor::{Mounting, Orientation, SensorSpec};
use crate::crash::sensor_fault::FaultKind;
use crate::crash::thresholds as limit;
use crate::time::MonoTime;

use super::health::{Health, Kind};
use super::jumps::Jumps;
use super::zero::{Driving, Zero};

#[derive(Debug, Clone)]
pub(super) struct Rate {
    mounting: Mounting,
    /// Its signs hold for the car.
    is_stated: bool,
    last: Option<MonoTime>,
    /// After a silence: what is told before this is a self-test.
    settled: MonoTime,
    health: Health,
    zero: Zero,
    jumps: [Jumps; 3],
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
            last: None,
            settled: MonoTime::ZERO,
            health: Health::new(spec.axes, range, limit::LONGEST_SPIN, Kind::Rate),
            zero: Zero::new(),
            jumps: [Jumps::default(); 3],
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
        driving: &Driving,
        is_calm: bool,
        report: &mut impl FnMut(usize, FaultKind),
    ) -> Turning {
        if self.last.replace(at).is_none_or(|last| at.since(last) >= limit::SENSOR_SILENCE) {
            self.settled = at + limit::SENSOR_SETTLE;
        }
        if at < self.settled {
            return Turning { roll: Told::Nothing, yaw: Told::Nothing };
        }
        let was_good = [0, 1, 2].map(|index| self.health.is_good(index));
        if is_calm {
            self.examine(at, axes, driving, report);
        } else {
            self.zero.discard();
        }
        let of = |index: usize| match axes[index] {
            _ if self.mounting != Mounting::Chassis || (index == 2 && !self.is_stated) => Told::Nothing,
            _ if was_good[index] && !self.health.is_good(index) => Told::Faulty,
            Some(rate_dps) if rate_dps.is_finite() && self.health.is_good(index) => {
                Told::Dps(rate_dps - self.zero.offset_dps[index])
            }
            _ => Told::Nothing,
        };
        Turning { roll: of(0), yaw: of(2) }
    }

    fn examine(
        &mut self,
        at: MonoTime,
        axes: [Option<f32>; 3],
        driving: &Driving,
        report: &mut impl FnMut(usize, FaultKind),
    ) {
        let is_moving = driving.speed_mps.is_some_and(|mps| mps >= limit::MOVING_MPS);
        self.health.observe(at, axes, is_moving, report);
        if self.mounting != Mounting::Chassis {
            return;
        }
        for (index, (jumps, rate)) in self.jumps.iter_mut().zip(axes).enumerate() {
            if rate.is_some_and(|dps| dps.is_finite() && jumps.observe(at, dps)) {
                self.health.found(at, index, FaultKind::Resonance, report);
            }
        }
        let shown = self.zero.add(at, axes, driving).into_iter().flatten();
        for (index, zeroed) in shown.enumerate() {
            self.health.zeroed(at, index, zeroed, report);
        }
    }
}
