"""Average precision of rankings, with rows that do not count."""

from collections.abc import Iterable, Sequence
from numbers import Integral
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.utils import Bunch

_KINDS = ("auto", "similarity", "ranks")


def average_precision_at_ranks(
    ranks: ArrayLike, n_positives: int | None = None
) -> float:
    """Area under precision and recall, by trapezoids, from the ranks of positives.

    For the j-th positive at rank r (both from 0) the trapezoid is between precision
    j / r (1 at the top) and (j + 1) / (r + 1), its width 1 / ``n_positives``. This is
    the measure of the Oxford and Paris benchmarks; scikit-learn's
    ``average_precision_score`` takes rectangles instead and gives other numbers.

    Parameters
    ----------
    ranks : array-like of int
        Ranks of the positives that were found, from 0, each once, in any order.
    n_positives : int, default=None
        How many there are; None means that all were found.

    Returns
    -------
    float
        NaN where there are none.

    Examples
    --------
    >>> from skknn.metrics import average_precision_at_ranks
    >>> round(average_precision_at_ranks([0, 3]), 4)
    0.7083
    """
    places = np.sort(np.asarray(ranks).reshape(-1))
    if places.size and places.dtype.kind not in "iu":
        raise TypeError(f"ranks are integers from 0; got dtype {places.dtype}.")
    n = len(places) if n_positives is None else int(n_positives)
    if places.size and (places[0] < 0 or (np.diff(places) == 0).any()):
        raise ValueError("ranks must be different integers from 0 on.")
    if n < len(places):
        raise ValueError(
            f"n_positives={n} is less than the {len(places)} ranks given: it counts "
            "all positives, also those not found."
        )
    if n == 0:
        return float("nan")
    r = places.astype(np.float64)
    found = np.arange(len(r))
    before = np.divide(found, r, out=np.ones_like(r), where=r > 0)
    return float((before + (found + 1) / (r + 1)).sum() / (2 * n))


def mean_average_precision(
    similarity: Any,
    positives: Sequence[Iterable[int]],
    junk: Sequence[Iterable[int]] | None = None,
    *,
    kind: str = "auto",
) -> float:
    """Mean of the average precisions of queries.

    Parameters
    ----------
    similarity, positives, junk, kind : as for :func:`retrieval_scores`

    Returns
    -------
    float
        Over queries that have positives.

    See Also
    --------
    retrieval_scores : The same with the score of each query, and precision at k.

    Examples
    --------
    >>> from skknn.metrics import mean_average_precision
    >>> ranking = [[3, 0, 4, 1, 2, 5]]
    >>> round(mean_average_precision(ranking, [[0, 2]], [[3]]), 6)
    0.708333
    """
    scores = retrieval_scores(similarity, positives, junk, kind=kind)
    return scores.mean_average_precision


def retrieval_scores(
    similarity: Any,
    positives: Sequence[Iterable[int]],
    junk: Sequence[Iterable[int]] | None = None,
    *,
    at: Sequence[int] = (1, 5, 10),
    kind: str = "auto",
) -> Bunch:
    """Average precision and precision at k of rankings.

    Parameters
    ----------
    similarity : array-like of shape (n_queries, n_database)
        Similarities (larger is better; of equal ones the first row wins), or with
        integers rankings: row numbers of the database, best first. Rankings may be
        a list of lists of different lengths; what is not in them was not found.
    positives : sequence of n_queries sequences of int
        Rows of the database that are right for each query.
    junk : sequence of n_queries sequences of int, default=None
        Rows that do not count: every ranking is read as if they were not in it.
    at : sequence of int, default=(1, 5, 10)
        Where precision is taken; cut at the rank of the last positive, beyond which
        nothing could be right.
    kind : {"auto", "similarity", "ranks"}, default="auto"
        What the first argument holds; "auto" goes by its dtype.

    Returns
    -------
    Bunch
        ``mean_average_precision`` : float; ``average_precision`` : ndarray
        (n_queries,), NaN for queries without positives, which no mean counts;
        ``mean_precision`` : ndarray (len(at),); ``precision`` : ndarray
        (n_queries, len(at)); ``at`` : tuple.

    Raises
    ------
    TypeError
        If positives or junk are no integers, such as a mask.
    ValueError
        If the lengths differ, numbers are no rows of the database, or a row is both
        positive and junk.

    References
    ----------
    F. Radenović, A. Iscen, G. Tolias, Y. Avrithis, O. Chum, "Revisiting Oxford and
    Paris: Large-Scale Image Retrieval Benchmarking", CVPR 2018,
    https://arxiv.org/abs/1803.11285.

    Examples
    --------
    >>> from skknn.metrics import retrieval_scores
    >>> similarity = [[0.8, 0.5, 0.4, 0.9, 0.7, 0.1]]
    >>> scores = retrieval_scores(similarity, [[0, 2]], [[3]])
    >>> scores.mean_precision
    array([1. , 0.5, 0.5])
    """
    at = tuple(at)
    if not at or not all(isinstance(k, Integral) and k > 0 for k in at):
        raise ValueError(f"at={at!r} must be positive integers, for example (1, 5).")
    at = tuple(map(int, at))
    rankings, n_rows = _rankings(similarity, kind)
    _check_length("positives", positives, len(rankings))
    if junk is None:
        junk = [()] * len(rankings)
    _check_length("junk", junk, len(rankings))
    average = np.full(len(rankings), np.nan)
    precision = np.full((len(rankings), len(at)), np.nan)
    for query, ranking in enumerate(rankings):
        right = _rows(positives[query], n_rows, f"positives[{query}]")
        unread = _rows(junk[query], n_rows, f"junk[{query}]")
        both = np.intersect1d(right, unread)
        if both.size:
            raise ValueError(
                f"Query {query}: rows {both[:5].tolist()} are both in positives and "
                "in junk. Take them out of one of them."
            )
        if right.size == 0:
            continue
        kept = ranking[~np.isin(ranking, unread)]
        ranks = np.flatnonzero(np.isin(kept, right))
        average[query] = average_precision_at_ranks(ranks, len(right))
        precision[query] = [_precision(ranks, k) for k in at]
    counted = ~np.isnan(average)
    return Bunch(
        mean_average_precision=_mean(average[counted]),
        average_precision=average,
        mean_precision=np.array([_mean(column) for column in precision[counted].T]),
        precision=precision,
        at=at,
    )


def _precision(ranks: NDArray[np.intp], k: int) -> float:
    if ranks.size == 0:
        return 0.0
    k = min(k, int(ranks[-1]) + 1)
    return float((ranks < k).sum() / k)


def _mean(values: NDArray[np.float64]) -> float:
    return float(values.mean()) if values.size else float("nan")


def _rankings(given: Any, kind: str) -> tuple[list[NDArray], int | None]:
    """Rankings, and the number of rows of the database where it is known."""
    if kind not in _KINDS:
        raise ValueError(
            f"kind={kind!r} must be one of {', '.join(map(repr, _KINDS))}."
        )
    if hasattr(given, "iloc"):  # a data frame iterates over the names of its columns
        given = given.to_numpy()
    rows = [np.asarray(row) for row in given]
    if any(row.ndim != 1 for row in rows):
        raise ValueError(
            "The first argument must have one row a query: similarities of shape "
            "(n_queries, n_database), or rankings. Put a single query into a list."
        )
    if kind == "auto":
        whole = all(row.dtype.kind in "iu" for row in rows if row.size)
        kind = "ranks" if whole else "similarity"
    if kind == "ranks":
        for query, row in enumerate(rows):
            if row.size and (row.dtype.kind not in "iu" or len(set(row)) < len(row)):
                raise ValueError(
                    f"The ranking of query {query} must hold different row numbers."
                )
        return [row.astype(np.intp) for row in rows], None
    for query, row in enumerate(rows):
        if row.size and row.dtype.kind not in "biuf":
            raise TypeError(
                f"similarity: row {query} has dtype {row.dtype}; real numbers are "
                "needed, or integers that are a ranking."
            )
        if not np.isfinite(row).all() or len(row) != len(rows[0]):
            raise ValueError(
                f"similarity: row {query} has another length than the first, or NaN "
                "or infinite entries. Every query needs a number for every row."
            )
    n_rows = len(rows[0]) if rows else 0
    return [np.argsort(-row.astype(np.float64), kind="stable") for row in rows], n_rows


def _rows(numbers: Iterable[int], n_rows: int | None, name: str) -> NDArray[np.intp]:
    if not isinstance(numbers, Iterable):
        raise TypeError(
            f"{name}={numbers!r} must be a list of row numbers of the database: "
            f"[{numbers!r}]."
        )
    given = np.asarray(list(numbers))
    if given.size and given.dtype.kind not in "iu":
        raise TypeError(
            f"{name} holds values of type {given.dtype}; row numbers of the database "
            "are needed. np.flatnonzero(mask) gives those of a mask."
        )
    found = np.unique(given.astype(np.intp))
    if found.size and (found[0] < 0 or (n_rows is not None and found[-1] >= n_rows)):
        raise ValueError(
            f"{name} contains {found[0] if found[0] < 0 else found[-1]}, which is no "
            f"row of the database ({n_rows} rows, numbered from 0)."
        )
    return found


def _check_length(name: str, given: Sequence, n_queries: int) -> None:
    if len(given) != n_queries:
        raise ValueError(
            f"{name} has {len(given)} entries for {n_queries} queries: one list for "
            "each is needed, empty where there is nothing."
        )
