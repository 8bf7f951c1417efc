//! The operations: gradients against finite differences, values and gradients against naive
//! references and JAX, ties, NaN, what is refused, and that a step takes no memory.

mod arithmetic;
mod choice;
mod layout;
mod matmul;
mod memory;
mod pointwise;
mod references;
mod softmax;
mod sums;

use morphograd_autodiff::tensor::{Shape, ShapeError, Tensor};
use morphograd_autodiff::{Graph, Mode, Params, Tape, Var};

/// A tensor from its numbers.
fn tensor(shape: &[usize], data: &[f64]) -> Tensor<f64> {
    Tensor::from_vec(Shape::new(shape), data.to_vec()).unwrap()
}

/// What a computation on tensors of these shapes is refused with.
fn refusal<const N: usize>(
    shapes: [&[usize]; N],
    f: impl FnOnce(&mut Graph<'_, f64>, [Var; N]) -> Result<Var, ShapeError>,
) -> String {
    let (params, mut tape) = (Params::new(), Tape::new());
    let mut graph = tape.record(&params, Mode::Shapes);
    let vars = shapes.map(|shape| graph.input_with(Shape::new(shape), |_| ()));
    f(&mut graph, vars).unwrap_err().to_string()
}

/// The coordinates of an index, row-major.
fn coordinates(shape: Shape, mut index: usize) -> Vec<usize> {
    let mut all: Vec<usize> = shape
        .dims()
        .iter()
        .rev()
        .map(|n| {
            let coordinate = index % n;
            index /= n;
            coordinate
        })
        .collect();
    all.reverse();
    all
}

/// The index of coordinates, row-major.
fn index(shape: Shape, coordinates: &[usize]) -> usize {
    shape.dims().iter().zip(coordinates).fold(0, |index, (n, c)| index * n + c)
}

/// The index in an operand of what the element `i` of a shape uses, if the operand is broadcast.
fn broadcast_index(operand: Shape, shape: Shape, i: usize) -> usize {
    let all = coordinates(shape, i);
    let own: Vec<usize> = all[shape.rank() - operand.rank()..]
        .iter()
        .zip(operand.dims())
        .map(|(c, n)| if *n == 1 { 0 } else { *c })
        .collect();
    index(operand, &own)
}
