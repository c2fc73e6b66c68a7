"""Ids of training rows, which stay theirs while other rows come and go."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, eq=False)
class RowIds:
    """Ids of rows, ascending.

    Attributes
    ----------
    kept : ndarray of shape (n_samples,), intp, or None
        None while they are 0 to ``following`` - 1.
    following : int
        That of the next row.
    """

    kept: NDArray[np.intp] | None
    following: int

    def numbers(self) -> NDArray[np.intp]:
        """All of them, (n_samples,)."""
        return np.arange(self.following) if self.kept is None else self.kept

    def more(self, n: int) -> "RowIds":
        """With the ids of rows that come."""
        following = self.following + n
        if self.kept is None:
            return RowIds(None, following)
        new = np.arange(self.following, following)
        return RowIds(np.concatenate([self.kept, new]), following)

    def without(self, ids: Any) -> tuple["RowIds", NDArray[np.intp]]:
        """Those that are left without some, and the places of their rows.

        Parameters
        ----------
        ids : int or array-like of int

        Returns
        -------
        left : RowIds
        places : ndarray of shape (n_left,), intp

        Raises
        ------
        ValueError
            For what is no id, and if nothing would be left.
        """
        gone = np.atleast_1d(np.asarray(ids))
        if gone.ndim != 1 or (gone.size and gone.dtype.kind not in "iu"):
            raise ValueError(
                f"ids={ids!r} must be a whole number or a list of them. ids_ has the "
                "id of each row; those of rows chosen by a mask are ids_[mask]."
            )
        known = self.numbers()
        found = np.searchsorted(known, gone)
        unknown = gone[known[np.minimum(found, len(known) - 1)] != gone]
        if len(unknown):
            raise ValueError(
                f"ids={unknown[:5].tolist()}{'...' * (len(unknown) > 5)} are none of "
                f"the {len(known)} in ids_: no row ever had them, or it was removed."
            )
        left = np.ones(len(known), dtype=bool)
        left[found] = False
        places = np.flatnonzero(left)
        if len(places) == 0:
            raise ValueError(
                f"Removing all {len(known)} rows would leave none that could vote. "
                "Add others with partial_fit first, or fit again."
            )
        return RowIds(known[places], self.following), places
