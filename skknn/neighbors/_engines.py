"""Engines by name; their libraries are imported here."""

from typing import Any

from ..utils._optional import import_optional
from ._engine import Engine
from ._rows import IndexRows
from .exact._numpy import NumpyProposer
from .exact._search import ExactSearch

APPROXIMATE = ("hnsw", "ivf")
ALGORITHMS = ("auto", "brute", "torch", "fast", "faiss", *APPROXIMATE, "precomputed")

# Optional libraries, and the extra that installs them.
_NEEDS = dict.fromkeys(["faiss", *APPROXIMATE], ("faiss", "faiss"))
_NEEDS["fast"] = "numba", "fast"


def make_engine(
    name: str, rows: IndexRows, device: Any = None, n_jobs: int | None = None
) -> Engine:
    """The engine that ``algorithm=`` names, unless that is no engine of its own.

    ``device`` (None, str or torch.device) is for ``"torch"``, which takes the best one
    where that is not available: an index may come from another machine. ``n_jobs``
    counts threads, None takes as many as BLAS may use.
    """
    if name in _NEEDS:
        library, extra = _NEEDS[name]
        import_optional(library, extra=extra, needed_for=f"algorithm={name!r}")
    if name in APPROXIMATE:
        from .approximate import TunedSearch

        return TunedSearch(rows, name, n_jobs)
    if name == "fast":
        from .exact._compiled import CompiledProposer
        from .exact._kernels import compiled_measure

        kinds = [CompiledProposer, NumpyProposer]
        return ExactSearch(rows, name, kinds, n_jobs, compiled_measure)
    kinds = [NumpyProposer]
    if name == "faiss":
        from .exact._faiss import FaissProposer

        kinds = [FaissProposer]
    if name == "torch":
        from ..utils._bfloat16 import bfloat16_pays
        from ..utils._device import device_or_best

        # Apple's devices have no float64, which distances need: the CPU searches.
        if device_or_best(device).type not in ("cpu", "mps"):
            from .exact._device import DeviceSearch

            return DeviceSearch(rows, device)
        if bfloat16_pays():
            from .exact._torch import TorchProposer

            kinds = [TorchProposer, NumpyProposer]
    return ExactSearch(rows, name, kinds, n_jobs)
