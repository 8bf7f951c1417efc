//! The promise of the README: nothing has to be remembered in the training loop. Its loop, word for
//! word, under every way of enforcing and with a regularizer.

use morphograd_morphology::nn::autodiff::{Mode, Params, Tape};
use morphograd_morphology::nn::enforcement::{Enforcement, ProjectionVjp};
use morphograd_morphology::nn::regularizer::L2;
use morphograd_morphology::nn::sets::NonPositive;
use morphograd_morphology::nn::tensor::{Tensor, Window2d};
use morphograd_morphology::nn::{Layer, MeanSquaredError, Optimizer, Sequential, Weight};
use morphograd_morphology::nn::{optim::Adam, random::Stream};
use morphograd_morphology::{Dilation2d, Neighbourhood2d, dilation2d};

/// What the README's loop learns with this kernel, and how far it is from its set.
fn learn(kernel: Weight<f32>) -> Result<(Vec<f32>, f64), Box<dyn std::error::Error>> {
    let mut noise = Stream::new(1, "noise", 0);
    let images = Tensor::from_fn([8, 16, 16, 1], |_| noise.uniform() as f32);
    // Raises by 0.3: a kernel that is not positive cannot follow.
    let hidden =
        Tensor::from_vec([3, 3, 1], vec![-0.4, -0.1, -0.3, -0.2, 0.3, -0.1, -0.5, -0.2, -0.4])?;
    let window = Window2d::new([3, 3]);
    let mut params = Params::new();
    let dilation =
        Dilation2d { neighbourhood: Neighbourhood2d::new([3, 3]), kernel, ..Dilation2d::default() };
    let model =
        Sequential::new().add("dilation", dilation).build_model(&mut params, 0, [16, 16, 1])?;
    // The loop.
    let mut optimizer = Optimizer::new(&params, Adam::default(), 0.01);
    let mut tape = Tape::new();
    for step in 0..300 {
        let mut graph = tape.record(&params, Mode::Train { step });
        let (x, w) = (graph.input(images.view()), graph.input(hidden.view()));
        let target = dilation2d(&mut graph, x, w, window)?;
        let y = model.forward(&mut graph, x)?;
        let loss = graph.apply(MeanSquaredError, [y, target])?;
        graph.backward(loss);
        optimizer.step(&mut params, &tape)?; // update, then projection
    }
    // The end.
    let kernel = params.find("dilation.kernel").expect("the layer's parameter");
    Ok((params.value(kernel).data.to_vec(), params.violation(kernel)))
}

#[test]
fn the_loop_of_these_tests_is_that_of_the_readme() {
    let own = include_str!("promise.rs");
    let start = own.find("    // The loop.\n").unwrap();
    let end = own[start..].find("    // The end.\n").unwrap();
    let lines: Vec<_> = own[start..][..end]
        .lines()
        .skip(1)
        .map(|line| line.strip_prefix("    ").unwrap_or(line))
        .collect();
    let readme = concat!(env!("CARGO_MANIFEST_DIR"), "/../../README.md");
    let readme = std::fs::read_to_string(readme).unwrap();
    assert!(readme.contains(&lines.join("\n")), "expected in README.md:\n{}", lines.join("\n"));
}

#[test]
fn every_way_to_enforce_reaches_the_constrained_solution_in_the_loop_of_the_readme() {
    let start = || Weight::zeros().constrained(NonPositive);
    let (solution, violation) = learn(start()).unwrap();
    assert_eq!((violation, solution[4]), (0.0, 0.0));
    let (free, _) = learn(Weight::zeros()).unwrap();
    assert!((free[4] - 0.3).abs() < 0.01, "without a set the kernel is found: {free:?}");
    let ways = [
        (Enforcement::ForwardProjection { gradient: ProjectionVjp::Exact }, 0.0),
        (Enforcement::ForwardProjection { gradient: ProjectionVjp::StraightThrough }, 0.0),
        (Enforcement::Reparametrization, 0.0),
        (Enforcement::Penalty { factor: 1e3 }, 1e-3),
        (Enforcement::AugmentedLagrangian { factor: 10.0, every: 10 }, 0.01),
    ];
    for (way, outside) in ways {
        let (found, violation) = learn(start().enforced(way)).unwrap();
        assert!(violation <= outside, "{way:?}: {violation}");
        // Of the entry that the constraint holds; others hardly matter where it wins everywhere.
        assert!((found[4] - solution[4]).abs() < 0.02, "{way:?}: {found:?}, {solution:?}");
    }
}

#[test]
fn a_regularizer_acts_in_the_loop_of_the_readme() {
    let (free, _) = learn(Weight::zeros()).unwrap();
    let (pulled, _) = learn(Weight::zeros().regularized(L2(100.0))).unwrap();
    assert!(free[4] > 0.29 && pulled[4].abs() < 0.01, "{free:?} {pulled:?}");
    // Beside a penalty that enforces a set, both act.
    let both = Weight::zeros()
        .constrained(NonPositive)
        .enforced(Enforcement::Penalty { factor: 1e3 })
        .regularized(L2(100.0));
    let (both, violation) = learn(both).unwrap();
    assert!(violation < 1e-3 && both.iter().all(|w| w.abs() < 0.01), "{both:?}");
}
