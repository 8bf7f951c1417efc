//! What can be wrong with an IDX file. One error type for the crate: the path, and a kind per
//! cause, so that a caller can tell a truncated download from a file of the wrong type without
//! reading the message.

use std::path::{Path, PathBuf};

use crate::element_type::ElementType;

/// An IDX file could not be read or written.
#[derive(Debug, thiserror::Error)]
#[error("{}: {kind}", path.display())]
pub struct Error {
    /// The file, or the name given for a reader.
    pub path: PathBuf,
    /// What is wrong with it.
    #[source]
    pub kind: ErrorKind,
}

/// The cause of an [`Error`].
#[derive(Debug, thiserror::Error)]
pub enum ErrorKind {
    /// The file could not be opened or read.
    #[error("cannot read the file: {0}")]
    Read(std::io::Error),
    /// The file could not be written.
    #[error("cannot write the file: {0}")]
    Write(std::io::Error),
    /// There is nothing in the file.
    #[error("the file is empty, expected an IDX header")]
    Empty,
    /// The file is neither IDX nor gzip.
    #[error(
        "not an IDX file: expected it to begin with 0x00 0x00 (or 0x1f 0x8b for gzip), found \
         {:#04x} {:#04x}",
        found[0], found[1]
    )]
    Magic {
        /// The first two bytes.
        found: [u8; 2],
    },
    /// The third byte is not the code of an element type.
    #[error("unknown element type {code:#04x}, expected one of 0x08, 0x09, 0x0b, 0x0c, 0x0d, 0x0e")]
    UnknownType {
        /// The third byte.
        code: u8,
    },
    /// The elements are of another type than the one asked for.
    #[error("wrong element type: expected {expected}, found {found}")]
    WrongType {
        /// What the caller asked for.
        expected: ElementType,
        /// What the file holds.
        found: ElementType,
    },
    /// The array has another number of dimensions than the one needed.
    #[error("wrong rank: expected {expected}, found {} (dimensions {dims:?})", dims.len())]
    WrongRank {
        /// What the caller needs.
        expected: usize,
        /// The dimensions of the file.
        dims: Vec<usize>,
    },
    /// The data end inside the header.
    #[error("truncated header: expected {expected} bytes, found {found}")]
    TruncatedHeader {
        /// Bytes of the whole header.
        expected: usize,
        /// Bytes there are.
        found: usize,
    },
    /// The number of bytes does not fit into 64 bits.
    #[error(
        "dimensions {dims:?} overflow: their product times the element size does not fit into 64 \
         bits"
    )]
    Overflow {
        /// The dimensions of the header.
        dims: Vec<usize>,
    },
    /// The header promises more than the caller allows to be loaded.
    #[error("dimensions {dims:?} need {needed} bytes, more than the limit of {limit} bytes")]
    OverLimit {
        /// The dimensions of the header.
        dims: Vec<usize>,
        /// Bytes of all the elements.
        needed: u64,
        /// The limit that was given.
        limit: u64,
    },
    /// There are fewer bytes than the header says.
    #[error("truncated: dimensions {dims:?} need {expected} bytes of elements, found {found}")]
    Truncated {
        /// The dimensions of the header.
        dims: Vec<usize>,
        /// Bytes the header promises after itself.
        expected: u64,
        /// Bytes there are.
        found: u64,
    },
    /// There are more bytes than the header says.
    #[error("longer than its header says: dimensions {dims:?} need {expected} bytes of elements, \
        found {}",
        found.map_or_else(|| "more".to_owned(), |n| n.to_string()))]
    TrailingBytes {
        /// The dimensions of the header.
        dims: Vec<usize>,
        /// Bytes the header promises after itself.
        expected: u64,
        /// Bytes there are, where that is known without reading them all.
        found: Option<u64>,
    },
    /// The gzip stream is cut short.
    #[error("the gzip stream is truncated after {found} bytes of content")]
    TruncatedGzip {
        /// Bytes that could be decompressed.
        found: u64,
    },
    /// The gzip stream is corrupt: a bad header, a bad block, a wrong check sum.
    #[error("corrupt gzip stream after {found} bytes of content: {cause}")]
    CorruptGzip {
        /// Bytes that could be decompressed.
        found: u64,
        /// What the decompressor said.
        cause: std::io::Error,
    },
    /// [`Idx::new`](crate::Idx::new) was given a number of elements that is not the product of the
    /// dimensions.
    #[error("dimensions {dims:?} do not match {elements} elements")]
    Dimensions {
        /// The dimensions.
        dims: Vec<usize>,
        /// Number of elements.
        elements: usize,
    },
    /// An array has a dimension or a rank that the format cannot write.
    #[error(
        "dimensions {dims:?} cannot be written: at most 255 dimensions, each at most 4294967295"
    )]
    NotWritable {
        /// The dimensions.
        dims: Vec<usize>,
    },
    /// There is not one label per image.
    #[error("{labels} labels, but {images} images in {}", images_path.display())]
    CountMismatch {
        /// Number of labels.
        labels: usize,
        /// Number of images.
        images: usize,
        /// The file of the images.
        images_path: PathBuf,
    },
    /// A label is not the number of a class.
    #[error(
        "label {label} at position {position} is out of range: expected a class below {n_classes}"
    )]
    LabelOutOfRange {
        /// The label.
        label: u8,
        /// Its position in the file.
        position: usize,
        /// Number of classes.
        n_classes: usize,
    },
    /// There are no images, or images without pixels.
    #[error("no images: the dimensions are {dims:?}")]
    NoImages {
        /// The dimensions of the images file.
        dims: Vec<usize>,
    },
}

impl Error {
    pub(crate) fn new(path: &Path, kind: ErrorKind) -> Self {
        Error { path: path.to_owned(), kind }
    }
}
