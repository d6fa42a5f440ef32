//! A car of two buses and four messages: small enough to simulate a thousand of, or to fuzz.

use std::path::Path;
use std::sync::OnceLock;

use telltale::config::{Config, Profile};

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

/// Parsed once for all cars.
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
