//! Which axes a reduction runs over.

use morphograd_tensor::{MAX_RANK, Shape, ShapeError};

/// The axes of a reduction, in any order, and whether they stay with length 1. They are written as
/// arrays and slices: `graph.sum_axes(x, [0, 2])` drops axes 0 and 2,
/// `graph.sum_axes(x, Axes::kept([0, 2]))` leaves them with length 1, so that the result
/// broadcasts with x.
///
/// ```
/// use morphograd_autodiff::{Axes, evaluate, tensor::TensorRef};
/// let x = TensorRef::new([2, 3], &[1.0, 2.0, 3.0, 4.0, 5.0, 6.0]);
/// let [dropped, kept] = [Axes::from([1]), Axes::kept([1])]
///     .map(|axes| evaluate([x], |graph, [x]| graph.mean_axes(x, axes)).unwrap());
/// assert_eq!((dropped.shape().dims(), dropped.data()), (&[2][..], &[2.0, 5.0][..]));
/// assert_eq!((kept.shape().dims(), kept.data()), (&[2, 1][..], &[2.0, 5.0][..]));
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Axes {
    /// The first `n` are meant.
    axes: [usize; MAX_RANK],
    /// `None` for all.
    n: Option<usize>,
    kept: bool,
}

impl Axes {
    /// All axes, whatever the rank.
    pub const ALL: Self = Self { axes: [0; MAX_RANK], n: None, kept: false };

    /// These axes, which stay in the result with length 1.
    #[must_use]
    pub fn kept(axes: impl Into<Self>) -> Self {
        Self { kept: true, ..axes.into() }
    }

    /// The shape of the result, and the same with every axis kept.
    ///
    /// # Errors
    /// If an axis does not exist or is named twice.
    pub(super) fn reduce(
        self,
        operation: &'static str,
        input: Shape,
    ) -> Result<(Shape, Shape), ShapeError> {
        let named = &self.axes[..self.n.unwrap_or(0).min(MAX_RANK)];
        let fits = named.iter().all(|axis| *axis < input.rank());
        let twice = (1..named.len()).any(|i| named[..i].contains(&named[i]));
        if !fits || twice || self.n.is_some_and(|n| n > MAX_RANK) {
            let expected = format!("different axes of shape {input}");
            return Err(ShapeError::new(operation, expected, format!("axes {named:?}")));
        }
        let (mut all, mut rest, mut rank) = ([1; MAX_RANK], [1; MAX_RANK], 0);
        for (axis, n) in input.dims().iter().enumerate() {
            let reduced = self.n.is_none() || named.contains(&axis);
            all[axis] = if reduced { 1 } else { *n };
            if !reduced || self.kept {
                rest[rank] = all[axis];
                rank += 1;
            }
        }
        Ok((Shape::new(&rest[..rank]), Shape::new(&all[..input.rank()])))
    }

    /// The input's shape with length 1 at every axis that is reduced; `reduce` has checked them.
    pub(super) fn target(self, input: Shape) -> Shape {
        self.reduce("axes", input).expect("checked by infer").1
    }
}

impl From<&[usize]> for Axes {
    fn from(list: &[usize]) -> Self {
        let mut axes = [0; MAX_RANK];
        axes.iter_mut().zip(list).for_each(|(axis, given)| *axis = *given);
        Self { axes, n: Some(list.len()), kept: false }
    }
}

impl<const N: usize> From<[usize; N]> for Axes {
    fn from(axes: [usize; N]) -> Self {
        Self::from(&axes[..])
    }
}

impl<const N: usize> From<&[usize; N]> for Axes {
    fn from(axes: &[usize; N]) -> Self {
        Self::from(&axes[..])
    }
}
