"""Training rows with their classes: from lists of neighbours to votes.

Lists are made and used up in blocks of queries, which bounds memory for any number of
rows, neighbours and classes.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..datastore import NeighborIndex, soft_votes, true_class_votes
from ..utils._warn import warn
from ._row_blocks import row_blocks
from ._row_ids import RowIds

# Entries of a table of votes that are made at a time: 2 MiB, which the L2 cache holds.
# Of 10,000 queries in 1,000 classes it saves a third of the processor's time (the votes
# of benchmarks/scale.py).
_VOTED = 1 << 18


@dataclass(frozen=True)
class LabelledIndex:
    """Searchable training rows and the class of each.

    Attributes
    ----------
    rows : NeighborIndex
        Fitted.
    codes : ndarray of shape (n_samples,), int
        Class number of each row.
    n_classes : int
    ids : RowIds
        Those of the rows, which stay theirs when others come and go.
    scale : float or None, default=None
        What ``tau="scale"`` came to; None while nobody has asked for it.
    """

    rows: NeighborIndex
    codes: NDArray[np.intp]
    n_classes: int
    ids: RowIds
    scale: float | None = None

    @property
    def n_samples(self) -> int:
        """Number of training rows."""
        return len(self.codes)

    @property
    def n_present(self) -> int:
        """Number of classes that have rows."""
        return int(np.count_nonzero(np.bincount(self.codes)))

    def n_voters(self, queries: Any) -> int:
        """Rows that can vote for each query; None means the training rows."""
        if queries is not None:
            return self.n_samples
        if self.rows.n_others < 1:
            raise ValueError(
                f"n_samples={self.n_samples}: leaving one out, with its groups=, takes "
                "rows in more than one group. Pass the burst, object or person that "
                "each row comes from, groups=None, or more rows."
            )
        return self.rows.n_others


def count_rows(index: LabelledIndex, queries: Any) -> int:
    """Number of queries; None means the training rows."""
    return index.n_samples if queries is None else queries.shape[0]


def neighbor_blocks(
    index: LabelledIndex, queries: Any, k: int
) -> Iterator[tuple[slice, NDArray[np.float64], NDArray[np.intp]]]:
    """Nearest training rows, block by block.

    Parameters
    ----------
    index : LabelledIndex
    queries : ndarray or csr matrix of shape (n_queries, n_features), or None
        Checked rows. None means the training rows, each without itself.
    k : int
        At most the number of rows there are.

    Yields
    ------
    part : slice
        The queries that the rest is about.
    distances : ndarray of shape (n_part, k), float64
    ids : ndarray of shape (n_part, k), intp
    """
    for part in row_blocks(count_rows(index, queries), k):
        if queries is None:
            yield part, *index.rows.leave_one_out(k, part)
        else:
            yield part, *index.rows.kneighbors(queries[part], k)


def class_votes(
    index: LabelledIndex, queries: Any, k: int, tau: float
) -> Iterator[tuple[slice, NDArray[np.float64]]]:
    """Class probabilities (R, Eq. 1 and 2), block by block.

    Parameters
    ----------
    index : LabelledIndex
    queries : ndarray or csr matrix of shape (n_queries, n_features), or None
        As in :func:`neighbor_blocks`.
    k : int
        Clipped to the rows there are.
    tau : float

    Yields
    ------
    part : slice
    proba : ndarray of shape (n_part, n_classes), float64
    """
    k = min(k, index.n_voters(queries))
    for block, distances, ids in neighbor_blocks(index, queries, k):
        for part in row_blocks(len(ids), index.n_classes, _VOTED):
            labels = index.codes[ids[part]]
            proba = soft_votes(distances[part], labels, tau, index.n_classes)
            first = block.start + part.start
            yield slice(first, first + len(proba)), proba


def own_class_votes(index: LabelledIndex, k: int, tau: float) -> NDArray[np.float64]:
    """Leave-one-out probability of each training row's own class (R, Eq. 3).

    With groups, rows of its own one do not vote for a row.

    Parameters
    ----------
    index : LabelledIndex
    k : int
        Clipped to the rows there are.
    tau : float

    Returns
    -------
    ndarray of shape (n_samples,), float64
    """
    proba = np.empty(index.n_samples)
    k = min(k, index.n_voters(None))
    for part, distances, ids in neighbor_blocks(index, None, k):
        agree = index.codes[ids] == index.codes[part][:, None]
        proba[part] = true_class_votes(distances, agree, tau)
    return proba


def resolve_n_neighbors(n_neighbors: int | str, n_samples: int, n_classes: int) -> int:
    """Number of voting rows that ``n_neighbors`` means for this training set."""
    if n_neighbors == "mean":
        return max(1, round(n_samples / n_classes))
    return clip_n_neighbors(int(n_neighbors), n_samples)


def clip_n_neighbors(n_neighbors: int, available: int) -> int:
    """At most as many as there are, with a warning."""
    if n_neighbors > available:
        warn(
            f"n_neighbors={n_neighbors} is more than the {available} rows that can "
            f"vote; using n_neighbors={available}."
        )
    return min(n_neighbors, available)


def warn_of_large_group(index: LabelledIndex, k: int) -> None:
    """Warn where leaving a group out leaves fewer than k rows that can vote.

    Raise an error where it leaves none.
    """
    others = index.n_voters(None)
    if k > others:
        warn(
            f"groups: without the largest of them {others} rows are left, so {others} "
            f"and not n_neighbors={k} vote for each training row that is left out. Use "
            "smaller groups, such as bursts, or a smaller n_neighbors."
        )
