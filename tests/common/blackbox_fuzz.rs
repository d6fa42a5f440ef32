//! What must hold of a black box of any bytes. The fuzz target searches for bytes for which it does not; the committed
//! corpus is replayed by `tests/fuzz_corpora.rs`.

use telltale::crash::black_box::{PAGE_BYTES, SLOTS, Survey, Tables};

/// Slots are cut this short, so that the fuzzer finds their blocks.
const SLOT_PAGES: usize = 3;

/// Whatever the file holds, it is read without a panic: what is found is in the order of time, each record has its slot,
/// and its tables can be made. The input is two pages of tables and three pages for each slot; each page may be given in
/// short, ended by a byte 0xFF 0xFE. How many records were found.
pub(crate) fn check(bytes: &[u8]) -> usize {
    let file = pages(bytes);
    let (table, slots) = file.split_at(file.len().min(2 * PAGE_BYTES));
    let mut survey = Survey::new(table);
    for (index, slot) in slots.chunks(SLOT_PAGES * PAGE_BYTES).enumerate().take(SLOTS + 1) {
        survey.slot(index, slot, |_| true);
    }
    let contents = survey.finish();
    assert!(contents.recordings.is_sorted_by_key(|recording| recording.slot.record));
    for recording in &contents.recordings {
        assert!(recording.samples.is_sorted_by_key(|sample| sample.at));
        assert!(recording.values.is_sorted_by_key(|value| value.at));
        assert!(contents.header.slots.contains(&recording.slot) || recording.slot.record == 0);
        if let Some(tables) = Tables::of(recording, &contents.recordings) {
            assert_eq!(tables.delta_v.len(), 26);
            assert_eq!(tables.before.len(), 11);
        }
    }
    contents.recordings.len()
}

/// Each part up to the mark becomes a page: a fuzzer's input is short, a black box is mostly zero.
fn pages(bytes: &[u8]) -> Vec<u8> {
    let mut file = Vec::new();
    let mut rest = bytes;
    while !rest.is_empty() {
        let end = rest.windows(2).position(|pair| pair == [0xFF, 0xFE]);
        let (page, after) = match end {
            Some(end) => (&rest[..end], &rest[end + 2..]),
            None => (rest, &rest[rest.len()..]),
        };
        file.extend_from_slice(page);
        file.resize(file.len().next_multiple_of(PAGE_BYTES), 0);
        rest = after;
    }
    file
}
