"""All points of a grid on one split of the rows: each step, each search once."""

import time
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.base import clone
from sklearn.pipeline import Pipeline

from ..classifiers import KNNSideTransformer, SoftKNNClassifier
from ._candidates import Candidate
from ._fit_groups import params_of_step
from ._settings import Step
from ._split import Outcome, Point, Split, Task
from ._sweeps import groups, sweep_guided, sweep_votes


def evaluate_split(
    task: Task,
    candidates: list[Candidate],
    train: NDArray[np.intp],
    test: NDArray[np.intp],
    label: str,
) -> Outcome:
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
    rows = [row_set.X for row_set in split.row_sets]
    if task.leave_one_out:
        # The classifiers' word for the training rows, each without itself.
        rows[0] = None
    _descend(split, split.points, 0, split.X, rows)
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


def _descend(
    split: Split, points: list[Point], depth: int, X: Any, rows: list[Any]
) -> None:
    """Fit what comes before the classifiers, each setting of each step once."""
    last = [p for p in points if len(p.candidate.steps) == depth]
    for group in groups(last, lambda p: p.candidate.search_key):
        _sweep(split, group, X, rows)
    others = [p for p in points if len(p.candidate.steps) > depth]
    for group in groups(others, lambda p: p.candidate.steps[depth].key):
        step = group[0].candidate.steps[depth]
        transformed = None
        with split.failures_of(group):
            fitted, X_next = _fit_transform(split, step, X)
            transformed = [
                part if part is None else fitted.transform(part) for part in rows
            ]
        if transformed is not None:
            _descend(split, group, depth + 1, X_next, transformed)


def _fit_transform(split: Split, step: Step, X: Any) -> tuple[Any, Any]:
    """A fitted copy of a step, and what it makes of the training rows."""
    fitted = clone(step.transformer)
    if isinstance(fitted, KNNSideTransformer):
        # A part of the classifier that is asked for votes alone: it gets its groups.
        fitted.fit(X, split.y, groups=split.groups)
        return fitted, fitted.transform(X)
    # A Pipeline of this step alone fits it as the whole one would.
    pipe = Pipeline([(step.name, fitted), ("rest", "passthrough")], memory=step.memory)
    params = params_of_step(pipe, split.fit_params)
    return pipe, pipe.fit_transform(X, split.y, **params)


def _sweep(split: Split, points: list[Point], X: Any, rows: list[Any]) -> None:
    """Score points that differ neither in steps nor in the search."""
    valid = []
    for point in points:
        with split.failures_of([point]):
            point.candidate.check_parameters()
            valid.append(point)
    if valid:
        with split.failures_of(valid):
            votes_alone = isinstance(valid[0].clf, SoftKNNClassifier)
            sweep = sweep_votes if votes_alone else sweep_guided
            sweep(split, valid, X, rows)
