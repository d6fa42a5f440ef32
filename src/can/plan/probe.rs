//! One signal, taken out of a frame without the plan.

use crate::can::dbc::Signal;
use crate::can::frame::Frame;

use super::{Op, Sample, SignalIx, TooShort, compile};

/// Takes one signal out of the frames of its message, for those who need a few of many, in an order of their own. It
/// looks at no multiplexor: use it for signals that are always there.
#[derive(Debug, Clone, PartialEq)]
pub struct Probe(Op);

impl Probe {
    /// For a signal of a checked database.
    #[must_use]
    pub fn new(signal: &Signal) -> Self {
        Self(compile::op(signal, SignalIx(0)))
    }

    /// The signal in a frame that is known to be its message.
    #[inline]
    pub fn sample(&self, frame: &Frame) -> Result<Sample, TooShort> {
        if frame.len() < usize::from(self.0.needs) {
            return Err(TooShort);
        }
        Ok(self.0.sample(frame.padded()))
    }
}
