"""How far an operator is from a law of mathematical morphology, on images of your choice.

An operator is a function of an image that gives an image of its shape. Each law gives the largest
amount by which it is missed: 0 where it holds. Images are taken one by one and should be of
`float64` or whole numbers, or an operator's rounding shows.

    law.idempotence(lambda x: mg.opening(x, mg.disk(3)), images)
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from itertools import product
from typing import Any

import numpy as np
import numpy.typing as npt

__all__ = [
    "adjunction",
    "anti_extensivity",
    "duality",
    "extensivity",
    "grey_shift",
    "idempotence",
    "increasingness",
    "translation",
]

Image = npt.NDArray[Any]
Operator = Callable[[Image], Image]


def _images(images: Iterable[Any]) -> list[Image]:
    found = [np.asarray(x) for x in images]
    for x in found:
        # Differences of unsigned numbers wrap around.
        if x.dtype.kind not in "if":
            raise TypeError(f"images: expected signed numbers, found {x.dtype}; use astype(int)")
    return found


def _excess(low: Image, high: Image) -> float:
    """The largest `low - high`, at least 0; equal infinities differ by 0."""
    missed = low[low > high].astype(float) - high[low > high]
    return float(missed.max()) if missed.size else 0.0


def _difference(a: Image, b: Image) -> float:
    return max(_excess(a, b), _excess(b, a))


def extensivity(operator: Operator, images: Iterable[Any]) -> float:
    """`x <= f(x)`: the largest `x - f(x)`."""
    return max((_excess(x, operator(x)) for x in _images(images)), default=0.0)


def anti_extensivity(operator: Operator, images: Iterable[Any]) -> float:
    """`f(x) <= x`: the largest `f(x) - x`."""
    return max((_excess(operator(x), x) for x in _images(images)), default=0.0)


def idempotence(operator: Operator, images: Iterable[Any]) -> float:
    """`f(f(x)) = f(x)`: the largest difference."""
    once = [operator(x) for x in _images(images)]
    return max((_difference(operator(y), y) for y in once), default=0.0)


def increasingness(operator: Operator, images: Iterable[Any]) -> float:
    """`x <= y` gives `f(x) <= f(y)`: the largest `f(min(x, y)) - f(y)` over all pairs."""
    found = _images(images)
    pairs = product(found, found)
    missed = (_excess(operator(np.minimum(x, y)), operator(y)) for x, y in pairs)
    return max(missed, default=0.0)


def adjunction(dilation: Operator, erosion: Operator, images: Iterable[Any]) -> float:
    """`dilation(x) <= y` exactly if `x <= erosion(y)`.

    For increasing operators it says the same as `x <= erosion(dilation(x))` and
    `dilation(erosion(x)) <= x` for all `x`: the largest amount by which one of them is missed.
    """
    return max(
        (
            max(_excess(x, erosion(dilation(x))), _excess(dilation(erosion(x)), x))
            for x in _images(images)
        ),
        default=0.0,
    )


def duality(operator: Operator, dual: Operator, images: Iterable[Any]) -> float:
    """`dual(x) = -f(-x)`: the largest difference."""
    return max((_difference(dual(x), -operator(-x)) for x in _images(images)), default=0.0)


def translation(
    operator: Operator, images: Iterable[Any], shift: tuple[int, int], margin: int
) -> float:
    """`f` of a shifted image is the shifted `f(x)`: the largest difference.

    The shift is by (rows, columns) around the torus. Pixels within `margin` of the border, or of
    where the shift has carried the border to, are left out: with the reach of the operator the
    border is irrelevant, and with 0 all pixels count, for the mode `wrap`.
    """
    missed = 0.0
    for x in _images(images):
        keep = np.zeros(x.shape[:2] if x.ndim == 2 else x.shape[1:3], bool)
        keep[margin : keep.shape[0] - margin, margin : keep.shape[1] - margin] = True
        keep &= np.roll(keep, shift, (0, 1))
        axes = (0, 1) if x.ndim == 2 else (1, 2)
        found, expected = operator(np.roll(x, shift, axes)), np.roll(operator(x), shift, axes)
        kept = keep if x.ndim == 2 else np.broadcast_to(keep[None, :, :, None], x.shape)
        missed = max(missed, _difference(found[kept], expected[kept]))
    return missed


def grey_shift(operator: Operator, images: Iterable[Any], c: float, k: float) -> float:
    """`f(x + c) = f(x) + k c`: the largest difference.

    `k` is 1 for dilations, erosions and what is composed of them, 0 for their differences
    (gradients, top-hats).
    """
    found = _images(images)
    return max((_difference(operator(x + c), operator(x) + k * c) for x in found), default=0.0)
