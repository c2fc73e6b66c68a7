"""R's order of tuning: what the votes need, then the base, then the mixture."""

from collections.abc import Callable
from typing import Any, Self

from ..classifiers import JointKNNClassifier, SoftKNNClassifier
from ._candidates import Candidate, Params, as_base, as_votes, make_candidates
from ._grid_run import GridRun
from ._settings import role, setting_key
from ._split import Result

_NEIGHBORS = {"neighbors"}
_NEIGHBORS_AND_BASE = {"neighbors", "base"}


class Stages:
    """A grid evaluated stage by stage, each with the best of the stage before.

    Parameters
    ----------
    estimator : estimator
    run : GridRun
    select : callable
        Takes candidates and their results, returns the index of the best.

    Attributes
    ----------
    candidates : list of Candidate
        The points evaluated.
    results : list of dict
        Theirs, one a split.
    names : list of str
        Stage of each point: "knn" by the votes alone, "base" by the base alone,
        "joint" by the mixture.
    best : int
        The best point of the last stage.
    """

    def __init__(
        self,
        estimator: Any,
        run: GridRun,
        select: Callable[[list[Candidate], list[Result]], int],
    ) -> None:
        self._estimator, self._run, self._select = estimator, run, select
        self.candidates: list[Candidate] = []
        self.results: list[Result] = []
        self.names: list[str] = []
        self.best = 0

    def search(self, candidates: list[Candidate]) -> Self:
        """Evaluate the grid that consists of ``candidates``."""
        if all(isinstance(c.clf, SoftKNNClassifier) for c in candidates):
            self._add("knn", candidates, self._run.evaluate(candidates))
            return self
        points = self._project(candidates, _NEIGHBORS)
        if len(points) > 1:
            votes = [as_votes(point) for point in points]
            best = self._add("knn", votes, self._run.evaluate(votes))
            candidates = _like(points[best], candidates, _NEIGHBORS)
        if not all(isinstance(c.clf, JointKNNClassifier) for c in candidates):
            self._add("base", candidates, self._run.evaluate(candidates))
            return self
        points = self._project(candidates, _NEIGHBORS_AND_BASE)
        bases = [as_base(point) for point in points] if len(points) > 1 else []
        # Lambda costs nothing: one pass serves both stages.
        results = self._run.evaluate([*bases, *candidates])
        n_splits = len(results) // (len(bases) + len(candidates))
        rows = [results[i : i + n_splits] for i in range(0, len(results), n_splits)]
        rows, joint = rows[: len(bases)], rows[len(bases) :]
        if bases:
            best = self._add("base", bases, [r for row in rows for r in row])
            kept = _like(points[best], candidates, _NEIGHBORS_AND_BASE)
            joint = [row for c, row in zip(candidates, joint) if c in kept]
            candidates = kept
        self._add("joint", candidates, [r for row in joint for r in row])
        return self

    def _add(
        self, name: str, candidates: list[Candidate], results: list[Result]
    ) -> int:
        best = self._select(candidates, results)
        self.best = len(self.candidates) + best
        self.candidates += candidates
        self.results += results
        self.names += [name] * len(candidates)
        return best

    def _project(self, candidates: list[Candidate], roles: set[str]) -> list[Candidate]:
        """Points of the grid with only the parameters that have these roles."""
        settings: dict[Any, Params] = {}
        for candidate in candidates:
            part = _part(candidate, roles)
            settings.setdefault(setting_key(part), part)
        return make_candidates(self._estimator, settings.values())


def _like(
    point: Candidate, candidates: list[Candidate], roles: set[str]
) -> list[Candidate]:
    """Candidates with the parameters of ``point`` that have these roles."""
    key = setting_key(_part(point, roles))
    return [c for c in candidates if setting_key(_part(c, roles)) == key]


def _part(candidate: Candidate, roles: set[str]) -> Params:
    return {
        name: value
        for name, value in candidate.params.items()
        if role(candidate.whole, name) in roles
    }
