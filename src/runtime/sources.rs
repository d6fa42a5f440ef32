//! Where input comes from: one task per source, each handing what it gets to the core.

use std::rc::Rc;
use std::time::Duration;

use tokio::sync::mpsc::{Receiver, Sender};
use tokio::task::JoinSet;

use crate::can::BusId;
use crate::config::GnssSource;
use crate::crash::black_box::BlackBoxEvent;
use crate::gateway::{BusEvent, Input, PortEvent};
use crate::io::metrics_http::Ask;
use crate::io::netlink::NetworkWatch;
use crate::io::serial::{GnssInput, GnssPort};
use crate::io::socketcan::{CanPort, CanSettings, RECEIVE_BUFFER};

use super::buses::Buses;
use super::core::Core;
use super::named;
use super::plan::{Failure, Observer, Plan, Stimulus};

/// How often the machine's clock is looked at; a step is told at once.
const CLOCK_EVERY: Duration = Duration::from_secs(1);

/// How often an observer looks.
const OBSERVE_EVERY: Duration = Duration::from_secs(1);

type Tasks = JoinSet<&'static str>;

/// One task per bus that is read.
pub(super) fn can(tasks: &mut Tasks, core: &Rc<Core>, plan: &mut Plan) -> Result<(), Failure> {
    let mut buses = Buses::default();
    for (bus, settings) in (0_u8..).map(BusId).zip(&plan.config.deployment.buses) {
        if plan.is_fed.contains(&bus) {
            continue;
        }
        let settings = CanSettings {
            interface: settings.interface.clone(),
            filters: plan.config.profile.filters(bus),
            receive_buffer: RECEIVE_BUFFER,
        };
        let port = match plan.sockets.remove(&bus) {
            Some(socket) => CanPort::adopt(settings, socket)
                .map_err(|source| Failure::system("read the socket that was given for a bus", source))?,
            None => CanPort::new(settings),
        };
        buses.add(bus, port);
    }
    let count = buses.len();
    core.set_buses(buses, plan.frame_watch.take());
    for index in 0..count {
        let core = Rc::clone(core);
        tasks.spawn_local(named("CAN reader", async move { core.read_bus(index).await }));
    }
    Ok(())
}

/// The GNSS receiver, if the deployment has one.
pub(super) fn gnss(tasks: &mut Tasks, core: &Rc<Core>, plan: &Plan) {
    let mut port = match &plan.config.deployment.gnss {
        None => return,
        Some(GnssSource::Serial { device, baud }) => GnssPort::serial(device, *baud),
        Some(GnssSource::File(path)) => GnssPort::file(path),
    };
    let core = Rc::clone(core);
    tasks.spawn_local(named("GNSS reader", async move {
        loop {
            match port.next().await {
                GnssInput::Bytes(bytes) => core.input(Input::Gnss(bytes)),
                GnssInput::Event(event) => core.input(Input::GnssPort(event)),
            }
        }
    }));
}

/// The machine's clock.
pub(super) fn wall_clock(tasks: &mut Tasks, core: &Rc<Core>) {
    let core = Rc::clone(core);
    tasks.spawn_local(named("clock", async move {
        loop {
            let (now, reading) = core.clock().wall();
            core.input_at(now, Input::Clock(reading));
            core.clock().until_set_or(CLOCK_EVERY).await;
        }
    }));
}

/// Changes of the machine's network. Without netlink the link has only its back-off.
pub(super) fn network(tasks: &mut Tasks, core: &Rc<Core>) {
    let core = Rc::clone(core);
    tasks.spawn_local(named("network watch", async move {
        match NetworkWatch::open() {
            Ok(mut watch) => loop {
                watch.changed().await;
                core.input(Input::NetworkChanged);
            },
            Err(error) => {
                tracing::warn!(%error, "cannot watch the network: after an outage the link waits for its back-off");
                std::future::pending::<()>().await;
            }
        }
    }));
}

/// The simulated car, whose buses and receiver are always there.
pub(super) fn stimuli(tasks: &mut Tasks, core: &Rc<Core>, is_fed: &[BusId], mut stimuli: Receiver<Stimulus>) {
    let core = Rc::clone(core);
    for bus in is_fed {
        core.input(Input::Bus(*bus, BusEvent::Up));
    }
    core.input(Input::GnssPort(PortEvent::Up));
    tasks.spawn_local(named("stimuli", async move {
        while let Some(stimulus) = stimuli.recv().await {
            match &stimulus {
                Stimulus::Frame(bus, frame) => core.input(Input::Frame(*bus, frame)),
                Stimulus::Gnss(bytes) => core.input(Input::Gnss(bytes)),
                Stimulus::NetworkChanged => core.input(Input::NetworkChanged),
            }
        }
        // The car stands still; the daemon goes on.
        std::future::pending::<()>().await;
    }));
}

/// What the black box answers. The task holds the channel open: where there is no black box, and where it could not be
/// opened, nothing comes.
pub(super) fn black_box(
    tasks: &mut Tasks,
    core: &Rc<Core>,
    (held, mut answers): (Sender<BlackBoxEvent>, Receiver<BlackBoxEvent>),
) {
    let core = Rc::clone(core);
    tasks.spawn_local(named("black box answers", async move {
        let _held = held;
        while let Some(answer) = answers.recv().await {
            core.input(Input::BlackBox(answer));
        }
    }));
}

/// What another thread answers.
pub(super) fn answers<T: 'static>(
    tasks: &mut Tasks,
    core: &Rc<Core>,
    name: &'static str,
    mut answers: Receiver<T>,
    wrap: fn(T) -> Input<'static>,
) {
    let core = Rc::clone(core);
    tasks.spawn_local(named(name, async move {
        while let Some(answer) = answers.recv().await {
            core.input(wrap(answer));
        }
    }));
}

/// The page for whoever scrapes.
pub(super) fn metrics(tasks: &mut Tasks, core: &Rc<Core>, mut asks: Receiver<Ask>) {
    let core = Rc::clone(core);
    tasks.spawn_local(named("metrics", async move {
        while let Some(ask) = asks.recv().await {
            // A scraper that has gone away is no fault.
            let _ = ask.send(core.metrics_page());
        }
    }));
}

/// Somebody who wants to look once a second.
pub(super) fn observer(tasks: &mut Tasks, core: &Rc<Core>, observer: Option<Observer>) {
    let Some(mut observer) = observer else { return };
    let core = Rc::clone(core);
    tasks.spawn_local(named("observer", async move {
        loop {
            tokio::time::sleep(OBSERVE_EVERY).await;
            core.look(&mut *observer);
        }
    }));
}
