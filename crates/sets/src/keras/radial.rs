//! Keras' constraint on kernels that are to be the same at every radius.
//!
//! The one design choice: the formula is that of Keras 2 (today's `tf_keras`; Keras 3 is without
//! it), to the letter, with the sample it takes for the centre, so that weights trained with it
//! mean the same here.

use crate::{Constraint, Kind};
use morphograd_tensor::{Real, Shape, ShapeError};

use crate::numeric::larger;

/// `RadialConstraint` of Keras: every square plane of a kernel `[k, k, in, out]` is rebuilt from
/// samples on its diagonal. With $s = \lfloor k / 2 \rfloor$,
/// - the centre (1 entry for odd $k$, 2 × 2 for even) gets the value of entry $(s-1, s-1)$,
/// - the ring around it that of entry $(s, s)$ for odd $k$ and $(s+1, s+1)$ for even, the next one
///   that of the next on the diagonal.
///
/// It is no projection: the nearest kernel that is constant on every ring has the rings' means, and
/// this one takes samples. For odd $k$ it is not idempotent either: the centre gets what its upper
/// left neighbour was, which the ring's value then overwrites, so that a second application makes a
/// kernel of 3 × 3 constant. Cost: O(n).
///
/// ```
/// use morphograd_sets::{Constraint, RadialConstraint, tensor::Shape};
/// let mut kernel = [1.0f32, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0, 8.0, 9.0];
/// let shape = Shape::from([3, 3, 1, 1]);
/// RadialConstraint.project(shape, &mut kernel);
/// assert_eq!(kernel, [5.0, 5.0, 5.0, 5.0, 1.0, 5.0, 5.0, 5.0, 5.0]);
/// RadialConstraint.project(shape, &mut kernel);
/// assert_eq!(kernel, [1.0, 1.0, 1.0, 1.0, 5.0, 1.0, 1.0, 1.0, 1.0]);
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RadialConstraint;

/// The ring of a position in a plane of `k` x `k`, the centre being ring 0.
fn ring(k: usize, y: usize, x: usize) -> usize {
    let from_border = y.min(x).min(k - 1 - y).min(k - 1 - x);
    (k - 1) / 2 - from_border
}

/// The position on the diagonal that Keras takes for a ring.
fn sample(k: usize, ring: usize) -> usize {
    let start = k / 2;
    // The rings around the centre are counted from 0 for odd sizes and from 1 for even ones.
    if ring == 0 { start - 1 } else { start + ring - k % 2 }
}

impl<T: Real> Constraint<T> for RadialConstraint {
    fn project(&self, shape: Shape, value: &mut [T]) {
        let k = shape.dims()[0];
        let rest = value.len() / (k * k);
        let mut diagonal = [T::zero(); 64];
        for plane in 0..rest {
            for ring in 0..k.div_ceil(2) {
                diagonal[ring] = value[sample(k, ring) * (k + 1) * rest + plane];
            }
            for position in 0..k * k {
                value[position * rest + plane] = diagonal[ring(k, position / k, position % k)];
            }
        }
    }

    /// The largest difference of two entries of one ring.
    fn violation(&self, shape: Shape, value: &[T]) -> f64 {
        let k = shape.dims()[0];
        let rest = value.len() / (k * k);
        (0..value.len()).fold(0.0, |worst, i| {
            let (position, plane) = (i / rest, i % rest);
            let inset = (k - 1) / 2 - ring(k, position / k, position % k);
            let first = value[inset * (k + 1) * rest + plane];
            larger(
                worst,
                if value[i] == first { 0.0 } else { (value[i].f64() - first.f64()).abs() },
            )
        })
    }

    fn accepts(&self, shape: Shape) -> Result<(), ShapeError> {
        match shape.dims() {
            [height, width, _, _] if height == width && (2..=128).contains(height) => Ok(()),
            _ => {
                let expected = "a kernel [k, k, in, out] with k from 2 to 128";
                Err(ShapeError::new("radial constraint", expected, format!("shape {shape}")))
            }
        }
    }

    fn kind(&self) -> Kind {
        Kind::NotAProjection
    }

    fn formula(&self) -> &'static str {
        "every ring gets a sample of the diagonal"
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn radial<const N: usize>(k: usize) -> [f32; N] {
        let mut kernel: [f32; N] = std::array::from_fn(|i| i as f32);
        RadialConstraint.project([k, k, 1, N / (k * k)].into(), &mut kernel);
        kernel
    }

    #[test]
    fn the_samples_are_those_of_keras() {
        assert_eq!(radial::<4>(2), [0.0; 4]);
        // 5 x 5 has its centre from (1, 1), its rings from (2, 2) and (3, 3).
        let five = radial::<25>(5);
        assert_eq!((five[12], five[6], five[7], five[0], five[24]), (6.0, 12.0, 12.0, 18.0, 18.0));
        // 4 x 4 has its centre from (1, 1), its ring from (3, 3).
        let four = radial::<16>(4);
        assert_eq!((four[5], four[10], four[0], four[7], four[15]), (5.0, 5.0, 15.0, 15.0, 15.0));
        let two_filters = radial::<18>(3);
        assert_eq!(
            (two_filters[8], two_filters[9], two_filters[0], two_filters[1]),
            (0.0, 1.0, 8.0, 9.0)
        );
    }

    #[test]
    fn its_image_is_radial_and_other_shapes_are_refused() {
        assert_eq!(RadialConstraint.violation([5, 5, 1, 1].into(), &radial::<25>(5)), 0.0);
        let value: [f32; 9] = [0.0, 0.0, 0.0, 0.0, 7.0, 0.0, 0.0, 3.0, 0.0];
        assert_eq!(RadialConstraint.violation([3, 3, 1, 1].into(), &value), 3.0);
        assert!(RadialConstraint.violation([3, 3, 1, 1].into(), &[f32::NAN; 9]).is_nan());
        let error = Constraint::<f32>::accepts(&RadialConstraint, [3, 4, 1, 1].into())
            .unwrap_err()
            .to_string();
        assert_eq!(
            error,
            "radial constraint: expected a kernel [k, k, in, out] with k from 2 to 128, found \
             shape [3, 4, 1, 1]"
        );
    }
}
