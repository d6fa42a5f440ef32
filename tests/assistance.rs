//! After a crash of the simulated car, through the whole gateway in virtual time: help is offered, and each answer has
//! its own end; in privacy mode there is silence, and not one byte of a position but in the eCall record.
#![cfg(feature = "demo")]
#![expect(clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

#[path = "common/demo_phev.rs"]
mod demo_phev;

use std::collections::{BTreeMap, BTreeSet};
use std::io::{self, Write};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use serde_json::Value as Json;
use telltale::cli::replay::{self, Logs};
use telltale::crash::msd::{Activation, Msd, hex};
use telltale::sim::{self, Recording, Scenario};

const SEED: u64 = 1;

/// The drive, the crash, and more than both may take to answer.
const DRIVE: Duration = Duration::from_secs(120);

/// How long owner and emergency contact have for an answer, each.
const ANSWER_S: f64 = 10.0;

/// A vehicle that has a number, and helpers who wait no longer than they must.
const DEPLOYED: &str = r#"
vin = "ZZTSA1B2C3D456789"
[assistance]
threshold = "minor"
owner_answers_within_s = 10
contact_answers_within_s = 10
"#;

/// Consent to both, before anything else.
const CONSENT: &str = r#"{"t": 0, "consent": "assistance", "given": true}
{"t": 0, "consent": "emergency_contact", "given": true}
"#;

const OFFER: &str = "0000000100000000-crash-1";

/// A line of the replay.
struct Line {
    t: f64,
    /// Below the vehicle's root.
    topic: String,
    retain: bool,
    event: Json,
    /// As it left the car: topic and payload.
    text: String,
}

fn recording() -> Recording {
    println!("{:?}, seed {SEED}", Scenario::Crash);
    sim::record(Scenario::Crash, SEED, DRIVE).expect("the simulated car speaks")
}

fn replayed(recording: &Recording, owner: &str) -> Vec<Line> {
    let logs = Logs { can: &recording.can, gnss: &recording.gnss, owner: owner.as_bytes() };
    let mut lines = Vec::new();
    let played = replay::play(demo_phev::config(DEPLOYED), logs, &mut lines);
    assert!(played.is_ok_and(|(_, written)| written.is_ok()), "no replay");
    let line = |text: &str| {
        let line: Json = serde_json::from_str(text).expect("a JSON line");
        let topic = line["topic"].as_str().expect("a topic");
        Line {
            t: line["t"].as_f64().expect("a time"),
            topic: topic.strip_prefix("telltale/v1/car-0001/").expect("below the root").to_owned(),
            retain: line["retain"] == true,
            event: line["payload"].clone(),
            text: format!("{topic} {}", line["payload"]),
        }
    };
    String::from_utf8(lines).expect("JSON lines").lines().map(line).collect()
}

/// The steps of assistance, each with the one whom it concerns.
fn steps(lines: &[Line]) -> Vec<String> {
    let steps = lines.iter().filter_map(|line| Some((line.topic.strip_prefix("event/assistance.")?, &line.event)));
    let step = |(kind, event): (&str, &Json)| {
        assert_eq!(event["subject"], OFFER, "{event}");
        assert!(event["id"].as_str().is_some_and(|id| id.contains("-critical-")), "{event}");
        let who = ["to", "by"].into_iter().find_map(|member| event["data"][member].as_str()).unwrap_or("-");
        format!("{kind} {who}")
    };
    steps.map(step).filter(|step| !step.starts_with("updated")).collect()
}

/// When help was offered, in the log's time.
fn offered_at(lines: &[Line]) -> f64 {
    let offered = lines.iter().find(|line| line.topic == "event/assistance.offered");
    offered.expect("help is offered").t
}

/// Says something so many seconds after help was offered.
fn answer(offered_at: f64, after_s: f64, choice: &str, by: &str) -> String {
    let t = offered_at + after_s;
    format!(r#"{CONSENT}{{"t": {t:.6}, "answer": "{choice}", "offer": "{OFFER}", "by": "{by}"}}"#)
}

#[test]
fn each_answer_has_its_own_end() {
    let recording = recording();
    let silent = replayed(&recording, CONSENT);
    let at = offered_at(&silent);
    let offers = ["offered owner", "offered emergency_contact"];

    let told = steps(&silent);
    assert!(offers.iter().all(|offer| told.iter().filter(|step| step == offer).count() == 1), "{told:?}");
    assert_eq!(told.last().map(String::as_str), Some("unanswered emergency_contact"), "{told:?}");
    let last = silent.iter().rfind(|line| line.topic == "event/assistance.unanswered").expect("the end");
    assert_eq!(last.event["data"]["is_final"], true);
    assert!(last.t <= at + 2.0 * ANSWER_S + 0.5, "{} s after the offer", last.t - at);

    for (choice, end) in [("accept", "accepted owner"), ("decline", "declined owner"), ("cancel", "cancelled owner")] {
        let told = steps(&replayed(&recording, &answer(at, 5.0, choice, "owner")));
        assert_eq!(told.first().map(String::as_str), Some(offers[0]));
        assert_eq!(told.last().map(String::as_str), Some(end), "{told:?}");
        assert!(told.len() <= 3 && told.iter().filter(|step| !step.starts_with("offered")).count() == 1, "{told:?}");
    }
    let told = steps(&replayed(&recording, &answer(at, 15.0, "accept", "emergency_contact")));
    assert!(told.contains(&"unanswered owner".to_owned()), "{told:?}");
    let late = told.iter().any(|step| step == "accepted emergency_contact");
    assert!(late, "the contact accepts, in time or late: {told:?}");
}

#[test]
fn an_offer_says_where_and_how_bad() {
    let lines = replayed(&recording(), CONSENT);
    let offered = lines.iter().find(|line| line.topic == "event/assistance.offered").expect("help is offered");
    let data = &offered.event["data"];
    assert!(data["location"]["fix"]["latitude"].is_number(), "{data}");
    let crash = &data["crash"];
    assert!(crash["severity"].is_string() && crash["impacts"].is_number(), "{crash}");
    assert_eq!((&crash["side"], &crash["occupants"]), (&Json::from("front"), &Json::from(1)), "{crash}");
}

#[test]
fn without_consent_nobody_is_told() {
    assert_eq!(steps(&replayed(&recording(), "")), Vec::<String>::new());
}

#[test]
fn in_privacy_mode_the_ecall_record_alone_says_where() {
    let recording = recording();
    let open = replayed(&recording, CONSENT);
    let traces = Traces::of(&open);
    assert!(traces.texts.len() > 30, "only {:?}", traces.texts);
    let closed = replayed(&recording, &format!("{CONSENT}{{\"t\": 0, \"privacy\": \"on\"}}"));
    assert!(closed.len() > 50, "{} messages", closed.len());
    assert_eq!(steps(&closed), Vec::<String>::new(), "silent, as the owner was told");
    assert!(closed.iter().any(|line| line.topic == "event/crash.detected"), "the crash itself is told");
    let records: Vec<&Line> = closed.iter().filter(|line| line.topic == "event/ecall.msd").collect();
    assert!(!records.is_empty(), "the eCall record goes out");
    for record in &records {
        let msd = &record.event["data"]["location"]["msd"];
        let bytes = hex::decode(msd["hex"].as_str().expect("hex")).expect("hex");
        let read = Msd::decode(&bytes).expect("a minimum set of data");
        assert_eq!(serde_json::to_value(&read).expect("JSON"), msd["decoded"]);
        assert_eq!((read.activation, read.vin.as_str()), (Activation::Automatic, "ZZTSA1B2C3D456789"));
        assert!(read.location.is_some() && read.position_can_be_trusted && read.timestamp_s.is_some());
        assert!(traces.found_in(&record.text).is_some(), "the search finds what is there: {}", record.text);
    }
    let hexes: BTreeSet<&str> =
        records.iter().filter_map(|record| record.event["data"]["location"]["msd"]["hex"].as_str()).collect();
    for line in closed.iter().filter(|line| line.topic != "event/ecall.msd") {
        assert_eq!(traces.found_in(&line.text), None, "in {}", line.text);
        assert!(line.event["data"].get("location").is_none(), "{}", line.text);
        assert!(!hexes.iter().any(|hex| shares_a_run(hex, &line.text)), "{}", line.text);
    }
}

#[test]
fn privacy_mode_takes_back_what_is_retained_and_ends_an_open_offer() {
    let recording = recording();
    let at = offered_at(&replayed(&recording, CONSENT));
    let private_from = at + 3.0;
    let owner = format!("{CONSENT}{{\"t\": {private_from:.6}, \"privacy\": \"on\"}}");
    let lines = replayed(&recording, &owner);
    assert_eq!(steps(&lines).last().map(String::as_str), Some("cancelled privacy"));
    assert!(lines.iter().any(|line| line.t < private_from && line.event["data"]["location"].is_object()));
    let mut retained = BTreeMap::new();
    for line in &lines {
        if line.retain {
            retained.insert(&line.topic, line);
        }
        if line.t >= private_from && line.topic != "event/ecall.msd" {
            assert!(line.event["data"].get("location").is_none(), "{}", line.text);
        }
    }
    let place = retained.get(&"state/location".to_owned()).expect("retained");
    assert!(place.t >= private_from && place.t < private_from + 0.5, "replaced at once");
    let traces = Traces::of(&lines);
    for line in retained.values() {
        assert_eq!(traces.found_in(&line.text), None, "retained: {}", line.text);
    }
}

/// Privacy mode from the beginning of the drive, and off in the midst of it.
#[test]
fn what_was_private_is_not_told_once_privacy_mode_is_off() {
    let recording = sim::record(Scenario::Commute, SEED, DRIVE).expect("the simulated car speaks");
    let open = replayed(&recording, CONSENT);
    let off_at = open.first().expect("something is told").t + 65.3;
    // The telemetry of the last seconds before comes after, so that its places are not searched for.
    let (before, after): (Vec<Line>, Vec<Line>) = open.into_iter().partition(|line| line.t < off_at);
    let (mut private, later) = (coordinates(&before), coordinates(&after));
    private.retain(|place| !later.contains(place));
    assert!(private.len() > 50, "only {private:?}");
    let owner = format!("{{\"t\": 0, \"privacy\": \"on\"}}\n{{\"t\": {off_at:.6}, \"privacy\": \"off\"}}");
    let lines = replayed(&recording, &owner);
    for line in lines.iter().filter(|line| line.topic != "event/ecall.msd") {
        let place = private.iter().find(|place| line.text.contains(place.as_str()));
        assert_eq!(place, None, "at {}: {}", line.t, line.text);
    }
    let told = coordinates(&lines);
    let found = later.iter().filter(|place| told.contains(*place)).count();
    assert!(found * 2 > later.len(), "{found} of {} places of the time after", later.len());
}

/// The latitudes and longitudes in these messages, as they stand there.
fn coordinates(lines: &[Line]) -> BTreeSet<String> {
    let mut found = Vec::new();
    for line in lines {
        collect(&line.event["data"]["location"], "", &mut found);
    }
    // The eCall record has milliarcseconds, which are integers.
    found.iter().map(|degrees| Json::from(*degrees).to_string()).filter(|text| text.contains('.')).collect()
}

#[test]
fn no_log_line_says_where() {
    let recording = recording();
    let traces = Traces::of(&replayed(&recording, CONSENT));
    let log = Log::default();
    let writer = log.clone();
    let subscriber = tracing_subscriber::fmt()
        .with_max_level(tracing::Level::INFO)
        .with_ansi(false)
        .with_writer(move || writer.clone())
        .finish();
    tracing::subscriber::with_default(subscriber, || {
        // Beside other tests: what they have logged first was remembered as heard by nobody.
        tracing::callsite::rebuild_interest_cache();
        replayed(&recording, CONSENT)
    });
    let text = log.text();
    assert!(text.contains("privacy") || text.contains("consent"), "the log is heard: {text}");
    for line in text.lines() {
        assert_eq!(traces.found_in(line), None, "{line}");
    }
}

/// Whether the text holds sixteen hex digits in a row of this record: eight bytes hold a position.
fn shares_a_run(hex: &str, text: &str) -> bool {
    hex.as_bytes().windows(16).any(|run| std::str::from_utf8(run).is_ok_and(|run| text.contains(run)))
}

/// Everything that a position of the drive can look like.
struct Traces {
    texts: BTreeSet<String>,
}

impl Traces {
    /// Of every position in these messages.
    fn of(lines: &[Line]) -> Self {
        let mut coordinates = Vec::new();
        for line in lines {
            collect(&line.event["data"]["location"], "", &mut coordinates);
        }
        Self { texts: coordinates.into_iter().flat_map(looks).collect() }
    }

    fn found_in(&self, text: &str) -> Option<&str> {
        let lower = text.to_lowercase();
        self.texts.iter().map(String::as_str).find(|trace| text.contains(trace) || lower.contains(trace))
    }
}

/// The latitudes and longitudes below a location, in degrees.
fn collect(json: &Json, name: &str, found: &mut Vec<f64>) {
    let is_coordinate =
        |name: &str| name.to_lowercase().ends_with("latitude") || name.to_lowercase().ends_with("longitude");
    match json {
        Json::Object(members) if members.contains_key("samples") && is_coordinate(name) => {
            let samples = members["samples"].as_array().into_iter().flatten();
            found.extend(samples.filter_map(|sample| sample[1].as_f64()));
        }
        Json::Object(members) if members.contains_key("value") && is_coordinate(name) => {
            found.extend(members["value"].as_f64());
        }
        Json::Object(members) => members.iter().for_each(|(name, member)| collect(member, name, found)),
        Json::Number(_) if is_coordinate(name) => found.extend(json.as_f64()),
        _ => {}
    }
}

/// A coordinate in the forms in which software writes one.
fn looks(degrees: f64) -> Vec<String> {
    let mut looks = Vec::new();
    let magnitude = degrees.abs();
    // Decimal degrees, cut after three decimals (a hundred metres), and with a decimal comma.
    let thousandths = (magnitude * 1e3).floor() / 1e3;
    looks.push(format!("{thousandths:.3}"));
    looks.push(format!("{thousandths:.3}").replace('.', ","));
    // NMEA: degrees and minutes in one, to a tenth of a minute.
    let minutes = (magnitude - magnitude.floor()) * 60.0;
    looks.push(format!("{:.0}{:04.1}", magnitude.floor(), (minutes * 10.0).floor() / 10.0));
    for scale in [3_600_000.0, 1e7, 1e6] {
        // Milliarcseconds, and integers of receivers: all but the last three digits.
        #[expect(clippy::cast_possible_truncation, reason = "below 2^31 for every scale")]
        let whole = (degrees * scale).round() as i32;
        let digits = whole.unsigned_abs().to_string();
        looks.push(digits[..digits.len() - 2].to_owned());
        for bytes in [whole.to_be_bytes(), whole.to_le_bytes()] {
            looks.push(hex::encode(&bytes).to_lowercase());
        }
    }
    for bytes in [degrees.to_be_bytes(), degrees.to_le_bytes()] {
        looks.push(hex::encode(&bytes).to_lowercase());
    }
    looks
}

/// A log that can be read.
#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl Log {
    fn text(&self) -> String {
        String::from_utf8(self.0.lock().expect("one thread").clone()).expect("UTF-8")
    }
}

impl Write for Log {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().expect("one thread").extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
