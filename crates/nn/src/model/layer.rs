//! What a layer is: a description that is built into a thing with parameters, which is applied to a
//! variable.
//!
//! The one design choice: a layer is written as a plain struct with public fields
//! (`Conv2d { filters: 32, .. }`), and building it knows the shape of what comes in, so that no
//! size is written twice. Building declares parameters and computes nothing; applying computes and
//! declares nothing.

use std::fmt::{self, Debug};

use morphograd_autodiff::tensor::{Real, Shape, ShapeError, Tensor};
use morphograd_autodiff::{Graph, ParamError, ParamId, Params, Var, sets::Constraint};
use thiserror::Error;

use crate::MaxPool2d;
use crate::enforcement::Enforcement;
use crate::initializer::{Constant, Initializer};
use crate::random::Stream;

/// A computation with parameters, ready to be applied.
pub trait Layer<T: Real>: Debug + Send + Sync {
    /// Records the computation on the graph.
    ///
    /// # Errors
    /// If the shape of `x` does not fit.
    fn forward(&self, graph: &mut Graph<'_, T>, x: Var) -> Result<Var, ShapeError>;

    /// Records this layer and a max-pooling behind it as one computation with the same values,
    /// gradients and ties, if it knows a cheaper one; [`Sequential`] asks.
    ///
    /// # Errors
    /// If the shape of `x` does not fit.
    ///
    /// [`Sequential`]: crate::Sequential
    fn forward_pooled(
        &self,
        _: &mut Graph<'_, T>,
        _: Var,
        _: &MaxPool2d,
    ) -> Option<Result<Var, ShapeError>> {
        None
    }

    /// The max-pooling that this layer is, if it is one.
    fn as_max_pool(&self) -> Option<&MaxPool2d> {
        None
    }
}

/// The description of a layer, before it has parameters.
pub trait Build<T: Real> {
    /// Declares the parameters for an input of the given shape (without the batch axis).
    ///
    /// # Errors
    /// If the description does not fit the input, or a parameter cannot be declared.
    fn build(
        self,
        builder: &mut Builder<'_, T>,
        input: Shape,
    ) -> Result<Box<dyn Layer<T>>, BuildError>;
}

/// A penalty on a parameter that is added to the loss.
pub trait Regularizer<T: Real>: Debug + Send + Sync {
    /// Records the penalty of `weight`, a scalar.
    ///
    /// # Errors
    /// If the shape does not fit.
    fn penalty(&self, graph: &mut Graph<'_, T>, weight: Var) -> Result<Var, ShapeError>;
}

/// How a parameter starts, the set it is kept in and how, and what it costs: Keras' three arguments
/// in one, and a fourth.
#[derive(Debug)]
pub struct Weight<T> {
    initializer: Box<dyn Initializer<T>>,
    constraint: Option<Box<dyn Constraint<T>>>,
    enforcement: Enforcement,
    regularizer: Option<Box<dyn Regularizer<T>>>,
    trainable: bool,
}

/// The largest parameter that can be declared: more is a slip of the keyboard, and would end the
/// process instead of giving an error.
const MAX_ELEMENTS: usize = 1 << 31;

/// Declares parameters under a dotted path.
pub struct Builder<'a, T> {
    params: &'a mut Params<T>,
    penalties: &'a mut Vec<Penalty<T>>,
    path: String,
    seed: u64,
}

/// A regularizer and the parameter it acts on.
pub(crate) type Penalty<T> = (ParamId, Box<dyn Regularizer<T>>);

/// Why a model could not be built.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum BuildError {
    /// Shapes that do not fit.
    #[error(transparent)]
    Shape(#[from] ShapeError),
    /// A parameter that cannot be declared.
    #[error(transparent)]
    Param(#[from] ParamError),
    /// Two layers of one name.
    #[error("model: expected layer names that differ, found `{0}` twice")]
    DuplicateLayer(String),
}

impl<T: Real> Weight<T> {
    /// A parameter that starts as the initializer says, free to take any value.
    pub fn new(initializer: impl Initializer<T> + 'static) -> Self {
        Self {
            initializer: Box::new(initializer),
            constraint: None,
            enforcement: Enforcement::default(),
            regularizer: None,
            trainable: true,
        }
    }

    /// A parameter that starts at zero.
    pub fn zeros() -> Self {
        Self::new(Constant(0.0))
    }

    /// Keeps the parameter in a set.
    #[must_use]
    pub fn constrained(self, constraint: impl Constraint<T> + 'static) -> Self {
        self.constrained_by(Some(Box::new(constraint)))
    }

    /// Keeps the parameter in a set that is chosen at run time; `None` sets it free.
    #[must_use]
    pub fn constrained_by(mut self, constraint: Option<Box<dyn Constraint<T>>>) -> Self {
        self.constraint = constraint;
        self
    }

    /// How the set is enforced; by a projection after each step unless another way is chosen.
    #[must_use]
    pub fn enforced(mut self, enforcement: Enforcement) -> Self {
        self.enforcement = enforcement;
        self
    }

    /// Optimizers leave the parameter alone, as [`Params::set_trainable`] says.
    #[must_use]
    pub fn frozen(mut self) -> Self {
        self.trainable = false;
        self
    }

    /// Adds a penalty to the loss.
    #[must_use]
    pub fn regularized(mut self, regularizer: impl Regularizer<T> + 'static) -> Self {
        self.regularizer = Some(Box::new(regularizer));
        self
    }
}

impl<'a, T: Real> Builder<'a, T> {
    pub(crate) fn new(
        params: &'a mut Params<T>,
        penalties: &'a mut Vec<Penalty<T>>,
        seed: u64,
    ) -> Self {
        Self { params, penalties, path: String::new(), seed }
    }

    /// A builder for a part: its parameters are called `name.…`.
    pub fn scope(&mut self, name: &str) -> Builder<'_, T> {
        let path = self.join(name);
        Builder { params: self.params, penalties: self.penalties, path, seed: self.seed }
    }

    /// Declares a parameter. Its start depends on the seed and its path only.
    ///
    /// # Errors
    /// If the name is taken, the constraint does not accept the shape or cannot be enforced as
    /// chosen, or there would be more than 2³¹ numbers.
    pub fn param(
        &mut self,
        name: &str,
        shape: Shape,
        weight: Weight<T>,
    ) -> Result<ParamId, BuildError> {
        let path = self.join(name);
        let size = shape.dims().iter().try_fold(1usize, |size, length| size.checked_mul(*length));
        if size.is_none_or(|size| size > MAX_ELEMENTS) {
            let expected = format!("at most {MAX_ELEMENTS} numbers");
            return Err(ShapeError::new("parameter", expected, format!("shape {shape}"))
                .within(name)
                .into());
        }
        let mut value = Tensor::zeros(shape);
        weight.initializer.fill(shape, &mut Stream::new(self.seed, &path, 0), value.data_mut());
        let id = self.params.add(path, value, weight.constraint)?;
        self.params.set_trainable(id, weight.trainable);
        weight.enforcement.apply(self.params, self.penalties, id)?;
        if let Some(regularizer) = weight.regularizer {
            self.penalties.push((id, regularizer));
        }
        Ok(id)
    }

    /// The parameters declared so far.
    pub fn params(&self) -> &Params<T> {
        self.params
    }

    /// The dotted path of this part.
    pub fn path(&self) -> &str {
        &self.path
    }

    /// A seed for what this part draws at run time (a dropout mask): different for every path.
    pub fn seed(&self) -> u64 {
        crate::random::key(self.seed, &self.path, 0)
    }

    fn join(&self, name: &str) -> String {
        if self.path.is_empty() { name.to_owned() } else { format!("{}.{name}", self.path) }
    }
}

impl<T> Debug for Builder<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Builder")
            .field("path", &self.path)
            .field("seed", &self.seed)
            .finish_non_exhaustive()
    }
}
