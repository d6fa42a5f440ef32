//! What we make of real receivers' recordings is what gpsd makes of them.
//!
//! gpsd's regression suite holds, beside each recording (`.log`), what gpsd says of it (`.log.chk`): after each sentence
//! or frame that told something, a JSON report (`TPV`). Each position that gpsd reports with its UTC is compared with
//! our fix of that UTC. gpsd reports no UTC until it has seen a date; those positions are looked for in order among
//! ours. [`EXPECTED`] says how many of each there are, so that nothing is left out in silence.
//!
//! Where the two differ, and why that is right:
//!
//! * gpsd reports nothing until it has recognised the receiver: it misses the first one or two epochs of the u-blox
//!   recordings, and it sees no date in the first epoch of some others.
//! * gpsd reports after each sentence, we once per epoch: within one epoch its position may be that of RMC first (the
//!   furuno even loses the position for a moment, because gpsd looks only at the first letter of the GNS mode `NDD`).
//!   The last position of the epoch counts.
//! * tcp-torture: gpsd takes the year 2007 for a week rollover and makes it 2027; we never alter a date. Its RMC has a
//!   digit less than its GGA; gpsd's last word is RMC's, ours GGA's, which gpsd reported (without UTC) before.
//! * x20p: the recording holds no NAV-PVT, and gpsd's reports of it hold no position.

#![expect(clippy::expect_used, reason = "a test stops at the first surprise")]

use std::collections::BTreeMap;
use std::path::Path;

use serde_json::Value as Json;
use telltale::gnss::{Fix, Position, Receiver};
use telltale::time::{MonoTime, WallTime};

#[path = "common/data.rs"]
mod common;

/// 2007-01-01, before the oldest recording: that dates are refused is tested elsewhere.
const FLOOR: WallTime = WallTime::from_unix_micros(1_167_609_600_000_000);

/// "Equal" of the issue: about a centimetre.
const EQUAL_DEG: f64 = 1e-7;

struct Expected {
    name: &'static str,
    /// Our fixes with a position.
    ours: usize,
    /// Positions that gpsd reports with UTC; each is equal to ours.
    by_time: usize,
    /// Reports with a position and without UTC, each found in order among ours.
    by_order: usize,
    /// Times for which gpsd has no position, and neither have we.
    no_position: usize,
}

const fn expect(name: &'static str, ours: usize, by_time: usize, by_order: usize, no_position: usize) -> Expected {
    Expected { name, ours, by_time, by_order, no_position }
}

const EXPECTED: &[Expected] = &[
    expect("beidou-bd", 5, 4, 3, 0),
    expect("furuno_gl_ga", 16, 16, 0, 0),
    expect("jl-micro-jlt", 8, 8, 0, 0),
    expect("nmea-fuzzy-cases", 14, 14, 1, 0),
    expect("quectel-eg25-g", 23, 23, 9, 2),
    expect("quectelLC79D", 30, 30, 4, 0),
    expect("tcp-torture", 1, 0, 2, 0),
    expect("telit-pls83-w", 10, 10, 2, 0),
    expect("ublox-f9p-hpnmea", 9, 9, 0, 0),
    expect("ublox-neo-m8n", 24, 22, 0, 0),
    expect("ublox-neo-m8u", 3, 2, 0, 0),
    expect("ublox-x20p", 0, 0, 0, 28),
    expect("ublox-zed-f9p-nmea", 29, 29, 0, 0),
    expect("unicore-um621", 16, 16, 0, 4),
];

#[test]
fn positions_equal_gpsds() {
    let Some(folder) = common::data("gnss") else { return };
    for expected in EXPECTED {
        let name = expected.name;
        let fixes = fixes(recording(&folder.join(format!("{name}.log"))).chunks(2_048));
        let reports = Reports::read(&folder.join(format!("{name}.log.chk")));
        let ours: BTreeMap<i64, Option<Position>> =
            fixes.iter().filter_map(|fix| Some((millis(fix.utc?), fix.position))).collect();

        let mut by_time = 0;
        let mut no_position = 0;
        for (time, theirs) in &reports.by_time {
            match (theirs, ours.get(time).copied().flatten()) {
                (Some(theirs), Some(ours)) => {
                    assert!(equal(*theirs, ours), "{name} at {time}: gpsd {theirs:?}, we {ours:?}");
                    by_time += 1;
                }
                (Some(_), None) if name == "tcp-torture" => {}
                (Some(theirs), None) => panic!("{name} at {time}: gpsd {theirs:?}, we nothing"),
                (None, Some(ours)) => panic!("{name} at {time}: gpsd nothing, we {ours:?}"),
                (None, None) => no_position += 1,
            }
        }
        let mut places = fixes.iter().filter_map(|fix| fix.position).peekable();
        for theirs in &reports.by_order {
            while places.next_if(|ours| !equal(*theirs, *ours)).is_some() {}
            assert!(places.peek().is_some(), "{name}: gpsd's {theirs:?} is not among ours");
        }
        let counts = (by_time, reports.by_order.len(), no_position);
        assert_eq!(counts, (expected.by_time, expected.by_order, expected.no_position), "{name}");
        assert_eq!(fixes.iter().filter(|fix| fix.position.is_some()).count(), expected.ours, "{name}");
    }
}

#[test]
fn every_recording_is_compared() {
    let Some(folder) = common::data("gnss") else { return };
    let mut logs: Vec<String> = std::fs::read_dir(folder)
        .expect("the folder can be read")
        .map(|entry| entry.expect("the entry can be read").path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "log"))
        .map(|path| path.file_stem().expect("it has a name").to_string_lossy().into_owned())
        .collect();
    logs.sort();
    assert_eq!(logs, EXPECTED.iter().map(|expected| expected.name).collect::<Vec<_>>());
}

#[test]
fn the_cut_of_the_reads_changes_nothing() {
    for stream in streams() {
        let whole = fixes(stream.chunks(4_096));
        assert_eq!(whole, fixes(stream.chunks(1)), "byte by byte");
        for seed in 1..=5_u64 {
            let cuts = fixes(random_cuts(&stream, seed));
            assert_eq!(whole, cuts, "seed {seed}");
        }
    }
}

#[test]
fn damaged_streams_of_other_projects_are_survived_and_counted() {
    let Some(folder) = common::data("gnss/ubx") else { return };
    let counters = |name: &str| {
        let mut receiver = Receiver::with_date_floor(FLOOR);
        receiver.feed(MonoTime::ZERO, &recording(&folder.join(name)));
        receiver.handle_timeout(MonoTime::from_millis(5_000));
        receiver.counters()
    };
    let bad_checksum = counters("pygpsdata-BADCK2.log").stream;
    assert_eq!((bad_checksum.ubx, bad_checksum.ubx_checksum), (25, 2), "the frame, and sync bytes in its payload");
    let bad_sync = counters("pygpsdata-BADHDR.log").stream;
    assert_eq!((bad_sync.ubx, bad_sync.garbage_bytes), (2, 96));
    let cut_off = counters("pygpsdata-BADEOF1.log").stream;
    assert_eq!((cut_off.ubx, cut_off.expired), (3, 1));
    let bad_end = counters("pygpsdata-NMEABADEND.log").stream;
    assert_eq!((bad_end.nmea, bad_end.nmea_overlong, bad_end.expired), (15, 1, 1));
    let mixed = counters("pygpsdata-MIXED.log").stream;
    assert_eq!((mixed.nmea, mixed.ubx, mixed.garbage_bytes), (8, 300, 0));
}

/// The plausibility rules do not cry wolf: with the pace that the receivers had, real fixes are believed.
#[test]
fn real_receivers_are_believed() {
    let Some(folder) = common::data("gnss") else { return };
    for expected in EXPECTED {
        let mut receiver = Receiver::with_date_floor(FLOOR);
        let mut now = MonoTime::ZERO;
        for line in recording(&folder.join(format!("{}.log", expected.name))).split_inclusive(|&byte| byte == b'\n') {
            now = time_of_day(line).unwrap_or(now);
            receiver.feed(now, line);
            while let Some(fix) = receiver.poll_fix() {
                assert_eq!(fix.position_doubt, None, "{}: {fix:?}", expected.name);
            }
        }
    }
}

/// All recordings, also those without a report of gpsd's.
fn streams() -> Vec<Vec<u8>> {
    let folders = ["gnss", "gnss/ubx"].into_iter().filter_map(common::data);
    let mut paths: Vec<_> = folders
        .flat_map(|folder| std::fs::read_dir(folder).expect("the folder can be read"))
        .map(|entry| entry.expect("the entry can be read").path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "log"))
        .collect();
    paths.sort();
    paths.iter().map(|path| recording(path)).collect()
}

/// A recording without the comments at its head, and without gpsfake's marks for a pause (`|`, only with TCP).
fn recording(path: &Path) -> Vec<u8> {
    let bytes = std::fs::read(path).expect("the recording can be read");
    let mut stream = Vec::new();
    let mut in_head = true;
    let mut has_marks = false;
    for line in bytes.split_inclusive(|&byte| byte == b'\n') {
        in_head &= line.starts_with(b"#");
        has_marks |= line.starts_with(b"# Transport: TCP");
        if !in_head {
            stream.extend_from_slice(line);
        }
    }
    stream.retain(|&byte| !has_marks || byte != b'|');
    stream
}

/// The fixes of a stream in these cuts, all at one moment, and the last one when its time is over.
fn fixes<'a>(cuts: impl IntoIterator<Item = &'a [u8]>) -> Vec<Fix> {
    let mut receiver = Receiver::with_date_floor(FLOOR);
    let mut found = Vec::new();
    for cut in cuts {
        receiver.feed(MonoTime::ZERO, cut);
        found.extend(std::iter::from_fn(|| receiver.poll_fix()));
    }
    while let Some(deadline) = receiver.poll_timeout() {
        receiver.handle_timeout(deadline);
    }
    found.extend(std::iter::from_fn(|| receiver.poll_fix()));
    assert_eq!(receiver.counters().overrun, 0, "the cuts are short enough");
    found
}

fn random_cuts(stream: &[u8], seed: u64) -> Vec<&[u8]> {
    let mut state = seed;
    let mut cuts = Vec::new();
    let mut rest = stream;
    while !rest.is_empty() {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        let (cut, after) = rest.split_at(rest.len().min(1 + usize::try_from(state >> 56).expect("8 bits")));
        cuts.push(cut);
        rest = after;
    }
    cuts
}

/// What gpsd reported.
struct Reports {
    /// The last position of each UTC, in milliseconds; none where there was none.
    by_time: BTreeMap<i64, Option<Position>>,
    /// Positions without UTC.
    by_order: Vec<Position>,
}

impl Reports {
    fn read(path: &Path) -> Self {
        let mut reports = Self { by_time: BTreeMap::new(), by_order: Vec::new() };
        let bytes = std::fs::read(path).expect("the reports can be read");
        for line in bytes.split(|&byte| byte == b'\n').filter(|line| line.starts_with(br#"{"class":"TPV""#)) {
            let report: Json = serde_json::from_slice(line).expect("gpsd writes JSON");
            let position = report["lat"].as_f64().zip(report["lon"].as_f64());
            let position = position.map(|(latitude_deg, longitude_deg)| Position { latitude_deg, longitude_deg });
            if let Some(time) = report["time"].as_str() {
                let time: jiff::Timestamp = time.parse().expect("gpsd writes RFC 3339");
                let last = reports.by_time.entry(time.as_millisecond()).or_default();
                *last = position.or(*last);
            } else {
                reports.by_order.extend(position);
            }
        }
        reports
    }
}

/// gpsd rounds to milliseconds.
fn millis(utc: WallTime) -> i64 {
    (utc.as_unix_micros() + 500).div_euclid(1_000)
}

fn equal(theirs: Position, ours: Position) -> bool {
    (theirs.latitude_deg - ours.latitude_deg).abs() <= EQUAL_DEG
        && (theirs.longitude_deg - ours.longitude_deg).abs() <= EQUAL_DEG
}

/// The time of day in the first field of a sentence, as a moment; the recordings do not cross midnight.
fn time_of_day(line: &[u8]) -> Option<MonoTime> {
    let text = str::from_utf8(line).ok()?;
    let (address, rest) = text.split_once(',')?;
    if !["GGA", "RMC", "GNS"].iter().any(|kind| address.ends_with(kind)) {
        return None;
    }
    let (hhmm, seconds) = rest.split_once(',')?.0.split_at_checked(4)?;
    let (hours, minutes) = hhmm.split_at(2);
    let whole = hours.parse::<u32>().ok()? * 3_600 + minutes.parse::<u32>().ok()? * 60;
    Some(MonoTime::ZERO + std::time::Duration::from_secs_f64(f64::from(whole) + seconds.parse::<f64>().ok()?))
}
