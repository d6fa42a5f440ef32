//! Real crashes and real roads through the classifier, as full-range and as clipped sensors show them.
#![expect(
    clippy::expect_used,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a test fails by panicking; recordings are short"
)]

#[path = "common/data.rs"]
mod data;

use std::path::Path;
use std::time::Duration;

use telltale::can::{BusId, CanId, Frame, FrameKind};
use telltale::config::Profile;
use telltale::crash::chain::{Chain, ChainSpec};
use telltale::crash::{
    Classifier, FaultKind, Mounting, Observation, Orientation, Quantity, Sample, SensorFault, SensorIx, SensorSpec,
    Stage, Verdict,
};
use telltale::rng::Rng;
use telltale::time::MonoTime;

/// What the recordings count in.
const G: f64 = 9.80665;

/// Calm before a recording begins.
const LEAD: Duration = Duration::from_secs(3);

/// A crash in the car's axes in m/s², z up with gravity.
struct Crash {
    rate_hz: f64,
    /// Time of the first point against contact.
    begin_s: f64,
    points: Vec<[f64; 3]>,
}

/// Columns are averaged by axis; signs turn the laboratory's axes (SAE J211: y to the right, z down) into the car's.
fn crash(name: &str, columns: [&[usize]; 3], signs: [f64; 3]) -> Option<Crash> {
    let text = std::fs::read_to_string(data::data(&format!("crash/{name}"))?).expect("the file can be read");
    let rows: Vec<Vec<f64>> = text
        .lines()
        .skip(1)
        .map(|line| line.split(',').map(|cell| cell.parse().expect("a number")).collect())
        .collect();
    #[expect(clippy::cast_precision_loss, reason = "a few columns")]
    let mean = |row: &[f64], columns: &[usize]| {
        columns.iter().map(|column| row[*column]).sum::<f64>() / columns.len().max(1) as f64
    };
    let points = rows.iter().map(|row| [0, 1, 2].map(|axis| signs[axis] * G * mean(row, columns[axis])));
    Some(Crash { rate_hz: 1.0 / (rows[1][0] - rows[0][0]), begin_s: rows[0][0], points: points.collect() })
}

fn camry() -> Option<Crash> {
    crash("camry_2018_frontal_rigid_57kph.csv", [&[1, 2], &[], &[3, 4]], [1.0, 1.0, 1.0])
}

fn taurus() -> Option<Crash> {
    crash("taurus_2007_striking_sills.csv", [&[1, 3], &[2, 4], &[]], [1.0, -1.0, 1.0])
}

fn faulty() -> Option<Crash> {
    crash("taurus_2007_striking_cg_faulty_sensor.csv", [&[1], &[2], &[3]], [1.0, -1.0, -1.0])
}

/// SAE J211-1 appendix C: a Butterworth low-pass of second order, once forwards and once backwards.
fn cfc60(series: &[f64], rate_hz: f64) -> Vec<f64> {
    let wd = std::f64::consts::TAU * 60.0 * 2.0775;
    let wa = (wd / rate_hz / 2.0).tan();
    let norm = 1.0 + std::f64::consts::SQRT_2 * wa + wa * wa;
    let (a0, b1) = (wa * wa / norm, -2.0 * (wa * wa - 1.0) / norm);
    let b2 = (-1.0 + std::f64::consts::SQRT_2 * wa - wa * wa) / norm;
    let pass = |series: &mut dyn Iterator<Item = f64>| {
        let (mut x1, mut x2, mut y1, mut y2) = (0.0, 0.0, 0.0, 0.0);
        series
            .map(|x| {
                let y = a0 * (x + 2.0 * x1 + x2) + b1 * y1 + b2 * y2;
                (x2, x1, y2, y1) = (x1, x, y1, y);
                y
            })
            .collect::<Vec<f64>>()
    };
    let forwards = pass(&mut series.iter().copied());
    let mut both = pass(&mut forwards.into_iter().rev());
    both.reverse();
    both
}

/// ΔV at the largest resultant in m/s, and the direction of force in degrees, of the filtered recording.
fn truth(crash: &Crash) -> (f64, f64) {
    let axis = |index: usize| crash.points.iter().map(|point| point[index]).collect::<Vec<f64>>();
    let (x, y) = (cfc60(&axis(0), crash.rate_hz), cfc60(&axis(1), crash.rate_hz));
    let (mut velocity, mut best) = ([0.0_f64; 2], [0.0_f64; 2]);
    let mut time_s = crash.begin_s;
    for (x, y) in x.iter().zip(&y) {
        if (0.0..=0.3).contains(&time_s) {
            velocity = [velocity[0] + x / crash.rate_hz, velocity[1] + y / crash.rate_hz];
            if velocity[0].hypot(velocity[1]) > best[0].hypot(best[1]) {
                best = velocity;
            }
        }
        time_s += 1.0 / crash.rate_hz;
    }
    (best[0].hypot(best[1]), best[1].atan2(-best[0]).to_degrees())
}

fn full_range() -> SensorSpec {
    SensorSpec {
        name: "restraint".to_owned(),
        quantity: Quantity::Acceleration,
        axes: [true; 3],
        range: 490.0,
        rate_hz: 1_000.0,
        noise: 0.5,
        mounting: Mounting::Chassis,
        orientation: Orientation::Stated,
        is_protected: true,
    }
}

/// What a Toyota shows of its stability control's sensor in 0x024.
fn toyota() -> SensorSpec {
    SensorSpec {
        name: "stability".to_owned(),
        axes: [true, true, false],
        range: 18.34,
        rate_hz: 83.0,
        noise: 0.1,
        orientation: Orientation::Learnt,
        ..full_range()
    }
}

struct Outcome {
    contact: MonoTime,
    verdicts: Vec<Verdict>,
    faults: Vec<SensorFault>,
}

impl Outcome {
    fn said(&self, stage: Stage) -> Option<&Verdict> {
        self.verdicts.iter().find(|verdict| verdict.stage == stage)
    }

    fn after_contact_ms(&self, stage: Stage) -> Option<f64> {
        let said = self.said(stage)?;
        Some((said.at.as_secs_f64() - self.contact.as_secs_f64()) * 1_000.0)
    }

    fn print(&self, name: &str) {
        println!(
            "{name}: suspected {:?} ms, confirmed {:?} ms, graded {:?} ms after contact; faults {:?}",
            self.after_contact_ms(Stage::Suspected),
            self.after_contact_ms(Stage::Confirmed),
            self.after_contact_ms(Stage::Graded),
            self.faults
        );
        if let Some(verdict) = self.said(Stage::Graded) {
            println!("  {:?} {:?} {:?} {:?}", verdict.delta_v, verdict.direction, verdict.mais3, verdict.severity);
        }
    }
}

/// A crash as this sensor shows it, with calm before and after.
fn run(crash: &Crash, spec: &SensorSpec, steps: [f32; 3], seed: u64) -> Outcome {
    let mut classifier = Classifier::new(std::slice::from_ref(spec));
    let mut chain = Chain::new(ChainSpec::of(spec, steps, 1), Rng::new(seed));
    let mut outcome = Outcome { contact: MonoTime::ZERO, verdicts: Vec::new(), faults: Vec::new() };
    let step = Duration::from_secs_f64(1.0 / crash.rate_hz);
    outcome.contact = MonoTime::ZERO + LEAD + step.mul_f64(-crash.begin_s * crash.rate_hz);
    let calm = |span: Duration| std::iter::repeat_n([0.0; 3], (span.as_secs_f64() * crash.rate_hz) as usize);
    let mut at = MonoTime::ZERO;
    for point in calm(LEAD).chain(crash.points.iter().copied()).chain(calm(Duration::from_secs(6))) {
        at = at + step;
        let value = [point[0] as f32, point[1] as f32, (point[2] + G) as f32];
        chain.push(at, value, |delivery| {
            let Some(axes) = delivery.axes else { return };
            classifier.observe(delivery.arrived, &Observation::Sample(Sample { sensor: SensorIx(0), axes }));
            outcome.verdicts.extend(std::iter::from_fn(|| classifier.poll_verdict()));
            outcome.faults.extend(std::iter::from_fn(|| classifier.poll_fault()));
        });
    }
    outcome
}

#[test]
fn real_crashes_are_graded_by_a_full_range_sensor() {
    for (name, crash) in [("Camry", camry()), ("Taurus", taurus())] {
        let Some(crash) = crash else { return };
        let (truth_mps, truth_deg) = truth(&crash);
        println!("{name}: ΔV {:.1} km/h from {truth_deg:.1}°", truth_mps * 3.6);
        for seed in 1..=5 {
            let outcome = run(&crash, &full_range(), [0.015; 3], seed);
            outcome.print(&format!("{name}, full range, seed {seed}"));
            assert!(outcome.after_contact_ms(Stage::Confirmed).expect("confirmed") <= 45.0);
            assert!(outcome.after_contact_ms(Stage::Graded).expect("graded") <= 302.0);
            let graded = outcome.said(Stage::Graded).expect("graded");
            let delta_v = graded.delta_v.expect("measured");
            assert!((f64::from(delta_v.resultant_mps) - truth_mps).abs() <= 0.1 * truth_mps, "{delta_v:?}");
            let pdof_deg = f64::from(graded.direction.expect("stated signs").pdof_deg);
            assert!((pdof_deg - truth_deg).abs() <= 15.0, "{pdof_deg}° instead of {truth_deg}°");
            assert_eq!(outcome.faults, []);
        }
    }
}

#[test]
fn real_crashes_are_recognized_by_the_sensor_that_toyota_shows() {
    for (name, crash) in [("Camry", camry()), ("Taurus", taurus())] {
        let Some(crash) = crash else { return };
        for seed in 1..=5 {
            let outcome = run(&crash, &toyota(), [0.035_89; 3], seed);
            outcome.print(&format!("{name}, Toyota, seed {seed}"));
            assert!(outcome.after_contact_ms(Stage::Confirmed).expect("confirmed") <= 60.0);
            let graded = outcome.said(Stage::Graded).expect("graded");
            assert!(graded.delta_v.is_some_and(|delta_v| delta_v.is_lower_bound && delta_v.x_mps.is_none()));
            assert_eq!(graded.direction, None, "the signs were never learnt");
        }
    }
}

#[test]
fn a_sensor_that_went_wrong_in_a_real_crash_is_called_faulty_and_believed_in_nothing() {
    let Some(crash) = faulty() else { return };
    for seed in 1..=5 {
        let outcome = run(&crash, &full_range(), [0.015; 3], seed);
        outcome.print(&format!("faulty, full range, seed {seed}"));
        assert!(outcome.said(Stage::Confirmed).is_none());
        assert!(outcome.faults.iter().any(|fault| fault.kind == FaultKind::Resonance));
    }
}

fn micros(stamp: &str) -> u64 {
    (stamp.parse::<f64>().expect("seconds").rem_euclid(1_000_000.0) * 1e6) as u64
}

#[test]
fn a_real_drive_is_quiet_and_teaches_the_signs() {
    let Some(log) = data::data("can/rav4_2016.log") else { return };
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("profiles/toyota-rav4");
    let profile = Profile::load(&folder, &|path| std::fs::read(path)).unwrap_or_else(|problems| panic!("{problems}"));
    let (mut intake, mut signals) = (profile.intake(), profile.table().expect("a table"));
    let mut classifier = Classifier::new(&profile.sensors());
    let speeds = std::fs::read_to_string(data::data("can/rav4_2016_speed.csv").expect("beside the log")).expect("text");
    let mut speeds = speeds
        .lines()
        .filter_map(|line| line.split_once(','))
        .filter_map(|(at, mps)| Some((at.parse::<f64>().ok().map(|_| micros(at))?, mps.parse::<f32>().ok()?)));
    let mut next_speed = speeds.next();
    let mut samples = 0;
    for line in std::fs::read_to_string(log).expect("text").lines() {
        let mut parts = line.split(' ');
        let at_us = micros(parts.next().expect("a time").trim_matches(['(', ')']));
        let (id, payload) = parts.nth(1).expect("a frame").split_once('#').expect("id and data");
        let payload: Vec<u8> = (0..payload.len() / 2)
            .map(|index| u8::from_str_radix(&payload[2 * index..2 * index + 2], 16).expect("hex"))
            .collect();
        let id = CanId::base(u32::from_str_radix(id, 16).expect("hex")).expect("11 bits");
        let frame = Frame::new(id, FrameKind::Data, &payload).expect("8 bytes");
        intake.frame(MonoTime::from_nanos(at_us * 1_000), BusId(0), &frame, &mut signals);
        for (at, observation) in intake.observations() {
            classifier.observe(*at, observation);
            samples += 1;
        }
        while let Some((speed_us, mps)) = next_speed.filter(|(speed_us, _)| *speed_us <= at_us) {
            classifier.observe(MonoTime::from_nanos(speed_us * 1_000), &Observation::WheelSpeed(mps));
            next_speed = speeds.next();
        }
    }
    assert!(samples > 9_000, "{samples} samples");
    assert_eq!(classifier.poll_verdict(), None);
    assert_eq!(classifier.poll_fault(), None);
    let calibration = classifier.calibration();
    println!("{calibration:?}");
    assert_eq!(calibration.sensors[0].axes[0].sign, Some(1));
}

/// Phones in cars on roads: shaken, and not fixed to the car.
#[test]
fn real_roads_are_quiet() {
    for name in ["road_surface_1.csv", "road_surface_2.csv", "road_surface_3.csv"] {
        let Some(path) = data::data(&format!("noncrash/{name}")) else { return };
        let spec = SensorSpec { range: 40.0, rate_hz: 10.0, orientation: Orientation::Learnt, ..full_range() };
        let mut classifier = Classifier::new(&[spec]);
        let mut samples = 0;
        for line in std::fs::read_to_string(path).expect("text").lines().skip(1) {
            let cells: Vec<&str> = line.split(',').collect();
            let at = MonoTime::from_millis(cells[0].parse::<u64>().expect("milliseconds") % 1_000_000_000);
            let value = |index: usize| cells[index].parse::<f32>().ok();
            let axes = [value(4), value(5), value(6).map(|z| z + 9.81)];
            classifier.observe(at, &Observation::Sample(Sample { sensor: SensorIx(0), axes }));
            samples += 1;
        }
        assert!(samples > 400);
        let verdicts: Vec<Verdict> = std::iter::from_fn(|| classifier.poll_verdict()).collect();
        assert!(verdicts.iter().all(|verdict| verdict.stage != Stage::Confirmed), "{name}: {verdicts:?}");
    }
}
