"""The native part of morphograd. Use the package `morphograd`, which documents it."""

from collections.abc import Callable, Sequence
from typing import Any, Protocol, final

import numpy as np
import numpy.typing as npt

__all__: list[str]
__version__: str

class InternalError(RuntimeError): ...

class _Settings(Protocol):
    @property
    def strides(self) -> tuple[int, int]: ...
    @property
    def rates(self) -> tuple[int, int]: ...
    @property
    def padding(self) -> str: ...
    @property
    def mode(self) -> str: ...
    @property
    def cval(self) -> float: ...
    @property
    def ties(self) -> str: ...
    @property
    def connectivity(self) -> int: ...
    @property
    def area(self) -> int: ...
    @property
    def scale(self) -> float: ...
    @property
    def steps(self) -> int: ...

_Saved = tuple[npt.NDArray[np.uint16], npt.NDArray[np.uint32], npt.NDArray[Any]]

def panic(message: str) -> None: ...
def element_algebra(operation: str, a: Any, b: Any | None) -> list[npt.NDArray[Any]]: ...
def footprint(name: str, a: int, b: float) -> npt.NDArray[np.uint8]: ...
def operate(
    operator: str,
    image: npt.NDArray[Any],
    footprints: Sequence[tuple[Any, Any]],
    mode: str,
    cval: float,
    number: float,
) -> list[npt.NDArray[Any]]: ...
def connect(
    operator: str,
    image: npt.NDArray[Any],
    mask: npt.NDArray[Any] | None,
    connectivity: int,
    number: float,
) -> npt.NDArray[Any]: ...

@final
class Saved:
    def backward(
        self, gradient: npt.NDArray[Any], needed: Sequence[bool]
    ) -> list[npt.NDArray[Any] | None]: ...

def forward(
    name: str, inputs: Sequence[npt.NDArray[Any]], settings: _Settings, needs_grad: bool
) -> tuple[npt.NDArray[Any], Saved | None]: ...
def forward_arrays(
    name: str, inputs: Sequence[npt.NDArray[Any]], settings: _Settings, needs_grad: bool
) -> tuple[npt.NDArray[Any], _Saved]: ...
def backward_arrays(
    name: str,
    inputs: Sequence[npt.NDArray[Any]],
    settings: _Settings,
    saved: _Saved,
    output: npt.NDArray[Any] | None,
    gradient: npt.NDArray[Any],
    needed: Sequence[bool],
) -> list[npt.NDArray[Any] | None]: ...
def identify(
    operator: str,
    image: npt.NDArray[Any],
    target: npt.NDArray[Any],
    size: tuple[int, int],
    padding: str,
    max: float,
) -> tuple[npt.NDArray[Any], float, float]: ...
def identify_in_set(
    operator: str,
    image: npt.NDArray[Any],
    target: npt.NDArray[Any],
    size: tuple[int, int],
    padding: str,
    set: Set,
) -> tuple[npt.NDArray[Any], list[float], list[float]]: ...

@final
class Set:
    def __new__(cls, name: str, fields: dict[str, Any]) -> Set: ...
    @property
    def kind(self) -> str: ...
    @property
    def formula(self) -> str: ...
    def capabilities(self, shape: Sequence[int], axes: Sequence[int] | None) -> list[str]: ...
    def project(
        self, array: npt.NDArray[Any], axes: Sequence[int] | None, in_place: bool
    ) -> npt.NDArray[Any]: ...
    def enforce(
        self, array: npt.NDArray[Any], axes: Sequence[int] | None
    ) -> tuple[float, int, float]: ...
    def project_with_proof(
        self, array: npt.NDArray[Any]
    ) -> tuple[npt.NDArray[Any], tuple[list[float], float, float, int, bool]]: ...
    def violation(
        self, array: npt.NDArray[Any], axes: Sequence[int] | None, distance: bool
    ) -> float: ...
    def second(
        self,
        operation: str,
        at: npt.NDArray[Any],
        direction: npt.NDArray[Any],
        axes: Sequence[int] | None,
    ) -> npt.NDArray[Any]: ...

def minimize(
    method: str,
    objective: Callable[[npt.NDArray[np.float64]], tuple[float, npt.ArrayLike]],
    set: Set,
    start: npt.NDArray[np.float64],
    axes: Sequence[int] | None,
    settings: tuple[float, bool, bool, bool],
    tolerance: float,
    iterations: int,
) -> tuple[npt.NDArray[np.float64], float, float, int, bool]: ...
