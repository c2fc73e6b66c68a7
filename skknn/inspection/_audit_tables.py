"""What an audit found, as data frames."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..utils._optional import import_optional
from ._label_quality import LabelQuality
from ._near_duplicates import Pairs

_SHOWN = 5  # voters of a suspect label


@dataclass(frozen=True)
class AuditedRows:
    """Rows as users know them, and who voted for each.

    Attributes
    ----------
    labels : ndarray of shape (n_samples,)
    classes : ndarray of shape (n_classes,)
    codes : ndarray of shape (n_samples,), int
    files : ndarray of shape (n_samples,) or None
    parts : ndarray of shape (n_samples,) or None
    ids : ndarray of shape (n_samples, k), int
        Nearest rows of each.
    shares : ndarray of shape (n_samples, k), float64
        Their shares of the votes.
    """

    labels: NDArray[Any]
    classes: NDArray[Any]
    codes: NDArray[np.intp]
    files: NDArray[Any] | None
    parts: NDArray[Any] | None
    ids: NDArray[np.intp]
    shares: NDArray[np.float64]

    def named(self, column: str, rows: NDArray[np.intp]) -> dict[str, Any]:
        """A column of files, where there are any."""
        return {} if self.files is None else {column: self.files[rows]}


def import_pandas() -> Any:
    """pandas, or an error that says how to get it."""
    return import_optional("pandas", extra="frames", needed_for="LabelAudit")


def suspects_table(rows: AuditedRows, found: LabelQuality) -> Any:
    """Suspect labels, most suspect first."""
    which = np.flatnonzero(found.suspect)
    which = which[np.argsort(found.quality[which], kind="stable")]
    nearest = rows.ids[which, :_SHOWN]
    columns = {
        "row": which,
        **rows.named("file", which),
        "label": rows.labels[which],
        "suggested": rows.classes[found.suggested[which]],
        "label_probability": found.quality[which],
        "suggested_probability": found.suggested_proba[which],
        "nearest_rows": nearest.tolist(),
        "nearest_labels": rows.labels[nearest].tolist(),
        "nearest_shares": rows.shares[which, :_SHOWN].tolist(),
    }
    if rows.files is not None:
        columns["nearest_files"] = rows.files[nearest].tolist()
    return import_pandas().DataFrame(columns)


def duplicates_table(rows: AuditedRows, pairs: Pairs) -> Any:
    """Pairs of rows that are nearly the same, most alike first."""
    a, b = pairs.first, pairs.second
    columns = {
        "row_a": a,
        "row_b": b,
        **rows.named("file_a", a),
        **rows.named("file_b", b),
        "label_a": rows.labels[a],
        "label_b": rows.labels[b],
        "similarity": pairs.similarity,
        "same_picture": pairs.same_picture,
        "same_class": rows.codes[a] == rows.codes[b],
    }
    if rows.parts is not None:
        columns |= {
            "part_a": rows.parts[a],
            "part_b": rows.parts[b],
            "same_part": np.asarray(rows.parts[a] == rows.parts[b], dtype=bool),
        }
    return import_pandas().DataFrame(columns)


def outliers_table(
    rows: AuditedRows, scores: NDArray[np.float64], strange: NDArray[np.bool_]
) -> Any:
    """Rows that are like no other, strangest first."""
    which = np.flatnonzero(strange)
    which = which[np.argsort(-scores[which], kind="stable")]
    nearest = rows.ids[which, 0]
    columns = {
        "row": which,
        **rows.named("file", which),
        "label": rows.labels[which],
        "distance": scores[which],
        "nearest_row": nearest,
        **rows.named("nearest_file", nearest),
        "nearest_label": rows.labels[nearest],
    }
    return import_pandas().DataFrame(columns)


def class_overlap_table(rows: AuditedRows, votes: NDArray[np.float64]) -> Any:
    """What share of the votes about rows of one class goes to another, most first.

    ``votes`` are those about each row without itself, (n_samples, n_classes).
    """
    n_classes = len(rows.classes)
    sums = np.zeros((n_classes, n_classes))
    np.add.at(sums, rows.codes, votes)
    taken = np.zeros((n_classes, n_classes), dtype=np.intp)
    np.add.at(taken, (rows.codes, votes.argmax(axis=1)), 1)
    sizes = np.bincount(rows.codes, minlength=n_classes)
    shares = sums / np.maximum(sizes, 1)[:, None]
    np.fill_diagonal(shares, 0)
    a, b = np.nonzero(shares)
    order = np.argsort(-shares[a, b], kind="stable")
    a, b = a[order], b[order]
    return import_pandas().DataFrame(
        {
            "class_a": rows.classes[a],
            "class_b": rows.classes[b],
            "share": shares[a, b],
            "share_back": shares[b, a],
            "n_rows": sizes[a],
            "n_taken": taken[a, b],
        }
    )
