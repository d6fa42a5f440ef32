//! One car's life: a world made from a seed, the gateway in it, and the promises that are checked at every step.

use std::collections::hash_map::DefaultHasher;
use std::hash::{Hash, Hasher};
use std::time::Duration;

use serde_json::Value as Json;
use telltale::can::BusId;
use telltale::delivery::{BootId, Lane, RecordId, StoreKey};
use telltale::gateway::{BusEvent, Effect, Gateway, Input, LinkEvent, PortEvent, Setup, StoreRequest};
use telltale::rng::Rng;
use telltale::signals::Quality;
use telltale::time::{KernelBoot, MonoTime, TimeSource, WallReading, WallTime};

use crate::broker::Broker;
use crate::car::{self, Car};
use crate::disk::Disk;
use crate::setup::setup;
use crate::tiny_profile;

/// How many things happen to a car with faults, then without; some thirty in a second.
const HOSTILE: u32 = 4_000;
const CALM: u32 = 4_000;

/// Effects that one input can cause at most: a window of publications, some store requests, a connect.
const MAX_EFFECTS: usize = 128;

/// Five periods of the motion frame, the step of the time-outs, and a millisecond for rounding.
const STALE_BY: Duration = Duration::from_millis(551);

/// 2026-11-21T00:00:00Z in seconds.
const MIDNIGHT_S: i64 = 1_795_219_200;

/// What a life was like.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub(crate) struct Summary {
    pub trace: u64,
    pub events: u64,
    pub lamp_events: u64,
    pub other_events: u64,
    pub power_cuts: u64,
    pub kills: u64,
    pub link_losses: u64,
    pub repeats: u64,
    pub failed_appends: u64,
    pub store_outages: u64,
    /// Records that the store could not give back in the run in which they were wanted.
    pub set_aside: u64,
    pub clock_jumps: u64,
    pub bad_frames: u64,
}

impl Summary {
    pub(crate) fn add(&mut self, other: &Self) {
        self.events += other.events;
        self.lamp_events += other.lamp_events;
        self.other_events += other.other_events;
        self.power_cuts += other.power_cuts;
        self.kills += other.kills;
        self.link_losses += other.link_losses;
        self.repeats += other.repeats;
        self.failed_appends += other.failed_appends;
        self.store_outages += other.store_outages;
        self.set_aside += other.set_aside;
        self.clock_jumps += other.clock_jumps;
        self.bad_frames += other.bad_frames;
    }
}

pub(crate) struct World {
    rng: Rng,
    now: MonoTime,
    kernel: u64,
    boots: u32,
    gateway: Gateway,
    disk: Disk,
    broker: Broker,
    car: Car,
    /// When the store answers that it is open.
    opens_at: Option<MonoTime>,
    /// It says first that it cannot be opened.
    is_refusing: bool,
    /// When a motion frame was last received rightly in this run.
    moved_at: Option<MonoTime>,
    /// Offset of the machine's clock from the truth in seconds, when it has any idea.
    clock_offset_s: Option<i64>,
    /// The wall time at monotonic zero of this kernel boot, in seconds.
    boot_wall_s: i64,
    is_hostile: bool,
    hasher: DefaultHasher,
    summary: Summary,
}

impl World {
    pub(crate) fn new(seed: u64) -> Self {
        let mut rng = Rng::new(seed);
        let now = MonoTime::from_millis(10_000 + rng.below(1_000_000));
        let mut world = Self {
            gateway: gateway(now, 1, 1, seed),
            rng,
            now,
            kernel: 1,
            boots: 1,
            disk: Disk::default(),
            broker: Broker::default(),
            car: Car::new(),
            opens_at: None,
            is_refusing: false,
            moved_at: None,
            clock_offset_s: None,
            boot_wall_s: MIDNIGHT_S,
            is_hostile: true,
            hasher: DefaultHasher::new(),
            summary: Summary::default(),
        };
        world.started();
        world
    }

    /// Lives to the end; panics when a promise is broken.
    pub(crate) fn live(mut self) -> Summary {
        self.live_through(HOSTILE);
        self.make_peace();
        self.live_through(CALM);
        self.judge();
        self.summary.trace = self.hasher.finish();
        self.summary.link_losses = self.broker.losses;
        self.summary.repeats = self.broker.repeats;
        self.summary.failed_appends = self.disk.failed_appends;
        self.summary.bad_frames = self.car.bad_frames;
        self.summary
    }

    fn live_through(&mut self, stimuli: u32) {
        let mut next_stimulus = self.now;
        let mut left = stimuli;
        while left > 0 {
            let due = [
                Some(next_stimulus),
                self.gateway.poll_timeout(),
                self.disk.next(),
                self.broker.next(self.now),
                self.opens_at,
            ];
            let next = due.into_iter().flatten().min().expect("a stimulus is always due");
            self.now = self.now.max(next);
            if self.opens_at.is_some_and(|at| at <= self.now) {
                self.open_store();
            } else if let Some(event) = self.disk.work(self.now) {
                self.input(Input::Store(event));
            } else if let Some(event) = self.broker.work(self.now, &mut self.rng) {
                self.input(Input::Link(event));
            } else if self.gateway.poll_timeout().is_some_and(|due| due <= self.now) {
                self.input(Input::Timeout);
            } else if next_stimulus <= self.now {
                self.stimulus();
                left -= 1;
                next_stimulus = self.now + Duration::from_millis(10 + self.rng.below(40));
            }
        }
    }

    /// The next thing that happens to the car.
    fn stimulus(&mut self) {
        match self.rng.below(100) {
            0..35 => {
                let wrong = self.car.bad_frames;
                let frame = self.car.motion(&mut self.rng);
                if self.car.bad_frames == wrong {
                    self.moved_at = Some(self.now);
                }
                self.input(Input::Frame(BusId(0), &frame));
            }
            35..65 => {
                let frame = self.car.lamps();
                self.input(Input::Frame(BusId(1), &frame));
            }
            65..75 => {
                let frame = self.car.power();
                self.input(Input::Frame(BusId(1), &frame));
            }
            75..80 => {
                let second = self.now.as_millis() / 1_000 + 30_000;
                let sentence = car::sentence(&mut self.rng, second);
                self.input(Input::Gnss(&sentence));
            }
            80..85 => self.tell_time(),
            _ if self.is_hostile => self.fault(),
            _ => {}
        }
    }

    fn fault(&mut self) {
        match self.rng.below(100) {
            0..30 => {
                let (bus, frame) = car::noise(&mut self.rng);
                self.input(Input::Frame(bus, &frame));
            }
            30..36 => self.car.mil ^= true,
            36..42 => self.car.tpms ^= true,
            42..44 => self.car.ignition = [0, 1, 2, 2, 3][self.rng.index(5)],
            44..54 => {
                let event = match self.rng.below(4) {
                    0 => BusEvent::Down,
                    1 => BusEvent::Missing,
                    2 => BusEvent::Dropped(7),
                    _ => BusEvent::Up,
                };
                let bus = BusId(u8::try_from(self.rng.below(3)).expect("small"));
                self.input(Input::Bus(bus, event));
            }
            54..58 => self.input(Input::GnssPort(PortEvent::Down("unplugged".to_owned()))),
            58..61 => self.input(Input::GnssPort(PortEvent::Up)),
            61..64 => {
                self.clock_offset_s = Some(i64::try_from(self.rng.below(200_000)).expect("small") - 100_000);
                self.summary.clock_jumps += 1;
                self.tell_time();
            }
            64..70 => self.broker.outage_until = self.now + Duration::from_millis(self.rng.below(40_000)),
            70..72 => {
                self.disk.failing_until = self.now + Duration::from_millis(self.rng.below(20_000));
            }
            72..73 => self.input(Input::NetworkChanged),
            73..74 => self.restart(false),
            74..75 => self.restart(true),
            75..76 if self.opens_at.is_none() => {
                self.is_refusing = true;
                self.open_store();
            }
            _ => {}
        }
    }

    /// The store opens, or, while it refuses, says that it cannot: at the start, or in the middle of a run.
    fn open_store(&mut self) {
        if !std::mem::take(&mut self.is_refusing) {
            self.opens_at = None;
            let event = self.disk.open();
            self.input(Input::Store(event));
            return;
        }
        self.summary.store_outages += 1;
        self.opens_at = Some(self.now + Duration::from_millis(500 + self.rng.below(20_000)));
        for event in self.disk.break_down() {
            self.input(Input::Store(event));
        }
    }

    fn tell_time(&mut self) {
        let Some(offset_s) = self.clock_offset_s else { return };
        let truth_us = self.boot_wall_s * 1_000_000 + i64::try_from(self.now.as_nanos() / 1_000).expect("small");
        let wall = WallTime::from_unix_micros(truth_us + offset_s * 1_000_000);
        let is_ntp = self.rng.below(2) == 0;
        let source = if is_ntp { TimeSource::Ntp } else { TimeSource::Rtc };
        let uncertainty = Duration::from_millis(if is_ntp { 100 } else { 600_000 });
        self.input(Input::Clock(WallReading { wall, source, uncertainty }));
    }

    /// The process, or with it the whole machine, goes and comes back.
    fn restart(&mut self, is_power_cut: bool) {
        if is_power_cut {
            self.disk.cut_power(&mut self.rng);
            self.summary.power_cuts += 1;
            self.kernel += 1;
            self.boot_wall_s += i64::try_from(self.now.as_millis() / 1_000).expect("small");
            self.now = MonoTime::from_millis(5_000);
            self.clock_offset_s = None;
        } else {
            self.disk.kill(&mut self.rng);
            self.summary.kills += 1;
        }
        self.summary.set_aside += self.set_aside();
        self.moved_at = None;
        self.broker.forget();
        self.broker.outage_until = MonoTime::ZERO;
        self.disk.failing_until = MonoTime::ZERO;
        self.boots += 1;
        let seed = self.rng.next_u64();
        self.gateway = gateway(self.now, self.kernel, self.boots, seed);
        self.started();
    }

    fn started(&mut self) {
        self.opens_at = Some(self.now + Duration::from_millis(20 + self.rng.below(1_500)));
        self.is_refusing = self.is_hostile && self.rng.below(5) == 0;
        for bus in [BusId(0), BusId(1)] {
            self.input(Input::Bus(bus, BusEvent::Up));
        }
        self.input(Input::GnssPort(PortEvent::Up));
    }

    /// Nothing fails any more, so that everything can arrive.
    fn make_peace(&mut self) {
        self.is_hostile = false;
        self.broker.is_honest = true;
        self.broker.outage_until = MonoTime::ZERO;
        self.disk.failing_until = MonoTime::ZERO;
        self.car.ignition = 2;
        self.clock_offset_s = Some(0);
        self.is_refusing = false;
        if self.set_aside() > 0 {
            // It comes with the next start, so there must be one.
            self.restart(false);
            self.clock_offset_s = Some(0);
        }
    }

    /// What this run could not read back from the store.
    fn set_aside(&self) -> u64 {
        self.gateway.outbox().lanes.iter().map(|lane| lane.set_aside).sum()
    }

    fn input(&mut self, input: Input<'_>) {
        let before = self.now;
        self.gateway.handle(self.now, input);
        let mut effects = 0;
        while let Some(effect) = self.gateway.poll_effect() {
            effects += 1;
            assert!(effects <= MAX_EFFECTS, "one input caused more than {MAX_EFFECTS} effects");
            if let Some(answer) = self.carry_out(effect) {
                self.gateway.handle(self.now, Input::Link(answer));
            }
        }
        let due = self.gateway.poll_timeout();
        assert!(due.is_none_or(|due| due > before), "the timer is armed for the past");
        self.check_speed();
    }

    fn carry_out(&mut self, effect: Effect) -> Option<LinkEvent> {
        self.note(&effect);
        match effect {
            Effect::Store(ticket, request) => {
                if let StoreRequest::Remove(keys) = &request {
                    self.check_acked(keys);
                }
                self.disk.submit(self.now, &mut self.rng, ticket, request);
                None
            }
            Effect::Connect => {
                self.broker.connect(self.now, &mut self.rng);
                None
            }
            Effect::Disconnect { .. } => Some(self.broker.disconnect()),
            Effect::Publish(publication) => {
                self.check_committed(&publication.payload);
                self.broker.publish(self.now, &mut self.rng, publication)
            }
            Effect::BlackBox(_) => panic!("there is no black box"),
            Effect::Stopped => panic!("stopped, though nobody asked"),
        }
    }

    /// Adds to the trace by which two lives are compared.
    fn note(&mut self, effect: &Effect) {
        self.now.hash(&mut self.hasher);
        match effect {
            Effect::Publish(publication) => (&publication.topic, &publication.payload).hash(&mut self.hasher),
            Effect::Store(ticket, StoreRequest::Commit { records, values }) => {
                (ticket, records, values).hash(&mut self.hasher);
            }
            Effect::Store(ticket, request) => (ticket, std::mem::discriminant(request)).hash(&mut self.hasher),
            other => std::mem::discriminant(other).hash(&mut self.hasher),
        }
    }

    /// Durable, then visible.
    fn check_committed(&mut self, payload: &[u8]) {
        let event: Json = serde_json::from_slice(payload).expect("a payload is JSON");
        let id = record_id(event["id"].as_str().expect("an id"));
        if !matches!(id.lane, Lane::Critical | Lane::Event) {
            return;
        }
        self.summary.events += 1;
        let is_lamp = event["type"].as_str().is_some_and(|kind| kind.starts_with("dev.telltale.telltale."));
        *(if is_lamp { &mut self.summary.lamp_events } else { &mut self.summary.other_events }) += 1;
        let is_durable = self.disk.ever.contains(&id.key());
        assert!(
            is_durable || self.disk.is_down(self.now),
            "{} was published before it was committed, though the store works",
            event["id"]
        );
    }

    /// Acknowledged, then removed.
    fn check_acked(&self, keys: &[StoreKey]) {
        for key in keys {
            let counter = u32::try_from(key.position >> 32).expect("32 bits");
            let seq = u32::try_from(key.position & 0xFFFF_FFFF).expect("masked");
            let id = RecordId { boot: boot_id(counter), lane: key.lane, seq }.to_string();
            assert!(self.broker.acked.contains(&id), "{id} is removed without its PUBACK");
        }
    }

    /// A frame that fails its checks never changes a value; what is old, or from an earlier run, is not called good.
    fn check_speed(&self) {
        let signals = self.gateway.signals();
        let reading = signals.get(signals.id("Vehicle.Speed").expect("mapped"));
        if reading.quality == Quality::Good {
            let told = reading.good_f64().expect("a number");
            let moved_at = self.moved_at.expect("good, though no frame came in this run");
            assert!(self.now.since(moved_at) <= STALE_BY, "good, {:?} after the last frame", self.now.since(moved_at));
            let sent = f64::from(self.car.speed) / 100.0;
            assert!((told - sent).abs() < 1e-6, "the speed is {told}, last sent rightly was {sent}");
        }
    }

    /// After the calm: everything that was ever committed has arrived, in order, and the state is true.
    fn judge(&self) {
        for ((boot, lane), sequences) in &self.broker.sequences {
            // States are made anew for each session and may overtake what was cut; telemetry may be lost with RAM.
            // What a store gave back only to a later run comes late.
            if (lane == "critical" || lane == "event") && self.summary.set_aside == 0 {
                let is_ordered = sequences.windows(2).all(|pair| pair[0] < pair[1]);
                assert!(is_ordered, "out of order in {lane} of {boot}: {sequences:?}");
            }
        }
        let last_boot = (boot_id(self.boots).to_string(), Lane::Event.name().to_owned());
        let numbers = self.broker.sequences.get(&last_boot).map(Vec::as_slice).unwrap_or_default();
        let is_gap_free = numbers.iter().zip(1..).all(|(number, expected)| *number == expected);
        assert!(is_gap_free, "events of the last boot are missing: {numbers:?}");
        for lane in [Lane::Critical, Lane::Event] {
            assert_eq!(self.disk.count(lane), 0, "{} records are still stored", lane.name());
        }
        for key in self.disk.ever.iter().filter(|key| matches!(key.lane, Lane::Critical | Lane::Event)) {
            let (counter, sequence) = (key.position >> 32, key.position & 0xFFFF_FFFF);
            let boot = format!("{counter:08x}");
            let has_arrived = self.broker.sequences.iter().any(|((id, lane), sequences)| {
                id.starts_with(&boot) && lane == key.lane.name() && sequences.contains(&sequence)
            });
            assert!(has_arrived, "committed, but never received: boot {counter} {} {sequence}", key.lane.name());
        }
        let retained = |topic: &str| self.broker.retained.get(&format!("telltale/v1/sim/{topic}"));
        assert_eq!(retained("presence").expect("presence")["data"]["online"], true);
        let lit = &retained("state/telltales").expect("a state")["data"]["signals"];
        for (lamp, is_lit) in [("EngineMalfunction", self.car.mil), ("TirePressure", self.car.tpms)] {
            let shown = &lit[format!("Vehicle.Telltale.{lamp}")]["value"];
            assert_eq!(shown, if is_lit { "ON" } else { "OFF" }, "{lamp} in {lit}");
        }
    }
}

fn gateway(now: MonoTime, kernel: u64, boot: u32, seed: u64) -> Gateway {
    let setup = Setup {
        boot: boot_id(boot),
        kernel: KernelBoot(kernel),
        seed,
        keep_alive: Duration::from_secs(10),
        ..setup("sim", tiny_profile::profile())
    };
    Gateway::new(now, setup).expect("a good profile")
}

const fn boot_id(counter: u32) -> BootId {
    BootId { counter, random: 0x7e11 }
}

fn record_id(text: &str) -> RecordId {
    let mut parts = text.splitn(3, '-');
    let boot = parts.next().expect("boot");
    let hex = |range| u32::from_str_radix(&boot[range], 16).expect("hex");
    let lane = parts.next().expect("lane");
    RecordId {
        boot: BootId { counter: hex(0..8), random: hex(8..16) },
        lane: Lane::ALL.into_iter().find(|known| known.name() == lane).expect("a lane"),
        seq: parts.next().and_then(|text| text.parse().ok()).expect("a number"),
    }
}
