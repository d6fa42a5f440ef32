//! The MQTT session: rumqttc under one owner, with every publication tied to its PUBACK.
//!
//! # Goals
//!
//! - The core decides when to connect, what to send and when to give up. This file never connects, retries or
//!   reorders by itself.
//! - An [`LinkEvent::Acked`] names the publication that the broker acknowledged, on this connection, never another.
//! - No dead-lock, no panic and no unbounded memory, whatever the broker sends or fails to send.
//!
//! # Operation
//!
//! rumqttc does not tell which publish a PUBACK belongs to (its issue 382), and keeps events of a dead connection.
//! So each connection gets a client of its own, and this is how a publication finds its acknowledgement:
//!
//! 1. [`Command::Connect`] makes a fresh `AsyncClient` and `EventLoop` (same client id, `clean_session` false) and
//!    reads the certificates anew. A task of its own owns the `EventLoop` and does nothing but `poll()` it to the
//!    end: `poll()` is not cancel-safe, so it is never raced against anything.
//! 2. [`Command::Publish`] goes in with `try_publish`; its token goes to the back of the *submitted* queue.
//! 3. `Outgoing(Publish(pkid))` says that the oldest submitted one went out under that packet id: the front of the
//!    queue moves to the map `pkid → token`. rumqttc takes requests in order, so the queue is exact.
//! 4. `Incoming(PubAck(pkid))` takes the token out of the map: [`LinkEvent::Acked`]. A pkid that is not in the map
//!    is a broker's mistake, and rumqttc ends the connection.
//! 5. On any error the events that rumqttc had still buffered are handled (they are true acknowledgements of this
//!    connection), then [`LinkEvent::Down`] is reported and client, queue and map are dropped together. The core's
//!    outbox holds the truth: it rewinds on `Down` and sends again what was not acknowledged.
//! 6. The broker keeps no state about publications that it received with QoS 1 (MQTT 3.1.1, 3.1.2.4 and 4.3.2), so a
//!    repeat under a new packet id is to it what a repeat with the old one would be.
//!
//! Each `Connect` is answered by exactly one `Down`, sooner or later, with at most one `Up` before it. A
//! `Disconnect` that finds no connection has been overtaken by its `Down`, and is passed over; so is a `Publish`.
//!
//! # Limits
//!
//! The core has at most a window of 32 publications in flight, and answers `Down` before it connects anew. So at
//! most 32 publications, a `Disconnect` and a `Connect` wait in the command channel, and at most 32 answers, an `Up`
//! and a `Down` in the event channel: with [`CHANNEL_CAPACITY`] neither is ever full, and neither side waits for the
//! other. A core that breaks this rule gets [`LinkEvent::Refused`].
//!
//! A dead link is noticed by rumqttc: name resolution, TCP, TLS and CONNACK together have [`CONNECT_LIMIT_S`], every
//! write has the same, and a PINGRESP that is missing when the next ping is due ends the connection, that is within
//! two keep-alive intervals of the silence.

use std::collections::{BTreeMap, VecDeque};
use std::error::Error;
use std::io;
use std::ops::RangeInclusive;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use rumqttc::{
    AsyncClient, ConnectReturnCode, ConnectionError, Event, EventLoop, MqttOptions, Outgoing, Packet, QoS,
    TlsConfiguration,
};
use rustls::{AlertDescription, CertificateError, ClientConfig};
use tokio::sync::mpsc;
use tokio::task::JoinHandle;

use crate::delivery::presence::LastWill;
use crate::gateway::{LinkDown, LinkEvent, Publication, PublishToken};

/// Room in the command and in the event channel: the window of 32, `Connect`, `Disconnect`, `Up` and `Down`, doubled.
pub const CHANNEL_CAPACITY: usize = 72;

/// Publications that the client takes before the first is acknowledged: twice the core's window.
pub const MAX_IN_FLIGHT: usize = 64;

/// The largest packet out. A record is at most 64 KiB; its envelope and the escapes of JSON fit in as much again.
pub const MAX_PACKET_OUT_BYTES: usize = 128 * 1024;

/// The largest packet in: the largest command that will be taken.
pub const MAX_PACKET_IN_BYTES: usize = 64 * 1024;

/// The longest topic. Ours are below 200 bytes; the protocol's own limit is 65,535.
pub const MAX_TOPIC_BYTES: usize = 1024;

/// The longest client id. MQTT 3.1.1, 3.1.3.1 promises 23, every broker in use takes far more.
pub const MAX_CLIENT_ID_BYTES: usize = 128;

/// The longest last will: its length has 16 bits in CONNECT (MQTT 3.1.1, 3.1.3.3).
pub const MAX_WILL_BYTES: usize = 4096;

/// Name resolution, TCP, TLS and CONNACK together, and each write: a lost SYN is repeated after 1, 3 and 7 s, a TLS
/// handshake over a mobile link takes seconds, and so does a loaded broker.
pub const CONNECT_LIMIT_S: u64 = 15;

/// How long a goodbye waits for the broker to close: longer than a round trip, shorter than a shutdown's patience.
pub const GOODBYE_LIMIT: Duration = Duration::from_secs(1);

/// Fixed header, topic length and packet id of a PUBLISH (MQTT 3.1.1, 3.3).
const PUBLISH_OVERHEAD_BYTES: usize = 9;

/// Lengths of user name and password, whose length has 16 bits in CONNECT (MQTT 3.1.1, 3.1.3.4 and 3.1.3.5).
const MAX_LOGIN_BYTES: usize = 1024;

/// The keep-alive has 16 bits of seconds in CONNECT (MQTT 3.1.1, 3.1.2.10); zero would switch it off.
const KEEP_ALIVE_RANGE: RangeInclusive<Duration> = Duration::from_secs(1)..=Duration::from_secs(u16::MAX as u64);

/// Packet ids that rumqttc cycles through. Far above [`MAX_IN_FLIGHT`], so that one late PUBACK does not collide
/// with its successor (rumqttc issues 1014 and 1056).
const PACKET_IDS: u16 = 256;

/// Makes or reads something anew for each connection, so that what was renewed is picked up. The error text says what
/// is wrong with which file and what to do.
pub type Source<T> = Arc<dyn Fn() -> Result<T, String> + Send + Sync>;

/// How the bytes travel.
#[derive(Clone)]
pub enum Transport {
    /// Unencrypted TCP, for loopback and where the deployment insists.
    Plain,
    /// TLS 1.2 or later.
    Tls(Source<Arc<ClientConfig>>),
}

/// MQTT user name and password, for brokers that want them.
#[derive(Clone)]
pub struct Login {
    /// The user name.
    pub username: String,
    /// Reads the password.
    pub password: Source<String>,
}

/// Where the broker is and what it wants to know of us.
#[derive(Clone)]
pub struct Broker {
    /// DNS name or IP address.
    pub host: String,
    /// TCP port.
    pub port: u16,
    /// Names the session; the same at every start.
    pub client_id: String,
    /// User name and password.
    pub login: Option<Login>,
    /// How the bytes travel.
    pub transport: Transport,
}

/// Everything that a connection needs; see [`Settings::new`].
#[derive(Clone)]
pub struct Settings {
    broker: Broker,
    keep_alive: Duration,
    will: LastWill,
}

/// Settings that no connection could be made with; the deployment file must be corrected.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SettingsError {
    /// The name of the broker is empty, or is neither a DNS name nor an IP address.
    #[error("the broker's host {0:?} is neither a DNS name nor an IP address: correct it")]
    Host(String),
    /// A persistent session needs a name.
    #[error("the MQTT client id is empty: give the vehicle an id")]
    NoClientId,
    /// The keep-alive does not fit into CONNECT.
    #[error("a keep-alive of {0:?} is not possible: give 1 to 65535 s")]
    KeepAlive(Duration),
    /// Something is longer than its limit.
    #[error("the {what} has {bytes} bytes, the limit is {limit}: shorten it")]
    TooLong {
        /// What it is.
        what: &'static str,
        /// Its length.
        bytes: usize,
        /// What is allowed.
        limit: usize,
    },
}

/// What the core asks for: [`crate::gateway::Effect::Connect`], `Disconnect` and `Publish`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Command {
    /// Open a connection.
    Connect,
    /// End it.
    Disconnect {
        /// With a DISCONNECT, so that the broker does not publish the last will.
        goodbye: bool,
    },
    /// Send with QoS 1.
    Publish(Publication),
}

/// What the core does not see in the events.
#[derive(Debug, Default)]
pub struct Counters {
    /// Publications that were answered by [`LinkEvent::Refused`].
    pub refused: AtomicU64,
    /// Publications that arrived after the connection had ended: sent again by the core.
    pub overtaken: AtomicU64,
    /// Messages from the broker, which nothing here subscribed to. They are not acknowledged.
    pub ignored_incoming: AtomicU64,
}

impl Settings {
    /// Checks everything that rumqttc would panic on or garble.
    pub fn new(broker: Broker, keep_alive: Duration, will: LastWill) -> Result<Self, SettingsError> {
        if rustls::pki_types::ServerName::try_from(broker.host.as_str()).is_err() {
            return Err(SettingsError::Host(broker.host));
        }
        if broker.client_id.is_empty() {
            return Err(SettingsError::NoClientId);
        }
        if !KEEP_ALIVE_RANGE.contains(&keep_alive) {
            return Err(SettingsError::KeepAlive(keep_alive));
        }
        for (what, bytes, limit) in [
            ("MQTT client id", broker.client_id.len(), MAX_CLIENT_ID_BYTES),
            ("MQTT user name", broker.login.as_ref().map_or(0, |login| login.username.len()), MAX_LOGIN_BYTES),
            ("topic of the last will", will.topic.len(), MAX_TOPIC_BYTES),
            ("last will", will.payload.len(), MAX_WILL_BYTES),
        ] {
            if bytes > limit {
                return Err(SettingsError::TooLong { what, bytes, limit });
            }
        }
        Ok(Self { broker, keep_alive, will })
    }

    /// rumqttc's form of it, with nothing left to its defaults.
    fn options(&self) -> Result<MqttOptions, String> {
        let mut options = MqttOptions::new(&self.broker.client_id, &self.broker.host, self.broker.port);
        options
            .set_keep_alive(self.keep_alive)
            .set_clean_session(false)
            .set_max_packet_size(MAX_PACKET_IN_BYTES, MAX_PACKET_OUT_BYTES)
            .set_inflight(PACKET_IDS)
            .set_manual_acks(true)
            .set_last_will(rumqttc::LastWill::new(&self.will.topic, self.will.payload.clone(), QoS::AtLeastOnce, true))
            .set_transport(match &self.broker.transport {
                Transport::Plain => rumqttc::Transport::Tcp,
                Transport::Tls(source) => rumqttc::Transport::Tls(TlsConfiguration::Rustls(source()?)),
            });
        if let Some(Login { username, password }) = &self.broker.login {
            let password = password()?;
            if password.len() > MAX_LOGIN_BYTES {
                return Err(format!("the MQTT password is longer than {MAX_LOGIN_BYTES} bytes: check its file"));
            }
            options.set_credentials(username, password);
        }
        Ok(options)
    }
}

/// Serves the core until the command channel is closed and empty, so that a goodbye that is in it is still said.
/// A connection that is open then is dropped without one. Events that nobody takes any more are lost.
pub async fn run(
    settings: Settings,
    mut commands: mpsc::Receiver<Command>,
    events: mpsc::Sender<LinkEvent>,
    counters: Arc<Counters>,
) {
    while let Some(command) = commands.recv().await {
        match command {
            Command::Connect => {}
            Command::Disconnect { .. } => continue,
            Command::Publish(_) => {
                counters.overtaken.fetch_add(1, Ordering::Relaxed);
                continue;
            }
        }
        let ended = match settings.options() {
            Ok(options) => Connection::open(options, &events, &counters).serve(&mut commands).await,
            Err(reason) => Some(LinkDown::Credentials(reason)),
        };
        let Some(down) = ended else { return };
        let _ = events.send(LinkEvent::Down(down)).await;
    }
}

/// One connection, from `Connect` to `Down`.
struct Connection<'a> {
    client: AsyncClient,
    /// Owns the `EventLoop`; ends with the error that ended the connection. It hands the `EventLoop` back, so that
    /// what is submitted between the error and its report is taken, and forgotten with the rest, not refused.
    driver: JoinHandle<(ConnectionError, EventLoop)>,
    /// What `driver` saw. Closed after its last word.
    seen: mpsc::Receiver<Event>,
    /// Given to rumqttc, not yet on the wire, oldest first.
    submitted: VecDeque<PublishToken>,
    /// On the wire, by packet id.
    unacknowledged: BTreeMap<u16, PublishToken>,
    up: bool,
    events: &'a mpsc::Sender<LinkEvent>,
    counters: &'a Counters,
}

impl<'a> Connection<'a> {
    fn open(options: MqttOptions, events: &'a mpsc::Sender<LinkEvent>, counters: &'a Counters) -> Self {
        // One more than publications are taken, so that there is always room for the DISCONNECT.
        let (client, mut eventloop) = AsyncClient::new(options, MAX_IN_FLIGHT + 1);
        eventloop.network_options.set_tcp_nodelay(true);
        eventloop.network_options.set_connection_timeout(CONNECT_LIMIT_S);
        let (report, seen) = mpsc::channel(MAX_IN_FLIGHT);
        Self {
            client,
            driver: tokio::spawn(drive(eventloop, report)),
            seen,
            submitted: VecDeque::with_capacity(MAX_IN_FLIGHT),
            unacknowledged: BTreeMap::new(),
            up: false,
            events,
            counters,
        }
    }

    /// Until the connection ends, with the reason; none when the core is gone.
    async fn serve(mut self, commands: &mut mpsc::Receiver<Command>) -> Option<LinkDown> {
        loop {
            let answer = tokio::select! {
                event = self.seen.recv() => match event {
                    Some(event) => self.on_event(event),
                    None => return Some(self.reason().await),
                },
                command = commands.recv() => match command {
                    Some(Command::Publish(publication)) => self.publish(publication),
                    Some(Command::Disconnect { goodbye }) => {
                        self.disconnect(goodbye).await;
                        return Some(LinkDown::Requested);
                    }
                    Some(Command::Connect) => None,
                    None => return None,
                },
            };
            self.tell(answer).await;
        }
    }

    fn publish(&mut self, publication: Publication) -> Option<LinkEvent> {
        let Publication { token, topic, payload, retain } = publication;
        let bytes = PUBLISH_OVERHEAD_BYTES + topic.len() + payload.len();
        let fits = topic.len() <= MAX_TOPIC_BYTES && bytes <= MAX_PACKET_OUT_BYTES;
        let room = self.up && self.submitted.len() + self.unacknowledged.len() < MAX_IN_FLIGHT;
        if fits && room && self.client.try_publish(&topic, QoS::AtLeastOnce, retain, payload).is_ok() {
            self.submitted.push_back(token);
            return None;
        }
        self.counters.refused.fetch_add(1, Ordering::Relaxed);
        if !fits {
            tracing::error!(topic, bytes, "a message above the size limit must not reach the MQTT client");
        }
        Some(LinkEvent::Refused(token))
    }

    fn on_event(&mut self, event: Event) -> Option<LinkEvent> {
        match event {
            Event::Incoming(Packet::ConnAck(connack)) => {
                self.up = true;
                Some(LinkEvent::Up { session_present: connack.session_present })
            }
            Event::Outgoing(Outgoing::Publish(pkid)) => {
                let token = self.submitted.pop_front()?;
                self.unacknowledged.insert(pkid, token);
                None
            }
            Event::Incoming(Packet::PubAck(puback)) => self.unacknowledged.remove(&puback.pkid).map(LinkEvent::Acked),
            Event::Incoming(Packet::Publish(_)) => {
                self.counters.ignored_incoming.fetch_add(1, Ordering::Relaxed);
                None
            }
            Event::Incoming(_) | Event::Outgoing(_) => None,
        }
    }

    async fn tell(&self, answer: Option<LinkEvent>) {
        if let Some(answer) = answer {
            let _ = self.events.send(answer).await;
        }
    }

    /// Ends the connection on the core's demand.
    async fn disconnect(&mut self, goodbye: bool) {
        if goodbye && self.up && self.client.try_disconnect().is_ok() {
            // The broker closes after a DISCONNECT (MQTT 3.1.1, 3.14.4), which ends the driver.
            let limit = tokio::time::sleep(GOODBYE_LIMIT);
            tokio::pin!(limit);
            loop {
                let event = tokio::select! {
                    event = self.seen.recv() => event,
                    () = &mut limit => None,
                };
                let Some(event) = event else { break };
                let answer = self.on_event(event);
                self.tell(answer).await;
            }
        }
        self.driver.abort();
        // The socket is closed when the task is gone, which is before `Down` is reported.
        let _ = (&mut self.driver).await;
    }

    /// Why the driver ended.
    async fn reason(&mut self) -> LinkDown {
        match (&mut self.driver).await {
            Ok((error, _)) => classify(&error),
            Err(failure) => LinkDown::Transport(format!("the MQTT client failed, which is a defect: {failure}")),
        }
    }
}

/// A connection that is dropped takes its socket with it.
impl Drop for Connection<'_> {
    fn drop(&mut self) {
        self.driver.abort();
    }
}

/// Polls the connection to its end. A task of its own, so that a panic in the client ends a connection, not us.
async fn drive(mut eventloop: EventLoop, report: mpsc::Sender<Event>) -> (ConnectionError, EventLoop) {
    loop {
        match eventloop.poll().await {
            Ok(event) => {
                if report.send(event).await.is_err() {
                    return (ConnectionError::RequestsDone, eventloop);
                }
            }
            Err(error) => {
                for event in eventloop.state.events.drain(..) {
                    if report.send(event).await.is_err() {
                        break;
                    }
                }
                return (error, eventloop);
            }
        }
    }
}

/// Whether trying again soon can help, or a person is needed.
fn classify(error: &ConnectionError) -> LinkDown {
    match error {
        ConnectionError::ConnectionRefused(code) => match code {
            ConnectReturnCode::BadClientId
            | ConnectReturnCode::BadUserNamePassword
            | ConnectReturnCode::NotAuthorized => LinkDown::Credentials(format!(
                "the broker refuses this client ({code:?}): allow its client id, user and certificate at the broker"
            )),
            _ => LinkDown::Transport(format!("the broker refuses the connection ({code:?})")),
        },
        _ => match tls_error(error).and_then(advice) {
            Some(advice) => LinkDown::Credentials(format!("{error}: {advice}")),
            None => LinkDown::Transport(error.to_string()),
        },
    }
}

/// The TLS error at the bottom of an error, which may be wrapped in I/O errors several times.
fn tls_error<'e>(error: &'e (dyn Error + 'static)) -> Option<&'e rustls::Error> {
    let mut next = Some(error);
    while let Some(error) = next {
        if let Some(tls) = error.downcast_ref::<rustls::Error>() {
            return Some(tls);
        }
        next = match error.downcast_ref::<io::Error>().and_then(io::Error::get_ref) {
            Some(inner) => Some(inner),
            None => error.source(),
        };
    }
    None
}

/// What a person must do about a TLS error; none when it is not about certificates.
fn advice(error: &rustls::Error) -> Option<&'static str> {
    match error {
        // Before the first fix an RTC without battery says 1970: the certificate is good, our clock is not.
        rustls::Error::InvalidCertificate(
            CertificateError::NotValidYet | CertificateError::NotValidYetContext { .. },
        ) => None,
        rustls::Error::InvalidCertificate(_) | rustls::Error::NoCertificatesPresented => {
            Some("the broker's certificate is not accepted; check the CA file and the broker's host name")
        }
        rustls::Error::AlertReceived(
            AlertDescription::BadCertificate
            | AlertDescription::UnsupportedCertificate
            | AlertDescription::CertificateRevoked
            | AlertDescription::CertificateExpired
            | AlertDescription::CertificateUnknown
            | AlertDescription::CertificateRequired
            | AlertDescription::UnknownCA
            | AlertDescription::AccessDenied
            | AlertDescription::DecryptError
            | AlertDescription::HandshakeFailure,
        ) => Some("the broker does not accept our certificate; install one that its CA has signed"),
        _ => None,
    }
}
