//! The real recordings: their files, and what is said where some are missing.

use std::path::{Path, PathBuf};

use crate::config::Profile;
use crate::crash::Observation;
use crate::sim::crash::Rig;
use crate::sim::evaluation::{self, Finding, LAYOUTS, Recording, Wanted};

use super::super::exit::{Code, Failure};

/// The folder with the recordings, where no option names one.
const VARIABLE: &str = "TELLTALE_DATA";

/// The car whose drive was recorded: only its own profile can read the frames.
const DRIVEN: &str = "toyota-rav4";

const DRIVE_LOG: &str = "can/rav4_2016.log";
const DRIVE_WHEELS: &str = "can/rav4_2016_wheel_speed.csv";
const DRIVE_GNSS: &str = "can/rav4_2016_gnss.csv";

/// All that were read.
#[derive(Debug, Default)]
pub(super) struct Recordings {
    series: Vec<Recording>,
    drive: Option<Drive>,
}

/// One drive: the frames, and tables of what else was measured.
#[derive(Debug)]
struct Drive {
    log: Vec<u8>,
    wheels: String,
    gnss: String,
}

impl Recordings {
    /// Those in that folder, all of which must be there; without one, those that are there in the folder that the
    /// environment names.
    pub(super) fn read(asked: Option<&Path>, profiles: &[Profile]) -> Result<Self, Failure> {
        let Some(folder) = asked.map(Path::to_owned).or_else(|| std::env::var_os(VARIABLE).map(PathBuf::from)) else {
            return Ok(Self::default());
        };
        let mut files = Files { folder, missing: Vec::new() };
        let series = LAYOUTS.iter().filter_map(|layout| {
            let text = files.text(layout.file)?;
            Some(Recording::read(layout, &text).ok_or_else(|| files.empty(layout.file)))
        });
        let series = series.collect::<Result<Vec<_>, _>>()?;
        let drive = profiles.iter().any(|profile| profile.name == DRIVEN).then(|| files.drive()).flatten();
        if files.missing.is_empty() {
            return Ok(Self { series, drive });
        }
        if asked.is_some() {
            let missing = files.missing.join("\n");
            let text = format!("--data: recordings cannot be read; put them there, or leave --data out:\n{missing}");
            return Err(Failure::new(Code::NoInput, text));
        }
        tracing::warn!("{VARIABLE}: recordings cannot be read and are left out: {}", files.missing.join("; "));
        Ok(Self { series, drive })
    }

    /// None is there.
    pub(super) const fn are_none(&self) -> bool {
        self.series.is_empty() && self.drive.is_none()
    }

    /// What each car's classifier says of each in so many samplings: the clocks of the sensors and their noise follow from
    /// the seed and those after it. A drive was sampled by its own sensors, once.
    pub(super) fn findings(
        &self,
        profiles: &[Profile],
        rigs: &[Rig],
        seed: u64,
        samplings: u32,
    ) -> Result<Vec<Finding>, Failure> {
        let mut findings = Vec::new();
        for recording in &self.series {
            let of_car = |rig| {
                let sampled = (0..samplings).map(|ordinal| recording.heard(rig, seed.wrapping_add(ordinal.into())));
                evaluation::find(rig, recording.name, recording.wanted, sampled)
            };
            findings.extend(rigs.iter().map(of_car));
        }
        let own = profiles.iter().zip(rigs).find(|(profile, _)| profile.name == DRIVEN);
        if let (Some((profile, rig)), Some(drive)) = (own, &self.drive) {
            findings.push(drive.finding(profile, rig)?);
        }
        Ok(findings)
    }
}

impl Drive {
    fn finding(&self, profile: &Profile, rig: &Rig) -> Result<Finding, Failure> {
        let (wheels, gnss) = (evaluation::columns(&self.wheels, &[1, 2, 3, 4]), evaluation::columns(&self.gnss, &[3]));
        let heard = evaluation::drive(profile, &self.log, &wheels, &gnss);
        // A classifier that hears nothing says nothing, which is what is wanted of a drive.
        if !heard.iter().any(|heard| matches!(heard.what, Observation::Sample(_))) {
            let text =
                format!("reading {DRIVE_LOG}: no frame tells an acceleration; put a candump log of {DRIVEN} there");
            return Err(Failure::new(Code::Data, text));
        }
        Ok(evaluation::find(rig, "RAV4, a drive", Wanted::Quiet, std::iter::once(heard)))
    }
}

/// The files of a folder, and which of them could not be read.
struct Files {
    folder: PathBuf,
    missing: Vec<String>,
}

impl Files {
    fn bytes(&mut self, file: &str) -> Option<Vec<u8>> {
        let path = self.folder.join(file);
        std::fs::read(&path).map_err(|error| self.missing.push(format!("{}: {error}", path.display()))).ok()
    }

    /// What is no text is no number either.
    fn text(&mut self, file: &str) -> Option<String> {
        self.bytes(file).map(|bytes| String::from_utf8_lossy(&bytes).into_owned())
    }

    fn empty(&self, file: &str) -> Failure {
        let path = self.folder.join(file);
        Failure::new(Code::Data, format!("reading {}: no line begins with a number; replace the file", path.display()))
    }

    fn drive(&mut self) -> Option<Drive> {
        let [wheels, gnss] = [DRIVE_WHEELS, DRIVE_GNSS].map(|file| self.text(file).unwrap_or_default());
        Some(Drive { log: self.bytes(DRIVE_LOG)?, wheels, gnss })
    }
}
