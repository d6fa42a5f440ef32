//! `kill -9` of the whole daemon at random moments, link up or down: what its store held each time arrives.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::OnceLock;
use std::thread::sleep;
use std::time::Duration;

use crate::bench;
use crate::car::Cluster;
use crate::daemon::Deployment;
use crate::mosquitto::Mosquitto;
use crate::subscriber::{Message, Subscriber};
use crate::{number, print_report};

/// Kills, unless `TELLTALE_KILLS` says otherwise.
const KILLS: u32 = 5;

/// The supply is debounced for 500 ms: the ignition goes on or off, and makes an event, each time.
const TURN_MS: u64 = 600;

/// What the slowest life and the last delivery take on the bench.
const KILL_S: u32 = 12;

#[test]
fn what_was_committed_arrives_though_the_daemon_is_killed_at_random() {
    let kills = number("TELLTALE_KILLS").unwrap_or(KILLS);
    let Some(interface) = bench::interface() else {
        static OUTPUT: OnceLock<Option<String>> = OnceLock::new();
        let output = OUTPUT.get_or_init(|| bench::run_tests("kill::", 120 + kills * KILL_S));
        bench::assert_passed(
            output.as_deref(),
            "kill::what_was_committed_arrives_though_the_daemon_is_killed_at_random",
        );
        print_report(output.as_deref(), "daemon_kill9");
        return;
    };
    let seed = number("TELLTALE_SEED").unwrap_or_else(std::process::id);
    println!("daemon_kill9: seed {seed}, {kills} kills");
    let Some(mut broker) = Mosquitto::start(true, None) else { return };
    let cloud = Subscriber::start(broker.port);
    let mut car = Deployment::new(broker.port);
    car.interface = interface;
    let cluster = Cluster::start(&car.interface);
    let mut random = u64::from(seed) | 1;
    let mut committed = BTreeSet::new();
    let mut is_on = true;
    for life in 0..kills {
        // Every other life begins without a link and lasts until something is in the store, however slow the machine;
        // the rest may end before the store is open.
        let must_store = life % 2 == 0;
        let is_link_up = !must_store && draw(&mut random, 2) == 0;
        turn(&mut broker, is_link_up);
        let mut daemon = car.start();
        if must_store {
            daemon.says("the store is open");
            is_on = !is_on;
            cluster.set_ignition(is_on);
            car.metric_until("telltale_lane_stored_records{lane=\"event\"}", |records| records >= 1.0);
        }
        let mut left_ms = 300 + draw(&mut random, 4_000);
        while left_ms > TURN_MS {
            is_on = !is_on;
            cluster.set_ignition(is_on);
            sleep(Duration::from_millis(TURN_MS));
            left_ms -= TURN_MS;
            if draw(&mut random, 4) == 0 {
                let is_link_up = draw(&mut random, 2) == 0;
                turn(&mut broker, is_link_up);
            }
        }
        sleep(Duration::from_millis(left_ms));
        daemon.kill();
        committed.extend(car.stored().iter().filter_map(|record| record["id"].as_str().map(str::to_owned)));
    }
    broker.resume();
    let mut daemon = car.start();
    daemon.says("the store is open");
    let lost = |all: &[Message]| {
        let arrived: BTreeSet<&str> = all.iter().map(Message::id).collect();
        committed.iter().filter(|id| !arrived.contains(id.as_str())).cloned().collect::<Vec<_>>()
    };
    let is_whole = cloud.wait(|all| lost(all).is_empty().then_some(()));
    assert!(is_whole.is_some(), "seed {seed}: lost {:?}; log:\n{}", lost(&cloud.all()), daemon.log());
    daemon.stop();

    let all = cloud.all();
    let events = sequences(&all);
    for (boot, numbers) in &events {
        let highest = numbers.last().copied().unwrap_or(0);
        assert_eq!(u64::from(highest), numbers.len() as u64, "seed {seed}: boot {boot} has gaps: {numbers:?}");
    }
    let count: usize = events.values().map(BTreeSet::len).sum();
    let repeats = all.iter().filter(|message| message.topic.starts_with("event/")).count() - count;
    println!(
        "daemon_kill9: kills={kills} found_committed={} boots={} events={count} repeats={repeats} lost=0 gaps=0",
        committed.len(),
        events.len()
    );
    assert!(count >= kills as usize / 2, "seed {seed}: a workload of {count} events shows nothing");
    assert!(!committed.is_empty(), "seed {seed}: nothing was ever in the store");
}

fn turn(broker: &mut Mosquitto, is_on: bool) {
    if is_on {
        broker.resume();
    } else {
        broker.stop();
    }
}

/// The sequences of the lane `event`, by boot.
fn sequences(all: &[Message]) -> BTreeMap<String, BTreeSet<u32>> {
    let mut boots: BTreeMap<String, BTreeSet<u32>> = BTreeMap::new();
    for message in all {
        let mut parts = message.id().splitn(3, '-');
        if let (Some(boot), Some("event"), Some(sequence)) = (parts.next(), parts.next(), parts.next()) {
            let sequence = sequence.parse().expect("the sequence is a number");
            boots.entry(boot.to_owned()).or_default().insert(sequence);
        }
    }
    boots
}

/// xorshift64* (Vigna 2016).
fn draw(state: &mut u64, limit: u64) -> u64 {
    *state ^= *state >> 12;
    *state ^= *state << 25;
    *state ^= *state >> 27;
    (state.wrapping_mul(0x2545_F491_4F6C_DD1D) >> 33) % limit
}
