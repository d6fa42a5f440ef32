//! Values cut into rows small enough that sled keeps all of them in its log.
//!
//! sled writes a page above 128 KiB (a quarter of its segment) to a file of its own, never syncs it, and removes the old
//! one at once: a power cut then loses what was committed long ago. A leaf holds up to 16 rows, and for moments a few
//! more, so a row of 4 KiB keeps each page below 96 KiB.
//!
//! Key: the name (a position as 8 bytes big-endian, or a text and a zero byte), then the number of the row.
//! Row 0 begins with the length of the value in 4 bytes little-endian; the rest is the value's bytes in order.

/// The largest value (bytes).
pub const VALUE_MAX: usize = 64 * 1024;

/// The payload of a row (bytes).
const ROW_BYTES: usize = 4096;

const LENGTH_BYTES: usize = 4;

/// The key of a row: the name, then its number.
pub(super) fn key(name: &[u8], row: u8) -> Vec<u8> {
    [name, &[row]].concat()
}

/// The rows of a value; the caller has checked that it is not longer than [`VALUE_MAX`].
pub(super) fn cut(value: &[u8]) -> impl Iterator<Item = (u8, Vec<u8>)> {
    let length = u32::try_from(value.len()).unwrap_or(u32::MAX).to_le_bytes();
    let all = [&length, value].concat();
    let rows: Vec<Vec<u8>> = all.chunks(ROW_BYTES).map(<[u8]>::to_vec).collect();
    (0_u8..).zip(rows)
}

/// Puts rows together again; feed them in key order.
#[derive(Debug, Default)]
pub(super) struct Join {
    current: Option<(Vec<u8>, Vec<u8>)>,
}

impl Join {
    /// Takes the next row; returns the value before it when this one begins another.
    pub(super) fn push(&mut self, key: &[u8], row: &[u8]) -> Option<(Vec<u8>, Vec<u8>)> {
        let (_, name) = key.split_last()?;
        match &mut self.current {
            Some((current, bytes)) if current == name => {
                bytes.extend_from_slice(row);
                None
            }
            _ => self.current.replace((name.to_vec(), row.to_vec())).and_then(whole),
        }
    }

    /// The last value.
    pub(super) fn finish(self) -> Option<(Vec<u8>, Vec<u8>)> {
        self.current.and_then(whole)
    }
}

/// Cuts off the length and what an earlier, longer value of that name left behind; none when something is missing.
fn whole((name, bytes): (Vec<u8>, Vec<u8>)) -> Option<(Vec<u8>, Vec<u8>)> {
    let (length, rest) = bytes.split_first_chunk::<LENGTH_BYTES>()?;
    let value = rest.get(..usize::try_from(u32::from_le_bytes(*length)).ok()?)?;
    Some((name, value.to_vec()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_cut_is_joined_whatever_its_length() {
        let lengths = [0, 1, ROW_BYTES - 5, ROW_BYTES - 4, ROW_BYTES - 3, ROW_BYTES, 2 * ROW_BYTES, VALUE_MAX];
        let values: Vec<Vec<u8>> = lengths.iter().map(|&length| vec![7; length]).collect();
        let mut join = Join::default();
        let mut joined = Vec::new();
        for (value, position) in values.iter().zip(0_u64..) {
            for (row, bytes) in cut(value) {
                assert!(bytes.len() <= ROW_BYTES);
                joined.extend(join.push(&key(&position.to_be_bytes(), row), &bytes));
            }
        }
        joined.extend(join.finish());
        assert_eq!(joined.into_iter().map(|(_, value)| value).collect::<Vec<_>>(), values);
    }

    #[test]
    fn rows_left_behind_by_a_longer_value_are_not_seen_and_a_missing_row_is() {
        let long: Vec<_> = cut(&[1; 3 * ROW_BYTES]).collect();
        let short: Vec<_> = cut(&[2; 10]).collect();
        let mut join = Join::default();
        for (row, bytes) in short.iter().chain(&long[1..]) {
            join.push(&key(b"a", *row), bytes);
        }
        assert_eq!(join.finish(), Some((b"a".to_vec(), vec![2; 10])));
        let mut join = Join::default();
        for (row, bytes) in &long[..2] {
            join.push(&key(b"a", *row), bytes);
        }
        assert_eq!(join.finish(), None);
    }
}
