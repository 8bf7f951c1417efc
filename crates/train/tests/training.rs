//! Properties of whole runs, on the embedded digits: one seed gives one result, constraints hold, a
//! step allocates nothing that grows.

use std::fs;
use std::ops::ControlFlow;
use std::path::Path;
use std::thread;

use morphograd::artifacts::RunFolder;
use morphograd::data::Dataset;
use morphograd::experiment::Config;
use morphograd::record::{Gallery, RunRecord, Stop, Variant};
use morphograd::recorder::Event;
use morphograd::registry::{CONSTRAINTS, ENFORCEMENTS, OPTIMIZERS, find};
use morphograd::run::run;
use morphograd_morphology::nn::autodiff::{Params, Tape};
use morphograd_morphology::nn::fit::{DataSet, train_step};
use morphograd_morphology::nn::ranks::{Communicator, Local, Threads};
use morphograd_morphology::nn::{Layer, Optimizer, SoftmaxCrossEntropy, Weight, checkpoint};

fn on_threads<R: Send>(threads: usize, f: impl FnOnce() -> R + Send) -> R {
    rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap().install(f)
}

/// The embedded digits with fewer images to measure on, which take most of the time of an epoch.
fn digits() -> Dataset {
    let digits = Dataset::embedded(String::new());
    Dataset { test: digits.test.take(500).unwrap(), ..digits }
}

fn short() -> Config {
    Config { samples: 200, epochs: 3, batch_size: 64, ..Config::default() }
}

fn kernel(constraint: &str) -> Weight<f32> {
    Variant::from(constraint).kernel().unwrap()
}

fn train(config: &Config, constraint: &str, seed: u64, folder: &Path) -> RunRecord {
    let dataset = digits();
    let folder = RunFolder::exactly(folder).unwrap();
    run(config, &dataset, constraint, seed, &folder, &mut |_| ControlFlow::Continue(())).unwrap()
}

#[test]
fn one_seed_gives_the_same_weights_byte_for_byte_for_any_number_of_threads() {
    let weights = |threads: usize, seed: u64| {
        let folder = tempfile::tempdir().unwrap();
        let record = on_threads(threads, || train(&short(), "non-positive", seed, folder.path()));
        let bytes =
            fs::read(folder.path().join(format!("non-positive-seed{seed}/weights.safetensors")))
                .unwrap();
        let losses: Vec<u64> =
            record.epochs.iter().flat_map(|e| [e.loss.to_bits(), e.val_loss.to_bits()]).collect();
        (bytes, losses)
    };
    let first = weights(1, 3);
    assert_eq!(first, weights(1, 3));
    assert_eq!(first, weights(2, 3));
    assert_eq!(first, weights(5, 3));
    assert_ne!(first.0, weights(2, 4).0);
}

#[test]
fn eight_shards_give_the_same_weights_byte_for_byte_for_any_number_of_ranks() {
    let dataset = digits();
    let config = Config { shards: 8, epochs: 2, ..short() };
    let weights = |rank: &'static dyn Communicator| {
        let folder = tempfile::tempdir().unwrap();
        let mut out = RunFolder::exactly(folder.path()).unwrap();
        out.communicator = rank;
        let go_on = &mut |_: Event<'_>| ControlFlow::Continue(());
        let record = on_threads(1, || run(&config, &dataset, "non-positive", 3, &out, go_on));
        let record = record.unwrap();
        let path = folder.path().join("non-positive-seed3/weights.safetensors");
        let losses: Vec<u64> =
            record.epochs.iter().flat_map(|e| [e.loss.to_bits(), e.val_loss.to_bits()]).collect();
        (fs::read(path).unwrap(), losses)
    };
    let alone = weights(&Local);
    for size in [2, 8] {
        let found: Vec<_> = thread::scope(|scope| {
            let ranks: Vec<_> = (Threads::ranks(size).into_iter())
                .map(|rank| &*Box::leak(Box::new(rank)))
                .map(|rank| scope.spawn(move || weights(rank)))
                .collect();
            ranks.into_iter().map(|rank| rank.join().unwrap()).collect()
        });
        assert!(found.iter().all(|found| *found == alone), "{size} ranks");
    }
    let whole = Config { shards: 1, ..config };
    let folder = tempfile::tempdir().unwrap();
    let record = train(&whole, "non-positive", 3, folder.path());
    let losses = record.epochs.iter().map(|epoch| epoch.loss);
    for (whole, shards) in losses.zip(alone.1.iter().step_by(2)) {
        assert!((whole - f64::from_bits(*shards)).abs() < 1e-3, "{whole}");
    }
    let config = Config { shards: 6, ..whole };
    let error = config.validate(&dataset).unwrap_err().to_string();
    assert_eq!(error, "shards: expected a power of two from 1 to 1024, found 6");
}

#[test]
fn every_constraint_holds_exactly_at_every_epoch_and_when_loaded_again() {
    for constraint in CONSTRAINTS {
        let folder = tempfile::tempdir().unwrap();
        let record = train(&short(), constraint.name, 0, folder.path());
        assert_eq!(record.max_constraint_violation, 0.0, "{}", constraint.name);
        assert_eq!(record.epochs.len(), 3);
        assert_eq!(record.stop, Stop::EpochLimit);
        // Diagnostics are of the weights that were kept: every window of 64 images of 28 x 28
        // pixels has one winner in each filter.
        let wins: Vec<f64> =
            record.wins.images().map(|image| image.iter().map(|n| f64::from(*n)).sum()).collect();
        assert_eq!(wins, [f64::from(24 * 24 * 64); 8], "{}", constraint.name);
        let kept = &record.epochs[record.restored_epoch - 1].filters;
        let dead = record.wins.images().map(|image| image.iter().filter(|n| **n == 0.0).count());
        assert!(kept.iter().map(|filter| filter.dead).eq(dead), "{}", constraint.name);
        let counted = (constraint.make)()
            .is_some_and(|set| set.active([5, 5, 1, 8].into(), &[0.0; 200]).is_some());
        assert_eq!(record.epochs[0].active_share.is_some(), counted, "{}", constraint.name);
        // So short a run does not come to a bound of 1.
        let projects = !["none", "lattice", "unit-ball"].contains(&constraint.name);
        assert_eq!(
            record.epochs.iter().any(|epoch| epoch.moved_share > 0.0),
            projects,
            "{}",
            constraint.name
        );

        let dataset = digits();
        let mut params = Params::new();
        short().network(&dataset, kernel(constraint.name), 99, &mut params).unwrap();
        let path = folder.path().join(format!("{}-seed0/weights.safetensors", constraint.name));
        assert_eq!(checkpoint::load(&mut params, path).unwrap().moved, 0);
    }
}

#[test]
fn every_way_to_enforce_ends_inside_of_the_set_and_says_how_far_out_it_was() {
    let config = Config {
        constraints: vec!["none".into(), "non-positive-increasing".into()],
        enforcements: ENFORCEMENTS.iter().map(|way| way.name.to_owned()).collect(),
        epochs: 2,
        ..short()
    };
    let dataset = digits();
    config.validate(&dataset).unwrap();
    let variants = config.variants().unwrap();
    // Where there is nothing to enforce, there is one way.
    assert_eq!(variants.len(), 1 + ENFORCEMENTS.len());
    for variant in &variants[1..] {
        let folder = tempfile::tempdir().unwrap();
        let out = RunFolder::exactly(folder.path()).unwrap();
        let record =
            run(&config, &dataset, variant.clone(), 0, &out, &mut |_| ControlFlow::Continue(()))
                .unwrap();
        let leads_only = ["penalty", "augmented-lagrangian"].contains(&&variant.enforcement[..]);
        assert_eq!(record.max_constraint_violation > 0.0, leads_only, "{variant}");
        assert_eq!(record.final_constraint_violation > 0.0, leads_only, "{variant}");
        // As it is read by whoever does not know how it was enforced.
        let path = folder
            .path()
            .join(format!("{variant}-seed0").replace(' ', "-"))
            .join("weights.safetensors");
        let mut params = Params::new();
        config.network(&dataset, kernel("non-positive-increasing"), 99, &mut params).unwrap();
        assert_eq!(checkpoint::load(&mut params, path).unwrap().moved, 0, "{variant}");
        let kernel = params.value(params.find("dilation2d.kernel").unwrap());
        assert!(kernel.data.iter().eq(planes(&record.filters).iter()), "{variant}");
    }
}

/// Filters as the kernel holds them: the filter is the last axis.
fn planes(filters: &Gallery) -> Vec<f32> {
    let images: Vec<&[f32]> = filters.images().collect();
    (0..images[0].len()).flat_map(|i| images.iter().map(move |image| image[i])).collect()
}

#[test]
fn what_cannot_be_enforced_so_is_refused_before_the_training() {
    let config = Config {
        constraints: vec!["concave".into()],
        enforcements: vec!["reparametrization".into()],
        ..short()
    };
    let error = config.validate(&digits()).unwrap_err().to_string();
    assert!(
        error.contains("expected a set with a smooth parametrization, found Concave"),
        "{error}"
    );
}

#[test]
fn the_same_seed_starts_every_constraint_alike_so_a_bound_never_reached_changes_nothing() {
    let (a, b) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    train(&short(), "none", 1, a.path());
    train(&short(), "lattice", 1, b.path());
    let read = |folder: &Path, name: &str| fs::read(folder.join(name)).unwrap();
    assert_eq!(
        read(a.path(), "none-seed1/weights.safetensors"),
        read(b.path(), "lattice-seed1/weights.safetensors")
    );
}

#[test]
fn the_restored_weights_are_those_of_the_lowest_training_loss() {
    let folder = tempfile::tempdir().unwrap();
    // A rate so large that the loss rises again.
    let config = Config { learning_rate: 0.08, epochs: 8, ..short() };
    let record = train(&config, "none", 5, folder.path());
    let lowest = record.epochs.iter().min_by(|a, b| a.loss.total_cmp(&b.loss)).unwrap();
    assert_eq!(record.restored_epoch, lowest.epoch);
    assert!((record.restored_val_accuracy() - lowest.val_accuracy).abs() < 1e-12);
}

#[test]
fn a_loss_that_is_not_finite_ends_the_run_with_its_epoch_and_step_and_saves_the_last_good_weights()
{
    let folder = tempfile::tempdir().unwrap();
    let config = Config { learning_rate: 1e30, optimizer: "sgd".into(), ..short() };
    let record = train(&config, "none", 0, folder.path());
    assert!(matches!(record.stop, Stop::NotFinite { epoch: 1, step: 2 }), "{:?}", record.stop);
    let dataset = digits();
    let (mut params, mut start) = (Params::new(), Params::new());
    config.network(&dataset, kernel("none"), 77, &mut params).unwrap();
    config.network(&dataset, kernel("none"), 0, &mut start).unwrap();
    checkpoint::load(&mut params, folder.path().join("none-seed0/weights.safetensors")).unwrap();
    for id in params.ids() {
        assert_eq!(
            params.value(id),
            start.value(id),
            "no epoch was finished: the weights of the start"
        );
    }
}

#[test]
fn an_interrupted_run_saves_what_it_learned() {
    let folder = tempfile::tempdir().unwrap();
    let dataset = digits();
    let out = RunFolder::exactly(folder.path()).unwrap();
    let mut epochs = 0;
    let record = run(&short(), &dataset, "none", 0, &out, &mut |event| {
        epochs += usize::from(matches!(event, Event::Epoch(_)));
        if epochs == 2 { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    })
    .unwrap();
    assert_eq!((record.stop.clone(), record.epochs.len()), (Stop::Interrupted, 2));
    let history = fs::read_to_string(folder.path().join("none-seed0/history.csv")).unwrap();
    assert_eq!(history.lines().count(), 3);
    assert!(folder.path().join("none-seed0/weights.safetensors").is_file());
}

#[test]
fn after_the_first_step_a_step_allocates_nothing_that_grows() {
    let dataset = digits();
    let config = Config::default();
    let constraint = find("constraint", CONSTRAINTS, "non-positive").unwrap();
    let rule = find("optimizer", OPTIMIZERS, "adam").unwrap();
    // Allocations are counted in the thread that makes them: with one thread, that is the one of
    // the pool.
    let counts = on_threads(1, || {
        let mut params = Params::new();
        let model = config.network(&dataset, kernel(constraint.name), 0, &mut params).unwrap();
        let mut optimizer = Optimizer::new(&params, (rule.make)(), 0.01);
        let mut tape = Tape::new();
        let mut step = |batch: &[usize]| {
            train_step(&mut tape, &mut params, &mut optimizer, |graph| {
                let batch = dataset.train.gather(graph, batch)?;
                let logits = model.forward(graph, batch.inputs[0])?;
                graph.apply(SoftmaxCrossEntropy, [logits, batch.targets[0]])
            })
            .unwrap();
        };
        let batch: Vec<usize> = (0..128).collect();
        step(&batch);
        [128, 128, 100, 128, 128].map(|n| allocation_counter::measure(|| step(&batch[..n])))
    });
    for info in &counts {
        assert_eq!(
            (info.count_current, info.bytes_current),
            (0, 0),
            "something was kept: {counts:?}"
        );
    }
    // What is left comes and goes within the matrix products: their library packs into one buffer a
    // call. Never are there two at once.
    assert!(counts.iter().all(|info| info.count_max <= 1), "{counts:?}");
    assert_eq!(
        (counts[0].count_total, counts[0].bytes_total),
        (counts[4].count_total, counts[4].bytes_total)
    );
    // An upper bound: convolution blocks forward and backward, dense rows.
    let gemm_calls = 2 * 128 + 64;
    assert!(counts[0].count_total < 4 * gemm_calls, "{counts:?}");
}

#[test]
fn a_run_can_be_interrupted_while_it_validates_too() {
    let folder = tempfile::tempdir().unwrap();
    let (dataset, out) = (digits(), RunFolder::exactly(folder.path()).unwrap());
    let mut last = (0, 0);
    let record = run(&short(), &dataset, "none", 0, &out, &mut |event| {
        let Event::Batch { done, total, .. } = event else { return ControlFlow::Continue(()) };
        last = (done, total);
        if done == 6 { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    })
    .unwrap();
    // Four batches of the training, eight of the validation.
    assert_eq!((last, record.stop, record.epochs.len()), ((6, 12), Stop::Interrupted, 0));
    assert!(folder.path().join("none-seed0/weights.safetensors").is_file());
}
