//! The gauge of a dense layer over a semiring: a constant of each column, which moves its output
//! and nothing else.
//!
//! The one design choice: a step on parameters, beside the optimizer's, and no constraint. What it
//! does is no projection, and its image is a set that is not convex.

use morphograd_nn::autodiff::{ParamId, Params};
use morphograd_nn::tensor::{Real, ShapeError, TensorRef};

use crate::layers::semiring::Semiring;

/// Subtracts from each column of a dense matrix a number $s_j$, so that its largest entry is 0, or
/// its smooth maximum:
/// $$s_j = \max_i w_{ij} \quad\text{or}\quad s_j = \frac1β \log \sum_i e^{β w_{ij}},$$
/// and for minima $\min_i w_{ij}$ or $-\frac1β \log \sum_i e^{-β w_{ij}}$.
///
/// **Law.** With $w' = w - s$ the outputs are $y'_{bj} = y_{bj} - s_j$: a number that is added to
/// all candidates of a maximum, or to all terms of the logarithm of a sum of exponentials, leaves
/// it. So a network is the same where what follows can take up a constant of each unit: a bias
/// raised by $s$; a dense layer $y A + c$ with $c$ raised by $s A$; a max-plus layer with row $j$
/// of its matrix raised by $s_j$; a layer that subtracts a mean of each unit, as it is. Where
/// nothing takes it up, the step changes the network, by these constants only.
///
/// A column without a finite entry stays as it is. Candidate biases are entries of their column:
/// they have to be named with the matrix. Cost: two passes over the matrix.
///
/// Source: the step after each update in Fotopoulos and Maragos, *Correlational training of
/// morphological neural networks* (2026, arXiv 2610.11740), by the authors' code, with the
/// logarithm of the sum where the layer has one. The same for kernels: [`gauge`](fn@crate::gauge).
///
/// ```
/// use morphograd_morphology::{Semiring, ShiftNormalization};
/// use morphograd_morphology::nn::{autodiff::Params, tensor::Tensor};
/// let mut params = Params::<f64>::new();
/// let kernel = params.add("w", Tensor::from_vec([2, 2], vec![1.0, 5.0, 3.0, 4.0])?, None)?;
/// let normalize = ShiftNormalization::Extremum;
/// let shifts = normalize.apply(Semiring::MaxPlus, &mut params, &[kernel])?;
/// assert_eq!(shifts, [3.0, 5.0]);
/// assert_eq!(params.value(kernel).data, [-2.0, 0.0, 0.0, -1.0]);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub enum ShiftNormalization {
    /// The largest entry becomes 0; for minima the smallest.
    #[default]
    Extremum,
    /// The logarithm of the sum of exponentials becomes 0: the weights $e^{β w_{ij}}$ of a column
    /// are a distribution.
    LogSumExp {
        /// The sharpness, above 0: the layer's.
        beta: f64,
    },
}

impl ShiftNormalization {
    /// The numbers $s_j$ of a column of all these tensors, whose last axis numbers the units.
    ///
    /// # Errors
    /// If there is no tensor, their last axes differ, or the sharpness is not above 0.
    pub fn shifts<T: Real>(
        self,
        semiring: Semiring,
        matrices: &[TensorRef<'_, T>],
    ) -> Result<Vec<T>, ShapeError> {
        let last = |w: &TensorRef<'_, T>| w.shape.dims().last().copied();
        let refuse = |expected: &str, found: String| {
            Err(ShapeError::new("shift_normalization", expected, found))
        };
        let Some(units) = matrices.first().and_then(last) else {
            return refuse("a matrix [n, units]", "none".into());
        };
        if let Some(other) = matrices.iter().find(|w| last(w) != Some(units)) {
            return refuse("tensors of the same last axis", format!("shape {}", other.shape));
        }
        let sign = semiring.sign::<T>();
        let rows = || matrices.iter().flat_map(|w| w.data.chunks_exact(units.max(1)));
        let mut tops = vec![T::neg_infinity(); units];
        for row in rows() {
            tops.iter_mut().zip(row).for_each(|(top, w)| *top = top.max(sign * *w));
        }
        if let Self::LogSumExp { beta } = self {
            if !(beta > 0.0 && beta.is_finite()) {
                return refuse("a finite beta above 0", beta.to_string());
            }
            let mut sums = vec![0.0; units];
            for row in rows() {
                for ((sum, w), top) in sums.iter_mut().zip(row).zip(&tops) {
                    *sum += (beta * (sign * *w - *top).f64()).exp();
                }
            }
            for (top, sum) in tops.iter_mut().zip(sums) {
                *top += T::of(sum.ln() / beta);
            }
        }
        // Nothing to subtract, or nothing that could be.
        let finite = |top: T| if top.is_finite() { sign * top } else { T::zero() };
        Ok(tops.into_iter().map(finite).collect())
    }

    /// Subtracts the shifts of the parameters `ids` (a layer's `kernel` and, if it has one, its
    /// `candidate`) from their values, by [`Params::update`], so a constrained one is projected
    /// afterwards. Returns the shifts, for what is to take them up.
    ///
    /// To be called after each step of the optimizer, whose state it does not change.
    ///
    /// # Errors
    /// As [`ShiftNormalization::shifts`].
    pub fn apply<T: Real>(
        self,
        semiring: Semiring,
        params: &mut Params<T>,
        ids: &[ParamId],
    ) -> Result<Vec<T>, ShapeError> {
        let values: Vec<_> = ids.iter().map(|id| params.value(*id)).collect();
        let shifts = self.shifts(semiring, &values)?;
        for id in ids {
            params.update(*id, |value| {
                for row in value.chunks_exact_mut(shifts.len().max(1)) {
                    row.iter_mut().zip(&shifts).for_each(|(w, shift)| *w -= *shift);
                }
            });
        }
        Ok(shifts)
    }
}

#[cfg(test)]
mod tests {
    use morphograd_nn::tensor::Tensor;
    use morphograd_testkit::strategy;
    use proptest::prelude::*;

    use super::*;
    use crate::{LogSumExpProduct, MaxPlusProduct, MinPlusProduct, evaluate};

    const BETA: f64 = 1.5;

    /// A product of each kind: smooth or not, of maxima or of minima.
    fn product(smooth: bool, semiring: Semiring, x: &Tensor<f64>, w: &Tensor<f64>) -> Tensor<f64> {
        evaluate([x.view(), w.view()], |graph, [x, w]| {
            let beta = graph.scalar(BETA);
            match (smooth, semiring) {
                (true, _) => graph.apply(LogSumExpProduct { semiring }, [x, w, beta]),
                (_, Semiring::MaxPlus) => graph.apply(MaxPlusProduct::default(), [x, w]),
                (_, Semiring::MinPlus) => graph.apply(MinPlusProduct::default(), [x, w]),
            }
        })
        .unwrap()
    }

    fn same(a: &Tensor<f64>, b: &Tensor<f64>) -> bool {
        a.data().iter().zip(b.data()).all(|(a, b)| (a - b).abs() < 1e-12)
    }

    /// `a` with the numbers added to its rows or, with `columns`, to its columns.
    fn raised(a: &Tensor<f64>, by: &[f64], columns: bool) -> Tensor<f64> {
        let n = a.shape().dims()[1];
        Tensor::from_fn(a.shape(), |i| a.data()[i] + by[if columns { i % n } else { i / n }])
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(48))]

        #[test]
        fn a_network_that_takes_up_a_constant_of_each_unit_stays_the_same(
            x in strategy::tensor([3, 5]),
            w in strategy::tensor([5, 4]),
            next in strategy::tensor([4, 2]),
            smooth in any::<bool>(),
            normalize in prop::sample::select(vec![
                ShiftNormalization::Extremum, ShiftNormalization::LogSumExp { beta: BETA },
            ]),
            semiring in prop::sample::select(vec![Semiring::MaxPlus, Semiring::MinPlus]),
        ) {
            let mut params = Params::new();
            let id = params.add("w", w.clone(), None).unwrap();
            let shifts = normalize.apply(semiring, &mut params, &[id]).unwrap();
            let shifted = params.value(id).to_tensor();
            let y = product(smooth, semiring, &x, &w);
            let moved = product(smooth, semiring, &x, &shifted);
            // A bias.
            prop_assert!(same(&y, &raised(&moved, &shifts, true)));
            // A layer of a semiring.
            let raised_rows = raised(&next, &shifts, false);
            for semiring in [Semiring::MaxPlus, Semiring::MinPlus] {
                let (a, b) = (product(smooth, semiring, &y, &next),
                    product(smooth, semiring, &moved, &raised_rows));
                prop_assert!(same(&a, &b));
            }
            // A dense layer: the same logits up to a constant of each.
            let linear = |y: &Tensor<f64>| {
                evaluate([y.view(), next.view()], |graph, [y, a]| graph.matmul(y, a)).unwrap()
            };
            let shifts_view = Tensor::from_vec([1, 4], shifts.clone()).unwrap();
            let constant = linear(&shifts_view);
            prop_assert!(same(&linear(&y), &raised(&linear(&moved), constant.data(), true)));
            // The gauge, and once is enough.
            let again = normalize.shifts(semiring, &[shifted.view()]).unwrap();
            prop_assert!(again.iter().all(|shift| shift.abs() < 1e-12), "{:?}", again);
        }

        #[test]
        fn candidates_belong_to_their_column(
            w in strategy::tensor([5, 4]),
            candidate in strategy::tensor([4]),
        ) {
            let mut params = Params::new();
            let ids = [
                params.add("w", w.clone(), None).unwrap(),
                params.add("candidate", candidate.clone(), None).unwrap(),
            ];
            let normalize = ShiftNormalization::Extremum;
            let shifts = normalize.apply(Semiring::MinPlus, &mut params, &ids).unwrap();
            for j in 0..4 {
                let column = (0..5).map(|i| w.data()[i * 4 + j]).chain([candidate.data()[j]]);
                prop_assert_eq!(shifts[j], column.fold(f64::INFINITY, f64::min));
                let found = params.value(ids[1]).data[j];
                prop_assert_eq!(found, candidate.data()[j] - shifts[j]);
            }
        }
    }

    #[test]
    fn a_column_of_absent_entries_stays_and_what_does_not_fit_is_refused() {
        let absent = f64::NEG_INFINITY;
        let w = Tensor::from_vec([2, 2], vec![absent, 1.0, absent, absent]).unwrap();
        for normalize in [ShiftNormalization::Extremum, ShiftNormalization::LogSumExp { beta: 1.0 }]
        {
            assert_eq!(normalize.shifts(Semiring::MaxPlus, &[w.view()]).unwrap(), [0.0, 1.0]);
        }
        let refused = |normalize: ShiftNormalization, matrices: &[TensorRef<'_, f64>]| {
            normalize.shifts(Semiring::MaxPlus, matrices).unwrap_err().to_string()
        };
        let extremum = ShiftNormalization::Extremum;
        let text = "shift_normalization: expected a matrix [n, units], found none";
        assert_eq!(refused(extremum, &[]), text);
        let other = Tensor::zeros([3]);
        assert!(refused(extremum, &[w.view(), other.view()]).contains("found shape [3]"));
        let text = "shift_normalization: expected a finite beta above 0, found 0";
        assert_eq!(refused(ShiftNormalization::LogSumExp { beta: 0.0 }, &[w.view()]), text);
    }
}
