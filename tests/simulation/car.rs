//! What the gateway is fed: frames of a small car, right and wrong, GNSS sentences and noise.

use std::path::Path;
use std::sync::OnceLock;
use telltale::can::{BusId, CanId, Frame, FrameKind};
use telltale::config::{Config, Profile};
use telltale::rng::Rng;

const PROFILE: &str = r#"
schema = 1
name = "tiny"
version = "1"
description = "Two buses, four messages"

[[bus]]
name = "pt"
dbc = ["pt.dbc"]

[[bus]]
name = "body"
dbc = ["body.dbc"]

[[message]]
name = "pt.MOTION"
period_ms = 100
checksum = { kind = "toyota", signal = "CHECKSUM" }

[[message]]
name = "body.LAMPS"
period_ms = 200

[[message]]
name = "body.POWER"
period_ms = 500

[[signal]]
path = "Vehicle.Speed"
from = "pt.MOTION.SPEED"
range = [0, 300]
state = "driving"
telemetry_ms = 1000

[[signal]]
path = "Vehicle.LowVoltageSystemState"
from = "body.POWER.IGNITION"
map = { 0 = "OFF", 1 = "ACC", 2 = "ON" }
state = "driving"

[[signal]]
path = "Vehicle.Telltale.EngineMalfunction"
from = "body.LAMPS.MIL"
map = { 0 = "OFF", 1 = "ON" }
state = "telltales"

[[signal]]
path = "Vehicle.Telltale.TirePressure"
from = "body.LAMPS.TPMS"
map = { 0 = "OFF", 1 = "ON" }
state = "telltales"

[[signal]]
path = "Vehicle.CurrentLocation.Latitude"
from = "gnss"
telemetry_ms = 1000
"#;

const PT: &str = r#"VERSION ""
NS_ :
BS_:
BU_: ECU
BO_ 180 MOTION: 8 ECU
 SG_ SPEED : 47|16@0+ (0.01,0) [0|655.35] "km/h" ECU
 SG_ CHECKSUM : 63|8@0+ (1,0) [0|255] "" ECU
"#;

const BODY: &str = r#"VERSION ""
NS_ :
BS_:
BU_: ECU
BO_ 512 LAMPS: 2 ECU
 SG_ MIL : 0|1@1+ (1,0) [0|1] "" ECU
 SG_ TPMS : 1|1@1+ (1,0) [0|1] "" ECU
BO_ 513 POWER: 1 ECU
 SG_ IGNITION : 0|2@1+ (1,0) [0|3] "" ECU
"#;

const DEPLOYMENT: &str = r#"
schema = 1
profile = "tiny"
[vehicle]
id = "sim"
[bus.pt]
interface = "can0"
[bus.body]
interface = "can1"
[broker]
host = "127.0.0.1"
port = 1883
[store]
path = "/var/lib/telltale"
"#;

/// Parsed once for all lives.
pub(crate) fn profile() -> Profile {
    static PARSED: OnceLock<Profile> = OnceLock::new();
    PARSED.get_or_init(|| config().profile).clone()
}

fn config() -> Config {
    let read = |path: &Path| {
        let name = path.to_string_lossy().into_owned();
        let text = match name.as_str() {
            "telltale.toml" => DEPLOYMENT,
            "tiny/profile.toml" => PROFILE,
            "tiny/pt.dbc" => PT,
            "tiny/body.dbc" => BODY,
            _ => return Err(std::io::ErrorKind::NotFound.into()),
        };
        Ok(text.as_bytes().to_vec())
    };
    Config::load(Path::new("telltale.toml"), &read).unwrap_or_else(|problems| panic!("{problems}"))
}

/// The car as it really is.
pub(crate) struct Car {
    pub ignition: u8,
    pub mil: bool,
    pub tpms: bool,
    /// Hundredths of km/h, the last one that was sent with a right checksum.
    pub speed: u16,
    pub bad_frames: u64,
}

impl Car {
    pub(crate) fn new() -> Self {
        Self { ignition: 2, mil: false, tpms: false, speed: 0, bad_frames: 0 }
    }

    pub(crate) fn motion(&mut self, rng: &mut Rng) -> Frame {
        let speed = u16::try_from(rng.below(25_000)).expect("small");
        let mut payload = [0; 8];
        payload[5..7].copy_from_slice(&speed.to_be_bytes());
        // Identifier high and low, length, data: the additive checksum.
        let sum = payload[..7].iter().fold(0xB4_u32 + 8, |sum, byte| sum + u32::from(*byte));
        payload[7] = u8::try_from(sum & 0xFF).expect("masked");
        if rng.below(10) == 0 {
            payload[rng.index(8)] ^= 1 << rng.below(8);
            self.bad_frames += 1;
        } else {
            self.speed = speed;
        }
        frame(180, &payload)
    }

    pub(crate) fn lamps(&self) -> Frame {
        frame(512, &[u8::from(self.mil) | u8::from(self.tpms) << 1, 0])
    }

    pub(crate) fn power(&self) -> Frame {
        frame(513, &[self.ignition])
    }
}

/// Anything that a bus can hold.
pub(crate) fn noise(rng: &mut Rng) -> (BusId, Frame) {
    let bus = BusId(u8::try_from(rng.below(4)).expect("small"));
    let mut payload = [0; 64];
    for byte in &mut payload {
        *byte = u8::try_from(rng.below(256)).expect("a byte");
    }
    let id = if rng.below(2) == 0 { CanId::base(small(rng, 100) + 600) } else { CanId::extended(small(rng, 1 << 29)) };
    let id = id.expect("in range");
    let frame = match rng.below(4) {
        0 => Frame::remote(id, 8),
        1 => Frame::new(id, FrameKind::Fd { brs: true, esi: false }, &payload[..rng.index(65)]),
        2 => Frame::new(id, FrameKind::Error, &payload[..8]),
        _ => Frame::new(id, FrameKind::Data, &payload[..rng.index(9)]),
    };
    (bus, frame.expect("fits"))
}

fn small(rng: &mut Rng, below: u64) -> u32 {
    u32::try_from(rng.below(below)).expect("below 2^32")
}

/// A sentence of the receiver, or what is left of one.
pub(crate) fn sentence(rng: &mut Rng, second_of_day: u64) -> Vec<u8> {
    let (hour, minute, second) = (second_of_day / 3600 % 24, second_of_day / 60 % 60, second_of_day % 60);
    let body = format!(
        "GNRMC,{hour:02}{minute:02}{second:02}.00,A,4717.1{:03},N,00833.9{:03},E,10.0,77.5,211126,,,A",
        second_of_day % 1000,
        second_of_day % 1000,
    );
    let sum = body.bytes().fold(0, |sum, byte| sum ^ byte);
    let mut line = format!("${body}*{sum:02X}\r\n").into_bytes();
    match rng.below(10) {
        0 => line.truncate(rng.index(line.len())),
        1 => {
            let index = rng.index(line.len());
            line[index] ^= 0x55;
        }
        _ => {}
    }
    line
}

fn frame(id: u32, payload: &[u8]) -> Frame {
    Frame::new(CanId::base(id).expect("11 bits"), FrameKind::Data, payload).expect("8 bytes at most")
}
