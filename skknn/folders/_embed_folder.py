"""Features of all photos below a folder, as a file."""

import os
import zipfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..datasets._folder_names import checked_root
from ..utils._optional import import_optional
from ..utils._write_at_once import write_at_once
from ._contents import files_of_photos
from ._features import fit_embedder, make_embedder, rows_of
from ._frames import check_pandas, data_frame
from ._output import check_output_file

_PARQUET = "A .parquet file"


@dataclass(frozen=True, eq=False)
class FolderFeatures:
    """Features of photos.

    Parameters
    ----------
    files : list of str
        Relative to the folder.
    labels : list of str
        Name of the folder, inside the given one, that a photo lies in; "" if none.
    features : ndarray of shape (n, n_features), float32
    names : list of str
        Of the features.
    skipped : list of (str, str)
        Files that were left out, with the reason.

    Examples
    --------
    >>> import numpy as np
    >>> from skknn.folders import FolderFeatures
    >>> rows = np.zeros((1, 2), dtype="float32")
    >>> FolderFeatures(["cat/1.jpg"], ["cat"], rows, ["a0", "a1"], []).labels
    ['cat']
    """

    files: list[str]
    labels: list[str]
    features: NDArray[np.float32]
    names: list[str]
    skipped: list[tuple[str, str]]


def embed_folder(
    folder: str | os.PathLike,
    output: str | os.PathLike | None = None,
    *,
    fungi: bool = False,
    backbone: Any = "tf_efficientnet_lite0",
    weights: Any = "auto",
    memory: str | os.PathLike | None = None,
    device: Any = None,
    n_jobs: int | None = None,
    random_state: int = 0,
    verbose: int = 1,
) -> FolderFeatures:
    """Compute features of all photos below a folder.

    Parameters
    ----------
    folder : str or Path
        Photos at any depth are taken.
    output : str or Path, default=None
        A file to write: ``.npz`` with the arrays ``files``, ``labels``, ``features``
        and ``names``, or ``.parquet`` (needs pyarrow), a table with the columns
        ``file``, ``label`` and one a feature. It appears at the end.
    fungi, backbone, weights, device, n_jobs, random_state, verbose : object
        As in :func:`skknn.classify_folder`.
    memory : str or Path, default=None
        Folder in which rows are kept, so that a run that was killed goes on.

    Returns
    -------
    FolderFeatures

    Raises
    ------
    ValueError
        If the file is of another kind, or no photo can be read.
    FileNotFoundError, NotADirectoryError
        If there is no such folder.

    Examples
    --------
    >>> import tempfile
    >>> from pathlib import Path
    >>> from PIL import Image
    >>> from skknn.folders import embed_folder
    >>> folder = Path(tempfile.mkdtemp())
    >>> (folder / "cat").mkdir()
    >>> Image.new("RGB", (8, 8)).save(folder / "cat" / "1.png")
    >>> found = embed_folder(folder, backbone="test_resnet", weights=None, verbose=0)
    >>> found.files, found.features.shape
    (['cat/1.png'], (1, 96))
    """
    root = checked_root(folder, "folder")
    write = None if output is None else _writer(output)
    skipped: dict[str, str] = {}
    paths = [str(path) for path in files_of_photos(root, "folder", skipped)]
    files = [Path(path).relative_to(root).as_posix() for path in paths]
    if not paths:
        raise ValueError(
            f"folder={str(folder)!r} holds no photos at any depth ({len(skipped)} "
            "other files)."
        )
    embedder = make_embedder(
        backbone,
        weights=weights,
        fungi=fungi,
        device=device,
        memory=memory,
        n_jobs=n_jobs,
        random_state=random_state,
        verbose=verbose,
    )
    fit_embedder(embedder, paths)
    rows = rows_of(embedder, paths)
    skipped |= {files[i]: reason for i, reason in rows.bad.items()}
    good = [i for i in range(len(files)) if i not in rows.bad]
    if not good:
        raise ValueError(
            f"folder={str(folder)!r}: none of the {len(files)} photos can be read. The "
            f"first: {files[0]}: {rows.bad[0]}."
        )
    found = FolderFeatures(
        files=[files[i] for i in good],
        labels=[files[i].partition("/")[0] if "/" in files[i] else "" for i in good],
        features=rows.values[good],
        names=[str(name) for name in embedder.get_feature_names_out()],
        skipped=sorted(skipped.items()),
    )
    if write is not None and output is not None:
        write_at_once(output, lambda beside: write(found, beside))
    return found


def _writer(output: str | os.PathLike) -> Callable[[FolderFeatures, Path], None]:
    """What writes a file of this kind; before hours are spent on features."""
    suffix = Path(output).suffix.lower()
    if suffix == ".npz":
        check_output_file(output, _is_npz)
        return _write_npz
    if suffix == ".parquet":
        check_pandas()
        import_optional("pyarrow", extra=None, needed_for=_PARQUET)
        check_output_file(output, _is_parquet)
        return _write_parquet
    raise ValueError(f"output={str(output)!r} must end in .npz or .parquet.")


def _is_npz(path: Path) -> bool:
    """Whether a file is one of features, as ``_write_npz`` makes it."""
    try:
        with zipfile.ZipFile(path) as file:
            return {"files.npy", "features.npy"} <= {*file.namelist()}
    except (OSError, zipfile.BadZipFile):
        return False


def _is_parquet(path: Path) -> bool:
    """Whether a file is a table of features, as ``_write_parquet`` makes it."""
    parquet = import_optional("pyarrow.parquet", extra=None, needed_for=_PARQUET)
    try:
        return parquet.read_schema(path).names[:2] == ["file", "label"]
    except (OSError, ValueError):  # pyarrow's own is a ValueError
        return False


def _write_npz(found: FolderFeatures, path: Path) -> None:
    with open(path, "wb") as file:  # by its name it would get .npz after .NPZ
        np.savez(
            file,
            files=np.array(found.files),
            labels=np.array(found.labels),
            features=found.features,
            names=np.array(found.names),
        )


def _write_parquet(found: FolderFeatures, path: Path) -> None:
    frame = data_frame(found.features, columns=found.names)
    frame.insert(0, "file", found.files)
    frame.insert(1, "label", found.labels)
    frame.to_parquet(path, index=False)
