//! A real drive through the intake: what comes out equals what others made of the same frames.
#![expect(clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

#[path = "common/data.rs"]
mod data;

use std::collections::BTreeMap;
use std::path::Path;

use telltale::can::{BusId, CanId, Frame, FrameKind};
use telltale::config::Profile;
use telltale::signals::intake::Intake;
use telltale::signals::{Cause, Quality, Signals, Value};
use telltale::time::MonoTime;

/// Microseconds since the epoch, and the frame.
fn recording() -> Option<Vec<(u64, Frame)>> {
    let path = data::data("can/rav4_2016.log")?;
    let text = std::fs::read_to_string(path).expect("the recording can be read");
    let frames = text.lines().map(|line| {
        let mut parts = line.split(' ');
        let stamp = parts.next().expect("a time").trim_matches(['(', ')']);
        let (id, payload) = parts.nth(1).expect("a frame").split_once('#').expect("id and data");
        let payload: Vec<u8> = (0..payload.len() / 2)
            .map(|index| u8::from_str_radix(&payload[2 * index..2 * index + 2], 16).expect("hex"))
            .collect();
        let id = CanId::base(u32::from_str_radix(id, 16).expect("hex")).expect("11 bits");
        (micros(stamp), Frame::new(id, FrameKind::Data, &payload).expect("8 bytes"))
    });
    Some(frames.collect())
}

fn micros(stamp: &str) -> u64 {
    let (seconds, fraction) = stamp.split_once('.').unwrap_or((stamp, ""));
    let digits = format!("{fraction:0<6}");
    seconds.parse::<u64>().expect("seconds") * 1_000_000 + digits[..6].parse::<u64>().expect("microseconds")
}

/// The columns of a file of numbers by time stamp.
fn csv(name: &str) -> Option<BTreeMap<u64, Vec<f64>>> {
    let text = std::fs::read_to_string(data::data(name)?).expect("the file can be read");
    let rows = text.lines().filter(|line| line.starts_with(|letter: char| letter.is_ascii_digit())).map(|line| {
        let mut cells = line.split(',');
        let stamp = micros(cells.next().expect("a time"));
        (stamp, cells.map(|cell| cell.parse().expect("a number")).collect())
    });
    Some(rows.collect())
}

struct Drive {
    signals: Signals,
    intake: Intake,
}

impl Drive {
    fn new() -> Self {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("profiles/toyota-rav4");
        let profile =
            Profile::load(&folder, &|path| std::fs::read(path)).unwrap_or_else(|problems| panic!("{problems}"));
        Self { signals: profile.table().expect("a table"), intake: profile.intake() }
    }

    fn take(&mut self, micros: u64, frame: &Frame) {
        self.intake.frame(MonoTime::from_nanos(micros * 1000), BusId(0), frame, &mut self.signals);
    }

    fn good(&self, path: &str) -> Option<f64> {
        self.signals.get(self.signals.id(path).expect("the profile has it")).good_f64()
    }

    fn label(&self, path: &str) -> Option<&str> {
        let id = self.signals.id(path).expect("the profile has it");
        self.signals.label(id, self.signals.get(id).good()?)
    }
}

const WHEELS: [&str; 4] = [
    "Vehicle.Chassis.Axle.Row1.Wheel.Left.Speed",
    "Vehicle.Chassis.Axle.Row1.Wheel.Right.Speed",
    "Vehicle.Chassis.Axle.Row2.Wheel.Left.Speed",
    "Vehicle.Chassis.Axle.Row2.Wheel.Right.Speed",
];

#[test]
fn the_wheel_speeds_are_those_that_others_decoded() {
    let (Some(frames), Some(expected)) = (recording(), csv("can/rav4_2016_wheel_speed.csv")) else { return };
    let mut drive = Drive::new();
    let mut compared = 0;
    for (micros, frame) in &frames {
        drive.take(*micros, frame);
        if frame.id().raw() != 0x0AA {
            continue;
        }
        // The others' stamps are floats: equal to the frame's within a microsecond.
        let Some((_, speeds)) = expected.range(micros.saturating_sub(1)..=micros + 1).next() else { continue };
        compared += 1;
        for (path, speed_mps) in WHEELS.iter().zip(speeds) {
            let speed_kmh = drive.good(path).expect("a good value");
            assert!((speed_kmh - speed_mps * 3.6).abs() <= 0.01, "{path} at {micros}: {speed_kmh}");
        }
    }
    assert!(compared > 4_000, "only {compared} equal time stamps");
    println!("{compared} time stamps compared");
}

#[test]
fn the_speed_stays_near_that_of_gnss() {
    let (Some(frames), Some(fixes)) = (recording(), csv("can/rav4_2016_gnss.csv")) else { return };
    let mut drive = Drive::new();
    let mut frames = frames.iter().peekable();
    let mut worst: f64 = 0.0;
    let mut compared = 0;
    for (stamp, fix) in &fixes {
        while let Some((micros, frame)) = frames.next_if(|(micros, _)| micros <= stamp) {
            drive.take(*micros, frame);
        }
        if let Some(speed) = drive.good("Vehicle.Speed") {
            worst = worst.max((speed - fix[2] * 3.6).abs());
            compared += 1;
        }
    }
    println!("{compared} fixes compared, at most {worst:.2} km/h apart");
    assert!(compared > 500 && worst <= 4.0, "{compared} compared, {worst} km/h apart");
}

#[test]
fn the_rest_of_the_car_is_sane() {
    let Some(frames) = recording() else { return };
    let mut drive = Drive::new();
    for (micros, frame) in &frames {
        drive.take(*micros, frame);
    }
    assert_eq!(drive.good("Vehicle.Powertrain.Transmission.SelectedGear"), Some(127.0), "drive");
    for door in ["Row1.DriverSide", "Row1.PassengerSide", "Row2.DriverSide", "Row2.PassengerSide"] {
        assert_eq!(drive.good(&format!("Vehicle.Cabin.Door.{door}.IsOpen")), Some(0.0), "{door}");
    }
    assert_eq!(drive.good("Vehicle.Cabin.Seat.Row1.DriverSide.IsBelted"), Some(1.0));
    assert_eq!(drive.good("Vehicle.Cabin.Door.Row1.DriverSide.IsLocked"), Some(1.0));
    assert_eq!(drive.good("Vehicle.Chassis.ParkingBrake.IsEngaged"), Some(0.0));
    assert_eq!(drive.good("Vehicle.Powertrain.CombustionEngine.IsRunning"), Some(1.0));
    assert_eq!(drive.good("Vehicle.TraveledDistance"), Some((15_590.0_f64 * 1609.344).round()));
    assert_eq!(drive.label("Vehicle.LowVoltageSystemState"), Some("ON"));
    for (id, def, reading) in drive.signals.iter() {
        if def.path.starts_with("Vehicle.Telltale.") {
            assert_eq!(reading.value.and_then(|value| drive.signals.label(id, value)), Some("OFF"), "{}", def.path);
        }
        if !def.path.starts_with("Vehicle.CurrentLocation.") {
            assert_eq!(reading.quality, Quality::Good, "{}", def.path);
        }
    }
    let counters = drive.intake.counters(BusId(0)).expect("a bus");
    assert_eq!(counters.frames, frames.len() as u64);
    assert_eq!(counters.faults, [0; Cause::ALL.len()], "every checksum of the recording is right");
}

/// A car that brakes has a negative acceleration, in a left turn a positive yaw rate and lateral acceleration: the
/// signs of the profile against speed and steering of the drive, sample by sample and unsmoothed.
#[test]
fn the_signs_of_the_inertial_sensor_are_those_of_vss() {
    let Some(frames) = recording() else { return };
    let mut drive = Drive::new();
    let (mut longitudinal, mut lateral, mut steering) = (Vec::new(), Vec::new(), Vec::new());
    let mut past: Vec<f64> = Vec::new();
    for (micros, frame) in &frames {
        drive.take(*micros, frame);
        if frame.id().raw() != 0x024 {
            continue;
        }
        let Some(speed_kmh) = drive.good(WHEELS[0]) else { continue };
        past.push(speed_kmh / 3.6);
        // Two seconds at 83 Hz smooth the derivative.
        let Some(before) = past.len().checked_sub(166).and_then(|index| past.get(index)) else { continue };
        let slope = speed_kmh / 3.6 - before;
        let rate = drive.good("Vehicle.AngularVelocity.Yaw").expect("yaw rate");
        longitudinal.push((slope, drive.good("Vehicle.Acceleration.Longitudinal").expect("acceleration")));
        lateral.push((rate * speed_kmh, drive.good("Vehicle.Acceleration.Lateral").expect("acceleration")));
        steering.push((rate, drive.good("Vehicle.Chassis.SteeringWheel.Angle").expect("angle")));
    }
    for (name, pairs) in [("longitudinal", longitudinal), ("lateral", lateral), ("steering", steering)] {
        let correlation = correlation(&pairs);
        println!("{name}: {correlation:.2}");
        assert!(correlation > 0.3, "{name}: {correlation}");
    }
}

#[expect(clippy::cast_precision_loss, reason = "some thousand pairs")]
fn correlation(pairs: &[(f64, f64)]) -> f64 {
    let count = pairs.len() as f64;
    let (x, y) = pairs.iter().fold((0.0, 0.0), |(x, y), pair| (x + pair.0 / count, y + pair.1 / count));
    let sum = |f: &dyn Fn(f64, f64) -> f64| pairs.iter().map(|pair| f(pair.0 - x, pair.1 - y)).sum::<f64>();
    sum(&|x, y| x * y) / (sum(&|x, _| x * x) * sum(&|_, y| y * y)).sqrt()
}

/// Whatever bit of the payload is damaged, a protected value does not change.
#[test]
fn a_damaged_frame_never_changes_a_value() {
    let Some(frames) = recording() else { return };
    let (micros, frame) = frames.iter().find(|(_, frame)| frame.id().raw() == 0x0B4).expect("a speed frame");
    for bit in 0..64 {
        let mut drive = Drive::new();
        drive.take(*micros, frame);
        let before = drive.good("Vehicle.Speed").expect("a good speed");
        let mut payload = frame.payload().to_vec();
        payload[bit / 8] ^= 1 << (bit % 8);
        drive.take(micros + 24_000, &Frame::new(frame.id(), FrameKind::Data, &payload).expect("8 bytes"));
        let id = drive.signals.id("Vehicle.Speed").expect("the profile has it");
        let reading = drive.signals.get(id);
        assert_eq!(reading.quality, Quality::Invalid(Cause::Checksum), "bit {bit}");
        assert_eq!(reading.value, Some(Value::Float(before)), "bit {bit}");
    }
}
