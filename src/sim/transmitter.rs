//! One message of one control unit on its way to the bus: when it is due, its bits, its counter and checksum.

use std::collections::BTreeSet;
use std::time::Duration;

use crate::can::dbc::{Dbc, Message};
use crate::can::e2e::{Checksum, Counter, DataIdMode, Field, Protection, ProtectionError, State};
use crate::can::encode::EncodeError;
use crate::can::{BusId, Frame, FrameKind};
use crate::time::MonoTime;

use super::body::Lamp;
use super::car::Fault;
use super::ecu::{Duty, Guard, Sender};
use super::sheet::Sheet;
use super::truth::Noise;
use super::world::World;

/// A frame is late by up to this share of its period, or by up to [`LATEST`], whatever is less.
const LATE_SHARE: u32 = 20;
const LATEST: Duration = Duration::from_micros(500);
/// No message has more pages.
const PAGES: usize = 5;
/// Counter steps that a receiver shall accept; of no meaning to the sender.
const MAX_STEP: u16 = 3;
/// Bits of a classic frame beside payload and identifier extension, with the gap behind it and usual stuffing.
const CLASSIC_BITS: u32 = 52;
const EXTENSION_BITS: u32 = 20;

/// Why a message of the simulated car cannot be sent: the profile `demo-phev` and the car do not fit each other. Its
/// author must act.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum SendError {
    /// The car sends on a bus that the profile does not have.
    #[error("the simulated car sends on bus {0}, which the profile does not have")]
    NoBus(u8),
    /// A DBC file of the profile is wrong.
    #[error("a DBC file of the profile demo-phev is wrong: {0}")]
    Database(String),
    /// The car sends a message that no DBC file has, or one without a period.
    #[error("the DBC files of the profile demo-phev have no message {0} with a GenMsgCycleTime")]
    Message(&'static str),
    /// The counter of a message is not where it must be.
    #[error("message {0} of the profile demo-phev has no usable counter signal")]
    Counter(&'static str),
    /// Checksum or counter do not fit the message.
    #[error("message {0} of the profile demo-phev cannot be protected: {1}")]
    Protection(&'static str, ProtectionError),
    /// The car puts something into a message that does not go into it.
    #[error("message {0} of the profile demo-phev cannot be filled: {1}")]
    Content(&'static str, EncodeError),
}

/// What is wrong with the frames of one message at present.
#[derive(Debug, Default)]
pub(super) struct Failure {
    silent: bool,
    wrong_checksum: bool,
    frozen_counter: bool,
    not_available: Vec<&'static str>,
}

impl Failure {
    pub(super) fn of(transmitter: &Transmitter, faults: &BTreeSet<Fault>) -> Self {
        let mut failure = Self::default();
        for fault in faults {
            match fault {
                Fault::SilentBus(bus) => failure.silent |= *bus == transmitter.bus,
                Fault::SilentMessage(name) => failure.silent |= *name == transmitter.sender.message,
                Fault::WrongChecksum(name) => failure.wrong_checksum |= *name == transmitter.sender.message,
                Fault::FrozenCounter(name) => failure.frozen_counter |= *name == transmitter.sender.message,
                Fault::NotAvailable(name) => failure.not_available.push(name),
                Fault::Lamp(..) | Fault::NoGnss => {}
            }
        }
        failure
    }
}

/// The sender of one message.
#[derive(Debug)]
pub(super) struct Transmitter {
    sender: Sender,
    bus: BusId,
    message: Message,
    kind: FrameKind,
    period: Duration,
    time_on_bus: Duration,
    protection: Option<Protection>,
    state: State,
    turn: usize,
    /// When the next frame should come, and when it will.
    schedule: Option<(MonoTime, MonoTime)>,
}

impl Transmitter {
    pub(super) fn new(sender: &Sender, bus: &Bus, database: &Dbc) -> Result<Self, SendError> {
        let name = sender.message;
        let message = database.message(name).ok_or(SendError::Message(name))?.clone();
        let period_ms = message.cycle_time_ms.ok_or(SendError::Message(name))?;
        let protection = protection(sender, &message)?;
        Ok(Self {
            sender: *sender,
            bus: BusId(sender.bus),
            kind: if bus.fd { FrameKind::Fd { brs: true, esi: false } } else { FrameKind::Data },
            period: Duration::from_millis(u64::from(period_ms)),
            time_on_bus: bus.time_of(&message),
            message,
            protection,
            state: State::default(),
            turn: 0,
            schedule: None,
        })
    }

    pub(super) fn duty(&self) -> Duty {
        self.sender.duty
    }

    pub(super) fn bus(&self) -> BusId {
        self.bus
    }

    pub(super) fn bus_index(&self) -> usize {
        usize::from(self.bus.0)
    }

    pub(super) fn due(&self) -> Option<MonoTime> {
        self.schedule.map(|(_, at)| at)
    }

    pub(super) fn time_on_bus(&self) -> Duration {
        self.time_on_bus
    }

    /// The control unit is awake, or not. One that wakes begins at a phase of its own.
    pub(super) fn switch(&mut self, on: bool, now: MonoTime, phase: u32) {
        match (on, self.schedule) {
            (true, None) => {
                let first = now + self.period * (phase % 16) / 16;
                self.schedule = Some((first, first));
            }
            (false, Some(_)) => (self.schedule, self.state) = (None, State::default()),
            _ => {}
        }
    }

    /// The frame that is due; none when a fault keeps it off the bus.
    pub(super) fn send(
        &mut self,
        world: &World,
        lamps: &[(&'static str, Lamp)],
        failure: &Failure,
        noise: &mut Noise,
    ) -> Option<Frame> {
        let late = LATEST.min(self.period / LATE_SHARE).mul_f64(noise.unit());
        self.schedule = self.schedule.map(|(due, _)| (due + self.period, due + self.period + late));
        let mut sheet = Sheet::new(&self.message, lamps, self.turn, noise);
        (self.sender.fill)(world, &mut sheet);
        failure.not_available.iter().for_each(|name| sheet.not_available(name));
        let mut payload = sheet.finish().ok().filter(|_| !failure.silent)?;
        self.turn = self.turn.wrapping_add(1);
        self.protect(&mut payload, failure);
        Frame::new(self.message.id, self.kind, &payload)
    }

    /// Fills every page once for nothing: what would keep a frame off the bus later is an error now.
    pub(super) fn rehearse(&self, world: &World, noise: &mut Noise) -> Result<(), SendError> {
        for turn in 0..PAGES {
            let mut sheet = Sheet::new(&self.message, &[], turn, noise);
            (self.sender.fill)(world, &mut sheet);
            sheet.finish().map_err(|error| SendError::Content(self.sender.message, error))?;
        }
        Ok(())
    }

    fn protect(&mut self, payload: &mut [u8], failure: &Failure) {
        let Some(protection) = &self.protection else { return };
        let mut state = self.state;
        protection.protect(&mut state, self.message.id, payload);
        if !failure.frozen_counter {
            self.state = state;
        }
        let checksum = if self.sender.guard == Guard::Toyota { payload.last_mut() } else { payload.first_mut() };
        if let Some(byte) = checksum.filter(|_| failure.wrong_checksum) {
            *byte ^= 0x55;
        }
    }
}

/// What a bus is like.
#[derive(Debug, Clone, Copy)]
pub(super) struct Bus {
    pub fd: bool,
    pub bit_ns: u32,
    pub data_bit_ns: u32,
}

impl Bus {
    /// How long a frame occupies the bus.
    fn time_of(&self, message: &Message) -> Duration {
        let extension = if message.id.is_extended() { EXTENSION_BITS } else { 0 };
        let data = u32::from(message.size) * 8;
        let bits = u64::from(CLASSIC_BITS + extension) * u64::from(self.bit_ns);
        Duration::from_nanos(bits + u64::from(data) * u64::from(self.data_bit_ns))
    }
}

fn protection(sender: &Sender, message: &Message) -> Result<Option<Protection>, SendError> {
    let name = sender.message;
    let made = match sender.guard {
        Guard::None => return Ok(None),
        Guard::E2e1(data_id) => Protection::profile_1(message.size, data_id, DataIdMode::Both, MAX_STEP),
        Guard::E2e2(first) => {
            let data_ids = std::array::from_fn(|index| first + u8::try_from(index).unwrap_or(0));
            Protection::profile_2(message.size, data_ids, MAX_STEP)
        }
        Guard::Toyota => {
            let signal = message.signal(&format!("{name}_Counter")).ok_or(SendError::Counter(name))?;
            let field = Field::of_signal(signal).ok_or(SendError::Counter(name))?;
            Counter::new(field, 16, MAX_STEP)
                .and_then(|counter| Protection::new(message.size, Some(Checksum::Toyota), Some(counter)))
        }
    };
    made.map(Some).map_err(|error| SendError::Protection(name, error))
}
