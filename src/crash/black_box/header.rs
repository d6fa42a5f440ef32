//! The head of the file: which slot holds what, written alternately to two places.
//!
//! | bytes | what |
//! |---|---|
//! | 8 | magic `TELLTBBX` |
//! | 4 | version of this format |
//! | 4 | slots |
//! | 8 | sequence: the copy with the higher one counts |
//! | 4 | the number that the next record gets |
//! | 32 each | the slots: record, boot counter, boot random, event, report sequence (u32 each), state, stage, lock, reported (u8 each), 8 bytes zero |
//! | 4 | CRC-32 of all before |
//!
//! A copy is one page. While one is written the other one stays whole, so that a power cut costs the last change at most.

use std::fmt;

use crate::crash::Stage;
use crate::delivery::{BootId, Lane, RecordId};

use super::block::PAGE_BYTES;
use super::verdict_code;
use super::wire::{Reader, Writer};
use super::{HEADERS, SLOTS};

const MAGIC: [u8; 8] = *b"TELLTBBX";
const VERSION: u32 = 1;
const SLOT_PADDING: usize = 8;

/// The identity of an event across runs: `<boot>-crash-<event>`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct CrashId {
    /// Starts of the daemon on its store.
    pub boot_counter: u32,
    /// The random half of the boot id.
    pub boot_random: u32,
    /// Counts the events of that run from 1.
    pub event: u32,
}

impl CrashId {
    /// The event of that run.
    #[must_use]
    pub const fn new(boot: BootId, event: u32) -> Self {
        Self { boot_counter: boot.counter, boot_random: boot.random, event }
    }

    /// The run.
    #[must_use]
    pub const fn boot(&self) -> BootId {
        BootId { counter: self.boot_counter, random: self.boot_random }
    }
}

impl fmt::Display for CrashId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-crash-{}", self.boot(), self.event)
    }
}

/// What a slot is used for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum SlotState {
    /// Nothing that anybody needs.
    #[default]
    Empty,
    /// A record is being written, or was when the power went.
    Recording,
    /// A record is complete, or was found after a power cut and seen to.
    Complete,
}

/// Whether a record may be overwritten.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub enum Lock {
    /// By the next suspicion.
    #[default]
    Open,
    /// A confirmed crash: only for a later locked one, when there are too many.
    Confirmed,
    /// A non-reversible restraint deployed: never (49 CFR 563.9 (a), UN R160).
    Deployed,
}

/// One slot.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Slot {
    /// What it is used for.
    pub state: SlotState,
    /// The record in it; counts from 1 over the life of the file.
    pub record: u32,
    /// The event that it is of.
    pub crash: CrashId,
    /// The sequence in the critical lane of that run under which the crash report was sent, or would be next.
    pub report_seq: u32,
    /// How far the event had come; none where that is not known.
    pub stage: Option<Stage>,
    /// Whether it may be overwritten.
    pub lock: Lock,
    /// Nothing is left to be told about it: its report is durable in the store or delivered, or there is none
    /// to make.
    pub is_reported: bool,
}

impl Slot {
    /// The identity of the crash report.
    #[must_use]
    pub const fn report(&self) -> RecordId {
        RecordId { boot: self.crash.boot(), lane: Lane::Critical, seq: self.report_seq }
    }

    /// It holds a record that somebody has still to be told of.
    #[must_use]
    pub fn is_unreported(&self) -> bool {
        self.state != SlotState::Empty && !self.is_reported
    }
}

/// The table of slots.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Header {
    /// Grows with each writing; its parity says where.
    pub(super) sequence: u64,
    /// The number of the next record.
    pub(super) next_record: u32,
    /// One for each slot.
    pub slots: [Slot; SLOTS],
}

impl Default for Header {
    fn default() -> Self {
        Self { sequence: 0, next_record: 1, slots: [Slot::default(); SLOTS] }
    }
}

impl Header {
    /// The next version of the table as a page, and where it goes.
    pub(super) fn advance(&mut self) -> (u64, Vec<u8>) {
        self.sequence += 1;
        (self.sequence % HEADERS as u64 * PAGE_BYTES as u64, self.encode())
    }

    pub(super) fn encode(&self) -> Vec<u8> {
        let mut out = Writer(Vec::with_capacity(PAGE_BYTES));
        out.0.extend_from_slice(&MAGIC);
        out.u32(VERSION);
        out.u32(u32::try_from(SLOTS).unwrap_or(u32::MAX));
        out.u64(self.sequence);
        out.u32(self.next_record);
        for slot in &self.slots {
            out.u32(slot.record);
            out.u32(slot.crash.boot_counter);
            out.u32(slot.crash.boot_random);
            out.u32(slot.crash.event);
            out.u32(slot.report_seq);
            out.u8(slot.state as u8);
            out.u8(slot.stage.map_or(0, verdict_code::stage_code));
            out.u8(slot.lock as u8);
            out.flag(slot.is_reported);
            out.0.extend_from_slice(&[0; SLOT_PADDING]);
        }
        let crc = crc32fast::hash(&out.0);
        out.u32(crc);
        out.0.resize(PAGE_BYTES, 0);
        out.0
    }

    /// The table that stands in these bytes; none when they are damaged or of another version.
    pub(super) fn decode(bytes: &[u8]) -> Option<Self> {
        let mut reader = Reader(bytes);
        if reader.array()? != MAGIC || reader.u32()? != VERSION || usize::try_from(reader.u32()?) != Ok(SLOTS) {
            return None;
        }
        let mut header = Self { sequence: reader.u64()?, next_record: reader.u32()?, ..Self::default() };
        for slot in &mut header.slots {
            *slot = decode_slot(&mut reader)?;
        }
        let length = bytes.len() - reader.0.len();
        (reader.u32()? == crc32fast::hash(&bytes[..length])).then_some(header)
    }

    /// The newer of the copies that are whole.
    pub(super) fn newest<'a>(copies: impl IntoIterator<Item = &'a [u8]>) -> Option<Self> {
        copies.into_iter().filter_map(Self::decode).max_by_key(|header| header.sequence)
    }

    /// Where a new record goes: an empty slot, else the oldest that is not locked and was seen to, else the oldest that
    /// is not locked. `is_busy` are slots that are being written.
    pub(super) fn room(&self, is_busy: impl Fn(usize) -> bool) -> Option<usize> {
        let free = |(index, slot): &(usize, &Slot)| !is_busy(*index) && slot.lock == Lock::Open;
        let rank = |slot: &Slot| (slot.state != SlotState::Empty, slot.is_unreported(), slot.record);
        self.slots.iter().enumerate().filter(free).min_by_key(|(_, slot)| rank(slot)).map(|(index, _)| index)
    }

    /// Locks a slot. When that makes too many, the oldest one without a deployment is unlocked for it; when there is
    /// none, the new one stays as it is: false.
    pub(super) fn lock(&mut self, index: usize, lock: Lock) -> bool {
        let Some(slot) = self.slots.get(index) else { return false };
        if slot.lock >= lock {
            return true;
        }
        let others = || self.slots.iter().enumerate().filter(|(other, slot)| *other != index && slot.lock > Lock::Open);
        if others().count() >= super::LOCKED_MAX {
            let oldest = others().filter(|(_, slot)| slot.lock == Lock::Confirmed).min_by_key(|(_, slot)| slot.record);
            let Some((oldest, _)) = oldest else { return false };
            self.slots[oldest].lock = Lock::Open;
        }
        self.slots[index].lock = lock;
        true
    }
}

fn decode_slot(reader: &mut Reader<'_>) -> Option<Slot> {
    let record = reader.u32()?;
    let crash = CrashId { boot_counter: reader.u32()?, boot_random: reader.u32()?, event: reader.u32()? };
    let report_seq = reader.u32()?;
    let use_of = match reader.u8()? {
        0 => SlotState::Empty,
        1 => SlotState::Recording,
        2 => SlotState::Complete,
        _ => return None,
    };
    let stage = match reader.u8()? {
        0 => None,
        code => Some(verdict_code::stage(code)?),
    };
    let lock = match reader.u8()? {
        0 => Lock::Open,
        1 => Lock::Confirmed,
        2 => Lock::Deployed,
        _ => return None,
    };
    let is_reported = reader.flag()?;
    reader.bytes(SLOT_PADDING)?;
    Some(Slot { state: use_of, record, crash, report_seq, stage, lock, is_reported })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn filled() -> Header {
        let mut header = Header { sequence: 41, next_record: 12, ..Header::default() };
        for (number, slot) in (1..).zip(&mut header.slots) {
            *slot = Slot {
                state: SlotState::Complete,
                record: number,
                crash: CrashId { boot_counter: 3, boot_random: 4, event: number },
                report_seq: 9,
                stage: Some(Stage::Closed),
                lock: Lock::Confirmed,
                is_reported: true,
            };
        }
        header
    }

    #[test]
    fn it_is_read_as_written_and_no_damaged_bit_passes() {
        let header = filled();
        let bytes = header.encode();
        assert_eq!(Header::decode(&bytes), Some(header));
        let length = 28 + 32 * SLOTS + 4;
        for bit in 0..length * 8 {
            let mut damaged = bytes.clone();
            damaged[bit / 8] ^= 1 << (bit % 8);
            assert_eq!(Header::decode(&damaged), None, "bit {bit}");
        }
        for cut in 0..length {
            assert_eq!(Header::decode(&bytes[..cut]), None, "length {cut}");
        }
    }

    #[test]
    fn copies_alternate_and_the_newer_counts() {
        let mut header = filled();
        let (first_at, first) = header.advance();
        let (second_at, second) = header.advance();
        assert_ne!(first_at, second_at);
        assert_eq!(Header::newest([first.as_slice(), &second]), Some(header.clone()));
        assert_eq!(Header::newest([first.as_slice(), &second[..100]]).map(|old| old.sequence), Some(42));
        assert_eq!(Header::newest([[0; 8].as_slice()]), None);
    }

    #[test]
    fn a_new_record_takes_empty_room_then_the_oldest_that_is_neither_locked_nor_unreported() {
        let mut header = filled();
        let nobody = |_| false;
        assert_eq!(header.room(nobody), None, "all are locked");
        for index in [1, 2, 4] {
            header.slots[index].lock = Lock::Open;
        }
        assert_eq!(header.room(nobody), Some(1));
        assert_eq!(header.room(|index| index == 1), Some(2));
        header.slots[1].is_reported = false;
        assert_eq!(header.room(nobody), Some(2));
        header.slots[4].state = SlotState::Empty;
        assert_eq!(header.room(nobody), Some(4));
    }

    #[test]
    fn a_deployment_is_never_unlocked_and_a_mere_crash_gives_way_to_the_next() {
        let mut header = filled();
        header.slots[5].lock = Lock::Open;
        assert!(header.lock(5, Lock::Confirmed));
        assert_eq!(header.slots[0].lock, Lock::Open, "the oldest gave way");
        for slot in &mut header.slots[1..] {
            slot.lock = Lock::Deployed;
        }
        assert!(!header.lock(0, Lock::Deployed), "five deployments are kept, a sixth finds no lock");
        assert!(header.lock(5, Lock::Deployed), "what is locked stays so");
        assert_eq!(header.room(|_| false), Some(0));
    }
}
