//! The real program, as a script calls it.

use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use tempfile::TempDir;

/// Runs `telltaled` with these arguments to its end.
pub(crate) fn telltaled(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_telltaled"))
        .args(arguments)
        .env_remove("NOTIFY_SOCKET")
        .stdin(Stdio::null())
        .output()
        .expect("the program starts")
}

/// What it printed.
pub(crate) fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).expect("UTF-8")
}

/// A file in that folder, as an argument.
pub(crate) fn write(folder: &TempDir, name: &str, text: impl AsRef<[u8]>) -> String {
    let path = folder.path().join(name);
    std::fs::write(&path, text).expect("the folder can be written");
    argument(&path)
}

pub(crate) fn argument(path: &Path) -> String {
    path.to_str().expect("UTF-8").to_owned()
}

/// A file of the project.
pub(crate) fn project(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(path)
}

/// A deployment file for that profile, each bus on the interface of its own name or `can0`.
pub(crate) fn deployment(profile: &Path, buses: &[(&str, &str)]) -> String {
    let bus = |(bus, interface): &(&str, &str)| format!("[bus.{bus}]\ninterface = \"{interface}\"\n");
    let buses = buses.iter().map(bus).collect::<Vec<_>>().concat();
    let profile = profile.display();
    format!(
        "schema = 1\nprofile = \"{profile}\"\n[vehicle]\nid = \"car-0001\"\n{buses}[broker]\nhost = \"localhost\"\n\
         [store]\npath = \"/var/lib/telltale\"\n"
    )
}
