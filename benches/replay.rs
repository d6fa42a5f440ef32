//! The whole gateway over a drive in virtual time: processor time per frame, beside the parts of it.
//!
//! The frames of one drive go through the gateway (timers, services, publishing, delivery; a broker and a store that
//! answer at once), through the intake alone (checks, values, quality), and through the decode plans alone, which are
//! the limit. The three run in turn over pieces of the drive, round after round, each time from the beginning.
//! The figures are means over a round, which hold the rare and expensive inputs too, and of these the median.
//!
//! Drives: the simulated car on its tour, and the recording of a real one where `TELLTALE_DATA` has it.

#![expect(clippy::expect_used, clippy::print_stdout, reason = "a bench stops at the first surprise and prints")]

use std::hint::black_box;
use std::time::Duration;

use nix::time::{ClockId, clock_gettime};
use telltale::can::{BusId, candump};
use telltale::config::Profile;
use telltale::gateway::{StoreEvent, StoreRequest};
use telltale::sim::{Begin, Car, Scenario, What};
use telltale::time::MonoTime;

use lab::{Feed, Lab, START, WALL};

#[path = "../tests/common/data.rs"]
mod data;
#[path = "common/lab.rs"]
mod lab;

const ROUNDS: usize = 5;
const PIECE: usize = 2_500;
/// From the parked car over a drive without coverage to the stop for fuel.
const TOUR: Duration = Duration::from_secs(120);
/// A full bus of 500 kbit/s.
const BUS_FRAMES_PER_S: f64 = 4_000.0;
/// The budget: docs/performance.md.
const BUDGET_PERCENT: f64 = 2.0;

type Drive = Vec<(MonoTime, Feed)>;

fn main() {
    measure("demo-phev, simulated tour", &lab::profile("demo-phev"), &tour());
    if let Some(path) = data::data("can/rav4_2016.log") {
        let log = std::fs::read(path).expect("the recording can be read");
        measure("toyota-rav4, recorded drive", &lab::profile("toyota-rav4"), &recorded(&log));
    }
}

fn tour() -> Drive {
    let car = Car::new(1, Scenario::Tour, Begin { mono: START, wall: WALL }).expect("the profile fits the car");
    let seen = car.take_while(|emission| emission.at <= START + TOUR).filter_map(|emission| match emission.what {
        What::Frame(bus, frame) => Some((emission.at, Feed::Frame(bus, frame))),
        What::Nmea(sentences) => Some((emission.at, Feed::Gnss(sentences))),
        What::Coverage(_) | What::Note(_) => None,
    });
    seen.collect()
}

fn recorded(log: &[u8]) -> Drive {
    let mut first = None;
    let lines = log.split(|byte| *byte == b'\n').filter_map(|line| candump::parse(line).ok().flatten());
    lines
        .filter_map(|line| {
            let us = line.time?.as_unix_micros();
            let since_us = u64::try_from(us - *first.get_or_insert(us)).unwrap_or(0);
            Some((START + Duration::from_micros(since_us), Feed::Frame(BusId(0), line.frame)))
        })
        .collect()
}

/// What the three ways took in one round.
#[derive(Default)]
struct Times {
    gateway: Duration,
    intake: Duration,
    plan: Duration,
}

fn measure(name: &str, profile: &Profile, drive: &Drive) {
    let frames = drive.iter().filter(|(_, feed)| matches!(feed, Feed::Frame(..))).count();
    let seconds = drive.last().map_or(0.0, |(at, _)| at.since(START).as_secs_f64());
    println!("{name}: {frames} frames in {seconds:.0} s, {} signals, {ROUNDS} rounds", profile.signals.len());
    let mut publications = 0;
    let rounds: Vec<Times> = (0..ROUNDS).map(|_| round(profile, drive, &mut publications)).collect();
    let per_frame = |part: fn(&Times) -> Duration| {
        let mut figures: Vec<f64> = rounds.iter().map(|times| part(times).as_secs_f64() / real(frames)).collect();
        figures.sort_by(f64::total_cmp);
        figures[figures.len() / 2]
    };
    let (gateway, intake, plan) =
        (per_frame(|times| times.gateway), per_frame(|times| times.intake), per_frame(|times| times.plan));
    for (part, cost) in [("gateway", gateway), ("intake alone", intake), ("decode plans alone", plan)] {
        println!("  {part:<20} {:8.3} us/frame  {:12.0} frames/s  {:7.1} x plans", cost * 1e6, 1.0 / cost, cost / plan);
    }
    let share = gateway * BUS_FRAMES_PER_S * 100.0;
    let verdict = if share < BUDGET_PERCENT { "met" } else { "MISSED" };
    println!(
        "  a full bus of {BUS_FRAMES_PER_S} frames/s takes {share:.2} % of a core (budget {BUDGET_PERCENT} %: {verdict})"
    );
    println!("  {publications} messages published in a round");
}

fn round(profile: &Profile, drive: &Drive, publications: &mut u64) -> Times {
    let mut lab = Lab::new(profile.clone(), 1, true, |ticket, request| match request {
        StoreRequest::Load { .. } => StoreEvent::Loaded(ticket, Vec::new()),
        _ => StoreEvent::Done(ticket),
    });
    let (mut intake, mut signals) = (profile.intake(), profile.table().expect("a table"));
    let mut values = vec![0.0; profile.buses.iter().map(|bus| bus.plan.signal_count()).max().unwrap_or(0)];
    let mut times = Times::default();
    for piece in drive.chunks(PIECE) {
        times.gateway += timed(|| {
            for (at, feed) in black_box(piece) {
                lab.feed(*at, feed);
            }
        });
        times.intake += timed(|| {
            for (at, feed) in black_box(piece) {
                if let Feed::Frame(bus, frame) = feed {
                    intake.expire(*at, &mut signals);
                    intake.frame(*at, *bus, frame, &mut signals);
                }
            }
        });
        times.plan += timed(|| {
            for (_, feed) in black_box(piece) {
                if let Feed::Frame(bus, frame) = feed {
                    profile.buses[usize::from(bus.0)].plan.decode(frame, |signal, sample| {
                        values[signal.index()] = sample.map_or(f64::NAN, |sample| sample.physical);
                    });
                }
            }
        });
        black_box((&signals, &values));
    }
    *publications = lab.publications;
    times
}

fn timed(run: impl FnOnce()) -> Duration {
    let begin = cpu_time();
    run();
    cpu_time().saturating_sub(begin)
}

/// Processor time of this thread: what others do on the machine is not in it, but for the caches.
fn cpu_time() -> Duration {
    clock_gettime(ClockId::CLOCK_THREAD_CPUTIME_ID).expect("the thread has a clock").into()
}

#[expect(clippy::cast_precision_loss, reason = "some hundred thousand")]
fn real(count: usize) -> f64 {
    count as f64
}
