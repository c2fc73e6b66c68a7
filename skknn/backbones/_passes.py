"""Items of different lengths in forward passes: similar ones together.

An item by itself would read all weights for a few tokens; a batch as it comes would
be mostly padding. So the items that the loop hands over are sorted by length and cut
into passes, which run side by side in threads on a CPU, one after another elsewhere.
"""

import math
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from ..utils._heap import trim_heap
from ..utils._out_of_memory import is_out_of_memory, release_memory
from ._transfer import Download

# A pass that pads this share of its tokens costs as much as one pass more: on a CPU, 32
# of 1,024 (benchmarks/text.py).
_PADDING = 1 / 32

Compute = Callable[[list[int]], torch.Tensor]


def by_length(
    lengths: Sequence[int], n_items: int | None, n_tokens: int
) -> list[list[int]]:
    """Cut items into passes, the longest first.

    Parameters
    ----------
    lengths : sequence of int
        Of the items, in tokens.
    n_items : int or None
        Largest number of items in a pass; None is no limit.
    n_tokens : int
        Largest number of tokens in a pass, padding included; one item may have more.

    Returns
    -------
    list of list of int
        Positions in ``lengths``.
    """
    order = sorted(range(len(lengths)), key=lambda i: (-lengths[i], i))
    passes = fill_passes([(1, lengths[i]) for i in order], n_items, n_tokens)
    return [[order[i] for i in each] for each in passes]


def fill_passes(
    sizes: Sequence[tuple[int, int]], n_items: int | None, n_tokens: int
) -> list[range]:
    """Cut items, in their order, into passes.

    A pass ends before it has too many tokens, and where it would pad so many that
    another pass costs less.

    Parameters
    ----------
    sizes : sequence of (int, int)
        Views of each item and tokens of the longest. All items of a pass are padded to
        the most views and the longest.
    n_items, n_tokens
        As in :func:`by_length`.

    Returns
    -------
    list of range
        Positions in ``sizes``.
    """
    passes: list[range] = []
    start = most = longest = tokens = 0
    for i, (n_views, length) in enumerate(sizes):
        most, longest = max(most, n_views), max(longest, length)
        tokens += n_views * length
        n = i + 1 - start
        padded = n * most * longest
        full = padded > n_tokens or (n_items is not None and n > n_items)
        if n > 1 and (full or padded - tokens > _PADDING * n_tokens):
            passes.append(range(start, i))
            start, most, longest, tokens = i, n_views, length, n_views * length
    if sizes:
        passes.append(range(start, len(sizes)))
    return passes


def by_shape(
    shapes: Sequence[tuple[int, ...]], n_items: int | None, n_numbers: int
) -> list[list[int]]:
    """Cut items into passes of one shape each, so that nothing is padded.

    Parameters
    ----------
    shapes : sequence of tuple of int
        Of the items.
    n_items : int or None
        Largest number of items in a pass; None is no limit.
    n_numbers : int
        Largest number of numbers in a pass; one item may have more.

    Returns
    -------
    list of list of int
        Positions in ``shapes``, those of the largest items first.
    """
    alike: dict[tuple[int, ...], list[int]] = {}
    for i, shape in enumerate(shapes):
        alike.setdefault(shape, []).append(i)
    passes: list[list[int]] = []
    for shape in sorted(alike, key=lambda shape: (-math.prod(shape), shape)):
        step = max(1, n_numbers // max(1, math.prod(shape)))
        step = min(step, n_items or step)
        found = alike[shape]
        passes += [found[low : low + step] for low in range(0, len(found), step)]
    return passes


@dataclass(frozen=True)
class LaunchedPasses:
    """Passes under way: positions of their items, and what will be their rows."""

    n: int
    parts: list[tuple[list[int], Any]]

    def wait(self) -> NDArray[np.float32]:
        """Return the rows in the order of the items."""
        rows: NDArray[np.float32] | None = None
        for chosen, part in self.parts:
            found = part.result() if isinstance(part, Future) else part.wait()
            if rows is None:
                rows = np.empty((self.n, found.shape[1]), np.float32)
            rows[chosen] = found
        assert rows is not None
        trim_heap()
        return rows


class PassRunner:
    """Run passes; the threads end with the ``with`` block.

    Parameters
    ----------
    device : torch.device
    n_threads : int
        On a CPU.
    start_thread : callable
        Called once in every thread.
    """

    def __init__(
        self, device: torch.device, n_threads: int, start_thread: Callable[[], None]
    ) -> None:
        self._threads: ThreadPoolExecutor | None = None
        if device.type == "cpu":
            self._threads = ThreadPoolExecutor(n_threads, "skknn-pass", start_thread)

    def __enter__(self) -> "PassRunner":
        return self

    def __exit__(self, *exc_info: object) -> None:
        if self._threads is not None:
            self._threads.shutdown(wait=True, cancel_futures=True)

    def launch(
        self, n: int, passes: list[list[int]], compute: Compute
    ) -> LaunchedPasses:
        """Start to compute the rows of ``n`` items.

        Parameters
        ----------
        n : int
        passes : list of list of int
            Every item is in one of them.
        compute : callable
            Positions of items -> float32 tensor of their rows. Called for halves of a
            pass where memory runs out.

        Returns
        -------
        LaunchedPasses
        """
        parts: list[tuple[list[int], Any]] = []
        for chosen in passes:
            if self._threads is None:
                parts.append((chosen, Download(_in_halves(chosen, compute))))
            else:
                parts.append((chosen, self._threads.submit(_on_host, chosen, compute)))
        return LaunchedPasses(n, parts)


def _on_host(chosen: list[int], compute: Compute) -> NDArray[np.float32]:
    return _in_halves(chosen, compute).numpy()


def _in_halves(chosen: list[int], compute: Compute) -> torch.Tensor:
    """Compute a pass, or its halves where memory runs out."""
    try:
        return compute(chosen)
    except Exception as error:
        if len(chosen) == 1 or not is_out_of_memory(error):
            raise
    release_memory()
    middle = len(chosen) // 2
    halves = (chosen[:middle], chosen[middle:])
    return torch.cat([_in_halves(half, compute) for half in halves])
