//! The body in motion: what forces do to it, and what wheels and sensors see of that.
//!
//! Longitudinal dynamics with air drag, rolling resistance and slope; the lateral part follows from the road's curvature.
//! Axes are those of ISO 8855: x forwards, y to the left, z upwards; accelerometers measure the specific force, so at
//! rest on the level they read 0, 0, 9.81.

use super::road::Spot;

pub(super) const GRAVITY_MPS2: f64 = 9.81;
/// Kerb weight with the driver.
const MASS_KG: f64 = 1_680.0;
/// Wheels and shafts count as 4 % more mass when they are sped up.
pub(super) const INERTIA_KG: f64 = MASS_KG * 1.04;
/// Half of air density × drag coefficient × frontal area.
const DRAG_KG_PER_M: f64 = 0.5 * 1.2 * 0.29 * 2.3;
const ROLLING: f64 = 0.0095;
/// Above this the rolling resistance is fully there; below it fades, so that a standing car stays.
const ROLLING_FULL_MPS: f64 = 0.2;
pub(super) const WHEEL_RADIUS_M: f64 = 0.32;
const TRACK_M: f64 = 1.56;
const WHEELBASE_M: f64 = 2.70;
const STEERING_RATIO: f64 = 14.5;
/// Steering more than the geometry asks for, per m/s² sideways, in radians at the wheels.
const UNDERSTEER: f64 = 0.0025;

/// Position along the road, motion, and what follows from them.
#[derive(Debug, Clone, Default)]
pub(super) struct Chassis {
    /// Along the road, since the beginning of the scenario.
    pub distance_m: f64,
    pub speed_mps: f64,
    /// Specific force.
    pub accel_mps2: [f64; 3],
    pub yaw_dps: f64,
    pub steering_deg: f64,
    pub steering_dps: f64,
    /// Front left, front right, rear left, rear right.
    pub wheels_mps: [f64; 4],
    pub losses_j: Losses,
}

/// Where the energy of motion went, in joules since the beginning.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Losses {
    pub drag: f64,
    pub rolling: f64,
    pub brakes: f64,
    /// Into bent metal and scratched asphalt.
    pub collision: f64,
}

impl Chassis {
    /// What drag, rolling and slope take at this speed, in newtons.
    pub(super) fn resistance_n(&self, grade: f64) -> f64 {
        let [drag, rolling, slope] = self.resistances_n(grade);
        drag + rolling + slope
    }

    fn resistances_n(&self, grade: f64) -> [f64; 3] {
        let fade = (self.speed_mps / ROLLING_FULL_MPS).min(1.0);
        let level = 1.0 / (1.0 + grade * grade).sqrt();
        let weight_n = MASS_KG * GRAVITY_MPS2;
        [DRAG_KG_PER_M * self.speed_mps * self.speed_mps, ROLLING * weight_n * level * fade, weight_n * grade * level]
    }

    /// Drives on for `dt_s` with `drive_n` from the powertrain and up to `brake_n` from the brakes.
    pub(super) fn step(&mut self, drive_n: f64, brake_n: f64, spot: &Spot, dt_s: f64) {
        let [drag_n, rolling_n, slope_n] = self.resistances_n(spot.grade);
        let free_mps2 = (drive_n - drag_n - rolling_n - slope_n) / INERTIA_KG;
        // Brakes only hold: they never push the car backwards.
        let stop_mps2 = self.speed_mps / dt_s + free_mps2;
        let brake_mps2 = (brake_n / INERTIA_KG).min(stop_mps2.max(0.0));
        let before_mps = self.speed_mps;
        self.speed_mps = (before_mps + (free_mps2 - brake_mps2) * dt_s).max(0.0);
        let meters = before_mps.midpoint(self.speed_mps) * dt_s;
        self.distance_m += meters;
        self.losses_j.drag += drag_n * meters;
        self.losses_j.rolling += rolling_n * meters;
        self.losses_j.brakes += brake_mps2 * INERTIA_KG * meters;
        let along_mps2 = (self.speed_mps - before_mps) / dt_s;
        self.sense(along_mps2, spot, dt_s);
    }

    /// Is pushed for `dt_s` by a collision and spun; returns the acceleration that came of it: nothing pushes the car
    /// backwards.
    pub(super) fn collide(&mut self, along_mps2: f64, yaw_dps: f64, dt_s: f64) -> f64 {
        let before_mps = self.speed_mps;
        self.speed_mps = (before_mps + along_mps2 * dt_s).max(0.0);
        self.distance_m += before_mps.midpoint(self.speed_mps) * dt_s;
        self.yaw_dps = yaw_dps;
        self.wheels_mps = [self.speed_mps; 4];
        (self.speed_mps - before_mps) / dt_s
    }

    fn sense(&mut self, along_mps2: f64, spot: &Spot, dt_s: f64) {
        let yaw = self.speed_mps * spot.curvature;
        let lateral_mps2 = self.speed_mps * yaw;
        let level = 1.0 / (1.0 + spot.grade * spot.grade).sqrt();
        // Body and tires answer a change of curvature within a quarter of a second, not at once.
        let blend = (dt_s / 0.25).min(1.0);
        let [_, lateral_before, _] = self.accel_mps2;
        let lateral = lateral_before + (lateral_mps2 - lateral_before) * blend;
        self.accel_mps2 = [along_mps2 + GRAVITY_MPS2 * spot.grade * level, lateral, GRAVITY_MPS2 * level];
        self.yaw_dps += (yaw.to_degrees() - self.yaw_dps) * blend;
        let angle = (WHEELBASE_M * spot.curvature).atan() + UNDERSTEER * lateral;
        let turned = (angle.to_degrees() * STEERING_RATIO - self.steering_deg) * blend;
        self.steering_deg += turned;
        self.steering_dps = turned / dt_s;
        let outward = self.yaw_dps.to_radians() * TRACK_M / 2.0;
        let (left, right) = ((self.speed_mps - outward).max(0.0), (self.speed_mps + outward).max(0.0));
        // The front wheels run on a wider circle.
        let front = 1.0 / (WHEELBASE_M * spot.curvature).atan().cos();
        self.wheels_mps = [left * front, right * front, left, right];
    }

    /// Energy of motion and height above `base_m`, in joules.
    pub(super) fn energy_j(&self, altitude_m: f64) -> f64 {
        INERTIA_KG * self.speed_mps * self.speed_mps / 2.0 + MASS_KG * GRAVITY_MPS2 * altitude_m
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn coast(mut chassis: Chassis, spot: Spot, seconds: f64) -> Chassis {
        let steps = (0..).take_while(|step| f64::from(*step) * 0.01 < seconds);
        steps.for_each(|_: i32| chassis.step(0.0, 0.0, &spot, 0.01));
        chassis
    }

    #[test]
    fn a_coasting_car_slows_down_as_the_textbook_says_and_never_rolls_back() {
        let spot = Spot::default();
        let moving = Chassis { speed_mps: 30.0, ..Chassis::default() };
        let after = coast(moving.clone(), spot, 10.0);
        // At 27.5 m/s on average: 302 N of drag, 157 N of rolling on 1747 kg give 0.263 m/s².
        assert!((after.speed_mps - 27.4).abs() < 0.2, "{}", after.speed_mps);
        let lost_j = moving.energy_j(0.0) - after.energy_j(0.0);
        let booked_j = after.losses_j.drag + after.losses_j.rolling;
        assert!((lost_j - booked_j).abs() < 1e-3 * lost_j, "{lost_j} lost, {booked_j} booked");
        let mut standing = Chassis::default();
        let hill = Spot { grade: 0.08, ..Spot::default() };
        for _ in 0..1_000 {
            standing.step(0.0, 5_000.0, &hill, 0.01);
        }
        assert!(standing.speed_mps == 0.0 && standing.distance_m == 0.0);
    }

    #[test]
    fn in_a_left_bend_the_right_wheels_are_faster_and_the_force_points_left() {
        let bend = Spot { curvature: 1.0 / 50.0, ..Spot::default() };
        let mut chassis = Chassis { speed_mps: 10.0, ..Chassis::default() };
        let drive_n = chassis.resistance_n(0.0);
        for _ in 0..500 {
            chassis.step(drive_n, 0.0, &bend, 0.01);
        }
        let [front_left, front_right, rear_left, rear_right] = chassis.wheels_mps;
        assert!(front_right > front_left && rear_right > rear_left && front_left > rear_left);
        assert!((rear_right - rear_left - 0.2 * TRACK_M).abs() < 0.02);
        assert!((chassis.accel_mps2[1] - 2.0).abs() < 0.05 && chassis.yaw_dps > 11.0 && chassis.steering_deg > 0.0);
    }
}
