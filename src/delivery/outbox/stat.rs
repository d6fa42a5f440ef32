//! What the outbox counts, for metrics and for its own loss report.

use std::time::Duration;

use crate::delivery::record::Lane;

/// The upper ends of the latency buckets in milliseconds; one more bucket holds all above. 100 ms is the budget from
/// verdict to PUBACK on a healthy link, 2 s the one from link restored to first publish.
pub const LATENCY_BUCKETS_MS: [u64; 9] = [10, 50, 100, 500, 2_000, 10_000, 60_000, 600_000, 3_600_000];

/// How long records took from [`super::Outbox::push`] to their PUBACK. A record that went to the store and left RAM
/// is not in it: how long an outage lasted says nothing of the gateway.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Latency {
    /// How many fell into each bucket (not cumulative), in the order of [`LATENCY_BUCKETS_MS`], then those above.
    pub counts: [u64; LATENCY_BUCKETS_MS.len() + 1],
    /// The sum of all.
    pub sum_ms: u64,
}

impl Latency {
    pub(super) fn add(&mut self, took: Duration) {
        let ms = u64::try_from(took.as_millis()).unwrap_or(u64::MAX);
        let bucket = LATENCY_BUCKETS_MS.partition_point(|&end| end < ms);
        if let Some(count) = self.counts.get_mut(bucket) {
            *count += 1;
        }
        self.sum_ms = self.sum_ms.saturating_add(ms);
    }
}

/// One lane. The first five are what is now, the others what was since the start.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct LaneStat {
    /// Records in memory, whether or not they are in the store too.
    pub in_memory: u64,
    /// Records in the store alone.
    pub in_store: u64,
    /// Records in the store, whether or not they are in memory too.
    pub stored: u64,
    /// What the lane takes in the store, by the outbox's own bookkeeping.
    pub stored_bytes: u64,
    /// Publications without their PUBACK.
    pub in_flight: u64,
    /// Taken.
    pub pushed: u64,
    /// Handed to the client, repeats included.
    pub published: u64,
    /// Acknowledged by the broker.
    pub acked: u64,
    /// Given up for lack of room. For states: replaced by a newer one before it was sent is not counted, it is the rule.
    pub evicted: u64,
    /// Not taken, see [`crate::delivery::PushError`].
    pub refused: u64,
    /// Handed to the client without being in the store, because that had failed.
    pub uncommitted: u64,
    /// Found in the store, but no record (see [`crate::delivery::codec::DecodeError`]).
    pub corrupt: u64,
    /// Should have been in the store and were not.
    pub missing: u64,
    /// Could not be read from the store; they stay there and are sent after the next start.
    pub set_aside: u64,
    /// From push to PUBACK.
    pub latency: Latency,
}

/// The outbox.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct OutboxStat {
    /// In the order of [`Lane::ALL`].
    pub lanes: [LaneStat; 4],
    /// The store takes records.
    pub store_healthy: bool,
    /// Appends that failed.
    pub append_failures: u64,
    /// Appends that failed and held named values; the values go with the next.
    pub saves_failed: u64,
    /// Loads that failed.
    pub load_failures: u64,
    /// Removals that failed.
    pub remove_failures: u64,
    /// Records that were acknowledged but could not be removed: they are sent once more after the next start.
    pub removals_forgotten: u64,
    /// Publications that the client had no room for.
    pub client_refusals: u64,
}

impl OutboxStat {
    /// One lane.
    #[must_use]
    pub const fn lane(&self, lane: Lane) -> &LaneStat {
        &self.lanes[lane as usize]
    }
}
