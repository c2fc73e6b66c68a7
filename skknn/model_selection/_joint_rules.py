"""Which point JointKNNClassifierCV takes: votes, then base, then their shares."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

Results = dict[str, Any]
Scores = NDArray[np.float64]

# What is known about the share of the votes before any row was seen: beside a good base
# the best ones measured were small. See docs/choosing_parameters.rst.
_PRIOR_POWER, _PRIOR_AT_ONE = 5, 1e-3
# Standard errors by which a share has to be better than BASE to be taken.
_EVIDENCE = 0.5
# Scores and shares that agree but for rounding.
_ROUNDING = 1e-9


class JointChoice:
    """Index of the point to take in each stage of a sequential search.

    - Votes: k and tau of the lowest log loss.
    - Base: among alphas and ``C`` within one standard error of the best score, those
      of the lowest log loss: votes are mixed with its probabilities.
    - Mixture: the share of the votes from its whole curve, see :func:`expected_share`.

    With ``"one-se"`` the last two take, among points within one standard error of the
    best, the mildest weights first, and the least share.

    Parameters
    ----------
    selection : {"best", "one-se"}
    """

    def __init__(self, selection: str) -> None:
        self.selection = selection

    def __call__(self, results: Results) -> int:
        """The point to go on with.

        Parameters
        ----------
        results : dict
            ``cv_results_`` of one stage, with the scores ``"score"`` and
            ``"neg_log_loss"``.

        Returns
        -------
        int
        """
        scores = _split_scores(results, "score")
        losses = -_split_scores(results, "neg_log_loss").mean(axis=1)
        cautious = self.selection == "one-se"
        if "param_lam" in results:
            shares = np.array(results["param_lam"], dtype=float)
            if cautious:
                return _first(_close_to_best(scores), shares, losses)
            return expected_share(shares, scores)
        if "param_alpha" not in results:
            return int(losses.argmin())
        close = _close_to_best(scores)
        if cautious:
            alphas = np.array(results["param_alpha"], dtype=float)
            return _first(close, alphas, losses)
        return _first(close, losses)


def expected_share(shares: Scores, scores: Scores) -> int:
    """The share of the votes to expect from scores on a few splits.

    The best of many shares is the luckiest one. Each share counts by how likely it is
    to be the best, a normal law of how far its score is behind in standard errors over
    the splits, times ``(1 - lambda) ** 5``: with few rows, where any share may be the
    best, that leaves a seventh of the votes, and nothing where rows are many. The mean
    of the shares is taken, or the next smaller one whose score is above that of the
    smallest share, as a rule BASE, by half a standard error; else the smallest.

    Parameters
    ----------
    shares : ndarray of shape (n_points,), float
    scores : ndarray of shape (n_points, n_splits), float

    Returns
    -------
    int
        Index of the share.
    """
    behind = scores[scores.mean(axis=1).argmax()] - scores
    n_splits = scores.shape[1]
    spread = behind.var(axis=1, ddof=1).mean() if n_splits > 1 else np.inf
    error = np.sqrt(spread / n_splits) + _ROUNDING
    likelihood = np.exp(-((behind.mean(axis=1) / error) ** 2) / 2)
    # Where the votes alone are the only likely ones, they keep their weight.
    weights = likelihood * (1 - shares + _PRIOR_AT_ONE) ** _PRIOR_POWER
    mean = np.average(shares, weights=weights)
    least = int(shares.argmin())
    gains = scores - scores[least]
    enough = gains.mean(axis=1) > _EVIDENCE * _standard_errors(gains) + _ROUNDING
    enough &= shares <= mean + _ROUNDING
    enough[least] = True
    return int(np.where(enough, shares, -1).argmax())


def _close_to_best(scores: Scores) -> NDArray[np.bool_]:
    """Points within one standard error of the best, paired over the splits."""
    behind = scores[scores.mean(axis=1).argmax()] - scores
    return behind.mean(axis=1) <= _standard_errors(behind) + _ROUNDING


def _standard_errors(differences: Scores) -> Scores:
    """Of each point's mean over the splits, (n_points,); 0 where there is one split."""
    n_splits = differences.shape[1]
    if n_splits == 1:
        return np.zeros(len(differences))
    return differences.std(axis=1, ddof=1) / np.sqrt(n_splits)


def _first(allowed: NDArray[np.bool_], *keys: Scores) -> int:
    """The allowed point that the keys sort first, the first key counting most."""
    points = np.flatnonzero(allowed)
    order = np.lexsort([np.round(key[points], 12) for key in reversed(keys)])
    return int(points[order[0]])


def _split_scores(results: Results, name: str) -> Scores:
    """Scores of each point on each split, (n_points, n_splits)."""
    columns: list[NDArray[np.float64]] = []
    while f"split{len(columns)}_test_{name}" in results:
        columns.append(results[f"split{len(columns)}_test_{name}"])
    return np.column_stack(columns).astype(np.float64)
