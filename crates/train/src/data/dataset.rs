//! A data set in memory. Pixels stay bytes, a quarter of the memory of numbers; they become numbers
//! in [0, 1] when a batch is gathered.

use std::path::Path;

use morphograd_idx::LabelledImages;
use morphograd_morphology::nn::autodiff::Graph;
use morphograd_morphology::nn::fit::{Batch, DataSet};
use morphograd_morphology::nn::tensor::ShapeError;

use super::error::{DataError, FILES};
use super::manifest;

/// Training and test images of one size, and the names of the classes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Dataset {
    /// Short name: that of the manifest, or that of the folder.
    pub name: String,
    /// One sentence saying which data these are and why.
    pub note: String,
    /// What to learn from.
    pub train: Images,
    /// What to measure on.
    pub test: Images,
    /// Names of the classes, in label order; every label is below their number.
    pub class_names: Vec<String>,
}

/// Grey images of one size with a class each; never empty.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Images {
    /// What they are called in errors.
    name: String,
    height: usize,
    width: usize,
    pixels: Vec<u8>,
    labels: Vec<u8>,
}

impl Dataset {
    /// Reads the four files of a folder, packed or not.
    ///
    /// # Errors
    /// A file that is missing or malformed, counts that differ, a label that is not the number of a
    /// class, test images of another size than the training images.
    pub fn read(
        dir: &Path,
        name: String,
        class_names: Vec<String>,
        note: String,
    ) -> Result<Self, DataError> {
        let [train_images, train_labels, test_images, test_labels] =
            FILES.map(|file| manifest::locate(dir, file));
        let n = class_names.len();
        let train = LabelledImages::read(train_images, train_labels, n)?;
        let test = LabelledImages::read(test_images, test_labels, n)?;
        Self::new(name, class_names, note, train, test)
    }

    /// The digits that are compiled into the program.
    ///
    /// ```
    /// let digits = morphograd::data::Dataset::embedded(String::new());
    /// let train = digits.train.take(1024)?;
    /// let mut batch = vec![0.0; 2 * 28 * 28];
    /// train.gather_pixels(&[7, 3], &mut batch);
    /// assert!(batch.iter().all(|value| (0.0..=1.0).contains(value)));
    /// # Ok::<(), morphograd::data::DataError>(())
    /// ```
    pub fn embedded(note: String) -> Self {
        macro_rules! file {
            ($name:literal) => {
                ($name, &include_bytes!(concat!("../../datasets/digits/", $name))[..])
            };
        }
        let entry = manifest::entry("digits").expect("the manifest has the digits");
        let n = entry.classes.len();
        let (images, labels) =
            (file!("train-images-idx3-ubyte.gz"), file!("train-labels-idx1-ubyte.gz"));
        let train = LabelledImages::read_from(images, labels, n).expect("compiled in, and tested");
        let (images, labels) =
            (file!("t10k-images-idx3-ubyte.gz"), file!("t10k-labels-idx1-ubyte.gz"));
        let test = LabelledImages::read_from(images, labels, n).expect("compiled in, and tested");
        Self::new(entry.name, entry.classes, note, train, test).expect("compiled in, and tested")
    }

    fn new(
        name: String,
        class_names: Vec<String>,
        note: String,
        train: LabelledImages,
        test: LabelledImages,
    ) -> Result<Self, DataError> {
        let size = |images: &LabelledImages| [images.height(), images.width()];
        let (expected, found) = (size(&train), size(&test));
        if expected != found {
            return Err(DataError::SizesDiffer { name, train: expected, test: found });
        }
        let images = |split: &str, labelled: LabelledImages| {
            let (height, width, pixels, labels) = labelled.into_parts();
            Images { name: format!("the {split} images of {name}"), height, width, pixels, labels }
        };
        let (train, test) = (images("training", train), images("test", test));
        Ok(Dataset { name, note, train, test, class_names })
    }
}

impl Images {
    /// Number of images.
    #[expect(clippy::len_without_is_empty, reason = "there is always at least one image")]
    pub fn len(&self) -> usize {
        self.labels.len()
    }

    /// Height in pixels.
    pub fn height(&self) -> usize {
        self.height
    }

    /// Width in pixels.
    pub fn width(&self) -> usize {
        self.width
    }

    /// The class of every image.
    pub fn labels(&self) -> &[u8] {
        &self.labels
    }

    /// The pixels of one image, row by row.
    ///
    /// # Panics
    /// Where there is no such image.
    pub fn pixels(&self, index: usize) -> &[u8] {
        let size = self.height * self.width;
        &self.pixels[index * size..(index + 1) * size]
    }

    /// Overwrites `out` (`indices.len() * height * width` numbers: `[batch, height, width, 1]`)
    /// with the images at `indices`, each pixel divided by 255.
    ///
    /// # Panics
    /// Where `out` has another length, or an index is not below [`len`](Self::len).
    pub fn gather_pixels(&self, indices: &[usize], out: &mut [f32]) {
        let size = self.height * self.width;
        assert_eq!(out.len(), indices.len() * size, "a batch of {} images", indices.len());
        for (&index, image) in indices.iter().zip(out.chunks_exact_mut(size)) {
            for (value, &pixel) in image.iter_mut().zip(self.pixels(index)) {
                *value = f32::from(pixel) / 255.0;
            }
        }
    }

    /// The first `count` images.
    ///
    /// # Errors
    /// [`DataError::TooFew`] where there are fewer, or none is asked for.
    pub fn take(&self, count: usize) -> Result<Images, DataError> {
        if count == 0 || count > self.len() {
            return Err(DataError::TooFew {
                name: self.name.clone(),
                expected: count,
                available: self.len(),
            });
        }
        Ok(Images {
            name: self.name.clone(),
            height: self.height,
            width: self.width,
            pixels: self.pixels[..count * self.height * self.width].to_vec(),
            labels: self.labels[..count].to_vec(),
        })
    }
}

/// Images `[batch, height, width, 1]` and their labels `[batch]`.
impl DataSet<f32> for Images {
    fn len(&self) -> usize {
        Images::len(self)
    }

    fn gather(&self, graph: &mut Graph<'_, f32>, examples: &[usize]) -> Result<Batch, ShapeError> {
        let shape = [examples.len(), self.height, self.width, 1];
        let images = graph.input_with(shape, |images| self.gather_pixels(examples, images));
        let labels = graph.input_with([examples.len()], |labels| {
            for (label, &index) in labels.iter_mut().zip(examples) {
                *label = f32::from(self.labels[index]);
            }
        });
        Ok(Batch::new(images, labels))
    }
}

#[cfg(test)]
mod tests {
    use morphograd_idx::{Idx, IdxData, write};

    use super::*;

    fn labelled(dir: &Path, prefix: &str, dims: [usize; 3], labels: &[u8]) {
        let pixels = (0..dims.iter().product()).map(|i| (i % 256) as u8).collect();
        let images = Idx::new(dims.to_vec(), IdxData::U8(pixels)).unwrap();
        write(dir.join(format!("{prefix}-images-idx3-ubyte.gz")), &images).unwrap();
        let labels = Idx::new(vec![labels.len()], IdxData::U8(labels.to_vec())).unwrap();
        write(dir.join(format!("{prefix}-labels-idx1-ubyte.gz")), &labels).unwrap();
    }

    fn read(dir: &Path) -> Result<Dataset, DataError> {
        Dataset::read(dir, "tiny".into(), vec!["a".into(), "b".into()], "a test".into())
    }

    #[test]
    fn batches_are_gathered_in_the_order_asked_for() {
        let dir = tempfile::tempdir().unwrap();
        labelled(dir.path(), "train", [3, 2, 2], &[0, 1, 1]);
        labelled(dir.path(), "t10k", [1, 2, 2], &[0]);
        let data = read(dir.path()).unwrap();
        let mut batch = [9.0; 8];
        data.train.gather_pixels(&[2, 0], &mut batch);
        assert_eq!(batch, [8, 9, 10, 11, 0, 1, 2, 3].map(|pixel| pixel as f32 / 255.0));
        let two = data.train.take(2).unwrap();
        assert_eq!((two.len(), two.labels(), two.pixels(1)), (2, &[0, 1][..], &[4, 5, 6, 7][..]));
    }

    #[test]
    fn more_images_than_there_are_is_an_error() {
        let data = Dataset::embedded(String::new());
        assert_eq!(data.train.take(4096).unwrap(), data.train);
        let error = data.train.take(4097).unwrap_err();
        assert_eq!(
            error.to_string(),
            "the training images of digits: expected a number from 1 to 4096, found 4097"
        );
        assert!(data.test.take(0).is_err());
    }

    #[test]
    fn files_that_do_not_fit_together_are_errors() {
        let dir = tempfile::tempdir().unwrap();
        assert!(read(dir.path()).unwrap_err().to_string().contains("train-images-idx3-ubyte.gz"));
        labelled(dir.path(), "train", [3, 2, 2], &[0, 1, 1]);
        labelled(dir.path(), "t10k", [1, 2, 3], &[0]);
        let error = read(dir.path()).unwrap_err();
        assert_eq!(
            error.to_string(),
            "tiny: test images of 2x3 pixels, expected 2x2 as the training images have"
        );
        labelled(dir.path(), "t10k", [1, 2, 2], &[2]);
        let error = read(dir.path()).unwrap_err();
        assert!(
            error
                .to_string()
                .ends_with("label 2 at position 0 is out of range: expected a class below 2")
        );
        labelled(dir.path(), "t10k", [1, 2, 2], &[1, 1]);
        assert!(read(dir.path()).unwrap_err().to_string().contains("2 labels, but 1 images"));
        labelled(dir.path(), "t10k", [0, 2, 2], &[]);
        assert!(read(dir.path()).unwrap_err().to_string().contains("no images"));
    }
}
