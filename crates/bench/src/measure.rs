//! One measurement: the limits, then case by case. The one design choice: turns. Ours is sampled once, then each peer once, and so on, so
//! that whatever else the machine does falls on all of them, and a ratio is that of neighbours in time.

use rayon::{ThreadPool, ThreadPoolBuilder};

use crate::case::Case;
use crate::limits::Limits;
use crate::record::Measured;
use crate::sample::{Quartiles, Sampler};

/// A pool of so many threads.
///
/// # Panics
/// If the system gives none.
pub fn pool(threads: usize) -> ThreadPool {
    ThreadPoolBuilder::new().num_threads(threads).build().expect("threads")
}

/// The limits of one thread and of all threads of the pool.
pub fn limits(pool: &ThreadPool) -> Vec<Limits> {
    let mut limits = vec![Limits::measure(&self::pool(1))];
    if pool.current_num_threads() > 1 {
        limits.push(Limits::measure(pool));
    }
    limits
}

/// Measures a case.
pub fn case(pool: &ThreadPool, group: &str, case: &Case, samples: usize) -> Measured {
    let mut sampler = pool.install(|| {
        let run = (case.prepare)();
        if case.long { Sampler::cold(run) } else { Sampler::new(run) }
    });
    let samples = if case.long { 1 } else { samples };
    let ours: Vec<f64> = (0..samples).map(|_| pool.install(|| sampler.sample())).collect();
    Measured {
        name: case.name.clone(),
        group: group.to_owned(),
        what: case.what.clone(),
        work: case.work,
        seconds: Quartiles::of(&ours),
        peers: Vec::new(),
    }
}
