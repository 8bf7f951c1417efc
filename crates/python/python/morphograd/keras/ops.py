"""Differentiable morphology on tensors of the Keras backend, and on symbolic ones.

Images are (batch, height, width, channels). A kernel (kh, kw, channels) acts on each channel by
itself; dilations and erosions also take (kh, kw, channels, filters), which gives for each filter
the sum over the channels. The first arguments and their order are those of the functions of
morpholayers: `(x, kernel, strides, padding, rates)`.

`padding` is `same` (the odd pixel at the end) or `valid`; `mode` says what is outside with `same`:
`ignore` (no pixel: the default), `reflect`, `mirror`, `nearest`, `wrap` or `constant` (`cval`). Of
tied maxima and minima the `first` in scan order gets the gradient, the `last`, or all in equal
parts (`split`), by `ties`. An erosion mirrors kernel and window, so that it is the adjoint of the
dilation for even kernels too; `padding="same-mirrored"` mirrors the window once more. `save=False`
keeps nothing for a backward pass, which then computes what it needs anew.

The cost of a dilation is that of its taps; compositions cost what they are made of.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import keras

from ..ops import Settings
from ._backend import maximum, minimum, run

__all__ = [
    "anti_dilation2d",
    "anti_erosion2d",
    "area_opening",
    "average2d",
    "black_tophat2d",
    "closing2d",
    "convolution2d",
    "dilation2d",
    "erosion2d",
    "external_gradient2d",
    "geodesic_dilation",
    "geodesic_erosion",
    "gradient2d",
    "h_concave",
    "h_convex",
    "h_maxima",
    "h_minima",
    "internal_gradient2d",
    "lasry_lions_lower2d",
    "lasry_lions_upper2d",
    "leveling",
    "max_plus",
    "min_plus",
    "opening2d",
    "probing2d",
    "reconstruction_by_dilation",
    "reconstruction_by_erosion",
    "smooth_dilation2d",
    "smooth_erosion2d",
    "toggle2d",
    "white_tophat2d",
]

Tensor = Any
Pair = int | Sequence[int]


def pair(name: str, value: Any) -> tuple[int, int]:
    """A number for both axes, or two."""
    numbers = (value, value) if isinstance(value, int) else tuple(value)
    if len(numbers) != 2 or not all(isinstance(n, int) and n > 0 for n in numbers):
        raise ValueError(f"{name}: expected a positive number or two, found {value!r}")
    return numbers


def _filter(
    kind: str,
    x: Tensor,
    kernel: Tensor,
    strides: Pair,
    padding: str,
    rates: Pair,
    mode: str,
    cval: float,
    ties: str,
    save: bool,
) -> Tensor:
    window = pair("strides", strides), pair("rates", rates), padding.lower()
    return run(kind, [x, kernel], Settings(*window, mode, cval, ties), save)


def dilation2d(
    x: Tensor,
    kernel: Tensor,
    strides: Pair = 1,
    padding: str = "same",
    rates: Pair = 1,
    *,
    mode: str = "ignore",
    cval: float = 0.0,
    ties: str = "first",
    save: bool = True,
) -> Tensor:
    """`y[i] = max_d x[i + d] + kernel[d]`."""
    return _filter("dilation", x, kernel, strides, padding, rates, mode, cval, ties, save)


def erosion2d(
    x: Tensor,
    kernel: Tensor,
    strides: Pair = 1,
    padding: str = "same",
    rates: Pair = 1,
    *,
    mode: str = "ignore",
    cval: float = 0.0,
    ties: str = "first",
    save: bool = True,
) -> Tensor:
    """`y[i] = min_d x[i + d] - kernel[k - 1 - d]`: the adjoint of the dilation."""
    return _filter("erosion", x, kernel, strides, padding, rates, mode, cval, ties, save)


def _tensor(x: Any) -> Tensor:
    """An array as a tensor, which can be added to others."""
    return x if isinstance(x, keras.KerasTensor) else keras.ops.convert_to_tensor(x)


def _each_channel(name: str, kernel: Tensor) -> Tensor:
    if len(kernel.shape) != 3:
        raise ValueError(
            f"{name}: expected a kernel (kh, kw, channels), found {tuple(kernel.shape)}"
        )
    return kernel


def _same_size(name: str, kernel: Tensor, strides: Pair, padding: str) -> None:
    """What is compared with the image has to have its size."""
    shrinks = padding.lower() == "valid" and tuple(kernel.shape[:2]) != (1, 1)
    if shrinks or pair("strides", strides) != (1, 1):
        raise ValueError(
            f"{name}: expected padding same and strides 1, because the result is compared with "
            f"the image; found padding {padding} and strides {strides}"
        )


def opening2d(
    x: Tensor,
    kernel: Tensor,
    strides: Pair = 1,
    padding: str = "same",
    rates: Pair = 1,
    **rules: Any,
) -> Tensor:
    """The erosion of each channel, then the dilation, which has the strides."""
    kernel = _each_channel("opening2d", kernel)
    return dilation2d(
        erosion2d(x, kernel, 1, padding, rates, **rules), kernel, strides, padding, rates, **rules
    )


def closing2d(
    x: Tensor,
    kernel: Tensor,
    strides: Pair = 1,
    padding: str = "same",
    rates: Pair = 1,
    **rules: Any,
) -> Tensor:
    """The dilation of each channel, then the erosion, which has the strides."""
    kernel = _each_channel("closing2d", kernel)
    return erosion2d(
        dilation2d(x, kernel, 1, padding, rates, **rules), kernel, strides, padding, rates, **rules
    )


def gradient2d(
    x: Tensor,
    kernel: Tensor,
    strides: Pair = 1,
    padding: str = "same",
    rates: Pair = 1,
    **rules: Any,
) -> Tensor:
    """The dilation of each channel minus its erosion (Beucher's gradient)."""
    window = _each_channel("gradient2d", kernel), strides, padding, rates
    return dilation2d(x, *window, **rules) - erosion2d(x, *window, **rules)


def internal_gradient2d(
    x: Tensor,
    kernel: Tensor,
    strides: Pair = 1,
    padding: str = "same",
    rates: Pair = 1,
    **rules: Any,
) -> Tensor:
    """The image minus the erosion of each channel."""
    _same_size("internal_gradient2d", kernel, strides, padding)
    kernel = _each_channel("internal_gradient2d", kernel)
    return _tensor(x) - erosion2d(x, kernel, strides, padding, rates, **rules)


def external_gradient2d(
    x: Tensor,
    kernel: Tensor,
    strides: Pair = 1,
    padding: str = "same",
    rates: Pair = 1,
    **rules: Any,
) -> Tensor:
    """The dilation of each channel minus the image."""
    _same_size("external_gradient2d", kernel, strides, padding)
    kernel = _each_channel("external_gradient2d", kernel)
    return dilation2d(x, kernel, strides, padding, rates, **rules) - _tensor(x)


def white_tophat2d(
    x: Tensor,
    kernel: Tensor,
    strides: Pair = 1,
    padding: str = "same",
    rates: Pair = 1,
    **rules: Any,
) -> Tensor:
    """The image minus the opening of each channel."""
    _same_size("white_tophat2d", kernel, strides, padding)
    return _tensor(x) - opening2d(x, kernel, strides, padding, rates, **rules)


def black_tophat2d(
    x: Tensor,
    kernel: Tensor,
    strides: Pair = 1,
    padding: str = "same",
    rates: Pair = 1,
    **rules: Any,
) -> Tensor:
    """The closing of each channel minus the image."""
    _same_size("black_tophat2d", kernel, strides, padding)
    return closing2d(x, kernel, strides, padding, rates, **rules) - _tensor(x)


def average2d(
    x: Tensor,
    kernel: Tensor,
    strides: Pair = 1,
    padding: str = "same",
    rates: Pair = 1,
    **rules: Any,
) -> Tensor:
    """Half the sum of the dilation and the erosion of each channel."""
    window = _each_channel("average2d", kernel), strides, padding, rates
    return (dilation2d(x, *window, **rules) + erosion2d(x, *window, **rules)) / 2


def anti_dilation2d(
    x: Tensor,
    kernel: Tensor,
    strides: Pair = 1,
    padding: str = "same",
    rates: Pair = 1,
    **rules: Any,
) -> Tensor:
    """The dilation of the negated image."""
    return dilation2d(-x, kernel, strides, padding, rates, **rules)


def anti_erosion2d(
    x: Tensor,
    kernel: Tensor,
    strides: Pair = 1,
    padding: str = "same",
    rates: Pair = 1,
    **rules: Any,
) -> Tensor:
    """The erosion of the negated image."""
    return erosion2d(-x, kernel, strides, padding, rates, **rules)


def probing2d(
    x: Tensor,
    kernel: Tensor,
    strides: Pair = 1,
    padding: str = "same",
    rates: Pair = 1,
    **rules: Any,
) -> Tensor:
    """The dilation by `kernel[..., 0]` minus the erosion by `kernel[..., 1]`."""
    if len(kernel.shape) != 4 or kernel.shape[-1] != 2:
        raise ValueError(
            f"probing2d: expected a kernel (kh, kw, channels, 2), found {tuple(kernel.shape)}"
        )
    window = strides, padding, rates
    above = dilation2d(x, kernel[..., 0], *window, **rules)
    return above - erosion2d(x, kernel[..., 1], *window, **rules)


def toggle2d(
    x: Tensor,
    kernel: Tensor,
    strides: Pair = 1,
    padding: str = "same",
    rates: Pair = 1,
    steps: int = 5,
    **rules: Any,
) -> Tensor:
    """`steps` times: the dilation where `above - x <= x - below`, else the erosion."""
    _same_size("toggle2d", kernel, strides, padding)
    window = _each_channel("toggle2d", kernel), 1, padding, rates
    for _ in range(steps):
        above, below = dilation2d(x, *window, **rules), erosion2d(x, *window, **rules)
        x = run("toggle", [x, above, below], Settings())
    return x


def lasry_lions_upper2d(
    x: Tensor,
    flat: Tensor,
    steep: Tensor,
    strides: Pair = 1,
    padding: str = "same",
    rates: Pair = 1,
    **rules: Any,
) -> Tensor:
    """The dilation by the flatter kernel, then the erosion by the steeper one."""
    y = dilation2d(x, _each_channel("lasry_lions_upper2d", flat), 1, padding, rates, **rules)
    return erosion2d(y, steep, strides, padding, rates, **rules)


def lasry_lions_lower2d(
    x: Tensor,
    flat: Tensor,
    steep: Tensor,
    strides: Pair = 1,
    padding: str = "same",
    rates: Pair = 1,
    **rules: Any,
) -> Tensor:
    """The erosion by the flatter kernel, then the dilation by the steeper one."""
    y = erosion2d(x, _each_channel("lasry_lions_lower2d", flat), 1, padding, rates, **rules)
    return dilation2d(y, steep, strides, padding, rates, **rules)


def convolution2d(
    x: Tensor, kernel: Tensor, strides: Pair = 1, padding: str = "same", rates: Pair = 1
) -> Tensor:
    """The correlation of each channel with its kernel (kh, kw, channels)."""
    kernel = keras.ops.expand_dims(_each_channel("convolution2d", kernel), -1)
    # Keras takes one stride for both axes from a backend that knows one only.
    steps = pair("strides", strides)
    return keras.ops.depthwise_conv(
        x,
        kernel,
        strides=steps[0] if steps[0] == steps[1] else steps,
        padding=padding.lower(),
        data_format="channels_last",
        dilation_rate=pair("rates", rates),
    )


def smooth_dilation2d(
    x: Tensor,
    kernel: Tensor,
    beta: Any,
    strides: Pair = 1,
    padding: str = "same",
    rates: Pair = 1,
) -> Tensor:
    """`log(sum_d exp(beta (x[i + d] + kernel[d]))) / beta`, at most `log(n) / beta` above."""
    window = Settings(pair("strides", strides), pair("rates", rates), padding.lower())
    return run("smooth_dilation", [x, kernel, beta], window)


def smooth_erosion2d(
    x: Tensor,
    kernel: Tensor,
    beta: Any,
    strides: Pair = 1,
    padding: str = "same",
    rates: Pair = 1,
) -> Tensor:
    """`-log(sum_d exp(-beta (x[i + d] - kernel[k - 1 - d]))) / beta`: the dual."""
    window = Settings(pair("strides", strides), pair("rates", rates), padding.lower())
    return run("smooth_erosion", [x, kernel, beta], window)


def reconstruction_by_dilation(
    marker: Tensor, mask: Tensor, *, connectivity: int = 2, ties: str = "first"
) -> Tensor:
    """The marker grown under the mask until nothing changes, each image by itself.

    The gradient goes to the one pixel of marker or mask that each output equals.
    """
    return run("reconstruction", [marker, mask], Settings(connectivity=connectivity, ties=ties))


def reconstruction_by_erosion(
    marker: Tensor, mask: Tensor, *, connectivity: int = 2, ties: str = "first"
) -> Tensor:
    """The marker shrunk above the mask until nothing changes: the dual."""
    return -reconstruction_by_dilation(-marker, -mask, connectivity=connectivity, ties=ties)


def leveling(
    marker: Tensor, image: Tensor, *, connectivity: int = 2, ties: str = "first"
) -> Tensor:
    """The marker pulled towards the image until nothing changes (Meyer's leveling)."""
    return run("leveling", [marker, image], Settings(connectivity=connectivity, ties=ties))


def area_opening(x: Tensor, area: int, *, connectivity: int = 1, ties: str = "first") -> Tensor:
    """Peaks of fewer than `area` pixels are removed, in each channel."""
    return run("area_opening", [x], Settings(connectivity=connectivity, ties=ties, area=area))


def _flat(x: Tensor) -> Tensor:
    return keras.ops.zeros((3, 3, x.shape[-1]), dtype=x.dtype)


def geodesic_dilation(marker: Tensor, mask: Tensor, steps: int = 1) -> Tensor:
    """`steps` times: the dilation by a flat square of 3 x 3, cut off at the mask."""
    for _ in range(steps):
        marker = minimum(dilation2d(marker, _flat(marker)), mask)
    return marker


def geodesic_erosion(marker: Tensor, mask: Tensor, steps: int = 1) -> Tensor:
    """`steps` times: the erosion by a flat square of 3 x 3, cut off at the mask."""
    for _ in range(steps):
        marker = maximum(erosion2d(marker, _flat(marker)), mask)
    return marker


def h_maxima(x: Tensor, h: Any, **rules: Any) -> Tensor:
    """The image without its peaks of a height up to `h`: those above are lowered by `h`."""
    x = _tensor(x)
    return reconstruction_by_dilation(x - h, x, **rules)


def h_minima(x: Tensor, h: Any, **rules: Any) -> Tensor:
    """The image without its pits of a depth up to `h`."""
    x = _tensor(x)
    return reconstruction_by_erosion(x + h, x, **rules)


def h_convex(x: Tensor, h: Any, **rules: Any) -> Tensor:
    """The image minus its `h_maxima`."""
    return _tensor(x) - h_maxima(x, h, **rules)


def h_concave(x: Tensor, h: Any, **rules: Any) -> Tensor:
    """The `h_minima` of the image minus the image."""
    return h_minima(x, h, **rules) - _tensor(x)


def max_plus(x: Tensor, kernel: Tensor, *, ties: str = "first") -> Tensor:
    """`y[b, j] = max_i x[b, i] + kernel[i, j]`: the matrix product over (max, +)."""
    return run("max_plus", [x, kernel], Settings(ties=ties))


def min_plus(x: Tensor, kernel: Tensor, *, ties: str = "first") -> Tensor:
    """`y[b, j] = min_i x[b, i] + kernel[i, j]`: the matrix product over (min, +)."""
    return run("min_plus", [x, kernel], Settings(ties=ties))
