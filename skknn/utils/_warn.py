"""Warnings that point at the line of the user's code that led to them."""

import sys
import warnings

# What stands between that line and the warning: our code, and what calls it.
_BETWEEN = {
    *("skknn", "sklearn", "joblib", "threadpoolctl", "contextlib", "functools"),
    *("threading", "concurrent", "multiprocessing"),
}


def warn(message: str, category: type[Warning] = UserWarning) -> None:
    """Warn, in the name of the first caller outside this library and scikit-learn.

    In a thread or process that has no such caller, it is the first of all.

    Parameters
    ----------
    message : str
    category : type of Warning, default=UserWarning
    """
    level, frame = 2, sys._getframe(1)
    while frame.f_back is not None and _is_between(frame.f_globals):
        level, frame = level + 1, frame.f_back
    warnings.warn(message, category, stacklevel=level)


def _is_between(names: dict[str, object]) -> bool:
    return str(names.get("__name__")).partition(".")[0] in _BETWEEN
