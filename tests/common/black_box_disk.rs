//! The file of a black box in memory, as a disk would hold it.
#![expect(clippy::expect_used, reason = "a file of a few million bytes fits into memory")]

use telltale::crash::black_box::{Contents, FILE_BYTES, SLOT_BYTES, SLOTS, Slot, Survey};

/// A black box that was just made.
pub(crate) fn made() -> Vec<u8> {
    vec![0; usize::try_from(FILE_BYTES).expect("a few million")]
}

/// Writes these bytes there.
pub(crate) fn put(file: &mut [u8], offset: u64, bytes: &[u8]) {
    let at = usize::try_from(offset).expect("within the file");
    file[at..at + bytes.len()].copy_from_slice(bytes);
}

/// What it holds, with the records of the slots that are wanted.
pub(crate) fn read(file: &[u8], wanted: impl Fn(&Slot) -> bool) -> Contents {
    let (table, slots) = file.split_at(file.len() - SLOTS * SLOT_BYTES);
    let mut survey = Survey::new(table);
    for (index, slot) in slots.chunks(SLOT_BYTES).enumerate() {
        survey.slot(index, slot, &wanted);
    }
    survey.finish()
}
