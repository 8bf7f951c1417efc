"""Sets with their projections, on arrays of `float32` and `float64` and along axes.

    >>> import numpy as np, morphograd as mg
    >>> mg.sets.Simplex().project(np.array([2.0, 1.0, 0.0]))
    array([1., 0., 0.])

`axis` names the axes that a group runs along: each group is projected by itself. Without it the
array is one group. Matrix sets take an array of more than two axes as the matrix of its last axis
against all others; sets of structuring functions act on the plane of the first two axes, for every
position of the others. What describes a set are fields of its class, by which sets are compared,
hashed, pickled and shown.

A projection gives the nearest point (`kind` says whether it is unique). What is inside already, up
to the rounding that `violation` forgives, is left as it is, bit for bit.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, fields
from functools import cached_property
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from . import _morphograd

__all__ = [
    "Affine",
    "Annulus",
    "Bounds",
    "CappedSimplex",
    "Cardinality",
    "Certificate",
    "Concave",
    "ConstantKernel",
    "FixedMean",
    "FixedSum",
    "Grid",
    "Halfspace",
    "Hyperplane",
    "Intersection",
    "Interval",
    "Isotonic",
    "KSparsePolytope",
    "L1Ball",
    "L2Ball",
    "LInfBall",
    "MaxNorm",
    "MinMaxNorm",
    "NonNegative",
    "NonPositive",
    "NuclearBall",
    "OrthonormalColumns",
    "Per",
    "Polyhedron",
    "PositiveSemidefinite",
    "RadialConstraint",
    "RadiallyNonIncreasing",
    "Rank",
    "Separable",
    "Set",
    "Simplex",
    "Solution",
    "SpectralBall",
    "Sphere",
    "SupNormalized",
    "Support",
    "Symmetric",
    "UnitNorm",
    "ZeroCentre",
    "frank_wolfe",
    "projected_gradient",
]

Array = npt.NDArray[Any]
Axis = int | Sequence[int] | None


def _axes(axis: Axis) -> list[int] | None:
    if axis is None:
        return None
    return [axis] if isinstance(axis, int) else list(axis)


def _tuples(value: Any, name: str) -> Any:
    """An array as nested tuples of floats, which can be compared and hashed."""
    array = np.asarray(value)
    if array.dtype.kind not in "biuf":
        raise TypeError(f"{name}: expected an array of numbers, found {array.dtype}")

    def nested(row: Any) -> Any:
        return tuple(map(nested, row)) if isinstance(row, list) else float(row)

    return nested(array.tolist())


class Set:
    """A set of arrays, given by its projection.

    This is the base of all sets; make one by its class, such as `Simplex(sum=2.0)`.
    """

    @cached_property
    def _native(self) -> _morphograd.Set:
        if type(self) is Set:
            raise TypeError("Set: expected one of its classes, such as Simplex(), found the base")
        return _morphograd.Set(type(self).__name__, self._fields())

    def _fields(self) -> dict[str, Any]:
        return {f.name: getattr(self, f.name) for f in fields(self)}  # type: ignore[arg-type]

    def __getstate__(self) -> dict[str, Any]:
        return {k: v for k, v in self.__dict__.items() if k != "_native"}

    @property
    def kind(self) -> str:
        """`convex`, `non-convex` (a nearest point, by a rule), or `not a projection`."""
        return self._native.kind

    @property
    def formula(self) -> str:
        """The set in one line."""
        return self._native.formula

    def capabilities(self, shape: Sequence[int], axis: Axis = None) -> list[str]:
        """What the set knows: some of metric, tangent, linear, derivative and greatest."""
        return self._native.capabilities(list(shape), _axes(axis))

    def project(self, array: Any, axis: Axis = None, out: Array | None = None) -> Array:
        """The nearest point of the set; with `out` (the array itself, say) it is written there.

        Raises `ValueError` if the set is not defined for the shape, `TypeError` for another type
        than `float32` and `float64`.
        """
        if out is None:
            return self._native.project(array, _axes(axis), False)
        if out is not array:
            if not isinstance(out, np.ndarray) or out.shape != np.shape(array):
                raise ValueError(f"out: expected an array of shape {np.shape(array)}")
            out[...] = array
        return self._native.project(out, _axes(axis), True)

    def violation(self, array: Any, axis: Axis = None) -> float:
        """The largest amount by which an inequality or equality is missed; 0 inside."""
        return self._native.violation(array, _axes(axis), False)

    def distance(self, array: Any, axis: Axis = None) -> float:
        """The Euclidean distance to the set."""
        return self._native.violation(array, _axes(axis), True)

    def contains(self, array: Any, axis: Axis = None) -> bool:
        """Whether the violation is 0."""
        return self.violation(array, axis) == 0.0

    def tangent(self, at: Any, direction: Any, axis: Axis = None) -> Array:
        """The direction without what leads out of the set at a feasible point, to first order."""
        return self._native.second("tangent", at, direction, _axes(axis))

    def minimize_linear(self, gradient: Any, axis: Axis = None) -> Array:
        """A point of the set with the least product with the gradient, of a bounded set."""
        return self._native.second("linear", gradient, gradient, _axes(axis))

    def greatest_below(self, upper: Any, axis: Axis = None) -> Array:
        """The greatest point of the set that is nowhere above a bound.

        Of sets in which the maximum of two points is a point: those that state `greatest`. A
        `ValueError` if no point is below the bound.
        """
        return self._native.second("greatest", upper, upper, _axes(axis))

    def project_vjp(self, at: Any, gradient: Any, axis: Axis = None) -> Array:
        """The gradient with respect to the point, from that with respect to its projection."""
        return self._native.second("derivative", at, gradient, _axes(axis))


@dataclass(frozen=True)
class NonNegative(Set):
    """`w >= 0`."""


@dataclass(frozen=True)
class NonPositive(Set):
    """`w <= 0`."""


@dataclass(frozen=True)
class Interval(Set):
    """`min <= w <= max`."""

    min: float = 0.0
    max: float = 1.0


@dataclass(frozen=True)
class Bounds(Set):
    """`min_i <= w_i <= max_i`, with arrays of the shape of w."""

    min: Any
    max: Any

    def __post_init__(self) -> None:
        for name in ("min", "max"):
            object.__setattr__(self, name, _tuples(getattr(self, name), name))

    def _fields(self) -> dict[str, Any]:
        return {name: np.asarray(value, np.float64) for name, value in super()._fields().items()}


@dataclass(frozen=True)
class Grid(Set):
    """`w = origin + k step` for a whole k with `min <= k <= max`. Not convex."""

    step: float
    origin: float = 0.0
    min: float = -float("inf")
    max: float = float("inf")


@dataclass(frozen=True)
class FixedSum(Set):
    """`sum w = sum`."""

    sum: float = 1.0


@dataclass(frozen=True)
class FixedMean(Set):
    """`mean w = mean`."""

    mean: float = 0.0


@dataclass(frozen=True)
class _Plane(Set):
    normal: Any
    offset: float = 0.0

    def __post_init__(self) -> None:
        object.__setattr__(self, "normal", _tuples(np.ravel(self.normal), "normal"))


@dataclass(frozen=True)
class Hyperplane(_Plane):
    """`normal . w = offset`."""


@dataclass(frozen=True)
class Halfspace(_Plane):
    """`normal . w <= offset`."""


@dataclass(frozen=True)
class Affine(Set):
    """`matrix w = values`."""

    matrix: Any
    values: Any

    def __post_init__(self) -> None:
        object.__setattr__(self, "matrix", _tuples(self.matrix, "matrix"))
        object.__setattr__(self, "values", _tuples(self.values, "values"))

    def _fields(self) -> dict[str, Any]:
        return {"matrix": np.asarray(self.matrix, np.float64), "values": list(self.values)}


@dataclass(frozen=True)
class Polyhedron(Set):
    """`matrix w <= bounds`."""

    matrix: Any
    bounds: Any

    def __post_init__(self) -> None:
        object.__setattr__(self, "matrix", _tuples(self.matrix, "matrix"))
        object.__setattr__(self, "bounds", _tuples(self.bounds, "bounds"))

    def _fields(self) -> dict[str, Any]:
        return {"matrix": np.asarray(self.matrix, np.float64), "bounds": list(self.bounds)}


@dataclass(frozen=True)
class L1Ball(Set):
    """`sum |w| <= radius`."""

    radius: float = 1.0


@dataclass(frozen=True)
class KSparsePolytope(Set):
    """`sum |w| <= count * size, max |w| <= size`: the hull of vectors of `count` entries."""

    count: int
    size: float = 1.0


@dataclass(frozen=True)
class L2Ball(Set):
    """`||w|| <= radius`."""

    radius: float = 1.0


@dataclass(frozen=True)
class LInfBall(Set):
    """`max |w| <= radius`."""

    radius: float = 1.0


@dataclass(frozen=True)
class Sphere(Set):
    """`||w|| = radius`. Not convex."""

    radius: float = 1.0


@dataclass(frozen=True)
class Annulus(Set):
    """`min <= ||w|| <= max`. Convex where `min` is 0."""

    min: float
    max: float


@dataclass(frozen=True)
class Simplex(Set):
    """`w >= 0, sum w = sum`."""

    sum: float = 1.0


@dataclass(frozen=True)
class CappedSimplex(Set):
    """`0 <= w <= cap, sum w = sum`."""

    sum: float = 1.0
    cap: float = 1.0


@dataclass(frozen=True)
class Isotonic(Set):
    """`w_1 <= w_2 <= ...`, in row-major order; `order` is non-decreasing or non-increasing."""

    order: str = "non-decreasing"


@dataclass(frozen=True)
class Cardinality(Set):
    """At most `count` entries that are not 0. Not convex."""

    count: int


@dataclass(frozen=True)
class Rank(Set):
    """Matrices of at most this rank. Not convex."""

    rank: int


@dataclass(frozen=True)
class SpectralBall(Set):
    """Matrices with no singular value above `radius`."""

    radius: float = 1.0


@dataclass(frozen=True)
class NuclearBall(Set):
    """Matrices whose singular values sum up to at most `radius`."""

    radius: float = 1.0


@dataclass(frozen=True)
class PositiveSemidefinite(Set):
    """Symmetric matrices without a negative eigenvalue."""


@dataclass(frozen=True)
class OrthonormalColumns(Set):
    """Matrices whose columns have length 1 and stand at right angles. Not convex."""


@dataclass(frozen=True)
class _OfAxes(Set):
    axes: Any = (0,)

    def __post_init__(self) -> None:
        axes = (self.axes,) if isinstance(self.axes, int) else tuple(self.axes)
        object.__setattr__(self, "axes", axes)

    def _fields(self) -> dict[str, Any]:
        return super()._fields() | {"axes": list(self.axes)}


@dataclass(frozen=True)
class UnitNorm(_OfAxes):
    """Keras' map `w / (epsilon + ||w||)` along axes. It is no projection."""


@dataclass(frozen=True)
class MaxNorm(_OfAxes):
    """Keras' map that shortens `w` to the norm `max` along axes. It is no projection."""

    max: float = 2.0


@dataclass(frozen=True)
class MinMaxNorm(_OfAxes):
    """Keras' map that moves the norm into `[min, max]` at a `rate`. It is no projection."""

    min: float = 0.0
    max: float = 1.0
    rate: float = 1.0


@dataclass(frozen=True)
class RadialConstraint(Set):
    """Keras' map that makes a square kernel the same at every radius. It is no projection."""


@dataclass(frozen=True)
class ZeroCentre(Set):
    """Structuring functions with `min <= w <= max` and 0 at the centre.

    With the defaults, dilations by them are extensive and erosions anti-extensive.
    """

    min: float = -1.0
    max: float = 0.0


@dataclass(frozen=True)
class Support(Set):
    """Structuring functions with `min <= w <= max` on a footprint, and -inf off it."""

    footprint: Any
    min: float = -float("inf")
    max: float = float("inf")

    def __post_init__(self) -> None:
        object.__setattr__(self, "footprint", _tuples(self.footprint, "footprint"))

    def _fields(self) -> dict[str, Any]:
        return super()._fields() | {"footprint": np.asarray(self.footprint, np.float64)}


@dataclass(frozen=True)
class SupNormalized(Set):
    """Structuring functions with `w <= 0` and `max w = 0`. Not convex."""


@dataclass(frozen=True)
class ConstantKernel(Set):
    """Structuring functions that are constant, on a footprint if there is one (-inf off it)."""

    footprint: Any = None

    def __post_init__(self) -> None:
        if self.footprint is not None:
            object.__setattr__(self, "footprint", _tuples(self.footprint, "footprint"))

    def _fields(self) -> dict[str, Any]:
        footprint = self.footprint
        return {"footprint": None if footprint is None else np.asarray(footprint, np.float64)}


@dataclass(frozen=True)
class Symmetric(Set):
    """Structuring functions with a symmetry.

    `group` is central, left-right, up-down, axial (both) or dihedral (all eight of the square).
    """

    group: str = "dihedral"


@dataclass(frozen=True)
class RadiallyNonIncreasing(Set):
    """Structuring functions with no entry above one that is nearer to the centre.

    `metric` says what is near: euclidean, taxicab or chessboard.
    """

    metric: str = "euclidean"


@dataclass(frozen=True)
class Concave(Set):
    """Structuring functions whose second differences are at most 0."""


@dataclass(frozen=True)
class Separable(Set):
    """Structuring functions that are a sum of a function of the row and one of the column.

    Dilation by them is one along rows and one along columns.
    """


@dataclass(frozen=True)
class Per(Set):
    """A set for each group along axes: what `axis=` says for a call, for good."""

    set: Set
    axes: Any

    def __post_init__(self) -> None:
        axes = (self.axes,) if isinstance(self.axes, int) else tuple(self.axes)
        if any(axis < 0 for axis in axes):
            raise ValueError(f"Per: expected axes that are not negative, found {axes}")
        object.__setattr__(self, "axes", axes)

    def _fields(self) -> dict[str, Any]:
        return {"set": self.set._native, "axes": list(self.axes)}


class Certificate(NamedTuple):
    """What proves a projection on an intersection."""

    violations: list[float]
    """How far the result is from each set."""
    gap: float
    """For every v of the intersection, `(w - x) . (v - x) <= gap`."""
    distance: float
    """The root of the gap: a feasible result is not farther from the projection."""
    sweeps: int
    converged: bool


@dataclass(frozen=True)
class Intersection(Set):
    """The common points of convex sets, by Dykstra's algorithm.

    `Intersection(Interval(-1, 1), FixedSum(0))`. `tolerance` is relative to the larger of 1 and the
    largest entry. Where the sweeps are used up, `violation` says how far it is outside.
    """

    sets: tuple[Set, ...]
    tolerance: float
    sweeps: int

    def __init__(self, *sets: Set, tolerance: float = 1e-7, sweeps: int = 10_000) -> None:
        for name, value in (("sets", sets), ("tolerance", tolerance), ("sweeps", sweeps)):
            object.__setattr__(self, name, value)

    def __repr__(self) -> str:
        settings = f"tolerance={self.tolerance}, sweeps={self.sweeps}"
        return f"Intersection({', '.join(map(repr, self.sets))}, {settings})"

    def _fields(self) -> dict[str, Any]:
        return super()._fields() | {"sets": [member._native for member in self.sets]}

    def project_with_proof(self, array: Any) -> tuple[Array, Certificate]:
        """The projection, and a certificate of it."""
        value, proof = self._native.project_with_proof(array)
        return value, Certificate(*proof)


@dataclass(frozen=True)
class Solution:
    """What a method found."""

    x: npt.NDArray[np.float64] = field(repr=False)
    """The point."""
    objective: float
    """The function there."""
    measure: float
    """The certificate: the norm of the gradient mapping, or the duality gap.

    For a convex function the gap bounds the distance of the objective from the smallest value.
    """
    iterations: int
    converged: bool
    """Whether the measure reached the tolerance."""
    method: str


Objective = Callable[[npt.NDArray[np.float64]], tuple[float, Any]]


def _minimize(
    method: str,
    objective: Objective,
    set: Set,
    start: Any,
    axis: Axis,
    settings: tuple[float, bool, bool, bool],
    tolerance: float,
    iterations: int,
) -> Solution:
    start = np.asarray(start)
    if start.dtype.kind not in "biuf":
        raise TypeError(f"start: expected an array of numbers, found {start.dtype}")
    start = start.astype(np.float64)
    arguments = (objective, set._native, start, _axes(axis), settings, tolerance, iterations)
    return Solution(*_morphograd.minimize(method, *arguments), method)


def projected_gradient(
    objective: Objective,
    set: Set,
    start: Any,
    *,
    axis: Axis = None,
    step: float = 1.0,
    accelerated: bool = False,
    restart: bool = True,
    tolerance: float = 1e-6,
    iterations: int = 1000,
) -> Solution:
    """Minimizes a function over a set by `w <- P(w - step * gradient)`, the step by backtracking.

    `objective(w)` gives `(value, gradient)`. The start is projected first, and every point at which
    the function is computed is in the set. The measure is the norm of the gradient mapping
    `||w - P(w - step * gradient)|| / step`, 0 exactly at stationary points. `accelerated` needs a
    convex set.

    Raises `ValueError` for a set that does not accept the shape, a setting that makes no sense, or
    a function that is not finite; what `objective` raises, it raises.
    """
    settings = (step, accelerated, restart, False)
    return _minimize(
        "projected_gradient", objective, set, start, axis, settings, tolerance, iterations
    )


def frank_wolfe(
    objective: Objective,
    set: Set,
    start: Any,
    *,
    axis: Axis = None,
    open_step: bool = False,
    tolerance: float = 1e-6,
    iterations: int = 1000,
) -> Solution:
    """Minimizes a function over a bounded convex set without projections.

    Each step goes towards the vertex with the least product with the gradient. The measure is the
    duality gap: for a convex function the objective is at most that much above the smallest value.
    """
    settings = (1.0, False, False, open_step)
    return _minimize("frank_wolfe", objective, set, start, axis, settings, tolerance, iterations)
