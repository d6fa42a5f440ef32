//! The README's first command: the whole system on one machine, through a coverage gap, with nothing lost.

#![cfg(feature = "demo")]

use std::process::Command;

/// Long enough for the gap in the simulated road, from second 26 to 49, and for what drains behind it.
const DURATION_S: &str = "56";

#[test]
fn the_demo_ends_by_itself_and_nothing_was_lost() {
    let demo = Command::new(env!("CARGO_BIN_EXE_telltaled"))
        .args(["demo", "--duration", DURATION_S])
        .output()
        .expect("the demo starts");
    let (out, log) = (String::from_utf8_lossy(&demo.stdout), String::from_utf8_lossy(&demo.stderr));
    assert!(demo.status.success(), "{:?}\n{out}\n{log}", demo.status);
    for line in ["coverage lost", "coverage is back", "event/telltale.raised TirePressure", "nothing was lost"] {
        assert!(out.contains(line), "no `{line}` in\n{out}");
    }
    let figure = |name: &str| -> u64 {
        let line = out.lines().find(|line| line.trim_start().starts_with(name)).expect("a line of the summary");
        line.split_whitespace().last().and_then(|figure| figure.parse().ok()).expect("a figure")
    };
    assert!(figure("frames decoded") > 10_000, "{out}");
    assert!(figure("events") >= 3, "{out}");
    assert!(figure("drained from sled") >= 1, "{out}");
    assert_eq!(figure("missing at the cloud"), 0, "{out}");
    assert_eq!(figure("out of order in a lane"), 0, "{out}");
}
