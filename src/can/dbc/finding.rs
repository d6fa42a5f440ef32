//! What is wrong with a database, said so that its author can mend it.

use std::fmt;

use super::{MAX_FILE_BYTES, MAX_FINDINGS, MAX_MUX_DEPTH, MAX_MUX_RANGES, MAX_SIGNALS_PER_MESSAGE};

/// One thing that is wrong, and where. The author of the file must act.
#[derive(Debug, Clone, PartialEq)]
pub struct Finding {
    /// Counted from 1.
    pub line: usize,
    /// The message it is about; empty when it is about none.
    pub message: String,
    /// The signal it is about; empty when it is about none.
    pub signal: String,
    /// What is wrong and what to do.
    pub problem: Problem,
}

impl Finding {
    pub(super) fn of_line(line: usize, problem: Problem) -> Self {
        Self { line, message: String::new(), signal: String::new(), problem }
    }

    pub(super) fn of_message(line: usize, message: &str, problem: Problem) -> Self {
        Self { line, message: message.to_owned(), signal: String::new(), problem }
    }

    pub(super) fn of_signal(line: usize, message: &str, signal: &str, problem: Problem) -> Self {
        Self { line, message: message.to_owned(), signal: signal.to_owned(), problem }
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "line {}", self.line)?;
        if !self.message.is_empty() {
            write!(f, ", message {}", self.message)?;
        }
        if !self.signal.is_empty() {
            write!(f, ", signal {}", self.signal)?;
        }
        write!(f, ": {}", self.problem)
    }
}

/// The kinds of wrong. In all of them the author of the file must act.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum Problem {
    /// Nothing of the file was read.
    #[error("the file has {0} bytes, the limit is {MAX_FILE_BYTES}: leave out the messages that are not needed")]
    FileTooLarge(usize),
    /// The statement is not DBC; it was left out of all other checks.
    #[error("not understood: {reason}, in `{near}`: correct the statement")]
    Syntax {
        /// What the parser expected.
        reason: String,
        /// The line at which it stopped.
        near: String,
    },
    /// A comment or attribute runs to the end of the file.
    #[error("a text in quotes is not closed: add the missing quote")]
    OpenQuote,
    /// A line stands before the first statement, or a signal before the first message.
    #[error("belongs to no statement or message: remove it, or put it where it belongs")]
    Stray,
    /// The identifier is neither an 11-bit, a 29-bit nor an opendbc multiplexed one.
    #[error(
        "{0} is no identifier: 11-bit ones go up to 2047, 29-bit ones have bit 31 set (add 2147483648), \
         opendbc's multiplexed ones are 0x40000000 | mux << 16 | id"
    )]
    Identifier(String),
    /// CAN FD ends at 64 bytes.
    #[error("{0} bytes are more than a frame holds: at most 64")]
    Size(u64),
    /// A message without payload has signals.
    #[error("has signals but a length of 0 bytes: state the length")]
    Empty,
    /// Another message has the same identifier.
    #[error("has the identifier of {name} in line {line}: remove one")]
    RepeatedIdentifier {
        /// The first of the two.
        name: String,
        /// Where it stands.
        line: usize,
    },
    /// Another message has the same name.
    #[error("the name is used in line {0} already: rename one")]
    RepeatedMessage(usize),
    /// Another signal of the message has the same name.
    #[error("the name is used in line {0} already: rename one")]
    RepeatedSignal(usize),
    /// The limit is there because overlap is checked in pairs.
    #[error("has more than {MAX_SIGNALS_PER_MESSAGE} signals: split the message or leave out what is not needed")]
    TooManySignals,
    /// Raw values have 64 bits at most.
    #[error("has a length of {0} bits: it must be 1 to 64")]
    Length(u64),
    /// Beyond byte 64.
    #[error("ends at bit {0} of the frame, which has 512 at most: correct start or length")]
    OutsideFrame(u64),
    /// The message's stated length is too small for it. Only decoded from frames that are longer than that.
    #[error("needs {needs} bytes, the message states {size}: correct start, length or the message's length")]
    OutsideMessage {
        /// Bytes up to the signal's end.
        needs: usize,
        /// Bytes stated.
        size: u8,
    },
    /// The same bits mean two things at the same time. Both are decoded.
    #[error("overlaps {0}: correct start or length of one of them, or multiplex them")]
    Overlap(String),
    /// The factor cannot be inverted, or the offset is no number.
    #[error("factor {factor} and offset {offset} give no usable value: the factor must not be 0, both must be finite")]
    Scale {
        /// As written.
        factor: f64,
        /// As written.
        offset: f64,
    },
    /// The range excludes every value. It is taken as not stated.
    #[error("the smallest value {min} is above the largest {max}: swap them")]
    Range {
        /// As written.
        min: f64,
        /// As written.
        max: f64,
    },
    /// `SIG_VALTYPE_` 1 needs 32 bits, 2 needs 64.
    #[error("is a float of {0} bits: SIG_VALTYPE_ 1 needs 32, 2 needs 64")]
    FloatLength(u8),
    /// A statement names a message that the file does not have. The statement is passed over.
    #[error("{0} names a message that is not there: remove the statement or correct the identifier")]
    UnknownMessage(&'static str),
    /// A statement names a signal that the message does not have. The statement is passed over.
    #[error("{0} names a signal that is not there: remove the statement or correct the name")]
    UnknownSignal(&'static str),
    /// The signal is multiplexed and there is nothing to choose it by.
    #[error("is multiplexed, but the message has no multiplexor (`M`) for it: mark the multiplexor")]
    NoMultiplexor,
    /// The signal is multiplexed and several multiplexors could be meant.
    #[error("is multiplexed, and the message has several multiplexors: say which with SG_MUL_VAL_")]
    AmbiguousMultiplexor,
    /// `SG_MUL_VAL_` names something as multiplexor that is none.
    #[error("its multiplexor {0} is not marked as one: mark it with `M`, or `m<value>M`")]
    NotAMultiplexor(String),
    /// A multiplexor can only be an integer.
    #[error("is a multiplexor and a float: a multiplexor must be an integer")]
    FloatMultiplexor,
    /// A multiplexed signal that is chosen, through others, by itself.
    #[error("is chosen by itself, through its multiplexors: break the circle")]
    MuxCycle,
    /// The limit bounds the plan and the depth of the decoder's calls.
    #[error("is nested deeper than {MAX_MUX_DEPTH} multiplexors: flatten the message")]
    MuxDepth,
    /// The limit is there because ranges are compared in pairs.
    #[error("is chosen by more than {MAX_MUX_RANGES} ranges: join those that meet")]
    TooManyMuxRanges,
    /// A range of multiplexor values that holds none.
    #[error("the multiplexor range {0}-{1} is empty: swap the bounds")]
    MuxRange(u64, u64),
}

/// A list of findings that cannot grow without end.
#[derive(Debug, Clone, PartialEq, Default, thiserror::Error)]
pub struct Findings {
    list: Vec<Finding>,
    more: usize,
}

impl Findings {
    pub(super) fn add(&mut self, finding: Finding) {
        if self.list.len() < MAX_FINDINGS {
            self.list.push(finding);
        } else {
            self.more += 1;
        }
    }

    pub(super) fn sort(&mut self) {
        self.list.sort_by_key(|finding| finding.line);
    }

    /// Those that were kept.
    pub fn iter(&self) -> impl Iterator<Item = &Finding> {
        self.list.iter()
    }

    /// How many were found, including those that were not kept.
    #[must_use]
    pub fn len(&self) -> usize {
        self.list.len() + self.more
    }

    /// Whether nothing was found.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.list.is_empty()
    }
}

/// One finding a line.
impl fmt::Display for Findings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, finding) in self.list.iter().enumerate() {
            let separator = if index == 0 { "" } else { "\n" };
            write!(f, "{separator}{finding}")?;
        }
        if self.more > 0 {
            write!(f, "\nand {} more", self.more)?;
        }
        Ok(())
    }
}
