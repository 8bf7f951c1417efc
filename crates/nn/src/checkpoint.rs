//! Parameters on disk, as safetensors: a JSON header with names, types and shapes, then the
//! numbers, little endian.
//!
//! The one design choice: a checkpoint is all or nothing. Saving writes a new file beside the old
//! one and renames it at the end; loading looks at every name, shape, type and number before it
//! changes the first value, and changes it through the door that projects.
//!
//! Two dependencies carry this. `safetensors` is a published format that Python reads without our
//! code and that, unlike a pickle, can hold nothing but numbers; its crate validates the header,
//! which is where the hard cases are. `tempfile`, which it brings along anyway, removes the
//! unfinished file on every way out, panics included.

use std::borrow::Cow;
use std::fs;
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};

use morphograd_autodiff::tensor::{Real, TensorRef};
use morphograd_autodiff::{ParamId, Params, Projection};
use safetensors::tensor::{Dtype, SafeTensorError, SafeTensors, TensorView, View};
use thiserror::Error;

use crate::enforcement::MULTIPLIER;

/// What the name of a parameter gets for the free one behind it.
const FREE: &str = ".free";

/// Why a checkpoint could not be written or read. Neither the parameters nor an existing file have
/// changed.
#[derive(Debug, Error)]
pub enum CheckpointError {
    /// The file system refused.
    #[error("checkpoint {path}: cannot {action}: {source}", path = .path.display())]
    Io {
        /// The checkpoint.
        path: PathBuf,
        /// What was tried.
        action: &'static str,
        /// What the system says.
        source: io::Error,
    },
    /// Not a complete safetensors file.
    #[error("checkpoint {path}: expected a complete safetensors file, found: {source}; save it \
        again", path = .path.display())]
    Format {
        /// The checkpoint.
        path: PathBuf,
        /// What is wrong.
        source: SafeTensorError,
    },
    /// More than the parameters can be.
    #[error("checkpoint {path}: expected at most {expected} bytes for these parameters, found \
        {found}; build the model that was saved", path = .path.display())]
    TooLong {
        /// The checkpoint.
        path: PathBuf,
        /// Header, values, and what stands behind them.
        expected: u64,
        /// What the file has.
        found: u64,
    },
    /// A tensor that no parameter has the name of.
    #[error(
        "checkpoint {path}: expected only tensors named as the model's parameters, found \
         `{name}`; build the model that was saved",
        path = .path.display()
    )]
    Unknown {
        /// The checkpoint.
        path: PathBuf,
        /// The tensor.
        name: String,
    },
    /// A parameter that the file does not hold.
    #[error("checkpoint {path}: expected tensor `{name}`, found none; build the model that was \
        saved", path = .path.display())]
    Missing {
        /// The checkpoint.
        path: PathBuf,
        /// The parameter.
        name: String,
    },
    /// Another shape.
    #[error(
        "checkpoint {path}: tensor `{name}`: expected shape {expected:?}, found {found:?}; build \
         the model that was saved",
        path = .path.display()
    )]
    Shape {
        /// The checkpoint.
        path: PathBuf,
        /// The parameter.
        name: String,
        /// Its shape.
        expected: Vec<usize>,
        /// The tensor's.
        found: Vec<usize>,
    },
    /// Another type of numbers.
    #[error(
        "checkpoint {path}: tensor `{name}`: expected type {expected}, found {found}; load it \
         into parameters of that type",
        path = .path.display()
    )]
    Type {
        /// The checkpoint.
        path: PathBuf,
        /// The parameter.
        name: String,
        /// Its type.
        expected: Dtype,
        /// The tensor's.
        found: Dtype,
    },
    /// What was saved, or was to be saved, is the wreck of a training run.
    #[error(
        "checkpoint {path}: tensor `{name}`: expected numbers, found NaN at position {index}; go \
         back to a checkpoint from before",
        path = .path.display()
    )]
    NotANumber {
        /// The checkpoint.
        path: PathBuf,
        /// The parameter.
        name: String,
        /// Row-major position of the first NaN.
        index: usize,
    },
}

/// Writes all parameters, frozen ones too, to a file, and the free parameters behind them (as
/// `….free`). The same values give the same bytes. The file appears at once and complete, or not at
/// all: a file of that name is replaced only when the new one is on the disk.
///
/// # Errors
/// If a value is NaN (infinite values are kept), or the file cannot be written.
///
/// ```
/// use morphograd_nn::{autodiff::Params, checkpoint, tensor::Tensor};
/// # let folder = tempfile::tempdir()?;
/// # let path = folder.path().join("model.safetensors");
/// let mut params = Params::new();
/// let w = params.add("dense.kernel", Tensor::filled([2, 3], 1.5f32), None)?;
/// checkpoint::save(&params, &path)?;
/// params.update(w, |w| w.fill(0.0));
/// checkpoint::load(&mut params, &path)?;
/// assert_eq!(params.value(w).data, [1.5; 6]);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub fn save<T: Real>(params: &Params<T>, path: impl AsRef<Path>) -> Result<(), CheckpointError> {
    store(params, path.as_ref(), None)
}

/// As [`save`], with a text in the header of the file, which [`note`] reads: the description of the
/// model, for instance. Python finds it as the entry `note` of the metadata.
///
/// # Errors
/// As [`save`].
///
/// ```
/// use morphograd_nn::{autodiff::Params, checkpoint, tensor::Tensor};
/// # let folder = tempfile::tempdir()?;
/// # let path = folder.path().join("model.safetensors");
/// let mut params = Params::new();
/// params.add("dense.kernel", Tensor::filled([2, 3], 1.5f32), None)?;
/// checkpoint::save_with_note(&params, &path, "two inputs, three outputs")?;
/// assert_eq!(checkpoint::note(&path)?.as_deref(), Some("two inputs, three outputs"));
/// checkpoint::load(&mut params, &path)?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub fn save_with_note<T: Real>(
    params: &Params<T>,
    path: impl AsRef<Path>,
    note: &str,
) -> Result<(), CheckpointError> {
    store(params, path.as_ref(), Some(note))
}

/// The text that [`save_with_note`] wrote into a file; none where [`save`] wrote it.
///
/// # Errors
/// If the file cannot be read or is no safetensors file.
pub fn note(path: impl AsRef<Path>) -> Result<Option<String>, CheckpointError> {
    let path = path.as_ref();
    let bytes = read(path)?;
    let (_, metadata) = SafeTensors::read_metadata(&bytes)
        .map_err(|source| CheckpointError::Format { path: path.to_owned(), source })?;
    Ok(metadata.metadata().as_ref().and_then(|entries| entries.get(NOTE).cloned()))
}

/// The entry of the metadata that holds a note.
pub(crate) const NOTE: &str = "note";

fn store<T: Real>(
    params: &Params<T>,
    path: &Path,
    note: Option<&str>,
) -> Result<(), CheckpointError> {
    for id in params.ids() {
        check_numbers(path, params.name(id), params.value(id).data)?;
        if let Some(free) = params.free(id) {
            check_numbers(path, &behind(params, id), free)?;
        }
    }
    let values = params.ids().map(|id| (params.name(id).to_owned(), Stored(params.value(id))));
    let free = params.ids().filter_map(|id| {
        let TensorRef { shape, .. } = params.value(id);
        Some((behind(params, id), Stored(TensorRef { shape, data: params.free(id)? })))
    });
    let tensors = values.chain(free);
    // The crate sorts by name. Metadata come in the order of a hash map, so there is one at most.
    let metadata = note.map(|note| [(NOTE.to_owned(), note.to_owned())].into());
    let bytes = safetensors::serialize(tensors, metadata)
        .map_err(|source| CheckpointError::Format { path: path.to_owned(), source })?;
    write(path, &bytes).map_err(|(action, source)| CheckpointError::Io {
        path: path.to_owned(),
        action,
        source,
    })
}

/// Reads all parameters from a file that [`save`] wrote, and projects each on its set. Returns what
/// the projection did: nothing, if the file was saved with the same constraints.
///
/// The set may have been enforced in another [way](crate::enforcement::Enforcement): what only that
/// way remembers, a free parameter or a multiplier, is left out, and what only this way remembers
/// starts anew.
///
/// # Errors
/// If the file cannot be read or is no safetensors file, if its names are not those of the
/// parameters, or a shape or type differs, or a number is NaN. Nothing has changed then.
pub fn load<T: Real>(
    params: &mut Params<T>,
    path: impl AsRef<Path>,
) -> Result<Projection, CheckpointError> {
    let path = path.as_ref();
    let most = MAX_HEADER + 4 * (params.count() * size_of::<T>()) as u64;
    let length = fs::metadata(path).map_or(0, |metadata| metadata.len());
    if length > most {
        return Err(CheckpointError::TooLong {
            path: path.to_owned(),
            expected: most,
            found: length,
        });
    }
    let bytes = read(path)?;
    let file = SafeTensors::deserialize(&bytes)
        .map_err(|source| CheckpointError::Format { path: path.to_owned(), source })?;

    let mut names = file.names();
    // A hash map's order: which of two errors is reported must not depend on it.
    names.sort_unstable();
    let known = |name: &str| params.find(name).is_some();
    if let Some(name) =
        names.into_iter().find(|name| !known(name) && !remembered(name).is_some_and(known))
    {
        return Err(CheckpointError::Unknown { path: path.to_owned(), name: name.to_owned() });
    }
    let mut values = Vec::with_capacity(params.ids().len());
    for id in params.ids() {
        let read = |name: &str| {
            let Ok(view) = file.tensor(name) else { return Ok(None) };
            let value = numbers_of::<T>(path, name, &view, params.value(id))?;
            check_numbers(path, name, &value)?;
            Ok(Some(value))
        };
        let name = params.name(id);
        let value = match read(name)? {
            Some(value) => value,
            None if remembered(name).is_some_and(known) => {
                vec![T::zero(); params.value(id).data.len()]
            }
            None => {
                return Err(CheckpointError::Missing {
                    path: path.to_owned(),
                    name: name.to_owned(),
                });
            }
        };
        let free = if params.free(id).is_some() { read(&behind(params, id))? } else { None };
        values.push((value, free));
    }

    let mut total = Projection::default();
    for (id, (new, free)) in params.ids().zip(&values) {
        let projection = params.update(id, |value| value.copy_from_slice(new));
        if let Some(free) = free {
            params.step(id, |value| value.copy_from_slice(free));
            // Of another map it makes another value, and is of no use.
            if !same(params.value(id).data, new) {
                params.update(id, |value| value.copy_from_slice(new));
            }
        }
        total.moved += projection.moved;
        total.distance_squared += projection.distance_squared;
    }
    Ok(total)
}

/// The most bytes of the header of the format, with its length.
const MAX_HEADER: u64 = 8 + 100_000_000;

pub(crate) fn read(path: &Path) -> Result<Vec<u8>, CheckpointError> {
    fs::read(path).map_err(|source| CheckpointError::Io {
        path: path.to_owned(),
        action: "read it",
        source,
    })
}

/// Whether two values differ by no more than a function of the standard library does between
/// machines.
fn same<T: Real>(a: &[T], b: &[T]) -> bool {
    a.iter()
        .zip(b)
        .all(|(a, b)| a == b || (*a - *b).abs() <= T::of(8.0) * T::epsilon() * (T::one() + b.abs()))
}

/// The name under which the free parameter behind this one is stored.
fn behind<T: Real>(params: &Params<T>, id: ParamId) -> String {
    format!("{}{FREE}", params.name(id))
}

/// The parameter for which something of this name is remembered.
fn remembered(name: &str) -> Option<&str> {
    [FREE, MULTIPLIER].into_iter().find_map(|suffix| name.strip_suffix(suffix))
}

/// The tensor's numbers, if they are what the parameter needs.
pub(crate) fn numbers_of<T: Real>(
    path: &Path,
    name: &str,
    view: &TensorView<'_>,
    parameter: TensorRef<'_, T>,
) -> Result<Vec<T>, CheckpointError> {
    let (expected, found) = (parameter.shape.dims(), view.shape());
    if expected != found {
        return Err(CheckpointError::Shape {
            path: path.to_owned(),
            name: name.to_owned(),
            expected: expected.to_vec(),
            found: found.to_vec(),
        });
    }
    let bytes = view.data();
    match (dtype::<T>(), view.dtype()) {
        (Dtype::F32, Dtype::F32) => Ok(bytes
            .as_chunks()
            .0
            .iter()
            .map(|b| T::of(f64::from(f32::from_le_bytes(*b))))
            .collect()),
        (Dtype::F64, Dtype::F64) => {
            Ok(bytes.as_chunks().0.iter().map(|b| T::of(f64::from_le_bytes(*b))).collect())
        }
        (expected, found) => Err(CheckpointError::Type {
            path: path.to_owned(),
            name: name.to_owned(),
            expected,
            found,
        }),
    }
}

pub(crate) fn check_numbers<T: Real>(
    path: &Path,
    name: &str,
    value: &[T],
) -> Result<(), CheckpointError> {
    match value.iter().position(|w| w.is_nan()) {
        None => Ok(()),
        Some(index) => {
            Err(CheckpointError::NotANumber { path: path.to_owned(), name: name.to_owned(), index })
        }
    }
}

/// The format's name for the type: `Real` is `f32` or `f64` and nothing else.
fn dtype<T: Real>() -> Dtype {
    if size_of::<T>() == 4 { Dtype::F32 } else { Dtype::F64 }
}

/// A parameter as the format wants it.
pub(crate) struct Stored<'a, T>(pub(crate) TensorRef<'a, T>);

impl<T: Real> View for Stored<'_, T> {
    fn dtype(&self) -> Dtype {
        dtype::<T>()
    }

    fn shape(&self) -> &[usize] {
        self.0.shape.dims()
    }

    fn data(&self) -> Cow<'_, [u8]> {
        let values = self.0.data.iter().map(|w| w.f64());
        match dtype::<T>() {
            Dtype::F32 => values.flat_map(|w| (w as f32).to_le_bytes()).collect(),
            _ => values.flat_map(f64::to_le_bytes).collect(),
        }
    }

    fn data_len(&self) -> usize {
        size_of_val(self.0.data)
    }
}

/// Writes a file whole: into a temporary one beside it, which takes its place when it is on the
/// disk.
pub(crate) fn write(path: &Path, bytes: &[u8]) -> Result<(), (&'static str, io::Error)> {
    // In the same folder, for a rename does not cross file systems.
    let folder =
        path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let mut builder = tempfile::Builder::new();
    builder.prefix(".checkpoint-").suffix(".tmp");
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        // What any new file gets, after the umask; a temporary file would otherwise be private.
        builder.permissions(fs::Permissions::from_mode(0o666));
    }
    let mut file = builder
        .tempfile_in(folder)
        .map_err(|error| ("create a temporary file beside it", error))?;
    let mut writer = BufWriter::new(file.as_file_mut());
    writer.write_all(bytes).and_then(|()| writer.flush()).map_err(|error| ("write it", error))?;
    drop(writer);
    file.as_file().sync_all().map_err(|error| ("bring it to the disk", error))?;
    file.persist(path).map_err(|error| ("put it in its place", error.error))?;
    // The name, too, has to be on the disk. Systems that cannot open a folder do it by themselves.
    #[cfg(unix)]
    fs::File::open(folder)
        .and_then(|folder| folder.sync_all())
        .map_err(|error| ("bring its name to the disk", error))?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use morphograd_autodiff::sets::NonNegative;
    use morphograd_autodiff::tensor::{Shape, Tensor};

    fn params<T: Real>(kernel: [usize; 2]) -> Params<T> {
        let mut params = Params::new();
        let value = |shape, start: f64| Tensor::from_fn(shape, |i| T::of(start + i as f64));
        params
            .add("dense.kernel", value(Shape::from(kernel), 1.0), Some(Box::new(NonNegative)))
            .unwrap();
        params.add("dense.bias", value(Shape::from([2]), -0.5), None).unwrap();
        params.add("a.scale", value(Shape::scalar(), f64::INFINITY), None).unwrap();
        params
    }

    fn values<T: Real>(params: &Params<T>) -> Vec<Vec<T>> {
        params.ids().map(|id| params.value(id).data.to_vec()).collect()
    }

    /// What `load` says of a file with these tensors; checks that it changed nothing.
    fn refused(tensors: &[(&str, Dtype, Vec<usize>, Vec<u8>)]) -> String {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("x.safetensors");
        let views = tensors.iter().map(|(name, dtype, shape, data)| {
            (*name, TensorView::new(*dtype, shape.clone(), data).unwrap())
        });
        fs::write(&path, safetensors::serialize(views, None).unwrap()).unwrap();
        refused_file(&path)
    }

    fn refused_file(path: &Path) -> String {
        let mut params = params::<f32>([2, 2]);
        let before = values(&params);
        let error = load(&mut params, path).unwrap_err().to_string();
        assert_eq!(values(&params), before);
        assert!(error.starts_with(&format!("checkpoint {}: ", path.display())), "{error}");
        error.split_once("safetensors: ").unwrap().1.to_owned()
    }

    fn f32s(values: &[f32]) -> Vec<u8> {
        values.iter().flat_map(|w| w.to_le_bytes()).collect()
    }

    fn good() -> Vec<(&'static str, Dtype, Vec<usize>, Vec<u8>)> {
        vec![
            ("dense.kernel", Dtype::F32, vec![2, 2], f32s(&[9.0, 8.0, 7.0, 6.0])),
            ("dense.bias", Dtype::F32, vec![2], f32s(&[5.0, 4.0])),
            ("a.scale", Dtype::F32, vec![], f32s(&[3.0])),
        ]
    }

    #[test]
    fn values_come_back_bit_for_bit_in_both_types() {
        fn check<T: Real>() {
            let folder = tempfile::tempdir().unwrap();
            let path = folder.path().join("x.safetensors");
            let saved = params::<T>([2, 2]);
            save(&saved, &path).unwrap();
            let mut loaded = params::<T>([2, 2]);
            for id in loaded.ids() {
                loaded.update(id, |value| value.fill(T::of(0.1)));
            }
            assert_eq!(load(&mut loaded, &path).unwrap(), Projection::default());
            assert_eq!(values(&loaded), values(&saved));
        }
        check::<f32>();
        check::<f64>();
    }

    #[test]
    fn the_bytes_are_those_that_other_readers_expect() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("x.safetensors");
        save(&params::<f32>([2, 2]), &path).unwrap();
        let bytes = fs::read(&path).unwrap();
        let header = concat!(
            r#"{"a.scale":{"dtype":"F32","shape":[],"data_offsets":[0,4]},"#,
            r#""dense.bias":{"dtype":"F32","shape":[2],"data_offsets":[4,12]},"#,
            r#""dense.kernel":{"dtype":"F32","shape":[2,2],"data_offsets":[12,28]}}"#,
        );
        let size = u64::from_le_bytes(bytes[..8].try_into().unwrap()) as usize;
        assert_eq!(
            (size % 8, str::from_utf8(&bytes[8..8 + size]).unwrap().trim_end()),
            (0, header)
        );
        assert_eq!(bytes[8 + size..], f32s(&[f32::INFINITY, -0.5, 0.5, 1.0, 2.0, 3.0, 4.0]));
        let again = folder.path().join("again.safetensors");
        save(&params::<f32>([2, 2]), &again).unwrap();
        assert_eq!(fs::read(&again).unwrap(), bytes);
    }

    #[test]
    fn what_is_loaded_is_projected() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("x.safetensors");
        let mut free = Params::<f32>::new();
        let start = Tensor::from_vec([2], vec![-3.0, 1.0]).unwrap();
        free.add("w", start, None).unwrap();
        save(&free, &path).unwrap();
        let mut constrained = Params::<f32>::new();
        let w = constrained.add("w", Tensor::zeros([2]), Some(Box::new(NonNegative))).unwrap();
        let projection = load(&mut constrained, &path).unwrap();
        assert_eq!((constrained.value(w).data, projection.moved), (&[0.0, 1.0][..], 1));
        assert_eq!(projection.distance_squared, 9.0);
    }

    #[test]
    fn every_difference_is_refused_by_name_before_anything_changes() {
        let mut tensors = good();
        tensors.push(("old.kernel", Dtype::F32, vec![1], f32s(&[0.0])));
        assert_eq!(
            refused(&tensors),
            "expected only tensors named as the model's parameters, found `old.kernel`; build the \
             model that was saved"
        );
        assert_eq!(
            refused(&good()[..2]),
            "expected tensor `a.scale`, found none; build the model that was saved"
        );
        let mut tensors = good();
        tensors[1] = ("dense.bias", Dtype::F32, vec![2, 1], f32s(&[5.0, 4.0]));
        assert_eq!(
            refused(&tensors),
            "tensor `dense.bias`: expected shape [2], found [2, 1]; build the model that was saved"
        );
        tensors[1] = ("dense.bias", Dtype::F64, vec![2], vec![0; 16]);
        assert_eq!(
            refused(&tensors),
            "tensor `dense.bias`: expected type F32, found F64; load it into parameters of that \
             type"
        );
        tensors[1] = ("dense.bias", Dtype::F32, vec![2], f32s(&[5.0, f32::NAN]));
        assert_eq!(
            refused(&tensors),
            "tensor `dense.bias`: expected numbers, found NaN at position 1; go back to a \
             checkpoint from before"
        );
    }

    #[test]
    fn a_broken_or_absent_file_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("x.safetensors");
        assert!(refused_file(&path).starts_with("cannot read it: "));
        save(&params::<f32>([2, 2]), &path).unwrap();
        let bytes = fs::read(&path).unwrap();
        for length in [0, 7, 20, bytes.len() - 1] {
            fs::write(&path, &bytes[..length]).unwrap();
            assert!(
                refused_file(&path).starts_with("expected a complete safetensors file, found: ")
            );
        }
        fs::write(&path, [&bytes[..], &[0]].concat()).unwrap();
        assert!(refused_file(&path).starts_with("expected a complete safetensors file, found: "));
    }

    #[test]
    fn a_save_that_fails_leaves_everything_as_it_was() {
        let folder = tempfile::tempdir().unwrap();
        let files = || fs::read_dir(folder.path()).unwrap().count();
        let path = folder.path().join("x.safetensors");
        let mut params = params::<f32>([2, 2]);
        save(&params, &path).unwrap();
        let bytes = fs::read(&path).unwrap();

        let bias = params.find("dense.bias").unwrap();
        params.update(bias, |value| value[0] = f32::NAN);
        assert!(matches!(save(&params, &path), Err(CheckpointError::NotANumber { index: 0, .. })));
        assert_eq!((fs::read(&path).unwrap(), files()), (bytes, 1));

        params.update(bias, |value| value[0] = 0.0);
        let occupied = folder.path().join("folder");
        fs::create_dir(&occupied).unwrap();
        let error = save(&params, &occupied).unwrap_err().to_string();
        assert!(error.contains("cannot put it in its place"), "{error}");
        assert_eq!(files(), 2);
        let error =
            save(&params, folder.path().join("absent/x.safetensors")).unwrap_err().to_string();
        assert!(error.contains("cannot create a temporary file beside it"), "{error}");
    }

    #[cfg(unix)]
    #[test]
    fn a_checkpoint_is_as_readable_as_any_new_file() {
        use std::os::unix::fs::PermissionsExt;
        let folder = tempfile::tempdir().unwrap();
        let mode =
            |name: &str| fs::metadata(folder.path().join(name)).unwrap().permissions().mode();
        save(&params::<f32>([2, 2]), folder.path().join("x.safetensors")).unwrap();
        fs::write(folder.path().join("plain"), []).unwrap();
        assert_eq!(mode("x.safetensors"), mode("plain"));
    }

    #[test]
    fn a_file_longer_than_its_parameters_is_refused_before_it_is_read() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("long");
        let file = fs::File::create(&path).unwrap();
        file.set_len(1 << 40).unwrap(); // sparse: it takes no space
        let error = load(&mut params::<f32>([2, 3]), &path).unwrap_err().to_string();
        assert!(error.contains("bytes for these parameters, found 1099511627776"), "{error}");
    }
}
