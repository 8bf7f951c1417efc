//! Matrices of low rank.
//!
//! The one design choice: the rank is counted in singular values above rounding, so that a value
//! that was projected is of low rank in every precision.

use morphograd_tensor::{Real, Shape, ShapeError};

use super::svd::{
    Svd, change_direction, check_matrix, matrix_size, measure_values, replace_values,
};
use crate::numeric::forgive;
use crate::{Capabilities, Constraint, Kind};

/// $\{ W : \mathrm{rank}\, W \le r \}$, by keeping the $r$ largest singular values. Not convex; a
/// nearest point (Eckart and Young). Cost: a singular value decomposition, O(m n min(m, n)) a
/// sweep, for the projection and for the violation; it takes memory.
///
/// ```
/// use morphograd_sets::{Constraint, Rank};
/// let mut w = [3.0f64, 0.0, 0.0, 1.0];
/// Rank { rank: 1 }.project([2, 2].into(), &mut w);
/// assert_eq!(w, [3.0, 0.0, 0.0, 0.0]);
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rank {
    /// The largest rank $r$.
    pub rank: usize,
}

impl Rank {
    fn violation_of<T: Real>(self, svd: &Svd) -> f64 {
        forgive(svd.values.get(self.rank).copied().unwrap_or(0.0), svd.slack::<T>())
    }
}

impl<T: Real> Constraint<T> for Rank {
    fn project(&self, shape: Shape, value: &mut [T]) {
        replace_values(
            shape,
            value,
            |svd| self.violation_of::<T>(svd),
            |values, k| if k < self.rank { values[k] } else { 0.0 },
        );
    }

    /// The largest singular value that should be 0.
    fn violation(&self, shape: Shape, value: &[T]) -> f64 {
        measure_values(shape, value, |svd| self.violation_of::<T>(svd))
    }

    fn accepts(&self, shape: Shape) -> Result<(), ShapeError> {
        check_matrix("rank", shape)
    }

    fn kind(&self) -> Kind {
        Kind::NonConvex
    }

    fn formula(&self) -> &'static str {
        "rank W <= r"
    }

    fn capabilities(&self, _: Shape) -> Capabilities {
        Capabilities { tangent: true, ..Capabilities::default() }
    }

    /// Of the part outside the columns and the rows of a point of rank $s$,
    /// $E = (I - U U^\top) D (I - V V^\top)$, only the $r - s$ largest singular values stay. At
    /// rank $r$ this is the tangent space of the matrices of that rank. Source: R. Schneider and A.
    /// Uschmajew, *Convergence results for projected line-search methods on varieties of low-rank
    /// matrices via Łojasiewicz inequality* (2015).
    fn project_tangent(&self, shape: Shape, at: &[T], direction: &mut [T]) {
        change_direction(shape, at, direction, |svd, direction| {
            let rank = svd.rank::<T>().min(self.rank);
            let mut removed = svd.outside(rank, direction);
            if let Some(parts) = Svd::of(matrix_size(shape), &removed) {
                parts.write(
                    |k| if k < self.rank - rank { 0.0 } else { parts.values[k] },
                    &mut removed,
                );
            }
            direction.iter_mut().zip(removed).for_each(|(d, e)| *d = T::of(d.f64() - e));
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{NuclearBall, SpectralBall};

    /// As for all three sets of singular values.
    #[test]
    fn vectors_are_refused_and_nan_is_seen() {
        let error = Constraint::<f32>::accepts(&Rank { rank: 1 }, [4].into()).unwrap_err();
        assert_eq!(
            error.to_string(),
            "rank: expected a matrix, or more axes than two, found shape [4]"
        );
        assert!(Constraint::<f32>::accepts(&SpectralBall { radius: -1.0 }, [2, 2].into()).is_err());
        assert!(
            Constraint::<f32>::accepts(&NuclearBall { radius: f64::NAN }, [2, 2].into()).is_err()
        );
        let all: [&dyn Constraint<f32>; 3] =
            [&Rank { rank: 1 }, &SpectralBall { radius: 1.0 }, &NuclearBall { radius: 1.0 }];
        for set in all {
            let mut value = [1.0f32, f32::NAN, 0.0, 2.0];
            assert!(set.violation([2, 2].into(), &value).is_nan());
            set.project([2, 2].into(), &mut value);
            assert!(value.iter().all(|w| w.is_nan()), "{set:?}");
        }
    }

    #[test]
    fn filters_that_are_multiples_of_one_another_have_rank_1() {
        let value: Vec<f32> = (0..18).flat_map(|i| [i as f32, -2.0 * i as f32]).collect();
        assert_eq!(Rank { rank: 1 }.violation([3, 3, 2, 2].into(), &value), 0.0);
        assert!(Rank { rank: 0 }.violation([3, 3, 2, 2].into(), &value) > 1.0);
    }
}
