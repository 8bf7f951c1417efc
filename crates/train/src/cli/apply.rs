//! `apply`: operators on image files, told while they are worked on.

use std::collections::HashSet;
use std::error::Error;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::thread::available_parallelism;

use clap::{Arg, ArgAction, ArgMatches, Args, Command, FromArgMatches};
use indicatif::{ProgressBar, ProgressStyle};
use morphograd::apply::{
    ApplyError, OPERATORS, Output, PARAMETERS, Pipeline, Strips, contact_sheet, list, page,
    side_by_side,
};
use morphograd_image::{Format, Limits, Rows, read, write, write_bands};

use super::{CommandResult, complain, say};

/// Applies morphological operators to image files
///
/// PNG, TIFF, JPEG and PNM files are read and written, with 8, 16 bits and floats kept, each
/// channel on its own, and alpha as it is. Several operators stand in one argument, with bars
/// between them.
#[derive(Debug, Args)]
#[command(after_help = after_help())]
pub(crate) struct Arguments {
    /// Operators with their values, such as "opening disk:3 | gradient"; see --list
    #[arg(required_unless_present_any = ["list", "pictures"])]
    pipeline: Option<String>,
    /// The image and the file to write; with --out any number of images and folders of images
    paths: Vec<PathBuf>,
    #[command(flatten)]
    parameters: Parameters,
    /// Folder for the results, which have the names of the images
    #[arg(long, value_name = "DIR", help_heading = "Files")]
    out: Option<PathBuf>,
    /// Ending of the results, such as png or tif [default: that of the image]
    #[arg(long, value_name = "ENDING", requires = "out", help_heading = "Files")]
    format: Option<String>,
    /// Replace files that are there
    #[arg(long, help_heading = "Files")]
    force: bool,
    /// Write a picture NAME.show.png of image and result side by side too
    #[arg(long, conflicts_with = "tile", help_heading = "Files")]
    show: bool,
    /// Have only N rows and those nearby in memory: PNG and TIFF, and operators that look nearby
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..),
        help_heading = "Files")]
    tile: Option<u32>,
    /// The most MiB of pixels that a file may ask for
    #[arg(long, value_name = "MIB", default_value_t = 256, help_heading = "Files")]
    limit: u32,
    /// Tell every operator, parameter and shape
    #[arg(long, help_heading = "Help")]
    list: bool,
    /// Write a page (.html) or a figure (.svg) with a picture for each operator
    #[arg(long, value_name = "FILE", help_heading = "Help")]
    pictures: Option<PathBuf>,
    /// Threads; the result does not depend on it [default: all]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=1024))]
    threads: Option<u16>,
    /// Print only errors
    #[arg(long, short)]
    quiet: bool,
}

/// One option for each parameter of the table, for all operators of the pipeline that take it.
#[derive(Debug)]
struct Parameters {
    given: Vec<(&'static str, String)>,
}

impl Args for Parameters {
    fn augment_args(mut command: Command) -> Command {
        for parameter in PARAMETERS {
            let default = parameter.default.map_or(String::new(), |d| format!(" [default: {d}]"));
            let arg = Arg::new(parameter.name)
                .long(parameter.name)
                .value_name(parameter.value)
                .help(format!("{}{default}", parameter.about))
                .help_heading("Parameters of operators")
                .action(ArgAction::Set);
            command = command.arg(arg);
        }
        command
    }

    fn augment_args_for_update(command: Command) -> Command {
        Self::augment_args(command)
    }
}

impl FromArgMatches for Parameters {
    fn from_arg_matches(matches: &ArgMatches) -> Result<Self, clap::Error> {
        let given = PARAMETERS.iter().filter_map(|parameter| {
            let value = matches.get_one::<String>(parameter.name)?;
            Some((parameter.name, value.clone()))
        });
        Ok(Self { given: given.collect() })
    }

    fn update_from_arg_matches(&mut self, matches: &ArgMatches) -> Result<(), clap::Error> {
        *self = Self::from_arg_matches(matches)?;
        Ok(())
    }
}

fn after_help() -> String {
    let names: Vec<&str> = OPERATORS.iter().map(|operator| operator.name).collect();
    format!(
        "Operators: {}\n\nExamples:\n  \
         cargo xtask apply opening --element disk:5 in.png out.png\n  \
         cargo xtask apply \"closing disk:2 | h-maxima 10% | regional-maxima\" in.tif out.tif\n  \
         cargo xtask apply gradient photographs/ more.png --out edges --show\n  \
         cargo xtask apply \"white-top-hat line:15@30\" --tile 512 large.tif out.tif\n  \
         cargo xtask apply dilation --element runs/digits/none-seed0#3 in.png out.png\n  \
         cargo xtask apply --list --pictures operators.html",
        names.join(", ")
    )
}

/// An image and where its result goes; nowhere for a table that is printed.
struct Job {
    input: PathBuf,
    output: Option<PathBuf>,
}

type Failure = Box<dyn Error + Send + Sync>;

pub(crate) fn main(arguments: &Arguments) -> CommandResult {
    if arguments.list {
        say(list());
    }
    if let Some(path) = &arguments.pictures {
        let text = match path.extension().and_then(|ending| ending.to_str()) {
            Some("html") => page()?,
            Some("svg") => contact_sheet()?,
            _ => return Err(format!("{}: expected .html or .svg", path.display()).into()),
        };
        fs::write(path, text).map_err(|e| format!("{}: cannot write: {e}", path.display()))?;
    }
    let Some(text) = &arguments.pipeline else { return Ok(ExitCode::SUCCESS) };
    let options: Vec<(&str, &str)> =
        arguments.parameters.given.iter().map(|(name, value)| (*name, &**value)).collect();
    let pipeline = Pipeline::parse(text, &options)?;
    if arguments.tile.is_some() {
        pipeline.rows()?;
    }
    let jobs = arguments.jobs(&pipeline)?;
    let threads = arguments
        .threads
        .map_or_else(|| available_parallelism().map_or(1, usize::from), usize::from);
    let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build()?;
    pool.install(|| arguments.work(&pipeline, &jobs))
}

impl Arguments {
    /// What is to be done, so that what cannot be done is known before the first image is read.
    fn jobs(&self, pipeline: &Pipeline) -> Result<Vec<Job>, Failure> {
        let jobs = match &self.out {
            Some(folder) => self.jobs_into(folder, pipeline)?,
            None => vec![self.job(pipeline)?],
        };
        let mut names = HashSet::new();
        for output in jobs.iter().filter_map(|job| job.output.as_ref()) {
            let shown = self.show.then(|| shown(output));
            for path in std::iter::once(output).chain(&shown) {
                let name = path.display();
                if !names.insert(path.clone()) {
                    return Err(format!("{name}: two images would be written there").into());
                }
                if !self.force && path.exists() {
                    return Err(format!("{name}: there already; --force replaces it").into());
                }
            }
            if !pipeline.is_table() && Format::of_name(output).is_none() {
                let all = Format::ALL.map(|format| format.to_string()).join(", ");
                let name = output.display();
                return Err(format!("{name}: expected a name with the ending of {all}").into());
            }
        }
        Ok(jobs)
    }

    /// The one image of a call without `--out`.
    fn job(&self, pipeline: &Pipeline) -> Result<Job, Failure> {
        let (input, output) = match &self.paths[..] {
            [input] if pipeline.is_table() => (input, None),
            [input, output] => (input, Some(output.clone())),
            paths => {
                let found = paths.len();
                let expected = "the image and the file to write, or --out DIR for more images";
                return Err(format!("expected {expected}, found {found} paths").into());
            }
        };
        if input.is_dir() {
            let name = input.display();
            return Err(format!("{name}: expected --out DIR for the images of a folder").into());
        }
        Ok(Job { input: input.clone(), output })
    }

    fn jobs_into(&self, folder: &Path, pipeline: &Pipeline) -> Result<Vec<Job>, Failure> {
        let mut inputs = Vec::new();
        for path in &self.paths {
            if path.is_dir() {
                inputs.extend(images_of(path)?);
            } else {
                inputs.push(path.clone());
            }
        }
        if inputs.is_empty() {
            return Err("expected images or folders before --out, found none".into());
        }
        fs::create_dir_all(folder)
            .map_err(|e| format!("{}: cannot create the folder: {e}", folder.display()))?;
        let ending = if pipeline.is_table() { Some("csv") } else { self.format.as_deref() };
        let job = |input: PathBuf| {
            let Some(name) = input.file_name() else {
                return Err(format!("{}: expected the name of a file", input.display()).into());
            };
            let mut output = folder.join(name);
            if let Some(ending) = ending {
                output.set_extension(ending.trim_start_matches('.'));
            }
            Ok(Job { input, output: Some(output) })
        };
        inputs.into_iter().map(job).collect()
    }

    /// Works on all images. With several, one that fails is told and the others follow.
    fn work(&self, pipeline: &Pipeline, jobs: &[Job]) -> CommandResult {
        if let [job] = jobs {
            self.one(pipeline, job)?;
            return Ok(ExitCode::SUCCESS);
        }
        let bar =
            if self.quiet { ProgressBar::hidden() } else { ProgressBar::new(jobs.len() as u64) };
        let style = ProgressStyle::with_template("{bar:30} {pos}/{len} images, {eta} left  {msg}");
        bar.set_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()));
        let mut failed = 0;
        for job in jobs {
            bar.set_message(job.input.display().to_string());
            if let Err(error) = self.one(pipeline, job) {
                failed += 1;
                bar.suspend(|| complain(&error.to_string()));
            }
            bar.inc(1);
        }
        bar.finish_and_clear();
        if !self.quiet {
            say(format_args!("{} of {} images done", jobs.len() - failed, jobs.len()));
        }
        Ok(if failed == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE })
    }

    fn one(&self, pipeline: &Pipeline, Job { input, output }: &Job) -> Result<(), Failure> {
        let limits = Limits { bytes: u64::from(self.limit) << 20 };
        let at = |error: ApplyError| -> Failure {
            match error {
                ApplyError::Image(error) => error.into(),
                other => format!("{}: {other}", input.display()).into(),
            }
        };
        if let (Some(rows), Some(output)) = (self.tile, output) {
            let rows = rows as usize;
            return in_strips(pipeline, limits, [input, output], rows).map_err(at);
        }
        let picture = read(input, limits)?;
        match (pipeline.run(&picture).map_err(at)?, output) {
            (Output::Picture(result), Some(output)) => {
                write(output, &result)?;
                if self.show {
                    write(&shown(output), &side_by_side(&picture, &result))?;
                }
            }
            (Output::Table(table), Some(output)) => fs::write(output, table)
                .map_err(|e| format!("{}: cannot write: {e}", output.display()))?,
            (Output::Table(table), None) => say(table.trim_end()),
            (Output::Picture(_), None) => unreachable!("an image is written"),
        }
        Ok(())
    }
}

/// The picture beside a result: `NAME.show.png`.
fn shown(output: &Path) -> PathBuf {
    output.with_extension("show.png")
}

/// The images of a folder, by name.
fn images_of(folder: &Path) -> Result<Vec<PathBuf>, Failure> {
    let refused = |error| format!("{}: cannot read the folder: {error}", folder.display());
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).map_err(refused)? {
        let path = entry.map_err(refused)?.path();
        if path.is_file() && Format::of_name(&path).is_some() {
            found.push(path);
        }
    }
    if found.is_empty() {
        return Err(
            format!("{}: expected images in the folder, found none", folder.display()).into()
        );
    }
    found.sort();
    Ok(found)
}

/// Applies a pipeline to some rows at a time.
fn in_strips(
    pipeline: &Pipeline,
    limits: Limits,
    [input, output]: [&Path; 2],
    rows: usize,
) -> Result<(), ApplyError> {
    let mut source = Rows::open(input, limits)?;
    let header = source.header();
    let mut strips = Strips::new(pipeline, header, |count| {
        source.next(count).map(|rows| rows.expect("rows of the header")).map_err(ApplyError::from)
    })?;
    write_bands(output, header, rows, |count| strips.next(count))
}
