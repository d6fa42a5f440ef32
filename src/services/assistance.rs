//! Assistance: after a measured crash help is offered, and taken, refused, called off, or not answered.
//!
//! # When
//!
//! A crash that the classifier has confirmed is offered once its severity reaches the deployment's threshold, or when
//! the graded verdict cannot tell the severity: who does not know asks. It needs the owner's consent, and privacy mode
//! off. What was decided at the first word of a confirmed crash holds for it: a crash in privacy mode stays unsaid,
//! though privacy mode be switched off a second later.
//!
//! The offer has the crash's id. Later verdicts update it and never make another; an offer that was made is not taken
//! back when the crash turns out to be milder.
//!
//! # Who is asked
//!
//! The owner first; the emergency contact, with the owner's consent to that, once the owner has not answered in time.
//! In a serious crash or a rollover both are asked at once, and the first to accept counts. The owner's refusal ends the
//! offer, the contact's only their own part: a contact who refuses does not speak for an owner who lies unconscious.
//!
//! # How it ends
//!
//! | end | by | then |
//! |---|---|---|
//! | `accepted` | owner or contact | help is requested; it can still be called off by whoever accepted, and by the owner |
//! | `declined` | owner; or the contact after the owner's silence, unless the crash is serious | nothing |
//! | `cancelled` | owner, contact, privacy mode, consent withdrawn | nothing; a request that went out is called off. In a serious crash what the contact calls off before anybody has answered is their refusal |
//! | `unanswered` | nobody in time; serious: not the owner, nor did the contact accept | serious: help is requested; else nothing |
//!
//! An offer that nobody has answered becomes a request when the crash turns out to be serious: `unanswered` is told again.
//! An acceptance that comes late, up to [`KEPT`] after nobody had answered, is taken: somebody came to. Answers that
//! fit nothing (another id, an ended offer, a contact who was not asked) change nothing.
//!
//! Privacy mode or the withdrawal of consent ends what is open, without a position. A request that went out stays, and
//! can still be called off; but for that, nothing is told of any offer then, and nobody's answer is taken. An emergency
//! contact to whom consent is withdrawn is not waited for any longer, and their answer is not taken.
//!
//! # Restart
//!
//! Offers are saved in one commit with the events that tell of them. After a restart the time to answer runs on; across
//! a reboot by the wall clock, and anew where that is not known: rather asked for longer than forgotten.
//!
//! A crash that was confirmed and not graded when the power went is offered help for by the next run, whatever its
//! severity was so far: nobody will grade it any more. One that was graded and not told is when it is bad enough. Help
//! for it waits for the owner's word to be known, as it does for a crash of this run, for a place among the offers
//! ([`MAX_OFFERS`]), and up to [`CLOCK_AWAITED`] for the black box, which may have a later word on it, and for a clock
//! that was set: a car whose power comes back after [`URGENT_WITHIN`] asks the owner first whatever the severity, and
//! after [`KEPT`] nobody. Where it stays unknown how long ago the crash was, it counts as recent.
//!
//! # Events
//!
//! All in the critical lane, with position; the subject is the id of the offer. `crash` is what is known of it.
//!
//! `assistance.offered`
//!
//! ```json
//! {"to": "owner", "answer_within_s": 60, "crash": {"severity": "moderate", "pdof_deg": 10, "clock_direction": 12,
//!  "side": "front", "rollover": false, "impacts": 1, "occupants": 2, "belted": 2}}
//! ```
//!
//! `assistance.updated`: as `crash`, and the `phase` of the offer. `assistance.accepted`: `by`. `assistance.declined`:
//! `by`, and whether it `is_final`. `assistance.cancelled`: `by` is `owner`, `emergency_contact`, `privacy` or `consent`.
//! `assistance.unanswered`: `by` who did not answer, whether it `is_final`, and whether `help_requested`.
//!
//! # State: member `assistance` of group `safety`
//!
//! ```json
//! {"offers": [{"offer": "0000000100000000-crash-1", "phase": {"value": "open", "quality": "good", "time": "…"},
//!  "asked": ["owner"]}]}
//! ```

mod findings;
mod left;
mod offer;

use std::time::Duration;

use serde_json::{Value as Json, json};
use tracing::{debug, warn};

use crate::config::AssistanceSettings;
use crate::crash::{Severity, Stage, Verdict};
use crate::delivery::{BootId, Lane, Privacy};
use crate::signals::{Quality, SignalId};
use crate::time::MonoTime;

use super::moment::Moment;
use super::owner::{Choice, Party, Purpose};
use super::{Answer, Cx, Event, Recovered, Service, Settings, View, crash_id, doc};
use left::{Choose, Left, Ungraded};
use offer::{Asked, Offer, Phase, Reply};

/// So long an ended offer can be answered still: late acceptance, and calling off. Longer than help takes to come.
pub const KEPT: Duration = Duration::from_secs(24 * 60 * 60);

/// Offers that are known at one time. A pile-up is one crash with several impacts; a fifth crash within the minutes in
/// which offers are open ends the oldest as unanswered.
pub const MAX_OFFERS: usize = 4;

/// Crashes that were put off: more than the black box holds. One more, and for the oldest help is offered at once, or
/// never where nobody knows whether it may be.
pub const MAX_LEFT: usize = 8;

/// A crash of an earlier run that is longer ago is not urgent any more: help was called by others, or whoever was in the
/// car has left it (assumed).
pub const URGENT_WITHIN: Duration = Duration::from_secs(60 * 60);

/// So long a clock is waited for that was set, by satellites or the network, and tells how long ago a crash was: a receiver
/// has a fix within 30 s of a cold start.
pub const CLOCK_AWAITED: Duration = Duration::from_secs(30);

/// The service.
#[derive(Debug)]
pub struct Assistance {
    settings: AssistanceSettings,
    /// The oldest first.
    offers: Vec<Offer>,
    /// The word of the classifier that was handled last.
    heard: Option<(u32, Stage, MonoTime)>,
    /// The crash of this run that is not to be spoken of: privacy mode was on, or consent was missing.
    unsaid: Option<u32>,
    /// The crash of this run that becomes an offer when it is graded badly enough.
    ungraded: Option<Ungraded>,
    /// Those of earlier runs that become offers, the oldest first, and those of this run while it is not known what the
    /// owner allows.
    left: Vec<Left>,
}

impl Assistance {
    /// With the deployment's settings.
    #[must_use]
    pub const fn new(settings: AssistanceSettings) -> Self {
        Self { settings, offers: Vec::new(), heard: None, unsaid: None, ungraded: None, left: Vec::new() }
    }

    fn hear(&mut self, cx: &mut Cx<'_>, verdict: &Verdict) {
        if self.heard.replace((verdict.event, verdict.stage, verdict.at))
            == Some((verdict.event, verdict.stage, verdict.at))
            || matches!(verdict.stage, Stage::Suspected | Stage::Dismissed)
            || self.unsaid == Some(verdict.event)
        {
            return;
        }
        let crash = Ungraded::new(crash_id(cx.boot, verdict.event), verdict, Moment::Here(verdict.contact));
        if !cx.knows_owner {
            return self.put_off(cx, crash, verdict);
        }
        let was_put_off = self.left.iter().any(|left| left.is(&crash.id));
        self.left.retain(|left| !left.is(&crash.id));
        let known = self.find(&crash.id);
        let before = self.ungraded.take();
        if !cx.settings.allow_help() {
            if known.is_none() {
                self.unsaid = Some(verdict.event);
            }
        } else if let Some(index) = known {
            self.update_offer(cx, index, crash);
        } else if self.reaches_threshold(verdict) {
            self.make_offer(cx, crash);
        } else if verdict.stage < Stage::Graded {
            self.ungraded = Some(crash);
        }
        cx.out.save_now |= was_put_off || self.ungraded != before;
    }

    /// Leaves a crash, of an earlier run or of this one, to be decided on; its last word counts. What was saved may be
    /// older than what the black box holds, or newer, where the power kept the disk from writing the last word.
    fn put_off(&mut self, cx: &mut Cx<'_>, crash: Ungraded, verdict: &Verdict) {
        let offered = self.offers.iter().find(|offer| offer.id == crash.id).map(|offer| offer.stage);
        let waiting = self.left.iter().find(|left| left.is(&crash.id)).map(|left| left.crash.stage);
        if offered.max(waiting).is_some_and(|known| crash.stage < known) {
            return;
        }
        self.left.retain(|left| !left.is(&crash.id));
        let is_wanted = offered.is_some() || verdict.stage < Stage::Graded || self.reaches_threshold(verdict);
        cx.out.save_now |= is_wanted || waiting.is_some();
        if is_wanted {
            self.left.push(Left::new(crash, cx.now));
        }
    }

    fn find(&self, id: &str) -> Option<usize> {
        self.offers.iter().position(|offer| offer.id == id)
    }

    /// What is known of a crash has come as far as that word, or further.
    fn has_offered(&self, id: &str, stage: u8) -> bool {
        self.offers.iter().any(|offer| offer.id == id && offer.stage >= stage)
    }

    /// Offers what was put off, as soon as it can be, and brings up to date what earlier runs did offer.
    fn make_up(&mut self, cx: &mut Cx<'_>) {
        let excess = self.left.len().saturating_sub(MAX_LEFT);
        for (index, mut left) in std::mem::take(&mut self.left).into_iter().enumerate() {
            let choice = left.choose(cx);
            let is_forced = index < excess;
            let has_room = self.offers.len() < MAX_OFFERS || self.offers.iter().any(|offer| offer.phase != Phase::Open);
            match choice {
                Choose::Drop => {
                    self.leave_unsaid(cx.boot, &left.crash.id);
                    cx.out.save_now = true;
                }
                Choose::Wait if !is_forced => self.left.push(left),
                Choose::Wait if !cx.knows_owner => {
                    warn!(crash = left.crash.id, "too many crashes wait for the owner's word: no help is offered");
                    cx.out.save_now = true;
                }
                Choose::Wait | Choose::Offer | Choose::OfferCalmly => {
                    left.crash.is_urgent &= choice != Choose::OfferCalmly;
                    if let Some(known) = self.find(&left.crash.id) {
                        cx.out.save_now = true;
                        self.update_offer(cx, known, left.crash);
                    } else if self.is_to_be_graded(cx, &left.crash) {
                        self.ungraded = Some(left.crash);
                    } else if has_room || is_forced {
                        self.make_offer(cx, left.crash);
                    } else {
                        self.left.push(left);
                    }
                }
            }
        }
    }

    /// It is the crash of this run, and its grading, which decides whether it is offered, is still to come.
    fn is_to_be_graded(&self, cx: &Cx<'_>, crash: &Ungraded) -> bool {
        let word = cx.verdict.filter(|verdict| crash_id(cx.boot, verdict.event) == crash.id);
        word.is_some_and(|word| word.stage < Stage::Graded && !self.reaches_threshold(word))
    }

    /// What was put off and may not be spoken of stays unsaid, though there be more words on it.
    fn leave_unsaid(&mut self, boot: BootId, id: &str) {
        let own = self.heard.map(|(event, ..)| event).filter(|event| crash_id(boot, *event) == id);
        self.unsaid = own.or(self.unsaid);
    }

    fn reaches_threshold(&self, verdict: &Verdict) -> bool {
        match verdict.severity {
            Some(severity) => severity >= self.settings.threshold,
            None => verdict.stage >= Stage::Graded,
        }
    }

    /// Lets go of offers until that many are left, ended ones first.
    fn make_room(&mut self, cx: &mut Cx<'_>, most: usize) {
        while self.offers.len() > most {
            // Help that is under way can be called off for as long as there is room to know of it.
            let is_done = |offer: &Offer| offer.phase != Phase::Open && !offer.concerns_helpers();
            let done = self.offers.iter().position(is_done);
            let ended = || self.offers.iter().position(|offer| offer.phase != Phase::Open);
            let index = done.or_else(ended).unwrap_or(0);
            let mut oldest = self.offers.remove(index);
            if oldest.phase == Phase::Open {
                end_unanswered(cx, &mut oldest, Party::Owner);
            }
        }
    }

    fn make_offer(&mut self, cx: &mut Cx<'_>, crash: Ungraded) {
        self.make_room(cx, MAX_OFFERS - 1);
        let mut offer = Offer::new(crash, Moment::Here(cx.now));
        self.ask(cx, &mut offer, Party::Owner);
        if offer.is_urgent && cx.settings.consents_to(Purpose::EmergencyContact) {
            self.ask(cx, &mut offer, Party::EmergencyContact);
        }
        self.offers.push(offer);
    }

    fn ask(&self, cx: &mut Cx<'_>, offer: &mut Offer, party: Party) {
        let window = self.window(party);
        let at = Moment::Here(cx.now);
        offer.asked.push(Asked { party, at, due: cx.now + window, reply: Reply::Awaited });
        let data = json!({ "to": party.name(), "answer_within_s": window.as_secs(), "crash": offer.crash });
        tell(cx, "assistance.offered", offer, data);
    }

    const fn window(&self, party: Party) -> Duration {
        match party {
            Party::Owner => self.settings.owner_answers_within,
            Party::EmergencyContact => self.settings.contact_answers_within,
        }
    }

    fn update_offer(&mut self, cx: &mut Cx<'_>, index: usize, word: Ungraded) {
        let Some(known) = self.offers.get_mut(index) else { return };
        let Ungraded { crash, is_urgent, stage, .. } = word;
        known.stage = stage;
        if known.crash == crash {
            return;
        }
        let mut offer = Offer { crash, ..known.clone() };
        let has_become_urgent = is_urgent && !offer.is_urgent;
        offer.is_urgent |= has_become_urgent;
        if offer.phase == Phase::Unanswered && has_become_urgent {
            end_unanswered(cx, &mut offer, Party::Owner);
        } else if offer.concerns_helpers() {
            let data = json!({ "phase": offer.phase.name(), "crash": offer.crash });
            tell(cx, "assistance.updated", &offer, data);
        }
        let contact = cx.settings.consents_to(Purpose::EmergencyContact);
        if offer.phase == Phase::Open && offer.is_urgent && contact && !offer.was_asked(Party::EmergencyContact) {
            self.ask(cx, &mut offer, Party::EmergencyContact);
        }
        cx.out.save = true;
        if let Some(slot) = self.offers.get_mut(index) {
            *slot = offer;
        }
    }

    fn take_answer(&mut self, cx: &mut Cx<'_>, answer: &Answer) {
        let by = answer.by;
        let known = self.offers.iter_mut().find(|offer| offer.id == answer.offer);
        let Some(offer) = known.filter(|offer| counts(answer, offer, cx.settings)) else {
            debug!(offer = answer.offer, by = by.name(), "an answer to no offer that they were asked, or still are");
            return;
        };
        match (answer.choice, offer.phase) {
            (Choice::Accept, Phase::Open | Phase::Unanswered) => {
                offer.end(Phase::Accepted, cx.now);
                offer.accepted_by = Some(by);
                tell(cx, "assistance.accepted", offer, json!({ "by": by.name(), "crash": offer.crash }));
            }
            (Choice::Decline, Phase::Open) => take_refusal(cx, offer, by),
            // Nor does the contact call off what an owner who lies unconscious may need.
            (Choice::Cancel, Phase::Open) if by != Party::Owner && offer.is_urgent => take_refusal(cx, offer, by),
            (Choice::Cancel, Phase::Open | Phase::Accepted | Phase::Unanswered) if offer.may_cancel(by) => {
                offer.end(Phase::Cancelled, cx.now);
                tell_of_cancel(cx, offer, by.name());
            }
            (choice, phase) => debug!(?choice, phase = phase.name(), "an answer that comes too late"),
        }
    }

    /// Ends what the owner no longer allows.
    fn respect(&mut self, cx: &mut Cx<'_>) {
        let by = match cx.settings {
            Settings { privacy: Privacy::On, .. } => "privacy",
            Settings { assistance: false, .. } => "consent",
            Settings { emergency_contact: false, .. } => {
                self.offers.iter_mut().for_each(|offer| offer.hurry(Party::EmergencyContact, cx.now));
                return;
            }
            _ => return,
        };
        cx.out.save_now |= self.ungraded.take().is_some();
        for offer in self.offers.iter_mut().filter(|offer| offer.phase == Phase::Open) {
            offer.end(Phase::Cancelled, cx.now);
            tell_of_cancel(cx, offer, by);
        }
    }

    /// Who has not answered in time is not waited for any longer.
    fn look_at_the_clock(&mut self, cx: &mut Cx<'_>) {
        for index in 0..self.offers.len() {
            let Some(mut offer) = self.offers.get(index).cloned() else { return };
            if offer.phase != Phase::Open {
                continue;
            }
            while let Some(party) = offer.take_overdue(cx.now) {
                let contact = cx.settings.consents_to(Purpose::EmergencyContact);
                let asks_contact = contact && !offer.was_asked(Party::EmergencyContact);
                if asks_contact || offer.awaits_answer() {
                    let data = json!({ "by": party.name(), "is_final": false, "help_requested": false });
                    tell(cx, "assistance.unanswered", &offer, data);
                } else {
                    end_unanswered(cx, &mut offer, party);
                }
                if asks_contact {
                    self.ask(cx, &mut offer, Party::EmergencyContact);
                }
            }
            if let Some(slot) = self.offers.get_mut(index) {
                *slot = offer;
            }
        }
        self.offers.retain(|offer| offer.phase == Phase::Open || offer.age(cx.now, cx.clock) < KEPT);
    }
}

impl Service for Assistance {
    fn name(&self) -> &'static str {
        "assistance"
    }

    fn group(&self) -> &'static str {
        "safety"
    }

    fn interests(&self) -> Vec<SignalId> {
        Vec::new()
    }

    fn update(&mut self, cx: &mut Cx<'_>) {
        // A store that opened late may have brought more.
        self.make_room(cx, MAX_OFFERS);
        self.respect(cx);
        if let Some(verdict) = cx.verdict {
            self.hear(cx, verdict);
        }
        if let Some(Recovered { crash, verdict, at }) = cx.recovered {
            self.put_off(cx, Ungraded::new(crash.clone(), verdict, *at), verdict);
        }
        if let Some(answer) = cx.answer {
            self.take_answer(cx, answer);
        }
        self.look_at_the_clock(cx);
        self.make_up(cx);
    }

    fn deadline(&self) -> Option<MonoTime> {
        self.offers.iter().filter_map(Offer::due).chain(self.left.iter().filter_map(Left::due)).min()
    }

    fn state(&self, view: &View<'_>) -> Json {
        let offers = self.offers.iter().map(|offer| {
            let asked: Vec<&str> = offer.asked.iter().map(|asked| asked.party.name()).collect();
            let phase = doc::measured(offer.phase.name(), "", Quality::Good, view.time(offer.since.at()));
            json!({ "offer": offer.id, "phase": phase, "asked": asked })
        });
        json!({ "offers": offers.collect::<Vec<_>>() })
    }

    fn save(&self, view: &View<'_>) -> Json {
        let ungraded = self.left.iter().map(|left| &left.crash).chain(&self.ungraded);
        let ungraded = ungraded.map(|crash| crash.save(view));
        self.offers.iter().map(|offer| offer.save(view)).chain(ungraded).collect()
    }

    fn restore(&mut self, saved: &Json, view: &View<'_>) {
        let saved = saved.as_array().map(Vec::as_slice).unwrap_or_default();
        let restored = saved.iter().filter_map(|saved| Offer::restored(saved, view)).take(MAX_OFFERS);
        let mut offers: Vec<_> = restored.collect();
        for asked in offers.iter_mut().flat_map(|offer| offer.asked.iter_mut()) {
            let elapsed = asked.at.until(view.now, view.clock).unwrap_or_default();
            asked.due = view.now + self.window(asked.party).saturating_sub(elapsed);
        }
        offers.retain(|offer| self.find(&offer.id).is_none());
        let crashes = saved.iter().filter_map(|saved| Ungraded::restored(saved, view)).take(MAX_LEFT + 1);
        let mut left: Vec<_> = crashes.map(|crash| Left::new(crash, view.now)).collect();
        // What this run has made of a crash is newer than a word that had come no further.
        left.retain(|left| {
            let is_newer = |own: &Left| own.is(&left.crash.id) && own.crash.stage >= left.crash.stage;
            !self.left.iter().any(is_newer)
        });
        self.left.retain(|own| !left.iter().any(|further| further.is(&own.crash.id)));
        left.retain(|left| !self.has_offered(&left.crash.id, left.crash.stage));
        offers.append(&mut self.offers);
        self.offers = offers;
        self.left.retain(|left| !self.offers.iter().any(|offer| left.is(&offer.id) && offer.stage > left.crash.stage));
        left.append(&mut self.left);
        self.left = left;
    }

    fn rejoin(&mut self, saved: &Json, view: &View<'_>) {
        self.restore(saved, view);
    }

    fn holds(&self) -> bool {
        let is_open = self.offers.iter().any(|offer| offer.phase == Phase::Open);
        is_open || !self.left.is_empty() || self.ungraded.is_some()
    }
}

/// Whether an answer is one of somebody who was asked, and may still be. What was requested while that was allowed can be
/// called off at any time: else help comes that nobody wants.
fn counts(answer: &Answer, offer: &Offer, settings: Settings) -> bool {
    let by = answer.by;
    let is_trusted = by == Party::Owner || settings.consents_to(Purpose::EmergencyContact);
    let calls_off = answer.choice == Choice::Cancel && offer.phase != Phase::Open;
    offer.was_asked(by) && (calls_off || (settings.allow_help() && is_trusted))
}

/// Both are asked at once, and help is requested unasked.
fn is_urgent(verdict: &Verdict) -> bool {
    verdict.severity == Some(Severity::Serious) || verdict.rollover == Some(true)
}

/// The owner's refusal is final; the contact's, where nobody else may answer still. But in a serious crash it does not
/// speak for an owner who was silent: whether the contact refused before or after that makes no difference.
fn take_refusal(cx: &mut Cx<'_>, offer: &mut Offer, by: Party) {
    if offer.has_refused(by) {
        return;
    }
    offer.reply(by, Reply::Declined);
    let is_last = by == Party::Owner || !offer.awaits_answer();
    let is_silence = is_last && by != Party::Owner && offer.is_urgent;
    let is_final = is_last && !is_silence;
    if is_final {
        offer.end(Phase::Declined, cx.now);
    }
    tell(cx, "assistance.declined", offer, json!({ "by": by.name(), "is_final": is_final }));
    if is_silence {
        end_unanswered(cx, offer, Party::Owner);
    }
}

fn end_unanswered(cx: &mut Cx<'_>, offer: &mut Offer, by: Party) {
    offer.end(Phase::Unanswered, cx.now);
    let data = json!({
        "by": by.name(),
        "is_final": true,
        "help_requested": offer.is_urgent,
        "crash": offer.crash,
    });
    tell(cx, "assistance.unanswered", offer, data);
}

fn tell(cx: &mut Cx<'_>, kind: &'static str, offer: &Offer, data: Json) {
    let event = event(kind, offer, cx.now, data);
    cx.out.events.push(event);
    (cx.out.save, cx.out.state_changed) = (true, true);
}

/// The end of help needs no position where the owner does not allow to speak of a crash.
fn tell_of_cancel(cx: &mut Cx<'_>, offer: &Offer, by: &str) {
    let event = event("assistance.cancelled", offer, cx.now, json!({ "by": by }));
    cx.out.events.push(Event { with_position: cx.settings.allow_help(), ..event });
    (cx.out.save, cx.out.state_changed) = (true, true);
}

fn event(kind: &'static str, offer: &Offer, at: MonoTime, data: Json) -> Event {
    Event { lane: Lane::Critical, ..Event::new(kind, at, data).about(&offer.id).with_position() }
}

#[cfg(test)]
mod left_tests;
#[cfg(test)]
mod tests;
