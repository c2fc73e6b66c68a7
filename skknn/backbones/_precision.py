"""Which number format the network runs in."""

import torch

from ..utils._bfloat16 import cpu_has_bfloat16, cuda_has_bfloat16
from ..utils._warn import warn

#: Largest difference of another spelling of a network (fused, cut at a layer) from the
#: module itself, relative to the largest value: what rounding makes of some hundred
#: layers, far below what a wrong layer does.
RESPELLED = {torch.float32: 1e-4, torch.bfloat16: 5e-2}


def resolve_precision(precision: str, device: torch.device) -> str:
    """Return "float32" or "bf16".

    "auto" is bfloat16 on CUDA devices with units for it and float32 elsewhere. "bf16"
    on a CPU without bfloat16 instructions would be slower and less exact: float32,
    with a warning.

    Parameters
    ----------
    precision : {"auto", "float32", "bf16"}
    device : torch.device
    """
    if precision == "auto":
        cuda = device.type == "cuda" and cuda_has_bfloat16(device)
        return "bf16" if cuda else "float32"
    if precision == "bf16" and device.type == "cpu" and not cpu_has_bfloat16():
        warn(
            "precision='bf16': this processor has no bf16 instructions; float32 is "
            "used instead."
        )
        return "float32"
    return precision
