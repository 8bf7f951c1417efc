//! IDX files: plain, compressed, and images with their labels.

use morphograd_idx::{Idx, LabelledImages, Limits, read_from, write_to};

use super::input::within;

/// The most bytes of elements that a target allows.
const LIMIT: u64 = 1 << 20;

/// A header, an error and the buffers of a reader; decompression has windows too.
const FIXED: usize = 1 << 18;

fn is_gzip(bytes: &[u8]) -> bool {
    bytes.starts_with(&[0x1f, 0x8b])
}

/// One file. What is read is within the limit and is written back byte for byte; memory is bounded
/// by the file, or by the limit where it is compressed.
pub(crate) fn idx(bytes: &[u8]) {
    let most = if is_gzip(bytes) { 4 * LIMIT as usize } else { FIXED + 8 * bytes.len() };
    let read = |bytes| read_from(bytes, "file", Limits { max_bytes: LIMIT });
    let Ok(array) = within(most, || read(bytes)) else { return };
    let size = array.data().len() as u64 * array.data().element_type().size() as u64;
    assert!(size <= LIMIT, "expected at most {LIMIT} bytes, found {size}");
    let elements = array.dims().iter().try_fold(1usize, |all, n| all.checked_mul(*n));
    if !array.dims().contains(&0) {
        assert_eq!(elements, Some(array.data().len()));
    }
    let mut written = Vec::new();
    write_to(&mut written, &array).expect("what was read can be written");
    if is_gzip(bytes) {
        // NaN differs from itself: bytes are compared.
        let again = read(&written).expect("what was written can be read");
        let mut twice = Vec::new();
        write_to(&mut twice, &again).expect("what was read can be written");
        assert_eq!(twice, written);
    } else {
        assert_eq!(written, bytes, "expected what was read");
    }
    let (dims, data) = array.into_parts();
    Idx::new(dims, data).expect("what was read is an array");
}

/// Two files, the first of which has as many bytes as the first two say.
pub(crate) fn labelled(bytes: &[u8]) {
    let Some((&[a, b], rest)) = bytes.split_first_chunk::<2>() else { return };
    let at = usize::from(u16::from_be_bytes([a, b])).min(rest.len());
    let (images, labels) = rest.split_at(at);
    // A byte of gzip is at most 1,032 bytes; a vector that grows has room for twice as many.
    let expanded = if is_gzip(images) || is_gzip(labels) { 1032 } else { 1 };
    let most = 2 * FIXED + 4 * expanded * rest.len();
    let read = || LabelledImages::read_from(("images", images), ("labels", labels), 10);
    let Ok(set) = within(most, read) else { return };
    assert!(set.len() > 0, "expected images");
    assert_eq!(set.pixels().len(), set.len() * set.height() * set.width());
    assert_eq!(set.labels().len(), set.len());
    assert!(set.labels().iter().all(|label| *label < 10), "expected labels below 10");
}
