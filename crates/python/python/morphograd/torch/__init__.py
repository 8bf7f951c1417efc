"""Morphology for PyTorch: functions, modules, and parameters that are kept in sets.

    import morphograd.torch as mgt

    layer = mgt.Dilation2d(1, 8, 5)
    optimizer = torch.optim.Adam(layer.parameters())
    constraints = mgt.constrain(optimizer, {layer.weight: mg.sets.ZeroCentre()})

Tensors are (batch, channels, height, width) of `float32` or `float64` on the processor. Those in
`channels_last` memory format cross without a copy, others are put in order in parallel; the results
are in that format. The functions are operators of `torch.library`: `torch.compile` and export see
them, and autograd goes through them once (there is no second derivative).

A dilation does not mirror its kernel, an erosion does, so that the two by one kernel are adjoint.
Their results and gradients are those of the Rust library, bit for bit, for any number of threads.
"""

try:
    import torch
except ImportError as error:
    raise ImportError(
        "morphograd.torch: expected PyTorch 2.4 or newer, found none; `pip install torch` first"
    ) from error
if not hasattr(torch.library, "custom_op"):
    raise ImportError(f"morphograd.torch: expected PyTorch 2.4 or newer, found {torch.__version__}")

from . import constraints, functional, modules, pooling
from .constraints import *  # noqa: F403
from .functional import *  # noqa: F403
from .modules import *  # noqa: F403
from .pooling import *  # noqa: F403

__all__ = sorted(constraints.__all__ + functional.__all__ + modules.__all__ + pooling.__all__)
