//! Records as a rescue would read them.

use std::collections::BTreeSet;

use super::*;
use crate::config::Propulsion;
use crate::crash::msd::{AdditionalData, ImpactLocation, Msd, Storage, Version, hex};
use crate::crash::{DeltaV, Severity, Side, Stage, Verdict};
use crate::services::testkit::{Car, FIRST_BOOT_S, SAVED_AFTER_MS, label, switch, view_parts};
use crate::services::{Place, Settings};
use crate::signals::{At, SignalDef};
use crate::time::Clock;

const FRONT: &str = "Vehicle.Restraint.IsFrontDeployed";
const DRIVER: &str = "Vehicle.Cabin.Seat.Row1.DriverSide.Airbag.IsDeployed";
const SOS: &str = "Vehicle.Cabin.EmergencyCall.IsButtonPressed";
const BELTS: [&str; 2] =
    ["Vehicle.Cabin.Seat.Row1.DriverSide.IsBelted", "Vehicle.Cabin.Seat.Row1.PassengerSide.IsBelted"];

fn defs() -> Vec<SignalDef> {
    let paths = [FRONT, DRIVER, SOS, "Vehicle.IsMoving"];
    paths.into_iter().chain(BELTS).map(switch).collect()
}

fn facts() -> VehicleFacts {
    VehicleFacts {
        wmi: Some("ZZT".to_owned()),
        category: "M1".to_owned(),
        propulsion: vec![Propulsion::Gasoline, Propulsion::Electric],
        tank_capacity_l: None,
        battery_gross_kwh: None,
        seats: None,
    }
}

fn with(settings: EcallSettings, signals: &Signals) -> Ecall {
    Ecall::new(signals, &facts(), &settings).expect("restraints")
}

/// A car whose airbags are fine.
fn car() -> Car<Ecall> {
    let mut car = Car::new(defs(), |signals| with(EcallSettings::default(), signals));
    for path in [FRONT, DRIVER, SOS] {
        car.switch(path, false);
    }
    car.beside.settings = Settings::UNKNOWN;
    assert!(car.take().is_empty());
    car
}

fn place(car: &mut Car<Ecall>, latitude_deg: f64, longitude_deg: f64) {
    let at = At::Mono(car.now());
    car.beside.place =
        Some(Place { at, latitude_deg, longitude_deg, accuracy_m: Some(3.0), course_deg: Some(91.0), is_fresh: true });
}

/// Half a minute to the east at some 14 m/s, with a fix a second.
fn drive(car: &mut Car<Ecall>) {
    car.switch("Vehicle.IsMoving", true);
    for second in 0..30 {
        place(car, 48.0, 11.0 + f64::from(second) * 0.000_19);
        car.run(1_000);
    }
}

fn verdict(car: &Car<Ecall>, stage: Stage, x_mps: f32) -> Verdict {
    Verdict {
        delta_v: Some(DeltaV {
            x_mps: Some(x_mps),
            y_mps: Some(2.8),
            resultant_mps: x_mps.hypot(2.8),
            uncertainty_mps: 0.5,
            is_lower_bound: false,
        }),
        side: Side::Front,
        rollover: Some(false),
        severity: Some(Severity::Serious),
        ..Verdict::bare(1, stage, car.now(), car.now())
    }
}

/// The records since the last call; each is what it says it is.
fn records(car: &mut Car<Ecall>) -> Vec<Msd> {
    let events = car.take().into_iter().filter(|event| event.kind == "ecall.msd");
    let record = |event: Event| {
        assert_eq!(event.lane, Lane::Critical);
        assert!(!event.data.to_string().contains("hex"), "the record holds the position: {}", event.data);
        let location = event.statutory.expect("statutory");
        let bytes = hex::decode(location["msd"]["hex"].as_str().expect("hex")).expect("hex");
        let msd = Msd::decode(&bytes).expect("a minimum set of data");
        assert_eq!(serde_json::to_value(&msd).expect("JSON"), location["msd"]["decoded"]);
        assert_eq!(event.data["message_identifier"], msd.message_identifier);
        msd
    };
    events.map(record).collect()
}

#[test]
fn airbags_that_fire_are_told_at_once_with_all_that_is_known() {
    let mut car = car();
    for belt in BELTS {
        car.switch(belt, true);
    }
    drive(&mut car);
    car.switch(FRONT, true);
    let records = records(&mut car);
    assert_eq!(records.len(), 1);
    let msd = &records[0];
    assert_eq!((msd.version, msd.message_identifier, msd.activation), (Version::V3, 1, Activation::Automatic));
    assert!(msd.position_can_be_trusted && !msd.test_call);
    assert_eq!(msd.vin.as_str(), "ZZT00000000000000", "no VIN in the deployment");
    assert_eq!(msd.propulsion, BTreeSet::from([Storage::Gasoline, Storage::Electric]));
    let seconds = u32::try_from(FIRST_BOOT_S).expect("before 2106") + u32::try_from(car.now_ms / 1_000).expect("few");
    assert_eq!(msd.timestamp_s.map(std::num::NonZero::get), Some(seconds));
    let location = msd.location.expect("known");
    assert_eq!((location.latitude_mas(), location.longitude_mas()), (172_800_000, 39_619_836));
    assert_eq!(msd.direction.map(crate::crash::msd::Direction::degrees), Some(92), "to the nearest two degrees");
    // Steps of some five seconds: 5 × 0.00019° are 3,420 mas to the west.
    for back in [msd.recent_location_n1, msd.recent_location_n2] {
        let back = back.expect("version 3");
        assert_eq!(back.latitude_mas(), 0);
        assert!((-4_200..=-2_000).contains(&back.longitude_mas()), "{back:?}");
    }
    assert_eq!(msd.occupants, Some(2));
    assert_eq!(msd.additional_data, None);
}

#[test]
fn who_has_no_belt_on_is_on_board_all_the_same() {
    let seats = ["DriverSide", "PassengerSide"].map(|seat| format!("Vehicle.Cabin.Seat.Row1.{seat}.OccupancyStatus"));
    let labels = ["UNKNOWN", "EMPTY", "OCCUPIED"];
    for (belted, told, occupants) in [
        (&[][..], ["OCCUPIED", "OCCUPIED"], Some(2)),
        (&BELTS[..1], ["EMPTY", "UNKNOWN"], Some(1)),
        (&[], ["EMPTY", "EMPTY"], Some(0)),
    ] {
        let seat_defs = seats.iter().map(|seat| label(seat, &labels));
        let mut car =
            Car::new(defs().into_iter().chain(seat_defs).collect(), |signals| with(EcallSettings::default(), signals));
        car.switch(FRONT, false);
        for belt in belted {
            car.switch(belt, true);
        }
        for (seat, told) in seats.iter().zip(told) {
            car.label(seat, told);
        }
        car.switch(FRONT, true);
        assert_eq!(records(&mut car)[0].occupants, occupants, "{told:?}");
    }
}

#[test]
fn better_data_make_another_record_and_nothing_else_does() {
    let mut car = car();
    car.clock = Clock::default();
    car.switch(FRONT, true);
    let first = &records(&mut car)[0];
    assert_eq!((first.timestamp_s, first.location, first.position_can_be_trusted), (None, None, false));
    car.switch(DRIVER, true);
    car.run(30_000);
    assert!(records(&mut car).is_empty(), "the same incident, nothing new");
    place(&mut car, 48.0, 11.0);
    car.clock = crate::services::testkit::clock_at(FIRST_BOOT_S);
    car.run(5_000);
    let second = records(&mut car);
    assert_eq!(second.len(), 1);
    assert_eq!((second[0].message_identifier, second[0].position_can_be_trusted), (2, true));
    assert!(second[0].timestamp_s.is_some());
    place(&mut car, 48.1, 11.1);
    car.run(120_000);
    assert!(records(&mut car).is_empty(), "towed away");
    assert_eq!(car.state()["incident"]["messages"], 2);
}

#[test]
fn the_grading_follows_as_additional_data() {
    let mut car = car();
    car.switch(FRONT, true);
    let confirmed = verdict(&car, Stage::Confirmed, -12.5);
    car.judge(confirmed);
    car.run(200);
    let graded = verdict(&car, Stage::Graded, -12.5);
    car.judge(graded);
    assert_eq!(records(&mut car).len(), 1, "not sooner than a second after the first");
    car.run(1_000);
    let second = records(&mut car);
    assert_eq!(second.len(), 1);
    let data = second[0].additional_data.as_ref().expect("graded");
    let incident = data.incident_information().expect("TB 040");
    assert_eq!((incident.location_of_impact, incident.rollover_detected), (ImpactLocation::Front, Some(false)));
    assert_eq!(Ok(incident.delta_v), crate::crash::msd::DeltaV::new(255, -45, 10));
    car.judge(graded);
    car.run(5_000);
    assert!(records(&mut car).is_empty());
    let saturated = DeltaV { is_lower_bound: true, ..graded.delta_v.expect("measured") };
    let mut other = self::car();
    other.judge(Verdict { delta_v: Some(saturated), ..graded });
    other.switch(FRONT, true);
    other.run(5_000);
    assert_eq!(records(&mut other)[0].additional_data, None, "a bound is no measurement");
}

#[test]
fn a_button_that_is_held_calls_by_hand() {
    let mut car = car();
    car.switch(SOS, true);
    car.run(400);
    car.switch(SOS, false);
    car.run(5_000);
    assert!(records(&mut car).is_empty(), "brushed by a sleeve");
    car.switch(SOS, true);
    car.run(5_000);
    let records = records(&mut car);
    assert_eq!((records.len(), records[0].activation), (1, Activation::Manual));
}

/// Numbers and triggers of records, with the incident of each.
fn calls(car: &mut Car<Ecall>) -> Vec<(String, &'static str, u64)> {
    let events = car.take().into_iter().filter(|event| event.kind == "ecall.msd");
    let call = |event: Event| {
        let trigger = if event.data["trigger"] == "automatic" { "automatic" } else { "manual" };
        (event.subject.expect("an incident"), trigger, event.data["message_identifier"].as_u64().expect("a number"))
    };
    events.map(call).collect()
}

#[test]
fn airbags_that_fire_after_sos_call_by_themselves() {
    let mut car = car();
    car.switch(SOS, true);
    car.run(5_000);
    car.switch(SOS, false);
    car.run(25_000);
    car.switch(FRONT, true);
    let fired = car.now();
    car.run(10_000);
    car.switch(DRIVER, true);
    car.switch(SOS, true);
    car.run(10_000);
    let incident = |number| format!("0000000100000000-ecall-{number}");
    assert_eq!(calls(&mut car), [(incident(1), "manual", 1), (incident(2), "automatic", 1)], "and nothing after it");
    assert_eq!(car.state()["incident"]["trigger"], "automatic");
    assert_eq!(car.state()["incident"]["time"], car.view().time(At::Mono(fired)));
}

#[test]
fn airbags_that_fired_before_anybody_watched_are_an_old_story() {
    let mut car = Car::new(defs(), |signals| with(EcallSettings::default(), signals));
    car.switch(FRONT, true);
    car.run(60_000);
    car.restart(1_000);
    car.switch(FRONT, true);
    assert!(records(&mut car).is_empty());
    car.switch(FRONT, false);
    car.run(SAVED_AFTER_MS);
    car.restart(1_000);
    car.switch(FRONT, true);
    assert_eq!(records(&mut car).len(), 1, "repaired, and fired while nobody watched");
}

#[test]
fn a_restart_goes_on_where_it_was() {
    let mut car = car();
    car.switch(FRONT, true);
    assert_eq!(records(&mut car).len(), 1);
    car.restart(3_000);
    car.switch(FRONT, true);
    car.run(10_000);
    assert!(records(&mut car).is_empty(), "nothing is sent again");
    car.reboot(20_000);
    car.switch(FRONT, true);
    place(&mut car, 48.0, 11.0);
    car.run(5_000);
    let second = records(&mut car);
    assert_eq!((second.len(), second[0].message_identifier), (1, 2), "the same incident, better data");
    car.run(900_000);
    car.switch(SOS, false);
    car.switch(SOS, true);
    car.run(5_000);
    assert_eq!(records(&mut car)[0].message_identifier, 1, "another incident");
}

#[test]
fn an_incident_goes_on_where_the_store_opens_late() {
    let mut earlier = car();
    let armed = earlier.service.save(&earlier.view());
    earlier.switch(FRONT, true);
    let interrupted = earlier.service.save(&earlier.view());
    for (saved, at_once, later) in [(&armed, 1, 2), (&interrupted, 0, 2)] {
        let mut late = Car::new(defs(), |signals| with(EcallSettings::default(), signals));
        late.beside.run.counter = 2;
        late.switch(FRONT, true);
        late.run(1_500);
        assert!(records(&mut late).is_empty(), "it may be an old story");
        let view = view_parts(late.now_ms, late.boot, &late.signals, &late.clock);
        late.service.rejoin(saved, &view);
        late.run(1);
        late.switch(DRIVER, false);
        assert_eq!(records(&mut late).len(), at_once);
        place(&mut late, 48.0, 11.0);
        late.run(5_000);
        let numbers: Vec<_> = records(&mut late).iter().map(|msd| msd.message_identifier).collect();
        assert_eq!(numbers, [later]);
        let own = late.state();
        let view = view_parts(late.now_ms, late.boot, &late.signals, &late.clock);
        late.service.rejoin(&interrupted, &view);
        assert_eq!(late.state(), own, "what this run has is newer");
    }
}

#[test]
fn a_call_by_hand_goes_on_after_a_power_cut() {
    let mut car = car();
    car.switch(SOS, true);
    car.run(5_000);
    let first = calls(&mut car);
    assert_eq!(first.len(), 1);
    car.reboot(20_000);
    place(&mut car, 48.0, 11.0);
    car.run(5_000);
    car.switch(SOS, true);
    car.run(2_000);
    let second = calls(&mut car);
    assert_eq!(second, [(first[0].0.clone(), "manual", 2)], "the same incident, better data");
    car.reboot(20_000);
    place(&mut car, 48.0, 11.0);
    car.run(5_000);
    assert!(calls(&mut car).is_empty(), "nothing is sent again");
}

#[test]
fn a_restart_between_the_grading_and_the_next_record_does_not_lose_it() {
    let kill = |car: &mut Car<Ecall>| car.restart(3_000);
    let cut_the_power = |car: &mut Car<Ecall>| car.reboot(20_000);
    for (stage, restart) in [
        (Stage::Graded, kill as fn(&mut Car<Ecall>)),
        (Stage::Graded, cut_the_power),
        (Stage::Corrected, kill),
        (Stage::Corrected, cut_the_power),
    ] {
        let mut car = car();
        car.switch(FRONT, true);
        car.run(200);
        let said = verdict(&car, stage, -12.5);
        car.judge(said);
        assert_eq!(records(&mut car).len(), 1, "the second is due a second after the first");
        restart(&mut car);
        car.switch(FRONT, true);
        car.run(2_000);
        place(&mut car, 48.0, 11.0);
        car.run(2_000);
        let records = records(&mut car);
        let numbers: Vec<u8> = records.iter().map(|msd| msd.message_identifier).collect();
        assert_eq!(numbers, [2, 3], "the grading, then the position");
        let information =
            |msd: &Msd| msd.additional_data.as_ref().and_then(AdditionalData::incident_information).expect("graded");
        assert_eq!(Ok(information(&records[0]).delta_v), crate::crash::msd::DeltaV::new(255, -45, 10));
        assert_eq!(information(&records[0]), information(&records[1]), "no later record says less");
    }
}

#[test]
fn version_2_is_sent_where_it_is_wanted_and_can_say_what_kind_of_vehicle_it_is() {
    let settings = EcallSettings { version: Version::V2, ..EcallSettings::default() };
    let signals = Signals::new(defs()).expect("distinct paths");
    for (category, version) in [("M1", Version::V2), ("SC", Version::V3), ("spaceship", Version::V3)] {
        let facts = VehicleFacts { category: category.to_owned(), ..facts() };
        let mut car = Car::new(defs(), |signals| with(EcallSettings::default(), signals));
        car.service = Ecall::new(&signals, &facts, &settings).expect("restraints");
        car.switch(FRONT, false);
        car.switch(FRONT, true);
        let records = records(&mut car);
        assert_eq!((records.len(), records[0].version), (1, version), "{category}");
    }
}

#[test]
fn a_fraction_of_an_hour_of_corrections_stays_bounded() {
    let mut car = car();
    car.switch(FRONT, true);
    for second in 0..100_u8 {
        let corrected = verdict(&car, Stage::Corrected, -5.0 - f32::from(second));
        car.judge(Verdict { contact: MonoTime::from_millis(1_000), ..corrected });
        car.run(1_500);
    }
    let identifiers: Vec<u8> = records(&mut car).iter().map(|msd| msd.message_identifier).collect();
    assert_eq!(identifiers, (1..=MAX_MESSAGES).collect::<Vec<_>>());
}
