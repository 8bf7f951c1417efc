//! The best kernel of a set, in the maximum norm, with what proves that there is no better one.
//!
//! The one design choice: bisection on the error. Kernels with an error of at most $e$ are all
//! below one bound, so of a set that is closed under maxima only the greatest element below the
//! bound has to be tried.

use morphograd_nn::sets::{Constraint, lacks_capability};
use morphograd_nn::tensor::{Real, Shape, ShapeError, Tensor, TensorRef, Window2d};

use super::residuation::{NAME, Residuation, values};
use crate::neighbourhood::lattice::{Lattice, MaxPlus, MinMinus};

/// The best kernel of a set, and for each output how good it is.
#[derive(Debug, Clone, PartialEq)]
pub struct BestInSet<T> {
    /// The kernel `[kh, kw, outputs]`.
    pub kernel: Tensor<T>,
    /// What is proved of each output's kernel.
    pub outputs: Vec<Optimality>,
}

/// Between which numbers the least error of a kernel of the set lies, and why not below.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Optimality {
    /// The largest absolute difference between the target and what the kernel gives.
    pub error: f64,
    /// Every kernel of the set has a larger error than this.
    pub bound: f64,
    /// What shows the bound.
    pub witness: Witness,
}

/// Why no kernel of a set has an error of at most $e$, the bound. Such a kernel is at most
/// $\hat w + e$, with $\hat w$ of [`Residuation`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Witness {
    /// The error is 0, and nothing has to be shown; the bound is 0 too.
    Exact,
    /// At this position of the target, in row-major order, the greatest kernel of the set below
    /// $\hat w + e$ still misses the target by more than $e$; every other one by as much or more.
    Pixel(usize),
    /// No kernel of the set is below $\hat w + e$.
    Set,
}

impl Residuation {
    /// A kernel $w$ of a set $C$ with the least error $\lVert \delta_w(x) - y \rVert_\infty$, for
    /// each output: a global minimum, though neither the error nor the set need be convex.
    ///
    /// Let $\hat w$ be the greatest kernel with $\delta_w(x) \le y$. A kernel has an error of at
    /// most $e$ exactly if $w \le \hat w + e$ and $\delta_w(x) \ge y - e$. If the maximum of two
    /// elements of $C$ is in $C$, those below $\hat w + e$ have a greatest one, $w(e)$, which is
    /// the best for the second condition: $e$ can be reached exactly if
    /// $\delta_{w(e)}(x) \ge y - e$. That holds from some $e$ on, which bisection finds. Without a
    /// set it is $r / 2$, with $r$ the residual of $\hat w$, and the kernel $\hat w + r / 2$
    /// (Cuninghame-Green).
    ///
    /// The set is asked for kernels `[kh, kw, 1]`, one for each output. Images, targets and cost
    /// are those of [`dilation`](Self::dilation), once for each step of the bisection, at most 64.
    /// `error` is what was measured; `bound` is below it by at most a unit in the last place of
    /// $T$, relative, and holds up to the rounding of $x + w$.
    ///
    /// ```
    /// use morphograd_morphology::{
    ///     RadiallyNonIncreasing, Residuation, Witness,
    ///     nn::tensor::{TensorRef, Window2d},
    /// };
    /// let x = TensorRef::new([1, 1, 6, 1], &[0.0, 0.0, 3.0, 0.0, 0.0, 1.0]);
    /// let y = TensorRef::new([1, 1, 4, 1], &[4.0, 2.0, 3.0, 0.5]);
    /// let found = Residuation::new(Window2d::new([1, 3]))
    ///     .best_dilation(x, y, &RadiallyNonIncreasing::default())?;
    /// // The target asks for more at the right than in the middle; between the two is 1.
    /// let best = found.outputs[0];
    /// assert!((best.error - 1.0).abs() < 1e-12 && best.bound <= best.error);
    /// assert!(matches!(best.witness, Witness::Pixel(0)));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// As [`dilation`](Self::dilation); if the set does not accept a kernel of this size, or has
    /// none at a finite distance from the target.
    ///
    /// # Panics
    /// If the set does not state the capability `greatest`.
    pub fn best_dilation<T: Real>(
        &self,
        x: TensorRef<'_, T>,
        y: TensorRef<'_, T>,
        set: &dyn Constraint<T>,
    ) -> Result<BestInSet<T>, ShapeError> {
        self.best::<T, MaxPlus>(x, y, set)
    }

    /// The same for the erosion over the adjoint window: the least
    /// $\lVert \varepsilon_w(x) - y \rVert_\infty$.
    ///
    /// # Errors
    /// As [`best_dilation`](Self::best_dilation).
    ///
    /// # Panics
    /// If the set does not state the capability `greatest`.
    pub fn best_erosion<T: Real>(
        &self,
        x: TensorRef<'_, T>,
        y: TensorRef<'_, T>,
        set: &dyn Constraint<T>,
    ) -> Result<BestInSet<T>, ShapeError> {
        Self { window: self.window.adjoint(), ..*self }.best::<T, MinMinus>(x, y, set)
    }

    fn best<T: Real, L: Lattice>(
        &self,
        x: TensorRef<'_, T>,
        y: TensorRef<'_, T>,
        set: &dyn Constraint<T>,
    ) -> Result<BestInSet<T>, ShapeError> {
        let mut kernel = Self::new(self.window).identify::<T, L>(x, y)?.kernel;
        let &[kh, kw, outputs] = kernel.shape().dims() else { unreachable!("made so") };
        let shape = Shape::from([kh, kw, 1]);
        set.accepts(shape)?;
        if !set.capabilities(shape).greatest {
            lacks_capability(set, "greatest");
        }
        let mut proofs = Vec::with_capacity(outputs);
        for output in 0..outputs {
            let channel = if x.shape.dims()[3] == 1 { 0 } else { output };
            let (x, y) = (plane(x, channel), plane(y, output));
            let bound = plane(kernel.view(), output);
            let search = Search { max: T::of(self.max), window: self.window, set, bound, x, y };
            let (best, proof) = search.run::<L>()?;
            let entries = kernel.data_mut().iter_mut().skip(output).step_by(outputs);
            entries.zip(best.data()).for_each(|(w, best)| *w = *best);
            proofs.push(proof);
        }
        Ok(BestInSet { kernel, outputs: proofs })
    }
}

/// The search for the kernel of one output, on one channel.
struct Search<'a, T> {
    window: Window2d,
    max: T,
    set: &'a dyn Constraint<T>,
    /// The greatest kernel with an error on one side only.
    bound: Tensor<T>,
    x: Tensor<T>,
    y: Tensor<T>,
}

/// What came of trying an error.
enum Tried<T> {
    /// It can be reached: by this kernel, whose error is this.
    Reached(Tensor<T>, f64),
    Missed(Witness),
}

/// Halvings of the interval between what can be reached and what cannot.
const HALVINGS: usize = 64;

impl<T: Real> Search<'_, T> {
    fn run<L: Lattice>(&self) -> Result<(Tensor<T>, Optimality), ShapeError> {
        let mut missed = match self.reach::<L>(0.0)? {
            Tried::Reached(kernel, error) => {
                let witness = Witness::Exact;
                return Ok((kernel, Optimality { error, bound: 0.0, witness }));
            }
            Tried::Missed(witness) => (0.0, witness),
        };
        let (mut kernel, mut error) = loop {
            // The first guess is small beside all images; after it the error doubles.
            let next = if missed.0 == 0.0 { 1e-3 } else { 2.0 * missed.0 };
            match self.reach::<L>(next)? {
                Tried::Reached(kernel, error) => break (kernel, error),
                Tried::Missed(_) if !T::of(2.0 * next).is_finite() => {
                    let expected = "a set with a kernel at a finite distance from the target";
                    return Err(ShapeError::new(NAME, expected, format!("{:?}", self.set)));
                }
                Tried::Missed(witness) => missed = (next, witness),
            }
        };
        for _ in 0..HALVINGS {
            let middle = missed.0 + (error - missed.0) / 2.0;
            if middle <= missed.0 || error - missed.0 <= T::epsilon().f64() * error {
                break;
            }
            match self.reach::<L>(middle)? {
                // What was measured can be less than what was tried.
                Tried::Reached(found, measured) if measured < error => {
                    (kernel, error) = (found, measured);
                }
                // Rounding: nothing between the two can be told apart.
                Tried::Reached(..) => break,
                Tried::Missed(witness) => missed = (middle, witness),
            }
        }
        let (bound, witness) = missed;
        Ok((kernel, Optimality { error, bound, witness }))
    }

    /// Tries whether an error can be reached, by the greatest kernel of the set that it allows.
    fn reach<L: Lattice>(&self, error: f64) -> Result<Tried<T>, ShapeError> {
        let mut kernel = self.bound.clone();
        for w in kernel.data_mut() {
            let raised = *w + T::of(error);
            *w = if raised < self.max { raised } else { self.max };
        }
        if !self.set.greatest_below(kernel.shape(), kernel.data_mut()) {
            return Ok(Tried::Missed(Witness::Set));
        }
        let found = values::<T, L>(self.window, self.x.view(), kernel.view())?;
        let (mut worst, mut at, mut measured) = (error, None, 0.0);
        for (i, (found, target)) in found.data().iter().zip(self.y.data()).enumerate() {
            if found == target {
                continue;
            }
            let short = L::SIGN * (target.f64() - found.f64());
            if short > worst {
                (worst, at) = (short, Some(i));
            }
            measured = f64::max(measured, short.abs());
        }
        Ok(at.map_or(Tried::Reached(kernel, measured), |i| Tried::Missed(Witness::Pixel(i))))
    }
}

/// One element of the last axis, kept as an axis of length 1.
fn plane<T: Real>(of: TensorRef<'_, T>, index: usize) -> Tensor<T> {
    let last = of.shape.rank() - 1;
    let mut dims = of.shape.dims().to_vec();
    let step = std::mem::replace(&mut dims[last], 1);
    let entries = of.data.iter().skip(index).step_by(step).copied().collect();
    Tensor::from_vec(Shape::new(&dims), entries).expect("one entry for each position")
}
