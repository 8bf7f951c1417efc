"""Footprints: arrays of `uint8`, 1 where the footprint is, as in `skimage.morphology`.

And their algebra: reflections, sums and differences of Minkowski, decompositions. With `additive`
it takes structuring functions instead, arrays of numbers, -inf where there is no neighbour. The
results have the smallest odd sides around their centre.
"""

from __future__ import annotations

import operator
from typing import Any

import numpy as np
import numpy.typing as npt

from . import _morphograd

__all__ = [
    "cross",
    "decomposed",
    "diamond",
    "dilated_by",
    "disk",
    "eroded_by",
    "footprint_rectangle",
    "line",
    "octagon",
    "rectangle",
    "reflected",
    "square",
]

Footprint = npt.NDArray[Any]


def _footprint(name: str, a: int, b: float, dtype: npt.DTypeLike) -> Footprint:
    try:
        size = operator.index(a)
    except TypeError:
        raise TypeError(f"{name}: expected a whole number, found {a!r}") from None
    if size < 0 or b != b or (name != "line" and b < 0):
        raise ValueError(f"{name}: expected numbers that are not negative, found {a} and {b}")
    return _morphograd.footprint(name, size, b).astype(dtype, copy=False)


def disk(radius: int, dtype: npt.DTypeLike = np.uint8) -> Footprint:
    """The pixels at a Euclidean distance of at most `radius`: shape (2 radius + 1,) * 2."""
    return _footprint("disk", radius, 0, dtype)


def diamond(radius: int, dtype: npt.DTypeLike = np.uint8) -> Footprint:
    """The pixels at a city-block distance of at most `radius`: shape (2 radius + 1,) * 2."""
    return _footprint("diamond", radius, 0, dtype)


def square(width: int, dtype: npt.DTypeLike = np.uint8) -> Footprint:
    """All of `width` x `width` pixels."""
    return _footprint("rectangle", width, width, dtype)


def rectangle(nrows: int, ncols: int, dtype: npt.DTypeLike = np.uint8) -> Footprint:
    """All of `nrows` x `ncols` pixels."""
    return _footprint("rectangle", nrows, operator.index(ncols), dtype)


def footprint_rectangle(shape: tuple[int, int], *, dtype: npt.DTypeLike = np.uint8) -> Footprint:
    """All pixels of an array of two axes."""
    nrows, ncols = shape
    return rectangle(nrows, ncols, dtype)


def cross(radius: int, dtype: npt.DTypeLike = np.uint8) -> Footprint:
    """The pixel and four arms of `radius` pixels: shape (2 radius + 1,) * 2."""
    return _footprint("cross", radius, 0, dtype)


def octagon(m: int, n: int, dtype: npt.DTypeLike = np.uint8) -> Footprint:
    """The square of side `m` dilated by the diamond of radius `n`: shape (m + 2 n,) * 2."""
    return _footprint("octagon", m, operator.index(n), dtype)


def line(length: int, degrees: float, dtype: npt.DTypeLike = np.uint8) -> Footprint:
    """A symmetric line through the origin.

    `length` is Euclidean, the angle is counterclockwise from the row. The shape is the smallest
    that holds the line.
    """
    return _footprint("line", length, float(degrees), dtype)


def _algebra(operation: str, additive: bool, *elements: Any) -> list[Footprint]:
    given = [np.asarray(element, np.float64 if additive else bool) for element in elements]
    found = _morphograd.element_algebra(operation, given[0], (*given, None)[1])
    return found if additive else [(part > -np.inf).astype(np.uint8) for part in found]


def reflected(element: Any, *, additive: bool = False) -> Footprint:
    """The mirror image in the centre: an erosion by it is the dual of the dilation."""
    return _algebra("reflected", additive, element)[0]


def dilated_by(element: Any, other: Any, *, additive: bool = False) -> Footprint:
    """The sum of Minkowski: a dilation by it is one by each of the two."""
    return _algebra("dilated_by", additive, element, other)[0]


def eroded_by(element: Any, other: Any, *, additive: bool = False) -> Footprint:
    """The greatest element whose sum with the other is below this one.

    A `ValueError` if the other does not fit into it.
    """
    return _algebra("eroded_by", additive, element, other)[0]


def decomposed(footprint: Any) -> list[tuple[Footprint, int]]:
    """Small footprints whose sum is the footprint, as pairs (footprint, times) for any operator.

    A rectangle becomes a row and a column, a diamond or an octagon crosses; what cannot be split
    stays as it is. Inside the image the operators have the same values.
    """
    parts: list[tuple[Footprint, int]] = []
    for part in _algebra("decomposed", False, footprint):
        if parts and np.array_equal(parts[-1][0], part):
            parts[-1] = (part, parts[-1][1] + 1)
        else:
            parts.append((part, 1))
    return parts
