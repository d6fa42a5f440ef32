//! What must hold of the GNSS receiver for any bytes at all; for the fuzz targets and the tests that replay them.

use telltale::gnss::{Fix, Receiver};
use telltale::time::MonoTime;

/// Feeds `stream` whole and in bytes, and checks every fix.
///
/// # Panics
///
/// When something does not hold.
pub(crate) fn check(stream: &[u8]) {
    let whole = fixes(stream.chunks(1_024));
    for fix in &whole {
        check_fix(fix);
    }
    assert_eq!(whole, fixes(stream.chunks(1)), "the cut of the reads changes the fixes");
}

/// Each line of `data` as a sentence with a right checksum; a line that ends in `!` stays as it is.
#[must_use]
pub(crate) fn with_nmea_checksums(data: &[u8]) -> Vec<u8> {
    let mut stream = Vec::new();
    for line in data.split(|&byte| byte == b'\n') {
        if let Some(raw) = line.strip_suffix(b"!") {
            stream.extend_from_slice(raw);
            continue;
        }
        let sum = line.iter().fold(0, |sum, byte| sum ^ byte);
        stream.push(b'$');
        stream.extend_from_slice(line);
        stream.extend_from_slice(format!("*{sum:02X}\r\n").as_bytes());
    }
    stream
}

/// `data` cut into NAV-PVT payloads of 92 bytes, the last one shorter.
#[must_use]
pub(crate) fn with_ubx_frames(data: &[u8]) -> Vec<u8> {
    let mut stream = Vec::new();
    for payload in data.chunks(92) {
        let length = u8::try_from(payload.len()).unwrap_or(0);
        let summed = [&[0x01, 0x07, length, 0], payload].concat();
        let (a, b) = summed.iter().fold((0_u8, 0_u8), |(a, b), &byte| {
            let a = a.wrapping_add(byte);
            (a, b.wrapping_add(a))
        });
        stream.extend_from_slice(&[0xB5, 0x62]);
        stream.extend_from_slice(&summed);
        stream.extend_from_slice(&[a, b]);
    }
    stream
}

fn fixes<'a>(cuts: impl IntoIterator<Item = &'a [u8]>) -> Vec<Fix> {
    let mut receiver = Receiver::default();
    let mut found = Vec::new();
    for cut in cuts {
        receiver.feed(MonoTime::from_millis(1_000), cut);
        found.extend(std::iter::from_fn(|| receiver.poll_fix()));
    }
    // Each step gives up at least one byte or one epoch, and the buffer holds some two thousand bytes.
    let mut steps = 0;
    while let Some(deadline) = receiver.poll_timeout() {
        receiver.handle_timeout(deadline);
        found.extend(std::iter::from_fn(|| receiver.poll_fix()));
        steps += 1;
        assert!(steps < 5_000, "the receiver does not come to rest");
    }
    assert_eq!(receiver.counters().overrun, 0, "reads of 1 KiB cannot overrun the queue");
    found
}

fn check_fix(fix: &Fix) {
    if let Some(position) = fix.position {
        assert!(position.latitude_deg.abs() <= 90.0 && position.longitude_deg.abs() <= 180.0, "{fix:?}");
    }
    let numbers = [fix.altitude_m, fix.speed_mps, fix.course_deg, fix.accuracy.map(|accuracy| accuracy.horizontal_m)];
    assert!(numbers.into_iter().flatten().all(f64::is_finite), "{fix:?}");
    assert!(fix.course_deg.is_none_or(|course| (0.0..=360.0).contains(&course)), "{fix:?}");
    assert!(fix.speed_mps.is_none_or(|speed| speed >= 0.0), "{fix:?}");
    assert!(fix.accuracy.is_none_or(|accuracy| accuracy.horizontal_m >= 0.0), "{fix:?}");
}
