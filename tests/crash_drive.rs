//! A crash of the simulated car through the whole gateway, in virtual time: what leaves the car, in which order.
#![cfg(feature = "demo")]
#![expect(clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

#[path = "common/demo_phev.rs"]
mod demo_phev;
#[path = "common/setup.rs"]
mod setup;

use std::time::Duration;

use serde_json::Value as Json;

use telltale::cli::replay;
use telltale::delivery::codec;
use telltale::gateway::{Effect, Gateway, Input, StoreEvent, StoreInventory, StoreRequest};
use telltale::sim::{self, Begin, Scenario, What};
use telltale::time::{MonoTime, WallTime};

use setup::setup;

/// When [`sim::record`] begins.
const MORNING: WallTime = WallTime::from_unix_micros(1_772_434_800_000_000);

/// Everything that left the car: topic below the root, and the event.
fn drive(scenario: Scenario, seed: u64, seconds: u64) -> Vec<(String, Json)> {
    println!("{scenario:?}, seed {seed}");
    let recording = sim::record(scenario, seed, Duration::from_secs(seconds)).expect("the simulated car speaks");
    let mut lines = Vec::new();
    let played = replay::play(
        demo_phev::config(""),
        replay::Logs { can: &recording.can, gnss: &recording.gnss, owner: &[] },
        &mut lines,
    );
    assert!(played.is_ok_and(|(_, written)| written.is_ok()), "no replay");
    let message = |line: &str| {
        let line: Json = serde_json::from_str(line).expect("a JSON line");
        let topic = line["topic"].as_str().expect("a topic");
        let below = topic.strip_prefix("telltale/v1/car-0001/").expect("below the root");
        (below.to_owned(), line["payload"].clone())
    };
    String::from_utf8(lines).expect("JSON lines").lines().map(message).collect()
}

fn of<'a>(messages: &'a [(String, Json)], topic: &str) -> Vec<&'a Json> {
    messages.iter().filter(|(below, _)| below == topic).map(|(_, event)| event).collect()
}

const EVENTS: [&str; 4] = ["event/crash.detected", "event/crash.graded", "event/crash.corrected", "event/crash.closed"];

/// The events of the crash, in the order in which they left the car.
fn words(messages: &[(String, Json)]) -> Vec<(&str, &Json)> {
    let crashes = messages.iter().filter(|(topic, _)| EVENTS.contains(&topic.as_str()));
    crashes.map(|(topic, event)| (topic.as_str(), event)).collect()
}

fn micros(text: &Json) -> i64 {
    let stamp: jiff::Timestamp = text.as_str().expect("a time").parse().expect("RFC 3339");
    stamp.as_microsecond()
}

fn number(value: &Json) -> f64 {
    value.as_f64().unwrap_or_else(|| panic!("no number: {value}"))
}

/// The window over which 49 CFR 563 and UN R160 judge a change of velocity.
const WINDOW: Duration = Duration::from_millis(150);

/// How the crash truly changed the velocity of the car in the [`WINDOW`] from contact on, forwards and to the left, in
/// km/h.
fn truth_of(scenario: Scenario, seed: u64) -> [f64; 2] {
    let begin = Begin { mono: MonoTime::ZERO, wall: MORNING };
    let mut car = sim::Car::new(seed, scenario, begin).expect("the simulated car speaks");
    while car.next().is_some() {
        let truth = car.truth();
        let Some(impact) = truth.impact.filter(|impact| truth.at.since(impact.contact) >= WINDOW) else { continue };
        return impact.delta_v_mps.map(|mps| mps * 3.6);
    }
    panic!("no contact");
}

#[test]
fn a_crash_is_told_at_once_then_graded_then_closed() {
    for seed in [1, 2, 3, 4, 5] {
        let truly = truth_of(Scenario::Crash, seed);
        let messages = drive(Scenario::Crash, seed, 45);
        let words = words(&messages);
        let kinds: Vec<&str> = words.iter().map(|(topic, _)| *topic).filter(|topic| *topic != EVENTS[2]).collect();
        assert_eq!(kinds, [EVENTS[0], EVENTS[1], EVENTS[3]]);
        assert_eq!(words[0].1["id"], "0000000100000000-critical-1", "nothing overtakes it");
        for (_, event) in &words {
            assert!(event["id"].as_str().is_some_and(|id| id.contains("-critical-")), "the lane of what saves lives");
            assert_eq!(event["subject"], "0000000100000000-crash-1");
            assert_eq!(event["data"]["contact"], words[0].1["data"]["contact"]);
            assert!(event["data"]["location"]["fix"].is_object(), "with the place");
        }
        let (detected, graded) = (words[0].1, words[1].1);
        let after_ms = (micros(&detected["time"]) - micros(&detected["data"]["contact"])) / 1000;
        assert!((0..=60).contains(&after_ms), "told {after_ms} ms after contact");
        let data = &graded["data"];
        let [x, y] = ["x_kmh", "y_kmh"].map(|axis| number(&data["delta_v"][axis]));
        let resultant = number(&data["delta_v"]["resultant_kmh"]);
        println!("{x} and {y} km/h, truly {truly:.1?}; told {after_ms} ms after contact");
        for (said, truly) in [(x, truly[0]), (y, truly[1]), (resultant, truly[0].hypot(truly[1]))] {
            assert!((said - truly).abs() <= 0.1 * truly.abs(), "{said} km/h, truly {truly:.1}");
        }
        assert!((number(&data["evidence"]["speed_lost_kmh"]) + x).abs() < 6.0, "wheels and pulse agree: {data}");
        assert_eq!((&data["side"], &data["clock_direction"]), (&"front".into(), &12.into()));
        assert!(number(&data["pdof_deg"]) < 0.0, "from the left: {data}");
        assert_eq!((&data["occupants"], &data["belted"], &data["impacts"]), (&1.into(), &1.into(), &1.into()));
        assert!(data["evidence"]["restraints"].as_array().is_some_and(|fired| fired.contains(&"front".into())));
        let state = of(&messages, "state/safety").last().expect("the group is published")["data"]["crash"].clone();
        assert_eq!((&state["stage"], &state["crash"]), (&"closed".into(), &"0000000100000000-crash-1".into()));
    }
}

#[test]
fn a_second_impact_and_a_torn_bus_are_seen() {
    let messages = drive(Scenario::Pileup, 4, 45);
    let (_, closed) = words(&messages).pop().expect("told");
    assert_eq!(closed["data"]["impacts"], 2, "{closed}");
    assert_eq!(closed["data"]["evidence"]["bus_silent"], true, "{closed}");
}

#[test]
fn a_drive_without_a_crash_has_none_and_its_sensors_work() {
    let messages = drive(Scenario::Tour, 1, 90);
    assert!(words(&messages).is_empty());
    assert!(of(&messages, "event/sensor.fault").is_empty());
    let state = of(&messages, "state/safety").last().expect("the group is published")["data"].clone();
    assert_eq!(state["crash"], Json::Null);
    assert_eq!(state["sensors"]["restraint-acceleration"]["x"]["value"], "working");
}

/// The frame that proves the crash is answered by the append of the critical record, before anything else.
#[test]
fn the_record_of_a_crash_is_the_first_thing_that_is_asked_of_the_store() {
    let now = MonoTime::from_millis(1_000);
    let setup = setup("car-0001", demo_phev::config("").profile);
    let mut gateway = Gateway::new(now, setup).expect("a table");
    gateway.handle(now, Input::Store(StoreEvent::Opened(StoreInventory::default())));
    let begin = Begin { mono: now, wall: MORNING };
    let mut car = sim::Car::new(1, Scenario::Crash, begin).expect("the simulated car speaks");
    while let Some(emission) = car.next() {
        let What::Frame(bus, frame) = emission.what else { continue };
        gateway.handle(emission.at, Input::Frame(bus, &frame));
        let mut effects = Vec::new();
        while let Some(effect) = gateway.poll_effect() {
            effects.push(effect);
        }
        let is_crash = |effect: &Effect| match effect {
            Effect::Store(_, StoreRequest::Commit { records, .. }) => {
                let is_report = |bytes| codec::decode(bytes).is_ok_and(|record| record.topic == "event/crash.detected");
                records.iter().any(|(_, bytes)| is_report(bytes))
            }
            _ => false,
        };
        if let Some(place) = effects.iter().position(is_crash) {
            assert_eq!(place, 0, "{effects:?}");
            let contact = car.truth().impact.expect("it has touched").contact;
            let after = emission.at.since(contact);
            assert!(after > Duration::ZERO && after <= Duration::from_millis(60), "{after:?} after the true contact");
            return;
        }
        // The store is quick: one append at a time is under way.
        for effect in effects {
            if let Effect::Store(ticket, _) = effect {
                gateway.handle(emission.at, Input::Store(StoreEvent::Done(ticket)));
            }
        }
    }
    panic!("the crash was not noticed");
}
