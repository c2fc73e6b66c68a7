"""What tau means for the distances of a training set (R, Eq. 1)."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..datastore import NeighborIndex
from ..utils._slices import blocks_of
from ..utils._warn import warn
from ._labelled_index import LabelledIndex

# Share of the typical distance that tau="scale" is. Rows of length 1 around 0 are 2
# apart in the mean of squared distances: then it is the default tau, 0.1.
_SHARE = 0.05
# The largest squared distance between rows of length 1.
_UNIT_ROWS = 4.0
# Share of the votes beyond which the nearest row votes alone, share of rows for which
# it must do so (others may have two at the same distance), and rows looked at.
_ALONE, _MOST, _SAMPLE = 0.99, 0.9, 64
# Numbers that are converted to float64 at a time: 8 MB.
_BLOCK = 1 << 20


def resolve_tau(tau: float | str, X: Any, index: NeighborIndex) -> float:
    """The number that ``tau`` means for this training set.

    Parameters
    ----------
    tau : float or "scale"
    X : ndarray of shape (n_samples, n_features), a graph, or None
        Training rows as ``index`` was given them; None restores them from it.
    index : NeighborIndex
        Fitted.

    Returns
    -------
    float
        For ``"scale"``, 0.05 times :func:`typical_distance`.
    """
    if not isinstance(tau, str):
        return tau
    if index.algorithm_ == "precomputed":
        raise ValueError(
            f"tau={tau!r} needs rows, and algorithm='precomputed' has distances to a "
            "few neighbours alone. Use a number, in the units of these distances."
        )
    X = index.restore() if X is None else X
    # Where all rows are equal every distance is 0, and any temperature will do.
    return _SHARE * typical_distance(X, index) or 1.0


def typical_distance(X: NDArray[np.floating], index: NeighborIndex) -> float:
    """Distance between two training rows drawn at random, as the index measures it.

    The mean of squared distances, twice the sum of the columns' variances; its root for
    ``metric="euclidean"``; the mean of ``1 - cos`` for ``"cosine"``.

    Parameters
    ----------
    X : ndarray of shape (n_samples, n_features)
    index : NeighborIndex

    Returns
    -------
    float
    """
    parts = [X[rows] for rows in blocks_of(len(X), X.shape[1], _BLOCK)]
    with np.errstate(over="ignore", invalid="ignore"):
        mean = sum(_prepared(part, index).sum(axis=0) for part in parts) / len(X)
        squares = sum(
            np.square(_prepared(part, index) - mean).sum() for part in parts
        ) / len(X)
        mean_squared = float(2 * squares)
        if index.metric == "cosine":
            return mean_squared / 2
        return mean_squared**0.5 if index.metric == "euclidean" else mean_squared


def _prepared(X: NDArray[np.floating], index: NeighborIndex) -> NDArray[np.float64]:
    rows = index.preprocessor_.transform(X).astype(np.float64)
    if index.metric == "cosine":
        norms = np.linalg.norm(rows, axis=1, keepdims=True)
        rows /= np.where(norms > 0, norms, 1.0)
    return rows


def warn_if_nearest_votes_alone(
    index: LabelledIndex, X: Any, k: int, tau: float
) -> None:
    """Warn where rows that were left unscaled make soft votes hard ones.

    Rows of length 1, for which values of tau are known, are never warned about.

    Parameters
    ----------
    index : LabelledIndex
    X : ndarray of shape (n_samples, n_features), or a graph
        Training rows as the index was given them.
    k : int
        Voting rows.
    tau : float
    """
    rows = index.rows
    k = min(k, rows.n_others)
    unscaled = rows.preprocessing is None and rows.metric != "cosine"
    if not unscaled or rows.algorithm_ == "precomputed" or k < 2:
        return
    largest = _UNIT_ROWS if rows.metric == "sqeuclidean" else _UNIT_ROWS**0.5
    some = X[:: max(1, len(X) // _SAMPLE)]
    if not largest < typical_distance(some, rows) < np.inf:
        return
    step = max(1, index.n_samples // _SAMPLE)
    distances, _ = rows.leave_one_out(k, slice(None, None, step))
    with np.errstate(over="ignore", under="ignore"):
        votes = np.exp(-(distances - distances[:, :1]) / tau)
    alone = float((1 / votes.sum(axis=1) > _ALONE).mean())
    if alone >= _MOST:
        near, far = np.median(distances[:, 0]), np.median(distances[:, -1])
        scale = resolve_tau("scale", X, rows)
        warn(
            f"preprocessing=None and tau={tau:.3g}: for {alone:.0%} of the rows the "
            f"nearest of {k} has over {_ALONE:.0%} of the votes, so this is 1-NN. "
            f"Distances ({rows.metric}) are about {near:.3g} to the nearest row and "
            f"{far:.3g} to row {k}. Use tau='scale' (here {scale:.3g}), a larger tau, "
            "or preprocessing='center-l2'."
        )
