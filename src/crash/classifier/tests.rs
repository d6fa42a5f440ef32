//! What the classifier says of crashes and of what is none, made by hand.

use std::time::Duration;

use crate::crash::sensor::{Mounting, Orientation, Quantity, SensorIx, SensorSpec};
use crate::crash::{FaultKind, Observation, Sample, Severity, Side, Stage, Verdict};
use crate::time::MonoTime;

use super::Classifier;

pub(super) fn full_range() -> SensorSpec {
    SensorSpec {
        name: "restraint".to_owned(),
        quantity: Quantity::Acceleration,
        axes: [true; 3],
        range: 490.0,
        rate_hz: 1_000.0,
        noise: 0.5,
        mounting: Mounting::Chassis,
        orientation: Orientation::Stated,
        is_protected: true,
    }
}

pub(super) fn low_range() -> SensorSpec {
    SensorSpec {
        name: "stability".to_owned(),
        range: 18.4,
        rate_hz: 83.0,
        axes: [true, true, false],
        orientation: Orientation::Learnt,
        noise: 0.05,
        ..full_range()
    }
}

/// Roll and yaw.
pub(super) fn rates() -> SensorSpec {
    SensorSpec {
        name: "rate".to_owned(),
        quantity: Quantity::AngularRate,
        axes: [true, false, true],
        range: 300.0,
        rate_hz: 100.0,
        noise: 0.1,
        ..full_range()
    }
}

/// A car that stands, drives and is pushed; speeds follow the push.
pub(super) struct Rig {
    pub(super) classifier: Classifier,
    spec: SensorSpec,
    pub(super) now_us: u64,
    speed: f32,
    tells_speed: bool,
    verdicts: Vec<Verdict>,
}

impl Rig {
    pub(super) fn new(spec: SensorSpec, tells_speed: bool) -> Self {
        let mut rig = Self {
            classifier: Classifier::new(std::slice::from_ref(&spec)),
            spec,
            now_us: 1_000_000,
            speed: 15.0,
            tells_speed,
            verdicts: Vec::new(),
        };
        rig.drive(2_000, |_| [0.0, 0.0, 0.0]);
        rig
    }

    pub(super) fn now(&self) -> MonoTime {
        MonoTime::from_nanos(self.now_us * 1_000)
    }

    /// A fifth of a second on its way with wheels, of which nothing is told from then on.
    pub(super) fn lose_wheels(&mut self) {
        for _ in 0..10 {
            self.drive(20, |_| [0.0; 3]);
            self.tell(&Observation::WheelSpeed(15.0));
        }
        self.tells_speed = false;
    }

    /// So many milliseconds with a push by time in seconds.
    pub(super) fn drive(&mut self, span_ms: u64, push: impl Fn(f32) -> [f32; 3]) {
        let start_us = self.now_us;
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "an interval in microseconds")]
        let step_us = (1e6 / self.spec.rate_hz) as u64;
        while self.now_us < start_us + span_ms * 1_000 {
            self.now_us += step_us;
            let time_s = Duration::from_micros(self.now_us - start_us).as_secs_f32();
            let [x, y, z] = push(time_s);
            let range = self.spec.range;
            let clip = |index: usize, value: f32| self.spec.axes[index].then_some(value.clamp(-range, range));
            // No live sensor repeats itself.
            let noise = if (self.now_us / step_us).is_multiple_of(2) { 0.05 } else { -0.05 };
            let axes = [clip(0, x + noise), clip(1, y - noise), clip(2, z + noise + 9.81)];
            self.speed = (self.speed + x / self.spec.rate_hz).max(0.0);
            self.tell(&Observation::Sample(Sample { sensor: SensorIx(0), axes }));
            if self.tells_speed && (self.now_us / step_us).is_multiple_of(2) {
                self.tell(&Observation::WheelSpeed(self.speed));
            }
        }
    }

    pub(super) fn tell(&mut self, observation: &Observation) {
        self.classifier.observe(self.now(), observation);
        self.fetch();
    }

    pub(super) fn fetch(&mut self) {
        while let Some(verdict) = self.classifier.poll_verdict() {
            self.verdicts.push(verdict);
        }
    }

    pub(super) fn stages(&self) -> Vec<Stage> {
        self.verdicts.iter().map(|verdict| verdict.stage).collect()
    }

    pub(super) fn said(&self, stage: Stage) -> Option<&Verdict> {
        self.verdicts.iter().find(|verdict| verdict.stage == stage)
    }
}

/// Half a sine of so many m/s² over so many seconds, from the direction in degrees: 0 from ahead, 90 from the right.
pub(super) fn pulse(peak: f32, span_s: f32, pdof_deg: f32) -> impl Fn(f32) -> [f32; 3] {
    let (sin, cos) = pdof_deg.to_radians().sin_cos();
    move |time_s| {
        if time_s > span_s {
            return [0.0; 3];
        }
        let value = peak * (std::f32::consts::PI * time_s / span_s).sin();
        [-value * cos, value * sin, 0.0]
    }
}

#[test]
fn a_full_range_sensor_tells_how_hard_and_from_where() {
    for (pdof_deg, side, clock) in [
        (0.0, Side::Front, 12),
        (30.0, Side::Front, 1),
        (90.0, Side::Right, 3),
        (180.0, Side::Rear, 6),
        (-88.0, Side::Left, 9),
    ] {
        let mut rig = Rig::new(full_range(), true);
        rig.drive(6_000, pulse(200.0, 0.1, pdof_deg));
        assert_eq!(rig.stages()[..3], [Stage::Suspected, Stage::Confirmed, Stage::Graded], "{pdof_deg}°");
        assert_eq!(rig.stages().last(), Some(&Stage::Closed));
        let confirmed = rig.said(Stage::Confirmed).unwrap();
        assert!(confirmed.at.since(confirmed.contact) < Duration::from_millis(40), "{confirmed:?}");
        let graded = rig.said(Stage::Graded).unwrap();
        let delta_v = graded.delta_v.unwrap();
        let truth = 200.0 * 0.1 * 2.0 / std::f32::consts::PI;
        assert!((delta_v.resultant_mps - truth).abs() < 0.05 * truth, "{delta_v:?} against {truth}");
        assert!(!delta_v.is_lower_bound);
        assert_eq!((graded.side, graded.direction.unwrap().clock), (side, clock), "{:?}", graded.direction);
    }
}

#[test]
fn a_clipped_sensor_tells_that_it_was_a_crash_and_at_least_how_hard() {
    // Wheels that keep little of their speed may be locked, or roll backwards.
    for (tells_speed, peak, is_bound) in [(false, 200.0, true), (true, 140.0, false), (true, 200.0, true)] {
        let mut rig = Rig::new(low_range(), tells_speed);
        if !tells_speed {
            rig.lose_wheels();
        }
        rig.drive(6_000, pulse(peak, 0.1, 0.0));
        assert_eq!(rig.stages()[..3], [Stage::Suspected, Stage::Confirmed, Stage::Graded]);
        let confirmed = rig.said(Stage::Confirmed).unwrap();
        // That wheels are lost is known when they are missed.
        let within_ms = if tells_speed { 61 } else { 135 };
        assert!(confirmed.at.since(confirmed.contact) < Duration::from_millis(within_ms), "{confirmed:?}");
        assert_eq!((confirmed.direction, confirmed.side, confirmed.severity), (None, Side::Unknown, None));
        let delta_v = rig.said(Stage::Graded).unwrap().delta_v.unwrap();
        assert_eq!(delta_v.x_mps, None, "the sign was never learnt");
        assert_eq!(delta_v.is_lower_bound, is_bound, "{peak} m/s²");
        let truth = peak * 0.1 * 2.0 / std::f32::consts::PI;
        let least = if is_bound { 0.0 } else { 0.9 * truth };
        assert!((least..=1.01 * truth).contains(&delta_v.resultant_mps), "{delta_v:?} of {truth}");
    }
}

#[test]
fn what_tires_holes_and_hands_do_confirms_nothing() {
    type Push = Box<dyn Fn(f32) -> [f32; 3]>;
    let quiet: Vec<(&str, Push)> = vec![
        ("emergency braking", Box::new(|time_s| [-10.8 * (time_s * 5.0).min(1.0), 0.0, 0.0])),
        ("kerb", Box::new(pulse(50.0, 0.03, 0.0))),
        ("slam", Box::new(pulse(20.0, 0.015, 90.0))),
        ("pothole", Box::new(|time_s| if time_s < 0.04 { [-12.0, 0.0, 18.0] } else { [0.0; 3] })),
    ];
    for (name, push) in &quiet {
        for spec in [full_range(), low_range()] {
            let mut rig = Rig::new(spec, true);
            rig.drive(1_000, push);
            rig.drive(3_000, |_| [0.0; 3]);
            assert_eq!(rig.said(Stage::Confirmed), None, "{name}");
            assert!(rig.classifier.poll_timeout().is_none(), "{name}: {:?}", rig.stages());
        }
    }
}

#[test]
fn a_loose_housing_never_confirms_alone() {
    let mut rig = Rig::new(SensorSpec { mounting: Mounting::Device, ..full_range() }, true);
    rig.drive(1_000, pulse(200.0, 0.1, 0.0));
    assert_eq!(rig.stages(), []);
}

#[test]
fn later_words_show_the_largest_of_several_impacts_and_never_less_than_before() {
    for peaks in [[100.0, 250.0, 60.0], [250.0, 100.0, 60.0], [60.0, 60.0, 250.0]] {
        for spec in [full_range(), low_range()] {
            let range = spec.range;
            let mut rig = Rig::new(spec, false);
            rig.lose_wheels();
            for peak in peaks {
                rig.drive(1_500, pulse(peak, 0.09, 0.0));
            }
            rig.drive(6_000, |_| [0.0; 3]);
            let shown = rig.verdicts.iter().map(|verdict| verdict.evidence);
            let figures: Vec<_> = shown.map(|evidence| (evidence.peak_mps2, evidence.dwell, evidence.pulse)).collect();
            for pair in figures.windows(2) {
                assert!(pair[0].0 <= pair[1].0 && pair[0].1 <= pair[1].1 && pair[0].2 <= pair[1].2, "{pair:?}");
            }
            let last = rig.verdicts.last().unwrap();
            assert_eq!((last.stage, last.impacts), (Stage::Closed, 3), "{peaks:?}");
            let largest = range.min(250.0);
            assert!(last.evidence.peak_mps2.unwrap() > 0.85 * largest, "{:?} of {largest}", last.evidence);
            assert!(last.evidence.pulse.unwrap() >= Duration::from_millis(70), "{:?}", last.evidence);
        }
    }
}

#[test]
fn a_crash_is_told_as_it_is_though_a_kerb_was_suspected_before() {
    for gap_ms in [350, 600, 900, 1_100] {
        for spec in [full_range(), low_range()] {
            let is_full_range = spec.range > 100.0;
            let mut rig = Rig::new(spec, true);
            rig.drive(gap_ms, pulse(45.0, 0.04, 0.0));
            let contact = rig.now();
            rig.drive(6_000, pulse(250.0, 0.1, if is_full_range { 90.0 } else { 0.0 }));
            let graded = rig.said(Stage::Graded).unwrap();
            let apart = graded.contact.since(contact) + contact.since(graded.contact);
            assert!(apart <= Duration::from_millis(15), "{gap_ms} ms: {apart:?}");
            assert!(graded.at.since(contact) <= Duration::from_millis(300), "{gap_ms} ms");
            assert_eq!(graded.impacts, 1, "{gap_ms} ms");
            let delta_v = graded.delta_v.unwrap();
            if is_full_range {
                let truth = 250.0 * 0.1 * 2.0 / std::f32::consts::PI;
                assert!((delta_v.resultant_mps - truth).abs() < 0.05 * truth, "{gap_ms} ms: {delta_v:?} of {truth}");
                assert_eq!((graded.side, graded.severity), (Side::Right, Some(Severity::Serious)), "{gap_ms} ms");
            } else {
                assert!(delta_v.is_lower_bound && delta_v.resultant_mps > 1.2, "{gap_ms} ms: {delta_v:?}");
            }
        }
    }
}

/// Satellites tell of the speed that was lost when two impacts are over: was it one crash, or a kerb before one?
#[test]
fn proof_that_comes_late_is_of_the_first_impact_unless_a_later_one_was_clearly_worse() {
    for (first_s, second_s, is_one) in [(0.03, 0.032, true), (0.032, 0.03, true), (0.02, 0.04, false)] {
        let mut rig = Rig::new(low_range(), false);
        rig.tell(&Observation::GnssSpeed(15.0));
        let contacts = [(first_s, 560), (second_s, 380)].map(|(span_s, span_ms)| {
            let contact = rig.now();
            rig.drive(span_ms, pulse(60.0, span_s, 0.0));
            contact
        });
        assert_eq!(rig.said(Stage::Confirmed), None, "{first_s} s, {second_s} s");
        rig.tell(&Observation::GnssSpeed(1.0));
        let confirmed = rig.said(Stage::Confirmed).unwrap_or_else(|| panic!("{first_s} s, {second_s} s"));
        let contact = contacts[usize::from(!is_one)];
        let apart = confirmed.contact.since(contact) + contact.since(confirmed.contact);
        assert!(apart <= Duration::from_millis(20), "{first_s} s, {second_s} s: {apart:?}");
        assert_eq!(confirmed.impacts, if is_one { 2 } else { 1 }, "{first_s} s, {second_s} s");
    }
}

#[test]
fn the_last_word_tells_of_the_impact_that_changed_most() {
    for (peaks, order) in [([80.0, 250.0], "the worst last"), ([250.0, 80.0], "the worst first")] {
        let mut rig = Rig::new(full_range(), true);
        for peak in peaks {
            rig.drive(1_500, pulse(peak, 0.1, if peak > 100.0 { 90.0 } else { 0.0 }));
        }
        rig.drive(6_000, |_| [0.0; 3]);
        let last = rig.verdicts.last().unwrap();
        assert_eq!((last.stage, last.impacts, last.side), (Stage::Closed, 2, Side::Right), "{order}");
        let truth = 250.0 * 0.1 * 2.0 / std::f32::consts::PI;
        let delta_v = last.delta_v.unwrap().resultant_mps;
        assert!((delta_v - truth).abs() < 0.05 * truth, "{order}: {delta_v} of {truth}");
        assert_eq!(last.severity, Some(Severity::Serious), "{order}");
    }
}

#[test]
fn a_sensor_that_feels_one_axis_only_does_not_contradict_what_happens_along_the_other() {
    let across = SensorSpec { name: "across".to_owned(), axes: [false, true, false], ..low_range() };
    let mut rig = Rig::new(full_range(), false);
    rig.classifier = Classifier::new(&[full_range(), across]);
    let crash = pulse(250.0, 0.100, 0.0);
    for step in 0_u8..120 {
        let noise = if step % 2 == 0 { 0.05 } else { -0.05 };
        rig.tell(&Observation::Sample(Sample { sensor: SensorIx(1), axes: [None, Some(noise), None] }));
        let begins_s = 0.012 * (f32::from(step) - 100.0);
        rig.drive(12, |time_s| if begins_s < 0.0 { [0.0; 3] } else { crash(begins_s + time_s) });
    }
    assert!(rig.said(Stage::Confirmed).is_some(), "{:?}", rig.stages());
}

/// A zero that shifts across the car, in the time that a crash takes to rise.
fn shifted(time_s: f32) -> [f32; 3] {
    [0.0, 118.0 * (time_s / 0.018).clamp(0.0, 1.0), 0.0]
}

#[test]
fn a_sensor_that_feels_the_brake_contradicts_a_push_across() {
    for is_contradicted in [false, true] {
        let mut rig = Rig::new(full_range(), false);
        if is_contradicted {
            rig.classifier = Classifier::new(&[full_range(), low_range()]);
        }
        for step in 0_u8..120 {
            let noise = if step % 2 == 0 { 0.05 } else { -0.05 };
            // The brakes are on before.
            let begins_s = 0.012 * (f32::from(step) - 100.0);
            let brake = if step > 80 { -8.0 } else { 0.0 };
            if is_contradicted {
                let axes = [Some(brake + noise), Some(noise), None];
                rig.tell(&Observation::Sample(Sample { sensor: SensorIx(1), axes }));
            }
            rig.drive(12, |time_s| [brake, shifted(begins_s + time_s)[1], 0.0]);
        }
        assert_ne!(rig.said(Stage::Confirmed).is_some(), is_contradicted, "{:?}", rig.stages());
    }
}

#[test]
fn of_a_zero_that_shifted_and_was_taken_for_a_crash_no_change_of_velocity_is_left() {
    let mut rig = Rig::new(full_range(), false);
    rig.drive(8_000, shifted);
    assert!(rig.said(Stage::Confirmed).is_some(), "{:?}", rig.stages());
    let last = rig.verdicts.last().unwrap();
    assert_eq!((last.stage, last.delta_v, last.direction, last.severity), (Stage::Closed, None, None, None));
    let fault = rig.classifier.poll_fault().expect("told");
    assert_eq!((fault.axis, fault.kind), (1, FaultKind::ZeroShift));
}

#[test]
fn of_a_crash_that_shifted_the_zero_what_was_graded_stands() {
    let mut rig = Rig::new(full_range(), false);
    let crash = pulse(200.0, 0.1, 0.0);
    rig.drive(8_000, |time_s| if time_s < 0.09 { crash(time_s) } else { [-25.0, 0.0, 0.0] });
    let graded = *rig.said(Stage::Graded).unwrap();
    let last = rig.verdicts.last().unwrap();
    assert_eq!((last.stage, last.side, last.direction), (Stage::Closed, graded.side, graded.direction));
    let [graded, last] = [graded, *last].map(|verdict| verdict.delta_v.unwrap().resultant_mps);
    assert!((12.7..19.0).contains(&graded) && (last - graded).abs() < 0.6, "{graded} m/s, then {last}");
}

/// A drive of 15 m/s with a roll rate by time in seconds, and whether the accelerometer rolls along; with a vertical axis
/// or without.
fn roll(has_z: bool, is_real: bool, rate_dps: impl Fn(f32) -> f32) -> (Vec<Verdict>, Vec<FaultKind>) {
    let spec = SensorSpec { axes: [true, false, false], ..rates() };
    let low = SensorSpec { axes: [true, true, has_z], orientation: Orientation::Stated, ..low_range() };
    let mut classifier = Classifier::new(&[low, spec]);
    let (mut verdicts, mut faults, mut angle_rad) = (Vec::new(), Vec::new(), 0.0_f32);
    for step in 0_u16..1_200 {
        let at = MonoTime::from_nanos(1_000_000_000 + u64::from(step) * 10_000_000);
        let time_s = f32::from(step) * 0.01 - 4.0;
        let rate = if time_s < 0.0 { 0.0 } else { rate_dps(time_s) };
        angle_rad += if is_real { rate.to_radians() * 0.01 } else { 0.0 };
        let noise = if step % 2 == 0 { 0.03 } else { -0.03 };
        let (sin, cos) = angle_rad.sin_cos();
        let force = [Some(noise), Some(9.81 * sin - noise), has_z.then_some(9.81 * cos + noise)];
        classifier.observe(at, &Observation::WheelSpeed(15.0));
        classifier.observe(at, &Observation::Sample(Sample { sensor: SensorIx(0), axes: force }));
        classifier.observe(at, &Observation::Sample(Sample { sensor: SensorIx(1), axes: [Some(rate), None, None] }));
        verdicts.extend(std::iter::from_fn(|| classifier.poll_verdict()));
        faults.extend(std::iter::from_fn(|| classifier.poll_fault()).map(|fault| fault.kind));
    }
    (verdicts, faults)
}

#[test]
fn a_roll_that_gravity_follows_is_a_rollover() {
    let one_turn = |time_s: f32| if time_s < 1.8 { 200.0 + 3.0 * (40.0 * time_s).sin() } else { 0.0 };
    let (verdicts, _) = roll(true, true, one_turn);
    let confirmed = verdicts.iter().find(|verdict| verdict.stage == Stage::Confirmed).expect("a rollover");
    assert_eq!(confirmed.rollover, Some(true), "{confirmed:?}");
}

#[test]
fn a_roll_rate_that_gravity_does_not_follow_is_none() {
    let shifted = |time_s: f32| 80.0 + (40.0 * time_s).sin();
    for rate_dps in [&shifted as &dyn Fn(f32) -> f32, &|_| 200.0, &|_| 300.0] {
        for has_z in [true, false] {
            let (verdicts, _) = roll(has_z, false, rate_dps);
            assert!(!verdicts.iter().any(|verdict| verdict.stage == Stage::Confirmed), "{verdicts:?}");
        }
    }
}

#[test]
fn a_rate_that_does_not_move_is_stuck_but_for_a_straight_road() {
    for (rate_dps, expected) in [(200.0, vec![FaultKind::Stuck]), (300.0, vec![FaultKind::Stuck]), (2.0, vec![])] {
        assert_eq!(roll(true, false, |_| rate_dps).1, expected, "{rate_dps} °/s");
    }
}

#[test]
fn a_fault_outlasts_a_silence() {
    let mut rig = Rig::new(SensorSpec { axes: [true, false, true], ..full_range() }, true);
    let mut faults = Vec::new();
    for pause_us in [0, 15_000_000] {
        rig.now_us += pause_us;
        for _ in 0..2_500 {
            rig.now_us += 1_000;
            let noise = if (rig.now_us / 1_000).is_multiple_of(2) { 0.05 } else { -0.05 };
            rig.tell(&Observation::WheelSpeed(15.0));
            rig.tell(&Observation::Sample(Sample { sensor: SensorIx(0), axes: [Some(3.0), None, Some(9.81 + noise)] }));
            faults.extend(std::iter::from_fn(|| rig.classifier.poll_fault()).map(|fault| fault.kind));
        }
    }
    assert_eq!(faults, [FaultKind::Stuck]);
}

fn faults(rig: &mut Rig) -> Vec<(u8, FaultKind)> {
    std::iter::from_fn(|| rig.classifier.poll_fault()).map(|fault| (fault.axis, fault.kind)).collect()
}

#[test]
fn a_sensor_that_is_held_at_its_other_end_long_after_contact_is_broken_and_tells_no_change_of_velocity() {
    let swinging = [(0, FaultKind::Resonance), (1, FaultKind::Resonance)];
    let cases = [(0.04_f32, 0.2, &swinging[..]), (0.04, 0.11, &[]), (0.12, 0.2, &[]), (1.0, 0.2, &[])];
    for (turned_s, until_s, wanted) in cases {
        let mut rig = Rig::new(low_range(), false);
        rig.lose_wheels();
        rig.drive(1_000, |time_s| match time_s {
            time if time < turned_s.min(until_s) => [-30.0, 25.0, 0.0],
            time if time < until_s => [-30.0, -25.0, 0.0],
            _ => [0.0; 3],
        });
        assert!(rig.said(Stage::Confirmed).is_some());
        assert_eq!(faults(&mut rig), wanted, "turned at {turned_s} s, until {until_s} s");
        let last = rig.verdicts.last().expect("a verdict");
        assert_eq!(last.delta_v.is_none(), !wanted.is_empty());
    }
}

#[test]
fn what_shakes_as_no_road_does_is_a_resonance() {
    let shaken = |mps2: f32, hz: f32| move |time_s: f32| [mps2 * (std::f32::consts::TAU * hz * time_s).sin(), 0.0, 0.0];
    for (spec, mps2, hz) in [(low_range(), 11.0, 31.0), (full_range(), 40.0, 130.0)] {
        let mut rig = Rig::new(spec, true);
        rig.drive(3_500, shaken(mps2, hz));
        assert_eq!(faults(&mut rig).first(), Some(&(0, FaultKind::Resonance)), "{mps2} m/s² at {hz} Hz");
        assert!(rig.said(Stage::Confirmed).is_none());
    }
    let mut rig = Rig::new(low_range(), true);
    rig.drive(10_000, shaken(4.0, 12.0));
    assert_eq!(faults(&mut rig), [], "a rough road");
}

#[test]
fn sensors_whose_axes_shake_together_tell_nothing_until_they_are_calm() {
    let mut rig = Rig::new(low_range(), true);
    rig.drive(8_000, |time_s| {
        let swing = 25.0 * (std::f32::consts::TAU * 9.0 * time_s).sin();
        [swing, swing, 0.0]
    });
    assert!(faults(&mut rig).len() >= 2);
    let said = rig.verdicts.len();
    assert!(said <= 8, "{said} words on what is broken");
    rig.drive(12_000, |_| [0.0; 3]);
    let ended = faults(&mut rig);
    assert_eq!(ended, [(0, FaultKind::Recovered), (1, FaultKind::Recovered)]);
    assert!(rig.verdicts.len() <= said + 1);
}

#[test]
fn an_axis_that_recovers_is_no_crash() {
    let mut rig = Rig::new(full_range(), true);
    let x = |mps2: f32| move |time_s: f32| [mps2, 2.0 * (40.0 * time_s).sin(), 0.0];
    rig.tells_speed = false;
    for _ in 0..8 {
        rig.tell(&Observation::WheelSpeed(15.0));
        rig.drive(200, x(0.0));
    }
    let mut told = Vec::new();
    for (mps2, turns) in [(40.0, 40), (0.0, 100)] {
        for _ in 0..turns {
            rig.tell(&Observation::WheelSpeed(15.0));
            rig.drive(200, x(mps2));
            told.extend(faults(&mut rig));
        }
    }
    assert_eq!(told, [(0, FaultKind::ZeroShift), (0, FaultKind::Recovered)]);
    assert!(rig.said(Stage::Confirmed).is_none(), "{:?}", rig.verdicts);
}

/// A zero that moves as fast as a crash rises, and stays: what crumples is never still for so long.
#[test]
fn a_zero_that_rises_as_a_crash_and_stays_is_none() {
    for (shakes, is_crash) in [(false, false), (true, true)] {
        let mut rig = Rig::new(full_range(), false);
        rig.drive(60, |time_s| {
            let crumpling = if shakes && (time_s * 250.0) % 2.0 < 1.0 { 0.7 } else { 1.0 };
            [-60.0 * (time_s / 0.02).min(1.0) * crumpling, 0.0, 0.0]
        });
        assert_eq!(rig.said(Stage::Confirmed).is_some(), is_crash, "{shakes}: {:?}", rig.stages());
    }
}
