"""Slices of rows, by number of workers or by size, and of columns."""

from collections.abc import Mapping
from itertools import accumulate

# Bytes of rows handled at a time: bounds the temporary to a few MB.
_BLOCK_BYTES = 1 << 23


def equal_parts(n: int, count: int, least: int = 1) -> list[slice]:
    """At most ``count`` equal slices of ``range(n)``, of ``least`` where possible."""
    count = max(1, min(count, n // least))
    size = max(1, -(-n // count))
    return [slice(start, min(start + size, n)) for start in range(0, n, size)]


def blocks_of(n: int, row_size: int, size: int = _BLOCK_BYTES) -> list[slice]:
    """Slices of ``range(n)`` of at most ``size`` each, of one row at least.

    Sizes are bytes, as by default, or entries of a table.
    """
    size = max(1, size // max(1, row_size))
    return [slice(start, min(start + size, n)) for start in range(0, n, size)]


def side_by_side(widths: Mapping[str, int]) -> dict[str, slice]:
    """Name -> slice of the columns of blocks that stand beside each other."""
    stops = accumulate(widths.values())
    return {
        name: slice(stop - width, stop)
        for (name, width), stop in zip(widths.items(), stops)
    }
