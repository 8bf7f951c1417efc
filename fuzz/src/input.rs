//! What targets share: bytes read as small numbers, a folder for the parsers that want files, and
//! the memory that a call takes.

use std::fs;
use std::path::{Path, PathBuf};

use tempfile::TempDir;

/// Bytes that are read as choices. Where they end, zeros follow.
pub(crate) struct Choices<'a>(pub(crate) &'a [u8]);

impl Choices<'_> {
    /// The next byte.
    pub(crate) fn byte(&mut self) -> u8 {
        let Some((first, rest)) = self.0.split_first() else { return 0 };
        self.0 = rest;
        *first
    }

    /// A number from `from` to `to`.
    pub(crate) fn number(&mut self, from: usize, to: usize) -> usize {
        from + usize::from(self.byte()) % (to - from + 1)
    }

    /// One of some.
    pub(crate) fn one_of<T: Copy>(&mut self, all: &[T]) -> T {
        all[self.number(0, all.len() - 1)]
    }
}

thread_local! {
    static FOLDER: TempDir = tempfile::tempdir().expect("a folder for temporary files");
}

/// The path of this name in this thread's folder.
pub(crate) fn path(name: &str) -> PathBuf {
    FOLDER.with(|folder| folder.path().join(name))
}

/// A file with these bytes in this thread's folder.
pub(crate) fn file(name: &str, bytes: &[u8]) -> PathBuf {
    let path = path(name);
    fs::write(&path, bytes).expect("a temporary file can be written");
    path
}

/// A folder of this name in this thread's folder, without files.
pub(crate) fn folder(name: &str) -> PathBuf {
    let path = path(name);
    let _ = fs::remove_dir_all(&path);
    fs::create_dir_all(&path).expect("a temporary folder can be made");
    path
}

/// Whether a text could name a file outside of a temporary folder, or one that never ends.
pub(crate) fn leads_away(text: &str) -> bool {
    text.contains("..") || Path::new(text).is_absolute() || text.contains(['/', '\\'])
}

/// What `run` returns. It may have at most `bytes` bytes at once beyond those it began with.
pub(crate) fn within<T>(bytes: usize, run: impl FnOnce() -> T) -> T {
    let mut result = None;
    let taken = allocation_counter::measure(|| result = Some(run()));
    let peak = taken.bytes_max;
    assert!(peak <= bytes as u64, "expected at most {bytes} bytes of memory, found {peak}");
    result.expect("it was run")
}
