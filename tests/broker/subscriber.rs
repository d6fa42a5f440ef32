//! The cloud: a persistent QoS 1 subscription that remembers what it got, in order.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use rumqttc::{AsyncClient, Event, MqttOptions, Packet, QoS, Transport};
use tokio::sync::Notify;
use tokio::task::JoinHandle;

use crate::client::{PATIENCE, WILL_TOPIC};

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Message {
    pub(crate) topic: String,
    pub(crate) payload: Vec<u8>,
    pub(crate) retained: bool,
}

pub(crate) struct Subscriber {
    messages: Arc<Mutex<Vec<Message>>>,
    subscribed: Arc<Notify>,
    task: JoinHandle<()>,
}

impl Subscriber {
    /// Subscribes to everything, and again whenever the broker has forgotten the session.
    pub(crate) async fn start(port: u16, client_id: &str) -> Self {
        Self::start_over(Transport::Tcp, port, client_id).await
    }

    /// The same with TLS.
    pub(crate) async fn start_over(transport: Transport, port: u16, client_id: &str) -> Self {
        let mut options = MqttOptions::new(client_id, "127.0.0.1", port);
        options.set_transport(transport);
        options.set_clean_session(false).set_keep_alive(Duration::from_secs(5)).set_max_packet_size(1 << 20, 1 << 20);
        let (client, mut eventloop) = AsyncClient::new(options, 10);
        let messages = Arc::new(Mutex::new(Vec::new()));
        let subscribed = Arc::new(Notify::new());
        let (sink, ready) = (Arc::clone(&messages), Arc::clone(&subscribed));
        let task = tokio::spawn(async move {
            loop {
                match eventloop.poll().await {
                    Ok(Event::Incoming(Packet::ConnAck(connack))) if !connack.session_present => {
                        client.try_subscribe("#", QoS::AtLeastOnce).expect("room for a request");
                    }
                    Ok(Event::Incoming(Packet::ConnAck(_) | Packet::SubAck(_))) => ready.notify_one(),
                    Ok(Event::Incoming(Packet::Publish(publish))) => sink.lock().expect("unpoisoned").push(Message {
                        topic: publish.topic,
                        payload: publish.payload.to_vec(),
                        retained: publish.retain,
                    }),
                    Ok(_) => {}
                    Err(_) => tokio::time::sleep(Duration::from_millis(20)).await,
                }
            }
        });
        let this = Self { messages, subscribed, task };
        this.subscribed_again().await;
        this
    }

    /// Waits until the subscription stands, the first time or after a restart of the broker.
    pub(crate) async fn subscribed_again(&self) {
        tokio::time::timeout(PATIENCE, self.subscribed.notified()).await.expect("a subscription in time");
    }

    /// Waits until so many different messages are there, wills aside, and returns all, repeats included.
    pub(crate) async fn different(&self, count: usize) -> Vec<Message> {
        let not_a_will = |message: &&Message| message.topic != WILL_TOPIC;
        let mut messages = self
            .until(|messages| {
                let different: BTreeSet<_> =
                    messages.iter().filter(not_a_will).map(|m| (&m.topic, &m.payload)).collect();
                different.len() >= count
            })
            .await;
        messages.retain(|message| not_a_will(&message));
        messages
    }

    /// Waits until what arrived so far is enough.
    pub(crate) async fn until(&self, is_enough: impl Fn(&[Message]) -> bool) -> Vec<Message> {
        let mut waited = Duration::ZERO;
        let step = Duration::from_millis(20);
        while !self.with(&is_enough) {
            assert!(waited < PATIENCE, "after {waited:?} there are only {} messages", self.with(<[_]>::len));
            tokio::time::sleep(step).await;
            waited += step;
        }
        self.with(<[_]>::to_vec)
    }

    /// Looks at everything so far.
    pub(crate) fn with<T>(&self, look: impl FnOnce(&[Message]) -> T) -> T {
        look(&self.messages.lock().expect("unpoisoned"))
    }
}

impl Drop for Subscriber {
    fn drop(&mut self) {
        self.task.abort();
    }
}
