"""What a fitted segmenter holds, and how it comes to it."""

import secrets
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray
from sklearn.base import BaseEstimator, clone
from sklearn.utils import check_random_state

from ..utils._device import device_here
from ..utils._parameters import ParamsMixin
from ..utils._snapshot import SnapshotMixin
from ..utils._warn import warn
from ._filling import Filled, Filling
from ._inputs import count
from ._memory_bank import MemoryBank
from ._pair_search import PairSearch
from ._search import BankSearch
from ._similarity import make_search, resolve_pair_widths


class BankEstimator(SnapshotMixin, ParamsMixin, BaseEstimator):
    """Base of estimators whose ``fit`` fills a bank with labelled positions.

    A fitted one holds in ``__dict__``

    ``_filled``, ``_seed``, ``embedder_``
        always kept;
    ``_search``
        the search structure, never pickled and made again from the bank.
    """

    embedder: Any
    n_neighbors: int
    max_patches: int | None
    n_augmentations: int
    ignore_index: int | None
    preprocessing: str
    similarity: Any
    algorithm: Any
    device: Any
    n_jobs: int | None
    random_state: Any
    verbose: int

    embedder_: Any
    _filled: Filled
    _seed: int
    _search: BankSearch | PairSearch

    def __sklearn_is_fitted__(self) -> bool:
        return hasattr(self, "_filled")

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.two_d_array = False
        tags.target_tags.required = True
        return tags

    def __getstate__(self) -> dict[str, Any]:
        """Leave out the search structure, which follows from the bank."""
        state = dict(super().__getstate__())
        state.pop("_search", None)
        return state

    def __setstate__(self, state: dict[str, Any]) -> None:
        super().__setstate__(state)
        if self.__sklearn_is_fitted__():
            self._search = self._new_search(self._filled, device_here(self.device))

    def _extend(self, images: Any, masks: Any, streams: bool) -> Self:
        """Fill a bank, or one that is there further; set all attributes at the end."""
        n = check_as_many(images, masks)
        before = self._filled if streams and self.__sklearn_is_fitted__() else None
        if before is None:
            seed, embedder = _draw_seed(self.random_state), self.embedder
            if embedder is not None:
                embedder = clone(embedder).fit(images)
            widths = resolve_pair_widths(self.similarity, embedder)
        else:
            seed, embedder = self._seed, self.embedder_
            widths = before.pair_widths
        n_steps = n * max(1, self.n_augmentations)

        def say(step: int) -> None:
            print(f"[InContextSegmenter] image {step + 1} of {n_steps}")

        filled = Filling(
            self.max_patches,
            self.n_augmentations,
            self.ignore_index,
            self.preprocessing,
            streams,
            seed,
            widths,
            say if self.verbose else None,
        )(images, masks, embedder, before)
        first = before is None
        search = self._new_search(
            filled, self.device if first else device_here(self.device)
        )
        if self.n_neighbors > len(filled.bank):
            warn(
                f"n_neighbors={self.n_neighbors} is larger than the bank: all "
                f"{len(filled.bank)} rows vote."
            )
        # One step, which cannot be interrupted half-way, nor seen so by a thread.
        found = {"_filled": filled, "_seed": seed, "_search": search}
        self.__dict__ = {**vars(self), **found, "embedder_": embedder}
        return self

    @property
    def bank_(self) -> MemoryBank:
        """The rows that vote."""
        return self._of_fit("bank_").bank

    @property
    def classes_(self) -> NDArray:
        """Labels in the masks, without void."""
        return self._of_fit("classes_").classes

    @property
    def mean_(self) -> NDArray[np.float64] | None:
        """What "l2-center" subtracts."""
        return self._of_fit("mean_").mean

    @property
    def n_images_(self) -> int:
        """Training images so far."""
        return self._of_fit("n_images_").n_images

    @property
    def n_features_in_(self) -> int:
        """Channels of the maps."""
        return self._of_fit("n_features_in_").n_channels

    @property
    def pixels_per_position_(self) -> tuple[float, float] | None:
        """Height and width of a position in pixels of the masks."""
        ratios = self._of_fit("pixels_per_position_").ratios
        return next(iter(ratios)) if len(ratios) == 1 else None

    def _of_fit(self, name: str) -> Filled:
        if not self.__sklearn_is_fitted__():
            raise AttributeError(f"{name} is there after fit only")
        return self._filled

    def _new_search(self, filled: Filled, device: Any) -> BankSearch | PairSearch:
        how = self.algorithm, device, self.n_jobs
        rows = filled.bank.features
        return make_search(rows, filled.mean, filled.pair_widths, *how)


def check_as_many(images: Any, masks: Any) -> int:
    n, n_masks = count(images, "images"), count(masks, "masks")
    if n != n_masks:
        raise ValueError(
            f"There are {n} images and {n_masks} masks; one mask an image is needed."
        )
    return n


def _draw_seed(random_state: Any) -> int:
    if random_state is None:
        # Not numpy's global generator, which belongs to the user.
        return secrets.randbits(31)
    return int(check_random_state(random_state).randint(2**31 - 1))
