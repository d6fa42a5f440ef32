//! What of the readings leaves the car, and when.
//!
//! Two ways out, chosen per signal by its [`Policy`]:
//!
//! **State groups.** A group's document holds the last reading of each of its signals. It is due when a signal of it
//! changed by at least its dead-band, or changed its quality, but at most once per [`Group::min_interval`]; a change
//! within the interval is due at its end. Services that keep a document in a group call [`Publisher::touch`].
//!
//! **Telemetry.** Samples are taken on a grid of the signal's interval (the moments are multiples of it since boot, so
//! that signals of one interval are sampled together), and at each change where the policy says so. A sample carries
//! the time at which its value was received; a value that was not received again since its last sample is not sampled
//! again. Samples are collected into batches, columns per signal:
//!
//! ```json
//! {"signals":{"Vehicle.Speed":{"unit":"km/h","samples":[[0,52.3],[1000,52.8],[1980,52.8,"stale"]]}}}
//! ```
//!
//! A sample is `[offset, value]`, the offset in milliseconds after the batch's own time, which is the CloudEvent's
//! `time`: so a batch that was made before the wall time was known is right once its event is stamped. A reading that
//! is not good has its quality as third member, and an invalid one its cause as fourth.
//!
//! A batch is complete after [`MAX_BATCH_AGE`], [`MAX_BATCH_SAMPLES`] samples or [`MAX_BATCH_BYTES`] bytes, whichever
//! comes first. A complete batch that nobody takes keeps collecting nothing more: the samples are dropped and counted.
//!
//! Signals that tell the position come out apart, in both ways, so that privacy mode can hold them back.

use std::collections::BTreeMap;
use std::time::Duration;

use serde_json::{Map, Value as Json, json};

use crate::services::View;
use crate::time::MonoTime;

use super::{At, Quality, Reading, SignalId, Signals, Value, render};

/// Ten seconds of driving in one message: recent enough for a map, and few enough messages for a metered link.
pub const MAX_BATCH_AGE: Duration = Duration::from_secs(10);

/// Some 200 signals, each once a second, in a batch of [`MAX_BATCH_AGE`].
pub const MAX_BATCH_SAMPLES: usize = 2_000;

/// The JSON of a batch stays below this, and so, with its envelope, below the 64 KiB that a store value may have.
pub const MAX_BATCH_BYTES: usize = 56 * 1024;

/// What a sample takes at most in JSON: `[10000,-1.234567891e-308,"invalid","not_available"],` is 50 bytes.
const SAMPLE_BYTES: usize = 52;

/// What a column takes beside its path, its unit and its samples.
const COLUMN_BYTES: usize = 40;

/// A change of quality flips between few states, a value between many: labels are at most this long in a sample.
const LABEL_BYTES: usize = 64;

/// How a signal is published.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Policy {
    /// The state group that holds its last value, as an index into the groups.
    pub group: Option<usize>,
    /// A telemetry sample each so often.
    pub telemetry: Option<Duration>,
    /// A telemetry sample at each change.
    pub on_change: bool,
    /// A change smaller than this is none.
    pub dead_band: f64,
}

/// A state group.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Group {
    /// The last part of its topic.
    pub name: String,
    /// Its document is published at most this often.
    pub min_interval: Duration,
}

/// A complete telemetry batch.
#[derive(Debug, Clone, PartialEq)]
pub struct Batch {
    /// The moment that the offsets count from: the `time` of the event.
    pub start: MonoTime,
    /// The `data` of the event; none when the batch tells nothing but positions.
    pub data: Json,
    /// Its columns that tell where the car is, in the same form.
    pub location: Option<Json>,
}

/// The signals of a state document.
#[derive(Debug, Clone, PartialEq)]
pub struct GroupSignals {
    /// The member `signals`: path to reading.
    pub signals: Json,
    /// Those of them that tell where the car is.
    pub location: Option<Json>,
}

/// Decides what is published when.
#[derive(Debug)]
pub struct Publisher {
    policies: Vec<Policy>,
    groups: Vec<GroupState>,
    grids: Vec<Grid>,
    /// What a state document last told, per signal.
    told: Vec<Option<Reading>>,
    /// What a telemetry sample last told, per signal.
    sampled: Vec<Option<Reading>>,
    batch: Collecting,
    dropped: u64,
}

#[derive(Debug)]
struct GroupState {
    group: Group,
    members: Vec<SignalId>,
    changed: bool,
    last: Option<MonoTime>,
}

impl GroupState {
    fn due(&self) -> Option<MonoTime> {
        let earliest = self.last.map_or(MonoTime::ZERO, |last| last + self.group.min_interval);
        self.changed.then_some(earliest)
    }
}

/// The signals that are sampled together.
#[derive(Debug)]
struct Grid {
    interval: Duration,
    members: Vec<SignalId>,
    /// None while no member is good: a parked car is not woken for telemetry.
    next: Option<MonoTime>,
}

#[derive(Debug, Default)]
struct Collecting {
    start: Option<MonoTime>,
    columns: BTreeMap<SignalId, Vec<Sample>>,
    samples: usize,
    bytes: usize,
    full: bool,
}

#[derive(Debug, Clone, Copy)]
struct Sample {
    at: MonoTime,
    value: Option<Value>,
    quality: Quality,
}

impl Publisher {
    /// For signals with these policies, by [`SignalId`], in these groups.
    #[must_use]
    pub fn new(policies: Vec<Policy>, groups: Vec<Group>) -> Self {
        let ids = || (0..=u16::MAX).map(SignalId).zip(&policies);
        let groups = groups
            .into_iter()
            .enumerate()
            .map(|(index, group)| {
                let members = ids().filter(|(_, policy)| policy.group == Some(index)).map(|(id, _)| id).collect();
                GroupState { group, members, changed: false, last: None }
            })
            .collect();
        let mut by_interval: BTreeMap<Duration, Vec<SignalId>> = BTreeMap::new();
        for (id, policy) in ids() {
            if let Some(interval) = policy.telemetry {
                by_interval.entry(interval).or_default().push(id);
            }
        }
        let grids = by_interval.into_iter().map(|(interval, members)| Grid { interval, members, next: None }).collect();
        let count = policies.len();
        Self {
            policies,
            groups,
            grids,
            told: vec![None; count],
            sampled: vec![None; count],
            batch: Collecting::default(),
            dropped: 0,
        }
    }

    /// What was told of positions counts as not told: after privacy mode the next ones are news.
    pub fn forget_positions(&mut self, signals: &Signals) {
        for ((_, def, _), (told, sampled)) in signals.iter().zip(self.told.iter_mut().zip(&mut self.sampled)) {
            if def.tells_position {
                (*told, *sampled) = (None, None);
            }
        }
    }

    /// A signal changed its value or quality: what [`Signals::drain_changed`] reports.
    pub fn changed(&mut self, now: MonoTime, signals: &Signals, id: SignalId) {
        let index = usize::from(id.0);
        let Some(policy) = self.policies.get(index).copied() else { return };
        let told = self.told.get(index).copied().flatten();
        let sampled = self.sampled.get(index).copied().flatten();
        let reading = signals.get(id);
        if reading.quality == Quality::Good
            && let Some(interval) = policy.telemetry
            && let Some(grid) = self.grids.iter_mut().find(|grid| grid.interval == interval)
        {
            grid.next.get_or_insert_with(|| next_on_grid(now, interval));
        }
        if let Some(group) = policy.group.and_then(|group| self.groups.get_mut(group)) {
            group.changed |= is_news(told, reading, policy.dead_band);
        }
        if policy.on_change && is_news(sampled, reading, policy.dead_band) {
            self.sample(now, signals, id);
        }
    }

    /// A service's document in that group changed. A group that the publisher does not have is ignored.
    pub fn touch(&mut self, group: &str) {
        if let Some(state) = self.groups.iter_mut().find(|state| state.group.name == group) {
            state.changed = true;
        }
    }

    /// Every group is due again: the broker may have lost what it retained.
    pub fn touch_all(&mut self) {
        for state in &mut self.groups {
            state.changed = true;
        }
    }

    /// Every group is due now, however short ago it was published: what the broker retains must not stand.
    pub fn hurry_all(&mut self) {
        for state in &mut self.groups {
            state.changed = true;
            state.last = None;
        }
    }

    /// The moment has come that [`Self::deadline`] named, or any other: takes the samples that are due.
    pub fn tick(&mut self, now: MonoTime, signals: &Signals) {
        for index in 0..self.grids.len() {
            let Some(grid) = self.grids.get_mut(index) else { break };
            if grid.next.is_none_or(|next| next > now) {
                continue;
            }
            let members = std::mem::take(&mut grid.members);
            let mut alive = false;
            for id in &members {
                let reading = signals.get(*id);
                alive |= reading.quality == Quality::Good;
                let last = self.sampled.get(usize::from(id.0)).copied().flatten();
                let is_new = last.is_none_or(|last| (last.at, last.quality) != (reading.at, reading.quality));
                if reading.value.is_some() && is_new {
                    self.sample(now, signals, *id);
                }
            }
            if let Some(grid) = self.grids.get_mut(index) {
                grid.members = members;
                grid.next = alive.then(|| next_on_grid(now, grid.interval));
            }
        }
    }

    /// When [`Self::tick`] or [`Self::poll_batch`] has something to do next.
    #[must_use]
    pub fn deadline(&self) -> Option<MonoTime> {
        self.grids.iter().filter_map(|grid| grid.next).chain(self.batch.due()).min()
    }

    /// When [`Self::poll_group`] has something to do next. Of no interest while nobody can hear it.
    #[must_use]
    pub fn group_deadline(&self) -> Option<MonoTime> {
        self.groups.iter().filter_map(GroupState::due).min()
    }

    /// A group whose document is due, as its index; the caller renders and publishes it.
    #[must_use]
    pub fn poll_group(&mut self, now: MonoTime) -> Option<usize> {
        let index = self.groups.iter().position(|state| state.due().is_some_and(|due| due <= now))?;
        let state = self.groups.get_mut(index)?;
        state.changed = false;
        state.last = Some(now);
        Some(index)
    }

    /// Every group, in the order of the indices.
    pub fn groups(&self) -> impl Iterator<Item = &Group> {
        self.groups.iter().map(|state| &state.group)
    }

    /// The group of that index.
    #[must_use]
    pub fn group(&self, index: usize) -> Option<&Group> {
        self.groups.get(index).map(|state| &state.group)
    }

    /// The group's signals as they are now; remembers that they were told.
    pub fn render_group(&mut self, index: usize, view: &View<'_>) -> GroupSignals {
        let (mut signals, mut location) = (Map::new(), Map::new());
        for id in self.groups.get(index).map(|state| state.members.as_slice()).unwrap_or_default() {
            let def = view.signals.def(*id);
            let target = if def.tells_position { &mut location } else { &mut signals };
            target.insert(def.path.clone(), render::reading(view, *id));
            let reading = view.signals.get(*id);
            if let Some(told) = self.told.get_mut(usize::from(id.0)) {
                *told = Some(reading);
            }
        }
        let location = (!location.is_empty()).then_some(Json::Object(location));
        GroupSignals { signals: Json::Object(signals), location }
    }

    /// A complete batch, when there is one.
    #[must_use]
    pub fn poll_batch(&mut self, now: MonoTime, signals: &Signals) -> Option<Batch> {
        if self.batch.due().is_some_and(|due| due <= now) { self.flush(signals) } else { None }
    }

    /// What was collected so far, complete or not: before the link or the daemon goes.
    #[must_use]
    pub fn flush(&mut self, signals: &Signals) -> Option<Batch> {
        let batch = std::mem::take(&mut self.batch);
        let start = batch.start?;
        let (mut open, mut located) = (Map::new(), Map::new());
        for (id, samples) in batch.columns {
            let def = signals.def(id);
            let samples: Vec<Json> = samples.iter().map(|sample| sample_json(signals, id, start, sample)).collect();
            let mut column = json!({ "samples": samples });
            if let Some(column) = column.as_object_mut()
                && !def.unit.is_empty()
            {
                column.insert("unit".to_owned(), def.unit.as_str().into());
            }
            let target = if def.tells_position { &mut located } else { &mut open };
            target.insert(def.path.clone(), column);
        }
        let location = (!located.is_empty()).then(|| json!({ "signals": located }));
        Some(Batch { start, data: json!({ "signals": open }), location })
    }

    /// Samples that were dropped because a complete batch was not taken in time.
    #[must_use]
    pub const fn dropped_samples(&self) -> u64 {
        self.dropped
    }

    fn sample(&mut self, now: MonoTime, signals: &Signals, id: SignalId) {
        let reading = signals.get(id);
        if let Some(sampled) = self.sampled.get_mut(usize::from(id.0)) {
            *sampled = Some(reading);
        }
        let at = match (reading.quality, reading.at) {
            (Quality::Good, At::Mono(at)) => at,
            // The moment at which the value was found to hold no longer.
            _ => now,
        };
        let def = signals.def(id);
        let sample = Sample { at, value: reading.value, quality: reading.quality };
        if !self.batch.add(id, sample, def.path.len() + def.unit.len(), !def.labels.is_empty()) {
            self.dropped += 1;
        }
    }
}

impl Collecting {
    /// Takes the sample, or says that there is no room.
    fn add(&mut self, id: SignalId, sample: Sample, name_bytes: usize, is_label: bool) -> bool {
        let column = if self.columns.contains_key(&id) { 0 } else { name_bytes + COLUMN_BYTES };
        let bytes = column + SAMPLE_BYTES + if is_label { LABEL_BYTES } else { 0 };
        if self.full || self.bytes + bytes > MAX_BATCH_BYTES {
            self.full = true;
            return false;
        }
        self.bytes += bytes;
        self.samples += 1;
        self.full = self.samples >= MAX_BATCH_SAMPLES;
        self.start = Some(self.start.map_or(sample.at, |start| start.min(sample.at)));
        self.columns.entry(id).or_default().push(sample);
        true
    }

    fn due(&self) -> Option<MonoTime> {
        let start = self.start?;
        Some(if self.full { MonoTime::ZERO } else { start + MAX_BATCH_AGE })
    }
}

fn next_on_grid(now: MonoTime, interval: Duration) -> MonoTime {
    let step = u64::try_from(interval.as_nanos()).unwrap_or(u64::MAX).max(1);
    MonoTime::from_nanos((now.as_nanos() / step).saturating_add(1).saturating_mul(step))
}

fn is_news(told: Option<Reading>, reading: Reading, dead_band: f64) -> bool {
    let Some(told) = told else { return true };
    if told.quality != reading.quality {
        return true;
    }
    match (told.value, reading.value) {
        (Some(Value::Float(old)), Some(Value::Float(new))) => (old - new).abs() >= dead_band.max(f64::MIN_POSITIVE),
        (Some(Value::Int(old)), Some(Value::Int(new))) => {
            #[expect(clippy::cast_precision_loss, reason = "a dead-band is compared with small differences")]
            let step = old.abs_diff(new) as f64;
            old != new && step >= dead_band
        }
        (old, new) => old != new,
    }
}

fn sample_json(signals: &Signals, id: SignalId, start: MonoTime, sample: &Sample) -> Json {
    let offset_ms = u64::try_from(sample.at.since(start).as_millis()).unwrap_or(u64::MAX);
    let mut members = vec![offset_ms.into(), render::value(signals, id, sample.value)];
    if sample.quality != Quality::Good {
        members.push(sample.quality.name().into());
    }
    if let Quality::Invalid(cause) = sample.quality {
        members.push(cause.name().into());
    }
    Json::Array(members)
}
