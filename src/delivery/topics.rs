//! Topic names: `telltale/v1/<vehicle id>/…`.
//!
//! A record carries the part below the vehicle's root; [`Topics`] puts the root before it. What is retained follows
//! from the kind of topic alone: presence, capabilities and states are, everything else is not.

use std::fmt;

/// What the topics of all vehicles begin with.
pub const ROOT: &str = "telltale/v1";

/// Below the root: online or offline.
pub const PRESENCE: &str = "presence";
/// Below the root: what this car can do.
pub const CAPABILITIES: &str = "capabilities";
/// Below the root: batches of sampled signals.
pub const TELEMETRY: &str = "telemetry";

/// The longest vehicle id. The VIN has 17 characters (ISO 3779), a UUID 36; ids of fleets are not longer than these.
pub const VEHICLE_ID_MAX_BYTES: usize = 64;

/// The longest topic below the root, kind or subject. MQTT would allow 65,535 bytes; brokers and dashboards would not.
pub const NAME_MAX_BYTES: usize = 128;

/// The state topic of a group, below the root.
#[must_use]
pub fn state(group: &str) -> String {
    format!("state/{group}")
}

/// The event topic of a type, below the root.
#[must_use]
pub fn event(name: &str) -> String {
    format!("event/{name}")
}

/// The broker keeps the last message of this topic (named below the root) for later subscribers.
#[must_use]
pub fn is_retained(topic: &str) -> bool {
    topic == PRESENCE || topic == CAPABILITIES || topic.starts_with("state/")
}

/// A topic below the root that cannot be mistaken for a wildcard, another vehicle or a system topic: levels of ASCII
/// letters, digits, `.`, `_` and `-`, none of them empty (MQTT 3.1.1, section 4.7).
#[must_use]
pub fn is_valid(topic: &str) -> bool {
    topic.len() <= NAME_MAX_BYTES && topic.split('/').all(is_word)
}

/// A part of a topic, an event name, an id: not empty, ASCII letters, digits, `.`, `_` and `-`.
pub(crate) fn is_word(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_' | b'-'))
}

/// The name of the vehicle in topics, in the `source` of its messages and as MQTT client id.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct VehicleId(String);

/// The deployment names the vehicle in a way that cannot be part of a topic; whoever wrote the deployment file must act.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "vehicle id {0:?} cannot be part of an MQTT topic: use 1 to {VEHICLE_ID_MAX_BYTES} ASCII letters, digits, '.', '_' or '-'"
)]
pub struct VehicleIdError(String);

impl VehicleId {
    /// Takes a name that can be part of a topic and of a URI.
    pub fn new(id: &str) -> Result<Self, VehicleIdError> {
        if id.len() <= VEHICLE_ID_MAX_BYTES && is_word(id) {
            Ok(Self(id.to_owned()))
        } else {
            Err(VehicleIdError(id.to_owned()))
        }
    }

    /// The name.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for VehicleId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// The topics of one vehicle.
#[derive(Debug, Clone)]
pub struct Topics {
    vehicle: VehicleId,
    root: String,
}

impl Topics {
    /// The topics of this vehicle.
    #[must_use]
    pub fn new(vehicle: VehicleId) -> Self {
        let root = format!("{ROOT}/{vehicle}");
        Self { vehicle, root }
    }

    /// The vehicle.
    #[must_use]
    pub const fn vehicle(&self) -> &VehicleId {
        &self.vehicle
    }

    /// The full name of a topic that is named below the root.
    #[must_use]
    pub fn full(&self, topic: &str) -> String {
        format!("{}/{topic}", self.root)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn full_names_start_with_the_vehicle_and_only_last_known_states_are_retained() {
        let topics = Topics::new(VehicleId::new("WTL-0001").expect("valid"));
        assert_eq!(topics.full(PRESENCE), "telltale/v1/WTL-0001/presence");
        assert_eq!(topics.full(&state("energy")), "telltale/v1/WTL-0001/state/energy");
        assert_eq!(topics.full(&event("telltale.raised")), "telltale/v1/WTL-0001/event/telltale.raised");
        for (topic, retained) in [
            (PRESENCE, true),
            (CAPABILITIES, true),
            ("state/body", true),
            (TELEMETRY, false),
            ("event/crash", false),
            ("states/x", false),
        ] {
            assert_eq!(is_retained(topic), retained, "{topic}");
        }
    }

    #[test]
    fn names_that_would_reach_other_topics_are_refused() {
        for id in ["", "a/b", "+", "#", "a b", "käfer", "$SYS", "a\0", &"x".repeat(VEHICLE_ID_MAX_BYTES + 1)] {
            assert!(VehicleId::new(id).is_err(), "{id:?}");
        }
        for topic in ["", "/", "event/", "/event", "event//x", "event/+", "event/#", "event/a b", "event/\0", "$SYS/x"]
        {
            assert!(!is_valid(topic), "{topic:?}");
        }
        assert!(is_valid("event/telltale.raised") && is_valid("telemetry"));
        assert!(VehicleId::new(&"x".repeat(VEHICLE_ID_MAX_BYTES)).is_ok());
    }
}
