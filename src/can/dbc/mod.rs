//! CAN databases: what the frames of a bus mean.
//!
//! A DBC file is cut into statements ([`text`]), each is parsed by itself by the `can-dbc` crate and put into our
//! model ([`build`]), and the model is checked as a whole ([`check`]). Because statements are parsed one by one, a
//! wrong file gets every error at once, each with its line, and no error hides another.
//!
//! Real files are not clean: of the ten that the tests read, four hold signals that overlap and one holds signals outside
//! their message's length. What has one clear meaning is therefore a *warning* (such a signal is decoded from frames
//! that are long enough for it, and only from those); what could give a wrong value is an *error*, and the file is
//! refused.
//!
//! Bytes that are not UTF-8 are read as Windows-1252, which the editors of DBC files write.
//!
//! Identifiers: bit 31 marks 29-bit ones. opendbc's form `0x40000000 | mux << 16 | id` is one of several messages
//! that share an 11-bit identifier and are told apart by the first payload byte, which equals `mux`: see
//! [`Message::selector`]. `VECTOR__INDEPENDENT_SIG_MSG` (0xC0000000) is the editor's place for signals without a
//! message and is passed over.

mod build;
mod check;
mod finding;
mod text;

use crate::can::frame::CanId;

pub use finding::{Finding, Findings, Problem};

/// Larger files are refused. The largest one that the tests read has 0.4 MB.
pub const MAX_FILE_BYTES: usize = 16 << 20;
/// More signals in one message are refused: checking for overlap looks at each pair. A frame has 512 bits; only
/// multiplexing needs more signals than that.
pub const MAX_SIGNALS_PER_MESSAGE: usize = 4096;
/// Multiplexors within multiplexors, at most. A frame has 64 bytes, and two levels are already rare.
pub const MAX_MUX_DEPTH: usize = 8;
/// Ranges of multiplexor values that choose one signal, at most: as many as a byte has values.
pub const MAX_MUX_RANGES: usize = 256;
/// So many errors, and so many warnings, are kept; the rest is counted.
pub const MAX_FINDINGS: usize = 200;

/// A checked database.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Dbc {
    /// In the order of the file.
    pub messages: Vec<Message>,
    /// What looks wrong but has one clear meaning.
    pub warnings: Findings,
}

/// A frame with a name.
#[derive(Debug, Clone, PartialEq)]
pub struct Message {
    /// Where it stands in the file.
    pub line: usize,
    /// The identifier on the wire.
    pub id: CanId,
    /// Several messages share the identifier; this is the one whose first payload byte has this value.
    pub selector: Option<u8>,
    /// Unique in the file.
    pub name: String,
    /// Payload length in bytes, 0 to 64.
    pub size: u8,
    /// The sending node, if the file names one.
    pub sender: Option<String>,
    /// Attribute `GenMsgCycleTime`; none when zero or absent.
    pub cycle_time_ms: Option<u32>,
    /// In the order of the file.
    pub signals: Vec<Signal>,
}

/// A number with a place in a message.
#[derive(Debug, Clone, PartialEq)]
pub struct Signal {
    /// Where it stands in the file.
    pub line: usize,
    /// Unique in the message.
    pub name: String,
    /// Start bit as DBC counts: the least significant bit in Intel, the most significant bit in Motorola order; bit 0
    /// is the least significant bit of byte 0.
    pub start: u16,
    /// Length in bits, 1 to 64.
    pub length: u8,
    /// Intel or Motorola.
    pub byte_order: ByteOrder,
    /// How the bits are to be read.
    pub kind: Kind,
    /// physical = raw × factor + offset.
    pub factor: f64,
    /// physical = raw × factor + offset.
    pub offset: f64,
    /// Smallest physical value; with `max` equal, no range is stated.
    pub min: f64,
    /// Largest physical value.
    pub max: f64,
    /// As written.
    pub unit: String,
    /// Value table, sorted by raw value.
    pub labels: Vec<(i64, String)>,
    /// When the signal is there; none for always.
    pub mux: Option<Mux>,
}

/// The order of the bytes of a signal.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ByteOrder {
    /// Intel, `@1`.
    LittleEndian,
    /// Motorola, `@0`.
    BigEndian,
}

/// How the bits of a signal are to be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Unsigned integer.
    Unsigned,
    /// Integer in two's complement.
    Signed,
    /// IEEE 754 single (`SIG_VALTYPE_` 1).
    Float,
    /// IEEE 754 double (`SIG_VALTYPE_` 2).
    Double,
}

/// A signal is there only while its multiplexor has certain raw values.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mux {
    /// Index of the multiplexor in [`Message::signals`].
    pub multiplexor: usize,
    /// Inclusive ranges of its raw value.
    pub ranges: Vec<(u64, u64)>,
}

impl Dbc {
    /// Reads a file's bytes: the whole database, or everything that is wrong with it.
    pub fn parse(bytes: &[u8]) -> Result<Self, Findings> {
        let mut errors = Findings::default();
        let mut warnings = Findings::default();
        if bytes.len() > MAX_FILE_BYTES {
            errors.add(Finding::of_line(1, Problem::FileTooLarge(bytes.len())));
            return Err(errors);
        }
        let text = text::decode(bytes);
        let messages = build::build(&text, &mut errors, &mut warnings);
        check::check(&messages, &mut errors, &mut warnings);
        if errors.is_empty() {
            Ok(Self { messages, warnings })
        } else {
            errors.sort();
            Err(errors)
        }
    }

    /// The message with that name.
    #[must_use]
    pub fn message(&self, name: &str) -> Option<&Message> {
        self.messages.iter().find(|message| message.name == name)
    }
}

impl Message {
    /// The signal with that name.
    #[must_use]
    pub fn signal(&self, name: &str) -> Option<&Signal> {
        self.signals.iter().find(|signal| signal.name == name)
    }
}

impl Signal {
    /// The first bit when bits are counted along the wire order of the signal's byte order: Intel from the least
    /// significant bit of byte 0, Motorola from the most significant bit of byte 0.
    #[must_use]
    pub fn first_bit(&self) -> u16 {
        match self.byte_order {
            ByteOrder::LittleEndian => self.start,
            ByteOrder::BigEndian => self.start ^ 7,
        }
    }

    /// How many payload bytes a frame must have to hold the signal.
    #[must_use]
    pub fn needs_bytes(&self) -> usize {
        (usize::from(self.first_bit()) + usize::from(self.length)).div_ceil(8)
    }

    /// The text of a raw value in the value table.
    #[must_use]
    pub fn label(&self, raw: i64) -> Option<&str> {
        let index = self.labels.binary_search_by_key(&raw, |(value, _)| *value).ok()?;
        self.labels.get(index).map(|(_, text)| text.as_str())
    }
}

#[cfg(test)]
mod tests;
