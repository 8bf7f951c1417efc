//! Images in memory, of one size, with a class each, or with what else belongs to them.
//!
//! The one design choice: pixels stay bytes where files have bytes, a quarter of the memory of
//! numbers; they become numbers in [0, 1] when a batch is gathered.

use std::borrow::Cow;

use morphograd_idx::LabelledImages;
use morphograd_morphology::nn::autodiff::Graph;
use morphograd_morphology::nn::fit::{Batch, DataSet};
use morphograd_morphology::nn::random::Stream;
use morphograd_morphology::nn::tensor::ShapeError;
use rayon::prelude::*;
use sha2::{Digest, Sha256};

use super::error::DataError;
use super::pixels::Pixels;
use super::stored::byte;
use super::targets::Targets;

/// Grey or colour images of one size with a class each; never empty. Images with [`Targets`] are
/// all of class 0.
#[derive(Debug, Clone, PartialEq)]
pub struct Images {
    /// What they are called in errors.
    pub(super) name: String,
    height: usize,
    width: usize,
    channels: usize,
    pixels: Pixels,
    labels: Vec<u8>,
    targets: Option<Targets>,
}

impl Images {
    /// Images of height, width and channels (1 or 3), called `name` in errors.
    ///
    /// # Errors
    /// [`DataError::Counts`] if there is no image, or not one label for each.
    pub fn new(
        name: String,
        [height, width, channels]: [usize; 3],
        pixels: Pixels,
        labels: Vec<u8>,
    ) -> Result<Self, DataError> {
        let size = height * width * channels;
        if labels.is_empty() || size == 0 || pixels.len() != size * labels.len() {
            let expected = format!(
                "at least one image of {height}x{width}x{channels} numbers, and a label for each"
            );
            let found = format!("{} numbers and {} labels", pixels.len(), labels.len());
            return Err(DataError::Counts { name, expected, found });
        }
        Ok(Self { name, height, width, channels, pixels, labels, targets: None })
    }

    /// The same images, with what belongs to each.
    ///
    /// # Errors
    /// [`DataError::Counts`] if there is not one target for each.
    pub fn with_targets(self, targets: Targets) -> Result<Self, DataError> {
        if targets.len() != self.len() {
            let expected = format!("{} targets, one for each image", self.len());
            let found = targets.len().to_string();
            return Err(DataError::Counts { name: self.name, expected, found });
        }
        Ok(Self { targets: Some(targets), ..self })
    }

    /// What belongs to the images, where it is not their class.
    pub fn targets(&self) -> Option<&Targets> {
        self.targets.as_ref()
    }

    /// These images as the targets of others.
    pub(super) fn into_targets(self) -> Targets {
        Targets::of_images(self.shape(), self.pixels)
    }

    pub(super) fn of(name: String, labelled: LabelledImages) -> Self {
        let (height, width, pixels, labels) = labelled.into_parts();
        Self { name, height, width, channels: 1, pixels: Pixels::U8(pixels), labels, targets: None }
    }

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

    /// Numbers of a pixel: 1 for grey images, 3 for red, green and blue.
    pub fn channels(&self) -> usize {
        self.channels
    }

    /// Height, width and channels: what a network takes.
    pub fn shape(&self) -> [usize; 3] {
        [self.height, self.width, self.channels]
    }

    /// Numbers of an image.
    pub fn size(&self) -> usize {
        self.height * self.width * self.channels
    }

    /// The class of every image.
    pub fn labels(&self) -> &[u8] {
        &self.labels
    }

    /// What white is among the [`levels`](Self::levels): 255 for bytes, else 1.
    pub fn white(&self) -> f64 {
        if self.pixels.is_bytes() { 255.0 } else { 1.0 }
    }

    /// The numbers of one image as they are stored, row by row.
    ///
    /// # Panics
    /// Where there is no such image, or a file cannot be read any more.
    pub fn levels(&self, index: usize) -> impl ExactSizeIterator<Item = f64> + Clone + '_ {
        let range = index * self.size()..(index + 1) * self.size();
        assert!(range.end <= self.pixels.len(), "image {index} of {}", self.len());
        let stored = match &self.pixels {
            Pixels::Stored(stored) => {
                let mut values = vec![0.0; self.size()];
                stored.gather(&[index], &mut values).unwrap_or_else(|error| panic!("{error}"));
                let white = self.white() as f32;
                let level = |x: f32| f64::from(if white > 1.0 { (x * white).round() } else { x });
                values.into_iter().map(level).collect()
            }
            Pixels::U8(_) | Pixels::F32(_) => Vec::new(),
        };
        let start = range.start;
        range.map(move |i| match &self.pixels {
            Pixels::U8(pixels) => f64::from(pixels[i]),
            Pixels::F32(pixels) => f64::from(pixels[i]),
            Pixels::Stored(_) => stored[i - start],
        })
    }

    /// Overwrites `out` (`[indices.len(), height, width, channels]`) with the images at `indices`;
    /// bytes are divided by 255.
    ///
    /// # Errors
    /// If the images are in files, and one cannot be read any more.
    ///
    /// # Panics
    /// Where `out` has another length, or an index is not below [`len`](Self::len).
    pub fn gather_pixels(&self, indices: &[usize], out: &mut [f32]) -> Result<(), DataError> {
        let size = self.size();
        assert_eq!(out.len(), indices.len() * size, "a batch of {} images", indices.len());
        self.pixels.gather(size, indices, out)
    }

    /// Begins to read images that will be gathered soon, with their targets, if they are in files.
    pub fn read_ahead(&self, indices: &[usize]) {
        self.pixels.ahead(indices);
        self.targets.iter().for_each(|targets| targets.ahead(indices));
    }

    /// The same images in memory, if they take no more than so many bytes there.
    pub(super) fn loaded(self, in_memory: u64) -> Result<Self, DataError> {
        let bytes = self.len() * self.size() * if self.white() > 1.0 { 1 } else { 4 };
        if !self.is_stored() || bytes as u64 > in_memory {
            return Ok(self);
        }
        let mut values = vec![0.0; self.len() * self.size()];
        values
            .par_chunks_mut(self.size())
            .enumerate()
            .try_for_each(|(i, out)| self.gather_pixels(&[i], out))?;
        let pixels = match self.white() > 1.0 {
            true => Pixels::U8(values.into_iter().map(byte).collect()),
            false => Pixels::F32(values),
        };
        Ok(Self { pixels, ..self })
    }

    /// Whether they are in files.
    pub fn is_stored(&self) -> bool {
        matches!(self.pixels, Pixels::Stored(_))
    }

    /// The pixels.
    pub(super) fn pixels(&self) -> &Pixels {
        &self.pixels
    }

    /// Adds sizes, pixels, labels and targets to a check sum.
    pub(super) fn add_to(&self, hash: &mut Sha256) -> Result<(), DataError> {
        let sizes = [self.len(), self.height, self.width, self.channels];
        sizes.iter().for_each(|size| hash.update((*size as u64).to_le_bytes()));
        self.pixels.add_to(self.size(), hash)?;
        hash.update(&self.labels);
        self.targets.as_ref().map_or(Ok(()), |targets| targets.add_to(hash))
    }

    /// The first `count` images, without a copy if these are all.
    ///
    /// # Errors
    /// As [`take`](Self::take).
    pub fn first(&self, count: usize) -> Result<Cow<'_, Self>, DataError> {
        if count == self.len() { Ok(Cow::Borrowed(self)) } else { self.take(count).map(Cow::Owned) }
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
        Ok(self.select(0..count))
    }

    /// These images, in this order.
    fn select(&self, indices: impl Iterator<Item = usize> + Clone) -> Images {
        Images {
            name: self.name.clone(),
            pixels: self.pixels.select(self.size(), indices.clone()),
            targets: self.targets.as_ref().map(|targets| targets.select(indices.clone())),
            labels: indices.map(|i| self.labels[i]).collect(),
            ..*self
        }
    }

    /// Two parts: a share of each class, chosen by a seed, is the second. The order stays.
    ///
    /// # Errors
    /// [`DataError::Counts`] if the share is not between 0 and 1, or leaves one of them empty.
    ///
    /// ```
    /// let digits = morphograd::data::Dataset::embedded(String::new());
    /// let (train, validation) = digits.train.split(0.25, "validation", 0)?;
    /// assert_eq!(train.len() + validation.len(), 4096);
    /// assert!(validation.len().abs_diff(1024) <= 5); // a quarter of each class, rounded
    /// # Ok::<(), morphograd::data::DataError>(())
    /// ```
    pub fn split(&self, share: f64, purpose: &str, seed: u64) -> Result<(Self, Self), DataError> {
        let mut is_second = vec![false; self.len()];
        for class in 0..=u8::MAX {
            let mut of_class: Vec<usize> =
                (0..self.len()).filter(|i| self.labels[*i] == class).collect();
            Stream::new(seed, purpose, u64::from(class)).shuffle(&mut of_class);
            let count = (share * of_class.len() as f64).round() as usize;
            of_class.iter().take(count).for_each(|i| is_second[*i] = true);
        }
        let seconds = is_second.iter().filter(|second| **second).count();
        let is_share = share > 0.0 && share < 1.0;
        if !is_share || seconds == 0 || seconds == self.len() {
            return Err(DataError::Counts {
                name: self.name.clone(),
                expected: "a share between 0 and 1 that leaves images on both sides".to_owned(),
                found: format!("{share} of {} images", self.len()),
            });
        }
        let part = |second: bool| self.select((0..self.len()).filter(|i| is_second[*i] == second));
        Ok((part(false), part(true)))
    }

    /// The same images in an order by a seed, so that the first ones are of all classes.
    pub(super) fn shuffled(&self, seed: u64) -> Self {
        let mut order: Vec<usize> = (0..self.len()).collect();
        Stream::new(seed, "files", 0).shuffle(&mut order);
        self.select(order.iter().copied())
    }
}

/// Images `[batch, height, width, channels]` and their labels `[batch]`.
impl DataSet<f32> for Images {
    fn len(&self) -> usize {
        Images::len(self)
    }

    fn ahead(&self, examples: &[usize]) {
        self.read_ahead(examples);
    }

    fn gather(&self, graph: &mut Graph<'_, f32>, examples: &[usize]) -> Result<Batch, ShapeError> {
        let shape = [examples.len(), self.height, self.width, self.channels];
        let mut read = Ok(());
        let images = graph.input_with(shape, |out| read = self.gather_pixels(examples, out));
        read?;
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
    use super::*;

    fn images(pixels: Pixels, labels: &[u8]) -> Result<Images, DataError> {
        Images::new("some images".into(), [1, 2, 1], pixels, labels.to_vec())
    }

    #[test]
    fn bytes_and_numbers_are_gathered_alike() {
        let bytes = images(Pixels::U8(vec![0, 51, 102, 255]), &[0, 1]).unwrap();
        let numbers = images(Pixels::F32(vec![0.0, 0.2, 0.4, 1.0]), &[0, 1]).unwrap();
        let gathered = |images: &Images| {
            let mut batch = [9.0; 4];
            images.gather_pixels(&[1, 0], &mut batch).unwrap();
            batch
        };
        assert_eq!(gathered(&bytes), gathered(&numbers));
        assert_eq!(bytes.levels(1).collect::<Vec<_>>(), [102.0, 255.0]);
        assert_eq!((bytes.white(), numbers.white()), (255.0, 1.0));
    }

    #[test]
    fn counts_that_do_not_fit_are_refused() {
        let error = images(Pixels::U8(vec![0; 3]), &[0, 1]).unwrap_err().to_string();
        assert!(error.contains("3 numbers and 2 labels"), "{error}");
        assert!(images(Pixels::U8(Vec::new()), &[]).is_err());
    }

    #[test]
    fn a_split_has_every_image_once_and_a_share_of_each_class() {
        let labels: Vec<u8> = (0..60).map(|i| i % 3).collect();
        let all = images(Pixels::U8((0..120).collect()), &labels).unwrap();
        let (first, second) = all.split(0.2, "validation", 5).unwrap();
        for class in 0..3 {
            assert_eq!(second.labels().iter().filter(|label| **label == class).count(), 4);
        }
        let mut seen: Vec<f64> = [&first, &second]
            .iter()
            .flat_map(|part| (0..part.len()).flat_map(|i| part.levels(i)))
            .collect();
        seen.sort_by(f64::total_cmp);
        assert_eq!(seen, (0..120).map(f64::from).collect::<Vec<_>>());
        assert_eq!(all.split(0.2, "validation", 5).unwrap(), (first, second));
        for share in [0.0, 1.0, f64::NAN, 0.001] {
            assert!(all.split(share, "validation", 5).is_err(), "{share}");
        }
    }
}
