//! What the simulated car promises, seen from outside: frames, sentences and the truth behind them.

use std::collections::BTreeMap;
use std::time::Duration;

use super::*;
use crate::can::dbc::Dbc;
use crate::can::plan::Plan;
use crate::can::{BusId, CanId, Frame, FrameKind, candump};
use crate::time::{MonoTime, WallTime};

const MORNING: Begin =
    Begin { mono: MonoTime::from_millis(5_000), wall: WallTime::from_unix_micros(1_772_434_800_000_000) };

fn car(scenario: Scenario, seed: u64) -> Car {
    Car::new(seed, scenario, MORNING).expect("the built-in profile fits")
}

fn plans() -> [Plan; 3] {
    [
        include_str!("../../profiles/demo-phev/powertrain.dbc"),
        include_str!("../../profiles/demo-phev/body.dbc"),
        include_str!("../../profiles/demo-phev/energy.dbc"),
    ]
    .map(|text| {
        let database = Dbc::parse(text.as_bytes()).expect("valid");
        assert!(database.warnings.is_empty(), "{:?}", database.warnings);
        Plan::compile(&[&database], |_, _| true).expect("compiles")
    })
}

/// The physical values of a frame, by the name of the signal.
fn decode(plans: &[Plan; 3], bus: BusId, frame: &Frame) -> BTreeMap<String, f64> {
    let plan = &plans[usize::from(bus.0)];
    let mut values = BTreeMap::new();
    let message = plan.decode(frame, |signal, sample| {
        let (_, def) = plan.signal_def(signal);
        values.insert(def.name.clone(), sample.expect("as long as the database says").physical);
    });
    let size = plan.message_def(message.expect("known")).size;
    assert_eq!(frame.len(), usize::from(size));
    assert_eq!(matches!(frame.kind(), FrameKind::Fd { .. }), bus == BusId(2));
    values
}

fn seconds(emission: &Emission) -> f64 {
    emission.at.since(MORNING.mono).as_secs_f64()
}

#[test]
fn the_same_seed_gives_the_same_bytes_and_another_seed_others() {
    let run = |seed| record(Scenario::Lamp, seed, Duration::from_secs(20)).expect("runs");
    let first = run(11);
    assert_eq!(first, run(11));
    let other = run(12);
    assert!(first.can != other.can && first.gnss != other.gnss);
    assert!(first.can.len() > 500_000 && first.gnss.len() > 10_000);
}

#[test]
fn a_recording_reads_back_as_the_run() {
    let recording = record(Scenario::Lamp, 13, Duration::from_secs(12)).expect("runs");
    let begin = Begin { mono: MonoTime::ZERO, ..MORNING };
    let run = Car::new(13, Scenario::Lamp, begin).expect("the built-in profile fits");
    let mut frames = run.filter_map(|emission| match emission.what {
        What::Frame(bus, frame) => Some((emission.at, bus, frame)),
        What::Nmea(_) | What::Coverage(_) | What::Note(_) => None,
    });
    let mut first = None;
    for line in recording.can.split(|byte| *byte == b'\n').filter(|line| !line.is_empty()) {
        let line = candump::parse(line).expect("as candump writes").expect("a frame");
        let (at, bus, frame) = frames.next().expect("as many frames");
        assert_eq!((line.interface, line.frame), (Some(BUSES[usize::from(bus.0)]), frame));
        let micros = line.time.expect("a time").as_unix_micros();
        let (begun_micros, begun_at) = *first.get_or_insert((micros, at));
        let passed = Duration::from_micros(u64::try_from(micros - begun_micros).expect("forwards"));
        assert!(at.since(begun_at).abs_diff(passed) <= Duration::from_micros(1));
    }
    let gnss = String::from_utf8(recording.gnss).expect("ASCII");
    assert!(gnss.lines().all(|line| line.starts_with('(') && line.contains(") $GN")), "{gnss}");
}

#[test]
fn what_comes_in_is_stored_or_lost() {
    let runs = [(Scenario::Commute, 1), (Scenario::Refuel, 2), (Scenario::NightCharge, 3), (Scenario::Pileup, 4)];
    for (scenario, seed) in runs {
        let mut car = car(scenario, seed);
        // The way back of the commute is like the way there.
        car.by_ref().take_while(|emission| scenario != Scenario::Commute || seconds(emission) < 300.0).for_each(drop);
        let truth = car.truth();
        let energy = truth.energy;
        // The world is stepped, forces are held for 10 ms: that leaves one part in a thousand.
        assert!(energy.error_j().abs() < 1e-3 * energy.lost_j, "{scenario:?}, seed {seed}: {energy:?}");
        let least_j = if scenario == Scenario::Pileup { 1e5 } else { 1e6 };
        assert!(energy.lost_j > least_j, "something happened: {energy:?}");
        let burnt_l = energy.fuel_j / 31.2e6;
        let filled_l = if scenario == Scenario::Refuel { 30.0 } else { 0.0 };
        let (_, before_l) = scenario.stores();
        assert!((before_l + filled_l - burnt_l - truth.fuel_l).abs() < 1e-6, "{scenario:?}: {truth:?}");
    }
}

#[test]
fn frames_say_what_is_true() {
    let plans = plans();
    let mut car = car(Scenario::Tour, 4);
    let mut seen: BTreeMap<String, u32> = BTreeMap::new();
    while let Some(emission) = car.next() {
        if seconds(&emission) > 200.0 {
            break;
        }
        let What::Frame(bus, frame) = emission.what else { continue };
        let truth = car.truth();
        let values = decode(&plans, bus, &frame);
        for (name, expected, tolerance) in [
            ("Speed", truth.speed_kmh, 0.005),
            ("WheelSpeedRL", truth.speed_kmh, 0.08 * truth.speed_kmh + 0.006),
            ("StateOfCharge", truth.soc_percent, 1e-5 * truth.soc_percent),
            ("StateOfChargeDisplayed", truth.soc_percent, 0.005),
            ("OdometerTotal", truth.odometer_km, 0.005),
            ("FuelSender", truth.fuel_l, 4.0),
            ("DoorDriverOpen", f64::from(u8::from(truth.driver_door_open)), 0.0),
            ("BeltedDriver", f64::from(u8::from(truth.driver_belted)), 0.0),
            ("DoorDriverLocked", f64::from(u8::from(truth.locked)), 0.0),
            ("Ready", f64::from(u8::from(truth.ready)), 0.0),
            ("PlugConnected", f64::from(u8::from(truth.charge != ChargeState::Idle)), 0.0),
        ] {
            if let Some(value) = values.get(name) {
                assert!((value - expected).abs() <= tolerance + 1e-9, "{name}: {value}, truly {expected}");
                *seen.entry(name.to_owned()).or_default() += 1;
            }
        }
        for lamp in LAMPS {
            if let Some(value) = values.get(&format!("TT_{lamp}")) {
                let state = truth.lamps.iter().find(|(name, _)| *name == lamp).map_or(Lamp::Off, |(_, state)| *state);
                let expected = [Lamp::Off, Lamp::On, Lamp::Flashing].into_iter().position(|other| other == state);
                assert!((value - f64::from(u32::try_from(expected.expect("one")).expect("small"))).abs() < 1e-9);
                *seen.entry(format!("TT_{lamp}")).or_default() += 1;
            }
        }
    }
    assert_eq!(seen.len(), 11 + LAMPS.len(), "every value was seen: {seen:?}");
}

#[test]
fn messages_keep_their_periods_and_buses_their_order() {
    let plans = plans();
    let mut last_at = MonoTime::ZERO;
    let mut times: BTreeMap<(BusId, CanId), Vec<MonoTime>> = BTreeMap::new();
    for emission in car(Scenario::Tour, 5) {
        assert!(emission.at >= last_at, "time never runs backwards");
        last_at = emission.at;
        if seconds(&emission) > 40.0 {
            break;
        }
        if let What::Frame(bus, frame) = emission.what
            && seconds(&emission) > 10.0
        {
            times.entry((bus, frame.id())).or_default().push(emission.at);
        }
    }
    assert_eq!(times.len(), 34, "every message was sent");
    let mut rate = 0.0;
    for ((bus, id), times) in &times {
        let plan = &plans[usize::from(bus.0)];
        let (_, message) = plan.messages().find(|(_, message)| message.id == *id).expect("known");
        let period = f64::from(message.cycle_time_ms.expect("stated")) / 1e3;
        let first = times.first().expect("some");
        for (count, at) in (0_u32..).zip(times) {
            let late = at.since(*first).as_secs_f64() - f64::from(count) * period;
            // Half a millisecond of jitter, and the queue for the bus: at most all other frames of it, on the slow one.
            let allowed = if *bus == BusId(1) { 0.012 } else { 0.004 };
            assert!(late.abs() < allowed, "{} is {late} s off", message.name);
        }
        rate += 1.0 / period;
    }
    assert!((1_100.0..1_300.0).contains(&rate), "{rate} frames a second");
}

#[test]
fn the_bulb_check_lights_everything_then_the_tire_lamp_comes_and_goes() {
    let mut car = car(Scenario::Lamp, 6);
    let (mut checked, mut raised_s, mut cleared_s) = (false, None, None);
    while let Some(emission) = car.next() {
        let truth = car.truth();
        let lit = truth.lamps.iter().any(|(name, _)| *name == "TirePressure");
        checked |= truth.lamps.len() > 20;
        if truth.ready && truth.speed_kmh > 10.0 && lit && raised_s.is_none() {
            raised_s = Some(seconds(&emission));
        }
        if truth.ready && truth.speed_kmh > 10.0 && !lit && raised_s.is_some() && cleared_s.is_none() {
            cleared_s = Some(seconds(&emission));
        }
    }
    assert!(checked, "all lamps are lit at first");
    let (raised_s, cleared_s) = (raised_s.expect("comes on"), cleared_s.expect("goes off"));
    assert!((20.0..60.0).contains(&raised_s) && cleared_s > raised_s + 20.0, "{raised_s} {cleared_s}");
}

#[test]
fn on_the_tour_the_tire_lamp_comes_on_where_there_is_no_coverage() {
    for seed in [1, 7, 42] {
        let mut car = car(Scenario::Tour, seed);
        let mut raised = None;
        while let Some(emission) = car.next()
            && seconds(&emission) < 60.0
        {
            let truth = car.truth();
            let lit = truth.speed_kmh > 10.0 && truth.lamps.iter().any(|(name, _)| *name == "TirePressure");
            if lit && raised.is_none() {
                raised = Some((seconds(&emission), truth.covered));
            }
        }
        let (raised_s, covered) = raised.expect("comes on");
        println!("seed {seed}: {raised_s:.1} s");
        assert!(!covered, "seed {seed}: {raised_s} s");
    }
}

#[test]
fn at_night_the_battery_fills_and_the_buses_sleep_but_for_short_wakes() {
    let plans = plans();
    let mut car = car(Scenario::NightCharge, 7);
    let mut complete_s = None;
    let mut heard_s: Vec<f64> = Vec::new();
    let mut last_state = 0.0;
    while let Some(emission) = car.next() {
        let now_s = seconds(&emission);
        if now_s > 6.0 * 3_600.0 {
            break;
        }
        let What::Frame(bus, frame) = emission.what else { continue };
        if let Some(begun_s) = complete_s
            && now_s > begun_s + 30.0
        {
            assert!(bus != BusId(0), "the powertrain sleeps");
            heard_s.push(now_s);
        }
        if bus == BusId(2) && frame.id().raw() == 0x2C0 {
            let state = decode(&plans, bus, &frame).get("ChargeState").copied().unwrap_or(last_state);
            last_state = state;
            if car.truth().charge == ChargeState::Complete {
                complete_s.get_or_insert(now_s);
            }
        }
    }
    assert!((car.truth().soc_percent - 100.0).abs() < 0.1);
    let complete_s = complete_s.expect("full before the morning");
    assert!((3_000.0..3.0 * 3_600.0).contains(&complete_s));
    assert!((last_state - 4.0).abs() < 1e-9, "the bus says that the charge is complete before it sleeps");
    let gaps: Vec<f64> = heard_s.windows(2).map(|pair| pair[1] - pair[0]).filter(|gap| *gap > 1.0).collect();
    assert!(gaps.len() > 3 && gaps.iter().all(|gap| *gap > 1_700.0), "{gaps:?}");
}

#[test]
fn the_receiver_is_near_the_truth_and_blind_in_the_tunnel() {
    let mut car = car(Scenario::Commute, 8);
    let (mut fixes, mut blind, mut worst_m) = (0, 0, 0.0_f64);
    while let Some(emission) = car.next() {
        if seconds(&emission) > 300.0 {
            break;
        }
        let What::Nmea(sentences) = emission.what else { continue };
        let text = String::from_utf8(sentences).expect("ASCII");
        assert_eq!(text.matches("\r\n").count(), 4);
        for line in text.lines() {
            let (body, sum) = line.trim_start_matches('$').split_once('*').expect("checksum");
            assert_eq!(format!("{:02X}", body.bytes().fold(0, |sum, byte| sum ^ byte)), sum);
            assert!(line.len() <= 80, "NMEA 0183 allows 82 bytes with the line end: {line}");
        }
        let truth = car.truth();
        let rmc: Vec<&str> = text.lines().next().expect("RMC").split(',').collect();
        if rmc[2] != "A" {
            blind += 1;
            continue;
        }
        fixes += 1;
        let angle = |text: &str, digits: usize| -> f64 {
            text[..digits].parse::<f64>().expect("degrees") + text[digits..].parse::<f64>().expect("minutes") / 60.0
        };
        let north_m = (angle(rmc[3], 2) - truth.latitude_deg) * 111_195.0;
        let east_m = (-angle(rmc[5], 3) - truth.longitude_deg) * 111_195.0 * truth.latitude_deg.to_radians().cos();
        worst_m = worst_m.max(north_m.hypot(east_m));
    }
    assert!(fixes > 900 && blind > 60, "{fixes} fixes, {blind} without: start and tunnel");
    assert!((0.5..9.0).contains(&worst_m), "{worst_m} m");
}

#[test]
fn faults_show_on_the_bus() {
    let plans = plans();
    let mut car = car(Scenario::CoverageGap, 9);
    for fault in [
        Fault::Lamp("Abs", Lamp::On),
        Fault::SilentBus(BusId(2)),
        Fault::SilentMessage("Steering"),
        Fault::NotAvailable("Speed"),
        Fault::NoGnss,
    ] {
        car.fail(fault);
    }
    let run = |car: &mut Car, until_s: f64| {
        let mut values = BTreeMap::new();
        let mut fixes = 0;
        for emission in car.by_ref() {
            if seconds(&emission) > until_s {
                break;
            }
            match emission.what {
                What::Frame(bus, frame) => values.extend(decode(&plans, bus, &frame)),
                What::Nmea(text) => fixes += usize::from(String::from_utf8_lossy(&text).contains(",A,4")),
                What::Coverage(_) | What::Note(_) => {}
            }
        }
        (values, fixes)
    };
    let (values, fixes) = run(&mut car, 15.0);
    assert!((values["TT_Abs"] - 1.0).abs() < 1e-9);
    assert!((values["Speed"] - 655.35).abs() < 1e-9, "raw 65535");
    assert!(!values.contains_key("SteeringAngle") && !values.contains_key("StateOfCharge"));
    assert_eq!(fixes, 0);
    for fault in [Fault::SilentBus(BusId(2)), Fault::NotAvailable("Speed"), Fault::NoGnss] {
        car.heal(&fault);
    }
    let (values, fixes) = run(&mut car, 30.0);
    assert!(values["Speed"] < 100.0 && values.contains_key("StateOfCharge") && fixes > 20);
}

/// What the restraint sensor and the restraint control unit say of a collision.
#[derive(Debug, Default)]
struct Collision {
    before_mps: f64,
    contact_s: Option<f64>,
    fired_s: Option<f64>,
    /// In the 150 ms from contact, from the samples as they were sent.
    delta_mps: [f64; 2],
    /// The truth behind them.
    truly_mps: [f64; 2],
    peak_mps2: f64,
    at_rest: bool,
    last_body_s: f64,
    hazard: bool,
}

fn collide(scenario: Scenario, seed: u64) -> Collision {
    let plans = plans();
    let mut felt = Collision::default();
    let mut car = car(scenario, seed);
    while let Some(emission) = car.next() {
        let truth = car.truth();
        if let Some(impact) = truth.impact.filter(|impact| truth.at.since(impact.contact).as_secs_f64() < 0.150) {
            felt.truly_mps = impact.delta_v_mps;
        }
        let What::Frame(bus, frame) = &emission.what else { continue };
        let now_s = seconds(&emission);
        let values = decode(&plans, *bus, frame);
        if *bus == BusId(1) {
            felt.last_body_s = now_s;
        }
        for sample in 0..5 {
            let at_s = now_s - 0.001 * f64::from(4 - sample);
            let Some(x) = values.get(&format!("AccelHighX{sample}")) else { continue };
            if felt.contact_s.is_none() && x.abs() > 40.0 {
                felt.contact_s = Some(at_s);
            }
            if felt.contact_s.is_some_and(|contact_s| at_s < contact_s + 0.150) {
                felt.delta_mps[0] += x * 0.001;
                felt.delta_mps[1] += values[&format!("AccelHighY{sample}")] * 0.001;
                felt.peak_mps2 = felt.peak_mps2.max(x.abs());
            }
        }
        if felt.contact_s.is_none() {
            felt.before_mps = values.get("Speed").map_or(felt.before_mps, |kmh| kmh / 3.6);
        }
        if values.get("DeployedFront").is_some_and(|fired| *fired > 0.5) {
            felt.fired_s.get_or_insert(now_s);
        }
        felt.hazard |= values.get("HazardLight").is_some_and(|on| *on > 0.5);
        felt.at_rest = values.get("Speed").map_or(felt.at_rest, |kmh| *kmh < 0.1);
    }
    felt
}

#[test]
fn a_collision_takes_the_speed_that_its_pulse_says_and_fires_the_airbags() {
    for seed in [1, 2, 3] {
        let seen = collide(Scenario::Crash, seed);
        println!("seed {seed}: {seen:?}");
        assert!((11.0..14.5).contains(&seen.before_mps), "some 50 km/h");
        let along_mps = -seen.delta_mps[0];
        assert!((along_mps / seen.before_mps - 0.87).abs() < 0.05, "what is left slides away");
        for (sent_mps, truly_mps) in seen.delta_mps.into_iter().zip(seen.truly_mps) {
            assert!((sent_mps - truly_mps).abs() < 0.03 * along_mps, "the samples are the truth and noise");
        }
        assert!((0.15..0.30).contains(&(seen.delta_mps[1] / seen.delta_mps[0])), "to the right front");
        assert!((150.0..490.0).contains(&seen.peak_mps2), "within the sensor's range");
        let contact_s = seen.contact_s.expect("it is felt");
        assert!((0.0..0.045).contains(&(seen.fired_s.expect("fired") - contact_s)));
        assert!(seen.at_rest && seen.hazard && seen.last_body_s > contact_s + 20.0);
    }
}

#[test]
fn in_a_pile_up_the_body_bus_falls_silent() {
    let seen = collide(Scenario::Pileup, 5);
    let silent_after_s = seen.last_body_s - seen.contact_s.expect("it is felt");
    assert!((0.0..0.1).contains(&silent_after_s), "{silent_after_s}");
    assert!(seen.at_rest);
}
