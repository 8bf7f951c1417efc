//! Averages of the parameters over the steps, which stay in their sets.
//!
//! The one design choice: the average is taken of projected values, and put in through
//! [`Params::update`], which projects. On a convex set that changes nothing but rounding; on others
//! the mean of feasible points need not be feasible, and Keras' `use_ema`, which averages values
//! before their projection, leaves even convex sets.

use morphograd_autodiff::tensor::Real;
use morphograd_autodiff::{Params, Snapshot};

/// The exponential moving average $a \leftarrow β a + (1 - β) w$ of all parameters, which starts at
/// their values (Polyak and Juditsky, 1992, for the plain mean). Cost: one pass over the parameters
/// an update; after the first nothing is allocated.
///
/// ```
/// use morphograd_nn::{WeightAverage, autodiff::Params, sets::NonNegative, tensor::Tensor};
/// let mut params = Params::<f64>::new();
/// let w = params.add("w", Tensor::filled([1], 1.0), Some(Box::new(NonNegative)))?;
/// let mut average = WeightAverage::new(&params, 0.5);
/// params.update(w, |w| w[0] = -7.0); // becomes 0
/// average.update(&params);
/// average.swap(&mut params); // the averages in, the values out
/// assert_eq!(params.value(w).data, [0.5]);
/// average.swap(&mut params); // and back
/// assert_eq!(params.value(w).data, [0.0]);
/// # Ok::<(), morphograd_nn::autodiff::ParamError>(())
/// ```
#[derive(Debug, Clone)]
pub struct WeightAverage<T> {
    decay: f64,
    values: Vec<Vec<T>>,
    /// What the averages stand in the place of, with the free parameters behind it.
    aside: Option<Snapshot<T>>,
}

impl<T: Real> WeightAverage<T> {
    /// An average that starts at the parameters' values and keeps the part `decay` of itself at
    /// each update, at least 0 and below 1.
    ///
    /// # Panics
    /// If `decay` is not.
    pub fn new(params: &Params<T>, decay: f64) -> Self {
        assert!((0.0..1.0).contains(&decay), "average: expected a decay in [0, 1), found {decay}");
        Self {
            decay,
            values: params.ids().map(|id| params.value(id).data.to_vec()).collect(),
            aside: None,
        }
    }

    /// Takes the parameters' values in. The parameters have to be those it was made for.
    pub fn update(&mut self, params: &Params<T>) {
        let (keep, take) = (T::of(self.decay), T::of(1.0 - self.decay));
        for (id, average) in params.ids().zip(&mut self.values) {
            for (a, w) in average.iter_mut().zip(params.value(id).data) {
                // What is equal stays, infinities too: entries off a support.
                if *a != *w {
                    *a = keep * *a + take * *w;
                }
            }
        }
    }

    /// Puts the averages into the parameters, each projected on its set; a second call brings back
    /// what was there, and undoes what happened to the parameters in between.
    pub fn swap(&mut self, params: &mut Params<T>) {
        if let Some(aside) = self.aside.take() {
            return params.restore(&aside);
        }
        let mut aside = Snapshot::default();
        params.save_to(&mut aside);
        self.aside = Some(aside);
        for (id, average) in params.ids().zip(&self.values) {
            params.update(id, |value| value.copy_from_slice(average));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use morphograd_autodiff::sets::Constraint;
    use morphograd_autodiff::sets::{Interval, Simplex, Sphere};
    use morphograd_autodiff::tensor::{Shape, Tensor};
    use proptest::prelude::*;

    type Set = fn() -> Box<dyn Constraint<f64>>;

    proptest! {
        #[test]
        fn averages_of_feasible_points_are_feasible_and_swapping_twice_is_nothing(
            points in proptest::collection::vec(proptest::collection::vec(-3.0..3.0f64, 4), 1..6),
            decay in 0.0..0.99f64,
        ) {
            let sets: [Set; 3] = [
                || Box::new(Interval { min: -1.0, max: 0.0 }),
                || Box::new(Simplex { sum: 1.0 }),
                || Box::new(Sphere { radius: 2.0 }),
            ];
            for set in sets {
                let mut params = Params::new();
                let w = params.add("w", Tensor::filled([4], 0.3), Some(set())).unwrap();
                let mut average = WeightAverage::new(&params, decay);
                let mut expected = params.value(w).data.to_vec();
                for point in &points {
                    params.update(w, |w| w.copy_from_slice(point));
                    average.update(&params);
                    let new = params.value(w).data;
                    expected
                        .iter_mut()
                        .zip(new)
                        .for_each(|(a, w)| *a = decay * *a + (1.0 - decay) * w);
                }
                set().project(Shape::from([4]), &mut expected);
                let value = params.value(w).data.to_vec();
                average.swap(&mut params);
                prop_assert!(params.violation(w) < 1e-12);
                for (found, expected) in params.value(w).data.iter().zip(&expected) {
                    prop_assert!((found - expected).abs() < 1e-12);
                }
                average.swap(&mut params);
                let back = params.value(w).data;
                prop_assert!(back.iter().zip(&value).all(|(a, b)| (a - b).abs() < 1e-12));
            }
        }
    }
}
