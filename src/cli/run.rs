//! `telltaled run`: the daemon.

use std::path::{Path, PathBuf};

use crate::config::Config;
use crate::runtime::{self, Plan};

use super::exit::{Code, Failure};
use super::logging::Filter;

/// Runs until SIGTERM.
pub(super) fn run(file: &Path, filter: &Filter) -> Result<(), Failure> {
    let config = load(file)?;
    filter.set(&config.deployment.log_filter);
    tracing::info!(
        version = env!("CARGO_PKG_VERSION"),
        profile = %config.profile.name,
        profile_version = %config.profile.version,
        "starting"
    );
    let reload = reloader(file.to_owned(), filter.clone());
    runtime::run(Plan::new(config, reload)).map_err(Failure::from)
}

/// Deployment and profile from the disk, or every problem in them at once.
pub(super) fn load(file: &Path) -> Result<Config, Failure> {
    Config::load(file, &|path| std::fs::read(path)).map_err(|problems| Failure::new(Code::Config, problems))
}

/// SIGHUP reads the deployment file again. The log filter is taken over at once, certificates and keys at the next
/// connect; everything else needs a restart, and a file with problems changes nothing.
fn reloader(file: PathBuf, filter: Filter) -> Box<dyn Fn() + Send> {
    Box::new(move || match Config::load(&file, &|path| std::fs::read(path)) {
        Ok(config) => {
            filter.set(&config.deployment.log_filter);
            tracing::info!(filter = %config.deployment.log_filter, "log filter reloaded; the rest needs a restart");
        }
        Err(problems) => tracing::error!(%problems, "the deployment file has problems; nothing was reloaded"),
    })
}
