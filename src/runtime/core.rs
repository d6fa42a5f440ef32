//! The core on the bus thread: inputs go in, effects go to the threads that carry them out.
//!
//! The core's time goes forward event by event: before anything that happens now, what the buses have received until
//! now is handed in, frame by frame at its kernel stamp, and each timer of the core at its time between them. So what
//! the car did while this thread got no processor is understood as it was.

use std::cell::{Cell, OnceCell, RefCell};
use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use tokio::sync::Notify;
use tokio::sync::mpsc::Sender;
use tokio::sync::mpsc::error::TrySendError;

use crate::can::BusId;
use crate::crash::black_box::BlackBoxEvent;
use crate::gateway::{Effect, Gateway, Input, LinkDown, LinkEvent, StoreEvent};
use crate::io::black_box::BlackBox;
use crate::io::clock::MonoClock;
use crate::io::mqtt::{Command, Counters};
use crate::io::store::Store;
use crate::metrics::Exposition;
use crate::time::MonoTime;

use super::buses::{Buses, Received};
use super::plan::FrameWatch;
use super::progress::Progress;

/// The past that is lived through timer by timer: frames do not wait longer in a socket. What goes farther back is a
/// suspend, through which nothing happened.
const LONGEST_WAIT: Duration = Duration::from_secs(10);

/// The gateway with its way out. Lives on one thread; every source of input is a task there that holds a reference.
pub(super) struct Core {
    gateway: RefCell<Gateway>,
    buses: RefCell<Buses>,
    frame_watch: RefCell<Option<FrameWatch>>,
    clock: MonoClock,
    /// Empty until it was started, and in a run without one; the gateway asks nothing of a store that has not opened.
    store: OnceCell<Store>,
    /// The same of the black box.
    black_box: OnceCell<BlackBox>,
    uplink: Sender<Command>,
    client: Arc<Counters>,
    progress: Progress,
    /// For when the timer has to look again: the gateway wants to be called earlier than it said before.
    rearmed: Notify,
    /// What the timer sleeps for.
    armed: Cell<Option<MonoTime>>,
    /// When the gateway wants to be called.
    due: Cell<Option<MonoTime>>,
    stopped: Notify,
}

impl Core {
    pub(super) fn new(gateway: Gateway, clock: MonoClock, (uplink, client): (Sender<Command>, Arc<Counters>)) -> Self {
        Self {
            due: Cell::new(gateway.poll_timeout()),
            gateway: RefCell::new(gateway),
            buses: RefCell::default(),
            frame_watch: RefCell::default(),
            clock,
            store: OnceCell::new(),
            black_box: OnceCell::new(),
            uplink,
            client,
            progress: Progress::default(),
            rearmed: Notify::new(),
            armed: Cell::new(None),
            stopped: Notify::new(),
        }
    }

    /// Gives it the store, once.
    pub(super) fn set_store(&self, store: Store) {
        drop(self.store.set(store));
    }

    /// Gives it the black box, once.
    pub(super) fn set_black_box(&self, black_box: BlackBox) {
        drop(self.black_box.set(black_box));
    }

    /// Gives it the buses, and who looks at each frame.
    pub(super) fn set_buses(&self, buses: Buses, frame_watch: Option<FrameWatch>) {
        self.buses.replace(buses);
        self.frame_watch.replace(frame_watch);
    }

    /// Hands in what one bus received, each time that there is something.
    pub(super) async fn read_bus(&self, index: usize) {
        loop {
            let Some(ready) = self.buses.borrow().ready(index) else { return };
            ready.await;
            let now = self.clock.now();
            let has_more = self.buses.borrow_mut().drain_one(index, now, |bus, received| self.receive(bus, received));
            // A flooded bus must not starve the rest; with an empty queue the next wait is one.
            if has_more {
                tokio::task::yield_now().await;
            }
        }
    }

    /// Hands in what happened now.
    pub(super) fn input(&self, input: Input<'_>) {
        self.input_at(self.clock.now(), input);
    }

    /// Hands in what happened at `now`, after what the buses have received until then.
    pub(super) fn input_at(&self, now: MonoTime, input: Input<'_>) {
        self.buses.borrow_mut().drain(now, |bus, received| self.receive(bus, received));
        self.hand_in(now, input);
    }

    fn receive(&self, bus: BusId, received: Received<'_>) {
        match received {
            Received::Frame(at, frame) => {
                self.hand_in(at, Input::Frame(bus, frame));
                if let Some(watch) = &mut *self.frame_watch.borrow_mut() {
                    watch(&self.gateway.borrow(), at, frame);
                }
            }
            Received::Event(at, event) => self.hand_in(at, Input::Bus(bus, event)),
        }
    }

    /// Hands in what happened at `at`, after the timers that were due before it, and does what follows from it.
    fn hand_in(&self, at: MonoTime, input: Input<'_>) {
        self.pass_until(at);
        self.turn(at, input);
    }

    /// Lets time pass: each timer of the gateway that is due until `at`, at its time.
    fn pass_until(&self, at: MonoTime) {
        while let Some(due) = self.due.get().filter(|due| *due <= at) {
            self.turn(due.max(at - LONGEST_WAIT), Input::Timeout);
        }
    }

    fn turn(&self, at: MonoTime, input: Input<'_>) {
        if let Input::Store(event) = &input {
            self.progress.store_answered(event);
        }
        let mut gateway = self.gateway.borrow_mut();
        gateway.handle(at, input);
        let mut bounced = VecDeque::new();
        loop {
            while let Some(effect) = gateway.poll_effect() {
                bounced.extend(self.carry_out(effect));
            }
            let Some(answer) = bounced.pop_front() else { break };
            gateway.handle(at, answer);
        }
        let due = gateway.poll_timeout();
        self.due.set(due);
        if due.is_some_and(|due| self.armed.get().is_none_or(|armed| due < armed)) {
            self.armed.set(due);
            self.rearmed.notify_one();
        }
    }

    /// Gives the effect to the thread that carries it out; what it has no room for comes back as its answer.
    fn carry_out(&self, effect: Effect) -> Option<Input<'static>> {
        match effect {
            Effect::Store(ticket, request) => {
                let Some(store) = self.store.get() else {
                    return Some(Input::Store(StoreEvent::Failed(ticket, "there is no store in this run".to_owned())));
                };
                self.progress.store_asked(self.clock.now(), ticket);
                store.submit(ticket, request).err().map(|refusal| {
                    self.progress.store_answered(&refusal);
                    Input::Store(refusal)
                })
            }
            Effect::BlackBox(request) => {
                let Some(black_box) = self.black_box.get() else {
                    let why = "there is no black box in this run".to_owned();
                    return Some(Input::BlackBox(BlackBoxEvent::Unavailable(why)));
                };
                black_box.submit(request).err().map(Input::BlackBox)
            }
            Effect::Connect => self.command(Command::Connect),
            Effect::Disconnect { goodbye } => self.command(Command::Disconnect { goodbye }),
            Effect::Publish(publication) => self.command(Command::Publish(publication)),
            Effect::Stopped => {
                self.stopped.notify_one();
                None
            }
        }
    }

    fn command(&self, command: Command) -> Option<Input<'static>> {
        let refused = match self.uplink.try_send(command) {
            Ok(()) => return None,
            Err(TrySendError::Full(command) | TrySendError::Closed(command)) => command,
        };
        match refused {
            Command::Publish(publication) => Some(Input::Link(LinkEvent::Refused(publication.token))),
            // The client answers each Connect with a Down; where it cannot take one, this is that answer.
            Command::Connect => {
                let why = LinkDown::Transport("the uplink thread takes no command".to_owned());
                Some(Input::Link(LinkEvent::Down(why)))
            }
            Command::Disconnect { .. } => None,
        }
    }

    /// Calls the gateway when it wants to be called. Sleeps a second at most: the sleep does not count while the
    /// machine is suspended, the gateway's time does.
    pub(super) async fn keep_time(&self) {
        const LONGEST_SLEEP: Duration = Duration::from_secs(1);
        loop {
            let due = self.due.get();
            self.armed.set(due);
            let wait = due.map_or(LONGEST_SLEEP, |due| due.since(self.clock.now()).min(LONGEST_SLEEP));
            tokio::select! {
                () = tokio::time::sleep(wait) => {
                    let now = self.clock.now();
                    if due.is_some_and(|due| due <= now) {
                        self.buses.borrow_mut().drain(now, |bus, received| self.receive(bus, received));
                        self.pass_until(now);
                    }
                }
                () = self.rearmed.notified() => {}
            }
        }
    }

    /// Takes the shutdown for complete, whatever the gateway still has in hand.
    pub(super) fn stop_now(&self) {
        self.stopped.notify_one();
    }

    /// Until the gateway says that the shutdown is complete.
    pub(super) async fn stopped(&self) {
        self.stopped.notified().await;
    }

    /// The page of metrics: the gateway's, and what only the shell knows.
    pub(super) fn metrics_page(&self) -> String {
        let mut page = Exposition::default();
        self.gateway.borrow().expose(&mut page);
        if let Some(store) = self.store.get() {
            let status = store.status();
            page.level("telltale_store_disk_bytes", "Size of the store's files.", &[], status.disk_bytes);
            page.counter("telltale_store_commits_total", "Commits.", &[], status.commits);
            page.counter("telltale_store_failures_total", "Store requests that failed.", &[], status.failures);
        }
        let count = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        let counters = &self.client;
        let refused = "Publications that the MQTT client had no room for; sent again.";
        page.counter("telltale_client_refused_total", refused, &[], count(&counters.refused));
        let overtaken = "Publications that were overtaken by the loss of the link; sent again.";
        page.counter("telltale_client_overtaken_total", overtaken, &[], count(&counters.overtaken));
        let ignored = "Messages from the broker that nothing subscribed to.";
        page.counter("telltale_client_ignored_total", ignored, &[], count(&counters.ignored_incoming));
        page.into_text()
    }

    /// A look at the gateway.
    pub(super) fn look<T>(&self, look: impl FnOnce(&Gateway) -> T) -> T {
        look(&self.gateway.borrow())
    }

    pub(super) const fn clock(&self) -> &MonoClock {
        &self.clock
    }

    pub(super) const fn progress(&self) -> &Progress {
        &self.progress
    }

    /// Gives up the core: store and black box are to be closed, the uplink ends with its sender.
    pub(super) fn into_disks(self) -> (Option<Store>, Option<BlackBox>) {
        (self.store.into_inner(), self.black_box.into_inner())
    }
}
