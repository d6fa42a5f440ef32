//! The car that the simulator plays, as a deployment would name it.

use std::path::Path;

use telltale::config::Config;

const DEPLOYMENT: &str = r#"
schema = 1
profile = "demo-phev"
[bus.powertrain]
interface = "powertrain"
[bus.body]
interface = "body"
[bus.energy]
interface = "energy"
[broker]
host = "localhost"
[store]
path = "/var/lib/telltale"
[vehicle]
id = "car-0001"
"#;

/// The deployment, with more lines of `[vehicle]` and more sections after it.
pub(crate) fn config(more: &str) -> Config {
    let text = format!("{DEPLOYMENT}{more}");
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("profiles/car.toml");
    let read = |path: &Path| if path == file { Ok(text.clone().into_bytes()) } else { std::fs::read(path) };
    Config::load(&file, &read).unwrap_or_else(|problems| panic!("{problems}"))
}
