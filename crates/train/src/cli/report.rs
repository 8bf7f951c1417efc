//! `report`: the figures and the page of a training, from what is there of it.

use std::ops::ControlFlow;
use std::path::PathBuf;
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
    let path = arguments.run.join("config.toml");
    let text = read_text(&path)?;
    let plan = Settings::read(&text).map_err(|error| format!("{}: {error}", path.display()))?;
    let data = DataArguments::only(arguments.data.clone());
    let (dataset, _) = data.load_for(Some(&text), true, false)?;
    let out = RunFolder::opened(&arguments.run)?;
    let threads = available_parallelism().map_or(1, usize::from);
    let mut record = plan.experiment(&dataset, threads)?;
    record.config = text;
    let mut missing = Vec::new();
    for variant in plan.variants()? {
        for seed in plan.seeds() {
            let name = run_name(&variant, *seed);
            if !out.path().join(&name).join(STATE).is_file() {
                missing.push(name);
                continue;
            }
            let stop_at_once = &mut |_: morphograd::recorder::Event<'_>| ControlFlow::Break(());
            record.runs.push(plan.run(&dataset, &variant, *seed, &out, stop_at_once)?);
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
