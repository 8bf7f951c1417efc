//! Pruning of trained networks: the published way, which sets the weights of smallest magnitude to
//! 0, and two ways that leave out candidates of a maximum or minimum, as $-\infty$ and $+\infty$.

use morphograd_morphology::nn::autodiff::{Graph, Params, Var};
use morphograd_morphology::nn::fit::predict;
use morphograd_morphology::nn::tensor::{ShapeError, Tensor, TensorRef};
use morphograd_morphology::nn::{Model, Sequential};
use morphograd_morphology::{MaxPlusProduct, MinPlusProduct, dense_win_counts};
use serde_json::{Value, json};

use crate::common::study::{Split, Vectors};
use crate::common::{Outcome, accuracy};
use crate::networks::{HIDDEN, Network, Part, describe, part};

/// The published shares of the entries of every matrix.
pub(crate) const SHARES: [f64; 6] = [0.85, 0.875, 0.90, 0.925, 0.95, 0.975];
/// Training images whose winners are counted.
const COUNTED: usize = 10_000;

/// The published way: test accuracy by share.
pub(crate) fn to_zero(
    model: &Model<f32>,
    params: &mut Params<f32>,
    split: &Split<'_>,
) -> Outcome<Vec<f64>> {
    let matrices: Vec<_> = params.ids().filter(|id| params.value(*id).shape.rank() == 2).collect();
    let values: Vec<Vec<f32>> = matrices.iter().map(|id| params.value(*id).data.to_vec()).collect();
    let mut found = Vec::new();
    for share in SHARES {
        for (id, values) in matrices.iter().zip(&values) {
            let sizes: Vec<f64> = values.iter().map(|w| f64::from(w.abs())).collect();
            params.update(*id, |w| {
                w.copy_from_slice(values);
                smallest(&sizes, share).for_each(|i| w[i] = 0.0);
            });
        }
        found.push(accuracy(model, params, &split.test)?);
    }
    for (id, values) in matrices.iter().zip(&values) {
        params.update(*id, |w| w.copy_from_slice(values));
    }
    Ok(found)
}

/// What an entry is worth.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Worth {
    /// Its distance to the largest of its column, or the smallest for minima.
    Distance,
    /// How often it wins, and among equals the distance.
    Wins,
}

/// Leaves out candidates of a network of maxima and minima of one matrix: test accuracy by share,
/// by the distance and by the wins.
pub(crate) fn to_infinity(
    network: Network,
    params: &Params<f32>,
    split: &Split<'_>,
    inputs: usize,
) -> Outcome<Value> {
    // The same network with two matrices, so that each can lack other candidates.
    let mut twin = Params::new();
    let model = describe(Network::Twin).build_model(&mut twin, 0, [inputs])?;
    for id in twin.ids().collect::<Vec<_>>() {
        let name = twin.name(id).to_owned();
        let name = name
            .replace("max.kernel", "kernel")
            .replace("min.kernel", "kernel")
            .replace("max.candidate", "max_candidate")
            .replace("min.candidate", "min_candidate");
        let value = params.value(params.find(&name).ok_or(name)?).data;
        twin.update(id, |w| w.copy_from_slice(value));
    }
    let counts = counts(network, params, &split.train.first(COUNTED), inputs)?;
    let mut found = [Worth::Distance, Worth::Wins].map(|worth| (worth, Vec::new()));
    for (worth, found) in &mut found {
        for share in SHARES {
            for (layer, counts) in (1..).zip(&counts) {
                for (side, sign, counts) in [("max", 1.0, &counts[0]), ("min", -1.0, &counts[1])] {
                    let id =
                        twin.find(&format!("layer{layer}.{side}.kernel")).ok_or("no matrix")?;
                    let own = params.find(&format!("layer{layer}.kernel")).ok_or("no matrix")?;
                    let own = params.value(own);
                    let units = own.shape.dims()[1];
                    let worths = worths(*worth, own.data, sign, units, counts);
                    twin.update(id, |w| {
                        w.copy_from_slice(own.data);
                        smallest(&worths, share).for_each(|i| w[i] = -sign * f32::INFINITY);
                    });
                }
            }
            found.push(accuracy(&model, &twin, &split.test)?);
        }
    }
    let [(_, distance), (_, wins)] = found;
    Ok(json!({ "distance": distance, "wins": wins }))
}

/// The worth of every entry of a matrix; `sign` is -1 for minima.
fn worths(worth: Worth, w: &[f32], sign: f32, units: usize, counts: &[f64]) -> Vec<f64> {
    let mut best = vec![f32::NEG_INFINITY; units];
    for row in w.chunks_exact(units) {
        best.iter_mut().zip(row).for_each(|(best, w)| *best = best.max(sign * w));
    }
    let distance = |i: usize| f64::from(sign * w[i] - best[i % units]);
    let of = |i: usize| match worth {
        Worth::Distance => distance(i),
        // A win is worth more than any distance.
        Worth::Wins => 1e6 * counts[i] + distance(i),
    };
    (0..w.len()).map(of).collect()
}

/// How often each entry of each matrix wins the maximum and the minimum.
fn counts(
    network: Network,
    params: &Params<f32>,
    images: &Vectors<'_>,
    inputs: usize,
) -> Outcome<Vec<[Vec<f64>; 2]>> {
    let mut counts = Vec::new();
    for layer in 1..=HIDDEN + 1 {
        let x = before(network, layer, params, images, inputs)?;
        let value = |name: &str| -> Outcome<TensorRef<'_, f32>> {
            let name = format!("layer{layer}.{name}");
            Ok(params.value(params.find(&name).ok_or(name)?))
        };
        let kernel = value("kernel")?;
        let (n, units) = (kernel.shape.dims()[0], kernel.shape.dims()[1]);
        // A candidate is an input 0 with a row of its own.
        let rows = x.data().chunks_exact(n).flat_map(|row| row.iter().copied().chain([0.0]));
        let x = Tensor::from_vec([x.data().len() / n, n + 1], rows.collect())?;
        let with = |candidate: TensorRef<'_, f32>| {
            let entries = kernel.data.iter().chain(candidate.data).copied().collect();
            Tensor::from_vec([n + 1, units], entries)
        };
        let (max, min) = (with(value("max_candidate")?)?, with(value("min_candidate")?)?);
        let max = dense_win_counts(MaxPlusProduct::default(), x.view(), max.view())?;
        let min = dense_win_counts(MinPlusProduct::default(), x.view(), min.view())?;
        counts.push([max, min].map(|counts| counts.data()[..n * units].to_vec()));
    }
    Ok(counts)
}

/// What comes into a layer.
pub(crate) fn before(
    network: Network,
    layer: usize,
    params: &Params<f32>,
    images: &Vectors<'_>,
    inputs: usize,
) -> Outcome<Tensor<f32>> {
    let mut model = Sequential::new();
    for block in 1..layer {
        model = part(model, network, block, Part::Whole);
    }
    model = part(model, network, layer, Part::Before);
    let mut own = Params::new();
    let first = |_: &mut Graph<'_, f32>, x: &[Var]| Ok::<_, ShapeError>(x[0]);
    let Ok(model) = model.build_model(&mut own, 0, [inputs]) else {
        return Ok(predict(&first, images, 100, &own)?);
    };
    for id in own.ids().collect::<Vec<_>>() {
        let name = own.name(id).to_owned();
        let value = params.value(params.find(&name).ok_or(name)?).data;
        own.update(id, |w| w.copy_from_slice(value));
    }
    Ok(predict(&model, images, 100, &own)?)
}

/// The positions of the smallest of some numbers, a share of them.
fn smallest(numbers: &[f64], share: f64) -> impl Iterator<Item = usize> {
    let mut order: Vec<usize> = (0..numbers.len()).collect();
    order.sort_by(|a, b| numbers[*a].total_cmp(&numbers[*b]));
    order.into_iter().take((share * numbers.len() as f64) as usize)
}
