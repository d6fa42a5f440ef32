//! `telltaled classify`: the crash classifier over an acceleration series.
//!
//! Without a profile the series, low-passed as CFC 180, counts as that of a full-range sensor on the car's structure, at
//! the rate given. With one it goes through the chain of each sensor that the profile states: low-pass, noise, clock, quantization,
//! clipping. Speeds, restraints and the rest of a car are not in such a file, so the verdict rests on motion alone.

use std::fs::File;
use std::io::{self, BufReader};
use std::path::Path;
use std::time::Duration;

use serde_json::{Value as Json, json};

use crate::config::Profile;
use crate::crash::chain::{Chain, ChainSpec};
use crate::crash::plot::{self, Mark, PlotSeries};
use crate::crash::{
    AXES, Classifier, Mounting, Observation, Orientation, Quantity, Sample, SensorFault, SensorIx, SensorSpec,
    Severity, Stage, Verdict,
};
use crate::rng::Rng;
use crate::time::MonoTime;

use super::exit::{Code, Failure};
use super::output;

mod series;

use series::{EPOCH_S, LEAD_S, MAX_INPUT_BYTES, MAX_RATE_HZ, MAX_SAMPLES, Refused, Series};

/// A sensor that no recording drives to its end, in m/s²: laboratory transducers reach 2,000 g.
const LABORATORY_RANGE_MPS2: f32 = 20_000.0;

/// Corner of channel frequency class 180 in Hz (SAE J211-1, table 1): raw recordings ring far above it.
const LABORATORY_CORNER_HZ: f32 = 300.0;

/// Turns a second beyond any car's, in °/s.
const LABORATORY_RANGE_DPS: f32 = 10_000.0;

/// The same seed gives the same noise.
const SEED: u64 = 1;

/// How long after its end a series is waited upon: the last word on an event comes 5 s after its last impact.
const TAIL: Duration = Duration::from_secs(10);

/// What came out.
#[derive(Debug, Default)]
struct Outcome {
    verdicts: Vec<Verdict>,
    faults: Vec<SensorFault>,
}

/// The subcommand.
pub(super) fn classify(
    rate_hz: f32,
    file: &Path,
    folder: Option<&Path>,
    picture: Option<&Path>,
) -> Result<(), Failure> {
    if !(1.0..=MAX_RATE_HZ).contains(&rate_hz) {
        return Err(Failure::new(Code::Data, format!("--rate {rate_hz}: give samples a second, 1 to {MAX_RATE_HZ}")));
    }
    let unread = |error: io::Error| Failure::new(Code::NoInput, format!("reading {}: {error}", file.display()));
    let unusable = |wrong: String| Failure::new(Code::Data, format!("reading {}: {wrong}", file.display()));
    let input = BufReader::new(File::open(file).map_err(unread)?);
    let series = Series::read(input, rate_hz, MAX_INPUT_BYTES).map_err(|refused| match refused {
        Refused::Unread(error) => unread(error),
        Refused::Unusable(wrong) => unusable(wrong),
    })?;
    let profile = match folder {
        None => None,
        Some(folder) => {
            let loaded = Profile::load(folder, &|path| std::fs::read(path));
            Some(loaded.map_err(|problems| Failure::new(Code::Config, problems))?)
        }
    };
    let sensors = profile.as_ref().map_or_else(|| laboratory(&series, rate_hz), |profile| sensors(profile, &series));
    if sensors.is_empty() {
        return Err(Failure::new(Code::Config, "the profile states no inertial sensor; add an [[inertial]] section"));
    }
    check_amount(&series, &sensors).map_err(unusable)?;
    let outcome = run(&series, &sensors);
    if let Some(path) = picture {
        let drawing = draw(&file.display().to_string(), &series, &outcome);
        std::fs::write(path, drawing)
            .map_err(|error| Failure::new(Code::Io, format!("writing {}: {error}", path.display())))?;
    }
    output::line(&report(&outcome, &sensors))
}

/// A sensor, and what it does to the series.
struct Sensor {
    spec: SensorSpec,
    chain: ChainSpec,
}

fn laboratory(series: &Series, rate_hz: f32) -> Vec<Sensor> {
    let spec = |quantity: Quantity, name: &str, axes: [bool; 3], range: f32| {
        let spec = SensorSpec {
            name: name.to_owned(),
            quantity,
            axes,
            range,
            rate_hz,
            noise: 0.0,
            mounting: Mounting::Chassis,
            orientation: Orientation::Stated,
            is_protected: true,
        };
        let chain = ChainSpec {
            corner_hz: LABORATORY_CORNER_HZ,
            delay: Duration::ZERO,
            jitter: Duration::ZERO,
            ..ChainSpec::of(&spec, [0.0; 3], 1)
        };
        Sensor { spec, chain }
    };
    let mut sensors = vec![spec(Quantity::Acceleration, "series", series.has[0], LABORATORY_RANGE_MPS2)];
    if series.has[1].contains(&true) {
        sensors.push(spec(Quantity::AngularRate, "series-rate", series.has[1], LABORATORY_RANGE_DPS));
    }
    sensors
}

/// The profile's sensors, on the axes that the series has.
fn sensors(profile: &Profile, series: &Series) -> Vec<Sensor> {
    let sensors = profile.inertial.iter().map(|sensor| {
        let has = series.has[usize::from(sensor.spec.quantity == Quantity::AngularRate)];
        let axes = [0, 1, 2].map(|axis| has[axis] && sensor.spec.axes[axis]);
        let spec = SensorSpec { axes, ..sensor.spec.clone() };
        #[expect(clippy::cast_possible_truncation, reason = "steps of a few digits")]
        let steps = sensor.step.map(|step| step as f32);
        Sensor { chain: ChainSpec::of(&spec, steps, sensor.packed()), spec }
    });
    sensors.collect()
}

/// Sensors sample all the time that a series spans, however few its rows are.
fn check_amount(series: &Series, sensors: &[Sensor]) -> Result<(), String> {
    let rate_hz: f64 = sensors.iter().map(|sensor| f64::from(sensor.spec.rate_hz)).sum();
    let span_s = LEAD_S + series.span_s();
    if rate_hz * span_s > f64::from(MAX_SAMPLES) {
        return Err(format!(
            "{span_s} s, with {LEAD_S} s of calm before, at {rate_hz} samples a second of all sensors are more than \
             {MAX_SAMPLES} samples; cut out the part that matters, or give a lower --rate with t_s"
        ));
    }
    Ok(())
}

fn moment(time_s: f64) -> MonoTime {
    MonoTime::ZERO + Duration::from_secs_f64((EPOCH_S + time_s).max(0.0))
}

fn run(series: &Series, sensors: &[Sensor]) -> Outcome {
    let mut heard: Vec<(MonoTime, MonoTime, Observation)> = Vec::new();
    for (index, sensor) in sensors.iter().enumerate() {
        let Ok(index) = u8::try_from(index) else { continue };
        let quantity = usize::from(sensor.spec.quantity == Quantity::AngularRate);
        let mut chain = Chain::new(sensor.chain, Rng::new(SEED + u64::from(index)));
        for (time_s, row) in series.calm().chain(series.rows.iter().copied()) {
            chain.push(moment(time_s), row[quantity], |delivery| {
                if let Some(axes) = delivery.axes {
                    let sample = Observation::Sample(Sample { sensor: SensorIx(index), axes });
                    heard.push((delivery.arrived, delivery.sampled, sample));
                }
            });
        }
    }
    heard.sort_by_key(|(arrived, at, _)| (*arrived, *at));
    let specs: Vec<SensorSpec> = sensors.iter().map(|sensor| sensor.spec.clone()).collect();
    let mut classifier = Classifier::new(&specs);
    let mut outcome = Outcome::default();
    for (arrived, at, observation) in &heard {
        classifier.observe(*at, observation);
        classifier.handle_timeout(*arrived);
        outcome.fetch(&mut classifier);
    }
    let end = heard.last().map_or(MonoTime::ZERO, |(arrived, ..)| *arrived) + TAIL;
    while let Some(due) = classifier.poll_timeout().filter(|due| *due <= end) {
        classifier.handle_timeout(due);
        outcome.fetch(&mut classifier);
    }
    outcome
}

impl Outcome {
    fn fetch(&mut self, classifier: &mut Classifier) {
        self.verdicts.extend(std::iter::from_fn(|| classifier.poll_verdict()));
        self.faults.extend(std::iter::from_fn(|| classifier.poll_fault()));
    }

    /// The verdict that makes it a crash.
    fn crash(&self) -> Option<&Verdict> {
        self.verdicts.iter().find(|verdict| verdict.stage == Stage::Confirmed)
    }
}

fn seconds(at: MonoTime) -> f64 {
    at.as_secs_f64() - EPOCH_S
}

/// Rounded for people.
fn round(value: f32) -> f64 {
    (f64::from(value) * 1_000.0).round() / 1_000.0
}

fn report(outcome: &Outcome, sensors: &[Sensor]) -> Json {
    let crash = outcome.crash();
    let last = crash.and_then(|crash| outcome.verdicts.iter().rev().find(|verdict| verdict.event == crash.event));
    let milliseconds = |span: Duration| (span.as_secs_f64() * 1e6).round() / 1e3;
    let faults = outcome.faults.iter().map(|fault| {
        let name = sensors.get(usize::from(fault.sensor.0)).map(|sensor| sensor.spec.name.as_str());
        let axis = AXES.get(usize::from(fault.axis)).copied();
        json!({ "sensor": name, "axis": axis, "fault": fault.kind.name().replace('_', " "), "t_s": seconds(fault.at) })
    });
    let stages = outcome
        .verdicts
        .iter()
        .map(|verdict| json!({ "event": verdict.event, "stage": verdict.stage.name(), "t_s": seconds(verdict.at) }));
    json!({
        "verdict": if crash.is_some() { "crash" } else { "none" },
        "severity": last.and_then(|last| last.severity).map(Severity::name),
        "contact_s": crash.map(|crash| seconds(crash.contact)),
        "time_to_verdict_ms": crash.map(|crash| milliseconds(crash.at.since(crash.contact))),
        "delta_v": last.and_then(|last| last.delta_v).map(|delta_v| json!({
            "x_mps": delta_v.x_mps.map(round),
            "y_mps": delta_v.y_mps.map(round),
            "resultant_mps": round(delta_v.resultant_mps),
            "uncertainty_mps": round(delta_v.uncertainty_mps),
            "is_lower_bound": delta_v.is_lower_bound,
        })),
        "direction": last.and_then(|last| last.direction).map(|direction| json!({
            "pdof_deg": round(direction.pdof_deg),
            "clock": direction.clock,
        })),
        "side": last.map(|last| last.side.name()),
        "rollover": last.and_then(|last| last.rollover),
        "impacts": last.map(|last| last.impacts),
        "mais3": last.and_then(|last| last.mais3).map(|mais3| json!({
            "value": round(mais3.value), "low": round(mais3.low), "high": round(mais3.high),
        })),
        "evidence": last.map(|last| json!({
            "peak_mps2": last.evidence.peak_mps2.map(round),
            "delta_v_150ms_mps": last.evidence.delta_v_150ms_mps.map(round),
            "dwell_ms": last.evidence.dwell.map(milliseconds),
            "saturated_ms": last.evidence.saturated.map(milliseconds),
            "pulse_ms": last.evidence.pulse.map(milliseconds),
            "tilt_deg": last.evidence.tilt_deg.map(round),
            "roll_rate_dps": last.evidence.roll_rate_dps.map(round),
        })),
        "faults": faults.collect::<Vec<Json>>(),
        "stages": stages.collect::<Vec<Json>>(),
    })
}

/// Times count from the first row: short numbers do not hold milliseconds of late ones.
fn draw(file: &str, series: &Series, outcome: &Outcome) -> String {
    let first_s = series.first_s();
    #[expect(clippy::cast_possible_truncation, reason = "an hour in pixels")]
    let after_first = |time_s: f64| (time_s - first_s) as f32;
    let title = if first_s == 0.0 { file.to_owned() } else { format!("{file}, from {first_s} s on") };
    let samples: Vec<_> = series
        .rows
        .iter()
        .map(|(time_s, row)| (after_first(*time_s), [0, 1, 2].map(|axis| series.has[0][axis].then_some(row[0][axis]))))
        .collect();
    // A suspicion that was dismissed before a crash says nothing of it.
    let told = outcome.crash().or_else(|| outcome.verdicts.first());
    let contact_s = told.map(|told| after_first(seconds(told.contact)));
    let touched = contact_s.map(|at_s| Mark { at_s, label: "contact".to_owned() });
    let said = outcome
        .verdicts
        .iter()
        .map(|verdict| Mark { at_s: after_first(seconds(verdict.at)), label: verdict.stage.name().to_owned() });
    let marks: Vec<Mark> = touched.into_iter().chain(said).collect();
    plot::svg(&PlotSeries::of_acceleration(&title, &samples, contact_s.unwrap_or_default()), &marks)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn series(first_s: f64, step_s: f64) -> Series {
        let rows = (0..300_u16).map(|index| {
            let x = if (100..200).contains(&index) { -100.0 } else { 0.0 };
            (first_s + f64::from(index) * step_s, [[x, 0.0, 0.0], [0.0; 3]])
        });
        Series { has: [[true, false, false], [false; 3]], rows: rows.collect() }
    }

    fn said(event: u32, stage: Stage, at_s: f64, contact_s: f64) -> Verdict {
        Verdict::bare(event, stage, moment(at_s), moment(contact_s))
    }

    /// Where the first mark stands, as a share of the picture's time.
    fn first_mark(picture: &str) -> f32 {
        let line = picture.lines().find(|line| line.contains("stroke-dasharray")).unwrap();
        let x: f32 = line.split('"').nth(1).unwrap().parse().unwrap();
        (x - 78.0) / (936.0 - 78.0)
    }

    #[test]
    fn the_contact_of_a_picture_is_that_of_the_crash_else_of_the_first_suspicion() {
        let dismissed = [said(1, Stage::Suspected, 0.02, 0.0299), said(1, Stage::Dismissed, 0.05, 0.0299)];
        let crash = [said(2, Stage::Suspected, 0.11, 0.1495), said(2, Stage::Confirmed, 0.16, 0.1495)];
        let picture = |verdicts: Vec<Verdict>| draw("", &series(0.0, 0.001), &Outcome { verdicts, faults: Vec::new() });
        assert!((first_mark(&picture(dismissed.to_vec())) - 0.1).abs() < 1e-3);
        assert!((first_mark(&picture([dismissed, crash].concat())) - 0.5).abs() < 1e-3);
    }

    #[test]
    fn a_late_series_is_drawn_like_an_early_one() {
        let outcome = |first_s: f64| Outcome {
            verdicts: vec![said(1, Stage::Confirmed, first_s + 0.02, first_s + 0.015)],
            faults: Vec::new(),
        };
        let picture = |first_s: f64| draw("", &series(first_s, 1e-4), &outcome(first_s));
        let late = picture(1_000_000.0);
        assert!(!late.contains("NaN") && late.contains("from 1000000 s on"), "{late}");
        assert!((first_mark(&late) - first_mark(&picture(0.0))).abs() < 1e-3);
    }

    #[test]
    fn a_rate_that_the_rows_do_not_need_makes_no_endless_work() {
        let (sparse, short) = (series(0.0, 10.0), series(0.0, 0.001));
        let wrong = check_amount(&sparse, &laboratory(&sparse, MAX_RATE_HZ)).unwrap_err();
        assert!(wrong.contains("lower --rate"), "{wrong}");
        assert_eq!(check_amount(&sparse, &laboratory(&sparse, 1_000.0)), Ok(()));
        assert_eq!(check_amount(&short, &laboratory(&short, MAX_RATE_HZ)), Ok(()));
    }
}
