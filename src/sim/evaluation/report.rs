//! Results as text for people and as JSON lines for programs.

use std::fmt::Write as _;

use serde_json::{Value as Json, json};

use crate::sim::crash::Class;

use super::examine::Outcome;
use super::goals::Goals;
use super::stats::{Share, Sorted};
use super::tally::{Crashes, Quiet, Results};

/// Failures that are named in text; JSON has them all.
const MAX_NAMED: usize = 200;

/// Tables of one car.
#[must_use]
pub fn text(results: &Results) -> String {
    let mut text = format!(
        "{}: sensors up to {:.0} m/s2, {} cases\n\n{:<18}{:>6}{:>8}  {:<14}{:>6}{:>8}{:>8}{:>8}{:>9}{:>8}{:>8}{:>8}{:>7}{:>7}{:>8}{:>7}\n",
        results.profile,
        results.range,
        results.outcomes.len(),
        "crashes",
        "n",
        "found %",
        "95 %",
        "early",
        "susp50",
        "conf50",
        "conf95",
        "conf99",
        "dV n",
        "dV50 %",
        "dV95 %",
        "bound%",
        "dir50",
        "dir95",
        "side %",
    );
    for class in Class::CRASHES {
        crash_row(&mut text, class.name(), &Crashes::of(&results.class(class)));
    }
    crash_row(&mut text, "15 km/h and more", &Crashes::of(&results.crashes(true)));
    crash_row(&mut text, "8 to 15 km/h", &Crashes::of(&results.crashes(false)));
    let all = Crashes::of(&results.all_crashes());
    crash_row(&mut text, "all", &all);
    rest_of_crashes(&mut text, &all);
    line(
        &mut text,
        format_args!(
            "\n{:<18}{:>6}{:>11}{:>11}{:>13}  {:<14}{:>8}",
            "not crashes", "n", "confirmed", "at most %", "suspected %", "95 %", "fault %"
        ),
    );
    for class in Class::QUIET {
        quiet_row(&mut text, class.name(), &Quiet::of(&results.class(class)));
    }
    quiet_row(&mut text, "all", &Quiet::of(&results.quiet()));
    line(&mut text, format_args!("\ngoals"));
    for judged in Goals::STATED.judge(results) {
        line(&mut text, format_args!("  {judged}"));
    }
    failures(&mut text, results);
    text
}

fn line(text: &mut String, line: std::fmt::Arguments<'_>) {
    // Writing to a string cannot fail.
    let _ = writeln!(text, "{line}");
}

fn crash_row(text: &mut String, name: &str, tally: &Crashes) {
    let time = |per_mille| figure(tally.confirmed_ms.per_mille(per_mille), 1);
    let percent = |share: &Sorted, per_mille| figure(share.per_mille(per_mille).map(|share| share * 100.0), 1);
    line(
        text,
        format_args!(
            "{name:<18}{:>6}{:>8}  {:<14}{:>6}{:>8}{:>8}{:>8}{:>9}{:>8}{:>8}{:>8}{:>7}{:>7}{:>8}{:>7}",
            tally.found.of,
            share(tally.found),
            interval(tally.found),
            tally.early,
            figure(tally.suspected_ms.median(), 1),
            time(500),
            time(950),
            time(990),
            tally.delta_v_share.count(),
            percent(&tally.delta_v_share, 500),
            percent(&tally.delta_v_share, 950),
            share(tally.bounds_hold),
            figure(tally.direction_deg.median(), 0),
            figure(tally.direction_deg.per_mille(950), 0),
            share(tally.sides),
        ),
    );
}

fn rest_of_crashes(text: &mut String, all: &Crashes) {
    let [none, minor, moderate, serious] = all.severities;
    line(
        text,
        format_args!(
            "rollovers told {} of {}, told where none was {}; sound sensors called faulty in {}; severity: none {none}, \
             minor {minor}, moderate {moderate}, serious {serious}; times in ms from contact, found and bounds in %, \
             direction in deg",
            all.rollovers.hits, all.rollovers.of, all.false_rollovers, all.faults.hits
        ),
    );
}

fn quiet_row(text: &mut String, name: &str, tally: &Quiet) {
    line(
        text,
        format_args!(
            "{name:<18}{:>6}{:>11}{:>11.3}{:>13}  {:<14}{:>8}",
            tally.confirmed.of,
            tally.confirmed.hits,
            tally.confirmed.at_most() * 100.0,
            share(tally.suspected),
            interval(tally.suspected),
            share(tally.faults)
        ),
    );
}

fn failures(text: &mut String, results: &Results) {
    let count = results.failures().count();
    if count == 0 {
        return;
    }
    line(text, format_args!("\n{count} cases went wrong; run one alone with --only NAME and the same seed:"));
    for outcome in results.failures().take(MAX_NAMED) {
        line(text, format_args!("  {} {}: {}", name(outcome), outcome.variant, what_went_wrong(outcome)));
    }
    if count > MAX_NAMED {
        line(text, format_args!("  … and {} more; --json has them all", count - MAX_NAMED));
    }
}

fn name(outcome: &Outcome) -> String {
    format!("{}-{}", outcome.class.name(), outcome.number)
}

fn what_went_wrong(outcome: &Outcome) -> String {
    match (outcome.false_alarm_s, outcome.crash) {
        (Some(at_s), None) => format!("confirmed {at_s:.3} s after its event began, and there was no crash"),
        (Some(at_s), Some(_)) => format!("confirmed before contact, {at_s:.3} s after its event began"),
        _ => "not found".to_owned(),
    }
}

fn figure(value: Option<f32>, digits: usize) -> String {
    value.map_or_else(|| "-".to_owned(), |value| format!("{value:.digits$}"))
}

fn share(share: Share) -> String {
    share.value().map_or_else(|| "-".to_owned(), |value| format!("{:.2}", value * 100.0))
}

fn interval(share: Share) -> String {
    let (low, high) = share.bounds();
    format!("{:.2}-{:.2}", low * 100.0, high * 100.0)
}

/// One object for each row of the tables, then one for each goal and for each failure.
#[must_use]
pub fn json(results: &Results) -> Vec<Json> {
    let profile = results.profile.as_str();
    let mut rows: Vec<Json> = Class::CRASHES
        .iter()
        .map(|class| crash_json(profile, class.name(), &Crashes::of(&results.class(*class))))
        .collect();
    for (name, outcomes) in [
        ("15 km/h and more", results.crashes(true)),
        ("8 to 15 km/h", results.crashes(false)),
        ("all", results.all_crashes()),
    ] {
        rows.push(crash_json(profile, name, &Crashes::of(&outcomes)));
    }
    rows.extend(Class::QUIET.iter().map(|class| quiet_json(profile, class.name(), &Quiet::of(&results.class(*class)))));
    rows.push(quiet_json(profile, "all", &Quiet::of(&results.quiet())));
    rows.extend(Goals::STATED.judge(results).map(|judged| {
        json!({"profile": profile, "row": "goal", "goal": judged.goal, "reached": judged.reached,
            "is_met": judged.is_met})
    }));
    rows.extend(results.failures().map(|outcome| {
        json!({"profile": profile, "row": "failure", "case": name(outcome), "variant": outcome.variant,
            "what": what_went_wrong(outcome)})
    }));
    rows
}

fn crash_json(profile: &str, name: &str, tally: &Crashes) -> Json {
    let (low, high) = tally.found.bounds();
    let spread = |sorted: &Sorted| json!({"n": sorted.count(), "median": sorted.median(), "p95": sorted.per_mille(950), "p99": sorted.per_mille(990)});
    let [none, minor, moderate, serious] = tally.severities;
    json!({
        "profile": profile, "row": "crashes", "class": name,
        "n": tally.found.of, "found": tally.found.hits, "sensitivity": tally.found.value(),
        "low95": low, "high95": high, "confirmed_before_contact": tally.early,
        "suspected_ms": spread(&tally.suspected_ms), "confirmed_ms": spread(&tally.confirmed_ms),
        "delta_v_error_kmh": spread(&tally.delta_v_kmh), "delta_v_error_share": spread(&tally.delta_v_share),
        "delta_v_bounds": tally.bounds_hold.of, "delta_v_bounds_that_hold": tally.bounds_hold.hits,
        "direction_error_deg": spread(&tally.direction_deg),
        "sides": tally.sides.of, "sides_right": tally.sides.hits,
        "rollovers": tally.rollovers.of, "rollovers_told": tally.rollovers.hits,
        "rollovers_told_wrongly": tally.false_rollovers,
        "sensor_faults": tally.faults.hits,
        "severity": {"none": none, "minor": minor, "moderate": moderate, "serious": serious},
    })
}

fn quiet_json(profile: &str, name: &str, tally: &Quiet) -> Json {
    let (low, high) = tally.suspected.bounds();
    json!({
        "profile": profile, "row": "quiet", "class": name, "n": tally.confirmed.of,
        "confirmed": tally.confirmed.hits, "confirmed_at_most95": tally.confirmed.at_most(),
        "suspected": tally.suspected.hits, "suspected_low95": low, "suspected_high95": high,
        "sensor_faults": tally.faults.hits,
    })
}
