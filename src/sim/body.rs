//! Everything that is not the drive: ignition, doors, seats, tires, climate, lamps, and the sleep of the buses.

use super::battery::{Battery, Charger};
use super::powertrain::{Engine, Powertrain};

/// How long the cluster lights all lamps after ignition on.
const BULB_CHECK_S: f64 = 3.0;
/// How long the body bus stays awake after the last thing happened (OSEK network management does the like).
const AWAKE_S: f64 = 12.0;
/// A sleeping car wakes for a moment so often, to look at its locks and its battery.
const WAKE_EVERY_S: f64 = 1_800.0;
const WAKE_FOR_S: f64 = 2.0;
/// The control units of the drive go on talking for so long after the ignition is off.
const AFTER_RUN_S: f64 = 1.5;
/// A tire is low below this, and the lamp first flashes to be seen (ISO 21750 asks for a warning, cars do it so).
const TIRE_LOW_KPA: f64 = 180.0;
const TIRE_KPA: f64 = 230.0;
const TIRE_FLAT_KPA: f64 = 140.0;
/// Fuel below which the lamp is lit.
pub(super) const FUEL_LOW_L: f64 = 6.0;
pub(super) const TANK_L: f64 = 45.0;
const BATTERY_LOW: f64 = 0.12;
/// The cabin: air and trim, and what leaks through glass.
const CABIN_J_PER_K: f64 = 45_000.0;
const CABIN_LEAK_W_PER_K: f64 = 28.0;
const HEAT_PUMP: f64 = 2.2;

/// Where the start button stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Ignition {
    /// Off, and the car locked itself up.
    #[default]
    Off,
    /// On; the car may or may not be ready to drive.
    On,
}

/// What a lamp of the cluster does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub enum Lamp {
    /// Dark.
    #[default]
    Off,
    /// Lit.
    On,
    /// Going on and off.
    Flashing,
}

/// The lamps of the cluster, as the DBC names them behind `TT_`.
pub const LAMPS: [&str; 32] = [
    "EngineMalfunction",
    "EngineOilPressure",
    "EngineCoolantTemperature",
    "BatteryCharge",
    "BrakeSystem",
    "ParkingBrake",
    "Abs",
    "Esc",
    "Airbag",
    "SeatBelt",
    "TirePressure",
    "PowerSteering",
    "FuelLow",
    "HybridSystem",
    "LeftTurn",
    "RightTurn",
    "HighBeam",
    "Ready",
    "LowBeam",
    "DoorOpen",
    "TractionBattery",
    "TractionBatteryLow",
    "PassengerAirbagOff",
    "EscOff",
    "WasherFluid",
    "BrakePadWear",
    "ServiceDue",
    "EngineOilLevel",
    "CruiseControl",
    "HazardWarning",
    "Immobilizer",
    "ExteriorLampFailure",
];

/// One tire.
#[derive(Debug, Clone, Copy)]
pub(super) struct Tire {
    /// Cold, at 20 °C.
    pub cold_kpa: f64,
    pub temperature_c: f64,
    pub leak_kpa_per_s: f64,
}

impl Tire {
    /// What the sensor reads: the gas law at constant volume, on absolute pressure.
    pub(super) fn pressure_kpa(&self) -> f64 {
        (self.cold_kpa + 101.3) * (self.temperature_c + 273.15) / 293.15 - 101.3
    }

    pub(super) fn is_low(&self) -> bool {
        self.pressure_kpa() < TIRE_LOW_KPA
    }
}

/// The body.
#[derive(Debug, Clone)]
#[expect(clippy::struct_excessive_bools, reason = "a body is mostly switches, each independent of the others")]
pub(super) struct Body {
    pub ignition: Ignition,
    pub ready: bool,
    pub in_drive: bool,
    pub parking_brake: bool,
    pub locked: bool,
    pub driver_door: bool,
    pub fuel_flap: bool,
    pub occupied: bool,
    pub belted: bool,
    pub hazard: bool,
    pub tires: [Tire; 4],
    pub ambient_c: f64,
    pub cabin_c: f64,
    pub set_c: f64,
    /// Into the compressor; positive, whether it heats or cools.
    pub climate_w: f64,
    pub service_km: f64,
    pub service_days: f64,
    pub ignition_s: f64,
    idle_s: f64,
}

impl Body {
    pub(super) fn new(ambient_c: f64) -> Self {
        let tire = Tire { cold_kpa: TIRE_KPA, temperature_c: ambient_c, leak_kpa_per_s: 0.0 };
        Self {
            ignition: Ignition::Off,
            ready: false,
            in_drive: false,
            parking_brake: true,
            locked: true,
            driver_door: false,
            fuel_flap: false,
            occupied: false,
            belted: false,
            hazard: false,
            tires: [tire; 4],
            ambient_c,
            cabin_c: ambient_c,
            set_c: 21.0,
            climate_w: 0.0,
            service_km: 8_430.0,
            service_days: 212.0,
            ignition_s: AFTER_RUN_S,
            idle_s: AWAKE_S,
        }
    }

    /// Somebody did something: the buses are awake.
    pub(super) fn stir(&mut self) {
        self.idle_s = 0.0;
    }

    pub(super) fn turn(&mut self, ignition: Ignition) {
        self.ignition = ignition;
        self.ignition_s = 0.0;
    }

    pub(super) fn is_on(&self) -> bool {
        self.ignition == Ignition::On
    }

    /// Powertrain and restraints talk.
    pub(super) fn is_powered(&self) -> bool {
        self.is_on() || self.ignition_s < AFTER_RUN_S
    }

    /// The body bus talks.
    pub(super) fn is_awake(&self) -> bool {
        self.idle_s < AWAKE_S || (self.idle_s - AWAKE_S) % WAKE_EVERY_S > WAKE_EVERY_S - WAKE_FOR_S
    }

    pub(super) fn set_tires(&mut self) {
        self.tires = self.tires.map(|tire| Tire { cold_kpa: TIRE_KPA, leak_kpa_per_s: 0.0, ..tire });
    }

    pub(super) fn step(&mut self, speed_mps: f64, dt_s: f64) {
        self.ignition_s += dt_s;
        self.idle_s += dt_s;
        if self.is_on() {
            self.idle_s = 0.0;
        }
        for tire in &mut self.tires {
            tire.cold_kpa = (tire.cold_kpa - tire.leak_kpa_per_s * dt_s).max(TIRE_FLAT_KPA);
            let aim_c = self.ambient_c + speed_mps * 0.9;
            tire.temperature_c += (aim_c - tire.temperature_c) * (dt_s / 600.0).min(1.0);
        }
        self.service_km -= speed_mps * dt_s / 1_000.0;
        self.service_days -= dt_s / 86_400.0;
        let wanted_w = if self.ready { (self.set_c - self.cabin_c) * 900.0 } else { 0.0 };
        let heat_w = wanted_w.clamp(-4_000.0, 5_000.0);
        self.climate_w = heat_w.abs() / HEAT_PUMP;
        let leak_w = (self.cabin_c - self.ambient_c) * CABIN_LEAK_W_PER_K;
        self.cabin_c += (heat_w - leak_w) * dt_s / CABIN_J_PER_K;
    }

    /// What the low-voltage net draws.
    pub(super) fn load_w(&self) -> f64 {
        if self.is_on() {
            310.0
        } else if self.is_awake() {
            25.0
        } else {
            0.25
        }
    }

    /// What the cluster shows.
    pub(super) fn lamps(&self, now: &Instruments<'_>) -> [Lamp; LAMPS.len()] {
        LAMPS.map(|name| self.lamp(name, now))
    }

    fn lamp(&self, name: &str, now: &Instruments<'_>) -> Lamp {
        let lit = |on: bool| if on { Lamp::On } else { Lamp::Off };
        match name {
            // These show while the ignition is off, too.
            "DoorOpen" => return lit(self.driver_door),
            _ if !self.is_on() => return Lamp::Off,
            "LeftTurn" | "RightTurn" | "HighBeam" | "LowBeam" | "CruiseControl" | "Immobilizer" => {}
            _ if self.ignition_s < BULB_CHECK_S => return Lamp::On,
            _ => {}
        }
        match name {
            "EngineOilPressure" | "BatteryCharge" => lit(!self.ready),
            "ParkingBrake" => lit(self.parking_brake),
            "SeatBelt" if self.occupied && !self.belted => {
                if now.speed_mps > 5.0 {
                    Lamp::Flashing
                } else {
                    Lamp::On
                }
            }
            "TirePressure" => lit(self.tires.iter().any(Tire::is_low)),
            "FuelLow" => lit(now.fuel_l < FUEL_LOW_L),
            "Ready" => lit(self.ready),
            "LowBeam" => lit(now.tunnel),
            "TractionBatteryLow" => lit(now.battery.state_of_charge() < BATTERY_LOW),
            "LeftTurn" if now.pulling_out || self.hazard => Lamp::Flashing,
            "RightTurn" | "HazardWarning" if self.hazard => Lamp::Flashing,
            "Airbag" => lit(now.has_fired),
            "EngineCoolantTemperature" => lit(now.coolant_c > 118.0),
            "ServiceDue" => lit(self.service_km < 0.0 || self.service_days < 0.0),
            _ => Lamp::Off,
        }
    }
}

/// What the cluster looks at beside the body itself.
pub(super) struct Instruments<'a> {
    pub speed_mps: f64,
    pub fuel_l: f64,
    pub coolant_c: f64,
    pub tunnel: bool,
    /// The driver indicates, before the car joins the traffic.
    pub pulling_out: bool,
    pub has_fired: bool,
    pub battery: &'a Battery,
}

/// Temperatures of engine, motor and electronics, and the fuel in the tank with its float.
#[derive(Debug, Clone)]
pub(super) struct Fluids {
    pub coolant_c: f64,
    pub oil_c: f64,
    pub motor_c: f64,
    pub inverter_c: f64,
    pub charger_c: f64,
    pub fuel_l: f64,
    /// What slosh adds to the float, and how fast that changes.
    slosh_l: f64,
    slosh_lps: f64,
}

/// The wave in the tank: 0.6 Hz, weakly damped, moved by 0.8 liters of reading per m/s².
const SLOSH_RADPS: f64 = 3.8;
const SLOSH_DAMPING: f64 = 0.12;
const SLOSH_L_PER_MPS2: f64 = 0.8;

impl Fluids {
    pub(super) fn new(ambient_c: f64, fuel_l: f64) -> Self {
        Self {
            coolant_c: ambient_c,
            oil_c: ambient_c,
            motor_c: ambient_c,
            inverter_c: ambient_c,
            charger_c: ambient_c,
            fuel_l,
            slosh_l: 0.0,
            slosh_lps: 0.0,
        }
    }

    pub(super) fn step(
        &mut self,
        powertrain: &Powertrain,
        charger: &Charger,
        ambient_c: f64,
        along_mps2: f64,
        dt_s: f64,
    ) {
        let cool = |temperature: f64, leak_w_per_k: f64| (temperature - ambient_c) * leak_w_per_k;
        let running = matches!(powertrain.engine, Engine::Running | Engine::FuelCut);
        let engine_w = powertrain.fuel_w * 0.28;
        let radiator_w = if self.coolant_c > 90.0 { (self.coolant_c - 90.0) * 6_000.0 } else { 0.0 };
        self.coolant_c += (engine_w - radiator_w - cool(self.coolant_c, 12.0)) * dt_s / 55_000.0;
        let oil_aim_c = if running { self.coolant_c + 5.0 } else { self.coolant_c };
        self.oil_c += (oil_aim_c - self.oil_c) * (dt_s / 120.0).min(1.0);
        let copper_w = 0.075 * powertrain.motor_nm * powertrain.motor_nm;
        self.motor_c += (copper_w - cool(self.motor_c, 25.0)) * dt_s / 22_000.0;
        self.inverter_c += (copper_w * 0.4 - cool(self.inverter_c, 40.0)) * dt_s / 6_000.0;
        let charger_w = charger.mains_w - charger.power_w;
        self.charger_c += (charger_w - cool(self.charger_c, 9.0)) * dt_s / 5_000.0;
        // A small step keeps the wave stable when the car's own step is long.
        let wave_s = dt_s.min(0.02);
        let aim_l = SLOSH_L_PER_MPS2 * along_mps2;
        let pull = SLOSH_RADPS * SLOSH_RADPS * (aim_l - self.slosh_l);
        self.slosh_lps += (pull - 2.0 * SLOSH_DAMPING * SLOSH_RADPS * self.slosh_lps) * wave_s;
        self.slosh_l += self.slosh_lps * wave_s;
    }

    /// What the float reads: never below empty nor above full.
    pub(super) fn float_l(&self) -> f64 {
        (self.fuel_l + self.slosh_l).clamp(0.0, TANK_L)
    }
}
