//! Polyhedra: the points that satisfy several linear inequalities.
//!
//! The one design choice: an active-set method on the dual, which ends after finitely many
//! exchanges at the exact projection, instead of an iteration that approaches it. Source: C. Lawson
//! and R. Hanson, *Solving least squares problems* (1974); the exchange at dependent rows is that
//! of D. Goldfarb and A. Idnani (1983).

use crate::{Capabilities, Constraint, Kind};
use morphograd_tensor::{Real, Shape, ShapeError};

use crate::numeric::{forgive, larger, rounding};
use crate::until_inside::project_until_inside;

/// $\{ w : a_j \cdot w \le b_j \text{ for every } j \}$, by the multipliers $\lambda \ge 0$ with
/// $v = w - M^{-1} A^\top \lambda$ feasible and $\lambda_j (a_j \cdot v - b_j) = 0$. Convex; exact
/// in every diagonal metric.
///
/// An inequality on one entry is a bound, at which the entry is clipped. One on several entries is
/// solved for with numbers of the size of the whole value. So `violation` forgives in it, beside
/// the rounding of its own terms, 1e-12 of what it could come to: $\sum_i |a_i| \max_k |w_k| +
/// |b|$. Where nothing but rounding is left of all entries, as at the corner of a cone, they become
/// 0.
///
/// Cost: one exchange for each inequality that becomes active, each O(p³ + the entries of the rows)
/// for p active ones; nothing but a test where the value is inside. It takes memory.
///
/// ```
/// use morphograd_sets::{Constraint, Polyhedron};
/// // A sequence without an upward bend: second differences <= 0.
/// let concave =
///     Polyhedron::new(4, (1..3).map(|i| (vec![(i - 1, 1.0), (i, -2.0), (i + 1, 1.0)], 0.0)))?;
/// let mut w = [0.0f64, 3.0, 0.0, 3.0];
/// concave.project([4].into(), &mut w);
/// let close = |(found, expected): (&f64, f64)| (found - expected).abs() < 1e-12;
/// assert!(w.iter().zip([0.0, 2.0, 2.0, 2.0]).all(close));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone, PartialEq)]
pub struct Polyhedron {
    n: usize,
    rows: Vec<Row>,
}

/// The entries of a normal that are not 0, by position, and the offset.
#[derive(Debug, Clone, PartialEq)]
struct Row {
    entries: Vec<(usize, f64)>,
    offset: f64,
}

/// What a projection of [`Polyhedron`] can show for itself.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Optimality {
    /// The largest amount by which an inequality is missed.
    pub violation: f64,
    /// $\sum_j \lambda_j |b_j - a_j \cdot v|$, the duality gap: for a feasible result its square
    /// root bounds the distance (in the metric) to the projection.
    pub gap: f64,
    /// Multipliers above 0.
    pub active: usize,
    /// Exchanges made.
    pub exchanges: usize,
}

impl Row {
    fn dot(&self, w: &[f64]) -> f64 {
        self.entries.iter().map(|(i, a)| a * w[*i]).sum()
    }

    /// The sum of the magnitudes of what is compared.
    fn size(&self, w: &[f64]) -> f64 {
        self.entries.iter().map(|(i, a)| (a * w[*i]).abs()).sum::<f64>() + self.offset.abs()
    }

    /// What it could come to where no entry is larger.
    fn size_at_most(&self, largest: f64) -> f64 {
        self.entries.iter().map(|(_, a)| a.abs()).sum::<f64>() * largest + self.offset.abs()
    }

    /// What is forgiven in values of the type; `largest` is their largest entry.
    fn slack<T: Real>(&self, w: &[f64], largest: f64) -> f64 {
        let solved =
            if self.entries.len() > 1 { TOLERANCE * self.size_at_most(largest) } else { 0.0 };
        rounding::<T>(self.entries.len()) * self.size(w) + solved
    }

    /// Moves the entry of a bound there if it is beyond it.
    fn clip(&self, w: &mut [f64]) {
        let &[(i, a)] = &self.entries[..] else { return };
        // Plus 0, so that no zero is negative.
        let bound = self.offset / a + 0.0;
        if if a > 0.0 { w[i] > bound } else { w[i] < bound } {
            w[i] = bound;
        }
    }

    fn product(&self, other: &Self, inverse_weight: impl Fn(usize) -> f64) -> f64 {
        let (mut sum, mut next) = (0.0, other.entries.iter().peekable());
        for (i, a) in &self.entries {
            while next.next_if(|(j, _)| j < i).is_some() {}
            if let Some((_, b)) = next.next_if(|(j, _)| j == i) {
                sum += a * b * inverse_weight(*i);
            }
        }
        sum
    }
}

impl Polyhedron {
    /// Inequalities on `n` entries: for each, the entries of its normal by position (row-major),
    /// and its offset.
    ///
    /// # Errors
    /// If a position is not below `n` or is there twice, a number is not finite, a normal is 0, or
    /// no point satisfies them all.
    pub fn new(
        n: usize,
        rows: impl IntoIterator<Item = (Vec<(usize, f64)>, f64)>,
    ) -> Result<Self, ShapeError> {
        let mut all = Vec::new();
        for (mut entries, offset) in rows {
            entries.retain(|(_, a)| *a != 0.0);
            entries.sort_by_key(|(i, _)| *i);
            let finite = entries.iter().all(|(_, a)| a.is_finite()) && offset.is_finite();
            let distinct = entries.windows(2).all(|pair| pair[0].0 != pair[1].0);
            if !finite || !distinct || entries.is_empty() || entries.iter().any(|(i, _)| *i >= n) {
                let expected =
                    format!("finite rows that are not 0, of distinct positions below {n}");
                return Err(ShapeError::new(
                    NAME,
                    expected,
                    format!("{entries:?} with offset {offset}"),
                ));
            }
            all.push(Row { entries, offset });
        }
        let set = Self { n, rows: all };
        let mut point = vec![0.0; n];
        set.project([n].into(), &mut point);
        let missed = set.violation([n].into(), &point);
        if missed == 0.0 {
            return Ok(set);
        }
        let found = format!("a point that misses one by {missed} at best");
        Err(ShapeError::new(NAME, "inequalities that one point satisfies", found))
    }

    /// Projects, in the metric if there is one, and returns the proof. A value with a number that
    /// is not finite becomes NaN.
    ///
    /// # Panics
    /// If the value or the metric does not have as many entries as the set's points.
    pub fn project_with_proof(&self, metric: Option<&[f64]>, value: &mut [f64]) -> Optimality {
        assert!(
            value.len() == self.n && metric.is_none_or(|m| m.len() == self.n),
            "{} entries",
            self.n
        );
        if !value.iter().all(|w| w.is_finite()) {
            value.fill(f64::NAN);
            return Optimality { violation: f64::NAN, gap: f64::NAN, active: 0, exchanges: 0 };
        }
        let inverse_weight = |i: usize| metric.map_or(1.0, |m| 1.0 / m[i]);
        let start = value.to_vec();
        let mut active = Active {
            set: self,
            inverse_weight,
            start: &start,
            rows: Vec::new(),
            multipliers: Vec::new(),
        };
        let mut refused = vec![false; self.rows.len()];
        // What the terms of a row can come to: its value is known to the rounding of that.
        let largest = largest_of(&start).max(f64::MIN_POSITIVE);
        let sizes: Vec<f64> = self.rows.iter().map(|row| row.size_at_most(largest)).collect();
        let mut exchanges = 0;
        while exchanges < 20 * (self.n + self.rows.len()) {
            // The row that is missed by most, of those without a multiplier.
            let mut worst = (0.0, None);
            for (j, row) in self.rows.iter().enumerate() {
                let relative = (row.dot(value) - row.offset) / sizes[j];
                if relative > worst.0 && !refused[j] && !active.rows.contains(&j) {
                    worst = (relative, Some(j));
                }
            }
            let Some(entering) = worst.1.filter(|_| worst.0 > 64.0 * f64::EPSILON) else { break };
            exchanges += 1;
            if active.enter(entering, value) {
                refused.fill(false);
            } else {
                refused[entering] = true;
            }
            active.write(value);
        }
        self.rows.iter().for_each(|row| row.clip(value));
        let missed = |row: &Row| row.dot(value) - row.offset;
        Optimality {
            violation: self.rows.iter().fold(0.0, |worst, row| larger(worst, missed(row))),
            gap: active
                .rows
                .iter()
                .zip(&active.multipliers)
                .map(|(j, l)| l * missed(&self.rows[*j]).abs())
                .sum(),
            active: active.multipliers.iter().filter(|l| **l > 0.0).count(),
            exchanges,
        }
    }

    /// Projects, in the metric if there is one, until the value is inside.
    fn project_all<T: Real>(&self, metric: Option<&[f64]>, value: &mut [T]) {
        let shape = Shape::from([self.n]);
        let contains_zero = self.rows.iter().all(|row| row.offset >= 0.0);
        let mut passes = 0;
        project_until_inside(self, shape, value, |value| {
            let mut w: Vec<f64> = value.iter().map(|w| w.f64()).collect();
            let before = largest_of(&w);
            self.project_with_proof(metric, &mut w);
            // The first pass leaves the rounding of what there was. If the second leaves the
            // rounding of that, there is nothing else.
            if passes > 0 && contains_zero && largest_of(&w) < 1e-8 * before {
                w.fill(0.0);
            }
            passes += 1;
            value.iter_mut().zip(w).for_each(|(v, w)| *v = T::of(w));
        });
    }

    /// The rows that a point meets with equality, as inequalities on directions.
    fn tangent<T: Real>(&self, at: &[T]) -> Self {
        let at: Vec<f64> = at.iter().map(|w| w.f64()).collect();
        let largest = largest_of(&at);
        let is_tight = |row: &&Row| row.dot(&at) - row.offset >= -row.slack::<T>(&at, largest);
        let rows = self.rows.iter().filter(is_tight);
        let rows = rows.map(|row| Row { entries: row.entries.clone(), offset: 0.0 });
        Self { n: self.n, rows: rows.collect() }
    }
}

/// The rows with a multiplier, and what it is.
struct Active<'a, G> {
    set: &'a Polyhedron,
    inverse_weight: G,
    start: &'a [f64],
    rows: Vec<usize>,
    multipliers: Vec<f64>,
}

impl<G: Fn(usize) -> f64> Active<'_, G> {
    /// Gives a row that is missed a multiplier, and takes those away that would become negative;
    /// false, without the row, if rounding leaves nothing to do.
    fn enter(&mut self, row: usize, value: &mut [f64]) -> bool {
        self.rows.push(row);
        self.multipliers.push(0.0);
        // Dependent on the others: the value cannot move before one of them has left.
        while !self.is_independent() {
            if self.exchange().is_none() {
                self.rows.pop();
                self.multipliers.pop();
                return false;
            }
        }
        loop {
            let wanted = self.solve(value);
            if let Some(last) = self.rows.iter().position(|j| *j == row)
                && self.multipliers[last] == 0.0
                && (wanted[last] <= 0.0 || wanted[last].is_nan())
            {
                self.rows.remove(last);
                self.multipliers.remove(last);
                return false;
            }
            // The first multiplier to reach 0 on the way.
            let mut step = 1.0;
            let mut leaving = None;
            for (k, (l, z)) in self.multipliers.iter().zip(&wanted).enumerate() {
                if *z <= 0.0 && l / (l - z) < step {
                    (step, leaving) = (l / (l - z), Some(k));
                }
            }
            for (l, z) in self.multipliers.iter_mut().zip(&wanted) {
                *l = (*l + step * (z - *l)).max(0.0);
            }
            let Some(leaving) = leaving else { return true };
            self.rows.remove(leaving);
            self.multipliers.remove(leaving);
        }
    }

    /// The last row is a combination of the others: its multiplier grows at their expense until one
    /// of theirs is 0, which leaves. `None` if none of them shrinks: then no point satisfies all.
    fn exchange(&mut self) -> Option<()> {
        let last = self.rows.len() - 1;
        let products: Vec<f64> = (0..last).map(|k| self.product(k, last)).collect();
        let factor = self.factor(last)?;
        let parts = solve_factored(&factor, products);
        let mut step = f64::INFINITY;
        let mut leaving = None;
        for (k, part) in parts.iter().enumerate() {
            if *part > 1e-12 && self.multipliers[k] / part < step {
                (step, leaving) = (self.multipliers[k] / part, Some(k));
            }
        }
        let leaving = leaving?;
        for (l, part) in self.multipliers.iter_mut().zip(&parts) {
            *l = (*l - step * part).max(0.0);
        }
        self.multipliers[last] = step;
        self.rows.remove(leaving);
        self.multipliers.remove(leaving);
        Some(())
    }

    fn product(&self, k: usize, l: usize) -> f64 {
        self.set.rows[self.rows[k]].product(&self.set.rows[self.rows[l]], &self.inverse_weight)
    }

    fn is_independent(&self) -> bool {
        self.factor(self.rows.len()).is_some()
    }

    /// The Cholesky factor of the products of the first rows, row after row; `None` if one depends
    /// on those before.
    fn factor(&self, count: usize) -> Option<Vec<Vec<f64>>> {
        let mut factor: Vec<Vec<f64>> = Vec::with_capacity(count);
        for k in 0..count {
            let mut row = Vec::with_capacity(k + 1);
            for l in 0..k {
                let other = &factor[l];
                let sum: f64 = (0..l).map(|i| row[i] * other[i]).sum::<f64>();
                row.push((self.product(k, l) - sum) / other[l]);
            }
            let square = self.product(k, k);
            let left = square - row.iter().map(|x| x * x).sum::<f64>();
            if left <= 1e-11 * square || left.is_nan() {
                return None;
            }
            row.push(left.sqrt());
            factor.push(row);
        }
        Some(factor)
    }

    /// The multipliers for which every active row is met with equality, refined twice. `value` is
    /// overwritten.
    fn solve(&self, value: &mut [f64]) -> Vec<f64> {
        let Some(factor) = self.factor(self.rows.len()) else { return self.multipliers.clone() };
        let mut multipliers = self.multipliers.clone();
        for _ in 0..3 {
            self.point(&multipliers, value);
            let missed =
                self.rows.iter().map(|j| self.set.rows[*j].dot(value) - self.set.rows[*j].offset);
            let correction = solve_factored(&factor, missed.collect());
            multipliers.iter_mut().zip(correction).for_each(|(l, c)| *l += c);
        }
        multipliers
    }

    fn write(&self, value: &mut [f64]) {
        self.point(&self.multipliers, value);
    }

    /// $w - M^{-1} A^\top \lambda$.
    fn point(&self, multipliers: &[f64], value: &mut [f64]) {
        value.copy_from_slice(self.start);
        for (j, l) in self.rows.iter().zip(multipliers) {
            for (i, a) in &self.set.rows[*j].entries {
                value[*i] -= l * a * (self.inverse_weight)(*i);
            }
        }
    }
}

/// Solves $L L^\top x = y$.
fn solve_factored(factor: &[Vec<f64>], mut y: Vec<f64>) -> Vec<f64> {
    for k in 0..y.len() {
        let sum: f64 = (0..k).map(|l| factor[k][l] * y[l]).sum();
        y[k] = (y[k] - sum) / factor[k][k];
    }
    for k in (0..y.len()).rev() {
        let sum: f64 = (k + 1..y.len()).map(|l| factor[l][k] * y[l]).sum();
        y[k] = (y[k] - sum) / factor[k][k];
    }
    y
}

/// The largest magnitude of an entry that is finite.
fn largest_of(w: &[f64]) -> f64 {
    w.iter().map(|w| w.abs()).filter(|w| w.is_finite()).fold(0.0, f64::max)
}

const NAME: &str = "polyhedron";

/// What an inequality on several entries is solved to, relative to what it could come to.
const TOLERANCE: f64 = 1e-12;

impl<T: Real> Constraint<T> for Polyhedron {
    fn project(&self, _: Shape, value: &mut [T]) {
        self.project_all(None, value);
    }

    fn violation(&self, _: Shape, value: &[T]) -> f64 {
        let value: Vec<f64> = value.iter().map(|w| w.f64()).collect();
        let whole = value.iter().fold(0.0, |sum: f64, w| if w.is_nan() { f64::NAN } else { sum });
        let largest = largest_of(&value);
        self.rows.iter().fold(whole, |worst, row| {
            larger(worst, forgive(row.dot(&value) - row.offset, row.slack::<T>(&value, largest)))
        })
    }

    fn accepts(&self, shape: Shape) -> Result<(), ShapeError> {
        if shape.len() == self.n {
            return Ok(());
        }
        Err(ShapeError::new(NAME, format!("{} entries", self.n), format!("shape {shape}")))
    }

    fn kind(&self) -> Kind {
        Kind::Convex
    }

    fn formula(&self) -> &'static str {
        "a_j . w <= b_j for every j"
    }

    fn capabilities(&self, _: Shape) -> Capabilities {
        Capabilities { metric: true, tangent: true, ..Capabilities::default() }
    }

    fn project_in_metric(&self, _: Shape, metric: &[T], value: &mut [T]) {
        let metric: Vec<f64> = metric.iter().map(|m| m.f64()).collect();
        self.project_all(Some(&metric), value);
    }

    /// The inequalities that the point meets with equality, on directions.
    fn project_tangent(&self, shape: Shape, at: &[T], direction: &mut [T]) {
        self.tangent(at).project(shape, direction);
    }

    /// The entries that an inequality which is an equality has a part of.
    fn active(&self, _: Shape, value: &[T]) -> Option<usize> {
        let tight = self.tangent(value);
        let has_part =
            |i: usize| tight.rows.iter().any(|row| row.entries.iter().any(|(j, _)| *j == i));
        Some((0..value.len()).filter(|i| has_part(*i)).count())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::collection::vec;
    use proptest::prelude::*;

    proptest! {
        /// Rows drawn from few directions, so that many are dependent and many points lie at
        /// corners.
        #[test]
        fn the_proof_holds_for_dependent_rows_too(
            rows in vec((vec(-1..=1i32, 5), 0..=1i32), 1..24),
            w in vec(-3.0..3.0f64, 5),
            metric in vec(0.1..5.0f64, 5),
        ) {
            let rows = rows.into_iter().filter(|(a, _)| a.iter().any(|a| *a != 0));
            let rows = rows.map(|(a, b)| {
                (a.iter().map(|a| f64::from(*a)).enumerate().collect(), f64::from(b))
            });
            // All contain 0.
            let set = Polyhedron::new(5, rows).unwrap();
            for metric in [None, Some(&metric[..])] {
                let mut v = w.clone();
                let proof = set.project_with_proof(metric, &mut v);
                prop_assert!(proof.violation <= 1e-12 && proof.gap <= 1e-10, "{proof:?}");
            }
        }
    }

    #[test]
    fn inequalities_without_a_point_are_refused() {
        let error = Polyhedron::new(1, [(vec![(0, 1.0)], -1.0), (vec![(0, -1.0)], -1.0)])
            .unwrap_err()
            .to_string();
        assert!(
            error.starts_with("polyhedron: expected inequalities that one point satisfies, found"),
            "{error}"
        );
        assert!(Polyhedron::new(1, [(vec![(1, 1.0)], 0.0)]).is_err());
        assert!(Polyhedron::new(2, [(vec![(1, 1.0), (1, 2.0)], 0.0)]).is_err());
        assert!(Polyhedron::new(1, [(vec![(0, 0.0)], 0.0)]).is_err());
        assert!(Polyhedron::new(1, [(vec![(0, f64::NAN)], 0.0)]).is_err());
        let set = Polyhedron::new(1, [(vec![(0, 2.0)], 1.0)]).unwrap();
        let mut w = [f32::NAN];
        assert!(set.violation([1].into(), &w).is_nan());
        set.project([1].into(), &mut w);
        assert!(w[0].is_nan());
        assert_eq!(set.active([1].into(), &[0.5f32]), Some(1));
    }
}
