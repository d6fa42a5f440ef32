//! The deployment file and the vehicle profile: parse, validate, build.
//!
//! Parsing and validation have no side effects and stop at nothing: every problem of every file is found in one go,
//! with file, line and what to do ([`Problems`]). Building starts only when there is none, and cannot fail.
//! Files come in through a closure, so that this room touches no file system.

use std::io;
use std::path::Path;

mod build;
mod deployment;
mod describe;
mod document;
mod emergency;
mod inertial_file;
mod problem;
mod profile;
mod profile_file;
mod realtime;
mod resolve;
mod resolve_inertial;
mod resolve_protection;
mod resolve_signals;

pub use deployment::{
    Broker, BusSettings, Deployment, GnssSource, Listen, Login, MAX_DEPLOYMENT_BYTES, MAX_STORE_MIB, Secret,
    StoreSettings, Tls,
};
pub use describe::describe;
pub use emergency::{AssistanceSettings, DriverSide, EcallSettings, Emergency};
pub use problem::{MAX_PROBLEMS, Problem, Problems};
pub use profile::{
    Bus, CanSource, InertialSensor, MAX_PROFILE_BYTES, MessageRule, Profile, Propulsion, STALE_AFTER, Source,
    VehicleFacts,
};
pub use realtime::Realtime;
pub use resolve_signals::GNSS_PATHS;

/// Reads a file; the shell hands in `std::fs::read`.
pub type ReadFile<'a> = &'a dyn Fn(&Path) -> io::Result<Vec<u8>>;

/// Everything that the daemon is told: this vehicle's settings, and its model.
#[derive(Debug, Clone)]
pub struct Config {
    /// The deployment file. Its buses are in the order of the profile's, so that the index is the
    /// [`crate::can::BusId`]; its profile folder is resolved against the file's own.
    pub deployment: Deployment,
    /// The vehicle profile.
    pub profile: Profile,
}

impl Config {
    /// Reads a deployment file with the profile that it names. Every problem of every file is reported together.
    pub fn load(file: &Path, read: ReadFile<'_>) -> Result<Self, Problems> {
        let name = file.display().to_string();
        let whole = |text: String| {
            let mut problems = Problems::default();
            problems.push(Problem { file: name.clone(), line: None, text });
            problems
        };
        let bytes = read(file).map_err(|error| whole(format!("cannot be read: {error}; give the right path")))?;
        let (deployment, mut problems) = deployment::parse(&name, &bytes)?;
        let Some(folder) = deployment.profile else { return Err(problems) };
        let folder = file.parent().unwrap_or(Path::new("")).join(folder);
        match Profile::load(&folder, read) {
            Ok(profile) => {
                let buses = deployment::match_buses(&name, &deployment.buses, &profile, &mut problems);
                match deployment.settings {
                    Some(settings) if problems.is_empty() => {
                        Ok(Self { deployment: Deployment { profile: folder, buses, ..settings }, profile })
                    }
                    _ => Err(problems),
                }
            }
            Err(others) => {
                problems.extend(others);
                Err(problems)
            }
        }
    }
}
