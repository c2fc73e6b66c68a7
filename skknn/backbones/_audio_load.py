"""Models of sounds with the front end that each was trained behind."""

import copy
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import nn

from ..utils._optional import import_optional, pip_install
from ._front_ends import FbankFrontEnd, FrontEnd, RawFrontEnd, SpeakerFrontEnd
from ._speaker_encoder import PACKAGE, load_speaker_encoder
from ._transformers_folder import transformers_folder
from ._transformers_load import frozen, load_kept, loading

# Of log-mel bands of AudioSet: what AST and SSAST were trained with.
_MEAN, _STD = -4.2677393, 4.5689974
# Seconds of a window where the model takes any length; frames of the speaker encoder's.
_SECONDS, _SPEAKER_FRAMES = 10.0, 160
# Missing in some folders, and of no use to frozen models.
_TRAINING_ONLY = "masked_spec_embed"
_AST = "audio-spectrogram-transformer"


@dataclass(frozen=True)
class AudioModel:
    """A network of sounds and what it needs.

    Attributes
    ----------
    module : torch.nn.Module
        Frozen, in float32, on the CPU.
    front_end : FrontEnd
    pooling : str
        What "auto" means.
    n_class_tokens : int
    """

    module: nn.Module
    front_end: FrontEnd
    pooling: str
    n_class_tokens: int


def load_audio_model(
    model: Any,
    *,
    front_end: str,
    n_mels: int,
    rate: int,
    max_seconds: float | None,
    max_windows: int,
) -> AudioModel:
    """Load a model; parameters as of :class:`skknn.AudioBackbone`.

    Raises
    ------
    OSError
        If there is no such folder, and neither package nor network.
    ModuleNotFoundError
        Without transformers, naming the extra.
    ValueError
        If a parameter does not go with the model, or a folder holds another kind.
    """
    if isinstance(model, nn.Module):
        module = _copied(model)
        seconds = _SECONDS if max_seconds is None else max_seconds
        windows = {"full": False, "max_windows": max_windows}
        if front_end == "raw":
            ahead: FrontEnd = RawFrontEnd(
                rate, False, 1, length=_length(seconds, rate), **windows
            )
        else:
            length = _length(seconds, 100)
            ahead = FbankFrontEnd(rate, n_mels, _MEAN, _STD, length=length, **windows)
        return AudioModel(module, ahead, "mean", 0)
    _check_own(front_end, n_mels, rate, model)
    if model == PACKAGE:
        frames = _SPEAKER_FRAMES
        if max_seconds is not None:
            frames = _length(max_seconds, 100)
        return AudioModel(
            load_speaker_encoder(),
            SpeakerFrontEnd(length=frames, full=False, max_windows=max_windows),
            "mean",
            0,
        )
    folder = transformers_folder(
        model,
        "that save_pretrained() of transformers wrote",
        f"Pass a folder with config.json and weights, or {PACKAGE!r}, which works "
        f"without network after {pip_install('audio')}.",
    )
    import_optional("transformers", extra="audio", needed_for="AudioBackbone")
    module, settings = load_kept(folder, _load)
    if settings["kind"] == _AST:
        return _ast(module, settings, max_seconds, max_windows)
    seconds = _SECONDS if max_seconds is None else max_seconds
    rate = int(settings.get("sampling_rate", 16_000))
    return AudioModel(
        module,
        RawFrontEnd(
            rate,
            bool(settings.get("do_normalize", True)),
            settings["least"],
            length=max(settings["least"], _length(seconds, rate)),
            full=False,
            max_windows=max_windows,
        ),
        "mean",
        0,
    )


def _ast(
    module: nn.Module,
    settings: dict[str, Any],
    max_seconds: float | None,
    max_windows: int,
) -> AudioModel:
    if max_seconds is not None:
        raise ValueError(
            f"max_seconds={max_seconds!r}: this model takes windows of "
            f"{settings['frames'] / 100:g} seconds alone. Use None."
        )
    scaled = bool(settings.get("do_normalize", True))
    front_end = FbankFrontEnd(
        int(settings.get("sampling_rate", 16_000)),
        settings["bands"],
        float(settings.get("mean", _MEAN)) if scaled else 0.0,
        float(settings.get("std", _STD)) if scaled else 0.5,
        length=settings["frames"],
        full=True,
        max_windows=max_windows,
    )
    return AudioModel(module, front_end, "cls", 2)


def _check_own(front_end: str, n_mels: int, rate: int, model: Any) -> None:
    """Refuse settings of modules where the model brings its own."""
    for name, value, default in (
        ("front_end", front_end, "auto"),
        ("n_mels", n_mels, 128),
        ("rate", rate, 16_000),
    ):
        if value != default:
            raise ValueError(
                f"{name}={value!r} is for modules, and model={str(model)!r} brings its "
                f"own. Leave it {default!r}."
            )


def _length(seconds: float, steps_a_second: int) -> int:
    length = int(round(seconds * steps_a_second))
    if length < 1:
        raise ValueError(
            f"max_seconds={seconds!r} is shorter than a step of the front end. Use at "
            "least 0.01."
        )
    return length


def _copied(model: nn.Module) -> nn.Module:
    module = copy.deepcopy(model).eval().requires_grad_(False)
    return module.to(torch.float32)


def _load(folder: Path) -> tuple[nn.Module, dict[str, Any]]:
    from transformers import AutoConfig

    with loading():
        try:
            config = AutoConfig.from_pretrained(folder)
            settings = _settings(folder, config)
            module = _network(folder)
        except (OSError, KeyError, RuntimeError, ImportError, ValueError) as error:
            raise ValueError(
                f"model={str(folder)!r} cannot be loaded as a transformers model of "
                f"sounds ({type(error).__name__}: {error}). The folder needs "
                "config.json, model.safetensors and, where the model was trained with "
                "other settings than usual, preprocessor_config.json, as "
                "save_pretrained() writes them."
            ) from error
    return frozen(module), settings


def _settings(folder: Path, config: Any) -> dict[str, Any]:
    """Return what a folder says of its front end."""
    file, settings = folder / "preprocessor_config.json", {}
    if file.is_file():
        settings = dict(json.loads(file.read_text(encoding="utf-8")))
    settings["kind"] = config.model_type
    if config.model_type == _AST:
        settings |= {"frames": config.max_length, "bands": config.num_mel_bins}
    elif hasattr(config, "conv_stride") and hasattr(config, "conv_kernel"):
        least = 1
        for kernel, stride in zip(config.conv_kernel[::-1], config.conv_stride[::-1]):
            least = (least - 1) * stride + kernel
        settings["least"] = least
    else:
        raise ValueError(
            f"models of type {config.model_type!r} are not offered; audio spectrogram "
            "transformers (AST), wav2vec 2.0, HuBERT, WavLM, UniSpeech and data2vec "
            "are. Others can be passed as a torch.nn.Module"
        )
    return settings


def _network(folder: Path) -> Any:
    import transformers

    # Releases differ in what the argument for a number format is called.
    model: Any = transformers.AutoModel
    module, report = model.from_pretrained(folder, output_loading_info=True)
    missing = [key for key in report["missing_keys"] if _TRAINING_ONLY not in key]
    if missing or report.get("mismatched_keys"):
        raise ValueError(f"the weights lack {', '.join(sorted(missing)[:5])}")
    return module.to(torch.float32)
