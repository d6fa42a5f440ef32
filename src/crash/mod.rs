//! Crashes: recognised from what the CAN shows, graded, recorded, reported.
//!
//! Samples and other evidence go into the classifier in the order of their arrival, verdicts come out. The room is pure
//! and allocates nothing per sample. All quantities are SI; axes are those of ISO 8855: x forwards, y to the left, z up,
//! with 9.81 m/s² on z at rest.

pub mod black_box;
pub mod calibration;
pub mod chain;
pub mod classifier;
pub mod msd;
pub mod observation;
pub mod plot;
mod ring;
pub mod sensor;
pub mod sensor_fault;
pub mod severity;
pub mod thresholds;
pub mod verdict;

pub use calibration::Calibration;
pub use classifier::Classifier;
pub use observation::{Belts, Observation, Restraint, Sample};
pub use sensor::{AXES, Mounting, Orientation, Quantity, SensorIx, SensorSpec};
pub use sensor_fault::{FaultKind, SensorFault};
pub use verdict::{DeltaV, Direction, Evidence, KMH_PER_MPS, Probability, Severity, Side, Stage, Verdict};
