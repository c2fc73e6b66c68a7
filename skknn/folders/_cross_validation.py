"""Predictions of labelled photos by models that never saw them."""

import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.model_selection import StratifiedGroupKFold, StratifiedKFold

from ..inspection._asked_rows import AskedRows, Sides

_N_FOLDS = 5


def folds_of(
    labels: NDArray[Any], groups: NDArray[Any] | None, random_state: int | None
) -> Any:
    """Make the splitter: stratified folds, which keep groups together.

    Parameters
    ----------
    labels : ndarray of shape (n,)
    groups : ndarray of shape (n,) or None
    random_state : int or None
        None keeps the order of the rows.

    Returns
    -------
    StratifiedKFold or StratifiedGroupKFold
    """
    one_each = (
        labels if groups is None else np.unique([labels, groups], axis=1)[0]
    )  # rows, or groups, of each class
    largest = int(np.unique(one_each, return_counts=True)[1].max())
    kind = StratifiedKFold if groups is None else StratifiedGroupKFold
    return kind(
        max(2, min(_N_FOLDS, largest)),
        shuffle=random_state is not None,
        random_state=random_state,
    )


def held_out_sides(
    make: Callable[[NDArray[np.intp]], Any],
    rows: NDArray[Any],
    labels: NDArray[Any],
    groups: NDArray[Any] | None,
    *,
    random_state: int,
    progress: Callable[[int, int], object],
) -> Sides:
    """Let each row be predicted by a classifier that never saw it, and by its sides.

    Parameters
    ----------
    make : callable
        From the numbers of training rows to an unfitted classifier, which chooses its
        parameters within them.
    rows : ndarray of shape (n, n_features)
    labels : ndarray of shape (n,)
    groups : ndarray of shape (n,) or None
        Rows of one group are in one fold.
    random_state : int
        Draws the folds.
    progress : callable
        Called with the number of folds done, and of all, after each.

    Returns
    -------
    Sides
        Columns in the order of the sorted classes; a class that a fold's training rows
        lack has probability 0.
    """
    found = Sides(*(np.zeros((len(rows), len(set(labels)))) for _ in range(3)))
    for fold in _folds(make, rows, labels, groups, random_state):
        sides = AskedRows(fold.classifier, rows[fold.test]).sides()
        found.mixture[fold.cells] = sides.mixture
        found.votes[fold.cells] = sides.votes
        found.base[fold.cells] = sides.base
        progress(fold.number, fold.n_folds)
    return found


def held_out_proba(
    make: Callable[[NDArray[np.intp]], Any],
    rows: NDArray[Any],
    labels: NDArray[Any],
    groups: NDArray[Any] | None,
    *,
    random_state: int,
) -> NDArray[np.float64]:
    """Return the ``mixture`` of :func:`held_out_sides` alone."""
    found = np.zeros((len(rows), len(set(labels))))
    for fold in _folds(make, rows, labels, groups, random_state):
        found[fold.cells] = fold.classifier.predict_proba(rows[fold.test])
    return found


@dataclass(frozen=True, eq=False)
class _Fold:
    """A classifier that was fitted without some rows."""

    number: int
    n_folds: int
    classifier: Any
    test: NDArray[np.intp]
    classes: NDArray[Any]

    @property
    def cells(self) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
        """Where its answers are in a table of all rows and sorted classes."""
        columns = np.searchsorted(self.classes, self.classifier.classes_)
        return self.test[:, None], columns


def _folds(
    make: Callable[[NDArray[np.intp]], Any],
    rows: NDArray[Any],
    labels: NDArray[Any],
    groups: NDArray[Any] | None,
    random_state: int,
) -> Iterator[_Fold]:
    classes = np.unique(labels)
    with quiet_about_small_classes():
        splits = list(
            folds_of(labels, groups, random_state).split(rows, labels, groups)
        )
    for number, (train, test) in enumerate(splits, 1):
        with quiet_about_small_classes():
            classifier = fit_classifier(
                make(train), rows[train], labels[train], _of(groups, train)
            )
        yield _Fold(number, len(splits), classifier, test, classes)


def fit_classifier(
    classifier: Any,
    rows: NDArray[Any],
    labels: NDArray[Any],
    groups: NDArray[Any] | None,
) -> Any:
    """Fit with groups where there are some."""
    if groups is None:
        return classifier.fit(rows, labels)
    return classifier.fit(rows, labels, groups=groups)


@contextmanager
def quiet_about_small_classes() -> Iterator[None]:
    """Say nothing of classes with fewer rows than folds: each is held out once."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="The least populated class in y")
        yield


def _of(groups: NDArray[Any] | None, rows: NDArray[np.intp]) -> Any:
    return None if groups is None else groups[rows]
