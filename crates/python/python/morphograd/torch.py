"""Morphology for PyTorch: functions, modules, and parameters that are kept in sets.

    import morphograd.torch as mgt

    layer = mgt.Dilation2d(1, 8, 5)
    optimizer = torch.optim.Adam(layer.parameters())
    constraints = mgt.constrain(optimizer, {layer.weight: mg.sets.ZeroCentre()})

Tensors are (batch, channels, height, width) of `float32` or `float64` on the processor. Those in
`channels_last` memory format cross without a copy; the results are in that format. The functions
are operators of `torch.library`: `torch.compile` and export see them, and autograd goes through
them once (there is no second derivative).

A dilation does not mirror its kernel, an erosion does, so that the two by one kernel are adjoint.
Their results and gradients are those of the Rust library, bit for bit, for any number of threads.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from . import _morphograd
from .ops import Array, Settings
from .sets import Axis, Set

try:
    import torch
except ImportError as error:
    raise ImportError(
        "morphograd.torch: expected PyTorch 2.4 or newer, found none; `pip install torch` first"
    ) from error
if not hasattr(torch.library, "custom_op"):
    raise ImportError(f"morphograd.torch: expected PyTorch 2.4 or newer, found {torch.__version__}")

from torch import Tensor, nn  # noqa: E402

__all__ = [
    "BlackTopHat2d",
    "Closing2d",
    "Constraints",
    "Dilation2d",
    "Erosion2d",
    "Gradient2d",
    "Opening2d",
    "Projected",
    "Report",
    "SmoothDilation2d",
    "SmoothErosion2d",
    "WhiteTopHat2d",
    "black_tophat2d",
    "closing2d",
    "constrain",
    "dilation2d",
    "erosion2d",
    "gradient2d",
    "opening2d",
    "smooth_dilation2d",
    "smooth_erosion2d",
    "white_tophat2d",
]

Pair = int | Sequence[int]
_MOST_TAPS = 65535  # of larger windows the winners are not saved, but looked for


def _pair(name: str, value: Pair) -> list[int]:
    pair = [value, value] if isinstance(value, int) else list(value)
    if len(pair) != 2 or any(n < 1 for n in pair):
        raise ValueError(f"{name}: expected a positive number or two, found {value}")
    return pair


def _check(name: str, *tensors: Tensor) -> None:
    for tensor in tensors:
        if not isinstance(tensor, Tensor):
            raise TypeError(f"{name}: expected a torch tensor, found {type(tensor).__name__}")
        _check_device(name, tensor.device)
        if tensor.dtype not in (torch.float32, torch.float64):
            raise TypeError(
                f"{name}: expected a tensor of float32 or float64, found {tensor.dtype}; "
                "`.float()` converts it"
            )
        if tensor.dtype != tensors[0].dtype:
            raise TypeError(f"{name}: expected {tensors[0].dtype}, found {tensor.dtype}")


def _check_device(name: str, device: torch.device) -> None:
    if device.type not in ("cpu", "meta"):
        raise ValueError(
            f"{name}: expected tensors on the processor, found {device}; morphograd has no code "
            "for it: move them by `.cpu()`, and the result back by `.to(device)`"
        )


def _settings(
    strides: list[int],
    rates: list[int],
    padding: str,
    mode: str = "ignore",
    cval: float = 0.0,
    ties: str = "first",
) -> Settings:
    pairs = (strides[0], strides[1]), (rates[0], rates[1])
    return Settings(*pairs, padding, mode, cval, ties)


def _image(x: Tensor) -> Array:
    """(batch, height, width, channels), without a copy in `channels_last`."""
    return x.detach().permute(0, 2, 3, 1).contiguous().numpy()


def _kernel(kernel: Tensor) -> Array:
    """(kh, kw, channels) or (kh, kw, channels, filters)."""
    axes = (1, 2, 0) if kernel.dim() == 3 else (2, 3, 1, 0)
    return kernel.detach().permute(axes).contiguous().numpy()


def _tensor(y: Array) -> Tensor:
    return torch.from_numpy(y).permute(0, 3, 1, 2)


def _kernel_tensor(gradient: Array) -> Tensor:
    axes = (2, 0, 1) if gradient.ndim == 3 else (3, 2, 0, 1)
    return torch.from_numpy(gradient).permute(axes).contiguous()


def _shape(x: Tensor, kernel: Tensor, strides: list[int], rates: list[int], padding: str) -> Any:
    """The shape of the output, without a look at the data."""
    size = []
    for n, k, s, r in zip(x.shape[2:], kernel.shape[-2:], strides, rates, strict=True):
        size.append((n + s - 1) // s if padding != "valid" else (n - (k - 1) * r - 1) // s + 1)
    filters = kernel.shape[0]
    return (x.shape[0], *size, filters)


def _check_shapes(name: str, x: Tensor, kernel: Tensor) -> None:
    if x.dim() != 4:
        raise ValueError(
            f"{name}: expected images (batch, channels, height, width), found {tuple(x.shape)}"
        )
    channels = x.shape[1]
    if kernel.dim() not in (3, 4) or kernel.shape[kernel.dim() - 3] != channels:
        raise ValueError(
            f"{name}: expected a kernel ({channels}, height, width) or (filters, {channels}, "
            f"height, width), found {tuple(kernel.shape)}"
        )


def _define(name: str) -> tuple[Any, Any]:
    """The operator of a dilation or an erosion, and that of its backward pass."""
    kind = name.removesuffix("2d")

    @torch.library.custom_op(f"morphograd::{name}", mutates_args=(), device_types="cpu")
    def forward(
        x: Tensor,
        kernel: Tensor,
        strides: list[int],
        rates: list[int],
        padding: str,
        mode: str,
        cval: float,
        ties: str,
        save: bool,
    ) -> tuple[Tensor, Tensor, Tensor]:
        settings = _settings(strides, rates, padding, mode, cval, ties)
        inputs = [_image(x), _kernel(kernel)]
        if not save:
            y, _ = _morphograd.forward(kind, inputs, settings, False)
            empty = x.new_empty(0, dtype=torch.int16), x.new_empty(0, dtype=torch.int32)
            return _tensor(y), *empty
        y, (codes, offsets) = _morphograd.forward_arrays(kind, inputs, settings)
        if offsets.size == 0:  # of an output without elements nothing is saved
            offsets = np.zeros(kernel.shape[-1] * kernel.shape[-2], np.uint32)
        saved = torch.from_numpy(codes.view(np.int16)), torch.from_numpy(offsets.view(np.int32))
        return _tensor(y), *saved

    @forward.register_fake
    def _(
        x: Tensor,
        kernel: Tensor,
        strides: list[int],
        rates: list[int],
        padding: str,
        mode: str,
        cval: float,
        ties: str,
        save: bool,
    ) -> tuple[Tensor, Tensor, Tensor]:
        batch, rows, columns, filters = _shape(x, kernel, strides, rates, padding)
        y = x.new_empty((batch, rows, columns, filters)).permute(0, 3, 1, 2)
        taps = kernel.shape[-1] * kernel.shape[-2]
        winners = 0
        if save and ties != "split" and taps < _MOST_TAPS:
            winners = y.numel() * (x.shape[1] if kernel.dim() == 4 else 1)
        codes = x.new_empty(winners, dtype=torch.int16)
        return y, codes, x.new_empty(taps if save else 0, dtype=torch.int32)

    @torch.library.custom_op(f"morphograd::{name}_backward", mutates_args=(), device_types="cpu")
    def backward(
        gradient: Tensor,
        x: Tensor,
        kernel: Tensor,
        codes: Tensor,
        offsets: Tensor,
        strides: list[int],
        rates: list[int],
        padding: str,
        mode: str,
        cval: float,
        ties: str,
        needed: list[bool],
    ) -> tuple[Tensor, Tensor]:
        settings = _settings(strides, rates, padding, mode, cval, ties)
        saved = codes.numpy().view(np.uint16), offsets.numpy().view(np.uint32)
        inputs = [_image(x), _kernel(kernel)]
        dx, dw = _morphograd.backward_arrays(
            kind, inputs, settings, saved, _image(gradient), needed
        )
        return (
            x.new_empty(0) if dx is None else _tensor(dx),
            x.new_empty(0) if dw is None else _kernel_tensor(dw),
        )

    @backward.register_fake
    def _(
        gradient: Tensor,
        x: Tensor,
        kernel: Tensor,
        codes: Tensor,
        offsets: Tensor,
        strides: list[int],
        rates: list[int],
        padding: str,
        mode: str,
        cval: float,
        ties: str,
        needed: list[bool],
    ) -> tuple[Tensor, Tensor]:
        batch, channels, height, width = x.shape
        dx = x.new_empty((batch, height, width, channels)).permute(0, 3, 1, 2)
        return (
            dx if needed[0] else x.new_empty(0),
            x.new_empty(kernel.shape) if needed[1] else x.new_empty(0),
        )

    def setup(ctx: Any, inputs: Any, output: Any) -> None:
        x, kernel, *settings, save = inputs
        _, codes, offsets = output
        ctx.mark_non_differentiable(codes, offsets)
        ctx.set_materialize_grads(False)
        if save:
            ctx.save_for_backward(x, kernel, codes, offsets)
        ctx.settings = settings

    def differentiate(ctx: Any, gradient: Tensor | None, *_: Any) -> Any:
        none = (None,) * 7
        if gradient is None:
            return None, None, *none
        needed = list(ctx.needs_input_grad[:2])
        dx, dw = backward(gradient, *ctx.saved_tensors, *ctx.settings, needed)
        return dx if needed[0] else None, dw if needed[1] else None, *none

    forward.register_autograd(differentiate, setup_context=setup)
    return forward, backward


def _define_smooth(name: str) -> tuple[Any, Any]:
    """The operator of a smooth dilation or erosion, and that of its backward pass."""
    kind = name.removesuffix("2d")

    @torch.library.custom_op(f"morphograd::{name}", mutates_args=(), device_types="cpu")
    def forward(
        x: Tensor, kernel: Tensor, beta: Tensor, strides: list[int], rates: list[int], padding: str
    ) -> Tensor:
        settings = _settings(strides, rates, padding)
        inputs = [_image(x), _kernel(kernel), beta.detach().contiguous().numpy()]
        return _tensor(_morphograd.forward(kind, inputs, settings, False)[0])

    @forward.register_fake
    def _(
        x: Tensor, kernel: Tensor, beta: Tensor, strides: list[int], rates: list[int], padding: str
    ) -> Tensor:
        return x.new_empty(_shape(x, kernel, strides, rates, padding)).permute(0, 3, 1, 2)

    @torch.library.custom_op(f"morphograd::{name}_backward", mutates_args=(), device_types="cpu")
    def backward(
        gradient: Tensor,
        x: Tensor,
        kernel: Tensor,
        beta: Tensor,
        strides: list[int],
        rates: list[int],
        padding: str,
    ) -> tuple[Tensor, Tensor, Tensor]:
        settings = _settings(strides, rates, padding)
        inputs = [_image(x), _kernel(kernel), beta.detach().contiguous().numpy()]
        nothing = np.empty(0, np.uint16), np.empty(0, np.uint32)
        dx, dw, db = _morphograd.backward_arrays(
            kind, inputs, settings, nothing, _image(gradient), [True, True, True]
        )
        assert dx is not None and dw is not None and db is not None
        return _tensor(dx), _kernel_tensor(dw), torch.from_numpy(db)

    @backward.register_fake
    def _(
        gradient: Tensor,
        x: Tensor,
        kernel: Tensor,
        beta: Tensor,
        strides: list[int],
        rates: list[int],
        padding: str,
    ) -> tuple[Tensor, Tensor, Tensor]:
        batch, channels, height, width = x.shape
        dx = x.new_empty((batch, height, width, channels)).permute(0, 3, 1, 2)
        return dx, x.new_empty(kernel.shape), x.new_empty(beta.shape)

    def setup(ctx: Any, inputs: Any, output: Any) -> None:
        x, kernel, beta, *settings = inputs
        ctx.save_for_backward(x, kernel, beta)
        ctx.settings = settings

    def differentiate(ctx: Any, gradient: Tensor) -> Any:
        return *backward(gradient, *ctx.saved_tensors, *ctx.settings), None, None, None

    forward.register_autograd(differentiate, setup_context=setup)
    return forward, backward


_dilation, _ = _define("dilation2d")
_erosion, _ = _define("erosion2d")
_smooth_dilation, _ = _define_smooth("smooth_dilation2d")
_smooth_erosion, _ = _define_smooth("smooth_erosion2d")


def _apply(
    op: Any,
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
    _check(name, x, kernel)
    _check_shapes(name, x, kernel)
    save = torch.is_grad_enabled() and (x.requires_grad or kernel.requires_grad)
    strides, rates = _pair("stride", stride), _pair("rates", rates)
    y: Tensor = op(x, kernel, strides, rates, padding, mode, cval, ties, save)[0]
    return y


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

    A kernel (channels, kh, kw) acts on each channel by itself; one (filters, channels, kh, kw)
    gives for each filter the sum over the channels. `rates` is the distance between the taps.
    `padding` is `valid`, `same` or `same-mirrored`; `mode` says what is outside then: `ignore`,
    `reflect`, `mirror`, `nearest`, `wrap` or `constant` (`cval`). Of tied maxima the `first` in
    raster order gets the gradient, the `last`, or all in equal parts (`split`).
    """
    return _apply(_dilation, "dilation2d", x, kernel, stride, rates, padding, mode, cval, ties)


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
    return _apply(_erosion, "erosion2d", x, kernel, stride, rates, padding, mode, cval, ties)


def opening2d(x: Tensor, kernel: Tensor, *, padding: str = "same", **rules: Any) -> Tensor:
    """The erosion of each channel by its kernel (channels, kh, kw), then the dilation."""
    eroded = erosion2d(x, _depthwise("opening2d", kernel), padding=padding, **rules)
    return dilation2d(eroded, kernel, padding=padding, **rules)


def closing2d(x: Tensor, kernel: Tensor, *, padding: str = "same", **rules: Any) -> Tensor:
    """The dilation of each channel by its kernel (channels, kh, kw), then the erosion."""
    dilated = dilation2d(x, _depthwise("closing2d", kernel), padding=padding, **rules)
    return erosion2d(dilated, kernel, padding=padding, **rules)


def gradient2d(x: Tensor, kernel: Tensor, *, padding: str = "same", **rules: Any) -> Tensor:
    """The dilation minus the erosion of each channel by its kernel (channels, kh, kw)."""
    kernel = _depthwise("gradient2d", kernel)
    above = dilation2d(x, kernel, padding=padding, **rules)
    return above - erosion2d(x, kernel, padding=padding, **rules)


def white_tophat2d(x: Tensor, kernel: Tensor, **rules: Any) -> Tensor:
    """`x` minus its opening, with same padding."""
    return x - opening2d(x, kernel, **rules)


def black_tophat2d(x: Tensor, kernel: Tensor, **rules: Any) -> Tensor:
    """The closing of `x` minus `x`, with same padding."""
    return closing2d(x, kernel, **rules) - x


def _depthwise(name: str, kernel: Tensor) -> Tensor:
    if kernel.dim() != 3:
        raise ValueError(
            f"{name}: expected a kernel (channels, height, width), found {tuple(kernel.shape)}"
        )
    return kernel


def _apply_smooth(
    op: Any,
    name: str,
    x: Tensor,
    kernel: Tensor,
    beta: Any,
    stride: Pair,
    rates: Pair,
    padding: str,
) -> Tensor:
    if not isinstance(beta, Tensor):
        beta = torch.tensor(beta, dtype=x.dtype)
    _check(name, x, kernel, beta)
    _check_shapes(name, x, kernel)
    y: Tensor = op(x, kernel, beta, _pair("stride", stride), _pair("rates", rates), padding)
    return y


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
    its gradient. The backward pass computes the forward pass once more, and saves nothing.
    """
    op, name = _smooth_dilation, "smooth_dilation2d"
    return _apply_smooth(op, name, x, kernel, beta, stride, rates, padding)


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
    op, name = _smooth_erosion, "smooth_erosion2d"
    return _apply_smooth(op, name, x, kernel, beta, stride, rates, padding)


class _Filters(nn.Module):
    """Learned dilations or erosions, the channels summed."""

    _operator: Callable[..., Tensor]

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: Pair,
        *,
        stride: Pair = 1,
        rates: Pair = 1,
        padding: str = "valid",
        mode: str = "ignore",
        cval: float = 0.0,
        ties: str = "first",
        bias: bool = False,
        dtype: torch.dtype | None = None,
    ) -> None:
        super().__init__()
        size = _pair("kernel_size", kernel_size)
        self.weight = nn.Parameter(torch.empty(out_channels, in_channels, *size, dtype=dtype))
        self.bias = nn.Parameter(torch.zeros(out_channels, dtype=dtype)) if bias else None
        self.rules: dict[str, Any] = {"stride": stride, "rates": rates, "padding": padding}
        self.rules |= {"mode": mode, "cval": cval, "ties": ties}
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Glorot's uniform distribution, as Keras starts kernels."""
        nn.init.xavier_uniform_(self.weight)
        if self.bias is not None:
            nn.init.zeros_(self.bias)

    def forward(self, x: Tensor) -> Tensor:
        y = type(self)._operator(x, self.weight, **self.rules)
        return y if self.bias is None else y + self.bias[:, None, None]

    def extra_repr(self) -> str:
        filters, channels, *size = self.weight.shape
        rules = ", ".join(f"{name}={value!r}" for name, value in self.rules.items())
        return f"{channels}, {filters}, kernel_size={tuple(size)}, {rules}"


class Dilation2d(_Filters):
    """Learned dilations: filter f is the sum over the channels of their dilations.

    `weight` is (out_channels, in_channels, kh, kw). The arguments are those of `dilation2d`.
    """

    _operator = staticmethod(dilation2d)


class Erosion2d(_Filters):
    """Learned erosions: filter f is the sum over the channels of their erosions."""

    _operator = staticmethod(erosion2d)


class _Depthwise(nn.Module):
    """An operator with a learned structuring function for each channel."""

    _operator: Callable[..., Tensor]

    def __init__(
        self,
        channels: int,
        kernel_size: Pair,
        *,
        rates: Pair = 1,
        mode: str = "ignore",
        cval: float = 0.0,
        ties: str = "first",
        dtype: torch.dtype | None = None,
    ) -> None:
        super().__init__()
        size = _pair("kernel_size", kernel_size)
        self.weight = nn.Parameter(torch.zeros(channels, *size, dtype=dtype))
        self.rules: dict[str, Any] = {"rates": rates, "mode": mode, "cval": cval, "ties": ties}

    def reset_parameters(self) -> None:
        """A flat structuring function."""
        nn.init.zeros_(self.weight)

    def forward(self, x: Tensor) -> Tensor:
        return type(self)._operator(x, self.weight, **self.rules)

    def extra_repr(self) -> str:
        channels, *size = self.weight.shape
        rules = ", ".join(f"{name}={value!r}" for name, value in self.rules.items())
        return f"{channels}, kernel_size={tuple(size)}, {rules}"


class Opening2d(_Depthwise):
    """The opening of each channel by a learned structuring function, flat at first."""

    _operator = staticmethod(opening2d)


class Closing2d(_Depthwise):
    """The closing of each channel by a learned structuring function, flat at first."""

    _operator = staticmethod(closing2d)


class Gradient2d(_Depthwise):
    """The morphological gradient of each channel by a learned structuring function."""

    _operator = staticmethod(gradient2d)


class WhiteTopHat2d(_Depthwise):
    """Each channel minus its opening by a learned structuring function."""

    _operator = staticmethod(white_tophat2d)


class BlackTopHat2d(_Depthwise):
    """The closing of each channel by a learned structuring function, minus the channel."""

    _operator = staticmethod(black_tophat2d)


class _Smooth(nn.Module):
    """Smooth dilations or erosions with a learned sharpness, the channels summed."""

    _operator: Callable[..., Tensor]

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: Pair,
        *,
        beta: float = 8.0,
        learn_beta: bool = True,
        stride: Pair = 1,
        rates: Pair = 1,
        padding: str = "valid",
        dtype: torch.dtype | None = None,
    ) -> None:
        super().__init__()
        size = _pair("kernel_size", kernel_size)
        self.weight = nn.Parameter(torch.zeros(out_channels, in_channels, *size, dtype=dtype))
        self.beta = nn.Parameter(torch.tensor(beta, dtype=dtype), requires_grad=learn_beta)
        self.rules: dict[str, Any] = {"stride": stride, "rates": rates, "padding": padding}

    def forward(self, x: Tensor) -> Tensor:
        return type(self)._operator(x, self.weight, self.beta, **self.rules)


class SmoothDilation2d(_Smooth):
    """Learned smooth dilations; `constrain` keeps `beta` above 0: `Interval(0.001, 1000)`."""

    _operator = staticmethod(smooth_dilation2d)


class SmoothErosion2d(_Smooth):
    """Learned smooth erosions."""

    _operator = staticmethod(smooth_erosion2d)


class Report(NamedTuple):
    """What a projection did to a parameter."""

    violation: float
    """How far the parameter is from its set now: 0 but for sets that cannot be reached."""
    moved: float
    """The share of the numbers that the projection changed."""
    distance: float
    """How far it moved the parameter."""
    gradient_mapping: float | None = None
    """`||w - P(w - lr g)|| / lr` before the last step, 0 exactly at stationary points of the
    constrained problem; if `constrain` was told to measure it."""


class Constraints:
    """Parameters that are kept in sets after each step of an optimizer; see `constrain`."""

    def __init__(
        self,
        optimizer: torch.optim.Optimizer,
        sets: Mapping[Tensor, Set | tuple[Set, Axis]],
        measured: bool = False,
    ) -> None:
        owned = {id(p) for group in optimizer.param_groups for p in group["params"]}
        self._optimizer = optimizer
        self._sets: list[tuple[Tensor, Set, Axis]] = []
        self._mappings: dict[Tensor, float] = {}
        for parameter, entry in sets.items():
            chosen, axis = entry if isinstance(entry, tuple) else (entry, None)
            if not isinstance(chosen, Set):
                raise TypeError(f"constrain: expected a set, found {chosen!r}")
            if id(parameter) not in owned:
                raise ValueError(
                    "constrain: expected parameters of the optimizer, found one of shape "
                    f"{tuple(parameter.shape)} that it does not have"
                )
            _check("constrain", parameter)
            self._sets.append((parameter, chosen, axis))
        self.reports: dict[Tensor, Report] = {}
        self.project()
        self._handles = [optimizer.register_step_post_hook(lambda *_: self.project())]
        if measured:
            self._handles.append(optimizer.register_step_pre_hook(lambda *_: self._measure()))

    @torch.no_grad()
    def project(self) -> None:
        """Projects all parameters, as after each step of the optimizer."""
        for parameter, chosen, axis in self._sets:
            before = parameter.detach().contiguous().numpy()
            after = chosen.project(before, axis)
            moved = before != after
            apart = (after - before)[moved].astype(np.float64)
            if moved.any():
                parameter.copy_(torch.from_numpy(after))  # which may be where `before` lies
            self.reports[parameter] = Report(
                chosen.violation(after, axis),
                float(moved.mean()) if moved.size else 0.0,
                float(np.sqrt(np.square(apart).sum())),
                self._mappings.get(parameter),
            )

    @torch.no_grad()
    def _measure(self) -> None:
        """The gradient mappings of the parameters, before a step."""
        rates = {id(p): g["lr"] for g in self._optimizer.param_groups for p in g["params"]}
        self._mappings.clear()
        for parameter, chosen, axis in self._sets:
            if parameter.grad is not None:
                rate = float(rates[id(parameter)])
                moved = (parameter - rate * parameter.grad).contiguous().numpy()
                apart = parameter.detach().numpy().astype(np.float64) - chosen.project(moved, axis)
                self._mappings[parameter] = float(np.sqrt(np.square(apart).sum())) / rate

    def violation(self) -> float:
        """The largest violation of a set by the parameters as they are now."""
        found = [
            chosen.violation(parameter.detach().contiguous().numpy(), axis)
            for parameter, chosen, axis in self._sets
        ]
        return max(found, default=0.0)

    def remove(self) -> None:
        """Lets the parameters go: later steps are not projected."""
        for handle in self._handles:
            handle.remove()


def constrain(
    optimizer: torch.optim.Optimizer,
    sets: Mapping[Tensor, Set | tuple[Set, Axis]],
    *,
    measured: bool = False,
) -> Constraints:
    """Keeps parameters in sets: projects them at once, and after each step of the optimizer.

    `sets` maps parameters to sets, or to pairs (set, axis); the axes are those of the parameter, so
    structuring functions (filters, channels, kh, kw) take `(ZeroCentre(), (2, 3))`. Works with
    every optimizer of `torch.optim`. `reports` says for each parameter what the last projection
    did: how far it is from its set, which share of its numbers was moved, and how far. If
    `measured`, also the norm of the gradient mapping, at the cost of one more projection a step.
    """
    return Constraints(optimizer, sets, measured)


class _ProjectFunction(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, free: Tensor, chosen: Set, axis: Axis, exact: bool) -> Tensor:
        ctx.save_for_backward(free)
        ctx.of = chosen, axis, exact
        return torch.from_numpy(chosen.project(free.detach().contiguous().numpy(), axis))

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> Any:
        (free,) = ctx.saved_tensors
        chosen, axis, exact = ctx.of
        if exact:
            at, g = free.detach().contiguous().numpy(), gradient.contiguous().numpy()
            gradient = torch.from_numpy(chosen.project_vjp(at, g, axis))
        return gradient, None, None, None


class Projected(nn.Module):
    """A parametrization: the parameter is the projection of a free one.

        torch.nn.utils.parametrize.register_parametrization(
            layer, "weight", Projected(mg.sets.NonNegative()))

    `gradient` is `exact` (the derivative of the projection, where the set states it) or
    `straight-through` (as if the projection were not there).
    """

    def __init__(self, set: Set, axis: Axis = None, gradient: str = "exact") -> None:
        super().__init__()
        if gradient not in ("exact", "straight-through"):
            raise ValueError(f"gradient: expected exact or straight-through, found {gradient!r}")
        self.set, self.axis, self.gradient = set, axis, gradient

    def forward(self, free: Tensor) -> Tensor:
        _check("Projected", free)
        exact = self.gradient == "exact"
        value: Tensor = _ProjectFunction.apply(free, self.set, self.axis, exact)
        return value

    def right_inverse(self, value: Tensor) -> Tensor:
        """The free parameter for a value: the value's projection."""
        _check("Projected", value)
        return torch.from_numpy(self.set.project(value.detach().contiguous().numpy(), self.axis))

    def extra_repr(self) -> str:
        return f"{self.set!r}, axis={self.axis}, gradient={self.gradient!r}"
