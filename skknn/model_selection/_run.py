"""Candidates on all splits, with warm starts where there are many fits."""

from dataclasses import replace

import numpy as np
from joblib import Parallel, delayed

from ..utils._sklearn import insert_error_scores, report_fit_failures
from ._lambda_path import settle_paths
from ._split import evaluate_split

# Fits of bases a split up to which each starts from nothing, as a fit of its own does.
_COLD_FITS = 32
# Different weightings that the first check of warm starts repeats.
_FIRST_CHECK = 4


class GridRun:
    """Evaluate candidates of one search.

    Parameters
    ----------
    task : Task
    splits : list of (train, test)
    n_jobs : int or None
        Worker processes over splits.
    metric : str or None
        Score that selects: "score", the name of one of several, or None.

    Attributes
    ----------
    n_base_fits_ : int
    failures_ : list of str
        Reports of solvers that did not converge.
    """

    def __init__(self, task, splits, n_jobs, metric):
        self.task, self.splits, self.metric = task, splits, metric
        self._parallel = Parallel(n_jobs=n_jobs)
        self.n_base_fits_, self.failures_ = 0, []

    def evaluate(self, candidates):
        """Results in the order and form of GridSearchCV: splits within candidates.

        Up to a few fits of bases a split, each is a fit of its own. More of them start
        from the fit without weights; then the candidates that might be selected are
        evaluated again without such starts, until the selected one is certain up to
        the differences seen.

        Parameters
        ----------
        candidates : list of Candidate
            Those with ``path`` get the lambda found into their ``params``.

        Returns
        -------
        list of dict
        """
        warm = self.metric is not None and _n_weightings(candidates) > _COLD_FITS
        by_candidate = self._evaluate(candidates, cold=not warm)
        if warm:
            self._repeat_contenders(candidates, by_candidate)
        results = [result for row in by_candidate for result in row]
        report_fit_failures(results, self.task.error_score)
        if self.task.kinds is None:
            # What a callable returns is known only once it has been called.
            insert_error_scores(results, self.task.error_score)
        return results

    def _evaluate(self, candidates, cold):
        task = replace(self.task, cold=cold)
        outcomes = self._parallel(
            delayed(evaluate_split)(task, candidates, train, test, f"{i}/{n}")
            for n in [len(self.splits)]
            for i, (train, test) in enumerate(self.splits, 1)
        )
        for outcome in outcomes:
            self.n_base_fits_ += outcome.n_base_fits
            self.failures_ += outcome.failures
        by_candidate = list(zip(*(outcome.results for outcome in outcomes)))
        for candidate, row in zip(candidates, by_candidate):
            if candidate.path:
                settle_paths(candidate, row, self.task, self.metric)
        return by_candidate

    def _repeat_contenders(self, candidates, by_candidate):
        """Evaluate again, without warm starts, what might be the best."""
        means = np.array([self._mean(row) for row in by_candidate])
        means = np.where(np.isnan(means), -np.inf, means)
        sure = np.zeros(len(means), dtype=bool)
        difference = 0.0
        todo = _leaders(candidates, means)
        while len(todo):
            if self.task.verbose:
                print(f"[NeighborSearchCV] {len(todo)} contenders without warm start")
            repeated = self._evaluate([candidates[i] for i in todo], cold=True)
            for i, row in zip(todo, repeated):
                mean = self._mean(row)
                if np.isfinite(mean) and np.isfinite(means[i]):
                    difference = max(difference, abs(mean - means[i]))
                by_candidate[i], means[i], sure[i] = row, mean, True
            best = np.nanmax(means[sure])
            first = np.flatnonzero(sure & (means == best))[0]
            reach = means + difference
            ties = (reach == best) & (np.arange(len(means)) < first)
            todo = np.flatnonzero(~sure & ((reach > best) | ties))

    def _mean(self, row):
        scores = [result["test_scores"] for result in row]
        if isinstance(scores[0], dict):
            scores = [score.get(self.metric, np.nan) for score in scores]
        return np.average(scores)


def _weighting(candidate):
    clf = candidate.clf
    if not hasattr(clf, "_is_weighted"):
        return None
    steps = tuple(step.key for step in candidate.steps)
    key = steps, candidate.search_key, candidate.base_key
    if not clf._is_weighted():
        return key
    return *key, clf.n_neighbors, clf.tau, candidate.weight_key


def _n_weightings(candidates):
    return len({_weighting(candidate) for candidate in candidates})


def _leaders(candidates, means):
    """The best candidates, of a few weightings."""
    leaders, weightings = [], set()
    for i in np.argsort(-means, kind="stable"):
        weightings.add(_weighting(candidates[i]))
        if len(weightings) > _FIRST_CHECK:
            break
        leaders.append(i)
    return np.array(leaders)
