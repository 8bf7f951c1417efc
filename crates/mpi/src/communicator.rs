//! The ranks of MPI.
//!
//! The one design choice: `MPI_Sendrecv`, `MPI_Bcast` and `MPI_Barrier` are used, and nothing that
//! adds: the order in which `MPI_Allreduce` adds is the library's, and depends on the number of
//! ranks.

use morphograd::morphology::nn::ranks::{Communicator, RankError};
use mpi::collective::{CommunicatorCollectives, Root};
use mpi::point_to_point::send_receive_into;
use mpi::topology::{Communicator as _, SimpleCommunicator};

/// All processes that were started together. An error of MPI ends all of them, as MPI does by
/// default; whoever started them says which one it was.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Mpi {
    rank: usize,
    size: usize,
}

/// The most bytes of a message; MPI counts them in 32 bits.
const LARGEST: usize = 1 << 30;

impl Mpi {
    /// The ranks of `MPI_COMM_WORLD`, when MPI has been started.
    pub(crate) fn world() -> Self {
        let world = SimpleCommunicator::world();
        Self { rank: world.rank() as usize, size: world.size() as usize }
    }
}

impl Communicator for Mpi {
    fn rank(&self) -> usize {
        self.rank
    }

    fn size(&self) -> usize {
        self.size
    }

    fn exchange(&self, partner: usize, own: &[u8], theirs: &mut [u8]) -> Result<(), RankError> {
        let world = SimpleCommunicator::world();
        let partner = world.process_at_rank(partner as i32);
        for (own, theirs) in own.chunks(LARGEST).zip(theirs.chunks_mut(LARGEST)) {
            send_receive_into(own, &partner, theirs, &partner);
        }
        Ok(())
    }

    fn broadcast(&self, root: usize, bytes: &mut [u8]) -> Result<(), RankError> {
        let world = SimpleCommunicator::world();
        let root = world.process_at_rank(root as i32);
        bytes.chunks_mut(LARGEST).for_each(|bytes| root.broadcast_into(bytes));
        Ok(())
    }

    fn barrier(&self) -> Result<(), RankError> {
        SimpleCommunicator::world().barrier();
        Ok(())
    }
}
