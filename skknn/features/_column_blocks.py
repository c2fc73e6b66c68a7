"""Which columns belong together: blocks named by the user, or found."""

import re
from collections.abc import Mapping, Sequence
from numbers import Integral
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..gradients._state import EMBEDDING
from ..utils._slices import blocks_of, side_by_side

# How far the squared length of a block of unit rows may be from 1: rows that were
# stored in half precision still count.
_TOLERANCE = 2e-3

Columns = dict[str, NDArray[np.intp]]


def named_blocks(blocks: Any, n_features: int) -> Columns:
    """Columns of the blocks that a user describes.

    Parameters
    ----------
    blocks : mapping name -> slice or column numbers, int, or sequence of int
        A number of equal blocks, or the widths of all.
    n_features : int

    Returns
    -------
    dict name -> ndarray of column numbers

    Raises
    ------
    ValueError, TypeError
        If they do not fit ``n_features`` columns.
    """
    if isinstance(blocks, Mapping):
        found = {str(n): _columns(n, c, n_features) for n, c in blocks.items()}
        if not found:
            raise ValueError(
                "blocks={} names no block. Pass a name and a slice of each, such as "
                "FungiTransformer's feature_slices_."
            )
        if len(found) < len(blocks):
            raise ValueError(
                f"blocks={blocks!r}: names that read alike, as 1 and '1', are one. "
                "Give each block a name of its own."
            )
        every = np.concatenate(list(found.values()))
        if len(np.unique(every)) < len(every):
            raise ValueError(
                f"blocks={blocks!r} share columns. Each column may be in one block."
            )
        return found
    if isinstance(blocks, Integral) and not isinstance(blocks, bool):
        count: int = int(blocks)
        if count < 1 or n_features % count:
            raise ValueError(
                f"blocks={blocks!r}: X has {n_features} columns, which are not so many "
                "blocks of equal width. Pass their widths, or a dict name -> slice."
            )
        widths = [n_features // count] * count
    elif isinstance(blocks, Sequence) or isinstance(blocks, np.ndarray):
        whole = all(isinstance(w, Integral) and int(w) > 0 for w in blocks)
        if not whole or not len(blocks) or sum(blocks) != n_features:
            raise ValueError(
                f"blocks={blocks!r} are no widths of blocks of X, which has "
                f"{n_features} columns: whole numbers above 0 that sum to that."
            )
        widths = [int(w) for w in blocks]
    else:
        raise TypeError(
            f"blocks={blocks!r} must be 'auto', a dict name -> slice or column "
            "numbers, the widths of the blocks, or a number of equal blocks."
        )
    return _numbered_blocks(widths)


def blocks_of_names(names: Sequence[str]) -> Columns | None:
    """Blocks by the names of columns; None where names tell of no blocks.

    Columns "kl0", "kl1", ..., "embedding0", ... are numbered within their block, as
    scikit-learn's and this package's transformers do ("block1_0" behind a digit); else
    what stands before "__" in every name counts, which is how ``FeatureUnion`` and
    ``ColumnTransformer`` say where a column is from. Numbered blocks are called by
    these steps ("embedding__pca0", "kl__pca0", ... are "embedding" and "kl"), as far as
    steps tell them apart ("vit__kl0", "vit__dino0", ... are not).

    Parameters
    ----------
    names : sequence of str
    """
    found: dict[str, list[int]] = {}
    at = 0
    while at < len(names):
        block = names[at][:-1]
        if not names[at].endswith("0") or not block or block in found:
            break
        start = at
        while at < len(names) and names[at] == f"{block}{at - start}":
            at += 1
        found[block] = list(range(start, at))
    else:
        blocks = [re.sub("(?<=[0-9])_$", "", block) for block in found]
        if len(set(blocks)) < len(blocks):
            blocks = list(found)
        blocks = _steps_of(blocks)
        return {
            name: np.array(columns, np.intp)
            for name, columns in zip(blocks, found.values())
        }
    if not all("__" in name for name in names):
        return None
    found = {}
    for column, name in enumerate(names):
        found.setdefault(name.split("__", 1)[0], []).append(column)
    return {name: np.array(columns, np.intp) for name, columns in found.items()}


def blocks_of_unit_rows(X: NDArray) -> Columns | None:
    """Blocks by length: neighbouring columns in which every row has length 1.

    So are the blocks of :class:`~skknn.FungiTransformer`, and what stands behind
    scikit-learn's ``Normalizer`` in a ``FeatureUnion``. A block may be zero in some
    rows, at most in a tenth. Columns of zeros between two blocks belong to the latter.

    Parameters
    ----------
    X : ndarray of shape (n_samples, n_features)

    Returns
    -------
    dict name -> ndarray of column numbers, or None
        None where there are no such blocks.
    """
    n, width = X.shape
    cuts = np.ones(width, dtype=bool)
    for part in blocks_of(n, 16 * width):
        lengths = np.cumsum(np.square(X[part], dtype=np.float64), axis=1)
        n_blocks = np.round(lengths)
        cuts &= (np.abs(lengths - n_blocks) <= _TOLERANCE * n_blocks).all(axis=0)
        if not cuts.any():
            return None
    if not cuts[-1]:
        return None
    # Columns of zeros behind a block give many places to cut at: the first is taken.
    kept: list[int] = []
    for column in np.flatnonzero(cuts).tolist():
        first = kept[-1] + 1 if kept else 0
        block = X[:, first : column + 1]
        lengths = np.einsum("ij,ij->i", block, block, dtype=np.float64)
        if (lengths < 0.5).mean() > 0.1:
            continue  # hardly anything in it yet
        if lengths.max() > 1 + 10 * _TOLERANCE:
            return None
        kept.append(column)
    if len(kept) < 2:
        return None
    kept[-1] = width - 1
    return _numbered_blocks(np.diff([-1, *kept]).tolist())


def as_slices(columns: Columns) -> dict[str, slice]:
    """Slices of blocks that are put beside each other."""
    return side_by_side({name: len(part) for name, part in columns.items()})


def first_block(names: Sequence[str]) -> str:
    """Name of the block that a search starts from: the embedding, else the last."""
    paths = [name.split("__") for name in names]
    for name, path in zip(names, paths):
        if path[-1] == EMBEDDING:
            return name
    # Or parts of what a step "embedding" made ("embedding__mean", "embedding__std").
    for name, path in zip(names, paths):
        if EMBEDDING in path:
            return name
    return names[-1]


def _steps_of(names: list[str]) -> list[str]:
    """Shorten names of blocks to the steps, before "__", that no other block shares.

    A step or block called "embedding" is kept, since the search starts from it.
    """
    paths = [name.split("__") for name in names]
    short = []
    for path in paths:
        depth = 1
        while sum(other[:depth] == path[:depth] for other in paths) > 1:
            depth += 1
        if EMBEDDING in path:
            depth = max(depth, path.index(EMBEDDING) + 1)
        short.append("__".join(path[:depth]))
    return short


def _numbered_blocks(widths: list[int]) -> Columns:
    slices = side_by_side({f"block{i}": width for i, width in enumerate(widths)})
    return {name: np.arange(part.start, part.stop) for name, part in slices.items()}


def _columns(name: Any, columns: Any, n_features: int) -> NDArray[np.intp]:
    everything = np.arange(n_features)
    try:
        found = everything[columns]
        if isinstance(columns, slice):
            inside = columns.stop is None or columns.stop <= n_features
        else:
            inside = True
    except (IndexError, TypeError, ValueError):
        inside = False
    if not inside or np.ndim(found) != 1 or not len(found):
        raise ValueError(
            f"blocks: {name!r} is {columns!r}, which names no columns of X, which has "
            f"{n_features}. Pass a slice or column numbers; FungiTransformer's "
            "feature_slices_ describe its rows with n_components=None."
        )
    return found
