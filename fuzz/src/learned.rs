//! Checkpoints: parameters, and networks with the model in the header.

use morphograd::model::SavedModel;
use morphograd::morphology::nn::autodiff::Params;
use morphograd::morphology::nn::autodiff::tensor::Tensor;
use morphograd::morphology::nn::checkpoint::{load, note, save};
use morphograd::morphology::nn::fit::{Backup, EarlyStopping, Fit, FitError, backup_progress};
use morphograd::morphology::nn::optim::Adam;
use morphograd::morphology::nn::sets::{Interval, NonNegative};
use morphograd::morphology::nn::{Dense, MeanSquaredError, Optimizer, Sequential, Weight};

use super::input::{file, path, within};

/// A network that the bytes of a small file describe: its parameters are among these bytes.
const MODEL: usize = 64 << 20;

fn params() -> Params<f32> {
    let mut params = Params::new();
    let value = |shape: [usize; 2]| Tensor::from_fn(shape, |i| i as f32 / 8.0);
    let mut add = |name, shape, set| params.add(name, value(shape), set).expect("a parameter");
    add("dense.kernel", [2, 3], Some(Box::new(NonNegative)));
    add("dense.bias", [1, 3], None);
    add("scale", [1, 1], Some(Box::new(Interval { min: -1.0, max: 1.0 })));
    params
}

fn bits(params: &Params<f32>) -> Vec<Vec<u32>> {
    let of = |id| params.value(id).data.iter().map(|w| w.to_bits()).collect();
    params.ids().map(of).collect()
}

/// A load that fails has changed nothing. What is loaded is in its set and no NaN, and it is saved
/// and loaded again bit for bit. Memory is bounded by the file.
pub(crate) fn checkpoint(bytes: &[u8]) {
    let path = file("checkpoint.safetensors", bytes);
    let most = (1 << 16) + 64 * bytes.len();
    let mut params = params();
    let before = bits(&params);
    let _ = within(most, || note(&path));
    if within(most, || load(&mut params, &path)).is_err() {
        assert_eq!(bits(&params), before, "expected the values of before");
        return;
    }
    check(&params);
    let after = bits(&params);
    save(&params, &path).expect("what was loaded can be saved");
    let moved = load(&mut params, &path).expect("what was saved can be loaded").moved;
    assert_eq!((moved, bits(&params)), (0, after));
}

/// A training goes on from a backup or refuses it; then nothing has changed. It ends in its sets.
pub(crate) fn backup(bytes: &[u8]) {
    let path = file("state.safetensors", bytes);
    let _ = within((1 << 20) + 64 * bytes.len(), || backup_progress(&path));
    let mut params = Params::new();
    let kernel = Weight::zeros().constrained(NonNegative);
    let model = Sequential::new().add("line", Dense { units: 2, kernel, ..Dense::default() });
    let model = model.build_model(&mut params, 0, [2]).expect("a network");
    let mut optimizer = Optimizer::new(&params, Adam::default(), 0.1);
    let before = bits(&params);
    let data = (Tensor::from_fn([4, 2], |i| i as f32 / 8.0), Tensor::zeros([4, 2]));
    let trained = Fit {
        epochs: 2,
        batch_size: 2,
        callbacks: vec![&mut EarlyStopping { restore_best_weights: true, ..Default::default() }],
        validation: Some(&data),
        backup: Some(Backup::new(path)),
        ..Fit::new(&model, &MeanSquaredError, &data)
    }
    .run(&mut params, &mut optimizer);
    match trained {
        Ok(_) => check(&params),
        Err(FitError::Backup(_)) => assert_eq!(bits(&params), before, "expected nothing changed"),
        // Numbers that lead to no finite loss, or are another callback's.
        Err(_) => check(&params),
    }
}

fn check(params: &Params<f32>) {
    for id in params.ids() {
        let (name, value) = (params.name(id), params.value(id).data);
        assert!(!value.iter().any(|w| w.is_nan()), "{name}: expected numbers, found NaN");
        // Feasible up to the rounding that sets which add entries up forgive.
        let violation = params.violation(id);
        let size = value.iter().fold(1.0f64, |most, w| most.max(f64::from(w.abs())));
        assert!(violation <= 1e-4 * size, "{name}: expected a value in its set, found {violation}");
    }
}

/// A checkpoint with its model is opened or refused; what is opened is in its sets.
pub(crate) fn saved_model(bytes: &[u8]) {
    let _ = std::fs::remove_file(path("model.toml"));
    let path = file("saved.safetensors", bytes);
    let Ok(saved) = within(MODEL, || SavedModel::open(&path)) else { return };
    check(&saved.params);
}
