//! An operation of one's own, the soft threshold, with its derivative beneath it, checked by finite
//! differences.

use morphograd_morphology::prelude::*;
use morphograd_testkit::check_op;

/// y = sign(x) max(|x| - t, 0). The derivative is 0 where |x| <= t, and 1 elsewhere.
#[derive(Debug, Clone, Copy)]
struct SoftThreshold(f64);

impl<T: Real> Op<T> for SoftThreshold {
    fn name(&self) -> &'static str {
        "soft_threshold"
    }

    fn infer(&self, inputs: &[Shape]) -> Result<Shape, ShapeError> {
        Ok(inputs[0])
    }

    fn forward(&self, pass: Forward<'_, T>) {
        let t = T::of(self.0);
        let shrunk = |x: T| (x.abs() - t).max(T::zero()).copysign(x);
        pass.output.iter_mut().zip(pass.inputs[0].data).for_each(|(y, x)| *y = shrunk(*x));
    }

    fn backward(&self, pass: Backward<'_, T>) {
        let [Some(dx), ..] = pass.grad_inputs else { return };
        for ((dx, y), dy) in dx.iter_mut().zip(pass.output.data).zip(pass.grad_output) {
            *dx += if *y == T::zero() { T::zero() } else { *dy };
        }
    }
}

fn main() -> Result<(), ShapeError> {
    check_op(SoftThreshold(0.5), &[Tensor::from_vec([4], vec![0.2, -0.9, 1.7, -0.1])?]);
    let noisy = Tensor::from_vec([4], vec![0.2f32, 3.0, -0.1, -2.0])?;
    println!("{:?}", evaluate([noisy.view()], |g, [x]| g.apply(SoftThreshold(0.5), [x]))?.data());
    Ok(())
}
