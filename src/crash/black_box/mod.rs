//! The black box: what the car felt before, in and after a crash, on disk before anything is sent.
//!
//! # Goals
//!
//! 1. The last [`BEFORE`] before a suspicion and [`AFTER`] after the last contact, each sample of each inertial sensor
//!    and the slow values beside them ([`Channel`]).
//! 2. Power that is lost 100 ms after the contact leaves the pulse on disk.
//! 3. [`LOCKED_MAX`] records of confirmed crashes are kept; a deployment of a restraint locks for good (49 CFR 563.9,
//!    UN R160).
//! 4. A crash that was confirmed is reported once by id, whatever the moment of the power cut.
//! 5. No memory is allocated for a sample.
//!
//! # File
//!
//! One file of [`FILE_BYTES`], written in full when it is made, so that later writes find their place on disk and
//! `fdatasync` has no metadata to write.
//!
//! | at | what |
//! |---|---|
//! | 0, 4096 | two copies of the table of slots, written alternately (`header.rs`) |
//! | 8192 | [`SLOTS`] slots of [`SLOT_BYTES`]: the blocks of one record each (`block.rs`) |
//!
//! A slot holds one record: a `Start` block (`content.rs`), `Data` blocks in the order of writing, `Verdict` blocks with
//! each word of the classifier, the crash `Report` as it is in the store, an `End`. Each block has magic, version, kind,
//! record, sequence, time range, length and CRC, so that the records of a file whose tables are both damaged are found
//! by looking, and so that remains of an older record in the same slot are told apart.
//!
//! # Writing
//!
//! The [`Recorder`] decides, `io/black_box.rs` writes. One [`BlackBoxRequest`] is under way at a time: its parts are
//! written, then made durable together, then answered. So a slow disk makes larger blocks, not longer queues.
//!
//! 1. [`Stage::Suspected`](crate::crash::Stage): `Start`, the data since [`PULSE_LEAD`] before the contact, the verdict, the table.
//! 2. New data each [`PULSE_PERIOD`] until [`PULSE`] after the contact, then each [`CALM_PERIOD`]; with each, one block of
//!    the older data, newest first, until [`BEFORE`] is reached.
//! 3. `Dismissed` frees the slot, `Confirmed` locks it. [`AFTER`] after the last contact the record is closed.
//!
//! 4. Nothing is published while the first write of a record is not answered ([`Recorder::held_until`]), so that a message
//!    about a crash never is all that is left of it. That is a few milliseconds at each suspicion, also at one that comes to
//!    nothing. It ends after [`BEFORE_NETWORK_MAX`], counted in [`Stat::overtaken`], and at once where the write was given
//!    up, or there is no black box. The store is asked meanwhile.
//!
//! An event that begins while the record before it is still being written gets its own record beside it; each has the
//! data of both. A third one ends the first.
//!
//! # Room
//!
//! A new record takes an empty slot, else the oldest one that is not locked and whose report is out, else the oldest one
//! that is not locked. When [`LOCKED_MAX`] are locked and one more is to be, the oldest that is locked without a
//! deployment is unlocked; when all have a deployment, the new record stays in the one slot that is left, until the next
//! suspicion needs it, and is counted ([`Stat::not_locked`]).
//!
//! # Exactly once
//!
//! The table holds, from the suspicion on, the id that the crash report will have: its run, the critical lane, the next
//! sequence of that lane. When the report is made, it goes into the record as it goes into the store, and when the store
//! has committed it, or the broker has it, the table says so. A later run finds what is not marked and tells it under the
//! same id: in the store that is the same key, at a subscriber the same event. It marks it once the services have heard of
//! the crash too, and what they made of it is durable. A record whose very first write was cut by the power has no name: it
//! is shown, and not told.

mod block;
mod channel;
mod content;
mod header;
mod open;
mod read;
mod recorder;
mod ring;
mod tables;
#[cfg(test)]
mod testkit;
#[cfg(test)]
mod tests;
mod verdict_code;
mod wire;

use std::time::Duration;

use crate::time::MonoTime;

pub use block::PAGE_BYTES;
pub use channel::Channel;
pub use content::{SENSORS_MAX, Start, TimedSample, TimedValue};
pub use header::{CrashId, Header, Lock, Slot, SlotState};
pub use read::{Contents, Damage, Recording, Survey};
pub use recorder::{Identity, Recorder, Stat};
pub use tables::{BeforeRow, DeltaVRow, Maximum, Tables};

/// Records in the file: those that are locked, and one to work with.
pub const SLOTS: usize = LOCKED_MAX + 1;

/// Locked records that are kept.
pub const LOCKED_MAX: usize = 5;

/// What a record may take: 15 s of [`SAMPLES_PER_SECOND_MAX`] are 0.9 MB, the unused ends of pages 0.3 MB.
pub const SLOT_BYTES: usize = 320 * PAGE_BYTES;

/// Copies of the table.
const HEADERS: usize = 2;

/// Where the slots begin.
const SLOTS_AT: u64 = (HEADERS * PAGE_BYTES) as u64;

/// The size of the file.
pub const FILE_BYTES: u64 = SLOTS_AT + (SLOTS * SLOT_BYTES) as u64;

/// The last pages of a slot take no data: a verdict, a report of 64 KiB and the end have room whatever came before.
const RESERVE_BYTES: usize = 24 * PAGE_BYTES;

/// What is kept from before a suspicion.
pub const BEFORE: Duration = Duration::from_secs(10);

/// What is recorded after the last contact.
pub const AFTER: Duration = Duration::from_secs(5);

/// Samples a second of all sensors: above, a record begins later than [`BEFORE`]. A bus of 500 kbit/s carries some 4,000
/// frames a second of all kinds.
pub const SAMPLES_PER_SECOND_MAX: u32 = 3_000;

/// Slow values a second that the ring has room for: speed, pedal and engine speed at 100 Hz, GNSS, and what changes.
pub const VALUES_PER_SECOND_MAX: u32 = 400;

/// The first write reaches so far back before the contact: a pulse begins some 50 ms before it is suspected.
pub const PULSE_LEAD: Duration = Duration::from_millis(300);

/// While a pulse is under way, data goes to disk so often: at a power cut so much is missing, beside one write.
pub const PULSE_PERIOD: Duration = Duration::from_millis(20);

/// After that, so often.
pub const CALM_PERIOD: Duration = Duration::from_millis(100);

/// A pulse takes at most so long from its contact (49 CFR 563: 300 ms).
pub const PULSE: Duration = Duration::from_millis(300);

/// Nothing is published before the first write of a record is answered, but for so long at most, from the suspicion on.
/// Help for people outranks the record: a disk that does not answer must not silence the car.
pub const BEFORE_NETWORK_MAX: Duration = Duration::from_millis(100);

/// A write that fails is tried so often; then it is given up and counted.
pub const ATTEMPTS: u32 = 3;

/// Bytes to be put at a place of the file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Write {
    /// Where.
    pub offset: u64,
    /// Whole pages.
    pub bytes: Vec<u8>,
}

/// What the black box asks of the disk: write all of it, make it durable, say so.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BlackBoxRequest {
    /// Names it in its answer.
    pub ticket: u64,
    /// What goes where.
    pub writes: Vec<Write>,
}

/// What the file on disk answers.
#[derive(Debug, Clone, PartialEq)]
pub enum BlackBoxEvent {
    /// It is open; this was in it.
    Opened(Box<Contents>),
    /// There is none in this run, or no longer; the text says why.
    Unavailable(String),
    /// That request is durable.
    Written(u64),
    /// That request was not carried out in full; the text says why.
    Failed(u64, String),
}

/// Where a slot begins.
fn slot_at(index: usize) -> u64 {
    SLOTS_AT + (index * SLOT_BYTES) as u64
}

/// Room in a ring for what comes in [`BEFORE`] at that rate, and a quarter more for what comes while it is written.
fn ring_capacity(per_second: u32) -> usize {
    let seconds = u32::try_from(BEFORE.as_secs()).unwrap_or(u32::MAX);
    usize::try_from(per_second.saturating_mul(seconds) / 4 * 5).unwrap_or(usize::MAX)
}

/// The earliest and the latest; none of nothing.
fn time_range(times: impl Iterator<Item = MonoTime>) -> Option<(MonoTime, MonoTime)> {
    times.fold(None, |range, at| match range {
        None => Some((at, at)),
        Some((from, to)) => Some((from.min(at), to.max(at))),
    })
}
