//! A set for each group of a parameter: per filter, per channel, per axis.
//!
//! The one design choice: a group is gathered into contiguous memory and shown to the set as a
//! parameter of its own, so that no set has to know about axes.

use crate::{Constraint, Kind, Parametrization};
use morphograd_tensor::{Real, Shape, ShapeError};

use crate::axes::{Axes, check_axes};
use crate::numeric::larger;
use crate::scratch::with_scratch;

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
    fn contains(&self, shape: Shape, axis: usize) -> bool {
        match self {
            Self::Filter => axis + 1 < shape.rank(),
            Self::Channel => axis < 2,
            Self::Axes(axes) => axes.contains(&axis),
        }
    }

    fn groups(&self, shape: Shape) -> Groups {
        let mut dims = [1; morphograd_tensor::MAX_RANK];
        let mut rank = 0;
        for (axis, length) in shape.dims().iter().enumerate() {
            if self.contains(shape, axis) {
                dims[rank] = *length;
                rank += 1;
            }
        }
        Groups {
            shape: Shape::new(&dims[..rank]),
            along: Axes::of(shape, |axis| self.contains(shape, axis)),
            across: Axes::of(shape, |axis| !self.contains(shape, axis)),
        }
    }
}

/// A smooth map of each group.
#[derive(Debug)]
struct MapPer<T> {
    along: Along,
    map: Box<dyn Parametrization<T>>,
}

impl<T: Real> Parametrization<T> for MapPer<T> {
    fn weight(&self, shape: Shape, free: &[T], weight: &mut [T]) {
        let groups = self.along.groups(shape);
        let n = groups.shape.len();
        with_scratch(2 * n, |scratch| {
            let (group, image) = scratch.split_at_mut(n);
            for start in groups.starts() {
                groups.gather(start, free, group);
                self.map.weight(groups.shape, group, image);
                groups.scatter(start, image, weight);
            }
        });
    }

    fn pull_back(&self, shape: Shape, free: &[T], weight: &[T], gradient: &mut [T]) -> bool {
        let groups = self.along.groups(shape);
        groups.each_pulled_back([free, weight], gradient, |free, weight, gradient| {
            self.map.pull_back(groups.shape, free, weight, gradient)
        })
    }

    fn invert(&self, shape: Shape, weight: &mut [T]) {
        self.along.groups(shape).each(weight, |shape, group| self.map.invert(shape, group));
    }

    fn enter(&self, shape: Shape, weight: &mut [T]) {
        self.along.groups(shape).each(weight, |shape, group| self.map.enter(shape, group));
    }
}

/// How a parameter falls into groups.
struct Groups {
    /// The shape of one.
    shape: Shape,
    along: Axes,
    across: Axes,
}

impl Groups {
    /// The position of the first element of each group.
    fn starts(&self) -> impl Iterator<Item = usize> + '_ {
        let empty = self.shape.is_empty();
        (0..if empty { 0 } else { self.across.count() }).map(|group| self.across.offset(group))
    }

    /// Changes each group in its place.
    fn each<T: Real>(&self, value: &mut [T], mut change: impl FnMut(Shape, &mut [T])) {
        with_scratch(self.shape.len(), |group| {
            for start in self.starts() {
                self.gather(start, value, group);
                change(self.shape, group);
                self.scatter(start, group, value);
            }
        });
    }

    /// Changes each group of a gradient, given two points; false as soon as one cannot be changed.
    fn each_pulled_back<T: Real>(
        &self,
        points: [&[T]; 2],
        gradient: &mut [T],
        mut change: impl FnMut(&[T], &[T], &mut [T]) -> bool,
    ) -> bool {
        let n = self.shape.len();
        with_scratch(3 * n, |scratch| {
            let (group, rest) = scratch.split_at_mut(n);
            let (first, second) = rest.split_at_mut(n);
            self.starts().all(|start| {
                self.gather(start, gradient, group);
                self.gather(start, points[0], first);
                self.gather(start, points[1], second);
                let changed = change(first, second, group);
                if changed {
                    self.scatter(start, group, gradient);
                }
                changed
            })
        })
    }

    fn gather<T: Real>(&self, start: usize, from: &[T], group: &mut [T]) {
        for (member, w) in group.iter_mut().enumerate() {
            *w = from[start + self.along.offset(member)];
        }
    }

    fn scatter<T: Real>(&self, start: usize, group: &[T], to: &mut [T]) {
        for (member, w) in group.iter().enumerate() {
            to[start + self.along.offset(member)] = *w;
        }
    }
}

impl<T: Real, S: Constraint<T>> Constraint<T> for Per<S> {
    fn project(&self, shape: Shape, value: &mut [T]) {
        self.groups(shape).each(value, |shape, group| self.set.project(shape, group));
    }

    fn violation(&self, shape: Shape, value: &[T]) -> f64 {
        let groups = self.groups(shape);
        with_scratch(groups.shape.len(), |group| {
            groups.starts().fold(0.0, |worst, start| {
                groups.gather(start, value, group);
                larger(worst, self.set.violation(groups.shape, group))
            })
        })
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

    fn minimize_linear(&self, shape: Shape, gradient: &[T], vertex: &mut [T]) -> bool {
        let groups = self.groups(shape);
        let n = groups.shape.len();
        with_scratch(2 * n, |scratch| {
            let (group, group_vertex) = scratch.split_at_mut(n);
            for start in groups.starts() {
                groups.gather(start, gradient, group);
                if !self.set.minimize_linear(groups.shape, group, group_vertex) {
                    return false;
                }
                groups.scatter(start, group_vertex, vertex);
            }
            true
        })
    }

    fn kind(&self) -> Kind {
        self.set.kind()
    }

    /// That of the set, which is meant for each group.
    fn formula(&self) -> &'static str {
        self.set.formula()
    }

    fn project_in_metric(&self, shape: Shape, metric: &[T], value: &mut [T]) -> bool {
        let groups = self.groups(shape);
        let n = groups.shape.len();
        with_scratch(2 * n, |scratch| {
            let (group, group_metric) = scratch.split_at_mut(n);
            for start in groups.starts() {
                groups.gather(start, value, group);
                groups.gather(start, metric, group_metric);
                // A set knows metrics or does not, whatever the value: the first group decides.
                if !self.set.project_in_metric(groups.shape, group_metric, group) {
                    return false;
                }
                groups.scatter(start, group, value);
            }
            true
        })
    }

    fn project_tangent(&self, shape: Shape, at: &[T], direction: &mut [T]) -> bool {
        let groups = self.groups(shape);
        let n = groups.shape.len();
        with_scratch(2 * n, |scratch| {
            let (group, point) = scratch.split_at_mut(n);
            for start in groups.starts() {
                groups.gather(start, direction, group);
                groups.gather(start, at, point);
                if !self.set.project_tangent(groups.shape, point, group) {
                    return false;
                }
                groups.scatter(start, group, direction);
            }
            true
        })
    }

    fn project_vjp(&self, shape: Shape, at: &[T], projected: &[T], gradient: &mut [T]) -> bool {
        let groups = self.groups(shape);
        groups.each_pulled_back([at, projected], gradient, |at, projected, gradient| {
            self.set.project_vjp(groups.shape, at, projected, gradient)
        })
    }

    fn parametrization(&self, shape: Shape) -> Option<Box<dyn Parametrization<T>>> {
        let map = self.set.parametrization(self.groups(shape).shape)?;
        Some(Box::new(MapPer { along: self.along.clone(), map }))
    }

    fn active(&self, shape: Shape, value: &[T]) -> Option<usize> {
        let groups = self.groups(shape);
        with_scratch(groups.shape.len(), |group| {
            groups.starts().try_fold(0, |sum, start| {
                groups.gather(start, value, group);
                Some(sum + self.set.active(groups.shape, group)?)
            })
        })
    }
}
