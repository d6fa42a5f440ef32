//! `telltaled replay` through the real program: the same bytes each time, and messages that agree with what others
//! measured on the same drive.
#![expect(clippy::expect_used, reason = "a test fails by panicking")]

#[path = "common/data.rs"]
mod data;
#[path = "common/telltaled.rs"]
mod program;

use std::path::Path;

use serde_json::Value as Json;
use tempfile::TempDir;

use program::{argument, deployment, project, telltaled, text, write};

/// What a replay prints, twice the same.
fn replay(arguments: &[&str]) -> Vec<Json> {
    let first = telltaled(&[&["replay"], arguments].concat());
    assert!(first.status.success(), "{}", text(&first.stderr));
    let second = telltaled(&[&["replay"], arguments].concat());
    assert!(first.stdout == second.stdout, "the same recording gave other bytes");
    let lines = text(&first.stdout);
    lines.lines().map(|line| serde_json::from_str(line).expect("a JSON line")).collect()
}

/// The payloads of a topic.
fn on<'a>(messages: &'a [Json], topic: &str) -> Vec<&'a Json> {
    let topic = format!("telltale/v1/car-0001/{topic}");
    messages.iter().filter(|message| message["topic"] == topic.as_str()).map(|message| &message["payload"]).collect()
}

/// All good samples of a signal in the telemetry: milliseconds since 1970, value.
fn samples(messages: &[Json], member: &str, path: &str) -> Vec<(i64, f64)> {
    let mut all = Vec::new();
    for batch in on(messages, "telemetry") {
        let start: jiff::Timestamp = batch["time"].as_str().expect("a time").parse().expect("RFC 3339");
        let column = &batch.pointer(member).expect("a batch has signals")[path]["samples"];
        for sample in column.as_array().into_iter().flatten() {
            if let (Some(offset_ms), Some(value), None) = (sample[0].as_i64(), sample[1].as_f64(), sample.get(2)) {
                all.push((start.as_millisecond() + offset_ms, value));
            }
        }
    }
    all
}

/// The rows of a table: microseconds since 1970, and the other columns.
fn table(path: &Path) -> Vec<(i64, Vec<f64>)> {
    let text = std::fs::read_to_string(path).expect("the table can be read");
    let row = |line: &str| {
        let mut cells = line.split(',');
        let (seconds, micros) = cells.next()?.split_once('.')?;
        let at_us = seconds.parse::<i64>().ok()? * 1_000_000 + format!("{micros:0<6}").parse::<i64>().ok()?;
        Some((at_us, cells.map_while(|cell| cell.parse().ok()).collect()))
    };
    text.lines().filter_map(row).collect()
}

/// The profile with a telemetry of the wheel speeds, which is none of its own: at 80 Hz they are for the services.
fn profile_with_wheels(folder: &TempDir) -> std::path::PathBuf {
    let profile = std::fs::read_to_string(project("profiles/toyota-rav4/profile.toml")).expect("the profile");
    let mut wheels = 0;
    let lines = profile.lines().map(|line| {
        let is_wheel = line.starts_with("path = \"Vehicle.Chassis.Axle.") && line.ends_with("Speed\"");
        wheels += usize::from(is_wheel);
        if is_wheel { format!("{line}\ntelemetry_ms = 100\n") } else { format!("{line}\n") }
    });
    let profile: String = lines.collect();
    assert_eq!(wheels, 4);
    write(folder, "profile.toml", profile);
    std::fs::copy(project("profiles/toyota-rav4/rav4.dbc"), folder.path().join("rav4.dbc")).expect("the DBC file");
    folder.path().to_owned()
}

#[test]
fn the_real_drive_is_published_as_it_was() {
    let (Some(log), Some(wheels), Some(fixes)) = (
        data::data("can/rav4_2016.log"),
        data::data("can/rav4_2016_wheel_speed.csv"),
        data::data("can/rav4_2016_gnss.csv"),
    ) else {
        return;
    };
    let folder = TempDir::new().expect("a folder");
    let profile = profile_with_wheels(&folder);
    let config = write(&folder, "telltale.toml", deployment(&profile, &[("pt", "can0")]));
    let messages = replay(&["--config", &config, "--can", &argument(&log)]);

    check_wheels(&messages, &table(&wheels));
    check_speed(&messages, &table(&fixes));
    check_kinematics(&messages);
    check_states(&messages);
}

/// The published time is cut to milliseconds twice, at the start of the batch and at the sample; the logger has some
/// frames less than that apart.
fn check_wheels(messages: &[Json], rows: &[(i64, Vec<f64>)]) {
    let wheels = ["Row1.Wheel.Left", "Row1.Wheel.Right", "Row2.Wheel.Left", "Row2.Wheel.Right"];
    for (column, wheel) in wheels.iter().enumerate() {
        let published = samples(messages, "/data/signals", &format!("Vehicle.Chassis.Axle.{wheel}.Speed"));
        let mut compared = 0;
        for (at_ms, speed_kmh) in &published {
            let first = rows.partition_point(|(at_us, _)| *at_us < at_ms * 1_000);
            let same_time = rows.iter().skip(first).take_while(|(at_us, _)| *at_us < (at_ms + 2) * 1_000);
            let expected_kmh: Vec<f64> = same_time.map(|(_, row)| row[column] * 3.6).collect();
            if expected_kmh.is_empty() {
                continue;
            }
            let is_equal = expected_kmh.iter().any(|expected_kmh| (speed_kmh - expected_kmh).abs() <= 0.01);
            assert!(is_equal, "{wheel} at {at_ms}: {speed_kmh}, not {expected_kmh:?}");
            compared += 1;
        }
        println!("{wheel}: {compared} of {} published samples compared", published.len());
        assert!(compared >= 500 && compared * 10 > published.len() * 9, "{wheel}: {compared} of {}", published.len());
    }
}

fn check_speed(messages: &[Json], fixes: &[(i64, Vec<f64>)]) {
    let published = samples(messages, "/data/signals", "Vehicle.Speed");
    let mut worst_kmh: f64 = 0.0;
    let mut compared = 0;
    for (at_ms, speed_kmh) in published {
        let fix = fixes.iter().min_by_key(|(at_us, _)| (at_us - at_ms * 1_000).abs()).expect("there are fixes");
        if (fix.0 - at_ms * 1_000).abs() <= 100_000 {
            worst_kmh = worst_kmh.max((speed_kmh - fix.1[2] * 3.6).abs());
            compared += 1;
        }
    }
    println!("Vehicle.Speed: {compared} samples compared, at most {worst_kmh:.2} km/h from GNSS");
    assert!(compared >= 50 && worst_kmh <= 4.0, "{compared} compared, {worst_kmh} km/h apart");
}

/// A calm drive on a dry road.
fn check_kinematics(messages: &[Json]) {
    let limits = [
        ("Vehicle.Acceleration.Longitudinal", 5.0),
        ("Vehicle.Acceleration.Lateral", 5.0),
        ("Vehicle.AngularVelocity.Yaw", 40.0),
        ("Vehicle.Chassis.SteeringWheel.Angle", 540.0),
        ("Vehicle.Powertrain.CombustionEngine.Speed", 6_000.0),
        ("Vehicle.Chassis.Accelerator.PedalPosition", 100.0),
    ];
    for (path, limit) in limits {
        let published = samples(messages, "/data/signals", path);
        assert!(published.len() >= 50, "{path}: {} samples", published.len());
        assert!(published.iter().all(|(_, value)| value.abs() <= limit), "{path}: {published:?}");
        assert!(published.iter().any(|(_, value)| (value - published[0].1).abs() > 0.0), "{path} never changes");
    }
}

fn check_states(messages: &[Json]) {
    let newest = |group: &str| *on(messages, &format!("state/{group}")).last().expect("the group is published");
    let driving = newest("driving");
    let signal = |path: &str| &driving["data"]["signals"][path];
    assert_eq!(signal("Vehicle.Powertrain.Transmission.SelectedGear")["value"], 127);
    assert_eq!(signal("Vehicle.Chassis.ParkingBrake.IsEngaged")["value"], false);
    assert_eq!(signal("Vehicle.LowVoltageSystemState")["value"], "ON");
    let body = &newest("body")["data"]["body"];
    assert_eq!((&body["all_closed"]["value"], &body["all_closed"]["quality"]), (&true.into(), &"good".into()));
    assert_eq!(body["belts"]["Seat.Row1.DriverSide"]["value"], "fastened");
    let vehicle = &newest("vehicle")["data"];
    assert_eq!(vehicle["ignition"]["phase"]["value"], "driving");
    let odometer_m = vehicle["odometer"]["distance"]["value"].as_f64().expect("a distance");
    assert!((25_000_000.0..25_200_000.0).contains(&odometer_m), "{odometer_m} m");
    assert_eq!(vehicle["odometer"]["rejected"], 0);
    let lamps = &newest("telltales")["data"]["telltales"];
    assert_eq!(*lamps, serde_json::json!({"lit": {}, "doubtful": {}, "quality": "good"}));
    assert!(on(messages, "event/telltale.raised").is_empty());
    assert_eq!(on(messages, "event/ignition.on").len(), 1);
    assert_eq!(on(messages, "event/driving.started").len(), 1);
}

#[cfg(feature = "demo")]
#[test]
fn a_recording_of_the_simulated_car_has_its_positions() {
    use std::time::Duration;
    use telltale::sim::{self, Scenario};

    let recording = sim::record(Scenario::Lamp, 7, Duration::from_secs(60)).expect("the simulated car speaks");
    let folder = TempDir::new().expect("a folder");
    let buses = ["powertrain", "body", "energy"].map(|bus| (bus, bus));
    let config = write(&folder, "telltale.toml", deployment(&project("profiles/demo-phev"), &buses));
    let can = write(&folder, "can.log", &recording.can);
    let gnss = write(&folder, "gnss.log", &recording.gnss);
    let messages = replay(&["--config", &config, "--can", &can, "--gnss", &gnss]);

    let fix = &on(&messages, "state/location").last().expect("a location")["data"]["location"]["fix"];
    assert_eq!(fix["quality"], "good");
    let latitudes = samples(&messages, "/data/location/signals", "Vehicle.CurrentLocation.Latitude");
    assert!(latitudes.len() >= 40, "{} positions", latitudes.len());
    assert!(latitudes.iter().all(|(_, latitude)| (43.9..44.1).contains(latitude)), "{latitudes:?}");
    let raised = on(&messages, "event/telltale.raised");
    assert_eq!(raised.len(), 1);
    assert_eq!(raised[0]["subject"], "TirePressure");
    assert!(raised[0]["data"]["location"]["fix"]["latitude"].is_f64());
}
