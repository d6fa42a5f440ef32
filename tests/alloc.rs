//! The way of a frame from the log or the wire to its values, to the crash classifier and into the black box allocates
//! nothing.

#![expect(unsafe_code, reason = "an allocator that counts must be an allocator")]
#![expect(clippy::panic, reason = "a test fails by panicking")]

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use std::path::Path;
use std::time::Duration;

use telltale::can::dbc::Dbc;
use telltale::can::e2e::{Checksum, Counter, Field, Protection, State};
use telltale::can::health::BusHealth;
use telltale::can::plan::Plan;
use telltale::can::{BusId, CanId, Frame, FrameKind, candump};
use telltale::config::Profile;
use telltale::crash::black_box::{
    BEFORE, BlackBoxEvent, Channel, Identity, PAGE_BYTES, Recorder, Survey, VALUES_PER_SECOND_MAX,
};
use telltale::crash::{
    Belts, Classifier, Mounting, Observation, Orientation, Quantity, Restraint, Sample, SensorIx, SensorSpec, Stage,
    Verdict,
};
use telltale::delivery::BootId;
use telltale::time::{KernelBoot, MonoTime};

#[path = "common/small_profile.rs"]
mod small_profile;

struct Counting;

thread_local! {
    static ALLOCATIONS: Cell<u64> = const { Cell::new(0) };
}

// SAFETY: every call is passed on unchanged to the system's allocator; the counter allocates nothing.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        ALLOCATIONS.with(|count| count.set(count.get() + 1));
        // SAFETY: the caller keeps the contract of `alloc`, which is the same there.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        // SAFETY: the caller keeps the contract of `dealloc`, and the block came from the system's allocator.
        unsafe { System.dealloc(pointer, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

fn allocations(run: impl FnOnce()) -> u64 {
    let before = ALLOCATIONS.with(Cell::get);
    run();
    ALLOCATIONS.with(Cell::get) - before
}

const DBC: &str = "BO_ 1 M: 8 X\n SG_ Root M : 0|8@1+ (1,0) [0|0] \"\" X\n SG_ Inner m1M : 8|4@1+ (1,0) [0|0] \"\" X\n\
    \x20SG_ Leaf m2 : 23|12@0- (0.5,0) [0|0] \"\" X\n SG_ Count : 12|4@1+ (1,0) [0|0] \"\" X\n\
    BO_ 2147483650 F: 64 X\n SG_ Float : 3|32@1- (1,0) [0|0] \"\" X\n SG_ Wide : 101|64@0+ (1,0) [0|0] \"\" X\n\
    BO_ 1074791968 S10: 8 X\n SG_ A : 15|8@0+ (1,0) [0|0] \"\" X\n\
    SG_MUL_VAL_ 1 Inner Root 1-1;\nSG_MUL_VAL_ 1 Leaf Inner 2-2;\nSIG_VALTYPE_ 2147483650 Float : 1;\n";

#[test]
fn the_way_of_a_frame_allocates_nothing() {
    let dbc = Dbc::parse(DBC.as_bytes()).expect("the database is right");
    let plan = Plan::compile(&[&dbc], |_, _| true).expect("the database compiles");
    let field = Field::new(1, 4, 4).expect("within a byte");
    let counter = Counter::new(field, 16, 15).expect("a counter");
    let protection = Protection::new(8, Some(Checksum::Toyota), Some(counter)).expect("it fits");
    let error = Frame::new(CanId::extended(4).expect("a class"), FrameKind::Error, &[0, 8, 0, 0, 0, 0, 0, 0]);
    let error = error.expect("at most 8 bytes");
    let fd = format!("(1.000001) can0 00000002##1{}", "A5".repeat(64));
    let logs = ["(1.000000) can0 001#0112345678901234", fd.as_str(), "620#10AA", "001#0102", "7FF#00", "001#R"];

    assert!(allocations(|| drop(vec![1])) > 0, "the counter does not count");
    let (mut values, mut short, mut known) = (0, 0, 0);
    let (mut state, mut health) = (State::default(), BusHealth::default());
    let count = allocations(|| {
        for log in logs {
            let Ok(Some(line)) = candump::parse(log.as_bytes()) else { continue };
            health.observe(&line.frame);
            protection.check(&mut state, &line.frame).ok();
            let message = plan.decode(&line.frame, |_, outcome| match outcome {
                Ok(_) => values += 1,
                Err(_) => short += 1,
            });
            known += u32::from(message.is_some());
        }
        health.observe(&error);
    });
    assert_eq!((known, values, short), (4, 4 + 2 + 1 + 3, 1), "the frames take every path");
    assert_eq!(count, 0);
}

#[test]
fn the_way_from_a_frame_to_a_reading_allocates_nothing() {
    let profile = small_profile::small();
    let (mut intake, mut signals) = (profile.intake(), profile.table().expect("a table"));
    let logs =
        ["200#0164", "200#0165", "200#01", "300#01102700", "300#02010000", "300#0201", "100#0011223344556677", "7F0#"];
    let frames = logs.map(|log| candump::parse(log.as_bytes()).expect("a frame").expect("a frame").frame);
    let mut changed = Vec::with_capacity(signals.len());
    let count = allocations(|| {
        for (step, frame) in (0..).zip(&frames) {
            let now = MonoTime::from_millis(step * 200);
            intake.frame(now, BusId(0), frame, &mut signals);
            intake.expire(now, &mut signals);
        }
        intake.expire(MonoTime::from_millis(60_000), &mut signals);
        signals.take_changed(&mut changed);
    });
    assert!(changed.len() >= 5, "only {} signals changed", changed.len());
    assert_eq!(count, 0);
}

/// The demo car's restraint sensor: fifteen values a frame; and a frame that fails its check.
#[test]
fn the_way_from_a_frame_to_inertial_samples_allocates_nothing() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("profiles/demo-phev");
    let profile = Profile::load(&folder, &|path| std::fs::read(path)).unwrap_or_else(|problems| panic!("{problems}"));
    let bus = profile.bus("energy").expect("the profile has it");
    let (mut intake, mut signals) = (profile.intake(), profile.table().expect("a table"));
    let protection = Protection::profile_2(32, std::array::from_fn(|index| 0x60 + u8::try_from(index).unwrap_or(0)), 3);
    let protection = protection.expect("it fits");
    let (mut sender, id) = (State::default(), CanId::base(96).expect("11 bits"));
    let mut frames: Vec<Frame> = (0..3)
        .map(|_| {
            let mut payload = [0; 32];
            protection.protect(&mut sender, id, &mut payload);
            Frame::new(id, FrameKind::Fd { brs: true, esi: false }, &payload).expect("32 bytes")
        })
        .collect();
    frames.push(frames[2]);
    let (mut samples, mut lost) = (0, 0);
    let count = allocations(|| {
        for (step, frame) in (0..).zip(&frames) {
            intake.frame(MonoTime::from_millis(step * 5), bus, frame, &mut signals);
            for (_, observation) in intake.observations() {
                match observation {
                    Observation::Sample(_) => samples += 1,
                    _ => lost += 1,
                }
            }
        }
    });
    assert_eq!((samples, lost), (15, 1));
    assert_eq!(count, 0);
}

fn spec(name: &str, quantity: Quantity, range: f32, rate_hz: f32) -> SensorSpec {
    SensorSpec {
        name: name.to_owned(),
        quantity,
        axes: [true; 3],
        range,
        rate_hz,
        noise: 0.1,
        mounting: Mounting::Chassis,
        orientation: Orientation::Stated,
        is_protected: true,
    }
}

fn sample(sensor: u8, axes: [f32; 3]) -> Observation {
    Observation::Sample(Sample { sensor: SensorIx(sensor), axes: axes.map(Some) })
}

/// A crash of two impacts, the airbags in the first of them, and a sensor that is stuck.
#[test]
fn the_crash_classifier_allocates_nothing_after_its_start() {
    let sensors = [
        spec("a", Quantity::Acceleration, 490.0, 1_000.0),
        spec("b", Quantity::Acceleration, 18.0, 100.0),
        spec("c", Quantity::AngularRate, 200.0, 100.0),
    ];
    let mut classifier = Classifier::new(&sensors);
    let (mut closed, mut faults) = (None, 0);
    let count = allocations(|| {
        for step in 0..20_000_u16 {
            let at = MonoTime::from_millis(1_000 + u64::from(step));
            // Two seconds of driving, an impact, another one, then a sensor that is stuck.
            let push = if matches!(step, 2_000..2_100 | 4_000..4_080) { -150.0 } else { f32::from(step % 7) * 0.1 };
            let push = if step > 14_000 { 490.0 } else { push };
            let tell = |sensor: u8, x: f32| sample(sensor, [x, push * 0.1, 9.81]);
            classifier.observe(at, &tell(0, push));
            if step % 10 == 0 {
                classifier.observe(at, &tell(1, push.clamp(-18.0, 18.0)));
                classifier.observe(at, &tell(2, 0.5));
                classifier.observe(at, &Observation::WheelSpeed(20.0));
                classifier.observe(at, &Observation::GnssSpeed(20.0));
                classifier.observe(at, &Observation::Restraint(Restraint::Front, step == 2_050));
            }
            classifier.handle_timeout(at);
            while let Some(verdict) = classifier.poll_verdict() {
                closed = closed.or(Some(verdict).filter(|verdict| verdict.stage == Stage::Closed));
            }
            while classifier.poll_fault().is_some() {
                faults += 1;
            }
        }
    });
    let crash = closed.expect("it crashed");
    assert!(crash.impacts == 2 && crash.evidence.restraints != 0 && faults >= 1, "{crash:?}, {faults} faults");
    assert_eq!(count, 0);
}

/// A car with an accelerometer that clips and a rate sensor, and what the classifier says of it.
struct Car {
    classifier: Classifier,
    now: MonoTime,
    steps: u32,
    suspected: u32,
    confirmed: Option<Verdict>,
}

impl Car {
    const STEP: Duration = Duration::from_millis(5);

    /// It has driven for two seconds.
    fn new() -> Self {
        let sensors = [
            spec("low", Quantity::Acceleration, 18.4, 200.0),
            SensorSpec { axes: [true, false, true], ..spec("rate", Quantity::AngularRate, 300.0, 200.0) },
        ];
        let (classifier, now) = (Classifier::new(&sensors), MonoTime::from_millis(1_000));
        let mut car = Self { classifier, now, steps: 0, suspected: 0, confirmed: None };
        for _ in 0..400 {
            car.step([0.0, 0.0, 9.81], 0.0);
        }
        car
    }

    /// A moment later both sensors speak.
    fn step(&mut self, force: [f32; 3], roll_dps: f32) {
        self.now = self.now + Self::STEP;
        self.steps += 1;
        // No live sensor repeats itself.
        let noise = if self.steps.is_multiple_of(2) { 0.03 } else { -0.03 };
        self.tell(&sample(0, force.map(|axis| (axis + noise).clamp(-18.4, 18.4))));
        let turns = [Some(roll_dps + noise), None, Some(noise)];
        self.tell(&Observation::Sample(Sample { sensor: SensorIx(1), axes: turns }));
    }

    /// Half a sine of 60 m/s² from ahead over so many seconds, and what is left of the span after it.
    fn strike(&mut self, pulse_s: f32, span: Duration) {
        let began = self.now;
        while self.now.since(began) < span {
            let time_s = (self.now.since(began) + Self::STEP).as_secs_f32();
            let push = if time_s < pulse_s { 60.0 * (std::f32::consts::PI * time_s / pulse_s).sin() } else { 0.0 };
            self.step([-push, 0.0, 9.81], 0.0);
        }
    }

    fn tell(&mut self, observation: &Observation) {
        self.observe(self.now, observation);
    }

    fn observe(&mut self, at: MonoTime, observation: &Observation) {
        self.classifier.observe(at, observation);
        if let Some(due) = self.classifier.poll_timeout().filter(|due| *due <= self.now) {
            self.classifier.handle_timeout(due);
        }
        while let Some(verdict) = self.classifier.poll_verdict() {
            self.suspected += u32::from(verdict.stage == Stage::Suspected);
            if verdict.stage == Stage::Confirmed {
                self.confirmed = Some(verdict);
            }
        }
        while self.classifier.poll_fault().is_some() {}
    }
}

/// The buses end with the first samples of a crash, each since its own last frame; satellites tell the rest.
#[test]
fn the_classifier_allocates_nothing_when_buses_fall_silent() {
    let mut car = Car::new();
    car.tell(&Observation::GnssSpeed(15.0));
    let count = allocations(|| {
        for step in 1_u8..=5 {
            car.step([-4.0 * f32::from(step), 0.0, 9.81], 0.0);
        }
        let last = car.now;
        for (bus, before_ms) in [(0, 0), (1, 40)] {
            car.now = car.now + Duration::from_millis(30);
            car.classifier.handle_timeout(car.now);
            car.observe(last - Duration::from_millis(before_ms), &Observation::BusSilent(BusId(bus)));
        }
        for step in 1_u8..=30 {
            car.now = car.now + Duration::from_millis(100);
            car.tell(&Observation::GnssSpeed(15.0 - f32::from(step.min(4)) * 3.0));
        }
        car.tell(&Observation::BusBack(BusId(0)));
    });
    let confirmed = car.confirmed.expect("a crash");
    assert!(confirmed.evidence.bus_silent, "{confirmed:?}");
    assert_eq!(count, 0);
}

/// One turn about the longitudinal axis, and gravity with it.
#[test]
fn the_classifier_allocates_nothing_in_a_rollover() {
    let mut car = Car::new();
    let count = allocations(|| {
        for step in 0_u16..1_000 {
            let time_s = f32::from(step) * 0.005;
            let roll_dps = if time_s < 1.8 { 200.0 + 3.0 * (40.0 * time_s).sin() } else { 0.0 };
            let (sin, cos) = (200.0 * time_s.min(1.8)).to_radians().sin_cos();
            car.tell(&Observation::WheelSpeed(15.0));
            car.step([0.0, 9.81 * sin, 9.81 * cos], roll_dps);
        }
    });
    let confirmed = car.confirmed.expect("a rollover");
    assert_eq!(confirmed.rollover, Some(true), "{confirmed:?}");
    assert_eq!(count, 0);
}

/// Satellites tell of the speed that was lost when two impacts are over, of which the first is the crash, or the second.
#[test]
fn the_classifier_allocates_nothing_when_proof_comes_late() {
    for (pulses_s, impacts) in [([0.03, 0.032], 2), ([0.02, 0.04], 1)] {
        let mut car = Car::new();
        car.tell(&Observation::GnssSpeed(15.0));
        let mut is_early = false;
        let count = allocations(|| {
            car.strike(pulses_s[0], Duration::from_millis(560));
            car.strike(pulses_s[1], Duration::from_millis(380));
            is_early = car.confirmed.is_some();
            car.tell(&Observation::GnssSpeed(1.0));
        });
        assert!(car.suspected >= 1, "{pulses_s:?}: nothing was suspected");
        assert!(!is_early, "{pulses_s:?}: confirmed before there is proof: {:?}", car.confirmed);
        let confirmed = car.confirmed.unwrap_or_else(|| panic!("{pulses_s:?}: no crash"));
        assert_eq!(confirmed.impacts, impacts, "{pulses_s:?}: {confirmed:?}");
        assert_eq!(count, 0, "{pulses_s:?}");
    }
}

/// Of the sensor of the recorder's car.
const RECORDED_HZ: u16 = 1_000;

/// A recorder with a file that nothing was written to yet.
fn recorder() -> Recorder {
    let boot = BootId { counter: 1, random: 2 };
    let identity = Identity { boot, kernel: KernelBoot(3), profile_hash: 4 };
    let sensors = [spec("full", Quantity::Acceleration, 490.0, f32::from(RECORDED_HZ))];
    let mut recorder = Recorder::new(identity, &sensors);
    // The two copies of the table.
    let contents = Survey::new(&[0; 2 * PAGE_BYTES]).finish();
    recorder.handle(MonoTime::ZERO, &BlackBoxEvent::Opened(Box::new(contents)));
    recorder
}

/// Of a sample on the disk: when, and three axes.
const SAMPLE_BYTES: usize = 6 + 12;

/// What a car tells in the millisecond of that number: a sample, a lost one now and then, and slow values of each kind,
/// which change each time.
fn record(recorder: &mut Recorder, ms: u16) {
    let at = MonoTime::from_millis(u64::from(ms));
    let (is_odd, x) = (ms % 2 == 1, f32::from(ms));
    let taken = sample(0, [x, -x, 9.81]);
    recorder.observe(at, if ms % 100 == 7 { &Observation::SampleLost(SensorIx(0)) } else { &taken });
    let bus = BusId(u8::try_from(ms % 3).unwrap_or_default());
    recorder.observe(at, &Observation::WheelSpeed(x));
    match ms % 8 {
        0 => recorder.observe(at, &Observation::GnssSpeed(x)),
        1 => recorder.observe(at, &Observation::Braking(ms % 16 == 1)),
        2 => recorder.observe(at, &Observation::Restraint(Restraint::Front, ms % 16 == 2)),
        3 => recorder.observe(at, &Observation::Belts(Belts { sensed: 3, occupied: ms % 4, belted: ms % 2 })),
        4 => recorder.observe(at, &Observation::BusSilent(bus)),
        5 => recorder.observe(at, &Observation::BusBack(bus)),
        6 => recorder.observe(at, &Observation::Ignition(ms % 16 == 6)),
        _ => recorder.value(at, Channel::Latitude, if is_odd { f64::from(ms) } else { f64::NAN }),
    }
}

/// Twice as long as the rings for samples and for values reach back, so that both are filled, and overwritten.
#[test]
fn the_black_box_takes_samples_without_allocating_while_all_is_quiet() {
    let mut recorder = recorder();
    let span_ms = u16::try_from(2 * BEFORE.as_millis()).expect("below a minute");
    assert!(u32::from(RECORDED_HZ) > VALUES_PER_SECOND_MAX, "a value each millisecond is more than there is room for");
    let mut requests = 0;
    let count = allocations(|| {
        for ms in 0..span_ms {
            record(&mut recorder, ms);
            requests += u32::from(recorder.poll(MonoTime::from_millis(u64::from(ms))).is_some());
        }
    });
    assert_eq!(requests, 0, "nothing has happened that is to be written");
    assert_eq!(count, 0);
    // The rings are as full as a record of a crash now shows.
    let now = MonoTime::from_millis(u64::from(span_ms));
    recorder.verdict(now, &Verdict::bare(1, Stage::Confirmed, now, now), None, 1);
    let mut bytes = 0;
    while let Some(request) = recorder.poll(now) {
        bytes += request.writes.iter().map(|write| write.bytes.len()).sum::<usize>();
        recorder.handle(now, &BlackBoxEvent::Written(request.ticket));
    }
    let least = usize::from(RECORDED_HZ) * 9 * SAMPLE_BYTES;
    assert!(bytes >= least, "{bytes} bytes of what came before, {least} of samples at least");
}

/// What is asked of the disk takes memory, which [`Recorder::poll`] takes; the samples in between take none.
#[test]
fn the_black_box_takes_samples_without_allocating_while_it_writes() {
    let mut recorder = recorder();
    let crash_ms = u16::try_from(BEFORE.as_millis()).expect("below a minute");
    (0..crash_ms).for_each(|ms| record(&mut recorder, ms));
    let contact = MonoTime::from_millis(u64::from(crash_ms));
    for stage in [Stage::Suspected, Stage::Confirmed] {
        recorder.verdict(contact, &Verdict::bare(1, stage, contact, contact), None, 1);
    }
    let (mut under_way, mut requests, mut bytes, mut count) = (None, 0, 0, 0);
    for ms in crash_ms..2 * crash_ms {
        count += allocations(|| record(&mut recorder, ms));
        let now = MonoTime::from_millis(u64::from(ms));
        // The disk needs some milliseconds for each request.
        if let Some(ticket) = under_way.filter(|_| ms % 7 == 0) {
            recorder.handle(now, &BlackBoxEvent::Written(ticket));
            under_way = None;
        }
        if let Some(request) = recorder.poll(now) {
            requests += 1;
            bytes += request.writes.iter().map(|write| write.bytes.len()).sum::<usize>();
            under_way = Some(request.ticket);
        }
    }
    let stat = recorder.stat();
    assert_eq!((stat.records, stat.locked, stat.recording), (1, 1, 0), "one record, from its beginning to its end");
    assert!(requests >= 50 && bytes >= 200_000, "{requests} requests of {bytes} bytes in all");
    assert_eq!(count, 0);
}
