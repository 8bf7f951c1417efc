//! How much memory a file may ask for, and where its bytes come from.

use std::fs::File;
use std::io::BufReader;

use crate::error::ErrorKind;
use crate::header::Header;

/// What a file may ask for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// The bytes of all pixels in memory, alpha included. The decoder may take about as much again
    /// while it works.
    pub bytes: u64,
}

/// 256 MiB: 16,384 x 16,384 pixels of 8 bit grey.
impl Default for Limits {
    fn default() -> Self {
        Self { bytes: 1 << 28 }
    }
}

impl Limits {
    /// As many bytes as a machine can count.
    pub fn none() -> Self {
        Self { bytes: u64::MAX }
    }

    /// # Errors
    /// If the pixels that a header announces take more memory than allowed.
    pub(crate) fn check(self, header: Header) -> Result<(), ErrorKind> {
        if header.bytes() > self.bytes {
            return Err(ErrorKind::TooLarge { header, limit: self.bytes });
        }
        Ok(())
    }

    /// The bytes, as far as they can be counted here.
    pub(crate) fn count(self) -> usize {
        usize::try_from(self.bytes).unwrap_or(usize::MAX)
    }
}

/// A file that can be read from any place.
pub(crate) type Source = BufReader<File>;
