//! One measurement: the limits, then case by case. The one design choice: turns. Ours is sampled
//! once, then each peer once, and so on, so that whatever else the machine does falls on all of
//! them, and a ratio is that of neighbours in time.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use rayon::{ThreadPool, ThreadPoolBuilder};

use crate::case::Case;
use crate::limits::Limits;
use crate::peer::{Peer, PeerError};
use crate::record::{Measured, PeerMeasured};
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

/// How long the turns of one case may take, once there are [`LEAST`] of them: some peers need
/// seconds a run.
const BUDGET: Duration = Duration::from_secs(45);
/// Turns that are made in any case.
const LEAST: usize = 5;

/// What a peer calls the Python package.
const OURS: &str = "morphograd";

/// Measures a case, in turns with the peers; or says why not: it is one of the Python package, and
/// no peer has it.
///
/// # Errors
/// If a peer is gone.
pub fn case(
    pool: &ThreadPool,
    peers: &mut [Peer],
    group: &str,
    case: &Case,
    samples: usize,
) -> Result<Result<Measured, String>, PeerError> {
    let mut sampler = case.prepare.as_ref().map(|prepare| {
        pool.install(|| {
            let run = prepare();
            if case.long { Sampler::cold(run) } else { Sampler::new(run) }
        })
    });
    let (mut lacks, mut measures_ours) = (Vec::new(), None);
    for (index, peer) in peers.iter_mut().enumerate() {
        let answer = peer.sample(&case.name, 0)?;
        lacks.extend(answer.lacks);
        if answer.seconds.contains_key(OURS) {
            measures_ours.get_or_insert(index);
        }
    }
    if sampler.is_none() && measures_ours.is_none() {
        let needs = "needs a peer with the Python package".to_owned();
        return Ok(Err(lacks.into_iter().find(|(name, _)| name == OURS).map_or(needs, |l| l.1)));
    }
    let samples = if case.long { 1 } else { samples };
    let (mut ours, mut theirs) = (Vec::new(), BTreeMap::<String, Vec<f64>>::new());
    let start = Instant::now();
    while ours.len() < samples && (ours.len() < LEAST || start.elapsed() < BUDGET) {
        ours.extend(sampler.as_mut().map(|sampler| pool.install(|| sampler.sample())));
        for (index, peer) in peers.iter_mut().enumerate() {
            for (name, seconds) in peer.sample(&case.name, 1)?.seconds {
                match name == OURS {
                    true if measures_ours == Some(index) => ours.extend(seconds),
                    true => (),
                    false => theirs.entry(name).or_default().extend(seconds),
                }
            }
        }
    }
    let peers = theirs.into_iter().map(|(peer, seconds)| {
        let ratios: Vec<f64> =
            seconds.iter().zip(&ours).map(|(theirs, ours)| theirs / ours).collect();
        PeerMeasured { peer, seconds: Quartiles::of(&seconds), ratio: Quartiles::of(&ratios) }
    });
    Ok(Ok(Measured {
        name: case.name.clone(),
        group: group.to_owned(),
        what: case.what.clone(),
        work: case.work,
        samples: ours.len(),
        seconds: Quartiles::of(&ours),
        peers: peers.collect(),
        lacks,
    }))
}
