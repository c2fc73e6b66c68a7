"""Keep the folders of somebody's machine out of a page that others will read."""

import os
import re
from typing import Any

# Absolute paths of either kind of system, each up to a quote, a space or a bracket.
_ABSOLUTE = re.compile(r"(?<![\w.:/\\])(?:[A-Za-z]:[\\/]|\\\\|/|~/)[^\s'\"<>()\[\],;]+")
_PART = re.compile(r"[^\\/]+")


def within(file: Any) -> str:
    """Name of a file; one outside of the folder only by its own folder and name."""
    whole = str(file)
    if _is_absolute(whole) or whole.startswith(("../", "..\\")):
        return "/".join(_PART.findall(whole)[-2:])
    return whole


class OwnPaths:
    """Texts without the absolute paths in them.

    Parameters
    ----------
    *folders : str
        Folders of which files are named relative to them.
    whole : bool
        Leave all as it is.
    """

    def __init__(self, *folders: str, whole: bool = False) -> None:
        self._whole = whole
        ways = {way for f in folders if f for way in (os.path.abspath(f), f)}
        ways |= {os.path.realpath(folder) for folder in folders if folder}
        # The longest first: a folder may lie in another one.
        self._folders = [
            way
            for way in sorted(ways, key=lambda w: (-len(w), w))
            if os.path.isabs(way)
        ]

    def text(self, text: str) -> str:
        """Name files relative to the folders, and others by their last part."""
        if self._whole:
            return text
        for folder in self._folders:
            text = text.replace(folder.rstrip(os.sep) + os.sep, "")
            text = text.replace(repr(folder), repr(os.path.basename(folder)))
        return _ABSOLUTE.sub(lambda found: _last(found[0]), text)

    def value(self, value: Any) -> Any:
        """The same for all texts within lists and dicts."""
        if isinstance(value, (str, os.PathLike)):
            whole = str(value)
            if not self._whole and _is_absolute(whole):
                return _last(whole)
            return self.text(whole)
        if isinstance(value, dict):
            return {key: self.value(inner) for key, inner in value.items()}
        if isinstance(value, (list, tuple)):
            return [self.value(inner) for inner in value]
        return value


def _is_absolute(text: str) -> bool:
    return os.path.isabs(text) or bool(re.match(r"[A-Za-z]:[\\/]|\\\\|~/", text))


def _last(path: str) -> str:
    return (_PART.findall(path) or [""])[-1]
