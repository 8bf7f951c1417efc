//! `evaluate`: how well a trained network does on data.

use std::path::PathBuf;
use std::process::ExitCode;

use clap::Args;
use morphograd::data::{Augmentation, Augmented, Colour, Dataset};
use morphograd::model::{Examples, SavedModel, Target};
use morphograd_morphology::nn::autodiff::Params;
use morphograd_morphology::nn::fit::{ConfusionMatrix, Metric, evaluate};

use super::data_arguments::DataArguments;
use super::predict::image_shape;
use super::{CommandResult, say};

/// Measures a trained network on the test images of a data set
///
/// The images are resized to what the network takes, and the classes have to be those it has
/// learned. A network that learned images or numbers is measured by the loss and the metrics of its
/// model file, with the noise of the seed 0.
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
    let data = arguments.data.load(&mut settings, false)?;
    let mut training = saved.file.training()?;
    say(format_args!("Data: {} ({} test images)", data.note, data.test.len()));
    if training.target == Target::Labels {
        return classes(&saved, &data);
    }
    saved.fits(&data)?;
    let mut fixed = Params::new();
    let teacher = training.teacher.take();
    let input = saved.model.input();
    let teacher = teacher.map(|layers| saved.file.build_layers(layers, &mut fixed, input));
    let teacher = teacher.transpose()?;
    let teacher = teacher.as_ref().map(|teacher| (teacher, &fixed));
    let augmentation = Augmentation::default();
    let images = Augmented { images: &data.test, augmentation, seed: 0 };
    let examples = Examples::new((training.target, training.noise), teacher, images, "test noise");
    let mut metrics: Vec<&mut dyn Metric<f32>> =
        training.metrics.iter_mut().map(|metric| &mut **metric as _).collect();
    let (model, params) = (&saved.model, &saved.params);
    let loss = evaluate(model, &*training.loss, &examples, BATCH, params, &mut metrics)?;
    let measured =
        metrics.iter().map(|metric| format!(", {} {:.4}", metric.name(), metric.result()));
    say(format_args!("loss {loss:.6}{}", measured.collect::<String>()));
    Ok(ExitCode::SUCCESS)
}

fn classes(saved: &SavedModel, data: &Dataset) -> CommandResult {
    if data.class_names != saved.class_names {
        let names = data.class_names.join(", ");
        let found = if names.is_empty() { data.kind() } else { names };
        let expected = saved.class_names.join(", ");
        return Err(format!("expected data of the classes {expected}, found {found}").into());
    }
    if saved.model.output().dims() != [saved.class_names.len()] {
        let found = format!("outputs of shape {}", saved.model.output());
        return Err(format!("expected a network of classes, found {found}").into());
    }
    let mut confusion = ConfusionMatrix::new(data.class_names.len());
    let loss = evaluate(
        &saved.model,
        &*saved.file.training()?.loss,
        &data.test,
        BATCH,
        &saved.params,
        &mut [&mut confusion],
    )?;
    say(format_args!("loss {loss:.4}, accuracy {:.4}\n", confusion.accuracy()));
    let names = &data.class_names;
    say(format_args!("Confusion matrix (rows: true classes)\n{}", confusion.text(names)));
    say(confusion.report(names));
    Ok(ExitCode::SUCCESS)
}
