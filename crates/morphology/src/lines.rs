//! Supports of all digital lines through the centre of a square window: structuring functions for
//! every orientation.
//!
//! The one design choice: a line is the pixel nearest to it in every column (or row, for steep
//! ones), the farther one from the centre at a half, so that every line is symmetric about the
//! centre.

use morphograd_nn::tensor::{Real, ShapeError, Tensor};

/// The $2k - 2$ lines through the centre of a $k \times k$ window, from each pixel of its left side
/// and of its top without the corners to the opposite one: 0 on the line, $-\infty$ off it,
/// `[k, k, 1, 2k - 2]`. Line $i < k$ starts at row $i$ of the left side, line $k + j$ at column
/// $j + 1$ of the top.
///
/// For [`StructuringFunction::on`](crate::StructuringFunction::on): a layer that dilates along
/// every orientation is
///
/// ```
/// use morphograd_morphology::{
///     Merge, Morphological2d, StructuringFunction, lines,
///     nn::{Sequential, Weight, autodiff::Params},
/// };
/// let kernel = StructuringFunction::Shared(Weight::zeros()).on(lines(5)?);
/// let layer = Morphological2d {
///     filters: 8,
///     size: [5, 5],
///     kernel,
///     merge: Merge::None,
///     ..Default::default()
/// };
/// let mut params = Params::<f32>::new();
/// let model =
///     Sequential::builder(&mut params, 1, [28, 28, 3]).add("lines", layer).finish()?;
/// assert_eq!((model.output().dims(), params.count()), (&[28, 28, 24][..], 25 * 8));
/// # Ok::<(), morphograd_morphology::nn::BuildError>(())
/// ```
///
/// # Errors
/// If `k` is even or less than 3.
pub fn lines<T: Real>(k: usize) -> Result<Tensor<T>, ShapeError> {
    if k < 3 || k.is_multiple_of(2) {
        return Err(ShapeError::new("lines", "an odd size of at least 3", k.to_string()));
    }
    let (count, centre) = (2 * k - 2, (k / 2) as f64);
    Ok(Tensor::from_fn([k, k, 1, count], |i| {
        let (line, position) = (i % count, i / count);
        let from_centre = |p: usize| p as f64 - centre;
        let (row, column) = (from_centre(position / k), from_centre(position % k));
        // Along the axis on which the line takes every pixel, and across it.
        let (along, across, start) = match line < k {
            true => (column, row, from_centre(line)),
            false => (row, column, from_centre(line - k + 1)),
        };
        // It goes from `start` at -centre to -start at centre.
        let on = (-start * along / centre).round() == across;
        if on { T::zero() } else { T::neg_infinity() }
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_line_has_one_pixel_in_every_column_or_row_and_is_symmetric() {
        for k in [3, 5, 7, 9] {
            let (all, count) = (lines::<f64>(k).unwrap(), 2 * k - 2);
            let on =
                |line: usize, p: usize, q: usize| all.data()[(p * k + q) * count + line] == 0.0;
            for line in 0..count {
                for a in 0..k {
                    let crossed =
                        (0..k).filter(|b| if line < k { on(line, *b, a) } else { on(line, a, *b) });
                    assert_eq!(crossed.count(), 1, "size {k}, line {line}, at {a}");
                }
                assert!(
                    (0..k)
                        .all(|p| (0..k).all(|q| on(line, p, q) == on(line, k - 1 - p, k - 1 - q)))
                );
            }
            // The first is the diagonal, the one in the middle horizontal; no two are the same.
            assert!((0..k).all(|p| on(0, p, p) && on(k / 2, k / 2, p)));
            let pixels =
                |line: usize| (0..k * k).filter(|i| on(line, i / k, i % k)).collect::<Vec<_>>();
            assert!((0..count).all(|a| (0..a).all(|b| pixels(a) != pixels(b))));
        }
    }

    #[test]
    fn a_window_without_a_centre_is_refused() {
        let error = lines::<f32>(4).unwrap_err();
        assert_eq!(error.to_string(), "lines: expected an odd size of at least 3, found 4");
    }
}
