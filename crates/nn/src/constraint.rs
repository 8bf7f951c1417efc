//! Sets that a parameter is kept in, each with its exact projection.
//!
//! They act on the parameter as a whole; [`Per`] gives one to each filter, channel or other group.
//! A matrix set sees a parameter of more axes than two as the matrix of its last axis against all
//! others: a kernel `[kh, kw, in, out]` is `[kh·kw·in, out]`. Sets that know where a kernel has its
//! centre live in `morphograd-morphology`.
//!
//! | set | formula | convex | cost | acts on | projection in a metric | of directions |
//! |---|---|---|---|---|---|---|
//! | [`NonNegative`] | `w >= 0` | yes | n | each entry | yes, the same | yes |
//! | [`NonPositive`] | `w <= 0` | yes | n | each entry | yes, the same | yes |
//! | [`Interval`] | `min <= w <= max` | yes | n | each entry | yes, the same | yes |
//! | [`Bounds`] | `l_i <= w_i <= u_i` | yes | n | each entry | yes, the same | yes |
//! | [`LInfBall`] | `max \|w\| <= r` | yes | n | each entry | yes, the same | yes |
//! | [`Rounding`] | `w in 10^-decimals Z` | no | n | each entry | yes, the same | yes |
//! | [`Grid`] | `w = o + k h, min <= k <= max` | no | n | each entry | yes, the same | yes |
//! | [`FixedSum`] | `sum w = s` | yes | n | group | yes | yes |
//! | [`FixedMean`] | `mean w = m` | yes | n | group | yes | yes |
//! | [`Hyperplane`] | `a . w = b` | yes | n | group | yes | yes |
//! | [`Halfspace`] | `a . w <= b` | yes | n | group | yes | yes |
//! | [`Affine`] | `A w = b` | yes | m n for m equations; in a metric m² n | group | yes | yes |
//! | [`Polyhedron`] | `a_j . w <= b_j for every j` | yes | p exchanges, each p³ | group | yes | yes |
//! | [`L1Ball`] | `sum \|w\| <= r` | yes | n a pass, a few passes | group | yes | yes |
//! | [`L2Ball`] | `\|\|w\|\|_2 <= r` | yes | n | group | yes | yes |
//! | [`Sphere`] | `\|\|w\|\|_2 = r` | no | n | group | yes | yes |
//! | [`Annulus`] | `a <= \|\|w\|\|_2 <= b` | no | n | group | yes | yes |
//! | [`Simplex`] | `w >= 0, sum w = s` | yes | n a pass, a few passes | group | yes | yes |
//! | [`CappedSimplex`] | `0 <= w <= c, sum w = s` | yes | n a pass, a few passes | group | yes | yes |
//! | [`Isotonic`] | `w_1 <= w_2 <= ... <= w_n` | yes | n | group, in row-major order | yes | yes |
//! | [`Cardinality`] | `#{w != 0} <= k` | no | n | group | yes | yes |
//! | [`Rank`] | `rank W <= r` | no | m n min(m, n) a sweep | matrix | no | yes |
//! | [`SpectralBall`] | `sigma_1(W) <= r` | yes | m n min(m, n) a sweep | matrix | no | yes |
//! | [`NuclearBall`] | `sum_k sigma_k(W) <= r` | yes | m n min(m, n) a sweep | matrix | no | yes |
//! | [`PositiveSemidefinite`] | `W = W^T, lambda_min(W) >= 0` | yes | n³ a sweep | square matrix | no | yes |
//! | [`OrthonormalColumns`] | `W^T W = I` | no | m n² a sweep | matrix | no | yes |
//! | [`Intersection`] | `w in every C_i` | yes | the members' times the sweeps | group | if all members have it | no |
//! | [`Per`] | as its set | as its set | its set's | each group | as its set | as its set |
//!
//! n is the number of entries; where a cost is that of a sweep, ten sweeps are usual. `Annulus` is
//! convex where a = 0, and `Isotonic` may be the reverse. Sums run in `f64`, and `violation`
//! forgives what rounding to the type costs: 4 units in its last place, and one of `f64` for each
//! term, relative to the sum of the terms' magnitudes. What is feasible in this sense stays as it
//! is, bit for bit.
//!
//! Keras' maps are here with their formulas to the letter. They are no projections, and say so:
//! they divide by the norm plus 1e-7, so that what is inside shrinks at each application, and 0
//! stays 0 though it is outside.
//!
//! | map | formula | what it means |
//! |---|---|---|
//! | [`UnitNorm`] | `w / (eps + \|\|w\|\|)` | `Sphere` |
//! | [`MaxNorm`] | `w min(\|\|w\|\|, max) / (eps + \|\|w\|\|)` | `L2Ball` |
//! | [`MinMaxNorm`] | `w (r clip(\|\|w\|\|, min, max) + (1 - r) \|\|w\|\|) / (eps + \|\|w\|\|)` | `Annulus` |
//! | [`RadialConstraint`] | `every ring gets a sample of the diagonal` | means over rings |
//!
//! The one design choice: a constraint is a value with public fields, checked once, when a
//! parameter is declared with it.

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

/// What an equation of `n` terms may be missed by relative to the sum of their magnitudes: a few
/// units in the last place of the type for the rounding of the terms, one of `f64` for each
/// addition.
fn rounding<T: Real>(n: usize) -> f64 {
    4.0 * T::epsilon().f64() + n as f64 * f64::EPSILON
}

/// 0 for what is not more than rounding (or negative). NaN stays, and so does an infinity: the
/// rounding of one is infinite too.
fn forgive(missed: f64, slack: f64) -> f64 {
    if missed <= slack.max(0.0) && missed < f64::INFINITY { 0.0 } else { missed }
}

/// Replaces a direction by 0, where a point can move nowhere; what is not a number remains to be
/// seen.
fn stop<T: Real>(direction: &mut [T]) {
    direction.iter_mut().filter(|d| !d.is_nan()).for_each(|d| *d = T::zero());
}

/// The inverse of a coordinate's weight in the metric, 1 without one: how far it gives way to a
/// force.
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

/// Projects what is outside, and again where rounding has left it there: where a value is much
/// larger than the set, its projection is a difference of large numbers, and the second one is of
/// small ones. What is inside stays as it is, bit for bit.
fn settle<T>(value: &mut [T], violation: impl Fn(&[T]) -> f64, project: impl Fn(&mut [T])) {
    for _ in 0..3 {
        if violation(value) == 0.0 {
            return;
        }
        project(value);
    }
}
