//! The fewest erosions whose supremum is the same operator.
//!
//! The one design choice: one function for suprema of erosions and infima of dilations. Negation
//! makes the one the other, and neither kernels nor comparisons change.

use morphograd_nn::tensor::{Real, Shape, ShapeError, Tensor, TensorRef};

/// The kernels that are needed, and what they lack.
#[derive(Debug, Clone, PartialEq)]
pub struct MinimalBasis<T> {
    /// Which of the kernels are kept, in rising order.
    pub kept: Vec<usize>,
    /// These kernels, `[…, kept]`; entries that never count are $-\infty$.
    pub kernels: Tensor<T>,
    /// How many entries of the kept kernels were finite and are $-\infty$ now.
    pub entries_left_out: usize,
    /// The length $R$ of the interval that images take values in. The statement is about these.
    pub range: T,
}

/// The fewest of the kernels `[…, count]` that give the same supremum of erosions,
/// $\psi(x) = \max_k \varepsilon_{w_k}(x)$, and the same infimum of dilations, on all images with
/// values in an interval of length $R$ = `range` (which may be infinite) in windows inside the
/// image. The last axis numbers the kernels, the others are the positions of the window, with
/// channels or without.
///
/// 1. An entry $w_d \le \max w - R$ never decides, so it becomes $-\infty$.
/// 2. $\varepsilon_w \le \varepsilon_{w'}$ on all these images exactly if
///    $w'_d \le \max(w_d, \max w - R)$ for all $d$. Such a $w$ is left out; of equal kernels the
///    first is kept.
///
/// **Proof** of 2. Let the inequality hold and $w_m = \max w$. If $w'_d \le w_d$ then
/// $x_d - w'_d \ge x_d - w_d$; else $w'_d \le w_m - R$ and $x_d - w'_d \ge x_m - w_m$, as
/// $x_m - x_d \le R$. So no candidate of $\varepsilon_{w'}$ is below $\varepsilon_w$. Conversely
/// take $x_d = \max(w_d, \max w - R)$, whose values span at most $R$. There $\varepsilon_w(x) = 0$
/// and $\varepsilon_{w'}(x) \ge 0$ says the inequality. ∎
///
/// **No smaller family.** At this $x$ of a kept kernel $\psi(x) \ge 0$, so any erosions with the
/// supremum $\psi$ have one, $\varepsilon_v$, with $v \le \max(w, \max w - R)$; as
/// $\varepsilon_v \le \psi$ has to hold where $x$ is that of $v$, one of the kept kernels is
/// below $v$, and it is $w$ itself, as it would else have been left out. So each kept kernel needs
/// an erosion of its own. For flat kernels and an infinite range this is the basis of Matheron, for
/// any kernels that of Maragos, *A representation theory for morphological image and signal
/// processing* (1989).
///
/// The other two need no search: a supremum of dilations is the dilation by the maximum of the
/// kernels, an infimum of erosions the erosion by it.
///
/// Values are the same bits, as comparisons are exact and rounding keeps an order. In windows that
/// leave the image only kernels with $w' \le w$ may stand in for one another: take an infinite
/// range there. Cost: a comparison for each entry and pair of kernels, at most.
///
/// # Errors
/// If there is no axis or the range is not at least 0, or an entry is NaN or $+\infty$.
///
/// ```
/// use morphograd_morphology::{minimal_basis, nn::tensor::TensorRef};
/// // Three kernels of a window of two: the second is above the first everywhere.
/// let kernels = TensorRef::new([2, 3], &[0.0, 0.5, -2.0, -1.0f32, -1.0, 0.0]);
/// let basis = minimal_basis(kernels, f32::INFINITY)?;
/// assert_eq!((basis.kept, basis.entries_left_out), (vec![0, 2], 0));
/// // On images in [0, 1] the entries that are 1 below the largest never decide.
/// let basis = minimal_basis(kernels, 1.0)?;
/// assert_eq!(basis.kernels.data(), [0.0, f32::NEG_INFINITY, f32::NEG_INFINITY, 0.0]);
/// # Ok::<(), morphograd_morphology::nn::tensor::ShapeError>(())
/// ```
pub fn minimal_basis<T: Real>(
    kernels: TensorRef<'_, T>,
    range: T,
) -> Result<MinimalBasis<T>, ShapeError> {
    const NAME: &str = "minimal_basis";
    let Some((&count, window)) = kernels.shape.dims().split_last() else {
        return Err(ShapeError::new(NAME, "kernels [..., count]", "a number"));
    };
    let non_negative = range >= T::zero();
    if !non_negative {
        return Err(ShapeError::new(NAME, "a range of at least 0", range.f64().to_string()));
    }
    if let Some(w) = kernels.data.iter().find(|w| w.is_nan() || **w == T::infinity()) {
        let expected = "entries that are finite or -inf";
        return Err(ShapeError::new(NAME, expected, w.f64().to_string()));
    }
    let entries: usize = window.iter().product();
    let column = |k: usize| kernels.data.iter().skip(k).step_by(count.max(1)).take(entries);
    let largest: Vec<T> = (0..count)
        .map(|k| column(k).copied().fold(T::neg_infinity(), |largest, w| largest.max(w)))
        .collect();
    // Whether the erosion by `k` is at most that by `other` on every image.
    let is_below = |k: usize, other: usize| {
        let mut pairs = column(k).zip(column(other));
        pairs.all(|(w, v)| v <= w || is_at_least(largest[k], *v, range))
    };
    let mut kept: Vec<usize> = Vec::new();
    for k in 0..count {
        if !kept.iter().any(|other| is_below(k, *other)) {
            kept.retain(|other| !is_below(*other, k));
            kept.push(k);
        }
    }
    let mut entries_left_out = 0;
    let mut dims = window.to_vec();
    dims.push(kept.len());
    let kernels = Tensor::from_fn(Shape::new(&dims), |i| {
        let k = kept[i % kept.len()];
        let w = kernels.data[i / kept.len() * count + k];
        if w.is_finite() && is_at_least(largest[k], w, range) {
            // Of a range of 0 the first of the largest entries is enough.
            let decides =
                w == largest[k] && column(k).position(|v| *v == w) == Some(i / kept.len());
            if !decides {
                entries_left_out += 1;
                return T::neg_infinity();
            }
        }
        w
    });
    Ok(MinimalBasis { kept, kernels, entries_left_out, range })
}

/// Whether $M - w \ge R$, decided without rounding.
fn is_at_least<T: Real>(largest: T, w: T, range: T) -> bool {
    if w == T::neg_infinity() {
        return true;
    }
    let difference = largest - w;
    if difference != range || !difference.is_finite() {
        return difference > range;
    }
    // What the subtraction has lost (Knuth): the difference is `difference + lost`.
    let back = difference - largest;
    let lost = (largest - (difference - back)) + (-w - back);
    lost >= T::zero()
}

#[cfg(test)]
mod tests {
    use morphograd_nn::tensor::Window2d;
    use morphograd_testkit::strategy;
    use proptest::prelude::*;

    use super::*;
    use crate::{dilation2d, erosion2d, evaluate};

    /// max over k of min over d of x_d - w_dk, written out.
    fn supremum<T: Real>(x: &[T], kernels: TensorRef<'_, T>) -> T {
        let count = *kernels.shape.dims().last().unwrap();
        (0..count).fold(T::neg_infinity(), |most, k| {
            let candidates = x.iter().zip(kernels.data.iter().skip(k).step_by(count));
            most.max(candidates.fold(T::infinity(), |least, (x, w)| least.min(*x - *w)))
        })
    }

    /// Sets of positions of a window of nine as flat kernels.
    fn flat(sets: &[usize]) -> Tensor<f64> {
        Tensor::from_fn([3, 3, sets.len()], |i| {
            let (d, k) = (i / sets.len(), i % sets.len());
            if sets[k] >> d & 1 == 1 { 0.0 } else { f64::NEG_INFINITY }
        })
    }

    #[test]
    fn the_median_of_nine_is_the_supremum_of_126_erosions() {
        let sets: Vec<usize> = (0usize..512).filter(|set| set.count_ones() >= 5).collect();
        let whole = flat(&sets);
        for range in [1.0, f64::INFINITY] {
            let basis = minimal_basis(whole.view(), range).unwrap();
            assert_eq!(basis.kept.len(), 126);
            assert!(basis.kept.iter().all(|k| sets[*k].count_ones() == 5));
            for image in 0usize..512 {
                let x: Vec<f64> = (0..9).map(|d| (image >> d & 1) as f64).collect();
                let median = f64::from(image.count_ones() >= 5);
                assert_eq!(supremum(&x, basis.kernels.view()), median);
                assert_eq!(supremum(&x, whole.view()), median);
            }
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(300))]

        #[test]
        fn the_same_bits_on_every_image_of_the_range(
            kernels in strategy::tensor([4, 6]),
            images in prop::collection::vec(prop::collection::vec(0.0..1.0f64, 4), 40),
            range in prop_oneof![Just(0.25), 0.1..3.0f64],
        ) {
            let basis = minimal_basis(kernels.view(), range).unwrap();
            for x in &images {
                let x: Vec<f64> = x.iter().map(|x| (x * range).clamp(0.0, range)).collect();
                prop_assert_eq!(supremum(&x, kernels.view()), supremum(&x, basis.kernels.view()));
            }
        }

        /// At the image of a kept kernel the others are below.
        #[test]
        fn none_of_the_kept_can_be_missed(
            kernels in strategy::tensor([4, 6]),
            range in prop_oneof![Just(f64::INFINITY), 0.1..3.0f64],
        ) {
            let basis = minimal_basis(kernels.view(), range).unwrap();
            for (i, k) in basis.kept.iter().enumerate() {
                let w: Vec<f64> = (0..4).map(|d| kernels.data()[d * 6 + k]).collect();
                let largest = w.iter().copied().fold(f64::NEG_INFINITY, f64::max);
                let x: Vec<f64> = w.iter().map(|w| w.max(largest - range)).collect();
                let others = (0..basis.kept.len()).filter(|other| *other != i);
                for other in others {
                    let w = (0..4).map(|d| kernels.data()[d * 6 + basis.kept[other]]);
                    let value = x.iter().zip(w).map(|(x, w)| x - w).fold(f64::INFINITY, f64::min);
                    prop_assert!(value < 0.0);
                }
            }
        }

        #[test]
        fn layers_agree_with_the_smaller_one(
            kernels in strategy::tensor([3, 3, 8]),
            x in strategy::tensor([2, 6, 7, 1]),
        ) {
            let (least, most) = x.data().iter().fold((0.0f64, 0.0f64), |(a, b), x| {
                (a.min(*x), b.max(*x))
            });
            let basis = minimal_basis(kernels.view(), most - least).unwrap();
            let window = Window2d::new([3, 3]);
            // A filter bank by kernels of one channel each.
            let of = |kernels: &Tensor<f64>, dual: bool| -> Vec<f64> {
                let count = *kernels.shape().dims().last().unwrap();
                let mut best = Vec::new();
                for k in 0..count {
                    let w = Tensor::from_fn([3, 3, 1], |d| kernels.data()[d * count + k]);
                    let y = evaluate([x.view(), w.view()], |graph, [x, w]| {
                        if dual { dilation2d(graph, x, w, window) } else {
                            erosion2d(graph, x, w, window)
                        }
                    });
                    let y = y.unwrap();
                    best.resize(y.data().len(), if dual { f64::INFINITY } else {
                        f64::NEG_INFINITY
                    });
                    let pick = if dual { f64::min } else { f64::max };
                    best.iter_mut().zip(y.data()).for_each(|(best, y)| *best = pick(*best, *y));
                }
                best
            };
            for dual in [false, true] {
                prop_assert_eq!(of(&kernels, dual), of(&basis.kernels, dual));
            }
        }
    }

    #[test]
    fn equal_kernels_are_one_and_constants_are_compared() {
        let kernels = TensorRef::new([1, 4], &[0.5f64, 0.5, 0.25, 1.0]);
        let basis = minimal_basis(kernels, f64::INFINITY).unwrap();
        assert_eq!((basis.kept, basis.kernels.data()), (vec![2], &[0.25][..]));
        let none = minimal_basis(TensorRef::<f64>::new([3, 0], &[]), 1.0).unwrap();
        assert_eq!((none.kept.len(), none.kernels.shape().dims()), (0, &[3, 0][..]));
    }

    #[test]
    fn what_rounds_to_the_range_is_compared_exactly() {
        // 1 - (-1e-17) rounds to 1 from above, 1 - 1e-17 from below.
        assert!(is_at_least(1.0, -1e-17, 1.0) && is_at_least(1.0, 0.0, 1.0));
        assert!(!is_at_least(1.0, 1e-17, 1.0));
    }

    #[test]
    fn what_is_no_kernel_is_refused() {
        let of = |data: &[f64], range| minimal_basis(TensorRef::new([data.len(), 1], data), range);
        assert!(of(&[f64::NAN], 1.0).is_err() && of(&[f64::INFINITY], 1.0).is_err());
        assert!(of(&[0.0], -1.0).is_err() && of(&[0.0], f64::NAN).is_err());
        assert!(minimal_basis(TensorRef::new(Shape::new(&[]), &[0.0]), 1.0).is_err());
    }
}
