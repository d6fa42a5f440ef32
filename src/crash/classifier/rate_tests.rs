//! Faults and zeros of rate sensors.

use crate::crash::FaultKind;
use crate::time::MonoTime;

use super::rate::{Rate, Told};
use super::tests::rates;
use super::zero::Driving;

/// What the car does while the sensor is watched.
#[derive(Clone, Copy)]
enum Course {
    Stands,
    /// At that speed in m/s, with so much across in m/s² and that yaw rate in °/s.
    Drives(f32, f32, f32),
}

struct Watch {
    rate: Rate,
    now_ms: u64,
    faults: Vec<(usize, FaultKind)>,
    yaw_dps: Option<f32>,
}

impl Watch {
    fn new() -> Self {
        Self { rate: Rate::new(&rates()), now_ms: 1_000, faults: Vec::new(), yaw_dps: None }
    }

    /// So many seconds with a roll and a yaw rate by time.
    fn go(&mut self, course: Course, span_s: u16, rates: impl Fn(f32) -> [f32; 2]) -> &mut Self {
        for step in 0..span_s * 100 {
            self.now_ms += 10;
            let noise = if step % 2 == 0 { 0.2 } else { -0.2 };
            let [roll, yaw] = rates(f32::from(step) / 100.0).map(|rate| Some((rate + noise).clamp(-300.0, 300.0)));
            let driving = match course {
                Course::Stands => {
                    Driving { speed_mps: Some(0.0), stands: true, across_mps2: 0.3, yaw_dps: self.yaw_dps }
                }
                Course::Drives(speed_mps, across_mps2, yaw_dps) => {
                    Driving { speed_mps: Some(speed_mps), stands: false, across_mps2, yaw_dps: Some(yaw_dps) }
                }
            };
            let faults = &mut self.faults;
            let at = MonoTime::from_nanos(self.now_ms * 1_000_000);
            let turning = self.rate.observe(at, [roll, None, yaw], &driving, true, &mut |axis, kind| {
                faults.push((axis, kind));
            });
            if let Told::Dps(yaw_dps) = turning.yaw {
                self.yaw_dps = Some(yaw_dps);
            }
        }
        self
    }
}

#[test]
fn a_zero_that_is_off_shows_where_the_car_stands_and_where_nothing_pushes_it_across() {
    let faults = |course: Course, rates: [f32; 2]| Watch::new().go(course, 12, |_| rates).faults.clone();
    let straight = Course::Drives(20.0, 0.5, 0.0);
    assert_eq!(faults(Course::Stands, [0.0, 5.0]), [(2, FaultKind::ZeroShift)]);
    assert_eq!(faults(Course::Stands, [-5.0, 0.0]), [(0, FaultKind::ZeroShift)]);
    assert_eq!(faults(straight, [0.0, -12.0]), [(2, FaultKind::ZeroShift)]);
    assert_eq!(faults(straight, [5.0, 0.0]), [(0, FaultKind::ZeroShift)]);
    assert_eq!(faults(Course::Stands, [2.0, -2.0]), [], "what zeros have");
    assert_eq!(faults(Course::Drives(15.0, 7.0, 27.0), [0.0, 27.0]), [], "a bend");
    assert_eq!(faults(Course::Drives(5.0, 2.4, 28.0), [4.0, 28.0]), [], "a ramp that winds");
}

#[test]
fn what_turns_for_a_while_or_is_turned_by_a_hand_has_no_zero() {
    let spin = |time_s: f32| if (1.3..8.3).contains(&time_s) { [0.0, 120.0] } else { [0.0; 2] };
    assert_eq!(Watch::new().go(Course::Drives(15.0, 8.0, 0.0), 14, spin).faults, [], "a car park with snow");
    let slide = |time_s: f32| [0.0, (120.0 - 8.0 * time_s).max(0.0)];
    assert_eq!(Watch::new().go(Course::Drives(15.0, 1.0, 0.0), 20, slide).faults, [], "ice");
    let crest = |time_s: f32| if (1.0..7.0).contains(&time_s) { [6.0, 0.0] } else { [0.0; 2] };
    assert_eq!(Watch::new().go(Course::Drives(15.0, 0.5, 0.0), 14, crest).faults, [], "a body that leans");
    let hand = |time_s: f32| [20.0 + 10.0 * (4.0 * time_s).sin(), 15.0 + 10.0 * (4.0 * time_s).cos()];
    assert_eq!(Watch::new().go(Course::Stands, 12, hand).faults, []);
}

#[test]
fn a_shifted_zero_is_fine_again_only_once_it_was_seen_to_be() {
    let mut watch = Watch::new();
    watch.go(Course::Drives(20.0, 0.5, 0.0), 12, |_| [0.0, 12.0]);
    watch.go(Course::Drives(20.0, 7.0, 0.0), 300, |_| [0.0, 12.0]);
    assert_eq!(watch.faults, [(2, FaultKind::ZeroShift)], "bends tell nothing");
    watch.go(Course::Stands, 8, |_| [0.0, 0.0]);
    assert_eq!(watch.faults.len(), 1, "not yet");
    watch.go(Course::Stands, 8, |_| [0.0, 0.0]);
    assert_eq!(watch.faults[1..], [(2, FaultKind::Recovered)]);
}

#[test]
fn a_car_that_stands_teaches_the_zero() {
    let mut watch = Watch::new();
    watch.go(Course::Stands, 20, |_| [0.0, -2.5]);
    watch.go(Course::Drives(20.0, 0.5, 0.0), 1, |_| [0.0, 7.5]);
    let told = watch.yaw_dps.expect("a yaw rate");
    assert!((told - 10.0).abs() < 0.5, "{told} °/s");
}

#[test]
fn jumps_there_and_back_are_a_fault_and_a_blow_is_none() {
    let straight = Course::Drives(20.0, 0.5, 0.0);
    let spikes =
        |each_s: f32| move |time_s: f32| if time_s % each_s < 0.025 && time_s > 1.0 { [0.0, 80.0] } else { [0.0; 2] };
    assert_eq!(Watch::new().go(straight, 12, spikes(2.0)).faults, [(2, FaultKind::Resonance)]);
    assert_eq!(Watch::new().go(straight, 36, spikes(12.0)).faults, [], "seldom");
    let filtered = |time_s: f32| match time_s % 2.0 {
        0.5..0.51 | 0.52..0.53 => [0.0, 35.0],
        0.51..0.52 => [0.0, 70.0],
        _ => [0.0; 2],
    };
    assert_eq!(Watch::new().go(straight, 12, filtered).faults, [(2, FaultKind::Resonance)]);
    let kerbs = |time_s: f32| [0.0, 40.0 * (-(time_s % 2.0) / 0.1).exp()];
    assert_eq!(Watch::new().go(straight, 12, kerbs).faults, [], "tires let the car turn back");
    let blows = |time_s: f32| [0.0, if time_s % 2.0 < 0.5 { 60.0 } else { 0.0 }];
    assert_eq!(Watch::new().go(Course::Drives(20.0, 9.0, 0.0), 12, blows).faults, [], "turned, and turned back later");
}
