//! JPEG, by the `image` crate. Its decoder fills what is missing with grey; that the file is whole
//! is checked here.

use std::io::{Read, Seek, SeekFrom, Write};

use image::codecs::jpeg::{JpegDecoder, JpegEncoder};
use image::{ColorType, ExtendedColorType, ImageDecoder, ImageEncoder};

use crate::depth::Depth;
use crate::error::ErrorKind;
use crate::format::Format;
use crate::header::Header;
use crate::limits::{Limits, Source};
use crate::picture::Picture;
use crate::pixels::{Pixels, Sample};

/// Fine enough that 8 x 8 blocks are not seen.
const QUALITY: u8 = 95;

fn broken(error: impl ToString) -> ErrorKind {
    ErrorKind::broken(Format::Jpeg, error)
}

pub(crate) fn header(source: Source) -> Result<Header, ErrorKind> {
    header_of(&JpegDecoder::new(source).map_err(broken)?)
}

fn header_of(decoder: &JpegDecoder<Source>) -> Result<Header, ErrorKind> {
    let (width, height) = decoder.dimensions();
    let channels = match decoder.color_type() {
        ColorType::L8 => 1,
        ColorType::Rgb8 => 3,
        other => {
            let expected = "a JPEG of 8 bit grey or RGB";
            return Err(ErrorKind::Unsupported { expected, found: format!("{other:?}") });
        }
    };
    let [height, width] = [height, width].map(|side| side as usize);
    Ok(Header { height, width, channels, depth: Depth::U8, alpha: false })
}

pub(crate) fn read(mut source: Source, limits: Limits) -> Result<Picture, ErrorKind> {
    let mut bytes = Vec::new();
    source.read_to_end(&mut bytes).map_err(ErrorKind::io("read"))?;
    if !is_whole(&bytes) {
        return Err(broken("it ends before its end marker"));
    }
    source.seek(SeekFrom::Start(0)).map_err(ErrorKind::io("read"))?;
    let decoder = JpegDecoder::new(source).map_err(broken)?;
    let header = header_of(&decoder)?;
    limits.check(header)?;
    let mut samples = vec![0; header.height * header.width * header.channels];
    decoder.read_image(&mut samples).map_err(broken)?;
    Ok(Picture::from_samples(header, Pixels::U8(samples)))
}

/// Whether the segments and scans of a file lead to its end marker.
fn is_whole(bytes: &[u8]) -> bool {
    let mut at = 2;
    loop {
        match bytes.get(at..at + 2) {
            // Any number of bytes 255 may stand before a marker.
            Some([0xff, 0xff]) => at += 1,
            Some([0xff, 0xd9]) => return true,
            Some([0xff, marker]) => {
                let Some(&[high, low]) = bytes.get(at + 2..at + 4) else { return false };
                at += 2 + usize::from(u16::from_be_bytes([high, low]));
                if *marker == 0xda {
                    let Some(rest) = bytes.get(at..) else { return false };
                    // In a scan 255 is followed by 0, or by a marker of a restart.
                    let ends =
                        |pair: &[u8]| pair[0] == 0xff && !matches!(pair[1], 0 | 0xd0..=0xd7 | 0xff);
                    let Some(scan) = rest.windows(2).position(ends) else { return false };
                    at += scan;
                }
            }
            _ => return false,
        }
    }
}

pub(crate) fn write(mut to: impl Write, picture: &Picture) -> Result<(), ErrorKind> {
    let Header { height, width, channels, .. } = picture.header();
    let samples = u8::of(picture.pixels()).expect("8 bits");
    let colour = if channels == 1 { ExtendedColorType::L8 } else { ExtendedColorType::Rgb8 };
    let side = |side: usize| u16::try_from(side).map(u32::from);
    let (Ok(width), Ok(height)) = (side(width), side(height)) else {
        let found = format!("{height} x {width}");
        return Err(ErrorKind::Unsupported { expected: "sides below 65536 for JPEG", found });
    };
    JpegEncoder::new_with_quality(&mut to, QUALITY)
        .write_image(samples, width, height, colour)
        .map_err(|error| ErrorKind::io("write")(std::io::Error::other(error)))
}
