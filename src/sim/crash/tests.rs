//! The generator's own physics: what it states is what it plays.

use crate::config::Profile;
use crate::crash::Observation;

use super::play::GRAVITY;
use super::*;

const SEED: u64 = 20_261_121;

fn rig(name: &str) -> Rig {
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("profiles").join(name);
    Rig::new(&Profile::load(&folder, &|path| std::fs::read(path)).expect("the project's own profile"))
}

fn crashes(class: Class, count: u32) -> impl Iterator<Item = (Case, Crash)> {
    (0..count).map(move |number| {
        let case = Case::new(SEED, class, number);
        let crash = case.crash.expect("a crash");
        (case, crash)
    })
}

/// Change of velocity by all that moves the car, and the largest horizontal force of the pulse over 5 ms, from contact
/// to the end of the first pulse.
fn measured(case: &Case, crash: &Crash) -> ([f32; 2], f32) {
    let mut change = [0.0; 2];
    let mut smooth = [0.0_f32; 2];
    let mut peak = 0.0_f32;
    for moment in case.moments(crash.contact_s - 0.01, 0.001) {
        if moment.time_s < crash.contact_s || moment.time_s > crash.contact_s + crash.pulse_s {
            continue;
        }
        for axis in 0..2 {
            change[axis] += moment.motion[axis] * moment.step_s;
            smooth[axis] += (moment.motion[axis] - smooth[axis]) * moment.step_s / 0.005;
        }
        peak = peak.max(smooth[0].hypot(smooth[1]));
    }
    (change, peak / GRAVITY)
}

#[test]
fn the_force_of_every_crash_integrates_to_its_change_of_velocity() {
    for class in Class::CRASHES {
        for (case, crash) in crashes(class, 12) {
            let (change, _) = measured(&case, &crash);
            let (sin, cos) = crash.pdof_deg.to_radians().sin_cos();
            let wanted = [-crash.delta_v_mps * cos, crash.delta_v_mps * sin];
            let error = (change[0] - wanted[0]).hypot(change[1] - wanted[1]);
            // Tires go on dragging with at most 1 g.
            let tires = 1.1 * GRAVITY * crash.pulse_s;
            assert!(error < tires + 0.1, "{} ({}): {change:?} instead of {wanted:?}", case.name(), case.variant);
        }
    }
}

#[test]
fn speeds_and_durations_are_those_of_the_class() {
    for class in Class::CRASHES {
        for (case, crash) in crashes(class, 200) {
            let kmh = crash.delta_v_mps * 3.6;
            let (low, high) = if class == Class::LowSpeed { (8.0, 15.0) } else { (15.0, 80.0) };
            assert!((low..=high).contains(&kmh), "{}: {kmh} km/h", case.name());
            assert!((0.02..=0.7).contains(&crash.pulse_s), "{}: {} s", case.name(), crash.pulse_s);
            assert!(case.duration_s() < 90.0 && case.duration_s() > crash.contact_s + 5.0, "{}", case.name());
        }
    }
}

#[test]
fn pulses_of_56_kmh_lie_within_the_anchors() {
    let mut seen = 0;
    for (case, crash) in crashes(Class::FrontalFull, 800) {
        if !(14.5..18.0).contains(&crash.delta_v_mps) || !(0.088..0.112).contains(&crash.pulse_s) {
            continue;
        }
        seen += 1;
        let (_, peak_g) = measured(&case, &crash);
        assert!((20.0..52.0).contains(&peak_g), "{}: {peak_g} g in {} s", case.name(), crash.pulse_s);
    }
    assert!(seen > 5, "{seen}");
}

#[test]
fn the_speed_that_a_crash_took_is_gone_from_the_wheels_or_they_do_not_show_it() {
    for (case, crash) in crashes(Class::FrontalFull, 20) {
        let at = |time_s: f32| case.moments(time_s, 0.001).next().expect("a moment");
        let (before, after) = (at(crash.contact_s), at(crash.contact_s + crash.pulse_s));
        let lost = before.velocity[0] - after.velocity[0];
        assert!((lost - crash.delta_v_mps).abs() < 0.1 * crash.delta_v_mps + 1.5, "{}: {lost}", case.name());
    }
}

#[test]
fn a_rollover_turns_by_quarters() {
    for (case, crash) in crashes(Class::Rollover, 15) {
        assert!(crash.rolls_over);
        let angle: f32 = case.moments(crash.contact_s - 0.1, 0.004).map(|moment| moment.rates[0] * moment.step_s).sum();
        let quarters = angle.abs() / 90.0;
        assert!((quarters - quarters.round()).abs() < 0.05 && quarters > 0.9, "{}: {angle} deg", case.name());
        assert!(angle.signum() == crash.pdof_deg.signum(), "it rolls towards what trips it");
    }
}

#[test]
fn a_quiet_case_loses_no_more_speed_at_once_than_brakes_can_take() {
    for class in Class::QUIET {
        for number in 0..3 {
            let case = Case::new(SEED, class, number);
            assert!(case.crash.is_none());
            let mut track: Vec<(f32, f32)> = Vec::new();
            for moment in case.moments(case.event_s() - 0.2, 0.001) {
                let speed = moment.velocity[0];
                track.push((moment.time_s, speed));
                let before = track.partition_point(|(time_s, _)| *time_s < moment.time_s - 0.15);
                let lost = (track[before].1 - speed).abs() * 3.6;
                // 1.1 g for 150 ms are 5.8 km/h; two axles over kerbs take up to 3 km/h each.
                assert!(lost < 8.0, "{} ({}): {lost} km/h in 150 ms", case.name(), case.variant);
            }
        }
    }
}

#[test]
fn a_case_is_the_same_each_time_and_different_from_its_neighbours() {
    let rig = rig("demo-phev");
    for class in [Class::Offset, Class::Kerb, Class::Resonance, Class::LostFrames] {
        let (one, again, other) = (Case::new(SEED, class, 3), Case::new(SEED, class, 3), Case::new(SEED, class, 4));
        let heard = rig.perceive(&one);
        assert_eq!(heard, rig.perceive(&again), "{}", class.name());
        assert_ne!(heard, rig.perceive(&other), "{}", class.name());
    }
}

#[test]
fn runs_with_different_seeds_share_no_case() {
    let mut seeds = std::collections::BTreeSet::new();
    for class in [Class::Side, Class::Kerb, Class::SmallOverlap] {
        for run in 0..40 {
            for number in 0..40 {
                assert!(seeds.insert(Case::new(run, class, number).seed), "{} {number} of run {run}", class.name());
            }
        }
    }
}

#[test]
fn every_class_is_heard_in_order_through_both_profiles() {
    for rig in [rig("demo-phev"), rig("toyota-rav4")] {
        for class in Class::CRASHES.into_iter().chain(Class::QUIET) {
            let case = Case::new(SEED, class, 1);
            let heard = rig.perceive(&case);
            let samples = heard.iter().filter(|heard| matches!(heard.what, Observation::Sample(_))).count();
            assert!(samples > 200, "{} through {}: {samples} samples", case.name(), rig.name);
            assert!(heard.windows(2).all(|pair| pair[0].arrived <= pair[1].arrived), "{}", case.name());
            let values = heard.iter().filter_map(|heard| match &heard.what {
                Observation::Sample(sample) => Some(sample.axes),
                _ => None,
            });
            for value in values.flatten().flatten() {
                assert!(value.is_finite() && value.abs() <= 500.0, "{}: {value}", case.name());
            }
        }
    }
}
