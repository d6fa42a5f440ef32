use super::*;
use crate::services::testkit::{Car, Rng, SAVED_AFTER_MS, SUPPLY, label, number, switch};

const SOC: &str = "Vehicle.Powertrain.TractionBattery.StateOfCharge.Displayed";
const METER: &str = "Vehicle.Powertrain.TractionBattery.AccumulatedChargedEnergy";
const LIMIT: &str = "Vehicle.Powertrain.TractionBattery.Charging.ChargeLimit";
const CHARGING: &str = "Vehicle.Powertrain.TractionBattery.Charging.IsCharging";
const CABLE: &str = "Vehicle.Powertrain.TractionBattery.Charging.ChargingPort.RearRight.IsChargingCableConnected";
const ODOMETER: &str = "Vehicle.TraveledDistance";
const SUPPLY_PATH: &str = "Vehicle.LowVoltageSystemState";
const SPEED: &str = "Vehicle.Speed";

fn car() -> Car<TractionBattery> {
    let defs = vec![
        number(SOC, "percent"),
        number(METER, "kWh"),
        number(LIMIT, "percent"),
        switch(CHARGING),
        switch(CABLE),
        number(ODOMETER, "m"),
        label(SUPPLY_PATH, SUPPLY),
        number(SPEED, "km/h"),
    ];
    Car::new(defs, |signals| TractionBattery::new(signals, Some(18.0)).expect("it has a battery"))
}

/// Says everything again, as a bus does that speaks.
fn speak(car: &mut Car<TractionBattery>, charging: bool, cable: bool, soc: f64, meter: f64) {
    car.number(SOC, soc);
    car.number(METER, meter);
    car.number(LIMIT, 100.0);
    car.switch(CABLE, cable);
    car.switch(CHARGING, charging);
}

/// Parked, plugged in, charging since half a minute.
fn charging() -> Car<TractionBattery> {
    let mut car = car();
    car.number(ODOMETER, 5_000_000.0);
    car.label(SUPPLY_PATH, "OFF");
    speak(&mut car, false, false, 30.0, 700.0);
    car.run(10_000);
    assert!(car.take().is_empty(), "the first word is no change");
    car.switch(CABLE, true);
    car.run(10_000);
    car.switch(CHARGING, true);
    car.run(30_000);
    assert_eq!(car.kinds(), ["plug.connected", "charging.started"]);
    car
}

fn charges(car: &mut Car<TractionBattery>) -> Vec<Event> {
    car.take().into_iter().filter(|event| event.kind.starts_with("charging.")).collect()
}

fn word(car: &Car<TractionBattery>) -> String {
    car.state()["charging"]["value"].as_str().expect("a word").to_owned()
}

#[test]
fn a_charge_is_recorded_from_start_to_end() {
    let mut car = charging();
    assert_eq!(word(&car), "charging");
    assert_eq!(car.state()["session"]["start_soc_percent"], 30.0);
    car.run(3_570_000);
    speak(&mut car, true, true, 100.0, 712.4);
    let ended = car.now();
    car.switch(CHARGING, false);
    car.run(59_000);
    assert!(car.take().is_empty(), "it may be a pause");
    car.run(1_000);
    let events = charges(&mut car);
    assert_eq!((events.len(), events[0].kind, events[0].at), (1, "charging.ended", ended));
    let data = json!({"why": "full", "duration_s": 3_600.0, "start_soc_percent": 30.0, "end_soc_percent": 100.0,
                      "energy_kwh": 12.4, "energy_by": "meter", "uncertain": false});
    assert_eq!(events[0].data, data);
    assert_eq!((word(&car).as_str(), &car.state()["session"]), ("not_charging", &Json::Null));
}

#[test]
fn a_pause_of_the_wall_box_is_no_end() {
    let mut car = charging();
    for _ in 0..20 {
        car.switch(CHARGING, false);
        car.run(50_000);
        car.switch(CHARGING, true);
        car.run(3_000);
    }
    assert!(car.take().is_empty());
}

#[test]
fn the_cable_out_ends_it_at_once() {
    let mut car = charging();
    car.run(60_000);
    car.switch(CHARGING, false);
    car.switch(CABLE, false);
    car.run(2_000);
    let events = car.take();
    assert_eq!(events.iter().map(|event| event.kind).collect::<Vec<_>>(), ["plug.disconnected", "charging.ended"]);
    assert_eq!(events[1].data["why"], "unplugged");
}

#[test]
fn stopped_below_the_limit_is_stopped_and_at_the_limit_full() {
    for (limit, why) in [(100.0, "stopped"), (80.0, "full")] {
        let mut car = charging();
        car.number(LIMIT, limit);
        car.number(SOC, 79.6);
        car.switch(CHARGING, false);
        car.run(61_000);
        assert_eq!(charges(&mut car)[0].data["why"], why);
    }
}

#[test]
fn messages_that_stop_end_nothing_and_the_charge_goes_on() {
    let mut car = charging();
    car.silence();
    car.run(599_000 - 30_000);
    assert_eq!(word(&car), "charging");
    car.run(31_000);
    assert_eq!(word(&car), "unknown");
    car.run(7_200_000);
    assert!(charges(&mut car).is_empty());
    speak(&mut car, true, true, 85.0, 710.0);
    car.run(10_000);
    assert_eq!(word(&car), "charging");
    car.switch(CHARGING, false);
    car.run(61_000);
    let events = charges(&mut car);
    assert_eq!(events.len(), 1);
    assert_eq!((&events[0].data["uncertain"], &events[0].data["energy_kwh"]), (&json!(false), &json!(10.0)));
}

#[test]
fn a_charge_that_ended_in_silence_is_closed_with_what_is_known() {
    for reboot in [false, true] {
        let mut car = charging();
        car.number(SOC, 55.0);
        car.number(METER, 704.5);
        car.switch(CHARGING, true);
        car.silence();
        car.run(SAVED_AFTER_MS);
        if reboot {
            car.reboot(7_200_000 - SAVED_AFTER_MS);
        } else {
            car.run(7_200_000 - SAVED_AFTER_MS);
        }
        speak(&mut car, false, true, 71.0, 708.0);
        car.run(61_000);
        let events = charges(&mut car);
        assert_eq!(events.len(), 1, "reboot {reboot}");
        let data = &events[0].data;
        assert_eq!((&data["why"], &data["uncertain"]), (&json!("unknown"), &json!(true)));
        assert_eq!((&data["end_soc_percent"], &data["energy_kwh"]), (&json!(55.0), &json!(4.5)), "as it was seen");
        assert_eq!(data["duration_s"], 30.0);
    }
}

#[test]
fn a_restart_in_the_middle_of_a_charge_continues_it() {
    for reboot in [false, true] {
        let mut car = charging();
        if reboot {
            car.reboot(20_000);
        } else {
            car.restart(20_000);
        }
        speak(&mut car, true, true, 31.0, 700.2);
        car.run(100_000);
        assert!(car.take().is_empty(), "reboot {reboot}");
        assert_eq!(word(&car), "charging");
        car.switch(CHARGING, false);
        car.run(61_000);
        let data = charges(&mut car).remove(0).data;
        assert_eq!((&data["why"], &data["start_soc_percent"]), (&json!("stopped"), &json!(30.0)));
        assert_eq!(data["duration_s"], 150.0);
    }
}

#[test]
fn a_drive_ends_a_charge_though_the_charger_says_otherwise() {
    let mut car = charging();
    car.label(SUPPLY_PATH, "ON");
    car.run(10_000);
    let moved = car.now();
    car.number(SPEED, 30.0);
    car.run(60_000);
    let events = charges(&mut car);
    assert_eq!((events.len(), events[0].kind), (1, "charging.ended"));
    assert_eq!(events[0].at, moved, "not merged into the drive");
}

#[test]
fn a_drive_that_nobody_saw_parts_two_charges() {
    let mut car = charging();
    car.silence();
    car.reboot(36_000_000);
    speak(&mut car, true, true, 20.0, 709.0);
    car.number(ODOMETER, 5_042_000.0);
    car.run(10_000);
    let events = charges(&mut car);
    assert_eq!(events.iter().map(|event| event.kind).collect::<Vec<_>>(), ["charging.ended", "charging.started"]);
    assert_eq!(events[0].data["uncertain"], true);
    assert_eq!(events[1].data["soc_percent"], 20.0);
}

#[test]
fn without_plug_and_meter_the_energy_is_estimated() {
    let defs = vec![number("Vehicle.Powertrain.TractionBattery.StateOfCharge.Current", "percent"), switch(CHARGING)];
    let mut car = Car::new(defs, |signals| TractionBattery::new(signals, Some(20.0)).expect("a state of charge"));
    let soc = "Vehicle.Powertrain.TractionBattery.StateOfCharge.Current";
    car.number(soc, 40.0);
    car.switch(CHARGING, true);
    car.run(10_000);
    car.number(soc, 65.0);
    car.switch(CHARGING, false);
    car.run(61_000);
    let events = charges(&mut car);
    assert_eq!((&events[1].data["energy_kwh"], &events[1].data["energy_by"]), (&json!(5.0), &json!("estimate")));
    assert_eq!(car.state().get("plug"), None);
}

#[test]
fn what_another_version_saved_is_ignored() {
    let mut car = car();
    let view = crate::services::testkit::view_parts(1_000, car.boot, &car.signals, &car.clock);
    for saved in [json!(null), json!({"plug": "yes"}), json!({"session": 3}), json!([])] {
        car.service.restore(&saved, &view);
        assert_eq!(car.service.state(&view)["plug"]["value"], "unknown");
    }
}

#[test]
fn charges_alternate_and_never_reach_into_a_drive() {
    for seed in 0..60 {
        let mut rng = Rng(seed);
        let mut car = car();
        let mut odometer_m = 5_000_000.0;
        for _ in 0..300 {
            match rng.below(12) {
                0..=3 => car.switch(CHARGING, rng.below(3) > 0),
                4 | 5 => car.switch(CABLE, rng.below(3) > 0),
                6 => car.number(SOC, 20.0 + f64::from(u32::try_from(rng.below(80)).expect("small"))),
                7 => car.silence(),
                8 => car.label(SUPPLY_PATH, rng.pick(&["OFF", "ON", "ON"])),
                9 => {
                    car.number(SPEED, rng.pick(&[0.0, 0.0, 40.0]));
                    odometer_m += rng.pick(&[0.0, 0.0, 300.0]);
                    car.number(ODOMETER, odometer_m);
                }
                10 => car.distrust(rng.pick(&[CHARGING, CABLE, SOC])),
                _ if rng.below(3) == 0 => car.reboot(rng.below(2_000_000)),
                _ => car.restart(rng.below(10_000)),
            }
            let pause = rng.pick(&[0, 100, 3_000, 6_000, 70_000, 700_000]);
            car.run(pause);
            if car.ignition.drive().phase == Phase::Driving {
                assert!(car.service.session.is_none(), "seed {seed}: charges while it drives");
            }
        }
        let (mut open, mut plugged) = (false, None);
        for event in car.take() {
            match event.kind {
                "charging.started" => assert!(!std::mem::replace(&mut open, true), "seed {seed}: started twice"),
                "charging.ended" => {
                    assert!(std::mem::replace(&mut open, false), "seed {seed}: ended twice");
                    assert!(event.data["duration_s"].as_f64().is_none_or(|span| span >= 0.0));
                }
                "plug.connected" => assert_ne!(plugged.replace(true), Some(true), "seed {seed}"),
                "plug.disconnected" => assert_ne!(plugged.replace(false), Some(false), "seed {seed}"),
                _ => (),
            }
        }
        assert_eq!(open, car.service.session.is_some(), "seed {seed}");
    }
}
