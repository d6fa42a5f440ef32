//! A gateway in virtual time: what the benches drive.

use std::path::Path;
use std::time::Duration;

use telltale::can::{BusId, Frame};
use telltale::config::{Emergency, Profile};
use telltale::delivery::{BootId, Limits, VehicleId};
use telltale::gateway::{
    BusEvent, Effect, Gateway, Input, LinkDown, LinkEvent, PortEvent, Setup, StoreEvent, StoreInventory, StoreRequest,
    StoreTicket,
};
use telltale::time::{KernelBoot, MonoTime, TimeSource, WallReading, WallTime};

/// Where virtual time begins.
pub(crate) const START: MonoTime = MonoTime::from_millis(1_000);

/// The wall time of [`START`].
pub(crate) const WALL: WallTime = WallTime::from_unix_micros(1_796_292_000_000_000);

/// As the daemon's shell does.
const CLOCK_EVERY: Duration = Duration::from_secs(1);

/// What a moment brings.
pub(crate) enum Feed {
    Frame(BusId, Frame),
    Gnss(Vec<u8>),
}

pub(crate) fn profile(name: &str) -> Profile {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("profiles").join(name);
    Profile::load(&folder, &|path| std::fs::read(path)).expect("the profile is right")
}

/// The gateway with a broker that acknowledges at once or is not there, and a store that answers at once.
pub(crate) struct Lab<S> {
    gateway: Gateway,
    store: S,
    now: MonoTime,
    next_clock: MonoTime,
    is_online: bool,
    pub(crate) publications: u64,
}

impl<S: FnMut(StoreTicket, StoreRequest) -> StoreEvent> Lab<S> {
    /// Everything is up, but the link only if `is_online`.
    pub(crate) fn new(profile: Profile, boot: u32, is_online: bool, store: S) -> Self {
        let buses = profile.buses.len();
        let setup = Setup {
            vehicle: VehicleId::new("bench-car").expect("an id"),
            profile,
            boot: BootId { counter: boot, random: 0 },
            kernel: KernelBoot(1),
            seed: 0,
            limits: Limits::default(),
            keep_alive: Duration::from_secs(60),
            emergency: Emergency::default(),
        };
        let gateway = Gateway::new(START, setup).expect("the profile makes a table");
        let mut lab = Self { gateway, store, now: START, next_clock: START, is_online, publications: 0 };
        lab.input(Input::Store(StoreEvent::Opened(StoreInventory::default())));
        for bus in (0_u8..).map(BusId).take(buses) {
            lab.input(Input::Bus(bus, BusEvent::Up));
        }
        lab.input(Input::GnssPort(PortEvent::Up));
        lab
    }

    pub(crate) fn feed(&mut self, at: MonoTime, feed: &Feed) {
        self.advance(at);
        match feed {
            Feed::Frame(bus, frame) => self.input(Input::Frame(*bus, frame)),
            Feed::Gnss(bytes) => self.input(Input::Gnss(bytes)),
        }
    }

    fn advance(&mut self, until: MonoTime) {
        while let Some(due) = self.gateway.poll_timeout().into_iter().chain([self.next_clock]).min() {
            if due > until {
                break;
            }
            self.now = due.max(self.now);
            if self.next_clock <= self.now {
                self.next_clock = self.now + CLOCK_EVERY;
                let wall = WALL.plus(self.now.since(START));
                let uncertainty = Duration::from_secs(1);
                self.input(Input::Clock(WallReading { wall, source: TimeSource::Rtc, uncertainty }));
            } else {
                self.input(Input::Timeout);
            }
        }
        self.now = until.max(self.now);
    }

    fn input(&mut self, input: Input<'_>) {
        self.gateway.handle(self.now, input);
        while let Some(effect) = self.gateway.poll_effect() {
            let answer = match effect {
                Effect::Store(ticket, request) => Input::Store((self.store)(ticket, request)),
                Effect::Connect if self.is_online => Input::Link(LinkEvent::Up { session_present: false }),
                Effect::Connect => Input::Link(LinkEvent::Down(LinkDown::Transport("no coverage".to_owned()))),
                Effect::Disconnect { .. } => Input::Link(LinkEvent::Down(LinkDown::Requested)),
                Effect::Publish(publication) => {
                    self.publications += 1;
                    Input::Link(LinkEvent::Acked(publication.token))
                }
                Effect::BlackBox(_) | Effect::Stopped => continue,
            };
            self.gateway.handle(self.now, answer);
        }
    }
}
