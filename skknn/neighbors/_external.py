"""Any object with ``fit`` and ``kneighbors`` as a source of candidates."""

import numpy as np

from ._exact import canonical_order, direct_sqdist


class ExternalEngine:
    """Wrap a user's search object, for example ``NearestNeighbors``.

    It chooses the candidates; distances and order are computed here, so an exact
    object gives the results of every other exact engine and an approximate one loses
    nothing but recall.

    Parameters
    ----------
    searcher : object
        ``fit(X)`` and ``kneighbors(Q, n_neighbors=k)`` that returns distances and
        row numbers.
    """

    name = "external"

    def __init__(self, searcher):
        self.searcher = searcher

    def fit(self, X):
        """Fit the object on ``X`` of shape (n_samples, n_features)."""
        self.X_ = X
        self.searcher.fit(X)
        return self

    def kneighbors(self, Q, k, exclude=None):
        """As :meth:`BruteEngine.kneighbors`."""
        wanted = min(k + (exclude is not None), len(self.X_))
        _, ids = self.searcher.kneighbors(Q, n_neighbors=wanted)
        ids = np.asarray(ids)
        if ids.shape != (len(Q), wanted) or ids.min() < 0 or ids.max() >= len(self.X_):
            raise ValueError(
                f"algorithm={self.searcher!r}: kneighbors must return row numbers of "
                f"shape {(len(Q), wanted)} in [0, {len(self.X_)}), got shape "
                f"{ids.shape}. Check the object, or use algorithm='brute'."
            )
        ids = ids.astype(np.intp)
        sqdist = direct_sqdist(Q, self.X_, ids)
        if exclude is not None:
            sqdist[ids == exclude[:, None]] = np.inf
        sqdist, ids = canonical_order(sqdist, ids)
        return sqdist[:, :k], ids[:, :k]
