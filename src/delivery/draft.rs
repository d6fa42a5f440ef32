//! A message before it has its number.
//!
//! Everything that a record must hold is checked here, where the maker can still be told: a name that fits a topic, a
//! JSON object without a position in it, and a size that the broker and the store take. What passes cannot fail later.

use std::fmt;

use serde::de::{Deserializer, IgnoredAny, MapAccess, Visitor};

use crate::time::Stamp;

use super::record::{Lane, Record, RecordId};
use super::topics::{self, NAME_MAX_BYTES};

/// The largest MQTT payload that leaves the car. The shell configures its client and the deployment its broker with
/// it; sled values should not be larger either.
pub const MAX_PAYLOAD_BYTES: usize = 64 * 1024;

/// The largest `data` and `location` together: what [`MAX_PAYLOAD_BYTES`] leaves when the envelope is at its largest.
pub const MAX_DATA_BYTES: usize = 60 * 1024;

/// A [`Record`] without its identity, which [`super::Outbox`] gives.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Draft {
    /// Its lane.
    pub lane: Lane,
    /// See [`Record::topic`].
    pub topic: String,
    /// See [`Record::kind`].
    pub kind: String,
    /// See [`Record::subject`].
    pub subject: Option<String>,
    /// See [`Record::stamp`].
    pub stamp: Stamp,
    /// See [`Record::data`].
    pub data: String,
    /// See [`Record::location`].
    pub location: Option<String>,
    /// See [`Record::statutory`].
    pub statutory: bool,
}

impl Draft {
    /// Something that happened: topic `event/<name>`, type `dev.telltale.<name>.v1`. Subject, location and lane
    /// ([`Lane::Critical`] for what saves lives) can be set in the fields.
    #[must_use]
    pub fn event(name: &str, stamp: Stamp, data: String) -> Self {
        Self::plain(Lane::Event, topics::event(name), name, stamp, data)
    }

    /// The last known state of a group: topic `state/<group>`, type `dev.telltale.state.<group>.v1`.
    #[must_use]
    pub fn state(group: &str, stamp: Stamp, data: String) -> Self {
        Self {
            subject: Some(group.to_owned()),
            ..Self::plain(Lane::State, topics::state(group), &format!("state.{group}"), stamp, data)
        }
    }

    /// What this car can do: topic `capabilities`, type `dev.telltale.capabilities.v1`.
    #[must_use]
    pub fn capabilities(stamp: Stamp, data: String) -> Self {
        Self::plain(Lane::State, topics::CAPABILITIES.to_owned(), topics::CAPABILITIES, stamp, data)
    }

    /// A batch of sampled signals: topic `telemetry`, type `dev.telltale.telemetry.v1`.
    #[must_use]
    pub fn telemetry(stamp: Stamp, data: String) -> Self {
        Self::plain(Lane::Telemetry, topics::TELEMETRY.to_owned(), topics::TELEMETRY, stamp, data)
    }

    pub(super) fn plain(lane: Lane, topic: String, name: &str, stamp: Stamp, data: String) -> Self {
        let kind = format!("dev.telltale.{name}.v1");
        Self { lane, topic, kind, subject: None, stamp, data, location: None, statutory: false }
    }

    /// Everything that can be wrong with a message, found before it gets a number.
    pub(super) fn check(&self) -> Result<(), PushError> {
        if !topics::is_valid(&self.topic) {
            return Err(PushError::Topic(self.topic.clone()));
        }
        if self.kind.len() > NAME_MAX_BYTES || !topics::is_word(&self.kind) {
            return Err(PushError::Kind(self.kind.clone()));
        }
        if self.subject.as_ref().is_some_and(|subject| subject.is_empty() || subject.len() > NAME_MAX_BYTES) {
            return Err(PushError::Subject(self.topic.clone()));
        }
        let bytes = self.data.len() + self.location.as_ref().map_or(0, String::len);
        if bytes > MAX_DATA_BYTES {
            return Err(PushError::Oversized { topic: self.topic.clone(), bytes });
        }
        let bad =
            |part, why: serde_json::Error| PushError::Json { topic: self.topic.clone(), part, why: why.to_string() };
        if object_has_location(&self.data).map_err(|why| bad("data", why))? {
            return Err(PushError::PositionInData(self.topic.clone()));
        }
        if let Some(location) = &self.location {
            object_has_location(location).map_err(|why| bad("location", why))?;
        }
        Ok(())
    }

    /// The record of that identity.
    #[must_use]
    pub fn into_record(self, id: RecordId) -> Record {
        Record {
            id,
            topic: self.topic,
            kind: self.kind,
            subject: self.subject,
            stamp: self.stamp,
            data: self.data,
            location: self.location,
            statutory: self.statutory,
        }
    }
}

/// Why a message was not taken. All but the last two are faults of the code that made it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PushError {
    /// The topic is empty, too long, or has levels that are empty or not plain words. The maker must name it properly.
    #[error("message not taken: {0:?} is no topic below the vehicle's root (levels of A-Z a-z 0-9 . _ -)")]
    Topic(String),
    /// The type is empty, too long or not a plain word. The maker must name it properly.
    #[error("message not taken: {0:?} is no CloudEvents type (A-Z a-z 0-9 . _ -, at most {NAME_MAX_BYTES} bytes)")]
    Kind(String),
    /// The subject is there, but empty or too long. The maker must shorten it or leave it out.
    #[error("message for {0:?} not taken: its subject must have 1 to {NAME_MAX_BYTES} bytes")]
    Subject(String),
    /// `data` and `location` together are larger than [`MAX_DATA_BYTES`]. The maker must send less, or in parts.
    #[error("message for {topic:?} not taken: {bytes} bytes of data exceed {MAX_DATA_BYTES}; send it in parts")]
    Oversized {
        /// The topic below the root.
        topic: String,
        /// The size of `data` and `location`.
        bytes: usize,
    },
    /// A part is no JSON object. The maker must make one.
    #[error("message for {topic:?} not taken: its {part} is no JSON object: {why}")]
    Json {
        /// The topic below the root.
        topic: String,
        /// `data` or `location`.
        part: &'static str,
        /// What the parser says.
        why: String,
    },
    /// `data` has a member `location`, which privacy mode could not take out. The maker must use
    /// [`Draft::location`].
    #[error("message for {0:?} not taken: `data` has a member `location`, which belongs into the draft's own field")]
    PositionInData(String),
    /// More state groups wait than [`super::outbox::STATE_GROUPS_MAX`]. The profile has too many groups.
    #[error("state for {0:?} not taken: too many state groups wait; reduce the number of groups in the profile")]
    TooManyGroups(String),
    /// The memory for records that the store has not taken is full of records that must not be given up. Happens when
    /// neither store nor link work; the operator must look at the `store.degraded` event and the log.
    #[error(
        "message for {0:?} not taken: neither the store nor the link takes any, and the memory kept for them is full"
    )]
    Full(String),
}

/// Whether this text is a JSON object (an error if not) that has a member `location`.
fn object_has_location(text: &str) -> Result<bool, serde_json::Error> {
    let mut parser = serde_json::Deserializer::from_str(text);
    let found = parser.deserialize_map(Members)?;
    parser.end()?;
    Ok(found)
}

struct Members;

impl<'de> Visitor<'de> for Members {
    type Value = bool;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<bool, A::Error> {
        let mut found = false;
        while let Some(IsLocation(is_location)) = map.next_key()? {
            found |= is_location;
            map.next_value::<IgnoredAny>()?;
        }
        Ok(found)
    }
}

struct IsLocation(bool);

impl<'de> serde::Deserialize<'de> for IsLocation {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Key;
        impl Visitor<'_> for Key {
            type Value = IsLocation;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a member name")
            }
            fn visit_str<E>(self, name: &str) -> Result<IsLocation, E> {
                Ok(IsLocation(name == "location"))
            }
        }
        deserializer.deserialize_str(Key)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::time::{KernelBoot, MonoTime};

    fn draft(data: &str) -> Draft {
        let stamp = Stamp { boot: KernelBoot(1), mono: MonoTime::ZERO, wall: None };
        Draft::event("telltale.raised", stamp, data.to_owned())
    }

    #[test]
    fn what_is_no_object_or_hides_a_position_is_refused() {
        assert_eq!(draft(r#"{"a":[1,{"location":2}]}"#).check(), Ok(()), "only the top level is merged");
        for text in ["", "1", "[]", "{", r#"{"a":1}x"#, r#"{"a":1,}"#, "null", r#"{"a":NaN}"#] {
            assert!(matches!(draft(text).check(), Err(PushError::Json { part: "data", .. })), "{text}");
            let located = Draft { location: Some(text.to_owned()), ..draft("{}") };
            assert!(matches!(located.check(), Err(PushError::Json { part: "location", .. })), "{text}");
        }
        for text in [r#"{"location":{}}"#, r#"{"a":1,"\u006cocation":2}"#] {
            assert!(matches!(draft(text).check(), Err(PushError::PositionInData(_))), "{text}");
        }
    }

    #[test]
    fn size_and_names_are_bounded() {
        let filler = MAX_DATA_BYTES - r#"{"a":""}"#.len();
        assert_eq!(draft(&format!(r#"{{"a":"{}"}}"#, "x".repeat(filler))).check(), Ok(()));
        let one_more = draft(&format!(r#"{{"a":"{}"}}"#, "x".repeat(filler + 1))).check();
        assert!(matches!(one_more, Err(PushError::Oversized { .. })));
        for subject in [String::new(), "s".repeat(NAME_MAX_BYTES + 1)] {
            assert!(matches!(Draft { subject: Some(subject), ..draft("{}") }.check(), Err(PushError::Subject(_))));
        }
        assert!(matches!(Draft { kind: "a b".to_owned(), ..draft("{}") }.check(), Err(PushError::Kind(_))));
        assert!(matches!(Draft { topic: "event/+".to_owned(), ..draft("{}") }.check(), Err(PushError::Topic(_))));
    }
}
