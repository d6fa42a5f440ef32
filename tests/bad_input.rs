//! What the command line makes of files that are not what they should be: an exit code, a sentence, and an end.
#![expect(clippy::expect_used, reason = "a test fails by panicking")]

use std::fs::{self, File};
use std::net::TcpListener;
use std::path::Path;
use std::process::{Command, Output, Stdio};

use tempfile::TempDir;

const DATA_ERROR: i32 = 65;
const UNAVAILABLE: i32 = 69;
const BAD_CONFIG: i32 = 78;

struct Desk {
    folder: TempDir,
}

impl Desk {
    /// A folder with a deployment of the demo's car, whose first bus is `can0`.
    fn new() -> Self {
        let folder = TempDir::new().expect("a folder");
        let profile = Path::new(env!("CARGO_MANIFEST_DIR")).join("profiles/demo-phev");
        let deployment = format!(
            "schema = 1\nprofile = \"{}\"\n[vehicle]\nid = \"car\"\n[bus.powertrain]\ninterface = \"can0\"\n\
             [bus.body]\ninterface = \"can1\"\n[bus.energy]\ninterface = \"can2\"\n[broker]\nhost = \"127.0.0.1\"\n\
             [store]\npath = \"{}\"\n",
            profile.display(),
            folder.path().join("store").display()
        );
        let desk = Self { folder };
        desk.write("car.toml", &deployment);
        desk
    }

    fn write(&self, name: &str, text: &str) {
        fs::write(self.folder.path().join(name), text).expect("written");
    }

    fn command(&self, args: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_telltaled"));
        command.args(args).current_dir(self.folder.path());
        command
    }

    fn run(&self, args: &[&str]) -> (Option<i32>, String, String) {
        let Output { status, stdout, stderr } = self.command(args).output().expect("it runs");
        let text = |bytes: Vec<u8>| String::from_utf8_lossy(&bytes).into_owned();
        (status.code(), text(stdout), text(stderr))
    }

    fn replay(&self, log: &str) -> (Option<i32>, String, String) {
        self.write("log", log);
        self.run(&["replay", "--config", "car.toml", "--can", "log"])
    }
}

#[test]
fn a_log_that_is_none_is_a_data_error() {
    let desk = Desk::new();
    let dbc = concat!(env!("CARGO_MANIFEST_DIR"), "/profiles/demo-phev/body.dbc");
    let (code, _, complaint) = desk.replay("not a log\nat all\n");
    assert_eq!(code, Some(DATA_ERROR), "{complaint}");
    let (code, _, complaint) = desk.run(&["decode", "--dbc", dbc, "log"]);
    assert_eq!(code, Some(DATA_ERROR), "{complaint}");
}

#[test]
fn a_log_of_another_interface_is_not_passed_over_in_silence() {
    let desk = Desk::new();
    let (code, _, complaint) = desk.replay("(1700000000.000000) vcan7 123#00\n");
    assert_eq!(code, Some(DATA_ERROR), "{complaint}");
    assert!(complaint.contains("can0, can1, can2"), "{complaint}");
    let (code, ..) = desk.replay("(1700000000.000000) vcan7 123#00\n(1700000000.100000) can1 123#00\n");
    assert_eq!(code, Some(0));
}

#[test]
fn a_replay_ends_though_the_loggers_clock_was_set_in_the_middle() {
    let desk = Desk::new();
    let (code, messages, complaint) = desk.replay("(1.0) can0 123#00\n(1900000000.000000) can0 123#00\n");
    assert_eq!(code, Some(0), "{complaint}");
    assert!(messages.lines().last().is_some_and(|line| line.contains("presence")), "{messages}");
    let last = format!("({}.0) can0 123#00\n", i64::MAX / 1_000_000);
    let (code, _, complaint) = desk.replay(&format!("(0.0) can0 123#00\n{last}{last}"));
    assert_eq!(code, Some(0), "{complaint}");
    desk.write("gnss", "$GPRMC,000000.00,A*00\n$GPRMC,230000.00,A*00\n");
    desk.write("log", &last);
    let (code, _, complaint) = desk.run(&["replay", "--config", "car.toml", "--can", "log", "--gnss", "gnss"]);
    assert_eq!(code, Some(0), "{complaint}");
}

#[test]
fn the_exit_code_tells_though_nobody_can_read_the_sentence() {
    let desk = Desk::new();
    let full = File::options().write(true).open("/dev/full").expect("every Linux has it");
    let status = desk.command(&["check", "none.toml"]).stderr(Stdio::from(full)).status().expect("it runs");
    assert_eq!(status.code(), Some(BAD_CONFIG));
}

#[test]
fn a_taken_metrics_address_may_be_free_later() {
    let desk = Desk::new();
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = listener.local_addr().expect("it is bound");
    let deployment = fs::read_to_string(desk.folder.path().join("car.toml")).expect("it was written");
    desk.write("car.toml", &format!("{deployment}[metrics]\nlisten = \"{address}\"\n"));
    let (code, _, complaint) = desk.run(&["run", "--config", "car.toml"]);
    assert_eq!(code, Some(UNAVAILABLE), "{complaint}");
}
