"""The k largest scores of each row: numpy's and torch's form of one idea.

The k largest elements lie in the k groups with the largest maxima, so only those
groups are looked at again: five times faster than partitioning whole rows. Element j
belongs to group ``j % n_groups``; maxima are then of whole rows of memory.
"""

import math
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    import torch

#: Groups hold a power of two of elements, at most this many.
LARGEST_GROUP = 256


def top_columns(scores: NDArray, k: int) -> NDArray[np.intp]:
    """Columns of the k largest of each row; scores of int16 are bits of bfloat16."""
    n_rows, n_columns = scores.shape
    size = _group_size(n_columns, k)
    if size == 1:
        return _partition(scores, k)
    n_groups = n_columns // size
    body = size * n_groups
    grouped = scores[:, :body].reshape(n_rows, size, n_groups)
    groups = _partition(_maxima(grouped), k)
    columns = groups[:, None, :] + np.arange(size)[:, None] * n_groups
    columns = columns.reshape(n_rows, size * k)
    if body < n_columns:
        tail = np.tile(np.arange(body, n_columns), (n_rows, 1))
        columns = np.concatenate([columns, tail], axis=1)
    # Three times faster than take_along_axis.
    flat = columns + n_columns * np.arange(n_rows)[:, None]
    kept = np.take(scores.reshape(-1), flat, mode="clip")
    return np.take_along_axis(columns, _partition(kept, k), axis=1)


def torch_top_columns(scores: "torch.Tensor", k: int) -> "torch.Tensor":
    """:func:`top_columns` on a device; n_columns is a multiple of LARGEST_GROUP."""
    size = _group_size(scores.shape[1], k)
    grouped = scores.unflatten(1, (size, -1))
    groups = grouped.amax(dim=1).topk(k, dim=1, sorted=False).indices
    if size == 1:
        return groups
    kept = grouped.gather(2, groups[:, None, :].expand(-1, size, -1)).flatten(1)
    best = kept.topk(k, dim=1, sorted=False).indices
    # The group's number, and which of its members.
    n_groups = grouped.shape[2]
    return groups.gather(1, best % k).add_(best // k, alpha=n_groups)


def _group_size(n_columns: int, k: int) -> int:
    """Size of groups with which both looks cost the same; 1 to look at all at once."""
    best = math.sqrt(n_columns / k) / 1.3
    size = min(LARGEST_GROUP, 2 ** round(math.log2(max(1.0, best))))
    return size if size > 2 and n_columns // size > k else 1


def bfloat16_values(bits: NDArray[np.int16]) -> NDArray[np.float32]:
    """The numbers that these bits are."""
    return (bits.astype(np.int32) << 16).view(np.float32)


def _maxima(grouped: NDArray) -> NDArray:
    if grouped.dtype != np.int16:
        return grouped.max(axis=1)
    import torch

    return torch.from_numpy(grouped).view(torch.bfloat16).amax(dim=1).float().numpy()


def _partition(scores: NDArray, k: int) -> NDArray[np.intp]:
    scores = bfloat16_values(scores) if scores.dtype == np.int16 else scores
    left = scores.shape[1] - k
    return np.argpartition(scores, left, axis=1)[:, left:]
