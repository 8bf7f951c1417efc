//! The command line: what can be asked for, and how errors are told.
#![expect(clippy::print_stderr, reason = "the one place that speaks to a person")]

mod apply;
mod compare;
mod data;
mod data_arguments;
mod evaluate;
mod model;
mod predict;
mod report;
mod sweep;
mod train;

use std::env;
use std::error::Error;
use std::fs::File;
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use clap::{Parser, Subcommand};
use morphograd::morphology::nn::ranks::Communicator;

/// Trains morphological networks with constrained parameters by projected gradient, and applies
/// morphological operators to images.
#[derive(Debug, Parser)]
#[command(name = "cargo xtask", bin_name = "cargo xtask", version, arg_required_else_help = true)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    Train(Box<train::Arguments>),
    Sweep(Box<sweep::Arguments>),
    Apply(Box<apply::Arguments>),
    /// Fetches, checks or regenerates data sets
    #[command(subcommand, after_help = GENERATE)]
    Data(data::Command),
    #[command(subcommand)]
    Model(model::Command),
    Predict(predict::Arguments),
    Evaluate(evaluate::Arguments),
    Compare(compare::Arguments),
    Report(report::Arguments),
}

/// What xtask does by itself.
const GENERATE: &str = "In the repository, `cargo xtask data generate` draws the embedded digits \
    again: the same files, bit for bit.";

/// Does what the arguments ask for, together with other processes that were started with the same.
pub(crate) fn main(communicator: &'static dyn Communicator) -> ExitCode {
    let result = match Cli::parse().command {
        Command::Train(arguments) => train::main(&arguments, communicator),
        _ if communicator.size() > 1 => Err(format!(
            "expected `train` for {} processes, found a command for one",
            communicator.size()
        )
        .into()),
        Command::Sweep(arguments) => sweep::main(&arguments),
        Command::Apply(arguments) => apply::main(&arguments),
        Command::Data(command) => data::main(&command),
        Command::Model(command) => model::main(&command),
        Command::Predict(arguments) => predict::main(&arguments),
        Command::Evaluate(arguments) => evaluate::main(&arguments),
        Command::Compare(arguments) => compare::main(&arguments),
        Command::Report(arguments) => report::main(&arguments),
    };
    match result {
        Ok(code) => code,
        Err(error) if communicator.size() > 1 => {
            let error: Failure = format!("rank {}: {error}", communicator.rank()).into();
            complain(&error.to_string());
            ExitCode::FAILURE
        }
        Err(error) => {
            complain(&error.to_string());
            ExitCode::FAILURE
        }
    }
}

/// Tells what went wrong.
fn complain(error: &str) {
    eprintln!("error: {error}");
}

/// A folder of the repository (`datasets`, `runs`): of the checkout that `cargo xtask` was called
/// in, else of the current folder.
fn folder(name: &str) -> PathBuf {
    env::var_os("MORPHOGRAD_ROOT").map_or_else(PathBuf::new, PathBuf::from).join(name)
}

/// A flag that Ctrl-C sets, and whatever else asks a program to end (`kill`, the end of a login, of
/// a container, of a job's time); the second time it ends at once.
fn on_ctrl_c() -> Result<Arc<AtomicBool>, ctrlc::Error> {
    let interrupted = Arc::new(AtomicBool::new(false));
    let flag = Arc::clone(&interrupted);
    ctrlc::set_handler(move || {
        if flag.swap(true, Ordering::Relaxed) {
            std::process::exit(INTERRUPTED.into());
        }
    })?;
    Ok(interrupted)
}

/// The exit code of a command that was interrupted, as of shells.
const INTERRUPTED: u8 = 130;

/// The text of a file, which is not longer than settings and models are.
fn read_text(path: &Path) -> Result<String, String> {
    const MOST: u64 = 16 << 20;
    let mut text = String::new();
    let read = File::open(path).and_then(|file| file.take(MOST + 1).read_to_string(&mut text));
    match read {
        Ok(length) if length as u64 <= MOST => Ok(text),
        Ok(_) => Err(format!("{}: expected at most {MOST} bytes, found more", path.display())),
        Err(error) => Err(format!("{}: {error}", path.display())),
    }
}

/// Prints a line. A reader that has gone (`| head`) is no reason to lose a training: what it would
/// have read is left out.
fn say(text: impl std::fmt::Display) {
    let _ = writeln!(io::stdout(), "{text}");
}

/// Why a command could not be done.
type Failure = Box<dyn Error + Send + Sync>;

type CommandResult = Result<ExitCode, Failure>;
