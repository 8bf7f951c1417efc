"""The layers of morpholayers, and its functions, under their names and with their arguments.

    model = keras.Sequential([
        keras.Input((28, 28, 1)),
        Dilation2D(8, (5, 5), padding="valid", kernel_constraint=NonPositive()),
        ...
    ])

Images are (batch, height, width, channels); weights have the names and shapes of morpholayers.
Beside its arguments each layer takes `mode`, `cval` and `ties` (see `morphograd.keras.ops`), and a
number where it takes a pair. What is different, because there it is an error:

- `strides` and `dilation_rate` are used wherever they are accepted, and the shapes are right.
- An erosion mirrors its window too, so that openings by even kernels are openings.
- A constraint holds from the start: the first values are projected.
- All arguments are saved with a model and loaded with it.
- Off a support a structuring function is -inf, which takes no part; there it is -1 or 0.

Layers on each channel ("marginal") give filters x channels, filter by filter: channel
`f * channels + c`. Depthwise layers give channel `m * channels + c` for the multiplier m.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import keras
import numpy as np
from keras import ops as k

from .. import footprints
from . import ops
from ._backend import backend, maximum, minimum, spatial, supports_jit, where
from .constraints import ZeroToOne
from .initializers import MinusOnesZeroCenter, squared_distance
from .ops import closing2d, convolution2d, dilation2d, erosion2d, gradient2d, opening2d, pair

Tensor = Any
Pair = int | Sequence[int]
Config = dict[str, Any]
Shape = tuple[int | None, ...]

__all__ = [
    "Antidilation2D",
    "Antierosion2D",
    "BSDilation2D",
    "BSErosion2D",
    "BSOperator2D",
    "BiasLayer",
    "Closing2D",
    "DepthwiseDilation2D",
    "DepthwiseDilationLines2D",
    "DepthwiseErosion2D",
    "DepthwiseOperator2D",
    "Dilation2D",
    "DilationSE2D",
    "Erosion2D",
    "ExternalGradient2D",
    "GradPooling2D",
    "Gradient2D",
    "IntegratorofOperator2D",
    "InternalGradient2D",
    "LasryLionsDE",
    "LasryLionsED",
    "MaxofErosions2D",
    "MaxofErosions2D_old",
    "MinPooling2D",
    "MinofDilations2D",
    "MinofDilations2D_old",
    "MixedMaxMinPooling2D",
    "MixedPooling2D",
    "MorphoAverage2D",
    "MorphoEMP2D",
    "MorphoEMP2DShare",
    "Opening2D",
    "Probing2D",
    "QuadraticAverage2D",
    "QuadraticDilation2D",
    "SeparableDilation2D",
    "SeparableDilation3D",
    "SeparableErosion2D",
    "SeparableOperator2D",
    "ToggleMapping2D",
    "TopHatClosing2D",
    "TopHatOpening2D",
    "antidilation2d",
    "antierosion2d",
    "closing2d",
    "convolution2d",
    "dilation2d",
    "erosion2d",
    "externalgradient2d",
    "geodesic_dilation",
    "geodesic_dilation_step",
    "geodesic_erosion",
    "geodesic_erosion_step",
    "get_lines",
    "gradient2d",
    "h_concave_transform",
    "h_convex_transform",
    "h_maxima_transform",
    "h_minima_transform",
    "internalgradient2d",
    "leveling",
    "leveling_iteration",
    "opening2d",
    "reconstruction_dilation",
    "reconstruction_erosion",
    "togglemapping",
    "togglemapping2d",
]

if backend() == "tensorflow":
    import tensorflow as tf

    # Programs that import all of morpholayers.layers find TensorFlow there, and use it.
    __all__ += ["tf"]

internalgradient2d = ops.internal_gradient2d
externalgradient2d = ops.external_gradient2d
antidilation2d = ops.anti_dilation2d
antierosion2d = ops.anti_erosion2d
togglemapping2d = ops.toggle2d


def togglemapping(X: Tensor, steps: int = 5) -> Tensor:
    """`togglemapping2d` by a flat square of 3 x 3."""
    return ops.toggle2d(X, k.zeros((3, 3, X.shape[-1]), dtype=X.dtype), steps=steps)


def geodesic_dilation_step(X: Sequence[Tensor]) -> Tensor:
    """Of `[marker, mask]`, one step of `geodesic_dilation`."""
    return ops.geodesic_dilation(X[0], X[1], 1)


def geodesic_dilation(X: Sequence[Tensor], steps: int | None = None) -> Tensor:
    """Of `[marker, mask]`, `steps` steps, or as many as change something.

    In morpholayers it is one more.
    """
    return reconstruction_dilation(X) if steps is None else ops.geodesic_dilation(X[0], X[1], steps)


def reconstruction_dilation(X: Sequence[Tensor]) -> Tensor:
    """Of `[marker, mask]`, the marker grown under the mask until nothing changes."""
    return ops.reconstruction_by_dilation(X[0], X[1])


def geodesic_erosion_step(X: Sequence[Tensor]) -> Tensor:
    """Of `[marker, mask]`, one step of `geodesic_erosion`."""
    return ops.geodesic_erosion(X[0], X[1], 1)


def geodesic_erosion(X: Sequence[Tensor], steps: int | None = None) -> Tensor:
    """Of `[marker, mask]`, `steps` steps, or as many as change something."""
    return reconstruction_erosion(X) if steps is None else ops.geodesic_erosion(X[0], X[1], steps)


def reconstruction_erosion(X: Sequence[Tensor], steps: int | None = None) -> Tensor:
    """Of `[marker, mask]`, the marker shrunk above the mask until nothing changes."""
    return (
        ops.reconstruction_by_erosion(X[0], X[1])
        if steps is None
        else ops.geodesic_erosion(X[0], X[1], steps)
    )


def leveling_iteration(X: Sequence[Tensor]) -> Tensor:
    """Of `[marker, image]`, `max(erosion, min(dilation, image))` by a flat square of 3 x 3."""
    marker, image = X
    flat = k.zeros((3, 3, marker.shape[-1]), dtype=marker.dtype)
    return maximum(erosion2d(marker, flat), minimum(dilation2d(marker, flat), image))


def leveling(X: Sequence[Tensor], steps: int | None = None) -> Tensor:
    """Of `[marker, image]`, `steps` iterations, or as many as change something."""
    marker, image = X
    if steps is None:
        return ops.leveling(marker, image)
    for _ in range(steps):
        marker = leveling_iteration([marker, image])
    return marker


def h_maxima_transform(X: Sequence[Tensor]) -> Tensor:
    """Of `[h, image]`, the image without peaks of a height up to h."""
    return ops.h_maxima(X[1], X[0])


def h_minima_transform(X: Sequence[Tensor]) -> Tensor:
    """Of `[h, image]`, the image without pits of a depth up to h."""
    return ops.h_minima(X[1], X[0])


def h_convex_transform(X: Sequence[Tensor]) -> Tensor:
    """Of `[h, image]`, the image minus its h-maxima."""
    return ops.h_convex(X[1], X[0])


def h_concave_transform(X: Sequence[Tensor]) -> Tensor:
    """Of `[h, image]`, the h-minima minus the image."""
    return ops.h_concave(X[1], X[0])


def get_lines(sw: int) -> Any:
    """The `2 sw - 2` lines through the centre of a square of `sw` x `sw`, as 0-1 masks on axis 2.

    From each pixel of the left side, top to bottom, and then of the upper side without its corners
    a line goes to the pixel opposite. Each is symmetric. `sw` is odd.
    """
    if sw < 3 or sw % 2 == 0:
        raise ValueError(f"get_lines: expected an odd size of at least 3, found {sw}")
    centre = sw // 2
    ends = [(i, 0) for i in range(sw)] + [(0, i) for i in range(1, sw - 1)]
    lines = np.zeros((sw, sw, len(ends)), np.float32)
    for n, end in enumerate(ends):
        dy, dx = end[0] - centre, end[1] - centre
        for t in range(-centre, centre + 1):
            row, column = round(t * dy / centre), round(t * dx / centre)
            lines[centre + row, centre + column, n] = 1.0
    return lines


def _register(kind: Any) -> Any:
    return keras.saving.register_keras_serializable(package="morphograd")(kind)


def _feasible(initializer: Any, constraint: Any) -> Any:
    """An initializer whose values are projected."""
    if constraint is None:
        return initializer
    return lambda shape, dtype=None: constraint(initializer(shape, dtype=dtype))


def _channels(name: str, shape: Sequence[int | None]) -> int:
    if len(shape) != 4 or shape[-1] is None:
        raise ValueError(
            f"{name}: expected images (batch, height, width, channels) with a known number of "
            f"channels, found {tuple(shape)}"
        )
    return shape[-1]


_OPERATORS: dict[str, Callable[..., Tensor]] = {
    name: getattr(ops, name) for name in ops.__all__ if name.endswith("2d")
}
_INTEGRATORS: dict[str, Callable[..., Tensor]] = {
    "sum": k.sum,
    "mean": k.mean,
    "max": k.max,
    "min": k.min,
}


def _named(
    what: str, value: Any, table: dict[str, Callable[..., Tensor]]
) -> tuple[str, Callable[..., Tensor]]:
    """The name and the function of a function of `table`, by either; or of a registered one."""
    name = value if isinstance(value, str) else getattr(value, "__name__", "")
    short = name.removeprefix("reduce_")
    if short in table:
        return short, table[short]
    registered = keras.saving.get_registered_object(name) if isinstance(value, str) else value
    if not callable(registered):
        raise ValueError(f"{what}: expected a function or one of {sorted(table)}, found {value!r}")
    return keras.saving.get_registered_name(registered), registered


class _Window2D(keras.layers.Layer):  # type: ignore[misc]
    """What all layers with a window have: its geometry, the border, the rule at ties."""

    def __init__(
        self,
        kernel_size: Pair,
        strides: Pair,
        padding: str,
        dilation_rate: Pair,
        *,
        mode: str = "ignore",
        cval: float = 0.0,
        ties: str = "first",
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.kernel_size = pair("kernel_size", kernel_size)
        self.strides = pair("strides", strides)
        self.padding = str(padding).lower()
        self.dilation_rate = pair("dilation_rate", dilation_rate)
        if self.padding not in ("valid", "same", "same-mirrored"):
            raise ValueError(f"padding: expected valid, same or same-mirrored, found {padding!r}")
        self.mode, self.cval, self.ties = mode, cval, ties
        self.supports_jit = supports_jit()

    def _window(self, training: bool | None, *, keep: bool = True) -> Config:
        """The arguments of an operator; outside training nothing is kept for a backward pass."""
        return {
            "strides": self.strides,
            "padding": self.padding,
            "rates": self.dilation_rate,
            "mode": self.mode,
            "cval": self.cval,
            "ties": self.ties,
            "save": keep and training is not False,
        }

    def _spatial(self, shape: Shape, times: int = 1) -> Shape:
        """Height and width of the output; `times` windows with valid padding shrink more."""
        size = shape[1:3]
        for n in range(times):
            strides = self.strides if n == times - 1 else (1, 1)
            size = spatial(size, self.kernel_size, strides, self.dilation_rate, self.padding)
        return size

    def _add(self, name: str, shape: Shape, what: str) -> Any:
        """A weight whose settings are `{what}_initializer` and so on."""
        constraint = getattr(self, f"{what}_constraint")
        return self.add_weight(
            shape=shape,
            initializer=_feasible(getattr(self, f"{what}_initializer"), constraint),
            constraint=constraint,
            regularizer=getattr(self, f"{what}_regularizer"),
            name=name,
        )

    def _settings(self, what: str, initializer: Any, constraint: Any, regularizer: Any) -> None:
        setattr(self, f"{what}_initializer", keras.initializers.get(initializer))
        setattr(self, f"{what}_constraint", keras.constraints.get(constraint))
        setattr(self, f"{what}_regularizer", keras.regularizers.get(regularizer))

    def _described(self, what: str, regularizer: str) -> Config:
        return {
            f"{what}_initializer": keras.initializers.serialize(
                getattr(self, f"{what}_initializer")
            ),
            f"{what}_constraint": keras.constraints.serialize(getattr(self, f"{what}_constraint")),
            regularizer: keras.regularizers.serialize(getattr(self, f"{what}_regularizer")),
        }

    def get_config(self) -> Config:
        config: Config = super().get_config()
        return config | {
            "kernel_size": self.kernel_size,
            "strides": self.strides,
            "padding": self.padding,
            "dilation_rate": self.dilation_rate,
            "mode": self.mode,
            "cval": self.cval,
            "ties": self.ties,
        }


class _Filters2D(_Window2D):
    """Layers with kernels (kh, kw, channels, filters) and no bias."""

    def __init__(
        self,
        num_filters: int,
        kernel_size: Pair,
        strides: Pair = (1, 1),
        padding: str = "same",
        dilation_rate: Pair = (1, 1),
        kernel_initializer: Any = "zeros",
        kernel_constraint: Any = None,
        kernel_regularization: Any = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(kernel_size, strides, padding, dilation_rate, **kwargs)
        self.num_filters = num_filters
        self._settings("kernel", kernel_initializer, kernel_constraint, kernel_regularization)

    def _kernel_shape(self, channels: int) -> Shape:
        return (*self.kernel_size, channels, self.num_filters)

    def build(self, input_shape: Shape) -> None:
        channels = _channels(type(self).__name__, input_shape)
        self.kernel = self._add("kernel", self._kernel_shape(channels), "kernel")

    def get_config(self) -> Config:
        config = super().get_config() | self._described("kernel", "kernel_regularization")
        return config | {"num_filters": self.num_filters}


def _marginal(
    operator: Callable[..., Tensor], x: Tensor, kernels: Sequence[Tensor], rules: Config
) -> Tensor:
    """An operator by each filter of kernels (kh, kw, channels, filters), on each channel.

    All filters are one call: the image is repeated, and the kernels are laid side by side.
    """
    filters = kernels[0].shape[3]
    if filters > 1:
        x = k.tile(x, (1, 1, 1, filters))
    flat = []
    for kernel in kernels:
        kh, kw, channels, _, *rest = kernel.shape
        order = (0, 1, 3, 2, *range(4, 4 + len(rest)))
        flat.append(k.reshape(k.transpose(kernel, order), (kh, kw, filters * channels, *rest)))
    return operator(x, *flat, **rules)


def _split(y: Tensor, *sizes: int) -> Tensor:
    """The last axis as several."""
    return k.reshape(y, (*k.shape(y)[:-1], *sizes))


class _Summed2D(_Filters2D):
    """Layers whose filters merge the channels, with bias and activation."""

    def __init__(
        self,
        num_filters: int,
        kernel_size: Pair,
        strides: Pair = (1, 1),
        padding: str = "same",
        dilation_rate: Pair = (1, 1),
        activation: Any = None,
        use_bias: bool = False,
        kernel_initializer: Any = "zeros",
        kernel_constraint: Any = None,
        kernel_regularization: Any = None,
        bias_initializer: Any = "zeros",
        bias_regularizer: Any = None,
        bias_constraint: Any = None,
        **kwargs: Any,
    ) -> None:
        settings = kernel_initializer, kernel_constraint, kernel_regularization
        window = strides, padding, dilation_rate
        super().__init__(num_filters, kernel_size, *window, *settings, **kwargs)
        self.activation = keras.activations.get(activation)
        self.use_bias = use_bias
        self._settings("bias", bias_initializer, bias_constraint, bias_regularizer)

    def build(self, input_shape: Shape) -> None:
        super().build(input_shape)
        self.bias = self._add("bias", (self.num_filters,), "bias") if self.use_bias else None

    def _merged(self, x: Tensor, window: Config) -> Tensor:
        raise NotImplementedError

    def call(self, x: Tensor, training: bool | None = None) -> Tensor:
        y = self._merged(x, self._window(training))
        if self.bias is not None:
            y = y + k.convert_to_tensor(self.bias)
        return self.activation(y)

    def compute_output_shape(self, input_shape: Shape) -> Shape:
        return (input_shape[0], *self._spatial(input_shape), self.num_filters)

    def get_config(self) -> Config:
        config = super().get_config() | self._described("bias", "bias_regularizer")
        activation = keras.activations.serialize(self.activation)
        return config | {"activation": activation, "use_bias": self.use_bias}


@_register
class Dilation2D(_Summed2D):
    """Learned dilations: filter f is `activation(sum_c dilation(x_c, w[:, :, c, f]) + b_f)`.

    `y[i] = max_d x[i + d] + w[d]`. Weights: `kernel` (kh, kw, channels, filters), and `bias`
    (filters) if asked for.
    """

    def _merged(self, x: Tensor, window: Config) -> Tensor:
        return dilation2d(x, self.kernel, **window)


@_register
class Erosion2D(_Summed2D):
    """Learned erosions: filter f is `activation(sum_c erosion(x_c, w[:, :, c, f]) + b_f)`.

    `y[i] = min_d x[i + d] - w[k - 1 - d]`. Weights as those of `Dilation2D`.
    """

    def _merged(self, x: Tensor, window: Config) -> Tensor:
        return erosion2d(x, self.kernel, **window)


@_register
class DilationSE2D(_Summed2D):
    """Learned dilations on the support of a structuring element; by default a disk of radius 1.

    Off the support the kernel takes no part, whatever its entries are, and gets no gradient.
    """

    def __init__(
        self,
        num_filters: int,
        structuring_element: Any = None,
        strides: Pair = (1, 1),
        padding: str = "same",
        dilation_rate: Pair = (1, 1),
        **kwargs: Any,
    ) -> None:
        element = footprints.disk(1) if structuring_element is None else structuring_element
        self.structuring_element = np.asarray(element) != 0
        if self.structuring_element.ndim != 2:
            raise ValueError(
                "structuring_element: expected an array of 2 axes, found "
                f"{self.structuring_element.ndim}"
            )
        size = self.structuring_element.shape
        super().__init__(num_filters, size, strides, padding, dilation_rate, **kwargs)

    def _merged(self, x: Tensor, window: Config) -> Tensor:
        kernel = k.convert_to_tensor(self.kernel)
        on = k.convert_to_tensor(self.structuring_element[:, :, None, None])
        kernel = where(on, kernel, k.cast(-float("inf"), kernel.dtype))
        return dilation2d(x, kernel, **window)

    def get_config(self) -> Config:
        config = super().get_config()
        del config["kernel_size"]
        return config | {"structuring_element": self.structuring_element.astype(int).tolist()}


@_register
class IntegratorofOperator2D(_Summed2D):
    """An operator on each channel, then a function over the channels, for each filter.

    `operator` is a function of `morphograd.keras.ops` or its name, `integrator` a function with an
    argument `axis` or one of `sum`, `mean`, `max`, `min`. Others have to be registered with
    `keras.saving` to be saved.
    """

    def __init__(
        self,
        num_filters: int,
        kernel_size: Pair,
        strides: Pair = (1, 1),
        padding: str = "same",
        dilation_rate: Pair = (1, 1),
        activation: Any = None,
        use_bias: bool = True,
        kernel_initializer: Any = "zeros",
        kernel_constraint: Any = None,
        kernel_regularization: Any = None,
        bias_initializer: Any = "zeros",
        bias_regularizer: Any = None,
        bias_constraint: Any = None,
        integrator: Any = "sum",
        operator: Any = "dilation2d",
        **kwargs: Any,
    ) -> None:
        super().__init__(
            num_filters,
            kernel_size,
            strides,
            padding,
            dilation_rate,
            activation,
            use_bias,
            kernel_initializer,
            kernel_constraint,
            kernel_regularization,
            bias_initializer,
            bias_regularizer,
            bias_constraint,
            **kwargs,
        )
        self._operator_name, self.operator = _named("operator", operator, _OPERATORS)
        self._integrator_name, self.integrator = _named("integrator", integrator, _INTEGRATORS)

    def _merged(self, x: Tensor, window: Config) -> Tensor:
        y = _marginal(self.operator, x, [k.convert_to_tensor(self.kernel)], window)
        return self.integrator(_split(y, self.num_filters, x.shape[-1]), axis=-1)

    def compute_output_shape(self, input_shape: Shape) -> Shape:
        times = 2 if self.operator in (opening2d, closing2d) else 1
        return (input_shape[0], *self._spatial(input_shape, times), self.num_filters)

    def get_config(self) -> Config:
        names = {"operator": self._operator_name, "integrator": self._integrator_name}
        return super().get_config() | names


class _Extreme2D(_Filters2D):
    """The largest erosion or the least dilation."""

    _each_filter = False
    _operator: Callable[..., Tensor]
    _extreme: Callable[..., Tensor]

    def __init__(
        self,
        num_filters: int,
        kernel_size: Pair,
        strides: Pair = (1, 1),
        padding: str = "same",
        dilation_rate: Pair = (1, 1),
        kernel_initializer: Any = "glorot_uniform",
        kernel_constraint: Any = None,
        kernel_regularization: Any = None,
        **kwargs: Any,
    ) -> None:
        settings = kernel_initializer, kernel_constraint, kernel_regularization
        window = strides, padding, dilation_rate
        super().__init__(num_filters, kernel_size, *window, *settings, **kwargs)

    def call(self, x: Tensor, training: bool | None = None) -> Tensor:
        kernel = k.convert_to_tensor(self.kernel)
        y = _marginal(type(self)._operator, x, [kernel], self._window(training))
        if self._each_filter:
            return type(self)._extreme(_split(y, self.num_filters, x.shape[-1]), axis=-1)
        return type(self)._extreme(y, axis=-1, keepdims=True)

    def compute_output_shape(self, input_shape: Shape) -> Shape:
        channels = self.num_filters if self._each_filter else 1
        return (input_shape[0], *self._spatial(input_shape), channels)


@_register
class MaxofErosions2D(_Extreme2D):
    """The largest of all erosions, of every channel by every filter: one channel."""

    _operator, _extreme = staticmethod(erosion2d), staticmethod(k.max)


@_register
class MinofDilations2D(_Extreme2D):
    """The least of all dilations, of every channel by every filter: one channel."""

    _operator, _extreme = staticmethod(dilation2d), staticmethod(k.min)


@_register
class MaxofErosions2D_old(MaxofErosions2D):
    """For each filter, the largest of the erosions of the channels."""

    _each_filter = True


@_register
class MinofDilations2D_old(MinofDilations2D):
    """For each filter, the least of the dilations of the channels."""

    _each_filter = True


class _Marginal2D(_Filters2D):
    """An operator by each filter on each channel; channel `f * channels + c`."""

    _operator: Callable[..., Tensor]
    _times = 1

    def _kernels(self) -> list[Tensor]:
        return [k.convert_to_tensor(self.kernel)]

    def _rules(self, training: bool | None) -> Config:
        return self._window(training)

    def call(self, x: Tensor, training: bool | None = None) -> Tensor:
        return _marginal(type(self)._operator, x, self._kernels(), self._rules(training))

    def compute_output_shape(self, input_shape: Shape) -> Shape:
        channels = _channels(type(self).__name__, input_shape) * self.num_filters
        return (input_shape[0], *self._spatial(input_shape, self._times), channels)


@_register
class Opening2D(_Marginal2D):
    """The opening of each channel by each filter: erosion, then dilation."""

    _operator, _times = staticmethod(opening2d), 2


@_register
class Closing2D(_Marginal2D):
    """The closing of each channel by each filter: dilation, then erosion."""

    _operator, _times = staticmethod(closing2d), 2


@_register
class TopHatOpening2D(_Marginal2D):
    """Each channel minus its opening; padding same and strides 1."""

    _operator = staticmethod(ops.white_tophat2d)


@_register
class TopHatClosing2D(_Marginal2D):
    """The closing of each channel minus the channel; padding same and strides 1."""

    _operator = staticmethod(ops.black_tophat2d)


@_register
class Gradient2D(_Marginal2D):
    """The dilation of each channel minus its erosion."""

    _operator = staticmethod(gradient2d)


@_register
class InternalGradient2D(_Marginal2D):
    """Each channel minus its erosion; padding same and strides 1."""

    _operator = staticmethod(ops.internal_gradient2d)


@_register
class ExternalGradient2D(_Marginal2D):
    """The dilation of each channel minus the channel; padding same and strides 1."""

    _operator = staticmethod(ops.external_gradient2d)


@_register
class Antidilation2D(_Marginal2D):
    """The dilation of each negated channel."""

    _operator = staticmethod(ops.anti_dilation2d)


@_register
class Antierosion2D(_Marginal2D):
    """The erosion of each negated channel. (In morpholayers the channel is not negated.)"""

    _operator = staticmethod(ops.anti_erosion2d)


@_register
class MorphoAverage2D(_Marginal2D):
    """Half the sum of dilation and erosion of each channel."""

    _operator = staticmethod(ops.average2d)


@_register
class Probing2D(_Marginal2D):
    """The dilation by one kernel minus the erosion by another: `kernel` has them on a last axis."""

    _operator = staticmethod(ops.probing2d)

    def _kernel_shape(self, channels: int) -> Shape:
        return (*super()._kernel_shape(channels), 2)


@_register
class ToggleMapping2D(_Marginal2D):
    """`steps` times, each pixel becomes its dilation or its erosion, whichever is nearer."""

    _operator = staticmethod(ops.toggle2d)

    def __init__(
        self,
        num_filters: int,
        kernel_size: Pair,
        steps: int = 1,
        strides: Pair = (1, 1),
        padding: str = "same",
        kernel_initializer: Any = "zeros",
        kernel_constraint: Any = None,
        kernel_regularization: Any = None,
        dilation_rate: Pair = (1, 1),
        **kwargs: Any,
    ) -> None:
        settings = kernel_initializer, kernel_constraint, kernel_regularization
        window = strides, padding, dilation_rate
        super().__init__(num_filters, kernel_size, *window, *settings, **kwargs)
        self.steps = steps

    def _rules(self, training: bool | None) -> Config:
        return self._window(training) | {"steps": self.steps}

    def get_config(self) -> Config:
        return super().get_config() | {"steps": self.steps}


class _Quadratic2D(_Window2D):
    """Layers whose kernels are parabolas: `-b (d / (width scale))^2`, d from the centre."""

    _width = 2

    def __init__(
        self,
        num_filters: int,
        kernel_size: Pair,
        strides: Pair = (1, 1),
        padding: str = "same",
        dilation_rate: Pair = (1, 1),
        bias_initializer: Any = None,
        bias_constraint: Any = None,
        bias_regularization: Any = None,
        scale: float = 1,
        **kwargs: Any,
    ) -> None:
        super().__init__(kernel_size, strides, padding, dilation_rate, **kwargs)
        self.num_filters, self.scale = num_filters, scale
        self._settings("bias", bias_initializer, bias_constraint, bias_regularization)

    def build(self, input_shape: Shape) -> None:
        channels = _channels(type(self).__name__, input_shape)
        self.bias = self._add("bias", (channels, self.num_filters), "bias")

    def _parabolas(self, curvature: Tensor) -> Tensor:
        plane = -squared_distance(self.kernel_size) / (self._width * self.scale) ** 2
        return k.cast(plane[:, :, None, None], curvature.dtype) * curvature

    def compute_output_shape(self, input_shape: Shape) -> Shape:
        channels = _channels(type(self).__name__, input_shape) * self.num_filters
        return (input_shape[0], *self._spatial(input_shape), channels)

    def get_config(self) -> Config:
        config = super().get_config() | self._described("bias", "bias_regularization")
        return config | {"num_filters": self.num_filters, "scale": self.scale}


@_register
class QuadraticDilation2D(_Quadratic2D):
    """Dilations of each channel by `-b[c, f] (d / (2 scale))^2`; the weight `bias` is b.

    d is the Euclidean distance from the centre. A constraint such as `NonNegative` keeps parabolas
    concave.
    """

    _operator: Callable[..., Tensor] = staticmethod(dilation2d)

    def __init__(
        self,
        num_filters: int,
        kernel_size: Pair,
        strides: Pair = (1, 1),
        padding: str = "same",
        dilation_rate: Pair = (1, 1),
        bias_initializer: Any = None,
        bias_constraint: Any = None,
        bias_regularization: Any = None,
        scale: float = 4,
        **kwargs: Any,
    ) -> None:
        if bias_initializer is None:
            bias_initializer = keras.initializers.RandomUniform(0.1, 1.0)
        settings = bias_initializer, bias_constraint, bias_regularization, scale
        window = strides, padding, dilation_rate
        super().__init__(num_filters, kernel_size, *window, *settings, **kwargs)

    def call(self, x: Tensor, training: bool | None = None) -> Tensor:
        kernel = self._parabolas(k.convert_to_tensor(self.bias))
        return _marginal(type(self)._operator, x, [kernel], self._window(training))


@_register
class QuadraticAverage2D(QuadraticDilation2D):
    """Half the sum of dilation and erosion of each channel by such parabolas."""

    _operator = staticmethod(ops.average2d)

    def __init__(
        self,
        num_filters: int,
        kernel_size: Pair,
        strides: Pair = (1, 1),
        padding: str = "same",
        dilation_rate: Pair = (1, 1),
        bias_initializer: Any = "ones",
        bias_constraint: Any = None,
        bias_regularization: Any = None,
        scale: float = 1,
        **kwargs: Any,
    ) -> None:
        settings = bias_initializer, bias_constraint, bias_regularization, scale
        window = strides, padding, dilation_rate
        super().__init__(num_filters, kernel_size, *window, *settings, **kwargs)


class _LasryLions2D(_Quadratic2D):
    _width = 4
    _operator: Callable[..., Tensor]

    def __init__(
        self,
        num_filters: int,
        kernel_size: Pair,
        strides: Pair = (1, 1),
        padding: str = "same",
        dilation_rate: Pair = (1, 1),
        bias_initializer: Any = None,
        bias_initializer_bis: Any = None,
        bias_constraint: Any = None,
        bias_constraint_bis: Any = "unit",
        bias_regularization: Any = None,
        bias_regularization_bis: Any = None,
        scale: float = 5,
        **kwargs: Any,
    ) -> None:
        uniform = keras.initializers.RandomUniform
        first = uniform(0.75, 1.25) if bias_initializer is None else bias_initializer
        settings = first, bias_constraint, bias_regularization, scale
        window = strides, padding, dilation_rate
        super().__init__(num_filters, kernel_size, *window, *settings, **kwargs)
        second = uniform(0.5, 0.9) if bias_initializer_bis is None else bias_initializer_bis
        unit = ZeroToOne() if bias_constraint_bis == "unit" else bias_constraint_bis
        self._settings("bias_bis", second, unit, bias_regularization_bis)

    def build(self, input_shape: Shape) -> None:
        super().build(input_shape)
        self.bias_bis = self._add("bias_bis", self.bias.shape, "bias_bis")

    def call(self, x: Tensor, training: bool | None = None) -> Tensor:
        steep, ratio = k.convert_to_tensor(self.bias), k.convert_to_tensor(self.bias_bis)
        kernels = [self._parabolas(steep * ratio), self._parabolas(steep)]
        return _marginal(type(self)._operator, x, kernels, self._window(training))

    def compute_output_shape(self, input_shape: Shape) -> Shape:
        channels = _channels(type(self).__name__, input_shape) * self.num_filters
        return (input_shape[0], *self._spatial(input_shape, 2), channels)

    def get_config(self) -> Config:
        bis = self._described("bias_bis", "regularization")
        return super().get_config() | {
            "bias_initializer_bis": bis["bias_bis_initializer"],
            "bias_constraint_bis": bis["bias_bis_constraint"],
            "bias_regularization_bis": bis["regularization"],
        }


@_register
class LasryLionsDE(_LasryLions2D):
    """A dilation by a flat parabola, then an erosion by a steeper one.

    The steep parabola is `-b (d / (4 scale))^2`, the flat one has the curvature `b c`; the weights
    `bias` and `bias_bis` are b and c, which is kept in [0, 1]. (The layer never runs in
    morpholayers.)
    """

    _operator = staticmethod(ops.lasry_lions_upper2d)


@_register
class LasryLionsED(_LasryLions2D):
    """An erosion by a flat parabola, then a dilation by a steeper one; see `LasryLionsDE`."""

    _operator = staticmethod(ops.lasry_lions_lower2d)


class _Depthwise2D(_Window2D):
    """Layers with kernels (kh, kw, channels, multiplier); channel `m * channels + c`."""

    _operator: Callable[..., Tensor]

    def __init__(
        self,
        kernel_size: Pair,
        depth_multiplier: int = 1,
        strides: Pair = (1, 1),
        padding: str = "same",
        dilation_rate: Pair = (1, 1),
        kernel_initializer: Any = "zeros",
        kernel_constraint: Any = None,
        kernel_regularization: Any = None,
        shared: bool = False,
        **kwargs: Any,
    ) -> None:
        super().__init__(kernel_size, strides, padding, dilation_rate, **kwargs)
        self.depth_multiplier, self.shared = depth_multiplier, shared
        self._settings("kernel", kernel_initializer, kernel_constraint, kernel_regularization)

    def build(self, input_shape: Shape) -> None:
        channels = _channels(type(self).__name__, input_shape)
        each = () if self.shared else (channels,)
        shape = (*self.kernel_size, *each, self.depth_multiplier)
        self.kernel2D = self._add("kernel2D", shape, "kernel")

    def call(self, x: Tensor, training: bool | None = None) -> Tensor:
        kernel = k.convert_to_tensor(self.kernel2D)
        if self.shared:
            kernel = k.repeat(k.expand_dims(kernel, 2), x.shape[-1], axis=2)
        return _marginal(type(self)._operator, x, [kernel], self._window(training))

    def compute_output_shape(self, input_shape: Shape) -> Shape:
        channels = _channels(type(self).__name__, input_shape) * self.depth_multiplier
        return (input_shape[0], *self._spatial(input_shape), channels)

    def get_config(self) -> Config:
        config = super().get_config() | self._described("kernel", "kernel_regularization")
        return config | {"depth_multiplier": self.depth_multiplier, "shared": self.shared}


@_register
class DepthwiseDilation2D(_Depthwise2D):
    """`depth_multiplier` dilations of each channel; `shared` kernels are those of all channels.

    Weights: `kernel2D` (kh, kw, channels, multiplier), or (kh, kw, multiplier).
    """

    _operator = staticmethod(dilation2d)


@_register
class DepthwiseErosion2D(_Depthwise2D):
    """`depth_multiplier` erosions of each channel; `shared` kernels are those of all channels."""

    _operator = staticmethod(erosion2d)


@_register
class DepthwiseOperator2D(_Depthwise2D):
    """Any operator of `morphograd.keras.ops` on each channel, with bias and activation."""

    def __init__(
        self,
        kernel_size: Pair,
        depth_multiplier: int = 1,
        strides: Pair = (1, 1),
        padding: str = "same",
        dilation_rate: Pair = (1, 1),
        activation: Any = None,
        use_bias: bool = True,
        kernel_initializer: Any = "zeros",
        kernel_constraint: Any = None,
        kernel_regularization: Any = None,
        bias_initializer: Any = "zeros",
        bias_regularizer: Any = None,
        bias_constraint: Any = None,
        shared: bool = False,
        operator: Any = "dilation2d",
        **kwargs: Any,
    ) -> None:
        super().__init__(
            kernel_size,
            depth_multiplier,
            strides,
            padding,
            dilation_rate,
            kernel_initializer,
            kernel_constraint,
            kernel_regularization,
            shared,
            **kwargs,
        )
        self.activation = keras.activations.get(activation)
        self.use_bias = use_bias
        self._settings("bias", bias_initializer, bias_constraint, bias_regularizer)
        self._operator_name, self.operator = _named("operator", operator, _OPERATORS)

    def build(self, input_shape: Shape) -> None:
        super().build(input_shape)
        outputs = _channels(type(self).__name__, input_shape) * self.depth_multiplier
        self.bias = self._add("bias", (outputs,), "bias") if self.use_bias else None

    def call(self, x: Tensor, training: bool | None = None) -> Tensor:
        kernel = k.convert_to_tensor(self.kernel2D)
        if self.shared:
            kernel = k.repeat(k.expand_dims(kernel, 2), x.shape[-1], axis=2)
        y = _marginal(self.operator, x, [kernel], self._window(training))
        if self.bias is not None:
            y = y + k.convert_to_tensor(self.bias)
        return self.activation(y)

    def compute_output_shape(self, input_shape: Shape) -> Shape:
        times = 2 if self.operator in (opening2d, closing2d) else 1
        channels = _channels(type(self).__name__, input_shape) * self.depth_multiplier
        return (input_shape[0], *self._spatial(input_shape, times), channels)

    def get_config(self) -> Config:
        config = super().get_config() | self._described("bias", "bias_regularizer")
        activation = keras.activations.serialize(self.activation)
        names = {"activation": activation, "operator": self._operator_name}
        return config | names | {"use_bias": self.use_bias}


@_register
class DepthwiseDilationLines2D(_Window2D):
    """A dilation of each channel on each of the lines of `get_lines`; channel `c * lines + line`.

    Off its line a kernel takes no part. The weight `kernel` is (size, size, lines), shared by the
    channels; `bias` is (channels * lines).
    """

    def __init__(
        self,
        kernel_size: Pair,
        strides: Pair = (1, 1),
        padding: str = "same",
        dilation_rate: Pair = (1, 1),
        activation: Any = None,
        use_bias: bool = True,
        kernel_initializer: Any = "zeros",
        kernel_constraint: Any = None,
        kernel_regularization: Any = None,
        bias_initializer: Any = "zeros",
        bias_regularizer: Any = None,
        bias_constraint: Any = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(kernel_size, strides, padding, dilation_rate, **kwargs)
        if self.kernel_size[0] != self.kernel_size[1]:
            raise ValueError(f"kernel_size: expected a square, found {self.kernel_size}")
        self.lines = get_lines(self.kernel_size[0])
        self.activation = keras.activations.get(activation)
        self.use_bias = use_bias
        self._settings("kernel", kernel_initializer, kernel_constraint, kernel_regularization)
        self._settings("bias", bias_initializer, bias_constraint, bias_regularizer)

    def build(self, input_shape: Shape) -> None:
        channels = _channels(type(self).__name__, input_shape)
        self.kernel = self._add("kernel", self.lines.shape, "kernel")
        outputs = channels * self.lines.shape[2]
        self.bias = self._add("bias", (outputs,), "bias") if self.use_bias else None

    def call(self, x: Tensor, training: bool | None = None) -> Tensor:
        channels, lines = x.shape[-1], self.lines.shape[2]
        kernel = k.convert_to_tensor(self.kernel)
        on = k.convert_to_tensor(self.lines != 0)
        kernel = where(on, kernel, k.cast(-float("inf"), kernel.dtype))
        y = dilation2d(
            k.repeat(x, lines, axis=-1), k.tile(kernel, (1, 1, channels)), **self._window(training)
        )
        if self.bias is not None:
            y = y + k.convert_to_tensor(self.bias)
        return self.activation(y)

    def compute_output_shape(self, input_shape: Shape) -> Shape:
        channels = _channels(type(self).__name__, input_shape) * self.lines.shape[2]
        return (input_shape[0], *self._spatial(input_shape), channels)

    def get_config(self) -> Config:
        config = super().get_config() | self._described("kernel", "kernel_regularization")
        config |= self._described("bias", "bias_regularizer")
        activation = keras.activations.serialize(self.activation)
        return config | {"activation": activation, "use_bias": self.use_bias}


class _Separable2D(_Filters2D):
    """Layers with a spatial stage and one across the channels, which share their settings.

    The weights are `kernel2D` and `kernelDepth`.
    """

    _dilates = True

    def __init__(
        self,
        num_filters: int,
        kernel_size: Pair,
        strides: Pair = (1, 1),
        padding: str = "same",
        dilation_rate: Pair = (1, 1),
        kernel_initializer: Any = "zeros",
        kernel_constraint: Any = None,
        kernel_regularization: Any = None,
        shared: bool = False,
        **kwargs: Any,
    ) -> None:
        settings = kernel_initializer, kernel_constraint, kernel_regularization
        window = strides, padding, dilation_rate
        super().__init__(num_filters, kernel_size, *window, *settings, **kwargs)
        self.shared = shared

    def _across(self, x: Tensor, weights: Tensor) -> Tensor:
        """`max_c x_c + w[c, m]`, or `min_c x_c - w[c, m]`, on the last axis."""
        channels, multiples = weights.shape
        rows = k.reshape(x, (-1, channels))
        if self._dilates:
            y = ops.max_plus(rows, weights, ties=self.ties)
        else:
            y = ops.min_plus(rows, -weights, ties=self.ties)
        return k.reshape(y, (*k.shape(x)[:-1], multiples))

    def get_config(self) -> Config:
        return super().get_config() | {"shared": self.shared}


@_register
class SeparableDilation2D(_Separable2D):
    """`max_c v[c, m] + dilation(x_c, w[:, :, c, f])`; channel `f * multiplier + m`.

    The weights are w, `kernel2D` (kh, kw, channels, filters), without the channels if `shared`, and
    v, `kernelDepth` (channels, multiplier), which all filters share. The activation is applied; in
    morpholayers it is ignored.
    """

    def __init__(
        self,
        num_filters: int,
        kernel_size: Pair,
        depth_multiplier: int = 1,
        strides: Pair = (1, 1),
        padding: str = "same",
        dilation_rate: Pair = (1, 1),
        activation: Any = None,
        kernel_initializer: Any = "zeros",
        kernel_constraint: Any = None,
        kernel_regularization: Any = None,
        shared: bool = False,
        **kwargs: Any,
    ) -> None:
        settings = kernel_initializer, kernel_constraint, kernel_regularization, shared
        window = strides, padding, dilation_rate
        super().__init__(num_filters, kernel_size, *window, *settings, **kwargs)
        self.depth_multiplier = depth_multiplier
        self.activation = keras.activations.get(activation)

    def build(self, input_shape: Shape) -> None:
        channels = _channels(type(self).__name__, input_shape)
        each = () if self.shared else (channels,)
        shape = (*self.kernel_size, *each, self.num_filters)
        self.kernel2D = self._add("kernel2D", shape, "kernel")
        self.kernelDepth = self._add("kernelDepth", (channels, self.depth_multiplier), "kernel")

    def call(self, x: Tensor, training: bool | None = None) -> Tensor:
        kernel = k.convert_to_tensor(self.kernel2D)
        if self.shared:
            kernel = k.repeat(k.expand_dims(kernel, 2), x.shape[-1], axis=2)
        operator = dilation2d if self._dilates else erosion2d
        y = _marginal(operator, x, [kernel], self._window(training))
        y = _split(y, self.num_filters, x.shape[-1])
        y = self._across(y, k.convert_to_tensor(self.kernelDepth))
        outputs = self.num_filters * self.depth_multiplier
        return self.activation(k.reshape(y, (*k.shape(y)[:-2], outputs)))

    def compute_output_shape(self, input_shape: Shape) -> Shape:
        outputs = self.num_filters * self.depth_multiplier
        return (input_shape[0], *self._spatial(input_shape), outputs)

    def get_config(self) -> Config:
        activation = keras.activations.serialize(self.activation)
        config = super().get_config() | {"activation": activation}
        return config | {"depth_multiplier": self.depth_multiplier}


@_register
class SeparableErosion2D(SeparableDilation2D):
    """`min_c erosion(x_c, w[:, :, c, f]) - v[c, m]`; channel `f * multiplier + m`.

    In morpholayers it is the maximum of `erosion + v`.
    """

    _dilates = False


@_register
class BSDilation2D(_Separable2D):
    """`dilation(max_c (x_c + v[c, f]), w[:, :, f])`: first across the channels, then in space.

    The weights are w, `kernel2D` (kh, kw, filters), or (kh, kw, 1) if `shared`, and v,
    `kernelDepth` (channels, filters).
    """

    def build(self, input_shape: Shape) -> None:
        channels = _channels(type(self).__name__, input_shape)
        shape = (*self.kernel_size, 1 if self.shared else self.num_filters)
        self.kernel2D = self._add("kernel2D", shape, "kernel")
        self.kernelDepth = self._add("kernelDepth", (channels, self.num_filters), "kernel")

    def call(self, x: Tensor, training: bool | None = None) -> Tensor:
        y = self._across(x, k.convert_to_tensor(self.kernelDepth))
        kernel = k.convert_to_tensor(self.kernel2D)
        if self.shared:
            kernel = k.repeat(kernel, self.num_filters, axis=2)
        operator = dilation2d if self._dilates else erosion2d
        return operator(y, kernel, **self._window(training))

    def compute_output_shape(self, input_shape: Shape) -> Shape:
        return (input_shape[0], *self._spatial(input_shape), self.num_filters)


@_register
class BSErosion2D(BSDilation2D):
    """`erosion(min_c (x_c - v[c, f]), w[:, :, f])`: first across the channels, then in space."""

    _dilates = False


@_register
class SeparableDilation3D(_Window2D):
    """A dilation in space, the same for all channels, then one along the channels.

    `kernel_size` is (kh, kw, kc). The weights are `kernel2D` (kh, kw, 1) and `kernelDepth`
    (kc, 1, 1). Along the channels the padding is same, in space too.
    """

    def __init__(
        self,
        kernel_size: Sequence[int],
        depth_multiplier: int = 1,
        strides: Pair = (1, 1),
        padding: str = "same",
        dilation_rate: Pair = (1, 1),
        kernel_initializer: Any = "glorot_uniform",
        kernel_constraint: Any = None,
        kernel_regularization: Any = None,
        **kwargs: Any,
    ) -> None:
        sizes = tuple(kernel_size)
        if len(sizes) != 3:
            raise ValueError(f"kernel_size: expected three numbers, found {kernel_size!r}")
        if str(padding).lower() != "same" or depth_multiplier != 1:
            raise ValueError(
                "SeparableDilation3D: expected padding same and depth_multiplier 1, found "
                f"{padding} and {depth_multiplier}"
            )
        super().__init__(sizes[:2], strides, padding, dilation_rate, **kwargs)
        self.depth = sizes[2]
        self._settings("kernel", kernel_initializer, kernel_constraint, kernel_regularization)

    def build(self, input_shape: Shape) -> None:
        _channels(type(self).__name__, input_shape)
        self.kernel2D = self._add("kernel2D", (*self.kernel_size, 1), "kernel")
        self.kernelDepth = self._add("kernelDepth", (self.depth, 1, 1), "kernel")

    def call(self, x: Tensor, training: bool | None = None) -> Tensor:
        channels, rules = x.shape[-1], self._window(training)
        y = dilation2d(x, k.repeat(k.convert_to_tensor(self.kernel2D), channels, axis=2), **rules)
        batch, height, width, _ = k.shape(y)
        # The channels as rows of an image of one column and one channel.
        rows = k.reshape(y, (-1, channels, 1, 1))
        rules |= {"strides": 1, "rates": 1}
        z = dilation2d(rows, k.convert_to_tensor(self.kernelDepth), **rules)
        return k.reshape(z, (batch, height, width, channels))

    def compute_output_shape(self, input_shape: Shape) -> Shape:
        return (input_shape[0], *self._spatial(input_shape), input_shape[-1])

    def get_config(self) -> Config:
        config = super().get_config() | self._described("kernel", "kernel_regularization")
        return config | {"kernel_size": (*self.kernel_size, self.depth)}


@_register
class BiasLayer(keras.layers.Layer):  # type: ignore[misc]
    """`x + b`, with a bias for each pixel and channel."""

    def build(self, input_shape: Shape) -> None:
        if None in input_shape[1:]:
            raise ValueError(f"BiasLayer: expected images of a known size, found {input_shape}")
        self.bias = self.add_weight(shape=input_shape[1:], initializer="zeros", name="bias")

    def call(self, x: Tensor) -> Tensor:
        return x + k.convert_to_tensor(self.bias)

    def compute_output_shape(self, input_shape: Shape) -> Shape:
        return input_shape


class _Pooling2D(keras.layers.Layer):  # type: ignore[misc]
    _mixes = False

    def __init__(
        self,
        pool_size: Pair,
        strides: Pair | None = None,
        padding: str = "valid",
        data_format: str | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.pool_size = pair("pool_size", pool_size)
        self.strides = self.pool_size if strides is None else pair("strides", strides)
        self.padding = str(padding).lower()
        self.data_format = keras.config.image_data_format() if data_format is None else data_format
        if self._mixes:
            self.alpha_constraint = ZeroToOne()

    def build(self, input_shape: Shape) -> None:
        if self._mixes:
            half = keras.initializers.Constant(0.5)
            self.alpha = self.add_weight(
                shape=(1,), initializer=half, constraint=self.alpha_constraint, name="alpha"
            )

    def _window(self) -> Config:
        return {
            "pool_size": self.pool_size,
            "strides": self.strides,
            "padding": self.padding,
            "data_format": self.data_format,
        }

    def _max(self, x: Tensor) -> Tensor:
        return k.max_pool(x, **self._window())

    def _min(self, x: Tensor) -> Tensor:
        return -k.max_pool(-x, **self._window())

    def _mixed(self, first: Tensor, second: Tensor) -> Tensor:
        alpha = k.cast(k.convert_to_tensor(self.alpha), first.dtype)
        return alpha * first + (1 - alpha) * second

    def compute_output_shape(self, input_shape: Shape) -> Shape:
        last = self.data_format == "channels_last"
        size = input_shape[1:3] if last else input_shape[2:4]
        size = spatial(size, self.pool_size, self.strides, (1, 1), self.padding)
        if last:
            return (input_shape[0], *size, input_shape[3])
        return (*input_shape[:2], *size)

    def get_config(self) -> Config:
        config: Config = super().get_config()
        return config | self._window()


@_register
class MinPooling2D(_Pooling2D):
    """The minimum of each window."""

    def call(self, x: Tensor) -> Tensor:
        return self._min(x)


@_register
class GradPooling2D(_Pooling2D):
    """The maximum minus the minimum of each window."""

    def call(self, x: Tensor) -> Tensor:
        return self._max(x) - self._min(x)


@_register
class MixedPooling2D(_Pooling2D):
    """`a max + (1 - a) mean` of each window; the weight `alpha` is trained, and kept in [0, 1].

    With Keras 3 it is not trained in morpholayers.
    """

    _mixes = True

    def call(self, x: Tensor) -> Tensor:
        return self._mixed(self._max(x), k.average_pool(x, **self._window()))


@_register
class MixedMaxMinPooling2D(_Pooling2D):
    """`a max + (1 - a) min` of each window; the weight `alpha` is trained, and kept in [0, 1]."""

    _mixes = True

    def call(self, x: Tensor) -> Tensor:
        return self._mixed(self._max(x), self._min(x))


def _identity(num_filters: int, kernel_size: Pair, strides: Pair) -> Dilation2D:
    layer = Dilation2D(
        num_filters,
        kernel_size,
        strides=strides,
        padding="valid",
        kernel_initializer=MinusOnesZeroCenter(),
    )
    layer.trainable = False
    return layer


def MorphoEMP2D(input_layer: Tensor, num_filters: int, kernel_size: Pair, strides: Pair) -> Tensor:
    """The image (a frozen dilation by the identity) minus half a dilation and half an erosion."""
    window: Config = {"kernel_size": kernel_size, "strides": strides, "padding": "valid"}
    image = _identity(num_filters, kernel_size, strides)(input_layer)
    above = Dilation2D(num_filters, **window)(input_layer)
    return image - (above + Erosion2D(num_filters, **window)(input_layer)) / 2


def MorphoEMP2DShare(
    input_layer: Tensor, num_filters: int, kernel_size: Pair, strides: Pair
) -> Tensor:
    """As `MorphoEMP2D` with one kernel for dilation and erosion; images of one channel."""
    if input_layer.shape[-1] != 1:
        raise ValueError(
            f"MorphoEMP2DShare: expected images of one channel, found {input_layer.shape[-1]}"
        )
    window: Config = {"kernel_size": kernel_size, "strides": strides, "padding": "valid"}
    image = _identity(num_filters, kernel_size, strides)(input_layer)
    return image - MorphoAverage2D(num_filters, **window)(input_layer)


def SeparableOperator2D(
    x: Tensor,
    num_filters: int,
    kernel_size: Pair,
    operator: Any = "dilation2d",
    integrator: Any = "sum",
    strides: Pair = (1, 1),
    padding: str = "same",
    dilation_rate: Pair = (1, 1),
    kernel_initializer: Any = "zeros",
    kernel_constraint: Any = None,
    kernel_regularization: Any = None,
    bias_initializer: Any = "zeros",
    bias_regularizer: Any = None,
    bias_constraint: Any = None,
    shared: bool = False,
    trainable: bool = True,
) -> Tensor:
    """A `DepthwiseOperator2D` without bias, then an `IntegratorofOperator2D` of 1 x 1."""
    x = DepthwiseOperator2D(
        kernel_size,
        strides=strides,
        padding=padding,
        dilation_rate=dilation_rate,
        use_bias=False,
        kernel_initializer=kernel_initializer,
        kernel_constraint=kernel_constraint,
        kernel_regularization=kernel_regularization,
        shared=shared,
        operator=operator,
        trainable=trainable,
    )(x)
    return IntegratorofOperator2D(
        num_filters,
        (1, 1),
        operator=operator,
        integrator=integrator,
        bias_initializer=bias_initializer,
        bias_regularizer=bias_regularizer,
        bias_constraint=bias_constraint,
    )(x)


def BSOperator2D(
    x: Tensor,
    num_filters: int,
    kernel_size: Pair,
    operator: Any = "dilation2d",
    integrator: Any = "sum",
    strides: Pair = (1, 1),
    padding: str = "same",
    dilation_rate: Pair = (1, 1),
    kernel_initializer: Any = "zeros",
    kernel_constraint: Any = None,
    kernel_regularization: Any = None,
    bias_initializer: Any = "zeros",
    bias_regularizer: Any = None,
    bias_constraint: Any = None,
    shared: bool = False,
    trainable: bool = True,
) -> Tensor:
    """An `IntegratorofOperator2D` of 1 x 1 without bias, then a `DepthwiseOperator2D`."""
    x = IntegratorofOperator2D(
        num_filters, (1, 1), operator=operator, integrator=integrator, use_bias=False
    )(x)
    return DepthwiseOperator2D(
        kernel_size,
        strides=strides,
        padding=padding,
        dilation_rate=dilation_rate,
        kernel_initializer=kernel_initializer,
        kernel_constraint=kernel_constraint,
        kernel_regularization=kernel_regularization,
        bias_initializer=bias_initializer,
        bias_regularizer=bias_regularizer,
        bias_constraint=bias_constraint,
        shared=shared,
        operator=operator,
        trainable=trainable,
    )(x)
