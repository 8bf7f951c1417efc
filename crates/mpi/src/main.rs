//! `morphograd-mpi`: the command line of `morphograd`, of which `train` runs on all processes that
//! `mpirun` or `srun` has started.
#![expect(clippy::print_stderr, reason = "a command speaks to a person")]

#[path = "../../train/src/cli/mod.rs"]
mod cli;
mod communicator;

use std::process::ExitCode;

use mpi::Threading;
use mpi::topology::{Communicator as _, SimpleCommunicator};

use crate::communicator::Mpi;

fn main() -> ExitCode {
    // A training runs on a thread of its pool, and not on this one.
    let Some((universe, threading)) = mpi::initialize_with_threading(Threading::Serialized) else {
        eprintln!("error: expected MPI that starts once, found that it has been started");
        return ExitCode::FAILURE;
    };
    if threading < Threading::Serialized {
        eprintln!(
            "error: expected an MPI that any thread may call (MPI_THREAD_SERIALIZED), found \
             {threading:?}"
        );
        return ExitCode::FAILURE;
    }
    let code = cli::main(Box::leak(Box::new(Mpi::world())));
    if code == ExitCode::FAILURE {
        // The others may wait for this rank: they end, too.
        SimpleCommunicator::world().abort(1);
    }
    drop(universe);
    code
}
