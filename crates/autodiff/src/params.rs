//! The parameters of a model: values with names, each with the set it is kept in.
//!
//! The one design choice: [`Params::update`] is the only door through which a value changes, and it projects. Initializers,
//! optimizers, checkpoints and users all pass through it, so a parameter is feasible at every moment it can be observed.

use morphograd_tensor::{Real, ShapeError, Tensor, TensorRef};
use thiserror::Error;

use crate::Constraint;

/// A parameter of one [`Params`]. Using the id twice ties weights.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct ParamId(pub(crate) u32);

/// The parameters of a model, in the order in which they were added.
///
/// ```
/// use morphograd_autodiff::{tensor::{Shape, ShapeError, Tensor}, Constraint, Kind, Params};
///
/// #[derive(Debug)]
/// struct AtMostOne;
/// impl Constraint<f32> for AtMostOne {
///     fn project(&self, _: Shape, value: &mut [f32]) {
///         value.iter_mut().for_each(|v| *v = v.min(1.0));
///     }
///     fn violation(&self, _: Shape, value: &[f32]) -> f64 {
///         value.iter().fold(0.0, |worst, v| f64::from(v - 1.0).max(worst))
///     }
///     fn accepts(&self, _: Shape) -> Result<(), ShapeError> {
///         Ok(())
///     }
///     fn kind(&self) -> Kind {
///         Kind::Convex
///     }
/// }
///
/// let mut params = Params::new();
/// let w = params.add("w", Tensor::from_vec([2], vec![0.5, 7.0])?, Some(Box::new(AtMostOne)))?;
/// assert_eq!(params.value(w).data, [0.5, 1.0]); // feasible from birth
/// let projection = params.update(w, |w| w[0] += 3.5);
/// assert_eq!((params.value(w).data, projection.moved, projection.distance_squared), (&[1.0, 1.0][..], 1, 9.0));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Default)]
pub struct Params<T> {
    entries: Vec<Param<T>>,
    /// The value before the projection, kept for the diagnostics of the step.
    scratch: Vec<T>,
}

#[derive(Debug)]
struct Param<T> {
    name: String,
    value: Tensor<T>,
    trainable: bool,
    constraint: Option<Box<dyn Constraint<T>>>,
}

/// What a projection did to a value.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Projection {
    /// Coordinates that moved.
    pub moved: usize,
    /// Square of the Euclidean distance between the value before and after.
    pub distance_squared: f64,
}

/// A copy of all values, to come back to.
#[derive(Debug, Clone, Default)]
pub struct Snapshot<T> {
    values: Vec<T>,
}

/// A parameter that cannot be added.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum ParamError {
    /// Two parameters of one name.
    #[error("parameter `{0}`: expected a name that is not taken, found it twice")]
    Duplicate(String),
    /// The constraint is not defined for the shape.
    #[error("parameter `{name}`: {source}")]
    Constraint {
        /// The parameter.
        name: String,
        /// What the constraint says.
        source: ShapeError,
    },
}

impl<T: Real> Params<T> {
    /// No parameters.
    pub fn new() -> Self {
        Self { entries: Vec::new(), scratch: Vec::new() }
    }

    /// Adds a trainable parameter; its value is projected before anyone sees it. Names are dotted paths (`conv.kernel`).
    ///
    /// # Errors
    /// If the name is taken, or the constraint does not accept the shape.
    pub fn add(
        &mut self,
        name: impl Into<String>,
        value: Tensor<T>,
        constraint: Option<Box<dyn Constraint<T>>>,
    ) -> Result<ParamId, ParamError> {
        let name = name.into();
        if self.find(&name).is_some() {
            return Err(ParamError::Duplicate(name));
        }
        if let Some(constraint) = &constraint {
            constraint
                .accepts(value.shape())
                .map_err(|source| ParamError::Constraint { name: name.clone(), source })?;
        }
        let id = ParamId(self.entries.len() as u32);
        self.entries.push(Param { name, value, trainable: true, constraint });
        self.update(id, |_| ());
        Ok(id)
    }

    /// Changes a value and projects it on its set: the only way to change one.
    pub fn update(&mut self, id: ParamId, change: impl FnOnce(&mut [T])) -> Projection {
        let param = &mut self.entries[id.0 as usize];
        change(param.value.data_mut());
        let Some(constraint) = &param.constraint else { return Projection::default() };
        self.scratch.clear();
        self.scratch.extend_from_slice(param.value.data());
        let shape = param.value.shape();
        constraint.project(shape, param.value.data_mut());
        compare(&self.scratch, param.value.data())
    }

    /// As [`Params::update`], but projects in a metric, which `change` computes too: it is given the value and room for a number a coordinate,
    /// all of which have to become positive and finite. A set without such a projection ([`Params::has_metric`]) gets its own.
    pub fn update_in_metric(
        &mut self,
        id: ParamId,
        metric: &mut Vec<T>,
        change: impl FnOnce(&mut [T], &mut [T]),
    ) -> Projection {
        let param = &mut self.entries[id.0 as usize];
        metric.resize(param.value.data().len(), T::one());
        change(param.value.data_mut(), metric);
        let Some(constraint) = &param.constraint else { return Projection::default() };
        self.scratch.clear();
        self.scratch.extend_from_slice(param.value.data());
        let shape = param.value.shape();
        if !constraint.project_in_metric(shape, metric, param.value.data_mut()) {
            constraint.project(shape, param.value.data_mut());
        }
        compare(&self.scratch, param.value.data())
    }

    /// Whether the parameter's set, if it has one, can be projected on in a metric.
    pub fn has_metric(&self, id: ParamId) -> bool {
        let param = &self.entries[id.0 as usize];
        let Some(constraint) = &param.constraint else { return true };
        let (metric, mut value) = (vec![T::one(); param.value.data().len()], param.value.data().to_vec());
        constraint.project_in_metric(param.value.shape(), &metric, &mut value)
    }

    /// Whether the parameter's set, if it has one, knows its tangent cone at the value.
    pub fn has_tangent(&self, id: ParamId) -> bool {
        let param = &self.entries[id.0 as usize];
        let Some(constraint) = &param.constraint else { return true };
        let mut direction = vec![T::zero(); param.value.data().len()];
        constraint.project_tangent(param.value.shape(), param.value.data(), &mut direction)
    }

    /// The square of the Euclidean distance between the value and the projection of the value `change` would make of it. Nothing is
    /// changed; this is how the gradient mapping $\lVert w - P(w - \eta g) \rVert / \eta$ is measured.
    pub fn trial(&mut self, id: ParamId, change: impl FnOnce(&mut [T])) -> f64 {
        let param = &self.entries[id.0 as usize];
        self.scratch.clear();
        self.scratch.extend_from_slice(param.value.data());
        change(&mut self.scratch);
        if let Some(constraint) = &param.constraint {
            constraint.project(param.value.shape(), &mut self.scratch);
        }
        compare(param.value.data(), &self.scratch).distance_squared
    }

    /// The value.
    pub fn value(&self, id: ParamId) -> TensorRef<'_, T> {
        self.entries[id.0 as usize].value.view()
    }

    /// The name.
    pub fn name(&self, id: ParamId) -> &str {
        &self.entries[id.0 as usize].name
    }

    /// The set the parameter is kept in, if any.
    pub fn constraint(&self, id: ParamId) -> Option<&dyn Constraint<T>> {
        self.entries[id.0 as usize].constraint.as_deref()
    }

    /// Whether optimizers change the parameter.
    pub fn is_trainable(&self, id: ParamId) -> bool {
        self.entries[id.0 as usize].trainable
    }

    /// Freezes a parameter, or thaws it.
    pub fn set_trainable(&mut self, id: ParamId, trainable: bool) {
        self.entries[id.0 as usize].trainable = trainable;
    }

    /// All parameters, in order.
    pub fn ids(&self) -> impl ExactSizeIterator<Item = ParamId> + use<T> {
        (0..self.entries.len() as u32).map(ParamId)
    }

    /// The parameter of this name.
    pub fn find(&self, name: &str) -> Option<ParamId> {
        self.entries.iter().position(|p| p.name == name).map(|i| ParamId(i as u32))
    }

    /// How many numbers all parameters hold together.
    pub fn count(&self) -> usize {
        self.entries.iter().map(|p| p.value.data().len()).sum()
    }

    /// How far the parameter is from its set: 0 when it has none or is inside.
    pub fn violation(&self, id: ParamId) -> f64 {
        let param = &self.entries[id.0 as usize];
        param.constraint.as_ref().map_or(0.0, |c| c.violation(param.value.shape(), param.value.data()))
    }

    /// Copies all values into the snapshot, reusing its memory.
    pub fn save_to(&self, snapshot: &mut Snapshot<T>) {
        snapshot.values.clear();
        self.entries.iter().for_each(|p| snapshot.values.extend_from_slice(p.value.data()));
    }

    /// Goes back to the values of a snapshot of these parameters.
    ///
    /// # Panics
    /// If the snapshot was not taken from these parameters.
    pub fn restore(&mut self, snapshot: &Snapshot<T>) {
        assert_eq!(snapshot.values.len(), self.count(), "values in a snapshot of these parameters");
        let mut rest = &snapshot.values[..];
        for id in self.ids() {
            let (values, tail) = rest.split_at(self.value(id).data.len());
            self.update(id, |value| value.copy_from_slice(values));
            rest = tail;
        }
    }
}

fn compare<T: Real>(before: &[T], after: &[T]) -> Projection {
    let mut projection = Projection::default();
    for (b, a) in before.iter().zip(after) {
        if a != b {
            projection.moved += 1;
            projection.distance_squared += (a.f64() - b.f64()).powi(2);
        }
    }
    projection
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_can_be_used_once() {
        let mut params = Params::<f32>::new();
        params.add("w", Tensor::zeros([2]), None).unwrap();
        let error = params.add("w", Tensor::zeros([3]), None).unwrap_err();
        assert_eq!(error.to_string(), "parameter `w`: expected a name that is not taken, found it twice");
    }

    #[test]
    fn a_snapshot_brings_every_value_back() {
        let mut params = Params::<f32>::new();
        let a = params.add("a", Tensor::filled([2], 1.0), None).unwrap();
        let b = params.add("b", Tensor::filled([3], 2.0), None).unwrap();
        let mut snapshot = Snapshot::default();
        params.save_to(&mut snapshot);
        params.update(a, |v| v.fill(7.0));
        params.update(b, |v| v.fill(8.0));
        params.restore(&snapshot);
        assert_eq!((params.value(a).data, params.value(b).data), (&[1.0; 2][..], &[2.0; 3][..]));
    }

    #[test]
    fn a_trial_changes_nothing() {
        let mut params = Params::<f64>::new();
        let a = params.add("a", Tensor::filled([2], 1.0), None).unwrap();
        assert_eq!(params.trial(a, |v| v[0] += 3.0), 9.0);
        assert_eq!(params.value(a).data, [1.0, 1.0]);
    }
}
