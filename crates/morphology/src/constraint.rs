//! Sets of structuring functions: constraints that know where a kernel has its centre.
//!
//! Kernels are `[kh, kw, …]`; the centre is the entry $(\lfloor kh/2 \rfloor, \lfloor kw/2 \rfloor)$.

use morphograd_nn::autodiff::Constraint;
use morphograd_nn::constraint::Interval;
use morphograd_nn::tensor::{Real, Shape, ShapeError};

/// $\{ w : \min \le w \le \max,\; w_\text{centre} = 0 \}$: a box whose centre entries are zero.
///
/// With `max` 0 a dilation by such a kernel is extensive ($x \le \delta_w(x)$, because the centre contributes $x + 0$) and never
/// exceeds the flat dilation; this is `NonPositiveExtensive` of morpholayers, called `NonPositiveIncreasing` in the tutorial.
/// Convex; the projection clips every entry and then sets the centre to 0, in O(n).
///
/// ```
/// use morphograd_morphology::{nn::autodiff::{Constraint, tensor::Shape}, ZeroCentre};
/// let mut kernel = [0.5f32, -0.3, 0.2, -2.0, 0.4, -0.1, 0.0, 0.0, 1.0];
/// ZeroCentre { min: -1.0, max: 0.0 }.project(Shape::from([3, 3]), &mut kernel);
/// assert_eq!(kernel, [0.0, -0.3, 0.0, -1.0, 0.0, -0.1, 0.0, 0.0, 0.0]);
/// ```
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct ZeroCentre {
    /// Lower bound of every entry, at most 0.
    pub min: f64,
    /// Upper bound of every entry, at least 0.
    pub max: f64,
}

impl ZeroCentre {
    fn interval(self) -> Interval {
        Interval { min: self.min, max: self.max }
    }
}

impl<T: Real> Constraint<T> for ZeroCentre {
    fn project(&self, shape: Shape, value: &mut [T]) {
        self.interval().project(shape, value);
        value[centre(shape)].fill(T::zero());
    }

    fn violation(&self, shape: Shape, value: &[T]) -> f64 {
        // Not `f64::max`, which would lose a NaN.
        let worst = |a: f64, b: f64| if a.is_nan() || a > b { a } else { b };
        let centre = value[centre(shape)].iter().map(|w| w.f64().abs()).fold(0.0, worst);
        worst(centre, self.interval().violation(shape, value))
    }

    fn accepts(&self, shape: Shape) -> Result<(), ShapeError> {
        if shape.rank() < 2 || shape.is_empty() {
            return Err(ShapeError::new(
                "zero centre",
                "a kernel [height, width, …]",
                format!("shape {shape}"),
            ));
        }
        if !(self.min..=self.max).contains(&0.0) {
            let found = format!("[{}, {}]", self.min, self.max);
            return Err(ShapeError::new("zero centre", "bounds with min <= 0 <= max", found));
        }
        Constraint::<T>::accepts(&self.interval(), shape)
    }
}

/// The elements of a kernel that belong to its centre: one for every channel and filter, contiguous.
fn centre(shape: Shape) -> std::ops::Range<usize> {
    let dims = shape.dims();
    let (position, rest) = ((dims[0] / 2) * dims[1] + dims[1] / 2, dims[2..].iter().product::<usize>());
    position * rest..(position + 1) * rest
}
