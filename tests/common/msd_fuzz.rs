//! What must hold of a minimum set of data of any bytes. The fuzz target searches for bytes for which it does not; the
//! committed corpus is replayed by `tests/fuzz_corpora.rs`.

use telltale::crash::msd::{EncodeError, MAX_BYTES, Msd};

/// Bytes are refused with a reason that can be shown, or they are a message, which says the same after it has been
/// written in its canonical form, and in JSON. The bytes are taken as a message, as the content of one of either
/// version, and as JSON. How many messages were found.
pub(crate) fn check(bytes: &[u8]) -> usize {
    let as_message = check_message(bytes);
    let as_content = [2, 3].map(|version| framed(version, bytes).is_some_and(|framed| check_message(&framed)));
    let as_json = serde_json::from_slice::<Msd>(bytes).is_ok_and(|msd| check_json(&msd));
    [as_message, as_content[0], as_content[1], as_json].into_iter().filter(|found| *found).count()
}

/// A content with its version and its length before it, so that the fuzzer gets past them.
fn framed(version: u8, content: &[u8]) -> Option<Vec<u8>> {
    let length = u8::try_from(content.len()).ok().filter(|length| *length < 0x80)?;
    Some([&[version, length], content].concat())
}

fn check_message(bytes: &[u8]) -> bool {
    let msd = match Msd::decode(bytes) {
        Ok(msd) => msd,
        Err(error) => {
            assert!(!error.to_string().is_empty());
            return false;
        }
    };
    let canonical = msd.encode().expect("what was read can be written");
    assert!(canonical.len() <= bytes.len(), "the canonical form is the shortest");
    assert_eq!(Msd::decode(&canonical).as_ref(), Ok(&msd));
    let json = serde_json::to_string(&msd).expect("it has a JSON form");
    assert_eq!(serde_json::from_str::<Msd>(&json).ok().as_ref(), Some(&msd), "{json}");
    true
}

fn check_json(msd: &Msd) -> bool {
    match msd.encode() {
        Ok(bytes) => {
            assert!(bytes.len() <= MAX_BYTES);
            assert_eq!(Msd::decode(&bytes).as_ref(), Ok(msd));
            true
        }
        Err(EncodeError::Encoder { why }) => panic!("the types allow what the encoder refuses: {why}"),
        Err(_) => false,
    }
}
