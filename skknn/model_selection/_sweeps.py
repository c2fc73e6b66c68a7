"""Every k, tau, alpha and lambda from one search.

Neighbours are sorted, so those for a smaller k are the first ones of those for the
largest; votes are running sums over them; lambda changes no fit.
"""

import copy

from sklearn.base import clone

from ..classifiers import JointKNNClassifier
from ..classifiers._soft_knn import resolve_n_neighbors
from ._base_fits import BaseFits
from ._lists import NeighborLists
from ._scoring import BaseAnswers, ClassAnswers, VoteAnswers


def sweep_votes(split, points, X, rows):
    """Score points of SoftKNNClassifier that differ in k and tau.

    Parameters
    ----------
    split : Split
    points : list of Point
    X
        Training rows as the classifier sees them.
    rows : list
        Rows to answer for, one entry a row set; None for the training rows, each
        without itself.
    """
    knn = clone(points[0].clf).set_params(n_neighbors=1).fit(X, split.y)
    split.scores_for(knn.classes_)
    lists, points = _search(split, points, knn, rows)
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


def _answers(row_set, part, tau, n_neighbors, classes):
    """Answers for one k after the other, without probabilities as soon as may be."""
    left = list(n_neighbors)
    if not row_set.scores.takes_classes:
        for proba in part.votes(tau, n_neighbors):
            del left[0]
            yield VoteAnswers(proba, classes)
            if row_set.scores.takes_classes:  # as the score of this answer has shown
                break
    yield from map(ClassAnswers, part.predictions(tau, left))


def sweep_guided(split, points, X, rows):
    """Score points of the classifiers with a base.

    They may differ in k, tau, what makes weights, base and lambda. Parameters are
    those of :func:`sweep_votes`.
    """
    lead = clone(points[0].clf)
    X_base, X_knn, y = lead._fit_inputs(X, split.y)
    knn = lead._make_guide().set_params(n_neighbors=1).fit(X_knn, y)
    split.scores_for(knn.classes_)
    checked = [lead._validate_rows(part) for part in rows]
    base_rows = [lead._base_input(*pair) for pair in zip(rows, checked)]
    votes = own = None
    if any(_has_votes(point) for point in points):
        knn_rows = [lead._knn_input(*pair) for pair in zip(rows, checked)]
        votes, points = _search(split, points, knn, knn_rows)
    if any(point.clf._is_weighted() for point in points):
        own, points = _search(split, points, knn, [None])
    for group in groups(points, lambda point: point.candidate.base_key):
        with split.failures_of(group):
            base = clone(group[0].clf)._make_base()
            fits = BaseFits(base, X_base, y, base_rows, warm=not split.task.cold)
            _sweep_base(split, group, knn, fits, votes, own)
            split.note_fits(fits)


def _sweep_base(split, points, knn, fits, votes, own):
    """Score points with the same unfitted base."""
    for tau, by_k in _cells(points, knn).items():
        tables = [part.votes(tau, by_k) for part in votes or []]
        own_class = own[0].own_class(tau, by_k, knn._codes) if own else None
        for cell in by_k.values():
            cell_votes = [next(table) for table in tables]
            proba = next(own_class) if own else None
            for group in groups(cell, lambda point: point.candidate.weight_key):
                with split.failures_of(group):
                    base = fits.get(_weights(group[0].clf, proba))
                    for point in group:
                        _score(split, point, base, cell_votes, knn.classes_)
        split.progress(f"tau={tau}")


def _weights(clf, proba):
    """The base's sample weights; None for a fit without any."""
    if not clf._is_weighted():
        return None
    weighed = copy.copy(clf)
    weighed._weigh_rows(proba)
    return weighed._base_weights()


def _score(split, point, base, votes, classes):
    numbers = range(len(split.row_sets))
    if point.candidate.path:
        split.record_paths(point, votes, [base.predict_proba(i) for i in numbers])
    elif isinstance(point.clf, JointKNNClassifier):
        lam = point.clf.lam
        tables = votes or [None for _ in numbers]
        mixed = [base.mix(table, lam, i) for i, table in enumerate(tables)]
        split.record(point, [VoteAnswers(proba, classes) for proba in mixed])
    else:
        split.record(point, [BaseAnswers(base, i, classes) for i in numbers])


def _has_votes(point):
    return isinstance(point.clf, JointKNNClassifier) and (
        point.candidate.path or point.clf.lam != 0
    )


def _search(split, points, knn, rows):
    """Neighbours for the largest k that can be had.

    Returns
    -------
    lists : list of NeighborLists
        One for each entry of ``rows``.
    points : list of Point
        Those that have not failed.
    """
    while points:
        k = max(_n_neighbors(points, knn).values())
        largest = [p for p in points if _n_neighbors([p], knn)[p.clf.n_neighbors] == k]
        # A sparse graph may hold too few neighbours for some points only.
        with split.failures_of(largest):
            return [NeighborLists(knn, part, k) for part in rows], points
        points = [point for point in points if point not in largest]
    return [], points


def _cells(points, knn):
    """Points by tau, then by k ascending."""
    by_tau = {}
    n_neighbors = _n_neighbors(points, knn)
    for point in points:
        by_k = by_tau.setdefault(point.clf.tau, {})
        by_k.setdefault(n_neighbors[point.clf.n_neighbors], []).append(point)
    return {tau: dict(sorted(by_k.items())) for tau, by_k in by_tau.items()}


def _n_neighbors(points, knn):
    """Voting rows for each value of the parameter."""
    values = dict.fromkeys(point.clf.n_neighbors for point in points)
    n_samples, n_classes = knn.n_samples_fit_, len(knn.classes_)
    return {k: resolve_n_neighbors(k, n_samples, n_classes) for k in values}


def groups(items, key):
    """Items with equal keys together, in the order of first appearance."""
    found = {}
    for item in items:
        found.setdefault(key(item), []).append(item)
    return list(found.values())
