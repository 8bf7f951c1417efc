//! Reading: header first, then the elements in chunks. Everything that the header claims is checked
//! before the first element is read, and memory grows with the bytes that arrive, at most doubling.

use std::fs::File;
use std::io::{self, BufReader, Chain, Cursor, Read};
use std::path::Path;

use flate2::bufread::MultiGzDecoder;

use crate::{Element, ElementType, Error, ErrorKind, Idx, IdxData};

const GZIP_MAGIC: [u8; 2] = [0x1f, 0x8b];
/// Bytes decoded at once; a multiple of every element size.
const CHUNK: usize = 64 * 1024;

/// How much a reader may load.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Largest size of the elements in bytes. A gzip stream of a few kilobytes can deliver
    /// gigabytes, and a header can ask for them; this is where it stops. MNIST needs 47 million.
    pub max_bytes: u64,
}

impl Default for Limits {
    /// 1 GiB.
    fn default() -> Self {
        Limits { max_bytes: 1 << 30 }
    }
}

/// Reads a file of any element type, plain or gzip (recognised by its content).
///
/// # Errors
/// Everything in [`ErrorKind`] that a file can be: missing, empty, not IDX, truncated, too long,
/// corrupt, over the limit.
pub fn read(path: impl AsRef<Path>, limits: Limits) -> Result<Idx, Error> {
    let path = path.as_ref();
    let (file, len) = open(path)?;
    read_any(file, len, limits).map_err(|kind| Error::new(path, kind))
}

/// As [`read`], from anything that delivers bytes; `name` stands for the path in errors.
///
/// # Errors
/// As [`read`].
pub fn read_from(reader: impl Read, name: impl AsRef<Path>, limits: Limits) -> Result<Idx, Error> {
    let name = name.as_ref();
    read_any(reader, None, limits).map_err(|kind| Error::new(name, kind))
}

/// Reads a file whose elements must be of type `T`: dimensions and elements.
///
/// # Errors
/// As [`read`], and [`ErrorKind::WrongType`].
///
/// ```no_run
/// let (dims, pixels) =
///     morphograd_idx::read_as::<u8>("train-images-idx3-ubyte.gz", Default::default())?;
/// assert_eq!(dims.len(), 3);
/// assert_eq!(pixels.is_empty(), dims.contains(&0));
/// # Ok::<(), morphograd_idx::Error>(())
/// ```
pub fn read_as<T: Element>(
    path: impl AsRef<Path>,
    limits: Limits,
) -> Result<(Vec<usize>, Vec<T>), Error> {
    let path = path.as_ref();
    let (file, len) = open(path)?;
    read_typed(file, len, limits).map_err(|kind| Error::new(path, kind))
}

/// As [`read_as`], from anything that delivers bytes; `name` stands for the path in errors.
///
/// # Errors
/// As [`read_as`].
pub fn read_as_from<T: Element>(
    reader: impl Read,
    name: impl AsRef<Path>,
    limits: Limits,
) -> Result<(Vec<usize>, Vec<T>), Error> {
    let name = name.as_ref();
    read_typed(reader, None, limits).map_err(|kind| Error::new(name, kind))
}

/// What a file holds, and where: for who reads a part of its elements at a time.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Layout {
    /// The type of the elements.
    pub element_type: ElementType,
    /// The dimensions.
    pub dims: Vec<usize>,
    /// Bytes of all elements.
    pub bytes: u64,
    /// Where the first element begins; `None` in a file that is packed, which has to be read from
    /// its beginning.
    pub start: Option<u64>,
}

/// Reads the header of a file. Of one that is not packed it checks that all elements are there, and
/// nothing else.
///
/// # Errors
/// Those of [`read`] that can be found without reading the elements.
///
/// ```no_run
/// let layout = morphograd_idx::layout("train-images-idx3-ubyte")?;
/// println!("{:?} of them, from position {:?}", layout.dims, layout.start);
/// # Ok::<(), morphograd_idx::Error>(())
/// ```
pub fn layout(path: impl AsRef<Path>) -> Result<Layout, Error> {
    let path = path.as_ref();
    let (file, len) = open(path)?;
    let read = || {
        let mut source = Source::open(file, len)?;
        let header = Header::read(&mut source)?;
        header.check(&source, Limits { max_bytes: u64::MAX })?;
        let start = matches!(source.bytes, Bytes::Plain(_)).then_some(source.delivered);
        let Header { element_type, dims, n_bytes: bytes } = header;
        Ok(Layout { element_type, dims, bytes, start })
    };
    read().map_err(|kind| Error::new(path, kind))
}

/// Opens a file. Its length is known only where it is a regular file: a pipe has none.
fn open(path: &Path) -> Result<(File, Option<u64>), Error> {
    let opened = File::open(path).and_then(|file| {
        let metadata = file.metadata()?;
        if metadata.is_dir() {
            return Err(io::Error::new(io::ErrorKind::IsADirectory, "it is a directory"));
        }
        Ok((file, metadata.is_file().then_some(metadata.len())))
    });
    opened.map_err(|error| Error::new(path, ErrorKind::Read(error)))
}

fn read_any(reader: impl Read, len: Option<u64>, limits: Limits) -> Result<Idx, ErrorKind> {
    let mut source = Source::open(reader, len)?;
    let header = Header::read(&mut source)?;
    header.check(&source, limits)?;
    let data = match header.element_type {
        ElementType::U8 => IdxData::U8(source.elements(&header)?),
        ElementType::I8 => IdxData::I8(source.elements(&header)?),
        ElementType::I16 => IdxData::I16(source.elements(&header)?),
        ElementType::I32 => IdxData::I32(source.elements(&header)?),
        ElementType::F32 => IdxData::F32(source.elements(&header)?),
        ElementType::F64 => IdxData::F64(source.elements(&header)?),
    };
    Idx::new(header.dims, data)
}

fn read_typed<T: Element>(
    reader: impl Read,
    len: Option<u64>,
    limits: Limits,
) -> Result<(Vec<usize>, Vec<T>), ErrorKind> {
    let mut source = Source::open(reader, len)?;
    let header = Header::read(&mut source)?;
    if header.element_type != T::TYPE {
        return Err(ErrorKind::WrongType { expected: T::TYPE, found: header.element_type });
    }
    header.check(&source, limits)?;
    let elements = source.elements(&header)?;
    Ok((header.dims, elements))
}

/// The bytes of the array, decompressed where needed.
struct Source<R: Read> {
    bytes: Bytes<Peeked<R>>,
    /// Bytes delivered so far.
    delivered: u64,
    /// Length of the whole, where it is known beforehand: a plain file.
    len: Option<u64>,
}

/// A reader whose first two bytes were looked at and put back.
type Peeked<R> = BufReader<Chain<Cursor<Vec<u8>>, R>>;

enum Bytes<R> {
    Plain(R),
    Gzip(Box<MultiGzDecoder<R>>),
}

impl<R: Read> Source<R> {
    fn open(mut reader: R, len: Option<u64>) -> Result<Self, ErrorKind> {
        let mut first = Vec::with_capacity(2);
        reader.by_ref().take(2).read_to_end(&mut first).map_err(ErrorKind::Read)?;
        let is_gzip = first == GZIP_MAGIC;
        if first.is_empty() {
            return Err(ErrorKind::Empty);
        }
        let whole = BufReader::with_capacity(CHUNK, Cursor::new(first).chain(reader));
        Ok(if is_gzip {
            Source {
                bytes: Bytes::Gzip(Box::new(MultiGzDecoder::new(whole))),
                delivered: 0,
                len: None,
            }
        } else {
            Source { bytes: Bytes::Plain(whole), delivered: 0, len }
        })
    }

    /// Fills `buffer`, or as much of it as there is; returns the number of bytes.
    fn fill(&mut self, buffer: &mut [u8]) -> Result<usize, ErrorKind> {
        let mut filled = 0;
        while filled < buffer.len() {
            let result = match &mut self.bytes {
                Bytes::Plain(reader) => reader.read(&mut buffer[filled..]),
                Bytes::Gzip(decoder) => decoder.read(&mut buffer[filled..]),
            };
            match result {
                Ok(0) => break,
                Ok(n) => {
                    filled += n;
                    self.delivered += n as u64;
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(self.failure(error)),
            }
        }
        Ok(filled)
    }

    fn failure(&self, error: io::Error) -> ErrorKind {
        match (&self.bytes, error.kind()) {
            (Bytes::Plain(_), _) => ErrorKind::Read(error),
            (Bytes::Gzip(_), io::ErrorKind::UnexpectedEof) => {
                ErrorKind::TruncatedGzip { found: self.delivered }
            }
            (
                Bytes::Gzip(_),
                io::ErrorKind::InvalidInput | io::ErrorKind::InvalidData | io::ErrorKind::Other,
            ) => ErrorKind::CorruptGzip { found: self.delivered, cause: error },
            (Bytes::Gzip(_), _) => ErrorKind::Read(error),
        }
    }

    /// Reads all the elements and makes sure that nothing follows them.
    fn elements<T: Element>(&mut self, header: &Header) -> Result<Vec<T>, ErrorKind> {
        let size = T::TYPE.size();
        let start = self.delivered;
        let mut left = usize::try_from(header.n_bytes).expect("checked against the limits") / size;
        // Where the length of the file has been compared with the header, the file backs the whole
        // vector.
        let mut elements: Vec<T> = Vec::with_capacity(if self.len.is_some() { left } else { 0 });
        let mut chunk = vec![0; CHUNK.min(left * size)];
        while left > 0 {
            let bytes = &mut chunk[..CHUNK.min(left * size)];
            let filled = self.fill(bytes)?;
            if filled < bytes.len() {
                let found = self.delivered - start;
                return Err(ErrorKind::Truncated {
                    dims: header.dims.clone(),
                    expected: header.n_bytes,
                    found,
                });
            }
            let count = filled / size;
            let old = elements.len();
            elements.resize(old + count, T::default());
            T::decode(bytes, &mut elements[old..]);
            left -= count;
        }
        // Asking for one byte more also makes a gzip decoder verify the check sum at the end of its
        // stream.
        if self.fill(&mut [0])? > 0 {
            let dims = header.dims.clone();
            return Err(ErrorKind::TrailingBytes { dims, expected: header.n_bytes, found: None });
        }
        Ok(elements)
    }
}

struct Header {
    element_type: ElementType,
    dims: Vec<usize>,
    /// Bytes of all the elements.
    n_bytes: u64,
}

impl Header {
    fn read<R: Read>(source: &mut Source<R>) -> Result<Self, ErrorKind> {
        let mut start = [0; 4];
        let found = source.fill(&mut start)?;
        match (found, start) {
            (0, _) => return Err(ErrorKind::Empty),
            (1, [0, ..]) | (2 | 3, [0, 0, ..]) => {
                return Err(ErrorKind::TruncatedHeader { expected: 4, found });
            }
            (4, [0, 0, ..]) => {}
            (_, [a, b, ..]) => return Err(ErrorKind::Magic { found: [a, b] }),
        }
        let element_type =
            ElementType::from_code(start[2]).ok_or(ErrorKind::UnknownType { code: start[2] })?;
        let rank = usize::from(start[3]);
        let mut bytes = [0; 4 * u8::MAX as usize];
        let bytes = &mut bytes[..4 * rank];
        let found = source.fill(bytes)?;
        if found < bytes.len() {
            return Err(ErrorKind::TruncatedHeader { expected: 4 + bytes.len(), found: 4 + found });
        }
        let dims: Vec<u32> =
            bytes.as_chunks().0.iter().map(|&four: &[u8; 4]| u32::from_be_bytes(four)).collect();
        let n_bytes = if dims.contains(&0) {
            Some(0)
        } else {
            let size = element_type.size() as u64;
            dims.iter().try_fold(size, |product, &dim| product.checked_mul(u64::from(dim)))
        };
        let dims: Vec<usize> = dims.into_iter().map(|dim| dim as usize).collect();
        match n_bytes {
            Some(n_bytes) => Ok(Header { element_type, dims, n_bytes }),
            None => Err(ErrorKind::Overflow { dims }),
        }
    }

    fn check<R: Read>(&self, source: &Source<R>, limits: Limits) -> Result<(), ErrorKind> {
        let (dims, expected) = (|| self.dims.clone(), self.n_bytes);
        // The length goes first: for a file cut short, that it is cut short is what its owner has
        // to know.
        if let Some(len) = source.len {
            let found = len.saturating_sub(source.delivered);
            if found < expected {
                return Err(ErrorKind::Truncated { dims: dims(), expected, found });
            }
            if found > expected {
                return Err(ErrorKind::TrailingBytes {
                    dims: dims(),
                    expected,
                    found: Some(found),
                });
            }
        }
        let limit = limits.max_bytes.min(isize::MAX as u64);
        if expected > limit {
            return Err(ErrorKind::OverLimit { dims: dims(), needed: expected, limit });
        }
        Ok(())
    }
}
