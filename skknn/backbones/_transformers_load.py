"""What loading transformers models of any modality shares."""

import copy
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from torch import nn

from ..utils._locks import ForkSafeLock
from ._weights import no_code_from_files

# Loading goes through switches and the random generator of the process.
_LOADING = ForkSafeLock()
# The last small model, because searches fit the same one again and again.
_KEPT: dict[tuple, tuple[nn.Module, Any]] = {}
_KEPT_BYTES = 2**28


def load_kept(
    folder: Path, load: Callable[[Path], tuple[nn.Module, Any]]
) -> tuple[nn.Module, Any]:
    """Return what ``load`` makes of a folder, or a copy of it if it was just made.

    Parameters
    ----------
    folder : Path
    load : callable
        Folder -> module, and what goes with it.
    """
    files = sorted(file for file in folder.iterdir() if file.is_file())
    # Another content under the same name is another model.
    stamps = [(file.name, file.stat()) for file in files]
    key = (
        load,
        str(folder.resolve()),
        *((name, stat.st_size, stat.st_mtime_ns) for name, stat in stamps),
    )
    with _LOADING.held:
        if key not in _KEPT:
            loaded = load(folder)
            if sum(t.nbytes for t in loaded[0].state_dict().values()) > _KEPT_BYTES:
                return loaded
            _KEPT.clear()
            _KEPT[key] = loaded
        module, other = _KEPT[key]
        return copy.deepcopy(module), copy.deepcopy(other)


@contextmanager
def loading() -> Iterator[None]:
    """Let transformers print no bars and reports, run no code, draw no numbers."""
    from transformers.utils import logging

    level, bars = logging.get_verbosity(), logging.is_progress_bar_enabled()
    logging.set_verbosity_error()
    logging.disable_progress_bar()
    try:
        with (
            warnings.catch_warnings(),
            no_code_from_files(),
            torch.random.fork_rng(devices=[]),
            # Whatever device torch makes tensors on by default.
            torch.device("cpu"),
        ):
            warnings.simplefilter("ignore")
            yield
    finally:
        logging.set_verbosity(level)
        if bars:
            logging.enable_progress_bar()


def frozen(module: Any) -> nn.Module:
    """Return a module as extractors take it."""
    # Not where it lay, which is in no row.
    module.name_or_path = ""
    return module.eval().requires_grad_(False)
