"""Search by the exact similarity of features joined by gradients as pairs.

The gradient of a position is the outer product of two vectors a and b, and
<b_t a_t', b_s a_s'> = <a_t, a_s> <b_t, b_s>: what a row of thousands of numbers says
exactly would take one of hundreds of thousands to write out.
"""

from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..datastore import Preprocessor
from ..utils._slices import blocks_of
from ..utils._threads import run_blocks
from ._search import BankSearch

# Bytes of similarities of all rows at a time, and numbers in candidates that are
# measured again together.
_BYTES, _GATHER = 1 << 25, 1 << 16
_ROUNDING = np.finfo(np.float32).eps


class PairSearch:
    """Nearest rows by ``(cos(f, f') + cos(a, a') cos(b, b')) / 2``.

    Rows are (f, a, b). Products in float32 find candidates, all of those that may be
    among the nearest; these are measured again in float64 and sorted by similarity,
    then number. A block of zeros has the cosine 0 with everything.

    Parameters
    ----------
    features : ndarray of shape (n, sum(widths)), float32
        Not copied.
    mean : ndarray of shape (sum(widths),) or None
        What was subtracted from rows of length 1.
    widths : (int, int, int)
        Of f, a and b.
    n_jobs : int or None
    """

    def __init__(
        self, features: NDArray, mean: Any, widths: tuple[int, ...], n_jobs: Any
    ) -> None:
        self._features, self._mean, self._n_jobs = features, mean, n_jobs
        self._unit = Preprocessor("l2")
        stops = np.cumsum([0, *widths]).tolist()
        self._parts = [slice(low, high) for low, high in pairwise(stops)]
        self._inverse = [_inverse_norms(features[:, part]) for part in self._parts]
        self._low = [inverse.astype(np.float32) for inverse in self._inverse]
        # Of sums of products of unit vectors, and of products of two of these.
        self._error = _ROUNDING * (sum(widths) + 64)

    def kneighbors(
        self, found: NDArray, k: int
    ) -> tuple[NDArray[np.float64], NDArray[np.intp]]:
        """Return 1 - similarity and numbers of the nearest rows, both (h * w, k).

        Parameters
        ----------
        found : ndarray of shape (h, w, d)
        k : int
        """
        queries = self._unit.transform(found.reshape(-1, found.shape[2]))
        BankSearch.center(queries, self._mean)
        units = [self._unit.transform(queries[:, part]) for part in self._parts]
        distances = np.empty((len(queries), k), dtype=np.float64)
        ids = np.empty((len(queries), k), dtype=np.intp)

        def settle(part: slice) -> None:
            block = [unit[part] for unit in units]
            scores = self._rough(block)
            place = scores.shape[1] - k
            least = np.partition(scores, place, axis=1)[:, place] - 2 * self._error
            for i, (row, limit) in enumerate(zip(scores, least), part.start):
                candidates = np.flatnonzero(row >= limit)
                exact = 1 - self._exact([unit[i] for unit in units], candidates)
                order = np.lexsort((candidates, exact))[:k]
                distances[i], ids[i] = exact[order], candidates[order]

        blocks = blocks_of(len(queries), 4 * len(self._features), _BYTES)
        run_blocks(settle, blocks, self._n_jobs)
        return distances, ids

    def recall(self, k: int) -> float:
        """Return 1: the search is exact."""
        return 1.0

    def _rough(self, queries: list[NDArray]) -> NDArray[np.float32]:
        f, a, b = (
            (query @ self._features[:, part].T) * low
            for query, part, low in zip(queries, self._parts, self._low)
        )
        a *= b
        f += a
        f /= 2
        return f

    def _exact(
        self, query: list[NDArray], rows: NDArray[np.intp]
    ) -> NDArray[np.float64]:
        """Similarities of one query with some rows."""
        out = np.empty(len(rows))
        for part in blocks_of(len(rows), self._features.shape[1], _GATHER):
            chosen = self._features[rows[part]].astype(np.float64)
            f, a, b = (
                np.einsum("ij,j->i", chosen[:, columns], each.astype(np.float64))
                * inverse[rows[part]]
                for columns, each, inverse in zip(self._parts, query, self._inverse)
            )
            out[part] = (f + a * b) / 2
        return out


def _inverse_norms(rows: NDArray) -> NDArray[np.float64]:
    norms = np.empty(len(rows))
    for part in blocks_of(len(rows), 8 * rows.shape[1]):
        block = rows[part].astype(np.float64)
        norms[part] = np.sqrt(np.einsum("ij,ij->i", block, block))
    return np.divide(1.0, norms, out=np.zeros(len(rows)), where=norms > 0)
