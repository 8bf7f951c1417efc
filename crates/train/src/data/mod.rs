//! Data sets: the digits that come with the crate, MNIST and its relatives from a folder, and how
//! they get into that folder. All of them are the four files of MNIST's layout, so that there is
//! one reader and one check.

pub mod dataset;
mod error;
pub mod fetch;
pub mod manifest;
pub mod source;

pub use dataset::{Dataset, Images};
pub use error::{DataError, FILES};
pub use source::{DataSource, Search};
