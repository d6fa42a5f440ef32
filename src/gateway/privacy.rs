//! What the owner's word changes, and above all: what was recorded in privacy mode is never told.
//!
//! A position is held back twice. When a record is made, its location is dropped in privacy mode ([`Gateway::push`]), so
//! that nothing private ever waits for privacy mode to end; when it is sent, the encoder looks at the mode once more,
//! for what was made before. What is collected over time is cut at the moment of the word, so that each part belongs to
//! one mode; and what the gateway remembers of the private time is forgotten when that ends, or is marked
//! ([`Position`](super::position::Position)) where the eCall record may need it.

use crate::delivery::{Draft, Privacy};
use crate::services::{Event, OwnerInput};

use super::Gateway;
use super::crew::Occasion;

impl Gateway {
    /// Hands a message to the outbox; in privacy mode without its place, but for the statutory record.
    pub(super) fn push(&mut self, mut draft: Draft) {
        if self.owner.settings().privacy == Privacy::On && !draft.statutory {
            draft.location = None;
        }
        self.dispatch.push(self.now, draft);
    }

    /// Acts on what the owner said.
    pub(super) fn hear(&mut self, input: OwnerInput) {
        let change = match input {
            OwnerInput::Privacy { privacy } => self.set_privacy(privacy),
            OwnerInput::Consent { consent, given } => self.owner.set_consent(self.now, consent, given),
            OwnerInput::Answer(answer) => {
                self.crew.call_all();
                return self.round(Occasion { answer: Some(&answer), ..Occasion::default() });
            }
        };
        if let Some(event) = change {
            self.settings_changed();
            self.report(event);
            self.round(Occasion::default());
            self.dispatch.save(self.now, self.owner.save().into_iter().collect());
        }
    }

    /// The services act on it, and what the broker retains is replaced at once: it may hold a place.
    pub(super) fn settings_changed(&mut self) {
        self.crew.call_all();
        self.publisher.hurry_all();
    }

    fn set_privacy(&mut self, privacy: Privacy) -> Option<Event> {
        if self.owner.settings().privacy != privacy {
            if let Some(batch) = self.publisher.flush(&self.signals) {
                self.publish_batch(batch);
            }
            if privacy == Privacy::Off {
                self.signals.forget_positions();
                self.publisher.forget_positions(&self.signals);
            }
        }
        self.owner.set_privacy(self.now, privacy)
    }
}
