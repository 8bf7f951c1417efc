//! A training that is stopped and goes on from its backup is the training that was never stopped.

use std::fs;
use std::ops::ControlFlow;
use std::path::Path;
use std::sync::Mutex;
use std::time::Duration;

use morphograd_nn::autodiff::Params;
use morphograd_nn::checkpoint::{self, CheckpointError};
use morphograd_nn::enforcement::{Enforcement, ProjectionVjp};
use morphograd_nn::fit::{
    Accuracy, Backup, Callback, EarlyStopping, End, EpochLog, Fit, FitError, Metric, Monitor,
    Progress, ReduceLrOnPlateau,
};
use morphograd_nn::initializer::GlorotUniform;
use morphograd_nn::optim::{Adagrad, Adam, CosineDecay, RmsProp, Rule, Schedule, Sgd};
use morphograd_nn::sets::{
    Cardinality, Constraint, FixedMean, Interval, L1Ball, L2Ball, NonPositive, OrthonormalColumns,
    Simplex, Sphere, UnitNorm,
};
use morphograd_nn::tensor::{ShapeError, Tensor};
use morphograd_nn::{
    Activation, BatchNorm, Dense, Dropout, Model, Optimizer, Sequential, SoftmaxCrossEntropy,
    Weight,
};

type Make<T> = fn() -> Box<T>;

/// What is trained: how, in which set, by which rule.
struct Case {
    name: &'static str,
    set: Make<dyn Constraint<f32>>,
    way: Enforcement,
    rule: Make<dyn Rule<f32>>,
    rate: Make<dyn Schedule>,
}

const STEPS: usize = 6; // of an epoch
const BATCHES: usize = STEPS + 2; // with those of the validation
const EPOCHS: usize = 5;

impl Case {
    const PLAIN: Self = Self {
        name: "projected step",
        set: || Box::new(NonPositive),
        way: Enforcement::ProjectedStep,
        rule: || Box::new(Adam::default()),
        rate: || Box::new(0.05),
    };

    fn model(&self, params: &mut Params<f32>) -> Model<f32> {
        let kernel =
            Weight::new(GlorotUniform).constrained_by(Some((self.set)())).enforced(self.way);
        Sequential::new()
            .add("hidden", Dense { units: 6, kernel, ..Dense::default() })
            .add("norm", BatchNorm::default())
            .add("relu", Activation::Relu)
            .add("dropout", Dropout { rate: 0.3 })
            .add("logits", Dense { units: 3, ..Dense::default() })
            .build_model(params, 1, [6])
            .unwrap()
    }

    /// Trains until so many batches are done.
    fn run(&self, path: Option<&Path>, until: usize) -> Trained {
        let data = |n: usize, shift: f32| {
            let x = Tensor::from_fn([n, 6], |i| ((i * i) as f32 * 0.7 + shift).sin());
            let labels =
                x.data().chunks(6).map(|p| usize::from(p[0] > 0.3) + usize::from(p[1] > 0.));
            let labels: Vec<usize> = labels.collect();
            (x, labels)
        };
        let (train, validation) = (data(46, 0.0), data(14, 1.0));
        let mut params = Params::new();
        let model = self.model(&mut params);
        let mut optimizer = Optimizer::new(&params, (self.rule)(), (self.rate)());
        let mut stopping = EarlyStopping {
            monitor: Monitor::lowest("loss"),
            patience: 4,
            restore_best_weights: true,
            ..EarlyStopping::default()
        };
        let mut plateau = ReduceLrOnPlateau { patience: 1, factor: 0.5, ..Default::default() };
        let mut batches = 0;
        let mut stop = |_: Progress| {
            batches += 1;
            if batches == until { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
        };
        let mut diary = Diary::default();
        let history = Fit {
            epochs: EPOCHS,
            batch_size: 8,
            seed: 3,
            validation: Some(&validation),
            metrics: vec![&mut Accuracy::default()],
            callbacks: vec![&mut stopping, &mut plateau, &mut diary, &mut stop],
            backup: path.map(Backup::new),
            ..Fit::new(&model, &SoftmaxCrossEntropy, &train)
        }
        .run(&mut params, &mut optimizer)
        .unwrap();
        let bits = |values: &[f32]| values.iter().map(|value| value.to_bits()).collect();
        Trained {
            end: history.end,
            logs: diary.0,
            values: params.ids().map(|id| bits(params.value(id).data)).collect(),
            free: params.ids().filter_map(|id| params.free(id)).map(bits).collect(),
            slots: optimizer.state().slots.concat().iter().map(|slot| bits(slot)).collect(),
            rate: optimizer.learning_rate(),
            best: (stopping.best_epoch, stopping.wait),
            batches,
        }
    }
}

/// All that a training leaves.
#[derive(Debug, PartialEq)]
struct Trained {
    end: End,
    logs: Vec<(usize, Vec<(String, f64)>)>,
    values: Vec<Vec<u32>>,
    free: Vec<Vec<u32>>,
    slots: Vec<Vec<u32>>,
    rate: f64,
    best: (usize, usize),
    batches: usize,
}

#[derive(Default)]
struct Diary(Vec<(usize, Vec<(String, f64)>)>);

impl Callback<f32> for Diary {
    fn on_epoch_end(
        &mut self,
        log: &mut EpochLog,
        _: &mut morphograd_nn::fit::Training<'_, f32>,
    ) -> Result<ControlFlow<()>, morphograd_nn::fit::CallbackError> {
        self.0.push((log.epoch, log.values.clone()));
        Ok(ControlFlow::Continue(()))
    }
}

/// Stops a training after every so many batches until it is over.
fn in_parts(case: &Case, path: &Path, batches: usize) -> Trained {
    let mut logs = Vec::new();
    loop {
        let part = case.run(Some(path), batches);
        logs.extend(part.logs.iter().cloned());
        if part.end != End::Interrupted {
            return Trained { logs, ..part };
        }
    }
}

#[test]
fn a_training_stopped_after_any_batch_ends_in_the_same_bits() {
    let folder = tempfile::tempdir().unwrap();
    let (case, all) = (Case::PLAIN, EPOCHS * BATCHES);
    let whole = case.run(None, usize::MAX);
    assert_eq!((whole.end, whole.batches), (End::Epochs, all));
    // A file that is written, after every batch too, changes nothing.
    assert_eq!(case.run(Some(&folder.path().join("whole")), usize::MAX), whole);
    for until in 1..=all {
        let path = folder.path().join(until.to_string());
        let first = case.run(Some(&path), until);
        assert_eq!(first.end, End::Interrupted);
        let rest = case.run(Some(&path), usize::MAX);
        let logs = [first.logs, rest.logs].concat();
        // Of a validation that is begun anew, batches are done twice.
        assert_eq!(Trained { logs, batches: all, ..rest }, whole, "stopped after {until}");
    }
}

#[test]
fn every_way_to_enforce_every_rule_and_schedule_goes_on_in_the_same_bits() {
    let sets: [(&str, Make<dyn Constraint<f32>>); 9] = [
        ("interval", || Box::new(Interval { min: -0.2, max: 0.2 })),
        ("simplex", || Box::new(Simplex { sum: 1.0 })),
        ("l1", || Box::new(L1Ball { radius: 0.7 })),
        ("l2", || Box::new(L2Ball { radius: 0.7 })),
        ("sphere", || Box::new(Sphere { radius: 0.7 })),
        ("mean", || Box::new(FixedMean { mean: 0.1 })),
        ("sparse", || Box::new(Cardinality { count: 3 })),
        ("orthonormal", || Box::new(OrthonormalColumns)),
        ("keras", || Box::new(UnitNorm { axes: vec![0] })),
    ];
    let mut cases: Vec<Case> =
        sets.into_iter().map(|(name, set)| Case { name, set, ..Case::PLAIN }).collect();
    let ways = [
        Enforcement::ForwardProjection { gradient: ProjectionVjp::Exact },
        Enforcement::Reparametrization,
        Enforcement::Penalty { factor: 10.0 },
        Enforcement::AugmentedLagrangian { factor: 10.0, every: 4 },
    ];
    cases.extend(ways.map(|way| Case { name: "way", way, ..Case::PLAIN }));
    let rules: [Make<dyn Rule<f32>>; 3] = [
        || Box::new(Sgd { momentum: 0.9, ..Sgd::default() }),
        || Box::new(RmsProp::default()),
        || Box::new(Adagrad::default()),
    ];
    cases.extend(rules.map(|rule| Case { name: "rule", rule, ..Case::PLAIN }));
    let rate: Make<dyn Schedule> = || Box::new(CosineDecay { initial: 0.1, steps: 20, floor: 0.0 });
    cases.push(Case { name: "schedule", rate, ..Case::PLAIN });
    for case in cases {
        let whole = case.run(None, usize::MAX);
        for batches in [5, 9, 13] {
            let folder = tempfile::tempdir().unwrap();
            let parts = in_parts(&case, &folder.path().join("state"), batches);
            let batches = whole.batches;
            assert_eq!(Trained { batches, ..parts }, whole, "{} {:?}", case.name, case.way);
        }
    }
}

#[test]
fn a_finished_training_is_not_done_again_and_may_have_more_epochs() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("state");
    let whole = Case::PLAIN.run(Some(&path), usize::MAX);
    let bytes = fs::read(&path).unwrap();
    let again = Case::PLAIN.run(Some(&path), usize::MAX);
    assert_eq!(again.batches, 0);
    assert_eq!((&again.values, again.end), (&whole.values, whole.end));
    assert_eq!(fs::read(&path).unwrap(), bytes);
}

#[test]
fn what_is_no_backup_of_this_training_is_refused_and_nothing_has_changed() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("state");
    Case::PLAIN.run(Some(&path), 10);
    let good = fs::read(&path).unwrap();
    let run = |callback: bool| {
        let mut params = Params::new();
        let model = Case::PLAIN.model(&mut params);
        let mut optimizer = Optimizer::new(&params, Adam::default(), 0.1);
        let data = (Tensor::<f32>::zeros([8, 6]), vec![0usize; 8]);
        let mut stopping = EarlyStopping::default();
        let callbacks: Vec<&mut dyn Callback<f32>> =
            if callback { vec![&mut stopping] } else { Vec::new() };
        let mut fit = Fit {
            backup: Some(Backup::new(&path)),
            callbacks,
            ..Fit::new(&model, &SoftmaxCrossEntropy, &data)
        };
        let before: Vec<Vec<f32>> = params.ids().map(|id| params.value(id).data.to_vec()).collect();
        let error = fit.run(&mut params, &mut optimizer).unwrap_err().to_string();
        let after: Vec<Vec<f32>> = params.ids().map(|id| params.value(id).data.to_vec()).collect();
        assert_eq!(before, after);
        assert_eq!(optimizer.steps(), 0);
        error
    };
    let error = run(false);
    assert!(error.contains("expected only tensors named as the model's"), "{error}");
    for cut in [0, 7, 100, good.len() / 2, good.len() - 1] {
        fs::write(&path, &good[..cut]).unwrap();
        let error = run(true);
        assert!(error.contains("expected a complete safetensors file"), "{error}");
    }
    checkpoint::save(&Params::<f32>::new(), &path).unwrap();
    let error = run(true);
    assert!(error.contains("expected tensor `position`, found none"), "{error}");
}

#[test]
fn a_backup_that_cannot_be_written_is_told_and_the_training_goes_on() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("file");
    fs::write(&file, "").unwrap();
    let run = |tell: bool| {
        let mut params = Params::new();
        let model = Case::PLAIN.model(&mut params);
        let mut optimizer = Optimizer::new(&params, Adam::default(), 0.1);
        let data = (Tensor::<f32>::zeros([8, 6]), vec![0usize; 8]);
        let told = Mutex::new(Vec::new());
        let mut failures = |error: CheckpointError| told.lock().unwrap().push(error.to_string());
        let mut backup = Backup { every: Duration::ZERO, ..Backup::new(file.join("state")) };
        if tell {
            backup.failures = Some(&mut failures);
        }
        let result = Fit {
            epochs: 2,
            batch_size: 4,
            backup: Some(backup),
            ..Fit::new(&model, &SoftmaxCrossEntropy, &data)
        }
        .run(&mut params, &mut optimizer);
        (result.map(|history| history.epochs.len()), told.into_inner().unwrap())
    };
    let (epochs, told) = run(true);
    assert_eq!(epochs.unwrap(), 2);
    assert!(told[0].contains("cannot create its folder"), "{told:?}");
    assert!(matches!(run(false).0, Err(FitError::Backup(_))));
}

/// A metric that cannot say what it has summed up.
struct Silent(Accuracy);

impl Metric<f32> for Silent {
    fn name(&self) -> &str {
        "silent"
    }

    fn reset(&mut self) {
        Metric::<f32>::reset(&mut self.0);
    }

    fn update(
        &mut self,
        graph: &morphograd_nn::autodiff::Graph<'_, f32>,
        outputs: &[morphograd_nn::autodiff::Var],
        targets: &[morphograd_nn::autodiff::Var],
    ) -> Result<(), ShapeError> {
        self.0.update(graph, outputs, targets)
    }

    fn result(&self) -> f64 {
        Metric::<f32>::result(&self.0)
    }
}

#[test]
fn a_metric_without_sums_goes_on_at_the_end_of_an_epoch() {
    let folder = tempfile::tempdir().unwrap();
    let run = |path: &Path, until: usize| {
        let mut params = Params::new();
        let model = Case::PLAIN.model(&mut params);
        let mut optimizer = Optimizer::new(&params, Adam::default(), 0.1);
        let x = Tensor::from_fn([12, 6], |i| (i as f32).sin());
        let data = (x, (0..12usize).map(|i| i % 3).collect::<Vec<_>>());
        let mut steps = 0;
        let mut stop = |_: Progress| {
            steps += 1;
            if steps == until { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
        };
        let history = Fit {
            epochs: 3,
            batch_size: 4,
            metrics: vec![&mut Silent(Accuracy::default())],
            callbacks: vec![&mut stop],
            backup: Some(Backup { every: Duration::ZERO, ..Backup::new(path) }),
            ..Fit::new(&model, &SoftmaxCrossEntropy, &data)
        }
        .run(&mut params, &mut optimizer)
        .unwrap();
        let logs: Vec<_> = history.epochs.into_iter().map(|log| log.values).collect();
        let values: Vec<Vec<f32>> = params.ids().map(|id| params.value(id).data.to_vec()).collect();
        (steps, logs, values)
    };
    let (_, logs, whole) = run(&folder.path().join("whole"), usize::MAX);
    let path = folder.path().join("stopped");
    run(&path, 5); // two steps into the second epoch
    let (steps, rest, values) = run(&path, usize::MAX);
    assert_eq!((steps, &rest[..], values), (6, &logs[1..], whole));
}
