"""The easy, medium and hard setups of revisited Oxford and Paris."""

from collections.abc import Mapping, Sequence
from typing import Any

from sklearn.utils import Bunch

from ._average_precision import retrieval_scores

# Lists of the ground truth that are (right, do not count) in a setup.
_SETUPS = {
    "easy": (("easy",), ("junk", "hard")),
    "medium": (("easy", "hard"), ("junk",)),
    "hard": (("hard",), ("junk", "easy")),
}


def revisited_retrieval_scores(
    similarity: Any,
    ground_truth: Sequence[Mapping[str, Any]],
    setups: Sequence[str] = ("easy", "medium", "hard"),
    *,
    at: Sequence[int] = (1, 5, 10),
    kind: str = "auto",
) -> dict[str, Bunch]:
    """Scores by the rules of the revisited Oxford and Paris benchmarks.

    Parameters
    ----------
    similarity : array-like of shape (n_queries, n_database)
        Similarities or rankings; see :func:`retrieval_scores`.
    ground_truth : sequence of n_queries dicts
        Rows of the database under ``"easy"``, ``"hard"`` and ``"junk"``, as the
        benchmark's files have them under ``"gnd"``; other entries are not read.
    setups : sequence of {"easy", "medium", "hard"}
        "easy" looks for easy rows and does not count hard ones; "medium" looks for
        both; "hard" looks for hard rows and does not count easy ones. Junk never
        counts.
    at : sequence of int, default=(1, 5, 10)
        Where precision is taken.
    kind : {"auto", "similarity", "ranks"}, default="auto"

    Returns
    -------
    dict setup -> Bunch
        As :func:`retrieval_scores` gives it.

    Raises
    ------
    ValueError
        If a setup is unknown or a query lacks one of the lists.

    Notes
    -----
    The benchmark crops queries to their boxes (``"bbx"``) and takes query images out
    of the database; what is in ``similarity`` is up to the caller.

    References
    ----------
    F. Radenović, A. Iscen, G. Tolias, Y. Avrithis, O. Chum, "Revisiting Oxford and
    Paris: Large-Scale Image Retrieval Benchmarking", CVPR 2018,
    https://arxiv.org/abs/1803.11285.

    Examples
    --------
    >>> from skknn.metrics import revisited_retrieval_scores
    >>> truth = [{"easy": [0], "hard": [2], "junk": [3]}]
    >>> scores = revisited_retrieval_scores([[3, 0, 4, 1, 2, 5]], truth)
    >>> {name: round(s.mean_average_precision, 3) for name, s in scores.items()}
    {'easy': 1.0, 'medium': 0.708, 'hard': 0.167}
    """
    unknown = [name for name in setups if name not in _SETUPS]
    if unknown:
        raise ValueError(
            f"setups={tuple(setups)!r}: {unknown[0]!r} is none of "
            f"{', '.join(map(repr, _SETUPS))}."
        )
    for query, lists in enumerate(ground_truth):
        missing = [name for name in ("easy", "hard", "junk") if name not in lists]
        if missing:
            raise ValueError(
                f"ground_truth[{query}] has no {missing[0]!r}: each query needs "
                "'easy', 'hard' and 'junk', lists of row numbers, perhaps empty."
            )
    scores = {}
    for name in setups:
        right, unread = (
            [sum((list(lists[part]) for part in parts), []) for lists in ground_truth]
            for parts in _SETUPS[name]
        )
        scores[name] = retrieval_scores(similarity, right, unread, at=at, kind=kind)
    return scores
