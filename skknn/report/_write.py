"""An answer -> one HTML file."""

import os
from datetime import datetime
from functools import partial
from numbers import Integral, Real
from pathlib import Path
from typing import Any

from ..utils._write_at_once import write_at_once
from ._answer import findings
from ._own_paths import OwnPaths
from ._page import page
from ._pictures import Pictures, draw, finder
from ._shown import choose, wanted_pictures


def write_report(
    answer: Any,
    path: str | os.PathLike,
    *,
    title: str | None = None,
    max_rows: int = 200,
    max_megabytes: float = 20,
    show_paths: bool = False,
    n_jobs: int = 2,
) -> Path:
    """Write what a model does with a folder of photos as one page to look at.

    The page is one HTML file without scripts that loads nothing from elsewhere, so it
    can be sent to others: accuracy with its interval, classes, confusions, predicted
    photos (uncertain ones first) with the training photos that voted, labels that may
    be wrong, near-duplicates, unusual photos, skipped files and a model card. Photos in
    it are thumbnails, turned as their tags say and without any tags; files are named
    relative to the folder.

    Parameters
    ----------
    answer : FolderAnswer
        What ``skknn.classify_folder`` returned, or an object with the same fields:
        ``folder``, ``settings``, ``classes``, ``evaluation`` and the data frames
        ``training``, ``per_class``, ``confusion``, ``predictions``, ``suspect_labels``,
        ``duplicates``, ``outliers``, ``class_overlap`` and ``skipped``. A frame may be
        None or empty; photos that are not there any more are said to be missing.
        ``settings`` may hold ``lam``, ``backbone``, ``date``, ``versions`` and
        ``weights_licence``, which have places of their own in the page.
    path : str or Path
        The file to write, such as ``"report.html"``. One that exists is replaced once
        the new one is complete.
    title : str, default=None
        Heading of the page; None takes the name of the folder.
    max_rows : int, default=200
        How many predicted photos, and how many rows of each other list, are shown. The
        page says what was left out.
    max_megabytes : float, default=20
        The file is not larger: pictures without room are left out, those of small
        importance first.
    show_paths : bool, default=False
        Whether absolute paths of this machine in settings and reasons stay; else only
        their last part does.
    n_jobs : int, default=2
        Threads that decode photos.

    Returns
    -------
    path : Path
        Of the file.

    Raises
    ------
    TypeError
        If ``answer`` lacks a field or a column.
    ValueError
        If a number is not allowed, or texts alone do not fit into ``max_megabytes``.
    FileNotFoundError, IsADirectoryError
        If ``path`` cannot be written.

    See Also
    --------
    NeighborsDisplay : One prediction, drawn by matplotlib.

    Examples
    --------
    >>> import tempfile
    >>> from pathlib import Path
    >>> from types import SimpleNamespace
    >>> import pandas as pd
    >>> from PIL import Image
    >>> from skknn.inspection import write_report
    >>> folder = Path(tempfile.mkdtemp())
    >>> for name in ("a.jpg", "b.jpg", "new.jpg"):
    ...     Image.new("RGB", (80, 60), "teal").save(folder / name)
    >>> answer = SimpleNamespace(
    ...     folder=str(folder), settings={"lam": 0.4}, classes=["sea", "sky"],
    ...     evaluation=dict(accuracy=0.5, low=0.1, high=0.9, baseline=0.5, n=2,
    ...                     protocol="Each photo was predicted from the other one."),
    ...     training=pd.DataFrame(dict(file=["a.jpg", "b.jpg"], label=["sea", "sky"],
    ...                                predicted=["sea", "sea"], probability=[.9, .6])),
    ...     per_class=pd.DataFrame({"class": ["sea", "sky"], "n": [1, 1],
    ...                             "precision": [0.5, None], "recall": [1.0, 0.0],
    ...                             "low": [0.2, 0.0], "high": [1.0, 0.8]}),
    ...     confusion=pd.DataFrame([[1, 0], [1, 0]]),
    ...     predictions=pd.DataFrame(dict(
    ...         file=["new.jpg"], label=["sea"], probability=[0.7], runner_up=["sky"],
    ...         runner_up_probability=[0.3], nearest_files=[["a.jpg", "b.jpg"]],
    ...         nearest_labels=[["sea", "sky"]], nearest_shares=[[0.6, 0.4]],
    ...         votes_probability=[0.6], base_probability=[0.77], uncertain=[True],
    ...         unlike=[False])),
    ...     suspect_labels=None, duplicates=None, outliers=None, class_overlap=None,
    ...     skipped=pd.DataFrame(dict(file=["x.txt"], reason=["no photo by its name"])),
    ... )
    >>> page = write_report(answer, folder / "report.html")
    >>> page.read_text("utf8").count("<img")  # the photo and its two voters
    3
    """
    out = _checked_path(path)
    _check_numbers(max_rows, max_megabytes, n_jobs)
    found = findings(answer)
    shown = choose(found, int(max_rows))
    draw_page = partial(
        page,
        shown,
        title=title or f"Report on {os.path.basename(os.path.abspath(found.folder))}",
        date=str(found.settings.get("date") or datetime.now().date().isoformat()),
        lam=_share_of_votes(found.settings),
        own=OwnPaths(
            found.folder, os.getcwd(), os.path.expanduser("~"), whole=show_paths
        ),
    )
    n_bytes = int(float(max_megabytes) * 1e6)
    room = n_bytes - len(draw_page(Pictures({})).encode())
    if room < 0:
        raise ValueError(
            f"max_megabytes={max_megabytes!r} has no room for the texts of "
            f"max_rows={max_rows!r}, {(n_bytes - room) / 1e6:.1f} MB. Lower max_rows, "
            "or allow a larger file."
        )
    pictures = draw(
        wanted_pictures(shown),
        finder([found.folder]),
        n_bytes=room,
        n_jobs=int(n_jobs),
    )
    html = draw_page(pictures)
    write_at_once(
        out, lambda beside: beside.write_text(html, encoding="utf8", newline="\n")
    )
    return out


def _checked_path(path: str | os.PathLike) -> Path:
    out = Path(path)
    if out.is_dir():
        raise IsADirectoryError(
            f"path={str(path)!r} is a folder. Name the file in it: "
            f"{str(out / 'report.html')!r}."
        )
    if not out.parent.is_dir():
        raise FileNotFoundError(
            f"path={str(path)!r}: there is no folder {str(out.parent)!r} (from "
            f"{os.getcwd()!r}). Make it first."
        )
    return out


def _check_numbers(max_rows: Any, max_megabytes: Any, n_jobs: Any) -> None:
    if not isinstance(max_rows, Integral) or max_rows < 0:
        raise ValueError(
            f"max_rows={max_rows!r} must be a whole number, 0 or more: how many rows "
            "of each part are shown."
        )
    if not isinstance(max_megabytes, Real) or not (
        0 < float(max_megabytes) < float("inf")
    ):
        raise ValueError(
            f"max_megabytes={max_megabytes!r} must be a number above 0: how large the "
            "file may be."
        )
    if not isinstance(n_jobs, Integral) or n_jobs < 1:
        raise ValueError(
            f"n_jobs={n_jobs!r} must be a whole number, 1 or more: how many threads "
            "decode photos."
        )


def _share_of_votes(settings: dict[str, Any]) -> float | None:
    """lambda, if the settings say it by itself or among parameters within them."""
    for place in (settings, *(v for v in settings.values() if isinstance(v, dict))):
        lam = place.get("lam")
        if isinstance(lam, Real) and not isinstance(lam, bool):
            return float(lam)
    return None
