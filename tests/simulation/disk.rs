//! A disk that commits late, fails for a while, and loses what it had not committed when the power goes.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::time::Duration;

use telltale::delivery::{Lane, StoreKey};
use telltale::gateway::{LaneInventory, StoreEvent, StoreInventory, StoreRequest, StoreTicket};
use telltale::rng::Rng;
use telltale::time::MonoTime;

struct Waiting {
    done_at: MonoTime,
    since: MonoTime,
    ticket: StoreTicket,
    request: StoreRequest,
}

/// What survives everything, and what is on its way.
#[derive(Default)]
pub(crate) struct Disk {
    records: BTreeMap<StoreKey, Vec<u8>>,
    values: BTreeMap<String, Vec<u8>>,
    /// Requests in order, each with the moment at which it is done.
    queue: VecDeque<Waiting>,
    /// Removals that a power cut undoes.
    removed_lately: BTreeMap<StoreKey, Vec<u8>>,
    /// Every record that was ever durable.
    pub ever: BTreeSet<StoreKey>,
    pub failing_until: MonoTime,
    pub failed_appends: u64,
    is_open: bool,
    /// The last append failed, or there is no store: events may be sent from memory.
    has_failed: bool,
}

/// An append that takes longer counts as failed.
const PATIENCE: Duration = Duration::from_secs(10);

impl Disk {
    pub(crate) fn open(&mut self) -> StoreEvent {
        self.is_open = true;
        self.has_failed = false;
        let lanes = Lane::ALL.into_iter().filter_map(|lane| {
            let held: Vec<_> = self.records.iter().filter(|(key, _)| key.lane == lane).collect();
            let ((first, _), (last, _)) = (held.first()?, held.last()?);
            let bytes = held.iter().map(|(_, bytes)| bytes.len() as u64).sum();
            Some(LaneInventory { lane, first: **first, last: **last, count: held.len() as u64, bytes })
        });
        let values = self.values.iter().map(|(name, bytes)| (name.clone(), bytes.clone())).collect();
        StoreEvent::Opened(StoreInventory { lanes: lanes.collect(), values, incident: None })
    }

    pub(crate) fn submit(&mut self, now: MonoTime, rng: &mut Rng, ticket: StoreTicket, request: StoreRequest) {
        let slow = if rng.below(50) == 0 { 3_000 } else { 40 };
        let earliest = self.queue.back().map_or(now, |last| last.done_at).max(now);
        let done_at = earliest + Duration::from_millis(1 + rng.below(slow));
        self.queue.push_back(Waiting { done_at, since: now, ticket, request });
        assert!(self.queue.len() <= 64, "{} requests wait for the disk", self.queue.len());
    }

    pub(crate) fn next(&self) -> Option<MonoTime> {
        self.queue.front().map(|first| first.done_at)
    }

    /// It may be that nothing becomes durable now, and that the gateway knows it.
    pub(crate) fn is_down(&self, now: MonoTime) -> bool {
        let is_late = |waiting: &Waiting| waiting.since + PATIENCE <= now;
        self.has_failed || self.queue.iter().any(|waiting| is_late(waiting) && waiting.is_append())
    }

    /// It fails as a whole: everything under way is answered, nothing of it is done.
    pub(crate) fn break_down(&mut self) -> Vec<StoreEvent> {
        self.is_open = false;
        self.has_failed = true;
        let answer = |waiting: Waiting| StoreEvent::Failed(waiting.ticket, "the store has failed".to_owned());
        let mut events: Vec<_> = self.queue.drain(..).map(answer).collect();
        events.push(StoreEvent::Unavailable("input/output error".to_owned()));
        events
    }

    /// Carries out the oldest request, now that its time has come.
    pub(crate) fn work(&mut self, now: MonoTime) -> Option<StoreEvent> {
        if self.next()? > now {
            return None;
        }
        let waiting = self.queue.pop_front()?;
        let is_append = waiting.is_append();
        let Waiting { ticket, request, .. } = waiting;
        let is_failing = now < self.failing_until && !matches!(request, StoreRequest::Load { .. });
        if is_append {
            self.failed_appends += u64::from(is_failing);
            self.has_failed = is_failing;
        }
        if is_failing || !self.is_open {
            return Some(StoreEvent::Failed(ticket, "no space left on device".to_owned()));
        }
        match request {
            StoreRequest::Commit { records, values } => {
                self.removed_lately.clear();
                self.ever.extend(records.iter().map(|(key, _)| *key));
                self.records.extend(records);
                for (name, bytes) in values {
                    if bytes.is_empty() {
                        self.values.remove(&name)
                    } else {
                        self.values.insert(name, bytes)
                    };
                }
            }
            StoreRequest::Remove(keys) => {
                for key in keys {
                    if let Some(bytes) = self.records.remove(&key) {
                        self.removed_lately.insert(key, bytes);
                    }
                }
            }
            StoreRequest::Load { from, limit } => {
                let page = self.records.range(from..).filter(|(key, _)| key.lane == from.lane).take(limit);
                let page = page.map(|(key, bytes)| (*key, bytes.clone())).collect();
                return Some(StoreEvent::Loaded(ticket, page));
            }
        }
        Some(StoreEvent::Done(ticket))
    }

    /// The process is gone: what was asked for and not done is never done, or, as the thread may have been in the
    /// middle of it, done without an answer.
    pub(crate) fn kill(&mut self, rng: &mut Rng) {
        if rng.below(2) == 0
            && let Some(at) = self.next()
        {
            self.work(at);
        }
        self.queue.clear();
        self.is_open = false;
        self.has_failed = false;
    }

    /// The power is gone: besides, removals may be undone.
    pub(crate) fn cut_power(&mut self, rng: &mut Rng) {
        self.kill(rng);
        if rng.below(2) == 0 {
            self.records.append(&mut self.removed_lately);
        }
        self.removed_lately.clear();
    }

    /// What is still stored in that lane.
    pub(crate) fn count(&self, lane: Lane) -> usize {
        self.records.keys().filter(|key| key.lane == lane).count()
    }
}

impl Waiting {
    const fn is_append(&self) -> bool {
        matches!(self.request, StoreRequest::Commit { .. })
    }
}
