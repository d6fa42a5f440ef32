//! The vehicle identification number.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use super::InvalidValue;

/// Its length (ISO 3779).
const LENGTH: usize = 17;

/// A vehicle identification number (ISO 3779): 17 of the digits and the capital letters except I, O and Q.
#[derive(Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Vin([u8; LENGTH]);

impl Vin {
    /// Its characters.
    #[must_use]
    pub fn as_str(&self) -> &str {
        // Only ASCII gets in.
        std::str::from_utf8(&self.0).unwrap_or_default()
    }
}

impl FromStr for Vin {
    type Err = InvalidValue;

    fn from_str(text: &str) -> Result<Self, InvalidValue> {
        let invalid = |value: String, remedy| InvalidValue {
            field: "vin",
            value,
            range: "17 of the digits and the capital letters except I, O and Q",
            remedy,
        };
        if let Some((position, wrong)) = text.chars().enumerate().find(|(_, character)| !is_allowed(*character)) {
            let value = format!("wrong at character {} ({wrong:?})", position + 1);
            return Err(invalid(value, "copy it from the registration papers"));
        }
        let Ok(characters) = <[u8; LENGTH]>::try_from(text.as_bytes()) else {
            return Err(invalid(format!("{} characters long", text.len()), "give all 17 characters"));
        };
        Ok(Self(characters))
    }
}

const fn is_allowed(character: char) -> bool {
    matches!(character, '0'..='9' | 'A'..='H' | 'J'..='N' | 'P' | 'R'..='Z')
}

impl fmt::Display for Vin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl fmt::Debug for Vin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self.as_str(), f)
    }
}

impl TryFrom<String> for Vin {
    type Error = InvalidValue;

    fn try_from(text: String) -> Result<Self, InvalidValue> {
        text.parse()
    }
}

impl From<Vin> for String {
    fn from(vin: Vin) -> Self {
        vin.as_str().to_owned()
    }
}
