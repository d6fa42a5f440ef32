//! From frames to inertial samples: those of one message, each with its own time.
//!
//! The newest sample of a frame is as old as the frame; those before it are a sample interval older each. A value that
//! says "not available", or lies outside what the database lets it have, is no value. Nothing is allocated after the
//! start: a frame's observations go into a buffer that has room for them.

use std::time::Duration;

use crate::can::Frame;
use crate::can::plan::{MessageIx, Probe};
use crate::crash::{Observation, Sample, SensorIx};
use crate::time::MonoTime;

use super::Cause;
use super::intake::Counters;

/// One sensor of a message.
#[derive(Debug)]
pub struct InertialSetup {
    /// The message that holds it.
    pub message: MessageIx,
    /// Which.
    pub sensor: SensorIx,
    /// By axis, x first: its samples, oldest first.
    pub axes: [Vec<InertialValue>; 3],
    /// The time between two samples of a frame.
    pub sample_interval: Duration,
    /// Raw values that say "no value".
    pub not_available: Vec<i64>,
}

/// One value of a frame.
#[derive(Debug)]
pub struct InertialValue {
    /// Where it is.
    pub probe: Probe,
    /// So many bytes hold it.
    pub needs_bytes: usize,
    /// m/s² or °/s per DBC unit, with the sign.
    pub gain: f64,
    /// The smallest and the largest believed value, in the DBC unit.
    pub range: (f64, f64),
}

/// Everything that the frames of one message say of motion.
#[derive(Debug)]
pub(super) struct Inertial {
    /// The sensors, once each: for frames that say nothing.
    sensors: Vec<SensorIx>,
    /// Oldest first.
    samples: Vec<Packed>,
}

/// One sample in a frame.
#[derive(Debug)]
struct Packed {
    sensor: SensorIx,
    /// How much older than the frame.
    age: Duration,
    axes: [Option<InertialValue>; 3],
    not_available: Box<[i64]>,
}

impl Inertial {
    /// Adds a sensor.
    pub(super) fn add(&mut self, setup: InertialSetup) {
        let count = setup.axes.iter().map(Vec::len).max().unwrap_or_default();
        let mut axes = setup.axes.map(Vec::into_iter);
        self.sensors.push(setup.sensor);
        for index in 0..count {
            let behind = u32::try_from(count - 1 - index).unwrap_or(u32::MAX);
            self.samples.push(Packed {
                sensor: setup.sensor,
                age: setup.sample_interval.saturating_mul(behind),
                axes: axes.each_mut().map(Iterator::next),
                not_available: setup.not_available.clone().into_boxed_slice(),
            });
        }
        self.samples.sort_by_key(|sample| (std::cmp::Reverse(sample.age), sample.sensor));
    }

    pub(super) const fn new() -> Self {
        Self { sensors: Vec::new(), samples: Vec::new() }
    }

    /// Observations of one frame, at most.
    pub(super) fn capacity(&self) -> usize {
        self.samples.len()
    }

    /// So many bytes hold all values.
    pub(super) fn needs_bytes(&self) -> usize {
        self.samples.iter().flat_map(|sample| &sample.axes).flatten().map(|value| value.needs_bytes).max().unwrap_or(0)
    }

    /// A believed frame: its samples.
    pub(super) fn take(
        &self,
        now: MonoTime,
        frame: &Frame,
        counters: &mut Counters,
        out: &mut Vec<(MonoTime, Observation)>,
    ) {
        for packed in &self.samples {
            let axes = packed.axes.each_ref().map(|value| {
                let value = value.as_ref()?;
                match value.read(frame, &packed.not_available) {
                    Ok(value) => Some(value),
                    Err(cause) => {
                        counters.count(cause);
                        None
                    }
                }
            });
            let observation = if axes.iter().all(Option::is_none) {
                Observation::SampleLost(packed.sensor)
            } else {
                Observation::Sample(Sample { sensor: packed.sensor, axes })
            };
            out.push((now - packed.age, observation));
        }
    }

    /// A frame that was not believed.
    pub(super) fn lose(&self, now: MonoTime, out: &mut Vec<(MonoTime, Observation)>) {
        out.extend(self.sensors.iter().map(|sensor| (now, Observation::SampleLost(*sensor))));
    }
}

impl InertialValue {
    #[inline]
    #[expect(clippy::cast_possible_truncation, reason = "what a sensor measures has far fewer digits than a float")]
    fn read(&self, frame: &Frame, not_available: &[i64]) -> Result<f32, Cause> {
        let sample = self.probe.sample(frame).map_err(|_| Cause::Length)?;
        if sample.raw.as_i64().is_some_and(|raw| not_available.contains(&raw)) {
            return Err(Cause::NotAvailable);
        }
        let (min, max) = self.range;
        if sample.physical >= min && sample.physical <= max {
            Ok((sample.physical * self.gain) as f32)
        } else {
            Err(Cause::OutOfRange)
        }
    }
}
