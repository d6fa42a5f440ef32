//! The power goes at any moment of a simulated crash, and again while the daemon recovers.
#![expect(clippy::cast_possible_truncation, reason = "small numbers")]

use std::collections::BTreeSet;
use std::time::Duration;

use telltale::crash::Stage;
use telltale::crash::black_box::Slot;
use telltale::gateway::Input;
use telltale::rng::Rng;
use telltale::services::OwnerInput;
use telltale::services::owner::Purpose;
use telltale::sim::Emission;
use telltale::time::MonoTime;

use crate::disk::read;
use crate::life::{AFTERLIFE, BEFORE, Disk, Heard, LATE, Life, Remains, drive, play};

#[test]
fn whatever_the_moment_of_the_cut_a_confirmed_crash_is_heard_of_under_one_id() {
    let (emissions, contact) = drive();
    let seed = std::env::var("TELLTALE_SEED").ok().and_then(|seed| seed.parse().ok()).unwrap_or(1_u64);
    println!("seed {seed}, contact at {contact:?}");
    let (mut detected, mut recovered, mut silent) = (0, 0, 0);
    // In half of the lives the store is open first: at once before the black box, or long before.
    let mut rng_of_lives = Rng::new(seed);
    let late = |rng: &mut Rng| [None, None, Some(Duration::from_millis(1)), Some(LATE)][rng.index(4)];
    for number in 0..42 {
        let mut rng = Rng::new(seed.wrapping_mul(1_000).wrapping_add(number));
        // A third within the suspicion, a third while the crash is told.
        let cut_ms = rng.below([2_000, 250, 45][number as usize % 3]);
        let mut life = Life::begin(1, contact - BEFORE, Remains::empty(), rng, None);
        let consent = OwnerInput::Consent { consent: Purpose::Assistance, given: true };
        life.input(contact - BEFORE, Input::Owner(consent));
        play(&mut life, &emissions, contact + Duration::from_millis(cut_ms));
        let (mut remains, mut rng) = life.cut();
        let left = read(&remains.file, |_| true);
        let stage = left.recordings.first().and_then(|recording| recording.slot.stage);
        // The power goes again while the daemon recovers, now and then.
        for number in 2..2 + rng.below(3) as u32 {
            let mut life = Life::begin(number, MonoTime::from_millis(500), remains, rng, late(&mut rng_of_lives));
            let span = Duration::from_millis(life.rng.below(300));
            life.pass(MonoTime::from_millis(500), span);
            (remains, rng) = life.cut();
        }
        let mut life = Life::begin(9, MonoTime::from_millis(500), remains, rng, late(&mut rng_of_lives));
        life.pass(MonoTime::from_millis(500), AFTERLIFE);
        let told = life.remains.reports();
        let ids: BTreeSet<&str> = told.iter().map(|heard| heard.id.as_str()).collect();
        let crashes: BTreeSet<&str> = told.iter().map(|heard| heard.crash.as_str()).collect();
        let case = format!("seed {seed}, cut {number} after {cut_ms} ms, left {stage:?}: {told:?}");
        assert!(ids.len() <= 1 && crashes.len() <= 1, "more than one report: {case}");
        if cut_ms >= 150 || stage.is_some_and(|stage| stage >= Stage::Confirmed) {
            assert_eq!(ids.len(), 1, "no report: {case}");
        }
        let is_confirmed = told.iter().any(|heard| heard.data["confirmed"] != false);
        assert_eq!(life.remains.offers().len(), usize::from(is_confirmed), "{:?} of {case}", life.remains.offers());
        let recoveries = told.iter().filter(|heard| heard.topic == "event/crash.recovered");
        let words: BTreeSet<_> = recoveries.map(|heard| heard.data.to_string()).collect();
        assert!(words.len() <= 1, "another cut changed what is told: {case}");
        let is_told_of = |topic| told.iter().any(|heard| heard.topic == topic);
        detected += u32::from(is_told_of("event/crash.detected"));
        recovered += u32::from(is_told_of("event/crash.recovered"));
        silent += u32::from(told.is_empty());
        let rest = read(&life.remains.file, |_| true);
        assert!(rest.recordings.iter().all(|recording| !recording.slot.is_unreported()), "not marked: {case}");
    }
    println!("detected {detected}, recovered {recovered}, neither {silent}");
    assert!(detected > 12 && recovered > 0, "the cuts do not reach every case");
}

/// A car whose airbags have fired goes on to say so at each start, until they are replaced: at once, or when its control
/// unit wakes.
#[test]
fn airbags_that_stay_fired_are_no_second_crash() {
    let (emissions, contact) = drive();
    let rest = contact + Duration::from_secs(3);
    let at_rest: Vec<_> = emissions.iter().filter(|emission| emission.at >= rest).collect();
    let seed = std::env::var("TELLTALE_SEED").ok().and_then(|seed| seed.parse().ok()).unwrap_or(1_u64);
    let mut told = 0;
    for number in 0..24 {
        let mut rng = Rng::new(seed.wrapping_mul(1_000).wrapping_add(number));
        let cut_ms = rng.below(if number % 2 == 0 { 90 } else { 700 });
        let mut life = Life::begin(1, contact - BEFORE, Remains::empty(), rng, None);
        play(&mut life, &emissions, contact + Duration::from_millis(cut_ms));
        let (mut remains, mut rng) = life.cut();
        for run in 2..5 {
            let now = MonoTime::from_millis(500);
            let wakes = now + Duration::from_millis([1, 40, 7_000][rng.index(3)]);
            let mut life = Life::begin(run, now, remains, rng, None);
            life.pass(now, wakes.since(now));
            let again = |emission: &&Emission| Emission { at: wakes + emission.at.since(rest), ..(*emission).clone() };
            let again: Vec<_> = at_rest.iter().map(again).collect();
            let span = Duration::from_millis([150, 1_500, 6_500][life.rng.index(3)]);
            play(&mut life, &again, wakes + span);
            (remains, rng) = life.cut();
        }
        let crashes: BTreeSet<&str> = remains.reports().iter().map(|heard| heard.crash.as_str()).collect();
        assert!(crashes.len() <= 1, "seed {seed}, cut {number} after {cut_ms} ms: {crashes:?}");
        told += crashes.len();
    }
    assert!(told > 12, "{told} crashes were told of: the cuts do not reach what they should");
}

/// The store fails at some moment of a crash, what is told goes from memory, and then the power goes: the next run, with
/// a store that works, takes the airbags that stay fired for no second crash, and the owner's answer is awaited still.
#[test]
fn a_store_that_fails_in_a_crash_costs_no_offer_and_makes_no_second_crash() {
    let (emissions, contact) = drive();
    let rest = contact + Duration::from_secs(3);
    let now = MonoTime::from_millis(500);
    let at_rest = emissions.iter().filter(|emission| emission.at >= rest);
    let again = at_rest.map(|emission| Emission { at: now + emission.at.since(rest), ..emission.clone() });
    let again: Vec<_> = again.collect();
    let (mut kept, mut restored) = (0, 0);
    for fails_ms in (0..600).step_by(12) {
        let mut life = Life::begin(1, contact - BEFORE, Remains::empty(), Rng::new(fails_ms), None);
        let consent = OwnerInput::Consent { consent: Purpose::Assistance, given: true };
        life.input(contact - BEFORE, Input::Owner(consent));
        let fails = contact + Duration::from_millis(fails_ms);
        let (before, after) = emissions.split_at(emissions.partition_point(|emission| emission.at < fails));
        play(&mut life, before, fails);
        life.disk = Disk::Refuses;
        play(&mut life, after, contact + Duration::from_secs(8));
        let offered = life.remains.heard.iter().filter(|heard| heard.topic == "event/assistance.offered").count();
        assert_eq!((life.remains.reports().len(), offered), (1, 1), "{fails_ms} ms: told from memory");
        let left = read(&life.remains.file, Slot::is_unreported).recordings.len();
        let (remains, rng) = life.cut();
        kept += left;
        restored += 1 - left;
        let mut life = Life::begin(2, now, remains, rng, None);
        play(&mut life, &again, now + Duration::from_secs(8));
        life.pass(now + Duration::from_secs(8), Duration::from_secs(60));
        let crashes: BTreeSet<&str> = life.remains.reports().iter().map(|heard| heard.crash.as_str()).collect();
        assert_eq!(crashes.len(), 1, "the store failed after {fails_ms} ms: {crashes:?}");
        let is_end = |heard: &&Heard| heard.topic == "event/assistance.unanswered" && heard.data["is_final"] == true;
        assert_eq!(life.remains.heard.iter().filter(is_end).count(), 1, "the store failed after {fails_ms} ms");
    }
    assert!(kept > 0 && restored > 0, "{kept}, {restored}: the failures do not reach every case");
}
