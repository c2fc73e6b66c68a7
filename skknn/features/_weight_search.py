"""Weights of blocks by the leave-one-out score of soft votes, one change at a time."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ..datastore import sorted_gaps, walk_soft_votes, walk_true_class_votes
from ._block_distances import BlockDistances

# Temperatures, in units of the mean squared distance of the farthest neighbour asked.
TEMPERATURES = (0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, np.inf)


@dataclass(frozen=True)
class Vote:
    """The best vote with some weights.

    Attributes
    ----------
    loss : ndarray of shape (m,)
        Of every row, left out: log loss, or 1 for a wrong class.
    n_neighbors : int
    tau : float
        In units of squared distances between unit rows.
    """

    loss: NDArray[np.float64]
    n_neighbors: int
    tau: float

    @property
    def mean(self) -> float:
        """The loss of all rows."""
        return float(self.loss.mean())


@dataclass(frozen=True)
class Step:
    """Weights that the search went through.

    Attributes
    ----------
    weights : tuple of float
    vote : Vote
    standard_error : float
        Of the fall of the loss from the step before; 0 at the start.
    """

    weights: tuple[float, ...]
    vote: Vote
    standard_error: float


class LeaveOneOutVotes:
    """Scores weights by what the neighbours of each row say of its class.

    Parameters
    ----------
    distances : BlockDistances
    codes : ndarray of shape (n,), intp
        Class number of every row.
    n_neighbors : sequence of int
        Values to choose from, ascending.
    tau : sequence of float or None
        Temperatures to choose from; None takes :data:`TEMPERATURES`.
    scoring : {"neg_log_loss", "accuracy"}
    groups : ndarray of shape (n,), intp, optional
        Rows of one group count as one for the standard error.
    """

    def __init__(
        self,
        distances: BlockDistances,
        codes: NDArray[np.intp],
        *,
        n_neighbors: Sequence[int],
        tau: Sequence[float] | None,
        scoring: str,
        groups: NDArray[np.intp] | None = None,
    ) -> None:
        self._distances, self._codes, self._tau = distances, codes, tau
        self._own = codes[distances.rows]
        k = distances.n_neighbors
        self._ks = sorted({min(each, k) for each in n_neighbors})
        self._scoring = scoring
        self._groups = None if groups is None else groups[distances.rows]
        counts = np.bincount(codes)
        self._n_classes = len(counts)
        self._prior = counts[self._own] / len(codes)
        self._known: dict[tuple[float, ...], Vote] = {}

    def vote(self, weights: Sequence[float]) -> Vote:
        """Return the vote whose k and tau suit some weights best."""
        key = tuple(weight / sum(weights) for weight in weights)
        if key not in self._known:
            self._known[key] = self._best_vote(weights)
        return self._known[key]

    def standard_error(self, difference: NDArray[np.float64]) -> float:
        """Of the mean of differences between the losses of two votes."""
        rest, n = difference - difference.mean(), len(difference)
        if self._groups is not None:
            rest = np.bincount(self._groups, rest)
        return float(np.sqrt((rest * rest).sum() / max(1, n - 1) / n))

    def _best_vote(self, weights: Sequence[float]) -> Vote:
        distances, ids = self._distances.nearest(weights)
        gaps, labels = sorted_gaps(distances), self._codes[ids].T
        best: Vote | None = None
        for tau in self._temperatures(distances):
            for k, loss in zip(self._ks, self._losses(gaps, labels, tau)):
                if best is None or loss.mean() < best.mean:
                    best = Vote(loss, k, tau)
        assert best is not None
        return best

    def _temperatures(self, distances: NDArray[np.float64]) -> list[float]:
        if self._tau is not None:
            return [float(tau) for tau in self._tau]
        scale = distances[:, -1].mean()
        # Where all neighbours are duplicates any temperature will do.
        return [float(tau * scale) if scale > 0 else 1.0 for tau in TEMPERATURES]

    def _losses(
        self, gaps: NDArray, labels: NDArray, tau: float
    ) -> list[NDArray[np.float64]]:
        if self._scoring == "accuracy":
            votes = walk_soft_votes(gaps, labels, tau, self._n_classes, self._ks)
            return [(p.argmax(axis=1) != self._own).astype(float) for p in votes]
        agree = labels == self._own
        own = walk_true_class_votes(gaps, agree, tau, self._ks)
        # As if one neighbour more had voted, for the classes as often as they occur:
        # votes that say 0 would lose without bound.
        return [-np.log((k * p + self._prior) / (k + 1)) for k, p in zip(self._ks, own)]


def search_weights(
    votes: LeaveOneOutVotes, weights: Sequence[float], n_blocks: int, first: int
) -> list[Step]:
    """Go from one block alone to better weights, the best single change at a time.

    A change is made when the loss falls by more than one standard error of the paired
    difference; of equally good ones the first block's smallest weight is taken.

    Parameters
    ----------
    votes : LeaveOneOutVotes
    weights : sequence of float
        Values that a weight may have.
    n_blocks : int
    first : int
        Number of the block that the search starts from, with weight 1.

    Returns
    -------
    list of Step
        The first is the start, the last the weights to take.
    """
    now = tuple(float(block == first) for block in range(n_blocks))
    path = [Step(now, votes.vote(now), 0.0)]
    while True:
        now, vote = path[-1].weights, path[-1].vote
        changed = [
            (*now[:block], float(weight), *now[block + 1 :])
            for block in range(n_blocks)
            for weight in sorted(weights)
            if weight != now[block]
        ]
        changed = [each for each in changed if any(each)]
        if not changed:
            return path
        best = min(changed, key=lambda each: votes.vote(each).mean)
        fall = vote.loss - votes.vote(best).loss
        error = votes.standard_error(fall)
        # Rounding must not go round in circles where rows lose alike.
        if not fall.mean() > max(error, 1e-9):
            return path
        path.append(Step(best, votes.vote(best), error))
