//! Whether the car can be reached: one retained message, online or offline.
//!
//! On every new session the gateway announces [`online`] before anything else. Offline is said three ways: as the last
//! will, by the broker, when the connection breaks ([`last_will`], given with CONNECT); by [`offline`], before a
//! planned goodbye; and never by guessing. All carry the boot id: a reader ignores an offline whose `boot` is not that
//! of the newest online, as it is an old session's will that came late.

use crate::time::Stamp;

use super::cloudevent::Envelope;
use super::draft::Draft;
use super::record::{BootId, Lane};
use super::topics::{PRESENCE, Topics};

/// What the client hands to the broker at CONNECT: QoS 1, retained.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LastWill {
    /// The full topic.
    pub topic: String,
    /// A CloudEvent without a time, as nobody knows when the broker will send it.
    pub payload: Vec<u8>,
}

/// What the broker says when the connection breaks.
#[must_use]
pub fn last_will(topics: &Topics, boot: BootId) -> LastWill {
    let mut out = Envelope::begin(topics, &format!("{boot}-will"), &kind(), 512);
    out.text("timesource", "none");
    LastWill { topic: topics.full(PRESENCE), payload: out.end(&data(boot, false, "connection_lost"), None) }
}

/// What the car says first on every session.
#[must_use]
pub fn online(boot: BootId, stamp: Stamp) -> Draft {
    Draft::plain(Lane::State, PRESENCE.to_owned(), PRESENCE, stamp, data(boot, true, "connected"))
}

/// What the car says before a planned goodbye.
#[must_use]
pub fn offline(boot: BootId, stamp: Stamp) -> Draft {
    Draft::plain(Lane::State, PRESENCE.to_owned(), PRESENCE, stamp, data(boot, false, "shutdown"))
}

fn kind() -> String {
    format!("dev.telltale.{PRESENCE}.v1")
}

fn data(boot: BootId, online: bool, reason: &str) -> String {
    format!(r#"{{"online":{online},"boot":"{boot}","reason":"{reason}"}}"#)
}

#[cfg(test)]
mod tests {
    use serde_json::{Value as Json, json};

    use super::*;
    use crate::delivery::topics::VehicleId;
    use crate::time::{KernelBoot, MonoTime};

    #[test]
    fn the_will_and_the_announcement_name_the_boot_and_differ_in_online() {
        let topics = Topics::new(VehicleId::new("car").expect("valid"));
        let boot = BootId { counter: 1, random: 2 };
        let will = last_will(&topics, boot);
        assert_eq!(will.topic, "telltale/v1/car/presence");
        let json: Json = serde_json::from_slice(&will.payload).expect("JSON");
        assert_eq!(json["data"], json!({"online": false, "boot": "0000000100000002", "reason": "connection_lost"}));
        assert_eq!(json["type"], "dev.telltale.presence.v1");
        let stamp = Stamp { boot: KernelBoot(1), mono: MonoTime::ZERO, wall: None };
        for (draft, is_online) in [(online(boot, stamp), true), (offline(boot, stamp), false)] {
            assert_eq!(draft.check(), Ok(()));
            let data: Json = serde_json::from_str(&draft.data).expect("JSON");
            assert_eq!((&data["online"], &data["boot"]), (&json!(is_online), &json["data"]["boot"]));
            assert_eq!(json!(draft.kind), json["type"]);
        }
    }
}
