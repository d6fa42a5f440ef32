//! A record as files: the raw series and the tables as CSV, and a picture of the pulse.

use std::fmt::Write as _;
use std::fs;
use std::path::Path;

use serde_json::json;

use crate::crash::black_box::{Channel, Contents, Recording, Tables};
use crate::crash::plot::{Mark, Panel, PlotSeries, Trace, svg};
use crate::crash::{AXES, Quantity};

use super::super::exit::{Code, Failure};
use super::super::output;
use super::{seconds, tables, zero};

/// The picture shows the pulse: from so long before the contact to so long after it.
const SHOWN_S: (f64, f64) = (-0.2, 0.6);

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

fn picture(recording: &Recording) -> String {
    let sensors = recording.start.as_ref().map(|start| start.sensors.as_slice()).unwrap_or_default();
    let panels = [Quantity::Acceleration, Quantity::AngularRate].into_iter().filter_map(|quantity| {
        let own = (0_u8..).zip(sensors).filter(|(_, sensor)| sensor.quantity == quantity);
        let traces: Vec<Trace> = own.flat_map(|(index, sensor)| traces(recording, index, &sensor.name)).collect();
        (!traces.is_empty()).then(|| Panel { axis: unit(quantity).to_owned(), traces })
    });
    let slot = &recording.slot;
    let series = PlotSeries { title: format!("Record {}, {}", slot.record, slot.crash), panels: panels.collect() };
    svg(&series, &marks(recording))
}

fn traces(recording: &Recording, sensor: u8, name: &str) -> Vec<Trace> {
    let zero = zero(recording);
    let samples: Vec<_> = recording
        .samples
        .iter()
        .filter(|sample| sample.sensor == sensor)
        .map(|sample| (seconds(zero, sample.at), sample.axes))
        .filter(|(at, _)| (SHOWN_S.0..=SHOWN_S.1).contains(at))
        .collect();
    let traces = AXES.into_iter().enumerate().map(|(axis, letter)| Trace {
        label: format!("{name} {letter}"),
        points: samples.iter().map(|(at, axes)| (narrow(*at), axes[axis])).filter(|(_, y)| !y.is_nan()).collect(),
    });
    traces.filter(|trace| !trace.points.is_empty()).collect()
}

/// What the classifier said while the picture lasts, and the contact.
fn marks(recording: &Recording) -> Vec<Mark> {
    let zero = zero(recording);
    let mut marks = vec![Mark { at_s: 0.0, label: "contact".to_owned() }];
    for verdict in &recording.verdicts {
        let at = seconds(zero, verdict.at);
        if at <= SHOWN_S.1 {
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
