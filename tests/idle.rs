//! A gateway with nothing to do sleeps: whatever is missing around it, it asks to be called a few times a second at most.
#![expect(clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

#[path = "common/setup.rs"]
mod setup;
#[path = "common/small_profile.rs"]
mod small_profile;

use std::time::Duration;

use telltale::can::BusId;
use telltale::gateway::{BusEvent, Effect, Gateway, Input, LinkDown, LinkEvent, PortEvent, StoreEvent, StoreInventory};
use telltale::time::MonoTime;

use setup::setup;

const START: MonoTime = MonoTime::from_millis(1_000);
const SPAN: Duration = Duration::from_secs(600);

/// One a second, and as many again for what happens at the start.
const CALLS_MAX: u32 = 1_200;

/// What is there around the gateway.
struct Surroundings {
    store: Option<StoreEvent>,
    has_broker: bool,
}

/// How often the gateway wants to be called within [`SPAN`] without any input.
fn calls(surroundings: &Surroundings) -> u32 {
    let setup = setup("car", small_profile::small());
    let mut gateway = Gateway::new(START, setup).expect("a gateway");
    let mut now = START;
    let mut inputs = vec![Input::Bus(BusId(0), BusEvent::Missing), Input::GnssPort(PortEvent::Down("none".to_owned()))];
    let answer = surroundings.store.is_some();
    inputs.extend(surroundings.store.clone().map(Input::Store));
    let mut calls = 0;
    loop {
        for input in std::mem::take(&mut inputs) {
            gateway.handle(now, input);
        }
        while let Some(effect) = gateway.poll_effect() {
            inputs.extend(match effect {
                Effect::Connect if surroundings.has_broker => {
                    Some(Input::Link(LinkEvent::Up { session_present: true }))
                }
                Effect::Connect => Some(Input::Link(LinkEvent::Down(LinkDown::Transport("no route".to_owned())))),
                Effect::Publish(publication) => Some(Input::Link(LinkEvent::Acked(publication.token))),
                Effect::Store(ticket, _) if answer => Some(Input::Store(match surroundings.store {
                    Some(StoreEvent::Opened(_)) => StoreEvent::Done(ticket),
                    _ => StoreEvent::Failed(ticket, "no store".to_owned()),
                })),
                Effect::BlackBox(_) | Effect::Store(..) | Effect::Disconnect { .. } | Effect::Stopped => None,
            });
        }
        if !inputs.is_empty() {
            continue;
        }
        let Some(due) = gateway.poll_timeout() else { return calls };
        now = due.max(now);
        if now > START + SPAN {
            return calls;
        }
        calls += 1;
        inputs.push(Input::Timeout);
    }
}

#[test]
fn nothing_to_do_means_no_calls() {
    let opened = StoreEvent::Opened(StoreInventory::default());
    let unavailable = StoreEvent::Unavailable("the disk is full".to_owned());
    for store in [None, Some(opened), Some(unavailable)] {
        for has_broker in [false, true] {
            let surroundings = Surroundings { store: store.clone(), has_broker };
            let calls = calls(&surroundings);
            assert!(calls < CALLS_MAX, "{calls} calls in {SPAN:?}; broker {has_broker}, store {store:?}");
        }
    }
}
