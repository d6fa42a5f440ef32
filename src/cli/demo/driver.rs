//! Drives the simulated car in real time, and plays the mobile network along its road.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use tokio::sync::mpsc::{Receiver, Sender, channel};

use crate::can::Frame;
use crate::io::clock::MonoClock;
use crate::runtime::Stimulus;
use crate::sim::{Begin, Car, Scenario, What};
use crate::time::MonoTime;

use super::coverage::Coverage;
use super::monitor::Console;
use super::writer::CanWriter;

/// Frames between car and daemon: half a second of all three buses. The car waits when it is full.
const WIRE: usize = 2_048;

/// The car is stepped so far ahead of the clock at most.
const TICK: Duration = Duration::from_millis(1);

/// The hand on the wheel.
pub(super) struct Driver {
    wire: Sender<Stimulus>,
    is_parked: Arc<AtomicBool>,
}

impl Driver {
    /// Starts the car on a thread of its own; what it sends comes out of the receiver, but for the buses that have an
    /// interface.
    pub(super) fn start(
        (scenario, seed): (Scenario, u64),
        interfaces: &[String],
        coverage: Coverage,
        console: Console,
    ) -> Result<(Self, Receiver<Stimulus>), Box<dyn std::error::Error>> {
        let clock = MonoClock::new()?;
        let begin = Begin { mono: clock.now(), wall: clock.wall().1.wall };
        let car = Car::new(seed, scenario, begin)?;
        let writers = interfaces.iter().map(|name| CanWriter::open(name)).collect::<Result<Vec<_>, _>>()?;
        let (wire, stimuli) = channel(WIRE);
        let is_parked = Arc::new(AtomicBool::new(false));
        let ride = Ride { clock, writers, wire: wire.clone(), coverage, console, is_parked: Arc::clone(&is_parked) };
        std::thread::Builder::new().name("car".to_owned()).spawn(move || ride.drive(car))?;
        Ok((Self { wire, is_parked }, stimuli))
    }

    /// Stops the car's buses.
    pub(super) fn park(&self) {
        self.is_parked.store(true, Ordering::Relaxed);
    }

    /// The modem says that it has a network again.
    pub(super) fn network_is_back(&self) {
        // A daemon that has ended does not need to know.
        let _ = self.wire.blocking_send(Stimulus::NetworkChanged);
    }
}

struct Ride {
    clock: MonoClock,
    writers: Vec<CanWriter>,
    wire: Sender<Stimulus>,
    coverage: Coverage,
    console: Console,
    is_parked: Arc<AtomicBool>,
}

impl Ride {
    fn drive(self, car: Car) {
        for emission in car {
            self.wait_until(emission.at);
            if self.is_parked.load(Ordering::Relaxed) {
                return;
            }
            let is_heard = match emission.what {
                What::Frame(bus, frame) => self.send(usize::from(bus.0), frame, || Stimulus::Frame(bus, frame)),
                What::Nmea(bytes) => self.put(Stimulus::Gnss(bytes)),
                What::Note(note) => {
                    self.console.say("car", note);
                    true
                }
                What::Coverage(true) => {
                    self.console.say("network", "coverage is back");
                    self.coverage.regain();
                    self.put(Stimulus::NetworkChanged)
                }
                What::Coverage(false) => {
                    self.console.say("network", "coverage lost: the link is cut, events wait in sled");
                    self.coverage.lose();
                    true
                }
            };
            if !is_heard {
                return;
            }
        }
    }

    fn wait_until(&self, at: MonoTime) {
        loop {
            let ahead = at.since(self.clock.now());
            if ahead < TICK {
                return;
            }
            std::thread::sleep(ahead);
        }
    }

    fn send(&self, bus: usize, frame: Frame, stimulus: impl FnOnce() -> Stimulus) -> bool {
        let Some(writer) = self.writers.get(bus) else { return self.put(stimulus()) };
        if let Err(error) = writer.send(&frame) {
            tracing::warn!(%error, "the simulated car cannot send");
        }
        true
    }

    /// False when the daemon has ended.
    fn put(&self, stimulus: Stimulus) -> bool {
        self.wire.blocking_send(stimulus).is_ok()
    }
}
