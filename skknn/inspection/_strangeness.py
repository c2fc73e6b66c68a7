"""How far a row is from all others, beside what is usual among them."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

# Nearest rows whose distances count, and the fence above the usual ones.
_NEAREST = 5
_FENCE = 1.5


@dataclass(frozen=True)
class Strangeness:
    """Scale and limit of distances to the nearest rows.

    Attributes
    ----------
    usual : float
        Median over training rows of the mean distance to their nearest rows.
    limit : float
        Scores above are strange.
    """

    usual: float
    limit: float

    @classmethod
    def learn(cls, distances: NDArray[np.float64]) -> "Strangeness":
        """From neighbours of the training rows, each left out, (n_samples, k)."""
        means = _means(distances)
        usual = float(np.median(means)) or 1.0
        low, high = np.quantile(means / usual, [0.25, 0.75])
        return cls(usual, float(high + _FENCE * (high - low)))

    def score(self, distances: NDArray[np.float64]) -> NDArray[np.float64]:
        """Mean distance to the nearest rows over what is usual, (n_queries,)."""
        return _means(distances) / self.usual

    def strange(self, distances: NDArray[np.float64]) -> NDArray[np.bool_]:
        """Whether rows are farther from all others than is usual, (n_queries,)."""
        return self.score(distances) > self.limit


def _means(distances: NDArray[np.float64]) -> NDArray[np.float64]:
    return distances[:, :_NEAREST].mean(axis=1)
