"""Any object with ``fit`` and ``kneighbors`` as a source of candidates."""

from copy import deepcopy
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.base import clone

from ._engine import Engine, Neighbors
from ._rows import IndexRows
from .exact._distances import nearest


class ExternalEngine(Engine):
    """A user's search object chooses candidates; distances and order are ours.

    An approximate one so loses nothing but recall. A copy of ``searcher`` is fitted.
    """

    name = "external"
    exact = False

    def __init__(self, rows: IndexRows, searcher: Any) -> None:
        own = clone(searcher) if hasattr(searcher, "get_params") else deepcopy(searcher)
        self.rows, self.searcher = rows, own
        own.fit(rows.values)

    def with_rows(self, rows: IndexRows, n_same: int = 0) -> "ExternalEngine":
        return ExternalEngine(rows, self.searcher)

    def kneighbors(
        self, queries: NDArray, k: int, exclude: NDArray[np.intp] | None = None
    ) -> Neighbors:
        n_samples = len(self.rows)
        shape = len(queries), min(k + (exclude is not None), n_samples)
        ids = np.asarray(self.searcher.kneighbors(queries, n_neighbors=shape[1])[1])
        if ids.shape != shape or ids.min() < 0 or ids.max() >= n_samples:
            raise ValueError(
                f"algorithm={self.searcher!r}: kneighbors must return row numbers of "
                f"shape {shape} in [0, {n_samples}), got shape {ids.shape}. Check the "
                "object, or use algorithm='brute'."
            )
        own = np.full(len(queries), -1) if exclude is None else exclude
        there, ids = ids != own[:, None], ids.astype(np.intp)
        return nearest(queries, self.rows, ids, there, k)
