//! A car for the tests of the services: the ignition and one service under test, called as the gateway calls them.
//!
//! After every call it checks what holds for all services: an event happened not after now, the next deadline lies
//! ahead, and a call for nothing changes nothing.
//!
//! What survives a restart is what the gateway would have in its store by then, and nothing else: a service that does
//! not ask to be saved, or not soon enough, is seen to forget.

use std::time::Duration;

use serde_json::Value as Json;

use crate::crash::{Stage, Verdict};
use crate::delivery::BootId;
use crate::gateway::SERVICE_SAVE_INTERVAL;
use crate::signals::{At, Cause, Datatype, SignalDef, SignalId, Signals, Value};
use crate::time::{Clock, KernelBoot, MonoTime, TimeSource, WallReading, WallTime};

use super::{Answer, Cx, DriveState, Event, Ignition, Output, Place, Recovered, Service, Settings, View};

/// The labels of `Vehicle.LowVoltageSystemState` in VSS 6.0.
pub(super) const SUPPLY: &[&str] = &["UNDEFINED", "LOCK", "OFF", "ACC", "ON", "START"];
/// The labels of a lamp.
pub(super) const LAMP: &[&str] = &["OFF", "ON", "FLASHING"];

/// splitmix64: small, seeded, the same everywhere.
pub(super) struct Rng(pub u64);

impl Rng {
    pub(super) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// A number below `bound`.
    pub(super) fn below(&mut self, bound: u64) -> u64 {
        self.next() % bound
    }

    /// A number between -1 and 1.
    pub(super) fn unit(&mut self) -> f64 {
        f64::from(u32::try_from(self.next() >> 32).expect("32 bits")) / f64::from(u32::MAX) * 2.0 - 1.0
    }

    /// One of several.
    pub(super) fn pick<T: Copy>(&mut self, of: &[T]) -> T {
        of[usize::try_from(self.below(of.len() as u64)).expect("an index")]
    }
}

/// A clock set so that the machine booted at this Unix time.
pub(super) fn clock_at(boot_unix_s: i64) -> Clock {
    let mut clock = Clock::default();
    let wall = WallTime::from_unix_micros(boot_unix_s * 1_000_000);
    clock.offer(MonoTime::ZERO, WallReading { wall, source: TimeSource::Gnss, uncertainty: Duration::from_millis(50) });
    clock
}

pub(super) fn view_parts<'a>(now_ms: u64, boot: KernelBoot, signals: &'a Signals, clock: &'a Clock) -> View<'a> {
    View { now: MonoTime::from_millis(now_ms), boot, signals, clock }
}

/// What services see beside the signals.
#[derive(Debug, Clone)]
pub(super) struct Beside {
    pub(super) run: BootId,
    pub(super) verdict: Option<Verdict>,
    pub(super) settings: Settings,
    pub(super) knows_owner: bool,
    pub(super) has_recalled: bool,
    pub(super) answer: Option<Answer>,
    pub(super) recovered: Option<Recovered>,
    pub(super) place: Option<Place>,
}

impl Default for Beside {
    fn default() -> Self {
        let run = BootId { counter: 1, random: 0 };
        Self {
            run,
            verdict: None,
            settings: Settings::FIRST,
            knows_owner: true,
            has_recalled: true,
            answer: None,
            recovered: None,
            place: None,
        }
    }
}

pub(super) fn cx<'a>(
    now: MonoTime,
    signals: &'a Signals,
    drive: DriveState,
    clock: &'a Clock,
    beside: &'a Beside,
    out: &'a mut Output,
) -> Cx<'a> {
    Cx {
        now,
        signals,
        drive,
        clock,
        boot: beside.run,
        verdict: beside.verdict.as_ref(),
        settings: beside.settings,
        knows_owner: beside.knows_owner,
        answer: beside.answer.as_ref(),
        recovered: beside.recovered.as_ref(),
        has_recalled: beside.has_recalled,
        place: beside.place,
        out,
    }
}

/// A signal for a test: number, switch or label, with its unit.
pub(super) fn number(path: &str, unit: &str) -> SignalDef {
    def(path, Datatype::Float, unit, &[])
}

pub(super) fn switch(path: &str) -> SignalDef {
    def(path, Datatype::Bool, "", &[])
}

pub(super) fn label(path: &str, labels: &[&str]) -> SignalDef {
    def(path, Datatype::Label, "", labels)
}

fn def(path: &str, datatype: Datatype, unit: &str, labels: &[&str]) -> SignalDef {
    SignalDef {
        path: path.to_owned(),
        datatype,
        unit: unit.to_owned(),
        labels: labels.iter().map(|&label| label.to_owned()).collect(),
        tells_position: false,
    }
}

/// What a service wants to be saved is in the store after so long, whatever happens.
pub(super) const SAVED_AFTER_MS: u64 = SERVICE_SAVE_INTERVAL.as_secs() * 1_000;

/// 2026-11-21T09:00:00Z: when the machine of a [`Car`] boots first.
pub(super) const FIRST_BOOT_S: i64 = 1_795_251_600;

/// What the store has.
#[derive(Default)]
struct Store {
    ignition: Kept,
    service: Kept,
    /// When something was saved last.
    saved: MonoTime,
}

/// The saved state of one service.
#[derive(Default)]
struct Kept {
    saved: Option<Json>,
    /// It asked to be saved, and was not yet.
    is_waiting: bool,
}

impl Kept {
    /// Saves it if it asked for that; with `all`, in any case.
    fn save(&mut self, service: &dyn Service, view: &View<'_>, all: bool) {
        if std::mem::take(&mut self.is_waiting) || all {
            let saved = Some(service.save(view)).filter(|saved| !saved.is_null());
            self.saved = saved.or(self.saved.take());
        }
    }

    fn restore(&self, service: &mut dyn Service, view: &View<'_>) {
        if let Some(saved) = &self.saved {
            service.restore(saved, view);
        }
    }
}

/// The ignition and a service under test.
pub(super) struct Car<S> {
    pub(super) signals: Signals,
    pub(super) clock: Clock,
    pub(super) boot: KernelBoot,
    pub(super) now_ms: u64,
    pub(super) ignition: Ignition,
    pub(super) service: S,
    /// Everything that the service and the ignition reported and the test has not taken yet.
    pub(super) events: Vec<Event>,
    /// How often the service's state document changed.
    pub(super) state_changes: usize,
    /// How often the service asked to be saved.
    pub(super) saves: usize,
    pub(super) beside: Beside,
    defs: Vec<SignalDef>,
    make: fn(&Signals) -> S,
    told: DriveState,
    store: Store,
}

impl<S: Service> Car<S> {
    pub(super) fn new(defs: Vec<SignalDef>, make: fn(&Signals) -> S) -> Self {
        let signals = Signals::new(defs.clone()).expect("distinct paths");
        let (ignition, service) = (Ignition::new(&signals), make(&signals));
        Self {
            told: ignition.drive(),
            signals,
            clock: clock_at(FIRST_BOOT_S),
            boot: KernelBoot(1),
            now_ms: 1_000,
            ignition,
            service,
            events: Vec::new(),
            state_changes: 0,
            saves: 0,
            beside: Beside::default(),
            defs,
            make,
            store: Store::default(),
        }
    }

    pub(super) fn now(&self) -> MonoTime {
        MonoTime::from_millis(self.now_ms)
    }

    fn id(&self, path: &str) -> SignalId {
        self.signals.id(path).unwrap_or_else(|| panic!("no signal {path}"))
    }

    pub(super) fn number(&mut self, path: &str, value: f64) {
        self.put(path, Value::Float(value));
    }

    pub(super) fn switch(&mut self, path: &str, on: bool) {
        self.put(path, Value::Bool(on));
    }

    pub(super) fn label(&mut self, path: &str, label: &str) {
        let labels = &self.signals.def(self.id(path)).labels;
        let index = labels.iter().position(|known| known == label).expect("an allowed value");
        self.put(path, Value::Label(u16::try_from(index).expect("few labels")));
    }

    fn put(&mut self, path: &str, value: Value) {
        self.signals.set(self.id(path), value, self.now());
        self.round();
    }

    pub(super) fn distrust(&mut self, path: &str) {
        self.signals.distrust(self.id(path), Cause::Checksum);
        self.round();
    }

    pub(super) fn expire(&mut self, path: &str) {
        self.signals.expire(self.id(path));
        self.round();
    }

    /// The classifier speaks.
    pub(super) fn judge(&mut self, verdict: Verdict) {
        self.beside.verdict = Some(Verdict { at: self.now(), ..verdict });
        self.round();
        if matches!(verdict.stage, Stage::Graded | Stage::Closed) {
            self.save(true);
        }
    }

    /// Somebody answers.
    pub(super) fn answer(&mut self, answer: Answer) {
        self.beside.answer = Some(answer);
        self.round();
    }

    /// An earlier run could not tell of a crash.
    pub(super) fn recall(&mut self, recovered: Recovered) {
        self.beside.recovered = Some(recovered);
        self.round();
    }

    /// The owner settles something.
    pub(super) fn settle(&mut self, settings: Settings) {
        self.beside.settings = settings;
        self.round();
    }

    /// All messages stop: everything becomes stale.
    pub(super) fn silence(&mut self) {
        let ids: Vec<_> = self.signals.iter().map(|(id, _, _)| id).collect();
        for id in ids {
            self.signals.expire(id);
        }
        self.round();
    }

    /// Lets time pass, calling at the deadlines.
    pub(super) fn run(&mut self, ms: u64) {
        let until = MonoTime::from_millis(self.now_ms + ms);
        while let Some(due) = self.deadline().filter(|due| *due <= until) {
            self.now_ms = due.as_nanos().div_ceil(1_000_000);
            self.round();
        }
        self.now_ms = until.as_millis();
    }

    fn deadline(&self) -> Option<MonoTime> {
        let is_waiting = self.store.ignition.is_waiting || self.store.service.is_waiting;
        let save = is_waiting.then(|| (self.store.saved + SERVICE_SAVE_INTERVAL).max(self.now()));
        [self.ignition.deadline(), self.service.deadline(), save].into_iter().flatten().min()
    }

    fn round(&mut self) {
        self.signals.take_changed(&mut Vec::new());
        let now = self.now();
        let before = self.told;
        let first = call(&mut self.ignition, now, &self.signals, before, &self.clock, &self.beside);
        self.told = self.ignition.drive();
        let second = call(&mut self.service, now, &self.signals, self.told, &self.clock, &self.beside);
        self.beside.answer = None;
        self.beside.recovered = None;
        self.state_changes += usize::from(second.state_changed);
        self.saves += usize::from(second.save || second.save_now);
        let is_parked = before.phase.is_on() && self.told.phase.is_off();
        self.follow_up(first, second, is_parked);
    }

    /// Takes the events, and saves with them, as the gateway does.
    fn follow_up(&mut self, ignition: Output, service: Output, is_parked: bool) {
        self.store.ignition.is_waiting |= ignition.save || ignition.save_now;
        self.store.service.is_waiting |= service.save || service.save_now;
        let is_urgent = ignition.save_now || service.save_now || is_parked;
        let has_events = !ignition.events.is_empty() || !service.events.is_empty();
        self.events.extend(ignition.events);
        self.events.extend(service.events);
        if is_urgent || has_events || self.now().since(self.store.saved) >= SERVICE_SAVE_INTERVAL {
            self.save(is_parked);
        }
    }

    /// Saves what asked for it; with `all`, everything.
    fn save(&mut self, all: bool) {
        let view = view_parts(self.now_ms, self.boot, &self.signals, &self.clock);
        self.store.ignition.save(&self.ignition, &view, all);
        self.store.service.save(&self.service, &view, all);
        self.store.saved = view.now;
    }

    pub(super) fn view(&self) -> View<'_> {
        view_parts(self.now_ms, self.boot, &self.signals, &self.clock)
    }

    pub(super) fn state(&self) -> Json {
        self.service.state(&self.view())
    }

    /// The daemon is asked to stop: it saves everything.
    pub(super) fn stop(&mut self) {
        self.save(true);
    }

    /// The daemon is gone and starts again in the same boot, `gap_ms` later, with nothing received meanwhile.
    pub(super) fn restart(&mut self, gap_ms: u64) {
        self.come_back(self.now_ms + gap_ms, self.boot, None);
    }

    /// The power is cut for `gap_ms`; the machine boots again, and the clock is known at once.
    pub(super) fn reboot(&mut self, gap_ms: u64) {
        let boot_s = self.clock.wall_at(MonoTime::from_millis(self.now_ms + gap_ms)).expect("the clock is set");
        let clock = clock_at(boot_s.wall.as_unix_micros() / 1_000_000);
        self.come_back(0, KernelBoot(self.boot.0 + 1), Some(clock));
    }

    fn come_back(&mut self, now_ms: u64, boot: KernelBoot, clock: Option<Clock>) {
        let mut signals = Signals::new(self.defs.clone()).expect("distinct paths");
        for (id, _, reading) in self.signals.iter() {
            let at = match reading.at {
                At::Mono(mono) if boot != self.boot => {
                    self.clock.wall_at(mono).map_or(At::Unknown, |stamp| At::Wall(stamp.wall))
                }
                at => at,
            };
            if let Some(value) = reading.value {
                signals.restore(id, value, at);
            }
        }
        self.signals = signals;
        (self.now_ms, self.boot, self.clock) = (now_ms, boot, clock.unwrap_or_else(|| self.clock.clone()));
        (self.ignition, self.service) = (Ignition::new(&self.signals), (self.make)(&self.signals));
        self.beside.run.counter += 1;
        self.beside.verdict = None;
        let view = view_parts(now_ms, boot, &self.signals, &self.clock);
        self.store.ignition.restore(&mut self.ignition, &view);
        self.store.service.restore(&mut self.service, &view);
        (self.store.ignition.is_waiting, self.store.service.is_waiting, self.store.saved) = (false, false, view.now);
        self.told = self.ignition.drive();
        self.round();
    }

    /// The events since the last call.
    pub(super) fn take(&mut self) -> Vec<Event> {
        std::mem::take(&mut self.events)
    }

    /// The kinds of the events since the last call.
    pub(super) fn kinds(&mut self) -> Vec<&'static str> {
        self.take().iter().map(|event| event.kind).collect()
    }
}

fn call(
    service: &mut dyn Service,
    now: MonoTime,
    signals: &Signals,
    drive: DriveState,
    clock: &Clock,
    beside: &Beside,
) -> Output {
    let mut out = Output::default();
    service.update(&mut cx(now, signals, drive, clock, beside, &mut out));
    for event in &out.events {
        assert!(event.at <= now, "{} happened after now: {event:?}", event.kind);
        assert!(event.data.is_object(), "{event:?}");
    }
    if let Some(due) = service.deadline() {
        assert!(due > now, "{} asks to be called again at once, without end", service.name());
    }
    let mut again = Output::default();
    let answered = Beside { answer: None, recovered: None, ..beside.clone() };
    service.update(&mut cx(now, signals, drive, clock, &answered, &mut again));
    assert!(again.events.is_empty(), "{}: a call for nothing gave {:?}", service.name(), again.events);
    let is_idle = !again.state_changed && !again.save && !again.save_now;
    assert!(is_idle, "{}: a call for nothing changed something", service.name());
    out
}
