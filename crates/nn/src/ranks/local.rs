//! One process.

use crate::ranks::communicator::{Communicator, RankError};

/// The only rank of a training in one process.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Local;

impl Communicator for Local {
    fn rank(&self) -> usize {
        0
    }

    fn size(&self) -> usize {
        1
    }

    fn exchange(&self, rank: usize, _: &[u8], _: &mut [u8]) -> Result<(), RankError> {
        Err(RankError::Ended { rank, reason: "there is one rank only".to_owned() })
    }
}
