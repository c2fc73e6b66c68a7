"""Groups: rows that are no neighbours of each other, such as photos of one burst."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..neighbors import Engine, Neighbors, make_engine
from ..utils._labels import as_labels, check_labels_present, union_of_labels
from ..utils._slices import blocks_of

# Rows of the own group that a search finds and drops at first, and at most: beyond
# that searching among the rows outside the group is cheaper.
_FIRST, _MOST = 16, 1024
_LIST_BYTES = 1 << 26  # of lists at a time


@dataclass(frozen=True, eq=False)
class Groups:
    """The group of each row; ``numbers`` index ``names``, -1 is a row by itself."""

    names: NDArray[Any]  # (n_groups,), sorted
    numbers: NDArray[np.intp]  # (n_samples,)

    @classmethod
    def of(cls, groups: Any, X: Any) -> "Groups":
        """From an array-like of shape (n_samples,); ``X`` are the rows."""
        try:
            labels = as_labels(groups)
        except ValueError as error:
            raise ValueError(
                "groups must have one number or text a row, of shape (n_samples,). Of "
                "several columns make one, for example by joining them as text."
            ) from error
        n_samples = X.shape[0] if hasattr(X, "shape") else len(X)
        if len(labels) != n_samples:
            raise ValueError(
                f"groups has {len(labels)} entries for {n_samples} rows of X; one a "
                "row is needed."
            )
        check_labels_present(labels, "groups")
        return cls(*np.unique(labels, return_inverse=True))

    @classmethod
    def join(
        cls, first: "Groups | None", n_first: int, then: "Groups | None", n_then: int
    ) -> "Groups | None":
        """The groups of rows behind each other; None are rows that are in none."""
        if first is None and then is None:
            return None
        known = [each.names for each in (first, then) if each is not None]
        names = union_of_labels(*known, name="groups")
        parts = [
            np.full(n, -1) if each is None else each._among(names)
            for each, n in ((first, n_first), (then, n_then))
        ]
        return cls(names, np.concatenate(parts))

    def _among(self, names: NDArray[Any]) -> NDArray[np.intp]:
        """Numbers for more names."""
        places = np.append(np.searchsorted(names, self.names), -1)
        return places[self.numbers]  # of -1 it is the last one

    def take(self, ids: NDArray[np.intp]) -> "Groups":
        """Those of some of the rows."""
        return Groups(self.names, self.numbers[ids])

    @property
    def largest(self) -> int:
        """Rows of the largest group."""
        return int(self.sizes().max())

    def sizes(self) -> NDArray[np.intp]:
        """Rows of the group of each row, itself included."""
        counts = np.bincount(self.numbers + 1, minlength=len(self.names) + 1)
        counts[0] = 1
        return counts[self.numbers + 1]

    def together(self, own: NDArray[np.intp], ids: NDArray) -> NDArray[np.bool_]:
        """Whether rows ``ids`` (n, k) are rows ``own`` (n,) or of their groups."""
        numbers = self.numbers[own][:, None]
        same = (self.numbers[ids] == numbers) & (numbers >= 0)
        return same | (ids == own[:, None])


def leave_groups_out(engine: Engine, groups: Groups, k: int, part: slice) -> Neighbors:
    """The k nearest rows outside their group of each row in a slice of the index.

    Longer lists are searched, and the own group dropped from them: what is left is as
    exact as the engine, whatever it is. At most ``n_samples - groups.largest`` rows.
    """
    own = np.arange(len(engine.rows))[part]
    distances = np.empty((len(own), k), dtype=np.float64)
    ids = np.empty((len(own), k), dtype=np.intp)
    others = groups.sizes()[own] - 1
    todo = np.arange(len(own))
    extra = min(max(_FIRST, k), _MOST)
    while len(todo) and extra <= _MOST:
        extra = min(extra, int(others[todo].max()))
        left = []
        for block in blocks_of(len(todo), 16 * (k + extra), _LIST_BYTES):
            which = todo[block]
            some = own[which]
            found = engine.kneighbors(engine.rows.values[some], k + extra, some)
            same = groups.together(some, found[1])
            enough = (~same).sum(axis=1) >= k
            places = np.argsort(same[enough], axis=1, kind="stable")[:, :k]
            for out, lists in zip((distances, ids), found):
                out[which[enough]] = np.take_along_axis(lists[enough], places, axis=1)
            left.append(which[~enough])
        todo = np.concatenate(left)
        extra *= 4
    for number in np.unique(groups.numbers[own[todo]]):
        which = todo[groups.numbers[own[todo]] == number]
        outside = np.flatnonzero(groups.numbers != number)
        rows = engine.rows.take(outside)
        search = engine.with_rows(rows) if engine.exact else make_engine("brute", rows)
        found = search.kneighbors(engine.rows.values[own[which]], k)
        distances[which], ids[which] = found[0], outside[found[1]]
    return distances, ids
