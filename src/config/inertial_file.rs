//! `[[inertial]]` as it is written: each key with its own limits, nothing yet compared with DBC files.

use crate::crash::AXES;

use super::document::{Lined, Section, integer};
use super::profile_file::{MAX_NOT_AVAILABLE, spelled};

/// Sensors of a profile. A car shows its gateway the sensor of the stability control and that of the restraint control
/// unit, each with accelerations and rates; eight leaves room for devices.
pub(super) const MAX_INERTIAL: usize = 8;

/// Samples of one axis in a frame: the 64 bytes of CAN FD hold 32 numbers of 16 bits.
pub(super) const MAX_PACKED: usize = 32;

/// Twenty times the fastest restraint sensor on a bus, in samples a second.
const MAX_RATE_HZ: f64 = 20_000.0;

/// A thousand g in m/s², or ten turns a second in °/s: what is larger is no car.
const MAX_RANGE: f64 = 10_000.0;

pub(super) struct InertialEntry<'d> {
    pub(super) name: Lined<&'d str>,
    pub(super) quantity: Lined<&'d str>,
    pub(super) message: Lined<&'d str>,
    /// By axis, x first: the DBC signals, oldest sample first.
    pub(super) axes: [Option<Lined<Vec<Lined<&'d str>>>>; 3],
    pub(super) sample_interval_us: Option<Lined<i64>>,
    pub(super) scale: f64,
    pub(super) sign: [f64; 3],
    pub(super) not_available: Vec<Lined<i64>>,
    pub(super) range: Lined<f64>,
    pub(super) rate_hz: Lined<f64>,
    pub(super) noise: f64,
    pub(super) mounting: Option<Lined<&'d str>>,
    pub(super) orientation: Option<Lined<&'d str>>,
}

/// Reads one section; none when something is missing without which nothing can be compared.
pub(super) fn inertial(mut section: Section<'_>) -> Option<InertialEntry<'_>> {
    section.need("name", "\"…\"");
    let name = spelled(&section, "name", 32, "a-z 0-9 -", |letter| {
        letter.is_ascii_lowercase() || letter.is_ascii_digit() || letter == '-'
    });
    if let Some(name) = name {
        section.rename(format!("inertial \"{}\"", name.value));
    }
    section.need("quantity", "\"acceleration\"");
    section.need("message", "\"bus.MESSAGE\"");
    section.need("range", "the largest magnitude that it can report");
    section.need("rate_hz", "samples a second");
    section.need("noise", "the standard deviation at rest");
    let quantity = section.text("quantity");
    let message = section.text("message");
    let axes = AXES.map(|axis| {
        let list = section.texts(axis, MAX_PACKED)?;
        if list.value.is_empty() {
            section.wrong(list.line, format!("{axis} is empty; name its signals, or remove it"));
        }
        (!list.value.is_empty()).then_some(list)
    });
    if !AXES.into_iter().any(|axis| section.has(axis)) {
        section.wrong(section.line(), "there is no axis; add x, y or z = [\"SIGNAL\"]");
    }
    let scale = section.positive("scale", 1_000.0);
    let sign = sign(&section);
    let sample_interval_us = section.int("sample_interval_us", 50, 1_000_000);
    let not_available = section.list("not_available", MAX_NOT_AVAILABLE, "a raw value (an integer)", integer);
    let range = section.positive("range", MAX_RANGE);
    let rate_hz = section.positive("rate_hz", MAX_RATE_HZ);
    let noise = section.positive("noise", MAX_RANGE);
    let mounting = section.text("mounting");
    let orientation = section.text("orientation");
    section.finish();
    Some(InertialEntry {
        name: name?,
        quantity: quantity?,
        message: message?,
        axes,
        sample_interval_us,
        scale: scale.map_or(1.0, |entry| entry.value),
        sign,
        not_available: not_available.map(|list| list.value).unwrap_or_default(),
        range: range?,
        rate_hz: rate_hz?,
        noise: noise?.value,
        mounting,
        orientation,
    })
}

/// By axis: 1.0, or −1.0 where the sensor counts the other way.
fn sign(section: &Section<'_>) -> [f64; 3] {
    let Some(list) = section.list("sign", 3, "1 or -1", |value| match integer(value) {
        Some(1) => Some(1.0),
        Some(-1) => Some(-1.0),
        _ => None,
    }) else {
        return [1.0; 3];
    };
    let signs: Vec<f64> = list.value.iter().map(|entry| entry.value).collect();
    <[f64; 3]>::try_from(signs).unwrap_or_else(|_| {
        section.wrong(list.line, "sign must be three of 1 and -1, for x, y and z");
        [1.0; 3]
    })
}
