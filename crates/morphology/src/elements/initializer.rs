//! How structuring functions start.
//!
//! The one design choice: "outside" is a value the caller names. `f64::NEG_INFINITY` is the true
//! one; morpholayers writes -1, which is as good as $-\infty$ for a dilation only while the data
//! span no more than 1, but can be learned away from.
//!
//! Kernels are `[kh, kw, …]`, missing axes count as 1, and the centre is
//! $\lfloor (k - 1) / 2 \rfloor$, where a window with same padding has the pixel itself.
//! `MinusOnes` and `RandomLattice` of morpholayers are
//! [`Constant`](morphograd_nn::initializer::Constant)`(-1.0)` and
//! [`Uniform`]` { low: -1.0, high: 0.0 }`.

use morphograd_nn::Initializer;
use morphograd_nn::initializer::Uniform;
use morphograd_nn::random::Stream;
use morphograd_nn::tensor::{Real, Shape};

use crate::elements::structuring_element::{StructuringElement, centre, offset};

/// 0 in the centre and `outside` elsewhere (`MinusOnesZeroCenter` of morpholayers with -1). With
/// $-\infty$ the layer starts as the identity; with $-h$ it does so on images whose values span no
/// more than $h$.
///
/// ```
/// use morphograd_morphology::{
///     initializer::Identity,
///     nn::{Initializer, random::Stream},
/// };
/// let mut kernel = [7.0f32; 5];
/// Identity { outside: f64::NEG_INFINITY }.fill(
///     [1, 5].into(),
///     &mut Stream::new(0, "kernel", 0),
///     &mut kernel,
/// );
/// assert_eq!(kernel[2], 0.0);
/// assert!(kernel[0] == f32::NEG_INFINITY && kernel[3] == f32::NEG_INFINITY);
/// ```
#[derive(Debug, Clone, Copy)]
pub struct Identity {
    /// The value outside the centre.
    pub outside: f64,
}

/// Each entry is 0 with probability `share`, on its own, and `outside` else (`SparseZeros(th)` of
/// morpholayers has a share of 1 - th). With small kernels a structuring function may get no zero
/// at all; [`SparseNumZeros`] gives each the same number.
#[derive(Debug, Clone, Copy)]
pub struct SparseZeros {
    /// Probability of a zero, from 0 to 1.
    pub share: f64,
    /// The other value.
    pub outside: f64,
}

/// `count` zeros at random positions in each structuring function, that is, for each channel and
/// filter on its own (all positions, if it has no more), and `outside` else. morpholayers counts
/// one more, and over the whole tensor.
#[derive(Debug, Clone, Copy)]
pub struct SparseNumZeros {
    /// Zeros in each structuring function.
    pub count: usize,
    /// The other value.
    pub outside: f64,
}

/// -1 or 1, equally likely.
#[derive(Debug, Clone, Copy)]
pub struct SignedOnes;

/// Uniform in `[min, max)`, and `centre` in the centre. With 0 it is a random start inside
/// [`ZeroCentre`](crate::ZeroCentre), so that the first dilation is extensive (what
/// `RandomLatticewithZero` of morpholayers was to be). Tutorial 3 of morpholayers also names starts
/// whose centre is the bottom or the top of the lattice: with `f64::NEG_INFINITY` a pixel does not
/// count for itself.
///
/// ```
/// use morphograd_morphology::{initializer::UniformWithCentre, nn::{random::Stream, Initializer}};
/// let mut kernel = [7.0f32; 3];
/// let start = UniformWithCentre { min: -1.0, max: 0.0, centre: f64::NEG_INFINITY };
/// start.fill([1, 3].into(), &mut Stream::new(0, "kernel", 0), &mut kernel);
/// assert!(kernel[0] < 0.0 && kernel[1] == f32::NEG_INFINITY && kernel[2] >= -1.0);
/// ```
#[derive(Debug, Clone, Copy)]
pub struct UniformWithCentre {
    /// Smallest value.
    pub min: f64,
    /// Upper bound.
    pub max: f64,
    /// The value in the centre.
    pub centre: f64,
}

/// The parabola $w_d = -c\,|d|^2 / t^2$ around the centre; [`StructuringElement::quadratic`] of
/// scale $t / (2 \sqrt c)$.
#[derive(Debug, Clone, Copy)]
pub struct Quadratic {
    /// The distance $t$ at which the parabola has fallen by $c$.
    pub t: f64,
    /// How far, $c$.
    pub c: f64,
}

/// A structuring element, its origin in the centre, and `outside` off its support (`SEinitializer`
/// of morpholayers with a minimum of -1). What of the element does not lie in the kernel is left
/// out; [`Support`](crate::Support), which keeps a kernel on its element, refuses a kernel that is
/// too small.
#[derive(Debug, Clone)]
pub struct ElementInitializer {
    /// The element.
    pub element: StructuringElement,
    /// The value off its support; $-\infty$ is the true one.
    pub outside: f64,
}

impl Default for SparseZeros {
    /// morpholayers' values: a share of 0.15, and -1.
    fn default() -> Self {
        Self { share: 0.15, outside: -1.0 }
    }
}

impl Default for Quadratic {
    /// morpholayers' values: 2 and 0.2.
    fn default() -> Self {
        Self { t: 2.0, c: 0.2 }
    }
}

impl<T: Real> Initializer<T> for Identity {
    fn fill(&self, shape: Shape, _: &mut Stream, value: &mut [T]) {
        value.fill(T::of(self.outside));
        set_centre(shape, value, 0.0);
    }
}

impl<T: Real> Initializer<T> for SparseZeros {
    fn fill(&self, _: Shape, stream: &mut Stream, value: &mut [T]) {
        value.iter_mut().for_each(|w| {
            *w = T::of(if stream.uniform() < self.share { 0.0 } else { self.outside });
        });
    }
}

impl<T: Real> Initializer<T> for SparseNumZeros {
    fn fill(&self, shape: Shape, stream: &mut Stream, value: &mut [T]) {
        value.fill(T::of(self.outside));
        let [height, width] = window(shape);
        let functions = value.len() / (height * width).max(1);
        for function in 0..functions {
            let mut positions: Vec<usize> = (0..height * width).collect();
            stream.shuffle(&mut positions);
            positions
                .iter()
                .take(self.count)
                .for_each(|n| value[n * functions + function] = T::zero());
        }
    }
}

impl<T: Real> Initializer<T> for SignedOnes {
    fn fill(&self, _: Shape, stream: &mut Stream, value: &mut [T]) {
        value
            .iter_mut()
            .for_each(|w| *w = if stream.uniform() < 0.5 { -T::one() } else { T::one() });
    }
}

impl<T: Real> Initializer<T> for UniformWithCentre {
    fn fill(&self, shape: Shape, stream: &mut Stream, value: &mut [T]) {
        Uniform { low: self.min, high: self.max }.fill(shape, stream, value);
        set_centre(shape, value, self.centre);
    }
}

impl<T: Real> Initializer<T> for Quadratic {
    fn fill(&self, shape: Shape, _: &mut Stream, value: &mut [T]) {
        let size = window(shape);
        let rest = value.len() / (size[0] * size[1]).max(1);
        for (n, w) in value.iter_mut().enumerate() {
            let [y, x] = offset(size, n / rest);
            *w = T::of(-self.c * (y * y + x * x) as f64 / (self.t * self.t));
        }
    }
}

impl<T: Real> Initializer<T> for ElementInitializer {
    fn fill(&self, shape: Shape, _: &mut Stream, value: &mut [T]) {
        self.element.write(window(shape), T::of(self.outside), value);
    }
}

fn window(shape: Shape) -> [usize; 2] {
    [0, 1].map(|axis| shape.dims().get(axis).copied().unwrap_or(1))
}

fn set_centre<T: Real>(shape: Shape, value: &mut [T], centre_value: f64) {
    let [height, width] = window(shape);
    let rest = value.len() / (height * width).max(1);
    let position = centre(height) * width + centre(width);
    value.iter_mut().skip(position * rest).take(rest).for_each(|w| *w = T::of(centre_value));
}

#[cfg(test)]
mod tests {
    use super::*;

    const OFF: f64 = f64::NEG_INFINITY;

    fn start(initializer: &dyn Initializer<f64>, dims: &[usize]) -> Vec<f64> {
        let shape = Shape::new(dims);
        let mut value = vec![f64::NAN; shape.len()];
        initializer.fill(shape, &mut Stream::new(11, "test", 0), &mut value);
        value
    }

    #[test]
    fn fixed_starts_are_their_definitions_for_every_channel_and_filter() {
        let element = StructuringElement::new([2, 1], [0, 0], &[-0.5, 0.25]).unwrap();
        let parabola = [-0.4, -0.2, -0.4, -0.2, 0.0, -0.2, -0.4, -0.2, -0.4];
        let all: [(&dyn Initializer<f64>, [f64; 9]); 4] = [
            (&Identity { outside: -1.0 }, [-1.0, -1.0, -1.0, -1.0, 0.0, -1.0, -1.0, -1.0, -1.0]),
            (&Quadratic { t: 1.0, c: 0.2 }, parabola),
            (
                &ElementInitializer { element: element.clone(), outside: OFF },
                [OFF, OFF, OFF, OFF, -0.5, OFF, OFF, 0.25, OFF],
            ),
            (
                &ElementInitializer { element: element.translated([1, 0]).unwrap(), outside: -1.0 },
                [-1.0, -1.0, -1.0, -1.0, -1.0, -1.0, -1.0, -0.5, -1.0],
            ),
        ];
        for (initializer, expected) in all {
            assert_eq!(start(initializer, &[3, 3]), expected, "{initializer:?}");
            let repeated: Vec<f64> = expected.iter().flat_map(|w| [*w; 10]).collect();
            assert_eq!(start(initializer, &[3, 3, 2, 5]), repeated, "{initializer:?}");
        }
        let quadratic = StructuringElement::quadratic([5, 7], 2.0 / (2.0 * 0.2f64.sqrt())).unwrap();
        let found = start(&Quadratic::default(), &[5, 7]);
        for (found, expected) in
            found.iter().zip(quadratic.kernel_within::<f64>([5, 7], 1).unwrap().data())
        {
            assert!((found - expected).abs() < 1e-12);
        }
    }

    #[test]
    fn an_even_kernel_has_its_centre_where_a_window_with_same_padding_has_the_pixel() {
        assert_eq!(
            start(&Identity { outside: OFF }, &[2, 4]),
            [OFF, 0.0, OFF, OFF, OFF, OFF, OFF, OFF]
        );
        assert_eq!(start(&Quadratic { t: 1.0, c: 1.0 }, &[1, 4]), [-1.0, 0.0, -1.0, -4.0]);
    }

    #[test]
    fn sparse_starts_have_the_zeros_they_promise() {
        let value = start(&SparseZeros { share: 0.3, outside: -2.0 }, &[100, 100]);
        let zeros = value.iter().filter(|w| **w == 0.0).count();
        assert!(
            (2700..3300).contains(&zeros) && value.iter().all(|w| *w == 0.0 || *w == -2.0),
            "{zeros}"
        );

        let value = start(&SparseNumZeros { count: 3, outside: OFF }, &[5, 4, 2, 6]);
        let mut first_positions = Vec::new();
        for function in 0..12 {
            let zeros: Vec<usize> = (0..20).filter(|n| value[n * 12 + function] == 0.0).collect();
            assert_eq!(zeros.len(), 3);
            first_positions.push(zeros);
        }
        assert!(first_positions.iter().any(|zeros| *zeros != first_positions[0]));
        assert_eq!(value.iter().filter(|w| **w == OFF).count(), 240 - 36);
        assert_eq!(start(&SparseNumZeros { count: 9, outside: OFF }, &[2, 2]), [0.0; 4]);
    }

    #[test]
    fn random_starts_have_the_values_they_promise() {
        let signs = start(&SignedOnes, &[100, 100]);
        let positive = signs.iter().filter(|w| **w == 1.0).count();
        assert!(
            (4700..5300).contains(&positive) && signs.iter().all(|w| w.abs() == 1.0),
            "{positive}"
        );

        for centre in [0.0, OFF, 1.0] {
            let value = start(&UniformWithCentre { min: -1.0, max: -0.5, centre }, &[3, 3, 1, 40]);
            assert!(value[160..200].iter().all(|w| *w == centre));
            assert!(value.iter().filter(|w| (-1.0..-0.5).contains(*w)).count() == 320);
        }
    }

    #[test]
    fn shapes_that_are_no_kernels_are_filled_too() {
        let all: [&dyn Initializer<f64>; 4] = [
            &Identity { outside: -1.0 },
            &SparseNumZeros { count: 1, outside: -1.0 },
            &Quadratic::default(),
            &ElementInitializer { element: StructuringElement::disk(1).unwrap(), outside: -1.0 },
        ];
        for initializer in all {
            for dims in [&[][..], &[4], &[0, 3], &[3, 3, 0]] {
                assert!(
                    start(initializer, dims).iter().all(|w| !w.is_nan()),
                    "{initializer:?} {dims:?}"
                );
            }
        }
    }
}
