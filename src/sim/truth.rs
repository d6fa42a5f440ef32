//! What is really so: tests compare with it what the gateway makes of frames and sentences.

use crate::rng::Rng;
use crate::time::{MonoTime, WallTime};

use super::battery::ChargeState;
use super::body::{Ignition, Lamp};

/// The state of the simulated car at one moment, free of noise.
#[derive(Debug, Clone, PartialEq)]
#[expect(clippy::struct_excessive_bools, reason = "a car has many switches, each independent of the others")]
pub struct Truth {
    /// The moment that all this is true at.
    pub at: MonoTime,
    /// The same moment as the world tells it.
    pub wall: WallTime,
    /// Over ground.
    pub speed_kmh: f64,
    /// Degrees, WGS 84.
    pub latitude_deg: f64,
    /// Degrees, WGS 84.
    pub longitude_deg: f64,
    /// Above mean sea level.
    pub altitude_m: f64,
    /// Clockwise from true north.
    pub heading_deg: f64,
    /// Of the traction battery, 0 to 100.
    pub soc_percent: f64,
    /// In the tank.
    pub fuel_l: f64,
    /// In the life of the car.
    pub odometer_km: f64,
    /// Start button.
    pub ignition: Ignition,
    /// Would drive off at a press of the pedal.
    pub ready: bool,
    /// All doors are locked.
    pub locked: bool,
    /// The driver's door is open.
    pub driver_door_open: bool,
    /// The driver is belted.
    pub driver_belted: bool,
    /// Plug and charger.
    pub charge: ChargeState,
    /// The lamps that are lit or flash, in the order of the cluster.
    pub lamps: Vec<(&'static str, Lamp)>,
    /// No bus talks.
    pub asleep: bool,
    /// The hills hide the base station.
    pub covered: bool,
    /// Where the energy went since the beginning.
    pub energy: Energy,
    /// The collision, once there was a contact.
    pub impact: Option<Impact>,
}

/// What a collision has done to the car so far.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Impact {
    /// When it touched.
    pub contact: MonoTime,
    /// The integral of its acceleration since then, forwards and to the left, in m/s.
    pub delta_v_mps: [f64; 2],
}

/// Energy since the beginning, in joules: what came in is either stored or lost.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Energy {
    /// Fuel that was burnt.
    pub fuel_j: f64,
    /// Out of the wall.
    pub mains_j: f64,
    /// What batteries, motion and height gained.
    pub stored_j: f64,
    /// What became heat: engine, motor, gears, brakes, tires, air, electronics, cabin.
    pub lost_j: f64,
}

impl Energy {
    /// What does not add up; small against what came in.
    #[must_use]
    pub fn error_j(&self) -> f64 {
        self.fuel_j + self.mains_j - self.stored_j - self.lost_j
    }
}

/// Normally distributed numbers.
#[derive(Debug, Clone)]
pub(super) struct Noise(Rng);

impl Noise {
    pub(super) fn new(rng: Rng) -> Self {
        Self(rng)
    }

    /// From 0 to 1.
    pub(super) fn unit(&mut self) -> f64 {
        self.0.unit()
    }

    /// Mean 0, deviation 1: the sum of twelve even ones, which is bounded by ±6 as a real sensor's noise is.
    pub(super) fn normal(&mut self) -> f64 {
        (0..12).map(|_| self.0.unit()).sum::<f64>() - 6.0
    }
}
