//! Checksum and counter of a message: the profile's words against the DBC's places.

use crate::can::dbc::{Kind, Message, Signal};
use crate::can::e2e::{Checksum, Counter, DATA_ID_NIBBLE, DataIdMode, Field, Protection};

use super::document::Lined;
use super::problem::did_you_mean;
use super::profile_file::{ChecksumEntry, CounterEntry, MessageEntry};
use super::resolve::find_signal;

/// The checksums that a profile can name.
pub(super) const KINDS: [&str; 3] = ["toyota", "e2e-p01", "e2e-p02"];

/// How far two frames may be apart: two in a row may be lost, where the profile does not say otherwise.
const MAX_STEP: u16 = 3;

type Wrong = Lined<String>;

/// The protection of a message; none where the profile states none.
pub(super) fn protect(entry: &MessageEntry<'_>, message: &Message) -> Result<Option<Protection>, Wrong> {
    let Some(line) = entry
        .checksum
        .as_ref()
        .map(|sum| sum.signal.line)
        .or(entry.counter.as_ref().map(|counter| counter.signal.line))
    else {
        return Ok(None);
    };
    let kind = entry.checksum.as_ref().map(|checksum| checksum.kind.value);
    let counter = entry.counter.as_ref().map(|counter| resolve_counter(counter, message, kind)).transpose()?;
    let checksum = entry.checksum.as_ref().map(|checksum| resolve_checksum(checksum, message)).transpose()?;
    if kind == Some("e2e-p02") {
        check_profile_2(entry, message)?;
    }
    let protection = Protection::new(message.size, checksum, counter);
    protection.map(Some).map_err(|error| Lined { value: error.to_string(), line })
}

fn resolve_counter(entry: &CounterEntry<'_>, message: &Message, kind: Option<&str>) -> Result<Counter, Wrong> {
    let at = |text: String| Lined { value: format!("counter: {text}"), line: entry.signal.line };
    let signal = signal(message, entry.signal.value).map_err(at)?;
    let fits = signal.kind == Kind::Unsigned && signal.length >= 2 && signal.mux.is_none();
    let field = Field::of_signal(signal)
        .filter(|_| fits)
        .ok_or_else(|| at(format!("{} must be unsigned, 2 to 8 bits of one byte, not multiplexed", signal.name)))?;
    let states = 1_u16 << signal.length.min(8);
    // AUTOSAR E2E profile 1: the counter runs from 0 to 14.
    let default = if kind == Some("e2e-p01") { 15.min(states) } else { states };
    let modulus = entry.modulus.and_then(|modulus| u16::try_from(modulus.value).ok()).unwrap_or(default);
    let max_step = entry.max_step.and_then(|step| u16::try_from(step.value).ok());
    let max_step = max_step.unwrap_or_else(|| MAX_STEP.min(modulus.saturating_sub(1)));
    let line = entry.modulus.map(|modulus| modulus.line).or(entry.max_step.map(|step| step.line));
    Counter::new(field, modulus, max_step)
        .map_err(|error| Lined { value: format!("counter: {error}"), line: line.unwrap_or(entry.signal.line) })
}

fn resolve_checksum(entry: &ChecksumEntry<'_>, message: &Message) -> Result<Checksum, Wrong> {
    let at = |text: String| Lined { value: format!("checksum: {text}"), line: entry.signal.line };
    let signal = signal(message, entry.signal.value).map_err(at)?;
    let whole_byte = Field::of_signal(signal).is_some() && signal.length == 8;
    if !whole_byte || signal.kind != Kind::Unsigned || signal.mux.is_some() {
        return Err(at(format!("{} must be 8 bits on a byte boundary, unsigned, not multiplexed", signal.name)));
    }
    let byte = u8::try_from(signal.start / 8).unwrap_or(u8::MAX);
    let checksum = checksum_of_kind(entry, byte)?;
    match checksum {
        Checksum::Toyota if byte + 1 != message.size => {
            Err(at(format!("{} must be the last byte of the message", signal.name)))
        }
        Checksum::Profile2 { .. } if byte != 0 => Err(at(format!("{} must be byte 0 (profile 2)", signal.name))),
        _ => Ok(checksum),
    }
}

fn checksum_of_kind(entry: &ChecksumEntry<'_>, byte: u8) -> Result<Checksum, Wrong> {
    let line = entry.kind.line;
    let kind = entry.kind.value;
    let at = |line: u32, text: String| Lined { value: format!("checksum: {text}"), line };
    let refuse = |key: &str, line: Option<u32>, owner: &str| match line {
        Some(line) if kind != owner => Err(at(line, format!("{key} belongs to kind \"{owner}\"; remove it"))),
        _ => Ok(()),
    };
    refuse("data_id", entry.data_id.map(|id| id.line), "e2e-p01")?;
    refuse("data_id_mode", entry.data_id_mode.map(|mode| mode.line), "e2e-p01")?;
    refuse("data_ids", entry.data_ids.as_ref().map(|ids| ids.line), "e2e-p02")?;
    match kind {
        "toyota" => Ok(Checksum::Toyota),
        "e2e-p01" => {
            let data_id = entry.data_id.and_then(|id| u16::try_from(id.value).ok());
            let data_id =
                data_id.ok_or_else(|| at(line, "kind \"e2e-p01\" needs data_id; add data_id = 0x…".into()))?;
            let mode = match entry.data_id_mode.map_or("both", |mode| mode.value) {
                "both" => DataIdMode::Both,
                "alternating" => DataIdMode::Alternating,
                "low" => DataIdMode::Low,
                "nibble" => DataIdMode::Nibble(DATA_ID_NIBBLE),
                _ => {
                    let line = entry.data_id_mode.map_or(line, |mode| mode.line);
                    return Err(at(line, "data_id_mode must be both, alternating, low or nibble".into()));
                }
            };
            Ok(Checksum::Profile1 { crc_byte: byte, data_id, mode })
        }
        "e2e-p02" => {
            let ids = entry.data_ids.iter().flat_map(|ids| &ids.value);
            let ids: Vec<u8> = ids.filter_map(|id| u8::try_from(id.value).ok()).collect();
            let data_ids = <[u8; 16]>::try_from(ids)
                .map_err(|_| at(line, "kind \"e2e-p02\" needs data_ids, a list of 16 numbers; add it".into()))?;
            Ok(Checksum::Profile2 { data_ids })
        }
        other => {
            let advice = did_you_mean(other, KINDS, &format!("one of {}", KINDS.join(", ")));
            Err(at(line, format!("kind \"{other}\" is unknown{advice}")))
        }
    }
}

/// AUTOSAR E2E profile 2: the counter is the lower half of byte 1 and selects the data id.
fn check_profile_2(entry: &MessageEntry<'_>, message: &Message) -> Result<(), Wrong> {
    let line = entry.checksum.as_ref().map_or(entry.name.line, |checksum| checksum.kind.line);
    let wrong = |text: &str| Lined { value: format!("checksum: {text}"), line };
    let counter = entry.counter.as_ref().ok_or_else(|| wrong("kind \"e2e-p02\" needs counter; add it"))?;
    let field = signal(message, counter.signal.value).ok().and_then(Field::of_signal);
    if field == Field::new(1, 0, 4) {
        return Ok(());
    }
    Err(wrong("profile 2 has its counter in the lower half of byte 1; name that signal in counter"))
}

fn signal<'m>(message: &'m Message, name: &str) -> Result<&'m Signal, String> {
    let index = find_signal(message, name)?;
    message.signals.get(index).ok_or_else(|| format!("message {} has no signal {name}", message.name))
}
