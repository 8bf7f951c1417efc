//! Kernels with a hard support.
//!
//! The one design choice: what is off the support is $-\infty$ itself, not a number that is low
//! enough for some images.

use morphograd_nn::sets::maps::Coordinatewise;
use morphograd_nn::sets::{Capabilities, Constraint, Interval, Kind, Parametrization};
use morphograd_nn::tensor::{Real, Shape, ShapeError};

use super::plane::{rest, worst};
use crate::StructuringElement;
use crate::elements::structuring_element::offset;

/// $\{ w : w_d = -\infty \text{ off the support of an element},\; \min \le w_d \le \max \text{ on
/// it} \}$: kernels with a hard support, the same for every channel and filter. What the element's
/// entries are does not matter.
///
/// Entries off the support never win a maximum and their gradient is 0, so a dilation by such a
/// kernel is one by a structuring element of that shape throughout the training, whatever the range
/// of the images. `SEconstraint`, `Disk` and `Diamond` of morpholayers mean this with -1 in the
/// place of $-\infty$. On the support the projection clips; off it, it writes $-\infty$, from where
/// no gradient step returns.
///
/// ```
/// use morphograd_morphology::{
///     StructuringElement, Support,
///     nn::autodiff::{tensor::Shape, sets::Constraint},
/// };
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
            let outside =
                |w: &T| if *w == T::neg_infinity() { 0.0 } else { w.f64().abs() + f64::INFINITY };
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

    fn capabilities(&self, _: Shape) -> Capabilities {
        Capabilities {
            metric: true,
            tangent: true,
            derivative: true,
            greatest: true,
            ..Capabilities::default()
        }
    }

    fn project_in_metric(&self, shape: Shape, _: &[T], value: &mut [T]) {
        self.project(shape, value);
    }

    fn project_tangent(&self, shape: Shape, at: &[T], direction: &mut [T]) {
        let rest = rest(shape);
        let entries = at.chunks_exact(rest.max(1)).zip(direction.chunks_exact_mut(rest.max(1)));
        for ((at, direction), supported) in entries.zip(self.positions(shape)) {
            if supported {
                self.interval().project_tangent([rest].into(), at, direction);
            } else {
                direction.fill(T::zero());
            }
        }
    }

    /// What was clipped has no derivative, and neither has what is off the support.
    fn project_vjp(&self, shape: Shape, at: &[T], projected: &[T], gradient: &mut [T]) {
        self.interval().project_vjp(shape, at, projected, gradient);
        let rest = rest(shape);
        for (gradient, supported) in
            gradient.chunks_exact_mut(rest.max(1)).zip(self.positions(shape))
        {
            if !supported {
                gradient.fill(T::zero());
            }
        }
    }

    fn greatest_below(&self, shape: Shape, upper: &mut [T]) -> bool {
        let rest = rest(shape);
        let mut entries = upper.chunks_exact_mut(rest.max(1)).zip(self.positions(shape));
        entries.all(|(entries, supported)| {
            if !supported {
                entries.fill(T::neg_infinity());
            }
            !supported || self.interval().greatest_below([rest].into(), entries)
        })
    }

    /// That of the bounds, but off the support.
    fn parametrization(&self, shape: Shape) -> Option<Box<dyn Parametrization<T>>> {
        let entry = |on| if on { [self.min, self.max] } else { [f64::NEG_INFINITY; 2] };
        let bounds = self.positions(shape).flat_map(|on| vec![entry(on); rest(shape)]).collect();
        Some(Box::new(Coordinatewise { bounds }))
    }

    fn active(&self, shape: Shape, value: &[T]) -> Option<usize> {
        let rest = rest(shape);
        let entries = value.chunks_exact(rest.max(1)).zip(self.positions(shape));
        let on = entries.filter(|(_, supported)| *supported);
        let at_bounds =
            on.map(|(entries, _)| self.interval().active([rest].into(), entries).unwrap_or(0));
        let off = self.positions(shape).filter(|supported| !supported).count() * rest;
        Some(off + at_bounds.sum::<usize>())
    }
}
