//! A healthy broker: connect, publish, acknowledge, say goodbye, die.

use std::net::Ipv6Addr;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use telltale::delivery::presence::LastWill;
use telltale::gateway::{LinkDown, LinkEvent, PublishToken};
use telltale::io::mqtt::{
    Broker, Command, Login, MAX_IN_FLIGHT, MAX_PACKET_OUT_BYTES, Settings, SettingsError, Transport,
};

use crate::client::{Client, WILL_TOPIC};
use crate::fake_broker::{CONNACK, FakeBroker};
use crate::mosquitto::Mosquitto;
use crate::outbox::{Outbox, assert_complete_and_in_order};
use crate::subscriber::{Message, Subscriber};

/// Publications a second that the uplink must reach on loopback: more than the frames of a full bus.
const RATE_MIN: f64 = 5_000.0;

#[tokio::test]
async fn every_publication_is_acknowledged_and_arrives_fast_enough() {
    const COUNT: u64 = 20_000;
    let Some(broker) = Mosquitto::start(false, None) else { return };
    let subscriber = Subscriber::start(broker.port, "cloud").await;
    let mut client = Client::start(broker.port, Transport::Plain);
    assert_eq!(client.connect().await, LinkEvent::Up { session_present: false });
    let mut outbox = Outbox::new(COUNT, 400);
    let began = tokio::time::Instant::now();
    outbox.deliver(&mut client).await;
    let rate = f64::from(u32::try_from(COUNT).expect("small")) / began.elapsed().as_secs_f64();
    eprintln!("{rate:.0} acknowledged publications/s of 400 bytes, window 32, loopback");
    assert!(rate > RATE_MIN, "{rate:.0} publications/s: the uplink is slower than a full bus");
    let messages = subscriber.different(usize::try_from(COUNT).expect("small")).await;
    assert_eq!(messages.len(), usize::try_from(COUNT).expect("small"), "a healthy link repeats nothing");
    assert_complete_and_in_order(&messages, COUNT);
}

#[tokio::test]
async fn the_broker_keeps_our_session_across_connections() {
    let Some(broker) = Mosquitto::start(false, None) else { return };
    let mut client = Client::start(broker.port, Transport::Plain);
    assert_eq!(client.connect().await, LinkEvent::Up { session_present: false });
    client.command(Command::Disconnect { goodbye: true });
    assert_eq!(client.down().await, LinkDown::Requested);
    assert_eq!(client.connect().await, LinkEvent::Up { session_present: true });
}

#[tokio::test]
async fn the_last_will_is_published_when_the_process_dies_or_the_link_is_dropped_but_not_after_a_goodbye() {
    let Some(broker) = Mosquitto::start(false, None) else { return };
    let subscriber = Subscriber::start(broker.port, "cloud").await;
    let wills = |messages: &[Message]| messages.iter().filter(|message| message.payload == b"offline").count();

    let mut client = Client::start(broker.port, Transport::Plain);
    client.connect_until_up().await;
    client.command(Command::Disconnect { goodbye: true });
    assert_eq!(client.down().await, LinkDown::Requested);
    tokio::time::sleep(Duration::from_millis(300)).await;
    assert_eq!(subscriber.with(wills), 0, "a goodbye is not a death");

    client.connect_until_up().await;
    client.publish(1, WILL_TOPIC, b"online", true);
    assert_eq!(client.next().await, LinkEvent::Acked(PublishToken(1)));
    client.command(Command::Disconnect { goodbye: false });
    assert_eq!(client.down().await, LinkDown::Requested);
    subscriber.until(|messages| wills(messages) == 1).await;

    client.connect_until_up().await;
    client.publish(2, WILL_TOPIC, b"online again", true);
    assert_eq!(client.next().await, LinkEvent::Acked(PublishToken(2)));
    client.die();
    subscriber.until(|messages| wills(messages) == 2).await;

    let newcomer = Subscriber::start(broker.port, "newcomer").await;
    let messages = newcomer.until(|messages| !messages.is_empty()).await;
    let presence = Message { topic: WILL_TOPIC.to_owned(), payload: b"offline".to_vec(), retained: true };
    assert_eq!(messages, [presence], "the will replaces the retained presence");
}

#[tokio::test]
async fn a_goodbye_is_said_though_the_core_has_let_go_already() {
    let Some(broker) = Mosquitto::start(false, None) else { return };
    let subscriber = Subscriber::start(broker.port, "cloud").await;
    for round in 0..20 {
        let mut client = Client::start(broker.port, Transport::Plain);
        client.connect_until_up().await;
        for token in 0..30 {
            client.publish(token, "car/event", format!("{round} {token}").as_bytes(), false);
        }
        client.command(Command::Disconnect { goodbye: true });
        client.let_go().await;
    }
    let messages = subscriber.until(|messages| messages.len() >= 20 * 30).await;
    assert!(messages.iter().all(|message| message.topic != WILL_TOPIC), "a last will after a goodbye");
}

#[tokio::test]
async fn an_oversized_message_is_refused_and_the_link_stays_up() {
    let Some(broker) = Mosquitto::start(false, None) else { return };
    let mut client = Client::start(broker.port, Transport::Plain);
    client.connect_until_up().await;
    client.publish(1, "car/event", &vec![b'x'; MAX_PACKET_OUT_BYTES], false);
    assert_eq!(client.next().await, LinkEvent::Refused(PublishToken(1)));
    client.publish(2, &"t".repeat(70_000), b"", false);
    assert_eq!(client.next().await, LinkEvent::Refused(PublishToken(2)));
    client.publish(3, "car/+", b"a wildcard is no topic", false);
    assert_eq!(client.next().await, LinkEvent::Refused(PublishToken(3)));
    client.publish(4, "car/event", &vec![b'x'; MAX_PACKET_OUT_BYTES - 100], false);
    assert_eq!(client.next().await, LinkEvent::Acked(PublishToken(4)));
    assert_eq!(client.counters.refused.load(Ordering::Relaxed), 3);
}

#[tokio::test]
async fn more_than_the_client_can_hold_is_refused_not_queued() {
    let Some(broker) = Mosquitto::start(false, None) else { return };
    let mut client = Client::start(broker.port, Transport::Plain);
    client.connect_until_up().await;
    let excess = 4;
    for token in 0..MAX_IN_FLIGHT + excess {
        client.publish(token as u64, "car/event", b"x", false);
    }
    let (mut acked, mut refused) = (0, 0);
    while acked + refused < MAX_IN_FLIGHT + excess {
        match client.next().await {
            LinkEvent::Acked(_) => acked += 1,
            LinkEvent::Refused(_) => refused += 1,
            other => panic!("{other:?}"),
        }
    }
    assert_eq!(refused, excess);
}

#[tokio::test]
async fn commands_without_a_connection_do_nothing() {
    let Some(broker) = Mosquitto::start(false, None) else { return };
    let mut client = Client::start(broker.port, Transport::Plain);
    client.publish(1, "car/event", b"too late", false);
    client.command(Command::Disconnect { goodbye: true });
    assert_eq!(client.connect().await, LinkEvent::Up { session_present: false });
    assert_eq!(client.counters.overtaken.load(Ordering::Relaxed), 1);
}

#[tokio::test]
async fn user_name_and_password_are_sent_and_a_changed_password_is_picked_up_by_the_next_connection() {
    let broker = FakeBroker::start().await;
    let password = Arc::new(Mutex::new(Ok("old secret".to_owned())));
    let source = Arc::clone(&password);
    let mut client = Client::start_with(Broker {
        host: "127.0.0.1".to_owned(),
        port: broker.port,
        client_id: "car".to_owned(),
        login: Some(Login {
            username: "fleet".to_owned(),
            password: Arc::new(move || source.lock().expect("unpoisoned").clone()),
        }),
        transport: Transport::Plain,
    });
    let set = |new: Result<&str, &str>| {
        *password.lock().expect("unpoisoned") = new.map(str::to_owned).map_err(str::to_owned);
    };
    for secret in ["old secret", "new secret"] {
        set(Ok(secret));
        client.command(Command::Connect);
        let (session, connect) = broker.accept().await;
        // User name and password end CONNECT, each after its length (MQTT 3.1.1, 3.1.3).
        assert!(connect.ends_with(&[b"\0\x05fleet\0\x0a", secret.as_bytes()].concat()), "{connect:?}");
        drop(session);
        client.down().await;
    }
    set(Err("the password file is gone: install it"));
    let refused = LinkDown::Credentials("the password file is gone: install it".to_owned());
    assert_eq!(client.connect().await, LinkEvent::Down(refused));
}

#[tokio::test]
async fn an_ipv6_address_is_reached_without_brackets() {
    let Ok(broker) = FakeBroker::start_at(Ipv6Addr::LOCALHOST.into()).await else {
        eprintln!("SKIPPED: this machine has no IPv6");
        return;
    };
    let mut client = Client::start_towards("::1", broker.port, Transport::Plain);
    client.command(Command::Connect);
    let (mut session, _) = broker.accept().await;
    session.send(&CONNACK).await;
    assert_eq!(client.next().await, LinkEvent::Up { session_present: false });
}

#[test]
fn settings_that_no_connection_could_be_made_with_are_refused() {
    let broker = |host: &str, client_id: &str| Broker {
        host: host.to_owned(),
        port: 1883,
        client_id: client_id.to_owned(),
        login: None,
        transport: Transport::Plain,
    };
    let will = |bytes| LastWill { topic: "car/presence".to_owned(), payload: vec![b'x'; bytes] };
    let second = Duration::from_secs(1);
    for host in ["broker.example.com", "192.0.2.1", "::1", "localhost"] {
        assert!(Settings::new(broker(host, "car"), second, will(100)).is_ok(), "{host}");
    }
    for host in ["", "a b", "http://broker", "broker:1883"] {
        assert!(matches!(Settings::new(broker(host, "car"), second, will(1)), Err(SettingsError::Host(_))), "{host}");
    }
    assert_eq!(Settings::new(broker("::1", ""), second, will(1)).err(), Some(SettingsError::NoClientId));
    for keep_alive in [Duration::ZERO, Duration::from_millis(999), Duration::from_secs(65_536)] {
        let refused = Settings::new(broker("::1", "car"), keep_alive, will(1)).err();
        assert_eq!(refused, Some(SettingsError::KeepAlive(keep_alive)));
    }
    for (client_id, will_bytes) in [("x".repeat(129), 1), ("x".to_owned(), 4097)] {
        let refused = Settings::new(broker("::1", &client_id), second, will(will_bytes)).err();
        assert!(matches!(refused, Some(SettingsError::TooLong { .. })), "{refused:?}");
    }
}
