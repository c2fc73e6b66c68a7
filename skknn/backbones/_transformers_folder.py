"""Where the folder of a transformers model is: on disk, or fetched from the hub."""

import os
from pathlib import Path

from ._weights import hub_answers, in_hub_cache

# What is fetched of a model on the hub: never code.
_FILES = ("*.json", "*.txt", "*.model", "*.safetensors", "1_Pooling/*")
_BIN = "pytorch_model*.bin"


def transformers_folder(model: str | os.PathLike, written_by: str, remedy: str) -> Path:
    """Return the folder of a model.

    Parameters
    ----------
    model : str or Path
        A folder, or a name on the hub, with ``@revision`` where it is not the newest.
    written_by : str
        What folders are right, for messages.
    remedy : str
        What to do where there is none.

    Raises
    ------
    OSError
        If there is none, or no network. Says so at once.
    """
    folder = Path(model).expanduser()
    if folder.is_dir():
        if not (folder / "config.json").is_file():
            raise FileNotFoundError(
                f"model={str(model)!r} is a folder without config.json. Pass a folder "
                f"{written_by}."
            )
        return folder
    name = str(model)
    looks_like_path = isinstance(model, os.PathLike) or name.startswith((".", "/", "~"))
    if looks_like_path or name.count("/") > 1 or os.sep != "/" and os.sep in name:
        raise FileNotFoundError(
            f"model={name!r}: no such folder (from {os.getcwd()!r}). {remedy}"
        )
    return _from_hub(name, remedy)


def _from_hub(name: str, remedy: str) -> Path:
    from huggingface_hub import snapshot_download

    repo, _, revision = name.partition("@")
    cached = in_hub_cache(name, "config.json")
    if not cached and not hub_answers():
        raise OSError(
            f"model={name!r} is neither a folder nor in the hub's cache, and the "
            f"hub cannot be reached. {remedy}"
        )
    try:
        for files in (_FILES, (*_FILES, _BIN)):
            folder = Path(
                snapshot_download(
                    repo,
                    revision=revision or None,
                    allow_patterns=list(files),
                    local_files_only=cached,
                )
            )
            if any(folder.glob("*.safetensors")):
                break
    except Exception as error:  # the hub's client has exceptions of its own
        raise OSError(
            f"model={name!r} cannot be fetched ({type(error).__name__}: {error}). "
            f"{remedy}"
        ) from error
    return folder
