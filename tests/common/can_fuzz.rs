//! What must hold of databases and logs of any bytes. The fuzz targets search for bytes for which it does not; the
//! committed corpora are replayed by `tests/fuzz_corpora.rs`.

use telltale::can::candump::{self, LineError, Lines, MAX_LINE_BYTES};
use telltale::can::dbc::{Dbc, Message};
use telltale::can::encode;
use telltale::can::plan::{Plan, Raw};
use telltale::can::{Frame, FrameKind};

/// Larger databases find nothing new, only slower.
const MAX_DBC_BYTES: usize = 1 << 16;

/// A database is refused with reasons that can be shown, or it decodes, and what is decoded can be encoded again
/// without changing a bit.
pub(crate) fn check_dbc(bytes: &[u8]) {
    if bytes.len() > MAX_DBC_BYTES {
        return;
    }
    let dbc = match Dbc::parse(bytes) {
        Ok(dbc) => dbc,
        Err(findings) => {
            assert!(!findings.is_empty(), "refused without a reason");
            let lines = bytes.split(|byte| *byte == b'\n').count();
            for finding in findings.iter() {
                assert!((1..=lines).contains(&finding.line), "{finding} is outside of the file");
            }
            assert!(!findings.to_string().is_empty());
            return;
        }
    };
    assert!(dbc.warnings.is_empty() == dbc.warnings.to_string().is_empty());
    let Ok(plan) = Plan::compile(&[&dbc], |_, _| true) else { return };
    for message in &dbc.messages {
        for fill in [0x00, 0xFF, 0x01, 0xA5] {
            for length in [usize::from(message.size), 64, 3] {
                check_frame(&plan, message, fill, length);
            }
        }
    }
}

fn check_frame(plan: &Plan, message: &Message, fill: u8, length: usize) {
    let mut payload = vec![fill; length];
    if let Some((first, selector)) = payload.first_mut().zip(message.selector) {
        *first = selector;
    }
    let kind = FrameKind::Fd { brs: false, esi: false };
    let frame = Frame::new(message.id, kind, &payload).expect("at most 64 bytes");
    let mut samples = Vec::new();
    let decoded = plan.decode(&frame, |signal, outcome| samples.push((plan.signal_def(signal).1, outcome)));
    if let Some(found) = decoded {
        assert_eq!(plan.message_def(found).name, message.name);
    } else {
        assert!(length == 0 && message.selector.is_some(), "{} is not recognised", message.name);
    }
    for (signal, outcome) in samples {
        assert_eq!(outcome.is_ok(), signal.needs_bytes() <= length, "{}", signal.name);
        let Ok(sample) = outcome else { continue };
        let mut again = payload.clone();
        let written = encode::put_raw(message, &mut again, &signal.name, sample.raw);
        assert_eq!(written, Ok(()), "{}", signal.name);
        // Hardware may make a signalling NaN a quiet one.
        let is_nan = match sample.raw {
            Raw::Float(raw) => raw.is_nan(),
            Raw::Double(raw) => raw.is_nan(),
            Raw::Unsigned(_) | Raw::Signed(_) => false,
        };
        assert!(again == payload || is_nan, "{} {again:?} {payload:?}", signal.name);
    }
}

/// Every line is seen once however the stream is cut, none is longer than allowed, and what is read can be written
/// and read again.
pub(crate) fn check_candump(bytes: &[u8]) {
    let whole = lines(&[bytes]);
    assert_eq!(whole.len(), bytes.split_inclusive(|byte| *byte == b'\n').count());
    let (front, back) = bytes.split_at(bytes.len() / 3);
    assert_eq!(lines(&[front, back]), whole);
    for (_, line) in &whole {
        let Ok(line) = line else { continue };
        assert!(line.len() <= MAX_LINE_BYTES);
        if let Ok(Some(read)) = candump::parse(line) {
            let text = read.to_string();
            assert_eq!(candump::parse(text.as_bytes()), Ok(Some(read)), "{text}");
        }
    }
}

fn lines(pieces: &[&[u8]]) -> Vec<(u64, Result<Vec<u8>, LineError>)> {
    let mut lines = Lines::default();
    let mut all = Vec::new();
    for piece in pieces {
        lines.feed(piece, |number, line| all.push((number, line.map(<[u8]>::to_vec))));
    }
    lines.finish(|number, line| all.push((number, line.map(<[u8]>::to_vec))));
    all
}
