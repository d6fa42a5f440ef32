//! Broken links and broken brokers: the connection ends, in time, with the right reason, and nothing is lost.

use std::time::Duration;

use telltale::gateway::{LinkDown, LinkEvent, PublishToken};
use telltale::io::mqtt::{CONNECT_LIMIT_S, Command, Transport};
use telltale::rng::Rng;
use tokio::time::Instant;

use crate::chaos_proxy::{ChaosProxy, Fault};
use crate::client::{Client, seed};
use crate::fake_broker::{CONNACK, FakeBroker};
use crate::mosquitto::{Mosquitto, free_port};
use crate::outbox::{Outbox, assert_complete_and_in_order};
use crate::subscriber::Subscriber;

/// What a busy machine may add to a time limit.
const SLACK: Duration = Duration::from_secs(10);

#[tokio::test]
async fn nothing_is_lost_or_reordered_across_a_hundred_cuts_mostly_in_the_middle_of_packets() {
    const COUNT: u64 = 10_000;
    const CUTS: usize = 100;
    let Some(broker) = Mosquitto::start(false, None) else { return };
    let mut random = Rng::new(seed());
    let subscriber = Subscriber::start(broker.port, "cloud").await;
    let proxy = ChaosProxy::start(broker.port).await;
    let mut client = Client::start(proxy.port, Transport::Plain);
    client.connect_until_up().await;
    let mut outbox = Outbox::new(COUNT, 300);
    let mut downs = 0;
    let mut strikes = 0;
    while !outbox.is_done() {
        outbox.send(&client);
        if strikes == downs && downs < CUTS && outbox.acknowledged > downs * 90 {
            strikes += 1;
            proxy.strike(match random.index(12_000) {
                0..1_000 => Fault::Cut,
                bytes => Fault::CutAfter(bytes),
            });
        }
        let event = client.next().await;
        if outbox.on(&event) {
            downs += 1;
            client.connect_until_up().await;
        }
    }
    assert!(downs >= CUTS, "the test cut only {downs} times");
    let messages = subscriber.different(usize::try_from(COUNT).expect("small")).await;
    assert_complete_and_in_order(&messages, COUNT);
    eprintln!("{downs} cuts: {} publications for {COUNT} messages, {} at the subscriber", outbox.sent, messages.len());
}

#[tokio::test]
async fn a_link_that_falls_silent_ends_within_two_keep_alives() {
    let Some(broker) = Mosquitto::start(false, None) else { return };
    for fault in [Fault::Stall, Fault::HalfOpenUp, Fault::HalfOpenDown] {
        let proxy = ChaosProxy::start(broker.port).await;
        let mut client = Client::start(proxy.port, Transport::Plain);
        client.connect_until_up().await;
        proxy.strike(fault);
        let began = Instant::now();
        let down = client.down().await;
        assert!(matches!(down, LinkDown::Transport(_)), "{fault:?}: {down:?}");
        assert!(began.elapsed() < Duration::from_secs(2) + SLACK, "{fault:?}: {:?}", began.elapsed());
        proxy.heal();
        assert_eq!(client.connect().await, LinkEvent::Up { session_present: true }, "after {fault:?}");
    }
}

#[tokio::test]
async fn a_stalled_link_with_a_full_window_ends_although_the_socket_is_full() {
    let Some(broker) = Mosquitto::start(false, None) else { return };
    let proxy = ChaosProxy::start(broker.port).await;
    let mut client = Client::start(proxy.port, Transport::Plain);
    client.connect_until_up().await;
    proxy.strike(Fault::Stall);
    // 32 publications of 120 KB are more than the socket buffers of both hops hold.
    for token in 0..32 {
        client.publish(token, "car/event", &vec![b'x'; 120_000], false);
    }
    let began = Instant::now();
    let down = client.down().await;
    assert!(matches!(down, LinkDown::Transport(_)), "{down:?}");
    assert!(began.elapsed() < Duration::from_secs(CONNECT_LIMIT_S) + SLACK, "{:?}", began.elapsed());
}

#[tokio::test]
async fn a_broker_that_accepts_and_says_nothing_ends_the_attempt_in_time() {
    let broker = FakeBroker::start().await;
    let mut client = Client::start(broker.port, Transport::Plain);
    let began = Instant::now();
    let event = client.connect().await;
    assert!(matches!(event, LinkEvent::Down(LinkDown::Transport(_))), "{event:?}");
    assert!(began.elapsed() < Duration::from_secs(CONNECT_LIMIT_S) + SLACK, "{:?}", began.elapsed());
}

#[tokio::test]
async fn a_port_without_a_broker_and_a_proxy_that_refuses_end_the_attempt_at_once() {
    let mut client = Client::start(free_port(), Transport::Plain);
    let event = client.connect().await;
    assert!(matches!(event, LinkEvent::Down(LinkDown::Transport(_))), "{event:?}");

    let proxy = ChaosProxy::start(free_port()).await;
    proxy.strike(Fault::Refuse);
    let mut client = Client::start(proxy.port, Transport::Plain);
    let event = client.connect().await;
    assert!(matches!(event, LinkEvent::Down(LinkDown::Transport(_))), "{event:?}");
}

#[tokio::test]
async fn a_name_that_does_not_resolve_ends_the_attempt() {
    // The top-level domain "invalid" never resolves (RFC 6761, 6.4).
    let mut client = Client::start_towards("broker.invalid", 1883, Transport::Plain);
    let event = client.connect().await;
    assert!(matches!(event, LinkEvent::Down(LinkDown::Transport(_))), "{event:?}");
}

#[tokio::test]
async fn garbage_ends_the_connection_and_nothing_else() {
    let broker = FakeBroker::start().await;
    let mut client = Client::start(broker.port, Transport::Plain);
    let mut random = Rng::new(seed());
    for round in 0..400 {
        let length = 1 + random.index(200);
        let mut garbage: Vec<u8> = (0..length).map(|_| random.next_u64().to_le_bytes()[0]).collect();
        let after_connack = round % 2 == 1;
        if round % 4 == 3 {
            // A valid header with a wrong body reaches deeper than noise does.
            let kind = u8::try_from(random.below(16)).expect("small") << 4;
            garbage.splice(0..0, [kind | garbage[0] & 0x0F, u8::try_from(length.min(127)).expect("small")]);
        }
        client.command(Command::Connect);
        let (mut session, _) = broker.accept().await;
        if after_connack {
            session.send(&CONNACK).await;
        }
        session.send_and_close(&garbage).await;
        let down = client.down().await;
        assert!(matches!(down, LinkDown::Transport(_) | LinkDown::Credentials(_)), "round {round}: {down:?}");
    }
}

#[tokio::test]
async fn a_connack_tells_refused_credentials_from_a_busy_broker() {
    let broker = FakeBroker::start().await;
    let mut client = Client::start(broker.port, Transport::Plain);
    // The codes of MQTT 3.1.1, table 3.1.
    for (code, credentials) in [(1, false), (2, true), (3, false), (4, true), (5, true), (6, false)] {
        client.command(Command::Connect);
        let (mut session, _) = broker.accept().await;
        session.send(&[0x20, 2, 0, code]).await;
        let down = client.down().await;
        assert_eq!(matches!(down, LinkDown::Credentials(_)), credentials, "code {code}: {down:?}");
    }
}

#[tokio::test]
async fn acknowledgements_out_of_order_name_the_right_publications_and_unsolicited_ones_end_the_connection() {
    let broker = FakeBroker::start().await;
    let mut client = Client::start(broker.port, Transport::Plain);
    for round in 0..50_u64 {
        client.command(Command::Connect);
        let (mut session, _) = broker.accept().await;
        session.send(&CONNACK).await;
        assert_eq!(client.next().await, LinkEvent::Up { session_present: false });
        let mut packet_ids = Vec::new();
        for token in 0..4 {
            client.publish(round * 10 + token, &format!("car/{token}"), b"x", false);
        }
        for token in 0..4 {
            let packet = session.read_packet().await;
            assert_eq!(&packet[4..9], format!("car/{token}").as_bytes());
            packet_ids.push([packet[9], packet[10]]);
        }
        for token in [2, 0, 3] {
            let [high, low] = packet_ids[token];
            session.send(&[0x40, 2, high, low]).await;
            let expected = PublishToken(round * 10 + token as u64);
            assert_eq!(client.next().await, LinkEvent::Acked(expected), "round {round}");
        }
        // The true acknowledgement of publication 1 and a false one, in one segment: the true one counts.
        let [high, low] = packet_ids[1];
        session.send(&[0x40, 2, high, low, 0x40, 2, 0, 200]).await;
        assert_eq!(client.next().await, LinkEvent::Acked(PublishToken(round * 10 + 1)), "round {round}");
        let down = client.next().await;
        assert!(matches!(down, LinkEvent::Down(LinkDown::Transport(_))), "{down:?}");
    }
}

#[tokio::test]
async fn a_restarted_broker_with_or_without_its_sessions_gets_everything() {
    const EACH: u64 = 300;
    for persistence in [true, false] {
        let Some(mut broker) = Mosquitto::start(persistence, None) else { return };
        let subscriber = Subscriber::start(broker.port, "cloud").await;
        let mut client = Client::start(broker.port, Transport::Plain);
        client.connect_until_up().await;
        let mut outbox = Outbox::new(EACH, 100);
        outbox.deliver(&mut client).await;
        // What the broker acknowledged and then forgot is not ours to save: wait until it has passed it on.
        subscriber.different(usize::try_from(EACH).expect("small")).await;
        broker.stop();
        let down = client.down().await;
        assert!(matches!(down, LinkDown::Transport(_)), "{down:?}");
        outbox.add(EACH..2 * EACH);
        broker.resume();
        subscriber.subscribed_again().await;
        assert_eq!(client.connect_until_up().await, persistence, "the session survives as the broker keeps it");
        outbox.deliver(&mut client).await;
        let messages = subscriber.different(usize::try_from(2 * EACH).expect("small")).await;
        assert_complete_and_in_order(&messages, 2 * EACH);
    }
}
