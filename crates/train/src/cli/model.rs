//! `model`: what a model file can name, and whether one can be built.

use std::path::PathBuf;
use std::process::ExitCode;

use clap::Subcommand;
use morphograd::model::{ModelFile, list};
use morphograd_morphology::nn::autodiff::Params;
use morphograd_morphology::nn::summary;
use morphograd_morphology::nn::tensor::Shape;

use super::{CommandResult, say};

/// Checks a model file, or lists what one can name
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Builds the network of a file and prints its summary
    Check {
        /// The model file
        file: PathBuf,
        /// Shape of one input: height, width and channels [default: that of the file, else 28x28x1]
        #[arg(long, value_name = "SHAPE", value_parser = shape)]
        input: Option<Input>,
        /// Number of classes [default: that of the file, else 10]
        #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=100_000))]
        classes: Option<u32>,
    },
    /// Prints every layer, set, initializer, … with its fields and their defaults
    List {
        /// Only what has this word in its name
        word: Option<String>,
    },
}

/// The lengths of the axes of an input.
#[derive(Debug, Clone)]
pub(crate) struct Input(Vec<usize>);

fn shape(text: &str) -> Result<Input, String> {
    let wrong = || format!("expected 1 to 4 lengths such as 28x28x1, found `{text}`");
    let length = |part: &str| part.trim().parse::<usize>().ok().filter(|n| *n > 0);
    let lengths: Option<Vec<usize>> = text.split(['x', ',']).map(length).collect();
    let lengths = lengths.filter(|lengths| lengths.len() <= 4).ok_or_else(wrong)?;
    let numbers = lengths.iter().try_fold(1usize, |all, n| all.checked_mul(*n));
    numbers.filter(|numbers| *numbers <= 100_000_000).ok_or_else(wrong)?;
    Ok(Input(lengths))
}

pub(crate) fn main(command: &Command) -> CommandResult {
    match command {
        Command::Check { file, input, classes } => {
            let file = ModelFile::read(file)?;
            let input = input.as_ref().map(|input| &input.0).or(file.input.as_ref());
            let input = input.map_or_else(|| vec![28, 28, 1], Vec::clone);
            let classes = classes.map(|n| n as usize).or(file.classes).unwrap_or(10);
            let mut params = Params::new();
            let model = file.build(&mut params, 0, Shape::new(&input), classes)?;
            if let Some(about) = &file.about {
                say(format_args!("{}: {about}", file.name()));
            }
            say(summary(&model, &params).trim_end());
            for id in params.ids() {
                if let Some(set) = params.constraint(id) {
                    say(format_args!("{} in {set:?}", params.name(id)));
                }
            }
        }
        Command::List { word } => {
            let text = list(word.as_deref());
            if text.is_empty() {
                let word = word.as_deref().unwrap_or_default();
                return Err(format!(
                    "expected a word in the name of a layer or of another thing \
                                    of a model file, found `{word}`"
                )
                .into());
            }
            say(text.trim_end());
        }
    }
    Ok(ExitCode::SUCCESS)
}
