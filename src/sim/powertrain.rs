//! Engine, electric motor and gearbox of a parallel plug-in hybrid, and the control that shares the work.
//!
//! The motor sits between clutch and gearbox (P2). The car drives electrically until speed, power or state of charge
//! ask for the engine; once the battery is down, the engine holds it there. When slowing down, the motor takes what
//! motor and battery can take, the brakes take the rest. The engine follows a Willans line (fuel = (work + friction) /
//! inner efficiency), the motor loses with the square of torque and speed.

use super::battery::Battery;
use super::chassis::WHEEL_RADIUS_M;

/// Gear ratios with the final drive.
const GEARS: [f64; 6] = [14.8, 8.6, 5.7, 4.2, 3.3, 2.7];
/// The speeds above which the next gear is taken, and how far below it is left again, in km/h.
const SHIFT_UP_KMH: [f64; 5] = [18.0, 35.0, 55.0, 75.0, 95.0];
const SHIFT_HYSTERESIS_KMH: f64 = 6.0;
const DRIVELINE_EFFICIENCY: f64 = 0.96;

const MOTOR_NM: f64 = 260.0;
const MOTOR_W: f64 = 80_000.0;
const REGENERATION_W: f64 = 45_000.0;
/// Regeneration fades out between these speeds: the brakes stop the car.
const REGENERATION_FADE_MPS: (f64, f64) = (1.5, 3.5);

const ENGINE_NM: f64 = 160.0;
const ENGINE_W: f64 = 75_000.0;
const ENGINE_FRICTION_NM: f64 = 16.0;
const ENGINE_EFFICIENCY: f64 = 0.42;
const IDLE_RADPS: f64 = 115.0;
const CRANK_S: f64 = 0.4;
const CRANK_W: f64 = 4_000.0;
/// Gasoline E10.
pub(super) const FUEL_J_PER_L: f64 = 31.2e6;

/// The engine is asked for above this power at the wheels, above this speed, or below this state of charge; and is let
/// go with some distance to each, not before it ran for a while.
const ENGINE_ON_W: f64 = 48_000.0;
const ENGINE_OFF_W: f64 = 25_000.0;
const ENGINE_ON_MPS: f64 = 30.0;
const ENGINE_OFF_MPS: f64 = 27.5;
const ENGINE_ON_SOC: f64 = 0.18;
const ENGINE_OFF_SOC: f64 = 0.22;
const ENGINE_MIN_S: f64 = 8.0;
/// What the engine adds for the battery while it holds the state of charge.
const SUSTAIN_W: f64 = 9_000.0;

/// What the engine does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) enum Engine {
    #[default]
    Stopped,
    Cranking,
    Running,
    /// Turning with the wheels, without fuel.
    FuelCut,
}

/// Where the energy of the powertrain went, in joules since the beginning.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Losses {
    pub engine: f64,
    pub motor: f64,
    pub driveline: f64,
    pub crank: f64,
}

/// The powertrain.
#[derive(Debug, Clone, Default)]
pub(super) struct Powertrain {
    pub engine: Engine,
    pub engine_nm: f64,
    pub engine_radps: f64,
    pub motor_nm: f64,
    pub motor_radps: f64,
    /// 1 to 6; 0 while the lever is in P or N.
    pub gear: usize,
    pub fuel_w: f64,
    pub fuel_used_j: f64,
    pub engine_hours: f64,
    pub losses_j: Losses,
    engine_s: f64,
    wanted: bool,
}

/// What it is asked for.
#[derive(Debug, Clone, Copy)]
pub(super) struct Ask {
    /// At the wheels; negative: slow down.
    pub force_n: f64,
    pub speed_mps: f64,
    /// In drive.
    pub in_gear: bool,
    pub has_fuel: bool,
}

/// What it gives.
#[derive(Debug, Clone, Copy)]
pub(super) struct Give {
    /// At the wheels; negative: regeneration and engine drag.
    pub force_n: f64,
    /// Taken from the traction battery.
    pub electric_w: f64,
}

impl Powertrain {
    /// The largest force at this speed, for the scale of the pedal.
    pub(super) fn force_limit_n(&self, speed_mps: f64) -> f64 {
        let ratio = GEARS.get(self.gear.saturating_sub(1)).copied().unwrap_or(GEARS[0]);
        (MOTOR_NM * ratio / WHEEL_RADIUS_M).min(MOTOR_W / speed_mps.max(1.0))
    }

    pub(super) fn step(&mut self, ask: &Ask, battery: &Battery, dt_s: f64) -> Give {
        self.shift(ask);
        let ratio = if ask.in_gear { GEARS.get(self.gear.saturating_sub(1)).copied().unwrap_or(0.0) } else { 0.0 };
        self.motor_radps = ask.speed_mps / WHEEL_RADIUS_M * ratio;
        let crank_w = self.switch_engine(ask, battery, dt_s);
        let input_nm = if ratio > 0.0 { wheel_to_input(ask.force_n, ratio) } else { 0.0 };
        self.share(input_nm, ask.speed_mps, battery);
        self.burn(dt_s);
        let motor_loss_w = self.motor_loss_w();
        let input_nm = self.motor_nm + self.coupled_engine_nm();
        let input_w = input_nm * self.motor_radps;
        let force_n = if ratio > 0.0 { input_to_wheel(input_nm, ratio) } else { 0.0 };
        self.losses_j.driveline += (input_w - force_n * ask.speed_mps) * dt_s;
        self.losses_j.motor += motor_loss_w * dt_s;
        self.losses_j.crank += crank_w * dt_s;
        Give { force_n, electric_w: self.motor_nm * self.motor_radps + motor_loss_w + crank_w }
    }

    /// Everything at rest, the ignition is off.
    pub(super) fn stop(&mut self) {
        *self = Self {
            fuel_used_j: self.fuel_used_j,
            engine_hours: self.engine_hours,
            losses_j: self.losses_j,
            ..Self::default()
        };
    }

    pub(super) fn motor_w(&self) -> f64 {
        self.motor_nm * self.motor_radps
    }

    fn shift(&mut self, ask: &Ask) {
        if !ask.in_gear {
            self.gear = 0;
            return;
        }
        let kmh = ask.speed_mps * 3.6;
        self.gear = self.gear.clamp(1, GEARS.len());
        if SHIFT_UP_KMH.get(self.gear - 1).is_some_and(|limit| kmh > *limit) {
            self.gear += 1;
        } else if self.gear > 1 && kmh < SHIFT_UP_KMH[self.gear - 2] - SHIFT_HYSTERESIS_KMH {
            self.gear -= 1;
        }
    }

    /// Starts and stops the engine; returns what cranking takes, in watts.
    fn switch_engine(&mut self, ask: &Ask, battery: &Battery, dt_s: f64) -> f64 {
        let soc = battery.state_of_charge();
        let power_w = ask.force_n * ask.speed_mps;
        let on = power_w > ENGINE_ON_W || ask.speed_mps > ENGINE_ON_MPS || soc < ENGINE_ON_SOC;
        let keep = power_w > ENGINE_OFF_W || ask.speed_mps > ENGINE_OFF_MPS || soc < ENGINE_OFF_SOC;
        self.wanted = ask.has_fuel && (on || (self.wanted && (keep || self.engine_s < ENGINE_MIN_S)));
        self.engine_s += dt_s;
        match (self.engine, self.wanted) {
            (Engine::Stopped, true) => (self.engine, self.engine_s) = (Engine::Cranking, 0.0),
            (Engine::Cranking, true) if self.engine_s >= CRANK_S => {
                (self.engine, self.engine_s) = (Engine::Running, 0.0);
            }
            (Engine::Stopped | Engine::Cranking, _) => {}
            (Engine::Running | Engine::FuelCut, true) => {
                self.engine = if ask.force_n < -200.0 && self.coupled() { Engine::FuelCut } else { Engine::Running };
            }
            (Engine::Running | Engine::FuelCut, false) => (self.engine, self.engine_s) = (Engine::Stopped, 0.0),
        }
        if self.engine == Engine::Cranking { CRANK_W } else { 0.0 }
    }

    /// The clutch is closed: the engine turns with the gearbox.
    fn coupled(&self) -> bool {
        matches!(self.engine, Engine::Running | Engine::FuelCut) && self.motor_radps >= IDLE_RADPS
    }

    fn coupled_engine_nm(&self) -> f64 {
        if self.coupled() { self.engine_nm } else { 0.0 }
    }

    /// Shares the torque at the gearbox between engine and motor, within the limits of both and of the battery.
    fn share(&mut self, input_nm: f64, speed_mps: f64, battery: &Battery) {
        let radps = self.motor_radps.max(1.0);
        self.engine_nm = match self.engine {
            Engine::Running if self.coupled() => {
                let low = battery.state_of_charge() < ENGINE_OFF_SOC;
                let extra_nm = if low { SUSTAIN_W / radps } else { 0.0 };
                (input_nm + extra_nm).clamp(0.0, ENGINE_NM.min(ENGINE_W / radps))
            }
            Engine::FuelCut if self.coupled() => -ENGINE_FRICTION_NM,
            _ => 0.0,
        };
        let (from_mps, to_mps) = REGENERATION_FADE_MPS;
        let fade = ((speed_mps - from_mps) / (to_mps - from_mps)).clamp(0.0, 1.0);
        let take_w = REGENERATION_W.min(battery.charge_limit_w());
        let give_w = MOTOR_W.min(battery.discharge_limit_w());
        let strongest_nm = MOTOR_NM.min(give_w / radps);
        let weakest_nm = -(MOTOR_NM.min(take_w / radps) * fade);
        self.motor_nm = (input_nm - self.coupled_engine_nm()).clamp(weakest_nm, strongest_nm);
    }

    fn burn(&mut self, dt_s: f64) {
        self.engine_radps = match self.engine {
            Engine::Stopped => 0.0,
            Engine::Cranking => IDLE_RADPS * 0.25,
            Engine::Running | Engine::FuelCut => self.motor_radps.max(IDLE_RADPS),
        };
        let work_w = self.coupled_engine_nm() * self.engine_radps;
        self.fuel_w = match self.engine {
            Engine::Running => (work_w + ENGINE_FRICTION_NM * self.engine_radps) / ENGINE_EFFICIENCY,
            Engine::Stopped | Engine::Cranking | Engine::FuelCut => 0.0,
        };
        self.fuel_used_j += self.fuel_w * dt_s;
        self.losses_j.engine += (self.fuel_w - work_w) * dt_s;
        if self.engine == Engine::Running {
            self.engine_hours += dt_s / 3_600.0;
        }
    }

    fn motor_loss_w(&self) -> f64 {
        let spinning = if self.gear > 0 { 60.0 } else { 0.0 };
        spinning + 0.075 * self.motor_nm * self.motor_nm + 0.002 * self.motor_radps * self.motor_radps
    }
}

fn wheel_to_input(force_n: f64, ratio: f64) -> f64 {
    let nm = force_n * WHEEL_RADIUS_M / ratio;
    if nm > 0.0 { nm / DRIVELINE_EFFICIENCY } else { nm * DRIVELINE_EFFICIENCY }
}

fn input_to_wheel(input_nm: f64, ratio: f64) -> f64 {
    let nm = input_nm * ratio;
    (if nm > 0.0 { nm * DRIVELINE_EFFICIENCY } else { nm / DRIVELINE_EFFICIENCY }) / WHEEL_RADIUS_M
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rng::Rng;

    fn ask(force_n: f64, kmh: f64) -> Ask {
        Ask { force_n, speed_mps: kmh / 3.6, in_gear: true, has_fuel: true }
    }

    fn settle(soc: f64, ask: &Ask) -> (Powertrain, Give) {
        let battery = Battery::new(soc, 20.0, &mut Rng::new(1));
        let mut powertrain = Powertrain::default();
        let mut give = powertrain.step(ask, &battery, 0.01);
        for _ in 0..500 {
            give = powertrain.step(ask, &battery, 0.01);
        }
        (powertrain, give)
    }

    #[test]
    fn the_engine_comes_when_speed_power_or_charge_ask_for_it() {
        assert_eq!(settle(0.6, &ask(600.0, 50.0)).0.engine, Engine::Stopped);
        assert_eq!(settle(0.6, &ask(600.0, 120.0)).0.engine, Engine::Running);
        assert_eq!(settle(0.6, &ask(4_000.0, 60.0)).0.engine, Engine::Running);
        let (empty, give) = settle(0.15, &ask(600.0, 50.0));
        assert_eq!(empty.engine, Engine::Running);
        assert!(give.electric_w < 0.0, "the engine charges the battery: {} W", give.electric_w);
        let dry = Ask { has_fuel: false, ..ask(600.0, 120.0) };
        assert_eq!(settle(0.6, &dry).0.engine, Engine::Stopped);
    }

    #[test]
    fn the_force_asked_for_is_given_and_braking_charges() {
        let (_, driving) = settle(0.6, &ask(800.0, 50.0));
        assert!((driving.force_n - 800.0).abs() < 1e-6);
        assert!(driving.electric_w > 800.0 * 50.0 / 3.6, "losses are paid for");
        let (_, braking) = settle(0.6, &ask(-1_500.0, 50.0));
        assert!(braking.electric_w < -10_000.0, "{} W", braking.electric_w);
        let (_, full) = settle(1.0, &ask(-1_500.0, 50.0));
        assert!(full.force_n > -200.0, "a full battery takes nothing: {} N", full.force_n);
    }
}
