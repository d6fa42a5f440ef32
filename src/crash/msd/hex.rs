//! Bytes as text: two hexadecimal digits each.

use std::fmt::Write as _;

/// Why a text is no hex.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum HexError {
    /// Something else stands there.
    #[error("character {position} is {found:?}, which is no hexadecimal digit: give digits and A to F only")]
    Digit {
        /// Counted from 1.
        position: usize,
        /// What stands there.
        found: char,
    },
    /// A digit is missing somewhere.
    #[error("the number of hexadecimal digits is odd ({digits}): two make a byte")]
    Odd {
        /// How many there are.
        digits: usize,
    },
}

/// Capital digits.
#[must_use]
pub fn encode(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(2 * bytes.len());
    for byte in bytes {
        // Writing to a string cannot fail.
        let _ = write!(text, "{byte:02X}");
    }
    text
}

/// Capital or small digits, nothing between.
pub fn decode(text: &str) -> Result<Vec<u8>, HexError> {
    let digits = text
        .chars()
        .enumerate()
        .map(|(index, found)| found.to_digit(16).ok_or(HexError::Digit { position: index + 1, found }))
        .collect::<Result<Vec<u32>, _>>()?;
    let (pairs, rest) = digits.as_chunks::<2>();
    if !rest.is_empty() {
        return Err(HexError::Odd { digits: digits.len() });
    }
    #[expect(clippy::cast_possible_truncation, reason = "two digits make 8 bits")]
    Ok(pairs.iter().map(|[high, low]| (high << 4 | low) as u8).collect())
}
