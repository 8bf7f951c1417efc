//! Kernels with a hard support: the projection, what is refused, and that minus infinity stays
//! where it is through training, diagnostics and checkpoints.

use morphograd_morphology::initializer::ElementInitializer;
use morphograd_morphology::nn::autodiff::{
    Mode, Params, Tape,
    sets::{Constraint, Kind},
};
use morphograd_morphology::nn::optim::{Adam, Sgd};
use morphograd_morphology::nn::random::Stream;
use morphograd_morphology::nn::tensor::{Padding, Shape, Tensor};
use morphograd_morphology::nn::{
    Layer, MeanSquaredError, Optimizer, Sequential, Weight, checkpoint,
};
use morphograd_morphology::{
    Depthwise2d, Dilation2d, Erosion2d, MaxPlus, Neighbourhood2d, StructuringElement, Support,
    ZeroCentre,
};
use morphograd_testkit::{check_projection, strategy, vjp};
use proptest::collection::vec;
use proptest::prelude::*;

const OFF: f64 = f64::NEG_INFINITY;

fn crosses() -> Support {
    Support { min: -1.0, max: 0.5, ..Support::of(StructuringElement::cross(1).unwrap()) }
}

/// The entries of a kernel `[3, 3, 2]` on and off the cross.
fn split(kernel: &[f64]) -> (Vec<f64>, Vec<f64>) {
    let on = |n: usize| [1, 3, 4, 5, 7].contains(&(n / 2));
    let all = || kernel.iter().copied().enumerate();
    (
        all().filter(|(n, _)| on(*n)).map(|(_, w)| w).collect(),
        all().filter(|(n, _)| !on(*n)).map(|(_, w)| w).collect(),
    )
}

/// What a support does to the entries on it, as a set of those entries alone: distances between
/// kernels are finite only there.
#[derive(Debug)]
struct OnTheCross(Support);

impl Constraint<f64> for OnTheCross {
    fn project(&self, _: Shape, value: &mut [f64]) {
        let (mut kernel, mut entries) = (vec![3.0; 18], value.iter());
        [1, 3, 4, 5, 7]
            .iter()
            .flat_map(|n| [2 * n, 2 * n + 1])
            .for_each(|n| kernel[n] = *entries.next().unwrap());
        self.0.project([3, 3, 2].into(), &mut kernel);
        value.copy_from_slice(&split(&kernel).0);
    }

    fn violation(&self, _: Shape, value: &[f64]) -> f64 {
        let (mut kernel, mut entries) = (vec![OFF; 18], value.iter());
        [1, 3, 4, 5, 7]
            .iter()
            .flat_map(|n| [2 * n, 2 * n + 1])
            .for_each(|n| kernel[n] = *entries.next().unwrap());
        self.0.violation([3, 3, 2].into(), &kernel)
    }

    fn accepts(&self, _: Shape) -> Result<(), morphograd_morphology::nn::tensor::ShapeError> {
        Ok(())
    }

    fn kind(&self) -> Kind {
        Kind::Convex
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(32))]

    #[test]
    fn a_support_is_minus_infinity_off_it_and_an_exact_box_on_it(
        kernel in vec(-3.0..3.0f64, 18),
        others in vec(vec(-3.0..3.0f64, 10), 3),
    ) {
        let shape = Shape::from([3, 3, 2]);
        for set in [crosses(), Support::of(StructuringElement::cross(1).unwrap())] {
            let mut projected = kernel.clone();
            set.project(shape, &mut projected);
            let (on, off) = split(&projected);
            prop_assert!(off.iter().all(|w| *w == OFF));
            prop_assert!(
                split(&kernel).0.iter().zip(&on).all(|(w, p)| w.clamp(set.min, set.max) == *p)
            );
            prop_assert_eq!(set.violation(shape, &projected), 0.0);
            prop_assert_eq!(set.violation(shape, &kernel), f64::INFINITY);
            let mut again = projected.clone();
            set.project(shape, &mut again);
            prop_assert_eq!(again, projected);
            check_projection(&OnTheCross(set), [10].into(), &split(&kernel).0, &others);
        }
    }

    #[test]
    fn a_zero_centre_makes_dilations_by_even_kernels_extensive_too(
        x in strategy::tied_tensor([1, 6, 7, 1]),
        mut w in strategy::tied_tensor([2, 4, 1]),
    ) {
        ZeroCentre { min: -1.0, max: 0.0 }.project(w.shape(), w.data_mut());
        let window = morphograd_morphology::nn::tensor::Window2d::new([2, 4]).same();
        let y = vjp(Depthwise2d::<MaxPlus>::new(window), &[x.clone(), w], &[0.0; 42]).0;
        prop_assert!(x.data().iter().zip(&y).all(|(x, y)| x <= y));
    }
}

#[test]
fn the_violation_says_how_far_and_sees_nan() {
    let (set, shape) = (crosses(), Shape::from([3, 3]));
    let on = [OFF, 0.0, OFF, 0.0, 0.0, 0.0, OFF, 0.0, OFF];
    let with = |at: usize, w: f64| {
        let mut kernel = on;
        kernel[at] = w;
        set.violation(shape, &kernel)
    };
    assert_eq!((with(4, 0.75), with(1, -3.0), with(1, OFF)), (0.25, 2.0, f64::INFINITY));
    assert_eq!(
        (with(0, -1e30), with(0, 0.0), with(0, f64::INFINITY)),
        (f64::INFINITY, f64::INFINITY, f64::INFINITY)
    );
    assert!(with(0, f64::NAN).is_nan() && with(4, f64::NAN).is_nan());
    let mut nan = [f64::NAN; 9];
    set.project(shape, &mut nan);
    assert!(nan[0] == OFF && nan[4].is_nan());
}

#[test]
fn a_kernel_that_cannot_hold_the_support_is_refused_by_name() {
    let refused = |set: Support, shape: Shape| {
        Constraint::<f32>::accepts(&set, shape).unwrap_err().to_string()
    };
    assert_eq!(
        refused(crosses(), [3, 2, 4].into()),
        "structuring element: expected a support within a kernel of size [3, 2], found offsets \
         from [-1, -1] to [1, 1]"
    );
    assert_eq!(
        refused(crosses(), [9].into()),
        "support: expected a kernel [height, width, …], found shape [9]"
    );
    let with = |min, max| Support { min, max, ..crosses() };
    assert_eq!(
        refused(with(1.0, 0.0), [3, 3].into()),
        "interval: expected min <= max, found min 1 and max 0"
    );
    assert_eq!(
        refused(with(OFF, OFF), [3, 3].into()),
        "support: expected bounds with a number between them, found [-inf, -inf]"
    );
    assert!(Constraint::<f32>::accepts(&crosses(), [5, 3, 4].into()).is_ok());
    assert!(Constraint::<f32>::accepts(&crosses(), [3, 3, 0].into()).is_ok());
}

#[test]
fn minus_infinity_stays_through_training_with_finite_diagnostics_and_through_a_checkpoint() {
    let element = StructuringElement::cross(1).unwrap();
    let build = |params: &mut Params<f32>| {
        let start = ElementInitializer { element: element.clone(), outside: OFF };
        let weight = || {
            Weight::new(start.clone())
                .constrained(Support { max: 0.05, ..Support::of(element.clone()) })
        };
        let (size, filters, padding) = ([3, 3], 2, Padding::Same);
        Sequential::new()
            .add(
                "dilation",
                Dilation2d {
                    filters,
                    neighbourhood: Neighbourhood2d::new(size).padding(padding),
                    kernel: weight(),
                    ..Dilation2d::default()
                },
            )
            .add(
                "erosion",
                Erosion2d {
                    neighbourhood: Neighbourhood2d::new(size).padding(padding),
                    kernel: weight(),
                    ..Erosion2d::default()
                },
            )
            .build_model(params, 3, [6, 6, 1])
            .unwrap()
    };
    let mut noise = Stream::new(1, "noise", 0);
    let x = Tensor::from_fn([4, 6, 6, 1], |_| noise.uniform() as f32);
    let target = Tensor::from_fn([4, 6, 6, 1], |_| 1.0 + noise.uniform() as f32);

    let mut params = Params::new();
    let model = build(&mut params);
    let kernels: Vec<_> = params.ids().collect();
    let optimizers = [
        Optimizer::new(&params, Adam::default(), 0.02).measured(),
        Optimizer::new(&params, Sgd { momentum: 0.9, ..Sgd::default() }, 0.02).measured(),
    ];
    let mut moved = 0;
    for mut optimizer in optimizers {
        let mut tape = Tape::new();
        for step in 0..20 {
            let mut graph = tape.record(&params, Mode::Train { step });
            let (input, target) = (graph.input(x.view()), graph.input(target.view()));
            let y = model.forward(&mut graph, input).unwrap();
            let loss = graph.apply(MeanSquaredError, [y, target]).unwrap();
            assert!(graph.value(loss).data[0].is_finite());
            graph.backward(loss);
            let report = optimizer.step(&mut params, &tape).unwrap();
            let numbers = [report.gradient_norm, report.distance, report.gradient_mapping.unwrap()];
            assert!(numbers.iter().all(|n| n.is_finite()), "{numbers:?}");
            moved += report.moved;
            for id in &kernels {
                let on =
                    |n: usize| element.entry([n as isize / 3 - 1, n as isize % 3 - 1]).is_some();
                let rest = params.value(*id).data.len() / 9;
                let values = params.value(*id).data.iter().enumerate();
                let gradients = tape.grad(*id).unwrap();
                assert!(values.clone().all(|(n, w)| w.is_finite() == on(n / rest)));
                assert!(values.clone().all(|(n, _)| on(n / rest) || gradients[n] == 0.0));
                assert_eq!(params.violation(*id), 0.0);
            }
        }
    }
    assert!(moved > 0, "the upper bound was to be reached, so that there is a distance to measure");

    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("model.safetensors");
    checkpoint::save(&params, &path).unwrap();
    let mut other = Params::new();
    build(&mut other);
    let projection = checkpoint::load(&mut other, &path).unwrap();
    assert_eq!((projection.moved, projection.distance_squared), (0, 0.0));
    for id in kernels {
        assert_eq!(other.value(id).data, params.value(id).data);
    }
}
