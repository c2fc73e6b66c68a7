"""Feature vectors with their soft labels, and where they came from."""

from dataclasses import dataclass

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray

from ._sampling import smallest


@dataclass(frozen=True, eq=False)
class MemoryBank:
    """Rows that vote.

    Attributes
    ----------
    features : ndarray of shape (n, n_channels), float32
        Prepared for the search.
    labels : sparse array of shape (n, n_classes), float32
    images : ndarray of shape (n,), intp
        Number of the training image of each row, in the order they came.
    boxes : ndarray of shape (n, 4), float32
        Top, left, bottom and right of its tile, as shares of height and width; of
        augmented images as shares of what was cut out of them.
    keys : ndarray of shape (n,), float64
        Of a bank of bounded size, the rows with the smallest keys stay.
    n_seen : int
        Rows that came, those not kept included.
    """

    features: NDArray[np.float32]
    labels: sp.csr_array
    images: NDArray[np.intp]
    boxes: NDArray[np.float32]
    keys: NDArray[np.float64]
    n_seen: int

    def __len__(self) -> int:
        return len(self.features)

    def rows(self, chosen: NDArray[np.intp]) -> "MemoryBank":
        """Return some of the rows."""
        return MemoryBank(
            self.features[chosen],
            self.labels[chosen],
            self.images[chosen],
            self.boxes[chosen],
            self.keys[chosen],
            self.n_seen,
        )

    def keep(self, n: int | None) -> "MemoryBank":
        """Return the ``n`` rows with the smallest keys; all for None."""
        if n is None or len(self) <= n:
            return self
        return self.rows(smallest(self.keys, n))

    def with_classes(self, n_classes: int, places: NDArray[np.intp]) -> "MemoryBank":
        """Return the same with class ``i`` in column ``places[i]``."""
        labels = self.labels.tocoo()
        shape = len(self), n_classes
        entries = labels.data, (labels.row, places[labels.col])
        moved = sp.csr_array(entries, shape=shape)
        values = {**vars(self), "labels": moved}
        return MemoryBank(**values)


def join_banks(parts: list[MemoryBank]) -> MemoryBank:
    """Put banks of equal classes together; empties ``parts`` as it goes."""
    n = sum(map(len, parts))
    width = parts[0].features.shape[1]
    features = np.empty((n, width), dtype=np.float32)
    labels = sp.vstack([part.labels for part in parts], format="csr")
    images = np.concatenate([part.images for part in parts])
    boxes = np.concatenate([part.boxes for part in parts])
    keys = np.concatenate([part.keys for part in parts])
    n_seen = sum(part.n_seen for part in parts)
    stop = n
    # From the end, so that what was copied can be freed.
    while parts:
        part = parts.pop()
        features[stop - len(part) : stop] = part.features
        stop -= len(part)
    return MemoryBank(features, labels, images, boxes, keys, n_seen)


def tile_boxes(grid: tuple[int, int]) -> NDArray[np.float32]:
    """Return top, left, bottom and right of every tile, row by row."""
    height, width = grid
    top, left = np.divmod(np.arange(height * width), width)
    edges = top / height, left / width, (top + 1) / height, (left + 1) / width
    return np.stack(edges, axis=1).astype(np.float32)
