//! Data of one's own: arrays of NumPy, archives of them, and tables of files.

use std::fs;
use std::path::{Path, PathBuf};

use morphograd::data::{DataSource, Dataset, Images, Preparation};
use morphograd_image::{Picture, write};

use super::input::{file, folder, leads_away, within};

/// What is read is what a training needs: images with finite pixels and a class or a target each.
fn load(path: PathBuf, most: usize) {
    let source = DataSource::Own { path, why: "given".to_owned() };
    let loaded = within(most, || source.load_prepared(&Preparation::default()));
    // The same from files.
    let few = Preparation { in_memory: 0, ..Preparation::default() };
    let stored = within(most, || source.load_prepared(&few)).ok().map(|data| data.sha256());
    let Ok(data) = loaded else {
        assert!(!matches!(stored, Some(Ok(_))), "expected data that are refused from files, too");
        return;
    };
    assert_eq!(stored.and_then(Result::ok), data.sha256().ok());
    let Dataset { train, test, class_names, .. } = data;
    assert!(train.len() > 0, "expected images to train with");
    check(&train, class_names.len());
    check(&test, class_names.len());
}

/// A file as the only shard.
pub(crate) fn shards(bytes: &[u8]) {
    let dir = folder("shards");
    fs::write(dir.join("train-00000.safetensors"), bytes).expect("a temporary file");
    load(dir, (1 << 20) + 64 * bytes.len());
}

fn check(images: &Images, classes: usize) {
    let mut pixels = vec![f32::NAN; images.len().min(2) * images.size()];
    let first: Vec<usize> = (0..images.len().min(2)).collect();
    images.gather_pixels(&first, &mut pixels).expect("images that can be read");
    assert!(pixels.iter().all(|x| x.is_finite()), "expected finite pixels");
    match images.targets() {
        Some(targets) => assert_eq!(targets.len(), images.len()),
        None => {
            assert_eq!(images.labels().len(), images.len());
            assert!(images.labels().iter().all(|label| usize::from(*label) < classes));
        }
    }
}

/// An array of `shape` with these bytes.
fn array(shape: &str, data: &[u8]) -> Vec<u8> {
    let mut header = format!("{{'descr': '|u1', 'fortran_order': False, 'shape': {shape}, }}");
    header.extend(std::iter::repeat_n(' ', 63 - (10 + header.len()) % 64));
    header.push('\n');
    let mut bytes = b"\x93NUMPY\x01\x00".to_vec();
    bytes.extend((header.len() as u16).to_le_bytes());
    bytes.extend(header.as_bytes());
    bytes.extend(data);
    bytes
}

/// A file as images beside good labels, and as labels or targets beside good images.
pub(crate) fn npy(bytes: &[u8]) {
    let dir = folder("arrays");
    let most = (1 << 20) + 64 * bytes.len();
    let put = |name: &str, bytes: &[u8]| {
        fs::write(dir.join(name).with_extension("npy"), bytes).expect("a temporary file");
    };
    put("x_train", bytes);
    put("y_train", &array("(4,)", &[0, 1, 0, 1]));
    load(dir.clone(), most);
    put("x_train", &array("(4, 2, 3)", &[7; 24]));
    put("y_train", bytes);
    load(dir, most);
}

/// An archive. A byte of it is at most 1,032 bytes, which become numbers.
pub(crate) fn npz(bytes: &[u8]) {
    load(file("arrays.npz", bytes), (1 << 22) + 16 * 1032 * bytes.len());
}

/// A table of files, of which three are images.
pub(crate) fn table(bytes: &[u8]) {
    if std::str::from_utf8(bytes).is_ok_and(leads_away) {
        return;
    }
    let dir = folder("table");
    let image = |name: &str, level: u8| {
        let picture = Picture::new([2, 3], 1, vec![level, 0, 255, 1, 2, level]).expect("pixels");
        write(&Path::new(&dir).join(name), &picture).expect("an image");
    };
    image("a.png", 7);
    image("b.pgm", 100);
    image("c.png", 200);
    let path = dir.join("table.csv");
    fs::write(&path, bytes).expect("a temporary file");
    load(path, (1 << 22) + 256 * bytes.len());
}
