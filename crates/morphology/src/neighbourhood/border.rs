//! What lies outside the image, as a map from coordinates outside to coordinates inside.

/// The rule at the border of an image.
///
/// A composed operator has the same border in each of its steps. Only [`Infinity`](Self::Infinity)
/// and [`Periodic`](Self::Periodic) then keep dilation and erosion adjoint, so that an opening is
/// an opening everywhere. The others exist because other libraries use them. In general, which laws
/// hold on the whole image (same padding, stride 1), and for which operators:
///
/// | law | operators | ∞ | constant $c$ | replicate | reflect | mirror | periodic |
/// |---|---|---|---|---|---|---|---|
/// | adjunction | dilation and erosion | yes | no | no | no | no | yes |
/// | $\psi(x) \ge x$ | dilation | yes | yes | yes | yes | yes | yes |
/// | $\psi(x) \le x$ | erosion | yes | yes | yes | yes | yes | yes |
/// | $\psi(x) \ge x$ | closing, upper Lasry-Lions | yes | no | no | no | no | yes |
/// | $\psi(x) \le x$ | opening, lower Lasry-Lions | yes | no | no | no | no | yes |
/// | idempotent | opening, closing | yes | yes | no | no | no | yes |
/// | idempotent | white top-hat | yes | no | no | no | no | yes |
/// | increasing | all of the above but the top-hat, average, sequential filters | yes | yes | yes | yes | yes | yes |
/// | $\psi(x + a) = \psi(x) + k a$ | all (differences: $k = 0$; anti-dilation, anti-erosion: $k = -1$) | yes | no | yes | yes | yes | yes |
/// | dual by the mirrored element | dilation, opening, upper Lasry-Lions, sequential filters, anti-dilation, each with its partner; average, sift, Laplacian | yes | by $-c$ | yes | yes | yes | yes |
/// | translations around the torus | all | no | no | no | no | no | yes |
/// | translations, further inside than the operator reaches | all | yes | yes | yes | yes | yes | yes |
///
/// The test `tests/suite/borders.rs` has this table for flat elements that contain their centre,
/// and checks both: a yes holds without tolerance, for a no, and for every law that is not named,
/// there is an image that breaks it. That a constant leaves openings idempotent, though not below
/// the image, follows from the adjunction on the plane, for any kernel.
///
/// Structuring functions that are symmetric along each axis and do not increase away from the
/// centre (rectangles, crosses, disks and parabolas of odd size) do not see the difference between
/// ∞, replicate, reflect and mirror: what is outside has a better copy under the same window. For
/// them all four give the same values, and so the laws of the first. At ties the gradient may go to
/// another pixel.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub enum Border {
    /// Pixels outside never win: $-\infty$ for a dilation, $+\infty$ for an erosion. Keeps the
    /// algebra.
    #[default]
    Infinity,
    /// All pixels outside have this value, in every step: outside, a dilated image is not dilated.
    Constant(
        /// The value.
        f64,
    ),
    /// The nearest pixel inside: `a a | a b c d | d d`.
    Replicate,
    /// Mirrored with the edge repeated: `b a | a b c d | d c` (`reflect` of SciPy, `symmetric` of
    /// NumPy).
    Reflect,
    /// Mirrored at the edge, which is not repeated: `c b | a b c d | c b` (`mirror` of SciPy and
    /// scikit-image, `reflect` of NumPy).
    Mirror,
    /// Wrapped around: `c d | a b c d | a b`. A torus has no border, so all laws hold.
    Periodic,
}

impl Border {
    /// The coordinate in `0..n` that stands for `position`; `None` where nothing or a constant
    /// does.
    ///
    /// ```
    /// use morphograd_morphology::Border;
    /// let around =
    ///     |border: Border| (-3..7).map(|p| border.source(p, 4)).collect::<Option<Vec<_>>>();
    /// assert_eq!(around(Border::Replicate).unwrap(), [0, 0, 0, 0, 1, 2, 3, 3, 3, 3]);
    /// assert_eq!(around(Border::Reflect).unwrap(), [2, 1, 0, 0, 1, 2, 3, 3, 2, 1]);
    /// assert_eq!(around(Border::Mirror).unwrap(), [3, 2, 1, 0, 1, 2, 3, 2, 1, 0]);
    /// assert_eq!(around(Border::Periodic).unwrap(), [1, 2, 3, 0, 1, 2, 3, 0, 1, 2]);
    /// assert_eq!(around(Border::Infinity), None);
    /// ```
    pub fn source(self, position: isize, n: usize) -> Option<usize> {
        let length = n as isize;
        if (0..length).contains(&position) {
            return Some(position as usize);
        }
        match self {
            Border::Infinity | Border::Constant(_) => None,
            _ if n == 0 => None,
            Border::Replicate => Some(position.clamp(0, length - 1) as usize),
            Border::Reflect => {
                let within = position.rem_euclid(2 * length);
                Some(within.min(2 * length - 1 - within) as usize)
            }
            Border::Mirror => {
                // A single pixel has no other to be mirrored to.
                let within = position.rem_euclid((2 * length - 2).max(1));
                Some(within.min(2 * length - 2 - within) as usize)
            }
            Border::Periodic => Some(position.rem_euclid(length) as usize),
        }
    }
}
