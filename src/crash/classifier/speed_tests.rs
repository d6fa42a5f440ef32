//! What speed proves beside a sensor, and what silence does.

use std::time::Duration;

use crate::can::BusId;
use crate::crash::{Observation, Restraint, Stage};
use crate::time::MonoTime;

use super::motion::Speed;
use super::tests::{Rig, full_range, low_range, pulse};

/// Proof comes late, and the wheels tell: a first impact that took no more than kerb and brakes may still have been one.
#[test]
fn proof_that_comes_late_is_of_the_first_impact_though_wheels_could_take_it_for_a_kerb() {
    for (first_s, second_s, is_one) in [(0.03, 0.032, true), (0.02, 0.04, false)] {
        let mut rig = Rig::new(low_range(), false);
        rig.tell(&Observation::WheelSpeed(15.0));
        // The wheels tell of the first impact when brakes could have taken as much.
        let contacts =
            [(first_s, [480, 80], 9.5), (second_s, [120, 200], 4.0)].map(|(span_s, [push_ms, rest_ms], mps)| {
                let contact = rig.now();
                rig.drive(push_ms, pulse(60.0, span_s, 0.0));
                assert_eq!(rig.said(Stage::Confirmed), None, "{first_s} s, {second_s} s: {:?}", rig.stages());
                rig.tell(&Observation::WheelSpeed(mps));
                rig.drive(rest_ms, |_| [0.0; 3]);
                contact
            });
        let confirmed = rig.said(Stage::Confirmed).unwrap_or_else(|| panic!("{first_s} s, {second_s} s"));
        let contact = contacts[usize::from(!is_one)];
        let apart = confirmed.contact.since(contact) + contact.since(confirmed.contact);
        assert!(apart <= Duration::from_millis(25), "{first_s} s, {second_s} s: {apart:?}");
        assert_eq!(confirmed.impacts, if is_one { 2 } else { 1 }, "{first_s} s, {second_s} s");
    }
}

#[test]
fn of_a_crash_that_cuts_the_bus_at_its_first_samples_satellites_tell() {
    for (loses_mps, is_crash) in [(None, false), (Some(0.5), false), (Some(4.0), false), (Some(12.0), true)] {
        let mut rig = Rig::new(low_range(), false);
        rig.tell(&Observation::GnssSpeed(15.0));
        rig.drive(24, |time_s| [-800.0 * time_s, 0.0, 0.0]);
        let last = rig.now();
        // Each since its own last frame, and told late.
        for (bus, before_ms) in [(0, 0), (1, 40)] {
            rig.now_us += 30_000;
            rig.classifier.handle_timeout(rig.now());
            let since = last - Duration::from_millis(before_ms);
            rig.classifier.observe(since, &Observation::BusSilent(BusId(bus)));
        }
        for step in 1_u8..=30 {
            rig.now_us += 100_000;
            if let Some(loses_mps) = loses_mps {
                rig.tell(&Observation::GnssSpeed(15.0 - loses_mps * (f32::from(step) / 4.0).min(1.0)));
            } else if let Some(due) = rig.classifier.poll_timeout() {
                rig.classifier.handle_timeout(due.max(rig.now()));
                rig.fetch();
            }
        }
        assert_eq!(rig.stages().first(), Some(&Stage::Suspected), "{loses_mps:?}");
        let ends = if is_crash { Stage::Graded } else { Stage::Dismissed };
        assert_eq!(rig.stages().iter().filter(|stage| [Stage::Suspected, ends].contains(stage)).count(), 2);
        assert_eq!(rig.said(Stage::Confirmed).is_some(), is_crash, "{loses_mps:?} m/s: {:?}", rig.stages());
    }
}

/// A sensor that ends on garbage stays as it is; buses fall silent each time that the car is switched off.
#[test]
fn a_bus_that_falls_silent_long_after_a_sensor_has_ended_is_no_suspicion() {
    let mut rig = Rig::new(low_range(), false);
    rig.drive(24, |time_s| [-800.0 * time_s, 0.0, 0.0]);
    rig.now_us += 60_000_000;
    rig.tell(&Observation::BusSilent(BusId(1)));
    for _ in 0..20 {
        rig.now_us += 100_000;
        rig.tell(&Observation::GnssSpeed(0.0));
    }
    assert_eq!(rig.stages(), []);
}

/// The brakes, and a bump that is harder than tires, while the wheels lock and grip again.
#[test]
fn wheels_that_slip_prove_nothing_beside_a_sensor_that_sees_it() {
    let mut rig = Rig::new(full_range(), false);
    rig.tell(&Observation::WheelSpeed(20.0));
    let mut speed = 20.0;
    for step in 0_u8..30 {
        let bump = if step == 5 { -18.0 } else { 0.0 };
        rig.drive(20, |_| [-8.0 + bump, 0.0, 0.0]);
        speed -= 0.02 * (8.0 - bump);
        let slip = if step % 4 == 2 { 6.0 } else { 0.0 };
        rig.tell(&Observation::WheelSpeed(speed - slip));
    }
    assert_eq!(rig.said(Stage::Confirmed), None, "{:?}", rig.stages());
    assert!(rig.said(Stage::Suspected).is_some(), "it asks nothing: {:?}", rig.stages());
}

/// Wheels that were locked when the frames of the sensor began to be lost.
#[test]
fn wheels_that_roll_again_after_a_push_from_ahead_prove_nothing() {
    for (later_mps, is_crash) in [(16.0, false), (6.0, true)] {
        let mut rig = Rig::new(full_range(), false);
        rig.tell(&Observation::WheelSpeed(11.0));
        rig.drive(22, |_| [-25.0, 0.0, 0.0]);
        rig.now_us += 120_000;
        rig.tell(&Observation::WheelSpeed(later_mps));
        assert_eq!(rig.said(Stage::Confirmed).is_some(), is_crash, "{later_mps} m/s: {:?}", rig.stages());
    }
}

/// The same blow along the car, once with wheels that lose what a kerb takes, and once with what a crash takes.
#[test]
fn a_blow_along_the_car_is_a_kerb_while_the_wheels_roll_on() {
    for (lost_mps, is_crash) in [(0.7, false), (1.6, true)] {
        let mut rig = Rig::new(low_range(), false);
        for step in 0_u8..60 {
            let begins_ms = (f32::from(step) - 20.0) * 20.0;
            let blow = |time_s: f32| {
                let ms = begins_ms + time_s * 1e3;
                if (0.0..50.0).contains(&ms) { [-22.0, 9.0 + 2.0 * (ms / 25.0 - 1.0), 0.0] } else { [0.0; 3] }
            };
            rig.drive(20, blow);
            rig.tell(&Observation::WheelSpeed(if begins_ms < 0.0 { 10.0 } else { 10.0 - lost_mps }));
        }
        assert_eq!(rig.said(Stage::Confirmed).is_some(), is_crash, "{lost_mps} m/s: {:?}", rig.stages());
    }
}

/// A sensor goes to the end of its range and back for 70 ms, as numbers do and walls: the wheels tell which it was.
#[test]
fn wheels_are_lost_in_a_blow_when_they_were_told_until_then_and_more_than_one_message_is_missing() {
    for (every_ms, pause_ms, is_back, is_crash) in
        [(24, 0, false, true), (24, 2_000, false, false), (96, 0, false, true), (96, 0, true, false)]
    {
        let mut rig = Rig::new(low_range(), false);
        for _ in 0..10 {
            rig.drive(every_ms, |_| [0.0; 3]);
            rig.tell(&Observation::WheelSpeed(15.0));
        }
        rig.drive(pause_ms, |_| [0.0; 3]);
        rig.drive(2 * every_ms.max(90), |time_s| if time_s < 0.075 { [-25.0, 0.0, 0.0] } else { [0.0; 3] });
        for _ in 0..5 {
            if is_back {
                rig.tell(&Observation::WheelSpeed(15.0));
            }
            rig.drive(every_ms, |_| [0.0; 3]);
        }
        let case = format!("every {every_ms} ms, {pause_ms} ms before, {is_back}");
        assert_eq!(rig.said(Stage::Confirmed).is_some(), is_crash, "{case}: {:?}", rig.stages());
    }
}

/// Two samples beyond tires, and what the wheels tell after them.
fn bump(rig: &mut Rig, later_mps: f32) {
    rig.drive(24, |_| [-18.0, 0.0, 0.0]);
    for _ in 0..10 {
        rig.drive(36, |_| [0.0; 3]);
        rig.tell(&Observation::WheelSpeed(later_mps));
    }
}

/// Wheels that a brake has locked grip again after a bump of two samples: they have no more than a moment before. A car that
/// has slowed as tires can, and is struck from behind, has won it.
#[test]
fn wheels_that_have_their_speed_back_have_won_nothing() {
    for (before_mps, locked_mps, within, later_mps, is_crash) in [
        (8.0, 3.0, 1, 8.0, false),
        (11.0, 6.0, 1, 11.0, false),
        (3.0, 3.0, 1, 8.0, true),
        (6.0, 3.0, 1, 11.0, true),
        (8.0, 3.0, 25, 8.0, true),
        (8.0, 0.3, 1, 6.5, false),
    ] {
        let mut rig = Rig::new(low_range(), false);
        for step in 0_u8..40 {
            let share = f32::from(step.saturating_sub(10).min(within)) / f32::from(within);
            // The brake holds them a little less at the end, and tires could have slowed the car as much by then.
            let eased = if locked_mps < 1.0 && step >= 36 { 0.9 } else { 0.0 };
            rig.tell(&Observation::WheelSpeed(before_mps + share * (locked_mps - before_mps) + eased));
            rig.drive(20, |_| [0.0; 3]);
        }
        bump(&mut rig, later_mps);
        let case = format!("{before_mps}, {locked_mps} within {within}, {later_mps} m/s");
        assert_eq!(rig.said(Stage::Confirmed).is_some(), is_crash, "{case}: {:?}", rig.stages());
    }
}

/// An antilock brake lets the wheels go each time that they lock: what a car that is struck from behind meanwhile wins is
/// more than they had when they gripped last.
#[test]
fn wheels_that_an_antilock_brake_lets_go_have_lost_what_they_had_before() {
    for (later_mps, is_crash) in [(4.0, false), (13.0, true)] {
        for locked_at_contact in [false, true] {
            let mut rig = Rig::new(low_range(), false);
            let mut speed = 14.0;
            for step in 0_u8..60 {
                speed -= 0.02 * 8.0;
                let slips = step % 4 == if locked_at_contact { 3 } else { 2 };
                rig.tell(&Observation::WheelSpeed(if slips { speed - 2.0 } else { speed }));
                rig.drive(20, |_| [-8.0, 0.0, 0.0]);
            }
            bump(&mut rig, later_mps);
            let case = format!("{later_mps} m/s, {locked_at_contact}");
            assert_eq!(rig.said(Stage::Confirmed).is_some(), is_crash, "{case}: {:?}", rig.stages());
        }
    }
}

/// Once as the brake holds the wheels at 8 m/s, who knows of which speed, and once as they roll: only these tell what a
/// blow took that the sensor could not follow.
#[test]
fn wheels_that_slipped_at_contact_do_not_tell_what_the_blow_took() {
    for slips in [true, false] {
        let mut rig = Rig::new(low_range(), false);
        rig.tell(&Observation::Restraint(Restraint::Front, false));
        for step in 0_u8..20 {
            rig.tell(&Observation::WheelSpeed(if slips && step < 16 { 14.0 } else { 8.0 }));
            rig.drive(20, |_| [0.0; 3]);
        }
        rig.drive(60, pulse(160.0, 0.06, 0.0));
        rig.tell(&Observation::WheelSpeed(if slips { 7.5 } else { 3.0 }));
        rig.drive(20, |_| [0.0; 3]);
        rig.tell(&Observation::Restraint(Restraint::Front, true));
        for _ in 0..20 {
            rig.drive(20, |_| [0.0; 3]);
        }
        let graded = rig.said(Stage::Graded).unwrap_or_else(|| panic!("{slips}: {:?}", rig.stages()));
        let delta_v = graded.delta_v.unwrap_or_else(|| panic!("{slips}"));
        assert_eq!(delta_v.is_lower_bound, slips, "{delta_v:?}");
    }
}

#[test]
fn one_pause_between_messages_is_not_how_often_they_come() {
    for pause_at in [None, Some(1), Some(4)] {
        let (mut speed, mut at) = (Speed::new(), MonoTime::ZERO);
        for message in 0..=4 {
            assert_eq!(speed.interval(), None, "too few");
            at = at + Duration::from_millis(if pause_at == Some(message) { 3_000 } else { 24 });
            speed.observe(at, 15.0);
        }
        assert_eq!(speed.interval(), Some(Duration::from_millis(24)), "{pause_at:?}");
    }
}
