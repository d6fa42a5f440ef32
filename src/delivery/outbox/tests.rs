//! The outbox's promises one by one; `tests/delivery_simulation` has them all at once, with everything failing.

use std::collections::BTreeMap;
use std::time::Duration;

use super::*;
use crate::delivery::draft::MAX_DATA_BYTES;
use crate::delivery::topics::{Topics, VehicleId};
use crate::delivery::{Privacy, StoreKey};
use crate::gateway::{LaneInventory, LinkDown, Publication, StoreIncident, StoreInventory};
use crate::time::{Clock, KernelBoot};

/// An outbox whose surroundings do what the test says.
struct Bench {
    outbox: Outbox,
    now: MonoTime,
    requests: Vec<(StoreTicket, StoreRequest)>,
    published: Vec<Publication>,
}

impl Bench {
    /// Nothing is there yet.
    fn bare() -> Self {
        let boot = BootId { counter: 5, random: 1 };
        let outbox = Outbox::new(MonoTime::ZERO, Limits::default(), boot);
        Self { outbox, now: MonoTime::ZERO, requests: Vec::new(), published: Vec::new() }
    }

    /// An empty store and a link.
    fn ready() -> Self {
        let mut bench = Self::bare();
        bench.store(&StoreEvent::Opened(StoreInventory::default()));
        bench.link(&LinkEvent::Up { session_present: false });
        bench
    }

    fn push(&mut self, lane: Lane) {
        let draft = match lane {
            Lane::State => Draft::state("body", self.stamp(), "{}".to_owned()),
            Lane::Telemetry => Draft::telemetry(self.stamp(), "{}".to_owned()),
            Lane::Critical | Lane::Event => Draft { lane, ..Draft::event("crash", self.stamp(), "{}".to_owned()) },
        };
        self.outbox.push(self.now, draft).expect("there is room");
        self.drain();
    }

    fn pass(&mut self, span: Duration) {
        let end = self.now + span;
        while let Some(due) = self.outbox.poll_timeout().filter(|due| *due <= end) {
            self.now = self.now.max(due);
            self.outbox.handle_timeout(self.now);
            self.drain();
        }
        self.now = end;
    }

    fn store(&mut self, event: &StoreEvent) {
        self.outbox.handle_store(self.now, event);
        self.drain();
    }

    fn link(&mut self, event: &LinkEvent) {
        self.outbox.handle_link(self.now, event);
        self.drain();
    }

    /// Answers what the store was asked for, oldest first.
    fn answer(&mut self, answer: fn(StoreTicket) -> StoreEvent) {
        let (ticket, _) = self.requests.remove(0);
        self.store(&answer(ticket));
    }

    /// Acknowledges everything that was published.
    fn acknowledge(&mut self) {
        for publication in std::mem::take(&mut self.published) {
            self.link(&LinkEvent::Acked(publication.token));
        }
    }

    fn drain(&mut self) {
        let (topics, clock) = (Topics::new(VehicleId::new("car").expect("valid")), Clock::default());
        let encoder = Encoder { topics: &topics, clock: &clock, kernel: KernelBoot(1), privacy: Privacy::Off };
        loop {
            while let Some(effect) = self.outbox.poll_effect(&encoder) {
                match effect {
                    Effect::Store(ticket, request) => self.requests.push((ticket, request)),
                    Effect::Publish(publication) => self.published.push(publication),
                    other => panic!("{other:?}"),
                }
            }
            let Some(report) = self.outbox.poll_report(self.now, self.stamp()) else { return };
            self.outbox.push(self.now, report).expect("a report is a right draft");
        }
    }

    fn stamp(&self) -> Stamp {
        Stamp { boot: KernelBoot(1), mono: self.now, wall: None }
    }

    fn topics(&self) -> Vec<&str> {
        self.published.iter().map(|publication| publication.topic.rsplit('/').next().expect("a name")).collect()
    }

    fn appended(&self) -> Vec<usize> {
        let size = |request: &StoreRequest| {
            if let StoreRequest::Commit { records, .. } = request { Some(records.len()) } else { None }
        };
        self.requests.iter().filter_map(|(_, request)| size(request)).collect()
    }
}

fn failed(ticket: StoreTicket) -> StoreEvent {
    StoreEvent::Failed(ticket, "no space left on device".to_owned())
}

fn just_under(span: Duration) -> Duration {
    span.saturating_sub(Duration::from_millis(1))
}

fn lost() -> LinkEvent {
    LinkEvent::Down(LinkDown::Transport("reset".to_owned()))
}

#[test]
fn a_critical_record_is_committed_at_once_then_published_then_removed() {
    let mut bench = Bench::ready();
    bench.push(Lane::Critical);
    assert_eq!((bench.appended(), bench.published.len()), (vec![1], 0));
    bench.answer(StoreEvent::Done);
    assert_eq!(bench.topics(), ["crash"]);
    assert!(bench.requests.is_empty(), "nothing is removed before its PUBACK");
    bench.acknowledge();
    bench.pass(REMOVE_DELAY);
    let key = StoreKey { lane: Lane::Critical, position: 5 << 32 | 1 };
    assert_eq!(bench.requests[0].1, StoreRequest::Remove(vec![key]));
    assert_eq!(bench.outbox.stat().lane(Lane::Critical).uncommitted, 0);
}

/// The values, and how many records go with them, of each commit.
fn commits(bench: &Bench) -> Vec<(String, usize)> {
    let commit = |request: &StoreRequest| match request {
        StoreRequest::Commit { records, values } => {
            let values: Vec<_> = values.iter().map(|(_, value)| String::from_utf8_lossy(value)).collect();
            Some((values.join(" "), records.len()))
        }
        StoreRequest::Remove(_) | StoreRequest::Load { .. } => None,
    };
    bench.requests.iter().filter_map(|(_, request)| commit(request)).collect()
}

fn values(of: &[(&str, &str)]) -> Vec<(String, Vec<u8>)> {
    of.iter().map(|(name, value)| ((*name).to_owned(), value.as_bytes().to_vec())).collect()
}

#[test]
fn state_is_committed_with_the_records_that_tell_of_it() {
    let mut bench = Bench::ready();
    for lane in [Lane::Critical, Lane::Critical] {
        let draft = Draft { lane, ..Draft::event("crash", bench.stamp(), "{}".to_owned()) };
        bench.outbox.push(bench.now, draft).expect("there is room");
    }
    bench.outbox.save(bench.now, values(&[("a", "a1"), ("b", "b1")]));
    bench.drain();
    assert_eq!(commits(&bench), [("a1 b1".to_owned(), 2)]);
    bench.outbox.save(bench.now, values(&[("a", "a2")]));
    bench.drain();
    assert_eq!(commits(&bench).len(), 1, "one at a time");
    bench.answer(failed);
    bench.pass(STORE_RETRY_BASE);
    assert_eq!(
        commits(&bench),
        [("a2 b1".to_owned(), 3)],
        "the newest of a name, with what has no PUBACK and the report"
    );
    bench.answer(StoreEvent::Done);
    bench.push(Lane::Event);
    bench.outbox.save(bench.now, values(&[("a", "a1")]));
    bench.pass(just_under(COMMIT_DELAY));
    assert!(commits(&bench).is_empty());
    bench.pass(Duration::from_millis(1));
    assert_eq!(commits(&bench), [("a1".to_owned(), 2)], "with the report that the store is back");
    assert_eq!(bench.outbox.stat().saves_failed, 1);
}

#[test]
fn events_gather_for_one_append_by_time_or_number() {
    let mut bench = Bench::ready();
    bench.push(Lane::Event);
    bench.push(Lane::Event);
    bench.pass(just_under(COMMIT_DELAY));
    assert!(bench.requests.is_empty());
    bench.pass(Duration::from_millis(1));
    assert_eq!(bench.appended(), [2]);
    bench.answer(StoreEvent::Done);
    (0..COMMIT_RECORDS).for_each(|_| bench.push(Lane::Event));
    assert_eq!(bench.appended(), [COMMIT_RECORDS]);
}

#[test]
fn telemetry_touches_flash_only_when_coverage_is_lost() {
    let mut bench = Bench::ready();
    for _ in 0..100 {
        bench.push(Lane::Telemetry);
        bench.acknowledge();
        bench.pass(Duration::from_secs(1));
    }
    assert!(bench.requests.is_empty());
    bench.link(&lost());
    bench.push(Lane::Telemetry);
    bench.pass(just_under(SPILL_AFTER));
    assert!(bench.requests.is_empty(), "a tunnel is bridged by RAM");
    bench.pass(Duration::from_millis(1));
    assert_eq!(bench.appended(), [1]);
}

#[test]
fn a_store_that_never_opens_delays_a_critical_record_by_its_patience_only() {
    let mut bench = Bench::bare();
    bench.link(&LinkEvent::Up { session_present: true });
    bench.push(Lane::Critical);
    bench.push(Lane::Event);
    bench.pass(just_under(CRITICAL_PATIENCE));
    assert_eq!(bench.published, []);
    bench.pass(Duration::from_millis(1));
    assert_eq!(bench.published.len(), 1);
    assert_eq!(bench.outbox.stat().lane(Lane::Critical).uncommitted, 1);
    bench.store(&StoreEvent::Unavailable("permission denied".to_owned()));
    assert_eq!(bench.topics(), ["crash", "crash", "store.degraded"], "now the others are sent from RAM too");
    assert!(bench.requests.is_empty());
}

#[test]
fn a_full_disk_is_said_survived_and_its_end_is_noticed() {
    let mut bench = Bench::ready();
    bench.push(Lane::Critical);
    bench.answer(failed);
    assert_eq!(bench.topics(), ["crash", "store.degraded"], "sent from RAM");
    bench.acknowledge();
    bench.push(Lane::Event);
    assert_eq!(bench.topics(), ["crash"]);
    bench.link(&lost());
    bench.pass(STORE_RETRY_BASE);
    assert_eq!(bench.appended(), [1], "what is unsent is appended again");
    bench.answer(StoreEvent::Done);
    assert!(bench.outbox.stat().store_healthy);
    bench.pass(COMMIT_DELAY);
    bench.answer(StoreEvent::Done);
    bench.published.clear();
    bench.link(&LinkEvent::Up { session_present: true });
    assert_eq!(bench.topics(), ["crash", "store.recovered"]);
    let recovered = String::from_utf8_lossy(&bench.published[1].payload).into_owned();
    assert!(recovered.contains(r#""sent_uncommitted":{"critical":1,"event":2}"#), "{recovered}");
}

#[test]
fn a_store_that_fails_with_its_requests_is_told_once_and_its_recovery_at_once() {
    let mut bench = Bench::ready();
    bench.push(Lane::Critical);
    bench.answer(failed);
    bench.store(&StoreEvent::Unavailable("disk full".to_owned()));
    bench.store(&StoreEvent::Unavailable("disk full".to_owned()));
    bench.pass(Duration::from_secs(2));
    bench.store(&StoreEvent::Opened(StoreInventory::default()));
    bench.pass(COMMIT_DELAY);
    while !bench.requests.is_empty() {
        bench.answer(StoreEvent::Done);
    }
    bench.pass(Duration::from_secs(2));
    assert_eq!(bench.topics(), ["crash", "store.degraded", "store.recovered"]);
}

#[test]
fn a_store_that_does_not_answer_is_taken_as_failed_until_it_does() {
    let mut bench = Bench::ready();
    bench.push(Lane::Event);
    bench.pass(COMMIT_DELAY + STORE_PATIENCE);
    assert_eq!(bench.topics(), ["crash", "store.degraded"]);
    bench.pass(Duration::from_secs(3_600));
    assert_eq!(bench.requests.len(), 1, "requests do not pile up behind the one that hangs");
    bench.answer(StoreEvent::Done);
    assert!(bench.outbox.stat().store_healthy);
}

#[test]
fn a_store_that_was_moved_aside_is_reported() {
    let mut bench = Bench::bare();
    let incident = Some(StoreIncident::Quarantined("panicked at open".to_owned()));
    bench.store(&StoreEvent::Opened(StoreInventory { incident, ..StoreInventory::default() }));
    bench.link(&LinkEvent::Up { session_present: true });
    bench.pass(COMMIT_DELAY);
    bench.answer(StoreEvent::Done);
    assert_eq!(bench.topics(), ["store.quarantined"]);
}

#[test]
fn shutdown_commits_everything_and_ends_at_its_deadline_at_the_latest() {
    let mut bench = Bench::ready();
    bench.link(&lost());
    for lane in [Lane::Event, Lane::Telemetry, Lane::State] {
        bench.push(lane);
    }
    let deadline = bench.now + Duration::from_secs(5);
    assert!(!bench.outbox.is_drained(bench.now));
    bench.outbox.begin_shutdown(bench.now, deadline);
    bench.drain();
    assert_eq!(bench.appended(), [2], "at once, telemetry too, states never");
    assert!(!bench.outbox.is_drained(bench.now));
    assert!(bench.outbox.is_drained(deadline), "a silent store does not hold up the end");
    bench.answer(StoreEvent::Done);
    assert!(bench.outbox.is_drained(bench.now));
}

#[test]
fn states_coalesce_and_only_the_newest_is_sent() {
    let mut bench = Bench::bare();
    for n in 0..1_000 {
        let draft = Draft::state("body", bench.stamp(), format!(r#"{{"n":{n}}}"#));
        bench.outbox.push(bench.now, draft).expect("one slot is enough");
    }
    bench.link(&LinkEvent::Up { session_present: true });
    assert_eq!(bench.published.len(), 1);
    let payload = String::from_utf8_lossy(&bench.published[0].payload).into_owned();
    assert!(payload.contains(r#""n":999"#) && payload.contains(r#""sequence":"0000000001""#), "{payload}");
    assert!(bench.published[0].retain);
    let mut result = Ok(());
    for n in 0..=STATE_GROUPS_MAX {
        result = bench.outbox.push(bench.now, Draft::state(&format!("group{n}"), bench.stamp(), "{}".to_owned()));
        bench.outbox.handle_link(bench.now, &lost());
    }
    assert!(matches!(result, Err(PushError::TooManyGroups(_))), "{result:?}");
}

#[test]
fn an_oversized_message_is_refused_where_it_is_made_and_counted_and_reported() {
    let mut bench = Bench::ready();
    let data = format!(r#"{{"a":"{}"}}"#, "x".repeat(MAX_DATA_BYTES));
    let result = bench.outbox.push(bench.now, Draft::event("crash", bench.stamp(), data));
    assert!(matches!(result, Err(PushError::Oversized { .. })), "{result:?}");
    assert_eq!(bench.outbox.stat().lane(Lane::Event).refused, 1);
    bench.drain();
    bench.pass(COMMIT_DELAY);
    bench.answer(StoreEvent::Done);
    assert_eq!(bench.topics(), ["outbox.evicted"]);
}

#[test]
fn a_backlog_of_events_hides_neither_a_crash_nor_what_is_true_now() {
    let mut bench = Bench::ready();
    bench.link(&lost());
    (0..200).for_each(|_| bench.push(Lane::Event));
    while !bench.requests.is_empty() {
        bench.answer(StoreEvent::Done);
        bench.pass(COMMIT_DELAY);
    }
    bench.push(Lane::State);
    bench.push(Lane::Telemetry);
    bench.link(&LinkEvent::Up { session_present: true });
    assert_eq!(bench.published.len(), WINDOW - WINDOW_CRITICAL);
    let first: Vec<&str> = bench.topics().into_iter().take(usize::from(TURNS)).collect();
    assert!(first.contains(&"body") && first.contains(&"telemetry"), "{first:?}");
    bench.push(Lane::Critical);
    bench.answer(StoreEvent::Done);
    assert_eq!(bench.published.len(), WINDOW - WINDOW_CRITICAL + 1, "a place is kept for it");
}

#[test]
fn twenty_thousand_events_pass_in_order_within_bounded_memory() {
    let mut bench = Bench::ready();
    let mut received = 0;
    for n in 0..20_000_u32 {
        bench.push(Lane::Event);
        if n.is_multiple_of(50) {
            while !bench.requests.is_empty() {
                let (ticket, request) = bench.requests.remove(0);
                let event = match request {
                    StoreRequest::Load { .. } => panic!("a fast store and link need no reading back"),
                    _ => StoreEvent::Done(ticket),
                };
                bench.store(&event);
            }
            while !bench.published.is_empty() {
                for publication in &bench.published {
                    received += 1;
                    let id = format!("0000000500000001-event-{received}\"");
                    assert!(String::from_utf8_lossy(&publication.payload).contains(&id));
                }
                bench.acknowledge();
            }
            assert!(bench.outbox.stat().lane(Lane::Event).in_memory < 200);
        }
    }
    assert!(received > 19_800, "{received}");
}

/// A black box that opens late, while pages of what earlier runs left are being read.
#[test]
fn what_is_admitted_late_is_sent_and_removed_once_wherever_the_reading_back_is() {
    let record = |seq: u32| {
        let id = RecordId { boot: BootId { counter: 4, random: 1 }, lane: Lane::Critical, seq };
        let stamp = Stamp { boot: KernelBoot(1), mono: MonoTime::ZERO, wall: None };
        Draft { lane: Lane::Critical, ..Draft::event("crash", stamp, "{}".to_owned()) }.into_record(id)
    };
    // The store holds 100 records of the run before, but for the one that is admitted; some pages are read by then.
    for (admitted, pages) in (1..=100).step_by(9).flat_map(|seq| (0..5).map(move |pages| (seq, pages))) {
        let mut stored: BTreeMap<StoreKey, Vec<u8>> = (1..=100_u32)
            .filter(|seq| *seq != admitted)
            .map(|seq| (record(seq).id.key(), codec::encode(&record(seq))))
            .collect();
        let (first, last) = (*stored.keys().next().expect("some"), *stored.keys().last().expect("some"));
        let bytes = stored.values().map(|value| value.len() as u64).sum();
        let lanes = vec![LaneInventory { lane: Lane::Critical, first, last, count: 99, bytes }];
        let mut bench = Bench::bare();
        bench.store(&StoreEvent::Opened(StoreInventory { lanes, ..StoreInventory::default() }));
        bench.link(&LinkEvent::Up { session_present: false });
        let mut heard = Vec::new();
        for turn in 0..200 {
            if turn == pages {
                // The store has it before the outbox does: the page under way may hold it already.
                stored.insert(record(admitted).id.key(), codec::encode(&record(admitted)));
                bench.outbox.admit(bench.now, record(admitted));
                bench.drain();
            }
            for (ticket, request) in std::mem::take(&mut bench.requests) {
                let answer = match request {
                    StoreRequest::Load { from, limit } => {
                        let rows = stored.range(from..).take(limit).map(|(key, value)| (*key, value.clone()));
                        StoreEvent::Loaded(ticket, rows.collect())
                    }
                    StoreRequest::Remove(keys) => {
                        stored.retain(|key, _| !keys.contains(key));
                        StoreEvent::Done(ticket)
                    }
                    StoreRequest::Commit { .. } => StoreEvent::Done(ticket),
                };
                bench.store(&answer);
            }
            heard.extend(bench.published.iter().filter(|publication| publication.topic.ends_with("event/crash")).map(
                |publication| {
                    let event: serde_json::Value = serde_json::from_slice(&publication.payload).expect("JSON");
                    event["sequence"].as_str().and_then(|text| text.parse::<u32>().ok()).expect("a number")
                },
            ));
            bench.acknowledge();
            bench.pass(Duration::from_millis(100));
        }
        let case = format!("{admitted} admitted after {pages} turns");
        let mut late = heard.clone();
        late.retain(|seq| *seq != admitted);
        assert!(late.is_sorted(), "{case}: {heard:?}");
        heard.sort_unstable();
        assert_eq!(heard, (1..=100).collect::<Vec<_>>(), "{case}");
        assert!(stored.is_empty(), "{case}: {:?} stay", stored.keys());
        let stat = *bench.outbox.stat().lane(Lane::Critical);
        assert_eq!((stat.stored, stat.stored_bytes, stat.missing), (0, 0, 0), "{case}");
    }
}

/// A run without a store does not count as a start, so that the next one has the same places for its records.
#[test]
fn what_is_kept_elsewhere_is_sent_until_it_is_acknowledged_and_never_touches_the_store() {
    for (cuts, is_first) in (0..4).flat_map(|cuts| [(cuts, false), (cuts, true)]) {
        let mut bench = Bench::ready();
        let id = RecordId { boot: BootId { counter: 5, random: 9 }, lane: Lane::Critical, seq: 1 };
        let report =
            Draft { lane: Lane::Critical, ..Draft::event("old", bench.stamp(), "{}".to_owned()) }.into_record(id);
        let admit = |bench: &mut Bench| {
            bench.outbox.admit_kept_elsewhere(bench.now, report.clone());
            bench.outbox.admit_kept_elsewhere(bench.now, report.clone());
            bench.drain();
        };
        if is_first {
            admit(&mut bench);
        }
        bench.push(Lane::Critical);
        if !is_first {
            admit(&mut bench);
        }
        let own =
            bench.outbox.critical.in_memory(RecordId { boot: bench.outbox.boot, ..id }).map(|entry| entry.durability);
        assert_eq!(own, Some(Durability::Committing));
        // A slow store: both are in flight before the own one is committed.
        bench.pass(CRITICAL_PATIENCE);
        for cut in 0..cuts {
            assert!(bench.topics().contains(&"crash"), "cut {cut}: {:?}", bench.topics());
            assert!(bench.topics().contains(&"old"), "cut {cut}: {:?}", bench.topics());
            bench.published.clear();
            bench.link(&LinkEvent::Down(LinkDown::Transport("no coverage".to_owned())));
            if cut == 1 {
                bench.answer(StoreEvent::Done);
                assert!(bench.outbox.is_kept(RecordId { boot: bench.outbox.boot, ..id }));
            }
            assert!(!bench.outbox.is_kept(id));
            bench.link(&LinkEvent::Up { session_present: false });
        }
        if cuts < 2 {
            bench.answer(StoreEvent::Done);
        }
        let mut topics = bench.topics();
        topics.sort_unstable();
        assert_eq!(topics, ["crash", "old"], "after {cuts} cuts");
        // Whichever is acknowledged first, the other one stays.
        if cuts % 2 == 1 {
            bench.published.reverse();
        }
        let first = bench.published.remove(0);
        bench.link(&LinkEvent::Acked(first.token));
        assert_eq!(bench.outbox.is_kept(id), first.topic.ends_with("/old"));
        bench.acknowledge();
        assert!(bench.outbox.is_kept(id));
        bench.pass(REMOVE_DELAY);
        let own = RecordId { boot: bench.outbox.boot, ..id }.key();
        let removals: Vec<_> = bench.requests.iter().map(|(_, request)| request).collect();
        assert_eq!(removals, [&StoreRequest::Remove(vec![own])]);
        let stat = *bench.outbox.stat().lane(Lane::Critical);
        assert_eq!((stat.in_memory, stat.stored, stat.stored_bytes, stat.in_flight), (0, 0, 0, 0));
    }
}
