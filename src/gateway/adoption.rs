//! Reports of crashes that an earlier run left in the black box go into the store under their own ids, and then to the
//! outbox, to be sent next. Whether the store or the black box was open first makes no difference.
//!
//! Each is looked up first. One that is in the store already was committed, and only its mark was lost: the outbox finds
//! it there as it finds all that earlier runs left. One that is not was never committed, or was delivered and removed: it
//! is stored, and a subscriber that has it drops the repeat by id.
//!
//! Where there is no store, or it refuses or is silent, nothing can be looked up, and nothing waits for it: the reports are
//! sent from RAM, and the black box keeps each until its PUBACK. That leaves two cases: another critical record that has a
//! report's id already (see [`Outcome::Displaced`]) cannot be noticed, and a subscriber takes the later of the two for a
//! repeat; and what a silent store has stored in the end is sent again after the next start, under its id.

use std::collections::VecDeque;

use tracing::{error, info};

use crate::delivery::outbox::CRITICAL_PATIENCE;
use crate::delivery::{Record, RecordId, codec};
use crate::time::MonoTime;

use super::{StoreEvent, StoreRequest, StoreTicket};

/// Goes through the reports one by one.
#[derive(Debug, Default)]
pub(super) struct Adoption {
    /// The black box has a handful of records.
    waiting: VecDeque<Record>,
    under_way: Option<Asked>,
}

/// A request without an answer.
#[derive(Debug)]
struct Asked {
    ticket: StoreTicket,
    since: MonoTime,
    step: Step,
}

#[derive(Debug)]
enum Step {
    Look(Record),
    Store(Record),
}

/// What became of a report.
pub(super) enum Outcome {
    /// It was in the store.
    Known(RecordId),
    /// It is in the store now, and nobody sends it yet.
    Stored(Box<Record>),
    /// Another record has its key: it must have a new id. Happens when another critical record was made between the
    /// suspicion and the power cut, and the table of the black box was not yet written anew.
    Displaced(Box<Record>),
    /// The store does not keep it.
    Refused(Box<Record>),
}

impl Adoption {
    pub(super) fn push(&mut self, report: Record) {
        self.waiting.push_back(report);
    }

    /// A request has no answer yet.
    pub(super) const fn is_busy(&self) -> bool {
        self.under_way.is_some()
    }

    /// The store is gone or opened anew, and no answer comes: the report under way waits again.
    pub(super) fn stop(&mut self) {
        if let Some(Asked { step: Step::Look(report) | Step::Store(report), .. }) = self.under_way.take() {
            self.waiting.push_front(report);
        }
    }

    /// When a request that has no answer is given up.
    pub(super) fn due(&self) -> Option<MonoTime> {
        self.under_way.as_ref().map(|asked| asked.since + CRITICAL_PATIENCE)
    }

    /// The report of a request that has waited for too long; its answer is not awaited any more.
    pub(super) fn give_up(&mut self, now: MonoTime) -> Option<Record> {
        self.due().filter(|due| *due <= now)?;
        let Asked { step: Step::Look(report) | Step::Store(report), .. } = self.under_way.take()?;
        Some(report)
    }

    /// A report that waits, for whoever sends it without a store.
    pub(super) fn take_waiting(&mut self) -> Option<Record> {
        self.waiting.pop_front()
    }

    /// The next request, under that ticket; none when a request is under way or all is done.
    pub(super) fn next(
        &mut self,
        now: MonoTime,
        ticket: impl FnOnce() -> StoreTicket,
    ) -> Option<(StoreTicket, StoreRequest)> {
        if self.is_busy() {
            return None;
        }
        let record = self.waiting.pop_front()?;
        let ticket = ticket();
        let request = StoreRequest::Load { from: record.id.key(), limit: 1 };
        self.under_way = Some(Asked { ticket, since: now, step: Step::Look(record) });
        Some((ticket, request))
    }

    /// Whether this answers the request under way.
    pub(super) fn awaits(&self, event: &StoreEvent) -> bool {
        let (StoreEvent::Done(answered) | StoreEvent::Failed(answered, _) | StoreEvent::Loaded(answered, _)) = event
        else {
            return false;
        };
        self.under_way.as_ref().is_some_and(|asked| asked.ticket == *answered)
    }

    /// Takes the answer to the request under way: what became of a report, and what is to be asked next for it. The
    /// ticket of the further request is `ticket`.
    pub(super) fn answer(
        &mut self,
        now: MonoTime,
        event: &StoreEvent,
        ticket: impl FnOnce() -> StoreTicket,
    ) -> (Option<Outcome>, Option<(StoreTicket, StoreRequest)>) {
        let Some(Asked { step, .. }) = self.under_way.take() else { return (None, None) };
        match (step, event) {
            (Step::Look(record), StoreEvent::Loaded(_, rows)) => {
                let key = record.id.key();
                let Some((_, bytes)) = rows.first().filter(|(found, _)| *found == key) else {
                    let ticket = ticket();
                    let request =
                        StoreRequest::Commit { records: vec![(key, codec::encode(&record))], values: Vec::new() };
                    self.under_way = Some(Asked { ticket, since: now, step: Step::Store(record) });
                    return (None, Some((ticket, request)));
                };
                let is_it =
                    codec::decode(bytes).is_ok_and(|found| found.id == record.id && found.subject == record.subject);
                let outcome = if is_it { Outcome::Known(record.id) } else { Outcome::Displaced(Box::new(record)) };
                (Some(outcome), None)
            }
            (Step::Store(record), StoreEvent::Done(_)) => {
                info!(id = %record.id, "the report of an earlier run is stored");
                (Some(Outcome::Stored(Box::new(record))), None)
            }
            (Step::Look(record) | Step::Store(record), _) => {
                error!(id = %record.id, "the report of an earlier run cannot be stored; it is sent from memory");
                (Some(Outcome::Refused(Box::new(record))), None)
            }
        }
    }
}
