//! What the owner says: privacy mode, consent, and answers to an offer of help.
//!
//! The core takes these as typed inputs; how they reach the car is not its business. As JSON, one object each:
//!
//! | object | says |
//! |---|---|
//! | `{"privacy": "on"}`, `"off"` | no position leaves the car from now on, or it may again |
//! | `{"consent": "assistance", "given": true}` | help may be offered after a crash, or no longer |
//! | `{"consent": "emergency_contact", "given": true}` | the emergency contact may be told and asked, or no longer |
//! | `{"answer": "accept", "offer": "…", "by": "owner"}` | an answer to the offer of that id: `accept`, `decline` or `cancel`, by `owner` or `emergency_contact` |

use serde::{Deserialize, Serialize};

use crate::delivery::Privacy;

/// The longest id of an offer that is looked at; the car's own are shorter.
const OFFER_MAX_BYTES: usize = 64;

/// One thing that the owner, or somebody in the owner's place, says.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(untagged, deny_unknown_fields)]
pub enum OwnerInput {
    /// Privacy mode.
    Privacy {
        /// On or off.
        privacy: Privacy,
    },
    /// Consent to something, given or withdrawn.
    Consent {
        /// To what.
        consent: Purpose,
        /// Or withdrawn.
        given: bool,
    },
    /// An answer to an offer of help.
    Answer(Answer),
}

/// What consent is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Purpose {
    /// Help may be offered after a crash.
    Assistance,
    /// The emergency contact may be told of a crash and asked for the owner.
    EmergencyContact,
}

impl Purpose {
    /// The name in payloads.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Assistance => "assistance",
            Self::EmergencyContact => "emergency_contact",
        }
    }
}

/// An answer to an offer of help.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Answer {
    /// What.
    #[serde(rename = "answer")]
    pub choice: Choice,
    /// The id of the offer.
    #[serde(deserialize_with = "short")]
    pub offer: String,
    /// By whom.
    pub by: Party,
}

/// What can be answered to an offer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Choice {
    /// Help is wanted.
    Accept,
    /// Help is not wanted.
    Decline,
    /// Help is called off: it was no crash, or help is there.
    Cancel,
}

/// Who is asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Party {
    /// The owner's app.
    Owner,
    /// The person whom the owner named.
    EmergencyContact,
}

impl Party {
    /// The name in payloads.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Owner => "owner",
            Self::EmergencyContact => "emergency_contact",
        }
    }
}

/// What the owner has settled, and is kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Settings {
    /// Whether a position may leave the car.
    pub privacy: Privacy,
    /// Help may be offered after a crash.
    pub assistance: bool,
    /// The emergency contact may be told and asked.
    pub emergency_contact: bool,
}

impl Settings {
    /// Of a car whose owner has said nothing yet: positions may leave it, nobody is told of a crash.
    pub const FIRST: Self = Self { privacy: Privacy::Off, assistance: false, emergency_contact: false };

    /// While nobody knows what the owner has settled: nothing is let out, nobody is told.
    pub const UNKNOWN: Self = Self { privacy: Privacy::On, ..Self::FIRST };

    /// Whether help may be offered after a crash, and the crash be spoken of for that.
    #[must_use]
    pub const fn allow_help(&self) -> bool {
        self.assistance && matches!(self.privacy, Privacy::Off)
    }

    /// Whether consent is given.
    #[must_use]
    pub const fn consents_to(&self, purpose: Purpose) -> bool {
        match purpose {
            Purpose::Assistance => self.assistance,
            Purpose::EmergencyContact => self.emergency_contact,
        }
    }
}

fn short<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<String, D::Error> {
    let text = String::deserialize(deserializer)?;
    if text.len() <= OFFER_MAX_BYTES {
        Ok(text)
    } else {
        Err(serde::de::Error::custom(format!("an offer's id has at most {OFFER_MAX_BYTES} bytes")))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Option<OwnerInput> {
        serde_json::from_str(text).ok()
    }

    #[test]
    fn each_input_has_its_form_and_nothing_else_is_taken() {
        assert_eq!(parse(r#"{"privacy":"on"}"#), Some(OwnerInput::Privacy { privacy: Privacy::On }));
        let consent = OwnerInput::Consent { consent: Purpose::EmergencyContact, given: false };
        assert_eq!(parse(r#"{"consent":"emergency_contact","given":false}"#), Some(consent));
        let answer = Answer { choice: Choice::Decline, offer: "7-crash-1".to_owned(), by: Party::Owner };
        let text = r#"{"answer":"decline","offer":"7-crash-1","by":"owner"}"#;
        assert_eq!(parse(text), Some(OwnerInput::Answer(answer)));
        for text in [
            "{}",
            "null",
            r#"{"privacy":true}"#,
            r#"{"privacy":"on","given":true}"#,
            r#"{"consent":"assistance"}"#,
            r#"{"consent":"marketing","given":true}"#,
            r#"{"answer":"maybe","offer":"x","by":"owner"}"#,
            r#"{"answer":"accept","offer":"x","by":"dealer"}"#,
            r#"{"answer":"accept","by":"owner"}"#,
        ] {
            assert_eq!(parse(text), None, "{text}");
        }
        let long = format!(r#"{{"answer":"accept","offer":"{}","by":"owner"}}"#, "x".repeat(OFFER_MAX_BYTES + 1));
        assert_eq!(parse(&long), None);
    }
}
