//! Sets of the planes of a kernel: what a set has to say about one plane, and how that becomes a
//! constraint on all of them.
//!
//! The one design choice: a plane is copied into contiguous numbers of type `f64`, and written back
//! only if it has to change, so that what is inside stays bit for bit. Planes of up to 1024 entries
//! are copied without taking memory.

use std::fmt::Debug;

use morphograd_nn::sets::{
    Capabilities, Constraint, Kind, Parametrization, Projected, lacks_capability, with_scratch,
};
use morphograd_nn::tensor::{Real, Shape, ShapeError};

/// A set of planes `[kh, kw]`, row-major.
pub(super) trait PlaneSet {
    const NAME: &'static str;

    fn kind(&self) -> Kind;

    fn formula(&self) -> &'static str;

    /// # Errors
    /// If the set is not defined for planes of this size. They have at least one entry.
    fn check(&self, size: [usize; 2]) -> Result<(), ShapeError>;

    /// As `Constraint::violation`. `rounding` is what to forgive, relative to the sum of the
    /// magnitudes of what is compared.
    fn missed(&self, size: [usize; 2], rounding: f64, plane: &[f64]) -> f64;

    /// Projects a plane that is not in the set, in the metric if there is one.
    fn solve(&self, size: [usize; 2], metric: Option<&[f64]>, plane: &mut [f64]);

    /// Whether `solve` knows metrics.
    const HAS_METRIC: bool = true;

    /// As `Constraint::project_tangent`.
    fn tangent(&self, size: [usize; 2], rounding: f64, at: &[f64], direction: &mut [f64]);

    /// Whether the projection is linear up to a constant; then that of directions is its
    /// derivative, and it is a smooth map into the set.
    const AFFINE: bool = false;

    /// Whether the derivative of the projection is known.
    const HAS_DERIVATIVE: bool = true;

    /// As `Constraint::project_vjp`, where the projection is not affine and the derivative known.
    fn pull_back(&self, _size: [usize; 2], _at: &[f64], _projected: &[f64], _gradient: &mut [f64]) {
        unreachable!("{} is affine, or without a derivative", Self::NAME)
    }

    /// Whether maxima of planes of the set are in it.
    const HAS_GREATEST: bool = false;

    /// As `Constraint::greatest_below`, where the set has it.
    fn greatest_below(&self, _size: [usize; 2], _upper: &mut [f64]) -> bool {
        unreachable!("{} is not closed under maxima", Self::NAME)
    }

    /// As `Constraint::active`.
    fn active(&self, _size: [usize; 2], _rounding: f64, _plane: &[f64]) -> Option<usize> {
        None
    }
}

/// The elements of a kernel at one position: its channels and filters.
pub(super) fn rest(shape: Shape) -> usize {
    shape.dims()[2..].iter().product()
}

/// The maximum of two numbers, NaN if one of them is: `f64::max` would lose it.
pub(super) fn worst(a: f64, b: f64) -> f64 {
    if a.is_nan() || a > b { a } else { b }
}

fn size(shape: Shape) -> [usize; 2] {
    [shape.dims()[0], shape.dims()[1]]
}

fn rounding<T: Real>([height, width]: [usize; 2]) -> f64 {
    4.0 * T::epsilon().f64() + (height * width) as f64 * f64::EPSILON
}

fn gather<T: Real>(plane: usize, rest: usize, from: &[T], to: &mut [f64]) {
    for (position, w) in to.iter_mut().enumerate() {
        *w = from[position * rest + plane].f64();
    }
}

fn scatter<T: Real>(plane: usize, rest: usize, from: &[f64], to: &mut [T]) {
    for (position, w) in from.iter().enumerate() {
        to[position * rest + plane] = T::of(*w);
    }
}

pub(super) fn capabilities<S: PlaneSet>(_: &S) -> Capabilities {
    Capabilities {
        metric: S::HAS_METRIC,
        tangent: true,
        derivative: S::HAS_DERIVATIVE,
        greatest: S::HAS_GREATEST,
        ..Capabilities::default()
    }
}

pub(super) fn project<T: Real, S: PlaneSet + Debug>(
    set: &S,
    shape: Shape,
    metric: Option<&[T]>,
    value: &mut [T],
) {
    if metric.is_some() && !S::HAS_METRIC {
        lacks_capability(set, "metric");
    }
    let (size, rest) = (size(shape), rest(shape));
    let n = size[0] * size[1];
    with_scratch(2 * n, |scratch: &mut [f64]| {
        let (plane, weights) = scratch.split_at_mut(n);
        for p in 0..rest {
            if let Some(metric) = metric {
                gather(p, rest, metric, weights);
            }
            // Again where rounding has left it outside, which happens where the entries are much
            // larger than their projections.
            for _ in 0..3 {
                gather(p, rest, value, plane);
                if set.missed(size, rounding::<T>(size), plane) == 0.0 {
                    break;
                }
                set.solve(size, metric.map(|_| &*weights), plane);
                scatter(p, rest, plane, value);
            }
        }
    });
}

pub(super) fn violation<T: Real>(set: &impl PlaneSet, shape: Shape, value: &[T]) -> f64 {
    let (size, rest) = (size(shape), rest(shape));
    with_scratch(size[0] * size[1], |plane: &mut [f64]| {
        (0..rest).fold(0.0, |all, p| {
            gather(p, rest, value, plane);
            worst(set.missed(size, rounding::<T>(size), plane), all)
        })
    })
}

pub(super) fn accepts<S: PlaneSet>(set: &S, shape: Shape) -> Result<(), ShapeError> {
    if shape.rank() < 2 || shape.is_empty() {
        return Err(ShapeError::new(
            S::NAME,
            "a kernel [height, width, …]",
            format!("shape {shape}"),
        ));
    }
    set.check(size(shape))
}

pub(super) fn tangent<T: Real>(set: &impl PlaneSet, shape: Shape, at: &[T], direction: &mut [T]) {
    let (size, rest) = (size(shape), rest(shape));
    let n = size[0] * size[1];
    with_scratch(2 * n, |scratch: &mut [f64]| {
        let (point, plane) = scratch.split_at_mut(n);
        for p in 0..rest {
            gather(p, rest, at, point);
            gather(p, rest, direction, plane);
            set.tangent(size, rounding::<T>(size), point, plane);
            scatter(p, rest, plane, direction);
        }
    });
}

pub(super) fn project_vjp<T: Real, S: PlaneSet + Debug>(
    set: &S,
    shape: Shape,
    at: &[T],
    projected: &[T],
    gradient: &mut [T],
) {
    if !S::HAS_DERIVATIVE {
        lacks_capability(set, "derivative");
    }
    if S::AFFINE {
        return tangent(set, shape, projected, gradient);
    }
    let (size, rest) = (size(shape), rest(shape));
    let n = size[0] * size[1];
    with_scratch(3 * n, |scratch: &mut [f64]| {
        let (point, others) = scratch.split_at_mut(n);
        let (image, plane) = others.split_at_mut(n);
        for p in 0..rest {
            gather(p, rest, at, point);
            gather(p, rest, projected, image);
            gather(p, rest, gradient, plane);
            set.pull_back(size, point, image, plane);
            scatter(p, rest, plane, gradient);
        }
    });
}

pub(super) fn greatest_below<T: Real, S: PlaneSet + Debug>(
    set: &S,
    shape: Shape,
    upper: &mut [T],
) -> bool {
    if !S::HAS_GREATEST {
        lacks_capability(set, "greatest");
    }
    let (size, rest) = (size(shape), rest(shape));
    with_scratch(size[0] * size[1], |plane: &mut [f64]| {
        (0..rest).all(|p| {
            gather(p, rest, upper, plane);
            let exists = set.greatest_below(size, plane);
            scatter(p, rest, plane, upper);
            exists
        })
    })
}

pub(super) fn parametrization<T: Real, S>(set: &S) -> Option<Box<dyn Parametrization<T>>>
where
    S: PlaneSet + Constraint<T> + Clone + 'static,
{
    if S::AFFINE { Projected::smooth(set.clone()) } else { None }
}

pub(super) fn active<T: Real>(set: &impl PlaneSet, shape: Shape, value: &[T]) -> Option<usize> {
    let (size, rest) = (size(shape), rest(shape));
    with_scratch(size[0] * size[1], |plane: &mut [f64]| {
        (0..rest).try_fold(0, |sum, p| {
            gather(p, rest, value, plane);
            Some(sum + set.active(size, rounding::<T>(size), plane)?)
        })
    })
}

/// Makes a set of planes a constraint. A blanket implementation would be one for foreign types too,
/// which the language refuses.
macro_rules! constraint_on_planes {
    ($set:ty) => {
        impl<T: morphograd_nn::tensor::Real> morphograd_nn::autodiff::sets::Constraint<T> for $set {
            fn project(&self, shape: morphograd_nn::tensor::Shape, value: &mut [T]) {
                $crate::elements::sets::plane::project(self, shape, None, value);
            }

            fn violation(&self, shape: morphograd_nn::tensor::Shape, value: &[T]) -> f64 {
                $crate::elements::sets::plane::violation(self, shape, value)
            }

            fn accepts(
                &self,
                shape: morphograd_nn::tensor::Shape,
            ) -> Result<(), morphograd_nn::tensor::ShapeError> {
                $crate::elements::sets::plane::accepts(self, shape)
            }

            fn kind(&self) -> morphograd_nn::autodiff::sets::Kind {
                $crate::elements::sets::plane::PlaneSet::kind(self)
            }

            fn formula(&self) -> &'static str {
                $crate::elements::sets::plane::PlaneSet::formula(self)
            }

            fn capabilities(
                &self,
                _: morphograd_nn::tensor::Shape,
            ) -> morphograd_nn::sets::Capabilities {
                $crate::elements::sets::plane::capabilities(self)
            }

            fn project_in_metric(
                &self,
                shape: morphograd_nn::tensor::Shape,
                metric: &[T],
                value: &mut [T],
            ) {
                $crate::elements::sets::plane::project(self, shape, Some(metric), value);
            }

            fn project_tangent(
                &self,
                shape: morphograd_nn::tensor::Shape,
                at: &[T],
                direction: &mut [T],
            ) {
                $crate::elements::sets::plane::tangent(self, shape, at, direction);
            }

            fn project_vjp(
                &self,
                shape: morphograd_nn::tensor::Shape,
                at: &[T],
                projected: &[T],
                gradient: &mut [T],
            ) {
                $crate::elements::sets::plane::project_vjp(self, shape, at, projected, gradient);
            }

            fn greatest_below(&self, shape: morphograd_nn::tensor::Shape, upper: &mut [T]) -> bool {
                $crate::elements::sets::plane::greatest_below(self, shape, upper)
            }

            fn parametrization(
                &self,
                _: morphograd_nn::tensor::Shape,
            ) -> Option<Box<dyn morphograd_nn::autodiff::sets::Parametrization<T>>> {
                $crate::elements::sets::plane::parametrization(self)
            }

            fn active(&self, shape: morphograd_nn::tensor::Shape, value: &[T]) -> Option<usize> {
                $crate::elements::sets::plane::active(self, shape, value)
            }
        }
    };
}
pub(super) use constraint_on_planes;
