//! Gradients against central differences, in double precision.

use morphograd_tensor::ShapeError;
use thiserror::Error;

use crate::{Graph, Mode, ParamId, Params, Tape, Var};

/// Steps of the differences. At a point near a tie of a maximum, a large step crosses the kink and
/// a small one does not; a wrong gradient agrees with none of them.
const STEPS: [f64; 5] = [1e-4, 1e-5, 1e-6, 1e-7, 1e-8];

/// Largest difference accepted, relative to the larger of 1 and the derivative; the error of a
/// central difference is well below.
const TOLERANCE: f64 = 1e-5;

/// Why a gradient was not confirmed.
#[derive(Debug, Clone, PartialEq, Error)]
pub enum GradcheckError {
    /// The computation itself failed.
    #[error(transparent)]
    Shape(#[from] ShapeError),
    /// A derivative differs from the differences.
    #[error(
        "gradient of `{parameter}`[{index}]: expected {difference} (central difference), found \
         {gradient}"
    )]
    Mismatch {
        /// The parameter.
        parameter: String,
        /// The coordinate, row-major.
        index: usize,
        /// The central difference.
        difference: f64,
        /// The gradient that the backward pass gave.
        gradient: f64,
    },
}

/// Checks the gradient of `f` with respect to every coordinate of every trainable parameter. `f`
/// may return a tensor of any shape: its elements are weighted with fixed numbers of both signs, so
/// that no error can cancel. A parameter that `f` does not use has derivative 0. The parameters
/// must have no constraints (a projected difference is no difference) and come back unchanged.
///
/// Cost: up to 10 evaluations of `f` a coordinate, usually 2.
///
/// # Errors
/// If `f` fails, or a derivative differs from the central differences at every step size.
///
/// # Panics
/// If a parameter has a constraint.
///
/// ```
/// use morphograd_autodiff::{gradcheck, tensor::Tensor, Mul, Params};
/// let mut params = Params::new();
/// let w = params.add("w", Tensor::from_vec([2], vec![0.3, -0.7])?, None)?;
/// gradcheck(&mut params, |graph| {
///     let w = graph.param(w);
///     graph.apply(Mul, [w, w])
/// })?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub fn gradcheck(
    params: &mut Params<f64>,
    f: impl Fn(&mut Graph<'_, f64>) -> Result<Var, ShapeError>,
) -> Result<(), GradcheckError> {
    let mut tape = Tape::new();
    let mut graph = tape.record(params, Mode::Train { step: 0 });
    let y = f(&mut graph)?;
    let weights: Vec<f64> = (0..graph.shape(y).len()).map(weight).collect();
    graph.backward_with(y, &weights);
    let gradients: Vec<Vec<f64>> = params
        .ids()
        .map(|id| {
            tape.grad(id).map_or_else(|| vec![0.0; params.value(id).data.len()], <[f64]>::to_vec)
        })
        .collect();

    let mut evaluate = |params: &Params<f64>| -> Result<f64, ShapeError> {
        let mut graph = tape.record(params, Mode::Train { step: 0 });
        let y = f(&mut graph)?;
        Ok(graph.value(y).data.iter().zip(&weights).map(|(y, w)| y * w).sum())
    };
    let trainable: Vec<ParamId> = params.ids().filter(|id| params.is_trainable(*id)).collect();
    for id in trainable {
        assert!(
            params.constraint(id).is_none(),
            "gradcheck of the constrained `{}`",
            params.name(id)
        );
        for index in 0..params.value(id).data.len() {
            let (gradient, start) = (gradients[id.0 as usize][index], params.value(id).data[index]);
            let mut closest = f64::NAN;
            let mut agrees = false;
            for step in STEPS {
                let mut at = |x: f64| {
                    params.update(id, |value| value[index] = x);
                    evaluate(params)
                };
                let difference =
                    (at(start + step)? - at(start - step)?) / ((start + step) - (start - step));
                at(start)?;
                if closest.is_nan() || (difference - gradient).abs() < (closest - gradient).abs() {
                    closest = difference;
                }
                agrees = (closest - gradient).abs() <= TOLERANCE * closest.abs().max(1.0);
                if agrees {
                    break;
                }
            }
            if !agrees {
                let parameter = params.name(id).to_owned();
                return Err(GradcheckError::Mismatch {
                    parameter,
                    index,
                    difference: closest,
                    gradient,
                });
            }
        }
    }
    Ok(())
}

/// Numbers between 0.5 and 1.5 with alternating, unevenly spaced signs.
fn weight(i: usize) -> f64 {
    let spread = (i as f64 * 0.618_033_988_749_895).fract();
    (0.5 + spread) * if (i / 2 + i).is_multiple_of(3) { -1.0 } else { 1.0 }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Add, Backward, Forward, Mean, Mul, Op, Scale, Sub, Sum};
    use morphograd_tensor::{Shape, Tensor};

    #[derive(Debug)]
    struct Wrong;
    impl Op<f64> for Wrong {
        fn name(&self) -> &'static str {
            "wrong"
        }
        fn infer(&self, inputs: &[Shape]) -> Result<Shape, ShapeError> {
            Ok(inputs[0])
        }
        fn forward(&self, pass: Forward<'_, f64>) {
            pass.output.iter_mut().zip(pass.inputs[0].data).for_each(|(y, x)| *y = x * x);
        }
        fn backward(&self, pass: Backward<'_, f64>) {
            if let [Some(dx), ..] = pass.grad_inputs {
                dx.iter_mut().zip(pass.inputs[0].data).for_each(|(dx, x)| *dx += 1.9 * x);
            }
        }
    }

    /// $|x|$, which has a kink at 0.
    #[derive(Debug)]
    struct Absolute;
    impl Op<f64> for Absolute {
        fn name(&self) -> &'static str {
            "absolute"
        }
        fn infer(&self, inputs: &[Shape]) -> Result<Shape, ShapeError> {
            Ok(inputs[0])
        }
        fn forward(&self, pass: Forward<'_, f64>) {
            pass.output.iter_mut().zip(pass.inputs[0].data).for_each(|(y, x)| *y = x.abs());
        }
        fn backward(&self, pass: Backward<'_, f64>) {
            if let [Some(dx), ..] = pass.grad_inputs {
                let signs = pass.inputs[0].data.iter().map(|x| x.signum());
                dx.iter_mut()
                    .zip(pass.grad_output)
                    .zip(signs)
                    .for_each(|((dx, g), sign)| *dx += g * sign);
            }
        }
    }

    fn params(shapes: &[&[usize]]) -> (Params<f64>, Vec<ParamId>) {
        let mut params = Params::new();
        let ids = shapes
            .iter()
            .enumerate()
            .map(|(k, shape)| {
                let value =
                    Tensor::from_fn(Shape::new(shape), |i| ((i * 7 + k * 3) as f64 * 0.37).sin());
                params.add(format!("p{k}"), value, None).unwrap()
            })
            .collect();
        (params, ids)
    }

    #[test]
    fn a_wrong_gradient_is_found() {
        let (mut params, ids) = params(&[&[3]]);
        let error = gradcheck(&mut params, |graph| {
            let x = graph.param(ids[0]);
            graph.apply(Wrong, [x])
        })
        .unwrap_err();
        assert!(matches!(error, GradcheckError::Mismatch { .. }), "{error}");
    }

    #[test]
    fn a_kink_next_to_the_point_is_no_mistake() {
        for distance in [0.3, 7e-5, 7e-8, -7e-8] {
            let mut params = Params::new();
            let x = params.add("x", Tensor::filled([1], distance), None).unwrap();
            let checked = gradcheck(&mut params, |graph| {
                let x = graph.param(x);
                graph.apply(Absolute, [x])
            });
            assert_eq!(checked, Ok(()), "{distance}");
        }
    }

    #[test]
    fn arithmetic_agrees_with_differences_under_every_kind_of_broadcasting() {
        let shapes: [[&[usize]; 2]; 7] = [
            [&[2, 3], &[2, 3]],
            [&[2, 3], &[3]],
            [&[3], &[2, 3]],
            [&[2, 1, 3], &[4, 1]],
            [&[], &[2, 2]],
            [&[1], &[]],
            [&[2, 3, 1], &[2, 1, 4]],
        ];
        for pair in shapes {
            let (mut params, ids) = params(&pair);
            for which in 0..3 {
                gradcheck(&mut params, |graph| {
                    let (a, b) = (graph.param(ids[0]), graph.param(ids[1]));
                    let y = match which {
                        0 => graph.apply(Add, [a, b])?,
                        1 => graph.apply(Sub, [a, b])?,
                        _ => graph.apply(Mul, [a, b])?,
                    };
                    graph.apply(Mul, [y, y])
                })
                .unwrap();
            }
        }
    }

    #[test]
    fn reductions_and_scaling_agree_with_differences() {
        let (mut params, ids) = params(&[&[4, 3]]);
        gradcheck(&mut params, |graph| {
            let x = graph.param(ids[0]);
            let square = graph.apply(Mul, [x, x])?;
            let (sum, mean) = (graph.apply(Sum, [square])?, graph.apply(Mean, [square])?);
            let mean = graph.apply(Scale(-2.5), [mean])?;
            graph.apply(Mul, [sum, mean])
        })
        .unwrap();
    }

    #[test]
    fn shapes_that_cannot_be_broadcast_are_refused() {
        let (mut params, ids) = params(&[&[2, 3], &[2]]);
        let error = gradcheck(&mut params, |graph| {
            let (a, b) = (graph.param(ids[0]), graph.param(ids[1]));
            graph.apply(Add, [a, b])
        })
        .unwrap_err();
        assert_eq!(
            error.to_string(),
            "add: expected shapes that can be broadcast, found [2, 3] and [2]"
        );
    }
}
