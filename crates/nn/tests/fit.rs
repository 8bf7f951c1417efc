//! The loop of a training: what it does with its data, its callbacks and its failures.

use std::collections::BTreeSet;
use std::ops::ControlFlow;
use std::sync::Mutex;

use morphograd_nn::autodiff::{Graph, Params, Var};
use morphograd_nn::fit::{
    Accuracy, Batch, Callback, CallbackError, ConfusionMatrix, DataSet, EarlyStopping, End,
    EpochLog, Fit, Metric, ModelCheckpoint, Monitor, Network, Progress, ReduceLrOnPlateau,
    Training, Vars, Verdict, evaluate, predict, train_step,
};
use morphograd_nn::optim::{Adam, Sgd};
use morphograd_nn::random::Stream;
use morphograd_nn::regularizer::L2;
use morphograd_nn::tensor::{ShapeError, Tensor};
use morphograd_nn::{
    Activation, Bias, Builder, Dense, Dropout, Layer, MeanSquaredError, Model, Optimizer,
    Sequential, SoftmaxCrossEntropy, Weight, checkpoint,
};
use morphograd_testkit::Golden;
use proptest::prelude::*;

const GO_ON: ControlFlow<()> = ControlFlow::Continue(());
const BREAK: ControlFlow<()> = ControlFlow::Break(());

/// $y = x + b$: one parameter, whose gradient is easy to follow.
fn bias(params: &mut Params<f64>) -> Model<f64> {
    Sequential::new().add("layer", Bias::default()).build_model(params, 0, [1]).unwrap()
}

/// `n` examples of which example `i` is $(0, i)$.
fn counted(n: usize) -> (Tensor<f64>, Tensor<f64>) {
    (Tensor::zeros([n, 1]), Tensor::from_fn([n, 1], |i| i as f64))
}

fn values(params: &Params<f64>) -> Vec<u64> {
    params.ids().flat_map(|id| params.value(id).data).map(|x| x.to_bits()).collect()
}

/// A classifier with dropout, and points to classify.
fn classifier(params: &mut Params<f64>) -> (Model<f64>, (Tensor<f64>, Vec<usize>)) {
    let model = Sequential::new()
        .add("hidden", Dense { units: 8, activation: Activation::Tanh, ..Dense::default() })
        .add("dropout", Dropout { rate: 0.2 })
        .add("logits", Dense { units: 3, ..Dense::default() })
        .build_model(params, 1, [2])
        .unwrap();
    let x = Tensor::from_fn([50, 2], |i| ((i * i) as f64 * 0.7).sin());
    let labels = x.data().chunks(2).map(|p| usize::from(p[0] > 0.3) + usize::from(p[1] > 0.0));
    let labels = labels.collect();
    (model, (x, labels))
}

/// A data set that remembers what was asked of it.
struct Watched<'a> {
    data: &'a dyn DataSet<f64>,
    batches: Mutex<Vec<Vec<usize>>>,
}

impl<'a> Watched<'a> {
    fn new(data: &'a dyn DataSet<f64>) -> Self {
        Self { data, batches: Mutex::default() }
    }
}

impl DataSet<f64> for Watched<'_> {
    fn len(&self) -> usize {
        self.data.len()
    }

    fn gather(&self, graph: &mut Graph<'_, f64>, examples: &[usize]) -> Result<Batch, ShapeError> {
        self.batches.lock().unwrap().push(examples.to_vec());
        self.data.gather(graph, examples)
    }
}

/// Puts given numbers into the logs, as `scripted`.
struct Script(Vec<f64>);

impl Callback<f64> for Script {
    fn on_epoch_end(
        &mut self,
        log: &mut EpochLog,
        _: &mut Training<'_, f64>,
    ) -> Result<ControlFlow<()>, CallbackError> {
        log.values.push(("scripted".to_owned(), self.0[log.epoch - 1]));
        Ok(GO_ON)
    }
}

/// The value of the first parameter after every epoch, and whatever else is asked.
#[derive(Default)]
struct Diary {
    first: Vec<f64>,
    rates: Vec<f64>,
    stop_at: usize,
    events: Vec<&'static str>,
}

impl Callback<f64> for Diary {
    fn on_train_begin(&mut self, _: &mut Training<'_, f64>) -> Result<(), CallbackError> {
        self.events.push("begin");
        Ok(())
    }

    fn on_epoch_end(
        &mut self,
        log: &mut EpochLog,
        training: &mut Training<'_, f64>,
    ) -> Result<ControlFlow<()>, CallbackError> {
        self.events.push("epoch");
        let id = training.params.ids().next().ok_or("no parameter")?;
        self.first.push(training.params.value(id).data[0]);
        self.rates.push(training.optimizer.learning_rate());
        Ok(if log.epoch == self.stop_at { BREAK } else { GO_ON })
    }

    fn on_train_end(&mut self, _: End, _: &mut Training<'_, f64>) -> Result<(), CallbackError> {
        self.events.push("end");
        Ok(())
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]
    #[test]
    fn every_epoch_sees_every_example_once_in_the_order_of_the_seed_and_the_epoch(
        n in 1..20usize, batch_size in 1..8usize, seed in 0..5u64, shuffle: bool,
    ) {
        let data = counted(n);
        let (watched, validation) = (Watched::new(&data), Watched::new(&data));
        let mut params = Params::new();
        let model = bias(&mut params);
        let mut optimizer = Optimizer::new(&params, Sgd::default(), 0.1);
        let history = Fit {
            epochs: 3,
            batch_size,
            seed,
            shuffle,
            validation: Some(&validation),
            ..Fit::new(&model, &MeanSquaredError, &watched)
        }
        .run(&mut params, &mut optimizer)
        .unwrap();
        prop_assert_eq!(history.epochs.len(), 3);
        let all = |watched: Watched<'_>| watched.batches.into_inner().unwrap();
        let batches = n.div_ceil(batch_size);
        for (epoch, found) in all(watched).chunks(batches).enumerate() {
            let mut order: Vec<usize> = (0..n).collect();
            if shuffle {
                Stream::new(seed, "shuffle", epoch as u64 + 1).shuffle(&mut order);
            }
            let expected: Vec<Vec<usize>> = order.chunks(batch_size).map(<[_]>::to_vec).collect();
            prop_assert_eq!(found, &expected[..]);
        }
        let in_order: Vec<usize> = all(validation).concat();
        prop_assert_eq!(in_order, (0..3 * n).map(|i| i % n).collect::<Vec<_>>());
    }
}

#[test]
fn the_loss_of_an_epoch_is_the_mean_over_the_examples_with_the_penalties() {
    let mut params = Params::new();
    let layer = Bias { bias: Weight::zeros().regularized(L2(3.0)) };
    let model = Sequential::new().add("layer", layer).build_model(&mut params, 0, [1]).unwrap();
    let id = params.ids().next().unwrap();
    params.update(id, |b| b[0] = 2.0);
    let data = counted(5);
    let mut optimizer = Optimizer::new(&params, Sgd::default(), 0.0);
    let history = Fit {
        batch_size: 2, // 2, 2 and 1 examples
        validation: Some(&data),
        ..Fit::new(&model, &MeanSquaredError, &data)
    }
    .run(&mut params, &mut optimizer)
    .unwrap();
    let squares = (0..5).map(|i| (2.0 - f64::from(i)).powi(2)).sum::<f64>() / 5.0;
    for name in ["loss", "val_loss"] {
        assert!((history.values(name)[0] - (squares + 12.0)).abs() < 1e-12, "{name}");
    }
    let evaluated = evaluate(&model, &MeanSquaredError, &data, 3, &params, &mut []).unwrap();
    assert!((evaluated - (squares + 12.0)).abs() < 1e-12);
}

#[test]
fn metrics_are_of_the_training_and_of_the_validation_and_hold_the_last() {
    let mut params = Params::new();
    let (model, train) = classifier(&mut params);
    let x = Tensor::from_fn([7, 2], |i| (i as f64).cos());
    let test = (x, vec![0usize, 1, 2, 0, 1, 2, 0]);
    let mut optimizer = Optimizer::new(&params, Adam::default(), 0.02);
    let mut accuracy = Accuracy::default();
    let history = Fit {
        epochs: 30,
        batch_size: 3,
        validation: Some(&test),
        metrics: vec![&mut accuracy],
        ..Fit::new(&model, &SoftmaxCrossEntropy, &train)
    }
    .run(&mut params, &mut optimizer)
    .unwrap();
    let names: Vec<&str> = history.epochs[0].values.iter().map(|(name, _)| &name[..]).collect();
    assert_eq!(names, ["loss", "accuracy", "val_loss", "val_accuracy"]);
    let last = history.values("val_accuracy")[29];
    assert_eq!((accuracy.total, accuracy.correct as f64 / 7.0), (7, last));
    assert!(history.values("accuracy")[29] > 0.8, "it learns");

    let (mut confusion, mut again) = (ConfusionMatrix::new(3), Accuracy::default());
    let loss = evaluate(
        &model,
        &SoftmaxCrossEntropy,
        &test,
        4,
        &params,
        &mut [&mut confusion, &mut again],
    )
    .unwrap();
    assert!((loss - history.values("val_loss")[29]).abs() < 1e-12);
    assert_eq!((confusion.accuracy(), again), (last, accuracy));

    let logits = predict(&model, &test, 4, &params).unwrap();
    assert_eq!(logits.shape().dims(), [7, 3]);
    assert_eq!(logits, predict(&model, &test.0, 32, &params).unwrap(), "targets are not needed");
}

#[test]
fn the_callbacks_do_what_keras_does() {
    let golden = Golden::read("callbacks");
    let tensor = |name: &str| golden.tensor::<f64>(name);
    let sequences = tensor("values");
    let epochs = sequences.shape().dims()[1];
    let sequences: Vec<&[f64]> = sequences.data().chunks(epochs).collect();
    let (stopped, best) = (tensor("stopped"), tensor("best"));
    let mut ends = stopped.data().iter().zip(best.data());
    for settings in tensor("stopping").data().chunks(4) {
        for values in &sequences {
            let mut stopping = EarlyStopping::<f64> {
                monitor: Monitor { min_delta: settings[0], ..Monitor::lowest("loss") },
                patience: settings[1] as usize,
                start_from_epoch: settings[2] as usize,
                baseline: Some(settings[3]).filter(|baseline| baseline.is_finite()),
                ..EarlyStopping::default()
            };
            let end = values.iter().position(|value| stopping.observe(*value) == Verdict::Stop);
            let (stopped, best) = ends.next().unwrap();
            assert_eq!(end.map_or(0, |i| i + 1), *stopped as usize, "{settings:?}");
            assert_eq!(stopping.best_epoch, *best as usize, "{settings:?}");
        }
    }
    assert!(ends.next().is_none());

    let rates = tensor("rates");
    let mut expected = rates.data().iter();
    for settings in tensor("plateau").data().chunks(5) {
        for values in &sequences {
            let mut plateau = ReduceLrOnPlateau {
                monitor: Monitor { min_delta: settings[2], ..Monitor::lowest("loss") },
                factor: settings[0],
                patience: settings[1] as usize,
                cooldown: settings[3] as usize,
                min_lr: settings[4],
                ..ReduceLrOnPlateau::default()
            };
            let mut rate = 0.01;
            for value in *values {
                rate = plateau.observe(*value, rate);
                let expected = expected.next().unwrap(); // Keras' is in single precision
                assert!((rate - expected).abs() <= 1e-6 * expected, "{settings:?}");
            }
        }
    }
    assert!(expected.next().is_none());
}

#[test]
fn early_stopping_ends_the_training_and_goes_back_to_the_best_epoch() {
    let data = counted(4);
    for (restore_best_weights, kept) in [(true, 1), (false, 3)] {
        let mut params = Params::new();
        let model = bias(&mut params);
        let id = params.ids().next().unwrap();
        let mut optimizer = Optimizer::new(&params, Sgd::default(), 0.1);
        let mut script = Script(vec![0.2, 0.7, 0.7, 0.6, 9.0, 9.0]);
        let mut diary = Diary::default();
        let mut stopping = EarlyStopping {
            monitor: Monitor::highest("scripted"),
            patience: 2,
            restore_best_weights,
            ..EarlyStopping::default()
        };
        let history = Fit {
            epochs: 6,
            callbacks: vec![&mut script, &mut stopping, &mut diary],
            ..Fit::new(&model, &MeanSquaredError, &data)
        }
        .run(&mut params, &mut optimizer)
        .unwrap();
        assert_eq!((history.end, history.epochs.len()), (End::Stopped, 4));
        assert_eq!((stopping.stopped_epoch, stopping.best_epoch), (Some(4), 2));
        assert_eq!(history.values("scripted"), [0.2, 0.7, 0.7, 0.6]);
        // Callbacks after the one that stopped were called.
        assert_eq!(diary.events, ["begin", "epoch", "epoch", "epoch", "epoch", "end"]);
        assert_eq!(params.value(id).data[0], diary.first[kept]);
    }
}

#[test]
fn the_plateau_schedule_changes_the_rate_of_the_optimizer() {
    let data = counted(2);
    let mut params = Params::new();
    let model = bias(&mut params);
    let mut optimizer = Optimizer::new(&params, Sgd::default(), 0.01);
    let mut script = Script(vec![1.0, 1.0, 1.0, 1.0, 1.0]);
    let mut plateau = ReduceLrOnPlateau {
        monitor: Monitor::lowest("scripted"),
        factor: 0.5,
        patience: 2,
        ..ReduceLrOnPlateau::default()
    };
    let mut diary = Diary::default();
    let history = Fit {
        epochs: 5,
        callbacks: vec![&mut script, &mut plateau, &mut diary],
        ..Fit::new(&model, &MeanSquaredError, &data)
    }
    .run(&mut params, &mut optimizer)
    .unwrap();
    assert_eq!(diary.rates, [0.01, 0.01, 0.005, 0.005, 0.0025]);
    // An epoch's log has the rate it was trained with.
    let trained: Vec<f64> = history.epochs.iter().map(|epoch| epoch.learning_rate).collect();
    assert_eq!(trained, [0.01, 0.01, 0.01, 0.005, 0.005]);
}

#[test]
fn a_callback_of_ones_own_may_stop_after_any_epoch() {
    let data = counted(4);
    let mut params = Params::new();
    let model = bias(&mut params);
    let mut optimizer = Optimizer::new(&params, Sgd::default(), 0.1);
    let mut diary = Diary { stop_at: 2, ..Diary::default() };
    let history = Fit {
        epochs: 9,
        callbacks: vec![&mut diary],
        ..Fit::new(&model, &MeanSquaredError, &data)
    }
    .run(&mut params, &mut optimizer)
    .unwrap();
    assert_eq!((history.end, history.epochs.len()), (End::Stopped, 2));
}

#[test]
fn an_observer_is_told_of_every_batch_and_may_break_at_any() {
    let (data, test) = (counted(5), counted(3));
    // Three batches of the training, two of the validation.
    for last in 1..=7 {
        let mut params = Params::new();
        let model = bias(&mut params);
        let mut optimizer = Optimizer::new(&params, Sgd::default(), 0.1);
        let mut seen = Vec::new();
        let mut observer = |progress: Progress| {
            seen.push((progress.epoch, progress.done, progress.total, progress.step.is_some()));
            if seen.len() == last { BREAK } else { GO_ON }
        };
        let history = Fit {
            epochs: 2,
            batch_size: 2,
            validation: Some(&test),
            callbacks: vec![&mut observer],
            ..Fit::new(&model, &MeanSquaredError, &data)
        }
        .run(&mut params, &mut optimizer)
        .unwrap();
        let all = [1, 2].map(|epoch| (1..=5).map(move |done| (epoch, done, 5, done <= 3)));
        assert_eq!(seen, all.into_iter().flatten().take(last).collect::<Vec<_>>());
        // The epoch that was not finished is not there.
        assert_eq!((history.end, history.epochs.len()), (End::Interrupted, (last - 1) / 5));
        assert_eq!(optimizer.steps() as usize, last.min(3) + last.saturating_sub(5).min(3));
    }
}

#[test]
fn a_loss_that_is_not_finite_ends_the_training_with_the_parameters_as_before_the_step() {
    let (x, mut y) = counted(4);
    y.data_mut()[3] = f64::NAN;
    for restore_best_weights in [false, true] {
        let mut params = Params::new();
        let model = bias(&mut params);
        let start = values(&params);
        let mut optimizer = Optimizer::new(&params, Sgd::default(), 0.1);
        let mut before = 0;
        let mut steps = |progress: Progress| {
            before = progress.done;
            GO_ON
        };
        let mut stopping = EarlyStopping {
            monitor: Monitor::lowest("loss"),
            restore_best_weights,
            ..EarlyStopping::default()
        };
        let data = (&x, &y);
        let history = Fit {
            batch_size: 1,
            shuffle: false,
            callbacks: vec![&mut steps, &mut stopping],
            ..Fit::new(&model, &MeanSquaredError, &data)
        }
        .run(&mut params, &mut optimizer)
        .unwrap();
        assert_eq!((history.end, before), (End::NotFinite { epoch: 1, step: 4 }, 3));
        assert_eq!(optimizer.steps(), 3);
        // b <- b - 0.2 (b - i) for i = 0, 1, 2; or the start, where no epoch was better.
        let found = params.value(params.ids().next().unwrap()).data[0];
        if restore_best_weights {
            assert_eq!(values(&params), start);
        } else {
            assert!((found - (0.2 * 0.8 + 0.4)).abs() < 1e-12, "{found}");
        }
    }
}

#[test]
fn a_step_that_fails_changes_nothing() {
    let mut params = Params::new();
    let model = bias(&mut params);
    let (start, mut tape) = (values(&params), morphograd_nn::autodiff::Tape::new());
    let mut optimizer = Optimizer::new(&params, Adam::default(), 0.1);
    for bad in [f64::NAN, f64::INFINITY] {
        let error = train_step(&mut tape, &mut params, &mut optimizer, |graph| {
            let x = graph.input(Tensor::filled([1, 1], bad).view());
            let target = graph.input(Tensor::zeros([1, 1]).view());
            let y = model.forward(graph, x)?;
            graph.apply(MeanSquaredError, [y, target])
        })
        .unwrap_err();
        assert!(error.is_divergence(), "{error}");
        assert_eq!(error.to_string(), format!("step: expected a finite loss, found {bad}"));
        assert_eq!((values(&params), optimizer.steps()), (start.clone(), 0));
    }
}

/// Trains the classifier for some epochs, with callbacks that have a state.
fn trained(epochs: &[usize], threads: usize) -> (Vec<u64>, Vec<f64>) {
    let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
    pool.install(|| {
        let mut params = Params::new();
        let (model, data) = classifier(&mut params);
        let mut optimizer = Optimizer::new(&params, Adam::default(), 0.05);
        let mut plateau = ReduceLrOnPlateau {
            monitor: Monitor { min_delta: 0.02, ..Monitor::lowest("loss") },
            patience: 2,
            cooldown: 2,
            ..ReduceLrOnPlateau::default()
        };
        let (mut losses, mut initial_epoch) = (Vec::new(), 0);
        for epochs in epochs {
            let history = Fit {
                epochs: *epochs,
                initial_epoch,
                batch_size: 7,
                seed: 3,
                callbacks: vec![&mut plateau],
                ..Fit::new(&model, &SoftmaxCrossEntropy, &data)
            }
            .run(&mut params, &mut optimizer)
            .unwrap();
            losses.extend(history.values("loss"));
            initial_epoch = *epochs;
        }
        (values(&params), losses)
    })
}

#[test]
fn a_training_that_goes_on_later_is_the_training_that_never_ended() {
    let whole = trained(&[20], 1);
    assert_eq!(whole.1.len(), 20);
    assert_eq!(whole, trained(&[7, 8, 20], 1));
}

#[test]
fn any_number_of_threads_gives_the_same_bits() {
    let one = trained(&[4], 1);
    assert_eq!(one, trained(&[4], 2));
    assert_eq!(one, trained(&[4], 5));
}

/// Two outputs of one hidden layer.
struct TwoHeads([Model<f64>; 3]);

impl Network<f64> for TwoHeads {
    fn outputs(&self, graph: &mut Graph<'_, f64>, inputs: &[Var]) -> Result<Vars, ShapeError> {
        let [hidden, value, class] = &self.0;
        let both = [hidden.forward(graph, inputs[0])?, hidden.forward(graph, inputs[1])?];
        Ok([value.forward(graph, both[0])?, class.forward(graph, both[1])?].into())
    }
}

#[test]
fn several_inputs_outputs_and_targets_train_with_a_loss_of_ones_own() {
    let mut params = Params::new();
    let mut builder = Builder::new(&mut params, 0);
    let mut dense = |name: &str, units, input: [usize; 1]| {
        let dense = Dense { units, ..Dense::default() };
        let layer = Sequential::new().add("dense", dense);
        layer.build_model_in(&mut builder.scope(name), input).unwrap()
    };
    let model = TwoHeads([dense("hidden", 4, [2]), dense("value", 1, [4]), dense("class", 2, [4])]);
    let [a, b] = [0.3, 0.8].map(|f| Tensor::from_fn([40, 2], |i| (i as f64 * f).sin()));
    let value = Tensor::from_fn([40, 1], |i| a.data()[2 * i] - a.data()[2 * i + 1]);
    let class = Tensor::from_fn([40], |i| f64::from(u8::from(b.data()[2 * i] > 0.0)));
    let data = ([&a, &b], [&value, &class]);
    let loss = |graph: &mut Graph<'_, f64>, outputs: &[Var], targets: &[Var]| {
        let error = graph.apply(MeanSquaredError, [outputs[0], targets[0]])?;
        let entropy = graph.apply(SoftmaxCrossEntropy, [outputs[1], targets[1]])?;
        graph.apply(morphograd_nn::autodiff::Add, [error, entropy])
    };
    let mut optimizer = Optimizer::new(&params, Adam::default(), 0.05);
    let history = Fit { epochs: 60, batch_size: 8, ..Fit::new(&model, &loss, &data) }
        .run(&mut params, &mut optimizer)
        .unwrap();
    let losses = history.values("loss");
    assert!(losses[59] < 0.2 * losses[0], "{losses:?}");
    // A loss of one output says so of two.
    let error = evaluate(&model, &MeanSquaredError, &data, 8, &params, &mut []).unwrap_err();
    assert_eq!(
        error.to_string(),
        "mean_squared_error: expected one output and one target, found 2 and 2"
    );
}

#[test]
fn a_checkpoint_holds_the_best_epoch_or_the_last() {
    let folder = tempfile::tempdir().unwrap();
    let data = counted(4);
    for (best, kept) in [(Some(Monitor::lowest("scripted")), 1), (None, 3)] {
        let path = folder.path().join("weights.safetensors");
        let mut params = Params::new();
        let model = bias(&mut params);
        let mut optimizer = Optimizer::new(&params, Sgd::default(), 0.1);
        let mut script = Script(vec![3.0, 1.0, 2.0, 2.0]);
        let mut saving = ModelCheckpoint { path: path.clone(), best };
        let mut diary = Diary::default();
        Fit {
            epochs: 4,
            callbacks: vec![&mut script, &mut saving, &mut diary],
            ..Fit::new(&model, &MeanSquaredError, &data)
        }
        .run(&mut params, &mut optimizer)
        .unwrap();
        checkpoint::load(&mut params, path).unwrap();
        let id = params.ids().next().unwrap();
        assert_eq!(params.value(id).data[0], diary.first[kept]);
    }
}

#[test]
fn what_cannot_be_used_is_refused_by_name() {
    let data = counted(4);
    let mut params = Params::new();
    let model = bias(&mut params);
    let start = values(&params);
    let mut refused = |fit: &mut Fit<'_, f64>| {
        let mut optimizer = Optimizer::new(&params, Sgd::default(), 0.1);
        let error = fit.run(&mut params, &mut optimizer).unwrap_err().to_string();
        (error, values(&params) == start)
    };
    let new = || Fit::new(&model, &MeanSquaredError, &data);
    assert_eq!(
        refused(&mut Fit { batch_size: 0, ..new() }),
        ("fit: expected a batch size of at least 1, found 0".to_owned(), true)
    );
    let none = (Tensor::zeros([0, 1]), Tensor::zeros([0, 1]));
    assert_eq!(
        refused(&mut Fit { validation: Some(&none), ..new() }),
        ("fit: expected data of at least one example, found none".to_owned(), true)
    );
    let (mut a, mut b) = (Accuracy::default(), ConfusionMatrix::new(2));
    assert_eq!(
        refused(&mut Fit { metrics: vec![&mut a, &mut b], ..new() }),
        ("fit: expected metrics of different names, found `accuracy` twice".to_owned(), true)
    );
    let unpaired = (&data.0, Tensor::zeros([3, 1]));
    assert_eq!(
        refused(&mut Fit { train: &unpaired, ..new() }),
        ("data set: expected targets for each of 4 examples, found 3".to_owned(), true)
    );
    // Known when the first epoch is over: a callback may add what is watched.
    let mut stopping = EarlyStopping::default();
    assert_eq!(
        refused(&mut Fit { callbacks: vec![&mut stopping], ..new() }).0,
        "early stopping: expected one of loss, found `val_loss`"
    );
    struct Failing;
    impl Metric<f64> for Failing {
        fn name(&self) -> &str {
            "failing"
        }
        fn reset(&mut self) {}
        fn update(
            &mut self,
            _: &Graph<'_, f64>,
            outputs: &[Var],
            _: &[Var],
        ) -> Result<(), ShapeError> {
            Err(ShapeError::new("failing", "no output", outputs.len().to_string()))
        }
        fn result(&self) -> f64 {
            0.0
        }
    }
    let expected = "failing: expected no output, found 1";
    assert_eq!(refused(&mut Fit { metrics: vec![&mut Failing], ..new() }).0, expected);
}

#[test]
fn augmentation_is_a_data_set_around_a_data_set() {
    /// Adds the number of the step to every input of the training.
    struct Shifted<D>(D, Mutex<BTreeSet<u64>>);

    impl<D: DataSet<f64>> DataSet<f64> for Shifted<D> {
        fn len(&self) -> usize {
            self.0.len()
        }

        fn gather(
            &self,
            graph: &mut Graph<'_, f64>,
            examples: &[usize],
        ) -> Result<Batch, ShapeError> {
            let batch = self.0.gather(graph, examples)?;
            let morphograd_nn::autodiff::Mode::Train { step } = graph.mode() else {
                return Ok(batch);
            };
            self.1.lock().unwrap().insert(step);
            let shift = graph.input(Tensor::filled([examples.len(), 1], step as f64).view());
            let x = graph.apply(morphograd_nn::autodiff::Add, [batch.inputs[0], shift])?;
            Ok(Batch { inputs: x.into(), ..batch })
        }
    }
    let data = Shifted(counted(4), Mutex::default());
    let mut params = Params::new();
    let model = bias(&mut params);
    let mut optimizer = Optimizer::new(&params, Sgd::default(), 0.0);
    let history = Fit {
        batch_size: 2,
        shuffle: false,
        validation: Some(&data),
        ..Fit::new(&model, &MeanSquaredError, &data)
    }
    .run(&mut params, &mut optimizer)
    .unwrap();
    assert_eq!(data.1.into_inner().unwrap(), BTreeSet::from([0, 1]));
    // Targets 0 to 3 against 0, 0, 1, 1, then against 0.
    assert_eq!(history.values("loss"), [(0.0 + 1.0 + 1.0 + 4.0) / 4.0]);
    assert_eq!(history.values("val_loss"), [(0.0 + 1.0 + 4.0 + 9.0) / 4.0]);
}
