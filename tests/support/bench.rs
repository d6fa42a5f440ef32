//! Runs tests that need CAN where there is CAN: here, when `TELLTALE_CAN` says so, else on the bench `hil/uml/run`.

use std::path::{Path, PathBuf};
use std::process::Command;

/// The first interface that `TELLTALE_CAN` names.
pub(crate) fn interface() -> Option<String> {
    let names = std::env::var("TELLTALE_CAN").ok()?;
    Some(names.split(',').next().unwrap_or("vcan0").to_owned())
}

/// The bench; none, with a loud skip, where it cannot run; in CI it has to.
pub(crate) fn program() -> Option<PathBuf> {
    let bench = Path::new(env!("CARGO_MANIFEST_DIR")).join("hil/uml/run");
    let check = Command::new(&bench).arg("--check").output().expect("the bench is a script");
    if check.status.success() {
        return Some(bench);
    }
    let reason = String::from_utf8_lossy(&check.stderr).into_owned();
    assert!(std::env::var_os("CI").is_none(), "CI must have the bench: {reason}");
    eprintln!("\n*** SKIPPED: no User-Mode Linux: {reason} ***\n");
    None
}

/// The output of those tests of this file whose names begin with `prefix`, run on the bench one after the other. None
/// where there is no bench.
pub(crate) fn run_tests(prefix: &str, limit_s: u32) -> Option<String> {
    let run = Command::new(program()?)
        .args(["--timeout", &limit_s.to_string(), "--"])
        .arg(std::env::current_exe().expect("own path"))
        .args([prefix, "--test-threads=1", "--color=never", "--show-output"])
        .output()
        .expect("the bench is a script");
    Some([run.stdout, run.stderr].map(|bytes| String::from_utf8_lossy(&bytes).into_owned()).concat())
}

/// Takes the verdict of one test from the output of the bench.
pub(crate) fn assert_passed(output: Option<&str>, test: &str) {
    if let Some(output) = output {
        assert!(output.contains(&format!("test {test} ... ok")), "on the bench:\n{output}");
    }
}
