//! Data of one's own: with classes, with masks or numbers; what is drawn for them, and how they are
//! loaded.

mod classes;
#[path = "../support/command.rs"]
mod command;
mod stored;
mod targets;

use std::fs;
use std::path::Path;

use morphograd::data::{DataError, DataSettings, DataSource, Dataset, Images, Search};
use morphograd_image::{Picture, Pixels, write};
use tempfile::TempDir;

use command::{refused, told};

/// Draws an image of a class: bars in one direction or the other.
pub(crate) fn draw(class: &str, number: usize, [height, width]: [usize; 2]) -> Vec<u8> {
    (0..height * width)
        .map(|i| {
            let position = if class == "across" { i / width } else { i % width };
            if (position + number).is_multiple_of(4) { 200 } else { (i % 20) as u8 }
        })
        .collect()
}

pub(crate) fn save(path: &Path, size: [usize; 2], channels: usize, pixels: impl Into<Pixels>) {
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    write(path, &Picture::new(size, channels, pixels).unwrap()).unwrap();
}

/// A folder by class of grey 12 x 10 images: 10 of each class to train, 3 to test.
pub(crate) fn folder() -> TempDir {
    let dir = tempfile::tempdir().unwrap();
    for (part, count) in [("train", 10), ("test", 3)] {
        for class in ["across", "down"] {
            for n in 0..count {
                let path = dir.path().join(part).join(class).join(format!("{n}.png"));
                save(&path, [12, 10], 1, draw(class, n, [12, 10]));
            }
        }
    }
    dir
}

pub(crate) fn load(path: &Path, settings: &DataSettings) -> Result<Dataset, DataError> {
    let search = Search { option: Some(path), environment: None, datasets: Path::new("none") };
    settings.load(&DataSource::find(&search)?, None)
}

pub(crate) fn error(path: &Path) -> String {
    load(path, &DataSettings::default()).unwrap_err().to_string()
}

pub(crate) fn numbers(images: &Images, index: usize) -> Vec<f32> {
    let mut out = vec![0.0; images.size()];
    images.gather_pixels(&[index], &mut out).unwrap();
    out
}

/// An array as NumPy saves it.
pub(crate) fn npy(descr: &str, shape: &str, data: &[u8]) -> Vec<u8> {
    let header = format!("{{'descr': '{descr}', 'fortran_order': False, 'shape': {shape}, }}\n");
    let mut bytes = b"\x93NUMPY\x01\x00".to_vec();
    bytes.extend((header.len() as u16).to_le_bytes());
    bytes.extend(header.as_bytes());
    bytes.extend(data);
    bytes
}
