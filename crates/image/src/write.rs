//! Writing: a file is made beside its name and renamed, so that nobody finds half of it.

use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::Path;

use tempfile::NamedTempFile;

use crate::error::{Error, ErrorKind};
use crate::format::Format;
use crate::header::Header;
use crate::picture::Picture;
use crate::pixels::Pixels;
use crate::{jpeg, png, pnm, tiff};

/// Writes an image in the format that the name ends in, with its bit depth and its alpha. A file
/// that is there is replaced.
///
/// PNG and PNM are without loss, TIFF is without compression too, JPEG has quality 95 and loses.
///
/// # Errors
/// If the ending is unknown, the format cannot hold the type of the pixels (the error names those
/// that can), or the file cannot be written. Then there is what was there before.
///
/// ```
/// use morphograd_image::{Picture, write};
/// let folder = tempfile::tempdir()?;
/// let floats = Picture::new([1, 2], 1, vec![0.5f32, -3.0])?;
/// write(&folder.path().join("floats.tif"), &floats)?;
/// let error = write(&folder.path().join("floats.png"), &floats).unwrap_err().to_string();
/// assert!(error.ends_with("found 1 x 2, float grey; TIFF can hold that"));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub fn write(path: &Path, picture: &Picture) -> Result<(), Error> {
    let header = picture.header();
    let format = format(path, header).map_err(|kind| kind.at(path))?;
    if matches!(format, Format::Png | Format::Tiff) {
        let row = header.width * header.samples();
        let rows = (BAND / (row * header.depth.bytes())).clamp(1, header.height);
        let (samples, mut written) = (picture.joined(), 0);
        return bands(path, header, rows, &mut |count| {
            written += count * row;
            Ok(samples.part(written - count * row..written))
        });
    }
    let written = Target::create(path).and_then(|mut target| {
        match format {
            Format::Jpeg => jpeg::write(&mut target.file, picture)?,
            _ => pnm::write(&mut target.file, picture, format)?,
        }
        target.finish(path)
    });
    written.map_err(|kind| kind.at(path))
}

/// The bytes of rows that are written at once, about.
const BAND: usize = 1 << 20;

/// Writes an image of which never more than `rows` rows are in memory, as PNG or TIFF. `next` is
/// asked for the next rows, from above, with their number: `rows`, the last time what is left.
///
/// # Errors
/// As [`write()`]; if the format is another; what `next` returns; and if its rows are not of the
/// header. Then there is what was there before.
///
/// ```
/// use morphograd_image::{Header, Depth, Error, Limits, Picture, read, write_bands};
/// let folder = tempfile::tempdir()?;
/// let path = folder.path().join("ramp.tif");
/// let header = Header { height: 5, width: 2, channels: 1, depth: Depth::U8, alpha: false };
/// let mut row = 0;
/// write_bands(&path, header, 2, |count| {
///     let samples = (row..row + count as u8).flat_map(|y| [y, 10 * y]).collect::<Vec<_>>();
///     row += count as u8;
///     Ok::<_, Error>(Picture::new([count, 2], 1, samples).expect("as many as the size says"))
/// })?;
/// let ramp = read(&path, Limits::default())?;
/// assert_eq!(ramp.samples::<u8>(), Some(&[0, 0, 1, 10, 2, 20, 3, 30, 4, 40][..]));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub fn write_bands<E: From<Error>>(
    path: &Path,
    header: Header,
    rows: usize,
    mut next: impl FnMut(usize) -> Result<Picture, E>,
) -> Result<(), E> {
    bands(path, header, rows.max(1), &mut |count| {
        let band = next(count)?;
        if band.header() != header.rows(count) {
            let (expected, found) = (header.rows(count), band.header());
            return Err(ErrorKind::Rows { expected, found }.at(path).into());
        }
        Ok(band.joined().into_owned())
    })
}

fn bands<E: From<Error>>(
    path: &Path,
    header: Header,
    rows: usize,
    next: &mut dyn FnMut(usize) -> Result<Pixels, E>,
) -> Result<(), E> {
    let fail = |kind: ErrorKind| E::from(kind.at(path));
    let format = format(path, header).map_err(fail)?;
    let mut target = Target::create(path).map_err(fail)?;
    match format {
        Format::Png => png::write(&mut target.file, header, rows, next, &fail)?,
        Format::Tiff => tiff::write(&mut target.file, header, rows, next, &fail)?,
        other => {
            let (expected, found) = ("PNG or TIFF, which are written by rows", other.to_string());
            return Err(fail(ErrorKind::Unsupported { expected, found }));
        }
    }
    target.finish(path).map_err(fail)
}

/// The format of a name, if it holds such pixels.
pub(crate) fn format(path: &Path, header: Header) -> Result<Format, ErrorKind> {
    let found = || path.extension().map_or("none".to_owned(), |e| e.display().to_string());
    let format = Format::of_name(path).ok_or_else(|| ErrorKind::Extension { found: found() })?;
    if format.holds(&header) {
        Ok(format)
    } else {
        Err(ErrorKind::CannotHold { format, found: header })
    }
}

/// A file that vanishes unless it is finished.
pub(crate) struct Target {
    pub(crate) file: BufWriter<File>,
    beside: NamedTempFile,
}

impl Target {
    pub(crate) fn create(path: &Path) -> Result<Self, ErrorKind> {
        let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty());
        let mut builder = tempfile::Builder::new();
        builder.prefix(".unfinished-");
        #[cfg(unix)]
        {
            // As every new file, less what the mask of the user takes away.
            use std::os::unix::fs::PermissionsExt;
            builder.permissions(std::fs::Permissions::from_mode(0o666));
        }
        let beside = builder
            .tempfile_in(folder.unwrap_or(Path::new(".")))
            .map_err(ErrorKind::io("create a file beside it"))?;
        let file = beside.as_file().try_clone().map_err(ErrorKind::io("write"))?;
        Ok(Self { file: BufWriter::new(file), beside })
    }

    pub(crate) fn finish(mut self, path: &Path) -> Result<(), ErrorKind> {
        self.file.flush().map_err(ErrorKind::io("write"))?;
        let persisted = self.beside.persist(path).map_err(|error| error.error);
        persisted.map(drop).map_err(ErrorKind::io("rename to it"))
    }
}
