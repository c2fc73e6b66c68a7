"""Wrong labels, near-duplicates and outliers, by skknn.inspection.LabelAudit."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ._frames import data_frame

_N_NEIGHBORS = 20


def audit_labels(
    rows: NDArray[Any],
    labels: NDArray[Any],
    files: Sequence[str],
    groups: NDArray[Any] | None,
    photos: Sequence[str],
) -> Any:
    """Fit a LabelAudit.

    Parameters
    ----------
    rows : ndarray of shape (n, n_features)
        As neighbours are sought among them.
    labels : ndarray of shape (n,)
    files : sequence of str
    groups : ndarray of shape (n,) or None
    photos : sequence of str
        Paths of the files: whether their pictures are the same is asked, too.

    Returns
    -------
    LabelAudit
    """
    from ..inspection import LabelAudit

    audit = LabelAudit(n_neighbors=min(_N_NEIGHBORS, len(rows) - 1))
    return audit.fit(
        rows, labels, groups=groups, files=list(files), images=list(photos)
    )


def judged_labels(audit: Any, files: Sequence[str], labels: NDArray[Any]) -> Any:
    """All labelled photos, those whose label is least probable to the others first.

    Returns
    -------
    DataFrame [file, label, suggested, label_quality]
    """
    frame = data_frame(
        {
            "file": list(files),
            "label": labels,
            "suggested": audit.suggested_labels_,
            "label_quality": audit.label_quality_,
        }
    )
    order = np.argsort(audit.label_quality_, kind="stable")
    return frame.iloc[order].reset_index(drop=True)


def is_suspect(audit: Any) -> NDArray[np.bool_]:
    """Which labelled rows have a label that looks wrong."""
    suspect = np.zeros(len(audit.label_quality_), dtype=bool)
    suspect[audit.suspect_labels_["row"].to_numpy(dtype=np.intp)] = True
    return suspect


def is_unlike(audit: Any, rows: NDArray[Any]) -> NDArray[np.bool_]:
    """Which rows are unlike anything that was labelled."""
    return np.asarray(audit.unlike(rows), dtype=bool)
