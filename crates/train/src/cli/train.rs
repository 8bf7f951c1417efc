//! `train`: the tutorial's experiment, told while it runs.

use std::fs;
use std::io;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::available_parallelism;
use std::time::{Duration, Instant};

use clap::{ArgAction, Args};
use indicatif::{ProgressBar, ProgressStyle};
use morphograd::artifacts::{ArtifactError, RunFolder};
use morphograd::data::{DataSettings, Dataset};
use morphograd::experiment::Config;
use morphograd::initial::{InitialWeights, WeightsError};
use morphograd::model::{ModelConfig, ModelFile};
use morphograd::morphology::nn::ranks::{Communicator, agree, any};
use morphograd::record::{ExperimentRecord, RunRecord, Stop};
use morphograd::recorder::Event;
use morphograd::registry::{CONSTRAINTS, ENFORCEMENTS, OPTIMIZERS, STARTS, help};
use morphograd::run::RunError;
use morphograd::settings::Settings;
use morphograd::start::Start;
use morphograd::state::STATE;
use morphograd::tables::{Comparison, EPOCH_HEADER, epoch_line, run_line};

use super::data_arguments::{DataArguments, Size, size};
use super::report;
use super::{CommandResult, Failure, INTERRUPTED, complain, folder, on_ctrl_c, read_text, say};

/// Trains the tutorial's network with each constraint and shows the result
///
/// A dilation with learned kernels, max-pooling, a convolution, max-pooling, dropout and a dense
/// layer are trained on the first 1,024 training images, once for each constraint on the dilation's
/// kernels; after every step the kernels are projected back onto their set. MNIST is used if it is
/// there, else the embedded digits.
#[derive(Debug, Args)]
#[command(after_help = after_help())]
pub(crate) struct Arguments {
    /// Set of the dilation's kernels, see below; may be repeated [default: the first four]
    #[arg(long = "constraint", value_name = "NAME", value_parser = constraint_name)]
    constraints: Vec<String>,
    #[command(flatten)]
    data: DataArguments,
    /// Number of training images, the first ones of the data set [default: 1024]
    #[arg(long, value_name = "N")]
    samples: Option<usize>,
    /// Most epochs of a run; early stopping usually ends it sooner [default: 100]
    #[arg(long, value_name = "N")]
    epochs: Option<usize>,
    /// Images of one step [default: 128]
    #[arg(long, value_name = "N")]
    batch_size: Option<usize>,
    /// Parts of a step, a power of two: for so many processes or fewer. The last bits of the result
    /// depend on it, and not on how many processes there are [default: 1]
    #[arg(long, value_name = "S")]
    shards: Option<usize>,
    /// Learning rate of the first epoch [default: 0.01]
    #[arg(long, value_name = "RATE")]
    lr: Option<f64>,
    /// Optimizer, see below [default: adam]
    #[arg(long, value_name = "NAME", value_parser = optimizer_name)]
    optimizer: Option<String>,
    /// How the set is enforced, see below; may be repeated [default: projected-step]
    #[arg(long = "enforcement", value_name = "NAME", value_parser = enforcement_name)]
    enforcements: Vec<String>,
    /// Where the dilation's kernels start in their set, see below [default: zero]
    #[arg(long, value_name = "NAME", value_parser = start)]
    start: Option<Start>,
    /// Weights that the network starts from, those of an earlier run: its folder, or a .safetensors
    /// file. Names and shapes have to be those of the network; what is outside of its set is
    /// projected [default: the seed decides]
    #[arg(long, value_name = "RUN", conflicts_with = "start")]
    weights: Option<PathBuf>,
    /// Filters of the dilation [default: 8]
    #[arg(long, value_name = "N")]
    filters: Option<usize>,
    /// Size of the dilation's kernels: 5, or 3x7 for height and width [default: 5]
    #[arg(long, value_name = "SIZE", value_parser = size)]
    kernel: Option<Size>,
    /// Seed of the weights, the order of the images and the dropout; may be repeated [default: 0]
    #[arg(long = "seed", value_name = "SEED")]
    seed: Vec<u64>,
    /// The seeds 0 to N-1
    #[arg(
        long,
        value_name = "N",
        conflicts_with = "seed",
        value_parser = clap::value_parser!(u64).range(1..=10_000)
    )]
    seeds: Option<u64>,
    /// Threads; the result does not depend on it [default: all]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=1024))]
    threads: Option<u16>,
    /// Folder for the results, new or empty [default: a new one in runs/]
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
    /// Start from the settings of an earlier config.toml; other options override it
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Go on with a training that was stopped: its folder. Settings and data are those that it
    /// began with; it ends in the same bytes as if it had never been stopped
    #[arg(long, value_name = "RUN", conflicts_with_all = OF_NEW_ONES, conflicts_with = "out")]
    resume: Option<PathBuf>,
    /// Make one training of several that were made independently, of other seeds or constraints, in
    /// a new folder: their folders
    #[arg(long, value_name = "RUN", num_args = 1.., conflicts_with_all = OF_NEW_ONES,
        conflicts_with = "resume")]
    collect: Vec<PathBuf>,
    /// The longest time without a saved state, within an epoch [default: 5]
    #[arg(long, value_name = "MINUTES", value_parser = minutes)]
    backup: Option<Duration>,
    /// Write event files for TensorBoard: tensorboard --logdir RUN
    #[arg(long, action = ArgAction::SetTrue)]
    tensorboard: bool,
    /// Network of a model file (cargo xtask model --help) in place of the tutorial's; options
    /// override what the file says
    #[arg(
        long,
        value_name = "FILE",
        conflicts_with_all = ["constraints", "enforcements", "start", "filters", "kernel"]
    )]
    model: Option<PathBuf>,
    /// Print only the final table
    #[arg(long, short, action = ArgAction::SetTrue)]
    quiet: bool,
}

/// Options that say what a new training is.
const OF_NEW_ONES: [&str; 19] = [
    "constraints",
    "samples",
    "epochs",
    "batch_size",
    "lr",
    "optimizer",
    "enforcements",
    "start",
    "weights",
    "filters",
    "kernel",
    "seed",
    "seeds",
    "config",
    "model",
    "resize",
    "colour",
    "validation",
    "augment",
];

fn minutes(text: &str) -> Result<Duration, String> {
    let minutes = text.parse::<f64>().ok();
    let time = minutes.and_then(|minutes| Duration::try_from_secs_f64(60.0 * minutes).ok());
    time.ok_or_else(|| format!("expected a number of minutes, found `{text}`"))
}

fn after_help() -> String {
    format!(
        "Constraints:\n{}\n\nOptimizers:\n{}\n\nEnforcements:\n{}\n\nStarts:\n{}\n\nExamples:\n  \
         cargo xtask train                                     the tutorial\n  \
         cargo xtask train --constraint non-negative --seeds 5 one constraint, five seeds\n  \
         cargo xtask train --data fashion-mnist --samples 5000 other data\n  \
         cargo xtask train --model models/t5_grey_shift.toml    another network\n  \
         cargo xtask train --weights runs/digits --lr 0.001    starts from earlier weights\n  \
         cargo xtask train --resume runs/digits                goes on with what was stopped\n\n\
         Ctrl-C ends a run cleanly, as `kill` does: what was learned is saved and reported, and \
         the exit code is 130; a second Ctrl-C ends at once. After whatever else has ended it, \
         --resume goes on from the last saved state.",
        help(CONSTRAINTS),
        help(OPTIMIZERS),
        help(ENFORCEMENTS),
        help(STARTS)
    )
}

fn constraint_name(word: &str) -> Result<String, String> {
    named("constraint", CONSTRAINTS, word)
}

fn optimizer_name(word: &str) -> Result<String, String> {
    named("optimizer", OPTIMIZERS, word)
}

fn enforcement_name(word: &str) -> Result<String, String> {
    named("enforcement", ENFORCEMENTS, word)
}

fn start(word: &str) -> Result<Start, String> {
    morphograd::registry::find("start", STARTS, word)
        .map(|entry| (entry.make)())
        .map_err(|e| e.to_string())
}

fn named<V>(
    kind: &'static str,
    table: &[morphograd::registry::Named<V>],
    word: &str,
) -> Result<String, String> {
    morphograd::registry::find(kind, table, word)
        .map(|entry| entry.name.to_owned())
        .map_err(|e| e.to_string())
}

pub(crate) fn main(
    arguments: &Arguments,
    communicator: &'static dyn Communicator,
) -> CommandResult {
    if !arguments.collect.is_empty() {
        return arguments.collect();
    }
    let text = arguments.text()?;
    // One of the ranks speaks, and its folder stays.
    let is_first = communicator.rank() == 0;
    let quiet = arguments.quiet || !is_first;
    let (dataset, data) =
        arguments.data.load_for(text.as_deref(), arguments.resume.is_some(), quiet)?;
    let plan = arguments.settings(&dataset, text.as_deref(), data)?;
    plan.validate(&dataset)?;
    let scratch = tempfile::tempdir()?;
    if let Some(run) = arguments.resume.as_deref().filter(|_| !is_first) {
        copy_states(run, scratch.path())?;
    }
    let sum = plan.data().sha256.clone().unwrap_or_default();
    agree(communicator, &[("data set (SHA-256)", &sum), ("config", &plan.identity())])?;
    let threads = arguments
        .threads
        .map_or_else(|| available_parallelism().map_or(1, usize::from), usize::from);
    let cores = available_parallelism().map_or(1, usize::from);
    if threads > 4 * cores && is_first {
        complain(&format!(
            "--threads {threads}: expected a few for each of {cores} cores; more take longer"
        ));
    }
    let mut out = match (&arguments.resume, &arguments.out) {
        _ if !is_first => RunFolder::opened(scratch.path())?,
        (Some(path), _) => RunFolder::opened(path)?,
        (None, Some(path)) => RunFolder::exactly(path)?,
        (None, None) => {
            RunFolder::create(&folder("runs"), &dataset.name.replace(['/', '\\'], "_"))?
        }
    };
    out.communicator = communicator;
    out.tensorboard = arguments.tensorboard && is_first;
    out.backup_every = arguments.backup.unwrap_or(out.backup_every);
    let interrupted = on_ctrl_c()?;
    let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build()?;
    let narrator = Narrator { is_first, quiet, epochs: plan.epochs(), interrupted };
    let mut record = plan.experiment(&dataset, threads)?;
    match arguments.resume.as_ref().and(text) {
        Some(text) => record.config = text,
        None => out.write("config.toml", record.config.as_bytes())?,
    }
    pool.install(|| experiment(&plan, &dataset, record, &out, &narrator))
}

impl Arguments {
    /// Makes one training of several.
    fn collect(&self) -> CommandResult {
        let out = match &self.out {
            Some(path) => RunFolder::exactly(path)?,
            None => RunFolder::create(&folder("runs"), "collected")?,
        };
        report::collect(&self.collect, &out, self.data.path())
    }

    /// The text of the earlier settings, if there are any.
    pub(super) fn text(&self) -> Result<Option<String>, String> {
        self.earlier().as_deref().map(read_text).transpose()
    }

    /// The file with the settings to begin or go on with.
    fn earlier(&self) -> Option<PathBuf> {
        let resumed = self.resume.as_deref().map(|run| run.join("config.toml"));
        resumed.or_else(|| self.config.clone())
    }

    /// Which data.
    pub(super) fn data(&self) -> &DataArguments {
        &self.data
    }

    /// What is trained: what options say goes before what `--config` says, that before what the
    /// model file says, and that before the settings of the tutorial.
    pub(super) fn settings(
        &self,
        dataset: &Dataset,
        text: Option<&str>,
        data: DataSettings,
    ) -> Result<Settings, Failure> {
        let earlier = text.map(Settings::read).transpose().map_err(|error| {
            format!("{}: {error}", self.earlier().unwrap_or_default().display())
        })?;
        let (mut config, file) = match (&self.model, earlier) {
            (None, Some(Settings::Model(config, file))) => {
                if let Some(option) = self.of_the_tutorial() {
                    let found = format!(
                        "expected the config.toml of the tutorial's network for \
                                         {option}, found that of the model {}",
                        config.name
                    );
                    return Err(found.into());
                }
                (config, file)
            }
            (None, Some(Settings::Tutorial(config))) => {
                return self.tutorial(config, data);
            }
            (None, None) => {
                let tutorial = Config::default();
                let samples = self.samples.unwrap_or(tutorial.samples).min(dataset.train.len());
                let batch_size = tutorial.batch_size.min(samples.max(1));
                return self.tutorial(Config { samples, batch_size, ..tutorial }, data);
            }
            (Some(_), Some(_)) => {
                return Err(
                    "expected --model or --config, found both; the config.toml of a model \
                            holds its model"
                        .into(),
                );
            }
            (Some(path), None) => {
                let file = ModelFile::read(path)?;
                (ModelConfig::of(&file, dataset)?, file)
            }
        };
        config.data = data;
        if !self.seed.is_empty() {
            config.seeds.clone_from(&self.seed);
        }
        if let Some(n) = self.seeds {
            config.seeds = (0..n).collect();
        }
        config.samples = self.samples.unwrap_or(config.samples);
        config.epochs = self.epochs.unwrap_or(config.epochs);
        config.batch_size = self.batch_size.unwrap_or(config.batch_size);
        config.shards = self.shards.unwrap_or(config.shards);
        config.learning_rate = self.lr.or(config.learning_rate);
        config.optimizer = self.optimizer.clone().or(config.optimizer);
        config.weights = self.initial()?.or(config.weights);
        Ok(Settings::Model(config, file))
    }

    /// The first option given that is about the tutorial's network only.
    fn of_the_tutorial(&self) -> Option<&'static str> {
        let given = [
            (!self.constraints.is_empty(), "--constraint"),
            (!self.enforcements.is_empty(), "--enforcement"),
            (self.start.is_some(), "--start"),
            (self.filters.is_some(), "--filters"),
            (self.kernel.is_some(), "--kernel"),
        ];
        given.into_iter().find(|(given, _)| *given).map(|(_, option)| option)
    }

    /// The weights to start from.
    fn initial(&self) -> Result<Option<InitialWeights>, WeightsError> {
        self.weights.as_deref().map(InitialWeights::of).transpose()
    }

    /// The settings of the tutorial's network, with the options given on top.
    fn tutorial(&self, mut config: Config, data: DataSettings) -> Result<Settings, Failure> {
        config.data = data;
        config.weights = self.initial()?.or(config.weights);
        let Self {
            constraints,
            samples,
            epochs,
            batch_size,
            shards,
            lr,
            optimizer,
            enforcements,
            start,
            filters,
            kernel,
            seed,
            seeds,
            ..
        } = self;
        if !constraints.is_empty() {
            config.constraints.clone_from(constraints);
        }
        if !seed.is_empty() {
            config.seeds.clone_from(seed);
        }
        if let Some(n) = seeds {
            config.seeds = (0..*n).collect();
        }
        if !enforcements.is_empty() {
            config.enforcements.clone_from(enforcements);
        }
        if let Some(optimizer) = optimizer {
            config.optimizer.clone_from(optimizer);
        }
        config.start = start.unwrap_or(config.start);
        config.samples = samples.unwrap_or(config.samples);
        config.epochs = epochs.unwrap_or(config.epochs);
        config.batch_size = batch_size.unwrap_or(config.batch_size);
        config.shards = shards.unwrap_or(config.shards);
        config.learning_rate = lr.unwrap_or(config.learning_rate);
        config.filters = filters.unwrap_or(config.filters);
        config.kernel = kernel.unwrap_or(config.kernel);
        Ok(Settings::Tutorial(config))
    }
}

/// All runs, and what they leave.
fn experiment(
    plan: &Settings,
    dataset: &Dataset,
    mut record: ExperimentRecord,
    out: &RunFolder,
    narrator: &Narrator,
) -> CommandResult {
    let watched = dataset
        .validation
        .as_ref()
        .map_or_else(String::new, |validation| format!("{} validation images, ", validation.len()));
    narrator.say(&format!(
        "Data: {} ({} of {} training images, {watched}{} test images)\n",
        dataset.note,
        plan.samples(),
        dataset.train.len(),
        dataset.test.len()
    ));
    narrator.say(&record.summary);

    let mut is_healthy = true;
    let mut results = Results { out, written: Instant::now(), took: Duration::ZERO };
    let variants = plan.variants()?;
    let seeds = plan.seeds();
    let total = variants.len() * seeds.len();
    let runs = variants.iter().flat_map(|variant| seeds.iter().map(move |seed| (variant, *seed)));
    for (number, (variant, seed)) in (1..).zip(runs) {
        if any(out.communicator, narrator.is_interrupted())? {
            break;
        }
        let title = format!("Run {number} of {total}: {variant}, seed {seed}");
        narrator.say(&format!("\n{title}\n{}", "─".repeat(title.len())));
        let bar = narrator.bar();
        let run = plan.run(dataset, variant, seed, out, &mut |event| narrator.event(&bar, event));
        bar.finish_and_clear();
        let run = match run {
            Ok(run) => run,
            // Before anything has changed.
            Err(error @ RunError::State(_)) => return Err(error.into()),
            Err(error) => {
                complain(&format!("{variant}, seed {seed}: {error}"));
                is_healthy = false;
                continue;
            }
        };
        narrator.run(&run, &record.class_names);
        if matches!(run.stop, Stop::NotFinite { .. }) {
            complain(&format!("{variant}, seed {seed}: {}", run.stop));
            is_healthy = false;
        }
        record.runs.push(run);
        if let Err(error) = results.after(&record) {
            complain(&error.to_string());
            is_healthy = false;
        }
    }
    if let Err(error) = out.write_results(&record) {
        complain(&error.to_string());
        is_healthy = false;
    }
    if narrator.is_first {
        say(format_args!("\n{}", Comparison::new(&record).text()));
        say(format_args!("Results: {}", out.path().display()));
        say(format_args!("Report:  {}", out.path().join("report.html").display()));
    }
    // Nobody ends before the files of the first rank are written.
    out.communicator.barrier()?;
    let again = format!("`cargo xtask train --resume {}`", out.path().display());
    if narrator.is_interrupted() {
        if narrator.is_first {
            complain(&format!("interrupted; {again} goes on"));
        }
        return Ok(ExitCode::from(INTERRUPTED));
    }
    if record.runs.len() < total {
        complain(&format!("{} of {total} runs are done; {again} goes on", record.runs.len()));
    }
    Ok(if is_healthy { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// Gives a rank the states that another one has saved.
fn copy_states(run: &Path, to: &Path) -> io::Result<()> {
    for entry in fs::read_dir(run)? {
        let (from, name) =
            (entry.as_ref().map(|e| e.path()), entry.as_ref().map(|e| e.file_name()));
        let (Ok(from), Ok(name)) = (from, name) else { continue };
        if from.join(STATE).is_file() {
            fs::create_dir_all(to.join(&name))?;
            for file in [STATE, "history.csv"] {
                fs::copy(from.join(file), to.join(&name).join(file))?;
            }
        }
    }
    Ok(())
}

/// Writes results while runs are made.
struct Results<'a> {
    out: &'a RunFolder,
    /// When all of them were written, and how long that took.
    written: Instant,
    took: Duration,
}

impl Results<'_> {
    /// After a run: the figures, and the drawings if they have not taken a tenth of the time so
    /// far. Both are written again at the end.
    fn after(&mut self, record: &ExperimentRecord) -> Result<(), ArtifactError> {
        if self.written.elapsed() < 10 * self.took {
            return self.out.write_metrics(record);
        }
        let start = Instant::now();
        self.out.write_results(record)?;
        (self.written, self.took) = (Instant::now(), start.elapsed());
        Ok(())
    }
}

/// Tells what happens, unless it is to be quiet.
struct Narrator {
    /// Whether this is the rank that speaks at all.
    is_first: bool,
    quiet: bool,
    epochs: usize,
    interrupted: Arc<AtomicBool>,
}

impl Narrator {
    fn say(&self, text: &str) {
        if !self.quiet {
            say(text);
        }
    }

    /// A bar for the batches of an epoch; drawn on a terminal only.
    fn bar(&self) -> ProgressBar {
        if self.quiet {
            return ProgressBar::hidden();
        }
        let style = ProgressStyle::with_template("{msg} {bar:30} {pos}/{len} batches, {eta} left");
        ProgressBar::new(1).with_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()))
    }

    fn event(&self, bar: &ProgressBar, event: Event<'_>) -> ControlFlow<()> {
        match event {
            Event::Loaded(loaded) => bar.suspend(|| self.say(&format!("Weights: {loaded}"))),
            Event::Batch { epoch, done, total } => {
                if done == 1 {
                    bar.reset();
                    bar.set_length(total as u64);
                    bar.set_message(format!("Epoch {epoch:3}/{}", self.epochs));
                }
                bar.set_position(done as u64);
            }
            Event::Begun { epochs, is_over } => {
                if is_over {
                    self.say("finished before");
                } else {
                    if !epochs.is_empty() {
                        self.say(&format!("goes on after epoch {}", epochs.len()));
                    }
                    self.say(EPOCH_HEADER);
                }
                // Who is interrupted is so at the first batch: all ranks have to begin.
                return ControlFlow::Continue(());
            }
            Event::Trouble(trouble) => {
                bar.suspend(|| complain(&format!("{trouble}; the run goes on")));
            }
            Event::Epoch(record) => bar.suspend(|| self.say(&epoch_line(record, self.epochs))),
        }
        if self.is_interrupted() { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    }

    fn is_interrupted(&self) -> bool {
        self.interrupted.load(Ordering::Relaxed)
    }

    fn run(&self, run: &RunRecord, names: &[String]) {
        self.say(&format!("\n{}", run_line(run)));
        if run.confusion.classes() == 0 {
            return;
        }
        self.say(&format!(
            "\nConfusion matrix (rows: true classes)\n{}",
            run.confusion.text(names)
        ));
        self.say(&run.confusion.report(names).to_string());
    }
}
