//! What must be true, kept as simply as can be.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value as Json;
use telltale::delivery::{Lane, OutboxStat, StoreKey};
use telltale::gateway::Publication;
use telltale::time::MonoTime;

/// One record that the outbox took.
#[derive(Debug)]
pub(crate) struct Taken {
    pub(crate) content: u64,
    pub(crate) at: MonoTime,
}

#[derive(Debug, Default)]
pub(crate) struct Model {
    /// Every durable-lane record ever taken, by its place.
    pub(crate) taken: BTreeMap<StoreKey, Taken>,
    /// Those that the outbox was told are durable, or that lay in the store at a start.
    pub(crate) committed: BTreeSet<StoreKey>,
    /// Those that the subscriber has.
    pub(crate) delivered: BTreeSet<StoreKey>,
    /// Those of which the outbox has the PUBACK.
    pub(crate) acked: BTreeSet<StoreKey>,
    /// Removed without a PUBACK.
    pub(crate) evicted: BTreeSet<StoreKey>,
    /// Damaged or wiped by the world.
    pub(crate) destroyed: BTreeSet<StoreKey>,
    /// Those that may arrive out of their turn, for a reason that the documentation names.
    pub(crate) unordered: BTreeSet<StoreKey>,
    newest_seen: BTreeMap<Lane, u64>,
    last_state_seq: (u64, u64),
    /// The sum over all finished runs.
    pub(crate) evictions_counted: BTreeMap<Lane, u64>,
}

/// A message as the subscriber reads it.
#[derive(Debug, Clone)]
pub(crate) struct Message {
    pub(crate) key: StoreKey,
    pub(crate) content: Option<u64>,
    pub(crate) topic: String,
}

/// Reads a publication as a consumer would; one in sixteen with a whole parser, the others, for speed, by looking.
pub(crate) fn read(publication: &Publication) -> Message {
    let text = str::from_utf8(&publication.payload).expect("every payload is UTF-8");
    let member = |name: &str| text.split_once(name).map(|(_, rest)| rest.split(['"', ',']).next().unwrap_or_default());
    let id = member(r#""id":""#).expect("every message has an id");
    let content = member(r#""n":"#).map(|n| n.parse().expect("a number"));
    let sequence = member(r#""sequence":""#).expect("every message has a sequence");
    if publication.token.0.is_multiple_of(16) {
        let json: Json = serde_json::from_str(text).expect("every payload is JSON");
        assert_eq!((json["id"].as_str(), json["data"]["n"].as_u64()), (Some(id), content));
    }
    let mut parts = id.split('-');
    let boot = u64::from_str_radix(&parts.next().expect("boot")[..8], 16).expect("hex");
    let lane = parts.next().expect("lane");
    let lane = *Lane::ALL.iter().find(|known| known.name() == lane).expect("a known lane");
    let seq: u64 = parts.next().expect("sequence").parse().expect("a number");
    assert_eq!(sequence, format!("{seq:010}"));
    let retained = ["/presence", "/capabilities", "/state/"].iter().any(|part| publication.topic.contains(part));
    assert_eq!(publication.retain, retained, "{}", publication.topic);
    let key = StoreKey { lane, position: boot << 32 | seq };
    Message { key, content, topic: publication.topic.clone() }
}

impl Model {
    /// The subscriber got it; repeats are dropped by id.
    pub(crate) fn deliver(&mut self, message: &Message) {
        let key = message.key;
        if key.lane == Lane::State {
            let (boot, seq) = (key.position >> 32, key.position & 0xffff_ffff);
            let next = if self.last_state_seq.0 == boot { self.last_state_seq.1 + 1 } else { 1 };
            if self.last_state_seq.0 != boot || seq >= next {
                assert_eq!(seq, next, "states have numbers without holes");
                self.last_state_seq = (boot, seq);
            }
            return;
        }
        let taken = self.taken.get(&key).unwrap_or_else(|| panic!("{key:?} was never taken"));
        assert_eq!(message.content.unwrap_or(taken.content), taken.content, "{key:?} carries another one's content");
        if !self.delivered.insert(key) || self.unordered.contains(&key) {
            return;
        }
        let newest = self.newest_seen.entry(key.lane).or_insert(0);
        assert!(key.position > *newest, "{key:?} arrives after {newest:x}");
        *newest = key.position;
    }

    /// The outbox asks for a removal: only of what is acknowledged, damaged, or given up and counted.
    pub(crate) fn remove(&mut self, keys: &[StoreKey], stat: &OutboxStat) {
        for key in keys {
            if self.acked.contains(key) || self.destroyed.contains(key) || !self.evicted.insert(*key) {
                continue;
            }
            assert_ne!(key.lane, Lane::Critical, "{key:?} must never be given up");
            self.unordered.insert(*key);
        }
        for lane in [Lane::Event, Lane::Telemetry] {
            let evicted = self.evicted.iter().filter(|key| key.lane == lane).count() as u64;
            let counted = self.evictions_counted.get(&lane).copied().unwrap_or_default() + stat.lane(lane).evicted;
            assert!(evicted <= counted, "{evicted} {lane:?} records were given up, {counted} counted");
        }
    }

    /// What was given up, but not yet removed, comes back after younger ones. The evictions must have been counted.
    pub(crate) fn power_cut(&mut self, stored: &[StoreKey]) {
        for lane in [Lane::Event, Lane::Telemetry] {
            let newest = self.newest_seen.get(&lane).copied().unwrap_or_default();
            let overtaken = stored.iter().filter(|key| key.lane == lane && key.position < newest);
            let overtaken = overtaken.filter(|key| !self.delivered.contains(key) && !self.unordered.contains(key));
            let overtaken: Vec<StoreKey> = overtaken.copied().collect();
            let evicted = overtaken.len() + self.evicted.iter().filter(|key| key.lane == lane).count();
            let counted = self.evictions_counted.get(&lane).copied().unwrap_or_default();
            assert!(
                evicted as u64 <= counted,
                "{lane:?}: {overtaken:?} were passed over, {counted} counted as given up"
            );
            self.unordered.extend(overtaken);
        }
    }

    /// At the very end, with everything healthy: what was promised has arrived.
    pub(crate) fn check_promise(&self) {
        for key in &self.committed {
            let excused = self.destroyed.contains(key) || self.evicted.contains(key);
            assert!(excused || self.delivered.contains(key), "{key:?} was committed and never arrived");
        }
    }

    /// At the end of a run that was not cut: every record that was taken has arrived, or is counted as given up.
    pub(crate) fn check_run(&self, boot: u32, stat: &OutboxStat) {
        for lane in [Lane::Critical, Lane::Event, Lane::Telemetry] {
            let of_run = |key: &&StoreKey| key.lane == lane && key.position >> 32 == u64::from(boot);
            let taken = self.taken.keys().filter(of_run).count() as u64;
            let arrived = self.delivered.iter().filter(of_run).count() as u64;
            let given_up = stat.lane(lane).evicted + stat.lane(lane).set_aside;
            assert!(arrived + given_up >= taken, "{lane:?}: {taken} taken, {arrived} arrived, {given_up} given up");
            assert_eq!(stat.lane(lane).pushed, taken);
        }
    }
}
