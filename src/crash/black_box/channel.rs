//! What is recorded beside the samples of the inertial sensors.

/// A slow value. Its number is part of the file format: new ones are added at the end.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
pub enum Channel {
    /// Speed by the wheels, m/s.
    WheelSpeed = 0,
    /// Speed over ground by GNSS, m/s.
    GnssSpeed = 1,
    /// The brake is pressed: 0 or 1.
    Brake = 2,
    /// Accelerator pedal, percent.
    Pedal = 3,
    /// Gear: 0 neutral, positive forwards, negative reverse, 126 park, 127 drive, as VSS counts.
    Gear = 4,
    /// Engine speed, 1/min.
    EngineSpeed = 5,
    /// Seats with a sensor for an occupant, one bit each ([`crate::crash::Belts`]).
    SeatsSensed = 6,
    /// Seats that are occupied, one bit each.
    SeatsOccupied = 7,
    /// Belts that are fastened, one bit each.
    SeatsBelted = 8,
    /// What the airbag control unit reports, one bit for each [`crate::crash::Restraint`].
    Restraints = 9,
    /// The airbag warning lamp is lit: 0 or 1.
    AirbagLamp = 10,
    /// Latitude, degrees north.
    Latitude = 11,
    /// Longitude, degrees east.
    Longitude = 12,
    /// The ignition is on: 0 or 1.
    Ignition = 13,
    /// Buses that are silent, one bit each.
    SilentBuses = 14,
    /// The place was received with privacy mode off, and may stand in a report: 0 or 1.
    PlaceMayBeTold = 15,
    /// Help may be offered after a crash, by consent and privacy mode: 0 or 1; not known while the owner's word is not.
    HelpMayBeOffered = 16,
}

impl Channel {
    /// How many there are.
    pub const COUNT: usize = Self::ALL.len();

    /// In the order of their numbers.
    pub const ALL: [Self; 17] = [
        Self::WheelSpeed,
        Self::GnssSpeed,
        Self::Brake,
        Self::Pedal,
        Self::Gear,
        Self::EngineSpeed,
        Self::SeatsSensed,
        Self::SeatsOccupied,
        Self::SeatsBelted,
        Self::Restraints,
        Self::AirbagLamp,
        Self::Latitude,
        Self::Longitude,
        Self::Ignition,
        Self::SilentBuses,
        Self::PlaceMayBeTold,
        Self::HelpMayBeOffered,
    ];

    /// Its number.
    #[must_use]
    pub const fn index(self) -> usize {
        self as usize
    }

    /// The channel with that number.
    #[must_use]
    pub fn from_index(index: u8) -> Option<Self> {
        Self::ALL.get(usize::from(index)).copied()
    }

    /// The name in exported tables, with its unit.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::WheelSpeed => "wheel_speed_mps",
            Self::GnssSpeed => "gnss_speed_mps",
            Self::Brake => "brake",
            Self::Pedal => "pedal_percent",
            Self::Gear => "gear",
            Self::EngineSpeed => "engine_speed_rpm",
            Self::SeatsSensed => "seats_sensed",
            Self::SeatsOccupied => "seats_occupied",
            Self::SeatsBelted => "seats_belted",
            Self::Restraints => "restraints",
            Self::AirbagLamp => "airbag_lamp",
            Self::Latitude => "latitude_deg",
            Self::Longitude => "longitude_deg",
            Self::Ignition => "ignition",
            Self::SilentBuses => "silent_buses",
            Self::PlaceMayBeTold => "place_may_be_told",
            Self::HelpMayBeOffered => "help_may_be_offered",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_list_is_in_the_order_of_the_numbers() {
        for (index, channel) in (0_u8..).zip(Channel::ALL) {
            assert_eq!(channel.index(), usize::from(index));
            assert_eq!(Channel::from_index(index), Some(channel));
        }
        assert_eq!(Channel::from_index(u8::MAX), None);
    }
}
