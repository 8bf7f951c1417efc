//! A data set: images to learn from, to watch and to measure on.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use morphograd_idx::{ElementType, LabelledImages, Limits};
use sha2::{Digest, Sha256};

use super::error::{DataError, FILES};
use super::images::Images;
use super::manifest;
use super::pixels::Pixels;
use super::stored::{Piece, Records, Stored};

/// Training and test images of one size, and the names of the classes.
#[derive(Debug, Clone, PartialEq)]
pub struct Dataset {
    /// Short name: that of the manifest, or that of the folder.
    pub name: String,
    /// One sentence saying which data these are and why.
    pub note: String,
    /// What to learn from.
    pub train: Images,
    /// What is watched while training; the test images where there are none of its own.
    pub validation: Option<Images>,
    /// What to measure on at the end.
    pub test: Images,
    /// Names of the classes, in label order; every label is below their number. None where the
    /// images have [`targets`](Images::targets) instead, or nothing else.
    pub class_names: Vec<String>,
}

/// The share of the images that are for testing where there are no test images.
const TEST_SHARE: f64 = 0.2;

impl Dataset {
    /// What is watched while training.
    pub fn watched(&self) -> &Images {
        self.validation.as_ref().unwrap_or(&self.test)
    }

    /// How many outputs a network of classes has; 1 where there are none.
    pub fn classes(&self) -> usize {
        self.class_names.len().max(1)
    }

    /// The SHA-256 of all that a training sees of the data, in hexadecimal digits: sizes, pixels,
    /// labels and targets of all parts, and the names of the classes. Not how they are stored.
    ///
    /// # Errors
    /// If images are in files that cannot be read.
    pub fn sha256(&self) -> Result<String, DataError> {
        let mut hash = Sha256::new();
        for images in [Some(&self.train), self.validation.as_ref(), Some(&self.test)] {
            match images {
                Some(images) => images.add_to(&mut hash)?,
                None => hash.update([0]),
            }
        }
        hash.update(self.class_names.join("\n"));
        Ok(hash.finalize().iter().map(|byte| format!("{byte:02x}")).collect())
    }

    /// What belongs to the images, for people.
    pub fn kind(&self) -> String {
        match (self.train.targets(), self.class_names.len()) {
            (Some(targets), _) => targets.kind().to_owned(),
            (None, 0) => "images alone".to_owned(),
            (None, classes) => format!("{classes} classes"),
        }
    }

    /// A share of the training images of each class, chosen by a seed, becomes the validation
    /// images.
    ///
    /// # Errors
    /// As [`Images::split`].
    pub fn with_validation(self, share: f64, seed: u64) -> Result<Self, DataError> {
        let (train, mut validation) = self.train.split(share, "validation", seed)?;
        validation.name = format!("the validation images of {}", self.name);
        Ok(Self { train, validation: Some(validation), ..self })
    }

    /// Reads the four files of a folder, packed or not. Without names the classes are the numbers
    /// up to the largest label. Images of more than `in_memory` bytes stay in their file.
    ///
    /// # Errors
    /// A file that is missing or malformed, counts that differ, a label that is not the number of a
    /// class, test images of another size than the training images.
    pub fn read(
        dir: &Path,
        name: String,
        class_names: Option<Vec<String>>,
        note: String,
        in_memory: u64,
    ) -> Result<Self, DataError> {
        let [train_images, train_labels, test_images, test_labels] =
            FILES.map(|file| manifest::locate(dir, file));
        let n = class_names.as_ref().map_or(256, Vec::len);
        let read = |split: &str, images: PathBuf, labels: PathBuf| {
            read_idx(format!("the {split} images of {name}"), &images, &labels, n, in_memory)
        };
        let train = read("training", train_images, train_labels)?;
        let test = read("test", test_images, test_labels)?;
        let class_names = class_names.unwrap_or_else(|| {
            let largest = train.labels().iter().chain(test.labels()).max();
            (0..=largest.copied().unwrap_or(0)).map(|class| class.to_string()).collect()
        });
        Self::new(name, class_names, note, train, test)
    }

    /// A data set of one's own from the training images and, if there are any, test images; without
    /// them a share (of each class) is kept for testing, and the note says so. `path` and `why` say
    /// where it is from.
    pub(super) fn of_parts(
        name: String,
        class_names: Vec<String>,
        (path, why): (&Path, &str),
        train: Images,
        test: Option<Images>,
    ) -> Result<Self, DataError> {
        let ((train, mut test), kept) = match test {
            Some(test) => ((train, test), String::new()),
            None => {
                let percent = (100.0 * TEST_SHARE).round();
                let of = if class_names.is_empty() { "the images" } else { "each class" };
                let kept = format!(", {percent} percent of {of} for testing");
                (train.split(TEST_SHARE, "test", 0)?, kept)
            }
        };
        test.name = format!("the test images of {name}");
        if train.shape() != test.shape() {
            let of = |images: &Images| images.shape().map(|n| n.to_string()).join("x");
            let expected = format!("{} as the training images have", of(&train));
            return Err(DataError::Counts { name: test.name.clone(), expected, found: of(&test) });
        }
        let what = match (train.targets(), test.targets()) {
            (None, _) if class_names.is_empty() => format!("{} images", train.len() + test.len()),
            (None, _) => format!("{} classes", class_names.len()),
            (Some(targets), Some(other)) if targets.shape() == other.shape() => {
                format!("images with {} of shape {:?}", targets.kind(), targets.shape())
            }
            (Some(targets), other) => {
                let expected = format!("targets of shape {:?} as in training", targets.shape());
                let found = other.map_or("none".to_owned(), |other| format!("{:?}", other.shape()));
                return Err(DataError::Counts { name: test.name, expected, found });
            }
        };
        let note = format!("{what} from {} ({why}{kept})", path.display());
        Ok(Self { name, note, train, validation: None, test, class_names })
    }

    /// The digits that are compiled into the program.
    ///
    /// ```
    /// let digits = morphograd::data::Dataset::embedded(String::new());
    /// let train = digits.train.take(1024)?;
    /// let mut batch = vec![0.0; 2 * 28 * 28];
    /// train.gather_pixels(&[7, 3], &mut batch)?;
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
        let train = Images::of("the training images of digits".to_owned(), train);
        let (images, labels) =
            (file!("t10k-images-idx3-ubyte.gz"), file!("t10k-labels-idx1-ubyte.gz"));
        let test = LabelledImages::read_from(images, labels, n).expect("compiled in, and tested");
        let test = Images::of("the test images of digits".to_owned(), test);
        Self::new(entry.name, entry.classes, note, train, test).expect("compiled in, and tested")
    }

    fn new(
        name: String,
        class_names: Vec<String>,
        note: String,
        train: Images,
        test: Images,
    ) -> Result<Self, DataError> {
        let size = |images: &Images| [images.height(), images.width()];
        let (expected, found) = (size(&train), size(&test));
        if expected != found {
            return Err(DataError::SizesDiffer { name, train: expected, test: found });
        }
        Ok(Dataset { name, note, train, validation: None, test, class_names })
    }
}

/// Reads images and labels; the images stay in their file if they have more bytes than may be in
/// memory.
fn read_idx(
    name: String,
    images: &Path,
    labels: &Path,
    classes: usize,
    in_memory: u64,
) -> Result<Images, DataError> {
    let layout = morphograd_idx::layout(images)?;
    let limits = Limits { max_bytes: in_memory.max(Limits::default().max_bytes) };
    let (Some(start), &[count, height, width]) = (layout.start, &layout.dims[..]) else {
        let labelled = LabelledImages::read_within(images, labels, classes, limits)?;
        return Ok(Images::of(name, labelled));
    };
    if layout.bytes <= in_memory || layout.element_type != ElementType::U8 {
        let labelled = LabelledImages::read_within(images, labels, classes, limits)?;
        return Ok(Images::of(name, labelled));
    }
    let own = |path: &Path, expected: String, found: String| DataError::File {
        path: path.to_owned(),
        expected,
        found,
    };
    let (dims, all) = morphograd_idx::read_as::<u8>(labels, Limits::default())?;
    if dims != [count] {
        let expected = format!("{count} labels, one for each image");
        return Err(own(labels, expected, format!("dimensions {dims:?}")));
    }
    if let Some(label) = all.iter().find(|label| usize::from(**label) >= classes) {
        return Err(own(labels, format!("labels below {classes}"), label.to_string()));
    }
    let file = File::open(images)
        .map_err(|error| own(images, "a file that can be read".to_owned(), error.to_string()))?;
    let piece = Piece { path: images.to_owned(), file, start, count };
    let bytes = height * width;
    let records = Records { files: vec![piece], bytes, is_bytes: true, decode: None };
    let pixels = Pixels::Stored(Stored::new(Arc::new(records), bytes));
    Images::new(name, [height, width, 1], pixels, all)
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
        Dataset::read(
            dir,
            "tiny".into(),
            Some(vec!["a".into(), "b".into()]),
            "a test".into(),
            u64::MAX,
        )
    }

    #[test]
    fn batches_are_gathered_in_the_order_asked_for() {
        let dir = tempfile::tempdir().unwrap();
        labelled(dir.path(), "train", [3, 2, 2], &[0, 1, 1]);
        labelled(dir.path(), "t10k", [1, 2, 2], &[0]);
        let data = read(dir.path()).unwrap();
        let mut batch = [9.0; 8];
        data.train.gather_pixels(&[2, 0], &mut batch).unwrap();
        assert_eq!(batch, [8, 9, 10, 11, 0, 1, 2, 3].map(|pixel| pixel as f32 / 255.0));
        let two = data.train.take(2).unwrap();
        assert_eq!((two.len(), two.labels()), (2, &[0, 1][..]));
        assert_eq!(two.levels(1).collect::<Vec<_>>(), [4.0, 5.0, 6.0, 7.0]);
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
