//! The decode plan: what the databases of one bus say, compiled for speed.
//!
//! Goal: 15 ns for a classic frame with 58 messages and 352 signals loaded, no allocation, no hashing. Therefore an
//! 11-bit identifier is an index into a table, a 29-bit one is found by binary search, a signal is one unaligned
//! load of eight bytes with shift and mask (signals that touch nine bytes, floats and 64-bit unsigned ones take a
//! longer path), and every value of a multiplexor leads, through a table, to a block of signals that was laid out
//! beforehand.
//!
//! What a frame is too short for is reported as [`TooShort`], never as a value; what it is long enough for is decoded,
//! whatever length the database states. Behind a multiplexor that the frame is too short for, nothing is reported,
//! because nobody knows what would have been there. Remote and error frames carry no signals.

mod compile;
mod probe;

use std::ops::Range;

use super::dbc;
use super::frame::{CanId, Frame, FrameKind, MAX_PAYLOAD};

pub use compile::PlanError;
pub use probe::Probe;

/// A message of the plan.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct MessageIx(u32);

impl MessageIx {
    /// Counts from 0 without gaps, in the order of the databases: for tables beside the plan.
    #[must_use]
    pub const fn index(self) -> usize {
        self.0 as usize
    }
}

/// A signal of the plan.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SignalIx(u32);

impl SignalIx {
    /// Counts from 0 without gaps, in the order of the databases: for tables beside the plan.
    #[must_use]
    pub const fn index(self) -> usize {
        self.0 as usize
    }
}

/// The bits of a signal as the number that they are.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Raw {
    /// Unsigned integer.
    Unsigned(u64),
    /// Integer in two's complement.
    Signed(i64),
    /// IEEE 754 single.
    Float(f32),
    /// IEEE 754 double.
    Double(f64),
}

impl Raw {
    /// The number as a key of value tables; none for floats and what exceeds 63 bits.
    #[must_use]
    pub fn as_i64(self) -> Option<i64> {
        match self {
            Self::Unsigned(raw) => i64::try_from(raw).ok(),
            Self::Signed(raw) => Some(raw),
            Self::Float(_) | Self::Double(_) => None,
        }
    }
}

/// A decoded signal.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Sample {
    /// As it was sent.
    pub raw: Raw,
    /// raw × factor + offset. Not finite when a float is not.
    pub physical: f64,
}

/// The frame ends before the signal does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TooShort;

/// How to decode the frames of one bus.
#[derive(Debug, Clone)]
pub struct Plan {
    defs: Vec<dbc::Message>,
    /// By message: the index of its first signal.
    first_signal: Vec<u32>,
    /// By signal: its message.
    message_of: Vec<u32>,
    /// By 11-bit identifier.
    base: Vec<Slot>,
    /// Sorted by 29-bit identifier.
    extended: Vec<(u32, Slot)>,
    /// By family: selectors, sorted, and their messages.
    families: Vec<Vec<(u8, MessageIx)>>,
    /// First the root of each message, by its index; then those behind multiplexors.
    blocks: Vec<Block>,
    ops: Vec<Op>,
    switches: Vec<Switch>,
}

/// What an identifier leads to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Slot {
    Unknown,
    Message(MessageIx),
    /// Several messages, told apart by the first payload byte: an index into the families.
    Family(u32),
}

/// Signals that are there together.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Block {
    ops: Range<u32>,
    switches: Range<u32>,
    /// A frame of so many bytes holds all of them.
    needs: u8,
    /// There are no switches, and all signals are integers within the first eight bytes: two words, loaded once, serve
    /// them all.
    is_plain: bool,
}

/// How to take one signal out of the payload.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Op {
    /// Ones for each bit of the signal, in the lowest bits.
    mask: u64,
    /// The highest bit of `mask` if the signal is signed, else zero.
    sign: u64,
    factor: f64,
    offset: f64,
    signal: SignalIx,
    /// The first byte of the window that holds the signal.
    at: u8,
    /// How far the signal's last bit is above the window's.
    shift: u8,
    /// A frame of so many bytes holds the signal.
    needs: u8,
    form: Form,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Form {
    /// Integer within eight bytes, Intel order, that fits an `i64`.
    Little,
    /// The same in Motorola order.
    Big,
    /// Anything else.
    Other { big: bool, kind: dbc::Kind },
}

/// Chooses a block by the raw value of a multiplexor.
#[derive(Debug, Clone, PartialEq)]
struct Switch {
    multiplexor: Op,
    table: Table,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Table {
    /// By value; [`NO_BLOCK`] where nothing is chosen.
    Direct(Vec<u32>),
    /// Ranges of values, inclusive, sorted, that do not meet, and their blocks.
    Ranges(Vec<(u64, u64, u32)>),
}

const NO_BLOCK: u32 = u32::MAX;

impl Plan {
    /// Compiles the databases of one bus. Only signals that are `wanted` are decoded; the messages are all known.
    pub fn compile(
        databases: &[&dbc::Dbc],
        wanted: impl Fn(&dbc::Message, &dbc::Signal) -> bool,
    ) -> Result<Self, PlanError> {
        compile::compile(databases, &wanted)
    }

    /// The message that this frame is; none when the databases do not know it, and for remote and error frames.
    #[must_use]
    #[inline]
    pub fn message(&self, frame: &Frame) -> Option<MessageIx> {
        if matches!(frame.kind(), FrameKind::Remote | FrameKind::Error) {
            return None;
        }
        match self.slot(frame.id()) {
            Slot::Message(message) => Some(message),
            Slot::Unknown => None,
            Slot::Family(family) => self.select(family, frame),
        }
    }

    /// Decodes the wanted signals of a frame that is known to be `message`; multiplexed ones only if they are there.
    /// Signals outside of multiplexors come first; within that, the order is the database's.
    #[inline]
    pub fn decode_message(
        &self,
        message: MessageIx,
        frame: &Frame,
        mut sink: impl FnMut(SignalIx, Result<Sample, TooShort>),
    ) {
        let block = &self.blocks[message.index()];
        // The common case is kept so small that it is compiled together with the sink.
        if block.is_plain && frame.len() >= usize::from(block.needs) {
            let little = window(frame.padded(), 0);
            let big = little.swap_bytes();
            for op in &self.ops[block.ops.start as usize..block.ops.end as usize] {
                let window = if op.form == Form::Big { big } else { little };
                sink(op.signal, Ok(op.integer(window)));
            }
        } else {
            self.decode_block(block, frame, &mut sink);
        }
    }

    /// Looks the message up and decodes it; none as in [`Self::message`].
    #[inline]
    pub fn decode(&self, frame: &Frame, sink: impl FnMut(SignalIx, Result<Sample, TooShort>)) -> Option<MessageIx> {
        let message = self.message(frame)?;
        self.decode_message(message, frame, sink);
        Some(message)
    }

    /// All messages, in the order of the databases.
    pub fn messages(&self) -> impl Iterator<Item = (MessageIx, &dbc::Message)> {
        (0..).map(MessageIx).zip(&self.defs)
    }

    /// What the database says of a message.
    #[must_use]
    pub fn message_def(&self, message: MessageIx) -> &dbc::Message {
        &self.defs[message.index()]
    }

    /// What the database says of a signal.
    #[must_use]
    pub fn signal_def(&self, signal: SignalIx) -> (&dbc::Message, &dbc::Signal) {
        let message = self.message_of[signal.index()];
        let def = &self.defs[message as usize];
        (def, &def.signals[(signal.0 - self.first_signal[message as usize]) as usize])
    }

    /// How many signals there are, wanted or not.
    #[must_use]
    pub fn signal_count(&self) -> usize {
        self.message_of.len()
    }

    /// The message with that name.
    #[must_use]
    pub fn find_message(&self, name: &str) -> Option<MessageIx> {
        self.messages().find(|(_, def)| def.name == name).map(|(message, _)| message)
    }

    /// The signal with that name in that message.
    #[must_use]
    pub fn find_signal(&self, message: MessageIx, name: &str) -> Option<SignalIx> {
        let position = self.message_def(message).signals.iter().position(|signal| signal.name == name)?;
        Some(SignalIx(self.first_signal[message.index()] + u32::try_from(position).ok()?))
    }

    #[inline]
    fn slot(&self, id: CanId) -> Slot {
        if id.is_extended() {
            self.extended
                .binary_search_by_key(&id.raw(), |(id, _)| *id)
                .map_or(Slot::Unknown, |found| self.extended[found].1)
        } else {
            self.base.get(id.raw() as usize).copied().unwrap_or(Slot::Unknown)
        }
    }

    /// The member of a family that the first byte selects.
    #[inline(never)]
    fn select(&self, family: u32, frame: &Frame) -> Option<MessageIx> {
        let selector = frame.payload().first()?;
        let members = self.families.get(family as usize)?;
        let found = members.binary_search_by_key(selector, |(value, _)| *value).ok()?;
        members.get(found).map(|(_, message)| *message)
    }

    /// Any block: of short frames, with multiplexors, floats, and signals beyond the first eight bytes.
    #[inline(never)]
    fn decode_block(&self, block: &Block, frame: &Frame, sink: &mut impl FnMut(SignalIx, Result<Sample, TooShort>)) {
        for op in &self.ops[block.ops.start as usize..block.ops.end as usize] {
            let enough = frame.len() >= usize::from(op.needs);
            sink(op.signal, if enough { Ok(op.sample(frame.padded())) } else { Err(TooShort) });
        }
        for switch in &self.switches[block.switches.start as usize..block.switches.end as usize] {
            if frame.len() >= usize::from(switch.multiplexor.needs)
                && let Some(chosen) = switch.table.find(switch.multiplexor.bits(frame.padded()))
            {
                self.decode_block(&self.blocks[chosen as usize], frame, sink);
            }
        }
    }
}

impl Table {
    fn find(&self, value: u64) -> Option<u32> {
        match self {
            Self::Direct(blocks) => {
                let block = usize::try_from(value).ok().and_then(|value| blocks.get(value));
                block.copied().filter(|block| *block != NO_BLOCK)
            }
            Self::Ranges(ranges) => {
                let (_, high, block) = ranges[..ranges.partition_point(|(low, _, _)| *low <= value)].last()?;
                (value <= *high).then_some(*block)
            }
        }
    }
}

impl Op {
    #[inline]
    fn sample(&self, data: &[u8; MAX_PAYLOAD]) -> Sample {
        match self.form {
            Form::Little => self.integer(window(data, self.at)),
            Form::Big => self.integer(window(data, self.at).swap_bytes()),
            Form::Other { kind, .. } => self.other(kind, data),
        }
    }

    /// Sign extension without a branch: flipping the sign bit and taking it off again borrows through all upper bits.
    #[inline]
    #[expect(clippy::cast_possible_wrap, reason = "the bit pattern is meant")]
    #[expect(clippy::cast_precision_loss, reason = "physical values are doubles; the raw value stays exact")]
    fn integer(&self, window: u64) -> Sample {
        let bits = (window >> self.shift) & self.mask;
        let value = (bits ^ self.sign).wrapping_sub(self.sign) as i64;
        let raw = if self.sign == 0 { Raw::Unsigned(value.cast_unsigned()) } else { Raw::Signed(value) };
        Sample { raw, physical: value as f64 * self.factor + self.offset }
    }

    #[inline(never)]
    #[expect(clippy::cast_possible_truncation, reason = "a float has 32 bits: the database was checked")]
    #[expect(clippy::cast_possible_wrap, reason = "the bit pattern is meant")]
    #[expect(clippy::cast_precision_loss, reason = "physical values are doubles; the raw value stays exact")]
    fn other(&self, kind: dbc::Kind, data: &[u8; MAX_PAYLOAD]) -> Sample {
        let bits = self.bits(data);
        let (raw, number) = match kind {
            dbc::Kind::Unsigned => (Raw::Unsigned(bits), bits as f64),
            dbc::Kind::Signed => {
                let value = (bits ^ self.sign).wrapping_sub(self.sign) as i64;
                (Raw::Signed(value), value as f64)
            }
            dbc::Kind::Float => {
                let value = f32::from_bits(bits as u32);
                (Raw::Float(value), f64::from(value))
            }
            dbc::Kind::Double => {
                let value = f64::from_bits(bits);
                (Raw::Double(value), value)
            }
        };
        Sample { raw, physical: number * self.factor + self.offset }
    }

    /// The signal's bits, not extended.
    #[expect(clippy::cast_possible_truncation, reason = "the mask has 64 bits at most")]
    fn bits(&self, data: &[u8; MAX_PAYLOAD]) -> u64 {
        match self.form {
            Form::Little => (window(data, self.at) >> self.shift) & self.mask,
            Form::Big => (window(data, self.at).swap_bytes() >> self.shift) & self.mask,
            Form::Other { big, .. } => {
                let window = wide_window(data, self.at);
                let window = if big { window.swap_bytes() } else { window };
                (window >> self.shift) as u64 & self.mask
            }
        }
    }
}

/// Eight bytes of the payload, the first one lowest.
#[inline]
fn window(data: &[u8; MAX_PAYLOAD], at: u8) -> u64 {
    let at = usize::from(at).min(MAX_PAYLOAD - 8);
    let mut bytes = [0; 8];
    bytes.copy_from_slice(&data[at..at + 8]);
    u64::from_le_bytes(bytes)
}

/// Sixteen bytes of the payload, the first one lowest.
fn wide_window(data: &[u8; MAX_PAYLOAD], at: u8) -> u128 {
    let at = usize::from(at).min(MAX_PAYLOAD - 16);
    let mut bytes = [0; 16];
    bytes.copy_from_slice(&data[at..at + 16]);
    u128::from_le_bytes(bytes)
}

#[cfg(test)]
mod tests;
