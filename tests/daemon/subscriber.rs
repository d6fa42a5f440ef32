//! The cloud: a persistent QoS 1 subscription that remembers what it got, in order.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::{self, sleep};
use std::time::Duration;

use rumqttc::{Client, Event, MqttOptions, Packet, QoS};
use serde_json::Value as Json;

/// For what must come at all, on a machine that does other things too.
const PATIENCE: Duration = Duration::from_secs(60);
const STEP: Duration = Duration::from_millis(20);

#[derive(Debug, Clone)]
pub(crate) struct Message {
    /// Below the car's root: `event/telltale.raised`.
    pub(crate) topic: String,
    pub(crate) event: Json,
}

impl Message {
    pub(crate) fn id(&self) -> &str {
        self.event["id"].as_str().expect("a CloudEvent has an id")
    }
}

pub(crate) struct Subscriber {
    messages: Arc<Mutex<Vec<Message>>>,
    is_over: Arc<AtomicBool>,
}

impl Subscriber {
    /// Subscribes to everything that a car says, and again whenever the broker has forgotten the session.
    pub(crate) fn start(port: u16) -> Self {
        Self::start_as(port, "cloud")
    }

    /// The same for another consumer.
    pub(crate) fn start_as(port: u16, client_id: &str) -> Self {
        Self::subscribe(port, client_id, "telltale/v1/#")
    }

    /// The same for a part of it.
    pub(crate) fn start_on(port: u16, filter: &'static str) -> Self {
        Self::subscribe(port, "cloud", filter)
    }

    fn subscribe(port: u16, client_id: &str, filter: &'static str) -> Self {
        let mut options = MqttOptions::new(client_id, "127.0.0.1", port);
        options.set_clean_session(false).set_keep_alive(Duration::from_secs(5)).set_max_packet_size(1 << 20, 1 << 20);
        let (client, mut connection) = Client::new(options, 10);
        let messages = Arc::new(Mutex::new(Vec::new()));
        let is_over = Arc::new(AtomicBool::new(false));
        let (sink, over) = (Arc::clone(&messages), Arc::clone(&is_over));
        let (subscribed, is_subscribed) = std::sync::mpsc::channel();
        thread::spawn(move || {
            for outcome in connection.iter() {
                match outcome {
                    Ok(Event::Incoming(Packet::ConnAck(connack))) if !connack.session_present => {
                        client.try_subscribe(filter, QoS::AtLeastOnce).expect("room for a request");
                    }
                    // Nobody waits for the second one.
                    Ok(Event::Incoming(Packet::SubAck(_))) => drop(subscribed.send(())),
                    Ok(Event::Incoming(Packet::Publish(publish))) => {
                        let topic = publish.topic.splitn(4, '/').nth(3).unwrap_or_default().to_owned();
                        let event = serde_json::from_slice(&publish.payload).expect("a payload is JSON");
                        sink.lock().expect("unpoisoned").push(Message { topic, event });
                    }
                    Ok(_) => {}
                    Err(_) => sleep(STEP),
                }
                if over.load(Ordering::Relaxed) {
                    return;
                }
            }
        });
        is_subscribed.recv_timeout(PATIENCE).expect("a subscription in time");
        Self { messages, is_over }
    }

    /// Messages so far, repeats included.
    pub(crate) fn count(&self) -> usize {
        self.messages.lock().expect("unpoisoned").len()
    }

    pub(crate) fn all(&self) -> Vec<Message> {
        self.messages.lock().expect("unpoisoned").clone()
    }

    /// Waits for the newest message of that topic to be as it should.
    pub(crate) fn newest(&self, topic: &str, is_right: impl Fn(&Json) -> bool) -> Json {
        let found = self.wait(|all| {
            let newest = all.iter().rev().find(|message| message.topic == topic);
            newest.filter(|message| is_right(&message.event)).map(|message| message.event.clone())
        });
        found.unwrap_or_else(|| panic!("{topic} does not come; these did: {:#?}", self.all()))
    }

    /// Waits for any message of that topic that is as it should be.
    pub(crate) fn any(&self, topic: &str, is_right: impl Fn(&Json) -> bool) -> Json {
        let found = self.wait(|all| {
            let mut of_topic = all.iter().filter(|message| message.topic == topic);
            of_topic.find(|message| is_right(&message.event)).map(|message| message.event.clone())
        });
        found.unwrap_or_else(|| panic!("{topic} does not come; these did: {:#?}", self.all()))
    }

    /// Waits until there is something to be found in all messages.
    pub(crate) fn wait<T>(&self, find: impl Fn(&[Message]) -> Option<T>) -> Option<T> {
        for _ in 0..PATIENCE.as_millis() / STEP.as_millis() {
            if let Some(found) = find(&self.messages.lock().expect("unpoisoned")) {
                return Some(found);
            }
            sleep(STEP);
        }
        None
    }
}

impl Drop for Subscriber {
    fn drop(&mut self) {
        self.is_over.store(true, Ordering::Relaxed);
    }
}
