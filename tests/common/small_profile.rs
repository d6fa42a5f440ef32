//! A profile in memory: a few lines of TOML and DBC, so that a test says all that it depends on.

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};

use telltale::config::{Problems, Profile};

pub(crate) const DBC: &str = r#"VERSION ""
BU_: X
BO_ 256 Cyclic: 8 X
 SG_ Crc : 0|8@1+ (1,0) [0|0] "" X
 SG_ Alive : 8|4@1+ (1,0) [0|0] "" X
 SG_ Speed : 16|16@1+ (0.01,0) [0|0] "km/h" X
 SG_ Gear : 32|4@1+ (1,0) [0|0] "" X
 SG_ Door : 36|2@1+ (1,0) [0|0] "" X
 SG_ Angle : 40|16@1- (0.1,0) [0|0] "deg" X
BO_ 512 OnChange: 2 X
 SG_ Locked : 0|1@1+ (1,0) [0|0] "" X
 SG_ Level : 8|8@1+ (0.5,0) [0|0] "%" X
BO_ 768 Paged: 4 X
 SG_ Page M : 0|8@1+ (1,0) [0|0] "" X
 SG_ Odometer m1 : 8|24@1+ (1,0) [0|0] "km" X
 SG_ Lamp m2 : 8|2@1+ (1,0) [0|0] "" X
"#;

pub(crate) const HEAD: &str = r#"schema = 1
name = "small"
version = "1"
description = "for tests"
[[bus]]
name = "pt"
dbc = ["a.dbc"]
"#;

pub(crate) const BODY: &str = r#"
[[message]]
name = "pt.Cyclic"
period_ms = 20
checksum = { kind = "e2e-p01", signal = "Crc", data_id = 0x123 }
counter = { signal = "Alive" }
[[message]]
name = "pt.Paged"
period_ms = 100
[[signal]]
path = "Vehicle.Speed"
from = "pt.Cyclic.Speed"
not_available = [0xFFFF]
range = [0, 250]
state = "driving"
telemetry_ms = 1000
dead_band = 0.5
[[signal]]
path = "Vehicle.Powertrain.Transmission.SelectedGear"
from = "pt.Cyclic.Gear"
map = { 0 = 0, 1 = 127, 2 = -1, 15 = 126 }
on_change = true
[[signal]]
path = "Vehicle.Cabin.Door.Row1.DriverSide.IsOpen"
from = "pt.Cyclic.Door"
state = "body"
[[signal]]
path = "Vehicle.Chassis.SteeringWheel.Angle"
from = "pt.Cyclic.Angle"
scale = -1.0
[[signal]]
path = "Vehicle.Cabin.Door.Row1.DriverSide.IsLocked"
from = "pt.OnChange.Locked"
map = { 0 = false, 1 = true }
state = "body"
[[signal]]
path = "Vehicle.Powertrain.FuelSystem.RelativeLevel"
from = "pt.OnChange.Level"
[[signal]]
path = "Vehicle.TraveledDistance"
from = "pt.Paged.Odometer"
scale = 1000
[[signal]]
path = "Vehicle.Telltale.Abs"
from = "pt.Paged.Lamp"
map = { 0 = "OFF", 1 = "ON", 2 = "FLASHING" }
state = "telltales"
[[signal]]
path = "Vehicle.CurrentLocation.Latitude"
from = "gnss"
state = "location"
telemetry_ms = 1000
[state.driving]
min_interval_ms = 5000
"#;

/// The profile that is made of these files, in the folder `p`.
pub(crate) fn load(profile: &str, dbc: &str) -> Result<Profile, Problems> {
    let files: BTreeMap<PathBuf, &str> =
        BTreeMap::from([(PathBuf::from("p/profile.toml"), profile), (PathBuf::from("p/a.dbc"), dbc)]);
    Profile::load(Path::new("p"), &|path| {
        files.get(path).map(|text| text.as_bytes().to_vec()).ok_or_else(|| io::ErrorKind::NotFound.into())
    })
}

/// [`HEAD`] and [`BODY`] over [`DBC`].
pub(crate) fn small() -> Profile {
    load(&format!("{HEAD}{BODY}"), DBC).unwrap_or_else(|problems| panic!("{problems}"))
}
