//! The convex hull of vectors of few entries that are all of one size.
//!
//! The one design choice: the set is given by the number and the size of the entries of its
//! vertices, so that both norms that bound it are met by the same points.

use morphograd_tensor::{Real, Shape, ShapeError};

use crate::multiplier::{ClippedLine, find_multiplier};
use crate::numeric::{clear_direction, forgive, inverse_weight, larger, rounding};
use crate::until_inside::project_until_inside;
use crate::{Capabilities, Constraint, Kind};

/// $\{ w : \sum_i |w_i| \le K τ,\; \max_i |w_i| \le τ \}$, the convex hull of the vectors with $K$
/// entries of $\pm τ$ and zeros. Convex; exact in every diagonal metric.
///
/// The projection is $w_i \leftarrow \mathrm{sign}(w_i)\, \mathrm{clip}(|w_i| - λ, 0, τ)$ with the
/// least $λ \ge 0$ that leaves a sum of at most $K τ$. Cost: O(n) a pass, a few passes.
///
/// A linear function is least where the $K$ entries with the largest gradients are $-τ$ times their
/// signs, of equal ones the first: what a step of Frank and Wolfe adds to a weight has $K$ entries.
/// Cost: O(n), and memory for n positions. With $K = 1$ it is [`L1Ball`](crate::L1Ball), with $K
/// \ge n$ [`LInfBall`](crate::LInfBall).
///
/// Source: S. Pokutta, C. Spiegel and M. Zimmer, *Deep neural network training with Frank-Wolfe*
/// (2020), who train sparse networks on it.
///
/// ```
/// use morphograd_sets::{Constraint, KSparsePolytope};
/// let set = KSparsePolytope { count: 2, size: 1.0 };
/// let mut w = [3.0f64, -1.0, 0.5, 0.25];
/// set.project([4].into(), &mut w); // λ = 0.25
/// assert_eq!(w, [1.0, -0.75, 0.25, 0.0]);
///
/// let mut vertex = [0.0; 4];
/// set.minimize_linear([4].into(), &[0.1, -2.0, 0.5, 1.5], &mut vertex);
/// assert_eq!(vertex, [0.0, 1.0, 0.0, -1.0]);
/// ```
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct KSparsePolytope {
    /// How many entries of a vertex are not 0, $K$.
    pub count: usize,
    /// The magnitude of these, $τ$, not negative.
    pub size: f64,
}

impl KSparsePolytope {
    /// The largest sum of magnitudes.
    fn radius(self) -> f64 {
        self.count as f64 * self.size
    }

    /// The largest entry as the type holds it.
    fn size_in<T: Real>(self) -> f64 {
        T::of(self.size).f64()
    }

    /// Whether an entry is 0 and whether of the largest size, but for rounding.
    fn at_bounds<T: Real>(self, w: T) -> (bool, bool) {
        let (size, slack) = (w.f64().abs(), rounding::<T>(1) * self.size);
        (size <= slack, size >= self.size_in::<T>() - slack)
    }

    /// Whether the magnitudes have their largest sum, but for rounding.
    fn has_largest_sum<T: Real>(self, value: &[T]) -> bool {
        let sum: f64 = value.iter().map(|w| w.f64().abs()).sum();
        sum >= self.radius() * (1.0 - rounding::<T>(value.len()))
    }

    fn solve<T: Real>(self, metric: Option<&[T]>, value: &mut [T]) {
        let max = self.size_in::<T>();
        let term = |i: usize, w: T| ClippedLine {
            start: w.f64().abs(),
            slope: inverse_weight(metric, i),
            min: 0.0,
            max,
        };
        let clipped = value.iter().enumerate().map(|(i, w)| term(i, *w).at(0.0)).sum::<f64>();
        let lambda = if clipped <= self.radius() {
            0.0
        } else {
            find_multiplier(value.len(), |i| term(i, value[i]), self.radius())
        };
        for (i, w) in value.iter_mut().enumerate() {
            let size = T::of(term(i, *w).at(lambda));
            *w = if *w < T::zero() { -size } else { size };
        }
    }
}

impl<T: Real> Constraint<T> for KSparsePolytope {
    fn project(&self, shape: Shape, value: &mut [T]) {
        project_until_inside(self, shape, value, |w| self.solve(None, w));
    }

    fn violation(&self, _: Shape, value: &[T]) -> f64 {
        let size = self.size_in::<T>();
        let sum: f64 = value.iter().map(|w| w.f64().abs()).sum();
        let above = forgive(sum - self.radius(), rounding::<T>(value.len()) * self.radius());
        value.iter().fold(above, |worst, w| larger(worst, w.f64().abs() - size))
    }

    fn accepts(&self, shape: Shape) -> Result<(), ShapeError> {
        if self.size >= 0.0 && self.radius().is_finite() {
            return Ok(());
        }
        let found = format!("size {} for shape {shape}", self.size);
        Err(ShapeError::new("k-sparse polytope", "a finite size >= 0", found))
    }

    fn kind(&self) -> Kind {
        Kind::Convex
    }

    fn formula(&self) -> &'static str {
        "sum |w| <= k t, max |w| <= t"
    }

    fn capabilities(&self, _: Shape) -> Capabilities {
        Capabilities {
            metric: true,
            tangent: true,
            linear: true,
            derivative: true,
            ..Capabilities::default()
        }
    }

    fn project_in_metric(&self, shape: Shape, metric: &[T], value: &mut [T]) {
        project_until_inside(self, shape, value, |w| self.solve(Some(metric), w));
    }

    /// The entries of the largest size do not grow. Where the sum is the largest it does not grow
    /// either, $\sum_{w_i \ne 0} \mathrm{sign}(w_i) d_i + \sum_{w_i = 0} |d_i| \le 0$: one more
    /// equation for a multiplier.
    fn project_tangent(&self, _: Shape, at: &[T], direction: &mut [T]) {
        if self.radius() == 0.0 {
            return clear_direction(direction);
        }
        // Growth of each magnitude; where the entry is 0 it cannot shrink.
        let sign =
            |i: usize, d: T| if self.at_bounds(at[i]).0 { d.signum() } else { at[i].signum() };
        let term = |i: usize, d: T| {
            let (is_zero, is_largest) = self.at_bounds(at[i]);
            ClippedLine {
                start: (d * sign(i, d)).f64(),
                slope: 1.0,
                min: if is_zero { 0.0 } else { f64::NEG_INFINITY },
                max: if is_largest { 0.0 } else { f64::INFINITY },
            }
        };
        let grows: f64 = direction.iter().enumerate().map(|(i, d)| term(i, *d).at(0.0)).sum();
        let lambda = if self.has_largest_sum(at) && grows > 0.0 {
            find_multiplier(direction.len(), |i| term(i, direction[i]), 0.0)
        } else {
            0.0
        };
        for (i, d) in direction.iter_mut().enumerate() {
            *d = sign(i, *d) * T::of(term(i, *d).at(lambda));
        }
    }

    /// The first of the entries with the largest gradients.
    fn minimize_linear(&self, _: Shape, gradient: &[T], vertex: &mut [T]) {
        let mut order: Vec<usize> = (0..gradient.len()).collect();
        let size = |i: usize| gradient[i].f64().abs();
        if self.count < order.len() {
            order.select_nth_unstable_by(self.count, |a, b| {
                size(*b).total_cmp(&size(*a)).then(a.cmp(b))
            });
            order.truncate(self.count);
        }
        vertex.fill(T::zero());
        for i in order {
            vertex[i] = T::of(-self.size) * gradient[i].signum();
        }
    }

    /// Entries strictly between the bounds share the threshold, if there is one; where an entry was
    /// moved to a bound, or the threshold holds it there, nothing is left.
    fn project_vjp(&self, _: Shape, at: &[T], projected: &[T], gradient: &mut [T]) {
        let size = T::of(self.size);
        let inside = |p: T| p != T::zero() && p.abs() < size;
        // A threshold above 0 moves every entry below the largest size that is not 0.
        let is_lowered = at.iter().zip(projected).any(|(w, p)| w != p && p.abs() < size);
        if !is_lowered {
            let moved = at.iter().zip(projected).map(|(w, p)| w != p);
            return gradient.iter_mut().zip(moved).filter(|(_, moved)| *moved).for_each(
                |(g, _)| {
                    *g = T::zero();
                },
            );
        }
        let (mut sum, mut count) = (0.0, 0.0);
        for (p, g) in projected.iter().zip(&*gradient).filter(|(p, _)| inside(**p)) {
            sum += p.f64().signum() * g.f64();
            count += 1.0;
        }
        for (p, g) in projected.iter().zip(gradient) {
            let own = |g: T| T::of(g.f64() - p.f64().signum() * sum / count);
            *g = if inside(*p) { own(*g) } else { T::zero() };
        }
    }

    /// All entries where their sum is the largest, else those of the largest size.
    fn active(&self, _: Shape, value: &[T]) -> Option<usize> {
        let all = self.has_largest_sum(value);
        Some(value.iter().filter(|w| all || self.at_bounds(**w).1).count())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{L1Ball, LInfBall};
    use proptest::collection::vec;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn with_one_entry_it_is_the_l1_ball_and_with_all_the_maximum_norms(
            w in vec(-3.0..3.0f64, 1..12),
            size in 0.1..2.0f64,
        ) {
            let shape = Shape::from([w.len()]);
            let ends: [(usize, &dyn Constraint<f64>); 2] = [
                (1, &L1Ball { radius: size }),
                (w.len(), &LInfBall { radius: size }),
            ];
            for (count, same) in ends {
                let (mut found, mut expected) = (w.clone(), w.clone());
                let set = KSparsePolytope { count, size };
                set.project(shape, &mut found);
                same.project(shape, &mut expected);
                for (f, e) in found.iter().zip(&expected) {
                    prop_assert!((f - e).abs() < 1e-13, "{found:?} {expected:?}");
                }
                let [mut vertex, mut other] = [0.0, 0.0].map(|w0| vec![w0; w.len()]);
                set.minimize_linear(shape, &w, &mut vertex);
                same.minimize_linear(shape, &w, &mut other);
                prop_assert_eq!(vertex, other);
            }
        }

        /// Every point of the hull is a mixture of vertices, so none has a smaller product.
        #[test]
        fn of_all_vertices_none_has_a_smaller_product(
            gradient in vec(prop_oneof![-2.0..2.0f64, Just(0.0), Just(1.0)], 5),
            count in 0..6usize,
        ) {
            let set = KSparsePolytope { count, size: 0.5 };
            let mut vertex = [f64::NAN; 5];
            set.minimize_linear([5].into(), &gradient, &mut vertex);
            prop_assert!(set.contains([5].into(), &vertex));
            let product = |s: &[f64]| s.iter().zip(&gradient).map(|(s, g)| s * g).sum::<f64>();
            for code in 0..3usize.pow(5) {
                let digit = |i: u32| (code / 3usize.pow(i) % 3) as f64 - 1.0;
                let other: Vec<f64> = (0..5).map(|i| 0.5 * digit(i)).collect();
                if other.iter().filter(|s| **s != 0.0).count() <= count {
                    prop_assert!(product(&vertex) <= product(&other) + 1e-12);
                }
            }
        }
    }

    #[test]
    fn a_size_that_is_none_is_refused_and_0_leaves_one_point() {
        for size in [-1.0, f64::NAN, f64::INFINITY] {
            let set = KSparsePolytope { count: 2, size };
            let error = Constraint::<f32>::accepts(&set, [3].into()).unwrap_err().to_string();
            assert!(error.starts_with("k-sparse polytope: expected a finite size >= 0"), "{error}");
        }
        for set in
            [KSparsePolytope { count: 0, size: 1.0 }, KSparsePolytope { count: 2, size: 0.0 }]
        {
            let (mut w, mut d) = ([1.0f64, -2.0, 0.0], [1.0f64; 3]);
            set.project([3].into(), &mut w);
            set.project_tangent([3].into(), &w, &mut d);
            assert_eq!((w, d), ([0.0; 3], [0.0; 3]));
        }
    }
}
