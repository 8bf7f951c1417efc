//! What is wrong with a file is said by an error of its own, with the path and both numbers;
//! nothing else happens.

use std::fs;
use std::io::Write;

use flate2::Compression;
use flate2::write::GzEncoder;
use morphograd_idx::{
    ErrorKind, Idx, IdxData, LabelledImages, Limits, read, read_as, read_from, write, write_to,
};

/// Reads `bytes` as a file and as a stream; both must fail, and the message of the file must be
/// `expected`.
fn check(bytes: &[u8], expected: &str) {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("bad");
    fs::write(&path, bytes).unwrap();
    let error = read(&path, Limits::default()).unwrap_err();
    assert_eq!(error.to_string(), format!("{}: {expected}", path.display()));
    assert!(read_from(bytes, "stream", Limits::default()).is_err());
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

fn idx(dims: &[u32], elements: usize) -> Vec<u8> {
    let mut bytes = vec![0, 0, 8, u8::try_from(dims.len()).unwrap()];
    dims.iter().for_each(|dim| bytes.extend(dim.to_be_bytes()));
    bytes.extend((0..elements).map(|i| (i % 10) as u8));
    bytes
}

#[test]
fn each_defect_has_its_message() {
    check(&[], "the file is empty, expected an IDX header");
    check(&gzip(&[]), "the file is empty, expected an IDX header");
    check(&[0], "truncated header: expected 4 bytes, found 1");
    check(&[0, 0, 8], "truncated header: expected 4 bytes, found 3");
    check(&[0, 0, 8, 2, 0, 0, 0, 1, 0], "truncated header: expected 12 bytes, found 9");
    let not_idx = "not an IDX file: expected it to begin with 0x00 0x00 (or 0x1f 0x8b for gzip), \
        found 0x3c 0x68";
    check(b"<html>not found</html>", not_idx);
    check(&gzip(b"<html>not found</html>"), not_idx);
    check(
        &[0, 0, 7, 0, 1],
        "unknown element type 0x07, expected one of 0x08, 0x09, 0x0b, 0x0c, 0x0d, 0x0e",
    );
    check(&idx(&[3, 2], 5), "truncated: dimensions [3, 2] need 6 bytes of elements, found 5");
    check(
        &gzip(&idx(&[3, 2], 5)),
        "truncated: dimensions [3, 2] need 6 bytes of elements, found 5",
    );
    check(
        &idx(&[3, 2], 9),
        "longer than its header says: dimensions [3, 2] need 6 bytes of elements, found 9",
    );
    check(
        &gzip(&idx(&[3, 2], 9)),
        "longer than its header says: dimensions [3, 2] need 6 bytes of elements, found more",
    );
    let max = u32::MAX;
    check(
        &idx(&[max, max, max], 5),
        "dimensions [4294967295, 4294967295, 4294967295] overflow: their product times the \
         element size does not fit into 64 bits",
    );
    check(
        &gzip(&idx(&[max, 2], 5)),
        "dimensions [4294967295, 2] need 8589934590 bytes, more than the limit of 1073741824 bytes",
    );
    check(
        &idx(&[max, 2], 5),
        "truncated: dimensions [4294967295, 2] need 8589934590 bytes of elements, found 5",
    );
}

#[test]
fn gzip_defects_are_told_apart() {
    let good = gzip(&idx(&[300], 300));
    assert!(read_from(&good[..], "good", Limits::default()).is_ok());

    for len in 2..good.len() {
        let error = read_from(&good[..len], "cut", Limits::default()).unwrap_err();
        assert!(matches!(error.kind, ErrorKind::TruncatedGzip { .. }), "{len}: {error}");
    }
    let mut bad_crc = good.clone();
    let crc = bad_crc.len() - 8;
    bad_crc[crc] ^= 1;
    let mut trailing = good.clone();
    trailing.extend(b"garbage after the end");
    let not_gzip = [0x1f, 0x8b, 200, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10];
    for bytes in [&bad_crc[..], &trailing, &not_gzip] {
        let error = read_from(bytes, "corrupt", Limits::default()).unwrap_err();
        assert!(matches!(error.kind, ErrorKind::CorruptGzip { .. }), "{error}");
    }
    // Two members are one stream, as gzip defines it.
    let (head, tail) = (gzip(&idx(&[300], 100)), gzip(&idx(&[300], 300)[8 + 100..]));
    assert!(read_from(&[head, tail].concat()[..], "two members", Limits::default()).is_ok());
}

#[test]
fn a_stream_stops_at_what_the_header_or_the_limit_says() {
    // 64 MiB of zeros behind a header that promises four bytes: the error comes after one byte too
    // many.
    let bomb = gzip(&[idx(&[4], 4), vec![0; 64 << 20]].concat());
    let error = read_from(&bomb[..], "bomb", Limits::default()).unwrap_err();
    assert!(
        matches!(error.kind, ErrorKind::TrailingBytes { expected: 4, found: None, .. }),
        "{error}"
    );

    // The header asks for the 64 MiB, and the stream has them: the limit refuses before reading.
    let limits = Limits { max_bytes: 1 << 20 };
    let bomb = gzip(&[idx(&[64 << 20], 0), vec![0; 64 << 20]].concat());
    let error = read_from(&bomb[..], "bomb", limits).unwrap_err();
    assert!(
        matches!(error.kind, ErrorKind::OverLimit { needed: 0x400_0000, limit: 0x10_0000, .. }),
        "{error}"
    );

    // No limit, and a header that promises 4 EiB: only what arrives is ever allocated.
    let limits = Limits { max_bytes: u64::MAX };
    for bytes in [idx(&[1 << 31, 1 << 31], 10), gzip(&idx(&[1 << 31, 1 << 31], 10))] {
        let error = read_from(&bytes[..], "promise", limits).unwrap_err();
        assert!(matches!(error.kind, ErrorKind::Truncated { found: 10, .. }), "{error}");
    }
}

#[test]
fn the_type_asked_for_is_compared_before_anything_is_read() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("floats");
    write(&path, &Idx::new(vec![2], IdxData::F32(vec![1.0, 2.0])).unwrap()).unwrap();
    let error = read_as::<u8>(&path, Limits::default()).unwrap_err();
    assert_eq!(
        error.to_string(),
        format!("{}: wrong element type: expected u8, found f32", path.display())
    );
}

#[test]
fn missing_files_folders_and_places_that_cannot_be_written_are_errors() {
    let dir = tempfile::tempdir().unwrap();
    let array = Idx::new(vec![1], IdxData::U8(vec![1])).unwrap();
    for path in [dir.path().join("absent"), dir.path().to_owned()] {
        let error = read(&path, Limits::default()).unwrap_err();
        assert!(error.to_string().contains("cannot read the file"), "{error}");
    }
    let error = write(dir.path().join("absent").join("file"), &array).unwrap_err();
    assert!(matches!(error.kind, ErrorKind::Write(_)), "{error}");
    let taken = dir.path().join("folder");
    fs::create_dir(&taken).unwrap();
    assert!(write(&taken, &array).is_err());
    assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 1, "a temporary file was left behind");

    let rank_256 = Idx::new(vec![1; 256], IdxData::U8(vec![1])).unwrap();
    assert!(matches!(write_to(Vec::new(), &rank_256), Err(ErrorKind::NotWritable { .. })));
}

#[test]
fn images_and_labels_are_checked_against_each_other() {
    let check = |images: &[u8], labels: &[u8], expected: &str| {
        let error =
            LabelledImages::read_from(("images", images), ("labels", labels), 10).unwrap_err();
        assert_eq!(error.to_string(), expected);
    };
    let (images, labels) = (idx(&[3, 2, 2], 12), idx(&[3], 3));
    let good =
        LabelledImages::read_from(("images", &images[..]), ("labels", &labels[..]), 10).unwrap();
    assert_eq!((good.len(), good.height(), good.width(), good.labels()), (3, 2, 2, &[0, 1, 2][..]));
    assert_eq!(good.pixels()[4], 4);

    check(&labels, &labels, "images: wrong rank: expected 3, found 1 (dimensions [3])");
    check(&images, &images, "labels: wrong rank: expected 1, found 3 (dimensions [3, 2, 2])");
    check(&images, &idx(&[4], 4), "labels: 4 labels, but 3 images in images");
    check(&idx(&[0, 2, 2], 0), &idx(&[0], 0), "images: no images: the dimensions are [0, 2, 2]");
    check(&idx(&[3, 0, 2], 0), &labels, "images: no images: the dimensions are [3, 0, 2]");
    let mut eleven = labels.clone();
    *eleven.last_mut().unwrap() = 10;
    check(
        &images,
        &eleven,
        "labels: label 10 at position 2 is out of range: expected a class below 10",
    );
}
