//! A car of one message: the supply and some warning lamps, sent from this process, which is not the daemon's.

use std::fmt::Write as _;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::{self, JoinHandle, sleep};
use std::time::Duration;

use socketcan::{CanFrame, CanSocket, EmbeddedFrame as _, Socket as _, StandardId};

/// How often the message is sent.
const PERIOD: Duration = Duration::from_millis(20);

/// Lamps that make events, and that are not lit until the engine runs.
pub(crate) const LAMPS: [&str; 6] = ["Abs", "Airbag", "BrakePadWear", "BrakeSystem", "PowerSteering", "ServiceDue"];

const ID: u16 = 0x100;
const SUPPLY_ON: u64 = 2;

pub(crate) fn dbc() -> String {
    let mut text = "VERSION \"\"\nBU_: X\nBO_ 256 Cluster: 8 X\n SG_ Supply : 0|2@1+ (1,0) [0|3] \"\" X\n".to_owned();
    for (bit, lamp) in (8..).zip(LAMPS) {
        writeln!(text, " SG_ {lamp} : {bit}|1@1+ (1,0) [0|1] \"\" X").expect("a string grows");
    }
    text
}

pub(crate) fn profile() -> String {
    let mut text = r#"
schema = 1
name = "cluster"
version = "1"
description = "for tests"
[[bus]]
name = "pt"
dbc = ["car.dbc"]
[[message]]
name = "pt.Cluster"
period_ms = 100
[[signal]]
path = "Vehicle.LowVoltageSystemState"
from = "pt.Cluster.Supply"
map = { 0 = "OFF", 1 = "ACC", 2 = "ON" }
state = "vehicle"
[[signal]]
path = "Vehicle.CurrentLocation.Latitude"
from = "gnss"
state = "location"
telemetry_ms = 1000
"#
    .to_owned();
    for lamp in LAMPS {
        writeln!(
            text,
            "[[signal]]\npath = \"Vehicle.Telltale.{lamp}\"\nfrom = \"pt.Cluster.{lamp}\"\n\
             map = {{ 0 = \"OFF\", 1 = \"ON\" }}\nstate = \"telltales\""
        )
        .expect("a string grows");
    }
    text
}

fn frame(payload: u64) -> CanFrame {
    CanFrame::new(StandardId::new(ID).expect("11 bits"), &payload.to_le_bytes()).expect("8 bytes")
}

/// Sends so many messages as fast as it goes.
pub(crate) fn flood(interface: &str, count: u32) {
    let socket = CanSocket::open(interface).expect("the interface is there");
    for _ in 0..count {
        socket.write_frame_insist(&frame(SUPPLY_ON)).expect("the interface is up");
    }
}

/// The cluster, sending what it shows until it is dropped.
pub(crate) struct Cluster {
    shown: Arc<AtomicU64>,
    is_over: Arc<AtomicBool>,
    sender: Option<JoinHandle<()>>,
}

impl Cluster {
    /// Ignition on, all lamps dark. While the interface is not there, nothing is sent.
    pub(crate) fn start(interface: &str) -> Self {
        let shown = Arc::new(AtomicU64::new(SUPPLY_ON));
        let is_over = Arc::new(AtomicBool::new(false));
        let (payload, over, interface) = (Arc::clone(&shown), Arc::clone(&is_over), interface.to_owned());
        let sender = thread::spawn(move || {
            let mut socket = None;
            while !over.load(Ordering::Relaxed) {
                let open = socket.take().or_else(|| CanSocket::open(&interface).ok());
                let now = frame(payload.load(Ordering::Relaxed));
                socket = open.filter(|open: &CanSocket| open.write_frame(&now).is_ok());
                sleep(PERIOD);
            }
        });
        Self { shown, is_over, sender: Some(sender) }
    }

    pub(crate) fn set_ignition(&self, is_on: bool) {
        self.shown.fetch_and(!3, Ordering::Relaxed);
        self.shown.fetch_or(if is_on { SUPPLY_ON } else { 0 }, Ordering::Relaxed);
    }

    pub(crate) fn light(&self, lamp: &str) {
        let index = LAMPS.iter().position(|known| *known == lamp).expect("a lamp of this car");
        self.shown.fetch_or(1 << (8 + index), Ordering::Relaxed);
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        self.is_over.store(true, Ordering::Relaxed);
        if let Some(sender) = self.sender.take() {
            // A sender that panicked has said so itself.
            let _ = sender.join();
        }
    }
}
