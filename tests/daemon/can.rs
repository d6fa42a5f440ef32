//! The daemon on a real interface, and what only root in a guest of its own may do to it: the bench `hil/uml`.

use std::fs;
use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;
use std::thread::sleep;
use std::time::Duration;

use nix::fcntl::{FallocateFlags, fallocate};
use nix::sys::signal::Signal;

use crate::bench;
use crate::car::{self, Cluster};
use crate::daemon::{Daemon, Deployment};
use crate::mosquitto::Mosquitto;
use crate::subscriber::{Message, Subscriber};

/// The time of all tests of this file on the bench.
const BENCH_LIMIT_S: u32 = 300;

/// The interface, or none when the test ran on the bench, or, loudly, not at all.
fn interface(test: &str) -> Option<String> {
    static OUTPUT: OnceLock<Option<String>> = OnceLock::new();
    let Some(interface) = bench::interface() else {
        let output = OUTPUT.get_or_init(|| bench::run_tests("can::", BENCH_LIMIT_S));
        bench::assert_passed(output.as_deref(), &format!("can::{test}"));
        return None;
    };
    if !interface.starts_with("vcan") {
        eprintln!("\n*** SKIPPED: {interface} is left as it is: not a vcan ***\n");
        return None;
    }
    if !Path::new("/sys/class/net").join(&interface).exists() {
        // The test before has failed in the middle.
        make(&interface);
    }
    Some(interface)
}

fn run(program: &str, args: &[&str]) {
    assert!(Command::new(program).args(args).status().expect("it is installed").success(), "{program} {args:?}");
}

fn make(interface: &str) {
    run("ip", &["link", "add", "dev", interface, "type", "vcan"]);
    run("ip", &["link", "set", interface, "up"]);
}

fn delete(interface: &str) {
    run("ip", &["link", "del", interface]);
}

fn is_raised(cloud: &Subscriber, lamp: &str) {
    let raised = cloud.any("event/telltale.raised", |event| event["subject"] == lamp);
    assert_eq!(raised["data"]["mode"], "ON", "{raised}");
    let is_lit = |state: &serde_json::Value| state["data"]["telltales"]["lit"][lamp]["value"] == "ON";
    cloud.newest("state/telltales", is_lit);
}

fn bus_is(cloud: &Subscriber, what: &str) {
    cloud.newest("event/bus.changed", |event| event["subject"] == "pt" && event["data"]["interface"] == what);
}

#[test]
fn a_lamp_reaches_the_cloud_whatever_happens_to_the_interface() {
    let Some(interface) = interface("a_lamp_reaches_the_cloud_whatever_happens_to_the_interface") else { return };
    let Some(broker) = Mosquitto::start(true, None) else { return };
    let cloud = Subscriber::start(broker.port);
    let mut car = Deployment::new(broker.port);
    car.interface.clone_from(&interface);

    delete(&interface);
    let mut daemon = car.start();
    bus_is(&cloud, "missing");
    make(&interface);
    let cluster = Cluster::start(&interface);
    daemon.says("CAN interface up");
    cloud.any("event/ignition.on", |_| true);
    cluster.light("Abs");
    is_raised(&cloud, "Abs");
    bus_is(&cloud, "up");

    run("ip", &["link", "set", &interface, "down"]);
    bus_is(&cloud, "down");
    run("ip", &["link", "set", &interface, "up"]);
    cluster.light("Airbag");
    is_raised(&cloud, "Airbag");

    delete(&interface);
    bus_is(&cloud, "missing");
    make(&interface);
    cluster.light("ServiceDue");
    is_raised(&cloud, "ServiceDue");
    bus_is(&cloud, "up");
    assert!(daemon.is_alive());

    assert_eq!(count(&cloud.all(), "event/telltale.raised"), 3, "each lamp once");
    // Another consumer, later: what is retained tells it all.
    let late = Subscriber::start_as(broker.port, "late");
    late.newest("state/telltales", |state| {
        state["data"]["telltales"]["lit"].as_object().is_some_and(|lit| lit.len() == 3)
    });
    late.newest("presence", |event| event["data"]["online"] == true);
    daemon.stop();
    late.newest("presence", |event| event["data"]["online"] == false && event["data"]["reason"] == "shutdown");
}

#[test]
fn a_flood_is_received_or_counted_as_dropped() {
    let Some(interface) = interface("a_flood_is_received_or_counted_as_dropped") else { return };
    let sent = 60_000;
    let mut car = Deployment::new(1);
    car.interface.clone_from(&interface);
    let mut daemon = car.start();
    daemon.says("CAN interface up");
    // The queue holds a third of it.
    daemon.signal(Signal::SIGSTOP);
    car::flood(&interface, sent);
    daemon.signal(Signal::SIGCONT);
    let (frames, dropped) = ("telltale_frames_total{bus=\"pt\"}", "telltale_frames_dropped_total{bus=\"pt\"}");
    let dropped = car.metric_until(dropped, |count| count > 0.0);
    let frames = car.metric_until(frames, |count| count + dropped >= f64::from(sent));
    println!("sent {sent}, received {frames}, dropped {dropped}");
    assert!((frames + dropped - f64::from(sent)).abs() < 0.5, "{frames} + {dropped} of {sent}");
    daemon.stop();
}

/// A disk of its own, taken away at the end.
struct Disk(PathBuf);

impl Disk {
    fn mount(directory: &Path) -> Self {
        fs::create_dir_all(directory).expect("a directory");
        run("mount", &["-t", "tmpfs", "-o", "size=16M", "small", &directory.display().to_string()]);
        Self(directory.to_path_buf())
    }

    /// Leaves no room; gives the file that must go for there to be some again.
    fn fill(&self) -> PathBuf {
        let filler = self.0.join("filler");
        let _ = fs::write(&filler, vec![0; 32 << 20]);
        filler
    }
}

/// A car whose store lies on a disk of its own.
fn car_on_disk(broker_port: u16, interface: &str) -> (Deployment, Disk) {
    let mut car = Deployment::new(broker_port);
    interface.clone_into(&mut car.interface);
    let disk = Disk::mount(&car.folder.path().join("disk"));
    car.store = disk.0.join("store");
    (car, disk)
}

fn knows_the_ignition(daemon: &mut Daemon, cloud: &Subscriber) {
    daemon.says("the store is open");
    cloud.any("event/ignition.on", |_| true);
}

/// An event reaches the cloud though no store holds it.
fn sends_from_memory(cluster: &Cluster, cloud: &Subscriber) {
    let before = count(&cloud.all(), "event/ignition.off");
    cluster.set_ignition(false);
    one_more(cloud, "event/ignition.off", before);
}

fn recovers(car: &Deployment, cloud: &Subscriber) {
    cloud.any("event/store.recovered", |_| true);
    car.metric_until("telltale_store_healthy", |healthy| healthy > 0.5);
}

/// Takes the blocks back that the store has written zeros to for its next commits: minutes of them would go there.
fn take_reserve(store: &Path, daemon: &Daemon) {
    let file = fs::File::options().read(true).write(true).open(store.join("data.1/db"));
    let file = file.unwrap_or_else(|error| panic!("the store's file: {error}; the daemon's log:\n{}", daemon.log()));
    let mut content = Vec::new();
    (&file).read_to_end(&mut content).expect("readable");
    let used = content.iter().rposition(|byte| *byte != 0).map_or(0, |last| last + 1);
    let (from, length) = (used.next_multiple_of(4096), content.len());
    assert!(from < length, "nothing is reserved");
    let hole = FallocateFlags::FALLOC_FL_PUNCH_HOLE | FallocateFlags::FALLOC_FL_KEEP_SIZE;
    let offset = |at: usize| i64::try_from(at).expect("a small file");
    fallocate(&file, hole, offset(from), offset(length - from)).expect("a tmpfs makes holes");
}

/// How many events of this kind the cloud has.
fn count(messages: &[Message], topic: &str) -> usize {
    messages.iter().filter(|message| message.topic == topic).count()
}

/// One more event of this kind than so many comes.
fn one_more(cloud: &Subscriber, topic: &str, than: usize) {
    assert!(cloud.wait(|all: &[Message]| (count(all, topic) > than).then_some(())).is_some(), "no further {topic}");
}

impl Drop for Disk {
    fn drop(&mut self) {
        // Lazily, as the daemon of a test that failed may still be there.
        let _ = Command::new("umount").arg("-l").arg(&self.0).status();
    }
}

#[test]
fn on_a_disk_that_becomes_full_events_are_sent_from_memory_and_durable_again_once_there_is_room() {
    let test = "on_a_disk_that_becomes_full_events_are_sent_from_memory_and_durable_again_once_there_is_room";
    let Some(interface) = interface(test) else { return };
    let Some(broker) = Mosquitto::start(true, None) else { return };
    let cloud = Subscriber::start(broker.port);
    let (car, disk) = car_on_disk(broker.port, &interface);
    let mut daemon = car.start();
    let cluster = Cluster::start(&interface);
    knows_the_ignition(&mut daemon, &cloud);

    take_reserve(&car.store, &daemon);
    let filler = disk.fill();
    for _ in 0..30 {
        cluster.set_ignition(false);
        sleep(Duration::from_millis(800));
        cluster.set_ignition(true);
        sleep(Duration::from_millis(800));
        if count(&cloud.all(), "event/store.degraded") > 0 {
            break;
        }
    }
    cloud.any("event/store.degraded", |_| true);
    sends_from_memory(&cluster, &cloud);
    assert!(daemon.is_alive());

    fs::remove_file(&filler).expect("it is there");
    cluster.set_ignition(true);
    recovers(&car, &cloud);
    daemon.stop();
}

#[test]
fn on_a_disk_that_is_full_at_the_start_events_are_sent_from_memory_and_durable_once_there_is_room() {
    let test = "on_a_disk_that_is_full_at_the_start_events_are_sent_from_memory_and_durable_once_there_is_room";
    let Some(interface) = interface(test) else { return };
    let Some(broker) = Mosquitto::start(true, None) else { return };
    let cloud = Subscriber::start(broker.port);
    let (car, disk) = car_on_disk(broker.port, &interface);
    let mut daemon = car.start();
    let cluster = Cluster::start(&interface);
    knows_the_ignition(&mut daemon, &cloud);
    daemon.stop();

    let filler = disk.fill();
    let before = count(&cloud.all(), "event/ignition.on");
    let mut daemon = car.start();
    cloud.any("event/store.degraded", |_| true);
    // What it knew lies in the store: the ignition is news.
    one_more(&cloud, "event/ignition.on", before);
    sends_from_memory(&cluster, &cloud);
    assert!(daemon.is_alive());

    fs::remove_file(&filler).expect("it is there");
    recovers(&car, &cloud);
    daemon.stop();
}

#[test]
fn on_a_read_only_disk_the_daemon_lives_and_says_so() {
    let Some(interface) = interface("on_a_read_only_disk_the_daemon_lives_and_says_so") else { return };
    let Some(broker) = Mosquitto::start(true, None) else { return };
    let cloud = Subscriber::start(broker.port);
    let (car, disk) = car_on_disk(broker.port, &interface);
    for has_store in [false, true] {
        if has_store {
            run("mount", &["-o", "remount,rw", &disk.0.display().to_string()]);
            let mut daemon = car.start();
            daemon.says("the store is open");
            daemon.stop();
        }
        run("mount", &["-o", "remount,ro", &disk.0.display().to_string()]);
        let seen = count(&cloud.all(), "event/store.degraded");
        let mut daemon = car.start();
        println!("store there before: {has_store}");
        one_more(&cloud, "event/store.degraded", seen);
        assert!(daemon.is_alive());
        daemon.stop();
    }
}
