//! What the outbox says about its own troubles, as events on the road that all events take.
//!
//! Each kind is sent at most once in [`REPORT_INTERVAL`], with what gathered since the last one: a store that fails
//! and recovers every second, or that gives up a record for each new one, must not fill itself with reports of it.

use std::time::Duration;

use serde_json::{Map, Value as Json, json};

use crate::delivery::draft::Draft;
use crate::delivery::record::Lane;
use crate::time::{MonoTime, Stamp};

use super::stat::LaneStat;

/// At most one report of a kind in this time.
pub const REPORT_INTERVAL: Duration = Duration::from_secs(60);

/// How much of an error text of the store is passed on.
const TEXT_MAX_CHARS: usize = 200;

type Lanes = [LaneStat; 4];

/// What is waiting to be said.
#[derive(Debug, Default)]
pub(super) struct Reports {
    incident: Option<Json>,
    degraded: Option<String>,
    recovered: Option<Duration>,
    next_degraded: MonoTime,
    next_recovered: MonoTime,
    next_lost: MonoTime,
    said_lost: Lanes,
    said_uncommitted: Lanes,
}

impl Reports {
    pub(super) fn incident(&mut self, incident: &str, detail: &str) {
        self.incident = Some(json!({"incident": incident, "detail": clip(detail)}));
    }

    pub(super) fn degraded(&mut self, reason: &str) {
        self.degraded = Some(clip(reason));
    }

    pub(super) fn recovered(&mut self, after: Duration) {
        self.recovered = Some(after);
    }

    /// The next report that may be made now.
    pub(super) fn poll(&mut self, now: MonoTime, lanes: &Lanes, stamp: Stamp) -> Option<Draft> {
        if let Some(data) = self.incident.take() {
            return Some(Draft::event("store.quarantined", stamp, data.to_string()));
        }
        if let Some(reason) = self.degraded.take_if(|_| self.next_degraded <= now) {
            self.next_degraded = now + REPORT_INTERVAL;
            let data = json!({"reason": reason, "waiting": counts(lanes, |lane| lane.in_memory)});
            return Some(Draft::event("store.degraded", stamp, data.to_string()));
        }
        if self.degraded.is_none()
            && let Some(after) = self.recovered.take_if(|_| self.next_recovered <= now)
        {
            self.next_recovered = now + REPORT_INTERVAL;
            let uncommitted = since(lanes, &self.said_uncommitted, |lane| lane.uncommitted);
            self.said_uncommitted = *lanes;
            let data = json!({"after_ms": u64::try_from(after.as_millis()).unwrap_or(u64::MAX), "sent_uncommitted": uncommitted});
            return Some(Draft::event("store.recovered", stamp, data.to_string()));
        }
        if self.next_lost <= now && total_lost(lanes) > total_lost(&self.said_lost) {
            self.next_lost = now + REPORT_INTERVAL;
            let data = json!({
                "evicted": since(lanes, &self.said_lost, |lane| lane.evicted),
                "refused": since(lanes, &self.said_lost, |lane| lane.refused),
                "corrupt": since(lanes, &self.said_lost, |lane| lane.corrupt),
                "missing": since(lanes, &self.said_lost, |lane| lane.missing),
                "set_aside": since(lanes, &self.said_lost, |lane| lane.set_aside),
            });
            self.said_lost = *lanes;
            return Some(Draft::event("outbox.evicted", stamp, data.to_string()));
        }
        None
    }

    /// When there will be something to say.
    pub(super) fn due(&self, lanes: &Lanes) -> Option<MonoTime> {
        let incident = self.incident.as_ref().map(|_| MonoTime::ZERO);
        let degraded = self.degraded.as_ref().map(|_| self.next_degraded);
        let recovered = self.recovered.filter(|_| self.degraded.is_none()).map(|_| self.next_recovered);
        let lost = (total_lost(lanes) > total_lost(&self.said_lost)).then_some(self.next_lost);
        [incident, degraded, recovered, lost].into_iter().flatten().min()
    }
}

fn total_lost(lanes: &Lanes) -> u64 {
    lanes.iter().map(|lane| lane.evicted + lane.refused + lane.corrupt + lane.missing + lane.set_aside).sum()
}

/// The lanes in which the count is not zero.
fn counts(lanes: &Lanes, count: fn(&LaneStat) -> u64) -> Json {
    since(lanes, &Lanes::default(), count)
}

fn since(lanes: &Lanes, before: &Lanes, count: fn(&LaneStat) -> u64) -> Json {
    let changes = Lane::ALL.iter().zip(lanes.iter().zip(before));
    let changes = changes.map(|(lane, (now, before))| (lane, count(now).saturating_sub(count(before))));
    Json::Object(
        changes.filter(|&(_, n)| n > 0).map(|(lane, n)| (lane.name().to_owned(), n.into())).collect::<Map<_, _>>(),
    )
}

fn clip(text: &str) -> String {
    text.chars().take(TEXT_MAX_CHARS).collect()
}
