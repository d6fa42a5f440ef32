//! Crashes that are not offers yet: those that nobody has graded, and those that an earlier run has left.

use serde::{Deserialize, Serialize};
use serde_json::Value as Json;

use crate::crash::Verdict;
use crate::services::moment::Moment;
use crate::services::{Cx, View};
use crate::time::{MonoTime, Stamp};

use super::{CLOCK_AWAITED, KEPT, URGENT_WITHIN, findings, is_urgent};

/// A crash that is confirmed and not offered.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Ungraded {
    pub(super) id: String,
    pub(super) crash: Json,
    pub(super) is_urgent: bool,
    /// How far the word had come that this is known from: a [`Stage`](crate::crash::Stage) by its number.
    pub(super) stage: u8,
    at: Moment,
}

#[derive(Serialize, Deserialize)]
struct Saved {
    /// Named so that it is told from an offer where both are saved.
    #[serde(rename = "ungraded")]
    id: String,
    crash: Json,
    is_urgent: bool,
    #[serde(default)]
    stage: u8,
    at: Stamp,
}

impl Ungraded {
    pub(super) fn new(id: String, verdict: &Verdict, at: Moment) -> Self {
        Self { id, crash: findings::of(verdict), is_urgent: is_urgent(verdict), stage: verdict.stage as u8, at }
    }

    pub(super) fn save(&self, view: &View<'_>) -> Json {
        let Self { id, crash, is_urgent, stage, at } = self;
        let (id, crash, at) = (id.clone(), crash.clone(), at.stamp(view));
        let saved = Saved { id, crash, is_urgent: *is_urgent, stage: *stage, at };
        serde_json::to_value(saved).unwrap_or(Json::Null)
    }

    pub(super) fn restored(saved: &Json, view: &View<'_>) -> Option<Self> {
        let Saved { id, crash, is_urgent, stage, at } = Saved::deserialize(saved).ok()?;
        Some(Self { id, crash, is_urgent, stage, at: Moment::restored(at, view) })
    }
}

/// What is to be done with a crash that waits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Choose {
    /// It is not known yet whether it may be spoken of, how badly it was graded, or how long ago it was.
    Wait,
    Offer,
    /// Whatever the severity, it is not urgent any more.
    OfferCalmly,
    /// It is too long ago, or may not be spoken of.
    Drop,
}

/// A crash that waits to be offered help for.
#[derive(Debug)]
pub(super) struct Left {
    pub(super) crash: Ungraded,
    /// Until when the time of day and the black box are waited for; none once they are not waited for any longer.
    due: Option<MonoTime>,
}

impl Left {
    pub(super) fn new(crash: Ungraded, now: MonoTime) -> Self {
        Self { crash, due: Some(now + CLOCK_AWAITED) }
    }

    pub(super) fn is(&self, id: &str) -> bool {
        self.crash.id == id
    }

    pub(super) const fn due(&self) -> Option<MonoTime> {
        self.due
    }

    /// Never before the owner's word is known, and not before the black box has spoken, which may know that it was graded
    /// as mild. Then by how long ago it was: a clock that is not set yet, or was set back behind the crash, may be right
    /// soon; a crash at a time that nobody knew is none the wiser by it.
    pub(super) fn choose(&mut self, cx: &Cx<'_>) -> Choose {
        self.due = self.due.filter(|due| cx.now < *due);
        if !cx.knows_owner {
            return Choose::Wait;
        }
        if !cx.settings.allow_help() {
            return Choose::Drop;
        }
        let age = self.crash.at.surely_until(cx.now, cx.clock);
        let may_be_known = !cx.has_recalled || (age.is_none() && self.crash.at.is_dated());
        if may_be_known && self.due.is_some() {
            return Choose::Wait;
        }
        self.due = None;
        match age {
            Some(age) if age >= KEPT => Choose::Drop,
            Some(age) if age >= URGENT_WITHIN => Choose::OfferCalmly,
            _ => Choose::Offer,
        }
    }
}
