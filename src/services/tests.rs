//! What holds for all services.

use super::testkit::{Beside, Car, LAMP, Rng, SUPPLY, label, number, switch};
use super::*;
use crate::config::Emergency;
use crate::signals::{Datatype, SignalDef, Value};

const NUMBERS: [(&str, &[f64]); 6] = [
    ("Vehicle.Speed", &[0.0, 0.0, 50.0]),
    ("Vehicle.Powertrain.Transmission.SelectedGear", &[126.0, 127.0]),
    ("Vehicle.TraveledDistance", &[5_000_000.0, 5_000_900.0, 5_001_800.0, 12.0]),
    ("Vehicle.Powertrain.FuelSystem.RelativeLevel", &[20.0, 21.0, 80.0]),
    ("Vehicle.Powertrain.TractionBattery.StateOfCharge.Displayed", &[20.0, 55.0, 100.0]),
    ("Vehicle.Powertrain.TractionBattery.AccumulatedChargedEnergy", &[700.0, 704.0, 709.0]),
];
const SWITCHES: [&str; 6] = [
    "Vehicle.Powertrain.IsReady",
    "Vehicle.Powertrain.TractionBattery.Charging.IsCharging",
    "Vehicle.Powertrain.TractionBattery.Charging.ChargingPort.AnyPosition.IsChargingCableConnected",
    "Vehicle.Cabin.Door.Row1.DriverSide.IsOpen",
    "Vehicle.Cabin.Door.Row1.DriverSide.IsLocked",
    "Vehicle.Cabin.Seat.Row1.DriverSide.IsBelted",
];
const LAMPS: [&str; 3] =
    ["Vehicle.Telltale.Abs", "Vehicle.Telltale.EngineMalfunction", "Vehicle.Telltale.ParkingBrake"];
const SUPPLY_PATH: &str = "Vehicle.LowVoltageSystemState";

fn defs() -> Vec<SignalDef> {
    let mut defs = vec![label(SUPPLY_PATH, SUPPLY)];
    defs.extend(NUMBERS.iter().map(|(path, _)| number(path, "")));
    defs.extend(SWITCHES.iter().map(|path| switch(path)));
    defs.extend(LAMPS.iter().map(|path| label(path, LAMP)));
    defs
}

/// One random word on the bus.
#[derive(Clone, Copy)]
enum Word {
    Number(&'static str, f64),
    Switch(&'static str, bool),
    Label(&'static str, &'static str),
}

impl Word {
    fn draw(rng: &mut Rng) -> Self {
        match rng.below(8) {
            0..=2 => {
                let (path, values) = rng.pick(&NUMBERS);
                Self::Number(path, rng.pick(values))
            }
            3 | 4 => Self::Switch(rng.pick(&SWITCHES), rng.below(2) == 0),
            5 | 6 => Self::Label(rng.pick(&LAMPS), rng.pick(LAMP)),
            _ => Self::Label(SUPPLY_PATH, rng.pick(&["OFF", "ACC", "ON", "ON"])),
        }
    }

    const fn path(self) -> &'static str {
        match self {
            Self::Number(path, _) | Self::Switch(path, _) | Self::Label(path, _) => path,
        }
    }

    fn say<S: Service>(self, car: &mut Car<S>) {
        match self {
            Self::Number(path, value) => car.number(path, value),
            Self::Switch(path, on) => car.switch(path, on),
            Self::Label(path, label) => car.label(path, label),
        }
    }
}

/// How a run ends.
#[derive(Clone, Copy, PartialEq)]
enum End {
    /// In order, with everything saved.
    Stop,
    /// By a power cut, as is.
    Cut,
}

/// Two cars hear the same words. One is restarted now and then, when all has settled for twenty minutes: it must go on
/// as if it had not been.
fn a_restart_changes_nothing<S: Service>(end: End, make: fn(&Signals) -> S) {
    for seed in 0..25 {
        let mut rng = Rng(seed);
        let (mut one, mut other) = (Car::new(defs(), make), Car::new(defs(), make));
        let mut words: std::collections::BTreeMap<&str, Word> = std::collections::BTreeMap::new();
        for turn in 0..12 {
            for _ in 0..rng.below(40) {
                let (word, pause) = (Word::draw(&mut rng), rng.pick(&[100, 1_000, 4_000, 70_000]));
                words.insert(word.path(), word);
                for car in [&mut one, &mut other] {
                    word.say(car);
                    car.run(pause);
                }
            }
            for car in [&mut one, &mut other] {
                car.run(1_200_000);
            }
            let (events, same) = (one.take(), other.take());
            for (event, twin) in events.iter().zip(&same) {
                assert_eq!(event, twin, "seed {seed}, turn {turn}");
            }
            assert_eq!(events.len(), same.len(), "seed {seed}, turn {turn}");
            if end == End::Stop {
                other.stop();
            }
            other.restart(0);
            for car in [&mut one, &mut other] {
                for word in words.values() {
                    word.say(car);
                }
                car.run(20_000);
            }
            assert_eq!(one.take(), other.take(), "seed {seed}, turn {turn}: nothing happened");
            assert_eq!(one.state(), other.state(), "seed {seed}, turn {turn}");
            assert_eq!(one.ignition.drive().phase, other.ignition.drive().phase, "seed {seed}, turn {turn}");
        }
    }
}

#[test]
fn a_restart_changes_nothing_for_telltales() {
    a_restart_changes_nothing(End::Stop, |signals| Telltales::new(signals).expect("lamps"));
}

#[test]
fn a_restart_changes_nothing_for_the_body() {
    a_restart_changes_nothing(End::Cut, |signals| Body::new(signals).expect("doors"));
}

#[test]
fn a_restart_changes_nothing_for_the_odometer() {
    a_restart_changes_nothing(End::Stop, |signals| Odometer::new(signals).expect("a distance"));
}

#[test]
fn a_restart_changes_nothing_for_the_traction_battery() {
    a_restart_changes_nothing(End::Cut, |signals| TractionBattery::new(signals, None).expect("a battery"));
}

fn facts(tank_capacity_l: Option<f64>, battery_gross_kwh: Option<f64>) -> VehicleFacts {
    VehicleFacts {
        wmi: None,
        category: "M1".to_owned(),
        propulsion: Vec::new(),
        tank_capacity_l,
        battery_gross_kwh,
        seats: None,
    }
}

fn names(defs: Vec<SignalDef>) -> Vec<&'static str> {
    let signals = Signals::new(defs).expect("distinct paths");
    let facts = facts(Some(43.0), Some(18.0));
    all(&signals, &facts, &Emergency::default()).others.iter().map(|service| service.name()).collect()
}

#[test]
fn a_profile_gets_the_services_that_it_has_signals_for() {
    assert_eq!(names(defs()), ["assistance", "body", "fuel", "odometer", "telltales", "traction_battery"]);
    assert_eq!(names(vec![number("Vehicle.Speed", "km/h")]), ["assistance"]);
    assert_eq!(names(vec![label("Vehicle.Telltale.Abs", LAMP)]), ["assistance", "telltales"]);
}

#[test]
fn a_value_of_another_kind_than_expected_harms_nobody() {
    let mut defs = defs();
    for def in &mut defs {
        def.datatype = Datatype::Int;
    }
    let mut signals = Signals::new(defs).expect("distinct paths");
    let mut services = all(&signals, &facts(None, None), &Emergency::default());
    let (clock, beside) = (Clock::default(), Beside::default());
    let mut rng = Rng(1);
    for ms in 0..2_000 {
        let id = SignalId(u16::try_from(rng.below(signals.len() as u64)).expect("few signals"));
        let values =
            [Value::Int(-1), Value::Bool(true), Value::Label(65_535), Value::Float(1e300), Value::Int(i64::MAX)];
        let now = MonoTime::from_millis(ms * 1_000);
        signals.set(id, rng.pick(&values), now);
        let mut out = Output::default();
        let mut cx = testkit::cx(now, &signals, services.ignition.drive(), &clock, &beside, &mut out);
        services.ignition.update(&mut cx);
        cx.drive = services.ignition.drive();
        for service in &mut services.others {
            service.update(&mut cx);
            let view = View { now, boot: KernelBoot(1), signals: &signals, clock: &clock };
            assert!(service.state(&view).is_object());
        }
        assert!(out.events.iter().all(|event| event.at <= now));
    }
}
