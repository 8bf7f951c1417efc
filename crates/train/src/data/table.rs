//! A table of files: a CSV with the column `path`, one of `label`, `target` and `value`, and if
//! wanted `split`.

use std::path::{Path, PathBuf};

use serde::Deserialize;

use super::dataset::Dataset;
use super::error::DataError;
use super::files::{Colour, Preparation, read};
use super::images::Images;
use super::pairs::with_target_images;
use super::pixels::Pixels;
use super::targets::Targets;

/// The columns that say what belongs to an image.
const KINDS: [&str; 3] = ["label", "target", "value"];

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Row {
    path: PathBuf,
    label: Option<String>,
    target: Option<PathBuf>,
    value: Option<f32>,
    split: Option<String>,
}

/// What belongs to the images of a part of the table.
struct Part {
    files: Vec<(PathBuf, u8)>,
    targets: Vec<(PathBuf, u8)>,
    values: Vec<f32>,
}

/// Reads the files of a table. Paths are relative to the table. The classes are the labels, sorted;
/// numbers by their value. A target is the path of an image, a value a number. `split` is `train`
/// or `test`; without that column a share (of each class) is for testing. Images are in a fixed
/// order that mixes the classes.
///
/// # Errors
/// A table or an image that cannot be read, another column or split, none or two of `label`,
/// `target` and `value`, a cell that is empty, fewer than two classes or more than 256, a class
/// that has no training image, sizes that differ.
pub(super) fn read_table(
    table: &Path,
    name: String,
    why: &str,
    preparation: &Preparation<'_>,
) -> Result<Dataset, DataError> {
    let wrong = |expected: String, found: String| DataError::File {
        path: table.to_owned(),
        expected,
        found,
    };
    let readable =
        || "a table with the columns path, label (or target, or value) and, if wanted, split";
    let unreadable = |e: csv::Error| wrong(readable().to_owned(), e.to_string());
    let mut reader = csv::Reader::from_path(table).map_err(unreadable)?;
    let header = reader.headers().map_err(unreadable)?;
    let kinds: Vec<&str> = KINDS.into_iter().filter(|k| header.iter().any(|h| h == *k)).collect();
    let &[kind] = &kinds[..] else {
        let found = if kinds.is_empty() { "none".to_owned() } else { kinds.join(" and ") };
        return Err(wrong(format!("one column of {}", KINDS.join(", ")), found));
    };
    let rows = reader.deserialize().collect::<Result<Vec<Row>, _>>().map_err(unreadable)?;
    let mut class_names: Vec<String> = rows.iter().filter_map(|row| row.label.clone()).collect();
    let number = |name: &String| name.parse::<f64>().unwrap_or(f64::INFINITY);
    class_names.sort_by(|a, b| number(a).total_cmp(&number(b)).then_with(|| a.cmp(b)));
    class_names.dedup();
    if kind == "label" && !(2..=256).contains(&class_names.len()) {
        return Err(wrong("2 to 256 different labels".to_owned(), class_names.len().to_string()));
    }
    let folder = table.parent().unwrap_or(Path::new(""));
    let mut parts =
        [(); 2].map(|()| Part { files: Vec::new(), targets: Vec::new(), values: Vec::new() });
    for (row, line) in rows.into_iter().zip(2..) {
        let part = match row.split.as_deref() {
            None | Some("train") => &mut parts[0],
            Some("test") => &mut parts[1],
            Some(other) => {
                let found = format!("`{other}` in line {line}");
                return Err(wrong("a split train or test".to_owned(), found));
            }
        };
        let mut class = 0;
        match (row.label, row.target, row.value) {
            (Some(label), ..) => {
                class = class_names.iter().position(|name| *name == label).expect("one of them");
            }
            (_, Some(target), _) => part.targets.push((folder.join(target), 0)),
            (.., Some(value)) if value.is_finite() => part.values.push(value),
            (.., Some(value)) => {
                return Err(wrong("finite values".to_owned(), format!("{value} in line {line}")));
            }
            (None, None, None) => {
                return Err(wrong(format!("a {kind}"), format!("none in line {line}")));
            }
        }
        part.files.push((folder.join(row.path), class as u8));
    }
    let [train, test] = parts;
    let trained = |class: usize| train.files.iter().any(|(_, label)| usize::from(*label) == class);
    if let Some(class) = (0..class_names.len()).find(|class| !trained(*class)) {
        let found = format!("none of {}", class_names[class]);
        return Err(wrong("training images of each class".to_owned(), found));
    }
    let train = images(format!("the training images of {name}"), train, preparation, 0)?;
    let test = if test.files.is_empty() {
        None
    } else {
        let colour = Some(Colour::of_images(&train));
        let like = Preparation { colour, ..*preparation };
        Some(images(format!("the test images of {name}"), test, &like, 1)?)
    };
    Dataset::of_parts(name, class_names, (table, why), train, test)
}

/// Reads a part, in an order by a seed.
fn images(
    name: String,
    part: Part,
    preparation: &Preparation<'_>,
    seed: u64,
) -> Result<Images, DataError> {
    if !part.targets.is_empty() {
        return with_target_images(name, &part.files, &part.targets, preparation);
    }
    let images = read(name.clone(), &part.files, preparation)?;
    if part.values.is_empty() {
        return Ok(images.shuffled(seed));
    }
    let values = Targets::new(format!("the values of {name}"), &[1], Pixels::F32(part.values))?;
    Ok(images.with_targets(values)?.shuffled(seed))
}
