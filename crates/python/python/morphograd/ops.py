"""Differentiable operations on NumPy arrays: a value, and gradients when they are asked for.

Each function gives `(y, saved)`; `saved.backward(dy)` gives the gradient of `sum(dy * y)` with
respect to each input, as a list. Arrays are of one type, `float32` or `float64`; those that are
C-contiguous are not copied, and must not change until the backward pass.

The conventions are those of the Rust library: images (batch, height, width, channels), a dilation
does not mirror its kernel, an erosion does, so the two are adjoint.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from . import _morphograd
from ._morphograd import Saved as _Saved
from .sets import Set

__all__ = [
    "BestInSet",
    "Identified",
    "Saved",
    "alpha_softmax",
    "area_opening",
    "dilation",
    "erosion",
    "geodesic_dilation",
    "identify",
    "identify_in_set",
    "leveling",
    "max_plus",
    "min_plus",
    "parabolic_dilation",
    "parabolic_erosion",
    "reconstruction",
    "smooth_dilation",
    "smooth_erosion",
    "toggle",
]

Array = npt.NDArray[Any]
Pair = tuple[int, int]


class Settings(NamedTuple):
    """What an operation can be told; each takes what it knows."""

    strides: Pair = (1, 1)
    rates: Pair = (1, 1)
    padding: str = "valid"
    mode: str = "ignore"
    cval: float = 0.0
    ties: str = "first"
    connectivity: int = 2
    area: int = 1
    scale: float = 1.0
    steps: int = 1


class Saved:
    """What a forward pass leaves for its backward pass."""

    __slots__ = ("_count", "_saved")

    def __init__(self, saved: _Saved, count: int) -> None:
        self._saved, self._count = saved, count

    def backward(self, gradient: Any, needed: list[bool] | None = None) -> list[Array | None]:
        """The gradients of the inputs, `None` where `needed` is false. All by default."""
        needed = [True] * self._count if needed is None else needed
        return self._saved.backward(gradient, needed)


def _forward(name: str, inputs: list[Any], settings: Settings) -> tuple[Array, Saved]:
    y, saved = _morphograd.forward(name, inputs, settings, True)
    assert saved is not None
    return y, Saved(saved, len(inputs))


def dilation(
    x: Array,
    kernel: Array,
    *,
    strides: Pair = (1, 1),
    rates: Pair = (1, 1),
    padding: str = "valid",
    mode: str = "ignore",
    cval: float = 0.0,
    ties: str = "first",
) -> tuple[Array, Saved]:
    """`y[i] = max_d x[i + d] + kernel[d]`.

    A kernel (kh, kw, channels) acts on each channel by itself; one (kh, kw, channels, filters)
    gives for each filter the sum over the channels. `padding` is `valid`, `same` or
    `same-mirrored`. Of tied maxima the `first` in raster order gets the gradient, the `last`, or
    all in equal parts (`split`).
    """
    settings = Settings(strides, rates, padding, mode, cval, ties)
    return _forward("dilation", [x, kernel], settings)


def erosion(
    x: Array,
    kernel: Array,
    *,
    strides: Pair = (1, 1),
    rates: Pair = (1, 1),
    padding: str = "valid",
    mode: str = "ignore",
    cval: float = 0.0,
    ties: str = "first",
) -> tuple[Array, Saved]:
    """`y[i] = min_d x[i + d] - kernel[k - 1 - d]`: the adjoint of the dilation."""
    settings = Settings(strides, rates, padding, mode, cval, ties)
    return _forward("erosion", [x, kernel], settings)


class Identified(NamedTuple):
    """A kernel and how well it does."""

    kernel: Array
    """The kernel (kh, kw, channels)."""
    largest: float
    """The largest difference between the target and what the kernel gives."""
    squares: float
    """The sum of the squares of the differences."""


def identify(
    x: Array,
    target: Array,
    size: Pair,
    *,
    operator: str = "dilation",
    padding: str = "same",
    max: float = float("inf"),
) -> Identified:
    """The greatest kernel `<= max` whose dilation of `x` is nowhere above the target.

    `kernel[d] = min_i target[i] - x[i + d]`, by residuation: if any kernel gives the target, so
    does this one, and raised by half of `largest` it is the best one in the maximum norm. With
    `operator="erosion"` the greatest kernel whose erosion is nowhere below the target. Images are
    (batch, height, width, channels); several images share the kernel.
    """
    if operator not in ("dilation", "erosion"):
        raise ValueError(f"operator: expected dilation or erosion, found {operator}")
    return Identified(*_morphograd.identify(operator, x, target, size, padding, max))


class BestInSet(NamedTuple):
    """The best kernel of a set, and the proof for each of its outputs."""

    kernel: Array
    """The kernel (kh, kw, channels)."""
    errors: list[float]
    """The largest difference between the target and what the kernel gives."""
    bounds: list[float]
    """No kernel of the set has a smaller error than this, up to rounding."""


def identify_in_set(
    x: Array,
    target: Array,
    size: Pair,
    set: Set,
    *,
    operator: str = "dilation",
    padding: str = "same",
) -> BestInSet:
    """The kernel of a set whose dilation (or erosion) of `x` is nearest to the target.

    Nearest in the maximum norm, and globally, for each channel: by residuation and bisection, at
    most 64 dilations. The set is asked for kernels (kh, kw, 1), and has to state `greatest` in its
    `capabilities`, as boxes, orders and symmetries do.
    """
    if operator not in ("dilation", "erosion"):
        raise ValueError(f"operator: expected dilation or erosion, found {operator}")
    found = _morphograd.identify_in_set(operator, x, target, size, padding, set._native)
    return BestInSet(*found)


def smooth_dilation(
    x: Array,
    kernel: Array,
    beta: Any,
    *,
    strides: Pair = (1, 1),
    rates: Pair = (1, 1),
    padding: str = "valid",
) -> tuple[Array, Saved]:
    """`log(sum_d exp(beta (x[i + d] + kernel[d]))) / beta`, with a gradient for `beta` too.

    `beta` is one number or one for each output channel. Three numbers are saved for each output
    pixel, channel and filter.
    """
    beta = np.asarray(beta, dtype=x.dtype)
    return _forward("smooth_dilation", [x, kernel, beta], Settings(strides, rates, padding))


def smooth_erosion(
    x: Array,
    kernel: Array,
    beta: Any,
    *,
    strides: Pair = (1, 1),
    rates: Pair = (1, 1),
    padding: str = "valid",
) -> tuple[Array, Saved]:
    """`-log(sum_d exp(-beta (x[i + d] - kernel[k - 1 - d]))) / beta`; see `smooth_dilation`."""
    beta = np.asarray(beta, dtype=x.dtype)
    return _forward("smooth_erosion", [x, kernel, beta], Settings(strides, rates, padding))


def alpha_softmax(
    x: Array,
    kernel: Array,
    alpha: Any,
    *,
    strides: Pair = (1, 1),
    rates: Pair = (1, 1),
    padding: str = "valid",
) -> tuple[Array, Saved]:
    """The mean of `z_d = x[i + d] + kernel[d]` with weights `exp(alpha z_d)`: from the smallest
    through the mean, at 0, to the largest. `alpha` as `beta` of `smooth_dilation`."""
    alpha = np.asarray(alpha, dtype=x.dtype)
    return _forward("alpha_softmax", [x, kernel, alpha], Settings(strides, rates, padding))


def parabolic_dilation(x: Array, curvature: Array, *, scale: float = 1.0) -> tuple[Array, Saved]:
    """`y[p] = max_q x[q] - b |p - q|^2 / (4 scale^2)` over all pixels of the image, for the
    curvature b of each channel. The cost does not depend on it."""
    return _forward("parabolic_dilation", [x, curvature], Settings(scale=scale))


def parabolic_erosion(x: Array, curvature: Array, *, scale: float = 1.0) -> tuple[Array, Saved]:
    """`y[p] = min_q x[q] + b |p - q|^2 / (4 scale^2)`: the adjoint of `parabolic_dilation`."""
    return _forward("parabolic_erosion", [x, curvature], Settings(scale=scale))


def toggle(x: Array, above: Array, below: Array) -> tuple[Array, Saved]:
    """`above` where it is nearer to `x`, or as near; `below` elsewhere."""
    return _forward("toggle", [x, above, below], Settings())


def reconstruction(
    marker: Array, mask: Array, *, connectivity: int = 2, ties: str = "first"
) -> tuple[Array, Saved]:
    """The marker grown under the mask until nothing changes; above the mask it is lowered."""
    settings = Settings(connectivity=connectivity, ties=ties)
    return _forward("reconstruction", [marker, mask], settings)


def geodesic_dilation(
    marker: Array, mask: Array, steps: int, *, connectivity: int = 2, ties: str = "first"
) -> tuple[Array, Saved]:
    """`steps` times: the marker is dilated by each pixel's neighbours and cut off at the mask."""
    settings = Settings(connectivity=connectivity, ties=ties, steps=steps)
    return _forward("geodesic_dilation", [marker, mask], settings)


def leveling(
    marker: Array, image: Array, *, connectivity: int = 2, ties: str = "first"
) -> tuple[Array, Saved]:
    """The marker pulled towards the image until nothing changes."""
    return _forward("leveling", [marker, image], Settings(connectivity=connectivity, ties=ties))


def area_opening(
    x: Array, area: int, *, connectivity: int = 1, ties: str = "first"
) -> tuple[Array, Saved]:
    """Peaks of fewer than `area` pixels are removed."""
    settings = Settings(connectivity=connectivity, ties=ties, area=area)
    return _forward("area_opening", [x], settings)


def max_plus(x: Array, kernel: Array, *, ties: str = "first") -> tuple[Array, Saved]:
    """`y[b, j] = max_i x[b, i] + kernel[i, j]`: the matrix product over (max, +)."""
    return _forward("max_plus", [x, kernel], Settings(ties=ties))


def min_plus(x: Array, kernel: Array, *, ties: str = "first") -> tuple[Array, Saved]:
    """`y[b, j] = min_i x[b, i] + kernel[i, j]`: the matrix product over (min, +)."""
    return _forward("min_plus", [x, kernel], Settings(ties=ties))
