//! What must hold for any three files: a deployment file, a profile and a DBC file, one after the other with the
//! control character RS (0x1E) between them.

use std::io;
use std::path::Path;

use telltale::can::{BusId, CanId, Frame, FrameKind};
use telltale::config::{Config, MAX_PROBLEMS, describe};
use telltale::signals::Value;
use telltale::time::MonoTime;

const SEPARATOR: u8 = 0x1E;

/// Loads them; what is refused has reasons, and what is accepted takes frames without a surprise. Returns whether they
/// were accepted.
pub(crate) fn check(data: &[u8]) -> bool {
    let mut parts = data.splitn(3, |byte| *byte == SEPARATOR);
    let deployment = parts.next().unwrap_or_default();
    let profile = parts.next().unwrap_or_default();
    let dbc = parts.next().unwrap_or_default();
    let read = |path: &Path| match path.extension().and_then(|extension| extension.to_str()) {
        Some("dbc") => Ok(dbc.to_vec()),
        Some("toml") if path.ends_with("profile.toml") => Ok(profile.to_vec()),
        Some("toml") => Ok(deployment.to_vec()),
        _ => Err(io::ErrorKind::NotFound.into()),
    };
    match Config::load(Path::new("t.toml"), &read) {
        Ok(config) => {
            drive(&config);
            true
        }
        Err(problems) => {
            assert!(!problems.is_empty(), "refused without a reason");
            assert!(problems.list().len() <= MAX_PROBLEMS);
            for problem in problems.list() {
                assert!(!problem.text.is_empty() && problem.line != Some(0), "{problem:?}");
            }
            false
        }
    }
}

fn drive(config: &Config) {
    let profile = &config.profile;
    assert!(profile.buses.len() == config.deployment.buses.len());
    assert!(!describe(config).is_empty());
    let mut signals = profile.table().expect("a checked profile has a table");
    let mut intake = profile.intake();
    let mut publisher = profile.publisher();
    for (number, bus) in (0_u8..).map(BusId).zip(&profile.buses) {
        for (step, (_, message)) in (0_u64..).zip(bus.plan.messages().take(64)) {
            for fill in [0x00, 0x55, 0xFF] {
                let now = MonoTime::from_millis(step * 10 + u64::from(fill));
                let size = usize::from(message.size.min(64));
                let kind = if size > 8 { FrameKind::Fd { brs: false, esi: false } } else { FrameKind::Data };
                let id = if message.id.is_extended() { CanId::extended } else { CanId::base }(message.id.raw());
                let frame = id.and_then(|id| Frame::new(id, kind, &vec![fill; size]));
                if let Some(frame) = frame {
                    intake.frame(now, number, &frame, &mut signals);
                }
                intake.expire(now, &mut signals);
            }
        }
    }
    let now = MonoTime::from_millis(3_600_000);
    let mut changed = Vec::new();
    signals.take_changed(&mut changed);
    for id in changed {
        publisher.changed(now, &signals, id);
    }
    publisher.tick(now, &signals);
    assert!(publisher.flush(&signals).is_none_or(|batch| batch.data.to_string().len() <= 64 * 1024));
    for (_, def, reading) in signals.iter() {
        if let Some(Value::Float(number)) = reading.value {
            assert!(number.is_finite(), "{} is {number}", def.path);
        }
    }
}
