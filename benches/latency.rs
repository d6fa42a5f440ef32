//! From a frame in the kernel to the word of the crash classifier, with everything else under way.
//! `hil/scenarios/verdict_latency` calls this on a bench with CAN; without `TELLTALE_CAN` it measures nothing.
//!
//! The real daemon runs in this process: bus thread, store on a disk, uplink over TLS to a real mosquitto. The simulated
//! car drives and crashes on three CAN interfaces. For each frame with inertial samples the time is taken from the
//! kernel's receive stamp until the core has dealt with it: until the classifier has heard the samples, its verdict, if
//! any, was polled, and the record of it was asked of the store. The words on the crash itself are listed, too.
//!
//! - *undisturbed*: the car's own traffic, the broker near.
//! - *disturbed*: the first bus filled to 4,000 frames a second (a full one of 500 kbit/s) and the second to 1,000; a way
//!   to the broker that delays each packet and cuts the connection every half second, so that a TLS handshake is always
//!   near; lamps that come and go, so that events are committed all the time; and `sync` of all disks ten times a second.
//! - *disturbed, real time*: the same with `[realtime]` in the deployment file, where the machine allows it.

#![expect(
    clippy::expect_used,
    clippy::panic,
    clippy::print_stdout,
    reason = "a bench stops at the first surprise and prints"
)]

use std::io::{Read as _, Write as _};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use nix::unistd::sync;
use socketcan::id::FdFlags;
use socketcan::{CanDataFrame, CanFdFrame, CanFdSocket, EmbeddedFrame as _, ExtendedId, Id, Socket as _, StandardId};
use telltale::can::{Frame, FrameKind};
use telltale::config::Config;
use telltale::gateway::Gateway;
use telltale::io::clock::MonoClock;
use telltale::runtime::{self, Plan, Stimulus};
use telltale::sim::{BUSES, Begin, Car, Fault, Lamp, Scenario, What};
use telltale::time::MonoTime;

use mosquitto::{Mosquitto, Pki};

#[path = "../tests/support/mosquitto.rs"]
mod mosquitto;

/// Identifiers of the messages with inertial samples: `InertialHigh`, `InertialLow`.
const INERTIAL: [u32; 2] = [96, 224];
/// The lamps that come and go while disturbed.
const LAMPS: [&str; 6] = ["Abs", "Esc", "Airbag", "PowerSteering", "EngineMalfunction", "BrakeSystem"];
/// Frames a second that fill the buses up, beside the car's own.
const FILL_HZ: [u32; 2] = [3_200, 900];
const FILL_EVERY: Duration = Duration::from_millis(5);
/// What the way to the broker does to each packet, and how long it lasts.
const WAY_DELAY: Duration = Duration::from_millis(40);
const WAY_LASTS: Duration = Duration::from_millis(500);
/// The crash happens some 25 s after the beginning.
const LONG_ENOUGH_S: u64 = 45;

fn main() {
    let Ok(interfaces) = std::env::var("TELLTALE_CAN") else {
        println!("skipped: run hil/scenarios/verdict_latency, which makes what this needs");
        return;
    };
    let interfaces: Vec<String> = interfaces.split(',').map(str::to_owned).collect();
    assert!(interfaces.len() >= BUSES.len(), "three interfaces are needed: {interfaces:?}");
    let seconds = std::env::var("LATENCY_S").ok().and_then(|text| text.parse().ok()).unwrap_or(60);
    let drive = Duration::from_secs(u64::max(seconds, LONG_ENOUGH_S));
    println!(
        "| from the kernel's stamp to the core's word |  frames |  p50 µs |  p99 µs | p99.9 µs | max µs | ratio of p99.9 |"
    );
    println!(
        "|--------------------------------------------|---------|---------|---------|----------|--------|----------------|"
    );
    let calm = run(&interfaces, drive, false, false);
    let base_us = calm.row("undisturbed", None);
    run(&interfaces, drive, true, false).row("disturbed", Some(base_us));
    run(&interfaces, drive, true, true).row("disturbed, real time", Some(base_us));
    std::process::exit(0);
}

/// What was seen on the bus thread.
#[derive(Debug, Default)]
struct Seen {
    latencies: Vec<Duration>,
    /// The words on the crash, with the latency of the frame that each followed from.
    words: Vec<(String, Duration)>,
}

impl Seen {
    fn row(mut self, what: &str, base_us: Option<f64>) -> f64 {
        self.latencies.sort_unstable();
        let at = |share: f64| {
            #[expect(
                clippy::cast_possible_truncation,
                clippy::cast_sign_loss,
                clippy::cast_precision_loss,
                reason = "an index"
            )]
            let index = ((self.latencies.len() as f64 * share) as usize).min(self.latencies.len().saturating_sub(1));
            self.latencies.get(index).map_or(0.0, |latency| latency.as_secs_f64() * 1e6)
        };
        let ratio = base_us.map_or_else(|| "1".to_owned(), |base_us| format!("{:.1}", at(0.999) / base_us));
        println!(
            "| {what:<42} | {:>7} | {:>7.0} | {:>7.0} | {:>8.0} | {:>6.0} | {ratio:>14} |",
            self.latencies.len(),
            at(0.5),
            at(0.99),
            at(0.999),
            at(1.0),
        );
        for (word, latency) in &self.words {
            println!("  ({word}: {:.0} µs)", latency.as_secs_f64() * 1e6);
        }
        assert!(!self.words.is_empty(), "the crash was not recognised");
        at(0.999)
    }
}

/// One life of the daemon.
fn run(interfaces: &[String], drive: Duration, is_disturbed: bool, is_realtime: bool) -> Seen {
    let pki = Pki::new("latency");
    let broker = Mosquitto::start(false, Some(&pki)).expect("mosquitto is installed");
    let way = is_disturbed.then(|| slow_way(broker.tls_port));
    let folder = tempfile::tempdir_in(std::env::var_os("LATENCY_DISK").unwrap_or_else(|| "/tmp".into()));
    let folder = folder.expect("a folder for the store");
    let config = config(interfaces, (way.unwrap_or(broker.tls_port), &pki), folder.path(), is_realtime);
    let seen = Arc::new(Mutex::new(Seen { latencies: Vec::with_capacity(1 << 17), words: Vec::with_capacity(64) }));
    let (stimuli, stimulus_queue) = tokio::sync::mpsc::channel(16);
    let (stop, stopped) = tokio::sync::oneshot::channel();
    let plan = Plan {
        frame_watch: Some(watch(Arc::clone(&seen))),
        stimuli: Some(stimulus_queue),
        stop: Some(stopped),
        ..Plan::new(config, Box::new(|| ()))
    };
    let daemon = thread::spawn(move || runtime::run(plan));
    thread::sleep(Duration::from_secs(3));
    let is_over = Arc::new(AtomicBool::new(false));
    let mut helpers = Vec::new();
    if is_disturbed {
        for (interface, rate_hz) in interfaces.iter().cloned().zip(FILL_HZ) {
            let is_over = Arc::clone(&is_over);
            helpers.push(thread::spawn(move || fill(&interface, rate_hz, &is_over)));
        }
        let over = Arc::clone(&is_over);
        helpers.push(thread::spawn(move || {
            while !over.load(Ordering::Relaxed) {
                sync();
                // The modem says that it has a network again: an attempt to connect follows at once.
                let _ = stimuli.blocking_send(Stimulus::NetworkChanged);
                thread::sleep(Duration::from_millis(100));
            }
        }));
    }
    ride(interfaces, drive, is_disturbed);
    is_over.store(true, Ordering::Relaxed);
    for helper in helpers {
        helper.join().expect("a helper");
    }
    let _ = stop.send(());
    daemon.join().expect("the daemon ends").expect("as it should");
    std::mem::take(&mut *seen.lock().expect("unpoisoned"))
}

/// Takes the time of each frame with samples.
fn watch(seen: Arc<Mutex<Seen>>) -> runtime::FrameWatch {
    let clock = MonoClock::new().expect("a clock");
    let mut told = None;
    Box::new(move |gateway: &Gateway, at: MonoTime, frame: &Frame| {
        let latency = clock.now().since(at);
        let verdict = gateway.verdict().map(|verdict| (verdict.event, verdict.stage, verdict.at));
        let is_word = verdict != told;
        if !is_word && !INERTIAL.contains(&frame.id().raw()) {
            return;
        }
        let mut seen = seen.lock().expect("unpoisoned");
        if let Some((event, stage, _)) = verdict.filter(|_| is_word) {
            seen.words.push((format!("crash {event} {stage:?}"), latency));
            told = verdict;
        }
        seen.latencies.push(latency);
    })
}

/// The car drives and crashes in real time.
fn ride(interfaces: &[String], drive: Duration, is_disturbed: bool) {
    let clock = MonoClock::new().expect("a clock");
    let begin = Begin { mono: clock.now(), wall: clock.wall().1.wall };
    let sockets: Vec<CanFdSocket> =
        interfaces.iter().map(|name| CanFdSocket::open(name).expect("the interface is there")).collect();
    let mut car = Car::new(1, Scenario::Crash, begin).expect("the profile fits");
    let mut lamps_at = begin.mono;
    let mut lit = 0;
    while let Some(emission) = car.next() {
        if emission.at > begin.mono + drive {
            return;
        }
        if is_disturbed && emission.at >= lamps_at {
            lamps_at = emission.at + Duration::from_millis(400);
            lit += 1;
            for (index, name) in LAMPS.into_iter().enumerate() {
                let fault = Fault::Lamp(name, Lamp::On);
                if (lit + index) % LAMPS.len() < LAMPS.len() / 2 { car.fail(fault) } else { car.heal(&fault) }
            }
        }
        let What::Frame(bus, frame) = emission.what else { continue };
        let ahead = emission.at.since(clock.now());
        if ahead > Duration::from_micros(500) {
            thread::sleep(ahead);
        }
        if let Some(socket) = sockets.get(usize::from(bus.0)) {
            send(socket, &frame);
        }
    }
}

/// Frames that no database knows, as control units of other makers send them.
fn fill(interface: &str, rate_hz: u32, is_over: &AtomicBool) {
    let socket = CanFdSocket::open(interface).expect("the interface is there");
    let burst = rate_hz * u32::try_from(FILL_EVERY.as_millis()).expect("short") / 1_000;
    let clock = MonoClock::new().expect("a clock");
    let mut next = clock.now();
    while !is_over.load(Ordering::Relaxed) {
        for index in 0..burst {
            let id = StandardId::new(u16::try_from(0x500 + index % 0x200).expect("eleven bits")).expect("eleven bits");
            let _ = socket.write_frame(&CanDataFrame::new(id, &[0; 8]).expect("eight bytes"));
        }
        next = next + FILL_EVERY;
        thread::sleep(next.since(clock.now()));
    }
}

fn send(socket: &CanFdSocket, frame: &Frame) {
    let raw = frame.id().raw();
    let id = if frame.id().is_extended() {
        Id::from(ExtendedId::new(raw).expect("29 bits"))
    } else {
        Id::from(StandardId::new(u16::try_from(raw).expect("eleven bits")).expect("eleven bits"))
    };
    // A full queue loses the frame, as a real bus does that nobody acknowledges.
    let _ = match frame.kind() {
        FrameKind::Fd { .. } => {
            socket.write_frame(&CanFdFrame::with_flags(id, frame.payload(), FdFlags::BRS).expect("at most 64 bytes"))
        }
        _ => socket.write_frame(&CanDataFrame::new(id, frame.payload()).expect("at most 8 bytes")),
    };
}

/// A way to the broker that delays each packet and does not last; its port.
fn slow_way(upstream: u16) -> u16 {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a port");
    let port = listener.local_addr().expect("an address").port();
    thread::spawn(move || {
        for client in listener.incoming().flatten() {
            let Ok(broker) = TcpStream::connect((Ipv4Addr::LOCALHOST, upstream)) else { continue };
            for (from, to) in [(&client, &broker), (&broker, &client)] {
                let (from, to) = (from.try_clone().expect("a descriptor"), to.try_clone().expect("a descriptor"));
                thread::spawn(move || pump(from, to));
            }
            thread::spawn(move || {
                thread::sleep(WAY_LASTS);
                let _ = client.shutdown(std::net::Shutdown::Both);
                let _ = broker.shutdown(std::net::Shutdown::Both);
            });
        }
    });
    port
}

fn pump(mut from: TcpStream, mut to: TcpStream) {
    let mut buffer = vec![0; 16 * 1024];
    while let Ok(count) = from.read(&mut buffer) {
        thread::sleep(WAY_DELAY);
        if count == 0 || to.write_all(&buffer[..count]).is_err() {
            return;
        }
    }
}

fn config(interfaces: &[String], (port, pki): (u16, &Pki), store: &Path, is_realtime: bool) -> Config {
    let identity = pki.issue("bench-car");
    let buses = BUSES.iter().zip(interfaces);
    let buses: Vec<_> = buses.map(|(bus, name)| format!("[bus.{bus}]\ninterface = {name:?}\n")).collect();
    let realtime = if is_realtime { "[realtime]\npriority = 50\nlock_memory = true\n" } else { "" };
    let text = format!(
        "schema = 1\nprofile = \"{}\"\n[vehicle]\nid = \"bench-car\"\n{}[broker]\nhost = \"127.0.0.1\"\nport = {port}\n\
         [broker.tls]\nca = \"{}\"\ncertificate = \"{}\"\nkey = \"{}\"\n[store]\npath = \"{}\"\n{realtime}",
        Path::new(env!("CARGO_MANIFEST_DIR")).join("profiles/demo-phev").display(),
        buses.concat(),
        pki.ca().display(),
        identity.certificate.display(),
        identity.key.display(),
        store.join("store").display(),
    );
    let file = store.join("latency.toml");
    std::fs::write(&file, text).expect("the disk has room");
    Config::load(&file, &|path| std::fs::read(path)).unwrap_or_else(|problems| panic!("{problems}"))
}
