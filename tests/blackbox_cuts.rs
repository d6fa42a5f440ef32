//! The power goes at any moment of a simulated crash, and again while the daemon recovers: the whole gateway in virtual
//! time, with a black box, a store and a broker that take their time. Each confirmed crash is heard of under one id.
#![cfg(feature = "demo")]
#![expect(clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]
#![expect(clippy::cast_possible_truncation, reason = "the file has a few million bytes")]

#[path = "common/black_box_disk.rs"]
mod black_box_disk;
#[path = "common/demo_phev.rs"]
mod demo_phev;

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::time::Duration;

use serde_json::Value as Json;

use telltale::config::Emergency;
use telltale::crash::Stage;
use telltale::crash::black_box::{BlackBoxEvent, BlackBoxRequest, Slot};
use telltale::delivery::{BootId, Draft, Lane, Limits, Privacy, StoreKey, VehicleId, codec};
use telltale::gateway::{
    Effect, Gateway, Input, LaneInventory, LinkDown, LinkEvent, PublishToken, Setup, StoreEvent, StoreInventory,
    StoreRequest, StoreTicket,
};
use telltale::rng::Rng;
use telltale::services::OwnerInput;
use telltale::services::owner::Purpose;

use telltale::sim::{Begin, Car, Emission, Scenario, What};
use telltale::time::{KernelBoot, MonoTime, Stamp, TimeSource, WallReading, WallTime};

use black_box_disk::{made, put, read};

const MORNING: WallTime = WallTime::from_unix_micros(1_772_434_800_000_000);

/// So much of the drive before the crash is played: the black box has ten seconds, the classifier wants five.
const BEFORE: Duration = Duration::from_secs(11);

/// A life without a crash lasts so long: all that is stored is told within.
const AFTERLIFE: Duration = Duration::from_secs(20);

const STEP: Duration = Duration::from_millis(1);

/// How much later than the store the black box may be open.
const LATE: Duration = Duration::from_millis(1_500);

/// What survives a power cut, and what the cloud heard.
#[derive(Clone)]
struct Remains {
    file: Vec<u8>,
    store: BTreeMap<StoreKey, Vec<u8>>,
    values: BTreeMap<String, Vec<u8>>,
    heard: Vec<Heard>,
}

#[derive(Debug, Clone)]
struct Heard {
    topic: String,
    id: String,
    crash: String,
    data: Json,
}

impl Remains {
    fn empty() -> Self {
        Self { file: made(), store: BTreeMap::new(), values: BTreeMap::new(), heard: Vec::new() }
    }

    /// What the cloud heard of a crash first.
    fn reports(&self) -> Vec<&Heard> {
        let topics = ["event/crash.detected", "event/crash.recovered"];
        self.heard.iter().filter(|heard| topics.contains(&heard.topic.as_str())).collect()
    }

    /// The ids under which the owner was offered help.
    fn offers(&self) -> BTreeSet<&str> {
        let is_offer = |heard: &&Heard| heard.topic == "event/assistance.offered" && heard.data["to"] == "owner";
        self.heard.iter().filter(is_offer).map(|heard| heard.id.as_str()).collect()
    }
}

/// What the store does once it is open.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Disk {
    Works,
    /// It answers each request with an error.
    Refuses,
    /// It answers none.
    Silent,
}

/// One life of the daemon.
struct Life {
    gateway: Gateway,
    remains: Remains,
    rng: Rng,
    writing: Option<(MonoTime, BlackBoxRequest)>,
    requests: VecDeque<(MonoTime, StoreTicket, StoreRequest)>,
    sending: VecDeque<(MonoTime, PublishToken, Heard)>,
    /// When the black box opens, if it is not open.
    opens: Option<MonoTime>,
    /// This life as it stands in the ids of its crashes.
    boot: String,
    disk: Disk,
}

impl Life {
    /// The black box opens before the store, or so long after it.
    fn begin(number: u32, now: MonoTime, remains: Remains, rng: Rng, late: Option<Duration>) -> Self {
        let opened = StoreEvent::Opened(inventory(&remains));
        Self::begin_with(Some(opened), BootId { counter: number, random: 7 }, now, remains, rng, late)
    }

    fn begin_with(
        store: Option<StoreEvent>,
        boot: BootId,
        now: MonoTime,
        remains: Remains,
        rng: Rng,
        late: Option<Duration>,
    ) -> Self {
        let setup = Setup {
            vehicle: VehicleId::new("car-0001").expect("valid"),
            profile: demo_phev::config("").profile,
            boot,
            kernel: KernelBoot(u64::from(boot.counter) << 32 | u64::from(boot.random)),
            seed: 1,
            limits: Limits::default(),
            keep_alive: Duration::from_secs(60),
            emergency: Emergency::default(),
        };
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

    fn input(&mut self, now: MonoTime, input: Input<'_>) {
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
    fn turn(&mut self, now: MonoTime) {
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
    fn pass(&mut self, from: MonoTime, span: Duration) {
        let mut now = from;
        while now < from + span {
            now = now + STEP;
            self.turn(now);
        }
    }

    /// The power goes: of what was under way any part may have been done.
    fn cut(mut self) -> (Remains, Rng) {
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

fn inventory(remains: &Remains) -> StoreInventory {
    let lanes = Lane::ALL.into_iter().filter_map(|lane| {
        let own: Vec<_> = remains.store.iter().filter(|(key, _)| key.lane == lane).collect();
        let (first, last) = (*own.first()?.0, *own.last()?.0);
        let bytes = own.iter().map(|(_, value)| value.len() as u64).sum();
        Some(LaneInventory { lane, first, last, count: own.len() as u64, bytes })
    });
    StoreInventory { lanes: lanes.collect(), values: remains.values.clone().into_iter().collect(), incident: None }
}

/// The drive with its crash, from [`BEFORE`] the contact on, and the contact.
fn drive() -> (Vec<Emission>, MonoTime) {
    let begin = Begin { mono: MonoTime::ZERO, wall: MORNING };
    let car = Car::new(1, Scenario::Crash, begin).expect("the simulated car speaks");
    let emissions: Vec<Emission> = car.take_while(|emission| emission.at < MonoTime::from_millis(120_000)).collect();
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
fn play(life: &mut Life, emissions: &[Emission], until: MonoTime) {
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

#[test]
fn whatever_the_moment_of_the_cut_a_confirmed_crash_is_heard_of_under_one_id() {
    let (emissions, contact) = drive();
    let seed = std::env::var("TELLTALE_SEED").ok().and_then(|seed| seed.parse().ok()).unwrap_or(1_u64);
    println!("seed {seed}, contact at {contact:?}");
    let (mut detected, mut recovered, mut silent) = (0, 0, 0);
    // In half of the lives the store is open first: at once before the black box, or long before.
    let mut rng_of_lives = Rng::new(seed);
    let late = |rng: &mut Rng| [None, None, Some(Duration::from_millis(1)), Some(LATE)][rng.index(4)];
    for number in 0..42 {
        let mut rng = Rng::new(seed.wrapping_mul(1_000).wrapping_add(number));
        // A third within the suspicion, a third while the crash is told.
        let cut_ms = rng.below([2_000, 250, 45][number as usize % 3]);
        let mut life = Life::begin(1, contact - BEFORE, Remains::empty(), rng, None);
        let consent = OwnerInput::Consent { consent: Purpose::Assistance, given: true };
        life.input(contact - BEFORE, Input::Owner(consent));
        play(&mut life, &emissions, contact + Duration::from_millis(cut_ms));
        let (mut remains, mut rng) = life.cut();
        let left = read(&remains.file, |_| true);
        let stage = left.recordings.first().and_then(|recording| recording.slot.stage);
        // The power goes again while the daemon recovers, now and then.
        for number in 2..2 + rng.below(3) as u32 {
            let mut life = Life::begin(number, MonoTime::from_millis(500), remains, rng, late(&mut rng_of_lives));
            let span = Duration::from_millis(life.rng.below(300));
            life.pass(MonoTime::from_millis(500), span);
            (remains, rng) = life.cut();
        }
        let mut life = Life::begin(9, MonoTime::from_millis(500), remains, rng, late(&mut rng_of_lives));
        life.pass(MonoTime::from_millis(500), AFTERLIFE);
        let told = life.remains.reports();
        let ids: BTreeSet<&str> = told.iter().map(|heard| heard.id.as_str()).collect();
        let crashes: BTreeSet<&str> = told.iter().map(|heard| heard.crash.as_str()).collect();
        let case = format!("seed {seed}, cut {number} after {cut_ms} ms, left {stage:?}: {told:?}");
        assert!(ids.len() <= 1 && crashes.len() <= 1, "more than one report: {case}");
        if cut_ms >= 150 || stage.is_some_and(|stage| stage >= Stage::Confirmed) {
            assert_eq!(ids.len(), 1, "no report: {case}");
        }
        let is_confirmed = told.iter().any(|heard| heard.data["confirmed"] != false);
        assert_eq!(life.remains.offers().len(), usize::from(is_confirmed), "{:?} of {case}", life.remains.offers());
        let recoveries = told.iter().filter(|heard| heard.topic == "event/crash.recovered");
        let words: BTreeSet<_> = recoveries.map(|heard| heard.data.to_string()).collect();
        assert!(words.len() <= 1, "another cut changed what is told: {case}");
        let is_told_of = |topic| told.iter().any(|heard| heard.topic == topic);
        detected += u32::from(is_told_of("event/crash.detected"));
        recovered += u32::from(is_told_of("event/crash.recovered"));
        silent += u32::from(told.is_empty());
        let rest = read(&life.remains.file, |_| true);
        assert!(rest.recordings.iter().all(|recording| !recording.slot.is_unreported()), "not marked: {case}");
    }
    println!("detected {detected}, recovered {recovered}, neither {silent}");
    assert!(detected > 12 && recovered > 0, "the cuts do not reach every case");
}

/// A car whose airbags have fired goes on to say so at each start, until they are replaced: at once, or when its control
/// unit wakes.
#[test]
fn airbags_that_stay_fired_are_no_second_crash() {
    let (emissions, contact) = drive();
    let rest = contact + Duration::from_secs(3);
    let at_rest: Vec<_> = emissions.iter().filter(|emission| emission.at >= rest).collect();
    let seed = std::env::var("TELLTALE_SEED").ok().and_then(|seed| seed.parse().ok()).unwrap_or(1_u64);
    let mut told = 0;
    for number in 0..24 {
        let mut rng = Rng::new(seed.wrapping_mul(1_000).wrapping_add(number));
        let cut_ms = rng.below(if number % 2 == 0 { 90 } else { 700 });
        let mut life = Life::begin(1, contact - BEFORE, Remains::empty(), rng, None);
        play(&mut life, &emissions, contact + Duration::from_millis(cut_ms));
        let (mut remains, mut rng) = life.cut();
        for run in 2..5 {
            let now = MonoTime::from_millis(500);
            let wakes = now + Duration::from_millis([1, 40, 7_000][rng.index(3)]);
            let mut life = Life::begin(run, now, remains, rng, None);
            life.pass(now, wakes.since(now));
            let again = |emission: &&Emission| Emission { at: wakes + emission.at.since(rest), ..(*emission).clone() };
            let again: Vec<_> = at_rest.iter().map(again).collect();
            let span = Duration::from_millis([150, 1_500, 6_500][life.rng.index(3)]);
            play(&mut life, &again, wakes + span);
            (remains, rng) = life.cut();
        }
        let crashes: BTreeSet<&str> = remains.reports().iter().map(|heard| heard.crash.as_str()).collect();
        assert!(crashes.len() <= 1, "seed {seed}, cut {number} after {cut_ms} ms: {crashes:?}");
        told += crashes.len();
    }
    assert!(told > 12, "{told} crashes were told of: the cuts do not reach what they should");
}

/// What is left when the power goes: once for each way in which a record can be untold.
fn untold(emissions: &[Emission], contact: MonoTime, privacy: Privacy) -> BTreeMap<(Stage, bool), Vec<u8>> {
    let mut life = Life::begin(1, contact - BEFORE, Remains::empty(), Rng::new(1), None);
    life.input(contact - BEFORE, Input::Owner(OwnerInput::Privacy { privacy }));
    let mut files = BTreeMap::new();
    let mut rest = emissions;
    for after_ms in 0..200 {
        let until = contact + Duration::from_millis(after_ms);
        let (piece, later) = rest.split_at(rest.partition_point(|emission| emission.at < until));
        play(&mut life, piece, until);
        rest = later;
        let left = read(&life.remains.file, Slot::is_unreported);
        if let Some((recording, stage)) = left.recordings.first().and_then(|left| Some((left, left.slot.stage?))) {
            files.entry((stage, recording.report.is_some())).or_insert_with(|| life.remains.file.clone());
        }
    }
    files
}

/// The same remains, once with the black box open first and twice with the store: the same is told, under the same id.
#[test]
fn whether_the_store_or_the_black_box_opens_first_the_same_is_told_once() {
    let (emissions, contact) = drive();
    let mut kinds = BTreeSet::new();
    for (state, file) in untold(&emissions, contact, Privacy::Off) {
        let told = [None, Some(Duration::from_millis(1)), Some(LATE)].map(|late| {
            let remains = Remains { file: file.clone(), ..Remains::empty() };
            let mut life = Life::begin(2, MonoTime::from_millis(500), remains, Rng::new(1), late);
            life.pass(MonoTime::from_millis(500), AFTERLIFE);
            let rest = read(&life.remains.file, Slot::is_unreported);
            assert!(rest.recordings.is_empty(), "{state:?}, {late:?}: not marked");
            assert!(
                life.remains.store.keys().all(|key| key.lane != Lane::Critical),
                "{state:?}, {late:?}: not removed"
            );
            let told = life.remains.reports();
            let [one] = told.as_slice() else { panic!("{state:?}, {late:?}: {told:?}") };
            (one.topic.clone(), one.id.clone(), one.crash.clone(), one.data.clone())
        });
        assert!(told[0] == told[1] && told[1] == told[2], "{state:?}: {told:?}");
        println!("{state:?}: {} {}", told[0].0, told[0].1);
        kinds.insert(told[0].0.clone());
    }
    assert_eq!(kinds, ["event/crash.detected", "event/crash.recovered"].map(str::to_owned).into());
}

/// The power comes back to a car whose privacy mode is off: it tells the place only of a crash that was not private.
#[test]
fn the_place_of_a_crash_in_privacy_mode_is_told_by_no_later_run() {
    let (emissions, contact) = drive();
    for (privacy, is_told) in [(Privacy::Off, true), (Privacy::On, false)] {
        let files = untold(&emissions, contact, privacy);
        assert!(files.contains_key(&(Stage::Suspected, false)) && files.contains_key(&(Stage::Confirmed, true)));
        for (state, file) in files {
            let remains = Remains { file, ..Remains::empty() };
            let mut life = Life::begin(2, MonoTime::from_millis(500), remains, Rng::new(1), None);
            life.pass(MonoTime::from_millis(500), AFTERLIFE);
            let [report] = life.remains.reports()[..] else { panic!("{state:?}: {:?}", life.remains.heard) };
            let has_place = report.data["location"]["fix"]["latitude"].is_number();
            assert_eq!(has_place, is_told, "{privacy:?}, {state:?}: {report:?}");
        }
    }
}

/// What is left when the power goes once a report was made.
fn made_not_told() -> Vec<u8> {
    let (emissions, contact) = drive();
    untold(&emissions, contact, Privacy::Off)
        .remove(&(Stage::Confirmed, true))
        .expect("there is a moment when it is made and not told")
}

fn is_marked(life: &Life) -> bool {
    read(&life.remains.file, Slot::is_unreported).recordings.is_empty()
}

/// What is heard when a store should open.
type Opens = fn() -> Option<StoreEvent>;

/// Where no store opens, or it does nothing, the report of an earlier run goes from memory, and the black box keeps it
/// until the broker has it: the power may go again at any moment before.
#[test]
fn without_a_store_a_report_of_an_earlier_run_is_told_from_memory_and_kept_until_it_is_delivered() {
    let file = made_not_told();
    let now = MonoTime::from_millis(500);
    let opened = || Some(StoreEvent::Opened(StoreInventory::default()));
    let unavailable = || Some(StoreEvent::Unavailable("no file system".to_owned()));
    let never = || None;
    let stores: [(Opens, Disk, u64); 4] = [
        (unavailable, Disk::Works, 0),
        (opened, Disk::Refuses, 0),
        (opened, Disk::Silent, 2_000),
        (never, Disk::Works, 500),
    ];
    for (store, disk, patience_ms) in stores {
        let awake = |number: u32, remains: Remains| {
            // A run without a store does not count as a start.
            let boot = BootId { counter: if disk == Disk::Works { 2 } else { number }, random: number };
            let mut life = Life::begin_with(store(), boot, now, remains, Rng::new(1), Some(LATE));
            life.disk = disk;
            life
        };
        let case = format!("{:?}, {disk:?}", store());
        let mut remains = Remains { file: file.clone(), ..Remains::empty() };
        let mut cuts_before_delivery = 0;
        for number in 2..60 {
            let mut life = awake(number, remains);
            life.pass(now, LATE + Duration::from_millis(patience_ms + u64::from(number) * 2));
            if life.remains.reports().is_empty() {
                cuts_before_delivery += 1;
                assert!(!is_marked(&life), "{case}, life {number}: marked, and told to nobody");
            }
            life.sending.clear();
            remains = life.cut().0;
        }
        let mut life = awake(60, remains);
        life.pass(now, AFTERLIFE);
        let knows_owner = disk != Disk::Works;
        assert!(cuts_before_delivery > 0 && is_marked(&life) == knows_owner, "{case}: {cuts_before_delivery}");
        let told = life.remains.reports();
        assert!((1..60).contains(&told.len()), "{case}");
        let told_as = told[0].id.clone();
        assert!(told.iter().all(|heard| heard.id == told_as), "{case}: {told:?}");
        assert_eq!(life.gateway.outbox().lanes[Lane::Critical as usize].in_memory, 0, "{case}");
        if !knows_owner {
            // Whether help may be offered only the store knows: the first run that opens it offers.
            assert!(life.remains.offers().is_empty(), "{case}");
            let mut remains = life.cut().0;
            remains.values.insert("owner".to_owned(), CONSENT.to_vec());
            let mut life = Life::begin(61, now, remains, Rng::new(1), None);
            life.pass(now, AFTERLIFE);
            assert_eq!((life.remains.offers().len(), is_marked(&life)), (1, true), "{case}");
            assert!(life.remains.reports().iter().all(|heard| heard.id == told_as), "{case}");
        }
    }
}

/// What the store holds of an owner who has given consent.
const CONSENT: &[u8] = br#"{"privacy":"off","assistance":true,"emergency_contact":false}"#;

/// The store takes longer to open than a report of an earlier run waits for it: that goes from memory, and the offer of
/// help when it is known whether there may be one. The power goes again anywhere in between.
#[test]
fn a_store_that_opens_late_costs_no_offer_of_help() {
    let file = made_not_told();
    let now = MonoTime::from_millis(500);
    let opens = now + Duration::from_secs(3);
    let (mut delivered, mut offered) = (0, 0);
    for cut_ms in (2_000..3_400).step_by(7) {
        let mut remains = Remains { file: file.clone(), ..Remains::empty() };
        remains.values.insert("owner".to_owned(), CONSENT.to_vec());
        let opened = StoreEvent::Opened(inventory(&remains));
        let boot = BootId { counter: 2, random: 7 };
        let mut life = Life::begin_with(None, boot, now, remains, Rng::new(cut_ms), None);
        let end = now + Duration::from_millis(cut_ms);
        life.pass(now, opens.min(end).since(now));
        if opens < end {
            life.input(opens, Input::Store(opened));
            life.pass(opens, end.since(opens));
        }
        delivered += usize::from(!life.remains.reports().is_empty());
        offered += life.remains.offers().len();
        let (remains, rng) = life.cut();
        let mut life = Life::begin(3, now, remains, rng, None);
        life.pass(now, AFTERLIFE);
        let offers = life.remains.offers().len();
        assert!(offers == 1 && is_marked(&life), "cut after {cut_ms} ms: {offers} offers");
    }
    assert!(delivered > offered && offered > 0, "{delivered}, {offered}: the cuts do not reach every case");
}

/// A run begins without a store, and the store opens later: what was saved of offers and of crashes that wait is taken
/// back, so that no offer is forgotten or made twice.
#[test]
fn a_store_that_comes_back_in_the_middle_of_a_run_costs_no_offer_of_help() {
    let file = made_not_told();
    let now = MonoTime::from_millis(500);
    let mut before = BTreeSet::new();
    for cut_ms in (0..400).step_by(6) {
        let mut remains = Remains { file: file.clone(), ..Remains::empty() };
        remains.values.insert("owner".to_owned(), CONSENT.to_vec());
        let mut life = Life::begin(2, now, remains, Rng::new(cut_ms), None);
        life.pass(now, Duration::from_millis(cut_ms));
        before.insert((life.remains.values.contains_key("service-assistance"), is_marked(&life)));
        let (remains, rng) = life.cut();
        let opened = StoreEvent::Opened(inventory(&remains));
        let unavailable = StoreEvent::Unavailable("no file system".to_owned());
        let boot = BootId { counter: 3, random: 7 };
        let mut life = Life::begin_with(Some(unavailable), boot, now, remains, rng, None);
        let opens = now + Duration::from_millis(300);
        life.pass(now, opens.since(now));
        life.input(opens, Input::Store(opened));
        life.pass(opens, AFTERLIFE);
        let offers = life.remains.offers().len();
        assert!(offers == 1 && is_marked(&life), "cut after {cut_ms} ms: {offers} offers");
    }
    assert_eq!(before.len(), 3, "{before:?}: the cuts do not reach every case");
}

/// A report whose key another record has taken is told under a new id. Until that is durable, the black box keeps it.
#[test]
fn a_report_that_gets_a_new_id_is_kept_until_its_new_record_is_durable() {
    let file = made_not_told();
    let left = read(&file, Slot::is_unreported);
    let [recording] = left.recordings.as_slice() else { panic!("{} records", left.recordings.len()) };
    let id = recording.slot.report();
    let crash = recording.slot.crash.to_string();
    let stamp = Stamp { boot: KernelBoot(1), mono: MonoTime::from_millis(5), wall: None };
    let other = Draft { lane: Lane::Critical, ..Draft::event("sos.called", stamp, "{}".to_owned()) }.into_record(id);
    let store = BTreeMap::from([(id.key(), codec::encode(&other))]);
    for seed in 1..=16 {
        let remains = Remains { file: file.clone(), store: store.clone(), ..Remains::empty() };
        let mut now = MonoTime::from_millis(500);
        let mut life = Life::begin(2, now, remains, Rng::new(seed), None);
        let told = |life: &Life| life.remains.reports().len();
        let is_stored = |life: &Life| {
            let has_crash = |bytes: &Vec<u8>| bytes.windows(crash.len()).any(|window| window == crash.as_bytes());
            life.remains.store.values().any(has_crash)
        };
        let mut steps_untold = 0;
        while now < MonoTime::from_millis(500) + AFTERLIFE {
            now = now + STEP;
            life.turn(now);
            if told(&life) == 0 && !is_stored(&life) {
                steps_untold += 1;
                assert!(!is_marked(&life), "seed {seed}: marked at {now:?}, and neither stored nor told");
            }
        }
        assert!(steps_untold > 0 && is_marked(&life), "seed {seed}: {steps_untold}");
        let [report] = life.remains.reports()[..] else { panic!("seed {seed}: {:?}", life.remains.heard) };
        assert_ne!(report.id, id.to_string());
        assert!(life.remains.heard.iter().any(|heard| heard.topic == "event/sos.called" && heard.id == id.to_string()));
    }
}

/// A run that could not reach its store leaves a report; the next has the same counter, and a crash of its own.
#[test]
fn what_a_run_without_a_store_left_takes_no_place_of_this_runs_own_records() {
    let (emissions, contact) = drive();
    let file = untold(&emissions, contact, Privacy::Off).remove(&(Stage::Confirmed, true)).expect("there is a moment");
    for seed in 1..=8 {
        let remains = Remains { file: file.clone(), ..Remains::empty() };
        let boot = BootId { counter: 1, random: 8 };
        let opened = Some(StoreEvent::Opened(StoreInventory::default()));
        let mut life = Life::begin_with(opened, boot, contact - BEFORE, remains, Rng::new(seed), None);
        // Without coverage both wait.
        life.sending.clear();
        let down = LinkEvent::Down(LinkDown::Transport("no coverage".to_owned()));
        life.input(contact - BEFORE, Input::Link(down));
        let met = contact + Duration::from_secs(10);
        play(&mut life, &emissions, met);
        assert!(life.remains.store.keys().any(|key| key.lane == Lane::Critical) && !is_marked(&life), "seed {seed}");
        life.input(met, Input::Link(LinkEvent::Up { session_present: false }));
        life.pass(met, AFTERLIFE);
        let told = life.remains.reports();
        let ids: BTreeSet<&str> = told.iter().map(|heard| heard.id.as_str()).collect();
        let crashes: BTreeSet<&str> = told.iter().map(|heard| heard.crash.as_str()).collect();
        assert_eq!((told.len(), ids.len(), crashes.len()), (2, 2, 2), "seed {seed}: {told:?}");
        assert!(is_marked(&life), "seed {seed}");
        assert!(life.remains.store.keys().all(|key| key.lane != Lane::Critical), "seed {seed}: not removed");
    }
}
