//! The thread `store`: opens, carries out, answers, opens again.

use std::fs;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::time::Duration;

use super::engine::{Changes, Engine, Fault, Survey, caught, guarded};
use super::{Claim, Counters, NAME_MAX, TURN, VALUE_MAX, data_dir, generations};
use crate::gateway::{StoreEvent, StoreIncident, StoreRequest, StoreTicket};

/// Requests that share a commit: enough for all that can wait behind one slow flush.
const BATCH_MAX: usize = 64;

/// Requests that carry removals and are not durable yet, before they are made so. After a power cut at most their
/// records are sent a second time.
const REMOVALS_MAX: u32 = 64;

/// Turns that removals wait for a commit of something else, which carries them along: a commit of their own costs the
/// flash some 10 KiB for nothing but fewer repeats after a power cut.
const REMOVALS_TURNS: u32 = 300;

/// Room that must be free before the store is opened: sled writes a snapshot and a segment of 512 KiB then, and panics
/// in places where the disk is full.
const FREE_MIN: u64 = 4 * 1024 * 1024;

/// How long a failed store may take to let go of its files.
const DROP_DEADLINE: Duration = Duration::from_secs(2);

/// The name of the directory that keeps the last damaged store.
const QUARANTINE: &str = "quarantine";

/// The value that says what the last incident was. The next start may find nothing else in the store: by this it knows
/// that it is not a new one.
const INCIDENT: &str = "incident";

/// So much of what was seen then is kept: a sentence.
const INCIDENT_CHARS: usize = 512;

/// What became of a request before the commit.
enum Answer {
    /// Wants the commit.
    Durable(StoreTicket),
    /// Does not.
    Now(StoreEvent),
}

/// Opening again is tried ever more rarely, up to so many turns apart: an attempt that hangs leaves a thread behind.
const RETRY_TURNS_MAX: u32 = 32;

/// The state of the thread.
pub(super) struct Worker<F> {
    claim: Claim,
    open_deadline: Duration,
    counters: Arc<Counters>,
    on_event: F,
    state: State,
    /// Removals, answered already, that wait for a commit, and how many requests they came with.
    pending: Changes,
    removals: u32,
    /// Turns since the last commit, while there are removals.
    waited: u32,
    /// Attempts to open again that failed in a row, and turns until the next one.
    failures: u32,
    rest: u32,
}

enum State {
    /// Ready, at that mark.
    Open(Engine, u64),
    /// Not, for the reason that was told.
    Failed(String),
}

impl<F: FnMut(StoreEvent)> Worker<F> {
    pub(super) fn new(claim: Claim, open_deadline: Duration, counters: Arc<Counters>, on_event: F) -> Self {
        let state = State::Failed("not opened yet".into());
        let (removals, waited, failures, rest) = (0, 0, 0, 0);
        let pending = Changes::default();
        Self { claim, open_deadline, counters, on_event, state, pending, removals, waited, failures, rest }
    }

    /// Until all senders are gone.
    pub(super) fn run(mut self, queue: &Receiver<(StoreTicket, StoreRequest)>) {
        if let Err(fault) = self.open() {
            self.fail(&fault);
        }
        loop {
            self.counters.turns.fetch_add(1, Ordering::Relaxed);
            match queue.recv_timeout(TURN) {
                Ok(first) => {
                    let more = queue.try_iter().take(BATCH_MAX - 1);
                    self.carry_out(std::iter::once(first).chain(more).collect());
                }
                Err(RecvTimeoutError::Timeout) => self.idle(),
                Err(RecvTimeoutError::Disconnected) => break,
            }
        }
        self.close();
    }

    fn carry_out(&mut self, requests: Vec<(StoreTicket, StoreRequest)>) {
        let (engine, mut mark) = match &self.state {
            State::Open(engine, mark) => (engine.clone(), *mark),
            State::Failed(text) => {
                let text = text.clone();
                return self.refuse(requests.iter().map(|(ticket, _)| *ticket), &text);
            }
        };
        let tickets: Vec<StoreTicket> = requests.iter().map(|(ticket, _)| *ticket).collect();
        let outcome = caught(|| {
            let mut answers = Vec::with_capacity(requests.len());
            for (ticket, request) in requests {
                self.removals += u32::from(matches!(request, StoreRequest::Remove(_)));
                answers.push(take(&engine, &mut mark, &mut self.pending, ticket, request)?);
            }
            let is_due =
                self.removals >= REMOVALS_MAX || answers.iter().any(|answer| matches!(answer, Answer::Durable(_)));
            if is_due {
                commit(&engine, mark, &mut self.pending)?;
                (self.removals, self.waited) = (0, 0);
                self.counters.commits.fetch_add(1, Ordering::Relaxed);
            }
            Ok((answers, is_due))
        });
        match outcome {
            Ok((answers, is_committed)) => {
                self.state = State::Open(engine, mark);
                for answer in answers {
                    self.answer(answer);
                }
                if is_committed {
                    self.prepare();
                }
            }
            Err(fault) => {
                drop(engine);
                self.refuse(tickets.into_iter(), &fault.to_string());
                self.fail(&fault);
            }
        }
    }

    /// What makes the next commit cheap, while nobody waits. Only right after a commit: see [`Engine::fill_segment`].
    fn prepare(&mut self) {
        let State::Open(engine, _) = &self.state else { return };
        if let Err(fault) = engine.fill_segment() {
            tracing::debug!(%fault, "the store's file could not be prepared; commits cost more");
        }
        match caught(|| engine.disk_bytes()) {
            Ok(bytes) => self.counters.disk_bytes.store(bytes, Ordering::Relaxed),
            Err(fault) => self.fail(&fault),
        }
    }

    fn answer(&mut self, answer: Answer) {
        let event = match answer {
            Answer::Durable(ticket) => StoreEvent::Done(ticket),
            Answer::Now(event) => event,
        };
        if matches!(event, StoreEvent::Failed(..)) {
            self.counters.failures.fetch_add(1, Ordering::Relaxed);
        }
        (self.on_event)(event);
    }

    fn refuse(&mut self, tickets: impl Iterator<Item = StoreTicket>, text: &str) {
        for ticket in tickets {
            self.answer(Answer::Now(StoreEvent::Failed(ticket, text.to_owned())));
        }
    }

    fn idle(&mut self) {
        match &self.state {
            State::Open(..) if self.removals == 0 => {}
            State::Open(..) if self.waited < REMOVALS_TURNS => self.waited += 1,
            State::Open(engine, mark) => match caught(|| commit(engine, *mark, &mut self.pending)) {
                Ok(()) => {
                    (self.removals, self.waited) = (0, 0);
                    self.prepare();
                }
                Err(fault) => self.fail(&fault),
            },
            State::Failed(_) if self.rest > 0 => self.rest -= 1,
            State::Failed(_) => match self.open() {
                Ok(()) => self.failures = 0,
                Err(fault) => {
                    self.state = State::Failed(fault.to_string());
                    self.failures = self.failures.saturating_add(1);
                    self.rest = (1_u32 << self.failures.min(31)).min(RETRY_TURNS_MAX) - 1;
                }
            },
        }
    }

    /// Lets go of sled, whose memory is not to be trusted after a failure, and says so.
    fn fail(&mut self, fault: &Fault) {
        tracing::error!(%fault, "the store failed");
        if let State::Open(engine, _) = std::mem::replace(&mut self.state, State::Failed(fault.to_string())) {
            release(engine);
        }
        self.pending = Changes::default();
        (self.removals, self.waited) = (0, 0);
        self.counters.disk_bytes.store(0, Ordering::Relaxed);
        (self.on_event)(StoreEvent::Unavailable(fault.to_string()));
    }

    fn open(&mut self) -> Result<(), Fault> {
        // First of all, the count of this start: no record may be stored under a count that could come again.
        self.claim.keep()?;
        self.check_room()?;
        let (mut engine, survey, quarantined) = match self.open_generation() {
            Ok((engine, survey)) => (engine, survey, None),
            Err(Fault::Damaged(text)) => {
                self.quarantine()?;
                let (engine, survey) = self.open_generation()?;
                (engine, survey, Some(StoreIncident::Quarantined(text)))
            }
            Err(fault) => return Err(fault),
        };
        let Survey { mut inventory, mark, .. } = survey;
        inventory.incident = quarantined.or_else(|| self.loss(mark, survey.adds_up));
        if engine.is_wasteful(&inventory)? {
            engine = self.rebuild(engine);
        }
        let mark = match &inventory.incident {
            Some(incident) => caught(|| note(&engine, mark, incident))?,
            None => mark,
        };
        self.claim.control.mark = mark;
        self.claim.keep()?;
        self.remove_other_generations()?;
        self.counters.disk_bytes.store(engine.disk_bytes()?, Ordering::Relaxed);
        if let Some(incident) = &inventory.incident {
            tracing::error!(?incident, "the store was not as it was left");
        }
        self.state = State::Open(engine, mark);
        (self.on_event)(StoreEvent::Opened(inventory));
        Ok(())
    }

    fn loss(&self, mark: u64, adds_up: bool) -> Option<StoreIncident> {
        let expected = self.claim.control.mark;
        if mark < expected {
            return Some(StoreIncident::LostContents(format!("it should hold {expected} commits and holds {mark}")));
        }
        (!adds_up).then(|| StoreIncident::LostContents("its rows are not all those that were written".into()))
    }

    fn open_generation(&self) -> Result<(Engine, Survey), Fault> {
        let dir = data_dir(&self.claim.dir, self.claim.control.generation);
        guarded(self.open_deadline, move || {
            let engine = Engine::open(&dir)?;
            let survey = engine.survey()?;
            Ok((engine, survey))
        })
    }

    /// Moves the store aside and begins the next generation. Its first commit says why it is new: where the power or the
    /// disk keeps it from that, the next opening misses it.
    fn quarantine(&mut self) -> Result<(), Fault> {
        let control = &mut self.claim.control;
        let aside = self.claim.dir.join(QUARANTINE);
        if aside.exists() {
            fs::remove_dir_all(&aside)?;
        }
        fs::rename(data_dir(&self.claim.dir, control.generation), &aside)?;
        control.generation += 1;
        control.mark = 1;
        Ok(self.claim.keep()?)
    }

    /// Writes the store anew to give room back; goes on with the old one when that does not work.
    fn rebuild(&mut self, engine: Engine) -> Engine {
        let next = self.claim.control.generation + 1;
        let (old, dir) = (engine.clone(), data_dir(&self.claim.dir, next));
        match guarded(self.open_deadline, move || old.rebuild(&dir)) {
            Ok(new) => {
                self.claim.control.generation = next;
                new
            }
            Err(fault) => {
                tracing::warn!(%fault, "the store could not be written anew; it stays as large as it is");
                engine
            }
        }
    }

    /// Removes what an unfinished or finished rebuild left.
    fn remove_other_generations(&self) -> Result<(), Fault> {
        for generation in generations(&self.claim.dir)? {
            if generation != self.claim.control.generation {
                fs::remove_dir_all(data_dir(&self.claim.dir, generation))?;
            }
        }
        Ok(())
    }

    /// The quarantined store is given up before the disk is called full.
    fn check_room(&self) -> Result<(), Fault> {
        if self.free_bytes()? < FREE_MIN {
            let aside = self.claim.dir.join(QUARANTINE);
            if aside.exists() {
                fs::remove_dir_all(aside)?;
            }
        }
        let free = self.free_bytes()?;
        if free < FREE_MIN {
            return Err(Fault::Environment(format!("disk full: {free} bytes are free, {FREE_MIN} are needed")));
        }
        Ok(())
    }

    fn free_bytes(&self) -> Result<u64, Fault> {
        let stat = nix::sys::statvfs::statvfs(&self.claim.dir).map_err(std::io::Error::from)?;
        #[expect(clippy::useless_conversion, reason = "the types are narrower on 32-bit targets")]
        Ok(u64::from(stat.blocks_available()).saturating_mul(u64::from(stat.fragment_size())))
    }

    /// The orderly end: what the control file says now must be there next time.
    fn close(mut self) {
        let State::Open(engine, mark) = &self.state else { return };
        let outcome = caught(|| {
            commit(engine, *mark, &mut self.pending)?;
            self.claim.control.mark = *mark;
            self.claim.keep()?;
            Ok(())
        });
        if let Err(fault) = outcome {
            tracing::error!(%fault, "the store did not close well");
        }
        if let State::Open(engine, _) = self.state {
            release(engine);
        }
    }
}

/// Takes a request into the changes of the next commit; a load sees them. Advances the mark by each request that asks
/// for a commit.
fn take(
    engine: &Engine,
    mark: &mut u64,
    pending: &mut Changes,
    ticket: StoreTicket,
    request: StoreRequest,
) -> Result<Answer, Fault> {
    if let Some(text) = objection(&request) {
        return Ok(Answer::Now(StoreEvent::Failed(ticket, text)));
    }
    Ok(match request {
        StoreRequest::Commit { records, values } => {
            *mark += u64::from(!records.is_empty() || !values.is_empty());
            pending.records.extend(records.into_iter().map(|(at, value)| (at, Some(value))));
            pending.values.extend(values);
            Answer::Durable(ticket)
        }
        StoreRequest::Remove(keys) => {
            pending.records.extend(keys.into_iter().map(|at| (at, None)));
            Answer::Now(StoreEvent::Done(ticket))
        }
        StoreRequest::Load { from, limit } => {
            apply(engine, *mark, pending)?;
            Answer::Now(StoreEvent::Loaded(ticket, engine.load(from, limit)?))
        }
    })
}

/// Makes the pending changes, without making them durable.
fn apply(engine: &Engine, mark: u64, pending: &mut Changes) -> Result<(), Fault> {
    let changes = std::mem::take(pending);
    if changes.is_empty() { Ok(()) } else { engine.apply(&changes, mark) }
}

/// Makes the pending changes durable, and all before them.
fn commit(engine: &Engine, mark: u64, pending: &mut Changes) -> Result<(), Fault> {
    apply(engine, mark, pending)?;
    engine.commit()
}

/// Makes it durable that the store was not as it was left; the mark of that commit.
fn note(engine: &Engine, mark: u64, incident: &StoreIncident) -> Result<u64, Fault> {
    let (StoreIncident::Quarantined(why) | StoreIncident::LostContents(why)) = incident;
    let mut changes = Changes::default();
    changes.values.insert(INCIDENT.to_owned(), why.chars().take(INCIDENT_CHARS).collect::<String>().into_bytes());
    commit(engine, mark + 1, &mut changes)?;
    Ok(mark + 1)
}

/// Why a request cannot be carried out, whatever the state of the store.
fn objection(request: &StoreRequest) -> Option<String> {
    let too_long = |size: usize| format!("a value of {size} bytes; the store takes {VALUE_MAX}");
    let StoreRequest::Commit { records, values } = request else { return None };
    if let Some((_, value)) = records.iter().find(|(_, value)| value.len() > VALUE_MAX) {
        return Some(too_long(value.len()));
    }
    values.iter().find_map(|(name, value)| {
        if name.len() > NAME_MAX || name.is_empty() || name.contains('\0') {
            return Some(format!("the name {name:?}; 1 to {NAME_MAX} bytes without a zero are taken"));
        }
        (value.len() > VALUE_MAX).then(|| too_long(value.len()))
    })
}

/// sled writes when it is dropped, and may panic or hang over it.
fn release(engine: Engine) {
    let released = guarded(DROP_DEADLINE, move || {
        drop(engine);
        Ok(())
    });
    if let Err(fault) = released {
        tracing::warn!(%fault, "the store did not let go of its files");
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;
    use std::sync::mpsc::channel;

    use super::*;
    use crate::gateway::StoreInventory;
    use crate::io::store::{OPEN_DEADLINE, Store, claim_boot};

    /// One start that finds this, is asked for `requests`, and ends.
    fn start(dir: &Path, requests: Vec<StoreRequest>) -> StoreInventory {
        let (send, events) = channel();
        let claim = claim_boot(dir).expect("claimed");
        let store = Store::start(claim, OPEN_DEADLINE, move |event| drop(send.send(event))).expect("started");
        let inventory = match events.recv().expect("an answer") {
            StoreEvent::Opened(inventory) => inventory,
            other => panic!("expected to open, got {other:?}"),
        };
        for request in requests {
            store.submit(StoreTicket(1), request).expect("room in the queue");
            assert_eq!(events.recv().expect("an answer"), StoreEvent::Done(StoreTicket(1)));
        }
        assert!(store.close(OPEN_DEADLINE), "closed in time");
        inventory
    }

    #[test]
    fn a_store_that_lost_its_contents_is_never_again_taken_for_a_new_one() {
        let dir = tempfile::tempdir().unwrap();
        let save = StoreRequest::Commit { records: Vec::new(), values: vec![("owner".to_owned(), vec![1])] };
        assert_eq!(start(dir.path(), vec![save]), StoreInventory::default(), "it is new");
        let data = generations(dir.path()).unwrap().into_iter().map(|at| data_dir(dir.path(), at)).next().unwrap();
        fs::remove_dir_all(data).unwrap();
        assert!(start(dir.path(), Vec::new()).incident.is_some());
        let next = start(dir.path(), Vec::new());
        assert_eq!(next.incident, None, "told once");
        assert_eq!(next.values.iter().map(|(name, _)| name.as_str()).collect::<Vec<_>>(), [INCIDENT]);
    }
}
