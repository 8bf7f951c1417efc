//! What processes that train one model together need of whatever connects them.
//!
//! The one design choice: two partners exchange bytes, and everything else is made of that. So the
//! order in which numbers are added is ours, not that of a library, and the same for all numbers of
//! processes.

use std::fmt::Debug;

use thiserror::Error;

/// Connects the ranks of a training: processes, or threads, numbered from 0. Their number is a
/// power of two.
///
/// Out of the box: [`Local`](crate::ranks::Local), one rank, and [`Threads`](crate::ranks::Threads)
/// of one process. The package `morphograd-mpi` has one for MPI.
pub trait Communicator: Debug + Sync {
    /// The number of this rank, below [`size`](Self::size).
    fn rank(&self) -> usize;

    /// How many ranks there are.
    fn size(&self) -> usize;

    /// Sends bytes to another rank and receives as many. The partner calls it, too, with this rank.
    ///
    /// # Errors
    /// If the partner has ended.
    fn exchange(&self, partner: usize, own: &[u8], theirs: &mut [u8]) -> Result<(), RankError>;

    /// Gives all ranks the bytes of one of them. Cost: ⌈log₂ size⌉ exchanges.
    ///
    /// # Errors
    /// If a rank has ended.
    fn broadcast(&self, root: usize, bytes: &mut [u8]) -> Result<(), RankError> {
        let mut other = vec![0; bytes.len()];
        // Counted from the root: before a round those below `stride` have the bytes.
        let place = self.rank() ^ root;
        for stride in strides(self.size()).filter(|stride| place < 2 * stride) {
            self.exchange(self.rank() ^ stride, bytes, &mut other)?;
            if place >= stride {
                bytes.copy_from_slice(&other);
            }
        }
        Ok(())
    }

    /// Waits until all ranks are here. Cost: log₂ size exchanges.
    ///
    /// # Errors
    /// If a rank has ended.
    fn barrier(&self) -> Result<(), RankError> {
        strides(self.size())
            .try_for_each(|stride| self.exchange(self.rank() ^ stride, &[0], &mut [0]))
    }
}

/// Why ranks cannot go on together.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum RankError {
    /// A rank that has died, or failed with an error of its own.
    #[error("ranks: expected an answer of rank {rank}, found that it has ended: {reason}")]
    Ended {
        /// The rank.
        rank: usize,
        /// What is known about it.
        reason: String,
    },
    /// Ranks that do not do the same.
    #[error("ranks: expected one {what} on all ranks, found {found}")]
    Differ {
        /// What differs.
        what: String,
        /// The values, and the ranks that have each.
        found: String,
    },
}

/// The distances between partners, in the order in which a tree over the ranks is gone through from
/// its leaves: 1, 2, 4, ... below the number of ranks.
pub(crate) fn strides(size: usize) -> impl Iterator<Item = usize> {
    (0..size.ilog2()).map(|round| 1 << round)
}

/// The bytes of all ranks, one after the other; all have as many. Cost: log₂ size exchanges.
pub(crate) fn all_gather(
    communicator: &dyn Communicator,
    own: &[u8],
) -> Result<Vec<u8>, RankError> {
    let (rank, length) = (communicator.rank(), own.len());
    let mut all = vec![0; length * communicator.size()];
    all[rank * length..][..length].copy_from_slice(own);
    let mut theirs = Vec::new();
    for stride in strides(communicator.size()) {
        // Whole blocks of neighbours are exchanged.
        let block = |rank: usize| {
            let first = rank / stride * stride * length;
            first..first + stride * length
        };
        theirs.resize(stride * length, 0);
        let partner = rank ^ stride;
        communicator.exchange(partner, &all[block(rank)], &mut theirs)?;
        all[block(partner)].copy_from_slice(&theirs);
    }
    Ok(all)
}
