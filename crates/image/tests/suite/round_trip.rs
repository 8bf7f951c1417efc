//! What is written is read again, bit for bit, in each format that says it holds it; and by rows as
//! in one piece.

use std::fs;

use morphograd_image::{
    Depth, Error, Format, Limits, Picture, Pixels, Rows, inspect, read, write, write_bands,
};
use proptest::prelude::*;

use crate::support::{any_picture, examples, file, same_type};

const LOSSLESS: [(&str, Format); 7] = [
    ("a.png", Format::Png),
    ("a.tif", Format::Tiff),
    ("a.pbm", Format::Pbm),
    ("a.pgm", Format::Pgm),
    ("a.ppm", Format::Ppm),
    ("a.pnm", Format::Pnm),
    ("a.pam", Format::Pam),
];

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, ..ProptestConfig::default() })]

    #[test]
    fn every_type_comes_back_from_every_format_that_holds_it(picture in any_picture()) {
        for (name, format) in LOSSLESS {
            let (folder, path) = file(name);
            let result = write(&path, &picture);
            if format.holds(&picture.header()) {
                result.unwrap();
                prop_assert_eq!(&read(&path, Limits::default()).unwrap(), &picture, "{}", name);
                prop_assert_eq!(inspect(&path).unwrap(), picture.header());
            } else {
                let text = result.unwrap_err().to_string();
                prop_assert!(text.contains(&format!("{format} holds")), "{}", text);
                let found = format!("found {}; ", picture.header());
                let (_, others) = text.split_once(&found).expect("what was found");
                let elsewhere = Format::Tiff.holds(&picture.header());
                prop_assert_eq!(others.contains("TIFF"), elsewhere, "{}", text);
            }
            let left = fs::read_dir(folder.path()).unwrap().count();
            prop_assert_eq!(left, usize::from(format.holds(&picture.header())), "{}", name);
        }
    }

    #[test]
    fn rows_are_those_of_the_whole(
        picture in any_picture(),
        written in 1..9usize,
        wanted in 1..9usize,
        tiff in any::<bool>(),
    ) {
        let (_folder, path) = file(if tiff { "a.tiff" } else { "a.png" });
        prop_assume!(Format::of_name(&path).unwrap().holds(&picture.header()));
        let (_other, whole) = file(if tiff { "b.tiff" } else { "b.png" });
        write(&whole, &picture).unwrap();
        let mut source = Rows::open(&whole, Limits::default()).unwrap();
        prop_assert_eq!(source.header(), picture.header());
        write_bands(&path, picture.header(), written, |count| {
            Ok::<_, Error>(source.next(count)?.unwrap())
        })
        .unwrap();
        prop_assert!(source.next(1).unwrap().is_none());
        prop_assert_eq!(&read(&path, Limits::default()).unwrap(), &picture);

        let mut rows = Rows::open(&path, Limits::default()).unwrap();
        let mut read = 0;
        while let Some(band) = rows.next(wanted).unwrap() {
            prop_assert!(same_type(band.header(), picture.header()));
            prop_assert_eq!(band.size(), [wanted.min(picture.size()[0] - read), picture.size()[1]]);
            prop_assert_eq!(&band, &rows_of(&picture, read, band.size()[0]));
            read += band.size()[0];
        }
        prop_assert_eq!(read, picture.size()[0]);
    }

    #[test]
    fn a_jpeg_is_near(level in 0..=255u8, slope in 0..4u8, rgb in any::<bool>()) {
        let channels = if rgb { 3 } else { 1 };
        let value = |i: usize| level.saturating_add(slope * (i / channels % 16) as u8);
        let picture = Picture::new([16, 16], channels, (0..256 * channels).map(value)
            .collect::<Vec<u8>>()).unwrap();
        let (_folder, path) = file("a.jpg");
        write(&path, &picture).unwrap();
        let found = read(&path, Limits::default()).unwrap();
        prop_assert_eq!(found.header(), picture.header());
        let pairs = found.samples::<u8>().unwrap().iter().zip(picture.samples::<u8>().unwrap());
        prop_assert!(pairs.clone().all(|(a, b)| a.abs_diff(*b) <= 6), "{:?}", pairs.max());
    }
}

fn rows_of(picture: &Picture, first: usize, count: usize) -> Picture {
    fn part<T: Copy>(samples: &[T], row: usize, first: usize, count: usize) -> Vec<T> {
        samples[first * row..][..count * row].to_vec()
    }
    let cut = |pixels: &Pixels, row: usize| -> Pixels {
        match pixels {
            Pixels::Bit(x) => part(x, row, first, count).into(),
            Pixels::U8(x) => part(x, row, first, count).into(),
            Pixels::U16(x) => part(x, row, first, count).into(),
            Pixels::F32(x) => part(x, row, first, count).into(),
        }
    };
    let ([_, width], channels) = (picture.size(), picture.channels());
    let pixels = cut(picture.pixels(), width * channels);
    let alpha = picture.alpha().map(|alpha| cut(alpha, width));
    Picture::new([count, width], channels, pixels).unwrap().with_alpha(alpha).unwrap()
}

#[test]
fn nan_keeps_its_bits_in_a_tiff() {
    let odd = [f32::NAN, f32::from_bits(0x7fc0_1234), -0.0, f32::NEG_INFINITY];
    let picture = Picture::new([2, 2], 1, odd.to_vec()).unwrap();
    let (_folder, path) = file("a.tif");
    write(&path, &picture).unwrap();
    let found = read(&path, Limits::default()).unwrap();
    let bits = |samples: &[f32]| samples.iter().map(|x| x.to_bits()).collect::<Vec<_>>();
    assert_eq!(bits(found.samples().unwrap()), bits(&odd));
}

#[test]
fn a_file_is_replaced_as_a_whole_or_not_at_all() {
    let (folder, path) = file("a.png");
    let [grey, float] = [&examples()[1], &examples()[5]].map(Picture::clone);
    write(&path, &grey).unwrap();
    let before = fs::read(&path).unwrap();
    write(&path, &float).unwrap_err();
    let stop = |_| Err::<Picture, _>(Fail::Mine);
    let stopped = write_bands(&path, grey.header(), 2, stop).unwrap_err();
    assert!(matches!(stopped, Fail::Mine));
    let short = |_| Ok(grey.clone());
    let Fail::Image(error) = write_bands(&path, grey.header(), 2, short).unwrap_err() else {
        panic!("an error of the image")
    };
    let message = "expected rows of 2 x 9, 8 bit grey, found 7 x 9, 8 bit grey";
    assert!(error.to_string().ends_with(message), "{error}");
    assert_eq!(fs::read(&path).unwrap(), before);
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
    write(&path, &examples()[3]).unwrap();
    assert_eq!(read(&path, Limits::default()).unwrap().depth(), Depth::U16);
}

#[derive(Debug)]
enum Fail {
    Mine,
    Image(Error),
}

impl From<Error> for Fail {
    fn from(error: Error) -> Self {
        Self::Image(error)
    }
}

#[test]
fn names_say_what_is_written_and_content_says_what_is_read() {
    let picture = examples()[1].clone();
    let (folder, path) = file("upper.PNG");
    write(&path, &picture).unwrap();
    let renamed = folder.path().join("wrong.jpg");
    fs::rename(&path, &renamed).unwrap();
    assert_eq!(read(&renamed, Limits::default()).unwrap(), picture);

    let text = |name: &str| write(&folder.path().join(name), &picture).unwrap_err().to_string();
    let known = ".png, .tif, .tiff, .jpg, .jpeg, .pbm, .pgm, .ppm, .pnm, .pam";
    let expected = format!("expected a name that ends in one of {known}, found ");
    assert!(text("a.bmp").ends_with(&format!("{expected}bmp")), "{}", text("a.bmp"));
    assert!(text("none").ends_with(&format!("{expected}none")), "{}", text("none"));
    let nowhere = text("no/such/folder/a.png");
    assert!(nowhere.contains("cannot create a file beside it: "), "{nowhere}");
}

#[cfg(unix)]
#[test]
fn a_name_need_not_be_text_and_a_file_has_the_usual_permissions() {
    use std::ffi::OsStr;
    use std::os::unix::ffi::OsStrExt;
    use std::os::unix::fs::PermissionsExt;
    let (folder, plain) = file("plain");
    let path = folder.path().join(OsStr::from_bytes(b"\xff\xfe.png"));
    write(&path, &examples()[1]).unwrap();
    assert_eq!(read(&path, Limits::default()).unwrap(), examples()[1]);
    fs::write(&plain, "x").unwrap();
    let mode = |path| fs::metadata(path).unwrap().permissions().mode();
    assert_eq!(mode(&path), mode(&plain));
}
