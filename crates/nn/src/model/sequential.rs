//! Layers one after the other: the model of most experiments.

use std::any::type_name;

use morphograd_autodiff::tensor::{MAX_RANK, Real, Shape, ShapeError};
use morphograd_autodiff::{Add, Graph, Mode, Params, Tape, Var};

use crate::model::layer::{Build, BuildError, Builder, Layer, Penalty};

/// Named layers, applied one after the other. A layer and a max-pooling behind it may be computed
/// as one ([`Layer::forward_pooled`]), with the same values.
#[derive(Debug)]
pub struct Sequential<T> {
    input: Shape,
    entries: Vec<Entry<T>>,
    penalties: Vec<Penalty<T>>,
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

/// Adds layers and passes each the shape of what comes before.
#[derive(Debug)]
pub struct SequentialBuilder<'a, T> {
    params: &'a mut Params<T>,
    seed: u64,
    model: Result<Sequential<T>, BuildError>,
}

impl<T: Real> Sequential<T> {
    /// Starts a model for inputs of the given shape (without the batch axis). Its parameters go to
    /// `params`.
    pub fn builder(
        params: &mut Params<T>,
        seed: u64,
        input: impl Into<Shape>,
    ) -> SequentialBuilder<'_, T> {
        let model = Sequential { input: input.into(), entries: Vec::new(), penalties: Vec::new() };
        SequentialBuilder { params, seed, model: Ok(model) }
    }

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
            ShapeError::new(
                "model",
                format!("one of the layers {}", names.join(", ")),
                format!("`{name}`"),
            )
        })?;
        run(&self.entries[..=last], graph, x)
    }

    /// Adds the penalties of regularized parameters to a loss; without any, the loss itself.
    ///
    /// # Errors
    /// If a regularizer does not fit its parameter.
    pub fn penalize(&self, graph: &mut Graph<'_, T>, loss: Var) -> Result<Var, ShapeError> {
        self.penalties.iter().try_fold(loss, |loss, (id, regularizer)| {
            let weight = graph.param(*id);
            let penalty = regularizer.penalty(graph, weight)?;
            graph.apply(Add, [loss, penalty])
        })
    }
}

impl<T: Real> Layer<T> for Sequential<T> {
    fn forward(&self, graph: &mut Graph<'_, T>, x: Var) -> Result<Var, ShapeError> {
        run(&self.entries, graph, x)
    }
}

fn run<T: Real>(
    entries: &[Entry<T>],
    graph: &mut Graph<'_, T>,
    mut x: Var,
) -> Result<Var, ShapeError> {
    let mut rest = entries;
    while let [entry, after @ ..] = rest {
        let pool = after.first().and_then(|next| next.layer.as_max_pool());
        let pooled = pool.and_then(|pool| entry.layer.forward_pooled(graph, x, pool));
        rest = if pooled.is_some() { &after[1..] } else { after };
        x = pooled
            .unwrap_or_else(|| entry.layer.forward(graph, x))
            .map_err(|error| error.within(&entry.name))?;
    }
    Ok(x)
}

impl<T: Real> SequentialBuilder<'_, T> {
    /// Adds a layer. The first error is kept and returned by [`SequentialBuilder::finish`].
    #[must_use]
    pub fn add<S: Build<T>>(mut self, name: &str, description: S) -> Self {
        self.model = self.model.and_then(|mut model| {
            if model.entries.iter().any(|entry| entry.name == name) {
                return Err(BuildError::DuplicateLayer(name.to_owned()));
            }
            let before = self.params.count();
            let input = model.output();
            if input.rank() == MAX_RANK {
                let expected = format!("an input of at most {} axes", MAX_RANK - 1);
                return Err(ShapeError::new("model", expected, format!("shape {input}"))
                    .within(name)
                    .into());
            }
            let mut builder = Builder::new(self.params, &mut model.penalties, self.seed);
            let layer =
                description.build(&mut builder.scope(name), input).map_err(
                    |error| match error {
                        BuildError::Shape(error) => BuildError::Shape(error.within(name)),
                        other => other,
                    },
                )?;
            let n_params = self.params.count() - before;
            // One pass over the shapes alone says what comes out, and that the layer accepts what
            // comes in.
            let mut tape = Tape::new();
            let mut graph = tape.record(self.params, Mode::Shapes);
            let x = graph.input_with(input.batched(1), |_| ());
            let y = layer.forward(&mut graph, x).map_err(|error| error.within(name))?;
            let output = graph.shape(y).unbatched();
            model.entries.push(Entry {
                name: name.to_owned(),
                kind: short_name::<S>(),
                output,
                n_params,
                layer,
            });
            Ok(model)
        });
        self
    }

    /// The model.
    ///
    /// # Errors
    /// The first error of any layer, with the layer's name.
    pub fn finish(self) -> Result<Sequential<T>, BuildError> {
        self.model
    }
}

/// `morphograd_nn::layers::conv2d::Conv2d<f32>` → `Conv2d`.
fn short_name<S>() -> &'static str {
    let full = type_name::<S>();
    let path = full.split('<').next().unwrap_or(full);
    path.rsplit("::").next().unwrap_or(path)
}
