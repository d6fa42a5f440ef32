use super::*;
use crate::services::testkit::{Car, Rng, SUPPLY, label, number};

const LEVEL: &str = "Vehicle.Powertrain.FuelSystem.RelativeLevel";
const RANGE: &str = "Vehicle.Powertrain.FuelSystem.Range";
const SUPPLY_PATH: &str = "Vehicle.LowVoltageSystemState";
const SPEED: &str = "Vehicle.Speed";
const BRAKING: &str = "Vehicle.Acceleration.Longitudinal";
const BEND: &str = "Vehicle.Acceleration.Lateral";

fn car() -> Car<Fuel> {
    let defs = vec![
        number(LEVEL, "percent"),
        number(RANGE, "m"),
        number(SPEED, "km/h"),
        label(SUPPLY_PATH, SUPPLY),
        number(BRAKING, "m/s^2"),
        number(BEND, "m/s^2"),
    ];
    Car::new(defs, |signals| Fuel::new(signals, Some(43.0)).expect("it has a tank"))
}

/// The ignition is on, the car stands, the level is known.
fn standing(percent: f64) -> Car<Fuel> {
    let mut car = car();
    car.number(LEVEL, percent);
    car.number(SPEED, 0.0);
    car.label(SUPPLY_PATH, "ON");
    car.run(60_000);
    car.take();
    car
}

fn level(car: &Car<Fuel>) -> f64 {
    car.state()["level"]["value"].as_f64().expect("a level")
}

fn refuels(car: &mut Car<Fuel>) -> Vec<Event> {
    car.take().into_iter().filter(|event| event.kind == "fuel.refueled").collect()
}

/// Drives for `seconds`, sloshing: a wave of 2 s, every other stretch a bend that tilts the
/// surface by up to 6 points, and noise.
fn drive(car: &mut Car<Fuel>, rng: &mut Rng, percent: &mut f64, seconds: u32, mut each: impl FnMut(&Car<Fuel>, f64)) {
    let (mut bend, mut bend_ends) = (0.0, 0);
    car.number(SPEED, 60.0);
    for second in 0..seconds {
        *percent -= 0.25 / 60.0; // 6.5 litres an hour
        if second >= bend_ends {
            bend_ends = second + 4 + u32::try_from(rng.below(14)).expect("small");
            bend = if rng.below(2) == 0 { rng.unit() * 6.0 } else { 0.0 };
            if car.signals.get(car.signals.id(BEND).expect("in the profile")).value.is_some() {
                car.number(BEND, bend / 2.0);
            }
        }
        for tick in 0..5_u32 {
            let wave = (f64::from(second * 5 + tick) * 0.2 / 2.1 * std::f64::consts::TAU).sin() * 7.0;
            let noisy = *percent + wave + bend + rng.unit() * 2.0;
            car.number(LEVEL, noisy.round().clamp(0.0, 100.0));
            car.run(200);
        }
        each(car, *percent);
    }
}

#[test]
fn under_slosh_the_level_stays_within_two_points_and_does_not_flutter() {
    for seed in 0..6 {
        let mut rng = Rng(seed);
        let mut percent = 60.0 + rng.unit() * 20.0;
        let mut car = standing(percent);
        car.number(BRAKING, 0.0);
        car.number(BEND, 0.0);
        let before = car.state_changes;
        drive(&mut car, &mut rng, &mut percent, 1_800, |car, truth| {
            let shown = level(car);
            assert!((shown - truth).abs() <= 2.0, "seed {seed}: {shown} for {truth}");
        });
        let changes = car.state_changes - before;
        assert!(changes <= 12, "seed {seed}: {changes} changes while 7.5 points were used");
        assert!(refuels(&mut car).is_empty(), "seed {seed}");
    }
}

#[test]
fn without_accelerations_bends_cost_two_points_more() {
    for seed in 0..6 {
        let mut rng = Rng(seed);
        let mut percent = 60.0 + rng.unit() * 20.0;
        let mut car = standing(percent);
        drive(&mut car, &mut rng, &mut percent, 1_800, |car, truth| {
            let shown = level(car);
            assert!((shown - truth).abs() <= 4.0, "seed {seed}: {shown} for {truth}");
        });
        assert!(refuels(&mut car).is_empty(), "seed {seed}");
    }
}

#[test]
fn braking_and_slopes_are_passed_over() {
    let mut car = standing(50.0);
    car.number(BRAKING, -2.0);
    car.number(LEVEL, 70.0);
    car.run(600_000);
    assert!((level(&car) - 50.0).abs() < 0.5);
}

#[test]
fn refuelling_with_the_ignition_off_is_recognised() {
    for reboot in [false, true] {
        let mut car = standing(23.0);
        car.number(SPEED, 50.0);
        car.run(60_000);
        car.number(SPEED, 0.0);
        car.run(5_000);
        car.label(SUPPLY_PATH, "OFF");
        car.run(240_000);
        if reboot {
            car.reboot(60_000);
        }
        car.number(SPEED, 0.0);
        car.number(LEVEL, 97.0);
        car.label(SUPPLY_PATH, "ON");
        car.run(30_000);
        let events = refuels(&mut car);
        assert_eq!(events.len(), 1, "reboot {reboot}");
        assert_eq!(events[0].data, json!({"before_percent": 23, "after_percent": 97, "volume_l": 31.8}));
        assert!((level(&car) - 97.0).abs() < 0.5);
        car.number(SPEED, 50.0);
        car.run(1_000_000);
        assert!(refuels(&mut car).is_empty(), "told once");
    }
}

#[test]
fn refuelling_with_the_ignition_on_is_recognised_when_it_is_done() {
    let mut car = standing(30.0);
    car.number(SPEED, 50.0);
    car.run(60_000);
    car.number(SPEED, 0.0);
    car.run(40_000);
    for filled in 0..60 {
        car.number(LEVEL, 30.0 + f64::from(filled));
        car.run(1_000);
    }
    assert!(refuels(&mut car).is_empty(), "it is still being filled");
    car.run(60_000);
    let events = refuels(&mut car);
    assert_eq!((events.len(), &events[0].data["after_percent"]), (1, &json!(89)));
}

#[test]
fn refuelling_is_recognised_though_the_car_drives_off_at_once() {
    let mut rng = Rng(7);
    let mut car = standing(20.0);
    car.label(SUPPLY_PATH, "OFF");
    car.run(300_000);
    car.number(LEVEL, 80.0);
    car.label(SUPPLY_PATH, "ON");
    car.run(4_000);
    let mut percent = 80.0;
    drive(&mut car, &mut rng, &mut percent, 120, |_, _| ());
    assert_eq!(refuels(&mut car).len(), 1);
    assert!((level(&car) - 80.0).abs() <= 3.0, "{}", level(&car));
}

#[test]
fn a_traffic_light_on_a_slope_is_no_pump() {
    let mut car = standing(50.0);
    for _ in 0..20 {
        car.number(SPEED, 50.0);
        car.number(LEVEL, 50.0);
        car.run(90_000);
        car.number(SPEED, 0.0);
        car.number(LEVEL, 62.0);
        car.run(45_000);
    }
    assert!(refuels(&mut car).is_empty());
}

#[test]
fn the_level_at_ignition_off_is_kept_across_restarts() {
    let mut car = standing(64.0);
    let sampled = car.view().time(At::Mono(car.now()));
    car.label(SUPPLY_PATH, "OFF");
    car.run(1_000);
    let kept = |car: &Car<Fuel>| car.state()["at_ignition_off"].clone();
    assert_eq!(kept(&car)["value"], 64);
    let before = kept(&car);
    assert!(before["time"].as_str() >= sampled.as_str());
    car.number(LEVEL, 0.0);
    car.run(60_000);
    assert!((level(&car) - 64.0).abs() < 0.5, "a sender without supply says nothing");
    assert_eq!(car.state()["level"]["quality"], "stale");
    car.restart(1_000);
    assert_eq!(kept(&car), before);
    car.reboot(1_000);
    assert_eq!(kept(&car), before);
    assert!((level(&car) - 64.0).abs() < 0.5);
}

#[test]
fn a_level_that_is_not_good_is_not_sampled() {
    let mut car = standing(50.0);
    car.number(LEVEL, 90.0);
    car.distrust(LEVEL);
    car.run(600_000);
    assert!((level(&car) - 50.0).abs() < 1.5, "{}", level(&car));
    assert_eq!(car.state()["level"]["quality"], "invalid");
    assert!(refuels(&mut car).is_empty());
}

#[test]
fn a_level_found_lower_is_taken_over_without_an_event() {
    let mut car = standing(80.0);
    car.label(SUPPLY_PATH, "OFF");
    car.run(60_000);
    car.number(LEVEL, 40.0);
    car.label(SUPPLY_PATH, "ON");
    car.run(30_000);
    assert!((level(&car) - 40.0).abs() < 0.5);
    assert!(refuels(&mut car).is_empty());
}

#[test]
fn litres_will_do_where_the_capacity_is_known() {
    let defs = vec![number("Vehicle.Powertrain.FuelSystem.AbsoluteLevel", "l")];
    let signals = Signals::new(defs.clone()).expect("one signal");
    assert!(Fuel::new(&signals, None).is_none());
    let mut car = Car::new(defs, |signals| Fuel::new(signals, Some(50.0)).expect("litres and capacity"));
    car.number("Vehicle.Powertrain.FuelSystem.AbsoluteLevel", 20.0);
    car.run(10_000);
    let state = car.state();
    assert_eq!((&state["level"]["value"], &state["volume"]["value"]), (&json!(40), &json!(20.0)));
    assert_eq!(state.get("range"), None);
}

#[test]
fn the_same_run_restarted_shows_the_same_level() {
    for seed in 0..8 {
        let mut rng = Rng(seed);
        let mut percent = 40.0 + rng.unit() * 30.0;
        let mut car = standing(percent);
        for _ in 0..6 {
            let seconds = 60 + u32::try_from(rng.below(200)).expect("small");
            drive(&mut car, &mut rng, &mut percent, seconds, |_, _| ());
            let before = level(&car);
            car.stop();
            car.restart(2_000);
            assert!((level(&car) - before).abs() <= 1.0, "seed {seed}");
            car.label(SUPPLY_PATH, "ON");
            car.number(SPEED, 60.0);
            car.number(LEVEL, percent);
            car.run(1_000);
            assert!((level(&car) - before).abs() <= 1.0, "seed {seed}");
        }
        assert!(refuels(&mut car).is_empty(), "seed {seed}");
    }
}
