//! The recordings of others: found through `TELLTALE_DATA`, never part of the project.

use std::path::{Path, PathBuf};

/// The file of that name below the data folder. Where it is missing: a loud skip, and a failure in CI.
pub(crate) fn data(name: &str) -> Option<PathBuf> {
    let root = std::env::var_os("TELLTALE_DATA")
        .map_or_else(|| Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared/data"), PathBuf::from);
    let path = root.join(name);
    if path.exists() {
        return Some(path);
    }
    assert!(std::env::var_os("CI").is_none(), "{} is missing, and CI is set", path.display());
    eprintln!("SKIPPED: {} is missing; set TELLTALE_DATA to the folder with the recordings", path.display());
    None
}
