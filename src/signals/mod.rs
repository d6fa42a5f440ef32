//! What the vehicle is known to be doing: named values with their quality and time.

pub mod inertial;
pub mod intake;
pub mod keep;
pub mod overlay;
pub mod publish;
pub mod render;
pub mod table;
pub mod value;
pub mod vss;

pub use table::{Datatype, SignalDef, Signals, TableError};
pub use value::{At, Cause, Quality, Reading, SignalId, Value};
