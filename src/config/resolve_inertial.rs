//! The inertial sensors of a profile: axes against DBC signals, range and rate against what the bus can carry.

use std::time::Duration;

use crate::can::BusId;
use crate::can::dbc::{Kind, Message, Signal};
use crate::crash::{AXES, Mounting, Orientation, Quantity, SensorSpec};

use super::document::{Document, Lined};
use super::inertial_file::InertialEntry;
use super::problem::did_you_mean;
use super::profile::InertialSensor;
use super::profile_file::ProfileFile;
use super::resolve::{Draft, find_message, find_signal};
use super::resolve_signals::{can_occur, is_real};

/// How far `rate_hz` may be from what period and packing say: periods are whole milliseconds, and 83 Hz is one of 12.
const RATE_TOLERANCE: f64 = 0.1;

type Wrongs = Vec<Lined<String>>;

pub(super) fn resolve_inertial(
    document: &Document<'_>,
    file: &ProfileFile<'_>,
    buses: &[Draft],
) -> Vec<InertialSensor> {
    let mut sensors: Vec<InertialSensor> = Vec::new();
    for entry in &file.inertial {
        let complain = |wrong: Lined<String>| {
            document.wrong(wrong.line, format!("inertial \"{}\": {}", entry.name.value, wrong.value));
        };
        if sensors.iter().any(|sensor| sensor.spec.name == entry.name.value) {
            complain(at(entry.name.line, "is there twice; rename one".to_owned()));
        }
        match sensor(entry, file, buses) {
            Ok(Some(sensor)) => sensors.push(sensor),
            Ok(None) => {}
            Err(wrongs) => wrongs.into_iter().for_each(complain),
        }
    }
    sensors
}

/// One sensor; none where a DBC file that could not be read may have its message.
fn sensor(
    entry: &InertialEntry<'_>,
    file: &ProfileFile<'_>,
    buses: &[Draft],
) -> Result<Option<InertialSensor>, Wrongs> {
    let mut wrongs = Wrongs::new();
    let words = [("acceleration", Quantity::Acceleration), ("angular-rate", Quantity::AngularRate)];
    let quantity = one_of("quantity", Some(entry.quantity), Quantity::Acceleration, words, &mut wrongs);
    let words = [("chassis", Mounting::Chassis), ("device", Mounting::Device)];
    let mounting = one_of("mounting", entry.mounting, Mounting::Chassis, words, &mut wrongs);
    // Nobody loses by learning what was known; who trusts a sign that differs between cars reports the wrong side.
    let words = [("stated", Orientation::Stated), ("learnt", Orientation::Learnt)];
    let orientation = one_of("orientation", entry.orientation, Orientation::Learnt, words, &mut wrongs);
    rate(entry, file, &mut wrongs);
    let found = entry.message.value.split_once('.').map_or_else(
        || Err("must be \"bus.MESSAGE\"; add the bus".to_owned()),
        |(bus, message)| find_message(buses, bus, message),
    );
    let place = found.unwrap_or_else(|text| {
        wrongs.push(at(entry.message.line, format!("message: {text}")));
        None
    });
    let place = place.and_then(|(bus, index)| Some((bus, index, buses.get(bus)?)));
    let place = place.and_then(|(bus, index, draft)| Some((bus, index, draft, draft.messages.get(index)?)));
    let axes = place.map(|(_, _, _, message)| axes(entry, message, &mut wrongs));
    if !wrongs.is_empty() {
        return Err(wrongs);
    }
    let (Some((bus, message, draft, def)), Some(axes)) = (place, axes) else { return Ok(None) };
    let rule = draft.rules.iter().find(|rule| rule.message == message);
    let step = std::array::from_fn(|axis| {
        let first = axes.get(axis).and_then(|signals| def.signals.get(*signals.first()?));
        first.map_or(0.0, |signal| signal.factor.abs() * entry.scale)
    });
    #[expect(clippy::cast_possible_truncation, reason = "bounded by MAX_RANGE and MAX_RATE_HZ")]
    let [range, rate_hz, noise] = [entry.range.value, entry.rate_hz.value, entry.noise].map(|value| value as f32);
    Ok(Some(InertialSensor {
        spec: SensorSpec {
            name: entry.name.value.to_owned(),
            quantity,
            axes: std::array::from_fn(|axis| axes.get(axis).is_some_and(|signals| !signals.is_empty())),
            range,
            rate_hz,
            noise,
            mounting,
            orientation,
            is_protected: rule.is_some_and(|rule| rule.protection.is_some()),
        },
        bus: BusId(u8::try_from(bus).unwrap_or(u8::MAX)),
        message,
        axes,
        gain: entry.sign.map(|sign| sign * entry.scale),
        not_available: entry.not_available.iter().map(|raw| raw.value).collect(),
        sample_interval: Duration::from_micros(
            entry.sample_interval_us.and_then(|us| u64::try_from(us.value).ok()).unwrap_or_default(),
        ),
        step,
    }))
}

/// The signals of each axis, and whether they can be what the entry says.
fn axes(entry: &InertialEntry<'_>, message: &Message, wrongs: &mut Wrongs) -> [Vec<usize>; 3] {
    let mut axes: [Vec<usize>; 3] = Default::default();
    let mut count = None;
    for ((name, list), axis) in AXES.into_iter().zip(&entry.axes).zip(&mut axes) {
        let Some(list) = list else { continue };
        let expected = *count.get_or_insert(list.value.len());
        if list.value.len() != expected {
            let text = format!("{name} has {} samples, another axis {expected}; name as many", list.value.len());
            wrongs.push(at(list.line, text));
        }
        for named in &list.value {
            match find_signal(message, named.value) {
                Ok(index) => {
                    if let Some(signal) = message.signals.get(index) {
                        check_signal(entry, signal, named.line, wrongs);
                    }
                    axis.push(index);
                }
                Err(text) => wrongs.push(at(named.line, format!("{name}: {text}"))),
            }
        }
    }
    match (count, entry.sample_interval_us) {
        (Some(2..), None) => {
            let text = "several samples in a frame need sample_interval_us, the time between two; add it".to_owned();
            wrongs.push(at(entry.message.line, text));
        }
        (Some(1), Some(interval)) => {
            let text = "sample_interval_us is for several samples in a frame; remove it".to_owned();
            wrongs.push(at(interval.line, text));
        }
        _ => {}
    }
    axes
}

fn check_signal(entry: &InertialEntry<'_>, signal: &Signal, line: u32, wrongs: &mut Wrongs) {
    if signal.mux.is_some() {
        let text = format!("{} is behind a multiplexor; a sensor is there in every frame", signal.name);
        wrongs.push(at(line, text));
    }
    for raw in &entry.not_available {
        if is_real(signal) || !can_occur(signal, raw.value) {
            let text = format!("not_available: raw {} cannot occur in {}; remove it", raw.value, signal.name);
            wrongs.push(at(raw.line, text));
        }
    }
    let (low, high) = limits(signal);
    let largest = low.abs().min(high.abs()) * entry.scale;
    // A value that is rounded to the signal's step may lie half of it beyond what the database states.
    if entry.range.value > largest + signal.factor.abs() * entry.scale / 2.0 {
        let text = format!(
            "range {} is more than {} can report both ways, {low} to {high} {}; lower it, or state the scale",
            entry.range.value, signal.name, signal.unit
        );
        wrongs.push(at(entry.range.line, text));
    }
}

/// The smallest and the largest value that the database lets a signal have, in its own unit.
pub(super) fn limits(signal: &Signal) -> (f64, f64) {
    if signal.min < signal.max {
        return (signal.min, signal.max);
    }
    let bits = i32::from(signal.length);
    let (low, high) = match signal.kind {
        Kind::Unsigned => (0.0, 2_f64.powi(bits) - 1.0),
        Kind::Signed => (-(2_f64.powi(bits - 1)), 2_f64.powi(bits - 1) - 1.0),
        Kind::Float | Kind::Double => return (f64::MIN, f64::MAX),
    };
    let ends = [low * signal.factor + signal.offset, high * signal.factor + signal.offset];
    (ends[0].min(ends[1]), ends[0].max(ends[1]))
}

/// The rate must be that of the samples in a frame, and that of the frames.
fn rate(entry: &InertialEntry<'_>, file: &ProfileFile<'_>, wrongs: &mut Wrongs) {
    let rate_hz = entry.rate_hz;
    let mut disagree = |period_s: f64, what: &str| {
        if (period_s * rate_hz.value - 1.0).abs() > RATE_TOLERANCE {
            let text = format!("rate_hz {}, but {what} make {:.1}; correct one", rate_hz.value, 1.0 / period_s);
            wrongs.push(at(rate_hz.line, text));
        }
    };
    if let Some(interval) = entry.sample_interval_us.and_then(|interval| u32::try_from(interval.value).ok()) {
        disagree(f64::from(interval) / 1e6, "samples so many microseconds apart");
    }
    let period_ms = file.messages.iter().find(|message| message.name.value == entry.message.value);
    let period_ms = period_ms.and_then(|message| u32::try_from(message.period_ms?).ok());
    let count = entry.axes.iter().flatten().map(|list| list.value.len()).max();
    let count = count.and_then(|count| u32::try_from(count).ok());
    if let (Some(period_ms), Some(count @ 1..)) = (period_ms, count) {
        disagree(f64::from(period_ms) / 1e3 / f64::from(count), "period and samples in a frame");
    }
}

/// What a word says, or the default where it is not there; an unknown word is noted.
fn one_of<T: Copy>(key: &str, word: Option<Lined<&str>>, default: T, known: [(&str, T); 2], wrongs: &mut Wrongs) -> T {
    let Some(word) = word else { return default };
    if let Some((_, value)) = known.iter().find(|(name, _)| *name == word.value) {
        return *value;
    }
    let names = known.map(|(name, _)| name);
    let advice = did_you_mean(word.value, names, &format!("one of {}", names.join(", ")));
    wrongs.push(at(word.line, format!("{key} \"{}\" is unknown{advice}", word.value)));
    default
}

fn at(line: u32, value: String) -> Lined<String> {
    Lined { value, line }
}
