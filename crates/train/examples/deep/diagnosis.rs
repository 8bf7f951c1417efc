//! What happens inside a network that mixes linear and morphological layers, epoch by epoch.

use std::ops::ControlFlow;

use morphograd_morphology::nn::autodiff::Params;
use morphograd_morphology::nn::fit::{Callback, CallbackError, EpochLog, Training};
use morphograd_morphology::{MaxPlusProduct, MinPlusProduct, dense_win_counts};
use serde_json::{Value, json};

use crate::common::Outcome;
use crate::common::study::Vectors;
use crate::networks::{HIDDEN, Network};
use crate::pruning::before;

/// Looks at the morphological layers after the first epochs and then every tenth.
pub(crate) struct Diagnosis<'a> {
    pub(crate) network: Network,
    pub(crate) images: Vectors<'a>,
    pub(crate) inputs: usize,
    /// What was seen.
    pub(crate) epochs: Vec<Value>,
}

impl Diagnosis<'_> {
    /// For each layer the deviation of what comes in and of its matrix, and the share of entries
    /// that win something.
    fn look(&self, params: &Params<f32>) -> Outcome<Value> {
        let mut layers = Vec::new();
        for layer in 1..=HIDDEN {
            let x = before(self.network, layer, params, &self.images, self.inputs)?;
            let name = format!("layer{layer}.kernel");
            let w = params.value(params.find(&name).ok_or(name)?);
            let max = dense_win_counts(MaxPlusProduct::default(), x.view(), w)?;
            let min = dense_win_counts(MinPlusProduct::default(), x.view(), w)?;
            let used = max.data().iter().zip(min.data()).filter(|(a, b)| **a + **b > 0.0).count();
            layers.push(json!({
                "inputs": deviation(x.data()),
                "matrix": deviation(w.data),
                "used": used as f64 / w.data.len() as f64,
            }));
        }
        Ok(layers.into())
    }
}

impl Callback<f32> for Diagnosis<'_> {
    fn on_epoch_end(
        &mut self,
        log: &mut EpochLog,
        training: &mut Training<'_, f32>,
    ) -> Result<ControlFlow<()>, CallbackError> {
        if self.network == Network::Hybrid && (log.epoch <= 5 || log.epoch.is_multiple_of(10)) {
            let layers = self.look(training.params)?;
            self.epochs.push(json!({ "epoch": log.epoch, "layers": layers }));
        }
        Ok(ControlFlow::Continue(()))
    }
}

fn deviation(values: &[f32]) -> f64 {
    let n = values.len() as f64;
    let mean = values.iter().map(|x| f64::from(*x)).sum::<f64>() / n;
    (values.iter().map(|x| (f64::from(*x) - mean).powi(2)).sum::<f64>() / n).sqrt()
}
