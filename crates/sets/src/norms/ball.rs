//! Balls around 0 in the norms l1, l2 and l-infinity.
//!
//! The one design choice: the radius is that of the set, and no group is divided by a norm with
//! something added to it; what is inside stays as it is, bit for bit.

use crate::{Capabilities, Constraint, Kind, Parametrization};
use morphograd_tensor::{Real, Shape, ShapeError};

use crate::entries::boxes::Interval;
use crate::maps::OpenBall;
use crate::multiplier::{ClippedLine, find_multiplier};
use crate::numeric::{clear_direction, forgive, inverse_weight, norm_of, rounding};
use crate::until_inside::project_until_inside;

/// $\{ w : \sum_i |w_i| \le r \}$, by $w_i \leftarrow \mathrm{sign}(w_i) \max(|w_i| - \tau, 0)$
/// with the $\tau$ that gives the radius. Convex; exact in every diagonal metric. Cost: O(n) a
/// pass, a few passes.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct L1Ball {
    /// The radius $r$, not negative.
    pub radius: f64,
}

/// $\{ w : \lVert w \rVert_2 \le r \}$, by $w \leftarrow w \min(1, r / \lVert w \rVert)$. Convex;
/// exact, O(n).
///
/// In a diagonal metric the projection is $w_i \leftarrow m_i w_i / (m_i + \lambda)$ with the
/// $\lambda$ that gives the radius, found by Newton's method; it is no rescaling. This is what
/// Keras' `MaxNorm` means, without its factor $n / (n + ε)$.
///
/// ```
/// use morphograd_sets::{Constraint, L2Ball};
/// let mut w = [6.0f64, 8.0];
/// L2Ball { radius: 5.0 }.project([2].into(), &mut w);
/// assert_eq!(w, [3.0, 4.0]);
/// ```
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct L2Ball {
    /// The radius $r$, not negative.
    pub radius: f64,
}

/// $\{ w : \max_i |w_i| \le r \}$, by clipping: the box $[-r, r]$. Convex; exact, and the same in
/// every diagonal metric, O(n).
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct LInfBall {
    /// The radius $r$, not negative.
    pub radius: f64,
}

impl L1Ball {
    fn solve<T: Real>(self, metric: Option<&[T]>, value: &mut [T]) {
        let term = |i: usize, w: T| ClippedLine {
            start: w.f64().abs(),
            slope: inverse_weight(metric, i),
            min: 0.0,
            max: f64::INFINITY,
        };
        let tau = find_multiplier(value.len(), |i| term(i, value[i]), self.radius);
        for (i, w) in value.iter_mut().enumerate() {
            let size = T::of(term(i, *w).at(tau));
            *w = if *w < T::zero() { -size } else { size };
        }
    }
}

impl<T: Real> Constraint<T> for L1Ball {
    fn project(&self, shape: Shape, value: &mut [T]) {
        project_until_inside(self, shape, value, |w| self.solve(None, w));
    }

    fn violation(&self, _: Shape, value: &[T]) -> f64 {
        let norm: f64 = value.iter().map(|w| w.f64().abs()).sum();
        forgive(norm - self.radius, rounding::<T>(value.len()) * self.radius)
    }

    fn accepts(&self, _: Shape) -> Result<(), ShapeError> {
        check_radius("l1 ball", self.radius)
    }

    fn minimize_linear(&self, _: Shape, gradient: &[T], vertex: &mut [T]) {
        vertex.fill(T::zero());
        let largest = (0..gradient.len())
            .reduce(|a, b| if gradient[b].abs() > gradient[a].abs() { b } else { a });
        if let Some(i) = largest {
            vertex[i] = T::of(-self.radius) * gradient[i].signum();
        }
    }

    fn kind(&self) -> Kind {
        Kind::Convex
    }

    fn formula(&self) -> &'static str {
        "sum |w| <= r"
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

    /// On the sphere: $\{ d : \sum_{w_i \ne 0} \mathrm{sign}(w_i) d_i + \sum_{w_i = 0} |d_i| \le 0
    /// \}$, one more equation for a multiplier.
    fn project_tangent(&self, _: Shape, at: &[T], direction: &mut [T]) {
        let norm: f64 = at.iter().map(|w| w.f64().abs()).sum();
        if norm < self.radius * (1.0 - rounding::<T>(at.len())) {
            return;
        }
        let is_zero = |i: usize| at[i].f64().abs() <= rounding::<T>(1) * self.radius;
        // Growth of each term of the norm; where the entry is 0 it cannot shrink.
        let term = |i: usize, d: T| {
            let at_zero = is_zero(i);
            let growth = if at_zero { d.abs() } else { d * at[i].signum() };
            ClippedLine {
                start: growth.f64(),
                slope: 1.0,
                min: if at_zero { 0.0 } else { f64::NEG_INFINITY },
                max: f64::INFINITY,
            }
        };
        let grows: f64 = direction.iter().enumerate().map(|(i, d)| term(i, *d).start).sum();
        if grows <= 0.0 {
            return;
        }
        if (0..at.len()).all(is_zero) {
            // The radius is 0, and so is the cone.
            clear_direction(direction);
            return;
        }
        let tau = find_multiplier(direction.len(), |i| term(i, direction[i]), 0.0);
        for (i, d) in direction.iter_mut().enumerate() {
            let sign = if is_zero(i) { d.signum() } else { at[i].signum() };
            *d = sign * T::of(term(i, *d).at(tau));
        }
    }

    /// On the face of the signs that are left, the mean along it is taken away; off it there is
    /// nothing. Inside, the gradient as it is.
    fn project_vjp(&self, _: Shape, at: &[T], projected: &[T], gradient: &mut [T]) {
        if at == projected {
            return;
        }
        let sign = |p: &T| if *p == T::zero() { 0.0 } else { p.f64().signum() };
        let (mut sum, mut count) = (0.0, 0.0);
        for (p, g) in projected.iter().zip(&*gradient) {
            sum += sign(p) * g.f64();
            count += sign(p) * sign(p);
        }
        for (p, g) in projected.iter().zip(gradient) {
            let sign = sign(p);
            *g = if sign == 0.0 { T::zero() } else { T::of(g.f64() - sign * sum / count) };
        }
    }

    /// All entries when the norm is the radius.
    fn active(&self, _: Shape, value: &[T]) -> Option<usize> {
        let norm: f64 = value.iter().map(|w| w.f64().abs()).sum();
        let on_it = norm >= self.radius * (1.0 - rounding::<T>(value.len()));
        Some(if on_it { value.len() } else { 0 })
    }
}

impl<T: Real> Constraint<T> for L2Ball {
    fn project(&self, shape: Shape, value: &mut [T]) {
        project_until_inside(self, shape, value, |w| rescale(self.radius, w));
    }

    fn violation(&self, _: Shape, value: &[T]) -> f64 {
        forgive(length(value) - self.radius, rounding::<T>(value.len()) * self.radius)
    }

    fn accepts(&self, _: Shape) -> Result<(), ShapeError> {
        check_radius("l2 ball", self.radius)
    }

    fn minimize_linear(&self, _: Shape, gradient: &[T], vertex: &mut [T]) {
        let norm = length(gradient);
        let factor = if norm > 0.0 { -self.radius / norm } else { 0.0 };
        vertex.iter_mut().zip(gradient).for_each(|(s, g)| *s = T::of(factor * g.f64()));
    }

    fn kind(&self) -> Kind {
        Kind::Convex
    }

    fn formula(&self) -> &'static str {
        "||w||_2 <= r"
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
        project_until_inside(self, shape, value, |w| {
            if self.radius > 0.0 { rescale_in(metric, self.radius, w) } else { rescale(0.0, w) }
        });
    }

    /// On the sphere, what leads outwards is taken away.
    fn project_tangent(&self, _: Shape, at: &[T], direction: &mut [T]) {
        let norm = length(at);
        if norm < self.radius * (1.0 - rounding::<T>(at.len())) {
            return;
        }
        if norm == 0.0 {
            clear_direction(direction);
        } else if is_outward(radial_part(at, direction, norm)) {
            remove_radial_part(at, direction, norm);
        }
    }

    fn project_vjp(&self, _: Shape, at: &[T], projected: &[T], gradient: &mut [T]) {
        pull_back_rescaling(at, projected, gradient);
    }

    /// $r v / \sqrt{r^2 + \lVert v \rVert^2}$. A start beyond 0.99 $r$ is moved there.
    fn parametrization(&self, _: Shape) -> Option<Box<dyn Parametrization<T>>> {
        Some(Box::new(OpenBall { radius: self.radius }))
    }

    /// All entries when the norm is the radius.
    fn active(&self, _: Shape, value: &[T]) -> Option<usize> {
        let on_it = length(value) >= self.radius * (1.0 - rounding::<T>(value.len()));
        Some(if on_it { value.len() } else { 0 })
    }
}

impl LInfBall {
    fn interval(self) -> Interval {
        Interval { min: -self.radius, max: self.radius }
    }
}

impl<T: Real> Constraint<T> for LInfBall {
    fn project(&self, shape: Shape, value: &mut [T]) {
        self.interval().project(shape, value);
    }

    fn violation(&self, shape: Shape, value: &[T]) -> f64 {
        self.interval().violation(shape, value)
    }

    fn accepts(&self, _: Shape) -> Result<(), ShapeError> {
        check_radius("l-infinity ball", self.radius)
    }

    fn minimize_linear(&self, shape: Shape, gradient: &[T], vertex: &mut [T]) {
        self.interval().minimize_linear(shape, gradient, vertex);
    }

    fn kind(&self) -> Kind {
        Kind::Convex
    }

    fn formula(&self) -> &'static str {
        "max |w| <= r"
    }

    fn capabilities(&self, _: Shape) -> Capabilities {
        Capabilities { metric: true, tangent: true, linear: true, derivative: true, greatest: true }
    }

    fn project_in_metric(&self, shape: Shape, metric: &[T], value: &mut [T]) {
        self.interval().project_in_metric(shape, metric, value);
    }

    fn project_tangent(&self, shape: Shape, at: &[T], direction: &mut [T]) {
        self.interval().project_tangent(shape, at, direction);
    }

    fn project_vjp(&self, shape: Shape, at: &[T], projected: &[T], gradient: &mut [T]) {
        self.interval().project_vjp(shape, at, projected, gradient);
    }

    fn greatest_below(&self, shape: Shape, upper: &mut [T]) -> bool {
        self.interval().greatest_below(shape, upper)
    }

    fn parametrization(&self, shape: Shape) -> Option<Box<dyn Parametrization<T>>> {
        self.interval().parametrization(shape)
    }

    fn active(&self, shape: Shape, value: &[T]) -> Option<usize> {
        self.interval().active(shape, value)
    }
}

/// The Euclidean norm.
pub(crate) fn length<T: Real>(value: &[T]) -> f64 {
    norm_of(value.iter().map(|w| w.f64()))
}

/// Multiplies a value by what gives it this norm. Zero stays zero.
pub(crate) fn rescale<T: Real>(norm: f64, value: &mut [T]) {
    let found = length(value);
    if found != 0.0 {
        value.iter_mut().for_each(|w| *w = T::of(w.f64() / found * norm));
    }
}

/// Goes to the nearest point of the sphere of a radius above 0 in a metric,
/// $v_i = m_i w_i / (m_i + \lambda)$ with the largest $\lambda$ that gives the norm: where the
/// Lagrangian is convex, which is where $\lambda \ge -\min_i m_i$, a stationary point is a nearest
/// one. In $\mu = \lambda + \min_i m_i$ the inverse of the norm is concave and increasing, so that
/// Newton's steps from the left never pass the solution.
///
/// If the coordinates of least weight are 0 and the others too short even for $\mu = 0$, every way
/// to give those the rest of the norm is as good: all of them get the same, above 0. Source: J.
/// Moré and D. Sorensen, *Computing a trust region step* (1983), where this is the hard case.
pub(crate) fn rescale_in<T: Real>(metric: &[T], radius: f64, value: &mut [T]) {
    if !value.iter().all(|w| w.is_finite()) {
        return value.fill(T::nan());
    }
    let least = metric.iter().fold(f64::INFINITY, |least, m| least.min(m.f64()));
    let excess = |i: usize| metric[i].f64() - least;
    // 0 where it has no end: a coordinate of least weight at the end of the range.
    let inverse =
        |mu: f64, i: usize| if excess(i) + mu > 0.0 { 1.0 / (excess(i) + mu) } else { 0.0 };
    let at = |mu: f64, i: usize, w: T| w.f64() * (metric[i].f64() * inverse(mu, i));
    let norm = |mu: f64, value: &[T]| norm_of(value.iter().enumerate().map(|(i, w)| at(mu, i, *w)));
    // Left of the solution: there one coordinate alone has the norm.
    let alone =
        value.iter().enumerate().map(|(i, w)| w.f64().abs() / radius * metric[i].f64() - excess(i));
    let mut mu = alone.fold(0.0, f64::max);
    for _ in 0..100 {
        let norm = norm(mu, value);
        let terms =
            value.iter().enumerate().map(|(i, w)| (at(mu, i, *w) / norm).powi(2) * inverse(mu, i));
        let next = mu + (norm / radius - 1.0) / terms.sum::<f64>();
        // Also when it is not a number: then the norm is 0.
        if next.is_nan() || next <= mu {
            break;
        }
        mu = next;
    }
    let others = norm(mu, value);
    value.iter_mut().enumerate().for_each(|(i, w)| *w = T::of(at(mu, i, *w)));
    if mu == 0.0 {
        let lightest = || (0..metric.len()).filter(|i| excess(*i) == 0.0);
        let rest = (radius - others).max(0.0).sqrt() * (radius + others).sqrt();
        let share = rest / (lightest().count() as f64).sqrt();
        lightest().for_each(|i| value[i] = T::of(share));
    }
}

/// The derivative of a rescaling to a norm, $\frac{r}{\lVert w \rVert} (g - u (u \cdot g))$ with
/// $u = w / \lVert w \rVert$; of what was not moved, the identity.
fn pull_back_rescaling<T: Real>(at: &[T], projected: &[T], gradient: &mut [T]) {
    if at != projected {
        pull_back_onto_sphere(at, projected, gradient);
    }
}

/// The same also where the point was on the sphere already.
pub(crate) fn pull_back_onto_sphere<T: Real>(at: &[T], projected: &[T], gradient: &mut [T]) {
    let norm = length(at);
    if norm == 0.0 {
        // Every direction is radial: the projection has no derivative here, and no side of it is to
        // be preferred.
        clear_direction(gradient);
        return;
    }
    remove_radial_part(at, gradient, norm);
    let factor = length(projected) / norm;
    gradient.iter_mut().for_each(|g| *g = T::of(g.f64() * factor));
}

/// The part of a direction along the unit vector of a point.
pub(crate) fn radial_part<T: Real>(at: &[T], direction: &[T], norm: f64) -> f64 {
    at.iter().zip(direction).map(|(w, d)| w.f64() / norm * d.f64()).sum()
}

/// Whether a part leads outwards; what is not a number does, so that it is seen in the result.
pub(crate) fn is_outward(part: f64) -> bool {
    part > 0.0 || part.is_nan()
}

/// Takes that part away.
pub(crate) fn remove_radial_part<T: Real>(at: &[T], direction: &mut [T], norm: f64) {
    let part = radial_part(at, direction, norm);
    for (w, d) in at.iter().zip(direction) {
        *d = T::of(d.f64() - part * (w.f64() / norm));
    }
}

pub(crate) fn check_radius(operation: &'static str, radius: f64) -> Result<(), ShapeError> {
    if radius >= 0.0 && radius.is_finite() {
        return Ok(());
    }
    Err(ShapeError::new(operation, "a finite radius >= 0", format!("radius {radius}")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_radius_that_is_none_is_refused() {
        for radius in [-1.0, f64::NAN, f64::INFINITY] {
            assert!(Constraint::<f32>::accepts(&L1Ball { radius }, [2].into()).is_err());
            assert!(Constraint::<f32>::accepts(&LInfBall { radius }, [2].into()).is_err());
        }
        let error = Constraint::<f32>::accepts(&L2Ball { radius: -1.0 }, [2].into()).unwrap_err();
        assert_eq!(error.to_string(), "l2 ball: expected a finite radius >= 0, found radius -1");
    }

    #[test]
    fn what_is_large_is_projected_too() {
        let mut value = [3e200f64, 4e200];
        L2Ball { radius: 1.0 }.project([2].into(), &mut value);
        assert!((value[0] - 0.6).abs() < 1e-15 && (value[1] - 0.8).abs() < 1e-15, "{value:?}");
        let mut value = [1e10f64, 1e10 - 1e-3, -1e10];
        L1Ball { radius: 1.0 }.project([3].into(), &mut value);
        assert_eq!(L1Ball { radius: 1.0 }.violation([3].into(), &value), 0.0, "{value:?}");
    }

    #[test]
    fn a_ball_of_radius_0_is_a_point() {
        let all: [&dyn Constraint<f64>; 3] =
            [&L1Ball { radius: 0.0 }, &L2Ball { radius: 0.0 }, &LInfBall { radius: 0.0 }];
        for set in all {
            let mut value = [3.0, -4.0];
            set.project([2].into(), &mut value);
            assert_eq!(value, [0.0, 0.0], "{set:?}");
            let mut value = [3.0, -4.0];
            set.project_in_metric([2].into(), &[1.0, 2.0], &mut value);
            assert_eq!(value, [0.0, 0.0], "{set:?}");
            let mut direction = [3.0, -4.0];
            set.project_tangent([2].into(), &value, &mut direction);
            assert_eq!(direction, [0.0, 0.0], "{set:?}");
        }
    }

    #[test]
    fn the_boundary_counts_whole() {
        assert_eq!(L2Ball { radius: 5.0 }.active([2].into(), &[3.0f32, 4.0]), Some(2));
        assert_eq!(L2Ball { radius: 5.1 }.active([2].into(), &[3.0f32, 4.0]), Some(0));
        assert_eq!(L1Ball { radius: 7.0 }.active([3].into(), &[3.0f32, 4.0, 0.0]), Some(3));
        assert_eq!(LInfBall { radius: 4.0 }.active([2].into(), &[3.0f32, 4.0]), Some(1));
    }
}
