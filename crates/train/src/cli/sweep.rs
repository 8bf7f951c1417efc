//! `sweep`: all combinations of lists of settings, in parallel, and one table of them.
//!
//! The one design choice: the options are those of `train`, taken from its own definition. What
//! `train` learns to take, a sweep can list; and each combination is parsed as `train` parses it.

use std::collections::BTreeMap;
use std::io::{self, IsTerminal};
use std::ops::ControlFlow;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::available_parallelism;

use clap::builder::StringValueParser;
use clap::error::ErrorKind;
use clap::{Arg, ArgAction, ArgMatches, Args, Command, FromArgMatches};
use indicatif::{MultiProgress, ProgressBar, ProgressDrawTarget, ProgressStyle};
use morphograd::compare::{Compared, Failed, runs_of};
use morphograd::data::{DataSettings, Dataset};
use morphograd::record::Variant;
use morphograd::settings::Settings;
use morphograd::sweep::{List, Lists, ONLY, Outcome, Planned, Progress, Sweep};

use super::{CommandResult, Failure, compare, complain, folder, on_ctrl_c, read_text, say, train};

/// Trains with all combinations of lists of settings, and compares them
///
/// Each option of `train` that takes a value may have several here, and so may each key of FILE,
/// which is called as the option: `lr = [0.01, 0.001]`. Options override the file. A run that is
/// done is skipped, one that was not finished is trained again, so the same command goes on with
/// what was interrupted. The table has means and ranges over the seeds.
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  \
    cargo xtask sweep rates.toml --jobs 2\n  \
    cargo xtask sweep --constraint none non-negative --lr 0.01 0.001 --seeds 3\n  \
    cargo xtask sweep --model models/tutorial.toml models/max_plus_dense.toml --out runs/models\n\n\
    A file, rates.toml:\n  \
    constraint = [\"none\", \"non-negative\"]\n  \
    enforcement = [\"projected-step\", \"penalty\"]\n  \
    lr = [0.01, 0.001]\n  \
    seeds = 3\n  \
    epochs = 20\n\n\
    What the values can be: cargo xtask train --help")]
pub(crate) struct Arguments {
    /// TOML file, before the options: options of `train` as keys, each with a value or a list
    #[arg(value_name = "FILE")]
    file: Option<PathBuf>,
    /// Runs at a time; the results do not depend on it
    #[arg(
        long,
        short,
        value_name = "N",
        default_value_t = 1,
        value_parser = clap::value_parser!(u16).range(1..=1024)
    )]
    jobs: u16,
    /// Threads of each run; the results do not depend on it [default: all, shared by the jobs]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=1024))]
    threads: Option<u16>,
    /// Folder for the results: new, empty, or that of an earlier call, which is gone on with
    /// [default: runs/ and the name of the file, or runs/sweep]
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
    /// Print only the final table
    #[arg(long, short, action = ArgAction::SetTrue)]
    quiet: bool,
    #[command(flatten)]
    options: Options,
}

/// Options of `train` that are not about one run of a sweep.
const NOT_LISTED: [&str; 5] = ["out", "threads", "resume", "collect", "backup"];

/// The seeds 0 to N-1: a list in one number.
const SEEDS: &str = "seeds";

/// Options of `train`, with all their values.
#[derive(Debug)]
struct Options(Vec<List>);

/// `train`, as its own definition has it.
fn train_command() -> Command {
    train::Arguments::augment_args(Command::new("train"))
}

/// The options of `train` that can be listed.
fn listable() -> Vec<Arg> {
    let is_listed = |arg: &Arg| {
        arg.get_action().takes_values()
            && arg.get_long().is_some_and(|name| !NOT_LISTED.contains(&name))
    };
    train_command().get_arguments().filter(|arg| is_listed(arg)).cloned().collect()
}

impl FromArgMatches for Options {
    fn from_arg_matches(matches: &ArgMatches) -> Result<Self, clap::Error> {
        let mut lists = Vec::new();
        for arg in listable() {
            let values = matches.get_many::<String>(arg.get_id().as_str());
            let (Some(values), Some(name)) = (values, arg.get_long()) else { continue };
            let values = values.cloned().collect();
            lists.push(List { name: name.to_owned(), values, lines: Vec::new() });
        }
        Ok(Self(lists))
    }

    fn update_from_arg_matches(&mut self, matches: &ArgMatches) -> Result<(), clap::Error> {
        *self = Self::from_arg_matches(matches)?;
        Ok(())
    }
}

impl Args for Options {
    fn augment_args(command: Command) -> Command {
        listable().into_iter().fold(command, |command, arg| {
            let is_list = arg.get_long() != Some(SEEDS);
            // What the values can be is said by `train`, once for each combination.
            let arg = arg.value_parser(StringValueParser::new()).help_heading("Lists");
            let several = |arg: Arg| arg.action(ArgAction::Append).num_args(1..);
            command.arg(if is_list { several(arg) } else { arg })
        })
    }

    fn augment_args_for_update(command: Command) -> Command {
        Self::augment_args(command)
    }
}

pub(crate) fn main(arguments: &Arguments) -> CommandResult {
    let (lists, file) = arguments.lists()?;
    let (planned, twins) = plan(&lists, &file, arguments.quiet)?;
    let stem = arguments.file.as_deref().and_then(|file| file.file_stem());
    let name = stem.map_or_else(|| "sweep".into(), |stem| stem.to_owned());
    let out = arguments.out.clone().unwrap_or_else(|| folder("runs").join(name));
    let sweep = Sweep::open(&out, &lists.text())?;
    let interrupted = on_ctrl_c()?;
    let jobs = usize::from(arguments.jobs).min(planned.len().max(1));
    let cores = available_parallelism().map_or(1, usize::from);
    let threads = arguments.threads.map_or((cores / jobs).max(1), usize::from);
    let narrator = Narrator::new(&planned, arguments.quiet, interrupted);
    narrator.say(&format!(
        "{} runs, {jobs} at a time, on {threads} {} each",
        planned.len(),
        if threads == 1 { "thread" } else { "threads" }
    ));
    for (label, other) in twins {
        narrator.say(&format!("Skipped: {label}: the same training as {other}"));
    }
    for other in sweep.others(&planned)? {
        narrator.say(&format!("Not of this sweep, and not counted: {}", other.display()));
    }
    let outcomes =
        sweep.run(&planned, jobs, threads, &|run, progress| narrator.hear(run, progress));
    let skipped = narrator.finish();

    let (mut runs, mut failed, mut open) = (Vec::new(), Vec::new(), 0);
    for (run, outcome) in planned.iter().zip(&outcomes) {
        match outcome {
            Outcome::Done(path) => runs.extend(runs_of(path)?),
            Outcome::Failed(why) => failed.push(failure(run, why)?),
            Outcome::Open => open += 1,
        }
    }
    let (done, failures) = (runs.len(), failed.len());
    let mut lead = format!("{done} of {} runs are done", planned.len());
    let goes_on = "not finished (the same command goes on with them)";
    for (count, what) in
        [(skipped, "done before and skipped"), (failures, "failed"), (open, goes_on)]
    {
        if count > 0 {
            lead += &format!("; {what}: {count}");
        }
    }
    lead.push('.');
    if done + failures > 0 {
        let compared = Compared::new(runs, failed)?;
        say(format_args!("\n{}", compared.means_text()));
        say(&lead);
        compare::write(sweep.folder(), "A sweep of trainings", &lead, &compared)?;
    } else {
        say(&lead);
    }
    let is_healthy = failures == 0 && open == 0;
    Ok(if is_healthy { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn failure(run: &Planned, why: &str) -> Result<Failed, Failure> {
    let variant = run.settings.variants()?.first().cloned().unwrap_or(Variant::from("none"));
    let seed = run.settings.seeds().first().copied().unwrap_or(0);
    let (settings, dataset) = (run.settings.of_run(&variant, seed), run.dataset.name.clone());
    Ok(Failed { dataset, settings, why: why.to_owned() })
}

impl Arguments {
    /// All lists, and what the file is called in errors. Every value is one that its option takes.
    fn lists(&self) -> Result<(Lists, String), Failure> {
        let args = listable();
        let names: Vec<&str> = args.iter().filter_map(|arg| arg.get_long()).collect();
        let (mut lists, file) = match &self.file {
            Some(path) => {
                let file = path.display().to_string();
                (Lists::parse(&file, &read_text(path)?, &names)?, file)
            }
            None => (Lists::default(), String::new()),
        };
        self.options.0.iter().for_each(|list| lists.set(list.clone()));
        if lists.0.is_empty() {
            return Err(
                "expected FILE, or options of `train` with their values, found neither".into()
            );
        }
        for list in &lists.0 {
            for (position, value) in list.values.iter().enumerate() {
                check(list, value).map_err(|why| Lists::refused(&file, list, position, &why))?;
            }
        }
        let given = |name| lists.get(name).cloned();
        match (given(SEEDS), given("seed")) {
            (Some(seeds), Some(_)) => {
                let why = "expected seed or seeds, found both";
                return Err(Lists::refused(&file, &seeds, 0, why).into());
            }
            (Some(seeds), None) => {
                let [count] = &seeds.values[..] else {
                    let why = "expected one number, found a list; a list of seeds is seed";
                    return Err(Lists::refused(&file, &seeds, 0, why).into());
                };
                let count: u64 = count.parse()?;
                lists.0.retain(|list| list.name != SEEDS);
                let values = (0..count).map(|seed| seed.to_string()).collect();
                lists.set(List { name: "seed".to_owned(), values, lines: Vec::new() });
            }
            (None, _) => {}
        }
        Ok((lists, file))
    }
}

/// Whether an option of `train` takes a value; what was expected and found if it does not.
fn check(list: &List, value: &str) -> Result<(), String> {
    let option = format!("--{}={value}", list.name);
    let Err(error) = train_command().try_get_matches_from(["train", &option]) else {
        return Ok(());
    };
    if matches!(error.kind(), ErrorKind::ArgumentConflict | ErrorKind::MissingRequiredArgument) {
        return Ok(());
    }
    let why = std::error::Error::source(&error).map_or_else(
        || error.to_string().lines().next().unwrap_or_default().to_owned(),
        ToString::to_string,
    );
    if why.contains("expected") {
        return Err(why);
    }
    Err(format!("expected a value of `train --{}`, found {value:?}: {why}", list.name))
}

/// What combinations are called that are the same training as another one, and this one.
type Twins = Vec<(String, String)>;

/// The runs of all combinations, each once, and what other combinations are called that are the
/// same training as one of them.
fn plan(lists: &Lists, file: &str, quiet: bool) -> Result<(Vec<Planned>, Twins), Failure> {
    let mut datasets: BTreeMap<String, (Arc<Dataset>, DataSettings)> = BTreeMap::new();
    let mut planned: Vec<Planned> = Vec::new();
    let mut twins = Vec::new();
    for combination in lists.combinations() {
        let label = lists.label(&combination);
        let options = combination.iter().map(|(name, value)| format!("--{name}={value}"));
        let words = std::iter::once("train".to_owned()).chain(options);
        let wrong = |error: clap::Error| {
            let text = error.to_string();
            let text = text.strip_prefix("error: ").unwrap_or(&text);
            let place = if file.is_empty() { String::new() } else { format!("{file}: ") };
            format!("{place}{}", text.split("\n\nUsage").next().unwrap_or(text))
        };
        let matches = train_command().try_get_matches_from(words).map_err(wrong)?;
        let arguments = train::Arguments::from_arg_matches(&matches).map_err(wrong)?;
        let text = arguments.text()?;
        let mut data = arguments.data().settings(text.as_deref())?;
        // Which data, and what becomes of them.
        let key = format!("{:?} {data:?}", arguments.data());
        let (dataset, data) = match datasets.get(&key) {
            Some((dataset, data)) => (Arc::clone(dataset), data.clone()),
            None => {
                let dataset = Arc::new(arguments.data().load(&mut data, quiet)?);
                datasets.insert(key, (Arc::clone(&dataset), data.clone()));
                (dataset, data)
            }
        };
        let settings = arguments.settings(&dataset, text.as_deref(), data)?;
        for (more, settings) in single(settings)? {
            let label = match (&more[..], label == ONLY) {
                ("", _) => label.clone(),
                (more, true) => more.to_owned(),
                (more, false) => format!("{label}, {more}"),
            };
            let same = |other: &&Planned| {
                other.settings == settings && Arc::ptr_eq(&other.dataset, &dataset)
            };
            match planned.iter().find(same) {
                Some(other) => twins.push((label, other.label.clone())),
                None => planned.push(Planned { label, settings, dataset: Arc::clone(&dataset) }),
            }
        }
    }
    Ok((planned, twins))
}

/// Settings of one run each, with what tells them apart where there are several. Where there is
/// nothing to enforce, the way to do it is the first.
fn single(settings: Settings) -> Result<Vec<(String, Settings)>, Failure> {
    let (variants, seeds) = (settings.variants()?, settings.seeds().to_vec());
    let mut all = Vec::new();
    for variant in &variants {
        for seed in &seeds {
            let mut one = settings.clone();
            match &mut one {
                Settings::Tutorial(config) => {
                    config.constraints = vec![variant.constraint.clone()];
                    config.enforcements = vec![variant.enforcement.clone()];
                    config.seeds = vec![*seed];
                }
                Settings::Model(config, _) => config.seeds = vec![*seed],
            }
            let variant = (variants.len() > 1).then(|| variant.to_string());
            let seed = (seeds.len() > 1).then(|| format!("seed {seed}"));
            let more: Vec<String> = variant.into_iter().chain(seed).collect();
            all.push((more.join(", "), one));
        }
    }
    Ok(all)
}

/// Tells what happens to the runs, unless it is to be quiet: a line for each that is over, and on a
/// terminal a bar for all of them and one for each that is trained.
struct Narrator<'a> {
    planned: &'a [Planned],
    quiet: bool,
    interrupted: Arc<AtomicBool>,
    bars: MultiProgress,
    all: ProgressBar,
    trained: Mutex<BTreeMap<usize, ProgressBar>>,
    skipped: AtomicUsize,
}

impl<'a> Narrator<'a> {
    fn new(planned: &'a [Planned], quiet: bool, interrupted: Arc<AtomicBool>) -> Self {
        let bars = MultiProgress::new();
        if quiet || !io::stderr().is_terminal() {
            bars.set_draw_target(ProgressDrawTarget::hidden());
        }
        let all = bars.add(bar("{bar:30} {pos}/{len} runs, {eta} left", planned.len()));
        let trained = Mutex::default();
        Self { planned, quiet, interrupted, bars, all, trained, skipped: AtomicUsize::new(0) }
    }

    fn say(&self, text: &str) {
        if !self.quiet {
            self.bars.suspend(|| say(text));
        }
    }

    /// Hears of a run; breaks when Ctrl-C was pressed.
    fn hear(&self, run: usize, progress: Progress<'_>) -> ControlFlow<()> {
        let Planned { label, settings, .. } = &self.planned[run];
        let mut trained = self.trained.lock().unwrap_or_else(PoisonError::into_inner);
        match progress {
            Progress::Skipped(path) => {
                self.skipped.fetch_add(1, Ordering::Relaxed);
                let reason = format!("it is done, in {}", path.display());
                self.say(&format!("Skipped: {label}: {reason}"));
            }
            Progress::Started { again } => {
                if again {
                    let reason = "it was not finished, and goes on from its last state";
                    self.say(&format!("Again:   {label}: {reason}"));
                }
                let bar = bar("{msg} {bar:20} {pos}/{len} epochs", settings.epochs());
                let bar = self.bars.add(bar.with_message(label.clone()));
                trained.insert(run, bar);
            }
            Progress::Batch => {}
            Progress::Trouble(trouble) => {
                self.bars.suspend(|| complain(&format!("{label}: {trouble}; the run goes on")));
            }
            Progress::Epoch(epoch) => {
                trained.iter().filter(|(other, _)| **other == run).for_each(|(_, bar)| {
                    bar.set_position(epoch.epoch as u64);
                });
            }
            Progress::Ended(outcome) => {
                let bar = trained.remove(&run);
                if let Some(bar) = &bar {
                    bar.finish_and_clear();
                    self.bars.remove(bar);
                }
                self.all.inc(1);
                match outcome {
                    // That it is skipped has been said.
                    Outcome::Done(_) if bar.is_none() => {}
                    Outcome::Done(path) => {
                        self.say(&format!("Done:    {label}, in {}", path.display()));
                    }
                    Outcome::Failed(why) => self.say(&format!("Failed:  {label}: {why}")),
                    Outcome::Open => self.say(&format!("Not finished: {label}")),
                }
            }
        }
        if self.interrupted.load(Ordering::Relaxed) {
            ControlFlow::Break(())
        } else {
            ControlFlow::Continue(())
        }
    }

    /// Removes the bars; how many runs were skipped.
    fn finish(&self) -> usize {
        self.all.finish_and_clear();
        self.skipped.load(Ordering::Relaxed)
    }
}

fn bar(template: &str, length: usize) -> ProgressBar {
    let style = ProgressStyle::with_template(template);
    ProgressBar::new(length as u64)
        .with_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()))
}
