//! Tutorial 1, simple operators: dilation, erosion and what is made of them, on a few images, with
//! a flat, a cross-shaped and a parabolic structuring element; then the laws that make them
//! morphology, as numbers.
//!
//! Run with `cargo run --release -p morphograd --example t1_simple_operators`. It prints "Largest
//! violation of all: 0".
#![expect(clippy::print_stdout, reason = "an example speaks to a person")]

mod common;

use common::{Outcome, Tile, dataset, images, sheet};
use morphograd_morphology::nn::tensor::{Tensor, TensorRef};
use morphograd_morphology::{
    Operator, StructuringElement, black_top_hat2d, closing2d, dilation2d, erosion2d, evaluate,
    external_gradient2d, gradient2d, internal_gradient2d, law, opening2d, white_top_hat2d,
};

/// Every operator with its name: plain functions of an image and a kernel.
const OPERATORS: [(&str, Operator<f64>); 9] = [
    ("dilation", dilation2d),
    ("erosion", erosion2d),
    ("opening", opening2d),
    ("closing", closing2d),
    ("white top-hat", white_top_hat2d),
    ("black top-hat", black_top_hat2d),
    ("gradient", gradient2d),
    ("inner gradient", internal_gradient2d),
    ("outer gradient", external_gradient2d),
];

fn main() -> Outcome<()> {
    let data = dataset()?;
    // Grey levels from 0 to 255. They are whole numbers, and so are the entries of the elements:
    // all results are exact.
    let digits: Vec<Tensor<f64>> = (0..5).map(|i| images(&data.test, i..i + 1, 255.0)).collect();

    // A structuring element says which neighbours take part (its support), and by how much each is
    // lowered. A flat one lowers none; the parabola lowers a neighbour at distance d by 4 d². Off
    // the support an entry is minus infinity and never wins.
    let elements = [
        ("flat", StructuringElement::square(3)?),
        ("cross", StructuringElement::cross(1)?),
        ("parabola", StructuringElement::quadratic([11, 11], 0.25)?),
    ];

    for (name, element) in &elements {
        let mut tiles = Vec::new();
        for digit in &digits {
            tiles.push(tile("image", digit));
            for (label, operator) in OPERATORS {
                tiles.push(tile(label, &apply(operator, element, digit.view())));
            }
        }
        sheet(&format!("t1_simple_operators/{name}"), OPERATORS.len() + 1, [0.0, 255.0], &tiles)?;
    }

    // A law is checked by its largest violation on the images: 0 where it holds on all of them.
    println!("\n{:54}{:>10}{:>10}{:>10}", "largest violation", "flat", "cross", "parabola");
    let mut worst = 0.0_f64;
    let mut row = |text: &str, violation: &dyn Fn(&StructuringElement) -> f64| {
        let [flat, cross, parabola] = [0, 1, 2].map(|i| violation(&elements[i].1));
        println!("{text:54}{flat:>10}{cross:>10}{parabola:>10}");
        worst = worst.max(flat).max(cross).max(parabola);
    };
    let x = &digits[..];
    row("adjunction: dilation(x) <= y as x <= erosion(y)", &|e| {
        law::adjunction(&with(dilation2d, e), &with(erosion2d, e), x)
    });
    row("dilation is extensive: x <= dilation(x)", &|e| law::extensivity(&with(dilation2d, e), x));
    row("erosion is anti-extensive", &|e| law::anti_extensivity(&with(erosion2d, e), x));
    row("opening is anti-extensive", &|e| law::anti_extensivity(&with(opening2d, e), x));
    row("closing is extensive", &|e| law::extensivity(&with(closing2d, e), x));
    for (name, operator) in &OPERATORS[..4] {
        row(&format!("{name} is increasing"), &|e| law::increasingness(&with(*operator, e), x));
    }
    for (name, operator) in &OPERATORS[2..4] {
        row(&format!("{name} is idempotent"), &|e| law::idempotence(&with(*operator, e), x));
    }
    // All three elements are symmetric; for another, the dual has the reflected element.
    row("erosion is the dual of dilation", &|e| {
        law::duality(&with(dilation2d, e), &with(erosion2d, e), x)
    });
    row("closing is the dual of opening", &|e| {
        law::duality(&with(opening2d, e), &with(closing2d, e), x)
    });
    for (name, operator) in &OPERATORS[..4] {
        row(&format!("{name} of x + 40 is {name} of x, + 40"), &|e| {
            law::grey_shift(&with(*operator, e), x, 40.0, 1.0)
        });
    }
    for (name, operator) in &OPERATORS[4..] {
        row(&format!("{name} of x + 40 is {name} of x"), &|e| {
            law::grey_shift(&with(*operator, e), x, 40.0, 0.0)
        });
    }
    println!("\nLargest violation of all: {worst}");
    // The checker does refute: what is no law does not come out as 0.
    let none = law::idempotence(&with(dilation2d, &elements[0].1), x);
    println!("For comparison, how far the flat dilation is from being idempotent: {none}");
    Ok(())
}

/// An operator with its structuring element, as a function of images.
fn with(
    operator: Operator<f64>,
    element: &StructuringElement,
) -> impl Fn(TensorRef<'_, f64>) -> Tensor<f64> {
    move |x| apply(operator, element, x)
}

fn apply(
    operator: Operator<f64>,
    element: &StructuringElement,
    x: TensorRef<'_, f64>,
) -> Tensor<f64> {
    let (kernel, window) = (element.kernel(1), element.window());
    evaluate([x, kernel.view()], |graph, [x, w]| operator(graph, x, w, window.into()))
        .expect("an image of one channel")
}

fn tile(label: &str, image: &Tensor<f64>) -> Tile {
    Tile { label: label.to_owned(), width: image.shape().dims()[2], values: image.data().to_vec() }
}
