//! `compare`: runs of earlier trainings side by side.

use std::path::PathBuf;
use std::process::ExitCode;

use clap::Args;
use morphograd::artifacts::{ArtifactError, RunFolder};
use morphograd::compare::{CompareError, Compared, report, runs_of};

use super::{CommandResult, folder, say};

/// Compares runs of earlier trainings: a table here, a page with curves and filters
///
/// Runs that differ in their seed only make a group, with means and ranges. The page is one file
/// that loads nothing; the tables are beside it as CSV and JSON. Runs on different data can be
/// compared, and this is said; runs that learn classes cannot be with runs that learn images.
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  \
    cargo xtask compare runs/digits runs/digits-2             two trainings\n  \
    cargo xtask compare runs/digits/none-seed0 runs/digits-2  one run with all of a training\n  \
    cargo xtask compare runs/sweep runs/digits                a sweep with a training")]
pub(crate) struct Arguments {
    /// Folder of a training or a sweep, for all of its runs, or of one of its runs
    #[arg(value_name = "RUN", required = true)]
    runs: Vec<PathBuf>,
    /// Folder for the results, new or empty [default: a new one in runs/]
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
}

pub(crate) fn main(arguments: &Arguments) -> CommandResult {
    let mut runs = Vec::new();
    for path in &arguments.runs {
        runs.extend(runs_of(path)?);
    }
    if runs.len() < 2 {
        return Err(CompareError::TooFew { found: runs.len() }.into());
    }
    let compared = Compared::new(runs, Vec::new())?;
    let out = match &arguments.out {
        Some(path) => RunFolder::exactly(path)?,
        None => RunFolder::create(&folder("runs"), "compare")?,
    };
    say(compared.text());
    if compared.has_means() {
        say(format_args!("Means over the seeds, ranges below:\n{}", compared.means_text()));
    }
    let lead = format!("{} runs, read from their folders.", compared.runs.len());
    write(&out, "A comparison of trainings", &lead, &compared)?;
    Ok(ExitCode::SUCCESS)
}

/// Writes page, figures and tables, and says where.
pub(super) fn write(
    out: &RunFolder,
    title: &str,
    lead: &str,
    compared: &Compared,
) -> Result<(), ArtifactError> {
    for (name, contents) in report(title, lead, compared) {
        out.write(&name, contents.as_bytes())?;
    }
    say(format_args!("Results: {}", out.path().display()));
    say(format_args!("Report:  {}", out.path().join("report.html").display()));
    Ok(())
}
