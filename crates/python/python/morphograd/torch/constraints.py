"""Parameters that are kept in sets: after each step of an optimizer, or in the forward pass.

The one design choice: a projection, and the report of what it did, are one call on the memory of
the parameter. Nothing is copied where that is contiguous.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor, nn
from torch.autograd.graph import increment_version

from ..sets import Axis, Set, _axes
from ._operators import check

__all__ = ["Constraints", "Projected", "Report", "constrain"]


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
            check("constrain", parameter)
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
            value = parameter.detach()
            lies = value.is_contiguous()
            array = value.numpy() if lies else value.contiguous().numpy()
            violation, moved, distance = chosen._native.enforce(array, _axes(axis))
            if moved and lies:
                increment_version(parameter)
            elif moved:
                parameter.copy_(torch.from_numpy(array))
            share, mapping = moved / max(array.size, 1), self._mappings.get(parameter)
            self.reports[parameter] = Report(violation, share, distance, mapping)

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
        check("Projected", free)
        exact = self.gradient == "exact"
        value: Tensor = _ProjectFunction.apply(free, self.set, self.axis, exact)
        return value

    def right_inverse(self, value: Tensor) -> Tensor:
        """The free parameter for a value: the value's projection."""
        check("Projected", value)
        return torch.from_numpy(self.set.project(value.detach().contiguous().numpy(), self.axis))

    def extra_repr(self) -> str:
        return f"{self.set!r}, axis={self.axis}, gradient={self.gradient!r}"
