"""What is evaluated on one split of the rows, and what came of it."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from traceback import format_exc
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..utils._sklearn import check_method_params, safe_split
from ._base_fits import BaseFits
from ._candidates import Candidate
from ._fit_groups import params_of_whole
from ._lambda_path import LambdaPath
from ._scoring import RowScores, named_kinds

Result = dict[str, Any]


@dataclass(frozen=True)
class Task:
    """What is the same on every split.

    With ``leave_one_out`` the training rows are asked about, each without itself.
    ``groups`` (n_samples,) or None are for the final classifier, ``fit_params`` what
    metadata routing sends to the estimator. ``cold`` forbids warm starts.
    """

    estimator: Any
    X: Any
    y: Any
    scorers: Any
    kinds: Any
    score_params: dict[str, Any]
    error_score: Any
    return_train_score: bool
    leave_one_out: bool
    verbose: int
    groups: Any = None
    fit_params: dict[str, Any] = field(default_factory=dict)
    cold: bool = True


@dataclass(frozen=True)
class Point:
    """A candidate and its place among the results."""

    number: int
    candidate: Candidate

    @property
    def clf(self) -> Any:
        """The final classifier with all its parameters, never fitted."""
        return self.candidate.clf


@dataclass
class Outcome:
    """Results of one split: one dict a candidate, in the form of GridSearchCV's."""

    results: list[Any]
    n_base_fits: int = 0
    failures: list[str] = field(default_factory=list)

    def note_fits(self, fits: BaseFits) -> None:
        """Count the fits of bases, and the solvers that did not converge."""
        self.n_base_fits += fits.n_fits_
        self.failures += fits.failures_


class RowSet:
    """Rows that points are scored on, as scorers see them.

    Attributes
    ----------
    name : {"test", "train"}
    X, y
    scores : RowScores
        Once the classes are known.
    """

    def __init__(self, name: str, X: Any, y: Any, params: dict[str, Any]) -> None:
        self.name, self.X, self.y, self._params = name, X, y, params
        self._scores: RowScores | None = None

    @property
    def scores(self) -> RowScores:
        """What scores answers for these rows."""
        assert self._scores is not None, "prepare comes first"
        return self._scores

    def prepare(self, task: Task, classes: NDArray[Any]) -> None:
        """Get ready for answers over these classes; later calls do nothing."""
        if self._scores is None:
            self._scores = RowScores(
                task.scorers,
                task.kinds,
                self.X,
                self.y,
                classes,
                self._params,
                task.error_score,
            )


class Split:
    """Rows, failures and scores of one split.

    Attributes
    ----------
    groups, fit_params
        Those of the task, for the training rows.
    row_sets : list of RowSet
        What points are scored on: the held-out rows and, on demand, the training rows.
    """

    def __init__(
        self,
        task: Task,
        candidates: list[Candidate],
        train: NDArray[np.intp],
        test: NDArray[np.intp],
        label: str,
    ) -> None:
        self.task, self.label = task, label
        self.points = [Point(i, candidate) for i, candidate in enumerate(candidates)]
        self.outcome = Outcome([None] * len(candidates))
        self._start = time.perf_counter()
        self._n_done, self._scoring = 0, False
        self.X, self.y = safe_split(task.estimator, task.X, task.y, train)
        groups = check_method_params(task.X, {"groups": task.groups}, train)
        self.groups = groups["groups"]
        self.fit_params = check_method_params(task.X, task.fit_params, train)
        train_params = check_method_params(task.X, task.score_params, train)
        if task.leave_one_out:
            self.row_sets = [RowSet("test", self.X, self.y, train_params)]
        else:
            X, y = safe_split(task.estimator, task.X, task.y, test, train)
            params = check_method_params(task.X, task.score_params, test)
            self.row_sets = [RowSet("test", X, y, params)]
        if task.return_train_score:
            self.row_sets.append(RowSet("train", self.X, self.y, train_params))

    @contextmanager
    def failures_of(self, points: list[Point]) -> Iterator[None]:
        """Note an error for those of ``points`` that have no result yet."""
        try:
            yield
        except Exception:
            if self.task.error_score == "raise" or self._scoring:
                raise
            report, score = format_exc(), self.task.error_score
            if isinstance(self.task.kinds, dict):
                score = dict.fromkeys(self.task.kinds, score)
            for point in points:
                if self.outcome.results[point.number] is None:
                    result = self._result(point)
                    result["fit_error"] = report
                    for row_set in self.row_sets:
                        result[f"{row_set.name}_scores"] = score

    def scores_for(self, classes: NDArray[Any]) -> None:
        """Prepare the row sets for answers over these classes."""
        for row_set in self.row_sets:
            row_set.prepare(self.task, classes)

    def record(self, point: Point, answers: list[Any]) -> None:
        """Score a point by its answers, one for each row set."""
        start = time.perf_counter()
        candidate = point.candidate
        self._scoring = True  # Errors from here on are not those of a fit.
        scores = [
            row_set.scores(
                answer,
                candidate.whole,
                lambda: self._fit(candidate),
            )
            for row_set, answer in zip(self.row_sets, answers)
        ]
        self._scoring = False
        result = self._result(point)
        for row_set, score in zip(self.row_sets, scores):
            result[f"{row_set.name}_scores"] = score
        result["score_time"] = time.perf_counter() - start

    def _fit(self, candidate: Candidate) -> Any:
        whole = candidate.make_estimator()
        params = params_of_whole(whole, self.groups, self.fit_params)
        return whole.fit(self.X, self.y, **params)

    def record_paths(
        self, point: Point, votes: list[NDArray[Any]], base: list[NDArray[Any]]
    ) -> None:
        """Keep a point's scores as functions of lambda."""
        start = time.perf_counter()
        kinds = set(named_kinds(self.task.kinds).values())
        paths = {}
        for row_set, votes_here, base_here in zip(self.row_sets, votes, base):
            if "neg_log_loss" in kinds and not row_set.scores.complete:
                raise ValueError(
                    "The log loss needs every class both in the training and in the "
                    "held-out rows of a split. Use a stratified cv with fewer splits."
                )
            paths[row_set.name] = LambdaPath(
                votes_here, base_here, row_set.scores.codes, kinds
            )
        result = self._result(point)
        result["paths"] = paths
        result["score_time"] = time.perf_counter() - start

    def progress(self, what: str) -> None:
        """Print what was done, if that much is asked for."""
        if self.task.verbose > 1:
            self.say(what)

    def say(self, what: str) -> None:
        """Print progress."""
        seconds = time.perf_counter() - self._start
        print(
            f"[NeighborSearchCV {self.label}] {what}, {self._n_done} of "
            f"{len(self.points)} points, {seconds:.1f}s",
            flush=True,
        )

    def _result(self, point: Point) -> Result:
        result: Result = {"fit_error": None, "score_time": 0.0}
        self.outcome.results[point.number] = result
        self._n_done += 1
        return result
