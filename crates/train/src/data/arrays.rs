//! Arrays of NumPy: `x_train`, `y_train`, `x_test` and `y_test`, in one `.npz` or as four `.npy`
//! files of a folder, as Keras keeps its data sets.

use std::fs::{self, File};
use std::io::{BufReader, Read};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::dataset::Dataset;
use super::error::DataError;
use super::files::{Preparation, prepare};
use super::images::Images;
use super::npy::{Array, Layout};
use super::pixels::Pixels;
use super::stored::{Decode, Piece, Records, Stored};
use super::targets::Targets;

/// The names of the arrays.
const NAMES: [&str; 4] = ["x_train", "y_train", "x_test", "y_test"];
/// What an array in an archive may unpack to.
const LIMIT: u64 = 1 << 33;

/// Whether a folder has the training images as an array.
pub(super) fn is_folder_of_arrays(dir: &Path) -> bool {
    dir.join("x_train.npy").is_file()
}

/// Reads the four arrays. Images are `[count, height, width]` or `[count, height, width, channels]`
/// with 1 or 3 channels. Of unsigned integers the largest is white; floats stay as they are, and 1
/// is white. What belongs to them is `[count]` whole numbers from 0, which are classes; floats of
/// shape `[count]` or `[count, n]`, numbers; or images. A data set without test images keeps a
/// share (of each class) for testing.
///
/// # Errors
/// A file that cannot be read or is no such array, counts that differ, numbers that are not finite.
pub(super) fn read_arrays(
    path: &Path,
    name: String,
    why: &str,
    preparation: &Preparation<'_>,
) -> Result<Dataset, DataError> {
    let [x, y, test_x, test_y] = NAMES.map(|array| contents(path, array, preparation.in_memory));
    let missing = |array: &str| DataError::File {
        path: path.to_owned(),
        expected: format!("an array `{array}`"),
        found: "none".to_owned(),
    };
    let (x, y) = (x?.ok_or_else(|| missing(NAMES[0]))?, y?.ok_or_else(|| missing(NAMES[1]))?);
    let part = |which: &str, names, arrays| {
        images(path, format!("the {which} images of {name}"), names, arrays, preparation)
    };
    let train = part("training", &NAMES[..2], [&x, &y])?;
    let test = match (test_x?, test_y?) {
        (Some(x), Some(y)) => Some(part("test", &NAMES[2..], [&x, &y])?),
        (None, None) => None,
        (Some(_), None) => return Err(missing(NAMES[3])),
        (None, Some(_)) => return Err(missing(NAMES[2])),
    };
    let labels = train.labels().iter().chain(test.iter().flat_map(|test| test.labels()));
    let classes = match train.targets() {
        Some(_) => 0,
        None => 1 + usize::from(*labels.max().expect("there are images")),
    };
    let class_names = (0..classes).map(|class| class.to_string()).collect();
    Dataset::of_parts(name, class_names, (path, why), train, test)
}

/// The file of an array.
enum Contents {
    Bytes(Vec<u8>),
    /// Too large to be read as a whole.
    File(PathBuf),
}

/// An array of an archive or a folder; `None` if there is none of this name. Images of a folder
/// that are larger than may be in memory stay in their file.
fn contents(path: &Path, array: &str, in_memory: u64) -> Result<Option<Contents>, DataError> {
    let file = path.join(array).with_extension("npy");
    let length = file.metadata().map_or(0, |metadata| metadata.len());
    if path.is_dir() && array.starts_with("x_") && length > in_memory {
        return Ok(Some(Contents::File(file)));
    }
    Ok(bytes(path, array)?.map(Contents::Bytes))
}

/// An array of an archive or a folder; `None` if there is none of this name.
fn bytes(path: &Path, array: &str) -> Result<Option<Vec<u8>>, DataError> {
    let wrong = |path: PathBuf, expected: &str, found: String| DataError::File {
        path,
        expected: expected.to_owned(),
        found,
    };
    let unreadable =
        |path: &Path, found: String| wrong(path.to_owned(), "a file that can be read", found);
    if path.is_dir() {
        let path = path.join(array).with_extension("npy");
        return match path.is_file() {
            true => Ok(Some(fs::read(&path).map_err(|e| unreadable(&path, e.to_string()))?)),
            false => Ok(None),
        };
    }
    let file = File::open(path).map_err(|e| unreadable(path, e.to_string()))?;
    let mut archive = zip::ZipArchive::new(BufReader::new(file))
        .map_err(|e| wrong(path.to_owned(), "an archive of arrays (.npz)", e.to_string()))?;
    let entry = match archive.by_name(&format!("{array}.npy")) {
        Ok(entry) => entry,
        Err(zip::result::ZipError::FileNotFound) => return Ok(None),
        Err(e) => return Err(unreadable(path, format!("{array}: {e}"))),
    };
    if entry.size() > LIMIT {
        let found = format!("{array} of {} bytes", entry.size());
        return Err(wrong(path.to_owned(), "arrays of at most 8 GiB", found));
    }
    let mut bytes = Vec::new();
    // It may unpack to more than it says.
    entry
        .take(LIMIT)
        .read_to_end(&mut bytes)
        .map_err(|e| unreadable(path, format!("{array}: {e}")))?;
    Ok(Some(bytes))
}

/// The most bytes of the head of a `.npy` file.
const HEAD: u64 = 1 << 16;

/// Images that stay in their file, and the shape of all of them.
fn stored(path: &Path) -> Result<(Pixels, Vec<usize>), String> {
    let io = |error: std::io::Error| format!("{}: {error}", path.display());
    let file = File::open(path).map_err(io)?;
    let mut head = Vec::new();
    (&file).take(HEAD).read_to_end(&mut head).map_err(io)?;
    let layout = Layout::parse(&head, file.metadata().map_err(io)?.len())?;
    let (start, shape) = (layout.start as u64, layout.shape.clone());
    let count = shape.first().copied().unwrap_or(0);
    let size: usize = shape.iter().skip(1).product();
    let bytes = size * layout.bytes();
    let numbers = layout.part(&[]);
    let (is_bytes, white) = (numbers.bytes().is_some() && numbers.white() > 1.0, numbers.white());
    let decode = move |bytes: &[u8], out: &mut [f32]| {
        let part = layout.part(bytes);
        out.iter_mut().zip(part.numbers()).for_each(|(out, x)| *out = (x / white) as f32);
    };
    let decode: Option<Box<Decode>> = if is_bytes { None } else { Some(Box::new(decode)) };
    let files = vec![Piece { path: path.to_owned(), file, start, count }];
    let records = Records { files, bytes, is_bytes, decode };
    Ok((Pixels::Stored(Stored::new(Arc::new(records), size)), shape))
}

/// Images and what belongs to them, prepared.
fn images(
    path: &Path,
    name: String,
    names: &[&str],
    [x, y]: [&Contents; 2],
    preparation: &Preparation<'_>,
) -> Result<Images, DataError> {
    let wrong = |array: &str, expected: &str, found: String| DataError::File {
        path: path.to_owned(),
        expected: format!("{array}: {expected}"),
        found,
    };
    let parse = |array: &str, bytes| {
        Array::parse(bytes).map_err(|problem| wrong(array, "an array of numbers", problem))
    };
    let image_shape = |shape: &[usize]| match *shape {
        [count, height, width] => Some((count, [height, width, 1])),
        [count, height, width, channels @ (1 | 3)] => Some((count, [height, width, channels])),
        _ => None,
    };
    let pixels = |array: &str, x: &Array<'_>, white: f64| match x.bytes() {
        Some(bytes) if white > 1.0 => Ok(Pixels::U8(bytes.to_vec())),
        _ => {
            let numbers: Vec<f32> = x.numbers().map(|x| (x / white) as f32).collect();
            match numbers.iter().find(|x| !x.is_finite()) {
                Some(number) => Err(wrong(array, "finite numbers", number.to_string())),
                None => Ok(Pixels::F32(numbers)),
            }
        }
    };
    let Contents::Bytes(y) = y else { unreachable!("only images stay in their file") };
    let y = parse(names[1], y)?;
    let (x, x_shape) = match x {
        Contents::Bytes(bytes) => {
            let x = parse(names[0], bytes)?;
            (pixels(names[0], &x, x.white())?, x.shape)
        }
        Contents::File(file) => stored(file).map_err(|problem| {
            wrong(names[0], "an array of numbers in a file that can be read", problem)
        })?,
    };
    let Some((count, shape)) = image_shape(&x_shape) else {
        let expected = "[count, height, width] or [count, height, width, 1 or 3]";
        return Err(wrong(names[0], expected, format!("shape {x_shape:?}")));
    };
    if y.shape.first() != Some(&count) {
        let found = format!("{} of shape {:?}", y.name(), y.shape);
        return Err(wrong(names[1], &format!("{count} targets, one for each image"), found));
    }
    let unlabelled =
        |labels| prepare(Images::new(name.clone(), shape, x.clone(), labels)?, preparation);
    let targets = format!("the targets of {name}");
    if let Some((_, shape)) = image_shape(&y.shape) {
        let values = pixels(names[1], &y, y.white())?;
        let images = prepare(
            Images::new(targets, shape, values, vec![0; count])?,
            &Preparation { colour: None, ..*preparation },
        )?;
        return unlabelled(vec![0; count])?.with_targets(images.into_targets());
    }
    match y.shape[..] {
        [_] if y.is_integer() => {
            let label = |label: f64| match label {
                0.0..256.0 => Ok(label as u8),
                _ => Err(wrong(names[1], "classes from 0 to 255", label.to_string())),
            };
            unlabelled(y.numbers().map(label).collect::<Result<_, _>>()?)
        }
        [_] | [_, _] if !y.is_integer() => {
            let each = [y.shape.get(1).copied().unwrap_or(1)];
            let values = Targets::new(targets, &each, pixels(names[1], &y, 1.0)?)?;
            unlabelled(vec![0; count])?.with_targets(values)
        }
        _ => {
            let expected = "whole numbers [count], floats [count] or [count, n], or images";
            Err(wrong(names[1], expected, format!("{} of shape {:?}", y.name(), y.shape)))
        }
    }
}
