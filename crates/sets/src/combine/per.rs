//! A set for each group of a parameter: per filter, per channel, per axis.
//!
//! The one design choice: a group is gathered into contiguous memory and shown to the set as a
//! parameter of its own, so that no set has to know about axes.

use crate::{Capabilities, Constraint, Kind, Parametrization};
use morphograd_tensor::{Real, Shape, ShapeError};

use crate::groups::{Groups, check_axes};
use crate::numeric::larger;

/// $\{ w : w_G \in C \text{ for every group } G \}$: a product of copies of one set. It is convex
/// if the set is, and its projection is that of the set on each group, in every metric that the set
/// knows.
///
/// The set sees a group as an array of the lengths of its axes: [`channel`](Self::channel) gives a
/// matrix set the planes `[kh, kw]` of a kernel. Groups of up to 1024 entries are gathered without
/// taking memory. Cost: that of the set, and a copy.
///
/// ```
/// use morphograd_sets::{Constraint, L2Ball, Per};
/// let mut w = [3.0f64, 0.1, 4.0, 0.2];
/// Per::filter(L2Ball { radius: 1.0 }).project([2, 2].into(), &mut w);
/// assert!((w[0] - 0.6).abs() < 1e-15 && (w[2] - 0.8).abs() < 1e-15);
/// assert_eq!((w[1], w[3]), (0.1, 0.2)); // the second column was inside
/// ```
#[derive(Debug, Clone, PartialEq)]
pub struct Per<S> {
    /// What a group is.
    pub along: Along,
    /// The set of each group.
    pub set: S,
}

/// The axes that a group runs along; its elements differ in their positions on these only.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Along {
    /// All axes but the last: a column of a matrix, a filter of a kernel `[kh, kw, in, out]`.
    Filter,
    /// The first two axes: one plane of a kernel for each channel and filter.
    Channel,
    /// These axes, each once. The set sees them in the order of the array.
    Axes(Vec<usize>),
}

impl<S> Per<S> {
    /// One group for each position of the last axis.
    pub fn filter(set: S) -> Self {
        Self { along: Along::Filter, set }
    }

    /// One group of the first two axes for each position of the others.
    pub fn channel(set: S) -> Self {
        Self { along: Along::Channel, set }
    }

    /// Groups along these axes.
    pub fn axes(axes: impl Into<Vec<usize>>, set: S) -> Self {
        Self { along: Along::Axes(axes.into()), set }
    }

    fn groups(&self, shape: Shape) -> Groups {
        self.along.groups(shape)
    }
}

impl Along {
    fn groups(&self, shape: Shape) -> Groups {
        Groups::new(shape, |axis| match self {
            Self::Filter => axis + 1 < shape.rank(),
            Self::Channel => axis < 2,
            Self::Axes(axes) => axes.contains(&axis),
        })
    }
}

/// A smooth map of each group.
#[derive(Debug)]
struct MapPer<T> {
    along: Along,
    map: Box<dyn Parametrization<T>>,
}

impl<T: Real> Parametrization<T> for MapPer<T> {
    fn value(&self, shape: Shape, free: &[T], value: &mut [T]) {
        let groups = self.along.groups(shape);
        groups.change_each([free], value, |[free], value| {
            self.map.value(groups.shape, free, value);
        });
    }

    fn pull_back(&self, shape: Shape, free: &[T], value: &[T], gradient: &mut [T]) {
        let groups = self.along.groups(shape);
        groups.change_each([free, value], gradient, |[free, value], gradient| {
            self.map.pull_back(groups.shape, free, value, gradient);
        });
    }

    fn invert(&self, shape: Shape, value: &mut [T]) {
        let groups = self.along.groups(shape);
        groups.change_each([], value, |[], group| self.map.invert(groups.shape, group));
    }

    fn enter(&self, shape: Shape, value: &mut [T]) {
        let groups = self.along.groups(shape);
        groups.change_each([], value, |[], group| self.map.enter(groups.shape, group));
    }
}

impl<T: Real, S: Constraint<T>> Constraint<T> for Per<S> {
    fn project(&self, shape: Shape, value: &mut [T]) {
        let groups = self.groups(shape);
        groups.change_each([], value, |[], group| self.set.project(groups.shape, group));
    }

    fn violation(&self, shape: Shape, value: &[T]) -> f64 {
        let (groups, mut worst) = (self.groups(shape), 0.0);
        groups.visit_each(value, |group| {
            worst = larger(worst, self.set.violation(groups.shape, group));
        });
        worst
    }

    fn accepts(&self, shape: Shape) -> Result<(), ShapeError> {
        let least = match &self.along {
            Along::Filter => 1,
            Along::Channel => 2,
            Along::Axes(axes) => {
                return check_axes("per", shape, axes)
                    .and_then(|()| self.set.accepts(self.groups(shape).shape));
            }
        };
        if shape.rank() < least {
            let expected = format!("at least {least} axes to form groups of");
            return Err(ShapeError::new("per", expected, format!("shape {shape}")));
        }
        self.set.accepts(self.groups(shape).shape)
    }

    fn kind(&self) -> Kind {
        self.set.kind()
    }

    /// That of the set, which is meant for each group.
    fn formula(&self) -> &'static str {
        self.set.formula()
    }

    fn capabilities(&self, shape: Shape) -> Capabilities {
        self.set.capabilities(self.groups(shape).shape)
    }

    fn project_in_metric(&self, shape: Shape, metric: &[T], value: &mut [T]) {
        let groups = self.groups(shape);
        groups.change_each([metric], value, |[metric], group| {
            self.set.project_in_metric(groups.shape, metric, group);
        });
    }

    fn project_tangent(&self, shape: Shape, at: &[T], direction: &mut [T]) {
        let groups = self.groups(shape);
        groups.change_each([at], direction, |[at], direction| {
            self.set.project_tangent(groups.shape, at, direction);
        });
    }

    fn minimize_linear(&self, shape: Shape, gradient: &[T], vertex: &mut [T]) {
        let groups = self.groups(shape);
        groups.change_each([gradient], vertex, |[gradient], vertex| {
            self.set.minimize_linear(groups.shape, gradient, vertex);
        });
    }

    fn project_vjp(&self, shape: Shape, at: &[T], projected: &[T], gradient: &mut [T]) {
        let groups = self.groups(shape);
        groups.change_each([at, projected], gradient, |[at, projected], gradient| {
            self.set.project_vjp(groups.shape, at, projected, gradient);
        });
    }

    fn greatest_below(&self, shape: Shape, upper: &mut [T]) -> bool {
        let (groups, mut exists) = (self.groups(shape), true);
        groups.change_each([], upper, |[], group| {
            exists &= self.set.greatest_below(groups.shape, group);
        });
        exists
    }

    fn parametrization(&self, shape: Shape) -> Option<Box<dyn Parametrization<T>>> {
        let map = self.set.parametrization(self.groups(shape).shape)?;
        Some(Box::new(MapPer { along: self.along.clone(), map }))
    }

    fn active(&self, shape: Shape, value: &[T]) -> Option<usize> {
        let (groups, mut sum) = (self.groups(shape), Some(0));
        groups.visit_each(value, |group| {
            sum = sum.and_then(|sum| Some(sum + self.set.active(groups.shape, group)?));
        });
        sum
    }
}
