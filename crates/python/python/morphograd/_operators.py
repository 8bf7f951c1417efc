"""Operators of mathematical morphology on NumPy arrays.

Images are arrays (height, width), or batches with channels (batch, height, width, channels), each
channel on its own. Types are `bool`, integers of 8 to 64 bits, `float32` and `float64`, and the
result has the image's type: whole numbers are computed exactly, and a result outside the type's
range becomes its nearest value. An additive `structure` takes whole numbers of 64 bits up to 2**53,
and a larger one is a `ValueError`. In a window, NaN never wins.

Footprints are arrays of two axes, in use where they are not 0; their centre is `(n - 1) // 2` on
each axis. Or a sequence of pairs (footprint, times), applied one after the other. Without one it is
the cross of 3 x 3. A footprint lies over the image as it is drawn, for dilations and erosions, as
in scikit-image; the second step of an opening or a closing has it mirrored, which makes them
openings and closings whatever the footprint.

`structure` is an additive structuring function of the footprint's shape: numbers, or -inf where
there is no neighbour; one for each channel if it has three axes.

`mode` says what is outside the image: `ignore` (nothing, which keeps the algebra), `reflect` (the
edge repeated), `mirror` (the edge not repeated), `nearest`, `wrap`, `constant` (`cval`), `min` and
`max` (of the image's type).

What does not fit is a `ValueError` (shapes, names, numbers) or a `TypeError` (types). All functions
compute in parallel without the interpreter lock; the result does not depend on the number of
threads.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from . import _morphograd

__all__ = [
    "alternating_sequential_filter",
    "area_closing",
    "area_opening",
    "black_tophat",
    "closing",
    "dilation",
    "distance_transform",
    "erosion",
    "external_gradient",
    "gradient",
    "granulometry",
    "h_concave",
    "h_convex",
    "h_maxima",
    "h_minima",
    "hit_or_miss",
    "hmax_transform",
    "hmin_transform",
    "internal_gradient",
    "laplacian",
    "leveling",
    "local_maxima",
    "local_minima",
    "opening",
    "pattern_spectrum",
    "reconstruction",
    "regional_maxima",
    "regional_minima",
    "smooth_dilation",
    "smooth_erosion",
    "toggle",
    "white_tophat",
]

Image = npt.NDArray[Any]
Footprint = Any


def _image(image: Any, name: str = "image") -> Image:
    if isinstance(image, np.ndarray):
        return image
    if type(image).__module__.partition(".")[0] == "torch":
        raise TypeError(f"{name}: expected an array, found a torch tensor; see morphograd.torch")
    return np.asarray(image)


def _into(out: Image | None, y: Image) -> Image:
    if out is None:
        return y
    if not isinstance(out, np.ndarray) or out.shape != y.shape or out.dtype != y.dtype:
        found = f"{out.dtype} {out.shape}" if isinstance(out, np.ndarray) else repr(type(out))
        raise ValueError(f"out: expected an array {y.dtype} {y.shape}, found {found}")
    out[...] = y
    return out


def _one(
    name: str,
    image: Any,
    footprint: Footprint,
    structure: Any,
    out: Image | None,
    mode: str,
    cval: float,
    number: float = 0.0,
) -> Image:
    pair = ((footprint, structure),)
    y = _morphograd.operate(name, _image(image), pair, mode, cval, number)[0]
    return y if out is None else _into(out, y)


def dilation(
    image: Any,
    footprint: Footprint = None,
    out: Image | None = None,
    *,
    mode: str = "ignore",
    cval: float = 0.0,
    structure: Any = None,
) -> Image:
    """The largest pixel under the footprint, `max_d image[i + d] + structure[d]`.

    A drop-in for `skimage.morphology.dilation` (whose default mode is `reflect`).
    """
    return _one("dilation", image, footprint, structure, out, mode, cval)


def erosion(
    image: Any,
    footprint: Footprint = None,
    out: Image | None = None,
    *,
    mode: str = "ignore",
    cval: float = 0.0,
    structure: Any = None,
) -> Image:
    """The smallest pixel under the footprint, `min_d image[i + d] - structure[d]`.

    It is dual to the dilation by the same footprint, and adjoint to the one by its mirror image. A
    drop-in for `skimage.morphology.erosion`.
    """
    return _one("erosion", image, footprint, structure, out, mode, cval)


def opening(
    image: Any,
    footprint: Footprint = None,
    out: Image | None = None,
    *,
    mode: str = "ignore",
    cval: float = 0.0,
    structure: Any = None,
) -> Image:
    """What is left of the image where the footprint does not fit under it is removed.

    The erosion, then its adjoint dilation. In modes `ignore` and `wrap` it is at most the image,
    increasing and idempotent for every footprint.
    """
    return _one("opening", image, footprint, structure, out, mode, cval)


def closing(
    image: Any,
    footprint: Footprint = None,
    out: Image | None = None,
    *,
    mode: str = "ignore",
    cval: float = 0.0,
    structure: Any = None,
) -> Image:
    """The dilation, then its adjoint erosion: the dual of the opening, at least the image."""
    return _one("closing", image, footprint, structure, out, mode, cval)


def white_tophat(
    image: Any,
    footprint: Footprint = None,
    out: Image | None = None,
    *,
    mode: str = "ignore",
    cval: float = 0.0,
    structure: Any = None,
) -> Image:
    """`image - opening`: bright details that the footprint does not fit into."""
    return _one("white_tophat", image, footprint, structure, out, mode, cval)


def black_tophat(
    image: Any,
    footprint: Footprint = None,
    out: Image | None = None,
    *,
    mode: str = "ignore",
    cval: float = 0.0,
    structure: Any = None,
) -> Image:
    """`closing - image`: dark details that the footprint does not fit into."""
    return _one("black_tophat", image, footprint, structure, out, mode, cval)


def gradient(
    image: Any,
    footprint: Footprint = None,
    out: Image | None = None,
    *,
    mode: str = "ignore",
    cval: float = 0.0,
    structure: Any = None,
) -> Image:
    """The morphological gradient `dilation - erosion`."""
    return _one("gradient", image, footprint, structure, out, mode, cval)


def internal_gradient(
    image: Any,
    footprint: Footprint = None,
    out: Image | None = None,
    *,
    mode: str = "ignore",
    cval: float = 0.0,
    structure: Any = None,
) -> Image:
    """`image - erosion`: the inner side of edges."""
    return _one("internal_gradient", image, footprint, structure, out, mode, cval)


def external_gradient(
    image: Any,
    footprint: Footprint = None,
    out: Image | None = None,
    *,
    mode: str = "ignore",
    cval: float = 0.0,
    structure: Any = None,
) -> Image:
    """`dilation - image`: the outer side of edges."""
    return _one("external_gradient", image, footprint, structure, out, mode, cval)


def laplacian(
    image: Any,
    footprint: Footprint = None,
    out: Image | None = None,
    *,
    mode: str = "ignore",
    cval: float = 0.0,
    structure: Any = None,
) -> Image:
    """`external_gradient - internal_gradient`. It has both signs: take a signed or float image."""
    return _one("laplacian", image, footprint, structure, out, mode, cval)


def toggle(
    image: Any,
    footprint: Footprint = None,
    out: Image | None = None,
    *,
    steps: int = 1,
    mode: str = "ignore",
    cval: float = 0.0,
    structure: Any = None,
) -> Image:
    """Every pixel becomes the nearer of its dilation and its erosion, `steps` times.

    At equal distance it is the dilation. Source: Kramer and Bruckner (1975).
    """
    return _one("toggle", image, footprint, structure, out, mode, cval, _count("steps", steps))


def hit_or_miss(
    image: Any,
    hit: Footprint,
    miss: Footprint,
    out: Image | None = None,
    *,
    mode: str = "ignore",
    cval: float = 0.0,
) -> Image:
    """How far the smallest pixel under `hit` lies above the largest under `miss`; 0 elsewhere.

    Both templates lie over the image as they are drawn. On `bool` images it is the set-theoretic
    transform. Source: Soille, *Morphological Image Analysis* (2003), ch. 5.
    """
    pairs = ((hit, None), (miss, None))
    y = _morphograd.operate("hit_or_miss", _image(image), pairs, mode, cval, 0.0)[0]
    return _into(out, y)


def alternating_sequential_filter(
    image: Any,
    footprints: Sequence[Footprint],
    out: Image | None = None,
    *,
    first: str = "closing",
    mode: str = "ignore",
    cval: float = 0.0,
) -> Image:
    """A closing and an opening by each footprint in turn, smallest first.

    `first` says which of the two comes first, `closing` or `opening`. Source: Serra, *Image
    Analysis and Mathematical Morphology*, vol. 2 (1988), ch. 10.
    """
    if first not in ("closing", "opening"):
        raise ValueError(f"first: expected closing or opening, found {first!r}")
    pairs = _family(footprints)
    number = 1.0 if first == "opening" else 0.0
    name = "alternating_sequential_filter"
    return _into(out, _morphograd.operate(name, _image(image), pairs, mode, cval, number)[0])


def granulometry(
    image: Any, footprints: Sequence[Footprint], *, mode: str = "ignore", cval: float = 0.0
) -> Image:
    """The openings by each footprint, stacked along a new first axis.

    They decrease if each footprint is open with respect to the one before, as squares and segments
    of growing size are. Source: Matheron, *Random Sets and Integral Geometry* (1975).
    """
    pairs = _family(footprints)
    return np.stack(_morphograd.operate("granulometry", _image(image), pairs, mode, cval, 0.0))


def pattern_spectrum(
    image: Any, footprints: Sequence[Footprint], *, mode: str = "ignore", cval: float = 0.0
) -> npt.NDArray[np.float64]:
    """How much of the image each opening of a granulometry removes.

    `s[k] = sum(opening[k - 1] - opening[k])`, with the image itself as the first opening: shape
    (footprints,) for an image, (footprints, batch, channels) for a batch. Source: Maragos (1989).
    """
    image = _image(image)
    openings = granulometry(image, footprints, mode=mode, cval=cval)
    every = np.concatenate([image[None], openings])
    axes = (1, 2) if image.ndim == 2 else (2, 3)
    sums = every.sum(axis=axes, dtype=np.float64)
    return np.asarray(sums[:-1] - sums[1:], np.float64)


def smooth_dilation(
    image: Any,
    footprint: Footprint = None,
    out: Image | None = None,
    *,
    beta: float,
    structure: Any = None,
) -> Image:
    """`log(sum_d exp(beta (image[i + d] + structure[d]))) / beta`, differentiable everywhere.

    It exceeds the dilation by at most `log(n) / beta`, with n pixels under the footprint. Pixels
    outside the image are ignored. The image is of `float32` or `float64`.
    """
    return _smooth("smooth_dilation", image, footprint, structure, out, beta)


def smooth_erosion(
    image: Any,
    footprint: Footprint = None,
    out: Image | None = None,
    *,
    beta: float,
    structure: Any = None,
) -> Image:
    """`-log(sum_d exp(-beta (image[i + d] - structure[d]))) / beta`: the dual."""
    return _smooth("smooth_erosion", image, footprint, structure, out, beta)


def _smooth(name: str, image: Any, footprint: Any, structure: Any, out: Any, beta: float) -> Image:
    image = _image(image)
    if image.dtype.kind != "f":
        raise TypeError(f"{name}: expected an image of float32 or float64, found {image.dtype}")
    if not 0.0 < beta < float("inf"):
        raise ValueError(f"{name}: expected beta above 0 and finite, found {beta}")
    return _one(name, image, footprint, structure, out, "ignore", 0.0, beta)


def _family(footprints: Sequence[Footprint]) -> list[tuple[Footprint, None]]:
    if isinstance(footprints, np.ndarray) or len(footprints) == 0:
        found = "an array" if isinstance(footprints, np.ndarray) else "none"
        raise ValueError(f"footprints: expected a list of footprints, found {found}")
    return [(footprint, None) for footprint in footprints]


def _count(name: str, number: Any) -> int:
    if int(number) != number or number < 0:
        raise ValueError(f"{name}: expected a whole number, not negative, found {number}")
    return int(number)


def _connectivity(image: Image, connectivity: int | None, footprint: Footprint) -> int:
    """1 or 2, from a number or from a footprint of 3 x 3."""
    if footprint is None:
        return 2 if connectivity is None else connectivity
    drawn = np.asarray(footprint).astype(bool)
    for number in (1, 2):
        rows, columns = np.mgrid[-1:2, -1:2]
        if drawn.shape == (3, 3) and np.array_equal(
            drawn | (abs(rows) + abs(columns) == 0), abs(rows) + abs(columns) <= number
        ):
            return number
    raise ValueError(
        "footprint: expected the cross or the square of 3 x 3 (neighbours), found another"
    )


def reconstruction(
    seed: Any, mask: Any, method: str = "dilation", footprint: Footprint = None
) -> Image:
    """The seed grown under the mask until nothing changes, or shrunk above it (`erosion`).

    As `skimage.morphology.reconstruction`: the footprint is the square of 3 x 3 (the default) or
    the cross, a seed on the wrong side of the mask is a `ValueError`, and integers are computed
    exactly and then given as `float64`. Source: Vincent (1993).
    """
    if method not in ("dilation", "erosion"):
        raise ValueError(f"method: expected dilation or erosion, found {method!r}")
    seed, mask = _image(seed, "seed"), _image(mask, "mask")
    if seed.shape != mask.shape:
        raise ValueError(f"seed: expected the mask's shape {mask.shape}, found {seed.shape}")
    if np.any(seed > mask if method == "dilation" else seed < mask):
        side = "at most" if method == "dilation" else "at least"
        raise ValueError(f"seed: expected {side} the mask everywhere, found other pixels")
    dtype = np.result_type(seed, mask)
    seed, mask = seed.astype(dtype, copy=False), mask.astype(dtype, copy=False)
    connectivity = _connectivity(mask, None, footprint)
    y = _morphograd.connect(f"reconstruction_by_{method}", seed, mask, connectivity, 0.0)
    return y if dtype.kind == "f" else np.asarray(y, np.float64)


def leveling(marker: Any, image: Any, connectivity: int = 2) -> Image:
    """The marker pulled towards the image until nothing changes: no new contour appears.

    Source: Meyer, *The levelings* (1998).
    """
    return _morphograd.connect(
        "leveling", _image(marker, "marker"), _image(image), connectivity, 0.0
    )


def hmax_transform(image: Any, h: float, connectivity: int = 2) -> Image:
    """The reconstruction of `image` from `image - h`: every peak lowered by `h`.

    scikit-image's `h_maxima` are where this removes all of `h`.
    """
    return _h("hmax", image, h, connectivity)


def hmin_transform(image: Any, h: float, connectivity: int = 2) -> Image:
    """The reconstruction by erosion of `image` from `image + h`: every valley filled by `h`."""
    return _h("hmin", image, h, connectivity)


def h_convex(image: Any, h: float, connectivity: int = 2) -> Image:
    """`image - hmax_transform`: the peaks, at most `h` high."""
    return _h("hconvex", image, h, connectivity)


def h_concave(image: Any, h: float, connectivity: int = 2) -> Image:
    """`hmin_transform - image`: the valleys, at most `h` deep."""
    return _h("hconcave", image, h, connectivity)


def _h(name: str, image: Any, h: float, connectivity: int) -> Image:
    image = _image(image)
    if not h >= 0:
        raise ValueError(f"h: expected a number that is not negative, found {h}")
    if image.dtype.kind in "biu":
        most = _most(image.dtype)
        if int(h) != h or int(float(h)) != h:
            raise ValueError(f"h: expected a whole number for {image.dtype}, found {h}")
        if h > most and image.dtype.itemsize == 8:
            raise ValueError(f"h: expected at most {most} for {image.dtype}, found {h}")
        if h > most:
            y = _morphograd.connect(name, image.astype(np.float64), None, connectivity, float(h))
            least = 0 if image.dtype.kind == "b" else np.iinfo(image.dtype).min
            return y.clip(least, most).astype(image.dtype)
    return _morphograd.connect(name, image, None, connectivity, float(h))


def _most(dtype: np.dtype[Any]) -> int:
    """The largest value of a type of whole numbers."""
    return 1 if dtype.kind == "b" else int(np.iinfo(dtype).max)


def h_maxima(image: Any, h: float, footprint: Footprint = None) -> npt.NDArray[np.uint8]:
    """1 at the maxima that are at least `h` high, as `skimage.morphology.h_maxima`.

    A maximum has the height `h` if every path from it to a higher pixel goes down by `h`.
    """
    return _h_extrema(image, h, footprint, maxima=True)


def h_minima(image: Any, h: float, footprint: Footprint = None) -> npt.NDArray[np.uint8]:
    """1 at the minima that are at least `h` deep, as `skimage.morphology.h_minima`."""
    return _h_extrema(image, h, footprint, maxima=False)


def _h_extrema(image: Any, h: float, footprint: Footprint, maxima: bool) -> npt.NDArray[np.uint8]:
    image = _image(image)
    if not h > 0:
        raise ValueError(f"h: expected a number above 0 (see local_maxima), found {h}")
    connectivity = _connectivity(image, None, footprint)
    if image.size == 0 or h > _span(image):
        return np.zeros(image.shape, np.uint8)
    if image.dtype.kind in "biu" and int(h) == h and h <= _most(image.dtype):
        residue = h_convex(image, h, connectivity) if maxima else h_concave(image, h, connectivity)
        return np.asarray(residue >= h).view(np.uint8)
    x = image if image.dtype.kind == "f" else image.astype(np.float64)
    if not maxima:
        x = -x
    # What is subtracted is a little more than h, so that rounding does not hide a maximum.
    slack = 2 * np.finfo(x.dtype).resolution * abs(x) if image.dtype.kind == "f" else 0
    seed = (x - x.dtype.type(h) - slack).astype(x.dtype, copy=False)
    lowered = _morphograd.connect("reconstruction_by_dilation", seed, x, connectivity, 0.0)
    return np.asarray(x - lowered >= h).view(np.uint8)


def _span(image: Image) -> float:
    """The difference of the largest and the smallest pixel."""
    number = float if image.dtype.kind == "f" else int
    return number(image.max()) - number(image.min())


def regional_maxima(image: Any, connectivity: int = 2) -> npt.NDArray[np.bool_]:
    """Connected sets of equal pixels without a higher neighbour. A constant image is one."""
    return _morphograd.connect("regional_maxima", _image(image), None, connectivity, 0.0)


def regional_minima(image: Any, connectivity: int = 2) -> npt.NDArray[np.bool_]:
    """Connected sets of equal pixels without a lower neighbour. A constant image is one."""
    return _morphograd.connect("regional_minima", _image(image), None, connectivity, 0.0)


def local_maxima(
    image: Any,
    footprint: Footprint = None,
    connectivity: int | None = None,
    indices: bool = False,
    allow_borders: bool = True,
) -> Any:
    """Where the regional maxima are, as `skimage.morphology.local_maxima`.

    A maximum is higher than something, so a constant image has none. With `indices` the result is
    a tuple of arrays as from `numpy.nonzero`; without `allow_borders` maxima that touch the border
    do not count.
    """
    return _local(image, footprint, connectivity, indices, allow_borders, maxima=True)


def local_minima(
    image: Any,
    footprint: Footprint = None,
    connectivity: int | None = None,
    indices: bool = False,
    allow_borders: bool = True,
) -> Any:
    """Where the regional minima are, as `skimage.morphology.local_minima`."""
    return _local(image, footprint, connectivity, indices, allow_borders, maxima=False)


def _local(
    image: Any, footprint: Any, connectivity: int | None, indices: bool, borders: bool, maxima: bool
) -> Any:
    image = _image(image)
    connectivity = _connectivity(image, connectivity, footprint)
    find = regional_maxima if maxima else regional_minima
    found = find(image, connectivity)
    axes = (0, 1) if image.ndim == 2 else (1, 2)
    constant = found.all(axis=axes, keepdims=True)
    if constant.any():
        found &= ~constant
    if not borders and image.size:
        # Maxima are plateaus: those with a pixel at the border are reconstructed from it.
        frame = found.copy()
        inside = (slice(1, -1), slice(1, -1))
        frame[inside if image.ndim == 2 else (slice(None), *inside)] = False
        grow = "reconstruction_by_dilation"
        found &= ~_morphograd.connect(grow, frame, found, connectivity, 0.0)
    return np.nonzero(found) if indices else found


def area_opening(image: Any, area_threshold: int = 64, connectivity: int = 1) -> Image:
    """Every pixel becomes the highest level at which its component has `area_threshold` pixels.

    It removes peaks of fewer pixels, whatever their form. As `skimage.morphology.area_opening`.
    """
    threshold = _count("area_threshold", area_threshold)
    return _morphograd.connect("area_opening", _image(image), None, connectivity, threshold)


def area_closing(image: Any, area_threshold: int = 64, connectivity: int = 1) -> Image:
    """The dual of the area opening: it fills holes of fewer than `area_threshold` pixels."""
    threshold = _count("area_threshold", area_threshold)
    return _morphograd.connect("area_closing", _image(image), None, connectivity, threshold)


def distance_transform(image: Any, metric: str = "euclidean") -> npt.NDArray[np.float64]:
    """The distance of each pixel to the nearest pixel that is not 0, exact.

    `metric` is `euclidean`, `taxicab` or `chessboard`. Infinite in an image without such a pixel.
    `scipy.ndimage.distance_transform_edt(x)` is `distance_transform(x == 0)`.
    """
    if metric not in ("euclidean", "taxicab", "chessboard"):
        raise ValueError(f"metric: expected euclidean, taxicab or chessboard, found {metric!r}")
    image = _image(image)
    if image.dtype.kind not in "biuf":
        raise TypeError(f"image: expected an array of numbers, found {image.dtype}")
    return _morphograd.connect(metric, np.asarray(image != 0), None, 2, 0.0)
