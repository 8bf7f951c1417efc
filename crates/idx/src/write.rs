//! Writing. The bytes depend on the array and nothing else (no time, name or system in the gzip
//! header), and a file appears under its name only when it is complete and on the disk.

use std::fs::{self, File};
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};
use std::process;
use std::sync::atomic::{AtomicU64, Ordering};

use flate2::{Compression, GzBuilder};

use crate::{Element, Error, ErrorKind, Idx, IdxData};

/// The code for "unknown" in a gzip header, so that every system writes the same bytes.
const UNKNOWN_SYSTEM: u8 = 255;
/// Bytes encoded at once; a multiple of every element size.
const CHUNK: usize = 64 * 1024;

/// Writes a file: gzip where the name ends in `.gz`, plain otherwise. It is written under a
/// temporary name in the same folder and renamed, so that no reader ever sees half of it.
///
/// # Errors
/// [`ErrorKind::Write`], and [`ErrorKind::NotWritable`] for a rank or a dimension that the format
/// has no room for.
pub fn write(path: impl AsRef<Path>, array: &Idx) -> Result<(), Error> {
    let path = path.as_ref();
    let temporary = temporary_name(path);
    let result = File::create_new(&temporary).map_err(ErrorKind::Write).and_then(|file| {
        let mut file = BufWriter::new(file);
        if path.extension().is_some_and(|extension| extension.eq_ignore_ascii_case("gz")) {
            let mut encoder = GzBuilder::new()
                .operating_system(UNKNOWN_SYSTEM)
                .write(&mut file, Compression::best());
            write_to(&mut encoder, array)?;
            encoder.finish().map_err(ErrorKind::Write)?;
        } else {
            write_to(&mut file, array)?;
        }
        file.flush()
            .and_then(|()| file.get_ref().sync_all())
            .and_then(|()| fs::rename(&temporary, path))
            .map_err(ErrorKind::Write)
    });
    result.map_err(|kind| {
        // The error that counts is the first one; the temporary file may not even exist.
        let _ = fs::remove_file(&temporary);
        Error::new(path, kind)
    })
}

/// Writes an array, uncompressed, to anything that takes bytes.
///
/// # Errors
/// As [`write`](fn@write).
pub fn write_to(mut writer: impl Write, array: &Idx) -> Result<(), ErrorKind> {
    let dims = array.dims();
    let not_writable = || ErrorKind::NotWritable { dims: dims.to_vec() };
    let rank = u8::try_from(dims.len()).map_err(|_| not_writable())?;
    let mut header = vec![0, 0, array.data().element_type().code(), rank];
    for &dim in dims {
        header.extend(u32::try_from(dim).map_err(|_| not_writable())?.to_be_bytes());
    }
    let written = writer.write_all(&header).and_then(|()| match array.data() {
        IdxData::U8(values) => write_elements(&mut writer, values),
        IdxData::I8(values) => write_elements(&mut writer, values),
        IdxData::I16(values) => write_elements(&mut writer, values),
        IdxData::I32(values) => write_elements(&mut writer, values),
        IdxData::F32(values) => write_elements(&mut writer, values),
        IdxData::F64(values) => write_elements(&mut writer, values),
    });
    written.map_err(ErrorKind::Write)
}

fn write_elements<T: Element>(writer: &mut impl Write, values: &[T]) -> io::Result<()> {
    let mut bytes = vec![0; CHUNK];
    for some in values.chunks(CHUNK / T::TYPE.size()) {
        let bytes = &mut bytes[..some.len() * T::TYPE.size()];
        T::encode(some, bytes);
        writer.write_all(bytes)?;
    }
    Ok(())
}

/// A name in the same folder (a rename must not cross file systems) that no other writer uses, in
/// this process or another.
fn temporary_name(path: &Path) -> PathBuf {
    static COUNTER: AtomicU64 = AtomicU64::new(0);
    let mut name = path.file_name().unwrap_or_default().to_owned();
    name.push(format!(".{}-{}.tmp", process::id(), COUNTER.fetch_add(1, Ordering::Relaxed)));
    path.with_file_name(name)
}
