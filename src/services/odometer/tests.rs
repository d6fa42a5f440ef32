use super::*;
use crate::services::testkit::{Car, Rng, SAVED_AFTER_MS, SUPPLY, label, number};

const PATH: &str = "Vehicle.TraveledDistance";

fn car() -> Car<Odometer> {
    let defs = vec![number(PATH, "m"), label("Vehicle.LowVoltageSystemState", SUPPLY)];
    Car::new(defs, |signals| Odometer::new(signals).expect("it has an odometer"))
}

fn distance(car: &Car<Odometer>) -> f64 {
    car.state()["distance"]["value"].as_f64().expect("a number")
}

#[test]
fn leaps_and_regressions_are_rejected_and_counted() {
    let mut car = car();
    car.number(PATH, 84_210_000.0);
    for wrong in [84_209_900.0, 0.0, 4_294_967_295.0, 84_310_000.0] {
        car.run(1_000);
        car.number(PATH, wrong);
        assert!((distance(&car) - 84_210_000.0).abs() < 0.5, "{wrong}");
        assert_eq!(car.state()["distance"]["quality"], "invalid");
    }
    car.run(1_000);
    car.number(PATH, 84_210_100.0);
    let state = car.state();
    assert_eq!((&state["distance"]["value"], &state["rejected"]), (&json!(84_210_100), &json!(4)));
    assert_eq!(state["distance"]["quality"], "good");
    assert!(car.take().is_empty());
}

#[test]
fn after_a_gap_as_much_is_believed_as_the_car_can_have_driven() {
    for reboot in [false, true] {
        for (driven, believed) in [(250_000.0, true), (350_000.0, false)] {
            let mut car = car();
            car.number(PATH, 1_000_000.0);
            car.run(1_000);
            car.silence();
            car.run(SAVED_AFTER_MS);
            if reboot {
                car.reboot(3_600_000 - SAVED_AFTER_MS);
            } else {
                car.run(3_600_000 - SAVED_AFTER_MS);
            }
            car.number(PATH, 1_000_000.0 + driven);
            assert_eq!(distance(&car) > 1_000_000.0, believed, "reboot {reboot}, {driven} m in an hour");
        }
    }
}

#[test]
fn without_a_clock_a_day_of_driving_is_believed() {
    for (driven, believed) in [(1_400_000.0, true), (1_600_000.0, false)] {
        let mut car = car();
        car.number(PATH, 1_000_000.0);
        car.run(SAVED_AFTER_MS);
        car.reboot(1_000);
        car.clock = crate::time::Clock::default();
        car.number(PATH, 1_000_000.0 + driven);
        assert_eq!(distance(&car) > 1_000_000.0, believed);
    }
}

#[test]
fn a_new_cluster_is_believed_after_ten_minutes_and_told() {
    let mut car = car();
    car.number(PATH, 84_210_000.0);
    car.run(60_000);
    let seen = car.now();
    car.number(PATH, 12_000.0);
    car.run(300_000);
    car.number(PATH, 13_000.0);
    car.run(299_000);
    assert!(car.take().is_empty());
    car.run(1_000);
    let events = car.take();
    assert_eq!((events.len(), events[0].kind, events[0].at), (1, "odometer.replaced", seen));
    assert_eq!(events[0].data, json!({"before_m": 84_210_000, "after_m": 13_000, "rejected": 2}));
    assert_eq!(car.state()["distance"]["quality"], "good");
}

#[test]
fn a_wrong_count_that_comes_and_goes_is_never_believed() {
    let mut car = car();
    car.number(PATH, 84_210_000.0);
    for _ in 0..10 {
        car.number(PATH, 12_000.0);
        car.run(500_000);
        car.expire(PATH);
        car.run(200_000);
    }
    assert!(car.take().is_empty());
    assert!((distance(&car) - 84_210_000.0).abs() < 0.5);
}

#[test]
fn the_state_is_sent_once_a_kilometre() {
    let mut car = car();
    for step in 0..=200 {
        car.number(PATH, 1_000_000.0 + f64::from(step) * 100.0);
        car.run(3_000);
    }
    assert!((20..=22).contains(&car.state_changes), "{}", car.state_changes);
    assert!(car.saves <= 4, "{}", car.saves);
}

#[test]
fn it_never_runs_backwards_but_by_an_event() {
    for seed in 0..60 {
        let mut rng = Rng(seed);
        let mut car = car();
        let (mut truth, mut last) = (50_000_000.0, 0.0);
        for _ in 0..300 {
            let gap = rng.pick(&[100, 1_000, 60_000, 700_000]);
            match rng.below(11) {
                0..=5 => {
                    truth += f64::from(u32::try_from(rng.below(1_000)).expect("small"));
                    car.number(PATH, truth);
                }
                6 => car.number(PATH, rng.pick(&[0.0, 7_000.0, 4e9, 49_999_999.0])),
                7 => car.distrust(PATH),
                8 => car.expire(PATH),
                restart => {
                    car.stop();
                    if restart % 2 == 0 { car.restart(gap) } else { car.reboot(gap) }
                }
            }
            car.run(gap);
            let replaced = car.take().iter().any(|event| event.kind == "odometer.replaced");
            if let Some(value) = car.state()["distance"]["value"].as_f64() {
                assert!(value >= last || replaced, "seed {seed}: from {last} to {value}");
                last = value;
            }
        }
    }
}
