//! PNG, by the `png` crate: it tells bits from bytes and gives rows, which the `image` crate does
//! not.

use std::io::Write;

use png::{BitDepth, ColorType, Decoder, Encoder, Reader, Transformations};

use crate::depth::Depth;
use crate::error::ErrorKind;
use crate::format::Format;
use crate::header::Header;
use crate::limits::{Limits, Source};
use crate::picture::Picture;
use crate::pixels::{Pixels, from_big_endian, pack, to_big_endian};

fn broken(error: impl ToString) -> ErrorKind {
    ErrorKind::broken(Format::Png, error)
}

/// A file being read from above.
pub(crate) struct Rows {
    reader: Reader<Source>,
    pub(crate) header: Header,
    /// Rows that were read.
    pub(crate) read: usize,
}

impl Rows {
    pub(crate) fn open(source: Source, limits: Limits) -> Result<Self, ErrorKind> {
        let mut decoder =
            Decoder::new_with_limits(source, png::Limits { bytes: limits.count().max(1 << 20) });
        // Bits and palettes become bytes, and a transparent colour becomes alpha.
        decoder.set_transformations(Transformations::EXPAND);
        let reader = decoder.read_info().map_err(broken)?;
        let info = reader.info();
        let frames = info.animation_control.map_or(1, |control| control.num_frames);
        if frames > 1 {
            let found = format!("an animation of {frames}");
            return Err(ErrorKind::Unsupported { expected: "one image", found });
        }
        // The decoder panics where the last colour is not whole.
        if let Some(palette) = info.palette.as_ref().filter(|colours| colours.len() % 3 != 0) {
            return Err(broken(format!("a palette of {} bytes", palette.len())));
        }
        let (colour, bits) = reader.output_color_type();
        let (channels, alpha) = match colour {
            ColorType::Grayscale => (1, false),
            ColorType::GrayscaleAlpha => (1, true),
            ColorType::Rgb => (3, false),
            ColorType::Rgba => (3, true),
            ColorType::Indexed => unreachable!("palettes are expanded"),
        };
        let mask = (info.color_type, info.bit_depth) == (ColorType::Grayscale, BitDepth::One);
        let depth = match bits {
            BitDepth::Sixteen => Depth::U16,
            _ if mask && !alpha => Depth::Bit,
            _ => Depth::U8,
        };
        let [height, width] = [info.height, info.width].map(|side| side as usize);
        let header = Header { height, width, channels, depth, alpha };
        Ok(Self { reader, header, read: 0 })
    }

    pub(crate) fn is_interlaced(&self) -> bool {
        self.reader.info().interlaced
    }

    /// The next `count` rows; no more than there are.
    pub(crate) fn next(&mut self, count: usize) -> Result<Pixels, ErrorKind> {
        let mut bytes = Vec::new();
        for _ in 0..count {
            let row = self.reader.next_row().map_err(broken)?;
            bytes.extend_from_slice(row.ok_or_else(|| broken("too few rows"))?.data());
        }
        self.read += count;
        if self.read == self.header.height {
            self.reader.finish().map_err(broken)?;
        }
        Ok(self.samples(bytes))
    }

    fn all(&mut self) -> Result<Pixels, ErrorKind> {
        let length = self.reader.output_buffer_size().ok_or_else(|| broken("its size"))?;
        let mut bytes = vec![0; length];
        self.reader.next_frame(&mut bytes).map_err(broken)?;
        self.reader.finish().map_err(broken)?;
        Ok(self.samples(bytes))
    }

    fn samples(&self, bytes: Vec<u8>) -> Pixels {
        match self.header.depth {
            Depth::Bit => Pixels::Bit(bytes.iter().map(|byte| *byte != 0).collect()),
            Depth::U8 => Pixels::U8(bytes),
            _ => Pixels::U16(from_big_endian(&bytes)),
        }
    }
}

pub(crate) fn read(source: Source, limits: Limits) -> Result<Picture, ErrorKind> {
    let mut rows = Rows::open(source, limits)?;
    limits.check(rows.header)?;
    Ok(Picture::from_samples(rows.header, rows.all()?))
}

fn encoder<W: Write>(to: W, header: Header) -> Result<Encoder<'static, W>, ErrorKind> {
    let side = |side: usize| u32::try_from(side).ok().filter(|side| *side < 1 << 31);
    let (Some(width), Some(height)) = (side(header.width), side(header.height)) else {
        let found = format!("{} x {}", header.height, header.width);
        return Err(ErrorKind::Unsupported { expected: "sides below 2^31 for PNG", found });
    };
    let mut encoder = Encoder::new(to, width, height);
    encoder.set_color(match (header.channels, header.alpha) {
        (1, false) => ColorType::Grayscale,
        (1, true) => ColorType::GrayscaleAlpha,
        (_, false) => ColorType::Rgb,
        (_, true) => ColorType::Rgba,
    });
    encoder.set_depth(match header.depth {
        Depth::Bit => BitDepth::One,
        Depth::U8 => BitDepth::Eight,
        _ => BitDepth::Sixteen,
    });
    Ok(encoder)
}

fn failed(error: png::EncodingError) -> ErrorKind {
    ErrorKind::io("write")(error.into())
}

fn bytes(samples: &Pixels, width: usize) -> std::borrow::Cow<'_, [u8]> {
    match samples {
        Pixels::Bit(bits) => pack(bits, width).into(),
        Pixels::U8(bytes) => bytes.into(),
        Pixels::U16(words) => to_big_endian(words).into(),
        Pixels::F32(_) => unreachable!("no PNG holds floats"),
    }
}

/// Writes the rows that `next` gives, `rows` at a time.
pub(crate) fn write<E>(
    to: &mut impl Write,
    header: Header,
    rows: usize,
    next: &mut dyn FnMut(usize) -> Result<Pixels, E>,
    fail: &dyn Fn(ErrorKind) -> E,
) -> Result<(), E> {
    let mut writer = encoder(to, header)
        .and_then(|encoder| encoder.write_header().map_err(failed))
        .map_err(fail)?;
    let mut stream = writer.stream_writer().map_err(|e| fail(failed(e)))?;
    let mut written = 0;
    while written < header.height {
        let count = rows.min(header.height - written);
        let samples = next(count)?;
        let bytes = bytes(&samples, header.width);
        stream.write_all(&bytes).map_err(|e| fail(ErrorKind::io("write")(e)))?;
        written += count;
    }
    stream.finish().and_then(|()| writer.finish()).map_err(|e| fail(failed(e)))
}
