"""Search among the rows of a bank by cosine."""

from importlib.util import find_spec
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..datastore import NeighborIndex, Preprocessor
from ..neighbors import APPROXIMATE
from ..utils._slices import blocks_of

# Rows above which an exact search takes minutes an image.
_LARGE = 1_000_000
# Positions searched at a time: as fast as all of an image, in two thirds of the memory
# (`benchmarks/segmentation.py`).
_QUERIES = 512


class BankSearch:
    """Nearest rows of a bank, whose rows have length 1 and are not copied.

    Parameters
    ----------
    features : ndarray of shape (n, d), float32
        Prepared by :meth:`center`.
    mean : ndarray of shape (d,) or None
        What was subtracted from them.
    algorithm, device, n_jobs
        As for :class:`~skknn.datastore.NeighborIndex`.
    """

    def __init__(
        self, features: NDArray, mean: Any, algorithm: Any, device: Any, n_jobs: Any
    ) -> None:
        if isinstance(algorithm, str) and algorithm == "auto":
            if len(features) > _LARGE and find_spec("faiss") is not None:
                algorithm = "ivf"
        self._mean, self._unit = mean, Preprocessor("l2")
        # Squared distances of rows of length 1 are twice what 1 - cosine is; asked
        # for cosines, the index would make a second copy of all rows.
        self._index = NeighborIndex(
            metric="sqeuclidean",
            preprocessing=None,
            algorithm=algorithm,
            device=device,
            n_jobs=n_jobs,
        ).fit(features)

    def kneighbors(
        self, found: NDArray, k: int
    ) -> tuple[NDArray[np.float64], NDArray[np.intp]]:
        """Return 1 - cosine and numbers of the nearest rows, both (h * w, k).

        Parameters
        ----------
        found : ndarray of shape (h, w, d)
        k : int
        """
        queries = self._unit.transform(found.reshape(-1, found.shape[2]))
        self.center(queries, self._mean)
        parts = [
            self._index.kneighbors(queries[part], k)
            for part in blocks_of(len(queries), 1, _QUERIES)
        ]
        distances, ids = map(np.concatenate, zip(*parts))
        return distances / 2, ids

    def recall(self, k: int) -> float:
        """Return the share of the k nearest rows that the engine finds."""
        approximate = self._index.algorithm_ in APPROXIMATE
        return self._index.recall(k) if approximate else 1.0

    @staticmethod
    def center(rows: NDArray, mean: Any) -> None:
        """Subtract a mean from rows of length 1 and normalise again, in place."""
        if mean is None:
            return
        unit = Preprocessor("l2")
        for part in blocks_of(len(rows), 8 * rows.shape[1]):
            rows[part] = unit.transform(rows[part] - mean)
