//! A broker behind a bad link, and the subscriber behind the broker.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::time::Duration;

use serde_json::Value as Json;
use telltale::gateway::{LinkDown, LinkEvent, Publication};
use telltale::rng::Rng;
use telltale::time::MonoTime;

/// What the gateway must never exceed.
const WINDOW: usize = 32;

/// A consumer's sequences by boot and lane.
pub(crate) type Sequences = BTreeMap<(String, String), Vec<u64>>;

struct Flight {
    ack_at: MonoTime,
    publication: Publication,
    has_arrived: bool,
}

/// What a message said. Its place is apart: while the store is out of reach nobody knows whether the owner lets it out,
/// and a sending then goes without it.
#[derive(Debug)]
struct Said {
    kind: Json,
    data: Json,
    location: Option<Json>,
}

impl Said {
    fn of(event: &Json) -> Self {
        let mut data = event["data"].clone();
        let location = data.as_object_mut().and_then(|data| data.remove("location"));
        Self { kind: event["type"].clone(), data, location }
    }

    fn is_the_same_as(&self, other: &Self) -> bool {
        let is_same_place = self.location.is_none() || other.location.is_none() || self.location == other.location;
        self.kind == other.kind && self.data == other.data && is_same_place
    }
}

#[derive(Default)]
pub(crate) struct Broker {
    is_up: bool,
    connecting: Option<MonoTime>,
    pub outage_until: MonoTime,
    /// Published, not yet acknowledged.
    in_flight: VecDeque<Flight>,
    pub sequences: Sequences,
    pub retained: BTreeMap<String, Json>,
    /// What each id said.
    seen: BTreeMap<String, Said>,
    /// The ids of which the gateway has the PUBACK.
    pub acked: BTreeSet<String>,
    pub repeats: u64,
    pub losses: u64,
    /// How often the link only looks alive: publications go in, nothing comes back.
    is_silent: bool,
    /// No session is silent any more.
    pub is_honest: bool,
}

impl Broker {
    pub(crate) fn connect(&mut self, now: MonoTime, rng: &mut Rng) {
        assert!(!self.is_up && self.connecting.is_none(), "connected twice");
        self.connecting = Some(now + Duration::from_millis(10 + rng.below(300)));
    }

    pub(crate) fn disconnect(&mut self) -> LinkEvent {
        self.forget();
        LinkEvent::Down(LinkDown::Requested)
    }

    pub(crate) fn publish(&mut self, now: MonoTime, rng: &mut Rng, publication: Publication) -> Option<LinkEvent> {
        assert!(publication.payload.len() <= 64 * 1024, "{} bytes on {}", publication.payload.len(), publication.topic);
        if !self.is_up {
            // The client had already lost the link; the core is about to hear of it.
            return None;
        }
        assert!(self.in_flight.len() < WINDOW, "more than {WINDOW} publications without PUBACK");
        if rng.below(200) == 0 && self.in_flight.is_empty() {
            return Some(LinkEvent::Refused(publication.token));
        }
        let ack_at = now + Duration::from_millis(5 + rng.below(200));
        self.in_flight.push_back(Flight { ack_at, publication, has_arrived: false });
        None
    }

    pub(crate) fn next(&self, now: MonoTime) -> Option<MonoTime> {
        let ack = self.in_flight.iter().map(|flight| flight.ack_at).min().filter(|_| self.is_up && !self.is_silent);
        let cut = (self.is_up && self.outage_until > now).then_some(now);
        ack.into_iter().chain(self.connecting).chain(cut).min()
    }

    /// What the client sees next, now that its time has come.
    pub(crate) fn work(&mut self, now: MonoTime, rng: &mut Rng) -> Option<LinkEvent> {
        if self.is_up && self.outage_until > now {
            return Some(self.cut(rng));
        }
        if self.connecting.is_some_and(|at| at <= now) {
            self.connecting = None;
            if self.outage_until > now {
                return Some(LinkEvent::Down(LinkDown::Transport("no route to host".to_owned())));
            }
            self.is_up = true;
            self.is_silent = !self.is_honest && rng.below(20) == 0;
            return Some(LinkEvent::Up { session_present: rng.below(2) == 0 });
        }
        if !self.is_up || self.is_silent {
            return None;
        }
        // PUBACKs come in any order; the broker takes what was sent in order all the same.
        let index = self.in_flight.iter().position(|flight| flight.ack_at <= now)?;
        self.arrive_first(index + 1);
        let flight = self.in_flight.remove(index)?;
        let event: Json = serde_json::from_slice(&flight.publication.payload).expect("it has arrived");
        self.acked.insert(event["id"].as_str().expect("checked").to_owned());
        Some(LinkEvent::Acked(flight.publication.token))
    }

    fn arrive_first(&mut self, count: usize) {
        let mut arrived = Vec::new();
        for flight in self.in_flight.iter_mut().take(count).filter(|flight| !flight.has_arrived) {
            flight.has_arrived = true;
            arrived.push(flight.publication.clone());
        }
        for publication in arrived {
            self.arrive(&publication);
        }
    }

    fn arrive(&mut self, publication: &Publication) {
        let event: Json = serde_json::from_slice(&publication.payload).expect("a payload is JSON");
        for attribute in ["specversion", "id", "source", "type", "datacontenttype", "sequence", "partitionkey"] {
            assert!(event[attribute].is_string(), "{attribute} is missing in {event}");
        }
        let id = event["id"].as_str().expect("checked").to_owned();
        if publication.retain {
            self.retained.insert(publication.topic.clone(), event.clone());
        }
        let said = Said::of(&event);
        if let Some(before) = self.seen.get(&id) {
            assert!(before.is_the_same_as(&said), "{id} says something else when it is repeated: {before:?}, {said:?}");
            self.repeats += 1;
            return;
        }
        self.seen.insert(id.clone(), said);
        let mut parts = id.splitn(3, '-').map(str::to_owned);
        let (boot, lane) = (parts.next().expect("boot"), parts.next().expect("lane"));
        let sequence: u64 = parts.next().and_then(|text| text.parse().ok()).expect("a sequence number");
        self.sequences.entry((boot, lane)).or_default().push(sequence);
    }

    /// The link breaks: some of what was in flight had arrived, its PUBACKs are lost.
    fn cut(&mut self, rng: &mut Rng) -> LinkEvent {
        let arrived = rng.index(self.in_flight.len() + 1);
        self.arrive_first(arrived);
        self.forget();
        self.losses += 1;
        LinkEvent::Down(LinkDown::Transport("connection reset".to_owned()))
    }

    /// The client, or the whole car, is gone.
    pub(crate) fn forget(&mut self) {
        self.is_up = false;
        self.connecting = None;
        self.in_flight.clear();
    }
}
