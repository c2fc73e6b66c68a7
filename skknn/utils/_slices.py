"""Slices of rows: as many as there are workers, or of so large a size."""

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
