//! `evaluate`: how well a trained network does on data.

use std::path::PathBuf;
use std::process::ExitCode;

use clap::Args;
use morphograd::data::Colour;
use morphograd::model::SavedModel;
use morphograd_morphology::nn::SoftmaxCrossEntropy;
use morphograd_morphology::nn::fit::{ConfusionMatrix, evaluate};

use super::data_arguments::DataArguments;
use super::predict::image_shape;
use super::{CommandResult, say};

/// Measures a trained network on the test images of a data set
///
/// The images are resized to what the network takes, and the classes have to be those it has
/// learned.
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  cargo xtask evaluate runs/shapes --data photographs")]
pub(crate) struct Arguments {
    /// Folder of a run, or its weights.safetensors
    #[arg(value_name = "RUN")]
    run: PathBuf,
    #[command(flatten)]
    data: DataArguments,
}

/// Images of a step.
const BATCH: usize = 128;

pub(crate) fn main(arguments: &Arguments) -> CommandResult {
    let saved = SavedModel::open(&arguments.run)?;
    let [height, width, channels] = image_shape(&saved)?;
    let mut settings = arguments.data.settings(None)?;
    settings.resize = Some([height, width]);
    settings.colour = Some(if channels == 1 { Colour::Grey } else { Colour::Rgb });
    let data = arguments.data.load(&settings, false)?;
    if data.class_names != saved.class_names {
        return Err(format!(
            "expected data of the classes {}, found {}",
            saved.class_names.join(", "),
            data.class_names.join(", ")
        )
        .into());
    }
    if saved.model.output().dims() != [saved.class_names.len()] {
        let found = format!("outputs of shape {}", saved.model.output());
        return Err(format!("expected a network of classes, found {found}").into());
    }
    let mut confusion = ConfusionMatrix::new(data.class_names.len());
    let loss = evaluate(
        &saved.model,
        &SoftmaxCrossEntropy,
        &data.test,
        BATCH,
        &saved.params,
        &mut [&mut confusion],
    )?;
    say(format_args!("Data: {} ({} test images)", data.note, data.test.len()));
    say(format_args!("loss {loss:.4}, accuracy {:.4}\n", confusion.accuracy()));
    let names = &data.class_names;
    say(format_args!("Confusion matrix (rows: true classes)\n{}", confusion.text(names)));
    say(confusion.report(names));
    Ok(ExitCode::SUCCESS)
}
