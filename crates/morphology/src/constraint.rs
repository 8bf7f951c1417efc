//! Sets of structuring functions: constraints that know where a kernel has its centre.
//!
//! Kernels are `[kh, kw, …]`; the centre is the entry $(\lfloor (kh-1)/2 \rfloor, \lfloor (kw-1)/2 \rfloor)$, which is where a window with
//! same padding and stride 1 has the pixel itself, for even sizes too.

use morphograd_nn::autodiff::{Constraint, Kind};
use morphograd_nn::constraint::Interval;
use morphograd_nn::tensor::{Real, Shape, ShapeError};

use crate::StructuringElement;
use crate::structuring_element::offset;

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

/// $\{ w : w_d = -\infty \text{ off the support of an element},\; \min \le w_d \le \max \text{ on it} \}$: kernels with a hard support, the
/// same for every channel and filter. What the element's entries are does not matter.
///
/// Entries off the support never win a maximum and their gradient is 0, so a dilation by such a kernel is one by a structuring element of
/// that shape throughout the training, whatever the range of the images. `SEconstraint`, `Disk` and `Diamond` of morpholayers mean this with
/// -1 in the place of $-\infty$. On the support the projection clips; off it, it writes $-\infty$, from where no gradient step returns.
///
/// ```
/// use morphograd_morphology::{nn::autodiff::{Constraint, tensor::Shape}, StructuringElement, Support};
/// let set = Support { max: 0.0, ..Support::of(StructuringElement::line(3, 45.0)?) };
/// let mut kernel = [0.5f32, 0.5, -0.5, 0.5, 0.5, 0.5, -7.0, 0.5, 0.5];
/// set.project(Shape::from([3, 3]), &mut kernel);
/// let off = f32::NEG_INFINITY;
/// assert_eq!(kernel, [off, off, -0.5, off, 0.0, off, -7.0, off, off]);
/// # Ok::<(), morphograd_morphology::nn::tensor::ShapeError>(())
/// ```
#[derive(Debug, Clone, PartialEq)]
pub struct Support {
    /// The element whose support it is; its origin lies in the kernel's centre.
    pub element: StructuringElement,
    /// Lower bound on the support; $-\infty$ for none.
    pub min: f64,
    /// Upper bound on the support; $+\infty$ for none.
    pub max: f64,
}

impl Support {
    /// All kernels on the support of an element, without bounds.
    pub fn of(element: StructuringElement) -> Self {
        Self { element, min: f64::NEG_INFINITY, max: f64::INFINITY }
    }

    fn interval(&self) -> Interval {
        Interval { min: self.min, max: self.max }
    }

    /// The positions of a kernel (row-major, without channels) and whether they are on the support.
    fn positions(&self, shape: Shape) -> impl Iterator<Item = bool> + '_ {
        let size = [shape.dims()[0], shape.dims()[1]];
        (0..size[0] * size[1]).map(move |n| self.element.entry(offset(size, n)).is_some())
    }
}

impl<T: Real> Constraint<T> for Support {
    fn project(&self, shape: Shape, value: &mut [T]) {
        let rest = rest(shape);
        for (entries, supported) in value.chunks_exact_mut(rest.max(1)).zip(self.positions(shape)) {
            if supported {
                self.interval().project([rest].into(), entries);
            } else {
                entries.fill(T::neg_infinity());
            }
        }
    }

    fn violation(&self, shape: Shape, value: &[T]) -> f64 {
        let rest = rest(shape);
        let mut all = 0.0;
        for (entries, supported) in value.chunks_exact(rest.max(1)).zip(self.positions(shape)) {
            let outside = |w: &T| if *w == T::neg_infinity() { 0.0 } else { w.f64().abs() + f64::INFINITY };
            all = if supported {
                worst(all, self.interval().violation([rest].into(), entries))
            } else {
                entries.iter().map(outside).fold(all, worst)
            };
        }
        all
    }

    fn accepts(&self, shape: Shape) -> Result<(), ShapeError> {
        if shape.rank() < 2 {
            let found = format!("shape {shape}");
            return Err(ShapeError::new("support", "a kernel [height, width, …]", found));
        }
        self.element.fits([shape.dims()[0], shape.dims()[1]])?;
        if self.min == f64::INFINITY || self.max == f64::NEG_INFINITY {
            let found = format!("[{}, {}]", self.min, self.max);
            return Err(ShapeError::new("support", "bounds with a number between them", found));
        }
        Constraint::<T>::accepts(&self.interval(), shape)
    }

    fn kind(&self) -> Kind {
        Kind::Convex
    }

    fn formula(&self) -> &'static str {
        "min <= w <= max on the support, -inf off it"
    }

    fn project_in_metric(&self, shape: Shape, _: &[T], value: &mut [T]) -> bool {
        self.project(shape, value);
        true
    }

    fn project_tangent(&self, shape: Shape, at: &[T], direction: &mut [T]) -> bool {
        let rest = rest(shape);
        let entries = at.chunks_exact(rest.max(1)).zip(direction.chunks_exact_mut(rest.max(1)));
        for ((at, direction), supported) in entries.zip(self.positions(shape)) {
            if supported {
                self.interval().project_tangent([rest].into(), at, direction);
            } else {
                direction.fill(T::zero());
            }
        }
        true
    }

    fn active(&self, shape: Shape, value: &[T]) -> Option<usize> {
        let rest = rest(shape);
        let entries = value.chunks_exact(rest.max(1)).zip(self.positions(shape));
        let on = entries.filter(|(_, supported)| *supported);
        let at_bounds = on.map(|(entries, _)| self.interval().active([rest].into(), entries).unwrap_or(0));
        let off = self.positions(shape).filter(|supported| !supported).count() * rest;
        Some(off + at_bounds.sum::<usize>())
    }
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

    fn kind(&self) -> Kind {
        Kind::Convex
    }

    fn formula(&self) -> &'static str {
        "min <= w <= max, w_centre = 0"
    }

    fn project_in_metric(&self, shape: Shape, _: &[T], value: &mut [T]) -> bool {
        self.project(shape, value);
        true
    }

    fn project_tangent(&self, shape: Shape, at: &[T], direction: &mut [T]) -> bool {
        self.interval().project_tangent(shape, at, direction);
        direction[centre(shape)].fill(T::zero());
        true
    }

    /// The centre entries, and those at a bound.
    fn active(&self, shape: Shape, value: &[T]) -> Option<usize> {
        let centre = centre(shape);
        let others = [&value[..centre.start], &value[centre.end..]];
        let at_bounds = others.map(|w| self.interval().active([w.len()].into(), w).unwrap_or(0));
        Some(centre.len() + at_bounds.iter().sum::<usize>())
    }
}

/// The elements of a kernel that belong to its centre: one for every channel and filter, contiguous.
fn centre(shape: Shape) -> std::ops::Range<usize> {
    let [height, width] = [0, 1].map(|axis| crate::structuring_element::centre(shape.dims()[axis]));
    let position = height * shape.dims()[1] + width;
    position * rest(shape)..(position + 1) * rest(shape)
}

/// The elements of a kernel at one position: its channels and filters.
fn rest(shape: Shape) -> usize {
    shape.dims()[2..].iter().product()
}

/// The maximum of two numbers, NaN if one of them is: `f64::max` would lose it.
fn worst(a: f64, b: f64) -> f64 {
    if a.is_nan() || a > b { a } else { b }
}
