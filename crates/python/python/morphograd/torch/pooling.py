"""Poolings: extrema and dilations of windows side by side.

The poolings without a structuring function are PyTorch's maximum and mean, so they run where
PyTorch does; the others are dilations with a stride.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.functional import avg_pool2d, max_pool2d

from . import functional as f
from ._operators import Pair, pair

__all__ = [
    "DilationPool2d",
    "MinPool2d",
    "MixedMaxMinPool2d",
    "MixedPool2d",
    "ParabolicPool2d",
    "RangePool2d",
    "min_pool2d",
    "range_pool2d",
]


def min_pool2d(x: Tensor, kernel_size: Pair, stride: Pair | None = None) -> Tensor:
    """The smallest pixel of each window; the first in raster order gets the gradient."""
    return -max_pool2d(-x, pair("kernel_size", kernel_size), _stride(kernel_size, stride))


def range_pool2d(x: Tensor, kernel_size: Pair, stride: Pair | None = None) -> Tensor:
    """The largest minus the smallest pixel of each window: a gradient that also pools."""
    stride = _stride(kernel_size, stride)
    above = max_pool2d(x, pair("kernel_size", kernel_size), stride)
    return above - min_pool2d(x, kernel_size, stride)


def _stride(kernel_size: Pair, stride: Pair | None) -> list[int]:
    """By default, windows lie side by side."""
    return pair("stride", kernel_size if stride is None else stride)


class _Pool(nn.Module):
    def __init__(self, kernel_size: Pair, stride: Pair | None = None) -> None:
        super().__init__()
        self.kernel_size = pair("kernel_size", kernel_size)
        self.stride = _stride(self.kernel_size, stride)

    def extra_repr(self) -> str:
        return f"kernel_size={tuple(self.kernel_size)}, stride={tuple(self.stride)}"


class MinPool2d(_Pool):
    """The smallest pixel of each window."""

    def forward(self, x: Tensor) -> Tensor:
        return min_pool2d(x, self.kernel_size, self.stride)


class RangePool2d(_Pool):
    """The largest minus the smallest pixel of each window."""

    def forward(self, x: Tensor) -> Tensor:
        return range_pool2d(x, self.kernel_size, self.stride)


class _Mixed(_Pool):
    """A learned mean of two poolings: `alpha`, 0.5 at first, in `Interval(0, 1)`."""

    def __init__(
        self,
        kernel_size: Pair,
        stride: Pair | None = None,
        *,
        dtype: torch.dtype | None = None,
    ) -> None:
        super().__init__(kernel_size, stride)
        self.alpha = nn.Parameter(torch.tensor(0.5, dtype=dtype))

    def _other(self, x: Tensor) -> Tensor:
        raise NotImplementedError

    def forward(self, x: Tensor) -> Tensor:
        largest = max_pool2d(x, self.kernel_size, self.stride)
        return self.alpha * largest + (1 - self.alpha) * self._other(x)


class MixedPool2d(_Mixed):
    """`alpha max + (1 - alpha) mean` of each window."""

    def _other(self, x: Tensor) -> Tensor:
        return avg_pool2d(x, self.kernel_size, self.stride)


class MixedMaxMinPool2d(_Mixed):
    """`alpha max + (1 - alpha) min` of each window."""

    def _other(self, x: Tensor) -> Tensor:
        return min_pool2d(x, self.kernel_size, self.stride)


class DilationPool2d(_Pool):
    """The dilation of each channel by a learned structuring function, with a stride.

    `weight` (channels, kh, kw) is flat at first, which is max-pooling.
    """

    def __init__(
        self,
        channels: int,
        kernel_size: Pair,
        stride: Pair | None = None,
        *,
        padding: str = "valid",
        ties: str = "first",
        dtype: torch.dtype | None = None,
    ) -> None:
        super().__init__(kernel_size, stride)
        self.weight = nn.Parameter(torch.zeros(channels, *self.kernel_size, dtype=dtype))
        self.rules: dict[str, Any] = {"padding": padding, "ties": ties}

    def forward(self, x: Tensor) -> Tensor:
        return f.dilation2d(x, self.weight, stride=self.stride, **self.rules)


class ParabolicPool2d(_Pool):
    """The dilation of each channel by a parabola of learned curvature, with a stride.

    `curvature` (channels), in `NonNegative`; 0 is max-pooling.
    """

    def __init__(
        self,
        channels: int,
        kernel_size: Pair,
        stride: Pair | None = None,
        *,
        curvature: float = 1.0,
        scale: float = 1.0,
        padding: str = "valid",
        ties: str = "first",
        dtype: torch.dtype | None = None,
    ) -> None:
        super().__init__(kernel_size, stride)
        self.curvature = nn.Parameter(torch.full((channels,), float(curvature), dtype=dtype))
        self.scale = scale
        self.rules: dict[str, Any] = {"padding": padding, "ties": ties}

    def forward(self, x: Tensor) -> Tensor:
        kernel = f.quadratic_kernel(self.curvature, self.kernel_size, scale=self.scale)
        return f.dilation2d(x, kernel, stride=self.stride, **self.rules)
