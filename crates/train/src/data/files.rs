//! Image files as images of one size: reading them on all threads, resizing, grey or colour.

use std::fmt::{self, Display};
use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::sync::Arc;

use morphograd_image::image::imageops::{FilterType, resize};
use morphograd_image::image::{ImageBuffer, Pixel};
use morphograd_image::image::{Luma, Rgb};
use morphograd_image::{Depth, Header, Limits, inspect};
use rayon::prelude::*;
use serde::{Deserialize, Serialize};

use super::error::DataError;
use super::images::Images;
use super::pixels::Pixels;
use super::stored::{READERS, Store, Stored, byte, decoder, encode};

/// What endings files of images have.
pub const ENDINGS: &str = "png, tif, tiff, jpg, jpeg, pbm, pgm, ppm, pnm, pam";

/// What becomes of images before a network sees them.
#[derive(Clone, Copy)]
pub struct Preparation<'a> {
    /// Height and width of all images: linear interpolation over the area of a pixel, whatever the
    /// proportions were. Without it all files have to be of one size.
    pub resize: Option<[usize; 2]>,
    /// Grey or colour. Without it images are in colour if one of them is.
    pub colour: Option<Colour>,
    /// Told how many files are read, and of how many.
    pub progress: Option<&'a (dyn Fn(usize, usize) + Sync)>,
    /// The most bytes of images that are held in memory; larger ones are read from their files when
    /// they are needed. By default 1 GiB.
    pub in_memory: u64,
}

impl Default for Preparation<'_> {
    fn default() -> Self {
        Self { resize: None, colour: None, progress: None, in_memory: 1 << 30 }
    }
}

impl fmt::Debug for Preparation<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Preparation")
            .field("resize", &self.resize)
            .field("colour", &self.colour)
            .finish_non_exhaustive()
    }
}

/// How many numbers a pixel has.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Colour {
    /// One: of colours 0.299 red + 0.587 green + 0.114 blue (ITU-R BT.601).
    Grey,
    /// Three: of a grey one thrice the same.
    Rgb,
}

impl Colour {
    fn channels(self) -> usize {
        match self {
            Self::Grey => 1,
            Self::Rgb => 3,
        }
    }

    fn of(channels: usize) -> Self {
        if channels == 1 { Self::Grey } else { Self::Rgb }
    }

    /// What images are in.
    pub fn of_images(images: &Images) -> Self {
        Self::of(images.channels())
    }
}

impl FromStr for Colour {
    type Err = String;

    fn from_str(word: &str) -> Result<Self, String> {
        match word {
            "grey" | "gray" => Ok(Self::Grey),
            "rgb" => Ok(Self::Rgb),
            _ => Err(format!("expected grey or rgb, found `{word}`")),
        }
    }
}

impl Display for Colour {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Grey => "grey",
            Self::Rgb => "rgb",
        })
    }
}

/// Whether a name ends as that of an image does.
pub(super) fn is_image(path: &Path) -> bool {
    let ending = path.extension().map(|ending| ending.to_string_lossy().to_lowercase());
    ending.is_some_and(|ending| ENDINGS.split(", ").any(|known| known == ending))
}

/// Reads files, each with its class, as images called `name`. Alpha is left out.
pub(super) fn read(
    name: String,
    files: &[(PathBuf, u8)],
    preparation: &Preparation<'_>,
) -> Result<Images, DataError> {
    let headers = files
        .par_iter()
        .map(|(path, _)| Ok(inspect(path)?))
        .collect::<Result<Vec<Header>, DataError>>()?;
    let Some(first) = headers.first() else {
        let (expected, found) = ("at least one image".to_owned(), "none".to_owned());
        return Err(DataError::Counts { name, expected, found });
    };
    let is_colour = headers.iter().any(|header| header.channels > 1);
    let colour = preparation.colour.unwrap_or(Colour::of(if is_colour { 3 } else { 1 }));
    let [height, width] = preparation.resize.unwrap_or([first.height, first.width]);
    if preparation.resize.is_none() {
        let other =
            files.iter().zip(&headers).find(|(_, h)| [h.height, h.width] != [height, width]);
        if let Some(((path, _), found)) = other {
            return Err(DataError::File {
                path: path.clone(),
                expected: format!(
                    "{height}x{width} pixels as {} has, or --resize {height}x{width}",
                    files[0].0.display()
                ),
                found: format!("{}x{}", found.height, found.width),
            });
        }
    }
    let size = height * width * colour.channels();
    let is_bytes = headers.iter().all(|h| matches!(h.depth, Depth::Bit | Depth::U8));
    let done = std::sync::atomic::AtomicUsize::new(0);
    let store = Files {
        paths: files.iter().map(|(path, _)| path.clone()).collect(),
        size: [height, width],
        colour,
        is_bytes,
    };
    let read = |index: usize, out: &mut [u8]| -> Result<(), DataError> {
        store.fetch(index, out)?;
        if let Some(progress) = preparation.progress {
            progress(1 + done.fetch_add(1, std::sync::atomic::Ordering::Relaxed), files.len());
        }
        Ok(())
    };
    let labels = files.iter().map(|(_, label)| *label).collect();
    let shape = [height, width, colour.channels()];
    let bytes = (size * files.len()) as u64 * if is_bytes { 1 } else { 4 };
    if bytes > preparation.in_memory {
        let stored = Stored::new(Arc::new(store), size);
        return Images::new(name, shape, Pixels::Stored(stored), labels);
    }
    let pixels = if is_bytes {
        let mut pixels = vec![0u8; size * files.len()];
        pixels.par_chunks_mut(size).enumerate().try_for_each(|(i, out)| read(i, out))?;
        Pixels::U8(pixels)
    } else {
        let mut pixels = vec![0.0; size * files.len()];
        pixels.par_chunks_mut(size).enumerate().try_for_each(|(i, out)| {
            let mut bytes = vec![0; store.bytes()];
            read(i, &mut bytes)?;
            store.decode(&bytes, out);
            Ok::<_, DataError>(())
        })?;
        Pixels::F32(pixels)
    };
    Images::new(name, shape, pixels, labels)
}

/// Files of images.
#[derive(Debug)]
struct Files {
    paths: Vec<PathBuf>,
    size: [usize; 2],
    colour: Colour,
    is_bytes: bool,
}

impl Store for Files {
    fn len(&self) -> usize {
        self.paths.len()
    }

    fn is_bytes(&self) -> bool {
        self.is_bytes
    }

    fn bytes(&self) -> usize {
        let [height, width] = self.size;
        height * width * self.colour.channels() * if self.is_bytes { 1 } else { 4 }
    }

    fn fetch(&self, index: usize, out: &mut [u8]) -> Result<(), DataError> {
        let path = &self.paths[index];
        let picture = morphograd_image::read(path, Limits::default())?;
        let values = picture.to_tensor();
        let values = prepared(values.data(), picture.size(), self.size, self.colour);
        if let Some(wrong) = values.iter().find(|value| !value.is_finite()) {
            let (path, found) = (path.clone(), format!("{wrong}"));
            return Err(DataError::File { path, expected: "finite pixels".to_owned(), found });
        }
        encode(&values, self.is_bytes, out);
        Ok(())
    }

    fn decode(&self, bytes: &[u8], out: &mut [f32]) {
        decoder(self.is_bytes)(bytes, out);
    }

    fn readers(&self) -> usize {
        READERS
    }
}

/// One picture as numbers where 1 is white, `[height, width, channels]`, of the size and colours
/// of a network's images.
///
/// # Errors
/// If the file cannot be read, or has a number that is not finite.
pub fn read_one(path: &Path, [height, width, channels]: [usize; 3]) -> Result<Vec<f32>, DataError> {
    let colour = Colour::of(channels);
    let (resize, colour) = (Some([height, width]), Some(colour));
    let one = Preparation { resize, colour, ..Preparation::default() };
    let images = read(String::new(), &[(path.to_owned(), 0)], &one)?;
    let mut values = vec![0.0; images.size()];
    images.gather_pixels(&[0], &mut values)?;
    Ok(values)
}

/// The same images in another size or colour.
pub(super) fn prepare(images: Images, preparation: &Preparation<'_>) -> Result<Images, DataError> {
    let [height, width, channels] = images.shape();
    let size = preparation.resize.unwrap_or([height, width]);
    let colour = preparation.colour.unwrap_or(Colour::of(channels));
    if size == [height, width] && colour == Colour::of(channels) {
        return Ok(images);
    }
    let is_bytes = images.white() > 1.0;
    let shape = [size[0], size[1], colour.channels()];
    let name = images.name.clone();
    if let Pixels::Stored(stored) = images.pixels() {
        let change = move |values: &[f32]| prepared(values, [height, width], size, colour);
        let stored = Pixels::Stored(stored.changed(shape.iter().product(), change));
        return Images::new(name, shape, stored, images.labels().to_vec());
    }
    let all: Vec<f32> = (0..images.len())
        .into_par_iter()
        .map(|i| {
            let mut values = vec![0.0; images.size()];
            images.gather_pixels(&[i], &mut values)?;
            Ok(prepared(&values, [height, width], size, colour))
        })
        .collect::<Result<Vec<_>, DataError>>()?
        .concat();
    let pixels =
        if is_bytes { Pixels::U8(all.into_iter().map(byte).collect()) } else { Pixels::F32(all) };
    Images::new(name, shape, pixels, images.labels().to_vec())
}

/// One image `[height, width, 1 or 3]` in another size and colour.
fn prepared(values: &[f32], from: [usize; 2], to: [usize; 2], colour: Colour) -> Vec<f32> {
    let channels = values.len() / (from[0] * from[1]);
    let coloured: Vec<f32> = match (channels, colour) {
        (1, Colour::Grey) | (3, Colour::Rgb) => values.to_vec(),
        (1, Colour::Rgb) => values.iter().flat_map(|x| [*x; 3]).collect(),
        _ => values
            .chunks_exact(channels)
            .map(|p| {
                (0.299 * f64::from(p[0]) + 0.587 * f64::from(p[1]) + 0.114 * f64::from(p[2])) as f32
            })
            .collect(),
    };
    match colour {
        _ if from == to => coloured,
        Colour::Grey => resized::<Luma<f32>>(coloured, from, to),
        Colour::Rgb => resized::<Rgb<f32>>(coloured, from, to),
    }
}

fn resized<P: Pixel<Subpixel = f32> + 'static>(
    values: Vec<f32>,
    from: [usize; 2],
    to: [usize; 2],
) -> Vec<f32> {
    let side = |n: usize| u32::try_from(n).expect("a size of an image");
    let image = ImageBuffer::<P, _>::from_raw(side(from[1]), side(from[0]), values);
    let image = image.expect("numbers of that size");
    resize(&image, side(to[1]), side(to[0]), FilterType::Triangle).into_raw()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn colours_become_grey_by_their_brightness_and_sizes_change_by_area() {
        let grey = prepared(&[1.0, 0.0, 0.0, 0.0, 1.0, 0.0], [1, 2], [1, 2], Colour::Grey);
        assert_eq!(grey, [0.299, 0.587]);
        assert_eq!(prepared(&[0.5], [1, 1], [1, 1], Colour::Rgb), [0.5; 3]);
        let half = prepared(&[0.25; 16], [4, 4], [2, 2], Colour::Grey);
        assert!(half.len() == 4 && half.iter().all(|x| (x - 0.25).abs() < 1e-6));
    }

    #[test]
    fn names_say_what_is_an_image() {
        assert!(is_image(Path::new("a/b.PNG")) && is_image(Path::new("b.tif")));
        assert!(!is_image(Path::new("notes.txt")) && !is_image(Path::new("png")));
    }
}
