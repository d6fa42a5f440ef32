//! The lives of a daemon, with a black box, a store and a broker that take their time, and what survives between them.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::time::Duration;

use serde_json::Value as Json;

use telltale::crash::black_box::{BlackBoxEvent, BlackBoxRequest, Slot};
use telltale::delivery::{BootId, Lane, StoreKey};
use telltale::gateway::{
    Effect, Gateway, Input, LaneInventory, LinkEvent, PublishToken, Setup, StoreEvent, StoreInventory, StoreRequest,
    StoreTicket,
};
use telltale::rng::Rng;
use telltale::sim::{Begin, Car, Emission, Scenario, What};
use telltale::time::{KernelBoot, MonoTime, TimeSource, WallReading, WallTime};

use crate::demo_phev;
use crate::disk::{made, put, read};
use crate::setup::setup;

const MORNING: WallTime = WallTime::from_unix_micros(1_772_434_800_000_000);

/// So much of the drive before the crash is played: the black box has ten seconds, the classifier wants five.
pub(crate) const BEFORE: Duration = Duration::from_secs(11);

/// A life without a crash lasts so long: all that is stored is told within.
pub(crate) const AFTERLIFE: Duration = Duration::from_secs(20);

pub(crate) const STEP: Duration = Duration::from_millis(1);

/// How much later than the store the black box may be open.
pub(crate) const LATE: Duration = Duration::from_millis(1_500);

/// What survives a power cut, and what the cloud heard.
#[derive(Clone)]
pub(crate) struct Remains {
    pub(crate) file: Vec<u8>,
    pub(crate) store: BTreeMap<StoreKey, Vec<u8>>,
    pub(crate) values: BTreeMap<String, Vec<u8>>,
    pub(crate) heard: Vec<Heard>,
}

#[derive(Debug, Clone)]
pub(crate) struct Heard {
    pub(crate) topic: String,
    pub(crate) id: String,
    pub(crate) crash: String,
    pub(crate) data: Json,
}

impl Remains {
    pub(crate) fn empty() -> Self {
        Self { file: made(), store: BTreeMap::new(), values: BTreeMap::new(), heard: Vec::new() }
    }

    /// What the cloud heard of a crash first.
    pub(crate) fn reports(&self) -> Vec<&Heard> {
        let topics = ["event/crash.detected", "event/crash.recovered"];
        self.heard.iter().filter(|heard| topics.contains(&heard.topic.as_str())).collect()
    }

    /// The ids under which the owner was offered help.
    pub(crate) fn offers(&self) -> BTreeSet<&str> {
        let is_offer = |heard: &&Heard| heard.topic == "event/assistance.offered" && heard.data["to"] == "owner";
        self.heard.iter().filter(is_offer).map(|heard| heard.id.as_str()).collect()
    }
}

/// What the store does once it is open.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Disk {
    Works,
    /// It answers each request with an error.
    Refuses,
    /// It answers none.
    Silent,
}

/// One life of the daemon.
pub(crate) struct Life {
    pub(crate) gateway: Gateway,
    pub(crate) remains: Remains,
    pub(crate) rng: Rng,
    pub(crate) writing: Option<(MonoTime, BlackBoxRequest)>,
    pub(crate) requests: VecDeque<(MonoTime, StoreTicket, StoreRequest)>,
    pub(crate) sending: VecDeque<(MonoTime, PublishToken, Heard)>,
    /// When the black box opens, if it is not open.
    pub(crate) opens: Option<MonoTime>,
    /// This life as it stands in the ids of its crashes.
    pub(crate) boot: String,
    pub(crate) disk: Disk,
}

impl Life {
    /// The black box opens before the store, or so long after it.
    pub(crate) fn begin(number: u32, now: MonoTime, remains: Remains, rng: Rng, late: Option<Duration>) -> Self {
        let opened = StoreEvent::Opened(inventory(&remains));
        Self::begin_with(Some(opened), BootId { counter: number, random: 7 }, now, remains, rng, late)
    }

    pub(crate) fn begin_with(
        store: Option<StoreEvent>,
        boot: BootId,
        now: MonoTime,
        remains: Remains,
        rng: Rng,
        late: Option<Duration>,
    ) -> Self {
        let kernel = KernelBoot(u64::from(boot.counter) << 32 | u64::from(boot.random));
        let setup = Setup { boot, kernel, ..setup("car-0001", demo_phev::config("").profile) };
        let gateway = Gateway::new(now, setup).expect("the profile makes a table");
        assert!(gateway.wants_black_box());
        let mut life = Self {
            gateway,
            remains,
            rng,
            writing: None,
            requests: VecDeque::new(),
            sending: VecDeque::new(),
            opens: late.map(|late| now + late),
            boot: boot.to_string(),
            disk: Disk::Works,
        };
        if late.is_none() {
            life.open_black_box(now);
        }
        if let Some(store) = store {
            life.input(now, Input::Store(store));
        }
        // A minute goes by from life to life.
        let wall = MORNING.plus(Duration::from_secs(60) * boot.counter + now.since(MonoTime::ZERO));
        let reading = WallReading { wall, source: TimeSource::Ntp, uncertainty: Duration::from_millis(50) };
        life.input(now, Input::Clock(reading));
        life.input(now, Input::Link(LinkEvent::Up { session_present: true }));
        life
    }

    fn open_black_box(&mut self, now: MonoTime) {
        let contents = read(&self.remains.file, Slot::is_unreported);
        self.input(now, Input::BlackBox(BlackBoxEvent::Opened(Box::new(contents))));
    }

    pub(crate) fn input(&mut self, now: MonoTime, input: Input<'_>) {
        self.gateway.handle(now, input);
        while let Some(effect) = self.gateway.poll_effect() {
            self.carry_out(now, effect);
        }
    }

    fn carry_out(&mut self, now: MonoTime, effect: Effect) {
        let soon = |rng: &mut Rng, below: u64| now + Duration::from_millis(1 + rng.below(below));
        match effect {
            Effect::BlackBox(request) => {
                assert!(self.writing.is_none(), "one request at a time");
                self.writing = Some((soon(&mut self.rng, 25), request));
            }
            Effect::Store(ticket, request) => {
                let due = soon(&mut self.rng, 60);
                self.requests.push_back((self.requests.back().map_or(due, |last| last.0.max(due)), ticket, request));
            }
            Effect::Publish(publication) => {
                let event: Json = serde_json::from_slice(&publication.payload).expect("a payload is JSON");
                let text = |json: &Json| json.as_str().unwrap_or_default().to_owned();
                let topic = publication.topic.splitn(4, '/').nth(3).unwrap_or_default().to_owned();
                let data = event["data"].clone();
                let heard = Heard { topic, id: text(&event["id"]), crash: text(&event["subject"]), data };
                // What the store holds of an earlier life was told there already, or is told from the store alone.
                let is_own_crash = heard.topic == "event/crash.detected" && heard.crash.starts_with(&self.boot);
                assert!(!is_own_crash || self.has_record(&heard.crash), "sent before it was on disk");
                self.sending.push_back((soon(&mut self.rng, 40), publication.token, heard));
            }
            Effect::Connect | Effect::Disconnect { .. } | Effect::Stopped => {}
        }
    }

    /// What was answered holds a record of that crash.
    fn has_record(&self, crash: &str) -> bool {
        let contents = read(&self.remains.file, |_| true);
        contents.recordings.iter().any(|recording| recording.slot.crash.to_string() == crash)
    }

    /// Answers what is due.
    pub(crate) fn turn(&mut self, now: MonoTime) {
        if self.opens.take_if(|opens| *opens <= now).is_some() {
            self.open_black_box(now);
        }
        if let Some((_, request)) = self.writing.take_if(|(due, _)| *due <= now) {
            for write in &request.writes {
                put(&mut self.remains.file, write.offset, &write.bytes);
            }
            self.input(now, Input::BlackBox(BlackBoxEvent::Written(request.ticket)));
        }
        while self.requests.front().is_some_and(|(due, ..)| *due <= now) {
            let Some((_, ticket, request)) = self.requests.pop_front() else { break };
            let answer = match self.disk {
                Disk::Works => self.store(ticket, request),
                Disk::Refuses => StoreEvent::Failed(ticket, "input/output error".to_owned()),
                Disk::Silent => continue,
            };
            self.input(now, Input::Store(answer));
        }
        while self.sending.front().is_some_and(|(due, ..)| *due <= now) {
            let Some((_, token, heard)) = self.sending.pop_front() else { break };
            self.remains.heard.push(heard);
            self.input(now, Input::Link(LinkEvent::Acked(token)));
        }
        if self.gateway.poll_timeout().is_some_and(|due| due <= now) {
            self.input(now, Input::Timeout);
        }
    }

    fn store(&mut self, ticket: StoreTicket, request: StoreRequest) -> StoreEvent {
        let store = &mut self.remains.store;
        match request {
            StoreRequest::Commit { records, values } => {
                store.extend(records);
                self.remains.values.extend(values);
            }
            StoreRequest::Remove(keys) => store.retain(|key, _| !keys.contains(key)),
            StoreRequest::Load { from, limit } => {
                let rows = store.range(from..).take_while(|(key, _)| key.lane == from.lane).take(limit);
                return StoreEvent::Loaded(ticket, rows.map(|(key, value)| (*key, value.clone())).collect());
            }
        }
        StoreEvent::Done(ticket)
    }

    /// Nothing happens on the buses for that time.
    pub(crate) fn pass(&mut self, from: MonoTime, span: Duration) {
        let mut now = from;
        while now < from + span {
            now = now + STEP;
            self.turn(now);
        }
    }

    /// The power goes: of what was under way any part may have been done.
    pub(crate) fn cut(mut self) -> (Remains, Rng) {
        if let Some((_, request)) = self.writing.take() {
            for write in &request.writes {
                for (number, sector) in (0_u64..).zip(write.bytes.chunks(512)) {
                    let length = [0, self.rng.index(512), 512, 512][self.rng.index(4)].min(sector.len());
                    put(&mut self.remains.file, write.offset + number * 512, &sector[..length]);
                }
            }
        }
        while let Some((_, ticket, request)) = self.requests.pop_front().filter(|_| self.disk == Disk::Works) {
            if self.rng.below(2) == 0 {
                break;
            }
            self.store(ticket, request);
        }
        while let Some((_, _, heard)) = self.sending.pop_front() {
            if self.rng.below(2) == 0 {
                break;
            }
            self.remains.heard.push(heard);
        }
        (self.remains, self.rng)
    }
}

pub(crate) fn inventory(remains: &Remains) -> StoreInventory {
    let lanes = Lane::ALL.into_iter().filter_map(|lane| {
        let own: Vec<_> = remains.store.iter().filter(|(key, _)| key.lane == lane).collect();
        let (first, last) = (*own.first()?.0, *own.last()?.0);
        let bytes = own.iter().map(|(_, value)| value.len() as u64).sum();
        Some(LaneInventory { lane, first, last, count: own.len() as u64, bytes })
    });
    StoreInventory { lanes: lanes.collect(), values: remains.values.clone().into_iter().collect(), incident: None }
}

/// The whole drive with its crash.
pub(crate) fn whole_drive() -> Vec<Emission> {
    let begin = Begin { mono: MonoTime::ZERO, wall: MORNING };
    let car = Car::new(1, Scenario::Crash, begin).expect("the simulated car speaks");
    car.take_while(|emission| emission.at < MonoTime::from_millis(120_000)).collect()
}

/// The drive with its crash, from [`BEFORE`] the contact on, and the contact.
pub(crate) fn drive() -> (Vec<Emission>, MonoTime) {
    let emissions = whole_drive();
    let mut life = Life::begin(1, MonoTime::ZERO, Remains::empty(), Rng::new(0), None);
    play(&mut life, &emissions, MonoTime::from_millis(120_000));
    let contents = read(&life.remains.file, |_| true);
    let [recording] = contents.recordings.as_slice() else { panic!("{} records", contents.recordings.len()) };
    assert!(recording.is_complete() && !recording.slot.is_unreported(), "{:?}", recording.slot);
    let contact = recording.verdicts[0].contact;
    let from = contact - BEFORE;
    (emissions.into_iter().filter(|emission| emission.at >= from).collect(), contact)
}

/// Plays the drive until `until`.
pub(crate) fn play(life: &mut Life, emissions: &[Emission], until: MonoTime) {
    let Some(first) = emissions.first() else { return };
    let mut now = first.at;
    for emission in emissions.iter().take_while(|emission| emission.at < until) {
        while now + STEP < emission.at {
            now = now + STEP;
            life.turn(now);
        }
        now = emission.at;
        match &emission.what {
            What::Frame(bus, frame) => life.input(now, Input::Frame(*bus, frame)),
            What::Nmea(bytes) => life.input(now, Input::Gnss(bytes)),
            What::Coverage(_) | What::Note(_) => {}
        }
    }
    while now < until {
        now = now + STEP;
        life.turn(now);
    }
}
