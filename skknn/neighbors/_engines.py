"""Engines by name; their libraries are imported here."""

from typing import Any

from ._engine import Engine
from ._rows import IndexRows
from .exact._numpy import NumpyProposer
from .exact._search import ExactSearch

APPROXIMATE = ("hnsw", "ivf")
ALGORITHMS = ("auto", "brute", "torch", "fast", "faiss", *APPROXIMATE, "precomputed")


def make_engine(
    name: str, rows: IndexRows, device: Any = None, n_jobs: int | None = None
) -> Engine:
    """The engine that ``algorithm=`` names, ``"precomputed"`` excepted.

    ``device`` (None, str or torch.device) is for ``"auto"`` and ``"torch"``; ``n_jobs``
    counts threads, None takes as many as BLAS may use.
    """
    if name == "auto":
        from ._auto import AutoEngine

        return AutoEngine(rows, device, n_jobs)
    if name == "torch":
        return _torch_engine(rows, device, n_jobs)
    if name == "fast":
        from .exact._compiled import CompiledProposer, compiled_measure

        kinds = CompiledProposer, NumpyProposer
        return ExactSearch(rows, name, kinds, n_jobs, compiled_measure())
    if name == "faiss":
        from .exact._faiss import FaissProposer, import_faiss

        import_faiss()
        return ExactSearch(rows, name, [FaissProposer], n_jobs)
    if name in APPROXIMATE:
        from .approximate import TunedSearch

        return TunedSearch(rows, name, n_jobs)
    return ExactSearch(rows, name, [NumpyProposer], n_jobs)


def _torch_engine(rows: IndexRows, device: Any, n_jobs: int | None) -> Engine:
    from ..utils._bfloat16 import bfloat16_pays
    from ..utils._device import resolve_device

    # Apple's devices have no float64, which distances need; their processors search.
    if resolve_device(device).type not in ("cpu", "mps"):
        from .exact._device import DeviceSearch

        return DeviceSearch(rows, device)
    if not bfloat16_pays():
        return ExactSearch(rows, "torch", [NumpyProposer], n_jobs)
    from .exact._torch import TorchProposer

    return ExactSearch(rows, "torch", [TorchProposer, NumpyProposer], n_jobs)
