//! A record as it leaves the car: a CloudEvent 1.0 in structured JSON.
//!
//! | member | from |
//! |---|---|
//! | `specversion` | `1.0` |
//! | `id` | the record's identity, `<boot>-<lane>-<sequence>`: a repeat has the same |
//! | `source` | `telltale/<vehicle id>` |
//! | `type` | the record's kind |
//! | `time` | RFC 3339, UTC, milliseconds; absent while no clock was ever trusted |
//! | `subject` | the record's, if any |
//! | `datacontenttype` | `application/json` |
//! | `sequence` | the sequence number, ten digits, so that text order is order (CloudEvents sequence extension) |
//! | `partitionkey` | the vehicle id (CloudEvents partitioning extension) |
//! | `timesource` | `gnss`, `ntp`, `rtc`, or `none` |
//! | `timeuncertaintyms` | half of the interval that surely holds the true time; absent without a time |
//! | `data` | the record's object, plus `location` where that is let out |
//!
//! # Privacy
//!
//! A position lies in [`Record::location`] and nowhere else. What is recorded in privacy mode has none: the gateway sees
//! to that when the record is made. This is the one place where messages are encoded, and [`Encoder`] leaves the location
//! out while privacy mode is on: a record that was made before privacy mode was switched on, and waits in the store, goes
//! out without its position. The statutory eCall record is the one exception ([`Record::statutory`]).
//!
//! # Time
//!
//! A record of the present kernel boot is stamped by the clock's present mapping, which knows more than the one at its
//! making; a record of an earlier boot keeps the stamp it was made with. A repeat can thus have a better `time` than
//! its first sending, under the same `id`.

use std::fmt::Write;

use serde::{Deserialize, Serialize};

use crate::gateway::{Publication, PublishToken};
use crate::time::{Clock, KernelBoot, WallStamp};

use super::record::Record;
use super::topics::{self, Topics};

/// The last microsecond that RFC 3339 can write: 9999-12-31T23:59:59.999999Z.
const RFC3339_LAST_US: i64 = 253_402_300_799_999_999;

/// CloudEvents integers have 32 bits with sign (CloudEvents 1.0.2, section "Type system").
const CLOUDEVENTS_INTEGER_MAX: u64 = 0x7fff_ffff;

/// What the envelope takes beside names, data and location; only saves the string from growing.
const ENVELOPE_BYTES: usize = 512;

/// Whether a position may leave the car.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Privacy {
    /// The owner lets it out.
    Off,
    /// It stays in the car, but for the statutory record.
    On,
}

impl Privacy {
    /// The name in payloads.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Off => "off",
            Self::On => "on",
        }
    }
}

/// All that the moment of sending adds to a record.
#[derive(Debug, Clone, Copy)]
pub struct Encoder<'a> {
    /// The vehicle.
    pub topics: &'a Topics,
    /// What is known of the time now.
    pub clock: &'a Clock,
    /// The present boot of the kernel.
    pub kernel: KernelBoot,
    /// The owner's present choice.
    pub privacy: Privacy,
}

impl Encoder<'_> {
    /// The record as a message to publish.
    #[must_use]
    pub fn publication(&self, token: PublishToken, record: &Record) -> Publication {
        Publication {
            token,
            topic: self.topics.full(&record.topic),
            payload: self.encode(record),
            retain: topics::is_retained(&record.topic),
        }
    }

    /// The record as a CloudEvent.
    #[must_use]
    pub fn encode(&self, record: &Record) -> Vec<u8> {
        let location = record.location.as_deref().filter(|_| self.privacy == Privacy::Off || record.statutory);
        let data_bytes = record.data.len() + location.map_or(0, str::len);
        let mut out = Envelope::begin(self.topics, &record.id, &record.kind, ENVELOPE_BYTES + data_bytes);
        let wall = self.wall(record);
        if let Some(time) = wall.and_then(rfc3339) {
            out.text("time", &time);
        }
        if let Some(subject) = &record.subject {
            out.text("subject", subject);
        }
        out.text("sequence", &format!("{:010}", record.id.seq));
        out.text("timesource", wall.map_or("none", |wall| wall.source.name()));
        if let Some(wall) = wall {
            let uncertainty_ms = wall.uncertainty_us.div_ceil(1_000).min(CLOUDEVENTS_INTEGER_MAX);
            out.raw("timeuncertaintyms", &uncertainty_ms.to_string());
        }
        out.end(&record.data, location)
    }

    fn wall(&self, record: &Record) -> Option<WallStamp> {
        let now_known = (record.stamp.boot == self.kernel).then(|| self.clock.wall_at(record.stamp.mono)).flatten();
        now_known.or(record.stamp.wall)
    }
}

fn rfc3339(stamp: WallStamp) -> Option<String> {
    (0..=RFC3339_LAST_US).contains(&stamp.wall.as_unix_micros()).then(|| stamp.wall.to_string())
}

/// A CloudEvent in the making.
pub(super) struct Envelope(String);

impl Envelope {
    /// The members that every message has.
    pub(super) fn begin(topics: &Topics, id: &dyn std::fmt::Display, kind: &str, capacity: usize) -> Self {
        let mut out = Self(String::with_capacity(capacity));
        let vehicle = topics.vehicle();
        out.0.push_str(r#"{"specversion":"1.0""#);
        out.text("id", &id.to_string());
        out.text("source", &format!("telltale/{vehicle}"));
        out.text("type", kind);
        out.text("datacontenttype", "application/json");
        out.text("partitionkey", vehicle.as_str());
        out
    }

    /// Adds a member that is a text.
    pub(super) fn text(&mut self, name: &str, value: &str) {
        // `Json`'s Display writes the quotes and the escapes; a String takes whatever is written.
        let _ = write!(self.0, r#","{name}":{}"#, serde_json::Value::from(value));
    }

    /// Adds a member that is JSON already.
    fn raw(&mut self, name: &str, value: &str) {
        let _ = write!(self.0, r#","{name}":{value}"#);
    }

    /// Adds `data`, an object, with `location` as one more member of it, and closes.
    pub(super) fn end(mut self, data: &str, location: Option<&str>) -> Vec<u8> {
        match (location, data.trim_end().strip_suffix('}')) {
            (Some(location), Some(open)) => {
                let comma = if open.trim() == "{" { "" } else { "," };
                self.raw("data", open);
                let _ = write!(self.0, r#"{comma}"location":{location}}}"#);
            }
            _ => self.raw("data", data),
        }
        self.0.push('}');
        self.0.into_bytes()
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use serde_json::{Value as Json, json};

    use super::*;
    use crate::delivery::draft::{Draft, MAX_DATA_BYTES, MAX_PAYLOAD_BYTES};
    use crate::delivery::record::{BootId, Lane, RecordId};
    use crate::delivery::topics::{NAME_MAX_BYTES, VEHICLE_ID_MAX_BYTES, VehicleId};
    use crate::time::{MonoTime, Stamp, TimeSource, WallReading, WallTime};

    const KERNEL: KernelBoot = KernelBoot(1);
    const BOOT: BootId = BootId { counter: 7, random: 0xdead_beef };

    fn clock() -> Clock {
        let mut clock = Clock::default();
        let wall = WallTime::from_unix_micros(1_800_000_000_000_000);
        let reading = WallReading { wall, source: TimeSource::Gnss, uncertainty: Duration::from_millis(40) };
        clock.offer(MonoTime::from_millis(60_000), reading);
        clock
    }

    fn record() -> Record {
        let stamp = Stamp { boot: KERNEL, mono: MonoTime::from_millis(59_000), wall: None };
        let mut draft = Draft::event("harsh.braking", stamp, r#"{"peak":{"value":-7.5,"unit":"m/s^2"}}"#.to_owned());
        draft.location = Some(r#"{"latitude":48.1374,"longitude":11.5755}"#.to_owned());
        draft.into_record(RecordId { boot: BOOT, lane: Lane::Event, seq: 42 })
    }

    fn encode(record: &Record, clock: &Clock, kernel: KernelBoot, privacy: Privacy) -> (String, Json) {
        let topics = Topics::new(VehicleId::new("WTL-0001").expect("valid"));
        let bytes = Encoder { topics: &topics, clock, kernel, privacy }.encode(record);
        let text = String::from_utf8(bytes).expect("UTF-8");
        let json = serde_json::from_str(&text).unwrap_or_else(|why| panic!("{why}: {text}"));
        (text, json)
    }

    #[test]
    fn a_record_becomes_a_cloud_event() {
        let (_, json) = encode(&record(), &clock(), KERNEL, Privacy::Off);
        assert_eq!(
            json,
            json!({
                "specversion": "1.0",
                "id": "00000007deadbeef-event-42",
                "source": "telltale/WTL-0001",
                "type": "dev.telltale.harsh.braking.v1",
                "time": "2027-01-15T07:59:59.000Z",
                "datacontenttype": "application/json",
                "sequence": "0000000042",
                "partitionkey": "WTL-0001",
                "timesource": "gnss",
                "timeuncertaintyms": 41,
                "data": {
                    "peak": {"value": -7.5, "unit": "m/s^2"},
                    "location": {"latitude": 48.1374, "longitude": 11.5755},
                },
            })
        );
    }

    #[test]
    fn in_privacy_mode_no_byte_of_a_position_leaves_unless_the_law_wants_it() {
        let (text, json) = encode(&record(), &clock(), KERNEL, Privacy::On);
        for trace in ["location", "latitude", "longitude", "48.1374", "11.5755", "48.", "11.5"] {
            assert!(!text.contains(trace), "{trace} in {text}");
        }
        assert_eq!(json["data"], json!({"peak": {"value": -7.5, "unit": "m/s^2"}}), "the rest is sent");
        let statutory = Record { statutory: true, ..record() };
        let (_, json) = encode(&statutory, &clock(), KERNEL, Privacy::On);
        assert_eq!(json["data"]["location"]["latitude"], 48.1374);
    }

    #[test]
    fn time_is_stamped_late_kept_from_an_earlier_boot_or_absent() {
        let own = WallStamp {
            wall: WallTime::from_unix_micros(1_700_000_000_000_000),
            source: TimeSource::Ntp,
            uncertainty_us: u64::MAX,
        };
        let mut earlier = record();
        earlier.stamp.wall = Some(own);
        let (_, json) = encode(&earlier, &clock(), KernelBoot(2), Privacy::Off);
        assert_eq!((&json["time"], &json["timesource"]), (&json!("2023-11-14T22:13:20.000Z"), &json!("ntp")));
        assert_eq!(json["timeuncertaintyms"], i32::MAX);
        let (_, json) = encode(&earlier, &Clock::default(), KERNEL, Privacy::Off);
        assert_eq!(json["timesource"], "ntp", "its own stamp is better than none");
        for record in [record(), Record { stamp: Stamp { boot: KernelBoot(9), ..record().stamp }, ..record() }] {
            let (_, json) = encode(&record, &Clock::default(), KERNEL, Privacy::Off);
            assert_eq!((json.get("time"), &json["timesource"]), (None, &json!("none")));
            assert_eq!(json.get("timeuncertaintyms"), None);
        }
        let mut absurd = record();
        absurd.stamp = Stamp {
            boot: KernelBoot(9),
            wall: Some(WallStamp { wall: WallTime::from_unix_micros(i64::MAX), ..own }),
            ..absurd.stamp
        };
        assert_eq!(encode(&absurd, &clock(), KERNEL, Privacy::Off).1.get("time"), None);
    }

    #[test]
    fn whatever_passes_the_check_is_valid_json_below_the_payload_limit() {
        let topics = Topics::new(VehicleId::new(&"v".repeat(VEHICLE_ID_MAX_BYTES)).expect("valid"));
        let clock = clock();
        let frame = r#"{"a":""}"#.len();
        let datas = [
            "{}".to_owned(),
            " {  } ".to_owned(),
            "{\"a\":\"\\\"}{\"}\n".to_owned(),
            format!(r#"{{"a":"{}"}}"#, "x".repeat(MAX_DATA_BYTES - frame)),
        ];
        let subjects = [None, Some("\u{1}".repeat(NAME_MAX_BYTES)), Some("\"}\\".to_owned())];
        let locations = [None, Some("{}".to_owned()), Some(r#"{"latitude":1}"#.to_owned())];
        let choices = datas.len() * subjects.len() * locations.len();
        for choice in 0..choices {
            let data = &datas[choice % datas.len()];
            let subject = &subjects[choice / datas.len() % subjects.len()];
            let location = &locations[choice / datas.len() / subjects.len()];
            let draft = Draft {
                topic: "t".repeat(NAME_MAX_BYTES),
                kind: "k".repeat(NAME_MAX_BYTES),
                subject: subject.clone(),
                location: location.clone(),
                data: data.clone(),
                ..Draft::event("x", record().stamp, String::new())
            };
            if draft.check().is_err() {
                assert!(data.len() + location.as_ref().map_or(0, String::len) > MAX_DATA_BYTES);
                continue;
            }
            let id = RecordId { boot: BOOT, lane: Lane::Telemetry, seq: u32::MAX };
            let encoder = Encoder { topics: &topics, clock: &clock, kernel: KERNEL, privacy: Privacy::Off };
            let bytes = encoder.encode(&draft.into_record(id));
            assert!(bytes.len() <= MAX_PAYLOAD_BYTES, "{} bytes", bytes.len());
            let json: Json = serde_json::from_slice(&bytes).unwrap_or_else(|why| panic!("{why}"));
            assert_eq!(json["data"].get("location").is_some(), location.is_some());
        }
    }
}
