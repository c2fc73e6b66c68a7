"""What the extraction loop runs for gradients of positions."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

import torch

from ..backbones import DenseJob, job_answers
from ..backbones._dense_features import as_rows
from ..utils._behaviour import Answer
from ._patch_extractor import PatchExtractor, PatchRun

# Gradients round more than embeddings do.
_ROUNDING = 3.0


class PatchJob(DenseJob):
    """Images -> maps with gradients, each followed by its grid.

    Parameters
    ----------
    patches : PatchExtractor
    batch_size : int or "auto"
    """

    def __init__(self, patches: PatchExtractor, batch_size: int | str = "auto") -> None:
        super().__init__(patches.extractor, batch_size)
        self._patches = patches
        self._patch_run: PatchRun | None = None

    @contextmanager
    def running(self, n_threads: int = 1) -> Iterator[Callable[[], None]]:
        """Set up many calls; everything is undone at the end, also after an error."""
        with super().running(n_threads) as start_thread, self._patches.open() as run:
            self._patch_run = run
            try:
                yield start_thread
            finally:
                self._patch_run = None

    def _forward(self, pixels: torch.Tensor) -> torch.Tensor:
        if self._patch_run is None:
            raise RuntimeError("Images are prepared within `with job.running():`.")
        return self._rows(self._patch_run, pixels)

    def _rows(self, run: PatchRun, pixels: torch.Tensor) -> torch.Tensor:
        return as_rows(run.maps(pixels))


class PairsJob(PatchJob):
    """Images -> gradients as they are: inputs (N, columns), then slopes (N, rows)."""

    def _rows(self, run: PatchRun, pixels: torch.Tensor) -> torch.Tensor:
        _, found = run.pairs(pixels)
        rows = []
        for pairs in found:
            # In float64, because powers of two may leave float32's range.
            b = pairs.slopes.cpu().double()
            b = (b * torch.exp2(pairs.exponent.cpu().double())).float()
            rows.append(torch.cat([pairs.inputs.cpu().flatten(), b.flatten()]))
        return torch.stack(rows)


def patch_answers(patches: PatchExtractor, n: int) -> list[Answer]:
    """Return the rows of ``n`` fixed pictures, as a row cache compares them."""
    return job_answers(PatchJob(patches, n), patches.extractor, n, _ROUNDING)
