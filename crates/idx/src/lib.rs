#![doc = include_str!("../README.md")]
//!
//! Design choice: a header is only ever a claim. The reader checks it against the length of the
//! file where there is one, and grows its buffers only as bytes really arrive, so that no header
//! can make it ask for memory that the file does not back.

mod element_type;
mod error;
mod idx;
mod labelled;
mod read;
mod write;

pub use element_type::ElementType;
pub use error::{Error, ErrorKind};
pub use idx::{Element, Idx, IdxData};
pub use labelled::LabelledImages;
pub use read::{Layout, Limits, layout, read, read_as, read_as_from, read_from};
pub use write::{write, write_to};
