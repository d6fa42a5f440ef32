use super::*;
use crate::services::testkit::{Car, LAMP, Rng, SUPPLY, label, switch};

const SUPPLY_PATH: &str = "Vehicle.LowVoltageSystemState";
const READY: &str = "Vehicle.Powertrain.IsReady";
const ABS: &str = "Vehicle.Telltale.Abs";
const MIL: &str = "Vehicle.Telltale.EngineMalfunction";
const ESC: &str = "Vehicle.Telltale.Esc";
const BEAM: &str = "Vehicle.Telltale.HighBeam";
const BRAKE: &str = "Vehicle.Telltale.ParkingBrake";
const ODD: &str = "Vehicle.Telltale.NotInTheOverlay";
const LAMPS: [&str; 6] = [ABS, MIL, ESC, BEAM, BRAKE, ODD];

fn car() -> Car<Telltales> {
    let mut defs: Vec<_> = LAMPS.iter().map(|path| label(path, LAMP)).collect();
    defs.extend([label(SUPPLY_PATH, SUPPLY), switch(READY), label("Vehicle.Telltale.LeftTurn", LAMP)]);
    Car::new(defs, |signals| Telltales::new(signals).expect("it has lamps"))
}

fn all(car: &mut Car<Telltales>, value: &str) {
    for path in LAMPS {
        car.label(path, value);
    }
}

/// The engine runs, the check is over, all lamps are dark.
fn running() -> Car<Telltales> {
    let mut car = car();
    all(&mut car, "OFF");
    car.label(SUPPLY_PATH, "ON");
    car.switch(READY, true);
    car.run(20_000);
    assert_eq!(car.kinds(), ["ignition.on"]);
    car
}

#[test]
fn a_lamp_is_raised_and_cleared_with_the_times_it_really_changed() {
    let mut car = running();
    let lit = car.now();
    car.label(MIL, "ON");
    car.run(60_000);
    let raised = car.take().remove(0);
    assert_eq!(
        (raised.kind, raised.at, raised.subject.as_deref()),
        ("telltale.raised", lit, Some("EngineMalfunction"))
    );
    let since = car.view().time(crate::signals::At::Mono(lit));
    let data = json!({"name": "EngineMalfunction", "color": "amber", "mode": "ON", "since": since,
                      "meaning": "engine or emission control failure (MIL)"});
    assert_eq!(raised.data, data);
    let state = car.state();
    let shown = json!({"value": "ON", "color": "amber", "count": 1, "quality": "good", "time": since});
    assert_eq!(state["lit"], json!({"EngineMalfunction": shown}));

    let dark = car.now();
    car.label(MIL, "OFF");
    car.run(10_000);
    let cleared = car.take().remove(0);
    assert_eq!((cleared.kind, cleared.at), ("telltale.cleared", dark));
    assert_eq!((&cleared.data["duration_s"], &cleared.data["count"]), (&json!(60.0), &json!(1)));
    assert_eq!(car.state()["lit"], json!({}));
}

#[test]
fn glitches_and_short_breaks_are_neither() {
    let mut car = running();
    for _ in 0..10 {
        car.label(ABS, "ON");
        car.run(900);
        car.label(ABS, "OFF");
        car.run(3_100);
    }
    assert!(car.take().is_empty());
    car.label(ABS, "ON");
    car.run(5_000);
    assert_eq!(car.kinds(), ["telltale.raised"]);
    for _ in 0..10 {
        car.label(ABS, "OFF");
        car.run(2_900);
        car.label(ABS, "ON");
        car.run(4_000);
    }
    assert!(car.take().is_empty());
}

#[test]
fn a_bulb_check_never_raises_whatever_its_order() {
    for seed in 0..200 {
        let mut rng = Rng(seed);
        let mut car = car();
        all(&mut car, "OFF");
        car.label(SUPPLY_PATH, "OFF");
        car.run(5_000);
        car.label(SUPPLY_PATH, "ON");
        let mut plan: Vec<(u64, &str, &str)> = Vec::new();
        for path in LAMPS.into_iter().filter(|path| *path != BEAM && *path != BRAKE) {
            let lit = rng.below(1_500);
            let dark = lit + 500 + rng.below(5_500);
            plan.push((lit, path, if rng.below(4) == 0 { "FLASHING" } else { "ON" }));
            plan.push((dark, path, "OFF"));
            if rng.below(3) == 0 {
                plan.extend([(dark + 300, path, "ON"), (dark + 600, path, "OFF")]);
            }
        }
        let ready = 1_000 + rng.below(8_000);
        plan.push((ready, READY, ""));
        plan.sort_unstable();
        let begin = car.now_ms;
        for (at, path, value) in plan {
            car.run(begin + at - car.now_ms);
            if path == READY { car.switch(READY, true) } else { car.label(path, value) }
        }
        car.run(60_000);
        assert_eq!(car.kinds(), ["ignition.on"], "seed {seed}");
        assert_eq!(car.state()["lit"], json!({}), "seed {seed}");
    }
}

#[test]
fn a_lamp_that_stays_lit_after_the_check_is_raised_with_the_time_it_came_on() {
    let mut car = car();
    all(&mut car, "OFF");
    car.label(SUPPLY_PATH, "OFF");
    car.run(2_000);
    car.label(SUPPLY_PATH, "ON");
    car.run(200);
    let on = car.now();
    all(&mut car, "ON");
    car.switch(READY, true);
    car.run(4_000);
    for path in [MIL, ESC, BEAM, BRAKE, ODD] {
        car.label(path, "OFF");
    }
    car.run(3_000);
    assert_eq!(car.kinds(), ["ignition.on"], "the check is going on");
    car.run(3_000);
    let events = car.take();
    assert_eq!(events.len(), 1, "{events:?}");
    assert_eq!((events[0].kind, events[0].at), ("telltale.raised", on));
}

#[test]
fn lamps_that_wait_for_the_engine_are_no_fault_before_it_runs() {
    let mut car = car();
    car.label(SUPPLY_PATH, "ON");
    car.label(MIL, "ON");
    car.run(120_000);
    assert_eq!(car.kinds(), ["ignition.on"]);
    car.switch(READY, true);
    car.run(2_000);
    car.label(MIL, "OFF");
    car.run(60_000);
    assert!(car.take().is_empty());
    car.label(MIL, "ON");
    car.run(2_000);
    assert_eq!(car.kinds(), ["telltale.raised"], "now it is one");
}

#[test]
fn a_dark_cluster_with_the_ignition_off_clears_nothing() {
    let mut car = running();
    car.label(ABS, "ON");
    car.run(5_000);
    car.take();
    all(&mut car, "OFF");
    car.label(SUPPLY_PATH, "OFF");
    car.run(3_600_000);
    assert_eq!(car.kinds(), ["ignition.off"]);
    assert_eq!(car.state()["lit"]["Abs"]["quality"], "stale");
    car.label(SUPPLY_PATH, "ON");
    car.label(ABS, "ON");
    car.run(30_000);
    assert_eq!(car.kinds(), ["ignition.on"], "still lit: nothing new");
    all(&mut car, "OFF");
    car.label(SUPPLY_PATH, "OFF");
    car.run(600_000);
    car.label(SUPPLY_PATH, "ON");
    car.run(30_000);
    assert_eq!(car.kinds(), ["ignition.off", "ignition.on", "telltale.cleared"], "it went out meanwhile");
}

#[test]
fn a_reading_that_is_not_good_neither_raises_nor_clears() {
    let mut car = running();
    car.label(ABS, "ON");
    car.run(500);
    car.distrust(ABS);
    car.run(60_000);
    assert!(car.take().is_empty());
    assert_eq!(car.state()["doubtful"], json!({"Abs": "invalid"}));
    car.label(ABS, "ON");
    car.run(2_000);
    assert_eq!(car.kinds(), ["telltale.raised"]);
    car.label(ABS, "OFF");
    car.run(1_000);
    car.expire(ABS);
    car.run(60_000);
    assert!(car.take().is_empty());
    assert_eq!((&car.state()["lit"]["Abs"]["quality"], &car.state()["quality"]), (&json!("stale"), &json!("stale")));
}

#[test]
fn raw_blinking_is_a_flashing_lamp_and_one_raise() {
    let mut car = running();
    for _ in 0..30 {
        car.label(ABS, "ON");
        car.run(400);
        car.label(ABS, "OFF");
        car.run(400);
    }
    let events = car.take();
    assert_eq!(events.len(), 1, "{events:?}");
    assert_eq!((events[0].kind, &events[0].data["mode"]), ("telltale.raised", &json!("FLASHING")));
    car.run(5_000);
    assert_eq!(car.kinds(), ["telltale.cleared"]);
}

#[test]
fn a_lamp_that_begins_to_flash_is_told_once() {
    let mut car = running();
    car.label(MIL, "ON");
    car.run(10_000);
    car.take();
    let flashes = car.now();
    car.label(MIL, "FLASHING");
    car.run(10_000);
    let events = car.take();
    assert_eq!((events.len(), events[0].kind, events[0].at), (1, "telltale.changed", flashes));
    car.label(MIL, "ON");
    car.run(10_000);
    car.label(MIL, "FLASHING");
    car.run(10_000);
    assert!(car.take().is_empty());
    assert_eq!(car.state()["lit"]["EngineMalfunction"]["value"], "FLASHING");
}

#[test]
fn lamps_in_use_are_in_the_state_without_events() {
    let mut car = running();
    car.label(BEAM, "ON");
    car.label(BRAKE, "ON");
    car.label(ESC, "FLASHING");
    car.label("Vehicle.Telltale.LeftTurn", "FLASHING");
    car.run(10_000);
    assert!(car.take().is_empty());
    let state = car.state();
    let lit: Vec<_> = state["lit"].as_object().expect("an object").keys().collect();
    assert_eq!(lit, ["HighBeam", "ParkingBrake"]);
}

#[test]
fn a_lamp_unknown_to_the_overlay_makes_events_without_colour() {
    let mut car = running();
    car.label(ODD, "ON");
    car.run(2_000);
    let event = car.take().remove(0);
    assert_eq!((&event.data["color"], &event.data["meaning"]), (&Json::Null, &Json::Null));
}

#[test]
fn a_loose_contact_does_not_spam_and_is_counted() {
    let mut car = running();
    for _ in 0..60 {
        car.label(ABS, "ON");
        car.run(5_000);
        car.label(ABS, "OFF");
        car.run(5_000);
    }
    let kinds = car.kinds();
    assert_eq!(kinds.len(), 2 * FLICKER_RAISES - 1, "{kinds:?}");
    car.run(600_000);
    let events = car.take();
    assert_eq!((events.len(), events[0].kind), (1, "telltale.cleared"));
    assert_eq!(events[0].data["count"], 58, "two times were told one by one");
}

#[test]
fn a_lamp_that_was_lit_before_the_restart_is_not_raised_again() {
    for reboot in [false, true] {
        let mut car = running();
        car.label(ABS, "ON");
        car.label(MIL, "ON");
        car.run(100_000);
        assert_eq!(car.kinds(), ["telltale.raised", "telltale.raised"]);
        if reboot {
            car.reboot(50_000);
        } else {
            car.restart(50_000);
        }
        car.label(SUPPLY_PATH, "ON");
        car.switch(READY, true);
        car.label(ABS, "ON");
        car.label(MIL, "OFF");
        car.run(60_000);
        let events = car.take();
        let cleared: Vec<_> = events.iter().filter(|event| event.kind.starts_with("telltale")).collect();
        assert_eq!((cleared.len(), cleared[0].kind), (1, "telltale.cleared"), "{events:?}");
        assert_eq!(cleared[0].subject.as_deref(), Some("EngineMalfunction"));
        let duration = cleared[0].data["duration_s"].as_f64().expect("the clock is known");
        assert!((149.9..152.0).contains(&duration), "{duration}");
        assert_eq!(car.state()["lit"].as_object().map(Map::len), Some(1));
    }
}

#[test]
fn what_another_version_saved_is_ignored() {
    let mut car = car();
    let signals = &car.signals;
    let view = crate::services::testkit::view_parts(1_000, car.boot, signals, &car.clock);
    for saved in [json!(null), json!([]), json!({"lit": [{"name": "Abs"}, 7]}), json!({"lit": {"Abs": "ON"}})] {
        car.service.restore(&saved, &view);
        assert_eq!(car.service.state(&view)["lit"], json!({}));
    }
}

#[test]
fn raised_and_cleared_alternate_whatever_happens() {
    for seed in 0..80 {
        let mut rng = Rng(seed);
        let mut car = car();
        for _ in 0..500 {
            let path = rng.pick(&LAMPS);
            match rng.below(16) {
                0..=8 => car.label(path, rng.pick(LAMP)),
                9 => car.distrust(path),
                10 => car.expire(path),
                11 => all(&mut car, rng.pick(&["ON", "OFF"])),
                12 => car.label(SUPPLY_PATH, rng.pick(&["OFF", "ON", "ON", "ACC"])),
                13 => car.switch(READY, rng.below(4) > 0),
                14 => car.silence(),
                _ if rng.below(4) == 0 => car.reboot(rng.below(100_000)),
                _ => car.restart(rng.below(10_000)),
            }
            let pause = rng.pick(&[0, 10, 300, 600, 3_000, 20_000]);
            car.run(pause);
        }
        let mut raised = std::collections::BTreeSet::new();
        for event in car.take() {
            let Some(name) = event.subject else { continue };
            match event.kind {
                "telltale.raised" => assert!(raised.insert(name.clone()), "seed {seed}: {name} raised twice"),
                "telltale.cleared" => assert!(raised.remove(&name), "seed {seed}: {name} cleared twice"),
                _ => assert!(raised.contains(&name), "seed {seed}: {name} changed but not raised"),
            }
        }
        let state = car.state();
        for name in raised {
            assert!(state["lit"].get(&name).is_some(), "seed {seed}: {name} is raised, but not in the state");
        }
    }
}
