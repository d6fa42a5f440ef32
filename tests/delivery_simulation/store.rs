//! A store that does what a real one may do, and no more than its contract forbids.

use std::collections::{BTreeMap, VecDeque};

use telltale::delivery::{Lane, StoreKey};
use telltale::gateway::{LaneInventory, StoreEvent, StoreIncident, StoreInventory, StoreRequest, StoreTicket};
use telltale::rng::Rng;

/// How it behaves at present.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Mode {
    Healthy,
    /// Every request fails (disk full, read-only, I/O error).
    Failing,
    /// Nothing is answered.
    Silent,
}

#[derive(Debug)]
pub(crate) struct FakeStore {
    pub(crate) mode: Mode,
    durable: BTreeMap<StoreKey, Vec<u8>>,
    /// Removed, but the removal is not durable yet.
    removed: Vec<(StoreKey, Vec<u8>)>,
    requests: VecDeque<(StoreTicket, StoreRequest)>,
    answers: VecDeque<(StoreEvent, Vec<StoreKey>)>,
    /// It lost everything since it was last opened.
    wiped: bool,
}

/// What a power cut did beside ending the run.
#[derive(Debug, Default)]
pub(crate) struct Damage {
    /// Records whose bytes changed.
    pub(crate) corrupt: Vec<StoreKey>,
    /// Everything is gone.
    pub(crate) wiped: bool,
}

impl FakeStore {
    pub(crate) fn new() -> Self {
        Self {
            mode: Mode::Healthy,
            durable: BTreeMap::new(),
            removed: Vec::new(),
            requests: VecDeque::new(),
            answers: VecDeque::new(),
            wiped: false,
        }
    }

    pub(crate) fn request(&mut self, ticket: StoreTicket, request: StoreRequest) {
        self.requests.push_back((ticket, request));
        assert!(
            self.requests.len() + self.answers.len() <= 5,
            "one append, one removal, a load for each of three lanes"
        );
    }

    /// Carries out the oldest request. Some fail after their effect is durable, as a failed flush may. Returns the
    /// keys of such an append.
    pub(crate) fn work(&mut self, rng: &mut Rng) -> Vec<StoreKey> {
        if self.mode == Mode::Silent {
            return Vec::new();
        }
        let Some((ticket, request)) = self.requests.pop_front() else { return Vec::new() };
        if self.mode == Mode::Failing {
            let mut done_though_failed = Vec::new();
            if let (0, StoreRequest::Commit { records, .. }) = (rng.below(8), request) {
                done_though_failed.extend(records.iter().map(|(key, _)| *key));
                self.durable.extend(records);
            }
            self.answers.push_back((StoreEvent::Failed(ticket, "no space left on device".to_owned()), Vec::new()));
            return done_though_failed;
        }
        let answer = match request {
            StoreRequest::Commit { records, .. } => {
                let keys = records.iter().map(|(key, _)| *key).collect();
                self.durable.extend(records);
                self.removed.clear();
                (StoreEvent::Done(ticket), keys)
            }
            StoreRequest::Remove(keys) => {
                self.removed.extend(keys.iter().filter_map(|key| self.durable.remove_entry(key)));
                (StoreEvent::Done(ticket), Vec::new())
            }
            StoreRequest::Load { from, limit } => {
                let lane = self.durable.range(from..).take_while(|(key, _)| key.lane == from.lane);
                let rows = lane.take(limit).map(|(key, value)| (*key, value.clone())).collect();
                (StoreEvent::Loaded(ticket, rows), Vec::new())
            }
        };
        self.answers.push_back(answer);
        Vec::new()
    }

    /// The next answer, with the keys that it says are durable.
    pub(crate) fn answer(&mut self) -> Option<(StoreEvent, Vec<StoreKey>)> {
        self.answers.pop_front()
    }

    /// The power goes and comes back: requests and answers under way are lost, removals may be undone.
    pub(crate) fn power_cut(&mut self, rng: &mut Rng) -> Damage {
        self.requests.clear();
        self.answers.clear();
        self.mode = Mode::Healthy;
        let removed = std::mem::take(&mut self.removed);
        self.durable.extend(removed.into_iter().filter(|_| rng.below(2) == 0));
        let mut damage = Damage { wiped: rng.below(20) == 0, ..Damage::default() };
        if damage.wiped {
            self.wiped = true;
            self.durable.clear();
        }
        if rng.below(3) == 0 {
            let index = rng.index(self.durable.len());
            if let Some((key, value)) = self.durable.iter_mut().nth(index) {
                let at = rng.index(value.len());
                value[at] ^= 0x10;
                damage.corrupt.push(*key);
            }
        }
        damage
    }

    pub(crate) fn open(&mut self) -> StoreInventory {
        let lanes = Lane::ALL.into_iter().filter_map(|lane| {
            let keys: Vec<_> = self.durable.iter().filter(|(key, _)| key.lane == lane).collect();
            let (first, last) = (keys.first()?, keys.last()?);
            let bytes = keys.iter().map(|(_, value)| value.len() as u64).sum();
            Some(LaneInventory { lane, first: *first.0, last: *last.0, count: keys.len() as u64, bytes })
        });
        let lanes = lanes.collect();
        let incident = std::mem::take(&mut self.wiped)
            .then(|| StoreIncident::Quarantined("checksum mismatch in the log".to_owned()));
        StoreInventory { lanes, values: Vec::new(), incident }
    }

    pub(crate) fn keys(&self) -> impl Iterator<Item = StoreKey> + '_ {
        self.durable.keys().copied()
    }

    pub(crate) fn is_idle(&self) -> bool {
        self.requests.is_empty() && self.answers.is_empty()
    }
}
