#![doc = include_str!("../README.md")]
//!
//! # All sets
//!
//! They act on an array as a whole; [`Per`] gives one to each filter, channel or other group. A
//! matrix set sees an array of more axes than two as the matrix of its last axis against all
//! others: a kernel `[kh, kw, in, out]` is `[kh·kw·in, out]`. Sets that know where a kernel has its
//! centre live in `morphograd-morphology`.
//!
//! The last two columns are [`Capabilities::metric`] and [`Capabilities::tangent`]. `linear` are
//! the bounded boxes, balls, simplices and
//! `KSparsePolytope`; `derivative` all but grids, polyhedra, intersections,
//! annuli and sets of matrices.
//!
//! | set | formula | convex | cost | acts on | projection in a metric | of directions |
//! |---|---|---|---|---|---|---|
//! | [`NonNegative`] | `w >= 0` | yes | n | each entry | yes, the same | yes |
//! | [`NonPositive`] | `w <= 0` | yes | n | each entry | yes, the same | yes |
//! | [`Interval`] | `min <= w <= max` | yes | n | each entry | yes, the same | yes |
//! | [`Bounds`] | `l_i <= w_i <= u_i` | yes | n | each entry | yes, the same | yes |
//! | [`LInfBall`] | `max \|w\| <= r` | yes | n | each entry | yes, the same | yes |
//! | [`Grid`] | `w = o + k h, min <= k <= max` | no | n | each entry | yes, the same | yes |
//! | [`FixedSum`] | `sum w = s` | yes | n | group | yes | yes |
//! | [`FixedMean`] | `mean w = m` | yes | n | group | yes | yes |
//! | [`Hyperplane`] | `a . w = b` | yes | n | group | yes | yes |
//! | [`Halfspace`] | `a . w <= b` | yes | n | group | yes | yes |
//! | [`Affine`] | `A w = b` | yes | m n for m equations; in a metric m² n | group | yes | yes |
//! | [`Polyhedron`] | `a_j . w <= b_j for every j` | yes | p exchanges, each p³ | group | yes | yes |
//! | [`L1Ball`] | `sum \|w\| <= r` | yes | n a pass, a few passes | group | yes | yes |
//! | [`KSparsePolytope`] | `sum \|w\| <= k t, max \|w\| <= t` | yes | n a pass, a few passes | group | yes | yes |
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
//! term, relative to the sum of the terms' magnitudes. [`Polyhedron`] and [`Intersection`] forgive
//! more, as they say. What is feasible in this sense stays as it is, bit for bit. Values up to
//! 1e290 in `f64` and 1e36 in `f32` are projected into the set.
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

mod constraint;
mod groups;
pub mod maps;
mod multiplier;
mod numeric;
mod parametrization;
mod projected;
mod scratch;
mod until_inside;

/// Sets made of others.
pub mod combine {
    pub mod intersection;
    pub mod per;
}
/// Sets that bound or round each entry.
pub mod entries {
    pub mod boxes;
    pub mod grid;
}
/// Keras' maps, to the letter.
pub mod keras {
    pub mod norms;
    pub mod radial;
}
/// Sets of matrices.
pub mod matrices {
    mod eigen;
    pub mod nuclear_ball;
    pub mod orthonormal;
    pub mod positive_semidefinite;
    pub mod rank;
    pub mod spectral_ball;
    mod svd;
}
/// Balls and spheres.
pub mod norms {
    pub mod ball;
    pub mod k_sparse_polytope;
    pub mod sphere;
}
/// Order and sparsity.
pub mod orders {
    pub mod cardinality;
    pub mod isotonic;
}
/// Methods for deterministic problems on a set, with certificates.
pub mod solve {
    mod frank_wolfe;
    mod method;
    mod problem;
    mod projected_gradient;
    mod stationarity;

    pub use frank_wolfe::{FrankWolfe, FrankWolfeStep, TowardsVertices};
    pub use method::{Iterate, Method, Solution, SolveError};
    pub use problem::{Objective, Part, Problem};
    pub use projected_gradient::{Descent, ProjectedGradient};
    pub use stationarity::{Stationarity, stationarity};
}
/// Sums, planes and simplices.
pub mod sums {
    pub mod affine;
    pub mod fixed_sum;
    pub mod hyperplane;
    pub mod polyhedron;
    pub mod simplex;
}

pub use combine::intersection::{Certificate, Intersection, Member, Precision};
pub use combine::per::Per;
pub use constraint::{Capabilities, Constraint, Kind, lacks_capability};
pub use entries::boxes::{Bounds, Interval, NonNegative, NonPositive};
pub use entries::grid::Grid;
pub use keras::norms::{MaxNorm, MinMaxNorm, UnitNorm};
pub use keras::radial::RadialConstraint;
pub use matrices::nuclear_ball::NuclearBall;
pub use matrices::orthonormal::OrthonormalColumns;
pub use matrices::positive_semidefinite::PositiveSemidefinite;
pub use matrices::rank::Rank;
pub use matrices::spectral_ball::SpectralBall;
pub use norms::ball::{L1Ball, L2Ball, LInfBall};
pub use norms::k_sparse_polytope::KSparsePolytope;
pub use norms::sphere::{Annulus, Sphere};
pub use orders::cardinality::Cardinality;
pub use orders::isotonic::{Isotonic, pool_adjacent_violators};
pub use parametrization::Parametrization;
pub use projected::{Projected, ProjectionVjp};
pub use scratch::with_scratch;
pub use sums::affine::Affine;
pub use sums::fixed_sum::{FixedMean, FixedSum};
pub use sums::hyperplane::{Halfspace, Hyperplane};
pub use sums::polyhedron::{Optimality, Polyhedron};
pub use sums::simplex::{CappedSimplex, Simplex};

pub use morphograd_tensor as tensor;
