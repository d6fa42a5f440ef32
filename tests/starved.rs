//! A daemon whose bus thread gets no processor for seconds, while the car goes on: what happened then is told as it was.
//!
//! The frames come over the loopback of UDP, in the kernel's form, instead of from a CAN interface: the daemon reads both
//! by the same code, with kernel stamps.
#![expect(clippy::expect_used, reason = "a test fails by panicking")]

#[path = "common/udp_bus.rs"]
mod udp_bus;

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs;
use std::net::UdpSocket;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::mpsc;
use std::thread::{self, sleep};
use std::time::Duration;

use serde_json::Value as Json;
use telltale::can::{BusId, CanId, Frame, FrameKind};
use telltale::config::Config;
use telltale::runtime::{self, Plan};
use telltale::services::telltales::{BULB_CHECK, CLEAR_HOLD, RAISE_HOLD};
use tokio::time::Instant;

const DBC: &str = "VERSION \"\"\nBU_: X\nBO_ 256 Cluster: 1 X\n SG_ Lamp : 0|2@1+ (1,0) [0|3] \"\" X\n";

const PROFILE: &str = r#"
schema = 1
name = "lamps"
version = "1"
description = "for tests"
[[bus]]
name = "pt"
dbc = ["car.dbc"]
[[bus]]
name = "body"
dbc = ["car.dbc"]
"#;

/// A lamp whose message is sent all the time, and one whose message is sent when it changes; each on a bus of its own.
const LAMPS: [(&str, &str); 2] = [("pt", "Cyclic"), ("body", "OnChange")];

/// How often the cluster says what it shows: the backlog is many batches long.
const PERIOD: Duration = Duration::from_millis(10);

/// So long a lamp is steady, and the first then flashes.
const LIT: Duration = Duration::from_millis(1_500);

/// The thread of the buses does nothing for so long: all of it happens meanwhile, and is over.
const STARVED: Duration = Duration::from_secs(6);

/// The thread is starved by then: it looks once a second whether it is to be.
const ACTS_AFTER: Duration = Duration::from_millis(1_200);

/// How far a time may be off: the period of the frames, and what a busy machine takes to send one.
const SLACK_S: f64 = 0.5;

#[test]
fn lamps_that_were_lit_while_the_daemon_got_no_processor_make_all_their_events() {
    assert!(LIT > RAISE_HOLD && LIT * 3 + ACTS_AFTER < STARVED);
    let folder = tempfile::tempdir().expect("a folder");
    let file = deployment(folder.path());
    let ([cyclic, first], [on_change, second]) = (udp_bus::pair(), udp_bus::pair());
    let (starve, starves) = mpsc::channel::<()>();
    let (stop, stopped) = tokio::sync::oneshot::channel();
    let config = Config::load(&file, &|path| fs::read(path)).unwrap_or_else(|problems| panic!("{problems}"));
    let plan = Plan {
        sockets: BTreeMap::from([(BusId(0), first.into()), (BusId(1), second.into())]),
        observer: Some(Box::new(move |_| {
            if starves.try_recv().is_ok() {
                sleep(STARVED);
            }
        })),
        stop: Some(stopped),
        ..Plan::new(config, Box::new(|| ()))
    };
    let daemon = thread::spawn(move || runtime::run(plan));

    // Lamps that are lit while the daemon may think that it is their self-test make no events.
    send(&on_change, 0);
    show(&cyclic, 0, BULB_CHECK + Duration::from_secs(1));
    starve.send(()).expect("the daemon lives");
    show(&cyclic, 0, ACTS_AFTER);
    show(&cyclic, 1, LIT);
    show(&cyclic, 2, LIT);
    send(&cyclic, 0);
    // No other frame says meanwhile that time passes.
    send(&on_change, 1);
    sleep(LIT);
    send(&on_change, 0);
    show(&cyclic, 0, STARVED + CLEAR_HOLD);
    stop.send(()).expect("the daemon lives");
    daemon.join().expect("the daemon ends").expect("as it should");

    let told = stored(&file);
    assert_told(&told, "Cyclic", &["raised", "changed", "cleared"], LIT * 2);
    assert_told(&told, "OnChange", &["raised", "cleared"], LIT);
}

fn assert_told(told: &[Json], lamp: &str, kinds: &[&str], lit: Duration) {
    let of_lamp: Vec<_> = told.iter().filter(|event| event["data"]["name"] == lamp).collect();
    let topics: Vec<_> = of_lamp.iter().map(|event| event["topic"].as_str().unwrap_or_default()).collect();
    let due: Vec<_> = kinds.iter().map(|kind| format!("event/telltale.{kind}")).collect();
    assert_eq!(topics, due, "{lamp}: {told:#?}");
    let lasted_s = of_lamp.last().and_then(|event| event["data"]["duration_s"].as_f64()).expect("a duration");
    assert!((lasted_s - lit.as_secs_f64()).abs() < SLACK_S, "{lamp}: {lasted_s}");
}

/// The cluster shows that for so long.
fn show(car: &UdpSocket, lamp: u8, span: Duration) {
    let end = Instant::now() + span;
    while Instant::now() < end {
        send(car, lamp);
        sleep(PERIOD);
    }
}

fn send(car: &UdpSocket, lamp: u8) {
    let frame = Frame::new(CanId::base(256).expect("eleven bits"), FrameKind::Data, &[lamp]).expect("one byte");
    udp_bus::send(car, &frame).expect("the loopback is there");
}

/// Nobody listens at the broker's port: what is told stays in the store.
fn deployment(folder: &Path) -> PathBuf {
    fs::write(folder.join("car.dbc"), DBC).expect("a file");
    let mut profile = PROFILE.to_owned();
    for (bus, lamp) in LAMPS {
        write!(
            profile,
            "[[overlay]]\npath = \"Vehicle.Telltale.{lamp}\"\ndatatype = \"string\"\nallowed = [\"OFF\", \"ON\", \
             \"FLASHING\"]\ndescription = \"a lamp\"\n[[signal]]\npath = \"Vehicle.Telltale.{lamp}\"\n\
             from = \"{bus}.Cluster.Lamp\"\nmap = {{ 0 = \"OFF\", 1 = \"ON\", 2 = \"FLASHING\" }}\n"
        )
        .expect("a string grows");
    }
    fs::write(folder.join("profile.toml"), profile).expect("a file");
    let file = folder.join("telltale.toml");
    let text = format!(
        "schema = 1\nprofile = \".\"\n[vehicle]\nid = \"car\"\n[bus.pt]\ninterface = \"nocan0\"\n\
         [bus.body]\ninterface = \"nocan1\"\n[broker]\n\
         host = \"127.0.0.1\"\nport = 1\n[store]\npath = \"{}\"\n",
        folder.join("store").display()
    );
    fs::write(&file, text).expect("a file");
    file
}

/// The events in the store.
fn stored(file: &Path) -> Vec<Json> {
    let output = Command::new(env!("CARGO_BIN_EXE_telltaled"))
        .args(["outbox", "dump", "--config"])
        .arg(file)
        .output()
        .expect("the command runs");
    assert!(output.status.success(), "{output:?}");
    let lines = String::from_utf8(output.stdout).expect("UTF-8");
    lines.lines().map(|line| serde_json::from_str(line).expect("a JSON line")).collect()
}
