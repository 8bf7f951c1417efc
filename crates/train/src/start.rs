//! Where the kernel of the dilation starts in its set.
//!
//! The gauge of a dilation explains why it matters: sets that allow the same networks
//! ([`gauge`](morphograd_morphology::gauge())) differ in where 0 lies, in their interior or at a
//! corner.

use morphograd_morphology::nn::autodiff::{ParamId, Params};
use morphograd_morphology::{Gauge, gauge};
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
        raise_bias(params, shift.iter().map(|m| -m));
    }
}

/// Brings the dilation's kernel into its canonical form for images in [0, 1], and the constant that
/// it loses into the bias of the convolution behind: the same network, up to rounding.
///
/// # Panics
/// If the kernel has a constraint, whose set need not have the canonical form.
pub fn canonical(params: &mut Params<f32>, kernel: ParamId) {
    assert!(params.constraint(kernel).is_none(), "canonical: expected a kernel without constraint");
    let Gauge { kernel: found, shift } =
        gauge(params.value(kernel), 1.0).expect("a kernel of four axes");
    params.update(kernel, |value| value.copy_from_slice(found.data()));
    raise_bias(params, shift.into_iter());
}

/// Adds to the bias of the convolution what constants on its input channels give.
fn raise_bias(params: &mut Params<f32>, constants: impl Iterator<Item = f32> + Clone) {
    let [kernel, bias] = ["conv2d.kernel", "conv2d.bias"]
        .map(|name| params.find(name).expect("the network's convolution"));
    let filters = params.value(bias).shape.len();
    let mut added = vec![0.0; filters];
    // The entries of a kernel [kh, kw, channels, filters], by channel.
    for (entries, constant) in params.value(kernel).data.chunks(filters).zip(constants.cycle()) {
        added.iter_mut().zip(entries).for_each(|(sum, w)| *sum += w * constant);
    }
    params.update(bias, |bias| bias.iter_mut().zip(&added).for_each(|(b, added)| *b += added));
}
