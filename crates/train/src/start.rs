//! Where the kernel of the dilation starts in its set.
//!
//! The gauge of a dilation explains why it matters: sets that allow the same networks
//! ([`gauge`](morphograd_morphology::gauge())) differ in where 0 lies, in their interior or at a
//! corner.

use morphograd_morphology::gauge;
use morphograd_morphology::nn::autodiff::{ParamId, Params};
use serde::{Deserialize, Serialize};

/// The choice.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Start {
    /// Kernels of 0, as in the tutorial.
    #[default]
    Zero,
    /// Where 0 is at the boundary of the set, kernels of -1/2, or of 1/2 if those are further
    /// outside, projected onto the set. The bias of the convolution behind takes back the constant
    /// that this adds to every output, so the network computes the same as from 0 if the kernel is
    /// constant.
    Interior,
}

impl Start {
    /// Moves a network of [`Config::network`](crate::experiment::Config::network) there, whose
    /// dilation has this kernel.
    pub fn apply(self, params: &mut Params<f32>, kernel: ParamId) {
        let Some(set) = params.shared_constraint(kernel).filter(|_| self == Self::Interior) else {
            return;
        };
        let shape = params.value(kernel).shape;
        // How many entries of a constant kernel the set moves.
        let moved = |constant: f32| {
            let mut value = vec![constant; shape.len()];
            set.project(shape, &mut value);
            value.iter().filter(|w| **w != constant).count()
        };
        let half = shape.len() / 2;
        if [-1e-3, 1e-3].iter().all(|constant| moved(*constant) <= half) {
            return;
        }
        let constant = if moved(-0.5) <= moved(0.5) { -0.5 } else { 0.5 };
        params.update(kernel, |value| value.fill(constant));
        let shift = gauge(params.value(kernel), 1.0).expect("a kernel of four axes").shift;

        let convolution = params.find("conv2d.kernel").expect("the network's");
        let filters = params.value(convolution).shape.dims()[3];
        let mut added = vec![0.0; filters];
        // The entries of a kernel [kh, kw, channels, filters], by channel.
        let entries = params.value(convolution).data.chunks_exact(filters);
        for (entries, shift) in entries.zip(shift.iter().cycle()) {
            added.iter_mut().zip(entries).for_each(|(sum, w)| *sum += w * shift);
        }
        let bias = params.find("conv2d.bias").expect("the network's");
        params.update(bias, |bias| {
            bias.iter_mut().zip(&added).for_each(|(b, added)| *b -= added);
        });
    }
}
