"""Predicted classes for every k and tau, where nobody asks for probabilities."""

import sys
from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from ..datastore import walk_soft_votes

# Numbers whose products are neither too large nor too small for float32.
_LEAST, _MOST = 1e-30, 1e30


class Predictions:
    """Most probable classes of some rows, from their sorted neighbours.

    Where the fast engine has loaded its compiled loops, they count votes in float32;
    rows whose lead is within the rounding of that are counted again in float64. Takes 5
    to 8 bytes a neighbour. ``gaps`` and ``labels`` as in :func:`walk_soft_votes`.
    """

    def __init__(self, gaps: NDArray, labels: NDArray, n_classes: int) -> None:
        self._gaps, self._labels, self._n_classes = gaps, labels, n_classes
        self._blocks: tuple[NDArray, NDArray] | None = None
        loaded = "skknn.neighbors.exact._kernels" in sys.modules
        if loaded and gaps[-1].max(initial=0.0) < _MOST:
            from ._compiled_votes import in_blocks

            self._blocks = in_blocks(gaps, np.float32), in_blocks(labels, labels.dtype)

    def walk(self, tau: float, n_neighbors: Sequence[int]) -> Iterator[NDArray]:
        """Columns of the first largest of what :func:`walk_soft_votes` gives."""
        if self._blocks is None or not _LEAST < 1 / tau < _MOST:
            yield from self._plain(slice(None), tau, n_neighbors)
            return
        from ._compiled_votes import predict

        labels = self._labels
        codes = np.empty((len(n_neighbors), labels.shape[1]), dtype=labels.dtype)
        unsure = np.zeros(labels.shape[1], dtype=bool)
        ks, (gaps, names) = np.array(n_neighbors), self._blocks
        with np.errstate(over="ignore", under="ignore"):
            weights = gaps[:, : ks[-1]] * np.float32(-1 / tau)
            np.exp(weights, out=weights)
        predict(weights, names, self._n_classes, ks, codes, unsure)
        rows = np.flatnonzero(unsure)
        for predicted, again in zip(codes, self._plain(rows, tau, n_neighbors)):
            predicted[rows] = again
            yield predicted

    def _plain(
        self, rows: slice | NDArray, tau: float, n_neighbors: Sequence[int]
    ) -> Iterator[NDArray]:
        gaps, labels = self._gaps[:, rows], self._labels[:, rows]
        for proba in walk_soft_votes(gaps, labels, tau, self._n_classes, n_neighbors):
            yield proba.argmax(axis=1)
