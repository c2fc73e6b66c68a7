"""What a long run shows: a bar, and an estimate of the time left."""

import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any


class Progress:
    """Told what happens in a run; this one shows nothing."""

    def began(self) -> None:
        """Work on an item begins."""

    def computed(self, n: int) -> None:
        """``n`` items, not yet delivered, have been computed."""

    def delivered(self, n: int) -> None:
        """``n`` rows are there, computed or from the cache."""


class _Shown(Progress):
    def __init__(self, bar: Any, estimate: "Estimate | None") -> None:
        self._bar, self._estimate = bar, estimate

    def began(self) -> None:
        if self._estimate is not None:
            self._estimate.began()

    def computed(self, n: int) -> None:
        if self._estimate is not None:
            self._estimate.computed(n)

    def delivered(self, n: int) -> None:
        if self._estimate is not None:
            self._estimate.delivered(n)
        self._bar.update(n)


class Estimate(Progress):
    """Print what the items left will take, once enough have been computed.

    Items that come from the cache take no time and do not count.

    Parameters
    ----------
    who : str
        Who says so.
    n : int
        Items of the run.
    unit : str
        What one is called.
    after : int
        How many must have been computed.
    """

    def __init__(self, who: str, n: int, unit: str, after: int) -> None:
        self._who, self._unit = who, unit
        self._left, self._after = n, after
        self._start: float | None = None
        self._computed, self._done = 0, False

    def began(self) -> None:
        if self._start is None:
            self._start = time.perf_counter()

    def computed(self, n: int) -> None:
        self._computed += n
        if self._done or self._start is None or self._computed < self._after:
            return
        self._done = True
        each = (time.perf_counter() - self._start) / self._computed
        left = self._left - n
        if left > 0:
            article = "an" if self._unit[0] in "aeiou" else "a"
            print(
                f"[{self._who}] {each:.2g} s {article} {self._unit}, at most "
                f"{_duration(each * left)} for the {left} left"
            )

    def delivered(self, n: int) -> None:
        self._left -= n


@contextmanager
def show_progress(
    verbose: int, n: int, what: str, unit: str, estimate: Estimate | None = None
) -> Iterator[Progress]:
    """Show a bar, and an estimate if there is one, when ``verbose`` is above 0.

    Parameters
    ----------
    verbose : int
    n : int
        Rows of the run.
    what : str
        Written beside the bar.
    unit : str
        What one item is called.
    estimate : Estimate, optional
    """
    if not verbose:
        yield Progress()
        return
    from tqdm.auto import tqdm

    # Programs without a console, and services, may have no stream to write to.
    nowhere = sys.stderr is None
    with tqdm(total=n, desc=what, unit=unit, disable=nowhere) as bar:
        yield _Shown(bar, estimate)


def _duration(seconds: float) -> str:
    if seconds < 90:
        return f"{seconds:.0f} s"
    if seconds < 5400:
        return f"{seconds / 60:.0f} min"
    return f"{seconds / 3600:.1f} h"
