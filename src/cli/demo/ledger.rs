//! The cloud's book-keeping: what arrived, what arrived again, and whether anything is missing.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value as Json;

/// What a consumer that follows docs/mqtt.md knows of the records it received.
#[derive(Debug, Default)]
pub(super) struct Ledger {
    lanes: BTreeMap<(String, String), LaneBook>,
    /// Messages without a record's identity.
    pub unreadable: u64,
}

#[derive(Debug, Default)]
struct LaneBook {
    seen: BTreeSet<u64>,
    repeats: u64,
    out_of_order: u64,
}

/// What a message was, by its identity.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Entry {
    New,
    Repeat,
    /// The last will, which the broker sends and nobody numbers.
    Will,
    Unreadable,
}

/// The sums over one lane.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub(super) struct LaneSum {
    pub received: u64,
    pub repeats: u64,
    pub missing: u64,
    pub out_of_order: u64,
}

impl Ledger {
    /// Enters one message by its CloudEvents `id`, `<boot>-<lane>-<sequence>`.
    pub(super) fn enter(&mut self, event: &Json) -> Entry {
        let id = event["id"].as_str();
        if id.is_some_and(|id| id.ends_with("-will")) {
            return Entry::Will;
        }
        let parts = id.and_then(|id| {
            let mut parts = id.splitn(3, '-');
            Some((parts.next()?.to_owned(), parts.next()?.to_owned(), parts.next()?.parse::<u64>().ok()?))
        });
        let Some((boot, lane, sequence)) = parts else {
            self.unreadable += 1;
            return Entry::Unreadable;
        };
        let lane_book = self.lanes.entry((boot, lane)).or_default();
        let is_late = lane_book.seen.last().is_some_and(|last| *last > sequence);
        if !lane_book.seen.insert(sequence) {
            lane_book.repeats += 1;
            return Entry::Repeat;
        }
        if is_late {
            lane_book.out_of_order += 1;
        }
        Entry::New
    }

    /// Different messages, over all lanes and boots.
    pub(super) fn received(&self) -> usize {
        self.lanes.values().map(|book| book.seen.len()).sum()
    }

    /// The sums by lane, over all boots.
    pub(super) fn sums(&self) -> BTreeMap<String, LaneSum> {
        let mut sums = BTreeMap::<String, LaneSum>::new();
        for ((_, lane), book) in &self.lanes {
            let sum = sums.entry(lane.clone()).or_default();
            let received = book.seen.len() as u64;
            sum.received += received;
            sum.repeats += book.repeats;
            sum.out_of_order += book.out_of_order;
            sum.missing += book.seen.last().copied().unwrap_or_default().saturating_sub(received);
        }
        sums
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn repeats_gaps_and_disorder_are_told_apart() {
        let mut ledger = Ledger::default();
        for (sequence, entry) in
            [(1, Entry::New), (2, Entry::New), (2, Entry::Repeat), (5, Entry::New), (4, Entry::New)]
        {
            assert_eq!(ledger.enter(&json!({"id": format!("00000001aabbccdd-event-{sequence}")})), entry);
        }
        assert_eq!(ledger.enter(&json!({"id": "00000001aabbccdd-will"})), Entry::Will);
        assert_eq!(ledger.enter(&json!({"id": "nonsense"})), Entry::Unreadable);
        let sum = ledger.sums()["event"];
        assert_eq!(sum, LaneSum { received: 4, repeats: 1, missing: 1, out_of_order: 1 });
    }
}
