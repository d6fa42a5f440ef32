//! The demo's deployment: the built-in profile, a temporary store, the relay's address.

use std::fs::DirBuilder;
use std::io::{self, ErrorKind};
use std::net::SocketAddr;
use std::os::unix::fs::DirBuilderExt as _;
use std::path::{Path, PathBuf};

use crate::can::BusId;
use crate::config::Config;
use crate::sim::BUSES;

use super::super::exit::{Code, Failure};

/// The profile's files, as they were when this program was built.
const FILES: [(&str, &str); 4] = [
    ("demo-phev/profile.toml", include_str!("../../../profiles/demo-phev/profile.toml")),
    ("demo-phev/powertrain.dbc", include_str!("../../../profiles/demo-phev/powertrain.dbc")),
    ("demo-phev/body.dbc", include_str!("../../../profiles/demo-phev/body.dbc")),
    ("demo-phev/energy.dbc", include_str!("../../../profiles/demo-phev/energy.dbc")),
];

/// Where the deployment file would be.
const DEPLOYMENT: &str = "demo.toml";

/// Deployment and profile of the demo's car.
pub(super) fn config(
    broker: SocketAddr,
    metrics: SocketAddr,
    store: &Path,
    interfaces: &[String],
) -> Result<Config, Failure> {
    let deployment = deployment(broker, metrics, store, interfaces);
    let read = |path: &Path| {
        if path == Path::new(DEPLOYMENT) {
            return Ok(deployment.clone().into_bytes());
        }
        let file = FILES.iter().find(|(name, _)| path == Path::new(name));
        file.map(|(_, text)| text.as_bytes().to_vec()).ok_or_else(|| io::Error::from(ErrorKind::NotFound))
    };
    Config::load(Path::new(DEPLOYMENT), &read).map_err(|problems| Failure::new(Code::Config, problems))
}

fn deployment(broker: SocketAddr, metrics: SocketAddr, store: &Path, interfaces: &[String]) -> String {
    let interface = |index: usize| interfaces.get(index).cloned().unwrap_or_else(|| format!("sim{index}"));
    let sections =
        BUSES.iter().enumerate().map(|(index, bus)| format!("[bus.{bus}]\ninterface = {:?}\n", interface(index)));
    let buses = sections.collect::<Vec<_>>().concat();
    format!(
        "schema = 1\nprofile = \"demo-phev\"\n[vehicle]\nid = \"demo-car\"\n{buses}\
         [broker]\nhost = \"{}\"\nport = {}\nkeep_alive_s = 10\n\
         [store]\npath = {:?}\nlimit_mib = 16\n[metrics]\nlisten = \"{metrics}\"\n",
        broker.ip(),
        broker.port(),
        store.display().to_string(),
    )
}

/// The buses that the simulated car feeds directly: those without an interface.
pub(super) fn fed_buses(interfaces: &[String]) -> Vec<BusId> {
    (0_u8..).map(BusId).take(BUSES.len()).skip(interfaces.len()).collect()
}

/// A folder that goes with the demo.
pub(super) struct TemporaryFolder(PathBuf);

impl TemporaryFolder {
    /// Makes it.
    pub(super) fn new() -> io::Result<Self> {
        let path = std::env::temp_dir().join(format!("telltale-demo-{}", std::process::id()));
        DirBuilder::new().mode(0o700).create(&path)?;
        Ok(Self(path))
    }

    /// Where it is.
    pub(super) fn path(&self) -> &Path {
        &self.0
    }
}

impl Drop for TemporaryFolder {
    fn drop(&mut self) {
        // What cannot be removed now, the system's own cleaning of its temporary folder will remove.
        let _ = std::fs::remove_dir_all(&self.0);
    }
}
