//! Optional additional data: an object identifier that says what the data are, and the data.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use super::{EncodeError, IncidentInformation, InvalidValue, hex};

/// EN 15722 leaves so many bytes for the data.
pub const MAX_ADDITIONAL_DATA_BYTES: usize = 94;

/// Data beyond what every vehicle sends.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "Form", into = "Form")]
pub struct AdditionalData {
    oid: RelativeOid,
    data: Vec<u8>,
}

impl AdditionalData {
    /// Any data under the identifier that says what they are.
    pub fn new(oid: RelativeOid, data: Vec<u8>) -> Result<Self, InvalidValue> {
        if data.len() > MAX_ADDITIONAL_DATA_BYTES {
            return Err(InvalidValue {
                field: "additional_data.data_hex",
                value: format!("{} bytes long", data.len()),
                range: "at most 94 bytes",
                remedy: "leave out what the rescue does not need",
            });
        }
        Ok(Self { oid, data })
    }

    /// What the data are.
    #[must_use]
    pub const fn oid(&self) -> &RelativeOid {
        &self.oid
    }

    /// The data.
    #[must_use]
    pub fn data(&self) -> &[u8] {
        &self.data
    }

    /// The data as the incident information of Euro NCAP, when they are that and nothing else.
    #[must_use]
    pub fn incident_information(&self) -> Option<IncidentInformation> {
        if self.oid != RelativeOid::euro_ncap() {
            return None;
        }
        IncidentInformation::decode(&self.data)
    }
}

impl TryFrom<IncidentInformation> for AdditionalData {
    type Error = EncodeError;

    fn try_from(information: IncidentInformation) -> Result<Self, EncodeError> {
        Ok(Self { oid: RelativeOid::euro_ncap(), data: information.encode()? })
    }
}

/// The JSON form: `data_hex`, and the same readable where it is incident information. One of the two is enough.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Form {
    oid: RelativeOid,
    data_hex: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    incident_information: Option<IncidentInformation>,
}

impl TryFrom<Form> for AdditionalData {
    type Error = String;

    fn try_from(form: Form) -> Result<Self, String> {
        let data = form.data_hex.map(|text| hex::decode(&text)).transpose();
        let data = data.map_err(|error| format!("additional_data.data_hex: {error}"))?;
        let given =
            data.map(|data| Self::new(form.oid.clone(), data)).transpose().map_err(|error| error.to_string())?;
        let made = form.incident_information.map(Self::try_from).transpose().map_err(|error| error.to_string())?;
        match (given, made) {
            (_, Some(made)) if made.oid != form.oid => {
                Err(format!("additional_data.incident_information goes with oid {}, not {}", made.oid, form.oid))
            }
            (Some(given), Some(made)) if given != made => {
                Err("additional_data.data_hex and .incident_information say different things: leave one out".to_owned())
            }
            (Some(data), _) | (None, Some(data)) => Ok(data),
            (None, None) => Err("additional_data needs data_hex or incident_information".to_owned()),
        }
    }
}

impl From<AdditionalData> for Form {
    fn from(data: AdditionalData) -> Self {
        Self {
            data_hex: Some(hex::encode(&data.data)),
            incident_information: data.incident_information(),
            oid: data.oid,
        }
    }
}

/// A relative object identifier, `8.1` say, below the one of the registry for additional data.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct RelativeOid(Vec<u32>);

impl RelativeOid {
    /// Euro NCAP Technical Bulletin TB 040, annex A.2.
    #[must_use]
    pub fn euro_ncap() -> Self {
        Self(vec![8, 1])
    }

    /// The content of its encoding (X.690 §8.20): seven bits a byte, the high bit on all but the last byte of an arc.
    pub(super) fn to_bytes(&self) -> Vec<u8> {
        let mut bytes = Vec::new();
        for arc in &self.0 {
            let groups = (1..5).rev().map(|group| arc >> (7 * group)).skip_while(|rest| *rest == 0);
            bytes.extend(groups.map(|rest| low_seven_bits(rest) | 0x80));
            bytes.push(low_seven_bits(*arc));
        }
        bytes
    }

    /// The reverse.
    pub(super) fn from_bytes(bytes: &[u8]) -> Result<Self, InvalidValue> {
        let invalid = || InvalidValue {
            field: "additional_data.oid",
            value: hex::encode(bytes),
            range: "a relative object identifier with arcs below 2^32",
            remedy: "check that no byte is missing",
        };
        let mut arcs = Vec::new();
        for arc in bytes.split_inclusive(|byte| byte & 0x80 == 0) {
            let is_shortest = arc.first() != Some(&0x80);
            let is_whole = arc.last().is_some_and(|byte| byte & 0x80 == 0);
            let value =
                arc.iter().try_fold(0_u32, |value, byte| Some(value.checked_mul(0x80)? | u32::from(byte & 0x7F)));
            arcs.push(value.filter(|_| is_shortest && is_whole).ok_or_else(invalid)?);
        }
        if arcs.is_empty() { Err(invalid()) } else { Ok(Self(arcs)) }
    }
}

const fn low_seven_bits(value: u32) -> u8 {
    (value & 0x7F) as u8
}

impl FromStr for RelativeOid {
    type Err = InvalidValue;

    fn from_str(text: &str) -> Result<Self, InvalidValue> {
        let arcs = text.split('.').map(|arc| arc.parse().ok()).collect::<Option<Vec<u32>>>();
        arcs.map(Self).ok_or_else(|| InvalidValue {
            field: "additional_data.oid",
            value: format!("{text:?}"),
            range: "numbers below 2^32 with dots between",
            remedy: "write 8.1 for Euro NCAP's incident information",
        })
    }
}

impl fmt::Display for RelativeOid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (position, arc) in self.0.iter().enumerate() {
            let dot = if position == 0 { "" } else { "." };
            write!(f, "{dot}{arc}")?;
        }
        Ok(())
    }
}

impl TryFrom<String> for RelativeOid {
    type Error = InvalidValue;

    fn try_from(text: String) -> Result<Self, InvalidValue> {
        text.parse()
    }
}

impl From<RelativeOid> for String {
    fn from(oid: RelativeOid) -> Self {
        oid.to_string()
    }
}
