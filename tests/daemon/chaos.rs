//! The whole daemon behind a link that fails: TLS with client certificates, a proxy that cuts, stalls and half-opens, a
//! broker that restarts. Every event of the car is at the subscriber, in order once repeats are dropped by id.
//!
//! The long form, with a printed report: `hil/scenarios/broker_chaos`.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::process::Command;
use std::sync::OnceLock;
use std::thread::{self, sleep};
use std::time::Duration;

use telltale::rng::Rng;
use telltale::services::telltales::BULB_CHECK;
use tokio::runtime::Builder;
use tokio::time::Instant;

use crate::bench;
use crate::chaos_proxy::ChaosProxy;
use crate::daemon::Deployment;
use crate::lamps::{self, EVENTS_OF_A_TURN, Lamps};
use crate::mosquitto::{Mosquitto, Pki};
use crate::subscriber::{Message, Subscriber};
use crate::weather::Weather;
use crate::{number, print_report};

/// Unless `TELLTALE_CHAOS_CUTS` and `TELLTALE_CHAOS_EVENTS` say otherwise.
const CUTS: u32 = 4;
const EVENTS: u32 = 200;

/// Faults end before the keep-alive of 5 s notices them, or after.
const FAULT_MAX: Duration = Duration::from_secs(8);

/// What a cut takes at most, with the longest back-off, and what so many events take.
const CUT_S: u32 = 60;
const EVENTS_PER_S: u32 = 10;

#[test]
fn every_event_arrives_in_order_though_the_link_of_the_daemon_fails_at_random() {
    let cuts = number("TELLTALE_CHAOS_CUTS").unwrap_or(CUTS);
    let events = number("TELLTALE_CHAOS_EVENTS").unwrap_or(EVENTS);
    let Some(interface) = bench::interface() else {
        static OUTPUT: OnceLock<Option<String>> = OnceLock::new();
        let output = OUTPUT.get_or_init(|| bench::run_tests("chaos::", 120 + cuts * CUT_S + events / EVENTS_PER_S));
        bench::assert_passed(
            output.as_deref(),
            "chaos::every_event_arrives_in_order_though_the_link_of_the_daemon_fails_at_random",
        );
        print_report(output.as_deref(), "broker_chaos");
        return;
    };
    let seed = number("TELLTALE_SEED").unwrap_or_else(std::process::id);
    println!("broker_chaos: seed {seed}, {cuts} cuts, {events} events");
    let pki = Pki::new("fleet");
    let Some(broker) = Mosquitto::start(true, Some(&pki)) else { return };
    let cloud = Subscriber::start_on(broker.port, "telltale/v1/+/event/#");
    let proxy = proxy(broker.tls_port);
    let mut car = Deployment::of(proxy.port, &lamps::dbc(), &lamps::profile());
    car.interface.clone_from(&interface);
    car.more = tls(&pki);
    let mut weather = Weather::new(Rng::new(seed.into()), proxy, broker);
    let began = Instant::now();

    let mut daemon = car.start();
    daemon.says("CAN interface up");
    // Lamps that are lit while the daemon may think that it is their self-test make no events.
    sleep(BULB_CHECK + Duration::from_secs(1));
    let lamps = Lamps::start(&interface);
    // Twice the mean.
    let calm_max = 2 * u64::from(events) / u64::from(cuts + 1);
    let mut next_at = calm_max / 2;
    while weather.strikes < cuts.into() || !weather.is_fair() || lamps.turns() * EVENTS_OF_A_TURN < events.into() {
        sleep(Duration::from_millis(20));
        let arrived = cloud.count() as u64;
        if weather.clear_up() {
            next_at = arrived + weather.draw(calm_max);
            if weather.draw(2) == 0 {
                change_network();
            }
        } else if weather.is_fair() && arrived >= next_at && weather.strikes < cuts.into() {
            weather.strike(FAULT_MAX);
        }
        assert!(daemon.is_alive(), "seed {seed}: the daemon ended; its log:\n{}", daemon.log());
    }
    let shown = lamps.finish();
    // What is to come need not wait for the longest back-off.
    change_network();
    let is_whole = |all: &[Message]| {
        (all.len() as u64 >= lamps.turns() * EVENTS_OF_A_TURN && missing(&shown, all).is_empty()).then_some(())
    };
    let is_complete = cloud.wait(is_whole).is_some();
    let all = cloud.all();
    assert!(is_complete, "seed {seed}: missing {:?}; log:\n{}", missing(&shown, &all), daemon.log());
    let records = assert_order(&all);
    daemon.stop();
    assert!(car.stored().is_empty(), "seed {seed}: what was acknowledged is removed");
    println!(
        "broker_chaos: cuts={} events={records} of_lamps={} repeats={} lost=0 out_of_order=0 seconds={} struck={:?}",
        weather.strikes,
        lamps.turns() * EVENTS_OF_A_TURN,
        all.len() as u64 - records,
        began.elapsed().as_secs(),
        weather.struck,
    );
}

/// A proxy that lives as long as the process.
fn proxy(upstream_port: u16) -> ChaosProxy {
    let runtime = Builder::new_current_thread().enable_all().build().expect("a runtime");
    let proxy = runtime.block_on(ChaosProxy::start(upstream_port));
    thread::spawn(move || runtime.block_on(std::future::pending::<()>()));
    proxy
}

/// A section of the deployment file.
fn tls(pki: &Pki) -> String {
    let identity = pki.issue("car");
    let mut section = "[broker.tls]\n".to_owned();
    for (key, path) in [("ca", &pki.ca()), ("certificate", &identity.certificate), ("key", &identity.key)] {
        writeln!(section, "{key} = \"{}\"", path.display()).expect("a string grows");
    }
    section
}

/// What a modem does that has a network again: the link need not wait for its back-off. The address is one that is
/// meant for documentation (RFC 5737).
fn change_network() {
    for what in ["add", "del"] {
        let done = Command::new("ip").args(["address", what, "192.0.2.1/32", "dev", "lo"]).status();
        assert!(done.expect("iproute2 is installed").success(), "ip address {what}");
    }
}

/// What the lamps did and the subscriber does not know, or knows too often: kind, lamp, how often it was, how often it
/// is known.
fn missing<'a>(shown: &'a [(String, u64)], all: &[Message]) -> Vec<(&'static str, &'a str, u64, u64)> {
    let mut known: BTreeMap<(&str, &str), BTreeSet<&str>> = BTreeMap::new();
    for message in all {
        let subject = message.event["subject"].as_str().unwrap_or_default();
        known.entry((&message.topic, subject)).or_default().insert(message.id());
    }
    let mut missing = Vec::new();
    for kind in ["event/telltale.raised", "event/telltale.changed", "event/telltale.cleared"] {
        for (lamp, turns) in shown {
            let count = known.get(&(kind, lamp.as_str())).map_or(0, |ids| ids.len() as u64);
            if count != *turns {
                missing.push((kind, lamp.as_str(), *turns, count));
            }
        }
    }
    missing
}

/// The lane counts up by one from 1, once repeats are dropped; gives how many there are.
fn assert_order(all: &[Message]) -> u64 {
    let (mut seen, mut last) = (BTreeSet::new(), 0);
    for message in all.iter().filter(|message| seen.insert(message.id())) {
        let sequence = message.id().rsplit_once("-event-").map(|(_, sequence)| sequence.parse::<u64>());
        assert_eq!(sequence, Some(Ok(last + 1)), "{} after {last}", message.id());
        last += 1;
    }
    last
}
