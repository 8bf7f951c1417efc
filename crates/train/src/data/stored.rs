//! Images that stay in their files and are read when a batch needs them, so that a data set may be
//! larger than memory.
//!
//! The one design choice: an image is a function of its number, so that any order, any part and any
//! number of threads read the same numbers, to the bit, as from memory. The batch after the current
//! one is read on another thread while the current one is trained on.

use std::fmt::{self, Debug};
use std::fs::File;
use std::io;
use std::ops::Range;
use std::path::PathBuf;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::thread;

use rayon::prelude::*;

use super::error::DataError;

/// Where images are.
pub(super) trait Store: Send + Sync + Debug {
    /// How many there are.
    fn len(&self) -> usize;

    /// Whether their numbers are bytes, divided by 255.
    fn is_bytes(&self) -> bool;

    /// Bytes of an image.
    fn bytes(&self) -> usize;

    /// Overwrites `out` with the bytes of one image: what takes time.
    fn fetch(&self, index: usize, out: &mut [u8]) -> Result<(), DataError>;

    /// Makes numbers of bytes.
    fn decode(&self, bytes: &[u8], out: &mut [f32]);

    /// Whether the bytes are those of [`encode`].
    fn is_encoded(&self) -> bool {
        true
    }

    /// How many threads fetch a batch.
    fn readers(&self) -> usize {
        1
    }
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
    /// The thread that reads them.
    reader: OnceLock<Sender<Job>>,
}

/// The bytes of a batch.
type Fetched = Result<Vec<u8>, DataError>;

/// A batch that another thread reads.
struct Ahead {
    indices: Vec<usize>,
    batch: Batch,
}

enum Batch {
    Fetched(Fetched),
    Fetching(Receiver<Fetched>),
}

/// What that thread is to do.
struct Job {
    /// The numbers of the images in the store.
    places: Vec<usize>,
    /// Memory for them.
    bytes: Vec<u8>,
    reply: Sender<Fetched>,
}

impl Stored {
    pub(super) fn new(store: Arc<dyn Store>, size: usize) -> Self {
        let (ahead, reader) = (Mutex::default(), OnceLock::new());
        Self { store, size, indices: None, ahead, reader }
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
        Self { indices, ..Self::new(Arc::clone(&self.store), self.size) }
    }

    /// The same images, each changed: `size` numbers that `change` makes of those that are stored.
    pub(super) fn changed(
        &self,
        size: usize,
        change: impl Fn(&[f32]) -> Vec<f32> + Send + Sync + 'static,
    ) -> Self {
        let before = self.select(0..self.len());
        Self::new(Arc::new(Changed { before, size, change }), size)
    }

    /// Overwrites `out` with the images at `indices`.
    pub(super) fn gather(&self, indices: &[usize], out: &mut [f32]) -> Result<(), DataError> {
        let mut ahead = self.ahead.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(at) = ahead.iter().position(|ahead| ahead.indices == indices) else {
            drop(ahead);
            let mut bytes = vec![0; self.store.bytes()];
            for (index, out) in indices.iter().zip(out.chunks_exact_mut(self.size)) {
                self.store.fetch(self.place(*index), &mut bytes)?;
                self.store.decode(&bytes, out);
            }
            return Ok(());
        };
        // It stays: somebody may need it twice.
        let Ahead { indices, batch } = ahead.remove(at);
        let fetched = match batch {
            Batch::Fetched(fetched) => fetched,
            Batch::Fetching(answer) => answer.recv().unwrap_or_else(|_| {
                let (name, found) = ("images".to_owned(), "a thread that panicked".to_owned());
                Err(DataError::Counts { name, expected: "images that can be read".into(), found })
            }),
        };
        let bytes = fetched?;
        for (bytes, out) in bytes.chunks_exact(self.store.bytes()).zip(out.chunks_mut(self.size)) {
            self.store.decode(bytes, out);
        }
        ahead.push(Ahead { indices, batch: Batch::Fetched(Ok(bytes)) });
        Ok(())
    }

    /// The numbers of these images as bytes: those of [`encode`].
    pub(super) fn encoded(&self, images: Range<usize>) -> Result<Vec<u8>, DataError> {
        let size = self.size * if self.is_bytes() { 1 } else { 4 };
        let mut bytes = vec![0; size * images.len()];
        bytes.par_chunks_mut(size).zip(images).try_for_each(|(out, image)| {
            if self.store.is_encoded() {
                return self.store.fetch(self.place(image), out);
            }
            let mut values = vec![0.0; self.size];
            self.gather(&[image], &mut values)?;
            encode(&values, self.is_bytes(), out);
            Ok(())
        })?;
        Ok(bytes)
    }

    /// Begins to read a batch that will be needed soon.
    pub(super) fn ahead(&self, indices: &[usize]) {
        let mut ahead = self.ahead.lock().unwrap_or_else(PoisonError::into_inner);
        if ahead.iter().any(|ahead| ahead.indices == indices) {
            return;
        }
        let spare = if ahead.len() < 2 { None } else { Some(ahead.remove(0)) };
        let bytes = match spare {
            Some(Ahead { batch: Batch::Fetched(Ok(bytes)), .. }) => bytes,
            _ => Vec::new(),
        };
        let places = indices.iter().map(|index| self.place(*index)).collect();
        let (reply, answer) = channel();
        let reader = self.reader.get_or_init(|| {
            let (jobs, inbox) = channel();
            let store = Arc::clone(&self.store);
            thread::spawn(move || read(&*store, &inbox));
            jobs
        });
        // If that thread is gone, nobody answers, and the batch is an error.
        let _ = reader.send(Job { places, bytes, reply });
        ahead.push(Ahead { indices: indices.to_vec(), batch: Batch::Fetching(answer) });
    }
}

/// Reads batches until nobody asks any more.
fn read(store: &dyn Store, inbox: &Receiver<Job>) {
    for Job { places, mut bytes, reply } in inbox {
        let size = store.bytes();
        bytes.resize(places.len() * size, 0);
        let each = places.len().div_ceil(store.readers()).max(1);
        let part = |(places, out): (&[usize], &mut [u8])| {
            let mut pieces = places.iter().zip(out.chunks_exact_mut(size));
            pieces.try_for_each(|(place, out)| store.fetch(*place, out))
        };
        let mut parts = places.chunks(each).zip(bytes.chunks_mut(each * size));
        let fetched = if store.readers() == 1 {
            parts.try_for_each(part)
        } else {
            thread::scope(|scope| {
                let threads: Vec<_> = parts.map(|p| scope.spawn(move || part(p))).collect();
                threads.into_iter().try_for_each(|thread| {
                    thread.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
                })
            })
        };
        // Nobody waits for a batch that was given up.
        let _ = reply.send(fetched.map(|()| bytes));
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
    size: usize,
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

    fn bytes(&self) -> usize {
        self.size * if self.is_bytes() { 1 } else { 4 }
    }

    fn fetch(&self, index: usize, out: &mut [u8]) -> Result<(), DataError> {
        let store = &self.before.store;
        let (mut bytes, mut values) = (vec![0; store.bytes()], vec![0.0; self.before.size]);
        store.fetch(self.before.place(index), &mut bytes)?;
        store.decode(&bytes, &mut values);
        encode(&(self.change)(&values), self.is_bytes(), out);
        Ok(())
    }

    fn decode(&self, bytes: &[u8], out: &mut [f32]) {
        decoder(self.is_bytes())(bytes, out);
    }

    fn readers(&self) -> usize {
        READERS
    }
}

/// Threads that fetch images which have to be computed.
pub(super) const READERS: usize = 4;

/// Arrays in files, the images of which lie one behind the other: IDX files, `.npy` files, shards.
pub(super) struct Records {
    pub(super) files: Vec<Piece>,
    /// Bytes of an image.
    pub(super) bytes: usize,
    pub(super) is_bytes: bool,
    /// What makes numbers of bytes, where it is not [`decoder`].
    pub(super) decode: Option<Box<Decode>>,
}

/// Makes numbers of bytes.
pub(super) type Decode = dyn Fn(&[u8], &mut [f32]) + Send + Sync;

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

    fn bytes(&self) -> usize {
        self.bytes
    }

    fn fetch(&self, index: usize, out: &mut [u8]) -> Result<(), DataError> {
        let mut index = index;
        for piece in &self.files {
            if index >= piece.count {
                index -= piece.count;
                continue;
            }
            let start = piece.start + index as u64 * self.bytes as u64;
            return read_exact_at(&piece.file, out, start).map_err(|error| DataError::File {
                path: piece.path.clone(),
                expected: format!("{} bytes from position {start}", self.bytes),
                found: error.to_string(),
            });
        }
        unreachable!("an index below the number of images")
    }

    fn decode(&self, bytes: &[u8], out: &mut [f32]) {
        match &self.decode {
            Some(decode) => decode(bytes, out),
            None => decoder(self.is_bytes)(bytes, out),
        }
    }

    fn is_encoded(&self) -> bool {
        self.decode.is_none()
    }
}

/// From 0 to 255, the nearest.
pub(super) fn byte(x: f32) -> u8 {
    (x * 255.0).round() as u8
}

/// What makes numbers of the bytes of [`encode`].
pub(super) fn decoder(is_bytes: bool) -> &'static Decode {
    if is_bytes { &of_bytes } else { &of_floats }
}

fn of_bytes(bytes: &[u8], out: &mut [f32]) {
    out.iter_mut().zip(bytes).for_each(|(value, byte)| *value = f32::from(*byte) / 255.0);
}

fn of_floats(bytes: &[u8], out: &mut [f32]) {
    let numbers = bytes.as_chunks().0.iter().map(|four| f32::from_le_bytes(*four));
    out.iter_mut().zip(numbers).for_each(|(value, number)| *value = number);
}

/// Numbers as bytes, or as they are.
pub(super) fn encode(values: &[f32], is_bytes: bool, out: &mut [u8]) {
    if is_bytes {
        out.iter_mut().zip(values).for_each(|(out, value)| *out = byte(*value));
    } else {
        let pieces = out.as_chunks_mut().0.iter_mut();
        pieces.zip(values).for_each(|(out, value)| *out = value.to_le_bytes());
    }
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
