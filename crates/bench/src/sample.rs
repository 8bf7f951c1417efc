//! Timing. One number is a sample: the mean of as many runs as last long enough for the clock and
//! the scheduler. What is reported of many samples are the quartiles, because times have a floor
//! and a long tail, which a mean and a deviation hide.

use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};

use crate::case::Run;

/// How long a sample lasts at least.
const SAMPLE: Duration = Duration::from_millis(40);
/// How long, and how often, a case is run before the first sample.
const WARM_UP: (Duration, usize) = (Duration::from_millis(120), 2);

/// A case that is ready to be timed.
pub struct Sampler {
    run: Run,
    repetitions: u32,
}

impl Sampler {
    /// Warms up, and finds how many runs a sample takes.
    pub fn new(mut run: Run) -> Self {
        let start = Instant::now();
        let mut best = f64::INFINITY;
        let mut runs = 0;
        while runs < WARM_UP.1 || start.elapsed() < WARM_UP.0 {
            let one = Instant::now();
            run();
            best = best.min(one.elapsed().as_secs_f64());
            runs += 1;
        }
        let repetitions = (SAMPLE.as_secs_f64() / best.max(1e-9)).ceil().clamp(1.0, 1e9);
        Self { run, repetitions: repetitions as u32 }
    }

    /// For what takes minutes: no warm-up, one run a sample.
    pub fn cold(run: Run) -> Self {
        Self { run, repetitions: 1 }
    }

    /// Seconds of one run, by one sample.
    pub fn sample(&mut self) -> f64 {
        let start = Instant::now();
        for _ in 0..self.repetitions {
            (self.run)();
        }
        start.elapsed().as_secs_f64() / f64::from(self.repetitions)
    }
}

/// The quartiles of samples.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Quartiles {
    /// A quarter is below.
    pub low: f64,
    /// Half is below.
    pub median: f64,
    /// A quarter is above.
    pub high: f64,
}

impl Quartiles {
    /// Of samples in any order, interpolated between neighbours.
    ///
    /// # Panics
    /// If there are none.
    pub fn of(samples: &[f64]) -> Self {
        assert!(!samples.is_empty(), "quartiles of at least one sample");
        let mut sorted = samples.to_vec();
        sorted.sort_by(f64::total_cmp);
        let at = |share: f64| {
            let position = share * (sorted.len() - 1) as f64;
            let (below, part) = (position.floor() as usize, position.fract());
            let above = (below + 1).min(sorted.len() - 1);
            sorted[below] + part * (sorted[above] - sorted[below])
        };
        Self { low: at(0.25), median: at(0.5), high: at(0.75) }
    }

    /// Whether the middle halves of two sets of samples have something in common: then their
    /// difference says little.
    pub fn overlaps(self, other: Self) -> bool {
        self.low <= other.high && other.low <= self.high
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quartiles_are_interpolated() {
        let q = Quartiles::of(&[4.0, 1.0, 3.0, 2.0]);
        assert_eq!(q, Quartiles { low: 1.75, median: 2.5, high: 3.25 });
        assert_eq!(Quartiles::of(&[7.0]), Quartiles { low: 7.0, median: 7.0, high: 7.0 });
    }

    #[test]
    fn ranges_that_touch_overlap() {
        let q = |low, high| Quartiles { low, median: low, high };
        assert!(q(1.0, 2.0).overlaps(q(2.0, 3.0)) && q(2.0, 3.0).overlaps(q(1.0, 2.0)));
        assert!(!q(1.0, 2.0).overlaps(q(2.5, 3.0)));
    }

    #[test]
    fn a_sample_lasts_long_enough_to_be_measured() {
        let mut sampler = Sampler::new(Box::new(|| std::thread::sleep(Duration::from_millis(15))));
        assert!(sampler.repetitions >= 2 && sampler.repetitions <= 3, "{}", sampler.repetitions);
        assert!(sampler.sample() >= 0.015);
    }
}
