//! One offer of help.

use std::time::Duration;

use serde::{Deserialize, Serialize};
use serde_json::Value as Json;

use crate::services::View;
use crate::services::moment::Moment;
use crate::services::owner::Party;
use crate::time::{Clock, MonoTime, Stamp};

use super::left::Ungraded;

/// How far an offer has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Phase {
    Open,
    Accepted,
    Declined,
    Cancelled,
    Unanswered,
}

impl Phase {
    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Open => "open",
            Self::Accepted => "accepted",
            Self::Declined => "declined",
            Self::Cancelled => "cancelled",
            Self::Unanswered => "unanswered",
        }
    }
}

/// What came of asking somebody.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Reply {
    Awaited,
    Declined,
    /// Nothing, in the time that there was.
    Silence,
}

/// Somebody who was asked.
#[derive(Debug, Clone)]
pub(super) struct Asked {
    pub(super) party: Party,
    pub(super) at: Moment,
    /// Until when an answer is awaited.
    pub(super) due: MonoTime,
    pub(super) reply: Reply,
}

/// See the module's documentation.
#[derive(Debug, Clone)]
pub(super) struct Offer {
    pub(super) id: String,
    pub(super) phase: Phase,
    /// When the phase began.
    pub(super) since: Moment,
    /// What is known of the crash.
    pub(super) crash: Json,
    /// It was serious, or a rollover, at one time.
    pub(super) is_urgent: bool,
    /// How far the word had come that this is known from: a [`Stage`](crate::crash::Stage) by its number.
    pub(super) stage: u8,
    pub(super) asked: Vec<Asked>,
    pub(super) accepted_by: Option<Party>,
}

#[derive(Serialize, Deserialize)]
struct Saved {
    id: String,
    phase: Phase,
    since: Stamp,
    crash: Json,
    is_urgent: bool,
    #[serde(default)]
    stage: u8,
    asked: Vec<SavedAsked>,
    accepted_by: Option<Party>,
}

#[derive(Serialize, Deserialize)]
struct SavedAsked {
    party: Party,
    at: Stamp,
    reply: Reply,
}

impl Offer {
    pub(super) fn new(crash: Ungraded, since: Moment) -> Self {
        let Ungraded { id, crash, is_urgent, stage, .. } = crash;
        Self { id, phase: Phase::Open, since, crash, is_urgent, stage, asked: Vec::new(), accepted_by: None }
    }

    pub(super) fn was_asked(&self, party: Party) -> bool {
        self.asked.iter().any(|asked| asked.party == party)
    }

    /// Somebody may answer still.
    pub(super) fn awaits_answer(&self) -> bool {
        self.asked.iter().any(|asked| asked.reply == Reply::Awaited)
    }

    pub(super) fn has_refused(&self, party: Party) -> bool {
        self.asked.iter().any(|asked| asked.party == party && asked.reply == Reply::Declined)
    }

    pub(super) fn reply(&mut self, party: Party, reply: Reply) {
        for asked in self.asked.iter_mut().filter(|asked| asked.party == party) {
            asked.reply = reply;
        }
    }

    /// An answer that is awaited of that party is due now.
    pub(super) fn hurry(&mut self, party: Party, now: MonoTime) {
        for asked in self.asked.iter_mut().filter(|asked| asked.party == party) {
            asked.due = asked.due.min(now);
        }
    }

    /// Notes the silence of one who should have answered by now.
    pub(super) fn take_overdue(&mut self, now: MonoTime) -> Option<Party> {
        if self.phase != Phase::Open {
            return None;
        }
        let overdue = self.asked.iter_mut().find(|asked| asked.reply == Reply::Awaited && asked.due <= now)?;
        overdue.reply = Reply::Silence;
        Some(overdue.party)
    }

    /// When the next answer is overdue.
    pub(super) fn due(&self) -> Option<MonoTime> {
        let awaited = self.asked.iter().filter(|asked| self.phase == Phase::Open && asked.reply == Reply::Awaited);
        awaited.map(|asked| asked.due).min()
    }

    pub(super) const fn end(&mut self, phase: Phase, now: MonoTime) {
        self.phase = phase;
        self.since = Moment::Here(now);
    }

    /// Helpers are under way, or may be: what is learnt of the crash is worth telling.
    pub(super) const fn concerns_helpers(&self) -> bool {
        match self.phase {
            Phase::Open | Phase::Accepted => true,
            Phase::Unanswered => self.is_urgent,
            Phase::Declined | Phase::Cancelled => false,
        }
    }

    /// The owner may call off anything that goes on, the contact what is open or what they asked for themselves.
    pub(super) fn may_cancel(&self, party: Party) -> bool {
        let goes_on = self.concerns_helpers();
        match party {
            Party::Owner => goes_on,
            Party::EmergencyContact => goes_on && (self.phase == Phase::Open || self.accepted_by == Some(party)),
        }
    }

    /// The time since the phase began; zero while the clock cannot tell.
    pub(super) fn age(&self, now: MonoTime, clock: &Clock) -> Duration {
        self.since.until(now, clock).unwrap_or_default()
    }

    pub(super) fn save(&self, view: &View<'_>) -> Json {
        let asked = self.asked.iter().map(|asked| SavedAsked {
            party: asked.party,
            at: asked.at.stamp(view),
            reply: asked.reply,
        });
        let saved = Saved {
            id: self.id.clone(),
            phase: self.phase,
            since: self.since.stamp(view),
            crash: self.crash.clone(),
            is_urgent: self.is_urgent,
            stage: self.stage,
            asked: asked.collect(),
            accepted_by: self.accepted_by,
        };
        serde_json::to_value(saved).unwrap_or(Json::Null)
    }

    /// With nobody's answer due yet: the caller knows how long each has.
    pub(super) fn restored(saved: &Json, view: &View<'_>) -> Option<Self> {
        let saved = Saved::deserialize(saved).ok()?;
        let asked = saved.asked.into_iter().map(|asked| Asked {
            party: asked.party,
            at: Moment::restored(asked.at, view),
            due: view.now,
            reply: asked.reply,
        });
        Some(Self {
            id: saved.id,
            phase: saved.phase,
            since: Moment::restored(saved.since, view),
            crash: saved.crash,
            is_urgent: saved.is_urgent,
            stage: saved.stage,
            asked: asked.collect(),
            accepted_by: saved.accepted_by,
        })
    }
}
