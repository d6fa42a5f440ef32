//! The whole life of offers.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use serde_json::json;

use super::*;
use crate::crash::{Direction, Side};
use crate::services::testkit::{Car, Rng};
use crate::time::{Clock, KernelBoot};

pub(super) const OPEN: Settings = Settings { privacy: Privacy::Off, assistance: true, emergency_contact: true };
pub(super) const ALONE: Settings = Settings { emergency_contact: false, ..OPEN };

pub(super) fn car(settings: Settings) -> Car<Assistance> {
    let mut car = Car::new(Vec::new(), |_| Assistance::new(AssistanceSettings::default()));
    car.beside.settings = settings;
    car
}

pub(super) fn verdict(event: u32, stage: Stage, severity: Option<Severity>) -> Verdict {
    Verdict {
        direction: Some(Direction { pdof_deg: 11.6, clock: 12 }),
        side: Side::Front,
        rollover: Some(false),
        occupants: Some((2, 1)),
        severity,
        ..Verdict::bare(event, stage, MonoTime::ZERO, MonoTime::ZERO)
    }
}

pub(super) fn crash(car: &mut Car<Assistance>, severity: Severity) {
    car.judge(verdict(1, Stage::Confirmed, Some(severity)));
}

/// The first crash of the first run.
const OFFER: &str = "0000000100000000-crash-1";

pub(super) fn answer(car: &mut Car<Assistance>, choice: Choice, by: Party) {
    car.answer(Answer { choice, offer: OFFER.to_owned(), by });
}

/// What was told, with whom it concerns.
pub(super) fn told(car: &mut Car<Assistance>) -> Vec<String> {
    let events = car.take();
    assert!(events.iter().all(|event| event.lane == Lane::Critical), "{events:?}");
    let tell = |event: &Event| {
        let who = ["to", "by"].into_iter().find_map(|member| event.data[member].as_str()).unwrap_or("-");
        let kind = event.kind.strip_prefix("assistance.").expect("the service's own");
        let is_final = if event.data["is_final"] == true { " final" } else { "" };
        let help = if event.data["help_requested"] == true { " help" } else { "" };
        format!("{kind} {who}{is_final}{help}")
    };
    events.iter().map(tell).collect()
}

#[test]
fn the_contact_does_not_call_off_what_an_unconscious_owner_may_need() {
    let mut car = car(OPEN);
    crash(&mut car, Severity::Serious);
    car.take();
    answer(&mut car, Choice::Cancel, Party::EmergencyContact);
    assert_eq!(told(&mut car), ["declined emergency_contact"]);
    car.run(600_000);
    assert_eq!(told(&mut car), ["unanswered owner final help"]);
}

#[test]
fn a_refusal_that_comes_twice_is_told_once() {
    let mut car = car(OPEN);
    crash(&mut car, Severity::Serious);
    assert_eq!(told(&mut car), ["offered owner", "offered emergency_contact"]);
    answer(&mut car, Choice::Decline, Party::EmergencyContact);
    assert_eq!(told(&mut car), ["declined emergency_contact"]);
    answer(&mut car, Choice::Decline, Party::EmergencyContact);
    assert_eq!(told(&mut car), [""; 0]);
}

#[test]
fn an_offer_says_what_is_known_and_later_verdicts_update_it() {
    let mut car = car(ALONE);
    car.judge(verdict(1, Stage::Suspected, None));
    car.judge(verdict(1, Stage::Confirmed, None));
    assert!(car.take().is_empty(), "the severity is not known yet");
    car.judge(verdict(1, Stage::Graded, Some(Severity::Moderate)));
    let events = car.take();
    assert_eq!(events.len(), 1);
    assert_eq!((events[0].kind, events[0].subject.as_deref()), ("assistance.offered", Some(OFFER)));
    assert!(events[0].with_position);
    let crash = json!({
        "severity": "moderate", "pdof_deg": 12, "clock_direction": 12, "side": "front",
        "rollover": false, "impacts": 1, "occupants": 2, "belted": 1,
    });
    assert_eq!(events[0].data, json!({"to": "owner", "answer_within_s": 60, "crash": crash}));
    car.judge(Verdict { impacts: 2, ..verdict(1, Stage::Corrected, Some(Severity::Moderate)) });
    let events = car.take();
    assert_eq!((events[0].kind, &events[0].data["crash"]["impacts"]), ("assistance.updated", &json!(2)));
    car.judge(Verdict { impacts: 2, ..verdict(1, Stage::Closed, Some(Severity::Moderate)) });
    assert!(car.take().is_empty(), "nothing new");
    car.judge(Verdict { impacts: 2, ..verdict(1, Stage::Corrected, Some(Severity::Minor)) });
    assert_eq!(told(&mut car), ["updated -"], "milder, but an offer is not taken back");
}

#[test]
fn below_the_threshold_or_dismissed_nothing_is_said_and_who_cannot_tell_asks() {
    let mut car = car(OPEN);
    car.judge(verdict(1, Stage::Suspected, Some(Severity::Serious)));
    car.judge(verdict(1, Stage::Dismissed, Some(Severity::Serious)));
    for stage in [Stage::Confirmed, Stage::Graded, Stage::Closed] {
        car.judge(verdict(2, stage, Some(Severity::Minor)));
    }
    assert!(car.take().is_empty());
    car.judge(verdict(3, Stage::Confirmed, None));
    assert!(car.take().is_empty());
    car.judge(verdict(3, Stage::Graded, None));
    assert_eq!(told(&mut car), ["offered owner"]);
    assert_eq!(car.service.offers[0].id, "0000000100000000-crash-3");
}

#[test]
fn without_consent_or_in_privacy_mode_it_is_silent_for_that_crash() {
    let silent = [Settings { privacy: Privacy::On, ..OPEN }, Settings { assistance: false, ..OPEN }, Settings::UNKNOWN];
    for settings in silent {
        let mut car = car(settings);
        crash(&mut car, Severity::Serious);
        car.settle(OPEN);
        car.judge(verdict(1, Stage::Graded, Some(Severity::Serious)));
        car.run(600_000);
        assert!(car.take().is_empty(), "{settings:?}");
        car.judge(verdict(2, Stage::Confirmed, Some(Severity::Serious)));
        assert_eq!(told(&mut car).len(), 2, "the next one is another");
    }
}

#[test]
fn accepted_declined_and_cancelled_are_ends_of_their_own() {
    let ends = [
        (Choice::Accept, "accepted owner"),
        (Choice::Decline, "declined owner final"),
        (Choice::Cancel, "cancelled owner"),
    ];
    for (choice, end) in ends {
        let mut car = car(OPEN);
        crash(&mut car, Severity::Moderate);
        answer(&mut car, choice, Party::Owner);
        answer(&mut car, choice, Party::Owner);
        car.run(600_000);
        assert_eq!(told(&mut car), ["offered owner", end], "once, and nothing after it");
    }
}

#[test]
fn the_contact_is_asked_when_the_owner_is_silent_and_then_nobody() {
    let mut car = car(OPEN);
    crash(&mut car, Severity::Moderate);
    car.run(59_900);
    assert_eq!(told(&mut car), ["offered owner"]);
    answer(&mut car, Choice::Accept, Party::EmergencyContact);
    assert!(car.take().is_empty(), "nobody has asked the contact");
    car.run(200);
    assert_eq!(told(&mut car), ["unanswered owner", "offered emergency_contact"]);
    car.run(120_000);
    assert_eq!(told(&mut car), ["unanswered emergency_contact final"]);
    answer(&mut car, Choice::Cancel, Party::Owner);
    answer(&mut car, Choice::Decline, Party::Owner);
    assert!(car.take().is_empty(), "nothing goes on that could be called off");
    answer(&mut car, Choice::Accept, Party::Owner);
    assert_eq!(told(&mut car), ["accepted owner"], "somebody came to");
}

#[test]
fn without_a_contact_the_owners_silence_is_the_end() {
    let mut car = car(ALONE);
    crash(&mut car, Severity::Serious);
    car.run(600_000);
    assert_eq!(told(&mut car), ["offered owner", "unanswered owner final help"]);
}

#[test]
fn in_a_serious_crash_both_are_asked_at_once_and_silence_requests_help() {
    let mut car = car(OPEN);
    crash(&mut car, Severity::Serious);
    assert_eq!(told(&mut car), ["offered owner", "offered emergency_contact"]);
    car.run(60_000);
    assert_eq!(told(&mut car), ["unanswered owner"]);
    car.run(60_000);
    assert_eq!(told(&mut car), ["unanswered emergency_contact final help"]);
    car.judge(Verdict { rollover: Some(true), ..verdict(1, Stage::Corrected, Some(Severity::Serious)) });
    assert_eq!(told(&mut car), ["updated -"], "helpers are on their way");
    answer(&mut car, Choice::Cancel, Party::Owner);
    assert_eq!(told(&mut car), ["cancelled owner"]);
}

#[test]
fn in_a_serious_crash_a_contact_who_refuses_does_not_speak_for_a_silent_owner() {
    let mut before = car(OPEN);
    crash(&mut before, Severity::Serious);
    answer(&mut before, Choice::Decline, Party::EmergencyContact);
    before.run(600_000);
    let asked = ["offered owner", "offered emergency_contact"];
    let end = "unanswered owner final help";
    assert_eq!(told(&mut before), [&asked[..], &["declined emergency_contact", end]].concat());
    let mut after = car(OPEN);
    crash(&mut after, Severity::Serious);
    after.run(61_000);
    answer(&mut after, Choice::Decline, Party::EmergencyContact);
    after.run(600_000);
    assert_eq!(told(&mut after), [&asked[..], &["unanswered owner", "declined emergency_contact", end]].concat());
    for mut car in [before, after] {
        answer(&mut car, Choice::Cancel, Party::Owner);
        assert_eq!(told(&mut car), ["cancelled owner"], "the owner came to");
    }
}

#[test]
fn in_another_crash_the_contact_refuses_for_a_silent_owner() {
    let mut car = car(OPEN);
    crash(&mut car, Severity::Moderate);
    car.run(61_000);
    answer(&mut car, Choice::Decline, Party::EmergencyContact);
    car.run(600_000);
    let told = told(&mut car);
    assert_eq!(told[1..], ["unanswered owner", "offered emergency_contact", "declined emergency_contact final"]);
}

#[test]
fn a_crash_that_turns_out_serious_asks_the_contact_too() {
    let mut car = car(OPEN);
    crash(&mut car, Severity::Moderate);
    car.judge(Verdict { rollover: Some(true), ..verdict(1, Stage::Corrected, Some(Severity::Moderate)) });
    assert_eq!(told(&mut car), ["offered owner", "updated -", "offered emergency_contact"]);
}

#[test]
fn a_crash_that_turns_out_serious_after_nobody_answered_requests_help() {
    let mut car = car(ALONE);
    crash(&mut car, Severity::Moderate);
    car.run(600_000);
    assert_eq!(told(&mut car), ["offered owner", "unanswered owner final"]);
    car.judge(verdict(1, Stage::Corrected, Some(Severity::Serious)));
    assert_eq!(told(&mut car), ["unanswered owner final help"]);
    car.run(100);
    car.judge(Verdict { impacts: 2, ..verdict(1, Stage::Corrected, Some(Severity::Serious)) });
    assert_eq!(told(&mut car), ["updated -"]);
}

#[test]
fn the_contact_refuses_for_themselves_and_calls_off_only_their_own() {
    let mut car = car(OPEN);
    crash(&mut car, Severity::Serious);
    answer(&mut car, Choice::Decline, Party::EmergencyContact);
    assert_eq!(told(&mut car)[2..], ["declined emergency_contact"]);
    answer(&mut car, Choice::Accept, Party::Owner);
    answer(&mut car, Choice::Cancel, Party::EmergencyContact);
    assert_eq!(told(&mut car), ["accepted owner"]);
    answer(&mut car, Choice::Cancel, Party::Owner);
    assert_eq!(told(&mut car), ["cancelled owner"]);
}

#[test]
fn privacy_mode_and_withdrawn_consent_end_what_is_open_without_a_position() {
    for (settings, by) in
        [(Settings { privacy: Privacy::On, ..OPEN }, "privacy"), (Settings { assistance: false, ..OPEN }, "consent")]
    {
        let mut car = car(OPEN);
        crash(&mut car, Severity::Moderate);
        car.take();
        car.settle(settings);
        let events = car.take();
        assert_eq!((events.len(), events[0].kind, &events[0].data), (1, "assistance.cancelled", &json!({"by": by})));
        assert!(!events[0].with_position);
        car.settle(OPEN);
        car.run(600_000);
        assert!(car.take().is_empty());
    }
}

const FORBIDDEN: [Settings; 2] = [Settings { privacy: Privacy::On, ..OPEN }, Settings { assistance: false, ..OPEN }];

#[test]
fn privacy_mode_and_withdrawn_consent_silence_help_that_is_under_way_but_for_its_calling_off() {
    for settings in FORBIDDEN {
        let mut car = car(OPEN);
        crash(&mut car, Severity::Moderate);
        answer(&mut car, Choice::Accept, Party::Owner);
        car.settle(settings);
        car.take();
        car.judge(Verdict { impacts: 2, ..verdict(1, Stage::Corrected, Some(Severity::Serious)) });
        assert!(car.take().is_empty(), "{settings:?}");
        answer(&mut car, Choice::Cancel, Party::Owner);
        let events = car.take();
        assert_eq!((events.len(), events[0].kind), (1, "assistance.cancelled"));
        assert!(!events[0].with_position);
    }
}

#[test]
fn privacy_mode_and_withdrawn_consent_take_no_late_acceptance() {
    let contact_only = Settings { emergency_contact: false, ..OPEN };
    for settings in FORBIDDEN.into_iter().chain([contact_only]) {
        let mut car = car(OPEN);
        crash(&mut car, Severity::Serious);
        car.run(600_000);
        car.settle(settings);
        car.take();
        answer(&mut car, Choice::Accept, Party::EmergencyContact);
        assert!(car.take().is_empty(), "{settings:?}");
        answer(&mut car, Choice::Accept, Party::Owner);
        let is_owners = settings == contact_only;
        assert_eq!(car.kinds(), if is_owners { vec!["assistance.accepted"] } else { Vec::new() }, "{settings:?}");
        car.settle(OPEN);
        answer(&mut car, Choice::Accept, Party::Owner);
        assert_eq!(car.kinds().len(), usize::from(!is_owners), "allowed again");
    }
}

#[test]
fn a_contact_whom_the_owner_no_longer_trusts_has_no_say_in_an_open_offer() {
    let mut car = car(OPEN);
    crash(&mut car, Severity::Serious);
    car.take();
    car.settle(ALONE);
    assert_eq!(told(&mut car), ["unanswered emergency_contact"], "not waited for");
    for choice in [Choice::Accept, Choice::Decline, Choice::Cancel] {
        answer(&mut car, choice, Party::EmergencyContact);
        assert!(car.take().is_empty(), "{choice:?}");
    }
    car.run(60_000);
    assert_eq!(told(&mut car), ["unanswered owner final help"]);
    let mut late = self::car(OPEN);
    crash(&mut late, Severity::Serious);
    late.run(61_000);
    late.settle(ALONE);
    assert_eq!(told(&mut late)[2..], ["unanswered owner", "unanswered emergency_contact final help"]);
}

#[test]
fn the_contact_does_not_call_off_help_that_nobody_asked_for() {
    let mut car = car(OPEN);
    crash(&mut car, Severity::Serious);
    car.run(600_000);
    car.take();
    answer(&mut car, Choice::Cancel, Party::EmergencyContact);
    assert!(car.take().is_empty());
    answer(&mut car, Choice::Accept, Party::EmergencyContact);
    answer(&mut car, Choice::Cancel, Party::EmergencyContact);
    assert_eq!(told(&mut car), ["accepted emergency_contact", "cancelled emergency_contact"], "their own");
}

#[test]
fn a_restart_in_the_middle_repeats_nothing_and_forgets_nothing() {
    let mut car = car(OPEN);
    crash(&mut car, Severity::Moderate);
    car.run(20_000);
    car.restart(5_000);
    assert_eq!(told(&mut car), ["offered owner"]);
    car.run(34_900);
    assert!(car.take().is_empty(), "the minute is not over");
    car.run(200);
    assert_eq!(told(&mut car), ["unanswered owner", "offered emergency_contact"]);
    car.reboot(100_000);
    car.run(19_000);
    assert!(car.take().is_empty(), "119 of 120 s by the wall clock");
    car.run(2_000);
    assert_eq!(told(&mut car), ["unanswered emergency_contact final"]);
    car.restart(1_000);
    answer(&mut car, Choice::Accept, Party::EmergencyContact);
    assert_eq!(told(&mut car), ["accepted emergency_contact"]);
}

#[test]
fn without_a_clock_the_time_to_answer_begins_anew() {
    let mut car = car(ALONE);
    car.clock = Clock::default();
    crash(&mut car, Severity::Moderate);
    car.run(50_000);
    let saved = car.service.save(&car.view());
    let mut later = self::car(ALONE);
    later.clock = Clock::default();
    later.boot = KernelBoot(9);
    let view = crate::services::testkit::view_parts(later.now_ms, later.boot, &later.signals, &later.clock);
    later.service.restore(&saved, &view);
    assert_eq!(later.service.deadline(), Some(later.now() + Duration::from_secs(60)));
}

#[test]
fn what_cannot_be_read_is_passed_over() {
    let mut car = car(OPEN);
    for saved in [json!(null), json!([1, {}]), json!("x"), json!({"id": 1})] {
        let view = crate::services::testkit::view_parts(1_000, car.boot, &car.signals, &car.clock);
        car.service.restore(&saved, &view);
        assert!(car.service.offers.is_empty());
    }
}

/// The phase of an offer that was in this phase, by what is told of it; none when that must not be told then. An offer
/// ends once; what comes after is the late acceptance, or the calling off, of help.
fn phase_after(phase: Option<&'static str>, told: &Event) -> Option<&'static str> {
    let is_final = told.data["is_final"] == true;
    let kind = told.kind.strip_prefix("assistance.")?;
    match (phase, kind) {
        (None | Some("open"), "offered") => Some("open"),
        (Some("open"), "declined" | "unanswered") if !is_final => Some("open"),
        (Some("open"), "declined") => Some("declined"),
        (Some("open" | "unanswered"), "unanswered") if told.data["help_requested"] == true => Some("requested"),
        (Some("open"), "unanswered") => Some("unanswered"),
        (Some("open" | "unanswered" | "requested"), "accepted") => Some("accepted"),
        (Some("open" | "accepted" | "requested"), "cancelled") => Some("cancelled"),
        (Some(phase @ ("open" | "accepted" | "requested")), "updated") => Some(phase),
        _ => None,
    }
}

#[test]
fn whatever_happens_every_offer_ends_once_and_no_step_is_told_twice() {
    for seed in 0..200 {
        let mut rng = Rng(seed);
        let mut car = car(OPEN);
        let mut event = 0;
        for _ in 0..60 {
            let offer = car.service.offers.last().map_or_else(|| OFFER.to_owned(), |offer| offer.id.clone());
            match rng.below(9) {
                0 | 1 => {
                    event += u32::from(rng.below(2) == 0);
                    let severity = rng.pick(&[None, Some(Severity::Minor), Some(Severity::Serious)]);
                    let stage = rng.pick(&[Stage::Suspected, Stage::Confirmed, Stage::Graded, Stage::Closed]);
                    car.judge(verdict(event, stage, severity));
                }
                2 => car.settle(rng.pick(&[OPEN, OPEN, ALONE, Settings::UNKNOWN])),
                3 => car.restart(rng.below(20_000)),
                4 => car.reboot(rng.below(20_000)),
                5 | 6 => {
                    let choice = rng.pick(&[Choice::Accept, Choice::Decline, Choice::Cancel]);
                    let by = rng.pick(&[Party::Owner, Party::EmergencyContact]);
                    car.answer(Answer { choice, offer, by });
                }
                _ => car.run(rng.below(100_000)),
            }
            assert!(car.service.offers.len() <= MAX_OFFERS);
        }
        car.run(600_000);
        let mut asked = BTreeSet::new();
        let mut phases = BTreeMap::new();
        for told in car.take() {
            let offer = told.subject.clone().expect("every event names its offer");
            if told.kind == "assistance.offered" {
                let key = (offer.clone(), told.data["to"].to_string());
                assert!(asked.insert(key), "seed {seed}: asked twice: {told:?}");
            }
            let before = phases.get(&offer).copied();
            let after = phase_after(before, &told).unwrap_or_else(|| panic!("seed {seed}: {before:?}, then {told:?}"));
            phases.insert(offer, after);
        }
        let open: Vec<_> = phases.iter().filter(|(_, phase)| **phase == "open").collect();
        assert!(open.is_empty(), "seed {seed}: no end was told of {open:?}");
        assert!(car.service.offers.iter().all(|offer| offer.phase != Phase::Open), "seed {seed}: an offer never ends");
    }
}
