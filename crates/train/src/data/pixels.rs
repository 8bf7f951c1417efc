//! Numbers of images, as bytes or as floats.

use sha2::{Digest, Sha256};

use super::error::DataError;
use super::stored::Stored;

/// Numbers that are read at once for a check sum.
const BLOCK: usize = 1 << 20;

/// The pixels of images, one image after the other.
#[derive(Debug, Clone, PartialEq)]
pub enum Pixels {
    /// From 0, black, to 255.
    U8(Vec<u8>),
    /// 0 is black and 1 is white; there may be others.
    F32(Vec<f32>),
    /// In files.
    Stored(Stored),
}

impl Pixels {
    /// How many numbers there are.
    pub(super) fn len(&self) -> usize {
        match self {
            Self::U8(pixels) => pixels.len(),
            Self::F32(pixels) => pixels.len(),
            Self::Stored(stored) => stored.numbers(),
        }
    }

    /// Whether they are bytes, divided by 255.
    pub(super) fn is_bytes(&self) -> bool {
        match self {
            Self::U8(_) => true,
            Self::F32(_) => false,
            Self::Stored(stored) => stored.is_bytes(),
        }
    }

    /// Adds the numbers to a check sum: the same for stored ones as in memory.
    pub(super) fn add_to(&self, size: usize, hash: &mut Sha256) -> Result<(), DataError> {
        match self {
            Self::Stored(stored) => {
                let count = self.len() / size;
                let block = (BLOCK / size).clamp(1, count.max(1));
                for start in (0..count).step_by(block) {
                    hash.update(stored.encoded(start..count.min(start + block))?);
                }
            }
            Self::U8(pixels) => hash.update(pixels),
            Self::F32(pixels) => {
                for block in pixels.chunks(1024) {
                    let bytes: Vec<u8> = block.iter().flat_map(|x| x.to_le_bytes()).collect();
                    hash.update(bytes);
                }
            }
        }
        Ok(())
    }

    /// Overwrites `out` with the pieces of `size` numbers at `indices`; bytes are divided by 255.
    pub(super) fn gather(
        &self,
        size: usize,
        indices: &[usize],
        out: &mut [f32],
    ) -> Result<(), DataError> {
        if let Self::Stored(stored) = self {
            return stored.gather(indices, out);
        }
        for (&index, piece) in indices.iter().zip(out.chunks_exact_mut(size)) {
            let range = index * size..(index + 1) * size;
            match self {
                Self::U8(pixels) => {
                    for (value, &pixel) in piece.iter_mut().zip(&pixels[range]) {
                        *value = f32::from(pixel) / 255.0;
                    }
                }
                Self::F32(pixels) => piece.copy_from_slice(&pixels[range]),
                Self::Stored(_) => unreachable!("gathered above"),
            }
        }
        Ok(())
    }

    /// Begins to read images that will be needed soon.
    pub(super) fn ahead(&self, indices: &[usize]) {
        if let Self::Stored(stored) = self {
            stored.ahead(indices);
        }
    }

    /// The pieces of `size` numbers at these indices, in this order.
    pub(super) fn select(&self, size: usize, indices: impl Iterator<Item = usize>) -> Self {
        if let Self::Stored(stored) = self {
            return Self::Stored(stored.select(indices));
        }
        let ranges = indices.map(|i| i * size..(i + 1) * size);
        match self {
            Self::U8(all) => Self::U8(ranges.flat_map(|r| &all[r]).copied().collect()),
            Self::F32(all) => Self::F32(ranges.flat_map(|r| &all[r]).copied().collect()),
            Self::Stored(_) => unreachable!("selected above"),
        }
    }
}
