"""The initializers of morpholayers, for kernels (kh, kw, ...).

The centre is at (kh // 2, kw // 2). A `seed` gives the same numbers each time; without one, it is
drawn when the initializer is made, after `keras.utils.set_random_seed` if that was called.
"""

from __future__ import annotations

import random
from typing import Any

import keras
import numpy as np
from keras import ops as k

__all__ = [
    "MinusOnes",
    "MinusOnesZeroCenter",
    "Quadratic",
    "RandomLattice",
    "RandomLatticewithZero",
    "SEinitializer",
    "SignedOnes",
    "SparseNumZeros",
    "SparseZeros",
]

Tensor = Any
Shape = Any


def _register(kind: Any) -> Any:
    return keras.saving.register_keras_serializable(package="morphograd")(kind)


def _dtype(dtype: Any) -> str:
    return keras.backend.standardize_dtype(dtype)  # type: ignore[no-any-return]


def _plane(shape: Shape) -> tuple[int, int]:
    if len(shape) < 2:
        raise ValueError(f"initializer: expected kernels of 2 axes or more, found {tuple(shape)}")
    return shape[0], shape[1]


def _spread(plane: Any, shape: Shape, dtype: Any) -> Tensor:
    """A function of row and column, the same for all channels and filters."""
    plane = np.asarray(plane, np.float64).reshape(plane.shape + (1,) * (len(shape) - 2))
    return k.convert_to_tensor(np.broadcast_to(plane, shape).astype(np.float32), _dtype(dtype))


class _Seeded(keras.initializers.Initializer):  # type: ignore[misc]
    def __init__(self, seed: int | None = None) -> None:
        self.seed = random.randint(1, 10**9) if seed is None else seed

    def _uniform(self, shape: Shape, low: float, high: float) -> Tensor:
        return keras.random.uniform(shape, low, high, dtype="float32", seed=self.seed)

    def get_config(self) -> dict[str, Any]:
        return {"seed": self.seed}


@_register
class MinusOnes(keras.initializers.Initializer):  # type: ignore[misc]
    """-1 everywhere."""

    def __call__(self, shape: Shape, dtype: Any = None) -> Tensor:
        return -k.ones(shape, _dtype(dtype))


@_register
class MinusOnesZeroCenter(keras.initializers.Initializer):  # type: ignore[misc]
    """0 at the centre, `off` elsewhere: dilation and erosion are the identity.

    With -1, as in morpholayers, that is so for images in [0, 1] only; with -inf for all.
    """

    def __init__(self, off: float = -1.0) -> None:
        self.off = float(off)

    def __call__(self, shape: Shape, dtype: Any = None) -> Tensor:
        plane = np.full(_plane(shape), self.off)
        plane[shape[0] // 2, shape[1] // 2] = 0.0
        return _spread(plane, shape, dtype)

    def get_config(self) -> dict[str, Any]:
        return {"off": self.off}


@_register
class SparseZeros(_Seeded):
    """0 with the probability `1 - th`, else -1."""

    def __init__(self, th: float = 0.85, seed: int | None = None) -> None:
        super().__init__(seed)
        self.th = th

    def __call__(self, shape: Shape, dtype: Any = None) -> Tensor:
        kept = self._uniform(shape, 0.0, 1.0) >= self.th
        return k.cast(kept, _dtype(dtype)) - 1

    def get_config(self) -> dict[str, Any]:
        return super().get_config() | {"th": self.th}


@_register
class SparseNumZeros(_Seeded):
    """`th + 1` zeros in the kernel of each channel and filter, else -1.

    In morpholayers that many are in all kernels together.
    """

    def __init__(self, th: int = 0, seed: int | None = None) -> None:
        super().__init__(seed)
        self.th = th

    def __call__(self, shape: Shape, dtype: Any = None) -> Tensor:
        height, width = _plane(shape)
        drawn = self._uniform((height * width, *shape[2:]), 0.0, 1.0)
        rank = k.argsort(k.argsort(drawn, axis=0), axis=0)
        return k.reshape(k.cast(rank <= self.th, _dtype(dtype)) - 1, shape)

    def get_config(self) -> dict[str, Any]:
        return super().get_config() | {"th": self.th}


@_register
class RandomLattice(_Seeded):
    """Uniform in [minval, maxval)."""

    def __init__(self, minval: float = -1.0, maxval: float = 0.0, seed: int | None = None) -> None:
        super().__init__(seed)
        self.minval, self.maxval = minval, maxval

    def __call__(self, shape: Shape, dtype: Any = None) -> Tensor:
        return k.cast(self._uniform(shape, self.minval, self.maxval), _dtype(dtype))

    def get_config(self) -> dict[str, Any]:
        return super().get_config() | {"minval": self.minval, "maxval": self.maxval}


@_register
class RandomLatticewithZero(RandomLattice):
    """Uniform in [minval, maxval), and 0 at the centre."""

    def __call__(self, shape: Shape, dtype: Any = None) -> Tensor:
        plane = np.ones(_plane(shape))
        plane[shape[0] // 2, shape[1] // 2] = 0.0
        return super().__call__(shape, dtype) * _spread(plane, shape, dtype)


@_register
class SignedOnes(RandomLattice):
    """The sign of a uniform number in [minval, maxval): 1 or -1."""

    def __init__(self, minval: float = -1.0, maxval: float = 1.0, seed: int | None = None) -> None:
        super().__init__(minval, maxval, seed)

    def __call__(self, shape: Shape, dtype: Any = None) -> Tensor:
        return k.sign(super().__call__(shape, dtype))


@_register
class Quadratic(keras.initializers.Initializer):  # type: ignore[misc]
    """`-cvalue (d / tvalue)^2` at the Euclidean distance d from the centre."""

    def __init__(self, tvalue: float = 2, cvalue: float = 0.2) -> None:
        self.tvalue, self.cvalue = tvalue, cvalue

    def __call__(self, shape: Shape, dtype: Any = None) -> Tensor:
        squares = squared_distance(_plane(shape))
        return _spread(-self.cvalue * squares / self.tvalue**2, shape, dtype)

    def get_config(self) -> dict[str, Any]:
        return {"tvalue": self.tvalue, "cvalue": self.cvalue}


@_register
class SEinitializer(keras.initializers.Initializer):  # type: ignore[misc]
    """`SE + minval` for every channel and filter: of a 0-1 element, 0 on it and -1 off it."""

    def __init__(self, SE: Any = None, minval: float | None = None) -> None:
        if SE is None:
            raise ValueError("SEinitializer: expected a structuring element, found none")
        self.SE = np.asarray(SE, np.float64)
        self.minval = -1.0 if minval is None else float(minval)

    def __call__(self, shape: Shape, dtype: Any = None) -> Tensor:
        if _plane(shape) != self.SE.shape:
            raise ValueError(
                f"SEinitializer: expected kernels of the element's size {self.SE.shape}, found "
                f"{tuple(shape)}"
            )
        return _spread(self.SE + self.minval, shape, dtype)

    def get_config(self) -> dict[str, Any]:
        return {"SE": self.SE.tolist(), "minval": self.minval}


def squared_distance(size: tuple[int, int]) -> Any:
    """The squared distance of each entry from the centre."""
    rows, columns = (np.arange(n, dtype=np.float64) - n // 2 for n in size)
    return rows[:, None] ** 2 + columns[None, :] ** 2
