//! Classifiers by hyperboxes: a morphological perceptron with a competitive layer.
//!
//! The one design choice: a point's score for a box is its signed distance in the maximum norm, one
//! max-plus product of the point and its negative; the smallest wins, the first of equal ones.

use morphograd_nn::random::Stream;
use morphograd_nn::tensor::{ShapeError, Tensor};

/// A box of one class.
#[derive(Debug, Clone, PartialEq)]
pub struct Hyperbox {
    /// The class.
    pub class: usize,
    /// The corner of the least coordinates, $a$.
    pub lower: Vec<f64>,
    /// The corner of the largest, $b$.
    pub upper: Vec<f64>,
}

/// Boxes that compete for a point: its class is that of the box it is deepest in, or nearest to.
///
/// With $h_k(x) = \max_i \max(a_{ki} - x_i, x_i - b_{ki})$ for box $k$, which is the distance in
/// the maximum norm outside and at most 0 inside, the class is that of $\arg\min_k h_k(x)$. $-h_k$
/// is the erosion $\min_i (x_i - a_{ki}) \wedge \min_i (b_{ki} - x_i)$. Cost: 2 d for each box.
///
/// Source: P. Sussner and E. L. Esmi, *Morphological perceptrons with competitive learning* (2011);
/// [`ConvexConcave`](crate::ConvexConcave) trains them.
///
/// ```
/// use morphograd_morphology::{Hyperbox, Hyperboxes};
/// let boxes = Hyperboxes {
///     boxes: vec![
///         Hyperbox { class: 0, lower: vec![0.0, 0.0], upper: vec![2.0, 2.0] },
///         Hyperbox { class: 1, lower: vec![3.0, 0.0], upper: vec![5.0, 1.0] },
///     ],
/// };
/// assert_eq!(boxes.boxes[0].distance(&[1.5, 1.0]), -0.5);
/// assert_eq!(boxes.boxes[1].distance(&[1.5, 1.0]), 1.5);
/// assert_eq!((boxes.classify(&[1.5, 1.0]), boxes.classify(&[2.75, 0.5])), (0, 1));
/// ```
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Hyperboxes {
    /// The boxes.
    pub boxes: Vec<Hyperbox>,
}

impl Hyperbox {
    /// $\max_i \max(a_i - x_i, x_i - b_i)$.
    pub fn distance(&self, point: &[f64]) -> f64 {
        let sides = point.iter().zip(&self.lower).zip(&self.upper);
        sides.map(|((x, a), b)| (a - x).max(x - b)).fold(f64::NEG_INFINITY, f64::max)
    }

    /// The least box around points, of which there has to be one.
    fn around(class: usize, points: &[&[f64]]) -> Self {
        let (mut lower, mut upper) = (points[0].to_vec(), points[0].to_vec());
        for point in points {
            for ((a, b), x) in lower.iter_mut().zip(&mut upper).zip(*point) {
                (*a, *b) = (a.min(*x), b.max(*x));
            }
        }
        Self { class, lower, upper }
    }
}

impl Hyperboxes {
    /// `per_class` boxes for each class of points `[n, d]`: the least ones around the clusters that
    /// Lloyd's algorithm finds, at most 50 rounds from a start by k-means++ (Arthur and
    /// Vassilvitskii, 2007). A class with fewer points, or whose clusters become empty, has fewer
    /// boxes. Cost: O(rounds · n · `per_class` · d).
    ///
    /// # Errors
    /// If there is not a label for each point, a number is not finite, or there are fewer than two
    /// classes or no boxes.
    pub fn around(
        points: &Tensor<f64>,
        labels: &[usize],
        per_class: usize,
        seed: u64,
    ) -> Result<Self, ShapeError> {
        check_points(points, labels)?;
        if per_class == 0 {
            return Err(ShapeError::new(NAME, "at least one box for each class", "0"));
        }
        let d = points.shape().dims()[1];
        let classes = labels.iter().max().map_or(0, |largest| largest + 1);
        let mut boxes = Vec::new();
        for class in 0..classes {
            let rows = points.data().chunks_exact(d).zip(labels);
            let own: Vec<&[f64]> = rows.filter(|(_, c)| **c == class).map(|(x, _)| x).collect();
            let mut stream = Stream::new(seed, "hyperboxes", class as u64);
            for cluster in clusters(&own, per_class.min(own.len()), &mut stream) {
                boxes.push(Hyperbox::around(class, &cluster));
            }
        }
        Ok(Self { boxes })
    }

    /// The class of the box with the smallest distance, 0 without boxes.
    pub fn classify(&self, point: &[f64]) -> usize {
        self.nearest(point, |_| true).map_or(0, |(k, _)| self.boxes[k].class)
    }

    /// The first box with the smallest distance, and this, of those that are chosen.
    pub(crate) fn nearest(
        &self,
        point: &[f64],
        choose: impl Fn(&Hyperbox) -> bool,
    ) -> Option<(usize, f64)> {
        let chosen = self.boxes.iter().enumerate().filter(|(_, own)| choose(own));
        chosen.map(|(k, own)| (k, own.distance(point))).reduce(|a, b| if b.1 < a.1 { b } else { a })
    }

    /// The mean over the points of $\max(0, m + \min_{k \in c} h_k(x) - \min_{k \notin c} h_k(x))$
    /// for the label $c$ and a margin $m$: what [`ConvexConcave`](crate::ConvexConcave) lowers. A
    /// point that is classified wrongly costs at least $m$.
    ///
    /// # Errors
    /// As of [`ConvexConcave::fit`](crate::ConvexConcave::fit).
    pub fn hinge(
        &self,
        points: &Tensor<f64>,
        labels: &[usize],
        margin: f64,
    ) -> Result<f64, ShapeError> {
        self.check(points, labels)?;
        let d = points.shape().dims()[1];
        let loss = |(x, class): (&[f64], &usize)| {
            let own = self.nearest(x, |b| b.class == *class).map_or(f64::INFINITY, |b| b.1);
            let other = self.nearest(x, |b| b.class != *class).map_or(f64::INFINITY, |b| b.1);
            (margin + own - other).max(0.0)
        };
        let sum: f64 = points.data().chunks_exact(d).zip(labels).map(loss).sum();
        Ok(sum / labels.len() as f64)
    }

    /// Whether points and boxes belong together, and each label has boxes of its own and others.
    pub(crate) fn check(&self, points: &Tensor<f64>, labels: &[usize]) -> Result<(), ShapeError> {
        check_points(points, labels)?;
        let d = points.shape().dims()[1];
        for own in &self.boxes {
            if own.lower.len() != d || own.upper.len() != d {
                let found = format!("{} and {}", own.lower.len(), own.upper.len());
                return Err(ShapeError::new(NAME, format!("corners of {d} coordinates"), found));
            }
        }
        let is_own = |class: usize| self.boxes.iter().filter(move |own| own.class == class).count();
        for class in labels {
            let own = is_own(*class);
            if own == 0 || own == self.boxes.len() {
                let expected = format!("boxes of class {class} and of another");
                return Err(ShapeError::new(
                    NAME,
                    expected,
                    format!("{own} of {}", self.boxes.len()),
                ));
            }
        }
        Ok(())
    }
}

const NAME: &str = "hyperboxes";

fn check_points(points: &Tensor<f64>, labels: &[usize]) -> Result<(), ShapeError> {
    let shape = points.shape();
    let &[n, d] = shape.dims() else {
        return Err(ShapeError::new(NAME, "points [n, d]", format!("shape {shape}")));
    };
    if n != labels.len() || d == 0 {
        let found = format!("shape {shape} and {} labels", labels.len());
        return Err(ShapeError::new(NAME, "a label for each point [n, d], d > 0", found));
    }
    if let Some(x) = points.data().iter().find(|x| !x.is_finite()) {
        return Err(ShapeError::new(NAME, "points of finite numbers", x.to_string()));
    }
    if labels.iter().all(|class| *class == labels[0]) {
        return Err(ShapeError::new(NAME, "points of two classes at least", "one or none"));
    }
    Ok(())
}

/// Lloyd's algorithm; no cluster is empty.
fn clusters<'a>(points: &[&'a [f64]], count: usize, stream: &mut Stream) -> Vec<Vec<&'a [f64]>> {
    const ROUNDS: usize = 50;
    let square = |a: &[f64], b: &[f64]| a.iter().zip(b).map(|(a, b)| (a - b).powi(2)).sum::<f64>();
    let mut centres: Vec<Vec<f64>> = Vec::new();
    while centres.len() < count {
        // k-means++: the next one by the squared distances to those there are.
        let far = |x: &&[f64]| {
            centres.iter().map(|c| square(x, c)).fold(f64::INFINITY, f64::min).min(1e300)
        };
        let weights: Vec<f64> = points.iter().map(far).collect();
        let mut left = stream.uniform() * weights.iter().sum::<f64>();
        let next = weights.iter().position(|w| {
            left -= w;
            left < 0.0
        });
        // Rounding may leave something; all weights are 0 where every point is a centre.
        let last = || weights.iter().rposition(|w| *w > 0.0);
        let Some(next) = next.or_else(last) else { break };
        centres.push(points[next].to_vec());
    }
    let mut last = Vec::new();
    for _ in 0..ROUNDS {
        let nearest = |x: &&[f64]| {
            let distances = centres.iter().map(|c| square(x, c)).enumerate();
            distances.reduce(|a, b| if b.1 < a.1 { b } else { a }).map_or(0, |(k, _)| k)
        };
        let now: Vec<usize> = points.iter().map(nearest).collect();
        if now == last {
            break;
        }
        for (k, centre) in centres.iter_mut().enumerate() {
            let own = || points.iter().zip(&now).filter(|(_, j)| **j == k).map(|(x, _)| x);
            let n = own().count() as f64;
            if n > 0.0 {
                for (i, c) in centre.iter_mut().enumerate() {
                    *c = own().map(|x| x[i]).sum::<f64>() / n;
                }
            }
        }
        last = now;
    }
    let own = |k| points.iter().zip(&last).filter(|(_, j)| **j == k).map(|(x, _)| *x).collect();
    (0..centres.len()).map(own).filter(|cluster: &Vec<_>| !cluster.is_empty()).collect()
}
