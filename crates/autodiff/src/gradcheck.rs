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
/// use morphograd_autodiff::{gradcheck, tensor::Tensor, Params};
/// let mut params = Params::new();
/// let w = params.add("w", Tensor::from_vec([2], vec![0.3, -0.7])?, None)?;
/// gradcheck(&mut params, |graph| {
///     let w = graph.param(w);
///     graph.mul(w, w)
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
    use crate::{Backward, Forward, Op};
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

    #[test]
    fn a_wrong_gradient_is_found() {
        let mut params = Params::new();
        let x = Tensor::from_vec([3], vec![0.3, -0.7, 0.9]).unwrap();
        let id = params.add("x", x, None).unwrap();
        let error = gradcheck(&mut params, |graph| {
            let x = graph.param(id);
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
                graph.abs(x)
            });
            assert_eq!(checked, Ok(()), "{distance}");
        }
    }
}
