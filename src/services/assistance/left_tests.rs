//! Crashes of earlier runs.

use std::time::Duration;

use super::tests::{ALONE, OPEN, answer, car, crash, told, verdict};
use super::*;
use crate::delivery::BootId;
use crate::services::testkit::{Car, view_parts};
use crate::time::{Clock, KernelBoot, Stamp, TimeSource, WallReading, WallStamp, WallTime};

/// A crash that an earlier run left.
fn left(event: u32, verdict: Verdict, at: Moment) -> Recovered {
    Recovered { crash: crash_id(BootId { counter: 1, random: 0 }, event), verdict, at }
}

/// A moment of an earlier boot that never learnt the time.
const UNDATED: Moment = Moment::Earlier(Stamp { boot: KernelBoot(0), mono: MonoTime::ZERO, wall: None });

/// So long before now, in an earlier boot.
fn ago(car: &Car<Assistance>, seconds: u64) -> Moment {
    let now = car.clock.wall_at(car.now()).expect("the clock is set");
    let wall = WallStamp { wall: now.wall.minus(Duration::from_secs(seconds)), ..now };
    Moment::Earlier(Stamp { boot: KernelBoot(0), mono: MonoTime::ZERO, wall: Some(wall) })
}

#[test]
fn how_long_ago_a_crash_of_an_earlier_run_was_says_who_is_asked() {
    let both = ["offered owner", "offered emergency_contact"];
    let hour = URGENT_WITHIN.as_secs();
    for (seconds, expected) in
        [(1, &both[..]), (hour - 1, &both), (hour, &both[..1]), (24 * hour - 1, &both[..1]), (24 * hour, &[])]
    {
        let mut car = car(OPEN);
        let crash = left(1, verdict(1, Stage::Confirmed, Some(Severity::Serious)), ago(&car, seconds));
        car.recall(crash);
        assert_eq!(told(&mut car), expected, "{seconds} s");
        car.run(600_000);
        let is_called = told(&mut car).iter().any(|told| told.ends_with("help"));
        assert_eq!(is_called, seconds < hour, "{seconds} s");
        car.restart(1_000);
        assert_eq!(told(&mut car), [""; 0], "{seconds} s: once");
    }
}

#[test]
fn the_time_of_day_is_waited_for_that_tells_how_long_ago_it_was_but_not_for_long() {
    for (clock_after_s, seconds_ago, expected) in [
        (Some(10), 60, vec!["offered owner", "offered emergency_contact"]),
        (Some(10), 2 * 60 * 60, vec!["offered owner"]),
        (Some(10), 48 * 60 * 60, vec![]),
        (None, 48 * 60 * 60, vec!["offered owner", "offered emergency_contact"]),
    ] {
        let mut car = car(OPEN);
        let at = ago(&car, seconds_ago);
        let clock = std::mem::take(&mut car.clock);
        car.recall(left(1, verdict(1, Stage::Confirmed, Some(Severity::Serious)), at));
        car.restart(1_000);
        assert_eq!(told(&mut car), [""; 0], "{clock_after_s:?}");
        if let Some(seconds) = clock_after_s {
            car.run(seconds * 1_000);
            assert_eq!(told(&mut car), [""; 0], "{clock_after_s:?}");
            car.clock = clock;
            car.settle(OPEN);
        } else {
            car.run(31_000);
        }
        assert_eq!(told(&mut car), expected, "{clock_after_s:?}, {seconds_ago} s");
        car.run(31_000);
        assert_eq!(told(&mut car), [""; 0], "once");
    }
    let mut undated = car(OPEN);
    undated.clock = Clock::default();
    undated.recall(left(1, verdict(1, Stage::Confirmed, None), UNDATED));
    assert_eq!(told(&mut undated), ["offered owner"], "no clock can tell");
}

/// A clock that nobody has set counts from 1970, or from the last shutdown.
#[test]
fn what_a_clock_says_that_nobody_has_set_is_not_how_long_ago_it_was() {
    let both = ["offered owner", "offered emergency_contact"];
    let serious = || verdict(1, Stage::Confirmed, Some(Severity::Serious));
    let unset = |wall: WallTime| {
        let mut clock = Clock::default();
        let reading = WallReading { wall, source: TimeSource::Rtc, uncertainty: Duration::from_secs(600) };
        clock.offer(MonoTime::ZERO, reading).expect("the first");
        clock
    };
    let mut now_set = car(OPEN);
    let Moment::Earlier(stamp) = ago(&now_set, 56 * 365 * 24 * 60 * 60) else { panic!("of an earlier boot") };
    let wall = stamp.wall.map(|wall| WallStamp { source: TimeSource::Rtc, ..wall });
    now_set.recall(left(1, serious(), Moment::Earlier(Stamp { wall, ..stamp })));
    assert_eq!(told(&mut now_set), both, "it was not set when it happened");
    for days_ago in [0, 3] {
        let mut not_set = car(OPEN);
        let at = ago(&not_set, 60);
        let true_clock = not_set.clock.clone();
        let wall = true_clock.wall_at(not_set.now()).expect("known").wall;
        not_set.clock = unset(wall.minus(Duration::from_secs(days_ago * 24 * 60 * 60)));
        not_set.recall(left(1, serious(), at));
        assert_eq!(told(&mut not_set), [""; 0], "{days_ago}: it may be set soon");
        not_set.run(31_000);
        assert_eq!(told(&mut not_set), both, "{days_ago}: nobody sets it");
    }
}

/// What was saved may be older than what the black box holds.
#[test]
fn the_last_word_in_the_black_box_outranks_what_was_saved() {
    for (last, expected, then) in [
        (Severity::Serious, "offered owner", vec!["updated -", "offered emergency_contact"]),
        (Severity::Moderate, "offered owner", vec!["updated -"]),
    ] {
        let mut car = car(OPEN);
        car.judge(verdict(1, Stage::Confirmed, None));
        car.restart(1_000);
        assert_eq!(told(&mut car), [expected]);
        let at = Moment::Here(car.now());
        car.recall(left(1, verdict(1, Stage::Graded, Some(last)), at));
        assert_eq!(told(&mut car), then, "{last:?}");
    }
    let mut waiting = car(OPEN);
    let at = ago(&waiting, 60);
    waiting.clock = Clock::default();
    waiting.recall(left(1, verdict(1, Stage::Confirmed, None), at));
    waiting.recall(left(1, verdict(1, Stage::Graded, Some(Severity::Minor)), at));
    waiting.run(31_000);
    assert_eq!(told(&mut waiting), [""; 0], "it was mild");
}

/// The power went between the grading and its commit: only the black box has it.
#[test]
fn what_was_saved_waits_for_what_the_black_box_knows_but_not_for_long() {
    let unrecalled = || {
        let mut car = car(ALONE);
        car.judge(verdict(1, Stage::Confirmed, None));
        car.beside.has_recalled = false;
        car.restart(1_000);
        assert_eq!(told(&mut car), [""; 0], "the black box is not open");
        car
    };
    for (severity, expected) in [(Severity::Minor, &[][..]), (Severity::Moderate, &["offered owner"])] {
        let mut car = unrecalled();
        car.beside.has_recalled = true;
        let at = Moment::Here(car.now());
        car.recall(left(1, verdict(1, Stage::Graded, Some(severity)), at));
        assert_eq!(told(&mut car), expected, "{severity:?}");
        car.restart(1_000);
        assert_eq!(told(&mut car), [""; 0], "{severity:?}");
    }
    let mut open = unrecalled();
    open.beside.has_recalled = true;
    open.settle(ALONE);
    assert_eq!(told(&mut open), ["offered owner"], "it knows nothing of it");
    let mut never = unrecalled();
    never.run(31_000);
    assert_eq!(told(&mut never), ["offered owner"], "it does not open");
}

#[test]
fn an_older_word_changes_nothing() {
    let mut offered = car(ALONE);
    offered.judge(verdict(1, Stage::Graded, Some(Severity::Moderate)));
    assert_eq!(told(&mut offered), ["offered owner"]);
    offered.restart(1_000);
    let at = Moment::Here(offered.now());
    offered.recall(left(1, verdict(1, Stage::Confirmed, None), at));
    assert_eq!(told(&mut offered), [""; 0]);
    let mut waiting = car(ALONE);
    waiting.beside.has_recalled = false;
    let at = Moment::Here(waiting.now());
    waiting.recall(left(1, verdict(1, Stage::Closed, Some(Severity::Moderate)), at));
    waiting.recall(left(1, verdict(1, Stage::Graded, Some(Severity::Minor)), at));
    waiting.restart(1_000);
    waiting.run(31_000);
    assert_eq!(told(&mut waiting), ["offered owner"], "the last word was worse");
}

/// The store opens late, or has lost what the owner settled: settings that are a guess decide nothing.
#[test]
fn a_crash_waits_for_the_owners_word_whichever_run_it_is_of() {
    let unsettled = Settings { privacy: Privacy::On, assistance: false, emergency_contact: false };
    for (settled, expected) in [(ALONE, &["offered owner"][..]), (unsettled, &[])] {
        let mut own = car(unsettled);
        own.beside.knows_owner = false;
        own.judge(verdict(1, Stage::Confirmed, None));
        own.judge(verdict(1, Stage::Graded, Some(Severity::Moderate)));
        let mut earlier = car(ALONE);
        earlier.judge(verdict(1, Stage::Confirmed, None));
        (earlier.beside.knows_owner, earlier.beside.settings) = (false, unsettled);
        earlier.restart(1_000);
        for (mut car, is_own) in [(own, true), (earlier, false)] {
            assert!(car.service.holds());
            car.run(31_000);
            assert_eq!(told(&mut car), [""; 0], "nobody knows");
            car.beside.knows_owner = true;
            car.settle(settled);
            assert_eq!(told(&mut car), expected, "{settled:?}");
            if is_own {
                car.judge(verdict(1, Stage::Closed, Some(Severity::Moderate)));
                assert_eq!(told(&mut car), [""; 0], "{settled:?}");
            }
            car.settle(ALONE);
            car.restart(1_000);
            assert_eq!(told(&mut car), [""; 0], "{settled:?}: it was decided");
        }
    }
    let mut mild = car(unsettled);
    mild.beside.knows_owner = false;
    mild.judge(verdict(1, Stage::Confirmed, None));
    mild.judge(verdict(1, Stage::Graded, Some(Severity::Minor)));
    mild.beside.knows_owner = true;
    mild.settle(ALONE);
    assert_eq!(told(&mut mild), [""; 0]);
    let mut many = car(unsettled);
    many.beside.knows_owner = false;
    for event in 1..=20 {
        many.judge(verdict(event, Stage::Confirmed, None));
    }
    assert_eq!(many.service.left.len(), MAX_LEFT);
    assert_eq!(told(&mut many), [""; 0], "not without the owner's word");
}

/// What the owner allows becomes known between the first word on a crash and its grading.
#[test]
fn the_owners_word_does_not_come_before_the_grading_that_decides() {
    for (graded, expected) in [(Severity::Minor, &[][..]), (Severity::Moderate, &["offered owner"])] {
        let mut car = car(ALONE);
        car.beside.knows_owner = false;
        car.judge(verdict(1, Stage::Confirmed, None));
        car.beside.knows_owner = true;
        car.settle(ALONE);
        assert_eq!(told(&mut car), [""; 0], "nobody has graded it");
        assert!(car.service.holds());
        car.judge(verdict(1, Stage::Graded, Some(graded)));
        assert_eq!(told(&mut car), expected, "{graded:?}");
    }
    let mut serious = car(ALONE);
    serious.beside.knows_owner = false;
    serious.judge(verdict(1, Stage::Confirmed, Some(Severity::Serious)));
    serious.beside.knows_owner = true;
    serious.settle(ALONE);
    assert_eq!(told(&mut serious), ["offered owner"], "bad enough already");
}

/// An earlier run was told how bad it was, and the power kept the black box from writing it.
#[test]
fn a_saved_word_that_has_come_further_outranks_what_the_black_box_holds() {
    let serious = verdict(9, Stage::Graded, Some(Severity::Serious));
    let mut earlier = car(OPEN);
    earlier.beside.has_recalled = false;
    earlier.recall(left(9, serious, UNDATED));
    let saved = earlier.service.save(&earlier.view());
    let mut late = car(OPEN);
    late.beside.has_recalled = false;
    late.recall(left(9, verdict(9, Stage::Confirmed, None), UNDATED));
    let view = view_parts(late.now_ms, late.boot, &late.signals, &late.clock);
    late.service.rejoin(&saved, &view);
    late.beside.has_recalled = true;
    late.settle(OPEN);
    assert_eq!(told(&mut late), ["offered owner", "offered emergency_contact"]);
}

#[test]
fn what_this_run_knows_is_newer_than_what_a_store_that_opens_late_brings() {
    let (old, new) = (verdict(9, Stage::Confirmed, None), verdict(9, Stage::Graded, Some(Severity::Moderate)));
    let mut earlier = car(ALONE);
    earlier.beside.has_recalled = false;
    earlier.recall(left(9, old, UNDATED));
    let saved = earlier.service.save(&earlier.view());
    let mut late = car(ALONE);
    late.recall(left(9, new, UNDATED));
    assert_eq!(told(&mut late), ["offered owner"]);
    let view = view_parts(late.now_ms, late.boot, &late.signals, &late.clock);
    late.service.rejoin(&saved, &view);
    late.settle(ALONE);
    assert_eq!(told(&mut late), [""; 0]);
}

#[test]
fn of_more_offers_than_there_is_room_for_the_newest_stay() {
    let with_offers = |first: u32| {
        let mut car = car(ALONE);
        for event in first..first + 4 {
            car.recall(left(event, verdict(event, Stage::Confirmed, None), UNDATED));
        }
        assert_eq!(told(&mut car), ["offered owner"; MAX_OFFERS]);
        car
    };
    let earlier = with_offers(1);
    let saved = earlier.service.save(&earlier.view());
    let mut late = with_offers(11);
    let view = view_parts(late.now_ms, late.boot, &late.signals, &late.clock);
    late.service.rejoin(&saved, &view);
    late.settle(ALONE);
    assert_eq!(told(&mut late), ["unanswered owner final"; MAX_OFFERS]);
    late.restart(1_000);
    let ids = late.service.offers.iter().map(|offer| offer.id.clone());
    assert!(ids.eq((11..15).map(|event| crash_id(BootId { counter: 1, random: 0 }, event))));
}

#[test]
fn what_was_saved_is_taken_back_from_a_store_that_opens_late() {
    let mut car = car(ALONE);
    for event in 1..=5 {
        car.recall(left(event, verdict(event, Stage::Confirmed, None), UNDATED));
    }
    let saved = car.service.save(&car.view());
    let mut late = Car::new(Vec::new(), |_| Assistance::new(AssistanceSettings::default()));
    late.beside.settings = ALONE;
    late.recall(left(9, verdict(9, Stage::Confirmed, None), UNDATED));
    assert_eq!(told(&mut late), ["offered owner"]);
    let view = view_parts(late.now_ms, late.boot, &late.signals, &late.clock);
    late.service.rejoin(&saved, &view);
    late.run(600_000);
    let told = told(&mut late);
    let count = |what| told.iter().filter(|told| told.as_str() == what).count();
    assert_eq!((count("offered owner"), count("unanswered owner final")), (1, 6), "{told:?}");
}

#[test]
fn more_crashes_of_earlier_runs_than_there_is_room_for_wait_for_it() {
    let mut car = car(ALONE);
    for event in 1..=6 {
        car.recall(left(event, verdict(event, Stage::Confirmed, None), UNDATED));
    }
    assert_eq!(told(&mut car), ["offered owner"; MAX_OFFERS], "nobody's offer ends for it");
    car.restart(1_000);
    answer(&mut car, Choice::Decline, Party::Owner);
    assert_eq!(told(&mut car), ["declined owner final", "offered owner"]);
    car.run(600_000);
    let rest = told(&mut car);
    let count = |what| rest.iter().filter(|told| told.as_str() == what).count();
    assert_eq!((count("offered owner"), count("unanswered owner final")), (1, 5), "{rest:?}");
    for event in 0..=u32::try_from(MAX_OFFERS + MAX_LEFT).expect("a handful") {
        car.recall(left(100 + event, verdict(event, Stage::Confirmed, None), UNDATED));
    }
    let rest = told(&mut car);
    let count = |what| rest.iter().filter(|told| told.as_str() == what).count();
    assert_eq!((count("offered owner"), count("unanswered owner final")), (MAX_OFFERS + 1, 1), "{rest:?}");
}

#[test]
fn a_crash_whose_offer_went_with_the_power_is_offered_help_for_once() {
    let recovered = |severity| left(1, verdict(1, Stage::Confirmed, severity), UNDATED);
    for (settings, severity, expected) in [
        (ALONE, Some(Severity::Moderate), vec!["offered owner"]),
        (OPEN, Some(Severity::Serious), vec!["offered owner", "offered emergency_contact"]),
        (ALONE, None, vec!["offered owner"]),
        (ALONE, Some(Severity::Minor), vec!["offered owner"]),
        (Settings { privacy: Privacy::On, ..OPEN }, Some(Severity::Serious), vec![]),
        (Settings { assistance: false, ..OPEN }, Some(Severity::Serious), vec![]),
    ] {
        let mut car = car(settings);
        car.recall(recovered(severity));
        assert_eq!(told(&mut car), expected, "{severity:?} {settings:?}");
        car.recall(recovered(severity));
        assert_eq!(told(&mut car), [""; 0], "it is known");
    }
    let mut graded = car(ALONE);
    graded.recall(left(1, verdict(1, Stage::Closed, Some(Severity::Minor)), UNDATED));
    assert_eq!(told(&mut graded), [""; 0], "its grade was known");
    let mut car = car(ALONE);
    crash(&mut car, Severity::Moderate);
    assert_eq!(told(&mut car), ["offered owner"]);
    car.restart(1_000);
    car.recall(recovered(Some(Severity::Moderate)));
    assert_eq!(told(&mut car), [""; 0], "the offer has survived");
}

#[test]
fn a_crash_that_the_power_kept_from_being_graded_is_offered_help_for_by_the_next_run() {
    for severity in [None, Some(Severity::Minor)] {
        let mut car = car(ALONE);
        car.judge(verdict(1, Stage::Confirmed, severity));
        assert_eq!(told(&mut car), [""; 0], "{severity:?}");
        car.restart(1_000);
        assert_eq!(told(&mut car), ["offered owner"], "{severity:?}");
        car.restart(1_000);
        assert_eq!(told(&mut car), [""; 0], "{severity:?}: once");
    }
    for (stage, settings) in [(Stage::Graded, ALONE), (Stage::Confirmed, Settings { privacy: Privacy::On, ..OPEN })] {
        let mut car = car(ALONE);
        car.judge(verdict(1, Stage::Confirmed, Some(Severity::Minor)));
        car.judge(verdict(1, stage, Some(Severity::Minor)));
        car.settle(settings);
        car.settle(ALONE);
        car.restart(1_000);
        assert_eq!(told(&mut car), [""; 0], "{stage:?}");
    }
}
