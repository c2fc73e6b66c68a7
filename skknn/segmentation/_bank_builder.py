"""Labelled feature maps -> a bank of bounded size."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..datastore import Preprocessor
from ._memory_bank import MemoryBank, join_banks, tile_boxes
from ._patch_labels import patch_labels
from ._sampling import class_frequency_score, smallest


class BankBuilder:
    """Takes maps and masks one after the other.

    Parameters
    ----------
    ignore_index : int or None
        Label of void pixels.
    n_per_image : int or None
        Rows kept of each map, by class frequency.
    capacity : int or None
        Rows kept of all maps, uniformly, where ``n_per_image`` is None.

    Attributes
    ----------
    columns : dict label -> int
        Classes in the order in which they were seen.
    """

    def __init__(
        self, ignore_index: int | None, n_per_image: int | None, capacity: int | None
    ) -> None:
        self._ignore_index = ignore_index
        self._n_per_image, self._capacity = n_per_image, capacity
        self.columns: dict[int, int] = {}
        self._parts: list[MemoryBank] = []
        self._n_rows = 0
        self._unit = Preprocessor("l2")

    def add(
        self, found: NDArray, mask: NDArray, image: int, rng: np.random.Generator
    ) -> None:
        """Add the positions of a map (h, w, d) that have a label."""
        grid = found.shape[0], found.shape[1]
        rows = found.reshape(-1, found.shape[2])
        labels, kept = patch_labels(self._codes(mask), grid, len(self.columns))
        # What has no direction has no neighbours.
        some = rows[kept].any(axis=1)
        kept, labels = kept[some], labels[np.flatnonzero(some)]
        n_seen = len(kept)
        keys = rng.random(n_seen)
        if self._n_per_image is not None:
            chosen = smallest(class_frequency_score(labels, keys), self._n_per_image)
            kept, labels, keys = kept[chosen], labels[chosen], keys[chosen]
        features = self._unit.transform(rows[kept])
        images = np.full(len(kept), image, dtype=np.intp)
        boxes = tile_boxes(grid)[kept]
        self._parts.append(MemoryBank(features, labels, images, boxes, keys, n_seen))
        self._n_rows += len(kept)
        if self._capacity is not None and self._n_rows > 2 * self._capacity:
            self._parts = [self._joined().keep(self._capacity)]
            self._n_rows = len(self._parts[0])

    def finish(self, classes: NDArray) -> MemoryBank | None:
        """Return all rows, with the columns of ``classes``; None without any."""
        if self._n_rows == 0:
            return None
        places = np.searchsorted(classes, np.array(list(self.columns), classes.dtype))
        self._parts = [
            part.with_classes(len(classes), places[: part.labels.shape[1]])
            for part in self._parts
        ]
        return join_banks(self._parts)

    def _joined(self) -> MemoryBank:
        n_classes = len(self.columns)
        every = np.arange(n_classes)
        parts = [part.with_classes(n_classes, every) for part in self._parts]
        self._parts = []
        return join_banks(parts)

    def _codes(self, mask: NDArray) -> NDArray[np.intp]:
        """Numbers of the columns of a mask's labels; -1 for void."""
        labels, inverse = np.unique(mask, return_inverse=True)
        codes = np.empty(len(labels), dtype=np.intp)
        for i, label in enumerate(labels.tolist()):
            if label == self._ignore_index:
                codes[i] = -1
                continue
            codes[i] = self.columns.setdefault(label, len(self.columns))
        return codes[inverse.reshape(mask.shape)]


def n_rows_per_image(max_patches: int | None, n_images: int) -> int | None:
    """Return how many rows of each image fill a bank, at least one."""
    return None if max_patches is None else max(1, max_patches // n_images)


def as_sample(bank: MemoryBank, rng: np.random.Generator) -> MemoryBank:
    """Draw keys anew, as those of a uniform sample of all rows that were seen."""
    values: dict[str, Any] = dict(vars(bank))
    values["keys"] = rng.random(len(bank)) * (len(bank) / max(1, bank.n_seen))
    return MemoryBank(**values)
