use super::*;
use crate::services::testkit::{Car, Rng, SUPPLY, label, number, switch};

const SUPPLY_PATH: &str = "Vehicle.LowVoltageSystemState";
const DOOR: &str = "Vehicle.Cabin.Door.Row1.DriverSide.IsOpen";
const LOCK: &str = "Vehicle.Cabin.Door.Row1.DriverSide.IsLocked";
const WINDOW: &str = "Vehicle.Cabin.Door.Row2.PassengerSide.Window.IsOpen";
const TRUNK: &str = "Vehicle.Body.Trunk.Rear.IsOpen";
const HOOD: &str = "Vehicle.Body.Hood.IsOpen";
const ROOF: &str = "Vehicle.Cabin.Sunroof.Position";
const BELT: &str = "Vehicle.Cabin.Seat.Row1.DriverSide.IsBelted";
const SWITCHES: [&str; 6] = [DOOR, LOCK, WINDOW, TRUNK, HOOD, BELT];

fn car() -> Car<Body> {
    let mut defs: Vec<_> = SWITCHES.iter().map(|path| switch(path)).collect();
    defs.extend([number(ROOF, "percent"), label(SUPPLY_PATH, SUPPLY)]);
    defs.push(switch("Vehicle.Cabin.Door.Row1.DriverSide.Shade.IsOpen"));
    Car::new(defs, |signals| Body::new(signals).expect("it has doors"))
}

/// Everything closed and locked, the driver belted, the ignition as told.
fn closed(supply: &str) -> Car<Body> {
    let mut car = car();
    for path in SWITCHES {
        car.switch(path, path == LOCK || path == BELT);
    }
    car.number(ROOF, 0.0);
    car.label(SUPPLY_PATH, supply);
    car.run(1_000);
    car.take();
    car
}

#[test]
fn each_part_is_in_the_document_with_its_word() {
    let mut car = closed("ON");
    let word = |car: &Car<Body>, group: &str, name: &str| car.state()[group][name]["value"].clone();
    assert_eq!(word(&car, "locks", "Door.Row1.DriverSide"), "locked");
    assert_eq!(word(&car, "belts", "Seat.Row1.DriverSide"), "fastened");
    let openings = car.state()["openings"].as_object().expect("an object").clone();
    let names = ["Door.Row1.DriverSide", "Door.Row2.PassengerSide.Window", "Hood", "Sunroof", "Trunk.Rear"];
    assert_eq!(openings.keys().collect::<Vec<_>>(), names);
    assert!(openings.values().all(|part| part["value"] == "closed" && part["quality"] == "good"));
    assert_eq!(
        (&car.state()["all_closed"]["value"], &car.state()["all_locked"]["value"]),
        (&json!(true), &json!(true))
    );

    car.number(ROOF, -30.0);
    car.switch(LOCK, false);
    assert_eq!(word(&car, "openings", "Sunroof"), "open");
    assert_eq!(
        (&car.state()["all_closed"]["value"], &car.state()["all_locked"]["value"]),
        (&json!(false), &json!(false))
    );
}

#[test]
fn what_is_not_known_is_not_closed() {
    let mut car = car();
    car.switch(DOOR, false);
    assert_eq!(car.state()["all_closed"]["value"], Json::Null);
    assert_eq!(car.state()["openings"]["Hood"]["value"], "unknown");
    car.switch(TRUNK, true);
    assert_eq!(car.state()["all_closed"]["value"], false, "one open part is enough");
    let mut car = closed("ON");
    car.expire(HOOD);
    assert_eq!(car.state()["all_closed"]["quality"], "stale");
    assert_eq!(car.state()["all_closed"]["value"], true, "by the last word");
}

#[test]
fn a_window_left_open_and_a_car_left_unlocked_are_told_once() {
    let mut car = closed("OFF");
    car.switch(WINDOW, true);
    car.switch(LOCK, false);
    car.run(299_000);
    assert!(car.take().is_empty());
    car.run(1_000);
    let events = car.take();
    assert_eq!(events.iter().map(|event| event.kind).collect::<Vec<_>>(), ["body.left_open", "body.left_unlocked"]);
    assert_eq!(events[0].data, json!({"open": ["Door.Row2.PassengerSide.Window"], "for_s": 300.0}));
    assert_eq!(events[1].data, json!({"unlocked": ["Door.Row1.DriverSide"], "for_s": 300.0}));
    assert!(events.iter().all(|event| event.with_position));
    car.switch(TRUNK, true);
    car.run(86_400_000);
    assert!(car.take().is_empty());
}

#[test]
fn it_is_told_again_after_it_was_closed_or_the_car_was_used() {
    let mut car = closed("OFF");
    for _ in 0..3 {
        car.switch(WINDOW, true);
        car.run(400_000);
        assert_eq!(car.kinds(), ["body.left_open"]);
        car.switch(WINDOW, false);
        car.run(1_000);
    }
    car.switch(WINDOW, true);
    car.run(400_000);
    car.label(SUPPLY_PATH, "ON");
    car.run(400_000);
    assert_eq!(car.kinds(), ["body.left_open", "ignition.on"]);
    car.label(SUPPLY_PATH, "OFF");
    car.run(400_000);
    assert_eq!(car.kinds(), ["ignition.off", "body.left_open"]);
}

#[test]
fn the_last_word_of_a_bus_that_fell_asleep_counts_and_an_old_one_does_not() {
    for (age_ms, told) in [(30_000, true), (600_000, false)] {
        let mut car = closed("ON");
        car.switch(WINDOW, true);
        car.expire(WINDOW);
        car.run(age_ms);
        car.label(SUPPLY_PATH, "OFF");
        car.run(1_000);
        car.silence();
        car.run(600_000);
        assert_eq!(car.kinds().contains(&"body.left_open"), told, "{age_ms} ms");
    }
}

#[test]
fn a_word_that_is_not_believed_says_nothing() {
    let mut car = closed("OFF");
    car.switch(WINDOW, true);
    car.distrust(WINDOW);
    car.run(600_000);
    assert!(car.take().is_empty());
    assert_eq!(car.state()["openings"]["Door.Row2.PassengerSide.Window"]["quality"], "invalid");
}

#[test]
fn what_was_told_before_a_restart_is_not_told_again() {
    for reboot in [false, true] {
        let mut car = closed("OFF");
        car.switch(WINDOW, true);
        car.run(400_000);
        assert_eq!(car.kinds(), ["body.left_open"]);
        if reboot {
            car.reboot(60_000);
        } else {
            car.restart(60_000);
        }
        car.label(SUPPLY_PATH, "OFF");
        car.switch(WINDOW, true);
        car.run(600_000);
        assert!(car.take().is_empty());
    }
}

#[test]
fn a_profile_without_parts_has_no_such_service() {
    let signals = Signals::new(vec![number("Vehicle.Speed", "km/h")]).expect("one signal");
    assert!(Body::new(&signals).is_none());
}

#[test]
fn at_most_one_of_each_for_each_parking_if_nothing_is_closed() {
    for seed in 0..60 {
        let mut rng = Rng(seed);
        let mut car = closed("OFF");
        let (mut open, mut unlocked) = (false, false);
        for _ in 0..200 {
            match rng.below(8) {
                0..=3 => {
                    let path = rng.pick(&SWITCHES);
                    car.switch(path, rng.below(2) == 0);
                }
                4 => car.label(SUPPLY_PATH, rng.pick(&["ON", "OFF", "ACC"])),
                5 => car.expire(rng.pick(&SWITCHES)),
                6 => car.silence(),
                _ => car.restart(1_000),
            }
            for event in car.take() {
                let told = if event.kind == "body.left_open" { &mut open } else { &mut unlocked };
                if event.kind.starts_with("body.") {
                    assert!(!*told, "seed {seed}: {} twice", event.kind);
                    *told = true;
                    assert_eq!(car.ignition.drive().phase, Phase::Off);
                }
            }
            let used = !matches!(car.ignition.drive().phase, Phase::Off | Phase::Unknown);
            let state = car.state();
            open &= !used && state["all_closed"]["value"] != true;
            unlocked &= !used && state["all_locked"]["value"] != true;
            let pause = rng.pick(&[0, 700, 100_000, 400_000]);
            car.run(pause);
            for event in car.take() {
                let told = if event.kind == "body.left_open" { &mut open } else { &mut unlocked };
                if event.kind.starts_with("body.") {
                    assert!(!*told, "seed {seed}: {} twice", event.kind);
                    *told = true;
                }
            }
            let used = !matches!(car.ignition.drive().phase, Phase::Off | Phase::Unknown);
            open &= !used;
            unlocked &= !used;
        }
    }
}
