//! The driver: looks ahead, keeps to the limit that curves, traffic, lights and the destination set, and moves pedals.

use crate::rng::Rng;

use super::road::{LIGHTS_M, Road};

/// Comfortable braking, and the comfortable share of it while following.
const BRAKING_MPS2: f64 = 1.6;
const STRONGEST_BRAKING_MPS2: f64 = 3.0;
const ACCELERATING_MPS2: f64 = 1.9;
/// The faster, the gentler: so much less per m/s.
const ACCELERATING_LESS_PER_S: f64 = 0.035;
/// Sideways, in curves.
const CORNERING_MPS2: f64 = 2.4;
/// How far is looked ahead, and in which steps.
const LOOK_AHEAD_M: f64 = 260.0;
const LOOK_STEP_M: f64 = 6.5;
/// How fast the gap between wanted and driven speed is closed.
const GAIN_PER_S: f64 = 0.7;
/// The car in front: how much slower it can be, and how long such a mood lasts.
const TRAFFIC_SHARE: f64 = 0.16;
const TRAFFIC_S: f64 = 12.0;
/// Closer than this to the mark, the car is stopped for good.
const ARRIVED_M: f64 = 0.8;
/// A light is red with this chance, for at most so long.
const RED: f64 = 0.5;
const RED_S: f64 = 14.0;

/// The driver.
#[derive(Debug, Clone)]
pub(super) struct Driver {
    rng: Rng,
    traffic: f64,
    traffic_aim: f64,
    traffic_s: f64,
    light: Option<Light>,
    passed_m: f64,
}

#[derive(Debug, Clone, Copy)]
struct Light {
    at_m: f64,
    red_s: f64,
}

impl Driver {
    pub(super) fn new(rng: Rng) -> Self {
        Self { rng, traffic: 1.0, traffic_aim: 1.0, traffic_s: 0.0, light: None, passed_m: 0.0 }
    }

    /// The acceleration wanted now, in m/s², on the way to `stop_m`; none once the car stands there.
    pub(super) fn wants(
        &mut self,
        road: &Road,
        distance_m: f64,
        speed_mps: f64,
        stop_m: f64,
        dt_s: f64,
    ) -> Option<f64> {
        if stop_m - distance_m < ARRIVED_M && speed_mps < 0.1 {
            return None;
        }
        self.follow_traffic(dt_s);
        let halt_m = self.red_light(road, distance_m, speed_mps, dt_s).map_or(stop_m, |light_m| light_m.min(stop_m));
        let limit_mps = self.limit(road, distance_m, halt_m);
        let wanted = (limit_mps - speed_mps) * GAIN_PER_S;
        let strongest_mps2 = ACCELERATING_MPS2 - ACCELERATING_LESS_PER_S * speed_mps;
        Some(wanted.clamp(-STRONGEST_BRAKING_MPS2, strongest_mps2))
    }

    fn follow_traffic(&mut self, dt_s: f64) {
        self.traffic_s -= dt_s;
        if self.traffic_s <= 0.0 {
            self.traffic_s = TRAFFIC_S * (0.5 + self.rng.unit());
            self.traffic_aim = 1.0 - TRAFFIC_SHARE * self.rng.unit();
        }
        self.traffic += (self.traffic_aim - self.traffic) * (dt_s / 3.0).min(1.0);
    }

    /// Where to wait for the next light, if it is red.
    fn red_light(&mut self, road: &Road, distance_m: f64, speed_mps: f64, dt_s: f64) -> Option<f64> {
        if self.light.is_none() {
            let round_m = (distance_m / road.length_m()).floor() * road.length_m();
            let next_m = LIGHTS_M.into_iter().map(|at_m| at_m + round_m).find(|at_m| *at_m > distance_m + 40.0)?;
            if next_m <= self.passed_m || next_m - distance_m > LOOK_AHEAD_M {
                return None;
            }
            let red_s = if self.rng.unit() < RED { RED_S * (0.3 + 0.7 * self.rng.unit()) } else { 0.0 };
            self.light = Some(Light { at_m: next_m, red_s });
        }
        let light = self.light.as_mut()?;
        if speed_mps < 0.5 {
            light.red_s -= dt_s;
        }
        if light.red_s > 0.0 {
            return Some(light.at_m);
        }
        self.passed_m = light.at_m;
        self.light = None;
        None
    }

    /// The speed from which everything ahead can be reached with comfortable braking.
    fn limit(&self, road: &Road, distance_m: f64, halt_m: f64) -> f64 {
        let slowed = |limit_mps: f64, ahead_m: f64| (limit_mps * limit_mps + 2.0 * BRAKING_MPS2 * ahead_m).sqrt();
        let mut limit_mps = slowed(0.0, (halt_m - distance_m - ARRIVED_M / 2.0).max(0.0) * 0.8);
        let mut ahead_m = 0.0;
        while ahead_m < LOOK_AHEAD_M {
            let spot = road.at(distance_m + ahead_m);
            let curve_mps = (CORNERING_MPS2 / spot.curvature.abs().max(1e-6)).sqrt();
            let here_mps = (spot.limit_mps * self.traffic).min(curve_mps);
            limit_mps = limit_mps.min(slowed(here_mps, ahead_m * 0.8));
            ahead_m += LOOK_STEP_M;
        }
        limit_mps
    }
}
