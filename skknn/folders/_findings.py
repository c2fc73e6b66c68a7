"""What is known of a folder of photos, as plain fields."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from numpy.typing import NDArray

if TYPE_CHECKING:
    from sklearn.pipeline import Pipeline


@dataclass(frozen=True, eq=False, repr=False)
class Findings:
    """The fields of a FolderAnswer, which says what they are."""

    folder: str
    settings: dict[str, Any]
    classes: NDArray[Any]
    training: Any
    evaluation: dict[str, Any]
    per_class: Any
    confusion: Any
    predictions: Any
    suspect_labels: Any
    duplicates: Any
    outliers: Any
    class_overlap: Any
    skipped: Any
    pipeline: "Pipeline"
    audit: Any
