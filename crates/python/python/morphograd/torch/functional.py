"""Functions of tensors (batch, channels, height, width).

Kernels (channels, kh, kw) act on each channel by itself; dilations, erosions and the smooth
operators also take (filters, channels, kh, kw), which gives for each filter the sum over the
channels. The rules of a window are those of `dilation2d`; what is compared with the image has same
padding, and stride 1.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor

from . import _operators as native
from ._operators import Pair, check, check_images, check_kernel, pair

__all__ = [
    "alpha_softmax2d",
    "alternating_sequential2d",
    "anti_dilation2d",
    "anti_erosion2d",
    "area_closing2d",
    "area_opening2d",
    "average2d",
    "black_tophat2d",
    "closing2d",
    "closing_by_reconstruction2d",
    "dilation2d",
    "erosion2d",
    "external_gradient2d",
    "geodesic_dilation2d",
    "geodesic_erosion2d",
    "gradient2d",
    "h_concave2d",
    "h_convex2d",
    "h_maxima2d",
    "h_minima2d",
    "hit_or_miss2d",
    "internal_gradient2d",
    "laplacian2d",
    "lasry_lions_lower2d",
    "lasry_lions_upper2d",
    "leveling2d",
    "max_plus",
    "min_plus",
    "opening2d",
    "opening_by_reconstruction2d",
    "p_convolution2d",
    "parabolic_dilation2d",
    "parabolic_erosion2d",
    "probing2d",
    "quadratic_kernel",
    "reconstruction_by_dilation2d",
    "reconstruction_by_erosion2d",
    "separable_dilation2d",
    "separable_erosion2d",
    "smooth_dilation2d",
    "smooth_erosion2d",
    "toggle2d",
    "white_tophat2d",
]

_EPSILON = 1e-6  # smaller numbers count as this one in a p-convolution


def _filter(
    op: Callable[..., Tensor],
    name: str,
    x: Tensor,
    kernel: Tensor,
    stride: Pair,
    rates: Pair,
    padding: str,
    mode: str,
    cval: float,
    ties: str,
) -> Tensor:
    check_kernel(name, x, kernel)
    window = pair("stride", stride), pair("rates", rates), padding
    return op(x, kernel, *window, mode, cval, ties)


def dilation2d(
    x: Tensor,
    kernel: Tensor,
    *,
    stride: Pair = 1,
    rates: Pair = 1,
    padding: str = "valid",
    mode: str = "ignore",
    cval: float = 0.0,
    ties: str = "first",
) -> Tensor:
    """`y[i] = max_d x[i + d] + kernel[d]`.

        >>> mgt.dilation2d(torch.rand(2, 3, 32, 32), torch.zeros(8, 3, 5, 5)).shape
        torch.Size([2, 8, 28, 28])

    `rates` is the distance between the taps. `padding` is `valid`, `same` or `same-mirrored`;
    `mode` says what is outside then: `ignore`, `reflect`, `mirror`, `nearest`, `wrap` or `constant`
    (`cval`). Of tied maxima the `first` in raster order gets the gradient, the `last`, or all in
    equal parts (`split`).
    """
    rules = stride, rates, padding, mode, cval, ties
    return _filter(native.dilation, "dilation2d", x, kernel, *rules)


def erosion2d(
    x: Tensor,
    kernel: Tensor,
    *,
    stride: Pair = 1,
    rates: Pair = 1,
    padding: str = "valid",
    mode: str = "ignore",
    cval: float = 0.0,
    ties: str = "first",
) -> Tensor:
    """`y[i] = min_d x[i + d] - kernel[k - 1 - d]`: the adjoint of the dilation."""
    rules = stride, rates, padding, mode, cval, ties
    return _filter(native.erosion, "erosion2d", x, kernel, *rules)


def _depthwise(name: str, kernel: Tensor) -> Tensor:
    check(name, kernel)
    if kernel.dim() != 3:
        raise ValueError(
            f"{name}: expected a kernel (channels, height, width), found {tuple(kernel.shape)}"
        )
    return kernel


def _same(name: str, kernel: Tensor, rules: dict[str, Any]) -> dict[str, Any]:
    """The rules of what is compared with the image: same padding."""
    _depthwise(name, kernel)
    padding, stride = rules.get("padding", "same"), rules.get("stride", 1)
    if padding == "valid" or pair("stride", stride) != [1, 1]:
        raise ValueError(
            f"{name}: expected padding same and stride 1, because the result is compared with the "
            f"image; found padding {padding} and stride {stride}"
        )
    return {**rules, "padding": padding}


def _sized(rules: dict[str, Any]) -> dict[str, Any]:
    return {"padding": "same"} | rules


def _dense(rules: dict[str, Any]) -> dict[str, Any]:
    """The rules of the first of two steps, of which the second has the strides."""
    return {**rules, "stride": 1}


def opening2d(x: Tensor, kernel: Tensor, **rules: Any) -> Tensor:
    """The erosion of each channel by its kernel (channels, kh, kw), then the dilation.

    The padding is same unless another is named; the dilation has the strides.
    """
    rules = _sized(rules)
    eroded = erosion2d(x, _depthwise("opening2d", kernel), **_dense(rules))
    return dilation2d(eroded, kernel, **rules)


def closing2d(x: Tensor, kernel: Tensor, **rules: Any) -> Tensor:
    """The dilation of each channel by its kernel (channels, kh, kw), then the erosion."""
    rules = _sized(rules)
    dilated = dilation2d(x, _depthwise("closing2d", kernel), **_dense(rules))
    return erosion2d(dilated, kernel, **rules)


def gradient2d(x: Tensor, kernel: Tensor, **rules: Any) -> Tensor:
    """The dilation minus the erosion of each channel by its kernel (channels, kh, kw)."""
    kernel, rules = _depthwise("gradient2d", kernel), _sized(rules)
    return dilation2d(x, kernel, **rules) - erosion2d(x, kernel, **rules)


def internal_gradient2d(x: Tensor, kernel: Tensor, **rules: Any) -> Tensor:
    """`x` minus the erosion of each channel."""
    return x - erosion2d(x, kernel, **_same("internal_gradient2d", kernel, rules))


def external_gradient2d(x: Tensor, kernel: Tensor, **rules: Any) -> Tensor:
    """The dilation of each channel minus `x`."""
    return dilation2d(x, kernel, **_same("external_gradient2d", kernel, rules)) - x


def laplacian2d(x: Tensor, kernel: Tensor, **rules: Any) -> Tensor:
    """`dilation + erosion - 2 x`: the external gradient minus the internal one."""
    rules = _same("laplacian2d", kernel, rules)
    return dilation2d(x, kernel, **rules) + erosion2d(x, kernel, **rules) - 2 * x


def white_tophat2d(x: Tensor, kernel: Tensor, **rules: Any) -> Tensor:
    """`x` minus the opening of each channel."""
    return x - opening2d(x, kernel, **_same("white_tophat2d", kernel, rules))


def black_tophat2d(x: Tensor, kernel: Tensor, **rules: Any) -> Tensor:
    """The closing of each channel minus `x`."""
    return closing2d(x, kernel, **_same("black_tophat2d", kernel, rules)) - x


def average2d(x: Tensor, kernel: Tensor, **rules: Any) -> Tensor:
    """Half the sum of the dilation and the erosion of each channel."""
    kernel, rules = _depthwise("average2d", kernel), _sized(rules)
    return (dilation2d(x, kernel, **rules) + erosion2d(x, kernel, **rules)) / 2


def anti_dilation2d(x: Tensor, kernel: Tensor, **rules: Any) -> Tensor:
    """The dilation of the negated image: `max_d kernel[d] - x[i + d]`."""
    return dilation2d(-x, _depthwise("anti_dilation2d", kernel), **_sized(rules))


def anti_erosion2d(x: Tensor, kernel: Tensor, **rules: Any) -> Tensor:
    """The erosion of the negated image."""
    return erosion2d(-x, _depthwise("anti_erosion2d", kernel), **_sized(rules))


def probing2d(x: Tensor, upper: Tensor, lower: Tensor, **rules: Any) -> Tensor:
    """The dilation of each channel by `upper` minus the erosion by `lower`."""
    rules = _sized(rules)
    above = dilation2d(x, _depthwise("probing2d", upper), **rules)
    return above - erosion2d(x, _depthwise("probing2d", lower), **rules)


def hit_or_miss2d(x: Tensor, hit: Tensor, miss: Tensor, **rules: Any) -> Tensor:
    """`max(min_d (x[i + d] - hit[d]) - max_d (x[i + d] + miss[d]), 0)` of each channel.

    How far the smallest pixel on `hit` lies above the largest one on `miss`. Entries of -inf do not
    belong to a template; neither is mirrored.
    """
    rules = _sized(rules)
    missing = dilation2d(-x, _depthwise("hit_or_miss2d", hit), **rules)
    excess = dilation2d(x, _depthwise("hit_or_miss2d", miss), **rules)
    return torch.relu(-(missing + excess))


def toggle2d(x: Tensor, kernel: Tensor, *, steps: int = 1, **rules: Any) -> Tensor:
    """`steps` times: the dilation where it is nearer to the image, or as near; else the erosion."""
    rules = _same("toggle2d", kernel, rules)
    for _ in range(steps):
        above, below = dilation2d(x, kernel, **rules), erosion2d(x, kernel, **rules)
        x = native.toggle(x, above, below)
    return x


def alternating_sequential2d(
    x: Tensor, kernels: Sequence[Tensor], *, first: str = "closing", **rules: Any
) -> Tensor:
    """A closing and an opening by each of the kernels (channels, kh, kw), the smallest first.

    With `first="opening"` the opening by each kernel comes before its closing.
    """
    steps = {"closing": (closing2d, opening2d), "opening": (opening2d, closing2d)}
    if first not in steps:
        raise ValueError(f"first: expected closing or opening, found {first!r}")
    for kernel in kernels:
        rules = _same("alternating_sequential2d", kernel, rules)
        for step in steps[first]:
            x = step(x, kernel, **rules)
    return x


def lasry_lions_upper2d(x: Tensor, wide: Tensor, steep: Tensor, **rules: Any) -> Tensor:
    """The dilation of each channel by the wide kernel, then the erosion by the steep one."""
    rules = _sized(rules)
    dilated = dilation2d(x, _depthwise("lasry_lions_upper2d", wide), **_dense(rules))
    return erosion2d(dilated, _depthwise("lasry_lions_upper2d", steep), **rules)


def lasry_lions_lower2d(x: Tensor, wide: Tensor, steep: Tensor, **rules: Any) -> Tensor:
    """The erosion of each channel by the wide kernel, then the dilation by the steep one."""
    rules = _sized(rules)
    eroded = erosion2d(x, _depthwise("lasry_lions_lower2d", wide), **_dense(rules))
    return dilation2d(eroded, _depthwise("lasry_lions_lower2d", steep), **rules)


def quadratic_kernel(curvature: Tensor, size: Pair, *, scale: float = 1.0) -> Tensor:
    """Parabolas `-b |d - centre|^2 / (4 scale^2)`, on two axes behind those of the curvatures b.

    The centre is `size // 2`. Linear in b, with its derivative.
    """
    squares = []
    for n in pair("size", size):
        place = torch.arange(n, dtype=curvature.dtype, device=curvature.device)
        squares.append((place - n // 2).square())
    plane = (squares[0][:, None] + squares[1]) / (4 * scale**2)
    return -curvature[..., None, None] * plane


def _parabolic(
    op: Callable[..., Tensor], name: str, x: Tensor, curvature: Tensor, scale: float
) -> Tensor:
    check_images(name, x)
    check(name, x, curvature)
    if curvature.shape != (x.shape[1],):
        raise ValueError(
            f"{name}: expected a curvature for each of {x.shape[1]} channels, found shape "
            f"{tuple(curvature.shape)}"
        )
    return op(x, curvature, scale)


def parabolic_dilation2d(x: Tensor, curvature: Tensor, *, scale: float = 1.0) -> Tensor:
    """`y[p] = max_q x[q] - b |p - q|^2 / (4 scale^2)` over all pixels q of a channel.

    `curvature` has b for each channel. The cost of a pixel does not depend on it.
    """
    return _parabolic(native.parabolic_dilation, "parabolic_dilation2d", x, curvature, scale)


def parabolic_erosion2d(x: Tensor, curvature: Tensor, *, scale: float = 1.0) -> Tensor:
    """`y[p] = min_q x[q] + b |p - q|^2 / (4 scale^2)` over all pixels q of a channel."""
    return _parabolic(native.parabolic_erosion, "parabolic_erosion2d", x, curvature, scale)


def _product(op: Callable[..., Tensor], name: str, x: Tensor, kernel: Tensor, ties: str) -> Tensor:
    check(name, x, kernel)
    if kernel.dim() != 2 or x.dim() < 1 or x.shape[-1] != kernel.shape[0]:
        raise ValueError(
            f"{name}: expected a matrix (inputs, outputs) for {tuple(x.shape)[-1:]} inputs, found "
            f"shape {tuple(kernel.shape)}"
        )
    y = op(x.reshape(-1, x.shape[-1]), kernel, ties)
    return y.reshape(*x.shape[:-1], kernel.shape[1])


def max_plus(x: Tensor, kernel: Tensor, *, ties: str = "first") -> Tensor:
    """`y[..., j] = max_i x[..., i] + kernel[i, j]`: the matrix product over (max, +)."""
    return _product(native.max_plus, "max_plus", x, kernel, ties)


def min_plus(x: Tensor, kernel: Tensor, *, ties: str = "first") -> Tensor:
    """`y[..., j] = min_i x[..., i] + kernel[i, j]`: the matrix product over (min, +)."""
    return _product(native.min_plus, "min_plus", x, kernel, ties)


def separable_dilation2d(x: Tensor, kernel: Tensor, across: Tensor, **rules: Any) -> Tensor:
    """`y[m] = max_c dilation(x_c, kernel_c) + across[c, m]`: in space, then over the channels."""
    y = dilation2d(x, _depthwise("separable_dilation2d", kernel), **rules)
    ties = rules.get("ties", "first")
    return max_plus(y.permute(0, 2, 3, 1), across, ties=ties).permute(0, 3, 1, 2)


def separable_erosion2d(x: Tensor, kernel: Tensor, across: Tensor, **rules: Any) -> Tensor:
    """`y[m] = min_c erosion(x_c, kernel_c) - across[c, m]`: in space, then over the channels."""
    y = erosion2d(x, _depthwise("separable_erosion2d", kernel), **rules)
    ties = rules.get("ties", "first")
    return min_plus(y.permute(0, 2, 3, 1), -across, ties=ties).permute(0, 3, 1, 2)


def _smooth(
    op: Callable[..., Tensor],
    name: str,
    x: Tensor,
    kernel: Tensor,
    sharpness: Any,
    stride: Pair,
    rates: Pair,
    padding: str,
) -> Tensor:
    check_kernel(name, x, kernel)
    if not isinstance(sharpness, Tensor):
        sharpness = torch.tensor(sharpness, dtype=x.dtype)
    check(name, x, sharpness)
    return op(x, kernel, sharpness, pair("stride", stride), pair("rates", rates), padding)


def smooth_dilation2d(
    x: Tensor,
    kernel: Tensor,
    beta: Any,
    *,
    stride: Pair = 1,
    rates: Pair = 1,
    padding: str = "valid",
) -> Tensor:
    """`log(sum_d exp(beta (x[i + d] + kernel[d]))) / beta`, at most `log(n) / beta` above.

    `beta` is a number above 0, or a tensor of one or of the number of output channels, which gets
    its gradient. For the backward pass three numbers are saved for each output pixel, channel and
    filter.
    """
    rules = stride, rates, padding
    return _smooth(native.smooth_dilation, "smooth_dilation2d", x, kernel, beta, *rules)


def smooth_erosion2d(
    x: Tensor,
    kernel: Tensor,
    beta: Any,
    *,
    stride: Pair = 1,
    rates: Pair = 1,
    padding: str = "valid",
) -> Tensor:
    """`-log(sum_d exp(-beta (x[i + d] - kernel[k - 1 - d]))) / beta`: the dual."""
    rules = stride, rates, padding
    return _smooth(native.smooth_erosion, "smooth_erosion2d", x, kernel, beta, *rules)


def alpha_softmax2d(
    x: Tensor,
    kernel: Tensor,
    alpha: Any,
    *,
    stride: Pair = 1,
    rates: Pair = 1,
    padding: str = "valid",
) -> Tensor:
    """The mean of `z_d = x[i + d] + kernel[d]` with weights `exp(alpha z_d)` (SMorph).

    It goes from the smallest (`alpha` to -inf) through the mean (0) to the largest; `alpha` as
    `beta` of `smooth_dilation2d`, of either sign.
    """
    rules = stride, rates, padding
    return _smooth(native.alpha_softmax, "alpha_softmax2d", x, kernel, alpha, *rules)


def p_convolution2d(
    x: Tensor,
    kernel: Tensor,
    p: Any,
    *,
    stride: Pair = 1,
    rates: Pair = 1,
    padding: str = "valid",
) -> Tensor:
    """The counter-harmonic mean `sum_d f^(p + 1) kernel / sum_d f^p kernel`, `f = x[i + d]`.

    Pixels and kernel are positive: what is below 1e-6 counts as that number and has derivative 0.
    `p` as `beta` of `smooth_dilation2d`, of either sign.
    """
    check("p_convolution2d", x, kernel)
    log_x, log_kernel = x.clamp(min=_EPSILON).log(), kernel.clamp(min=_EPSILON).log()
    op, rules = native.counter_harmonic, (stride, rates, padding)
    return _smooth(op, "p_convolution2d", log_x, log_kernel, p, *rules)


def reconstruction_by_dilation2d(
    marker: Tensor, mask: Tensor, *, connectivity: int = 2, ties: str = "first"
) -> Tensor:
    """The marker grown under the mask until nothing changes, each channel by itself.

    A pixel has four neighbours with `connectivity` 1, eight with 2. The gradient goes to the one
    pixel of marker or mask that each output equals, or with `ties="split"` to all of a flat zone.
    """
    check_images("reconstruction_by_dilation2d", marker, mask)
    return native.reconstruction(marker, mask, connectivity, ties)


def reconstruction_by_erosion2d(
    marker: Tensor, mask: Tensor, *, connectivity: int = 2, ties: str = "first"
) -> Tensor:
    """The marker shrunk above the mask until nothing changes: the dual."""
    check_images("reconstruction_by_erosion2d", marker, mask)
    return -native.reconstruction(-marker, -mask, connectivity, ties)


def geodesic_dilation2d(
    marker: Tensor, mask: Tensor, *, steps: int = 1, connectivity: int = 2, ties: str = "first"
) -> Tensor:
    """`steps` times: the marker dilated by the neighbours of a pixel and cut off at the mask."""
    check_images("geodesic_dilation2d", marker, mask)
    return native.geodesic_dilation(marker, mask, steps, connectivity, ties)


def geodesic_erosion2d(
    marker: Tensor, mask: Tensor, *, steps: int = 1, connectivity: int = 2, ties: str = "first"
) -> Tensor:
    """`steps` times: the marker eroded by the neighbours of a pixel and cut off at the mask."""
    check_images("geodesic_erosion2d", marker, mask)
    return -native.geodesic_dilation(-marker, -mask, steps, connectivity, ties)


def leveling2d(
    marker: Tensor, image: Tensor, *, connectivity: int = 2, ties: str = "first"
) -> Tensor:
    """The marker pulled towards the image until nothing changes (Meyer's leveling)."""
    check_images("leveling2d", marker, image)
    return native.leveling(marker, image, connectivity, ties)


def opening_by_reconstruction2d(
    x: Tensor, kernel: Tensor, *, connectivity: int = 2, **rules: Any
) -> Tensor:
    """The erosion of each channel, grown under the image: what is left keeps its shape.

    It is anti-extensive where the kernel is not negative at its centre.
    """
    rules = _same("opening_by_reconstruction2d", kernel, rules)
    marker, ties = erosion2d(x, kernel, **rules), rules.get("ties", "first")
    return reconstruction_by_dilation2d(marker, x, connectivity=connectivity, ties=ties)


def closing_by_reconstruction2d(
    x: Tensor, kernel: Tensor, *, connectivity: int = 2, **rules: Any
) -> Tensor:
    """The dilation of each channel, shrunk above the image."""
    rules = _same("closing_by_reconstruction2d", kernel, rules)
    marker, ties = dilation2d(x, kernel, **rules), rules.get("ties", "first")
    return reconstruction_by_erosion2d(marker, x, connectivity=connectivity, ties=ties)


def _height(name: str, x: Tensor, h: Any) -> Any:
    """A height, or one for each channel."""
    if not isinstance(h, Tensor):
        return h
    check(name, x, h)
    if h.dim() == 0 or h.shape == (1,):
        return h
    if h.shape != (x.shape[1],):
        raise ValueError(
            f"{name}: expected one height or {x.shape[1]}, found shape {tuple(h.shape)}"
        )
    return h[:, None, None]


def h_maxima2d(x: Tensor, h: Any, *, connectivity: int = 2, ties: str = "first") -> Tensor:
    """The image without its peaks of a height up to `h`: those above are lowered by `h`.

    `h` is a number, or a tensor of one or of the number of channels, which gets its gradient.
    """
    check_images("h_maxima2d", x)
    marker = x - _height("h_maxima2d", x, h)
    return native.reconstruction(marker, x, connectivity, ties)


def h_minima2d(x: Tensor, h: Any, *, connectivity: int = 2, ties: str = "first") -> Tensor:
    """The image without its pits of a depth up to `h`."""
    check_images("h_minima2d", x)
    marker = x + _height("h_minima2d", x, h)
    return -native.reconstruction(-marker, -x, connectivity, ties)


def h_convex2d(x: Tensor, h: Any, **rules: Any) -> Tensor:
    """The image minus its `h_maxima2d`."""
    return x - h_maxima2d(x, h, **rules)


def h_concave2d(x: Tensor, h: Any, **rules: Any) -> Tensor:
    """The `h_minima2d` of the image minus the image."""
    return h_minima2d(x, h, **rules) - x


def area_opening2d(x: Tensor, area: int, *, connectivity: int = 1, ties: str = "first") -> Tensor:
    """Peaks of fewer than `area` pixels are removed, in each channel."""
    check_images("area_opening2d", x)
    return native.area_opening(x, area, connectivity, ties)


def area_closing2d(x: Tensor, area: int, *, connectivity: int = 1, ties: str = "first") -> Tensor:
    """Pits of fewer than `area` pixels are filled, in each channel."""
    check_images("area_closing2d", x)
    return -native.area_opening(-x, area, connectivity, ties)
