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

from ..utils._out_of_memory import is_out_of_memory, release_memory
from ._transfer import Download

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
    passes: list[list[int]] = []
    for i in order:
        last = passes[-1] if passes else []
        fits = (len(last) + 1) * lengths[last[0]] <= n_tokens if last else False
        if fits and (n_items is None or len(last) < n_items):
            last.append(i)
        else:
            passes.append([i])
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
