//! Reading: the content decides the format, and the header is checked before memory is taken.

use std::fs::File;
use std::io::{BufReader, Read, Seek, SeekFrom};
use std::path::Path;

use crate::error::{Error, ErrorKind};
use crate::format::Format;
use crate::header::Header;
use crate::limits::{Limits, Source};
use crate::picture::Picture;
use crate::{jpeg, png, pnm, tiff};

/// Reads an image, whatever the name of the file.
///
/// - **Kept**: the bit depth, the colours, alpha. Grey of 2 or 4 bits becomes 8 bits, a palette
///   becomes RGB, floats of 16 bits become 32 bits, each without loss. PNM samples with another
///   maximum than 255 or 65535 are scaled to it.
/// - **Left out**: profiles, gamma, text, the orientation that a camera noted. No value is changed
///   by them.
///
/// # Errors
/// If the file cannot be read, is of no known format, is truncated or broken, holds several images,
/// is of a type that is not grey or RGB of 1, 8 or 16 bits or float, or its pixels take more memory
/// than allowed.
///
/// ```
/// use morphograd_image::{Limits, Picture, read, write};
/// let folder = tempfile::tempdir()?;
/// let path = folder.path().join("two.png");
/// write(&path, &Picture::new([1, 2], 1, vec![7u16, 60_000])?)?;
/// assert_eq!(read(&path, Limits::default())?.samples::<u16>(), Some(&[7, 60_000][..]));
/// let error = read(&path, Limits { bytes: 3 }).unwrap_err().to_string();
/// assert!(error.contains("at most 3 bytes of pixels") && error.contains("1 x 2, 16 bit grey"));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub fn read(path: &Path, limits: Limits) -> Result<Picture, Error> {
    let picture = open(path).and_then(|(format, source)| match format {
        Format::Png => png::read(source, limits),
        Format::Tiff => tiff::read(source, limits),
        Format::Jpeg => jpeg::read(source, limits),
        _ => pnm::read(source, format, limits),
    });
    picture.map_err(|kind| kind.at(path))
}

/// Size and type of an image, without its pixels.
///
/// # Errors
/// If the file cannot be read, is of no known format, or its header is broken or of a type that
/// [`read`] refuses.
pub fn inspect(path: &Path) -> Result<Header, Error> {
    let header = open(path).and_then(|(format, source)| match format {
        Format::Png => png::Rows::open(source, Limits::none()).map(|rows| rows.header),
        Format::Tiff => tiff::Rows::open(source, Limits::none()).map(|rows| rows.header),
        Format::Jpeg => jpeg::header(source),
        _ => pnm::header(source, format),
    });
    header.map_err(|kind| kind.at(path))
}

/// The file at its beginning, and what it is.
pub(crate) fn open(path: &Path) -> Result<(Format, Source), ErrorKind> {
    let mut file = File::open(path).map_err(ErrorKind::io("open"))?;
    let mut start = Vec::new();
    (&mut file).take(8).read_to_end(&mut start).map_err(ErrorKind::io("read"))?;
    file.seek(SeekFrom::Start(0)).map_err(ErrorKind::io("read"))?;
    let found = || match start.len() {
        0 => "an empty file".to_owned(),
        _ => format!("a file that begins with {:?}", String::from_utf8_lossy(&start)),
    };
    let format = Format::of_content(&start);
    let format = format.ok_or_else(|| ErrorKind::NoImage { found: found() })?;
    Ok((format, BufReader::new(file)))
}
