"""Views of some items as the network gets them: each that is there twice, once."""

from dataclasses import dataclass

import numpy as np
import torch


@dataclass(frozen=True)
class ViewGroup:
    """Views of n items that are computed together.

    Attributes
    ----------
    parts : list of tensors of shape (n, U_k, ...)
        What the network sees, one tensor a size; their views count through.
    which : int64 tensor of shape (n, V), or None
        Which of the views in ``parts`` each of an item's V views is; None where they
        are the views themselves.
    """

    parts: list[torch.Tensor]
    which: torch.Tensor | None = None

    @property
    def n(self) -> int:
        """How many items there are."""
        return len(self.parts[0])

    @property
    def counts(self) -> list[int]:
        """How many distinct views each item has."""
        if self.which is None:
            return [sum(part.shape[1] for part in self.parts)] * self.n
        return (self.which.amax(1) + 1).tolist()

    def each(self) -> list[torch.Tensor]:
        """Return all views (n, V_k, ...), the equal ones, too."""
        if self.which is None:
            return self.parts
        (part,) = self.parts
        items = torch.arange(self.n, device=self.which.device)[:, None]
        return [part[items, self.which]]

    def first(self, count: int) -> "ViewGroup":
        """Return the first ``count`` views of each item."""
        which = None if self.which is None else self.which[:, :count]
        left = count if which is None else int(which.max()) + 1
        found = []
        for part in self.parts:
            if left > 0:
                found.append(part[:, :left])
            left -= part.shape[1]
        return ViewGroup(found, which)

    def spread(self, rows: torch.Tensor) -> torch.Tensor:
        """Return a row for each view, (n, V, E), of those of ``parts``, (n, U, E)."""
        if self.which is None:
            return rows
        which = self.which.to(rows.device)
        return rows.gather(1, which[..., None].expand(-1, -1, rows.shape[-1]))

    def gathered(self, slopes: torch.Tensor) -> torch.Tensor:
        """Return the sums of slopes (n, V, E) over views that are one, (n, U, E)."""
        if self.which is None:
            return slopes
        n_distinct = sum(part.shape[1] for part in self.parts)
        here = torch.arange(n_distinct, device=slopes.device)
        # A product: scattered sums of a card come in any order.
        is_it = (self.which.to(slopes.device)[:, None] == here[:, None]).to(slopes)
        return is_it @ slopes


def distinct_views(views: torch.Tensor) -> ViewGroup:
    """Find views of an item that are equal.

    Parameters
    ----------
    views : int tensor of shape (n, V, L), on the host

    Returns
    -------
    ViewGroup
        With as many views an item as the one with most distinct ones has, in the order
        in which they come; those of others are filled up with their first.
    """
    n, n_views, length = views.shape
    which = np.zeros((n, n_views), np.int64)
    places = np.zeros((n, n_views), np.int64)
    for item, row in enumerate(views.numpy()):
        seen: dict[bytes, int] = {}
        for i, view in enumerate(row):
            key = view.tobytes()
            if key not in seen:
                places[item, len(seen)] = i
            which[item, i] = seen.setdefault(key, len(seen))
    n_distinct = int(which.max()) + 1
    index = torch.from_numpy(places[:, :n_distinct, None]).expand(-1, -1, length)
    return ViewGroup([views.gather(1, index)], torch.from_numpy(which))
