//! Layers one after the other: a description like that of any layer, and the model it becomes.

use morphograd_autodiff::tensor::{MAX_RANK, Real, Shape, ShapeError};
use morphograd_autodiff::{Graph, Mode, Params, Tape, Var};

use crate::model::build::{Build, Description};
use crate::model::builder::Builder;
use crate::model::error::BuildError;
use crate::model::layer::Layer;

/// Named layers, applied one after the other: the description of a model, or of a part of one.
///
/// ```
/// use morphograd_nn::{Activation, Dense, Sequential, autodiff::Params};
/// let dense = |units| Dense { units, ..Dense::default() };
/// let mut params = Params::<f32>::new();
/// let head = Sequential::new().add("hidden", dense(8)).add("relu", Activation::Relu);
/// let model = Sequential::new()
///     .add("head", head) // a part, with its own names
///     .add("logits", dense(3))
///     .build_model(&mut params, 0, [4])?;
/// assert_eq!(model.output().dims(), [3]);
/// assert!(params.find("head.hidden.kernel").is_some());
/// # Ok::<(), morphograd_nn::BuildError>(())
/// ```
#[derive(Debug)]
pub struct Sequential<T> {
    layers: Vec<(String, Description<T>)>,
}

/// Layers with their parameters, applied one after the other. Two neighbours may be computed as one
/// ([`Fusion`](crate::Fusion)), with the same values.
#[derive(Debug)]
pub struct Model<T> {
    input: Shape,
    entries: Vec<Entry<T>>,
    /// At a layer that is computed together with the next one, that computation.
    fused: Vec<Option<Box<dyn Layer<T>>>>,
}

/// A layer of a model, as its summary lists it.
#[derive(Debug)]
pub struct Entry<T> {
    /// Name given by the user, first part of its parameters' paths.
    pub name: String,
    /// Name of its description's type, `Conv2d` for instance.
    pub kind: &'static str,
    /// Shape of its output, without the batch axis.
    pub output: Shape,
    /// How many numbers its parameters hold.
    pub n_params: usize,
    layer: Box<dyn Layer<T>>,
}

impl<T: Real> Entry<T> {
    /// [`Layer::lipschitz`] of this layer.
    pub fn lipschitz(&self, params: &Params<T>) -> Option<f64> {
        self.layer.lipschitz(params)
    }
}

impl<T> Default for Sequential<T> {
    fn default() -> Self {
        Self { layers: Vec::new() }
    }
}

impl<T: Real> Sequential<T> {
    /// No layers yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a layer at the end.
    #[must_use]
    pub fn add(mut self, name: &str, description: impl Build<T>) -> Self {
        self.layers.push((name.to_owned(), Description::new(description)));
        self
    }

    /// Builds the model for inputs of the given shape (without the batch axis). Its parameters go
    /// to `params`, under the names of the layers; the seed decides how they start.
    ///
    /// # Errors
    /// The first error of any layer, with the layer's name.
    pub fn build_model(
        self,
        params: &mut Params<T>,
        seed: u64,
        input: impl Into<Shape>,
    ) -> Result<Model<T>, BuildError> {
        self.build_model_in(&mut Builder::new(params, seed), input)
    }

    /// As [`build_model`](Self::build_model), with the path, the parameters and the seed of a
    /// builder: several models on one [`Params`] have a [scope](Builder::scope) each.
    ///
    /// # Errors
    /// As `build_model`.
    pub fn build_model_in(
        self,
        builder: &mut Builder<'_, T>,
        input: impl Into<Shape>,
    ) -> Result<Model<T>, BuildError> {
        let input = input.into();
        let mut model = Model { input, entries: Vec::new(), fused: Vec::new() };
        for (name, description) in self.layers {
            if model.entries.iter().any(|entry| entry.name == name) {
                return Err(BuildError::DuplicateLayer(name));
            }
            let entry = entry(builder, &name, description, model.output())
                .map_err(|error| error.within(&name))?;
            model.entries.push(entry);
        }
        model.fused = fuse(builder, input, &model.entries);
        Ok(model)
    }
}

impl<T: Real> Build<T> for Sequential<T> {
    fn build(
        self,
        builder: &mut Builder<'_, T>,
        input: Shape,
    ) -> Result<Box<dyn Layer<T>>, BuildError> {
        Ok(Box::new(self.build_model_in(builder, input)?))
    }
}

fn entry<T: Real>(
    builder: &mut Builder<'_, T>,
    name: &str,
    description: Description<T>,
    input: Shape,
) -> Result<Entry<T>, BuildError> {
    if input.rank() == MAX_RANK {
        let expected = format!("an input of at most {} axes", MAX_RANK - 1);
        return Err(ShapeError::new("model", expected, format!("shape {input}")).into());
    }
    let before = builder.params().count();
    let kind = description.kind();
    let layer = description.build(&mut builder.scope(name), input)?;
    let n_params = builder.params().count() - before;
    // One pass over the shapes alone says what comes out, and that the layer accepts what comes in.
    let mut tape = Tape::new();
    let mut graph = tape.record(builder.params(), Mode::Shapes);
    let x = graph.input_with(input.batched(1), |_| ());
    let y = layer.forward(&mut graph, x)?;
    let output = graph.shape(y).unbatched();
    Ok(Entry { name: name.to_owned(), kind, output, n_params, layer })
}

/// The computations of two neighbours as one, from the front; each layer is part of at most one.
fn fuse<T: Real>(
    builder: &Builder<'_, T>,
    mut input: Shape,
    entries: &[Entry<T>],
) -> Vec<Option<Box<dyn Layer<T>>>> {
    let mut fused: Vec<Option<Box<dyn Layer<T>>>> = Vec::new();
    for (i, entry) in entries.iter().enumerate() {
        let taken = fused.last().is_some_and(Option::is_some);
        let next = entries.get(i + 1).filter(|_| !taken);
        fused.push(next.and_then(|next| builder.fused(&*entry.layer, &*next.layer, input)));
        input = entry.output;
    }
    fused
}

impl<T: Real> Model<T> {
    /// The shape of one input, without the batch axis.
    pub fn input(&self) -> Shape {
        self.input
    }

    /// The shape of one output, without the batch axis.
    pub fn output(&self) -> Shape {
        self.entries.last().map_or(self.input, |entry| entry.output)
    }

    /// The layers.
    pub fn entries(&self) -> &[Entry<T>] {
        &self.entries
    }

    /// Applies the layers up to and including `name`: a feature extractor.
    ///
    /// # Errors
    /// If there is no such layer or the shape of `x` does not fit.
    pub fn forward_until(
        &self,
        graph: &mut Graph<'_, T>,
        x: Var,
        name: &str,
    ) -> Result<Var, ShapeError> {
        let last = self.entries.iter().position(|entry| entry.name == name).ok_or_else(|| {
            let names: Vec<_> = self.entries.iter().map(|entry| entry.name.as_str()).collect();
            let expected = format!("one of the layers {}", names.join(", "));
            ShapeError::new("model", expected, format!("`{name}`"))
        })?;
        self.run(graph, x, last + 1)
    }

    /// Applies the first `n` layers.
    fn run(&self, graph: &mut Graph<'_, T>, mut x: Var, n: usize) -> Result<Var, ShapeError> {
        let mut i = 0;
        while i < n {
            let entry = &self.entries[i];
            let fused = self.fused[i].as_ref().filter(|_| i + 1 < n);
            let layer = fused.unwrap_or(&entry.layer);
            x = layer.forward(graph, x).map_err(|error| error.within(&entry.name))?;
            i += if fused.is_some() { 2 } else { 1 };
        }
        Ok(x)
    }
}

impl<T: Real> Layer<T> for Model<T> {
    fn forward(&self, graph: &mut Graph<'_, T>, x: Var) -> Result<Var, ShapeError> {
        self.run(graph, x, self.entries.len())
    }

    /// The product of the layers'.
    fn lipschitz(&self, params: &Params<T>) -> Option<f64> {
        self.entries.iter().try_fold(1.0, |product, entry| Some(product * entry.lipschitz(params)?))
    }
}
