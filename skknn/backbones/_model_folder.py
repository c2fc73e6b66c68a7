"""Models in a folder of their own: ``local-dir:folder`` with config and weights."""

import json
import os
from pathlib import Path
from typing import Any

from timm.models import get_pretrained_cfg

# In the order in which timm takes them.
_NAMES = (
    "model.safetensors",
    "pytorch_model.bin",
    "pytorch_model.pth",
    "model.pth",
    "open_clip_model.safetensors",
    "open_clip_pytorch_model.safetensors",
    "open_clip_pytorch_model.bin",
    "open_clip_pytorch_model.pth",
)
_ENDINGS = (".safetensors", ".pth", ".pth.tar", ".bin")


def model_folder(name: str) -> Path | None:
    """Return the folder that a backbone's name means, or None if it means none."""
    source, _, folder = name.partition(":")
    return Path(folder).expanduser() if source.lower() == "local-dir" else None


def folder_weights(folder: Path) -> Path:
    """Return the file of weights in a model's folder.

    Raises
    ------
    FileNotFoundError
    """
    found = [folder / name for name in _NAMES if (folder / name).is_file()]
    for ending in _ENDINGS:
        found += sorted(folder.glob(f"*{ending}"))
    if not found:
        raise FileNotFoundError(
            f"backbone='local-dir:{folder}': no weights there (from {os.getcwd()!r}). "
            "The folder needs config.json and model.safetensors (or pytorch_model.bin),"
            " as timm.models.save_for_hf writes them; weights=None draws random ones."
        )
    return found[0]


def classifier_names(name: str) -> tuple[str, ...]:
    """Return the names of the layers that classify, of a named model."""
    folder = model_folder(name)
    config: Any = {}
    if folder is not None:
        written = json.loads((folder / "config.json").read_text(encoding="utf-8"))
        config = written.get("pretrained_cfg", written)
        name = written["architecture"]
    if ":" in name:
        return ()
    names = config.get("classifier")
    if names is None:
        names = getattr(get_pretrained_cfg(name), "classifier", None)
    return (names,) if isinstance(names, str) else tuple(names or ())
