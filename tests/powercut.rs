//! Short runs of three campaigns; the long ones are the commands `powercut`, `kill9` and `crash_powercut` in
//! `hil/scenarios`.
#![expect(clippy::expect_used, reason = "a test fails by panicking")]

use std::path::{Path, PathBuf};
use std::process::Command;

/// Three times what the campaigns allow: these runs share the machine with all other tests.
const OPEN_LIMIT_MS: &str = "6000";

/// How much of the pulse may be missing before a cut, on a machine that runs all other tests beside.
#[cfg(feature = "demo")]
const LAG_LIMIT_MS: &str = "1500";

#[test]
fn three_power_cuts_lose_nothing() {
    if has_bench() {
        run_scenario("powercut", &["--cycles", "3", "--open-limit-ms", OPEN_LIMIT_MS, "--workload"], "store_torture");
    }
}

#[cfg(feature = "demo")]
#[test]
fn three_crashes_that_take_the_power_are_recorded_and_told_once() {
    if has_bench() {
        let telltaled = env!("CARGO_BIN_EXE_telltaled");
        let words = ["--cuts", "3", "--lag-limit-ms", LAG_LIMIT_MS, "--telltaled", telltaled, "--rig"];
        run_scenario("crash_powercut", &words, "crash_rig");
    }
}

#[test]
fn ten_kills_lose_nothing() {
    run_scenario("kill9", &["--cycles", "10", "--open-limit-ms", OPEN_LIMIT_MS, "--workload"], "store_torture");
}

fn has_bench() -> bool {
    let bench = Path::new(env!("CARGO_MANIFEST_DIR")).join("hil/uml/run");
    let check = Command::new(bench).arg("--check").output().expect("the bench is a script");
    if !check.status.success() {
        let text = String::from_utf8_lossy(&check.stderr).into_owned();
        assert!(std::env::var_os("CI").is_none(), "CI must have the bench: {text}");
        eprintln!("\n*** SKIPPED: no User-Mode Linux: {text} ***\n");
    }
    check.status.success()
}

/// The scenario prints its seed and a report, and its exit status is the verdict. The last of `words` asks for the example.
fn run_scenario(name: &str, words: &[&str], example: &str) {
    let scenario = Path::new(env!("CARGO_MANIFEST_DIR")).join("hil/scenarios").join(name);
    let output = Command::new(scenario).args(words).arg(built(example)).output().expect("the scenario is a script");
    println!("{}", String::from_utf8_lossy(&output.stdout));
    eprintln!("{}", String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{name}: {}", output.status);
}

/// The example, built with the library that is being tested.
fn built(example: &str) -> PathBuf {
    let built = Command::new(env!("CARGO")).args(["build", "--quiet", "--example", example]).status();
    assert!(built.expect("cargo").success());
    let test = std::env::current_exe().expect("own path");
    test.ancestors().nth(2).expect("the profile's directory").join("examples").join(example)
}
