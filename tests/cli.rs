//! The subcommands as scripts see them: what they print, and how they end.
#![expect(clippy::expect_used, reason = "a test fails by panicking")]

#[path = "common/telltaled.rs"]
mod program;

use std::process::Output;

use serde_json::Value as Json;
use tempfile::TempDir;

use program::{argument, deployment, project, telltaled, text, write};

fn assert_code(output: &Output, code: i32) {
    let (stdout, stderr) = (text(&output.stdout), text(&output.stderr));
    assert_eq!(output.status.code(), Some(code), "{stdout}\n{stderr}");
}

#[test]
fn check_shows_what_will_be_decoded_and_published() {
    let output = telltaled(&["check", &argument(&project("systemd/telltale.toml"))]);
    assert_code(&output, 0);
    let table = text(&output.stdout);
    let lines = [
        "vehicle car-0001 is a demo-phev",
        "bus powertrain on can0",
        "bus body on can1",
        "bus energy on can2",
        "Vehicle.Telltale.TirePressure",
        "checksum e2e",
    ];
    for line in lines {
        assert!(table.contains(line), "{line:?} is missing in\n{table}");
    }
}

/// One run is enough to find everything, in all three files.
#[test]
fn check_finds_every_error_of_every_file_at_once() {
    let folder = TempDir::new().expect("a folder");
    let deployment = deployment(folder.path(), &[("pt", "can0")]).replace("host", "hots");
    let config = write(&folder, "telltale.toml", deployment + "[log]\nfilter = 7\n");
    write(
        &folder,
        "profile.toml",
        "schema = 1\nname = \"x\"\nversion = \"1\"\ndescription = \"x\"\n[[bus]]\nname = \"pt\"\ndbc = [\"a.dbc\"]\n\
         [[signal]]\npath = \"Vehicle.Sped\"\nfrom = \"pt.M.S\"\n[[message]]\nname = \"pt.M\"\nperiod = 10\n",
    );
    write(
        &folder,
        "a.dbc",
        "VERSION \"\"\nBU_: X\nBO_ 256 M: 8 X\n SG_ S : 60|16@1+ (1,0) [0|0] \"\" X\nBO_ nonsense\n",
    );
    let output = telltaled(&["check", &config]);
    assert_code(&output, 78);
    assert!(output.stdout.is_empty(), "a table of what is broken");
    let errors = text(&output.stderr);
    for part in ["telltale.toml:", "hots", "filter", "profile.toml:", "period", "a.dbc:"] {
        assert!(errors.contains(part), "{part:?} is missing in\n{errors}");
    }
    assert_code(&telltaled(&["run", "--config", &config]), 78);
}

#[test]
fn decode_prints_a_line_per_value() {
    let folder = TempDir::new().expect("a folder");
    let dbc = argument(&project("profiles/toyota-rav4/rav4.dbc"));
    let log = write(&folder, "can.log", "(1533224127.000023) can0 0B4#000000001D0B7A5E\n(1533224127.1) nonsense\n");
    let output = telltaled(&["decode", "--dbc", &dbc, &log]);
    let lines: Vec<Json> =
        text(&output.stdout).lines().map(|line| serde_json::from_str(line).expect("a JSON line")).collect();
    let speed = lines.iter().find(|line| line["signal"] == "VehicleSpeed").expect("the speed");
    assert_eq!((&speed["t"], &speed["id"]), (&serde_json::json!(1_533_224_127.000_023), &"0B4".into()));
    assert_eq!((&speed["raw"], &speed["unit"]), (&2_938.into(), &"km/h".into()));
    assert_eq!(speed["value"], 29.38);
}

#[test]
fn version_is_one_json_line() {
    let output = telltaled(&["version"]);
    assert_code(&output, 0);
    let line: Json = serde_json::from_slice(&output.stdout).expect("JSON");
    assert_eq!((&line["name"], &line["version"]), (&"telltaled".into(), &env!("CARGO_PKG_VERSION").into()));
    assert_eq!(line["demo"], cfg!(feature = "demo"));
}

/// A missing input is not a broken configuration: the deployment file is the one, logs and databases are the other.
#[test]
fn missing_files_end_with_their_own_code() {
    let folder = TempDir::new().expect("a folder");
    let missing = argument(&folder.path().join("missing"));
    let dbc = argument(&project("profiles/toyota-rav4/rav4.dbc"));
    let rav4 = deployment(&project("profiles/toyota-rav4"), &[("pt", "can0")]);
    let config = write(&folder, "telltale.toml", rav4);
    for arguments in [
        ["decode", "--dbc", &dbc, &missing].as_slice(),
        &["decode", "--dbc", &missing, &dbc],
        &["replay", "--config", &config, "--can", &missing],
        &["replay", "--config", &config, "--can", &config, "--gnss", &missing],
    ] {
        let output = telltaled(arguments);
        assert_code(&output, 66);
        assert!(text(&output.stderr).contains("missing"), "{}", text(&output.stderr));
    }
    assert_code(&telltaled(&["check", &missing]), 78);
    assert_code(&telltaled(&["no-such-command"]), 2);
}
