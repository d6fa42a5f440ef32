//! The broker inside the demo: rumqttd on a loopback port, and a subscriber that plays the cloud.

use std::collections::HashMap;
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::sync::mpsc::{Receiver, sync_channel};

use rumqttd::{Broker, Config, ConnectionSettings, Notification, RouterConfig, ServerSettings};

/// Messages that wait for the demo's printer; a full queue makes the broker's link wait.
const INBOX: usize = 1024;

/// One message as the cloud receives it.
pub(super) struct Arrival {
    pub topic: String,
    pub payload: Vec<u8>,
}

/// Starts the broker on a free loopback port, and a subscriber to everything below `telltale/`.
pub(super) fn start() -> std::io::Result<(SocketAddr, Receiver<Arrival>)> {
    let address = free_address()?;
    let mut broker = Broker::new(configuration(address));
    let (mut requests, mut notifications) = broker.link("cloud").map_err(std::io::Error::other)?;
    spawn("broker", move || {
        if let Err(error) = broker.start() {
            tracing::error!(%error, "the embedded broker ended");
        }
    })?;
    requests.subscribe("telltale/#").map_err(std::io::Error::other)?;
    let (sender, arrivals) = sync_channel(INBOX);
    spawn("cloud", move || {
        // The link ends with the broker; the sender, when the demo no longer listens.
        let _link = requests;
        while let Ok(notification) = notifications.recv() {
            if let Some(Notification::Forward(forward)) = notification {
                let topic = String::from_utf8_lossy(&forward.publish.topic).into_owned();
                if sender.send(Arrival { topic, payload: forward.publish.payload.to_vec() }).is_err() {
                    return;
                }
            }
        }
    })?;
    Ok((address, arrivals))
}

fn configuration(listen: SocketAddr) -> Config {
    let connections = ConnectionSettings {
        connection_timeout_ms: 5_000,
        max_payload_size: 256 * 1024,
        max_inflight_count: 200,
        auth: None,
        external_auth: None,
        dynamic_filters: true,
    };
    let server = ServerSettings { name: "demo".into(), listen, tls: None, next_connection_delay_ms: 1, connections };
    Config {
        id: 0,
        router: RouterConfig {
            max_connections: 16,
            max_outgoing_packet_count: 200,
            max_segment_size: 4 * 1024 * 1024,
            max_segment_count: 8,
            ..RouterConfig::default()
        },
        v4: Some(HashMap::from([("demo".to_owned(), server)])),
        v5: None,
        ws: None,
        cluster: None,
        console: None,
        bridge: None,
        prometheus: None,
        metrics: None,
    }
}

/// A loopback address that nobody uses now.
pub(super) fn free_address() -> std::io::Result<SocketAddr> {
    TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()
}

fn spawn(name: &str, work: impl FnOnce() + Send + 'static) -> std::io::Result<()> {
    std::thread::Builder::new().name(name.into()).spawn(work).map(drop)
}
