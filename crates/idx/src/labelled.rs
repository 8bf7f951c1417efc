//! Images with labels, as MNIST lays them out: two IDX files that only make sense together, so they
//! are checked together.

use std::io::Read;
use std::path::Path;

use crate::{Error, ErrorKind, Limits, read_as, read_as_from};

/// Grey images of one size and a class for each. There is at least one image of at least one pixel,
/// one label per image, and every label is below the number of classes that was given.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LabelledImages {
    height: usize,
    width: usize,
    pixels: Vec<u8>,
    labels: Vec<u8>,
}

impl LabelledImages {
    /// Reads an images file `[count, height, width]` and a labels file `[count]`, both of `u8`,
    /// plain or gzip.
    ///
    /// # Errors
    /// Those of [`read_as`], with the path of the file at fault; and a wrong rank, no images,
    /// counts that differ, a label that is not below `n_classes`.
    pub fn read(
        images_path: impl AsRef<Path>,
        labels_path: impl AsRef<Path>,
        n_classes: usize,
    ) -> Result<Self, Error> {
        Self::read_within(images_path, labels_path, n_classes, Limits::default())
    }

    /// As [`LabelledImages::read`], with files of up to another size.
    ///
    /// # Errors
    /// As [`LabelledImages::read`].
    pub fn read_within(
        images_path: impl AsRef<Path>,
        labels_path: impl AsRef<Path>,
        n_classes: usize,
        limits: Limits,
    ) -> Result<Self, Error> {
        let (images_path, labels_path) = (images_path.as_ref(), labels_path.as_ref());
        let images = read_as(images_path, limits)?;
        let labels = read_as(labels_path, limits)?;
        Self::join(images_path, images, labels_path, labels, n_classes)
    }

    /// As [`LabelledImages::read`], from readers, each with a name that stands for the path in
    /// errors.
    ///
    /// # Errors
    /// As [`LabelledImages::read`].
    pub fn read_from(
        (images_name, images): (&str, impl Read),
        (labels_name, labels): (&str, impl Read),
        n_classes: usize,
    ) -> Result<Self, Error> {
        let images = read_as_from(images, images_name, Limits::default())?;
        let labels = read_as_from(labels, labels_name, Limits::default())?;
        Self::join(images_name.as_ref(), images, labels_name.as_ref(), labels, n_classes)
    }

    /// Number of images.
    #[expect(clippy::len_without_is_empty, reason = "there is always at least one image")]
    pub fn len(&self) -> usize {
        self.labels.len()
    }

    /// Height of every image in pixels.
    pub fn height(&self) -> usize {
        self.height
    }

    /// Width of every image in pixels.
    pub fn width(&self) -> usize {
        self.width
    }

    /// All the pixels: image by image, row by row.
    pub fn pixels(&self) -> &[u8] {
        &self.pixels
    }

    /// The class of every image.
    pub fn labels(&self) -> &[u8] {
        &self.labels
    }

    /// The four: height, width, pixels, labels.
    pub fn into_parts(self) -> (usize, usize, Vec<u8>, Vec<u8>) {
        (self.height, self.width, self.pixels, self.labels)
    }

    fn join(
        images_path: &Path,
        (dims, pixels): (Vec<usize>, Vec<u8>),
        labels_path: &Path,
        (label_dims, labels): (Vec<usize>, Vec<u8>),
        n_classes: usize,
    ) -> Result<Self, Error> {
        let &[count, height, width] = &dims[..] else {
            return Err(Error::new(images_path, ErrorKind::WrongRank { expected: 3, dims }));
        };
        if label_dims.len() != 1 {
            return Err(Error::new(
                labels_path,
                ErrorKind::WrongRank { expected: 1, dims: label_dims },
            ));
        }
        if pixels.is_empty() {
            return Err(Error::new(images_path, ErrorKind::NoImages { dims }));
        }
        if labels.len() != count {
            let images_path = images_path.to_owned();
            let kind =
                ErrorKind::CountMismatch { labels: labels.len(), images: count, images_path };
            return Err(Error::new(labels_path, kind));
        }
        if let Some(position) = labels.iter().position(|&label| usize::from(label) >= n_classes) {
            let kind = ErrorKind::LabelOutOfRange { label: labels[position], position, n_classes };
            return Err(Error::new(labels_path, kind));
        }
        Ok(LabelledImages { height, width, pixels, labels })
    }
}
