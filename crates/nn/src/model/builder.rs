//! What declares the parameters of a model, under dotted paths.

use std::cell::RefCell;
use std::fmt::{self, Debug};
use std::rc::Rc;

use morphograd_autodiff::tensor::{Real, Shape, ShapeError};
use morphograd_autodiff::{ParamId, Params};

use crate::model::error::BuildError;
use crate::model::layer::{Fusion, Layer};
use crate::model::weight::Weight;

/// Declares parameters under a dotted path. Two networks on one [`Params`] have a scope each:
///
/// ```
/// use morphograd_nn::{Builder, Dense, Sequential, autodiff::Params};
/// let mut params = Params::<f32>::new();
/// let mut builder = Builder::new(&mut params, 0);
/// let dense = || Sequential::new().add("dense", Dense { units: 4, ..Dense::default() });
/// let generator = dense().build_model_in(&mut builder.scope("generator"), [8])?;
/// let critic = dense().build_model_in(&mut builder.scope("critic"), generator.output())?;
/// assert_eq!(critic.output().dims(), [4]);
/// assert_eq!(params.within("critic").count(), 2); // `critic.dense.kernel` and `.bias`
/// # Ok::<(), morphograd_nn::BuildError>(())
/// ```
pub struct Builder<'a, T> {
    params: &'a mut Params<T>,
    fusions: Rc<RefCell<Vec<Fusion<T>>>>,
    path: String,
    seed: u64,
    /// The most numbers that the parameters may hold.
    limit: usize,
}

impl<'a, T: Real> Builder<'a, T> {
    /// A builder of parameters without a path in front. The seed decides how they start.
    pub fn new(params: &'a mut Params<T>, seed: u64) -> Self {
        Self { params, fusions: Rc::default(), path: String::new(), seed, limit: usize::MAX }
    }

    /// A builder that refuses parameters of more bytes than this, all together, before it takes
    /// memory for them: for models whose sizes come from a file.
    ///
    /// ```
    /// use morphograd_nn::{Builder, Dense, Sequential, autodiff::Params};
    /// let mut params = Params::<f32>::new();
    /// let mut builder = Builder::new(&mut params, 0).at_most(1000);
    /// let dense = Sequential::new().add("dense", Dense { units: 40, ..Dense::default() });
    /// assert_eq!(
    ///     dense.build_model_in(&mut builder, [8]).unwrap_err().to_string(),
    ///     "dense.kernel: parameter: expected a parameter of at most 1000 bytes, found shape [8, \
    ///      40], 1280 bytes"
    /// );
    /// ```
    #[must_use]
    pub fn at_most(self, bytes: usize) -> Self {
        Self { limit: bytes / size_of::<T>(), ..self }
    }

    /// A builder for a part: its parameters are called `name.…`.
    pub fn scope(&mut self, name: &str) -> Builder<'_, T> {
        let path = self.join(name);
        let fusions = Rc::clone(&self.fusions);
        Builder { params: self.params, fusions, path, seed: self.seed, limit: self.limit }
    }

    /// Declares a parameter. Its start depends on the seed and its path only.
    ///
    /// # Errors
    /// If the name is taken, the constraint does not accept the shape or cannot be enforced as
    /// chosen, the regularizer does not fit, or there would be more than 2³¹ numbers or more than
    /// the builder allows.
    pub fn param(
        &mut self,
        name: &str,
        shape: Shape,
        weight: Weight<T>,
    ) -> Result<ParamId, BuildError> {
        let room = self.limit.saturating_sub(self.params.count());
        // Lengths of 0 count as 1: what cannot be counted is refused further on.
        let size = shape.dims().iter().try_fold(1usize, |size, n| size.checked_mul(*n.max(&1)));
        if let Some(size) = size.filter(|size| *size > room) {
            let bytes = |numbers: usize| numbers.saturating_mul(size_of::<T>());
            let expected = format!("a parameter of at most {} bytes", bytes(room));
            let found = format!("shape {shape}, {} bytes", bytes(size));
            return Err(ShapeError::new("parameter", expected, found).within(name).into());
        }
        let path = self.join(name);
        weight.declare(self.params, self.seed, path, shape)
    }

    /// Brings a rule along by which two neighbours may become one computation.
    pub fn fuse(&mut self, rule: Fusion<T>) {
        self.fusions.borrow_mut().push(rule);
    }

    /// What the rules so far make of two neighbours.
    pub(crate) fn fused(
        &self,
        first: &dyn Layer<T>,
        second: &dyn Layer<T>,
        input: Shape,
    ) -> Option<Box<dyn Layer<T>>> {
        self.fusions.borrow().iter().find_map(|rule| rule(first, second, input))
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
