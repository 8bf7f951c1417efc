//! The dilation of the images themselves, and what its kernel wins: which entries of its
//! structuring functions are ever the largest.

use morphograd_morphology::nn::autodiff::{ParamId, Params};
use morphograd_morphology::nn::tensor::{ShapeError, Tensor, TensorRef};
use morphograd_morphology::{MaxPlus, Neighbourhood2d, win_counts};

use crate::data::Images;
use crate::record::FilterWins;

/// A dilation of the images themselves: the first layer of a model.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct FirstDilation {
    /// Its kernel, `[kh, kw, channels, filters]`.
    pub kernel: ParamId,
    /// How it goes over the images.
    pub scan: Neighbourhood2d,
}

impl FirstDilation {
    /// How many entries each filter has.
    pub fn entries(&self, params: &Params<f32>) -> usize {
        let kernel = params.value(self.kernel);
        kernel.data.len() / kernel.shape.dims()[3].max(1)
    }

    /// The wins of its kernel's entries on the first `count` images, or on all if there are fewer.
    ///
    /// # Errors
    /// If the images do not fit.
    pub fn wins(
        &self,
        params: &Params<f32>,
        images: &Images,
        count: usize,
    ) -> Result<Tensor<f64>, ShapeError> {
        let first: Vec<usize> = (0..images.len().min(count)).collect();
        let [height, width, channels] = images.shape();
        let mut pixels = vec![0.0; first.len() * images.size()];
        images.gather_pixels(&first, &mut pixels)?;
        let x = TensorRef::new([first.len(), height, width, channels], &pixels);
        win_counts::<_, MaxPlus>(x, params.value(self.kernel), self.scan)
    }

    /// How the wins of each filter are spread.
    ///
    /// # Errors
    /// If the images do not fit.
    pub fn filter_wins(
        &self,
        params: &Params<f32>,
        images: &Images,
        count: usize,
    ) -> Result<Vec<FilterWins>, ShapeError> {
        let wins = self.wins(params, images, count)?;
        let filters = wins.shape().dims()[3];
        let of = |filter| FilterWins::of(wins.data().iter().skip(filter).step_by(filters).copied());
        Ok((0..filters).map(of).collect())
    }
}
