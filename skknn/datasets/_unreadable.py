"""Find the images that cannot be read, and go on without them."""

from typing import Any, NamedTuple

from sklearn.utils import check_consistent_length

from ..utils._sklearn import safe_indexing


class BadImage(NamedTuple):
    """An image that cannot be read: a named tuple.

    Parameters
    ----------
    row : int
        Position in ``X``.
    file : str or None
        The file, where the row is a path.
    reason : str
        What is wrong with it.

    Examples
    --------
    >>> from skknn.datasets import check_images
    >>> check_images([None])[0].row
    0
    """

    row: int
    file: str | None
    reason: str


def check_images(X: Any, *, n_jobs: int | None = None) -> list[BadImage]:
    """List the images that cannot be read.

    Every image is read and decoded, because a file that was cut off shows it at the
    end only. No network is loaded.

    Parameters
    ----------
    X : list, array, tensor or Dataset of images
        As :class:`skknn.BackboneEmbedder` takes it, such as a list of paths.
    n_jobs : int, default=None
        Threads that read and decode; None means 1 (unless ``joblib.parallel_config``
        says otherwise), -1 one a processor.

    Returns
    -------
    bad : list of BadImage
        Named tuples (row, file, reason), by row; empty if all is well. ``file`` is
        None where the row is no path.

    See Also
    --------
    drop_unreadable : Leave them out, with their labels.

    Examples
    --------
    >>> import tempfile
    >>> from pathlib import Path
    >>> from PIL import Image
    >>> from skknn.datasets import check_images
    >>> folder = Path(tempfile.mkdtemp())
    >>> Image.new("RGB", (8, 8)).save(folder / "good.png")
    >>> (folder / "bad.jpg").touch()
    >>> for bad in check_images([folder / "good.png", folder / "bad.jpg"]):
    ...     print(bad.row, Path(bad.file).name, bad.reason)
    1 bad.jpg the file is empty (0 bytes)
    """
    from joblib import Parallel, delayed

    from ..modalities import BadImageError, as_images, is_table

    if is_table(X):
        raise ValueError(
            "X is a 2-D table of numbers, in which nothing has to be decoded. Pass "
            "images, such as a list of paths."
        )
    images = as_images(X)

    def check(row: int) -> BadImage | None:
        try:
            images.item(row)
        except BadImageError as error:
            return BadImage(row, error.file, error.problem)
        return None

    # Threads, because decoding leaves the interpreter to others, and a Dataset need
    # not be one that can be sent to processes.
    run = Parallel(n_jobs=n_jobs, require="sharedmem")
    checked = run(delayed(check)(row) for row in range(len(images)))
    return [bad for bad in checked if bad is not None]


def drop_unreadable(X: Any, *others: Any, n_jobs: int | None = None) -> tuple[Any, ...]:
    """Leave out the images that cannot be read, with their labels.

    Call it before a Pipeline, cross-validation or a search sees the images, and again
    before ``predict``. For scikit-learn's next step, rows must be complete: the rows of
    NaN of ``on_error="nan"`` are refused there.

    Parameters
    ----------
    X : list, array, tensor or Dataset of images
        As :class:`skknn.BackboneEmbedder` takes it, such as a list of paths.
    *others : array-like of shape (n,) or (n, ...)
        Labels, groups, whatever has one entry an image; None stays None.
    n_jobs : int, default=None
        Threads that read and decode, see :func:`check_images`.

    Returns
    -------
    X : same kind as ``X``
        The images that can be read; of a torch Dataset a ``Subset``.
    *others : same kind as given
        Their entries.
    bad : list of BadImage
        Named tuples (row, file, reason) of what was left out, by its row in the given
        ``X``. Comes last.

    Raises
    ------
    ValueError
        If no image can be read.

    See Also
    --------
    check_images : The list alone.

    Examples
    --------
    >>> import numpy as np
    >>> from skknn.datasets import drop_unreadable
    >>> images = [np.zeros((8, 8), "uint8"), "missing.jpg", np.ones((8, 8), "uint8")]
    >>> X, y, bad = drop_unreadable(images, ["cat", "cat", "dog"])
    >>> len(X), y, [row for row, file, reason in bad]
    (2, ['cat', 'dog'], [1])

    At prediction time a row without an image gets no prediction:

    >>> X, bad = drop_unreadable(images)
    >>> kept = np.delete(np.arange(len(images)), [b.row for b in bad])
    >>> labels = np.full(len(images), None, dtype=object)
    >>> labels[kept] = ["cat", "dog"]    # model.predict(X)
    >>> labels
    array(['cat', None, 'dog'], dtype=object)
    """
    from ..modalities import is_dataset

    check_consistent_length(X, *others)
    bad = check_images(X, n_jobs=n_jobs)
    dropped = {row for row, _, _ in bad}
    n = len(X)
    if len(dropped) == n:
        raise ValueError(
            f"X: none of the {n} images can be read. The first"
            f"{f' ({bad[0].file})' if bad[0].file else ''}: {bad[0].reason}."
        )
    kept = [row for row in range(n) if row not in dropped]

    def take(values: Any) -> Any:
        if is_dataset(values):
            # Not item by item, which would decode all images and keep them.
            from torch.utils.data import Subset

            return Subset(values, kept)
        return None if values is None else safe_indexing(values, kept)

    return (*map(take, (X, *others)), bad)
