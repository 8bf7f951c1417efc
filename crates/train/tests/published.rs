//! The four published logs: they are of 1,024 images, and the callbacks, replayed on them, stop at
//! the published epoch and give the published learning rates.
//!
//! The logs print four digits, so a value may have been up to half a unit of the last digit away
//! from what is printed, and a comparison that close can have gone either way. The plateau schedule
//! is therefore replayed on every value the print allows, and a state is dropped when it
//! contradicts the next printed rate: some state must survive every log, and where four digits
//! decide there is only one.

use morphograd::published::PUBLISHED;
use morphograd_morphology::nn::fit::{EarlyStopping, Monitor, ReduceLrOnPlateau, Verdict};

/// Half a unit of the last printed digit.
const ROUNDING: f64 = 0.5e-4;

#[test]
fn early_stopping_stops_at_the_published_epoch_and_not_before() {
    for run in &PUBLISHED {
        let epochs = run.epochs();
        let mut stopping = EarlyStopping::<f32> {
            monitor: Monitor::lowest("loss"),
            patience: 10,
            ..EarlyStopping::default()
        };
        let verdicts: Vec<Verdict> =
            epochs.iter().map(|epoch| stopping.observe(epoch.loss)).collect();
        let first = verdicts.iter().position(|verdict| *verdict == Verdict::Stop);
        assert_eq!(first, Some(epochs.len() - 1), "{}", run.constraint);
    }
}

#[test]
fn training_accuracies_are_counts_of_1024_images() {
    for run in &PUBLISHED {
        for epoch in run.epochs() {
            let count = (epoch.accuracy * 1024.0).round();
            let error = (epoch.accuracy - count / 1024.0).abs();
            // Keras rounds a single; the count may lie on the boundary.
            assert!(error <= 1.001 * ROUNDING, "{}, epoch {}", run.constraint, epoch.epoch);
        }
    }
}

#[test]
fn the_plateau_schedule_gives_the_published_rates() {
    for run in &PUBLISHED {
        let epochs = run.epochs();
        let plateau =
            ReduceLrOnPlateau { factor: 0.5, patience: 3, ..ReduceLrOnPlateau::default() };
        let mut states = vec![(plateau, 0.01)];
        let mut decided = 0;
        for (epoch, next) in epochs.iter().zip(&epochs[1..]) {
            let branch = |(plateau, rate): &(ReduceLrOnPlateau, f64)| {
                [-ROUNDING, 0.0, ROUNDING].map(|error| {
                    let mut plateau = plateau.clone();
                    let rate = plateau.observe(epoch.val_loss + error, *rate);
                    (plateau, rate)
                })
            };
            let mut reached: Vec<_> = states.iter().flat_map(branch).collect();
            let key = |(plateau, rate): &(ReduceLrOnPlateau, f64)| {
                (plateau.monitor.best.to_bits(), plateau.wait, rate.to_bits())
            };
            reached.sort_by_key(key);
            reached.dedup_by_key(|state| key(state));
            decided += usize::from(reached.iter().all(|state| state.1 == reached[0].1));
            // Rates are printed with four decimals, or from 1e-3 downwards with four digits after
            // the first.
            let printed = |rate: f64| {
                (rate - next.learning_rate).abs()
                    <= 1e-4 * next.learning_rate.max(1e-9)
                        + if rate > 1e-3 { ROUNDING } else { 0.0 }
            };
            reached.retain(|state| printed(state.1));
            assert!(
                !reached.is_empty(),
                "{}: no state gives the rate of epoch {}",
                run.constraint,
                next.epoch
            );
            states = reached;
        }
        // Most epochs are decided by the print alone, so that the test says something.
        assert!(
            decided * 10 >= epochs.len() * 7,
            "{}: {decided} of {} decided",
            run.constraint,
            epochs.len()
        );
    }
}
