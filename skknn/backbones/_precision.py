"""Which number format the network runs in."""

import warnings

import torch


def resolve_precision(precision, device):
    """Return "float32" or "bf16".

    "auto" is bf16 on CUDA devices that have it and float32 elsewhere. "bf16" on a
    CPU without bf16 instructions would be slower and less exact: float32, with a
    warning.
    """
    if precision == "auto":
        cuda = device.type == "cuda" and torch.cuda.is_bf16_supported()
        return "bf16" if cuda else "float32"
    if precision == "bf16" and device.type == "cpu" and not cpu_has_bf16():
        warnings.warn(
            "precision='bf16': this processor has no bf16 instructions; float32 is "
            "used instead.",
            UserWarning,
            stacklevel=2,
        )
        return "float32"
    return precision


def cpu_has_bf16():
    """Tell whether the processor multiplies bf16 numbers itself."""
    cpu = torch.cpu
    for name in ("_is_amx_tile_supported", "_is_avx512_bf16_supported"):
        if getattr(cpu, name, lambda: False)():
            return True
    try:
        with open("/proc/cpuinfo") as file:
            # ARM lists "bf16", x86 "avx512_bf16" or "amx_bf16".
            return any("bf16" in line for line in file if "eatures" in line)
    except OSError:
        return False
