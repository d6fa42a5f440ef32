//! The way of a frame from the log or the wire to its values allocates nothing.

#![expect(unsafe_code, reason = "an allocator that counts must be an allocator")]
#![expect(clippy::panic, reason = "a test fails by panicking")]

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use std::path::Path;

use telltale::can::dbc::Dbc;
use telltale::can::e2e::{Checksum, Counter, Field, Protection, State};
use telltale::can::health::BusHealth;
use telltale::can::plan::Plan;
use telltale::can::{BusId, CanId, Frame, FrameKind, candump};
use telltale::config::Profile;
use telltale::crash::{
    Classifier, Mounting, Observation, Orientation, Quantity, Restraint, Sample, SensorIx, SensorSpec,
};
use telltale::time::MonoTime;

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

#[test]
fn the_crash_classifier_allocates_nothing_after_its_start() {
    let spec = |name: &str, quantity, range, rate_hz| SensorSpec {
        name: name.to_owned(),
        quantity,
        axes: [true; 3],
        range,
        rate_hz,
        noise: 0.1,
        mounting: Mounting::Chassis,
        orientation: Orientation::Stated,
        is_protected: true,
    };
    let sensors = [
        spec("a", Quantity::Acceleration, 490.0, 1_000.0),
        spec("b", Quantity::Acceleration, 18.0, 100.0),
        spec("c", Quantity::AngularRate, 200.0, 100.0),
    ];
    let mut classifier = Classifier::new(&sensors);
    let (mut stages, mut faults) = (0, 0);
    let count = allocations(|| {
        for step in 0..20_000_u16 {
            let at = MonoTime::from_millis(1_000 + u64::from(step));
            // Two seconds of driving, a crash, another one, then a sensor that is stuck.
            let push = if matches!(step, 2_000..2_100 | 4_000..4_080) { -150.0 } else { f32::from(step % 7) * 0.1 };
            let push = if step > 14_000 { 490.0 } else { push };
            let tell = |sensor: u8, x: f32| {
                Observation::Sample(Sample { sensor: SensorIx(sensor), axes: [Some(x), Some(push * 0.1), Some(9.81)] })
            };
            classifier.observe(at, &tell(0, push));
            if step % 10 == 0 {
                classifier.observe(at, &tell(1, push.clamp(-18.0, 18.0)));
                classifier.observe(at, &tell(2, 0.5));
                classifier.observe(at, &Observation::WheelSpeed(20.0));
                classifier.observe(at, &Observation::GnssSpeed(20.0));
                classifier.observe(at, &Observation::Restraint(Restraint::Front, step == 2_050));
            }
            classifier.handle_timeout(at);
            while classifier.poll_verdict().is_some() {
                stages += 1;
            }
            while classifier.poll_fault().is_some() {
                faults += 1;
            }
        }
    });
    assert!(stages >= 4 && faults >= 1, "{stages} verdicts and {faults} faults: every path is taken");
    assert_eq!(count, 0);
}
