//! What the classifier makes of what is told of restraints.

use crate::can::BusId;
use crate::crash::{Observation, Restraint, Stage};
use crate::time::MonoTime;

use super::tests::{Rig, full_range, low_range, pulse};
use super::{Classifier, Restraints};

/// A control unit whose airbags have fired says so at each start, however late it wakes.
#[test]
fn a_restraint_decides_alone_unless_it_fired_in_an_earlier_life() {
    let front = |has_fired| Observation::Restraint(Restraint::Front, has_fired);
    for (heard, wait_ms, stages) in [
        (vec![true], 0, &[][..]),
        (vec![true], 10_000, &[]),
        (vec![], 10_000, &[]),
        (vec![false], 10_000, &[Stage::Suspected, Stage::Confirmed]),
        (vec![false, true], 10_000, &[]),
    ] {
        let mut before = Classifier::new(&[low_range()]);
        for has_fired in &heard {
            before.observe(MonoTime::from_millis(1), &front(*has_fired));
        }
        let mut rig = Rig::new(low_range(), true);
        rig.classifier.restore_restraints(before.restraints());
        rig.drive(wait_ms, |_| [0.0; 3]);
        rig.tell(&front(true));
        rig.tell(&front(true));
        assert_eq!(rig.stages(), stages, "{heard:?}, told after {wait_ms} ms");
    }
    let mut before = Classifier::new(&[low_range()]);
    before.observe(MonoTime::from_millis(1), &front(false));
    let mut recorded = Rig::new(low_range(), true);
    recorded.classifier.restore_restraints(before.restraints());
    recorded.classifier.have_fired(1);
    recorded.tell(&front(true));
    assert_eq!(recorded.stages(), [], "the black box has it");
    recorded.tell(&front(false));
    recorded.classifier.have_fired(1);
    recorded.tell(&front(true));
    assert_eq!(recorded.stages(), [Stage::Suspected, Stage::Confirmed], "replaced, and fired again");
}

/// Buses open before the store does: the first word of a control unit comes before what earlier runs knew.
#[test]
fn a_restraint_that_fired_between_two_runs_fires_when_it_is_known_that_it_had_not() {
    let front = |has_fired| Observation::Restraint(Restraint::Front, has_fired);
    let told_in_this_run = [(&[true][..], true), (&[true, true], true), (&[true, false], false), (&[], false)];
    for (earlier, left_armed) in [(&[false][..], true), (&[false, true], false), (&[], false)] {
        let mut before = Classifier::new(&[low_range()]);
        for has_fired in earlier {
            before.observe(MonoTime::from_millis(1), &front(*has_fired));
        }
        for (told, fires) in told_in_this_run {
            for is_recorded in [false, true] {
                let mut rig = Rig::new(low_range(), true);
                for has_fired in told {
                    rig.tell(&front(*has_fired));
                }
                if is_recorded {
                    rig.classifier.have_fired(Restraints::ALL);
                }
                for _ in 0..2 {
                    rig.classifier.restore_restraints(before.restraints());
                    rig.fetch();
                }
                let is_crash = left_armed && fires && !is_recorded;
                let stages = if is_crash { &[Stage::Suspected, Stage::Confirmed][..] } else { &[] };
                assert_eq!(rig.stages(), stages, "{earlier:?}, then {told:?}, recorded {is_recorded}");
            }
        }
    }
}

/// What is saved until the store has opened, and until it is known what earlier runs recorded, decides nothing.
#[test]
fn a_restraint_that_nobody_has_weighed_yet_stays_armed_for_the_next_run() {
    let front = |has_fired| Observation::Restraint(Restraint::Front, has_fired);
    let mut runs = [Classifier::new(&[low_range()]), Classifier::new(&[low_range()])];
    for (run, has_fired) in runs.iter_mut().zip([false, true]) {
        run.observe(MonoTime::from_millis(1), &front(has_fired));
    }
    let mut saved = runs[1].restraints();
    saved.restore(runs[0].restraints());
    assert_eq!(saved.armed, 1);
}

/// A crash without airbags was recorded and not told, and their control unit speaks only on change.
#[test]
fn after_a_crash_of_an_earlier_run_restraints_count_beside_a_suspicion_until_they_tell_otherwise() {
    let front = |has_fired| Observation::Restraint(Restraint::Front, has_fired);
    for is_restarted in [false, true] {
        for (is_pushed, is_told_off, is_crash) in [(false, false, false), (true, false, true), (false, true, true)] {
            let mut before = Classifier::new(&[full_range()]);
            before.observe(MonoTime::from_millis(1), &front(false));
            let mut kept = Classifier::new(&[full_range()]);
            kept.have_fired(Restraints::ALL);
            kept.restore_restraints(before.restraints());
            let mut rig = Rig::new(full_range(), true);
            if is_restarted {
                let text = serde_json::to_string(&kept.restraints()).unwrap();
                rig.classifier.restore_restraints(serde_json::from_str(&text).unwrap());
            } else {
                rig.classifier.have_fired(Restraints::ALL);
                rig.classifier.restore_restraints(before.restraints());
            }
            if is_told_off {
                rig.tell(&front(false));
            }
            if is_pushed {
                rig.drive(20, |_| [-60.0, 0.0, 0.0]);
            }
            rig.tell(&front(true));
            assert_eq!(rig.said(Stage::Confirmed).is_some(), is_crash, "{is_restarted} {is_pushed} {is_told_off}");
        }
    }
}

/// Where the message comes in a crash only, a little before or after the suspicion.
#[test]
fn a_restraint_that_never_told_otherwise_has_fired_when_something_is_suspicious() {
    let left = Observation::Restraint(Restraint::Left, true);
    for (before_ms, is_crash) in [(None, true), (Some(10), true), (Some(400), false)] {
        let mut rig = Rig::new(full_range(), true);
        if let Some(before_ms) = before_ms {
            rig.tell(&left);
            assert_eq!(rig.stages(), [], "nothing but the flag");
            rig.drive(before_ms, |_| [0.0; 3]);
        }
        rig.drive(20, |_| [-60.0, 0.0, 0.0]);
        if before_ms.is_none() {
            assert_eq!(rig.stages(), [Stage::Suspected]);
            rig.tell(&left);
        }
        assert_eq!(rig.said(Stage::Confirmed).is_some(), is_crash, "{before_ms:?} ms before");
    }
}

#[test]
fn a_flag_that_flickers_makes_one_crash_in_a_run_and_counts_beside_a_suspicion_later() {
    let front = |has_fired| Observation::Restraint(Restraint::Front, has_fired);
    let mut rig = Rig::new(full_range(), true);
    for _ in 0..5 {
        for has_fired in [false, true] {
            rig.tell(&front(has_fired));
            rig.drive(6_000, |_| [0.0; 3]);
        }
    }
    let one = rig.stages();
    let suspicions = one.iter().filter(|stage| **stage == Stage::Suspected).count();
    assert_eq!((suspicions, one.last()), (1, Some(&Stage::Closed)), "{one:?}");
    rig.tell(&front(false));
    rig.drive(20, |_| [-60.0, 0.0, 0.0]);
    assert_eq!(rig.stages()[one.len()..], [Stage::Suspected]);
    rig.tell(&front(true));
    assert_eq!(rig.stages()[one.len()..], [Stage::Suspected, Stage::Confirmed]);
}

/// A suspicion is open for longer than the impact that made it.
#[test]
fn a_restraint_that_never_told_otherwise_fires_while_the_impact_goes_on() {
    for (after_ms, is_crash) in [(250, true), (400, false)] {
        let mut rig = Rig::new(full_range(), true);
        rig.drive(20, |_| [-60.0, 0.0, 0.0]);
        rig.drive(after_ms, |_| [0.0; 3]);
        rig.tell(&Observation::Restraint(Restraint::Left, true));
        assert_eq!(rig.said(Stage::Confirmed).is_some(), is_crash, "{after_ms} ms after: {:?}", rig.stages());
        assert!(rig.said(Stage::Dismissed).is_none(), "{after_ms} ms after");
    }
}

#[test]
fn restraints_of_one_frame_are_all_part_of_the_crash_but_for_those_taken_back() {
    let mut rig = Rig::new(full_range(), true);
    let all = [Restraint::Front, Restraint::Left, Restraint::Unspecified, Restraint::Rear];
    for restraint in all {
        rig.tell(&Observation::Restraint(restraint, true));
    }
    rig.tell(&Observation::Restraint(Restraint::Rear, false));
    rig.drive(20, |_| [-60.0, 0.0, 0.0]);
    let confirmed = rig.said(Stage::Confirmed).expect("a crash");
    let bits = all[..3].iter().fold(0, |bits, restraint| bits | 1 << *restraint as u8);
    assert_eq!(confirmed.evidence.restraints, bits);
}

#[test]
fn airbags_that_fired_in_an_earlier_crash_are_none_of_the_next() {
    let mut rig = Rig::new(full_range(), true);
    rig.tell(&Observation::Restraint(Restraint::Front, true));
    rig.drive(1_000, |_| [0.0; 3]);
    rig.drive(1_000, pulse(200.0, 0.1, 0.0));
    assert_eq!(rig.said(Stage::Graded).unwrap().evidence.restraints, 0);
}

#[test]
fn what_a_restraint_told_for_a_moment_counts_for_the_whole_event() {
    let mut rig = Rig::new(low_range(), true);
    rig.tell(&Observation::Restraint(Restraint::Front, false));
    rig.tell(&Observation::Restraint(Restraint::Front, true));
    assert_eq!(rig.stages(), [Stage::Suspected, Stage::Confirmed]);
    rig.tell(&Observation::Restraint(Restraint::Front, false));
    rig.tell(&Observation::BusSilent(BusId(0)));
    rig.now_us += 400_000;
    rig.classifier.handle_timeout(rig.now());
    rig.fetch();
    let graded = rig.said(Stage::Graded).unwrap();
    assert_eq!(graded.evidence.restraints, 1);
    assert!(graded.evidence.bus_silent && graded.severity.is_some());
}
