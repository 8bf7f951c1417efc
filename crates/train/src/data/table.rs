//! A table of files: a CSV with the columns `path` and `label`, and if wanted `split`.

use std::path::{Path, PathBuf};

use serde::Deserialize;

use super::dataset::Dataset;
use super::error::DataError;
use super::files::{Colour, Preparation, read};

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Row {
    path: PathBuf,
    label: String,
    split: Option<String>,
}

/// Reads the files of a table. Paths are relative to the table. The classes are the labels, sorted;
/// numbers by their value. `split` is `train` or `test`; without that column a share of each class
/// is for testing. Images are in a fixed order that mixes the classes.
///
/// # Errors
/// A table or an image that cannot be read, another column or split, fewer than two classes or more
/// than 256, a class that has no training image, sizes that differ.
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
    let readable = || "a table with the columns path, label and, if wanted, split".to_owned();
    let mut reader = csv::Reader::from_path(table).map_err(|e| wrong(readable(), e.to_string()))?;
    let rows = reader
        .deserialize()
        .collect::<Result<Vec<Row>, _>>()
        .map_err(|e| wrong(readable(), e.to_string()))?;
    let mut class_names: Vec<String> = rows.iter().map(|row| row.label.clone()).collect();
    let number = |name: &String| name.parse::<f64>().unwrap_or(f64::INFINITY);
    class_names.sort_by(|a, b| number(a).total_cmp(&number(b)).then_with(|| a.cmp(b)));
    class_names.dedup();
    if !(2..=256).contains(&class_names.len()) {
        return Err(wrong("2 to 256 different labels".to_owned(), class_names.len().to_string()));
    }
    let folder = table.parent().unwrap_or(Path::new(""));
    let (mut train, mut test) = (Vec::new(), Vec::new());
    for (row, line) in rows.into_iter().zip(2..) {
        let class = class_names.iter().position(|name| *name == row.label).expect("one of them");
        let part = match row.split.as_deref() {
            None | Some("train") => &mut train,
            Some("test") => &mut test,
            Some(other) => {
                let found = format!("`{other}` in line {line}");
                return Err(wrong("a split train or test".to_owned(), found));
            }
        };
        part.push((folder.join(row.path), class as u8));
    }
    let trained = |class: usize| train.iter().any(|(_, label)| usize::from(*label) == class);
    if let Some(class) = (0..class_names.len()).find(|class| !trained(*class)) {
        let found = format!("none of {}", class_names[class]);
        return Err(wrong("training images of each class".to_owned(), found));
    }
    let train = read(format!("the training images of {name}"), &train, preparation)?.shuffled(0);
    let test = if test.is_empty() {
        None
    } else {
        let colour = Some(Colour::of_images(&train));
        let like = Preparation { colour, ..*preparation };
        Some(read(format!("the test images of {name}"), &test, &like)?.shuffled(1))
    };
    Dataset::of_parts(name, class_names, (table, why), train, test)
}
