//! The recognition of crashes on a small share of the evaluation's cases, held to the goals.
//!
//! Whether the goals are met is the business of `telltaled evaluate-crash`, which runs enough cases to tell. On so few of
//! a fixed seed, falling through a floor is a regression.
#![cfg(feature = "demo")]
#![expect(clippy::expect_used, reason = "a test fails by panicking")]

use std::path::Path;

use telltale::config::Profile;
use telltale::crash::Stage;
use telltale::sim::crash::{Case, Class, Rig};
use telltale::sim::evaluation::{Crashes, Plan, Quiet, Results, examine, text, words};

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

fn rig(name: &str) -> Rig {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("profiles").join(name);
    Rig::new(&Profile::load(&folder, &|path| std::fs::read(path)).expect("the project's own profile"))
}

fn assert_reaches(name: &str, floor: &Floor) {
    let rig = rig(name);
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

/// Single cases, each of which stands for a rule: what a witness tells, and what it does not.
#[test]
fn witnesses_are_taken_for_what_they_tell() {
    let rules = [
        (
            "demo-phev",
            "zero-shift",
            0x5561_6613_7a02_b3d9,
            false,
            "a sensor that feels the brake contradicts a push across",
        ),
        ("demo-phev", "bus-silence", 0x7feb_7f53_f02b_b164, false, "wheels slip under ABS"),
        ("toyota-rav4", "lost-frames", 0x4bf5_d6de_1a09_bed5, false, "wheels that roll on tell a kerb"),
        ("toyota-rav4", "frame-bursts", 0x3138_86b1_d9ec_963c, false, "a speed that is told again is not unknown"),
        ("toyota-rav4", "offset", 0x3691_5b83_ea8b_8744, true, "the bus is cut, and GNSS tells the loss of speed"),
        ("toyota-rav4", "side", 0x0e4f_7950_93f6_42b7, true, "the first sample of a blow is no roughness before it"),
        ("toyota-rav4", "side", 0x6781_492c_4457_38f3, true, "a car that stood goes through no bend"),
        ("toyota-rav4", "resonance", 0x8cee_6a11_0521_defd, false, "what rattles on after a blow is none"),
        ("toyota-rav4", "loose-sensor", 0x88c6_a530_360f_15a0, false, "what wanders before a blow is loose"),
        ("toyota-rav4", "kerb", 0xa22e_7237_3169_c1c2, false, "tires that grip stop the yaw of a kerb"),
        ("toyota-rav4", "side", 0xac1b_3e3c_7fcd_de9c, true, "a struck car turns on"),
        ("toyota-rav4", "pole", 0x6906_2acd_ae34_1e5b, true, "a car that slid is struck by two samples"),
        ("toyota-rav4", "rear", 0x2c83_b9e5_982b_1264, true, "nothing stops what was pushed out of reach"),
        ("toyota-rav4", "handling", 0xf454_a872_8dc4_d1ef, false, "a hand stops what it pushed"),
        ("toyota-rav4", "handling", 0x452e_29f2_0682_f5b9, false, "a hand turns on what it pushed"),
        (
            "toyota-rav4",
            "frame-bursts",
            0xbaf1_1c88_7e71_45ef,
            false,
            "a bus that is silent cuts off no blow that stayed within the range",
        ),
        (
            "toyota-rav4",
            "zero-shift",
            0x9a98_8100_1dfa_2b07,
            false,
            "a brake and a shifted zero push longer than a blow",
        ),
    ];
    for (car, class, seed, is_crash, rule) in rules {
        let case = Case::of_seed(Class::named(class).expect("a class"), 0, seed);
        let (words, _) = words(&rig(car), &rig(car).perceive(&case));
        let is_confirmed = words.iter().any(|word| word.verdict.stage == Stage::Confirmed);
        assert_eq!(is_confirmed, is_crash, "{car}, {class} {seed:#x}: {rule}");
    }
}
