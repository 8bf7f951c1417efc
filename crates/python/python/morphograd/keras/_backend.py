"""Calls from a Keras backend to the native operations, with their gradients.

A tensor goes out as a NumPy array and comes back as a tensor of a known shape. TensorFlow and JAX
call a Python function from their graph; PyTorch has operators of its own in `morphograd.torch`.
What a dilation saves for its backward pass crosses as arrays, so no state is kept between calls.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

import keras
import numpy as np

from .. import _morphograd
from ..ops import Array, Settings

Tensor = Any
Shape = tuple[int | None, ...]

_MOST_TAPS = 65535  # of larger windows the winners are not saved, but looked for
_SAVING = ("dilation", "erosion")
_BACKENDS = ("tensorflow", "torch", "jax", "numpy")


def backend() -> str:
    """The backend of Keras, if there is a way to it."""
    name: str = keras.backend.backend()
    if name not in _BACKENDS:
        raise ValueError(f"morphograd.keras: expected a backend of {_BACKENDS}, found {name}")
    return name


def supports_jit() -> bool:
    """Whether XLA compiles a call out of the graph."""
    return backend() != "tensorflow"


def _native(inputs: Sequence[Any]) -> list[Array]:
    return [np.asarray(x, order="C") for x in inputs]


def _forward(name: str, settings: Settings, inputs: Sequence[Any]) -> Array:
    return _morphograd.forward(name, _native(inputs), settings, False)[0]


def _forward_saving(
    name: str, settings: Settings, inputs: Sequence[Any]
) -> tuple[Array, Array, Array]:
    arrays = _native(inputs)
    y, (codes, offsets, _) = _morphograd.forward_arrays(name, arrays, settings, True)
    if offsets.size == 0:  # of an output without elements nothing is saved
        offsets = np.zeros(arrays[1].shape[0] * arrays[1].shape[1], np.uint32)
    return y, codes, offsets


def _backward(
    name: str,
    settings: Settings,
    inputs: Sequence[Any],
    saved: Sequence[Any],
    gradient: Any,
    needed: list[bool],
) -> list[Array | None]:
    arrays, (gradient,) = _native(inputs), _native([gradient])
    if name in _SAVING:
        if not saved:
            _, *saved = _forward_saving(name, settings, arrays)
        codes, offsets = (np.asarray(x) for x in saved)
        return _morphograd.backward_arrays(
            name, arrays, settings, (codes, offsets, gradient[:0]), None, gradient, needed
        )
    _, state = _morphograd.forward(name, arrays, settings, True)
    assert state is not None
    return state.backward(gradient, needed)


def _one_gradient(
    name: str, settings: Settings, inputs: Sequence[Any], saved: Sequence[Any], dy: Any, k: int
) -> Array:
    needed = [n == k for n in range(len(inputs))]
    gradient = _backward(name, settings, inputs, saved, dy, needed)[k]
    assert gradient is not None
    return gradient


def _tensorflow(
    name: str, settings: Settings, inputs: Sequence[Tensor], shape: Shape, save: bool
) -> Tensor:
    import tensorflow as tf

    dtype = inputs[0].dtype

    @tf.custom_gradient  # type: ignore[untyped-decorator]
    def run(*inputs: Tensor) -> Any:
        saved: list[Tensor] = []
        # Without state, a call is left out of a graph where nobody asks for what it gives: the
        # gradient of the first layer's images, most of all.
        if save and name in _SAVING:
            y, *saved = tf.numpy_function(
                lambda *x: _forward_saving(name, settings, x),
                inputs,
                [dtype, tf.uint16, tf.uint32],
                stateful=False,
            )
        else:
            y = tf.numpy_function(
                lambda *x: _forward(name, settings, x), inputs, dtype, stateful=False
            )
        y.set_shape(shape)
        count = len(inputs)

        def gradient(dy: Tensor) -> list[Tensor]:
            gradients = []
            for k, x in enumerate(inputs):
                g = tf.numpy_function(
                    lambda dy, *rest, k=k: _one_gradient(
                        name, settings, rest[:count], rest[count:], dy, k
                    ),
                    [dy, *inputs, *saved],
                    dtype,
                    stateful=False,
                )
                g.set_shape(x.shape)
                gradients.append(g)
            return gradients

        return y, gradient

    return run(*inputs)


@dataclass(frozen=True)
class _Call:
    """A call out of JAX's graph. Two that are equal are compiled once."""

    name: str
    settings: Settings
    count: int = 0
    """How many of the arrays are inputs; what was saved follows."""
    which: int | None = None
    """Of a backward pass, the input whose gradient is computed."""
    saves: bool = False

    def __call__(self, *arrays: Any) -> Any:
        if self.which is not None:
            dy, inputs, saved = arrays[0], arrays[1 : self.count + 1], arrays[self.count + 1 :]
            return _one_gradient(self.name, self.settings, inputs, saved, dy, self.which)
        forward = _forward_saving if self.saves else _forward
        return forward(self.name, self.settings, arrays)


@cache
def _jax_function(name: str, settings: Settings) -> Callable[..., Tensor]:
    import jax
    import jax.numpy as jnp

    def array(shape: Sequence[int | None], dtype: Any) -> Any:
        make: Any = jax.ShapeDtypeStruct
        return make(shape, dtype)

    def call(function: Callable[..., Any], result: Any, *arguments: Tensor) -> Any:
        return jax.pure_callback(function, result, *arguments, vmap_method="sequential")

    def result_of(inputs: Sequence[Tensor]) -> Any:
        shape = output_shape(name, settings, [x.shape for x in inputs])
        return array(shape, inputs[0].dtype)

    @jax.custom_vjp  # type: ignore[untyped-decorator]
    def run(*inputs: Tensor) -> Tensor:
        return call(_Call(name, settings), result_of(inputs), *inputs)

    def forward(*inputs: Tensor) -> Any:
        result = result_of(inputs)
        if name not in _SAVING:
            return run(*inputs), (inputs, ())
        kernel = inputs[1]
        taps = kernel.shape[0] * kernel.shape[1]
        winners = 0
        if settings.ties != "split" and taps < _MOST_TAPS:
            winners = result.size * (kernel.shape[2] if kernel.ndim == 4 else 1)
        saved = array((winners,), jnp.uint16), array((taps,), jnp.uint32)
        y, *saved = call(_Call(name, settings, saves=True), (result, *saved), *inputs)
        return y, (inputs, tuple(saved))

    def backward(state: Any, dy: Tensor) -> tuple[Tensor, ...]:
        inputs, saved = state
        return tuple(
            call(
                _Call(name, settings, len(inputs), k),
                array(x.shape, x.dtype),
                dy,
                *inputs,
                *saved,
            )
            for k, x in enumerate(inputs)
        )

    run.defvjp(forward, backward)
    # Compiled, so that outside of a graph nothing is traced anew at each call.
    compiled: Callable[..., Tensor] = jax.jit(run)
    return compiled


def _torch(name: str, settings: Settings, inputs: Sequence[Tensor]) -> Tensor:
    from ..torch._operators import ON_ARRAYS

    return ON_ARRAYS[name](inputs, settings)


def output_shape(name: str, settings: Settings, shapes: Sequence[Sequence[int | None]]) -> Shape:
    """The shape of an operation's output; `None` for what is not known."""
    x = tuple(shapes[0])
    if name in ("max_plus", "min_plus"):
        return (x[0], shapes[1][1])
    if not name.endswith(("dilation", "erosion")):
        return x
    kernel = tuple(shapes[1])
    if len(x) != 4 or len(kernel) not in (3, 4) or x[3] not in (None, kernel[2]):
        raise ValueError(
            f"{name}: expected images (batch, height, width, channels) and a kernel (kh, kw, "
            f"channels) or (kh, kw, channels, filters), found {x} and {kernel}"
        )
    window = kernel[:2], settings.strides, settings.rates
    return (x[0], *spatial(x[1:3], *window, settings.padding), kernel[-1])


def spatial(
    size: Sequence[int | None],
    kernel: Sequence[int | None],
    strides: Sequence[int],
    rates: Sequence[int],
    padding: str,
) -> Shape:
    """Height and width after a window has gone over an image."""
    out: list[int | None] = []
    for n, k, s, r in zip(size, kernel, strides, rates, strict=True):
        if n is None or k is None:
            out.append(None)
        elif padding != "valid":
            out.append((n + s - 1) // s)
        elif n < (k - 1) * r + 1:
            raise ValueError(
                f"padding valid: expected images of at least {(k - 1) * r + 1} pixels, found {n}"
            )
        else:
            out.append((n - (k - 1) * r - 1) // s + 1)
    return tuple(out)


@keras.saving.register_keras_serializable(package="morphograd", name="Operation")
class Operation(keras.Operation):  # type: ignore[misc]
    """A native operation as a part of a functional model."""

    def __init__(self, kind: str, settings: Sequence[Any], save: bool = True, **kwargs: Any):
        super().__init__(**kwargs)
        self.kind, self.save = kind, save
        values: Any = [tuple(v) if isinstance(v, list) else v for v in settings]
        self.settings = Settings(*values)

    def call(self, *inputs: Tensor) -> Tensor:
        return run(self.kind, inputs, self.settings, self.save)

    def compute_output_spec(self, *inputs: Tensor) -> Any:
        shape = output_shape(self.kind, self.settings, [x.shape for x in inputs])
        return keras.KerasTensor(shape, dtype=inputs[0].dtype)

    def get_config(self) -> dict[str, Any]:
        settings = [list(v) if isinstance(v, tuple) else v for v in self.settings]
        return {"kind": self.kind, "settings": settings, "save": self.save, "name": self.name}


def run(name: str, inputs: Sequence[Any], settings: Settings, save: bool = True) -> Tensor:
    """A native operation on tensors of the backend, or on symbolic ones.

    All inputs get the type of the first; what is not `float32` or `float64` is computed in
    `float32`. `save` keeps what the backward pass needs; without it that is computed anew there.
    """
    if any(isinstance(x, keras.KerasTensor) for x in inputs):
        return Operation(name, settings, save)(*inputs)
    tensors = [keras.ops.convert_to_tensor(x) for x in inputs]
    given = keras.backend.standardize_dtype(tensors[0].dtype)
    dtype = given if given in ("float32", "float64") else "float32"
    tensors = [keras.ops.cast(x, dtype) for x in tensors]
    shape = output_shape(name, settings, [tuple(x.shape) for x in tensors])
    kind = backend()
    if kind == "tensorflow":
        y = _tensorflow(name, settings, tensors, shape, save)
    elif kind == "torch":
        y = _torch(name, settings, tensors)
    elif kind == "jax":
        y = _jax_function(name, settings)(*tensors)
    else:
        y = _forward(name, settings, tensors)
    return y if dtype == given or "float" not in given else keras.ops.cast(y, given)


def _plain(name: str) -> Callable[..., Tensor]:
    """A function of `keras.ops` whose inputs have one type, which the result has too.

    With PyTorch, `keras.ops` makes `float32` of tensors of `float64`.
    """

    def call(*tensors: Tensor) -> Tensor:
        symbolic = any(isinstance(x, keras.KerasTensor) for x in tensors)
        if symbolic or backend() != "torch":
            return getattr(keras.ops, name)(*tensors)
        import torch

        return getattr(torch, name)(*(keras.ops.convert_to_tensor(x) for x in tensors))

    return call


maximum, minimum, where = _plain("maximum"), _plain("minimum"), _plain("where")


def apply_numpy(function: Callable[[Array], Array], tensor: Tensor) -> Tensor:
    """A function of a NumPy array that keeps shape and type, on a tensor and without gradient."""
    tensor = keras.ops.convert_to_tensor(tensor)
    kind = backend()
    if kind == "tensorflow":
        import tensorflow as tf

        y = tf.numpy_function(function, [tensor], tensor.dtype, stateful=False)
        y.set_shape(tensor.shape)
        return y
    if kind == "jax":
        import jax

        make: Any = jax.ShapeDtypeStruct
        return jax.pure_callback(function, make(tensor.shape, tensor.dtype), tensor)
    if kind == "torch":
        import torch

        return torch.from_numpy(function(tensor.detach().cpu().numpy())).to(tensor.device)
    return function(np.asarray(tensor))
