//! A small car with a receiver, a store and a broker. Each second it is somewhere else, so that each place that comes out
//! tells of its second.

use std::collections::BTreeMap;
use std::ops::Range;
use std::time::Duration;

use telltale::can::{BusId, CanId, Frame, FrameKind};
use telltale::crash::black_box::{BlackBoxEvent, Contents};
use telltale::delivery::{BootId, Lane, Privacy, StoreKey};
use telltale::gateway::{
    BusEvent, Effect, Gateway, Input, LaneInventory, LinkDown, LinkEvent, PortEvent, Setup, StoreEvent, StoreInventory,
    StoreRequest,
};
use telltale::services::OwnerInput;
use telltale::time::{KernelBoot, MonoTime};

use super::small_profile;
use crate::setup::setup;

const DBC: &str = r#"VERSION ""
BU_: X
BO_ 256 Car: 8 X
 SG_ Supply : 0|2@1+ (1,0) [0|0] "" X
"#;

const SUPPLY: &str = r#"
[[message]]
name = "pt.Car"
period_ms = 100
[[signal]]
path = "Vehicle.LowVoltageSystemState"
from = "pt.Car.Supply"
map = { 0 = "OFF", 1 = "ACC", 2 = "ON" }
state = "vehicle"
telemetry_ms = 1000
"#;

const PLACE: &str = r#"
[[signal]]
path = "Vehicle.CurrentLocation.Latitude"
from = "gnss"
state = "location"
telemetry_ms = 1000
[[signal]]
path = "Vehicle.CurrentLocation.Longitude"
from = "gnss"
state = "location"
on_change = true
"#;

const STEP: Duration = Duration::from_millis(100);

/// The ignition goes on and off so often: each time is an event with a place.
const IGNITION_S: u32 = 7;

/// What a message was, as it left the car.
pub(crate) struct Heard {
    pub(crate) topic: String,
    pub(crate) text: String,
    pub(crate) retain: bool,
}

pub(crate) struct World {
    gateway: Gateway,
    now: MonoTime,
    kernel: KernelBoot,
    starts: u32,
    /// The profile has signals that tell the place, beside the state and the events.
    has_signals: bool,
    /// Which second of its life it is: names the place.
    pub(crate) second: u32,
    pub(crate) has_gnss: bool,
    /// Stands where it was in that second.
    pub(crate) parked_at: Option<u32>,
    is_cut: bool,
    records: BTreeMap<StoreKey, Vec<u8>>,
    values: BTreeMap<String, Vec<u8>>,
    pub(crate) heard: Vec<Heard>,
    /// Every record that was ever stored, as it was.
    pub(crate) stored: Vec<String>,
}

impl World {
    /// Fresh from the factory, online, its store open.
    pub(crate) fn new() -> Self {
        Self::of_profile(true)
    }

    pub(crate) fn of_profile(has_signals: bool) -> Self {
        let (kernel, now) = (KernelBoot(1), MonoTime::from_millis(1_000));
        let mut world = Self {
            gateway: gateway(now, 1, kernel, has_signals),
            now,
            kernel,
            starts: 1,
            has_signals,
            second: 0,
            has_gnss: true,
            parked_at: None,
            is_cut: false,
            records: BTreeMap::new(),
            values: BTreeMap::new(),
            heard: Vec::new(),
            stored: Vec::new(),
        };
        world.open_store();
        world
    }

    /// The daemon ends, in order or not, and starts again: on the same kernel, or after the whole computer did.
    pub(crate) fn restart(&mut self, is_orderly: bool, is_reboot: bool) {
        if is_orderly {
            self.input(Input::Shutdown);
        }
        if is_reboot {
            self.kernel = KernelBoot(self.kernel.0 + 1);
            self.now = MonoTime::from_millis(1_000);
        }
        self.starts += 1;
        self.gateway = gateway(self.now, self.starts, self.kernel, self.has_signals);
    }

    pub(crate) fn open_store(&mut self) {
        let lanes = Lane::ALL.into_iter().filter_map(|lane| {
            let of_lane: Vec<_> = self.records.iter().filter(|(key, _)| key.lane == lane).collect();
            let ((first, _), (last, _)) = (of_lane.first()?, of_lane.last()?);
            let bytes = of_lane.iter().map(|(_, record)| record.len() as u64).sum();
            Some(LaneInventory { lane, first: **first, last: **last, count: of_lane.len() as u64, bytes })
        });
        let lanes = lanes.collect();
        let values = self.values.iter().map(|(name, value)| (name.clone(), value.clone())).collect();
        let inventory = StoreInventory { lanes, values, ..StoreInventory::default() };
        self.input(Input::Store(StoreEvent::Opened(inventory)));
        self.input(Input::Bus(BusId(0), BusEvent::Up));
        self.input(Input::GnssPort(PortEvent::Up));
    }

    pub(crate) fn open_black_box(&mut self, contents: Contents) {
        self.input(Input::BlackBox(BlackBoxEvent::Opened(Box::new(contents))));
    }

    pub(crate) fn say(&mut self, privacy: Privacy) {
        self.input(Input::Owner(OwnerInput::Privacy { privacy }));
    }

    pub(crate) fn cut(&mut self) {
        self.is_cut = true;
        self.input(Input::Link(LinkEvent::Down(LinkDown::Transport("no coverage".to_owned()))));
    }

    pub(crate) fn mend(&mut self) {
        self.is_cut = false;
        self.input(Input::NetworkChanged);
    }

    /// Drives so many seconds; the seconds whose places it passes.
    pub(crate) fn drive(&mut self, seconds: u32) -> Range<u32> {
        let from = self.second;
        for _ in 0..seconds {
            if self.has_gnss {
                self.input(Input::Gnss(self.sentences().concat().as_bytes()));
            }
            for _ in 0..10 {
                let supply = if (self.second / IGNITION_S).is_multiple_of(2) { 2 } else { 0 };
                let id = CanId::base(0x100).expect("eleven bits");
                let frame = Frame::new(id, FrameKind::Data, &[supply, 0, 0, 0, 0, 0, 0, 0]).expect("eight bytes");
                self.input(Input::Frame(BusId(0), &frame));
                self.pass(STEP);
            }
            self.second += 1;
        }
        from..self.second
    }

    /// The receiver begins to say where it is, and does not end; the second whose place it is.
    pub(crate) fn begin_epoch(&mut self) -> Range<u32> {
        let [gga, _] = self.sentences();
        self.input(Input::Gnss(gga.as_bytes()));
        self.pass(Duration::from_millis(20));
        self.second += 1;
        self.second - 1..self.second
    }

    /// The places of these seconds that are found in what left the car.
    pub(crate) fn told(&self, seconds: Range<u32>) -> Vec<String> {
        let texts = self.heard.iter().map(|heard| heard.text.as_str());
        found(seconds, texts)
    }

    /// The places of these seconds that are found in what was stored to be sent.
    pub(crate) fn stored(&self, seconds: Range<u32>) -> Vec<String> {
        found(seconds, self.stored.iter().map(String::as_str))
    }

    /// What the broker retains under that topic.
    pub(crate) fn retained(&self, topic: &str) -> Option<&str> {
        let of_topic = |heard: &&Heard| heard.retain && heard.topic.ends_with(topic);
        self.heard.iter().rev().find(of_topic).map(|heard| heard.text.as_str())
    }

    /// What the receiver says in that second of the afternoon.
    fn sentences(&self) -> [String; 2] {
        let [latitude, longitude] = place(self.parked_at.unwrap_or(self.second)).map(|units| {
            // 100,000ths of a degree are 6 10,000ths of a minute.
            let minutes = units % 100_000 * 6;
            (units / 100_000, format!("{:02}.{:04}", minutes / 10_000, minutes % 10_000))
        });
        let place = format!("{:02}{},N,{:03}{},E", latitude.0, latitude.1, longitude.0, longitude.1);
        let time = format!("12{:02}{:02}.000", self.second / 60, self.second % 60);
        let knots = if self.parked_at.is_some() { "0.0" } else { "60.0" };
        let gga = sentence(&format!("GPGGA,{time},{place},1,10,0.8,545.4,M,46.9,M,,"));
        [gga, sentence(&format!("GPRMC,{time},A,{place},{knots},45.0,020326,,,A"))]
    }

    fn pass(&mut self, span: Duration) {
        let until = self.now + span;
        while let Some(due) = self.gateway.poll_timeout().filter(|due| *due <= until) {
            self.now = due.max(self.now);
            self.input(Input::Timeout);
        }
        self.now = until;
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
        let no_coverage = || Input::Link(LinkEvent::Down(LinkDown::Transport("no coverage".to_owned())));
        match effect {
            Effect::Store(ticket, StoreRequest::Load { from, limit }) => {
                let lane = self.records.range(from..).take_while(|(key, _)| key.lane == from.lane);
                let records = lane.take(limit).map(|(key, value)| (*key, value.clone())).collect();
                Some(Input::Store(StoreEvent::Loaded(ticket, records)))
            }
            Effect::Store(ticket, StoreRequest::Commit { records, values }) => {
                self.stored.extend(records.iter().map(|(_, record)| String::from_utf8_lossy(record).into_owned()));
                self.records.extend(records);
                self.values.extend(values);
                Some(Input::Store(StoreEvent::Done(ticket)))
            }
            Effect::Store(ticket, StoreRequest::Remove(keys)) => {
                self.records.retain(|key, _| !keys.contains(key));
                Some(Input::Store(StoreEvent::Done(ticket)))
            }
            Effect::Connect if self.is_cut => Some(no_coverage()),
            Effect::Connect => Some(Input::Link(LinkEvent::Up { session_present: true })),
            Effect::Disconnect { .. } => Some(Input::Link(LinkEvent::Down(LinkDown::Requested))),
            Effect::Publish(publication) => {
                let text = String::from_utf8(publication.payload).expect("UTF-8");
                self.heard.push(Heard { topic: publication.topic, text, retain: publication.retain });
                Some(Input::Link(LinkEvent::Acked(publication.token)))
            }
            Effect::BlackBox(request) => Some(Input::BlackBox(BlackBoxEvent::Written(request.ticket))),
            Effect::Stopped => None,
        }
    }
}

fn gateway(now: MonoTime, counter: u32, kernel: KernelBoot, has_signals: bool) -> Gateway {
    let place = if has_signals { PLACE } else { "" };
    let profile = small_profile::load(&format!("{}{SUPPLY}{place}", small_profile::HEAD), DBC);
    let profile = profile.unwrap_or_else(|problems| panic!("{problems}"));
    let setup = Setup { boot: BootId { counter, random: 0 }, kernel, seed: 0, ..setup("car", profile) };
    Gateway::new(now, setup).expect("a small table")
}

/// Latitude and longitude of a second, in hundred-thousandths of a degree: 31 m from one to the next. The last digit is
/// never zero, so that none is the beginning of another.
fn place(second: u32) -> [u32; 2] {
    [4_810_001 + 20 * second, 1_120_001 + 30 * second]
}

/// As it stands in a message.
pub(crate) fn texts(second: u32) -> [String; 2] {
    place(second).map(|units| format!("{}.{:05}", units / 100_000, units % 100_000))
}

fn found<'a>(seconds: Range<u32>, texts_heard: impl Iterator<Item = &'a str>) -> Vec<String> {
    let all: Vec<&str> = texts_heard.collect();
    seconds.flat_map(texts).filter(|place| all.iter().any(|text| text.contains(place.as_str()))).collect()
}

fn sentence(text: &str) -> String {
    let sum = text.bytes().fold(0, |sum, byte| sum ^ byte);
    format!("${text}*{sum:02X}\r\n")
}
