//! The last known values, across a restart.
//!
//! Saved as JSON under the names `signals-0`, `signals-1`, …, each for [`CHUNK`] signals in the order of the profile:
//!
//! ```json
//! {"v":1,"boot":81985529216486895,"wall_us":1763716800000000,"signals":{"Vehicle.Speed":[52.3,123456],…}}
//! ```
//!
//! A value stands beside the milliseconds since boot at which it was received. `wall_us`, where it was known, is the
//! wall time of the boot's zero: a value of this kernel boot is restored with its monotonic time, one of an earlier
//! boot with its wall time. A value that had itself been restored from an earlier boot has null and its wall time in
//! microseconds instead, or neither where that boot never learnt the time. Labels are saved as text, so that a newer
//! profile may order them differently; what no longer fits the profile is passed over.
//!
//! In privacy mode the signals that tell where the car is are left out: the next run may be told to let positions out,
//! and must have none of the private time.

use serde_json::{Map, Value as Json, json};

use crate::delivery::Privacy;
use crate::services::View;
use crate::time::{KernelBoot, MonoTime, WallTime};

use super::{At, Datatype, SignalDef, Signals, Value, render};

/// Signals per saved name. A path has at most 120 and a label at most 64 bytes, so 256 entries stay below 58 KiB; a
/// store value may have 64 KiB.
pub const CHUNK: usize = 256;

/// What the saved names begin with.
pub const NAME_PREFIX: &str = "signals-";

const VERSION: u64 = 1;

/// The values to be saved: every signal that has one and may be known to the next run. Hand them to the store as they
/// are.
#[must_use]
pub fn save(view: &View<'_>, privacy: Privacy) -> Vec<(String, Vec<u8>)> {
    let all: Vec<_> = view.signals.iter().collect();
    let is_kept = |def: &SignalDef| privacy == Privacy::Off || !def.tells_position;
    let mut saved = Vec::new();
    for (index, chunk) in all.chunks(CHUNK).enumerate() {
        let entries: Map<String, Json> = chunk
            .iter()
            .filter(|(_, def, _)| is_kept(def))
            .filter_map(|(id, def, reading)| {
                let value = render::value(view.signals, *id, Some(reading.value?));
                let entry = match reading.at {
                    At::Mono(at) => json!([value, at.as_millis()]),
                    At::Wall(at) => json!([value, null, at.as_unix_micros()]),
                    At::Unknown => json!([value]),
                };
                Some((def.path.clone(), entry))
            })
            .collect();
        let zero = view.clock.wall_at(MonoTime::ZERO).map(|stamp| stamp.wall.as_unix_micros());
        let document = json!({ "v": VERSION, "boot": view.boot.0, "wall_us": zero, "signals": entries });
        saved.push((format!("{NAME_PREFIX}{index}"), document.to_string().into_bytes()));
    }
    saved
}

/// Takes back what [`save`] gave, from among the named values of the store; returns how many values were restored.
/// A signal that was received in this run already keeps its newer value.
pub fn restore(signals: &mut Signals, boot: KernelBoot, saved: &[(String, Vec<u8>)]) -> usize {
    let mut restored = 0;
    for (_, bytes) in saved.iter().filter(|(name, _)| name.starts_with(NAME_PREFIX)) {
        let Ok(document) = serde_json::from_slice::<Json>(bytes) else { continue };
        if document.get("v").and_then(Json::as_u64) != Some(VERSION) {
            continue;
        }
        let same_boot = document.get("boot").and_then(Json::as_u64) == Some(boot.0);
        let zero = document.get("wall_us").and_then(Json::as_i64);
        for (path, entry) in document.get("signals").and_then(Json::as_object).into_iter().flatten() {
            let Some(id) = signals.id(path) else { continue };
            let Some(value) = entry.get(0).and_then(|value| parse(signals.def(id), value)) else { continue };
            signals.restore(id, value, moment(entry, same_boot, zero));
            restored += 1;
        }
    }
    restored
}

fn moment(entry: &Json, same_boot: bool, zero_us: Option<i64>) -> At {
    if let Some(wall_us) = entry.get(2).and_then(Json::as_i64) {
        return At::Wall(WallTime::from_unix_micros(wall_us));
    }
    let Some(mono) = entry.get(1).and_then(Json::as_u64).map(MonoTime::from_millis) else { return At::Unknown };
    if same_boot {
        return At::Mono(mono);
    }
    zero_us.map_or(At::Unknown, |zero| At::Wall(WallTime::from_unix_micros(zero).plus(mono.since(MonoTime::ZERO))))
}

fn parse(def: &SignalDef, value: &Json) -> Option<Value> {
    match def.datatype {
        Datatype::Bool => value.as_bool().map(Value::Bool),
        Datatype::Int => value.as_i64().map(Value::Int),
        Datatype::Float => value.as_f64().map(Value::Float),
        Datatype::Label => {
            let text = value.as_str()?;
            let index = def.labels.iter().position(|label| label == text)?;
            u16::try_from(index).ok().map(Value::Label)
        }
    }
}
