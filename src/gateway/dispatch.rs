//! The way out: outbox, link and encoding under one hand.
//!
//! Everything that leaves the car passes [`Dispatch::next_effect`], and there the one [`Encoder`], which lets no
//! position out in privacy mode. What was recorded in privacy mode has none: see `gateway/privacy.rs`.

use std::collections::VecDeque;
use std::time::Duration;

use tracing::{error, info};

use crate::delivery::link::LinkStat;
use crate::delivery::outbox::CRITICAL_PATIENCE;
use crate::delivery::{
    BootId, Draft, Encoder, Lane, Limits, Link, Outbox, OutboxStat, Privacy, Record, RecordId, Topics, VehicleId,
    presence,
};
use crate::rng::Rng;
use crate::time::{Clock, KernelBoot, MonoTime, Stamp};

use super::adoption::{Adoption, Outcome};
use super::{Effect, LinkEvent, StoreEvent, StoreRequest, StoreTicket};

/// What the encoder must know that is not the dispatch's own.
#[derive(Debug, Clone, Copy)]
pub(super) struct Context<'a> {
    pub(super) clock: &'a Clock,
    pub(super) privacy: Privacy,
    /// Nothing may be published now.
    pub(super) is_held: bool,
}

/// Owns the outbox and the link.
#[derive(Debug)]
pub(super) struct Dispatch {
    topics: Topics,
    boot: BootId,
    kernel: KernelBoot,
    outbox: Outbox,
    link: Link,
    store: Access,
    /// When it is not waited for any more.
    store_due: MonoTime,
    /// Values that there was no store for.
    unsaved: u64,
    refused: u64,
    /// Reports of earlier runs on their way into the store.
    adoption: Adoption,
    /// What the adoption asks of the store; one at a time.
    requests: VecDeque<(StoreTicket, StoreRequest)>,
    /// Those that are durable or delivered.
    recovered: Vec<RecordId>,
    /// Those that will be once the record of that id, which tells of them, is; the black box has a handful.
    owed: Vec<(RecordId, RecordId)>,
}

/// What is known of the store.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Access {
    Opening,
    Open,
    /// It could not be opened, or has not been until what is critical had waited for long enough.
    Gone,
}

impl Dispatch {
    pub(super) fn new(
        now: MonoTime,
        vehicle: VehicleId,
        (boot, kernel): (BootId, KernelBoot),
        limits: Limits,
        (seed, keep_alive): (u64, Duration),
    ) -> Self {
        let mut link = Link::new(Rng::new(seed), keep_alive);
        link.start(now);
        Self {
            topics: Topics::new(vehicle),
            boot,
            kernel,
            outbox: Outbox::new(now, limits, boot),
            link,
            store: Access::Opening,
            store_due: now + CRITICAL_PATIENCE,
            unsaved: 0,
            refused: 0,
            adoption: Adoption::default(),
            requests: VecDeque::new(),
            recovered: Vec::new(),
            owed: Vec::new(),
        }
    }

    /// A moment with what the wall clock says of it.
    pub(super) fn stamp(&self, clock: &Clock, mono: MonoTime) -> Stamp {
        Stamp { boot: self.kernel, mono, wall: clock.wall_at(mono) }
    }

    /// Takes a message; false when it was refused. One that is too large or misnamed is a fault of the profile or of this
    /// program: it is counted, and logged each time that the count doubles, as a state may be made anew each second.
    /// Nothing else suffers.
    pub(super) fn push(&mut self, now: MonoTime, draft: Draft) -> bool {
        let topic = draft.topic.clone();
        let Err(error) = self.outbox.push(now, draft) else { return true };
        self.refused += 1;
        if self.refused.is_power_of_two() {
            error!(%topic, %error, refused = self.refused, "a message was refused where it was made");
        }
        false
    }

    /// Takes what the client saw; true when a session has begun and the retained messages are due.
    pub(super) fn handle_link(&mut self, now: MonoTime, clock: &Clock, event: &LinkEvent) -> bool {
        self.link.handle(now, event);
        let is_up = matches!(event, LinkEvent::Up { .. });
        if is_up {
            let online = presence::online(self.boot, self.stamp(clock, now));
            if let Err(error) = self.outbox.announce(now, online) {
                error!(%error, "presence was refused");
            }
        }
        self.outbox.handle_link(now, event);
        is_up
    }

    pub(super) fn handle_store(&mut self, now: MonoTime, event: &StoreEvent) {
        if self.adoption.awaits(event) {
            return self.adoption_answered(now, event);
        }
        match event {
            StoreEvent::Opened(inventory) => {
                self.store = Access::Open;
                let records: u64 = inventory.lanes.iter().map(|lane| lane.count).sum();
                info!(records, "the store is open");
                self.adoption.stop();
            }
            StoreEvent::Unavailable(why) => {
                self.store = Access::Gone;
                self.adoption.stop();
                error!(%why, "running without a store");
            }
            StoreEvent::Done(_) | StoreEvent::Failed(..) | StoreEvent::Loaded(..) => {}
        }
        self.outbox.handle_store(now, event);
        self.adopt(now);
    }

    /// Takes a report that an earlier run made, or would have made, under its own id.
    ///
    /// A run that cannot reach its store does not count as a start, and the next one has its counter again. What such a run
    /// has left must not go into the store: its place there belongs to this run's own records.
    pub(super) fn recover(&mut self, now: MonoTime, report: Record) {
        if report.id.boot.counter >= self.boot.counter {
            return self.send_from_memory(now, report);
        }
        self.adoption.push(report);
        self.adopt(now);
    }

    /// Reports of earlier runs that have become durable, or were delivered, since the last time.
    pub(super) fn take_recovered(&mut self) -> Vec<RecordId> {
        let Self { outbox, owed, recovered, .. } = self;
        owed.retain(|(report, told)| {
            let is_kept = outbox.is_kept(*told);
            if is_kept {
                recovered.push(*report);
            }
            !is_kept
        });
        std::mem::take(recovered)
    }

    fn adoption_answered(&mut self, now: MonoTime, event: &StoreEvent) {
        let (outcome, request) = self.adoption.answer(now, event, || self.outbox.next_ticket());
        self.requests.extend(request);
        match outcome {
            Some(Outcome::Known(id)) => self.recovered.push(id),
            Some(Outcome::Stored(record)) => {
                self.recovered.push(record.id);
                self.outbox.admit(now, *record);
            }
            Some(Outcome::Displaced(record)) => {
                let Record { id, topic, kind, subject, stamp, data, location, statutory } = *record;
                let draft = Draft { lane: id.lane, topic, kind, subject, stamp, data, location, statutory };
                let told = self.next_id(id.lane);
                // What is refused stays in the black box, for the next start.
                if self.push(now, draft) {
                    self.owed.push((id, told));
                }
            }
            Some(Outcome::Refused(record)) => self.send_from_memory(now, *record),
            None => {}
        }
        self.adopt(now);
    }

    /// Asks for the next report where there is a store; where there is none, all are sent.
    fn adopt(&mut self, now: MonoTime) {
        match self.store {
            Access::Opening => {}
            Access::Open => self.requests.extend(self.adoption.next(now, || self.outbox.next_ticket())),
            Access::Gone => self.send_waiting(now),
        }
    }

    fn send_waiting(&mut self, now: MonoTime) {
        while let Some(report) = self.adoption.take_waiting() {
            self.send_from_memory(now, report);
        }
    }

    fn send_from_memory(&mut self, now: MonoTime, report: Record) {
        self.owed.push((report.id, report.id));
        self.outbox.admit_kept_elsewhere(now, report);
    }

    pub(super) fn handle_timeout(&mut self, now: MonoTime) {
        self.link.handle_timeout(now);
        self.outbox.handle_timeout(now);
        if self.store == Access::Opening && self.store_due <= now {
            self.store = Access::Gone;
            self.adopt(now);
        }
        // One that does not answer for one report does not for the next.
        if let Some(report) = self.adoption.give_up(now) {
            error!(id = %report.id, "the store does not answer; what earlier runs left is sent from memory");
            self.send_from_memory(now, report);
            self.send_waiting(now);
        }
    }

    pub(super) fn network_changed(&mut self, now: MonoTime) {
        self.link.hurry(now);
    }

    /// Keeps named values, together with the messages that were pushed before; without a store they are lost with the
    /// run, and counted.
    pub(super) fn save(&mut self, now: MonoTime, values: Vec<(String, Vec<u8>)>) {
        if self.has_store() {
            self.outbox.save(now, values);
        } else if !values.is_empty() {
            self.unsaved += 1;
        }
    }

    pub(super) fn begin_shutdown(&mut self, now: MonoTime, clock: &Clock, deadline: MonoTime) {
        self.outbox.begin_shutdown(now, deadline);
        if self.link.is_online() {
            let offline = presence::offline(self.boot, self.stamp(clock, now));
            if let Err(error) = self.outbox.announce(now, offline) {
                error!(%error, "the goodbye was refused");
            }
        }
    }

    /// Nothing is left to be committed, saved or acknowledged.
    pub(super) fn is_drained(&self, now: MonoTime) -> bool {
        let is_said = !self.link.is_online() || self.outbox.in_flight() == 0;
        is_said && !self.adoption.is_busy() && self.outbox.is_drained(now)
    }

    pub(super) fn stop(&mut self) {
        self.link.stop();
    }

    pub(super) fn next_effect(&mut self, now: MonoTime, context: Context<'_>) -> Option<Effect> {
        while let Some(report) = self.outbox.poll_report(now, self.stamp(context.clock, now)) {
            self.push(now, report);
        }
        if let Some((ticket, request)) = self.requests.pop_front() {
            return Some(Effect::Store(ticket, request));
        }
        let encoder =
            Encoder { topics: &self.topics, clock: context.clock, kernel: self.kernel, privacy: context.privacy };
        let effect = if context.is_held { self.outbox.poll_request() } else { self.outbox.poll_effect(&encoder) };
        if effect.is_some() {
            return effect;
        }
        self.link.watch(now, self.outbox.in_flight());
        self.link.poll_effect()
    }

    pub(super) fn poll_timeout(&self) -> Option<MonoTime> {
        let store = (self.store == Access::Opening).then_some(self.store_due);
        [self.outbox.poll_timeout(), self.link.poll_timeout(), store, self.adoption.due()].into_iter().flatten().min()
    }

    /// The identity that the next record of a lane gets.
    pub(super) const fn next_id(&self, lane: Lane) -> RecordId {
        self.outbox.next_id(lane)
    }

    /// A record of this run as it goes into the store, while it is in RAM.
    pub(super) fn encoded(&self, id: RecordId) -> Option<Vec<u8>> {
        self.outbox.encoded(id)
    }

    /// Of the record of a lane that was made last.
    pub(super) const fn last_id(&self, lane: Lane) -> RecordId {
        self.outbox.last_id(lane)
    }

    /// The values that were to be kept are.
    pub(super) fn has_saved(&self) -> bool {
        self.has_store() && self.outbox.has_saved()
    }

    /// A record of this run would survive a power cut, or was delivered.
    pub(super) fn is_kept(&self, id: RecordId) -> bool {
        self.outbox.is_kept(id)
    }

    pub(super) const fn boot(&self) -> BootId {
        self.boot
    }

    pub(super) const fn is_online(&self) -> bool {
        self.link.is_online()
    }

    /// It is open now.
    pub(super) fn has_store(&self) -> bool {
        self.store == Access::Open
    }

    /// Nothing more is to be learnt from waiting for it.
    pub(super) fn knows_store(&self) -> bool {
        self.store != Access::Opening
    }

    pub(super) fn outbox_stat(&self) -> OutboxStat {
        self.outbox.stat()
    }

    pub(super) const fn link_stat(&self) -> LinkStat {
        self.link.stat()
    }

    pub(super) fn counts(&self) -> (u64, u64) {
        (self.refused, self.unsaved + self.outbox.stat().saves_failed)
    }
}
