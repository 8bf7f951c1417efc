//! Numbers that every set needs: what rounding is forgiven, and maxima that keep NaN.

use morphograd_tensor::Real;

/// The maximum of two numbers, NaN if one of them is.
pub(crate) fn larger(worst: f64, x: f64) -> f64 {
    if x > worst || x.is_nan() { x } else { worst }
}

/// What an equation of `n` terms may be missed by relative to the sum of their magnitudes: a few
/// units in the last place of the type for the rounding of the terms, one of `f64` for each
/// addition.
pub(crate) fn rounding<T: Real>(n: usize) -> f64 {
    4.0 * T::epsilon().f64() + n as f64 * f64::EPSILON
}

/// 0 for what is not more than rounding (or negative). NaN stays, and so does an infinity: the
/// rounding of one is infinite too.
pub(crate) fn forgive(missed: f64, slack: f64) -> f64 {
    if missed <= slack.max(0.0) && missed < f64::INFINITY { 0.0 } else { missed }
}

/// Replaces a direction by 0, where a point can move nowhere; what is not a number remains to be
/// seen.
pub(crate) fn clear_direction<T: Real>(direction: &mut [T]) {
    direction.iter_mut().filter(|d| !d.is_nan()).for_each(|d| *d = T::zero());
}

/// The inverse of a coordinate's weight in the metric, 1 without one: how far it gives way to a
/// force.
pub(crate) fn inverse_weight<T: Real>(metric: Option<&[T]>, i: usize) -> f64 {
    metric.map_or(1.0, |m| 1.0 / m[i].f64())
}

/// The Euclidean norm, of numbers of any size.
pub(crate) fn norm_of(values: impl Iterator<Item = f64> + Clone) -> f64 {
    let largest = values.clone().fold(0.0, |m, x| larger(m, x.abs()));
    if largest == 0.0 || !largest.is_finite() {
        return largest;
    }
    largest * values.map(|x| (x / largest) * (x / largest)).sum::<f64>().sqrt()
}
