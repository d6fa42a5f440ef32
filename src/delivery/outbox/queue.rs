//! One durable lane: what waits, where it lies, and in which order it goes.
//!
//! ```text
//!   oldest                                                              newest
//!   ┌───────── head ─────────┐┌──────────── gap ───────────┐┌──── tail ────┐
//!     in RAM, next to be sent    in the store only, counted     in RAM, not
//!     or in flight               but not held                   committed yet
//! ```
//!
//! Only the head is sent. When it runs low, a page of the gap is read back; when there is no gap, the tail's first
//! moves up as it is sent, or once it is committed. A committed record of the tail for which the head has no room
//! leaves RAM and becomes part of the gap. So the order of sending is the order of making, wherever a record lies,
//! and RAM holds a front cache and what is not yet committed, both bounded.

use std::collections::VecDeque;
use std::time::Duration;

use crate::delivery::codec;
use crate::delivery::record::{Lane, Record, RecordId, StoreKey};
use crate::gateway::{PublishToken, StoreTicket};
use crate::time::MonoTime;

use super::stat::LaneStat;
use super::{FRONT_BYTES, LOAD_PAGE, Limits, RECORD_OVERHEAD_BYTES};

/// How far a record is on its way into the store.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Durability {
    /// In RAM only.
    Volatile,
    /// Part of the append under way.
    Committing,
    /// Would survive a power cut.
    Committed,
    /// Never in the store: whoever admitted it keeps it until it is delivered.
    Elsewhere,
}

impl Durability {
    /// A power cut does not take it.
    pub(super) const fn is_safe(self) -> bool {
        matches!(self, Self::Committed | Self::Elsewhere)
    }
}

/// A record in RAM.
#[derive(Debug)]
pub(super) struct Entry {
    pub(super) record: Record,
    /// What it takes in the store.
    pub(super) bytes: u64,
    pub(super) durability: Durability,
    /// It is with the client.
    pub(super) flight: Option<PublishToken>,
    /// When it was pushed; none for what was read from the store.
    pub(super) pushed: Option<MonoTime>,
}

impl Entry {
    pub(super) fn new(record: Record, now: MonoTime) -> Self {
        let bytes = stored_size(codec::encoded_len(&record));
        Self { record, bytes, durability: Durability::Volatile, flight: None, pushed: Some(now) }
    }

    fn position(&self) -> u64 {
        self.record.id.key().position
    }
}

/// What a value of this size takes in the store.
pub(super) fn stored_size(value_bytes: usize) -> u64 {
    RECORD_OVERHEAD_BYTES + value_bytes as u64
}

/// Records that lie in the store alone. Its ends are positions; count and size are bookkeeping, which may be off by
/// records whose append failed after it had become durable.
#[derive(Debug)]
struct Gap {
    count: u64,
    bytes: u64,
    /// Where the next page begins.
    from: u64,
    /// The newest.
    last: u64,
}

impl Gap {
    const NONE: Self = Self { count: 0, bytes: 0, from: 1, last: 0 };

    const fn is_closed(&self) -> bool {
        self.from > self.last
    }
}

/// A page being read.
#[derive(Debug)]
pub(super) struct Load {
    pub(super) ticket: StoreTicket,
    pub(super) since: MonoTime,
    limit: usize,
    /// The gap's newest at the time of asking.
    last: u64,
    /// Joined the gap since, so may or may not be in the page.
    grown: u64,
    /// The gap was given up in the meantime.
    pub(super) abandoned: bool,
}

/// What an acknowledged record leaves to do.
pub(super) struct Acked {
    /// It is in the store, or on its way into it.
    pub(super) stored: Option<StoreKey>,
    pub(super) pushed: Option<MonoTime>,
}

/// One durable lane.
#[derive(Debug)]
pub(super) struct Queue {
    pub(super) lane: Lane,
    front_records: usize,
    volatile_records_max: usize,
    volatile_bytes_max: u64,
    head: VecDeque<Entry>,
    head_bytes: u64,
    gap: Gap,
    /// Positions within the gap that were admitted, and are not counted in it; the black box has a handful of records.
    ahead: Vec<u64>,
    tail: VecDeque<Entry>,
    pub(super) uncommitted_records: usize,
    uncommitted_bytes: u64,
    /// Records in RAM that never go into the store.
    elsewhere: usize,
    pub(super) load: Option<Load>,
    pub(super) load_failures: u32,
    pub(super) load_retry: Option<MonoTime>,
    pub(super) stat: LaneStat,
}

impl Queue {
    pub(super) fn new(lane: Lane, limits: &Limits) -> Self {
        Self {
            lane,
            front_records: limits.front_records,
            volatile_records_max: limits.volatile_records,
            volatile_bytes_max: limits.volatile_bytes,
            head: VecDeque::new(),
            head_bytes: 0,
            gap: Gap::NONE,
            ahead: Vec::new(),
            tail: VecDeque::new(),
            uncommitted_records: 0,
            uncommitted_bytes: 0,
            elsewhere: 0,
            load: None,
            load_failures: 0,
            load_retry: None,
            stat: LaneStat::default(),
        }
    }

    /// Takes over what earlier runs left in the store.
    pub(super) fn adopt(&mut self, first: u64, last: u64, count: u64, bytes: u64) {
        let bytes = bytes + count * RECORD_OVERHEAD_BYTES;
        self.gap = Gap { count, bytes, from: first, last };
        self.stat.stored_bytes += bytes;
        if self.gap.is_closed() {
            // Nothing is older than this run: it stays where it is, for a start that is counted higher.
            self.set_gap_aside();
        }
    }

    // --- making -----------------------------------------------------------------------------------------------------

    pub(super) fn push(&mut self, entry: Entry) {
        self.uncommitted_records += 1;
        self.uncommitted_bytes += entry.bytes;
        self.stat.pushed += 1;
        self.tail.push_back(entry);
    }

    /// The memory for uncommitted records takes one more of this size.
    pub(super) fn has_room(&self, bytes: u64) -> bool {
        self.uncommitted_records < self.volatile_records_max
            && self.uncommitted_bytes + bytes <= self.volatile_bytes_max
    }

    /// Half of the memory for uncommitted records is taken.
    pub(super) fn is_half_full(&self) -> bool {
        self.uncommitted_records >= self.volatile_records_max / 2
            || self.uncommitted_bytes >= self.volatile_bytes_max / 2
    }

    /// Gives up the oldest record that is in RAM only and not in flight.
    pub(super) fn evict_volatile(&mut self) -> bool {
        let free = |entry: &Entry| entry.durability == Durability::Volatile && entry.flight.is_none();
        let entry = if let Some(at) = self.head.iter().position(free) {
            self.take_head(at)
        } else {
            let at = self.tail.iter().position(free);
            at.and_then(|at| self.tail.remove(at))
        };
        let Some(entry) = entry else { return false };
        self.forget_uncommitted(&entry);
        self.stat.evicted += 1;
        true
    }

    /// Takes a record of an earlier run that has just been stored, or that is kept elsewhere, to be sent next: in the order
    /// of making among what RAM holds, before what is in the store alone. What is there already is not taken twice.
    pub(super) fn admit(&mut self, record: Record, durability: Durability) {
        if self.in_memory(record.id).is_some() {
            return;
        }
        let bytes = stored_size(codec::encoded_len(&record));
        let entry = Entry { record, bytes, durability, flight: None, pushed: None };
        if durability == Durability::Elsewhere {
            self.elsewhere += 1;
        } else {
            self.stat.stored_bytes += bytes;
            if !self.gap.is_closed() && entry.position() >= self.gap.from {
                self.ahead.push(entry.position());
            }
        }
        let at = self.head.partition_point(|other| other.position() < entry.position());
        self.head_bytes += bytes;
        self.head.insert(at, entry);
    }

    // --- committing -------------------------------------------------------------------------------------------------

    /// The oldest record in RAM only: when it was pushed, and its size.
    pub(super) fn first_volatile(&self) -> Option<(MonoTime, u64)> {
        if self.uncommitted_records == 0 {
            return None;
        }
        self.all_in_memory()
            .find(|entry| entry.durability == Durability::Volatile)
            .map(|entry| (entry.pushed.unwrap_or(MonoTime::ZERO), entry.bytes))
    }

    /// When the next record that is neither safe nor with the client will have waited for so long.
    pub(super) fn next_overdue(&self, now: MonoTime, patience: Duration) -> Option<MonoTime> {
        if self.uncommitted_records == 0 {
            return None;
        }
        let at_risk = |entry: &&Entry| !entry.durability.is_safe() && entry.flight.is_none();
        let ends =
            self.all_in_memory().filter(at_risk).filter_map(|entry| entry.pushed).map(|pushed| pushed + patience);
        ends.into_iter().find(|end| *end > now)
    }

    /// Makes the oldest record in RAM only a part of the append that is being put together.
    pub(super) fn begin_commit(&mut self) -> Option<(StoreKey, Vec<u8>)> {
        let mut entries = self.head.iter_mut().chain(&mut self.tail);
        let entry = entries.find(|entry| entry.durability == Durability::Volatile)?;
        entry.durability = Durability::Committing;
        self.stat.stored_bytes += entry.bytes;
        Some((entry.record.id.key(), codec::encode(&entry.record)))
    }

    /// The append is durable. What was acknowledged in the meantime is no longer here.
    pub(super) fn commit_done(&mut self, position: u64) {
        let Some(entry) = self.find(position).filter(|entry| entry.durability == Durability::Committing) else {
            return;
        };
        entry.durability = Durability::Committed;
        let bytes = entry.bytes;
        self.uncommitted_records -= 1;
        self.uncommitted_bytes -= bytes;
        self.settle();
    }

    /// The append failed: the record is in RAM only, as before.
    pub(super) fn commit_failed(&mut self, position: u64) {
        let Some(entry) = self.find(position).filter(|entry| entry.durability == Durability::Committing) else {
            return;
        };
        entry.durability = Durability::Volatile;
        let bytes = entry.bytes;
        self.stat.stored_bytes = self.stat.stored_bytes.saturating_sub(bytes);
    }

    /// Moves what is committed out of the tail: into the head while that has room, else out of RAM.
    fn settle(&mut self) {
        while self.tail.front().is_some_and(|entry| entry.durability == Durability::Committed) {
            let Some(entry) = self.tail.pop_front() else { return };
            if self.gap.is_closed() && self.head.len() < self.front_records && self.head_bytes < FRONT_BYTES {
                self.push_head(entry);
            } else {
                self.leave_memory(&entry);
            }
        }
    }

    fn leave_memory(&mut self, entry: &Entry) {
        if self.gap.is_closed() {
            self.gap = Gap { from: entry.position(), ..Gap::NONE };
        }
        self.gap.count += 1;
        self.gap.bytes += entry.bytes;
        self.gap.last = entry.position();
        if let Some(load) = &mut self.load {
            load.grown += 1;
        }
    }

    // --- reading back -----------------------------------------------------------------------------------------------

    /// A page should be read: from which key, and how many at most.
    pub(super) fn wants_load(&self, now: MonoTime) -> Option<(StoreKey, usize)> {
        let due = self.load_retry.is_none_or(|at| at <= now);
        let low = self.head.len() < self.front_records / 2 && self.head_bytes < FRONT_BYTES / 2;
        if self.gap.is_closed() || self.load.is_some() || !due || !low {
            return None;
        }
        let mean_bytes = (self.gap.bytes / self.gap.count.max(1)).max(1);
        let fitting = usize::try_from(FRONT_BYTES / mean_bytes).unwrap_or(LOAD_PAGE);
        Some((StoreKey { lane: self.lane, position: self.gap.from }, fitting.clamp(1, LOAD_PAGE)))
    }

    pub(super) fn begin_load(&mut self, ticket: StoreTicket, limit: usize, now: MonoTime) {
        self.load_retry = None;
        self.load = Some(Load { ticket, since: now, limit, last: self.gap.last, grown: 0, abandoned: false });
    }

    /// Takes a page; returns the keys of those that are no records and must go.
    pub(super) fn loaded(&mut self, rows: &[(StoreKey, Vec<u8>)]) -> Vec<StoreKey> {
        let Some(load) = self.load.take() else { return Vec::new() };
        self.load_failures = 0;
        let mut corrupt = Vec::new();
        if load.abandoned {
            return corrupt;
        }
        for (key, value) in rows {
            if key.lane != self.lane || !(self.gap.from..=self.gap.last).contains(&key.position) {
                continue;
            }
            if self.ahead.contains(&key.position) {
                self.gap.from = key.position.saturating_add(1);
                continue;
            }
            let bytes = stored_size(value.len());
            self.stat.stored_bytes += bytes.saturating_sub(self.gap.bytes);
            self.gap.bytes = self.gap.bytes.saturating_sub(bytes);
            self.gap.count = self.gap.count.saturating_sub(1);
            self.gap.from = key.position.saturating_add(1);
            match codec::decode(value) {
                Ok(record) if record.id.key() == *key => {
                    self.push_head(Entry {
                        record,
                        bytes,
                        durability: Durability::Committed,
                        flight: None,
                        pushed: None,
                    });
                }
                Ok(_) | Err(_) => {
                    self.stat.corrupt += 1;
                    self.stat.stored_bytes = self.stat.stored_bytes.saturating_sub(bytes);
                    corrupt.push(*key);
                }
            }
        }
        if rows.len() < load.limit {
            // The page was not full, so it held all that there was: what is still counted is not there.
            self.stat.missing += self.gap.count.saturating_sub(load.grown);
            self.gap.count = self.gap.count.min(load.grown);
            self.gap.from = self.gap.from.max(load.last.saturating_add(1));
        }
        if self.gap.is_closed() {
            self.stat.missing += self.gap.count;
            self.stat.stored_bytes = self.stat.stored_bytes.saturating_sub(self.gap.bytes);
            self.gap = Gap::NONE;
            self.ahead.clear();
        }
        corrupt
    }

    /// Goes on without what cannot be read. It stays in the store, accounted for, and comes back after the next start.
    pub(super) fn set_gap_aside(&mut self) {
        self.stat.set_aside += self.gap.count;
        self.gap = Gap::NONE;
        self.ahead.clear();
        self.load_failures = 0;
        self.load_retry = None;
        if let Some(load) = &mut self.load {
            load.abandoned = true;
        }
    }

    /// There are records that can be given up only after they were read back.
    pub(super) fn has_gap(&self) -> bool {
        !self.gap.is_closed()
    }

    /// Gives up the oldest committed record that is at hand and not in flight.
    pub(super) fn evict_stored(&mut self) -> Option<StoreKey> {
        let at = self.head.iter().position(|e| e.durability == Durability::Committed && e.flight.is_none())?;
        let entry = self.take_head(at)?;
        self.stat.stored_bytes = self.stat.stored_bytes.saturating_sub(entry.bytes);
        self.stat.evicted += 1;
        Some(entry.record.id.key())
    }

    // --- sending ----------------------------------------------------------------------------------------------------

    /// The record whose turn it is, wherever it is on its way into the store.
    pub(super) fn next(&self) -> Option<&Entry> {
        let in_head = self.head.iter().find(|entry| entry.flight.is_none());
        in_head.or_else(|| self.tail.front().filter(|_| self.gap.is_closed()))
    }

    /// Puts the record whose turn it is under way.
    pub(super) fn send_next(&mut self, token: PublishToken) -> Option<&Record> {
        let waiting = |entry: &Entry| entry.flight.is_none();
        let at = if let Some(at) = self.head.iter().position(waiting) {
            at
        } else if self.gap.is_closed() {
            let entry = self.tail.pop_front()?;
            self.push_head(entry);
            self.head.len() - 1
        } else {
            return None;
        };
        let entry = self.head.get_mut(at)?;
        entry.flight = Some(token);
        self.stat.published += 1;
        self.stat.in_flight += 1;
        if !entry.durability.is_safe() && self.lane != Lane::Telemetry {
            self.stat.uncommitted += 1;
        }
        Some(&entry.record)
    }

    /// The broker has it.
    pub(super) fn acked(&mut self, token: PublishToken) -> Option<Acked> {
        let at = self.head.iter().position(|entry| entry.flight == Some(token))?;
        let entry = self.take_head(at)?;
        self.stat.in_flight -= 1;
        self.stat.acked += 1;
        match entry.durability {
            Durability::Volatile | Durability::Committing => self.forget_uncommitted(&entry),
            Durability::Elsewhere => self.elsewhere -= 1,
            Durability::Committed => {}
        }
        let is_stored = matches!(entry.durability, Durability::Committing | Durability::Committed);
        let stored = is_stored.then(|| entry.record.id.key());
        if stored.is_some() {
            self.stat.stored_bytes = self.stat.stored_bytes.saturating_sub(entry.bytes);
        }
        Some(Acked { stored, pushed: entry.pushed })
    }

    /// The client did not take it: its turn comes again.
    pub(super) fn rewind(&mut self, token: PublishToken) {
        if let Some(entry) = self.head.iter_mut().find(|entry| entry.flight == Some(token)) {
            entry.flight = None;
            self.stat.in_flight -= 1;
        }
    }

    /// The link is gone: everything in flight has its turn again, in its old place.
    pub(super) fn rewind_all(&mut self) {
        self.head.iter_mut().for_each(|entry| entry.flight = None);
        self.stat.in_flight = 0;
    }

    pub(super) fn stat(&self) -> LaneStat {
        let in_memory = self.head.len() + self.tail.len();
        LaneStat {
            in_memory: in_memory as u64,
            in_store: self.gap.count,
            stored: (in_memory - self.uncommitted_records - self.elsewhere) as u64 + self.gap.count,
            ..self.stat
        }
    }

    // --- small change -----------------------------------------------------------------------------------------------

    fn all_in_memory(&self) -> impl Iterator<Item = &Entry> {
        self.head.iter().chain(&self.tail)
    }

    /// That record, wherever in RAM it is.
    pub(super) fn in_memory(&self, id: RecordId) -> Option<&Entry> {
        self.all_in_memory().find(|entry| entry.record.id == id)
    }

    /// What has that place in the store, or is to have it.
    fn find(&mut self, position: u64) -> Option<&mut Entry> {
        if let Ok(at) = self.tail.binary_search_by_key(&position, Entry::position) {
            return self.tail.get_mut(at);
        }
        let mut stored = self.head.iter_mut().filter(|entry| entry.durability != Durability::Elsewhere);
        stored.find(|entry| entry.position() == position)
    }

    fn push_head(&mut self, entry: Entry) {
        self.head_bytes += entry.bytes;
        self.head.push_back(entry);
    }

    fn take_head(&mut self, at: usize) -> Option<Entry> {
        let entry = self.head.remove(at)?;
        self.head_bytes -= entry.bytes;
        Some(entry)
    }

    fn forget_uncommitted(&mut self, entry: &Entry) {
        self.uncommitted_records -= 1;
        self.uncommitted_bytes -= entry.bytes;
    }
}
