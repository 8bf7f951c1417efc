//! What a training needs to go on after its process has ended, in one file.
//!
//! The one design choice: a training that goes on ends in the same bits as one that was never
//! stopped. So the file holds everything that a step depends on and nothing that is a function of
//! it: order, dropout and noise follow from the seed, the epoch and the step.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt::{self, Debug};
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use morphograd_autodiff::tensor::{Real, TensorRef};
use morphograd_autodiff::{ParamId, Params, Snapshot};
use safetensors::tensor::{Dtype, SafeTensors, View};

use crate::checkpoint::{self, CheckpointError, Stored, check_numbers, numbers_of};
use crate::fit::callback::{Callback, CallbackState, Training};
use crate::fit::error::FitError;
use crate::fit::history::End;
use crate::fit::metric::Metric;
use crate::optim::State;

/// Keeps what a training needs to go on, and goes on from it if it is there: Keras'
/// `BackupAndRestore`.
///
/// The file is a safetensors file with the parameters and what stands behind them, the optimizer's
/// memory, the state of the callbacks, the sums of the metrics and how far the training is. It is
/// written beside its name, brought to the disk, and renamed: the one before is there until then.
/// It stays when the training is over; a training that finds it then ends at once, with the same
/// parameters.
///
/// It is the caller's part that model, data, settings and callbacks are the same again: `note` is
/// the place to say which they are, and [`checkpoint::note`] reads it.
///
/// ```
/// use morphograd_nn::fit::{Backup, Fit, Progress};
/// use morphograd_nn::{Dense, MeanSquaredError, Optimizer, Sequential, optim::Adam};
/// use morphograd_nn::{autodiff::Params, tensor::Tensor};
/// use std::ops::ControlFlow;
///
/// let folder = tempfile::tempdir()?;
/// let x = Tensor::from_fn([64, 1], |i| i as f32 / 64.0);
/// let data = (&x, &x);
/// let train = |path: &str, until: usize| {
///     let mut params = Params::new();
///     let line = Sequential::new().add("dense", Dense { units: 1, ..Dense::default() });
///     let model = line.build_model(&mut params, 0, [1])?;
///     let mut optimizer = Optimizer::new(&params, Adam::default(), 0.1);
///     let mut steps = 0;
///     let mut stop = |_: Progress| {
///         steps += 1;
///         if steps == until { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
///     };
///     Fit {
///         epochs: 3,
///         callbacks: vec![&mut stop],
///         backup: Some(Backup::new(folder.path().join(path))),
///         ..Fit::new(&model, &MeanSquaredError, &data)
///     }
///     .run(&mut params, &mut optimizer)?;
///     Ok::<_, Box<dyn std::error::Error>>(params.value(params.ids().next().unwrap()).data[0])
/// };
/// train("stopped", 3)?; // in the middle of the second epoch
/// assert_eq!(train("stopped", usize::MAX)?, train("undisturbed", usize::MAX)?);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct Backup<'a> {
    /// The file. Its folder is made if it is not there.
    pub path: PathBuf,
    /// The longest time without a file within an epoch, if all [metrics](Metric::sums) allow it; by
    /// default 5 minutes. At the end of an epoch one is written if the last is older than this and
    /// one second.
    pub every: Duration,
    /// A text that is kept in the file.
    pub note: String,
    /// Who is told of a file that cannot be written; the training goes on, and tries again. Without
    /// anybody to tell, it ends with the error.
    pub failures: Option<&'a mut (dyn FnMut(CheckpointError) + Send)>,
}

impl Backup<'_> {
    /// A file that is written after every epoch, but not more often than once a second, and every 5
    /// minutes.
    pub fn new(path: impl Into<PathBuf>) -> Self {
        let every = Duration::from_secs(300);
        Self { path: path.into(), every, note: String::new(), failures: None }
    }
}

/// How far a backup is, without its training: what [`backup_progress`] reads.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct BackupProgress {
    /// Epochs that are done.
    pub epochs: usize,
    /// Steps of the next one that are done.
    pub steps: usize,
    /// Why the training is over, if it is.
    pub end: Option<End>,
}

/// How far a training is by its backup; nothing if there is none.
///
/// # Errors
/// If the file cannot be read or is no backup.
pub fn backup_progress(path: &Path) -> Result<Option<BackupProgress>, CheckpointError> {
    if !path.exists() {
        return Ok(None);
    }
    let bytes = checkpoint::read(path)?;
    let mut file = Reader::new(path, &bytes)?;
    let Position { epoch, steps, end, .. } = file.position()?.0;
    Ok(Some(BackupProgress { epochs: epoch - 1, steps, end }))
}

impl Debug for Backup<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Backup")
            .field("path", &self.path)
            .field("every", &self.every)
            .finish_non_exhaustive()
    }
}

/// How far a training is.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub(super) struct Position {
    /// The epoch that is next, or under way, from 1.
    pub(super) epoch: usize,
    /// Steps of it that are done.
    pub(super) steps: usize,
    /// The sum of their losses, each times its examples.
    pub(super) loss: f64,
    /// Seconds since the epoch began, and since the training began.
    pub(super) seconds: [f64; 2],
    /// Why the training is over.
    pub(super) end: Option<End>,
}

impl Position {
    fn numbers(self) -> [f64; 8] {
        let [code, epoch, step] = match self.end {
            None => [0, 0, 0],
            Some(End::Epochs) => [1, 0, 0],
            Some(End::Stopped) => [2, 0, 0],
            Some(End::Interrupted) => [3, 0, 0],
            Some(End::NotFinite { epoch, step }) => [4, epoch, step],
        };
        let [in_epoch, all] = self.seconds;
        let [at, done, code, epoch, step] =
            [self.epoch, self.steps, code, epoch, step].map(|count| count as f64);
        [at, done, self.loss, in_epoch, all, code, epoch, step]
    }

    fn of(numbers: [f64; 8]) -> Self {
        let [at, done, loss, in_epoch, all, code, epoch, step] = numbers;
        let (epoch, step) = (epoch as usize, step as usize);
        let end = match code as usize {
            1 => Some(End::Epochs),
            2 => Some(End::Stopped),
            3 => Some(End::Interrupted),
            4 => Some(End::NotFinite { epoch, step }),
            _ => None,
        };
        // Before the first epoch there is none.
        let (epoch, steps) = ((at as usize).max(1), done as usize);
        Self { epoch, steps, loss, seconds: [in_epoch, all], end }
    }
}

/// What a file holds; the parameters are checked, not changed yet.
pub(super) struct Saved<T> {
    pub(super) position: Position,
    values: Values<T>,
    optimizer: State<T>,
    learning_rate: f64,
    callbacks: Vec<(Vec<f64>, Option<Values<T>>)>,
    /// The sums of each metric, within an epoch.
    pub(super) sums: Vec<Option<Vec<f64>>>,
}

/// A value of every parameter, and the free one behind it.
type Values<T> = Vec<(Vec<T>, Option<Vec<T>>)>;

impl Backup<'_> {
    /// Reads the file, if there is one.
    pub(super) fn read<T: Real>(
        &self,
        training: &Training<'_, T>,
        callbacks: usize,
        metrics: &[&mut dyn Metric<T>],
    ) -> Result<Option<Saved<T>>, CheckpointError> {
        if !self.path.exists() {
            return Ok(None);
        }
        let bytes = checkpoint::read(&self.path)?;
        let mut file = Reader::new(&self.path, &bytes)?;
        let params = &*training.params;
        let (position, [steps, learning_rate]) = file.position()?;
        let values = file.values("", params)?;
        let mut slots = Vec::new();
        for (id, now) in training.optimizer.ids().zip(&training.optimizer.state().slots) {
            let read = |slot| {
                let name = format!("optimizer/{}/{slot}", params.name(id));
                file.tensor(&name, params.value(id))
            };
            slots.push((0..now.len()).map(read).collect::<Result<_, _>>()?);
        }
        let mut states = Vec::new();
        for i in 0..callbacks {
            let numbers = file.numbers(&format!("callbacks/{i}/numbers"))?;
            let place = format!("callbacks/{i}/");
            let has_weights = file.tensors.names().into_iter().any(|name| {
                name.strip_prefix(&place).is_some_and(|rest| rest.starts_with("parameters/"))
            });
            states.push((numbers, has_weights.then(|| file.values(&place, params)).transpose()?));
        }
        let mut sums = Vec::new();
        for metric in metrics {
            let name = format!("metrics/{}", metric.name());
            let count = metric.sums().map_or(0, |sums| sums.len());
            let is_there = file.tensors.tensor(&name).is_ok();
            sums.push(is_there.then(|| file.counted(&name, count)).transpose()?);
        }
        file.all_read()?;
        let (steps, callbacks) = (steps as u64, states);
        let optimizer = State { steps, slots };
        Ok(Some(Saved { position, values, optimizer, learning_rate, callbacks, sums }))
    }

    /// Writes the file. The sums are those of the metrics; none are needed between two epochs.
    pub(super) fn write<T: Real>(
        &self,
        training: &Training<'_, T>,
        position: Position,
        callbacks: &[&mut dyn Callback<T>],
        sums: &[(&str, Vec<f64>)],
    ) -> Result<(), CheckpointError> {
        let Training { params, optimizer, .. } = training;
        let mut file = Writer::default();
        let rest = [optimizer.steps() as f64, optimizer.learning_rate()];
        file.numbers("position", &[&position.numbers()[..], &rest].concat());
        for id in params.ids() {
            check_numbers(&self.path, params.name(id), params.value(id).data)?;
            file.value("", params, id, params.value(id).data, params.free(id));
        }
        for (id, slots) in optimizer.ids().zip(&optimizer.state().slots) {
            for (slot, data) in slots.iter().enumerate() {
                let name = format!("optimizer/{}/{slot}", params.name(id));
                file.tensor(name, TensorRef { shape: params.value(id).shape, data });
            }
        }
        for (i, callback) in callbacks.iter().enumerate() {
            let CallbackState { numbers, weights } = callback.state();
            if !numbers.is_empty() {
                file.numbers(&format!("callbacks/{i}/numbers"), &numbers);
            }
            let Some(weights) = weights else { continue };
            for id in params.ids() {
                let (value, free) = (weights.value(params, id), weights.free(params, id));
                file.value(&format!("callbacks/{i}/"), params, id, value, free);
            }
        }
        for (name, sums) in sums {
            file.numbers(&format!("metrics/{name}"), sums);
        }
        let note = [(checkpoint::NOTE.to_owned(), self.note.clone())].into();
        let bytes = safetensors::serialize(file.0, Some(note))
            .map_err(|source| CheckpointError::Format { path: self.path.clone(), source })?;
        let io = |(action, source)| {
            let path = self.path.clone();
            CheckpointError::Io { path, action, source }
        };
        if let Some(folder) = self.path.parent().filter(|path| !path.as_os_str().is_empty()) {
            fs::create_dir_all(folder).map_err(|error| io(("create its folder", error)))?;
        }
        checkpoint::write(&self.path, &bytes).map_err(io)
    }
}

impl<T: Real> Saved<T> {
    /// Puts the parameters and the optimizer back.
    pub(super) fn restore(&mut self, training: &mut Training<'_, T>) -> Result<(), FitError> {
        put(&self.values, training.params);
        let state = State { steps: self.optimizer.steps, slots: self.optimizer.slots.split_off(0) };
        training.optimizer.set_state(state).map_err(crate::fit::StepError::from)?;
        // Somebody had replaced the schedule.
        if training.optimizer.learning_rate().to_bits() != self.learning_rate.to_bits() {
            training.optimizer.set_learning_rate(self.learning_rate);
        }
        Ok(())
    }

    /// Gives the callbacks their states back.
    pub(super) fn restore_callbacks(
        &mut self,
        params: &mut Params<T>,
        callbacks: &mut [&mut dyn Callback<T>],
    ) -> Result<(), FitError> {
        let mut now = Snapshot::default();
        params.save_to(&mut now);
        let states = self.callbacks.drain(..).map(|(numbers, values)| {
            // The way from values to a snapshot leads through the parameters, so that whatever a
            // file says is in the sets.
            let weights = values.map(|values| {
                let mut weights = Snapshot::default();
                put(&values, params);
                params.save_to(&mut weights);
                weights
            });
            CallbackState { numbers, weights }
        });
        let states: Vec<_> = states.collect();
        params.restore(&now);
        for (callback, state) in callbacks.iter_mut().zip(states) {
            callback.set_state(state)?;
        }
        Ok(())
    }
}

/// Gives every parameter its value back.
fn put<T: Real>(values: &Values<T>, params: &mut Params<T>) {
    for (id, (value, free)) in params.ids().zip(values) {
        params.take_back(id, value, free.as_deref());
    }
}

/// The tensors of a file that is made, by name.
#[derive(Default)]
struct Writer(BTreeMap<String, Raw>);

/// A tensor as the format wants it.
struct Raw {
    dtype: Dtype,
    shape: Vec<usize>,
    bytes: Vec<u8>,
}

impl View for Raw {
    fn dtype(&self) -> Dtype {
        self.dtype
    }

    fn shape(&self) -> &[usize] {
        &self.shape
    }

    fn data(&self) -> Cow<'_, [u8]> {
        Cow::Borrowed(&self.bytes)
    }

    fn data_len(&self) -> usize {
        self.bytes.len()
    }
}

impl Writer {
    fn numbers(&mut self, name: &str, numbers: &[f64]) {
        let bytes = numbers.iter().flat_map(|number| number.to_le_bytes()).collect();
        let raw = Raw { dtype: Dtype::F64, shape: vec![numbers.len()], bytes };
        self.0.insert(name.to_owned(), raw);
    }

    fn tensor<T: Real>(&mut self, name: String, tensor: TensorRef<'_, T>) {
        let stored = Stored(tensor);
        let (dtype, bytes) = (stored.dtype(), stored.data().into_owned());
        self.0.insert(name, Raw { dtype, shape: tensor.shape.dims().to_vec(), bytes });
    }

    /// A value of a parameter, and the free one behind it.
    fn value<T: Real>(
        &mut self,
        place: &str,
        params: &Params<T>,
        id: ParamId,
        value: &[T],
        free: Option<&[T]>,
    ) {
        let (name, shape) = (params.name(id), params.value(id).shape);
        self.tensor(format!("{place}parameters/{name}"), TensorRef { shape, data: value });
        if let Some(data) = free {
            self.tensor(format!("{place}free/{name}"), TensorRef { shape, data });
        }
    }
}

/// A file that is read, and what of it was.
struct Reader<'a> {
    path: &'a Path,
    tensors: SafeTensors<'a>,
    read: BTreeSet<String>,
}

impl<'a> Reader<'a> {
    fn new(path: &'a Path, bytes: &'a [u8]) -> Result<Self, CheckpointError> {
        let tensors = SafeTensors::deserialize(bytes)
            .map_err(|source| CheckpointError::Format { path: path.to_owned(), source })?;
        Ok(Self { path, tensors, read: BTreeSet::new() })
    }

    /// How far the training is; the optimizer's steps and learning rate.
    fn position(&mut self) -> Result<(Position, [f64; 2]), CheckpointError> {
        let numbers = self.counted("position", 10)?;
        let (position, rest) = numbers.split_first_chunk::<8>().expect("ten numbers");
        Ok((Position::of(*position), [rest[0], rest[1]]))
    }

    /// The numbers of a tensor that has the shape of another one.
    fn tensor<T: Real>(
        &mut self,
        name: &str,
        like: TensorRef<'_, T>,
    ) -> Result<Vec<T>, CheckpointError> {
        let path = self.path;
        let missing = || CheckpointError::Missing { path: path.to_owned(), name: name.to_owned() };
        let view = self.tensors.tensor(name).map_err(|_| missing())?;
        let value = numbers_of::<T>(path, name, &view, like)?;
        self.read.insert(name.to_owned());
        Ok(value)
    }

    /// So many numbers.
    fn counted(&mut self, name: &str, count: usize) -> Result<Vec<f64>, CheckpointError> {
        let zeros = vec![0.0; count];
        self.tensor(name, TensorRef::new([count], &zeros))
    }

    /// As many numbers as there are.
    fn numbers(&mut self, name: &str) -> Result<Vec<f64>, CheckpointError> {
        let Ok(view) = self.tensors.tensor(name) else { return Ok(Vec::new()) };
        let count = view.shape().iter().product();
        let zeros = vec![0.0; count];
        self.tensor(name, TensorRef::new([count], &zeros))
    }

    fn values<T: Real>(
        &mut self,
        place: &str,
        params: &Params<T>,
    ) -> Result<Values<T>, CheckpointError> {
        let mut values = Vec::new();
        for id in params.ids() {
            let name = format!("{place}parameters/{}", params.name(id));
            let value = self.tensor(&name, params.value(id))?;
            check_numbers(self.path, &name, &value)?;
            let free = params.free(id).map(|_| {
                let name = format!("{place}free/{}", params.name(id));
                self.tensor(&name, params.value(id))
            });
            values.push((value, free.transpose()?));
        }
        Ok(values)
    }

    /// An error if there is something that nobody has read.
    fn all_read(&self) -> Result<(), CheckpointError> {
        let names: BTreeSet<_> = self.tensors.names().into_iter().map(str::to_owned).collect();
        match names.difference(&self.read).next() {
            None => Ok(()),
            Some(name) => {
                let (path, name) = (self.path.to_owned(), name.clone());
                Err(CheckpointError::Unknown { path, name })
            }
        }
    }
}
