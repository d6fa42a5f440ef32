//! Reports of crashes that an earlier run left in the black box go into the store under their own ids, and then to the
//! outbox, to be sent next. Whether the store or the black box was open first makes no difference.
//!
//! Each is looked up first. One that is in the store already was committed, and only its mark was lost: the outbox finds
//! it there as it finds all that earlier runs left. One that is not was never committed, or was delivered and removed: it
//! is stored, and a subscriber that has it drops the repeat by id.

use std::collections::VecDeque;

use tracing::{error, info};

use crate::delivery::{Record, RecordId, codec};

use super::{StoreEvent, StoreRequest, StoreTicket};

/// Goes through the reports one by one.
#[derive(Debug, Default)]
pub(super) struct Adoption {
    /// The black box has a handful of records.
    waiting: VecDeque<Record>,
    /// The store refused: nothing more is asked of it until it opens again.
    is_refused: bool,
    under_way: Option<(StoreTicket, Step)>,
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
}

impl Adoption {
    pub(super) fn push(&mut self, report: Record) {
        self.waiting.push_back(report);
    }

    /// A request has no answer yet.
    pub(super) const fn is_busy(&self) -> bool {
        self.under_way.is_some()
    }

    /// The store is gone, and no answer comes; the report is tried again with the next store.
    pub(super) fn stop(&mut self) {
        if let Some((_, Step::Look(report) | Step::Store(report))) = self.under_way.take() {
            self.waiting.push_front(report);
        }
    }

    /// The store is open, perhaps again.
    pub(super) const fn resume(&mut self) {
        self.is_refused = false;
    }

    /// The next request, under that ticket; none when a request is under way, the store has refused, or all is done.
    pub(super) fn next(&mut self, ticket: impl FnOnce() -> StoreTicket) -> Option<(StoreTicket, StoreRequest)> {
        if self.is_busy() || self.is_refused {
            return None;
        }
        let record = self.waiting.pop_front()?;
        let ticket = ticket();
        let request = StoreRequest::Load { from: record.id.key(), limit: 1 };
        self.under_way = Some((ticket, Step::Look(record)));
        Some((ticket, request))
    }

    /// Whether this answers the request under way.
    pub(super) fn awaits(&self, event: &StoreEvent) -> bool {
        let (StoreEvent::Done(answered) | StoreEvent::Failed(answered, _) | StoreEvent::Loaded(answered, _)) = event
        else {
            return false;
        };
        self.under_way.as_ref().is_some_and(|(asked, _)| asked == answered)
    }

    /// Takes the answer to the request under way: what became of a report, and what is to be asked next for it. The
    /// ticket of the further request is `ticket`.
    pub(super) fn answer(
        &mut self,
        event: &StoreEvent,
        ticket: impl FnOnce() -> StoreTicket,
    ) -> (Option<Outcome>, Option<(StoreTicket, StoreRequest)>) {
        let Some((_, step)) = self.under_way.take() else { return (None, None) };
        match (step, event) {
            (Step::Look(record), StoreEvent::Loaded(_, rows)) => {
                let key = record.id.key();
                let Some((_, bytes)) = rows.first().filter(|(found, _)| *found == key) else {
                    let ticket = ticket();
                    let request =
                        StoreRequest::Commit { records: vec![(key, codec::encode(&record))], values: Vec::new() };
                    self.under_way = Some((ticket, Step::Store(record)));
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
                error!(id = %record.id, "the report of an earlier run cannot be stored; it waits until the store opens again");
                self.waiting.push_front(record);
                self.is_refused = true;
                (None, None)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::delivery::{BootId, Draft, Lane};
    use crate::time::{KernelBoot, MonoTime, Stamp};

    #[test]
    fn a_store_that_refuses_is_asked_again_only_when_it_has_opened_again() {
        let stamp = Stamp { boot: KernelBoot(1), mono: MonoTime::from_millis(5), wall: None };
        let id = RecordId { boot: BootId { counter: 3, random: 4 }, lane: Lane::Critical, seq: 2 };
        let report = Draft::event("crash.detected", stamp, "{}".to_owned()).into_record(id);
        let mut adoption = Adoption::default();
        adoption.push(report);
        let look = StoreRequest::Load { from: id.key(), limit: 1 };
        for life in 1..4 {
            let ticket = StoreTicket(life);
            assert_eq!(adoption.next(|| ticket), Some((ticket, look.clone())));
            let refusal = StoreEvent::Failed(ticket, "input/output error".to_owned());
            assert!(adoption.awaits(&refusal));
            let (outcome, request) = adoption.answer(&refusal, || StoreTicket(90));
            assert!(outcome.is_none() && request.is_none());
            assert_eq!(adoption.next(|| StoreTicket(91)), None);
            adoption.stop();
            adoption.resume();
        }
    }
}
