//! `telltaled blackbox list|show|export`: what a black box holds. Reads the file of a running daemon, a copy of it, and
//! what is left of a damaged one.

mod export;
mod tables;

use std::path::{Path, PathBuf};

use serde_json::{Value as Json, json};

use crate::crash::black_box::{Contents, Damage, Lock, Recording, SlotState, Start, Tables};
use crate::crash::{KMH_PER_MPS, Quantity, Stage, Verdict};
use crate::io::black_box::{self, FILE_NAME};
use crate::time::MonoTime;

use super::exit::{Code, Failure};
use super::{BlackBoxCommand, BlackBoxFile, output, run};

/// Does what was asked for.
pub(super) fn blackbox(what: BlackBoxCommand) -> Result<(), Failure> {
    match what {
        BlackBoxCommand::List { file, json } => list(&open(&file)?, json),
        BlackBoxCommand::Show { file, record, json } => {
            let contents = open(&file)?;
            let chosen = choose(&contents, record)?;
            if json { output::line(&describe(chosen, &contents)) } else { show(chosen, &contents) }
        }
        BlackBoxCommand::Export { file, record, out } => {
            let contents = open(&file)?;
            export::export(choose(&contents, record)?, &contents, &out)
        }
    }
}

fn open(file: &BlackBoxFile) -> Result<Contents, Failure> {
    let path = match (&file.file, &file.config) {
        (Some(path), _) => path.clone(),
        (None, Some(config)) => run::load(config)?.deployment.store.path.join(FILE_NAME),
        (None, None) => PathBuf::from(FILE_NAME),
    };
    read(&path)
}

fn read(path: &Path) -> Result<Contents, Failure> {
    let contents = black_box::read(path).map_err(|error| Failure::new(Code::NoInput, error))?;
    if contents.recordings.is_empty() && contents.damage.contains(&Damage::Table) {
        let why = format!("{} is no black box, or nothing of it can be read", path.display());
        return Err(Failure::new(Code::Data, why));
    }
    Ok(contents)
}

/// The record of that number, or the newest one.
fn choose(contents: &Contents, record: Option<u32>) -> Result<&Recording, Failure> {
    let found = match record {
        Some(number) => contents.recordings.iter().find(|recording| recording.slot.record == number),
        None => contents.recordings.last(),
    };
    found.ok_or_else(|| {
        let held: Vec<String> = contents.recordings.iter().map(|held| held.slot.record.to_string()).collect();
        let why = match record {
            Some(number) if !held.is_empty() => {
                format!("there is no record {number} in the black box; it holds {}", held.join(", "))
            }
            _ => "the black box holds no record".to_owned(),
        };
        Failure::new(Code::Data, why)
    })
}

fn list(contents: &Contents, as_json: bool) -> Result<(), Failure> {
    for recording in &contents.recordings {
        if as_json {
            output::line(&summary(recording))?;
        } else {
            output::text(&headline(recording))?;
        }
    }
    if as_json {
        let damage: Vec<String> = contents.damage.iter().map(ToString::to_string).collect();
        return output::line(&json!({ "records": contents.recordings.len(), "damage": damage }));
    }
    if contents.recordings.is_empty() {
        output::text("no records")?;
    }
    damage(contents)
}

fn damage(contents: &Contents) -> Result<(), Failure> {
    contents.damage.iter().try_for_each(|damage| output::text(&format!("damaged: {damage}")))
}

/// `record 3  2026-11-21T09:00:00.004Z  confirmed, locked  car 0000000100000002-crash-1`
fn headline(recording: &Recording) -> String {
    let slot = &recording.slot;
    let lock = match slot.lock {
        Lock::Open => "not locked",
        Lock::Confirmed => "locked",
        Lock::Deployed => "locked for good: a restraint deployed",
    };
    let whole = if recording.is_complete() { "complete" } else { "not complete" };
    let told = if slot.is_reported { "reported" } else { "not reported" };
    format!(
        "record {}  {}  {}, {lock}, {whole}, {told}  {}",
        slot.record,
        time(recording).unwrap_or_else(|| "at an unknown time".to_owned()),
        slot.stage.map_or("unknown", Stage::name),
        slot.crash
    )
}

fn summary(recording: &Recording) -> Json {
    let slot = &recording.slot;
    let zero = zero(recording);
    let (first, last) = (recording.samples.first(), recording.samples.last());
    json!({
        "record": slot.record,
        "crash": slot.crash.to_string(),
        "time": time(recording),
        "stage": slot.stage.map(Stage::name),
        "state": match slot.state {
            SlotState::Empty => "empty",
            SlotState::Recording => "recording",
            SlotState::Complete => "complete",
        },
        "lock": match slot.lock {
            Lock::Open => "none",
            Lock::Confirmed => "confirmed",
            Lock::Deployed => "deployed",
        },
        "report": slot.report().to_string(),
        "reported": slot.is_reported,
        "samples": recording.samples.len(),
        "from_s": first.map(|sample| seconds(zero, sample.at)),
        "to_s": last.map(|sample| seconds(zero, sample.at)),
        "complete": recording.is_complete(),
        "missing_blocks": recording.missing,
    })
}

fn describe(recording: &Recording, contents: &Contents) -> Json {
    let mut all = summary(recording);
    let zero = zero(recording);
    all["profile"] = recording.start.as_ref().map(|start| format!("{:08x}", start.profile_hash)).into();
    all["sensors"] = recording.start.as_ref().map(sensors).into();
    all["verdicts"] = recording.verdicts.iter().map(|verdict| word(verdict, zero)).collect();
    all["tables"] = Tables::of(recording, &contents.recordings).as_ref().map(tables::json).into();
    all
}

fn sensors(start: &Start) -> Json {
    let sensors = start.sensors.iter().map(|sensor| {
        let unit = if sensor.quantity == Quantity::Acceleration { "m/s2" } else { "degrees/s" };
        json!({ "name": sensor.name, "unit": unit, "range": sensor.range, "rate_hz": sensor.rate_hz })
    });
    sensors.collect()
}

fn word(verdict: &Verdict, zero: MonoTime) -> Json {
    json!({
        "stage": verdict.stage.name(),
        "at_s": seconds(zero, verdict.at),
        "contact_s": seconds(zero, verdict.contact),
        "delta_v_mps": verdict.delta_v.map(|delta_v| delta_v.resultant_mps),
        "is_lower_bound": verdict.delta_v.map(|delta_v| delta_v.is_lower_bound),
        "pdof_deg": verdict.direction.map(|direction| direction.pdof_deg),
        "impacts": verdict.impacts,
    })
}

fn show(recording: &Recording, contents: &Contents) -> Result<(), Failure> {
    let zero = zero(recording);
    output::text(&headline(recording))?;
    output::text(&format!("report     {}", recording.slot.report()))?;
    for sensor in recording.start.iter().flat_map(|start| &start.sensors) {
        output::text(&format!("sensor     {} to ±{}, {} Hz", sensor.name, sensor.range, sensor.rate_hz))?;
    }
    if let (Some(first), Some(last)) = (recording.samples.first(), recording.samples.last()) {
        let (from, to) = (seconds(zero, first.at), seconds(zero, last.at));
        output::text(&format!("samples    {} from {from:.3} s to {to:.3} s", recording.samples.len()))?;
    }
    for verdict in &recording.verdicts {
        let delta_v = verdict.delta_v.map_or_else(String::new, |delta_v| {
            let bound = if delta_v.is_lower_bound { "at least " } else { "" };
            format!("  ΔV {bound}{:.1} km/h", f64::from(delta_v.resultant_mps) * KMH_PER_MPS)
        });
        output::text(&format!("{:<10} {:.3} s{delta_v}", verdict.stage.name(), seconds(zero, verdict.at)))?;
    }
    match Tables::of(recording, &contents.recordings) {
        Some(found) => output::text(tables::csv(&found).trim_end())?,
        None => output::text("no tables: the record says nothing of a contact")?,
    }
    damage(contents)
}

/// The first contact, else the suspicion, else where the samples begin.
fn zero(recording: &Recording) -> MonoTime {
    let contact = recording.verdicts.first().map(|verdict| verdict.contact);
    let suspected = recording.start.as_ref().map(|start| start.suspected);
    let first = recording.samples.first().map(|sample| sample.at);
    contact.or(suspected).or(first).unwrap_or(MonoTime::ZERO)
}

/// The wall time of the suspicion.
fn time(recording: &Recording) -> Option<String> {
    recording.start.as_ref().and_then(|start| start.wall).map(|stamp| stamp.wall.to_string())
}

/// Seconds after `zero`, negative before it.
fn seconds(zero: MonoTime, at: MonoTime) -> f64 {
    at.since(zero).as_secs_f64() - zero.since(at).as_secs_f64()
}
