"""Entries of the table of operations as operators of `torch.library`.

The one design choice: what all operators share is written once. An entry says how its inputs lie,
which settings it takes, and the shapes of its output and of what it saves; `define` makes a forward
and a backward operator of it, with fake versions and the derivative. Tensors cross as they lie:
those in another order than the kernels want are put in order by the native part, in parallel.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor

from .. import _morphograd
from ..ops import Array, Settings

Pair = int | Sequence[int]
Shape = Sequence[Any]

_MOST_TAPS = 65535  # of larger windows the winners are not saved, but looked for

_FLOATS = torch.float32, torch.float64

_TYPES = {
    "strides": "int[]",
    "rates": "int[]",
    "padding": "str",
    "mode": "str",
    "cval": "float",
    "ties": "str",
    "connectivity": "int",
    "area": "int",
    "scale": "float",
    "steps": "int",
}

# How the axes of a tensor lie in the array that the kernels want, and back.
_Orders = dict[int, tuple[tuple[int, ...], tuple[int, ...]]]
_ORDERS: dict[str, _Orders] = {
    "images": {4: ((0, 2, 3, 1), (0, 3, 1, 2))},
    "kernel": {3: ((1, 2, 0), (2, 0, 1)), 4: ((2, 3, 1, 0), (3, 2, 0, 1))},
    "plain": {},
}


def _array(x: Tensor, lies: str) -> Array:
    """The memory of a tensor, with the axes where the kernels want them."""
    array = x.detach().numpy()
    order = _ORDERS[lies].get(array.ndim)
    return array if order is None else array.transpose(order[0])


def _tensor(array: Array, lies: str) -> Tensor:
    order = _ORDERS[lies].get(array.ndim)
    if order is not None:
        array = array.transpose(order[1])
    return torch.from_numpy(np.ascontiguousarray(array) if lies == "kernel" else array)


def _fake(x: Tensor, shape: Shape, lies: str) -> Tensor:
    """A tensor of a shape, in the layout that `_tensor` gives."""
    if lies != "images":
        return x.new_empty(tuple(shape))
    batch, channels, height, width = shape
    return x.new_empty((batch, height, width, channels)).permute(0, 3, 1, 2)


def pair(name: str, value: Pair) -> list[int]:
    """A number for both axes, or two."""
    numbers = [value, value] if isinstance(value, int) else list(value)
    if len(numbers) != 2 or any(n < 1 for n in numbers):
        raise ValueError(f"{name}: expected a positive number or two, found {value}")
    return numbers


def check(name: str, *tensors: Tensor) -> None:
    """Refuses what is no tensor of one type of floats on the processor."""
    for tensor in tensors:
        if not isinstance(tensor, Tensor):
            raise TypeError(f"{name}: expected a torch tensor, found {type(tensor).__name__}")
        if not tensor.is_cpu:
            check_device(name, tensor.device)
        if tensor.dtype not in _FLOATS:
            raise TypeError(
                f"{name}: expected a tensor of float32 or float64, found {tensor.dtype}; "
                "`.float()` converts it"
            )
        if tensor.dtype != tensors[0].dtype:
            raise TypeError(f"{name}: expected {tensors[0].dtype}, found {tensor.dtype}")


def check_device(name: str, device: torch.device) -> None:
    """Refuses another device than the processor."""
    if device.type not in ("cpu", "meta"):
        raise ValueError(
            f"{name}: expected tensors on the processor, found {device}; morphograd has no code "
            "for it: move them by `.cpu()`, and the result back by `.to(device)`"
        )


def check_images(name: str, *images: Tensor) -> None:
    """Refuses what are no images of one shape."""
    check(name, *images)
    for x in images:
        if x.dim() != 4:
            raise ValueError(
                f"{name}: expected images (batch, channels, height, width), found {tuple(x.shape)}"
            )
        if x.shape != images[0].shape:
            raise ValueError(
                f"{name}: expected images of one shape {tuple(images[0].shape)}, found "
                f"{tuple(x.shape)}"
            )


def check_kernel(name: str, x: Tensor, kernel: Tensor) -> None:
    """Refuses a kernel that does not fit the images."""
    check(name, x, kernel)
    if x.dim() != 4:
        check_images(name, x)
    shape, channels = kernel.shape, x.shape[1]
    if len(shape) not in (3, 4) or shape[-3] != channels:
        raise ValueError(
            f"{name}: expected a kernel ({channels}, height, width) or (filters, {channels}, "
            f"height, width), found {tuple(shape)}"
        )


def _window_shape(inputs: Sequence[Tensor], settings: dict[str, Any]) -> Shape:
    """The output of a window on images, without a look at the data."""
    x, kernel = inputs[:2]
    window = zip(
        x.shape[2:], kernel.shape[-2:], settings["strides"], settings["rates"], strict=True
    )
    valid = settings["padding"] == "valid"
    size = [(n - (k - 1) * r - 1) // s + 1 if valid else (n + s - 1) // s for n, k, s, r in window]
    return (x.shape[0], kernel.shape[0], *size)


def _same_shape(inputs: Sequence[Tensor], _: dict[str, Any]) -> Shape:
    return inputs[0].shape


def _product_shape(inputs: Sequence[Tensor], _: dict[str, Any]) -> Shape:
    return inputs[0].shape[0], inputs[1].shape[1]


# How much is saved: codes, positions, numbers (as bits). None is known when it is there.
Lengths = tuple[Any, Any, Any]


def _winners(inputs: Sequence[Tensor], settings: dict[str, Any], y: Tensor) -> Lengths:
    x, kernel = inputs
    taps = kernel.shape[-1] * kernel.shape[-2]
    if settings["ties"] == "split" or taps >= _MOST_TAPS:
        return 0, taps, 0
    return y.numel() * (x.shape[1] if kernel.dim() == 4 else 1), taps, 0


def _weights(inputs: Sequence[Tensor], _: dict[str, Any], y: Tensor) -> Lengths:
    pixels = y.shape[0] * y.shape[2] * y.shape[3]
    return 0, 0, 3 * pixels * inputs[1].shape[:-2].numel()


def _inputs(_: Sequence[Tensor], settings: dict[str, Any], y: Tensor) -> Lengths:
    return 0, 0 if settings["ties"] == "split" else y.numel(), 0


def _nothing(*_: Any) -> Lengths:
    return 0, 0, 0


def _positions(*_: Any) -> Lengths:
    return 0, None, 0


def _images(_: Sequence[Tensor], settings: dict[str, Any], __: Tensor) -> Lengths:
    return (0, 0, None) if settings["ties"] == "split" else (0, None, 0)


def _fake_saved(x: Tensor, length: Any, dtype: torch.dtype) -> Tensor:
    if length is None:
        # A plain meta tensor has no backward pass, and no context for unknown lengths either.
        length = 0 if x.device.type == "meta" else torch.library.get_ctx().new_dynamic_size()
    return x.new_empty(length, dtype=dtype)


# The functions of tensors that lie as the arrays of `morphograd.ops`, by the name of the operation.
ON_ARRAYS: dict[str, Callable[[Sequence[Tensor], Settings], Tensor]] = {}


def define(
    kind: str,
    inputs: dict[str, str],
    settings: Sequence[str],
    shape: Callable[..., Shape] = _same_shape,
    saved: Callable[..., Lengths] = _positions,
    looks_at_output: bool = False,
) -> Callable[..., Tensor]:
    """The function `(*inputs, *settings)` of an operation of the table.

    `inputs` are names with layouts. Where `looks_at_output`, the backward pass needs the output to
    split ties.
    """
    names, layouts, count = list(inputs), list(inputs.values()), len(inputs)
    result = layouts[0]
    of_inputs = ", ".join(f"Tensor {name}" for name in names)
    of_settings = "".join(f"{_TYPES[name]} {name}, " for name in settings)

    def arrays(tensors: Sequence[Tensor]) -> list[Array]:
        return [_array(x, lies) for x, lies in zip(tensors, layouts, strict=True)]

    standard = Settings()._asdict()
    places = [list(standard).index(name) for name in settings]

    def chosen(values: Sequence[Any]) -> Settings:
        found = list(standard.values())
        for place, value in zip(places, values, strict=True):
            found[place] = value
        return Settings._make(found)

    @torch.library.custom_op(
        f"morphograd::{kind}",
        mutates_args=(),
        device_types="cpu",
        schema=f"({of_inputs}, {of_settings}bool save) -> (Tensor, Tensor, Tensor, Tensor)",
    )
    def forward(*args: Any) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        tensors, rest, save = args[:count], args[count:-1], args[-1]
        y, (codes, positions, numbers) = _morphograd.forward_arrays(
            kind, arrays(tensors), chosen(rest), save
        )
        if save and saved is _winners and positions.size == 0:
            # Of an output without elements nothing is saved.
            positions = np.zeros(tensors[1].shape[-1] * tensors[1].shape[-2], np.uint32)
        return (
            _tensor(y, result),
            torch.from_numpy(codes.view(np.int16)),
            torch.from_numpy(positions.view(np.int32)),
            torch.from_numpy(numbers.view(f"int{8 * numbers.itemsize}")),
        )

    @forward.register_fake
    def _(*args: Any) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        tensors, save = args[:count], args[-1]
        values = dict(zip(settings, args[count:-1], strict=True))
        x = tensors[0]
        y = _fake(x, shape(tensors, values), result)
        lengths = saved(tensors, values, y) if save else (0, 0, 0)
        types = torch.int16, torch.int32, torch.int32 if x.dtype.itemsize == 4 else torch.int64
        codes, positions, numbers = map(_fake_saved, (x, x, x), lengths, types)
        return y, codes, positions, numbers

    @torch.library.custom_op(
        f"morphograd::{kind}_backward",
        mutates_args=(),
        device_types="cpu",
        schema=f"(Tensor gradient, {of_inputs}, Tensor codes, Tensor positions, Tensor numbers, "
        f"Tensor? output, {of_settings}bool[] needed) -> Tensor[]",
    )
    def backward(gradient: Tensor, *args: Any) -> list[Tensor]:
        tensors, rest = args[:count], args[count + 4 : -1]
        codes, positions, numbers, output = args[count : count + 4]
        kept = (
            codes.numpy().view(np.uint16),
            positions.numpy().view(np.uint32),
            numbers.numpy().view(f"float{8 * numbers.itemsize}"),
        )
        y = None if output is None else _array(output, result)
        gradients = _morphograd.backward_arrays(
            kind, arrays(tensors), chosen(rest), kept, y, _array(gradient, result), args[-1]
        )
        return [
            tensors[0].new_empty(0) if g is None else _tensor(g, lies)
            for g, lies in zip(gradients, layouts, strict=True)
        ]

    @backward.register_fake
    def _(gradient: Tensor, *args: Any) -> list[Tensor]:
        fakes = []
        for x, lies, is_asked in zip(args[:count], layouts, args[-1], strict=True):
            fakes.append(_fake(x, x.shape, lies) if is_asked else x.new_empty(0))
        return fakes

    def setup(ctx: Any, inputs: Any, output: Any) -> None:
        y, *kept = output
        ctx.mark_non_differentiable(*kept)
        ctx.set_materialize_grads(False)
        ctx.settings = inputs[count:-1]
        if inputs[-1]:
            looks = looks_at_output and "split" in ctx.settings
            ctx.save_for_backward(*inputs[:count], *kept, *([y] if looks else []))

    def differentiate(ctx: Any, gradient: Tensor | None, *_: Any) -> Any:
        rest = (None,) * (len(settings) + 1)
        if gradient is None:
            return (None,) * count + rest
        kept, needed = list(ctx.saved_tensors), list(ctx.needs_input_grad[:count])
        if len(kept) == count + 3:
            kept.append(None)
        gradients = call_backward(gradient, *kept, *ctx.settings, needed)
        found = (g if is_asked else None for g, is_asked in zip(gradients, needed, strict=True))
        return *found, *rest

    forward.register_autograd(differentiate, setup_context=setup)
    call = getattr(torch.ops.morphograd, kind).default
    call_backward = getattr(torch.ops.morphograd, f"{kind}_backward").default

    def apply(*args: Any) -> Tensor:
        save = False
        if torch.is_grad_enabled():
            for x in args[:count]:
                save = save or x.requires_grad
        y: Tensor = call(*args, save)[0]
        return y

    def on_arrays(arrays: Sequence[Tensor], chosen: Settings) -> Tensor:
        check(kind, *arrays)
        tensors = [_permuted(x, lies, 1) for x, lies in zip(arrays, layouts, strict=True)]
        return _permuted(apply(*tensors, *(getattr(chosen, name) for name in settings)), result, 0)

    ON_ARRAYS[kind] = on_arrays
    return apply


def _permuted(x: Tensor, lies: str, way: int) -> Tensor:
    order = _ORDERS[lies].get(x.dim())
    return x if order is None else x.permute(order[way])


_FILTER = {"x": "images", "kernel": "kernel"}
_SMOOTH = _FILTER | {"sharpness": "plain"}
_SELECTION = {"marker": "images", "mask": "images"}
_WINDOW = ("strides", "rates", "padding")
_RULES = (*_WINDOW, "mode", "cval", "ties")
_CHOICE = ("connectivity", "ties")
_CURVED = {"x": "images", "curvature": "plain"}
_PRODUCT = {"x": "plain", "kernel": "plain"}

dilation = define("dilation", _FILTER, _RULES, _window_shape, _winners)
erosion = define("erosion", _FILTER, _RULES, _window_shape, _winners)
smooth_dilation = define("smooth_dilation", _SMOOTH, _WINDOW, _window_shape, _weights)
smooth_erosion = define("smooth_erosion", _SMOOTH, _WINDOW, _window_shape, _weights)
alpha_softmax = define("alpha_softmax", _SMOOTH, _WINDOW, _window_shape, _weights)
counter_harmonic = define("counter_harmonic", _SMOOTH, _WINDOW, _window_shape, _weights)
parabolic_dilation = define("parabolic_dilation", _CURVED, ("scale",))
parabolic_erosion = define("parabolic_erosion", _CURVED, ("scale",))
toggle = define("toggle", dict.fromkeys(("x", "above", "below"), "images"), (), saved=_nothing)
reconstruction = define("reconstruction", _SELECTION, _CHOICE, looks_at_output=True)
leveling = define("leveling", _SELECTION, _CHOICE, looks_at_output=True)
geodesic_dilation = define("geodesic_dilation", _SELECTION, ("steps", *_CHOICE), saved=_images)
area_opening = define("area_opening", {"x": "images"}, ("area", *_CHOICE), looks_at_output=True)
max_plus = define("max_plus", _PRODUCT, ("ties",), _product_shape, _inputs, looks_at_output=True)
min_plus = define("min_plus", _PRODUCT, ("ties",), _product_shape, _inputs, looks_at_output=True)
