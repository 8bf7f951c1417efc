"""Every set of `morphograd.sets` as a constraint of Keras, and those of morpholayers.

    Dense(10, kernel_constraint=Simplex(axis=0))
    Dilation2D(8, (5, 5), kernel_constraint=InSet(Intersection(Interval(-1, 0), FixedSum(-2))))

A constraint projects on its set: what is inside is left as it is. It works with every layer of
Keras, is saved with a model, and has `violation` for a look at the weights. Layers of
`morphograd.keras` project their first values too; others start where their initializer says.

`axis` names the axes that a group runs along, as in `morphograd.sets`; without it the weight is one
group. Sets of structuring functions act on the plane of the first two axes, so they fit kernels
(kh, kw, channels, filters) as they are.

Bounds (`NonNegative`, `NonPositive`, `Interval`, `Bounds`, `LInfBall`, `ZeroCentre`, `Support`, and
all of morpholayers) are plain operations of Keras, which XLA compiles. Other sets call out of the
graph. On TensorFlow that is an error in a model that was compiled with `jit_compile=True`; Keras'
default is no problem on a processor. JAX and PyTorch need nothing.

Those that only repeat a map of Keras (`MaxNorm`, `MinMaxNorm`, `UnitNorm`) are in
`keras.constraints`.
"""

from __future__ import annotations

import dataclasses
import inspect
from typing import TYPE_CHECKING, Any

import keras
import numpy as np
from keras import ops as k

from .. import footprints, sets
from ._backend import apply_numpy, maximum, minimum, where

Tensor = Any

_PACKAGE = "morphograd"
_KERAS_HAS = ("MaxNorm", "MinMaxNorm", "UnitNorm")


def _encode(value: Any) -> Any:
    """A field of a set, as JSON has it."""
    if isinstance(value, sets.Set):
        described = {f.name: _encode(getattr(value, f.name)) for f in _fields(value)}
        return {"set": type(value).__name__, "fields": described}
    if isinstance(value, tuple):
        return [_encode(entry) for entry in value]
    if isinstance(value, float) and not np.isfinite(value):
        return {"number": str(value)}
    return value


def _decode(value: Any) -> Any:
    if isinstance(value, list):
        return tuple(_decode(entry) for entry in value)
    if isinstance(value, dict) and "number" in value:
        return float(value["number"])
    if isinstance(value, dict) and "set" in value:
        name = value["set"]
        kind = getattr(sets, name, None) if name in sets.__all__ else None
        if not (isinstance(kind, type) and issubclass(kind, sets.Set)):
            raise ValueError(f"constraint: expected the name of a set, found {name!r}")
        arguments = {field: _decode(entry) for field, entry in value["fields"].items()}
        members = arguments.pop("sets") if kind is sets.Intersection else ()
        return kind(*members, **arguments)
    return value


def _fields(value: Any) -> tuple[dataclasses.Field[Any], ...]:
    return dataclasses.fields(value)


def _bounds(chosen: sets.Set) -> tuple[Any, Any] | None:
    """Lower and upper bounds, of a set that is nothing else."""
    match chosen:
        case sets.NonNegative():
            return 0.0, None
        case sets.NonPositive():
            return None, 0.0
        case sets.LInfBall(radius=radius):
            return -radius, radius
        case sets.Interval(min=low, max=high):
            return low, high
        case sets.Bounds(min=low, max=high):
            return np.asarray(low), np.asarray(high)
    return None


def _clip(w: Tensor, low: Any, high: Any) -> Tensor:
    if low is not None:
        w = maximum(w, k.cast(low, w.dtype))
    return w if high is None else minimum(w, k.cast(high, w.dtype))


def _plane(mask: Any, w: Tensor) -> Any:
    """A mask of the first two axes, for a weight of more."""
    mask = np.asarray(mask, bool)
    if tuple(w.shape[:2]) != mask.shape:
        raise ValueError(
            f"constraint: expected weights of {mask.shape} and more axes, found {tuple(w.shape)}"
        )
    return k.convert_to_tensor(mask.reshape(mask.shape + (1,) * (len(w.shape) - 2)))


def _centre(w: Tensor) -> Any:
    if len(w.shape) < 2:
        raise ValueError(f"constraint: expected weights of 2 axes or more, found {tuple(w.shape)}")
    mask = np.zeros(tuple(w.shape[:2]), bool)
    mask[w.shape[0] // 2, w.shape[1] // 2] = True
    return _plane(mask, w)


def _project(chosen: sets.Set, w: Tensor, axis: sets.Axis) -> Tensor:
    bounds = _bounds(chosen)
    if bounds is not None:
        return _clip(w, *bounds)
    if axis is None:
        match chosen:
            case sets.ZeroCentre(min=low, max=high):
                return where(_centre(w), k.cast(0.0, w.dtype), _clip(w, low, high))
            case sets.Support(footprint=footprint, min=low, max=high):
                off = k.cast(-float("inf"), w.dtype)
                return where(_plane(footprint, w), _clip(w, low, high), off)

    return apply_numpy(_Projection(chosen, axis), w)


@dataclasses.dataclass(frozen=True)
class _Projection:
    """The projection of an array. Two that are equal are compiled once."""

    chosen: sets.Set
    axis: sets.Axis

    def __call__(self, array: Any) -> Any:
        array = np.asarray(array)
        wide = array if array.dtype in (np.float32, np.float64) else array.astype(np.float32)
        return self.chosen.project(wide, self.axis).astype(array.dtype)


@keras.saving.register_keras_serializable(package=_PACKAGE, name="InSet")
class InSet(keras.constraints.Constraint):  # type: ignore[misc]
    """The constraint that a weight is in a set, or each of its groups along `axis`."""

    def __init__(self, set: sets.Set, axis: sets.Axis = None) -> None:
        if not isinstance(set, sets.Set):
            raise TypeError(f"InSet: expected a set of morphograd.sets, found {set!r}")
        self.set = set
        self.axis = axis if axis is None or isinstance(axis, int) else tuple(axis)

    def __call__(self, w: Tensor) -> Tensor:
        """The nearest point of the set."""
        return _project(self.set, k.convert_to_tensor(w), self.axis)

    def violation(self, w: Any) -> float:
        """The largest amount by which an inequality or equality is missed; 0 inside."""
        array = np.ascontiguousarray(k.convert_to_numpy(w))
        return self.set.violation(array, self.axis)

    def get_config(self) -> dict[str, Any]:
        return {"set": _encode(self.set), "axis": _encode(self.axis)}

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> InSet:
        return cls(**{name: _decode(value) for name, value in config.items()})

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.set!r}, axis={self.axis})"

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, InSet):
            return NotImplemented
        return type(self) is type(other) and (self.set, self.axis) == (other.set, other.axis)

    def __hash__(self) -> int:
        return hash((type(self), self.set, self.axis))


def _define(kind: type[sets.Set]) -> type[InSet]:
    """The constraint of a class of sets: its arguments, and `axis`."""

    def __init__(self: Any, *arguments: Any, axis: sets.Axis = None, **named: Any) -> None:
        InSet.__init__(self, kind(*arguments, **named), axis)

    def get_config(self: Any) -> dict[str, Any]:
        described: dict[str, Any] = _encode(self.set)["fields"]
        return described | {"axis": _encode(self.axis)}

    def from_config(cls: Any, config: dict[str, Any]) -> Any:
        arguments = {name: _decode(value) for name, value in config.items()}
        members = arguments.pop("sets") if kind is sets.Intersection else ()
        return cls(*members, **arguments)

    signature, about = inspect.signature(kind), inspect.cleandoc(kind.__doc__ or "")
    along = inspect.Parameter("axis", inspect.Parameter.KEYWORD_ONLY, default=None)
    members = {
        "__init__": __init__,
        "__signature__": signature.replace(parameters=[*signature.parameters.values(), along]),
        "__doc__": f"{about}\n\nThe set `morphograd.sets.{kind.__name__}`; `axis` besides.",
        "__module__": __name__,
        "get_config": get_config,
        "from_config": classmethod(from_config),
    }
    made: type[InSet] = type(kind.__name__, (InSet,), members)
    keras.saving.register_keras_serializable(_PACKAGE, kind.__name__)(made)
    return made


_sets = [
    name
    for name in sets.__all__
    if name not in _KERAS_HAS
    and isinstance(getattr(sets, name), type)
    and issubclass(getattr(sets, name), sets.Set)
    and name != "Set"
]
for _name in _sets:
    globals()[_name] = _define(getattr(sets, _name))


if TYPE_CHECKING:

    def __getattr__(name: str) -> type[InSet]: ...


class _Named(InSet):
    """A constraint of morpholayers: a set under a name of its own."""

    def __init__(self, set: sets.Set, **config: Any) -> None:
        super().__init__(set)
        self._config = config

    def get_config(self) -> dict[str, Any]:
        return {name: _encode(value) for name, value in self._config.items()}


def _register(kind: Any) -> Any:
    return keras.saving.register_keras_serializable(_PACKAGE, f"morpholayers.{kind.__name__}")(kind)


@_register
class NonPositiveIncreasing(_Named):
    """`w <= 0`, and 0 at the centre: dilations by such functions are extensive.

    The centre of a kernel (kh, kw) is at (kh // 2, kw // 2). `min_value` is a lower bound. What was
    published under this name is `LatticeZeroCentre`.
    """

    def __init__(self, min_value: float = -float("inf")) -> None:
        super().__init__(sets.ZeroCentre(min_value, 0.0), min_value=min_value)


@_register
class NonPositiveExtensive(_Named):
    """`-1 <= w <= 0`, and 0 at the centre."""

    def __init__(self) -> None:
        super().__init__(sets.ZeroCentre(-1.0, 0.0))


@_register
class Lattice(_Named):
    """`-1 <= w <= 1`: also what was published as `NonPositive` in the tutorial on constraints."""

    def __init__(self) -> None:
        super().__init__(sets.Interval(-1.0, 1.0))


@_register
class LatticeZeroCentre(_Named):
    """`-1 <= w <= 1`, and 0 at the centre: what was published as `NonPositiveIncreasing`."""

    def __init__(self) -> None:
        super().__init__(sets.ZeroCentre(-1.0, 1.0))


@_register
class ZeroToOne(_Named):
    """`0 <= w <= 1`."""

    def __init__(self) -> None:
        super().__init__(sets.Interval(0.0, 1.0))


@_register
class SEconstraint(_Named):
    """`-1 <= w <= 1` on a structuring element, -inf off it; by default a disk of radius 1.

    In morpholayers, -1 stands for what is absent, which is right for images in [0, 1] only.
    """

    def __init__(self, SE: Any = None) -> None:
        footprint = np.asarray(footprints.disk(1) if SE is None else SE, np.float64)
        super().__init__(sets.Support(footprint, -1.0, 1.0))
        self._config = {"SE": self.set.footprint}  # type: ignore[attr-defined]


class _Shaped(keras.constraints.Constraint):  # type: ignore[misc]
    """`SEconstraint` with an element as large as the kernel, which has to be square and odd."""

    _element: Any

    def _inside(self, w: Tensor) -> SEconstraint:
        height, width = w.shape[:2]
        if height != width or height % 2 == 0:
            raise ValueError(
                f"{type(self).__name__}: expected square kernels of an odd size, found {height} x "
                f"{width}"
            )
        return SEconstraint(type(self)._element(height // 2))

    def __call__(self, w: Tensor) -> Tensor:
        w = k.convert_to_tensor(w)
        return self._inside(w)(w)

    def violation(self, w: Any) -> float:
        """The largest amount by which a bound is missed; 0 inside."""
        return self._inside(w).violation(w)


@_register
class Disk(_Shaped):
    """`-1 <= w <= 1` on the largest disk in the kernel, -inf off it."""

    _element = staticmethod(footprints.disk)


@_register
class Diamond(_Shaped):
    """`-1 <= w <= 1` on the largest diamond in the kernel, -inf off it."""

    _element = staticmethod(footprints.diamond)


@_register
class Rounding(keras.constraints.Constraint):  # type: ignore[misc]
    """Rounds to `c` decimals, half to even."""

    def __init__(self, c: int = 4) -> None:
        if not isinstance(c, int) or c < 0:
            raise ValueError(f"Rounding: expected a number of decimals, found {c!r}")
        self.c = c

    def __call__(self, w: Tensor) -> Tensor:
        w = k.convert_to_tensor(w)
        scale = k.cast(10.0**self.c, w.dtype)
        return k.round(w * scale) / scale

    def get_config(self) -> dict[str, Any]:
        return {"c": self.c}


__all__ = [
    "Diamond",
    "Disk",
    "InSet",
    "Lattice",
    "LatticeZeroCentre",
    "NonPositiveExtensive",
    "NonPositiveIncreasing",
    "Rounding",
    "SEconstraint",
    "ZeroToOne",
]
__all__ += _sets
