//! One equation in one unknown, which simplices, l1 balls and their tangent cones come down to.
//!
//! The one design choice: Newton's method on a function of straight pieces, kept in a bracket. It
//! ends in the right piece after a few passes and needs neither sorting nor memory.

/// A coordinate as a function of the multiplier: $\mathrm{clip}(w - \tau g, \text{min},
/// \text{max})$.
#[derive(Clone, Copy)]
pub(crate) struct ClippedLine {
    /// Where it starts, $w$.
    pub(crate) start: f64,
    /// How fast it falls, $g > 0$: 1 over the coordinate's weight in the metric. 0 where the
    /// coordinate is fixed, and both bounds are where it starts.
    pub(crate) slope: f64,
    pub(crate) min: f64,
    pub(crate) max: f64,
}

impl ClippedLine {
    pub(crate) fn at(self, multiplier: f64) -> f64 {
        let w = self.start - multiplier * self.slope;
        let lower = if w < self.min { self.min } else { w };
        if lower > self.max { self.max } else { lower }
    }
}

/// The multiplier $\tau$ with $\sum_i \mathrm{clip}(w_i - \tau g_i, l_i, u_i) = s$, where the sum
/// of the minima is at most $s$ and that of the maxima at least. NaN if a coordinate is NaN or
/// infinite. Cost: a pass an iteration, of which a handful are usual.
pub(crate) fn find_multiplier(n: usize, term: impl Fn(usize) -> ClippedLine, sum: f64) -> f64 {
    let (mut below, mut above) = (f64::NEG_INFINITY, f64::INFINITY);
    let (total, slopes) =
        (0..n).map(&term).fold((0.0, 0.0), |(w, g), t| (w + t.start, g + t.slope));
    let mut tau = (total - sum) / slopes;
    // Each step halves the bracket at worst; doubles have fewer bits than this.
    for _ in 0..2200 {
        let (mut found, mut size, mut total_slope) = (0.0, sum.abs(), 0.0);
        let (mut left, mut right) = (f64::NEG_INFINITY, f64::INFINITY);
        for t in (0..n).map(&term) {
            let w = t.at(tau);
            found += w;
            size += w.abs();
            if t.min < w && w < t.max {
                total_slope += t.slope;
            }
            for bound in [t.min, t.max] {
                let at = (t.start - bound) / t.slope;
                if at < tau {
                    left = left.max(at);
                } else if at > tau {
                    right = right.min(at);
                }
            }
        }
        let excess = found - sum;
        // What is not a number, or infinite, makes the multiplier NaN.
        if excess.abs() <= f64::EPSILON * size || !excess.is_finite() {
            return tau + excess * 0.0;
        }
        *(if excess > 0.0 { &mut below } else { &mut above }) = tau;
        let mut next = match (total_slope > 0.0, excess > 0.0) {
            (true, _) => tau + excess / total_slope,
            (false, true) => right,
            (false, false) => left,
        };
        if !(below < next && next < above) && below.is_finite() && above.is_finite() {
            next = below + (above - below) / 2.0;
        }
        if next == tau || next.is_infinite() || next == below || next == above {
            return if total.is_finite() { tau } else { f64::NAN };
        }
        tau = next;
    }
    tau
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::collection::vec;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn the_sum_is_met_wherever_the_pieces_lie(
            terms in vec((-3.0..3.0f64, -3..3i32, -2.0..0.5f64, 0.0..2.0f64), 1..40),
            share in 0.0..=1.0f64,
            scale in -3..6i32,
        ) {
            let terms: Vec<ClippedLine> = terms
                .into_iter()
                .map(|(w, exponent, min, width)| ClippedLine {
                    start: w * 10f64.powi(scale),
                    slope: 10f64.powi(exponent),
                    min,
                    max: min + width,
                })
                .collect();
            let ends = terms.iter().fold((0.0, 0.0), |(a, b), t| (a + t.min, b + t.max));
            let sum = ends.0 + share * (ends.1 - ends.0);
            let tau = find_multiplier(terms.len(), |i| terms[i], sum);
            let found: f64 = terms.iter().map(|t| t.at(tau)).sum();
            // A coordinate is known to the rounding of what it is the difference of.
            let sizes = terms.iter().map(|t| t.start.abs() + (tau * t.slope).abs() + 1.0);
            let slack = 1e-13 * sizes.sum::<f64>();
            prop_assert!((found - sum).abs() <= slack, "{found} for {sum} at {tau}");
        }
    }

    #[test]
    fn what_is_no_number_gives_none() {
        for w in [f64::NAN, f64::INFINITY, f64::NEG_INFINITY] {
            let term =
                |i| ClippedLine { start: [1.0, w][i], slope: 1.0, min: 0.0, max: f64::INFINITY };
            assert!(find_multiplier(2, term, 1.0).is_nan(), "{w}");
        }
    }
}
