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
    at: Moment,
}

#[derive(Serialize, Deserialize)]
struct Saved {
    /// Named so that it is told from an offer where both are saved.
    #[serde(rename = "ungraded")]
    id: String,
    crash: Json,
    is_urgent: bool,
    at: Stamp,
}

impl Ungraded {
    pub(super) fn new(id: String, verdict: &Verdict, at: Moment) -> Self {
        Self { id, crash: findings::of(verdict), is_urgent: is_urgent(verdict), at }
    }

    pub(super) fn save(&self, view: &View<'_>) -> Json {
        let Self { id, crash, is_urgent, at } = self;
        let saved = Saved { id: id.clone(), crash: crash.clone(), is_urgent: *is_urgent, at: at.stamp(view) };
        serde_json::to_value(saved).unwrap_or(Json::Null)
    }

    pub(super) fn restored(saved: &Json, view: &View<'_>) -> Option<Self> {
        let Saved { id, crash, is_urgent, at } = Saved::deserialize(saved).ok()?;
        Some(Self { id, crash, is_urgent, at: Moment::restored(at, view) })
    }
}

/// What is to be done with a crash of an earlier run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Choose {
    /// It is not known yet how long ago it was.
    Wait,
    Offer,
    /// Whatever the severity, it is not urgent any more.
    OfferCalmly,
    /// It is too long ago, or may not be spoken of.
    Drop,
}

/// A crash of an earlier run.
#[derive(Debug)]
pub(super) struct Left {
    pub(super) crash: Ungraded,
    /// Until when the time of day is waited for; none once it is not waited for any longer.
    clock_due: Option<MonoTime>,
}

impl Left {
    pub(super) fn new(crash: Ungraded, now: MonoTime) -> Self {
        Self { crash, clock_due: Some(now + CLOCK_AWAITED) }
    }

    pub(super) fn is(&self, id: &str) -> bool {
        self.crash.id == id
    }

    pub(super) const fn due(&self) -> Option<MonoTime> {
        self.clock_due
    }

    /// By how long ago it was. A clock that is not set yet, or was set back behind the crash, may be right soon; a crash
    /// at a time that nobody knew is none the wiser by it.
    pub(super) fn choose(&mut self, cx: &Cx<'_>) -> Choose {
        let age = self.crash.at.surely_until(cx.now, cx.clock);
        let may_be_known = self.crash.at.is_dated() && self.clock_due.is_some_and(|due| cx.now < due);
        if age.is_none() && may_be_known {
            return Choose::Wait;
        }
        self.clock_due = None;
        match age {
            Some(age) if age >= KEPT => Choose::Drop,
            Some(age) if age >= URGENT_WITHIN => Choose::OfferCalmly,
            _ => Choose::Offer,
        }
    }
}
