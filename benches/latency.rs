//! From a frame in the kernel to the word of the crash classifier, with everything else under way.
//! `hil/scenarios/verdict_latency` calls this.
//!
//! The real daemon runs in this process: bus thread, store on a disk, uplink over TLS to a real mosquitto. The simulated
//! car drives and crashes on three buses: the interfaces in `TELLTALE_CAN`, or without it the loopback of UDP, which
//! leaves out what the kernel does for CAN alone (`latency/wire.rs`). For each frame with inertial samples the time is
//! taken from the kernel's receive stamp until the core has dealt with it: until the classifier has heard the samples,
//! its verdict, if any, was polled, and the record of it was asked of the store. Some five frames of a ride carry a word
//! on the crash, too few for a percentile of all frames to tell of them: they are listed, and have a table of their own.
//!
//! - *undisturbed*: the car's own traffic, the broker near.
//! - *disturbed*: the first bus filled to 4,000 frames a second (a full one of 500 kbit/s) and the second to 1,000; a way
//!   to the broker that delays each packet and cuts the connection every half second, so that a TLS handshake is always
//!   near; lamps that come and go one after the other, so that an event is committed every few hundred milliseconds; and
//!   `sync` of all disks up to ten times a second. What of all that took place is counted and printed, and a run that lacks
//!   some of it fails (`latency/disturbance.rs`).
//! - *real time*: each of the two with `[realtime]` in the deployment file, where the machine allows it.
//!
//! Frames count, in every kind of run, while lamps come and go in a disturbed one: from the end of the bulb check, ten
//! seconds after the beginning, for half a minute, with the crash in its middle.
//!
//! Beside the daemon run threads that are woken by the same frames, in real time where it is, look at the clock, and do
//! nothing else (`latency/bare.rs`): what they wait is what the machine costs with all that goes on in it.
//!
//! Each of the four is run `LATENCY_RUNS` times, in turns, and the medians are what counts: those of all runs, and those
//! of the runs that the host of a virtual machine left alone. With each are printed the frames over the budget; of these,
//! the ones that are over it also without the time for which the thread stood in the scheduler's queue, where the kernel
//! tells it; and the share of processor time that the machine's own host took away (steal).

#![expect(
    clippy::expect_used,
    clippy::panic,
    clippy::print_stdout,
    reason = "a bench stops at the first surprise and prints"
)]

use std::collections::VecDeque;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use telltale::can::Frame;
use telltale::config::{Config, Realtime};
use telltale::crash::Stage;
use telltale::gateway::Gateway;
use telltale::io::clock::MonoClock;
use telltale::runtime::{self, Plan};
use telltale::sim::{BUSES, Begin, Car, Scenario, What};
use telltale::time::MonoTime;

use bare::Bare;
use disturbance::{Account, Disturbances, Feeler, Felt, LAMPS_FROM, LAMPS_UNTIL, Lamps, SlowWay, open_buses};
use mosquitto::{Mosquitto, Pki};
use wire::{Way, Wire};

#[path = "latency/bare.rs"]
mod bare;

#[path = "latency/disturbance.rs"]
mod disturbance;

#[path = "latency/wire.rs"]
mod wire;

#[path = "../tests/support/mosquitto.rs"]
mod mosquitto;

/// Identifiers of the messages with accelerations: `InertialHigh`, `InertialLow`.
const INERTIAL: [u32; 2] = [96, 224];
/// So many frames may have come while the thread waited.
const HISTORY: usize = 1_024;
/// What is measured, in this order; each disturbed run is compared with the undisturbed one before it.
const KINDS: [Kind; 4] = [
    Kind { name: "undisturbed", is_disturbed: false, is_realtime: false },
    Kind { name: "disturbed", is_disturbed: true, is_realtime: false },
    Kind { name: "undisturbed, real time", is_disturbed: false, is_realtime: true },
    Kind { name: "disturbed, real time", is_disturbed: true, is_realtime: true },
];

/// What is told of the latencies; of the bare readers' only the third.
const SHARES: [f64; 4] = [0.5, 0.99, 0.999, 1.0];
const BARE_SHARE: f64 = 0.999;
/// What the daemon runs with in real time; the bare readers go before it, within what docs/operations.md allows.
const REALTIME: Realtime = Realtime { priority: Some(49), lock_memory: true };
/// Those, and the bare readers'.
const FIGURES: usize = SHARES.len() + 1;
/// A run of which the host took more than this away says more about the host.
const QUIET_PERCENT: f64 = 0.2;
/// What p99.9 is to be below.
const BUDGET: Duration = Duration::from_millis(1);

/// What one run has shown: [`SHARES`] and [`BARE_SHARE`] in µs, and what the host took away meanwhile.
struct Row {
    figures: [f64; FIGURES],
    stolen_percent: f64,
}

#[derive(Clone, Copy)]
struct Kind {
    name: &'static str,
    is_disturbed: bool,
    is_realtime: bool,
}

fn main() {
    let way = Way::new(std::env::var("TELLTALE_CAN").ok().as_deref());
    let runs = std::env::var("LATENCY_RUNS").ok().and_then(|text| text.parse::<u64>().ok()).unwrap_or(1).max(1);
    println!("frames come through {}", way.describe());
    println!("from the kernel's stamp to the core's word, in µs:\n");
    println!(
        "| run | kind                   | frames |   p50 |    p99 |  p99.9 |    max | bare reader, p99.9 | over 1 ms | of them not for want of a processor | steal |"
    );
    println!(
        "|-----|------------------------|--------|-------|--------|--------|--------|--------------------|-----------|-------------------------------------|-------|"
    );
    let mut all: [Vec<Row>; KINDS.len()] = Default::default();
    let mut words: [Vec<Duration>; KINDS.len()] = Default::default();
    for number in 1..=runs {
        for ((kind, rows), words) in KINDS.iter().zip(&mut all).zip(&mut words) {
            let before = Processor::look();
            let seen = run(&way, *kind);
            words.extend(seen.words.iter().map(|(.., latency)| *latency));
            let stolen_percent = before.stolen_percent();
            rows.push(Row { figures: seen.print(number, kind.name, stolen_percent), stolen_percent });
        }
    }
    print_medians("all runs", &all, f64::INFINITY);
    print_medians(&format!("runs of which the host took at most {QUIET_PERCENT} %"), &all, QUIET_PERCENT);
    println!("\n| frames with a word on the crash | words | p50 | max |\n|---|---|---|---|");
    for (kind, words) in KINDS.iter().zip(&mut words) {
        words.sort_unstable();
        println!("| {} | {} | {:.0} | {:.0} |", kind.name, words.len(), at_share(words, 0.5), at_share(words, 1.0));
    }
    std::process::exit(0);
}

/// Medians, smallest and largest p99.9, and ratios, over the runs of which the host took no more than that.
fn print_medians(which: &str, all: &[Vec<Row>], most_stolen_percent: f64) {
    println!(
        "\n| medians, {which} | runs | p50 | p99 | p99.9 | least to most | max | bare reader, p99.9 | p99.9 to undisturbed | \
         p99.9 to bare reader |"
    );
    println!("|---|---|---|---|---|---|---|---|---|---|");
    let mut base_us = f64::NAN;
    for (kind, rows) in KINDS.iter().zip(all) {
        let rows: Vec<_> = rows.iter().filter(|row| row.stolen_percent <= most_stolen_percent).collect();
        let [p50, p99, p999, max, bare] =
            std::array::from_fn(|figure| median(rows.iter().map(|row| row.figures[figure])));
        if !kind.is_disturbed {
            base_us = p999;
        }
        let p999s = || rows.iter().map(|row| row.figures[2]);
        println!(
            "| {} | {} | {p50:.0} | {p99:.0} | {p999:.0} | {:.0} to {:.0} | {max:.0} | {bare:.0} | {:.1} | {:.1} |",
            kind.name,
            rows.len(),
            p999s().fold(f64::NAN, f64::min),
            p999s().fold(f64::NAN, f64::max),
            p999 / base_us,
            p999 / bare
        );
    }
}

/// No number where there are no values.
fn median(values: impl Iterator<Item = f64>) -> f64 {
    let mut values: Vec<f64> = values.collect();
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or(f64::NAN)
}

/// In µs, of sorted latencies.
fn at_share(latencies: &[Duration], share: f64) -> f64 {
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        clippy::cast_precision_loss,
        reason = "an index"
    )]
    let index = ((latencies.len() as f64 * share) as usize).min(latencies.len().saturating_sub(1));
    latencies.get(index).map_or(0.0, |latency| latency.as_secs_f64() * 1e6)
}

/// What was seen on the bus thread, and by the bare readers.
#[derive(Debug, Default)]
struct Seen {
    latencies: Vec<Duration>,
    bare: Vec<Duration>,
    /// Frames over the budget, and how many of them the thread was late with though it did not wait for a processor;
    /// nothing where that is not known.
    late: u64,
    late_at_work: Option<u64>,
    /// The words on the crash: its number, the stage, and the latency of the frame that each followed from.
    words: Vec<(u32, Stage, Duration)>,
    /// What there was of the disturbances, where there were to be any.
    disturbances: Option<Account>,
}

impl Seen {
    /// Prints a line; gives the figures in it.
    fn print(mut self, run: u64, what: &str, stolen_percent: f64) -> [f64; FIGURES] {
        self.latencies.sort_unstable();
        self.bare.sort_unstable();
        let [p50, p99, p999, max] = SHARES.map(|share| at_share(&self.latencies, share));
        let bare = at_share(&self.bare, BARE_SHARE);
        println!(
            "| {run:>3} | {what:<22} | {:>6} | {p50:>5.0} | {p99:>6.0} | {p999:>6.0} | {max:>6.0} | {bare:>18.0} | {:>9} | \
             {:>35} | {stolen_percent:>3.1} % |",
            self.latencies.len(),
            self.late,
            self.late_at_work.map_or_else(|| "unknown".to_owned(), |late| late.to_string()),
        );
        for (event, stage, latency) in &self.words {
            println!("  (crash {event} {stage:?}: {:.0} µs)", latency.as_secs_f64() * 1e6);
        }
        if let Some(account) = &self.disturbances {
            println!("{account}");
            account.check();
        }
        assert!(self.words.iter().any(|(_, stage, _)| *stage >= Stage::Confirmed), "the crash was not recognised");
        assert!(!self.bare.is_empty(), "the bare readers have heard nothing");
        [p50, p99, p999, max, bare]
    }
}

/// The machine's processor time so far, in ticks: the first line of /proc/stat (proc(5)).
struct Processor {
    all: u64,
    steal: u64,
}

impl Processor {
    fn look() -> Self {
        let text = std::fs::read_to_string("/proc/stat").unwrap_or_default();
        let line = text.lines().next().unwrap_or_default();
        let ticks: Vec<u64> = line.split_whitespace().filter_map(|word| word.parse().ok()).collect();
        // user nice system idle iowait irq softirq steal
        Self { all: ticks.iter().take(8).sum(), steal: ticks.get(7).copied().unwrap_or_default() }
    }

    #[expect(clippy::cast_precision_loss, reason = "a share in per cent")]
    fn stolen_percent(&self) -> f64 {
        let now = Self::look();
        100.0 * (now.steal - self.steal) as f64 / (now.all - self.all).max(1) as f64
    }
}

/// One life of the daemon.
fn run(way: &Way, kind: Kind) -> Seen {
    let Kind { is_disturbed, is_realtime, .. } = kind;
    let pki = Pki::new("latency");
    let broker = Mosquitto::start(false, Some(&pki)).expect("mosquitto is installed");
    let slow_way = is_disturbed.then(|| SlowWay::new(broker.tls_port));
    let folder = tempfile::tempdir_in(std::env::var_os("LATENCY_DISK").unwrap_or_else(|| "/tmp".into()));
    let folder = folder.expect("a folder for the store");
    let port = slow_way.as_ref().map_or(broker.tls_port, |slow_way| slow_way.port);
    let config = config(way, (port, &pki), folder.path(), is_realtime);
    let open_buses = open_buses(way, &config.profile);
    let felt = Arc::new(Felt::default());
    let counts = Arc::new(AtomicBool::new(false));
    let seen = Arc::new(Mutex::new(Seen {
        latencies: Vec::with_capacity(1 << 17),
        words: Vec::with_capacity(64),
        ..Seen::default()
    }));
    let (stimuli, stimulus_queue) = tokio::sync::mpsc::channel(16);
    let (stop, stopped) = tokio::sync::oneshot::channel();
    let (wires, sockets) = way.open();
    let plan = Plan {
        sockets,
        frame_watch: Some(watch(Arc::clone(&seen), Feeler::new(Arc::clone(&felt)), Arc::clone(&counts))),
        stimuli: Some(stimulus_queue),
        stop: Some(stopped),
        ..Plan::new(config, Box::new(|| ()))
    };
    let daemon = thread::spawn(move || runtime::run(plan));
    thread::sleep(Duration::from_secs(3));
    let disturbances =
        slow_way.map(|slow_way| Disturbances::begin((slow_way, felt), (way, &wires, open_buses), stimuli));
    let bare = Bare::start(way, is_realtime.then_some(REALTIME), &counts);
    ride(&wires, &bare, is_disturbed, &counts);
    let bare = bare.end();
    let disturbances = disturbances.map(Disturbances::end);
    let _ = stop.send(());
    daemon.join().expect("the daemon ends").expect("as it should");
    Seen { bare, disturbances, ..std::mem::take(&mut *seen.lock().expect("unpoisoned")) }
}

/// Takes the time of each frame with samples, while it counts.
fn watch(seen: Arc<Mutex<Seen>>, mut feeler: Feeler, counts: Arc<AtomicBool>) -> runtime::FrameWatch {
    let clock = MonoClock::new().expect("a clock");
    let mut told = None;
    // Of the last frames: when the core had dealt with them, and how long the thread had waited until then.
    let mut history: VecDeque<(MonoTime, Duration)> = VecDeque::with_capacity(HISTORY);
    Box::new(move |gateway: &Gateway, at: MonoTime, frame: &Frame| {
        let latency = clock.now().since(at);
        feeler.hear(frame);
        let verdict = gateway.verdict().map(|verdict| (verdict.event, verdict.stage, verdict.at));
        let is_word = verdict != told;
        if !is_word && !INERTIAL.contains(&frame.id().raw()) {
            return;
        }
        let before = history.iter().rev().find(|(then, _)| *then <= at).map_or(Duration::ZERO, |(_, then)| *then);
        let waited = waited();
        if history.len() == HISTORY {
            history.pop_front();
        }
        history.push_back((at + latency, waited.unwrap_or_default()));
        feeler.look(gateway);
        if !counts.load(Ordering::Relaxed) {
            return;
        }
        let mut seen = seen.lock().expect("unpoisoned");
        seen.late += u64::from(latency > BUDGET);
        if let Some(waited) = waited {
            let is_at_work = latency.saturating_sub(waited.saturating_sub(before)) > BUDGET;
            seen.late_at_work = Some(seen.late_at_work.unwrap_or_default() + u64::from(is_at_work));
        }
        if let Some((event, stage, _)) = verdict.filter(|_| is_word) {
            seen.words.push((event, stage, latency));
            told = verdict;
        }
        seen.latencies.push(latency);
    })
}

/// How long the calling thread has waited for a processor so far, though it had something to do: the second number in
/// its schedstat (Documentation/scheduler/sched-stats.rst). Nothing where the kernel does not tell.
fn waited() -> Option<Duration> {
    let text = std::fs::read_to_string("/proc/thread-self/schedstat").ok()?;
    text.split_whitespace().nth(1)?.parse().ok().map(Duration::from_nanos)
}

/// The car drives and crashes in real time; says from when to when the frames count.
fn ride(wires: &[Wire], bare: &Bare, is_disturbed: bool, counts: &AtomicBool) {
    let clock = MonoClock::new().expect("a clock");
    let begin = Begin { mono: clock.now(), wall: clock.wall().1.wall };
    let mut car = Car::new(1, Scenario::Crash, begin).expect("the profile fits");
    let mut lamps = is_disturbed.then(|| Lamps::new(begin.mono));
    while let Some(emission) = car.next() {
        if emission.at > begin.mono + LAMPS_UNTIL {
            break;
        }
        if emission.at > begin.mono + LAMPS_FROM {
            counts.store(true, Ordering::Relaxed);
        }
        if let Some(lamps) = &mut lamps {
            lamps.turn(&mut car, emission.at);
        }
        let What::Frame(bus, frame) = emission.what else { continue };
        let ahead = emission.at.since(clock.now());
        if ahead > Duration::from_micros(500) {
            thread::sleep(ahead);
        }
        if let Some(wire) = wires.get(usize::from(bus.0)) {
            // A full queue loses the frame, as a real bus does that nobody acknowledges.
            let _ = wire.send(&frame);
            bare.sent(&frame);
        }
    }
    counts.store(false, Ordering::Relaxed);
}

fn config(way: &Way, (port, pki): (u16, &Pki), store: &Path, is_realtime: bool) -> Config {
    let identity = pki.issue("bench-car");
    let buses = BUSES.iter().enumerate();
    let buses: Vec<_> =
        buses.map(|(index, bus)| format!("[bus.{bus}]\ninterface = {:?}\n", way.interface(index))).collect();
    let realtime = match REALTIME {
        Realtime { priority: Some(priority), lock_memory } if is_realtime => {
            format!("[realtime]\npriority = {priority}\nlock_memory = {lock_memory}\n")
        }
        _ => String::new(),
    };
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
