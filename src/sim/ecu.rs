//! The control units: which messages they send, when, and what stands in them.
//!
//! Periods come from the DBC files. Which unit protects a message how is written here and in the profile; a test drives
//! the car through a gateway with that profile, so the two cannot part.

use super::battery::{CELLS, ChargeState};
use super::body::LAMPS;
use super::collision::{Collision, PACKED};
use super::powertrain::{Engine, FUEL_J_PER_L};
use super::sheet::Sheet;
use super::world::World;

/// When a message is sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Duty {
    /// While the ignition is on.
    Ignition,
    /// While anything is awake or the car charges.
    Battery,
    /// While anything is awake.
    Body,
}

/// How a message is protected. The names of counter and checksum follow from the message's name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Guard {
    None,
    /// The additive checksum in the last byte, a counter of 4 bits.
    Toyota,
    /// AUTOSAR E2E profile 1 with this data id.
    E2e1(u16),
    /// AUTOSAR E2E profile 2 with sixteen data ids from this one on.
    E2e2(u8),
}

/// One message of one control unit.
#[derive(Debug, Clone, Copy)]
pub(super) struct Sender {
    pub bus: u8,
    pub message: &'static str,
    pub duty: Duty,
    pub guard: Guard,
    pub fill: fn(&World, &mut Sheet<'_>),
}

const POWERTRAIN: u8 = 0;
const BODY: u8 = 1;
const ENERGY: u8 = 2;

/// Every message of the car.
pub(super) const SENDERS: [Sender; 34] = [
    sender(POWERTRAIN, "EngineStatus", Duty::Ignition, Guard::E2e1(0x0A0E), engine_status),
    sender(POWERTRAIN, "Pedals", Duty::Ignition, Guard::Toyota, pedals),
    sender(POWERTRAIN, "WheelSpeeds", Duty::Ignition, Guard::None, wheel_speeds),
    sender(POWERTRAIN, "VehicleSpeed", Duty::Ignition, Guard::Toyota, vehicle_speed),
    sender(POWERTRAIN, "MotorStatus", Duty::Ignition, Guard::E2e2(0xC0), motor_status),
    sender(POWERTRAIN, "GearStatus", Duty::Ignition, Guard::Toyota, gear_status),
    sender(POWERTRAIN, "HybridStatus", Duty::Ignition, Guard::None, hybrid_status),
    sender(POWERTRAIN, "InertialLow", Duty::Ignition, Guard::E2e1(0x0E0E), inertial_low),
    sender(POWERTRAIN, "Steering", Duty::Ignition, Guard::Toyota, steering),
    sender(POWERTRAIN, "BrakeControl", Duty::Ignition, Guard::None, brake_control),
    sender(POWERTRAIN, "FuelSystem", Duty::Ignition, Guard::Toyota, fuel_system),
    sender(POWERTRAIN, "EngineThermal", Duty::Ignition, Guard::None, engine_thermal),
    sender(POWERTRAIN, "MotorThermal", Duty::Ignition, Guard::None, motor_thermal),
    sender(BODY, "IgnitionStatus", Duty::Body, Guard::Toyota, ignition_status),
    sender(BODY, "DoorStatus", Duty::Body, Guard::None, door_status),
    sender(BODY, "WindowStatus", Duty::Body, Guard::None, window_status),
    sender(BODY, "SeatStatus", Duty::Body, Guard::None, seat_status),
    sender(BODY, "LightStatus", Duty::Body, Guard::None, light_status),
    sender(BODY, "Telltales", Duty::Body, Guard::Toyota, telltales),
    sender(BODY, "TelltalesPaged", Duty::Body, Guard::None, telltales_paged),
    sender(BODY, "Odometer", Duty::Body, Guard::None, odometer),
    sender(BODY, "Climate", Duty::Body, Guard::None, climate),
    sender(BODY, "TireStatus", Duty::Body, Guard::None, tire_status),
    sender(BODY, "LowVoltage", Duty::Body, Guard::None, low_voltage),
    sender(BODY, "ServiceInfo", Duty::Body, Guard::None, service_info),
    sender(ENERGY, "RestraintStatus", Duty::Ignition, Guard::E2e2(0x50), restraint_status),
    sender(ENERGY, "InertialHigh", Duty::Ignition, Guard::E2e2(0x60), inertial_high),
    sender(ENERGY, "InertialRoll", Duty::Ignition, Guard::E2e1(0x6161), inertial_roll),
    sender(ENERGY, "BatteryStatus", Duty::Battery, Guard::E2e1(0x2A2A), battery_status),
    sender(ENERGY, "CellMonitor", Duty::Battery, Guard::E2e2(0xB0), cell_monitor),
    sender(ENERGY, "ChargeStatus", Duty::Battery, Guard::E2e2(0xC0), charge_status),
    sender(ENERGY, "DcDcStatus", Duty::Battery, Guard::None, dcdc_status),
    sender(ENERGY, "RangeEstimate", Duty::Battery, Guard::None, range_estimate),
    sender(ENERGY, "BatteryThermal", Duty::Battery, Guard::None, battery_thermal),
];

const fn sender(bus: u8, message: &'static str, duty: Duty, guard: Guard, fill: fn(&World, &mut Sheet<'_>)) -> Sender {
    Sender { bus, message, duty, guard, fill }
}

const RPM_PER_RADPS: f64 = 60.0 / std::f64::consts::TAU;
const KILO: f64 = 1_000.0;
const J_PER_KWH: f64 = 3.6e6;

fn engine_status(world: &World, sheet: &mut Sheet<'_>) {
    let powertrain = &world.powertrain;
    sheet.put(
        "EngineState",
        match powertrain.engine {
            Engine::Stopped => 0.0,
            Engine::Cranking => 1.0,
            Engine::Running => 2.0,
            Engine::FuelCut => 3.0,
        },
    );
    sheet.put("EngineSpeed", powertrain.engine_radps * RPM_PER_RADPS);
    sheet.put("EngineTorque", powertrain.engine_nm);
    sheet.put("FuelRate", powertrain.fuel_w / FUEL_J_PER_L * 3_600.0);
}

fn pedals(world: &World, sheet: &mut Sheet<'_>) {
    sheet.put("AcceleratorPedal", world.accelerator * 100.0);
    sheet.put("BrakePedal", world.brake * 100.0);
    sheet.put("BrakePressure", world.brake * 120.0);
    sheet.flag("BrakeSwitch", world.brake > 0.01);
    sheet.put("RegenTorque", world.regeneration_n * super::chassis::WHEEL_RADIUS_M);
}

fn wheel_speeds(world: &World, sheet: &mut Sheet<'_>) {
    let names = ["WheelSpeedFL", "WheelSpeedFR", "WheelSpeedRL", "WheelSpeedRR"];
    for (name, speed_mps) in names.into_iter().zip(world.chassis.wheels_mps) {
        sheet.put(name, speed_mps * 3.6);
    }
}

fn vehicle_speed(world: &World, sheet: &mut Sheet<'_>) {
    sheet.put("Speed", world.chassis.speed_mps * 3.6);
    sheet.flag("Direction", world.chassis.speed_mps > 0.0);
}

fn motor_status(world: &World, sheet: &mut Sheet<'_>) {
    let powertrain = &world.powertrain;
    sheet.put(
        "MotorState",
        match (world.body.ready, powertrain.motor_nm) {
            (false, _) => 0.0,
            (true, nm) if nm > 0.0 => 2.0,
            (true, nm) if nm < 0.0 => 3.0,
            (true, _) => 1.0,
        },
    );
    sheet.put("MotorSpeed", powertrain.motor_radps * RPM_PER_RADPS);
    sheet.put("MotorTorque", powertrain.motor_nm);
    sheet.put("MotorPower", powertrain.motor_w() / KILO);
}

fn gear_status(world: &World, sheet: &mut Sheet<'_>) {
    sheet.put("SelectorLever", if world.body.in_drive { 3.0 } else { 0.0 });
    sheet.flag("ParkLockEngaged", !world.body.in_drive);
    sheet.put("CurrentGear", f64::from(u32::try_from(world.powertrain.gear).unwrap_or(0)));
}

fn hybrid_status(world: &World, sheet: &mut Sheet<'_>) {
    let running = world.powertrain.engine != Engine::Stopped;
    sheet.put(
        "HybridMode",
        match (world.body.ready, running) {
            (false, _) => 0.0,
            (true, false) => 1.0,
            (true, true) => 2.0,
        },
    );
    sheet.flag("Ready", world.body.ready);
    sheet.flag("ElectricDriving", world.body.ready && !running);
    sheet.put("WheelPower", world.wheel_w / KILO);
}

/// Road and engine shake the sensors the more, the faster the car is.
fn shake_mps2(world: &World) -> f64 {
    0.02 + 0.03 * world.chassis.speed_mps.sqrt()
}

fn inertial_low(world: &World, sheet: &mut Sheet<'_>) {
    let shake_mps2 = shake_mps2(world);
    for (name, accel_mps2) in ["AccelX", "AccelY", "AccelZ"].into_iter().zip(world.chassis.accel_mps2) {
        let noise_mps2 = shake_mps2 * sheet.noise.normal();
        sheet.put(name, accel_mps2 + noise_mps2);
    }
    let noise_dps = 0.05 * sheet.noise.normal();
    sheet.put("YawRate", world.chassis.yaw_dps + noise_dps);
}

fn steering(world: &World, sheet: &mut Sheet<'_>) {
    sheet.put("SteeringAngle", world.chassis.steering_deg);
    sheet.put("SteeringRate", world.chassis.steering_dps);
}

fn brake_control(world: &World, sheet: &mut Sheet<'_>) {
    sheet.flag("ParkingBrakeEngaged", world.body.parking_brake);
}

fn fuel_system(world: &World, sheet: &mut Sheet<'_>) {
    sheet.put("FuelSender", world.fluids.float_l());
    sheet.flag("FuelFlapOpen", world.body.fuel_flap);
    sheet.flag("FuelLevelLow", world.fluids.fuel_l < super::body::FUEL_LOW_L);
    sheet.put("FuelUsedTotal", 1_204.5 + world.powertrain.fuel_used_j / FUEL_J_PER_L);
}

fn engine_thermal(world: &World, sheet: &mut Sheet<'_>) {
    let running = matches!(world.powertrain.engine, Engine::Running | Engine::FuelCut);
    sheet.put("CoolantTemperature", world.fluids.coolant_c);
    sheet.put("OilTemperature", world.fluids.oil_c);
    sheet.put("IntakeAirTemperature", world.body.ambient_c);
    sheet.put("OilPressure", if running { 120.0 + 0.6 * world.powertrain.engine_radps } else { 0.0 });
    sheet.put("OilLevel", 2.0);
    sheet.put("EngineHours", 311.0 + world.powertrain.engine_hours);
}

fn motor_thermal(world: &World, sheet: &mut Sheet<'_>) {
    sheet.put("MotorTemperature", world.fluids.motor_c);
    sheet.put("InverterTemperature", world.fluids.inverter_c);
}

fn ignition_status(world: &World, sheet: &mut Sheet<'_>) {
    sheet.put(
        "IgnitionState",
        match (world.body.is_on(), world.body.locked) {
            (true, _) => 3.0,
            (false, false) => 1.0,
            (false, true) => 0.0,
        },
    );
    sheet.flag("KeyPresent", world.body.occupied);
}

fn door_status(world: &World, sheet: &mut Sheet<'_>) {
    let body = &world.body;
    sheet.flag("DoorDriverOpen", body.driver_door);
    let locks =
        ["DoorDriverLocked", "DoorPassengerLocked", "DoorRearDriverLocked", "DoorRearPassengerLocked", "TrunkLocked"];
    for name in locks {
        sheet.flag(name, body.locked);
    }
    sheet.flag("AlarmState", body.locked);
}

fn window_status(_: &World, _: &mut Sheet<'_>) {}

fn seat_status(world: &World, sheet: &mut Sheet<'_>) {
    sheet.flag("OccupiedDriver", world.body.occupied);
    sheet.flag("BeltedDriver", world.body.belted);
}

fn light_status(world: &World, sheet: &mut Sheet<'_>) {
    let on = world.body.is_on();
    sheet.flag("LowBeam", on && world.spot.tunnel);
    sheet.flag("DaytimeLight", on && !world.spot.tunnel);
    sheet.flag("BrakeLight", on && world.brake > 0.01);
    sheet.flag("IndicatorLeft", on && (world.is_pulling_out() || world.body.hazard));
    sheet.flag("IndicatorRight", on && world.body.hazard);
    sheet.flag("HazardLight", world.body.hazard);
}

/// The lamps of the plain message; the others are paged.
const PLAIN_LAMPS: usize = 20;
const LAMPS_A_PAGE: usize = 4;

fn telltales(_: &World, sheet: &mut Sheet<'_>) {
    for name in LAMPS.into_iter().take(PLAIN_LAMPS) {
        sheet.lamp(name);
    }
}

fn telltales_paged(_: &World, sheet: &mut Sheet<'_>) {
    let page = sheet.turn % 3;
    sheet.count("TelltalePage", page);
    for name in LAMPS.into_iter().skip(PLAIN_LAMPS + LAMPS_A_PAGE * page).take(LAMPS_A_PAGE) {
        sheet.lamp(name);
    }
}

fn odometer(world: &World, sheet: &mut Sheet<'_>) {
    sheet.put("OdometerTotal", world.odometer_km());
    sheet.put("TripMeter", world.chassis.distance_m / KILO);
}

fn climate(world: &World, sheet: &mut Sheet<'_>) {
    let body = &world.body;
    let heating = body.set_c > body.cabin_c;
    let active = body.climate_w > 1.0;
    sheet.put("CabinTemperature", body.cabin_c);
    sheet.put("AmbientTemperature", body.ambient_c);
    sheet.put("SetTemperatureDriver", body.set_c);
    sheet.put("SetTemperaturePassenger", body.set_c);
    sheet.put("FanSpeed", if active { 20.0 + body.climate_w / 40.0 } else { 0.0 });
    sheet.flag("AirConditioning", active && !heating);
    sheet.put(
        "ClimateState",
        match (active, heating) {
            (false, _) => 0.0,
            (true, true) => 2.0,
            (true, false) => 3.0,
        },
    );
    sheet.put("ClimatePower", body.climate_w / KILO);
}

fn tire_status(world: &World, sheet: &mut Sheet<'_>) {
    const NAMES: [[&str; 3]; 4] = [
        ["TirePressureFL", "TireTemperatureFL", "TirePressureLowFL"],
        ["TirePressureFR", "TireTemperatureFR", "TirePressureLowFR"],
        ["TirePressureRL", "TireTemperatureRL", "TirePressureLowRL"],
        ["TirePressureRR", "TireTemperatureRR", "TirePressureLowRR"],
    ];
    let wheel = sheet.turn % 4;
    let (Some([pressure, temperature, low]), Some(tire)) = (NAMES.get(wheel), world.body.tires.get(wheel)) else {
        return;
    };
    sheet.count("TireIndex", wheel);
    sheet.put(pressure, tire.pressure_kpa());
    sheet.put(temperature, tire.temperature_c);
    sheet.flag(low, tire.is_low());
}

fn low_voltage(world: &World, sheet: &mut Sheet<'_>) {
    sheet.put("LowVoltageVoltage", world.low_voltage.voltage_v);
    sheet.put("LowVoltageCurrent", world.low_voltage.current_a);
}

fn service_info(world: &World, sheet: &mut Sheet<'_>) {
    let topic = sheet.turn % 4;
    sheet.count("ServiceTopic", topic.min(1));
    if topic == 0 {
        sheet.put("DistanceToService", world.body.service_km);
        sheet.put("TimeToService", world.body.service_days.floor());
        return;
    }
    sheet.count("WearItem", topic - 1);
    match topic {
        1 => sheet.put("OilLifeRemaining", 61.0),
        2 => sheet.put("BrakePadRemaining", 74.0),
        _ => sheet.put("BrakePadRemaining", 82.0),
    }
}

fn restraint_status(world: &World, sheet: &mut Sheet<'_>) {
    sheet.flag("AirbagPassengerEnabled", true);
    let fired = world.has_fired();
    sheet.put("CrashState", if fired { 2.0 } else { 0.0 });
    for name in ["DeployedFront", "AirbagDriverDeployed", "FuelCutRequest", "HighVoltageCutRequest"] {
        sheet.flag(name, fired);
    }
}

fn inertial_high(world: &World, sheet: &mut Sheet<'_>) {
    const NAMES: [[&str; 3]; PACKED] = [
        ["AccelHighX0", "AccelHighY0", "AccelHighZ0"],
        ["AccelHighX1", "AccelHighY1", "AccelHighZ1"],
        ["AccelHighX2", "AccelHighY2", "AccelHighZ2"],
        ["AccelHighX3", "AccelHighY3", "AccelHighZ3"],
        ["AccelHighX4", "AccelHighY4", "AccelHighZ4"],
    ];
    // A sensor of 50 g is coarser, and is not filtered as that of the stability control is.
    let shake_mps2 = 0.15 + 2.0 * shake_mps2(world);
    let steady = [world.chassis.accel_mps2; PACKED];
    let samples = world.collision.as_ref().map_or(steady, Collision::recent_mps2);
    for (names, sample_mps2) in NAMES.into_iter().zip(samples) {
        for (name, accel_mps2) in names.into_iter().zip(sample_mps2) {
            let noise_mps2 = shake_mps2 * sheet.noise.normal();
            sheet.put(name, accel_mps2 + noise_mps2);
        }
    }
}

/// This car never rolls over; its body leans into bends too slowly to show.
fn inertial_roll(_: &World, sheet: &mut Sheet<'_>) {
    let noise_dps = 0.1 * sheet.noise.normal();
    sheet.put("RollRate", noise_dps);
}

fn battery_status(world: &World, sheet: &mut Sheet<'_>) {
    let battery = &world.battery;
    let charging = world.charger.state == ChargeState::Charging;
    sheet.put(
        "BatteryState",
        match (world.body.ready, charging) {
            (_, true) => 3.0,
            (true, false) => 2.0,
            (false, false) => 1.0,
        },
    );
    sheet.put("BatteryVoltage", battery.voltage_v());
    sheet.put("BatteryCurrent", battery.current_a);
    sheet.put("BatteryPower", battery.voltage_v() * battery.current_a / KILO);
    sheet.put("StateOfCharge", battery.state_of_charge() * 100.0);
    sheet.put("StateOfChargeDisplayed", battery.state_of_charge() * 100.0);
    sheet.put("BatteryEnergy", battery.energy_j() / J_PER_KWH);
    sheet.flag("ContactorsClosed", world.body.ready || charging);
    sheet.put("IsolationResistance", 4_700.0);
}

/// Cells on one page.
const CELLS_A_PAGE: usize = 24;

fn cell_monitor(world: &World, sheet: &mut Sheet<'_>) {
    let battery = &world.battery;
    let page = sheet.turn % (1 + CELLS / CELLS_A_PAGE);
    sheet.count("CellPage", page);
    if page > 0 {
        for cell in (page - 1) * CELLS_A_PAGE..page * CELLS_A_PAGE {
            sheet.put(&format!("CellVoltage{:02}", cell + 1), battery.cell_v(cell));
        }
        return;
    }
    let (mut lowest, mut highest) = (0, 0);
    for cell in 1..CELLS {
        lowest = if battery.cell_v(cell) < battery.cell_v(lowest) { cell } else { lowest };
        highest = if battery.cell_v(cell) > battery.cell_v(highest) { cell } else { highest };
    }
    sheet.put("CellVoltageMax", battery.cell_v(highest));
    sheet.put("CellVoltageMin", battery.cell_v(lowest));
    sheet.count("CellIdMax", highest + 1);
    sheet.count("CellIdMin", lowest + 1);
    sheet.put("CellTemperatureMax", battery.temperature_c + 1.5);
    sheet.put("CellTemperatureMin", battery.temperature_c - 1.0);
    sheet.put("CellTemperatureMean", battery.temperature_c);
    sheet.put("StateOfHealth", 96.4);
    sheet.put("ChargedEnergyTotal", battery.charged_j / J_PER_KWH);
    sheet.put("DischargedEnergyTotal", battery.discharged_j / J_PER_KWH);
}

fn charge_status(world: &World, sheet: &mut Sheet<'_>) {
    let charger = &world.charger;
    sheet.put(
        "ChargeState",
        match charger.state {
            ChargeState::Idle => 0.0,
            ChargeState::Plugged => 1.0,
            ChargeState::Charging => 3.0,
            ChargeState::Complete => 4.0,
        },
    );
    sheet.flag("PlugConnected", charger.plugged);
    sheet.flag("PlugLocked", charger.plugged);
    sheet.flag("ChargeFlapOpen", charger.flap_open);
    sheet.flag("ChargeKind", charger.plugged);
    sheet.put("AcVoltage", charger.mains_v());
    let current_a = if charger.mains_w > 0.0 { charger.mains_w / charger.mains_v() } else { 0.0 };
    sheet.put("AcCurrentL1", current_a);
    sheet.put("ChargePower", charger.power_w / KILO);
    if charger.state == ChargeState::Charging {
        sheet.put("ChargeTimeToComplete", charger.minutes_left(&world.battery));
    } else {
        sheet.not_available("ChargeTimeToComplete");
    }
    sheet.put("ChargeSessionEnergy", charger.session_j / J_PER_KWH);
    sheet.put("ChargeLimit", charger.limit * 100.0);
    sheet.put("ChargerTemperature", world.fluids.charger_c);
}

fn dcdc_status(world: &World, sheet: &mut Sheet<'_>) {
    let net = &world.low_voltage;
    sheet.put("DcDcOutputVoltage", net.voltage_v);
    sheet.put("DcDcOutputCurrent", net.converter_w / net.voltage_v);
    sheet.put("DcDcTemperature", world.fluids.inverter_c);
    sheet.put("DcDcLoss", net.converter_loss_w);
}

/// What the car reckons with: 17 kWh and 5.2 liters for 100 km.
fn range_estimate(world: &World, sheet: &mut Sheet<'_>) {
    let electric_km = world.battery.energy_j() / J_PER_KWH / 0.17;
    let fuel_km = world.fluids.fuel_l / 0.052;
    sheet.put("RangeElectric", electric_km);
    sheet.put("RangeFuel", fuel_km);
    sheet.put("RangeTotal", electric_km + fuel_km);
}

fn battery_thermal(world: &World, sheet: &mut Sheet<'_>) {
    sheet.put("BatteryCoolantInlet", world.battery.temperature_c - 0.5);
    sheet.put("BatteryCoolantOutlet", world.battery.temperature_c + 0.5);
    sheet.put("BatteryCoolantPump", if world.body.ready { 35.0 } else { 0.0 });
}
