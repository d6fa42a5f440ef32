//! What the profile states of a sensor: how far it can see, how often, how well, and whether it can be believed.

/// The names of the axes, in the order of every array by axis.
pub const AXES: [&str; 3] = ["x", "y", "z"];

/// A sensor of the profile: an index into its list.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SensorIx(pub u8);

/// What is measured.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Quantity {
    /// Specific force along x, y and z in m/s².
    Acceleration,
    /// Rate about x (roll), y (pitch) and z (yaw) in °/s, right-handed.
    AngularRate,
}

/// What the sensor is fixed to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mounting {
    /// The car's structure: what it feels, the car feels.
    Chassis,
    /// A housing that can come loose or be struck (a device in the cabin): believed only beside other evidence.
    Device,
}

/// Whether the profile's signs can be taken at their word.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Orientation {
    /// Known for every car of the model.
    Stated,
    /// Differs between cars of the model: direction is unknown until it has been learnt from driving.
    Learnt,
}

/// One sensor, on up to three axes that share a clock.
#[derive(Debug, Clone, PartialEq)]
pub struct SensorSpec {
    /// The name in the profile, metrics and reports.
    pub name: String,
    /// What it measures; gives the unit of `range` and `noise`.
    pub quantity: Quantity,
    /// Which of x, y, z it has.
    pub axes: [bool; 3],
    /// The largest magnitude that it can report; readings near it are clipped.
    pub range: f32,
    /// Samples a second while its message comes.
    pub rate_hz: f32,
    /// Standard deviation at rest.
    pub noise: f32,
    /// What it is fixed to.
    pub mounting: Mounting,
    /// Whether its signs are known.
    pub orientation: Orientation,
    /// Its message has a checksum or an alive counter, so that a disturbed frame is seen.
    pub is_protected: bool,
}
