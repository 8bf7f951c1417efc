//! Shards: images with their classes in safetensors files of a size that is easily copied,
//! `train-00000.safetensors`, ..., `test-00000.safetensors`, ... For data sets larger than memory,
//! whatever form they were in.
//!
//! Each file has the tensors `images`, `[count, height, width, channels]` of `U8` or `F32`, and
//! `labels`, `[count]` of `U8`. The metadata of the first one have the names of the classes.

use std::collections::HashMap;
use std::fs::{self, File};
use std::io::Read;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use safetensors::tensor::{Dtype, Metadata, TensorView};

use super::dataset::Dataset;
use super::error::DataError;
use super::files::{Preparation, prepare};
use super::images::Images;
use super::pixels::Pixels;
use super::stored::{Piece, Records, Stored, byte};

/// The key of the names of the classes, one a line.
const CLASSES: &str = "class_names";
/// The most bytes of a header: a few names.
const HEADER: u64 = 1 << 20;

/// Whether a folder has shards.
pub(super) fn is_shards(dir: &Path) -> bool {
    name(dir, "train", 0).is_file()
}

fn name(dir: &Path, part: &str, number: usize) -> PathBuf {
    dir.join(format!("{part}-{number:05}.safetensors"))
}

/// Writes the training and test images of a data set as shards of about so many bytes; `progress`
/// is told how many images are written, and of how many. A data set that stays in its files is
/// never in memory as a whole.
///
/// # Errors
/// If the data have no classes, an image cannot be read, or a file cannot be written, or is there.
pub fn write_shards(
    dataset: &Dataset,
    dir: &Path,
    bytes: usize,
    progress: &mut dyn FnMut(usize, usize),
) -> Result<(), DataError> {
    if dataset.class_names.is_empty() {
        let (name, found) = (dataset.name.clone(), dataset.kind());
        return Err(DataError::Counts { name, expected: "images of classes".to_owned(), found });
    }
    fs::create_dir_all(dir).map_err(|cause| DataError::Folder { path: dir.to_owned(), cause })?;
    let (mut done, all) = (0, dataset.train.len() + dataset.test.len());
    for (part, images) in [("train", &dataset.train), ("test", &dataset.test)] {
        let of_image = images.size() * if images.white() > 1.0 { 1 } else { 4 };
        let each = (bytes / of_image).clamp(1, images.len());
        for (number, start) in (0..images.len()).step_by(each).enumerate() {
            let indices: Vec<usize> = (start..images.len().min(start + each)).collect();
            let path = name(dir, part, number);
            let contents = shard(images, &indices, &dataset.class_names)?;
            let wrong = |found: String| DataError::File {
                path: path.clone(),
                expected: "a new file that can be written".to_owned(),
                found,
            };
            if path.exists() {
                return Err(wrong("one that is there".to_owned()));
            }
            crate::artifacts::replace(&path, &contents)
                .map_err(|error| wrong(error.to_string()))?;
            done += indices.len();
            progress(done, all);
        }
    }
    Ok(())
}

fn shard(images: &Images, indices: &[usize], classes: &[String]) -> Result<Vec<u8>, DataError> {
    let mut values = vec![0.0; indices.len() * images.size()];
    images.gather_pixels(indices, &mut values)?;
    let (dtype, bytes) = if images.white() > 1.0 {
        (Dtype::U8, values.into_iter().map(byte).collect::<Vec<u8>>())
    } else {
        (Dtype::F32, values.into_iter().flat_map(f32::to_le_bytes).collect())
    };
    let labels: Vec<u8> = indices.iter().map(|i| images.labels()[*i]).collect();
    let shape = [&[indices.len()][..], &images.shape()].concat();
    let view = |dtype, shape, data| TensorView::new(dtype, shape, data).expect("of that shape");
    let tensors = [
        ("images", view(dtype, shape, &bytes)),
        ("labels", view(Dtype::U8, vec![labels.len()], &labels)),
    ];
    let metadata = HashMap::from([(CLASSES.to_owned(), classes.join("\n"))]);
    Ok(safetensors::serialize(tensors, Some(metadata)).expect("two tensors of their shapes"))
}

/// Reads shards; images stay in their files if they have more bytes than may be in memory.
///
/// # Errors
/// A file that cannot be read or is no shard, shapes that differ, a label without a class.
pub(super) fn read_shards(
    dir: &Path,
    name: String,
    why: &str,
    preparation: &Preparation<'_>,
) -> Result<Dataset, DataError> {
    let mut classes = Vec::new();
    let train = part(dir, "train", format!("the training images of {name}"), &mut classes)?;
    let test = match self::name(dir, "test", 0).is_file() {
        true => Some(part(dir, "test", format!("the test images of {name}"), &mut classes)?),
        false => None,
    };
    let in_memory = preparation.in_memory;
    let ready = |images: Images| prepare(images.loaded(in_memory)?, preparation);
    let (train, test) = (ready(train)?, test.map(ready).transpose()?);
    Dataset::of_parts(name, classes, (dir, why), train, test)
}

/// The shards of a part, in order.
fn part(
    dir: &Path,
    part: &str,
    of: String,
    classes: &mut Vec<String>,
) -> Result<Images, DataError> {
    let paths = (0..).map(|number| name(dir, part, number)).take_while(|path| path.is_file());
    let (mut files, mut labels) = (Vec::new(), Vec::new());
    let mut first: Option<(Dtype, Vec<usize>)> = None;
    for path in paths {
        let wrong = |expected: String, found: String| DataError::File {
            path: path.clone(),
            expected,
            found,
        };
        let Shard { piece, kind, labels: own, class_names } =
            open(&path).map_err(|found| wrong("a shard of images and labels".to_owned(), found))?;
        let expected = first.get_or_insert_with(|| kind.clone());
        if *expected != kind {
            return Err(wrong(format!("images of {expected:?}"), format!("{kind:?}")));
        }
        if classes.is_empty() {
            *classes = class_names;
        }
        if let Some(label) = own.iter().find(|label| usize::from(**label) >= classes.len()) {
            return Err(wrong(format!("labels below {}", classes.len()), label.to_string()));
        }
        labels.extend(own);
        files.push(piece);
    }
    let Some((dtype, shape)) = first else { unreachable!("the first one is there") };
    let &[height, width, channels] = &shape[..] else { unreachable!("checked when opened") };
    let size: usize = height * width * channels;
    let is_bytes = dtype == Dtype::U8;
    let bytes = size * if is_bytes { 1 } else { 4 };
    let records = Records { files, bytes, is_bytes, decode: None };
    let pixels = Pixels::Stored(Stored::new(Arc::new(records), size));
    Images::new(of, [height, width, channels], pixels, labels)
}

/// What a file holds.
struct Shard {
    piece: Piece,
    kind: (Dtype, Vec<usize>),
    labels: Vec<u8>,
    class_names: Vec<String>,
}

/// Opens a file and reads all but the images; the error says what was found.
fn open(path: &Path) -> Result<Shard, String> {
    let io = |error: std::io::Error| error.to_string();
    let mut file = File::open(path).map_err(io)?;
    let mut length = [0; 8];
    file.read_exact(&mut length).map_err(io)?;
    let length = u64::from_le_bytes(length);
    if length > HEADER {
        return Err(format!("a header of {length} bytes"));
    }
    let mut header = Vec::new();
    (&file).take(length).read_to_end(&mut header).map_err(io)?;
    let metadata: Metadata = serde_json::from_slice(&header).map_err(|e| e.to_string())?;
    let start = 8 + length;
    let data = file.metadata().map_err(io)?.len().checked_sub(start);
    if data != Some(metadata.data_len() as u64) {
        return Err(format!("{} bytes behind the header", data.unwrap_or(0)));
    }
    let tensor = |name: &str| metadata.info(name).ok_or_else(|| format!("no tensor `{name}`"));
    let (images, labels) = (tensor("images")?, tensor("labels")?);
    let &[count, height, width, channels @ (1 | 3)] = &images.shape[..] else {
        return Err(format!("images of shape {:?}", images.shape));
    };
    if !matches!(images.dtype, Dtype::U8 | Dtype::F32) {
        return Err(format!("images of {:?}", images.dtype));
    }
    if labels.dtype != Dtype::U8 || labels.shape != [count] {
        return Err(format!("labels of {:?} and shape {:?}", labels.dtype, labels.shape));
    }
    let names = metadata.metadata().as_ref().and_then(|entries| entries.get(CLASSES));
    let class_names = names.map_or_else(Vec::new, |names| names.lines().map(Into::into).collect());
    let mut own = vec![0; count];
    let place = start + labels.data_offsets.0 as u64;
    super::stored::read_exact_at(&file, &mut own, place).map_err(io)?;
    let start = start + images.data_offsets.0 as u64;
    let piece = Piece { path: path.to_owned(), file, start, count };
    let kind = (images.dtype, vec![height, width, channels]);
    Ok(Shard { piece, kind, labels: own, class_names })
}
