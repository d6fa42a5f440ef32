//! What leaves the car and when; what survives a restart.
#![expect(clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

#[path = "common/small_profile.rs"]
mod small_profile;

use std::time::Duration;

use serde_json::{Value as Json, json};

use telltale::delivery::Privacy;
use telltale::services::View;
use telltale::signals::publish::{Group, MAX_BATCH_AGE, MAX_BATCH_BYTES, MAX_BATCH_SAMPLES, Policy, Publisher};
use telltale::signals::{At, Cause, Quality, SignalId, Signals, Value, keep};
use telltale::time::{Clock, KernelBoot, MonoTime, TimeSource, WallReading, WallTime};

const SPEED: &str = "Vehicle.Speed";
const GEAR: &str = "Vehicle.Powertrain.Transmission.SelectedGear";
const DOOR: &str = "Vehicle.Cabin.Door.Row1.DriverSide.IsOpen";
const LAMP: &str = "Vehicle.Telltale.Abs";
const LATITUDE: &str = "Vehicle.CurrentLocation.Latitude";
const BOOT: KernelBoot = KernelBoot(0xFEDC_BA98_7654_3210);

struct Bench {
    signals: Signals,
    publisher: Publisher,
    clock: Clock,
    now: MonoTime,
}

impl Bench {
    fn new() -> Self {
        let profile = small_profile::small();
        let signals = profile.table().expect("a table");
        Self { signals, publisher: profile.publisher(), clock: Clock::default(), now: MonoTime::ZERO }
    }

    /// 2025-11-21T09:00:00Z at boot.
    fn know_the_time(&mut self) {
        let wall = WallTime::from_unix_micros(1_763_715_600_000_000);
        let reading = WallReading { wall, source: TimeSource::Ntp, uncertainty: Duration::from_millis(1) };
        self.clock.offer(MonoTime::ZERO, reading);
    }

    fn id(&self, path: &str) -> SignalId {
        self.signals.id(path).expect("the profile has it")
    }

    fn at(&mut self, ms: u64) {
        self.now = MonoTime::from_millis(ms);
    }

    fn set(&mut self, path: &str, value: Value) {
        let id = self.id(path);
        let before = self.signals.get(id);
        self.signals.set(id, value, self.now);
        self.tell(id, before.value, before.quality);
    }

    /// What the gateway does with the signals that changed.
    fn tell(&mut self, id: SignalId, value: Option<Value>, quality: Quality) {
        let reading = self.signals.get(id);
        if (reading.value, reading.quality) != (value, quality) {
            self.publisher.changed(self.now, &self.signals, id);
        }
    }

    /// The documents that are due, by group.
    fn documents(&mut self) -> Vec<(String, Json)> {
        let mut documents = Vec::new();
        while let Some(index) = self.publisher.poll_group(self.now) {
            let name = self.publisher.group(index).expect("a group").name.clone();
            let view = View { now: self.now, boot: BOOT, signals: &self.signals, clock: &self.clock };
            documents.push((name, self.publisher.render_group(index, &view).signals));
        }
        documents
    }

    fn names(&mut self) -> Vec<String> {
        self.documents().into_iter().map(|(name, _)| name).collect()
    }
}

#[test]
fn a_group_is_published_on_change_but_at_most_once_per_interval() {
    let mut bench = Bench::new();
    bench.at(1_000);
    bench.set(SPEED, Value::Float(10.0));
    assert_eq!(bench.names(), ["driving"]);
    bench.at(2_000);
    bench.set(SPEED, Value::Float(20.0));
    assert!(bench.names().is_empty(), "five seconds are not over");
    bench.at(6_000);
    assert_eq!(bench.publisher.group_deadline().map(|at| at <= bench.now), Some(true));
    bench.publisher.tick(bench.now, &bench.signals);
    assert_eq!(bench.names(), ["driving"], "the change is not forgotten");
    bench.at(20_000);
    assert!(bench.names().is_empty(), "nothing changed since");
}

#[test]
fn noise_within_the_dead_band_publishes_nothing_but_drift_does() {
    let mut bench = Bench::new();
    bench.at(1_000);
    bench.set(SPEED, Value::Float(10.0));
    bench.names();
    for step in 0_u32..100 {
        bench.at(10_000 + u64::from(step) * 10_000);
        bench.set(SPEED, Value::Float(10.0 + f64::from(step % 5) * 0.1));
        assert!(bench.names().is_empty(), "0.4 km/h of noise");
    }
    bench.at(2_000_000);
    bench.set(SPEED, Value::Float(10.5));
    assert_eq!(bench.names(), ["driving"]);
}

#[test]
fn a_change_of_quality_is_always_published_with_its_cause() {
    let mut bench = Bench::new();
    bench.know_the_time();
    bench.at(1_000);
    bench.set(SPEED, Value::Float(52.300_000_000_000_004));
    bench.names();
    bench.at(60_000);
    let id = bench.id(SPEED);
    bench.signals.distrust(id, Cause::Checksum);
    bench.publisher.changed(bench.now, &bench.signals, id);
    let documents = bench.documents();
    assert_eq!(
        documents,
        [(
            "driving".to_owned(),
            json!({ SPEED: {
                "value": 52.3, "unit": "km/h", "quality": "invalid", "cause": "checksum",
                "time": "2025-11-21T09:00:01.000Z",
            }})
        )]
    );
}

#[test]
fn positions_come_apart_in_state_and_telemetry() {
    let mut bench = Bench::new();
    bench.at(500);
    bench.set(LATITUDE, Value::Float(48.137_154_321));
    let index = bench.publisher.poll_group(bench.now).expect("the location group");
    let view = View { now: bench.now, boot: BOOT, signals: &bench.signals, clock: &bench.clock };
    let group = bench.publisher.render_group(index, &view);
    assert_eq!(group.signals, json!({}));
    assert_eq!(group.location.expect("a position")[LATITUDE]["value"], json!(48.137_154_32));
    bench.at(1_000);
    bench.publisher.tick(bench.now, &bench.signals);
    let batch = bench.publisher.flush(&bench.signals).expect("a batch");
    assert_eq!(batch.data, json!({ "signals": {} }));
    assert!(batch.location.expect("a position")["signals"][LATITUDE]["samples"].is_array());
}

#[test]
fn telemetry_is_sampled_on_its_grid_and_stops_when_the_message_stops() {
    let mut bench = Bench::new();
    for ms in (100..=3_000).step_by(20) {
        bench.at(ms);
        bench.set(SPEED, Value::Float(f64::from(u32::try_from(ms).expect("small")) / 100.0));
        bench.publisher.tick(bench.now, &bench.signals);
    }
    bench.at(3_100);
    let id = bench.id(SPEED);
    bench.signals.expire(id);
    bench.publisher.changed(bench.now, &bench.signals, id);
    bench.at(4_000);
    bench.publisher.tick(bench.now, &bench.signals);
    let batch = bench.publisher.flush(&bench.signals).expect("a batch");
    assert_eq!(batch.start, MonoTime::from_millis(1_000));
    assert_eq!(
        batch.data,
        json!({ "signals": { SPEED: { "unit": "km/h", "samples": [
            [0, 10.0], [1_000, 20.0], [2_000, 30.0], [3_000, 30.0, "stale"]
        ]}}})
    );
    bench.names();
    assert_eq!(bench.publisher.deadline(), None, "a parked car is not woken for telemetry");
}

#[test]
fn on_change_signals_are_sampled_at_each_change() {
    let mut bench = Bench::new();
    for (ms, gear) in [(10, 126), (5_010, -1), (5_020, 127)] {
        bench.at(ms);
        bench.set(GEAR, Value::Int(gear));
    }
    assert!(bench.publisher.poll_batch(bench.now, &bench.signals).is_none(), "ten seconds are not over");
    bench.at(10_010);
    let batch = bench.publisher.poll_batch(bench.now, &bench.signals).expect("a batch");
    assert_eq!(batch.data["signals"][GEAR]["samples"], json!([[0, 126], [5_000, -1], [5_010, 127]]));
    assert_eq!(bench.now.since(batch.start), MAX_BATCH_AGE);
}

/// The document of the group is not due yet: it must not hide from telemetry that the value came back.
#[test]
fn a_change_and_its_return_are_both_sampled_between_two_state_documents() {
    let mut bench = Bench::new();
    let group = Group { name: "driving".to_owned(), min_interval: Duration::from_secs(60) };
    let policy = Policy { group: Some(0), telemetry: None, on_change: true, dead_band: 0.0 };
    let gear = bench.id(GEAR);
    let policies = bench.signals.iter().map(|(id, ..)| if id == gear { policy } else { Policy::default() }).collect();
    bench.publisher = Publisher::new(policies, vec![group]);
    for (ms, gear) in [(10, 126), (1_000, 127), (2_000, 126)] {
        bench.at(ms);
        bench.set(GEAR, Value::Int(gear));
        bench.documents();
    }
    let batch = bench.publisher.flush(&bench.signals).expect("a batch");
    assert_eq!(batch.data["signals"][GEAR]["samples"], json!([[0, 126], [990, 127], [1_990, 126]]));
}

#[test]
fn a_batch_that_nobody_takes_stays_bounded_and_says_what_it_lost() {
    let mut bench = Bench::new();
    let count = 3 * u32::try_from(MAX_BATCH_SAMPLES).expect("small");
    for step in 0..count {
        bench.at(u64::from(step));
        bench.set(GEAR, Value::Int(i64::from(step % 2)));
    }
    let batch = bench.publisher.poll_batch(bench.now, &bench.signals).expect("a full batch is due at once");
    let samples = batch.data["signals"][GEAR]["samples"].as_array().expect("samples").len();
    assert!(samples <= MAX_BATCH_SAMPLES && batch.data.to_string().len() <= MAX_BATCH_BYTES);
    assert_eq!(samples as u64 + bench.publisher.dropped_samples(), u64::from(count), "no sample without a trace");
}

#[test]
fn a_touched_group_is_due() {
    let mut bench = Bench::new();
    bench.at(1_000);
    bench.publisher.touch("body");
    bench.publisher.touch("no-such-group");
    assert_eq!(bench.names(), ["body"]);
    bench.at(3_000);
    bench.publisher.touch_all();
    assert_eq!(bench.names().len(), 4);
}

/// What is saved in one run and restored in the next.
fn restart(bench: &Bench, boot: KernelBoot) -> Signals {
    let view = View { now: bench.now, boot: BOOT, signals: &bench.signals, clock: &bench.clock };
    let saved = keep::save(&view, Privacy::Off);
    assert!(saved.iter().all(|(name, bytes)| name.starts_with(keep::NAME_PREFIX) && bytes.len() <= 60 * 1024));
    let mut signals = small_profile::small().table().expect("a table");
    assert_eq!(keep::restore(&mut signals, boot, &saved), 4);
    signals
}

fn driven() -> Bench {
    let mut bench = Bench::new();
    bench.at(2_000);
    bench.set(SPEED, Value::Float(52.3));
    bench.set(GEAR, Value::Int(-1));
    bench.set(DOOR, Value::Bool(true));
    bench.set(LAMP, Value::Label(2));
    bench
}

#[test]
fn last_values_survive_a_restart_with_their_age() {
    let mut bench = driven();
    bench.know_the_time();
    let later = WallTime::from_unix_micros(1_763_715_602_000_000);
    for (boot, at) in [(BOOT, At::Mono(MonoTime::from_millis(2_000))), (KernelBoot(7), At::Wall(later))] {
        let signals = restart(&bench, boot);
        let values =
            [(SPEED, Value::Float(52.3)), (GEAR, Value::Int(-1)), (DOOR, Value::Bool(true)), (LAMP, Value::Label(2))];
        for (path, value) in values {
            let reading = signals.get(signals.id(path).expect("the profile has it"));
            assert_eq!((reading.value, reading.quality, reading.at), (Some(value), Quality::Stale, at), "{path}");
        }
    }
}

#[test]
fn a_value_of_a_boot_that_never_knew_the_time_has_an_unknown_age_and_keeps_it() {
    let bench = driven();
    let mut next = Bench::new();
    next.signals = restart(&bench, KernelBoot(7));
    next.know_the_time();
    let id = next.id(SPEED);
    assert_eq!(next.signals.get(id).at, At::Unknown);
    let signals = restart(&next, KernelBoot(8));
    assert_eq!(signals.get(id).at, At::Unknown, "knowing the time now tells nothing of then");
}

#[test]
fn a_restored_value_does_not_replace_a_newer_one_and_rubbish_is_passed_over() {
    let bench = driven();
    let view = View { now: bench.now, boot: BOOT, signals: &bench.signals, clock: &bench.clock };
    let mut saved = keep::save(&view, Privacy::Off);
    for rubbish in
        ["", "[]", "{\"v\":2}", "{\"v\":1,\"signals\":{\"Vehicle.Speed\":[true]}}", "{\"v\":1,\"signals\":[]}"]
    {
        saved.push((format!("{}9", keep::NAME_PREFIX), rubbish.as_bytes().to_vec()));
    }
    saved.push(("trip".to_owned(), b"{\"v\":1,\"signals\":{\"Vehicle.Speed\":[1]}}".to_vec()));
    let mut signals = small_profile::small().table().expect("a table");
    let id = signals.id(SPEED).expect("the profile has it");
    signals.set(id, Value::Float(1.0), MonoTime::ZERO);
    keep::restore(&mut signals, BOOT, &saved);
    assert_eq!(signals.get(id).good_f64(), Some(1.0));
}
