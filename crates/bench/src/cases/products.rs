//! Matrix products, in the sizes that the network makes of its layers and in the one that everybody
//! quotes.

use morphograd::morphology::LogSumExpProduct;
use morphograd::morphology::MaxPlusProduct;
use morphograd::morphology::nn::tensor::{Matrix, Shape, gemm};

use super::{Fill, Pass, on_tape};
use crate::case::{Case, Unit, Work};

pub(super) fn cases() -> Vec<Case> {
    let mut cases = vec![
        case("gemm-1024", [1024, 1024, 1024], false),
        case("gemm-windows", [12800, 72, 32], false).counted(),
        case("gemm-transposed", [72, 12800, 32], true).counted(),
    ];
    for (pass, suffix) in Pass::BOTH {
        cases.extend([
            dense(&format!("max-plus-dense{suffix}"), [128, 800, 256], pass, false),
            dense(&format!("max-plus-dense-10{suffix}"), [128, 800, 10], pass, false),
            dense(&format!("log-sum-exp-dense{suffix}"), [128, 800, 256], pass, true),
        ]);
    }
    cases
}

/// A product over the max-plus semiring, or its smooth one. Work counts the values.
pub fn dense(name: &str, [batch, n, units]: [usize; 3], pass: Pass, smooth: bool) -> Case {
    let mut inputs: Vec<(Shape, Fill)> =
        vec![([batch, n].into(), Fill::Uniform), ([n, units].into(), Fill::Normal(0.1))];
    if smooth {
        inputs.push((Shape::scalar(), Fill::Uniform));
    }
    let prepare = on_tape(inputs, pass, move |graph, vars| {
        if smooth {
            graph.apply(LogSumExpProduct::default(), vars)
        } else {
            graph.apply(MaxPlusProduct::default(), vars)
        }
    });
    let kind = if smooth { "log-sum-exp" } else { "max-plus" };
    let what = format!("{kind} dense layer {n} to {units}, batch of {batch}{}", pass.text());
    Case::new(name, what, Work::of(Unit::MaxPlus, batch * n * units), prepare)
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
