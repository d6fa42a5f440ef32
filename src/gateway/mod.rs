//! The core's face: [`Input`] in, [`Effect`] out, nothing else.
//!
//! The gateway owns every decision and touches no socket, file, clock or random source. The shell
//!
//! 1. calls [`Gateway::handle`] with what happened and the monotonic time,
//! 2. drains [`Gateway::poll_effect`] until it is empty,
//! 3. re-arms its timer from [`Gateway::poll_timeout`], and hands in [`Input::Timeout`] then, in any case before an input
//!    that is stamped later.
//!
//! The same inputs give the same effects, byte for byte.
//!
//! After each input the parts act in one order, so that each sees the work of those before it: the crash classifier,
//! which hears inertial samples before anything else, time-outs of signals, ignition, the other services, publishing,
//! delivery. Time never goes back: an input that is stamped earlier than the last one (frames of two buses that come
//! within milliseconds of each other) is handled as if it came now. The shell sees to it that this is never more.

mod adoption;
mod buses;
mod crash;
mod crew;
mod dispatch;
mod effect;
mod input;
mod metrics;
mod owner;
mod position;
mod privacy;

use std::time::Duration;

use serde_json::{Map, Value as Json, json};
use tracing::{debug, info, warn};

use crate::can::{BusId, Frame, FrameKind};
use crate::config::{Emergency, Profile};
use crate::crash::Verdict;
use crate::delivery::{BootId, Draft, Limits, OutboxStat, VehicleId};
use crate::services::{self, Event, View};
use crate::signals::intake::Intake;
use crate::signals::publish::{Batch, Group, Publisher};
use crate::signals::{SignalId, Signals, TableError, keep};
use crate::time::{Clock, ClockChange, KernelBoot, MonoTime, TimeSource, WallReading};

use buses::Buses;
use crash::Crash;
use crew::{Crew, Occasion, Round, Scene};
use dispatch::Dispatch;
use owner::Owner;
use position::Position;

pub use effect::{Effect, Publication, PublishToken, StoreRequest, StoreTicket};
pub use input::{
    BusEvent, Input, LaneInventory, LinkDown, LinkEvent, PortEvent, StoreEvent, StoreIncident, StoreInventory,
};

/// Values that change all the time are saved so often at most: a document of 20 KiB, seven times over for sled's write
/// amplification, is then 280 KiB an hour of the budget of 1 MiB. When the ignition goes off they are saved at once.
pub const SAVE_INTERVAL: Duration = Duration::from_secs(30 * 60);

/// Services whose state changed without an event (a kilometer, a percent) are saved so often at most: a commit costs the
/// flash some 10 KiB, whatever is in it. What goes with an event is saved with it, and what cannot wait at once.
pub const SERVICE_SAVE_INTERVAL: Duration = Duration::from_secs(5 * 60);

/// How long a shutdown may take to commit and to say goodbye; systemd's `TimeoutStopSec` is longer.
pub const SHUTDOWN_LIMIT: Duration = Duration::from_secs(5);

/// How often the document of a group is published that only services write to.
const SERVICE_GROUP_INTERVAL: Duration = Duration::from_secs(1);

/// The group of the gateway's own state.
const OWN_GROUP: &str = "gateway";

/// How often it is published at most: nobody acts on it within seconds.
const OWN_INTERVAL: Duration = Duration::from_secs(5);

/// A timer is never armed for the past: the earliest is so much later than the last input.
const TIMER_STEP: Duration = Duration::from_millis(1);

/// What a gateway is made of.
#[derive(Debug)]
pub struct Setup {
    /// The vehicle's id in topics.
    pub vehicle: VehicleId,
    /// The car model.
    pub profile: Profile,
    /// This run.
    pub boot: BootId,
    /// This boot of the kernel, which monotonic time counts from.
    pub kernel: KernelBoot,
    /// For the jitter of the back-off.
    pub seed: u64,
    /// What the outbox may take.
    pub limits: Limits,
    /// MQTT keep-alive, for the watchdog of a silent link.
    pub keep_alive: Duration,
    /// What happens after a crash.
    pub emergency: Emergency,
}

/// The whole of Telltale but for its I/O.
pub struct Gateway {
    now: MonoTime,
    kernel: KernelBoot,
    clock: Clock,
    owner: Owner,
    /// What the capabilities say of the profile.
    profile: Json,
    buses: Buses,
    signals: Signals,
    intake: Intake,
    position: Position,
    crash: Crash,
    crew: Crew,
    /// The last word on a crash.
    verdict: Option<Verdict>,
    publisher: Publisher,
    dispatch: Dispatch,
    next_save: MonoTime,
    /// Something was received since the last known values were saved: a parked car's are not saved again and again.
    has_news: bool,
    /// When services were saved last.
    services_saved: MonoTime,
    stage: Stage,
    /// A frame has given a value in this run.
    has_decoded: bool,
    /// Signals that changed in this turn; empty between turns, kept for its room.
    changed: Vec<SignalId>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stage {
    Running,
    /// Commits, saves and says goodbye, until the deadline at the latest.
    Stopping(MonoTime),
    /// [`Effect::Disconnect`] is out, [`Effect::Stopped`] is next.
    Leaving,
    Stopped,
}

impl Gateway {
    /// A gateway for that car, begun at `now`.
    pub fn new(now: MonoTime, setup: Setup) -> Result<Self, TableError> {
        let Setup { vehicle, profile, boot, kernel, seed, limits, keep_alive, emergency } = setup;
        let identity = json!({
            "name": profile.name,
            "version": profile.version,
            "hash": format!("{:08x}", profile.hash),
        });
        let signals = profile.table()?;
        let crew = Crew::new(&signals, services::all(&signals, &profile.vehicle, &emergency));
        let crash = Crash::new(now, (boot, kernel), &profile, &signals);
        let groups = all_groups(profile.groups.clone(), &crew.groups(), crash.is_equipped());
        Ok(Self {
            now,
            kernel,
            clock: Clock::default(),
            owner: Owner::new(),
            profile: identity,
            buses: Buses::new(profile.buses.iter().map(|bus| bus.name.clone())),
            intake: profile.intake(),
            position: Position::new(&profile, &signals),
            publisher: Publisher::new(profile.policies, groups),
            signals,
            crash,
            crew,
            verdict: None,
            dispatch: Dispatch::new(now, vehicle, (boot, kernel), limits, (seed, keep_alive)),
            next_save: now + SAVE_INTERVAL,
            has_news: false,
            services_saved: now,
            stage: Stage::Running,
            has_decoded: false,
            changed: Vec::new(),
        })
    }

    /// Takes one thing that happened.
    pub fn handle(&mut self, now: MonoTime, input: Input<'_>) {
        self.now = self.now.max(now);
        match input {
            Input::Frame(bus, frame) => self.frame(now, bus, frame),
            Input::Bus(bus, event) => self.bus(bus, &event),
            Input::Gnss(bytes) => self.position.feed(self.now, bytes),
            Input::GnssPort(event) => {
                if self.position.port(&event) {
                    self.publisher.touch(OWN_GROUP);
                }
            }
            Input::Clock(reading) => self.wall_clock(self.now, reading),
            Input::Link(event) => self.link(&event),
            Input::Store(event) => self.store(&event),
            Input::BlackBox(event) => self.black_box(event),
            Input::Owner(input) => self.owner.say(input),
            Input::NetworkChanged => self.dispatch.network_changed(self.now),
            Input::Timeout => {}
            Input::Shutdown => self.begin_shutdown(),
        }
        self.settle();
    }

    /// The next thing to do outside; drain it after each [`Self::handle`].
    pub fn poll_effect(&mut self) -> Option<Effect> {
        if self.stage == Stage::Stopped {
            return None;
        }
        if let Some(effect) = self.next_effect() {
            return Some(effect);
        }
        match self.stage {
            Stage::Stopping(deadline) if self.is_drained() || deadline <= self.now => {
                self.stage = Stage::Leaving;
                self.dispatch.stop();
                self.poll_effect()
            }
            Stage::Leaving => {
                self.stage = Stage::Stopped;
                Some(Effect::Stopped)
            }
            Stage::Running | Stage::Stopping(_) | Stage::Stopped => None,
        }
    }

    /// When [`Input::Timeout`] is due, though nothing happens.
    #[must_use]
    pub fn poll_timeout(&self) -> Option<MonoTime> {
        let stopping = match self.stage {
            Stage::Stopping(deadline) => Some(deadline),
            Stage::Running | Stage::Leaving | Stage::Stopped => None,
        };
        let due = [
            self.intake.poll_timeout(),
            self.position.poll_timeout(),
            self.crash.poll_timeout(),
            self.crew.deadline(),
            self.publisher.deadline(),
            self.publisher.group_deadline().filter(|_| self.tells_states()),
            self.dispatch.poll_timeout(),
            self.publishing_held_until(),
            self.buses.poll_timeout(),
            self.save_due(),
            stopping,
        ];
        due.into_iter().flatten().min().map(|due| due.max(self.now + TIMER_STEP))
    }

    /// The current readings.
    #[must_use]
    pub const fn signals(&self) -> &Signals {
        &self.signals
    }

    /// The last word on a crash in this run.
    #[must_use]
    pub const fn verdict(&self) -> Option<&Verdict> {
        self.verdict.as_ref()
    }

    /// The mapping from monotonic to wall time.
    #[must_use]
    pub const fn clock(&self) -> &Clock {
        &self.clock
    }

    /// There is an MQTT session.
    #[must_use]
    pub const fn is_online(&self) -> bool {
        self.dispatch.is_online()
    }

    /// What the outbox holds and has done.
    #[must_use]
    pub fn outbox(&self) -> OutboxStat {
        self.dispatch.outbox_stat()
    }

    /// Data frames received on all buses.
    #[must_use]
    pub fn frames(&self) -> u64 {
        (0..=u8::MAX).map_while(|bus| self.intake.counters(BusId(bus))).map(|counters| counters.frames).sum()
    }

    fn frame(&mut self, at: MonoTime, bus: BusId, frame: &Frame) {
        if frame.kind() == FrameKind::Error {
            if self.buses.error_frame(bus, frame) {
                self.publisher.touch(OWN_GROUP);
            }
            return;
        }
        self.has_news = true;
        self.intake.frame(at, bus, frame, &mut self.signals);
        self.crash.frame(at, bus, self.intake.observations(), &self.signals);
        if !self.has_decoded && self.intake.has_decoded(bus) {
            self.has_decoded = true;
            info!(bus = self.buses.name(bus), id = %frame.id(), "first frame decoded");
        }
    }

    fn bus(&mut self, bus: BusId, event: &BusEvent) {
        if self.buses.event(bus, event) {
            self.publisher.touch(OWN_GROUP);
        }
    }

    fn wall_clock(&mut self, at: MonoTime, reading: WallReading) {
        let first = self.clock.source().is_none();
        let Some(change) = self.clock.offer(at, reading) else { return };
        if first {
            // Documents were made, and stamps saved, while nobody knew the time.
            self.publisher.touch_all();
            self.next_save = self.now;
            self.has_news = true;
        }
        self.publisher.touch(OWN_GROUP);
        // Of what an earlier run left it is known now how long ago it was.
        self.crew.call_all();
        match change {
            ClockChange::Acquired(source) => info!(source = source.name(), wall = %reading.wall, "wall time known"),
            ClockChange::Stepped(step_us) => {
                warn!(step_us, source = reading.source.name(), "the wall clock jumped");
                let data = json!({ "step_ms": step_us / 1_000, "source": reading.source.name() });
                self.report(Event::new("clock.stepped", self.now, data));
            }
        }
    }

    fn link(&mut self, event: &LinkEvent) {
        if self.dispatch.handle_link(self.now, &self.clock, event) {
            self.publisher.touch_all();
            self.publish_capabilities();
        }
    }

    fn store(&mut self, event: &StoreEvent) {
        self.dispatch.handle_store(self.now, event);
        if self.owner.restore(event) {
            self.settings_changed();
        }
        let saved = match event {
            StoreEvent::Opened(inventory) => Some(inventory.values.as_slice()),
            StoreEvent::Unavailable(_) => None,
            StoreEvent::Done(_) | StoreEvent::Failed(..) | StoreEvent::Loaded(..) => return,
        };
        self.dispatch.save(self.now, self.owner.unkept(event).into_iter().collect());
        if self.crew.is_released() {
            // Opened anew during the run: it may be an empty one.
            self.next_save = self.now;
            self.has_news = true;
        }
        let values = saved.unwrap_or_default();
        let restored = keep::restore(&mut self.signals, self.kernel, values);
        debug!(restored, "last known values are back");
        let view = view(self.now, self.kernel, &self.signals, &self.clock);
        self.position.restore(values, &view);
        self.crash.restore(values);
        self.crew.release(saved, &view);
        self.publisher.touch_all();
    }

    fn begin_shutdown(&mut self) {
        if self.stage != Stage::Running {
            return;
        }
        info!("stopping: committing what is not durable yet");
        if let Some(batch) = self.publisher.flush(&self.signals) {
            self.publish_batch(batch);
        }
        self.save(true);
        self.stop_black_box();
        let deadline = self.now + SHUTDOWN_LIMIT;
        self.dispatch.begin_shutdown(self.now, &self.clock, deadline);
        self.stage = Stage::Stopping(deadline);
    }

    /// What follows from the input, in the order that the module describes.
    fn settle(&mut self) {
        self.intake.expire(self.now, &mut self.signals);
        if let Some((at, reading)) = self.position.settle(self.now, self.owner.open_since(), &mut self.signals) {
            self.wall_clock(at, reading);
        }
        if let Some((at, speed_mps)) = self.position.take_speed() {
            self.crash.ground_speed(at, speed_mps);
        }
        self.signals.take_changed(&mut self.changed);
        for id in &self.changed {
            self.crash.changed(self.now, *id, &self.signals);
        }
        self.crash.handle_timeout(self.now);
        self.follow_crash();
        if self.position.take_changed() {
            self.has_news = true;
            self.publisher.touch(position::GROUP);
        }
        if let Some(event) = self.buses.poll_event(self.now) {
            self.report(event);
        }
        for id in self.changed.drain(..) {
            self.crew.changed(id);
            self.publisher.changed(self.now, &self.signals, id);
        }
        while let Some(input) = self.owner.next() {
            self.hear(input);
        }
        self.round(Occasion::default());
        self.crash.drive(self.now, self.crew.phase());
        self.publish();
        if self.save_due().is_some_and(|due| due <= self.now) {
            self.save(true);
        }
        self.dispatch.handle_timeout(self.now);
        self.settle_black_box();
    }

    /// Calls the services.
    fn round(&mut self, occasion: Occasion<'_>) {
        let round = self.crew.round(Scene {
            now: self.now,
            signals: &self.signals,
            clock: &self.clock,
            boot: self.dispatch.boot(),
            verdict: self.verdict.as_ref(),
            settings: self.owner.settings(),
            knows_owner: self.owner.says_of_help(),
            has_recalled: self.has_recalled(),
            occasion,
            place: self.position.place(),
        });
        self.follow_up(round);
    }

    /// Acts on what the services said.
    fn follow_up(&mut self, round: Round) {
        let is_eventful = round.is_eventful();
        for event in round.events {
            self.report(event);
        }
        for group in round.groups {
            self.publisher.touch(group);
        }
        if is_eventful || self.now.since(self.services_saved) >= SERVICE_SAVE_INTERVAL {
            self.save(round.is_parked);
        }
    }

    /// Somebody can hear state documents, and the last known values are back: before, a document would overwrite what
    /// the broker retains with nothing.
    const fn tells_states(&self) -> bool {
        self.dispatch.is_online() && self.crew.is_released()
    }

    /// Makes messages of what is due: samples, batches and state documents.
    fn publish(&mut self) {
        self.publisher.tick(self.now, &self.signals);
        while let Some(batch) = self.publisher.poll_batch(self.now, &self.signals) {
            self.publish_batch(batch);
        }
        if !self.tells_states() {
            return;
        }
        while let Some(index) = self.publisher.poll_group(self.now) {
            self.publish_group(index);
        }
    }

    fn publish_batch(&mut self, batch: Batch) {
        let stamp = self.dispatch.stamp(&self.clock, batch.start);
        let location = batch.location.map(|json| json.to_string());
        self.push(Draft { location, ..Draft::telemetry(stamp, batch.data.to_string()) });
    }

    fn publish_group(&mut self, index: usize) {
        let view = view(self.now, self.kernel, &self.signals, &self.clock);
        let Some(name) = self.publisher.group(index).map(|group| group.name.clone()) else { return };
        let signals = self.publisher.render_group(index, &view);
        let mut data = Map::new();
        if signals.signals.as_object().is_some_and(|members| !members.is_empty()) {
            data.insert("signals".to_owned(), signals.signals);
        }
        self.crew.describe(&name, &view, &mut data);
        if name == OWN_GROUP {
            self.describe_self(&mut data);
        }
        if name == crash::GROUP && self.crash.is_equipped() {
            self.crash.describe(&view, &mut data);
        }
        if name == owner::GROUP {
            data.insert(owner::GROUP.to_owned(), self.owner.describe());
        }
        let mut location = Map::new();
        if let Some(signals) = signals.location {
            location.insert("signals".to_owned(), signals);
        }
        if name == position::GROUP
            && let Some(fix) = self.position.describe(&view, self.owner.open_since())
        {
            location.insert("fix".to_owned(), fix);
        }
        let location = (!location.is_empty()).then(|| Json::Object(location).to_string());
        let stamp = self.dispatch.stamp(&self.clock, self.now);
        self.push(Draft { location, ..Draft::state(&name, stamp, Json::Object(data).to_string()) });
    }

    fn publish_capabilities(&mut self) {
        let groups: Vec<_> = self.publisher.groups().map(|group| group.name.clone()).collect();
        let signals: Vec<_> = self.signals.iter().map(|(_, def, _)| def.path.clone()).collect();
        let data = json!({
            "version": env!("CARGO_PKG_VERSION"),
            "boot": self.dispatch.boot().to_string(),
            "profile": self.profile,
            "commands": [],
            "groups": groups,
            "signals": signals,
        });
        let stamp = self.dispatch.stamp(&self.clock, self.now);
        self.push(Draft::capabilities(stamp, data.to_string()));
    }

    /// The gateway's own state: what it hears, and from where it knows the time.
    fn describe_self(&self, data: &mut Map<String, Json>) {
        data.insert("buses".to_owned(), self.buses.describe());
        data.insert("gnss".to_owned(), json!({ "port": self.position.port_name() }));
        data.insert("clock".to_owned(), json!({ "source": self.clock.source().map(TimeSource::name) }));
        data.insert("store".to_owned(), json!({ "open": self.dispatch.has_store() }));
    }

    fn report(&mut self, event: Event) {
        let view = view(self.now, self.kernel, &self.signals, &self.clock);
        let is_statutory = event.statutory.is_some();
        let open_since = self.owner.open_since();
        let fix = if event.with_position { self.position.describe(&view, open_since) } else { None };
        let location = event.statutory.or(fix.map(|fix| json!({ "fix": fix })));
        let stamp = self.dispatch.stamp(&self.clock, event.at);
        let draft = Draft {
            lane: event.lane,
            subject: event.subject,
            location: location.map(|location| location.to_string()),
            statutory: is_statutory,
            ..Draft::event(event.kind, stamp, event.data.to_string())
        };
        self.push(draft);
    }

    /// When the last known values are to be saved next; without a store, never.
    fn save_due(&self) -> Option<MonoTime> {
        (self.dispatch.has_store() && self.has_news).then_some(self.next_save)
    }

    /// Keeps what changed over a restart; with `all`, the last known values too.
    fn save(&mut self, all: bool) {
        let view = view(self.now, self.kernel, &self.signals, &self.clock);
        let mut values = self.crew.take_unsaved(&view, all);
        self.services_saved = self.now;
        if all {
            self.next_save = self.now + SAVE_INTERVAL;
            self.has_news = false;
            values.extend(keep::save(&view, self.owner.settings().privacy));
            values.extend(self.position.save(&view, self.owner.open_since()));
            values.extend(self.owner.save());
        }
        if self.dispatch.has_store() {
            values.extend(self.crash.take_unsaved(all));
        }
        self.dispatch.save(self.now, values);
    }
}

fn view<'a>(now: MonoTime, boot: KernelBoot, signals: &'a Signals, clock: &'a Clock) -> View<'a> {
    View { now, boot, signals, clock }
}

/// The groups of the profile, and those that only services or the gateway itself write to.
fn all_groups(mut groups: Vec<Group>, services: &[&str], has_crash: bool) -> Vec<Group> {
    let services = services.iter().map(|name| (*name, SERVICE_GROUP_INTERVAL));
    let own = [
        (OWN_GROUP, OWN_INTERVAL),
        (position::GROUP, position::GROUP_INTERVAL),
        (owner::GROUP, SERVICE_GROUP_INTERVAL),
    ];
    let safety = has_crash.then_some((crash::GROUP, SERVICE_GROUP_INTERVAL));
    for (name, min_interval) in services.chain(own).chain(safety) {
        if !groups.iter().any(|group| group.name == name) {
            groups.push(Group { name: name.to_owned(), min_interval });
        }
    }
    groups
}
