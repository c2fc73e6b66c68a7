"""Squared distances a block between training rows and those that may be neighbours.

``d2 = sum_b w_b d2_b``: with a table for each block, another combination of weights is
a weighted sum. Few rows are compared with all others. Of many, some are drawn, and of
their distances those to rows are kept that are near by one block, by the first with
one other, or by all together, so that memory does not grow with the square of the rows.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ..utils._slices import blocks_of

# Up to here a table of all pairs; above, so many rows are drawn and compared.
_ALL_PAIRS, _DRAWN = 2_000, 4_000
# Candidates by each combination, as a multiple of the neighbours that vote.
_CANDIDATES = 3
_BYTES = 1 << 26  # of distances computed at a time


@dataclass(frozen=True)
class BlockDistances:
    """For each of m rows, and each row that may be its neighbour, distances by block.

    Attributes
    ----------
    rows : ndarray of shape (m,), intp
        Numbers of the rows.
    candidates : ndarray of shape (m, c), intp
        Numbers of possible neighbours, ascending.
    squared : list of ndarray of shape (m, c), float32
        For each block; ``inf`` for what may be no neighbour: the row itself, others
        of its group, and what stands in ``candidates`` twice.
    n_neighbors : int
        So many neighbours every row has at least, at most as many as wanted.
    """

    rows: NDArray[np.intp]
    candidates: NDArray[np.intp]
    squared: list[NDArray[np.float32]]
    n_neighbors: int

    def nearest(
        self, weights: Sequence[float]
    ) -> tuple[NDArray[np.float64], NDArray[np.intp]]:
        """Squared distances and numbers of the nearest rows, (m, n_neighbors).

        Distances are those of rows of unit length whose blocks are scaled by the
        roots of ``weights``, nearest first. Rows at equal distance stand by number.
        """
        total: NDArray = np.float32(0)  # type: ignore[assignment]
        for weight, squared in zip(weights, self.squared):
            if weight:
                total = total + np.float32(weight / sum(weights)) * squared
        k = self.n_neighbors
        places = np.sort(np.argpartition(total, k - 1, axis=1)[:, :k], axis=1)
        distances = np.take_along_axis(total, places, axis=1).astype(np.float64)
        order = np.argsort(distances, axis=1, kind="stable")
        places = np.take_along_axis(places, order, axis=1)
        ids = np.take_along_axis(self.candidates, places, axis=1)
        return np.take_along_axis(distances, order, axis=1), ids


def block_distances(
    blocks: Sequence[NDArray[np.float32]],
    n_neighbors: int,
    groups: NDArray[np.intp] | None = None,
    *,
    first: int = 0,
) -> BlockDistances:
    """Compare rows with those that may be their neighbours.

    Parameters
    ----------
    blocks : sequence of ndarray of shape (n, width)
        Unit rows.
    n_neighbors : int
        So many are wanted.
    groups : ndarray of shape (n,), intp, optional
        Number of the group that a row is in; its members are no neighbours.
    first : int
        Number of the block that a search starts from.

    Returns
    -------
    BlockDistances
        Drawn with a fixed seed.

    Raises
    ------
    ValueError
        If some row has no possible neighbour.
    """
    n = len(blocks[0])
    largest = 1 if groups is None else int(np.bincount(groups).max())
    k = min(n_neighbors, n - largest)
    if k < 1:
        what = "rows in more than one group" if groups is not None else "2 rows"
        raise ValueError(
            f"n_samples={n}: leaving one out takes at least {what}, of which each "
            "finds neighbours among the others."
        )
    everyone = rows = np.arange(n)
    members, count = everyone if groups is None else groups, n
    if n > _ALL_PAIRS:
        order = np.random.default_rng(0).permutation(n)
        rows, count = np.sort(order[:_DRAWN]), min(_CANDIDATES * k, n - 1)
    parts = []
    for part in blocks_of(len(rows), 4 * n * (len(blocks) + 6), _BYTES):
        some = rows[part]
        never = members == members[some][:, None]
        tables = [_squared(block[some], block) for block in blocks]
        for table in tables:
            table[never] = np.inf
        if count == n:
            ids = np.broadcast_to(everyone, (len(some), n))
        else:
            ids = _candidates(tables, first, count)
            tables = [np.take_along_axis(table, ids, axis=1) for table in tables]
            twice = ids[:, 1:] == ids[:, :-1]
            for table in tables:
                table[:, 1:][twice] = np.inf
        parts.append((ids, tables))
    squared = [
        np.concatenate([tables[b] for _, tables in parts]) for b in range(len(blocks))
    ]
    return BlockDistances(rows, np.concatenate([ids for ids, _ in parts]), squared, k)


def _squared(
    some: NDArray[np.float32], rows: NDArray[np.float32]
) -> NDArray[np.float32]:
    """Squared distances, by products: of unit rows they are good to 1e-6."""
    out = some @ rows.T
    out *= -2
    out += np.einsum("ij,ij->i", some, some)[:, None]
    out += np.einsum("ij,ij->i", rows, rows)
    return np.maximum(out, 0, out=out)


def _candidates(
    tables: list[NDArray[np.float32]], first: int, count: int
) -> NDArray[np.intp]:
    """Rows that are near by some combination of blocks, ascending, some twice."""
    found = []
    for number, table in enumerate(tables):
        found.append(np.argpartition(table, count - 1, axis=1)[:, :count])
        if number != first:
            pair = tables[first] + table
            found.append(np.argpartition(pair, count - 1, axis=1)[:, :count])
    if len(tables) > 2:
        total = sum(tables[1:], start=tables[0])
        found.append(np.argpartition(total, count - 1, axis=1)[:, :count])
    return np.sort(np.hstack(found), axis=1)
