//! The world around one outbox: time, link, broker, store, power.

use std::collections::VecDeque;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::time::Duration;

use telltale::delivery::outbox::{
    APPEND_RECORDS_MAX, CRITICAL_PATIENCE, LOAD_PAGE, Limits, STATE_GROUPS_MAX, STORE_PATIENCE, WINDOW,
};
use telltale::delivery::{
    BootId, Draft, Encoder, Lane, Outbox, Privacy, PushError, StoreKey, Topics, VehicleId, presence,
};
use telltale::gateway::{Effect, LinkDown, LinkEvent, PublishToken, StoreEvent, StoreRequest};
use telltale::rng::Rng;
use telltale::time::{Clock, KernelBoot, MonoTime, Stamp};

use crate::model::{Message, Model, Taken, read};
use crate::store::{FakeStore, Mode};

const STEPS: u32 = 300;
const ORDINARY: [Lane; 9] = {
    use Lane::{Critical as C, Event as E, State as S, Telemetry as T};
    [C, E, E, E, S, T, T, T, T]
};
const CRASHES: [Lane; 9] = {
    use Lane::{Critical as C, Event as E, State as S, Telemetry as T};
    [C, C, C, C, C, C, E, S, T]
};
/// No record of this world takes more in the store.
const RECORD_BYTES_MAX: u64 = 5_300;
const KERNEL: KernelBoot = KernelBoot(1);

/// How often things happened, so that a simulation that does nothing is noticed.
#[derive(Debug, Default)]
pub(crate) struct Outcome {
    pub(crate) trace: u64,
    cuts: u64,
    link_losses: u64,
    publications: u64,
    uncommitted: u64,
    spilled: u64,
    loads: u64,
    evicted_volatile: u64,
    evicted_stored: u64,
    refused_by_client: u64,
    failed_appends: u64,
    failed_loads: u64,
    failed_removals: u64,
    set_aside: u64,
    corrupt: u64,
    full: u64,
}

impl Outcome {
    pub(crate) fn happenings(&self) -> [(&'static str, u64); 15] {
        [
            ("cuts", self.cuts),
            ("link losses", self.link_losses),
            ("publications", self.publications),
            ("uncommitted", self.uncommitted),
            ("spilled", self.spilled),
            ("loads", self.loads),
            ("evicted from RAM", self.evicted_volatile),
            ("evicted from the store", self.evicted_stored),
            ("refused by the client", self.refused_by_client),
            ("failed appends", self.failed_appends),
            ("failed loads", self.failed_loads),
            ("failed removals", self.failed_removals),
            ("set aside", self.set_aside),
            ("corrupt", self.corrupt),
            ("refused as full", self.full),
        ]
    }

    pub(crate) fn add(&mut self, other: &Self) {
        self.cuts += other.cuts;
        self.link_losses += other.link_losses;
        self.publications += other.publications;
        self.uncommitted += other.uncommitted;
        self.spilled += other.spilled;
        self.loads += other.loads;
        self.evicted_volatile += other.evicted_volatile;
        self.evicted_stored += other.evicted_stored;
        self.refused_by_client += other.refused_by_client;
        self.failed_appends += other.failed_appends;
        self.failed_loads += other.failed_loads;
        self.failed_removals += other.failed_removals;
        self.set_aside += other.set_aside;
        self.corrupt += other.corrupt;
        self.full += other.full;
    }
}

/// How likely things are in this run: some seeds have a good link and a bad store, some the reverse.
struct Weather {
    link_trouble: u64,
    store_trouble: u64,
    power_trouble: u64,
    burst: u64,
    acks: u64,
    lanes: [Lane; 9],
}

/// What the outbox was told of the store.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum StoreIs {
    Closed,
    Open,
    Unavailable,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Session {
    Down,
    /// Up, but presence was not published yet.
    Greeting,
    Up,
}

pub(crate) struct World {
    rng: Rng,
    weather: Weather,
    limits: Limits,
    now: MonoTime,
    boot: u32,
    outbox: Outbox,
    store_is: StoreIs,
    /// What the outbox found in the store at its start, as far as it is still there.
    adopted_bytes: u64,
    store: FakeStore,
    model: Model,
    session: Session,
    /// Taken by the client, not yet with the broker.
    wire: VecDeque<(PublishToken, Message)>,
    /// With the broker, PUBACK under way.
    unacked: Vec<(PublishToken, Message)>,
    contents: u64,
    next_seq: [u64; 4],
    append_since: Option<MonoTime>,
    append_failed: bool,
    topics: Topics,
    /// Nothing new goes wrong.
    calm: bool,
    trace: DefaultHasher,
    outcome: Outcome,
}

impl World {
    pub(crate) fn new(seed: u64) -> Self {
        let mut rng = Rng::new(seed);
        let weather = Weather {
            link_trouble: 1 + rng.below(8),
            store_trouble: rng.below(5),
            power_trouble: rng.below(3),
            burst: 1 + rng.below(60),
            acks: 1 + rng.below(40),
            lanes: [ORDINARY, ORDINARY, ORDINARY, CRASHES][rng.index(4)],
        };
        let limits = Limits {
            store_bytes: [40_000, 200_000, 48 << 20][rng.index(3)],
            front_records: WINDOW + 2 * LOAD_PAGE,
            volatile_records: APPEND_RECORDS_MAX + WINDOW + rng.index(300),
            volatile_bytes: 60_000 + rng.below(500_000),
        };
        let boot = 1;
        Self {
            outbox: Outbox::new(MonoTime::ZERO, limits, BootId { counter: boot, random: 0xabcd }),
            rng,
            weather,
            limits,
            now: MonoTime::ZERO,
            boot,
            store_is: StoreIs::Closed,
            adopted_bytes: 0,
            store: FakeStore::new(),
            model: Model::default(),
            session: Session::Down,
            wire: VecDeque::new(),
            unacked: Vec::new(),
            contents: 0,
            next_seq: [1; 4],
            append_since: None,
            append_failed: false,
            topics: Topics::new(VehicleId::new("car").expect("valid")),
            calm: false,
            trace: DefaultHasher::new(),
            outcome: Outcome::default(),
        }
    }

    pub(crate) fn run(mut self) -> Outcome {
        for _ in 0..STEPS {
            self.step();
        }
        // Two clean ends: what was set aside in the first run is read in the second.
        self.calm_down();
        self.model.check_run(self.boot, &self.outbox.stat());
        self.restart_cleanly();
        self.calm_down();
        self.model.check_promise();
        let left: Vec<StoreKey> = self.store.keys().collect();
        assert_eq!(left, [], "everything acknowledged is removed in the end");
        self.count_run();
        self.outcome.trace = self.trace.finish();
        self.outcome
    }

    // --- what can happen --------------------------------------------------------------------------------------------

    fn step(&mut self) {
        let w = &self.weather;
        let weights = [30, 30, 25, w.acks, 30, w.link_trouble, 6, w.store_trouble, 4, w.power_trouble, 4];
        let mut choice = self.rng.below(weights.iter().sum());
        let action = weights.iter().position(|&weight| {
            let chosen = choice < weight;
            choice = choice.saturating_sub(weight);
            chosen
        });
        match action.expect("within the sum") {
            0 => self.push_some(),
            1 => self.pass_up_to(80),
            2 => self.transmit(),
            3 => self.acknowledge(),
            4 => self.store_works(),
            5 => self.link_down(),
            6 => self.link_up(),
            7 => self.store.mode = [Mode::Failing, Mode::Failing, Mode::Silent][self.rng.index(3)],
            8 => self.store.mode = Mode::Healthy,
            9 => self.maybe_cut(),
            _ => self.pass_up_to(14_000),
        }
    }

    fn push_some(&mut self) {
        for _ in 0..=self.rng.below(self.weather.burst) {
            let lane = self.weather.lanes[self.rng.index(9)];
            let size = if self.rng.below(50) == 0 { self.rng.index(5_000) } else { self.rng.index(200) };
            self.contents += 1;
            let data = format!(r#"{{"n":{},"x":"{}"}}"#, self.contents, "x".repeat(size));
            let draft = match lane {
                Lane::State => Draft::state(["body", "energy", "location"][self.rng.index(3)], self.stamp(), data),
                Lane::Telemetry => Draft::telemetry(self.stamp(), data),
                Lane::Critical | Lane::Event => Draft { lane, ..Draft::event("harsh.braking", self.stamp(), data) },
            };
            self.push(draft, self.contents);
        }
        self.settle();
    }

    fn push(&mut self, draft: Draft, content: u64) {
        let lane = draft.lane;
        match self.outbox.push(self.now, draft) {
            Ok(()) if lane == Lane::State => {}
            Ok(()) => {
                let seq = self.next_seq[lane as usize];
                self.next_seq[lane as usize] += 1;
                let key = StoreKey { lane, position: u64::from(self.boot) << 32 | seq };
                self.model.taken.insert(key, Taken { content, at: self.now });
            }
            Err(PushError::Full(_)) => self.outcome.full += 1,
            Err(why) => panic!("{why}"),
        }
    }

    fn pass_up_to(&mut self, most_ms: u64) {
        let span = Duration::from_millis(1 + self.rng.below(most_ms));
        self.pass(span);
    }

    fn pass(&mut self, span: Duration) {
        let end = self.now + span;
        while let Some(due) = self.outbox.poll_timeout().filter(|due| *due <= end) {
            self.now = self.now.max(due);
            self.outbox.handle_timeout(self.now);
            self.settle();
        }
        self.now = end;
    }

    fn transmit(&mut self) {
        for _ in 0..self.rng.below(40) {
            let Some((token, message)) = self.wire.pop_front() else { break };
            self.model.deliver(&message);
            self.unacked.push((token, message));
        }
    }

    fn acknowledge(&mut self) {
        for _ in 0..self.rng.below(40) {
            if self.unacked.is_empty() {
                break;
            }
            // Mostly in order, as brokers do; sometimes not.
            let at = if self.rng.below(3) == 0 { self.rng.index(self.unacked.len()) } else { 0 };
            let (token, message) = self.unacked.remove(at);
            self.model.acked.insert(message.key);
            self.link(&LinkEvent::Acked(token));
        }
    }

    fn link_down(&mut self) {
        self.session = Session::Down;
        self.wire.clear();
        self.unacked.clear();
        self.outcome.link_losses += 1;
        self.link(&LinkEvent::Down(LinkDown::Transport("reset by peer".to_owned())));
    }

    fn link_up(&mut self) {
        if self.session != Session::Down {
            return;
        }
        self.session = Session::Greeting;
        let boot = BootId { counter: self.boot, random: 0xabcd };
        self.outbox.announce(self.now, presence::online(boot, self.stamp())).expect("a right draft");
        let session_present = self.rng.below(2) == 0;
        self.link(&LinkEvent::Up { session_present });
        // An acknowledgement of the session before, and one of nothing at all.
        self.link(&LinkEvent::Acked(PublishToken(u64::MAX)));
    }

    fn link(&mut self, event: &LinkEvent) {
        self.outbox.handle_link(self.now, event);
        self.settle();
    }

    fn store_works(&mut self) {
        if self.store_is == StoreIs::Closed {
            return self.open_store();
        }
        for _ in 0..=self.rng.below(4) {
            let surprising = self.store.work(&mut self.rng);
            self.model.unordered.extend(surprising);
            if self.rng.below(6) > 0
                && let Some((event, durable)) = self.store.answer()
            {
                self.answer(&event, durable);
            }
        }
    }

    fn answer(&mut self, event: &StoreEvent, durable: Vec<StoreKey>) {
        if !durable.is_empty() {
            self.append_since = None;
            self.append_failed = false;
        }
        self.model.committed.extend(durable);
        let before = self.outbox.stat();
        if let StoreEvent::Loaded(_, rows) = event {
            self.model.committed.extend(rows.iter().map(|(key, _)| *key));
        }
        let failed = matches!(event, StoreEvent::Failed(..));
        assert!(self.outbox.handle_store(self.now, event), "its own ticket");
        if failed && self.outbox.stat().append_failures > before.append_failures {
            self.append_since = None;
            self.append_failed = true;
        }
        self.settle();
    }

    fn open_store(&mut self) {
        self.store_is = StoreIs::Open;
        if self.rng.below(8) == 0 && !self.calm {
            self.store_is = StoreIs::Unavailable;
            self.waive_order_of_stored();
            self.outbox.handle_store(self.now, &StoreEvent::Unavailable("permission denied".to_owned()));
        } else {
            self.outbox.handle_store(self.now, &StoreEvent::Opened(self.store.open()));
            self.model.committed.extend(self.store.keys());
            self.adopted_bytes = self.outbox.stat().lanes.iter().map(|lane| lane.stored_bytes).sum();
        }
        self.settle();
    }

    fn maybe_cut(&mut self) {
        if self.rng.below(3) > 0 {
            return;
        }
        self.outcome.cuts += 1;
        self.count_run();
        let before: Vec<StoreKey> = self.store.keys().collect();
        self.model.power_cut(&before);
        let damage = self.store.power_cut(&mut self.rng);
        self.outcome.corrupt += damage.corrupt.len() as u64;
        self.model.destroyed.extend(damage.corrupt);
        if damage.wiped {
            self.model.destroyed.extend(before);
        }
        self.start();
    }

    fn restart_cleanly(&mut self) {
        self.outbox.begin_shutdown(self.now, self.now + Duration::from_secs(5));
        self.settle();
        assert!(self.outbox.is_drained(self.now), "nothing was left to do");
        self.count_run();
        self.start();
    }

    fn start(&mut self) {
        self.boot += 1;
        self.outbox = Outbox::new(self.now, self.limits, BootId { counter: self.boot, random: 0xabcd });
        self.store_is = StoreIs::Closed;
        self.adopted_bytes = 0;
        self.session = Session::Down;
        self.wire.clear();
        self.unacked.clear();
        self.next_seq = [1; 4];
        self.append_since = None;
        self.append_failed = false;
    }

    /// Everything works from now on, until nothing is left to do.
    fn calm_down(&mut self) {
        self.calm = true;
        self.store.mode = Mode::Healthy;
        if self.store_is == StoreIs::Closed {
            self.open_store();
        }
        self.link_up();
        for _ in 0..20_000 {
            self.transmit();
            self.acknowledge();
            if self.store_is == StoreIs::Open {
                self.store_works();
            }
            self.pass(Duration::from_millis(100));
            let stat = self.outbox.stat();
            let waiting: u64 = stat.lanes.iter().map(|lane| lane.in_memory + lane.in_store).sum();
            if waiting == 0 && self.wire.is_empty() && self.unacked.is_empty() && self.store.is_idle() {
                self.pass(Duration::from_secs(70));
                if self.outbox.is_drained(self.now) && self.wire.is_empty() && self.store.is_idle() {
                    return;
                }
            }
        }
        panic!("it does not come to rest: {:#?}\n{:#?}", self.outbox, self.store);
    }

    // --- after every input ------------------------------------------------------------------------------------------

    /// Drains what the outbox wants and checks that it may want it.
    fn settle(&mut self) {
        self.drain();
        while let Some(report) = self.outbox.poll_report(self.now, self.stamp()) {
            self.contents += 1;
            self.push(report, self.contents);
            self.drain();
        }
        let due = self.outbox.poll_timeout();
        assert!(
            due.is_none_or(|due| due > self.now) || self.due_is_served(),
            "the timer {due:?} spins at {:?}",
            self.now
        );
        self.check_bounds();
    }

    /// What is due now is done by one call.
    fn due_is_served(&mut self) -> bool {
        self.outbox.handle_timeout(self.now);
        self.drain();
        self.outbox.poll_timeout().is_none_or(|due| due > self.now)
    }

    fn drain(&mut self) {
        let clock = Clock::default();
        let mut refusing = false;
        let mut refused = Vec::new();
        loop {
            let encoder = Encoder { topics: &self.topics, clock: &clock, kernel: KERNEL, privacy: Privacy::Off };
            let Some(effect) = self.outbox.poll_effect(&encoder) else { break };
            self.trace(&effect);
            match effect {
                Effect::Store(ticket, request) => {
                    self.check_request(&request);
                    self.store.request(ticket, request);
                }
                Effect::Publish(publication) => {
                    let message = read(&publication);
                    self.check_publication(&message);
                    refusing |= self.rng.below(400) == 0;
                    if refusing {
                        refused.push(publication.token);
                    } else {
                        self.wire.push_back((publication.token, message));
                    }
                }
                other => panic!("not the outbox's business: {other:?}"),
            }
        }
        for token in refused {
            self.outbox.handle_link(self.now, &LinkEvent::Refused(token));
        }
    }

    fn trace(&mut self, effect: &Effect) {
        self.now.hash(&mut self.trace);
        match effect {
            Effect::Publish(publication) => (&publication.topic, &publication.payload).hash(&mut self.trace),
            Effect::Store(ticket, StoreRequest::Commit { records, .. }) => (ticket, records).hash(&mut self.trace),
            Effect::Store(ticket, StoreRequest::Remove(keys)) => (ticket, keys).hash(&mut self.trace),
            other => format!("{other:?}").hash(&mut self.trace),
        }
    }

    fn check_request(&mut self, request: &StoreRequest) {
        assert!(self.store_is == StoreIs::Open, "the store is not there");
        match request {
            StoreRequest::Commit { records, values } => {
                assert!(values.is_empty(), "nobody saves named values");
                assert!(!records.is_empty() && records.len() <= APPEND_RECORDS_MAX);
                assert!(self.append_since.is_none(), "one append at a time");
                self.append_since = Some(self.now);
                let spilled = records.iter().filter(|(key, _)| key.lane == Lane::Telemetry).count();
                self.outcome.spilled += spilled as u64;
            }
            StoreRequest::Remove(keys) => self.model.remove(keys, &self.outbox.stat()),
            StoreRequest::Load { limit, .. } => {
                assert!((1..=LOAD_PAGE).contains(limit));
                self.outcome.loads += 1;
            }
        }
    }

    fn check_publication(&mut self, message: &Message) {
        assert!(self.session != Session::Down, "there is no link");
        self.outcome.publications += 1;
        let key = message.key;
        if key.lane == Lane::State {
            if message.topic.ends_with("/presence") {
                self.session = Session::Up;
            }
            let twins = self.wire.iter().chain(&self.unacked).filter(|(_, other)| other.topic == message.topic).count();
            assert_eq!(twins, 0, "two of {} in flight", message.topic);
            return;
        }
        assert!(self.session == Session::Up, "{key:?} goes before presence");
        if key.lane == Lane::Telemetry || self.model.committed.contains(&key) {
            return;
        }
        self.outcome.uncommitted += 1;
        let late = self.append_since.is_some_and(|since| since + STORE_PATIENCE <= self.now);
        let waited = self.now.since(self.model.taken[&key].at);
        let patience = key.lane == Lane::Critical && waited >= CRITICAL_PATIENCE;
        let stored: u64 = self.outbox.stat().lanes.iter().map(|lane| lane.stored_bytes).sum();
        let full = stored + RECORD_BYTES_MAX > self.limits.store_bytes / 8 * 7;
        assert!(
            full || self.append_failed || self.store_is == StoreIs::Unavailable || late || patience,
            "{key:?} is published before its commit"
        );
        if self.store_is == StoreIs::Closed {
            // Before the store is open, nobody knows what older ones it holds.
            self.model.unordered.insert(key);
        }
    }

    fn check_bounds(&mut self) {
        assert!(self.wire.len() + self.unacked.len() <= WINDOW, "window");
        let stat = self.outbox.stat();
        let front = self.limits.front_records + WINDOW + LOAD_PAGE;
        for lane in [Lane::Critical, Lane::Event, Lane::Telemetry] {
            let most = (front + self.limits.volatile_records) as u64;
            assert!(stat.lane(lane).in_memory <= most, "{lane:?} {stat:?}");
        }
        assert!(stat.lane(Lane::State).in_memory <= (STATE_GROUPS_MAX + WINDOW + 1) as u64);
        let stored: u64 = stat.lanes.iter().map(|lane| lane.stored_bytes).sum();
        assert!(stored <= self.limits.store_bytes.max(self.adopted_bytes), "quota: {stored}");
        // What a power cut brought back may exceed the quota; from then on it only gets less.
        self.adopted_bytes = self.adopted_bytes.min(stored);
        if stat.lanes.iter().any(|lane| lane.set_aside > 0) {
            self.waive_order_of_stored();
        }
    }

    /// What cannot be read now comes after the next start, after younger ones.
    fn waive_order_of_stored(&mut self) {
        self.model.unordered.extend(self.store.keys());
    }

    fn count_run(&mut self) {
        let stat = self.outbox.stat();
        for lane in Lane::ALL {
            *self.model.evictions_counted.entry(lane).or_insert(0) += stat.lane(lane).evicted;
            self.outcome.evicted_volatile += stat.lane(lane).evicted;
            self.outcome.set_aside += stat.lane(lane).set_aside;
        }
        self.outcome.evicted_stored = self.model.evicted.len() as u64;
        self.outcome.failed_appends += stat.append_failures;
        self.outcome.failed_loads += stat.load_failures;
        self.outcome.failed_removals += stat.remove_failures;
        self.outcome.refused_by_client += stat.client_refusals;
    }

    fn stamp(&self) -> Stamp {
        Stamp { boot: KERNEL, mono: self.now, wall: None }
    }
}
