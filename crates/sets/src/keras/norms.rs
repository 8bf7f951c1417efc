//! Keras' constraints on norms: each rescales groups of weights. A group holds the weights that
//! differ in their position along the given axes only; `axes: vec![0]` makes one group of each
//! column of a matrix, `vec![0, 1, 2]` one of each filter of a convolution.
//!
//! The one design choice: the formulas are Keras', to the letter, though they are not projections.
//! They divide by $n + ε$ with $ε = 10^{-7}$, where $n$ is the norm of the group, so that
//! - every application shrinks by the factor $n / (n + ε)$ even what is inside the set, and
//! - a group that is all zero stays zero, though it has neither norm 1 nor a norm of at least
//!   `min`. More generally any norm below the bound can be what is left of a group that was nearly
//!   zero.
//!
//! So only the excess of a norm over its upper bound counts as a violation, and rounding is
//! forgiven: 4 units in the last place of the type, and one of `f64` for each weight of the group.
//! Squares are added up in `f64`: from entries of 1e154 on they overflow, and the group becomes 0.

use crate::{Constraint, Kind};
use morphograd_tensor::{Real, Shape, ShapeError};

use crate::groups::{Block, Groups, LANES, check_axes};
use crate::numeric::{forgive, larger, rounding};

/// Keras' fuzz factor.
const EPSILON: f64 = 1e-7;

/// Norm 1: $w \leftarrow w / (ε + n)$. By default along axis 0.
///
/// ```
/// use morphograd_sets::{Constraint, UnitNorm};
/// let mut w = [3.0f64, 0.0, 4.0, 0.0];
/// UnitNorm { axes: vec![0] }.project([2, 2].into(), &mut w);
/// assert!((w[0] - 0.6).abs() < 1e-7 && (w[2] - 0.8).abs() < 1e-7);
/// assert_eq!((w[1], w[3]), (0.0, 0.0)); // zero stays zero
/// ```
#[derive(Debug, Clone, PartialEq)]
pub struct UnitNorm {
    /// The axes a group runs along, each once.
    pub axes: Vec<usize>,
}

/// Norm at most `max`: $w \leftarrow w \, \min(n, \text{max}) / (ε + n)$. By default 2 along
/// axis 0.
#[derive(Debug, Clone, PartialEq)]
pub struct MaxNorm {
    /// The largest norm, not negative.
    pub max: f64,
    /// The axes a group runs along, each once.
    pub axes: Vec<usize>,
}

/// Norm between `min` and `max`:
/// $w \leftarrow w \, (r \, \mathrm{clip}(n, \text{min}, \text{max}) + (1 - r) n) / (ε + n)$
/// for a rate $r$. By default between 0 and 1 with rate 1, along axis 0.
///
/// With a rate below 1 one application goes only part of the way, so a parameter may then be
/// outside the set.
#[derive(Debug, Clone, PartialEq)]
pub struct MinMaxNorm {
    /// The smallest norm, not negative.
    pub min: f64,
    /// The largest norm, not below `min`.
    pub max: f64,
    /// How far to go, between 0 and 1.
    pub rate: f64,
    /// The axes a group runs along, each once.
    pub axes: Vec<usize>,
}

impl Default for UnitNorm {
    fn default() -> Self {
        Self { axes: vec![0] }
    }
}

impl Default for MaxNorm {
    fn default() -> Self {
        Self { max: 2.0, axes: vec![0] }
    }
}

impl Default for MinMaxNorm {
    fn default() -> Self {
        Self { min: 0.0, max: 1.0, rate: 1.0, axes: vec![0] }
    }
}

impl<T: Real> Constraint<T> for UnitNorm {
    fn project(&self, shape: Shape, value: &mut [T]) {
        rescale(shape, &self.axes, value, |n| 1.0 / (EPSILON + n));
    }

    fn violation(&self, shape: Shape, value: &[T]) -> f64 {
        excess(shape, &self.axes, value, 1.0)
    }

    fn accepts(&self, shape: Shape) -> Result<(), ShapeError> {
        check_axes("unit_norm", shape, &self.axes)
    }

    fn kind(&self) -> Kind {
        Kind::NotAProjection
    }

    fn formula(&self) -> &'static str {
        "w / (eps + ||w||)"
    }
}

impl<T: Real> Constraint<T> for MaxNorm {
    fn project(&self, shape: Shape, value: &mut [T]) {
        rescale(shape, &self.axes, value, |n| n.clamp(0.0, self.max) / (EPSILON + n));
    }

    fn violation(&self, shape: Shape, value: &[T]) -> f64 {
        excess(shape, &self.axes, value, self.max)
    }

    fn accepts(&self, shape: Shape) -> Result<(), ShapeError> {
        if self.max >= 0.0 {
            return check_axes("max_norm", shape, &self.axes);
        }
        Err(ShapeError::new("max_norm", "max >= 0", format!("max {}", self.max)))
    }

    fn kind(&self) -> Kind {
        Kind::NotAProjection
    }

    fn formula(&self) -> &'static str {
        "w min(||w||, max) / (eps + ||w||)"
    }
}

impl<T: Real> Constraint<T> for MinMaxNorm {
    fn project(&self, shape: Shape, value: &mut [T]) {
        rescale(shape, &self.axes, value, |n| {
            (self.rate * n.clamp(self.min, self.max) + (1.0 - self.rate) * n) / (EPSILON + n)
        });
    }

    fn violation(&self, shape: Shape, value: &[T]) -> f64 {
        excess(shape, &self.axes, value, self.max)
    }

    fn accepts(&self, shape: Shape) -> Result<(), ShapeError> {
        if 0.0 <= self.min && self.min <= self.max && (0.0..=1.0).contains(&self.rate) {
            return check_axes("min_max_norm", shape, &self.axes);
        }
        Err(ShapeError::new(
            "min_max_norm",
            "0 <= min <= max and a rate between 0 and 1",
            format!("min {}, max {} and rate {}", self.min, self.max, self.rate),
        ))
    }

    fn kind(&self) -> Kind {
        Kind::NotAProjection
    }

    fn formula(&self) -> &'static str {
        "w (r clip(||w||, min, max) + (1 - r) ||w||) / (eps + ||w||)"
    }
}

/// Multiplies every group by a function of its norm.
fn rescale<T: Real>(shape: Shape, axes: &[usize], value: &mut [T], factor: impl Fn(f64) -> f64) {
    let groups = Groups::new(shape, |axis| axes.contains(&axis));
    for block in groups.blocks() {
        let factors = norms(&groups, block, value).map(|n| T::of(factor(n)));
        for row in groups.rows(block) {
            let row = &mut value[row];
            if groups.rows_are_runs() {
                row.iter_mut().for_each(|w| *w *= factors[0]);
            } else {
                row.iter_mut().zip(&factors).for_each(|(w, factor)| *w *= *factor);
            }
        }
    }
}

/// The largest excess of a group's norm over `max`, but for rounding.
fn excess<T: Real>(shape: Shape, axes: &[usize], value: &[T], max: f64) -> f64 {
    let groups = Groups::new(shape, |axis| axes.contains(&axis));
    let slack = rounding::<T>(groups.shape.len()) * max;
    groups.blocks().fold(0.0, |worst, block| {
        norms(&groups, block, value)
            .into_iter()
            .fold(worst, |worst, n| larger(worst, forgive(n - max, slack)))
    })
}

/// The Euclidean norms of the block's groups; 0 in the lanes it does not use.
fn norms<T: Real>(groups: &Groups, block: Block, value: &[T]) -> [f64; LANES] {
    let mut sums = [0.0; LANES];
    for row in groups.rows(block) {
        let row = &value[row];
        if groups.rows_are_runs() {
            sums[0] += row.iter().map(|w| w.f64() * w.f64()).sum::<f64>();
        } else {
            for (sum, w) in sums.iter_mut().zip(row) {
                *sum += w.f64() * w.f64();
            }
        }
    }
    sums.map(f64::sqrt)
}

#[cfg(test)]
mod tests {
    use super::*;
    use morphograd_testkit::{Golden, assert_close, strategy};
    use proptest::prelude::*;
    use proptest::sample::subsequence;

    #[test]
    fn norms_agree_with_the_reference() {
        let golden = Golden::read("constraints");
        let w = golden.tensor::<f32>("w");
        let max_norm = |axes| MaxNorm { max: 2.0, axes };
        let part_of_the_way = MinMaxNorm { max: 1.5, rate: 0.7, ..MinMaxNorm::default() };
        let all: [(&str, &dyn Constraint<f32>); 5] = [
            ("unit_norm_axis0", &UnitNorm::default()),
            ("unit_norm_axis012", &UnitNorm { axes: vec![0, 1, 2] }),
            ("max_norm2_axis0", &max_norm(vec![0])),
            ("max_norm2_axis012", &max_norm(vec![0, 1, 2])),
            ("min_max_norm_axis0", &part_of_the_way),
        ];
        for (name, constraint) in all {
            let mut value = w.clone();
            constraint.project(w.shape(), value.data_mut());
            assert_close(name, value.data(), golden.tensor::<f32>(name).data(), 1e-5);
            assert!(constraint.violation(w.shape(), w.data()) > 0.1, "{name}");
        }
    }

    /// The norm of the group of each element, by comparing coordinates.
    fn norms_by_definition(shape: Shape, axes: &[usize], value: &[f64]) -> Vec<f64> {
        let group = |mut i: usize| {
            let mut kept = Vec::new();
            for (axis, length) in shape.dims().iter().enumerate().rev() {
                if !axes.contains(&axis) {
                    kept.push(i % length);
                }
                i /= length;
            }
            kept
        };
        let same = |i: usize| (0..value.len()).filter(move |j| group(*j) == group(i));
        (0..value.len()).map(|i| same(i).map(|j| value[j] * value[j]).sum::<f64>().sqrt()).collect()
    }

    proptest! {
        #[test]
        fn any_axes_of_any_rank_agree_with_the_definition(
            (value, axes) in proptest::collection::vec(1..4usize, 0..4).prop_flat_map(|mut dims| {
                // A last axis longer than a block of lanes now and then.
                if let Some(last) = dims.last_mut() && *last == 3 { *last = LANES + 3; }
                let axes: Vec<usize> = (0..dims.len()).collect();
                (strategy::tensor(Shape::new(&dims)), subsequence(axes, 0..=dims.len()))
            }),
        ) {
            let shape = value.shape();
            let norms = norms_by_definition(shape, &axes, value.data());
            let constraint = MinMaxNorm { min: 0.3, max: 0.9, rate: 0.75, axes: axes.clone() };
            prop_assert!(Constraint::<f64>::accepts(&constraint, shape).is_ok());
            let expected: Vec<f64> = value
                .data()
                .iter()
                .zip(&norms)
                .map(|(w, n)| w * (0.75 * n.clamp(0.3, 0.9) + 0.25 * n) / (1e-7 + n))
                .collect();
            let mut found = value.clone();
            constraint.project(shape, found.data_mut());
            assert_close("rescaled", found.data(), &expected, 1e-12);
            let worst = norms.iter().fold(0.0, |worst: f64, n| worst.max(n - 0.9));
            prop_assert!((constraint.violation(shape, value.data()) - worst).abs() < 1e-12);
        }

        #[test]
        fn what_is_left_is_no_violation(
            value in strategy::tensor([7, 40]),
            exponent in -9..9i32,
            rate in 0..2u8,
        ) {
            let value: Vec<f32> =
                value.data().iter().map(|w| (w * 10f64.powi(exponent)) as f32).collect();
            for axes in [vec![0], vec![1], vec![0, 1]] {
                let all: [&dyn Constraint<f32>; 3] = [
                    &UnitNorm { axes: axes.clone() },
                    &MaxNorm { max: f64::from(rate), axes: axes.clone() },
                    &MinMaxNorm { min: 0.25, max: 0.5, rate: 1.0, axes },
                ];
                for constraint in all {
                    let mut left = value.clone();
                    constraint.project([7, 40].into(), &mut left);
                    prop_assert_eq!(
                        constraint.violation([7, 40].into(), &left),
                        0.0,
                        "{:?}",
                        constraint
                    );
                }
            }
        }
    }

    #[test]
    fn zero_stays_zero_and_nan_is_seen() {
        let all: [&dyn Constraint<f32>; 3] = [
            &UnitNorm::default(),
            &MaxNorm::default(),
            &MinMaxNorm { min: 0.5, ..MinMaxNorm::default() },
        ];
        for constraint in all {
            let mut value = [0.0f32; 3];
            constraint.project([3].into(), &mut value);
            assert_eq!(value, [0.0; 3], "{constraint:?}");
            assert!(
                constraint.violation([3].into(), &[0.0, f32::NAN, 0.0]).is_nan(),
                "{constraint:?}"
            );
        }
    }

    #[test]
    fn axes_that_do_not_exist_and_impossible_bounds_are_refused_by_name() {
        let accepts = |constraint: &dyn Constraint<f32>| constraint.accepts([3, 4].into());
        let error = accepts(&UnitNorm { axes: vec![0, 2] }).unwrap_err();
        assert_eq!(
            error.to_string(),
            "unit_norm: expected distinct axes of shape [3, 4], found axes [0, 2]"
        );
        assert!(accepts(&UnitNorm { axes: vec![1, 1] }).is_err());
        assert!(accepts(&MaxNorm { max: -1.0, ..MaxNorm::default() }).is_err());
        assert!(accepts(&MaxNorm { max: f64::NAN, ..MaxNorm::default() }).is_err());
        assert!(accepts(&MinMaxNorm { min: 2.0, ..MinMaxNorm::default() }).is_err());
        assert!(accepts(&MinMaxNorm { rate: 1.5, ..MinMaxNorm::default() }).is_err());
        assert!(accepts(&MinMaxNorm { axes: vec![], ..MinMaxNorm::default() }).is_ok());
    }
}
