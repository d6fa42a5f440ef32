//! Reports of crashes that an earlier run left in the black box go into the store, under their own ids, before the outbox
//! takes the store over. To the outbox they are then records of an earlier run like any other.
//!
//! Each is looked up first. One that is in the store already was committed, and only its mark was lost. One that is not
//! was never committed, or was delivered and removed: it is stored, and a subscriber that has it drops the repeat by id.

use std::collections::VecDeque;

use tracing::{error, info};

use crate::delivery::{Record, RecordId, codec};

use super::{LaneInventory, StoreEvent, StoreInventory, StoreRequest, StoreTicket};

/// Goes through the reports one by one.
#[derive(Debug)]
pub(super) struct Adoption {
    inventory: StoreInventory,
    waiting: VecDeque<Record>,
    under_way: Option<(StoreTicket, Step)>,
}

#[derive(Debug)]
enum Step {
    Look(Record),
    Store(Record),
}

/// What became of a report.
pub(super) enum Outcome {
    /// It is durable under its id.
    Kept(RecordId),
    /// Another record has its key: it must have a new id. Happens when another critical record was made between the
    /// suspicion and the power cut, and the table of the black box was not yet written anew.
    Displaced(Box<Record>),
}

impl Adoption {
    pub(super) const fn new(inventory: StoreInventory, reports: VecDeque<Record>) -> Self {
        Self { inventory, waiting: reports, under_way: None }
    }

    /// The next request, under that ticket; none when a request is under way, or all is done.
    pub(super) fn next(&mut self, ticket: impl FnOnce() -> StoreTicket) -> Option<(StoreTicket, StoreRequest)> {
        if self.under_way.is_some() {
            return None;
        }
        let record = self.waiting.pop_front()?;
        let ticket = ticket();
        let request = StoreRequest::Load { from: record.id.key(), limit: 1 };
        self.under_way = Some((ticket, Step::Look(record)));
        Some((ticket, request))
    }

    /// Takes an answer of the store: what became of a report, and what is to be asked next for it. The ticket of the
    /// further request is `ticket`.
    pub(super) fn answer(
        &mut self,
        event: &StoreEvent,
        ticket: impl FnOnce() -> StoreTicket,
    ) -> (Option<Outcome>, Option<(StoreTicket, StoreRequest)>) {
        let own = match event {
            StoreEvent::Done(own) | StoreEvent::Failed(own, _) | StoreEvent::Loaded(own, _) => *own,
            StoreEvent::Opened(_) | StoreEvent::Unavailable(_) => return (None, None),
        };
        let Some((_, step)) = self.under_way.take_if(|(asked, _)| *asked == own) else { return (None, None) };
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
                let outcome = if is_it { Outcome::Kept(record.id) } else { Outcome::Displaced(Box::new(record)) };
                (Some(outcome), None)
            }
            (Step::Store(record), StoreEvent::Done(_)) => {
                info!(id = %record.id, "the report of an earlier run is stored");
                self.count(&record);
                (Some(Outcome::Kept(record.id)), None)
            }
            (Step::Look(record) | Step::Store(record), _) => {
                error!(id = %record.id, "the report of an earlier run cannot be stored; the next start tries again");
                (None, None)
            }
        }
    }

    /// All reports were gone through: what the store holds now.
    pub(super) fn finish(&mut self) -> Option<StoreInventory> {
        let is_done = self.under_way.is_none() && self.waiting.is_empty();
        is_done.then(|| std::mem::take(&mut self.inventory))
    }

    fn count(&mut self, record: &Record) {
        let key = record.id.key();
        let bytes = codec::encoded_len(record) as u64;
        if let Some(lane) = self.inventory.lanes.iter_mut().find(|lane| lane.lane == key.lane) {
            lane.first = lane.first.min(key);
            lane.last = lane.last.max(key);
            lane.count += 1;
            lane.bytes += bytes;
        } else {
            let lane = LaneInventory { lane: key.lane, first: key, last: key, count: 1, bytes };
            self.inventory.lanes.push(lane);
        }
    }
}
