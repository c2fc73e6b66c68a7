"""The last resort of every exact engine: rows whose candidates prove nothing.

Queries come here when more rows than expected lie within rounding of the k-th
neighbour: many copies of one row across the k boundary, or sets so tight that a
low-precision product cannot tell their rows apart.
"""

import numpy as np

from ._bounds import float64_error
from ._exact import canonical_order, direct_sqdist

# Bytes of float64 base rows, and of float64 scores, handled at a time.
_TILE_BYTES = 1 << 23
# Queries handled at a time.
COMPLETE_ROWS = 64


def complete(Q, X, shift, peak, k, bound, exclude=None):
    """Exact neighbours from one scan of the base in float64.

    Parameters
    ----------
    Q : ndarray of shape (n_queries, n_features)
    X : ndarray of shape (n_samples, n_features)
    shift : ndarray of shape (n_features,), float64, or None
        Subtracted before products are taken; distances do not feel it.
    peak : float
        At least the largest norm of a shifted row of ``X``.
    k : int
    bound : ndarray of shape (n_queries,), float64
        No less than the squared distance of the k-th neighbour.
    exclude : ndarray of shape (n_queries,), int, optional

    Returns
    -------
    sqdist : ndarray of shape (n_queries, k), float64
    ids : ndarray of shape (n_queries, k), intp
    """
    n_samples, n_features = X.shape
    queries = Q.astype(np.float64)
    if shift is not None:
        queries -= shift
    squares = np.einsum("ij,ij->i", queries, queries)
    need = (squares - bound) / 2 - float64_error(np.sqrt(squares), peak, n_features)
    best = np.full((len(Q), k), np.inf)
    best_ids = np.full((len(Q), k), n_samples)
    width = max(256, _TILE_BYTES // (8 * max(n_features, len(Q))))
    for start in range(0, n_samples, width):
        rows = X[start : start + width].astype(np.float64)
        if shift is not None:
            rows -= shift
        scores = queries @ rows.T
        scores -= np.einsum("ij,ij->i", rows, rows) / 2
        # Written so that NaN from overflow counts as near.
        near = ~(scores < need[:, None])
        if exclude is not None:
            own = np.flatnonzero((exclude >= start) & (exclude < start + width))
            near[own, exclude[own] - start] = False
        hit = np.flatnonzero(near.any(axis=1))
        if len(hit) == 0:
            continue
        sqdist = _measure(Q[hit], X[start : start + width], near[hit])
        columns = np.arange(start, start + sqdist.shape[1])
        best[hit], best_ids[hit] = _merge(best[hit], best_ids[hit], sqdist, columns, k)
    return canonical_order(best, best_ids)


def _measure(Q, X, near):
    """Squared distances where ``near``, inf elsewhere; copies are measured once."""
    sqdist = np.full(near.shape, np.inf)
    counts = near.sum(axis=1)
    if counts.sum() <= 16 * len(Q):
        for row in range(len(Q)):
            columns = np.flatnonzero(near[row])
            sqdist[row, columns] = direct_sqdist(Q[row : row + 1], X, columns[None])[0]
        return sqdist
    columns = np.flatnonzero(near.any(axis=0))
    distinct, inverse = np.unique(X[columns], axis=0, return_inverse=True)
    inverse = inverse.reshape(-1)
    for row in range(len(Q)):
        wanted = near[row, columns]
        kinds = np.unique(inverse[wanted])
        values = np.empty(len(distinct))
        values[kinds] = direct_sqdist(Q[row : row + 1], distinct, kinds[None])[0]
        sqdist[row, columns[wanted]] = values[inverse[wanted]]
    return sqdist


def _merge(best, best_ids, sqdist, columns, k):
    """The k smallest of both by (distance, index); later columns lose ties."""
    values = np.concatenate([best, sqdist], axis=1)
    ids = np.concatenate([best_ids, np.broadcast_to(columns, sqdist.shape)], axis=1)
    np.nan_to_num(values, copy=False, nan=np.inf, posinf=np.inf)
    last = np.partition(values, k - 1, axis=1)[:, k - 1 : k]
    closer = values < last
    equal = values == last
    room = k - closer.sum(axis=1, keepdims=True)
    taken = closer | (equal & (np.cumsum(equal, axis=1) <= room))
    return values[taken].reshape(-1, k), ids[taken].reshape(-1, k)
