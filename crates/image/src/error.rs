//! The one error of this crate: the file, what was expected, what was found.

use std::io;
use std::path::{Path, PathBuf};

use crate::format::Format;
use crate::header::Header;

/// Why an image could not be read or written.
#[derive(Debug, thiserror::Error)]
#[error("{}: {kind}", path.display())]
pub struct Error {
    /// The file.
    pub path: PathBuf,
    /// What is wrong.
    pub kind: ErrorKind,
}

/// What is wrong with a file.
#[derive(Debug, thiserror::Error)]
pub enum ErrorKind {
    /// The file system refused.
    #[error("cannot {operation}: {source}")]
    Io {
        /// What was attempted.
        operation: &'static str,
        /// What the system said.
        source: io::Error,
    },
    /// The name does not say which format is to be written.
    #[error("expected a name that ends in one of {}, found {found}", Format::extensions())]
    Extension {
        /// The ending.
        found: String,
    },
    /// The content is of no format that can be read.
    #[error("expected an image as {}, found {found}", Format::readable())]
    NoImage {
        /// The first bytes.
        found: String,
    },
    /// The file is broken or ends too soon.
    #[error("expected a whole {format} file, found a broken one: {found}")]
    Broken {
        /// The format that the file begins as.
        format: Format,
        /// What the decoder said.
        found: String,
    },
    /// The file is sound, and holds what this crate does not read.
    #[error("expected {expected}, found {found}")]
    Unsupported {
        /// What can be read.
        expected: &'static str,
        /// What the file has.
        found: String,
    },
    /// The pixels would take more memory than allowed.
    #[error(
        "expected at most {limit} bytes of pixels, found a header of {header}: {} bytes; raise \
         the limit if the file is what it says", header.bytes()
    )]
    TooLarge {
        /// What the file says it is.
        header: Header,
        /// The limit.
        limit: u64,
    },
    /// Rows to be written are not those that were asked for.
    #[error("expected rows of {expected}, found {found}")]
    Rows {
        /// What was asked for.
        expected: Header,
        /// What was given.
        found: Header,
    },
    /// The format cannot hold the pixels.
    #[error(
        "{format} holds {}, found {found}; {} can hold that", format.holding(),
        Format::for_kind(found)
    )]
    CannotHold {
        /// The format that the name says.
        format: Format,
        /// The pixels.
        found: Header,
    },
}

impl ErrorKind {
    pub(crate) fn at(self, path: &Path) -> Error {
        Error { path: path.to_owned(), kind: self }
    }

    pub(crate) fn io(operation: &'static str) -> impl Fn(io::Error) -> Self {
        move |source| Self::Io { operation, source }
    }

    /// What a decoder says about the content.
    pub(crate) fn broken(format: Format, found: impl ToString) -> Self {
        Self::Broken { format, found: found.to_string() }
    }
}
