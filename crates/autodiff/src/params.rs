//! The parameters of a model: values with names, each with the set it is kept in.
//!
//! The one design choice: [`Params::update`] is the only door through which a value changes, and it
//! projects. Initializers, optimizers, checkpoints and users all pass through it, so a parameter is
//! feasible at every moment it can be observed. A parameter may have a free one behind it
//! ([`Params::parametrize`]), which is seen by the optimizer only, or be released
//! ([`Params::release`]), and then it is free until [`Params::finalize`].

use std::sync::Arc;

use morphograd_tensor::{Real, Shape, ShapeError, Tensor, TensorRef};
use thiserror::Error;

use morphograd_sets::{Constraint, Parametrization};

use crate::param_id::ParamId;
use crate::penalty::Penalty;

/// The parameters of a model, in the order in which they were added.
///
/// ```
/// use morphograd_autodiff::Params;
/// use morphograd_autodiff::sets::{Constraint, Kind};
/// use morphograd_autodiff::tensor::{Shape, ShapeError, Tensor};
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
/// let w =
///     params.add("w", Tensor::from_vec([2], vec![0.5, 7.0])?, Some(Box::new(AtMostOne)))?;
/// assert_eq!(params.value(w).data, [0.5, 1.0]); // feasible from birth
/// let projection = params.update(w, |w| w[0] += 3.5);
/// assert_eq!(
///     (params.value(w).data, projection.moved, projection.distance_squared),
///     (&[1.0, 1.0][..], 1, 9.0)
/// );
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Default)]
pub struct Params<T> {
    entries: Vec<Param<T>>,
    /// The value before the projection, kept for the diagnostics of the step.
    scratch: Vec<T>,
    /// How often a set, or the way it is enforced, was changed.
    sets: u32,
}

#[derive(Debug)]
struct Param<T> {
    name: String,
    value: Tensor<T>,
    trainable: bool,
    constraint: Option<Arc<dyn Constraint<T>>>,
    mode: Enforcing<T>,
    penalties: Vec<Penalty<T>>,
}

/// How a parameter is led into its set and kept there.
#[derive(Debug)]
enum Enforcing<T> {
    /// Every change is projected.
    Projected,
    /// The value is the image of a free parameter.
    Parametrized { free: Vec<T>, map: Box<dyn Parametrization<T>> },
    /// The penalty leads it there.
    Released { penalty: Penalty<T> },
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
    /// The free parameters behind them.
    free: Vec<T>,
    /// [`Params::sets`] then.
    sets: u32,
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
    /// A penalty that does not fit the parameter.
    #[error("penalty of parameter `{name}`: {source}")]
    Penalty {
        /// The parameter.
        name: String,
        /// What the operation says.
        source: ShapeError,
    },
}

impl<T: Real> Params<T> {
    /// No parameters.
    pub fn new() -> Self {
        Self { entries: Vec::new(), scratch: Vec::new(), sets: 0 }
    }

    /// Adds a trainable parameter; its value is projected before anyone sees it. Names are dotted
    /// paths (`conv.kernel`).
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
        self.entries.push(Param {
            name,
            value,
            trainable: true,
            constraint: constraint.map(Arc::from),
            mode: Enforcing::Projected,
            penalties: Vec::new(),
        });
        self.update(id, |_| ());
        Ok(id)
    }

    /// Puts a free parameter behind the value, from which `map` makes it. It starts where it gives
    /// the value of now, as near as the map can; [`step`](Self::step) changes it from then on. The
    /// value must be in the map's range, as a feasible one is.
    pub fn parametrize(&mut self, id: ParamId, map: Box<dyn Parametrization<T>>) {
        let param = &mut self.entries[id.0 as usize];
        let (shape, mut free) = (param.value.shape(), param.value.data().to_vec());
        map.enter(shape, &mut free);
        map.invert(shape, &mut free);
        map.value(shape, &free, param.value.data_mut());
        param.mode = Enforcing::Parametrized { free, map };
        self.sets += 1;
    }

    /// Lets the parameter leave its set: changes are not projected until
    /// [`finalize`](Self::finalize). For methods that lead into the set by the loss (penalties,
    /// multipliers). [`violation`](Self::violation) says how far away it is.
    ///
    /// # Errors
    /// If the penalty does not fit the parameter. Nothing has changed then.
    pub fn release(&mut self, id: ParamId, penalty: Penalty<T>) -> Result<(), ParamError> {
        self.check_penalty(id, &penalty)?;
        self.entries[id.0 as usize].mode = Enforcing::Released { penalty };
        self.sets += 1;
        Ok(())
    }

    /// Adds a term to every loss that is made with the parameter: a regularizer.
    ///
    /// # Errors
    /// If the penalty does not fit the parameter. Nothing has changed then.
    ///
    /// ```
    /// # use morphograd_autodiff::{Mode, Params, Penalty, Scale, Sum, Tape, tensor::Tensor};
    /// let mut params = Params::<f64>::new();
    /// let w = params.add("w", Tensor::filled([2], 3.0), None)?;
    /// params.penalize(w, Penalty::new(Sum))?; // any operation with a scalar output
    /// let mut tape = Tape::new();
    /// let mut graph = tape.record(&params, Mode::Train { step: 0 });
    /// let x = graph.param(w);
    /// let sum = graph.apply(Sum, [x])?;
    /// let loss = graph.apply(Scale(10.0), [sum])?;
    /// graph.backward(loss);
    /// assert_eq!(tape.grad(w), Some(&[11.0, 11.0][..]));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn penalize(&mut self, id: ParamId, penalty: Penalty<T>) -> Result<(), ParamError> {
        self.check_penalty(id, &penalty)?;
        self.entries[id.0 as usize].penalties.push(penalty);
        Ok(())
    }

    fn check_penalty(&self, id: ParamId, penalty: &Penalty<T>) -> Result<(), ParamError> {
        let Param { name, value, .. } = &self.entries[id.0 as usize];
        penalty
            .check(value.shape())
            .map_err(|source| ParamError::Penalty { name: name.clone(), source })
    }

    /// The terms that the parameter adds to every loss: first the one that leads it into its set,
    /// if it is released, then its regularizers.
    pub fn penalties(&self, id: ParamId) -> impl Iterator<Item = &Penalty<T>> {
        let Param { mode, penalties, .. } = &self.entries[id.0 as usize];
        let enforcing = match mode {
            Enforcing::Released { penalty } => Some(penalty),
            Enforcing::Projected | Enforcing::Parametrized { .. } => None,
        };
        enforcing.into_iter().chain(penalties)
    }

    /// Keeps the parameter in a set from now on, in place of the one it has: its value is projected
    /// now and at every change.
    ///
    /// # Errors
    /// If the set does not accept the shape. Nothing has changed then.
    pub fn constrain(
        &mut self,
        id: ParamId,
        constraint: Box<dyn Constraint<T>>,
    ) -> Result<Projection, ParamError> {
        let param = &mut self.entries[id.0 as usize];
        constraint
            .accepts(param.value.shape())
            .map_err(|source| ParamError::Constraint { name: param.name.clone(), source })?;
        param.constraint = Some(Arc::from(constraint));
        param.mode = Enforcing::Projected;
        self.sets += 1;
        Ok(self.update(id, |_| ()))
    }

    /// Projects every released parameter on its set, and holds it there from now on. Returns what
    /// that did to all of them.
    pub fn finalize(&mut self) -> Projection {
        let mut all = Projection::default();
        for id in self.ids() {
            let param = &mut self.entries[id.0 as usize];
            if matches!(param.mode, Enforcing::Released { .. }) {
                param.mode = Enforcing::Projected;
                self.sets += 1;
                let projection = self.update(id, |_| ());
                all.moved += projection.moved;
                all.distance_squared += projection.distance_squared;
            }
        }
        all
    }

    /// Changes a value and projects it on its set. A free parameter behind it starts anew from
    /// there.
    pub fn update(&mut self, id: ParamId, change: impl FnOnce(&mut [T])) -> Projection {
        change(self.entries[id.0 as usize].value.data_mut());
        self.project(id, |constraint, shape, value| constraint.project(shape, value))
    }

    /// As [`Params::update`], but projects in a metric, which `change` computes too: it is given
    /// the value and room for a number a coordinate, all of which have to become positive and
    /// finite. A set without such a projection ([`Params::has_metric`]) gets its own.
    pub fn update_in_metric(
        &mut self,
        id: ParamId,
        metric: &mut Vec<T>,
        change: impl FnOnce(&mut [T], &mut [T]),
    ) -> Projection {
        let value = self.entries[id.0 as usize].value.data_mut();
        metric.resize(value.len(), T::one());
        change(value, metric);
        self.project(id, |constraint, shape, value| {
            if constraint.capabilities(shape).metric {
                constraint.project_in_metric(shape, metric, value);
            } else {
                constraint.project(shape, value);
            }
        })
    }

    fn project(
        &mut self,
        id: ParamId,
        project: impl FnOnce(&dyn Constraint<T>, Shape, &mut [T]),
    ) -> Projection {
        let Param { value, constraint, mode, .. } = &mut self.entries[id.0 as usize];
        // First, so that what is free costs no copy.
        if matches!(
            (&constraint, &mode),
            (None, Enforcing::Projected) | (_, Enforcing::Released { .. })
        ) {
            return Projection::default();
        }
        let shape = value.shape();
        self.scratch.clear();
        self.scratch.extend_from_slice(value.data());
        if let Some(constraint) = constraint {
            project(&**constraint, shape, value.data_mut());
        }
        if let Enforcing::Parametrized { free, map } = mode {
            free.copy_from_slice(value.data());
            map.invert(shape, free);
            map.value(shape, free, value.data_mut());
        }
        compare(&self.scratch, value.data())
    }

    /// The change of an optimizer: of the free parameter where there is one behind the value, which
    /// then follows, and [`update`](Self::update) otherwise. Where the value follows, nothing is
    /// projected, and the report says so.
    pub fn step(&mut self, id: ParamId, change: impl FnOnce(&mut [T])) -> Projection {
        let Param { value, mode, .. } = &mut self.entries[id.0 as usize];
        let Enforcing::Parametrized { free, map } = mode else { return self.update(id, change) };
        change(free);
        map.value(value.shape(), free, value.data_mut());
        Projection::default()
    }

    /// Takes back a value that these parameters had before, bit for bit: one that is not farther
    /// from its set than its projection is. Any other one is projected. Where there is a free
    /// parameter behind the value, that is taken, and the value follows. For a training that goes
    /// on from a file.
    ///
    /// # Panics
    /// If a length is not that of the value.
    ///
    /// ```
    /// use morphograd_autodiff::{Params, sets::Interval, tensor::Tensor};
    /// let mut params = Params::new();
    /// let set = Some(Box::new(Interval { min: 0.0, max: 1.0 }) as _);
    /// let w = params.add("w", Tensor::from_vec([2], vec![0.3f32, 7.0])?, set)?;
    /// let before = params.value(w).data.to_vec();
    /// params.update(w, |w| w.fill(0.0));
    /// params.take_back(w, &before, None);
    /// assert_eq!(params.value(w).data, before);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn take_back(&mut self, id: ParamId, value: &[T], free: Option<&[T]>) {
        if let Some(free) = free.filter(|_| self.free(id).is_some()) {
            self.step(id, |own| own.copy_from_slice(free));
            return;
        }
        let shape = self.value(id).shape;
        self.update(id, |own| own.copy_from_slice(value));
        let param = &mut self.entries[id.0 as usize];
        if let (Some(set), Enforcing::Projected) = (&param.constraint, &param.mode)
            && set.violation(shape, value) <= set.violation(shape, param.value.data())
        {
            param.value.data_mut().copy_from_slice(value);
        }
    }

    /// Replaces the gradient with respect to the value by that with respect to what
    /// [`step`](Self::step) changes. Returns whether the two differ.
    pub fn pull_back(&self, id: ParamId, gradient: &mut [T]) -> bool {
        let Param { value, mode, .. } = &self.entries[id.0 as usize];
        let Enforcing::Parametrized { free, map } = mode else { return false };
        map.pull_back(value.shape(), free, value.data(), gradient);
        true
    }

    /// The free parameter behind the value, if there is one.
    pub fn free(&self, id: ParamId) -> Option<&[T]> {
        match &self.entries[id.0 as usize].mode {
            Enforcing::Parametrized { free, .. } => Some(free),
            Enforcing::Projected | Enforcing::Released { .. } => None,
        }
    }

    /// Whether changes of the value are projected on a set: it has one, is not released and does
    /// not follow a free parameter.
    pub fn is_projected(&self, id: ParamId) -> bool {
        let Param { constraint, mode, .. } = &self.entries[id.0 as usize];
        constraint.is_some() && matches!(mode, Enforcing::Projected)
    }

    /// Whether the parameter's set can be projected on in a metric, if it has a set and does not
    /// follow a free parameter.
    pub fn has_metric(&self, id: ParamId) -> bool {
        let Param {
            value,
            constraint: Some(constraint),
            mode: Enforcing::Projected | Enforcing::Released { .. },
            ..
        } = &self.entries[id.0 as usize]
        else {
            return true;
        };
        constraint.capabilities(value.shape()).metric
    }

    /// Whether the parameter's set knows its tangent cones, if it has a set and does
    /// not follow a free parameter.
    pub fn has_tangent(&self, id: ParamId) -> bool {
        let Param {
            value,
            constraint: Some(constraint),
            mode: Enforcing::Projected | Enforcing::Released { .. },
            ..
        } = &self.entries[id.0 as usize]
        else {
            return true;
        };
        constraint.capabilities(value.shape()).tangent
    }

    /// The square of the Euclidean distance between the value and the projection of the value
    /// `change` would make of it. Nothing is changed; this is how the gradient mapping
    /// $\lVert w - P(w - \eta g) \rVert / \eta$ is measured.
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

    /// The same, to be kept: a penalty on the distance from the set has to know it.
    pub fn shared_constraint(&self, id: ParamId) -> Option<Arc<dyn Constraint<T>>> {
        self.entries[id.0 as usize].constraint.clone()
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

    /// Whether these parameters have one of this id.
    pub fn contains(&self, id: ParamId) -> bool {
        (id.0 as usize) < self.entries.len()
    }

    /// The parameters of a part of a model, in order: those whose names begin with `path.`.
    pub fn within(&self, path: &str) -> impl Iterator<Item = ParamId> + use<T> {
        let inside = |name: &str| name.strip_prefix(path).is_some_and(|rest| rest.starts_with('.'));
        let ids: Vec<_> = self.ids().filter(|id| inside(self.name(*id))).collect();
        ids.into_iter()
    }

    /// How many numbers all parameters hold together.
    pub fn count(&self) -> usize {
        self.entries.iter().map(|p| p.value.data().len()).sum()
    }

    /// How far the parameter is from its set: 0 when it has none or is inside.
    pub fn violation(&self, id: ParamId) -> f64 {
        let param = &self.entries[id.0 as usize];
        param
            .constraint
            .as_ref()
            .map_or(0.0, |c| c.violation(param.value.shape(), param.value.data()))
    }

    /// Copies all values into the snapshot, reusing its memory.
    pub fn save_to(&self, snapshot: &mut Snapshot<T>) {
        snapshot.values.clear();
        snapshot.free.clear();
        snapshot.sets = self.sets;
        for (id, param) in self.ids().zip(&self.entries) {
            snapshot.values.extend_from_slice(param.value.data());
            snapshot.free.extend_from_slice(self.free(id).unwrap_or_default());
        }
    }

    /// Goes back to the values of a snapshot of these parameters, bit for bit; where sets were
    /// changed since, to their projections.
    ///
    /// # Panics
    /// If the snapshot was not taken from these parameters.
    pub fn restore(&mut self, snapshot: &Snapshot<T>) {
        assert_eq!(snapshot.values.len(), self.count(), "values in a snapshot of these parameters");
        let (mut values, mut all_free) = (&snapshot.values[..], &snapshot.free[..]);
        for id in self.ids() {
            let param = &mut self.entries[id.0 as usize];
            let own = take(&mut values, param.value.data().len());
            if snapshot.sets != self.sets {
                self.update(id, |value| value.copy_from_slice(own));
                continue;
            }
            param.value.data_mut().copy_from_slice(own);
            if let Enforcing::Parametrized { free, .. } = &mut param.mode {
                free.copy_from_slice(take(&mut all_free, own.len()));
            }
        }
    }
}

/// Cuts off the first `n` elements.
fn take<'a, T>(rest: &mut &'a [T], n: usize) -> &'a [T] {
    let (first, tail) = rest.split_at(n);
    *rest = tail;
    first
}

impl<T: Real> Snapshot<T> {
    /// The value of one parameter when the snapshot was taken.
    pub fn value(&self, params: &Params<T>, id: ParamId) -> &[T] {
        let before = params.entries[..id.0 as usize].iter().map(|param| param.value.data().len());
        &self.values[before.sum()..][..params.value(id).data.len()]
    }

    /// The free parameter behind it then, if there is one.
    pub fn free(&self, params: &Params<T>, id: ParamId) -> Option<&[T]> {
        let own = params.free(id)?;
        let before = params.ids().take(id.0 as usize);
        let start = before.filter_map(|id| params.free(id)).map(<[T]>::len).sum();
        self.free.get(start..)?.get(..own.len())
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
    use crate::{Scale, Sum};
    use morphograd_sets::Kind;

    #[test]
    fn a_name_can_be_used_once() {
        let mut params = Params::<f32>::new();
        params.add("w", Tensor::zeros([2]), None).unwrap();
        let error = params.add("w", Tensor::zeros([3]), None).unwrap_err();
        assert_eq!(
            error.to_string(),
            "parameter `w`: expected a name that is not taken, found it twice"
        );
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

    /// w ≤ 0, for the tests of what is mode how.
    #[derive(Debug)]
    struct Below;

    impl Constraint<f64> for Below {
        fn project(&self, _: Shape, value: &mut [f64]) {
            value.iter_mut().for_each(|v| *v = v.min(0.0));
        }
        fn violation(&self, _: Shape, value: &[f64]) -> f64 {
            value.iter().fold(0.0, |worst, v| v.max(worst))
        }
        fn accepts(&self, _: Shape) -> Result<(), ShapeError> {
            Ok(())
        }
        fn kind(&self) -> Kind {
            Kind::Convex
        }
    }

    /// $w = -v^2$.
    #[derive(Debug)]
    struct Square;

    impl Parametrization<f64> for Square {
        fn value(&self, _: Shape, free: &[f64], value: &mut [f64]) {
            value.iter_mut().zip(free).for_each(|(w, v)| *w = -v * v);
        }
        fn pull_back(&self, _: Shape, free: &[f64], _: &[f64], gradient: &mut [f64]) {
            gradient.iter_mut().zip(free).for_each(|(g, v)| *g *= -2.0 * v);
        }
        fn invert(&self, _: Shape, value: &mut [f64]) {
            value.iter_mut().for_each(|w| *w = (-*w).sqrt());
        }
    }

    fn below(start: f64) -> (Params<f64>, ParamId) {
        let mut params = Params::new();
        let id = params.add("a", Tensor::filled([1], start), Some(Box::new(Below))).unwrap();
        (params, id)
    }

    #[test]
    fn a_step_changes_the_free_parameter_and_the_value_follows() {
        let (mut params, a) = below(-4.0);
        params.parametrize(a, Box::new(Square));
        assert_eq!((params.free(a), params.value(a).data), (Some(&[2.0][..]), &[-4.0][..]));
        let mut gradient = [3.0];
        assert!(params.pull_back(a, &mut gradient));
        assert_eq!(gradient, [-12.0]);
        let mut snapshot = Snapshot::default();
        params.step(a, |free| free[0] = -3.0);
        params.save_to(&mut snapshot);
        assert_eq!((params.free(a), params.value(a).data), (Some(&[-3.0][..]), &[-9.0][..]));
        params.update(a, |value| value[0] = 7.0);
        assert_eq!((params.free(a), params.value(a).data), (Some(&[0.0][..]), &[0.0][..]));
        params.restore(&snapshot);
        assert_eq!((params.free(a), params.value(a).data), (Some(&[-3.0][..]), &[-9.0][..]));
    }

    #[test]
    fn a_released_parameter_is_free_until_it_is_finalized() {
        let (mut params, a) = below(-4.0);
        params.release(a, Penalty::new(Sum)).unwrap();
        params.update(a, |value| value[0] = 3.0);
        assert_eq!((params.value(a).data, params.violation(a)), (&[3.0][..], 3.0));
        assert_eq!(params.finalize(), Projection { moved: 1, distance_squared: 9.0 });
        assert_eq!((params.value(a).data, params.penalties(a).count()), (&[0.0][..], 0));
        params.update(a, |value| value[0] = 3.0);
        assert_eq!(params.value(a).data, [0.0]);
    }

    #[test]
    fn a_penalty_that_is_no_scalar_is_refused_by_name() {
        let (mut params, a) = below(-4.0);
        let id = params.add("b", Tensor::zeros([3]), None).unwrap();
        let error = params.penalize(id, Penalty::new(Scale(2.0))).unwrap_err().to_string();
        assert_eq!(
            error,
            "penalty of parameter `b`: scale: expected a penalty, a scalar, found shape [3]"
        );
        assert!(params.release(id, Penalty::new(Scale(2.0))).is_err());
        assert_eq!((params.penalties(id).count(), params.penalties(a).count()), (0, 0));
    }

    #[test]
    fn a_set_can_be_put_on_a_parameter_after_it_was_added() {
        let mut params = Params::<f64>::new();
        let a = params.add("a", Tensor::filled([2], 3.0), None).unwrap();
        let projection = params.constrain(a, Box::new(Below)).unwrap();
        assert_eq!((params.value(a).data, projection.moved), (&[0.0, 0.0][..], 2));
        params.update(a, |value| value[0] = 1.0);
        assert_eq!(params.value(a).data, [0.0, 0.0]);
    }

    #[test]
    fn a_trial_changes_nothing() {
        let mut params = Params::<f64>::new();
        let a = params.add("a", Tensor::filled([2], 1.0), None).unwrap();
        assert_eq!(params.trial(a, |v| v[0] += 3.0), 9.0);
        assert_eq!(params.value(a).data, [1.0, 1.0]);
    }
}
