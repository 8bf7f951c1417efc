//! How parameters start: one small struct a distribution, with Keras' names, formulas and defaults.
//!
//! The one design choice: an initializer draws only from the [`Stream`] it is given, so a start
//! depends on the seed and the parameter's path, not on what else was drawn before.

use std::fmt::Debug;

use morphograd_autodiff::tensor::{Real, Shape};

use crate::random::Stream;

/// A rule for the first value of a parameter. The result depends on the shape and the stream only.
pub trait Initializer<T>: Debug + Send + Sync {
    /// Writes every element of `value`.
    fn fill(&self, shape: Shape, stream: &mut Stream, value: &mut [T]);
}

/// One that is chosen at run time.
impl<T> Initializer<T> for Box<dyn Initializer<T>> {
    fn fill(&self, shape: Shape, stream: &mut Stream, value: &mut [T]) {
        (**self).fill(shape, stream, value);
    }
}

/// All elements equal.
#[derive(Debug, Clone, Copy)]
pub struct Constant(
    /// The value.
    pub f64,
);

/// Uniform numbers in `[low, high)`. By default ±0.05, as in Keras.
#[derive(Debug, Clone, Copy)]
pub struct Uniform {
    /// Smallest value.
    pub low: f64,
    /// Upper bound.
    pub high: f64,
}

/// Normal numbers. By default of mean 0 and standard deviation 0.05, as in Keras.
#[derive(Debug, Clone, Copy)]
pub struct Normal {
    /// Mean.
    pub mean: f64,
    /// Standard deviation.
    pub std: f64,
}

/// Normal numbers of which those further than two standard deviations from the mean are drawn
/// again. `std` is the standard deviation before that; afterwards it is 0.8796 times as large.
/// Defaults as for [`Normal`].
#[derive(Debug, Clone, Copy)]
pub struct TruncatedNormal {
    /// Mean.
    pub mean: f64,
    /// Standard deviation of the distribution that is truncated.
    pub std: f64,
}

/// Random numbers of mean 0 and variance $s / n$, where $s$ is the scale and $n$ the fan of the
/// shape.
///
/// The fans of `[a, b]` are $a$ (in) and $b$ (out); of `[..., a, b]` with leading window axes of
/// $k$ taps together, $k a$ and $k b$; of `[n]`, $n$ and $n$; of a scalar, 1 and 1.
///
/// ```
/// use morphograd_nn::{
///     Initializer,
///     initializer::{Distribution, Fan, VarianceScaling},
///     random::Stream,
/// };
/// let lecun =
///     VarianceScaling { scale: 1.0, mode: Fan::In, distribution: Distribution::Uniform };
/// let mut kernel = [0.0f32; 12];
/// lecun.fill([3, 4].into(), &mut Stream::new(42, "dense.kernel", 0), &mut kernel);
/// assert!(kernel.iter().all(|w| w.abs() <= 1.0)); // √(3 · 1 / 3)
/// ```
#[derive(Debug, Clone, Copy)]
pub struct VarianceScaling {
    /// The factor $s$.
    pub scale: f64,
    /// Which fan divides it.
    pub mode: Fan,
    /// The distribution that has this variance.
    pub distribution: Distribution,
}

/// The number of connections that [`VarianceScaling`] divides by.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fan {
    /// Inputs of one output.
    In,
    /// Outputs of one input.
    Out,
    /// The mean of both.
    Average,
}

/// The shape of the distribution that [`VarianceScaling`] draws from, for a variance of $v$.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Distribution {
    /// Uniform in $\pm\sqrt{3 v}$.
    Uniform,
    /// Normal, truncated at two standard deviations and widened so that the variance is $v$.
    TruncatedNormal,
    /// Normal.
    Normal,
}

impl Default for Uniform {
    fn default() -> Self {
        Self { low: -0.05, high: 0.05 }
    }
}

impl Default for Normal {
    fn default() -> Self {
        Self { mean: 0.0, std: 0.05 }
    }
}

impl Default for TruncatedNormal {
    fn default() -> Self {
        Self { mean: 0.0, std: 0.05 }
    }
}

impl<T: Real> Initializer<T> for Constant {
    fn fill(&self, _: Shape, _: &mut Stream, value: &mut [T]) {
        value.fill(T::of(self.0));
    }
}

impl<T: Real> Initializer<T> for Uniform {
    fn fill(&self, _: Shape, stream: &mut Stream, value: &mut [T]) {
        let width = self.high - self.low;
        value.iter_mut().for_each(|w| *w = T::of(self.low + width * stream.uniform()));
    }
}

impl<T: Real> Initializer<T> for Normal {
    fn fill(&self, _: Shape, stream: &mut Stream, value: &mut [T]) {
        value.iter_mut().for_each(|w| *w = T::of(self.mean + self.std * stream.normal()));
    }
}

impl<T: Real> Initializer<T> for TruncatedNormal {
    fn fill(&self, _: Shape, stream: &mut Stream, value: &mut [T]) {
        for w in value {
            let z = loop {
                let z = stream.normal();
                if z.abs() <= 2.0 {
                    break z;
                }
            };
            *w = T::of(self.mean + self.std * z);
        }
    }
}

/// Standard deviation of the standard normal distribution truncated at ±2.
const TRUNCATED_STD: f64 = 0.879_625_661_034_239_8;

impl<T: Real> Initializer<T> for VarianceScaling {
    fn fill(&self, shape: Shape, stream: &mut Stream, value: &mut [T]) {
        let (fan_in, fan_out) = fans(shape);
        let fan = match self.mode {
            Fan::In => fan_in,
            Fan::Out => fan_out,
            Fan::Average => (fan_in + fan_out) / 2.0,
        };
        let variance = self.scale / fan.max(1.0);
        let std = variance.sqrt();
        match self.distribution {
            Distribution::Uniform => {
                let limit = (3.0 * variance).sqrt();
                Uniform { low: -limit, high: limit }.fill(shape, stream, value);
            }
            Distribution::TruncatedNormal => {
                TruncatedNormal { mean: 0.0, std: std / TRUNCATED_STD }.fill(shape, stream, value);
            }
            Distribution::Normal => Normal { mean: 0.0, std }.fill(shape, stream, value),
        }
    }
}

macro_rules! named {
    ($($(#[$doc:meta])* $name:ident = $scale:literal, $mode:ident, $distribution:ident;)*) => {$(
        $(#[$doc])*
        #[derive(Debug, Clone, Copy)]
        pub struct $name;

        impl<T: Real> Initializer<T> for $name {
            fn fill(&self, shape: Shape, stream: &mut Stream, value: &mut [T]) {
                VarianceScaling {
                    scale: $scale,
                    mode: Fan::$mode,
                    distribution: Distribution::$distribution,
                }
                    .fill(shape, stream, value);
            }
        }
    )*};
}

named! {
    /// Uniform in $\pm\sqrt{6 / (n_\text{in} + n_\text{out})}$ (Glorot and Bengio, 2010): Keras'
    /// default for kernels.
    GlorotUniform = 1.0, Average, Uniform;
    /// Truncated normal of variance $2 / (n_\text{in} + n_\text{out})$ (Glorot and Bengio, 2010).
    GlorotNormal = 1.0, Average, TruncatedNormal;
    /// Uniform in $\pm\sqrt{6 / n_\text{in}}$ (He et al., 2015), for layers followed by a
    /// rectifier.
    HeUniform = 2.0, In, Uniform;
    /// Truncated normal of variance $2 / n_\text{in}$ (He et al., 2015), for layers followed by a
    /// rectifier.
    HeNormal = 2.0, In, TruncatedNormal;
    /// Uniform in $\pm\sqrt{3 / n_\text{in}}$ (LeCun et al., 1998).
    LecunUniform = 1.0, In, Uniform;
    /// Truncated normal of variance $1 / n_\text{in}$ (LeCun et al., 1998).
    LecunNormal = 1.0, In, TruncatedNormal;
}

fn fans(shape: Shape) -> (f64, f64) {
    let (fan_in, fan_out) = match *shape.dims() {
        [] => (1, 1),
        [n] => (n, n),
        [ref window @ .., a, b] => {
            let taps: usize = window.iter().product();
            (taps * a, taps * b)
        }
    };
    (fan_in as f64, fan_out as f64)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn draw(initializer: &dyn Initializer<f64>, shape: Shape) -> Vec<f64> {
        let mut value = vec![f64::NAN; shape.len()];
        initializer.fill(shape, &mut Stream::new(3, "test", 0), &mut value);
        value
    }

    fn moments(x: &[f64]) -> (f64, f64) {
        let n = x.len() as f64;
        let mean = x.iter().sum::<f64>() / n;
        (mean, x.iter().map(|x| (x - mean).powi(2)).sum::<f64>() / n)
    }

    fn largest(x: &[f64]) -> f64 {
        x.iter().fold(0.0, |m, x| m.max(x.abs()))
    }

    #[test]
    fn glorot_limits_are_those_of_keras() {
        for (shape, limit) in [
            (Shape::from([3, 3, 8, 32]), 0.12910),
            (Shape::from([800, 10]), 0.08607),
            (Shape::from([5, 5, 1, 8]), 0.16330),
        ] {
            // The largest of n uniform numbers is within 10 / n of the limit, but for one case in
            // 20 000.
            let found = largest(&draw(&GlorotUniform, shape));
            assert!(
                found <= limit + 1e-5 && found > limit * (1.0 - 10.0 / shape.len() as f64),
                "{shape}: {found}"
            );
        }
    }

    #[test]
    fn variances_are_the_scale_over_the_fan() {
        let shape = Shape::from([3, 3, 20, 100]); // fans 180 and 900
        let scaled =
            |mode, distribution| draw(&VarianceScaling { scale: 1.8, mode, distribution }, shape);
        for distribution in
            [Distribution::Uniform, Distribution::TruncatedNormal, Distribution::Normal]
        {
            for (mode, fan) in [(Fan::In, 180.0), (Fan::Out, 900.0), (Fan::Average, 540.0)] {
                let (mean, variance) = moments(&scaled(mode, distribution));
                let expected = 1.8 / fan;
                assert!(
                    (variance / expected - 1.0).abs() < 0.05,
                    "{mode:?} {distribution:?}: {variance}"
                );
                assert!(
                    mean.abs() < 5.0 * (expected / 18_000.0).sqrt(),
                    "{mode:?} {distribution:?}: {mean}"
                );
            }
        }
        let named: [(&dyn Initializer<f64>, f64); 6] = [
            (&GlorotUniform, 1.0 / 540.0),
            (&GlorotNormal, 1.0 / 540.0),
            (&HeUniform, 2.0 / 180.0),
            (&HeNormal, 2.0 / 180.0),
            (&LecunUniform, 1.0 / 180.0),
            (&LecunNormal, 1.0 / 180.0),
        ];
        for (initializer, expected) in named {
            let (_, variance) = moments(&draw(initializer, shape));
            assert!((variance / expected - 1.0).abs() < 0.05, "{initializer:?}: {variance}");
        }
    }

    #[test]
    fn plain_distributions_have_the_moments_and_limits_they_promise() {
        let shape = Shape::from([20_000]);
        let (mean, variance) = moments(&draw(&Normal { mean: 1.0, std: 2.0 }, shape));
        assert!((mean - 1.0).abs() < 0.08 && (variance / 4.0 - 1.0).abs() < 0.05);
        let truncated = draw(&TruncatedNormal { mean: 1.0, std: 2.0 }, shape);
        let (mean, variance) = moments(&truncated);
        assert!(
            (mean - 1.0).abs() < 0.08
                && (variance.sqrt() / (2.0 * TRUNCATED_STD) - 1.0).abs() < 0.02
        );
        assert!(truncated.iter().all(|w| (w - 1.0).abs() <= 4.0));
        let uniform = draw(&Uniform { low: -1.0, high: 3.0 }, shape);
        assert!(
            (moments(&uniform).0 - 1.0).abs() < 0.06
                && uniform.iter().all(|w| (-1.0..3.0).contains(w))
        );
    }

    #[test]
    fn one_stream_gives_one_start_and_another_stream_another() {
        let fill = |seed| {
            let mut value = [0.0f32; 6];
            HeNormal.fill([2, 3].into(), &mut Stream::new(seed, "conv.kernel", 0), &mut value);
            value
        };
        assert_eq!(fill(1), fill(1));
        assert_ne!(fill(1), fill(2));
    }

    #[test]
    fn fans_of_every_rank() {
        let fans = |dims: &[usize]| fans(Shape::new(dims));
        assert_eq!(fans(&[]), (1.0, 1.0));
        assert_eq!(fans(&[7]), (7.0, 7.0));
        assert_eq!(fans(&[5, 3]), (5.0, 3.0));
        assert_eq!(fans(&[3, 2, 8, 32]), (48.0, 192.0));
    }
}
