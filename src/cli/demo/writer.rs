//! The simulated car's end of a real CAN interface.

use std::io;

use socketcan::{
    CanAnyFrame, CanDataFrame, CanFdFrame, CanFdSocket, CanRemoteFrame, EmbeddedFrame, ExtendedId, Id, Socket,
    StandardId, id::FdFlags,
};

use crate::can::{Frame, FrameKind};

/// Sends frames.
pub(super) struct CanWriter(CanFdSocket);

impl CanWriter {
    /// Opens an interface that is there and up.
    pub(super) fn open(interface: &str) -> io::Result<Self> {
        let fail = |error: io::Error| io::Error::new(error.kind(), format!("opening {interface}: {error}"));
        CanFdSocket::open(interface).map(Self).map_err(fail)
    }

    /// Puts a frame into the transmit queue.
    pub(super) fn send(&self, frame: &Frame) -> io::Result<()> {
        let invalid = || io::Error::from(io::ErrorKind::InvalidInput);
        let raw = frame.id().raw();
        let id = if frame.id().is_extended() {
            Id::from(ExtendedId::new(raw).ok_or_else(invalid)?)
        } else {
            Id::from(StandardId::new(u16::try_from(raw).map_err(|_| invalid())?).ok_or_else(invalid)?)
        };
        let any: CanAnyFrame = match frame.kind() {
            FrameKind::Data => CanDataFrame::new(id, frame.payload()).ok_or_else(invalid)?.into(),
            FrameKind::Remote => CanRemoteFrame::new_remote(id, frame.len()).ok_or_else(invalid)?.into(),
            FrameKind::Fd { brs, .. } => {
                let flags = if brs { FdFlags::BRS } else { FdFlags::empty() };
                CanFdFrame::with_flags(id, frame.payload(), flags).ok_or_else(invalid)?.into()
            }
            FrameKind::Error => return Err(invalid()),
        };
        self.0.write_frame(&any)
    }
}
