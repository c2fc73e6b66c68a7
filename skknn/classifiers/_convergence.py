"""Take convergence warnings of a solver out of the stream of warnings, in any thread.

``warnings.catch_warnings`` swaps filters and output of the whole process: when fits in
two threads leave it in another order than they came, warnings are lost for good. Here
one hook serves all threads. It keeps what it is asked to keep in the thread that asked
and passes on everything else, so it does no harm even where someone else's
``catch_warnings`` puts it back after we took it away.
"""

import re
import threading
import warnings
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Any

from sklearn.exceptions import ConvergenceWarning

from ..utils._locks import ForkSafeLock, in_forks
from ..utils._warn import warn

# A filter that no one else has, so that it can be told from theirs and removed.
_PATTERN = r"(?s).*"
_FILTER = ("always", re.compile(_PATTERN, re.IGNORECASE), ConvergenceWarning, None, 0)


class _Hook:
    """The output of warnings while solvers run in some thread."""

    def __init__(self) -> None:
        self._lock = ForkSafeLock()
        in_forks(self._leave_to_parent)
        self._n_inside = 0
        self._of_thread = threading.local()
        self._show_next: Any = warnings.showwarning
        self._show_here: Any = self._show

    @contextmanager
    def collect(self) -> Iterator[list[str]]:
        outer = getattr(self._of_thread, "failures", None)
        depth = getattr(self._of_thread, "depth", 0)
        failures: list[str] = []
        self._install()
        self._of_thread.failures, self._of_thread.depth = failures, depth + 1
        try:
            yield failures
        finally:
            self._of_thread.failures, self._of_thread.depth = outer, depth
            self._remove()

    def _install(self) -> None:
        with self._lock.held:
            self._n_inside += 1
            if warnings.showwarning is not self._show_here:
                self._show_next = warnings.showwarning
                warnings.showwarning = self._show_here
            if _FILTER not in warnings.filters:
                warnings.filterwarnings("always", _PATTERN, ConvergenceWarning)

    def _remove(self) -> None:
        with self._lock.held:
            self._n_inside = max(0, self._n_inside - 1)
            if self._n_inside:
                return
            if warnings.showwarning is self._show_here:
                warnings.showwarning = self._show_next
            if _FILTER in warnings.filters:
                warnings.filters.remove(_FILTER)  # type: ignore[attr-defined]

    def _leave_to_parent(self) -> None:
        """Take the hook away in a fork, if those that need it are not there."""
        depth = getattr(self._of_thread, "depth", 0)  # of the thread that forked
        if self._n_inside > depth:
            self._n_inside = depth + 1
            self._remove()

    def _show(self, message: Any, category: type[Warning], *place: Any) -> None:
        failures = getattr(self._of_thread, "failures", None)
        if failures is not None and issubclass(category, ConvergenceWarning):
            failures.append(str(message).strip().splitlines()[0].rstrip(":."))
        else:
            self._show_next(message, category, *place)


_HOOK = _Hook()


def convergence_failures() -> AbstractContextManager[list[str]]:
    """Collect the first line of each ConvergenceWarning of this thread.

    Other warnings, and those of other threads, are shown as ever.

    Returns
    -------
    context manager
        Of a list of str, which grows as warnings come.
    """
    return _HOOK.collect()


def warn_not_converged(
    classifier: Any, base: Any, failures: list[str], remedy: str
) -> None:
    """Report from ``fit``, once, that its solver stopped too early.

    Parameters
    ----------
    classifier : classifier of this package
    base : classifier
    failures : list of str
        From :func:`convergence_failures`; nothing is reported where it is empty.
    remedy : str
    """
    if failures:
        warn(
            f"{type(classifier).__name__}: {base!r} stopped before it converged "
            f"({failures[0]}). {remedy}",
            ConvergenceWarning,
        )
