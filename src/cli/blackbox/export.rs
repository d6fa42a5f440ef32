//! A record as files: the raw series and the tables as CSV, and a picture of the pulse.

use std::fmt::Write as _;
use std::fs;
use std::path::Path;

use serde_json::json;

use crate::crash::black_box::{Channel, Contents, Recording, Tables};
use crate::crash::plot::{Mark, Panel, PlotSeries, Trace, svg};
use crate::crash::{AXES, Quantity, Stage};
use crate::time::MonoTime;

use super::super::exit::{Code, Failure};
use super::super::output;
use super::{seconds, tables, zero};

/// The picture shows the pulse: from here, counted from the contact.
const SHOWN_FROM_S: f64 = -0.2;

/// And so long after the last impact.
const SHOWN_AFTER_S: f64 = 0.6;

/// Writes `samples.csv`, `values.csv`, `tables.csv` and `pulse.svg` to a folder, and says where.
pub(super) fn export(recording: &Recording, contents: &Contents, folder: &Path) -> Result<(), Failure> {
    fs::create_dir_all(folder)
        .map_err(|error| Failure::new(Code::Io, format!("making {}: {error}", folder.display())))?;
    let found = Tables::of(recording, &contents.recordings);
    let files = [
        ("samples.csv", Some(samples(recording))),
        ("values.csv", Some(values(recording))),
        ("tables.csv", found.as_ref().map(tables::csv)),
        ("pulse.svg", Some(picture(recording))),
    ];
    for (name, text) in files {
        let Some(text) = text else { continue };
        let path = folder.join(name);
        fs::write(&path, &text)
            .map_err(|error| Failure::new(Code::Io, format!("writing {}: {error}", path.display())))?;
        output::line(&json!({ "file": path.display().to_string(), "bytes": text.len() }))?;
    }
    Ok(())
}

/// One line a sample; what was lost is an empty field.
fn samples(recording: &Recording) -> String {
    let zero = zero(recording);
    let mut text = "t_s,sensor,x,y,z,unit\n".to_owned();
    for sample in &recording.samples {
        let sensor = recording.start.as_ref().and_then(|start| start.sensors.get(usize::from(sample.sensor)));
        let name = sensor.map_or_else(|| sample.sensor.to_string(), |sensor| sensor.name.clone());
        let unit = sensor.map_or("", |sensor| unit(sensor.quantity));
        let [x, y, z] = sample.axes.map(|axis| if axis.is_nan() { String::new() } else { axis.to_string() });
        // Names in profiles are plain words.
        let _ = writeln!(text, "{:.6},{name},{x},{y},{z},{unit}", seconds(zero, sample.at));
    }
    text
}

/// One line a change, the values in force at the beginning first.
fn values(recording: &Recording) -> String {
    let zero = zero(recording);
    let mut text = "t_s,channel,value\n".to_owned();
    let mut line = |at: &str, channel: Channel, value: f64| {
        let value = if value.is_nan() { String::new() } else { value.to_string() };
        let _ = writeln!(text, "{at},{},{value}", channel.name());
    };
    for (channel, value) in recording.start.iter().flat_map(|start| Channel::ALL.into_iter().zip(start.base)) {
        line("before", channel, value);
    }
    for value in &recording.values {
        line(&format!("{:.6}", seconds(zero, value.at)), value.channel, value.value);
    }
    text
}

/// A panel for each sensor, and the change of velocity by the one that sees most.
fn picture(recording: &Recording) -> String {
    let zero = zero(recording);
    let sensors = recording.start.as_ref().map(|start| start.sensors.as_slice()).unwrap_or_default();
    let accelerations = (0_u8..).zip(sensors).filter(|(_, sensor)| sensor.quantity == Quantity::Acceleration);
    let widest = accelerations.max_by(|(_, one), (_, other)| one.range.total_cmp(&other.range)).map(|(index, _)| index);
    let until_s = shown_until(recording, zero);
    let mut panels = Vec::new();
    for (index, sensor) in (0_u8..).zip(sensors) {
        let own = recording.samples.iter().filter(|sample| sample.sensor == index);
        let timed = own.map(|sample| (seconds(zero, sample.at), sample.axes));
        let shown = timed.filter(|(at, _)| (SHOWN_FROM_S..=until_s).contains(at));
        let samples: Vec<_> =
            shown.map(|(at, axes)| (narrow(at), axes.map(|axis| (!axis.is_nan()).then_some(axis)))).collect();
        let axis = format!("{}, {}", sensor.name, unit(sensor.quantity));
        if widest == Some(index) {
            let mut both = PlotSeries::of_acceleration("", &samples, 0.0).panels;
            if let Some(first) = both.first_mut() {
                first.axis = axis;
            }
            panels.splice(0..0, both);
        } else if !samples.is_empty() {
            panels.push(Panel { axis, traces: traces(&samples) });
        }
    }
    let title = format!("Record {}, {}", recording.slot.record, recording.slot.crash);
    svg(&PlotSeries { title, panels }, &marks(recording, until_s))
}

/// Until the last impact is over.
fn shown_until(recording: &Recording, zero: MonoTime) -> f64 {
    let mut impacts = 1;
    let mut last_s = 0.0;
    for verdict in recording.verdicts.iter().filter(|verdict| verdict.stage >= Stage::Confirmed) {
        if verdict.impacts > impacts {
            (impacts, last_s) = (verdict.impacts, seconds(zero, verdict.at));
        }
    }
    last_s + SHOWN_AFTER_S
}

fn traces(samples: &[(f32, [Option<f32>; 3])]) -> Vec<Trace> {
    let traces = AXES.into_iter().enumerate().map(|(axis, letter)| Trace {
        label: letter.to_owned(),
        points: samples.iter().filter_map(|(at, axes)| axes[axis].map(|value| (*at, value))).collect(),
    });
    traces.filter(|trace| !trace.points.is_empty()).collect()
}

/// What the classifier said while the picture lasts, and the contact.
fn marks(recording: &Recording, until_s: f64) -> Vec<Mark> {
    let zero = zero(recording);
    let mut marks = vec![Mark { at_s: 0.0, label: "contact".to_owned() }];
    for verdict in &recording.verdicts {
        let at = seconds(zero, verdict.at);
        if at <= until_s {
            marks.push(Mark { at_s: narrow(at), label: verdict.stage.name().to_owned() });
        }
    }
    marks
}

const fn unit(quantity: Quantity) -> &'static str {
    match quantity {
        Quantity::Acceleration => "m/s²",
        Quantity::AngularRate => "°/s",
    }
}

#[expect(clippy::cast_possible_truncation, reason = "seconds around a crash, for a picture")]
const fn narrow(value: f64) -> f32 {
    value as f32
}
