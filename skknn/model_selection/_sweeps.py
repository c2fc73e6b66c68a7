"""Every k, tau, alpha and lambda from one search.

Neighbours are sorted, so those for a smaller k are the first ones of those for the
largest; votes are running sums over them; lambda changes no fit. The stages are those
of the classifiers' own ``fit``.
"""

from collections.abc import Callable, Iterable, Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..classifiers import (
    JointKNNClassifier,
    LabelledIndex,
    SoftKNNClassifier,
    check_inputs,
    check_rows,
    is_weighted,
    make_base,
    make_knn,
    resolve_n_neighbors,
    see_rows,
    weigh_rows,
)
from ._answers import BaseAnswers, ClassAnswers, VoteAnswers
from ._base_fits import BaseFits, FittedBase
from ._neighbor_lists import NeighborLists
from ._split import Point, RowSet, Split

Points = list[Point]


def sweep_votes(split: Split, points: Points, X: Any, rows: list[Any]) -> None:
    """Score points of SoftKNNClassifier that differ in k and tau.

    Parameters
    ----------
    split : Split
    points : list of Point
    X : array, data frame or list
        Training rows as the classifier sees them.
    rows : list
        Rows to answer for, one entry a row set; None for the training rows, each
        without itself.
    """
    knn = _fit_knn(points, X, split.y, split.groups)
    split.scores_for(knn.classes_)
    queries = [part if part is None else check_rows(knn, part) for part in rows]
    lists, points = _search(split, points, knn.index_, queries)
    for tau, by_k in _cells(points, knn).items():
        walks = [
            _answers(row_set, part, tau, by_k, knn.classes_)
            for row_set, part in zip(split.row_sets, lists)
        ]
        for cell in by_k.values():
            answers = [next(walk) for walk in walks]
            for point in cell:
                split.record(point, answers)
        split.progress(f"tau={tau}")


def _fit_knn(points: Points, X: Any, y: Any, groups: Any) -> SoftKNNClassifier:
    """Their kNN side with k = 1, on which its index does not depend.

    Its tau is what ``"scale"`` means, where a point asks for that.
    """
    knn = make_knn(points[0].clf)
    tau = "scale" if any(_is_scale(point) for point in points) else 1.0
    return knn.set_params(n_neighbors=1, tau=tau).fit(X, y, groups)


def _is_scale(point: Point) -> bool:
    return isinstance(point.clf.tau, str)


def _answers(
    row_set: RowSet,
    part: NeighborLists,
    tau: float,
    n_neighbors: Iterable[int],
    classes: NDArray[Any],
) -> Iterator[Any]:
    """Answers for one k after the other, without probabilities where that is enough."""
    if row_set.scores.takes_classes:
        yield from map(ClassAnswers, part.predictions(tau, n_neighbors))
    else:
        for proba in part.votes(tau, n_neighbors):
            yield VoteAnswers(proba, classes)


def sweep_guided(split: Split, points: Points, X: Any, rows: list[Any]) -> None:
    """Score points of the classifiers with a base.

    They may differ in k, tau, what makes weights, base and lambda. Parameters are
    those of :func:`sweep_votes`.
    """
    inputs = check_inputs(points[0].clf, X, split.y, groups=split.groups)
    knn = _fit_knn(points, inputs.neighbors, inputs.y, split.groups)
    index = knn.index_
    split.scores_for(inputs.classes)
    seen = [see_rows(inputs.checker, part, inputs.transformer) for part in rows]
    votes = own = None
    if any(_has_votes(point) for point in points):
        queries = [
            check_rows(knn, part.for_neighbors(inputs.transformer)) for part in seen
        ]
        votes, points = _search(split, points, index, queries)
    if any(_is_weighted(point) for point in points):
        own, points = _search(split, points, index, [None])
    for group in groups(points, lambda point: point.candidate.base_key):
        with split.failures_of(group):
            fits = BaseFits(
                make_base(group[0].clf),
                inputs.base,
                inputs.y,
                inputs.classes,
                [part.for_base for part in seen],
                warm=not split.task.cold,
            )
            _sweep_base(split, group, knn, fits, votes, own)
            split.outcome.note_fits(fits)


def _sweep_base(
    split: Split,
    points: Points,
    knn: SoftKNNClassifier,
    fits: BaseFits,
    votes: list[NeighborLists] | None,
    own: list[NeighborLists] | None,
) -> None:
    """Score points with the same unfitted base."""
    codes = knn.index_.codes
    for tau, by_k in _cells(points, knn).items():
        tables = [part.votes(tau, by_k) for part in votes or []]
        own_class = own[0].own_class(tau, by_k, codes) if own else None
        for cell in by_k.values():
            cell_votes = [next(table) for table in tables]
            proba = next(own_class) if own_class else None
            for group in groups(cell, lambda point: point.candidate.weight_key):
                with split.failures_of(group):
                    base = fits.get(_weights(group[0], proba))
                    for point in group:
                        _score(split, point, base, cell_votes, fits.classes)
        split.progress(f"tau={tau}")


def _weights(
    point: Point, proba: NDArray[np.float64] | None
) -> NDArray[np.float64] | None:
    """The base's sample weights; None for a fit without any."""
    if proba is None or not _is_weighted(point):
        return None
    clf = point.clf
    return weigh_rows(
        proba, modulation=clf.modulation, gamma=clf.gamma, alpha=clf.alpha
    ).for_base


def _score(
    split: Split,
    point: Point,
    base: FittedBase,
    votes: list[NDArray[np.float64]],
    classes: NDArray[Any],
) -> None:
    numbers = range(len(split.row_sets))
    if point.candidate.path:
        split.record_paths(point, votes, [base.predict_proba(i) for i in numbers])
    elif isinstance(point.clf, JointKNNClassifier):
        lam = point.clf.lam
        tables: list[Any] = votes or [None for _ in numbers]
        mixed = [base.mix(table, lam, i) for i, table in enumerate(tables)]
        split.record(point, [VoteAnswers(proba, classes) for proba in mixed])
    else:
        split.record(point, [BaseAnswers(base, i, classes) for i in numbers])


def _is_weighted(point: Point) -> bool:
    return is_weighted(point.clf.modulation, point.clf.alpha)


def _has_votes(point: Point) -> bool:
    return isinstance(point.clf, JointKNNClassifier) and (
        point.candidate.path or point.clf.lam != 0
    )


def _search(
    split: Split, points: Points, index: LabelledIndex, rows: list[Any]
) -> tuple[list[NeighborLists], Points]:
    """Neighbours for the largest k that can be had.

    Returns
    -------
    lists : list of NeighborLists
        One for each entry of ``rows``.
    points : list of Point
        Those that have not failed.
    """
    while points:
        n_neighbors = _n_neighbors(points, index)
        k = max(n_neighbors.values())
        largest = [p for p in points if n_neighbors[p.clf.n_neighbors] == k]
        # A sparse graph may hold too few neighbours for some points only.
        with split.failures_of(largest):
            return [NeighborLists(index, part, k) for part in rows], points
        points = [point for point in points if point not in largest]
    return [], points


def _cells(points: Points, knn: SoftKNNClassifier) -> dict[float, dict[int, Points]]:
    """Points by tau, then by k ascending."""
    by_tau: dict[float, dict[int, Points]] = {}
    n_neighbors = _n_neighbors(points, knn.index_)
    for point in points:
        tau = knn.tau_ if _is_scale(point) else point.clf.tau
        by_k = by_tau.setdefault(tau, {})
        by_k.setdefault(n_neighbors[point.clf.n_neighbors], []).append(point)
    return {tau: dict(sorted(by_k.items())) for tau, by_k in by_tau.items()}


def _n_neighbors(points: Points, index: LabelledIndex) -> dict[int | str, int]:
    """Voting rows for each value of the parameter."""
    values = dict.fromkeys(point.clf.n_neighbors for point in points)
    n_samples, n_classes = index.n_samples, index.n_classes
    return {k: resolve_n_neighbors(k, n_samples, n_classes) for k in values}


def groups(items: Iterable[Any], key: Callable[[Any], Any]) -> list[list[Any]]:
    """Items with equal keys together, in the order of first appearance."""
    found: dict[Any, list[Any]] = {}
    for item in items:
        found.setdefault(key(item), []).append(item)
    return list(found.values())
