//! How a parameter is described: its start, its set, and what it costs.

use std::fmt;

use morphograd_autodiff::sets::Constraint;
use morphograd_autodiff::tensor::{Real, Shape, ShapeError, Tensor};
use morphograd_autodiff::{Op, ParamId, Params, Penalty};

use crate::enforcement::Enforcement;
use crate::initializer::{Constant, Initializer};
use crate::model::error::BuildError;
use crate::random::Stream;

/// A parameter before it has numbers: how it starts, the set it is kept in and how, and the term
/// that it adds to the loss. These are Keras' `initializer`, `constraint` and `regularizer`, and
/// the way to enforce.
#[derive(Debug)]
pub struct Weight<T> {
    initializer: Box<dyn Initializer<T>>,
    constraint: Option<Box<dyn Constraint<T>>>,
    enforcement: Enforcement,
    regularizer: Option<Penalty<T>>,
    trainable: bool,
}

/// The largest parameter that can be declared: more is a slip of the keyboard, and would end the
/// process instead of giving an error.
const MAX_ELEMENTS: usize = 1 << 31;

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

    /// The same parameter, in its set, with another start, that of an initializer.
    #[must_use]
    pub fn started(mut self, initializer: impl Initializer<T> + 'static) -> Self {
        self.initializer = Box::new(initializer);
        self
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

    /// Adds a term to every loss that is made with the parameter: an operation with a scalar
    /// output, such as those in [`regularizer`](crate::regularizer).
    #[must_use]
    pub fn regularized(mut self, regularizer: impl Op<T>) -> Self {
        self.regularizer = Some(Penalty::new(regularizer));
        self
    }

    /// Declares the parameter under a path. Its start depends on the seed and the path only.
    pub(crate) fn declare(
        self,
        params: &mut Params<T>,
        seed: u64,
        path: String,
        shape: Shape,
    ) -> Result<ParamId, BuildError> {
        // The layer is named by whoever builds it.
        let name = path.rsplit('.').next().unwrap_or_default().to_owned();
        let size = shape.dims().iter().try_fold(1usize, |size, n| size.checked_mul(*n));
        if size.is_none_or(|size| size > MAX_ELEMENTS) {
            let expected = format!("at most {MAX_ELEMENTS} numbers");
            let error = ShapeError::new("parameter", expected, format!("shape {shape}"));
            return Err(error.within(&name).into());
        }
        let mut value = Tensor::zeros(shape);
        self.initializer.fill(shape, &mut Stream::new(seed, &path, 0), value.data_mut());
        let id = params.add(path, value, self.constraint)?;
        params.set_trainable(id, self.trainable);
        self.enforcement.enforce(params, id)?;
        if let Some(regularizer) = self.regularizer {
            params.penalize(id, regularizer)?;
        }
        Ok(id)
    }
}

/// The start, and the set where there is one.
///
/// ```
/// use morphograd_nn::{Weight, sets::NonNegative};
/// let weight = Weight::<f32>::zeros().constrained(NonNegative);
/// assert_eq!(weight.to_string(), "Constant(0.0) in NonNegative");
/// ```
impl<T> fmt::Display for Weight<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}", self.initializer)?;
        self.constraint.as_ref().map_or(Ok(()), |set| write!(f, " in {set:?}"))
    }
}
