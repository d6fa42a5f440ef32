//! The control file: what must be known before the store is open, and what tells whether it opened as it was left.
//!
//! | bytes | what |
//! |---|---|
//! | 0..8 | magic `TELLTALE` |
//! | 8..12 | version, 1 |
//! | 12..16 | starts of the daemon so far |
//! | 16..24 | generation: the store lives in `data.<generation>` |
//! | 24..32 | mark: commits that the store is known to hold |
//! | 32..36 | CRC-32 (IEEE 802.3) of all before |
//!
//! All numbers are little-endian. It is replaced as a whole: temporary file, fsync, rename, fsync of the directory.

use std::fs::{self, File};
use std::io::{self, Write};
use std::path::Path;

const NAME: &str = "control";
const TEMPORARY: &str = "control.new";
const MAGIC: [u8; 8] = *b"TELLTALE";
const VERSION: u32 = 1;
const BYTES: usize = 36;

/// The contents of the control file.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Control {
    /// Starts of the daemon on this store, the running one included.
    pub boots: u32,
    /// Which of the directories `data.<generation>` is the store.
    pub generation: u64,
    /// The store held this many commits, or more, when this was written.
    pub mark: u64,
}

impl Control {
    /// What the file in `dir` says; none when there is no file, or none that can be trusted.
    pub(super) fn read(dir: &Path) -> io::Result<Option<Self>> {
        match fs::read(dir.join(NAME)) {
            Ok(bytes) => Ok(Self::parse(&bytes)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Replaces the file in `dir`; durable when it returns.
    pub(super) fn write(&self, dir: &Path) -> io::Result<()> {
        let temporary = dir.join(TEMPORARY);
        let mut file = File::create(&temporary)?;
        file.write_all(&self.bytes())?;
        file.sync_all()?;
        fs::rename(&temporary, dir.join(NAME))?;
        File::open(dir)?.sync_all()
    }

    fn bytes(self) -> [u8; BYTES] {
        let mut bytes = [0; BYTES];
        bytes[..8].copy_from_slice(&MAGIC);
        bytes[8..12].copy_from_slice(&VERSION.to_le_bytes());
        bytes[12..16].copy_from_slice(&self.boots.to_le_bytes());
        bytes[16..24].copy_from_slice(&self.generation.to_le_bytes());
        bytes[24..32].copy_from_slice(&self.mark.to_le_bytes());
        let crc = crc32fast::hash(&bytes[..32]);
        bytes[32..].copy_from_slice(&crc.to_le_bytes());
        bytes
    }

    fn parse(bytes: &[u8]) -> Option<Self> {
        let bytes: &[u8; BYTES] = bytes.try_into().ok()?;
        let control = Self {
            boots: u32::from_le_bytes(bytes[12..16].try_into().ok()?),
            generation: u64::from_le_bytes(bytes[16..24].try_into().ok()?),
            mark: u64::from_le_bytes(bytes[24..32].try_into().ok()?),
        };
        (control.bytes() == *bytes).then_some(control)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_damaged_byte_and_every_length_is_noticed() {
        let control = Control { boots: 7, generation: 3, mark: 99 };
        let good = control.bytes();
        assert_eq!(Control::parse(&good), Some(control));
        for at in 0..good.len() {
            let mut bad = good;
            bad[at] ^= 0x40;
            assert_eq!(Control::parse(&bad), None, "byte {at}");
            assert_eq!(Control::parse(&good[..at]), None, "length {at}");
        }
        assert_eq!(Control::parse(&[good.as_slice(), &[0]].concat()), None);
    }

    #[test]
    fn what_was_written_is_read_and_a_missing_file_is_none() {
        let dir = tempfile::tempdir().unwrap();
        assert_eq!(Control::read(dir.path()).unwrap(), None);
        let control = Control { boots: 1, generation: 1, mark: 0 };
        control.write(dir.path()).unwrap();
        assert_eq!(Control::read(dir.path()).unwrap(), Some(control));
    }
}
