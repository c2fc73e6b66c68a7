"""Every lambda at once: exact best share of the votes for accuracy and log loss.

A row's probabilities are straight lines in lambda, from the base's at 0 to those of the
votes at 1. Its own class is therefore the most probable one on a single interval, so
that the end points of all rows give the accuracy at every lambda; and the log loss is
convex.
"""

from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..classifiers import mix_proba, mixable
from ..utils._slices import blocks_of
from ._scoring import neg_log_loss, own_entries, own_proba, takes_rest

# Entries of the tables handled at a time: temporaries stay in the cache.
_BLOCK = 1 << 16
# Where scikit-learn's log loss clips probabilities.
_EPS = np.finfo(np.float64).eps
# How exactly the least loss is found, and how near to an end clipping is not followed.
_PRECISION, _NEAR = 1e-12, 1e-9


class LambdaPath:
    """Scores of one mixture on one set of rows, as functions of lambda.

    Parameters
    ----------
    votes, base : ndarray of shape (n_queries, n_classes)
    codes : ndarray of shape (n_queries,), int
        Own class of each row; -1 for one that was not seen in training.
    kinds : set of {"accuracy", "neg_log_loss"}
        Scores that are asked for.
    """

    def __init__(
        self,
        votes: NDArray[np.float64],
        base: NDArray[Any],
        codes: NDArray[np.integer],
        kinds: set[str],
    ) -> None:
        self.n_rows = len(codes)
        if "accuracy" in kinds:
            self._find_intervals(votes, base, codes)
        if "neg_log_loss" in kinds:
            self._rest = takes_rest(codes, votes.shape[1])
            self._votes = own_entries(votes, codes)
            self._base = own_entries(base, codes)
            self._mixable = own_entries(mixable(base), codes)

    def _find_intervals(
        self,
        votes: NDArray[np.float64],
        base: NDArray[Any],
        codes: NDArray[np.integer],
    ) -> None:
        self.right_at_ends = [
            np.count_nonzero(table.argmax(axis=1) == codes) for table in (base, votes)
        ]
        base = mixable(base)
        parts = []
        for block in blocks_of(len(codes), votes.shape[1], _BLOCK):
            rows = block.start + np.flatnonzero(codes[block] >= 0)
            parts.append(_intervals(votes[rows], base[rows], codes[rows]))
        low, high, low_closed, high_closed = map(np.concatenate, zip(*parts))
        always = (low == 0) & (high == 1)
        changes = (low <= high) & ~always
        self.n_always = np.count_nonzero(always)
        self.low, self.high = low[changes], high[changes]
        self.low_closed, self.high_closed = low_closed[changes], high_closed[changes]

    def counts(
        self, edges: NDArray[np.float64]
    ) -> tuple[NDArray[np.integer], NDArray[np.integer]]:
        """Rows classified correctly between and at ``edges``.

        Parameters
        ----------
        edges : ndarray of shape (n_edges,), float64
            Ascending, from 0 to 1, with all end points of this path.

        Returns
        -------
        between : ndarray of shape (n_edges - 1,), int
        at : ndarray of shape (n_edges,), int
        """
        n_edges = len(edges)
        first, last = (
            np.searchsorted(edges, self.low),
            np.searchsorted(edges, self.high),
        )
        opened = np.bincount(first, minlength=n_edges)
        closed = np.bincount(last, minlength=n_edges)
        between = self.n_always + np.cumsum(opened - closed)[:-1]
        # Open intervals around an edge: those begun before it that end after it.
        inside = self.n_always + np.cumsum(opened) - opened - np.cumsum(closed)
        point = first == last
        inside += np.bincount(first[point], minlength=n_edges)
        wins = self.low_closed & ~point
        at = inside + np.bincount(first[wins], minlength=n_edges)
        at += np.bincount(last[self.high_closed], minlength=n_edges)
        at[[0, -1]] = self.right_at_ends
        return between, at

    def score(self, kind: str, lam: float) -> float:
        """Score at one lambda, the same number as the scorer's."""
        return self._accuracy(lam) if kind == "accuracy" else self._neg_log_loss(lam)

    def _accuracy(self, lam: float) -> float:
        if lam in (0, 1):
            right = self.right_at_ends[int(lam)]
        else:
            inside = (self.low < lam) & (lam < self.high)
            at_low = (self.low == lam) & self.low_closed
            at_high = (self.high == lam) & self.high_closed
            right = self.n_always + np.count_nonzero(inside | at_low | at_high)
        return right / self.n_rows

    def _neg_log_loss(self, lam: float) -> float:
        base = self._base if lam == 0 else self._mixable
        mixed = mix_proba(self._votes, base, lam)
        return neg_log_loss(own_proba(mixed, self._rest))

    def own_ends(self) -> tuple[NDArray[np.float64], ...]:
        """Probability of each row's own class by the votes, and by the base."""
        return tuple(own_proba(t, self._rest) for t in (self._votes, self._mixable))


def best_lambda(paths: list[LambdaPath], kind: str) -> float:
    """Lambda with the best mean score over the splits.

    Parameters
    ----------
    paths : list of LambdaPath
        One a split.
    kind : {"accuracy", "neg_log_loss"}

    Returns
    -------
    float
    """
    if kind == "accuracy":
        return _best_accuracy(paths)
    scores = {
        lam: np.average([path.score("neg_log_loss", lam) for path in paths])
        for lam in (*_least_losses(paths), 0.0, 1.0)
    }
    # The first of equal ones: inside before an end.
    return max(scores, key=lambda lam: scores[lam])


def _best_accuracy(paths: list[LambdaPath]) -> float:
    ends = [end for path in paths for end in (path.low, path.high)]
    edges = np.unique(np.concatenate([[0.0, 1.0], *ends]))
    between, at = zip(*(path.counts(edges) for path in paths))
    n_rows = np.array([[path.n_rows] for path in paths])
    between = np.average(np.array(between) / n_rows, axis=0)
    at = np.average(np.array(at) / n_rows, axis=0)
    best = max(between.max(), at.max())
    # The middle of the widest interval is the farthest from any tie.
    width = np.where(between == best, np.diff(edges), 0.0)
    widest = int(width.argmax())
    if width[widest] > 0:
        return float((edges[widest] + edges[widest + 1]) / 2)
    return float(edges[at.argmax()])


def _least_losses(paths: list[LambdaPath]) -> list[float]:
    """Local minima of the mean loss, ends aside.

    A row's loss is convex as long as it is not clipped, which each row is on one side
    of a single lambda. Between two such lambdas the mean loss is convex.
    """
    votes, base = map(np.concatenate, zip(*(path.own_ends() for path in paths)))
    share = np.concatenate([np.full(path.n_rows, 1 / path.n_rows) for path in paths])
    minima = []
    for low, high in pairwise(_clipping_edges(votes, base)):
        middle = (low + high) / 2
        counts = middle * votes + (1 - middle) * base > _EPS
        lam = _zero_of_slope(votes[counts], base[counts], share[counts], low, high)
        if lam is not None:
            minima.append(lam)
    return minima


def _clipping_edges(
    votes: NDArray[np.float64], base: NDArray[np.float64]
) -> list[float]:
    """0, 1 and the lambdas between where a row's loss begins or ends to be clipped.

    Those within ``_NEAR`` of an end are left out: all of them, hundreds where votes are
    few, mean a step of ``_NEAR`` at most.
    """
    crosses = (votes < _EPS) != (base < _EPS)
    votes, base = votes[crosses], base[crosses]
    edges = (_EPS - base) / (votes - base)
    inner = edges[(edges > _NEAR) & (edges < 1 - _NEAR)]
    return [0.0, *np.unique(inner).tolist(), 1.0]


def _zero_of_slope(
    votes: NDArray[np.float64],
    base: NDArray[np.float64],
    share: NDArray[np.float64],
    low: float,
    high: float,
) -> float | None:
    """Where the slope of the mean loss, which grows, is zero between two lambdas."""
    difference = base - votes

    def falls(lam: float) -> bool:
        return bool(np.sum(share * difference / (base - lam * difference)) < 0)

    low, high = low + _PRECISION, high - _PRECISION
    if low >= high or not falls(low) or falls(high):
        return None
    while high - low > _PRECISION:
        middle = (low + high) / 2
        low, high = (middle, high) if falls(middle) else (low, middle)
    return (low + high) / 2


def _intervals(
    votes: NDArray[np.float64], base: NDArray[np.float64], own: NDArray[np.integer]
) -> tuple[NDArray[Any], ...]:
    """Lambdas between which each row's own class wins, and whether it does at them.

    Returns
    -------
    low, high : ndarrays of shape (n_rows,), float64
        ``low > high`` for rows that win nowhere.
    low_closed, high_closed : ndarrays of shape (n_rows,), bool
    """
    rows = np.arange(len(own))
    at_0 = base[rows, own][:, None] - base
    at_1 = votes[rows, own][:, None] - votes
    slope = at_1 - at_0
    with np.errstate(divide="ignore", invalid="ignore"):
        meets = -at_0 / slope
    low = np.where(slope > 0, meets, 0.0).max(axis=1, initial=0.0)
    high = np.where(slope < 0, meets, 1.0).min(axis=1, initial=1.0)
    # Two classes with the same line: the one sorted first wins everywhere.
    sorted_before = np.arange(votes.shape[1]) < own[:, None]
    # Probabilities that are fractions (forests, equal votes) meet at round numbers,
    # which rounding errors would spread over neighbouring floats.
    low, high = np.round(low, 12), np.round(high, 12)
    behind = (slope == 0) & ((at_0 < 0) | ((at_0 == 0) & sorted_before))
    high[behind.any(axis=1)] = -1.0
    # Exact ties at the end points, as the arithmetic of the mixture resolves them.
    return low, high, _wins(votes, base, own, low), _wins(votes, base, own, high)


def _wins(
    votes: NDArray[np.float64],
    base: NDArray[np.float64],
    own: NDArray[np.integer],
    lam: NDArray[np.float64],
) -> NDArray[np.bool_]:
    lam = lam[:, None]
    return (lam * votes + (1 - lam) * base).argmax(axis=1) == own
