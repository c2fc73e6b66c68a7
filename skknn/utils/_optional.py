"""Packages that are not always installed: one message that names the extra."""

from importlib import import_module
from types import ModuleType


def import_optional(name: str, *, extra: str | None, needed_for: str) -> ModuleType:
    """Import a module of an optional package.

    Parameters
    ----------
    name : str
        The module, such as "matplotlib.pyplot".
    extra : str or None
        The extra of this package that installs it, such as "plot"; None if there is
        none.
    needed_for : str
        What wants it, the subject of the message.

    Raises
    ------
    ImportError
        If the package is not installed, naming the extra or it. An error inside of an
        installed package goes through as it is.
    """
    package = name.partition(".")[0]
    try:
        return import_module(name)
    except ModuleNotFoundError as error:
        if error.name is not None and error.name.partition(".")[0] != package:
            raise
        how = f"pip install {package}" if extra is None else pip_install(extra)
        raise ModuleNotFoundError(
            f"{needed_for} needs {package}, which is not installed. Install it with "
            f"{how}.",
            name=package,
        ) from None


def pip_install(extra: str) -> str:
    """The command that installs an extra of this package, wherever it came from."""
    return f"pip install 'skknn[{extra}]' ('.[{extra}]' in the folder of its source)"
