//! The simulated car through the profile that describes it: everything that it sends is believed and true, and what a
//! fault breaks is marked.
#![cfg(feature = "demo")]
#![expect(clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

use std::path::Path;

use telltale::can::BusId;
use telltale::config::Profile;
use telltale::gnss::Receiver;
use telltale::signals::intake::Intake;
use telltale::signals::{Cause, Quality, Reading, Signals};
use telltale::sim::{BUSES, Begin, Car, Fault, Ignition, Lamp, Scenario, What};
use telltale::time::{MonoTime, WallTime};

const BEGIN: Begin =
    Begin { mono: MonoTime::from_millis(1_000), wall: WallTime::from_unix_micros(1_796_292_000_000_000) };

/// The receiving side of a gateway, without its decisions.
struct Ears {
    car: Car,
    signals: Signals,
    intake: Intake,
    receiver: Receiver,
    fixes: u32,
}

impl Ears {
    fn new(scenario: Scenario, seed: u64) -> Self {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("profiles/demo-phev");
        let profile =
            Profile::load(&folder, &|path| std::fs::read(path)).unwrap_or_else(|problems| panic!("{problems}"));
        for (name, number) in BUSES.into_iter().zip(0..) {
            assert_eq!(profile.bus(name), Some(BusId(number)), "the car's buses are the profile's");
        }
        Self {
            car: Car::new(seed, scenario, BEGIN).expect("the profile fits the car"),
            signals: profile.table().expect("a table"),
            intake: profile.intake(),
            receiver: Receiver::default(),
            fixes: 0,
        }
    }

    /// Listens until so many seconds after the beginning.
    fn listen(&mut self, until_s: f64) {
        for emission in self.car.by_ref() {
            self.intake.expire(emission.at, &mut self.signals);
            match emission.what {
                What::Frame(bus, frame) => self.intake.frame(emission.at, bus, &frame, &mut self.signals),
                What::Nmea(sentences) => self.receiver.feed(emission.at, &sentences),
                What::Coverage(_) | What::Note(_) => {}
            }
            while let Some(fix) = self.receiver.poll_fix() {
                self.fixes += u32::from(fix.trusted_position().is_some() && fix.reading().is_some());
            }
            if emission.at.since(BEGIN.mono).as_secs_f64() > until_s {
                break;
            }
        }
    }

    fn reading(&self, path: &str) -> Reading {
        self.signals.get(self.signals.id(path).unwrap_or_else(|| panic!("the profile has no {path}")))
    }

    fn good(&self, path: &str) -> f64 {
        let reading = self.reading(path);
        reading.good_f64().unwrap_or_else(|| panic!("{path}: {reading:?}"))
    }

    fn label(&self, path: &str) -> &str {
        let id = self.signals.id(path).unwrap_or_else(|| panic!("the profile has no {path}"));
        let value = self.signals.get(id).good().unwrap_or_else(|| panic!("{path} is not good"));
        self.signals.label(id, value).expect("a label")
    }

    fn faults(&self, cause: Cause) -> u64 {
        (0..3).map(|bus| self.intake.counters(BusId(bus)).expect("a bus").of(cause)).sum()
    }
}

#[test]
fn a_healthy_car_is_believed_and_what_is_believed_is_true() {
    let mut ears = Ears::new(Scenario::Tour, 21);
    for until_s in [6.0, 20.0, 45.0, 75.0, 130.0] {
        ears.listen(until_s);
        let truth = ears.car.truth();
        // What is compared was sent up to half a second ago.
        for (path, expected, tolerance) in [
            ("Vehicle.Speed", truth.speed_kmh, 1.0),
            ("Vehicle.Chassis.Axle.Row2.Wheel.Right.Speed", truth.speed_kmh, 0.05 * truth.speed_kmh + 1.0),
            ("Vehicle.TraveledDistance", truth.odometer_km * 1000.0, 20.0),
            ("Vehicle.Powertrain.FuelSystem.AbsoluteLevel", truth.fuel_l, 4.0),
            ("Vehicle.Powertrain.TractionBattery.StateOfCharge.Displayed", truth.soc_percent, 0.1),
            ("Vehicle.Powertrain.IsReady", f64::from(u8::from(truth.ready)), 0.0),
            ("Vehicle.Cabin.Door.Row1.DriverSide.IsOpen", f64::from(u8::from(truth.driver_door_open)), 0.0),
            ("Vehicle.Cabin.Seat.Row1.DriverSide.IsBelted", f64::from(u8::from(truth.driver_belted)), 0.0),
            ("Vehicle.Acceleration.Vertical", 9.81, 1.5),
            ("Vehicle.Acceleration.HighRange.Vertical", 9.81, 3.0),
        ] {
            let value = ears.good(path);
            assert!((value - expected).abs() <= tolerance, "{path} at {until_s} s: {value}, truly {expected}");
        }
        let on = truth.ignition == Ignition::On;
        assert_eq!(ears.label("Vehicle.LowVoltageSystemState") == "ON", on, "at {until_s} s");
        let lit = truth.lamps.iter().any(|(name, _)| *name == "TirePressure");
        assert_eq!(ears.label("Vehicle.Telltale.TirePressure") != "OFF", lit, "at {until_s} s");
    }
    assert!(ears.fixes > 500, "{} fixes in 130 s", ears.fixes);
    for bus in (0..3).map(BusId) {
        let counters = ears.intake.counters(bus).expect("a bus");
        assert!(counters.frames > 5_000 && counters.unknown == 0, "{counters:?}");
    }
    for cause in Cause::ALL {
        // The time until charged is not known while nothing is plugged in.
        let allowed = if cause == Cause::NotAvailable { 10 * 140 } else { 0 };
        assert!(ears.faults(cause) <= allowed, "{cause:?}: {}", ears.faults(cause));
    }
}

#[test]
fn what_a_fault_breaks_is_marked_and_heals() {
    let mut ears = Ears::new(Scenario::CoverageGap, 22);
    ears.listen(20.0);
    let before = ears.good("Vehicle.Speed");
    let broken = [
        (Fault::WrongChecksum("VehicleSpeed"), "Vehicle.Speed", Quality::Invalid(Cause::Checksum)),
        (
            Fault::WrongChecksum("MotorStatus"),
            "Vehicle.Powertrain.ElectricMotor.Torque",
            Quality::Invalid(Cause::Checksum),
        ),
        (
            Fault::FrozenCounter("BatteryStatus"),
            "Vehicle.Powertrain.TractionBattery.CurrentVoltage",
            Quality::Invalid(Cause::Counter),
        ),
        (
            Fault::NotAvailable("FuelSender"),
            "Vehicle.Powertrain.FuelSystem.AbsoluteLevel",
            Quality::Invalid(Cause::NotAvailable),
        ),
        (Fault::SilentMessage("Steering"), "Vehicle.Chassis.SteeringWheel.Angle", Quality::Stale),
        (Fault::SilentBus(BusId(1)), "Vehicle.LowVoltageSystemState", Quality::Stale),
    ];
    for (fault, ..) in &broken {
        ears.car.fail(fault.clone());
    }
    ears.listen(24.0);
    for (fault, path, quality) in &broken {
        assert_eq!(ears.reading(path).quality, *quality, "{fault:?}");
    }
    let kept =
        ears.reading("Vehicle.Speed").value.and_then(telltale::signals::Value::as_f64).expect("the last good one");
    assert!((kept - before).abs() < 2.0, "{kept} km/h was the last that was believed, after {before}");
    for (fault, ..) in &broken {
        ears.car.heal(fault);
    }
    ears.listen(26.0);
    for (fault, path, _) in &broken {
        assert_eq!(ears.reading(path).quality, Quality::Good, "{fault:?}");
    }
}

#[test]
fn a_lamp_that_is_forced_on_is_seen_on_both_kinds_of_pages() {
    let mut ears = Ears::new(Scenario::CoverageGap, 23);
    ears.listen(15.0);
    for name in ["EngineMalfunction", "WasherFluid"] {
        assert_eq!(ears.label(&format!("Vehicle.Telltale.{name}")), "OFF");
    }
    ears.car.fail(Fault::Lamp("EngineMalfunction", Lamp::Flashing));
    ears.car.fail(Fault::Lamp("WasherFluid", Lamp::On));
    ears.listen(16.0);
    assert_eq!(ears.label("Vehicle.Telltale.EngineMalfunction"), "FLASHING");
    assert_eq!(ears.label("Vehicle.Telltale.WasherFluid"), "ON");
}
