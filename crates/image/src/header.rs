//! What an image is before its pixels are known.

use std::fmt;

use crate::depth::Depth;

/// Size and type of an image.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Header {
    /// Rows.
    pub height: usize,
    /// Pixels in a row.
    pub width: usize,
    /// Samples of a pixel without alpha: 1 for grey, 3 for red, green and blue.
    pub channels: usize,
    /// The type of a sample.
    pub depth: Depth,
    /// Whether every pixel has an opacity too.
    pub alpha: bool,
}

impl Header {
    /// The samples of a pixel, alpha included.
    pub fn samples(&self) -> usize {
        self.channels + usize::from(self.alpha)
    }

    /// The bytes that the pixels take in memory. Never less than they are: what cannot be counted
    /// is the largest number.
    pub fn bytes(&self) -> u64 {
        let rows = (self.height as u64).saturating_mul(self.width as u64);
        rows.saturating_mul(self.samples() as u64).saturating_mul(self.depth.bytes() as u64)
    }

    /// The same of another number of rows.
    pub(crate) fn rows(self, height: usize) -> Self {
        Self { height, ..self }
    }

    /// The type of the pixels in words, without the size.
    pub(crate) fn kind(&self) -> String {
        let colours = if self.channels == 1 { "grey" } else { "RGB" };
        let alpha = if self.alpha { " with alpha" } else { "" };
        format!("{} {colours}{alpha}", self.depth)
    }
}

/// Height, width and type of the pixels: `480 x 640, 8 bit RGB with alpha`.
impl fmt::Display for Header {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} x {}, {}", self.height, self.width, self.kind())
    }
}
