//! Reading an image from above, a band of rows at a time, so that it never is in memory as a whole.

use std::path::{Path, PathBuf};

use crate::error::{Error, ErrorKind};
use crate::format::Format;
use crate::header::Header;
use crate::limits::Limits;
use crate::picture::Picture;
use crate::read::open;
use crate::{png, tiff};

/// A PNG or TIFF file of which the rows are read one after the other.
///
/// Of a TIFF in tiles or large strips, a row of tiles or a strip is in memory. The other formats,
/// and interlaced PNG files, whose rows do not come in order, are refused.
///
/// ```
/// use morphograd_image::{Limits, Picture, Rows, write};
/// let folder = tempfile::tempdir()?;
/// let path = folder.path().join("tall.png");
/// write(&path, &Picture::new([3, 2], 1, vec![1u8, 2, 3, 4, 5, 6])?)?;
/// let mut rows = Rows::open(&path, Limits::default())?;
/// assert_eq!(rows.next(2)?.unwrap().samples::<u8>(), Some(&[1, 2, 3, 4][..]));
/// assert_eq!(rows.next(2)?.unwrap().size(), [1, 2]);
/// assert!(rows.next(2)?.is_none());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct Rows {
    path: PathBuf,
    file: Kind,
    limits: Limits,
}

enum Kind {
    Png(Box<png::Rows>),
    Tiff(Box<tiff::Rows>),
}

impl Rows {
    /// Opens a file. The limit holds for each band of rows, and for each strip or row of tiles of
    /// a TIFF.
    ///
    /// # Errors
    /// As [`read`](crate::read), and if rows cannot be read one after the other.
    pub fn open(path: &Path, limits: Limits) -> Result<Self, Error> {
        let refused = |found: String| ErrorKind::Unsupported {
            expected: "PNG without interlacing or TIFF, which are read by rows",
            found,
        };
        let file = open(path).and_then(|(format, source)| match format {
            Format::Png => {
                let rows = png::Rows::open(source, limits)?;
                if rows.is_interlaced() {
                    return Err(refused("an interlaced PNG".to_owned()));
                }
                Ok(Kind::Png(Box::new(rows)))
            }
            Format::Tiff => Ok(Kind::Tiff(Box::new(tiff::Rows::open(source, limits)?))),
            other => Err(refused(other.to_string())),
        });
        let file = file.map_err(|kind| kind.at(path))?;
        Ok(Self { path: path.to_owned(), file, limits })
    }

    /// Size and type of the whole image.
    pub fn header(&self) -> Header {
        match &self.file {
            Kind::Png(rows) => rows.header,
            Kind::Tiff(rows) => rows.header,
        }
    }

    /// The next `count` rows, or those that are left; `None` when all were read or `count` is 0.
    ///
    /// # Errors
    /// If the file ends too soon or is broken, or the rows take more memory than allowed.
    pub fn next(&mut self, count: usize) -> Result<Option<Picture>, Error> {
        let header = self.header();
        let read = match &self.file {
            Kind::Png(rows) => rows.read,
            Kind::Tiff(rows) => rows.read,
        };
        let count = count.min(header.height - read);
        if count == 0 {
            return Ok(None);
        }
        let band = header.rows(count);
        let samples = self.limits.check(band).and_then(|()| match &mut self.file {
            Kind::Png(rows) => rows.next(count),
            Kind::Tiff(rows) => rows.next(count),
        });
        let samples = samples.map_err(|kind| kind.at(&self.path))?;
        Ok(Some(Picture::from_samples(band, samples)))
    }
}
