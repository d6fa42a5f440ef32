//! One message in the making: a control unit puts values in by name, and they become bits.

use crate::can::dbc::{Kind, Message, Signal};
use crate::can::encode::{self, EncodeError};
use crate::can::plan::Raw;

use super::body::Lamp;
use super::truth::Noise;

/// The label in the value tables of the DBC files of the raw value that says "no value".
const NOT_AVAILABLE: &str = "SNA";

/// The payload of one message, and what its control unit needs beside the world to fill it.
pub(super) struct Sheet<'a> {
    /// For sensors.
    pub noise: &'a mut Noise,
    /// Counts the frames of this message: chooses the page of a multiplexed one.
    pub turn: usize,
    message: &'a Message,
    lamps: &'a [(&'static str, Lamp)],
    payload: Vec<u8>,
    error: Option<EncodeError>,
}

impl<'a> Sheet<'a> {
    pub(super) fn new(
        message: &'a Message,
        lamps: &'a [(&'static str, Lamp)],
        turn: usize,
        noise: &'a mut Noise,
    ) -> Self {
        Self { noise, turn, message, lamps, payload: encode::blank(message), error: None }
    }

    /// A physical value; what the signal cannot hold, the sensor shows as its limit. A multiplexor goes before what
    /// it chooses.
    pub(super) fn put(&mut self, name: &str, value: f64) {
        let range = self.message.signal(name).filter(|signal| signal.min < signal.max);
        let value = range.map_or(value, |signal| value.clamp(signal.min, signal.max));
        let outcome = encode::put(self.message, &mut self.payload, name, value);
        self.error = self.error.take().or(outcome.err());
    }

    pub(super) fn flag(&mut self, name: &str, on: bool) {
        self.put(name, if on { 1.0 } else { 0.0 });
    }

    pub(super) fn count(&mut self, name: &str, count: usize) {
        self.put(name, f64::from(u32::try_from(count).unwrap_or(u32::MAX)));
    }

    /// The lamp as the cluster shows it, whatever the reason.
    pub(super) fn lamp(&mut self, name: &str) {
        let shown = self.lamps.iter().find(|(lamp, _)| *lamp == name).map_or(Lamp::Off, |(_, state)| *state);
        let value = match shown {
            Lamp::Off => 0.0,
            Lamp::On => 1.0,
            Lamp::Flashing => 2.0,
        };
        self.put(&format!("TT_{name}"), value);
    }

    /// The raw value that says that there is no value; nothing where the message, or this page of it, lacks the signal.
    pub(super) fn not_available(&mut self, name: &str) {
        if let Some(raw) = self.message.signal(name).and_then(not_available) {
            let _ = encode::put_raw(self.message, &mut self.payload, name, raw);
        }
    }

    /// The payload, or what could not be put into it first.
    pub(super) fn finish(self) -> Result<Vec<u8>, EncodeError> {
        self.error.map_or(Ok(self.payload), Err)
    }
}

fn not_available(signal: &Signal) -> Option<Raw> {
    let (raw, _) = signal.labels.iter().find(|(_, label)| label == NOT_AVAILABLE)?;
    match signal.kind {
        Kind::Unsigned => u64::try_from(*raw).ok().map(Raw::Unsigned),
        Kind::Signed => Some(Raw::Signed(*raw)),
        Kind::Float | Kind::Double => None,
    }
}
