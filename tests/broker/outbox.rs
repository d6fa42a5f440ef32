//! The smallest outbox that keeps the promise: a window of 32, rewound when the link is lost.

use std::collections::{BTreeMap, BTreeSet};

use telltale::gateway::{LinkEvent, PublishToken};

use crate::client::Client;
use crate::subscriber::Message;

const WINDOW: usize = 32;

/// The lanes that its messages belong to, by turns.
const LANES: [&str; 3] = ["car/event", "car/telemetry", "car/state"];

pub(crate) struct Outbox {
    waiting: BTreeSet<u64>,
    in_flight: BTreeMap<PublishToken, u64>,
    next_token: u64,
    padding: usize,
    pub(crate) acknowledged: usize,
    pub(crate) sent: usize,
}

impl Outbox {
    /// With so many messages, numbered, of about so many bytes.
    pub(crate) fn new(count: u64, padding: usize) -> Self {
        let waiting = (0..count).collect();
        Self { waiting, in_flight: BTreeMap::new(), next_token: 0, padding, acknowledged: 0, sent: 0 }
    }

    pub(crate) fn add(&mut self, numbers: std::ops::Range<u64>) {
        self.waiting.extend(numbers);
    }

    pub(crate) fn is_done(&self) -> bool {
        self.waiting.is_empty() && self.in_flight.is_empty()
    }

    /// Fills the window, oldest first.
    pub(crate) fn send(&mut self, client: &Client) {
        while self.in_flight.len() < WINDOW {
            let Some(number) = self.waiting.pop_first() else { return };
            let token = PublishToken(self.next_token);
            self.next_token += 1;
            self.sent += 1;
            self.in_flight.insert(token, number);
            let topic = LANES[usize::try_from(number).expect("small") % LANES.len()];
            let payload = format!("{number}:{}", "x".repeat(self.padding));
            client.publish(token.0, topic, payload.as_bytes(), false);
        }
    }

    /// Takes an event; true when the link is down.
    pub(crate) fn on(&mut self, event: &LinkEvent) -> bool {
        match event {
            LinkEvent::Acked(token) => {
                self.in_flight.remove(token).expect("each acknowledgement names something in flight, once");
                self.acknowledged += 1;
            }
            LinkEvent::Refused(token) => panic!("{token:?} refused within a window of {WINDOW}"),
            LinkEvent::Down(_) => {
                self.waiting.extend(std::mem::take(&mut self.in_flight).into_values());
                return true;
            }
            LinkEvent::Up { .. } => {}
        }
        false
    }

    /// Sends until everything is acknowledged, connecting again whenever the link is lost.
    pub(crate) async fn deliver(&mut self, client: &mut Client) {
        while !self.is_done() {
            self.send(client);
            let event = client.next().await;
            if self.on(&event) {
                client.connect_until_up().await;
            }
        }
    }
}

/// Every number below `count` arrived, and in order within its lane once repeats are dropped.
pub(crate) fn assert_complete_and_in_order(messages: &[Message], count: u64) {
    let mut seen = BTreeSet::new();
    let mut last: BTreeMap<&str, u64> = BTreeMap::new();
    for message in messages {
        let text = String::from_utf8(message.payload.clone()).expect("UTF-8");
        let number: u64 = text.split(':').next().and_then(|digits| digits.parse().ok()).expect("a number");
        if seen.insert(number) {
            let before = last.insert(&message.topic, number);
            assert!(before < Some(number), "{number} after {before:?} on {}", message.topic);
        }
    }
    let missing: Vec<_> = (0..count).filter(|number| !seen.contains(number)).collect();
    assert!(missing.is_empty(), "{} never arrived: {missing:?}", missing.len());
}
