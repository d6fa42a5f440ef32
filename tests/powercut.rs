//! Short runs of the two campaigns; the long ones are the commands `hil/scenarios/powercut` and `hil/scenarios/kill9`.
#![expect(clippy::expect_used, reason = "a test fails by panicking")]

use std::path::{Path, PathBuf};
use std::process::Command;

/// The store's own limit (`OPEN_DEADLINE`), five times what the campaigns allow: these runs share the machine with all other
/// tests.
const OPEN_LIMIT_MS: &str = "10000";

#[test]
fn three_power_cuts_lose_nothing() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let bench = Command::new(root.join("hil/uml/run")).arg("--check").output().expect("the bench is a script");
    if !bench.status.success() {
        let text = String::from_utf8_lossy(&bench.stderr).into_owned();
        assert!(std::env::var_os("CI").is_none(), "CI must have the bench: {text}");
        eprintln!("\n*** SKIPPED: no User-Mode Linux: {text} ***\n");
        return;
    }
    run_scenario("powercut", "3");
}

#[test]
fn ten_kills_lose_nothing() {
    run_scenario("kill9", "10");
}

/// The scenario prints its seed and a report, and its exit status is the verdict.
fn run_scenario(name: &str, cycles: &str) {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let output = Command::new(root.join("hil/scenarios").join(name))
        .args(["--cycles", cycles, "--open-limit-ms", OPEN_LIMIT_MS, "--workload"])
        .arg(workload())
        .output()
        .expect("the scenario is a script");
    println!("{}", String::from_utf8_lossy(&output.stdout));
    eprintln!("{}", String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{name}: {}", output.status);
}

/// The example, built with the library that is being tested.
fn workload() -> PathBuf {
    let built = Command::new(env!("CARGO")).args(["build", "--quiet", "--example", "store_torture"]).status();
    assert!(built.expect("cargo").success());
    let test = std::env::current_exe().expect("own path");
    test.ancestors().nth(2).expect("the profile's directory").join("examples/store_torture")
}
