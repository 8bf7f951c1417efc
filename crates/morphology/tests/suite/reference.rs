//! Operators on images against SciPy and scikit-image, exactly: `data/reference.py` has what
//! they compute and says how.

use morphograd_morphology::nn::tensor::{Shape, ShapeError, Tensor, Window2d};
use morphograd_morphology::{
    Border, Connectivity, Neighbourhood2d, Operator, PixelDistance, area_closing, area_opening,
    black_top_hat2d, closing2d, dilation2d, distance_transform, erosion2d, evaluate,
    extended_maxima, extended_minima, geodesic_dilation, geodesic_erosion, gradient2d, h_maxima,
    h_minima, opening2d, reconstruction_by_dilation, reconstruction_by_erosion, regional_maxima,
    regional_minima, white_top_hat2d,
};
use safetensors::{Dtype, SafeTensors};

const FILE: &[u8] = include_bytes!("data/reference.safetensors");
const SHAPES: [&str; 5] = ["1x9", "8x1", "2x3", "7x6", "12x13"];
const CONNECTIVITIES: [(&str, Connectivity); 2] =
    [("four", Connectivity::Four), ("eight", Connectivity::Eight)];

/// One image and all that was computed from it.
struct Case {
    name: String,
    file: SafeTensors<'static>,
}

impl Case {
    /// Every case of the file.
    fn all() -> impl Iterator<Item = Self> {
        let names = SHAPES
            .iter()
            .flat_map(|shape| ["tied", "continuous"].map(|kind| format!("{shape}-{kind}")));
        names.map(|name| Self {
            name,
            file: SafeTensors::deserialize(FILE).expect("a safetensors file"),
        })
    }

    /// A tensor of the case; an image `[height, width]` becomes `[1, height, width, 1]`.
    fn tensor(&self, name: &str) -> Tensor<f32> {
        let view = self
            .file
            .tensor(&format!("{}/{name}", self.name))
            .unwrap_or_else(|e| panic!("{name}: {e}"));
        let data: Vec<f32> = match view.dtype() {
            Dtype::F32 => view
                .data()
                .chunks_exact(4)
                .map(|b| f32::from_le_bytes(b.try_into().unwrap()))
                .collect(),
            Dtype::U8 => view.data().iter().map(|b| f32::from(*b)).collect(),
            other => panic!("{name}: {other:?}"),
        };
        let dims = match *view.shape() {
            [height, width] => vec![1, height, width, 1],
            ref other => other.to_vec(),
        };
        Tensor::from_vec(Shape::new(&dims), data).unwrap()
    }

    #[track_caller]
    fn check(&self, name: &str, found: Result<Tensor<f32>, ShapeError>) {
        assert_eq!(found.unwrap(), self.tensor(name), "{}/{name}", self.name);
    }
}

#[test]
fn geodesic_operators_agree_step_by_step() {
    for case in Case::all() {
        let inputs = [case.tensor("marker"), case.tensor("x")];
        let inputs = [inputs[0].view(), inputs[1].view()];
        for (suffix, connectivity) in CONNECTIVITIES {
            for n in 0..=3 {
                let dilated = evaluate(inputs, |graph, [m, g]| {
                    geodesic_dilation(graph, m, g, n, connectivity)
                });
                case.check(&format!("geodesic_dilation_{n}_{suffix}"), dilated);
                let eroded = evaluate(inputs, |graph, [m, g]| {
                    geodesic_erosion(graph, m, g, n, connectivity)
                });
                case.check(&format!("geodesic_erosion_{n}_{suffix}"), eroded);
            }
        }
    }
}

#[test]
fn reconstructions_agree() {
    for case in Case::all() {
        let inputs = [case.tensor("marker"), case.tensor("x")];
        let inputs = [inputs[0].view(), inputs[1].view()];
        for (suffix, connectivity) in CONNECTIVITIES {
            let below = evaluate(inputs, |graph, [m, g]| {
                reconstruction_by_dilation(graph, m, g, connectivity)
            });
            case.check(&format!("by_dilation_{suffix}"), below);
            let above = evaluate(inputs, |graph, [m, g]| {
                reconstruction_by_erosion(graph, m, g, connectivity)
            });
            case.check(&format!("by_erosion_{suffix}"), above);
        }
    }
}

#[test]
fn extrema_agree() {
    for case in Case::all() {
        let (x, h) = (case.tensor("x"), case.tensor("h"));
        let inputs = [x.view(), h.view()];
        for (suffix, connectivity) in CONNECTIVITIES {
            let check = |name: &str, found| case.check(&format!("{name}_{suffix}"), found);
            check(
                "h_maxima",
                evaluate(inputs, |graph, [x, h]| h_maxima(graph, x, h, connectivity)),
            );
            check(
                "h_minima",
                evaluate(inputs, |graph, [x, h]| h_minima(graph, x, h, connectivity)),
            );
            check("regional_maxima", regional_maxima(x.view(), connectivity));
            check("regional_minima", regional_minima(x.view(), connectivity));
            check("extended_maxima", extended_maxima(x.view(), h.data()[0], connectivity));
            check("extended_minima", extended_minima(x.view(), h.data()[0], connectivity));
        }
    }
}

#[test]
fn area_openings_and_closings_agree() {
    for case in Case::all() {
        let (x, area) = (case.tensor("x"), case.tensor("area").data()[0] as usize);
        for (suffix, connectivity) in CONNECTIVITIES {
            let opened =
                evaluate([x.view()], |graph, [x]| area_opening(graph, x, area, connectivity));
            case.check(&format!("area_opening_{suffix}"), opened);
            let closed =
                evaluate([x.view()], |graph, [x]| area_closing(graph, x, area, connectivity));
            case.check(&format!("area_closing_{suffix}"), closed);
        }
    }
}

#[test]
fn distance_transforms_agree() {
    for case in Case::all() {
        let seeds = case.tensor("seeds");
        case.check("chessboard", distance_transform(seeds.view(), PixelDistance::Chessboard));
        case.check("taxicab", distance_transform(seeds.view(), PixelDistance::Taxicab));
        case.check("euclidean", distance_transform(seeds.view(), PixelDistance::Euclidean));
    }
}

/// The operators of one kernel, by SciPy's names.
const OPERATORS: [(&str, Operator<f32>); 7] = [
    ("dilation", dilation2d),
    ("erosion", erosion2d),
    ("opening", opening2d),
    ("closing", closing2d),
    ("white_tophat", white_top_hat2d),
    ("black_tophat", black_top_hat2d),
    ("gradient", gradient2d),
];

/// A kernel of the case, `[height, width, 1]`, and its window.
fn kernel(case: &Case, name: &str) -> (Tensor<f32>, Window2d) {
    let kernel = case.tensor(name);
    let &[_, rows, columns, _] = kernel.shape().dims() else { unreachable!("an image") };
    let window = Window2d::new([rows, columns]).same();
    (Tensor::from_vec([rows, columns, 1], kernel.into_vec()).unwrap(), window)
}

#[test]
fn operators_of_flat_and_nonflat_kernels_of_odd_and_even_size_agree() {
    for case in Case::all() {
        for element in ["flat", "nonflat", "even"] {
            let (x, (w, window)) = (case.tensor("x"), kernel(&case, &format!("kernel_{element}")));
            for (name, operator) in OPERATORS.into_iter().filter(|(name, _)| *name != "gradient") {
                let found = evaluate([x.view(), w.view()], |graph, [x, w]| {
                    operator(graph, x, w, window.into())
                });
                case.check(&format!("{name}_{element}"), found);
            }
        }
    }
}

#[test]
fn operators_agree_on_every_border() {
    let borders = [
        ("constant", Border::Constant(0.5)),
        ("nearest", Border::Replicate),
        ("reflect", Border::Reflect),
        ("mirror", Border::Mirror),
        ("wrap", Border::Periodic),
    ];
    for case in Case::all() {
        let (x, (w, window)) = (case.tensor("x"), kernel(&case, "kernel_even"));
        for (mode, border) in borders {
            let neighbourhood = Neighbourhood2d { border, ..window.into() };
            for (name, operator) in OPERATORS {
                let found = evaluate([x.view(), w.view()], |graph, [x, w]| {
                    operator(graph, x, w, neighbourhood)
                });
                case.check(&format!("{name}_{mode}"), found);
            }
        }
    }
}
