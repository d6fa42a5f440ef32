//! Additional data about the crash itself: the incident information of Euro NCAP Technical Bulletin TB 040, annex A.2.

use serde::{Deserialize, Serialize};

use super::{EncodeError, InvalidValue, wire};

/// What the vehicle measures at least, if it measures the change of velocity at all.
const MIN_RANGE_LIMIT_KMH: u8 = 100;
/// Nine bits.
const MAX_DELTA_V_KMH: i16 = 255;

/// Where the vehicle was hit, how hard, and whether it rolled over.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct IncidentInformation {
    /// Where the vehicle was hit.
    pub location_of_impact: ImpactLocation,
    /// Whether it rolled over; nothing where it has no means to tell.
    pub rollover_detected: Option<bool>,
    /// How its velocity changed.
    pub delta_v: DeltaV,
}

impl IncidentInformation {
    pub(super) fn encode(self) -> Result<Vec<u8>, EncodeError> {
        let DeltaV { range_limit_kmh, x_kmh, y_kmh } = self.delta_v;
        let info = wire::IncInfo {
            location_of_impact: wire::IiLocation { is_extension: false, index: self.location_of_impact as u8 },
            rollover_detected: self.rollover_detected,
            delta_v: wire::IiDeltaV { range_limit: range_limit_kmh, delta_vx: x_kmh, delta_vy: y_kmh },
        };
        wire::encode(&info).map_err(|why| EncodeError::Encoder { why })
    }

    /// Nothing where the bytes are no incident information, or hold more than this type.
    pub(super) fn decode(bytes: &[u8]) -> Option<Self> {
        let (info, _) = wire::decode::<wire::IncInfo>(bytes).ok()?;
        let delta_v = info.delta_v;
        let this = Self {
            location_of_impact: *ImpactLocation::ALL.get(usize::from(info.location_of_impact.index))?,
            rollover_detected: info.rollover_detected,
            delta_v: DeltaV::new(delta_v.range_limit, delta_v.delta_vx, delta_v.delta_vy).ok()?,
        };
        this.encode().is_ok_and(|again| again == bytes).then_some(this)
    }
}

/// Where the vehicle was hit, in the order of the bulletin's enumeration.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ImpactLocation {
    /// Not known.
    Unknown,
    /// Nowhere: a rollover without an impact, say.
    None,
    /// At the front.
    Front,
    /// At the rear.
    Rear,
    /// At the driver's side.
    DriverSide,
    /// At the side opposite of the driver's.
    NonDriverSide,
    /// Elsewhere.
    Other,
}

impl ImpactLocation {
    /// All, in the order of the bulletin's enumeration.
    pub(super) const ALL: [Self; 7] =
        [Self::Unknown, Self::None, Self::Front, Self::Rear, Self::DriverSide, Self::NonDriverSide, Self::Other];
}

/// The change of velocity in the crash: x along the vehicle, negative when it is hit from the front; y across.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "DeltaVForm", into = "DeltaVForm")]
#[expect(clippy::struct_field_names, reason = "the unit stands last in a name")]
pub struct DeltaV {
    range_limit_kmh: u8,
    x_kmh: i16,
    y_kmh: i16,
}

impl DeltaV {
    /// The largest change that the vehicle can measure, 100 to 255 km/h, and the changes that it measured, ±255 km/h.
    pub fn new(range_limit_kmh: u8, x_kmh: i16, y_kmh: i16) -> Result<Self, InvalidValue> {
        if range_limit_kmh < MIN_RANGE_LIMIT_KMH {
            return Err(InvalidValue {
                field: "delta_v.range_limit_kmh",
                value: range_limit_kmh.to_string(),
                range: "from 100 to 255 km/h",
                remedy: "leave the incident information out when the vehicle measures less",
            });
        }
        for (field, value) in [("delta_v.x_kmh", x_kmh), ("delta_v.y_kmh", y_kmh)] {
            if !(-MAX_DELTA_V_KMH..=MAX_DELTA_V_KMH).contains(&value) {
                return Err(InvalidValue {
                    field,
                    value: value.to_string(),
                    range: "from -255 to 255 km/h",
                    remedy: "give the limit instead",
                });
            }
        }
        Ok(Self { range_limit_kmh, x_kmh, y_kmh })
    }
}

/// The JSON form of a [`DeltaV`].
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[expect(clippy::struct_field_names, reason = "the unit stands last in a name")]
struct DeltaVForm {
    range_limit_kmh: u8,
    x_kmh: i16,
    y_kmh: i16,
}

impl TryFrom<DeltaVForm> for DeltaV {
    type Error = InvalidValue;

    fn try_from(form: DeltaVForm) -> Result<Self, InvalidValue> {
        Self::new(form.range_limit_kmh, form.x_kmh, form.y_kmh)
    }
}

impl From<DeltaV> for DeltaVForm {
    fn from(delta_v: DeltaV) -> Self {
        Self { range_limit_kmh: delta_v.range_limit_kmh, x_kmh: delta_v.x_kmh, y_kmh: delta_v.y_kmh }
    }
}
