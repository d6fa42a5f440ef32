//! `telltaled watch`: plays the cloud, and prints what vehicles publish.

use std::io::{self, Write};
use std::path::Path;
use std::time::Duration;

use rumqttc::{Client, Event, MqttOptions, Packet, QoS, TlsConfiguration};
use serde_json::Value as Json;

use crate::delivery::topics;
use crate::io::mqtt::{Broker, MAX_PACKET_IN_BYTES, MAX_PACKET_OUT_BYTES, Transport};
use crate::runtime::secrets;

use super::exit::{Code, Failure};
use super::{output, run};

/// Requests of this client that wait: one subscription.
const REQUESTS: usize = 4;

/// Pause before it connects again.
const RECONNECT: Duration = Duration::from_secs(2);

/// Prints until it is stopped.
pub(super) fn watch(config: &Path, as_json: bool) -> Result<(), Failure> {
    let broker = secrets::broker(&run::load(config)?.deployment.broker);
    loop {
        let (client, mut connection) = Client::new(options(&broker)?, REQUESTS);
        let everything = format!("{}/#", topics::ROOT);
        client
            .subscribe(everything, QoS::AtLeastOnce)
            .map_err(|error| Failure::new(Code::Software, format!("subscribing: {error}")))?;
        for event in connection.iter() {
            match event {
                Ok(Event::Incoming(Packet::Publish(message))) => {
                    let text = if as_json {
                        json_line(&message.topic, message.retain, &message.payload)
                    } else {
                        readable(&message.topic, message.retain, &message.payload)
                    };
                    if let Err(error) = writeln!(io::stdout().lock(), "{text}") {
                        return output::finish(Err(error));
                    }
                }
                Ok(_) => {}
                Err(error) => {
                    tracing::warn!(host = broker.host, port = broker.port, %error, "no connection, trying again");
                    break;
                }
            }
        }
        std::thread::sleep(RECONNECT);
    }
}

fn options(broker: &Broker) -> Result<MqttOptions, Failure> {
    let name = format!("telltale-watch-{}", std::process::id());
    let mut options = MqttOptions::new(name, &broker.host, broker.port);
    options.set_max_packet_size(MAX_PACKET_OUT_BYTES, MAX_PACKET_IN_BYTES);
    if let Transport::Tls(source) = &broker.transport {
        let tls = source().map_err(|error| Failure::new(Code::Config, error))?;
        options.set_transport(rumqttc::Transport::Tls(TlsConfiguration::Rustls(tls)));
    }
    if let Some(login) = &broker.login {
        let password = (login.password)().map_err(|error| Failure::new(Code::Config, error))?;
        options.set_credentials(&login.username, password);
    }
    Ok(options)
}

fn json_line(topic: &str, retained: bool, payload: &[u8]) -> String {
    let payload = serde_json::from_slice::<Json>(payload)
        .unwrap_or_else(|_| Json::String(String::from_utf8_lossy(payload).into_owned()));
    serde_json::json!({ "topic": topic, "retained": retained, "payload": payload }).to_string()
}

/// `time  vehicle  topic below the root  subject  data`, in one line.
pub(super) fn readable(topic: &str, retained: bool, payload: &[u8]) -> String {
    let vehicle_and_rest = topic.strip_prefix(topics::ROOT).map_or(topic, |rest| rest.trim_start_matches('/'));
    let (vehicle, rest) = vehicle_and_rest.split_once('/').unwrap_or(("", vehicle_and_rest));
    let kept = if retained { " (retained)" } else { "" };
    match serde_json::from_slice::<Json>(payload) {
        Ok(event) => {
            let time = event["time"].as_str().unwrap_or("(time unknown)");
            let subject = event["subject"].as_str().map(|subject| format!(" {subject}")).unwrap_or_default();
            format!("{time}  {vehicle}  {rest}{subject}{kept}  {}", event["data"])
        }
        Err(_) => format!("(no CloudEvent)  {vehicle}  {rest}{kept}  {} bytes", payload.len()),
    }
}
