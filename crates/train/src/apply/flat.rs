//! Operators by structuring elements: dilations, erosions and what is composed of them.
//!
//! The one design choice: a flat element goes to the operators on pixels. One that is not flat goes
//! to the operators on numbers; of integers the result is rounded and kept in the range, once, at
//! the end.

use std::fmt::Write as _;

use morphograd_image::{Picture, Pixels, Sample, each};
use morphograd_morphology::nn::autodiff::{Graph, Var};
use morphograd_morphology::nn::tensor::{ShapeError, TensorRef};
use morphograd_morphology::{
    Border, FlatStep, Footprint, Neighbourhood2d, Pixel, Residue, black_top_hat2d, closing2d,
    dilation2d, erosion2d, evaluate, external_gradient2d, flat_black_top_hat, flat_chain,
    flat_closing, flat_dilation, flat_erosion, flat_external_gradient, flat_gradient,
    flat_internal_gradient, flat_opening, flat_white_top_hat, gradient2d, internal_gradient2d,
    opening2d, white_top_hat2d,
};

use crate::apply::element::Element;
use crate::apply::error::ApplyError;
use crate::apply::operator::{Output, Reach, Stage, floats, images, nearest, replaced};
use crate::apply::parameter::{BorderRule, Settings};

/// The same operator on pixels by a footprint and on numbers by a kernel. A pixel depends on
/// `$steps` times the reach of the element.
macro_rules! by_element {
    ($name:ident, $flat:ident, $additive:ident, $steps:expr) => {
        pub(crate) fn $name(settings: &Settings) -> Result<Stage, ApplyError> {
            let (element, border) = (settings.element("element")?, settings.border()?);
            let reach = Reach::rows($steps * element.reach(), border);
            if !element.shape().is_flat() {
                return Ok(Stage::new(reach, move |picture| {
                    additive(picture, &element, border, |graph, x, kernel, neighbourhood| {
                        $additive(graph, x, kernel, neighbourhood)
                    })
                }));
            }
            let footprint = Footprint::try_from(element.shape())?;
            Ok(Stage::new(reach, move |picture| {
                each!(picture.pixels(), samples => {
                    let border = rule(border, samples)?;
                    replaced(picture, $flat(images(picture, samples), &footprint, border)?)
                })
            }))
        }
    };
}

by_element!(dilation, flat_dilation, dilation2d, 1);
by_element!(erosion, flat_erosion, erosion2d, 1);
by_element!(opening, flat_opening, opening2d, 2);
by_element!(closing, flat_closing, closing2d, 2);
by_element!(white_top_hat, flat_white_top_hat, white_top_hat2d, 2);
by_element!(black_top_hat, flat_black_top_hat, black_top_hat2d, 2);
by_element!(gradient, flat_gradient, gradient2d, 1);
by_element!(internal_gradient, flat_internal_gradient, internal_gradient2d, 1);
by_element!(external_gradient, flat_external_gradient, external_gradient2d, 1);

/// The border for the samples at hand.
fn rule<P: Sample>(border: BorderRule, _: &[P]) -> Result<Border, ApplyError> {
    border.of::<P>()
}

/// An operator by a structuring function, on numbers.
fn additive(
    picture: &Picture,
    element: &Element,
    border: BorderRule,
    operator: impl Fn(&mut Graph<'_, f32>, Var, Var, Neighbourhood2d) -> Result<Var, ShapeError>,
) -> Result<Picture, ApplyError> {
    let scale = element.scale(picture.depth()) as f32;
    let mut kernel = element.shape().kernel::<f32>(picture.channels());
    kernel.data_mut().iter_mut().for_each(|w| *w *= scale);
    each!(picture.pixels(), samples => {
        let border = rule(border, samples)?;
        let neighbourhood = Neighbourhood2d::from(element.shape().window()).border(border);
        let numbers = floats(samples);
        let x = images(picture, &numbers);
        let y = evaluate([x, kernel.view()], |graph, [x, kernel]| {
            operator(graph, x, kernel, neighbourhood)
        })?;
        replaced(picture, nearest(samples, y.data()))
    })
}

/// An element that is a set.
fn footprint(settings: &Settings, name: &'static str) -> Result<(Element, Footprint), ApplyError> {
    let element = settings.element(name)?;
    if !element.shape().is_flat() {
        let found = format!("`{}`, whose numbers differ", element.text());
        return Err(ApplyError::new(name, "a flat element", found));
    }
    let footprint = Footprint::try_from(element.shape())?;
    Ok((element, footprint))
}

pub(crate) fn toggle(settings: &Settings) -> Result<Stage, ApplyError> {
    let (element, footprint) = footprint(settings, "element")?;
    let (border, steps) = (settings.border()?, settings.count("steps")?);
    let reach = Reach::rows(steps.saturating_mul(element.reach()), border);
    Ok(Stage::new(reach, move |picture| {
        each!(picture.pixels(), samples => {
            let border = rule(border, samples)?;
            let mut pixels = samples.clone();
            for _ in 0..steps {
                pixels = toggled(images(picture, &pixels), &footprint, border)?;
            }
            replaced(picture, pixels)
        })
    }))
}

/// The nearer of dilation and erosion; the dilation where both are as near.
fn toggled<P: Pixel>(
    x: TensorRef<'_, P>,
    footprint: &Footprint,
    border: Border,
) -> Result<Vec<P>, ShapeError> {
    let above = flat_dilation(x, footprint, border)?;
    let below = flat_erosion(x, footprint, border)?;
    let all = x.data.iter().zip(above).zip(below);
    Ok(all.map(|((x, a), b)| if a.minus(*x) <= x.minus(b) { a } else { b }).collect())
}

pub(crate) fn hit_or_miss(settings: &Settings) -> Result<Stage, ApplyError> {
    let (hit, miss) = (footprint(settings, "element")?, footprint(settings, "miss")?);
    let border = settings.border()?;
    let reach = Reach::rows(hit.0.reach().max(miss.0.reach()), border);
    let [hit, miss] = [hit.1, miss.1];
    Ok(Stage::new(reach, move |picture| {
        each!(picture.pixels(), samples => {
            let border = rule(border, samples)?;
            replaced(picture, fits(images(picture, samples), [&hit, &miss], border)?)
        })
    }))
}

/// How far the smallest pixel of the one set lies above the largest of the other; 0 where it does
/// not.
fn fits<P: Pixel>(
    x: TensorRef<'_, P>,
    [hit, miss]: [&Footprint; 2],
    border: Border,
) -> Result<Vec<P>, ShapeError> {
    let largest = flat_chain(x, &[FlatStep::largest(miss.clone(), border)], Residue::None)?;
    let smallest = FlatStep::smallest(hit.clone(), border);
    let margin = flat_chain(x, &[smallest], Residue::Above(&largest))?;
    Ok(margin.into_iter().map(|margin| margin.larger(P::default())).collect())
}

pub(crate) fn alternating_sequential(settings: &Settings) -> Result<Stage, ApplyError> {
    let family = settings.element("element")?.family()?;
    let border = settings.border()?;
    let closing_first = settings.one_of("first", &[("closing", true), ("opening", false)])?;
    let reach = Reach::rows(4 * family.iter().map(Element::reach).sum::<usize>(), border);
    let sets: Result<Vec<_>, _> = family.iter().map(|e| Footprint::try_from(e.shape())).collect();
    let sets = sets?;
    Ok(Stage::new(reach, move |picture| {
        each!(picture.pixels(), samples => {
            let border = rule(border, samples)?;
            let steps: Vec<FlatStep> = sets
                .iter()
                .flat_map(|set| {
                    let [up, down] =
                        [FlatStep::dilation(set, border), FlatStep::erosion(set, border)];
                    match closing_first {
                        true => [up.clone(), down.clone(), down, up],
                        false => [down.clone(), up.clone(), up, down],
                    }
                })
                .collect();
            replaced(picture, flat_chain(images(picture, samples), &steps, Residue::None)?)
        })
    }))
}

pub(crate) fn granulometry(settings: &Settings) -> Result<Stage, ApplyError> {
    let family = settings.element("element")?.family()?;
    let border = settings.border()?;
    let run = move |picture: &Picture| {
        let mut table = String::from("element,channel,sum,lost\n");
        let mut before = sums(picture.pixels(), picture.channels());
        for (channel, sum) in before.iter().enumerate() {
            let _ = writeln!(table, "none,{channel},{sum},0");
        }
        for element in &family {
            let set = Footprint::try_from(element.shape())?;
            let opened = each!(picture.pixels(), samples => {
                let border = rule(border, samples)?;
                Pixels::from(flat_opening(images(picture, samples), &set, border)?)
            });
            let after = sums(&opened, picture.channels());
            for (channel, (sum, before)) in after.iter().zip(&before).enumerate() {
                let _ = writeln!(table, "{},{channel},{sum},{}", element.text(), before - sum);
            }
            before = after;
        }
        Ok(Output::Table(table))
    };
    Ok(Stage { run: Box::new(run), reach: Reach::Whole("a table is about all pixels") })
}

/// The sum of each channel.
fn sums(pixels: &Pixels, channels: usize) -> Vec<f64> {
    each!(pixels, samples => {
        let channel = |c| samples.iter().skip(c).step_by(channels);
        (0..channels).map(|c| channel(c).map(|sample| sample.number()).sum()).collect()
    })
}
