//! The common points of several convex sets.
//!
//! The one design choice: Dykstra's algorithm in `f64`, which converges to the projection
//! (alternating projections only find a common point), and a certificate, so that nobody has to
//! believe that it has converged.

use std::fmt::Debug;

use crate::{Capabilities, Constraint, Kind};
use morphograd_tensor::{Real, Shape, ShapeError};

use crate::constraint::lacks_capability;
use crate::numeric::{forgive, larger, rounding};
use crate::scratch::with_scratch;
use crate::until_inside::project_until_inside;

/// A set that can be a member of an [`Intersection`]: any that is one of values of both precisions.
pub trait Member: Constraint<f32> + Constraint<f64> {}

impl<S: Constraint<f32> + Constraint<f64>> Member for S {}

/// A scalar type that members are sets of: `f32` and `f64`.
pub trait Precision: Real {
    /// The member as a set of values of this type.
    fn view(member: &dyn Member) -> &dyn Constraint<Self>;
}

impl Precision for f32 {
    fn view(member: &dyn Member) -> &dyn Constraint<Self> {
        member
    }
}

impl Precision for f64 {
    fn view(member: &dyn Member) -> &dyn Constraint<Self> {
        member
    }
}

/// $\bigcap_i C_i$ for convex $C_i$. Convex; its projection, also in a diagonal metric if every
/// member has that, is what Dykstra's algorithm converges to: with $p_i = 0$ at first, for each
/// member in turn, $y_i = P_i(x + p_i)$, $p_i \leftarrow x + p_i - y_i$, $x \leftarrow y_i$.
///
/// It ends when every member is missed by at most `tolerance` and the certified distance to the
/// projection is not more, both times the larger of 1 and the largest entry, or after `sweeps`; a
/// result that is still outside by more is projected again, two or three times. A value that is
/// left because the sweeps are used up may be outside. Then [`violation`](Constraint::violation),
/// which forgives the tolerance and rounding, says by how much. The last
/// member is always kept. What is inside stays as it is, bit for bit.
///
/// Cost: the members' times the sweeps. Few are needed for sets that meet at right angles, many
/// where they meet at a small one. Up to 1024 numbers of workspace, which is `members + 1` times
/// the entries, it takes no memory. Source: J. Boyle and R. Dykstra, *A method for finding
/// projections onto the intersection of convex sets in Hilbert spaces* (1986).
///
/// ```
/// use morphograd_sets::{Constraint, FixedSum, Intersection, Interval};
/// let set = Intersection::of(Interval { min: -1.0, max: 1.0 }).and(FixedSum { sum: 0.0 });
/// let mut value = [3.0f64, 0.5, 0.0];
/// let certificate = set.project_with_proof([3].into(), &mut value);
/// assert!(certificate.converged && certificate.distance() < 1e-6);
/// let close = |(found, expected): (&f64, f64)| (found - expected).abs() < 1e-6;
/// assert!(value.iter().zip([1.0, -0.25, -0.75]).all(close));
/// assert_eq!(set.violation([3].into(), &value), 0.0);
/// ```
#[derive(Debug)]
pub struct Intersection {
    /// The sets, at least one, each convex.
    pub members: Vec<Box<dyn Member>>,
    /// How far from the projection, and from a member, the result may be, relative to the larger of
    /// 1 and the largest entry. Below 3e-8, the root of what `f64` resolves, the distance cannot be
    /// certified.
    pub tolerance: f64,
    /// After how many rounds to give up.
    pub sweeps: usize,
}

/// What a result of Dykstra's algorithm can show for itself.
#[derive(Debug, Clone, PartialEq)]
pub struct Certificate {
    /// How far the result is from each member.
    pub violations: Vec<f64>,
    /// $g = \sum_i p_i \cdot (y_i - x)$ (in the metric), from $p_i$ normal to $C_i$ at $y_i$ and
    /// $w - x = \sum_i p_i$. For every $v$ in the intersection, $(w - x) \cdot (v - x) \le g$.
    pub gap: f64,
    /// Rounds made.
    pub sweeps: usize,
    /// Whether the tolerance was met.
    pub converged: bool,
}

impl Certificate {
    /// $\sqrt{g}$: a result that is feasible is not farther than this from the projection.
    pub fn distance(&self) -> f64 {
        self.gap.max(0.0).sqrt()
    }
}

impl Intersection {
    /// A set alone, to add others to. Certified to 1e-7, in at most 10000 sweeps.
    pub fn of(set: impl Member + 'static) -> Self {
        Self { members: vec![Box::new(set)], tolerance: 1e-7, sweeps: 10_000 }
    }

    /// One more set.
    #[must_use]
    pub fn and(mut self, set: impl Member + 'static) -> Self {
        self.members.push(Box::new(set));
        self
    }

    /// Projects whether or not the value is inside, and returns the certificate. Of a value with
    /// NaN nothing is certified.
    pub fn project_with_proof<T: Real>(&self, shape: Shape, value: &mut [T]) -> Certificate {
        self.dykstra(shape, None, value)
    }

    fn member(&self, i: usize) -> &dyn Constraint<f64> {
        f64::view(&*self.members[i])
    }

    fn dykstra<T: Real>(&self, shape: Shape, metric: Option<&[T]>, value: &mut [T]) -> Certificate {
        let (n, count) = (value.len(), self.members.len());
        with_scratch((count + 3) * n, |scratch: &mut [f64]| {
            let (x, scratch) = scratch.split_at_mut(n);
            let (y, scratch) = scratch.split_at_mut(n);
            let (weights, increments) = scratch.split_at_mut(n);
            x.iter_mut().zip(value.iter()).for_each(|(x, w)| *x = w.f64());
            weights
                .iter_mut()
                .enumerate()
                .for_each(|(i, m)| *m = metric.map_or(1.0, |metric| metric[i].f64()));
            let scale = x.iter().fold(1.0, |m: f64, x| m.max(x.abs()));
            let allowed = self.tolerance * scale;
            let mut certificate = Certificate {
                violations: vec![0.0; count],
                gap: f64::NAN,
                sweeps: 0,
                converged: false,
            };
            // The products p . y, so that the images need not be kept.
            let mut supports = vec![0.0; count];
            while certificate.sweeps < self.sweeps && !certificate.converged {
                for i in 0..count {
                    let p = &mut increments[i * n..][..n];
                    y.iter_mut().zip(x.iter().zip(p.iter())).for_each(|(y, (x, p))| *y = x + p);
                    p.copy_from_slice(y);
                    if metric.is_none() {
                        self.member(i).project(shape, y);
                    } else {
                        self.member(i).project_in_metric(shape, weights, y);
                    }
                    supports[i] = 0.0;
                    for k in 0..n {
                        p[k] -= y[k];
                        supports[i] += weights[k] * p[k] * y[k];
                    }
                    x.copy_from_slice(y);
                }
                certificate.sweeps += 1;
                certificate.gap = (0..count)
                    .map(|i| {
                        let p = &increments[i * n..][..n];
                        supports[i] - (0..n).map(|k| weights[k] * p[k] * x[k]).sum::<f64>()
                    })
                    .sum();
                let mut worst = 0.0;
                for i in 0..count {
                    certificate.violations[i] = self.member(i).violation(shape, x);
                    worst = larger(worst, certificate.violations[i]);
                }
                certificate.converged = worst <= allowed && certificate.gap <= allowed * allowed;
                if worst.is_nan() {
                    break;
                }
            }
            value.iter_mut().zip(x.iter()).for_each(|(w, x)| *w = T::of(*x));
            certificate
        })
    }
}

impl<T: Precision> Constraint<T> for Intersection {
    fn project(&self, shape: Shape, value: &mut [T]) {
        project_until_inside(self, shape, value, |w| drop(self.project_with_proof(shape, w)));
    }

    /// The largest of the members', the tolerance and rounding to the type forgiven.
    fn violation(&self, shape: Shape, value: &[T]) -> f64 {
        let scale = value.iter().fold(1.0, |m: f64, x| m.max(x.f64().abs()));
        let worst = self
            .members
            .iter()
            .fold(0.0, |worst, m| larger(worst, T::view(&**m).violation(shape, value)));
        forgive(worst, (self.tolerance + rounding::<T>(1)) * scale)
    }

    /// # Errors
    /// If there is no member, one is not convex or does not accept the shape, or the projection of
    /// 0 is still outside by a thousandth after all sweeps: then the members have no common point,
    /// or meet at so small an angle that the sweeps do not suffice.
    fn accepts(&self, shape: Shape) -> Result<(), ShapeError> {
        if self.members.is_empty()
            || self.tolerance.is_nan()
            || self.tolerance <= 0.0
            || self.sweeps == 0
        {
            let found = format!(
                "{} members, tolerance {} and {} sweeps",
                self.members.len(),
                self.tolerance,
                self.sweeps
            );
            return Err(ShapeError::new(
                NAME,
                "at least one member, a tolerance > 0 and a sweep",
                found,
            ));
        }
        for member in &self.members {
            let member = T::view(&**member);
            member.accepts(shape)?;
            if member.kind() != Kind::Convex {
                return Err(ShapeError::new(NAME, "convex members", format!("{member:?}")));
            }
        }
        let mut point = vec![T::zero(); shape.len()];
        self.project(shape, &mut point);
        let missed = self.violation(shape, &point);
        if missed <= 1e-3 {
            return Ok(());
        }
        let found = format!("a point that misses one by {missed} after {} sweeps", self.sweeps);
        Err(ShapeError::new(NAME, "members with a common point", found))
    }

    fn kind(&self) -> Kind {
        Kind::Convex
    }

    fn formula(&self) -> &'static str {
        "w in every C_i"
    }

    fn capabilities(&self, shape: Shape) -> Capabilities {
        let all = |knows: fn(Capabilities) -> bool| {
            (0..self.members.len()).all(|i| knows(self.member(i).capabilities(shape)))
        };
        let (metric, greatest) = (all(|c| c.metric), all(|c| c.greatest));
        Capabilities { metric, greatest, ..Capabilities::default() }
    }

    fn project_in_metric(&self, shape: Shape, metric: &[T], value: &mut [T]) {
        project_until_inside(self, shape, value, |w| drop(self.dykstra(shape, Some(metric), w)));
    }

    /// By turns, until no member lowers it any more. A common point below the bound is below what
    /// each turn leaves, so the last is the greatest one. Entries only become smaller ones or
    /// bounds of the members, which are finitely many values.
    fn greatest_below(&self, shape: Shape, upper: &mut [T]) -> bool {
        if !Constraint::<T>::capabilities(self, shape).greatest {
            lacks_capability(self, "greatest");
        }
        let mut before = upper.to_vec();
        loop {
            if !self.members.iter().all(|m| T::view(&**m).greatest_below(shape, upper)) {
                return false;
            }
            if *before == *upper {
                return true;
            }
            before.copy_from_slice(upper);
        }
    }
}

const NAME: &str = "intersection";

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        Cardinality, FixedSum, Halfspace, Interval, L2Ball, NonNegative, Simplex, SpectralBall,
    };
    use morphograd_testkit::assert_close;
    use proptest::collection::vec;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn a_simplex_is_the_positive_part_of_a_hyperplane(
            w in vec(-2.0..2.0f64, 6),
            metric in vec(0.2..3.0f64, 6),
        ) {
            let set = Intersection {
                tolerance: 1e-7,
                ..Intersection::of(FixedSum { sum: 1.0 }).and(NonNegative)
            };
            let (mut found, mut expected) = (w.clone(), w.clone());
            let certificate = set.project_with_proof([6].into(), &mut found);
            prop_assert!(certificate.converged, "{certificate:?}");
            Simplex { sum: 1.0 }.project([6].into(), &mut expected);
            assert_close("simplex", &found, &expected, 2e-6);
            let (mut found, mut expected) = (w.clone(), w);
            set.project_in_metric([6].into(), &metric, &mut found);
            Simplex { sum: 1.0 }.project_in_metric([6].into(), &metric, &mut expected);
            assert_close("simplex in a metric", &found, &expected, 2e-6);
        }
    }

    #[test]
    fn alternating_projections_would_find_another_point() {
        // A line and a halfplane that meet at an angle.
        let line = crate::Hyperplane { normal: vec![0.0, 1.0], offset: 0.0 };
        let half = Halfspace { normal: vec![1.0, 1.0], offset: 0.0 };
        let start = [1.0f64, 2.0];
        let mut alternating = start;
        for _ in 0..100 {
            half.project([2].into(), &mut alternating);
            line.project([2].into(), &mut alternating);
        }
        let mut found = start;
        Intersection::of(half).and(line).project([2].into(), &mut found);
        assert!(
            found[0].abs() < 1e-6 && (alternating[0] + 0.5).abs() < 1e-12,
            "{found:?} {alternating:?}"
        );
    }

    #[test]
    fn what_has_not_converged_is_reported() {
        let set =
            Intersection { sweeps: 1, ..Intersection::of(FixedSum { sum: 1.0 }).and(NonNegative) };
        let mut value = [3.0f64, -2.0, -0.5];
        let certificate = set.project_with_proof([3].into(), &mut value);
        assert!(!certificate.converged && certificate.violations[0] > 0.1, "{certificate:?}");
        assert!(Constraint::<f64>::violation(&set, [3].into(), &value) > 0.1);
        let mut value = [f64::NAN, 0.0, 0.0];
        assert!(!set.project_with_proof([3].into(), &mut value).converged);
        assert!(Constraint::<f64>::violation(&set, [3].into(), &value).is_nan());
    }

    #[test]
    fn there_is_a_projection_in_a_metric_if_every_member_has_one() {
        let has_metric =
            |set: &Intersection| Constraint::<f64>::capabilities(set, [2, 2].into()).metric;
        assert!(has_metric(&Intersection::of(NonNegative).and(L2Ball { radius: 1.0 })));
        assert!(!has_metric(&Intersection::of(NonNegative).and(SpectralBall { radius: 1.0 })));
    }

    #[test]
    fn members_have_to_be_convex_and_to_meet() {
        let accepts = |set: &Intersection| Constraint::<f32>::accepts(set, [2].into());
        assert!(accepts(&Intersection::of(L2Ball { radius: 1.0 })).is_ok());
        let error = accepts(&Intersection::of(Cardinality { count: 1 })).unwrap_err().to_string();
        assert_eq!(error, "intersection: expected convex members, found Cardinality { count: 1 }");
        let apart = Intersection::of(Interval { min: 2.0, max: 3.0 }).and(L2Ball { radius: 1.0 });
        let error = accepts(&Intersection { sweeps: 100, ..apart }).unwrap_err().to_string();
        assert!(error.starts_with("intersection: expected members with a common point"), "{error}");
        assert!(accepts(&Intersection { members: Vec::new(), tolerance: 1.0, sweeps: 1 }).is_err());
    }
}
