//! The convex-concave procedure for hyperboxes, with a certificate of each descent.
//!
//! The one design choice: the convex problem of a round is solved in its dual, a product of
//! simplices with one for each point, by block-coordinate steps of Frank and Wolfe. The linear
//! problem of a block is a maximum over faces, so that nothing of the size of all inequalities is
//! stored, and the duality gap comes with each pass.

use morphograd_nn::random::Stream;
use morphograd_nn::tensor::{ShapeError, Tensor};

use super::hyperboxes::{Hyperbox, Hyperboxes};

/// Trains [`Hyperboxes`] so that each point $x$ is nearer to a box of its class $c$ than to all
/// others by a margin $m$: it lowers
///
/// $$ F = \frac1n \sum_x \max\Bigl(0,\; m + \min_{k \in c} h_k(x) - \min_{k \notin c} h_k(x)\Bigr),
/// \qquad h_k(x) = \max_i \max(a_{ki} - x_i,\; x_i - b_{ki}) . $$
///
/// In the corners $θ = (a, b)$ every $h_k$ is convex. A round keeps the own box that is nearest
/// now, $\min_{k \in c} h_k \le h_{k^*}$, and replaces the other boxes' $h_k$ by the affine
/// function of the face that wins now, $h_k \ge \ell_k$. What results is convex, nowhere below
/// $F$, and equal to it at the present $θ_0$. With $\frac{ρ}{2} \lVert θ - θ_0 \rVert^2$ added
/// it is minimized, to a duality gap. Hence each round that is taken lowers $F$ by at least
/// $\frac{ρ}{2} \lVert θ - θ_0 \rVert^2$, and [`Rounds::remaining`] bounds what one more could
/// lower the convex function by.
///
/// Ties of boxes and of faces go to the first, a coordinate's lower face before its upper one.
/// Cost: a pass is O(n · boxes · d), memory the same.
///
/// Sources: A. L. Yuille and A. Rangarajan, *The concave-convex procedure* (2003); S.
/// Lacoste-Julien and others, *Block-coordinate Frank-Wolfe optimization for structural SVMs*
/// (2013); for morphological perceptrons V. Charisopoulos and P. Maragos (2017), I. Cunha and M. E.
/// Valle (2025), who solve linear programs.
///
/// ```
/// use morphograd_morphology::nn::tensor::Tensor;
/// use morphograd_morphology::{ConvexConcave, Hyperboxes};
///
/// // A class around another: the ring's points are beyond |x| = 2.
/// let points = Tensor::from_fn([80, 2], |i| 3.0 * ((i * i) as f64 * 0.7).sin());
/// let labels: Vec<usize> =
///     points.data().chunks(2).map(|x| usize::from(x[0].abs().max(x[1].abs()) > 2.0)).collect();
/// let mut boxes = Hyperboxes::around(&points, &labels, 4, 0)?;
/// let rounds = ConvexConcave { margin: 0.1, ..ConvexConcave::default() }
///     .fit(&mut boxes, &points, &labels)?;
/// assert!(rounds.objectives.windows(2).all(|pair| pair[1] <= pair[0]));
/// let rows = points.data().chunks(2).zip(&labels);
/// assert!(rows.filter(|(x, class)| boxes.classify(x) == **class).count() >= 76);
/// # Ok::<(), morphograd_morphology::nn::tensor::ShapeError>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct ConvexConcave {
    /// The margin $m$, in the units of the points.
    pub margin: f64,
    /// How strongly a round holds on to where it began, $ρ > 0$.
    pub proximity: f64,
    /// The most rounds.
    pub rounds: usize,
    /// The most passes of a round over the points.
    pub passes: usize,
    /// What a round has to promise to be made.
    pub tolerance: f64,
    /// Of the order of the points in a pass.
    pub seed: u64,
}

/// What [`ConvexConcave::fit`] did.
#[derive(Debug, Clone, PartialEq)]
pub struct Rounds {
    /// $F$ before the first round and after each; it does not increase.
    pub objectives: Vec<f64>,
    /// How far each round was from solving its convex problem, at most: the duality gap.
    pub gaps: Vec<f64>,
    /// By how much a further round could lower its convex function, at most. Small: a stationary
    /// point.
    pub remaining: f64,
}

impl Default for ConvexConcave {
    /// A margin of 0.5, $ρ$ = 0.02, at most 30 rounds of 60 passes, a tolerance of 1e-4.
    fn default() -> Self {
        Self { margin: 0.5, proximity: 0.02, rounds: 30, passes: 60, tolerance: 1e-4, seed: 0 }
    }
}

/// A side of a box as an affine function of one corner's coordinate, $\pm θ_p + $ offset.
#[derive(Debug, Clone, Copy)]
struct Face {
    position: usize,
    sign: f64,
    offset: f64,
}

impl Face {
    fn at(self, theta: &[f64]) -> f64 {
        self.sign * theta[self.position] + self.offset
    }
}

/// A point with what a round keeps of it: the own box, and the winning face of each other box.
struct Kept<'a> {
    point: &'a [f64],
    own: usize,
    others: Vec<Face>,
}

/// The convex problem of a round.
struct Majorant<'a> {
    settings: ConvexConcave,
    start: &'a [f64],
    kept: Vec<Kept<'a>>,
}

/// A point of the dual: the step it leads to, and its affine part.
struct Dual {
    step: Vec<f64>,
    affine: f64,
}

impl ConvexConcave {
    /// Moves the corners.
    ///
    /// # Errors
    /// If there is not a label for each point, a number is not finite, there are fewer than two
    /// classes, the corners have other coordinates, a label has no box or all of them, or the
    /// proximity is not above 0, or the margin or tolerance not a finite number of at least 0.
    /// Nothing has changed then.
    pub fn fit(
        &self,
        boxes: &mut Hyperboxes,
        points: &Tensor<f64>,
        labels: &[usize],
    ) -> Result<Rounds, ShapeError> {
        boxes.check(points, labels)?;
        let settings = [self.margin, self.proximity, self.tolerance];
        if !(settings.iter().all(|x| *x >= 0.0 && x.is_finite()) && self.proximity > 0.0) {
            let expected = "finite margin, proximity and tolerance >= 0, and a proximity above 0";
            return Err(ShapeError::new("convex-concave", expected, format!("{settings:?}")));
        }
        let objective = |boxes: &Hyperboxes| boxes.hinge(points, labels, self.margin);
        let mut rounds =
            Rounds { objectives: vec![objective(boxes)?], gaps: Vec::new(), remaining: 0.0 };
        let mut stream = Stream::new(self.seed, "convex-concave", 0);
        loop {
            let theta = corners(boxes);
            let before = *rounds.objectives.last().unwrap_or(&0.0);
            let majorant = self.majorant(boxes, &theta, points, labels);
            let (next, value, bound) = majorant.minimize(before, &mut stream);
            rounds.remaining = (before - bound).max(0.0);
            let is_last = rounds.gaps.len() == self.rounds || rounds.remaining <= self.tolerance;
            if is_last || value >= before {
                return Ok(rounds);
            }
            set_corners(boxes, &next);
            let after = objective(boxes)?;
            debug_assert!(after <= value + 1e-9 * (1.0 + value), "{after} above {value}");
            // Equal but for rounding: there is nothing to win.
            if after > before {
                set_corners(boxes, &theta);
                return Ok(rounds);
            }
            rounds.objectives.push(after);
            rounds.gaps.push((value - bound).max(0.0));
        }
    }

    fn majorant<'a>(
        &self,
        boxes: &Hyperboxes,
        start: &'a [f64],
        points: &'a Tensor<f64>,
        labels: &[usize],
    ) -> Majorant<'a> {
        let d = points.shape().dims()[1];
        let keep = |(point, class): (&'a [f64], &usize)| {
            let own = boxes.nearest(point, |own| own.class == *class).map_or(0, |(k, _)| k);
            let others = boxes.boxes.iter().enumerate().filter(|(_, other)| other.class != *class);
            let others = others.map(|(k, _)| winner(k, point, start)).collect();
            Kept { point, own, others }
        };
        let kept = points.data().chunks_exact(d).zip(labels).map(keep).collect();
        Majorant { settings: *self, start, kept }
    }
}

impl Majorant<'_> {
    /// The two faces that make a point's term, where it is above 0.
    fn row(&self, kept: &Kept<'_>, theta: &[f64]) -> Option<(f64, [Face; 2])> {
        let out = winner(kept.own, kept.point, theta);
        let near = kept
            .others
            .iter()
            .copied()
            .reduce(|a, b| if b.at(theta) < a.at(theta) { b } else { a })?;
        let value = self.settings.margin + out.at(theta) - near.at(theta);
        (value > 0.0).then_some((value, [out, near]))
    }

    /// The convex function.
    fn value(&self, theta: &[f64]) -> f64 {
        let rows = self.kept.iter().filter_map(|kept| self.row(kept, theta));
        let mean = rows.map(|(value, _)| value).sum::<f64>() / self.kept.len() as f64;
        let square = theta.iter().zip(self.start).map(|(t, s)| (t - s).powi(2)).sum::<f64>();
        mean + 0.5 * self.settings.proximity * square
    }

    /// A point, the convex function there, and a lower bound of it everywhere; `before` is the
    /// value at the start.
    fn minimize(&self, before: f64, stream: &mut Stream) -> (Vec<f64>, f64, f64) {
        let ConvexConcave { margin, proximity, passes, tolerance, .. } = self.settings;
        let (n, size) = (self.kept.len() as f64, self.start.len());
        let mut blocks: Vec<Dual> =
            self.kept.iter().map(|_| Dual { step: vec![0.0; size], affine: 0.0 }).collect();
        let (mut all, mut theta) =
            (Dual { step: vec![0.0; size], affine: 0.0 }, self.start.to_vec());
        let mut order: Vec<usize> = (0..blocks.len()).collect();
        let mut direction = vec![0.0; size];
        let (mut best, mut least, mut bound) = (theta.clone(), before, f64::NEG_INFINITY);
        for _ in 0..passes.max(1) {
            stream.shuffle(&mut order);
            for j in &order {
                // The vertex of the block: the row that is largest now.
                let block = &mut blocks[*j];
                direction.iter_mut().zip(&block.step).for_each(|(d, v)| *d = -v);
                let mut affine = -block.affine;
                if let Some((_, [out, near])) = self.row(&self.kept[*j], &theta) {
                    direction[out.position] -= out.sign / (proximity * n);
                    direction[near.position] += near.sign / (proximity * n);
                    affine += (margin + out.at(self.start) - near.at(self.start)) / n;
                }
                let square = dot(&direction, &direction);
                if square == 0.0 {
                    continue;
                }
                let slope = affine - proximity * dot(&all.step, &direction);
                let share = (slope / (proximity * square)).clamp(0.0, 1.0);
                for (i, d) in direction.iter().enumerate().filter(|(_, d)| **d != 0.0) {
                    block.step[i] += share * d;
                    all.step[i] += share * d;
                    theta[i] = self.start[i] + all.step[i];
                }
                block.affine += share * affine;
                all.affine += share * affine;
            }
            let value = self.value(&theta);
            bound = bound.max(all.affine - 0.5 * proximity * dot(&all.step, &all.step));
            if value < least {
                least = value;
                best.copy_from_slice(&theta);
            }
            // Nothing to win, or most of what there is to win is won.
            if before - bound <= tolerance || before - least >= 0.9 * (before - bound) {
                break;
            }
        }
        (best, least, bound)
    }
}

/// The corners of all boxes, one box after the other, the lower one first.
fn corners(boxes: &Hyperboxes) -> Vec<f64> {
    let both = |own: &Hyperbox| own.lower.iter().chain(&own.upper).copied().collect::<Vec<_>>();
    boxes.boxes.iter().flat_map(both).collect()
}

fn set_corners(boxes: &mut Hyperboxes, theta: &[f64]) {
    let mut rest = theta;
    for own in &mut boxes.boxes {
        for corner in [&mut own.lower, &mut own.upper] {
            let (first, tail) = rest.split_at(corner.len());
            corner.copy_from_slice(first);
            rest = tail;
        }
    }
}

/// The face that makes the distance of a box.
fn winner(k: usize, point: &[f64], theta: &[f64]) -> Face {
    let (d, first) = (point.len(), 2 * k * point.len());
    let mut best = Face { position: first, sign: 1.0, offset: -point[0] };
    let mut largest = best.at(theta);
    for (i, x) in point.iter().enumerate() {
        for face in [
            Face { position: first + i, sign: 1.0, offset: -x },
            Face { position: first + d + i, sign: -1.0, offset: *x },
        ] {
            let value = face.at(theta);
            if value > largest {
                (best, largest) = (face, value);
            }
        }
    }
    best
}

fn dot(a: &[f64], b: &[f64]) -> f64 {
    a.iter().zip(b).map(|(a, b)| a * b).sum()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::collection::vec;
    use proptest::prelude::*;

    const D: usize = 2;

    /// Points of three classes, boxes of each, and others of the same number.
    fn problem() -> impl Strategy<Value = (Tensor<f64>, Vec<usize>, Hyperboxes, Vec<f64>)> {
        let coordinate = prop_oneof![-2.0..2.0f64, (-4..5i8).prop_map(|i| f64::from(i) / 2.0)];
        (vec(coordinate.clone(), 12 * D), vec(coordinate.clone(), 8 * D), vec(coordinate, 8 * D))
            .prop_map(|(points, corners, other)| {
                let corner = |k: usize| corners[k * D..][..D].to_vec();
                let boxes = [0, 0, 1, 2].iter().enumerate().map(|(k, class)| Hyperbox {
                    class: *class,
                    lower: corner(2 * k),
                    upper: corner(2 * k + 1),
                });
                let labels = (0..12).map(|i| i % 3).collect();
                let points = Tensor::from_vec([12, D], points).unwrap();
                (points, labels, Hyperboxes { boxes: boxes.collect() }, other)
            })
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]

        #[test]
        fn the_convex_function_is_nowhere_below_the_objective_and_equal_at_the_start(
            (points, labels, boxes, other) in problem(),
            margin in 0.0..1.0f64,
        ) {
            let settings = ConvexConcave { margin, ..ConvexConcave::default() };
            let start = corners(&boxes);
            let majorant = settings.majorant(&boxes, &start, &points, &labels);
            let now = boxes.hinge(&points, &labels, margin).unwrap();
            prop_assert!((majorant.value(&start) - now).abs() < 1e-12);
            let mut elsewhere = boxes.clone();
            set_corners(&mut elsewhere, &other);
            prop_assert_eq!(corners(&elsewhere), other.clone());
            let there = elsewhere.hinge(&points, &labels, margin).unwrap();
            let square: f64 = other.iter().zip(&start).map(|(a, b)| (a - b).powi(2)).sum();
            let near = 0.5 * settings.proximity * square;
            prop_assert!(there + near <= majorant.value(&other) + 1e-12);
            // Convex along the line between the two.
            let middle: Vec<f64> = other.iter().zip(&start).map(|(a, b)| 0.5 * (a + b)).collect();
            let mean = 0.5 * (majorant.value(&start) + majorant.value(&other));
            prop_assert!(majorant.value(&middle) <= mean + 1e-12);
        }

        #[test]
        fn the_bound_is_below_the_convex_function_everywhere_and_is_reached(
            (points, labels, boxes, other) in problem(),
        ) {
            let settings = ConvexConcave {
                proximity: 0.2,
                passes: 3000,
                tolerance: 0.0,
                ..ConvexConcave::default()
            };
            let start = corners(&boxes);
            let majorant = settings.majorant(&boxes, &start, &points, &labels);
            let before = majorant.value(&start);
            let (found, value, bound) = majorant.minimize(before, &mut Stream::new(0, "test", 0));
            prop_assert!((value - majorant.value(&found)).abs() < 1e-12);
            prop_assert!(bound <= value + 1e-12 && bound <= majorant.value(&other) + 1e-12);
            prop_assert!(value <= before);
            let promised = before - bound;
            prop_assert!(before - value >= 0.9 * promised - 1e-9, "{before} {value} {bound}");
        }

        #[test]
        fn no_round_raises_the_objective(
            (points, labels, mut boxes, _) in problem(),
            margin in 0.0..1.0f64,
            proximity in 0.01..1.0f64,
            passes in 1..20usize,
        ) {
            let settings = ConvexConcave { margin, proximity, passes, ..ConvexConcave::default() };
            let before = boxes.hinge(&points, &labels, margin).unwrap();
            let rounds = settings.fit(&mut boxes, &points, &labels).unwrap();
            prop_assert_eq!(rounds.objectives[0], before);
            prop_assert!(rounds.objectives.windows(2).all(|pair| pair[1] <= pair[0]));
            let last = boxes.hinge(&points, &labels, margin).unwrap();
            prop_assert_eq!(rounds.objectives.last(), Some(&last));
            prop_assert_eq!(rounds.gaps.len() + 1, rounds.objectives.len());
            prop_assert!(rounds.remaining >= 0.0);
        }
    }
}
