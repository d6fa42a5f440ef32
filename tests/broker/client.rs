//! The uplink as the core sees it.

use std::sync::Arc;
use std::time::Duration;

use telltale::delivery::presence::LastWill;
use telltale::gateway::{LinkDown, LinkEvent, Publication, PublishToken};
use telltale::io::mqtt::{self, Broker, CHANNEL_CAPACITY, Command, Counters, Settings, Transport};
use tokio::sync::mpsc;
use tokio::task::JoinHandle;

/// The seed of this run: from `TELLTALE_SEED`, else a fixed one. Printed, so that a failure can be repeated.
pub(crate) fn seed() -> u64 {
    let seed = std::env::var("TELLTALE_SEED").ok().and_then(|seed| seed.parse().ok()).unwrap_or(1);
    eprintln!("TELLTALE_SEED={seed}");
    seed
}

/// Longer than anything that the uplink may take: 15 s to connect, twice a keep-alive of 1 s, and a busy machine.
pub(crate) const PATIENCE: Duration = Duration::from_secs(30);

pub(crate) const KEEP_ALIVE: Duration = Duration::from_secs(1);

pub(crate) const WILL_TOPIC: &str = "car/presence";

pub(crate) struct Client {
    pub(crate) commands: mpsc::Sender<Command>,
    pub(crate) events: mpsc::Receiver<LinkEvent>,
    pub(crate) counters: Arc<Counters>,
    task: JoinHandle<()>,
}

impl Client {
    /// Runs the uplink towards 127.0.0.1.
    pub(crate) fn start(port: u16, transport: Transport) -> Self {
        Self::start_towards("127.0.0.1", port, transport)
    }

    /// Runs the uplink towards another host.
    pub(crate) fn start_towards(host: &str, port: u16, transport: Transport) -> Self {
        let (host, client_id) = (host.to_owned(), "car".to_owned());
        Self::start_with(Broker { host, port, client_id, login: None, transport })
    }

    /// Runs the uplink with the shortest keep-alive there is.
    pub(crate) fn start_with(broker: Broker) -> Self {
        let will = LastWill { topic: WILL_TOPIC.to_owned(), payload: b"offline".to_vec() };
        let settings = Settings::new(broker, KEEP_ALIVE, will).expect("settings");
        let (commands, command_queue) = mpsc::channel(CHANNEL_CAPACITY);
        let (event_queue, events) = mpsc::channel(CHANNEL_CAPACITY);
        let counters = Arc::new(Counters::default());
        let task = tokio::spawn(mqtt::run(settings, command_queue, event_queue, Arc::clone(&counters)));
        Self { commands, events, counters, task }
    }

    pub(crate) fn command(&self, command: Command) {
        self.commands.try_send(command).expect("the command channel is never full");
    }

    pub(crate) fn publish(&self, token: u64, topic: &str, payload: &[u8], retain: bool) {
        let (topic, payload) = (topic.to_owned(), payload.to_vec());
        self.command(Command::Publish(Publication { token: PublishToken(token), topic, payload, retain }));
    }

    pub(crate) async fn next(&mut self) -> LinkEvent {
        tokio::time::timeout(PATIENCE, self.events.recv()).await.expect("an event in time").expect("a running uplink")
    }

    /// Connects once; whatever comes of it.
    pub(crate) async fn connect(&mut self) -> LinkEvent {
        self.command(Command::Connect);
        self.next().await
    }

    /// Connects until it is up.
    pub(crate) async fn connect_until_up(&mut self) -> bool {
        loop {
            if let LinkEvent::Up { session_present } = self.connect().await {
                return session_present;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }

    /// Waits for the end of the connection.
    pub(crate) async fn down(&mut self) -> LinkDown {
        loop {
            if let LinkEvent::Down(down) = self.next().await {
                return down;
            }
        }
    }

    /// The core lets go of both channels; what is in the command channel is still done.
    pub(crate) async fn let_go(self) {
        drop((self.commands, self.events));
        tokio::time::timeout(PATIENCE, self.task).await.expect("in time").expect("no panic");
    }

    /// The process dies.
    pub(crate) fn die(self) {
        self.task.abort();
    }
}
