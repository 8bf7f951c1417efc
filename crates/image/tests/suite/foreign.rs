//! Files as other programs write them: palettes, few bits, tiles, planes, other byte orders, other
//! types of samples.

use std::fs;
use std::io::Cursor;

use morphograd_image::{Depth, Limits, Picture, Pixels, Rows, read};
use tiff::encoder::{TiffEncoder, colortype};
use tiff::tags::Tag;

use crate::support::file;

fn from(bytes: impl AsRef<[u8]>) -> Result<Picture, String> {
    let (_folder, path) = file("a");
    fs::write(&path, bytes).unwrap();
    let whole = read(&path, Limits::default());
    // By rows it is the same, where that is possible.
    if let (Ok(whole), Ok(mut rows)) = (&whole, Rows::open(&path, Limits::default())) {
        let top = rows.next(1).unwrap().unwrap();
        let all = rows.next(usize::MAX).unwrap();
        let count = 1 + all.as_ref().map_or(0, |rest| rest.size()[0]);
        assert_eq!((count, top.header().samples()), (whole.size()[0], whole.header().samples()));
    }
    whole.map_err(|error| error.to_string())
}

fn png(
    [width, height]: [u32; 2],
    colour: png::ColorType,
    depth: png::BitDepth,
    palette: Option<(&[u8], &[u8])>,
    data: &[u8],
) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut encoder = png::Encoder::new(&mut bytes, width, height);
    encoder.set_color(colour);
    encoder.set_depth(depth);
    if let Some((colours, opacities)) = palette {
        if !colours.is_empty() {
            encoder.set_palette(colours.to_vec());
        }
        if !opacities.is_empty() {
            encoder.set_trns(opacities.to_vec());
        }
    }
    encoder.write_header().unwrap().write_image_data(data).unwrap();
    bytes
}

#[test]
fn png_of_few_bits_and_palettes_become_bytes() {
    use png::{BitDepth, ColorType};
    let grey = |depth, data: &[u8]| from(png([4, 1], ColorType::Grayscale, depth, None, data));
    let bits = grey(BitDepth::One, &[0b0110_0000]).unwrap();
    assert_eq!(bits.pixels(), &Pixels::Bit(vec![false, true, true, false]));
    let two = grey(BitDepth::Two, &[0b00_01_10_11]).unwrap();
    assert_eq!(two.pixels(), &Pixels::U8(vec![0, 85, 170, 255]));
    let four = grey(BitDepth::Four, &[0x0f, 0x12]).unwrap();
    assert_eq!(four.pixels(), &Pixels::U8(vec![0, 255, 17, 34]));

    let palette = Some((&[1, 2, 3, 4, 5, 6][..], &[][..]));
    let indexed = from(png([2, 1], ColorType::Indexed, BitDepth::Eight, palette, &[1, 0])).unwrap();
    assert_eq!((indexed.channels(), indexed.alpha()), (3, None));
    assert_eq!(indexed.pixels(), &Pixels::U8(vec![4, 5, 6, 1, 2, 3]));
    // A transparent grey becomes alpha, also of a mask.
    let clear = Some((&[][..], &[0, 1][..]));
    let mask = from(png([2, 1], ColorType::Grayscale, BitDepth::One, clear, &[0b0100_0000]));
    let mask = mask.unwrap();
    assert_eq!(mask.pixels(), &Pixels::U8(vec![0, 255]));
    assert_eq!(mask.alpha(), Some(&Pixels::U8(vec![255, 0])));
}

#[test]
fn pnm_in_text_and_with_another_maximum() {
    let grey = from("P2\n# a comment\n3 1\n255\n7 0 255\n").unwrap();
    assert_eq!(grey.pixels(), &Pixels::U8(vec![7, 0, 255]));
    let mask = from("P1\n3 2\n1 0 1\n0 1 0\n").unwrap();
    assert_eq!(mask.pixels(), &Pixels::Bit([false, true, false, true, false, true].to_vec()));
    let wide = from(b"P5 2 1 65535\n\x01\x02\xff\xfe").unwrap();
    assert_eq!(wide.pixels(), &Pixels::U16(vec![0x0102, 0xfffe]));
    let narrow = from(b"P5 2 1 15\n\x0f\x03").unwrap();
    assert_eq!(narrow.pixels(), &Pixels::U8(vec![255, 51]));
    assert!(from("P2 2 1 255\n7\n").unwrap_err().contains("expected a whole PGM file"));
}

/// A TIFF of one directory in the byte order of `bytes`, whose data follow the tags.
fn tiff_of(big: bool, tags: &[(u16, u16, Vec<u32>)], data: &[u8]) -> Vec<u8> {
    let two = |x: u16| if big { x.to_be_bytes() } else { x.to_le_bytes() };
    let four = |x: u32| if big { x.to_be_bytes() } else { x.to_le_bytes() };
    let mut bytes = if big { b"MM".to_vec() } else { b"II".to_vec() };
    bytes.extend(two(42));
    bytes.extend(four(8));
    bytes.extend(two(tags.len() as u16));
    // Longer values follow the directory; the data begin at 1024.
    let mut later = Vec::new();
    let after = 10 + 12 * tags.len() + 4;
    for (tag, kind, values) in tags {
        let written: Vec<u8> = values
            .iter()
            .flat_map(|x| if *kind == 3 { two(*x as u16).to_vec() } else { four(*x).to_vec() })
            .collect();
        bytes.extend([two(*tag), two(*kind)].concat());
        bytes.extend(four(values.len() as u32));
        if written.len() <= 4 {
            bytes.extend(written.iter().chain(&[0; 4]).take(4));
        } else {
            bytes.extend(four((after + later.len()) as u32));
            later.extend(written);
        }
    }
    bytes.extend([0; 4]);
    bytes.extend(later);
    assert!(bytes.len() <= 1024);
    bytes.resize(1024, 0);
    bytes.extend(data);
    bytes
}

const SHORT: u16 = 3;
const LONG: u16 = 4;

#[test]
fn tiff_in_tiles_and_planes_is_put_together() {
    // 17 x 18 pixels in four tiles of 16 x 16, each padded.
    let value = |y: u32, x: u32, c: u32| (y * 7 + x * 3 + c * 50) as u8;
    let tile = |y: u32, x: u32, c: u32| {
        (0..256).map(move |i| value(16 * y + i / 16, 16 * x + i % 16, c)).collect::<Vec<u8>>()
    };
    let tiles = |c: u32| [tile(0, 0, c), tile(0, 1, c), tile(1, 0, c), tile(1, 1, c)].concat();
    let tags = |samples: u32, planes: u32| {
        let count = 4 * planes;
        vec![
            (256, LONG, vec![18]),
            (257, LONG, vec![17]),
            (258, SHORT, vec![8; samples as usize]),
            (259, SHORT, vec![1]),
            (262, SHORT, vec![if samples == 1 { 1 } else { 2 }]),
            (277, SHORT, vec![samples]),
            (284, SHORT, vec![if planes == 1 { 1 } else { 2 }]),
            (322, LONG, vec![16]),
            (323, LONG, vec![16]),
            (324, LONG, (0..count).map(|i| 1024 + 256 * i).collect()),
            (325, LONG, vec![256; count as usize]),
        ]
    };
    let expected = |channels: u32| {
        let all = (0..17).flat_map(|y| (0..18).map(move |x| (y, x)));
        let all = all.flat_map(|(y, x)| (0..channels).map(move |c| value(y, x, c)));
        Pixels::U8(all.collect())
    };
    let grey = from(tiff_of(false, &tags(1, 1), &tiles(0))).unwrap();
    assert_eq!((grey.size(), grey.pixels()), ([17, 18], &expected(1)));
    let planes = [tiles(0), tiles(1), tiles(2)].concat();
    let rgb = from(tiff_of(true, &tags(3, 3), &planes)).unwrap();
    assert_eq!((rgb.channels(), rgb.pixels()), (3, &expected(3)));
}

fn strip(bits: u32, format: u32, photometric: u32, samples: u32) -> Vec<(u16, u16, Vec<u32>)> {
    vec![
        (256, LONG, vec![2]),
        (257, LONG, vec![1]),
        (258, SHORT, vec![bits; samples as usize]),
        (259, SHORT, vec![1]),
        (262, SHORT, vec![photometric]),
        (273, LONG, vec![1024]),
        (277, SHORT, vec![samples]),
        (278, LONG, vec![1]),
        (279, LONG, vec![(2 * bits * samples).div_ceil(8)]),
        (339, SHORT, vec![format; samples as usize]),
    ]
}

#[test]
fn tiff_of_other_byte_orders_and_types() {
    let wide = from(tiff_of(true, &strip(16, 1, 1, 1), &[0x01, 0x02, 0xff, 0xfe])).unwrap();
    assert_eq!(wide.pixels(), &Pixels::U16(vec![0x0102, 0xfffe]));
    let half = from(tiff_of(false, &strip(16, 3, 1, 1), &[0x00, 0x3c, 0x00, 0xc1])).unwrap();
    assert_eq!((half.depth(), half.pixels()), (Depth::F32, &Pixels::F32(vec![1.0, -2.5])));
    // White is 0.
    let inverse = from(tiff_of(false, &strip(8, 1, 0, 1), &[0, 250])).unwrap();
    assert_eq!(inverse.pixels(), &Pixels::U8(vec![255, 5]));
    let mask = from(tiff_of(false, &strip(1, 1, 0, 1), &[0b0100_0000])).unwrap();
    assert_eq!(mask.pixels(), &Pixels::Bit(vec![true, false]));

    let text = |tags: &[_]| from(tiff_of(false, tags, &[0; 64])).unwrap_err();
    let expected = "expected a TIFF of grey or RGB of 1, 8 or 16 bit or float, found ";
    for tags in [
        strip(16, 2, 1, 1), // signed
        strip(32, 1, 1, 1),
        strip(64, 3, 1, 1),
        strip(4, 1, 1, 1),
        strip(8, 1, 3, 1), // palette
        strip(8, 1, 5, 4), // inks
        strip(8, 1, 1, 2), // two samples, of which none is an opacity
    ] {
        let found = text(&tags);
        assert!(found.contains(expected), "{tags:?}: {found}");
    }
}

#[test]
fn compressed_tiff_is_read() {
    let data: Vec<u16> = (0..600).map(|i| (i * i % 977) as u16).collect();
    for compression in [
        tiff::encoder::Compression::Lzw,
        tiff::encoder::Compression::Deflate(tiff::encoder::DeflateLevel::Balanced),
        tiff::encoder::Compression::Packbits,
    ] {
        let mut bytes = Cursor::new(Vec::new());
        let encoder = TiffEncoder::new(&mut bytes).unwrap();
        let mut encoder = encoder.with_compression(compression);
        encoder.write_image::<colortype::Gray16>(30, 20, &data).unwrap();
        assert_eq!(from(bytes.into_inner()).unwrap().samples::<u16>(), Some(&data[..]));
    }
}

#[test]
fn a_profile_of_a_tiff_changes_no_value() {
    let mut bytes = Cursor::new(Vec::new());
    let mut encoder = TiffEncoder::new(&mut bytes).unwrap();
    let mut image = encoder.new_image::<colortype::Gray8>(2, 1).unwrap();
    image.encoder().write_tag(Tag::IccProfile, &[1u8, 2, 3][..]).unwrap();
    image.encoder().write_tag(Tag::Orientation, 3u16).unwrap();
    image.write_data(&[7, 9]).unwrap();
    assert_eq!(from(bytes.into_inner()).unwrap().pixels(), &Pixels::U8(vec![7, 9]));
}
