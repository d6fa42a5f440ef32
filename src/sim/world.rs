//! The car and what is around it: one step of time for all parts, in the order in which they act on each other.

use crate::rng::Rng;

use super::battery::{Battery, Charger, LowVoltage};
use super::body::{Body, Fluids, Ignition, Instruments, LAMPS, Lamp, TANK_L};
use super::chassis::{Chassis, INERTIA_KG};
use super::collision::{Collision, Kind};
use super::driver::Driver;
use super::powertrain::{Ask, FUEL_J_PER_L, Give, Powertrain};
use super::road::{Road, Spot};
use super::scenario::Step;
use super::truth::Energy;

/// The brakes' force at a full press of the pedal.
const BRAKES_N: f64 = 17_000.0;
/// What holds the car at a light.
const HOLD_N: f64 = 6_000.0;
/// What a filling station's pump gives.
const PUMP_LPS: f64 = 0.6;
/// The indicator is set for so long before and after driving off.
const INDICATE_S: f64 = 2.5;
/// So close to a collision, the steps of time are short.
const NEAR_M: f64 = 1.0;
const ODOMETER_KM: f64 = 23_417.4;
const AMBIENT_C: f64 = 9.0;

/// Everything that has a state.
#[derive(Debug, Clone)]
pub(super) struct World {
    pub road: Road,
    pub spot: Spot,
    pub chassis: Chassis,
    pub powertrain: Powertrain,
    pub battery: Battery,
    pub charger: Charger,
    pub low_voltage: LowVoltage,
    pub body: Body,
    pub fluids: Fluids,
    /// 0 to 1.
    pub accelerator: f64,
    /// 0 to 1.
    pub brake: f64,
    /// At the wheels, by the motor, negative.
    pub regeneration_n: f64,
    pub wheel_w: f64,
    driver: Driver,
    drive_to_m: Option<f64>,
    /// Where it happens, and what.
    fate: Option<(f64, Kind)>,
    pub collision: Option<Collision>,
    drive_s: f64,
    pump_l: f64,
    mains_j: f64,
    heat_j: f64,
    stored_before_j: f64,
}

impl World {
    pub(super) fn new(rng: &mut Rng, state_of_charge: f64, fuel_l: f64) -> Self {
        let road = Road::ring();
        let mut world = Self {
            spot: road.at(0.0),
            road,
            chassis: Chassis::default(),
            powertrain: Powertrain::default(),
            battery: Battery::new(state_of_charge, AMBIENT_C, rng),
            charger: Charger::up_to(1.0),
            low_voltage: LowVoltage::new(),
            body: Body::new(AMBIENT_C),
            fluids: Fluids::new(AMBIENT_C, fuel_l),
            accelerator: 0.0,
            brake: 0.0,
            regeneration_n: 0.0,
            wheel_w: 0.0,
            driver: Driver::new(Rng::new(rng.next_u64())),
            drive_to_m: None,
            fate: None,
            collision: None,
            drive_s: 0.0,
            pump_l: 0.0,
            mains_j: 0.0,
            heat_j: 0.0,
            stored_before_j: 0.0,
        };
        world.chassis.step(0.0, HOLD_N, &world.spot, 0.01);
        world.stored_before_j = world.stored_j();
        world
    }

    /// Somebody does something.
    pub(super) fn act(&mut self, step: Step) {
        if !matches!(step, Step::Wait(_) | Step::Say(_)) {
            self.body.stir();
        }
        match step {
            Step::Wait(_) | Step::Say(_) => {}
            Step::Lock(on) => self.body.locked = on,
            Step::DriverDoor(open) => self.body.driver_door = open,
            Step::Sit(on) => self.body.occupied = on,
            Step::Belt(on) => self.body.belted = on,
            Step::Ignition(ignition) => self.body.turn(ignition),
            Step::Ready(on) => {
                self.body.ready = on;
                if !on {
                    self.powertrain.stop();
                }
            }
            Step::Drive(on) => {
                (self.body.in_drive, self.body.parking_brake) = (on, !on);
                self.drive_s = 0.0;
            }
            Step::DriveTo(meters) => self.drive_to_m = Some(meters),
            Step::DriveInto(meters, kind) => {
                // The driver means to go on.
                self.drive_to_m = Some(meters + 1_000.0);
                self.fate = Some((meters, kind));
            }
            Step::Leak(wheel, kpa_per_s) => {
                if let Some(tire) = self.body.tires.get_mut(wheel) {
                    tire.leak_kpa_per_s = kpa_per_s;
                }
            }
            Step::Inflate => self.body.set_tires(),
            Step::Pump(liters) => (self.pump_l, self.body.fuel_flap) = (liters, true),
            Step::Plug(on) => self.charger.plug(on),
        }
    }

    /// What was begun is not finished yet.
    pub(super) fn is_busy(&self) -> bool {
        self.drive_to_m.is_some() || self.pump_l > 0.0 || self.is_colliding()
    }

    /// From just before contact until nothing moves any more.
    pub(super) fn is_colliding(&self) -> bool {
        let is_near = self.fate.is_some_and(|(at_m, _)| at_m - self.chassis.distance_m < NEAR_M);
        is_near || self.collision.as_ref().is_some_and(|collision| !collision.is_over())
    }

    /// The airbags have fired.
    pub(super) fn has_fired(&self) -> bool {
        self.collision.as_ref().is_some_and(Collision::has_fired)
    }

    /// The body bus is torn.
    pub(super) fn is_body_bus_torn(&self) -> bool {
        self.collision.as_ref().is_some_and(Collision::has_torn_body_bus)
    }

    /// The car stands with its ignition off: nothing happens quickly.
    pub(super) fn is_at_rest(&self) -> bool {
        self.body.ignition == Ignition::Off && self.pump_l <= 0.0
    }

    /// Powertrain and restraints talk.
    pub(super) fn is_powered(&self) -> bool {
        self.body.is_powered()
    }

    /// Battery and charger talk.
    pub(super) fn is_charging(&self) -> bool {
        self.charger.is_busy()
    }

    pub(super) fn advance(&mut self, dt_s: f64) {
        self.pump(dt_s);
        self.meet_fate();
        let give = if self.collision.is_some() {
            self.collide(dt_s)
        } else if self.body.ready {
            self.drive(dt_s)
        } else {
            Give { force_n: 0.0, electric_w: 0.0 }
        };
        self.fluids.fuel_l = (self.fluids.fuel_l - self.powertrain.fuel_w * dt_s / FUEL_J_PER_L).max(0.0);
        let charge_before = self.charger.state;
        let (mains_j, charger_loss_j) = self.charger.step(&self.battery, dt_s);
        if self.charger.state != charge_before {
            self.body.stir();
        }
        self.mains_j += mains_j;
        self.body.step(self.chassis.speed_mps, dt_s);
        let load_w = self.body.load_w();
        let converter_on = self.body.ready || self.charger.is_busy();
        let net_w = self.low_voltage.step(converter_on, load_w, dt_s);
        let taken_w = give.electric_w + net_w + self.body.climate_w;
        let battery_heat_j = self.battery.exchange(self.charger.power_w - taken_w, dt_s, self.body.ambient_c);
        let converter_loss_w = self.low_voltage.converter_loss_w;
        self.heat_j += charger_loss_j + battery_heat_j + (load_w + converter_loss_w + self.body.climate_w) * dt_s;
        let [along_mps2, ..] = self.chassis.accel_mps2;
        self.fluids.step(&self.powertrain, &self.charger, self.body.ambient_c, along_mps2, dt_s);
    }

    fn drive(&mut self, dt_s: f64) -> Give {
        self.drive_s += dt_s;
        let wanted = self.drive_to_m.filter(|_| self.drive_s > INDICATE_S).and_then(|stop_m| {
            let (distance_m, speed_mps) = (self.chassis.distance_m, self.chassis.speed_mps);
            let wanted = self.driver.wants(&self.road, distance_m, speed_mps, stop_m, dt_s);
            if wanted.is_none() {
                self.drive_to_m = None;
            }
            wanted
        });
        let standing = self.chassis.speed_mps < 0.1 && wanted.is_none_or(|wanted| wanted <= 0.0);
        let force_n = match wanted {
            Some(wanted_mps2) if !standing => INERTIA_KG * wanted_mps2 + self.chassis.resistance_n(self.spot.grade),
            _ => 0.0,
        };
        let ask = Ask {
            force_n,
            speed_mps: self.chassis.speed_mps,
            in_gear: self.body.in_drive,
            has_fuel: self.fluids.fuel_l > 0.0,
        };
        let give = self.powertrain.step(&ask, &self.battery, dt_s);
        let brake_n = if standing { HOLD_N } else { (give.force_n - force_n).max(0.0) };
        self.accelerator = (force_n / self.powertrain.force_limit_n(self.chassis.speed_mps)).clamp(0.0, 1.0);
        self.brake = (if standing { HOLD_N } else { -force_n } / BRAKES_N).clamp(0.0, 1.0);
        self.regeneration_n = give.force_n.min(0.0);
        self.wheel_w = give.force_n * self.chassis.speed_mps;
        self.chassis.step(give.force_n, brake_n, &self.spot, dt_s);
        self.spot = self.road.at(self.chassis.distance_m);
        give
    }

    fn meet_fate(&mut self) {
        if let Some((_, kind)) = self.fate.filter(|(at_m, _)| self.chassis.distance_m >= *at_m) {
            (self.fate, self.drive_to_m) = (None, None);
            self.collision = Some(Collision::new(kind, &self.chassis));
            (self.accelerator, self.brake, self.regeneration_n, self.wheel_w) = (0.0, 1.0, 0.0, 0.0);
        }
    }

    fn collide(&mut self, dt_s: f64) -> Give {
        let before_j = self.chassis.energy_j(self.spot.altitude_m);
        if let Some(collision) = &mut self.collision {
            collision.step(&mut self.chassis, dt_s);
            if collision.has_cut() && self.body.ready {
                (self.body.ready, self.body.hazard) = (false, true);
                self.powertrain.stop();
            }
        }
        self.spot = self.road.at(self.chassis.distance_m);
        self.chassis.losses_j.collision += before_j - self.chassis.energy_j(self.spot.altitude_m);
        Give { force_n: 0.0, electric_w: 0.0 }
    }

    fn pump(&mut self, dt_s: f64) {
        if self.pump_l <= 0.0 {
            return;
        }
        let liters = (PUMP_LPS * dt_s).min(self.pump_l).min(TANK_L - self.fluids.fuel_l);
        self.fluids.fuel_l += liters;
        self.pump_l = if liters > 0.0 { self.pump_l - liters } else { 0.0 };
        if self.pump_l <= 1e-9 {
            (self.pump_l, self.body.fuel_flap) = (0.0, false);
        }
        self.body.stir();
    }

    pub(super) fn odometer_km(&self) -> f64 {
        ODOMETER_KM + self.chassis.distance_m / 1_000.0
    }

    pub(super) fn lamps(&self) -> [Lamp; LAMPS.len()] {
        self.body.lamps(&Instruments {
            speed_mps: self.chassis.speed_mps,
            fuel_l: self.fluids.fuel_l,
            coolant_c: self.fluids.coolant_c,
            tunnel: self.spot.tunnel,
            pulling_out: self.is_pulling_out(),
            has_fired: self.has_fired(),
            battery: &self.battery,
        })
    }

    pub(super) fn is_pulling_out(&self) -> bool {
        self.body.in_drive && self.drive_s < 2.0 * INDICATE_S
    }

    fn stored_j(&self) -> f64 {
        self.battery.energy_j() + self.low_voltage.energy_j + self.chassis.energy_j(self.spot.altitude_m)
    }

    pub(super) fn energy(&self) -> Energy {
        let powertrain = self.powertrain.losses_j;
        let chassis = self.chassis.losses_j;
        Energy {
            fuel_j: self.powertrain.fuel_used_j,
            mains_j: self.mains_j,
            stored_j: self.stored_j() - self.stored_before_j,
            lost_j: self.heat_j
                + powertrain.engine
                + powertrain.motor
                + powertrain.driveline
                + powertrain.crank
                + chassis.drag
                + chassis.rolling
                + chassis.brakes
                + chassis.collision,
        }
    }
}
