"""Operators of morphology as SciPy and scikit-image compute them for small random images.

Run by `python crates/testkit/data/golden/generate.py morphology` from the root of the repository.

Images are f32; the tied ones hold whole numbers, the others 24 random bits. Every tensor is named
`<case>/<what>`. Where a library differs from the definition, the definition is used, and said so:

- `skimage.morphology.h_maxima` returns a mask of the peaks of height >= h and corrects for
  rounding. Here the h-maxima transform is the reconstruction of f from f - h, and extended maxima
  are the regional maxima of it (height > h).
- `skimage.morphology.local_maxima` finds no maximum in a constant image. By definition the whole
  image is one.
- `skimage.morphology.area_opening` fails on images with a side below 3 and returns 0 where the
  image is smaller than the area. Here the pixels of such images are repeated (and the area with
  them), which does not change what is connected, and areas are never larger than the image.
- Grey openings and closings of SciPy use one border value for both of their steps, which is no
  opening. Here the dilation sees -inf outside, the erosion +inf. For flat elements
  `skimage.morphology` with mode="ignore" has to agree.
- SciPy mirrors the structure of a dilation and not that of an erosion, TensorFlow (and this crate)
  the reverse: structures are flipped. Their origins then agree too, also those of structures of
  even size.
"""

import numpy as np
from scipy import ndimage
from skimage import morphology

FOOTPRINTS = {"four": ndimage.generate_binary_structure(2, 1), "eight": np.ones((3, 3), bool)}
CONNECTIVITY = {"four": 1, "eight": 2}
SHAPES = [(1, 9), (8, 1), (2, 3), (7, 6), (12, 13)]
INFINITY = np.float32(np.inf)
OPERATORS = {
    "dilation": ndimage.grey_dilation,
    "erosion": ndimage.grey_erosion,
    "opening": ndimage.grey_opening,
    "closing": ndimage.grey_closing,
    "white_tophat": ndimage.white_tophat,
    "black_tophat": ndimage.black_tophat,
    "gradient": ndimage.morphological_gradient,
}


def cases():
    rng = np.random.default_rng(20240229)
    tensors = {}
    for shape in SHAPES:
        for kind in ("tied", "continuous"):
            case = f"{shape[0]}x{shape[1]}-{kind}"
            for name, value in compute(rng, shape, kind).items():
                assert not np.isnan(value).any(), name
                dtype = np.uint8 if value.dtype == bool else np.float32
                tensors[f"{case}/{name}"] = np.ascontiguousarray(value, dtype=dtype)
    return {"reference": tensors}


def image(rng, shape, kind):
    if kind == "tied":
        return rng.integers(0, 7, shape).astype(np.float32)
    return (rng.random(shape, dtype=np.float32) * 7).astype(np.float32)


def compute(rng, shape, kind):
    x, marker = image(rng, shape, kind), image(rng, shape, kind)
    h = np.float32(2.0 if kind == "tied" else 1.7)
    area = min(4, x.size)
    seeds = rng.random(shape) < 0.08
    seeds[tuple(rng.integers(0, shape))] = True
    out = {"x": x, "marker": marker, "h": np.array([h]), "seeds": seeds, "area": np.array([area])}

    for name, footprint in FOOTPRINTS.items():
        below, above = np.minimum(marker, x), np.maximum(marker, x)
        out[f"geodesic_dilation_0_{name}"], out[f"geodesic_erosion_0_{name}"] = below, above
        for step in (1, 2, 3):
            below = np.minimum(flat_dilation(below, footprint), x)
            above = np.maximum(flat_erosion(above, footprint), x)
            out[f"geodesic_dilation_{step}_{name}"] = below
            out[f"geodesic_erosion_{step}_{name}"] = above
        out[f"by_dilation_{name}"] = by_dilation(np.minimum(marker, x), x, footprint)
        out[f"by_erosion_{name}"] = by_erosion(np.maximum(marker, x), x, footprint)
        out[f"h_maxima_{name}"] = lowered = by_dilation(x - h, x, footprint)
        out[f"h_minima_{name}"] = filled = by_erosion(x + h, x, footprint)
        out[f"regional_maxima_{name}"] = regional_maxima(x, footprint)
        out[f"regional_minima_{name}"] = regional_maxima(-x, footprint)
        out[f"extended_maxima_{name}"] = regional_maxima(lowered, footprint)
        out[f"extended_minima_{name}"] = regional_maxima(-filled, footprint)
        out[f"area_opening_{name}"] = area_filter(morphology.area_opening, x, area, name)
        out[f"area_closing_{name}"] = area_filter(morphology.area_closing, x, area, name)

    out["chessboard"] = ndimage.distance_transform_cdt(~seeds, "chessboard")
    out["taxicab"] = ndimage.distance_transform_cdt(~seeds, "taxicab")
    out["euclidean"] = ndimage.distance_transform_edt(~seeds)

    even = rng.integers(-16, 9, (2, 4)) / 8
    even[rng.random((2, 4)) < 0.4] = -INFINITY
    even[tuple(rng.integers(0, (2, 4)))] = 0.5
    kernels = {"flat": np.zeros((3, 5)), "nonflat": rng.integers(-16, 9, (3, 5)) / 8, "even": even}
    for name, kernel in kernels.items():
        out[f"kernel_{name}"] = kernel
        dilated, eroded = dilation(x, kernel), erosion(x, kernel)
        opened, closed = dilation(eroded, kernel), erosion(dilated, kernel)
        if name == "flat":
            footprint = np.ones(kernel.shape)
            assert np.array_equal(opened, morphology.opening(x, footprint, mode="ignore"))
            assert np.array_equal(closed, morphology.closing(x, footprint, mode="ignore"))
            assert np.array_equal(x - opened, morphology.white_tophat(x, footprint, mode="ignore"))
            assert np.array_equal(closed - x, morphology.black_tophat(x, footprint, mode="ignore"))
        out[f"dilation_{name}"], out[f"erosion_{name}"] = dilated, eroded
        out[f"opening_{name}"], out[f"closing_{name}"] = opened, closed
        out[f"white_tophat_{name}"], out[f"black_tophat_{name}"] = x - opened, closed - x

    for mode in ("constant", "nearest", "reflect", "mirror", "wrap"):
        for what, function in OPERATORS.items():
            out[f"{what}_{mode}"] = function(x, **mirrored(even), mode=mode, cval=0.5)
    return out


def dilation(x, kernel):
    return ndimage.grey_dilation(x, **mirrored(kernel), mode="constant", cval=-INFINITY)


def erosion(x, kernel):
    return ndimage.grey_erosion(x, **mirrored(kernel), mode="constant", cval=INFINITY)


def mirrored(kernel):
    """SciPy's element. What is not in it is not added: an infinite pixel and an entry of -inf would
    be NaN."""
    support = np.isfinite(kernel)
    structure = np.where(support, kernel, 0).astype(np.float32)
    return {"footprint": support[::-1, ::-1], "structure": structure[::-1, ::-1]}


def flat_dilation(x, footprint):
    return ndimage.grey_dilation(x, footprint=footprint, mode="constant", cval=-INFINITY)


def flat_erosion(x, footprint):
    return ndimage.grey_erosion(x, footprint=footprint, mode="constant", cval=INFINITY)


def by_dilation(seed, mask, footprint):
    return morphology.reconstruction(seed, mask, "dilation", footprint).astype(np.float32)


def by_erosion(seed, mask, footprint):
    return morphology.reconstruction(seed, mask, "erosion", footprint).astype(np.float32)


def regional_maxima(x, footprint):
    if x.min() == x.max():
        return np.ones(x.shape, bool)
    return morphology.local_maxima(x, footprint=footprint)


def area_filter(function, x, area, name):
    times = [3 if side < 3 else 1 for side in x.shape]
    enlarged = x.repeat(times[0], axis=0).repeat(times[1], axis=1)
    result = function(enlarged, area * times[0] * times[1], connectivity=CONNECTIVITY[name])
    return result[:: times[0], :: times[1]]
