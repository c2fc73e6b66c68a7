"""What can be written down of an objective, for the keys of cached rows."""

import hashlib
from collections.abc import Mapping
from typing import Any

import numpy as np

from ..utils._class_code import class_code
from .objectives import Objective

_LIBRARIES = ("skknn", "sklearn", "builtins")


def objective_identity(objective: Objective) -> dict[str, Any]:
    """Return class, code and parameters of an objective as plain JSON.

    Parameters
    ----------
    objective : Objective
    """
    kind = type(objective)
    own = [
        class_code(base)
        for base in kind.__mro__
        if base.__module__.split(".")[0] not in _LIBRARIES
    ]
    return {
        "class": f"{kind.__module__}.{kind.__qualname__}",
        "version": objective.version,
        "code": _digest("\n".join(own).encode()),
        "objective": {
            name: _content(value) for name, value in objective.get_params().items()
        },
    }


def _content(value: Any) -> str:
    """Return text that is equal for equal content, however long it is."""
    if hasattr(value, "detach"):
        value = value.detach().cpu().numpy()
    if isinstance(value, np.ndarray) and value.dtype != object:
        return f"{value.dtype}{value.shape}{_digest(value.tobytes())}"
    if isinstance(value, Mapping):
        return str([(repr(key), _content(each)) for key, each in value.items()])
    if isinstance(value, (list, tuple)) or isinstance(value, np.ndarray):
        return f"{type(value).__name__}{[_content(each) for each in value]}"
    return repr(value)


def _digest(content: bytes) -> str:
    return hashlib.blake2b(content, digest_size=12).hexdigest()
