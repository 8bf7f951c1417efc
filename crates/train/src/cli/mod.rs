//! The command line: what can be asked for, and how errors are told.
#![expect(clippy::print_stderr, reason = "the one place that speaks to a person")]

mod apply;
mod compare;
mod data;
mod data_arguments;
mod evaluate;
mod model;
mod predict;
mod sweep;
mod train;

use std::env;
use std::error::Error;
use std::fs;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use clap::{Parser, Subcommand};

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
}

/// What xtask does by itself.
const GENERATE: &str = "In the repository, `cargo xtask data generate` draws the embedded digits \
    again: the same files, bit for bit.";

pub(crate) fn main() -> ExitCode {
    let result = match Cli::parse().command {
        Command::Train(arguments) => train::main(&arguments),
        Command::Sweep(arguments) => sweep::main(&arguments),
        Command::Apply(arguments) => apply::main(&arguments),
        Command::Data(command) => data::main(&command),
        Command::Model(command) => model::main(&command),
        Command::Predict(arguments) => predict::main(&arguments),
        Command::Evaluate(arguments) => evaluate::main(&arguments),
        Command::Compare(arguments) => compare::main(&arguments),
    };
    match result {
        Ok(code) => code,
        Err(error) => {
            complain(&*error);
            ExitCode::FAILURE
        }
    }
}

/// Tells what went wrong.
fn complain(error: &(dyn Error + Send + Sync)) {
    eprintln!("error: {error}");
}

/// A folder of the repository (`datasets`, `runs`): of the checkout that `cargo xtask` was called
/// in, else of the current folder.
fn folder(name: &str) -> PathBuf {
    env::var_os("MORPHOGRAD_ROOT").map_or_else(PathBuf::new, PathBuf::from).join(name)
}

/// A flag that Ctrl-C sets; a second Ctrl-C ends at once.
fn on_ctrl_c() -> Result<Arc<AtomicBool>, ctrlc::Error> {
    let interrupted = Arc::new(AtomicBool::new(false));
    let flag = Arc::clone(&interrupted);
    ctrlc::set_handler(move || {
        if flag.swap(true, Ordering::Relaxed) {
            std::process::exit(130);
        }
    })?;
    Ok(interrupted)
}

/// The text of a file.
fn read_text(path: &Path) -> Result<String, String> {
    fs::read_to_string(path).map_err(|e| format!("{}: {e}", path.display()))
}

/// Prints a line. A reader that has gone (`| head`) is no reason to lose a training: what it would
/// have read is left out.
fn say(text: impl std::fmt::Display) {
    let _ = writeln!(io::stdout(), "{text}");
}

/// Why a command could not be done.
type Failure = Box<dyn Error + Send + Sync>;

type CommandResult = Result<ExitCode, Failure>;
