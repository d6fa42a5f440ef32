//! A small car to which happens what no simulated drive brings: doors left open, an odometer that was replaced, a clock
//! that jumps, a store that was damaged, fails and is too small, a broker that cannot be reached.

use std::collections::BTreeMap;
use std::io;
use std::path::Path;
use std::time::Duration;

use telltale::can::{BusId, CanId, Frame, FrameKind};
use telltale::config::Profile;
use telltale::crash::black_box::{BlackBoxEvent, Channel, Contents, Identity, Recorder};
use telltale::crash::{Stage, Verdict};
use telltale::delivery::{BootId, Limits, Privacy, StoreKey};
use telltale::gateway::{
    BusEvent, Effect, Gateway, Input, LinkDown, LinkEvent, Setup, StoreEvent, StoreIncident, StoreInventory,
    StoreRequest,
};
use telltale::services::OwnerInput;
use telltale::services::owner::Purpose;
use telltale::time::{KernelBoot, MonoTime, TimeSource, WallReading, WallStamp, WallTime};

use super::black_box_disk::{made, put, read};
use super::{Message, VEHICLE};
use crate::setup::setup;

const DBC: &str = r#"VERSION ""
BU_: X
BO_ 256 Car: 8 X
 SG_ Supply : 0|2@1+ (1,0) [0|0] "" X
 SG_ Open : 2|1@1+ (1,0) [0|0] "" X
 SG_ Locked : 3|1@1+ (1,0) [0|0] "" X
 SG_ Lamp : 4|2@1+ (1,0) [0|0] "" X
 SG_ Odometer : 8|24@1+ (1,0) [0|0] "km" X
"#;

const PROFILE: &str = r#"
schema = 1
name = "small"
version = "1"
description = "for tests"
[[bus]]
name = "powertrain"
dbc = ["a.dbc"]
[[message]]
name = "powertrain.Car"
period_ms = 100
[[signal]]
path = "Vehicle.LowVoltageSystemState"
from = "powertrain.Car.Supply"
map = { 0 = "OFF", 1 = "ACC", 2 = "ON" }
[[signal]]
path = "Vehicle.Cabin.Door.Row1.DriverSide.IsOpen"
from = "powertrain.Car.Open"
[[signal]]
path = "Vehicle.Cabin.Door.Row1.DriverSide.IsLocked"
from = "powertrain.Car.Locked"
[[signal]]
path = "Vehicle.Telltale.EngineCoolantTemperature"
from = "powertrain.Car.Lamp"
map = { 0 = "OFF", 1 = "ON", 2 = "FLASHING" }
[[signal]]
path = "Vehicle.TraveledDistance"
from = "powertrain.Car.Odometer"
scale = 1000
"#;

const STEP: Duration = Duration::from_millis(100);

/// A store of so many bytes holds some thirty records.
const SMALL: u64 = 16 * 1024;

/// Monday, 2026-03-02, 07:00 UTC.
const MORNING_US: i64 = 1_772_434_800_000_000;

const ON: u8 = 2;
const OFF: u8 = 0;

/// What the control units say at present.
#[derive(Clone, Copy)]
struct Car {
    supply: u8,
    open: bool,
    locked: bool,
    lamp: u8,
    odometer_km: u32,
}

struct World {
    gateway: Gateway,
    now: MonoTime,
    car: Car,
    clock_ahead: Duration,
    is_disk_full: bool,
    is_cut: bool,
    disk: BTreeMap<StoreKey, Vec<u8>>,
    heard: Vec<Message>,
}

/// Its whole life.
pub(crate) fn live() -> Vec<Message> {
    let mut world = World::new();
    // What an earlier run left is told once the owner has allowed its place.
    world.is_cut = true;
    world.input(Input::BlackBox(BlackBoxEvent::Opened(Box::new(suspicion()))));
    let damage = StoreIncident::Quarantined("a page with a wrong checksum".to_owned());
    world.input(Input::Store(StoreEvent::Opened(StoreInventory { incident: Some(damage), ..Default::default() })));
    world.input(Input::Bus(BusId(0), BusEvent::Up));
    world.pass(1);
    world.input(Input::Owner(OwnerInput::Privacy { privacy: Privacy::Off }));
    world.input(Input::Owner(OwnerInput::Consent { consent: Purpose::Assistance, given: true }));
    world.is_cut = false;
    world.pass(29);
    world.input(Input::BlackBox(BlackBoxEvent::Unavailable("the disk is gone".to_owned())));
    for lamp in [1, 2, 0] {
        world.car.lamp = lamp;
        world.pass(15);
    }
    world.car.odometer_km = 12;
    world.pass(700);
    world.car = Car { supply: OFF, open: true, locked: false, ..world.car };
    world.pass(400);
    world.clock_ahead = Duration::from_secs(3_600);
    world.pass(5);
    world.is_disk_full = true;
    world.car = Car { supply: ON, open: false, locked: true, ..world.car };
    world.pass(5);
    world.is_disk_full = false;
    world.pass(70);
    // What can be sent is sent without the failed store: that it works again is seen when something has to wait.
    world.cut();
    world.car.supply = OFF;
    world.pass(5);
    world.is_cut = false;
    world.pass(70);
    world.cut();
    for _ in 0..60 {
        world.car.supply = OFF;
        world.pass(5);
        world.car.supply = ON;
        world.pass(5);
    }
    world.is_cut = false;
    world.pass(120);
    world.input(Input::Shutdown);
    world.heard
}

/// A black box whose power went within a suspicion.
fn suspicion() -> Contents {
    let identity = Identity { boot: BootId { counter: 0, random: 0 }, kernel: KernelBoot(0), profile_hash: 0 };
    let mut recorder = Recorder::new(identity, &[]);
    let mut file = made();
    let at = MonoTime::from_millis(12_020);
    recorder.handle(at, &BlackBoxEvent::Opened(Box::new(read(&file, |_| true))));
    recorder.value(MonoTime::from_millis(11_900), Channel::PlaceMayBeTold, 1.0);
    recorder.value(MonoTime::from_millis(11_900), Channel::Latitude, 44.000_364_1);
    recorder.value(MonoTime::from_millis(11_900), Channel::Longitude, -24.998_334_5);
    let contact = MonoTime::from_millis(12_000);
    let verdict = Verdict::bare(1, Stage::Suspected, at, contact);
    let wall = WallTime::from_unix_micros(MORNING_US).minus(Duration::from_secs(1_200));
    let wall = WallStamp { wall, source: TimeSource::Gnss, uncertainty_us: 250_000 };
    recorder.verdict(at, &verdict, Some(wall), 1);
    while let Some(request) = recorder.poll(at) {
        for write in &request.writes {
            put(&mut file, write.offset, &write.bytes);
        }
        recorder.handle(at, &BlackBoxEvent::Written(request.ticket));
    }
    read(&file, |_| true)
}

impl World {
    fn new() -> Self {
        let read = |path: &Path| match path.file_name().and_then(|name| name.to_str()) {
            Some("profile.toml") => Ok(PROFILE.as_bytes().to_vec()),
            Some("a.dbc") => Ok(DBC.as_bytes().to_vec()),
            _ => Err(io::ErrorKind::NotFound.into()),
        };
        let profile = Profile::load(Path::new("p"), &read).unwrap_or_else(|problems| panic!("{problems}"));
        let now = MonoTime::from_millis(1_000);
        let setup = Setup {
            boot: BootId { counter: 1, random: 0 },
            limits: Limits { store_bytes: SMALL, ..Limits::default() },
            ..setup(VEHICLE, profile)
        };
        Self {
            gateway: Gateway::new(now, setup).expect("a small table"),
            now,
            car: Car { supply: ON, open: false, locked: true, lamp: 0, odometer_km: 48_210 },
            clock_ahead: Duration::ZERO,
            is_disk_full: false,
            is_cut: false,
            disk: BTreeMap::new(),
            heard: Vec::new(),
        }
    }

    fn cut(&mut self) {
        self.is_cut = true;
        self.input(Input::Link(LinkEvent::Down(LinkDown::Transport("no coverage".to_owned()))));
    }

    fn pass(&mut self, seconds: u32) {
        for _ in 0..seconds {
            let wall = WallTime::from_unix_micros(MORNING_US).plus(self.now.since(MonoTime::ZERO) + self.clock_ahead);
            let uncertainty = Duration::from_millis(50);
            self.input(Input::Clock(WallReading { wall, source: TimeSource::Ntp, uncertainty }));
            for _ in 0..10 {
                let frame = self.car.frame();
                self.input(Input::Frame(BusId(0), &frame));
                self.input(Input::Timeout);
                self.now = self.now + STEP;
            }
        }
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
            Effect::Store(ticket, _) if self.is_disk_full => {
                Some(Input::Store(StoreEvent::Failed(ticket, "No space left on device (os error 28)".to_owned())))
            }
            Effect::Store(ticket, request) => {
                let records = self.store(request);
                Some(Input::Store(match records {
                    Some(records) => StoreEvent::Loaded(ticket, records),
                    None => StoreEvent::Done(ticket),
                }))
            }
            Effect::Connect if self.is_cut => {
                Some(Input::Link(LinkEvent::Down(LinkDown::Transport("no coverage".to_owned()))))
            }
            Effect::Connect => Some(Input::Link(LinkEvent::Up { session_present: true })),
            Effect::Disconnect { .. } => Some(Input::Link(LinkEvent::Down(LinkDown::Requested))),
            Effect::Publish(publication) => {
                let message = Message::new(&publication.topic, publication.retain, &publication.payload);
                self.heard.push(message);
                Some(Input::Link(LinkEvent::Acked(publication.token)))
            }
            Effect::BlackBox(request) => Some(Input::BlackBox(BlackBoxEvent::Written(request.ticket))),
            Effect::Stopped => None,
        }
    }

    fn store(&mut self, request: StoreRequest) -> Option<Vec<(StoreKey, Vec<u8>)>> {
        match request {
            StoreRequest::Commit { records, .. } => self.disk.extend(records),
            StoreRequest::Remove(keys) => self.disk.retain(|key, _| !keys.contains(key)),
            StoreRequest::Load { from, limit } => {
                let lane = self.disk.range(from..).take_while(|(key, _)| key.lane == from.lane);
                return Some(lane.take(limit).map(|(key, value)| (*key, value.clone())).collect());
            }
        }
        None
    }
}

impl Car {
    fn frame(self) -> Frame {
        let flags = self.supply | u8::from(self.open) << 2 | u8::from(self.locked) << 3 | self.lamp << 4;
        let [a, b, c, _] = self.odometer_km.to_le_bytes();
        let id = CanId::base(0x100).expect("eleven bits");
        Frame::new(id, FrameKind::Data, &[flags, a, b, c, 0, 0, 0, 0]).expect("eight bytes")
    }
}
