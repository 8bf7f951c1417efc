//! The common structuring elements.
//!
//! The one design choice: a generator is a definition on offsets, not a drawing in a box, so
//! symmetric elements are symmetric about their origin exactly. Where a side is even, the origin is
//! the position before the middle, as in a window with same padding.

use morphograd_nn::random::Stream;
use morphograd_nn::tensor::ShapeError;

use crate::elements::structuring_element::{StructuringElement, centre, offset};

/// The longest side of an element from a generator.
const MAX_SIDE: usize = 4097;

/// Every generator refuses elements with a side above 4097, and all but
/// [`quadratic`](Self::quadratic) give flat ones.
impl StructuringElement {
    /// All of `n` x `n` pixels.
    ///
    /// # Errors
    /// If `n` is 0.
    pub fn square(n: usize) -> Result<Self, ShapeError> {
        Self::rectangle(n, n)
    }

    /// All of `height` x `width` pixels.
    ///
    /// # Errors
    /// If a side is 0.
    pub fn rectangle(height: usize, width: usize) -> Result<Self, ShapeError> {
        let size = [height, width];
        sides("rectangle", size)?;
        flat((0..height * width).map(|n| offset(size, n)))
    }

    /// $\{ d : d_y^2 + d_x^2 \le r^2 \}$, `disk(r)` of scikit-image.
    ///
    /// # Errors
    /// If the radius is too large.
    pub fn disk(radius: usize) -> Result<Self, ShapeError> {
        let r = reach("disk", radius)?;
        flat(ball(r).filter(|[y, x]| y * y + x * x <= r * r))
    }

    /// $\{ d : |d_y| + |d_x| \le r \}$, the ball of the city-block distance.
    ///
    /// # Errors
    /// If the radius is too large.
    pub fn diamond(radius: usize) -> Result<Self, ShapeError> {
        let r = reach("diamond", radius)?;
        flat(ball(r).filter(|[y, x]| y.abs() + x.abs() <= r))
    }

    /// $\{ d : d_y = 0 \text{ or } d_x = 0,\; |d_y| + |d_x| \le r \}$: four arms of `r` pixels and
    /// the origin.
    ///
    /// # Errors
    /// If the arms are too long.
    pub fn cross(arms: usize) -> Result<Self, ShapeError> {
        let r = reach("cross", arms)?;
        flat((-r..=r).flat_map(|t| [[t, 0], [0, t]]))
    }

    /// A line of `length` pixels' widths through the origin, at an angle in degrees,
    /// counterclockwise from the row. Half of it is the discrete line to the pixel nearest to
    /// $\frac{\text{length} - 1}{2} (\cos, \sin)$, the other half its reflection, so the line is
    /// symmetric. `length` is Euclidean: a diagonal of length 7 has 5 pixels.
    ///
    /// # Errors
    /// If the length is 0 or the angle is not finite.
    ///
    /// ```
    /// use morphograd_morphology::StructuringElement;
    /// let line = StructuringElement::line(7, 30.0)?;
    /// assert_eq!(line.to_string(), [
    ///     " .  .  .  .  .  #  # ",
    ///     " .  .  # [#] #  .  . ",
    ///     " #  #  .  .  .  .  . ",
    /// ].join("\n"));
    /// # Ok::<(), morphograd_morphology::nn::tensor::ShapeError>(())
    /// ```
    pub fn line(length: usize, degrees: f64) -> Result<Self, ShapeError> {
        sides("line", [length, 1])?;
        if !degrees.is_finite() {
            return Err(ShapeError::new("line", "a finite angle", degrees.to_string()));
        }
        let (half, angle) = ((length - 1) as f64 / 2.0, degrees.to_radians());
        let end = [-(half * angle.sin()), half * angle.cos()].map(|t| t.round() as isize);
        let steps = end[0].abs().max(end[1].abs());
        let pixel = |s: isize| end.map(|t| t.signum() * rounded(t.abs() * s, steps.max(1), false));
        flat((0..=steps).map(pixel).flat_map(|[y, x]| [[y, x], [-y, -x]]))
    }

    /// The $2k - 2$ lines of a window of `k` x `k` pixels that join opposite pixels of its border
    /// through its centre, in the order of morpholayers' `get_lines`: from each pixel of the left
    /// side, downwards, then from each of the upper side between the corners, rightwards. Where the
    /// line passes in the middle between two pixels, that nearer to the centre belongs to it, on
    /// both sides.
    ///
    /// # Errors
    /// If `k` is less than 2.
    pub fn lines(k: usize) -> Result<Vec<Self>, ShapeError> {
        if k < 2 {
            return Err(ShapeError::new("lines", "a window of at least 2 x 2", k.to_string()));
        }
        sides("lines", [k, k])?;
        let span = k as isize - 1;
        let line = |start: isize, upright: bool| {
            flat((0..=span).map(|s| {
                // Position across the line's main direction, times 2 · span.
                let across = span * span + (span - 2 * start) * (2 * s - span);
                let m = rounded(across, 2 * span, across < span * span);
                let at = if upright { [s, m] } else { [m, s] };
                at.map(|t| t - centre(k) as isize)
            }))
        };
        (0..=span).map(|i| line(i, false)).chain((1..span).map(|i| line(i, true))).collect()
    }

    /// The square of `m` x `m` dilated by the diamond of radius `n`: an octagon, `octagon(m, n)` of
    /// scikit-image.
    ///
    /// # Errors
    /// If `m` is 0.
    pub fn octagon(m: usize, n: usize) -> Result<Self, ShapeError> {
        let side = m.saturating_add(n.saturating_mul(2));
        sides("octagon", [m, side])?;
        let (low, r) = (-(centre(m) as isize), n as isize);
        let high = low + m as isize - 1;
        let outside = |t: isize| (low - t).max(t - high).max(0);
        let range = low - r..=high + r;
        let all = range.clone().flat_map(|y| range.clone().map(move |x| [y, x]));
        flat(all.filter(|[y, x]| outside(*y) + outside(*x) <= r))
    }

    /// The parabola $w_d = -|d|^2 / (2 s)^2$ of scale $s$, in pixels, in a window of the given
    /// size: the structuring function of the morphological scale space, where squares of scales add
    /// up ($q_s \oplus q_t = q_{\sqrt{s^2 + t^2}}$ on the plane without grid and window).
    /// Separable. [`QuadraticKernel`](crate::QuadraticKernel) of the same scale has it for the
    /// curvature 1.
    ///
    /// morpholayers' `QuadraticDilation2D(scale=c)` with $b$ has $s = c / \sqrt b$; its initializer
    /// `Quadratic(t, c)` has $s = t / (2 \sqrt c)$. Source: P. Jackway, M. Deriche, *Scale-space
    /// properties of the multiscale morphological dilation-erosion* (1996).
    ///
    /// # Errors
    /// If a side is 0, or the scale is not positive and finite.
    pub fn quadratic(size: [usize; 2], scale: f64) -> Result<Self, ShapeError> {
        sides("quadratic", size)?;
        if !(scale > 0.0 && scale.is_finite()) {
            return Err(ShapeError::new("quadratic", "a positive scale", scale.to_string()));
        }
        // A sum of two terms, each of one axis: the element is then separable exactly, not only up
        // to rounding.
        let parabola = |t: isize| -(t as f64 / (2.0 * scale)).powi(2).min(f64::MAX / 2.0);
        let all = (0..size[0] * size[1]).map(|n| offset(size, n));
        Self::from_offsets(all.map(|[y, x]| ([y, x], parabola(y) + parabola(x))))
    }

    /// `count` pixels of a window of the given size, every choice equally likely. The origin need
    /// not be among them.
    ///
    /// # Errors
    /// If `count` is 0 or more than the window has.
    pub fn random_sparse(
        size: [usize; 2],
        count: usize,
        stream: &mut Stream,
    ) -> Result<Self, ShapeError> {
        sides("random sparse", size)?;
        let mut all: Vec<usize> = (0..size[0] * size[1]).collect();
        if count == 0 || count > all.len() {
            let expected = format!("between 1 and {} pixels", all.len());
            return Err(ShapeError::new("random sparse", expected, count.to_string()));
        }
        stream.shuffle(&mut all);
        flat(all[..count].iter().map(|n| offset(size, *n)))
    }
}

fn flat(support: impl Iterator<Item = [isize; 2]>) -> Result<StructuringElement, ShapeError> {
    StructuringElement::from_offsets(support.map(|d| (d, 0.0)))
}

/// The offsets of the square around the origin that holds every ball of radius `r`.
fn ball(r: isize) -> impl Iterator<Item = [isize; 2]> {
    (-r..=r).flat_map(move |y| (-r..=r).map(move |x| [y, x]))
}

fn sides(generator: &'static str, size: [usize; 2]) -> Result<(), ShapeError> {
    if size.iter().all(|n| (1..=MAX_SIDE).contains(n)) {
        return Ok(());
    }
    Err(ShapeError::new(generator, format!("sides from 1 to {MAX_SIDE}"), format!("{size:?}")))
}

fn reach(generator: &'static str, radius: usize) -> Result<isize, ShapeError> {
    if radius <= MAX_SIDE / 2 {
        return Ok(radius as isize);
    }
    Err(ShapeError::new(
        generator,
        format!("a radius of at most {}", MAX_SIDE / 2),
        radius.to_string(),
    ))
}

/// The quotient of `n >= 0` and `d > 0`, rounded to the nearest integer; halves go up or down.
fn rounded(n: isize, d: isize, up: bool) -> isize {
    (2 * n + d - isize::from(!up)) / (2 * d)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A flat element from rows of `#` and `.`, its origin in the middle.
    fn drawn(rows: &[&str]) -> StructuringElement {
        let size = [rows.len(), rows[0].len()];
        let set = rows.concat();
        let all = set.bytes().enumerate().filter(|(_, b)| *b == b'#');
        flat(all.map(|(n, _)| offset(size, n))).unwrap()
    }

    fn radii(f: fn(usize) -> Result<StructuringElement, ShapeError>) -> Vec<StructuringElement> {
        (0..12).map(|r| f(r).unwrap()).collect()
    }

    /// The drawings were printed by scikit-image 0.26: `morphology.disk`, `diamond`, `octagon`.
    #[test]
    fn generators_agree_with_scikit_image() {
        let disk4 = [
            "....#....",
            "..#####..",
            ".#######.",
            ".#######.",
            "#########",
            ".#######.",
            ".#######.",
            "..#####..",
            "....#....",
        ];
        let disk3 = ["...#...", ".#####.", ".#####.", "#######", ".#####.", ".#####.", "...#..."];
        let diamond3 =
            ["...#...", "..###..", ".#####.", "#######", ".#####.", "..###..", "...#..."];
        assert_eq!(StructuringElement::disk(3).unwrap(), drawn(&disk3));
        assert_eq!(StructuringElement::disk(4).unwrap(), drawn(&disk4));
        assert_eq!(StructuringElement::diamond(3).unwrap(), drawn(&diamond3));
        let octagon32 =
            ["..###..", ".#####.", "#######", "#######", "#######", ".#####.", "..###.."];
        assert_eq!(StructuringElement::octagon(3, 2).unwrap(), drawn(&octagon32));
        assert_eq!(
            StructuringElement::octagon(2, 1).unwrap(),
            drawn(&[".##.", "####", "####", ".##."])
        );
        assert_eq!(StructuringElement::octagon(1, 3).unwrap(), drawn(&diamond3));
    }

    /// The drawings were printed by `draw.line` of scikit-image 0.26, between the ends that
    /// morpholayers' `get_lines` names.
    #[test]
    fn lines_agree_with_the_reference_where_no_pixel_is_in_doubt() {
        let three = [
            ["#..", ".#.", "..#"],
            ["...", "###", "..."],
            ["..#", ".#.", "#.."],
            [".#.", ".#.", ".#."],
        ];
        let lines = StructuringElement::lines(3).unwrap();
        assert_eq!(lines, three.map(|rows| drawn(&rows)));
        let four = [
            ["#...", ".#..", "..#.", "...#"],
            ["....", "##..", "..##", "...."],
            ["....", "..##", "##..", "...."],
            ["...#", "..#.", ".#..", "#..."],
            [".#..", ".#..", "..#.", "..#."],
            ["..#.", "..#.", ".#..", ".#.."],
        ];
        assert_eq!(StructuringElement::lines(4).unwrap(), four.map(|rows| drawn(&rows)));
        // There the line passes between two pixels, and the reference takes the left one on both
        // sides: it is not symmetric.
        let five = StructuringElement::lines(5).unwrap();
        assert_eq!(five[1], drawn(&[".....", "#....", ".###.", "....#", "....."]));
        assert_eq!(five[7], drawn(&["...#.", "..#..", "..#..", "..#..", ".#..."]));
    }

    #[test]
    fn lines_of_odd_windows_are_symmetric_and_differ() {
        for k in [3, 5, 7, 9, 11] {
            let lines = StructuringElement::lines(k).unwrap();
            assert_eq!(lines.len(), 2 * k - 2);
            for (i, line) in lines.iter().enumerate() {
                assert_eq!((line.reflected(), line.count()), (line.clone(), k));
                assert!(lines[..i].iter().all(|other| other != line));
            }
        }
    }

    #[test]
    fn lines_turn_with_the_angle_and_keep_their_length() {
        let line = |degrees| StructuringElement::line(9, degrees).unwrap();
        assert_eq!(line(0.0), StructuringElement::rectangle(1, 9).unwrap());
        assert_eq!(line(90.0), StructuringElement::rectangle(9, 1).unwrap());
        assert_eq!(line(45.0).entry([-3, 3]), Some(0.0)); // up and to the right
        for degrees in -20..20 {
            let (at, opposite) =
                (line(f64::from(degrees) * 9.5), line(f64::from(degrees) * 9.5 + 180.0));
            assert_eq!((&at, at.reflected()), (&opposite, opposite.clone()), "{degrees}");
            let [h, w] = at.size().map(|n| (n - 1) as f64);
            assert!((h.hypot(w) - 8.0).abs() <= std::f64::consts::SQRT_2, "{degrees}: {h} {w}");
            assert_eq!(
                at.count(),
                at.size()[0].max(at.size()[1]),
                "{degrees}: not thin, or with a gap"
            );
        }
        assert_eq!(
            StructuringElement::line(1, 33.0).unwrap(),
            StructuringElement::square(1).unwrap()
        );
    }

    #[test]
    fn balls_are_what_their_distances_say() {
        let all =
            [StructuringElement::disk, StructuringElement::diamond, StructuringElement::cross];
        for f in all {
            let balls = radii(f);
            assert_eq!(balls[0], StructuringElement::square(1).unwrap());
            assert!(balls.iter().all(|b| b.is_flat() && b.reflected() == *b));
            assert!(balls.iter().enumerate().all(|(r, b)| b.size() == [2 * r + 1; 2]));
            assert_eq!(balls[1], drawn(&[".#.", "###", ".#."]));
        }
        assert_eq!(StructuringElement::cross(4).unwrap().count(), 17);
        assert_eq!(StructuringElement::diamond(4).unwrap().count(), 41);
        for (m, n) in [(1, 0), (2, 3), (3, 0), (4, 4), (5, 2)] {
            let (square, diamond) =
                (StructuringElement::square(m).unwrap(), StructuringElement::diamond(n).unwrap());
            assert_eq!(
                StructuringElement::octagon(m, n).unwrap(),
                square.dilated_by(&diamond).unwrap()
            );
        }
    }

    #[test]
    fn a_parabola_is_its_formula_and_squares_of_scales_add_up_as_far_as_the_grid_lets_them() {
        let parabola = StructuringElement::quadratic([5, 3], 0.5).unwrap();
        assert_eq!(
            (parabola.entry([0, 0]), parabola.entry([2, -1]), parabola.entry([0, 2])),
            (Some(0.0), Some(-5.0), None)
        );
        let q = |scale| StructuringElement::quadratic([9, 9], scale).unwrap();
        let (sum, whole) = (q(1.5).dilated_by(&q(2.0)).unwrap(), q(2.5));
        // The best way to split an offset d is 9 d / 25 and 16 d / 25, which is rarely on the grid.
        for (d, w) in whole.support() {
            let found = sum.entry(d).unwrap();
            assert!(found <= w + 1e-15 && w - found < 0.1, "{d:?}: {found} {w}");
        }
        let (sum, whole) = (q(1.0).dilated_by(&q(1.0)).unwrap(), q(2f64.sqrt()));
        // Two equal ones split even offsets into halves.
        for d in [[0, 0], [2, 0], [4, -2], [-4, 4]] {
            assert!((sum.entry(d).unwrap() - whole.entry(d).unwrap()).abs() < 1e-15);
        }
    }

    #[test]
    fn random_elements_have_as_many_pixels_as_asked_for() {
        let draw = |seed| {
            StructuringElement::random_sparse([5, 7], 11, &mut Stream::new(seed, "test", 0))
                .unwrap()
        };
        assert_eq!((draw(1).count(), draw(1).is_flat()), (11, true));
        assert_eq!(draw(1), draw(1));
        assert_ne!(draw(1), draw(2));
        let all =
            StructuringElement::random_sparse([5, 7], 35, &mut Stream::new(0, "test", 0)).unwrap();
        assert_eq!(all, StructuringElement::rectangle(5, 7).unwrap());
    }

    #[test]
    fn what_is_no_element_is_refused_by_name() {
        type E = StructuringElement;
        let refused = [
            (E::square(0), "rectangle: expected sides from 1 to 4097, found [0, 0]"),
            (E::disk(5000), "disk: expected a radius of at most 2048, found 5000"),
            (E::octagon(0, 2), "octagon: expected sides from 1 to 4097, found [0, 4]"),
            (E::line(5, f64::NAN), "line: expected a finite angle, found NaN"),
            (E::line(0, 0.0), "line: expected sides from 1 to 4097, found [0, 1]"),
            (E::quadratic([3, 3], 0.0), "quadratic: expected a positive scale, found 0"),
            (
                E::random_sparse([2, 2], 5, &mut Stream::new(0, "test", 0)),
                "random sparse: expected between 1 and 4 pixels, found 5",
            ),
        ];
        for (result, message) in refused {
            assert_eq!(result.unwrap_err().to_string(), message);
        }
        assert_eq!(
            E::lines(1).unwrap_err().to_string(),
            "lines: expected a window of at least 2 x 2, found 1"
        );
    }
}
