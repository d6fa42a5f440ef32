//! A run as logs: what `candump -L` would have written, and the receiver's sentences with the same time stamps.
//!
//! Each line of the GNSS log is `(seconds.microseconds) $SENTENCE`, the form of candump's lines, so that a replay can
//! merge both logs by time.

use std::io::Write;
use std::time::Duration;

use crate::can::candump::{Line, Seconds};
use crate::time::{MonoTime, WallTime};

use super::car::{BUSES, Begin, Car, What};
use super::scenario::Scenario;
use super::transmitter::SendError;

/// When recordings begin: a Monday morning.
const RECORDED: WallTime = WallTime::from_unix_micros(1_772_434_800_000_000);

/// A run as logs.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Recording {
    /// `(t) bus id#data`, one frame a line, FD frames with `##`; the bus names of the profile stand for interfaces.
    pub can: Vec<u8>,
    /// `(t) $GNRMC,…`, one sentence a line.
    pub gnss: Vec<u8>,
}

/// The first `duration` of a scenario.
pub fn record(scenario: Scenario, seed: u64, duration: Duration) -> Result<Recording, SendError> {
    let begin = Begin { mono: MonoTime::ZERO, wall: RECORDED };
    let (mut can, mut gnss) = (Vec::new(), Vec::new());
    for emission in Car::new(seed, scenario, begin)?.take_while(|emission| emission.at <= begin.mono + duration) {
        let time = RECORDED.plus(emission.at.since(begin.mono));
        match emission.what {
            What::Frame(bus, frame) => {
                let interface = BUSES.get(usize::from(bus.0)).copied();
                let _ = writeln!(can, "{}", Line { time: Some(time), interface, frame });
            }
            What::Nmea(sentences) => {
                for sentence in String::from_utf8_lossy(&sentences).lines() {
                    let _ = writeln!(gnss, "({}) {sentence}", Seconds(time));
                }
            }
            What::Coverage(_) | What::Note(_) => {}
        }
    }
    Ok(Recording { can, gnss })
}
