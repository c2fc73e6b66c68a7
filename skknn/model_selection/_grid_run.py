"""Candidates on all splits, with warm starts where there are many fits."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from joblib import Parallel, delayed
from numpy.typing import NDArray
from sklearn.exceptions import ConvergenceWarning

from ..classifiers import SoftKNNClassifier, is_weighted
from ..utils._sklearn import insert_error_scores, report_fit_failures
from ..utils._warn import warn
from ._candidates import Candidate
from ._lambda_path import best_lambda
from ._one_split import evaluate_split
from ._scoring import named_kinds
from ._split import Result, Task

# Fits of bases a split up to which each starts from nothing, as a fit of its own does:
# so few cost little, and every score is that of a cold fit.
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

    def __init__(
        self,
        task: Task,
        splits: list[tuple[NDArray[np.intp], NDArray[np.intp]]],
        n_jobs: int | None,
        metric: str | None,
    ) -> None:
        self.task, self.splits, self.metric = task, splits, metric
        self._parallel = Parallel(n_jobs=n_jobs)
        self.n_base_fits_ = 0
        self.failures_: list[str] = []

    def evaluate(self, candidates: list[Candidate]) -> list[Result]:
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

    def warn_not_converged(self) -> None:
        """Report from ``fit`` of a search, once, that solvers stopped too early."""
        if self.failures_:
            warn(
                f"{len(self.failures_)} of {self.n_base_fits_} fits of base "
                f"classifiers stopped before they converged (the first: "
                f"{self.failures_[0]}). Scale the columns of X, for example with "
                "StandardScaler, or raise max_iter or tol of the base.",
                ConvergenceWarning,
            )

    def _evaluate(
        self, candidates: list[Candidate], cold: bool
    ) -> list[Sequence[Result]]:
        task = replace(self.task, cold=cold)
        outcomes = self._parallel(
            delayed(evaluate_split)(task, candidates, train, test, f"{i}/{n}")
            for n in [len(self.splits)]
            for i, (train, test) in enumerate(self.splits, 1)
        )
        for outcome in outcomes:
            self.n_base_fits_ += outcome.n_base_fits
            self.failures_ += outcome.failures
        by_candidate: list[Sequence[Result]] = list(
            zip(*(outcome.results for outcome in outcomes))
        )
        for candidate, row in zip(candidates, by_candidate):
            if candidate.path:
                _settle_path(candidate, row, self.task, self.metric)
        return by_candidate

    def _repeat_contenders(
        self, candidates: list[Candidate], by_candidate: list[Sequence[Result]]
    ) -> None:
        """Evaluate again, without warm starts, what might be the best."""
        means = np.array([self._mean(row) for row in by_candidate])
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
            best = means[sure].max()
            first = np.flatnonzero(sure & (means == best))[0]
            upper = means + difference
            ties = (upper == best) & (np.arange(len(means)) < first)
            todo = np.flatnonzero(~sure & ((upper > best) | ties))

    def _mean(self, row: Sequence[Result]) -> float:
        """Mean score over the splits; -inf, worst of all, where one is missing."""
        scores = [result["test_scores"] for result in row]
        if isinstance(scores[0], dict):
            scores = [score.get(self.metric, np.nan) for score in scores]
        mean = float(np.average(scores))
        return -np.inf if np.isnan(mean) else mean


def _weighting(candidate: Candidate) -> Any:
    clf = candidate.clf
    if isinstance(clf, SoftKNNClassifier):
        return None
    steps = tuple(step.key for step in candidate.steps)
    key = steps, candidate.search_key, candidate.base_key
    if not is_weighted(clf.modulation, clf.alpha):
        return key
    return *key, clf.n_neighbors, clf.tau, candidate.weight_key


def _n_weightings(candidates: list[Candidate]) -> int:
    return len({_weighting(candidate) for candidate in candidates})


def _leaders(
    candidates: list[Candidate], means: NDArray[np.float64]
) -> NDArray[np.intp]:
    """The best candidates, of a few weightings."""
    leaders: list[int] = []
    weightings = set()
    for i in np.argsort(-means, kind="stable"):
        weightings.add(_weighting(candidates[i]))
        if len(weightings) > _FIRST_CHECK:
            break
        leaders.append(i)
    return np.array(leaders)


def _settle_path(
    candidate: Candidate, row: Sequence[Result], task: Task, metric: str | None
) -> None:
    """Find a candidate's lambda from its results on all splits, and fill them in.

    Results of failed fits stay as they are. Where no score selects, the first one does.
    """
    kinds = named_kinds(task.kinds)
    kind = kinds[metric if metric in kinds else next(iter(kinds))]
    done = [result for result in row if "paths" in result]
    paths = [result["paths"]["test"] for result in done]
    lam = best_lambda(paths, kind) if paths else np.nan
    candidate.settle_lambda(lam)
    for result in done:
        for name, path in result.pop("paths").items():
            scores = {n: path.score(kind, lam) for n, kind in kinds.items()}
            several = isinstance(task.kinds, dict)
            result[f"{name}_scores"] = scores if several else scores["score"]
