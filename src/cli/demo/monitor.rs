//! What the demo prints, and its judgement at the end.

use std::io::Write as _;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use serde_json::Value as Json;

use crate::delivery::{Lane, OutboxStat};
use crate::gateway::Gateway;
use crate::io::clock::MonoClock;
use crate::runtime::Observer;
use crate::time::MonoTime;

use super::super::exit::{Code, Failure};
use super::broker::Arrival;
use super::ledger::{Entry, Ledger};

/// A line of figures is printed so often.
const STATUS_EVERY_S: u64 = 5;

/// Messages are cut to this many characters, so that a line is a line.
const LINE_CHARS: usize = 150;

/// Prints lines with the time since the start.
#[derive(Clone)]
pub(super) struct Console {
    clock: Option<MonoClock>,
    start: MonoTime,
}

impl Default for Console {
    fn default() -> Self {
        let clock = MonoClock::new().ok();
        let start = clock.as_ref().map_or(MonoTime::ZERO, MonoClock::now);
        Self { clock, start }
    }
}

impl Console {
    /// One line.
    pub(super) fn say(&self, who: &str, what: &str) {
        let now = self.clock.as_ref().map_or(self.start, MonoClock::now);
        let line: String = what.chars().take(LINE_CHARS).collect();
        let cut = if line.len() < what.len() { "…" } else { "" };
        // A terminal that went away does not end the demo.
        let _ =
            writeln!(std::io::stdout().lock(), "{:7.1} s  {who:<8} {line}{cut}", now.since(self.start).as_secs_f64());
    }
}

/// What is known on both ends of the link.
#[derive(Default)]
pub(super) struct Monitor(Mutex<State>);

#[derive(Default)]
struct State {
    stat: OutboxStat,
    frames: u64,
    is_online: bool,
    looks: u64,
    /// The most records that waited in the store at once, and how many came out of it again.
    most_stored: u64,
    stored: u64,
    drained: u64,
    ledger: Ledger,
}

impl Monitor {
    /// Nothing seen yet.
    pub(super) fn new() -> Arc<Self> {
        Arc::default()
    }

    /// Looks at the gateway once a second and prints a line of figures now and then.
    pub(super) fn observer(self: &Arc<Self>, console: Console) -> Observer {
        let monitor = Arc::clone(self);
        Box::new(move |gateway: &Gateway| {
            if let Some(line) = monitor.look(gateway) {
                console.say("status", &line);
            }
        })
    }

    fn look(&self, gateway: &Gateway) -> Option<String> {
        let mut state = self.lock();
        state.stat = gateway.outbox();
        state.frames = gateway.frames();
        state.is_online = gateway.is_online();
        let stored: u64 = durable(&state.stat);
        if stored < state.stored {
            state.drained += state.stored - stored;
        }
        state.stored = stored;
        state.most_stored = state.most_stored.max(stored);
        state.looks += 1;
        state.looks.is_multiple_of(STATUS_EVERY_S).then(|| status(&state, gateway))
    }

    /// Books a message; the line to print, for what is new and no telemetry.
    pub(super) fn arrived(&self, arrival: &Arrival) -> Option<String> {
        let event: Json = serde_json::from_slice(&arrival.payload).ok()?;
        let entry = self.lock().ledger.enter(&event);
        let is_worth_a_line = arrival.topic.contains("/event/") || arrival.topic.ends_with("/presence");
        (entry != Entry::Repeat && is_worth_a_line).then(|| brief(&arrival.topic, &event))
    }

    /// Until nothing waits any more on this side of the link.
    pub(super) fn wait_until_drained(&self, limit: Duration, every: Duration) {
        self.wait(limit, every, |state| state.is_online && waiting(&state.stat) == 0);
    }

    /// Until everything that was acknowledged has been booked.
    pub(super) fn wait_for_arrivals(&self, limit: Duration, every: Duration) {
        self.wait(limit, every, |state| missing(state) == 0);
    }

    fn wait(&self, limit: Duration, every: Duration, is_done: impl Fn(&State) -> bool) {
        let mut waited = Duration::ZERO;
        while waited < limit && !is_done(&self.lock()) {
            std::thread::sleep(every);
            waited += every;
        }
    }

    /// Prints the sums; an error when the cloud misses something that was acknowledged.
    pub(super) fn summary(&self) -> Result<(), Failure> {
        let state = self.lock();
        let sums = state.ledger.sums();
        let sum = |lane: Lane| sums.get(lane.name()).copied().unwrap_or_default();
        let total = |figure: fn(&crate::delivery::outbox::LaneStat) -> u64| {
            Lane::ALL.into_iter().map(|lane| figure(state.stat.lane(lane))).sum::<u64>()
        };
        let lost = missing(&state);
        let disorder: u64 = sums.values().map(|sum| sum.out_of_order).sum();
        let mut out = std::io::stdout().lock();
        let text = format!(
            "\nsummary\n  frames decoded            {}\n  events                    {}\n  published                 {}\n  \
             acknowledged              {}\n  most in sled at once      {}\n  drained from sled         {}\n  \
             received by the cloud     {}\n  repeats, dropped by id    {}\n  missing at the cloud      {lost}\n  \
             out of order in a lane    {disorder}\n",
            state.frames,
            sum(Lane::Event).received + sum(Lane::Critical).received,
            total(|lane| lane.published),
            total(|lane| lane.acked),
            state.most_stored,
            state.drained,
            sums.values().map(|sum| sum.received).sum::<u64>(),
            sums.values().map(|sum| sum.repeats).sum::<u64>(),
        );
        let _ = out.write_all(text.as_bytes());
        if lost + disorder + state.ledger.unreadable > 0 {
            return Err(Failure::new(Code::Software, "the cloud misses messages: this is a defect"));
        }
        let verdict = match waiting_in(&state.stat, Lane::Critical) + waiting_in(&state.stat, Lane::Event) {
            0 => "nothing was lost".to_owned(),
            events => format!("nothing that was sent was lost; {events} events still waited for coverage"),
        };
        let _ = writeln!(out, "{verdict}");
        Ok(())
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Gaps in the sequences of the lanes that keep order, and what was acknowledged but never arrived.
fn missing(state: &State) -> u64 {
    let sums = state.ledger.sums();
    Lane::ALL
        .into_iter()
        .map(|lane| {
            let sum = sums.get(lane.name()).copied().unwrap_or_default();
            sum.missing.max(state.stat.lane(lane).acked.saturating_sub(sum.received))
        })
        .sum()
}

/// `event/telltale.raised TirePressure (happened 13:05:44.123) {…}`
fn brief(topic: &str, event: &Json) -> String {
    let name = topic.splitn(4, '/').last().unwrap_or(topic);
    let subject = event["subject"].as_str().map(|subject| format!(" {subject}")).unwrap_or_default();
    let clock = event["time"].as_str().and_then(|time| time.get(11..19)).unwrap_or("unknown");
    let mut data = event["data"].clone();
    // The place is shown by its presence alone, so that a line stays a line.
    let place = data.as_object_mut().and_then(|data| data.remove("location")).map_or("", |_| " with location");
    format!("{name}{subject} (happened {clock}){place} {data}")
}

fn durable(stat: &OutboxStat) -> u64 {
    [Lane::Critical, Lane::Event, Lane::Telemetry].into_iter().map(|lane| stat.lane(lane).stored).sum()
}

fn waiting(stat: &OutboxStat) -> u64 {
    Lane::ALL.into_iter().map(|lane| stat.lane(lane)).map(|lane| lane.in_memory + lane.in_store + lane.in_flight).sum()
}

fn status(state: &State, gateway: &Gateway) -> String {
    let signals = gateway.signals();
    let value = |path: &str| signals.id(path).and_then(|id| signals.get(id).good_f64());
    let show = |value: Option<f64>| value.map_or("-".to_owned(), |value| format!("{value:.0}"));
    let lane = |lane: Lane| waiting_in(&state.stat, lane);
    format!(
        "{} km/h, battery {} %, fuel {} l, {} frames, link {}; received {}; waiting {} events, {} telemetry ({} in sled)",
        show(value("Vehicle.Speed")),
        show(value("Vehicle.Powertrain.TractionBattery.StateOfCharge.Displayed")),
        show(value("Vehicle.Powertrain.FuelSystem.AbsoluteLevel")),
        state.frames,
        if state.is_online { "up" } else { "down" },
        state.ledger.received(),
        lane(Lane::Event) + lane(Lane::Critical),
        lane(Lane::Telemetry),
        durable(&state.stat),
    )
}

fn waiting_in(stat: &OutboxStat, lane: Lane) -> u64 {
    let lane = stat.lane(lane);
    lane.in_memory + lane.in_store
}
