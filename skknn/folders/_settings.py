"""What an answer was asked for, as plain JSON."""

import os
from collections.abc import Sequence
from datetime import datetime
from typing import Any

from sklearn.base import BaseEstimator

import skknn

from ..utils._licence import licence_of_weights
from ..utils._versions import installed_versions
from ._contents import FolderContents
from ._groups import Groups


def settings_of(
    contents: FolderContents,
    *,
    new: str | os.PathLike | None,
    fungi: bool,
    backbone: Any,
    weights: Any,
    unlabelled: Sequence[str],
    groups: Groups,
    device: Any,
    random_state: int,
) -> dict[str, Any]:
    """Arguments of a call by name, with the version.

    What has no form in JSON (a module, a function) is told by its repr, and
    ``"reproducible"`` is then False.
    """
    named, lasting = _named(backbone)
    return {
        "folder": str(contents.root.absolute()),
        "new": None if new is None else os.path.abspath(new),
        "fungi": fungi,
        "backbone": named,
        "weights": weights if weights is None else os.fspath(weights),
        "unlabelled": list(unlabelled),
        "groups": groups if groups is None or isinstance(groups, str) else "function",
        "device": None if device is None else str(device),
        "random_state": random_state,
        "reproducible": lasting,
        "versions": {"skknn": skknn.__version__},
    }


def circumstances(settings: dict[str, Any], embedder: Any) -> dict[str, Any]:
    """When and with what it was done, which does not make another answer.

    Parameters
    ----------
    settings : dict
        Of :func:`settings_of`.
    embedder : BackboneEmbedder or FungiTransformer
        Whose weights they are.

    Returns
    -------
    dict
        ``date``, ``versions`` and ``weights_licence``.
    """
    return {
        "date": datetime.now().date().isoformat(),
        "versions": installed_versions(),
        "weights_licence": licence_of_weights(embedder.get_params(deep=False)),
    }


def _named(backbone: Any) -> tuple[Any, bool]:
    """A backbone in words, and whether the words say all."""
    if isinstance(backbone, str):
        return backbone, True
    if isinstance(backbone, BaseEstimator):
        params = backbone.get_params(deep=False)
        plain = (str, int, float, bool, type(None))
        lasting = all(isinstance(value, plain) for value in params.values())
        return repr(backbone), lasting
    return repr(backbone), False
