"""Modules of the operators with learned structuring functions.

Weights are zero or as Keras starts them, and every number of a window is a setting. What should be
bounded is bounded by `constrain`: the documentation of a class names the set.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from . import functional as f
from ._operators import Pair, check_images, pair

__all__ = [
    "AlphaSoftmax2d",
    "AlternatingSequential2d",
    "AntiDilation2d",
    "AntiErosion2d",
    "AreaClosing2d",
    "AreaOpening2d",
    "Average2d",
    "BlackTopHat2d",
    "Closing2d",
    "ClosingByReconstruction2d",
    "DepthwiseDilation2d",
    "DepthwiseErosion2d",
    "Dilation2d",
    "Erosion2d",
    "ExternalGradient2d",
    "GeodesicDilation2d",
    "GeodesicErosion2d",
    "Gradient2d",
    "HConcave2d",
    "HConvex2d",
    "HMaxima2d",
    "HMinima2d",
    "HitOrMiss2d",
    "InternalGradient2d",
    "Laplacian2d",
    "LasryLionsLower2d",
    "LasryLionsUpper2d",
    "Leveling2d",
    "MaxOfErosions2d",
    "MaxPlusDense",
    "MinOfDilations2d",
    "MinPlusDense",
    "Opening2d",
    "OpeningByReconstruction2d",
    "PConvolution2d",
    "ParabolicDilation2d",
    "ParabolicErosion2d",
    "Probing2d",
    "QuadraticDilation2d",
    "QuadraticErosion2d",
    "ReconstructionByDilation2d",
    "ReconstructionByErosion2d",
    "SeparableDilation2d",
    "SeparableErosion2d",
    "SmoothDilation2d",
    "SmoothErosion2d",
    "Toggle2d",
    "WhiteTopHat2d",
]

_RULES = {"stride": 1, "rates": 1, "padding": "valid", "mode": "ignore", "cval": 0.0}
_RULES |= {"ties": "first"}


def _shown(rules: dict[str, Any]) -> str:
    return ", ".join(f"{name}={value!r}" for name, value in rules.items())


def _chosen(kind: nn.Module, known: dict[str, Any], rules: dict[str, Any]) -> dict[str, Any]:
    """All rules of a module: those given, and the others as they are by default."""
    unknown = [name for name in rules if name not in known]
    if unknown:
        raise TypeError(
            f"{type(kind).__name__}: expected settings of {', '.join(known)}, found {unknown[0]}"
        )
    return known | rules


class _Module(nn.Module):
    """A module with a function and the rules that it is called with."""

    _function: Callable[..., Tensor]

    def __init__(self, known: dict[str, Any], rules: dict[str, Any]) -> None:
        super().__init__()
        self.rules = _chosen(self, known, rules)

    def _call(self, *tensors: Tensor) -> Tensor:
        return type(self)._function(*tensors, **self.rules)

    def extra_repr(self) -> str:
        return _shown(self.rules)


class _Filters(_Module):
    """Learned dilations or erosions, the channels summed."""

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: Pair,
        *,
        bias: bool = False,
        dtype: torch.dtype | None = None,
        **rules: Any,
    ) -> None:
        super().__init__(_RULES, rules)
        size = pair("kernel_size", kernel_size)
        self.weight = nn.Parameter(torch.empty(out_channels, in_channels, *size, dtype=dtype))
        self.bias = nn.Parameter(torch.zeros(out_channels, dtype=dtype)) if bias else None
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Glorot's uniform distribution, as Keras starts kernels."""
        nn.init.xavier_uniform_(self.weight)
        if self.bias is not None:
            nn.init.zeros_(self.bias)

    def _filtered(self, x: Tensor) -> Tensor:
        return self._call(x, self.weight)

    def forward(self, x: Tensor) -> Tensor:
        y = self._filtered(x)
        return y if self.bias is None else y + self.bias[:, None, None]

    def extra_repr(self) -> str:
        filters, channels, *size = self.weight.shape
        return f"{channels}, {filters}, kernel_size={tuple(size)}, {_shown(self.rules)}"


class Dilation2d(_Filters):
    """Learned dilations: filter f is the sum over the channels of their dilations.

    `weight` is (out_channels, in_channels, kh, kw). The rules are those of `dilation2d`.
    """

    _function = staticmethod(f.dilation2d)


class Erosion2d(_Filters):
    """Learned erosions: filter f is the sum over the channels of their erosions."""

    _function = staticmethod(f.erosion2d)


def _marginal(module: _Module, x: Tensor, weight: Tensor) -> Tensor:
    """Each channel by each filter of a weight: (batch, filters, channels, height, width)."""
    filters, channels = weight.shape[:2]
    y = module._call(x.repeat(1, filters, 1, 1), weight.flatten(0, 1))
    return y.unflatten(1, (filters, channels))


class MaxOfErosions2d(_Filters):
    """For each filter, the largest of the erosions of the channels."""

    _function = staticmethod(f.erosion2d)

    def _filtered(self, x: Tensor) -> Tensor:
        return _marginal(self, x, self.weight).amax(2)


class MinOfDilations2d(_Filters):
    """For each filter, the least of the dilations of the channels."""

    _function = staticmethod(f.dilation2d)

    def _filtered(self, x: Tensor) -> Tensor:
        return _marginal(self, x, self.weight).amin(2)


class _Multiplied(_Module):
    """Learned filters of each channel: output `f * channels + c`."""

    def __init__(
        self,
        channels: int,
        kernel_size: Pair,
        multiplier: int = 1,
        *,
        dtype: torch.dtype | None = None,
        **rules: Any,
    ) -> None:
        super().__init__(_RULES, rules)
        size = pair("kernel_size", kernel_size)
        self.weight = nn.Parameter(torch.zeros(multiplier, channels, *size, dtype=dtype))

    def forward(self, x: Tensor) -> Tensor:
        check_images(type(self).__name__, x)
        return _marginal(self, x, self.weight).flatten(1, 2)

    def extra_repr(self) -> str:
        multiplier, channels, *size = self.weight.shape
        return f"{channels}, kernel_size={tuple(size)}, {multiplier}, {_shown(self.rules)}"


class DepthwiseDilation2d(_Multiplied):
    """`multiplier` learned dilations of each channel; `weight` (multiplier, channels, kh, kw)."""

    _function = staticmethod(f.dilation2d)


class DepthwiseErosion2d(_Multiplied):
    """`multiplier` learned erosions of each channel; `weight` (multiplier, channels, kh, kw)."""

    _function = staticmethod(f.erosion2d)


class _Depthwise(_Module):
    """An operator with a learned structuring function for each channel, flat at first."""

    _settings: dict[str, Any] = {}

    def __init__(
        self,
        channels: int,
        kernel_size: Pair,
        *,
        dtype: torch.dtype | None = None,
        **rules: Any,
    ) -> None:
        known = {"rates": 1, "padding": "same", "mode": "ignore", "cval": 0.0, "ties": "first"}
        super().__init__(known | self._settings, rules)
        size = pair("kernel_size", kernel_size)
        self.weight = nn.Parameter(torch.zeros(channels, *size, dtype=dtype))

    def reset_parameters(self) -> None:
        """A flat structuring function."""
        nn.init.zeros_(self.weight)

    def forward(self, x: Tensor) -> Tensor:
        return self._call(x, self.weight)

    def extra_repr(self) -> str:
        channels, *size = self.weight.shape
        return f"{channels}, kernel_size={tuple(size)}, {_shown(self.rules)}"


class Opening2d(_Depthwise):
    """The opening of each channel by a learned structuring function, flat at first."""

    _function = staticmethod(f.opening2d)


class Closing2d(_Depthwise):
    """The closing of each channel by a learned structuring function, flat at first."""

    _function = staticmethod(f.closing2d)


class Gradient2d(_Depthwise):
    """The morphological gradient of each channel by a learned structuring function."""

    _function = staticmethod(f.gradient2d)


class InternalGradient2d(_Depthwise):
    """Each channel minus its erosion by a learned structuring function."""

    _function = staticmethod(f.internal_gradient2d)


class ExternalGradient2d(_Depthwise):
    """The dilation of each channel by a learned structuring function, minus the channel."""

    _function = staticmethod(f.external_gradient2d)


class Laplacian2d(_Depthwise):
    """The morphological Laplacian of each channel by a learned structuring function."""

    _function = staticmethod(f.laplacian2d)


class WhiteTopHat2d(_Depthwise):
    """Each channel minus its opening by a learned structuring function."""

    _function = staticmethod(f.white_tophat2d)


class BlackTopHat2d(_Depthwise):
    """The closing of each channel by a learned structuring function, minus the channel."""

    _function = staticmethod(f.black_tophat2d)


class Average2d(_Depthwise):
    """Half the sum of the dilation and the erosion by a learned structuring function."""

    _function = staticmethod(f.average2d)


class AntiDilation2d(_Depthwise):
    """The dilation of each negated channel by a learned structuring function."""

    _function = staticmethod(f.anti_dilation2d)


class AntiErosion2d(_Depthwise):
    """The erosion of each negated channel by a learned structuring function."""

    _function = staticmethod(f.anti_erosion2d)


class Toggle2d(_Depthwise):
    """`steps` times, each pixel becomes its dilation or its erosion, whichever is nearer."""

    _settings = {"steps": 1}
    _function = staticmethod(f.toggle2d)


class OpeningByReconstruction2d(_Depthwise):
    """The erosion by a learned structuring function, grown under the image."""

    _settings = {"connectivity": 2}
    _function = staticmethod(f.opening_by_reconstruction2d)


class ClosingByReconstruction2d(_Depthwise):
    """The dilation by a learned structuring function, shrunk above the image."""

    _settings = {"connectivity": 2}
    _function = staticmethod(f.closing_by_reconstruction2d)


class _Pair(_Module):
    """An operator with two learned structuring functions for each channel, flat at first."""

    _names: tuple[str, str]

    def __init__(
        self,
        channels: int,
        kernel_size: Pair,
        *,
        dtype: torch.dtype | None = None,
        **rules: Any,
    ) -> None:
        super().__init__(_RULES | {"padding": "same"}, rules)
        size = pair("kernel_size", kernel_size)
        for name in self._names:
            setattr(self, name, nn.Parameter(torch.zeros(channels, *size, dtype=dtype)))

    def forward(self, x: Tensor) -> Tensor:
        return self._call(x, *(getattr(self, name) for name in self._names))

    def extra_repr(self) -> str:
        channels, *size = getattr(self, self._names[0]).shape
        return f"{channels}, kernel_size={tuple(size)}, {_shown(self.rules)}"


class Probing2d(_Pair):
    """The dilation of each channel by `upper` minus the erosion by `lower`."""

    _names = "upper", "lower"
    _function = staticmethod(f.probing2d)


class HitOrMiss2d(_Pair):
    """How far the smallest pixel on the template `hit` lies above the largest one on `miss`."""

    _names = "hit", "miss"
    _function = staticmethod(f.hit_or_miss2d)


class AlternatingSequential2d(_Module):
    """A closing and an opening by each of some learned structuring functions, flat at first.

    `sizes` are those of the kernels, the smallest first: `AlternatingSequential2d(3, [3, 5, 7])`.
    """

    _function = staticmethod(f.alternating_sequential2d)

    def __init__(
        self,
        channels: int,
        sizes: Sequence[Pair],
        *,
        dtype: torch.dtype | None = None,
        **rules: Any,
    ) -> None:
        known = {"first": "closing", "rates": 1, "mode": "ignore", "cval": 0.0, "ties": "first"}
        super().__init__(known, rules)
        sides = [pair("sizes", size) for size in sizes]
        self.weights = nn.ParameterList(torch.zeros(channels, *side, dtype=dtype) for side in sides)

    def forward(self, x: Tensor) -> Tensor:
        return type(self)._function(x, list(self.weights), **self.rules)


class _Curved(_Module):
    """Parabolas with a learned curvature for each channel, which may be 0 and more."""

    def __init__(
        self,
        channels: int,
        *,
        curvature: float = 1.0,
        dtype: torch.dtype | None = None,
        known: dict[str, Any],
        **rules: Any,
    ) -> None:
        super().__init__(known, rules)
        self.curvature = nn.Parameter(torch.full((channels,), float(curvature), dtype=dtype))

    def extra_repr(self) -> str:
        return f"{len(self.curvature)}, {_shown(self.rules)}"


class _Parabolic(_Curved):
    def __init__(self, channels: int, **rules: Any) -> None:
        super().__init__(channels, known={"scale": 1.0}, **rules)

    def forward(self, x: Tensor) -> Tensor:
        return self._call(x, self.curvature)


class ParabolicDilation2d(_Parabolic):
    """The dilation of each channel by a whole parabola; `curvature` (channels) in `NonNegative`."""

    _function = staticmethod(f.parabolic_dilation2d)


class ParabolicErosion2d(_Parabolic):
    """The erosion of each channel by a whole parabola; `curvature` (channels) in `NonNegative`."""

    _function = staticmethod(f.parabolic_erosion2d)


class _Quadratic(_Curved):
    """Parabolas in a window."""

    def __init__(
        self, channels: int, kernel_size: Pair, *, scale: float = 1.0, **rules: Any
    ) -> None:
        super().__init__(channels, known=_RULES | {"padding": "same"}, **rules)
        self.kernel_size, self.scale = pair("kernel_size", kernel_size), scale

    def _parabolas(self, curvature: Tensor) -> Tensor:
        return f.quadratic_kernel(curvature, self.kernel_size, scale=self.scale)

    def forward(self, x: Tensor) -> Tensor:
        return self._call(x, self._parabolas(self.curvature))

    def extra_repr(self) -> str:
        size = f"kernel_size={tuple(self.kernel_size)}, scale={self.scale}"
        return f"{len(self.curvature)}, {size}, {_shown(self.rules)}"


class QuadraticDilation2d(_Quadratic):
    """The dilation of each channel by a parabola in a window; `curvature` (channels)."""

    _function = staticmethod(f.dilation2d)


class QuadraticErosion2d(_Quadratic):
    """The erosion of each channel by a parabola in a window; `curvature` (channels)."""

    _function = staticmethod(f.erosion2d)


class _LasryLions(_Quadratic):
    """Two parabolas: the wide one has the curvature `ratio * curvature`."""

    def __init__(
        self, channels: int, kernel_size: Pair, *, ratio: float = 0.7, **rules: Any
    ) -> None:
        super().__init__(channels, kernel_size, **rules)
        self.ratio = nn.Parameter(torch.full_like(self.curvature.detach(), float(ratio)))

    def forward(self, x: Tensor) -> Tensor:
        wide = self._parabolas(self.ratio * self.curvature)
        return self._call(x, wide, self._parabolas(self.curvature))


class LasryLionsUpper2d(_LasryLions):
    """A dilation by a wide parabola, then an erosion by a steeper one; `ratio` in [0, 1]."""

    _function = staticmethod(f.lasry_lions_upper2d)


class LasryLionsLower2d(_LasryLions):
    """An erosion by a wide parabola, then a dilation by a steeper one; `ratio` in [0, 1]."""

    _function = staticmethod(f.lasry_lions_lower2d)


class _Separable(_Module):
    """A learned structuring function for each channel, then one over the channels."""

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: Pair,
        *,
        dtype: torch.dtype | None = None,
        **rules: Any,
    ) -> None:
        super().__init__(_RULES, rules)
        size = pair("kernel_size", kernel_size)
        self.weight = nn.Parameter(torch.zeros(in_channels, *size, dtype=dtype))
        self.across = nn.Parameter(torch.zeros(in_channels, out_channels, dtype=dtype))

    def forward(self, x: Tensor) -> Tensor:
        return self._call(x, self.weight, self.across)

    def extra_repr(self) -> str:
        channels, filters = self.across.shape
        size = tuple(self.weight.shape[1:])
        return f"{channels}, {filters}, kernel_size={size}, {_shown(self.rules)}"


class SeparableDilation2d(_Separable):
    """`max_c dilation(x_c, weight_c) + across[c, m]`: a dilation of the volume."""

    _function = staticmethod(f.separable_dilation2d)


class SeparableErosion2d(_Separable):
    """`min_c erosion(x_c, weight_c) - across[c, m]`: an erosion of the volume."""

    _function = staticmethod(f.separable_erosion2d)


class _Dense(_Module):
    """A learned matrix product of a semiring."""

    def __init__(
        self,
        in_features: int,
        out_features: int,
        *,
        bias: bool = False,
        ties: str = "first",
        dtype: torch.dtype | None = None,
    ) -> None:
        super().__init__({"ties": "first"}, {"ties": ties})
        self.weight = nn.Parameter(torch.empty(in_features, out_features, dtype=dtype))
        self.bias = nn.Parameter(torch.zeros(out_features, dtype=dtype)) if bias else None
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Glorot's uniform distribution, as Keras starts kernels."""
        nn.init.xavier_uniform_(self.weight)
        if self.bias is not None:
            nn.init.zeros_(self.bias)

    def forward(self, x: Tensor) -> Tensor:
        y = self._call(x, self.weight)
        return y if self.bias is None else y + self.bias

    def extra_repr(self) -> str:
        inputs, outputs = self.weight.shape
        return f"{inputs}, {outputs}, {_shown(self.rules)}"


class MaxPlusDense(_Dense):
    """`y[..., j] = max_i x[..., i] + weight[i, j]`; `weight` (in_features, out_features)."""

    _function = staticmethod(f.max_plus)


class MinPlusDense(_Dense):
    """`y[..., j] = min_i x[..., i] + weight[i, j]`; `weight` (in_features, out_features)."""

    _function = staticmethod(f.min_plus)


class _Smooth(_Module):
    """Smooth operators with a learned sharpness, the channels summed."""

    _sharpness, _start, _weight = "beta", 8.0, 0.0

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: Pair,
        *,
        dtype: torch.dtype | None = None,
        **rules: Any,
    ) -> None:
        name = self._sharpness
        start, learn = rules.pop(name, self._start), rules.pop(f"learn_{name}", True)
        super().__init__({"stride": 1, "rates": 1, "padding": "valid"}, rules)
        size = pair("kernel_size", kernel_size)
        weight = torch.full((out_channels, in_channels, *size), self._weight, dtype=dtype)
        self.weight = nn.Parameter(weight)
        setattr(self, name, nn.Parameter(torch.tensor(start, dtype=dtype), requires_grad=learn))

    def forward(self, x: Tensor) -> Tensor:
        return self._call(x, self.weight, getattr(self, self._sharpness))

    def extra_repr(self) -> str:
        filters, channels, *size = self.weight.shape
        return f"{channels}, {filters}, kernel_size={tuple(size)}, {_shown(self.rules)}"


class SmoothDilation2d(_Smooth):
    """Learned smooth dilations; `constrain` keeps `beta` above 0: `Interval(0.001, 1000)`.

    `beta` is its start, 8 by default, and with `learn_beta=False` it stays.
    """

    _function = staticmethod(f.smooth_dilation2d)


class SmoothErosion2d(_Smooth):
    """Learned smooth erosions."""

    _function = staticmethod(f.smooth_erosion2d)


class AlphaSoftmax2d(_Smooth):
    """Learned operators between erosion, mean and dilation (SMorph); `alpha` starts at 0."""

    _sharpness, _start = "alpha", 0.0
    _function = staticmethod(f.alpha_softmax2d)


class PConvolution2d(_Smooth):
    """Learned counter-harmonic means; `p` starts at 0, `weight` at 1, in `Interval(1e-6, inf)`."""

    _sharpness, _start, _weight = "p", 0.0, 1.0
    _function = staticmethod(f.p_convolution2d)


class _Height(_Module):
    """A learned height for each channel, in `NonNegative`."""

    def __init__(
        self,
        channels: int,
        *,
        h: float = 0.1,
        dtype: torch.dtype | None = None,
        **rules: Any,
    ) -> None:
        super().__init__({"connectivity": 2, "ties": "first"}, rules)
        self.h = nn.Parameter(torch.full((channels,), float(h), dtype=dtype))

    def forward(self, x: Tensor) -> Tensor:
        return self._call(x, self.h)

    def extra_repr(self) -> str:
        return f"{len(self.h)}, {_shown(self.rules)}"


class HMaxima2d(_Height):
    """The image without its peaks of a height up to the learned `h` (channels)."""

    _function = staticmethod(f.h_maxima2d)


class HMinima2d(_Height):
    """The image without its pits of a depth up to the learned `h` (channels)."""

    _function = staticmethod(f.h_minima2d)


class HConvex2d(_Height):
    """The image minus its h-maxima."""

    _function = staticmethod(f.h_convex2d)


class HConcave2d(_Height):
    """The h-minima of the image minus the image."""

    _function = staticmethod(f.h_concave2d)


class _Area(_Module):
    def __init__(self, area: int, **rules: Any) -> None:
        super().__init__({"area": 1, "connectivity": 1, "ties": "first"}, {"area": area} | rules)

    def forward(self, x: Tensor) -> Tensor:
        return self._call(x)


class AreaOpening2d(_Area):
    """Peaks of fewer than `area` pixels are removed."""

    _function = staticmethod(f.area_opening2d)


class AreaClosing2d(_Area):
    """Pits of fewer than `area` pixels are filled."""

    _function = staticmethod(f.area_closing2d)


class _Selection(_Module):
    """An operator of two images, the marker first."""

    _settings: dict[str, Any] = {}

    def __init__(self, **rules: Any) -> None:
        super().__init__(self._settings | {"connectivity": 2, "ties": "first"}, rules)

    def forward(self, marker: Tensor, image: Tensor) -> Tensor:
        return self._call(marker, image)


class ReconstructionByDilation2d(_Selection):
    """The marker grown under the mask until nothing changes."""

    _function = staticmethod(f.reconstruction_by_dilation2d)


class ReconstructionByErosion2d(_Selection):
    """The marker shrunk above the mask until nothing changes."""

    _function = staticmethod(f.reconstruction_by_erosion2d)


class GeodesicDilation2d(_Selection):
    """`steps` times: the marker dilated and cut off at the mask."""

    _settings = {"steps": 1}
    _function = staticmethod(f.geodesic_dilation2d)


class GeodesicErosion2d(_Selection):
    """`steps` times: the marker eroded and cut off at the mask."""

    _settings = {"steps": 1}
    _function = staticmethod(f.geodesic_erosion2d)


class Leveling2d(_Selection):
    """The marker pulled towards the image until nothing changes."""

    _function = staticmethod(f.leveling2d)
