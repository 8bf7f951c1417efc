//! The exponent of a power law: least squares on logarithms.

/// The exponent $a$ of $y = c x^a$ that fits the points best: the slope of the line through
/// $(\ln x, \ln y)$ with the least sum of squares. `None` unless two points differ in $x$ and all
/// coordinates are positive.
///
/// ```
/// let squares = [(1.0, 3.0), (2.0, 12.0), (4.0, 48.0)];
/// assert!((morphograd_bench::fit::exponent(&squares).unwrap() - 2.0).abs() < 1e-12);
/// ```
pub fn exponent(points: &[(f64, f64)]) -> Option<f64> {
    if points.iter().any(|(x, y)| !(*x > 0.0 && *y > 0.0)) {
        return None;
    }
    let logarithms: Vec<(f64, f64)> = points.iter().map(|(x, y)| (x.ln(), y.ln())).collect();
    let mean =
        |f: fn(&(f64, f64)) -> f64| logarithms.iter().map(f).sum::<f64>() / logarithms.len() as f64;
    let (mean_x, mean_y) = (mean(|p| p.0), mean(|p| p.1));
    let (mut xx, mut xy) = (0.0, 0.0);
    for (x, y) in logarithms {
        xx += (x - mean_x) * (x - mean_x);
        xy += (x - mean_x) * (y - mean_y);
    }
    (xx > 0.0).then(|| xy / xx)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn noise_that_is_even_on_both_sides_does_not_move_the_exponent() {
        let noisy = [(1.0, 1.1), (2.0, 1.0 / 2.2), (4.0, 1.0 / 4.4), (8.0, 1.1 / 8.0)];
        assert!((exponent(&noisy).unwrap() + 1.0).abs() < 1e-12);
    }

    #[test]
    fn what_has_no_exponent_gets_none() {
        let cases: [&[(f64, f64)]; 4] =
            [&[], &[(1.0, 1.0)], &[(2.0, 1.0), (2.0, 3.0)], &[(1.0, 0.0), (2.0, 1.0)]];
        assert!(cases.into_iter().all(|points| exponent(points).is_none()));
    }
}
