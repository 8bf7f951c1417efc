//! `report`: the figures and the page of a training, from what is there of it.

use std::fs;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::thread::available_parallelism;

use clap::Args;
use morphograd::artifacts::{RunFolder, run_name};
use morphograd::settings::Settings;
use morphograd::state::STATE;
use morphograd::tables::Comparison;

use super::data_arguments::DataArguments;
use super::{CommandResult, complain, read_text, say};

/// Writes the results of a training again, also of one that was stopped
///
/// metrics.json, the figures and report.html are made from the saved states of the runs; nothing is
/// trained. Weights are those that a run had learned when its state was saved.
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  cargo xtask report runs/digits")]
pub(crate) struct Arguments {
    /// Folder of a training
    #[arg(value_name = "RUN")]
    run: PathBuf,
    /// Its data, if they are not where they were
    #[arg(long, value_name = "DATA")]
    data: Option<PathBuf>,
}

pub(crate) fn main(arguments: &Arguments) -> CommandResult {
    let (text, _) = settings(&arguments.run)?;
    write(&RunFolder::opened(&arguments.run)?, &text, arguments.data.clone())
}

/// The settings of a training, and their text.
fn settings(run: &Path) -> Result<(String, Settings), String> {
    let path = run.join("config.toml");
    let text = read_text(&path)?;
    let settings = Settings::read(&text).map_err(|error| format!("{}: {error}", path.display()))?;
    Ok((text, settings))
}

/// `train --collect`: the runs of several trainings become those of one, in a new folder.
pub(super) fn collect(runs: &[PathBuf], out: &RunFolder, data: Option<PathBuf>) -> CommandResult {
    let mut merged: Option<Settings> = None;
    for run in runs {
        let (_, own) = settings(run)?;
        let differs = |what: String| {
            let (first, this) = (runs[0].display(), run.display());
            format!(
                "{this}: expected the settings of {first} but for constraints and seeds, found \
                     another `{what}`"
            )
        };
        merged = Some(match merged {
            None => own,
            Some(merged) => merged.merged(&own).map_err(differs)?,
        });
    }
    let plan = merged.ok_or("expected folders of trainings, found none")?;
    for variant in plan.variants()? {
        for seed in plan.seeds() {
            let name = run_name(&variant, *seed);
            let of = |run: &PathBuf| run.join(&name).join(STATE).is_file();
            match &runs.iter().filter(|run| of(run)).collect::<Vec<_>>()[..] {
                [] => {}
                [run] => {
                    let to = out.run(&variant, *seed)?;
                    for entry in fs::read_dir(run.join(&name))? {
                        let entry = entry?;
                        fs::copy(entry.path(), to.join(entry.file_name()))?;
                    }
                }
                [first, second, ..] => {
                    let (first, second) = (first.display(), second.display());
                    return Err(format!(
                        "{name}: expected it once, found it in {first} and in {second}"
                    )
                    .into());
                }
            }
        }
    }
    let text = plan.text();
    out.write("config.toml", text.as_bytes())?;
    write(out, &text, data)
}

/// Makes the results of the runs that are there.
fn write(out: &RunFolder, text: &str, data: Option<PathBuf>) -> CommandResult {
    let plan = Settings::read(text)?;
    let (dataset, _) = DataArguments::only(data).load_for(Some(text), true, false)?;
    let threads = available_parallelism().map_or(1, usize::from);
    let mut record = plan.experiment(&dataset, threads)?;
    record.config = text.to_owned();
    let mut missing = Vec::new();
    for variant in plan.variants()? {
        for seed in plan.seeds() {
            let name = run_name(&variant, *seed);
            if !out.path().join(&name).join(STATE).is_file() {
                missing.push(name);
                continue;
            }
            let stop_at_once = &mut |_: morphograd::recorder::Event<'_>| ControlFlow::Break(());
            record.runs.push(plan.run(&dataset, &variant, *seed, out, stop_at_once)?);
        }
    }
    out.write_results(&record)?;
    say(format_args!("{}", Comparison::new(&record).text()));
    say(format_args!("Report:  {}", out.path().join("report.html").display()));
    if !missing.is_empty() {
        complain(&format!(
            "expected {STATE} in the folder of each run, found none in {}; `cargo xtask train \
             --resume {}` trains what is missing",
            missing.join(", "),
            out.path().display()
        ));
        return Ok(ExitCode::FAILURE);
    }
    Ok(ExitCode::SUCCESS)
}
