//! Where the log goes: to the journal under systemd, else to standard error.

use std::io::IsTerminal as _;

use tracing_subscriber::prelude::*;
use tracing_subscriber::reload;
use tracing_subscriber::{EnvFilter, Registry};

/// The filter when nobody says anything: state changes and worse. The demo's broker calls every end of a link an error.
const DEFAULT_FILTER: &str = "info,rumqttd=off";

/// The environment variable that overrules the deployment file.
const VARIABLE: &str = "TELLTALE_LOG";

/// Changes what is logged while the program runs.
#[derive(Clone)]
pub struct Filter {
    handle: reload::Handle<EnvFilter, Registry>,
    is_fixed: bool,
}

impl Filter {
    /// Logs by that filter from now on, unless the environment has fixed another. One that cannot be read is reported
    /// and changes nothing.
    pub fn set(&self, directives: &str) {
        if self.is_fixed {
            return;
        }
        match EnvFilter::try_new(directives) {
            Ok(filter) => drop(self.handle.reload(filter)),
            Err(error) => tracing::error!(directives, %error, "the log filter cannot be read; the old one stays"),
        }
    }
}

/// Starts logging. A daemon whose standard error is the journal (systemd sets `JOURNAL_STREAM`) writes structured
/// entries there; everything else writes lines to standard error.
pub fn start(is_daemon: bool) -> Filter {
    let wanted = std::env::var(VARIABLE).ok();
    let fixed = wanted.as_deref().and_then(|directives| EnvFilter::try_new(directives).ok());
    let is_fixed = fixed.is_some();
    let (filter, handle) = reload::Layer::new(fixed.unwrap_or_else(|| EnvFilter::new(DEFAULT_FILTER)));
    let registry = tracing_subscriber::registry().with(filter);
    if is_daemon
        && std::env::var_os("JOURNAL_STREAM").is_some()
        && let Ok(journal) = tracing_journald::layer()
    {
        registry.with(journal).init();
    } else {
        let is_terminal = std::io::stderr().is_terminal();
        registry.with(tracing_subscriber::fmt::layer().with_writer(std::io::stderr).with_ansi(is_terminal)).init();
    }
    if let Some(directives) = wanted.filter(|_| !is_fixed) {
        tracing::warn!(directives, "{VARIABLE} cannot be read as a log filter; it is as if it were not set");
    }
    Filter { handle, is_fixed }
}
