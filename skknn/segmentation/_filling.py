"""Images and masks -> all that a fitted segmenter knows."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ._bank_builder import BankBuilder, as_sample, n_rows_per_image
from ._inputs import changed_maps, count, entry, feature_maps
from ._masks import read_labels
from ._memory_bank import MemoryBank, join_banks
from ._search import BankSearch
from ._similarity import PairWidths


@dataclass(frozen=True, eq=False)
class Filled:
    """What images and masks left behind.

    Attributes
    ----------
    bank : MemoryBank
    classes : ndarray of shape (n_classes,)
    mean : ndarray of shape (n_channels,) or None
        What was subtracted from rows of length 1.
    n_images : int
    n_channels : int
    ratios : frozenset of (float, float)
        Heights and widths of positions in pixels of their masks.
    pair_widths : (int, int, int) or None
        Of features, inputs and slopes, where gradients are pairs.
    """

    bank: MemoryBank
    classes: NDArray
    mean: NDArray[np.float64] | None
    n_images: int
    n_channels: int
    ratios: frozenset[tuple[float, float]]
    pair_widths: PairWidths = None


@dataclass(frozen=True)
class Filling:
    """How images and masks become a bank; parameters of the segmenter.

    Attributes
    ----------
    max_patches, n_augmentations, ignore_index, preprocessing
        The segmenter's.
    streams : bool
        Whether images come in parts, so that nobody knows how many there will be.
    seed : int
    pair_widths : (int, int, int) or None
    on_image : callable, optional
        Called with the number of every image that was added.
    """

    max_patches: int | None
    n_augmentations: int
    ignore_index: int | None
    preprocessing: str
    streams: bool
    seed: int
    pair_widths: PairWidths = None
    on_image: Callable[[int], None] | None = None

    def __call__(
        self, images: Any, masks: Any, embedder: Any, before: Filled | None
    ) -> Filled:
        """Fill a bank, or that of ``before`` further.

        Raises
        ------
        ValueError
            If a map or mask will not do, or no pixel has a label.
        """
        n, first = count(images, "images"), before.n_images if before else 0
        passes = max(1, self.n_augmentations)
        per_image = None
        if not self.streams:
            per_image = n_rows_per_image(self.max_patches, n * passes)
        builder = BankBuilder(self.ignore_index, per_image, self.max_patches)
        width = before.n_channels if before else None
        ratios = set(before.ratios if before else ())
        dtypes = [before.classes.dtype] if before else []
        for epoch, number, found, mask in self._training(
            images, masks, embedder, first
        ):
            if width is not None and found.shape[2] != width:
                raise ValueError(
                    f"The map of image {number} has {found.shape[2]} channels, others "
                    f"have {width}. All must come from the same layers."
                )
            width = found.shape[2]
            rng = np.random.default_rng([self.seed, epoch, first + number, 0])
            builder.add(found, mask, first + number, rng)
            ratios.add((mask.shape[0] / found.shape[0], mask.shape[1] / found.shape[1]))
            dtypes.append(mask.dtype)
            if self.on_image is not None:
                self.on_image(epoch * n + number)
        assert width is not None
        labels = {*builder.columns, *(before.classes.tolist() if before else ())}
        classes = _as_classes(labels, dtypes)
        bank, mean = self._joined(builder.finish(classes), classes, before)
        if per_image is not None:
            # Drawn by class within images; what is too many goes by lot.
            bank = as_sample(bank, np.random.default_rng([self.seed, first + n, 2]))
        bank = bank.keep(self.max_patches)
        return Filled(
            bank,
            classes,
            mean,
            first + n,
            width,
            frozenset(ratios),
            self.pair_widths,
        )

    def _joined(
        self, added: MemoryBank | None, classes: NDArray, before: Filled | None
    ) -> tuple[MemoryBank, NDArray[np.float64] | None]:
        """The whole bank, and what is subtracted from its rows."""
        if before is None:
            if added is None:
                raise ValueError(
                    "No position has a label and features: all pixels are "
                    f"ignore_index={self.ignore_index}, or all maps are 0."
                )
            mean = None
            if self.preprocessing == "l2-center":
                mean = added.features.mean(axis=0, dtype=np.float64)
                if self.pair_widths is not None:
                    # A pair without its mean would be the pair of no gradient.
                    mean[self.pair_widths[0] :] = 0
            BankSearch.center(added.features, mean)
            return added, mean
        places = np.searchsorted(classes, before.classes.astype(classes.dtype))
        bank = before.bank.with_classes(len(classes), places)
        if added is None:
            return bank, before.mean
        BankSearch.center(added.features, before.mean)
        return join_banks([bank, added]), before.mean

    def _training(
        self, images: Any, masks: Any, embedder: Any, first: int
    ) -> Iterator[tuple[int, int, NDArray, NDArray]]:
        """Yield (pass, number of the image, map, mask)."""

        def mask_of(number: int, size: tuple[int, int] | None) -> NDArray:
            return read_labels(entry(masks, number), number, self.ignore_index, size)

        if not self.n_augmentations:
            maps = feature_maps(images, embedder, None)
            for number, (found, size) in enumerate(maps):
                yield 0, number, found, mask_of(number, size)
            return
        if embedder is None:
            raise ValueError(
                f"n_augmentations={self.n_augmentations} changes images, but with "
                "embedder=None there are only maps. Pass an embedder, or 0."
            )
        for epoch in range(self.n_augmentations):

            def seed_of(number: int, epoch: int = epoch) -> list[int]:
                return [self.seed, epoch, first + number, 1]

            changed = changed_maps(images, mask_of, embedder, seed_of)
            for number, (found, mask) in enumerate(changed):
                yield epoch, number, found, mask


def _as_classes(labels: set[int], dtypes: list[np.dtype]) -> NDArray[np.integer]:
    """Labels in order, in the integers that hold those of all masks."""
    dtype = np.result_type(*dtypes)
    if dtype.kind == "f":
        # uint64 with signed integers. Labels are 0 or larger.
        small = max(labels, default=0) <= np.iinfo(np.int64).max
        dtype = np.dtype(np.int64 if small else np.uint64)
    return np.array(sorted(labels), dtype=dtype)
