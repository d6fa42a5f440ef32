//! The signals of a profile: path against VSS and overlays, source against DBC, values against both.

use std::collections::BTreeMap;
use std::time::Duration;

use toml::de::DeValue;

use crate::can::BusId;
use crate::can::dbc::{Kind, Message, Signal};
use crate::signals::intake::Conversion;
use crate::signals::publish::{Group, Policy};
use crate::signals::vss::{self, VssType};
use crate::signals::{Datatype, SignalDef, Value, overlay};

use super::document::{Document, Lined, integer, number};
use super::problem::did_you_mean;
use super::profile::{CanSource, MIN_INTERVAL_MS, Source};
use super::profile_file::{MAX_GROUPS, OverlayEntry, ProfileFile, SignalEntry};
use super::resolve::{Draft, find_message, find_signal};

/// The paths that the GNSS receiver can fill.
pub const GNSS_PATHS: [&str; 6] = [
    "Vehicle.CurrentLocation.Latitude",
    "Vehicle.CurrentLocation.Longitude",
    "Vehicle.CurrentLocation.Altitude",
    "Vehicle.CurrentLocation.Heading",
    "Vehicle.CurrentLocation.HorizontalAccuracy",
    "Vehicle.CurrentLocation.VerticalAccuracy",
];

/// A path's last published name has at most as many letters; the saved values rely on it.
const MAX_PATH: usize = 120;

/// The same for a label.
const MAX_LABEL: usize = 64;

#[derive(Default)]
pub(super) struct Table {
    pub(super) signals: Vec<SignalDef>,
    pub(super) sources: Vec<Source>,
    pub(super) policies: Vec<Policy>,
    pub(super) groups: Vec<Group>,
}

/// What a path means.
#[derive(Clone)]
struct Meaning {
    datatype: VssType,
    unit: String,
    min: f64,
    max: f64,
    labels: Vec<String>,
    tells_position: bool,
}

pub(super) fn resolve_signals(document: &Document<'_>, file: &ProfileFile<'_>, buses: &[Draft]) -> Table {
    let overlays = overlays(document, &file.overlays);
    let mut table = Table { groups: groups(document, file), ..Table::default() };
    let mut seen: BTreeMap<&str, u32> = BTreeMap::new();
    for entry in &file.signals {
        let path = entry.path;
        let complain = |wrong: Lined<String>| {
            document.wrong(wrong.line, format!("signal \"{}\": {}", path.value, wrong.value));
        };
        if let Some(line) = seen.insert(path.value, path.line) {
            let text = format!("already mapped in line {line}; one path has one source, remove one of the two");
            complain(Lined { value: text, line: path.line });
            continue;
        }
        let Some(meaning) = meaning_of(path.value, &overlays) else {
            let advice = if document.is_full() { String::new() } else { suggest_path(path.value, &overlays) };
            let text = format!("not in VSS 6.0 as built in, nor in an overlay{advice}");
            complain(Lined { value: text, line: path.line });
            continue;
        };
        match source(entry, &meaning, buses) {
            Ok(None) => {}
            Ok(Some(source)) => {
                table.policies.push(policy(entry, &table.groups));
                table.sources.push(source);
                table.signals.push(SignalDef {
                    path: path.value.to_owned(),
                    datatype: meaning.datatype.datatype(),
                    unit: meaning.unit,
                    labels: meaning.labels,
                    tells_position: meaning.tells_position,
                });
            }
            Err(wrongs) => wrongs.into_iter().for_each(complain),
        }
    }
    table
}

fn groups(document: &Document<'_>, file: &ProfileFile<'_>) -> Vec<Group> {
    let mut groups: Vec<Group> = Vec::new();
    let mentioned = file.signals.iter().filter_map(|signal| signal.state);
    for name in mentioned.chain(file.groups.iter().map(|(name, _)| *name)) {
        if groups.iter().any(|group| group.name == name.value) {
            continue;
        }
        if groups.len() == MAX_GROUPS {
            document.wrong(name.line, format!("more than {MAX_GROUPS} state groups; use fewer"));
            break;
        }
        let stated = file.groups.iter().find(|(group, _)| group.value == name.value);
        let interval_ms = stated.map_or(MIN_INTERVAL_MS, |(_, interval_ms)| *interval_ms);
        groups.push(Group {
            name: name.value.to_owned(),
            min_interval: Duration::from_millis(u64::try_from(interval_ms).unwrap_or_default()),
        });
    }
    groups
}

fn overlays(document: &Document<'_>, entries: &[OverlayEntry<'_>]) -> BTreeMap<String, Meaning> {
    let mut overlays = BTreeMap::new();
    for entry in entries {
        let path = entry.path;
        let complain = |text: &str| document.wrong(path.line, format!("overlay \"{}\": {text}", path.value));
        if !is_path(path.value) {
            complain("a path is Vehicle and parts of letters and digits, a capital letter first, at most 120 in all");
        }
        if vss::lookup(path.value).is_some() || overlay::lookup(path.value).is_some() {
            complain("VSS or Telltale's overlay has this path already; remove the entry and use that");
        }
        let Some(datatype) = VssType::from_name(entry.datatype.value) else {
            complain("datatype must be boolean, int8, int16, int32, uint8, uint16, uint32, float, double or string");
            continue;
        };
        let labels: Vec<String> = entry.allowed.iter().map(|label| label.value.to_owned()).collect();
        let repeated =
            labels.iter().enumerate().any(|(index, label)| labels.iter().take(index).any(|other| other == label));
        let fits = labels.iter().all(|label| {
            (1..=MAX_LABEL).contains(&label.len()) && label.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'"')
        });
        if (datatype == VssType::Label) != (labels.len() >= 2) || repeated || !fits {
            complain("a string needs allowed, 2 to 64 different ones of 1 to 64 ASCII letters; others have none");
        }
        let (low, high) = datatype.bounds();
        let (min, max) = (entry.min.unwrap_or(low), entry.max.unwrap_or(high));
        if min > max || min < low || max > high {
            complain("min and max must lie within the data type, min at most max");
        }
        if entry.unit.len() > 16 || !entry.unit.bytes().all(|byte| byte.is_ascii_graphic()) {
            complain("unit must be at most 16 ASCII letters, as VSS spells units");
        }
        let meaning =
            Meaning { datatype, unit: entry.unit.to_owned(), min, max, labels, tells_position: entry.tells_position };
        if overlays.insert(path.value.to_owned(), meaning).is_some() {
            complain("is declared twice; remove one");
        }
    }
    overlays
}

fn is_path(path: &str) -> bool {
    let mut parts = path.split('.');
    let rest = |part: &str| {
        part.starts_with(|letter: char| letter.is_ascii_uppercase())
            && part.bytes().all(|byte| byte.is_ascii_alphanumeric())
    };
    path.len() <= MAX_PATH && parts.next() == Some("Vehicle") && path.len() > "Vehicle.".len() && parts.all(rest)
}

fn meaning_of(path: &str, overlays: &BTreeMap<String, Meaning>) -> Option<Meaning> {
    if let Some(meaning) = overlays.get(path) {
        return Some(meaning.clone());
    }
    let leaf = vss::lookup(path).or_else(|| overlay::lookup(path))?;
    let (low, high) = leaf.datatype.bounds();
    Some(Meaning {
        datatype: leaf.datatype,
        unit: leaf.unit.to_owned(),
        min: leaf.min.unwrap_or(low).max(low),
        max: leaf.max.unwrap_or(high).min(high),
        labels: leaf.allowed.iter().map(|label| (*label).to_owned()).collect(),
        tells_position: vss::tells_position(path),
    })
}

fn suggest_path(path: &str, overlays: &BTreeMap<String, Meaning>) -> String {
    let own: Vec<String> = overlay::paths().collect();
    let known = vss::CATALOGUE.iter().map(|(known, _)| *known);
    let known = known.chain(own.iter().map(String::as_str)).chain(overlays.keys().map(String::as_str));
    did_you_mean(path, known, "declare it with [[overlay]]")
}

fn policy(entry: &SignalEntry<'_>, groups: &[Group]) -> Policy {
    Policy {
        group: entry.state.and_then(|state| groups.iter().position(|group| group.name == state.value)),
        telemetry: entry.telemetry_ms.and_then(|ms| u64::try_from(ms).ok()).map(Duration::from_millis),
        on_change: entry.on_change,
        dead_band: entry.dead_band,
    }
}

/// Where it comes from; none where a DBC file that could not be read may have it.
fn source(entry: &SignalEntry<'_>, meaning: &Meaning, buses: &[Draft]) -> Result<Option<Source>, Vec<Lined<String>>> {
    let from = entry.from;
    if from.value == "gnss" {
        return gnss(entry).map(|()| Some(Source::Gnss)).map_err(|wrong| vec![wrong]);
    }
    let at = |text: String| vec![Lined { value: format!("from \"{}\": {text}", from.value), line: from.line }];
    let mut parts = from.value.split('.');
    let (Some(bus), Some(message), Some(signal), None) = (parts.next(), parts.next(), parts.next(), parts.next())
    else {
        return Err(at("must be \"bus.MESSAGE.SIGNAL\" or \"gnss\"".to_owned()));
    };
    let Some((bus_index, message_index)) = find_message(buses, bus, message).map_err(at)? else { return Ok(None) };
    let message: &Message =
        buses.get(bus_index).and_then(|bus| bus.messages.get(message_index)).ok_or_else(|| at("is lost".to_owned()))?;
    let signal_index = find_signal(message, signal).map_err(at)?;
    let signal = message.signals.get(signal_index).ok_or_else(|| at("is lost".to_owned()))?;
    let mut wrongs = Vec::new();
    let conversion = conversion(entry, meaning, signal, &mut wrongs);
    let not_available = not_available(entry, signal, &mut wrongs);
    let range = range(entry, meaning, &mut wrongs);
    if !wrongs.is_empty() {
        return Err(wrongs);
    }
    Ok(Some(Source::Can(CanSource {
        bus: BusId(u8::try_from(bus_index).unwrap_or(u8::MAX)),
        message: message_index,
        signal: signal_index,
        conversion,
        not_available,
        range,
    })))
}

fn gnss(entry: &SignalEntry<'_>) -> Result<(), Lined<String>> {
    let line = entry.from.line;
    if !GNSS_PATHS.contains(&entry.path.value) {
        let names = GNSS_PATHS.map(|path| path.trim_start_matches("Vehicle.CurrentLocation."));
        let text = format!("from = \"gnss\" is for Vehicle.CurrentLocation with {}", names.join(", "));
        return Err(Lined { value: text, line });
    }
    let converts = entry.scale.is_some() || entry.offset.is_some() || entry.map.is_some() || entry.range.is_some();
    if converts || !entry.not_available.is_empty() {
        let text = "from = \"gnss\" takes no scale, offset, map, not_available or range; remove them".to_owned();
        return Err(Lined { value: text, line });
    }
    Ok(())
}

/// Notes what is wrong with it in `wrongs`, and then returns something that is not used.
fn conversion(
    entry: &SignalEntry<'_>,
    meaning: &Meaning,
    signal: &Signal,
    wrongs: &mut Vec<Lined<String>>,
) -> Conversion {
    if let Some(map) = &entry.map {
        return Conversion::Map(map_values(&map.value, map.line, meaning, signal, wrongs));
    }
    let (scale, offset) = (entry.scale.map_or(1.0, |entry| entry.value), entry.offset.map_or(0.0, |entry| entry.value));
    match meaning.datatype.datatype() {
        Datatype::Float => Conversion::Float { scale, offset },
        Datatype::Int => Conversion::Int { scale, offset },
        Datatype::Bool => {
            if let Some(line) = entry.scale.or(entry.offset).map(|entry| entry.line) {
                wrongs.push(Lined { value: "a boolean takes no scale or offset; use map".to_owned(), line });
            }
            Conversion::Switch
        }
        Datatype::Label => {
            let text = format!("a string needs map = {{ raw = \"…\" }} to {}", meaning.labels.join(", "));
            wrongs.push(Lined { value: text, line: entry.path.line });
            Conversion::Switch
        }
    }
}

fn map_values(
    pairs: &[(i64, Lined<&DeValue<'_>>)],
    line: u32,
    meaning: &Meaning,
    signal: &Signal,
    wrongs: &mut Vec<Lined<String>>,
) -> Vec<(i64, Value)> {
    if is_real(signal) {
        let text = format!("map needs an integer, but {} is an IEEE float; use scale and offset", signal.name);
        wrongs.push(Lined { value: text, line });
        return Vec::new();
    }
    let mut values = Vec::new();
    for (raw, written) in pairs {
        if !can_occur(signal, *raw) {
            let text =
                format!("map: raw {raw} cannot occur in the {} bits of {}; remove it", signal.length, signal.name);
            wrongs.push(Lined { value: text, line: written.line });
        }
        match map_value(written.value, meaning) {
            Ok(value) => values.push((*raw, value)),
            Err(text) => wrongs.push(Lined { value: format!("map: {text}"), line: written.line }),
        }
    }
    values
}

fn map_value(written: &DeValue<'_>, meaning: &Meaning) -> Result<Value, String> {
    let in_range = |number: f64| (meaning.min..=meaning.max).contains(&number);
    let value = match meaning.datatype.datatype() {
        Datatype::Bool => written.as_bool().map(Value::Bool),
        #[expect(clippy::cast_precision_loss, reason = "VSS integers have at most 32 bits; others are out of range")]
        Datatype::Int => integer(written).filter(|number| in_range(*number as f64)).map(Value::Int),
        Datatype::Float => number(written).filter(|number| in_range(*number)).map(Value::Float),
        Datatype::Label => {
            let text = written.as_str();
            let index = text.and_then(|text| meaning.labels.iter().position(|label| label == text));
            if let (Some(text), None) = (text, index) {
                let labels = meaning.labels.iter().map(String::as_str);
                let advice = did_you_mean(text, labels, &format!("one of {}", meaning.labels.join(", ")));
                return Err(format!("\"{text}\" is not an allowed value{advice}"));
            }
            index.and_then(|index| u16::try_from(index).ok()).map(Value::Label)
        }
    };
    value.ok_or_else(|| {
        let (name, min, max) = (meaning.datatype.name(), meaning.min, meaning.max);
        match meaning.datatype.datatype() {
            Datatype::Int | Datatype::Float => format!("the path is a {name} from {min} to {max}; map to such values"),
            Datatype::Bool | Datatype::Label => format!("the path is a {name}; map to such values"),
        }
    })
}

fn not_available(entry: &SignalEntry<'_>, signal: &Signal, wrongs: &mut Vec<Lined<String>>) -> Vec<i64> {
    let mut raws = Vec::new();
    for raw in &entry.not_available {
        if is_real(signal) || !can_occur(signal, raw.value) {
            let text = format!("not_available: raw {} cannot occur in {}; remove it", raw.value, signal.name);
            wrongs.push(Lined { value: text, line: raw.line });
        } else if entry.map.iter().flat_map(|map| &map.value).any(|(mapped, _)| *mapped == raw.value) {
            let text = format!("not_available: raw {} is in map too; remove it from one", raw.value);
            wrongs.push(Lined { value: text, line: raw.line });
        }
        raws.push(raw.value);
    }
    raws.sort_unstable();
    raws.dedup();
    raws
}

fn range(entry: &SignalEntry<'_>, meaning: &Meaning, wrongs: &mut Vec<Lined<String>>) -> (f64, f64) {
    let Some(range) = entry.range else { return (meaning.min, meaning.max) };
    let [min, max] = range.value;
    if !matches!(meaning.datatype.datatype(), Datatype::Int | Datatype::Float) {
        wrongs.push(Lined { value: "range is for numbers; remove it".to_owned(), line: range.line });
    } else if min < meaning.min || max > meaning.max {
        let text = format!("range [{min}, {max}] leaves that of VSS, [{}, {}]; narrow it", meaning.min, meaning.max);
        wrongs.push(Lined { value: text, line: range.line });
    }
    (min, max)
}

pub(super) const fn is_real(signal: &Signal) -> bool {
    matches!(signal.kind, Kind::Float | Kind::Double)
}

/// Whether the signal's bits can hold that raw value.
pub(super) fn can_occur(signal: &Signal, raw: i64) -> bool {
    let bits = u32::from(signal.length.clamp(1, 64));
    match signal.kind {
        Kind::Unsigned => raw >= 0 && (bits >= 63 || raw < 1_i64 << bits),
        Kind::Signed => bits == 64 || (-(1_i64 << (bits - 1))..1_i64 << (bits - 1)).contains(&raw),
        Kind::Float | Kind::Double => false,
    }
}
