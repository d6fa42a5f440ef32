//! A collision of the simulated car: what the structure feels from contact to standstill, and what the car does about
//! it.
//!
//! A pulse is a squared half sine with the peaks of folding metal and the ringing of the structure on top; the speed is
//! its integral. After the last pulse the car slides to a stop.

use std::f64::consts::{PI, TAU};

use super::chassis::{Chassis, GRAVITY_MPS2};

/// The samples that the restraint control unit packs into a frame.
pub(super) const PACKED: usize = 5;
/// From contact until the restraint control unit fires.
const FIRED_AFTER_S: f64 = 0.016;
/// In a pile-up the harness of the body bus is torn.
const TORN_AFTER_S: f64 = 0.080;
/// The hazard warning is switched on by the restraint control unit, the drive is switched off.
const CUT_AFTER_S: f64 = 0.030;
/// Bent metal on dry asphalt.
const SLIDING_MPS2: f64 = 5.5;
/// What spins the car is braked so strongly.
const SPIN_DECAY_PER_S: f64 = 3.0;
/// All is over when the car has stood so long.
const SETTLED_S: f64 = 3.0;

/// Shakes of the structure: hertz, share of the peak, decay per second.
const FOLDING: (f64, f64) = (34.0, 0.22);
const RINGING: (f64, f64, f64) = (95.0, 0.14, 18.0);

/// What happens.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// The left front against another car.
    Offset,
    /// The same, and then from behind by a car that could not stop.
    Pileup,
}

/// One impact.
#[derive(Debug, Clone, Copy)]
struct Pulse {
    begins_s: f64,
    lasts_s: f64,
    /// Change of speed along x, in m/s.
    along_mps: f64,
    /// Force sideways, as a share of that along.
    sideways: f64,
    /// What it spins the car up to.
    yaw_dps: f64,
}

impl Pulse {
    /// Along x, in m/s².
    fn along_mps2(&self, time_s: f64) -> f64 {
        let since_s = time_s - self.begins_s;
        if !(0.0..self.lasts_s).contains(&since_s) {
            return 0.0;
        }
        let peak = 2.0 * self.along_mps / self.lasts_s;
        let envelope = (PI * since_s / self.lasts_s).sin().powi(2);
        let (folding_hz, folding) = FOLDING;
        peak * envelope * (1.0 + folding * (TAU * folding_hz * since_s).sin())
    }

    /// What only the sensor feels: it swings about zero and moves nothing.
    fn ringing_mps2(&self, time_s: f64) -> f64 {
        let since_s = time_s - self.begins_s;
        if since_s < 0.0 {
            return 0.0;
        }
        let (hz, share, decay) = RINGING;
        2.0 * self.along_mps / self.lasts_s * share * (TAU * hz * since_s).sin() * (-decay * since_s).exp()
    }
}

/// A collision that has begun.
#[derive(Debug, Clone)]
pub(super) struct Collision {
    pulses: Vec<Pulse>,
    /// Since contact.
    time_s: f64,
    standing_s: f64,
    yaw_dps: f64,
    /// The integral of what the structure feels along and across, since contact.
    delta_v_mps: [f64; 2],
    /// The newest specific forces, oldest first: the sensor's memory.
    recent_mps2: [[f64; 3]; PACKED],
}

impl Collision {
    pub(super) fn new(kind: Kind, chassis: &Chassis) -> Self {
        let front = Pulse {
            begins_s: 0.0,
            lasts_s: 0.115,
            along_mps: -0.86 * chassis.speed_mps,
            sideways: 0.22,
            yaw_dps: 55.0,
        };
        let behind = Pulse { begins_s: 1.35, lasts_s: 0.090, along_mps: 4.6, sideways: 0.05, yaw_dps: -12.0 };
        Self {
            pulses: match kind {
                Kind::Offset => vec![front],
                Kind::Pileup => vec![front, behind],
            },
            time_s: 0.0,
            standing_s: 0.0,
            yaw_dps: 0.0,
            delta_v_mps: [0.0; 2],
            recent_mps2: [chassis.accel_mps2; PACKED],
        }
    }

    /// One step of the car.
    pub(super) fn step(&mut self, chassis: &mut Chassis, dt_s: f64) {
        self.time_s += dt_s;
        let time_s = self.time_s;
        let pulse_mps2: f64 = self.pulses.iter().map(|pulse| pulse.along_mps2(time_s)).sum();
        let ringing_mps2: f64 = self.pulses.iter().map(|pulse| pulse.ringing_mps2(time_s)).sum();
        let sideways_mps2: f64 = self.pulses.iter().map(|pulse| pulse.sideways * pulse.along_mps2(time_s)).sum();
        let last = self.pulses.last().is_some_and(|pulse| time_s >= pulse.begins_s);
        let slides = chassis.speed_mps > 0.0 && (pulse_mps2.abs() < 1.0 || !last);
        let along_mps2 = pulse_mps2 - if slides { SLIDING_MPS2 } else { 0.0 };
        for pulse in &self.pulses {
            if (pulse.begins_s..pulse.begins_s + pulse.lasts_s).contains(&time_s) {
                self.yaw_dps += pulse.yaw_dps * dt_s / pulse.lasts_s;
            }
        }
        self.yaw_dps *= 1.0 - SPIN_DECAY_PER_S * dt_s;
        let felt_along_mps2 = chassis.collide(along_mps2, self.yaw_dps, dt_s);
        let felt_mps2 = [
            felt_along_mps2 + ringing_mps2,
            sideways_mps2 + 0.4 * ringing_mps2,
            GRAVITY_MPS2 + 0.12 * pulse_mps2 + 0.5 * ringing_mps2,
        ];
        chassis.accel_mps2 = felt_mps2;
        for (delta_v_mps, felt_mps2) in self.delta_v_mps.iter_mut().zip(felt_mps2) {
            *delta_v_mps += felt_mps2 * dt_s;
        }
        self.recent_mps2.rotate_left(1);
        if let Some(newest) = self.recent_mps2.last_mut() {
            *newest = felt_mps2;
        }
        self.standing_s = if chassis.speed_mps > 0.0 { 0.0 } else { self.standing_s + dt_s };
    }

    /// The newest samples of the restraint sensor, oldest first.
    pub(super) fn recent_mps2(&self) -> [[f64; 3]; PACKED] {
        self.recent_mps2
    }

    pub(super) fn since_contact_s(&self) -> f64 {
        self.time_s
    }

    /// What it has done to the car, forwards and to the left.
    pub(super) fn delta_v_mps(&self) -> [f64; 2] {
        self.delta_v_mps
    }

    /// The airbags have fired.
    pub(super) fn has_fired(&self) -> bool {
        self.time_s >= FIRED_AFTER_S
    }

    /// Fuel and high voltage are cut, hazard lights on.
    pub(super) fn has_cut(&self) -> bool {
        self.time_s >= CUT_AFTER_S
    }

    /// Nothing comes over the body bus any more.
    pub(super) fn has_torn_body_bus(&self) -> bool {
        self.pulses.len() > 1 && self.time_s >= TORN_AFTER_S
    }

    /// Nothing moves any more.
    pub(super) fn is_over(&self) -> bool {
        self.standing_s >= SETTLED_S
    }
}
