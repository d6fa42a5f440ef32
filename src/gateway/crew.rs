//! The services, called when there is something for them.

use serde_json::{Map, Value as Json};
use tracing::warn;

use crate::crash::Verdict;
use crate::delivery::BootId;
use crate::services::{
    Answer, Cx, DriveState, Event, Ignition, Output, Phase, Place, Recovered, Service, Services, Settings, View,
};
use crate::signals::{SignalId, Signals};
use crate::time::{Clock, MonoTime};

/// One bit per service, ignition first.
type Mask = u32;

const IGNITION: Mask = 1;

/// The prefix of a service's saved state among the store's named values.
const SAVED_PREFIX: &str = "service-";

/// Ignition and the other services, with what each of them waits for.
pub(super) struct Crew {
    ignition: Ignition,
    others: Vec<Box<dyn Service>>,
    /// By signal: who wants to hear of its changes.
    interests: Vec<Mask>,
    /// Who is to be called in the next round.
    waiting: Mask,
    /// Whose saved state is out of date.
    unsaved: Mask,
    /// Before the saved state is back, or is known not to come, nobody is called.
    is_released: bool,
    /// It is back.
    is_restored: bool,
}

/// What only one round sees.
#[derive(Clone, Copy, Default)]
pub(super) struct Occasion<'a> {
    pub(super) answer: Option<&'a Answer>,
    pub(super) recovered: Option<&'a Recovered>,
}

/// All that a round sees: see [`Cx`].
#[derive(Clone, Copy)]
pub(super) struct Scene<'a> {
    pub(super) now: MonoTime,
    pub(super) signals: &'a Signals,
    pub(super) clock: &'a Clock,
    pub(super) boot: BootId,
    pub(super) verdict: Option<&'a Verdict>,
    pub(super) settings: Settings,
    pub(super) knows_owner: bool,
    pub(super) has_recalled: bool,
    pub(super) occasion: Occasion<'a>,
    pub(super) place: Option<Place>,
}

impl<'a> Scene<'a> {
    const fn cx(self, drive: DriveState, out: &'a mut Output) -> Cx<'a> {
        let Self { now, signals, clock, boot, verdict, settings, knows_owner, has_recalled, occasion, place } = self;
        let Occasion { answer, recovered } = occasion;
        Cx {
            now,
            signals,
            drive,
            clock,
            boot,
            verdict,
            settings,
            knows_owner,
            answer,
            recovered,
            has_recalled,
            place,
            out,
        }
    }
}

/// What a round brought.
#[derive(Default)]
pub(super) struct Round {
    pub(super) events: Vec<Event>,
    /// State groups whose document changed.
    pub(super) groups: Vec<&'static str>,
    /// The ignition went off in this round: what is known now should survive.
    pub(super) is_parked: bool,
    /// What a service wants to be saved does not wait for the next event.
    pub(super) saves_now: bool,
}

impl Crew {
    pub(super) fn new(signals: &Signals, services: Services) -> Self {
        let Services { ignition, others } = services;
        let mut interests = vec![0; signals.len()];
        let mut enlist = |ids: Vec<SignalId>, bit: Mask| {
            for id in ids {
                if let Some(mask) = interests.get_mut(usize::from(id.0)) {
                    *mask |= bit;
                }
            }
        };
        enlist(ignition.interests(), IGNITION);
        for (index, service) in others.iter().enumerate() {
            enlist(service.interests(), bit_of(index));
        }
        Self { ignition, others, interests, waiting: Mask::MAX, unsaved: 0, is_released: false, is_restored: false }
    }

    /// A signal changed.
    pub(super) fn changed(&mut self, id: SignalId) {
        self.waiting |= self.interests.get(usize::from(id.0)).copied().unwrap_or_default();
    }

    /// What the car is doing as a whole.
    pub(super) const fn phase(&self) -> Phase {
        self.ignition.drive().phase
    }

    /// Something that concerns everybody: a verdict, a setting, an answer.
    pub(super) const fn call_all(&mut self) {
        self.waiting = Mask::MAX;
    }

    /// Gives each service its saved state, and lets the rounds begin; none where there is no store. The first store that
    /// opens after that has what earlier runs left.
    pub(super) fn release(&mut self, saved: Option<&[(String, Vec<u8>)]>, view: &View<'_>) {
        let (was_released, was_restored) = (self.is_released, self.is_restored);
        self.is_released = true;
        self.is_restored |= saved.is_some();
        let Some(saved) = saved.filter(|_| !was_restored) else { return };
        for service in &mut self.others {
            let Some(json) = find(saved, service.name()) else { continue };
            if was_released { service.rejoin(&json, view) } else { service.restore(&json, view) }
        }
        if let Some(json) = find(saved, self.ignition.name()).filter(|_| !was_released) {
            self.ignition.restore(&json, view);
        }
        self.call_all();
    }

    /// A service knows of something that only its saved state tells of.
    pub(super) fn holds(&self) -> bool {
        self.others.iter().any(|service| service.holds())
    }

    /// Whether what was saved is back, or is known not to come.
    pub(super) const fn is_released(&self) -> bool {
        self.is_released
    }

    /// Calls ignition, then whoever has something to do.
    pub(super) fn round(&mut self, scene: Scene<'_>) -> Round {
        let now = scene.now;
        let mut round = Round::default();
        if !self.is_released {
            return round;
        }
        if self.waiting & IGNITION != 0 || is_due(self.ignition.deadline(), now) {
            let before = self.ignition.drive();
            let mut out = Output::default();
            self.ignition.update(&mut scene.cx(before, &mut out));
            let after = self.ignition.drive();
            if after != before {
                self.waiting = Mask::MAX;
            }
            round.is_parked = before.phase.is_on() && after.phase.is_off();
            self.unsaved |= round.take(out, self.ignition.group(), IGNITION);
        }
        let drive = self.ignition.drive();
        for (index, service) in self.others.iter_mut().enumerate() {
            let bit = bit_of(index);
            if self.waiting & bit != 0 || is_due(service.deadline(), now) {
                let mut out = Output::default();
                service.update(&mut scene.cx(drive, &mut out));
                self.unsaved |= round.take(out, service.group(), bit);
            }
        }
        self.waiting = 0;
        round
    }

    /// Takes the saved states that are out of date; with `all`, every one.
    pub(super) fn take_unsaved(&mut self, view: &View<'_>, all: bool) -> Vec<(String, Vec<u8>)> {
        if !self.is_released {
            return Vec::new();
        }
        let unsaved = if all { Mask::MAX } else { std::mem::take(&mut self.unsaved) };
        let crew = std::iter::once((IGNITION, &self.ignition as &dyn Service))
            .chain(self.others.iter().enumerate().map(|(index, service)| (bit_of(index), &**service)));
        crew.filter(|(bit, _)| unsaved & bit != 0)
            .map(|(_, service)| (service.name(), service.save(view)))
            .filter(|(_, json)| !json.is_null())
            .map(|(name, json)| (format!("{SAVED_PREFIX}{name}"), json.to_string().into_bytes()))
            .collect()
    }

    /// Adds to `data` the documents of the services that belong to that group.
    pub(super) fn describe(&self, group: &str, view: &View<'_>, data: &mut Map<String, Json>) {
        let crew = std::iter::once(&self.ignition as &dyn Service).chain(self.others.iter().map(|service| &**service));
        for service in crew.filter(|service| service.group() == group) {
            data.insert(service.name().to_owned(), service.state(view));
        }
    }

    /// The groups that the services have documents in.
    pub(super) fn groups(&self) -> Vec<&'static str> {
        let mut groups: Vec<_> =
            std::iter::once(self.ignition.group()).chain(self.others.iter().map(|service| service.group())).collect();
        groups.sort_unstable();
        groups.dedup();
        groups
    }

    pub(super) fn deadline(&self) -> Option<MonoTime> {
        if !self.is_released {
            return None;
        }
        let others = self.others.iter().filter_map(|service| service.deadline());
        others.chain(self.ignition.deadline()).min()
    }
}

impl Round {
    /// Something happened that is worth a commit: whatever is unsaved goes with it.
    pub(super) const fn is_eventful(&self) -> bool {
        self.is_parked || self.saves_now || !self.events.is_empty()
    }

    /// Adds what one call brought; returns the bit of a service that wants to be saved.
    fn take(&mut self, out: Output, group: &'static str, bit: Mask) -> Mask {
        self.events.extend(out.events);
        if out.state_changed {
            self.groups.push(group);
        }
        self.saves_now |= out.save_now;
        if out.save || out.save_now { bit } else { 0 }
    }
}

/// The saved state of a service.
fn find(saved: &[(String, Vec<u8>)], name: &str) -> Option<Json> {
    let (_, bytes) = saved.iter().find(|(key, _)| key.strip_prefix(SAVED_PREFIX) == Some(name))?;
    match serde_json::from_slice::<Json>(bytes) {
        Ok(json) => Some(json),
        Err(error) => {
            warn!(service = name, %error, "its saved state cannot be read; it begins anew");
            None
        }
    }
}

const fn bit_of(index: usize) -> Mask {
    IGNITION << (index + 1)
}

fn is_due(deadline: Option<MonoTime>, now: MonoTime) -> bool {
    deadline.is_some_and(|deadline| deadline <= now)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::services::Settings;
    use crate::time::KernelBoot;

    /// A service that leaves this behind, once.
    struct Stub(Option<Output>);

    impl Service for Stub {
        fn name(&self) -> &'static str {
            "stub"
        }

        fn group(&self) -> &'static str {
            "safety"
        }

        fn interests(&self) -> Vec<SignalId> {
            Vec::new()
        }

        fn update(&mut self, cx: &mut Cx<'_>) {
            *cx.out = self.0.take().unwrap_or_default();
        }

        fn deadline(&self) -> Option<MonoTime> {
            None
        }

        fn state(&self, _: &View<'_>) -> Json {
            Json::Null
        }

        fn save(&self, _: &View<'_>) -> Json {
            Json::from(1)
        }

        fn restore(&mut self, _: &Json, _: &View<'_>) {}
    }

    /// Whether a round is worth a commit, and what would be in it.
    fn round_after(out: Output) -> (bool, Vec<String>) {
        let (signals, clock, now) = (Signals::default(), Clock::default(), MonoTime::from_millis(1_000));
        let others: Vec<Box<dyn Service>> = vec![Box::new(Stub(Some(out)))];
        let mut crew = Crew::new(&signals, Services { ignition: Ignition::new(&signals), others });
        let view = View { now, boot: KernelBoot(1), signals: &signals, clock: &clock };
        crew.release(None, &view);
        let (boot, settings) = (BootId { counter: 1, random: 0 }, Settings::FIRST);
        let (clock, signals, occasion) = (&clock, &signals, Occasion::default());
        let (knows_owner, has_recalled) = (true, true);
        let (verdict, place) = (None, None);
        let scene = Scene { now, signals, clock, boot, verdict, settings, knows_owner, has_recalled, occasion, place };
        let is_eventful = crew.round(scene).is_eventful();
        (is_eventful, crew.take_unsaved(&view, false).into_iter().map(|(name, _)| name).collect())
    }

    #[test]
    fn what_is_to_be_saved_waits_for_an_event_unless_it_cannot_wait() {
        let saved = vec!["service-stub".to_owned()];
        assert_eq!(round_after(Output::default()), (false, Vec::new()));
        assert_eq!(round_after(Output { save: true, ..Output::default() }), (false, saved.clone()));
        assert_eq!(round_after(Output { save_now: true, ..Output::default() }), (true, saved.clone()));
        let events = vec![Event::new("stub.spoke", MonoTime::ZERO, Json::Null)];
        assert_eq!(round_after(Output { save: true, events, ..Output::default() }), (true, saved));
    }
}
