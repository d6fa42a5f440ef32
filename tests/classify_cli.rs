//! `telltaled classify` as a script calls it, on series that are made here.
#![expect(clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

#[path = "common/telltaled.rs"]
#[expect(dead_code, reason = "another test uses the rest")]
mod program;

use std::f64::consts::PI;
use std::fmt::Write as _;
use std::path::Path;
use std::process::Output;

use serde_json::Value as Json;
use tempfile::TempDir;

use program::{argument, project, telltaled, text, write};

/// Contact, and the duration of the pulse, in s.
const CONTACT_S: f64 = 0.2;
const PULSE_S: f64 = 0.1;

/// 600 ms at 1 kHz, at rest but for a half-sine against the car's front with that change of velocity.
fn series(delta_v_mps: f64) -> String {
    let mut text = "t_s,ax_mps2,ay_mps2,az_mps2\n".to_owned();
    for time_s in (0..600_u16).map(|step| f64::from(step) / 1_000.0) {
        let phase = (time_s - CONTACT_S) / PULSE_S;
        let is_inside = (0.0..1.0).contains(&phase);
        let x = if is_inside { -delta_v_mps * PI / 2.0 / PULSE_S * (PI * phase).sin() } else { 0.0 };
        writeln!(text, "{time_s},{x},0,9.81").expect("a string takes everything");
    }
    text
}

fn classify(arguments: &[&str]) -> Output {
    telltaled(&[&["classify", "--rate", "1000"], arguments].concat())
}

/// The one line that it printed, having ended well.
fn verdict(output: &Output) -> Json {
    assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
    serde_json::from_slice(&output.stdout).expect("one JSON line")
}

fn assert_near(value: &Json, wanted: f64, tolerance: f64) {
    let said = value.as_f64().unwrap_or_else(|| panic!("no number: {value}"));
    assert!((said - wanted).abs() <= tolerance, "{said}, not {wanted}");
}

fn stages(verdict: &Json) -> Vec<&str> {
    let stages = verdict["stages"].as_array().expect("a list");
    stages.iter().map(|said| said["stage"].as_str().expect("a name")).collect()
}

#[test]
fn a_crash_is_told_with_its_figures() {
    let folder = TempDir::new().expect("a folder");
    let said = verdict(&classify(&[&write(&folder, "crash.csv", series(15.0))]));
    assert_eq!((&said["verdict"], &said["side"]), (&"crash".into(), &"front".into()));
    assert_near(&said["contact_s"], CONTACT_S, 0.005);
    assert_near(&said["time_to_verdict_ms"], 25.0, 20.0);
    assert_near(&said["delta_v"]["x_mps"], -15.0, 0.5);
    assert_near(&said["delta_v"]["resultant_mps"], 15.0, 0.5);
    assert_eq!((&said["delta_v"]["is_lower_bound"], &said["impacts"]), (&false.into(), &1.into()));
    assert_near(&said["direction"]["pdof_deg"], 0.0, 2.0);
    assert_eq!((&said["direction"]["clock"], &said["severity"]), (&12.into(), &"serious".into()));
    assert_near(&said["evidence"]["peak_mps2"], 15.0 * PI / 2.0 / PULSE_S, 5.0);
    assert_near(&said["evidence"]["pulse_ms"], PULSE_S * 1e3, 10.0);
    assert_eq!(stages(&said), ["suspected", "confirmed", "graded", "closed"]);
    assert_eq!(said["faults"], Json::Array(Vec::new()));
}

#[test]
fn of_a_quiet_series_nothing_is_told() {
    let folder = TempDir::new().expect("a folder");
    let picture = argument(&folder.path().join("quiet.svg"));
    let said = verdict(&classify(&[&write(&folder, "quiet.csv", series(0.0)), "--plot", &picture]));
    assert_eq!((&said["verdict"], said["faults"].as_array().map(Vec::len)), (&"none".into(), Some(0)));
    for member in ["severity", "contact_s", "time_to_verdict_ms", "delta_v", "direction", "side", "mais3", "evidence"] {
        assert_eq!(said.get(member), Some(&Json::Null), "{member}");
    }
    assert!(stages(&said).is_empty(), "{said}");
    assert!(!std::fs::read_to_string(picture).expect("a picture").contains("contact"));
}

#[test]
fn a_profile_shows_the_series_as_its_sensors_would() {
    let folder = TempDir::new().expect("a folder");
    let file = write(&folder, "crash.csv", series(15.0));
    let profile = argument(&project("profiles/toyota-rav4"));
    let said = verdict(&classify(&["--profile", &profile, &file]));
    assert_eq!((&said["verdict"], &said["delta_v"]["is_lower_bound"]), (&"crash".into(), &true.into()));
    assert_near(&said["evidence"]["peak_mps2"], 18.34, 0.01);
    assert_near(&said["evidence"]["saturated_ms"], 90.0, 20.0);
}

#[test]
fn a_plot_has_the_marks_and_no_value_that_is_none() {
    let folder = TempDir::new().expect("a folder");
    let picture = argument(&folder.path().join("pulse.svg"));
    let draw = |text: &str| {
        let file = write(&folder, "pulse.csv", text);
        verdict(&classify(&["--plot", &picture, &file]));
        std::fs::read_to_string(&picture).expect("a picture")
    };
    let drawn = draw(&series(15.0));
    for label in ["contact", "suspected", "confirmed", "graded", "ax", "ΔVx", "time in s"] {
        assert!(drawn.contains(&format!(">{label}</text>")), "{label} is missing");
    }
    // Short floats hold no milliseconds of so late a time.
    let mut late = "t_s,ax_mps2\n".to_owned();
    for step in 0..300_u16 {
        writeln!(late, "{:.4},{}", 1_000_000.0 + f64::from(step) * 1e-4, step % 7).expect("a string");
    }
    let largest = "ax_mps2,ay_mps2\n1e6,-1e6\n-1e6,1e6\n1e6,-1e6\n";
    for drawn in [drawn, draw(&late), draw(largest)] {
        assert!(drawn.starts_with("<svg") && drawn.ends_with("</svg>\n"));
        assert!(!drawn.contains("NaN") && !drawn.contains("inf"), "{drawn}");
    }
}

#[test]
fn bad_input_is_refused_with_a_status_for_scripts() {
    let folder = TempDir::new().expect("a folder");
    let assert_refused = |output: &Output, status: i32, word: &str| {
        let said = text(&output.stderr);
        assert_eq!((output.status.code(), text(&output.stdout).as_str()), (Some(status), ""), "{said}");
        assert!(said.contains(word), "{word:?} is missing in {said}");
    };
    for (text, word) in [
        ("", "it is empty"),
        ("t_s,ax_mps2\n0,1\n0.001,x\n", "line 3"),
        ("t_s,ax_mps2\n0,1\n1e-9,1\n2e-9,1\n", "line 3"),
        ("t_s,ax_mps2\n0,1\n0.001,1\n1000000,1\n", "line 4"),
        ("t_s,ax_mps2\n0,1\n0.001,1e300\n", "line 3"),
    ] {
        assert_refused(&classify(&[&write(&folder, "bad.csv", text)]), 65, word);
    }
    let binary = write(&folder, "binary.csv", b"t_s,ax_mps2\n\xff\xfe\n");
    assert_refused(&classify(&[&binary]), 65, "line 2");
    let sparse = write(&folder, "sparse.csv", "t_s,ax_mps2\n0,1\n100,1\n");
    verdict(&classify(&[&sparse]));
    assert_refused(&telltaled(&["classify", "--rate", "1000000", &sparse]), 65, "--rate");
    for rate in ["0", "NaN", "2000000"] {
        assert_refused(&telltaled(&["classify", "--rate", rate, &sparse]), 65, "--rate");
    }
    assert_refused(&classify(&[&argument(&folder.path().join("missing.csv"))]), 66, "missing.csv");
    assert_refused(&classify(&[&sparse, "--profile", "/nowhere"]), 78, "/nowhere");
    assert_refused(&classify(&[&sparse, "--plot", "/nowhere/pulse.svg"]), 74, "/nowhere/pulse.svg");
    for usage in [&["classify", &sparse][..], &["classify", "--rate", "fast", &sparse], &["classify"]] {
        assert_refused(&telltaled(usage), 2, "--rate");
    }
}

#[test]
fn an_input_without_an_end_is_refused_at_its_first_line() {
    let folder = TempDir::new().expect("a folder");
    let hole = folder.path().join("hole.csv");
    std::fs::File::create(&hole).and_then(|file| file.set_len(1 << 40)).expect("a file of nothing takes no room");
    for endless in [hole.as_path(), Path::new("/dev/zero")] {
        let output = classify(&[&argument(endless)]);
        let said = text(&output.stderr);
        assert_eq!(output.status.code(), Some(65), "{said}");
        assert!(said.contains("line 1") && said.contains("512 bytes"), "{said}");
    }
}
