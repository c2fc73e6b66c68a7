"""All points of a grid on one split of the rows."""

import time
from contextlib import contextmanager
from dataclasses import dataclass, field
from traceback import format_exc

from sklearn.base import clone
from sklearn.pipeline import Pipeline

from ..classifiers import SoftKNNClassifier
from ..utils._sklearn import check_method_params, safe_split
from ._lambda_path import LambdaPath
from ._scoring import RowScores
from ._sweeps import groups, sweep_guided, sweep_votes


@dataclass
class Task:
    """What is the same on every split.

    With ``leave_one_out`` the training rows are asked about, each without itself.
    ``cold`` forbids warm starts.
    """

    estimator: object
    X: object
    y: object
    scorers: object
    kinds: object
    score_params: dict
    error_score: object
    return_train_score: bool
    leave_one_out: bool
    verbose: int
    cold: bool = True


@dataclass
class Point:
    """A candidate and its place among the results."""

    number: int
    candidate: object

    @property
    def clf(self):
        return self.candidate.clf


@dataclass
class Outcome:
    """Results of one split: one dict a candidate, in the form of GridSearchCV's."""

    results: list
    n_base_fits: int = 0
    failures: list = field(default_factory=list)


def evaluate_split(task, candidates, train, test, label):
    """Score all candidates on one split.

    Parameters
    ----------
    task : Task
    candidates : list of Candidate
    train, test : ndarray of int
    label : str
        For messages.

    Returns
    -------
    Outcome
    """
    start = time.perf_counter()
    split = Split(task, candidates, train, test, label)
    split.run()
    seconds = time.perf_counter() - start
    results = split.outcome.results
    scoring = sum(result["score_time"] for result in results)
    for result in results:
        # The work is shared; so is the time.
        result["fit_time"] = (seconds - scoring) / len(results)
    if task.verbose:
        fits = split.outcome.n_base_fits
        split.say(f"done, {fits} base fits" if fits else "done")
    return split.outcome


class Split:
    """Rows, shared transformations, failures and scores of one split.

    Attributes
    ----------
    row_sets : list of RowSet
        What points are scored on: the held-out rows and, on demand, the training rows.
    """

    def __init__(self, task, candidates, train, test, label):
        self.task, self.label = task, label
        self.points = [Point(i, candidate) for i, candidate in enumerate(candidates)]
        self.outcome = Outcome([None] * len(candidates))
        self._start = time.perf_counter()
        self._n_done, self._scoring = 0, False
        self.X, self.y = safe_split(task.estimator, task.X, task.y, train)
        train_params = check_method_params(task.X, task.score_params, train)
        if task.leave_one_out:
            self.row_sets = [RowSet("test", self.X, self.y, train_params)]
        else:
            X, y = safe_split(task.estimator, task.X, task.y, test, train)
            params = check_method_params(task.X, task.score_params, test)
            self.row_sets = [RowSet("test", X, y, params)]
        if task.return_train_score:
            self.row_sets.append(RowSet("train", self.X, self.y, train_params))

    def run(self):
        """Fill ``outcome``."""
        rows = [row_set.X for row_set in self.row_sets]
        if self.task.leave_one_out:
            # The classifiers' word for the training rows, each without itself.
            rows[0] = None
        self._descend(self.points, 0, self.X, rows)

    def _descend(self, points, depth, X, rows):
        """Fit what comes before the classifiers, each setting of each step once."""
        last = [p for p in points if len(p.candidate.steps) == depth]
        for group in groups(last, lambda p: p.candidate.search_key):
            self._sweep(group, X, rows)
        others = [p for p in points if len(p.candidate.steps) > depth]
        for group in groups(others, lambda p: p.candidate.steps[depth].key):
            step = group[0].candidate.steps[depth]
            # A Pipeline of this step alone fits it as the whole one would.
            pipe = Pipeline(
                [(step.name, clone(step.transformer)), ("rest", "passthrough")],
                memory=step.memory,
            )
            transformed = None
            with self.failures_of(group):
                X_next = pipe.fit_transform(X, self.y)
                transformed = [
                    part if part is None else pipe.transform(part) for part in rows
                ]
            if transformed is not None:
                self._descend(group, depth + 1, X_next, transformed)

    def _sweep(self, points, X, rows):
        valid = []
        for point in points:
            with self.failures_of([point]):
                if not point.candidate.validated:
                    point.clf._validate_params()
                point.candidate.validated = True
                valid.append(point)
        if valid:
            with self.failures_of(valid):
                votes_alone = isinstance(valid[0].clf, SoftKNNClassifier)
                sweep = sweep_votes if votes_alone else sweep_guided
                sweep(self, valid, X, rows)

    @contextmanager
    def failures_of(self, points):
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

    def scores_for(self, classes):
        """Prepare the row sets for answers over these classes."""
        task = self.task
        for row_set in self.row_sets:
            if row_set.scores is None:
                row_set.scores = RowScores(
                    task.scorers,
                    task.kinds,
                    row_set.X,
                    row_set.y,
                    classes,
                    row_set.params,
                    task.error_score,
                )

    def record(self, point, answers):
        """Score a point by its answers, one for each row set."""
        start = time.perf_counter()
        candidate = point.candidate
        self._scoring = True  # Errors from here on are not those of a fit.
        scores = [
            row_set.scores(
                answer,
                candidate.whole,
                lambda: candidate.make_estimator().fit(self.X, self.y),
            )
            for row_set, answer in zip(self.row_sets, answers)
        ]
        self._scoring = False
        result = self._result(point)
        for row_set, score in zip(self.row_sets, scores):
            result[f"{row_set.name}_scores"] = score
        result["score_time"] = time.perf_counter() - start

    def record_paths(self, point, votes, base):
        """Keep a point's scores as functions of lambda."""
        start = time.perf_counter()
        kinds = self.task.kinds
        kinds = set(kinds.values()) if isinstance(kinds, dict) else {kinds}
        paths = {}
        for row_set, *tables in zip(self.row_sets, votes, base):
            if "neg_log_loss" in kinds and not row_set.scores.complete:
                raise ValueError(
                    "The log loss needs every class both in the training and in the "
                    "held-out rows of a split. Use a stratified cv with fewer splits."
                )
            paths[row_set.name] = LambdaPath(*tables, row_set.scores.codes, kinds)
        result = self._result(point)
        result["paths"] = paths
        result["score_time"] = time.perf_counter() - start

    def note_fits(self, fits):
        """Count the fits of bases, and the solvers that did not converge."""
        self.outcome.n_base_fits += fits.n_fits_
        self.outcome.failures += fits.failures_

    def progress(self, what):
        """Print what was done, if that much is asked for."""
        if self.task.verbose > 1:
            self.say(what)

    def say(self, what):
        """Print progress."""
        seconds = time.perf_counter() - self._start
        print(
            f"[NeighborSearchCV {self.label}] {what}, {self._n_done} of "
            f"{len(self.points)} points, {seconds:.1f}s",
            flush=True,
        )

    def _result(self, point):
        result = {"fit_error": None, "score_time": 0.0}
        self.outcome.results[point.number] = result
        self._n_done += 1
        return result


@dataclass
class RowSet:
    """Rows that points are scored on, as scorers see them."""

    name: str
    X: object
    y: object
    params: dict
    scores: object = None
