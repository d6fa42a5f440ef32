//! The recognition of crashes on a small share of the evaluation's cases, held to the goals.
//!
//! Whether the goals are met is the business of `telltaled evaluate-crash`, which runs enough cases to tell. On so few of
//! a fixed seed, falling through a floor is a regression.
#![cfg(feature = "demo")]
#![expect(clippy::expect_used, reason = "a test fails by panicking")]

use std::path::Path;

use telltale::config::Profile;
use telltale::sim::crash::{Case, Rig};
use telltale::sim::evaluation::{Crashes, Plan, Quiet, Results, examine, text};

const PLAN: Plan = Plan { seed: 2_026, crashes: 63, quiet: 220 };

/// What a car must reach on these cases.
struct Floor {
    /// Share of the crashes of 15 km/h and more, and of those below.
    full: f64,
    low: f64,
    /// The median time to the verdict.
    median_ms: f32,
    /// False confirmations at most, of 220.
    false_ones: usize,
}

fn assert_reaches(name: &str, floor: &Floor) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("profiles").join(name);
    let rig = Rig::new(&Profile::load(&folder, &|path| std::fs::read(path)).expect("the project's own profile"));
    let outcomes: Vec<_> =
        PLAN.cases().map(|(class, number)| examine(&rig, &Case::new(PLAN.seed, class, number))).collect();
    assert_eq!(outcomes.len(), 283);
    let results = Results { profile: rig.name.clone(), range: rig.range(), outcomes };
    let found = |is_full| Crashes::of(&results.crashes(is_full)).found.value().unwrap_or_default();
    let median_ms = Crashes::of(&results.all_crashes()).confirmed_ms.median().unwrap_or(f32::MAX);
    let false_ones = Quiet::of(&results.quiet()).confirmed.hits;
    let table = text(&results);
    assert!(found(true) >= floor.full && found(false) >= floor.low, "too few are found:\n{table}");
    assert!(median_ms <= floor.median_ms, "{median_ms} ms:\n{table}");
    assert!(false_ones <= floor.false_ones, "{false_ones} false confirmations:\n{table}");
}

#[test]
fn a_car_that_sees_a_crash_finds_them_all_in_time() {
    assert_reaches("demo-phev", &Floor { full: 1.0, low: 1.0, median_ms: 45.0, false_ones: 0 });
}

#[test]
fn a_car_whose_sensors_clip_finds_most() {
    assert_reaches("toyota-rav4", &Floor { full: 0.995, low: 0.95, median_ms: 60.0, false_ones: 0 });
}
