//! What the owner has settled: known before anything that depends on it leaves the car, kept at once when it changes.
//!
//! # Rules
//!
//! 1. *Private until it is known otherwise.* Until the store has answered, no position leaves the car and no service is
//!    called. A store that was never written to is that of a new car: [`Settings::FIRST`]. A store that cannot be
//!    opened, or has lost what was in it, or holds other values without settings, or settings that cannot be read, leaves
//!    [`Settings::UNKNOWN`]: private, without consent, until the owner says otherwise or the store is back. That they
//!    were lost is kept in their place ([`Kept`], empty), as the next run could not tell such a store from a new car's; so
//!    are the first settings, before any other value. Of what was lost only that is kept which the owner has said again.
//! 2. *A word counts at once, and is told when it is durable.* The settings go to the store in one commit with the
//!    event (`privacy.changed`, `consent.changed`) that confirms them. Whoever was not told must say it again. Until
//!    the power is cut, the word counts even where the store fails.
//! 3. *In order.* What is said before the store has answered waits for it ([`MAX_WAITING`]).
//! 4. *What was private stays private.* [`Owner::open_since`] says from which moment on a place may be told: privacy
//!    mode that is switched off lets out where the car is from then on, not where it was before. A store that says in
//!    the end that privacy mode was off all the time opens the whole run.

use std::collections::VecDeque;

use serde::{Deserialize, Serialize};
use serde_json::{Value as Json, json};
use tracing::{info, warn};

use crate::delivery::Privacy;
use crate::services::owner::Purpose;
use crate::services::{Event, OwnerInput, Settings};
use crate::time::MonoTime;

use super::{StoreEvent, StoreInventory};

/// The state group of what the owner has settled.
pub(super) const GROUP: &str = "privacy";

/// The name among the store's values.
const SAVED: &str = "owner";

/// Inputs that wait for the store. An owner says a word or two; a hundred within the seconds that a store needs to
/// open are a fault of whoever hands them in, and the later ones are refused and counted.
const MAX_WAITING: usize = 64;

/// Whether the owner's settings are known.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Knowledge {
    /// The store has not answered.
    Awaited,
    /// It could not be opened so far.
    Unavailable,
    /// It is open and cannot tell.
    Lost,
    /// Restored, or said in this run.
    Known,
}

/// What the owner has settled, now or in an earlier run.
#[derive(Debug, Clone, Copy, Default)]
struct Said {
    privacy: bool,
    assistance: bool,
    contact: bool,
}

impl Said {
    const ALL: Self = Self { privacy: true, assistance: true, contact: true };

    const fn all(self) -> bool {
        self.privacy && self.assistance && self.contact
    }
}

/// As it is kept: without what was lost and was not said again.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
struct Kept {
    #[serde(skip_serializing_if = "Option::is_none")]
    privacy: Option<Privacy>,
    #[serde(skip_serializing_if = "Option::is_none")]
    assistance: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    emergency_contact: Option<bool>,
}

impl Kept {
    const fn new(settings: Settings, said: Said) -> Self {
        let Settings { privacy, assistance, emergency_contact } = settings;
        Self {
            privacy: if said.privacy { Some(privacy) } else { None },
            assistance: if said.assistance { Some(assistance) } else { None },
            emergency_contact: if said.contact { Some(emergency_contact) } else { None },
        }
    }
}

/// See the module's documentation.
#[derive(Debug)]
pub(super) struct Owner {
    settings: Settings,
    knowledge: Knowledge,
    waiting: VecDeque<OwnerInput>,
    refused: u64,
    has_said: Said,
    /// Since when privacy mode is off, in this run; none while it is on.
    open_since: Option<MonoTime>,
}

impl Owner {
    pub(super) const fn new() -> Self {
        Self {
            settings: Settings::UNKNOWN,
            knowledge: Knowledge::Awaited,
            waiting: VecDeque::new(),
            refused: 0,
            has_said: Said { privacy: false, assistance: false, contact: false },
            open_since: None,
        }
    }

    /// What counts now.
    pub(super) const fn settings(&self) -> Settings {
        self.settings
    }

    /// What counts is the owner's own word.
    fn is_known(&self) -> bool {
        self.knowledge == Knowledge::Known
    }

    /// Whether help may be offered is known: where the store could not tell, the owner must have said both.
    pub(super) const fn says_of_help(&self) -> bool {
        self.has_said.privacy && self.has_said.assistance
    }

    /// Whether help may be offered; none while that is not known.
    pub(super) fn allows_help(&self) -> Option<bool> {
        self.says_of_help().then_some(self.settings.allow_help())
    }

    /// The earliest moment at which a place was received that may be told; none in privacy mode.
    pub(super) const fn open_since(&self) -> Option<MonoTime> {
        self.open_since
    }

    pub(super) fn say(&mut self, input: OwnerInput) {
        if self.waiting.len() < MAX_WAITING {
            self.waiting.push_back(input);
        } else {
            self.refused += 1;
            warn!("the owner said too much while the store was not open; say it again later");
        }
    }

    /// What was said and nobody has acted on; nothing before the store has answered.
    pub(super) fn next(&mut self) -> Option<OwnerInput> {
        (self.knowledge != Knowledge::Awaited).then(|| self.waiting.pop_front()).flatten()
    }

    /// The store answered; true when that changed what counts.
    pub(super) fn restore(&mut self, event: &StoreEvent) -> bool {
        let before = self.settings;
        match event {
            StoreEvent::Opened(inventory) if !self.has_said.all() => self.open(inventory),
            StoreEvent::Unavailable(_) if self.knowledge == Knowledge::Awaited => {
                warn!("what the owner has settled is not known without the store: no position leaves the car");
                self.knowledge = Knowledge::Unavailable;
            }
            _ => {}
        }
        self.settings != before
    }

    /// What a store that has just opened is to keep of the owner and does not hold.
    pub(super) fn unkept(&self, event: &StoreEvent) -> Option<(String, Vec<u8>)> {
        let StoreEvent::Opened(inventory) = event else { return None };
        self.save().filter(|saved| !inventory.values.contains(saved))
    }

    /// What the owner has not said in this run is as it was settled before.
    fn open(&mut self, inventory: &StoreInventory) {
        let saved = inventory.values.iter().find(|(name, _)| name == SAVED);
        let is_new = inventory.incident.is_none() && inventory.values.is_empty();
        let kept: Option<Kept> = match saved {
            Some((_, bytes)) => serde_json::from_slice(bytes).ok().filter(|kept| *kept != Kept::default()),
            None => is_new.then(|| Kept::new(Settings::FIRST, Said::ALL)),
        };
        let Some(kept) = kept else {
            warn!("what the owner has settled was lost: no position leaves the car until it is settled again");
            if !self.is_known() {
                self.knowledge = Knowledge::Lost;
            }
            return;
        };
        let said = self.has_said;
        if let Some(privacy) = kept.privacy.filter(|_| !said.privacy) {
            (self.settings.privacy, self.has_said.privacy) = (privacy, true);
            self.open_since = (privacy == Privacy::Off).then_some(MonoTime::ZERO);
        }
        if let Some(given) = kept.assistance.filter(|_| !said.assistance) {
            (self.settings.assistance, self.has_said.assistance) = (given, true);
        }
        if let Some(given) = kept.emergency_contact.filter(|_| !said.contact) {
            (self.settings.emergency_contact, self.has_said.contact) = (given, true);
        }
        self.knowledge = Knowledge::Known;
    }

    /// Privacy mode from now on; the event when that is news.
    pub(super) fn set_privacy(&mut self, now: MonoTime, privacy: Privacy) -> Option<Event> {
        let event = Event::new("privacy.changed", now, json!({ "privacy": privacy.name() }));
        info!(privacy = privacy.name(), "the owner settled privacy mode");
        let is_first = !std::mem::replace(&mut self.has_said.privacy, true);
        self.open_since = match privacy {
            Privacy::On => None,
            Privacy::Off => self.open_since.or(Some(now)),
        };
        self.settle(Settings { privacy, ..self.settings }, is_first, event)
    }

    /// Consent from now on; the event when that is news.
    pub(super) fn set_consent(&mut self, now: MonoTime, purpose: Purpose, given: bool) -> Option<Event> {
        let settings = match purpose {
            Purpose::Assistance => Settings { assistance: given, ..self.settings },
            Purpose::EmergencyContact => Settings { emergency_contact: given, ..self.settings },
        };
        let event = Event::new("consent.changed", now, json!({ "given": given })).about(purpose.name());
        info!(purpose = purpose.name(), given, "the owner settled consent");
        let has_said = match purpose {
            Purpose::Assistance => &mut self.has_said.assistance,
            Purpose::EmergencyContact => &mut self.has_said.contact,
        };
        let is_first = !std::mem::replace(has_said, true);
        self.settle(settings, is_first, event)
    }

    /// That what was a guess is the owner's word is news too.
    fn settle(&mut self, settings: Settings, is_first: bool, event: Event) -> Option<Event> {
        let is_news = self.settings != settings || is_first;
        self.knowledge = Knowledge::Known;
        self.settings = settings;
        is_news.then_some(event)
    }

    /// To be kept; nothing before a store has opened, which may know better.
    pub(super) fn save(&self) -> Option<(String, Vec<u8>)> {
        let bytes = match self.knowledge {
            Knowledge::Awaited | Knowledge::Unavailable => return None,
            Knowledge::Lost | Knowledge::Known => serde_json::to_vec(&Kept::new(self.settings, self.has_said)).ok()?,
        };
        Some((SAVED.to_owned(), bytes))
    }

    /// The state document of the group.
    pub(super) fn describe(&self) -> Json {
        json!({
            "privacy": self.settings.privacy.name(),
            "is_settled": self.is_known() && self.has_said.all(),
            "consent": {
                "assistance": self.settings.assistance,
                "emergency_contact": self.settings.emergency_contact,
            },
        })
    }

    pub(super) const fn refused(&self) -> u64 {
        self.refused
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::gateway::StoreIncident;

    fn opened(saved: Option<&[u8]>, incident: Option<StoreIncident>) -> StoreEvent {
        let values = saved.map(|bytes| (SAVED.to_owned(), bytes.to_vec())).into_iter().collect();
        StoreEvent::Opened(StoreInventory { values, incident, ..StoreInventory::default() })
    }

    fn owner_after(event: &StoreEvent) -> Owner {
        let mut owner = Owner::new();
        owner.restore(event);
        owner
    }

    #[test]
    fn nothing_is_let_out_unless_it_is_known_that_it_may() {
        let lost = || Some(StoreIncident::LostContents("it should hold 7 commits and holds 3".to_owned()));
        assert_eq!(Owner::new().settings(), Settings::UNKNOWN);
        assert_eq!(owner_after(&StoreEvent::Unavailable("no disk".to_owned())).settings(), Settings::UNKNOWN);
        assert_eq!(owner_after(&opened(None, None)).settings(), Settings::FIRST);
        assert_eq!(owner_after(&opened(None, lost())).settings(), Settings::UNKNOWN);
        assert_eq!(owner_after(&opened(Some(b"{\"privacy\":\"half\"}"), None)).settings(), Settings::UNKNOWN);
        for owner in [owner_after(&StoreEvent::Unavailable("no disk".to_owned())), Owner::new()] {
            assert_eq!(owner.save(), None, "the store may know better");
        }
    }

    #[test]
    fn what_was_lost_stays_lost_at_the_next_start_until_it_is_settled_again() {
        let lost = opened(None, Some(StoreIncident::Quarantined("its pages do not add up".to_owned())));
        let mut owner = owner_after(&lost);
        let (name, kept) = owner.unkept(&lost).expect("the next run must know");
        assert_eq!(name, SAVED);
        let again = opened(Some(&kept), None);
        assert!(!owner.restore(&again), "opened anew in the same run");
        let mut next = owner_after(&again);
        assert_eq!((next.settings(), next.says_of_help()), (Settings::UNKNOWN, false));
        assert_eq!(next.unkept(&again), None, "the store has it already");
        next.set_privacy(MonoTime::ZERO, Privacy::Off);
        let (_, settled) = next.save().expect("known");
        assert_eq!(owner_after(&opened(Some(&settled), None)).settings(), Settings::FIRST);
        let values = vec![("crash".to_owned(), b"{}".to_vec())];
        let other = StoreEvent::Opened(StoreInventory { values, ..StoreInventory::default() });
        assert_eq!(owner_after(&other).settings(), Settings::UNKNOWN, "no new car's");
        let new = opened(None, None);
        assert!(owner_after(&new).unkept(&new).is_some(), "else the next run cannot tell it from a store that lost it");
    }

    /// The owner has said one of three words when the car is switched off.
    #[test]
    fn a_guess_in_the_place_of_what_was_lost_does_not_become_the_owners_word_at_the_next_start() {
        let lost = || owner_after(&opened(None, Some(StoreIncident::LostContents(String::new()))));
        let next = |owner: &Owner| owner_after(&opened(Some(&owner.save().expect("known").1), None));
        let mut half = lost();
        half.set_privacy(MonoTime::ZERO, Privacy::Off);
        let mut later = next(&half);
        assert_eq!((later.settings().privacy, later.open_since()), (Privacy::Off, Some(MonoTime::ZERO)));
        assert_eq!(later.allows_help(), None, "nobody has said whether help is wanted");
        assert!(later.set_consent(MonoTime::ZERO, Purpose::Assistance, false).is_some(), "that is news");
        assert_eq!(next(&later).allows_help(), Some(false));
        let mut consented = lost();
        consented.set_consent(MonoTime::ZERO, Purpose::Assistance, true);
        let mut later = next(&consented);
        assert_eq!((later.settings().privacy, later.allows_help()), (Privacy::On, None));
        later.set_privacy(MonoTime::ZERO, Privacy::Off);
        assert_eq!(next(&later).allows_help(), Some(true));
        assert_eq!(owner_after(&opened(Some(b"{}"), None)).allows_help(), None);
    }

    #[test]
    fn what_was_settled_comes_back() {
        let now = MonoTime::from_millis(5);
        let mut owner = owner_after(&opened(None, None));
        assert!(owner.set_privacy(now, Privacy::On).is_some());
        assert!(owner.set_privacy(now, Privacy::On).is_none(), "no news");
        assert!(owner.set_consent(now, Purpose::EmergencyContact, true).is_some());
        let (_, saved) = owner.save().expect("known");
        let again = owner_after(&opened(Some(&saved), Some(StoreIncident::LostContents(String::new()))));
        assert_eq!(again.settings(), Settings { privacy: Privacy::On, assistance: false, emergency_contact: true });
    }

    #[test]
    fn a_place_may_be_told_from_the_moment_on_at_which_privacy_mode_goes_off() {
        let at = MonoTime::from_millis;
        let mut owner = Owner::new();
        assert_eq!(owner.open_since(), None, "private until it is known otherwise");
        owner.restore(&opened(None, None));
        assert_eq!(owner.open_since(), Some(MonoTime::ZERO), "nothing of this run was private");
        owner.set_privacy(at(5), Privacy::On);
        assert_eq!(owner.open_since(), None);
        owner.set_privacy(at(7), Privacy::Off);
        owner.set_privacy(at(9), Privacy::Off);
        assert_eq!(owner.open_since(), Some(at(7)), "said again, it changes nothing");
        let mut lost = owner_after(&StoreEvent::Unavailable("no disk".to_owned()));
        lost.set_privacy(at(3), Privacy::Off);
        assert_eq!(lost.open_since(), Some(at(3)));
    }

    #[test]
    fn the_owners_word_waits_for_the_store_and_outranks_a_store_that_comes_back() {
        let mut owner = Owner::new();
        owner.say(OwnerInput::Privacy { privacy: Privacy::Off });
        assert_eq!(owner.next(), None);
        owner.restore(&StoreEvent::Unavailable("no disk".to_owned()));
        assert_eq!(owner.next(), Some(OwnerInput::Privacy { privacy: Privacy::Off }));
        assert!(owner.set_privacy(MonoTime::ZERO, Privacy::Off).is_some());
        assert!(owner.restore(&opened(Some(br#"{"privacy":"on","assistance":true,"emergency_contact":true}"#), None)));
        let settings = Settings { privacy: Privacy::Off, assistance: true, emergency_contact: true };
        assert_eq!(owner.settings(), settings, "of what the owner did not say the store knows");
        assert!(!owner.restore(&opened(None, None)));
        let mut full = Owner::new();
        for _ in 0..=MAX_WAITING {
            full.say(OwnerInput::Privacy { privacy: Privacy::On });
        }
        assert_eq!((full.waiting.len(), full.refused()), (MAX_WAITING, 1));
    }
}
