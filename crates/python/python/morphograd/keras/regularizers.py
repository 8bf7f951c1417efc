"""The regularizers of morpholayers."""

from __future__ import annotations

from typing import Any

import keras
from keras import ops as k

__all__ = ["L1L2Lattice", "l1_l2lattice", "l1lattice", "l2lattice"]


@keras.saving.register_keras_serializable(package="morphograd")
class L1L2Lattice(keras.regularizers.Regularizer):  # type: ignore[misc]
    """`l1 sum |w - bottom| + l2 sum (w - bottom)^2`: pulls towards the bottom of the lattice.

    At the bottom, -1 by default, an entry takes no part in a dilation of images in [0, 1].
    """

    def __init__(self, l1: float = 0.0, l2: float = 0.0, bottom: float = -1.0) -> None:
        self.l1, self.l2, self.bottom = float(l1), float(l2), float(bottom)

    def __call__(self, w: Any) -> Any:
        """The penalty, a number."""
        apart = w - self.bottom
        return self.l1 * k.sum(k.absolute(apart)) + self.l2 * k.sum(k.square(apart))

    def get_config(self) -> dict[str, Any]:
        return {"l1": self.l1, "l2": self.l2, "bottom": self.bottom}


def l1lattice(l: float = 0.01) -> L1L2Lattice:
    """`l sum |w + 1|`."""
    return L1L2Lattice(l1=l)


def l2lattice(l: float = 0.01) -> L1L2Lattice:
    """`l sum (w + 1)^2`."""
    return L1L2Lattice(l2=l)


def l1_l2lattice(l1: float = 0.01, l2: float = 0.01) -> L1L2Lattice:
    """`l1 sum |w + 1| + l2 sum (w + 1)^2`."""
    return L1L2Lattice(l1=l1, l2=l2)
