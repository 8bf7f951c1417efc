//! TIFF, by the `tiff` crate, which reads every type of samples in strips and tiles. The `image`
//! crate knows no grey floats and no grey with alpha.
//!
//! The one design choice: a file is read from above, one row of chunks after the other, whether all
//! of it is wanted or a part, and written as strips that are not compressed.

use std::io::{Seek, Write};

use tiff::decoder::{Decoder, DecodingResult, Limits as Memory};
use tiff::encoder::{DirectoryEncoder, TiffEncoder, TiffKind, TiffKindBig, TiffKindStandard};
use tiff::tags::{
    CompressionMethod, ExtraSamples, PhotometricInterpretation, PlanarConfiguration, SampleFormat,
    Tag,
};
use tiff::{ColorType, TiffError, TiffResult};

use crate::depth::Depth;
use crate::each;
use crate::error::ErrorKind;
use crate::format::Format;
use crate::header::Header;
use crate::limits::{Limits, Source};
use crate::picture::Picture;
use crate::pixels::{Pixels, Sample, pack, unpack};

fn broken(error: impl ToString) -> ErrorKind {
    ErrorKind::broken(Format::Tiff, error)
}

/// A file being read from above.
pub(crate) struct Rows {
    decoder: Decoder<Source>,
    pub(crate) header: Header,
    /// Rows that were given out.
    pub(crate) read: usize,
    /// Rows of chunks that were decoded.
    bands: usize,
    /// Samples that were decoded.
    ready: Pixels,
    /// How many of them were given out.
    given: usize,
    /// Whether each sample of the pixels has chunks of its own.
    planar: bool,
}

impl Rows {
    pub(crate) fn open(source: Source, limits: Limits) -> Result<Self, ErrorKind> {
        let bytes = limits.count();
        // Of a tag each value has a byte of the file or more, and takes 32 bytes in memory. The
        // tags of a million strips take 16 MB of a file.
        let length = source.get_ref().metadata().map_err(ErrorKind::io("read"))?.len();
        let length = usize::try_from(length).unwrap_or(usize::MAX).min(1 << 25);
        let mut tags = Memory::default();
        tags.ifd_value_size = length;
        tags.decoding_buffer_size = 32 * length;
        let mut memory = Memory::default();
        memory.ifd_value_size = length;
        memory.decoding_buffer_size = bytes;
        memory.intermediate_buffer_size = bytes;
        let mut decoder = Decoder::new(source).map_err(broken)?.with_limits(tags);
        let header = header(&mut decoder)?;
        if decoder.more_images() {
            let found = "a TIFF of several".to_owned();
            return Err(ErrorKind::Unsupported { expected: "one image", found });
        }
        let tag = decoder.find_tag_unsigned::<u16>(Tag::PlanarConfiguration).map_err(broken)?;
        let planar = header.samples() > 1 && tag == Some(PlanarConfiguration::Planar.to_u16());
        let (ready, decoder) = (Pixels::none(header.depth), decoder.with_limits(memory));
        Ok(Self { decoder, header, read: 0, bands: 0, ready, given: 0, planar })
    }

    /// The next `count` rows; no more than there are.
    pub(crate) fn next(&mut self, count: usize) -> Result<Pixels, ErrorKind> {
        let wanted = count * self.header.width * self.header.samples();
        if self.ready.len() - self.given < wanted {
            let mut ready = self.ready.part(self.given..self.ready.len());
            while ready.len() < wanted {
                let band = self.band()?;
                ready.append(band);
            }
            (self.ready, self.given) = (ready, 0);
        }
        self.read += count;
        if wanted == self.ready.len() {
            return Ok(std::mem::replace(&mut self.ready, Pixels::none(self.header.depth)));
        }
        let from = self.given;
        self.given += wanted;
        Ok(self.ready.part(from..self.given))
    }

    /// The next row of chunks.
    fn band(&mut self) -> Result<Pixels, ErrorKind> {
        let Header { width, height, .. } = self.header;
        let (chunk_width, chunk_height) = self.decoder.chunk_dimensions();
        let [chunk_width, chunk_height] = [chunk_width, chunk_height].map(|side| side as usize);
        if chunk_width == 0 || chunk_height == 0 || self.bands * chunk_height >= height {
            return Err(broken("strips of no rows"));
        }
        let samples = self.header.samples();
        let (planes, together) = if self.planar { (samples, 1) } else { (1, samples) };
        let across = width.div_ceil(chunk_width);
        let down = height.div_ceil(chunk_height);
        let rows = chunk_height.min(height - self.bands * chunk_height);
        let mut chunks = Vec::new();
        for plane in 0..planes {
            for column in 0..across {
                let chunk = self.chunk((plane * down + self.bands) * across + column, together)?;
                chunks.push(([plane, column * chunk_width], chunk));
            }
        }
        self.bands += 1;
        if let [(_, Chunk { size, pixels })] = &mut chunks[..]
            && *size == [rows, width]
        {
            return Ok(std::mem::replace(pixels, Pixels::none(self.header.depth)));
        }
        let none = Pixels::none(self.header.depth);
        each!(&none, none => place(none, &chunks, [rows, width, samples], together))
    }

    fn chunk(&mut self, index: usize, samples: usize) -> Result<Chunk, ErrorKind> {
        let index = u32::try_from(index).map_err(|_| broken("too many chunks"))?;
        let decoded = self.decoder.read_chunk(index).map_err(broken)?;
        let (columns, rows) = self.decoder.chunk_data_dimensions(index);
        let size = [rows, columns].map(|side| side as usize);
        let pixels = match (decoded, self.header.depth) {
            (DecodingResult::U8(bytes), Depth::Bit) => Pixels::Bit(unpack(&bytes, size[1])),
            (DecodingResult::U8(samples), Depth::U8) => Pixels::U8(samples),
            (DecodingResult::U16(samples), Depth::U16) => Pixels::U16(samples),
            (DecodingResult::F32(samples), Depth::F32) => Pixels::F32(samples),
            (DecodingResult::F16(samples), Depth::F32) => {
                Pixels::F32(samples.iter().map(|sample| sample.to_f32()).collect())
            }
            _ => return Err(broken("samples of another type than its header")),
        };
        if pixels.len() != size[0] * size[1] * samples {
            return Err(broken(format!("{} samples in a chunk of {size:?}", pixels.len())));
        }
        Ok(Chunk { size, pixels })
    }
}

/// A part of the image, of rows and columns that may go beyond its edge.
struct Chunk {
    size: [usize; 2],
    pixels: Pixels,
}

/// Chunks of `together` samples a pixel, each with its plane and its first column, as whole rows.
/// `_none` tells the type only.
fn place<T: Sample>(
    _none: &[T],
    chunks: &[([usize; 2], Chunk)],
    [rows, width, samples]: [usize; 3],
    together: usize,
) -> Result<Pixels, ErrorKind> {
    let mut band = vec![T::default(); rows * width * samples];
    for ([plane, left], Chunk { size: [height, columns], pixels }) in chunks {
        let from = T::of(pixels).expect("samples of one type");
        let last = left + columns;
        if *height < rows || (*columns == 0) {
            return Err(broken(format!("a chunk of {height} x {columns} for {rows} rows")));
        }
        for (row, line) in from.chunks_exact(columns * together).take(rows).enumerate() {
            for (x, pixel) in (*left..last.min(width)).zip(line.chunks_exact(together)) {
                let at = (row * width + x) * samples + plane;
                band[at..at + together].copy_from_slice(pixel);
            }
        }
    }
    Ok(T::wrap(band))
}

fn header(decoder: &mut Decoder<Source>) -> Result<Header, ErrorKind> {
    let (width, height) = decoder.dimensions().map_err(broken)?;
    if width == 0 || height == 0 {
        return Err(broken(format!("{height} x {width} pixels")));
    }
    let refused = |found: String| ErrorKind::Unsupported {
        expected: "a TIFF of grey or RGB of 1, 8 or 16 bit or float",
        found,
    };
    let colour = decoder.colortype().map_err(|error| match error {
        TiffError::UnsupportedError(what) => refused(what.to_string()),
        error => broken(error),
    })?;
    let extra = decoder.find_tag_unsigned_vec::<u16>(Tag::ExtraSamples).map_err(broken)?;
    let opacity = [ExtraSamples::AssociatedAlpha, ExtraSamples::UnassociatedAlpha]
        .map(|extra| extra.to_u16());
    let is_opacity = extra.is_some_and(|extra| extra.len() == 1 && opacity.contains(&extra[0]));
    let (channels, alpha, bits) = match colour {
        ColorType::Gray(bits) => (1, false, bits),
        ColorType::GrayA(bits) => (1, true, bits),
        ColorType::Multiband { bit_depth, num_samples: 2 } if is_opacity => (1, true, bit_depth),
        ColorType::RGB(bits) => (3, false, bits),
        ColorType::RGBA(bits) => (3, true, bits),
        other => return Err(refused(format!("{other:?}"))),
    };
    let formats = decoder.find_tag_unsigned_vec::<u16>(Tag::SampleFormat).map_err(broken)?;
    let formats = formats.unwrap_or_default();
    let all = |format: SampleFormat| formats.iter().all(|found| *found == format.to_u16());
    let depth = match bits {
        1 if all(SampleFormat::Uint) && channels == 1 && !alpha => Depth::Bit,
        8 if all(SampleFormat::Uint) => Depth::U8,
        16 if all(SampleFormat::Uint) => Depth::U16,
        16 | 32 if !formats.is_empty() && all(SampleFormat::IEEEFP) => Depth::F32,
        _ => return Err(refused(format!("{colour:?} with sample formats {formats:?}"))),
    };
    let [height, width] = [height, width].map(|side| side as usize);
    Ok(Header { height, width, channels, depth, alpha })
}

pub(crate) fn read(source: Source, limits: Limits) -> Result<Picture, ErrorKind> {
    let mut rows = Rows::open(source, limits)?;
    limits.check(rows.header)?;
    let samples = rows.next(rows.header.height)?;
    Ok(Picture::from_samples(rows.header, samples))
}

/// A file of fewer bytes has offsets of 32 bits; the rest is left for the tags.
const SMALL: u64 = 4_000_000_000;

/// Writes the rows that `next` gives, `rows` at a time, as strips.
pub(crate) fn write<E>(
    to: &mut (impl Write + Seek),
    header: Header,
    rows: usize,
    next: &mut dyn FnMut(usize) -> Result<Pixels, E>,
    fail: &dyn Fn(ErrorKind) -> E,
) -> Result<(), E> {
    if header.bytes() < SMALL {
        let encoder = TiffEncoder::<_, TiffKindStandard>::new_generic(to);
        strips(encoder.map_err(|e| fail(failed(e)))?, header, rows, next, fail)
    } else {
        let encoder = TiffEncoder::<_, TiffKindBig>::new_generic(to);
        strips(encoder.map_err(|e| fail(failed(e)))?, header, rows, next, fail)
    }
}

fn strips<E, W: Write + Seek, K: TiffKind>(
    mut encoder: TiffEncoder<W, K>,
    header: Header,
    rows: usize,
    next: &mut dyn FnMut(usize) -> Result<Pixels, E>,
    fail: &dyn Fn(ErrorKind) -> E,
) -> Result<(), E> {
    let mut directory = encoder.image_directory().map_err(|e| fail(failed(e)))?;
    let (mut offsets, mut lengths) = (Vec::new(), Vec::new());
    let mut written = 0;
    while written < header.height {
        let count = rows.min(header.height - written);
        let (offset, length) = match next(count)? {
            Pixels::Bit(bits) => {
                let bytes = pack(&bits, header.width);
                (directory.write_data(&bytes[..]), bytes.len())
            }
            Pixels::U8(bytes) => (directory.write_data(&bytes[..]), bytes.len()),
            Pixels::U16(words) => (directory.write_data(&words[..]), 2 * words.len()),
            Pixels::F32(floats) => (directory.write_data(&floats[..]), 4 * floats.len()),
        };
        offsets.push(offset.map_err(|e| fail(failed(e)))?);
        lengths.push(length as u64);
        written += count;
    }
    let tags = tags(&mut directory, header, rows, [&offsets, &lengths]);
    tags.and_then(|()| directory.finish()).map_err(|e| fail(failed(e)))
}

fn tags<W: Write + Seek, K: TiffKind>(
    directory: &mut DirectoryEncoder<'_, W, K>,
    header: Header,
    rows: usize,
    [offsets, lengths]: [&[u64]; 2],
) -> TiffResult<()> {
    let Header { height, width, channels, depth, alpha } = header;
    let samples = header.samples();
    let (bits, format) = match depth {
        Depth::Bit => (1u16, SampleFormat::Uint),
        Depth::U8 => (8, SampleFormat::Uint),
        Depth::U16 => (16, SampleFormat::Uint),
        Depth::F32 => (32, SampleFormat::IEEEFP),
    };
    let colours = match channels {
        1 => PhotometricInterpretation::BlackIsZero,
        _ => PhotometricInterpretation::RGB,
    };
    directory.write_tag(Tag::ImageWidth, u32::try_from(width)?)?;
    directory.write_tag(Tag::ImageLength, u32::try_from(height)?)?;
    directory.write_tag(Tag::BitsPerSample, &vec![bits; samples][..])?;
    directory.write_tag(Tag::Compression, CompressionMethod::None.to_u16())?;
    directory.write_tag(Tag::PhotometricInterpretation, colours.to_u16())?;
    directory.write_tag(Tag::SamplesPerPixel, u16::try_from(samples)?)?;
    directory.write_tag(Tag::RowsPerStrip, u32::try_from(rows)?)?;
    directory.write_tag(Tag::SampleFormat, &vec![format.to_u16(); samples][..])?;
    if alpha {
        directory.write_tag(Tag::ExtraSamples, ExtraSamples::UnassociatedAlpha.to_u16())?;
    }
    directory.write_tag(Tag::StripOffsets, K::convert_slice(&converted::<K>(offsets)?))?;
    directory.write_tag(Tag::StripByteCounts, K::convert_slice(&converted::<K>(lengths)?))
}

/// Offsets in the size that the kind of file has.
fn converted<K: TiffKind>(numbers: &[u64]) -> TiffResult<Vec<K::OffsetType>> {
    numbers.iter().map(|number| K::convert_offset(*number)).collect()
}

fn failed(error: TiffError) -> ErrorKind {
    ErrorKind::io("write")(std::io::Error::other(error))
}
