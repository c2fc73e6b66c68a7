"""Intervals of shares."""

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import ndtri

_N_DRAWS = 2000


def wilson(n_right: float, n: int, level: float = 0.95) -> tuple[float, float]:
    """Wilson's interval of a share, which also holds where all or none are right.

    Parameters
    ----------
    n_right : float
    n : int
        0 gives the interval from 0 to 1.
    level : float, default=0.95

    Returns
    -------
    low, high : float

    References
    ----------
    E. B. Wilson, "Probable Inference, the Law of Succession, and Statistical
    Inference", Journal of the American Statistical Association 22 (158), 1927,
    https://doi.org/10.1080/01621459.1927.10502953.
    """
    if n == 0:
        return 0.0, 1.0
    z2 = float(ndtri(0.5 + level / 2)) ** 2
    share = n_right / n
    centre = (share + z2 / (2 * n)) / (1 + z2 / n)
    half = np.sqrt(z2 * (share * (1 - share) / n + z2 / (4 * n**2))) / (1 + z2 / n)
    return max(0.0, float(centre - half)), min(1.0, float(centre + half))


def bootstrap_of_groups(
    right: NDArray[np.bool_],
    groups: ArrayLike,
    *,
    random_state: int = 0,
    level: float = 0.95,
) -> tuple[float, float]:
    """Interval of the share of right rows when rows of a group go together.

    Whole groups are drawn with replacement, because photos of one burst are right or
    wrong together and count as little more than one. Where all groups are alike, such
    as all right, it is Wilson's interval with as many photos as there are groups.

    Parameters
    ----------
    right : ndarray of shape (n,), bool
    groups : array-like of shape (n,)
    random_state : int, default=0
    level : float, default=0.95

    Returns
    -------
    low, high : float
    """
    numbers = np.unique(np.asarray(groups), return_inverse=True)[1]
    sizes = np.bincount(numbers)
    hits = np.bincount(numbers, weights=right)
    draws = np.random.default_rng(random_state).integers(
        len(sizes), size=(_N_DRAWS, len(sizes))
    )
    shares = hits[draws].sum(axis=1) / sizes[draws].sum(axis=1)
    if np.ptp(shares) == 0:  # as when all are right, which no draw can doubt
        return wilson(float(shares[0]) * len(sizes), len(sizes), level)
    low, high = np.quantile(shares, [0.5 - level / 2, 0.5 + level / 2])
    return float(low), float(high)
