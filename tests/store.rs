//! The store keeps what it promised, and whatever lies on the disk, it opens or says why not, in time.
#![expect(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;

use telltale::delivery::{Lane, StoreKey};
use telltale::gateway::{StoreEvent, StoreIncident, StoreInventory, StoreRequest, StoreTicket};
use telltale::io::store::{NAME_MAX, OPEN_DEADLINE, Store, StoreError, VALUE_MAX, claim_boot};

/// Long enough for a healthy store on a busy machine.
const DEADLINE: Duration = OPEN_DEADLINE;
/// An attempt, a second one after the quarantine, and some air.
const OPENED_WITHIN: Duration = Duration::from_secs(30);

struct Open {
    store: Store,
    events: Receiver<StoreEvent>,
    inventory: StoreInventory,
    boot: u32,
    tickets: u64,
}

impl Open {
    fn at(dir: &Path) -> Self {
        let claim = claim_boot(dir).expect("claimed");
        let boot = claim.boot_counter();
        let (send, events) = channel();
        let store = Store::start(claim, DEADLINE, move |event| drop(send.send(event))).expect("started");
        match events.recv_timeout(OPENED_WITHIN) {
            Ok(StoreEvent::Opened(inventory)) => Self { store, events, inventory, boot, tickets: 0 },
            other => panic!("expected to open, got {other:?}"),
        }
    }

    fn ask(&mut self, request: StoreRequest) -> StoreEvent {
        self.tickets += 1;
        self.store.submit(StoreTicket(self.tickets), request).expect("room in the queue");
        self.events.recv_timeout(OPENED_WITHIN).expect("an answer")
    }

    fn done(&mut self, request: StoreRequest) {
        assert_eq!(self.ask(request), StoreEvent::Done(StoreTicket(self.tickets)));
    }

    fn refused(&mut self, request: StoreRequest) -> String {
        match self.ask(request) {
            StoreEvent::Failed(StoreTicket(ticket), text) if ticket == self.tickets => text,
            other => panic!("expected a refusal, got {other:?}"),
        }
    }

    fn load(&mut self, lane: Lane, position: u64, limit: usize) -> Vec<(u64, Vec<u8>)> {
        match self.ask(StoreRequest::Load { from: StoreKey { lane, position }, limit }) {
            StoreEvent::Loaded(_, records) => records.into_iter().map(|(at, bytes)| (at.position, bytes)).collect(),
            other => panic!("expected records, got {other:?}"),
        }
    }

    fn append(&mut self, lane: Lane, positions: impl IntoIterator<Item = u64>, bytes: usize) {
        let records = positions.into_iter().map(|at| (StoreKey { lane, position: at }, content(at, bytes))).collect();
        self.done(append(records));
    }

    fn close(self) {
        assert!(self.store.close(OPENED_WITHIN), "closed in time");
    }
}

fn append(records: Vec<(StoreKey, Vec<u8>)>) -> StoreRequest {
    StoreRequest::Commit { records, values: Vec::new() }
}

fn save(values: Vec<(String, Vec<u8>)>) -> StoreRequest {
    StoreRequest::Commit { records: Vec::new(), values }
}

fn content(position: u64, bytes: usize) -> Vec<u8> {
    position.to_le_bytes().into_iter().cycle().take(bytes).collect()
}

fn data_dir(dir: &Path) -> PathBuf {
    let mut found: Vec<PathBuf> = fs::read_dir(dir)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.file_name().unwrap().to_string_lossy().starts_with("data."))
        .collect();
    assert_eq!(found.len(), 1, "one generation: {found:?}");
    found.remove(0)
}

#[test]
fn what_was_appended_is_loaded_in_order_and_after_reopening() {
    let dir = tempfile::tempdir().unwrap();
    let mut open = Open::at(dir.path());
    assert_eq!(open.inventory, StoreInventory::default());
    let mut records = Vec::new();
    for position in (1..=300).rev().map(|n| n << 30) {
        for lane in [Lane::Critical, Lane::Telemetry] {
            records.push((StoreKey { lane, position }, content(position, 50)));
        }
    }
    open.done(append(records));
    open.append(Lane::Event, [7], 0);
    open.done(save(vec![("b".into(), vec![2; 9000]), ("a".into(), vec![1])]));
    open.done(save(vec![("b".into(), vec![3]), ("gone".into(), vec![1]), ("gone".into(), vec![])]));
    open.close();

    let mut open = Open::at(dir.path());
    assert_eq!(open.inventory.incident, None);
    assert_eq!(open.inventory.values, [("a".to_string(), vec![1]), ("b".to_string(), vec![3])]);
    let seen: Vec<_> = open.inventory.lanes.iter().map(|lane| (lane.lane, lane.count, lane.bytes)).collect();
    assert_eq!(seen, [(Lane::Critical, 300, 15_000), (Lane::Event, 1, 0), (Lane::Telemetry, 300, 15_000)]);
    assert_eq!(open.inventory.lanes[0].first, StoreKey { lane: Lane::Critical, position: 1 << 30 });
    assert_eq!(open.inventory.lanes[0].last, StoreKey { lane: Lane::Critical, position: 300 << 30 });
    let loaded = open.load(Lane::Critical, (10 << 30) + 1, 5);
    let expected: Vec<_> = (11..16_u64).map(|n| (n << 30, content(n << 30, 50))).collect();
    assert_eq!(loaded, expected);
    assert_eq!(open.load(Lane::Event, 0, 5), [(7, vec![])]);
    assert_eq!(open.load(Lane::State, 0, 5), []);
}

#[test]
fn what_was_removed_is_gone_at_once_and_after_reopening() {
    let dir = tempfile::tempdir().unwrap();
    let mut open = Open::at(dir.path());
    open.append(Lane::Event, 1..=100, 6000);
    open.append(Lane::Critical, 1..=3, 10);
    let keys = (1..=90).map(|position| StoreKey { lane: Lane::Event, position });
    let absent = StoreKey { lane: Lane::State, position: 1 };
    open.done(StoreRequest::Remove(keys.chain([absent]).collect()));
    assert_eq!(open.load(Lane::Event, 0, 1)[0].0, 91);
    open.close();
    let mut open = Open::at(dir.path());
    assert_eq!(open.load(Lane::Event, 0, 100).len(), 10);
    assert_eq!(open.load(Lane::Critical, 0, 100).len(), 3);
}

/// sled writes what is not committed when it likes; nothing that the store does beside may disturb that.
#[test]
fn looking_between_commits_leaves_what_was_written_alone() {
    let dir = tempfile::tempdir().unwrap();
    let mut open = Open::at(dir.path());
    let rounds = 40;
    for first in (0..rounds).map(|round| round * 100) {
        open.append(Lane::Event, first..first + 100, 6000);
        for middle in (first..first + 90).step_by(30) {
            let keys = (middle..middle + 30).map(|position| StoreKey { lane: Lane::Event, position });
            open.done(StoreRequest::Remove(keys.collect()));
            assert_eq!(open.load(Lane::Event, middle, 1)[0].0, middle + 30);
        }
        open.append(Lane::Critical, [first], 600);
    }
    open.close();
    let mut open = Open::at(dir.path());
    assert_eq!(open.inventory.incident, None);
    assert_eq!(open.load(Lane::Event, 0, 10_000).len() as u64, rounds * 10);
    assert_eq!(open.load(Lane::Critical, 0, 10_000).len() as u64, rounds);
}

#[test]
fn the_largest_values_stay_in_the_log_and_larger_ones_are_refused() {
    let dir = tempfile::tempdir().unwrap();
    let mut open = Open::at(dir.path());
    for position in 0..60 {
        open.append(Lane::Telemetry, [position], VALUE_MAX);
    }
    let blobs = fs::read_dir(data_dir(dir.path()).join("blobs")).unwrap().count();
    assert_eq!(blobs, 0, "sled does not sync what it writes to files of its own");
    let at = StoreKey { lane: Lane::Telemetry, position: 99 };
    let fits = (StoreKey { lane: Lane::Telemetry, position: 98 }, vec![1]);
    open.refused(append(vec![fits, (at, vec![0; VALUE_MAX + 1])]));
    open.refused(save(vec![("n".repeat(NAME_MAX + 1), vec![1])]));
    open.refused(save(vec![("a\0b".into(), vec![1])]));
    open.refused(save(vec![("a".into(), vec![1; VALUE_MAX + 1])]));
    assert_eq!(open.load(Lane::Telemetry, 60, 9), [], "all or none");
    open.close();
    let mut open = Open::at(dir.path());
    for (position, bytes) in open.load(Lane::Telemetry, 0, 100) {
        assert!(bytes == content(position, VALUE_MAX), "record {position}");
    }
    assert_eq!(open.inventory.lanes[0].count, 60);
}

#[test]
fn each_opening_counts_a_start_and_two_daemons_cannot_share() {
    let dir = tempfile::tempdir().unwrap();
    let open = Open::at(dir.path());
    assert_eq!(open.boot, 1);
    assert!(matches!(claim_boot(dir.path()), Err(StoreError::Locked(_))));
    open.close();
    assert_eq!(claim_boot(dir.path()).unwrap().boot_counter(), 2);
    let open = Open::at(dir.path());
    assert_eq!(open.boot, 2, "a start that opened nothing has stored nothing under its number");
    open.close();
    assert_eq!(claim_boot(dir.path()).unwrap().boot_counter(), 3);
}

#[test]
fn without_a_good_control_file_the_counter_is_found_in_the_records() {
    let dir = tempfile::tempdir().unwrap();
    let mut open = Open::at(dir.path());
    open.append(Lane::Event, [41 << 32 | 5], 10);
    open.close();
    fs::write(dir.path().join("control"), "garbage").unwrap();
    let mut open = Open::at(dir.path());
    assert_eq!(open.boot, 42);
    assert_eq!(open.load(Lane::Event, 0, 9).len(), 1);
}

#[test]
fn a_power_cut_during_opening_loses_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let mut open = Open::at(dir.path());
    open.append(Lane::Event, 1..=50, 100);
    open.close();
    for left in ["", "half a snapshot"] {
        fs::write(data_dir(dir.path()).join("snap.0000000000000FFF.generating"), left).unwrap();
        let open = Open::at(dir.path());
        assert_eq!(open.inventory.incident, None);
        assert_eq!(open.inventory.lanes[0].count, 50);
        open.close();
    }
}

#[test]
fn a_store_that_comes_back_empty_is_noticed() {
    let dir = tempfile::tempdir().unwrap();
    let mut open = Open::at(dir.path());
    open.append(Lane::Event, 1..=50, 100);
    open.close();
    fs::remove_dir_all(data_dir(dir.path())).unwrap();
    let open = Open::at(dir.path());
    assert!(matches!(open.inventory.incident, Some(StoreIncident::LostContents(_))), "{:?}", open.inventory);
    open.close();
    assert_eq!(Open::at(dir.path()).inventory.incident, None, "told once");
}

#[test]
fn an_emptied_store_gives_its_room_back_at_the_next_opening() {
    let dir = tempfile::tempdir().unwrap();
    let mut open = Open::at(dir.path());
    open.done(save(vec![("kept".into(), vec![5; 5000])]));
    for round in 0..10_u64 {
        open.append(Lane::Telemetry, round * 64..(round + 1) * 64, 20_000);
    }
    open.done(StoreRequest::Remove((0..639).map(|position| StoreKey { lane: Lane::Telemetry, position }).collect()));
    open.append(Lane::Event, [1], 10);
    let before = open.store.status().disk_bytes;
    open.close();
    let mut open = Open::at(dir.path());
    let after = open.store.status().disk_bytes;
    assert!(before > 8_000_000 && after < 4_000_000, "{before} -> {after} bytes");
    assert_eq!(open.inventory.values, [("kept".to_string(), vec![5; 5000])]);
    assert_eq!(open.load(Lane::Telemetry, 0, 9), [(639, content(639, 20_000))]);
    open.close();
    let open = Open::at(dir.path());
    assert_eq!(open.inventory.incident, None);
    assert_eq!(open.inventory.lanes.len(), 2);
}

#[test]
fn a_damaged_store_opens_or_is_moved_aside_in_time() {
    let model = tempfile::tempdir().unwrap();
    for session in 0..3 {
        let mut open = Open::at(model.path());
        for batch in session * 20..(session + 1) * 20_u64 {
            open.append(Lane::Event, batch * 20..(batch + 1) * 20, 1000);
            let old = (batch * 10..(batch + 1) * 10).map(|position| StoreKey { lane: Lane::Event, position });
            open.done(StoreRequest::Remove(old.collect()));
        }
        open.close();
    }
    let whole = fs::read(data_dir(model.path()).join("db")).unwrap();
    let mut outcomes = std::collections::BTreeMap::<&str, u32>::new();
    let mut cases: Vec<(String, String, Vec<u8>)> =
        damages(&whole).into_iter().map(|(name, bytes)| (name, "db".into(), bytes)).collect();
    for file in fs::read_dir(data_dir(model.path())).unwrap().map(|entry| entry.unwrap().path()) {
        let name = file.file_name().unwrap().to_string_lossy().into_owned();
        if name.starts_with("snap.") || name == "conf" {
            let bytes = fs::read(&file).unwrap();
            cases.push((format!("{name} empty"), name.clone(), Vec::new()));
            cases.push((format!("{name} cut"), name.clone(), bytes[..bytes.len() / 2].to_vec()));
            cases.push((format!("{name} zeroed"), name.clone(), vec![0; bytes.len()]));
        }
    }
    for (name, file, damaged) in cases {
        let dir = tempfile::tempdir().unwrap();
        copy_all(model.path(), dir.path());
        fs::write(data_dir(dir.path()).join(file), damaged).unwrap();
        let mut open = Open::at(dir.path());
        let outcome = match &open.inventory.incident {
            None => "whole",
            Some(StoreIncident::LostContents(_)) => "lost contents",
            Some(StoreIncident::Quarantined(_)) => "quarantined",
        };
        if outcome == "whole" {
            let expected: Vec<_> = (600..1200_u64).map(|at| (at, content(at, 1000))).collect();
            // A removal may be lost with the tail of the log; its records are then sent a second time.
            let kept = open.load(Lane::Event, 600, 2000);
            assert!(kept == expected, "{name}: something is missing and nobody noticed");
        }
        if outcome == "quarantined" {
            assert!(dir.path().join("quarantine").join("db").exists(), "{name}");
            assert_eq!(open.inventory.lanes, [], "{name}");
        }
        open.append(Lane::Event, [1 << 40], 10);
        assert_eq!(open.load(Lane::Event, 1 << 40, 1).len(), 1, "{name}: usable");
        println!("{name}: {outcome}");
        *outcomes.entry(outcome).or_default() += 1;
    }
    println!("{outcomes:?}");
    assert!(outcomes.keys().any(|outcome| *outcome != "whole"), "no damage was seen: {outcomes:?}");
}

/// Cut, zeroed and overwritten at many places.
fn damages(whole: &[u8]) -> Vec<(String, Vec<u8>)> {
    let mut all = vec![("empty".to_string(), Vec::new()), ("text".to_string(), b"not a database".repeat(5000))];
    for part in 0..12 {
        let at = whole.len() * part / 12 + part * 13;
        all.push((format!("cut at {at}"), whole[..at].to_vec()));
        let mut zeroed = whole.to_vec();
        zeroed[at..].fill(0);
        all.push((format!("zero from {at}"), zeroed));
        let mut torn = whole.to_vec();
        for (byte, value) in torn[at..].iter_mut().take(4096).zip((0..=255_u8).cycle()) {
            *byte = value.wrapping_mul(167).wrapping_add(13);
        }
        all.push((format!("page overwritten at {at}"), torn));
    }
    all
}

fn copy_all(from: &Path, to: &Path) {
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let target = to.join(entry.file_name());
        if entry.file_type().unwrap().is_dir() {
            fs::create_dir_all(&target).unwrap();
            copy_all(&entry.path(), &target);
        } else {
            fs::copy(entry.path(), target).unwrap();
        }
    }
}

/// A small file system of its own; unmounted at the end.
struct Mounted(tempfile::TempDir);

impl Mounted {
    /// None, loudly, for an ordinary user.
    fn tmpfs(options: &str) -> Option<Self> {
        let dir = tempfile::tempdir().unwrap();
        let mount = Command::new("mount").args(["-t", "tmpfs", "-o", options, "tmpfs"]).arg(dir.path()).output();
        match mount {
            Ok(output) if output.status.success() => Some(Self(dir)),
            other => {
                assert!(std::env::var_os("CI").is_none(), "CI must run this as root: {other:?}");
                eprintln!("\n*** SKIPPED: cannot mount a tmpfs, run as root ***\n");
                None
            }
        }
    }

    fn remount(&self, options: &str) {
        // sled's own threads may hold its file for a moment after it was closed.
        let done = (0..50).any(|_| {
            std::thread::sleep(Duration::from_millis(100));
            Command::new("mount").args(["-o", options]).arg(self.0.path()).status().unwrap().success()
        });
        assert!(done, "mount -o {options}");
    }
}

impl Drop for Mounted {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("-l").arg(self.0.path()).status();
    }
}

#[test]
fn a_full_disk_fails_requests_until_there_is_room_and_loses_nothing_committed() {
    let Some(disk) = Mounted::tmpfs("size=24m") else { return };
    let dir = disk.0.path().join("store");
    let mut open = Open::at(&dir);
    open.append(Lane::Event, 0..50, 500);
    let ballast = disk.0.path().join("ballast");
    fs::write(&ballast, vec![0; 14 << 20]).unwrap();
    let mut position = 50;
    let text = loop {
        assert!(position < 10_000, "the disk never became full");
        let records = vec![(StoreKey { lane: Lane::Event, position }, content(position, 50_000))];
        match open.ask(append(records)) {
            StoreEvent::Done(_) => position += 1,
            StoreEvent::Failed(_, text) => break text,
            other => panic!("{other:?}"),
        }
    };
    println!("after {position} records: {text}");
    assert!(matches!(open.events.recv_timeout(OPENED_WITHIN), Ok(StoreEvent::Unavailable(_))));
    open.refused(append(vec![]));
    fs::remove_file(&ballast).unwrap();
    let inventory = match open.events.recv_timeout(OPENED_WITHIN) {
        Ok(StoreEvent::Opened(inventory)) => inventory,
        other => panic!("expected to open again, got {other:?}"),
    };
    assert_eq!(inventory.incident, None);
    assert!(inventory.lanes[0].count >= position, "{} of {position}", inventory.lanes[0].count);
    open.append(Lane::Event, [1 << 40], 100);
    open.close();
    assert!(Open::at(&dir).inventory.lanes[0].count > position);
}

#[test]
fn a_read_only_disk_makes_the_store_unavailable_and_comes_back_whole() {
    let Some(disk) = Mounted::tmpfs("size=24m") else { return };
    let dir = disk.0.path().join("store");
    let mut open = Open::at(&dir);
    open.append(Lane::Event, 0..50, 500);
    open.close();
    disk.remount("remount,ro");
    let claim = claim_boot(&dir).expect("readable");
    assert_eq!(claim.boot_counter(), 2);
    let (send, events) = channel();
    let store = Store::start(claim, DEADLINE, move |event| drop(send.send(event))).unwrap();
    match events.recv_timeout(OPENED_WITHIN) {
        Ok(StoreEvent::Unavailable(text)) => assert!(text.to_lowercase().contains("read-only"), "{text}"),
        other => panic!("{other:?}"),
    }
    disk.remount("remount,rw");
    match events.recv_timeout(OPENED_WITHIN) {
        Ok(StoreEvent::Opened(inventory)) => assert_eq!(inventory.lanes[0].count, 50),
        other => panic!("{other:?}"),
    }
    assert!(store.close(OPENED_WITHIN));
    assert_eq!(claim_boot(&dir).unwrap().boot_counter(), 3, "the count was made good");
}

#[test]
fn a_directory_that_cannot_be_made_is_an_error_that_names_it() {
    let error = claim_boot(Path::new("/proc/no/such/place")).unwrap_err();
    assert!(error.to_string().contains("/proc/no/such/place"), "{error}");
}
