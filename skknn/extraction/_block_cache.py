"""The row cache of several blocks: each block of a row is stored by itself."""

import os
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..utils._behaviour import Behaviour
from ._row_cache import RowCache


class BlockCache:
    """Row caches side by side, so that a new block recomputes no other one.

    Has the interface of :class:`RowCache` for whole rows.

    Parameters
    ----------
    folder : str or Path
    settings : dict block -> dict
        Everything besides the image that a block depends on.
    slices : dict block -> slice
        Where the block is in a row.
    behaviours : dict block -> Behaviour, optional
        What computes the block, by what it does.
    """

    def __init__(
        self,
        folder: str | os.PathLike,
        settings: dict[str, dict[str, Any]],
        slices: dict[str, slice],
        behaviours: Mapping[str, Behaviour] = MappingProxyType({}),
    ) -> None:
        self._slices = slices
        self._caches = {
            name: RowCache(folder, settings[name], behaviours.get(name))
            for name in slices
        }
        self._parts: dict[bytes, dict[str, NDArray[np.float32]]] = {}

    def get(self, keys: list[bytes]) -> dict[bytes, NDArray[np.float32]]:
        """Return complete rows; parts of others are kept for :meth:`missing`."""
        found = {name: cache.get(keys) for name, cache in self._caches.items()}
        rows = {}
        for key in dict.fromkeys(keys):
            parts = {name: part[key] for name, part in found.items() if key in part}
            if len(parts) == len(self._caches):
                rows[key] = np.concatenate([parts[name] for name in self._slices])
            else:
                self._parts[key] = parts
        return rows

    def missing(self, key: bytes) -> frozenset[str] | None:
        """Return the names of the blocks of a row that have to be computed."""
        return frozenset(self._caches) - frozenset(self._parts.get(key, ()))

    def put(self, keys: list[bytes], rows: NDArray[np.float32]) -> None:
        """Complete ``rows`` in place with the known parts; store the others."""
        new: dict[str, tuple[list[bytes], list[NDArray[np.float32]]]]
        new = {name: ([], []) for name in self._caches}
        for key, row in zip(keys, rows, strict=True):
            known = self._parts.pop(key, {})
            for name, part in self._slices.items():
                if name in known:
                    row[part] = known[name]
                else:
                    new[name][0].append(key)
                    new[name][1].append(row[part])
        for name, (block_keys, block_rows) in new.items():
            if block_keys:
                self._caches[name].put(block_keys, np.stack(block_rows))

    def __enter__(self) -> "BlockCache":
        return self

    def __exit__(self, *exc_info: object) -> None:
        self.close()

    def close(self) -> None:
        for cache in self._caches.values():
            cache.close()
