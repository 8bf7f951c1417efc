//! Image files of each format.

use morphograd_image::{Format, Limits, Picture, Pixels, Rows, inspect, read, write};

use super::input::{file, path, within};

/// The most bytes of pixels that a target allows.
const LIMIT: u64 = 1 << 20;

/// What a decoder takes beside pixels and file: tables, windows, a row.
const FIXED: usize = 8 << 20;

pub(crate) fn png(bytes: &[u8]) {
    if bytes.starts_with(b"\x89PNG") {
        image(bytes, "image.png");
    }
}

pub(crate) fn tiff(bytes: &[u8]) {
    if bytes.starts_with(b"II") || bytes.starts_with(b"MM") {
        image(bytes, "image.tif");
    }
}

pub(crate) fn jpeg(bytes: &[u8]) {
    if bytes.starts_with(b"\xff\xd8") {
        image(bytes, "image.jpg");
    }
}

pub(crate) fn pnm(bytes: &[u8]) {
    if bytes.starts_with(b"P") {
        image(bytes, "image.pnm");
    }
}

/// What is read has the size of the header and is within the limit, comes back from a file without
/// loss, and by rows is the same. Memory is bounded by limit and file.
fn image(bytes: &[u8], name: &str) {
    let path = file(name, bytes);
    let limits = Limits { bytes: LIMIT };
    // The library for TIFF reserves up to this for a tag before it sees how long the file is.
    let tags = if name.ends_with("tif") { 256 << 20 } else { 0 };
    let most = tags + FIXED + 8 * LIMIT as usize + 64 * bytes.len();
    let header = within(most, || inspect(&path));
    let Ok(picture) = within(most, || read(&path, limits)) else { return };
    let header = header.expect("a file that can be read can be inspected");
    assert_eq!(header, picture.header());
    assert!(header.bytes() <= LIMIT, "expected at most {LIMIT} bytes, found {header}");
    by_rows(&picture, name, limits);
    round_trip(&picture, limits);
}

fn by_rows(picture: &Picture, name: &str, limits: Limits) {
    let Ok(mut rows) = Rows::open(&path(name), limits) else { return };
    let mut whole: Option<Picture> = None;
    while let Some(band) = rows.next(3).expect("what was read can be read by rows") {
        match &mut whole {
            Some(whole) => whole.append(band).expect("bands of one image"),
            None => whole = Some(band),
        }
    }
    same(&whole.expect("an image has rows"), picture);
}

fn round_trip(picture: &Picture, limits: Limits) {
    for (format, name) in [(Format::Png, "again.png"), (Format::Tiff, "again.tif")] {
        if format.holds(&picture.header()) {
            write(&path(name), picture).expect("a format that holds it");
            same(&read(&path(name), limits).expect("what was written can be read"), picture);
        }
    }
}

/// NaN differs from itself: bits are compared.
fn same(found: &Picture, expected: &Picture) {
    let bits = |pixels: &Pixels| match pixels {
        Pixels::F32(numbers) => numbers.iter().map(|x| x.to_bits()).collect::<Vec<u32>>(),
        _ => Vec::new(),
    };
    assert_eq!(found.header(), expected.header());
    if let Pixels::F32(_) = expected.pixels() {
        assert_eq!(bits(found.pixels()), bits(expected.pixels()));
        assert_eq!(found.alpha().map(bits), expected.alpha().map(bits));
    } else {
        assert!(found == expected, "expected the pixels that were written");
    }
}
