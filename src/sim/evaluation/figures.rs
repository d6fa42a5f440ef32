//! The evaluation in pictures.

use crate::sim::crash::{Case, Class, GRAVITY, KMH};

use super::goals::Goals;
use super::stats::Share;
use super::svg::{Axis, Chart, colour};
use super::tally::Results;

/// Times above it stand at the end of the axis.
const TIMES_TO_MS: f32 = 200.0;
/// Width of the bins of ΔV.
const BIN_KMH: f32 = 5.0;
const TO_KMH: f32 = 80.0;
/// Dots of one colour in a picture: more would hide each other.
const MAX_DOTS: usize = 300;

/// A picture: the name of its file, and its text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Figure {
    /// Ends in `.svg`.
    pub name: String,
    /// SVG.
    pub text: String,
}

/// All pictures of these results, and of the cases of that seed.
#[must_use]
pub fn figures(all: &[Results], seed: u64) -> Vec<Figure> {
    let mut figures = vec![
        Figure { name: "crash-time-to-verdict.svg".to_owned(), text: times(all) },
        Figure { name: "crash-sensitivity.svg".to_owned(), text: sensitivity(all) },
    ];
    for results in all {
        let name = format!("crash-delta-v-{}.svg", results.profile);
        figures.push(Figure { name, text: delta_v(results) });
    }
    let some = |classes: &[Class], name: &str, title: &str| Figure {
        name: name.to_owned(),
        text: pulses(classes, seed, title),
    };
    figures.push(some(
        &[Class::FrontalFull, Class::Offset, Class::SmallOverlap, Class::Side, Class::Pole, Class::Rear],
        "crash-pulses.svg",
        "Generated crashes: horizontal acceleration, one example per class",
    ));
    figures.push(some(
        &[Class::LowSpeed, Class::Multiple, Class::Rollover],
        "crash-pulses-other.svg",
        "Low speed, first of several impacts, trip of a rollover: one example each",
    ));
    figures.push(some(
        &[Class::Kerb, Class::Pothole, Class::DoorSlam, Class::Jacking, Class::EmergencyBraking, Class::AbsRoughRoad],
        "crash-quiet.svg",
        "What is no crash: horizontal acceleration, one example per class",
    ));
    figures
}

/// Share of the crashes that are confirmed so long after contact.
fn times(all: &[Results]) -> String {
    let mut chart = Chart::new(
        "Time from contact to verdict, all crashes",
        Axis::new("time from contact (ms); later ones stand at the end", 0.0, TIMES_TO_MS),
        Axis::new("share of all crashes confirmed (%)", 0.0, 100.0),
    );
    for (index, results) in all.iter().enumerate() {
        let crashes = results.all_crashes();
        let mut times: Vec<f32> =
            crashes.iter().filter_map(|outcome| outcome.confirmed_s).map(|time| time * 1e3).collect();
        times.sort_by(f32::total_cmp);
        let points: Vec<(f32, f32)> =
            (1..).zip(&times).map(|(rank, time)| (*time, percent(Share { hits: rank, of: crashes.len() }))).collect();
        chart.line(&points, colour(index));
        chart.legend(&results.profile, colour(index));
        let goal = Goals::STATED.median_ms(results);
        chart.mark(Some(goal), None, colour(index));
        chart.legend(&format!("goal, median: {goal:.0} ms"), colour(index));
    }
    chart.mark(None, Some(50.0), "#888");
    chart.finish()
}

#[expect(clippy::cast_possible_truncation, reason = "a picture needs four digits")]
fn percent(share: Share) -> f32 {
    (share.value().unwrap_or_default() * 100.0) as f32
}

/// Share found by ΔV, with bounds.
fn sensitivity(all: &[Results]) -> String {
    let worst = all.iter().flat_map(bins).map(|(_, share)| percent(share)).fold(100.0, f32::min);
    let mut chart = Chart::new(
        "Crashes found, by change of velocity",
        Axis::new("true change of velocity by the first impact (km/h)", 5.0, TO_KMH),
        Axis::new("found (%), 95 % bounds", if worst > 85.0 { 80.0 } else { 0.0 }, 100.5),
    );
    for (index, results) in all.iter().enumerate() {
        for (from_kmh, share) in bins(results) {
            let (low, high) = share.bounds();
            #[expect(clippy::cast_possible_truncation, reason = "a picture needs four digits")]
            let bounds = ((low * 100.0) as f32, (high * 100.0) as f32);
            // Beside each other, not on each other.
            let aside = if index == 0 { -0.5 } else { 0.5 };
            chart.bounded(from_kmh + BIN_KMH / 2.0 + aside, percent(share), bounds, colour(index));
        }
        chart.legend(&results.profile, colour(index));
    }
    chart.mark(None, Some(95.0), "#888");
    chart.legend("goal to 15 km/h: 95 %", "#888");
    chart.mark(None, Some(99.5), "#bbb");
    chart.legend("goal from 15 km/h: 99.5 %", "#bbb");
    chart.finish()
}

/// Bins of ΔV that have crashes: where each begins, and the share of them that is found.
fn bins(results: &Results) -> Vec<(f32, Share)> {
    let mut bins = Vec::new();
    let mut from_kmh = 5.0;
    while from_kmh < TO_KMH {
        let is_in_bin = |kmh: f32| kmh >= from_kmh && kmh < from_kmh + BIN_KMH;
        let crashes = results.all_crashes();
        let of =
            crashes.iter().filter(|outcome| outcome.crash.is_some_and(|(crash, _)| is_in_bin(crash.delta_v_mps * KMH)));
        let (hits, of) =
            of.fold((0, 0), |(hits, of), outcome| (hits + usize::from(outcome.confirmed_s.is_some()), of + 1));
        if of > 0 {
            bins.push((from_kmh, Share { hits, of }));
        }
        from_kmh += BIN_KMH;
    }
    bins
}

/// What the grade says against what is true.
fn delta_v(results: &Results) -> String {
    let mut chart = Chart::new(
        &format!("Change of velocity as graded within 300 ms, {}", results.profile),
        Axis::new("true (km/h)", 0.0, 100.0),
        Axis::new("said (km/h)", 0.0, 100.0),
    );
    let (mut known, mut bounds) = (Vec::new(), Vec::new());
    for outcome in results.all_crashes() {
        let (Some((_, ideal)), Some(said)) = (outcome.crash, outcome.graded.and_then(|verdict| verdict.delta_v)) else {
            continue;
        };
        let point = (ideal.delta_v_mps * KMH, said.resultant_mps * KMH);
        if said.is_lower_bound { bounds.push(point) } else { known.push(point) }
    }
    chart.line(&[(0.0, 0.0), (100.0, 100.0)], "#888");
    chart.line(&[(0.0, 0.0), (100.0, 90.0)], "#ccc");
    chart.line(&[(0.0, 0.0), (90.0, 100.0)], "#ccc");
    chart.dots(&thinned(&bounds), colour(1));
    chart.dots(&thinned(&known), colour(0));
    chart.legend("said to be known", colour(0));
    chart.legend("said to be at least", colour(1));
    chart.legend("equal", "#888");
    chart.legend("10 % off", "#ccc");
    chart.finish()
}

/// Every n-th of them, so that a picture stays small.
fn thinned(points: &[(f32, f32)]) -> Vec<(f32, f32)> {
    let step = points.len().div_ceil(MAX_DOTS).max(1);
    points.iter().step_by(step).copied().collect()
}

/// The horizontal acceleration of the first case of each class.
fn pulses(classes: &[Class], seed: u64, title: &str) -> String {
    let mut chart = Chart::new(
        title,
        Axis::new("time from contact, or from the event's begin (ms)", -20.0, 180.0),
        Axis::new("horizontal acceleration (g)", 0.0, if classes.contains(&Class::Kerb) { 4.0 } else { 50.0 }),
    );
    for (index, class) in classes.iter().enumerate() {
        let case = Case::new(seed, *class, 0);
        let zero_s = case.crash.map_or_else(|| loudest_s(&case), |crash| crash.contact_s);
        let points: Vec<(f32, f32)> = case
            .moments(zero_s - 0.02, 0.000_5)
            .step_by(3)
            .take_while(|moment| moment.time_s < zero_s + 0.18)
            .map(|moment| ((moment.time_s - zero_s) * 1e3, moment.force[0].hypot(moment.force[1]) / GRAVITY))
            .collect();
        chart.line(&points, colour(index));
        chart.legend(class.name(), colour(index));
    }
    chart.finish()
}

/// Shortly before the largest horizontal acceleration of a case.
fn loudest_s(case: &Case) -> f32 {
    let horizontal = |moment: &crate::sim::crash::Moment| moment.force[0].hypot(moment.force[1]);
    let moments = case.moments(case.event_s(), 0.001);
    let loudest = moments.max_by(|one, other| horizontal(one).total_cmp(&horizontal(other)));
    loudest.map_or(case.event_s(), |moment| moment.time_s - 0.04)
}
