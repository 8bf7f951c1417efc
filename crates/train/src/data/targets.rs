//! What belongs to images where it is not a class: an image each, as a mask, or numbers.

use sha2::{Digest, Sha256};

use super::error::DataError;
use super::pixels::Pixels;

/// A target for every image: an image, or some numbers.
///
/// ```
/// use morphograd::data::{Images, Pixels, Targets};
/// let images = Images::new("two".into(), [1, 2, 1], Pixels::U8(vec![0, 9, 9, 0]), vec![0, 0])?;
/// let masks = Targets::new("masks".into(), &[1, 2, 1], Pixels::U8(vec![0, 255, 255, 0]))?;
/// let images = images.with_targets(masks)?;
/// let mut second = [9.0; 2];
/// images.targets().unwrap().gather(&[1], &mut second)?;
/// assert_eq!(second, [1.0, 0.0]);
/// # Ok::<(), morphograd::data::DataError>(())
/// ```
#[derive(Debug, Clone, PartialEq)]
pub struct Targets {
    shape: Vec<usize>,
    values: Pixels,
}

impl Targets {
    /// Targets of a shape: `[height, width, channels]` for images, `[count]` for numbers. Errors
    /// call them `name`.
    ///
    /// # Errors
    /// [`DataError::Counts`] if the numbers are none, or not those of whole targets.
    pub fn new(name: String, shape: &[usize], values: Pixels) -> Result<Self, DataError> {
        let (size, len) = (shape.iter().product::<usize>(), values.len());
        if size == 0 || len == 0 || len % size != 0 || !matches!(shape.len(), 1 | 3) {
            let expected = format!("targets of shape {shape:?}");
            return Err(DataError::Counts { name, expected, found: format!("{len} numbers") });
        }
        Ok(Self { shape: shape.to_vec(), values })
    }

    /// Adds shape and values to a check sum.
    pub(super) fn add_to(&self, hash: &mut Sha256) -> Result<(), DataError> {
        self.shape.iter().for_each(|size| hash.update((*size as u64).to_le_bytes()));
        self.values.add_to(self.size(), hash)
    }

    /// Begins to read targets that will be needed soon.
    pub(super) fn ahead(&self, indices: &[usize]) {
        self.values.ahead(indices);
    }

    /// Images of a shape as targets of others.
    pub(super) fn of_images(shape: [usize; 3], values: Pixels) -> Self {
        Self { shape: shape.to_vec(), values }
    }

    /// How many targets there are.
    #[expect(clippy::len_without_is_empty, reason = "there is always at least one target")]
    pub fn len(&self) -> usize {
        self.values.len() / self.size()
    }

    /// The shape of one.
    pub fn shape(&self) -> &[usize] {
        &self.shape
    }

    /// Height, width and channels, if the targets are images.
    pub fn image_shape(&self) -> Option<[usize; 3]> {
        self.shape[..].try_into().ok()
    }

    /// Numbers of a target.
    pub fn size(&self) -> usize {
        self.shape.iter().product()
    }

    /// What they are, for people.
    pub fn kind(&self) -> &'static str {
        if self.shape.len() == 3 { "target images" } else { "numbers" }
    }

    /// Overwrites `out` with the targets at `indices`; bytes are divided by 255.
    ///
    /// # Errors
    /// If the targets are in files, and one cannot be read any more.
    ///
    /// # Panics
    /// Where `out` has another length, or an index is not below [`len`](Self::len).
    pub fn gather(&self, indices: &[usize], out: &mut [f32]) -> Result<(), DataError> {
        let size = self.size();
        assert_eq!(out.len(), indices.len() * size, "a batch of {} targets", indices.len());
        self.values.gather(size, indices, out)
    }

    pub(super) fn select(&self, indices: impl Iterator<Item = usize>) -> Self {
        Self { shape: self.shape.clone(), values: self.values.select(self.size(), indices) }
    }
}
