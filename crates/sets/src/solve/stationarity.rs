//! How far a point of a set is from being stationary where a function has a kink.
//!
//! The one design choice: normal vectors are never named. The distance to a normal cone is the
//! length of the projection on the tangent cone, which sets know.

use morphograd_tensor::{Shape, ShapeError};

use super::method::{Method, SolveError, dot, norm};
use super::problem::Objective;
use super::projected_gradient::ProjectedGradient;
use crate::{Constraint, Kind, Simplex};

/// What [`stationarity`] finds.
#[derive(Debug, Clone, PartialEq)]
pub struct Stationarity {
    /// The length of the shortest sum of a mixture of the gradients and a normal vector that was
    /// found.
    pub distance: f64,
    /// No such sum is shorter, by the duality gap.
    pub at_least: f64,
    /// The mixture: a weight for each gradient, not negative, of sum 1.
    pub weights: Vec<f64>,
}

/// $\operatorname{dist}(0, \operatorname{conv}\{g_1, \dots, g_m\} + N_C(w))$ at the point $w$ of a
/// convex set, which is 0 exactly if a mixture of the gradients makes $w$ stationary.
///
/// By Moreau's theorem $\min_{v \in N_C(w)} \lVert g + v \rVert = \lVert P_T(-g) \rVert$ with the
/// tangent cone $T$ at $w$. So it minimizes $\frac12 \lVert P_T(-\sum_i λ_i g_i) \rVert^2$ over the
/// simplex, a convex function with the gradient $-\langle g_i, P_T(\cdot) \rangle$. At a kink of a
/// maximum the gradients are those of all choices among the tied; where they are too many, those at
/// points nearby (gradient sampling). For small problems. Cost: O(m n) and a projection on the cone
/// a step, of up to 10,000 accelerated ones.
///
/// Sources: Ph. Wolfe, *Finding the nearest point in a polytope* (1976), for the problem; J. Burke,
/// A. Lewis and M. Overton, *A robust gradient sampling algorithm for nonsmooth, nonconvex
/// optimization* (2005), for its use.
///
/// # Errors
/// If the set is not convex or its tangent cones are not known, there is no gradient, one has
/// another length than the point or is not finite.
///
/// ```
/// use morphograd_sets::{FixedSum, solve::stationarity};
/// // max(w1, w2) at 0, the minimizer on w1 + w2 = 0: gradients (1, 0) and (0, 1).
/// let set = FixedSum { sum: 0.0 };
/// let found = stationarity(&set, [2], &[0.0; 2], &[vec![1.0, 0.0], vec![0.0, 1.0]])?;
/// assert!(found.distance < 1e-6 && (found.weights[0] - 0.5).abs() < 1e-6);
/// // With one of them alone the point does not look stationary.
/// let one = stationarity(&set, [2], &[0.0; 2], &[vec![1.0, 0.0]])?;
/// assert!((one.distance - 0.5f64.sqrt()).abs() < 1e-12);
/// # Ok::<(), morphograd_sets::solve::SolveError>(())
/// ```
pub fn stationarity(
    set: &dyn Constraint<f64>,
    shape: impl Into<Shape>,
    at: &[f64],
    gradients: &[Vec<f64>],
) -> Result<Stationarity, SolveError> {
    let shape = shape.into();
    set.accepts(shape).map_err(SolveError::Shape)?;
    if set.kind() != Kind::Convex || !set.capabilities(shape).tangent {
        return Err(SolveError::Set {
            method: NAME,
            expected: "a convex set that knows its tangent cones",
            part: None,
            found: format!("{set:?}"),
        });
    }
    if let Some(found) =
        [at.len()].into_iter().chain(gradients.iter().map(Vec::len)).find(|n| *n != shape.len())
    {
        let expected = format!("{} numbers for shape {shape}", shape.len());
        return Err(SolveError::Shape(ShapeError::new(NAME, expected, found.to_string())));
    }
    let norms = || gradients.iter().map(|g| norm(g));
    if let Some(found) = norms().find(|norm| !norm.is_finite()) {
        return Err(SolveError::NotFinite { method: NAME, found });
    }
    // Of length 1 at most, so that the tolerance is relative.
    let largest = norms().fold(0.0, f64::max);
    let scale = if largest > 0.0 { largest } else { 1.0 };
    let mut mixture = Mixture { set, shape, at, gradients, scale, tangent: vec![0.0; at.len()] };
    let mut weights = vec![1.0 / gradients.len() as f64; gradients.len()];
    let simplex = Simplex { sum: 1.0 };
    let method = ProjectedGradient {
        accelerated: true,
        restart: true,
        iterations: 10_000,
        tolerance: 1e-10,
        ..ProjectedGradient::default()
    };
    let problem = Objective::new(&simplex, [gradients.len()], &mut weights, |w, slopes| {
        mixture.half_square(w, slopes)
    });
    method.minimize(problem.map_err(SolveError::Shape)?)?;
    let mut slopes = vec![0.0; weights.len()];
    let half = mixture.half_square(&weights, &mut slopes);
    let gap = dot(&weights, &slopes) - slopes.iter().copied().fold(f64::INFINITY, f64::min);
    let length = |half: f64| (2.0 * half.max(0.0)).sqrt() * scale;
    Ok(Stationarity { distance: length(half), at_least: length(half - gap.max(0.0)), weights })
}

const NAME: &str = "stationarity";

/// Mixtures of gradients, divided by a scale.
struct Mixture<'a> {
    set: &'a dyn Constraint<f64>,
    shape: Shape,
    at: &'a [f64],
    gradients: &'a [Vec<f64>],
    scale: f64,
    tangent: Vec<f64>,
}

impl Mixture<'_> {
    /// $\frac12 \lVert P_T(-\sum_i λ_i g_i) \rVert^2$ and its gradient.
    fn half_square(&mut self, weights: &[f64], slopes: &mut [f64]) -> f64 {
        self.tangent.fill(0.0);
        for (weight, gradient) in weights.iter().zip(self.gradients) {
            let factor = weight / self.scale;
            self.tangent.iter_mut().zip(gradient).for_each(|(t, g)| *t -= factor * g);
        }
        self.set.project_tangent(self.shape, self.at, &mut self.tangent);
        for (slope, gradient) in slopes.iter_mut().zip(self.gradients) {
            *slope = -dot(gradient, &self.tangent) / self.scale;
        }
        0.5 * dot(&self.tangent, &self.tangent)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Interval, L2Ball, NonNegative, Sphere};
    use proptest::collection::vec;
    use proptest::prelude::*;

    const PLANE: Interval = Interval { min: f64::NEG_INFINITY, max: f64::INFINITY };

    /// Where the mixture nearly vanishes, the values of the function are small beside the rounding
    /// of what they are made of. A random test once found this one.
    #[test]
    fn rounding_does_not_shorten_the_steps() {
        let gradients = [
            vec![-0.8381494813668028, 0.0857323454139462, 0.0, 0.9852402260315861],
            vec![0.4123059264346654, 0.22086351632531037, 1.3609427129399643, 1.447448115346814],
            vec![0.0, -0.20887653979060514, 0.0, -1.2844779143103784],
        ];
        let at = [0.0, 0.0, 0.0, 0.1];
        let found = stationarity(&NonNegative, [4], &at, &gradients).unwrap();
        assert!(found.distance - found.at_least < 1e-6, "{found:?}");
    }

    proptest! {
        /// Of two gradients the nearest mixture has a formula.
        #[test]
        fn of_two_gradients_it_is_the_nearest_point_of_a_segment(
            a in vec(-2.0..2.0f64, 3),
            b in vec(-2.0..2.0f64, 3),
        ) {
            let difference: Vec<f64> = b.iter().zip(&a).map(|(b, a)| b - a).collect();
            let square = dot(&difference, &difference);
            let share = (-dot(&a, &difference) / square).clamp(0.0, 1.0);
            let nearest: Vec<f64> =
                a.iter().zip(&difference).map(|(a, d)| a + share * d).collect();
            let found = stationarity(&PLANE, [3], &[0.0; 3], &[a, b]).unwrap();
            prop_assert!((found.distance - norm(&nearest)).abs() < 1e-6, "{found:?} {share}");
            prop_assert!(found.at_least <= found.distance);
        }

        #[test]
        fn no_mixture_with_no_normal_vector_is_shorter_than_the_bound(
            gradients in vec(vec(-2.0..2.0f64, 4), 1..6),
            others in vec(0.01..1.0f64, 6),
            normal in vec(0.0..2.0f64, 4),
            at in vec(prop_oneof![Just(0.0), 0.1..1.0f64], 4),
        ) {
            let found = stationarity(&NonNegative, [4], &at, &gradients).unwrap();
            // The tolerance is that of a gradient mapping.
            prop_assert!(found.distance - found.at_least < 1e-3, "{found:?}");
            prop_assert!((found.weights.iter().sum::<f64>() - 1.0).abs() < 1e-12);
            let sum: f64 = others[..gradients.len()].iter().sum();
            let mut vector = vec![0.0; 4];
            for (weight, gradient) in others.iter().zip(&gradients) {
                vector.iter_mut().zip(gradient).for_each(|(v, g)| *v += weight / sum * g);
            }
            // Normal vectors of the orthant: at most 0 where the entry is 0, else 0.
            for ((v, n), w) in vector.iter_mut().zip(&normal).zip(&at) {
                *v -= if *w == 0.0 { *n } else { 0.0 };
            }
            prop_assert!(found.at_least <= norm(&vector) + 1e-9, "{found:?} {vector:?}");
        }

        #[test]
        fn where_there_is_one_gradient_0_is_where_the_gradient_mapping_is(
            w in vec(-2.0..2.0f64, 3),
            target in vec(-3.0..3.0f64, 3),
        ) {
            // Half the squared distance, on the unit ball.
            let (set, mut at, mut best) = (L2Ball { radius: 1.0 }, w, target.clone());
            set.project([3].into(), &mut at);
            set.project([3].into(), &mut best);
            let gradient = |at: &[f64]| at.iter().zip(&target).map(|(w, t)| w - t).collect();
            let here: Vec<f64> = gradient(&at);
            let solved = stationarity(&set, [3], &best, &[gradient(&best)]).unwrap();
            prop_assert!(solved.distance < 1e-6, "{solved:?}");
            let mut step: Vec<f64> = at.iter().zip(&here).map(|(w, g)| w - 1e-4 * g).collect();
            set.project([3].into(), &mut step);
            let mapping: f64 =
                at.iter().zip(&step).map(|(w, s)| ((w - s) / 1e-4).powi(2)).sum::<f64>().sqrt();
            let found = stationarity(&set, [3], &at, &[here]).unwrap();
            prop_assert!((found.distance - mapping).abs() < 1e-2, "{found:?} {mapping}");
        }
    }

    #[test]
    fn what_is_no_problem_is_refused() {
        let refused = |set: &dyn Constraint<f64>, gradients: &[Vec<f64>]| {
            stationarity(set, [2], &[0.0; 2], gradients).unwrap_err().to_string()
        };
        assert!(refused(&Sphere { radius: 1.0 }, &[vec![0.0; 2]]).contains("Sphere"));
        assert_eq!(
            refused(&NonNegative, &[vec![0.0; 3]]),
            "stationarity: expected 2 numbers for shape [2], found 3"
        );
        assert!(refused(&NonNegative, &[]).contains("at least one entry"));
        assert!(refused(&NonNegative, &[vec![f64::NAN, 0.0]]).contains("NaN"));
    }
}
