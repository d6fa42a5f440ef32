//! Plays a script: forces become motion, and motion is what the car feels.
//!
//! The car is a mass in the plane that also rolls and pitches. Speed is the integral of the very acceleration that the
//! sensors get, so that what the wheels lose fits what the pulse took. While somebody drives, the tires hold the car on
//! its heading and give v·r across; adrift they drag against the motion with Coulomb's law.

use crate::rng::Rng;

use super::script::{Script, Wheels};
use super::wave::{Shaker, add};

/// Standard gravity in m/s² (ISO 80000-3).
pub(in crate::sim) const GRAVITY: f32 = 9.806_65;
/// Below it Coulomb's friction fades, so that a car at rest stays there.
const REST_MPS: f32 = 0.2;
/// A driver's braking ends with the car at rest.
const STOP_MPS: f32 = 0.02;
/// Slip of an ABS comes and goes so often a second.
const ABS_HZ: f32 = 8.0;

/// The car at one moment.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Moment {
    /// Since the start of the case.
    pub time_s: f32,
    /// Since the moment before.
    pub step_s: f32,
    /// Specific force in the car's axes in m/s²: what an ideal accelerometer shows, gravity included.
    pub force: [f32; 3],
    /// Horizontal acceleration by pushes, drag and driving alone, without gravity and shaking: what changes the speed.
    pub motion: [f32; 2],
    /// Roll, pitch and yaw rate in °/s.
    pub rates: [f32; 3],
    /// Velocity forwards and to the left in m/s.
    pub velocity: [f32; 2],
    /// What the wheels show in m/s; none while their message is missing.
    pub wheels: Option<f32>,
}

/// The iterator over a script's moments.
#[derive(Debug)]
pub(super) struct Play<'s> {
    script: &'s Script,
    coarse_s: f32,
    time_s: f64,
    velocity: [f32; 2],
    tilt_deg: [f32; 2],
    /// What gravity does at that tilt.
    up: [f32; 3],
    shakers: Vec<Shaker>,
    wheel_mps: f32,
    rng: Rng,
}

impl<'s> Play<'s> {
    /// From that time on; what lies before is integrated in coarse steps and not shown.
    pub(super) fn new(script: &'s Script, from_s: f32, coarse_s: f32, rng: Rng) -> Self {
        let mut play = Self {
            script,
            coarse_s,
            time_s: 0.0,
            velocity: [script.start_mps, 0.0],
            tilt_deg: script.tilt_deg,
            up: gravity(script.tilt_deg),
            shakers: script.vibrations.iter().copied().map(Shaker::new).collect(),
            wheel_mps: script.start_mps,
            rng,
        };
        while play.time_s() < from_s {
            play.advance(0.01, false);
        }
        play
    }

    #[expect(
        clippy::cast_possible_truncation,
        reason = "a case lasts a minute: 4 µs of rounding, unlike the sum of steps"
    )]
    const fn time_s(&self) -> f32 {
        self.time_s as f32
    }

    fn advance(&mut self, step_s: f32, is_shown: bool) -> Moment {
        let time_s = self.time_s();
        let script = self.script;
        let rates = [0, 1, 2].map(|axis: usize| script.rates.get(axis).map_or(0.0, |curve| curve.at(time_s)));
        let yaw = rates[2].to_radians();
        let mut force = [0.0; 3];
        let mut motion = [0.0; 3];
        for wave in &script.waves {
            if let Some(value) = wave.at(time_s) {
                add(&mut force, value);
                if wave.moves {
                    add(&mut motion, [value[0], value[1], 0.0]);
                }
            }
        }
        let [along, across] = self.tires(time_s, yaw);
        add(&mut force, [along, across, 0.0]);
        add(&mut motion, [along, across, 0.0]);
        let motion = [motion[0], motion[1]];
        self.turn(step_s, motion, yaw, time_s);
        if rates[0] != 0.0 || rates[1] != 0.0 {
            for (tilt, rate) in self.tilt_deg.iter_mut().zip(rates) {
                *tilt += rate * step_s;
            }
            self.up = gravity(self.tilt_deg);
        }
        add(&mut force, self.up);
        if is_shown {
            let speed = self.velocity[0].hypot(self.velocity[1]);
            for shaker in &mut self.shakers {
                shaker.add(time_s, step_s, speed, &mut self.rng, &mut force);
            }
        }
        let wheels = self.wheels(time_s, step_s);
        self.time_s += f64::from(step_s);
        Moment { time_s, step_s, force, motion, rates, velocity: self.velocity, wheels }
    }

    /// What the tires do to the car, in m/s².
    fn tires(&self, time_s: f32, yaw: f32) -> [f32; 2] {
        let [vx, vy] = self.velocity;
        match self.script.adrift {
            Some((from_s, [along, across])) if time_s >= from_s => {
                let scale = GRAVITY / vx.hypot(vy).max(REST_MPS);
                [-along * scale * vx, -across * scale * vy]
            }
            _ => {
                let wanted = self.script.pedals.at(time_s);
                [if wanted < 0.0 && vx <= STOP_MPS { 0.0 } else { wanted }, vx * yaw]
            }
        }
    }

    /// The velocity after the step, in axes that turn with the car.
    fn turn(&mut self, step_s: f32, motion: [f32; 2], yaw: f32, time_s: f32) {
        let [vx, vy] = self.velocity;
        let is_driven = self.script.adrift.is_none_or(|(from_s, _)| time_s < from_s);
        self.velocity = [vx + (motion[0] + yaw * vy) * step_s, vy + (motion[1] - yaw * vx) * step_s];
        if is_driven && vx > 0.0 && self.velocity[0] <= 0.0 && motion[0] > -2.0 * GRAVITY {
            self.velocity[0] = 0.0;
        }
    }

    fn wheels(&mut self, time_s: f32, step_s: f32) -> Option<f32> {
        let state = self.script.wheels.iter().rev().find(|(from_s, _)| time_s >= *from_s);
        let speed = self.velocity[0].abs();
        match state.map_or(Wheels::Rolling, |(_, state)| *state) {
            Wheels::Rolling => self.wheel_mps = speed,
            Wheels::Locked(within_s) => self.wheel_mps -= self.wheel_mps * (step_s * 3.0 / within_s).min(1.0),
            Wheels::Abs(depth) => {
                let wave = (std::f32::consts::TAU * ABS_HZ * time_s).sin().max(0.0);
                self.wheel_mps = speed * (1.0 - depth * wave);
            }
            Wheels::Missing => return None,
        }
        Some(self.wheel_mps)
    }
}

impl Iterator for Play<'_> {
    type Item = Moment;

    fn next(&mut self) -> Option<Moment> {
        let time_s = self.time_s();
        (time_s < self.script.duration_s).then(|| self.advance(self.script.step_s(time_s, self.coarse_s), true))
    }
}

/// What gravity does to a sensor that is rolled and pitched, in m/s².
pub(super) fn gravity(tilt_deg: [f32; 2]) -> [f32; 3] {
    let [roll, pitch] = tilt_deg.map(f32::to_radians);
    [-GRAVITY * pitch.sin(), GRAVITY * roll.sin() * pitch.cos(), GRAVITY * roll.cos() * pitch.cos()]
}
