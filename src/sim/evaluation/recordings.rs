//! Real recordings, put before the classifier in the place of a generated case.
//!
//! Crash tests come as 300 ms of a laboratory's transducers. They go through the chain of each sensor of the car, after
//! some seconds of an even drive at the test's speed, which no transducer recorded; what the wheels showed afterwards
//! is not known, so their message ends with contact. A drive comes as the frames of its bus, and needs the profile of
//! that very car.

use std::fmt::Write as _;
use std::time::Duration;

use crate::can::BusId;
use crate::can::candump::{self, Lines};
use crate::config::Profile;
use crate::crash::{Direction, Observation, Stage, Verdict};
use crate::sim::crash::{GRAVITY, Heard, KMH, Rig};
use crate::time::MonoTime;

use super::examine::{Ideal, Word, angle_between, words};

/// Even driving before a recorded crash.
const LEAD_S: f32 = 4.0;
/// Rest after it.
const REST_S: f32 = 6.0;
/// A recorded crash is graded right when ΔV is off by no more than this share, and
const DELTA_V_SHARE: f32 = 0.1;
/// the direction by no more than so many degrees.
const DIRECTION_DEG: f32 = 15.0;
/// Rows of a recording at most: a minute at 20 kHz.
const MAX_ROWS: usize = 1_200_000;

/// What should be said of a recording.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Wanted {
    /// A crash with that change of velocity.
    Crash(Ideal),
    /// A sensor that is not to be believed. Whether the crash that broke it is confirmed is not asked.
    Fault,
    /// Nothing.
    Quiet,
}

/// A recorded series of acceleration.
#[derive(Debug, Clone)]
pub struct Recording {
    /// Its name in the report.
    pub name: &'static str,
    /// What should be said.
    pub wanted: Wanted,
    /// The speed at contact in m/s.
    speed_mps: f32,
    /// From contact on, or from the begin: seconds, and specific force in the car's axes.
    rows: Vec<(f32, [f32; 3])>,
}

/// How a table of numbers becomes accelerations.
#[derive(Debug, Clone, Copy)]
pub struct Layout {
    /// The file, below the folder of the recordings.
    pub file: &'static str,
    name: &'static str,
    /// Columns that are averaged, by axis.
    columns: [&'static [usize]; 3],
    /// m/s² per unit, by axis; gravity is added to z.
    gain: [f32; 3],
    /// Seconds per unit of the first column.
    second: f32,
    speed_mps: f32,
    kind: Kind,
}

#[derive(Debug, Clone, Copy)]
enum Kind {
    Crash,
    Fault,
    Quiet,
}

/// The recordings that are known. NHTSA's transducers count z downwards (SAE J211-1).
pub const LAYOUTS: [Layout; 6] = [
    Layout {
        file: "crash/camry_2018_frontal_rigid_57kph.csv",
        name: "Camry, wall, 57 km/h",
        columns: [&[1, 2], &[], &[]],
        gain: [GRAVITY; 3],
        second: 1.0,
        speed_mps: 57.09 / KMH,
        kind: Kind::Crash,
    },
    Layout {
        file: "crash/taurus_2007_striking_sills.csv",
        name: "Taurus, car to car",
        columns: [&[1, 3], &[2, 4], &[]],
        gain: [GRAVITY, -GRAVITY, GRAVITY],
        second: 1.0,
        speed_mps: 56.5 / KMH,
        kind: Kind::Crash,
    },
    Layout {
        file: "crash/taurus_2007_striking_cg_faulty_sensor.csv",
        name: "Taurus, faulty sensor",
        columns: [&[1], &[2], &[3]],
        gain: [GRAVITY, -GRAVITY, -GRAVITY],
        second: 1.0,
        speed_mps: 56.5 / KMH,
        kind: Kind::Fault,
    },
    road("noncrash/road_surface_1.csv", "road surface 1"),
    road("noncrash/road_surface_2.csv", "road surface 2"),
    road("noncrash/road_surface_3.csv", "road surface 3"),
];

/// A phone on a bumpy road, its axes already turned into the car's.
const fn road(file: &'static str, name: &'static str) -> Layout {
    Layout {
        file,
        name,
        columns: [&[4], &[5], &[6]],
        gain: [1.0; 3],
        second: 0.001,
        speed_mps: 10.0,
        kind: Kind::Quiet,
    }
}

impl Recording {
    /// Reads a table; lines that are no numbers are passed over. None without any row.
    #[must_use]
    pub fn read(layout: &Layout, text: &str) -> Option<Self> {
        let mut rows: Vec<(f64, [f32; 3])> = Vec::new();
        for line in text.lines().take(MAX_ROWS) {
            let cells: Vec<Option<f64>> = line.split(',').map(|cell| cell.trim().parse().ok()).collect();
            let Some(Some(time)) = cells.first() else { continue };
            let mut force = [0.0, 0.0, GRAVITY];
            for ((force, columns), gain) in force.iter_mut().zip(layout.columns).zip(layout.gain) {
                let values = columns.iter().filter_map(|column| cells.get(*column).copied().flatten());
                #[expect(clippy::cast_possible_truncation, reason = "transducers have no 24 bits")]
                let sum = values.sum::<f64>() as f32;
                let count = u8::try_from(columns.len()).unwrap_or(1).max(1);
                *force += sum / f32::from(count) * gain;
            }
            rows.push((time * f64::from(layout.second), force));
        }
        let begin = rows.first()?.0;
        // Crash tests count from contact; everything else from anywhere.
        let zero = if matches!(layout.kind, Kind::Quiet) { begin } else { 0.0 };
        #[expect(clippy::cast_possible_truncation, reason = "a recording lasts a minute")]
        let rows: Vec<(f32, [f32; 3])> = rows.into_iter().map(|(time, force)| ((time - zero) as f32, force)).collect();
        let wanted = match layout.kind {
            Kind::Crash => Wanted::Crash(ideal(&rows)),
            Kind::Fault => Wanted::Fault,
            Kind::Quiet => Wanted::Quiet,
        };
        Some(Self { name: layout.name, wanted, speed_mps: layout.speed_mps, rows })
    }

    /// What that car's gateway would have heard of it.
    #[must_use]
    pub fn heard(&self, rig: &Rig, seed: u64) -> Vec<Heard> {
        let still = [0.0, 0.0, GRAVITY];
        let first_s = self.rows.first().map_or(0.0, |(time_s, _)| *time_s);
        let last_s = self.rows.last().map_or(0.0, |(time_s, _)| *time_s);
        let even = |from_s: f32, to_s: f32| {
            (0..10_000_u16)
                .map(move |step| from_s + f32::from(step) * 0.001)
                .take_while(move |time_s| *time_s < to_s - 0.000_5)
                .map(move |time_s| (time_s, still))
        };
        let series = even(first_s - LEAD_S, first_s)
            .chain(self.rows.iter().copied())
            .chain(even(last_s + 0.001, last_s + REST_S));
        let wheels_to_s = if matches!(self.wanted, Wanted::Quiet) { f32::MAX } else { 0.0 };
        rig.listen(series.map(|(time_s, force)| (time_s + ZERO_S, force)), self.speed_mps, wheels_to_s + ZERO_S, seed)
    }
}

/// Where contact lies in the time of a case.
const ZERO_S: f32 = 5.0;

/// The largest change of velocity within 300 ms of contact.
fn ideal(rows: &[(f32, [f32; 3])]) -> Ideal {
    let (mut change, mut largest) = ([0.0_f32; 2], [0.0_f32; 2]);
    for pair in rows.windows(2).filter(|pair| pair[0].0 >= 0.0 && pair[0].0 < 0.3) {
        let step_s = pair[1].0 - pair[0].0;
        change[0] += pair[0].1[0] * step_s;
        change[1] += pair[0].1[1] * step_s;
        if change[0].hypot(change[1]) > largest[0].hypot(largest[1]) {
            largest = change;
        }
    }
    Ideal { delta_v_mps: largest[0].hypot(largest[1]), pdof_deg: largest[1].atan2(-largest[0]).to_degrees() }
}

/// What a car's classifier says of a recording, and in how many samplings of it that is what should be said.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Finding {
    /// The recording.
    pub name: String,
    /// The car.
    pub profile: String,
    /// So often it was sampled.
    pub samplings: u32,
    /// In so many of them it is as it should be,
    pub right: u32,
    /// a crash is confirmed,
    pub crashes: u32,
    /// a sensor is told to be faulty.
    pub faulty: u32,
    /// Suspicions in all of them, also those that were confirmed.
    pub suspicions: u32,
    /// The first sampling that is not as it should be, else the first one, in words.
    pub text: String,
}

impl Finding {
    /// It is as it should be in every sampling.
    #[must_use]
    pub const fn is_right(&self) -> bool {
        self.right == self.samplings
    }
}

/// Lets a fresh classifier of that car hear each sampling.
#[must_use]
pub fn find(rig: &Rig, name: &str, wanted: Wanted, samplings: impl Iterator<Item = Vec<Heard>>) -> Finding {
    let mut finding = Finding { name: name.to_owned(), profile: rig.name.clone(), ..Finding::default() };
    for heard in samplings {
        let (said, text) = hear(rig, wanted, &heard);
        if finding.samplings == 0 || (finding.is_right() && said.right == 0) {
            finding.text = text;
        }
        finding.samplings += 1;
        finding.right += said.right;
        finding.crashes += said.crashes;
        finding.faulty += said.faulty;
        finding.suspicions += said.suspicions;
    }
    finding
}

/// What one sampling adds to a finding.
struct Said {
    right: u32,
    crashes: u32,
    faulty: u32,
    suspicions: u32,
}

fn hear(rig: &Rig, wanted: Wanted, heard: &[Heard]) -> (Said, String) {
    let (words, faults) = words(rig, heard);
    let confirmed = words.iter().find(|word| word.verdict.stage == Stage::Confirmed);
    let is_right = match wanted {
        Wanted::Crash(ideal) => confirmed.is_some() && is_graded_right(&words, ideal),
        Wanted::Fault => !faults.is_empty(),
        Wanted::Quiet => confirmed.is_none(),
    };
    let mut text = confirmed.map_or_else(
        || "no crash".to_owned(),
        |word| format!("crash, {:.1} ms after contact", (word.said_s - ZERO_S) * 1e3),
    );
    if let Wanted::Crash(ideal) = wanted {
        text.push_str(&grade(&words, ideal));
    }
    for fault in &faults {
        // Writing to a string cannot fail.
        let _ = write!(text, ", sensor {} faulty: {:?}", fault.sensor.0, fault.kind);
    }
    let suspicions = words.iter().filter(|word| word.verdict.stage == Stage::Suspected).count();
    let said = Said {
        right: is_right.into(),
        crashes: confirmed.is_some().into(),
        faulty: (!faults.is_empty()).into(),
        suspicions: u32::try_from(suspicions).unwrap_or(u32::MAX),
    };
    (said, text)
}

fn graded(words: &[Word]) -> Option<&Verdict> {
    words.iter().map(|word| &word.verdict).find(|verdict| verdict.stage == Stage::Graded)
}

/// ΔV as it was, or no more than it was where only a bound is said; the direction as it was, which may be unknown only
/// beside a bound.
fn is_graded_right(words: &[Word], ideal: Ideal) -> bool {
    let Some(Verdict { delta_v: Some(delta_v), direction, .. }) = graded(words) else { return false };
    let error = delta_v.resultant_mps / ideal.delta_v_mps - 1.0;
    let is_measured_right = if delta_v.is_lower_bound { error <= DELTA_V_SHARE } else { error.abs() <= DELTA_V_SHARE };
    let is_aimed_right = direction
        .map_or(delta_v.is_lower_bound, |direction| angle_between(direction.pdof_deg, ideal.pdof_deg) <= DIRECTION_DEG);
    is_measured_right && is_aimed_right
}

fn grade(words: &[Word], ideal: Ideal) -> String {
    let Some(graded) = graded(words) else { return String::new() };
    let delta_v = graded.delta_v.map_or_else(
        || "unknown".to_owned(),
        |delta_v| {
            let least = if delta_v.is_lower_bound { "at least " } else { "" };
            format!("{least}{:.1} km/h", delta_v.resultant_mps * KMH)
        },
    );
    let direction = graded.direction.map_or_else(
        || "unknown".to_owned(),
        |Direction { pdof_deg, .. }| format!("{pdof_deg:.0} deg, {:.0} off", angle_between(pdof_deg, ideal.pdof_deg)),
    );
    format!(", dV {delta_v} (true {:.1}), direction {direction}", ideal.delta_v_mps * KMH)
}

/// The frames of a drive, as that profile's gateway hears them; `speeds` are seconds of the log's clock and m/s.
#[must_use]
pub fn drive(profile: &Profile, log: &[u8], wheels: &[(f64, f32)], gnss: &[(f64, f32)]) -> Vec<Heard> {
    let Ok(mut signals) = profile.table() else { return Vec::new() };
    let mut intake = profile.intake();
    let (mut lines, mut heard, mut begin) = (Lines::default(), Vec::new(), None);
    let mut visit = |line: Result<&[u8], candump::LineError>| {
        let Ok(Some(line)) = line.and_then(candump::parse) else { return };
        let Some(time) = line.time else { return };
        let micros = time.as_unix_micros();
        let begin = *begin.get_or_insert(micros);
        let arrived = Rig::moment(0.0) + Duration::from_micros(u64::try_from(micros - begin).unwrap_or(0));
        intake.frame(arrived, BusId(0), &line.frame, &mut signals);
        for (at, what) in intake.observations() {
            heard.push(Heard { arrived, at: *at, what: *what });
        }
    };
    lines.feed(log, |_, line| visit(line));
    lines.finish(|_, line| visit(line));
    #[expect(clippy::cast_precision_loss, reason = "microseconds of this century fit")]
    let begin_s = begin.unwrap_or_default() as f64 / 1e6;
    let moment = |time_s: f64| Rig::moment(0.0) + Duration::try_from_secs_f64(time_s - begin_s).unwrap_or_default();
    let mut add = |at: MonoTime, what| heard.push(Heard { arrived: at, at, what });
    for (time_s, speed) in wheels {
        add(moment(*time_s), Observation::WheelSpeed(*speed));
    }
    for (time_s, speed) in gnss {
        add(moment(*time_s), Observation::GnssSpeed(*speed));
    }
    heard.sort_by_key(|heard| heard.arrived);
    heard
}

/// Two columns of a table: seconds, and the mean of some others.
#[must_use]
pub fn columns(text: &str, which: &[usize]) -> Vec<(f64, f32)> {
    let row = |line: &str| {
        let cells: Vec<f64> = line.split(',').filter_map(|cell| cell.trim().parse().ok()).collect();
        let values: Vec<f64> = which.iter().filter_map(|column| cells.get(*column).copied()).collect();
        let count = u8::try_from(values.len()).ok().filter(|count| *count > 0)?;
        #[expect(clippy::cast_possible_truncation, reason = "a speed")]
        let mean = (values.iter().sum::<f64>() / f64::from(count)) as f32;
        Some((*cells.first()?, mean))
    };
    text.lines().take(MAX_ROWS).filter_map(row).collect()
}
