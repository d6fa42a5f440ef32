//! From frames to readings: what is believed, what is not, and what has stopped.
//!
//! For each frame: identifier → message → length, checksum and counter → each mapped signal → not-available values,
//! value mapping, range → [`Signals::set`], or [`Signals::distrust`] with the cause. A frame that fails a check never
//! changes a value. Nothing is dropped without being counted ([`Counters`]).
//!
//! The path of a frame allocates nothing and compares no names: everything is an index that was found when the profile
//! was built. Messages with inertial sensors yield their samples beside the readings
//! ([`Intake::observations`]); others pay nothing for them.
//!
//! # When something stops
//!
//! A message with a timeout makes its signals stale when no believed frame came for that long; a signal behind a
//! multiplexor, when no frame held it for that long. Messages without one are sent on change only: their signals become
//! stale when the whole bus has been silent for [`BUS_SILENT_AFTER`]. Frames only note the time. The timers are looked
//! at when the earliest of them could have run out, and at most every [`SCAN_INTERVAL`]; so a frame costs no timer
//! operation, and a signal becomes stale at most that much late. When all is stale there is no deadline: a parked car
//! is not woken.

use std::time::Duration;

use crate::can::e2e::{Protection, State};
use crate::can::plan::{MessageIx, Plan, Sample, SignalIx};
use crate::can::{BusId, Frame, FrameKind};
use crate::crash::Observation;
use crate::time::MonoTime;

use super::inertial::{Inertial, InertialSetup};
use super::{Cause, SignalId, Signals, Value};

/// A bus on which nothing at all was received for so long is asleep or cut: cyclic messages on cars come at least
/// every two seconds, diagnostics and network management included.
pub const BUS_SILENT_AFTER: Duration = Duration::from_secs(5);

/// The timers are looked at no more often than this: 20 times a second, for some hundred comparisons.
pub const SCAN_INTERVAL: Duration = Duration::from_millis(50);

/// How a signal's VSS value comes from what the DBC says.
#[derive(Debug, Clone, PartialEq)]
pub enum Conversion {
    /// physical × scale + offset.
    Float {
        /// VSS units per DBC unit.
        scale: f64,
        /// In the VSS unit.
        offset: f64,
    },
    /// The same, rounded to the nearest integer.
    Int {
        /// VSS units per DBC unit.
        scale: f64,
        /// In the VSS unit.
        offset: f64,
    },
    /// Raw 0 is false, raw 1 is true.
    Switch,
    /// By raw value, sorted.
    Map(Vec<(i64, Value)>),
}

/// A bus of the profile.
#[derive(Debug)]
pub struct BusSetup {
    /// How its frames are decoded.
    pub plan: Plan,
    /// The messages with protection or timeout, each at most once.
    pub messages: Vec<MessageSetup>,
    /// What becomes of the decoded signals.
    pub signals: Vec<SignalSetup>,
    /// The inertial sensors whose messages it carries.
    pub inertial: Vec<InertialSetup>,
}

/// How far a message can be trusted.
#[derive(Debug)]
pub struct MessageSetup {
    /// Which.
    pub message: MessageIx,
    /// So long without a believed frame, and its signals are stale.
    pub timeout: Option<Duration>,
    /// Checksum and counter.
    pub protection: Option<Protection>,
}

/// What becomes of a decoded signal. One may feed several VSS signals.
#[derive(Debug)]
pub struct SignalSetup {
    /// The message that holds it.
    pub message: MessageIx,
    /// Which.
    pub signal: SignalIx,
    /// What it feeds.
    pub id: SignalId,
    /// From DBC to VSS.
    pub conversion: Conversion,
    /// Raw values that say "no value", sorted.
    pub not_available: Vec<i64>,
    /// The smallest and the largest believed value, in the VSS unit.
    pub range: (f64, f64),
}

/// What was received on a bus, and what was wrong with it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Counters {
    /// Data frames.
    pub frames: u64,
    /// Frames with an identifier that the DBC files do not have.
    pub unknown: u64,
    /// By [`Cause`], in the order of [`Cause::ALL`]: frames for length, checksum and counter, signal values for the
    /// others and for the length of a multiplexed page.
    pub faults: [u64; Cause::ALL.len()],
}

impl Counters {
    /// How often this cause was met.
    #[must_use]
    pub const fn of(&self, cause: Cause) -> u64 {
        self.faults[cause as usize]
    }

    pub(super) const fn count(&mut self, cause: Cause) {
        self.faults[cause as usize] = self.faults[cause as usize].saturating_add(1);
    }
}

/// Takes the frames of all buses.
#[derive(Debug)]
pub struct Intake {
    buses: Vec<Bus>,
    next_scan: Option<MonoTime>,
    /// What the last frame said of motion; its room is for the message that says most.
    observations: Vec<(MonoTime, Observation)>,
}

#[derive(Debug)]
struct Bus {
    plan: Plan,
    /// By [`MessageIx`].
    messages: Vec<Message>,
    /// By [`SignalIx`]: its range in `targets`.
    targets_of: Vec<(u32, u32)>,
    targets: Vec<Target>,
    watches: Vec<Watch>,
    last_frame: MonoTime,
    counters: Counters,
}

#[derive(Debug, Default)]
struct Message {
    protection: Option<Protection>,
    state: State,
    timeout: Option<Duration>,
    /// When a frame of it came last, believed or not.
    last: MonoTime,
    /// So many bytes hold every mapped signal that is always there.
    needs: usize,
    /// The index of the watch of its signals that are always there.
    watch: Option<usize>,
    /// What a frame that fails makes invalid.
    ids: Vec<SignalId>,
    /// The inertial sensors that it holds.
    inertial: Option<Box<Inertial>>,
}

#[derive(Debug)]
struct Target {
    id: SignalId,
    conversion: Conversion,
    not_available: Box<[i64]>,
    range: (f64, f64),
    /// The watch of a signal behind a multiplexor.
    watch: Option<usize>,
}

/// Signals that become stale together.
#[derive(Debug)]
struct Watch {
    /// None: until the whole bus is silent.
    timeout: Option<Duration>,
    last: MonoTime,
    alive: bool,
    ids: Vec<SignalId>,
}

impl Intake {
    /// For these buses; the index is the [`BusId`].
    #[must_use]
    pub fn new(buses: Vec<BusSetup>) -> Self {
        let buses: Vec<Bus> = buses.into_iter().map(Bus::new).collect();
        let inertial = buses.iter().flat_map(|bus| &bus.messages).filter_map(|message| message.inertial.as_deref());
        let most = inertial.map(Inertial::capacity).max().unwrap_or_default();
        Self { buses, next_scan: None, observations: Vec::with_capacity(most) }
    }

    /// A frame was received. Remote and error frames hold no signals and are passed over.
    pub fn frame(&mut self, now: MonoTime, bus: BusId, frame: &Frame, signals: &mut Signals) {
        self.observations.clear();
        let Some(bus) = self.buses.get_mut(usize::from(bus.0)) else { return };
        if matches!(frame.kind(), FrameKind::Remote | FrameKind::Error) {
            return;
        }
        if let Some(deadline) = bus.take(now, frame, signals, &mut self.observations) {
            self.next_scan = Some(self.next_scan.map_or(deadline, |next| next.min(deadline)));
        }
    }

    /// What the last frame said of motion, oldest first.
    #[must_use]
    pub fn observations(&self) -> &[(MonoTime, Observation)] {
        &self.observations
    }

    /// The time has come that [`Self::poll_timeout`] named, or any other: marks what has stopped.
    pub fn expire(&mut self, now: MonoTime, signals: &mut Signals) {
        if self.next_scan.is_none_or(|next| next > now) {
            return;
        }
        let earliest = self.buses.iter_mut().filter_map(|bus| bus.expire(now, signals)).min();
        self.next_scan = earliest.map(|earliest| earliest.max(now + SCAN_INTERVAL));
    }

    /// When [`Self::expire`] has something to look at.
    #[must_use]
    pub const fn poll_timeout(&self) -> Option<MonoTime> {
        self.next_scan
    }

    /// A frame of that bus was known and believed.
    #[must_use]
    pub fn has_decoded(&self, bus: BusId) -> bool {
        self.counters(bus).is_some_and(|counters| {
            let faults = counters.faults.iter().sum::<u64>();
            counters.frames > counters.unknown.saturating_add(faults)
        })
    }

    /// The counters of a bus.
    #[must_use]
    pub fn counters(&self, bus: BusId) -> Option<&Counters> {
        self.buses.get(usize::from(bus.0)).map(|bus| &bus.counters)
    }
}

impl Bus {
    fn new(setup: BusSetup) -> Self {
        let plan = setup.plan;
        let mut messages: Vec<Message> = plan.messages().map(|_| Message::default()).collect();
        let mut watches: Vec<Watch> = Vec::new();
        for rule in setup.messages {
            if let Some(message) = messages.get_mut(rule.message.index()) {
                message.protection = rule.protection;
                message.timeout = rule.timeout;
            }
        }
        let mut targets_of = vec![(0, 0); plan.signal_count()];
        let mut targets = Vec::with_capacity(setup.signals.len());
        let mut sources = setup.signals;
        sources.sort_by_key(|source| (source.signal, source.id));
        for source in sources {
            let Some(message) = messages.get_mut(source.message.index()) else { continue };
            let (_, def) = plan.signal_def(source.signal);
            let is_paged = def.mux.is_some();
            let shared = if is_paged { None } else { message.watch };
            let watch = shared.unwrap_or_else(|| {
                watches.push(Watch::new(message.timeout));
                watches.len() - 1
            });
            if let Some(watch) = watches.get_mut(watch) {
                watch.ids.push(source.id);
            }
            message.ids.push(source.id);
            if !is_paged {
                message.watch = Some(watch);
                message.needs = message.needs.max(def.needs_bytes());
            }
            let end = u32::try_from(targets.len() + 1).unwrap_or(u32::MAX);
            if let Some(range) = targets_of.get_mut(source.signal.index()) {
                *range = if range.1 == 0 { (end - 1, end) } else { (range.0, end) };
            }
            targets.push(Target {
                id: source.id,
                conversion: source.conversion,
                not_available: source.not_available.into_boxed_slice(),
                range: source.range,
                watch: is_paged.then_some(watch),
            });
        }
        for sensor in setup.inertial {
            let Some(message) = messages.get_mut(sensor.message.index()) else { continue };
            let inertial = message.inertial.get_or_insert_with(|| Box::new(Inertial::new()));
            inertial.add(sensor);
            message.needs = message.needs.max(inertial.needs_bytes());
        }
        let counters = Counters::default();
        Self { plan, messages, targets_of, targets, watches, last_frame: MonoTime::ZERO, counters }
    }

    /// Takes a data frame; returns a deadline when something came alive.
    fn take(
        &mut self,
        now: MonoTime,
        frame: &Frame,
        signals: &mut Signals,
        observations: &mut Vec<(MonoTime, Observation)>,
    ) -> Option<MonoTime> {
        self.counters.frames = self.counters.frames.saturating_add(1);
        self.last_frame = now;
        let mut woken = None;
        let Some(index) = self.plan.message(frame) else {
            self.counters.unknown = self.counters.unknown.saturating_add(1);
            return None;
        };
        let message = self.messages.get_mut(index.index())?;
        if let Err(cause) = message.check(now, frame) {
            self.counters.count(cause);
            for id in &message.ids {
                signals.distrust(*id, cause);
            }
            if let Some(inertial) = &message.inertial {
                inertial.lose(now, observations);
            }
            return None;
        }
        if let Some(watch) = message.watch.and_then(|watch| self.watches.get_mut(watch)) {
            woken = watch.feed(now);
        }
        if let Some(inertial) = &message.inertial {
            inertial.take(now, frame, &mut self.counters, observations);
        }
        let (targets, targets_of) = (&self.targets, &self.targets_of);
        let (watches, counters) = (&mut self.watches, &mut self.counters);
        self.plan.decode_message(index, frame, |signal, sample| {
            let Some(&(start, end)) = targets_of.get(signal.index()) else { return };
            for target in targets.get(start as usize..end as usize).unwrap_or_default() {
                let value = sample.map_err(|_| Cause::Length).and_then(|sample| target.convert(sample));
                if let Some(watch) = target.watch.and_then(|watch| watches.get_mut(watch)) {
                    let deadline = watch.feed(now);
                    woken = earliest(woken, deadline);
                }
                match value {
                    Ok(value) => signals.set(target.id, value, now),
                    Err(cause) => {
                        counters.count(cause);
                        signals.distrust(target.id, cause);
                    }
                }
            }
        });
        woken
    }

    /// Marks what has stopped; returns when the next watch may run out.
    fn expire(&mut self, now: MonoTime, signals: &mut Signals) -> Option<MonoTime> {
        let mut next = None;
        for watch in self.watches.iter_mut().filter(|watch| watch.alive) {
            let silent = self.last_frame + BUS_SILENT_AFTER;
            let deadline = watch.timeout.map_or(silent, |timeout| watch.last + timeout);
            if deadline > now {
                next = earliest(next, Some(deadline));
                continue;
            }
            watch.alive = false;
            for id in &watch.ids {
                signals.expire(*id);
            }
        }
        next
    }
}

impl Message {
    /// Whether the frame as a whole is believed.
    fn check(&mut self, now: MonoTime, frame: &Frame) -> Result<(), Cause> {
        let gap = now.since(std::mem::replace(&mut self.last, now));
        if gap > self.timeout.unwrap_or(BUS_SILENT_AFTER) {
            // Nobody knows how far the counter went meanwhile.
            self.state = State::default();
        }
        if frame.len() < self.needs {
            return Err(Cause::Length);
        }
        self.protection.as_ref().map_or(Ok(()), |protection| protection.check(&mut self.state, frame))
    }
}

impl Target {
    #[inline]
    fn convert(&self, sample: Sample) -> Result<Value, Cause> {
        let raw = sample.raw.as_i64();
        if raw.is_some_and(|raw| self.not_available.contains(&raw)) {
            return Err(Cause::NotAvailable);
        }
        match &self.conversion {
            Conversion::Float { scale, offset } => self.in_range(sample.physical * scale + offset).map(Value::Float),
            Conversion::Int { scale, offset } => {
                let number = self.in_range((sample.physical * scale + offset).round())?;
                #[expect(clippy::cast_possible_truncation, reason = "whole and, in range, of at most 32 bits")]
                let number = number as i64;
                Ok(Value::Int(number))
            }
            Conversion::Switch => match raw {
                Some(0) => Ok(Value::Bool(false)),
                Some(1) => Ok(Value::Bool(true)),
                _ => Err(Cause::Unmapped),
            },
            Conversion::Map(pairs) => {
                let found = raw.and_then(|raw| pairs.binary_search_by_key(&raw, |(key, _)| *key).ok());
                found.and_then(|index| pairs.get(index)).map(|(_, value)| *value).ok_or(Cause::Unmapped)
            }
        }
    }

    /// Not a number is in no range.
    fn in_range(&self, number: f64) -> Result<f64, Cause> {
        let (min, max) = self.range;
        if number >= min && number <= max { Ok(number) } else { Err(Cause::OutOfRange) }
    }
}

impl Watch {
    const fn new(timeout: Option<Duration>) -> Self {
        Self { timeout, last: MonoTime::ZERO, alive: false, ids: Vec::new() }
    }

    /// A believed frame came; returns when it will be missed if it was not alive before.
    #[inline]
    fn feed(&mut self, now: MonoTime) -> Option<MonoTime> {
        self.last = now;
        if self.alive {
            return None;
        }
        self.alive = true;
        Some(now + self.timeout.unwrap_or(BUS_SILENT_AFTER))
    }
}

fn earliest(left: Option<MonoTime>, right: Option<MonoTime>) -> Option<MonoTime> {
    match (left, right) {
        (Some(left), Some(right)) => Some(left.min(right)),
        (left, right) => left.or(right),
    }
}
