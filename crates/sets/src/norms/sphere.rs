//! A norm that is given, or lies between two bounds.
//!
//! The one design choice: 0, which every point of the sphere is as near to, goes to the point with
//! equal entries, so that the map is defined everywhere and prefers no coordinate.

use crate::{Capabilities, Constraint, Kind, Parametrization};
use morphograd_tensor::{Real, Shape, ShapeError};

use crate::norms::ball::{
    is_outward, length, pull_back_onto_sphere, radial_part, remove_radial_part, rescale, rescale_in,
};
use crate::numeric::{forgive, rounding};
use crate::projected::Projected;
use crate::until_inside::project_until_inside;

/// $\{ w : \lVert w \rVert_2 = r \}$, by $w \leftarrow r w / \lVert w \rVert$; 0 goes to the point
/// with entries $r / \sqrt{n}$. Not convex; a nearest point, O(n). This is what Keras' `UnitNorm`
/// means, without its ε.
///
/// In a diagonal metric it is $w_i \leftarrow m_i w_i / (m_i + \lambda)$ with the largest $\lambda$
/// that gives the radius, which may be below 0; a nearest point too. If the entries of least weight
/// are 0 and the others cannot reach the radius, those get the rest of the norm, all the same and
/// above 0.
///
/// ```
/// use morphograd_sets::{Constraint, Sphere};
/// let mut w = [3.0f64, 4.0];
/// Sphere { radius: 1.0 }.project([2].into(), &mut w);
/// assert_eq!(w, [0.6, 0.8]);
/// w.fill(0.0);
/// Sphere { radius: 1.0 }.project([2].into(), &mut w);
/// assert!((w[0] - 0.5f64.sqrt()).abs() < 1e-15);
/// ```
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Sphere {
    /// The radius $r$, above 0.
    pub radius: f64,
}

/// $\{ w : a \le \lVert w \rVert_2 \le b \}$, by $w \leftarrow w \, \mathrm{clip}(n, a, b) / n$
/// with $n = \lVert w \rVert$; 0 goes to the point with entries $a / \sqrt{n}$. Not convex where
/// $a > 0$; a nearest point, O(n), in a diagonal metric as for [`Sphere`]. This is what Keras'
/// `MinMaxNorm` means, without its ε.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Annulus {
    /// The smallest norm $a$, not negative.
    pub min: f64,
    /// The largest norm $b$, not below $a$ and above 0.
    pub max: f64,
}

impl Sphere {
    fn annulus(self) -> Annulus {
        Annulus { min: self.radius, max: self.radius }
    }
}

impl Annulus {
    /// Whether a norm is at the lower bound, if there is one, and at the upper, within rounding.
    fn at_bounds<T: Real>(self, norm: f64, n: usize) -> [bool; 2] {
        let slack = rounding::<T>(n) * self.max;
        [self.min > 0.0 && norm <= self.min + slack, norm >= self.max - slack]
    }
}

impl<T: Real> Constraint<T> for Sphere {
    fn project(&self, shape: Shape, value: &mut [T]) {
        self.annulus().project(shape, value);
    }

    fn violation(&self, shape: Shape, value: &[T]) -> f64 {
        self.annulus().violation(shape, value)
    }

    fn accepts(&self, shape: Shape) -> Result<(), ShapeError> {
        check("sphere", self.annulus(), shape)
    }

    fn kind(&self) -> Kind {
        Kind::NonConvex
    }

    fn formula(&self) -> &'static str {
        "||w||_2 = r"
    }

    fn capabilities(&self, _: Shape) -> Capabilities {
        Capabilities { metric: true, tangent: true, derivative: true, ..Capabilities::default() }
    }

    fn project_in_metric(&self, shape: Shape, metric: &[T], value: &mut [T]) {
        self.annulus().project_in_metric(shape, metric, value);
    }

    /// The tangent plane: what is radial is taken away.
    fn project_tangent(&self, shape: Shape, at: &[T], direction: &mut [T]) {
        self.annulus().project_tangent(shape, at, direction);
    }

    fn project_vjp(&self, _: Shape, at: &[T], projected: &[T], gradient: &mut [T]) {
        pull_back_onto_sphere(at, projected, gradient);
    }

    /// The projection itself, $r v / \lVert v \rVert$, which is smooth but at 0.
    fn parametrization(&self, _: Shape) -> Option<Box<dyn Parametrization<T>>> {
        Projected::smooth(*self)
    }
}

impl<T: Real> Constraint<T> for Annulus {
    fn project(&self, shape: Shape, value: &mut [T]) {
        project_until_inside(self, shape, value, |w| {
            let norm = length(w);
            if norm == 0.0 {
                w.fill(T::one());
            }
            let inside = if norm < self.min { self.min } else { self.max };
            rescale(inside, w);
        });
    }

    fn violation(&self, _: Shape, value: &[T]) -> f64 {
        let norm = length(value);
        let missed = if norm < self.min { self.min - norm } else { norm - self.max };
        forgive(missed, rounding::<T>(value.len()) * self.max)
    }

    fn accepts(&self, shape: Shape) -> Result<(), ShapeError> {
        check("annulus", *self, shape)
    }

    /// Not convex, a bound below of 0 excepted.
    fn kind(&self) -> Kind {
        if self.min > 0.0 { Kind::NonConvex } else { Kind::Convex }
    }

    fn formula(&self) -> &'static str {
        "a <= ||w||_2 <= b"
    }

    fn capabilities(&self, _: Shape) -> Capabilities {
        Capabilities { metric: true, tangent: true, ..Capabilities::default() }
    }

    fn project_in_metric(&self, shape: Shape, metric: &[T], value: &mut [T]) {
        project_until_inside(self, shape, value, |w| {
            rescale_in(metric, if length(w) < self.min { self.min } else { self.max }, w);
        });
    }

    /// At a bound, what leads out is taken away.
    fn project_tangent(&self, _: Shape, at: &[T], direction: &mut [T]) {
        let norm = length(at);
        if norm == 0.0 {
            return;
        }
        let out = radial_part(at, direction, norm);
        let [at_min, at_max] = self.at_bounds::<T>(norm, at.len());
        if (at_max && is_outward(out)) || (at_min && is_outward(-out)) {
            remove_radial_part(at, direction, norm);
        }
    }

    /// All entries when the norm is at a bound.
    fn active(&self, _: Shape, value: &[T]) -> Option<usize> {
        let [at_min, at_max] = self.at_bounds::<T>(length(value), value.len());
        Some(if at_min || at_max { value.len() } else { 0 })
    }
}

fn check(operation: &'static str, set: Annulus, shape: Shape) -> Result<(), ShapeError> {
    if 0.0 <= set.min
        && set.min <= set.max
        && set.max > 0.0
        && set.max.is_finite()
        && !shape.is_empty()
    {
        return Ok(());
    }
    let found = format!("[{}, {}] for shape {shape}", set.min, set.max);
    Err(ShapeError::new(
        operation,
        "norms with 0 <= min <= max, max > 0, and at least one entry",
        found,
    ))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::collection::vec;
    use proptest::prelude::*;

    #[test]
    fn norms_that_no_value_has_are_refused() {
        assert!(Constraint::<f32>::accepts(&Sphere { radius: 0.0 }, [2].into()).is_err());
        assert!(Constraint::<f32>::accepts(&Sphere { radius: 1.0 }, [0].into()).is_err());
        assert!(Constraint::<f32>::accepts(&Annulus { min: 2.0, max: 1.0 }, [2].into()).is_err());
        let error = Constraint::<f32>::accepts(&Sphere { radius: -1.0 }, [2].into())
            .unwrap_err()
            .to_string();
        let expected = "sphere: expected norms with 0 <= min <= max, max > 0, and at least one \
            entry, found [-1, -1] for shape [2]";
        assert_eq!(error, expected);
    }

    proptest! {
        /// Also where an entry is all but 0, and next to where the nearest point changes sides.
        #[test]
        fn in_a_metric_no_point_of_a_circle_is_nearer(
            w in (-2..=2i8, -2..=2i8),
            m in (1..=3u8, 1..=3u8),
            tiny in prop_oneof![Just(1.0), Just(1e-9), Just(1e-200)],
            first in prop::bool::ANY,
        ) {
            let mut w = [f64::from(w.0), f64::from(w.1)];
            w[usize::from(first)] *= tiny;
            let m = [f64::from(m.0), f64::from(m.1)];
            let cost = |v: [f64; 2]| m[0] * (v[0] - w[0]).powi(2) + m[1] * (v[1] - w[1]).powi(2);
            let (set, mut found) = (Sphere { radius: 1.5 }, w);
            set.project_in_metric([2].into(), &m, &mut found);
            prop_assert_eq!(set.violation([2].into(), &found), 0.0, "{:?}", found);
            let angles = (0..3600).map(|k| f64::from(k) * std::f64::consts::TAU / 3600.0);
            for (sine, cosine) in angles.map(f64::sin_cos) {
                prop_assert!(
                    cost(found) <= cost([1.5 * cosine, 1.5 * sine]) + 1e-12,
                    "{w:?} in {m:?} is not {found:?}"
                );
            }
        }
    }

    proptest! {
        /// $m (w - v) = \lambda v$ with $\lambda \ge -\min m$, which makes $v$ nearest of all.
        #[test]
        fn in_a_metric_of_wild_range_the_lagrangian_is_stationary_and_convex(
            entries in vec((-2.0..2.0f64, -12..8i32, -6..6i32), 1..12),
            radius in -3..3i32,
        ) {
            let w: Vec<f64> =
                entries.iter().map(|(w, exponent, _)| w * 10f64.powi(*exponent)).collect();
            let m: Vec<f64> = entries
                .iter()
                .map(|(w, _, exponent)| (1.0 + w.abs()) * 10f64.powi(*exponent))
                .collect();
            let (set, n) = (Sphere { radius: 10f64.powi(radius) }, Shape::from([w.len()]));
            let mut v = w.clone();
            set.project_in_metric(n, &m, &mut v);
            prop_assert_eq!(set.violation(n, &v), 0.0, "{:?}", v);
            // The multiplier from the entry that determines it best.
            let part = |i: usize| m[i] * (w[i] - v[i]) / v[i];
            let size = |i: usize| m[i] * (w[i].abs() + v[i].abs()) / v[i].abs();
            let best = (0..w.len()).min_by(|i, j| size(*i).total_cmp(&size(*j))).unwrap();
            let least = m.iter().fold(f64::INFINITY, |least, m| least.min(*m));
            prop_assert!(part(best) >= -least - 1e-12 * size(best), "{w:?} in {m:?}: {v:?}");
            for i in 0..w.len() {
                let missed = (part(i) - part(best)).abs();
                prop_assert!(missed <= 1e-10 * (size(i) + size(best)), "{w:?} in {m:?}: {v:?}");
            }
            let single = |x: &[f64]| x.iter().map(|x| *x as f32).collect::<Vec<_>>();
            let (m, mut v) = (single(&m), single(&w));
            set.project_in_metric(n, &m, &mut v);
            prop_assert_eq!(set.violation(n, &v), 0.0, "{:?}", v);
        }
    }

    #[test]
    fn in_a_metric_what_is_left_goes_to_the_entries_of_least_weight() {
        // The third alone has 2 * 0.5 / (2 - 1) = 1 at most, as far as the Lagrangian is convex.
        let mut value = [0.0f64, 0.0, 0.5];
        Sphere { radius: 3.0 }.project_in_metric([3].into(), &[1.0, 1.0, 2.0], &mut value);
        assert!(
            (value[0] - 2.0).abs() < 1e-15 && value[0] == value[1] && value[2] == 1.0,
            "{value:?}"
        );
        let mut value = [0.0f32; 4];
        Annulus { min: 1.0, max: 2.0 }.project_in_metric([4].into(), &[3.0; 4], &mut value);
        assert_eq!(value, [0.5; 4]);
        let mut value = [f64::NAN, 1.0];
        Sphere { radius: 1.0 }.project_in_metric([2].into(), &[1.0, 2.0], &mut value);
        assert!(value.iter().all(|w| w.is_nan()));
    }

    #[test]
    fn an_annulus_counts_both_bounds() {
        let set = Annulus { min: 1.0, max: 5.0 };
        let active = |value| Constraint::<f32>::active(&set, [2].into(), value);
        assert_eq!(
            (active(&[3.0, 4.0]), active(&[0.0, 1.0]), active(&[2.0, 0.0])),
            (Some(2), Some(2), Some(0))
        );
        assert_eq!(Annulus { min: 0.0, max: 1.0 }.active([2].into(), &[0.0f32; 2]), Some(0));
    }

    #[test]
    fn zero_goes_to_equal_entries() {
        let mut value = [0.0f64; 4];
        Annulus { min: 1.0, max: 2.0 }.project([4].into(), &mut value);
        assert_eq!(value, [0.5; 4]);
    }
}
