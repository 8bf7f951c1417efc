//! A model file: a network and how it is trained.
//!
//! The one design choice: a file is read anew for each network. Descriptions are used up when they
//! are built, and reading costs nothing beside building.

use std::fs;
use std::path::Path;

use morphograd_morphology::nn::autodiff::Params;
use morphograd_morphology::nn::tensor::Shape;
use morphograd_morphology::nn::{BuildError, Builder, Model, Sequential};

use super::error::ModelError;
use super::fields::{Fields, Read};
use super::layers::{self, Layer};
use super::source::{Data, Source, Value};
use super::training::Training;
use crate::memory::{MAX_OUTPUTS, MAX_PARAMETERS, outputs};
use crate::registry::CONSTRAINTS;

/// A model file that was read and whose fields are all known. What needs the size of the images is
/// found out when the network is built.
///
/// ```
/// use morphograd::model::ModelFile;
/// use morphograd_morphology::nn::{autodiff::Params, summary};
/// let text = r#"
///     input = [28, 28, 1]
///
///     [[layer]]
///     type = "Dilation2d"
///     filters = 8
///     size = 5
///     kernel = { constraint = { type = "Interval", min = -1, max = 0 } }
///
///     [[layer]]
///     type = "GlobalMaxPool"
///
///     [[layer]]
///     type = "Dense"
///     units = "classes"
/// "#;
/// let file = ModelFile::parse("digits.toml", text)?;
/// let mut params = Params::new();
/// let model = file.build(&mut params, 0, [28, 28, 1], 10)?;
/// assert!(summary(&model, &params).contains("dilation2d (Dilation2D)      (None, 24, 24, 8)"));
/// # Ok::<(), morphograd::model::ModelError>(())
/// ```
#[derive(Debug, Clone)]
pub struct ModelFile {
    source: Source,
    /// What the file says the network is for.
    pub about: Option<String>,
    /// The shape of one input that the file is made for: height, width and channels. A training
    /// takes that of its data.
    pub input: Option<Vec<usize>>,
    /// The number of classes that the file is made for. A training takes that of its data.
    pub classes: Option<usize>,
}

/// All that a file says.
struct Contents {
    about: Option<String>,
    input: Option<Vec<usize>>,
    classes: Option<usize>,
    layers: Vec<(String, usize, Layer)>,
    training: Training,
}

impl ModelFile {
    /// Reads a file.
    ///
    /// # Errors
    /// If it cannot be read, or as [`parse`](Self::parse).
    pub fn read(path: &Path) -> Result<Self, ModelError> {
        let io = |source| ModelError::Io { path: path.to_owned(), source };
        let text = fs::read_to_string(path).map_err(io)?;
        Self::parse(&path.display().to_string(), &text)
    }

    /// Reads a text; errors call it `file`.
    ///
    /// # Errors
    /// If it is no TOML, is larger than 1 MiB, or holds a field that is not known or cannot have
    /// this value.
    pub fn parse(file: &str, text: &str) -> Result<Self, ModelError> {
        let source = Source::parse(file, text)?;
        let Contents { about, input, classes, .. } = Contents::read(&source, 10)?;
        Ok(Self { source, about, input, classes })
    }

    /// The text.
    pub fn text(&self) -> &str {
        &self.source.text
    }

    /// The name of the file, as errors call it.
    pub fn file(&self) -> &str {
        &self.source.file
    }

    /// The name of the file without folder and ending: what runs are called. A file that is called
    /// as a constraint of the tutorial, whose published figures are known, is `…-model`.
    pub fn name(&self) -> String {
        let stem = Path::new(&self.source.file).file_stem();
        let stem = stem.map_or_else(|| "model".to_owned(), |s| s.to_string_lossy().into_owned());
        let is_taken = CONSTRAINTS.iter().any(|constraint| constraint.name == stem);
        if is_taken { format!("{stem}-model") } else { stem }
    }

    /// The layers, for data of so many classes.
    ///
    /// # Errors
    /// None that [`parse`](Self::parse) has not found.
    pub fn network(&self, classes: usize) -> Result<Sequential<f32>, ModelError> {
        Ok(sequential(Contents::read(&self.source, classes)?.layers))
    }

    /// How the network is trained.
    ///
    /// # Errors
    /// None that [`parse`](Self::parse) has not found.
    pub fn training(&self) -> Result<Training, ModelError> {
        Ok(Contents::read(&self.source, 10)?.training)
    }

    /// Builds the network for inputs of a shape and data of so many classes. The seed decides how
    /// the parameters start: by their paths, so that a file and the same layers in Rust have the
    /// same ones.
    ///
    /// # Errors
    /// If layers do not fit each other or the input, a set does not fit its parameter, or more than
    /// [`MAX_PARAMETERS`] bytes of parameters or [`MAX_OUTPUTS`] bytes of outputs are asked for.
    pub fn build(
        &self,
        params: &mut Params<f32>,
        seed: u64,
        input: impl Into<Shape>,
        classes: usize,
    ) -> Result<Model<f32>, ModelError> {
        self.build_within(params, seed, input, classes, MAX_PARAMETERS)
    }

    /// As [`build`](Self::build), with a limit of one's own for the bytes of all parameters.
    ///
    /// # Errors
    /// As `build`.
    pub fn build_within(
        &self,
        params: &mut Params<f32>,
        seed: u64,
        input: impl Into<Shape>,
        classes: usize,
        bytes: usize,
    ) -> Result<Model<f32>, ModelError> {
        let layers = Contents::read(&self.source, classes)?.layers;
        let lines: Vec<(String, usize)> =
            layers.iter().map(|(name, line, _)| (name.clone(), *line)).collect();
        let builder = &mut Builder::new(params, seed).at_most(bytes);
        let model = sequential(layers).build_model_in(builder, input).map_err(|source| {
            let text = source.to_string();
            let of = |(name, _): &&(String, usize)| {
                let rest = text.strip_prefix(name.as_str());
                rest.is_some_and(|rest| rest.starts_with([':', '.']))
                    || text.contains(&format!("`{name}."))
            };
            self.refused(lines.iter().find(of).map_or(1, |(_, line)| *line), source)
        })?;
        self.fits(&model, 1)?;
        Ok(model)
    }

    /// Builds layers with parameters that nobody trains: the teacher of a training.
    ///
    /// # Errors
    /// As [`build`](Self::build).
    pub fn build_layers(
        &self,
        layers: Sequential<f32>,
        params: &mut Params<f32>,
        input: impl Into<Shape>,
    ) -> Result<Model<f32>, ModelError> {
        let builder = &mut Builder::new(params, 0).at_most(MAX_PARAMETERS);
        layers.build_model_in(builder, input).map_err(|source| self.refused(1, source))
    }

    fn refused(&self, line: usize, source: BuildError) -> ModelError {
        ModelError::Build { file: self.source.file.clone(), line, source: Box::new(source) }
    }

    /// Checks that the outputs of all layers for a batch of so many inputs can be held.
    ///
    /// # Errors
    /// If they take more than [`MAX_OUTPUTS`] bytes.
    pub fn fits(&self, model: &Model<f32>, batch_size: usize) -> Result<(), ModelError> {
        let bytes = outputs(model, batch_size);
        if bytes <= MAX_OUTPUTS {
            return Ok(());
        }
        let fields = Fields::top(&self.source, 10);
        let expected = format!("outputs and gradients of at most {MAX_OUTPUTS} bytes a batch");
        Err(fields.conflict(expected, format!("{bytes} bytes for a batch of {batch_size}")))
    }
}

fn sequential(layers: Vec<(String, usize, Layer)>) -> Sequential<f32> {
    layers.into_iter().fold(Sequential::new(), |all, (name, _, layer)| all.add(&name, layer))
}

impl Contents {
    fn read(source: &Source, classes: usize) -> Read<Self> {
        let mut fields = Fields::top(source, classes);
        let f = &mut fields;
        let (about, input) = (f.text("about", "nothing")?, f.shape("input")?);
        let classes = f.optional_count("classes")?;
        let layers = layers::list(f, "layer")?;
        let expected = "a table, [training]";
        let training = match f.value("training", expected, "the settings of the command") {
            Some(value @ Value { data: Data::Table(items), .. }) => {
                f.table("training", value, items, Training::read)?
            }
            Some(value) => return Err(f.wrong("training", value, expected)),
            None => {
                let none = Source { fields: Vec::new(), ..source.clone() };
                Training::read(&mut Fields::top(&none, 10))?
            }
        };
        fields.finish()?;
        Ok(Self { about, input, classes, layers, training })
    }
}
