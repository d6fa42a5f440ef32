//! Everything between a service and the cloud, under everything that can happen to a link: outbox, link policy,
//! uplink over TLS with client certificates, store, mosquitto. Every event arrives, in order within its lane once
//! repeats are dropped by id; nothing is published before it is durable, nothing removed before it is acknowledged.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use telltale::delivery::outbox::WINDOW;
use telltale::delivery::{
    BootId, Draft, Encoder, Lane, Limits, Link, Outbox, Privacy, RecordId, StoreKey, Topics, VehicleId, presence,
};
use telltale::gateway::{
    Effect, LinkDown, LinkEvent, Publication, PublishToken, StoreEvent, StoreRequest, StoreTicket,
};
use telltale::io::mqtt::{Command, Transport};
use telltale::io::store::{OPEN_DEADLINE, Store, claim_boot};
use telltale::io::tls::{ClientIdentity, client_config};
use telltale::rng::Rng;
use telltale::time::{Clock, KernelBoot, MonoTime, Stamp};
use tokio::sync::mpsc;
use tokio::time::{Instant, sleep_until};

use crate::chaos_proxy::ChaosProxy;
use crate::client::{Client, KEEP_ALIVE, PATIENCE, seed};
use crate::mosquitto::{Mosquitto, Pki};
use crate::subscriber::{Message, Subscriber};
use crate::weather::Weather;

/// The link policy's clock runs faster than ours: its back-off of up to 30 s is for fleets, not for tests.
const LINK_SPEED: u32 = 20;

/// Records on their way at most, so that a gap reaches the store and the reading back of it, and the test ends.
const BACKLOG_MAX: u64 = 3_000;

/// New records come in bursts of this many each [`BURST_EVERY`].
const BURST: u64 = 20;
const BURST_EVERY: Duration = Duration::from_millis(5);

/// Some faults end before the keep-alive notices them, some do not.
const FAULT_MAX: Duration = Duration::from_secs(3);

const BOOT_RANDOM: u32 = 0x5eed;

#[tokio::test]
async fn every_event_arrives_in_order_though_the_link_fails_at_random() {
    let (cuts, events) = (from_env("TELLTALE_CHAOS_CUTS", 15), from_env("TELLTALE_CHAOS_EVENTS", 3_000));
    let pki = Pki::new("fleet");
    let Some(broker) = Mosquitto::start(true, Some(&pki)) else { return };
    let subscriber = Subscriber::start(broker.port, "cloud").await;
    let proxy = ChaosProxy::start(broker.tls_port).await;
    let directory = tempfile::tempdir().expect("a directory");
    let weather = Weather::new(Rng::new(seed()), proxy, broker);
    let mut car = Car::start(Client::start(weather.proxy.port, tls(&pki)), directory.path());
    let mut forecast = Forecast::new(weather, cuts, events);
    let began = Instant::now();

    let mut burst = tokio::time::interval(BURST_EVERY);
    let mut made = 0;
    while made < events || forecast.is_stormy() || !car.is_idle() {
        let deadline = car.poll_timeout();
        tokio::select! {
            event = car.client.next() => car.on_link(&event),
            event = car.store_events.recv() => car.on_store(&event.expect("a running store")),
            () = sleep_until(deadline) => car.on_timeout(),
            _ = burst.tick(), if made < events || forecast.is_stormy() => {
                for _ in 0..BURST.min(BACKLOG_MAX.saturating_sub(car.on_their_way())) {
                    car.make(made);
                    made += 1;
                }
            }
        }
        forecast.change(&car);
        car.drain();
        assert!(began.elapsed() < PATIENCE * u32::try_from(cuts + 10).expect("small"), "{:?}", car.outbox.stat());
    }

    let made_by_lane = car.made();
    let records = made_by_lane.values().sum::<u64>();
    let messages = subscriber.until(|m| m.len() as u64 >= records && arrived(m) == made_by_lane).await;
    assert_order(&messages);
    eprintln!(
        "{} records, {} of them events; {} faults in {:.1?}: {:?}; {} sessions, {} publications, {} messages at the \
         subscriber",
        records,
        made_by_lane[&Lane::Event],
        forecast.weather.strikes,
        began.elapsed(),
        forecast.weather.struck,
        car.link.stat().sessions,
        car.published,
        messages.len(),
    );
    car.stop(directory.path()).await;
}

fn from_env(name: &str, default: u64) -> u64 {
    std::env::var(name).map_or(default, |text| text.parse().unwrap_or_else(|_| panic!("{name}={text} is no number")))
}

fn tls(pki: &Pki) -> Transport {
    let identity = pki.issue("car");
    let [ca, certificate, key] =
        [&pki.ca(), &identity.certificate, &identity.key].map(|path| std::fs::read(path).expect("a file"));
    let client = ClientIdentity { certificates_pem: &certificate, key_pem: &key };
    let config = client_config(&ca, Some(client)).expect("good certificates");
    Transport::Tls(Arc::new(move || Ok(Arc::clone(&config))))
}

/// What the gateway does with these rooms, and a ledger of what it promised.
struct Car {
    outbox: Outbox,
    link: Link,
    client: Client,
    store: Store,
    store_events: mpsc::UnboundedReceiver<StoreEvent>,
    topics: Topics,
    clock: Clock,
    boot: BootId,
    began: Instant,
    appending: BTreeMap<StoreTicket, Vec<StoreKey>>,
    durable: BTreeSet<StoreKey>,
    in_flight: BTreeMap<PublishToken, StoreKey>,
    acknowledged: BTreeSet<StoreKey>,
    acknowledgements: u64,
    published: u64,
}

impl Car {
    fn start(client: Client, directory: &std::path::Path) -> Self {
        let claim = claim_boot(directory).expect("a fresh store");
        let boot = BootId { counter: claim.boot_counter(), random: BOOT_RANDOM };
        let (send, store_events) = mpsc::unbounded_channel();
        let store = Store::start(claim, OPEN_DEADLINE, move |event| drop(send.send(event))).expect("a thread");
        let mut link = Link::new(Rng::new(1), KEEP_ALIVE * LINK_SPEED);
        link.start(MonoTime::ZERO);
        Self {
            outbox: Outbox::new(MonoTime::ZERO, Limits::default(), boot),
            link,
            client,
            store,
            store_events,
            topics: Topics::new(VehicleId::new("car").expect("a valid id")),
            clock: Clock::default(),
            boot,
            began: Instant::now(),
            appending: BTreeMap::new(),
            durable: BTreeSet::new(),
            in_flight: BTreeMap::new(),
            acknowledged: BTreeSet::new(),
            acknowledgements: 0,
            published: 0,
        }
    }

    fn now(&self) -> MonoTime {
        MonoTime::ZERO + self.began.elapsed()
    }

    fn link_now(&self) -> MonoTime {
        MonoTime::ZERO + self.began.elapsed() * LINK_SPEED
    }

    fn stamp(&self) -> Stamp {
        Stamp { boot: KernelBoot(1), mono: self.now(), wall: None }
    }

    /// One record: mostly events, some of the other lanes.
    fn make(&mut self, number: u64) {
        let data = format!(r#"{{"number":{number},"padding":"{}"}}"#, "x".repeat(200));
        let draft = match number % 20 {
            7 => Draft::telemetry(self.stamp(), data),
            13 => Draft { lane: Lane::Critical, ..Draft::event("crash.test", self.stamp(), data) },
            17 => Draft::state("test", self.stamp(), data),
            _ => Draft::event("test", self.stamp(), data),
        };
        self.outbox.push(self.now(), draft).expect("room");
    }

    fn on_link(&mut self, event: &LinkEvent) {
        match event {
            LinkEvent::Acked(token) => {
                self.acknowledgements += 1;
                let key = self.in_flight.remove(token).expect("an acknowledgement names what is in flight");
                self.acknowledged.insert(key);
            }
            LinkEvent::Down(LinkDown::Credentials(text)) => panic!("a cut link is no matter of credentials: {text}"),
            LinkEvent::Down(_) => self.in_flight.clear(),
            LinkEvent::Refused(token) => panic!("{token:?} refused within a window of {WINDOW}"),
            LinkEvent::Up { .. } => {
                let hello = presence::online(self.boot, self.stamp());
                self.outbox.announce(self.now(), hello).expect("a valid announcement");
            }
        }
        self.link.handle(self.link_now(), event);
        self.outbox.handle_link(self.now(), event);
    }

    fn on_store(&mut self, event: &StoreEvent) {
        match event {
            StoreEvent::Done(ticket) => self.durable.extend(self.appending.remove(ticket).unwrap_or_default()),
            StoreEvent::Failed(..) | StoreEvent::Unavailable(_) => panic!("a healthy store: {event:?}"),
            StoreEvent::Opened(_) | StoreEvent::Loaded(..) => {}
        }
        self.outbox.handle_store(self.now(), event);
    }

    fn on_timeout(&mut self) {
        self.link.handle_timeout(self.link_now());
        self.outbox.handle_timeout(self.now());
    }

    fn poll_timeout(&self) -> Instant {
        let outbox = self.outbox.poll_timeout().map(|due| due.since(MonoTime::ZERO));
        let link = self.link.poll_timeout().map(|due| due.since(MonoTime::ZERO) / LINK_SPEED);
        self.began + outbox.into_iter().chain(link).min().unwrap_or(PATIENCE).max(Duration::from_millis(1))
    }

    fn drain(&mut self) {
        let (now, stamp) = (self.now(), self.stamp());
        while let Some(report) = self.outbox.poll_report(now, stamp) {
            self.outbox.push(now, report).expect("room for a report");
        }
        while let Some(effect) = self.next_effect() {
            match effect {
                Effect::Store(ticket, request) => self.submit(ticket, request),
                Effect::Connect => self.client.command(Command::Connect),
                Effect::Disconnect { goodbye } => self.client.command(Command::Disconnect { goodbye }),
                Effect::Publish(publication) => self.publish(publication),
                Effect::BlackBox(_) => panic!("there is no black box"),
                Effect::Stopped => panic!("nobody asked to stop"),
            }
        }
        self.link.watch(self.link_now(), self.outbox.in_flight());
    }

    fn next_effect(&mut self) -> Option<Effect> {
        let encoder =
            Encoder { topics: &self.topics, clock: &self.clock, kernel: KernelBoot(1), privacy: Privacy::Off };
        self.link.poll_effect().or_else(|| self.outbox.poll_effect(&encoder))
    }

    fn submit(&mut self, ticket: StoreTicket, request: StoreRequest) {
        match &request {
            StoreRequest::Commit { records, .. } => {
                self.appending.insert(ticket, records.iter().map(|(key, _)| *key).collect());
            }
            StoreRequest::Remove(keys) => {
                for key in keys {
                    assert!(self.acknowledged.contains(key), "{key:?} removed before it was acknowledged");
                }
            }
            StoreRequest::Load { .. } => {}
        }
        self.store.submit(ticket, request).expect("room in the store's queue");
    }

    fn publish(&mut self, publication: Publication) {
        self.published += 1;
        let (lane, seq) = identity(&publication.payload);
        let key = RecordId { boot: self.boot, lane, seq }.key();
        // A critical record may overtake a store that is slow for 2 s; an event never does.
        assert!(lane != Lane::Event || self.durable.contains(&key), "{key:?} published before it was durable");
        self.in_flight.insert(publication.token, key);
        self.client.command(Command::Publish(publication));
    }

    fn on_their_way(&self) -> u64 {
        self.outbox.stat().lanes.iter().map(|lane| lane.in_memory + lane.in_store).sum()
    }

    /// Nothing waits, nothing is in flight, and nothing was given up.
    fn is_idle(&self) -> bool {
        let stat = self.outbox.stat();
        for lane in Lane::ALL {
            let lost = stat.lane(lane);
            assert_eq!((lost.evicted, lost.refused, lost.corrupt, lost.missing), (0, 0, 0, 0), "{lane:?}: {lost:?}");
        }
        self.link.is_online() && self.outbox.in_flight() == 0 && self.on_their_way() == 0
    }

    /// How many records were made by lane; a state is made anew instead of being kept, so it does not count.
    fn made(&self) -> BTreeMap<Lane, u64> {
        let stat = self.outbox.stat();
        [Lane::Critical, Lane::Event, Lane::Telemetry].map(|lane| (lane, stat.lane(lane).pushed)).into()
    }

    /// Says goodbye, and finds the store empty.
    async fn stop(mut self, directory: &std::path::Path) {
        self.link.stop();
        self.drain();
        assert_eq!(self.client.down().await, LinkDown::Requested);
        let removed = Instant::now() + PATIENCE;
        while self.outbox.stat().lanes.iter().any(|lane| lane.in_store > 0) || !self.outbox.is_drained(self.now()) {
            assert!(Instant::now() < removed, "{:?}", self.outbox.stat());
            tokio::time::sleep(Duration::from_millis(50)).await;
            self.on_timeout();
            self.drain();
            while let Ok(event) = self.store_events.try_recv() {
                self.on_store(&event);
            }
        }
        // The last removals wait for company (REMOVE_DELAY).
        tokio::time::sleep(telltale::delivery::outbox::REMOVE_DELAY).await;
        self.outbox.handle_timeout(self.now());
        self.drain();
        assert!(self.store.close(PATIENCE), "the store closes");
        let (send, mut events) = mpsc::unbounded_channel();
        let claim = claim_boot(directory).expect("our own store");
        let _store = Store::start(claim, OPEN_DEADLINE, move |event| drop(send.send(event))).expect("a thread");
        let Some(StoreEvent::Opened(inventory)) = events.recv().await else { panic!("the store opens again") };
        assert_eq!((inventory.lanes, inventory.incident), (Vec::new(), None), "what was acknowledged is gone");
    }
}

/// When the next fault comes.
struct Forecast {
    weather: Weather,
    strikes_wanted: u64,
    /// It comes after so many acknowledgements in all.
    next_at: u64,
    /// Acknowledgements between faults, at most.
    calm_max: u64,
}

impl Forecast {
    fn new(weather: Weather, strikes_wanted: u64, events: u64) -> Self {
        // Twice the mean.
        let calm_max = 2 * events / (strikes_wanted + 1);
        Self { weather, strikes_wanted, next_at: calm_max, calm_max }
    }

    fn is_stormy(&self) -> bool {
        self.weather.strikes < self.strikes_wanted
    }

    /// To be called often. A fault strikes while much is in flight, which is when it can do most harm.
    fn change(&mut self, car: &Car) {
        if self.weather.clear_up() {
            self.next_at = car.acknowledgements + self.weather.draw(self.calm_max);
        } else if self.weather.is_fair()
            && self.is_stormy()
            && car.outbox.in_flight() >= WINDOW / 2
            && car.acknowledgements >= self.next_at
        {
            self.weather.strike(FAULT_MAX);
        }
    }
}

/// Lane and number out of the CloudEvents id `<boot>-<lane>-<sequence>`.
fn identity(payload: &[u8]) -> (Lane, u32) {
    let event: serde_json::Value = serde_json::from_slice(payload).expect("JSON");
    let id = event["id"].as_str().expect("an id");
    let [_boot, lane, seq] = id.split('-').collect::<Vec<_>>().try_into().expect("three parts");
    let lane = Lane::ALL.into_iter().find(|known| known.name() == lane).expect("a lane");
    (lane, seq.parse().expect("a number"))
}

/// Everything that counts, without last wills, in the order of arrival.
fn identities(messages: &[Message]) -> impl Iterator<Item = (Lane, u32)> {
    messages.iter().filter(|message| message.payload != b"offline").map(|message| identity(&message.payload))
}

/// How many different records arrived, by lane.
fn arrived(messages: &[Message]) -> BTreeMap<Lane, u64> {
    let different: BTreeSet<_> = identities(messages).collect();
    let mut count = BTreeMap::new();
    for (lane, _) in different.into_iter().filter(|(lane, _)| *lane != Lane::State) {
        *count.entry(lane).or_default() += 1;
    }
    count
}

/// Each lane counts up by one, once repeats are dropped; that is all that a consumer has to know.
fn assert_order(messages: &[Message]) {
    let mut seen = BTreeSet::new();
    let mut last: BTreeMap<Lane, u32> = BTreeMap::new();
    for (lane, seq) in identities(messages).filter(|identity| seen.insert(*identity)) {
        let before = last.insert(lane, seq).unwrap_or(0);
        assert_eq!(seq, before + 1, "{lane:?}");
    }
}
