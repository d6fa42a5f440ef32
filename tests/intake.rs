//! What is believed of a frame, what is not, and what has stopped.
#![expect(clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

#[path = "common/small_profile.rs"]
mod small_profile;

use std::time::Duration;

use proptest::prelude::*;

use telltale::can::e2e::{DataIdMode, Protection, State};
use telltale::can::{BusId, CanId, Frame, FrameKind};
use telltale::signals::intake::{BUS_SILENT_AFTER, Intake, SCAN_INTERVAL};
use telltale::signals::{Cause, Quality, Reading, Signals, Value};
use telltale::time::MonoTime;

const SPEED: &str = "Vehicle.Speed";
const GEAR: &str = "Vehicle.Powertrain.Transmission.SelectedGear";
const DOOR: &str = "Vehicle.Cabin.Door.Row1.DriverSide.IsOpen";
const LOCKED: &str = "Vehicle.Cabin.Door.Row1.DriverSide.IsLocked";
const LEVEL: &str = "Vehicle.Powertrain.FuelSystem.RelativeLevel";
const ODOMETER: &str = "Vehicle.TraveledDistance";
const LAMP: &str = "Vehicle.Telltale.Abs";

struct Bench {
    signals: Signals,
    intake: Intake,
    sender: State,
}

impl Bench {
    fn new() -> Self {
        let profile = small_profile::small();
        Self { signals: profile.table().expect("a table"), intake: profile.intake(), sender: State::default() }
    }

    /// A frame of the protected message, as its sender makes it.
    fn cyclic(&mut self, speed: u16, gear: u8, door: u8) -> Vec<u8> {
        let [low, high] = speed.to_le_bytes();
        let mut payload = vec![0, 0, low, high, gear | door << 4, 0, 0, 0];
        let protection = Protection::profile_1(8, 0x123, DataIdMode::Both, 3).expect("it fits");
        protection.protect(&mut self.sender, id(0x100), &mut payload);
        payload
    }

    fn send(&mut self, at_ms: u64, frame_id: u32, payload: &[u8]) {
        let frame = Frame::new(id(frame_id), FrameKind::Data, payload).expect("at most 8 bytes");
        self.intake.frame(MonoTime::from_millis(at_ms), BusId(0), &frame, &mut self.signals);
    }

    fn send_cyclic(&mut self, at_ms: u64, speed: u16, gear: u8, door: u8) {
        let payload = self.cyclic(speed, gear, door);
        self.send(at_ms, 0x100, &payload);
    }

    /// Lets the time pass as the gateway does.
    fn pass(&mut self, until_ms: u64) {
        while let Some(deadline) =
            self.intake.poll_timeout().filter(|deadline| *deadline <= MonoTime::from_millis(until_ms))
        {
            self.intake.expire(deadline, &mut self.signals);
            assert!(
                self.intake.poll_timeout().is_none_or(|next| next > deadline),
                "a deadline that does not move hangs"
            );
        }
    }

    fn get(&self, path: &str) -> Reading {
        self.signals.get(self.signals.id(path).expect("the profile has it"))
    }

    fn count(&self, cause: Cause) -> u64 {
        self.intake.counters(BusId(0)).expect("a bus").of(cause)
    }
}

fn id(raw: u32) -> CanId {
    CanId::base(raw).expect("11 bits")
}

#[test]
fn a_good_frame_sets_every_signal_in_its_vss_unit() {
    let mut bench = Bench::new();
    bench.send_cyclic(10, 5_230, 2, 1);
    assert_eq!(bench.get(SPEED).good_f64(), Some(52.300_000_000_000_004));
    assert_eq!(bench.get(GEAR).good(), Some(Value::Int(-1)));
    assert_eq!(bench.get(DOOR).good(), Some(Value::Bool(true)));
    assert_eq!(bench.get(SPEED).age(MonoTime::from_millis(30)), Some(Duration::from_millis(20)));
    bench.send(20, 0x200, &[1, 101]);
    assert_eq!(bench.get(LOCKED).good(), Some(Value::Bool(true)));
    assert_eq!(bench.get(LEVEL).good(), Some(Value::Int(51)), "50.5 is rounded away from zero");
    bench.send(20, 0x300, &[1, 0x10, 0x27, 0]);
    assert_eq!(bench.get(ODOMETER).good(), Some(Value::Int(10_000_000)));
    assert_eq!(bench.get(LAMP).value, None, "its page was not sent");
}

#[test]
fn what_a_frame_does_not_know_is_marked_and_counted_and_changes_no_value() {
    let mut bench = Bench::new();
    bench.send_cyclic(0, 1_000, 1, 0);
    for (at_ms, speed, gear, door, path, cause) in [
        (20, 0xFFFF, 1, 0, SPEED, Cause::NotAvailable),
        (40, 25_001, 1, 0, SPEED, Cause::OutOfRange),
        (60, 1_000, 7, 0, GEAR, Cause::Unmapped),
        (80, 1_000, 1, 3, DOOR, Cause::Unmapped),
    ] {
        let before = bench.get(path).value;
        let counted = bench.count(cause);
        bench.send_cyclic(at_ms, speed, gear, door);
        assert_eq!(bench.get(path).quality, Quality::Invalid(cause), "{path}");
        assert_eq!(bench.get(path).value, before);
        assert_eq!(bench.count(cause), counted + 1);
    }
    bench.send_cyclic(100, 1_100, 1, 0);
    assert_eq!(bench.get(SPEED).good_f64(), Some(11.0));
    assert_eq!(bench.get(DOOR).quality, Quality::Good);
}

#[test]
fn a_frame_of_the_wrong_length_is_not_believed() {
    let mut bench = Bench::new();
    bench.send_cyclic(0, 1_000, 1, 0);
    let payload = bench.cyclic(2_000, 1, 0);
    bench.send(20, 0x100, &payload[..7]);
    assert_eq!(bench.get(SPEED).quality, Quality::Invalid(Cause::Length));
    bench.send(20, 0x200, &[1]);
    assert_eq!(bench.get(LOCKED).value, None, "nothing of a short frame is believed, not even what is in it");
    bench.send(20, 0x300, &[1, 2]);
    assert_eq!(bench.get(ODOMETER).quality, Quality::Invalid(Cause::Length), "a short page");
    assert_eq!(bench.count(Cause::Length), 3);
}

#[test]
fn a_repeated_counter_is_not_believed_and_a_lost_frame_is_forgiven() {
    let mut bench = Bench::new();
    let first = bench.cyclic(1_000, 1, 0);
    bench.send(0, 0x100, &first);
    bench.send(20, 0x100, &first);
    assert_eq!(bench.get(SPEED).quality, Quality::Invalid(Cause::Counter));
    bench.cyclic(1_100, 1, 0);
    bench.send_cyclic(60, 1_200, 1, 0);
    assert_eq!(bench.get(SPEED).good_f64(), Some(12.0));
    assert_eq!(bench.count(Cause::Counter), 1);
}

#[test]
fn a_message_that_stops_makes_its_signals_stale_after_five_periods() {
    let mut bench = Bench::new();
    bench.send_cyclic(0, 1_000, 1, 0);
    bench.send(0, 0x200, &[1, 100]);
    bench.pass(99);
    assert_eq!(bench.get(SPEED).quality, Quality::Good);
    bench.pass(100 + u64::try_from(SCAN_INTERVAL.as_millis()).expect("small"));
    assert_eq!(bench.get(SPEED).quality, Quality::Stale);
    assert_eq!(bench.get(SPEED).value, Some(Value::Float(10.0)), "the last value stays");
    assert_eq!(bench.get(LOCKED).quality, Quality::Good, "sent on change: it holds");
    bench.send_cyclic(300, 1_000, 1, 0);
    assert_eq!(bench.get(SPEED).quality, Quality::Good);
}

#[test]
fn on_change_messages_hold_while_the_bus_lives_and_no_deadline_is_left_when_it_sleeps() {
    let mut bench = Bench::new();
    bench.send(0, 0x200, &[1, 100]);
    for at_ms in (0..20_000).step_by(1000) {
        bench.send(at_ms, 0x7FF, &[]);
        bench.pass(at_ms);
    }
    assert_eq!(bench.get(LOCKED).quality, Quality::Good);
    bench.pass(19_000 + u64::try_from((BUS_SILENT_AFTER + SCAN_INTERVAL).as_millis()).expect("small"));
    assert_eq!(bench.get(LOCKED).quality, Quality::Stale);
    assert_eq!(bench.intake.poll_timeout(), None, "a parked car is not woken");
    assert_eq!(bench.intake.counters(BusId(0)).expect("a bus").unknown, 20);
}

#[test]
fn a_page_that_is_no_longer_sent_becomes_stale_though_its_message_goes_on() {
    let mut bench = Bench::new();
    for at_ms in (0..1_000).step_by(100) {
        bench.send(at_ms, 0x300, &[2, 1, 0, 0]);
        if at_ms == 0 {
            bench.send(at_ms, 0x300, &[1, 1, 0, 0]);
        }
        bench.pass(at_ms);
    }
    assert_eq!(bench.get(LAMP).quality, Quality::Good);
    assert_eq!(bench.get(ODOMETER).quality, Quality::Stale);
}

#[test]
fn remote_and_error_frames_and_other_buses_are_passed_over() {
    let mut bench = Bench::new();
    let remote = Frame::remote(id(0x100), 8).expect("8 bytes");
    let error = Frame::new(id(0x100), FrameKind::Error, &[0; 8]).expect("8 bytes");
    for frame in [remote, error] {
        bench.intake.frame(MonoTime::ZERO, BusId(0), &frame, &mut bench.signals);
        bench.intake.frame(MonoTime::ZERO, BusId(9), &frame, &mut bench.signals);
    }
    assert_eq!(bench.intake.counters(BusId(0)).copied(), Some(telltale::signals::intake::Counters::default()));
}

proptest! {
    /// Any frames at any time: every value that was ever set is in range, and every frame of the bus is counted.
    #[test]
    fn whatever_is_on_the_bus_values_stay_in_range(
        frames in prop::collection::vec((0_u64..50, 0_u32..0x400, prop::collection::vec(any::<u8>(), 0..=8)), 0..200),
    ) {
        let mut bench = Bench::new();
        let mut now = 0;
        for (step, raw, payload) in &frames {
            now += step;
            bench.pass(now);
            let raw = if raw % 2 == 0 { (raw / 2 % 3 + 1) * 0x100 } else { *raw };
            bench.send(now, raw, payload);
        }
        prop_assert_eq!(bench.intake.counters(BusId(0)).expect("a bus").frames, frames.len() as u64);
        if let Some(Value::Float(speed)) = bench.get(SPEED).value {
            prop_assert!((0.0..=250.0).contains(&speed));
        }
        if let Some(Value::Int(level)) = bench.get(LEVEL).value {
            prop_assert!((0..=100).contains(&level));
        }
    }
}
