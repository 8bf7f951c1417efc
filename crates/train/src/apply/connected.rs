//! Operators that select pixels of the image: reconstructions, extrema, areas, levelings,
//! distances.

use std::path::Path;

use morphograd_image::{Depth, Header, Limits, Picture, Pixels, Sample, each, inspect, read};
use morphograd_morphology::nn::tensor::ShapeError;
use morphograd_morphology::pixels::{
    Extremum, area as of_area, distance as distances, geodesic as grown, h_extrema, h_residue,
    leveling as leveled, reconstruction as reconstructed, regional_extrema,
};
use morphograd_morphology::{
    Border, Connectivity, Footprint, Pixel, PixelDistance, flat_dilation, flat_erosion,
};

use crate::apply::error::ApplyError;
use crate::apply::operator::{Reach, Stage, images, nearest, replaced, shape};
use crate::apply::parameter::{Level, Settings};

const WHOLE: Reach = Reach::Whole("connected pixels may be anywhere in the image");

/// An operator on the samples of an image and, of the same type, those of a marker.
macro_rules! with_marker {
    ($picture:expr, $marker:expr, |$x:ident, $m:ident| $body:expr) => {
        match ($picture.pixels(), $marker.pixels()) {
            (Pixels::Bit($x), Pixels::Bit($m)) => replaced($picture, $body),
            (Pixels::U8($x), Pixels::U8($m)) => replaced($picture, $body),
            (Pixels::U16($x), Pixels::U16($m)) => replaced($picture, $body),
            (Pixels::F32($x), Pixels::F32($m)) => replaced($picture, $body),
            _ => unreachable!("a marker is of the type of the image"),
        }
    };
}

/// The marker, which has to be as the image; that is known before its pixels take memory.
fn marker(path: &Path, picture: &Picture) -> Result<Picture, ApplyError> {
    let expected = Header { alpha: false, ..picture.header() };
    let found = Header { alpha: false, ..inspect(path)? };
    if found != expected {
        let place = format!("marker {}", path.display());
        let expected = format!("an image as the other, {expected}");
        return Err(ApplyError::new(place, expected, found.to_string()));
    }
    Ok(read(path, Limits::none())?.with_alpha(None)?)
}

fn extremum(settings: &Settings) -> Result<Extremum, ApplyError> {
    settings.one_of("by", &[("dilation", Extremum::Maximum), ("erosion", Extremum::Minimum)])
}

pub(crate) fn reconstruction(settings: &Settings) -> Result<Stage, ApplyError> {
    let (path, by) = (settings.path("marker")?, extremum(settings)?);
    let connectivity = settings.connectivity()?;
    Ok(Stage::new(WHOLE, move |picture| {
        let marker = marker(&path, picture)?;
        with_marker!(picture, marker, |x, m| {
            reconstructed(shape(picture), [&m[..], &x[..]], by, connectivity)?
        })
    }))
}

pub(crate) fn leveling(settings: &Settings) -> Result<Stage, ApplyError> {
    let (path, connectivity) = (settings.path("marker")?, settings.connectivity()?);
    Ok(Stage::new(WHOLE, move |picture| {
        let marker = marker(&path, picture)?;
        with_marker!(picture, marker, |x, m| {
            leveled(shape(picture), [&m[..], &x[..]], connectivity)?
        })
    }))
}

pub(crate) fn geodesic(settings: &Settings) -> Result<Stage, ApplyError> {
    let (path, by) = (settings.path("marker")?, extremum(settings)?);
    let (steps, connectivity) = (settings.count("steps")?, settings.connectivity()?);
    let reach = Reach::Whole("the marker is read as a whole");
    Ok(Stage::new(reach, move |picture| {
        let marker = marker(&path, picture)?;
        with_marker!(picture, marker, |x, m| {
            grown(shape(picture), [&m[..], &x[..]], steps, by, connectivity)?
        })
    }))
}

fn by_reconstruction(settings: &Settings, extremum: Extremum) -> Result<Stage, ApplyError> {
    let element = settings.element("element")?;
    let (set, connectivity) = (Footprint::try_from(element.shape())?, settings.connectivity()?);
    Ok(Stage::new(WHOLE, move |picture| {
        each!(picture.pixels(), samples => {
            let x = images(picture, samples);
            let marker = match extremum {
                Extremum::Maximum => flat_erosion(x, &set, Border::Infinity)?,
                Extremum::Minimum => flat_dilation(x, &set, Border::Infinity)?,
            };
            let both = [&marker[..], &samples[..]];
            replaced(picture, reconstructed(shape(picture), both, extremum, connectivity)?)
        })
    }))
}

pub(crate) fn opening_by_reconstruction(settings: &Settings) -> Result<Stage, ApplyError> {
    by_reconstruction(settings, Extremum::Maximum)
}

pub(crate) fn closing_by_reconstruction(settings: &Settings) -> Result<Stage, ApplyError> {
    by_reconstruction(settings, Extremum::Minimum)
}

/// A function of a height.
fn by_height(
    settings: &Settings,
    function: impl Fn(&Picture, Level, Connectivity) -> Result<Picture, ApplyError>
    + Send
    + Sync
    + 'static,
) -> Result<Stage, ApplyError> {
    let (h, connectivity) = (settings.level("h")?, settings.connectivity()?);
    Ok(Stage::new(WHOLE, move |picture| function(picture, h, connectivity)))
}

fn height<P: Sample>(h: Level, _: &[P]) -> Result<P, ApplyError> {
    h.pixel("h")
}

fn extrema_of_height(settings: &Settings, extremum: Extremum) -> Result<Stage, ApplyError> {
    by_height(settings, move |picture, h, connectivity| {
        each!(picture.pixels(), samples => {
            let h = height(h, samples)?;
            replaced(picture, h_extrema(shape(picture), samples, h, extremum, connectivity)?)
        })
    })
}

pub(crate) fn h_maxima(settings: &Settings) -> Result<Stage, ApplyError> {
    extrema_of_height(settings, Extremum::Maximum)
}

pub(crate) fn h_minima(settings: &Settings) -> Result<Stage, ApplyError> {
    extrema_of_height(settings, Extremum::Minimum)
}

fn residue_of_height(settings: &Settings, extremum: Extremum) -> Result<Stage, ApplyError> {
    by_height(settings, move |picture, h, connectivity| {
        each!(picture.pixels(), samples => {
            let h = height(h, samples)?;
            replaced(picture, h_residue(shape(picture), samples, h, extremum, connectivity)?)
        })
    })
}

pub(crate) fn h_convex(settings: &Settings) -> Result<Stage, ApplyError> {
    residue_of_height(settings, Extremum::Maximum)
}

pub(crate) fn h_concave(settings: &Settings) -> Result<Stage, ApplyError> {
    residue_of_height(settings, Extremum::Minimum)
}

/// White where the regional extrema are, and 0 elsewhere.
fn extrema<P: Sample + Pixel>(
    picture: &Picture,
    samples: &[P],
    extremum: Extremum,
    connectivity: Connectivity,
) -> Result<Vec<P>, ShapeError> {
    let white = P::nearest(P::DEPTH.white());
    let found = regional_extrema(shape(picture), samples, extremum, connectivity)?;
    Ok(found.into_iter().map(|found| if found { white } else { P::default() }).collect())
}

fn regional(settings: &Settings, extremum: Extremum) -> Result<Stage, ApplyError> {
    let connectivity = settings.connectivity()?;
    Ok(Stage::new(WHOLE, move |picture| {
        each!(picture.pixels(), samples => {
            replaced(picture, extrema(picture, samples, extremum, connectivity)?)
        })
    }))
}

pub(crate) fn regional_maxima(settings: &Settings) -> Result<Stage, ApplyError> {
    regional(settings, Extremum::Maximum)
}

pub(crate) fn regional_minima(settings: &Settings) -> Result<Stage, ApplyError> {
    regional(settings, Extremum::Minimum)
}

fn extended(settings: &Settings, extremum: Extremum) -> Result<Stage, ApplyError> {
    by_height(settings, move |picture, h, connectivity| {
        each!(picture.pixels(), samples => {
            let h = height(h, samples)?;
            let flattened = h_extrema(shape(picture), samples, h, extremum, connectivity)?;
            replaced(picture, extrema(picture, &flattened, extremum, connectivity)?)
        })
    })
}

pub(crate) fn extended_maxima(settings: &Settings) -> Result<Stage, ApplyError> {
    extended(settings, Extremum::Maximum)
}

pub(crate) fn extended_minima(settings: &Settings) -> Result<Stage, ApplyError> {
    extended(settings, Extremum::Minimum)
}

/// Of components with few pixels.
fn by_area(settings: &Settings, extremum: Extremum) -> Result<Stage, ApplyError> {
    let (area, connectivity) = (settings.count("area")?, settings.connectivity()?);
    Ok(Stage::new(WHOLE, move |picture| {
        each!(picture.pixels(), samples => {
            replaced(picture, of_area(shape(picture), samples, area, extremum, connectivity)?)
        })
    }))
}

pub(crate) fn area_opening(settings: &Settings) -> Result<Stage, ApplyError> {
    by_area(settings, Extremum::Maximum)
}

pub(crate) fn area_closing(settings: &Settings) -> Result<Stage, ApplyError> {
    by_area(settings, Extremum::Minimum)
}

pub(crate) fn distance(settings: &Settings) -> Result<Stage, ApplyError> {
    let metric = settings.one_of(
        "metric",
        &[
            ("euclidean", PixelDistance::Euclidean),
            ("chessboard", PixelDistance::Chessboard),
            ("taxicab", PixelDistance::Taxicab),
        ],
    )?;
    let to_set = settings.one_of("to", &[("set", true), ("background", false)])?;
    let as_floats = settings.one_of("depth", &[("same", false), ("float", true)])?;
    Ok(Stage::new(WHOLE, move |picture| {
        let set: Vec<bool> = each!(picture.pixels(), samples => {
            samples.iter().map(|sample| (sample.number() != 0.0) == to_set).collect()
        });
        let found: Vec<f32> = distances(shape(picture), &set, metric)?;
        if !as_floats && picture.depth() != Depth::F32 {
            return each!(picture.pixels(), samples => {
                replaced(picture, nearest(samples, &found))
            });
        }
        let same_depth = picture.depth() == Depth::F32;
        if picture.alpha().is_some() && !same_depth {
            let found = picture.header().to_string();
            return Err(ApplyError::new("depth", "an image without alpha for float", found));
        }
        replaced(picture, found)
    }))
}
