//! `telltaled classify`: the crash classifier over an acceleration series.
//!
//! Without a profile the series, low-passed as CFC 180, counts as that of a full-range sensor on the car's structure, at
//! the rate given. With one it goes through the chain of each sensor that the profile states: low-pass, noise, clock, quantization,
//! clipping. Speeds, restraints and the rest of a car are not in such a file, so the verdict rests on motion alone.

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

/// What the whole file's time is moved by, so that series may begin before nought.
const EPOCH_S: f64 = 1_000.0;

/// A series longer than a day at 1 kHz is no series of a crash.
const MAX_ROWS: usize = 86_400_000;

/// A sensor that no recording drives to its end, in m/s²: laboratory transducers reach 2,000 g.
const LABORATORY_RANGE_MPS2: f32 = 20_000.0;

/// Corner of channel frequency class 180 in Hz (SAE J211-1, table 1): raw recordings ring far above it.
const LABORATORY_CORNER_HZ: f32 = 300.0;

/// Turns a second beyond any car's, in °/s.
const LABORATORY_RANGE_DPS: f32 = 10_000.0;

/// The same seed gives the same noise.
const SEED: u64 = 1;

/// A recording often begins a few milliseconds before contact: the car is taken to have been calm for so long before.
/// The classifier believes no sensor that has just been started.
const LEAD_S: f64 = 2.0;

/// How long after its end a series is waited upon: the last word on an event comes 5 s after its last impact.
const TAIL: Duration = Duration::from_secs(10);

/// Columns that are known, by quantity and axis; all but the time may be missing.
const COLUMNS: [(&str, usize, usize); 6] = [
    ("ax_mps2", 0, 0),
    ("ay_mps2", 0, 1),
    ("az_mps2", 0, 2),
    ("roll_dps", 1, 0),
    ("pitch_dps", 1, 1),
    ("yaw_dps", 1, 2),
];

/// A series: time, then accelerations and rates by axis.
#[derive(Debug, PartialEq)]
struct Series {
    has: [[bool; 3]; 2],
    rows: Vec<(f64, [[f32; 3]; 2])>,
}

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
    if !rate_hz.is_finite() || !(1.0..=1_000_000.0).contains(&rate_hz) {
        return Err(Failure::new(Code::Data, format!("--rate {rate_hz}: give samples a second, 1 to 1000000")));
    }
    let text = std::fs::read_to_string(file)
        .map_err(|error| Failure::new(Code::NoInput, format!("reading {}: {error}", file.display())))?;
    let series = parse(&text, rate_hz)
        .map_err(|wrong| Failure::new(Code::Data, format!("reading {}: {wrong}", file.display())))?;
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
    let outcome = run(&series, &sensors);
    if let Some(path) = picture {
        let drawing = draw(&file.display().to_string(), &series, &outcome);
        std::fs::write(path, drawing)
            .map_err(|error| Failure::new(Code::Io, format!("writing {}: {error}", path.display())))?;
    }
    output::line(&report(&outcome, &sensors))
}

/// Reads the columns by their names.
fn parse(text: &str, rate_hz: f32) -> Result<Series, String> {
    let mut lines = (1..).zip(text.lines()).filter(|(_, line)| !line.trim().is_empty());
    let (_, header) = lines.next().ok_or("it is empty; the first line names the columns")?;
    let names: Vec<&str> = header.split(',').map(|name| name.trim().trim_start_matches('\u{feff}')).collect();
    let column = |name: &str| names.iter().position(|known| *known == name);
    let known = || COLUMNS.iter().map(|(name, ..)| *name).collect::<Vec<_>>().join(", ");
    if let Some(unknown) =
        names.iter().find(|name| **name != "t_s" && !COLUMNS.iter().any(|(known, ..)| known == *name))
    {
        return Err(format!("column `{unknown}` is not known; known are t_s, {}", known()));
    }
    let mut has = [[false; 3]; 2];
    for (name, quantity, axis) in COLUMNS {
        has[quantity][axis] = column(name).is_some();
    }
    if !has[0][0] && !has[0][1] {
        return Err("there is no horizontal acceleration; name a column ax_mps2 or ay_mps2".to_owned());
    }
    let mut rows: Vec<(f64, [[f32; 3]; 2])> = Vec::new();
    for (number, line) in lines {
        if rows.len() >= MAX_ROWS {
            return Err(format!("line {number}: more than {MAX_ROWS} samples; cut out the part that matters"));
        }
        let cells: Vec<&str> = line.split(',').map(str::trim).collect();
        if cells.len() != names.len() {
            return Err(format!("line {number}: {} cells where the header has {}", cells.len(), names.len()));
        }
        let value = |name: &str| -> Result<Option<f64>, String> {
            let Some(cell) = column(name).and_then(|column| cells.get(column)) else { return Ok(None) };
            let value: f64 = cell.parse().map_err(|_| format!("line {number}: `{cell}` is no number for {name}"))?;
            if value.is_finite() { Ok(Some(value)) } else { Err(format!("line {number}: {name} is not finite")) }
        };
        #[expect(clippy::cast_precision_loss, reason = "far fewer rows than 2^52")]
        let counted = rows.len() as f64 / f64::from(rate_hz);
        let time_s = value("t_s")?.unwrap_or(counted);
        if !(LEAD_S - EPOCH_S..=1e9).contains(&time_s) || rows.last().is_some_and(|(before, _)| *before >= time_s) {
            return Err(format!("line {number}: t_s must grow, and not begin before {} s", LEAD_S - EPOCH_S));
        }
        let mut row = [[0.0_f32; 3]; 2];
        for (name, quantity, axis) in COLUMNS {
            #[expect(clippy::cast_possible_truncation, reason = "sensors have no 24 bits")]
            let value = value(name)?.unwrap_or_default() as f32;
            row[quantity][axis] = value;
        }
        rows.push((time_s, row));
    }
    if rows.len() < 2 {
        return Err("there are fewer than two samples".to_owned());
    }
    Ok(Series { has, rows })
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

fn moment(time_s: f64) -> MonoTime {
    MonoTime::ZERO + Duration::from_secs_f64((EPOCH_S + time_s).max(0.0))
}

/// What went before: rest, with the first row's vertical acceleration, at the series' own rate.
fn calm(series: &Series) -> Vec<(f64, [[f32; 3]; 2])> {
    let [(first_s, row), (second_s, _), ..] = series.rows[..] else { return Vec::new() };
    let step_s = second_s - first_s;
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a few seconds of samples")]
    let count = (LEAD_S / step_s) as u32;
    let rest = [[0.0, 0.0, row[0][2]], [0.0; 3]];
    (1..=count).rev().map(|index| (first_s - f64::from(index) * step_s, rest)).collect()
}

fn run(series: &Series, sensors: &[Sensor]) -> Outcome {
    let mut heard: Vec<(MonoTime, MonoTime, Observation)> = Vec::new();
    for (index, sensor) in sensors.iter().enumerate() {
        let Ok(index) = u8::try_from(index) else { continue };
        let quantity = usize::from(sensor.spec.quantity == Quantity::AngularRate);
        let mut chain = Chain::new(sensor.chain, Rng::new(SEED + u64::from(index)));
        for (time_s, row) in calm(series).into_iter().chain(series.rows.iter().copied()) {
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
}

fn seconds(at: MonoTime) -> f64 {
    at.as_secs_f64() - EPOCH_S
}

/// Rounded for people.
fn round(value: f32) -> f64 {
    (f64::from(value) * 1_000.0).round() / 1_000.0
}

fn report(outcome: &Outcome, sensors: &[Sensor]) -> Json {
    let crash = outcome.verdicts.iter().find(|verdict| verdict.stage == Stage::Confirmed);
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

fn draw(title: &str, series: &Series, outcome: &Outcome) -> String {
    #[expect(clippy::cast_possible_truncation, reason = "pixels")]
    let short = |time_s: f64| time_s as f32;
    let contact = outcome.verdicts.iter().map(|verdict| seconds(verdict.contact)).next();
    let first = series.rows.first().map_or(0.0, |(time_s, _)| *time_s);
    let samples: Vec<_> = series
        .rows
        .iter()
        .map(|(time_s, row)| (short(*time_s), [0, 1, 2].map(|axis| series.has[0][axis].then_some(row[0][axis]))))
        .collect();
    let contacts = contact.map(|at| Mark { at_s: short(at), label: "contact".to_owned() });
    let said = outcome
        .verdicts
        .iter()
        .map(|verdict| Mark { at_s: short(seconds(verdict.at)), label: verdict.stage.name().to_owned() });
    let marks: Vec<Mark> = contacts.into_iter().chain(said).collect();
    plot::svg(&PlotSeries::of_acceleration(title, &samples, short(contact.unwrap_or(first))), &marks)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_are_found_by_name_and_time_is_counted_where_it_is_missing() {
        let series = parse("ay_mps2,ax_mps2\n1,2\n3,4\n", 100.0).unwrap();
        assert_eq!(series.has, [[true, true, false], [false; 3]]);
        assert_eq!(series.rows[1], (0.01, [[4.0, 3.0, 0.0], [0.0; 3]]));
        let timed = parse("t_s, ax_mps2, yaw_dps\n-0.05, 1, 9\n0, 2, 9\n", 100.0).unwrap();
        assert_eq!((timed.rows[0].0, timed.has[1]), (-0.05, [false, false, true]));
    }

    #[test]
    fn what_is_wrong_is_named_with_its_line() {
        for (text, word) in [
            ("", "empty"),
            ("t_s,az_mps2\n0,1\n1,1\n", "horizontal"),
            ("t_s,ax_g\n0,1\n", "ax_g"),
            ("t_s,ax_mps2\n0,1\n0,1\n", "line 3"),
            ("t_s,ax_mps2\n0,1\n1,x\n", "line 3"),
            ("t_s,ax_mps2\n0,1\n1,NaN\n", "line 3"),
            ("t_s,ax_mps2\n0,1\n1\n", "line 3"),
            ("t_s,ax_mps2\n0,1\n", "two samples"),
        ] {
            let wrong = parse(text, 100.0).unwrap_err();
            assert!(wrong.contains(word), "{text:?}: {wrong}");
        }
    }
}
