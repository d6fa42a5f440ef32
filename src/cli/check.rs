//! `telltaled check`: every error of deployment, profile and DBC files at once; without errors, what will be done.

use std::io::Write as _;
use std::path::Path;

use crate::config;

use super::exit::Failure;
use super::{output, run};

/// Checks and prints.
pub(super) fn check(file: &Path) -> Result<(), Failure> {
    let config = run::load(file)?;
    output::finish(write!(std::io::stdout().lock(), "{}", config::describe(&config)))
}
