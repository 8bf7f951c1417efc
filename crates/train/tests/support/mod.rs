//! A made-up experiment that looks like a real one: histories follow the published logs with a
//! little noise per seed, filters are random and feasible, and feature maps are their true
//! dilations of a drawn digit.

use morphograd::published;
use morphograd::record::{EpochRecord, ExperimentRecord, FilterWins, Gallery, RunRecord, Stop};
use morphograd_morphology::nn::fit::ConfusionMatrix;

pub(crate) const CONSTRAINTS: [&str; 6] = [
    "none",
    "non-negative",
    "non-positive",
    "non-positive-increasing",
    "lattice",
    "lattice-zero-centre",
];

/// All constraints, each with every seed.
pub(crate) fn experiment(dataset: &str, constraints: &[&str], seeds: &[u64]) -> ExperimentRecord {
    ExperimentRecord {
        dataset: dataset.to_owned(),
        dataset_note: "MNIST: the first 1,024 images of its training set train, its 10,000 test \
            images validate."
            .to_owned(),
        class_names: (0..10).map(|digit| digit.to_string()).collect(),
        summary: "Layer (type)                 Output Shape              Param #\ndilation \
            (Dilation2D)        (24, 24, 8)               200"
            .to_owned(),
        config: "batch = 128\nrate = 0.01 # <Adam> & friends".to_owned(),
        threads: 2,
        runs: constraints
            .iter()
            .flat_map(|constraint| seeds.iter().map(|&seed| run(constraint, seed)))
            .collect(),
    }
}

/// One finished run.
pub(crate) fn run(constraint: &str, seed: u64) -> RunRecord {
    let mut random = Random(seed * 7919 + constraint.len() as u64 * 31 + 1);
    let log = published::find(constraint).unwrap_or(&published::PUBLISHED[0]).epochs();
    let shift = 0.006 * (random.uniform() - 0.5);
    let constrained = f64::from(u8::from(constraint != "none"));
    let count = log.len() - (random.uniform() * 12.0) as usize;
    let epochs: Vec<EpochRecord> = log[..count]
        .iter()
        .map(|line| {
            let age = line.epoch as f64;
            EpochRecord {
                epoch: line.epoch,
                loss: line.loss * (1.0 + 0.04 * random.uniform()),
                accuracy: line.accuracy,
                val_loss: line.val_loss,
                val_accuracy: line.val_accuracy + shift + 0.004 * (random.uniform() - 0.5),
                learning_rate: line.learning_rate,
                moved_share: constrained
                    * 0.3
                    * (-age / 30.0).exp()
                    * (0.8 + 0.2 * random.uniform()),
                moved_distance: constrained * 0.02 * line.learning_rate / 0.01 * random.uniform(),
                gradient_norm: 2.0 * (-age / 25.0).exp() + 0.3,
                gradient_mapping: 2.0 * (-age / 18.0).exp() + 0.02 * random.uniform(),
                violation: 0.0,
                active_share: (constraint != "none").then(|| 0.6 * (1.0 - (-age / 20.0).exp())),
                filters: (0..8)
                    .map(|filter| FilterWins {
                        entries: 25,
                        dead: (filter + line.epoch / 5) % 20,
                        largest_share: 0.1 + 0.5 * random.uniform(),
                    })
                    .collect(),
                seconds: 0.3,
                metrics: Vec::new(),
            }
        })
        .collect();
    let restored =
        epochs.iter().min_by(|a, b| a.loss.total_cmp(&b.loss)).expect("a published log has epochs");
    let restored_epoch = restored.epoch;
    let mut confusion = ConfusionMatrix::new(10);
    for image in 0..10_000 {
        let truth = image % 10;
        let other = (truth + 1 + (random.uniform().powi(2) * 9.0) as usize) % 10;
        confusion
            .record(truth, if random.uniform() < restored.val_accuracy { truth } else { other });
    }
    let filters: Vec<f32> = (0..8 * 25)
        .map(|index| {
            let value = random.uniform() - 0.5;
            let value = match constraint {
                "non-negative" => value.max(0.0),
                "non-positive" => value.min(0.0),
                "non-positive-increasing" | "lattice-zero-centre" if index % 25 == 12 => 0.0,
                "non-positive-increasing" => value.min(0.0),
                _ => value,
            };
            value as f32
        })
        .collect();
    let wins =
        (0..8 * 25).map(|_| (900.0 * (random.uniform() - 0.2)).max(0.0).floor() as f32).collect();
    let digit = digit();
    let feature_maps = dilate(&digit, &filters);
    RunRecord {
        variant: constraint.into(),
        seed,
        loaded: None,
        train_seconds: 0.3 * epochs.len() as f64,
        epochs,
        restored_epoch,
        confusion,
        filters: Gallery { height: 5, width: 5, data: filters },
        wins: Gallery { height: 5, width: 5, data: wins },
        digit: Gallery { height: 28, width: 28, data: digit },
        feature_maps: Gallery { height: 24, width: 24, data: feature_maps },
        stop: Stop::EarlyStopping { patience: 10 },
        max_constraint_violation: 0.0,
        final_constraint_violation: 0.0,
    }
}

/// A run interrupted within its first epoch: no epoch, no image, nothing counted.
pub(crate) fn interrupted(constraint: &str) -> RunRecord {
    let nothing = Gallery { height: 0, width: 0, data: Vec::new() };
    RunRecord {
        epochs: Vec::new(),
        restored_epoch: 0,
        confusion: ConfusionMatrix::new(10),
        filters: nothing.clone(),
        wins: nothing.clone(),
        digit: nothing.clone(),
        feature_maps: nothing,
        stop: Stop::Interrupted,
        train_seconds: 0.0,
        ..run(constraint, 1)
    }
}

/// A figure three of two arcs.
fn digit() -> Vec<f32> {
    (0..28 * 28)
        .map(|pixel| {
            let (y, x) = (f64::from(pixel / 28), f64::from(pixel % 28));
            let arc = |centre: f64, radius: f64| {
                let distance = (((y - centre).powi(2) + (x - 13.0).powi(2)).sqrt() - radius).abs();
                if x < 11.0 && (y - 13.5).abs() < 6.0 { 9.0 } else { distance }
            };
            (1.6 - arc(9.0, 4.6).min(arc(18.2, 4.8))).clamp(0.0, 1.0) as f32
        })
        .collect()
}

fn dilate(digit: &[f32], filters: &[f32]) -> Vec<f32> {
    let at = |filter: &[f32], row: usize, column: usize| {
        (0..25)
            .map(|i| digit[(row + i / 5) * 28 + column + i % 5] + filter[i])
            .fold(f32::NEG_INFINITY, f32::max)
    };
    let pixels = || (0..24).flat_map(|row| (0..24).map(move |column| (row, column)));
    filters
        .chunks(25)
        .flat_map(|filter| {
            pixels().map(|(row, column)| at(filter, row, column)).collect::<Vec<_>>()
        })
        .collect()
}

/// A linear congruential generator: enough for noise that is the same every time.
struct Random(u64);

impl Random {
    fn uniform(&mut self) -> f64 {
        self.0 =
            self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 40) as f64 / (1_u64 << 24) as f64
    }
}
