//! Which data to use. Whoever says nothing gets MNIST if it is there and the embedded digits if
//! not, so that the first command always works; whoever names data gets those or an error, never a
//! silent substitute.

use std::path::{Path, PathBuf};

use super::arrays::{is_folder_of_arrays, read_arrays};
use super::dataset::Dataset;
use super::error::{DataError, FILES};
use super::files::{Preparation, prepare};
use super::folders::{is_by_class, read_by_class};
use super::manifest;
use super::pairs::{is_pairs, read_pairs};
use super::shards::{is_shards, read_shards};
use super::table::read_table;

/// Where to look. The binary fills this in: libraries read neither the command line nor the
/// environment.
#[derive(Debug, Clone, Copy)]
pub struct Search<'a> {
    /// What `--data` says: a folder, or the name of a data set.
    pub option: Option<&'a Path>,
    /// What `MORPHOGRAD_DATA` says: the same.
    pub environment: Option<&'a Path>,
    /// The folder with a folder per data set: `datasets` in the repository.
    pub datasets: &'a Path,
}

/// The data that were chosen, not loaded yet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum DataSource {
    /// Images of one's own.
    Own {
        /// A folder by class (`train/<class>/`), one of pairs (`train/images/`, `train/masks/`), an
        /// archive or a folder of arrays (`x_train`), or a table of files.
        path: PathBuf,
        /// Why this one.
        why: String,
    },
    /// A folder with the four files.
    Folder {
        /// The folder.
        dir: PathBuf,
        /// Why this one.
        why: String,
    },
    /// The digits that are compiled in.
    Embedded {
        /// Why these.
        why: String,
    },
}

/// The name of the digits that are compiled in.
const DIGITS: &str = "digits";

impl DataSource {
    /// Chooses: `--data`, then `MORPHOGRAD_DATA`, then `mnist` in the folder of data sets, then the
    /// embedded digits.
    ///
    /// # Errors
    /// [`DataError::Missing`] where data were named and are not there.
    pub fn find(search: &Search<'_>) -> Result<Self, DataError> {
        if let Some(named) = search.option {
            return Self::named(named, search.datasets, "given by --data");
        }
        if let Some(named) = search.environment.filter(|named| !named.as_os_str().is_empty()) {
            return Self::named(named, search.datasets, "given by MORPHOGRAD_DATA");
        }
        let dir = search.datasets.join("mnist");
        Ok(if missing(&dir).is_empty() {
            DataSource::Folder { dir, why: "found there".to_owned() }
        } else {
            let why = format!(
                "because {} does not hold the four files; `cargo xtask data fetch mnist` fetches \
                 them",
                dir.display()
            );
            DataSource::Embedded { why }
        })
    }

    /// What can be given by `--data` to choose these again, from any folder; nothing if the path is
    /// no text.
    pub fn place(&self) -> Option<String> {
        let (Self::Own { path, .. } | Self::Folder { dir: path, .. }) = self else {
            return Some(DIGITS.to_owned());
        };
        let path = path.canonicalize().unwrap_or_else(|_| path.clone());
        path.to_str().map(str::to_owned)
    }

    /// Reads the data, and names them: by a check sum where it is that of a known data set, else by
    /// the name of the folder. The note says which files of a known data set are not as published.
    ///
    /// # Errors
    /// As [`Dataset::read`].
    pub fn load(&self) -> Result<Dataset, DataError> {
        self.load_prepared(&Preparation::default())
    }

    /// The same, with all images in a size and colour.
    ///
    /// # Errors
    /// As [`load`](Self::load), and a file of one's own that cannot be used.
    pub fn load_prepared(&self, preparation: &Preparation<'_>) -> Result<Dataset, DataError> {
        let data = self.read(preparation)?;
        // A path may hold what a terminal would obey, or what ends a line of a file.
        let escaped =
            |c: char| if c.is_control() { c.escape_default().to_string() } else { c.into() };
        let (name, note) = (data.name.chars().map(escaped), data.note.chars().map(escaped));
        let (name, note) = (name.collect(), note.collect());
        Ok(Dataset { name, note, ..data })
    }

    fn read(&self, preparation: &Preparation<'_>) -> Result<Dataset, DataError> {
        let (path, why) = match self {
            DataSource::Own { path, why } => (path, why),
            DataSource::Embedded { .. } | DataSource::Folder { .. } => {
                let data = self.load_idx(preparation.in_memory)?;
                let train = prepare(data.train, preparation)?;
                let test = prepare(data.test, preparation)?;
                return Ok(Dataset { train, test, ..data });
            }
        };
        let name = path.file_stem().filter(|_| path.is_file()).or(path.file_name());
        let name = name.map_or_else(|| "data".to_owned(), |name| name.to_string_lossy().into());
        if is_shards(path) {
            read_shards(path, name, why, preparation)
        } else if is_pairs(path) {
            read_pairs(path, name, why, preparation)
        } else if is_by_class(path) {
            read_by_class(path, name, why, preparation)
        } else if is_table(path) {
            read_table(path, name, why, preparation)
        } else {
            read_arrays(path, name, why, preparation)
        }
    }

    fn load_idx(&self, in_memory: u64) -> Result<Dataset, DataError> {
        let (dir, why) = match self {
            DataSource::Folder { dir, why } => (dir, why),
            DataSource::Embedded { why } | DataSource::Own { why, .. } => {
                return Ok(Dataset::embedded(format!("the embedded digits, {why}")));
            }
        };
        let folder = dir
            .file_name()
            .map_or_else(|| "data".to_owned(), |name| name.to_string_lossy().into_owned());
        let (name, title, classes, published) = match recognise(dir, &folder) {
            Some(entry) => (entry.name, entry.title, Some(entry.classes), entry.files),
            None => (folder.clone(), folder, None, Vec::new()),
        };
        let altered: Vec<&str> =
            published.iter().filter(|file| !is_published(dir, file)).map(|f| &*f.name).collect();
        let altered = match altered[..] {
            [] => String::new(),
            _ => format!("; not as published: {}", altered.join(", ")),
        };
        let note = format!("{title} from {} ({why}{altered})", dir.display());
        Dataset::read(dir, name, classes, note, in_memory)
    }

    fn named(named: &Path, datasets: &Path, why: &str) -> Result<Self, DataError> {
        let why = why.to_owned();
        let absent = missing(named);
        if absent.is_empty() {
            return Ok(DataSource::Folder { dir: named.to_owned(), why });
        }
        let is_archive = named.is_file() && has_ending(named, "npz");
        let is_folder = is_by_class(named) || is_folder_of_arrays(named) || is_shards(named);
        if is_archive || is_table(named) || is_folder {
            return Ok(DataSource::Own { path: named.to_owned(), why });
        }
        let entry = named.to_str().and_then(|name| manifest::entry(name).ok());
        match entry {
            Some(entry) if !named.exists() => {
                let dir = datasets.join(&entry.name);
                let absent = missing(&dir);
                if entry.mirrors.is_empty() {
                    Ok(DataSource::Embedded { why })
                } else if absent.is_empty() {
                    Ok(DataSource::Folder { dir, why })
                } else {
                    let advice = format!("; `cargo xtask data fetch {}` fetches them", entry.name);
                    Err(DataError::Missing { dir, files: absent.join(", "), advice })
                }
            }
            _ => {
                let advice = if named.exists() && absent.len() < FILES.len() {
                    ""
                } else if named.exists() {
                    "; or train/<class>/ with images, train/images/ and train/masks/, x_train.npy, \
                     an .npz, shards or a .csv with path and label"
                } else {
                    ", and it is not the name of a data set"
                };
                let advice = advice.to_owned();
                Err(DataError::Missing { dir: named.to_owned(), files: absent.join(", "), advice })
            }
        }
    }
}

fn has_ending(path: &Path, ending: &str) -> bool {
    path.extension().is_some_and(|found| found.eq_ignore_ascii_case(ending))
}

fn is_table(path: &Path) -> bool {
    path.is_file() && has_ending(path, "csv")
}

/// The files of the four that a folder does not hold.
fn missing(dir: &Path) -> Vec<&'static str> {
    FILES.into_iter().filter(|file| !manifest::locate(dir, file).is_file()).collect()
}

/// The known data set in a folder. The test labels, a few kilobytes, are enough to tell them apart.
fn recognise(dir: &Path, folder: &str) -> Option<manifest::Entry> {
    let mut entries = manifest::entries();
    let known = |entry: &manifest::Entry| {
        let labels = entry.files.iter().find(|file| file.name == FILES[3]);
        labels.is_some_and(|file| is_published(dir, file))
    };
    let position = entries
        .iter()
        .position(known)
        .or_else(|| entries.iter().position(|entry| entry.name == folder))?;
    Some(entries.swap_remove(position))
}

fn is_published(dir: &Path, file: &manifest::FileEntry) -> bool {
    manifest::check(&manifest::locate(dir, &file.name), file).is_good()
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    fn copy_digits(dir: &Path) {
        fs::create_dir_all(dir).unwrap();
        let committed = Path::new(env!("CARGO_MANIFEST_DIR")).join("datasets/digits");
        for file in FILES {
            fs::copy(committed.join(file), dir.join(file)).unwrap();
        }
    }

    #[test]
    fn the_order_is_option_environment_mnist_embedded() {
        let root = tempfile::tempdir().unwrap();
        let [option, environment, mnist] =
            ["option", "environment", "mnist"].map(|name| root.path().join(name));
        let mut search = Search { option: None, environment: None, datasets: root.path() };

        let embedded = DataSource::find(&search).unwrap().load().unwrap();
        assert_eq!(
            embedded.note,
            format!(
                "the embedded digits, because {} does not hold the four files; \
                 `cargo xtask data fetch mnist` fetches them",
                mnist.display()
            )
        );
        for dir in [&option, &environment, &mnist] {
            copy_digits(dir);
        }
        let why = "found there".to_owned();
        assert_eq!(DataSource::find(&search).unwrap(), DataSource::Folder { dir: mnist, why });
        search.environment = Some(Path::new(""));
        assert!(matches!(DataSource::find(&search).unwrap(), DataSource::Folder { .. }));
        search.environment = Some(&environment);
        let why = "given by MORPHOGRAD_DATA".to_owned();
        let expected = DataSource::Folder { dir: environment.clone(), why };
        assert_eq!(DataSource::find(&search).unwrap(), expected);
        search.option = Some(&option);
        let loaded = DataSource::find(&search).unwrap().load().unwrap();
        let note = format!("the embedded digits from {} (given by --data)", option.display());
        assert_eq!((loaded.name.as_str(), loaded.note), ("digits", note));
        assert_eq!((loaded.train, loaded.test), (embedded.train, embedded.test));
    }

    #[test]
    fn data_that_were_named_are_used_or_it_is_an_error() {
        let root = tempfile::tempdir().unwrap();
        let find = |named: &Path| {
            DataSource::find(&Search {
                option: Some(named),
                environment: None,
                datasets: root.path(),
            })
        };
        let error = |named: &Path| find(named).unwrap_err().to_string();

        let why = "given by --data".to_owned();
        assert_eq!(find(Path::new("digits")).unwrap(), DataSource::Embedded { why: why.clone() });
        let advice = "`cargo xtask data fetch fashion-mnist` fetches them";
        assert!(error(Path::new("fashion-mnist")).ends_with(advice));
        assert!(error(Path::new("no-such-thing")).ends_with("not the name of a data set"));

        let dir = root.path().join("fashion-mnist");
        copy_digits(&dir);
        assert_eq!(
            find(Path::new("fashion-mnist")).unwrap(),
            DataSource::Folder { dir: dir.clone(), why }
        );
        fs::remove_file(dir.join(FILES[2])).unwrap();
        assert_eq!(
            error(&dir),
            format!(
                "{}: expected the four files of a data set, missing t10k-images-idx3-ubyte.gz",
                dir.display()
            )
        );
    }

    #[test]
    fn classes_follow_the_content_then_the_name_of_the_folder() {
        let root = tempfile::tempdir().unwrap();
        let dir = root.path().join("fashion-mnist");
        copy_digits(&dir);
        let load = || DataSource::Folder { dir: dir.clone(), why: "test".into() }.load().unwrap();
        assert_eq!(load().class_names[9], "9");
        // Labels that no data set of the manifest has: the name of the folder decides.
        let labels =
            morphograd_idx::read_as::<u8>(dir.join(FILES[3]), Default::default()).unwrap().1;
        let turned = labels.iter().map(|label| 9 - label).collect();
        let array =
            morphograd_idx::Idx::new(vec![labels.len()], morphograd_idx::IdxData::U8(turned))
                .unwrap();
        morphograd_idx::write(dir.join(FILES[3]), &array).unwrap();
        assert_eq!(load().class_names[9], "Ankle boot");
    }
}
