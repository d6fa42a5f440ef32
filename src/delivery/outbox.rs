//! The outbox: what happened is kept until the broker has it.
//!
//! # Goals
//!
//! 1. *Durable, then visible, then removed.* A critical or event record is published only after its append is
//!    durable, and removed only after its PUBACK.
//! 2. *Order.* Within a lane, records are sent in the order of making, across link losses, restarts and the border
//!    between RAM and store. Repeats happen (QoS 1) and have the same id. What [`Outbox::admit`] takes is late already:
//!    it goes next.
//! 3. *Nothing unbounded.* RAM, store, window and request queue have limits; what is given up is the oldest of the
//!    lowest lane, counted, and reported as an event.
//! 4. *Never a wedge.* A failed, slow, full, silent or damaged store delays records; it never stops critical ones.
//! 5. *Little flash.* Telemetry is stored only while coverage is lost. States are never stored.
//!
//! # Lanes
//!
//! | lane | kept | sent | when there is no room |
//! |---|---|---|---|
//! | critical | store | after its commit | a new one is refused, old ones are never given up |
//! | event | store | after its commit | the oldest telemetry goes, then the oldest event |
//! | state | one slot a group | newest of its group | more than [`STATE_GROUPS_MAX`] waiting groups are refused |
//! | telemetry | RAM; store after [`SPILL_AFTER`] without a link, or when half of its RAM is taken | at once, but after what earlier runs left | the oldest telemetry goes |
//!
//! # Operation
//!
//! *Group commit.* Records gather for [`COMMIT_DELAY`] or until there are [`COMMIT_RECORDS`], a critical one goes at
//! once, then all that waits goes in one append ([`StoreRequest::Commit`], all or none). One append is under way at a
//! time, so commits happen in order and a slow store makes larger batches, not longer queues.
//!
//! *State beside its records.* Named values ([`Outbox::save`]) go in the same append as the records that were pushed
//! before them, so that after a power cut a service knows that it has told something exactly if it was told. Where no
//! record waits, they go at once. After a failed append they go with the next, unless newer ones have come; there are as
//! many as the code has names.
//!
//! *Sending.* At most [`WINDOW`] publications are without PUBACK. The highest lane goes first, but of each
//! [`TURNS`] publications one belongs to the states and one to telemetry, so that a long backlog of events does not
//! hide what is true now. The last [`WINDOW_CRITICAL`] places are for critical records alone.
//!
//! *Reading back.* See `outbox/queue.rs`: RAM holds a front of each lane, the rest is read in pages.
//!
//! *Loss of the link.* Everything in flight gets its turn again, in its old place; the old tokens mean nothing any
//! more. On the next session it is sent again from the oldest on. Nothing depends on the broker's memory of the session.
//!
//! *A client without room* ([`LinkEvent::Refused`]). Nothing is submitted until all that is in flight is answered,
//! then the refused one goes again. Order needs the shell's help: after it has refused one it refuses every further
//! one that it was handed before the core could have known, which it does by keeping its own queue in order and at
//! least [`WINDOW`] deep, so that a refusal only happens around the loss of the link.
//!
//! *Trouble with the store.*
//!
//! | state | what it means | what is done |
//! |---|---|---|
//! | opening | not opened yet | records wait in RAM, as older ones may lie in the store; critical ones at most [`CRITICAL_PATIENCE`] |
//! | healthy | the last append was durable | as above |
//! | failed | an append failed, or got no answer for [`STORE_PATIENCE`] | critical and event are sent from RAM, counted as uncommitted; the append is tried again with back-off; the first that succeeds stores all that is still unsent |
//! | full | the quota is taken by what must not be given up | as failed, without waiting for an answer |
//! | unavailable | it cannot be opened | as failed, without further tries |
//!
//! A critical record that waits for its commit for [`CRITICAL_PATIENCE`], whatever the reason, is sent without it:
//! help for people in a crashed car outranks the bookkeeping. These are the only exceptions from goal 1. A gap that
//! cannot be read is left in the store after [`LOAD_ATTEMPTS`] tries, for the next start.
//!
//! *Quota.* The store may take [`Limits::store_bytes`], counted as value plus [`RECORD_OVERHEAD_BYTES`]; all but
//! critical may take 7/8 of it, so that a critical record finds room at once. The oldest of the lowest lane is given
//! up until the new one fits; a record never displaces one of a higher lane. Those in flight are passed over: their
//! PUBACK is about to remove them.
//!
//! # Why the invariants hold
//!
//! *Published after commit:* `may_send` is the only gate to `send_next`, and lets pass what is committed or kept
//! elsewhere ([`Outbox::admit_kept_elsewhere`]), telemetry, and the exceptions above. *Removed after PUBACK:* keys reach the removal list only from `acked`, from eviction and
//! from undecodable records; the latter two are counted as losses. *Order:* the head is in order by induction: it
//! grows only at its end, by the gap's next page while there is a gap, else by the tail's first, and what is admitted
//! takes its place in it; a link loss clears marks and moves nothing. *Gap-free numbers:* a number is given after
//! every check has passed; a state gets it when it is sent. *Bounded:* the head by front cache plus window, the tail
//! by [`Limits::volatile_records`] and [`Limits::volatile_bytes`], store requests by one append, one removal and one
//! load a lane at a time, the removal list by [`REMOVALS_MAX`].
//!
//! # Contract
//!
//! Call with what happened, drain [`Outbox::poll_effect`] and [`Outbox::poll_report`], re-arm the timer from
//! [`Outbox::poll_timeout`]. The boot counter must be larger than that of every stored record.

mod limits;
mod queue;
mod report;
mod stat;
mod state;
mod store;
#[cfg(test)]
mod tests;

use std::collections::VecDeque;

use crate::gateway::{Effect, LinkEvent, PublishToken, StoreEvent, StoreRequest, StoreTicket};
use crate::time::{MonoTime, Stamp};

use super::cloudevent::Encoder;
use super::codec;
use super::draft::{Draft, PushError};
use super::record::{BootId, Lane, Record, RecordId};

use queue::{Durability, Entry, Queue};
use report::Reports;
use state::StateLane;
use store::StoreSide;

pub use limits::*;
pub use report::REPORT_INTERVAL;
pub use stat::{LATENCY_BUCKETS_MS, LaneStat, Latency, OutboxStat};

/// A publication without PUBACK.
#[derive(Debug, Clone, Copy)]
struct Flight {
    token: PublishToken,
    id: RecordId,
}

/// See the module's documentation.
#[derive(Debug)]
pub struct Outbox {
    boot: BootId,
    /// The last sequence number given, by lane.
    last_seq: [u32; 4],
    critical: Queue,
    event: Queue,
    telemetry: Queue,
    state: StateLane,
    store: StoreSide,
    flights: Vec<Flight>,
    next_token: u64,
    next_ticket: u64,
    turn: u8,
    online: bool,
    /// Since when there is no link; none while there is one.
    down_since: Option<MonoTime>,
    /// Telemetry goes to the store.
    spilling: bool,
    /// The client refused; nothing is submitted before this, nor before all in flight is answered.
    refused_until: Option<MonoTime>,
    shutdown_deadline: Option<MonoTime>,
    requests: VecDeque<(StoreTicket, StoreRequest)>,
    reports: Reports,
    client_refusals: u64,
    now: MonoTime,
    due: Option<MonoTime>,
    /// Something was pushed or saved: what follows from it is done once, when effects are asked for, so that all that
    /// belongs together is committed together.
    is_behind: bool,
}

impl Outbox {
    /// An empty outbox that waits for [`StoreEvent::Opened`] and [`LinkEvent::Up`].
    #[must_use]
    pub fn new(now: MonoTime, limits: Limits, boot: BootId) -> Self {
        Self {
            boot,
            last_seq: [0; 4],
            critical: Queue::new(Lane::Critical, &limits),
            event: Queue::new(Lane::Event, &limits),
            telemetry: Queue::new(Lane::Telemetry, &limits),
            state: StateLane::new(boot),
            store: StoreSide::new(limits.store_bytes),
            flights: Vec::with_capacity(WINDOW),
            next_token: 0,
            next_ticket: 0,
            turn: 0,
            online: false,
            down_since: Some(now),
            spilling: false,
            refused_until: None,
            shutdown_deadline: None,
            requests: VecDeque::new(),
            reports: Reports::default(),
            client_refusals: 0,
            now,
            due: None,
            is_behind: false,
        }
    }

    /// Takes a message. It is numbered at once, but for a state, which is numbered when it is sent.
    pub fn push(&mut self, now: MonoTime, draft: Draft) -> Result<(), PushError> {
        self.now = self.now.max(now);
        let lane = draft.lane;
        if let Err(why) = draft.check() {
            self.count_refused(lane);
            return Err(why);
        }
        if lane == Lane::State {
            return self.state.push(now, draft);
        }
        self.is_behind = true;
        self.enqueue(now, draft)
    }

    /// Takes what must be the first message of the session: presence. Replaces an older one that was not sent.
    pub fn announce(&mut self, now: MonoTime, draft: Draft) -> Result<(), PushError> {
        draft.check().inspect_err(|_| self.count_refused(Lane::State))?;
        self.state.announce(now, draft);
        Ok(())
    }

    /// Takes a record of an earlier run that somebody else has just stored under its own key, after the store was opened:
    /// it is sent next, and removed after its PUBACK like all others.
    pub fn admit(&mut self, now: MonoTime, record: Record) {
        self.admit_as(now, record, Durability::Committed);
    }

    /// Takes a record of an earlier run that somebody else keeps until it is delivered: it is sent next, and the store
    /// never hears of it.
    pub fn admit_kept_elsewhere(&mut self, now: MonoTime, record: Record) {
        self.admit_as(now, record, Durability::Elsewhere);
    }

    fn admit_as(&mut self, now: MonoTime, record: Record, durability: Durability) {
        self.now = self.now.max(now);
        if let Some(queue) = self.queue_mut(record.id.lane) {
            queue.admit(record, durability);
        }
        self.advance();
    }

    /// Takes the store's answer; false when the ticket is not one of the outbox's own.
    pub fn handle_store(&mut self, now: MonoTime, event: &StoreEvent) -> bool {
        self.now = self.now.max(now);
        let own = self.store_event(event);
        self.advance();
        own
    }

    /// Takes what the client saw.
    pub fn handle_link(&mut self, now: MonoTime, event: &LinkEvent) {
        self.now = self.now.max(now);
        match event {
            LinkEvent::Up { .. } => {
                self.rewind_all();
                self.online = true;
                self.down_since = None;
            }
            LinkEvent::Down(_) => {
                self.rewind_all();
                self.online = false;
                self.down_since = self.down_since.or(Some(now));
            }
            LinkEvent::Acked(token) => self.acked(*token),
            LinkEvent::Refused(token) => self.refused(*token),
        }
        self.advance();
    }

    /// Does what has become due; next to nothing when nothing has, so that it can be called after each frame.
    pub fn handle_timeout(&mut self, now: MonoTime) {
        self.now = self.now.max(now);
        if self.due.is_some_and(|due| due <= self.now) {
            self.advance();
        }
    }

    /// When [`Self::handle_timeout`] wants to be called.
    #[must_use]
    pub const fn poll_timeout(&self) -> Option<MonoTime> {
        self.due
    }

    /// The next thing to do outside: store requests first, then publications while the window has room.
    pub fn poll_effect(&mut self, encoder: &Encoder<'_>) -> Option<Effect> {
        if let Some(request) = self.poll_request() {
            return Some(request);
        }
        let lane = self.next_lane()?;
        let token = self.next_token();
        let record = match lane {
            Lane::State => self.state.send_next(token),
            Lane::Critical => self.critical.send_next(token),
            Lane::Event => self.event.send_next(token),
            Lane::Telemetry => self.telemetry.send_next(token),
        }?;
        self.flights.push(Flight { token, id: record.id });
        self.turn = (self.turn + 1) % TURNS;
        Some(Effect::Publish(encoder.publication(token, record)))
    }

    /// The next store request alone, for as long as nothing may be published.
    pub fn poll_request(&mut self) -> Option<Effect> {
        if std::mem::take(&mut self.is_behind) {
            self.advance();
        }
        self.requests.pop_front().map(|(ticket, request)| Effect::Store(ticket, request))
    }

    /// The next report on the outbox's own troubles, to be pushed by the caller, who knows the time of day.
    pub fn poll_report(&mut self, now: MonoTime, stamp: Stamp) -> Option<Draft> {
        let lanes = self.lane_stats();
        let report = self.reports.poll(now, &lanes, stamp);
        if report.is_some() {
            self.advance();
        }
        report
    }

    /// Makes everything durable that can be made so, telemetry included, and sends only what is critical or cannot
    /// be stored.
    pub fn begin_shutdown(&mut self, now: MonoTime, deadline: MonoTime) {
        self.now = self.now.max(now);
        self.shutdown_deadline = Some(deadline);
        self.advance();
    }

    /// Everything is in the store and no request is under way, or the deadline of [`Self::begin_shutdown`] has come.
    #[must_use]
    pub fn is_drained(&self, now: MonoTime) -> bool {
        let uncommitted =
            self.critical.uncommitted_records + self.event.uncommitted_records + self.telemetry.uncommitted_records;
        (uncommitted == 0 && !self.store.has_values() && self.requests.is_empty() && self.store.is_idle())
            || self.shutdown_deadline.is_some_and(|deadline| deadline <= now)
    }

    /// Keeps named values, in one commit with the records that were pushed before. The newest of a name holds.
    pub fn save(&mut self, now: MonoTime, values: Vec<(String, Vec<u8>)>) {
        self.now = self.now.max(now);
        self.store.save(self.now, values);
        self.is_behind = true;
    }

    /// The values that [`Self::save`] took are durable.
    #[must_use]
    pub fn has_saved(&self) -> bool {
        self.store.has_saved()
    }

    /// The identity of the newest record of a lane; of the first record's predecessor while there is none.
    #[must_use]
    pub const fn last_id(&self, lane: Lane) -> RecordId {
        RecordId { boot: self.boot, lane, seq: self.last_seq[lane as usize] }
    }

    /// The identity that the next record of a lane gets.
    #[must_use]
    pub const fn next_id(&self, lane: Lane) -> RecordId {
        RecordId { boot: self.boot, lane, seq: self.last_seq[lane as usize].saturating_add(1) }
    }

    /// A record of this run as it goes into the store, while it is in RAM.
    #[must_use]
    pub fn encoded(&self, id: RecordId) -> Option<Vec<u8>> {
        self.queue(id.lane)?.in_memory(id).map(|entry| codec::encode(&entry.record))
    }

    /// A record would survive a power cut in the store, or was delivered.
    #[must_use]
    pub fn is_kept(&self, id: RecordId) -> bool {
        let waiting = self.queue(id.lane).and_then(|queue| queue.in_memory(id));
        waiting.is_none_or(|entry| entry.durability == Durability::Committed)
    }

    /// Publications without PUBACK, for the watchdog of the link.
    #[must_use]
    pub const fn in_flight(&self) -> usize {
        self.flights.len()
    }

    /// For metrics.
    #[must_use]
    pub fn stat(&self) -> OutboxStat {
        OutboxStat { lanes: self.lane_stats(), client_refusals: self.client_refusals, ..self.store.stat() }
    }

    // --- making -----------------------------------------------------------------------------------------------------

    fn enqueue(&mut self, now: MonoTime, draft: Draft) -> Result<(), PushError> {
        let lane = draft.lane;
        let boot = self.boot;
        let Some(seq) = self.last_seq[lane as usize].checked_add(1) else { return Err(PushError::Full(draft.topic)) };
        let entry = Entry::new(draft.into_record(RecordId { boot, lane, seq }), now);
        let Some(queue) = self.queue_mut(lane) else { return Ok(()) };
        while !queue.has_room(entry.bytes) {
            if lane == Lane::Critical || !queue.evict_volatile() {
                queue.stat.refused += 1;
                return Err(PushError::Full(entry.record.topic));
            }
        }
        queue.push(entry);
        self.last_seq[lane as usize] = seq;
        if lane == Lane::Critical {
            self.store.hold = None;
        }
        Ok(())
    }

    fn count_refused(&mut self, lane: Lane) {
        match self.queue_mut(lane) {
            Some(queue) => queue.stat.refused += 1,
            None => self.state.stat.refused += 1,
        }
    }

    // --- sending ----------------------------------------------------------------------------------------------------

    /// The lane whose record goes next.
    fn next_lane(&self) -> Option<Lane> {
        let paused = self.refused_until.is_some_and(|until| until > self.now || !self.flights.is_empty());
        if !self.online || paused || self.flights.len() >= WINDOW {
            return None;
        }
        if self.state.is_urgent() {
            return Some(Lane::State);
        }
        if self.may_send(&self.critical) {
            return Some(Lane::Critical);
        }
        if self.flights.len() >= WINDOW - WINDOW_CRITICAL {
            return None;
        }
        if self.shutdown_deadline.is_some() {
            return (self.store.is_down() && self.may_send(&self.event)).then_some(Lane::Event);
        }
        let order = match self.turn {
            0 => [Lane::State, Lane::Event, Lane::Telemetry],
            1 => [Lane::Telemetry, Lane::Event, Lane::State],
            _ => [Lane::Event, Lane::State, Lane::Telemetry],
        };
        order.into_iter().find(|&lane| match self.queue(lane) {
            Some(queue) => self.may_send(queue),
            None => self.state.has_next(),
        })
    }

    /// The gate of invariant 1: whether the lane's next record may be published now.
    fn may_send(&self, queue: &Queue) -> bool {
        let Some(entry) = queue.next() else { return false };
        entry.durability.is_safe()
            || match queue.lane {
                Lane::Telemetry => !self.store.is_opening(),
                Lane::Critical => self.store.is_down() || self.patience_ends(entry) <= self.now,
                Lane::Event | Lane::State => self.store.is_down(),
            }
    }

    fn patience_ends(&self, entry: &Entry) -> MonoTime {
        entry.pushed.map_or(self.now, |pushed| pushed + CRITICAL_PATIENCE)
    }

    fn acked(&mut self, token: PublishToken) {
        let Some(flight) = self.take_flight(token) else { return };
        let position = flight.id.key().position;
        let now = self.now;
        let Some(queue) = self.queue_mut(flight.id.lane) else {
            if let Some(pushed) = self.state.acked(position) {
                self.state.stat.latency.add(now.since(pushed));
            }
            return;
        };
        let Some(acked) = queue.acked(token) else { return };
        if let Some(pushed) = acked.pushed {
            queue.stat.latency.add(now.since(pushed));
        }
        if let Some(key) = acked.stored {
            self.store.remove_later(key, now);
        }
    }

    fn refused(&mut self, token: PublishToken) {
        let Some(flight) = self.take_flight(token) else { return };
        self.client_refusals += 1;
        self.refused_until = Some(self.now + REFUSED_PAUSE);
        let position = flight.id.key().position;
        match self.queue_mut(flight.id.lane) {
            Some(queue) => queue.rewind(token),
            None => self.state.rewind(position),
        }
    }

    fn rewind_all(&mut self) {
        self.flights.clear();
        self.refused_until = None;
        self.critical.rewind_all();
        self.event.rewind_all();
        self.telemetry.rewind_all();
        self.state.rewind_all();
    }

    fn take_flight(&mut self, token: PublishToken) -> Option<Flight> {
        let at = self.flights.iter().position(|flight| flight.token == token)?;
        Some(self.flights.swap_remove(at))
    }

    /// A ticket for a store request of somebody else, from the same series.
    pub const fn next_ticket(&mut self) -> StoreTicket {
        self.next_ticket += 1;
        StoreTicket(self.next_ticket)
    }

    const fn next_token(&mut self) -> PublishToken {
        self.next_token += 1;
        PublishToken(self.next_token)
    }

    // --- small change -----------------------------------------------------------------------------------------------

    const fn queue(&self, lane: Lane) -> Option<&Queue> {
        match lane {
            Lane::Critical => Some(&self.critical),
            Lane::Event => Some(&self.event),
            Lane::Telemetry => Some(&self.telemetry),
            Lane::State => None,
        }
    }

    const fn queue_mut(&mut self, lane: Lane) -> Option<&mut Queue> {
        match lane {
            Lane::Critical => Some(&mut self.critical),
            Lane::Event => Some(&mut self.event),
            Lane::Telemetry => Some(&mut self.telemetry),
            Lane::State => None,
        }
    }

    fn lane_stats(&self) -> [LaneStat; 4] {
        Lane::ALL.map(|lane| self.queue(lane).map_or_else(|| self.state.stat(), Queue::stat))
    }
}
