//! More images from those that there are: shifted, rotated, flipped and bent at random.
//!
//! The one design choice: what happens to an image is a function of a seed, the step and its
//! number, so a training has one result for any number of threads, and nothing is kept.

use std::fmt::{self, Display};
use std::str::FromStr;

use morphograd_morphology::nn::autodiff::{Graph, Mode};
use morphograd_morphology::nn::fit::{Batch, DataSet};
use morphograd_morphology::nn::random::{Stream, mix};
use morphograd_morphology::nn::tensor::{ShapeError, parallel};

use serde::{Deserialize, Serialize};

use super::error::DataError;
use super::images::Images;

/// How far images are changed, each time differently; by default not at all.
///
/// ```
/// use morphograd::data::Augmentation;
/// let some: Augmentation = "shift:2,rotation:10,flip".parse()?;
/// assert_eq!((some.shift, some.rotation, some.flip, some.elastic), (2.0, 10.0, true, 0.0));
/// assert_eq!(some.to_string(), "shift:2,rotation:10,flip");
/// assert!("shift".parse::<Augmentation>().is_err());
/// # Ok::<(), String>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Augmentation {
    /// Up to so many pixels in each direction.
    pub shift: f64,
    /// Up to so many degrees in each direction.
    pub rotation: f64,
    /// Left and right are exchanged, in half of the cases.
    pub flip: bool,
    /// So are above and below.
    pub flip_vertical: bool,
    /// Points 8 pixels apart move by up to so many pixels in each direction, what is between them
    /// with them (linear interpolation).
    pub elastic: f64,
}

/// Between the points that are moved.
const GRID: usize = 8;

impl FromStr for Augmentation {
    type Err = String;

    /// Reads `shift:PIXELS`, `rotation:DEGREES`, `flip`, `flip-vertical` and `elastic:PIXELS` with
    /// commas between them.
    fn from_str(text: &str) -> Result<Self, String> {
        let mut found = Self::default();
        for part in text.split(',').map(str::trim) {
            let (word, number) = match part.split_once(':') {
                Some((word, number)) => (word, number.parse::<f64>().ok()),
                None => (part, None),
            };
            let number = number.filter(|number| number.is_finite() && *number >= 0.0);
            match (word, number) {
                ("shift", Some(pixels)) => found.shift = pixels,
                ("rotation", Some(degrees)) => found.rotation = degrees,
                ("elastic", Some(pixels)) => found.elastic = pixels,
                ("flip", None) if part == word => found.flip = true,
                ("flip-vertical", None) if part == word => found.flip_vertical = true,
                _ => {
                    return Err(format!(
                        "expected shift:PIXELS, rotation:DEGREES, elastic:PIXELS, flip or \
                         flip-vertical with commas between them, found `{part}`"
                    ));
                }
            }
        }
        Ok(found)
    }
}

impl TryFrom<String> for Augmentation {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        text.parse()
    }
}

impl From<Augmentation> for String {
    fn from(augmentation: Augmentation) -> Self {
        augmentation.to_string()
    }
}

impl Display for Augmentation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let numbers =
            [("shift", self.shift), ("rotation", self.rotation), ("elastic", self.elastic)];
        let numbers =
            numbers.iter().filter(|(_, x)| *x > 0.0).map(|(name, x)| format!("{name}:{x}"));
        let words = [("flip", self.flip), ("flip-vertical", self.flip_vertical)];
        let words = words.iter().filter(|(_, is)| *is).map(|(name, _)| (*name).to_owned());
        f.pad(&numbers.chain(words).collect::<Vec<_>>().join(","))
    }
}

impl Augmentation {
    /// Overwrites `out` with the image `[height, width, channels]`, changed at random. Pixels are
    /// interpolated linearly; outside of the image is its nearest pixel.
    fn apply(
        &self,
        stream: &mut Stream,
        [height, width, channels]: [usize; 3],
        image: &[f32],
        out: &mut [f32],
    ) {
        let mut within = |most: f64| most * (2.0 * stream.uniform() - 1.0);
        let shift = [within(self.shift), within(self.shift)];
        let (sin, cos) = within(self.rotation).to_radians().sin_cos();
        let flips = [within(1.0) < 0.0 && self.flip_vertical, within(1.0) < 0.0 && self.flip];
        let [rows, columns] = [height.div_ceil(GRID) + 1, width.div_ceil(GRID) + 1];
        let moved: Vec<[f64; 2]> = match self.elastic {
            0.0 => Vec::new(),
            most => (0..rows * columns).map(|_| [within(most), within(most)]).collect(),
        };
        let middle = [(height as f64 - 1.0) / 2.0, (width as f64 - 1.0) / 2.0];
        for i in 0..height {
            for j in 0..width {
                let bent = bend(&moved, columns, [i, j]);
                // Where this pixel comes from.
                let [y, x] = [0, 1].map(|axis| [i, j][axis] as f64 - middle[axis] - shift[axis]);
                let from = [y * cos + x * sin, x * cos - y * sin];
                let from = [0, 1].map(|axis| {
                    let at = if flips[axis] { -from[axis] } else { from[axis] };
                    let last = [height, width][axis] as f64 - 1.0;
                    (at + middle[axis] + bent[axis]).clamp(0.0, last)
                });
                let pixel = &mut out[(i * width + j) * channels..][..channels];
                interpolate(image, [height, width], from, pixel);
            }
        }
    }
}

/// How far a pixel is moved with the points around it.
fn bend(moved: &[[f64; 2]], columns: usize, [i, j]: [usize; 2]) -> [f64; 2] {
    if moved.is_empty() {
        return [0.0; 2];
    }
    let (row, column) = (i / GRID, j / GRID);
    let [down, right] = [i, j].map(|n| (n % GRID) as f64 / GRID as f64);
    [0, 1].map(|axis| {
        let at = |row: usize, column: usize| moved[row * columns + column][axis];
        let above = (1.0 - right) * at(row, column) + right * at(row, column + 1);
        let below = (1.0 - right) * at(row + 1, column) + right * at(row + 1, column + 1);
        (1.0 - down) * above + down * below
    })
}

/// The pixel at a place between pixels.
fn interpolate(image: &[f32], [height, width]: [usize; 2], [y, x]: [f64; 2], out: &mut [f32]) {
    let channels = out.len();
    let (row, column) = (y as usize, x as usize);
    let (down, right) = ((y - row as f64) as f32, (x - column as f64) as f32);
    let at = |row: usize, column: usize, channel: usize| {
        image[(row.min(height - 1) * width + column.min(width - 1)) * channels + channel]
    };
    for (channel, out) in out.iter_mut().enumerate() {
        let above = (1.0 - right) * at(row, column, channel) + right * at(row, column + 1, channel);
        let below =
            (1.0 - right) * at(row + 1, column, channel) + right * at(row + 1, column + 1, channel);
        *out = (1.0 - down) * above + down * below;
    }
}

/// Images that are changed whenever a step learns from them; in an evaluation they are as they are.
#[derive(Debug, Clone, Copy)]
pub struct Augmented<'a> {
    /// The images.
    pub images: &'a Images,
    /// How they are changed.
    pub augmentation: Augmentation,
    /// What decides, with the step and the number of an image.
    pub seed: u64,
}

impl Augmented<'_> {
    /// Overwrites `out` as [`Images::gather_pixels`] does, with changed images if it is for a step.
    ///
    /// # Errors
    /// As that.
    pub fn gather_pixels(
        &self,
        mode: Mode,
        indices: &[usize],
        out: &mut [f32],
    ) -> Result<(), DataError> {
        self.images.gather_pixels(indices, out)?;
        self.change(mode, indices, self.images.shape(), out);
        Ok(())
    }

    /// Overwrites `out` as [`Targets::gather`](super::Targets::gather) does. Target images are
    /// changed as their images are, so that a mask stays where its object is; its edges become soft
    /// where pixels are interpolated.
    ///
    /// # Errors
    /// As that.
    ///
    /// # Panics
    /// If the images have no targets.
    pub fn gather_targets(
        &self,
        mode: Mode,
        indices: &[usize],
        out: &mut [f32],
    ) -> Result<(), DataError> {
        let targets = self.images.targets().expect("images with targets");
        targets.gather(indices, out)?;
        if let Some(shape) = targets.image_shape() {
            self.change(mode, indices, shape, out);
        }
        Ok(())
    }

    fn change(&self, mode: Mode, indices: &[usize], shape: [usize; 3], out: &mut [f32]) {
        let Mode::Train { step } = mode else { return };
        if self.augmentation == Augmentation::default() {
            return;
        }
        parallel::for_each_piece(out, shape.iter().product(), |n, image| {
            let original = image.to_vec();
            let index = mix(step) ^ indices[n] as u64;
            let mut stream = Stream::new(self.seed, "augmentation", index);
            self.augmentation.apply(&mut stream, shape, &original, image);
        });
    }
}

impl DataSet<f32> for Augmented<'_> {
    fn len(&self) -> usize {
        self.images.len()
    }

    fn ahead(&self, examples: &[usize]) {
        self.images.read_ahead(examples);
    }

    fn gather(&self, graph: &mut Graph<'_, f32>, examples: &[usize]) -> Result<Batch, ShapeError> {
        let (mode, [height, width, channels]) = (graph.mode(), self.images.shape());
        let mut read = Ok(());
        let images = graph.input_with([examples.len(), height, width, channels], |out| {
            read = self.gather_pixels(mode, examples, out);
        });
        read?;
        let labels = graph.input_with([examples.len()], |labels| {
            for (label, index) in labels.iter_mut().zip(examples) {
                *label = f32::from(self.images.labels()[*index]);
            }
        });
        Ok(Batch::new(images, labels))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SHAPE: [usize; 3] = [9, 7, 1];

    fn applied(augmentation: &str, index: u64) -> Vec<f32> {
        let image: Vec<f32> = (0..63).map(|i| (i as f32 * 0.7).sin()).collect();
        let mut out = vec![9.0; 63];
        let augmentation: Augmentation = augmentation.parse().unwrap();
        let mut stream = Stream::new(3, "augmentation", index);
        augmentation.apply(&mut stream, SHAPE, &image, &mut out);
        out
    }

    #[test]
    fn nothing_asked_for_changes_nothing() {
        let image: Vec<f32> = (0..63).map(|i| (i as f32 * 0.7).sin()).collect();
        assert_eq!(applied("shift:0,rotation:0,elastic:0", 4), image);
    }

    #[test]
    fn flips_exchange_the_sides_in_half_of_the_cases() {
        let image: Vec<f32> = (0..63).map(|i| (i as f32 * 0.7).sin()).collect();
        let flipped: Vec<f32> = (0..63).map(|i| image[i / 7 * 7 + 6 - i % 7]).collect();
        let of: Vec<_> = (0..100).map(|index| applied("flip", index)).collect();
        let count = of.iter().filter(|out| **out == flipped).count();
        assert!((30..70).contains(&count), "{count}");
        assert!(of.iter().all(|out| *out == flipped || *out == image));
    }

    #[test]
    fn a_half_turn_is_both_flips_and_shifts_stay_within_their_bound() {
        let image: Vec<f32> = (0..63).map(|i| i as f32).collect();
        let mut out = vec![0.0; 63];
        // A stream that rotates by nearly the whole bound shows the direction of a rotation.
        let turn = Augmentation { rotation: 180.0, ..Augmentation::default() };
        let close = (0..3000).any(|index| {
            let mut stream = Stream::new(1, "turn", index);
            turn.apply(&mut stream, SHAPE, &image, &mut out);
            out.iter().zip(image.iter().rev()).all(|(a, b)| (a - b).abs() < 0.5)
        });
        assert!(close);
        for index in 0..50 {
            let mut stream = Stream::new(1, "shift", index);
            let shift = Augmentation { shift: 1.0, ..Augmentation::default() };
            shift.apply(&mut stream, SHAPE, &image, &mut out);
            // Rows are 7 apart in this image and columns 1.
            assert!(out.iter().zip(&image).all(|(a, b)| (a - b).abs() <= 8.0001));
        }
    }

    #[test]
    fn what_bends_stays_within_its_bound_and_differs_by_image() {
        let (a, b) = (applied("elastic:2", 1), applied("elastic:2", 2));
        assert_ne!(a, b);
        assert_eq!(a, applied("elastic:2", 1));
    }

    #[test]
    fn words_that_are_none_are_named() {
        for text in ["turn:3", "flip:1", "shift:-1", "shift:nan", ""] {
            let error = text.parse::<Augmentation>().unwrap_err();
            assert!(error.contains(&format!("found `{text}`")), "{error}");
        }
    }
}
