//! Hyperplanes and halfspaces: one linear equation or inequality.
//!
//! The one design choice: sums run in `f64`, and a value that misses the equation by rounding only
//! is left as it is.

use crate::{Capabilities, Constraint, Kind, Parametrization};
use morphograd_tensor::{Real, Shape, ShapeError};

use crate::norms::ball::is_outward;
use crate::numeric::{forgive, inverse_weight, rounding};
use crate::projected::Projected;
use crate::until_inside::project_until_inside;

/// $\{ w : a \cdot w = b \}$, by $w \leftarrow w + \frac{b - a \cdot w}{\lVert a \rVert^2} a$.
/// Convex; exact in every diagonal metric, O(n).
///
/// ```
/// use morphograd_sets::{Constraint, Hyperplane};
/// let plane = Hyperplane { normal: vec![3.0, 4.0], offset: 5.0 };
/// let mut w = [0.0f64, 0.0];
/// plane.project([2].into(), &mut w);
/// assert!((w[0] - 0.6).abs() < 1e-15 && (w[1] - 0.8).abs() < 1e-15);
/// ```
#[derive(Debug, Clone, PartialEq)]
pub struct Hyperplane {
    /// The normal $a$, one number for each entry, row-major; not all 0.
    pub normal: Vec<f64>,
    /// The offset $b$.
    pub offset: f64,
}

/// $\{ w : a \cdot w \le b \}$: what is outside goes to the nearest point of the hyperplane.
/// Convex; exact in every diagonal metric, O(n).
#[derive(Debug, Clone, PartialEq)]
pub struct Halfspace {
    /// The outward normal $a$, one number for each entry, row-major; not all 0.
    pub normal: Vec<f64>,
    /// The offset $b$.
    pub offset: f64,
}

impl<T: Real> Constraint<T> for Hyperplane {
    fn project(&self, shape: Shape, value: &mut [T]) {
        project_until_inside(self, shape, value, |w| {
            move_to_plane(&self.normal, self.offset, None, w);
        });
    }

    fn violation(&self, _: Shape, value: &[T]) -> f64 {
        let (excess, slack) = excess(&self.normal, self.offset, value);
        forgive(excess.abs(), slack)
    }

    fn accepts(&self, shape: Shape) -> Result<(), ShapeError> {
        check("hyperplane", &self.normal, self.offset, shape)
    }

    fn kind(&self) -> Kind {
        Kind::Convex
    }

    fn formula(&self) -> &'static str {
        "a . w = b"
    }

    fn capabilities(&self, _: Shape) -> Capabilities {
        Capabilities { metric: true, tangent: true, derivative: true, ..Capabilities::default() }
    }

    fn project_in_metric(&self, shape: Shape, metric: &[T], value: &mut [T]) {
        project_until_inside(self, shape, value, |w| {
            move_to_plane(&self.normal, self.offset, Some(metric), w);
        });
    }

    fn project_tangent(&self, _: Shape, _: &[T], direction: &mut [T]) {
        move_to_plane(&self.normal, 0.0, None, direction);
    }

    /// The projection is affine: that of directions, which is its own transpose.
    fn project_vjp(&self, shape: Shape, at: &[T], _: &[T], gradient: &mut [T]) {
        self.project_tangent(shape, at, gradient);
    }

    /// The projection itself, which is linear up to a constant.
    fn parametrization(&self, _: Shape) -> Option<Box<dyn Parametrization<T>>> {
        Projected::smooth(self.clone())
    }
}

impl<T: Real> Constraint<T> for Halfspace {
    fn project(&self, shape: Shape, value: &mut [T]) {
        project_until_inside(self, shape, value, |w| {
            move_to_plane(&self.normal, self.offset, None, w);
        });
    }

    fn violation(&self, _: Shape, value: &[T]) -> f64 {
        let (excess, slack) = excess(&self.normal, self.offset, value);
        forgive(excess, slack)
    }

    fn accepts(&self, shape: Shape) -> Result<(), ShapeError> {
        check("halfspace", &self.normal, self.offset, shape)
    }

    fn kind(&self) -> Kind {
        Kind::Convex
    }

    fn formula(&self) -> &'static str {
        "a . w <= b"
    }

    fn capabilities(&self, _: Shape) -> Capabilities {
        Capabilities { metric: true, tangent: true, derivative: true, ..Capabilities::default() }
    }

    fn project_in_metric(&self, shape: Shape, metric: &[T], value: &mut [T]) {
        project_until_inside(self, shape, value, |w| {
            move_to_plane(&self.normal, self.offset, Some(metric), w);
        });
    }

    fn project_tangent(&self, _: Shape, at: &[T], direction: &mut [T]) {
        let (excess, slack) = excess(&self.normal, self.offset, at);
        let outwards = dot(&self.normal, direction).0;
        if excess >= -slack && is_outward(outwards) {
            move_to_plane(&self.normal, 0.0, None, direction);
        }
    }

    fn project_vjp(&self, _: Shape, at: &[T], projected: &[T], gradient: &mut [T]) {
        if at != projected {
            move_to_plane(&self.normal, 0.0, None, gradient);
        }
    }

    /// All entries with a part in the inequality, when it is an equality.
    fn active(&self, _: Shape, value: &[T]) -> Option<usize> {
        let (excess, slack) = excess(&self.normal, self.offset, value);
        let parts = self.normal.iter().filter(|a| **a != 0.0).count();
        Some(if excess.abs() <= slack { parts } else { 0 })
    }
}

/// Goes to the nearest point of the hyperplane.
fn move_to_plane<T: Real>(normal: &[f64], offset: f64, metric: Option<&[T]>, value: &mut [T]) {
    let missed = offset - dot(normal, value).0;
    let length: f64 =
        normal.iter().enumerate().map(|(i, a)| a * a * inverse_weight(metric, i)).sum();
    let factor = missed / length;
    for (i, (w, a)) in value.iter_mut().zip(normal).enumerate() {
        if *a != 0.0 {
            *w = T::of(w.f64() + factor * a * inverse_weight(metric, i));
        }
    }
}

/// By how much the product with the normal is above the offset, and what rounding is worth.
fn excess<T: Real>(normal: &[f64], offset: f64, value: &[T]) -> (f64, f64) {
    let (product, size) = dot(normal, value);
    (product - offset, rounding::<T>(value.len()) * (size + offset.abs()))
}

/// The product with the normal, and the sum of the magnitudes of its terms. An entry without part
/// in it does not count, whatever it is.
fn dot<T: Real>(normal: &[f64], value: &[T]) -> (f64, f64) {
    normal.iter().zip(value).fold((0.0, 0.0), |(sum, size), (a, w)| {
        // NaN is seen also where it has no part.
        let term = if *a == 0.0 && !w.is_nan() { 0.0 } else { a * w.f64() };
        (sum + term, size + term.abs())
    })
}

fn check(
    operation: &'static str,
    normal: &[f64],
    offset: f64,
    shape: Shape,
) -> Result<(), ShapeError> {
    if normal.len() != shape.len() {
        let expected = format!("a normal of {} entries for shape {shape}", shape.len());
        return Err(ShapeError::new(operation, expected, format!("{} entries", normal.len())));
    }
    let all_finite = normal.iter().all(|a| a.is_finite()) && offset.is_finite();
    if !all_finite || normal.iter().all(|a| *a == 0.0) {
        let found = format!("normal {normal:?} and offset {offset}");
        return Err(ShapeError::new(
            operation,
            "a finite offset and a finite normal that is not 0",
            found,
        ));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_normal_that_does_not_fit_is_refused() {
        let accepts = |normal: &[f64]| {
            Constraint::<f32>::accepts(
                &Hyperplane { normal: normal.to_vec(), offset: 0.0 },
                [2].into(),
            )
        };
        let error = accepts(&[1.0]).unwrap_err().to_string();
        assert_eq!(
            error,
            "hyperplane: expected a normal of 2 entries for shape [2], found 1 entries"
        );
        assert!(accepts(&[0.0, 0.0]).is_err());
        assert!(accepts(&[f64::NAN, 1.0]).is_err());
        assert!(accepts(&[0.0, 1.0]).is_ok());
        let halfspace = Halfspace { normal: vec![1.0, 1.0], offset: f64::INFINITY };
        assert!(Constraint::<f32>::accepts(&halfspace, [2].into()).is_err());
    }

    #[test]
    fn a_halfspace_counts_its_boundary() {
        let set = Halfspace { normal: vec![1.0, 0.0, 1.0], offset: 1.0 };
        assert_eq!(set.active([3].into(), &[0.5f32, 7.0, 0.5]), Some(2));
        assert_eq!(set.active([3].into(), &[0.5f32, 7.0, 0.4]), Some(0));
    }
}
