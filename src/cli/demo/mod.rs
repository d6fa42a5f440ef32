//! `telltaled demo`: the whole system on one machine with nothing set up.
//!
//! What is real: the gateway, its store (sled, in a temporary folder), its MQTT session over TCP. What stands in for
//! the world: a simulated car (physics, ECUs, GNSS receiver), an embedded broker, and a relay that is the mobile
//! network, which the hills of the simulated road hide. With `--can` the frames of the first buses go over real
//! interfaces.

mod broker;
mod coverage;
mod driver;
mod ledger;
mod monitor;
mod settings;
mod writer;

use std::sync::Arc;
use std::sync::mpsc::Receiver;
use std::time::Duration;

use tokio::sync::oneshot;

use crate::runtime::{self, Plan};
use crate::sim::Scenario;

use super::exit::{Code, Failure};
use broker::Arrival;
use coverage::Coverage;
use driver::Driver;
use monitor::{Console, Monitor};

/// How long the demo waits at its end for what is still under way.
const DRAIN_LIMIT: Duration = Duration::from_secs(20);

/// How often it looks whether everything has arrived.
const LOOK_EVERY: Duration = Duration::from_millis(200);

/// Runs until Ctrl-C, or for `duration_s`; fails when the cloud misses anything.
pub(super) fn demo(
    duration_s: Option<u64>,
    interfaces: &[String],
    scenario: Scenario,
    seed: u64,
) -> Result<(), Failure> {
    let unavailable = |doing: &str, error: std::io::Error| Failure::new(Code::System, format!("{doing}: {error}"));
    let folder = settings::TemporaryFolder::new().map_err(|error| unavailable("making a temporary folder", error))?;
    let (address, arrivals) = broker::start().map_err(|error| unavailable("starting the broker", error))?;
    let (coverage, car_address) = Coverage::start(address).map_err(|error| unavailable("starting the relay", error))?;
    let page = broker::free_address().map_err(|error| unavailable("looking for a free port", error))?;
    let config = settings::config(car_address, page, folder.path(), interfaces)?;
    let monitor = Monitor::new();
    let console = Console::default();
    console.say("demo", &format!("store in {}, broker on {address}, seed {seed}", folder.path().display()));
    console.say("demo", &format!("metrics on http://{page}/metrics; Ctrl-C ends the demo"));

    let (stop, stopped) = oneshot::channel();
    let (driver, stimuli) = Driver::start((scenario, seed), interfaces, coverage.clone(), console.clone())
        .map_err(|error| Failure::new(Code::Software, format!("starting the simulated car: {error}")))?;
    let cloud = spawn_cloud(arrivals, monitor.clone(), console.clone())
        .map_err(|error| unavailable("starting the cloud", error))?;
    let ender = Ender { monitor: monitor.clone(), coverage, driver };
    // Not joined: after Ctrl-C it still sleeps. Should it fail, it drops `stop`, which ends the daemon too.
    std::thread::Builder::new()
        .name("ender".to_owned())
        .spawn(move || ender.end(duration_s.map(Duration::from_secs), stop))
        .map_err(|error| unavailable("starting a thread", error))?;

    let plan = Plan {
        stimuli: Some(stimuli),
        is_fed: settings::fed_buses(interfaces),
        observer: Some(monitor.observer(console)),
        stop: Some(stopped),
        ..Plan::new(config, Box::new(|| ()))
    };
    runtime::run(plan)?;
    monitor.wait_for_arrivals(DRAIN_LIMIT, LOOK_EVERY);
    drop(cloud);
    monitor.summary()
}

/// Receives what the broker forwards, for as long as the demo runs.
fn spawn_cloud(
    arrivals: Receiver<Arrival>,
    monitor: Arc<Monitor>,
    console: Console,
) -> std::io::Result<std::thread::JoinHandle<()>> {
    std::thread::Builder::new().name("printer".to_owned()).spawn(move || {
        for arrival in arrivals {
            if let Some(text) = monitor.arrived(&arrival) {
                console.say("cloud", &text);
            }
        }
    })
}

/// Ends a demo of limited duration: coverage comes back, everything drains, then the daemon is asked to stop.
struct Ender {
    monitor: Arc<Monitor>,
    coverage: Coverage,
    driver: Driver,
}

impl Ender {
    fn end(self, duration: Option<Duration>, stop: oneshot::Sender<()>) {
        let Some(duration) = duration else {
            // Kept, so that the daemon is not stopped; Ctrl-C ends the process.
            let _kept = stop;
            loop {
                std::thread::park();
            }
        };
        std::thread::sleep(duration);
        self.driver.park();
        self.coverage.regain();
        self.driver.network_is_back();
        self.monitor.wait_until_drained(DRAIN_LIMIT, LOOK_EVERY);
        // A daemon that has ended by itself needs no stop.
        let _ = stop.send(());
    }
}
