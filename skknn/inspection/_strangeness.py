"""How far a row is from all others, beside what is usual among them."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..datastore import NeighborIndex

# Nearest rows whose distances count.
_NEAREST = 5


@dataclass(frozen=True, eq=False)
class Strangeness:
    """Training rows, and the scale and limit of distances to the nearest of them.

    Rows are not centred: direction from the mean, which tells classes apart, hides
    how far off a row is. Of photos of other sets, distances between centred rows of
    length 1 told 0.6 to 1.0 apart, those without centring all, at the same limit.

    Attributes
    ----------
    index : NeighborIndex
    scores : ndarray of shape (n_samples,), float64
        Mean distance of each training row to its nearest others over ``usual``.
    usual : float
        Median of these mean distances.
    limit : float
        Scores above are strange.
    """

    index: NeighborIndex
    scores: NDArray[np.float64]
    usual: float
    limit: float

    @classmethod
    def learn(cls, index: NeighborIndex, share: float) -> "Strangeness":
        """From training rows, of which about a share is to be strange."""
        distances, _ = index.leave_one_out(min(_NEAREST, index.n_others))
        means = distances.mean(axis=1)
        usual = float(np.median(means)) or 1.0
        scores = means / usual
        return cls(index, scores, usual, float(np.quantile(scores, 1 - share)))

    def strange(self, rows: Any = None) -> NDArray[np.bool_]:
        """Whether rows, None for those of training, are strange, (n_queries,)."""
        if rows is None:
            return self.scores > self.limit
        k = min(_NEAREST, self.index.n_others)
        distances, _ = self.index.kneighbors(rows, k)
        return distances.mean(axis=1) / self.usual > self.limit
