//! Sets that a parameter is kept in: boxes with their exact projections in [`boxes`], the grid of decimal numbers in [`rounding`],
//! Keras' rescalings of norms in [`norm`].
//!
//! The one design choice: a constraint is a value with public fields, checked once, when a parameter is declared with it.

pub mod affine;
mod axes;
pub mod ball;
pub mod boxes;
pub mod cardinality;
pub mod grid;
pub mod hyperplane;
pub mod intersection;
pub mod isotonic;
mod multiplier;
pub mod norm;
pub mod orthonormal;
pub mod per;
pub mod polyhedron;
pub mod positive_semidefinite;
pub mod radial;
pub mod rounding;
pub mod scratch;
pub mod simplex;
mod singular;
pub mod spectral;
pub mod sphere;
pub mod sum;

use morphograd_autodiff::tensor::Real;

pub use affine::Affine;
pub use ball::{L1Ball, L2Ball, LInfBall};
pub use boxes::{Bounds, Interval, NonNegative, NonPositive};
pub use cardinality::Cardinality;
pub use grid::Grid;
pub use hyperplane::{Halfspace, Hyperplane};
pub use intersection::Intersection;
pub use isotonic::Isotonic;
pub use norm::{MaxNorm, MinMaxNorm, UnitNorm};
pub use orthonormal::OrthonormalColumns;
pub use per::Per;
pub use polyhedron::Polyhedron;
pub use positive_semidefinite::PositiveSemidefinite;
pub use radial::RadialConstraint;
pub use rounding::Rounding;
pub use simplex::{CappedSimplex, Simplex};
pub use spectral::{NuclearBall, Rank, SpectralBall};
pub use sphere::{Annulus, Sphere};
pub use sum::{FixedMean, FixedSum};

/// The maximum of two numbers, NaN if one of them is.
fn larger(worst: f64, x: f64) -> f64 {
    if x > worst || x.is_nan() { x } else { worst }
}

/// What an equation of `n` terms may be missed by relative to the sum of their magnitudes: a few units in the last place of the type for the
/// rounding of the terms, one of `f64` for each addition.
fn rounding<T: Real>(n: usize) -> f64 {
    4.0 * T::epsilon().f64() + n as f64 * f64::EPSILON
}

/// 0 for what is not more than rounding (or negative); NaN stays.
fn forgive(missed: f64, slack: f64) -> f64 {
    if missed <= slack.max(0.0) { 0.0 } else { missed }
}

/// The inverse of a coordinate's weight in the metric, 1 without one: how far it gives way to a force.
fn gain<T: Real>(metric: Option<&[T]>, i: usize) -> f64 {
    metric.map_or(1.0, |m| 1.0 / m[i].f64())
}

/// The Euclidean norm, of numbers of any size.
fn norm_of(values: impl Iterator<Item = f64> + Clone) -> f64 {
    let largest = values.clone().fold(0.0, |m, x| larger(m, x.abs()));
    if largest == 0.0 || !largest.is_finite() {
        return largest;
    }
    largest * values.map(|x| (x / largest) * (x / largest)).sum::<f64>().sqrt()
}

/// Projects what is outside, and again where rounding has left it there: where a value is much larger than the set, its projection is a difference
/// of large numbers, and the second one is of small ones. What is inside stays as it is, bit for bit.
fn settle<T>(value: &mut [T], violation: impl Fn(&[T]) -> f64, project: impl Fn(&mut [T])) {
    for _ in 0..3 {
        if violation(value) == 0.0 {
            return;
        }
        project(value);
    }
}
