"""What an error says when several items of a run cannot be used."""

import time
from concurrent.futures import ThreadPoolExecutor

from ..modalities import BadItemError, ItemSource

# A run that fails says all that is wrong if that can be seen in this many seconds, and
# names so many rows.
_SECONDS, _NAMED = 60, 100


def with_all_bad_items(
    error: BadItemError, items: ItemSource, n_threads: int
) -> BadItemError:
    """Return the error of a run's first bad item, or one that names all of them.

    Parameters
    ----------
    error : BadItemError
        Of the first one.
    items : ItemSource
    n_threads : int
        That read and decode.

    Returns
    -------
    BadItemError
        Of the same class, with the row, file and problem of ``error``.
    """
    until, seen = time.monotonic() + _SECONDS, 0

    def check(row: int) -> BadItemError | bool:
        if time.monotonic() > until:
            return False
        try:
            items.item(row, None)
        except BadItemError as bad:
            return bad
        return True

    reasons = {}
    with ThreadPoolExecutor(n_threads, "skknn-check") as threads:
        for found in threads.map(check, range(len(items))):
            seen += found is not False
            if isinstance(found, BadItemError):
                reasons[found.row] = found.reason
    reasons.setdefault(error.row, error.reason)
    if len(reasons) == 1 and seen == len(items):
        return error
    # The rows of a run may be drawn, and then come in another order than in X.
    ordered = sorted(reasons, key=lambda row: -1 if row is None else row)
    named = [reasons[row] for row in ordered[:_NAMED]]
    more = len(reasons) - len(named)
    looked = "" if seen == len(items) else f" of the first {seen} looked at"
    return type(error)(
        f"{error.argument}: {len(reasons)} rows{looked} cannot be used:\n  "
        + "\n  ".join(named)
        + (f"\n  and {more} more" if more else "")
        + f"\n{error.remedy}",
        row=error.row,
        file=error.file,
        problem=error.problem,
        reason=error.reason,
        remedy=error.remedy,
        argument=error.argument,
    )
