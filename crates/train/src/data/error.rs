//! Why a data set cannot be used, and the files that it consists of.

use std::io;
use std::path::PathBuf;

use morphograd_morphology::nn::tensor::ShapeError;

/// The files of a data set: training images and labels, test images and labels.
pub const FILES: [&str; 4] = [
    "train-images-idx3-ubyte.gz",
    "train-labels-idx1-ubyte.gz",
    "t10k-images-idx3-ubyte.gz",
    "t10k-labels-idx1-ubyte.gz",
];

/// A data set cannot be read, or does not hold what was asked for.
#[derive(Debug, thiserror::Error)]
pub enum DataError {
    /// A file is not what it should be.
    #[error(transparent)]
    Idx(#[from] morphograd_idx::Error),
    /// A folder cannot be made.
    #[error("{}: cannot make the folder: {cause}", path.display())]
    Folder {
        /// The folder.
        path: PathBuf,
        /// What the system said.
        cause: io::Error,
    },
    /// No data set has this name.
    #[error("unknown data set `{name}`, expected one of {known}")]
    UnknownName {
        /// What was asked for.
        name: String,
        /// What there is.
        known: String,
    },
    /// A folder does not hold the files of a data set.
    #[error("{}: expected the four files of a data set, missing {files}{advice}", dir.display())]
    Missing {
        /// The folder.
        dir: PathBuf,
        /// The files it does not hold.
        files: String,
        /// What to do.
        advice: String,
    },
    /// Training and test images are not of one size.
    #[error(
        "{name}: test images of {}x{} pixels, expected {}x{} as the training images have",
        test[0], test[1], train[0], train[1]
    )]
    SizesDiffer {
        /// The data set.
        name: String,
        /// Height and width of the training images.
        train: [usize; 2],
        /// Height and width of the test images.
        test: [usize; 2],
    },
    /// Numbers, images and labels that do not fit together.
    #[error("{name}: expected {expected}, found {found}")]
    Counts {
        /// Which images.
        name: String,
        /// What it has to be.
        expected: String,
        /// What there is.
        found: String,
    },
    /// Images that do not fit.
    #[error(transparent)]
    Shape(#[from] ShapeError),
    /// An image that cannot be read.
    #[error(transparent)]
    Image(#[from] morphograd_image::Error),
    /// A file or folder that is not what it should be.
    #[error("{}: expected {expected}, found {found}", path.display())]
    File {
        /// Which one.
        path: PathBuf,
        /// What it has to be.
        expected: String,
        /// What there is.
        found: String,
    },
    /// More images were asked for than there are, or none.
    #[error("{name}: expected a number from 1 to {available}, found {expected}")]
    TooFew {
        /// Which images.
        name: String,
        /// How many were asked for.
        expected: usize,
        /// How many there are.
        available: usize,
    },
}

/// What a data set tells the graph that it writes into.
impl From<DataError> for ShapeError {
    fn from(error: DataError) -> Self {
        Self::new("data", "images that can be read", error.to_string())
    }
}
