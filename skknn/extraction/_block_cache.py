"""The row cache of several blocks: each block of a row is stored by itself."""

import numpy as np

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
    """

    def __init__(self, folder, settings, slices):
        self.slices = slices
        self.caches = {name: RowCache(folder, settings[name]) for name in slices}
        self._parts = {}

    def get(self, keys):
        """Return complete rows; parts of others are kept for :meth:`missing`."""
        found = {name: cache.get(keys) for name, cache in self.caches.items()}
        rows = {}
        for key in dict.fromkeys(keys):
            parts = {name: part[key] for name, part in found.items() if key in part}
            if len(parts) == len(self.caches):
                rows[key] = np.concatenate([parts[name] for name in self.slices])
            else:
                self._parts[key] = parts
        return rows

    def missing(self, key):
        """Return the names of the blocks of a row that have to be computed."""
        return set(self.caches) - set(self._parts.get(key, ()))

    def put(self, keys, rows):
        """Complete ``rows`` in place with the known parts; store the others."""
        new = {name: ([], []) for name in self.caches}
        for key, row in zip(keys, rows, strict=True):
            known = self._parts.pop(key, {})
            for name, part in self.slices.items():
                if name in known:
                    row[part] = known[name]
                else:
                    new[name][0].append(key)
                    new[name][1].append(row[part])
        for name, (block_keys, block_rows) in new.items():
            if block_keys:
                self.caches[name].put(block_keys, block_rows)

    def __enter__(self):
        return self

    def __exit__(self, *exc_info):
        self.close()

    def close(self):
        for cache in self.caches.values():
            cache.close()
