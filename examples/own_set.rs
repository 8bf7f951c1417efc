//! A set of one's own on a layer that is there already: kernels that read the same backwards.

use morphograd_morphology::prelude::*;
use morphograd_testkit::check_projection;

/// A list equal to its reverse. The projection takes the mean of each pair.
#[derive(Debug, Clone, Copy)]
struct Palindrome;

impl<T: Real> Constraint<T> for Palindrome {
    fn project(&self, _: Shape, value: &mut [T]) {
        let n = value.len();
        for i in 0..n / 2 {
            let mean = (value[i] + value[n - 1 - i]) / T::of(2.0);
            (value[i], value[n - 1 - i]) = (mean, mean);
        }
    }

    fn violation(&self, _: Shape, value: &[T]) -> f64 {
        let pairs = value.iter().zip(value.iter().rev()).map(|(a, b)| (*a - *b).abs().f64());
        pairs.fold(0.0, |m, x| if x <= m { m } else { x })
    }

    fn accepts(&self, _: Shape) -> Result<(), ShapeError> {
        Ok(())
    }

    fn kind(&self) -> Kind {
        Kind::Convex
    }
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    check_projection(&Palindrome, [3].into(), &[1.0, 5.0, -2.0], &[vec![0.5, 0.0, 9.0]]);
    let kernel = Weight::new(initializer::GlorotUniform).constrained(Palindrome);
    let mut params = Params::<f32>::new();
    let conv = Conv2d { filters: 1, window: Window2d::new([3, 3]), kernel, ..Conv2d::default() };
    Sequential::new().add("conv", conv).build_model(&mut params, 0, [9, 9, 1])?;
    println!("{:?}", params.value(params.find("conv.kernel").expect("its parameter")).data);
    Ok(())
}
