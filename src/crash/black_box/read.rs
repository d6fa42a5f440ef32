//! Reading: what a file holds, whole, cut or damaged.

use std::collections::BTreeMap;
use std::fmt;

use crate::crash::{Stage, Verdict};

use super::block::{Block, Kind, PAGE_BYTES};
use super::content::{Start, TimedSample, TimedValue, decode_data};
use super::header::{Header, Lock, Slot, SlotState};
use super::{HEADERS, SLOT_BYTES, SLOTS, verdict_code};

/// Something that should be in a file and is not.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Damage {
    /// Both copies of the table: the records were found by their blocks, but whether they were reported is not known.
    Table,
    /// Blocks of a record.
    Blocks {
        /// Which record.
        record: u32,
        /// How many at least.
        missing: u32,
    },
    /// A record that is newer than the table.
    Newer {
        /// Which record.
        record: u32,
    },
}

impl fmt::Display for Damage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Table => write!(f, "the table of records is missing; they were found by their blocks"),
            Self::Blocks { record, missing } => write!(f, "record {record} lacks at least {missing} blocks"),
            Self::Newer { record } => write!(f, "record {record} is newer than the table"),
        }
    }
}

/// One record as far as it can be read.
#[derive(Debug, Clone, PartialEq)]
pub struct Recording {
    /// What the table says of it, brought up to date from its blocks.
    pub slot: Slot,
    /// Who recorded; none when that block is missing.
    pub start: Option<Start>,
    /// In order of time.
    pub samples: Vec<TimedSample>,
    /// In order of time.
    pub values: Vec<TimedValue>,
    /// In the order in which they were said.
    pub verdicts: Vec<Verdict>,
    /// The crash report as it goes into the store.
    pub report: Option<Vec<u8>>,
    /// The recorder came to the end of it.
    pub is_ended: bool,
    /// Blocks that are missing between those that are there.
    pub missing: u32,
}

impl Recording {
    /// The last word on it.
    #[must_use]
    pub fn verdict(&self) -> Option<&Verdict> {
        self.verdicts.last()
    }

    /// All that was to be recorded is here (49 CFR 563: complete file recorded).
    #[must_use]
    pub const fn is_complete(&self) -> bool {
        self.is_ended && self.missing == 0 && self.start.is_some()
    }

    fn new(slot: Slot, blocks: &BTreeMap<u32, Block<'_>>) -> Self {
        let mut recording = Self {
            slot,
            start: None,
            samples: Vec::new(),
            values: Vec::new(),
            verdicts: Vec::new(),
            report: None,
            is_ended: false,
            missing: 0,
        };
        for block in blocks.values() {
            if !recording.take(block) {
                recording.missing += 1;
            }
        }
        let count = u32::try_from(blocks.len()).unwrap_or(u32::MAX);
        // Of a record that the table names there is one block at least.
        recording.missing += blocks.keys().last().map_or(1, |last| last.saturating_add(1) - count);
        recording.samples.sort_by_key(|sample| sample.at);
        recording.values.sort_by_key(|value| value.at);
        recording
    }

    /// False when the block's payload is not to be understood.
    fn take(&mut self, block: &Block<'_>) -> bool {
        match block.kind {
            Kind::Start => {
                self.start = Start::decode(block.payload);
                self.start.is_some()
            }
            Kind::Data => decode_data(block.from, block.payload, &mut self.samples, &mut self.values),
            Kind::Verdict => {
                let verdict = verdict_code::decode(block.payload);
                self.verdicts.extend(verdict);
                verdict.is_some()
            }
            Kind::Report => {
                self.report = Some(block.payload.to_vec());
                true
            }
            Kind::End => {
                self.is_ended = true;
                true
            }
        }
    }
}

/// A file, read.
#[derive(Debug, Clone, PartialEq)]
pub struct Contents {
    /// The table, made anew from the blocks where it was damaged.
    pub header: Header,
    /// The records, oldest first.
    pub recordings: Vec<Recording>,
    /// What is missing.
    pub damage: Vec<Damage>,
}

/// Reads a file slot by slot, so that no more than one needs to be in memory.
#[derive(Debug)]
pub struct Survey {
    table: Option<Header>,
    /// There is no table, because nothing was written yet.
    is_blank: bool,
    /// The slot of each of the recordings.
    places: Vec<usize>,
    contents: Contents,
}

impl Survey {
    /// Begins with the first bytes of the file: [`super::FILE_BYTES`] less the slots, or what there is of it.
    #[must_use]
    pub fn new(copies: &[u8]) -> Self {
        let table = Header::newest(copies.chunks(PAGE_BYTES).take(HEADERS));
        // A file is made of zeros, and its first record brings its first table.
        let is_blank = table.is_none() && copies.len() >= HEADERS * PAGE_BYTES && copies.iter().all(|byte| *byte == 0);
        let damage = if table.is_none() && !is_blank { vec![Damage::Table] } else { Vec::new() };
        let header = table.clone().unwrap_or_default();
        Self { table, is_blank, places: Vec::new(), contents: Contents { header, recordings: Vec::new(), damage } }
    }

    /// Takes the bytes of a slot, or what there is of them; `wanted` says which records are kept in full.
    pub fn slot(&mut self, index: usize, bytes: &[u8], wanted: impl FnOnce(&Slot) -> bool) {
        if index >= SLOTS {
            return;
        }
        let blocks = blocks(&bytes[..bytes.len().min(SLOT_BYTES)]);
        let Some(record) = self.record_in(index, &blocks) else { return };
        if std::mem::take(&mut self.is_blank) {
            self.contents.damage.push(Damage::Table);
        }
        let own: BTreeMap<u32, Block<'_>> =
            blocks.iter().filter(|block| block.record == record).map(|block| (block.sequence, *block)).collect();
        let known = self.contents.header.slots[index];
        let is_known = known.state != SlotState::Empty && known.record == record;
        let slot = if is_known { known } else { Slot { state: SlotState::Recording, record, ..Slot::default() } };
        let mut recording = Recording::new(slot, &own);
        self.bring_up_to_date(index, is_known, &mut recording);
        if recording.missing > 0 {
            self.contents.damage.push(Damage::Blocks { record, missing: recording.missing });
        }
        if wanted(&recording.slot) {
            self.places.push(index);
            self.contents.recordings.push(recording);
        }
    }

    /// What was found.
    #[must_use]
    pub fn finish(mut self) -> Contents {
        // To lock a record may have unlocked one that was read before it.
        for (recording, index) in self.contents.recordings.iter_mut().zip(&self.places) {
            recording.slot = self.contents.header.slots[*index];
        }
        self.contents.recordings.sort_by_key(|recording| recording.slot.record);
        self.contents
    }

    /// The record that a slot holds: the one that the table names, unless there is a newer one that it does not know.
    fn record_in(&self, index: usize, blocks: &[Block<'_>]) -> Option<u32> {
        let newest = blocks.iter().map(|block| block.record).max();
        let Some(table) = &self.table else { return newest };
        let slot = &table.slots[index];
        let known = (slot.state != SlotState::Empty).then_some(slot.record);
        newest.filter(|record| *record >= table.next_record).or(known)
    }

    /// Blocks may be newer than the table: a power cut costs its last change.
    fn bring_up_to_date(&mut self, index: usize, is_known: bool, recording: &mut Recording) {
        let slot = &mut recording.slot;
        if !is_known {
            match &recording.start {
                Some(start) => (slot.crash, slot.report_seq) = (start.crash, start.report_seq),
                // The very first write was cut. The crash may have been told all the same, and nobody knows under which
                // id: told under another it would be a second one.
                None => slot.is_reported = true,
            }
        }
        if recording.is_ended {
            slot.state = SlotState::Complete;
        }
        let verdict = recording.verdicts.last();
        slot.stage = verdict.map(|verdict| verdict.stage).max(slot.stage);
        let header = &mut self.contents.header;
        header.slots[index] = *slot;
        if slot.stage.is_some_and(|stage| stage >= Stage::Confirmed) {
            let is_deployed = verdict.is_some_and(|verdict| verdict.evidence.restraints != 0);
            header.lock(index, if is_deployed { Lock::Deployed } else { Lock::Confirmed });
        }
        recording.slot = header.slots[index];
        header.next_record = header.next_record.max(recording.slot.record.saturating_add(1));
        if !is_known && self.table.is_some() {
            self.contents.damage.push(Damage::Newer { record: recording.slot.record });
        }
    }
}

/// All whole blocks of a slot, of whatever record.
fn blocks(bytes: &[u8]) -> Vec<Block<'_>> {
    let mut found = Vec::new();
    let mut at = 0;
    while let Some(rest) = bytes.get(at..).filter(|rest| !rest.is_empty()) {
        at += match Block::decode(rest) {
            Some(block) => {
                found.push(block);
                block.pages()
            }
            None => PAGE_BYTES,
        };
    }
    found
}
