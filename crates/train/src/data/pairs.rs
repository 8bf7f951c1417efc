//! Images with an image each: `train/images/` with `train/masks/` or `train/targets/`, and, if they
//! are there, the same in `test`. A pair has one name; endings may differ.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use super::dataset::Dataset;
use super::error::DataError;
use super::files::{Colour, Preparation, read};
use super::folders::{file_name, folders, images};
use super::images::Images;

/// The folder of the images.
const IMAGES: &str = "images";
/// What the folder of the targets may be called.
const TARGETS: [&str; 2] = ["masks", "targets"];

/// Whether a folder holds pairs: in `train` are two folders, with the names of pairs.
pub(super) fn is_pairs(dir: &Path) -> bool {
    folders(&dir.join("train")).is_ok_and(|found| {
        let names: Vec<_> = found.iter().map(|folder| file_name(folder)).collect();
        matches!(&names[..], [a, b] if a == IMAGES && TARGETS.contains(&&b[..]))
    })
}

/// Reads a folder of pairs. Targets are grey unless one of them is in colour, and are resized as
/// the images are. Without `test` a share of the pairs is for testing.
///
/// # Errors
/// A file that is no image or cannot be read, an image without a target or the other way round, two
/// files of one name, sizes that differ.
pub(super) fn read_pairs(
    dir: &Path,
    name: String,
    why: &str,
    preparation: &Preparation<'_>,
) -> Result<Dataset, DataError> {
    let train = part(&dir.join("train"), format!("the training images of {name}"), preparation)?;
    let colour = Some(Colour::of_images(&train));
    let test = dir.join("test");
    let test = if test.is_dir() {
        let like = Preparation { colour, ..*preparation };
        Some(part(&test, format!("the test images of {name}"), &like)?)
    } else {
        None
    };
    Dataset::of_parts(name, Vec::new(), (dir, why), train, test)
}

fn part(dir: &Path, name: String, preparation: &Preparation<'_>) -> Result<Images, DataError> {
    let inputs = by_name(&dir.join(IMAGES))?;
    let folder = TARGETS.map(|name| dir.join(name)).into_iter().find(|folder| folder.is_dir());
    let folder = folder.ok_or_else(|| DataError::File {
        path: dir.to_owned(),
        expected: format!("a folder {}", TARGETS.join(" or ")),
        found: "none".to_owned(),
    })?;
    let targets = by_name(&folder)?;
    for (these, those, of) in [(&inputs, &targets, &folder), (&targets, &inputs, &dir.join(IMAGES))]
    {
        if let Some((_, path)) = these.iter().find(|(name, _)| !those.contains_key(*name)) {
            let expected = format!("an image of that name in {}", of.display());
            let (path, found) = (path.clone(), "none".to_owned());
            return Err(DataError::File { path, expected, found });
        }
    }
    let files = |all: BTreeMap<String, PathBuf>| -> Vec<(PathBuf, u8)> {
        all.into_values().map(|path| (path, 0)).collect()
    };
    with_target_images(name, &files(inputs), &files(targets), preparation)
}

/// Reads images and the images that are their targets, in this order, and mixes them.
pub(super) fn with_target_images(
    name: String,
    inputs: &[(PathBuf, u8)],
    targets: &[(PathBuf, u8)],
    preparation: &Preparation<'_>,
) -> Result<Images, DataError> {
    // The colour of the targets is their own.
    let own = Preparation { colour: None, ..*preparation };
    let targets = read(format!("the targets of {name}"), targets, &own)?;
    let images = read(name, inputs, preparation)?;
    Ok(images.with_targets(targets.into_targets())?.shuffled(0))
}

/// The images of a folder by their names without endings.
fn by_name(dir: &Path) -> Result<BTreeMap<String, PathBuf>, DataError> {
    let mut all = BTreeMap::new();
    for path in images(dir)? {
        let stem = path.file_stem().map_or_else(String::new, |s| s.to_string_lossy().into_owned());
        if let Some(other) = all.insert(stem, path.clone()) {
            let expected = "one image of a name".to_owned();
            let found = format!("{} too", other.display());
            return Err(DataError::File { path, expected, found });
        }
    }
    Ok(all)
}
