//! Matrix products, in the sizes that the network makes of its layers and in the one that everybody
//! quotes.

use morphograd::morphology::nn::tensor::{Matrix, gemm};

use super::Fill;
use crate::case::{Case, Unit, Work};

pub(super) fn cases() -> Vec<Case> {
    vec![
        case("gemm-1024", [1024, 1024, 1024], false),
        case("gemm-windows", [12800, 72, 32], false).counted(),
        case("gemm-transposed", [72, 12800, 32], true).counted(),
    ]
}

/// The product of `[m, k]` and `[k, n]`; with `transposed` the first lies in memory as `[k, m]`.
pub fn case(name: &str, [m, k, n]: [usize; 3], transposed: bool) -> Case {
    let prepare = Box::new(move || {
        let (a, b, mut c) =
            (Fill::Uniform.tensor([m * k]), Fill::Uniform.tensor([k * n]), vec![0.0; m * n]);
        Box::new(move || {
            let a = if transposed {
                Matrix::new(a.data(), k, m).transposed()
            } else {
                Matrix::new(a.data(), m, k)
            };
            gemm(a, Matrix::new(b.data(), k, n), 0.0, &mut c);
        }) as Box<dyn FnMut() + Send>
    });
    let layout = if transposed { ", the first one transposed" } else { "" };
    let what = format!("product of {m} x {k} and {k} x {n}{layout}");
    Case::new(name, what, Work::of(Unit::Flop, 2 * m * k * n), prepare)
}
