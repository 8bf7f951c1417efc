//! Images that stay in their files and are read when a batch needs them, so that a data set may be
//! larger than memory.
//!
//! The one design choice: an image is a function of its number, so that any order, any part and any
//! number of threads read the same numbers, to the bit, as from memory. The batch after the current
//! one is read on another thread while the current one is trained on.

use std::fmt::{self, Debug};
use std::fs::File;
use std::io;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{self, JoinHandle};

use super::error::DataError;

/// Where images are.
pub(super) trait Store: Send + Sync + Debug {
    /// How many there are.
    fn len(&self) -> usize;

    /// Whether their numbers are bytes, divided by 255.
    fn is_bytes(&self) -> bool;

    /// Overwrites `out` with the numbers of one image.
    fn read(&self, index: usize, out: &mut [f32]) -> Result<(), DataError>;
}

/// Some of the images of a store, in an order.
pub struct Stored {
    store: Arc<dyn Store>,
    /// Numbers of an image.
    size: usize,
    /// Which images; all of them if nothing is said.
    indices: Option<Arc<[u32]>>,
    /// Batches that are read, or being read, ahead: the last two asked for.
    ahead: Mutex<Vec<Ahead>>,
}

/// A batch that another thread reads.
struct Ahead {
    indices: Vec<usize>,
    batch: Batch,
}

enum Batch {
    Read(Result<Vec<f32>, DataError>),
    Reading(JoinHandle<Result<Vec<f32>, DataError>>),
}

/// Threads that decode one batch.
const READERS: usize = 4;

impl Stored {
    pub(super) fn new(store: Arc<dyn Store>, size: usize) -> Self {
        Self { store, size, indices: None, ahead: Mutex::default() }
    }

    /// How many numbers all images have.
    pub(super) fn numbers(&self) -> usize {
        self.size * self.len()
    }

    fn len(&self) -> usize {
        self.indices.as_ref().map_or(self.store.len(), |indices| indices.len())
    }

    pub(super) fn is_bytes(&self) -> bool {
        self.store.is_bytes()
    }

    /// The number of an image in the store.
    fn place(&self, index: usize) -> usize {
        self.indices.as_ref().map_or(index, |indices| indices[index] as usize)
    }

    /// These images, in this order.
    pub(super) fn select(&self, indices: impl Iterator<Item = usize>) -> Self {
        let place = |index| u32::try_from(self.place(index)).expect("fewer than 2^32 images");
        let indices = Some(indices.map(place).collect());
        let (store, size) = (Arc::clone(&self.store), self.size);
        Self { store, size, indices, ahead: Mutex::default() }
    }

    /// The same images, each changed: `size` numbers that `change` makes of those that are stored.
    pub(super) fn changed(
        &self,
        size: usize,
        change: impl Fn(&[f32]) -> Vec<f32> + Send + Sync + 'static,
    ) -> Self {
        let before = self.select(0..self.len());
        Self::new(Arc::new(Changed { before, change }), size)
    }

    /// Overwrites `out` with the images at `indices`.
    pub(super) fn gather(&self, indices: &[usize], out: &mut [f32]) -> Result<(), DataError> {
        let mut ahead = self.ahead.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(at) = ahead.iter().position(|ahead| ahead.indices == indices) else {
            drop(ahead);
            let pieces = indices.iter().zip(out.chunks_exact_mut(self.size));
            return pieces
                .into_iter()
                .try_for_each(|(i, out)| self.store.read(self.place(*i), out));
        };
        // It stays: somebody may need it twice.
        let Ahead { indices, batch } = ahead.remove(at);
        let read = match batch {
            Batch::Read(read) => read,
            Batch::Reading(thread) => thread.join().unwrap_or_else(|_| {
                let (name, found) = ("images".to_owned(), "a thread that panicked".to_owned());
                Err(DataError::Counts { name, expected: "images that can be read".into(), found })
            }),
        };
        let values = read?;
        out.copy_from_slice(&values);
        ahead.push(Ahead { indices, batch: Batch::Read(Ok(values)) });
        Ok(())
    }

    /// Begins to read a batch that will be needed soon.
    pub(super) fn ahead(&self, indices: &[usize]) {
        let mut ahead = self.ahead.lock().unwrap_or_else(PoisonError::into_inner);
        if ahead.iter().any(|ahead| ahead.indices == indices) {
            return;
        }
        let spare = if ahead.len() < 2 { None } else { Some(ahead.remove(0)) };
        let mut values = match spare {
            Some(Ahead { batch: Batch::Read(Ok(values)), .. }) => values,
            _ => Vec::new(),
        };
        let (store, size) = (Arc::clone(&self.store), self.size);
        let places: Vec<usize> = indices.iter().map(|index| self.place(*index)).collect();
        let read = move || {
            values.resize(places.len() * size, 0.0);
            let each = places.len().div_ceil(READERS).max(1);
            let parts = places.chunks(each).zip(values.chunks_mut(each * size));
            let part = |(places, out): (&[usize], &mut [f32])| {
                let mut pieces = places.iter().zip(out.chunks_exact_mut(size));
                pieces.try_for_each(|(place, out)| store.read(*place, out))
            };
            thread::scope(|scope| {
                let threads: Vec<_> = parts.map(|p| scope.spawn(move || part(p))).collect();
                threads.into_iter().try_for_each(|thread| {
                    thread.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
                })
            })?;
            Ok(values)
        };
        let batch = Batch::Reading(thread::spawn(read));
        ahead.push(Ahead { indices: indices.to_vec(), batch });
    }
}

impl Clone for Stored {
    fn clone(&self) -> Self {
        self.select(0..self.len())
    }
}

impl Debug for Stored {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Stored").field("store", &self.store).field("len", &self.len()).finish()
    }
}

impl PartialEq for Stored {
    /// The same images of the same files.
    fn eq(&self, other: &Self) -> bool {
        let places = |stored: &Self| (0..stored.len()).map(|i| stored.place(i)).collect::<Vec<_>>();
        Arc::ptr_eq(&self.store, &other.store) && places(self) == places(other)
    }
}

/// Images in another size or colour.
struct Changed<F> {
    before: Stored,
    change: F,
}

impl<F> Debug for Changed<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Changed").field("before", &self.before).finish_non_exhaustive()
    }
}

impl<F: Fn(&[f32]) -> Vec<f32> + Send + Sync> Store for Changed<F> {
    fn len(&self) -> usize {
        self.before.len()
    }

    fn is_bytes(&self) -> bool {
        self.before.is_bytes()
    }

    fn read(&self, index: usize, out: &mut [f32]) -> Result<(), DataError> {
        let mut values = vec![0.0; self.before.size];
        self.before.store.read(self.before.place(index), &mut values)?;
        out.copy_from_slice(&(self.change)(&values));
        Ok(())
    }
}

/// Arrays in files, the images of which lie one behind the other: IDX files, `.npy` files, shards.
pub(super) struct Records {
    pub(super) files: Vec<Piece>,
    /// Bytes of an image.
    pub(super) bytes: usize,
    pub(super) is_bytes: bool,
    /// Makes numbers of bytes.
    pub(super) decode: Box<dyn Fn(&[u8], &mut [f32]) + Send + Sync>,
}

/// A file with some of the images.
#[derive(Debug)]
pub(super) struct Piece {
    pub(super) path: PathBuf,
    pub(super) file: File,
    /// Where its first image begins.
    pub(super) start: u64,
    /// How many images it has.
    pub(super) count: usize,
}

impl Debug for Records {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Records").field("files", &self.files).finish_non_exhaustive()
    }
}

impl Store for Records {
    fn len(&self) -> usize {
        self.files.iter().map(|piece| piece.count).sum()
    }

    fn is_bytes(&self) -> bool {
        self.is_bytes
    }

    fn read(&self, index: usize, out: &mut [f32]) -> Result<(), DataError> {
        let mut index = index;
        for piece in &self.files {
            if index >= piece.count {
                index -= piece.count;
                continue;
            }
            let mut bytes = vec![0; self.bytes];
            let start = piece.start + index as u64 * self.bytes as u64;
            read_exact_at(&piece.file, &mut bytes, start).map_err(|error| DataError::File {
                path: piece.path.clone(),
                expected: format!("{} bytes from position {start}", self.bytes),
                found: error.to_string(),
            })?;
            (self.decode)(&bytes, out);
            return Ok(());
        }
        unreachable!("an index below the number of images")
    }
}

/// Bytes of numbers in [0, 1].
pub(super) fn of_bytes(bytes: &[u8], out: &mut [f32]) {
    out.iter_mut().zip(bytes).for_each(|(value, byte)| *value = f32::from(*byte) / 255.0);
}

#[cfg(unix)]
pub(super) fn read_exact_at(file: &File, bytes: &mut [u8], start: u64) -> io::Result<()> {
    std::os::unix::fs::FileExt::read_exact_at(file, bytes, start)
}

#[cfg(windows)]
pub(super) fn read_exact_at(file: &File, mut bytes: &mut [u8], mut start: u64) -> io::Result<()> {
    while !bytes.is_empty() {
        match std::os::windows::fs::FileExt::seek_read(file, bytes, start)? {
            0 => return Err(io::ErrorKind::UnexpectedEof.into()),
            n => (bytes, start) = (&mut bytes[n..], start + n as u64),
        }
    }
    Ok(())
}
