//! The receiver as the gateway sees it: bytes and time in, fixes out.

use proptest::prelude::*;

use super::*;
use crate::time::TimeSource;

const HOME: Position = Position { latitude_deg: 48.1173, longitude_deg: 11.517 };
/// Degrees of latitude in a metre.
const METRE: f64 = 1.0 / 111_195.0;

/// A receiver on the bench: says what it is told to, with right checksums.
struct Bench {
    receiver: Receiver,
    now_ms: u64,
}

impl Bench {
    fn new() -> Self {
        Self { receiver: Receiver::default(), now_ms: 100_000 }
    }

    fn say(&mut self, bodies: &[String]) -> Vec<Fix> {
        let stream: String = bodies.iter().map(|body| sentence(body)).collect();
        self.receiver.feed(MonoTime::from_millis(self.now_ms), stream.as_bytes());
        self.fixes()
    }

    fn wait(&mut self, span_ms: u64) -> Vec<Fix> {
        self.now_ms += span_ms;
        self.receiver.handle_timeout(MonoTime::from_millis(self.now_ms));
        self.fixes()
    }

    fn fixes(&mut self) -> Vec<Fix> {
        std::iter::from_fn(|| self.receiver.poll_fix()).collect()
    }

    /// One epoch of GGA and RMC at the present moment, ended by silence; the UTC follows the bench's clock.
    fn epoch(&mut self, position: Position, speed_mps: f64) -> Fix {
        let time = hms(self.now_ms);
        let fixes = [self.say(&[gga(&time, position), rmc(&time, position, speed_mps, "211126")]), self.wait(900)];
        self.now_ms += 100;
        let fixes: Vec<_> = fixes.concat();
        assert_eq!(fixes.len(), 1, "{fixes:?}");
        fixes[0]
    }
}

fn sentence(body: &str) -> String {
    format!("${body}*{:02X}\r\n", body.bytes().fold(0, |sum, byte| sum ^ byte))
}

fn hms(ms: u64) -> String {
    format!("{:02}{:02}{:02}.{:02}", ms / 3_600_000 % 24, ms / 60_000 % 60, ms / 1_000 % 60, ms / 10 % 100)
}

fn place(position: Position) -> String {
    let minutes = |degrees: f64| (degrees.abs().trunc(), degrees.abs().fract() * 60.0);
    let ((lat, lat_min), (lon, lon_min)) = (minutes(position.latitude_deg), minutes(position.longitude_deg));
    format!("{lat:02}{lat_min:010.7},N,{lon:03}{lon_min:010.7},E")
}

fn gga(time: &str, position: Position) -> String {
    format!("GNGGA,{time},{},1,12,0.8,545.4,M,46.9,M,,", place(position))
}

fn rmc(time: &str, position: Position, speed_mps: f64, date: &str) -> String {
    format!("GNRMC,{time},A,{},{:.3},84.4,{date},,,A,V", place(position), speed_mps * 3_600.0 / 1_852.0)
}

fn north(position: Position, metres: f64) -> Position {
    Position { latitude_deg: position.latitude_deg + metres * METRE, ..position }
}

#[test]
fn an_epoch_becomes_one_fix_with_everything_in_it() {
    let mut bench = Bench::new();
    let mut fixes = bench.say(&[
        rmc("100000.00", HOME, 10.0, "211126"),
        "GNVTG,84.4,T,,M,,N,,K,A".into(),
        gga("100000.00", HOME),
        "GNGSA,A,3,01,02,,,,,,,,,,,1.5,0.8,1.2,1".into(),
        "GNGST,100000.00,1.0,1.5,1.2,30.0,0.3,0.4,1.1".into(),
    ]);
    fixes.extend(bench.wait(200));
    let [fix] = fixes[..] else { panic!("{fixes:?}") };
    assert_eq!(fix.at, MonoTime::from_millis(100_000));
    assert!(fix.trusted_position().expect("it is trusted").distance_m(HOME) < 0.01);
    assert_eq!((fix.kind, fix.satellites, fix.altitude_m), (FixKind::ThreeD, Some(12), Some(545.4)));
    assert_eq!(fix.accuracy, Some(Accuracy { horizontal_m: 0.5, from: AccuracySource::Gst }));
    assert!((fix.speed_mps.expect("there is one") - 10.0).abs() < 0.001);
    let reading = fix.reading().expect("the time is trusted");
    assert_eq!(reading.source, TimeSource::Gnss);
    assert_eq!(reading.wall.minus(reading.uncertainty).to_string(), "2026-11-21T10:00:00.000Z");
}

#[test]
fn after_three_epochs_the_fix_comes_with_the_last_sentence() {
    let mut bench = Bench::new();
    let mut at_once = 0;
    for epoch in 0..20_u64 {
        let time = hms(bench.now_ms);
        bench.say(&[rmc(&time, HOME, 0.0, "211126")]);
        bench.now_ms += 30;
        at_once += u32::from(bench.say(&[gga(&time, HOME)]).iter().any(|fix| fix.at.as_millis() + 30 == bench.now_ms));
        bench.now_ms += 70;
        assert!(epoch < 3 || at_once > 0, "10 Hz: no silence between the epochs");
    }
    assert_eq!(at_once, 20 - 3);
    assert_eq!(bench.receiver.counters().fixes, 20);
    assert_eq!(bench.receiver.counters().late, 0);
}

#[test]
fn receivers_with_one_sentence_work_at_any_rate() {
    for (name, step_ms) in [("gga", 1_000), ("rmc", 1_000), ("gga", 100), ("rmc", 100)] {
        let mut bench = Bench::new();
        let mut count = 0;
        for _ in 0..50 {
            let time = hms(bench.now_ms);
            let body = if name == "gga" { gga(&time, HOME) } else { rmc(&time, HOME, 0.0, "211126") };
            let fixes = [bench.say(&[body]), bench.wait(step_ms)].concat();
            for fix in &fixes {
                assert!(fix.trusted_position().is_some());
                assert_eq!(fix.reading().is_some(), name == "rmc", "GGA has no date");
            }
            count += fixes.len();
        }
        assert_eq!(count + bench.wait(1_000).len(), 50, "{name} each {step_ms} ms");
    }
}

#[test]
fn a_sentence_that_comes_now_and_then_splits_no_epoch() {
    let mut bench = Bench::new();
    let mut fixes = Vec::new();
    for epoch in 0..300_u64 {
        let time = hms(bench.now_ms);
        fixes.extend(bench.say(&[gga(&time, HOME)]));
        if epoch % 10 == 9 {
            bench.now_ms += 5;
            fixes.extend(bench.say(&[rmc(&time, HOME, 0.0, "211126")]));
            bench.now_ms -= 5;
        }
        bench.now_ms += 100;
    }
    fixes.extend(bench.wait(1_000));
    assert_eq!(fixes.len(), 300);
    assert!(bench.receiver.counters().late <= 5, "{:?}", bench.receiver.counters());
    assert!(fixes[20..].iter().all(|fix| fix.utc.is_some()), "the date is carried on");
}

#[test]
fn midnight_changes_the_date_of_the_sentence_without_one() {
    let mut bench = Bench::new();
    bench.say(&[rmc("235959.00", HOME, 0.0, "311226")]);
    bench.now_ms += 1_000;
    bench.say(&[gga("000000.00", HOME)]);
    let fixes = bench.wait(500);
    let utc: Vec<String> = fixes.iter().filter_map(|fix| Some(fix.utc?.to_string())).collect();
    assert_eq!(utc.last().map(String::as_str), Some("2027-01-01T00:00:00.000Z"));
}

#[test]
fn no_fix_is_said_so_also_without_a_time() {
    let mut bench = Bench::new();
    let void = ["GPGGA,,,,,,0,,,,,,,,".to_owned(), "GPRMC,,V,,,,,,,,,,N".to_owned()];
    for _ in 0..10 {
        let fixes = [bench.say(&void), bench.wait(1_000)].concat();
        let [fix] = fixes[..] else { panic!("{fixes:?}") };
        assert_eq!((fix.kind, fix.position, fix.reading()), (FixKind::None, None, None));
    }
}

#[test]
fn an_invalid_position_is_none_and_its_time_is_not_believed() {
    let mut bench = Bench::new();
    let time = "100000.00";
    bench.say(&[gga(time, HOME), rmc(time, HOME, 0.0, "211126").replace(",A,48", ",V,48")]);
    let fixes = bench.wait(500);
    assert_eq!((fixes[0].kind, fixes[0].position), (FixKind::None, None));
    assert_eq!(fixes[0].time_doubt, Some(TimeDoubt::NoFix));
}

#[test]
fn a_jump_is_doubted_until_the_new_place_persists() {
    let mut bench = Bench::new();
    for _ in 0..5 {
        assert!(bench.epoch(HOME, 0.0).trusted_position().is_some());
    }
    let away = north(HOME, 3_000.0);
    assert_eq!(bench.epoch(away, 0.0).position_doubt, Some(PositionDoubt::Jump));
    assert_eq!(bench.epoch(HOME, 0.0).position_doubt, None, "back again: the old place is believed at once");
    let doubted = (0..60).take_while(|_| bench.epoch(away, 0.0).position_doubt.is_some()).count();
    assert_eq!(doubted, 10, "1 Hz: believed at the eleventh, ten seconds after the first");
    assert_eq!(bench.epoch(away, 0.0).position_doubt, None);
    assert_eq!(bench.epoch(HOME, 0.0).position_doubt, Some(PositionDoubt::Jump), "and the old one no longer");
}

#[test]
fn fast_driving_hard_braking_and_tunnels_are_no_jumps() {
    let mut bench = Bench::new();
    let mut metres = 0.0;
    for second in 0..60 {
        let speed = f64::from(70 - (second % 10) * 7);
        metres += speed;
        assert_eq!(bench.epoch(north(HOME, metres), speed).position_doubt, None, "second {second}");
    }
    bench.now_ms += 120_000;
    assert_eq!(bench.epoch(north(HOME, metres + 3_600.0), 30.0).position_doubt, None, "two minutes of tunnel");
}

#[test]
fn impossible_places_are_never_believed() {
    let mut bench = Bench::new();
    let null = Position { latitude_deg: 0.0, longitude_deg: 0.0 };
    for _ in 0..30 {
        assert_eq!(bench.epoch(null, 0.0).position_doubt, Some(PositionDoubt::NullIsland));
    }
    let time = hms(bench.now_ms);
    bench.say(&[gga(&time, HOME).replace(",E,1,", ",E,8,")]);
    assert_eq!(bench.wait(500)[0].position_doubt, Some(PositionDoubt::Synthetic));
    assert_eq!(bench.epoch(HOME, 0.0).position_doubt, None, "they left no trace");
}

#[test]
fn a_position_that_stands_still_at_speed_is_frozen() {
    let mut bench = Bench::new();
    let doubts: Vec<_> = (0..8).map(|_| bench.epoch(HOME, 20.0).position_doubt).collect();
    assert!(doubts[..5].iter().all(Option::is_none));
    assert!(doubts[5..].iter().all(|doubt| *doubt == Some(PositionDoubt::Frozen)));
    let further = north(HOME, 150.0);
    assert_eq!(bench.epoch(further, 20.0).position_doubt, None, "it moves again");
    assert!((0..20).all(|_| bench.epoch(further, 0.1).position_doubt.is_none()), "a parked car may stand still");
}

#[test]
fn a_date_of_another_gps_era_is_no_time_but_a_place() {
    for date in ["070407", "060180", "070746"] {
        let mut bench = Bench::new();
        bench.say(&[rmc("100000.00", HOME, 0.0, date)]);
        let fix = bench.wait(500)[0];
        assert_eq!((fix.time_doubt, fix.reading()), (Some(TimeDoubt::WeekRollover), None), "{date}");
        assert!(fix.trusted_position().is_some());
    }
}

#[test]
fn a_time_that_steps_is_doubted_until_it_persists() {
    for step_ms in [18_000_i64, -18_000] {
        let mut bench = Bench::new();
        let epoch = |bench: &mut Bench, step_ms: i64| {
            let time = hms(bench.now_ms.saturating_add_signed(step_ms));
            [bench.say(&[rmc(&time, HOME, 0.0, "211126")]), bench.wait(1_000)].concat()
        };
        for _ in 0..5 {
            epoch(&mut bench, 0);
        }
        let fixes: Vec<Fix> = (0..20).flat_map(|_| epoch(&mut bench, step_ms)).collect();
        let doubted = fixes.iter().filter(|fix| fix.time_doubt == Some(TimeDoubt::Stepped)).count();
        assert_eq!(doubted, 10, "{step_ms}");
        assert!(fixes.last().is_some_and(|fix| fix.reading().is_some()));
    }
}

#[test]
fn a_flood_of_fixes_keeps_the_newest() {
    let mut receiver = Receiver::default();
    let stream: String = (0..200).map(|n| sentence(&gga(&hms(n * 100), HOME))).collect();
    receiver.feed(MonoTime::ZERO, stream.as_bytes());
    assert_eq!(receiver.counters().overrun, 199 - QUEUE_LIMIT as u64 + 1);
    assert_eq!(std::iter::from_fn(|| receiver.poll_fix()).count(), QUEUE_LIMIT);
}

#[test]
fn a_closed_port_voids_what_was_unfinished() {
    let mut bench = Bench::new();
    bench.say(&[gga("100000.00", HOME)]);
    bench.receiver.feed(MonoTime::from_millis(bench.now_ms), b"$GNRMC,100000.00,A");
    bench.receiver.port_changed();
    assert_eq!(bench.receiver.poll_timeout(), None);
    assert_eq!(bench.wait(5_000), []);
}

/// A NAV-PVT frame with these fields set, the others zero.
fn nav_pvt(fields: &[(usize, &[u8])]) -> Vec<u8> {
    let mut summed = [&[0x01, 0x07, 92, 0][..], &[0; 92]].concat();
    for (offset, bytes) in fields {
        summed[4 + offset..4 + offset + bytes.len()].copy_from_slice(bytes);
    }
    let (a, b) = summed.iter().fold((0_u8, 0_u8), |(a, b), &byte| {
        let a = a.wrapping_add(byte);
        (a, b.wrapping_add(a))
    });
    [&[0xB5, 0x62], &summed[..], &[a, b]].concat()
}

#[test]
fn nav_pvt_tells_its_kind_of_fix() {
    // fixType, flags, flags3 (u-blox M8 protocol specification, UBX-NAV-PVT).
    for (fix_type, flags, flags3, kind) in [
        (0, 1, 0, FixKind::None),
        (1, 1, 0, FixKind::DeadReckoning),
        (2, 1, 0, FixKind::TwoD),
        (3, 1, 0, FixKind::ThreeD),
        (4, 1, 0, FixKind::ThreeD),
        (3, 3, 0, FixKind::Differential),
        (3, 0x43, 0, FixKind::RtkFloat),
        (3, 0x83, 0, FixKind::RtkFixed),
        (5, 1, 0, FixKind::None),
        (9, 1, 0, FixKind::None),
        (3, 0, 0, FixKind::None),
        (3, 1, 1, FixKind::None),
    ] {
        let mut bench = Bench::new();
        let frame = nav_pvt(&[
            (20, &[fix_type, flags]),
            (24, &115_170_000_i32.to_le_bytes()),
            (28, &481_173_000_i32.to_le_bytes()),
            (40, &1_500_u32.to_le_bytes()),
            (78, &[flags3]),
        ]);
        bench.receiver.feed(MonoTime::ZERO, &frame);
        let [fix] = bench.fixes()[..] else { panic!("{kind:?}") };
        assert_eq!(fix.kind, kind);
        assert_eq!(fix.trusted_position(), (kind != FixKind::None).then_some(HOME));
    }
}

#[test]
fn nav_pvt_with_an_impossible_position_or_length_is_malformed() {
    let mut bench = Bench::new();
    let beyond_the_pole = nav_pvt(&[(20, &[3, 1]), (28, &900_000_001_i32.to_le_bytes())]);
    bench.receiver.feed(MonoTime::ZERO, &beyond_the_pole);
    bench.receiver.feed(MonoTime::ZERO, &[0xB5, 0x62, 0x01, 0x07, 0, 0, 0x08, 0x19]);
    assert_eq!(bench.receiver.counters().malformed, 2);
    assert_eq!(bench.fixes(), []);
}

#[test]
fn sentences_beside_frames_make_no_second_fix() {
    let mut bench = Bench::new();
    let mut fixes = 0;
    for _ in 0..10 {
        bench.receiver.feed(MonoTime::from_millis(bench.now_ms), &nav_pvt(&[(20, &[3, 1])]));
        fixes += bench.say(&[gga(&hms(bench.now_ms), HOME)]).len() + bench.wait(1_000).len();
    }
    assert_eq!(fixes, 10);
    assert_eq!(bench.receiver.counters().superseded, 10);
    bench.now_ms += 5_000;
    assert_eq!([bench.say(&[gga(&hms(bench.now_ms), HOME)]), bench.wait(1_000)].concat().len(), 1, "the frames ended");
}

proptest! {
    /// Whatever comes, in whatever cuts and at whatever times, nothing panics and nothing grows.
    #[test]
    fn any_bytes_are_survived_within_bounds(
        reads in prop::collection::vec((0_u64..3_000, noise()), 0..40),
    ) {
        let mut receiver = Receiver::default();
        let mut now_ms = 0;
        for (pause_ms, bytes) in reads {
            now_ms += pause_ms;
            receiver.feed(MonoTime::from_millis(now_ms), &bytes);
            prop_assert!(receiver.output.queue.len() <= QUEUE_LIMIT);
            prop_assert_eq!(receiver.stream.capacity(), stream::BUFFER_LIMIT);
            while let Some(fix) = receiver.poll_fix() {
                let is_on_earth = |p: Position| p.latitude_deg.abs() <= 90.0 && p.longitude_deg.abs() <= 180.0;
                prop_assert!(fix.position.is_none_or(is_on_earth));
                prop_assert!(fix.at.as_millis() <= now_ms);
            }
        }
        let mut steps = 0;
        while let Some(deadline) = receiver.poll_timeout() {
            receiver.handle_timeout(deadline);
            steps += 1;
            prop_assert!(steps < 5_000, "it comes to rest");
        }
    }

    /// Every position that can be said in NMEA is read back to the digit.
    #[test]
    fn positions_are_read_to_the_digit(latitude_deg in 0.01_f64..89.99, longitude_deg in 0.01_f64..179.99) {
        let said = Position { latitude_deg, longitude_deg };
        let mut bench = Bench::new();
        bench.say(&[gga("100000.00", said)]);
        let read = bench.wait(500)[0].position.expect("there is one");
        prop_assert!((read.latitude_deg - latitude_deg).abs() < 2e-9);
        prop_assert!((read.longitude_deg - longitude_deg).abs() < 2e-9);
    }
}

/// Bytes, mostly of the kind that the parsers look at, some whole sentences, some with one byte changed.
fn noise() -> impl Strategy<Value = Vec<u8>> {
    let sentences = (0_u32..86_400_000, any::<prop::sample::Index>(), any::<u8>(), any::<bool>()).prop_map(
        |(ms, index, byte, damage)| {
            let time = hms(u64::from(ms));
            let mut bytes = (sentence(&gga(&time, HOME)) + &sentence(&rmc(&time, HOME, 5.0, "211126"))).into_bytes();
            if damage {
                let index = index.index(bytes.len());
                bytes[index] = byte;
            }
            bytes
        },
    );
    let bytes = prop::collection::vec(
        prop_oneof![any::<u8>(), prop::sample::select(b"$*,\r\n\xB5\x62\xD3\x01\x07\x00".to_vec())],
        0..300,
    );
    prop_oneof![sentences, bytes]
}
