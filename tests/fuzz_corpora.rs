//! The fuzz corpora, replayed: what the fuzzer found once, or needs to begin with, holds in every build.

#![expect(clippy::expect_used, clippy::panic, reason = "a test stops at the first surprise")]

use std::path::Path;

#[path = "common/blackbox_fuzz.rs"]
mod blackbox_fuzz;
#[path = "common/can_fuzz.rs"]
mod can_fuzz;
#[path = "common/config_files.rs"]
mod config_files;
#[path = "common/gateway_inputs.rs"]
mod gateway_inputs;
#[path = "common/gnss_stream.rs"]
mod gnss_stream;
#[path = "common/msd_fuzz.rs"]
mod msd_fuzz;
#[path = "common/tiny_profile.rs"]
mod tiny_profile;

#[test]
fn blackbox() {
    let mut found = 0;
    replay("blackbox", |data| found += blackbox_fuzz::check(data));
    assert!(found >= 4, "the fuzzer must begin behind the checksums: {found} records found");
}

#[test]
fn candump() {
    replay("candump", can_fuzz::check_candump);
}

#[test]
fn dbc() {
    replay("dbc", can_fuzz::check_dbc);
}

#[test]
fn deployment() {
    let mut accepted = 0;
    replay("deployment", |data| accepted += usize::from(config_files::check(data)));
    assert!(accepted >= 4, "the fuzzer must begin behind the parsers: {accepted} accepted");
}

#[test]
fn gateway() {
    replay("gateway", gateway_inputs::check);
}

#[test]
fn msd() {
    let mut found = 0;
    replay("msd", |data| found += msd_fuzz::check(data));
    assert!(found >= 6, "the fuzzer must begin behind the parsers: {found} messages found");
}

#[test]
fn nmea() {
    replay("nmea", |data| gnss_stream::check(&gnss_stream::with_nmea_checksums(data)));
}

#[test]
fn ubx() {
    replay("ubx", |data| {
        gnss_stream::check(data);
        gnss_stream::check(&gnss_stream::with_ubx_frames(data));
    });
}

fn replay(target: &str, mut check: impl FnMut(&[u8])) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/corpus").join(target);
    let mut paths: Vec<_> = std::fs::read_dir(&folder)
        .expect("the corpus can be read")
        .map(|entry| entry.expect("the entry can be read").path())
        .collect();
    paths.sort();
    assert!(!paths.is_empty(), "{} is empty", folder.display());
    for path in paths {
        eprintln!("{}", path.display());
        check(&std::fs::read(&path).expect("the input can be read"));
    }
}
