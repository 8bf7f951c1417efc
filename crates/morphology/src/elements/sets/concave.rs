//! Concave structuring functions.
//!
//! The one design choice: concave along the lines of the grid, rows, columns and both diagonals,
//! which is finitely many inequalities, and projected on by the active-set method of
//! [`Polyhedron`]: exact, with a proof, where an iteration would need thousands of sweeps.

use morphograd_nn::sets::{Constraint, Kind, Optimality, Polyhedron};
use morphograd_nn::tensor::ShapeError;

use super::plane::worst;
use super::plane::{PlaneSet, constraint_on_planes};

/// $\{ w : w_{d-e} - 2 w_d + w_{d+e} \le 0 \}$ for each channel and filter, for $e$ along rows,
/// columns and both diagonals wherever all three lie in the window. Convex; exact in every diagonal
/// metric, up to the rounding that [`Polyhedron`] forgives, relative to the largest entry of the
/// plane.
///
/// A parabola is such a function, and what a parabola stands for in a scale-space: the dilation by
/// one has no second maximum to jump to. In one dimension (`[1, k]` and `[k, 1]`) these are the
/// concave sequences. Entries have to be finite: a plane with $-\infty$ becomes NaN.
///
/// Cost: a test where a plane is inside; else one exchange for each inequality that becomes active,
/// O(p³) for p active ones, and memory.
///
/// ```
/// use morphograd_morphology::{nn::autodiff::{tensor::Shape, sets::Constraint}, Concave};
/// let mut kernel = [0.0f32, -1.0, 0.0];
/// Concave.project(Shape::from([1, 3]), &mut kernel);
/// assert!(kernel.iter().all(|w| (w + 1.0 / 3.0).abs() < 1e-6));
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Concave;

constraint_on_planes!(Concave);

/// The positions of every three neighbours on a line, the middle one second.
fn triples([height, width]: [usize; 2]) -> impl Iterator<Item = [usize; 3]> {
    let directions = [[0, 1], [1, 0], [1, 1], [1, -1]];
    (0..height * width).flat_map(move |middle| {
        directions.into_iter().filter_map(move |[dy, dx]: [isize; 2]| {
            let at = |sign: isize| {
                let y = (middle / width).checked_add_signed(sign * dy).filter(|y| *y < height)?;
                let x = (middle % width).checked_add_signed(sign * dx).filter(|x| *x < width)?;
                Some(y * width + x)
            };
            Some([at(-1)?, middle, at(1)?])
        })
    })
}

impl Concave {
    /// The set for planes of one size, as inequalities.
    pub fn inequalities(size: [usize; 2]) -> Polyhedron {
        let rows = triples(size).map(|[before, middle, after]| {
            (vec![(before, 1.0), (middle, -2.0), (after, 1.0)], 0.0)
        });
        Polyhedron::new(size[0] * size[1], rows).expect("constant functions are concave")
    }

    /// Projects one plane of numbers, and returns the proof.
    pub fn project_with_proof(size: [usize; 2], plane: &mut [f64]) -> Optimality {
        Self::inequalities(size).project_with_proof(None, plane)
    }
}

impl PlaneSet for Concave {
    const NAME: &'static str = "concave";
    const HAS_DERIVATIVE: bool = false;

    fn kind(&self) -> Kind {
        Kind::Convex
    }

    fn formula(&self) -> &'static str {
        "w_(d-e) - 2 w_d + w_(d+e) <= 0 along rows, columns, diagonals"
    }

    fn check(&self, _: [usize; 2]) -> Result<(), ShapeError> {
        Ok(())
    }

    fn missed(&self, size: [usize; 2], rounding: f64, plane: &[f64]) -> f64 {
        if !plane.iter().all(|w| w.is_finite()) {
            return f64::NAN;
        }
        let largest = plane.iter().fold(0.0, |m: f64, w| m.max(w.abs()));
        triples(size).fold(0.0, |all, [before, middle, after]| {
            let terms = [plane[before], -2.0 * plane[middle], plane[after]];
            // As of a polyhedron.
            let slack = rounding * terms.iter().map(|t| t.abs()).sum::<f64>() + 4e-12 * largest;
            let missed = terms.iter().sum::<f64>();
            worst(if missed <= slack { 0.0 } else { missed }, all)
        })
    }

    fn solve(&self, size: [usize; 2], metric: Option<&[f64]>, plane: &mut [f64]) {
        let (inequalities, shape) = (Self::inequalities(size), [plane.len()].into());
        match metric {
            Some(metric) => inequalities.project_in_metric(shape, metric, plane),
            None => inequalities.project(shape, plane),
        }
    }

    fn tangent(&self, size: [usize; 2], _: f64, at: &[f64], direction: &mut [f64]) {
        Self::inequalities(size).project_tangent([at.len()].into(), at, direction);
    }

    /// The entries of the lines that are straight somewhere.
    fn active(&self, size: [usize; 2], _: f64, plane: &[f64]) -> Option<usize> {
        Self::inequalities(size).active([plane.len()].into(), plane)
    }
}
