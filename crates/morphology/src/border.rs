//! What lies outside the image, as a map from coordinates outside to coordinates inside.

/// The rule at the border of an image.
///
/// Only the first and the last keep dilation and erosion adjoint: with them an opening is an opening (anti-extensive and idempotent)
/// everywhere. With the others the laws hold away from the border only; they exist because other libraries use them.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub enum Border {
    /// Pixels outside never win: $-\infty$ for a dilation, $+\infty$ for an erosion. Keeps the algebra (adjunction, duality,
    /// extensivity, idempotence).
    #[default]
    Infinity,
    /// All pixels outside have this value. Keeps extensivity of a dilation by a kernel with centre 0.
    Constant(
        /// The value.
        f64,
    ),
    /// The nearest pixel inside: `a a | a b c d | d d`.
    Replicate,
    /// Mirrored with the edge repeated: `b a | a b c d | d c` (`reflect` of SciPy, `symmetric` of NumPy).
    Reflect,
    /// Wrapped around: `c d | a b c d | a b`. A torus has no border, so all laws hold.
    Periodic,
}

impl Border {
    /// The coordinate in `0..n` that stands for `position`; `None` where nothing or a constant does.
    ///
    /// ```
    /// use morphograd_morphology::Border;
    /// let around = |border: Border| (-3..7).map(|p| border.source(p, 4)).collect::<Option<Vec<_>>>();
    /// assert_eq!(around(Border::Replicate).unwrap(), [0, 0, 0, 0, 1, 2, 3, 3, 3, 3]);
    /// assert_eq!(around(Border::Reflect).unwrap(), [2, 1, 0, 0, 1, 2, 3, 3, 2, 1]);
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
            Border::Periodic => Some(position.rem_euclid(length) as usize),
        }
    }
}
