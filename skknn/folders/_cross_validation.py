"""Predictions of labelled photos by models that never saw them."""

import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.model_selection import StratifiedGroupKFold, StratifiedKFold

from ._classifier import Sides, ask_sides

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


def held_out_answers(
    make: Callable[[NDArray[np.intp]], Any],
    rows: NDArray[Any],
    labels: NDArray[Any],
    groups: NDArray[Any] | None,
    *,
    random_state: int,
    progress: Callable[[int, int], object],
) -> Sides:
    """Let each row be predicted by a classifier that never saw it.

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
    classes = np.unique(labels)
    found = Sides(*(np.zeros((len(rows), len(classes))) for _ in range(3)))
    folds = folds_of(labels, groups, random_state)
    with quiet_about_small_classes():
        splits = list(folds.split(rows, labels, groups))
        for number, (train, test) in enumerate(splits, 1):
            classifier = fit_classifier(
                make(train), rows[train], labels[train], _of(groups, train)
            )
            sides = ask_sides(classifier, rows[test])
            columns = np.searchsorted(classes, classifier.classes_)
            for name in ("mixture", "votes", "base"):
                getattr(found, name)[test[:, None], columns] = getattr(sides, name)
            progress(number, len(splits))
    return found


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
