//! What goes wrong is seen on the metrics page, and every series of the page stands in the handbook.
#![expect(clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

#[path = "common/setup.rs"]
mod setup;
#[path = "common/small_profile.rs"]
mod small_profile;

use std::collections::BTreeSet;

use telltale::can::{BusId, CanId, Frame, FrameKind};
use telltale::gateway::{Gateway, Input};
use telltale::metrics::Exposition;
use telltale::time::MonoTime;

use setup::setup;

const HANDBOOK: &str = include_str!("../docs/operations.md");

fn gateway() -> Gateway {
    let setup = setup("car", small_profile::small());
    Gateway::new(MonoTime::ZERO, setup).expect("a gateway")
}

/// A frame whose checksum is wrong, if it has one.
fn frame(id: u32) -> Frame {
    Frame::new(CanId::base(id).expect("11 bits"), FrameKind::Data, &[0xFF; 8]).expect("8 bytes")
}

fn page(gateway: &Gateway) -> String {
    let mut page = Exposition::default();
    gateway.expose(&mut page);
    page.into_text()
}

fn figure(page: &str, series: &str) -> f64 {
    let line = page.lines().find(|line| line.starts_with(series)).expect("the series is there");
    line.rsplit(' ').next().and_then(|figure| figure.parse().ok()).expect("a number")
}

#[test]
fn garbage_is_counted_where_people_look() {
    let mut gateway = gateway();
    gateway.handle(MonoTime::from_millis(1), Input::Gnss(&[0x00; 300]));
    gateway.handle(MonoTime::from_millis(2), Input::Gnss(b"$GPGGA,nonsense*00\r\n\xB5\x62\x01\x07"));
    gateway.handle(MonoTime::from_millis(9_000), Input::Timeout);
    let unknown = frame(0x7FF);
    let wrong = frame(0x100);
    gateway.handle(MonoTime::from_millis(9_001), Input::Frame(BusId(0), &unknown));
    gateway.handle(MonoTime::from_millis(9_002), Input::Frame(BusId(0), &wrong));
    let page = page(&gateway);
    assert!(figure(&page, "telltale_gnss_garbage_bytes_total") >= 300.0, "{page}");
    for series in [
        "telltale_gnss_discarded_total{cause=\"nmea_checksum\"}",
        "telltale_gnss_discarded_total{cause=\"unfinished\"}",
        "telltale_frames_unknown_total{bus=\"pt\"}",
        "telltale_decode_errors_total{bus=\"pt\",cause=\"checksum\"}",
    ] {
        assert_eq!(figure(&page, series).to_bits(), 1_f64.to_bits(), "{series}\n{page}");
    }
}

#[test]
fn every_series_stands_in_the_handbook() {
    let page = page(&gateway());
    let series: BTreeSet<&str> =
        page.lines().filter_map(|line| line.strip_prefix("# HELP ")?.split(' ').next()).collect();
    let silent: Vec<_> = series.iter().filter(|name| !HANDBOOK.contains(&format!("`{name}`"))).collect();
    assert!(silent.is_empty(), "not in docs/operations.md: {silent:?}");
    assert!(series.len() > 30, "{series:?}");
}
