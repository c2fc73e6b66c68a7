"""Wrong labels and copies among the photos of class folders, without a model."""

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from ..datasets._folder_names import UNLABELLED
from ._audit import audit_labels, judged_labels
from ._contents import look_into
from ._features import make_embedder
from ._frames import check_pandas, data_frame
from ._groups import Groups, groups_of
from ._labelled_rows import embed_contents
from ._output import check_can_write, check_output_folder
from ._say import Say
from ._written import check_no_answer, csv_writer, write_together

_AUDITED = ("suspect_labels", "duplicates", "outliers", "class_overlap")
_NAMES = (*_AUDITED, "labels", "skipped")


def audit_folder(
    folder: str | os.PathLike,
    *,
    output: str | os.PathLike | None = None,
    fungi: bool = False,
    backbone: Any = "tf_efficientnet_lite0",
    weights: Any = "auto",
    unlabelled: Sequence[str] = UNLABELLED,
    groups: Groups = None,
    device: Any = None,
    n_jobs: int | None = None,
    random_state: int = 0,
    verbose: int = 1,
) -> dict[str, Any]:
    """Look for wrong labels, near-duplicates, outliers and classes that overlap.

    Parameters
    ----------
    folder : str or Path
        The folder of class folders.
    output : str or Path, default=None
        Folder for the tables, one CSV file each, and features; None writes nothing.
    fungi, backbone, weights, unlabelled, groups : object
        As in :func:`skknn.classify_folder`.
    device, n_jobs, random_state, verbose : object
        As in :func:`skknn.classify_folder`.

    Returns
    -------
    dict of str -> DataFrame
        ``suspect_labels``, ``duplicates``, ``outliers`` and ``class_overlap`` as in
        :class:`skknn.inspection.LabelAudit`; ``labels`` [file, label, suggested,
        label_quality], all labelled photos with the probability of their label to all
        others, the lowest first; and ``skipped`` [file, reason].

    Raises
    ------
    FileNotFoundError, NotADirectoryError, PermissionError, ValueError, ImportError
        As in :func:`skknn.classify_folder`.
    FileExistsError
        If ``output`` holds an answer of it, or files of others with these names.

    Examples
    --------
    >>> import tempfile
    >>> from pathlib import Path
    >>> import numpy as np
    >>> from PIL import Image
    >>> from skknn.folders import audit_folder
    >>> folder, rng = Path(tempfile.mkdtemp()), np.random.default_rng(0)
    >>> for i in range(8):
    ...     place = folder / ("dark" if i % 2 else "light")
    ...     place.mkdir(exist_ok=True)
    ...     pixels = rng.integers(0, 99, (32, 32, 3)) + (0 if i % 2 else 150)
    ...     Image.fromarray(pixels.astype("uint8")).save(place / f"{i}.png")
    >>> found = audit_folder(folder, backbone="test_resnet", weights=None, verbose=0)
    >>> sorted(found)
    ['class_overlap', 'duplicates', 'labels', 'outliers', 'skipped', 'suspect_labels']
    """
    check_pandas()
    say = Say(verbose)
    contents = look_into(folder, unlabelled=unlabelled, output=output)
    if output is not None:
        check_output_folder(output, [f"{name}.csv" for name in _NAMES])
        check_no_answer(output)
        check_can_write(output)
    embedder = make_embedder(
        backbone,
        weights=weights,
        fungi=fungi,
        device=device,
        memory=None if output is None else Path(output) / "cache",
        n_jobs=n_jobs,
        random_state=random_state,
        verbose=verbose,
    )
    members = groups_of(contents.labelled, groups)
    found = embed_contents(embedder, contents, members, with_waiting=False)
    say("Looking for wrong labels and near-duplicates ...")
    photos = contents.paths(found.files)
    audit = audit_labels(found.rows, found.labels, found.files, found.groups, photos)
    tables = {name: getattr(audit, f"{name}_") for name in _AUDITED}
    tables["labels"] = judged_labels(audit, found.files, found.labels)
    tables["skipped"] = data_frame(found.skipped, columns=["file", "reason"])
    if output is not None:
        writers = {f"{name}.csv": csv_writer(table) for name, table in tables.items()}
        write_together(output, writers)
        say(f"Written: {str(output)!r}.")
    return tables
