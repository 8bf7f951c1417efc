//! Ranks that are threads of one process.

use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use crate::ranks::communicator::{Communicator, RankError};

/// A rank that is a thread: for tests, and to see without other machines what several would do.
///
/// Whoever drops a rank ends it: those who wait for it get an error that names it.
///
/// ```
/// use std::thread;
/// use morphograd_nn::ranks::{Communicator, Threads};
/// let sums = thread::scope(|scope| {
///     let ranks = Threads::ranks(4).into_iter().map(|rank| {
///         scope.spawn(move || {
///             let (mut sum, mut other) = (rank.rank() as u8, [0]);
///             for stride in [1, 2] {
///                 rank.exchange(rank.rank() ^ stride, &[sum], &mut other).unwrap();
///                 sum += other[0];
///             }
///             sum
///         })
///     });
///     let ranks: Vec<_> = ranks.collect();
///     ranks.into_iter().map(|rank| rank.join().unwrap()).collect::<Vec<_>>()
/// });
/// assert_eq!(sums, [6; 4]);
/// ```
#[derive(Debug)]
pub struct Threads {
    rank: usize,
    /// To and from every rank; those of this one are not used.
    lines: Vec<Line>,
    /// The rank that has ended first: others then end because of it.
    first_ended: Arc<OnceLock<usize>>,
}

#[derive(Debug)]
struct Line {
    to: Sender<Vec<u8>>,
    from: Mutex<Receiver<Vec<u8>>>,
}

impl Threads {
    /// So many ranks, one a thread.
    ///
    /// # Panics
    /// If the number is no power of two.
    pub fn ranks(size: usize) -> Vec<Self> {
        assert!(size.is_power_of_two(), "ranks: expected a power of two, found {size}");
        let first_ended = Arc::new(OnceLock::new());
        // The channel from a to b stands at [a][b].
        let channels = (0..size).map(|_| (0..size).map(|_| channel()).unzip());
        let (senders, mut receivers): (Vec<Vec<_>>, Vec<Vec<_>>) = channels.unzip();
        let rank = |(rank, to): (usize, Vec<Sender<Vec<u8>>>)| {
            let lines = to.into_iter().zip(&mut receivers).map(|(to, from)| {
                // Ranks take theirs in order, so the first one left is this rank's.
                Line { to, from: Mutex::new(from.remove(0)) }
            });
            Self { rank, lines: lines.collect(), first_ended: Arc::clone(&first_ended) }
        };
        senders.into_iter().enumerate().map(rank).collect()
    }

    fn ended(&self, partner: usize) -> RankError {
        let rank = self.first_ended.get().copied().unwrap_or(partner);
        RankError::Ended { rank, reason: "its thread is over".to_owned() }
    }
}

impl Communicator for Threads {
    fn rank(&self) -> usize {
        self.rank
    }

    fn size(&self) -> usize {
        self.lines.len()
    }

    fn exchange(&self, partner: usize, own: &[u8], theirs: &mut [u8]) -> Result<(), RankError> {
        let Line { to, from } = &self.lines[partner];
        to.send(own.to_vec()).map_err(|_| self.ended(partner))?;
        let from = from.lock().unwrap_or_else(PoisonError::into_inner);
        let message = from.recv().map_err(|_| self.ended(partner))?;
        assert_eq!(message.len(), theirs.len(), "bytes that two ranks exchange");
        theirs.copy_from_slice(&message);
        Ok(())
    }
}

impl Drop for Threads {
    fn drop(&mut self) {
        let _ = self.first_ended.set(self.rank);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ranks::communicator::all_gather;
    use std::thread;

    /// What every rank makes of a computation.
    fn on_all<R: Send>(size: usize, f: impl Fn(Threads) -> R + Sync) -> Vec<R> {
        thread::scope(|scope| {
            let f = &f;
            let all: Vec<_> = (Threads::ranks(size).into_iter())
                .map(|rank| scope.spawn(move || f(rank)))
                .collect();
            all.into_iter().map(|rank| rank.join().unwrap()).collect()
        })
    }

    #[test]
    fn every_rank_gets_the_bytes_of_the_root_and_of_all() {
        for size in [1, 2, 4, 8] {
            for root in 0..size {
                let all = on_all(size, |rank| {
                    let mut bytes = [rank.rank() as u8 + 10; 3];
                    rank.broadcast(root, &mut bytes).unwrap();
                    rank.barrier().unwrap();
                    bytes
                });
                assert_eq!(all, vec![[root as u8 + 10; 3]; size], "{root} of {size}");
            }
            let expected: Vec<u8> = (0..size as u8).flat_map(|rank| [rank, rank + 100]).collect();
            let all = on_all(size, |rank| {
                let own = [rank.rank() as u8, rank.rank() as u8 + 100];
                all_gather(&rank, &own).unwrap()
            });
            assert_eq!(all, vec![expected; size]);
        }
    }

    #[test]
    fn the_rank_that_ended_first_is_named_by_all_others() {
        let all = on_all(8, |rank| match rank.rank() {
            5 => Ok(()),
            _ => rank.barrier().and_then(|()| rank.barrier()),
        });
        let reason = "its thread is over".to_owned();
        let expected = RankError::Ended { rank: 5, reason };
        for (rank, found) in all.into_iter().enumerate() {
            assert_eq!(found.is_ok(), rank == 5);
            assert!(rank == 5 || found.as_ref() == Err(&expected), "{found:?}");
        }
    }
}
