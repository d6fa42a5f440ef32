//! Bad surroundings, on any machine: the one interface of the car is always missing here, which is bad enough to live
//! with.

use std::fs;
use std::io::Write;
use std::net::{Ipv4Addr, TcpListener};
use std::thread::sleep;
use std::time::Duration;

use nix::sys::signal::Signal;
use tokio_serial::{SerialPort, SerialStream};

use crate::daemon::Deployment;
use crate::mosquitto::Mosquitto;
use crate::subscriber::Subscriber;

#[test]
fn a_broker_that_comes_late_gets_everything_from_the_first_event_on() {
    let Some(mut broker) = Mosquitto::start(true, None) else { return };
    let cloud = Subscriber::start(broker.port);
    broker.stop();
    let car = Deployment::new(broker.port);
    let mut daemon = car.start();
    daemon.says("CAN interface not up; waiting for it");
    sleep(Duration::from_secs(2));
    assert!(daemon.is_alive());
    broker.resume();
    let missing = cloud.any("event/bus.changed", |event| event["data"]["interface"] == "missing");
    assert!(missing["id"].as_str().is_some_and(|id| id.ends_with("-event-1")), "{missing}");
    assert_eq!(missing["subject"], "pt");
    cloud.newest("presence", |event| event["data"]["online"] == true);
    cloud.newest("state/gateway", |event| event["data"]["buses"]["pt"]["interface"] == "missing");
    daemon.stop();
    cloud.newest("presence", |event| event["data"]["reason"] == "shutdown");
    assert!(car.stored().is_empty(), "what was acknowledged is removed: {:?}", car.stored());
}

#[test]
fn a_broker_that_accepts_and_is_silent_costs_neither_the_daemon_nor_an_event() {
    let silent = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a listener");
    let car = Deployment::new(silent.local_addr().expect("its address").port());
    let mut daemon = car.start();
    daemon.says("the store is open");
    car.metric_until("telltale_link_attempts_total", |attempts| attempts >= 1.0);
    assert_eq!(car.metric("telltale_link_up"), Some(0.0));
    car.metric_until("telltale_lane_stored_records{lane=\"event\"}", |records| records >= 1.0);
    assert!(daemon.is_alive());
    daemon.stop();
    let stored = car.stored();
    assert!(stored.iter().any(|record| record["topic"] == "event/bus.changed"), "{stored:?}");
}

#[test]
fn without_a_usable_store_directory_events_are_sent_from_memory_and_the_loss_is_told() {
    let Some(broker) = Mosquitto::start(true, None) else { return };
    let cloud = Subscriber::start(broker.port);
    let mut car = Deployment::new(broker.port);
    // Not a directory: what root cannot override, unlike a mode.
    let file = car.folder.path().join("file");
    fs::write(&file, "").expect("a file");
    car.store = file.join("store");
    let mut daemon = car.start();
    daemon.says("running without a store");
    let degraded = cloud.any("event/store.degraded", |_| true);
    let reason = degraded["data"]["reason"].as_str().unwrap_or_default();
    assert!(reason.contains("cannot make the store directory"), "{degraded}");
    cloud.any("event/bus.changed", |event| event["data"]["interface"] == "missing");
    assert_eq!(car.metric("telltale_store_healthy"), Some(0.0));
    assert!(daemon.is_alive());
    daemon.stop();
}

#[test]
fn two_daemons_cannot_share_a_store() {
    let car = Deployment::new(1);
    let mut first = car.start();
    first.says("the store is open");
    let second = car.run();
    let words = String::from_utf8_lossy(&second.stderr);
    assert_eq!(second.status.code(), Some(69), "{words}");
    assert!(words.contains("is in use by another process: stop it, or set another directory"), "{words}");
    assert!(first.is_alive());
    first.stop();
}

#[test]
fn a_broken_configuration_is_refused_with_every_problem_and_its_line() {
    let car = Deployment::new(1);
    car.write("info");
    let good = fs::read_to_string(car.file()).expect("a file");
    fs::write(car.file(), format!("{good}colour = \"red\"\n")).expect("a file");
    fs::write(car.folder.path().join("car.dbc"), "VERSION \"\"\nBO_ 256 Cluster: 8\n").expect("a file");
    let outcome = car.run();
    let words = String::from_utf8_lossy(&outcome.stderr);
    assert_eq!(outcome.status.code(), Some(78), "{words}");
    let line = good.lines().count() + 1;
    assert!(words.contains(&format!("telltale.toml:{line}: ")) && words.contains("colour"), "{words}");
    assert!(words.contains("car.dbc:2"), "{words}");

    fs::remove_file(car.file()).expect("it is there");
    let outcome = car.run();
    assert_eq!(outcome.status.code(), Some(78), "{outcome:?}");
    assert!(String::from_utf8_lossy(&outcome.stderr).contains("telltale.toml"), "{outcome:?}");
}

#[test]
fn sighup_takes_over_the_log_filter_and_a_broken_file_changes_nothing() {
    let car = Deployment::new(1);
    car.write("error");
    let mut daemon = car.start_as_written();
    crate::daemon::wait(|| fs::exists(car.folder.path().join("metrics.sock")).ok().filter(|is_there| *is_there))
        .expect("the daemon serves its page");
    sleep(Duration::from_millis(500));
    assert_eq!(daemon.log(), "", "nothing is an error yet");
    car.write("info");
    daemon.signal(Signal::SIGHUP);
    daemon.says("log filter reloaded");
    fs::write(car.file(), "schema = 2").expect("a file");
    daemon.signal(Signal::SIGHUP);
    daemon.says("nothing was reloaded");
    daemon.stop();
}

#[test]
fn garbage_from_the_receiver_is_counted_and_the_next_good_sentence_is_a_fix() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    let (mut receiver, device) = runtime.block_on(async { SerialStream::pair() }).expect("there are ptys");
    let mut car = Deployment::new(1);
    car.more = format!("[gnss]\ndevice = \"{}\"\n", device.name().expect("a pty has a name"));
    let mut daemon = car.start();
    daemon.says("GNSS port open");
    let epoch = |second: u32| {
        let time = format!("1201{second:02}.00");
        let gga = sentence(&format!("GPGGA,{time},4807.038,N,01131.000,E,1,10,0.8,545.4,M,46.9,M,,"));
        let rmc = sentence(&format!("GPRMC,{time},A,4807.038,N,01131.000,E,0.0,0.0,211126,,,A"));
        format!("{gga}{rmc}")
    };
    let garbage: [&[u8]; 5] = [
        b"$GPGGA,120100.00,4807.0",
        b"\xB5\x62\x01\x07\xFF\xFF garbage \x00\xFF\xFE\r\n",
        b"$GPRMC,120100.00,A,9999.999,N,01131.000,E,0.0,0.0,211126,,,A*00\r\n",
        b"$$$$$$*****\r\n\r\n\n\n\r",
        &[b'$'; 4000],
    ];
    for second in 0..8 {
        let junk = garbage[second % garbage.len()];
        receiver.write_all(junk).expect("the pty takes bytes");
        // A half sentence swallows what follows it up to the end of the line.
        receiver.write_all(b"\r\n").expect("the pty takes bytes");
        receiver.write_all(epoch(u32::try_from(second).expect("small")).as_bytes()).expect("the pty takes bytes");
        sleep(Duration::from_millis(250));
    }
    car.metric_until("telltale_gnss_fixes_total", |fixes| fixes >= 4.0);
    let page = car.metrics_page();
    let discarded = page.lines().filter(|line| line.starts_with("telltale_gnss_discarded_total{"));
    let discarded: f64 = discarded.filter_map(|line| line.rsplit(' ').next()?.parse::<f64>().ok()).sum();
    assert!(discarded >= 3.0, "{page}");
    assert!(daemon.is_alive());
    daemon.stop();
}

/// With its checksum and the end of the line.
fn sentence(body: &str) -> String {
    format!("${body}*{:02X}\r\n", body.bytes().fold(0, |sum, byte| sum ^ byte))
}
