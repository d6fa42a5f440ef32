//! The unit that ships is one that systemd accepts, and its sandbox does not get weaker unseen.

use std::fs;
use std::process::Command;

/// `systemd-analyze security` of the unit: 0 is sealed, 10 is open. A change that opens it up must say so here.
const MAX_EXPOSURE: f64 = 2.2;

fn analyzer_is_there() -> bool {
    let there = Command::new("systemd-analyze").arg("--version").output().is_ok();
    assert!(there || std::env::var_os("CI").is_none(), "CI needs systemd-analyze: apt-get install systemd");
    if !there {
        println!("SKIPPED: systemd-analyze is missing; apt-get install systemd");
    }
    there
}

#[test]
fn systemd_accepts_the_unit() {
    if !analyzer_is_there() {
        return;
    }
    let folder = tempfile::tempdir().expect("a temporary folder");
    let unit = fs::read_to_string("systemd/telltaled.service").expect("the unit");
    // The analyzer wants the command to exist, and this machine has it elsewhere than the target.
    let unit = unit.replace("/usr/bin/telltaled", env!("CARGO_BIN_EXE_telltaled"));
    let path = folder.path().join("telltaled.service");
    fs::write(&path, unit).expect("written");
    let verdict = Command::new("systemd-analyze").args(["verify", "--man=no"]).arg(&path).output().expect("runs");
    let words = String::from_utf8_lossy(&verdict.stderr).into_owned();
    assert!(verdict.status.success() && words.trim().is_empty(), "{words}");
}

#[test]
fn the_sandbox_stays_tight() {
    if !analyzer_is_there() {
        return;
    }
    let verdict = Command::new("systemd-analyze")
        .args(["security", "--offline=yes", "--no-pager", "systemd/telltaled.service"])
        .output()
        .expect("runs");
    let words = String::from_utf8_lossy(&verdict.stdout).into_owned();
    let exposure: f64 = words
        .split("Overall exposure level for telltaled.service: ")
        .nth(1)
        .and_then(|rest| rest.split_whitespace().next())
        .and_then(|figure| figure.parse().ok())
        .expect("the analyzer prints an exposure level");
    assert!(exposure <= MAX_EXPOSURE, "exposure {exposure}, at most {MAX_EXPOSURE}");
}
