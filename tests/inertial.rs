//! Inertial sensors: what a profile may say of them, and which samples come out of the frames.
#![expect(clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

use std::io;
use std::path::Path;

use telltale::can::e2e::{Checksum, Counter, Field, Protection, State};
use telltale::can::{BusId, CanId, Frame, FrameKind};
use telltale::config::{Problems, Profile};
use telltale::crash::{Observation, Orientation, Quantity, Sample, SensorIx};
use telltale::signals::{Cause, Signals, intake::Intake};
use telltale::time::MonoTime;

const HEAD: &str =
    "schema = 1\nname = \"small\"\nversion = \"1\"\ndescription = \"x\"\n[[bus]]\nname = \"pt\"\ndbc = [\"a.dbc\"]\n";

/// Three samples a frame on two axes, and a rate beside them.
const DBC: &str = r#"VERSION ""
BU_: X
BO_ 80 Impact: 16 X
 SG_ X0 : 0|16@1- (0.1,0) [-500|500] "m/s^2" X
 SG_ X1 : 16|16@1- (0.1,0) [-500|500] "m/s^2" X
 SG_ X2 : 32|16@1- (0.1,0) [-500|500] "m/s^2" X
 SG_ Y0 : 48|8@1- (0.5,0) [-60|60] "g" X
 SG_ Y1 : 56|8@1- (0.5,0) [-60|60] "g" X
 SG_ Y2 : 64|8@1- (0.5,0) [-60|60] "g" X
 SG_ Rate : 72|16@1- (0.1,0) [0|0] "deg/s" X
 SG_ Alive : 88|4@1+ (1,0) [0|0] "" X
 SG_ Page M : 92|1@1+ (1,0) [0|0] "" X
 SG_ Hidden m1 : 96|16@1- (0.1,0) [0|0] "" X
 SG_ Sum : 120|8@1+ (1,0) [0|0] "" X
"#;

const FD: &str = "fd = true\n";

const MESSAGE: &str = "[[message]]\nname = \"pt.Impact\"\nperiod_ms = 6\n\
    checksum = { kind = \"toyota\", signal = \"Sum\" }\ncounter = { signal = \"Alive\" }\n";

const X: &str = "[[inertial]]\nname = \"x\"\nquantity = \"acceleration\"\nmessage = \"pt.Impact\"\n\
    x = [\"X0\", \"X1\", \"X2\"]\nsign = [-1, 1, 1]\nsample_interval_us = 2000\nnot_available = [-32768]\n\
    range = 500\nrate_hz = 500\nnoise = 0.1\norientation = \"stated\"\n";

const Y: &str = "[[inertial]]\nname = \"y\"\nquantity = \"acceleration\"\nmessage = \"pt.Impact\"\n\
    y = [\"Y0\", \"Y1\", \"Y2\"]\nscale = 9.80665\nsample_interval_us = 2000\n\
    range = 588\nrate_hz = 500\nnoise = 0.1\nmounting = \"device\"\n";

const RATE: &str = "[[inertial]]\nname = \"rate\"\nquantity = \"angular-rate\"\nmessage = \"pt.Impact\"\n\
    z = [\"Rate\"]\nrange = 300\nrate_hz = 166\nnoise = 0.1\n";

fn load(text: &str) -> Result<Profile, Problems> {
    Profile::load(Path::new("p"), &|path| match path.file_name().and_then(|name| name.to_str()) {
        Some("profile.toml") => Ok(text.as_bytes().to_vec()),
        Some("a.dbc") => Ok(DBC.into()),
        _ => Err(io::ErrorKind::NotFound.into()),
    })
}

fn profile(lines: &str) -> Profile {
    load(&format!("{HEAD}{FD}{lines}")).unwrap_or_else(|problems| panic!("{problems}"))
}

struct Bench {
    intake: Intake,
    signals: Signals,
    protection: Protection,
    sender: State,
}

impl Bench {
    fn new() -> Self {
        let profile = profile(&format!("{MESSAGE}{X}{Y}{RATE}"));
        let counter = Counter::new(Field::new(11, 0, 4).expect("in a byte"), 16, 3).expect("a counter");
        Self {
            intake: profile.intake(),
            signals: profile.table().expect("a table"),
            protection: Protection::new(16, Some(Checksum::Toyota), Some(counter)).expect("it fits"),
            sender: State::default(),
        }
    }

    fn payload(&mut self, x: [i16; 3], y: [i8; 3], rate: i16) -> Vec<u8> {
        let mut payload: Vec<u8> = x.iter().flat_map(|raw| raw.to_le_bytes()).collect();
        payload.extend(y.iter().map(|raw| raw.cast_unsigned()));
        payload.extend(rate.to_le_bytes());
        payload.resize(16, 0);
        self.protection.protect(&mut self.sender, id(), &mut payload);
        payload
    }

    fn send(&mut self, at_ms: u64, payload: &[u8]) -> Vec<(u64, Observation)> {
        let frame = Frame::new(id(), FrameKind::Fd { brs: true, esi: false }, payload).expect("at most 64 bytes");
        self.intake.frame(MonoTime::from_millis(at_ms), BusId(0), &frame, &mut self.signals);
        self.intake.observations().iter().map(|(at, observation)| (at.as_millis(), *observation)).collect()
    }
}

fn id() -> CanId {
    CanId::base(80).expect("11 bits")
}

fn sample(sensor: u8, axes: [Option<f32>; 3]) -> Observation {
    Observation::Sample(Sample { sensor: SensorIx(sensor), axes })
}

#[test]
fn each_sample_of_a_frame_has_its_own_time_and_the_sign_of_the_car() {
    let mut bench = Bench::new();
    let payload = bench.payload([10, -20, 4000], [2, -4, 8], 1234);
    let g = 9.80665;
    assert_eq!(
        bench.send(1000, &payload),
        [
            (996, sample(0, [Some(-1.0), None, None])),
            (996, sample(1, [None, Some(g), None])),
            (998, sample(0, [Some(2.0), None, None])),
            (998, sample(1, [None, Some(-2.0 * g), None])),
            (1000, sample(0, [Some(-400.0), None, None])),
            (1000, sample(1, [None, Some(4.0 * g), None])),
            (1000, sample(2, [None, None, Some(123.4)])),
        ]
    );
}

#[test]
fn what_is_not_available_or_out_of_range_is_lost_and_counted_sample_by_sample() {
    let mut bench = Bench::new();
    let payload = bench.payload([i16::MIN, 5001, 5000], [0, 0, 121], 0);
    let observations: Vec<Observation> = bench.send(1000, &payload).into_iter().map(|(_, what)| what).collect();
    let lost = |sensor| Observation::SampleLost(SensorIx(sensor));
    assert_eq!(observations[0], lost(0), "not available");
    assert_eq!(observations[2], lost(0), "beyond what the database allows");
    assert_eq!(observations[4], sample(0, [Some(-500.0), None, None]), "at its end it is clipped, not wrong");
    assert_eq!(observations[5], lost(1));
    let counters = *bench.intake.counters(BusId(0)).expect("a bus");
    assert_eq!((counters.of(Cause::NotAvailable), counters.of(Cause::OutOfRange)), (1, 2));
}

#[test]
fn a_frame_that_fails_its_check_loses_a_sample_of_each_sensor_and_gives_none() {
    let mut bench = Bench::new();
    let good = bench.payload([0; 3], [0; 3], 0);
    assert_eq!(bench.send(0, &good).len(), 7);
    let mut broken = bench.payload([4000; 3], [100; 3], 0);
    broken[2] ^= 1;
    let lost: Vec<_> = (0..3).map(|sensor| (6, Observation::SampleLost(SensorIx(sensor)))).collect();
    assert_eq!(bench.send(6, &broken), lost, "checksum");
    assert_eq!(bench.send(6, &good), lost, "counter");
    let short = bench.payload([0; 3], [0; 3], 0);
    assert_eq!(bench.send(6, &short[..12]), lost, "length");
    let next = bench.payload([0; 3], [0; 3], 0);
    assert_eq!(bench.send(12, &next).len(), 7, "and the next one is believed");
}

#[test]
fn other_frames_say_nothing_of_motion() {
    let mut bench = Bench::new();
    let payload = bench.payload([0; 3], [0; 3], 0);
    bench.send(0, &payload);
    let other = Frame::new(CanId::base(81).expect("11 bits"), FrameKind::Data, &[0; 8]).expect("8 bytes");
    bench.intake.frame(MonoTime::ZERO, BusId(0), &other, &mut bench.signals);
    assert!(bench.intake.observations().is_empty());
}

#[test]
fn a_sensor_is_built_as_the_profile_states_it() {
    let profile = profile(&format!("{MESSAGE}{X}{Y}{RATE}"));
    let [x, y, rate] = &profile.inertial[..] else { panic!("three sensors: {:?}", profile.inertial) };
    assert_eq!((x.spec.quantity, x.spec.orientation, x.packed()), (Quantity::Acceleration, Orientation::Stated, 3));
    assert_eq!((x.spec.axes, x.step), ([true, false, false], [0.1, 0.0, 0.0]));
    assert_eq!((y.spec.axes, y.step), ([false, true, false], [0.0, 0.5 * 9.80665, 0.0]));
    assert_eq!((rate.spec.quantity, rate.spec.orientation), (Quantity::AngularRate, Orientation::Learnt));
    assert!(profile.sensors().iter().all(|spec| spec.is_protected));
    assert!(!self::profile(X).sensors()[0].is_protected, "without a rule nothing protects it");
    let ids: Vec<u32> = profile.filters(BusId(0)).iter().map(|id| id.raw()).collect();
    assert_eq!(ids, [80], "the kernel lets its message through");
}

#[test]
fn every_mistake_is_named_with_its_line() {
    let cases = [
        (X.replace("quantity = \"acceleration\"\n", ""), 1, "quantity is missing; add quantity = \"acceleration\""),
        (X.replace("acceleration", "accelaration"), 3, "is unknown; did you mean \"acceleration\"?"),
        (X.replace("stated", "known"), 12, "orientation \"known\" is unknown; one of stated, learnt"),
        (X.replace("pt.Impact", "pt.Impct"), 4, "message: bus \"pt\" has no message Impct; did you mean \"Impact\"?"),
        (X.replace("pt.Impact", "Impact"), 4, "message: must be \"bus.MESSAGE\"; add the bus"),
        (X.replace("X1", "X9"), 5, "x: message Impact has no signal X9; did you mean"),
        (X.replace("x = [\"X0\", \"X1\", \"X2\"]\n", ""), 1, "there is no axis; add x, y or z"),
        (X.replace("sign", "y = [\"Y0\"]\nsign"), 6, "y has 1 samples, another axis 3; name as many"),
        (X.replace("\"X2\"", "\"Hidden\""), 5, "Hidden is behind a multiplexor"),
        (X.replace("sample_interval_us = 2000\n", ""), 4, "need sample_interval_us"),
        (RATE.replace("range", "sample_interval_us = 6000\nrange"), 6, "sample_interval_us is for several samples"),
        (X.replace("[-1, 1, 1]", "[-1, 1]"), 6, "sign must be three of 1 and -1"),
        (X.replace("[-1, 1, 1]", "[-2, 1, 1]"), 6, "sign has an entry that is not 1 or -1"),
        (X.replace("-32768", "40000"), 8, "not_available: raw 40000 cannot occur in X0; remove it"),
        (X.replace("range = 500", "range = 510"), 9, "range 510 is more than X0 can report both ways, -500 to 500"),
        (X.replace("rate_hz = 500", "rate_hz = 1000"), 10, "samples so many microseconds apart make 500.0"),
        (format!("{RATE}{MESSAGE}").replace("166", "100"), 7, "period and samples in a frame make 166.7"),
        (X.replace("noise = 0.1", "noise = 0"), 11, "noise is 0; give a number above 0"),
        (format!("{X}{X}"), 14, "is there twice; rename one"),
        (X.replace("noise", "nois = 1\nnoise"), 11, "unknown key nois; did you mean"),
    ];
    let head_lines = HEAD.lines().count() + 1;
    for (lines, line, expected) in cases {
        let text = format!("{HEAD}{FD}{lines}");
        let problems = load(&text).expect_err(expected).to_string();
        let place = format!("p/profile.toml:{}: ", head_lines + line);
        let found = problems.lines().any(|problem| problem.starts_with(&place) && problem.contains(expected));
        assert!(found, "{lines}\nwanted {place}…{expected}\nfound {problems}");
    }
    let problems = load(&format!("{HEAD}{X}")).expect_err("no CAN FD").to_string();
    assert!(problems.contains("Impact has 16 bytes; add fd = true"), "{problems}");
    let many = (0..9).map(|index| X.replace("\"x\"", &format!("\"x{index}\""))).collect::<String>();
    let problems = load(&format!("{HEAD}{FD}{many}")).expect_err("nine").to_string();
    assert!(problems.contains("inertial has 9 entries; at most 8 are allowed"), "{problems}");
}
