//! One record while it is being written: what of the rings is on disk already, and what comes next.

use crate::crash::Verdict;
use crate::time::MonoTime;

use super::block::{Block, Kind, PAYLOAD_MAX};
use super::content::{SAMPLE_BYTES, Start, TimedSample, TimedValue, VALUE_BYTES, encode_data};
use super::header::{CrashId, Slot};
use super::ring::Ring;
use super::{
    AFTER, CALM_PERIOD, PULSE, PULSE_PERIOD, RESERVE_BYTES, SLOT_BYTES, Write, slot_at, time_range, verdict_code,
};

/// Samples and values of one data block; together they fit.
const CHUNK_SAMPLES: u64 = 3_000;
const CHUNK_VALUES: u64 = 500;
const _: () = assert!(CHUNK_SAMPLES * SAMPLE_BYTES + CHUNK_VALUES * VALUE_BYTES <= PAYLOAD_MAX as u64, "one block");

/// Blocks that wait for the file to be opened, or for the disk to answer; above, verdicts and the report are left out and
/// counted. An event has some ten.
const PENDING_MAX: usize = 64;

/// What is kept in RAM.
#[derive(Debug)]
pub(super) struct Rings {
    pub(super) samples: Ring<TimedSample>,
    pub(super) values: Ring<TimedValue>,
}

/// Numbers of samples and values in the rings.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Cursor {
    sample: u64,
    value: u64,
}

impl Cursor {
    fn end(rings: &Rings) -> Self {
        Self { sample: rings.samples.end(), value: rings.values.end() }
    }

    fn at(rings: &Rings, at: MonoTime) -> Self {
        Self {
            sample: rings.samples.partition(|sample| sample.at < at),
            value: rings.values.partition(|value| value.at < at),
        }
    }
}

/// A block other than data, without its place.
#[derive(Debug)]
struct Pending {
    kind: Kind,
    from: MonoTime,
    to: MonoTime,
    payload: Vec<u8>,
}

/// What one turn of writing came to.
#[derive(Debug, Default)]
pub(super) struct Written {
    pub(super) truncated: u64,
    pub(super) is_ended: bool,
}

/// See the module's documentation.
#[derive(Debug)]
pub(super) struct Open {
    pub(super) crash: CrashId,
    /// The slot's index, once it has one.
    pub(super) place: Option<usize>,
    /// What the table is to say, until it has a place.
    pub(super) slot: Slot,
    pub(super) has_report: bool,
    pub(super) is_refused_lock: bool,
    /// When it began, until its first block is asked for: nothing is published before that one is on disk.
    pub(super) holds: Option<MonoTime>,
    record: u32,
    sequence: u32,
    /// Bytes of the slot that are taken.
    used: usize,
    pending: Vec<Pending>,
    /// Where the record begins.
    begin: Cursor,
    /// What is older than this is still to be written, from here down to `begin`.
    old: Cursor,
    /// What is newer is still to be written.
    new: Cursor,
    /// Where it ends, once it is closing.
    end: Option<Cursor>,
    impacts: u8,
    last_contact: MonoTime,
    closes: MonoTime,
    next: MonoTime,
    is_ended: bool,
}

impl Open {
    /// A record that reaches back to `begins`, and whose first block to `lead`.
    pub(super) fn new(
        start: &Start,
        slot: Slot,
        rings: &Rings,
        (begins, lead): (MonoTime, MonoTime),
        verdict: &Verdict,
    ) -> Self {
        let pulse = Cursor::at(rings, lead);
        let now = start.suspected;
        Self {
            crash: start.crash,
            place: None,
            slot,
            has_report: false,
            is_refused_lock: false,
            holds: Some(now),
            record: 0,
            sequence: 0,
            used: 0,
            pending: vec![Pending { kind: Kind::Start, from: begins, to: now, payload: start.encode() }],
            begin: Cursor::at(rings, begins),
            old: pulse,
            new: pulse,
            end: None,
            impacts: verdict.impacts,
            last_contact: verdict.contact,
            closes: verdict.contact + AFTER,
            next: now,
            is_ended: false,
        }
    }

    pub(super) const fn settle_in(&mut self, index: usize, record: u32) {
        self.place = Some(index);
        self.record = record;
    }

    /// Another word on this event; false when there was no room for it.
    #[must_use]
    pub(super) fn hear(&mut self, verdict: &Verdict) -> bool {
        if verdict.impacts > self.impacts || verdict.contact > self.last_contact {
            self.impacts = verdict.impacts;
            self.last_contact = verdict.at;
            self.closes = self.closes.max(verdict.at + AFTER);
            self.write_by(verdict.at);
        }
        self.push(Kind::Verdict, verdict.at, verdict_code::encode(verdict))
    }

    /// Its report was made; false when there was no room for it.
    #[must_use]
    pub(super) fn take_report(&mut self, now: MonoTime, bytes: Vec<u8>) -> bool {
        self.has_report = true;
        self.push(Kind::Report, now, bytes)
    }

    fn push(&mut self, kind: Kind, at: MonoTime, payload: Vec<u8>) -> bool {
        let has_room = self.pending.len() < PENDING_MAX && payload.len() <= PAYLOAD_MAX;
        if has_room {
            self.pending.push(Pending { kind, from: at, to: at, payload });
        }
        has_room
    }

    pub(super) fn close_at(&mut self, at: MonoTime) {
        self.closes = self.closes.min(at);
        self.write_by(at);
    }

    /// What there is by then is written then.
    pub(super) fn write_by(&mut self, at: MonoTime) {
        self.next = self.next.min(at);
    }

    pub(super) const fn is_closing(&self) -> bool {
        self.end.is_some()
    }

    pub(super) const fn is_ended(&self) -> bool {
        self.is_ended
    }

    /// When there is something to write.
    pub(super) fn due(&self) -> MonoTime {
        if self.pending.is_empty() && self.old == self.begin { self.next.min(self.closes) } else { MonoTime::ZERO }
    }

    /// Adds what is due to the writes.
    pub(super) fn write(&mut self, now: MonoTime, rings: &Rings, writes: &mut Vec<Write>) -> Written {
        let mut written = Written::default();
        if self.place.is_none() {
            return written;
        }
        let is_first = self.sequence == 0;
        for Pending { kind, from, to, payload } in std::mem::take(&mut self.pending) {
            self.put(kind, (from, to), &payload, writes, &mut written);
        }
        if self.closes <= now && self.end.is_none() {
            self.end = Some(Cursor::end(rings));
        }
        if is_first || self.next <= now || self.end.is_some() {
            self.write_new(rings, writes, &mut written);
            self.next = now + if now < self.last_contact + PULSE { PULSE_PERIOD } else { CALM_PERIOD };
        }
        if !is_first {
            self.write_old(rings, writes, &mut written);
        }
        if self.end.is_some() && self.old == self.begin && !self.is_ended {
            self.put(Kind::End, (now, now), &[], writes, &mut written);
            self.is_ended = true;
            written.is_ended = true;
        }
        written
    }

    fn write_new(&mut self, rings: &Rings, writes: &mut Vec<Write>, written: &mut Written) {
        let end = self.end.unwrap_or_else(|| Cursor::end(rings));
        while self.new.sample < end.sample || self.new.value < end.value {
            let from = self.new;
            self.new = Cursor {
                sample: end.sample.min(from.sample + CHUNK_SAMPLES),
                value: end.value.min(from.value + CHUNK_VALUES),
            };
            self.put_data(rings, from, self.new, writes, written);
        }
    }

    fn write_old(&mut self, rings: &Rings, writes: &mut Vec<Write>, written: &mut Written) {
        if self.old == self.begin {
            return;
        }
        let to = self.old;
        self.old = Cursor {
            sample: self.begin.sample.max(to.sample.saturating_sub(CHUNK_SAMPLES)),
            value: self.begin.value.max(to.value.saturating_sub(CHUNK_VALUES)),
        };
        self.put_data(rings, self.old, to, writes, written);
    }

    fn put_data(&mut self, rings: &Rings, from: Cursor, to: Cursor, writes: &mut Vec<Write>, written: &mut Written) {
        let samples = || rings.samples.range(from.sample, to.sample);
        let values = || rings.values.range(from.value, to.value);
        let times = samples().map(|sample| sample.at).chain(values().map(|value| value.at));
        if let Some(range) = time_range(times) {
            self.put(Kind::Data, range, &encode_data(range.0, samples(), values()), writes, written);
        }
    }

    fn put(
        &mut self,
        kind: Kind,
        (from, to): (MonoTime, MonoTime),
        payload: &[u8],
        writes: &mut Vec<Write>,
        written: &mut Written,
    ) {
        let Some(index) = self.place else { return };
        let block = Block { kind, record: self.record, sequence: self.sequence, from, to, payload };
        let room = SLOT_BYTES - if kind == Kind::Data { RESERVE_BYTES } else { 0 };
        // The number is used up all the same: a gap in the sequence says that something is missing.
        self.sequence += 1;
        if self.used + block.pages() > room {
            written.truncated += 1;
            return;
        }
        writes.push(Write { offset: slot_at(index) + self.used as u64, bytes: block.encode() });
        self.used += block.pages();
    }
}
