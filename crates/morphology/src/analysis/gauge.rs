//! The gauge of a structuring function: which kernels are the same operator up to a constant.

use morphograd_nn::tensor::{Real, ShapeError, Tensor, TensorRef};

/// A kernel in canonical form, and the constant that it lacks.
#[derive(Debug, Clone, PartialEq)]
pub struct Gauge<T> {
    /// The kernel $v$, of the shape of $w$. Its largest entry is 0 and its smallest at least
    /// $-R$.
    pub kernel: Tensor<T>,
    /// The constants $M$: one for each channel of a kernel `[kh, kw, channels]`; of one
    /// `[kh, kw, channels, filters]` one for each filter, summed over the channels.
    pub shift: Vec<T>,
}

/// The canonical kernel $v$ of a structuring function $w$ on images whose values span at most
/// $R$ = `range`:
/// $$v_d = \max(w_d - M,\; -R), \qquad M = \max_d w_d,$$
/// for each channel (and filter) on its own. Then, for all images with values in an interval of
/// length $R$ and all windows that lie inside the image,
/// $$\delta_w(x) = \delta_v(x) + M, \qquad \varepsilon_w(x) = \varepsilon_v(x) - M.$$
///
/// **Proof** for the dilation, $x$ in $[a, a + R]$ and $w_m = M$. An entry with $w_d \le M - R$
/// gives $x_d + w_d \le a + M \le x_m + w_m$, so it never wins against the largest. Raising it to
/// $M - R$ changes nothing, and the rest is a constant that leaves the maximum. ∎
///
/// So a bias behind a dilation makes kernels with and without a constant the same network, and
/// [`SupNormalized`](crate::SupNormalized), the box $[-R, 0]$ and no constraint at all are the same
/// set of networks: the box has every $v$. Not so the sets that fix an entry to 0 while others may
/// not be larger ([`ZeroCentre`](crate::ZeroCentre) with a box below 0), or a shape. Values agree
/// up to rounding; at ties the gradient may go to another entry. With same padding a window at the
/// border may lack $m$, so there it does not hold.
///
/// A channel without a finite entry stays as it is, with constant 0. Cost: two passes.
///
/// # Errors
/// If the kernel has not 3 or 4 axes, or the range is not a positive number.
///
/// ```
/// use morphograd_morphology::{dilation2d, evaluate, gauge};
/// use morphograd_morphology::nn::tensor::{TensorRef, Window2d};
/// let x = TensorRef::new([1, 1, 4, 1], &[0.0, 1.0, 0.5, 0.25]);
/// let w = TensorRef::new([1, 3, 1], &[3.0, 5.0, 4.5]);
/// let canonical = gauge(w, 1.0)?;
/// assert_eq!(canonical.kernel.data(), [-1.0, 0.0, -0.5]);
/// assert_eq!(canonical.shift, [5.0]);
/// let window = Window2d::new([1, 3]);
/// let dilated = |w| evaluate([x, w], |graph, [x, w]| dilation2d(graph, x, w, window));
/// let (y, z) = (dilated(w)?, dilated(canonical.kernel.view())?);
/// assert!(y.data().iter().zip(z.data()).all(|(y, z)| *y == z + 5.0));
/// # Ok::<(), morphograd_morphology::nn::tensor::ShapeError>(())
/// ```
pub fn gauge<T: Real>(kernel: TensorRef<'_, T>, range: f64) -> Result<Gauge<T>, ShapeError> {
    let (channels, filters) = match *kernel.shape.dims() {
        [_, _, channels] => (channels, 1),
        [_, _, channels, filters] => (channels, filters),
        _ => {
            let expected = "a kernel [kh, kw, channels] or [kh, kw, channels, filters]";
            return Err(ShapeError::new("gauge", expected, format!("shape {}", kernel.shape)));
        }
    };
    if !(range > 0.0 && range.is_finite()) {
        return Err(ShapeError::new("gauge", "a positive, finite range", range.to_string()));
    }
    let columns = channels * filters;
    let mut largest = vec![T::neg_infinity(); columns];
    for entries in kernel.data.chunks_exact(columns.max(1)) {
        for (largest, w) in largest.iter_mut().zip(entries).filter(|(_, w)| w.is_finite()) {
            *largest = largest.max(*w);
        }
    }
    let mut canonical = kernel.to_tensor();
    for entries in canonical.data_mut().chunks_exact_mut(columns.max(1)) {
        for (w, largest) in entries.iter_mut().zip(&largest).filter(|(_, m)| m.is_finite()) {
            *w = (*w - *largest).max(-T::of(range));
        }
    }
    let constant = |column: usize| Some(largest[column]).filter(|m| m.is_finite());
    let shift = if kernel.shape.rank() == 3 {
        (0..columns).map(|c| constant(c).unwrap_or(T::zero())).collect()
    } else {
        let of = |f: usize| (0..channels).filter_map(move |c| constant(c * filters + f)).sum();
        (0..filters).map(of).collect()
    };
    Ok(Gauge { kernel: canonical, shift })
}

#[cfg(test)]
mod tests {
    use morphograd_nn::tensor::{Padding, Window2d};
    use morphograd_testkit::strategy;
    use proptest::prelude::*;

    use super::*;
    use crate::{FilterBank2d, Lattice, MaxPlus, MinMinus, evaluate};

    fn apply<L: Lattice>(x: &Tensor<f64>, w: TensorRef<'_, f64>, window: Window2d) -> Tensor<f64> {
        let op = FilterBank2d::<L>::new(window);
        evaluate([x.view(), w], |graph, inputs| graph.apply(op, inputs)).unwrap()
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(96))]

        #[test]
        fn the_canonical_kernel_is_the_same_operator_up_to_its_constant(
            (window, mut x, mut w) in (strategy::window(), 1..=3usize, 1..=3usize)
                .prop_flat_map(|(window, channels, filters)| {
                    let kernel = [window.size[0], window.size[1], channels, filters];
                    (Just(window), strategy::tensor([2, 7, 8, channels]), strategy::tensor(kernel))
                }),
            low in -3.0..3.0f64,
            range in 0.1..4.0f64,
            spread in 0.1..4.0f64,
            absent in any::<prop::sample::Index>(),
        ) {
            let window = window.padding(Padding::Valid);
            for x in x.data_mut() {
                *x = low + range * (*x * 17.0).sin().abs();
            }
            w.data_mut().iter_mut().for_each(|w| *w *= spread);
            let at = absent.index(w.data().len());
            w.data_mut()[at] = f64::NEG_INFINITY;
            let Gauge { kernel, shift } = gauge(w.view(), range).unwrap();
            let filters = shift.len();
            for (i, w) in kernel.data().iter().enumerate() {
                let alone = window.taps() == 1 && i == at;
                prop_assert!(alone || (-range..=0.0).contains(w), "{}", w);
            }
            let v = kernel.view();
            for (sign, found, expected) in [
                (1.0, apply::<MaxPlus>(&x, w.view(), window), apply::<MaxPlus>(&x, v, window)),
                (-1.0, apply::<MinMinus>(&x, w.view(), window), apply::<MinMinus>(&x, v, window)),
            ] {
                for (i, (found, expected)) in found.data().iter().zip(expected.data()).enumerate() {
                    let expected = expected + sign * shift[i % filters];
                    prop_assert!(
                        (found - expected).abs() < 1e-12 || found == &expected,
                        "{} {}", found, expected
                    );
                }
            }
            // Once is enough, and a constant changes nothing.
            let again = gauge(kernel.view(), range).unwrap();
            prop_assert_eq!(&again.kernel, &kernel);
            w.data_mut().iter_mut().for_each(|w| *w += 2.0);
            let raised = gauge(w.view(), range).unwrap();
            for (raised, w) in raised.kernel.data().iter().zip(kernel.data()) {
                prop_assert!((raised - w).abs() < 1e-12 || raised == w);
            }
        }
    }

    #[test]
    fn a_range_too_small_is_another_operator() {
        // The theorem needs the whole range: with half of it an entry is raised that wins.
        let (x, w) = (Tensor::from_vec([1, 1, 2, 1], vec![0.0, 1.0]).unwrap(), [0.0, -0.9]);
        let w = TensorRef::new([1, 2, 1, 1], &w);
        let window = Window2d::new([1, 2]);
        let canonical = gauge(w, 0.5).unwrap();
        assert_eq!(apply::<MaxPlus>(&x, w, window).data(), [1.0 - 0.9]);
        assert_eq!(apply::<MaxPlus>(&x, canonical.kernel.view(), window).data(), [0.5]);
    }

    #[test]
    fn what_does_not_fit_is_refused_by_name() {
        let w = TensorRef::new([3], &[0.0; 3]);
        assert_eq!(
            gauge(w, 1.0).unwrap_err().to_string(),
            "gauge: expected a kernel [kh, kw, channels] or [kh, kw, channels, filters], found \
             shape [3]"
        );
        let w = TensorRef::new([1, 3, 1], &[0.0; 3]);
        for range in [0.0, -1.0, f64::NAN, f64::INFINITY] {
            assert!(gauge(w, range).unwrap_err().to_string().contains("a positive, finite range"));
        }
    }
}
