"""Mathematical morphology, and parameters that are kept in sets: fast, differentiable, exact.

`import morphograd as mg` gives the operators of image analysis on NumPy arrays, with the names and
arguments of scikit-image. `mg.ops` has the differentiable operations with their gradients,
`mg.sets` sets with projections, `morphograd.torch` functions, modules and constraints for PyTorch,
`morphograd.keras` layers and constraints for Keras 3; `mg.law` how far an operator is from a law;
`mg.weights` and `mg.runs` read files.
"""

from . import law, ops, runs, sets, weights
from ._morphograd import InternalError, __version__
from ._operators import *  # noqa: F403
from ._operators import __all__ as _operator_names
from .footprints import *  # noqa: F403
from .footprints import __all__ as _footprint_names

__all__ = ["InternalError", "__version__", "law", "ops", "runs", "sets", "weights"]
__all__ += [*_operator_names, *_footprint_names]
