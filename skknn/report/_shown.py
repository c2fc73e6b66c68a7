"""What of an answer a page shows: the first rows of each part, and their photos."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from ._answer import PlainAnswer, Rows, pieces
from ._pictures import LARGE, SMALL, Wanted
from ._text import is_missing

#: Photos that voted, beside each photo that is predicted or suspected.
N_VOTERS = 5


@dataclass(frozen=True)
class Shown:
    """Rows that a page shows, in its order, and how many there are.

    Attributes
    ----------
    found : PlainAnswer
        Everything.
    suspects, duplicates, uncertain, certain, outliers, skipped : list of dict
        What is shown of each.
    """

    found: PlainAnswer
    suspects: Rows
    duplicates: Rows
    uncertain: Rows
    certain: Rows
    outliers: Rows
    skipped: Rows


def choose(found: PlainAnswer, max_rows: int) -> Shown:
    """Take at most ``max_rows`` of each part, the most interesting first."""
    unsure = sorted(filter(is_unsure, found.predictions), key=_probability)
    sure = sorted(
        (row for row in found.predictions if not is_unsure(row)), key=_probability
    )
    between = [row for row in found.duplicates if labels_differ(row)]
    within = [row for row in found.duplicates if not labels_differ(row)]
    return Shown(
        found=found,
        suspects=found.suspect_labels[:max_rows],
        duplicates=[*between, *within][:max_rows],
        uncertain=unsure[:max_rows],
        certain=sure[: max(max_rows - len(unsure), 0)],
        outliers=found.outliers[:max_rows],
        skipped=found.skipped[:max_rows],
    )


def wanted_pictures(shown: Shown) -> Iterator[Wanted]:
    """Files and sizes, once for each time that they are shown, in order."""
    for row in shown.suspects:
        yield row["file"], LARGE
    for row in shown.duplicates:
        yield row["file_a"], LARGE
        yield row["file_b"], LARGE
    predictions = [*shown.uncertain, *shown.certain]
    for row in [*predictions, *shown.outliers]:
        yield row["file"], LARGE
    for row in [*predictions, *shown.suspects]:
        for file, _, _ in voters(row):
            yield file, SMALL


def voters(row: dict[str, Any]) -> list[tuple[str, Any, float | None]]:
    """File, label and share of the training photos that voted most."""
    files = [str(file) for file in pieces(row.get("nearest_files"))]
    labels = pieces(row.get("nearest_labels")) or [None] * len(files)
    shares = pieces(row.get("nearest_shares")) or [None] * len(files)
    every = [
        (file, label, None if share is None else float(share))
        for file, label, share in zip(files, labels, shares)
    ]
    return sorted(every, key=lambda v: -(v[2] or 0.0))[:N_VOTERS]


def labels_differ(pair: dict[str, Any]) -> bool:
    """Tell whether two photos have different labels; one may have none."""
    a, b = pair["label_a"], pair["label_b"]
    return not is_missing(a) and not is_missing(b) and bool(a != b)


def is_unsure(row: dict[str, Any]) -> bool:
    return bool(row["uncertain"]) or bool(row["unlike"])


def _probability(row: dict[str, Any]) -> float:
    return float(row["probability"])
