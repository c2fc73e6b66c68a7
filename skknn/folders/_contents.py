"""What lies in a folder: labelled photos, photos to predict, and all the rest."""

import os
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from unicodedata import normalize

from ..datasets._folder_names import (
    check_listing,
    checked_root,
    is_unlabelled,
    parts_of_data_set,
)
from ..datasets._walk import files_below, files_in, folders_in, is_hidden, is_image
from ..utils._warn import warn
from ._output import holds_results

_RAW = (".arw", ".cr2", ".cr3", ".dng", ".nef", ".orf", ".pef", ".raf", ".rw2")
_VIDEO = (".avi", ".m4v", ".mkv", ".mov", ".mp4", ".mts", ".webm")


@dataclass(frozen=True)
class FolderContents:
    """The files of a folder, sorted; names are relative to it.

    Attributes
    ----------
    root : Path
    labelled : tuple of str
        Photos in class folders, by class.
    labels : tuple of str
        Their classes, the names of the folders.
    waiting : tuple of str
        Photos to predict: loose ones, those in folders of unlabelled photos, and
        those of another folder.
    skipped : tuple of (str, str)
        All other files and folders, with the reason.
    """

    root: Path
    labelled: tuple[str, ...]
    labels: tuple[str, ...]
    waiting: tuple[str, ...]
    skipped: tuple[tuple[str, str], ...]

    def paths(self, names: Iterable[str]) -> list[str]:
        """Return names as paths that can be opened."""
        return [str(self.root / name) for name in names]


def look_into(
    folder: str | os.PathLike,
    *,
    new: str | os.PathLike | None = None,
    unlabelled: Sequence[str],
    output: str | os.PathLike | None = None,
) -> FolderContents:
    """List what lies in a folder of class folders; nothing is read.

    Parameters
    ----------
    folder : str or Path
    new : str or Path, optional
        Another folder (or a file) of photos to predict.
    unlabelled : sequence of str
        Patterns of the names of folders, at any depth, whose photos are to be
        predicted.
    output : str or Path, optional
        A folder that is not looked into, wherever it lies: that of the results.

    Raises
    ------
    FileNotFoundError, NotADirectoryError
        If there is no such folder.
    ValueError
        If its sub-folders are the parts of a data set, or results would be written
        among them.
    """
    root = checked_root(folder, "folder")
    _check_patterns(unlabelled)
    aside = [*_below(root, output, "photos"), *_below(root, new)]
    found = _Found(root)
    folders = [place for place in folders_in(root) if place.resolve() not in aside]
    classes = [f.name for f in folders if not is_unlabelled(f.name, unlabelled)]
    _refuse_parts(root, classes)
    _warn_of_twins(classes)
    for file in files_in(root, hidden=True):
        found.add(file, label=None)
    for place in folders:
        label = place.name if place.name in classes else None
        n_images = 0
        for file in _files_below(place, root, root, found.skipped):
            if not (aside and _within(file.parent, aside)):
                inner = file.relative_to(root).parts[1:-1]
                waits = any(is_unlabelled(name, unlabelled) for name in inner)
                n_images += found.add(file, label=None if waits else label)
        if not n_images:
            found.skipped.setdefault(_folder(place, root), "a folder without photos")
    if new is not None:
        results = _below(Path(new), output, "photos to predict")
        for file in files_of_photos(new, "new", found.skipped, root, results):
            found.waiting.append(_name(file, root))
    in_order = sorted(found.labelled, key=lambda name: (found.labelled[name], name))
    return FolderContents(
        root=root,
        labelled=tuple(in_order),
        labels=tuple(found.labelled[name] for name in in_order),
        waiting=tuple(
            name for name in dict.fromkeys(found.waiting) if name not in found.labelled
        ),
        skipped=tuple(sorted(found.skipped.items())),
    )


def _check_patterns(unlabelled: Any) -> None:
    """A text would be taken for a sequence of its letters."""
    names = [None] if isinstance(unlabelled, str) else list(unlabelled)
    if not all(isinstance(name, str) for name in names):
        raise ValueError(
            f"unlabelled={unlabelled!r} must be a sequence of names of folders, such "
            "as ['unlabelled', '_*']."
        )


def _below(root: Path, other: Any, content: str = "") -> list[Path]:
    """Another folder, if it lies inside the root, which results must not be."""
    if other is None:
        return []
    here, place = root.resolve(), Path(other).resolve()
    if content and place == here:
        raise ValueError(
            f"output={str(other)!r} is the folder of {content}. Name one of its own "
            f"for the results, such as {str(root / 'results')!r}."
        )
    if here not in place.parents:
        return []
    if content:
        _refuse_photos_in(Path(other), root)
    return [place]


def _refuse_photos_in(output: Path, root: Path) -> None:
    """Photos among the results, such as those of a class, would be left out."""
    if not output.is_dir() or holds_results(output):
        return
    inside = files_below(output, outside=root, unlisted=lambda error: None)
    photo = next(filter(is_image, inside), None)
    if photo is not None:
        raise ValueError(
            f"output={str(output)!r} holds photos, such as {str(photo)!r}, which would "
            "be left out. Name a folder of its own for the results, such as "
            f"{str(root / 'results')!r}."
        )


def _within(folder: Path, aside: Sequence[Path]) -> bool:
    here = folder.resolve()
    return any(place == here or place in here.parents for place in aside)


def files_of_photos(
    path: str | os.PathLike,
    parameter: str,
    skipped: dict[str, str],
    root: Path | None = None,
    aside: Sequence[Path] = (),
) -> Iterator[Path]:
    """Yield the photos below a folder, or the one file that is named.

    Parameters
    ----------
    path : str or Path
    parameter : str
        What users know it as, for errors.
    skipped : dict of str -> str
        Gets the files that are left out, with the reason.
    root : Path, optional
        What names there are relative to; ``path`` by default.
    aside : sequence of Path
        Folders that are not looked into.

    Raises
    ------
    FileNotFoundError
    PermissionError
        If the folder itself cannot be listed; those in it are skipped.
    """
    place = Path(path)
    if not place.exists():
        raise FileNotFoundError(
            f"{parameter}={str(path)!r}: no such file or folder (from {os.getcwd()!r})."
        )
    if not place.is_dir():
        yield place
        return
    check_listing(place, parameter)
    for file in _files_below(place, place.parent, root or place, skipped):
        reason = why_no_photo(file)
        if aside and _within(file.parent, aside):
            continue
        if reason:
            skipped[_name(file, root or place)] = reason
        else:
            yield file


def why_no_photo(file: Path) -> str:
    """Why a file is left out, by its name; empty for a photo."""
    suffix = file.suffix.lower()
    if is_hidden(file):
        return "hidden: its name begins with a dot"
    if file.is_dir():
        return "a link to a folder whose photos are found without it"
    if suffix in _RAW:
        return f"a camera's raw file ({suffix}): export it as JPEG, PNG or TIFF"
    if suffix in _VIDEO:
        return f"a video ({suffix}): export its frames as JPEG or PNG"
    if not is_image(file):
        return f"no photo by its name ({suffix or 'no suffix'})"
    return ""


class _Found:
    """What has been found so far."""

    def __init__(self, root: Path) -> None:
        self._root = root
        self.labelled: dict[str, str] = {}
        self.waiting: list[str] = []
        self.skipped: dict[str, str] = {}

    def add(self, file: Path, label: str | None) -> bool:
        """Sort a file in; whether it is a photo."""
        name, reason = _name(file, self._root), why_no_photo(file)
        if reason:
            self.skipped[name] = reason
        elif label is None:
            self.waiting.append(name)
        else:
            self.labelled[name] = label
        return not reason


def _files_below(
    folder: Path, outside: Path, root: Path, skipped: dict[str, str]
) -> list[Path]:
    """List files; folders that cannot be listed are skipped, with the reason."""

    def skip(error: OSError) -> None:
        reason = f"its folder cannot be listed ({error.strerror or error})"
        skipped[_folder(Path(error.filename or folder), root)] = reason

    return files_below(folder, outside=outside, hidden=True, unlisted=skip)


def _name(file: Path, root: Path) -> str:
    """Name of a file as seen from the folder."""
    try:
        return Path(os.path.relpath(file, root)).as_posix()
    except ValueError:  # on another drive
        return str(file.absolute())


def _folder(place: Path, root: Path) -> str:
    """Name of a folder as seen from the folder."""
    return _name(place, root) + "/"


def _warn_of_twins(classes: list[str]) -> None:
    """Names that look alike are likely meant to be one class."""
    looks: dict[str, list[str]] = {}
    for name in classes:
        looks.setdefault(normalize("NFKC", name).casefold().strip(), []).append(name)
    for names in looks.values():
        if len(names) > 1:
            warn(
                f"The class folders {', '.join(map(ascii, names))} differ by case, "
                "spaces or the coding of letters alone and are different classes. If "
                "they are one class, put their photos into one folder."
            )


def _refuse_parts(root: Path, classes: list[str]) -> None:
    parts = parts_of_data_set(classes)
    if parts:
        first, *more = parts
        call = f"folder={str(root / first)!r}"
        if more:
            call += f", new={str(root / more[-1])!r}"
        remedy = f"Pass the one with the class folders: {call}."
        if not folders_in(root / first):
            remedy = "Move them elsewhere, or rename those that are classes."
        raise ValueError(
            f"folder={str(root)!r} holds {parts}, which are parts of a data set and no "
            f"classes by their names. {remedy}"
        )
    for name in classes:
        if parts_of_data_set([name]):
            warn(
                f"The folder {name!r} in {str(root)!r} is taken for a class. If its "
                f"photos are to be predicted, move it elsewhere and pass it as new=, "
                f"or name it unlabelled: unlabelled=[{name!r}]."
            )
