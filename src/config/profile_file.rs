//! `profile.toml` as it is written: every key with its own limits, nothing yet compared with DBC files or VSS.
//! `docs/vehicle-profiles.md` is the reference.

use toml::de::DeValue;

use super::document::{Document, Entry, Lined, Section, integer, number};
use super::inertial_file::{InertialEntry, MAX_INERTIAL, inertial};

/// What a profile may hold. Sixteen buses are twice what the largest known car shows its gateway; 4,096 signals and
/// 4,096 messages are ten times a rich profile, and bound what a broken file can make the daemon allocate.
pub(super) const MAX_BUSES: usize = 16;
pub(super) const MAX_DBC_PER_BUS: usize = 16;
pub(super) const MAX_MESSAGES: usize = 4096;
pub(super) const MAX_SIGNALS: usize = 4096;
pub(super) const MAX_GROUPS: usize = 16;
/// A lamp has three raw values, a gear lever a dozen; 256 are all of a byte.
pub(super) const MAX_MAP: usize = 256;
pub(super) const MAX_NOT_AVAILABLE: usize = 32;
pub(super) const MAX_ALLOWED: usize = 64;

/// A period of an hour is longer than any that a car uses.
const MAX_PERIOD_MS: i64 = 3_600_000;

#[derive(Default)]
pub(super) struct ProfileFile<'d> {
    pub(super) name: &'d str,
    pub(super) version: &'d str,
    pub(super) description: &'d str,
    pub(super) vehicle: Vehicle<'d>,
    pub(super) buses: Vec<BusEntry<'d>>,
    pub(super) messages: Vec<MessageEntry<'d>>,
    pub(super) signals: Vec<SignalEntry<'d>>,
    pub(super) groups: Vec<(Lined<&'d str>, i64)>,
    pub(super) overlays: Vec<OverlayEntry<'d>>,
    pub(super) inertial: Vec<InertialEntry<'d>>,
}

#[derive(Default)]
pub(super) struct Vehicle<'d> {
    pub(super) wmi: Option<&'d str>,
    pub(super) category: Option<&'d str>,
    pub(super) propulsion: Vec<Lined<&'d str>>,
    pub(super) tank_capacity_l: Option<f64>,
    pub(super) battery_gross_kwh: Option<f64>,
    pub(super) seats: Option<i64>,
    pub(super) line: u32,
}

pub(super) struct BusEntry<'d> {
    pub(super) name: Lined<&'d str>,
    pub(super) dbc: Vec<Lined<&'d str>>,
    pub(super) fd: bool,
    pub(super) line: u32,
}

pub(super) struct MessageEntry<'d> {
    pub(super) name: Lined<&'d str>,
    pub(super) period_ms: Option<i64>,
    pub(super) stale_after: i64,
    pub(super) checksum: Option<ChecksumEntry<'d>>,
    pub(super) counter: Option<CounterEntry<'d>>,
}

pub(super) struct ChecksumEntry<'d> {
    pub(super) kind: Lined<&'d str>,
    pub(super) signal: Lined<&'d str>,
    pub(super) data_id: Option<Lined<i64>>,
    pub(super) data_id_mode: Option<Lined<&'d str>>,
    pub(super) data_ids: Option<Lined<Vec<Lined<i64>>>>,
}

pub(super) struct CounterEntry<'d> {
    pub(super) signal: Lined<&'d str>,
    pub(super) modulus: Option<Lined<i64>>,
    pub(super) max_step: Option<Lined<i64>>,
}

pub(super) struct SignalEntry<'d> {
    pub(super) path: Lined<&'d str>,
    pub(super) from: Lined<&'d str>,
    pub(super) scale: Option<Lined<f64>>,
    pub(super) offset: Option<Lined<f64>>,
    pub(super) map: Option<Lined<RawMap<'d>>>,
    pub(super) not_available: Vec<Lined<i64>>,
    pub(super) range: Option<Lined<[f64; 2]>>,
    pub(super) state: Option<Lined<&'d str>>,
    pub(super) telemetry_ms: Option<i64>,
    pub(super) on_change: bool,
    pub(super) dead_band: f64,
}

/// Raw values, sorted, with what they are mapped to as written.
pub(super) type RawMap<'d> = Vec<(i64, Entry<'d>)>;

pub(super) struct OverlayEntry<'d> {
    pub(super) path: Lined<&'d str>,
    pub(super) datatype: Lined<&'d str>,
    pub(super) unit: &'d str,
    pub(super) min: Option<f64>,
    pub(super) max: Option<f64>,
    pub(super) allowed: Vec<Lined<&'d str>>,
    pub(super) tells_position: bool,
}

/// Reads the whole file; what is wrong is noted in the document.
pub(super) fn read<'d>(document: &'d Document<'d>) -> ProfileFile<'d> {
    let root = document.root();
    root.need("schema", "1");
    root.int("schema", 1, 1);
    for key in ["name", "version", "description"] {
        root.need(key, "\"…\"");
    }
    if !root.has("bus") {
        root.wrong(1, "there is no bus; add a [[bus]]");
    }
    let file = ProfileFile {
        name: spelled(&root, "name", 64, "a-z 0-9 -", |letter| {
            letter.is_ascii_lowercase() || letter.is_ascii_digit() || letter == '-'
        })
        .map_or("", |entry| entry.value),
        version: spelled(&root, "version", 32, "A-Z a-z 0-9 . - +", |letter| {
            letter.is_ascii_alphanumeric() || ".-+".contains(letter)
        })
        .map_or("", |entry| entry.value),
        description: spelled(&root, "description", 200, "printable letters", |letter| !letter.is_control())
            .map_or("", |entry| entry.value),
        vehicle: root.section("vehicle").map(vehicle).unwrap_or_default(),
        buses: root.sections("bus", MAX_BUSES).into_iter().filter_map(bus).collect(),
        messages: root.sections("message", MAX_MESSAGES).into_iter().filter_map(message).collect(),
        signals: root.sections("signal", MAX_SIGNALS).into_iter().filter_map(signal).collect(),
        groups: groups(&root),
        overlays: root.sections("overlay", MAX_SIGNALS).into_iter().filter_map(overlay).collect(),
        inertial: root.sections("inertial", MAX_INERTIAL).into_iter().filter_map(inertial).collect(),
    };
    root.finish();
    file
}

/// A string of 1 to `max` letters, all of them allowed.
pub(super) fn spelled<'d>(
    section: &Section<'d>,
    key: &'static str,
    max: usize,
    letters: &str,
    allowed: impl Fn(char) -> bool,
) -> Option<Lined<&'d str>> {
    let entry = section.text(key)?;
    if !entry.value.is_empty() && entry.value.chars().count() <= max && entry.value.chars().all(allowed) {
        return Some(entry);
    }
    section.wrong(entry.line, format!("{key} must be 1 to {max} of {letters}; shorten or respell it"));
    None
}

/// Whether it can name a state group, and so a part of a topic.
pub(super) fn is_group_name(name: &str) -> bool {
    let letters = name.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-');
    letters && (1..=32).contains(&name.len())
}

fn vehicle(section: Section<'_>) -> Vehicle<'_> {
    let facts = Vehicle {
        wmi: section.text("wmi").and_then(|entry| {
            // ISO 3779: capital letters without I, O and Q, and digits.
            let fits = entry.value.len() == 3
                && entry
                    .value
                    .bytes()
                    .all(|byte| (byte.is_ascii_uppercase() && !b"IOQ".contains(&byte)) || byte.is_ascii_digit());
            if !fits {
                section.wrong(entry.line, "wmi must be three of A-Z without I, O and Q, and 0-9");
            }
            fits.then_some(entry.value)
        }),
        category: section.text("category").and_then(|entry| {
            let known = ["M1", "M2", "M3", "N1", "N2", "N3"].contains(&entry.value);
            if !known {
                section.wrong(entry.line, "category must be one of M1, M2, M3, N1, N2, N3");
            }
            known.then_some(entry.value)
        }),
        propulsion: section.texts("propulsion", 7).map(|list| list.value).unwrap_or_default(),
        tank_capacity_l: section.positive("tank_capacity_l", 2000.0).map(|entry| entry.value),
        battery_gross_kwh: section.positive("battery_gross_kwh", 1000.0).map(|entry| entry.value),
        seats: section.int("seats", 1, 100).map(|entry| entry.value),
        line: section.line(),
    };
    section.finish();
    facts
}

fn bus(mut section: Section<'_>) -> Option<BusEntry<'_>> {
    section.need("name", "\"pt\"");
    section.need("dbc", "[\"file.dbc\"]");
    let name = spelled(&section, "name", 16, "a-z 0-9 _ -", |letter| {
        letter.is_ascii_lowercase() || letter.is_ascii_digit() || "_-".contains(letter)
    });
    if let Some(name) = name {
        section.rename(format!("bus \"{}\"", name.value));
        if !name.value.starts_with(|letter: char| letter.is_ascii_lowercase()) {
            section.wrong(name.line, "name must begin with a letter");
        }
    }
    let fd = section.flag("fd").is_some_and(|entry| entry.value);
    section.int("bitrate_kbps", 1, 1000);
    if let Some(rate) = section.int("data_bitrate_kbps", 1, 8000)
        && !fd
    {
        section.wrong(rate.line, "data_bitrate_kbps is for CAN FD only; add fd = true or remove it");
    }
    let dbc = section.texts("dbc", MAX_DBC_PER_BUS).map(|list| list.value).unwrap_or_default();
    if section.has("dbc") && dbc.is_empty() {
        section.wrong(section.line(), "dbc must name at least one file");
    }
    let line = section.line();
    section.finish();
    Some(BusEntry { name: name?, dbc, fd, line })
}

fn message(mut section: Section<'_>) -> Option<MessageEntry<'_>> {
    section.need("name", "\"bus.MESSAGE\"");
    let name = section.text("name");
    if let Some(name) = name {
        section.rename(format!("message \"{}\"", name.value));
    }
    let period_ms = section.int("period_ms", 1, MAX_PERIOD_MS).map(|entry| entry.value);
    let stale_after = section.int("stale_after", 2, 1000);
    if let Some(entry) = stale_after
        && !section.has("period_ms")
    {
        section.wrong(entry.line, "stale_after counts periods; add period_ms");
    }
    let stale_after = stale_after.map_or(i64::from(super::profile::STALE_AFTER), |entry| entry.value);
    let checksum = section.section("checksum").and_then(checksum);
    let counter = section.section("counter").and_then(counter);
    section.finish();
    Some(MessageEntry { name: name?, period_ms, stale_after, checksum, counter })
}

fn checksum(section: Section<'_>) -> Option<ChecksumEntry<'_>> {
    section.need("kind", "\"e2e-p01\"");
    section.need("signal", "\"CHECKSUM\"");
    let kind = section.text("kind");
    let signal = section.text("signal");
    let data_id = section.int("data_id", 0, 0xFFFF);
    let data_id_mode = section.text("data_id_mode");
    let data_ids = section.list("data_ids", 16, "a number from 0 to 255", |value| {
        integer(value).filter(|number| (0..=255).contains(number))
    });
    section.finish();
    Some(ChecksumEntry { kind: kind?, signal: signal?, data_id, data_id_mode, data_ids })
}

fn counter(section: Section<'_>) -> Option<CounterEntry<'_>> {
    section.need("signal", "\"COUNTER\"");
    let signal = section.text("signal");
    let modulus = section.int("modulus", 2, 256);
    let max_step = section.int("max_step", 1, 255);
    section.finish();
    Some(CounterEntry { signal: signal?, modulus, max_step })
}

fn signal(mut section: Section<'_>) -> Option<SignalEntry<'_>> {
    section.need("path", "\"Vehicle.…\"");
    section.need("from", "\"bus.MESSAGE.SIGNAL\"");
    let path = section.text("path");
    if let Some(path) = path {
        section.rename(format!("signal \"{}\"", path.value));
    }
    let from = section.text("from");
    let scale = section.number("scale");
    if let Some(entry) = scale
        && entry.value == 0.0
    {
        section.wrong(entry.line, "scale is 0, which makes every value the same; give another");
    }
    let offset = section.number("offset");
    let map = map(&section);
    if let (Some(map), true) = (&map, scale.is_some() || offset.is_some()) {
        section.wrong(map.line, "map and scale or offset exclude each other; remove one");
    }
    let state = section.text("state").filter(|entry| {
        let fits = is_group_name(entry.value);
        if !fits {
            section.wrong(entry.line, "state must be a group name: 1 to 32 of a-z 0-9 -");
        }
        fits
    });
    let dead_band = section.number("dead_band");
    if let Some(entry) = dead_band
        && entry.value < 0.0
    {
        section.wrong(entry.line, "dead_band must not be negative");
    }
    let entry = SignalEntry {
        path: path.unwrap_or(Lined { value: "", line: 0 }),
        from: from.unwrap_or(Lined { value: "", line: 0 }),
        scale,
        offset,
        map,
        not_available: section
            .list("not_available", MAX_NOT_AVAILABLE, "a raw value (an integer)", integer)
            .map(|list| list.value)
            .unwrap_or_default(),
        range: range(&section),
        state,
        telemetry_ms: section.int("telemetry_ms", 10, MAX_PERIOD_MS).map(|entry| entry.value),
        on_change: section.flag("on_change").is_some_and(|entry| entry.value),
        dead_band: dead_band.map_or(0.0, |entry| entry.value),
    };
    section.finish();
    (path.is_some() && from.is_some()).then_some(entry)
}

fn map<'d>(section: &Section<'d>) -> Option<Lined<RawMap<'d>>> {
    let entries = section.entries("map", MAX_MAP)?;
    let mut pairs: Vec<(i64, Lined<&DeValue<'_>>)> = Vec::new();
    for (key, value) in entries.value {
        match parse_raw(key) {
            Some(raw) if pairs.iter().any(|(other, _)| *other == raw) => {
                section.wrong(value.line, format!("map has raw value {raw} twice; remove one"));
            }
            Some(raw) => pairs.push((raw, value)),
            None => section.wrong(value.line, format!("map: \"{key}\" is not a raw value; write an integer")),
        }
    }
    if pairs.is_empty() {
        section.wrong(entries.line, "map is empty; add raw = value, or remove it");
    }
    pairs.sort_by_key(|(raw, _)| *raw);
    Some(Lined { value: pairs, line: entries.line })
}

/// A raw value as a key: `3`, `-1`, `0x1F`.
fn parse_raw(key: &str) -> Option<i64> {
    key.strip_prefix("0x").map_or_else(|| key.parse().ok(), |digits| i64::from_str_radix(digits, 16).ok())
}

fn range(section: &Section<'_>) -> Option<Lined<[f64; 2]>> {
    let list = section.list("range", 2, "a number", number)?;
    let values: Vec<f64> = list.value.iter().map(|entry| entry.value).collect();
    match values[..] {
        [min, max] if min <= max => Some(Lined { value: [min, max], line: list.line }),
        _ => {
            section.wrong(list.line, "range must be [min, max] with min at most max");
            None
        }
    }
}

fn groups<'d>(root: &Section<'d>) -> Vec<(Lined<&'d str>, i64)> {
    let mut groups = Vec::new();
    for (name, section) in root.named_sections("state", MAX_GROUPS) {
        let line = section.line();
        let interval_ms = section.int("min_interval_ms", 100, MAX_PERIOD_MS);
        if !is_group_name(name) {
            section.wrong(line, "a group name is 1 to 32 of a-z 0-9 -; respell it");
        }
        section.finish();
        groups.push((
            Lined { value: name, line },
            interval_ms.map_or(super::profile::MIN_INTERVAL_MS, |entry| entry.value),
        ));
    }
    groups
}

fn overlay(mut section: Section<'_>) -> Option<OverlayEntry<'_>> {
    section.need("path", "\"Vehicle.…\"");
    section.need("datatype", "\"boolean\"");
    section.need("description", "\"…\"");
    let path = section.text("path");
    if let Some(path) = path {
        section.rename(format!("overlay \"{}\"", path.value));
    }
    spelled(&section, "description", 500, "printable letters", |letter| !letter.is_control());
    let datatype = section.text("datatype");
    let unit = section.text("unit").map_or("", |entry| entry.value);
    let min = section.number("min").map(|entry| entry.value);
    let max = section.number("max").map(|entry| entry.value);
    let allowed = section.texts("allowed", MAX_ALLOWED).map(|list| list.value).unwrap_or_default();
    let tells_position = section.flag("tells_position").is_some_and(|entry| entry.value);
    section.finish();
    Some(OverlayEntry { path: path?, datatype: datatype?, unit, min, max, allowed, tells_position })
}
