"""What a report is made of: the fields of an answer, as plain rows."""

from dataclasses import dataclass
from typing import Any

from ._text import is_missing

Rows = list[dict[str, Any]]

_EVALUATION = ("accuracy", "low", "high", "baseline", "n", "protocol")
#: Frame -> columns that a report reads.
COLUMNS = {
    "training": ("file", "label", "predicted", "probability"),
    "per_class": ("class", "n", "precision", "recall", "low", "high"),
    "predictions": (
        "file",
        "label",
        "probability",
        "runner_up",
        "runner_up_probability",
        "nearest_files",
        "nearest_labels",
        "nearest_shares",
        "votes_probability",
        "base_probability",
        "uncertain",
        "unlike",
    ),
    "suspect_labels": (
        "file",
        "label",
        "suggested",
        "label_probability",
        "suggested_probability",
    ),
    "duplicates": ("file_a", "file_b", "label_a", "label_b", "similarity"),
    "outliers": ("file", "label"),
    "class_overlap": ("class_a", "class_b", "share"),
    "skipped": ("file", "reason"),
}
_REMEDY = "Pass what skknn.classify_folder returned, or an object with the same fields."


@dataclass(frozen=True)
class PlainAnswer:
    """An answer without pandas: each frame as a list of rows.

    Attributes
    ----------
    folder : str
        Where the files lie.
    settings : dict
    classes : list
    evaluation : dict
    confusion : list of list of int
        True classes x predicted classes.
    training, per_class, predictions, suspect_labels, duplicates, outliers : list
    class_overlap, skipped : list
        Rows, each a dict from column to value.
    """

    folder: str
    settings: dict[str, Any]
    classes: list[Any]
    evaluation: dict[str, Any]
    confusion: list[list[int]]
    training: Rows
    per_class: Rows
    predictions: Rows
    suspect_labels: Rows
    duplicates: Rows
    outliers: Rows
    class_overlap: Rows
    skipped: Rows


def findings(answer: Any) -> PlainAnswer:
    """Read the fields of an answer.

    Raises
    ------
    TypeError
        If a field or a column is not there.
    """
    evaluation = dict(_field(answer, "evaluation"))
    lacking = [key for key in _EVALUATION if key not in evaluation]
    if lacking:
        raise TypeError(f"answer.evaluation has no {lacking}. {_REMEDY}")
    classes = list(_field(answer, "classes"))
    return PlainAnswer(
        folder=str(_field(answer, "folder")),
        settings=dict(_field(answer, "settings")),
        classes=classes,
        evaluation=evaluation,
        confusion=_counts(_field(answer, "confusion"), len(classes)),
        **{frame: _rows(answer, frame) for frame in COLUMNS},
    )


def _field(answer: Any, field: str) -> Any:
    try:
        return getattr(answer, field)
    except AttributeError:
        raise TypeError(
            f"answer={type(answer).__name__} has no field {field!r}. {_REMEDY}"
        ) from None


def _rows(answer: Any, field: str) -> Rows:
    """Rows of a frame; none where there is no frame, as without new photos."""
    frame = _field(answer, field)
    if frame is None:
        return []
    lacking = [column for column in COLUMNS[field] if column not in frame.columns]
    if lacking and len(frame):
        raise TypeError(
            f"answer.{field} lacks the columns {lacking} and has "
            f"{list(frame.columns)}. {_REMEDY}"
        )
    return frame.to_dict("records")


def _counts(confusion: Any, n_classes: int) -> list[list[int]]:
    if confusion is None:
        return []
    if confusion.shape != (n_classes, n_classes):
        raise TypeError(
            f"answer.confusion has the shape {confusion.shape}, but answer.classes has "
            f"{n_classes} classes. {_REMEDY}"
        )
    return [[int(n) for n in row] for row in confusion.to_numpy()]


def pieces(cell: Any) -> list[Any]:
    """A cell that holds a list, or a list as CSV files have it: ``a; b; c``."""
    if isinstance(cell, str):
        return [part.strip() for part in cell.split(";")] if cell.strip() else []
    if hasattr(cell, "__len__"):
        return list(cell)
    return [] if is_missing(cell) else [cell]
