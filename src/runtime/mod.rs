//! The only place that knows all parts: it wires them, watches them, and takes them down in order.
//!
//! Four threads, named in `ps -L`: `bus` (CAN, GNSS, the core), `uplink` (MQTT, the metrics page), `store` (sled),
//! `blackbox` (its file, where the car has something to record). The
//! channels between them are bounded; both ends are built so that neither waits for the other (`io/mqtt.rs` says how).
//!
//! Every source of input is a task on the bus thread. A task that ends unasked ends the daemon with its name: systemd
//! starts it anew, which is better than half of it.

mod buses;
mod core;
mod plan;
mod progress;
pub mod secrets;
mod sources;

use std::path::Path;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use tokio::runtime::Builder;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::mpsc;
use tokio::task::{JoinSet, LocalSet};
use tracing::{info, warn};

use crate::crash::black_box::BlackBoxEvent;
use crate::delivery::{BootId, Limits, Topics, VehicleId, presence};
use crate::gateway::{Gateway, Input, LinkEvent, Setup, StoreEvent};
use crate::io::black_box::BlackBox;
use crate::io::clock::MonoClock;
use crate::io::metrics_http::{self, Ask, Listener};
use crate::io::mqtt;
use crate::io::realtime;
use crate::io::store::{self, Claim, Store, StoreError};

use self::core::Core;
use progress::Pulse;

pub use plan::{Failure, FrameWatch, Observer, Plan, Stimulus};

/// Answers of the store that wait for the bus thread; it has few requests under way, so this is never full.
const STORE_ANSWERS: usize = 64;

/// Answers of the black box that wait for the bus thread; it has one request under way.
const BLACK_BOX_ANSWERS: usize = 8;

/// How long the black box may take to write what is queued when the daemon ends.
const BLACK_BOX_CLOSE_LIMIT: Duration = Duration::from_secs(2);

/// How long the store may take to commit what is queued when the daemon ends.
const STORE_CLOSE_LIMIT: Duration = Duration::from_secs(5);

/// How long the uplink waits at its end for what blocks in the system: a name resolution without coverage.
const UPLINK_CLOSE_LIMIT: Duration = Duration::from_secs(1);

/// How often the watchdog is fed at least, where systemd asks for none: the check then only logs.
const CHECK_EVERY: Duration = Duration::from_secs(5);

/// The daemon, from start to end. Returns when a shutdown is complete, or with the reason why it could not go on.
pub fn run(plan: Plan) -> Result<(), Failure> {
    let bus = std::thread::Builder::new().name("bus".to_owned()).spawn(move || on_bus_thread(plan));
    let bus = bus.map_err(|source| Failure::system("start the thread `bus`", source))?;
    bus.join().unwrap_or(Err(Failure::Task("bus")))
}

fn on_bus_thread(plan: Plan) -> Result<(), Failure> {
    realtime::apply(plan.config.deployment.realtime);
    let runtime = Builder::new_current_thread().enable_all().build();
    let runtime = runtime.map_err(|source| Failure::system("make the runtime of the thread `bus`", source))?;
    LocalSet::new().block_on(&runtime, live(plan))
}

/// The life of the daemon.
async fn live(mut plan: Plan) -> Result<(), Failure> {
    let clock = MonoClock::new().map_err(|source| Failure::system("read the clock", source))?;

    // The store says which run this is; it is opened later, while frames are decoded already.
    let claim = claim_store(&plan.config.deployment.store.path)?;
    let counter = claim.as_ref().map_or(0, Claim::boot_counter);
    let boot = BootId { counter, random: random()? };

    // The core.
    let vehicle = VehicleId::new(&plan.config.deployment.vehicle_id).map_err(Failure::setting)?;
    let topics = Topics::new(vehicle.clone());
    let setup = Setup {
        vehicle,
        profile: plan.config.profile.clone(),
        boot,
        kernel: clock.boot(),
        seed: u64::from(random()?),
        limits: Limits { store_bytes: record_bytes(plan.config.deployment.store.limit_mib), ..Limits::default() },
        keep_alive: plan.config.deployment.broker.keep_alive,
        emergency: plan.config.deployment.emergency.clone(),
    };
    let gateway = Gateway::new(clock.now(), setup).map_err(Failure::setting)?;
    let (commands, command_queue) = mpsc::channel(mqtt::CHANNEL_CAPACITY);
    let counters = Arc::new(mqtt::Counters::default());
    let core = Rc::new(Core::new(gateway, clock, (commands, Arc::clone(&counters))));

    // The car first: from here on its frames are decoded. What follows reads files, starts threads and waits for disks.
    let mut tasks = JoinSet::new();
    sources::can(&mut tasks, &core, &mut plan)?;
    sources::gnss(&mut tasks, &core, &plan);
    tokio::task::yield_now().await;

    // Black box and store, each on a thread of its own.
    let (black_box_answers, black_box_events) = mpsc::channel::<BlackBoxEvent>(BLACK_BOX_ANSWERS);
    if core.look(Gateway::wants_black_box) {
        core.set_black_box(open_black_box(&plan.config.deployment.store.path, black_box_answers.clone())?);
    }
    let (store_answers, store_events) = mpsc::channel::<StoreEvent>(STORE_ANSWERS);
    start_store(&core, claim, store_answers)?;

    // The way up: MQTT and the metrics page on a thread of their own.
    let will = presence::last_will(&topics, boot);
    let broker = secrets::broker(&plan.config.deployment.broker);
    let settings = mqtt::Settings::new(broker, plan.config.deployment.broker.keep_alive, will);
    let settings = settings.map_err(Failure::setting)?;
    let (link_answers, link_events) = mpsc::channel::<LinkEvent>(mqtt::CHANNEL_CAPACITY);
    let (asks, ask_queue) = mpsc::channel::<Ask>(metrics_http::ASK_CAPACITY);
    let uplink = Uplink {
        settings,
        commands: command_queue,
        events: link_answers,
        page: plan.metrics_page().await?,
        asks,
        counters,
        pulse: core.progress().uplink.clone(),
    };
    core.progress().uplink.beat(core.clock().now());
    let uplink = std::thread::Builder::new().name("uplink".to_owned()).spawn(move || uplink.serve());
    let uplink = uplink.map_err(|source| Failure::system("start the thread `uplink`", source))?;

    // Everything else that happens outside, each as a task.
    sources::wall_clock(&mut tasks, &core);
    sources::network(&mut tasks, &core);
    if let Some(stimuli) = plan.stimuli.take() {
        sources::stimuli(&mut tasks, &core, &plan.is_fed, stimuli);
    }
    sources::black_box(&mut tasks, &core, (black_box_answers, black_box_events));
    sources::answers(&mut tasks, &core, "store answers", store_events, Input::Store);
    sources::answers(&mut tasks, &core, "link events", link_events, Input::Link);
    sources::metrics(&mut tasks, &core, ask_queue);
    sources::observer(&mut tasks, &core, plan.observer.take());
    tasks.spawn_local(named("timer", {
        let core = Rc::clone(&core);
        async move { core.keep_time().await }
    }));
    tasks.spawn_local(named("watchdog", feed_watchdog(Rc::clone(&core))));
    tasks.spawn_local(named("signals", obey_signals(Rc::clone(&core), plan)?));
    core.input(Input::Timeout);
    notify(&[sd_notify::NotifyState::Ready]);

    // Until the core says that it has stopped, or a task ends unasked.
    let outcome = tokio::select! {
        () = core.stopped() => Ok(()),
        ended = tasks.join_next() => Err(Failure::Task(ended.and_then(Result::ok).unwrap_or("panicked"))),
    };
    notify(&[sd_notify::NotifyState::Stopping]);

    // Down in order: sources, then what the store and the uplink still have in hand.
    tasks.shutdown().await;
    let (store, black_box) = Rc::into_inner(core).map(Core::into_disks).unwrap_or_default();
    if black_box.is_some_and(|black_box| !black_box.close(BLACK_BOX_CLOSE_LIMIT)) {
        warn!("the black box did not end in time; what it had not written is lost");
    }
    if store.is_some_and(|store| !store.close(STORE_CLOSE_LIMIT)) {
        warn!("the store did not end in time; what it had not committed is lost");
    }
    if uplink.join().is_err() {
        warn!("the thread `uplink` panicked");
    }
    info!("stopped");
    outcome
}

/// The right to the store, with the number of this start on it. A directory that cannot be used is no reason to leave
/// the car without a daemon: this run then has no store, and its number is 0, so that its records differ from those of
/// other such runs by the part of the boot id that is drawn.
fn claim_store(path: &Path) -> Result<Result<Claim, StoreError>, Failure> {
    match store::claim_boot(path) {
        Err(error @ StoreError::Locked(_)) => Err(Failure::Store(error)),
        outcome => Ok(outcome),
    }
}

/// Opens the store in the background; without one, the answer that says so waits in the channel.
fn start_store(
    core: &Core,
    claim: Result<Claim, StoreError>,
    answers: mpsc::Sender<StoreEvent>,
) -> Result<(), Failure> {
    match claim {
        Ok(claim) => {
            let store = Store::start(claim, store::OPEN_DEADLINE, move |event| {
                // When the bus thread is gone nobody wants the answer any more.
                let _ = answers.blocking_send(event);
            });
            core.set_store(store.map_err(|source| Failure::system("start the thread `store`", source))?);
        }
        Err(error) => {
            tokio::task::spawn_local(async move {
                let _ = answers.send(StoreEvent::Unavailable(error.to_string())).await;
                // The channel stays open: its end would be that of the store's thread.
                std::future::pending::<()>().await;
            });
        }
    }
    Ok(())
}

/// The black box lies beside the store.
fn open_black_box(directory: &Path, answers: mpsc::Sender<BlackBoxEvent>) -> Result<BlackBox, Failure> {
    let black_box = BlackBox::start(directory, move |event| {
        // When the bus thread is gone nobody wants the answer any more.
        let _ = answers.blocking_send(event);
    });
    black_box.map_err(|source| Failure::system("start the thread `blackbox`", source))
}

/// What runs on the thread `uplink`.
struct Uplink {
    settings: mqtt::Settings,
    commands: mpsc::Receiver<mqtt::Command>,
    events: mpsc::Sender<LinkEvent>,
    page: Option<Listener>,
    asks: mpsc::Sender<Ask>,
    counters: Arc<mqtt::Counters>,
    pulse: Pulse,
}

impl Uplink {
    /// Ends when the core has let go of its end of the command channel, after the goodbye that was in it.
    fn serve(self) {
        let Ok(runtime) = Builder::new_current_thread().enable_all().build() else {
            tracing::error!("cannot make the runtime of the thread `uplink`");
            return;
        };
        runtime.block_on(async move {
            let beat = async {
                let Ok(clock) = MonoClock::new() else { return };
                loop {
                    self.pulse.beat(clock.now());
                    tokio::time::sleep(progress::BEAT).await;
                }
            };
            let page = async {
                match self.page {
                    Some(listener) => metrics_http::serve(listener, self.asks).await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                () = mqtt::run(self.settings, self.commands, self.events, self.counters) => {}
                () = beat => {}
                () = page => {}
            }
        });
        // A name resolution that hangs must not hold up the end.
        runtime.shutdown_timeout(UPLINK_CLOSE_LIMIT);
    }
}

/// SIGTERM and SIGINT stop, a second one at once; SIGHUP reloads what can be reloaded.
fn obey_signals(core: Rc<Core>, plan: Plan) -> Result<impl Future<Output = ()>, Failure> {
    let listen = |kind| signal(kind).map_err(|source| Failure::system("listen for signals", source));
    let (mut term, mut interrupt, mut hang_up) =
        (listen(SignalKind::terminate())?, listen(SignalKind::interrupt())?, listen(SignalKind::hangup())?);
    let Plan { reload, stop, .. } = plan;
    Ok(async move {
        let mut stop = stop;
        let mut is_stopping = false;
        loop {
            let wants_stop = tokio::select! {
                _ = term.recv() => true,
                _ = interrupt.recv() => true,
                () = asked(&mut stop) => true,
                _ = hang_up.recv() => false,
            };
            if !wants_stop {
                reload();
                continue;
            }
            if is_stopping {
                // Asked twice: whoever asks does not want to wait.
                core.stop_now();
                continue;
            }
            is_stopping = true;
            core.input(Input::Shutdown);
        }
    })
}

/// Until whoever started the daemon wants it to stop.
async fn asked(stop: &mut Option<tokio::sync::oneshot::Receiver<()>>) {
    match stop {
        Some(receiver) => {
            let _ = receiver.await;
            *stop = None;
        }
        None => std::future::pending().await,
    }
}

/// Feeds systemd's watchdog while everything makes progress ([`progress`] says what that is).
async fn feed_watchdog(core: Rc<Core>) {
    let patience = sd_notify::watchdog_enabled();
    let every = patience.map_or(CHECK_EVERY, |patience| patience / 3);
    loop {
        tokio::time::sleep(every).await;
        match core.progress().stuck(core.clock().now()) {
            None => notify(&[sd_notify::NotifyState::Watchdog]),
            Some(who) => warn!(who, "makes no progress: the watchdog is not fed"),
        }
    }
}

/// Tells systemd; without systemd nobody listens, and that is no fault.
fn notify(states: &[sd_notify::NotifyState<'_>]) {
    let _ = sd_notify::notify(states);
}

/// A task that says its name when it ends.
async fn named(name: &'static str, work: impl Future<Output = ()>) -> &'static str {
    work.await;
    name
}

/// What the records may take of the store's limit: sled's own pages and the space it has not yet reused take the rest.
fn record_bytes(limit_mib: u32) -> u64 {
    u64::from(limit_mib) * 1024 * 1024 * 3 / 4
}

fn random() -> Result<u32, Failure> {
    let mut bytes = [0; 4];
    getrandom::fill(&mut bytes)
        .map_err(|error| Failure::system("draw a random number", std::io::Error::other(error)))?;
    Ok(u32::from_ne_bytes(bytes))
}
