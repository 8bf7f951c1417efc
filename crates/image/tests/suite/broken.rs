//! Files that lie: cut off, changed, too large, no images. None makes the reader panic, none gives
//! an image that is not there.

use std::fs;
use std::path::Path;

use morphograd_image::{ErrorKind, Format, Limits, Picture, Rows, inspect, read, write};
use proptest::prelude::*;

use crate::support::{examples, file};

/// Each example in each format that holds it, as bytes.
fn files() -> Vec<(Format, &'static str, Picture, Vec<u8>)> {
    let mut all = Vec::new();
    for picture in examples() {
        for name in ["a.png", "a.tif", "a.jpg", "a.pnm", "a.pam"] {
            let (_folder, path) = file(name);
            let format = Format::of_name(&path).unwrap();
            if format.holds(&picture.header()) {
                write(&path, &picture).unwrap();
                all.push((format, name, picture.clone(), fs::read(&path).unwrap()));
            }
        }
    }
    all
}

fn text(path: &Path) -> String {
    read(path, Limits::default()).unwrap_err().to_string()
}

#[test]
fn a_truncated_file_is_an_error_that_names_it_wherever_it_was_cut() {
    for (format, name, _, bytes) in files() {
        let (_folder, path) = file(name);
        for length in 0..bytes.len() {
            fs::write(&path, &bytes[..length]).unwrap();
            let error = read(&path, Limits::default())
                .expect_err(&format!("{format}: {length} of {} bytes", bytes.len()));
            assert_eq!(error.path, path);
            if length >= 8 {
                let broken = matches!(error.kind, ErrorKind::Broken { .. });
                assert!(broken, "{length} of {}: {error}", bytes.len());
            }
            if matches!(format, Format::Png | Format::Tiff) {
                let rows = Rows::open(&path, Limits::default());
                let last = rows.and_then(|mut rows| {
                    while rows.next(2)?.is_some() {}
                    Ok(())
                });
                last.expect_err("rows of a file that was cut");
            }
        }
    }
}

#[test]
fn a_changed_byte_of_a_png_is_always_seen() {
    let pngs = files().into_iter().filter(|(format, ..)| *format == Format::Png);
    for (_, name, _, bytes) in pngs {
        let (_folder, path) = file(name);
        for at in 0..bytes.len() {
            let mut changed = bytes.clone();
            changed[at] ^= 0x11;
            fs::write(&path, &changed).unwrap();
            read(&path, Limits::default()).expect_err(&format!("byte {at}"));
        }
    }
}

const STARTS: &[&[u8]] = &[
    b"\x89PNG\r\n\x1a\n",
    b"II*\0\x08\0\0\0",
    b"MM\0*\0\0\0\x08",
    b"II+\0\x08\0\0\0",
    b"\xff\xd8\xff\xe0",
    b"P1 ",
    b"P5\n",
    b"P6 3 3 ",
    b"P7\n",
];

proptest! {
    #![proptest_config(ProptestConfig { cases: 100, ..ProptestConfig::default() })]

    /// Formats without checksums may show other pixels, but never an image of another size than
    /// the file says, and never more than the limit.
    #[test]
    fn changed_files_do_not_panic(
        changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..6),
    ) {
        let limits = Limits { bytes: 1 << 20 };
        for (_, name, _, mut bytes) in files() {
            for (at, value) in &changes {
                let at = at.index(bytes.len());
                bytes[at] = *value;
            }
            let (_folder, path) = file(name);
            fs::write(&path, &bytes).unwrap();
            let header = inspect(&path);
            if let Ok(picture) = read(&path, limits) {
                prop_assert_eq!(picture.header(), header.unwrap());
                prop_assert!(picture.header().bytes() <= limits.bytes);
            }
            if let Ok(mut rows) = Rows::open(&path, limits) {
                while let Ok(Some(_)) = rows.next(3) {}
            }
        }
    }

    #[test]
    fn noise_behind_a_signature_does_not_panic(
        start in prop::sample::select(STARTS),
        rest in prop::collection::vec(any::<u8>(), 0..400),
    ) {
        let (_folder, path) = file("noise");
        fs::write(&path, [start, &rest[..]].concat()).unwrap();
        let _ = inspect(&path);
        let _ = read(&path, Limits { bytes: 1 << 20 });
    }
}

/// A header of `side` x `side` pixels of 8 bit grey and no pixels.
fn headers(side: u32) -> Vec<(&'static str, Vec<u8>)> {
    let mut png = Vec::new();
    let mut encoder = png::Encoder::new(&mut png, side, side);
    encoder.set_color(png::ColorType::Grayscale);
    encoder.write_header().unwrap();
    png.truncate(33); // the signature and the header
    png.extend(b"\0\0\0\0IDAT\x35\xaf\x06\x1e\0\0\0\0IEND\xae\x42\x60\x82");

    let tag = |tag: u16, kind: u16, value: u32| {
        let mut bytes = [tag.to_le_bytes(), kind.to_le_bytes()].concat();
        bytes.extend([1u32.to_le_bytes(), value.to_le_bytes()].concat());
        bytes
    };
    let tags = [
        tag(256, 4, side),
        tag(257, 4, side),
        tag(258, 3, 8),
        tag(262, 3, 1),
        tag(273, 4, 8),
        tag(277, 3, 1),
        tag(278, 4, side),
        tag(279, 4, side.saturating_mul(side)),
    ];
    let mut tiff = b"II*\0\x08\0\0\0\x08\0".to_vec();
    tiff.extend(tags.concat());
    tiff.extend([0; 4]);
    vec![
        ("a.png", png),
        ("a.tif", tiff),
        ("a.pgm", format!("P5\n{side} {side}\n255\n").into()),
        ("a.pam", format!("P7\nWIDTH {side}\nHEIGHT {side}\nDEPTH 1\nMAXVAL 255\nENDHDR\n").into()),
    ]
}

#[test]
fn a_header_that_asks_for_too_much_is_refused_with_the_number_of_bytes() {
    for (name, bytes) in headers(20_000) {
        let (_folder, path) = file(name);
        fs::write(&path, &bytes).unwrap();
        let found = text(&path);
        assert!(
            found.ends_with(
                "a.png: expected at most 268435456 bytes of pixels, found a header of 20000 x \
                 20000, 8 bit grey: 400000000 bytes; raise the limit if the file is what it says"
                    .replace("a.png", name)
                    .as_str()
            ),
            "{found}"
        );
        // With a higher limit, and by rows, it is what it is.
        let error = read(&path, Limits { bytes: 400_000_000 }).unwrap_err();
        assert!(matches!(error.kind, ErrorKind::Broken { .. }), "{error}");
        assert_eq!(inspect(&path).unwrap().bytes(), 400_000_000);
    }
}

#[test]
fn a_row_that_asks_for_too_much_is_refused_too() {
    for (name, bytes) in headers(20_000) {
        let (_folder, path) = file(name);
        fs::write(&path, &bytes).unwrap();
        let limits = Limits { bytes: 1 << 21 };
        let result = Rows::open(&path, limits).and_then(|mut rows| rows.next(10_000));
        let error = result.unwrap_err().to_string();
        let expected = match name {
            "a.png" | "a.tif" => "found a header of 10000 x 20000, 8 bit grey: 200000000 bytes",
            _ => "expected PNG without interlacing or TIFF, which are read by rows, found P",
        };
        assert!(error.contains(expected), "{error}");
    }
}

#[test]
fn what_is_no_image_is_refused_by_name() {
    let (folder, path) = file("no such.png");
    assert!(text(&path).contains("no such.png: cannot open: "), "{}", text(&path));
    assert!(text(folder.path()).contains(": cannot read: "), "{}", text(folder.path()));
    fs::write(&path, "").unwrap();
    let expected = "no such.png: expected an image as PNG, TIFF, JPEG or PNM, found an empty file";
    assert!(text(&path).ends_with(expected), "{}", text(&path));
    fs::write(&path, "GIF89a, say").unwrap();
    assert!(
        text(&path).ends_with(r#"found a file that begins with "GIF89a, ""#),
        "{}",
        text(&path)
    );
}

#[test]
fn several_images_in_one_file_are_refused() {
    let (_folder, path) = file("a.pgm");
    write(&path, &examples()[1]).unwrap();
    let one = fs::read(&path).unwrap();
    fs::write(&path, [&one[..], &one].concat()).unwrap();
    assert!(text(&path).contains("expected one image and nothing else, found"), "{}", text(&path));

    let mut animation = Vec::new();
    let mut encoder = png::Encoder::new(&mut animation, 1, 1);
    encoder.set_animated(2, 0).unwrap();
    let mut writer = encoder.write_header().unwrap();
    writer.write_image_data(&[1]).unwrap();
    writer.write_image_data(&[2]).unwrap();
    writer.finish().unwrap();
    fs::write(&path, animation).unwrap();
    assert!(text(&path).ends_with("expected one image, found an animation of 2"));

    let mut pages = std::io::Cursor::new(Vec::new());
    let mut encoder = tiff::encoder::TiffEncoder::new(&mut pages).unwrap();
    for _ in 0..2 {
        encoder.write_image::<tiff::encoder::colortype::Gray8>(1, 1, &[7]).unwrap();
    }
    fs::write(&path, pages.into_inner()).unwrap();
    assert!(
        text(&path).ends_with("expected one image, found a TIFF of several"),
        "{}",
        text(&path)
    );
}
