//! The GNSS receiver: bytes in, one judged [`Fix`] per epoch out.
//!
//! ```text
//! bytes ─► stream ─► nmea ─► epoch ─┐
//!             └────► ubx ───────────┴─► plausibility ─► Fix
//! ```
//!
//! [`Receiver::feed`] takes what the port gave, cut anywhere; [`Receiver::poll_fix`] gives the fixes that it completed;
//! [`Receiver::poll_timeout`] says when [`Receiver::handle_timeout`] is to be called though nothing comes. A fix comes
//! with its accuracy, its trust ([`plausibility`]) and, through [`Fix::reading`], with what it says of the wall clock.
//!
//! A receiver that sends UBX NAV-PVT and NMEA says everything twice: while frames come, sentences make no fixes.
//!
//! Memory is bounded: one message of [`stream::BUFFER_LIMIT`] bytes, one epoch, [`QUEUE_LIMIT`] fixes.

pub mod epoch;
mod fix;
mod nmea;
pub mod plausibility;
pub mod stream;
mod ubx;

#[cfg(test)]
mod tests;

use std::collections::VecDeque;
use std::time::Duration;

pub use fix::{ARRIVAL_DELAY_LIMIT, Accuracy, AccuracySource, Fix, FixKind, Position, PositionDoubt, TimeDoubt};

use crate::time::{DATE_FLOOR, MonoTime, WallTime};
use epoch::{Assembler, Draft};
use plausibility::Judge;
use stream::{Message, Stream, StreamCounters};

/// Fixes that wait for [`Receiver::poll_fix`]; then the oldest goes and is counted. Reads of up to 4 KiB, drained each
/// time, never come near: the shortest epoch has more than 70 bytes.
pub const QUEUE_LIMIT: usize = 64;

/// So long after a NAV-PVT frame the sentences make no fixes: the slowest rate that is in use (1 Hz) and some loss.
pub const UBX_PREFERRED: Duration = Duration::from_secs(5);

/// What went through and what did not, since the start.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Counters {
    /// Framing and checksums.
    pub stream: StreamCounters,
    /// Sentences and frames of kinds that we do not read.
    pub ignored: u64,
    /// Sentences and frames with a right checksum and a field that makes no sense.
    pub malformed: u64,
    /// Sentences that came after their epoch had ended.
    pub late: u64,
    /// Epochs of sentences that said again what UBX frames had said.
    pub superseded: u64,
    /// Fixes, believed or not.
    pub fixes: u64,
    /// Fixes with a position that is not believed.
    pub position_doubted: u64,
    /// Fixes with a time that is not believed.
    pub time_doubted: u64,
    /// Fixes that were not fetched in time.
    pub overrun: u64,
}

/// One GNSS receiver. See the module.
#[derive(Debug)]
pub struct Receiver {
    stream: Stream,
    assembler: Assembler,
    output: Output,
}

impl Default for Receiver {
    fn default() -> Self {
        Self::with_date_floor(DATE_FLOOR)
    }
}

impl Receiver {
    /// For recordings: dates from `floor` on are believed.
    #[must_use]
    pub fn with_date_floor(floor: WallTime) -> Self {
        Self {
            stream: Stream::new(),
            assembler: Assembler::new(),
            output: Output {
                judge: Judge::new(floor),
                queue: VecDeque::with_capacity(QUEUE_LIMIT),
                last_ubx: None,
                counters: Counters::default(),
            },
        }
    }

    /// Takes what was read at `now`.
    pub fn feed(&mut self, now: MonoTime, bytes: &[u8]) {
        self.handle_timeout(now);
        let mut rest = bytes;
        while !rest.is_empty() {
            let taken = self.stream.push(now, rest);
            rest = &rest[taken..];
            self.work_off();
        }
        self.assembler.heard(now);
    }

    /// The time of [`Self::poll_timeout`] has come, or not yet: does no harm when called for nothing.
    pub fn handle_timeout(&mut self, now: MonoTime) {
        while self.stream.expire(now) {
            self.work_off();
        }
        self.assembler.expire(now, &mut |draft| self.output.sentences(draft));
    }

    /// When to call [`Self::handle_timeout`].
    #[must_use]
    pub fn poll_timeout(&self) -> Option<MonoTime> {
        match (self.stream.deadline(), self.assembler.deadline()) {
            (Some(stream), Some(epoch)) => Some(stream.min(epoch)),
            (stream, epoch) => stream.or(epoch),
        }
    }

    /// The next fix, oldest first.
    pub fn poll_fix(&mut self) -> Option<Fix> {
        self.output.queue.pop_front()
    }

    /// The port was closed or opened: unfinished messages and epochs are void. What is believed stays.
    pub fn port_changed(&mut self) {
        self.stream.clear();
        self.assembler.clear();
    }

    /// What went through and what did not.
    #[must_use]
    pub fn counters(&self) -> Counters {
        Counters { stream: *self.stream.counters(), late: self.assembler.late(), ..self.output.counters }
    }

    fn work_off(&mut self) {
        let Self { stream, assembler, output } = self;
        while let Some((at, message)) = stream.next() {
            match message {
                Message::Nmea(body) => match nmea::parse(body) {
                    nmea::Parsed::Facts(tag, facts) => {
                        assembler.add(at, tag, &facts, &mut |draft| output.sentences(draft));
                    }
                    nmea::Parsed::Ignored => output.counters.ignored += 1,
                    nmea::Parsed::Malformed => output.counters.malformed += 1,
                },
                Message::Ubx(frame) => match ubx::parse(at, frame) {
                    ubx::Parsed::Fix(fix) => output.frame(fix),
                    ubx::Parsed::Ignored => output.counters.ignored += 1,
                    ubx::Parsed::Malformed => output.counters.malformed += 1,
                },
            }
        }
    }
}

/// Everything behind the two parsers.
#[derive(Debug)]
struct Output {
    judge: Judge,
    queue: VecDeque<Fix>,
    last_ubx: Option<MonoTime>,
    counters: Counters,
}

impl Output {
    fn sentences(&mut self, draft: Draft) {
        if self.last_ubx.is_some_and(|last| draft.fix.at.since(last) < UBX_PREFERRED) {
            self.counters.superseded += 1;
        } else {
            self.finish(draft);
        }
    }

    fn frame(&mut self, fix: Fix) {
        self.last_ubx = Some(fix.at);
        self.finish(Draft { fix, synthetic: false });
    }

    fn finish(&mut self, draft: Draft) {
        let fix = self.judge.judge(draft);
        self.counters.fixes += 1;
        self.counters.position_doubted += u64::from(fix.position_doubt.is_some());
        self.counters.time_doubted += u64::from(fix.time_doubt.is_some());
        if self.queue.len() == QUEUE_LIMIT {
            self.queue.pop_front();
            self.counters.overrun += 1;
        }
        self.queue.push_back(fix);
    }
}
