//! The outbox's half of the conversation with the store: group commit, removal, reading back, and what to do when the
//! store does not do its part.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::delivery::record::{Lane, StoreKey};
use crate::gateway::{StoreEvent, StoreIncident, StoreInventory, StoreRequest, StoreTicket};
use crate::time::MonoTime;

use super::queue::Queue;
use super::stat::OutboxStat;
use super::{
    APPEND_BYTES_MAX, APPEND_RECORDS_MAX, COMMIT_DELAY, COMMIT_RECORDS, CRITICAL_PATIENCE, LOAD_ATTEMPTS, Outbox,
    REMOVALS_MAX, REMOVE_DELAY, REMOVE_RECORDS, SPILL_AFTER, SPILL_COMMIT_DELAY, STORE_PATIENCE, STORE_RETRY_BASE,
    STORE_RETRY_CAP,
};

/// The lanes that are stored, highest first.
const STORED: [Lane; 3] = [Lane::Critical, Lane::Event, Lane::Telemetry];

/// The lanes of which records may be given up, first victim first.
const VICTIMS: [Lane; 2] = [Lane::Telemetry, Lane::Event];

/// The share of the quota that is kept for critical records.
const CRITICAL_SHARE: u64 = 8;

/// How long a quota that left no room is not tried again, unless something is removed in the meantime.
const HOLD: Duration = Duration::from_secs(1);

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Health {
    Opening,
    Healthy,
    Failed { since: MonoTime },
    Unavailable { since: MonoTime },
}

/// Named values.
type Values = BTreeMap<String, Vec<u8>>;

/// The append under way.
#[derive(Debug)]
struct Append {
    ticket: StoreTicket,
    keys: Vec<StoreKey>,
    /// Kept until it is known that they are durable.
    values: Values,
    since: MonoTime,
    /// It took longer than [`STORE_PATIENCE`]; its answer is still welcome.
    overdue: bool,
}

/// When to try again, exponentially later.
#[derive(Debug, Default)]
struct Retry {
    at: Option<MonoTime>,
    failures: u32,
}

impl Retry {
    fn failed(&mut self, now: MonoTime) {
        self.at = Some(now + retry_delay(self.failures));
        self.failures = self.failures.saturating_add(1);
    }

    fn is_due(&self, now: MonoTime) -> bool {
        self.at.is_none_or(|at| at <= now)
    }
}

fn retry_delay(failures: u32) -> Duration {
    STORE_RETRY_BASE.saturating_mul(1 << failures.min(16)).min(STORE_RETRY_CAP)
}

/// What is under way at the store, and how it fares.
#[derive(Debug)]
pub(super) struct StoreSide {
    quota_bytes: u64,
    health: Health,
    /// The inventory is known.
    adopted: bool,
    append: Option<Append>,
    /// Named values that wait for the next append, and since when.
    values: Values,
    values_since: MonoTime,
    append_retry: Retry,
    /// The quota left no room: not before this.
    pub(super) hold: Option<MonoTime>,
    /// The quota left no room, and nothing of it can be given up.
    full: bool,
    removals: Vec<StoreKey>,
    removals_since: MonoTime,
    remove: Option<(StoreTicket, Vec<StoreKey>)>,
    remove_retry: Retry,
    stat: OutboxStat,
}

impl StoreSide {
    pub(super) fn new(quota_bytes: u64) -> Self {
        Self {
            quota_bytes,
            health: Health::Opening,
            adopted: false,
            append: None,
            values: Values::new(),
            values_since: MonoTime::ZERO,
            append_retry: Retry::default(),
            hold: None,
            full: false,
            removals: Vec::new(),
            removals_since: MonoTime::ZERO,
            remove: None,
            remove_retry: Retry::default(),
            stat: OutboxStat::default(),
        }
    }

    /// Records cannot be made durable now: what must go, goes from RAM.
    pub(super) const fn is_down(&self) -> bool {
        self.full || self.has_failed()
    }

    const fn has_failed(&self) -> bool {
        matches!(self.health, Health::Failed { .. } | Health::Unavailable { .. })
    }

    /// Nobody knows yet what earlier runs left.
    pub(super) fn is_opening(&self) -> bool {
        self.health == Health::Opening
    }

    pub(super) const fn is_idle(&self) -> bool {
        self.append.is_none() && self.remove.is_none() && self.removals.is_empty()
    }

    pub(super) const fn stat(&self) -> OutboxStat {
        OutboxStat { store_healthy: matches!(self.health, Health::Healthy), ..self.stat }
    }

    pub(super) fn save(&mut self, now: MonoTime, values: Vec<(String, Vec<u8>)>) {
        if self.values.is_empty() {
            self.values_since = now;
        }
        self.values.extend(values);
    }

    /// Values wait that the store could take.
    pub(super) fn has_values(&self) -> bool {
        self.takes_requests() && !self.values.is_empty()
    }

    /// No values wait, and none are under way.
    pub(super) fn has_saved(&self) -> bool {
        self.values.is_empty() && self.append.is_none()
    }

    /// Removes a record with the next batch.
    pub(super) fn remove_later(&mut self, key: StoreKey, now: MonoTime) {
        if self.removals.is_empty() {
            self.removals_since = now;
        }
        self.removals.push(key);
        self.hold = None;
        if self.removals.len() > REMOVALS_MAX {
            self.removals.remove(0);
            self.stat.removals_forgotten += 1;
        }
    }

    const fn takes_requests(&self) -> bool {
        !matches!(self.health, Health::Opening | Health::Unavailable { .. })
    }

    fn removal_due(&self) -> Option<MonoTime> {
        if self.removals.is_empty() || self.remove.is_some() || !self.takes_requests() {
            return None;
        }
        let due =
            if self.removals.len() >= REMOVE_RECORDS { MonoTime::ZERO } else { self.removals_since + REMOVE_DELAY };
        Some(due.max(self.remove_retry.at.unwrap_or(MonoTime::ZERO)))
    }
}

impl Outbox {
    pub(super) fn store_event(&mut self, event: &StoreEvent) -> bool {
        match event {
            StoreEvent::Opened(inventory) => self.opened(inventory),
            StoreEvent::Unavailable(why) => self.unavailable(why),
            StoreEvent::Done(ticket) => return self.done(*ticket),
            StoreEvent::Failed(ticket, why) => return self.failed(*ticket, why),
            StoreEvent::Loaded(ticket, rows) => return self.loaded(*ticket, rows),
        }
        true
    }

    /// Everything that depends on the time or on what has just changed; then when it wants to look again.
    pub(super) fn advance(&mut self) {
        self.watch_store();
        self.decide_spilling();
        self.remove();
        self.append();
        self.load();
        self.due = self.next_due();
    }

    // --- answers ----------------------------------------------------------------------------------------------------

    fn opened(&mut self, inventory: &StoreInventory) {
        match &inventory.incident {
            Some(StoreIncident::Quarantined(why)) => self.reports.incident("quarantined", why),
            Some(StoreIncident::LostContents(why)) => self.reports.incident("lost_contents", why),
            None => {}
        }
        if self.store.adopted {
            // Opened anew during the run: what was under way is not. What it holds is known already.
            self.append_failed();
            self.store.remove = None;
        }
        self.recover();
        if self.store.adopted {
            return;
        }
        self.store.adopted = true;
        let own_first = u64::from(self.boot.counter) << 32;
        for lane in &inventory.lanes {
            let Some(queue) = self.queue_mut(lane.lane) else { continue };
            queue.adopt(lane.first.position, lane.last.position.min(own_first), lane.count, lane.bytes);
        }
    }

    fn unavailable(&mut self, why: &str) {
        self.append_failed();
        let since = match self.store.health {
            // The requests that failed with it have told already.
            Health::Failed { since } | Health::Unavailable { since } => since,
            Health::Opening | Health::Healthy => {
                self.reports.degraded(why);
                self.now
            }
        };
        self.store.health = Health::Unavailable { since };
        for lane in STORED {
            if let Some(queue) = self.queue_mut(lane).filter(|queue| queue.has_gap()) {
                queue.set_gap_aside();
            }
        }
    }

    fn done(&mut self, ticket: StoreTicket) -> bool {
        if let Some(append) = self.store.append.take_if(|append| append.ticket == ticket) {
            for key in append.keys {
                if let Some(queue) = self.queue_mut(key.lane) {
                    queue.commit_done(key.position);
                }
            }
            self.recover();
            return true;
        }
        if self.store.remove.take_if(|(pending, _)| *pending == ticket).is_some() {
            self.store.remove_retry = Retry::default();
            return true;
        }
        false
    }

    fn failed(&mut self, ticket: StoreTicket, why: &str) -> bool {
        let now = self.now;
        if self.store.append.as_ref().is_some_and(|append| append.ticket == ticket) {
            self.append_failed();
            self.degrade(why);
            self.store.append_retry.failed(now);
            return true;
        }
        if let Some((_, keys)) = self.store.remove.take_if(|(pending, _)| *pending == ticket) {
            self.store.stat.remove_failures += 1;
            self.store.remove_retry.failed(now);
            for key in keys {
                self.store.remove_later(key, now);
            }
            return true;
        }
        let Some(queue) = self.queue_of_load(ticket) else { return false };
        let abandoned = queue.load.take().is_some_and(|load| load.abandoned);
        if !abandoned {
            queue.load_retry = Some(now + retry_delay(queue.load_failures));
            queue.load_failures += 1;
            if queue.load_failures >= LOAD_ATTEMPTS {
                queue.set_gap_aside();
            }
        }
        self.store.stat.load_failures += 1;
        true
    }

    fn loaded(&mut self, ticket: StoreTicket, rows: &[(StoreKey, Vec<u8>)]) -> bool {
        let Some(queue) = self.queue_of_load(ticket) else { return false };
        let corrupt = queue.loaded(rows);
        let now = self.now;
        for key in corrupt {
            self.store.remove_later(key, now);
        }
        self.store.hold = None;
        true
    }

    fn queue_of_load(&mut self, ticket: StoreTicket) -> Option<&mut Queue> {
        let is_it = |queue: &Queue| queue.load.as_ref().is_some_and(|load| load.ticket == ticket);
        [&mut self.critical, &mut self.event, &mut self.telemetry].into_iter().find(|queue| is_it(queue))
    }

    // --- health -----------------------------------------------------------------------------------------------------

    /// Notices what was not answered.
    fn watch_store(&mut self) {
        let now = self.now;
        let overdue = |since: MonoTime| since + STORE_PATIENCE <= now;
        if let Some(append) = self.store.append.as_mut().filter(|append| !append.overdue && overdue(append.since)) {
            append.overdue = true;
            self.degrade("the store does not answer");
        }
        for queue in [&mut self.critical, &mut self.event, &mut self.telemetry] {
            if queue.load.as_ref().is_some_and(|load| !load.abandoned && overdue(load.since)) {
                queue.set_gap_aside();
            }
        }
    }

    fn degrade(&mut self, why: &str) {
        if !self.store.has_failed() {
            self.store.health = Health::Failed { since: self.now };
            self.reports.degraded(why);
        }
    }

    fn recover(&mut self) {
        self.store.append_retry = Retry::default();
        if let Health::Failed { since } | Health::Unavailable { since } = self.store.health {
            self.reports.recovered(self.now.since(since));
        }
        self.store.health = Health::Healthy;
    }

    fn append_failed(&mut self) {
        let Some(append) = self.store.append.take() else { return };
        self.store.stat.append_failures += 1;
        self.store.stat.saves_failed += u64::from(!append.values.is_empty());
        for (name, value) in append.values {
            self.store.values.entry(name).or_insert(value);
        }
        for key in append.keys {
            if let Some(queue) = self.queue_mut(key.lane) {
                queue.commit_failed(key.position);
            }
        }
    }

    // --- requests ---------------------------------------------------------------------------------------------------

    fn request(&mut self, request: StoreRequest) -> StoreTicket {
        let ticket = self.next_ticket();
        self.requests.push_back((ticket, request));
        ticket
    }

    fn remove(&mut self) {
        let shutdown = self.shutdown_deadline.is_some() && self.store.remove_retry.is_due(self.now);
        if self.store.removal_due().is_some_and(|due| due <= self.now || shutdown) {
            self.remove_now();
        }
    }

    fn remove_now(&mut self) {
        let rest = self.store.removals.split_off(self.store.removals.len().min(APPEND_RECORDS_MAX));
        let keys = std::mem::replace(&mut self.store.removals, rest);
        self.store.removals_since = self.now;
        let ticket = self.request(StoreRequest::Remove(keys.clone()));
        self.store.remove = Some((ticket, keys));
    }

    fn append(&mut self) {
        if self.append_due().is_none_or(|due| due > self.now) {
            return;
        }
        let (batch, is_all) = self.gather();
        let values = if is_all { std::mem::take(&mut self.store.values) } else { Values::new() };
        if batch.is_empty() && self.first_durable_due().is_some() {
            self.store.hold = Some(self.now + HOLD);
            // Full of what must not be given up, or cannot be: only then nobody is going to make room.
            self.store.full = VICTIMS.iter().all(|lane| self.queue(*lane).is_none_or(|queue| !queue.has_gap()));
        } else {
            self.store.full = false;
        }
        if batch.is_empty() && values.is_empty() {
            return;
        }
        if self.store.removal_due().is_some()
            && self.stored_bytes() * CRITICAL_SHARE > self.store.quota_bytes * (CRITICAL_SHARE - 1)
        {
            // Near the quota, what was given up goes first, so that the new finds its room.
            self.remove_now();
        }
        let keys = batch.iter().map(|(key, _)| *key).collect();
        let sent = values.iter().map(|(name, value)| (name.clone(), value.clone())).collect();
        let ticket = self.request(StoreRequest::Commit { records: batch, values: sent });
        self.store.append = Some(Append { ticket, keys, values, since: self.now, overdue: false });
    }

    /// When the next append is to be made.
    fn append_due(&self) -> Option<MonoTime> {
        if self.store.append.is_some() || !self.store.takes_requests() {
            return None;
        }
        let records = self.first_durable_due();
        // Values go with the records that wait already, and alone when there are none that can be stored now.
        let values = self.store.has_values().then(|| match records {
            Some(due) if self.store.hold.is_none() => due.min(self.store.values_since + COMMIT_DELAY),
            _ => self.store.values_since,
        });
        let held = records.map(|due| due.max(self.store.hold.unwrap_or(MonoTime::ZERO)));
        let due = [held, values].into_iter().flatten().min()?;
        Some(due.max(self.store.append_retry.at.unwrap_or(MonoTime::ZERO)))
    }

    /// When the records that wait are to be stored, were there room.
    fn first_durable_due(&self) -> Option<MonoTime> {
        let gathered = self.critical.uncommitted_records + self.event.uncommitted_records;
        let at_once =
            |pushed: MonoTime, delay: Duration, now_instead: bool| if now_instead { pushed } else { pushed + delay };
        let shutdown = self.shutdown_deadline.is_some();
        let critical = self.critical.first_volatile().map(|(pushed, _)| pushed);
        let event = self.event.first_volatile();
        let event = event.map(|(pushed, _)| at_once(pushed, COMMIT_DELAY, shutdown || gathered >= COMMIT_RECORDS));
        let spilled = self.telemetry.first_volatile().filter(|_| self.spilling);
        let full = self.telemetry.is_half_full() || self.telemetry.uncommitted_records >= COMMIT_RECORDS;
        let spilled = spilled.map(|(pushed, _)| at_once(pushed, SPILL_COMMIT_DELAY, shutdown || full));
        [critical, event, spilled].into_iter().flatten().min()
    }

    /// Puts an append together: all that waits, highest lane first, as far as the quota goes; and whether it is all,
    /// but for what finds no room.
    fn gather(&mut self) -> (Vec<(StoreKey, Vec<u8>)>, bool) {
        let mut batch = Vec::new();
        let mut batch_bytes = 0;
        for lane in STORED {
            if lane == Lane::Telemetry && !self.spilling {
                break;
            }
            while let Some((_, bytes)) = self.queue(lane).and_then(Queue::first_volatile) {
                let full = batch.len() >= APPEND_RECORDS_MAX || batch_bytes + bytes > APPEND_BYTES_MAX;
                if full && !batch.is_empty() {
                    return (batch, lane == Lane::Telemetry);
                }
                if !self.make_room(lane, bytes) {
                    break;
                }
                batch_bytes += bytes;
                batch.extend(self.queue_mut(lane).and_then(Queue::begin_commit));
            }
        }
        (batch, true)
    }

    /// Gives up stored records until one more of this lane and size fits.
    fn make_room(&mut self, lane: Lane, bytes: u64) -> bool {
        let reserve = if lane == Lane::Critical { 0 } else { self.store.quota_bytes / CRITICAL_SHARE };
        while self.stored_bytes() + bytes > self.store.quota_bytes - reserve {
            let Some(key) = self.evict_for(lane) else { return false };
            let now = self.now;
            self.store.remove_later(key, now);
        }
        true
    }

    /// The oldest record of the lowest lane, but of none above the one that needs the room. A lane whose oldest must
    /// first be read back is waited for, so that no higher lane suffers for it.
    fn evict_for(&mut self, lane: Lane) -> Option<StoreKey> {
        for victim in VICTIMS.into_iter().filter(|victim| *victim >= lane) {
            let queue = self.queue_mut(victim)?;
            let evicted = queue.evict_stored();
            if evicted.is_some() || queue.has_gap() {
                return evicted;
            }
        }
        None
    }

    fn stored_bytes(&self) -> u64 {
        self.critical.stat.stored_bytes + self.event.stat.stored_bytes + self.telemetry.stat.stored_bytes
    }

    fn load(&mut self) {
        if !self.store.takes_requests() {
            return;
        }
        for lane in STORED {
            let Some((from, limit)) = self.queue(lane).and_then(|queue| queue.wants_load(self.now)) else { continue };
            let ticket = self.request(StoreRequest::Load { from, limit });
            let now = self.now;
            if let Some(queue) = self.queue_mut(lane) {
                queue.begin_load(ticket, limit, now);
            }
        }
    }

    /// Telemetry goes to the store from the moment that RAM no longer bridges the gap until nothing is left in RAM.
    fn decide_spilling(&mut self) {
        let link_lost = self.down_since.is_some_and(|since| since + SPILL_AFTER <= self.now);
        let keep = link_lost || self.shutdown_deadline.is_some();
        let drained = self.telemetry.uncommitted_records == 0;
        self.spilling = keep || self.telemetry.is_half_full() || (self.spilling && !drained);
    }

    // --- the timer --------------------------------------------------------------------------------------------------

    fn next_due(&self) -> Option<MonoTime> {
        let later = |at: MonoTime| Some(at).filter(|at| *at > self.now);
        let append = self.store.append.as_ref().filter(|append| !append.overdue);
        let spill = self.down_since.filter(|_| !self.spilling && self.telemetry.uncommitted_records > 0);
        let patience = self.critical.next_overdue(self.now, CRITICAL_PATIENCE);
        let queues = [&self.critical, &self.event, &self.telemetry];
        let loads = queues
            .map(|queue| queue.load.as_ref().filter(|load| !load.abandoned).map(|load| load.since + STORE_PATIENCE));
        let load_retries = queues.map(|queue| queue.load_retry.and_then(later));
        [
            self.append_due(),
            self.store.removal_due(),
            append.map(|append| append.since + STORE_PATIENCE),
            spill.map(|since| since + SPILL_AFTER),
            patience,
            self.refused_until.and_then(later),
            self.shutdown_deadline.and_then(later),
            self.reports.due(&self.lane_stats()),
        ]
        .into_iter()
        .chain(loads)
        .chain(load_retries)
        .flatten()
        .min()
    }
}
