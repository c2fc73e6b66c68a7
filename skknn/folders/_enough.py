"""How much has to be there to learn from some and to test with others."""

from collections import Counter
from typing import Any

#: Rows, or groups of them, of each of two classes: one is held out, of the others one
#: in turn.
LEAST = 3


def is_enough(counts: "Counter[Any]") -> bool:
    """Tell whether two classes have at least three."""
    return sum(n >= LEAST for n in counts.values()) >= 2


def listed_counts(counts: "Counter[Any]") -> str:
    """Name the first classes with what they have: "'cat' (2), 'dog' (1)"."""
    return ", ".join(f"{name!r} ({n})" for name, n in sorted(counts.items())[:10])
