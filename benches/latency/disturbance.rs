//! What disturbs the daemon, and what shows that it did.
//!
//! Each thing is counted where it arrives: sessions and commits in the daemon's core, frames there too, bytes at the far
//! end of the way to the broker. A broker that refuses the car, or a bus that takes no frames, would otherwise pass for a
//! disturbance, and the figures beside it for disturbed ones.

use std::fmt;
use std::io::{Read as _, Write as _};
use std::net::{Ipv4Addr, Shutdown, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use nix::unistd::sync;
use telltale::can::{BusId, CanId, Frame, FrameKind};
use telltale::config::Profile;
use telltale::delivery::Lane;
use telltale::gateway::Gateway;
use telltale::io::clock::MonoClock;
use telltale::io::socketcan::FILTERS_MAX;
use telltale::runtime::Stimulus;
use telltale::services::telltales::FLICKER_RAISES;
use telltale::sim::{Car, Fault, Lamp};
use telltale::time::MonoTime;
use tokio::sync::mpsc::Sender;

use super::wire::{Way, Wire};

/// Frames a second that fill the buses up, beside the car's own.
const FILL_HZ: [u32; 2] = [3_200, 900];
const FILL_EVERY: Duration = Duration::from_millis(5);
/// Their identifiers on each bus, so many from here on; no database of the demo car has them.
const FILL_IDS: [u32; FILL_HZ.len()] = [0x500, 0x600];
const FILL_ID_COUNT: u32 = 0x100;
/// How often the disks are told to write, and the daemon that it has a network again.
const NUDGE_EVERY: Duration = Duration::from_millis(100);
/// What the way to the broker does to each packet, and how long it lasts.
const WAY_DELAY: Duration = Duration::from_millis(40);
const WAY_LASTS: Duration = Duration::from_millis(500);

/// Lamps that the daemon makes events of.
const LAMPS: [&str; 19] = [
    "Abs",
    "Airbag",
    "BatteryCharge",
    "BrakePadWear",
    "BrakeSystem",
    "EngineCoolantTemperature",
    "EngineMalfunction",
    "EngineOilLevel",
    "EngineOilPressure",
    "Esc",
    "ExteriorLampFailure",
    "FuelLow",
    "HybridSystem",
    "PowerSteering",
    "ServiceDue",
    "TirePressure",
    "TractionBattery",
    "TractionBatteryLow",
    "WasherFluid",
];
/// One after the other they are lit so long, which is longer than `RAISE_HOLD` of `services/telltales.rs`; a round of all
/// of them leaves each dark for longer than its `CLEAR_HOLD`.
const LAMP_EVERY: Duration = Duration::from_millis(600);
const LAMP_LIT: Duration = Duration::from_millis(1_500);
/// Before that is the bulb check.
pub(super) const LAMPS_FROM: Duration = Duration::from_secs(10);
/// A lamp that is lit more often is a loose contact for the daemon, and makes no more events.
const LAMP_ROUNDS: usize = FLICKER_RAISES;
/// So often a lamp is lit.
#[expect(clippy::cast_possible_truncation, reason = "a few dozen")]
const LAMP_TURNS: u32 = (LAMPS.len() * LAMP_ROUNDS) as u32;
/// They come and go for so long, and then no more.
const LAMPS_LAST: Duration = LAMP_EVERY.saturating_mul(LAMP_TURNS);
pub(super) const LAMPS_UNTIL: Duration = LAMPS_FROM.saturating_add(LAMPS_LAST);

/// Below these a run was not disturbed as it says. A machine that is busy reaches less than was asked for, but not so
/// little.
const LEAST_FILLED: f64 = 0.8;
const LEAST_SESSIONS_HZ: f64 = 0.5;
/// Of the some three events a second that the lamps make, those share a commit that come while a slow disk still writes; the
/// ride alone makes a handful.
const LEAST_COMMITS_HZ: f64 = 0.5;
/// A disk that needs ten seconds for each disturbs no less.
const LEAST_SYNCS_HZ: f64 = 0.1;
/// What a TLS handshake with certificates of both sides takes in each direction at least.
const LEAST_SESSION_BYTES: f64 = 1_000.0;

/// What reached the daemon, as its bus thread sees it; all of it only grows.
#[derive(Debug, Default)]
pub(super) struct Felt {
    fill: [AtomicU64; FILL_HZ.len()],
    sessions: AtomicU64,
    commits: AtomicU64,
}

/// Looks at the core for it.
pub(super) struct Feeler {
    felt: Arc<Felt>,
    is_online: bool,
    durable: u64,
}

impl Feeler {
    pub(super) fn new(felt: Arc<Felt>) -> Self {
        Self { felt, is_online: false, durable: 0 }
    }

    /// A frame came in.
    pub(super) fn hear(&self, frame: &Frame) {
        let id = frame.id();
        let is_fill = |first: &u32| !id.is_extended() && (*first..first + FILL_ID_COUNT).contains(&id.raw());
        if let Some(bus) = FILL_IDS.iter().position(is_fill) {
            self.felt.fill[bus].fetch_add(1, Ordering::Relaxed);
        }
    }

    /// Looks for a session that came up, with TLS below it, and for a commit, since the last look. Between two looks one of
    /// each is seen at most, so that never more are counted than there were.
    pub(super) fn look(&mut self, gateway: &Gateway) {
        let is_online = gateway.is_online();
        if is_online && !self.is_online {
            self.felt.sessions.fetch_add(1, Ordering::Relaxed);
        }
        self.is_online = is_online;
        let stat = gateway.outbox();
        let events = stat.lane(Lane::Event);
        // With a healthy store an event is in the store before the broker has it, so that only a commit adds to the two.
        let durable = events.stored + events.acked;
        if stat.store_healthy && durable > self.durable {
            self.felt.commits.fetch_add(1, Ordering::Relaxed);
        }
        self.durable = durable;
    }
}

/// A way to the broker that delays each packet and does not last.
pub(super) struct SlowWay {
    pub(super) port: u16,
    traffic: Arc<Traffic>,
}

/// What went over it: connections that reached the broker, and bytes that arrived at the other end.
#[derive(Debug, Default)]
struct Traffic {
    connections: AtomicU64,
    up: AtomicU64,
    down: AtomicU64,
}

impl SlowWay {
    pub(super) fn new(upstream: u16) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a port");
        let port = listener.local_addr().expect("an address").port();
        let traffic = Arc::new(Traffic::default());
        let counted = Arc::clone(&traffic);
        thread::spawn(move || {
            // A connection that fails is not counted, and missing sessions end the run.
            for client in listener.incoming().flatten() {
                if let Ok(broker) = TcpStream::connect((Ipv4Addr::LOCALHOST, upstream)) {
                    counted.connections.fetch_add(1, Ordering::Relaxed);
                    lead(client, broker, &counted);
                }
            }
        });
        Self { port, traffic }
    }
}

/// Both directions of a connection, and its end.
fn lead(client: TcpStream, broker: TcpStream, traffic: &Arc<Traffic>) {
    for (from, to, is_up) in [(&client, &broker, true), (&broker, &client, false)] {
        let (from, to) = (from.try_clone().expect("a descriptor"), to.try_clone().expect("a descriptor"));
        let traffic = Arc::clone(traffic);
        thread::spawn(move || pump(from, to, if is_up { &traffic.up } else { &traffic.down }));
    }
    thread::spawn(move || {
        thread::sleep(WAY_LASTS);
        // The daemon may have ended it before.
        let _ = client.shutdown(Shutdown::Both);
        let _ = broker.shutdown(Shutdown::Both);
    });
}

fn pump(mut from: TcpStream, mut to: TcpStream, arrived: &AtomicU64) {
    let mut buffer = vec![0; 16 * 1024];
    while let Ok(count) = from.read(&mut buffer) {
        thread::sleep(WAY_DELAY);
        if count == 0 || to.write_all(&buffer[..count]).is_err() {
            return;
        }
        arrived.fetch_add(count as u64, Ordering::Relaxed);
    }
}

/// The buses whose filters in the kernel let the daemon have frames that it does not know. Other sockets than those of CAN
/// have none.
pub(super) fn open_buses(way: &Way, profile: &Profile) -> [bool; FILL_HZ.len()] {
    std::array::from_fn(|index| match way {
        Way::Loopback => true,
        Way::Can(_) => {
            let bus = BusId(u8::try_from(index).expect("few buses"));
            !(1..=FILTERS_MAX).contains(&profile.filters(bus).len())
        }
    })
}

/// The lamps in the ride.
pub(super) struct Lamps {
    began: MonoTime,
    lit: u32,
    dark: u32,
}

impl Lamps {
    pub(super) fn new(began: MonoTime) -> Self {
        Self { began, lit: 0, dark: 0 }
    }

    /// Lights and darkens what is due at that moment.
    pub(super) fn turn(&mut self, car: &mut Car, at: MonoTime) {
        let lamp = |turn: u32| Fault::Lamp(LAMPS[turn as usize % LAMPS.len()], Lamp::On);
        let lights_at = |turn: u32| self.began + LAMPS_FROM + LAMP_EVERY * turn;
        if self.lit < LAMP_TURNS && at >= lights_at(self.lit) {
            car.fail(lamp(self.lit));
            self.lit += 1;
        }
        if self.dark < self.lit && at >= lights_at(self.dark) + LAMP_LIT {
            car.heal(&lamp(self.dark));
            self.dark += 1;
        }
    }
}

/// Everything that goes on beside the ride.
pub(super) struct Disturbances {
    slow_way: SlowWay,
    felt: Arc<Felt>,
    open_buses: [bool; FILL_HZ.len()],
    clock: MonoClock,
    began: MonoTime,
    /// What was so before.
    before: Counts,
    fillers: Vec<JoinHandle<u64>>,
    nudger: JoinHandle<u64>,
    is_over: Arc<AtomicBool>,
}

impl Disturbances {
    pub(super) fn begin(
        (slow_way, felt): (SlowWay, Arc<Felt>),
        (way, wires, open_buses): (&Way, &[Wire], [bool; FILL_HZ.len()]),
        stimuli: Sender<Stimulus>,
    ) -> Self {
        let clock = MonoClock::new().expect("a clock");
        let (began, before) = (clock.now(), Counts::take(&slow_way, &felt));
        let is_over = Arc::new(AtomicBool::new(false));
        let fillers = wires.iter().zip(FILL_HZ.into_iter().zip(FILL_IDS)).enumerate().map(|(bus, (wire, (hz, id)))| {
            let (wire, is_over) = (wire.share(way.interface(bus)), Arc::clone(&is_over));
            thread::spawn(move || fill(&wire, hz, id, &is_over))
        });
        let fillers = fillers.collect();
        let over = Arc::clone(&is_over);
        let nudger = thread::spawn(move || nudge(&stimuli, &over));
        Self { slow_way, felt, open_buses, clock, began, before, fillers, nudger, is_over }
    }

    /// Ends them; gives what there was of them.
    pub(super) fn end(self) -> Account {
        self.is_over.store(true, Ordering::Relaxed);
        let span_s = self.clock.now().since(self.began).as_secs_f64();
        let sent: Vec<u64> = self.fillers.into_iter().map(|filler| filler.join().expect("a filler ends")).collect();
        let syncs = self.nudger.join().expect("it ends");
        let now = Counts::take(&self.slow_way, &self.felt);
        Account {
            span_s,
            counts: now.since(&self.before),
            sent: std::array::from_fn(|bus| sent.get(bus).copied().unwrap_or_default()),
            open_buses: self.open_buses,
            syncs,
        }
    }
}

/// Frames that no database knows, as control units of other makers send them; how many the bus has taken.
fn fill(wire: &Wire, rate_hz: u32, first_id: u32, is_over: &AtomicBool) -> u64 {
    let clock = MonoClock::new().expect("a clock");
    let (began, mut next, mut asked, mut taken) = (clock.now(), clock.now(), 0_u32, 0);
    while !is_over.load(Ordering::Relaxed) {
        next = next + FILL_EVERY;
        while f64::from(asked) < f64::from(rate_hz) * next.since(began).as_secs_f64() {
            let id = CanId::base(first_id + asked % FILL_ID_COUNT).expect("eleven bits");
            let frame = Frame::new(id, FrameKind::Data, &[0; 8]).expect("eight bytes");
            taken += u64::from(wire.send(&frame).is_ok());
            asked += 1;
        }
        thread::sleep(next.since(clock.now()));
    }
    taken
}

/// The disks write, and the modem says that it has a network again, after which an attempt to connect follows at once; how
/// often.
fn nudge(stimuli: &Sender<Stimulus>, is_over: &AtomicBool) -> u64 {
    let mut count = 0;
    while !is_over.load(Ordering::Relaxed) {
        sync();
        stimuli.blocking_send(Stimulus::NetworkChanged).expect("the daemon listens");
        count += 1;
        thread::sleep(NUDGE_EVERY);
    }
    count
}

/// All counters at a moment.
#[derive(Debug, Clone, Copy)]
struct Counts {
    connections: u64,
    up: u64,
    down: u64,
    sessions: u64,
    commits: u64,
    heard: [u64; FILL_HZ.len()],
}

impl Counts {
    fn take(slow_way: &SlowWay, felt: &Felt) -> Self {
        let value = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        Self {
            connections: value(&slow_way.traffic.connections),
            up: value(&slow_way.traffic.up),
            down: value(&slow_way.traffic.down),
            sessions: value(&felt.sessions),
            commits: value(&felt.commits),
            heard: felt.fill.each_ref().map(value),
        }
    }

    fn since(&self, before: &Self) -> Self {
        Self {
            connections: self.connections - before.connections,
            up: self.up - before.up,
            down: self.down - before.down,
            sessions: self.sessions - before.sessions,
            commits: self.commits - before.commits,
            heard: std::array::from_fn(|bus| self.heard[bus] - before.heard[bus]),
        }
    }
}

/// What there was of the disturbances in one run.
#[derive(Debug)]
pub(super) struct Account {
    span_s: f64,
    counts: Counts,
    /// Frames that each filled bus took.
    sent: [u64; FILL_HZ.len()],
    open_buses: [bool; FILL_HZ.len()],
    syncs: u64,
}

impl Account {
    /// Ends the bench when a disturbance was missing.
    #[expect(clippy::cast_precision_loss, reason = "counts of one run")]
    pub(super) fn check(&self) {
        let Counts { up, down, sessions, commits, heard, .. } = self.counts;
        let session_bytes = LEAST_SESSION_BYTES * LEAST_SESSIONS_HZ * self.span_s;
        let mut asked = vec![
            ("TLS sessions".to_owned(), sessions, LEAST_SESSIONS_HZ * self.span_s),
            ("bytes up the slow way".to_owned(), up, session_bytes),
            ("bytes down the slow way".to_owned(), down, session_bytes),
            ("commits".to_owned(), commits, LEAST_COMMITS_HZ * LAMPS_LAST.as_secs_f64()),
            ("syncs of the disks".to_owned(), self.syncs, LEAST_SYNCS_HZ * self.span_s),
        ];
        for (bus, rate_hz) in FILL_HZ.into_iter().enumerate() {
            let least = LEAST_FILLED * f64::from(rate_hz) * self.span_s;
            asked.push((format!("filling frames sent on bus {bus}"), self.sent[bus], least));
            if self.open_buses[bus] {
                asked.push((format!("filling frames received on bus {bus}"), heard[bus], least));
            }
        }
        let missing = asked.into_iter().filter(|(_, seen, least)| (*seen as f64) < *least);
        let missing: Vec<_> =
            missing.map(|(what, seen, least)| format!("{what}: expected {least:.0} at least, saw {seen}")).collect();
        assert!(missing.is_empty(), "the run was not disturbed as it should be: {}", missing.join("; "));
    }
}

impl fmt::Display for Account {
    #[expect(clippy::cast_precision_loss, reason = "counts of one run")]
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Counts { connections, up, down, sessions, commits, heard } = self.counts;
        write!(
            out,
            "  (disturbed for {:.0} s: {sessions} TLS sessions from {connections} connections over the slow way, {} kB up \
             and {} kB down; {commits} commits; {} syncs of the disks;\n   frames a second that fill",
            self.span_s,
            up / 1_000,
            down / 1_000,
            self.syncs,
        )?;
        for (bus, rate_hz) in FILL_HZ.into_iter().enumerate() {
            let [sent_hz, heard_hz] = [self.sent[bus], heard[bus]].map(|count| count as f64 / self.span_s);
            write!(out, "{} bus {bus}: {rate_hz} wanted, {sent_hz:.0} sent", if bus == 0 { "" } else { ";" })?;
            if self.open_buses[bus] {
                write!(out, ", {heard_hz:.0} received by the daemon")?;
            } else {
                write!(out, ", kept from the daemon by the kernel's filters")?;
            }
        }
        write!(out, ")")
    }
}
