//! A training whose batches are cut into shards: the same bits for every number of ranks, the
//! gradient of the whole batch, and ranks that do not fit one another.

use std::ops::ControlFlow;
use std::thread;

use morphograd_nn::autodiff::{Graph, Params, Var};
use morphograd_nn::fit::{
    Accuracy, Backup, Callback, CallbackError, ConfusionMatrix, EarlyStopping, End, EpochLog, Fit,
    FitError, Metric, Monitor, Progress, Psnr, Training,
};
use morphograd_nn::optim::{Adam, Sgd};
use morphograd_nn::ranks::{Communicator, Local, Threads};
use morphograd_nn::regularizer::L2;
use morphograd_nn::sets::Interval;
use morphograd_nn::tensor::{Real, ShapeError, Tensor};
use morphograd_nn::{
    Activation, BatchNorm, Dense, Dropout, Enforcement, MeanSquaredError, Model, Optimizer,
    Sequential, SoftmaxCrossEntropy, Weight,
};
use proptest::prelude::*;

/// A classifier with what a step may have: dropout, a penalty, a set, and a multiplier.
fn classifier<T: Real>(params: &mut Params<T>) -> Model<T> {
    let way = Enforcement::AugmentedLagrangian { factor: 10.0, every: 2 };
    let kernel = Weight::new(morphograd_nn::initializer::GlorotUniform);
    let bias = Weight::zeros().constrained(Interval { min: -0.1, max: 0.05 }).enforced(way);
    let hidden = Dense { units: 8, activation: Activation::Tanh, ..Dense::default() };
    let kernel = kernel.regularized(L2(0.01)).constrained(Interval { min: -0.5, max: 0.5 });
    let logits = Dense { units: 3, kernel, bias: Some(bias), ..Dense::default() };
    Sequential::new()
        .add("hidden", hidden)
        .add("dropout", Dropout { rate: 0.2 })
        .add("logits", logits)
        .build_model(params, 1, [2])
        .unwrap()
}

fn points<T: Real>(n: usize) -> (Tensor<T>, Vec<usize>) {
    let x = Tensor::from_fn([n, 2], |i| T::of(((i * i) as f64 * 0.7).sin()));
    let class = |p: &[T]| usize::from(p[0].f64() > 0.3) + usize::from(p[1].f64() > 0.0);
    let labels = x.data().chunks(2).map(class).collect();
    (x, labels)
}

fn bits<T: Real>(params: &Params<T>) -> Vec<u64> {
    params.ids().flat_map(|id| params.value(id).data).map(|x| x.f64().to_bits()).collect()
}

/// What a training leaves: the bits of the parameters and of everything in the log.
type Trained = (Vec<u64>, Vec<(String, u64)>, End);

/// Trains 50 points in batches of 16, so that the last batch has 2.
fn train<T: Real>(communicator: &dyn Communicator, shards: usize) -> Result<Trained, FitError> {
    let mut params = Params::<T>::new();
    let model = classifier(&mut params);
    let data = points(50);
    let mut optimizer = Optimizer::new(&params, Adam::default(), 0.05);
    let mut stopping = EarlyStopping { patience: 2, ..EarlyStopping::default() };
    stopping.restore_best_weights = true;
    let (mut accuracy, mut confusion) = (Accuracy::default(), Named(ConfusionMatrix::new(3)));
    let history = Fit {
        epochs: 4,
        batch_size: 16,
        shards,
        communicator,
        validation: Some(&data),
        metrics: vec![&mut accuracy, &mut confusion],
        callbacks: vec![&mut stopping],
        ..Fit::new(&model, &SoftmaxCrossEntropy, &data)
    }
    .run(&mut params, &mut optimizer)?;
    let values = history.epochs.iter().flat_map(|log| &log.values);
    let values = values.map(|(name, value)| (name.clone(), value.to_bits())).collect();
    Ok((bits(&params), values, history.end))
}

/// A confusion matrix beside an accuracy: the two have one name.
struct Named(ConfusionMatrix);

impl<T: Real> Metric<T> for Named {
    fn name(&self) -> &str {
        "confusion"
    }

    fn reset(&mut self) {
        Metric::<T>::reset(&mut self.0);
    }

    fn update(
        &mut self,
        graph: &Graph<'_, T>,
        outputs: &[Var],
        targets: &[Var],
    ) -> Result<(), ShapeError> {
        self.0.update(graph, outputs, targets)
    }

    fn result(&self) -> f64 {
        self.0.accuracy()
    }

    fn sums(&self) -> Option<Vec<f64>> {
        Metric::<T>::sums(&self.0)
    }

    fn set_sums(&mut self, sums: &[f64]) {
        Metric::<T>::set_sums(&mut self.0, sums);
    }
}

/// What every rank makes of a computation; a rank is over when its computation is.
fn on_ranks<R: Send>(size: usize, f: impl Fn(&dyn Communicator) -> R + Sync) -> Vec<R> {
    thread::scope(|scope| {
        let f = &f;
        let all: Vec<_> = (Threads::ranks(size).into_iter())
            .map(|rank| {
                scope.spawn(move || {
                    // A pool each: a rank that waits must not keep a worker of another one.
                    let pool = rayon::ThreadPoolBuilder::new().num_threads(1).build().unwrap();
                    pool.install(|| f(&rank))
                })
            })
            .collect();
        all.into_iter().map(|rank| rank.join().unwrap()).collect()
    })
}

#[test]
fn eight_shards_give_the_same_bits_on_1_2_4_and_8_ranks() {
    fn check<T: Real>() {
        let alone = train::<T>(&Local, 8).unwrap();
        assert_eq!(alone.1.len(), 4 * 6, "loss and two metrics, twice, in four epochs");
        for size in [1, 2, 4, 8] {
            for (rank, found) in on_ranks(size, |rank| train::<T>(rank, 8)).into_iter().enumerate()
            {
                assert_eq!(found.unwrap(), alone, "rank {rank} of {size}");
            }
        }
        // The number of shards decides the last bits, and no more than these.
        let whole = train::<T>(&Local, 1).unwrap();
        assert_ne!(whole.0, alone.0);
        for ((name, a), (_, b)) in whole.1.iter().zip(&alone.1) {
            let (a, b) = (f64::from_bits(*a), f64::from_bits(*b));
            assert!((a - b).abs() < 1e-3, "{name}: {a} and {b}");
        }
    }
    check::<f32>();
    check::<f64>();
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(32))]
    /// With gradient descent, the change of the parameters is the gradient.
    #[test]
    fn the_gradient_of_shards_is_that_of_the_batch(
        n in 1..20usize,
        rounds in 0..5u32,
        seed in 0..1000u64,
    ) {
        let data = points::<f64>(n);
        let step = |shards| {
            let mut params = Params::<f64>::new();
            let model = classifier(&mut params);
            let mut optimizer = Optimizer::new(&params, Sgd::default(), 0.1);
            let mut accuracy = Accuracy::default();
            let history = Fit {
                batch_size: n,
                shards,
                seed,
                metrics: vec![&mut accuracy],
                ..Fit::new(&model, &SoftmaxCrossEntropy, &data)
            }
            .run(&mut params, &mut optimizer)
            .unwrap();
            let values = history.epochs[0].values.iter().map(|(_, value)| *value);
            let params: Vec<f64> =
                params.ids().flat_map(|id| params.value(id).data).copied().collect();
            values.chain(params).collect::<Vec<f64>>()
        };
        for (whole, shards) in step(1).into_iter().zip(step(1 << rounds)) {
            prop_assert!((whole - shards).abs() < 1e-12, "{whole} and {shards}");
        }
    }
}

#[test]
fn sums_of_numbers_of_pixels_are_those_of_the_whole() {
    let psnr = |communicator: &dyn Communicator, shards| {
        let mut params = Params::<f64>::new();
        let model = Sequential::new()
            .add("line", Dense { units: 1, ..Dense::default() })
            .build_model(&mut params, 0, [1])
            .unwrap();
        let x = Tensor::from_fn([9, 1], |i| i as f64 / 9.0);
        let data = (&x, &x);
        let (mut psnr, range) = (Psnr::default(), Psnr::default().range);
        let mut optimizer = Optimizer::new(&params, Sgd::default(), 0.0);
        Fit {
            batch_size: 4,
            shards,
            communicator,
            metrics: vec![&mut psnr],
            ..Fit::new(&model, &MeanSquaredError, &data)
        }
        .run(&mut params, &mut optimizer)
        .unwrap();
        assert_eq!((psnr.pixels, psnr.range), (9, range));
        psnr.squares
    };
    let shards = psnr(&Local, 4);
    assert!((shards - psnr(&Local, 1)).abs() < 1e-12);
    assert_eq!(on_ranks(4, |rank| psnr(rank, 4)), [shards; 4]);
}

/// Wants to end after so many batches, or at the end of an epoch.
struct Ends {
    after: usize,
    at_epoch: usize,
}

impl Callback<f64> for Ends {
    fn on_batch_end(
        &mut self,
        progress: Progress,
        _: &mut Training<'_, f64>,
    ) -> Result<ControlFlow<()>, CallbackError> {
        let breaks = progress.done == self.after;
        Ok(if breaks { ControlFlow::Break(()) } else { ControlFlow::Continue(()) })
    }

    fn on_epoch_end(
        &mut self,
        log: &mut EpochLog,
        _: &mut Training<'_, f64>,
    ) -> Result<ControlFlow<()>, CallbackError> {
        let breaks = log.epoch == self.at_epoch;
        Ok(if breaks { ControlFlow::Break(()) } else { ControlFlow::Continue(()) })
    }
}

#[test]
fn all_ranks_end_where_one_wants_to() {
    let data = points::<f64>(12);
    let ended = |rank: &dyn Communicator, after, at_epoch| {
        let mut params = Params::new();
        let model = classifier(&mut params);
        let mut optimizer = Optimizer::new(&params, Sgd::default(), 0.1);
        let mine = rank.rank() == 1;
        let mut ends = if mine { Ends { after, at_epoch } } else { Ends { after: 0, at_epoch: 0 } };
        let history = Fit {
            epochs: 5,
            batch_size: 4,
            shards: 4,
            communicator: rank,
            validation: Some(&data),
            callbacks: vec![&mut ends],
            ..Fit::new(&model, &SoftmaxCrossEntropy, &data)
        }
        .run(&mut params, &mut optimizer)
        .unwrap();
        (history.end, history.epochs.len(), optimizer.steps())
    };
    // In the training, in the validation, after its last batch, and at the end of an epoch.
    for (after, at_epoch, expected) in [
        (1, 0, (End::Interrupted, 0, 1)),
        (4, 0, (End::Interrupted, 0, 3)),
        (6, 0, (End::Interrupted, 0, 3)),
        (0, 2, (End::Stopped, 2, 6)),
    ] {
        let found = on_ranks(4, |rank| ended(rank, after, at_epoch));
        assert_eq!(found, [expected; 4], "after {after} batches, or {at_epoch} epochs");
    }
}

#[test]
fn a_loss_that_is_not_finite_ends_all_ranks_at_one_step() {
    // The fifth example, in the third shard of the first batch.
    let (mut x, labels) = points::<f64>(16);
    x.data_mut()[8] = f64::INFINITY;
    let data = (x, labels);
    let ended = on_ranks(4, |communicator| {
        let mut params = Params::new();
        let model = Sequential::new()
            .add("logits", Dense { units: 3, ..Dense::default() })
            .build_model(&mut params, 1, [2])
            .unwrap();
        let start = bits(&params);
        let mut optimizer = Optimizer::new(&params, Sgd::default(), 0.1);
        let fit = Fit::new(&model, &SoftmaxCrossEntropy, &data);
        let history = Fit { batch_size: 8, shuffle: false, shards: 4, communicator, ..fit }
            .run(&mut params, &mut optimizer)
            .unwrap();
        (history.end, bits(&params) == start)
    });
    assert_eq!(ended, [(End::NotFinite { epoch: 1, step: 1 }, true); 4]);
}

/// What is special about a rank.
#[derive(Default)]
struct Special {
    seed: u64,
    /// Added to a parameter at the start.
    shift: f64,
    callback: Option<Box<dyn Callback<f64>>>,
}

/// The errors of four ranks.
fn errors(special: impl Fn(usize) -> Special + Sync) -> Vec<String> {
    let data = points::<f64>(12);
    on_ranks(4, |communicator| {
        let Special { seed, shift, mut callback } = special(communicator.rank());
        let mut params = Params::new();
        let model = classifier(&mut params);
        let id = params.find("logits.kernel").unwrap();
        params.update(id, |value| value[0] += shift);
        let mut optimizer = Optimizer::new(&params, Sgd::default(), 0.1);
        let mut callbacks: Vec<&mut dyn Callback<f64>> = Vec::new();
        if let Some(callback) = &mut callback {
            callbacks.push(&mut **callback);
        }
        Fit {
            epochs: 3,
            batch_size: 4,
            seed,
            shards: 4,
            communicator,
            callbacks,
            ..Fit::new(&model, &SoftmaxCrossEntropy, &data)
        }
        .run(&mut params, &mut optimizer)
        .unwrap_err()
        .to_string()
    })
}

#[test]
fn ranks_that_do_not_do_the_same_are_refused_by_name() {
    let found = errors(|rank| Special { seed: u64::from(rank == 2), ..Special::default() });
    let expected = "ranks: expected one training on all ranks, found `seed = 0` on ranks 0, 1, 3 \
                    and `seed = 1` on rank 2";
    assert_eq!(found, [expected; 4]);
    let found = errors(|rank| Special { shift: rank as f64 / 1024.0, ..Special::default() });
    let expected = "ranks: expected one start (a hash of the parameters) on all ranks, found `";
    assert!(found.iter().all(|error| error.starts_with(expected)), "{found:?}");

    /// Changes a parameter in the last bit, where nobody else does.
    struct Changes;
    impl Callback<f64> for Changes {
        fn on_epoch_end(
            &mut self,
            log: &mut EpochLog,
            training: &mut Training<'_, f64>,
        ) -> Result<ControlFlow<()>, CallbackError> {
            let id = training.params.find("hidden.bias").unwrap();
            if log.epoch == 1 {
                training.params.update(id, |value| value[0] = value[0].next_up());
            }
            Ok(ControlFlow::Continue(()))
        }
    }
    let found = errors(|rank| match rank {
        1 => Special { callback: Some(Box::new(Changes)), ..Special::default() },
        _ => Special::default(),
    });
    let expected = "ranks: expected one result of epoch 2 (a hash of the parameters) on all ranks";
    assert!(found.iter().all(|error| error.starts_with(expected)), "{found:?}");
}

#[test]
fn a_rank_that_fails_ends_all_and_is_named() {
    struct Fails;
    impl Callback<f64> for Fails {
        fn on_batch_end(
            &mut self,
            _: Progress,
            _: &mut Training<'_, f64>,
        ) -> Result<ControlFlow<()>, CallbackError> {
            Err("the disk is full".into())
        }
    }
    let found = errors(|rank| match rank {
        2 => Special { callback: Some(Box::new(Fails)), ..Special::default() },
        _ => Special::default(),
    });
    let ended = "ranks: expected an answer of rank 2, found that it has ended: its thread is over";
    assert_eq!(found, [ended, ended, "the disk is full", ended]);
}

#[test]
fn what_shards_cannot_do_is_refused() {
    struct Largest;
    impl Metric<f64> for Largest {
        fn name(&self) -> &str {
            "largest"
        }
        fn reset(&mut self) {}
        fn update(&mut self, _: &Graph<'_, f64>, _: &[Var], _: &[Var]) -> Result<(), ShapeError> {
            Ok(())
        }
        fn result(&self) -> f64 {
            0.0
        }
    }
    let data = points::<f64>(12);
    let refused = |shards, communicator: &dyn Communicator| {
        let mut params = Params::new();
        let model = classifier(&mut params);
        let mut optimizer = Optimizer::new(&params, Sgd::default(), 0.1);
        let mut largest = Largest;
        let metrics: Vec<&mut dyn Metric<f64>> = vec![&mut largest];
        let fit = Fit::new(&model, &SoftmaxCrossEntropy, &data);
        let mut fit = Fit { shards, communicator, metrics, ..fit };
        fit.run(&mut params, &mut optimizer).unwrap_err().to_string()
    };
    assert_eq!(
        refused(6, &Local),
        "fit: expected shards in a number that is a power of two, found 6"
    );
    let ranks = Threads::ranks(4);
    assert_eq!(
        refused(2, &ranks[0]),
        "fit: expected ranks in a number that is a power of two, at most that of the shards, found \
         4 ranks and 2 shards"
    );
    assert_eq!(
        refused(2, &Local),
        "fit: expected 1 shard for a metric that is no function of sums, found 2 shards and \
         `largest`"
    );

    let mut params = Params::new();
    let model = Sequential::new()
        .add("normalize", BatchNorm::default())
        .add("logits", Dense { units: 3, ..Dense::default() })
        .build_model(&mut params, 1, [2])
        .unwrap();
    let start = bits(&params);
    let mut optimizer = Optimizer::new(&params, Sgd::default(), 0.1);
    let mut fit = Fit { shards: 2, ..Fit::new(&model, &SoftmaxCrossEntropy, &data) };
    assert_eq!(
        fit.run(&mut params, &mut optimizer).unwrap_err().to_string(),
        "fit: expected 1 shard for a model with statistics of whole batches, found 2 shards and \
         `normalize.moving`"
    );
    assert_eq!(bits(&params), start);
}

#[test]
fn a_monitor_of_the_validation_sees_one_value_on_all_ranks() {
    let data = points::<f64>(12);
    let watched = on_ranks(4, |communicator| {
        let mut params = Params::new();
        let model = classifier(&mut params);
        let mut optimizer = Optimizer::new(&params, Sgd::default(), 0.0);
        let monitor = Monitor::lowest("val_loss");
        let mut stopping = EarlyStopping { monitor, patience: 2, ..EarlyStopping::default() };
        let history = Fit {
            epochs: 9,
            shards: 4,
            communicator,
            validation: Some(&data),
            callbacks: vec![&mut stopping],
            ..Fit::new(&model, &SoftmaxCrossEntropy, &data)
        }
        .run(&mut params, &mut optimizer)
        .unwrap();
        (history.end, history.epochs.len())
    });
    assert_eq!(watched.len(), 4);
    assert!(watched.iter().all(|found| *found == watched[0] && found.0 == End::Stopped));
}

#[test]
fn a_training_goes_on_from_its_backup_on_another_number_of_ranks_in_the_same_bits() {
    let data = points::<f64>(50);
    let folder = tempfile::tempdir().unwrap();
    // Until so many batches are done, in all.
    let train = |communicator: &dyn Communicator, name: &str, until: usize| {
        let mut params = Params::new();
        let model = classifier(&mut params);
        let mut optimizer = Optimizer::new(&params, Adam::default(), 0.05);
        let mut accuracy = Accuracy::default();
        let mut batches = 0;
        // The last rank is the one that wants to end.
        let mut stop = |_: Progress| {
            batches += 1;
            let ends = batches == until && communicator.rank() + 1 == communicator.size();
            if ends { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
        };
        let history = Fit {
            epochs: 3,
            batch_size: 16,
            shards: 8,
            communicator,
            validation: Some(&data),
            metrics: vec![&mut accuracy],
            callbacks: vec![&mut stop],
            backup: Some(Backup::new(folder.path().join(name))),
            ..Fit::new(&model, &SoftmaxCrossEntropy, &data)
        }
        .run(&mut params, &mut optimizer)
        .unwrap();
        let last = history.epochs.last().map(|log| log.values.clone());
        (history.end, bits(&params), last)
    };
    let undisturbed = train(&Local, "undisturbed", usize::MAX);
    // In the steps, after the last of them, in the validation, and after its last batch.
    for until in [1, 3, 4, 6, 8, 11] {
        let name = until.to_string();
        for (rank, found) in on_ranks(4, |rank| train(rank, &name, until)).iter().enumerate() {
            assert_eq!(found.0, End::Interrupted, "rank {rank}, after {until} batches");
        }
        for found in on_ranks(2, |rank| train(rank, &name, usize::MAX)) {
            assert_eq!(found, undisturbed, "after {until} batches");
        }
    }
}
