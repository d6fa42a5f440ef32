//! Real frames through the kernel.
//!
//! With `TELLTALE_CAN` set the tests use the first interface that it names. Without, the first test to run starts this
//! whole file again on the bench `hil/uml/run`, and each test takes its verdict from there.
#![expect(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

#[path = "support/bench.rs"]
mod bench;

use std::future::Future;
use std::path::Path;
use std::process::Command;
use std::sync::{Mutex, MutexGuard, OnceLock};
use std::time::Duration;

use nix::time::{ClockId, clock_gettime};
use socketcan::{CanErrorFrame, CanSocket, EmbeddedFrame as _, Socket as _};
use telltale::can::{CanId, Frame, FrameKind};
use telltale::gateway::BusEvent;
use telltale::io::socketcan::{CanPort, CanSettings, FILTERS_MAX, PROBE_EVERY, RECEIVE_BUFFER, SendError};
use telltale::time::MonoTime;

/// The time of all tests of this file on the bench.
const BENCH_LIMIT_S: u32 = 300;

/// For what must come, on a machine that does other things too.
const SOON: Duration = Duration::from_secs(30);

/// No frame in this time: none is left.
const QUIET: Duration = Duration::from_millis(100);

/// The interface, for one test at a time.
struct Bus {
    name: String,
    _turn: MutexGuard<'static, ()>,
}

impl Bus {
    /// None when the test runs on the bench, or, loudly, not at all.
    fn take(test: &str) -> Option<Self> {
        static TURN: Mutex<()> = Mutex::new(());
        let Some(name) = bench::interface() else {
            run_on_bench(test);
            return None;
        };
        let turn = TURN.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        let bus = Self { name, _turn: turn };
        if bus.is_virtual() {
            // A test that failed may have left it in any state.
            if bus.exists() {
                bus.delete();
            }
            bus.make();
        }
        Some(bus)
    }

    fn is_virtual(&self) -> bool {
        let is = self.name.starts_with("vcan");
        if !is {
            eprintln!("\n*** {} is left as it is: not a vcan ***\n", self.name);
        }
        is
    }

    fn exists(&self) -> bool {
        Path::new("/sys/class/net").join(&self.name).exists()
    }

    fn make(&self) {
        ip(&["link", "add", "dev", &self.name, "type", "vcan"]);
        ip(&["link", "set", &self.name, "mtu", "72", "up"]);
    }

    fn set(&self, state: &str) {
        ip(&["link", "set", &self.name, state]);
    }

    fn delete(&self) {
        ip(&["link", "del", &self.name]);
    }

    fn port(&self) -> CanPort {
        self.port_with(&[], RECEIVE_BUFFER)
    }

    fn port_with(&self, filters: &[CanId], receive_buffer: usize) -> CanPort {
        CanPort::new(CanSettings { interface: self.name.clone(), filters: filters.to_vec(), receive_buffer })
    }
}

fn ip(args: &[&str]) {
    assert!(Command::new("ip").args(args).status().unwrap().success(), "ip {args:?}");
}

/// Takes the verdict from the bench, where all tests of this file run once.
fn run_on_bench(test: &str) {
    static OUTPUT: OnceLock<Option<String>> = OnceLock::new();
    let output = OUTPUT.get_or_init(|| bench::run_tests("", BENCH_LIMIT_S));
    bench::assert_passed(output.as_deref(), test);
}

fn on_runtime<T>(work: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(work)
}

/// Waits until there are frames or there is news.
async fn next_batch(port: &mut CanPort, frames: &mut Vec<(MonoTime, Frame)>) -> Option<BusEvent> {
    loop {
        port.ready().await;
        let before = frames.len();
        let news = port.read(frames).news;
        if news.is_some() || frames.len() > before {
            return news;
        }
    }
}

/// The next news, with the frames before it.
async fn news(port: &mut CanPort, frames: &mut Vec<(MonoTime, Frame)>) -> BusEvent {
    let wait = async {
        loop {
            if let Some(event) = next_batch(port, frames).await {
                return event;
            }
        }
    };
    tokio::time::timeout(SOON, wait).await.expect("news in time")
}

async fn up(port: &mut CanPort) {
    assert_eq!(news(port, &mut Vec::new()).await, BusEvent::Up);
}

/// Exactly so many frames, and none more.
async fn receive(port: &mut CanPort, count: usize) -> Vec<(MonoTime, Frame)> {
    let mut frames = Vec::new();
    while frames.len() < count {
        let batch = tokio::time::timeout(SOON, next_batch(port, &mut frames)).await;
        assert_eq!(batch.unwrap_or_else(|_| panic!("{} of {count} frames", frames.len())), None);
    }
    let more = tokio::time::timeout(QUIET, next_batch(port, &mut frames)).await;
    assert!(more.is_err(), "more than {count}: {frames:?}");
    frames
}

fn frame(id: u32, kind: FrameKind, payload: &[u8]) -> Frame {
    Frame::new(CanId::base(id).unwrap(), kind, payload).unwrap()
}

fn boot_time() -> MonoTime {
    let time = clock_gettime(ClockId::CLOCK_BOOTTIME).unwrap();
    MonoTime::from_nanos(u64::try_from(time.tv_sec() * 1_000_000_000 + time.tv_nsec()).unwrap())
}

#[test]
fn every_kind_of_frame_arrives_in_order_with_the_time_of_its_arrival() {
    let Some(bus) = Bus::take("every_kind_of_frame_arrives_in_order_with_the_time_of_its_arrival") else { return };
    on_runtime(async {
        let (mut from, mut to) = (bus.port(), bus.port());
        up(&mut from).await;
        up(&mut to).await;
        assert!(to.receive_buffer() >= RECEIVE_BUFFER, "{}", to.receive_buffer());
        let extended = CanId::extended(0x18DA_F110).unwrap();
        let frames = [
            frame(0x123, FrameKind::Data, &[1, 2, 3]),
            frame(0, FrameKind::Data, &[]),
            Frame::new(extended, FrameKind::Data, &[8; 8]).unwrap(),
            Frame::new(CanId::extended(0x123).unwrap(), FrameKind::Data, &[7]).unwrap(),
            Frame::remote(CanId::base(0x7FF).unwrap(), 4).unwrap(),
            frame(0x200, FrameKind::Fd { brs: true, esi: false }, &[5; 64]),
            Frame::new(extended, FrameKind::Fd { brs: false, esi: true }, &[6; 12]).unwrap(),
        ];
        let before = boot_time();
        for one in &frames {
            from.send(one).unwrap();
        }
        let between = boot_time();
        tokio::time::sleep(Duration::from_millis(200)).await;
        let received = receive(&mut to, frames.len()).await;
        assert_eq!(received.iter().map(|(_, frame)| *frame).collect::<Vec<_>>(), frames);
        assert!(received.is_sorted_by_key(|(stamp, _)| *stamp));
        // The kernel stamps in its own clock's grain, up to 10 ms here.
        let grain = Duration::from_millis(20);
        for (stamp, _) in received {
            assert!(stamp >= before - grain && stamp <= between + grain, "{before:?} <= {stamp:?} <= {between:?}");
        }
    });
}

#[test]
fn only_what_is_asked_for_passes_the_filters_and_error_frames_always_do() {
    let Some(bus) = Bus::take("only_what_is_asked_for_passes_the_filters_and_error_frames_always_do") else { return };
    if !bus.is_virtual() {
        return;
    }
    on_runtime(async {
        let wanted = [CanId::base(0x100).unwrap(), CanId::extended(0x101).unwrap()];
        let mut all = wanted.to_vec();
        all.extend((0x400..).map_while(CanId::base).take(FILTERS_MAX));
        let (mut from, mut few, mut many) =
            (bus.port(), bus.port_with(&wanted, RECEIVE_BUFFER), bus.port_with(&all, RECEIVE_BUFFER));
        for port in [&mut from, &mut few, &mut many] {
            up(port).await;
        }
        for raw in [0x0FF, 0x100, 0x101] {
            for id in [CanId::base(raw).unwrap(), CanId::extended(raw).unwrap()] {
                from.send(&Frame::new(id, FrameKind::Data, &[1]).unwrap()).unwrap();
            }
        }
        from.send(&frame(0x100, FrameKind::Fd { brs: true, esi: false }, &[2; 20])).unwrap();
        // Bus-off (linux/can/error.h), as a controller would report it.
        let raw = CanSocket::open(&bus.name).unwrap();
        raw.write_frame(&CanErrorFrame::new_error(0x40, &[0; 8]).unwrap()).unwrap();
        let ids: Vec<_> =
            receive(&mut few, 4).await.iter().map(|(_, frame)| (frame.id().to_string(), frame.kind())).collect();
        let expected = [
            ("100".to_owned(), FrameKind::Data),
            ("00000101".to_owned(), FrameKind::Data),
            ("100".to_owned(), FrameKind::Fd { brs: true, esi: false }),
            ("00000040".to_owned(), FrameKind::Error),
        ];
        assert_eq!(ids, expected);
        receive(&mut many, 8).await;
    });
}

#[test]
fn at_full_speed_what_was_received_and_what_was_dropped_is_what_was_sent() {
    let Some(bus) = Bus::take("at_full_speed_what_was_received_and_what_was_dropped_is_what_was_sent") else { return };
    if !bus.is_virtual() {
        return;
    }
    // A large queue that is read at once, a small one that is, and a small one whose reader sleeps.
    let cases = [(200_000, RECEIVE_BUFFER, 0), (40_000, 64 * 1024, 0), (40_000, 64 * 1024, 20)];
    for (sent, buffer, pause_ms) in cases {
        let (received, dropped, in_order) = on_runtime(flood(&bus, sent, buffer, pause_ms));
        println!("sent {sent}, buffer {buffer} B, pause {pause_ms} ms: received {received}, dropped {dropped}");
        assert_eq!(received + dropped, sent, "buffer {buffer}, pause {pause_ms} ms");
        assert!(in_order);
        assert!(pause_ms == 0 || dropped > 0, "a sleeping reader must lose some");
    }
}

async fn flood(bus: &Bus, sent: u64, receive_buffer: usize, pause_ms: u64) -> (u64, u64, bool) {
    let mut port = bus.port_with(&[], receive_buffer);
    up(&mut port).await;
    let name = bus.name.clone();
    let sender = std::thread::spawn(move || {
        let socket = CanSocket::open(&name).unwrap();
        for number in 0..sent {
            let one = socketcan::CanFrame::new(socketcan::StandardId::ZERO, &number.to_le_bytes()).unwrap();
            socket.write_frame_insist(&one).unwrap();
        }
    });
    let (mut received, mut dropped, mut next) = (0, 0, 0);
    let mut in_order = true;
    let mut frames = Vec::new();
    loop {
        let limit = if received + dropped < sent { SOON } else { QUIET };
        let Ok(event) = tokio::time::timeout(limit, next_batch(&mut port, &mut frames)).await else { break };
        for (_, frame) in frames.drain(..) {
            let number = u64::from_le_bytes(frame.payload().try_into().unwrap());
            in_order &= number >= next;
            next = number + 1;
            received += 1;
        }
        match event {
            None => {}
            Some(BusEvent::Dropped(count)) => dropped += u64::from(count),
            other => panic!("{other:?}"),
        }
        if pause_ms > 0 && received % 50 == 0 {
            std::thread::sleep(Duration::from_millis(pause_ms));
        }
    }
    sender.join().unwrap();
    (received, dropped, in_order)
}

#[test]
fn an_interface_that_goes_down_comes_up_is_deleted_and_made_again_is_followed() {
    let test = "an_interface_that_goes_down_comes_up_is_deleted_and_made_again_is_followed";
    let Some(bus) = Bus::take(test) else { return };
    if !bus.is_virtual() {
        return;
    }
    on_runtime(async {
        let one = frame(0x111, FrameKind::Data, &[1]);
        let (mut from, mut to) = (bus.port(), bus.port());
        up(&mut from).await;
        up(&mut to).await;
        for round in 0..3 {
            from.send(&one).unwrap();
            bus.set("down");
            let mut frames = Vec::new();
            assert_eq!(news(&mut to, &mut frames).await, BusEvent::Down);
            assert_eq!(frames.len(), 1, "round {round}: what was received before is not lost");
            assert_eq!(news(&mut from, &mut Vec::new()).await, BusEvent::Down);
            assert!(matches!(from.send(&one), Err(SendError::Down)));
            let quiet = tokio::time::timeout(PROBE_EVERY * 3, next_batch(&mut to, &mut frames)).await;
            assert!(quiet.is_err(), "told once: {quiet:?}");

            bus.set("up");
            up(&mut from).await;
            up(&mut to).await;
            from.send(&one).unwrap();
            receive(&mut to, 1).await;

            bus.delete();
            // The kernel takes an interface down before it goes away; which of the two is seen depends on the moment.
            for port in [&mut to, &mut from] {
                let mut event = news(port, &mut Vec::new()).await;
                if event == BusEvent::Down {
                    event = news(port, &mut Vec::new()).await;
                }
                assert_eq!(event, BusEvent::Missing, "round {round}");
            }
            let quiet = tokio::time::timeout(PROBE_EVERY * 3, next_batch(&mut to, &mut frames)).await;
            assert!(quiet.is_err(), "told once: {quiet:?}");

            bus.make();
            up(&mut from).await;
            up(&mut to).await;
        }
        from.send(&one).unwrap();
        receive(&mut to, 1).await;
    });
}

#[test]
fn an_interface_that_is_missing_or_down_at_the_start_is_taken_up_when_it_comes() {
    let test = "an_interface_that_is_missing_or_down_at_the_start_is_taken_up_when_it_comes";
    let Some(bus) = Bus::take(test) else { return };
    if !bus.is_virtual() {
        return;
    }
    on_runtime(async {
        bus.delete();
        let mut port = bus.port();
        assert_eq!(news(&mut port, &mut Vec::new()).await, BusEvent::Missing);
        ip(&["link", "add", "dev", &bus.name, "mtu", "16", "type", "vcan"]);
        assert_eq!(news(&mut port, &mut Vec::new()).await, BusEvent::Down);
        bus.set("up");
        up(&mut port).await;
        let fd = frame(0x111, FrameKind::Fd { brs: true, esi: false }, &[1; 64]);
        assert!(matches!(port.send(&fd), Err(SendError::Refused(_))), "a classic interface takes no FD frame");
        bus.delete();
        bus.make();
    });
}

#[test]
fn a_port_that_waits_takes_no_time() {
    let Some(bus) = Bus::take("a_port_that_waits_takes_no_time") else { return };
    if !bus.is_virtual() {
        return;
    }
    let cpu = || {
        let time = clock_gettime(ClockId::CLOCK_PROCESS_CPUTIME_ID).unwrap();
        Duration::new(u64::try_from(time.tv_sec()).unwrap(), u32::try_from(time.tv_nsec()).unwrap())
    };
    on_runtime(async {
        let mut port = bus.port();
        up(&mut port).await;
        for state in ["up", "down", "missing"] {
            match state {
                "down" => bus.set("down"),
                "missing" => bus.delete(),
                _ => {}
            }
            if state != "up" {
                news(&mut port, &mut Vec::new()).await;
            }
            let before = cpu();
            let mut frames = Vec::new();
            let waited = tokio::time::timeout(PROBE_EVERY * 4, next_batch(&mut port, &mut frames)).await;
            assert!(waited.is_err(), "{state}: {waited:?}");
            let spent = cpu().saturating_sub(before);
            println!("{state}: {spent:?} in {:?}", PROBE_EVERY * 4);
            assert!(spent < PROBE_EVERY * 4 / 10, "{state}: {spent:?}");
        }
        bus.make();
    });
}

#[test]
fn a_wait_that_is_cancelled_again_and_again_loses_nothing_and_still_looks() {
    let test = "a_wait_that_is_cancelled_again_and_again_loses_nothing_and_still_looks";
    let Some(bus) = Bus::take(test) else { return };
    if !bus.is_virtual() {
        return;
    }
    on_runtime(async {
        let (mut from, mut to) = (bus.port(), bus.port());
        up(&mut from).await;
        let mut frames = Vec::new();
        let mut events = Vec::new();
        for number in 0..2000_u32 {
            if number == 1000 {
                bus.set("down");
                bus.set("up");
            }
            let _ = from.send(&frame(0x1, FrameKind::Data, &number.to_le_bytes()));
            let wait = Duration::from_millis(u64::from(number % 2));
            if let Ok(Some(event)) = tokio::time::timeout(wait, next_batch(&mut to, &mut frames)).await {
                events.push(event);
            }
            if let Ok(Some(event)) = tokio::time::timeout(wait, next_batch(&mut from, &mut Vec::new())).await {
                assert!(matches!(event, BusEvent::Down | BusEvent::Up));
            }
        }
        assert_eq!(events[..3], [BusEvent::Up, BusEvent::Down, BusEvent::Up], "{events:?}");
        assert!(frames.len() > 1000, "{}", frames.len());
    });
}
