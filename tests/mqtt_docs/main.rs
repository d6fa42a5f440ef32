//! `docs/mqtt.md` says what is really published: every topic has an example, every example is of a topic that comes,
//! and both have the same members of the same types.
//!
//! The real messages come from the whole gateway in virtual time: a drive of the simulated car through the replay, and
//! a small car to which happens what no simulated drive brings ([`oddities`]).
#![cfg(feature = "demo")]
#![expect(clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

#[path = "../common/black_box_disk.rs"]
mod black_box_disk;
#[path = "../common/demo_phev.rs"]
mod demo_phev;
mod oddities;
#[path = "../common/setup.rs"]
mod setup;
mod shape;

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::time::Duration;

use serde_json::Value as Json;
use telltale::can::candump::Line;
use telltale::cli::replay::{self, Logs};
use telltale::delivery::{BootId, Topics, VehicleId, presence};
use telltale::sim::{self, BUSES, Begin, Car, Fault, Recording, Scenario, What};
use telltale::time::{MonoTime, WallTime};

/// The vehicle of the examples.
const VEHICLE: &str = "car-0001";

/// A tour with a tire that loses air, a refueling, the way home and a short charge.
const TOUR: Duration = Duration::from_secs(540);

/// A crash, a second one, and what the car says until it is over.
const PILEUP: Duration = Duration::from_secs(45);

/// What the owner of the car in the pile-up has settled.
const CONSENT: &str = r#"{"t": 0, "consent": "assistance", "given": true}
{"t": 0, "consent": "emergency_contact", "given": true}
"#;

/// Helpers who wait no longer than they must.
const HELPERS: &str = "[assistance]\nowner_answers_within_s = 10\ncontact_answers_within_s = 10\n";

/// When the owner answers, some seconds after the crash: 2026-03-02T07:00:30Z.
const ANSWERED_S: i64 = 1_772_434_830;

/// A message as it left the car; the topic is named below the root.
#[derive(Debug, Clone)]
struct Message {
    topic: String,
    retain: bool,
    event: Json,
}

impl Message {
    fn new(topic: &str, retain: bool, payload: &[u8]) -> Self {
        let below = topic.strip_prefix("telltale/v1/car-0001/").expect("every topic is below the vehicle's root");
        Self { topic: below.to_owned(), retain, event: serde_json::from_slice(payload).expect("payloads are JSON") }
    }
}

/// What the documentation says of topics.
struct Docs {
    rows: Vec<Row>,
    /// By topic, in the order of the sections.
    examples: BTreeMap<String, Vec<Json>>,
}

/// A row of the table of topics.
struct Row {
    topic: String,
    retained: bool,
    lanes: String,
}

impl Row {
    /// `state/<group>` stands for every group.
    fn covers(&self, topic: &str) -> bool {
        match self.topic.split_once('<') {
            Some((prefix, _)) => topic.starts_with(prefix),
            None => topic == self.topic,
        }
    }
}

#[test]
fn every_topic_has_an_example_that_looks_like_what_is_published() {
    let docs = read_docs();
    let published = published();
    let mut problems = Vec::new();
    for (topic, messages) in &published {
        let row = docs.rows.iter().find(|row| row.covers(topic));
        let Some(row) = row else {
            problems.push(format!("{topic}: no row in the table of topics"));
            continue;
        };
        for message in messages {
            check_row(row, message, &mut problems);
        }
        if !docs.examples.contains_key(topic) {
            problems.push(format!("{topic}: published, but without a section; {}", messages[0].event));
        }
    }
    for (topic, examples) in &docs.examples {
        let Some(messages) = published.get(topic) else {
            problems.push(format!("{topic}: documented, but never published"));
            continue;
        };
        if examples.is_empty() {
            problems.push(format!("{topic}: a section without an example"));
        }
        for example in examples {
            let differences = messages.iter().map(|message| shape::difference(example, &message.event));
            let differences: Option<BTreeSet<String>> = differences.collect();
            if let Some(differences) = differences {
                problems.push(format!("{topic}: no published message looks like the example: {differences:?}"));
            }
        }
    }
    for row in &docs.rows {
        if !published.keys().any(|topic| row.covers(topic)) {
            problems.push(format!("{}: in the table of topics, but never published", row.topic));
        }
    }
    assert!(problems.is_empty(), "docs/mqtt.md and the gateway differ:\n{}", problems.join("\n"));
}

fn check_row(row: &Row, message: &Message, problems: &mut Vec<String>) {
    if message.retain != row.retained {
        problems.push(format!("{}: retain is {}, documented otherwise", message.topic, message.retain));
    }
    let id = message.event["id"].as_str().expect("an id");
    let lane = id.split('-').nth(1).expect("<boot>-<lane>-<sequence>");
    if lane != "will" && !row.lanes.contains(lane) {
        problems.push(format!("{}: {id} is of another lane than documented", message.topic));
    }
}

fn read_docs() -> Docs {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/mqtt.md");
    let text = std::fs::read_to_string(&path).expect("docs/mqtt.md can be read");
    let rows = text.lines().filter_map(|line| {
        let mut cells = line.strip_prefix("| `<root>/")?.split(" | ");
        let topic = cells.next()?.trim_end_matches('`').to_owned();
        Some(Row { topic, retained: cells.next()? == "yes", lanes: cells.next()?.to_owned() })
    });
    let rows: Vec<Row> = rows.collect();
    assert!(rows.len() >= 5, "the table of topics is not found");
    let (_, sections) = text.split_once("\n## Messages by topic\n").expect("the chapter with the topics");
    let mut examples = BTreeMap::new();
    for section in sections.split("\n### ").skip(1) {
        let (topic, body) = section.split_once('\n').unwrap_or((section, ""));
        let blocks = body.split("```json\n").skip(1);
        let blocks = blocks.map(|block| block.split("```").next().unwrap_or_default());
        let parse = |block| serde_json::from_str(block).unwrap_or_else(|error| panic!("{topic}: {error} in {block}"));
        let earlier = examples.insert(topic.to_owned(), blocks.map(parse).collect());
        assert!(earlier.is_none(), "{topic} has two sections");
    }
    Docs { rows, examples }
}

/// Every message, by topic.
fn published() -> BTreeMap<String, Vec<Message>> {
    let mut by_topic: BTreeMap<String, Vec<Message>> = BTreeMap::new();
    let drives = [drive(Scenario::Tour, TOUR, &[""]), pileup(), faulty_sensor(), oddities::live(), vec![last_will()]];
    for message in drives.concat() {
        by_topic.entry(message.topic.clone()).or_default().push(message);
    }
    by_topic
}

/// A pile-up, and the answers that help can get.
fn pileup() -> Vec<Message> {
    let answer = |t: i64, choice: &str| {
        format!(r#"{{"t": {t}, "answer": "{choice}", "offer": "0000000100000000-crash-1", "by": "owner"}}"#)
    };
    let accepted = format!("{CONSENT}{}\n{}", answer(ANSWERED_S, "accept"), answer(ANSWERED_S + 2, "cancel"));
    let declined = format!("{CONSENT}{}", answer(ANSWERED_S, "decline"));
    drive(Scenario::Pileup, PILEUP, &[CONSENT, &accepted, &declined])
}

/// A drive of the simulated car, once for each of the things that the owner may say.
fn drive(scenario: Scenario, duration: Duration, owner: &[&str]) -> Vec<Message> {
    let recording = sim::record(scenario, 1, duration).expect("the simulated car speaks");
    owner.iter().flat_map(|owner| replayed(&recording, owner)).collect()
}

/// A drive on which an axis of a sensor says nothing for a while.
fn faulty_sensor() -> Vec<Message> {
    let wall = WallTime::from_unix_micros(1_772_434_800_000_000);
    let begin = Begin { mono: MonoTime::ZERO, wall };
    let mut car = Car::new(1, Scenario::CoverageGap, begin).expect("the simulated car speaks");
    let fault = Fault::NotAvailable("AccelY");
    let mut recording = Recording::default();
    while let Some(emission) = car.next() {
        match emission.at.as_millis() {
            0..10_000 => {}
            10_000..16_000 => car.fail(fault.clone()),
            16_000..32_000 => car.heal(&fault),
            _ => break,
        }
        if let What::Frame(bus, frame) = emission.what {
            let interface = BUSES.get(usize::from(bus.0)).copied();
            let line = Line { time: Some(wall.plus(emission.at.since(begin.mono))), interface, frame };
            recording.can.extend_from_slice(line.to_string().as_bytes());
            recording.can.push(b'\n');
        }
    }
    replayed(&recording, "")
}

fn replayed(recording: &Recording, owner: &str) -> Vec<Message> {
    let logs = Logs { can: &recording.can, gnss: &recording.gnss, owner: owner.as_bytes() };
    let mut lines = Vec::new();
    let (count, written) =
        replay::play(demo_phev::config(HELPERS), logs, &mut lines).unwrap_or_else(|_| panic!("no replay"));
    assert!(count.bad_lines == 0 && count.foreign == 0 && written.is_ok());
    let lines = String::from_utf8(lines).expect("JSON lines");
    let message = |line| {
        let line: Json = serde_json::from_str(line).expect("a JSON line");
        let topic = line["topic"].as_str().expect("a topic");
        Message::new(topic, line["retain"] == true, line["payload"].to_string().as_bytes())
    };
    lines.lines().map(message).collect()
}

/// What the broker says in the car's name, retained as `io/mqtt.rs` asks for.
fn last_will() -> Message {
    let topics = Topics::new(VehicleId::new(VEHICLE).expect("valid"));
    let will = presence::last_will(&topics, BootId { counter: 1, random: 0 });
    Message::new(&will.topic, true, &will.payload)
}
