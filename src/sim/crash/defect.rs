//! What a defect does to one sensor: to the acceleration before its electronics, and to the numbers behind them.

use crate::crash::Quantity;
use crate::rng::Rng;
use crate::time::MonoTime;

use super::play::{Moment, gravity};
use super::rig::Rig;
use super::script::Defect;
use super::wave::{Shaker, add};

/// A sensor's defect at work; an ideal one without.
#[derive(Debug)]
pub(super) struct Harm<'c> {
    defect: Option<&'c Defect>,
    quantity: Quantity,
    range: f32,
    shakers: Vec<Shaker>,
    /// What a stuck axis shows.
    held: [Option<f32>; 3],
    /// Samples of the spike under way.
    spike_left: u8,
    last: Option<MonoTime>,
    rng: Rng,
}

impl<'c> Harm<'c> {
    pub(super) fn new(defect: Option<&'c Defect>, quantity: Quantity, range: f32, rng: Rng) -> Self {
        let shakers = match defect {
            Some(Defect::Shaken { vibrations, .. }) => vibrations.iter().copied().map(Shaker::new).collect(),
            _ => Vec::new(),
        };
        Self { defect, quantity, range, shakers, held: [None; 3], spike_left: 0, last: None, rng }
    }

    /// Before the electronics: an acceleration, or the rates of a sensor that shares the unit.
    pub(super) fn before(&mut self, moment: &Moment, force: &mut [f32; 3]) {
        match self.defect {
            Some(Defect::Shift { from_s, ramp_s, offset }) => {
                let share = ((moment.time_s - from_s) / ramp_s).clamp(0.0, 1.0);
                for (force, offset) in force.iter_mut().zip(offset) {
                    *force += offset * share;
                }
            }
            Some(Defect::Shaken { turn, .. }) if self.quantity == Quantity::AngularRate => {
                force[2] += turn.at(moment.time_s);
            }
            Some(Defect::Shaken { waves, tilt, .. }) => {
                let [roll, pitch] = tilt.each_ref().map(|curve| curve.at(moment.time_s));
                add(force, gravity([roll, pitch]));
                add(force, gravity([0.0, 0.0]).map(|axis| -axis));
                for value in waves.iter().filter_map(|wave| wave.at(moment.time_s)) {
                    add(force, value);
                }
                for shaker in &mut self.shakers {
                    shaker.add(moment.time_s, moment.step_s, 10.0, &mut self.rng, force);
                }
            }
            _ => {}
        }
    }

    /// Behind the electronics.
    pub(super) fn after(&mut self, sampled: MonoTime, axes: &mut [Option<f32>; 3]) {
        let spacing_s = self.last.map_or(0.0, |last| sampled.since(last).as_secs_f32());
        self.last = Some(sampled);
        match self.defect {
            Some(Defect::Dead(dead)) => {
                for (axis, _) in axes.iter_mut().zip(dead).filter(|(axis, dead)| **dead && axis.is_some()) {
                    *axis = Some(0.0);
                }
            }
            Some(Defect::Stuck { axes: stuck, from_s, at_share }) if sampled >= Rig::moment(*from_s) => {
                let parts = axes.iter_mut().zip(&mut self.held).zip(stuck).filter(|(_, stuck)| **stuck);
                for ((axis, held), _) in parts {
                    *held = held.or_else(|| at_share.map(|share| share * self.range)).or(*axis);
                    *axis = axis.and(*held);
                }
            }
            Some(Defect::Spikes { from_s, to_s, per_s, samples, share, axis }) => {
                let is_on = sampled >= Rig::moment(*from_s) && sampled < Rig::moment((*to_s).min(1e6));
                if self.spike_left == 0 && is_on && self.rng.unit() < f64::from(per_s * spacing_s) {
                    self.spike_left = *samples;
                }
                if self.spike_left > 0 {
                    self.spike_left -= 1;
                    let hit = axes.iter_mut().enumerate().filter(|(index, _)| axis.is_none_or(|only| only == *index));
                    for (_, axis) in hit {
                        *axis = axis.map(|_| share * self.range);
                    }
                }
            }
            _ => {}
        }
    }
}
