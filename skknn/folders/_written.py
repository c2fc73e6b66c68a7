"""The files of results: written beside, then put in place together."""

import json
import os
import shutil
import tempfile
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import joblib

from ..inspection import write_report
from ..utils._folder_lock import alone_in
from ..utils._versions import installed_versions
from ._findings import Findings
from ._frames import data_frame, write_csv
from ._model_card import write_model_card
from ._output import check_output_folder, holds_results

_SETTINGS, _MODEL, _ANSWER = "settings.json", "model.joblib", "answer.joblib"
_CARD, _REPORT = "model_card.md", "report.html"
# Raised when this version cannot read what an earlier one wrote.
_FORMAT = 1
_STEPS = ["features", "classifier"]
_UNFINISHED = ".unfinished-"
_LEFT_BEHIND = 3600  # seconds without a change: nobody writes for so long
_FRAMES = (
    "predictions",
    "training",
    "per_class",
    "suspect_labels",
    "duplicates",
    "outliers",
    "class_overlap",
    "skipped",
)
_FILES = (
    *(f"{name}.csv" for name in _FRAMES),
    "uncertain.csv",
    _MODEL,
    _ANSWER,
    _REPORT,
    _CARD,
    _SETTINGS,
)


def write_together(
    output: str | os.PathLike, writers: dict[str, Callable[[Path], object]]
) -> None:
    """Write files into a hidden folder and rename them at the end, in this order.

    The last one is removed before the first is renamed: where it is, all are of one
    run.

    Parameters
    ----------
    output : str or Path
        The folder, made if there is none.
    writers : dict of str -> callable
        Name -> what writes to a path.
    """
    folder = Path(output)
    folder.mkdir(parents=True, exist_ok=True)
    _remove_left_behind(folder)
    beside = Path(tempfile.mkdtemp(prefix=_UNFINISHED, dir=folder))
    try:
        for name, write in writers.items():
            write(beside / name)
        with alone_in(folder):
            (folder / list(writers)[-1]).unlink(missing_ok=True)
            for name in writers:
                os.replace(beside / name, folder / name)
    finally:
        shutil.rmtree(beside, ignore_errors=True)


def _remove_left_behind(folder: Path) -> None:
    """Remove what killed runs left, and not what another run is writing just now."""
    for left in folder.glob(f"{_UNFINISHED}*"):
        with suppress(OSError):
            changed = max(path.stat().st_mtime for path in (left, *left.iterdir()))
            if time.time() - changed > _LEFT_BEHIND:
                shutil.rmtree(left, ignore_errors=True)


def csv_writer(frame: Any) -> Callable[[Path], object]:
    """What writes a table as CSV."""
    return lambda path: write_csv(frame, path)


def write_answer(answer: Findings, output: str | os.PathLike) -> None:
    """Write all files of an answer; settings.json stands for a complete set.

    Parameters
    ----------
    answer : Findings
    output : str or Path
    """
    check_answer_output(output)
    write_together(output, _writers(answer))


def check_answer_output(output: str | os.PathLike) -> None:
    """Refuse a folder that cannot be one of results; see check_output_folder."""
    check_output_folder(output, _FILES)


def is_of_results(path: Path) -> bool:
    """Tell whether a file is one of those of an answer in its folder."""
    return path.name in _FILES and holds_results(path.parent)


def check_no_answer(output: str | os.PathLike) -> None:
    """Refuse a folder that holds an answer, whose tables others would replace.

    Raises
    ------
    FileExistsError
    """
    if (Path(output) / _ANSWER).exists():
        raise FileExistsError(
            f"output={str(output)!r} holds results of `skknn classify`, whose tables "
            "would be replaced. They are those of an audit already: look there, or "
            "name another folder."
        )


def read_answer(output: str | os.PathLike) -> Findings:
    """Read an answer from its folder.

    Parameters
    ----------
    output : str or Path
        The folder, or the model.joblib in it.

    Raises
    ------
    FileNotFoundError
        If one of the files is not there.
    ValueError
        If one cannot be loaded, or they are of another format.
    """
    folder = Path(output)
    folder = folder.parent if folder.name == _MODEL else folder
    missing = [n for n in (_MODEL, _ANSWER, _SETTINGS) if not (folder / n).is_file()]
    if missing:
        lacks = f"there is no {missing[0]}" if folder.is_dir() else "it does not exist"
        raise FileNotFoundError(
            f"{str(output)!r} is no folder of results: {lacks}. Pass "
            "the folder that `skknn classify` or classify_folder wrote."
        )
    data_frame({})  # says what to do without pandas
    written = _read_settings(folder)
    made_by = _other_versions(written.get("versions", {}))
    if written.get("format", _FORMAT) != _FORMAT:
        raise ValueError(
            f"The results in {str(folder)!r} are of format {written['format']}, and "
            f"this version of skknn reads format {_FORMAT}; they were made {made_by}. "
            "Install the version of skknn that made them, or give the command that "
            "made them again."
        )
    try:
        answer: Findings = joblib.load(folder / _ANSWER)
        found = replace(answer, pipeline=joblib.load(folder / _MODEL))
        _check_model(found)
    except Exception as error:  # files that are cut off raise all kinds of errors
        raise ValueError(
            f"The model in {str(folder)!r} cannot be loaded "
            f"({type(error).__name__}: {error}). It was made {made_by}. Give the "
            "command that made it again, or install those versions."
        ) from error
    return found


def _check_model(answer: Findings) -> None:
    """Refuse a model that was put into the place of that of the answer."""
    steps = [name for name, _ in getattr(answer.pipeline, "steps", ())]
    if steps != _STEPS:
        raise TypeError(f"{_MODEL} is no Pipeline of {_STEPS}")
    if list(answer.pipeline.classes_) != list(answer.classes):
        raise ValueError(f"{_MODEL} has other classes than {_ANSWER}")


def written_fingerprint(output: str | os.PathLike) -> str | None:
    """What the answer in a folder followed from; None if it is not complete."""
    folder = Path(output)
    if not all((folder / name).is_file() for name in _FILES):
        return None
    return _read_settings(folder).get("fingerprint")


def _read_settings(folder: Path) -> dict[str, Any]:
    """What settings.json says; nothing if it is damaged."""
    try:
        told = json.loads((folder / _SETTINGS).read_text("utf8"))
    except (ValueError, OSError):
        return {}
    return told if isinstance(told, dict) else {}


def _other_versions(versions: dict[str, str]) -> str:
    """Say with which versions results were made, where they are others than here."""
    here = installed_versions()
    others = [
        f"{name} {version} (here {here.get(name, 'none')})"
        for name, version in versions.items()
        if here.get(name) != version
    ]
    if others:
        return f"with {', '.join(others)}"
    known = "with the versions that are installed here: its files are damaged"
    return known if versions else "with versions that nobody wrote down"


def _writers(answer: Findings) -> dict[str, Callable[[Path], object]]:
    """In the order in which they are put in place."""
    return {
        **{f"{name}.csv": csv_writer(getattr(answer, name)) for name in _FRAMES},
        "uncertain.csv": csv_writer(_to_check(answer.predictions)),
        _MODEL: lambda path: joblib.dump(answer.pipeline, path),
        # The model is in a file of its own, which others read.
        _ANSWER: lambda path: joblib.dump(_without_pipeline(answer), path),
        _REPORT: lambda path: write_report(answer, path),
        _CARD: lambda path: write_model_card(answer, path),
        _SETTINGS: lambda path: _write_settings(answer, path),
    }


def _to_check(predictions: Any) -> Any:
    """Predictions that somebody should look at, the least probable first."""
    rows = predictions[predictions["uncertain"] | predictions["unlike"]]
    return rows.sort_values("probability", kind="stable")


def _without_pipeline(answer: Findings) -> Findings:
    return replace(answer, pipeline=None)  # type: ignore[arg-type]


def _write_settings(answer: Findings, path: Path) -> None:
    told = {
        "format": _FORMAT,
        **answer.settings,
        "classes": list(answer.classes),
        "evaluation": answer.evaluation,
    }
    path.write_text(json.dumps(told, indent=2) + "\n", "utf8")
