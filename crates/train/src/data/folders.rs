//! A folder by class: `train/<class>/` and, if there is one, `test/<class>/` with images.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use super::dataset::Dataset;
use super::error::DataError;
use super::files::{Colour, ENDINGS, Preparation, is_image, read};

/// Whether a folder has a folder `train`.
pub(super) fn is_by_class(dir: &Path) -> bool {
    dir.join("train").is_dir()
}

/// Reads a folder by class, or one of images alone, which have no class: `train/*.png`. Classes are
/// the names of the folders in `train`, in their order. Where there is no `test`, a share of the
/// training images of each class is for testing. Hidden files are left out. Images are in a fixed
/// order that mixes the classes.
///
/// # Errors
/// A file that is no image or cannot be read, a class without images, a class that is only in
/// `test`, fewer than two classes or more than 256, sizes that differ.
pub(super) fn read_by_class(
    dir: &Path,
    name: String,
    why: &str,
    preparation: &Preparation<'_>,
) -> Result<Dataset, DataError> {
    let classes = folders(&dir.join("train"))?;
    let is_alone = classes.is_empty() && entries(&dir.join("train"))?.iter().any(|p| is_image(p));
    if is_alone {
        return read_alone(dir, name, why, preparation);
    }
    if !(2..=256).contains(&classes.len()) {
        return Err(DataError::File {
            path: dir.join("train"),
            expected: "2 to 256 folders, one for each class".to_owned(),
            found: classes.len().to_string(),
        });
    }
    let class_names: Vec<String> = classes.iter().map(|class| file_name(class)).collect();
    let files = |folders: &[PathBuf]| -> Result<Vec<(PathBuf, u8)>, DataError> {
        let mut all = Vec::new();
        for folder in folders {
            let class = class_names.iter().position(|name| *name == file_name(folder));
            let Some(class) = class else {
                let expected =
                    format!("a class of the training images ({})", class_names.join(", "));
                let (path, found) = (folder.clone(), file_name(folder));
                return Err(DataError::File { path, expected, found });
            };
            all.extend(images(folder)?.into_iter().map(|path| (path, class as u8)));
        }
        Ok(all)
    };
    let all = read(format!("the training images of {name}"), &files(&classes)?, preparation)?;
    let (train, test) = (all.shuffled(0), dir.join("test"));
    let test = if test.is_dir() {
        let name = format!("the test images of {name}");
        let colour = Some(Colour::of_images(&train));
        let like = Preparation { colour, ..*preparation };
        Some(read(name, &files(&folders(&test)?)?, &like)?.shuffled(1))
    } else {
        None
    };
    Dataset::of_parts(name, class_names, (dir, why), train, test)
}

/// Reads images that nothing else belongs to: for what learns from images alone.
fn read_alone(
    dir: &Path,
    name: String,
    why: &str,
    preparation: &Preparation<'_>,
) -> Result<Dataset, DataError> {
    let part = |part: &str, name, preparation: &Preparation<'_>| {
        let files: Vec<_> = images(&dir.join(part))?.into_iter().map(|path| (path, 0)).collect();
        read(name, &files, preparation)
    };
    let train = part("train", format!("the training images of {name}"), preparation)?.shuffled(0);
    let test = if dir.join("test").is_dir() {
        let like = Preparation { colour: Some(Colour::of_images(&train)), ..*preparation };
        Some(part("test", format!("the test images of {name}"), &like)?)
    } else {
        None
    };
    Dataset::of_parts(name, Vec::new(), (dir, why), train, test)
}

/// What is in a folder, sorted, without what is hidden.
fn entries(dir: &Path) -> Result<Vec<PathBuf>, DataError> {
    let wrong = |cause: io::Error| DataError::File {
        path: dir.to_owned(),
        expected: "a folder that can be read".to_owned(),
        found: cause.to_string(),
    };
    let mut all = fs::read_dir(dir)
        .and_then(|entries| entries.map(|entry| Ok(entry?.path())).collect::<io::Result<Vec<_>>>())
        .map_err(wrong)?;
    all.retain(|path| !file_name(path).starts_with('.'));
    all.sort();
    Ok(all)
}

pub(super) fn folders(dir: &Path) -> Result<Vec<PathBuf>, DataError> {
    Ok(entries(dir)?.into_iter().filter(|path| path.is_dir()).collect())
}

/// The images of a folder.
pub(super) fn images(dir: &Path) -> Result<Vec<PathBuf>, DataError> {
    let all = entries(dir)?;
    let of = |path: &Path, found: String| DataError::File {
        path: path.to_owned(),
        expected: format!("images only ({ENDINGS})"),
        found,
    };
    match all.iter().find(|path| path.is_dir() || !is_image(path)) {
        Some(other) if other.is_dir() => Err(of(other, "a folder".to_owned())),
        Some(other) => Err(of(other, "another file".to_owned())),
        None if all.is_empty() => Err(of(dir, "a folder without images".to_owned())),
        None => Ok(all),
    }
}

pub(super) fn file_name(path: &Path) -> String {
    path.file_name().map_or_else(String::new, |name| name.to_string_lossy().into_owned())
}
