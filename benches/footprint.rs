//! What the daemon takes: time to the first frame, memory, processor, flash. `benches/footprint.sh` builds what is
//! measured, makes the disk and the interfaces, and calls this there; by itself this measures nothing.
//!
//! - *start*: from just before the fork to the line `first frame decoded` on standard error, on buses that the
//!   simulated car, a thread of this program, has filled already. The store is that of the start before. And, without
//!   `TELLTALE_CAN`, on the machine itself, which need not have CAN: up to the first look for an interface.
//! - *memory*, *processor*: `VmRSS` and the ticks of the daemon, driven at the car's full rate, a broker beside it.
//! - *flash*: a day's commute (two drives and what lies between) and an hour of the tour, which packs into minutes what
//!   happens to a car in a week, in virtual time through the gateway and the real store; the sectors that the disk has
//!   written since the store was open, file system and journal included.
//! - *filled store*: a drive without a link fills the store; the daemon then opens it and stays without a link.

#![expect(
    clippy::expect_used,
    clippy::panic,
    clippy::print_stdout,
    reason = "a bench stops at the first surprise and prints"
)]

use std::collections::BTreeMap;
use std::fs;
use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStderr, Command, Stdio};
use std::sync::mpsc::sync_channel;
use std::thread;
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::{Pid, SysconfVar, sync, sysconf};
use socketcan::id::FdFlags;
use socketcan::{CanDataFrame, CanFdFrame, CanFdSocket, EmbeddedFrame as _, ExtendedId, Id, Socket as _, StandardId};
use telltale::can::{Frame, FrameKind};
use telltale::gateway::{StoreEvent, StoreRequest, StoreTicket};
use telltale::io::store::{OPEN_DEADLINE, Store, claim_boot};
use telltale::sim::{BUSES, Begin, Car, Scenario, What};

use lab::{Feed, Lab, START, WALL};

#[path = "common/lab.rs"]
mod lab;

const STARTS: usize = 20;
/// What the daemon logs when it has decoded the first frame.
const FIRST_FRAME: &str = "first frame decoded";
/// What it logs when it has looked for an interface that is not there.
const NO_INTERFACE: &str = "cannot open the CAN interface";
const HOUR: Duration = Duration::from_secs(3_600);
/// The commute ends before it.
const DAY: Duration = Duration::from_secs(24 * 3_600);
const BROKER_PORT: u16 = 18_830;
/// 64 MiB, as the deployment file may set at most, of which records take three quarters.
const STORE_MIB: u64 = 64;
/// For the daemon to open a filled store and to load from it.
const SETTLE: Duration = Duration::from_secs(20);

fn main() {
    let path = |name| std::env::var_os(name).map(PathBuf::from);
    let (Some(daemon), Some(disk)) = (path("FOOTPRINT_DAEMON"), path("FOOTPRINT_DISK")) else {
        println!("skipped: run benches/footprint.sh, which makes what this needs");
        return;
    };
    let Ok(interfaces) = std::env::var("TELLTALE_CAN") else {
        // The machine itself: as far as the daemon gets without an interface.
        let site = Site { daemon, disk, interfaces: vec!["missing0".into(), "missing1".into(), "missing2".into()] };
        return site.measure_starts("exec to first look for an interface", NO_INTERFACE);
    };
    let seconds = |name, default| {
        Duration::from_secs(std::env::var(name).ok().and_then(|text| text.parse().ok()).unwrap_or(default))
    };
    let drive = seconds("FOOTPRINT_DRIVE_S", 60);
    let virtual_drive = seconds("FOOTPRINT_VIRTUAL_S", HOUR.as_secs());
    let site = Site { daemon, disk, interfaces: words(&interfaces) };

    let day = flash(&site.disk.join("commute"), Scenario::Commute, DAY, true);
    row("flash written, a day with two drives", None, day, "KiB");
    let tour = flash(&site.disk.join("tour"), Scenario::Tour, virtual_drive, true);
    row("flash written, tour", Some((1024.0, "KiB/h")), per_hour(tour, virtual_drive), "KiB/h");
    let full_store = site.disk.join("full");
    let gap = seconds("FOOTPRINT_GAP_S", HOUR.as_secs());
    let cut = flash(&full_store, Scenario::Tour, gap, false);
    row("flash written, tour without a link", None, per_hour(cut, gap), "KiB/h");

    thread::scope(|scope| {
        for (bus, interface) in (0_u8..).zip(&site.interfaces) {
            let socket = CanFdSocket::open(interface).expect("the interface is there");
            scope.spawn(move || send_forever(bus, &socket));
        }
        thread::sleep(Duration::from_secs(2));
        site.measure_starts("exec to first frame decoded, in the guest", FIRST_FRAME);
        site.measure_drive(drive);
        site.measure_full_store(&full_store);
        // The car never stops by itself.
        std::process::exit(0);
    });
}

fn words(text: &str) -> Vec<String> {
    text.split(',').map(str::to_owned).collect()
}

/// A line of the table: what, budget, figure, verdict.
fn row(what: &str, budget: Option<(f64, &str)>, figure: f64, unit: &str) {
    let (limit, verdict) = match budget {
        None => ("-".to_owned(), "-"),
        Some((limit, unit)) => (format!("{limit} {unit}"), if figure < limit { "met" } else { "MISSED" }),
    };
    println!("| {what:<42} | {limit:>11} | {:>16} | {verdict:<6} |", format!("{figure:.1} {unit}"));
}

// --- flash --------------------------------------------------------------------------------------------------------

fn per_hour(kib: f64, drive: Duration) -> f64 {
    kib * HOUR.as_secs_f64() / drive.as_secs_f64()
}

/// KiB that the disk writes while the car lives through the scenario, for `drive` at most.
fn flash(folder: &Path, scenario: Scenario, drive: Duration, is_online: bool) -> f64 {
    let claim = claim_boot(folder).expect("the store is free");
    let boot = claim.boot_counter();
    let (answers, events) = sync_channel::<StoreEvent>(64);
    let store = Store::start(claim, OPEN_DEADLINE, move |event| {
        let _ = answers.send(event);
    });
    let store = store.expect("a thread");
    let opened = events.recv().expect("the store lives");
    assert!(matches!(opened, StoreEvent::Opened(_)), "{opened:?}");
    let mut requests = BTreeMap::<&str, u32>::new();
    let submit = |ticket: StoreTicket, request: StoreRequest| {
        *requests.entry(kind(&request)).or_default() += 1;
        match store.submit(ticket, request) {
            Ok(()) => events.recv().expect("the store lives"),
            Err(refusal) => refusal,
        }
    };
    let mut lab = Lab::new(lab::profile("demo-phev"), boot, is_online, submit);
    let before = written_kib();
    let car = Car::new(1, scenario, Begin { mono: START, wall: WALL }).expect("the profile fits the car");
    for emission in car.take_while(|emission| emission.at <= START + drive) {
        match emission.what {
            What::Frame(bus, frame) => lab.feed(emission.at, &Feed::Frame(bus, frame)),
            What::Nmea(sentences) => lab.feed(emission.at, &Feed::Gnss(sentences)),
            What::Coverage(_) | What::Note(_) => {}
        }
    }
    let written = written_kib() - before;
    let publications = lab.publications;
    drop(lab);
    println!("  ({publications} messages, {} commits, requests: {requests:?})", store.status().commits);
    assert!(store.close(OPEN_DEADLINE), "the store ends");
    written
}

const fn kind(request: &StoreRequest) -> &'static str {
    match request {
        StoreRequest::Commit { records, .. } if records.is_empty() => "save",
        StoreRequest::Commit { values, .. } if values.is_empty() => "append",
        StoreRequest::Commit { .. } => "append and save",
        StoreRequest::Remove(_) => "remove",
        StoreRequest::Load { .. } => "load",
    }
}

/// What the guest's disk has written so far: field 7 of Documentation/block/stat.rst, in sectors of 512 bytes.
fn written_kib() -> f64 {
    sync();
    let stat = fs::read_to_string("/sys/block/ubda/stat").expect("the bench has a disk");
    let sectors: f64 = stat.split_whitespace().nth(6).expect("seven fields").parse().expect("a number");
    sectors / 2.0
}

// --- the car ------------------------------------------------------------------------------------------------------

/// Plays one bus of the tour in real time.
fn send_forever(bus: u8, socket: &CanFdSocket) {
    let begin = now();
    let car = Car::new(1, Scenario::Tour, Begin { mono: START, wall: WALL }).expect("the profile fits the car");
    for emission in car {
        let What::Frame(on, frame) = emission.what else { continue };
        if on.0 != bus {
            continue;
        }
        thread::sleep(emission.at.since(START).saturating_sub(begin.elapsed()));
        let _ = send(socket, &frame);
    }
}

fn send(socket: &CanFdSocket, frame: &Frame) -> std::io::Result<()> {
    let raw = frame.id().raw();
    let id = if frame.id().is_extended() {
        Id::from(ExtendedId::new(raw).expect("29 bits"))
    } else {
        Id::from(StandardId::new(u16::try_from(raw).expect("11 bits")).expect("11 bits"))
    };
    match frame.kind() {
        FrameKind::Fd { .. } => {
            socket.write_frame(&CanFdFrame::with_flags(id, frame.payload(), FdFlags::empty()).expect("64 bytes"))
        }
        _ => socket.write_frame(&CanDataFrame::new(id, frame.payload()).expect("8 bytes")),
    }
}

#[expect(clippy::disallowed_methods, reason = "a bench measures real time")]
fn now() -> Instant {
    Instant::now()
}

// --- the daemon ---------------------------------------------------------------------------------------------------

/// Where the daemon is measured.
struct Site {
    daemon: PathBuf,
    disk: PathBuf,
    interfaces: Vec<String>,
}

/// A daemon that has given the sign that was waited for.
struct Running {
    child: Child,
    log: BufReader<ChildStderr>,
    started: Duration,
}

impl Site {
    fn measure_starts(&self, what: &str, sign: &str) {
        let config = self.config("driving", &self.disk.join("driving"));
        let mut starts: Vec<f64> = (0..STARTS)
            .map(|_| {
                let running = self.start(&config, sign);
                let ms = running.started.as_secs_f64() * 1e3;
                running.stop();
                ms
            })
            .collect();
        starts.sort_by(f64::total_cmp);
        println!("  ({STARTS} starts: {:.1} to {:.1} ms)", starts[0], starts[STARTS - 1]);
        row(what, Some((50.0, "ms")), starts[STARTS / 2], "ms");
    }

    fn measure_drive(&self, drive: Duration) {
        let mut broker = Command::new("mosquitto")
            .args(["-p", &BROKER_PORT.to_string()])
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("mosquitto is installed");
        thread::sleep(Duration::from_secs(1));
        let running = self.start(&self.config("driving", &self.disk.join("driving")), FIRST_FRAME);
        // The log must be read, or the daemon would wait for its reader.
        let (running, reader) = running.read_on();
        let before = ticks(running.id());
        thread::sleep(drive);
        let used = ticks(running.id()) - before;
        row("resident memory, driving", Some((16.0, "MiB")), memory_mib(running.id(), "VmRSS"), "MiB");
        row("  of it not shared with files", None, memory_mib(running.id(), "RssAnon"), "MiB");
        row("share of a core in the guest, driving", None, used / drive.as_secs_f64() * 100.0, "%");
        stop(running);
        let _ = reader.join();
        let _ = broker.kill();
        let _ = broker.wait();
    }

    fn measure_full_store(&self, store: &Path) {
        let config = self.config("full", store);
        let (running, reader) = self.start(&config, FIRST_FRAME).read_on();
        thread::sleep(SETTLE);
        row("store after the drive without a link", None, folder_mib(store), "MiB");
        row("resident memory with that store, no link", Some((32.0, "MiB")), memory_mib(running.id(), "VmRSS"), "MiB");
        stop(running);
        let _ = reader.join();
    }

    fn config(&self, name: &str, store: &Path) -> PathBuf {
        let profile = Path::new(env!("CARGO_MANIFEST_DIR")).join("profiles/demo-phev");
        let buses = BUSES.iter().zip(&self.interfaces);
        let buses: Vec<_> = buses.map(|(bus, name)| format!("[bus.{bus}]\ninterface = {name:?}\n")).collect();
        let text = format!(
            "schema = 1\nprofile = {:?}\n[vehicle]\nid = \"bench-car\"\n{}[broker]\nhost = \"127.0.0.1\"\n\
             port = {BROKER_PORT}\n[store]\npath = {:?}\nlimit_mib = {STORE_MIB}\n",
            profile.display().to_string(),
            buses.concat(),
            store.display().to_string(),
        );
        let file = self.disk.join(format!("{name}.toml"));
        fs::write(&file, text).expect("the disk has room");
        file
    }

    fn start(&self, config: &Path, sign: &str) -> Running {
        let begin = now();
        let mut child = Command::new(&self.daemon)
            .args(["run", "--config"])
            .arg(config)
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .expect("the daemon can be started");
        let mut log = BufReader::new(child.stderr.take().expect("a pipe"));
        let mut seen = String::new();
        let mut line = 0;
        while !seen[line..].contains(sign) {
            line = seen.len();
            if log.read_line(&mut seen).expect("the log is text") == 0 {
                let _ = child.wait();
                panic!("the daemon ended: {seen}");
            }
        }
        Running { child, log, started: begin.elapsed() }
    }
}

impl Running {
    fn stop(self) {
        let (child, reader) = self.read_on();
        stop(child);
        let _ = reader.join();
    }

    fn read_on(self) -> (Child, thread::JoinHandle<u64>) {
        let mut log = self.log;
        let reader = thread::spawn(move || std::io::copy(&mut log, &mut std::io::sink()).unwrap_or(0));
        (self.child, reader)
    }
}

fn stop(mut child: Child) {
    let _ = kill(pid(child.id()), Signal::SIGTERM);
    let _ = child.wait();
}

fn pid(id: u32) -> Pid {
    Pid::from_raw(i32::try_from(id).expect("a process id"))
}

fn memory_mib(id: u32, field: &str) -> f64 {
    let status = fs::read_to_string(format!("/proc/{id}/status")).expect("the daemon lives");
    let line = status.lines().find_map(|line| line.strip_prefix(field)?.strip_prefix(':')).expect("the field");
    line.trim().trim_end_matches(" kB").parse::<f64>().expect("a number") / 1024.0
}

/// Seconds of processor time, user and system.
fn ticks(id: u32) -> f64 {
    let stat = fs::read_to_string(format!("/proc/{id}/stat")).expect("the daemon lives");
    let fields: Vec<&str> = stat.rsplit(')').next().expect("a name").split_whitespace().collect();
    let ticks: f64 = fields[11].parse::<f64>().expect("utime") + fields[12].parse::<f64>().expect("stime");
    let per_second = sysconf(SysconfVar::CLK_TCK).expect("a limit").expect("a number");
    ticks / f64::from(i32::try_from(per_second).expect("a hundred"))
}

fn folder_mib(folder: &Path) -> f64 {
    f64::from(u32::try_from(folder_bytes(folder) / 1024).expect("below 4 TiB")) / 1024.0
}

fn folder_bytes(folder: &Path) -> u64 {
    let entries = fs::read_dir(folder).expect("the folder").flatten();
    entries
        .map(|entry| match entry.metadata().expect("its metadata") {
            metadata if metadata.is_dir() => folder_bytes(&entry.path()),
            metadata => metadata.len(),
        })
        .sum()
}
