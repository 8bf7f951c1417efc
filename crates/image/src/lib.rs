#![doc = include_str!("../README.md")]
//!
//! Design choice: a file is decoded by a library that the world uses (`png`, `tiff`, `image`), and
//! what is ours is only what none of them promises: bit depths that stay, alpha kept aside, one
//! error for everything, sizes that are checked before memory is taken, and files that are whole.

mod depth;
mod error;
mod format;
mod header;
mod jpeg;
mod limits;
mod picture;
mod pixels;
mod png;
mod pnm;
mod read;
mod rows;
mod tiff;
mod view;
mod write;

pub use depth::Depth;
pub use error::{Error, ErrorKind};
pub use format::Format;
pub use header::Header;
pub use image;
pub use limits::Limits;
pub use picture::Picture;
pub use pixels::{Pixels, Sample};
pub use read::{inspect, read};
pub use rows::Rows;
pub use view::View;
pub use write::{write, write_bands};
