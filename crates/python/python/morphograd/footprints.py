"""Footprints: arrays of `uint8`, 1 where the footprint is, as in `skimage.morphology`."""

from __future__ import annotations

import operator
from typing import Any

import numpy as np
import numpy.typing as npt

from . import _morphograd

__all__ = [
    "cross",
    "diamond",
    "disk",
    "footprint_rectangle",
    "line",
    "octagon",
    "rectangle",
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
