//! The data sets the program knows, from `datasets/manifest.toml`, which is compiled in. A file is
//! right if its bytes are those published, or if the IDX file inside it is: copies that were packed
//! again hold the same data.

use std::fs::File;
use std::io::{self, BufReader, Read};
use std::path::{Path, PathBuf};

use flate2::bufread::MultiGzDecoder;
use serde::Deserialize;
use sha2::{Digest, Sha256};

use super::error::DataError;

const MANIFEST: &str = include_str!("../../datasets/manifest.toml");
/// No file of a data set unpacks to more; a gzip stream that does is not hashed any further.
const MAX_CONTENT: u64 = 1 << 30;

/// A data set of the manifest.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Entry {
    /// Short name: `digits`, `mnist`, `fashion-mnist`.
    pub name: String,
    /// The name as people write it.
    pub title: String,
    /// Names of the classes, in label order.
    pub classes: Vec<String>,
    /// Addresses that end in a slash; a file's name follows.
    pub mirrors: Vec<String>,
    /// The four files.
    #[serde(rename = "file")]
    pub files: Vec<FileEntry>,
}

/// A file of a data set.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FileEntry {
    /// Name, one of [`FILES`](super::FILES).
    pub name: String,
    /// Size in bytes, as published.
    pub bytes: u64,
    /// SHA-256 of the file as published, in lower-case hexadecimal.
    pub sha256: String,
    /// SHA-256 of the IDX file inside, where it is known.
    pub content_sha256: Option<String>,
}

/// What became of a file that should be there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum FileState {
    /// The bytes are those published.
    Published,
    /// The bytes are not those published, but the IDX file inside is.
    Repacked,
    /// There is no such file.
    Missing,
    /// It is another file, or a damaged one.
    Wrong {
        /// Its size in bytes.
        bytes: u64,
        /// Its SHA-256.
        sha256: String,
    },
    /// It could not be read.
    Unreadable {
        /// What the system said.
        cause: String,
    },
}

/// A file that was looked at.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FileCheck {
    /// Where it is, or should be.
    pub path: PathBuf,
    /// What the manifest says of it.
    pub expected: FileEntry,
    /// How it is.
    pub state: FileState,
}

impl FileCheck {
    /// Whether the data are there and intact.
    pub fn is_good(&self) -> bool {
        matches!(self.state, FileState::Published | FileState::Repacked)
    }
}

impl std::fmt::Display for FileCheck {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let (path, expected) = (self.path.display(), &self.expected);
        match &self.state {
            FileState::Published => write!(f, "{path}: intact, as published"),
            FileState::Repacked => {
                write!(f, "{path}: intact, packed differently from the published file")
            }
            FileState::Missing => write!(f, "{path}: the file is missing"),
            FileState::Wrong { bytes, sha256 } => write!(
                f,
                "{path}: wrong content: expected {} bytes with SHA-256 {}, found {bytes} bytes \
                 with SHA-256 {sha256}",
                expected.bytes, expected.sha256
            ),
            FileState::Unreadable { cause } => write!(f, "{path}: cannot read the file: {cause}"),
        }
    }
}

/// All the data sets of the manifest.
pub fn entries() -> Vec<Entry> {
    #[derive(Deserialize)]
    struct Manifest {
        dataset: Vec<Entry>,
    }
    let manifest: Manifest =
        toml::from_str(MANIFEST).expect("the manifest is compiled in, and tested");
    manifest.dataset
}

/// The data set of that name.
///
/// # Errors
/// [`DataError::UnknownName`].
pub fn entry(name: &str) -> Result<Entry, DataError> {
    let entries = entries();
    let known = entries.iter().map(|entry| entry.name.as_str()).collect::<Vec<_>>().join(", ");
    entries
        .into_iter()
        .find(|entry| entry.name == name)
        .ok_or_else(|| DataError::UnknownName { name: name.to_owned(), known })
}

/// Looks at all the files of a data set in `dir`, in the order of the manifest. Reads them
/// completely.
///
/// ```
/// let digits = morphograd::data::manifest::entry("digits")?;
/// let checks = morphograd::data::manifest::verify(&digits, "datasets/digits".as_ref());
/// assert!(checks.iter().all(|check| check.is_good()));
/// # Ok::<(), morphograd::data::DataError>(())
/// ```
pub fn verify(entry: &Entry, dir: &Path) -> Vec<FileCheck> {
    entry.files.iter().map(|file| check(&locate(dir, &file.name), file)).collect()
}

/// The path of a file of a data set: with `.gz`, or without where only that exists.
pub(super) fn locate(dir: &Path, name: &str) -> PathBuf {
    let packed = dir.join(name);
    let plain = dir.join(name.trim_end_matches(".gz"));
    if !packed.exists() && plain.exists() { plain } else { packed }
}

/// Compares one file with the manifest.
pub(super) fn check(path: &Path, expected: &FileEntry) -> FileCheck {
    let state = state(path, expected).unwrap_or_else(|error| match error.kind() {
        io::ErrorKind::NotFound => FileState::Missing,
        _ => FileState::Unreadable { cause: error.to_string() },
    });
    FileCheck { path: path.to_owned(), expected: expected.clone(), state }
}

fn state(path: &Path, expected: &FileEntry) -> io::Result<FileState> {
    let bytes = path.metadata()?.len();
    let sha256 = hash(File::open(path)?)?;
    if bytes == expected.bytes && sha256 == expected.sha256 {
        return Ok(FileState::Published);
    }
    // Unpacked already, or packed again.
    if let Some(content) = &expected.content_sha256 {
        let unpacked = MultiGzDecoder::new(BufReader::new(File::open(path)?)).take(MAX_CONTENT);
        if sha256 == *content || hash(unpacked).is_ok_and(|hash| hash == *content) {
            return Ok(FileState::Repacked);
        }
    }
    Ok(FileState::Wrong { bytes, sha256 })
}

fn hash(mut reader: impl Read) -> io::Result<String> {
    let mut hasher = Sha256::new();
    let mut chunk = vec![0; 64 * 1024];
    loop {
        match reader.read(&mut chunk) {
            Ok(0) => {
                return Ok(hasher.finalize().iter().map(|byte| format!("{byte:02x}")).collect());
            }
            Ok(n) => hasher.update(&chunk[..n]),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;
    use crate::data::FILES;

    #[test]
    fn the_manifest_is_complete() {
        let entries = entries();
        assert_eq!(entries.len(), 3);
        for entry in &entries {
            let names: Vec<&str> = entry.files.iter().map(|file| file.name.as_str()).collect();
            assert_eq!(names, FILES, "{}", entry.name);
            assert_eq!(entry.classes.len(), 10);
            assert!(entry.mirrors.iter().all(|mirror| mirror.ends_with('/')));
            for file in &entry.files {
                for hash in [Some(&file.sha256), file.content_sha256.as_ref()].into_iter().flatten()
                {
                    assert!(
                        hash.len() == 64 && hash.bytes().all(|b| b"0123456789abcdef".contains(&b)),
                        "{hash}"
                    );
                }
            }
        }
        let error = entry("cifar").unwrap_err();
        assert_eq!(
            error.to_string(),
            "unknown data set `cifar`, expected one of digits, mnist, fashion-mnist"
        );
    }

    #[test]
    fn the_manifest_lists_the_committed_digits() {
        let committed = Path::new(env!("CARGO_MANIFEST_DIR")).join("datasets/digits");
        for listed in entry("digits").unwrap().files {
            let file = || BufReader::new(File::open(committed.join(&listed.name)).unwrap());
            let found = FileEntry {
                name: listed.name.clone(),
                bytes: committed.join(&listed.name).metadata().unwrap().len(),
                sha256: hash(file()).unwrap(),
                content_sha256: Some(hash(MultiGzDecoder::new(file())).unwrap()),
            };
            assert_eq!(
                listed, found,
                "left is what the manifest says, right is what it should say"
            );
        }
    }

    #[test]
    fn a_file_is_published_repacked_wrong_or_missing() {
        let committed = Path::new(env!("CARGO_MANIFEST_DIR")).join("datasets/digits");
        let entry = entry("digits").unwrap();
        assert!(verify(&entry, &committed).iter().all(|check| check.state == FileState::Published));

        let dir = tempfile::tempdir().unwrap();
        let labels = |check: &[FileCheck]| check[1].clone();
        assert_eq!(labels(&verify(&entry, dir.path())).state, FileState::Missing);
        let idx = morphograd_idx::read(committed.join(FILES[1]), Default::default()).unwrap();
        let plain = dir.path().join(FILES[1].trim_end_matches(".gz"));
        morphograd_idx::write(&plain, &idx).unwrap();
        let check = labels(&verify(&entry, dir.path()));
        assert_eq!((check.state, check.path), (FileState::Repacked, plain));

        let mut damaged = fs::read(committed.join(FILES[1])).unwrap();
        damaged[100] ^= 1;
        fs::write(dir.path().join(FILES[1]), damaged).unwrap();
        let check = labels(&verify(&entry, dir.path()));
        assert!(!check.is_good());
        assert!(check.to_string().contains("wrong content: expected "), "{check}");
    }
}
