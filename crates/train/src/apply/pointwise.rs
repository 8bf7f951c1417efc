//! Operators that look at one pixel at a time: they make masks, and turn bright into dark.

use morphograd_image::{Sample, each};

use crate::apply::error::ApplyError;
use crate::apply::operator::{Reach, Stage, replaced};
use crate::apply::parameter::{Level, Settings};

pub(crate) fn threshold(settings: &Settings) -> Result<Stage, ApplyError> {
    let level = settings.level("level")?;
    Ok(Stage::new(Reach::Rows(0), move |picture| {
        each!(picture.pixels(), samples => {
            let mask = above(samples, level)?;
            replaced(picture, mask)
        })
    }))
}

/// White from the level on, and 0 below; NaN is below.
fn above<P: Sample + PartialOrd>(samples: &[P], level: Level) -> Result<Vec<P>, ApplyError> {
    let (level, white) = (level.pixel::<P>("level")?, P::nearest(P::DEPTH.white()));
    Ok(samples.iter().map(|x| if *x >= level { white } else { P::default() }).collect())
}

pub(crate) fn invert(_: &Settings) -> Result<Stage, ApplyError> {
    Ok(Stage::new(
        Reach::Rows(0),
        move |picture| each!(picture.pixels(), samples => replaced(picture, inverted(samples))),
    ))
}

fn inverted<P: Sample>(samples: &[P]) -> Vec<P> {
    samples.iter().map(|x| P::nearest(P::DEPTH.white() - x.number())).collect()
}
