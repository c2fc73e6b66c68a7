"""Candidates by torch's products in bfloat16, on the CPU."""

import numpy as np
from numpy.typing import NDArray

from .._rows import IndexRows
from ._bfloat16 import Bfloat16Rows
from ._candidates import Candidates, QueryBlock
from ._search import Proposer
from ._top_k import torch_top_columns


class TorchProposer(Proposer):
    """Scores are products of rows and queries rounded to bfloat16."""

    score_bytes = 2

    def __init__(self, rows: IndexRows) -> None:
        import torch

        super().__init__(rows)
        self._low = Bfloat16Rows(rows, torch.device("cpu"), float32_scores=False)

    def n_candidates(self, k: int) -> int:
        # Rounding to bfloat16 brings many rows close to the k-th.
        return 2 * k + 64

    def propose(
        self, queries: QueryBlock, part: slice, k: int, n_threads: int
    ) -> Candidates:
        low, error = bfloat16_queries(self._low, queries)
        scores = self._low.products(low, part)
        n = min(self.n_candidates(k), scores.shape[1])
        columns = torch_top_columns(scores, n)
        values = scores.gather(1, columns).double().numpy()
        ceilings = score_ceilings(self._low, values, error)
        return Candidates(columns.numpy() + part.start, ceilings, ceilings.min(axis=1))


def bfloat16_queries(low: Bfloat16Rows, queries: QueryBlock):
    """Tensor and (n_queries,) error of :meth:`Bfloat16Rows.queries` for a block."""
    import torch

    scaled = torch.from_numpy(queries.shifted * low.scale)
    tensor, error = low.queries(scaled, torch.from_numpy(queries.norms * low.scale))
    return tensor, error.numpy()


def score_ceilings(
    low: Bfloat16Rows, values: NDArray, error: NDArray
) -> NDArray[np.float64]:
    """The largest true scores behind computed ones, unscaled.

    Parameters
    ----------
    low : Bfloat16Rows
    values : ndarray of shape (n_queries, n_candidates), float64
    error : ndarray of shape (n_queries,), float64
    """
    ceilings = values + low.unit * np.abs(values)
    ceilings += error[:, None] - low.middle
    ceilings /= low.scale**2
    return ceilings
