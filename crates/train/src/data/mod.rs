//! Data sets: the digits that come with the crate, MNIST and its relatives as four IDX files and
//! how they get into a folder, and images of one's own: folders by class, images with masks, arrays
//! of NumPy, a table of files.

pub(crate) mod arrays;
pub mod augmentation;
pub mod dataset;
mod error;
pub mod fetch;
pub mod files;
pub(crate) mod folders;
pub mod images;
pub mod manifest;
pub(crate) mod npy;
pub(crate) mod pairs;
pub mod pixels;
pub mod settings;
pub mod shards;
pub mod source;
pub(crate) mod stored;
pub(crate) mod table;
pub mod targets;

pub use augmentation::{Augmentation, Augmented};
pub use dataset::Dataset;
pub use error::{DataError, FILES};
pub use files::{Colour, Preparation};
pub use images::Images;
pub use pixels::Pixels;
pub use settings::DataSettings;
pub use shards::write_shards;
pub use source::{DataSource, Search};
pub use targets::Targets;
