//! The record is on disk before anything is published; a disk that does not answer delays that and no more.

use std::time::Duration;

use telltale::crash::black_box::{BEFORE_NETWORK_MAX, BlackBoxEvent, BlackBoxRequest, Slot};
use telltale::delivery::codec;
use telltale::gateway::{Effect, Gateway, Input, LinkDown, LinkEvent, StoreEvent, StoreInventory, StoreRequest};
use telltale::sim::{Emission, What};
use telltale::time::MonoTime;

use crate::demo_phev;
use crate::disk::{made, put, read};
use crate::life::whole_drive;
use crate::setup::setup;

/// A gateway in virtual time, and when it asked for what.
struct World {
    gateway: Gateway,
    now: MonoTime,
    /// So long the disk of the black box takes; none when it never answers.
    latency: Option<Duration>,
    answers: Option<(MonoTime, BlackBoxRequest)>,
    file: Vec<u8>,
    is_online: bool,
    /// The store carries out what it is asked for.
    has_store: bool,
    first_asked: Option<MonoTime>,
    first_answered: Option<MonoTime>,
    /// The first append with the report of a crash.
    appended: Option<MonoTime>,
    published: Vec<(MonoTime, String)>,
}

fn is_crash_report(bytes: &[u8]) -> bool {
    codec::decode(bytes).is_ok_and(|record| record.topic == "event/crash.detected")
}

impl World {
    fn new(latency: Option<Duration>, is_online: bool, has_store: bool) -> Self {
        let mut world = Self::opening(latency, is_online, has_store);
        world.open();
        world
    }

    /// Its black box is not open yet.
    fn opening(latency: Option<Duration>, is_online: bool, has_store: bool) -> Self {
        let setup = setup("car-0001", demo_phev::config("").profile);
        let mut world = Self {
            gateway: Gateway::new(MonoTime::ZERO, setup).expect("the profile makes a table"),
            now: MonoTime::ZERO,
            latency,
            answers: None,
            file: made(),
            is_online,
            has_store,
            first_asked: None,
            first_answered: None,
            appended: None,
            published: Vec::new(),
        };
        world.input(Input::Store(StoreEvent::Opened(StoreInventory::default())));
        world
    }

    fn open(&mut self) {
        let blank = read(&self.file, Slot::is_unreported);
        self.input(Input::BlackBox(BlackBoxEvent::Opened(Box::new(blank))));
    }

    fn input(&mut self, input: Input<'_>) {
        self.gateway.handle(self.now, input);
        while let Some(effect) = self.gateway.poll_effect() {
            if let Some(answer) = self.carry_out(effect) {
                self.gateway.handle(self.now, answer);
            }
        }
    }

    fn carry_out(&mut self, effect: Effect) -> Option<Input<'static>> {
        match effect {
            Effect::BlackBox(request) => {
                self.first_asked.get_or_insert(self.now);
                self.answers = self.latency.map(|latency| (self.now + latency, request));
                None
            }
            Effect::Store(ticket, request) => {
                if let StoreRequest::Commit { records, .. } = &request
                    && records.iter().any(|(_, bytes)| is_crash_report(bytes))
                {
                    self.appended.get_or_insert(self.now);
                }
                let is_load = matches!(request, StoreRequest::Load { .. });
                let answer = if is_load { StoreEvent::Loaded(ticket, Vec::new()) } else { StoreEvent::Done(ticket) };
                self.has_store.then_some(Input::Store(answer))
            }
            Effect::Connect if self.is_online => Some(Input::Link(LinkEvent::Up { session_present: false })),
            Effect::Connect => Some(Input::Link(LinkEvent::Down(LinkDown::Transport("no coverage".to_owned())))),
            Effect::Publish(publication) => {
                let topic = publication.topic.splitn(4, '/').nth(3).unwrap_or_default().to_owned();
                self.published.push((self.now, topic));
                Some(Input::Link(LinkEvent::Acked(publication.token)))
            }
            Effect::Disconnect { .. } | Effect::Stopped => None,
        }
    }

    /// Nothing comes but the disk's answers and what the gateway itself waits for.
    fn pass(&mut self, until: MonoTime) {
        loop {
            let answer = self.answers.as_ref().map(|(due, _)| *due);
            let due = self.gateway.poll_timeout().into_iter().chain(answer).min();
            let Some(due) = due.filter(|due| *due <= until) else { break };
            self.now = due.max(self.now);
            if let Some((_, request)) = self.answers.take_if(|(due, _)| *due <= self.now) {
                self.first_answered.get_or_insert(self.now);
                for write in &request.writes {
                    put(&mut self.file, write.offset, &write.bytes);
                }
                self.input(Input::BlackBox(BlackBoxEvent::Written(request.ticket)));
            } else {
                self.input(Input::Timeout);
            }
        }
        self.now = until;
    }

    /// Plays a drive, so much later than it was, while `wants` holds.
    fn play(&mut self, emissions: &[Emission], later: Duration, wants: impl Fn(&Self) -> bool) {
        for emission in emissions {
            if !wants(self) {
                return;
            }
            self.pass(emission.at + later);
            match &emission.what {
                What::Frame(bus, frame) => self.input(Input::Frame(*bus, frame)),
                What::Nmea(bytes) => self.input(Input::Gnss(bytes)),
                What::Coverage(_) | What::Note(_) => {}
            }
        }
    }

    fn published_between(&self, from: MonoTime, to: MonoTime) -> Vec<&(MonoTime, String)> {
        self.published.iter().filter(|(at, _)| from <= *at && *at < to).collect()
    }

    fn detected(&self) -> Option<MonoTime> {
        self.published.iter().find(|(_, topic)| topic == "event/crash.detected").map(|(at, _)| *at)
    }
}

fn is_unconfirmed(world: &World) -> bool {
    world.gateway.verdict().is_none()
}

#[test]
fn nothing_is_published_from_the_suspicion_until_the_disk_has_answered() {
    let emissions = whole_drive();
    for latency_ms in [1, 8, 70] {
        let mut world = World::new(Some(Duration::from_millis(latency_ms)), true, true);
        world.play(&emissions, Duration::ZERO, is_unconfirmed);
        let confirmed = world.now;
        world.pass(confirmed + Duration::from_secs(1));
        let asked = world.first_asked.expect("a suspicion is written");
        let answered = world.first_answered.expect("the disk works");
        assert_eq!(answered, asked + Duration::from_millis(latency_ms));
        assert_eq!(world.published_between(asked, answered), Vec::<&(MonoTime, String)>::new());
        assert_eq!(world.detected(), Some(confirmed.max(answered)), "{latency_ms} ms: not later than it must");
        assert_eq!(world.appended, Some(confirmed), "the store is asked at once");
        assert_eq!(world.gateway.black_box_stat().overtaken, 0);
        assert_eq!(read(&world.file, |_| true).recordings.len(), 1);
    }
}

#[test]
fn a_disk_that_never_answers_delays_the_report_by_the_limit_and_is_counted() {
    let mut world = World::new(None, true, true);
    world.play(&whole_drive(), Duration::ZERO, is_unconfirmed);
    let confirmed = world.now;
    let asked = world.first_asked.expect("a suspicion is written");
    let limit = asked + BEFORE_NETWORK_MAX;
    assert!(confirmed < limit, "a crash that is confirmed too late shows nothing here");
    world.pass(confirmed + Duration::from_secs(1));
    assert_eq!(world.published_between(asked, limit), Vec::<&(MonoTime, String)>::new());
    assert_eq!(world.detected(), Some(limit));
    assert_eq!(world.appended, Some(confirmed), "the store is asked at once");
    assert_eq!(world.gateway.black_box_stat().overtaken, 1);
}

/// The daemon is told to end while messages wait for the disk, or for the file to be opened: they go before it does.
#[test]
fn a_shutdown_waits_for_what_is_held() {
    for is_open in [true, false] {
        let mut world = World::opening(None, true, true);
        if is_open {
            world.open();
        }
        world.play(&whole_drive(), Duration::ZERO, is_unconfirmed);
        let before = world.published.len();
        world.input(Input::Shutdown);
        assert_eq!(world.published.len(), before);
        world.pass(world.now + Duration::from_secs(10));
        let said: Vec<&str> = world.published[before..].iter().map(|(_, topic)| topic.as_str()).collect();
        assert!(world.detected().is_some() && said.contains(&"presence"), "{said:?}");
    }
}

/// The same crash again and again, without coverage and with a store that does nothing: no report becomes durable.
#[test]
fn reports_that_nobody_waits_for_any_more_are_counted() {
    const CRASHES: u32 = 11;
    let emissions = whole_drive();
    let mut first = World::new(Some(Duration::from_millis(1)), false, false);
    first.play(&emissions, Duration::ZERO, is_unconfirmed);
    let around = first.now;
    let near = |emission: &&Emission| {
        around - Duration::from_secs(8) < emission.at && emission.at < around + Duration::from_secs(8)
    };
    let piece: Vec<Emission> = emissions.iter().filter(near).cloned().collect();
    let mut world = World::new(Some(Duration::from_millis(1)), false, false);
    for again in 0..CRASHES {
        world.play(&piece, Duration::from_secs(17) * again, |_| true);
    }
    let events = world.gateway.verdict().expect("it crashed").event;
    assert!(events >= 9, "{events} crashes");
    assert_eq!(world.gateway.black_box_stat().unmarked, u64::from(events) - 8);
}
