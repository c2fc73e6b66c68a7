"""Rows of the photos of a folder, without what cannot be read or learnt."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ._contents import FolderContents
from ._enough import LEAST, is_enough, listed_counts
from ._features import fit_embedder, rows_of

#: Why a photo that can be read is left out.
SINGLE = "the only photo of its class: one can be learnt or tested, not both"


@dataclass(frozen=True, eq=False)
class FolderRows:
    """Features of what can be learnt from and of what is to be predicted.

    Attributes
    ----------
    files : list of str
        Labelled photos.
    labels : ndarray of shape (n,), of str
    groups : ndarray of shape (n,), of str, or None
        Which of them belong together.
    rows : ndarray of shape (n, n_features)
    waiting : list of str
        Photos to predict.
    waiting_rows : ndarray of shape (n_waiting, n_features)
    skipped : list of (str, str)
        Files and folders that were left out, with the reason, sorted.
    """

    files: list[str]
    labels: NDArray[Any]
    groups: NDArray[Any] | None
    rows: NDArray[np.float32]
    waiting: list[str]
    waiting_rows: NDArray[np.float32]
    skipped: list[tuple[str, str]]


def embed_contents(
    embedder: Any,
    contents: FolderContents,
    groups: NDArray[Any] | None,
    *,
    with_waiting: bool = True,
) -> FolderRows:
    """Fit an embedder on the labelled photos and embed all photos of a folder.

    Parameters
    ----------
    embedder : BackboneEmbedder or FungiTransformer
        Becomes fitted.
    contents : FolderContents
    groups : ndarray or None
        Group of each labelled photo.
    with_waiting : bool
        Whether photos to predict are wanted.

    Returns
    -------
    FolderRows

    Raises
    ------
    ValueError
        If there are not two classes of three photos that can be read.
    """
    check_enough(contents.labels, contents)
    labelled, waiting = list(contents.labelled), list(contents.waiting)
    waiting = waiting if with_waiting else []
    fit_embedder(embedder, contents.paths(labelled))
    found = rows_of(embedder, contents.paths(labelled + waiting))
    files = labelled + waiting
    skipped = [*contents.skipped, *((files[i], why) for i, why in found.bad.items())]
    good = [i for i in range(len(labelled)) if i not in found.bad]
    counts = Counter(contents.labels[i] for i in good)
    single = [i for i in good if counts[contents.labels[i]] == 1]
    skipped += [(files[i], SINGLE) for i in single]
    good = [i for i in good if counts[contents.labels[i]] > 1]
    check_enough([contents.labels[i] for i in good], contents, skipped)
    later = [i for i in range(len(labelled), len(files)) if i not in found.bad]
    return FolderRows(
        files=[files[i] for i in good],
        labels=np.array([contents.labels[i] for i in good]),
        groups=None if groups is None else groups[good],
        rows=found.values[good],
        waiting=[files[i] for i in later],
        waiting_rows=found.values[later],
        skipped=sorted(skipped),
    )


def check_enough(
    labels: Any,
    contents: FolderContents,
    skipped: Sequence[tuple[str, str]] = (),
) -> None:
    """Refuse a folder from which nothing can be learnt."""
    counts = Counter(labels)
    if is_enough(counts):
        return
    there = listed_counts(counts) or "none"
    left_out = "".join(f" {file!r} was skipped: {why}." for file, why in skipped[-1:])
    raise ValueError(
        f"folder={str(contents.root)!r} needs at least two class folders with "
        f"{LEAST} photos that can be read; found "
        f"{there}.{left_out} Put the photos of each class into a sub-folder "
        "named after it: folder/cat/1.jpg, folder/dog/1.jpg. Folders of "
        "unlabelled photos and hidden ones are no classes."
    )
