//! The runs of a sweep: which are done, training the others, and what became of each.

use std::collections::BTreeSet;
use std::fs;
use std::io;
use std::ops::ControlFlow;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;

use sha2::{Digest, Sha256};

use crate::artifacts::{ArtifactError, RunFolder, run_name};
use crate::data::Dataset;
use crate::metrics::{Ended, Metrics};
use crate::record::{EpochRecord, Stop};
use crate::recorder::Event;
use crate::run::RunError;
use crate::settings::Settings;
use crate::state::StateError;

/// What the name of a folder ends with while its run is not finished.
const PART: &str = ".part";

/// A run that is wanted.
#[derive(Debug, Clone)]
pub struct Planned {
    /// What it is called: what tells it from the others.
    pub label: String,
    /// Its settings, of one variant and one seed.
    pub settings: Settings,
    /// Its data.
    pub dataset: Arc<Dataset>,
}

/// What became of a run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// It is finished, now or before; its folder.
    Done(PathBuf),
    /// It failed, and why.
    Failed(String),
    /// It was interrupted, or not begun.
    Open,
}

/// What happens to a run of a sweep.
#[derive(Debug)]
pub enum Progress<'a> {
    /// It is not trained: it is done, in this folder.
    Skipped(&'a Path),
    /// It begins, for the first time or because it was not finished.
    Started {
        /// Whether something of it was there.
        again: bool,
    },
    /// A batch of it is over.
    Batch,
    /// An epoch of it is over.
    Epoch(&'a EpochRecord),
    /// A file of it could not be written; it goes on.
    Trouble(&'a str),
    /// It is over.
    Ended(&'a Outcome),
}

/// Why a sweep cannot be made; not why a run of it fails.
#[derive(Debug, thiserror::Error)]
pub enum SweepError {
    /// The folder holds something else.
    #[error(
        "{}: expected a new or empty folder, or that of an earlier sweep, with sweep.toml in it, \
         found other files; name another one",
        path.display()
    )]
    Folder {
        /// The folder.
        path: PathBuf,
    },
    /// The file system refused.
    #[error("{}: {source}", path.display())]
    Io {
        /// The folder or file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// A file that cannot be written.
    #[error(transparent)]
    Artifact(#[from] ArtifactError),
}

/// The folder of a sweep, which is nobody else's while this value lives.
#[derive(Debug)]
pub struct Sweep {
    folder: RunFolder,
}

impl Sweep {
    /// Creates the folder, or opens that of an earlier sweep, and writes what is swept into its
    /// `sweep.toml`.
    ///
    /// # Errors
    /// If it holds something else, another sweep works in it, or it cannot be written into.
    pub fn open(path: &Path, lists: &str) -> Result<Self, SweepError> {
        let io = |source| SweepError::Io { path: path.to_owned(), source };
        fs::create_dir_all(path).map_err(io)?;
        let is_empty = fs::read_dir(path).map_err(io)?.next().is_none();
        if !is_empty && !path.join("sweep.toml").is_file() {
            return Err(SweepError::Folder { path: path.to_owned() });
        }
        let folder = RunFolder::opened(path)?;
        folder.write("sweep.toml", lists.as_bytes())?;
        Ok(Self { folder })
    }

    /// The folder, for what is written beside the runs.
    pub fn folder(&self) -> &RunFolder {
        &self.folder
    }

    /// Where a run is when it is finished: variant, seed, and a check sum of settings and data.
    /// What else is swept does not matter.
    pub fn path_of(&self, run: &Planned) -> PathBuf {
        let variant = run.settings.variants().unwrap_or_default().into_iter().next();
        let seed = run.settings.seeds().first().copied().unwrap_or(0);
        let name = variant.map_or_else(|| "run".to_owned(), |variant| run_name(&variant, seed));
        self.folder.path().join("runs").join(format!("{name}-{}", digest(run)))
    }

    /// The folders of finished runs that are none of these.
    ///
    /// # Errors
    /// If the folder cannot be read.
    pub fn others(&self, runs: &[Planned]) -> Result<Vec<PathBuf>, SweepError> {
        let path = self.folder.path().join("runs");
        let own: BTreeSet<PathBuf> = runs.iter().map(|run| self.path_of(run)).collect();
        let io = |source| SweepError::Io { path: path.clone(), source };
        let mut others = Vec::new();
        if path.is_dir() {
            for entry in fs::read_dir(&path).map_err(io)? {
                let entry = entry.map_err(io)?.path();
                let is_part = entry.as_os_str().to_string_lossy().ends_with(PART);
                if !own.contains(&entry) && !is_part {
                    others.push(entry);
                }
            }
        }
        others.sort();
        Ok(others)
    }

    /// Trains the runs that are not done, `jobs` at a time, each on so many threads; neither
    /// changes a bit of any result. `tell` hears of every run by its number, from several threads
    /// at once, and may break: then what runs is ended, and nothing more begins.
    pub fn run(
        &self,
        runs: &[Planned],
        jobs: usize,
        threads: usize,
        tell: &(dyn Fn(usize, Progress<'_>) -> ControlFlow<()> + Sync),
    ) -> Vec<Outcome> {
        let next = AtomicUsize::new(0);
        let outcomes = Mutex::new(vec![Outcome::Open; runs.len()]);
        thread::scope(|scope| {
            for _ in 0..jobs.clamp(1, runs.len().max(1)) {
                scope.spawn(|| {
                    let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build();
                    loop {
                        let number = next.fetch_add(1, Ordering::Relaxed);
                        let Some(run) = runs.get(number) else { break };
                        let outcome = match &pool {
                            Ok(pool) => self.one(run, pool, &|progress| tell(number, progress)),
                            Err(error) => Outcome::Failed(error.to_string()),
                        };
                        let flow = tell(number, Progress::Ended(&outcome));
                        let mut all = outcomes.lock().unwrap_or_else(PoisonError::into_inner);
                        all[number] = outcome;
                        if flow.is_break() {
                            next.store(runs.len(), Ordering::Relaxed);
                        }
                    }
                });
            }
        });
        outcomes.into_inner().unwrap_or_else(PoisonError::into_inner)
    }

    /// One run: whatever fails, a mistake of ours included, fails this run only.
    fn one(
        &self,
        run: &Planned,
        pool: &rayon::ThreadPool,
        tell: &(dyn Fn(Progress<'_>) -> ControlFlow<()> + Sync),
    ) -> Outcome {
        let path = self.path_of(run);
        let trained = || self.train(run, &path, pool, tell);
        match catch_unwind(AssertUnwindSafe(trained)) {
            Ok(Ok(outcome)) => outcome,
            Ok(Err(error)) => Outcome::Failed(error.to_string()),
            Err(panic) => {
                let text = panic.downcast_ref::<String>().map(String::as_str);
                let text = text.or_else(|| panic.downcast_ref::<&str>().copied());
                Outcome::Failed(format!("panicked: {}", text.unwrap_or("without a word")))
            }
        }
    }

    fn train(
        &self,
        run: &Planned,
        path: &Path,
        pool: &rayon::ThreadPool,
        tell: &(dyn Fn(Progress<'_>) -> ControlFlow<()> + Sync),
    ) -> Result<Outcome, Box<dyn std::error::Error>> {
        if path.exists() {
            let _ = tell(Progress::Skipped(path));
            return finished(path);
        }
        let mut part = path.to_owned().into_os_string();
        part.push(PART);
        let part = PathBuf::from(part);
        let again = part.exists();
        if tell(Progress::Started { again }).is_break() {
            return Ok(Outcome::Open);
        }
        match self.train_in(&part, run, path, pool, tell) {
            // Of another version: it cannot go on, and begins anew.
            Err(error) if again && is_changed(&*error) => {
                fs::remove_dir_all(&part)?;
                self.train_in(&part, run, path, pool, tell)
            }
            result => result,
        }
    }

    /// Trains, or goes on, in the folder of a run that is not finished, which then gets its name.
    fn train_in(
        &self,
        part: &Path,
        run: &Planned,
        path: &Path,
        pool: &rayon::ThreadPool,
        tell: &(dyn Fn(Progress<'_>) -> ControlFlow<()> + Sync),
    ) -> Result<Outcome, Box<dyn std::error::Error>> {
        let Planned { settings, dataset, .. } = run;
        settings.validate(dataset)?;
        fs::create_dir_all(part)?;
        let folder = RunFolder::opened(part)?;
        let mut record = settings.experiment(dataset, pool.current_num_threads())?;
        folder.write("config.toml", record.config.as_bytes())?;
        let variants = settings.variants().map_err(RunError::from)?;
        for (variant, seed) in
            variants.iter().flat_map(|v| settings.seeds().iter().map(move |seed| (v, *seed)))
        {
            let observe = &mut |event: Event<'_>| match event {
                Event::Epoch(epoch) => tell(Progress::Epoch(epoch)),
                Event::Batch { .. } => tell(Progress::Batch),
                Event::Trouble(trouble) => tell(Progress::Trouble(trouble)),
                Event::Loaded(_) | Event::Begun { .. } => ControlFlow::Continue(()),
            };
            let ran = pool.install(|| settings.run(dataset, variant, seed, &folder, observe))?;
            let is_interrupted = ran.stop == Stop::Interrupted;
            record.runs.push(ran);
            folder.write_results(&record)?;
            if is_interrupted {
                return Ok(Outcome::Open);
            }
        }
        fs::rename(part, path)?;
        finished(path)
    }
}

/// Whether a run could not go on from its state.
fn is_changed(error: &(dyn std::error::Error + 'static)) -> bool {
    matches!(error.downcast_ref(), Some(RunError::State(StateError::Changed { .. })))
}

/// What a finished folder says.
fn finished(path: &Path) -> Result<Outcome, Box<dyn std::error::Error>> {
    let file = path.join("metrics.json");
    let text = fs::read_to_string(&file).map_err(|error| format!("{}: {error}", file.display()))?;
    let metrics = Metrics::read(&text).map_err(|error| format!("{}: {error}", file.display()))?;
    let failed = metrics.runs.iter().any(|run| run.ended == Some(Ended::NotFinite));
    if failed {
        let place = path.display();
        return Ok(Outcome::Failed(format!("the loss was not finite, see {place}")));
    }
    Ok(Outcome::Done(path.to_owned()))
}

/// The start of a check sum of the settings of a run and of what its data are.
fn digest(run: &Planned) -> String {
    let Dataset { name, train, test, validation, class_names, .. } = &*run.dataset;
    let watched = validation.as_ref().map_or(0, |images| images.len());
    let data = format!(
        "{name}\n{:?} {} {watched} {}\n{class_names:?}\n",
        train.shape(),
        train.len(),
        test.len()
    );
    let sum = Sha256::digest(data + &run.settings.identity());
    sum[..6].iter().map(|byte| format!("{byte:02x}")).collect()
}
