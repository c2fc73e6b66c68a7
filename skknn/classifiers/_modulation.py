"""From leave-one-out probabilities to the weights of training rows (R, Eq. 3, 4)."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..utils._warn import warn

Modulation = str | Callable[[NDArray[np.float64]], Any]

# -log p is infinite for p = 0, for example in a class of one row.
MAX_NLL = 100.0


@dataclass(frozen=True)
class RowWeights:
    """How hard each training row is, and what that makes it weigh.

    Attributes
    ----------
    knn_proba : ndarray of shape (n_samples,), float64
        Leave-one-out probability of the row's own class.
    modulation : ndarray of shape (n_samples,), float64
    sample_weight : ndarray of shape (n_samples,), float64
    for_base : ndarray of shape (n_samples,), float64, or None
        ``sample_weight``; None, so a fit without any, where alpha switches them off.
    """

    knn_proba: NDArray[np.float64]
    modulation: NDArray[np.float64]
    sample_weight: NDArray[np.float64]
    for_base: NDArray[np.float64] | None


def is_weighted(modulation: Modulation, alpha: float) -> bool:
    """Whether these settings give the base sample weights at all."""
    return not (isinstance(modulation, str) and modulation == "nll" and alpha == 0)


def weigh_rows(
    proba: NDArray[np.float64], *, modulation: Modulation, gamma: float, alpha: float
) -> RowWeights:
    """Modulation and weights of training rows.

    Parameters
    ----------
    proba : ndarray of shape (n_samples,), float64
        Leave-one-out probability of each row's own class.
    modulation : {"nll", "focal"} or callable
    gamma : float
    alpha : float

    Returns
    -------
    RowWeights
    """
    values = row_modulation(proba, modulation, gamma)
    weights = row_weights(values, modulation, alpha)
    used = is_weighted(modulation, alpha)
    return RowWeights(proba, values, weights, weights if used else None)


def row_modulation(
    proba: NDArray[np.float64], modulation: Modulation, gamma: float
) -> NDArray[np.float64]:
    """Modulation of each training row.

    Parameters
    ----------
    proba : ndarray of shape (n_samples,), float64
        Leave-one-out probability of each row's own class.
    modulation : {"nll", "focal"} or callable
        ``"nll"``: ``-log p``, at most 100 (R, Eq. 3). ``"focal"``:
        ``(1 - p) ** gamma`` (R, Table 2). A callable maps ``proba`` to weights.
    gamma : float
        Exponent of ``"focal"``.

    Returns
    -------
    ndarray of shape (n_samples,), float64
    """
    # Rounding of the running sums may leave p a few units above 1.
    proba = np.clip(proba, 0.0, 1.0)
    if isinstance(modulation, str) and modulation == "nll":
        with np.errstate(divide="ignore"):
            return np.minimum(-np.log(proba), MAX_NLL) + 0.0
    if isinstance(modulation, str):
        return (1.0 - proba) ** gamma
    values = np.asarray(modulation(proba), dtype=np.float64)
    if values.shape != proba.shape:
        raise ValueError(
            f"modulation={modulation!r} must return one weight a row: expected shape "
            f"{proba.shape}, got {values.shape}."
        )
    bad = ~(np.isfinite(values) & (values >= 0))
    if bad.any():
        row = int(np.flatnonzero(bad)[0])
        raise ValueError(
            f"modulation={modulation!r} must return finite weights of at least 0; row "
            f"{row} got {values[row]} from p={proba[row]}."
        )
    return values


def row_weights(
    values: NDArray[np.float64], modulation: Modulation, alpha: float
) -> NDArray[np.float64]:
    """Sample weights from modulations.

    ``1 + alpha * m`` for ``"nll"`` (R, Eq. 4); the modulation itself otherwise.

    Parameters
    ----------
    values : ndarray of shape (n_samples,), float64
        From :func:`row_modulation`.
    modulation : {"nll", "focal"} or callable
    alpha : float

    Returns
    -------
    ndarray of shape (n_samples,), float64

    Warns
    -----
    UserWarning
        If rows at the clamp carry most of the modulated weight, or no row has any.
    """
    if modulation != "nll":
        if values.any():
            return values
        warn(
            f"modulation={modulation!r} gives every row the weight 0: all neighbours "
            "agree on all rows. The base classifier is fitted without weights; a "
            "larger n_neighbors or tau brings out differences."
        )
        return np.ones_like(values)
    clamped = values >= MAX_NLL
    if alpha > 0 and clamped.any():
        share = (1 + alpha * MAX_NLL) * clamped.sum() / (1 + alpha * values).sum()
        if share > 0.5:
            warn(
                f"{clamped.sum()} of {len(values)} training rows have no neighbour of "
                f"their own class and carry {share:.0%} of the total weight. Use a "
                "larger n_neighbors or tau, or a smaller alpha."
            )
    return 1.0 + alpha * values
