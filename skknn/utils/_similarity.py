"""What similarities are called in texts."""

from typing import Any

#: Least similarity of photos that texts call nearly the same. Below it pairs are only
#: very similar: on photo sets these were often different things in one place.
NEARLY_SAME = 0.9


def are_nearly_same(duplicates: Any) -> Any:
    """Which pairs of a table of duplicates are nearly the same, by rows or pictures."""
    near = duplicates["similarity"] >= NEARLY_SAME
    return near | duplicates["same_picture"] if "same_picture" in duplicates else near
