//! Compares a profile with its DBC files and with VSS, and builds it.
//!
//! Nothing here stops at an error: what cannot be resolved is noted and left out, so that the rest is examined too.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Component, Path};
use std::time::Duration;

use crate::can::dbc::{Dbc, Findings, MAX_FILE_BYTES, Message};
use crate::can::plan::Plan;

use super::ReadFile;
use super::document::Document;
use super::problem::{Problem, Problems, did_you_mean};
use super::profile::{Bus, InertialSensor, MessageRule, Profile, Propulsion, Source, VehicleFacts};
use super::profile_file::{BusEntry, MessageEntry, ProfileFile, Vehicle};
use super::resolve_inertial::resolve_inertial;
use super::resolve_protection::{KINDS, protect};
use super::resolve_signals::resolve_signals;

/// A profile without its final hash, and what the DBC files contribute to it.
pub(super) struct Resolved {
    pub(super) profile: Profile,
    pub(super) dbc_hash: u32,
}

/// A bus whose messages are known, before its plan is compiled.
pub(super) struct Draft {
    pub(super) name: String,
    pub(super) messages: Vec<Message>,
    /// All of its DBC files could be read: a message that is not there does not exist.
    is_whole: bool,
    pub(super) rules: Vec<MessageRule>,
}

/// Builds the profile as far as possible; it is whole only when neither the document nor `elsewhere` has a problem.
pub(super) fn resolve(
    document: &Document<'_>,
    file: &ProfileFile<'_>,
    folder: &Path,
    read: ReadFile<'_>,
    elsewhere: &mut Problems,
) -> Resolved {
    let mut hash = crc32fast::Hasher::new();
    let mut drafts: Vec<Draft> = Vec::new();
    for entry in &file.buses {
        if drafts.iter().any(|bus| bus.name == entry.name.value) {
            document.wrong(entry.name.line, format!("bus \"{}\" is there twice; rename one", entry.name.value));
        }
        let (messages, is_whole) = read_dbcs(document, entry, folder, read, elsewhere, &mut hash);
        drafts.push(Draft { name: entry.name.value.to_owned(), messages, is_whole, rules: Vec::new() });
    }
    resolve_messages(document, &file.messages, &mut drafts);
    let table = resolve_signals(document, file, &drafts);
    let inertial = resolve_inertial(document, file, &drafts);
    let buses = compile(document, &file.buses, drafts, &table.sources, &inertial);
    let profile = Profile {
        name: file.name.to_owned(),
        version: file.version.to_owned(),
        description: file.description.to_owned(),
        vehicle: facts(document, &file.vehicle),
        buses,
        signals: table.signals,
        sources: table.sources,
        policies: table.policies,
        groups: table.groups,
        inertial,
        hash: 0,
    };
    Resolved { profile, dbc_hash: hash.finalize() }
}

fn compile(
    document: &Document<'_>,
    entries: &[BusEntry<'_>],
    drafts: Vec<Draft>,
    sources: &[Source],
    inertial: &[InertialSensor],
) -> Vec<Bus> {
    let mut buses = Vec::new();
    for (bus_index, (entry, draft)) in entries.iter().zip(drafts).enumerate() {
        let wanted: BTreeSet<(String, String)> = sources
            .iter()
            .filter_map(|source| match source {
                Source::Can(source) if usize::from(source.bus.0) == bus_index => {
                    let message = draft.messages.get(source.message)?;
                    Some((message.name.clone(), message.signals.get(source.signal)?.name.clone()))
                }
                Source::Can(_) | Source::Gnss => None,
            })
            .collect();
        let senses = |index: usize| {
            inertial.iter().any(|sensor| usize::from(sensor.bus.0) == bus_index && sensor.message == index)
        };
        for (index, message) in draft.messages.iter().enumerate().filter(|(_, message)| message.size > 8 && !entry.fd) {
            if wanted.iter().any(|(name, _)| *name == message.name) || senses(index) {
                let text =
                    format!("bus \"{}\": {} has {} bytes; add fd = true", draft.name, message.name, message.size);
                document.wrong(entry.line, text);
            }
        }
        let whole = Dbc { messages: draft.messages, warnings: Findings::default() };
        match Plan::compile(&[&whole], |message, signal| wanted.contains(&(message.name.clone(), signal.name.clone())))
        {
            Ok(plan) => buses.push(Bus { name: draft.name, fd: entry.fd, plan, rules: draft.rules }),
            Err(error) => document.wrong(entry.line, format!("bus \"{}\": {error}", draft.name)),
        }
    }
    buses
}

fn facts(document: &Document<'_>, vehicle: &Vehicle<'_>) -> VehicleFacts {
    let mut propulsion = Vec::new();
    for entry in &vehicle.propulsion {
        match Propulsion::ALL.into_iter().find(|kind| kind.name() == entry.value) {
            Some(kind) if propulsion.contains(&kind) => {
                document.wrong(entry.line, format!("[vehicle]: propulsion has {} twice; remove one", entry.value));
            }
            Some(kind) => propulsion.push(kind),
            None => {
                let names = Propulsion::ALL.map(Propulsion::name);
                let advice = did_you_mean(entry.value, names, &format!("one of {}", names.join(", ")));
                document.wrong(entry.line, format!("[vehicle]: propulsion \"{}\" is unknown{advice}", entry.value));
            }
        }
    }
    if vehicle.tank_capacity_l.is_some()
        && !propulsion.is_empty()
        && propulsion.iter().all(|kind| *kind == Propulsion::Electric)
    {
        document
            .wrong(vehicle.line, "[vehicle]: tank_capacity_l, but propulsion is electric only; correct one".to_owned());
    }
    VehicleFacts {
        wmi: vehicle.wmi.map(str::to_owned),
        category: vehicle.category.unwrap_or("M1").to_owned(),
        propulsion,
        tank_capacity_l: vehicle.tank_capacity_l,
        battery_gross_kwh: vehicle.battery_gross_kwh,
        seats: vehicle.seats.and_then(|seats| u8::try_from(seats).ok()),
    }
}

/// All messages of a bus, and whether all files could be read. What is wrong in a DBC file goes to `elsewhere`, under that file's name.
fn read_dbcs(
    document: &Document<'_>,
    entry: &BusEntry<'_>,
    folder: &Path,
    read: ReadFile<'_>,
    elsewhere: &mut Problems,
    hash: &mut crc32fast::Hasher,
) -> (Vec<Message>, bool) {
    let mut is_whole = true;
    let mut messages: Vec<Message> = Vec::new();
    let mut by_id: BTreeMap<_, String> = BTreeMap::new();
    let mut by_name: BTreeMap<String, &str> = BTreeMap::new();
    for name in &entry.dbc {
        let relative = Path::new(name.value);
        if name.value.is_empty() || !relative.components().all(|part| matches!(part, Component::Normal(_))) {
            let text =
                format!("dbc \"{}\" must be a file inside of the profile's folder, named relative to it", name.value);
            document.wrong(name.line, text);
            is_whole = false;
            continue;
        }
        let path = folder.join(relative);
        let bytes = match read(&path) {
            Ok(bytes) if bytes.len() <= MAX_FILE_BYTES => bytes,
            Ok(_) => {
                document
                    .wrong(name.line, format!("dbc \"{}\" is too large; at most {MAX_FILE_BYTES} bytes", name.value));
                continue;
            }
            Err(error) => {
                document.wrong(name.line, format!("dbc \"{}\" cannot be read: {error}; put it there", name.value));
                is_whole = false;
                continue;
            }
        };
        hash.update(&bytes);
        match Dbc::parse(&bytes) {
            Ok(dbc) => {
                for message in dbc.messages {
                    if let Some(other) = by_name.insert(message.name.clone(), name.value) {
                        let text = format!("message {} is in {other} already; rename or remove one", message.name);
                        elsewhere.push(problem(&path, message.line, text));
                    } else if let Some(other) = by_id.insert((message.id, message.selector), message.name.clone()) {
                        let text = format!(
                            "message {} has the identifier {} of message {other}; one identifier, one message per bus",
                            message.name, message.id
                        );
                        elsewhere.push(problem(&path, message.line, text));
                    } else {
                        messages.push(message);
                    }
                }
            }
            Err(findings) => {
                is_whole = false;
                for finding in findings.iter() {
                    let mut text = String::new();
                    if !finding.message.is_empty() {
                        text = format!("message {}", finding.message);
                    }
                    if !finding.signal.is_empty() {
                        text = format!("{text}, signal {}", finding.signal);
                    }
                    let separator = if text.is_empty() { "" } else { ": " };
                    elsewhere.push(problem(&path, finding.line, format!("{text}{separator}{}", finding.problem)));
                }
            }
        }
    }
    (messages, is_whole)
}

fn problem(path: &Path, line: usize, text: String) -> Problem {
    Problem { file: path.display().to_string(), line: u32::try_from(line).ok().filter(|line| *line > 0), text }
}

fn resolve_messages(document: &Document<'_>, entries: &[MessageEntry<'_>], buses: &mut [Draft]) {
    let mut seen: BTreeMap<(usize, usize), u32> = BTreeMap::new();
    for entry in entries {
        let name = entry.name;
        let complain = |line: u32, text: String| document.wrong(line, format!("message \"{}\": {text}", name.value));
        let Some((bus_name, message_name)) = name.value.split_once('.') else {
            complain(name.line, "must be \"bus.MESSAGE\"; add the bus".to_owned());
            continue;
        };
        let found = find_message(buses, bus_name, message_name);
        let (bus_index, index) = match found {
            Ok(Some(found)) => found,
            Ok(None) => continue,
            Err(text) => {
                complain(name.line, text);
                continue;
            }
        };
        if let Some(line) = seen.insert((bus_index, index), name.line) {
            complain(name.line, format!("is described in line {line} already; remove one of the two"));
            continue;
        }
        let Some(bus) = buses.get_mut(bus_index) else { continue };
        let Some(message) = bus.messages.get(index) else { continue };
        let protection = match protect(entry, message) {
            Ok(protection) => protection,
            Err(wrong) => {
                complain(wrong.line, wrong.value);
                continue;
            }
        };
        let timeout = entry.period_ms.map(|period_ms| {
            Duration::from_millis(u64::try_from(period_ms.saturating_mul(entry.stale_after)).unwrap_or(u64::MAX))
        });
        let checksum =
            entry.checksum.as_ref().and_then(|checksum| KINDS.into_iter().find(|kind| *kind == checksum.kind.value));
        bus.rules.push(MessageRule {
            message: index,
            timeout,
            checksum,
            has_counter: entry.counter.is_some(),
            protection,
        });
    }
}

/// The index of the bus and, in it, of the message; none where nobody can know because a DBC file could not be read; or
/// what is wrong.
pub(super) fn find_message(
    buses: &[Draft],
    bus_name: &str,
    message_name: &str,
) -> Result<Option<(usize, usize)>, String> {
    let Some(bus_index) = buses.iter().position(|bus| bus.name == bus_name) else {
        let advice = did_you_mean(bus_name, buses.iter().map(|bus| bus.name.as_str()), "add a [[bus]] of that name");
        return Err(format!("there is no bus \"{bus_name}\"{advice}"));
    };
    let Some(Draft { messages, is_whole, .. }) = buses.get(bus_index) else { return Ok(None) };
    let Some(index) = messages.iter().position(|message| message.name == message_name) else {
        if !is_whole {
            return Ok(None);
        }
        let names = messages.iter().map(|message| message.name.as_str());
        let advice = did_you_mean(message_name, names, "look into its DBC files");
        return Err(format!("bus \"{bus_name}\" has no message {message_name}{advice}"));
    };
    Ok(Some((bus_index, index)))
}

/// The index of the signal in the message, or what is wrong.
pub(super) fn find_signal(message: &Message, name: &str) -> Result<usize, String> {
    message.signals.iter().position(|signal| signal.name == name).ok_or_else(|| {
        let names = message.signals.iter().map(|signal| signal.name.as_str());
        let advice = did_you_mean(name, names, "look into its DBC file");
        format!("message {} has no signal {name}{advice}", message.name)
    })
}
