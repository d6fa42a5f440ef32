//! `telltaled blackbox` as a script calls it, on what the simulated car left: two crashes in one file.
#![cfg(feature = "demo")]
#![expect(clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

#[path = "common/black_box_disk.rs"]
mod black_box_disk;
#[path = "common/demo_phev.rs"]
mod demo_phev;
#[path = "common/telltaled.rs"]
mod program;
#[path = "common/setup.rs"]
mod setup;

use std::path::Path;
use std::process::Output;
use std::sync::OnceLock;
use std::time::Duration;

use serde_json::Value as Json;
use tempfile::TempDir;

use telltale::crash::black_box::{BlackBoxEvent, SLOT_BYTES, SLOTS, Slot};
use telltale::delivery::BootId;
use telltale::gateway::{Effect, Gateway, Input, Setup, StoreEvent, StoreInventory, StoreRequest};
use telltale::sim::{Begin, Car, Impact, Scenario, What};
use telltale::time::{KernelBoot, MonoTime, WallTime};

use black_box_disk::{made, put, read};
use program::{argument, deployment, project, telltaled, text, write};
use setup::setup;

const MORNING: WallTime = WallTime::from_unix_micros(1_772_434_800_000_000);

/// The car is followed from so long before the contact, to so long after it: a record, and some calm.
const FOLLOWED: (Duration, Duration) = (Duration::from_secs(13), Duration::from_secs(9));

/// What both crashes left.
struct Left {
    file: Vec<u8>,
    /// What the first one truly did within 150 ms.
    impact: Impact,
}

/// Made once for all tests.
fn left() -> &'static Left {
    static LEFT: OnceLock<Left> = OnceLock::new();
    LEFT.get_or_init(|| {
        let mut file = made();
        let impact = crash(&mut file, 1, Scenario::Crash);
        crash(&mut file, 2, Scenario::Pileup);
        Left { file, impact }
    })
}

/// One life of the gateway, whose disks are quick.
fn crash(file: &mut [u8], life: u32, scenario: Scenario) -> Impact {
    println!("{scenario:?}, seed {life}");
    let begin = Begin { mono: MonoTime::ZERO, wall: MORNING };
    let car = || Car::new(u64::from(life), scenario, begin).expect("the simulated car speaks");
    let impact = truth(car());
    let (from, to) = (impact.contact - FOLLOWED.0, impact.contact + FOLLOWED.1);
    let setup = Setup {
        boot: BootId { counter: life, random: 7 },
        kernel: KernelBoot(u64::from(life)),
        ..setup("car-0001", demo_phev::config("").profile)
    };
    let mut gateway = Gateway::new(from, setup).expect("the profile makes a table");
    gateway.handle(from, Input::BlackBox(BlackBoxEvent::Opened(Box::new(read(file, Slot::is_unreported)))));
    gateway.handle(from, Input::Store(StoreEvent::Opened(StoreInventory::default())));
    for emission in car().skip_while(|emission| emission.at < from).take_while(|emission| emission.at < to) {
        if gateway.poll_timeout().is_some_and(|due| due <= emission.at) {
            gateway.handle(emission.at, Input::Timeout);
        }
        match &emission.what {
            What::Frame(bus, frame) => gateway.handle(emission.at, Input::Frame(*bus, frame)),
            What::Nmea(bytes) => gateway.handle(emission.at, Input::Gnss(bytes)),
            What::Coverage(_) | What::Note(_) => {}
        }
        while let Some(effect) = gateway.poll_effect() {
            match effect {
                Effect::BlackBox(request) => {
                    for write in &request.writes {
                        put(file, write.offset, &write.bytes);
                    }
                    gateway.handle(emission.at, Input::BlackBox(BlackBoxEvent::Written(request.ticket)));
                }
                Effect::Store(ticket, StoreRequest::Load { .. }) => {
                    gateway.handle(emission.at, Input::Store(StoreEvent::Loaded(ticket, Vec::new())));
                }
                Effect::Store(ticket, _) => gateway.handle(emission.at, Input::Store(StoreEvent::Done(ticket))),
                _ => {}
            }
        }
    }
    impact
}

fn truth(mut car: Car) -> Impact {
    while car.next().is_some() {
        let truth = car.truth();
        if let Some(impact) = truth.impact.filter(|impact| truth.at.since(impact.contact).as_millis() >= 150) {
            return impact;
        }
    }
    panic!("no contact");
}

/// Runs the program on that file.
fn blackbox(arguments: &[&str]) -> Output {
    telltaled(&[&["blackbox"], arguments].concat())
}

/// What it printed, having ended well.
fn good(output: &Output) -> String {
    assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
    text(&output.stdout)
}

fn lines(output: &Output) -> Vec<Json> {
    good(output).lines().map(|line| serde_json::from_str(line).expect("a JSON line")).collect()
}

/// It ended with that status, having said these words and nothing to standard output.
fn assert_fails(output: &Output, code: i32, words: &[&str]) {
    let said = text(&output.stderr);
    assert_eq!((output.status.code(), text(&output.stdout).as_str()), (Some(code), ""), "{said}");
    for word in words {
        assert!(said.contains(word), "{word:?} is missing in {said}");
    }
}

fn number(value: &Json) -> f64 {
    value.as_f64().unwrap_or_else(|| panic!("no number: {value}"))
}

#[test]
fn the_list_names_each_record_and_says_how_far_it_came() {
    let folder = TempDir::new().expect("a folder");
    let file = write(&folder, "blackbox", &left().file);
    let listed = good(&blackbox(&["list", &file]));
    let [first, second] = listed.lines().collect::<Vec<_>>()[..] else { panic!("two lines: {listed}") };
    for (line, record, crash) in [(first, "record 1 ", "0000000100000007"), (second, "record 2 ", "0000000200000007")] {
        let rest = ["closed, locked for good", "complete, reported", "2026-03-02T0"];
        assert!(line.starts_with(record) && line.ends_with(&format!("{crash}-crash-1")), "{line}");
        assert!(rest.into_iter().all(|part| line.contains(part)), "{line}");
    }
    let all = lines(&blackbox(&["list", "--json", &file]));
    let [first, _, whole] = all.as_slice() else { panic!("two records and the whole: {all:?}") };
    assert_eq!(whole, &serde_json::json!({ "records": 2, "damage": [] }));
    assert_eq!((&first["stage"], &first["lock"]), (&"closed".into(), &"deployed".into()));
    assert_eq!((&first["complete"], &first["reported"]), (&true.into(), &true.into()));
    assert_eq!(first["report"], "0000000100000007-critical-1");
    assert!(number(&first["from_s"]) <= -9.9 && number(&first["to_s"]) >= 4.9, "10 s before to 5 s after: {first}");

    // Beside the store of a deployment it is found by itself.
    let config = deployment(&project("profiles/demo-phev"), &[("powertrain", "a"), ("body", "b"), ("energy", "c")]);
    let config = config.replace("/var/lib/telltale", &argument(folder.path()));
    let config = write(&folder, "telltale.toml", config);
    assert_eq!(good(&blackbox(&["list", "--config", &config])), listed);
}

#[test]
fn a_record_shows_what_the_car_did_and_what_was_said_of_it() {
    let folder = TempDir::new().expect("a folder");
    let file = write(&folder, "blackbox", &left().file);
    let shown = good(&blackbox(&["show", &file, "--record", "1"]));
    for part in ["record 1 ", "sensor     restraint-acceleration to ±", "confirmed", "graded", "Delta-V, longitudinal"]
    {
        assert!(shown.contains(part), "{part:?} is missing in\n{shown}");
    }
    assert_eq!(lines(&blackbox(&["show", "--json", &file]))[0]["record"], 2, "the newest one, unless asked otherwise");
    let record = &lines(&blackbox(&["show", "--json", &file, "--record", "1"]))[0];
    let truly = left().impact.delta_v_mps;
    let graded = record["verdicts"].as_array().expect("verdicts").iter().find(|verdict| verdict["stage"] == "graded");
    let said = number(&graded.expect("graded")["delta_v_mps"]);
    let truth = truly[0].hypot(truly[1]);
    assert!((said - truth).abs() < 0.1 * truth, "{said} m/s, truly {truth}");
    let rows = record["tables"]["delta_v"].as_array().expect("rows");
    let row = rows.iter().find(|row| row["at_ms"] == 150).expect("a row each 10 ms");
    for (name, truly) in ["longitudinal_kmh", "lateral_kmh"].into_iter().zip(truly) {
        let said = number(&row[name]) / 3.6;
        assert!((said - truly).abs() < 0.1 * truth, "{name}: {said} m/s, truly {truly}");
    }
    let before = record["tables"]["before"].as_array().expect("rows");
    assert!(before.len() == 11 && number(&before[0]["at_s"]) < -4.9, "5 s, twice a second: {before:?}");
    assert!((30.0..60.0).contains(&number(&before[10]["speed_kmh"])), "{before:?}");
    assert_eq!(
        (&record["tables"]["belt_driver"], &record["tables"]["complete_file_recorded"]),
        (&true.into(), &true.into())
    );
    assert!((0.0..60.0).contains(&number(&record["tables"]["airbag_ms"])), "{}", record["tables"]);
    let pileup = &lines(&blackbox(&["show", "--json", &file, "--record", "2"]))[0];
    assert_eq!(pileup["verdicts"].as_array().and_then(|said| said.last()).expect("said")["impacts"], 2);
}

#[test]
fn an_export_is_tables_that_parse_and_a_picture_that_is_xml() {
    let folder = TempDir::new().expect("a folder");
    let file = write(&folder, "blackbox", &left().file);
    let out = folder.path().join("a/b");
    let told = lines(&blackbox(&["export", &file, "--record", "1", "--out", &argument(&out)]));
    assert_eq!(told.len(), 4);
    for file in &told {
        let path = Path::new(file["file"].as_str().expect("a path"));
        assert_eq!(std::fs::metadata(path).expect("it is there").len(), file["bytes"].as_u64().expect("a size"));
    }
    let text = |name: &str| std::fs::read_to_string(out.join(name)).expect("UTF-8");
    let shown = &lines(&blackbox(&["show", "--json", &file, "--record", "1"]))[0];

    let samples = rows(&text("samples.csv"), "t_s,sensor,x,y,z,unit");
    assert_eq!(samples.len() as u64, shown["samples"].as_u64().expect("a count"));
    let times: Vec<f64> = samples.iter().map(|row| float(&row[0])).collect();
    assert!(times.is_sorted() && times[0] <= -9.9 && times[times.len() - 1] >= 4.9);
    let full: Vec<&Vec<String>> = samples.iter().filter(|row| row[1] == "restraint-acceleration").collect();
    assert!(full.len() > 14_000 && full.iter().all(|row| row[5] == "m/s²"), "1 kHz: {}", full.len());
    let pushed = |row: &&&Vec<String>| !row[2].is_empty() && float(&row[2]) < -100.0;
    let hardest: Vec<f64> = full.iter().filter(pushed).map(|row| float(&row[0])).collect();
    assert!(!hardest.is_empty() && hardest.iter().all(|at| (0.0..0.15).contains(at)), "the pulse: {hardest:?}");

    let values = rows(&text("values.csv"), "t_s,channel,value");
    assert!(values.iter().all(|row| row[0] == "before" || (-10.1..9.0).contains(&float(&row[0]))), "{values:?}");
    for channel in ["wheel_speed_mps", "brake", "seats_belted", "restraints", "latitude_deg"] {
        assert!(values.iter().any(|row| row[1] == channel && !row[2].is_empty()), "{channel} was never known");
    }

    let tables = rows(&text("tables.csv"), "element,time,value,unit");
    let of = |element: &str| tables.iter().filter(|row| row[0] == element).collect::<Vec<_>>();
    assert_eq!(of("Delta-V, longitudinal").len(), 26, "0 to 250 ms each 10 ms");
    assert_eq!((of("Engine RPM").len(), of("Accelerator pedal, % full").len()), (11, 11));
    assert_eq!(of("Safety belt status, driver")[0][2], "on");
    let (speed, json) = (of("Speed, vehicle indicated"), &shown["tables"]["before"]);
    assert!((float(&speed[0][2]) - number(&json[0]["speed_kmh"])).abs() < 1e-9, "as `show` says");

    let picture = text("pulse.svg");
    assert_well_formed(&picture);
    for part in ["Record 1, 0000000100000007-crash-1", "contact", "suspected", "confirmed", "graded", "time in s"] {
        assert!(picture.contains(part), "{part:?} is missing in the picture");
    }
}

#[test]
fn what_is_wrong_is_said_with_a_status_for_scripts() {
    let folder = TempDir::new().expect("a folder");
    let file = write(&folder, "blackbox", &left().file);
    for command in [&["show", &file, "--record", "9"][..], &["export", &file, "--record", "9", "--out", "/nowhere"]] {
        assert_fails(&blackbox(command), 65, &["no record 9", "1, 2"]);
    }
    let missing = argument(&folder.path().join("missing"));
    for command in [&["list", &missing][..], &["show", &missing], &["export", &missing, "--out", "/nowhere"]] {
        assert_fails(&blackbox(command), 66, &["cannot open the black box", &missing, "No such file"]);
    }
    let foreign = write(&folder, "foreign", "candump, not a black box\n".repeat(10_000));
    let empty = write(&folder, "empty", "");
    for file in [&foreign, &empty] {
        assert_fails(&blackbox(&["list", file]), 65, &["no black box", file]);
    }
    let blocked = argument(&Path::new(&file).join("out"));
    assert_fails(&blackbox(&["export", &file, "--out", &blocked]), 74, &[&blocked]);
    for usage in [&["list"][..], &["export", &file], &["show", &file, "--record", "one"]] {
        assert_eq!(blackbox(usage).status.code(), Some(2), "{usage:?}");
    }
    let fresh = write(&folder, "fresh", made());
    assert_eq!(good(&blackbox(&["list", &fresh])), "no records\n");
    assert_fails(&blackbox(&["show", &fresh]), 65, &["holds no record"]);
}

#[test]
fn of_a_damaged_file_everything_that_is_left_is_shown_and_the_damage_named() {
    let folder = TempDir::new().expect("a folder");
    let slots = left().file.len() - SLOTS * SLOT_BYTES;

    // Both tables are gone: the records are found by their blocks.
    let mut file = left().file.clone();
    file[..slots].fill(0xFF);
    let file = write(&folder, "tables", file);
    let listed = good(&blackbox(&["list", &file]));
    assert!(
        listed.contains("record 1 ") && listed.contains("record 2 ") && listed.contains("damaged: the table"),
        "{listed}"
    );

    // A block within the first record is gone: the rest is there, and what lacks is said, also in the tables.
    let mut file = left().file.clone();
    file[slots + 4 * 4096..slots + 8 * 4096].fill(0);
    let file = write(&folder, "blocks", file);
    let damage = lines(&blackbox(&["list", "--json", &file])).pop().expect("the whole")["damage"].to_string();
    assert!(damage.contains("record 1 lacks"), "{damage}");
    let shown = &lines(&blackbox(&["show", "--json", &file, "--record", "1"]))[0];
    assert_eq!((&shown["complete"], &shown["tables"]["complete_file_recorded"]), (&false.into(), &false.into()));
    let out = folder.path().join("out");
    assert_eq!(lines(&blackbox(&["export", &file, "--record", "1", "--out", &argument(&out)])).len(), 4);
    assert_well_formed(&std::fs::read_to_string(out.join("pulse.svg")).expect("UTF-8"));

    // A copy that was cut short still has its first record.
    let file = write(&folder, "short", &left().file[..slots + SLOT_BYTES]);
    let all = lines(&blackbox(&["list", "--json", &file]));
    assert!(all[0]["record"] == 1 && all[0]["complete"] == true, "{all:?}");
    assert!(all.last().expect("the whole")["damage"].to_string().contains("record 2"), "{all:?}");
}

fn float(text: &str) -> f64 {
    text.parse().unwrap_or_else(|_| panic!("no number: {text:?}"))
}

/// The lines of a CSV file below that header, each with as many fields.
fn rows(text: &str, header: &str) -> Vec<Vec<String>> {
    let mut lines = text.lines();
    assert_eq!(lines.next(), Some(header));
    let fields = header.split(',').count();
    let row = |line: &str| {
        let mut row = vec![String::new()];
        let mut is_quoted = false;
        for letter in line.chars() {
            match letter {
                '"' => is_quoted = !is_quoted,
                ',' if !is_quoted => row.push(String::new()),
                _ => row.last_mut().expect("one").push(letter),
            }
        }
        assert!(row.len() == fields && !is_quoted, "{line}");
        row
    };
    lines.map(row).collect()
}

/// Tags are balanced, attributes quoted, and no ampersand stands alone.
fn assert_well_formed(xml: &str) {
    let mut open: Vec<&str> = Vec::new();
    let mut pieces = xml.split('<');
    assert_eq!(pieces.next(), Some(""), "nothing stands before the first tag");
    for piece in pieces {
        let (tag, after) = piece.split_once('>').unwrap_or_else(|| panic!("no end: <{piece}"));
        for entity in piece.split('&').skip(1) {
            assert!(["lt;", "gt;", "amp;", "quot;"].into_iter().any(|known| entity.starts_with(known)), "&{entity}");
        }
        if let Some(name) = tag.strip_prefix('/') {
            assert_eq!(open.pop(), Some(name), "{tag} closes another");
        } else {
            assert!(tag.matches('"').count() % 2 == 0, "<{tag}>");
            let name = tag.split([' ', '/']).next().expect("a name");
            if !tag.ends_with('/') {
                open.push(name);
            }
        }
        assert!(!open.is_empty() || after.trim().is_empty(), "{after:?} stands after the end");
    }
    assert!(open.is_empty(), "{open:?} are not closed");
}
