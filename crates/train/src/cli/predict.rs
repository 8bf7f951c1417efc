//! `predict`: what a trained network says of image files.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::{Args, ValueEnum};
use morphograd::data::files;
use morphograd::model::{SavedModel, Target};
use morphograd_image::{Depth, Picture};
use morphograd_morphology::nn::autodiff::{Mode, Tape};
use morphograd_morphology::nn::tensor::{Tensor, TensorRef};
use morphograd_morphology::nn::{Activation, Layer};
use serde_json::json;

use super::{CommandResult, say};

/// Says what class images are of, or gives the images or numbers that a network makes of them
///
/// A network of classes gives a line for each image with the most likely classes, one of numbers a
/// line with these; for both, images are resized to what the network takes. A network that gives
/// images writes them into --out under the same names, in the size of the image wherever its layers
/// can take that. Logits of masks become probabilities.
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  \
    cargo xtask predict runs/shapes new.png            one image\n  \
    cargo xtask predict runs/shapes *.png --format csv all probabilities of many\n  \
    cargo xtask predict runs/denoiser noisy.png --out clean   images to images")]
pub(crate) struct Arguments {
    /// Folder of a run, or its weights.safetensors
    #[arg(value_name = "RUN")]
    run: PathBuf,
    /// Image files
    #[arg(value_name = "IMAGE", required = true)]
    images: Vec<PathBuf>,
    /// How classes are printed; JSON and CSV have the probabilities of all
    #[arg(long, value_enum, default_value_t = Format::Table)]
    format: Format,
    /// Folder for the images that a network gives
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
}

#[derive(Debug, Clone, Copy, PartialEq, ValueEnum)]
enum Format {
    Table,
    Json,
    Csv,
}

/// The most likely classes of a line of the table.
const SHOWN: usize = 3;

pub(crate) fn main(arguments: &Arguments) -> CommandResult {
    let saved = SavedModel::open(&arguments.run)?;
    let input = image_shape(&saved)?;
    let training = saved.file.training()?;
    match (saved.model.output().dims(), &arguments.out) {
        ([classes], _)
            if training.target == Target::Labels && *classes == saved.class_names.len() =>
        {
            classify(&saved, input, arguments)
        }
        ([_], _) if training.target == Target::Data => {
            numbers(&saved, training.loss.prediction(), input, arguments)
        }
        ([_, _, 1 | 3], Some(out)) => {
            transform(&saved, training.loss.prediction(), input, &arguments.images, out)
        }
        ([_, _, 1 | 3], None) => {
            Err("expected --out DIR for a network that gives images, found none".into())
        }
        (other, _) => {
            let expected = "a network that gives classes, numbers or images";
            Err(format!("expected {expected}, found shape {other:?}").into())
        }
    }
}

/// Height, width and channels of what a network takes.
pub(super) fn image_shape(saved: &SavedModel) -> Result<[usize; 3], String> {
    match *saved.model.input().dims() {
        [height, width, channels @ (1 | 3)] => Ok([height, width, channels]),
        ref other => Err(format!(
            "{}: expected a network of images [height, width, 1 or 3], found {other:?}",
            saved.path.display()
        )),
    }
}

fn classify(saved: &SavedModel, input: [usize; 3], arguments: &Arguments) -> CommandResult {
    let names = &saved.class_names;
    if arguments.format == Format::Csv {
        let header = ["image", "class"].into_iter().chain(names.iter().map(String::as_str));
        say(csv_line(header)?);
    }
    for path in &arguments.images {
        let y = output(saved, Activation::Linear, input, &files::read_one(path, input)?)?;
        let probabilities = softmax(y.data());
        let mut order: Vec<usize> = (0..names.len()).collect();
        order.sort_by(|a, b| probabilities[*b].total_cmp(&probabilities[*a]));
        let best = &names[order[0]];
        let image = path.display();
        match arguments.format {
            Format::Table => {
                let likely = order.iter().take(SHOWN);
                let likely = likely.map(|i| format!("{} {:.3}", names[*i], probabilities[*i]));
                say(format_args!("{image}  {}", likely.collect::<Vec<_>>().join(", ")));
            }
            Format::Json => {
                let all: serde_json::Map<_, _> =
                    names.iter().cloned().zip(probabilities.iter().map(|p| json!(p))).collect();
                say(json!({ "image": image.to_string(), "class": best, "probabilities": all }));
            }
            Format::Csv => {
                let numbers = probabilities.iter().map(f64::to_string);
                let line = [image.to_string(), best.clone()].into_iter().chain(numbers);
                say(csv_line(line)?);
            }
        }
    }
    Ok(ExitCode::SUCCESS)
}

/// The numbers that a network gives of each image.
fn numbers(
    saved: &SavedModel,
    prediction: Activation,
    input: [usize; 3],
    arguments: &Arguments,
) -> CommandResult {
    let [count] = *saved.model.output().dims() else { unreachable!("numbers have one axis") };
    if arguments.format == Format::Csv {
        let columns = (0..count).map(|i| format!("value{i}"));
        say(csv_line(std::iter::once("image".to_owned()).chain(columns))?);
    }
    for path in &arguments.images {
        let y = output(saved, prediction, input, &files::read_one(path, input)?)?;
        let (image, values) = (path.display().to_string(), y.data());
        match arguments.format {
            Format::Table => {
                let values: Vec<String> = values.iter().map(|y| format!("{y:.4}")).collect();
                say(format_args!("{image}  {}", values.join(" ")));
            }
            Format::Json => say(json!({ "image": image, "values": values })),
            Format::Csv => {
                let values = values.iter().map(f32::to_string);
                say(csv_line(std::iter::once(image).chain(values))?);
            }
        }
    }
    Ok(ExitCode::SUCCESS)
}

/// A line of a CSV, with quotes where they are needed.
fn csv_line<I: IntoIterator<Item = S>, S: AsRef<[u8]>>(
    fields: I,
) -> Result<String, Box<dyn std::error::Error + Send + Sync>> {
    let mut writer = csv::Writer::from_writer(Vec::new());
    writer.write_record(fields)?;
    let line = String::from_utf8(writer.into_inner()?)?;
    Ok(line.trim_end().to_owned())
}

fn transform(
    saved: &SavedModel,
    prediction: Activation,
    input: [usize; 3],
    images: &[PathBuf],
    out: &Path,
) -> CommandResult {
    std::fs::create_dir_all(out).map_err(|e| format!("{}: {e}", out.display()))?;
    let target = |path: &Path| -> Result<PathBuf, String> {
        let name = path.file_stem().ok_or_else(|| format!("{}: no name", path.display()))?;
        Ok(out.join(name).with_extension("png"))
    };
    // Before the first is written, so that nothing is lost and nothing is half done.
    let targets = images.iter().map(|path| target(path)).collect::<Result<Vec<_>, _>>()?;
    for (i, path) in targets.iter().enumerate() {
        if path.exists() {
            return Err(format!("{}: there already; choose another --out", path.display()).into());
        }
        if targets[..i].contains(path) {
            return Err(format!("{}: two images would be written there", path.display()).into());
        }
    }
    for (path, target) in images.iter().zip(&targets) {
        let found = morphograd_image::inspect(path)?;
        let own = [found.height, found.width, input[2]];
        let y = match output(saved, prediction, own, &files::read_one(path, own)?) {
            Ok(y) => y,
            // A layer that is made for one size.
            Err(_) if own != input => {
                output(saved, prediction, input, &files::read_one(path, input)?)?
            }
            Err(error) => return Err(error.into()),
        };
        // Of 16 bits and floats as many bits are kept as a PNG has.
        let depth = match found.depth {
            Depth::Bit | Depth::U8 => Depth::U8,
            Depth::U16 | Depth::F32 => Depth::U16,
        };
        let y = Tensor::from_vec(y.shape().unbatched(), y.data().to_vec())?;
        morphograd_image::write(target, &Picture::from_tensor(y.view(), depth)?)?;
        let [height, width] = [y.shape().dims()[0], y.shape().dims()[1]];
        let to = target.display();
        say(format_args!("{} -> {to} ({height}x{width})", path.display()));
    }
    Ok(ExitCode::SUCCESS)
}

/// What the network makes of one image, with the activation that turns it into a prediction.
fn output(
    saved: &SavedModel,
    prediction: Activation,
    [height, width, channels]: [usize; 3],
    pixels: &[f32],
) -> Result<Tensor<f32>, morphograd_morphology::nn::tensor::ShapeError> {
    let mut tape = Tape::new();
    let mut graph = tape.record(&saved.params, Mode::Eval);
    let x = graph.input(TensorRef::new([1, height, width, channels], pixels));
    let y = saved.model.forward(&mut graph, x)?;
    let y = prediction.apply(&mut graph, y)?;
    Ok(graph.value(y).to_tensor())
}

fn softmax(logits: &[f32]) -> Vec<f64> {
    let top = logits.iter().copied().fold(f32::NEG_INFINITY, f32::max);
    let all: Vec<f64> = logits.iter().map(|z| f64::from(z - top).exp()).collect();
    let sum: f64 = all.iter().sum();
    all.into_iter().map(|e| e / sum).collect()
}
