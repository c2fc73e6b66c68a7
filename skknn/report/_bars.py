"""Shares of 1 as bars: SVG, so that they are printed too."""

from typing import Any

from ._text import is_missing

_WIDTH, _HEIGHT = 100, 10


def bar(share: Any, kind: str) -> str:
    """A bar of a share; its number stands beside it, so it is hidden from readers.

    Parameters
    ----------
    share : float in [0, 1], or missing
    kind : str
        Class of the style sheet that gives the colour.
    """
    return _svg(_filled(share, kind))


def bar_with_interval(share: Any, low: Any, high: Any, kind: str) -> str:
    """A bar with a line from ``low`` to ``high``."""
    return _svg(_filled(share, kind) + _interval(low, high))


def scale(share: Any, low: Any, high: Any, baseline: Any) -> str:
    """A scale from 0 to 1 with a value, its interval and what guessing gives."""
    guessed = f'<path class="baseline" d="M{_at(baseline)} 0v{_HEIGHT}"/>'
    return _svg(_filled(share, "value") + guessed + _interval(low, high))


def _filled(share: Any, kind: str) -> str:
    return f'<rect class="{kind}" width="{_at(share)}" height="{_HEIGHT}"/>'


def _interval(low: Any, high: Any) -> str:
    return (
        f'<path class="interval" d="M{_at(low)} {_HEIGHT / 2:g}H{_at(high)}'
        f'M{_at(low)} 2v6M{_at(high)} 2v6"/>'
    )


def _svg(drawing: str) -> str:
    return (
        f'<svg class="bar" viewBox="0 0 {_WIDTH} {_HEIGHT}" preserveAspectRatio="none" '
        f'aria-hidden="true" focusable="false"><rect class="ground" width="{_WIDTH}" '
        f'height="{_HEIGHT}"/>{drawing}</svg>'
    )


def _at(share: Any) -> str:
    """Place on the scale of what may be missing or, by rounding, outside of it."""
    if is_missing(share):
        return "0"
    return f"{_WIDTH * min(max(float(share), 0.0), 1.0):.4g}"
