"""Other photos, by an answer that is there."""

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from ._contents import files_of_photos
from ._features import reader_of, rows_of
from ._findings import Findings
from ._frames import check_pandas, data_frame, write_csv_at_once
from ._output import check_output_file, is_predictions_table, is_skipped_table
from ._predictions import predictions_frame
from ._say import Say
from ._written import is_of_results


def predict_photos(
    answer: Findings,
    photos: str | os.PathLike | Sequence[str],
    *,
    output: str | os.PathLike | None = None,
    verbose: int = 0,
) -> tuple[Any, Any]:
    """Predict photos of a folder, or files.

    Parameters
    ----------
    answer : Findings
    photos : str, Path or sequence of them
    output : str or Path, optional
        CSV file to write; skipped files and reasons go to :func:`skipped_file`.
    verbose : int

    Returns
    -------
    predictions : DataFrame
    skipped : DataFrame [file, reason]
    """
    check_pandas()
    if output is not None:
        check_output_file(output, _may_be_replaced)
        if Path(output).suffix.lower() != ".csv":
            raise ValueError(
                f"output={str(output)!r} must end in .csv. Write other formats in "
                "Python, from the data frame that FolderAnswer.predict returns."
            )
        _check_skipped_file(output)
    skipped: dict[str, str] = {}
    if isinstance(photos, (str, os.PathLike)):
        root = Path(photos)
        files = [str(file) for file in files_of_photos(root, "photos", skipped)]
        names = [
            Path(os.path.relpath(file, root)).as_posix() if root.is_dir() else file
            for file in files
        ]
    else:
        files = names = [os.fspath(photo) for photo in photos]
    pipeline = answer.pipeline
    found = rows_of(reader_of(pipeline["features"], verbose=verbose), files)
    good = [i for i in range(len(files)) if i not in found.bad]
    skipped |= {names[i]: reason for i, reason in found.bad.items()}
    say = Say(verbose)
    if found.bad:
        say(f"{len(found.bad)} of {len(files)} photos could not be read.")
    training = answer.training
    frame = predictions_frame(
        [names[i] for i in good],
        found.values[good],
        classifier=pipeline["classifier"],
        audit=answer.audit,
        training_files=training["file"].tolist(),
        training_labels=training["label"].tolist(),
        sure=answer.settings["uncertain_below"],
    )
    left_out = data_frame(sorted(skipped.items()), columns=["file", "reason"])
    if output is not None:
        beside = skipped_file(output)
        if skipped:
            write_csv_at_once(left_out, beside)
        else:  # that of another run would be wrong
            beside.unlink(missing_ok=True)
        write_csv_at_once(frame, output)
    return frame, left_out


def skipped_file(output: str | os.PathLike) -> Path:
    """File beside the predictions that says what was skipped: more_skipped.csv."""
    return Path(output).with_name(f"{Path(output).stem}_skipped.csv")


def _may_be_replaced(output: Path) -> bool:
    """Whether a table was written by an earlier call, and not by classify_folder."""
    return is_predictions_table(output) and not is_of_results(output)


def _check_skipped_file(output: str | os.PathLike) -> None:
    """Refuse to replace a file of somebody else."""
    beside = skipped_file(output)
    if os.path.lexists(beside) and not is_skipped_table(beside):
        raise FileExistsError(
            f"output={str(output)!r}: skipped files are listed in {str(beside)!r}, "
            "which is there and does not look like such a list. Name another output, "
            "or move it away."
        )
