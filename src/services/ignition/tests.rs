use super::*;
use crate::services::testkit::{Car, Rng, SUPPLY, label, number, switch};
use crate::signals::SignalDef;

const SUPPLY_PATH: &str = "Vehicle.LowVoltageSystemState";
const RPM: &str = "Vehicle.Powertrain.CombustionEngine.Speed";
const READY: &str = "Vehicle.Powertrain.IsReady";
const SPEED: &str = "Vehicle.Speed";
const GEAR: &str = "Vehicle.Powertrain.Transmission.SelectedGear";

/// Only the ignition is under test.
struct Nothing;

impl Service for Nothing {
    fn name(&self) -> &'static str {
        "nothing"
    }
    fn group(&self) -> &'static str {
        "nothing"
    }
    fn interests(&self) -> Vec<SignalId> {
        Vec::new()
    }
    fn update(&mut self, _: &mut Cx<'_>) {}
    fn deadline(&self) -> Option<MonoTime> {
        None
    }
    fn state(&self, _: &View<'_>) -> Json {
        Json::Null
    }
    fn save(&self, _: &View<'_>) -> Json {
        Json::Null
    }
    fn restore(&mut self, _: &Json, _: &View<'_>) {}
}

fn defs() -> Vec<SignalDef> {
    vec![label(SUPPLY_PATH, SUPPLY), number(RPM, "rpm"), switch(READY), number(SPEED, "km/h"), number(GEAR, "")]
}

fn car() -> Car<Nothing> {
    Car::new(defs(), |_| Nothing)
}

fn switched_on() -> Car<Nothing> {
    let mut car = car();
    car.label(SUPPLY_PATH, "OFF");
    car.run(2_000);
    car.label(SUPPLY_PATH, "ON");
    car.run(1_000);
    assert_eq!(car.kinds(), ["ignition.on"]);
    car
}

fn driving() -> Car<Nothing> {
    let mut car = switched_on();
    car.switch(READY, true);
    car.number(GEAR, 127.0);
    car.number(SPEED, 30.0);
    car.run(5_000);
    assert_eq!(car.kinds(), ["driving.started"]);
    car
}

fn phase<S: Service>(car: &Car<S>) -> Phase {
    car.ignition.drive().phase
}

#[test]
fn a_drive_goes_through_all_phases_and_back_dated_to_when_it_happened() {
    let mut car = car();
    assert_eq!(phase(&car), Phase::Unknown);
    car.label(SUPPLY_PATH, "LOCK");
    car.run(1_000);
    assert_eq!(phase(&car), Phase::Off);
    car.label(SUPPLY_PATH, "ACC");
    car.run(1_000);
    assert_eq!(phase(&car), Phase::Accessory);
    assert!(car.take().is_empty(), "the ignition was not on");

    let switched_on = car.now();
    car.label(SUPPLY_PATH, "ON");
    car.run(1_000);
    assert_eq!(phase(&car), Phase::On);
    let events = car.take();
    assert_eq!((events[0].kind, events[0].at), ("ignition.on", switched_on));
    assert_eq!(events[0].data, json!({"by": "signal"}));
    assert!(events[0].with_position);

    car.number(RPM, 250.0);
    assert_eq!(phase(&car), Phase::On, "only the starter turns it");
    car.number(RPM, 820.0);
    assert_eq!(phase(&car), Phase::Ready);

    car.run(10_000);
    let rolled = car.now();
    car.number(SPEED, 12.0);
    car.run(1_999);
    assert_eq!(phase(&car), Phase::Ready);
    car.run(1);
    assert_eq!(phase(&car), Phase::Driving);
    let events = car.take();
    assert_eq!((events[0].kind, events[0].at), ("driving.started", rolled));
    assert_eq!(events[0].data, json!({"ignition_on_s": 11.0}));

    car.run(60_000);
    let stood = car.now();
    car.number(SPEED, 0.0);
    car.run(4_000);
    assert!(car.take().is_empty(), "a traffic light");
    car.number(GEAR, 126.0);
    car.run(3_000);
    let events = car.take();
    assert_eq!((events[0].kind, events[0].at), ("driving.stopped", stood));
    assert_eq!(events[0].data, json!({"why": "park", "duration_s": 62.0}));
    assert_eq!(phase(&car), Phase::Ready);

    let off = car.now();
    car.label(SUPPLY_PATH, "OFF");
    car.run(1_000);
    let events = car.take();
    assert_eq!((events[0].kind, events[0].at), ("ignition.off", off));
    assert_eq!(events[0].data, json!({"by": "signal", "duration_s": 80.0}));
    assert_eq!((car.ignition.drive().on_since, car.ignition.drive().ready_since), (None, None));
}

#[test]
fn a_supply_that_dips_while_the_starter_turns_is_no_ignition_off() {
    let mut car = switched_on();
    for dip in ["UNDEFINED", "OFF", "START", "OFF", "ON"] {
        car.label(SUPPLY_PATH, dip);
        car.run(400);
    }
    car.run(5_000);
    assert!(car.take().is_empty());
}

#[test]
fn a_hybrid_that_stops_its_engine_stays_ready() {
    let mut car = switched_on();
    car.number(RPM, 1_200.0);
    car.number(RPM, 0.0);
    car.run(60_000);
    assert_eq!(phase(&car), Phase::Ready);
}

#[test]
fn a_short_silence_changes_nothing_and_a_long_one_is_sleep_since_the_last_word() {
    let mut car = driving();
    let last_word = car.now() - Duration::from_secs(5);
    car.silence();
    car.run(30_000);
    assert!(car.take().is_empty());
    assert_eq!(phase(&car), Phase::Driving);
    car.label(SUPPLY_PATH, "ON");
    car.number(SPEED, 30.0);
    car.run(60_000);
    assert!(car.take().is_empty(), "it came back");

    let last_word = last_word + Duration::from_secs(35);
    car.silence();
    car.run(120_000);
    let events = car.take();
    assert_eq!(events.iter().map(|event| event.kind).collect::<Vec<_>>(), ["driving.stopped", "ignition.off"]);
    assert!(events.iter().all(|event| event.at == last_word), "{events:?}");
    assert_eq!(events[0].data["why"], "silence");
    assert_eq!(events[1].data["by"], "silence");
    assert_eq!(phase(&car), Phase::Off);
    let state = car.ignition.state(&car.view());
    assert_eq!((&state["phase"]["value"], &state["phase"]["quality"]), (&json!("off"), &json!("stale")));
}

#[test]
fn without_a_supply_signal_a_bus_that_speaks_is_an_ignition_that_is_on() {
    let mut car: Car<Nothing> = Car::new(vec![number(SPEED, "km/h")], |_| Nothing);
    car.number(SPEED, 0.0);
    car.run(1_000);
    let events = car.take();
    assert_eq!((events[0].kind, &events[0].data["by"]), ("ignition.on", &json!("inferred")));
    car.silence();
    car.run(61_000);
    assert_eq!(car.kinds(), ["ignition.off"]);
}

#[test]
fn a_towed_car_does_not_drive() {
    let mut car = car();
    car.label(SUPPLY_PATH, "OFF");
    car.run(1_000);
    car.number(SPEED, 60.0);
    car.run(60_000);
    assert!(car.take().is_empty());
    assert_eq!(phase(&car), Phase::Off);
}

#[test]
fn standing_with_the_ignition_on_ends_the_drive_after_a_while() {
    let mut car = driving();
    car.number(SPEED, 0.0);
    car.run(299_000);
    assert!(car.take().is_empty());
    car.run(1_000);
    let events = car.take();
    assert_eq!((events[0].kind, &events[0].data["why"]), ("driving.stopped", &json!("standstill")));
}

#[test]
fn a_restart_of_the_daemon_continues_the_drive() {
    let mut car = driving();
    let before = car.ignition.drive();
    car.restart(3_000);
    car.label(SUPPLY_PATH, "ON");
    car.number(SPEED, 30.0);
    car.run(10_000);
    assert!(car.take().is_empty());
    let after = car.ignition.drive();
    assert_eq!((after.phase, after.on_since), (before.phase, before.on_since));
    car.label(SUPPLY_PATH, "OFF");
    car.run(1_000);
    let events = car.take();
    assert_eq!(events[0].data, json!({"why": "ignition_off", "duration_s": 18.0}));
}

#[test]
fn a_reboot_closes_the_ignition_and_begins_another() {
    let mut car = driving();
    car.reboot(600_000);
    assert_eq!(phase(&car), Phase::Unknown);
    car.restart(1_000);
    car.label(SUPPLY_PATH, "ON");
    car.run(1_000);
    let events = car.take();
    let kinds: Vec<_> = events.iter().map(|event| event.kind).collect();
    assert_eq!(kinds, ["driving.stopped", "ignition.off", "ignition.on"]);
    assert_eq!(events[1].data["by"], "restart");
    assert_eq!(events[1].data["duration_s"], 607.5, "1 + 5 s before, 600 s off, 1.5 s until it was believed");
}

#[test]
fn a_reboot_into_a_sleeping_car_closes_it_by_silence() {
    let mut car = driving();
    car.reboot(600_000);
    car.run(120_000);
    assert_eq!(car.kinds(), ["driving.stopped", "ignition.off"]);
    assert_eq!(phase(&car), Phase::Off);
    car.run(3_600_000);
    assert!(car.take().is_empty());
}

#[test]
fn what_another_version_saved_is_ignored() {
    let mut car = car();
    for saved in [json!(null), json!({"phase": "flying"}), json!([1, 2]), json!("on")] {
        let signals = &car.signals;
        let view = crate::services::testkit::view_parts(1_000, car.boot, signals, &car.clock);
        car.ignition.restore(&saved, &view);
        assert_eq!(car.ignition.drive().phase, Phase::Unknown);
    }
}

#[test]
fn on_and_off_and_start_and_stop_alternate_whatever_happens() {
    for seed in 0..60 {
        let mut rng = Rng(seed);
        let mut car = car();
        for _ in 0..400 {
            match rng.below(12) {
                0..=3 => car.label(SUPPLY_PATH, rng.pick(&["UNDEFINED", "LOCK", "OFF", "ACC", "ON", "ON", "START"])),
                4 | 5 => car.number(SPEED, rng.pick(&[0.0, 0.0, 0.5, 2.0, 5.0, 50.0])),
                6 => car.number(GEAR, rng.pick(&[126.0, 127.0, 0.0, -1.0])),
                7 => car.number(RPM, rng.pick(&[0.0, 200.0, 900.0])),
                8 => car.distrust(rng.pick(&[SUPPLY_PATH, SPEED, RPM])),
                9 => car.expire(rng.pick(&[SUPPLY_PATH, SPEED, RPM, GEAR, READY])),
                10 => car.silence(),
                _ => match rng.below(8) {
                    0 => car.reboot(rng.below(100_000)),
                    1 | 2 => car.restart(rng.below(10_000)),
                    _ => car.run(rng.below(400_000)),
                },
            }
            let pause = rng.pick(&[0, 10, 300, 600, 3_000]);
            car.run(pause);
        }
        let (mut on, mut driving) = (false, false);
        for event in car.take() {
            let (state, to, kind) = match event.kind {
                "ignition.on" => (&mut on, true, event.kind),
                "ignition.off" => (&mut on, false, event.kind),
                "driving.started" => (&mut driving, true, event.kind),
                _ => (&mut driving, false, event.kind),
            };
            assert_ne!(*state, to, "seed {seed}: {kind} twice in a row");
            *state = to;
            assert!(on || !driving, "seed {seed}: driving with the ignition off");
        }
    }
}
