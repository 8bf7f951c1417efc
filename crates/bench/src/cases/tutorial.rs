//! The tutorial's network: one step, one epoch, prediction, and the whole of it, on the digits that
//! are compiled in, so that every machine does the same.

use morphograd::data::{Dataset, Images};
use morphograd::experiment::Config;
use morphograd::morphology::nn::autodiff::{Mode, Params, Tape};
use morphograd::morphology::nn::fit::{Accuracy, DataSet, Fit, predicted_class, train_step};
use morphograd::morphology::nn::optim::Adam;
use morphograd::morphology::nn::{Layer, Model, Optimizer, SoftmaxCrossEntropy};
use morphograd::record::Variant;

use crate::case::{Case, Unit, Work};

pub(super) fn cases() -> Vec<Case> {
    vec![
        step("step", 128).counted(),
        Case::new(
            "epoch",
            "one epoch: 8 steps on 1,024 images, validation on 10,000",
            Work::of(Unit::Image, 1024 + 10_000),
            Box::new(|| {
                let config = Config { epochs: 1, ..Config::default() };
                let mut network = Network::new(config, "none");
                Box::new(move || {
                    network.fit(0);
                })
            }),
        ),
        Case::new(
            "prediction",
            "classes of 10,000 images, in batches of 128",
            Work::of(Unit::Image, 10_000),
            Box::new(|| {
                let mut network = Network::new(Config::default(), "none");
                Box::new(move || {
                    std::hint::black_box(network.predict());
                })
            }),
        ),
        Case {
            name: "tutorial".to_owned(),
            what: "the whole tutorial: four constraints, at most 100 epochs each, early stopping, \
                seed 0"
                .to_owned(),
            work: None,
            counted: false,
            long: true,
            prepare: Some(Box::new(|| {
                Box::new(move || {
                    for constraint in Config::default().constraints {
                        Network::new(Config::default(), &constraint).fit(0);
                    }
                })
            })),
        },
    ]
}

/// One training step with Adam.
pub fn step(name: &str, batch: usize) -> Case {
    let prepare = Box::new(move || {
        let mut network = Network::new(Config { batch_size: batch, ..Config::default() }, "none");
        let mut position = 0;
        Box::new(move || {
            let indices: Vec<usize> =
                (position..position + batch).map(|i| i % network.train.len()).collect();
            position = (position + batch) % network.train.len();
            let Network { model, params, optimizer, train, tape, .. } = &mut network;
            train_step(tape, params, optimizer, |graph| {
                let batch = train.gather(graph, &indices)?;
                let logits = model.forward(graph, batch.inputs[0])?;
                graph.apply(SoftmaxCrossEntropy, [logits, batch.targets[0]])
            })
            .expect("a step of the tutorial");
        }) as Box<dyn FnMut() + Send>
    });
    Case::new(
        name,
        format!("one training step, batch of {batch}, Adam"),
        Work::of(Unit::Image, batch),
        prepare,
    )
}

/// The network with what it takes to train it.
struct Network {
    config: Config,
    model: Model<f32>,
    params: Params<f32>,
    optimizer: Optimizer<f32>,
    train: Images,
    test: Images,
    tape: Tape<f32>,
}

impl Network {
    fn new(config: Config, constraint: &str) -> Self {
        let digits = Dataset::embedded(String::new());
        let mut params = Params::new();
        let kernel = Variant::from(constraint).kernel().expect("a constraint of the tutorial");
        let model =
            config.network(&digits, kernel, 0, &mut params).expect("the tutorial's network");
        let optimizer = Optimizer::new(&params, Adam::default(), config.learning_rate);
        let train = digits.train.take(config.samples).expect("there are more");
        Self { config, model, params, optimizer, train, test: digits.test, tape: Tape::new() }
    }

    /// Trains; returns the number of epochs.
    fn fit(&mut self, seed: u64) -> usize {
        let Self { config, model, params, optimizer, train, test, .. } = self;
        let (mut stopping, mut plateau) = config.callbacks();
        let fitted = Fit {
            validation: Some(test),
            epochs: config.epochs,
            batch_size: config.batch_size,
            seed,
            metrics: vec![&mut Accuracy::default()],
            callbacks: vec![&mut stopping, &mut plateau],
            ..Fit::new(model, &SoftmaxCrossEntropy, train)
        }
        .run(params, optimizer);
        fitted.expect("a run of the tutorial").epochs.len()
    }

    /// Classifies the test images; returns how many correctly.
    fn predict(&mut self) -> usize {
        let Self { config, model, params, test, tape, .. } = self;
        let indices: Vec<usize> = (0..test.len()).collect();
        let mut correct = 0;
        for batch in indices.chunks(config.batch_size) {
            let mut graph = tape.record(params, Mode::Eval);
            let x = test.gather(&mut graph, batch).expect("images").inputs[0];
            let logits = model.forward(&mut graph, x).expect("images of the network's size");
            let rows = graph.value(logits).data.chunks_exact(model.output().len());
            correct += rows
                .zip(batch)
                .filter(|(row, i)| predicted_class(row) == usize::from(test.labels()[**i]))
                .count();
        }
        correct
    }
}
