"""R, Eq. 5: votes and base probabilities in given shares."""

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..utils._blas import one_thread_if_small

# How far a row of probabilities may be from a sum of 1.
_SUM_ROUNDING = 1e-2


def base_proba(base: Any, rows: Any, classes: NDArray[Any]) -> NDArray[Any]:
    """Class probabilities of a fitted base, checked, in the order of ``classes``.

    Parameters
    ----------
    base : classifier
        Fitted, and accepted by :func:`check_base`.
    rows : array, data frame or list
        As the base sees them.
    classes : ndarray of shape (n_classes,)

    Returns
    -------
    ndarray of shape (n_rows, n_classes), float32 or float64

    Raises
    ------
    ValueError
        For another shape, for what is not finite, and for rows that are no
        probabilities.
    """
    n_rows, *width = rows.shape if hasattr(rows, "shape") else (len(rows),)
    with one_thread_if_small(math.prod((n_rows, *width, len(classes)))):
        proba = np.asarray(base.predict_proba(rows))
    if proba.dtype == object:
        proba = proba.astype(np.float64)
    if proba.shape != (n_rows, len(classes)):
        raise ValueError(
            f"estimator={base!r}: predict_proba must return one column a class, shape "
            f"{(n_rows, len(classes))}; got {proba.shape}. Choose a classifier with "
            "probabilities of all classes."
        )
    if not np.isfinite(proba).all():
        bad = ~np.isfinite(proba).all(axis=1)
        row = int(bad.argmax())
        raise ValueError(
            f"estimator={base!r}: predict_proba returned {proba[row]} for row {row}; "
            f"rows with a value that is not finite: {bad.sum()} of {n_rows}. Scale "
            "the columns of X, or choose another base."
        )
    # As exact as float16, or sums of many classes, let them be.
    wrong = np.abs(proba.sum(axis=1, dtype=np.float64) - 1) > _SUM_ROUNDING
    wrong |= proba.min(axis=1, initial=0.0) < -_SUM_ROUNDING
    if wrong.any():
        row = int(wrong.argmax())
        raise ValueError(
            f"estimator={base!r}: predict_proba returned {proba[row]} for row {row}, "
            "which are no probabilities: they must be 0 or larger and sum to 1 "
            f"(rows that do not: {wrong.sum()} of {n_rows}). Wrap it in "
            "CalibratedClassifierCV, or choose another base."
        )
    seen = getattr(base, "classes_", classes)
    if np.array_equal(seen, classes):
        return proba
    return proba[:, np.argsort(seen, kind="stable")]


def check_base(base: Any, classes: NDArray[Any]) -> None:
    """Raise an error unless a fitted base has probabilities of these classes.

    Parameters
    ----------
    base : classifier
    classes : ndarray of shape (n_classes,)
        Sorted.
    """
    if not hasattr(base, "predict_proba"):
        raise without_proba(base)
    seen = np.asarray(getattr(base, "classes_", classes))
    if not np.array_equal(np.sort(seen, axis=None), classes):
        raise ValueError(
            f"estimator={base!r} was fitted on labels from {classes.tolist()} and has "
            f"classes_={seen.tolist()}. Choose a classifier that keeps every class."
        )


def without_proba(base: Any) -> ValueError:
    """The error over a base that has no probabilities."""
    return ValueError(
        f"estimator={base!r} has no predict_proba, so its predictions cannot be mixed "
        "with votes. Wrap it in CalibratedClassifierCV, or choose a classifier with "
        "probabilities."
    )


def mix_proba(votes: Any, base: Any, lam: float) -> NDArray[Any]:
    """``lam * votes + (1 - lam) * base``.

    Parameters
    ----------
    votes : ndarray of shape (n_queries, n_classes), float64
        Not looked at where ``lam`` is 0.
    base : ndarray of shape (n_queries, n_classes), float64 or float32
        Not looked at where ``lam`` is 1.
    lam : float
        From 0 to 1; at the ends the one side is returned as it is.

    Returns
    -------
    ndarray of shape (n_queries, n_classes)
        Rows sum to 1 within the rounding of the dtype.

    Raises
    ------
    ValueError
        For another ``lam``, which ``set_params`` lets pass after ``fit``.
    """
    if lam == 0:
        return base
    if lam == 1:
        return votes
    if not 0 < lam < 1:
        raise ValueError(
            f"lam={lam!r} must be from 0 to 1: it is the share of the kNN votes; 0 is "
            "the base alone, 1 kNN alone."
        )
    return lam * votes + (1 - lam) * mixable(base)


def mixable(base: NDArray[Any]) -> NDArray[np.float64]:
    """Base probabilities in the form that is mixed: float64 rows that sum to 1.

    Rows of float32 sum to 1 within 1e-7 only, which scorers warn about in float64.
    """
    if base.dtype == np.float64:
        return base
    base = base.astype(np.float64)
    base /= base.sum(axis=1, keepdims=True)
    return base
