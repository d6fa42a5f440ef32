//! The wall clock is set, both ways, and the shell is told at once; no interval changes.
//!
//! Setting the clock of a machine that others use is rude: the test runs itself again on the bench `hil/uml/run`, whose
//! guest has a clock of its own.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::path::Path;
use std::process::Command;
use std::time::Duration;

use nix::sys::time::TimeSpec;
use nix::time::{ClockId, clock_gettime, clock_settime};
use telltale::io::clock::MonoClock;
use telltale::time::{Clock, ClockChange};

/// Set on the bench.
const ON_BENCH: &str = "TELLTALE_CLOCK_MAY_BE_SET";
/// The wait that a step must cut short.
const LONGEST: Duration = Duration::from_secs(60);
/// How soon "at once" is on a slow bench.
const SOON: Duration = Duration::from_secs(5);
const HOUR_S: i64 = 3_600;

#[test]
fn a_step_is_told_at_once_and_moves_no_interval() {
    if std::env::var_os(ON_BENCH).is_none() {
        return run_on_bench();
    }
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let clock = MonoClock::new().unwrap();
    for step_s in [HOUR_S, -2 * HOUR_S] {
        let mut mapping = Clock::default();
        let (before, reading) = clock.wall();
        mapping.offer(before, reading);
        runtime.block_on(async {
            let setter = async {
                // Let the other side begin to wait.
                tokio::time::sleep(Duration::from_millis(200)).await;
                let now = clock_gettime(ClockId::CLOCK_REALTIME).unwrap();
                let stepped = TimeSpec::new(now.tv_sec() + step_s, now.tv_nsec());
                clock_settime(ClockId::CLOCK_REALTIME, stepped).expect("the guest's root may set its clock");
            };
            tokio::join!(clock.until_set_or(LONGEST), setter);
        });
        let (after, reading) = clock.wall();
        let waited = after.since(before);
        assert!(waited >= Duration::from_millis(200) && waited < SOON, "{waited:?}");
        let change = mapping.offer(after, reading);
        let micros = match change {
            Some(ClockChange::Stepped(micros)) => micros,
            _ => 0,
        };
        assert!((micros - step_s * 1_000_000).abs() < 1_000_000, "{change:?} for {step_s} s");
    }
}

fn run_on_bench() {
    let bench = Path::new(env!("CARGO_MANIFEST_DIR")).join("hil/uml/run");
    let can = Command::new(&bench).arg("--check").output().is_ok_and(|check| check.status.success());
    if !can {
        assert!(std::env::var_os("CI").is_none(), "{} cannot run here, and CI is set", bench.display());
        eprintln!("SKIPPED: {} cannot run here (user-mode-linux is missing)", bench.display());
        return;
    }
    let run = Command::new(&bench)
        .args(["--timeout", "120", "--", "env", &format!("{ON_BENCH}=1")])
        .arg(std::env::current_exe().unwrap())
        .args(["--exact", "a_step_is_told_at_once_and_moves_no_interval", "--nocapture"])
        .output()
        .unwrap();
    let words = String::from_utf8_lossy(&run.stdout).into_owned() + &String::from_utf8_lossy(&run.stderr);
    assert!(run.status.success(), "{words}");
    assert!(words.contains("1 passed"), "it did not run: {words}");
}
