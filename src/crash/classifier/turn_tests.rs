//! What the way a car turns tells of a crash through a sensor that clips.

use crate::crash::sensor::{Orientation, SensorIx, SensorSpec};
use crate::crash::{Observation, Sample, Stage, Verdict};
use crate::time::MonoTime;

use super::Classifier;
use super::tests::{low_range, rates};

/// Samples of both sensors are so far apart, in s.
const STEP_S: f32 = 0.012;
/// The car drives or stands for so long before the blow: longer than any slide.
const BEFORE_S: f32 = 12.0;

/// A car at that speed, with a push by x and y and a yaw rate or roll rate, each by the time since the blow.
struct Drive<'f> {
    speed_mps: f32,
    push: &'f dyn Fn(f32) -> [f32; 2],
    yaw_dps: &'f dyn Fn(f32) -> f32,
    roll_dps: &'f dyn Fn(f32) -> f32,
}

impl Drive<'_> {
    fn verdicts(&self) -> Vec<Verdict> {
        self.verdicts_at(|_| self.speed_mps)
    }

    /// With the speed of the wheels by time.
    fn verdicts_at(&self, speed_mps: impl Fn(f32) -> f32) -> Vec<Verdict> {
        let mut classifier = Classifier::new(&[
            SensorSpec { orientation: Orientation::Stated, ..low_range() },
            SensorSpec { rate_hz: 83.0, noise: 0.05, ..rates() },
        ]);
        let mut verdicts = Vec::new();
        for step in 0_u16..1_400 {
            let at = MonoTime::from_nanos(1_000_000_000 + u64::from(step) * 12_000_000);
            let time_s = f32::from(step) * STEP_S - BEFORE_S;
            let noise = if step % 2 == 0 { 0.05 } else { -0.05 };
            let [x, y] = (self.push)(time_s).map(|push| Some((push + noise).clamp(-18.4, 18.4)));
            let rates = [Some((self.roll_dps)(time_s)), None, Some((self.yaw_dps)(time_s) + noise)];
            if step % 2 == 0 {
                classifier.observe(at, &Observation::WheelSpeed(speed_mps(time_s)));
            }
            classifier.observe(at, &Observation::Sample(Sample { sensor: SensorIx(0), axes: [x, y, None] }));
            classifier.observe(at, &Observation::Sample(Sample { sensor: SensorIx(1), axes: rates }));
            verdicts.extend(std::iter::from_fn(|| classifier.poll_verdict()));
        }
        verdicts
    }

    fn is_confirmed(&self) -> bool {
        is_confirmed(&self.verdicts())
    }
}

fn is_confirmed(verdicts: &[Verdict]) -> bool {
    verdicts.iter().any(|verdict| verdict.stage == Stage::Confirmed)
}

/// Two samples at the end of the range across the car.
fn brief(time_s: f32) -> [f32; 2] {
    if (0.0..0.02).contains(&time_s) { [3.0, 25.0] } else { [0.0; 2] }
}

/// The same as a filter shows it, so that it has a form.
fn formed(time_s: f32) -> [f32; 2] {
    match time_s {
        -0.014..0.0 => [1.0, 9.0],
        0.022..0.034 => [0.5, 5.0],
        _ => brief(time_s),
    }
}

/// Three samples beyond tires, as a kerb has them.
fn long(time_s: f32) -> [f32; 2] {
    match time_s {
        0.0..0.03 => [2.0, 25.0],
        0.03..0.045 => [0.5, 6.0],
        _ => [0.0; 2],
    }
}

fn nothing(_: f32) -> f32 {
    0.0
}

/// Rises to 20 °/s within the blow, and goes on as `after` says by the time since.
fn turned(after: impl Fn(f32) -> f32) -> impl Fn(f32) -> f32 {
    move |time_s| match time_s {
        ..0.0 => 0.0,
        0.0..0.03 => 20.0 * time_s / 0.03,
        _ => after(time_s - 0.03),
    }
}

#[test]
fn a_car_that_turns_on_and_ever_more_slowly_was_struck() {
    let drive = |yaw_dps: &dyn Fn(f32) -> f32| {
        Drive { speed_mps: 10.0, push: &brief, yaw_dps, roll_dps: &nothing }.is_confirmed()
    };
    assert!(drive(&turned(|since| 20.0 * (1.0 - since / 0.9).max(0.0))), "slides to its end");
    assert!(!drive(&turned(|since| 20.0 * (-since / 0.1).exp())), "tires have stopped it");
    assert!(!drive(&turned(|_| 20.0)), "goes through a bend");
    assert!(!drive(&turned(|since| 20.0 + 20.0 * since)), "is steered");
    assert!(!drive(&turned(|since| if since < 0.1 { 20.0 } else { -10.0 })), "swings back");
    assert!(!drive(&nothing), "goes straight on");
    let slides = turned(|since| 20.0 * (1.0 - since / 0.9).max(0.0));
    let fast = Drive { speed_mps: 40.0, push: &brief, yaw_dps: &slides, roll_dps: &nothing };
    assert!(!fast.is_confirmed(), "tires take as long at that speed");
}

#[test]
fn a_yaw_rate_without_tires_that_push_back_is_no_slide() {
    let before = |time_s: f32| (-1.0..0.0).contains(&time_s);
    let skid = |time_s: f32| if time_s < -1.0 { 0.0 } else { 50.0 * (-time_s.max(0.0)).exp() };
    let slides = |time_s: f32| if before(time_s) { [0.0, 6.0] } else { brief(time_s) };
    let drive = |push: &dyn Fn(f32) -> [f32; 2], yaw_dps: &dyn Fn(f32) -> f32| {
        Drive { speed_mps: 15.0, push, yaw_dps, roll_dps: &nothing }.is_confirmed()
    };
    assert!(drive(&slides, &skid));
    assert!(!drive(&brief, &skid), "nothing is felt of it");
    let light = |time_s: f32| if time_s < 0.0 { [0.0, 1.2] } else { brief(time_s) };
    let fast = Drive { speed_mps: 30.0, push: &light, yaw_dps: &|_| 8.0, roll_dps: &nothing };
    assert!(!fast.is_confirmed(), "for longer than a slide");
}

#[test]
fn a_yaw_rate_that_jumps_as_no_car_turns_is_no_witness() {
    let stuck = |dps: f32| move |time_s: f32| if time_s < 0.006 { 0.0 } else { dps };
    let drive = |yaw_dps: &dyn Fn(f32) -> f32| {
        Drive { speed_mps: 10.0, push: &long, yaw_dps, roll_dps: &nothing }.is_confirmed()
    };
    assert!(drive(&stuck(50.0)));
    assert!(!drive(&stuck(100.0)), "a number");
}

#[test]
fn what_turned_the_car_a_little_was_a_blow_where_tires_push_back_by_more_than_after_a_kerb() {
    let confirmed = |turn_dps: f32, back_mps2: f32| {
        let push = |time_s: f32| match time_s {
            0.05..0.35 => [0.0, -back_mps2],
            _ => formed(time_s),
        };
        let yaw_dps = |time_s: f32| turned(|since| 20.0 * (-since / 0.1).exp())(time_s) / 20.0 * turn_dps;
        Drive { speed_mps: 10.0, push: &push, yaw_dps: &yaw_dps, roll_dps: &nothing }.is_confirmed()
    };
    assert!(confirmed(20.0, 6.0));
    assert!(!confirmed(20.0, 4.0), "a kerb leaves as much");
    assert!(!confirmed(8.0, 6.0), "has hardly turned");
}

#[test]
fn a_long_push_across_is_the_trip_of_a_car_that_slid_whatever_comes_after_it() {
    let confirmed = |slid: bool, span_s: f32| {
        let push = |time_s: f32| match time_s {
            -1.0..0.0 if slid => [0.0, 6.0],
            time if (0.0..span_s).contains(&time) => [0.5, 22.0],
            time if (span_s + 0.05..span_s + 0.061).contains(&time) => [0.0, -16.0],
            _ => [0.0; 2],
        };
        let yaw_dps = |time_s: f32| match time_s {
            ..-1.0 => 0.0,
            _ if !slid => 0.0,
            _ => 50.0 * (-time_s.max(0.0)).exp(),
        };
        Drive { speed_mps: 15.0, push: &push, yaw_dps: &yaw_dps, roll_dps: &nothing }.is_confirmed()
    };
    assert!(confirmed(true, 0.25));
    assert!(!confirmed(false, 0.25), "did not slide");
    assert!(!confirmed(true, 0.11), "what is loose comes back as well");
}

#[test]
fn a_car_that_stood_and_rolls_away_turning_was_struck() {
    let yaw_dps = turned(|since| 20.0 * (1.0 - since).max(0.0));
    let strong = |time_s: f32| 1.6 * yaw_dps(time_s);
    let drive = |yaw_dps: &dyn Fn(f32) -> f32, away_mps: f32| {
        let drive = Drive { speed_mps: 0.0, push: &formed, yaw_dps, roll_dps: &nothing };
        is_confirmed(&drive.verdicts_at(|time_s| if time_s < 0.1 { 0.0 } else { away_mps }))
    };
    assert!(drive(&strong, 1.5));
    assert!(!drive(&strong, 0.0), "stays where it is: a hand turns the unit");
    assert!(!drive(&nothing, 1.5), "drives off");
}

#[test]
fn what_pushed_a_car_that_stands_out_of_reach_is_not_taken_back() {
    let pushed = |back_mps2: f32| {
        move |time_s: f32| match time_s {
            0.0..0.12 => [50.0 * (std::f32::consts::PI * time_s / 0.12).sin(), 0.0],
            0.17..0.62 => [-back_mps2, 0.0],
            _ => [0.0; 2],
        }
    };
    let drive = |back_mps2: f32, yaw_dps: &dyn Fn(f32) -> f32| {
        Drive { speed_mps: 0.0, push: &pushed(back_mps2), yaw_dps, roll_dps: &nothing }.is_confirmed()
    };
    assert!(drive(0.0, &nothing), "rolls away");
    assert!(!drive(3.4, &nothing), "a hand has stopped it");
    assert!(!drive(6.0, &nothing), "a hand has stopped it harder");
    assert!(!drive(0.0, &|_| 40.0), "a hand turns it");
}

#[test]
fn a_roll_rate_that_failed_makes_no_rollover_of_a_later_crash() {
    let push = |time_s: f32| if (0.0..0.1).contains(&time_s) { [-25.0, 1.0] } else { [0.0; 2] };
    let yaw_dps = turned(|since| 40.0 * (1.0 - since).max(0.0));
    for (roll_dps, told) in [(200.0, None), (300.0, None), (0.5, Some(false))] {
        let stuck = |time_s: f32| if time_s < -4.0 { 0.0 } else { roll_dps };
        let verdicts = Drive { speed_mps: 15.0, push: &push, yaw_dps: &yaw_dps, roll_dps: &stuck }.verdicts();
        let last = verdicts.last().expect("a crash");
        assert_eq!((last.stage, last.rollover), (Stage::Graded, told), "{roll_dps} °/s");
    }
    for (since_s, told) in [(-6.0, Some(false)), (-11.0, None)] {
        let shifted = |time_s: f32| if time_s < since_s { 0.0 } else { 80.0 + (40.0 * time_s).sin() };
        let verdicts = Drive { speed_mps: 15.0, push: &push, yaw_dps: &yaw_dps, roll_dps: &shifted }.verdicts();
        assert_eq!(verdicts.last().expect("a crash").rollover, told, "a zero shifted {since_s} s before");
    }
}
