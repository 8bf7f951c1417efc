//! PBM, PGM, PPM and PAM: read in both spellings by the `image` crate, written in binary.

use std::borrow::Cow;
use std::io::{Read, Write};

use image::codecs::pnm::PnmDecoder;
use image::{ExtendedColorType as Colour, ImageDecoder};

use crate::depth::Depth;
use crate::error::ErrorKind;
use crate::format::Format;
use crate::header::Header;
use crate::limits::{Limits, Source};
use crate::picture::Picture;
use crate::pixels::{Pixels, pack, to_big_endian};

pub(crate) fn header(source: Source, format: Format) -> Result<Header, ErrorKind> {
    let decoder = PnmDecoder::new(source).map_err(|error| ErrorKind::broken(format, error))?;
    header_of(&decoder, format)
}

fn header_of(decoder: &impl ImageDecoder, format: Format) -> Result<Header, ErrorKind> {
    let (width, height) = decoder.dimensions();
    let (channels, depth, alpha) = match decoder.original_color_type() {
        Colour::L1 => (1, Depth::Bit, false),
        Colour::La1 => (1, Depth::Bit, true),
        Colour::L8 => (1, Depth::U8, false),
        Colour::La8 => (1, Depth::U8, true),
        Colour::Rgb8 => (3, Depth::U8, false),
        Colour::Rgba8 => (3, Depth::U8, true),
        Colour::L16 => (1, Depth::U16, false),
        Colour::La16 => (1, Depth::U16, true),
        Colour::Rgb16 => (3, Depth::U16, false),
        Colour::Rgba16 => (3, Depth::U16, true),
        other => return Err(ErrorKind::broken(format, format!("colours {other:?}"))),
    };
    if width == 0 || height == 0 {
        return Err(ErrorKind::broken(format, format!("{height} x {width} pixels")));
    }
    let [height, width] = [height, width].map(|side| side as usize);
    Ok(Header { height, width, channels, depth, alpha })
}

pub(crate) fn read(
    mut source: Source,
    format: Format,
    limits: Limits,
) -> Result<Picture, ErrorKind> {
    let broken = |error: image::ImageError| ErrorKind::broken(format, error);
    let decoder = PnmDecoder::new(&mut source).map_err(broken)?;
    let header = header_of(&decoder, format)?;
    limits.check(header)?;
    // 16-bit samples come in the order of this machine; so does an array of them.
    let mut bytes = vec![0; decoder.total_bytes() as usize];
    decoder.read_image(&mut bytes).map_err(broken)?;
    let samples = match header.depth {
        Depth::Bit => Pixels::Bit(bytes.iter().map(|byte| *byte != 0).collect()),
        Depth::U8 => Pixels::U8(bytes),
        _ => Pixels::U16(
            bytes.chunks_exact(2).map(|pair| u16::from_ne_bytes([pair[0], pair[1]])).collect(),
        ),
    };
    let mut rest = Vec::new();
    source.read_to_end(&mut rest).map_err(ErrorKind::io("read"))?;
    if rest.iter().any(|byte| !byte.is_ascii_whitespace()) {
        let found = format!("{} bytes behind it", rest.len());
        return Err(ErrorKind::Unsupported { expected: "one image and nothing else", found });
    }
    Ok(Picture::from_samples(header, samples))
}

/// The `image` crate writes no PPM of 16 bits; what is left of a writer is a line of text.
pub(crate) fn write(
    to: &mut impl Write,
    picture: &Picture,
    format: Format,
) -> Result<(), ErrorKind> {
    let header = picture.header();
    let Header { height, width, channels, depth, alpha } = header;
    let maximum = depth.white();
    let first = match (format, depth, channels) {
        (Format::Pam, ..) => {
            let colours = if channels == 1 { "GRAYSCALE" } else { "RGB" };
            let opacity = if alpha { "_ALPHA" } else { "" };
            format!(
                "P7\nWIDTH {width}\nHEIGHT {height}\nDEPTH {}\nMAXVAL {maximum}\n\
                 TUPLTYPE {colours}{opacity}\nENDHDR\n",
                header.samples()
            )
        }
        (_, Depth::Bit, _) => format!("P4\n{width} {height}\n"),
        (_, _, 1) => format!("P5\n{width} {height}\n{maximum}\n"),
        _ => format!("P6\n{width} {height}\n{maximum}\n"),
    };
    let samples = picture.joined();
    let bytes = match &*samples {
        Pixels::Bit(bits) => {
            // There black is 1.
            let black: Vec<bool> = bits.iter().map(|bit| !bit).collect();
            Cow::from(pack(&black, width))
        }
        Pixels::U8(bytes) => bytes.into(),
        Pixels::U16(words) => to_big_endian(words).into(),
        Pixels::F32(_) => unreachable!("no PNM holds floats"),
    };
    to.write_all(first.as_bytes())
        .and_then(|()| to.write_all(&bytes))
        .map_err(ErrorKind::io("write"))
}
